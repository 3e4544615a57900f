/*
 * Every field of hf_arena_stats against an independent count, from opening to closing an arena.
 */
#include "arena_fixture.h"
#include "recorder.h"

/* Counted from the functions' results and the calls of the backend. */
static struct counted {
    struct recorder recorder;
    size_t peak, high_water;
} counted;

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t successful_commits(void) {
    size_t commits = 0;
    for (size_t i = 0; i < counted.recorder.count; i++)
        commits += counted.recorder.calls[i].step == RECORDER_COMMIT &&
                   counted.recorder.calls[i].status == HF_OK;
    return commits;
}

static void check_stats(const hf_arena *arena, size_t reserved) {
    hf_arena_stats stats = hf_arena_get_stats(arena);
    size_t used = (size_t)(arena->pos - hf_arena_base(arena));
    CHECK(counted.recorder.count < RECORDER_CALLS); /* the recorder has kept every call */
    CHECK_EQUAL(used, stats.used);
    CHECK_EQUAL(reserved, stats.reserved);
    CHECK_EQUAL(recorder_committed(&counted.recorder), stats.committed);
    CHECK_EQUAL(successful_commits(), stats.growths);
    CHECK_EQUAL(counted.recorder.system_calls, stats.system_calls);
    counted.peak = larger(counted.peak, used);
    counted.high_water = larger(counted.high_water, used);
    CHECK_EQUAL(counted.peak, stats.peak);
    CHECK_EQUAL(counted.high_water, stats.high_water);
}

/* Trimmed bytes are fresh when they are committed again, so the high-water mark falls. */
static void trim(hf_arena *arena, size_t keep) {
    CHECK_STATUS(HF_OK, hf_trim(arena, keep));
    counted.high_water = counted.high_water < recorder_committed(&counted.recorder)
                             ? counted.high_water
                             : recorder_committed(&counted.recorder);
    check_stats(arena, hf_arena_get_stats(arena).reserved);
}

static void check_life(hf_arena_options options) {
    recorder_init(&counted.recorder, NULL);
    counted.peak = counted.high_water = 0;
    options.backend = &counted.recorder.backend;
    hf_arena arena = fixture_open(options);
    size_t reserved = round_up(options.reserve, fixture_page_size());
    check_stats(&arena, reserved);
    for (int round = 0; round < 3; round++) {
        AT("round %d", round);
        for (size_t size = 1; size < 30 * MIB; size = size * 2 + 1) {
            CHECK(hf_alloc(&arena, size, 16) != NULL);
            check_stats(&arena, reserved);
        }
        char *block = hf_alloc_zeroed(&arena, 100, 1);
        CHECK(hf_extend(&arena, block, 100, 5 * MIB));
        check_stats(&arena, reserved);
        CHECK(hf_extend(&arena, block, 5 * MIB, 7));
        check_stats(&arena, reserved);
        CHECK_STATUS(HF_OK, hf_precommit(&arena, 20 * MIB));
        check_stats(&arena, reserved);
        CHECK(hf_alloc(&arena, SIZE_MAX, 1) == NULL && hf_alloc(&arena, 1, 0) == NULL);
        check_stats(&arena, reserved);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 3 * MIB));
        check_stats(&arena, reserved);
        trim(&arena, 10 * MIB);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        check_stats(&arena, reserved);
        trim(&arena, 0);
        CHECK_EQUAL(0, hf_arena_get_stats(&arena).committed);
    }
    counted.recorder.largest[RECORDER_COMMIT] = 0; /* failed calls count too */
    CHECK(hf_alloc(&arena, 1, 1) == NULL);
    check_stats(&arena, reserved);
    hf_arena_close(&arena);
}

static void every_field_matches_an_independent_count(void) {
    check_life((hf_arena_options){.reserve = 256 * MIB});
    check_life((hf_arena_options){.reserve = 256 * MIB + 1, .name = "counted"});
    check_life((hf_arena_options){.reserve = 256 * MIB, .huge_pages = HF_HUGE_NEVER});
    check_life((hf_arena_options){.reserve = 256 * MIB, .huge_pages = HF_HUGE_ALWAYS});
    check_life((hf_arena_options){.reserve = 256 * MIB, .populate = true});
    check_life((hf_arena_options){.reserve = 256 * MIB, .retain = SIZE_MAX});
}

/* The program may have written to the bytes that hf_peek returned. */
static void peeked_bytes_raise_the_high_water_mark(void) {
    recorder_init(&counted.recorder, NULL);
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 64 * MIB, .backend = &counted.recorder.backend});
    size_t room;
    CHECK(hf_peek(&arena, 3 * MIB, &room) != NULL);
    hf_arena_stats stats = hf_arena_get_stats(&arena);
    CHECK_EQUAL(0, stats.used + stats.peak);
    CHECK(stats.high_water >= room && stats.high_water <= stats.committed);
    hf_arena_close(&arena);
}

static void getting_stats_changes_nothing(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    CHECK(hf_alloc(&arena, 5 * MIB, 1) != NULL);
    hf_arena_stats first = hf_arena_get_stats(&arena), second = hf_arena_get_stats(&arena);
    CHECK(memcmp(&first, &second, sizeof first) == 0);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(every_field_matches_an_independent_count),
           TEST(peeked_bytes_raise_the_high_water_mark), TEST(getting_stats_changes_nothing))
