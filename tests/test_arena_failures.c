/*
 * Every arena scenario with the n-th backend call failing, for every n: a call that fails leaves
 * the arena unchanged, blocks keep their contents, and the arena works afterwards.
 */
#include "arena_fixture.h"
#include "nth_failure.h"

static const size_t kept_size = 1000;

/* Checking every page after thousands of attempts would take minutes. */
static bool is_zero_at_its_ends(const char *bytes, size_t size) {
    enum { END = 128 * KIB };
    return is_zero(bytes, END) && is_zero(bytes + size - END, END);
}

/* With failures off, growth, zeroing, trim and reset work as usual. */
static void works(hf_arena *arena) {
    hf_mark mark = hf_get_mark(arena);
    char *block = hf_alloc_zeroed(arena, MIB, 64);
    CHECK(block != NULL && is_zero_at_its_ends(block, MIB));
    fill(block, 1000, 7);
    CHECK(hf_extend_zeroed(arena, block, MIB, 5 * MIB));
    CHECK(is_filled(block, 1000, 7) && is_zero_at_its_ends(block + 1000, 5 * MIB - 1000));
    CHECK_STATUS(HF_OK, hf_rewind(arena, mark));
    CHECK_STATUS(HF_OK, hf_trim(arena, 0));
    CHECK_EQUAL(round_up(hf_get_mark(arena), fixture_page_size()),
                hf_arena_get_stats(arena).committed);
    CHECK(hf_arena_get_stats(arena).high_water <= hf_arena_get_stats(arena).committed);
}

static void works_to_the_end(hf_arena *arena) {
    works(arena);
    CHECK_STATUS(HF_OK, hf_reset(arena));
    CHECK_STATUS(HF_OK, hf_trim(arena, 0));
    CHECK_EQUAL(0, hf_arena_get_stats(arena).committed);
    works(arena);
    hf_arena_close(arena);
}

/* ---------------------------------------------------------------------- opening ------------ */

static void open_and_use(struct failure *failure) {
    hf_arena arena;
    hf_arena_options options = *(const hf_arena_options *)failure->user;
    options.backend = failure->strict;
    memset(&arena, 0x5a, sizeof arena);
    failure_on(failure);
    hf_status status = hf_arena_open(&arena, &options);
    failure_off(failure);
    if (status == HF_OK) {
        CHECK(hf_arena_get_stats(&arena).reserved >= 16 * MIB);
        works_to_the_end(&arena);
        return;
    }
    check_failure(failure, status);
    CHECK(arena.pos == NULL && arena.limit == NULL && arena.state == NULL);
    CHECK(hf_alloc(&arena, 1, 1) == NULL);
    hf_arena_close(&arena);
}

static void opening(void) {
    const hf_arena_options variants[] = {
        {.reserve = 64 * MIB, .least_reserve = 64 * MIB},
        {.reserve = 64 * MIB, .least_reserve = 32 * MIB},
        {.reserve = 64 * MIB, .huge_pages = HF_HUGE_ALWAYS, .name = "named", .populate = true},
        {.reserve = 64 * MIB, .huge_pages = HF_HUGE_NEVER},
    };
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        CHECK(each_failure(open_and_use, &variants[i]) >= 4);
}

/* -------------------------------------------- calls that change nothing when they fail ----- */

/* One call on an arena whose first block must keep its contents. */
struct scenario {
    const char *name;
    void (*prepare)(hf_arena *); /* may be NULL */
    bool (*act)(hf_arena *);     /* true if the call succeeded with the right result */
    hf_arena_options options;
};

static char *last; /* the last block, shared by prepare and act */

/* Larger than the largest first growth step, which ends at a huge page boundary at most 4 MiB
 * away. */
static bool act_alloc(hf_arena *arena) {
    char *block = hf_alloc(arena, 5 * MIB, 64);
    if (block) memset(block, 2, 5 * MIB);
    return block != NULL;
}

static bool act_alloc_little(hf_arena *arena) { return hf_alloc(arena, 100 * KIB, 8) != NULL; }

static bool act_alloc_large(hf_arena *arena) { return hf_alloc(arena, 50 * MIB, 8) != NULL; }

static bool act_align(hf_arena *arena) { return hf_alloc(arena, 1, HF_MAX_ALIGNMENT) != NULL; }

static bool act_alloc_zeroed(hf_arena *arena) {
    char *block = hf_alloc_zeroed(arena, 5 * MIB, 8);
    CHECK(block == NULL || is_zero(block, 5 * MIB));
    return block != NULL;
}

static bool act_new_array(hf_arena *arena) {
    int *array = hf_new_array(arena, int, MIB);
    CHECK(array == NULL || is_zero(array, 4 * MIB));
    return array != NULL;
}

static bool act_extend(hf_arena *arena) {
    bool extended = hf_extend(arena, last, 5000, 4 * MIB);
    CHECK(is_filled(last, 5000, 5));
    return extended;
}

static bool act_extend_zeroed(hf_arena *arena) {
    bool extended = hf_extend_zeroed(arena, last, 5000, 4 * MIB);
    CHECK(is_filled(last, 5000, 5));
    CHECK(!extended || is_zero(last + 5000, 4 * MIB - 5000));
    return extended;
}

static bool act_realloc_in_place(hf_arena *arena) {
    char *block = hf_realloc(arena, last, 5000, 4 * MIB, 8);
    CHECK((block == NULL || block == last) && is_filled(last, 5000, 5));
    return block != NULL;
}

static bool act_realloc_by_copy(hf_arena *arena) {
    char *first = hf_arena_base(arena), *block = hf_realloc(arena, first, kept_size, 4 * MIB, 8);
    CHECK(is_filled(first, kept_size, 1) && (block == NULL || is_filled(block, kept_size, 1)));
    return block != NULL;
}

static bool act_peek(hf_arena *arena) {
    size_t room;
    char *peeked = hf_peek(arena, 3 * MIB, &room);
    if (peeked) memset(peeked, 3, room);
    CHECK(peeked == NULL || hf_alloc(arena, 3 * MIB, 1) == peeked);
    return peeked != NULL;
}

static bool act_precommit(hf_arena *arena) {
    size_t committed = hf_arena_get_stats(arena).committed;
    hf_status status = hf_precommit(arena, 20 * MIB);
    if (status == HF_OK) return true;
    CHECK_EQUAL(status, hf_last_error().status);
    CHECK(hf_arena_get_stats(arena).committed >= committed);
    return false;
}

static bool act_asprintf(hf_arena *arena) {
    char *text = hf_asprintf(arena, "%*d", 300000, 7);
    CHECK(text == NULL || (strlen(text) == 300000 && text[299999] == '7'));
    return text != NULL;
}

static bool act_append(hf_arena *arena) {
    char *text = hf_asprintf_append(arena, last, "%*d", 300000, 7);
    CHECK(strncmp(last, "last", 4) == 0 && strlen(last) == (text ? 300004 : 4));
    CHECK(text == NULL || (text == last && text[300003] == '7'));
    return text != NULL;
}

static bool act_append_by_copy(hf_arena *arena) {
    char *text = hf_asprintf_append(arena, last, "%*d", 300000, 7);
    CHECK(strcmp(last, "last") == 0);
    CHECK(text == NULL || (strlen(text) == 300004 && text[300003] == '7'));
    CHECK(text == NULL || strncmp(text, "last", 4) == 0);
    return text != NULL;
}

static bool act_strdup(hf_arena *arena) {
    static char text[300001];
    memset(text, 'x', sizeof text - 1);
    char *copy = hf_strdup(arena, text);
    CHECK(copy == NULL || strcmp(copy, text) == 0);
    return copy != NULL;
}

static void prepare_high_water(hf_arena *arena) { write_and_rewind(arena, 3 * MIB); }

static void prepare_trimmed(hf_arena *arena) {
    write_and_rewind(arena, 3 * MIB);
    CHECK_STATUS(HF_OK, hf_trim(arena, 0));
}

static void prepare_steps(hf_arena *arena) {
    for (int i = 0; i < 10; i++) CHECK(hf_alloc(arena, MIB, 8) != NULL);
}

static void prepare_last(hf_arena *arena) {
    write_and_rewind(arena, MIB);
    last = hf_alloc(arena, 5000, 8);
    fill(last, 5000, 5);
}

static void prepare_text(hf_arena *arena) { last = hf_strdup(arena, "last"); }

static void prepare_two_texts(hf_arena *arena) {
    prepare_text(arena);
    CHECK(hf_strdup(arena, "another") != NULL);
}

static void attempt(struct failure *failure) {
    const struct scenario *scenario = failure->user;
    hf_arena_options options = scenario->options;
    options.reserve = 256 * MIB, options.backend = failure->strict;
    hf_arena arena = fixture_open(options);
    char *kept = hf_alloc(&arena, kept_size, 8);
    fill(kept, kept_size, 1);
    if (scenario->prepare) scenario->prepare(&arena);
    struct snapshot before = snapshot_of(&arena);
    failure_on(failure);
    bool acted = scenario->act(&arena);
    failure_off(failure);
    if (!acted) {
        check_failure(failure, hf_last_error().status);
        /* if the undo failed too, its pages stay committed and are used later */
        if (options.populate) before.stats.committed = hf_arena_get_stats(&arena).committed;
        check_unchanged(&arena, &before);
    }
    CHECK(is_filled(kept, kept_size, 1));
    works_to_the_end(&arena);
}

static const struct scenario scenarios[] = {
    {"the first bytes", NULL, act_alloc_little, {0}},
    {"a block", NULL, act_alloc, {0}},
    {"a block after steps", prepare_steps, act_alloc_large, {0}},
    {"a block after a trim", prepare_trimmed, act_alloc, {0}},
    {"a large block", NULL, act_alloc_large, {0}},
    {"the largest alignment", NULL, act_align, {0}},
    {"a zeroed block", prepare_high_water, act_alloc_zeroed, {0}},
    {"a zeroed block after a trim", prepare_trimmed, act_alloc_zeroed, {0}},
    {"an array", prepare_high_water, act_new_array, {0}},
    {"extending", prepare_last, act_extend, {0}},
    {"extending with zeros", prepare_last, act_extend_zeroed, {0}},
    {"realloc in place", prepare_last, act_realloc_in_place, {0}},
    {"resizing by a copy", prepare_last, act_realloc_by_copy, {0}},
    {"peeking", NULL, act_peek, {0}},
    {"ensuring", prepare_steps, act_precommit, {0}},
    {"a formatted text", NULL, act_asprintf, {0}},
    {"an appended text", prepare_text, act_append, {0}},
    {"a text appended to a copy", prepare_two_texts, act_append_by_copy, {0}},
    {"a copied text", NULL, act_strdup, {0}},
    {"a populated block", NULL, act_alloc, {.populate = true}},
    {"populated zeros", prepare_trimmed, act_alloc_zeroed, {.populate = true}},
    {"ensuring populated bytes", prepare_steps, act_precommit, {.populate = true}},
    {"a block in huge pages", NULL, act_alloc, {.huge_pages = HF_HUGE_ALWAYS}},
    {"a block in no huge pages", prepare_trimmed, act_alloc, {.huge_pages = HF_HUGE_NEVER}},
    {"a block with a name", prepare_trimmed, act_alloc, {.name = "named"}},
};

static void calls_that_fail_change_nothing(void) {
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        size_t outer = check_enter("%s", scenarios[i].name);
        CHECK(each_failure(attempt, &scenarios[i]) >= 2);
        check_leave(outer);
    }
}

/* --------------------------------------------------------------------- going back ---------- */

/* hf_trim returns the status of a release that failed; memory that was not released stays
 * usable. */
static void trim_and_use(struct failure *failure) {
    hf_arena arena = fixture_open((hf_arena_options){
        .reserve = 256 * MIB, .retain = 5 * MIB, .name = "named", .backend = failure->strict});
    char *kept = hf_alloc(&arena, kept_size, 8);
    fill(kept, kept_size, 1);
    hf_mark mark = hf_get_mark(&arena);
    for (int i = 0; i < 8; i++) memset(hf_alloc(&arena, 2 * MIB, 8), 0xee, 2 * MIB);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    size_t committed = hf_arena_get_stats(&arena).committed;
    failure_on(failure);
    hf_status status = hf_trim(&arena, MIB);
    failure_off(failure);
    hf_arena_stats stats = hf_arena_get_stats(&arena);
    CHECK_EQUAL(mark, stats.used);
    CHECK(stats.committed >= MIB && stats.committed <= committed);
    CHECK(stats.high_water <= stats.committed);
    if (status == HF_OK)
        CHECK_EQUAL(MIB, stats.committed);
    else
        check_failure(failure, status);
    CHECK(is_filled(kept, kept_size, 1));
    works_to_the_end(&arena);
}

static void trimming(void) { CHECK(each_failure(trim_and_use, NULL) >= 10); }

static void reset_and_use(struct failure *failure) {
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 256 * MIB, .backend = failure->strict});
    for (int i = 0; i < 8; i++) memset(hf_alloc(&arena, 2 * MIB, 8), 0xee, 2 * MIB);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    failure_on(failure);
    hf_status status = HF_OK;
    for (int frame = 0; frame < 200 && status == HF_OK; frame++) { /* the reset of one trims */
        char *block = hf_alloc_zeroed(&arena, KIB, 8);
        CHECK(block != NULL && is_zero(block, KIB));
        memset(block, 0xee, KIB);
        CHECK(hf_alloc(&arena, 6 * MIB, 8) != NULL);
        status = hf_reset(&arena);
        CHECK_EQUAL(0, hf_get_mark(&arena));
    }
    failure_off(failure);
    if (status != HF_OK) check_failure(failure, status);
    works_to_the_end(&arena);
}

static void resetting(void) { CHECK(each_failure(reset_and_use, NULL) >= 3); }

/* Pages that failed to be populated, and whose undo failed too, count as committed memory. */
static void resetting_after_a_failed_undo(void) {
    size_t left_behind = 0;
    for (size_t nth = 1; nth < 10; nth++) {
        hf_backend *strict;
        CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
        hf_arena arena = fixture_open(
            (hf_arena_options){.reserve = 64 * MIB, .populate = true, .backend = strict});
        CHECK(hf_alloc(&arena, 1000, 8) != NULL);
        size_t committed = hf_arena_get_stats(&arena).committed;
        hf_strict_fail(strict, nth, true);
        bool is_failed = hf_alloc(&arena, 6 * MIB, 8) == NULL;
        hf_strict_fail(strict, 0, false);
        left_behind += is_failed && hf_arena_get_stats(&arena).committed > committed;
        for (size_t frame = 0; frame < 64 * 10 * MIB / (32 * KIB); frame++) {
            CHECK(hf_alloc(&arena, 32 * KIB, 8) != NULL); /* needs no growth, which would help */
            CHECK_STATUS(HF_OK, hf_reset(&arena));
        }
        if (is_failed) CHECK_EQUAL(committed, hf_arena_get_stats(&arena).committed);
        hf_arena_close(&arena);
        hf_strict_close(strict);
    }
    CHECK(left_behind > 0);
}

#ifdef __GNUC__
#define NO_SANITIZE __attribute__((no_sanitize_address, noinline))
#else
#define NO_SANITIZE
#endif

/* True if the first byte of each page is zero. Not instrumented: ASan poisons unallocated bytes. */
NO_SANITIZE static bool are_pages_zero(const char *bytes, size_t size) {
    const volatile char *raw = bytes;
    for (size_t at = 0; at < size; at += 4096)
        if (raw[at] != 0) return false;
    return true;
}

/* The committed pages are one run from base on, also after a trim that fails. */
static void trim_what_was_left_behind(size_t nth_growth, size_t nth_trim) {
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 64 * MIB, .populate = true, .backend = strict});
    for (int i = 0; i < 3; i++) CHECK(hf_alloc(&arena, 3 * MIB, 8) != NULL);
    hf_strict_fail(strict, nth_growth, true);
    hf_alloc(&arena, 6 * MIB, 8);
    hf_strict_fail(strict, 0, false);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    hf_strict_fail(strict, nth_trim, true);
    hf_trim(&arena, 0);
    hf_strict_fail(strict, 0, false);
    size_t committed = hf_arena_get_stats(&arena).committed;
    CHECK(are_pages_zero(hf_arena_base(&arena), committed)); /* faults if a page is not committed */
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    hf_arena_close(&arena);
    hf_strict_close(strict);
}

static void trimming_after_a_failed_undo(void) {
    for (size_t nth_growth = 1; nth_growth < 6; nth_growth++)
        for (size_t nth_trim = 1; nth_trim < 8; nth_trim++)
            trim_what_was_left_behind(nth_growth, nth_trim);
}

/* Pages that stay readable because their release failed are never allocated again. */
static void rewind_and_use(struct failure *failure) {
    hf_arena arena = fixture_open((hf_arena_options){
        .reserve = 256 * MIB, .fault_after_rewind = true, .backend = failure->strict});
    char *kept = hf_alloc(&arena, kept_size, 8);
    fill(kept, kept_size, 1);
    hf_scope scope = hf_scope_begin(&arena);
    for (int i = 0; i < 3; i++) CHECK(hf_alloc(&arena, 2 * MIB, 8) != NULL);
    size_t end = hf_get_mark(&arena) / fixture_page_size() * fixture_page_size();
    failure_on(failure);
    hf_status status = hf_scope_end(scope);
    failure_off(failure);
    if (status != HF_OK) check_failure(failure, status);
    CHECK(hf_get_mark(&arena) >= end);
    CHECK(is_filled(kept, kept_size, 1));
    char *block = hf_alloc_zeroed(&arena, 3 * MIB, 8);
    CHECK(block >= hf_arena_base(&arena) + end && is_zero(block, 3 * MIB));
    fill(block, 3 * MIB, 2);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, hf_get_mark(&arena)));
    CHECK(is_filled(block, 3 * MIB, 2) && is_filled(kept, kept_size, 1));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(hf_alloc_zeroed(&arena, 3 * MIB, 8) > (void *)block);
    hf_arena_close(&arena);
}

static void rewinding_to_pages_that_fault(void) { CHECK(each_failure(rewind_and_use, NULL) >= 2); }

/* --------------------------------------------------------------------- a whole life -------- */

/* Failures throughout: each call succeeds or changes nothing, and blocks keep their contents. */
static void live(struct failure *failure) {
    hf_arena arena = fixture_open(
        (hf_arena_options){.reserve = 128 * MIB, .name = "named", .backend = failure->strict});
    char *blocks[8] = {NULL};
    size_t sizes[8] = {100, 300 * KIB, MIB, 10, 3 * MIB, 70 * KIB, MIB, 1};
    failure_on(failure);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 8; i++) {
            struct snapshot before = snapshot_of(&arena);
            blocks[i] = hf_alloc_zeroed(&arena, sizes[i], 16);
            CHECK(blocks[i] == NULL || is_zero(blocks[i], sizes[i]));
            if (blocks[i]) fill(blocks[i], sizes[i], i);
            if (!blocks[i]) check_unchanged(&arena, &before);
        }
        for (unsigned i = 0; i < 8; i++)
            CHECK(blocks[i] == NULL || is_filled(blocks[i], sizes[i], i));
        hf_status status = round % 2 ? hf_rewind(&arena, 0) : hf_reset(&arena);
        CHECK(status == HF_OK || status == hf_last_error().status);
        status = hf_trim(&arena, round * 2 * MIB);
        CHECK(status == HF_OK || status == hf_last_error().status);
        CHECK_EQUAL(0, hf_get_mark(&arena));
    }
    failure_off(failure);
    works_to_the_end(&arena);
}

static void a_whole_life(void) { CHECK(each_failure(live, NULL) >= 30); }

CHECK_MAIN(TEST(opening), TEST(calls_that_fail_change_nothing), TEST(trimming), TEST(resetting),
           TEST(resetting_after_a_failed_undo), TEST(trimming_after_a_failed_undo),
           TEST(rewinding_to_pages_that_fault), TEST(a_whole_life))
