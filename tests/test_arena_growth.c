/*
 * The growth policy: the sizes of the steps, and what happens if a step fails.
 */
#include <holdfast/space.h>

#include "arena_fixture.h"
#include "recorder.h"

static struct recorder recorder;

static hf_arena open_on_recorder(size_t reserve, hf_huge_pages huge) {
    recorder_init(&recorder, NULL);
    return fixture_open(
        (hf_arena_options){.reserve = reserve, .huge_pages = huge, .backend = &recorder.backend});
}

static size_t clamp(size_t value, size_t low, size_t high) {
    return value < low ? low : value > high ? high : value;
}

/* Checks a step from `before` to `after` bytes committed that had to reach `needed` bytes. */
static void is_large_step(const hf_arena *arena, size_t before, size_t needed, size_t after) {
    size_t largest = before / 8 > 64 * MIB ? before / 8 : 64 * MIB;
    size_t wanted = before + clamp(before / 2, 2 * MIB, largest);
    size_t least = needed > wanted ? needed : wanted;
    CHECK(after >= least && after < least + 2 * MIB);
    CHECK(is_aligned(hf_arena_base(arena) + after, 2 * MIB));
}

/* Checks a step below 20 MiB with HF_HUGE_AUTO: it ends in the middle of a huge page, or where a
 * request ends that reaches a new one. The first huge page behind few small ones is committed
 * whole. A step to the end of one would take 2 MiB at its first store. */
static void is_sparing_step(const hf_arena *arena, size_t first_end, size_t before, size_t needed,
                            size_t after) {
    char *base = hf_arena_base(arena);
    bool is_middle = is_aligned(base + after + MIB, 2 * MIB);
    bool is_new = round_up((uintptr_t)base + before, 2 * MIB) < (uintptr_t)base + needed;
    bool is_first = after == first_end + 2 * MIB && first_end <= 256 * KIB;
    CHECK(after >= needed && after <= needed + 2 * MIB);
    CHECK(is_first || is_middle || (is_new && after < needed + fixture_page_size()));
}

/* Grows by blocks of `size` bytes and checks each step against the policy. */
static void grows_by_the_policy(size_t size, hf_huge_pages huge) {
    hf_arena arena = open_on_recorder(1024 * MIB, huge);
    size_t first_end = round_up((size_t)(uintptr_t)arena.pos + 1, 2 * MIB) - (uintptr_t)arena.pos;
    if (first_end < 128 * KIB) first_end += 2 * MIB;
    if (huge == HF_HUGE_ALWAYS) first_end = 0;
    for (size_t before = 0, after; before < 700 * MIB; before = after) {
        AT("blocks of %zu, %zu committed", size, before);
        CHECK(hf_alloc(&arena, size, 1) != NULL);
        size_t needed = hf_get_mark(&arena);
        after = hf_arena_get_stats(&arena).committed;
        if (needed <= before) {
            CHECK_EQUAL(before, after);
        } else if (needed > first_end && huge == HF_HUGE_AUTO && needed < 20 * MIB) {
            is_sparing_step(&arena, first_end, before, needed, after);
        } else if (needed > first_end || before >= first_end) {
            is_large_step(&arena, before, needed, after);
        } else {
            CHECK(after <= first_end);
            CHECK(after - needed < clamp(before / 2, 64 * KIB, 2 * MIB) + fixture_page_size());
        }
    }
    CHECK_EQUAL(recorder_count(&recorder, RECORDER_COMMIT), hf_arena_get_stats(&arena).growths);
    hf_arena_close(&arena);
}

static void steps_follow_the_policy(void) {
    size_t sizes[] = {KIB, 10 * KIB + 1, 100 * KIB, MIB, 3 * MIB, 100 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int huge = HF_HUGE_AUTO; huge <= HF_HUGE_ALWAYS; huge++)
            grows_by_the_policy(sizes[i], (hf_huge_pages)huge);
}

/* The bytes committed after each step, in KiB, if each step is requested by one byte more than is
 * committed and the base is a multiple of 2 MiB. */
static void the_steps_have_these_sizes(void) {
    enum { STEPS = 22, SMALL_STEPS = 8 };
    static const size_t usual[STEPS] = {64,    128,    192,    288,    432,    648,   972,   1460,
                                        2048,  4096,   6144,   10240,  16384,  24576, 36864, 55296,
                                        83968, 126976, 190464, 256000, 321536, 387072};
    static const size_t automatic[STEPS] = {64,    128,   192,   288,   432,   648,   972,   1460,
                                            2048,  3072,  5120,  7168,  9216,  11264, 13312, 15360,
                                            17408, 19456, 21504, 32768, 49152, 73728};
    if (fixture_page_size() != 4096) {
        check_skip("the steps are those of pages of 4 KiB");
        return;
    }
    for (int huge = HF_HUGE_AUTO; huge <= HF_HUGE_ALWAYS; huge++) {
        hf_arena arena = open_on_recorder(1024 * MIB, (hf_huge_pages)huge);
        if (!is_aligned(hf_arena_base(&arena), 2 * MIB)) {
            check_skip("the system reserves at no multiple of 2 MiB");
            hf_arena_close(&arena);
            return;
        }
        const size_t *steps = huge == HF_HUGE_AUTO ? automatic : usual;
        for (size_t i = huge == HF_HUGE_ALWAYS ? SMALL_STEPS : 0, committed = 0; i < STEPS; i++) {
            AT("mode %d, step %zu", huge, i);
            CHECK_STATUS(HF_OK, hf_precommit(&arena, committed + 1));
            committed = hf_arena_get_stats(&arena).committed;
            CHECK_EQUAL(steps[i] * KIB, committed);
        }
        hf_arena_close(&arena);
    }
}

/* Above 512 MiB a step is an eighth of what is committed: 256 GiB, none of them in truth. */
static void a_large_arena_takes_few_steps(void) {
    bool is_huge = IS_64_BIT && fixture_is_exact(); /* under a sanitizer each byte costs memory */
    size_t size = is_huge ? SIZE_MAX >> 26 : 1024 * MIB;
    hf_arena arena = open_on_recorder(size, HF_HUGE_AUTO);
    recorder.pretends = true;
    for (size_t committed = 0; committed < size;) {
        CHECK_STATUS(HF_OK, hf_precommit(&arena, committed + 1));
        committed = hf_arena_get_stats(&arena).committed;
    }
    CHECK(hf_arena_get_stats(&arena).growths < 90);
    hf_arena_close(&arena);
}

/* After a trim the steps stop at what was committed before it, and then go on by the policy. */
static void growth_after_a_trim_stops_where_it_began(void) {
    hf_arena arena = open_on_recorder(1024 * MIB, HF_HUGE_AUTO);
    recorder.largest[RECORDER_COMMIT] = 101 * MIB; /* the first step is exact */
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 101 * MIB));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 70 * MIB));
    CHECK_STATUS(HF_OK, hf_trim(&arena, SIZE_MAX)); /* releases nothing */
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 70 * MIB + 1));
    CHECK_EQUAL(101 * MIB, hf_arena_get_stats(&arena).committed);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 20 * MIB));
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 20 * MIB + 1));
    is_large_step(&arena, 20 * MIB, 20 * MIB + 1, hf_arena_get_stats(&arena).committed);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 101 * MIB));
    CHECK_EQUAL(101 * MIB, hf_arena_get_stats(&arena).committed);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 101 * MIB + 1));
    is_large_step(&arena, 101 * MIB, 101 * MIB + 1, hf_arena_get_stats(&arena).committed);
    hf_arena_close(&arena);
}

static void a_small_arena_stays_small(void) {
    hf_arena arena = open_on_recorder(1024 * MIB, HF_HUGE_AUTO);
    for (size_t i = 0; i < 100; i++) CHECK(hf_alloc(&arena, KIB, 1) != NULL);
    CHECK(hf_arena_get_stats(&arena).committed < 300 * KIB);
    hf_arena_close(&arena);
}

/* Each step commits the bytes right behind the previous one, from base on. */
static void steps_are_contiguous(void) {
    hf_arena arena = open_on_recorder(1024 * MIB, HF_HUGE_AUTO);
    char *end = hf_arena_base(&arena);
    while (hf_get_mark(&arena) < 300 * MIB) CHECK(hf_alloc(&arena, 100 * KIB, 1) != NULL);
    for (size_t i = 0; i < recorder_count(&recorder, RECORDER_COMMIT); i++) {
        const struct recorder_call *call = recorder_nth(&recorder, RECORDER_COMMIT, i);
        CHECK(call->address == end && call->status == HF_OK);
        end += call->size;
    }
    CHECK(end == hf_arena_base(&arena) + hf_arena_get_stats(&arena).committed);
    CHECK(fixture_is_exact() ? arena.limit == end : arena.limit == arena.pos);
    hf_arena_close(&arena);
}

/* The number of system calls to commit the beginning of a placeholder: one on Linux; on Windows
 * two, a split and a commit. */
static size_t calls_of_a_step(void) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, MIB, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 64 * KIB));
    hf_space_stats stats = hf_space_get_stats(space);
    hf_space_close(space);
    return stats.system_calls[HF_STEP_SPLIT] + stats.system_calls[HF_STEP_COMMIT];
}

static void a_step_makes_no_unneeded_system_call(void) {
    hf_arena arena = open_on_recorder(1024 * MIB, HF_HUGE_AUTO);
    CHECK(hf_alloc(&arena, 1, 1) != NULL);
    hf_arena_stats before = hf_arena_get_stats(&arena);
    while (hf_get_mark(&arena) < 900 * MIB) CHECK(hf_alloc(&arena, 100 * KIB, 1) != NULL);
    hf_arena_stats after = hf_arena_get_stats(&arena);
    size_t steps = after.growths - before.growths, calls = after.system_calls - before.system_calls;
    CHECK(steps >= 15 && steps <= 60);
    size_t least = steps * calls_of_a_step();
    size_t others = 1 + 3; /* for the space's records, and hints about huge pages */
    CHECK(least <= 2 * steps && calls >= least && calls <= least + others);
    hf_arena_close(&arena);
}

static void the_last_step_ends_with_the_reservation(void) {
    size_t reserves[] = {64 * KIB, MIB, 2 * MIB + 64 * KIB, 5 * MIB, 99 * MIB + 64 * KIB};
    for (size_t i = 0; i < sizeof reserves / sizeof *reserves; i++) {
        AT("reserve %zu", reserves[i]);
        hf_arena arena = open_on_recorder(reserves[i], HF_HUGE_AUTO);
        while (hf_alloc(&arena, 4000, 1)) {
        }
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK_EQUAL(reserves[i], hf_arena_get_stats(&arena).committed);
        CHECK(reserves[i] - hf_get_mark(&arena) < 4100);
        hf_arena_close(&arena);
    }
}

/* ------------------------------------------------------------------- failures -------------- */

/* If a step fails, exactly what is needed is requested once. */
static void a_failed_step_shrinks_to_what_is_needed(void) {
    size_t page_size = fixture_page_size();
    size_t sizes[] = {1, page_size, page_size + 1, 100000, MIB, 3 * MIB + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%zu bytes", sizes[i]);
        hf_arena arena = open_on_recorder(256 * MIB, HF_HUGE_AUTO);
        CHECK_STATUS(HF_OK, hf_precommit(&arena, 20 * MIB));
        char *kept = hf_alloc(&arena, hf_arena_get_stats(&arena).committed - 64, 1);
        CHECK(kept != NULL);
        size_t before = hf_arena_get_stats(&arena).committed;
        recorder_forget(&recorder);
        recorder.largest[RECORDER_COMMIT] = 4 * MIB;
        char *block = hf_alloc(&arena, sizes[i] + 64, 1);
        CHECK(block != NULL);
        fill(block, sizes[i] + 64, 1);
        CHECK_EQUAL(2, recorder_count(&recorder, RECORDER_COMMIT));
        const struct recorder_call *whole = recorder_nth(&recorder, RECORDER_COMMIT, 0);
        const struct recorder_call *exact = recorder_nth(&recorder, RECORDER_COMMIT, 1);
        size_t needed = round_up(hf_get_mark(&arena), page_size);
        CHECK(whole->status != HF_OK && exact->status == HF_OK);
        CHECK_EQUAL(needed - before, exact->size);
        CHECK_EQUAL(needed, hf_arena_get_stats(&arena).committed);
        hf_arena_close(&arena);
    }
}

/* A call that succeeds leaves the last error unchanged, even if one of its steps failed. */
static void a_step_that_shrank_leaves_the_last_error_alone(void) {
    hf_arena arena = open_on_recorder(256 * MIB, HF_HUGE_AUTO);
    CHECK(hf_alloc(&arena, 20 * MIB, 1) != NULL);
    CHECK(hf_rewind(&arena, SIZE_MAX) == HF_INVALID);
    recorder.largest[RECORDER_COMMIT] = 4 * MIB;
    while (recorder_count(&recorder, RECORDER_COMMIT) < 5) CHECK(hf_alloc(&arena, MIB, 1) != NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 3 * MIB));
    CHECK(hf_peek(&arena, 4 * MIB, NULL) != NULL);
    char *block = hf_alloc(&arena, 1, 1);
    CHECK(hf_extend(&arena, block, 1, 7 * MIB));
    CHECK(recorder_count(&recorder, RECORDER_COMMIT) > 10);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK_EQUAL(SIZE_MAX, hf_last_error().offset);
    hf_arena_close(&arena);
}

static void a_failed_step_changes_nothing(void) {
    hf_arena arena = open_on_recorder(256 * MIB, HF_HUGE_AUTO);
    char *kept = hf_alloc(&arena, 5 * MIB, 1);
    fill(kept, 5 * MIB, 1);
    struct snapshot before = snapshot_of(&arena);
    recorder_forget(&recorder);
    recorder.largest[RECORDER_COMMIT] = MIB;
    CHECK(hf_alloc(&arena, 20 * MIB, 1) == NULL);
    hf_error error = hf_last_error();
    CHECK_EQUAL(HF_NO_MEMORY, error.status);
    CHECK_EQUAL(RECORDER_ERROR_CODE, error.os_code);
    CHECK(strcmp(error.call, "recorder") == 0);
    CHECK_EQUAL(2, recorder_count(&recorder, RECORDER_COMMIT));
    check_unchanged(&arena, &before);
    CHECK(hf_alloc_zeroed(&arena, 20 * MIB, 1) == NULL &&
          hf_new_array(&arena, int, 5 * MIB) == NULL);
    CHECK(hf_peek(&arena, 20 * MIB, NULL) == NULL);
    CHECK(hf_precommit(&arena, 20 * MIB) == HF_NO_MEMORY);
    CHECK(hf_realloc(&arena, kept, 5 * MIB, 30 * MIB, 1) == NULL);
    check_unchanged(&arena, &before);
    CHECK(is_filled(kept, 5 * MIB, 1));
    recorder.largest[RECORDER_COMMIT] = SIZE_MAX;
    char *block = hf_alloc_zeroed(&arena, 20 * MIB, 1);
    CHECK(block != NULL && is_zero(block, 20 * MIB));
    CHECK(is_filled(kept, 5 * MIB, 1));
    hf_arena_close(&arena);
}

/* The arena grows even if only one page can be committed at a time. */
static void grows_page_by_page_if_larger_steps_fail(void) {
    size_t page_size = fixture_page_size();
    hf_arena arena = open_on_recorder(256 * MIB, HF_HUGE_AUTO);
    recorder.largest[RECORDER_COMMIT] = page_size;
    for (size_t i = 0; i < 100; i++) {
        char *block = hf_alloc(&arena, page_size - 64, 1);
        CHECK(block != NULL);
        fill(block, page_size - 64, (unsigned)i);
    }
    CHECK(hf_arena_get_stats(&arena).committed <= 101 * page_size);
    CHECK_EQUAL(hf_arena_get_stats(&arena).committed / page_size,
                hf_arena_get_stats(&arena).growths);
    hf_arena_close(&arena);
}

/* --------------------------------------------------------------------- hints --------------- */

static size_t advised(hf_advice advice, size_t *bytes) {
    size_t count = 0;
    *bytes = 0;
    for (size_t i = 0; i < recorder_count(&recorder, RECORDER_ADVISE); i++) {
        const struct recorder_call *call = recorder_nth(&recorder, RECORDER_ADVISE, i);
        if (call->advice != advice) continue;
        count++;
        *bytes += call->size;
    }
    return count;
}

static void huge_pages_are_advised_as_the_option_says(void) {
    size_t bytes;
    for (int huge = HF_HUGE_AUTO; huge <= HF_HUGE_ALWAYS; huge++) {
        AT("mode %d", huge);
        hf_arena arena = open_on_recorder(64 * MIB, (hf_huge_pages)huge);
        CHECK(hf_alloc(&arena, 20 * MIB, 1) != NULL);
        if (recorder.backend.advise == NULL) {
            hf_arena_close(&arena);
            return;
        }
        char *first = hf_arena_base(&arena);
        CHECK_EQUAL(huge == HF_HUGE_NEVER, advised(HF_ADVISE_NO_HUGE, &bytes));
        if (huge == HF_HUGE_NEVER) CHECK_EQUAL(64 * MIB, bytes);
        CHECK_EQUAL(huge != HF_HUGE_NEVER, advised(HF_ADVISE_HUGE, &bytes));
        if (huge != HF_HUGE_NEVER) {
            const struct recorder_call *call = recorder_nth(&recorder, RECORDER_ADVISE, 0);
            CHECK(is_aligned(call->address, 2 * MIB));
            CHECK(call->address + call->size == first + 64 * MIB);
            if (huge == HF_HUGE_AUTO) CHECK(call->address > first);
            CHECK(call->address <= first + 2 * MIB);
        }
        hf_arena_close(&arena);
    }
}

/* A decommit discards the hint, so it is given again when the memory is committed again. */
static void trimmed_memory_is_advised_again(void) {
    for (int huge = HF_HUGE_AUTO; huge <= HF_HUGE_ALWAYS; huge++) {
        AT("mode %d", huge);
        hf_arena arena = open_on_recorder(64 * MIB, (hf_huge_pages)huge);
        if (recorder.backend.advise == NULL) {
            hf_arena_close(&arena);
            return;
        }
        write_and_rewind(&arena, 30 * MIB);
        char *end = hf_arena_base(&arena) + hf_arena_get_stats(&arena).committed;
        recorder_forget(&recorder);
        CHECK_STATUS(HF_OK, hf_trim(&arena, 10 * MIB));
        CHECK_EQUAL(1, recorder_count(&recorder, RECORDER_ADVISE));
        const struct recorder_call *call = recorder_nth(&recorder, RECORDER_ADVISE, 0);
        CHECK(call->address == hf_arena_base(&arena) + 10 * MIB);
        CHECK(call->address + call->size == end);
        CHECK_EQUAL(huge == HF_HUGE_NEVER ? HF_ADVISE_NO_HUGE : HF_ADVISE_HUGE, call->advice);
        hf_arena_close(&arena);
    }
}

static void populate_covers_every_committed_byte(void) {
    size_t bytes;
    recorder_init(&recorder, NULL);
    hf_arena arena = fixture_open(
        (hf_arena_options){.reserve = 64 * MIB, .populate = true, .backend = &recorder.backend});
    CHECK(hf_alloc(&arena, 5 * MIB, 1) && hf_alloc(&arena, 5 * MIB, 1));
    if (recorder.backend.advise) {
        CHECK_EQUAL(hf_arena_get_stats(&arena).growths, advised(HF_ADVISE_POPULATE, &bytes));
        CHECK_EQUAL(hf_arena_get_stats(&arena).committed, bytes);
    }
    hf_arena_close(&arena);
}

/* If populate fails, the commit is undone. */
static void a_populate_without_memory_is_undone(void) {
    recorder_init(&recorder, NULL);
    if (recorder.backend.advise == NULL) return;
    hf_arena arena = fixture_open(
        (hf_arena_options){.reserve = 64 * MIB, .populate = true, .backend = &recorder.backend});
    CHECK(hf_alloc(&arena, 100, 1) != NULL);
    struct snapshot before = snapshot_of(&arena);
    recorder.largest[RECORDER_ADVISE] = 0;
    recorder.error[RECORDER_ADVISE] = HF_NO_MEMORY;
    CHECK(hf_alloc(&arena, 5 * MIB, 1) == NULL);
    CHECK_EQUAL(HF_NO_MEMORY, hf_last_error().status);
    CHECK_EQUAL(RECORDER_ERROR_CODE, hf_last_error().os_code);
    check_unchanged(&arena, &before);
    CHECK_EQUAL(before.stats.committed, recorder_committed(&recorder));
    recorder.largest[RECORDER_ADVISE] = SIZE_MAX;
    CHECK(hf_alloc(&arena, 5 * MIB, 1) != NULL);
    hf_arena_close(&arena);
}

/* If populate is not supported, the pages fault later, and that is all. */
static void failed_hints_are_ignored(void) {
    hf_arena arena = open_on_recorder(64 * MIB, HF_HUGE_AUTO);
    CHECK(hf_rewind(&arena, SIZE_MAX) == HF_INVALID);
    hf_arena_close(&arena);
    for (int huge = HF_HUGE_AUTO; huge <= HF_HUGE_ALWAYS; huge++) {
        recorder_init(&recorder, NULL);
        recorder.largest[RECORDER_ADVISE] = 0;
        arena = fixture_open((hf_arena_options){.reserve = 64 * MIB,
                                                .huge_pages = (hf_huge_pages)huge,
                                                .populate = true,
                                                .backend = &recorder.backend});
        CHECK(hf_alloc(&arena, 20 * MIB, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        hf_arena_close(&arena);
    }
}

CHECK_MAIN(TEST(steps_follow_the_policy), TEST(the_steps_have_these_sizes),
           TEST(a_large_arena_takes_few_steps), TEST(growth_after_a_trim_stops_where_it_began),
           TEST(a_small_arena_stays_small), TEST(steps_are_contiguous),
           TEST(a_step_makes_no_unneeded_system_call),
           TEST(the_last_step_ends_with_the_reservation),
           TEST(a_failed_step_shrinks_to_what_is_needed),
           TEST(a_step_that_shrank_leaves_the_last_error_alone),
           TEST(a_failed_step_changes_nothing), TEST(grows_page_by_page_if_larger_steps_fail),
           TEST(huge_pages_are_advised_as_the_option_says), TEST(trimmed_memory_is_advised_again),
           TEST(populate_covers_every_committed_byte), TEST(a_populate_without_memory_is_undone),
           TEST(failed_hints_are_ignored))
