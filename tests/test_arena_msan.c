/*
 * Which bytes MemorySanitizer sees as initialized. This program and its copy of the library are
 * built with -fsanitize=memory.
 */
#include <sanitizer/msan_interface.h>

#include <holdfast/space.h>

#include "arena_fixture.h"
#include "disk.h"

enum { SIZE = 1000 };

static const char path[] = "test_arena_msan.tmp";

static hf_arena open_arena(void) { return fixture_open((hf_arena_options){.reserve = 64 * MIB}); }

static bool is_written(const void *bytes, size_t size) {
    return __msan_test_shadow(bytes, size) == -1;
}

/* True if no byte is initialized. */
static bool is_unwritten(const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (__msan_test_shadow(bytes + i, 1) == -1) return false;
    return true;
}

static void allocated_bytes_are_unwritten(void) {
    hf_arena arena = open_arena();
    for (int round = 0; round < 3; round++) {
        char *block = hf_alloc(&arena, SIZE, 1);
        CHECK(is_unwritten(block, SIZE));
        fill(block, SIZE, 1);
        CHECK(is_written(block, SIZE));
        CHECK(hf_extend(&arena, block, SIZE, 2 * SIZE));
        CHECK(is_written(block, SIZE) && is_unwritten(block + SIZE, SIZE));
        fill(block, 2 * SIZE, 1);
        CHECK(hf_extend(&arena, block, 2 * SIZE, SIZE));
        CHECK(hf_extend(&arena, block, SIZE, 3 * SIZE));
        CHECK(is_written(block, SIZE) && is_unwritten(block + SIZE, 2 * SIZE));
        char *large = hf_alloc(&arena, 10 * MIB, 1);
        CHECK(is_unwritten(large, SIZE) && is_unwritten(large + 10 * MIB - SIZE, SIZE));
        if (round % 2) CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
        if (round == 1) CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    }
    hf_arena_close(&arena);
}

static void rewound_bytes_are_unwritten(void) {
    hf_arena arena = open_arena();
    char *block = hf_alloc_zeroed(&arena, SIZE, 1);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK(is_unwritten(block, SIZE));
    CHECK(hf_alloc(&arena, SIZE, 1) == block && is_unwritten(block, SIZE));
    hf_arena_close(&arena);
}

static void zeroed_bytes_are_written(void) {
    hf_arena arena = open_arena();
    for (int round = 0; round < 3; round++) {
        char *block = hf_alloc_zeroed(&arena, SIZE, 1);
        CHECK(is_written(block, SIZE) && is_zero(block, SIZE));
        CHECK(hf_extend_zeroed(&arena, block, SIZE, 5 * MIB));
        CHECK(is_written(block, 5 * MIB) && is_zero(block, 5 * MIB));
        int *array = hf_new_array(&arena, int, SIZE);
        CHECK(is_written(array, SIZE * sizeof *array));
        memset(block, 1, 5 * MIB);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        if (round == 1) CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    }
    hf_arena_close(&arena);
}

static void copies_are_written_as_far_as_their_source(void) {
    hf_arena arena = open_arena();
    char *block = hf_alloc(&arena, SIZE, 8);
    fill(block, SIZE / 2, 1);
    char *copy = hf_memdup(&arena, block, SIZE);
    CHECK(is_written(copy, SIZE / 2) && is_unwritten(copy + SIZE / 2, SIZE / 2));
    copy = hf_realloc(&arena, block, SIZE, 2 * SIZE, 8);
    CHECK(copy != block && is_written(copy, SIZE / 2));
    CHECK(is_unwritten(copy + SIZE / 2, 2 * SIZE - SIZE / 2));
    CHECK(is_written(hf_strdup(&arena, "text"), 5));
    CHECK(is_written(hf_strndup(&arena, "text", 2), 3));
    CHECK(is_written(hf_asprintf(&arena, "%d", 12345), 6));
    CHECK(is_written(hf_asprintf(&arena, "%*s", 3000, "text"), 3001));
    hf_arena_close(&arena);
}

static void a_peek_keeps_what_was_written(void) {
    hf_arena arena = open_arena();
    char *peeked = hf_peek(&arena, 2 * SIZE, NULL);
    CHECK(is_unwritten(peeked, 2 * SIZE));
    memset(peeked, 'x', SIZE - 1);
    peeked[SIZE - 1] = '\0';
    CHECK(hf_alloc(&arena, 2 * SIZE, 1) == peeked);
    CHECK(is_written(peeked, SIZE) && is_unwritten(peeked + SIZE, SIZE));
    for (size_t length = 10; length < 10000; length *= 10) {
        peeked = hf_peek(&arena, length + 9, NULL);
        memset(peeked + 8, 'x', length);
        peeked[8 + length] = '\0';
        CHECK(is_written(hf_strdup(&arena, peeked + 8), length + 1));
        peeked = hf_peek(&arena, length + 9, NULL);
        memset(peeked + 8, 'x', length);
        peeked[8 + length] = '\0';
        CHECK(is_written(hf_asprintf(&arena, "%s", peeked + 8), length + 1));
    }
    hf_arena_close(&arena);
}

/* Closing an arena must not leave its addresses uninitialized: a new space's memory is zero. */
static void memory_of_a_space_is_written(void) {
    hf_arena arena = open_arena();
    char *base = hf_arena_base(&arena);
    CHECK(hf_alloc(&arena, 10 * MIB, 1) != NULL);
    hf_arena_close(&arena);
    hf_space *space;
    hf_space_options options = {.base = base};
    CHECK_STATUS(HF_OK, hf_space_open(&space, 64 * MIB, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 16 * MIB));
    CHECK(is_written(base, 16 * MIB) && is_zero(base, 16 * MIB));
    hf_space_close(space);
}

/* Uninitialized bytes can be saved, and count as initialized when they are read from a file. */
static void bytes_of_a_file_are_written(void) {
    disk_remove(path);
    hf_arena arena = open_arena();
    char *block = hf_alloc(&arena, SIZE, 8);
    fill(block, SIZE / 2, 1);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, path));
    CHECK(is_written(block, SIZE / 2) && is_unwritten(block + SIZE / 2, SIZE / 2));
    hf_arena_close(&arena);
    for (int access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++) {
        hf_arena_options options = {.reserve = 64 * MIB, .any_base = true};
        CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, path, (hf_access)access, &options));
        block = hf_arena_root(&arena);
        CHECK(is_written(block, SIZE) && is_filled(block, SIZE / 2, 1));
        if (access != HF_READ_ONLY) {
            char *next = hf_alloc(&arena, MIB, 8);
            CHECK(is_unwritten(next, SIZE) && is_unwritten(next + MIB - SIZE, SIZE));
        }
        hf_arena_close(&arena);
    }
    arena = open_arena();
    void *data;
    size_t size;
    CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, path, HF_READ_ONLY, &data, &size));
    CHECK(is_written(data, size));
    hf_arena_close(&arena);
    disk_remove(path);
}

CHECK_MAIN(TEST(allocated_bytes_are_unwritten), TEST(rewound_bytes_are_unwritten),
           TEST(zeroed_bytes_are_written), TEST(copies_are_written_as_far_as_their_source),
           TEST(a_peek_keeps_what_was_written), TEST(memory_of_a_space_is_written),
           TEST(bytes_of_a_file_are_written))
