/*
 * Every field of hf_last_error() after a failure: an argument that is wrong, regions that do not
 * allow the step, a system call that failed (by strict's injected failures), and an undo that
 * failed too. After each of them hf_error_text puts the fields together in one line.
 */
#include "check.h"
#include "holdfast/arena.h"
#include "holdfast/backend.h"
#include "holdfast/ring.h"
#include "holdfast/space.h"
#include "holdfast/strict.h"

/* Windows' codes, which strict reports. */
enum {
    NOT_ENOUGH_MEMORY = 8,
    FILE_INVALID = 1006,
    NO_SYSTEM_RESOURCES = 1450,
    COMMITMENT_LIMIT = 1455
};

static const char could_not_be_undone[] = "A step before it could not be undone";

/* ---------------------------------------------------------------- the fields --------------- */

static bool is_same_text(const char *expected, const char *actual) {
    return expected == NULL || actual == NULL ? expected == actual : strcmp(expected, actual) == 0;
}

/* "CALL failed at offset O, size S: REASON: the system's text (HF_STATUS, code C). ADVICE UNDO" */
static void expect_text(const hf_error *error) {
    char text[2 * HF_ERROR_TEXT_SIZE], part[HF_ERROR_TEXT_SIZE];
    CHECK(hf_error_text(NULL, text, sizeof text) < sizeof text);
    size_t outer = check_enter("%s", text);
    snprintf(part, sizeof part, "%s failed", error->call);
    CHECK(strncmp(part, text, strlen(part)) == 0);
    snprintf(part, sizeof part, " failed at offset %zu, size %zu", error->offset, error->size);
    CHECK((strstr(text, part) != NULL) == (error->offset > 0 || error->size > 0));
    if (error->reason) snprintf(part, sizeof part, ": %s", error->reason);
    if (error->reason) CHECK(strstr(text, part) != NULL);
    snprintf(part, sizeof part, " (%s, code %ld). ", hf_status_name(error->status), error->os_code);
    if (error->os_code == 0) snprintf(part, sizeof part, " (%s). ", hf_status_name(error->status));
    CHECK(strstr(text, part) != NULL);
    CHECK(strstr(text, hf_status_text(error->status)) != NULL);
    CHECK((strstr(text, could_not_be_undone) != NULL) == error->undo_failed);
    CHECK(strchr(text, '\n') == NULL);
    check_leave(outer);
}

/* The status is what the call returned. */
static void expect_error(int line, hf_status status, hf_error expected) {
    hf_error error = hf_last_error();
    size_t outer = check_enter("line %d: call %s, reason %s", line, error.call ? error.call : "-",
                               error.reason ? error.reason : "-");
    CHECK_STATUS(expected.status, status);
    CHECK_STATUS(expected.status, error.status);
    CHECK(is_same_text(expected.call, error.call));
    CHECK(is_same_text(expected.reason, error.reason));
    CHECK(expected.undo_failed == error.undo_failed);
    CHECK_EQUAL((unsigned long)expected.os_code, (unsigned long)error.os_code);
    CHECK_EQUAL(expected.offset, error.offset);
    CHECK_EQUAL(expected.size, error.size);
    expect_text(&error);
    check_leave(outer);
}

#define FAILS(expression, ...) expect_error(__LINE__, (expression), (hf_error){__VA_ARGS__})

/* ------------------------------------------------------------- spaces on strict ------------- */

static hf_backend *strict;
static hf_space *space;
static size_t g; /* the page size */

enum { PAGES = 16 };

static void open_space(const hf_backend *backend) {
    hf_space_options options = {.backend = backend};
    g = backend->page_size(backend);
    CHECK_STATUS(HF_OK, hf_space_open(&space, PAGES * g, &options));
}

static void open_strict(void) {
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    open_space(strict);
}

static void close_strict(void) {
    hf_space_close(space);
    CHECK_EQUAL(0, hf_strict_get_stats(strict).violations);
    CHECK_EQUAL(0, hf_strict_get_stats(strict).regions);
    hf_strict_close(strict);
}

/* From now on the nth call fails in the way at `choice`. */
static void fail_nth(size_t nth, size_t choice, bool from_then_on) {
    hf_strict_fail_as(strict, choice);
    hf_strict_fail(strict, nth, from_then_on);
}

static void fail_none(void) { hf_strict_fail(strict, 0, false); }

/* ------------------------------------------------------------------ arguments --------------- */

/* os_code is 0, reason is NULL: the status says all. */
static void wrong_arguments_of_a_space(void) {
    hf_space *other;
    open_strict();
    FAILS(hf_space_open(&other, 0, NULL), HF_INVALID, .call = "hf_space_open");
    FAILS(hf_space_split(space, 1, g), HF_INVALID, .call = "hf_space_split", .offset = 1,
          .size = g);
    FAILS(hf_space_commit(space, g, 0), HF_INVALID, .call = "hf_space_commit", .offset = g);
    FAILS(hf_space_decommit(space, 0, (PAGES + 1) * g), HF_INVALID, .call = "hf_space_decommit",
          .size = (PAGES + 1) * g);
    FAILS(hf_space_map(space, g, g, NULL, 0, HF_READ_WRITE), HF_INVALID, .call = "hf_space_map",
          .offset = g, .size = g);
    FAILS(hf_space_advise(space, 0, g, (hf_advice)77), HF_INVALID, .call = "hf_space_advise",
          .size = g);
    FAILS(hf_space_check(NULL), HF_INVALID, .call = "hf_space_check");
    close_strict();
}

static void wrong_arguments_of_files_and_rings(void) {
    hf_file *file;
    hf_ring *ring;
    FAILS(hf_file_open(&file, "", HF_READ_ONLY, NULL), HF_INVALID, .call = "hf_file_open");
    FAILS(hf_file_create(&file, "none", 0, NULL), HF_INVALID, .call = "hf_file_create");
    FAILS(hf_file_create_shared(&file, 0, NULL), HF_INVALID, .call = "hf_file_create_shared");
    FAILS(hf_ring_open(&ring, 0, NULL), HF_INVALID, .call = "hf_ring_open");
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, HF_ALLOCATION_GRANULARITY, NULL));
    FAILS(hf_ring_open_file(&ring, file), HF_INVALID, .call = "hf_ring_open_file",
          .reason = "the file has less than a ring's 128 KiB");
    hf_file_close(file);
}

/* --------------------------------------------------------------- wrong state ---------------- */

/* | c c | p ... |   the reason says what each step needs */
static void the_reason_says_what_a_step_needs(void) {
    open_strict();
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 2 * g));
#define STATE(step, name, why, at, length)                                                    \
    FAILS(step(space, at, length), HF_WRONG_STATE, .call = name, .reason = why, .offset = at, \
          .size = length)
    STATE(hf_space_split, "hf_space_split", "the range is not a proper part of one placeholder", 0,
          g);
    STATE(hf_space_coalesce, "hf_space_coalesce", "the range is not two or more whole placeholders",
          0, 4 * g);
    STATE(hf_space_coalesce, "hf_space_coalesce", "the range is not two or more whole placeholders",
          2 * g, 3 * g);
    STATE(hf_space_commit, "hf_space_commit", "the range is not exactly one placeholder", 2 * g, g);
    STATE(hf_space_decommit, "hf_space_decommit", "the range is not within one committed region", g,
          2 * g);
    STATE(hf_space_unmap, "hf_space_unmap", "the range is not within one view", 0, 2 * g);
    STATE(hf_space_commit_range, "hf_space_commit_range", "the range is not within one placeholder",
          g, 2 * g);
#undef STATE
    FAILS(hf_space_advise(space, g, 2 * g, HF_ADVISE_POPULATE), HF_WRONG_STATE,
          .call = "hf_space_advise", .reason = "the range is not all committed memory", .offset = g,
          .size = 2 * g);
    close_strict();
}

static hf_arena open_arena(hf_arena_options options) {
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    return arena;
}

static hf_status status_of(bool is_done) { return is_done ? HF_OK : hf_last_error().status; }

static void the_reason_says_what_an_arena_needs(void) {
    hf_arena arena = open_arena((hf_arena_options){.reserve = 1 << 20});
    char *first = hf_alloc(&arena, 64, 8);
    CHECK(first && hf_alloc(&arena, 64, 8));
    size_t used = hf_get_mark(&arena);
    FAILS(status_of(hf_extend(&arena, first, 64, 65)), HF_WRONG_STATE, .call = "hf_extend",
          .reason = "the block is not the last one", .size = 65);
    FAILS(hf_rewind(&arena, used + 1), HF_INVALID, .call = "hf_rewind",
          .reason = "the mark is above the position", .offset = used + 1);
    FAILS(hf_arena_sync(&arena), HF_WRONG_STATE, .call = "hf_arena_sync",
          .reason = "the arena is no read-write image");
    hf_scope scope = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    FAILS(hf_scope_end(scope), HF_WRONG_STATE, .call = "hf_scope_end",
          .reason = "the scope has ended already", .offset = used);
    FAILS(status_of(hf_alloc(&arena, 1 << 20, 1)), HF_RESERVE_FULL, .call = "hf_alloc",
          .offset = used, .size = 1 << 20);
    hf_arena_close(&arena);
}

/* ----------------------------------------------------- system calls that fail --------------- */

/* The call is the system's, the status the backend's, the code the system's; each undo succeeds. */
static void a_system_call_that_fails(void) {
    open_strict();
    fail_nth(1, 0, false);
    FAILS(hf_space_commit_range(space, g, g), HF_NO_MEMORY, .call = "VirtualFree",
          .os_code = NOT_ENOUGH_MEMORY, .offset = g, .size = g);
    fail_nth(2, 0, false);
    FAILS(hf_space_commit_range(space, g, g), HF_NO_MEMORY, .call = "VirtualAlloc2",
          .os_code = COMMITMENT_LIMIT, .offset = g, .size = g);
    fail_nth(2, 1, false);
    FAILS(hf_space_commit_range(space, g, 2 * g), HF_MAP_LIMIT, .call = "VirtualAlloc2",
          .os_code = NO_SYSTEM_RESOURCES, .offset = g, .size = 2 * g);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, g, 3 * g));
    fail_nth(1, 0, false);
    FAILS(hf_space_decommit(space, 2 * g, g), HF_NO_MEMORY, .call = "VirtualFree",
          .os_code = NOT_ENOUGH_MEMORY, .offset = 2 * g, .size = g);
    fail_nth(2, 0, false); /* the coalesce, of [0, 16 g) */
    FAILS(hf_space_release_range(space, g, 3 * g), HF_NO_MEMORY, .call = "VirtualFree",
          .os_code = NOT_ENOUGH_MEMORY, .size = PAGES * g);
    close_strict();
}

static void opening_fails_in_a_system_call(void) {
    hf_file *file;
    hf_space *other;
    open_strict();
    hf_space_options options = {.backend = strict};
    fail_nth(1, 0, false);
    FAILS(hf_file_create_shared(&file, g, strict), HF_NO_MEMORY, .call = "VirtualAlloc",
          .os_code = COMMITMENT_LIMIT, .size = g);
    fail_nth(2, 0, false); /* behind the pages */
    FAILS(hf_space_open(&other, 8 * g, &options), HF_NO_ADDRESS, .call = "VirtualAlloc2",
          .os_code = NOT_ENOUGH_MEMORY, .size = 8 * g);
    fail_none();
    close_strict();
}

/* ------------------------------------------------------- an undo that fails ----------------- */

/* The error is that of the step that failed first. */
static void an_undo_of_a_split_that_fails(void) {
    open_strict();
    fail_nth(2, 0, true);
    FAILS(hf_space_commit_range(space, g, g), HF_NO_MEMORY, .call = "VirtualAlloc2",
          .undo_failed = true, .os_code = COMMITMENT_LIMIT, .offset = g, .size = g);
    fail_none();
    CHECK_EQUAL(3, hf_space_get_stats(space).regions);
    FAILS(hf_space_commit(space, 0, 2 * g), HF_WRONG_STATE, .call = "hf_space_commit",
          .reason = "the range is not exactly one placeholder", .size = 2 * g);
    close_strict();
}

/* With `populate`: an arena whose only growth step takes all of its reservation. */
static void an_undo_of_a_growth_that_fails(void) {
    if (hf_backend_native()->advise == NULL) {
        check_skip("this system has no hints");
        return;
    }
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    hf_arena arena =
        open_arena((hf_arena_options){.reserve = 65536, .populate = true, .backend = strict});
    hf_strict_stats before = hf_strict_get_stats(strict);
    fail_nth(2, 0, true); /* the advice after the commit, and the decommit */
    FAILS(status_of(hf_alloc(&arena, 65000, 1)), HF_NO_MEMORY, .call = "PrefetchVirtualMemory",
          .undo_failed = true, .os_code = NOT_ENOUGH_MEMORY, .size = 65536);
    fail_none();
    CHECK_EQUAL(2, hf_strict_get_stats(strict).failures - before.failures);
    CHECK(hf_alloc(&arena, 65000, 1) != NULL);
    hf_arena_close(&arena);
    hf_strict_close(strict);
}

/* The step fails, its undo fails, and so does what is needed exactly, at the first step's
 * leftovers. */
static void an_undo_that_a_second_growth_meets(void) {
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    hf_arena arena = open_arena((hf_arena_options){.reserve = 1 << 20, .backend = strict});
    fail_nth(2, 0, true); /* the commit, and the coalesce */
    CHECK(hf_alloc(&arena, 1, 1) == NULL);
    CHECK(hf_last_error().undo_failed);
    CHECK_STATUS(HF_NO_MEMORY, hf_last_error().status);
    fail_none();
    CHECK(hf_alloc(&arena, 1, 1) != NULL);
    hf_arena_close(&arena);
    hf_strict_close(strict);
}

static hf_status limited_release_run(const hf_backend *self, void *address, size_t size,
                                     hf_report *report) {
    (void)self, (void)address, (void)size;
    report->call = "release_run", report->os_code = 12, report->reason = "the limit is reached";
    return HF_MAP_LIMIT;
}

static hf_status failing_decommit(const hf_backend *self, void *address, size_t size,
                                  hf_report *report) {
    (void)self, (void)address, (void)size;
    report->call = "decommit", report->os_code = 13, report->reason = NULL;
    return HF_NO_MEMORY;
}

/* | c | p | c |  the placeholder was committed to release the run with fewer mappings, and stays
 * committed */
static void an_undo_at_the_limit_on_mappings_that_fails(void) {
    hf_backend backend = *hf_backend_native();
    backend.release_run = limited_release_run;
    backend.decommit = failing_decommit;
    open_space(&backend);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * g, g));
    FAILS(hf_space_release_range(space, 0, 3 * g), HF_MAP_LIMIT, .call = "release_run",
          .reason = "the limit is reached", .undo_failed = true, .os_code = 12, .size = 3 * g);
    CHECK_EQUAL(3 * g, hf_space_get_stats(space).committed_bytes);
    hf_space_close(space);
}

CHECK_MAIN(TEST(wrong_arguments_of_a_space), TEST(wrong_arguments_of_files_and_rings),
           TEST(the_reason_says_what_a_step_needs), TEST(the_reason_says_what_an_arena_needs),
           TEST(a_system_call_that_fails), TEST(opening_fails_in_a_system_call),
           TEST(an_undo_of_a_split_that_fails), TEST(an_undo_of_a_growth_that_fails),
           TEST(an_undo_that_a_second_growth_meets),
           TEST(an_undo_at_the_limit_on_mappings_that_fails))
