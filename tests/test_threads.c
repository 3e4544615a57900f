/*
 * Several threads use one space, one file, one backend. ThreadSanitizer checks the locking; without
 * it these tests check that each call is atomic.
 */
#include <pthread.h>

#include "check.h"
#include "random.h"
#include "space_fixture.h"

enum { THREADS = 4, PART = 32, ROUNDS = 60 };

static size_t page_size;

/* Runs the function in THREADS threads, passes each its number, and waits for them. */
static void in_threads(void *(*function)(void *)) {
    static size_t numbers[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK(pthread_create(&threads[i], NULL, function, &numbers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/* ------------------------------------------------------------------- one space -------------- */

/*
 * Each thread uses one part of the space, between pages that stay committed:
 *
 *     |c|      p      |c|      p      |c| ...
 *        thread 0        thread 1
 */
static hf_space *space;
static hf_file *file;
static bool has_views;

static size_t part_start(size_t thread) { return thread * (PART + 1) + 1; }

static void open_parts(const hf_backend *backend) {
    hf_space_options options = {.backend = backend};
    page_size = backend->page_size(backend);
    has_views = backend_has_views(backend);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, PART * page_size, backend));
    CHECK_STATUS(HF_OK, hf_space_open(&space, part_start(THREADS) * page_size, &options));
    for (size_t i = 0; i <= THREADS; i++)
        CHECK_STATUS(HF_OK,
                     hf_space_commit_range(space, (part_start(i) - 1) * page_size, page_size));
}

static void close_parts(void) {
    hf_space_stats stats = hf_space_get_stats(space);
    CHECK_EQUAL(2 * THREADS + 1, stats.regions);
    CHECK_EQUAL((THREADS + 1) * page_size, stats.committed_bytes);
    CHECK_EQUAL(0, stats.failures);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    hf_file_close(file);
}

static char *address_of(size_t at) { return hf_space_base(space) + at * page_size; }

/* Committed memory is zero at first, and contains what the thread stored until it is released. */
static void use_memory(size_t thread, size_t first, size_t count) {
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, first * page_size, count * page_size));
    for (size_t i = first; i < first + count; i++) {
        CHECK_EQUAL(0, *address_of(i));
        *address_of(i) = (char)(thread + 1);
    }
    if (count > 2) {
        CHECK_STATUS(HF_OK, hf_space_decommit(space, (first + 1) * page_size, page_size));
        CHECK_STATUS(HF_OK, hf_space_commit(space, (first + 1) * page_size, page_size));
        CHECK_EQUAL(0, *address_of(first + 1));
    }
    CHECK_EQUAL(thread + 1, *address_of(first));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, first * page_size, count * page_size));
}

/* Each thread stores into another byte of the file's first page. */
static void use_view(size_t thread, size_t first, size_t count) {
    CHECK_STATUS(HF_OK, hf_space_map_range(space, first * page_size, count * page_size, file, 0,
                                           HF_READ_WRITE));
    address_of(first)[thread]++;
    CHECK_STATUS(HF_OK, hf_space_release_range(space, first * page_size, count * page_size));
}

static void use_steps(size_t first, size_t count) {
    CHECK_STATUS(HF_OK, hf_space_split(space, first * page_size, count * page_size));
    CHECK_STATUS(HF_OK, hf_space_map(space, first * page_size, count * page_size, file, 0,
                                     HF_COPY_ON_WRITE));
    CHECK_STATUS(HF_OK, hf_space_unmap(space, first * page_size, count * page_size));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, first * page_size, count * page_size));
}

/* Regions and statistics are consistent while other threads work. */
static void expect_consistent(size_t thread) {
    hf_space_stats stats = hf_space_get_stats(space);
    hf_region region = {0};
    size_t end = 0, total;
    while (hf_space_next(space, &region)) {
        CHECK(region.offset <= end); /* another thread may have made the region larger */
        end = region.offset + region.size;
    }
    CHECK_EQUAL(hf_space_size(space), end);
    total = stats.placeholder_bytes + stats.committed_bytes + stats.view_bytes;
    CHECK_EQUAL(hf_space_size(space), total);
    CHECK(hf_space_find(space, (part_start(thread) - 1) * page_size, &region));
    CHECK_EQUAL(HF_COMMITTED, region.kind);
    CHECK_EQUAL(page_size, region.size);
}

static void *work_on_part(void *number) {
    size_t thread = *(size_t *)number, start = part_start(thread);
    struct random random = {thread + 1};
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t first = start + random_below(&random, PART / 2);
        size_t count = 1 + random_below(&random, PART / 2 - 1);
        use_memory(thread, first, count);
        if (has_views) use_view(thread, first, count);
        if (has_views) use_steps(first, count);
        expect_consistent(thread);
        if (round % 16 == 0) CHECK_STATUS(HF_OK, hf_space_check(space));
    }
    return NULL;
}

static void expect_stores_of_all(void) {
    size_t offset = part_start(0) * page_size;
    CHECK_STATUS(HF_OK, hf_space_map_range(space, offset, page_size, file, 0, HF_READ_ONLY));
    for (size_t i = 0; i < THREADS; i++) CHECK_EQUAL(ROUNDS, hf_space_base(space)[offset + i]);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, offset, page_size));
}

static void work_on_parts(const hf_backend *backend) {
    open_parts(backend);
    in_threads(work_on_part);
    if (has_views)
        expect_stores_of_all();
    else
        check_leave_out("this system has no views in a space");
    close_parts();
}

static void threads_share_a_space(void) { work_on_parts(hf_backend_native()); }

static void threads_share_a_strict_space(void) {
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    work_on_parts(strict);
    check_nothing_left(strict);
    hf_strict_close(strict);
}

/* -------------------------------------------------------------------- one file -------------- */

static hf_backend *backend;

/* Each thread opens spaces with views of the same file. */
static void *view_in_own_spaces(void *number) {
    hf_space_options options = {.backend = backend};
    size_t thread = *(size_t *)number;
    for (size_t round = 0; round < ROUNDS; round++) {
        hf_space *own;
        CHECK_STATUS(HF_OK, hf_space_open(&own, 8 * page_size, &options));
        CHECK_STATUS(HF_OK, hf_space_map_range(own, page_size, page_size, file, 0, HF_READ_WRITE));
        CHECK_STATUS(HF_OK,
                     hf_space_map_range(own, 3 * page_size, page_size, file, 0, HF_READ_ONLY));
        hf_space_base(own)[page_size + thread]++;
        CHECK_EQUAL((char)(round + 1), hf_space_base(own)[3 * page_size + thread]);
        CHECK_EQUAL(page_size, hf_file_size(file));
        CHECK_STATUS(HF_OK, hf_space_check(own));
        if (round % 2) CHECK_STATUS(HF_OK, hf_space_unmap(own, page_size, page_size));
        hf_space_close(own);
    }
    return NULL;
}

static void threads_share_a_file(void) {
    if (!require_views()) return;
    CHECK_STATUS(HF_OK, hf_strict_open(&backend, NULL));
    page_size = backend->page_size(backend);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page_size, backend));
    in_threads(view_in_own_spaces);
    CHECK_EQUAL(1, hf_strict_get_stats(backend).files);
    hf_file_close(file);
    check_nothing_left(backend);
    hf_strict_close(backend);
}

/* The file is closed before the first view is unmapped; every thread sees what was stored. */
static hf_space *owners[THREADS];

static void *close_own_space(void *number) {
    hf_space *own = owners[*(size_t *)number];
    CHECK_EQUAL('x', hf_space_base(own)[0]);
    hf_space_close(own);
    return NULL;
}

static void views_outlive_their_file(void) {
    if (!require_views()) return;
    CHECK_STATUS(HF_OK, hf_strict_open(&backend, NULL));
    hf_space_options options = {.backend = backend};
    page_size = backend->page_size(backend);
    for (size_t round = 0; round < ROUNDS; round++) {
        CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page_size, backend));
        for (size_t i = 0; i < THREADS; i++) {
            CHECK_STATUS(HF_OK, hf_space_open(&owners[i], page_size, &options));
            CHECK_STATUS(HF_OK, hf_space_map(owners[i], 0, page_size, file, 0, HF_READ_WRITE));
        }
        hf_file_close(file);
        CHECK_EQUAL(1, hf_strict_get_stats(backend).files);
        hf_space_base(owners[0])[0] = 'x';
        in_threads(close_own_space);
        check_nothing_left(backend);
    }
    hf_strict_close(backend);
}

/* ---------------------------------------------------------------- the last error ------------ */

static void *cause_errors(void *number) {
    size_t thread = *(size_t *)number;
    CHECK_EQUAL(HF_OK, hf_last_error().status); /* a new thread has none */
    CHECK(hf_last_error().call == NULL);
    for (size_t round = 0; round < 1000; round++) {
        size_t offset = thread * 1000 + round * 8 + 1;
        CHECK_STATUS(HF_INVALID, hf_space_commit(space, offset, thread + 1));
        CHECK_EQUAL(offset, hf_last_error().offset);
        CHECK_EQUAL(thread + 1, hf_last_error().size);
    }
    return NULL;
}

static void each_thread_has_its_own_last_error(void) {
    open_parts(hf_backend_native());
    CHECK_STATUS(HF_WRONG_STATE, hf_space_unmap(space, 0, page_size));
    in_threads(cause_errors);
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    close_parts();
}

/* --------------------------------------------------------------------- failures ------------- */

/* Any step may fail; then the part is as before. */
static void *work_under_failures(void *number) {
    size_t start = part_start(*(size_t *)number);
    for (size_t round = 0; round < ROUNDS; round++) {
        hf_region region;
        size_t offset = (start + 3) * page_size, size = 5 * page_size;
        hf_status status = hf_space_commit_range(space, offset, size);
        CHECK(status == HF_OK || status == HF_NO_MEMORY);
        CHECK(hf_space_find(space, offset, &region));
        CHECK_EQUAL(status == HF_OK ? HF_COMMITTED : HF_PLACEHOLDER, region.kind);
        for (size_t tries = 0; hf_space_release_range(space, offset, size) != HF_OK; tries++)
            CHECK(tries < 1000);
        CHECK(hf_space_find(space, offset, &region));
        CHECK_EQUAL(HF_PLACEHOLDER, region.kind);
        CHECK_EQUAL(start * page_size, region.offset);
        CHECK_EQUAL(PART * page_size, region.size);
        hf_strict_fail(backend, 1 + round % 7, false);
    }
    return NULL;
}

static void failures_in_any_thread_change_nothing(void) {
    CHECK_STATUS(HF_OK, hf_strict_open(&backend, NULL));
    open_parts(backend);
    in_threads(work_under_failures);
    hf_strict_fail(backend, 0, false);
    CHECK(hf_strict_get_stats(backend).failures > ROUNDS / 4);
    CHECK_EQUAL(hf_strict_get_stats(backend).failures, hf_space_get_stats(space).failures);
    CHECK_EQUAL(2 * THREADS + 1, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    hf_file_close(file);
    check_nothing_left(backend);
    hf_strict_close(backend);
}

CHECK_MAIN(TEST(threads_share_a_space), TEST(threads_share_a_strict_space),
           TEST(threads_share_a_file), TEST(views_outlive_their_file),
           TEST(each_thread_has_its_own_last_error), TEST(failures_in_any_thread_change_nothing))
