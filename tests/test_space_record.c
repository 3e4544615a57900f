/*
 * Spaces with a record of their opener's in their own pages (src/space_record.h). Where the backend
 * can, the pages and the placeholder are one mapping.
 *
 *     pages                     base
 *     | space | record |        | first |              placeholder                 |
 */
#include "../src/space_record.h"

#include <stdint.h>
#include <string.h>

#include "check.h"
#include "probe.h"

enum { RECORD = 1000 };

static size_t page(void) { return hf_backend_native()->page_size(hf_backend_native()); }

static bool has_joint(void) { return hf_backend_native()->reserve_with_pages != NULL; }

static hf_space *open_with(size_t size, const hf_backend *backend, hf_space_record *record) {
    hf_space *space;
    hf_space_options options = {.backend = backend};
    CHECK_STATUS(HF_OK, hf_space_open_with(&space, size, &options, record));
    CHECK_EQUAL(size, hf_space_size(space));
    CHECK_EQUAL(0, (uintptr_t)hf_space_base(space) % HF_ALLOCATION_GRANULARITY);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    return space;
}

/* The record is zero at first, aligned, and keeps what is stored while the space changes. */
static void use_record(const hf_backend *backend, bool is_apart, size_t size) {
    hf_space_record record = {.size = RECORD, .is_apart = is_apart};
    size_t outer = check_enter("%zu bytes, apart: %d", size, is_apart);
    hf_space *space = open_with(size, backend, &record);
    char *bytes = record.address;
    CHECK_EQUAL(0, (uintptr_t)bytes % 16);
    for (size_t i = 0; i < RECORD; i++) CHECK_EQUAL(0, bytes[i]);
    memset(bytes, 'r', RECORD);
    for (size_t offset = 0; offset + page() <= size && offset < 64 * page(); offset += 2 * page())
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, offset, page()));
    memset(hf_space_base(space), 'c', page());
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, size));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    for (size_t i = 0; i < RECORD; i++) CHECK_EQUAL('r', bytes[i]);
    hf_space_close(space);
    check_leave(outer);
}

static const size_t pages_of_spaces[] = {1, 16, 17, 512, 513, 4096, 100000};

static void the_record_lies_beside_the_space(void) {
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    for (size_t i = 0; i < sizeof pages_of_spaces / sizeof *pages_of_spaces; i++) {
        size_t size = pages_of_spaces[i] * page();
        use_record(NULL, false, size);
        use_record(NULL, true, size);
        use_record(strict, false, size);
    }
    hf_strict_stats stats = hf_strict_get_stats(strict);
    CHECK_EQUAL(0, stats.violations + stats.regions + stats.pages + stats.locks);
    hf_strict_close(strict);
}

/* A record that is larger than a page. */
static void a_large_record_has_pages_enough(void) {
    for (int is_apart = 0; is_apart < 2; is_apart++) {
        hf_space_record record = {.size = 100001, .is_apart = is_apart};
        hf_space *space = open_with(32 * page(), NULL, &record);
        memset(record.address, 'r', record.size);
        CHECK(hf_space_get_stats(space).record_bytes > record.size);
        for (size_t i = 0; i < 32; i += 2)
            CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * page(), page()));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        hf_space_close(space);
    }
}

/* Before and after each first commit, whatever its extent, each placeholder faults. */
static void placeholders_fault_beside_the_first_commit(void) {
    size_t unit = HF_ALLOCATION_GRANULARITY / page(), ends[] = {1, unit, unit + 1, 40 * unit};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t outer = check_enter("first commit of %zu pages", ends[i]);
        hf_space_record record = {.size = RECORD};
        hf_space *space = open_with(64 * HF_ALLOCATION_GRANULARITY, NULL, &record);
        char *base = hf_space_base(space), *end = base + ends[i] * page();
        CHECK(!probe_readable(base) && !probe_readable(base + hf_space_size(space) - 1));
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, ends[i] * page()));
        CHECK(probe_writable(base) && probe_writable(end - 1) && !probe_readable(end));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, page()));
        CHECK(!probe_readable(base));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, page()));
        CHECK_EQUAL(0, *base);
        CHECK_STATUS(HF_OK, hf_space_check(space));
        hf_space_close(space);
        check_leave(outer);
    }
}

/* ------------------------------------------------- which functions are called --------------- */

static struct calls {
    size_t reserves, releases, pages, commits, firsts, joints, joint_releases;
} calls;

static hf_status count_reserve(const hf_backend *self, void *base, size_t size, void **address,
                               hf_report *report) {
    (void)self;
    calls.reserves++;
    return hf_backend_native()->reserve(hf_backend_native(), base, size, address, report);
}

static void count_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    (void)self;
    calls.releases++;
    hf_backend_native()->release(hf_backend_native(), address, size, kind);
}

static hf_status count_pages(const hf_backend *self, size_t size, void **address,
                             hf_report *report) {
    (void)self;
    calls.pages++;
    return hf_backend_native()->allocate_pages(hf_backend_native(), size, address, report);
}

static void count_free(const hf_backend *self, void *address, size_t size) {
    (void)self;
    calls.pages--;
    hf_backend_native()->free_pages(hf_backend_native(), address, size);
}

static hf_status count_commit(const hf_backend *self, void *address, size_t size,
                              hf_report *report) {
    (void)self;
    calls.commits++;
    return hf_backend_native()->commit(hf_backend_native(), address, size, report);
}

static hf_status count_first(const hf_backend *self, void *address, size_t size,
                             hf_report *report) {
    (void)self;
    calls.firsts++;
    return hf_backend_native()->commit_first(hf_backend_native(), address, size, report);
}

static hf_status count_joint(const hf_backend *self, size_t size, size_t pages,
                             hf_reservation *reservation, hf_report *report) {
    calls.joints++;
    return hf_backend_native()->reserve_with_pages(self, size, pages, reservation, report);
}

static void count_joint_release(const hf_backend *self, const hf_reservation *reservation) {
    calls.joint_releases++;
    hf_backend_native()->release_with_pages(self, reservation);
}

/* Opens a space, commits two regions, and closes it. */
static void run_copy(const hf_backend *copy) {
    hf_space_record record = {.size = RECORD};
    calls = (struct calls){0};
    hf_space *space = open_with(16 * page(), copy, &record);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, page()));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, page(), page()));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_EQUAL(0, hf_space_get_stats(space).failures);
    hf_space_close(space);
}

/* A copy of the native backend that replaces a function in whose place another one would be called
 * has its own called. */
static void a_copy_has_its_functions_called(void) {
    hf_backend copy = *hf_backend_native();
    copy.reserve = count_reserve;
    run_copy(&copy);
    CHECK_EQUAL(1, calls.reserves);
    copy = *hf_backend_native();
    copy.release = count_release;
    run_copy(&copy);
    CHECK_EQUAL(3, calls.releases);
    copy = *hf_backend_native();
    copy.commit = count_commit;
    run_copy(&copy);
    CHECK_EQUAL(2, calls.commits);
    copy = *hf_backend_native();
    copy.allocate_pages = count_pages;
    run_copy(&copy);
    CHECK_EQUAL(1, calls.pages);
    copy = *hf_backend_native();
    copy.free_pages = count_free;
    run_copy(&copy);
    CHECK_EQUAL((size_t)-1, calls.pages);
}

static hf_backend counting_joint(void) {
    hf_backend copy = *hf_backend_native();
    copy.reserve_with_pages = count_joint;
    copy.release_with_pages = count_joint_release;
    copy.commit_first = count_first;
    return copy;
}

/* commit_first is called once, and only for a range within the first 64 KiB. */
static void the_first_commit_is_called_once(void) {
    if (!has_joint()) {
        check_skip("the backend reserves no pages with a placeholder");
        return;
    }
    hf_backend copy = counting_joint();
    run_copy(&copy);
    CHECK_EQUAL(1, calls.joints);
    CHECK_EQUAL(1, calls.joint_releases);
    CHECK_EQUAL(1, calls.firsts);
    copy.commit_first = NULL;
    run_copy(&copy);
    CHECK_EQUAL(0, calls.firsts);
}

static hf_space *open_counted(const hf_backend *copy) {
    hf_space_record record = {.size = RECORD};
    calls = (struct calls){0};
    return open_with(4 * HF_ALLOCATION_GRANULARITY, copy, &record);
}

static void what_is_not_the_first_commit_calls_none(void) {
    if (!has_joint()) {
        check_skip("the backend reserves no pages with a placeholder");
        return;
    }
    hf_backend copy = counting_joint();
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page(), &copy));
    hf_space *space = open_counted(&copy);
    size_t unit = HF_ALLOCATION_GRANULARITY;
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, unit + page())); /* beyond */
    hf_space_close(space);
    space = open_counted(&copy);
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, page(), file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_unmap(space, 0, page())); /* a placeholder again, not in dumps */
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, page()));
    hf_space_close(space);
    CHECK_EQUAL(0, calls.firsts);
    space = open_counted(&copy);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, unit, unit)); /* behind */
    CHECK_EQUAL(0, calls.firsts);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, unit));
    CHECK_EQUAL(1, calls.firsts);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 2 * unit));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, unit));
    CHECK_EQUAL(1, calls.firsts);
    hf_space_close(space);
    hf_file_close(file);
}

CHECK_MAIN(TEST(the_record_lies_beside_the_space), TEST(a_large_record_has_pages_enough),
           TEST(placeholders_fault_beside_the_first_commit), TEST(a_copy_has_its_functions_called),
           TEST(the_first_commit_is_called_once), TEST(what_is_not_the_first_commit_calls_none))
