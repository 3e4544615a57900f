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
 *  They work on plain size_t, not on C11's _Atomic: such a variable may lie in memory that
 *  processes share, and older compilers of Microsoft have no stdatomic.h. There a volatile access
 *  is a plain one to the processor, and the fences around it keep the order.
 */
#ifndef HOLDFAST_ATOMIC_H
#define HOLDFAST_ATOMIC_H

#include <stddef.h>

/** @cond private */

#if defined(_MSC_VER)

#include <intrin.h>

/* ARM64EC defines the macros of x64 too, and is no x64: there a compiler's barrier is no fence. */
#if defined(_M_ARM64) || defined(_M_ARM64EC) || defined(_M_ARM)
#define HF_FENCE() __dmb(0xb) /* inner shareable */
#else
#define HF_FENCE() _ReadWriteBarrier() /* x86 orders loads, and stores, by itself */
#endif

static inline size_t hf_load_acquire(const size_t *word) {
    size_t value = *(const volatile size_t *)word;
    HF_FENCE();
    return value;
}

static inline void hf_store_release(size_t *word, size_t value) {
    HF_FENCE();
    *(volatile size_t *)word = value;
}

#if defined(_WIN64)
#define HF_EXCHANGE_ADD(word, value) \
    ((size_t)_InterlockedExchangeAdd64((volatile long long *)(word), (long long)(value)))
#define HF_EXCHANGE(word, value) \
    ((size_t)_InterlockedExchange64((volatile long long *)(word), (long long)(value)))
#else
#define HF_EXCHANGE(word, value) \
    ((size_t)_InterlockedExchange((volatile long *)(word), (long)(value)))
#define HF_EXCHANGE_ADD(word, value) \
    ((size_t)_InterlockedExchangeAdd((volatile long *)(word), (long)(value)))
#endif

/* Adds value to *word; returns what *word was before. */
static inline size_t hf_fetch_add(size_t *word, size_t value) {
    return HF_EXCHANGE_ADD(word, value);
}

/* Stores value in *word; returns what *word was before. */
static inline size_t hf_exchange(size_t *word, size_t value) { return HF_EXCHANGE(word, value); }

#else

static inline size_t hf_load_acquire(const size_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void hf_store_release(size_t *word, size_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Adds value to *word; returns what *word was before. */
static inline size_t hf_fetch_add(size_t *word, size_t value) {
    return __atomic_fetch_add(word, value, __ATOMIC_ACQ_REL);
}

/* Stores value in *word; returns what *word was before. */
static inline size_t hf_exchange(size_t *word, size_t value) {
    return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);
}

#endif

/** @endcond */

#endif
