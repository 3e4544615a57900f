/*
 * Backends of a program: a copy of the native one with a few functions replaced, and one without
 * any system calls.
 */
#include "array_backend.h"
#include "check.h"
#include "holdfast/space.h"
#include "space_fixture.h"

/* ------------------------------------- the native one with functions replaced --------------- */

/* Counts committed bytes; commit fails above a limit. */
struct quota {
    hf_backend backend; /* must be first */
    size_t committed, most, failed;
};

static hf_status commit_within_quota(const hf_backend *self, void *address, size_t size,
                                     hf_report *report) {
    struct quota *quota = (struct quota *)(uintptr_t)self;
    if (size > quota->most - quota->committed) {
        quota->failed++;
        report->call = "quota";
        report->os_code = 1234;
        return HF_NO_MEMORY;
    }
    quota->committed += size;
    return hf_backend_native()->commit(self, address, size, report);
}

static hf_status decommit_from_quota(const hf_backend *self, void *address, size_t size,
                                     hf_report *report) {
    hf_status status = hf_backend_native()->decommit(self, address, size, report);
    if (status == HF_OK) ((struct quota *)(uintptr_t)self)->committed -= size;
    return status;
}

static void the_error_of_a_quota_is_reported(void) {
    struct quota quota = {.backend = *hf_backend_native()};
    quota.backend.commit = commit_within_quota;
    quota.backend.decommit = decommit_from_quota;
    size_t g = quota.backend.page_size(&quota.backend);
    quota.most = 10 * g;
    hf_space_options options = {.backend = &quota.backend};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 100 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 4 * g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 50 * g, 5 * g));
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 10 * g, 2 * g));
    hf_error error = hf_last_error();
    CHECK(strcmp("quota", error.call) == 0);
    CHECK_EQUAL(1234, error.os_code);
    CHECK_EQUAL(10 * g, error.offset);
    CHECK_EQUAL(2 * g, error.size);
    CHECK_EQUAL(4, hf_space_get_stats(space).regions); /* |c|p|c|p|: undone whole */
    CHECK_EQUAL(9 * g, quota.committed);
    CHECK_STATUS(HF_OK, hf_space_decommit(space, 51 * g, g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 10 * g, 2 * g));
    CHECK_EQUAL(hf_space_get_stats(space).committed_bytes, quota.committed);
    CHECK_EQUAL(1, quota.failed);
    CHECK_EQUAL(1, hf_space_get_stats(space).failures);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* The statistics show the number of system calls that the backend reports. */
static hf_status split_with_5_calls(const hf_backend *self, void *address, size_t size,
                                    hf_report *report) {
    hf_report ignored = {0};
    report->system_calls += 5;
    return hf_backend_native()->split(self, address, size, &ignored);
}

static void reported_calls_are_counted(void) {
    hf_backend backend = *hf_backend_native();
    backend.split = split_with_5_calls;
    hf_space_options options = {.backend = &backend};
    size_t g = backend.page_size(&backend);
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 10 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_split(space, 0, g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 5 * g, g));
    CHECK_EQUAL(10, hf_space_get_stats(space).system_calls[HF_STEP_SPLIT]);
    CHECK_EQUAL(2, hf_space_get_stats(space).steps[HF_STEP_SPLIT]);
    hf_space_close(space);
}

static void optional_functions_may_be_missing(void) {
    hf_backend bare = *hf_backend_native();
    bare.advise = NULL;
    bare.name = NULL;
    bare.check = NULL;
    hf_space_options options = {.backend = &bare, .name = "a name that is not shown"};
    size_t g = bare.page_size(&bare);
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 10 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, g, 3 * g));
    CHECK_STATUS(HF_UNSUPPORTED, hf_space_advise(space, g, g, HF_ADVISE_POPULATE));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 2 * g, g));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* Records the calls of release. */
struct releasing {
    hf_backend backend;
    size_t count, sizes[8];
    char *addresses[8];
    hf_kind kinds[8];
};

static void note_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    struct releasing *releasing = (struct releasing *)(uintptr_t)self;
    CHECK(releasing->count < 8);
    releasing->addresses[releasing->count] = address;
    releasing->sizes[releasing->count] = size;
    releasing->kinds[releasing->count++] = kind;
    hf_backend_native()->release(self, address, size, kind);
}

/* |p|c c|c|v|p p p|: closing releases each region once, from the highest to the lowest. */
static void closing_releases_in_order(void) {
    if (!require_views()) return;
    static const size_t starts[] = {0, 1, 3, 4, 5, 8};
    static const hf_kind kinds[] = {HF_PLACEHOLDER, HF_COMMITTED, HF_COMMITTED, HF_VIEW,
                                    HF_PLACEHOLDER};
    struct releasing releasing = {.backend = *hf_backend_native()};
    releasing.backend.release = note_release;
    size_t g = releasing.backend.page_size(&releasing.backend);
    hf_space_options options = {.backend = &releasing.backend};
    hf_space *space;
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, g, &releasing.backend));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, g, 2 * g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 3 * g, g));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 4 * g, g, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 7 * g, g));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 7 * g, g));
    hf_file_close(file);
    CHECK_EQUAL(0, releasing.count);
    char *base = hf_space_base(space);
    hf_space_close(space);
    CHECK_EQUAL(5, releasing.count);
    for (size_t i = 0; i < 5; i++) {
        CHECK(releasing.addresses[4 - i] == base + starts[i] * g);
        CHECK_EQUAL((starts[i + 1] - starts[i]) * g, releasing.sizes[4 - i]);
        CHECK_EQUAL(kinds[i], releasing.kinds[4 - i]);
    }
}

static void the_native_backend_is_constant(void) {
    const hf_backend *native = hf_backend_native();
    size_t page_size = native->page_size(native);
    CHECK(native == hf_backend_native());
    CHECK(page_size > 0 && (page_size & (page_size - 1)) == 0 &&
          page_size == native->page_size(native));
}

/* --------------------------------------------------- one over an array of bytes ------------- */

static bool is_full_of(const char *bytes, int byte, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (char)byte) return false;
    return true;
}

/* |p p p p p p p p| -> |p|c c c c|p p p| -> |p|c|p p|c|p p p| -> |p|c|c c|c|p p p| -> ... */
static void run_steps(hf_space *space) {
    size_t g = hf_space_page_size(space), size = hf_space_size(space);
    char *base = hf_space_base(space);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, g, 4 * g));
    CHECK(is_full_of(base + g, 0, 4 * g));
    memset(base + g, 'x', 4 * g);
    CHECK_STATUS(HF_OK, hf_space_decommit(space, 2 * g, 2 * g));
    CHECK(is_full_of(base + g, 'x', g) && is_full_of(base + 4 * g, 'x', g));
    CHECK_STATUS(HF_OK, hf_space_commit(space, 2 * g, 2 * g));
    CHECK(is_full_of(base + 2 * g, 0, 2 * g));
    CHECK_EQUAL(5, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_WRONG_STATE, hf_space_commit_range(space, 0, 2 * g));
    CHECK_STATUS(HF_INVALID, hf_space_commit_range(space, g / 2, g));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, size));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

static void a_space_works_with_any_page_size(void) {
    for (size_t page_size = ARRAY_SMALLEST_PAGE_SIZE; page_size <= 1 << 17; page_size *= 2) {
        struct array_backend array;
        hf_space_options options = {.backend = &array.backend};
        hf_space *space;
        size_t outer = check_enter("page size %zu", page_size);
        array_backend_init(&array, page_size);
        CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * page_size, &options));
        CHECK_EQUAL(page_size, hf_space_page_size(space));
        run_steps(space);
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, page_size));
        hf_space_close(space);
        CHECK(array_backend_is_unused(&array));
        check_leave(outer);
    }
}

/* So many regions that the space allocates pages for records in the array, and frees them. */
static void many_regions_in_an_array(void) {
    enum { REGIONS = 5000 };
    static struct array_backend array;
    hf_space_options options = {.backend = &array.backend};
    hf_space *space;
    array_backend_init(&array, ARRAY_SMALLEST_PAGE_SIZE);
    CHECK_STATUS(HF_OK, hf_space_open(&space, REGIONS * array.page_size, &options));
    for (size_t i = 0; i < REGIONS; i += 2)
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * array.page_size, array.page_size));
    CHECK_EQUAL(REGIONS, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, hf_space_size(space)));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    hf_space_close(space);
    CHECK(array_backend_is_unused(&array));
}

/* Errors have the array's function names as hf_last_error().call; a failed map_range is undone. */
static void the_errors_of_an_array_are_reported(void) {
    static struct array_backend array;
    hf_space_options options = {.backend = &array.backend};
    hf_space *space = NULL;
    hf_file *file;
    array_backend_init(&array, 4096);
    CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, ARRAY_BYTES, &options));
    CHECK(strcmp("array_reserve", hf_last_error().call) == 0);
    CHECK(array_backend_is_unused(&array));
    options.least = 4096;
    CHECK_STATUS(HF_OK, hf_space_open(&space, ARRAY_BYTES, &options));
    CHECK_EQUAL(ARRAY_BYTES / 2, hf_space_size(space));
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_open(&file, "any", HF_READ_ONLY, &array.backend));
    CHECK(strcmp("array_file_open", hf_last_error().call) == 0);
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_create(&file, "any", 1, &array.backend));
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_from_handle(&file, 0, HF_READ_ONLY, &array.backend));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 8192, &array.backend));
    CHECK_STATUS(HF_UNSUPPORTED, hf_space_map_range(space, 4096, 4096, file, 0, HF_READ_ONLY));
    CHECK(strcmp("array_map", hf_last_error().call) == 0);
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    hf_file_close(file);
    hf_space_close(space);
    CHECK(array_backend_is_unused(&array));
}

/* A file of UINT64_MAX bytes: rounding its size up to whole pages would wrap. */
static void a_file_of_the_largest_size(void) {
    static struct array_backend array;
    hf_space_options options = {.backend = &array.backend};
    uint64_t end = UINT64_MAX - 4095;
    hf_space *space;
    hf_file *file;
    array_backend_init(&array, 4096);
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * 4096, &options));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, UINT64_MAX, &array.backend));
    CHECK_STATUS(HF_UNSUPPORTED, hf_space_map(space, 0, 2 * 4096, file, 0, HF_READ_ONLY));
    CHECK_STATUS(HF_UNSUPPORTED,
                 hf_space_map(space, 0, 2 * 4096, file, end - 2 * 4096, HF_READ_ONLY));
    CHECK_STATUS(HF_INVALID, hf_space_map(space, 0, 2 * 4096, file, end - 4096, HF_READ_ONLY));
    CHECK_STATUS(HF_INVALID, hf_space_map(space, 0, 2 * 4096, file, end, HF_READ_ONLY));
    hf_file_close(file);
    hf_space_close(space);
    CHECK(array_backend_is_unused(&array));
}

/* The array's check function finds a page that was decommitted without the space. */
static void the_check_of_an_array_finds_damage(void) {
    static struct array_backend array;
    hf_space_options options = {.backend = &array.backend};
    hf_space *space;
    hf_report report = {0};
    array_backend_init(&array, 4096);
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * 4096, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * 4096, 2 * 4096));
    char *address = hf_space_base(space) + 3 * 4096;
    CHECK_STATUS(HF_OK, array.backend.decommit(&array.backend, address, 4096, &report));
    CHECK_STATUS(HF_CORRUPT, hf_space_check(space));
    CHECK_EQUAL(2 * 4096, hf_last_error().offset);
    CHECK_STATUS(HF_OK, array.backend.commit(&array.backend, address, 4096, &report));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* strict works over any backend, this one too. */
static void strict_over_an_array(void) {
    static struct array_backend array;
    hf_backend *strict;
    array_backend_init(&array, 4096);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &array.backend));
    hf_space_options options = {.backend = strict, .name = "none"};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * 4096, &options));
    run_steps(space);
    hf_strict_fail(strict, 2, false);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 4096, 4096));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    CHECK_EQUAL(0, hf_strict_get_stats(strict).violations);
    hf_strict_close(strict);
    CHECK(array_backend_is_unused(&array));
}

CHECK_MAIN(TEST(the_error_of_a_quota_is_reported), TEST(reported_calls_are_counted),
           TEST(optional_functions_may_be_missing), TEST(closing_releases_in_order),
           TEST(the_native_backend_is_constant), TEST(a_space_works_with_any_page_size),
           TEST(many_regions_in_an_array), TEST(the_errors_of_an_array_are_reported),
           TEST(a_file_of_the_largest_size), TEST(the_check_of_an_array_finds_damage),
           TEST(strict_over_an_array))
