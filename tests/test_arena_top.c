/*
 * hf_peek and hf_precommit: room that is there before it is handed out.
 */
#include "arena_fixture.h"
#include "spy.h"

static struct refusals refusals;
static struct spy spy;

static hf_arena open_on_spy(size_t reserve) {
    spy_init(&spy, NULL);
    refusals = (struct refusals){0};
    return fixture_open((hf_arena_options){.reserve = reserve,
                                           .backend = &spy.backend,
                                           .on_failure = count_refusal,
                                           .user = &refusals});
}

/* ---------------------------------------------------------------------- top ---------------- */

static void what_is_read_into_peeked_bytes_is_allocated(void) {
    hf_arena arena = open_on_spy(64 * MIB);
    size_t sizes[] = {1, 100, 5000, 65536, MIB, 3 * MIB};
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%zu bytes", sizes[i]);
        size_t room = 0, used = sizes[i] - sizes[i] / 3;
        char *top = hf_peek(&arena, sizes[i], &room);
        CHECK(top != NULL && room >= sizes[i]);
        fill(top, room < MIB ? room : MIB, (unsigned)i);
        char *block = hf_alloc(&arena, used, 1);
        CHECK(block == top);
        CHECK(holds(block, used < MIB ? used : MIB, (unsigned)i));
    }
    hf_arena_close(&arena);
}

static void peeking_hands_nothing_out(void) {
    hf_arena arena = open_on_spy(64 * MIB);
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    hf_mark mark = hf_get_mark(&arena);
    char *top = hf_peek(&arena, 100, NULL);
    CHECK(top != NULL);
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    CHECK_EQUAL(mark, hf_arena_get_stats(&arena).used);
    CHECK(hf_peek(&arena, 100, NULL) == top);
    CHECK(hf_peek(&arena, 5 * MIB, NULL) == top);
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

static void the_room_can_be_had_to_the_last_byte(void) {
    hf_arena arena = open_on_spy(64 * MIB);
    for (int i = 0; i < 5; i++) {
        size_t room;
        char *top = hf_peek(&arena, 1000, &room);
        memset(top, 'x', room);
        size_t growths = hf_arena_get_stats(&arena).growths;
        CHECK(hf_alloc(&arena, room, 1) == top);
        CHECK_EQUAL(growths, hf_arena_get_stats(&arena).growths);
        CHECK(top[0] == 'x' && top[room - 1] == 'x');
    }
    hf_arena_close(&arena);
}

/* A block may be larger than the room was: what was read is its beginning. */
static void more_than_the_room_can_be_taken(void) {
    hf_arena arena = open_on_spy(64 * MIB);
    size_t room;
    char *top = hf_peek(&arena, 1000, &room);
    fill(top, room, 1);
    CHECK(hf_alloc(&arena, room + 100000, 1) == top);
    CHECK(holds(top, room, 1));
    fill(top, room + 100000, 2);
    hf_arena_close(&arena);
}

/* Bytes written and then not taken are dirty: a zeroed allocation has to clear them. */
static void what_was_read_and_not_taken_is_cleared(void) {
    size_t taken[] = {0, 1, 100, 8000};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        AT("%zu taken", taken[i]);
        hf_arena arena = open_on_spy(64 * MIB);
        size_t room;
        char *top = hf_peek(&arena, 9000, &room);
        memset(top, 0xee, room);
        CHECK(hf_alloc(&arena, taken[i], 1) == top);
        char *zeroed = hf_alloc_zeroed(&arena, room, 1);
        CHECK(zeroed != NULL && is_zero(zeroed, room));
        hf_arena_close(&arena);
    }
}

static void the_block_before_the_top_can_be_extended(void) {
    for (int zeroed = 0; zeroed < 2; zeroed++) {
        hf_arena arena = open_on_spy(64 * MIB);
        char *block = hf_alloc(&arena, 101, 1);
        fill(block, 101, 1);
        size_t room, sizes[] = {102, 110, 9000, 200000, 3 * MIB}, size = 101;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            AT("to %zu", sizes[i]);
            char *top = hf_peek(&arena, 9000, &room);
            memset(top, 0xee, room);
            CHECK((zeroed ? hf_extend_zeroed : hf_extend)(&arena, block, size, sizes[i]));
            CHECK(!zeroed || is_zero(block + size, sizes[i] - size));
            CHECK(holds(block, 101, 1));
            memset(block + size, 1, sizes[i] - size);
            size = sizes[i];
        }
        hf_arena_close(&arena);
    }
}

static void a_peek_of_no_bytes(void) {
    hf_arena arena = open_on_spy(64 * MIB);
    size_t room = SIZE_MAX;
    CHECK(hf_peek(&arena, 0, &room) == arena.pos);
    CHECK(room < SIZE_MAX);
    CHECK(hf_peek(&arena, 0, NULL) == arena.pos);
    hf_arena_close(&arena);
}

static void a_peek_too_large_asks_on_failure(void) {
    hf_arena arena = open_on_spy(8 * MIB);
    CHECK(hf_alloc(&arena, 100, 1) != NULL);
    struct snapshot before = snapshot_of(&arena);
    size_t sizes[] = {8 * MIB + 1, SIZE_MAX, SIZE_MAX / 2, 0 - (uintptr_t)arena.pos}, room;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%#zx bytes", sizes[i]);
        CHECK(hf_peek(&arena, sizes[i], &room) == NULL);
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK_EQUAL(i + 1, refusals.count);
        CHECK_EQUAL(sizes[i], refusals.size);
        check_unchanged(&arena, &before);
    }
    spy.largest[SPY_COMMIT] = 0;
    CHECK(hf_peek(&arena, 5 * MIB, &room) == NULL);
    CHECK_EQUAL(HF_NO_MEMORY, hf_last_error().status);
    check_unchanged(&arena, &before);
    hf_arena_close(&arena);
}

/* ------------------------------------------------------------------- ensure ---------------- */

/* `size` bytes in pieces of `piece` bytes at `align`, all of them with a system that gives nothing
 * more. */
static void pieces_fit(hf_arena *arena, size_t size, size_t piece, size_t align) {
    char *end = arena->pos + size;
    size_t padding = align - 1 + (fixture_is_exact() ? 0 : 64);
    spy.largest[SPY_COMMIT] = 0;
    while (arena->pos < end && (size_t)(end - arena->pos) >= piece + padding) {
        char *block = hf_alloc(arena, piece, align);
        CHECK(block != NULL);
        memset(block, 1, piece);
    }
    spy.largest[SPY_COMMIT] = SIZE_MAX;
}

static void what_is_precommitted_cannot_fail(void) {
    hf_arena arena = open_on_spy(256 * MIB);
    size_t sizes[] = {0, 1, 1000, 4096, 100000, 2 * MIB, 9 * MIB, 50 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%zu bytes", sizes[i]);
        size_t used = hf_arena_get_stats(&arena).used;
        CHECK_STATUS(HF_OK, hf_precommit(&arena, sizes[i]));
        CHECK_EQUAL(used, hf_arena_get_stats(&arena).used);
        CHECK(hf_arena_get_stats(&arena).committed >= used + sizes[i]);
        size_t calls = spy_count(&spy, SPY_COMMIT);
        pieces_fit(&arena, sizes[i], sizes[i] / 7 + 1, i % 2 ? 1 : 64);
        CHECK_EQUAL(calls, spy_count(&spy, SPY_COMMIT));
    }
    CHECK_EQUAL(0, refusals.count);
    hf_arena_close(&arena);
}

static void what_is_there_is_not_committed_again(void) {
    hf_arena arena = open_on_spy(256 * MIB);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 3 * MIB));
    size_t calls = hf_arena_get_stats(&arena).system_calls;
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 3 * MIB));
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 0));
    CHECK_EQUAL(calls, hf_arena_get_stats(&arena).system_calls);
    hf_arena_close(&arena);
}

static void a_failed_precommit_changes_nothing_and_asks_nobody(void) {
    hf_arena arena = open_on_spy(64 * MIB);
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    struct snapshot before = snapshot_of(&arena);
    size_t sizes[] = {64 * MIB, 64 * MIB + 1, SIZE_MAX, SIZE_MAX / 2, 0 - (uintptr_t)arena.pos};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%#zx bytes", sizes[i]);
        CHECK_STATUS(HF_RESERVE_FULL, hf_precommit(&arena, sizes[i]));
        check_unchanged(&arena, &before);
    }
    spy.largest[SPY_COMMIT] = 0;
    CHECK_STATUS(HF_NO_MEMORY, hf_precommit(&arena, 20 * MIB));
    check_unchanged(&arena, &before);
    CHECK_EQUAL(0, refusals.count);
    CHECK(holds(block, 1000, 1));
    hf_arena_close(&arena);
}

static void the_rest_of_the_reservation_can_be_precommitted(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = open_on_spy(64 * MIB);
    CHECK(hf_alloc(&arena, 1000, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 64 * MIB - 1000));
    CHECK_EQUAL(64 * MIB, hf_arena_get_stats(&arena).committed);
    CHECK(hf_alloc(&arena, 64 * MIB - 1000, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 0));
    CHECK_STATUS(HF_RESERVE_FULL, hf_precommit(&arena, 1));
    hf_arena_close(&arena);
}

/* Ensuring commits, but hands nothing out: the bytes stay fresh. */
static void what_is_precommitted_stays_fresh(void) {
    hf_arena arena = open_on_spy(64 * MIB);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 10 * MIB));
    hf_arena_stats stats = hf_arena_get_stats(&arena);
    CHECK_EQUAL(0, stats.used + stats.peak + stats.high_water);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(what_is_read_into_peeked_bytes_is_allocated), TEST(peeking_hands_nothing_out),
           TEST(the_room_can_be_had_to_the_last_byte), TEST(more_than_the_room_can_be_taken),
           TEST(what_was_read_and_not_taken_is_cleared),
           TEST(the_block_before_the_top_can_be_extended), TEST(a_peek_of_no_bytes),
           TEST(a_peek_too_large_asks_on_failure), TEST(what_is_precommitted_cannot_fail),
           TEST(what_is_there_is_not_committed_again),
           TEST(a_failed_precommit_changes_nothing_and_asks_nobody),
           TEST(the_rest_of_the_reservation_can_be_precommitted),
           TEST(what_is_precommitted_stays_fresh))
