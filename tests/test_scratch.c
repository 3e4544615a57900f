/*
 * Scratch: two arenas; a scope uses the one that does not conflict.
 */
#include "arena_fixture.h"
#include "disk.h"
#include "nth_failure.h"
#include "recorder.h"

static hf_scratch open_scratch(void) {
    hf_scratch scratch;
    hf_arena_options options = {.reserve = 16 * MIB};
    CHECK_STATUS(HF_OK, hf_scratch_open(&scratch, &options));
    return scratch;
}

static void is_zeroed(const hf_scratch *scratch) {
    static const hf_scratch zero;
    CHECK(memcmp(scratch, &zero, sizeof zero) == 0);
}

static void is_closed(hf_scratch *scratch) {
    is_zeroed(scratch);
    hf_scope scope = hf_scratch_begin(scratch, NULL);
    if (scope.arena) CHECK(hf_alloc(scope.arena, 1, 1) == NULL);
    hf_scope_end(scope);
    hf_scratch_close(scratch);
    is_zeroed(scratch);
}

static void opens_two_arenas(void) {
    hf_scratch scratch = open_scratch();
    hf_arena *arenas = scratch.arenas;
    for (int i = 0; i < 2; i++) CHECK_EQUAL(16 * MIB, hf_arena_get_stats(&arenas[i]).reserved);
    CHECK(!hf_owns(&arenas[0], hf_arena_base(&arenas[1])));
    CHECK(!hf_owns(&arenas[1], hf_arena_base(&arenas[0])));
    hf_scratch_close(&scratch);
    is_closed(&scratch);
}

static void needs_no_options(void) {
    hf_scratch scratch;
    CHECK_STATUS(HF_OK, hf_scratch_open(&scratch, NULL));
    CHECK(hf_alloc(&scratch.arenas[0], 1, 1) && hf_alloc(&scratch.arenas[1], 1, 1));
    hf_scratch_close(&scratch);
}

static void begin_chooses_the_arena_that_is_not_the_conflict(void) {
    hf_scratch scratch = open_scratch();
    hf_arena other = fixture_open((hf_arena_options){.reserve = MIB});
    for (int i = 0; i < 2; i++) {
        hf_scope scope = hf_scratch_begin(&scratch, &scratch.arenas[i]);
        CHECK(scope.arena == &scratch.arenas[1 - i]);
        CHECK_STATUS(HF_OK, hf_scope_end(scope));
    }
    const hf_arena *none[] = {NULL, &other};
    for (int i = 0; i < 2; i++) {
        hf_scope scope = hf_scratch_begin(&scratch, none[i]);
        CHECK(scope.arena == &scratch.arenas[0] || scope.arena == &scratch.arenas[1]);
        CHECK_STATUS(HF_OK, hf_scope_end(scope));
    }
    hf_arena_close(&other);
    hf_scratch_close(&scratch);
}

/* Functions that call each other; each returns its result in the arena of its caller. */
static char *repeat(hf_scratch *scratch, hf_arena *result, const char *text, int depth) {
    hf_scope temporary = hf_scratch_begin(scratch, result);
    CHECK(temporary.arena != result);
    char *part = depth ? repeat(scratch, temporary.arena, text, depth - 1)
                       : hf_strdup(temporary.arena, text);
    char *joined = hf_asprintf(result, "%s%s", part, part);
    memset(part, 'x', strlen(part));
    CHECK_STATUS(HF_OK, hf_scope_end(temporary));
    return joined;
}

static void results_outlive_temporaries(void) {
    hf_scratch scratch = open_scratch();
    hf_arena result = fixture_open((hf_arena_options){.reserve = 16 * MIB});
    char *text = repeat(&scratch, &result, "ab", 9);
    CHECK(text != NULL && strlen(text) == 2048);
    for (size_t i = 0; i < 2048; i++) CHECK(text[i] == "ab"[i % 2]);
    for (int i = 0; i < 2; i++) CHECK_EQUAL(0, hf_get_mark(&scratch.arenas[i]));
    hf_arena_close(&result);
    hf_scratch_close(&scratch);
}

static void ending_a_scope_rewinds_its_arena(void) {
    hf_scratch scratch = open_scratch();
    hf_scope outer = hf_scratch_begin(&scratch, NULL);
    char *block = hf_alloc(outer.arena, 1000, 8);
    fill(block, 1000, 1);
    hf_scope inner = hf_scratch_begin(&scratch, NULL);
    CHECK(hf_alloc(inner.arena, MIB, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_scope_end(inner));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(inner));
    CHECK(is_filled(block, 1000, 1));
    CHECK_STATUS(HF_OK, hf_scope_end(outer));
    CHECK_EQUAL(0, hf_get_mark(outer.arena));
    hf_scratch_close(&scratch);
}

/* -------------------------------------------------------- whole or not at all -------------- */

static void opening_fails(hf_status expected, hf_arena_options options) {
    hf_scratch scratch;
    memset(&scratch, 0x5a, sizeof scratch);
    CHECK_STATUS(expected, hf_scratch_open(&scratch, &options));
    CHECK_EQUAL(expected, hf_last_error().status);
    is_closed(&scratch);
}

static void a_base_is_invalid(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 16 * MIB});
    void *base = hf_arena_base(&arena);
    hf_arena_close(&arena);
    opening_fails(HF_INVALID, (hf_arena_options){.reserve = MIB, .base = base});
}

static void the_errors_are_those_of_an_arena(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    opening_fails(HF_INVALID, (hf_arena_options){.reserve = MIB, .least_reserve = 2 * MIB});
    recorder.largest[RECORDER_RESERVE] = 0;
    opening_fails(HF_NO_ADDRESS, (hf_arena_options){.backend = &recorder.backend});
    recorder.largest[RECORDER_RESERVE] = SIZE_MAX;
    recorder.largest[RECORDER_ALLOCATE_PAGES] = 0;
    opening_fails(HF_NO_MEMORY, (hf_arena_options){.backend = &recorder.backend});
}

static void open_and_use(struct failure *failure) {
    hf_scratch scratch;
    hf_arena_options options = {.reserve = MIB, .least_reserve = MIB, .backend = failure->strict};
    failure_on(failure);
    hf_status status = hf_scratch_open(&scratch, &options);
    failure_off(failure);
    if (status == HF_OK) {
        for (int i = 0; i < 2; i++) CHECK(hf_alloc(&scratch.arenas[i], 1000, 8) != NULL);
        hf_scratch_close(&scratch);
    } else {
        check_failure(failure, status);
        is_closed(&scratch);
    }
}

/* If opening the second arena fails, the first is closed: each_failure checks that nothing is left
 * open. */
static void opening_is_whole_or_not_at_all(void) { CHECK(each_failure(open_and_use, NULL) >= 8); }

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(opens_two_arenas), TEST(needs_no_options),
           TEST(begin_chooses_the_arena_that_is_not_the_conflict),
           TEST(results_outlive_temporaries), TEST(ending_a_scope_rewinds_its_arena),
           TEST(a_base_is_invalid), TEST(the_errors_are_those_of_an_arena),
           TEST(opening_is_whole_or_not_at_all))
