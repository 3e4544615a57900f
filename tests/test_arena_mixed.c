/*
 * One arena used by an object built with AddressSanitizer (this one) and by one built without: each
 * uses blocks of the other, and there is no false report.
 */
#include "test_arena_mixed.h"
#include "arena_fixture.h"

static void blocks_are_used_by_both_objects(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    for (unsigned i = 0; i < 1000; i++) {
        size_t size = 1 + i * 37 % 3000;
        char *ours = hf_alloc(&arena, size, 1), *theirs = plain_alloc(&arena, size);
        CHECK(ours && theirs);
        fill(ours, size, i), fill(theirs, size, i + 1);
        plain_fill(ours, size, 3), plain_fill(theirs, size, 4);
        for (size_t j = 0; j < size; j++) CHECK(ours[j] == 3 && theirs[j] == 4);
    }
    hf_arena_close(&arena);
}

/* The object without the sanitizer inlines hf_alloc's fast path, which unpoisons nothing, so it
 * must not be able to use it. */
static void blocks_of_the_plain_object_are_unpoisoned(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    CHECK(!fixture_is_exact());
    for (int i = 0; i < 1000; i++) {
        char *theirs = plain_alloc(&arena, 100);
        CHECK(arena.limit == arena.pos);
        memset(theirs, 1, 100);
    }
    hf_arena_close(&arena);
}

static void positions_go_back_on_both_sides(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    for (int i = 0; i < 100; i++) {
        hf_mark mark = hf_get_mark(&arena);
        char *first = plain_alloc(&arena, 1000);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
        char *second = hf_alloc(&arena, 1000, 1);
        CHECK(first == second);
        memset(second, 1, 1000);
        CHECK_EQUAL(1000, plain_sum(second, 1000));
        plain_rewind(&arena, mark);
        memset(hf_alloc_zeroed(&arena, 500, 1), 1, 500);
    }
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(blocks_are_used_by_both_objects), TEST(blocks_of_the_plain_object_are_unpoisoned),
           TEST(positions_go_back_on_both_sides))
