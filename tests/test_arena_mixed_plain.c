/*
 * Built without AddressSanitizer: see test_arena_mixed.c.
 */
#include "test_arena_mixed.h"

char *plain_alloc(hf_arena *arena, size_t size) { return hf_alloc(arena, size, 1); }

void plain_rewind(hf_arena *arena, hf_mark mark) { hf_rewind(arena, mark); }

/* A loop, because AddressSanitizer intercepts memset. */
void plain_fill(char *bytes, size_t size, char value) {
    for (volatile char *byte = bytes; byte < bytes + size; byte++) *byte = value;
}

size_t plain_sum(const char *bytes, size_t size) {
    size_t sum = 0;
    for (const volatile char *byte = bytes; byte < bytes + size; byte++) sum += (size_t)*byte;
    return sum;
}
