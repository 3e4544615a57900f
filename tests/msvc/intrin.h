/* The intrinsics of Microsoft's compiler that the library uses as atomics; fences are counted. */
static int fences, barriers;

static inline void __dmb(unsigned int domain) { fences += domain == 0xb; }
static inline void _ReadWriteBarrier(void) { barriers++; }

static inline long _InterlockedExchangeAdd(volatile long *target, long value) {
    return __atomic_fetch_add(target, value, __ATOMIC_SEQ_CST);
}

static inline long long _InterlockedExchangeAdd64(volatile long long *target, long long value) {
    return __atomic_fetch_add(target, value, __ATOMIC_SEQ_CST);
}

static inline long _InterlockedCompareExchange(volatile long *target, long value, long expected) {
    __atomic_compare_exchange_n(target, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

static inline long long _InterlockedCompareExchange64(volatile long long *target, long long value,
                                                      long long expected) {
    __atomic_compare_exchange_n(target, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

static inline long _InterlockedExchange(volatile long *target, long value) {
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}

static inline long long _InterlockedExchange64(volatile long long *target, long long value) {
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}
