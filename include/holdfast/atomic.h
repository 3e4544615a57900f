/** @file
 *  holdfast/atomic.h: private, for the inline functions of ring.h and for the library: a load with
 *  acquire, a store with release, and a counter that several threads change.
 *
 *      one thread                           another one
 *      bytes ..., hf_store_release(&n)  ->  hf_load_acquire(&n), bytes ...
 *
 *  @code{.c}
 *  #include <holdfast/atomic.h>
 *
 *  static size_t opened;                               // changed by several threads
 *
 *  size_t next_number(void) { return hf_fetch_add(&opened, 1); }
 *  @endcode
 *
 *  They work on plain size_t instead of C11's _Atomic, because the variable may be in memory that
 *  processes share, and older compilers of Microsoft have no stdatomic.h. For those compilers a
 *  volatile access is one plain load or store, and fences order it. A compiler that has neither
 *  (TinyCC, chibicc) calls functions of the library, which another compiler has compiled.
 */
#ifndef HOLDFAST_ATOMIC_H
#define HOLDFAST_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>

#include "version.h"

/** @cond private */

#ifdef __cplusplus
extern "C" {
#endif

/* What the inline functions below do, for compilers that cannot compile them: in atomic.c. */
HF_API size_t hf_atomic_load(const size_t *variable);
HF_API void hf_atomic_store(size_t *variable, size_t value);
HF_API size_t hf_atomic_add(size_t *variable, size_t value);
HF_API size_t hf_atomic_exchange(size_t *variable, size_t value);

#ifdef __cplusplus
}
#endif

/* gcc has had these functions since 4.7, and __has_builtin since 10. */
#if defined(_MSC_VER)
#elif defined(__has_builtin)
#if __has_builtin(__atomic_load_n)
#define HF_HAS_ATOMICS
#endif
#elif defined(__GNUC__) && defined(__ATOMIC_ACQUIRE)
#define HF_HAS_ATOMICS
#endif

#if defined(_MSC_VER)

#include <intrin.h>

/* ARM64EC defines the macros of x64 too, but is an ARM processor, which needs a real fence. */
#if defined(_M_ARM64) || defined(_M_ARM64EC) || defined(_M_ARM)
#define HF_FENCE() __dmb(0xb) /* inner shareable */
#else
#define HF_FENCE() _ReadWriteBarrier() /* x86 orders loads, and stores, by itself */
#endif

static inline size_t hf_load_acquire(const size_t *variable) {
    size_t value = *(const volatile size_t *)variable;
    HF_FENCE();
    return value;
}

static inline void hf_store_release(size_t *variable, size_t value) {
    HF_FENCE();
    *(volatile size_t *)variable = value;
}

#if defined(_WIN64)
#define HF_EXCHANGE_ADD(variable, value) \
    ((size_t)_InterlockedExchangeAdd64((volatile long long *)(variable), (long long)(value)))
#define HF_EXCHANGE(variable, value) \
    ((size_t)_InterlockedExchange64((volatile long long *)(variable), (long long)(value)))
#else
#define HF_EXCHANGE(variable, value) \
    ((size_t)_InterlockedExchange((volatile long *)(variable), (long)(value)))
#define HF_EXCHANGE_ADD(variable, value) \
    ((size_t)_InterlockedExchangeAdd((volatile long *)(variable), (long)(value)))
#endif

/* Adds value to *variable; returns what *variable was before. */
static inline size_t hf_fetch_add(size_t *variable, size_t value) {
    return HF_EXCHANGE_ADD(variable, value);
}

/* Stores value in *variable; returns what *variable was before. */
static inline size_t hf_exchange(size_t *variable, size_t value) {
    return HF_EXCHANGE(variable, value);
}

/* Stores value in *variable if *variable is *expected. False: it is not, and *expected is what it
 * is. */
static inline bool hf_compare_exchange(size_t *variable, size_t *expected, size_t value) {
#if defined(_WIN64)
    size_t found = (size_t)_InterlockedCompareExchange64((volatile long long *)variable,
                                                         (long long)value, (long long)*expected);
#else
    size_t found = (size_t)_InterlockedCompareExchange((volatile long *)variable, (long)value,
                                                       (long)*expected);
#endif
    bool is_done = found == *expected;
    *expected = found;
    return is_done;
}

#elif defined(HF_HAS_ATOMICS)

static inline size_t hf_load_acquire(const size_t *variable) {
    return __atomic_load_n(variable, __ATOMIC_ACQUIRE);
}

static inline void hf_store_release(size_t *variable, size_t value) {
    __atomic_store_n(variable, value, __ATOMIC_RELEASE);
}

/* Adds value to *variable; returns what *variable was before. */
static inline size_t hf_fetch_add(size_t *variable, size_t value) {
    return __atomic_fetch_add(variable, value, __ATOMIC_ACQ_REL);
}

/* Stores value in *variable; returns what *variable was before. */
static inline size_t hf_exchange(size_t *variable, size_t value) {
    return __atomic_exchange_n(variable, value, __ATOMIC_ACQ_REL);
}

/* Stores value in *variable if *variable is *expected. False: it is not, and *expected is what it
 * is. */
static inline bool hf_compare_exchange(size_t *variable, size_t *expected, size_t value) {
    return __atomic_compare_exchange_n(variable, expected, value, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

#else

static inline size_t hf_load_acquire(const size_t *variable) { return hf_atomic_load(variable); }

static inline void hf_store_release(size_t *variable, size_t value) {
    hf_atomic_store(variable, value);
}

/* Adds value to *variable; returns what *variable was before. */
static inline size_t hf_fetch_add(size_t *variable, size_t value) {
    return hf_atomic_add(variable, value);
}

/* Stores value in *variable; returns what *variable was before. */
static inline size_t hf_exchange(size_t *variable, size_t value) {
    return hf_atomic_exchange(variable, value);
}

#endif

/** @endcond */

#endif
