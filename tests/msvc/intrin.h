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
