/*
 * Backend calls that fail with is_transient set: the space repeats them after a pause without its
 * lock, at most five times.
 */
#include "check.h"
#include "holdfast/arena.h"
#include "holdfast/file.h"
#include "holdfast/space.h"

/* A copy of the native backend; its next `failures` calls for memory fail. */
struct transient {
    hf_backend backend; /* must be first */
    size_t failures;
    bool is_transient;
    hf_status status;
    size_t pauses, milliseconds, locks_held, most_locks_held_in_pause;
    hf_space *space;
    size_t committed_in_pause; /* bytes that pause commits at the start of the space */
};

static struct transient *transient_of(const hf_backend *self) {
    return (struct transient *)(uintptr_t)self;
}

static bool fails(const hf_backend *self, hf_report *report) {
    struct transient *transient = transient_of(self);
    if (transient->failures == 0) return false;
    transient->failures--;
    report->call = "transient";
    report->os_code = 1455;
    report->is_transient = transient->is_transient;
    return true;
}

static hf_status commit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    return fails(self, report) ? transient_of(self)->status
                               : hf_backend_native()->commit(self, address, size, report);
}

static hf_status allocate_pages(const hf_backend *self, size_t size, void **address,
                                hf_report *report) {
    return fails(self, report) ? transient_of(self)->status
                               : hf_backend_native()->allocate_pages(self, size, address, report);
}

static void lock(const hf_backend *self, hf_lock *storage) {
    hf_backend_native()->lock(self, storage);
    transient_of(self)->locks_held++;
}

static void unlock(const hf_backend *self, hf_lock *storage) {
    transient_of(self)->locks_held--;
    hf_backend_native()->unlock(self, storage);
}

/* Acts as another thread would during the pause: if the lock were held, this would deadlock. */
static void pause_for(const hf_backend *self, unsigned milliseconds) {
    struct transient *transient = transient_of(self);
    transient->pauses++;
    transient->milliseconds += milliseconds;
    if (transient->locks_held > transient->most_locks_held_in_pause)
        transient->most_locks_held_in_pause = transient->locks_held;
    if (transient->space == NULL || transient->locks_held > 0) return;
    hf_space_get_stats(transient->space);
    size_t size = transient->committed_in_pause, failures = transient->failures;
    transient->committed_in_pause = transient->failures = 0;
    if (size > 0) CHECK_STATUS(HF_OK, hf_space_commit_range(transient->space, 0, size));
    transient->failures = failures;
}

static struct transient without_memory(size_t failures) {
    struct transient transient = {.backend = *hf_backend_native(),
                                  .failures = failures,
                                  .is_transient = true,
                                  .status = HF_NO_MEMORY};
    transient.backend.commit = commit;
    transient.backend.allocate_pages = allocate_pages;
    transient.backend.lock = lock;
    transient.backend.unlock = unlock;
    transient.backend.pause = pause_for;
    return transient;
}

static size_t g; /* the page size */

static hf_space *open_space(struct transient *transient) {
    hf_space *space;
    size_t failures = transient->failures;
    transient->failures = 0;
    hf_space_options options = {.backend = &transient->backend};
    g = transient->backend.page_size(&transient->backend);
    CHECK_STATUS(HF_OK, hf_space_open(&space, 64 * g, &options));
    transient->space = space;
    transient->failures = failures;
    return space;
}

static void expect_pauses(const struct transient *transient, size_t pauses) {
    CHECK_EQUAL(pauses, transient->pauses);
    CHECK_EQUAL(50 * pauses, transient->milliseconds);
    CHECK_EQUAL(0, transient->most_locks_held_in_pause);
    CHECK_EQUAL(0, transient->locks_held);
}

static void a_commit_that_fails_transiently_is_repeated(void) {
    for (size_t failures = 1; failures <= 5; failures++) {
        struct transient transient = without_memory(failures);
        hf_space *space = open_space(&transient);
        hf_space_split(NULL, 0, 0); /* an earlier error */
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 4 * g));
        expect_pauses(&transient, failures);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        CHECK_STATUS(HF_OK, hf_space_check(space));
        hf_space_base(space)[4 * g - 1] = 1;
        hf_space_close(space);
    }
}

static void the_sixth_failure_is_returned(void) {
    struct transient transient = without_memory(SIZE_MAX);
    hf_space *space = open_space(&transient);
    hf_region region;
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, g, 4 * g));
    expect_pauses(&transient, 5);
    CHECK_EQUAL(1455, hf_last_error().os_code);
    CHECK_EQUAL(4 * g, hf_last_error().size);
    CHECK(hf_space_find(space, 0, &region) && region.size == 64 * g);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    transient.failures = 0;
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, g, 4 * g));
    hf_space_close(space);
}

static void other_errors_are_returned_at_once(void) {
    struct transient transient = without_memory(1);
    transient.is_transient = false;
    hf_space *space = open_space(&transient);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 0, 4 * g));
    expect_pauses(&transient, 0);
    CHECK_STATUS(HF_WRONG_STATE, hf_space_decommit(space, 0, g));
    expect_pauses(&transient, 0);
    hf_space_close(space);
}

static void without_pause_a_call_is_not_repeated(void) {
    struct transient transient = without_memory(1);
    transient.backend.pause = NULL;
    hf_space *space = open_space(&transient);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 0, 4 * g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 4 * g));
    hf_space_close(space);
}

static hf_status coalesce_fails(const hf_backend *self, void *address, size_t size,
                                hf_report *report) {
    (void)address, (void)size;
    return fails(self, report) ? HF_NO_MEMORY : HF_OK;
}

/* The placeholder is in more pieces than before: the caller must be told, so the step is not
 * repeated. */
static void a_failed_undo_is_returned_at_once(void) {
    struct transient transient = without_memory(2);
    transient.backend.coalesce = coalesce_fails;
    hf_space *space = open_space(&transient);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 0, 4 * g));
    CHECK(hf_last_error().undo_failed);
    expect_pauses(&transient, 0);
    hf_space_close(space);
}

/* After each pause the space looks the range up again. */
static void another_thread_may_commit_the_range_meanwhile(void) {
    struct transient transient = without_memory(2);
    hf_space *space = open_space(&transient);
    transient.committed_in_pause = 2 * g;
    CHECK_STATUS(HF_WRONG_STATE, hf_space_commit_range(space, 0, 4 * g));
    expect_pauses(&transient, 1);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* Records are allocated under the lock, so the whole step is repeated. */
static void a_step_without_records_is_repeated(void) {
    struct transient transient = without_memory(0);
    hf_space *space;
    hf_space_options options = {.backend = &transient.backend};
    g = transient.backend.page_size(&transient.backend);
    enum { PIECES = 500 }; /* more regions than the first page of records has room for */
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * PIECES * g, &options));
    transient.space = space;
    transient.backend.commit = hf_backend_native()->commit;
    for (size_t i = 0; i < PIECES; i++) {
        transient.failures = 2;
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * i * g, g));
    }
    CHECK(transient.pauses > 0 && transient.most_locks_held_in_pause == 0);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    transient.failures = 0;
    hf_space_close(space);
}

static void opening_waits_for_memory_too(void) {
    struct transient transient = without_memory(3);
    hf_space *space;
    hf_space_options options = {.backend = &transient.backend};
    CHECK_STATUS(HF_OK, hf_space_open(&space, 1 << 20, &options));
    expect_pauses(&transient, 3);
    hf_space_close(space);

    hf_file *file;
    transient = without_memory(3);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 1 << 16, &transient.backend));
    expect_pauses(&transient, 3);
    hf_file_close(file);

    hf_arena arena;
    transient = without_memory(3);
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &(hf_arena_options){.backend = &transient.backend}));
    CHECK(hf_alloc(&arena, 100, 16) != NULL);
    expect_pauses(&transient, 3);
    hf_arena_close(&arena);

    transient = without_memory(SIZE_MAX);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_open(&space, 1 << 20, &options));
    expect_pauses(&transient, 5);
}

CHECK_MAIN(TEST(a_commit_that_fails_transiently_is_repeated), TEST(the_sixth_failure_is_returned),
           TEST(other_errors_are_returned_at_once), TEST(without_pause_a_call_is_not_repeated),
           TEST(a_failed_undo_is_returned_at_once),
           TEST(another_thread_may_commit_the_range_meanwhile),
           TEST(a_step_without_records_is_repeated), TEST(opening_waits_for_memory_too))
