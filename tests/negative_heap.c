/*
 * Makes the deliberate error with a heap that the command line names; the sanitizer must report it.
 * "none" makes similar calls without an error, and nothing may be reported. See negative_arena.c.
 */
#include <stdio.h>
#include <string.h>

#include "heap_fixture.h"

CHECK_THREAD_LOCAL struct check_state check_state;

static hf_heap *heap;

enum { SIZE = 100 }; /* not a multiple of 8, AddressSanitizer's unit of poisoning */

static void store(char *address) { *(volatile char *)address = 1; }

static char *allocate(size_t size) {
    char *block = hf_heap_malloc(heap, size);
    CHECK(block != NULL && hf_heap_usable_size(heap, block) == size);
    memset(block, 1, size);
    return block;
}

static char *freed(size_t size) {
    char *block = allocate(size);
    hf_heap_free(heap, block);
    return block;
}

static void none(void) {
    char *block = freed(SIZE);
    for (int i = 0; i < 3000; i++) block = freed((size_t)i % 3000 + 1);
    hf_heap_reset(heap);
    CHECK(allocate(SIZE) != NULL && block != NULL);
}

static void overflow(void) { store(allocate(SIZE) + SIZE); }
static void overflow_of_a_medium_block(void) { store(allocate(100 * KIB) + 100 * KIB); }
static void overflow_of_a_large_block(void) { store(allocate(5 * MIB + 5) + 5 * MIB + 5); }
static void overflow_of_a_zeroed_block(void) {
    store((char *)hf_heap_calloc(heap, 1, SIZE) + SIZE);
}
static void overflow_after_shrinking(void) {
    store((char *)hf_heap_realloc(heap, allocate(SIZE), 50) + 50);
}
static void use_after_free(void) { store(freed(SIZE)); }
static void use_after_free_of_a_medium_block(void) { store(freed(100 * KIB) + 5); }
static void use_after_free_of_a_large_block(void) { store(freed(5 * MIB) + 5); }
static void use_after_growing(void) {
    char *block = allocate(SIZE);
    CHECK(hf_heap_realloc(heap, block, 5000) != NULL);
    store(block);
}
static void use_after_other_frees(void) {
    char *block = freed(SIZE);
    for (int i = 0; i < 100; i++) freed(SIZE);
    store(block);
}

static const struct check_test errors[] = {
    TEST(none),
    TEST(overflow),
    TEST(overflow_of_a_medium_block),
    TEST(overflow_of_a_large_block),
    TEST(overflow_of_a_zeroed_block),
    TEST(overflow_after_shrinking),
    TEST(use_after_free),
    TEST(use_after_free_of_a_medium_block),
    TEST(use_after_free_of_a_large_block),
    TEST(use_after_growing),
    TEST(use_after_other_frees),
};

int main(int count, char **arguments) {
    for (size_t i = 0; count == 2 && i < sizeof errors / sizeof *errors; i++) {
        if (strcmp(arguments[1], errors[i].name) != 0) continue;
        heap = open_heap((hf_heap_options){.reserve = 64 * MIB});
        errors[i].run();
        hf_heap_close(heap);
        printf("%s went unnoticed\n", arguments[1]);
        return EXIT_SUCCESS;
    }
    printf("there is no such error\n");
    return EXIT_FAILURE;
}
