/*
 * hf_extend, hf_extend_zeroed, hf_realloc: blocks that grow and shrink in place.
 */
#include "arena_fixture.h"
#include "recorder.h"

static struct failures failures;

static hf_arena open_small(void) {
    failures = (struct failures){0};
    return fixture_open(
        (hf_arena_options){.reserve = 64 * MIB, .on_failure = count_failure, .user = &failures});
}

typedef bool extend_function(hf_arena *, void *, size_t, size_t);
static extend_function *const both[] = {hf_extend, hf_extend_zeroed};

/* The call returns false with this status, changes nothing, and does not call on_failure. */
static void fails_with(hf_arena *arena, hf_status expected, void *block, size_t old_size,
                       size_t new_size) {
    for (int i = 0; i < 2; i++) {
        struct snapshot before = snapshot_of(arena);
        AT("%s, %#zx to %#zx", i ? "zeroed" : "plain", old_size, new_size);
        CHECK(!both[i](arena, block, old_size, new_size));
        CHECK_EQUAL(expected, hf_last_error().status);
        check_unchanged(arena, &before);
        CHECK_EQUAL(0, failures.count);
    }
}

/* ------------------------------------------------------------------- growing --------------- */

static void the_last_block_grows_in_place(void) {
    for (int i = 0; i < 2; i++) {
        hf_arena arena = open_small();
        CHECK(hf_alloc(&arena, 5, 1) != NULL);
        char *block = hf_alloc(&arena, 100, 1);
        fill(block, 100, 1);
        size_t sizes[] = {100, 101, 200, 5000, 70000, MIB, 9 * MIB, 9 * MIB + 1}, size = 100;
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            AT("to %zu", sizes[j]);
            CHECK(both[i](&arena, block, size, sizes[j]));
            CHECK(is_filled(block, 100, 1));
            CHECK(arena.pos >= block + sizes[j]);
            if (fixture_is_exact()) CHECK(arena.pos == block + sizes[j]);
            memset(block + 100, 0xee, sizes[j] - 100);
            size = sizes[j];
        }
        char *next = hf_alloc(&arena, 1, 1);
        CHECK(next >= block + size);
        hf_arena_close(&arena);
    }
}

static void a_block_of_no_bytes_grows(void) {
    hf_arena arena = open_small();
    char *block = hf_alloc(&arena, 0, 16);
    CHECK(hf_extend(&arena, block, 0, 100));
    fill(block, 100, 1);
    CHECK(hf_alloc(&arena, 1, 1) >= (void *)(block + 100));
    CHECK(is_filled(block, 100, 1));
    hf_arena_close(&arena);
}

static void blocks_of_every_allocating_function_grow(void) {
    hf_arena arena = open_small();
    struct {
        char *block;
        size_t size;
    } rows[8];
    for (size_t i = 0; i < 8; i++) {
        AT("row %zu", i);
        rows[0].block = i == 0 ? hf_alloc_zeroed(&arena, 10, 1) : NULL, rows[0].size = 10;
        rows[1].block = i == 1 ? hf_alloc_array(&arena, 5, 3, 1) : NULL, rows[1].size = 15;
        rows[2].block = i == 2 ? (char *)hf_new(&arena, double) : NULL, rows[2].size = 8;
        rows[3].block = i == 3 ? hf_realloc(&arena, NULL, 0, 33, 8) : NULL, rows[3].size = 33;
        rows[4].block = i == 4 ? hf_strdup(&arena, "abc") : NULL, rows[4].size = 4;
        rows[5].block = i == 5 ? hf_strndup(&arena, "abcdef", 2) : NULL, rows[5].size = 3;
        rows[6].block = i == 6 ? hf_memdup(&arena, "abcdef", 6) : NULL, rows[6].size = 6;
        rows[7].block = i == 7 ? hf_asprintf(&arena, "%d", 1234) : NULL, rows[7].size = 5;
        CHECK(rows[i].block != NULL);
        CHECK(hf_extend(&arena, rows[i].block, rows[i].size, 1000));
        memset(rows[i].block, 'x', 1000);
        CHECK(hf_extend(&arena, rows[i].block, 1000, rows[i].size));
    }
    hf_arena_close(&arena);
}

static void only_the_last_block_grows(void) {
    hf_arena arena = open_small();
    char *first = hf_alloc(&arena, 100, 8), *second = hf_alloc(&arena, 100, 8);
    fill(first, 100, 1), fill(second, 100, 2);
    fails_with(&arena, HF_WRONG_STATE, first, 100, 101);
    fails_with(&arena, HF_WRONG_STATE, first, 100, SIZE_MAX);
    CHECK(hf_extend(&arena, second, 100, 200));
    fails_with(&arena, HF_WRONG_STATE, first, 100, 101);
    CHECK(is_filled(first, 100, 1) && is_filled(second, 100, 2));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, (hf_mark)(second - hf_arena_base(&arena))));
    CHECK(arena.pos == second);
    hf_arena_close(&arena);
}

static void growth_past_the_reservation_is_reserve_full(void) {
    hf_arena arena = open_small();
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    size_t sizes[] = {64 * MIB + 1,     SIZE_MAX,
                      SIZE_MAX - 1,     SIZE_MAX / 2,
                      SIZE_MAX / 2 + 1, SIZE_MAX - (size_t)(uintptr_t)block,
                      SIZE_MAX - 1000,  SIZE_MAX - (size_t)(uintptr_t)block + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        fails_with(&arena, HF_RESERVE_FULL, block, 1000, sizes[i]);
    CHECK(is_filled(block, 1000, 1));
    if (fixture_is_exact()) CHECK(hf_extend(&arena, block, 1000, 64 * MIB));
    hf_arena_close(&arena);
}

static void a_failed_commit_changes_nothing(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    failures = (struct failures){0};
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB,
                                                     .backend = &recorder.backend,
                                                     .on_failure = count_failure,
                                                     .user = &failures});
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    recorder.largest[RECORDER_COMMIT] = 0;
    fails_with(&arena, HF_NO_MEMORY, block, 1000, 5 * MIB);
    CHECK_EQUAL(RECORDER_ERROR_CODE, hf_last_error().os_code);
    CHECK(is_filled(block, 1000, 1));
    recorder.largest[RECORDER_COMMIT] = SIZE_MAX;
    CHECK(hf_extend(&arena, block, 1000, 5 * MIB));
    CHECK(is_filled(block, 1000, 1));
    hf_arena_close(&arena);
}

/* ----------------------------------------------------------------- shrinking --------------- */

static void shrinking_the_last_block_moves_pos_back(void) {
    for (int i = 0; i < 2; i++) {
        hf_arena arena = open_small();
        char *block = hf_alloc(&arena, 5000, 8);
        fill(block, 5000, 1);
        size_t committed = hf_arena_get_stats(&arena).committed;
        CHECK(both[i](&arena, block, 5000, 1000));
        CHECK(is_filled(block, 1000, 1));
        CHECK(hf_arena_get_stats(&arena).used < 1100);
        CHECK_EQUAL(committed, hf_arena_get_stats(&arena).committed);
        char *next = hf_alloc(&arena, 8, 8);
        CHECK(next >= block + 1000 && next < block + 1100);
        if (fixture_is_exact()) CHECK(next == block + 1000);
        memset(next, 0xff, 8);
        CHECK(is_filled(block, 1000, 1));
        hf_arena_close(&arena);
    }
}

static void the_last_block_shrinks_to_nothing_and_grows_again(void) {
    hf_arena arena = open_small();
    char *block = hf_alloc(&arena, 5000, 8);
    CHECK(hf_extend(&arena, block, 5000, 0));
    CHECK(hf_extend(&arena, block, 0, 3000));
    memset(block, 1, 3000);
    CHECK(hf_extend_zeroed(&arena, block, 3000, 0));
    CHECK(hf_extend_zeroed(&arena, block, 0, 5000));
    CHECK(is_zero(block, 5000));
    hf_arena_close(&arena);
}

/* All of the block is free again, its red zone too under a sanitizer. */
static void freeing_the_last_block_frees_its_red_zone(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    hf_mark mark = hf_get_mark(&arena);
    for (size_t size = 1; size < 20000; size += 1 + size / 7) {
        AT("size %zu", size);
        char *block = hf_alloc(&arena, size, 1);
        CHECK(hf_extend(&arena, block, size, 0));
        CHECK_EQUAL(mark, hf_get_mark(&arena));
        CHECK(hf_extend(&arena, block, 0, size)); /* the freed block lies at pos */
        fill(block, size, 1);
        CHECK(hf_extend(&arena, block, size, 2 * size) && is_filled(block, size, 1));
        CHECK(hf_realloc(&arena, block, 2 * size, 0, 1) == block);
        CHECK(hf_extend(&arena, block, 0, 0));
        CHECK_EQUAL(mark, hf_get_mark(&arena));
    }
    hf_arena_close(&arena);
}

static void shrinking_another_block_frees_nothing(void) {
    for (int i = 0; i < 2; i++) {
        hf_arena arena = open_small();
        char *first = hf_alloc(&arena, 1000, 8), *second = hf_alloc(&arena, 1000, 8);
        fill(first, 1000, 1), fill(second, 1000, 2);
        struct snapshot before = snapshot_of(&arena);
        CHECK(both[i](&arena, first, 1000, 10));
        CHECK(both[i](&arena, first, 10, 0));
        CHECK(both[i](&arena, first, 0, 0));
        CHECK(both[i](&arena, second, 1000, 1000));
        check_unchanged(&arena, &before);
        CHECK(is_filled(first, 10, 1) && is_filled(second, 1000, 2));
        hf_arena_close(&arena);
    }
}

/* -------------------------------------------------------------- foreign blocks ------------- */

static void foreign_blocks_are_invalid(void) {
    hf_arena arena = open_small(), other = open_small();
    char local[100];
    char *block = hf_alloc(&arena, 100, 8), *foreign = hf_alloc(&other, 100, 8);
    size_t sizes[] = {0, 50, 99, 100, 101, 1000, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fails_with(&arena, HF_INVALID, foreign, 100, sizes[i]);
        fails_with(&arena, HF_INVALID, local, 100, sizes[i]);
        fails_with(&arena, HF_INVALID, NULL, 100, sizes[i]);
        fails_with(&arena, HF_INVALID, NULL, 0, sizes[i]);
        fails_with(&arena, HF_INVALID, hf_arena_base(&arena) - 1, 1, sizes[i]);
        fails_with(&arena, HF_INVALID, hf_arena_base(&arena) + 64 * MIB, 0, sizes[i]);
        fails_with(&arena, HF_INVALID, hf_arena_base(&arena) + MIB, 100, sizes[i]); /* above pos */
        fails_with(&arena, HF_INVALID, block, 200, sizes[i]); /* reaches above pos */
        fails_with(&arena, HF_INVALID, block, SIZE_MAX, sizes[i]);
        fails_with(&arena, HF_INVALID, block, 0 - (uintptr_t)block, sizes[i]); /* wraps to NULL */
    }
    hf_arena_close(&other);
    hf_arena_close(&arena);
}

static void a_rewound_block_is_invalid(void) {
    hf_arena arena = open_small();
    char *block;
    hf_mark mark;
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    mark = hf_get_mark(&arena);
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    block = hf_alloc(&arena, 100, 8);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    fails_with(&arena, HF_INVALID, block, 100, 101);
    fails_with(&arena, HF_INVALID, block, 100, 99);
    hf_arena_close(&arena);
}

/* --------------------------------------------------------------------- zeros --------------- */

static void new_bytes_are_zero(void) {
    hf_arena arena = open_small();
    size_t written[] = {0, 50, 100, 1000, 5000, 3 * MIB},
           sizes[] = {100, 101, 1000, 20000, 4 * MIB};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            AT("%zu written, to %zu", written[i], sizes[j]);
            CHECK_STATUS(HF_OK, hf_reset(&arena));
            write_and_rewind(&arena, written[i]);
            char *block = hf_alloc(&arena, 100, 1);
            fill(block, 100, 1);
            CHECK(hf_extend_zeroed(&arena, block, 100, sizes[j]));
            CHECK(is_filled(block, 100, 1) && is_zero(block + 100, sizes[j] - 100));
        }
    }
    hf_arena_close(&arena);
}

static void extend_does_not_zero(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = open_small();
    write_and_rewind(&arena, 1000);
    char *block = hf_alloc(&arena, 100, 1);
    CHECK(hf_extend(&arena, block, 100, 1000));
    CHECK(block[100] == (char)0xee && block[999] == (char)0xee);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    block = hf_alloc(&arena, 100, 1);
    CHECK(hf_extend_zeroed(&arena, block, 100, 500));
    CHECK(is_zero(block + 100, 400) && block[500] == (char)0xee);
    hf_arena_close(&arena);
}

static void extend_zeroed_zeroes_nothing_above_the_high_water_mark(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = open_small();
    write_and_rewind(&arena, 500);
    char *block = hf_alloc(&arena, 100, 1);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 1000));
    block[499] = block[500] = 'x';
    CHECK(hf_extend_zeroed(&arena, block, 100, 1000));
    CHECK(block[499] == 0 && block[500] == 'x');
    CHECK_EQUAL(1000, hf_arena_get_stats(&arena).high_water);
    hf_arena_close(&arena);
}

static void bytes_that_were_grown_raise_the_high_water_mark(void) {
    hf_arena arena = open_small();
    char *block = hf_alloc(&arena, 1, 1);
    CHECK(hf_extend(&arena, block, 1, 3 * MIB));
    memset(block, 0xee, 3 * MIB);
    CHECK(hf_extend(&arena, block, 3 * MIB, 1));
    CHECK(hf_arena_get_stats(&arena).high_water >= 3 * MIB);
    char *zeroed = hf_alloc_zeroed(&arena, 2 * MIB, 1);
    CHECK(is_zero(zeroed, 2 * MIB));
    hf_arena_close(&arena);
}

/* ------------------------------------------------------------------- realloc --------------- */

static void realloc_of_null_allocates(void) {
    hf_arena arena = open_small();
    char *block = hf_realloc(&arena, NULL, 0, 100, 64);
    CHECK(block != NULL && is_aligned(block, 64));
    fill(block, 100, 1);
    CHECK(hf_realloc(&arena, NULL, 0, 0, 64) != NULL);
    CHECK(is_filled(block, 100, 1));
    hf_arena_close(&arena);
}

static void realloc_extends_the_last_block(void) {
    hf_arena arena = open_small();
    char *block = hf_realloc(&arena, NULL, 0, 1, 1);
    fill(block, 1, 1);
    for (size_t size = 1; size < 20 * MIB; size *= 3) {
        CHECK(hf_realloc(&arena, block, size, size * 3, 1) == block);
        CHECK(is_filled(block, size, 1));
        fill(block, size * 3, 1);
    }
    CHECK(hf_arena_get_stats(&arena).used < 60 * MIB + 100);
    hf_arena_close(&arena);
}

static void realloc_copies_another_block(void) {
    hf_arena arena = open_small();
    char *first = hf_alloc(&arena, 100, 8), *second = hf_alloc(&arena, 3, 1);
    fill(first, 100, 1), fill(second, 3, 2);
    CHECK(hf_rewind(&arena, SIZE_MAX) == HF_INVALID);
    char *moved = hf_realloc(&arena, first, 100, 1000, 256);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status); /* still the earlier error */
    CHECK(moved > second && is_aligned(moved, 256));
    CHECK(is_filled(moved, 100, 1) && is_filled(first, 100, 1) && is_filled(second, 3, 2));
    fill(moved, 1000, 3);
    CHECK(is_filled(first, 100, 1) && is_filled(second, 3, 2));
    hf_arena_close(&arena);
}

static void realloc_returns_the_requested_alignment(void) {
    hf_arena arena = open_small();
    CHECK(hf_alloc(&arena, 1, 1) != NULL);
    for (size_t align = 1; align <= HF_MAX_ALIGNMENT; align *= 4) {
        char *block = hf_realloc(&arena, NULL, 0, 100, 1), *next;
        fill(block, 100, 1);
        next = hf_realloc(&arena, block, 100, 200, align);
        CHECK(next != NULL && is_aligned(next, align) && is_filled(next, 100, 1));
        CHECK((next == block) == is_aligned(block, align));
        CHECK(hf_realloc(&arena, next + 1, 199, 100, align) == next + 1 || align == 1);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 1));
    }
    hf_arena_close(&arena);
}

static void realloc_with_another_alignment_is_invalid(void) {
    hf_arena arena = open_small();
    char *block = hf_alloc(&arena, 100, 8);
    size_t aligns[] = {0, 3, HF_MAX_ALIGNMENT * 2, SIZE_MAX}, sizes[] = {0, 100, 200, SIZE_MAX};
    struct snapshot before = snapshot_of(&arena);
    for (size_t i = 0; i < 16; i++) {
        AT("%zu bytes at %zu", sizes[i % 4], aligns[i / 4]);
        CHECK(hf_realloc(&arena, block, 100, sizes[i % 4], aligns[i / 4]) == NULL);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        check_unchanged(&arena, &before);
    }
    hf_arena_close(&arena);
}

static void realloc_never_copies_to_shrink(void) {
    hf_arena arena = open_small();
    char *first = hf_alloc(&arena, 100, 8), *last = hf_alloc(&arena, 1000, 8);
    fill(first, 100, 1), fill(last, 1000, 2);
    size_t used = hf_arena_get_stats(&arena).used;
    CHECK(hf_realloc(&arena, first, 100, 100, 8) == first);
    CHECK(hf_realloc(&arena, first, 100, 10, 8) == first);
    CHECK(hf_realloc(&arena, first, 10, 0, 8) == first);
    CHECK_EQUAL(used, hf_arena_get_stats(&arena).used);
    CHECK(hf_realloc(&arena, last, 1000, 10, 8) == last);
    CHECK(hf_arena_get_stats(&arena).used < used);
    CHECK(is_filled(first, 10, 1) && is_filled(last, 10, 2));
    hf_arena_close(&arena);
}

static void a_failed_realloc_keeps_the_old_block(void) {
    hf_arena arena = open_small();
    char *first = hf_alloc(&arena, 100, 8), *last = hf_alloc(&arena, 100, 8);
    fill(first, 100, 1), fill(last, 100, 2);
    char *blocks[] = {first, last, NULL};
    size_t sizes[] = {64 * MIB + 1, SIZE_MAX, SIZE_MAX - 100, SIZE_MAX / 2, SIZE_MAX - 4095},
           asked = 0;
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            AT("block %zu to %#zx", i, sizes[j]);
            struct snapshot before = snapshot_of(&arena);
            CHECK(hf_realloc(&arena, blocks[i], blocks[i] ? 100 : 0, sizes[j], 8) == NULL);
            CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
            check_unchanged(&arena, &before);
            CHECK_EQUAL(++asked, failures.count);
            CHECK_EQUAL(HF_RESERVE_FULL, failures.status);
            CHECK(is_filled(first, 100, 1) && is_filled(last, 100, 2));
        }
    }
    hf_arena_close(&arena);
}

static void realloc_of_foreign_blocks_is_invalid(void) {
    hf_arena arena = open_small(), other = open_small();
    char *foreign = hf_alloc(&other, 100, 8), local[100] = "";
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    struct snapshot before = snapshot_of(&arena);
    size_t sizes[] = {0, 50, 100, 200, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("to %#zx", sizes[i]);
        CHECK(hf_realloc(&arena, foreign, 100, sizes[i], 8) == NULL);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        CHECK(hf_realloc(&arena, local, 100, sizes[i], 8) == NULL);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        CHECK(hf_realloc(&arena, hf_arena_base(&arena), SIZE_MAX, sizes[i], 8) == NULL);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        check_unchanged(&arena, &before);
    }
    hf_arena_close(&other);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(the_last_block_grows_in_place), TEST(a_block_of_no_bytes_grows),
           TEST(blocks_of_every_allocating_function_grow), TEST(only_the_last_block_grows),
           TEST(growth_past_the_reservation_is_reserve_full), TEST(a_failed_commit_changes_nothing),
           TEST(shrinking_the_last_block_moves_pos_back),
           TEST(the_last_block_shrinks_to_nothing_and_grows_again),
           TEST(freeing_the_last_block_frees_its_red_zone),
           TEST(shrinking_another_block_frees_nothing), TEST(foreign_blocks_are_invalid),
           TEST(a_rewound_block_is_invalid), TEST(new_bytes_are_zero), TEST(extend_does_not_zero),
           TEST(extend_zeroed_zeroes_nothing_above_the_high_water_mark),
           TEST(bytes_that_were_grown_raise_the_high_water_mark), TEST(realloc_of_null_allocates),
           TEST(realloc_extends_the_last_block), TEST(realloc_copies_another_block),
           TEST(realloc_returns_the_requested_alignment),
           TEST(realloc_with_another_alignment_is_invalid), TEST(realloc_never_copies_to_shrink),
           TEST(a_failed_realloc_keeps_the_old_block), TEST(realloc_of_foreign_blocks_is_invalid))
