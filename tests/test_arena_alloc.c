/*
 * hf_alloc, hf_alloc_zeroed, hf_alloc_array, hf_new, hf_new_array: sizes, alignments, zeros.
 */
#include "arena_fixture.h"

static const size_t small_reserve = 8 * 1024 * 1024;

/* --------------------------------------------------------------- alignment ---------------- */

static void blocks_have_every_alignment(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    for (size_t align = 1; align <= HF_MAX_ALIGNMENT; align *= 2) {
        for (size_t size = 0; size <= 40; size += 13) {
            AT("%zu bytes at %zu", size, align);
            char *before = arena.pos, *block = hf_alloc(&arena, size, align);
            CHECK(block != NULL && is_aligned(block, align));
            CHECK(block >= before && arena.pos >= block + size);
            CHECK((size_t)(block - before) < align + 64); /* 64: room for a red zone */
            memset(block, 0xaa, size);
        }
    }
    hf_arena_close(&arena);
}

static void padding_is_no_more_than_needed(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    for (size_t align = 1; align <= HF_MAX_ALIGNMENT; align *= 2) {
        char *before = arena.pos, *block = hf_alloc(&arena, 3, align);
        AT("alignment %zu", align);
        CHECK((size_t)(block - before) < align);
        CHECK(arena.pos == block + 3);
    }
    hf_arena_close(&arena);
}

/* The padding alone can reach past limit, to the end of the reservation, and past that. */
static void aligned_blocks_fill(size_t reserve) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = reserve});
    char *first = hf_alloc(&arena, 1, 1);
    char *second = hf_alloc(&arena, 1, HF_MAX_ALIGNMENT);
    CHECK(first && second && is_aligned(second, HF_MAX_ALIGNMENT) && second > first);
    char *third = second;
    while (third) {
        char *next = hf_alloc(&arena, 1, HF_MAX_ALIGNMENT);
        CHECK(next == NULL || (is_aligned(next, HF_MAX_ALIGNMENT) && hf_owns(&arena, next)));
        third = next;
    }
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    CHECK(hf_get_mark(&arena) <= reserve);
    CHECK(hf_alloc(&arena, 1, 1) != NULL); /* the padding is still free */
    hf_arena_close(&arena);
}

static void padding_uses_up_the_reservation(void) {
    for (size_t reserve = 4 * MIB; reserve <= 8 * MIB; reserve += 512 * KIB)
        aligned_blocks_fill(reserve);
}

static void fails_with(hf_arena *arena, hf_status expected, size_t size, size_t align) {
    struct snapshot before = snapshot_of(arena);
    AT("%#zx bytes at %#zx with %zu used", size, align, before.stats.used);
    CHECK(hf_alloc(arena, size, align) == NULL);
    CHECK_EQUAL(expected, hf_last_error().status);
    check_unchanged(arena, &before);
    CHECK_EQUAL(before.stats.system_calls, hf_arena_get_stats(arena).system_calls);
    CHECK(hf_alloc_zeroed(arena, size, align) == NULL);
    CHECK_EQUAL(expected, hf_last_error().status);
    check_unchanged(arena, &before);
}

static void other_alignments_are_invalid(void) {
    size_t aligns[] = {0,
                       3,
                       5,
                       6,
                       7,
                       12345,
                       2 * MIB - 1,
                       2 * MIB + 1,
                       3 * MIB,
                       4 * MIB,
                       64 * MIB,
                       (size_t)1 << 31,
                       SIZE_MAX / 2,
                       SIZE_MAX / 2 + 1,
                       SIZE_MAX - 1,
                       SIZE_MAX};
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof aligns / sizeof *aligns; i++) {
            fails_with(&arena, HF_INVALID, 0, aligns[i]);
            fails_with(&arena, HF_INVALID, 1, aligns[i]);
            fails_with(&arena, HF_INVALID, SIZE_MAX, aligns[i]);
            CHECK(hf_alloc_array(&arena, 1, 1, aligns[i]) == NULL);
            CHECK_EQUAL(HF_INVALID, hf_last_error().status);
            CHECK(hf_realloc(&arena, NULL, 0, 1, aligns[i]) == NULL);
            CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        }
        if (round == 1) CHECK_STATUS(HF_OK, hf_precommit(&arena, small_reserve - 1000));
        /* again with an odd pos, then with free bytes below limit as well */
        CHECK(hf_alloc(&arena, round == 1 ? 3 * MIB : 13, 1) != NULL);
    }
    hf_arena_close(&arena);
}

/* -------------------------------------------------------------------- sizes ---------------- */

static void sizes_that_wrap_fail(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    for (int round = 0; round < 3; round++) {
        for (size_t align = 1; align <= HF_MAX_ALIGNMENT; align *= 2) {
            for (size_t less = 0; less < 34; less++) {
                fails_with(&arena, HF_RESERVE_FULL, SIZE_MAX - less, align);
                fails_with(&arena, HF_RESERVE_FULL, SIZE_MAX - align - less, align);
            }
            fails_with(&arena, HF_RESERVE_FULL, SIZE_MAX / 2, align);
            fails_with(&arena, HF_RESERVE_FULL, SIZE_MAX / 2 + 1, align);
            fails_with(&arena, HF_RESERVE_FULL, small_reserve + 1, align);
            fails_with(&arena, HF_RESERVE_FULL, 0 - (uintptr_t)arena.pos, align);
            fails_with(&arena, HF_RESERVE_FULL, 0 - (uintptr_t)arena.pos + 1, align);
            fails_with(&arena, HF_RESERVE_FULL, 0 - (uintptr_t)arena.pos - 1, align);
        }
        CHECK(hf_alloc(&arena, round ? 3 * MIB - 1 : 13, 1) != NULL);
    }
    hf_arena_close(&arena);
}

static void size_zero_is_a_pointer_to_no_bytes(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    for (size_t align = 1; align <= HF_MAX_ALIGNMENT; align *= 2) {
        AT("alignment %zu", align);
        char *fresh = hf_alloc(&arena, 0, align);
        CHECK(fresh != NULL && is_aligned(fresh, align) && hf_owns(&arena, fresh));
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    }
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    size_t used = hf_get_mark(&arena);
    for (int i = 0; i < 1000; i++) CHECK(hf_alloc(&arena, 0, 1) != NULL);
    if (fixture_is_exact()) CHECK_EQUAL(used, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

static void the_whole_reservation_can_be_allocated(void) {
    if (!fixture_is_exact()) return;
    size_t sizes[] = {fixture_page_size(), MIB, 2 * MIB, 5 * MIB + fixture_page_size(), 67 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("reserve %zu", sizes[i]);
        hf_arena arena = fixture_open((hf_arena_options){.reserve = sizes[i]});
        fails_with(&arena, HF_RESERVE_FULL, sizes[i] + 1, 1);
        char *block = hf_alloc(&arena, sizes[i], 1);
        CHECK(block != NULL && block == hf_arena_base(&arena));
        block[0] = block[sizes[i] - 1] = 'x';
        fails_with(&arena, HF_RESERVE_FULL, 1, 1);
        fails_with(&arena, HF_RESERVE_FULL, SIZE_MAX, 1);
        CHECK(hf_alloc(&arena, 0, 1) == block + sizes[i]);
        CHECK_EQUAL(sizes[i], hf_arena_get_stats(&arena).used);
        hf_arena_close(&arena);
    }
}

static void the_reservation_fills_up_byte_by_byte(void) {
    size_t count = 0, page_size = fixture_page_size();
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 3 * page_size});
    for (char *block; (block = hf_alloc(&arena, 1, 1)) != NULL; count++) *block = 'x';
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    if (fixture_is_exact()) CHECK_EQUAL(3 * page_size, count);
    CHECK(count > 0 && hf_arena_get_stats(&arena).used <= 3 * page_size);
    hf_arena_close(&arena);
}

static void the_last_error_has_offset_and_size(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    CHECK(hf_alloc(&arena, 1000, 8) != NULL);
    size_t used = hf_get_mark(&arena);
    CHECK(hf_alloc(&arena, small_reserve, 8) == NULL);
    hf_error error = hf_last_error();
    CHECK_EQUAL(HF_RESERVE_FULL, error.status);
    CHECK_EQUAL(small_reserve, error.size);
    CHECK(error.offset >= used && error.offset < used + 64);
    CHECK_EQUAL(0, error.os_code);
    CHECK(error.call != NULL && strncmp(error.call, "hf_", 3) == 0);
    hf_arena_close(&arena);
}

static void success_leaves_the_last_error_alone(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    CHECK(hf_alloc(&arena, SIZE_MAX, 8) == NULL);
    CHECK(hf_alloc(&arena, 20 * MIB, 8) != NULL); /* with growth */
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    CHECK_EQUAL(SIZE_MAX, hf_last_error().size);
    hf_arena_close(&arena);
}

static void blocks_keep_their_contents_through_growth(void) {
    enum { COUNT = 3000 };
    static char *blocks[COUNT];
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    for (unsigned i = 0; i < COUNT; i++) {
        size_t size = 1 + i * 37 % 9000;
        blocks[i] = hf_alloc(&arena, size, (size_t)1 << i % 7);
        fill(blocks[i], size, i);
    }
    for (unsigned i = 0; i < COUNT; i++) CHECK(is_filled(blocks[i], 1 + i * 37 % 9000, i));
    CHECK(hf_arena_get_stats(&arena).growths > 2);
    hf_arena_close(&arena);
}

static void a_rewound_block_is_not_zeroed(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK(hf_alloc(&arena, 1000, 8) == block);
    CHECK(is_filled(block, 1000, 1));
    hf_arena_close(&arena);
}

/* -------------------------------------------------------------------- zeros ---------------- */

static void fresh_memory_is_zero(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    size_t sizes[] = {1, 100, 4096, 65536, MIB, 5 * MIB, 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *block = hf_alloc_zeroed(&arena, sizes[i], 16);
        CHECK(block != NULL && is_aligned(block, 16));
        CHECK(is_zero(block, sizes[i]));
        memset(block, 0xff, sizes[i]);
    }
    hf_arena_close(&arena);
}

/*    written |xxxxxxxxxxxxxx|
 *     zeroed      |00000000000000|  below the high-water mark, across it, above it
 */
static void memory_below_the_high_water_mark_is_zeroed(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    size_t written[] = {0, 1, 100, 5000, 70000, 3 * MIB}, sizes[] = {1, 64, 5000, 100000, 4 * MIB};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            for (size_t skip = 0; skip <= written[i]; skip += written[i] / 2 + 1) {
                AT("%zu written, %zu skipped, %zu zeroed", written[i], skip, sizes[j]);
                CHECK_STATUS(HF_OK, hf_reset(&arena));
                write_and_rewind(&arena, written[i]);
                CHECK(hf_alloc(&arena, skip, 1) != NULL);
                char *block = hf_alloc_zeroed(&arena, sizes[j], 1);
                CHECK(block != NULL && is_zero(block, sizes[j]));
            }
        }
    }
    hf_arena_close(&arena);
}

static void zeroes_no_byte_outside_the_block(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    write_and_rewind(&arena, 10000);
    char *before = hf_alloc(&arena, 1000, 1);
    char *block = hf_alloc_zeroed(&arena, 1000, 1);
    CHECK(is_zero(block, 1000));
    CHECK(before[999] == (char)0xee && block[1000] == (char)0xee);
    hf_arena_close(&arena);
}

/* A byte written above the high-water mark without an allocation is not zeroed. */
static void zeroes_nothing_above_the_high_water_mark(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    write_and_rewind(&arena, 1000);
    CHECK_EQUAL(1000, hf_arena_get_stats(&arena).high_water);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 4000));
    char *base = hf_arena_base(&arena);
    base[1000] = base[3999] = 'x';
    char *block = hf_alloc_zeroed(&arena, 4000, 1);
    CHECK(block == base && is_zero(block, 1000));
    CHECK(block[1000] == 'x' && block[3999] == 'x');
    CHECK(is_zero(block + 1001, 2998));
    hf_arena_close(&arena);
}

static void the_high_water_mark_is_the_highest_byte_allocated(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    size_t sizes[] = {10, 500, 20, 3 * MIB, 100}, highest = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(hf_alloc(&arena, sizes[i], 1) != NULL);
        highest = sizes[i] > highest ? sizes[i] : highest;
        CHECK_EQUAL(highest, hf_arena_get_stats(&arena).high_water);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
        CHECK_EQUAL(highest, hf_arena_get_stats(&arena).high_water);
    }
    CHECK(hf_alloc_zeroed(&arena, 4 * MIB, 1) != NULL);
    CHECK_EQUAL(4 * MIB, hf_arena_get_stats(&arena).high_water);
    hf_arena_close(&arena);
}

/* Pages that were trimmed are fresh, and zero, when they are committed again. */
static void trimming_lowers_the_high_water_mark(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    size_t page_size = fixture_page_size();
    write_and_rewind(&arena, 9 * MIB);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 3 * page_size));
    CHECK(hf_arena_get_stats(&arena).high_water <= 3 * page_size);
    char *block = hf_alloc_zeroed(&arena, 9 * MIB, 1);
    CHECK(block != NULL && is_zero(block, 9 * MIB));
    hf_arena_close(&arena);
}

/* ----------------------------------------------------------------- typed macros ------------ */

struct wide {
    _Alignas(64) char bytes[100];
};

static void new_is_zeroed_and_aligned(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    write_and_rewind(&arena, 100000);
    for (int i = 0; i < 20; i++) {
        CHECK(hf_alloc(&arena, 1, 1) != NULL);
        char *letter = hf_new(&arena, char);
        double *number = hf_new(&arena, double);
        max_align_t *most = hf_new(&arena, max_align_t);
        struct wide *wide = hf_new(&arena, struct wide);
        CHECK(letter && number && most && wide);
        CHECK(is_aligned(number, _Alignof(double)) && is_aligned(most, _Alignof(max_align_t)));
        CHECK(is_aligned(wide, 64));
        CHECK(is_zero(letter, 1) && is_zero(number, sizeof *number) && is_zero(most, sizeof *most));
        CHECK(is_zero(wide, sizeof *wide));
        memset(wide, 0xee, sizeof *wide);
    }
    hf_arena_close(&arena);
}

static void new_array_is_zeroed_and_aligned(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
    write_and_rewind(&arena, 500000);
    for (size_t n = 0; n < 40; n += 13) {
        struct wide *wide = hf_new_array(&arena, struct wide, n);
        CHECK(wide != NULL && is_aligned(wide, 64) && is_zero(wide, n * sizeof *wide));
        long long *numbers = hf_new_array(&arena, long long, n);
        CHECK(numbers != NULL && is_aligned(numbers, _Alignof(long long)));
        CHECK(is_zero(numbers, n * sizeof *numbers));
        if (n) CHECK((char *)numbers >= (char *)(wide + n));
        memset(numbers, 0xee, n * sizeof *numbers);
    }
    hf_arena_close(&arena);
}

static void a_product_that_wraps_is_reserve_full(void) {
    struct failures failures = {0};
    hf_arena arena = fixture_open((hf_arena_options){
        .reserve = small_reserve, .on_failure = count_failure, .user = &failures});
    CHECK(hf_alloc(&arena, 100, 1) != NULL);
    struct snapshot before = snapshot_of(&arena);
    size_t half = (size_t)1 << (sizeof(size_t) * 4); /* half * half wraps to 0 */
    struct {
        size_t count, size;
    } rows[] = {{SIZE_MAX, SIZE_MAX}, {SIZE_MAX, 2},         {2, SIZE_MAX},
                {SIZE_MAX, 1},        {half, half},          {half + 1, half},
                {half, half + 1},     {SIZE_MAX / 8 + 1, 8}, {SIZE_MAX / 8 + 2, 8},
                {3, SIZE_MAX / 2},    {SIZE_MAX / 8, 8},     {1, SIZE_MAX},
                {small_reserve, 2},   {small_reserve + 1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AT("%#zx times %#zx", rows[i].count, rows[i].size);
        CHECK(hf_alloc_array(&arena, rows[i].count, rows[i].size, 8) == NULL);
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK_EQUAL(i + 1, failures.count);
        CHECK_EQUAL(HF_RESERVE_FULL, failures.status);
        check_unchanged(&arena, &before);
    }
    CHECK(hf_new_array(&arena, struct wide, SIZE_MAX / sizeof(struct wide) + 1) == NULL);
    CHECK(hf_new_array(&arena, int, SIZE_MAX) == NULL);
    check_unchanged(&arena, &before);
    CHECK(hf_alloc_array(&arena, SIZE_MAX, 0, 8) != NULL);
    CHECK(hf_alloc_array(&arena, 0, SIZE_MAX, 8) != NULL);
    CHECK(hf_alloc_array(&arena, 0, 0, 8) != NULL);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(blocks_have_every_alignment), TEST(padding_is_no_more_than_needed),
           TEST(padding_uses_up_the_reservation), TEST(other_alignments_are_invalid),
           TEST(sizes_that_wrap_fail), TEST(size_zero_is_a_pointer_to_no_bytes),
           TEST(the_whole_reservation_can_be_allocated),
           TEST(the_reservation_fills_up_byte_by_byte), TEST(the_last_error_has_offset_and_size),
           TEST(success_leaves_the_last_error_alone),
           TEST(blocks_keep_their_contents_through_growth), TEST(a_rewound_block_is_not_zeroed),
           TEST(fresh_memory_is_zero), TEST(memory_below_the_high_water_mark_is_zeroed),
           TEST(zeroes_no_byte_outside_the_block), TEST(zeroes_nothing_above_the_high_water_mark),
           TEST(the_high_water_mark_is_the_highest_byte_allocated),
           TEST(trimming_lowers_the_high_water_mark), TEST(new_is_zeroed_and_aligned),
           TEST(new_array_is_zeroed_and_aligned), TEST(a_product_that_wraps_is_reserve_full))
