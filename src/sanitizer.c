/*
 * sanitizer.c -- the function that copies poisoned and uninitialized bytes without a report of the
 * sanitizers.
 */
#include "sanitizer.h"

#include <stdint.h>

#if defined(__clang__)
#define HF_UNSANITIZED __attribute__((no_sanitize("address", "memory"), noinline))
#elif defined(__GNUC__)
#define HF_UNSANITIZED __attribute__((no_sanitize_address, noinline))
#else
#define HF_UNSANITIZED
#endif

/* The pointers are volatile so that the compiler does not turn the loops into a call of memmove,
 * which the sanitizers check. */
HF_UNSANITIZED void hf_copy_unsanitized(void *to, const void *from, size_t size) {
    volatile char *target = to;
    const volatile char *source = from;
    VALGRIND_DISABLE_ERROR_REPORTING;
    if ((uintptr_t)to <= (uintptr_t)from)
        for (size_t i = 0; i < size; i++) target[i] = source[i];
    else
        for (size_t i = size; i-- > 0;) target[i] = source[i];
    VALGRIND_ENABLE_ERROR_REPORTING;
    hf_unpoison_initialized(to, size);
}
