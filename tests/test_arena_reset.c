/*
 * hf_reset and hf_trim: what stays committed, what is released, and the system calls that they
 * make.
 */
#include "arena_fixture.h"
#include "disk.h"
#include "recorder.h"

static struct recorder recorder;

static hf_arena open_on_recorder(size_t retain) {
    recorder_init(&recorder, NULL);
    return fixture_open(
        (hf_arena_options){.reserve = 1024 * MIB, .retain = retain, .backend = &recorder.backend});
}

static size_t committed(const hf_arena *arena) { return hf_arena_get_stats(arena).committed; }

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void run_frame(hf_arena *arena, size_t size) {
    CHECK(hf_alloc(arena, size, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_reset(arena));
}

/* Runs frames of this size until a reset trims, and returns their number; 0: none of `most` did. */
static size_t frames_until_a_trim(hf_arena *arena, size_t size, size_t most) {
    for (size_t frame = 1; frame <= most; frame++) {
        if (size > 0) CHECK(hf_alloc(arena, size, 1) != NULL);
        size_t before = committed(arena);
        CHECK_STATUS(HF_OK, hf_reset(arena));
        if (committed(arena) < before) return frame;
    }
    return 0;
}

/* ----------------------------------------------------- the rule of docs/reset.md ---------- */

struct frames {
    size_t retain;
    struct {
        size_t size, times;
    } rows[8];
    size_t trims; /* 1: one or more */
};

static const struct frames tables[] = {
    /* a spike, then small frames; again */
    {0, {{100 * MIB, 1}, {MIB, 9000}, {100 * MIB, 1}, {MIB, 9000}}, 1},
    /* steady; with odd sizes; alternating; rising */
    {0, {{10 * MIB, 900}}, 0},
    {0, {{5 * MIB + 1, 90}, {6 * MIB, 90}, {5 * MIB + 77, 90}, {6 * MIB, 90}}, 0},
    {0, {{64 * MIB, 1}, {3 * MIB, 200}, {200 * MIB, 1}, {20 * MIB, 700}, {MIB, 5000}}, 1},
    {0, {{MIB, 100}, {4 * MIB, 100}, {16 * MIB, 100}, {64 * MIB, 100}, {90 * MIB, 100}}, 0},
    /* the largest of the small frames comes first */
    {0, {{64 * MIB, 1}, {20 * MIB, 1}, {MIB, 5000}}, 1},
    /* sizes of a small arena */
    {0, {{100, 9}, {300 * KIB, 9}, {4 * MIB - 1, 9}, {2 * MIB, 900}, {10 * KIB, 90000}}, 1},
    {0, {{900 * KIB, 1}, {100 * KIB, 1000}, {10 * KIB, 10000}}, 1},
    /* just below and at half of what is committed */
    {0, {{64 * MIB, 1}, {31 * MIB, 200}}, 1},
    {0, {{64 * MIB, 1}, {33 * MIB, 200}}, 0},
    /* with the option retain */
    {16 * MIB, {{100 * MIB, 1}, {MIB, 9000}, {MIB, 9000}}, 1},
    {100 * MIB, {{200 * MIB, 1}, {8 * MIB, 3000}}, 1},
    {5000, {{9 * MIB, 1}, {KIB, 700000}}, 1},
    {SIZE_MAX, {{200 * MIB, 1}, {8 * MIB, 3000}}, 0},
};

/* The rule once more. */
struct rule {
    uint64_t work;
    size_t needed;
};

static bool rule_trims(struct rule *rule, size_t peak, size_t committed) {
    if (peak >= committed / 2) {
        *rule = (struct rule){0};
    } else {
        rule->work += peak + 64;
        rule->needed = larger(rule->needed, peak);
    }
    return rule->work >= 64 * (uint64_t)larger(committed - rule->needed, MIB);
}

/* What a trim leaves: what was needed, and a growth step beyond; at least `retain`. */
static void check_trimmed(const struct rule *rule, size_t retain, size_t before, size_t after) {
    size_t step = larger(rule->needed / 2 + 2 * MIB, 4 * MIB);
    CHECK(after >= smaller(before, larger(rule->needed + 64 * KIB, retain)));
    CHECK(after <= smaller(before, larger(rule->needed + step, round_up(retain % GIB, MIB))) ||
          after == before);
}

static bool check_frame(hf_arena *arena, struct rule *rule, size_t size, size_t retain) {
    CHECK(hf_alloc(arena, size, 1) != NULL);
    size_t before = committed(arena);
    bool trims = rule_trims(rule, hf_get_mark(arena), before);
    recorder_forget(&recorder);
    CHECK_STATUS(HF_OK, hf_reset(arena));
    CHECK_EQUAL(0, hf_get_mark(arena));
    if (!trims) {
        CHECK_EQUAL(0, recorder.count);
        CHECK_EQUAL(before, committed(arena));
        return false;
    }
    check_trimmed(rule, retain, before, committed(arena));
    *rule = (struct rule){0};
    return committed(arena) < before;
}

static void check_frames(const struct frames *frames) {
    hf_arena arena = open_on_recorder(frames->retain);
    struct rule rule = {0};
    size_t trims = 0;
    for (size_t row = 0; row < 8; row++) {
        AT("table %zu, row %zu: %zu bytes", (size_t)(frames - tables), row, frames->rows[row].size);
        for (size_t i = 0; i < frames->rows[row].times; i++)
            trims += check_frame(&arena, &rule, frames->rows[row].size, frames->retain);
    }
    AT("the table that begins with %zu bytes", frames->rows[0].size);
    CHECK_EQUAL(frames->trims, trims > 0);
    hf_arena_close(&arena);
}

static void resets_trim_by_the_rule(void) {
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) check_frames(&tables[i]);
}

/* After a spike of 256 MiB, and 100 times as much in frames of 4 MiB. */
static void a_spike_goes_within_a_hundred_times_its_bytes(void) {
    hf_arena arena = open_on_recorder(0);
    for (size_t i = 0; i < 256; i++) CHECK(hf_alloc(&arena, MIB - 64, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(committed(&arena) >= 255 * MIB);
    for (size_t i = 0; i < 100 * 256 / 4; i++) run_frame(&arena, 4 * MIB - 64);
    CHECK(committed(&arena) <= 16 * MIB);
    hf_arena_close(&arena);
}

/* The bytes committed after a trim, if the base is a multiple of 2 MiB: what growth would commit
 * for a frame that needed this much. In KiB. */
static void a_trim_leaves_a_growth_step(void) {
    static const size_t kept[][2] = {{1, 68},      {64, 128},    {512, 768},    {2048, 2048},
                                     {4096, 6144}, {5000, 8192}, {65536, 98304}};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        AT("%zu KiB needed", kept[i][0]);
        hf_arena arena = open_on_recorder(0);
        if (!is_aligned(hf_arena_base(&arena), 2 * MIB) || fixture_page_size() != 4096 ||
            !fixture_is_exact()) {
            check_skip("other pages, another base, or red zones: the sizes differ");
        } else {
            CHECK_STATUS(HF_OK, hf_precommit(&arena, larger(MIB * 3, kept[i][0] * KIB * 3)));
            CHECK(frames_until_a_trim(&arena, kept[i][0] * KIB, 1000000) > 0);
            CHECK_EQUAL(kept[i][1] * KIB, committed(&arena));
        }
        hf_arena_close(&arena);
    }
}

/* Bytes that were rewound before the reset count too: the frame needed them. */
static void the_peak_counts_and_not_the_end(void) {
    hf_arena arena = open_on_recorder(0);
    for (size_t frame = 0; frame < 300; frame++) {
        CHECK(hf_alloc(&arena, 60 * MIB, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 100));
        char *block = hf_alloc(&arena, 50 * MIB, 1);
        CHECK(hf_extend(&arena, block, 50 * MIB, 20 * MIB));
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK(committed(&arena) >= 60 * MIB);
    }
    CHECK(frames_until_a_trim(&arena, 20 * MIB, 300) > 0);
    hf_arena_close(&arena);
}

/* Each frame counts as 64 bytes more than it used. */
static void empty_frames_release_memory_too(void) {
    if (!fixture_is_exact()) return; /* a frame has a red zone */
    hf_arena arena = open_on_recorder(0);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 3 * MIB));
    size_t frames = committed(&arena);
    CHECK_EQUAL(frames, frames_until_a_trim(&arena, 0, 8 * MIB));
    hf_arena_close(&arena);
}

/* Trims that would release little do not come one after the other. */
static void trims_are_64_MiB_of_work_apart(void) {
    hf_arena arena = open_on_recorder(0);
    for (int i = 0; i < 3; i++) {
        run_frame(&arena, 300 * KIB);
        size_t frames = frames_until_a_trim(&arena, 100 * KIB, 1000);
        CHECK(frames > 64 * MIB / (110 * KIB) && frames <= 64 * MIB / (100 * KIB));
    }
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

/* Populating a growth step fails, and so does undoing it: what stays behind limit is committed, so
 * frames that do not need it pay for its release. */
static void what_a_failed_growth_left_is_released(void) {
    recorder_init(&recorder, NULL);
    hf_arena arena = fixture_open(
        (hf_arena_options){.reserve = 64 * MIB, .populate = true, .backend = &recorder.backend});
    run_frame(&arena, 2 * MIB);
    if (recorder.backend.advise != NULL) {
        size_t before = committed(&arena);
        recorder.error[RECORDER_ADVISE] = recorder.error[RECORDER_DECOMMIT] = HF_NO_MEMORY;
        recorder.largest[RECORDER_ADVISE] = recorder.largest[RECORDER_DECOMMIT] = 0;
        CHECK(hf_alloc(&arena, 16 * MIB, 1) == NULL && hf_last_error().undo_failed);
        recorder.largest[RECORDER_ADVISE] = recorder.largest[RECORDER_DECOMMIT] = SIZE_MAX;
        size_t left = committed(&arena) - before;
        CHECK(left >= 14 * MIB);
        run_frame(&arena, 3 * MIB / 2);
        size_t frames = frames_until_a_trim(&arena, 3 * MIB / 2, 2000);
        CHECK(frames >= 64 * left / (3 * MIB / 2) - 1 && committed(&arena) <= before + 4 * MIB);
    }
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

/* Each reset tries again until the release succeeds; then the frames begin to count anew. */
static void a_failed_release_is_tried_again(enum recorder_step step) {
    hf_arena arena = open_on_recorder(0);
    memset(hf_alloc(&arena, 40 * MIB, 1), 0xee, 40 * MIB);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    recorder.largest[step] = 0;
    hf_status status = HF_OK;
    for (int frame = 0; frame < 300 && status == HF_OK; frame++) {
        CHECK(hf_alloc(&arena, 15 * MIB, 1) != NULL);
        status = hf_reset(&arena);
    }
    CHECK_STATUS(HF_NO_MEMORY, status);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    CHECK(step != RECORDER_DECOMMIT || committed(&arena) >= 40 * MIB);
    CHECK_STATUS(HF_NO_MEMORY, hf_reset(&arena));
    recorder.largest[step] = SIZE_MAX;
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(committed(&arena) < 30 * MIB);
    char *block = hf_alloc_zeroed(&arena, 50 * MIB, 1);
    CHECK(block != NULL && is_zero(block, 50 * MIB));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(frames_until_a_trim(&arena, 15 * MIB, 100) == 0);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_EQUAL(0, committed(&arena));
    hf_arena_close(&arena);
}

static void a_failed_release_is_returned_and_harmless(void) {
    a_failed_release_is_tried_again(RECORDER_DECOMMIT);
    a_failed_release_is_tried_again(RECORDER_COALESCE);
}

/* ------------------------------------------------------------ arenas with views ------------ */

static const char image[] = "test_arena_reset.image.tmp";

static hf_arena open_image(hf_access access) {
    hf_arena arena;
    hf_arena_options options = {.reserve = 256 * MIB};
    CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, image, access, &options));
    return arena;
}

/* The file keeps what was synced; what a reset gives back is addresses. */
static void a_read_write_image_is_trimmed_by_the_rule(void) {
    hf_arena arena = open_image(HF_READ_WRITE);
    for (int view = 0; view < 20; view++) CHECK(hf_alloc(&arena, MIB, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    size_t viewed = hf_arena_get_stats(&arena).viewed, frames = 0;
    while (hf_arena_get_stats(&arena).viewed == viewed && frames++ < 2000) run_frame(&arena, MIB);
    size_t price = 64 * (viewed - MIB) / MIB;
    CHECK(frames >= price - 2 && frames <= price + 2);
    CHECK(hf_arena_get_stats(&arena).viewed <= 4 * MIB);
    char *block = hf_alloc(&arena, 30 * MIB, 1);
    fill(block, 30 * MIB, 1);
    hf_arena_close(&arena);
    arena = open_image(HF_COPY_ON_WRITE);
    CHECK(is_filled(hf_arena_base(&arena), 30 * MIB, 1));
    hf_arena_close(&arena);
}

/* A snapshot's view stays whole; the private memory behind it goes. */
static void a_snapshot_keeps_its_view(void) {
    hf_arena arena = open_image(HF_COPY_ON_WRITE);
    size_t viewed = hf_arena_get_stats(&arena).viewed;
    CHECK(viewed >= 30 * MIB && hf_alloc(&arena, 30 * MIB, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(committed(&arena) >= 30 * MIB);
    CHECK(frames_until_a_trim(&arena, 10 * MIB, 500) > 0);
    CHECK_EQUAL(0, committed(&arena));
    CHECK_EQUAL(viewed, hf_arena_get_stats(&arena).viewed);
    CHECK_EQUAL(0, frames_until_a_trim(&arena, 5 * MIB, 1000));
    hf_arena_close(&arena);
}

/* A reset unmaps appended files, so they never count as kept. */
static void appended_files_are_not_kept(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 512 * MIB});
    void *data;
    size_t size;
    for (int frame = 0; frame < 300; frame++) {
        CHECK(hf_alloc(&arena, 4 * MIB, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, image, HF_READ_ONLY, &data, &size));
        CHECK(hf_alloc(&arena, 40 * MIB, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_EQUAL(0, hf_arena_get_stats(&arena).viewed);
        CHECK(committed(&arena) >= 4 * MIB && committed(&arena) <= 8 * MIB);
    }
    hf_arena_close(&arena);
}

static void images_keep_the_rule(void) {
    disk_remove(image);
    hf_arena arena;
    hf_status status = hf_arena_open_file(&arena, image, HF_READ_WRITE, NULL);
    if (status == HF_UNSUPPORTED) {
        check_skip("there are no views in a space here");
        return;
    }
    CHECK_STATUS(HF_OK, status);
    hf_arena_close(&arena);
    a_read_write_image_is_trimmed_by_the_rule();
    a_snapshot_keeps_its_view();
    appended_files_are_not_kept();
    disk_remove(image);
}

/* ---------------------------------------------------------------------- trim --------------- */

/* Of the pairs below. */
#ifdef HOLDFAST_CASES_FEW
enum { TRIMS_ONE_OF = 4 };
#else
enum { TRIMS_ONE_OF = 1 };
#endif

static void trims_to_the_page(void) {
    size_t page_size = fixture_page_size();
    size_t used[] = {0, 1, 4096, 100000, 2 * MIB, 9 * MIB + 5};
    size_t keep[] = {0, 1, 5000, MIB, 2 * MIB, 2 * MIB + 1, 9 * MIB, 20 * MIB, 30 * MIB - 1};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        for (size_t j = i % TRIMS_ONE_OF; j < sizeof keep / sizeof *keep; j += TRIMS_ONE_OF) {
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
    while (committed(&arena) < 60 * MIB) memset(hf_alloc(&arena, MIB, 1), 0xee, MIB);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 100));
    recorder.largest[RECORDER_DECOMMIT] = MIB;

    CHECK_STATUS(HF_NO_MEMORY, hf_trim(&arena, 0));
    CHECK_EQUAL(RECORDER_ERROR_CODE, hf_last_error().os_code);
    hf_arena_stats stats = hf_arena_get_stats(&arena);
    CHECK_EQUAL(100, stats.used);
    CHECK(stats.high_water <= stats.committed);
    char *block = hf_alloc_zeroed(&arena, 100 * MIB, 1);
    CHECK(block != NULL && is_zero(block, 100 * MIB));
    recorder.largest[RECORDER_DECOMMIT] = SIZE_MAX;
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 100));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_EQUAL(fixture_page_size(), committed(&arena));
    hf_arena_close(&arena);
}

static void grow_to(hf_arena *arena, size_t size) {
    while (committed(arena) < size) CHECK(hf_alloc(arena, MIB, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_rewind(arena, 0));
}

/* Where the system releases many regions by one call, a trim makes that one, one that keeps the
 * range out of dumps, and a hint about huge pages. */
static void a_trim_releases_all_steps_by_one_call(void) {
    if (hf_backend_native()->release_run == NULL) {
        check_skip("this system releases region by region");
        return;
    }
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 1024 * MIB});
    grow_to(&arena, 900 * MIB);
    for (size_t keep = 5 * MIB + fixture_page_size();; keep = 0) {
        AT("%zu bytes to keep", keep);
        hf_arena_stats before = hf_arena_get_stats(&arena);
        CHECK(before.growths > 15);
        CHECK_STATUS(HF_OK, hf_trim(&arena, keep));
        hf_arena_stats after = hf_arena_get_stats(&arena);
        CHECK_EQUAL(keep, after.committed);
        size_t calls = after.system_calls - before.system_calls;
        CHECK(calls >= 1 && calls <= 3);
        if (keep == 0) break;
    }
    char *block = hf_alloc_zeroed(&arena, 900 * MIB, 1);
    CHECK(block != NULL && is_zero(block, 9 * MIB));
    hf_arena_close(&arena);
}

static hf_status fail_release_run(const hf_backend *self, void *address, size_t size,
                                  hf_report *report) {
    (void)self, (void)address, (void)size;
    report->call = "release_run";
    return HF_MAP_LIMIT;
}

/* If that call fails, the trim releases region by region, and the last error stays. */
static void a_trim_needs_no_call_for_many_regions(void) {
    hf_backend backend = *hf_backend_native();
    backend.release_run = fail_release_run;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB, .backend = &backend});
    grow_to(&arena, 200 * MIB);
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, 1));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 3 * MIB));
    CHECK_EQUAL(3 * MIB, committed(&arena));
    CHECK_STATUS(HF_INVALID, hf_last_error().status);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(resets_trim_by_the_rule), TEST(a_spike_goes_within_a_hundred_times_its_bytes),
           TEST(a_trim_leaves_a_growth_step), TEST(empty_frames_release_memory_too),
           TEST(trims_are_64_MiB_of_work_apart), TEST(images_keep_the_rule),
           TEST(the_peak_counts_and_not_the_end), TEST(a_steady_loop_makes_no_system_call),
           TEST(what_a_failed_growth_left_is_released), TEST(a_reset_keeps_the_high_water_mark),
           TEST(a_failed_release_is_returned_and_harmless), TEST(trims_to_the_page),
           TEST(trimming_nothing_costs_nothing), TEST(what_is_trimmed_is_coalesced),
           TEST(a_trim_costs_up_to_three_calls_a_step),
           TEST(a_trim_that_fails_half_way_keeps_the_rest),
           TEST(a_trim_releases_all_steps_by_one_call), TEST(a_trim_needs_no_call_for_many_regions))
