/*
 * marking.c -- the one function that reads what is marked as free or as never written.
 */
#include "marking.h"

#include <stdint.h>

#if defined(__clang__)
#define HF_NOT_CHECKED __attribute__((no_sanitize("address", "memory"), noinline))
#elif defined(__GNUC__)
#define HF_NOT_CHECKED __attribute__((no_sanitize_address, noinline))
#else
#define HF_NOT_CHECKED
#endif

/* The pointers are volatile, or the compiler makes a call of memmove, which is checked. */
HF_NOT_CHECKED void hf_copy_unchecked(void *to, const void *from, size_t size) {
    volatile char *target = to;
    const volatile char *source = from;
    VALGRIND_DISABLE_ERROR_REPORTING;
    if ((uintptr_t)to <= (uintptr_t)from)
        for (size_t i = 0; i < size; i++) target[i] = source[i];
    else
        for (size_t i = size; i-- > 0;) target[i] = source[i];
    VALGRIND_ENABLE_ERROR_REPORTING;
    hf_mark_defined(to, size);
}
