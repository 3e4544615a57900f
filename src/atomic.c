/*
 * atomic.c -- the functions of atomic.h for programs whose compiler has no atomic operations, such
 * as TinyCC and chibicc. The library itself needs a compiler that has them.
 */
#include <holdfast/atomic.h>

#if !defined(HF_HAS_ATOMICS) && !defined(_MSC_VER)
#error "holdfast is compiled by a compiler with __atomic_load_n, or by Microsoft's"
#endif

size_t hf_atomic_load(const size_t *variable) { return hf_load_acquire(variable); }

void hf_atomic_store(size_t *variable, size_t value) { hf_store_release(variable, value); }

size_t hf_atomic_add(size_t *variable, size_t value) { return hf_fetch_add(variable, value); }

size_t hf_atomic_exchange(size_t *variable, size_t value) { return hf_exchange(variable, value); }
