/*
 * hf_free: the last block gives its bytes back, another one nothing.
 */
#include "arena_fixture.h"
#include "disk.h"
#include "nth_failure.h"

static hf_arena open_arena(void) { return fixture_open((hf_arena_options){.reserve = 64 * MIB}); }

static void the_last_block_gives_all_of_its_bytes_back(void) {
    hf_arena arena = open_arena();
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    hf_mark mark = hf_get_mark(&arena);
    for (size_t size = 0; size < 9 * MIB; size += 1 + size / 3) {
        AT("size %zu", size);
        char *block = hf_alloc(&arena, size, 1);
        fill(block, size, 1);
        hf_free(&arena, block, size);
        CHECK_EQUAL(mark, hf_get_mark(&arena));
        CHECK(block == arena.pos);
    }
    hf_arena_close(&arena);
}

static void a_loop_with_padding_does_not_creep(void) {
    hf_arena arena = open_arena();
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    for (size_t align = 1; align <= HF_MAX_ALIGNMENT; align *= 2) {
        AT("alignment %zu", align);
        char *first = hf_alloc(&arena, 7, align);
        CHECK(first != NULL);
        hf_free(&arena, first, 7);
        hf_mark mark = hf_get_mark(&arena);
        CHECK((size_t)(first - hf_arena_base(&arena)) == mark);
        for (int i = 0; i < 10; i++) {
            CHECK(hf_alloc(&arena, 7, align) == first);
            hf_free(&arena, first, 7);
            CHECK_EQUAL(mark, hf_get_mark(&arena));
        }
    }
    hf_arena_close(&arena);
}

static void blocks_without_padding_are_freed_in_reverse_order(void) {
    enum { COUNT = 1000 };
    static char *blocks[COUNT];
    hf_arena arena = open_arena();
    for (size_t i = 0; i < COUNT; i++) blocks[i] = hf_alloc(&arena, 8 * i, 8);
    for (size_t i = COUNT; i-- > 0;) hf_free(&arena, blocks[i], 8 * i);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

static void another_block_gives_nothing_back(void) {
    hf_arena arena = open_arena();
    char *first = hf_alloc(&arena, 100, 8), *second = hf_alloc(&arena, 100, 8);
    char *third = hf_alloc(&arena, 100, 8);
    fill(first, 100, 1), fill(third, 100, 3);
    struct snapshot before = snapshot_of(&arena);
    hf_free(&arena, second, 100);
    check_unchanged(&arena, &before);
    CHECK(is_filled(first, 100, 1) && is_filled(third, 100, 3));
    hf_free(&arena, third, 100);
    CHECK(arena.pos == third); /* second does not follow */
    CHECK(hf_alloc(&arena, 100, 8) == third);
    hf_arena_close(&arena);
}

static void null_is_ignored(void) {
    hf_arena arena = open_arena();
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    struct snapshot before = snapshot_of(&arena);
    CHECK(hf_rewind(&arena, SIZE_MAX) == HF_INVALID);
    hf_error error = hf_last_error();
    hf_free(&arena, NULL, 0);
    hf_free(&arena, NULL, 100);
    check_unchanged(&arena, &before);
    CHECK(hf_last_error().call == error.call);
    hf_arena_close(&arena);
    hf_free(&arena, NULL, 0);
}

static void freeing_leaves_the_last_error(void) {
    hf_arena arena = open_arena();
    char *first = hf_alloc(&arena, 100, 8), *second = hf_alloc(&arena, 100, 8);
    CHECK(hf_rewind(&arena, SIZE_MAX) == HF_INVALID);
    hf_error error = hf_last_error();
    hf_free(&arena, first, 100);
    hf_free(&arena, second, 100);
    CHECK(hf_last_error().call == error.call && hf_last_error().offset == error.offset);
    hf_arena_close(&arena);
}

static void fails(hf_arena *arena, void *block, size_t size) {
    struct snapshot before = snapshot_of(arena);
    CHECK(hf_rewind(arena, SIZE_MAX) == HF_INVALID); /* another call's error */
    hf_free(arena, block, size);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(strcmp(hf_last_error().call, "hf_free") == 0);
    check_unchanged(arena, &before);
}

static void foreign_blocks_are_invalid(void) {
    hf_arena arena = open_arena(), other = open_arena();
    char local[100], *foreign = hf_alloc(&other, 100, 8), *block = hf_alloc(&arena, 100, 8);
    fails(&arena, local, sizeof local);
    fails(&arena, foreign, 100);
    fails(&arena, block, 100 + 16 + 8); /* reaches above pos, also with a red zone */
    fails(&arena, block, SIZE_MAX);
    hf_free(&arena, block, 100);
    fails(&arena, block, 100); /* twice */
    hf_arena_close(&other);
    hf_arena_close(&arena);
    hf_free(&arena, block, 100);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
}

/* Bytes of a freed block are not zero, and the statistics know that they were used. */
static void freed_bytes_are_zeroed_when_they_are_allocated_again(void) {
    hf_arena arena = open_arena();
    char *block = hf_alloc(&arena, 3 * MIB, 8);
    memset(block, 0xee, 3 * MIB);
    hf_free(&arena, block, 3 * MIB);
    CHECK(hf_arena_get_stats(&arena).high_water >= 3 * MIB);
    CHECK(hf_arena_get_stats(&arena).peak >= 3 * MIB);
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).used);
    block = hf_alloc_zeroed(&arena, 4 * MIB, 8);
    CHECK(is_zero(block, 4 * MIB));
    hf_arena_close(&arena);
}

static void marks_and_scopes_above_are_invalid(void) {
    hf_arena arena = open_arena();
    hf_scope outer = hf_scope_begin(&arena);
    char *block = hf_alloc(&arena, 100, 8);
    hf_mark mark = hf_get_mark(&arena);
    hf_scope inner = hf_scope_begin(&arena);
    hf_free(&arena, block, 100);
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, mark));
    CHECK_STATUS(HF_INVALID, hf_scope_end(inner));
    CHECK_STATUS(HF_OK, hf_scope_end(outer));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(inner));
    hf_arena_close(&arena);
}

static void count_call(void *counter) { ++*(int *)counter; }

static void a_block_below_a_deferred_call_is_not_the_last_one(void) {
    int calls = 0;
    hf_arena arena = open_arena();
    char *block = hf_alloc(&arena, 96, 8);
    CHECK_STATUS(HF_OK, hf_defer(&arena, count_call, &calls));
    hf_mark mark = hf_get_mark(&arena);
    hf_free(&arena, block, 96);
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    char *above = hf_alloc(&arena, 100, 8);
    hf_free(&arena, above, 100);
    CHECK_EQUAL(0, calls);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_EQUAL(1, calls);
    hf_arena_close(&arena);
}

static void a_freed_root_is_none(void) {
    hf_arena arena = open_arena();
    char *first = hf_alloc(&arena, 96, 8), *second = hf_alloc(&arena, 96, 8);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, second));
    hf_free(&arena, first, 96);
    CHECK(hf_arena_root(&arena) == second);
    hf_free(&arena, second, 96);
    CHECK(hf_arena_root(&arena) == NULL);
    hf_arena_close(&arena);
}

static void peeked_bytes_are_gone(void) {
    hf_arena arena = open_arena();
    char *block = hf_alloc(&arena, 96, 8);
    memset(hf_peek(&arena, 1000, NULL), 0xee, 1000);
    hf_free(&arena, block, 96);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    char *zeroed = hf_alloc_zeroed(&arena, 2000, 8);
    CHECK(is_zero(zeroed, 2000));
    hf_arena_close(&arena);
}

/* The bytes of an appended file end at pos, but a view is unmapped by hf_rewind alone. */
static void an_appended_file_stays(void) {
    static const char path[] = "test_arena_free.tmp";
    disk_close(disk_create(path, 1000));
    hf_arena arena = open_arena();
    void *data;
    size_t size;
    hf_status status = hf_arena_append_file(&arena, path, HF_READ_ONLY, &data, &size);
    if (status == HF_UNSUPPORTED) {
        check_skip("this Windows has no views in a space");
    } else {
        CHECK_STATUS(HF_OK, status);
        hf_mark mark = hf_get_mark(&arena);
        hf_free(&arena, data, mark); /* all pages of the view */
        CHECK_EQUAL(mark, hf_get_mark(&arena));
        char *block = hf_alloc(&arena, 96, 8);
        hf_free(&arena, block, 96);
        CHECK_EQUAL(mark, hf_get_mark(&arena));
    }
    hf_arena_close(&arena);
    disk_remove(path);
}

/* Whole pages fault from then on, and are never used again. */
static void pages_fault_after_freeing_if_they_are_to(void) {
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 64 * MIB, .fault_after_rewind = true});
    char *kept = hf_alloc(&arena, 100, 8), *small = hf_alloc(&arena, 100, 8);
    fill(kept, 100, 1);
    hf_free(&arena, small, 100);
    CHECK(arena.pos == small); /* no whole page */
    char *large = hf_alloc(&arena, MIB, 8);
    memset(large, 1, MIB);
    size_t committed = hf_arena_get_stats(&arena).committed;
    hf_free(&arena, large, MIB);
    if (hf_last_error().status == HF_UNSUPPORTED) {
        check_skip("this Windows decommits no part of a region");
    } else {
        CHECK(hf_arena_get_stats(&arena).committed <= committed - MIB + fixture_page_size());
        char *next = hf_alloc(&arena, 100, 8);
        CHECK(next >= large + MIB / 2 && is_filled(kept, 100, 1));
    }
    hf_arena_close(&arena);
}

/* With fault_after_rewind a system call is made, and may fail: pos moves nevertheless. */
static void free_and_use(struct failure *failure) {
    hf_arena arena = fixture_open((hf_arena_options){
        .reserve = 64 * MIB, .fault_after_rewind = true, .backend = failure->strict});
    char *kept = hf_alloc(&arena, 100, 8), *block = hf_alloc(&arena, MIB, 8);
    fill(kept, 100, 1);
    CHECK(hf_rewind(&arena, SIZE_MAX) == HF_INVALID);
    failure_on(failure);
    hf_free(&arena, block, MIB);
    failure_off(failure);
    if (hf_last_error().status != HF_INVALID) check_failure(failure, hf_last_error().status);
    char *next = hf_alloc_zeroed(&arena, MIB, 8);
    CHECK(next >= block + MIB - 4096 && is_zero(next, MIB) && is_filled(kept, 100, 1));
    hf_arena_close(&arena);
}

static void freeing_with_the_nth_call_failing(void) {
    CHECK(each_failure(free_and_use, NULL) >= 1);
}

CHECK_MAIN(TEST(the_last_block_gives_all_of_its_bytes_back),
           TEST(a_loop_with_padding_does_not_creep),
           TEST(blocks_without_padding_are_freed_in_reverse_order),
           TEST(another_block_gives_nothing_back), TEST(null_is_ignored),
           TEST(freeing_leaves_the_last_error), TEST(foreign_blocks_are_invalid),
           TEST(freed_bytes_are_zeroed_when_they_are_allocated_again),
           TEST(marks_and_scopes_above_are_invalid),
           TEST(a_block_below_a_deferred_call_is_not_the_last_one), TEST(a_freed_root_is_none),
           TEST(peeked_bytes_are_gone), TEST(an_appended_file_stays),
           TEST(pages_fault_after_freeing_if_they_are_to), TEST(freeing_with_the_nth_call_failing))
