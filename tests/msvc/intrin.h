/* What Microsoft's compiler has instead of atomics, counted. */
static int fences, barriers;

static inline void __dmb(unsigned int domain) { fences += domain == 0xb; }
static inline void _ReadWriteBarrier(void) { barriers++; }

static inline long _InterlockedExchangeAdd(volatile long *word, long value) {
    return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}

static inline long long _InterlockedExchangeAdd64(volatile long long *word, long long value) {
    return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}

static inline long _InterlockedCompareExchange(volatile long *word, long value, long expected) {
    __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

static inline long long _InterlockedCompareExchange64(volatile long long *word, long long value,
                                                      long long expected) {
    __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
