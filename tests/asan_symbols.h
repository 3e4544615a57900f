/*
 * asan_symbols.h -- defines the symbols of AddressSanitizer's runtime by which the library finds
 * it. They call set_flags(), which the including file defines.
 */
#ifndef HOLDFAST_TESTS_ASAN_SYMBOLS_H
#define HOLDFAST_TESTS_ASAN_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

/* Called for each range that the library poisons or unpoisons. */
static void set_flags(const volatile void *address, size_t size, bool poisoned);

void __asan_poison_memory_region(const volatile void *address, size_t size);
void __asan_unpoison_memory_region(const volatile void *address, size_t size);
int __asan_address_is_poisoned(const volatile void *address);

/* The library looks for this symbol too, because AFL++ defines an empty
 * __asan_poison_memory_region. */
int __asan_address_is_poisoned(const volatile void *address) {
    (void)address;
    return 0;
}

void __asan_poison_memory_region(const volatile void *address, size_t size) {
    set_flags(address, size, true);
}

void __asan_unpoison_memory_region(const volatile void *address, size_t size) {
    set_flags(address, size, false);
}

#endif
