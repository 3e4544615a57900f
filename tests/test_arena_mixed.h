/*
 * test_arena_mixed.h -- what the object without AddressSanitizer does for the one with it.
 */
#ifndef HOLDFAST_TESTS_TEST_ARENA_MIXED_H
#define HOLDFAST_TESTS_TEST_ARENA_MIXED_H

#include <holdfast/arena.h>

char *plain_alloc(hf_arena *arena, size_t size);
void plain_rewind(hf_arena *arena, hf_mark mark);
void plain_fill(char *bytes, size_t size, char value);
size_t plain_sum(const char *bytes, size_t size);

#endif
