/*
 * hf_peek and hf_precommit: bytes that are usable before they are allocated.
 */
#include "arena_fixture.h"
#include "recorder.h"

static struct failures failures;
static struct recorder recorder;

static hf_arena open_on_recorder(size_t reserve) {
    recorder_init(&recorder, NULL);
    failures = (struct failures){0};
    return fixture_open((hf_arena_options){.reserve = reserve,
                                           .backend = &recorder.backend,
                                           .on_failure = count_failure,
                                           .user = &failures});
}

/* --------------------------------------------------------------------- peek ---------------- */

static void peeked_bytes_can_be_read_into_and_allocated(void) {
    hf_arena arena = open_on_recorder(64 * MIB);
    size_t sizes[] = {1, 100, 5000, 65536, MIB, 3 * MIB};
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%zu bytes", sizes[i]);
        size_t room = 0, used = sizes[i] - sizes[i] / 3;
        char *peeked = hf_peek(&arena, sizes[i], &room);
        CHECK(peeked != NULL && room >= sizes[i]);
        fill(peeked, room < MIB ? room : MIB, (unsigned)i);
        char *block = hf_alloc(&arena, used, 1);
        CHECK(block == peeked);
        CHECK(is_filled(block, used < MIB ? used : MIB, (unsigned)i));
    }
    hf_arena_close(&arena);
}

static void peeking_allocates_nothing(void) {
    hf_arena arena = open_on_recorder(64 * MIB);
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    hf_mark mark = hf_get_mark(&arena);
    char *peeked = hf_peek(&arena, 100, NULL);
    CHECK(peeked != NULL);
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    CHECK_EQUAL(mark, hf_arena_get_stats(&arena).used);
    CHECK(hf_peek(&arena, 100, NULL) == peeked);
    CHECK(hf_peek(&arena, 5 * MIB, NULL) == peeked);
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

static void the_room_can_be_allocated_to_the_last_byte(void) {
    hf_arena arena = open_on_recorder(64 * MIB);
    for (int i = 0; i < 5; i++) {
        size_t room;
        char *peeked = hf_peek(&arena, 1000, &room);
        memset(peeked, 'x', room);
        size_t growths = hf_arena_get_stats(&arena).growths;
        CHECK(hf_alloc(&arena, room, 1) == peeked);
        CHECK_EQUAL(growths, hf_arena_get_stats(&arena).growths);
        CHECK(peeked[0] == 'x' && peeked[room - 1] == 'x');
    }
    hf_arena_close(&arena);
}

/* The block may be larger than the peeked bytes, which are then its beginning. */
static void more_than_the_room_can_be_allocated(void) {
    hf_arena arena = open_on_recorder(64 * MIB);
    size_t room;
    char *peeked = hf_peek(&arena, 1000, &room);
    fill(peeked, room, 1);
    CHECK(hf_alloc(&arena, room + 100000, 1) == peeked);
    CHECK(is_filled(peeked, room, 1));
    fill(peeked, room + 100000, 2);
    hf_arena_close(&arena);
}

/* Peeked bytes that were written but not allocated are below the high-water mark, so
 * hf_alloc_zeroed must zero them. */
static void peeked_bytes_that_were_written_are_zeroed(void) {
    size_t used[] = {0, 1, 100, 8000};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        AT("%zu used", used[i]);
        hf_arena arena = open_on_recorder(64 * MIB);
        size_t room;
        char *peeked = hf_peek(&arena, 9000, &room);
        memset(peeked, 0xee, room);
        CHECK(hf_alloc(&arena, used[i], 1) == peeked);
        char *zeroed = hf_alloc_zeroed(&arena, room, 1);
        CHECK(zeroed != NULL && is_zero(zeroed, room));
        hf_arena_close(&arena);
    }
}

static void the_block_before_peeked_bytes_can_be_extended(void) {
    for (int zeroed = 0; zeroed < 2; zeroed++) {
        hf_arena arena = open_on_recorder(64 * MIB);
        char *block = hf_alloc(&arena, 101, 1);
        fill(block, 101, 1);
        size_t room, sizes[] = {102, 110, 9000, 200000, 3 * MIB}, size = 101;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            AT("to %zu", sizes[i]);
            char *peeked = hf_peek(&arena, 9000, &room);
            memset(peeked, 0xee, room);
            CHECK((zeroed ? hf_extend_zeroed : hf_extend)(&arena, block, size, sizes[i]));
            CHECK(!zeroed || is_zero(block + size, sizes[i] - size));
            CHECK(is_filled(block, 101, 1));
            memset(block + size, 1, sizes[i] - size);
            size = sizes[i];
        }
        hf_arena_close(&arena);
    }
}

static void a_peek_of_no_bytes_succeeds(void) {
    hf_arena arena = open_on_recorder(64 * MIB);
    size_t room = SIZE_MAX;
    CHECK(hf_peek(&arena, 0, &room) == arena.pos);
    CHECK(room < SIZE_MAX);
    CHECK(hf_peek(&arena, 0, NULL) == arena.pos);
    hf_arena_close(&arena);
}

static void a_peek_that_fails_calls_on_failure(void) {
    hf_arena arena = open_on_recorder(8 * MIB);
    CHECK(hf_alloc(&arena, 100, 1) != NULL);
    struct snapshot before = snapshot_of(&arena);
    size_t sizes[] = {8 * MIB + 1, SIZE_MAX, SIZE_MAX / 2, 0 - (uintptr_t)arena.pos}, room;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%#zx bytes", sizes[i]);
        CHECK(hf_peek(&arena, sizes[i], &room) == NULL);
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK_EQUAL(i + 1, failures.count);
        CHECK_EQUAL(sizes[i], failures.size);
        check_unchanged(&arena, &before);
    }
    recorder.largest[RECORDER_COMMIT] = 0;
    CHECK(hf_peek(&arena, 5 * MIB, &room) == NULL);
    CHECK_EQUAL(HF_NO_MEMORY, hf_last_error().status);
    check_unchanged(&arena, &before);
    hf_arena_close(&arena);
}

/* ---------------------------------------------------------------- precommit ---------------- */

/* Allocates `size` bytes in pieces of `piece` bytes at `align`, with a backend whose commits
 * fail. */
static void pieces_fit(hf_arena *arena, size_t size, size_t piece, size_t align) {
    char *end = arena->pos + size;
    size_t padding = align - 1 + (fixture_is_exact() ? 0 : 64);
    recorder.largest[RECORDER_COMMIT] = 0;
    while (arena->pos < end && (size_t)(end - arena->pos) >= piece + padding) {
        char *block = hf_alloc(arena, piece, align);
        CHECK(block != NULL);
        memset(block, 1, piece);
    }
    recorder.largest[RECORDER_COMMIT] = SIZE_MAX;
}

static void precommitted_bytes_cannot_fail(void) {
    hf_arena arena = open_on_recorder(256 * MIB);
    size_t sizes[] = {0, 1, 1000, 4096, 100000, 2 * MIB, 9 * MIB, 50 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%zu bytes", sizes[i]);
        size_t used = hf_arena_get_stats(&arena).used;
        CHECK_STATUS(HF_OK, hf_precommit(&arena, sizes[i]));
        CHECK_EQUAL(used, hf_arena_get_stats(&arena).used);
        CHECK(hf_arena_get_stats(&arena).committed >= used + sizes[i]);
        size_t calls = recorder_count(&recorder, RECORDER_COMMIT);
        pieces_fit(&arena, sizes[i], sizes[i] / 7 + 1, i % 2 ? 1 : 64);
        CHECK_EQUAL(calls, recorder_count(&recorder, RECORDER_COMMIT));
    }
    CHECK_EQUAL(0, failures.count);
    hf_arena_close(&arena);
}

static void committed_bytes_are_not_committed_again(void) {
    hf_arena arena = open_on_recorder(256 * MIB);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 3 * MIB));
    size_t calls = hf_arena_get_stats(&arena).system_calls;
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 3 * MIB));
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 0));
    CHECK_EQUAL(calls, hf_arena_get_stats(&arena).system_calls);
    hf_arena_close(&arena);
}

static void a_failed_precommit_changes_nothing_and_calls_nothing(void) {
    hf_arena arena = open_on_recorder(64 * MIB);
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    struct snapshot before = snapshot_of(&arena);
    size_t sizes[] = {64 * MIB, 64 * MIB + 1, SIZE_MAX, SIZE_MAX / 2, 0 - (uintptr_t)arena.pos};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%#zx bytes", sizes[i]);
        CHECK_STATUS(HF_RESERVE_FULL, hf_precommit(&arena, sizes[i]));
        check_unchanged(&arena, &before);
    }
    recorder.largest[RECORDER_COMMIT] = 0;
    CHECK_STATUS(HF_NO_MEMORY, hf_precommit(&arena, 20 * MIB));
    check_unchanged(&arena, &before);
    CHECK_EQUAL(0, failures.count);
    CHECK(is_filled(block, 1000, 1));
    hf_arena_close(&arena);
}

static void the_rest_of_the_reservation_can_be_precommitted(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = open_on_recorder(64 * MIB);
    CHECK(hf_alloc(&arena, 1000, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 64 * MIB - 1000));
    CHECK_EQUAL(64 * MIB, hf_arena_get_stats(&arena).committed);
    CHECK(hf_alloc(&arena, 64 * MIB - 1000, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 0));
    CHECK_STATUS(HF_RESERVE_FULL, hf_precommit(&arena, 1));
    hf_arena_close(&arena);
}

/* Precommitting commits, but allocates nothing: the bytes stay fresh. */
static void precommitted_bytes_stay_fresh(void) {
    hf_arena arena = open_on_recorder(64 * MIB);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 10 * MIB));
    hf_arena_stats stats = hf_arena_get_stats(&arena);
    CHECK_EQUAL(0, stats.used + stats.peak + stats.high_water);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(peeked_bytes_can_be_read_into_and_allocated), TEST(peeking_allocates_nothing),
           TEST(the_room_can_be_allocated_to_the_last_byte),
           TEST(more_than_the_room_can_be_allocated),
           TEST(peeked_bytes_that_were_written_are_zeroed),
           TEST(the_block_before_peeked_bytes_can_be_extended), TEST(a_peek_of_no_bytes_succeeds),
           TEST(a_peek_that_fails_calls_on_failure), TEST(precommitted_bytes_cannot_fail),
           TEST(committed_bytes_are_not_committed_again),
           TEST(a_failed_precommit_changes_nothing_and_calls_nothing),
           TEST(the_rest_of_the_reservation_can_be_precommitted),
           TEST(precommitted_bytes_stay_fresh))
