/*
 * Makes the deliberate error that the command line names; the sanitizer must report it. "none"
 * makes similar calls without an error, and nothing may be reported.
 *
 * Built with AddressSanitizer, with a library that was built with and without it; and without
 * AddressSanitizer for Valgrind.
 */
#include <holdfast/arena.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

CHECK_THREAD_LOCAL struct check_state check_state;

static hf_arena arena;
static char *before, *block, *after;

enum { SIZE = 100 }; /* not a multiple of 8, AddressSanitizer's unit of poisoning */

static void store(char *address) { *(volatile char *)address = 1; }

static int load(const char *address) { return *(const volatile char *)address; }

static void prepare(void) {
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    before = hf_alloc(&arena, SIZE, 1);
    block = hf_alloc(&arena, SIZE, 1);
    after = hf_alloc(&arena, SIZE, 1);
    memset(before, 1, SIZE);
    memset(block, 2, SIZE);
    memset(after, 3, SIZE);
}

/* ------------------------------------------------------------------- errors ---------------- */

static void overflow(void) { store(block + SIZE); }
static void overflow_by_a_load(void) { load(block + SIZE); }
static void underflow(void) { store(block - 1); }
static void underflow_of_the_first_block(void) { store(before - 1); }

static void use_after_rewind(void) {
    hf_mark mark = hf_get_mark(&arena);
    char *gone = hf_alloc(&arena, SIZE, 8);
    store(gone);
    hf_rewind(&arena, mark);
    store(gone);
}

static void load_after_rewind(void) {
    hf_rewind(&arena, 0);
    load(before);
}

static void use_after_reset(void) {
    hf_reset(&arena);
    store(block);
}

static void use_after_scope(void) {
    hf_scope outer = hf_scope_begin(&arena), inner = hf_scope_begin(&arena);
    char *gone = hf_alloc(&arena, SIZE, 8);
    store(gone);
    hf_scope_end(outer);
    hf_scope_end(inner);
    store(gone + SIZE - 1);
}

static void use_of_scratch_after_its_scope(void) {
    hf_scratch scratch;
    hf_scratch_open(&scratch, NULL);
    hf_scope scope = hf_scratch_begin(&scratch, &arena);
    char *gone = hf_strdup(scope.arena, "temporary");
    hf_scope_end(scope);
    load(gone);
}

static void touch_beyond_pos(void) { store(arena.pos + SIZE); }

static void touch_the_end_of_what_is_committed(void) {
    store(hf_arena_base(&arena) + hf_arena_get_stats(&arena).committed - 1);
}

static void touch_what_grew(void) {
    hf_alloc(&arena, 9 << 20, 1);
    store(arena.pos + SIZE);
}

static void use_after_shrinking(void) {
    CHECK(hf_extend(&arena, after, SIZE, SIZE / 2));
    store(after + SIZE / 2);
}

static void overflow_after_extending(void) {
    CHECK(hf_extend(&arena, after, SIZE, SIZE * 3));
    store(after + SIZE * 3 - 1);
    store(after + SIZE * 3);
}

static void overflow_after_reallocating(void) {
    char *moved = hf_realloc(&arena, block, SIZE, SIZE * 2, 1);
    store(moved + SIZE * 2 - 1);
    store(moved + SIZE * 2);
}

static void use_of_peeked_bytes_that_were_not_taken(void) {
    char *top = hf_peek(&arena, SIZE * 2, NULL);
    memset(top, 4, SIZE * 2);
    CHECK(hf_alloc(&arena, SIZE, 1) == top);
    store(top + SIZE);
}

static void use_of_peeked_bytes_after_a_rewind(void) {
    char *top = hf_peek(&arena, SIZE, NULL);
    store(top);
    hf_rewind(&arena, hf_get_mark(&arena));
    store(top);
}

static void overflow_of_a_text(void) { store(hf_asprintf(&arena, "%d", 1234) + 5); }

static void overflow_of_an_array(void) { store((char *)(hf_new_array(&arena, int, 10) + 10)); }

static void use_after_trimming(void) {
    hf_rewind(&arena, 0);
    hf_trim(&arena, 4096);
    hf_alloc(&arena, 8, 8);
    store(block);
}

/* hf_arena_save reads poisoned bytes with the reports of the sanitizer switched off. Afterwards
 * they must be on again. */
static void overflow_after_saving(void) {
    char path[64];
    snprintf(path, sizeof path, "negative_arena.%ld.tmp", (long)getpid());
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, path));
    remove(path);
    store(block + SIZE);
}

/* Copying bytes from hf_peek reads poisoned bytes too. */
static void overflow_after_copying_peeked_bytes(void) {
    char *top = hf_peek(&arena, SIZE * 2, NULL);
    memset(top, 'x', SIZE);
    top[SIZE] = '\0';
    char *text = hf_strdup(&arena, top);
    CHECK(strlen(text) == SIZE);
    store(text + SIZE + 1);
}

static void use_after_free(void) {
    hf_free(&arena, after, SIZE);
    load(after);
}

static void use_after_freeing_another_block(void) {
    hf_free(&arena, block, SIZE);
    load(block + SIZE - 1);
}

/* Valgrind and MemorySanitizer track which bytes were never written. */
static void use_of_a_value_never_written(void) {
    memset(hf_alloc(&arena, SIZE, 1), 1, SIZE);
    hf_reset(&arena);
    char *fresh = hf_alloc(&arena, SIZE, 1);
    if (load(fresh + SIZE / 2)) printf("was 1\n");
}

/* MemorySanitizer allows the load and reports the use of the value. */
static void use_of_a_rewound_value(void) {
    hf_rewind(&arena, 0);
    if (load(before)) printf("was 1\n");
}

/* ----------------------------------------------------------------- no error ---------------- */

static void none(void) {
    hf_mark mark = hf_get_mark(&arena);
    char *top = hf_peek(&arena, SIZE * 2, NULL);
    memset(top, 4, SIZE * 2);
    CHECK(hf_alloc(&arena, SIZE, 1) == top);
    store(top + SIZE - 1);
    CHECK(hf_extend(&arena, top, SIZE, SIZE * 3));
    memset(top, 5, SIZE * 3);
    CHECK(hf_extend(&arena, top, SIZE * 3, 1));
    CHECK(hf_extend_zeroed(&arena, top, 1, 9 << 20));
    CHECK(load(top + (9 << 20) - 1) == 0);
    hf_free(&arena, top, 9 << 20);
    CHECK(hf_alloc(&arena, SIZE, 1) == top);
    memset(top, 5, SIZE);
    CHECK(hf_rewind(&arena, mark) == HF_OK);
    char *zeroed = hf_alloc_zeroed(&arena, SIZE, 1);
    for (int i = 0; i < SIZE; i++) CHECK(zeroed[i] == 0);
    CHECK(before[0] == 1 && block[SIZE - 1] == 2 && after[SIZE - 1] == 3);
    CHECK(hf_trim(&arena, 0) == HF_OK && hf_reset(&arena) == HF_OK);
    memset(hf_alloc(&arena, SIZE, 1), 6, SIZE);
}

static const struct check_test errors[] = {
    TEST(overflow),
    TEST(overflow_by_a_load),
    TEST(underflow),
    TEST(underflow_of_the_first_block),
    TEST(use_after_rewind),
    TEST(load_after_rewind),
    TEST(use_after_reset),
    TEST(use_after_scope),
    TEST(use_of_scratch_after_its_scope),
    TEST(touch_beyond_pos),
    TEST(touch_the_end_of_what_is_committed),
    TEST(touch_what_grew),
    TEST(use_after_shrinking),
    TEST(overflow_after_extending),
    TEST(overflow_after_reallocating),
    TEST(use_of_peeked_bytes_that_were_not_taken),
    TEST(use_of_peeked_bytes_after_a_rewind),
    TEST(overflow_of_a_text),
    TEST(overflow_of_an_array),
    TEST(use_after_trimming),
    TEST(overflow_after_saving),
    TEST(overflow_after_copying_peeked_bytes),
    TEST(use_after_free),
    TEST(use_after_freeing_another_block),
    TEST(use_of_a_value_never_written),
    TEST(use_of_a_rewound_value),
    TEST(none),
};

int main(int count, char **arguments) {
    for (size_t i = 0; count == 2 && i < sizeof errors / sizeof *errors; i++) {
        if (strcmp(arguments[1], errors[i].name) != 0) continue;
        prepare();
        errors[i].run();
        hf_arena_close(&arena);
        printf("%s went unnoticed\n", arguments[1]);
        return EXIT_SUCCESS;
    }
    printf("there is no such error\n");
    return EXIT_FAILURE;
}
