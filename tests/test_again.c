/*
 * Calls of a backend that fail for a moment only: they are made again after a pause, during which
 * no lock is held, and not for ever.
 */
#include "check.h"
#include "holdfast/arena.h"
#include "holdfast/file.h"
#include "holdfast/space.h"

/* A copy of the native backend, whose memory is wanting for the next `failures` calls. */
struct moment {
    hf_backend backend; /* first: self is the moment */
    size_t failures;
    bool is_transient;
    hf_status status;
    size_t pauses, milliseconds, locks_held, most_locks_held_in_pause;
    hf_space *space;
    size_t placed_in_pause; /* bytes at the space's beginning that another thread takes */
};

static struct moment *moment_of(const hf_backend *self) { return (struct moment *)(uintptr_t)self; }

static bool fails(const hf_backend *self, hf_report *report) {
    struct moment *moment = moment_of(self);
    if (moment->failures == 0) return false;
    moment->failures--;
    report->call = "moment";
    report->os_code = 1455;
    report->is_transient = moment->is_transient;
    return true;
}

static hf_status commit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    return fails(self, report) ? moment_of(self)->status
                               : hf_backend_native()->commit(self, address, size, report);
}

static hf_status allocate_pages(const hf_backend *self, size_t size, void **address,
                                hf_report *report) {
    return fails(self, report) ? moment_of(self)->status
                               : hf_backend_native()->allocate_pages(self, size, address, report);
}

static void lock(const hf_backend *self, hf_lock *storage) {
    hf_backend_native()->lock(self, storage);
    moment_of(self)->locks_held++;
}

static void unlock(const hf_backend *self, hf_lock *storage) {
    moment_of(self)->locks_held--;
    hf_backend_native()->unlock(self, storage);
}

/* Another thread's call goes on in the meantime: with the lock held, this would wait for ever. */
static void pause_for(const hf_backend *self, unsigned milliseconds) {
    struct moment *moment = moment_of(self);
    moment->pauses++;
    moment->milliseconds += milliseconds;
    if (moment->locks_held > moment->most_locks_held_in_pause)
        moment->most_locks_held_in_pause = moment->locks_held;
    if (moment->space == NULL || moment->locks_held > 0) return;
    hf_space_get_stats(moment->space);
    size_t size = moment->placed_in_pause, failures = moment->failures;
    moment->placed_in_pause = moment->failures = 0;
    if (size > 0) CHECK_STATUS(HF_OK, hf_space_commit_range(moment->space, 0, size));
    moment->failures = failures;
}

static struct moment moment_without_memory(size_t failures) {
    struct moment moment = {.backend = *hf_backend_native(),
                            .failures = failures,
                            .is_transient = true,
                            .status = HF_NO_MEMORY};
    moment.backend.commit = commit;
    moment.backend.allocate_pages = allocate_pages;
    moment.backend.lock = lock;
    moment.backend.unlock = unlock;
    moment.backend.pause = pause_for;
    return moment;
}

static size_t g; /* the page */

static hf_space *open_space(struct moment *moment) {
    hf_space *space;
    size_t failures = moment->failures;
    moment->failures = 0;
    hf_space_options options = {.backend = &moment->backend};
    g = moment->backend.page_size(&moment->backend);
    CHECK_STATUS(HF_OK, hf_space_open(&space, 64 * g, &options));
    moment->space = space;
    moment->failures = failures;
    return space;
}

static void expect_pauses(const struct moment *moment, size_t pauses) {
    CHECK_EQUAL(pauses, moment->pauses);
    CHECK_EQUAL(50 * pauses, moment->milliseconds);
    CHECK_EQUAL(0, moment->most_locks_held_in_pause);
    CHECK_EQUAL(0, moment->locks_held);
}

static void a_commit_that_fails_for_a_moment_succeeds(void) {
    for (size_t failures = 1; failures <= 5; failures++) {
        struct moment moment = moment_without_memory(failures);
        hf_space *space = open_space(&moment);
        hf_space_split(NULL, 0, 0); /* an earlier error */
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 4 * g));
        expect_pauses(&moment, failures);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        CHECK_STATUS(HF_OK, hf_space_check(space));
        hf_space_base(space)[4 * g - 1] = 1;
        hf_space_close(space);
    }
}

static void what_does_not_pass_is_told(void) {
    struct moment moment = moment_without_memory(SIZE_MAX);
    hf_space *space = open_space(&moment);
    hf_region region;
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, g, 4 * g));
    expect_pauses(&moment, 5);
    CHECK_EQUAL(1455, hf_last_error().os_code);
    CHECK_EQUAL(4 * g, hf_last_error().size);
    CHECK(hf_space_find(space, 0, &region) && region.size == 64 * g);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    moment.failures = 0;
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, g, 4 * g));
    hf_space_close(space);
}

static void other_errors_are_told_at_once(void) {
    struct moment moment = moment_without_memory(1);
    moment.is_transient = false;
    hf_space *space = open_space(&moment);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 0, 4 * g));
    expect_pauses(&moment, 0);
    CHECK_STATUS(HF_WRONG_STATE, hf_space_decommit(space, 0, g));
    expect_pauses(&moment, 0);
    hf_space_close(space);
}

static void a_backend_without_pause_is_asked_once(void) {
    struct moment moment = moment_without_memory(1);
    moment.backend.pause = NULL;
    hf_space *space = open_space(&moment);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 0, 4 * g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 4 * g));
    hf_space_close(space);
}

static hf_status coalesce_fails(const hf_backend *self, void *address, size_t size,
                                hf_report *report) {
    (void)address, (void)size;
    return fails(self, report) ? HF_NO_MEMORY : HF_OK;
}

/* More pieces than before: that is for the caller to know, and not to be hidden by another try. */
static void a_failed_undo_is_told_at_once(void) {
    struct moment moment = moment_without_memory(2);
    moment.backend.coalesce = coalesce_fails;
    hf_space *space = open_space(&moment);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 0, 4 * g));
    CHECK(hf_last_error().undo_failed);
    expect_pauses(&moment, 0);
    hf_space_close(space);
}

/* The range is looked up anew after each pause. */
static void another_thread_may_take_the_range_meanwhile(void) {
    struct moment moment = moment_without_memory(2);
    hf_space *space = open_space(&moment);
    moment.placed_in_pause = 2 * g;
    CHECK_STATUS(HF_WRONG_STATE, hf_space_commit_range(space, 0, 4 * g));
    expect_pauses(&moment, 1);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* Records that a step needs are taken under the lock: the whole step is made again. */
static void a_step_without_records_is_made_again(void) {
    struct moment moment = moment_without_memory(0);
    hf_space *space;
    hf_space_options options = {.backend = &moment.backend};
    g = moment.backend.page_size(&moment.backend);
    enum { PIECES = 500 }; /* more than the first records are for */
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * PIECES * g, &options));
    moment.space = space;
    moment.backend.commit = hf_backend_native()->commit;
    for (size_t i = 0; i < PIECES; i++) {
        moment.failures = 2;
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * i * g, g));
    }
    CHECK(moment.pauses > 0 && moment.most_locks_held_in_pause == 0);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    moment.failures = 0;
    hf_space_close(space);
}

static void opening_waits_for_memory_too(void) {
    struct moment moment = moment_without_memory(3);
    hf_space *space;
    hf_space_options options = {.backend = &moment.backend};
    CHECK_STATUS(HF_OK, hf_space_open(&space, 1 << 20, &options));
    expect_pauses(&moment, 3);
    hf_space_close(space);

    hf_file *file;
    moment = moment_without_memory(3);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 1 << 16, &moment.backend));
    expect_pauses(&moment, 3);
    hf_file_close(file);

    hf_arena arena;
    moment = moment_without_memory(3);
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &(hf_arena_options){.backend = &moment.backend}));
    CHECK(hf_alloc(&arena, 100, 16) != NULL);
    expect_pauses(&moment, 3);
    hf_arena_close(&arena);

    moment = moment_without_memory(SIZE_MAX);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_open(&space, 1 << 20, &options));
    expect_pauses(&moment, 5);
}

CHECK_MAIN(TEST(a_commit_that_fails_for_a_moment_succeeds), TEST(what_does_not_pass_is_told),
           TEST(other_errors_are_told_at_once), TEST(a_backend_without_pause_is_asked_once),
           TEST(a_failed_undo_is_told_at_once), TEST(another_thread_may_take_the_range_meanwhile),
           TEST(a_step_without_records_is_made_again), TEST(opening_waits_for_memory_too))
