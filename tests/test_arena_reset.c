/*
 * hf_reset and hf_trim: what stays committed, what is released, and the system calls that they
 * make.
 */
#include "arena_fixture.h"
#include "recorder.h"

static struct recorder recorder;

static hf_arena open_on_recorder(size_t retain) {
    recorder_init(&recorder, NULL);
    return fixture_open(
        (hf_arena_options){.reserve = 1024 * MIB, .retain = retain, .backend = &recorder.backend});
}

static size_t committed(const hf_arena *arena) { return hf_arena_get_stats(arena).committed; }

static size_t largest(size_t a, size_t b, size_t c) {
    size_t largest = a > b ? a : b;
    return largest > c ? largest : c;
}

/* --------------------------------------------------------- the rule of the header ---------- */

/* The peaks of a loop's frames; each reset must follow the header's rule exactly. */
struct frames {
    size_t retain;
    size_t peaks[60];
};

static const struct frames tables[] = {
    /* a spike, then a slow decline */
    {0, {100 * MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB,
         MIB,       MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB,
         MIB,       MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB, MIB,
         100 * MIB, 1,   1,   1,   1,   1,   1,   1,   1,   1,   1,   1,   1,   1}},
    /* steady; steady with odd sizes; alternating */
    {0, {10 * MIB, 10 * MIB, 10 * MIB, 10 * MIB, 10 * MIB}},
    {0, {5 * MIB + 1, 6 * MIB, 5 * MIB + 77, 6 * MIB, 5 * MIB, 6 * MIB, 5 * MIB + 1}},
    {0, {KIB, 64 * MIB, KIB, 3 * MIB, 200 * MIB, 20 * MIB, 20 * MIB, 20 * MIB, 20 * MIB, KIB, KIB}},
    {0, {100, 200, 300 * KIB, 4 * MIB - 1, 100, 200, 300, 2 * MIB, 17, 17, 17, 17, 17, 17, 17}},
    /* with the option retain */
    {16 * MIB, {100 * MIB, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                1,         1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {100 * MIB, {200 * MIB, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {5000, {9 * MIB, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {SIZE_MAX, {200 * MIB, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
};

static void check_frames(const struct frames *frames) {
    hf_arena arena = open_on_recorder(frames->retain);
    size_t keep = 0, releases = 0;
    for (size_t frame = 0; frame < 60 && frames->peaks[frame]; frame++) {
        AT("retain %zu, frame %zu of %zu bytes", frames->retain, frame, frames->peaks[frame]);
        CHECK(hf_alloc(&arena, frames->peaks[frame], 1) != NULL);
        size_t peak = hf_get_mark(&arena), before = committed(&arena);
        recorder_forget(&recorder);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        keep = largest(peak, keep - keep / 8, frames->retain);
        bool trims = before > keep && before - keep > (2 * MIB > keep / 4 ? 2 * MIB : keep / 4);
        CHECK_EQUAL(trims ? round_up(keep, fixture_page_size()) : before, committed(&arena));
        CHECK_EQUAL(0, hf_get_mark(&arena));
        if (!trims) CHECK_EQUAL(0, recorder.count);
        releases += trims;
    }
    CHECK(releases > 0 || frames->retain == SIZE_MAX || frames->peaks[0] <= 10 * MIB);
    hf_arena_close(&arena);
}

static void resets_trim_by_the_rule(void) {
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) check_frames(&tables[i]);
}

/*      keep       keep / 4
 *      |    8 MiB    | 2 MiB |  committed: just below the threshold of a trim
 */
static void a_trim_is_worth_more_than_the_margin(void) {
    if (!fixture_is_exact()) return; /* red zones would change the peaks */
    for (size_t less = 0; less < 2; less++) {
        hf_arena arena = open_on_recorder(0);
        recorder.largest[RECORDER_COMMIT] = 10 * MIB; /* no step rounded up to a huge page */
        CHECK_STATUS(HF_OK, hf_precommit(&arena, 10 * MIB));
        CHECK_EQUAL(10 * MIB, committed(&arena));
        CHECK(hf_alloc(&arena, 8 * MIB - less, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_EQUAL(less ? 8 * MIB : 10 * MIB, committed(&arena));
        hf_arena_close(&arena);
    }
}

/* Bytes that were rewound before the reset count too: the frame needed them. */
static void the_peak_counts_and_not_the_end(void) {
    hf_arena arena = open_on_recorder(0);
    CHECK(hf_alloc(&arena, 60 * MIB, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 100));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(committed(&arena) >= 60 * MIB);
    char *block = hf_alloc(&arena, 50 * MIB, 1);
    CHECK(hf_extend(&arena, block, 50 * MIB, 1));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(committed(&arena) >= 50 * MIB);
    hf_arena_close(&arena);
}

/* The loop is steady after its largest frame; frames repeat after 90. */
static void a_steady_loop_makes_no_system_call(void) {
    hf_arena arena = open_on_recorder(0);
    size_t calls = 0;
    for (size_t frame = 0; frame < 300; frame++) {
        for (size_t i = 0; i < 1000; i++)
            CHECK(hf_alloc_zeroed(&arena, 10000 + (i + frame) * 7 % 90 * 10, 8) != NULL);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        if (frame == 90)
            calls = hf_arena_get_stats(&arena).system_calls, recorder_forget(&recorder);
    }
    CHECK_EQUAL(calls, hf_arena_get_stats(&arena).system_calls);
    CHECK_EQUAL(0, recorder.count);
    hf_arena_close(&arena);
}

static void a_reset_keeps_the_high_water_mark(void) {
    hf_arena arena = open_on_recorder(0);
    memset(hf_alloc(&arena, 3 * MIB, 1), 0xee, 3 * MIB);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(hf_arena_get_stats(&arena).high_water >= 3 * MIB);
    char *block = hf_alloc_zeroed(&arena, 4 * MIB, 1);
    CHECK(is_zero(block, 4 * MIB));
    hf_arena_close(&arena);
}

static void a_failed_release_is_returned_and_harmless(void) {
    hf_arena arena = open_on_recorder(0);
    for (int i = 0; i < 2; i++) {
        enum recorder_step step = i ? RECORDER_COALESCE : RECORDER_DECOMMIT;
        AT("step %d", (int)step);
        memset(hf_alloc(&arena, 40 * MIB, 1), 0xee, 40 * MIB);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        recorder.largest[step] = 0;
        hf_status status = HF_OK;
        for (int frame = 0; frame < 40 && status == HF_OK; frame++) status = hf_reset(&arena);
        CHECK_STATUS(HF_NO_MEMORY, status);
        CHECK_EQUAL(0, hf_get_mark(&arena));
        recorder.largest[step] = SIZE_MAX;
        char *block = hf_alloc_zeroed(&arena, 50 * MIB, 1);
        CHECK(block != NULL && is_zero(block, 50 * MIB));
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
        CHECK_EQUAL(0, committed(&arena));
    }
    hf_arena_close(&arena);
}

/* ---------------------------------------------------------------------- trim --------------- */

static void trims_to_the_page(void) {
    size_t page_size = fixture_page_size();
    size_t used[] = {0, 1, 4096, 100000, 2 * MIB, 9 * MIB + 5};
    size_t keep[] = {0, 1, 5000, MIB, 2 * MIB, 2 * MIB + 1, 9 * MIB, 20 * MIB, 30 * MIB - 1};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        for (size_t j = 0; j < sizeof keep / sizeof *keep; j++) {
            AT("%zu used, %zu to keep", used[i], keep[j]);
            hf_arena arena = open_on_recorder(0);
            write_and_rewind(&arena, 30 * MIB);
            char *block = used[i] ? hf_alloc(&arena, used[i], 1) : arena.pos;
            fill(block, used[i], 1);
            size_t mark = hf_get_mark(&arena), most = mark > keep[j] ? mark : keep[j];
            CHECK_STATUS(HF_OK, hf_trim(&arena, keep[j]));
            CHECK_EQUAL(round_up(most, page_size), committed(&arena));
            CHECK_EQUAL(mark, hf_get_mark(&arena));
            CHECK(hf_arena_get_stats(&arena).high_water <= committed(&arena));
            CHECK(is_filled(block, used[i], 1));
            char *zeroed = hf_alloc_zeroed(&arena, 30 * MIB, 1);
            CHECK(zeroed != NULL && is_zero(zeroed, 30 * MIB));
            CHECK(is_filled(block, used[i], 1));
            hf_arena_close(&arena);
        }
    }
}

static void trimming_nothing_costs_nothing(void) {
    hf_arena arena = open_on_recorder(0);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK(hf_alloc(&arena, 9 * MIB, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    struct snapshot before = snapshot_of(&arena);
    recorder_forget(&recorder);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 10 * MIB));
    CHECK_STATUS(HF_OK, hf_trim(&arena, SIZE_MAX));
    check_unchanged(&arena, &before);
    CHECK_EQUAL(0, recorder.count);
    CHECK_EQUAL(before.stats.system_calls, hf_arena_get_stats(&arena).system_calls);
    hf_arena_close(&arena);
}

/* What is released is coalesced with the placeholder behind it: the next step finds one
 * placeholder, and closing releases at most two regions. */
static void what_is_trimmed_is_coalesced(void) {
    hf_arena arena = open_on_recorder(0);
    for (int i = 0; i < 10; i++) {
        CHECK(hf_alloc(&arena, 300 * MIB, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
        CHECK_STATUS(HF_OK, hf_trim(&arena, 5 * MIB));
    }
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    recorder_forget(&recorder);
    hf_arena_close(&arena);
    CHECK_EQUAL(1, recorder_count(&recorder, RECORDER_RELEASE));
    CHECK_EQUAL(1024 * MIB, recorder_nth(&recorder, RECORDER_RELEASE, 0)->size);
}

/* One to three system calls for each growth step released, hints included. */
static void a_trim_costs_up_to_three_calls_a_step(void) {
    hf_arena arena = open_on_recorder(0);
    while (committed(&arena) < 900 * MIB) CHECK(hf_alloc(&arena, MIB, 1) != NULL);
    hf_arena_stats before = hf_arena_get_stats(&arena);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    size_t calls = hf_arena_get_stats(&arena).system_calls - before.system_calls;
    CHECK(calls >= before.growths && calls <= 3 * before.growths);
    hf_arena_close(&arena);
}

/* If the release of the last of many steps fails, the steps before are released and the rest
 * stays. */
static void a_trim_that_fails_half_way_keeps_the_rest(void) {
    hf_arena arena = open_on_recorder(0);
    while (committed(&arena) < 200 * MIB) memset(hf_alloc(&arena, MIB, 1), 0xee, MIB);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 100));
    recorder.largest[RECORDER_DECOMMIT] = MIB;

    CHECK_STATUS(HF_NO_MEMORY, hf_trim(&arena, 0));
    CHECK_EQUAL(RECORDER_ERROR_CODE, hf_last_error().os_code);
    hf_arena_stats stats = hf_arena_get_stats(&arena);
    CHECK_EQUAL(100, stats.used);
    CHECK(stats.high_water <= stats.committed);
    char *block = hf_alloc_zeroed(&arena, 300 * MIB, 1);
    CHECK(block != NULL && is_zero(block, 300 * MIB));
    recorder.largest[RECORDER_DECOMMIT] = SIZE_MAX;
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 100));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_EQUAL(fixture_page_size(), committed(&arena));
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(resets_trim_by_the_rule), TEST(a_trim_is_worth_more_than_the_margin),
           TEST(the_peak_counts_and_not_the_end), TEST(a_steady_loop_makes_no_system_call),
           TEST(a_reset_keeps_the_high_water_mark), TEST(a_failed_release_is_returned_and_harmless),
           TEST(trims_to_the_page), TEST(trimming_nothing_costs_nothing),
           TEST(what_is_trimmed_is_coalesced), TEST(a_trim_costs_up_to_three_calls_a_step),
           TEST(a_trim_that_fails_half_way_keeps_the_rest))
