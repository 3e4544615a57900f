/*
 * Calls the functions of the strict backend directly: each rule of Windows' placeholders that it
 * enforces, with the code that Windows returns; failures on demand; and its counts.
 *
 * These tests break the rules on purpose. A space on strict never does: there the count of
 * violations must stay zero.
 */
#include "check.h"
#include "space_fixture.h"

enum { INVALID_PARAMETER = 87, INVALID_ADDRESS = 487, MAPPED_ALIGNMENT = 1132 };
enum {
    NOT_ENOUGH_MEMORY = 8,
    LOCK_VIOLATION = 33,
    NOT_SUPPORTED = 50,
    DISK_FULL = 112,
    NO_SYSTEM_RESOURCES = 1450,
    COMMITMENT_LIMIT = 1455
};
enum { PAGES = 16, FILE_PAGES = 4 };

/* One reservation on a strict backend, and a file. at(3) is the address of page 3. */
static hf_backend *strict;
static hf_report report;
static char *base;
static size_t page_size;
static intptr_t file;

static char *at(size_t index) { return base + index * page_size; }

/* Where the system cannot map views into a space, strict runs on a backend that commits memory
 * instead, so that the rules of views can be tested. */
static hf_status commit_as_view(const hf_backend *self, void *address, size_t size, intptr_t shown,
                                uint64_t file_offset, hf_access access, hf_report *why) {
    (void)shown, (void)file_offset, (void)access;
    return hf_backend_native()->commit(self, address, size, why);
}

static void release_as_view(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    hf_backend_native()->release(self, address, size, kind == HF_VIEW ? HF_COMMITTED : kind);
}

/* Stand for functions that the system lacks, so that strict has them. */
static hf_status seal_nothing(const hf_backend *self, intptr_t sealed, uint64_t size,
                              hf_report *why) {
    (void)self, (void)sealed, (void)size, (void)why;
    return HF_OK;
}

static hf_status punch_nothing(const hf_backend *self, intptr_t punched, uint64_t offset,
                               uint64_t size, hf_report *why) {
    (void)self, (void)punched, (void)offset, (void)size, (void)why;
    return HF_OK;
}

static const hf_backend *complete_backend(void) {
    static hf_backend complete;
    complete = *hf_backend_native();
    if (complete.file_seal == NULL) complete.file_seal = seal_nothing;
    if (complete.file_punch_hole == NULL) complete.file_punch_hole = punch_nothing;
    if (backend_has_views(NULL)) return &complete;
    complete.map = commit_as_view;
    complete.unmap = complete.decommit;
    complete.release = release_as_view;
    return &complete;
}

static void open_reservation(void) {
    void *address;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, complete_backend()));
    page_size = strict->page_size(strict);
    CHECK_STATUS(HF_OK, strict->reserve(strict, NULL, PAGES * page_size, &address, &report));
    base = address;
    CHECK_STATUS(HF_OK, strict->file_create_shared(strict, FILE_PAGES * page_size, &file, &report));
}

static void release(size_t first, size_t count, hf_kind kind) {
    strict->release(strict, at(first), count * page_size, kind);
}

static void close_reservation(void) {
    hf_strict_stats stats;
    strict->file_close(strict, file);
    stats = hf_strict_get_stats(strict);
    CHECK_EQUAL(0, stats.regions);
    CHECK_EQUAL(0, stats.files);
    hf_strict_close(strict);
}

/* The steps, with offset and size in pages. */
static hf_status split(size_t first, size_t count) {
    return strict->split(strict, at(first), count * page_size, &report);
}
static hf_status coalesce(size_t first, size_t count) {
    return strict->coalesce(strict, at(first), count * page_size, &report);
}
static hf_status commit(size_t first, size_t count) {
    return strict->commit(strict, at(first), count * page_size, &report);
}
static hf_status decommit(size_t first, size_t count) {
    return strict->decommit(strict, at(first), count * page_size, &report);
}
static hf_status map(size_t first, size_t count) {
    return strict->map(strict, at(first), count * page_size, file, 0, HF_READ_WRITE, &report);
}
static hf_status unmap(size_t first, size_t count) {
    return strict->unmap(strict, at(first), count * page_size, &report);
}

/* The call must fail with this code and count as a violation, and change no region. */
#define CHECK_VIOLATES(code, failing_call)                             \
    do {                                                               \
        hf_strict_stats before_ = hf_strict_get_stats(strict), after_; \
        CHECK((failing_call) != HF_OK);                                \
        after_ = hf_strict_get_stats(strict);                          \
        CHECK_EQUAL(code, report.os_code);                             \
        CHECK(report.call != NULL);                                    \
        CHECK_EQUAL(before_.violations + 1, after_.violations);        \
        CHECK_EQUAL(before_.failures, after_.failures);                \
        CHECK_EQUAL(before_.regions, after_.regions);                  \
    } while (0)

/* ----------------------------------------------------------------------- rules -------------- */

/* Rules 1, 4, 26: address and size of a reservation are aligned, and the addresses are free. */
static void rules_of_reserve(void) {
    void *address = NULL, *in_use;
    open_reservation();
    CHECK((uintptr_t)base % HF_ALLOCATION_GRANULARITY == 0);
    CHECK_VIOLATES(INVALID_PARAMETER, strict->reserve(strict, NULL, 0, &address, &report));
    CHECK_VIOLATES(INVALID_PARAMETER, strict->reserve(strict, NULL, 1, &address, &report));
    CHECK_VIOLATES(INVALID_PARAMETER,
                   strict->reserve(strict, at(PAGES) + 1, page_size, &address, &report));
    CHECK_VIOLATES(INVALID_ADDRESS,
                   strict->reserve(strict, base + page_size, page_size, &address, &report));
    CHECK_VIOLATES(INVALID_ADDRESS,
                   strict->reserve(strict, base + 1, page_size, &address, &report));
    in_use = base; /* no violation: other code of the process may have taken the address */
    CHECK_STATUS(HF_NO_ADDRESS, strict->reserve(strict, in_use, page_size, &address, &report));
    CHECK_EQUAL(INVALID_ADDRESS, report.os_code);
    CHECK_EQUAL(5, hf_strict_get_stats(strict).violations);
    CHECK(address == NULL);
    release(0, PAGES, HF_PLACEHOLDER);
    close_reservation();
}

/* Rules 6, 7, 8, 9, 13: a split is of a proper part of one placeholder, in whole pages. */
static void rules_of_split(void) {
    open_reservation();
    CHECK_STATUS(HF_OK, split(0, 1));  /* |p|...            */
    CHECK_STATUS(HF_OK, split(15, 1)); /* |p|.............|p| */
    CHECK_STATUS(HF_OK, split(4, 3));  /* |p|...|p p p|........|p| */
    CHECK_EQUAL(5, hf_strict_get_stats(strict).regions);
    CHECK_VIOLATES(INVALID_ADDRESS, split(4, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, split(0, 1));
    CHECK_VIOLATES(INVALID_PARAMETER, split(3, 2));
    CHECK_VIOLATES(INVALID_PARAMETER, split(5, 3));
    CHECK_VIOLATES(INVALID_PARAMETER, split(4, 4));
    CHECK_VIOLATES(INVALID_PARAMETER, split(15, 2));
    CHECK_VIOLATES(INVALID_ADDRESS, split(PAGES, 1));
    CHECK_VIOLATES(INVALID_PARAMETER, split(8, 0));
    CHECK_VIOLATES(INVALID_PARAMETER, strict->split(strict, at(8) + 1, page_size, &report));
    CHECK_VIOLATES(INVALID_PARAMETER, strict->split(strict, at(8), page_size - 1, &report));
    CHECK_STATUS(HF_OK, map(4, 3));
    CHECK_VIOLATES(INVALID_PARAMETER, split(4, 1));
    CHECK_VIOLATES(INVALID_PARAMETER, split(4, 3));
    release(0, 1, HF_PLACEHOLDER);
    release(1, 3, HF_PLACEHOLDER);
    release(4, 3, HF_VIEW);
    release(7, 8, HF_PLACEHOLDER);
    release(15, 1, HF_PLACEHOLDER);
    close_reservation();
}

/* Rules 17, 18, 19: a coalesce is of exactly two or more whole adjacent placeholders. */
static void rules_of_coalesce(void) {
    open_reservation();
    for (size_t i = 0; i < 8; i++) CHECK_STATUS(HF_OK, split(i, 1)); /* |p|p|p|p|p|p|p|p|p...| */
    CHECK_VIOLATES(INVALID_ADDRESS, coalesce(3, 1));
    CHECK_VIOLATES(INVALID_ADDRESS, coalesce(7, 2));
    CHECK_VIOLATES(INVALID_ADDRESS, coalesce(9, 7));
    CHECK_VIOLATES(INVALID_ADDRESS, coalesce(8, 9));
    CHECK_VIOLATES(INVALID_PARAMETER, coalesce(3, 0));
    CHECK_VIOLATES(INVALID_PARAMETER, strict->coalesce(strict, at(1) + 8, page_size, &report));
    CHECK_STATUS(HF_OK, commit(2, 1));
    CHECK_STATUS(HF_OK, map(5, 1)); /* |p|p|c|p|p|v|p|p|p...| */
    CHECK_VIOLATES(INVALID_ADDRESS, coalesce(0, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, coalesce(1, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, coalesce(2, 2));
    CHECK_VIOLATES(INVALID_ADDRESS, coalesce(4, 2));
    CHECK_VIOLATES(INVALID_PARAMETER, coalesce(5, 2)); /* begins with a view */
    CHECK_STATUS(HF_OK, coalesce(0, 2));
    CHECK_STATUS(HF_OK, decommit(2, 1));
    CHECK_STATUS(HF_OK, unmap(5, 1));
    CHECK_STATUS(HF_OK, coalesce(0, PAGES)); /* any number in one call */
    CHECK_EQUAL(1, hf_strict_get_stats(strict).regions);
    release(0, PAGES, HF_PLACEHOLDER);
    close_reservation();
}

/* Rule 20: adjacent placeholders of two reservations coalesce, but not over a hole between them. */
static void reservations_coalesce_but_not_over_a_hole(void) {
    void *lower, *upper;
    open_reservation();
    size_t half = HF_ALLOCATION_GRANULARITY;
    void *both;
    CHECK_STATUS(HF_OK, strict->reserve(strict, NULL, 2 * half, &both, &report));
    strict->release(strict, both, 2 * half, HF_PLACEHOLDER);
    CHECK_STATUS(HF_OK, strict->reserve(strict, (char *)both + half, half, &upper, &report));
    CHECK_VIOLATES(INVALID_ADDRESS, strict->coalesce(strict, both, 2 * half, &report));
    CHECK_STATUS(HF_OK, strict->reserve(strict, both, half, &lower, &report));
    CHECK_STATUS(HF_OK, strict->coalesce(strict, lower, 2 * half, &report));
    strict->release(strict, both, 2 * half, HF_PLACEHOLDER);
    release(0, PAGES, HF_PLACEHOLDER);
    close_reservation();
}

/* Rules 2, 4: a replacement matches one placeholder exactly. */
static void rules_of_commit(void) {
    open_reservation();
    CHECK_STATUS(HF_OK, split(4, 4));
    CHECK_VIOLATES(INVALID_ADDRESS, commit(4, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, commit(5, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, commit(5, 1));
    CHECK_VIOLATES(INVALID_ADDRESS, commit(4, 5));
    CHECK_VIOLATES(INVALID_ADDRESS, commit(0, PAGES));
    CHECK_VIOLATES(INVALID_ADDRESS, commit(PAGES, 1));
    CHECK_VIOLATES(INVALID_ADDRESS, strict->commit(strict, base - page_size, page_size, &report));
    CHECK_VIOLATES(INVALID_PARAMETER, commit(4, 0));
    CHECK_VIOLATES(INVALID_PARAMETER, strict->commit(strict, at(4) + 1, page_size, &report));
    CHECK_STATUS(HF_OK, commit(4, 4));
    CHECK_VIOLATES(INVALID_ADDRESS, commit(4, 4));
    CHECK_VIOLATES(INVALID_ADDRESS, map(4, 4));
    release(0, 4, HF_PLACEHOLDER);
    release(4, 4, HF_COMMITTED);
    release(8, 8, HF_PLACEHOLDER);
    close_reservation();
}

/* Rules 11, 12: a decommit is of an allocation or a part of one; memory committed again is zero. */
static void rules_of_decommit(void) {
    open_reservation();
    CHECK_STATUS(HF_OK, split(4, 8));
    CHECK_STATUS(HF_OK, commit(4, 8));
    memset(at(4), 7, 8 * page_size);
    CHECK_STATUS(HF_OK, decommit(4, 1));  /* head */
    CHECK_STATUS(HF_OK, decommit(11, 1)); /* tail */
    CHECK_STATUS(HF_OK, decommit(7, 2));  /* middle: |p p p p|p|c c|p p|c c|p|p p p p| */
    CHECK(*at(5) == 7 && *at(6) == 7 && *at(9) == 7 && *at(10) == 7);
    CHECK_STATUS(HF_OK, commit(7, 2));
    CHECK(*at(7) == 0 && *at(8) == 0);
    CHECK_VIOLATES(INVALID_ADDRESS, decommit(4, 1));    /* a placeholder already */
    CHECK_VIOLATES(INVALID_PARAMETER, decommit(5, 4));  /* two allocations */
    CHECK_VIOLATES(INVALID_PARAMETER, decommit(10, 2)); /* an allocation and a placeholder */
    CHECK_VIOLATES(INVALID_ADDRESS, decommit(PAGES, 1));
    CHECK_VIOLATES(INVALID_PARAMETER, decommit(5, 0));
    CHECK_VIOLATES(INVALID_PARAMETER, strict->decommit(strict, at(5) + 1, page_size, &report));
    CHECK_STATUS(HF_OK, map(0, 4));
    CHECK_VIOLATES(INVALID_PARAMETER, decommit(0, 4)); /* a view */
    CHECK_VIOLATES(INVALID_PARAMETER, decommit(1, 1)); /* a part of a view */
    release(0, 4, HF_VIEW);
    release(4, 1, HF_PLACEHOLDER);
    release(5, 2, HF_COMMITTED);
    release(7, 2, HF_COMMITTED);
    release(9, 2, HF_COMMITTED);
    release(11, 1, HF_PLACEHOLDER);
    release(12, 4, HF_PLACEHOLDER);
    close_reservation();
}

/* Rules 2, 24: a view replaces exactly one placeholder; file offset and address are whole pages. */
static void rules_of_map(void) {
    open_reservation();
    CHECK_STATUS(HF_OK, split(4, 4));
    CHECK_VIOLATES(INVALID_ADDRESS, map(4, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, map(5, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, map(0, 8));
    CHECK_VIOLATES(INVALID_ADDRESS, map(PAGES, 1));
    CHECK_VIOLATES(MAPPED_ALIGNMENT, map(4, 0));
    CHECK_VIOLATES(MAPPED_ALIGNMENT,
                   strict->map(strict, at(4) + 1, page_size, file, 0, HF_READ_WRITE, &report));
    CHECK_VIOLATES(MAPPED_ALIGNMENT, strict->map(strict, at(4), 4 * page_size, file, page_size / 2,
                                                 HF_READ_WRITE, &report));
    CHECK_STATUS(HF_OK, map(4, 4));
    CHECK_VIOLATES(INVALID_ADDRESS, map(4, 4));
    CHECK_VIOLATES(INVALID_ADDRESS, commit(4, 4));
    release(0, 4, HF_PLACEHOLDER);
    release(4, 4, HF_VIEW);
    release(8, 8, HF_PLACEHOLDER);
    close_reservation();
}

/* Rules 14, 15: a view is unmapped whole, and only once. */
static void rules_of_unmap(void) {
    open_reservation();
    CHECK_STATUS(HF_OK, split(0, 4));
    CHECK_STATUS(HF_OK, split(4, 4));
    CHECK_STATUS(HF_OK, map(0, 4));
    CHECK_STATUS(HF_OK, commit(4, 4)); /* |v v v v|c c c c|p...| */
    CHECK_VIOLATES(INVALID_ADDRESS, unmap(0, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, unmap(1, 3));
    CHECK_VIOLATES(INVALID_ADDRESS, unmap(0, 8));
    CHECK_VIOLATES(INVALID_ADDRESS, unmap(4, 4));
    CHECK_VIOLATES(INVALID_ADDRESS, unmap(8, 8));
    CHECK_VIOLATES(INVALID_PARAMETER, unmap(0, 0));
    CHECK_VIOLATES(INVALID_PARAMETER, strict->unmap(strict, at(0) + 1, 4 * page_size, &report));
    CHECK_STATUS(HF_OK, unmap(0, 4));
    CHECK_VIOLATES(INVALID_ADDRESS, unmap(0, 4));
    release(0, 4, HF_PLACEHOLDER);
    release(4, 4, HF_COMMITTED);
    release(8, 8, HF_PLACEHOLDER);
    close_reservation();
}

/* Rule 21: a release is of one whole region; any other is a violation and frees nothing. */
static void rules_of_release(void) {
    open_reservation();
    CHECK_STATUS(HF_OK, split(4, 4));
    CHECK_STATUS(HF_OK, commit(4, 4));
    *at(4) = 9;
    release(4, 4, HF_PLACEHOLDER);
    release(4, 3, HF_COMMITTED);
    release(5, 3, HF_COMMITTED);
    release(0, 8, HF_PLACEHOLDER);
    release(PAGES, 1, HF_PLACEHOLDER);
    CHECK_EQUAL(5, hf_strict_get_stats(strict).violations);
    CHECK_EQUAL(3, hf_strict_get_stats(strict).regions);
    CHECK_EQUAL(9, *at(4));
    release(0, 4, HF_PLACEHOLDER);
    release(4, 4, HF_COMMITTED);
    release(8, 8, HF_PLACEHOLDER);
    release(8, 8, HF_PLACEHOLDER); /* twice */
    CHECK_EQUAL(6, hf_strict_get_stats(strict).violations);
    close_reservation();
}

/* -------------------------------------------------------------------- failures -------------- */

/* Every call that strict counts, in a state that allows it, so that it fails only on demand. */
static hf_status call_reserve(void) {
    void *address;
    return strict->reserve(strict, NULL, page_size, &address, &report);
}
static hf_status call_split(void) { return split(0, 1); }
static hf_status call_coalesce(void) { return coalesce(3, 2); }
static hf_status call_commit(void) { return commit(3, 1); }
static hf_status call_decommit(void) { return decommit(5, 1); }
static hf_status call_map(void) { return map(3, 1); }
static hf_status call_unmap(void) { return unmap(6, 1); }
static hf_status call_advise(void) {
    return strict->advise(strict, at(5), page_size, HF_ADVISE_POPULATE, &report);
}
static hf_status call_allocate_pages(void) {
    void *address;
    return strict->allocate_pages(strict, page_size, &address, &report);
}
static hf_status call_file_open(void) {
    intptr_t opened;
    uint64_t size;
    return strict->file_open(strict, "/nowhere/at/all", HF_READ_ONLY, &opened, &size, &report);
}
static hf_status call_file_create(void) {
    intptr_t opened;
    return strict->file_create(strict, "/nowhere/at/all", 1, &opened, &report);
}
static hf_status call_file_create_shared(void) {
    intptr_t opened;
    return strict->file_create_shared(strict, 1, &opened, &report);
}
static hf_status call_file_duplicate(void) {
    intptr_t opened;
    uint64_t size;
    return strict->file_duplicate(strict, file, HF_READ_ONLY, &opened, &size, &report);
}
static hf_status call_lock_open(void) {
    static hf_lock lock;
    return strict->lock_open(strict, &lock, &report);
}

static hf_status call_file_open_or_create(void) {
    intptr_t opened;
    uint64_t size;
    return strict->file_open_or_create(strict, "/nowhere/at/all", &opened, &size, &report);
}
static hf_status call_file_measure(void) {
    uint64_t size;
    return strict->file_measure(strict, file, &size, &report);
}
static hf_status call_file_resize(void) { return strict->file_resize(strict, file, 0, 0, &report); }
static hf_status call_file_fill(void) { return strict->file_fill(strict, file, 0, false, &report); }
static hf_status call_file_read(void) {
    char byte;
    return strict->file_read(strict, file, 0, &byte, 1, &report);
}
static hf_status call_file_write(void) {
    return strict->file_write(strict, file, 0, "", 1, &report);
}
static hf_status call_file_sync(void) { return strict->file_sync(strict, file, &report); }
static hf_status call_file_flush(void) {
    return strict->file_flush(strict, at(6), page_size, &report);
}
static hf_status call_file_lock(void) { return strict->file_lock(strict, file, true, &report); }
static hf_status call_file_is_at(void) {
    bool is_there;
    return strict->file_is_at(strict, file, NULL, &is_there, &report);
}
static hf_status call_file_seal(void) {
    return strict->file_seal(strict, file, FILE_PAGES * page_size, &report);
}
static hf_status call_file_punch_hole(void) {
    return strict->file_punch_hole(strict, file, 0, page_size, &report);
}
static hf_status call_file_create_named(void) {
    intptr_t opened;
    return strict->file_create_named(strict, "none", 1, &opened, &report);
}
static hf_status call_file_open_named(void) {
    intptr_t opened;
    uint64_t size;
    return strict->file_open_named(strict, "none", HF_READ_ONLY, &opened, &size, &report);
}
static hf_status call_file_remove_named(void) {
    return strict->file_remove_named(strict, "none", &report);
}
static hf_status call_draft_open(void) {
    void *draft;
    intptr_t opened;
    return strict->draft_open(strict, "/nowhere/at/all", 1, &draft, &opened, &report);
}

enum { MOST_WAYS = 6 };

static const struct counted {
    hf_status (*call)(void);
    long code;                     /* the code with the first status */
    hf_status statuses[MOST_WAYS]; /* what the call can return, in strict's order; HF_OK: end */
} counted[] = {
    {call_reserve, NOT_ENOUGH_MEMORY, {HF_NO_ADDRESS, HF_MAP_LIMIT}},
    {call_split, NOT_ENOUGH_MEMORY, {HF_NO_MEMORY, HF_MAP_LIMIT}},
    {call_coalesce, NOT_ENOUGH_MEMORY, {HF_NO_MEMORY, HF_MAP_LIMIT}},
    {call_commit, COMMITMENT_LIMIT, {HF_NO_MEMORY, HF_MAP_LIMIT}},
    {call_decommit, NOT_ENOUGH_MEMORY, {HF_NO_MEMORY, HF_MAP_LIMIT, HF_MAP_LIMIT, HF_UNSUPPORTED}},
    {call_map,
     COMMITMENT_LIMIT,
     {HF_NO_MEMORY, HF_IO, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_SPACE, HF_INVALID}},
    {call_unmap, NOT_ENOUGH_MEMORY, {HF_NO_MEMORY, HF_MAP_LIMIT}},
    {call_advise, NOT_ENOUGH_MEMORY, {HF_NO_MEMORY, HF_UNSUPPORTED, HF_MAP_LIMIT}},
    {call_allocate_pages, COMMITMENT_LIMIT, {HF_NO_MEMORY, HF_MAP_LIMIT}},
    {call_file_open, NO_SYSTEM_RESOURCES, {HF_IO, HF_UNSUPPORTED}},
    {call_file_create, DISK_FULL, {HF_NO_SPACE, HF_IO, HF_UNSUPPORTED}},
    {call_file_create_shared, COMMITMENT_LIMIT, {HF_NO_MEMORY, HF_NO_SPACE, HF_IO, HF_UNSUPPORTED}},
    {call_file_duplicate, NO_SYSTEM_RESOURCES, {HF_IO, HF_UNSUPPORTED, HF_INVALID}},
    {call_file_open_or_create, NO_SYSTEM_RESOURCES, {HF_IO, HF_NO_SPACE, HF_UNSUPPORTED}},
    {call_file_measure, NO_SYSTEM_RESOURCES, {HF_IO}},
    {call_file_resize, DISK_FULL, {HF_NO_SPACE, HF_IO}},
    {call_file_fill, DISK_FULL, {HF_NO_SPACE, HF_IO, HF_UNSUPPORTED}},
    {call_file_read, NO_SYSTEM_RESOURCES, {HF_IO}},
    {call_file_write, DISK_FULL, {HF_NO_SPACE, HF_IO}},
    {call_file_sync, NO_SYSTEM_RESOURCES, {HF_IO, HF_NO_SPACE}},
    {call_file_flush, NO_SYSTEM_RESOURCES, {HF_IO, HF_NO_SPACE}},
    {call_file_lock, LOCK_VIOLATION, {HF_BUSY, HF_UNSUPPORTED, HF_IO}},
    {call_file_is_at, NO_SYSTEM_RESOURCES, {HF_IO}},
    {call_file_seal, NOT_SUPPORTED, {HF_UNSUPPORTED, HF_IO, HF_WRONG_STATE}},
    {call_file_punch_hole, NOT_SUPPORTED, {HF_UNSUPPORTED, HF_IO, HF_NO_SPACE}},
    {call_file_create_named, COMMITMENT_LIMIT, {HF_NO_MEMORY, HF_NO_SPACE, HF_IO, HF_UNSUPPORTED}},
    {call_file_open_named, NO_SYSTEM_RESOURCES, {HF_IO, HF_BUSY, HF_UNSUPPORTED}},
    {call_file_remove_named, NO_SYSTEM_RESOURCES, {HF_IO, HF_UNSUPPORTED}},
    {call_draft_open, DISK_FULL, {HF_NO_SPACE, HF_BUSY, HF_UNSUPPORTED, HF_IO}},
    {call_lock_open, NOT_ENOUGH_MEMORY, {HF_NO_MEMORY}},
};

enum { COUNTED = sizeof counted / sizeof *counted };

/* |p p p|p|p|c|v|p...|: each of the calls above is allowed here. */
static void open_varied_regions(void) {
    open_reservation();
    CHECK_STATUS(HF_OK, split(3, 1));
    CHECK_STATUS(HF_OK, split(4, 1));
    CHECK_STATUS(HF_OK, split(5, 1));
    CHECK_STATUS(HF_OK, split(6, 1));
    CHECK_STATUS(HF_OK, commit(5, 1));
    CHECK_STATUS(HF_OK, map(6, 1));
    *at(5) = 5;
    *at(6) = 6;
}

static void close_varied_regions(void) {
    CHECK(*at(5) == 5 && *at(6) == 6);
    release(0, 3, HF_PLACEHOLDER);
    release(3, 1, HF_PLACEHOLDER);
    release(4, 1, HF_PLACEHOLDER);
    release(5, 1, HF_COMMITTED);
    release(6, 1, HF_VIEW);
    release(7, 9, HF_PLACEHOLDER);
    close_reservation();
}

static size_t count_ways(const struct counted *wanted) {
    size_t count = 0;
    while (count < MOST_WAYS && wanted->statuses[count] != HF_OK) count++;
    return count;
}

static void expect_same_counts(const hf_strict_stats *before, const hf_strict_stats *after) {
    CHECK_EQUAL(before->violations, after->violations);
    CHECK_EQUAL(before->regions, after->regions);
    CHECK_EQUAL(before->pages, after->pages);
    CHECK_EQUAL(before->files, after->files);
    CHECK_EQUAL(before->locks, after->locks);
}

static void expect_failure(const struct counted *wanted, size_t choice) {
    size_t ways = count_ways(wanted);
    hf_status status = wanted->statuses[choice % ways];
    hf_strict_stats before = hf_strict_get_stats(strict), after;
    hf_strict_fail_as(strict, choice);
    hf_strict_fail(strict, 1, false);
    CHECK_STATUS(status, wanted->call());
    after = hf_strict_get_stats(strict);
    CHECK_EQUAL(before.calls + 1, after.calls);
    CHECK_EQUAL(before.failures + 1, after.failures);
    CHECK_EQUAL(ways, after.choices);
    CHECK_STATUS(status, after.failed_as.status);
    CHECK_EQUAL(report.os_code, after.failed_as.os_code);
    CHECK(report.call != NULL && report.call == after.failed_as.call);
    expect_same_counts(&before, &after);
}

/* Rule 28 among others: a call that fails for lack of resources changes nothing. */
static void each_counted_call_can_fail(void) {
    open_varied_regions();
    for (size_t i = 0; i < COUNTED; i++) {
        size_t outer = check_enter("call %zu", i);
        expect_failure(&counted[i], 0);
        CHECK_EQUAL(counted[i].code, report.os_code);
        check_leave(outer);
    }
    close_varied_regions();
}

/* The third way of decommit to fail (choice 2) frees the pages. */
static void each_counted_call_can_fail_with_every_status(void) {
    open_varied_regions();
    for (size_t i = 0; i < COUNTED; i++) {
        for (size_t choice = 0; choice <= count_ways(&counted[i]); choice++) {
            size_t outer = check_enter("call %zu, way %zu", i, choice);
            bool loses_pages = counted[i].call == call_decommit && choice == 2;
            expect_failure(&counted[i], choice);
            CHECK_EQUAL(loses_pages ? 0 : 5, *at(5));
            *at(5) = 5;
            check_leave(outer);
        }
    }
    close_varied_regions();
}

static void the_nth_call_fails_once(void) {
    open_varied_regions();
    hf_strict_fail(strict, 3, false);
    CHECK_STATUS(HF_OK, split(0, 1));
    CHECK_STATUS(HF_OK, coalesce(0, 2 + 1));
    CHECK_STATUS(HF_NO_MEMORY, split(0, 1));
    CHECK_STATUS(HF_OK, split(0, 1));
    CHECK_STATUS(HF_OK, coalesce(0, 3));
    CHECK_EQUAL(1, hf_strict_get_stats(strict).failures);
    close_varied_regions();
}

static void from_the_nth_call_on_all_fail(void) {
    open_varied_regions();
    hf_strict_fail(strict, 2, true);
    CHECK_STATUS(HF_OK, split(0, 1));
    for (size_t i = 0; i < 5; i++) CHECK_STATUS(HF_NO_MEMORY, coalesce(0, 3));
    CHECK_EQUAL(5, hf_strict_get_stats(strict).failures);
    hf_strict_fail(strict, 0, true);
    CHECK_STATUS(HF_OK, coalesce(0, 3));
    close_varied_regions();
}

/* Only calls that break no rule are counted. */
static void a_violation_is_not_counted_as_a_call(void) {
    open_varied_regions();
    hf_strict_fail(strict, 2, false);
    CHECK_STATUS(HF_OK, split(0, 1));
    CHECK_VIOLATES(INVALID_ADDRESS, split(0, 1));
    CHECK_STATUS(HF_NO_MEMORY, coalesce(0, 3));
    CHECK_STATUS(HF_OK, coalesce(0, 3));
    CHECK_EQUAL(1, hf_strict_get_stats(strict).violations);
    close_varied_regions();
}

/* ---------------------------------------------------------------------- counts -------------- */

static void counts_what_is_open(void) {
    hf_lock lock;
    void *pages;
    intptr_t another;
    uint64_t size;
    open_varied_regions();
    hf_strict_stats before = hf_strict_get_stats(strict), stats;
    CHECK_EQUAL(6, before.regions);
    CHECK_EQUAL(1, before.files);
    CHECK_EQUAL(0, before.locks);
    CHECK_STATUS(HF_OK, strict->allocate_pages(strict, 3 * page_size, &pages, &report));
    CHECK_STATUS(HF_OK, strict->lock_open(strict, &lock, &report));
    CHECK_STATUS(HF_OK,
                 strict->file_duplicate(strict, file, HF_READ_WRITE, &another, &size, &report));
    stats = hf_strict_get_stats(strict);
    CHECK_EQUAL(FILE_PAGES * page_size, size);
    CHECK_EQUAL(3 * page_size, stats.pages);
    CHECK_EQUAL(1, stats.locks);
    CHECK_EQUAL(2, stats.files);
    CHECK_EQUAL(before.calls + 3, stats.calls);
    strict->lock(strict, &lock);
    strict->unlock(strict, &lock);
    strict->lock_close(strict, &lock);
    strict->free_pages(strict, pages, 3 * page_size);
    strict->file_close(strict, another);
    stats = hf_strict_get_stats(strict);
    CHECK_EQUAL(0, stats.pages);
    CHECK_EQUAL(0, stats.locks);
    CHECK_EQUAL(1, stats.files);
    CHECK_EQUAL(before.calls + 3, stats.calls); /* calls that cannot fail are not counted */
    close_varied_regions();
}

/* A call that fails in the backend below is no violation, and opens nothing. */
static void errors_of_the_backend_below_are_returned(void) {
    open_varied_regions();
    hf_strict_stats before = hf_strict_get_stats(strict), after;
    CHECK_STATUS(HF_IO, call_file_open());
    CHECK_STATUS(HF_IO, call_file_create());
    CHECK_STATUS(HF_IO, call_file_open_named());
    after = hf_strict_get_stats(strict);
    CHECK_EQUAL(before.calls + 3, after.calls);
    CHECK_EQUAL(before.failures, after.failures);
    expect_same_counts(&before, &after);
    close_varied_regions();
}

static void opening_and_closing(void) {
    CHECK_STATUS(HF_INVALID, hf_strict_open(NULL, NULL));
    hf_strict_close(NULL);
}

/* ----------------------------------------------------------- over another backend ----------- */

/* A native backend whose allocate_pages and lock_open fail after `grants` calls. */
struct limited {
    hf_backend backend;
    size_t grants, allocated; /* calls that still succeed; bytes */
};

static hf_status limited_allocate_pages(const hf_backend *self, size_t size, void **address,
                                        hf_report *why) {
    struct limited *limited = (struct limited *)(uintptr_t)self;
    if (limited->grants == 0) {
        why->call = "limited";
        why->os_code = 12;
        return HF_NO_MEMORY;
    }
    limited->grants--;
    limited->allocated += size;
    return hf_backend_native()->allocate_pages(self, size, address, why);
}

static void limited_free_pages(const hf_backend *self, void *address, size_t size) {
    struct limited *limited = (struct limited *)(uintptr_t)self;
    limited->allocated -= size;
    hf_backend_native()->free_pages(self, address, size);
}

static hf_status limited_lock_open(const hf_backend *self, hf_lock *lock, hf_report *why) {
    struct limited *limited = (struct limited *)(uintptr_t)self;
    return limited->grants > 0 ? hf_backend_native()->lock_open(self, lock, why)
                               : limited_allocate_pages(self, 0, NULL, why);
}

static struct limited make_limited(size_t grants) {
    struct limited limited = {.backend = *hf_backend_native(), .grants = grants};
    limited.backend.allocate_pages = limited_allocate_pages;
    limited.backend.free_pages = limited_free_pages;
    limited.backend.lock_open = limited_lock_open;
    return limited;
}

static void opens_whole_or_not_at_all(void) {
    hf_backend *opened = NULL;
    size_t grants = 0;
    for (;; grants++) {
        struct limited limited = make_limited(grants);
        hf_status status = hf_strict_open(&opened, &limited.backend);
        if (status == HF_OK) {
            hf_strict_close(opened);
            CHECK_EQUAL(0, limited.allocated);
            break;
        }
        CHECK_STATUS(HF_NO_MEMORY, status);
        CHECK(opened == NULL);
        CHECK_EQUAL(12, hf_last_error().os_code);
        CHECK_EQUAL(0, limited.allocated);
    }
    CHECK_EQUAL(3, grants); /* for its record, its table and its lock */
}

/* strict makes room in its table before a step; if that fails, the step changes nothing. */
static void a_step_fails_if_the_table_cannot_grow(void) {
    struct limited limited = make_limited(3);
    void *address;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &limited.backend));
    page_size = strict->page_size(strict);
    size_t pages = page_size; /* more than one page of the table can describe */
    CHECK_STATUS(HF_OK, strict->reserve(strict, NULL, pages * page_size, &address, &report));
    base = address;
    limited.grants = 0;
    size_t splits = 0;
    while (split(splits, 1) == HF_OK) splits++;
    CHECK_EQUAL(splits + 1, hf_strict_get_stats(strict).regions);
    CHECK_EQUAL(12, report.os_code);
    CHECK_STATUS(HF_NO_MEMORY, split(splits, 1));
    CHECK_STATUS(HF_NO_MEMORY, commit(splits - 1, 1));
    CHECK_STATUS(HF_NO_MEMORY, strict->reserve(strict, NULL, page_size, &address, &report));
    CHECK_EQUAL(0, hf_strict_get_stats(strict).violations);
    limited.grants = 1;
    CHECK_STATUS(HF_OK, split(splits, 1));
    splits++;
    CHECK_STATUS(HF_OK, coalesce(0, pages));
    release(0, pages, HF_PLACEHOLDER);
    hf_strict_close(strict);
    CHECK_EQUAL(0, limited.allocated);
}

static void lacks_the_optional_functions_that_the_backend_below_lacks(void) {
    hf_backend bare = *hf_backend_native();
    bare.advise = NULL;
    bare.name = NULL;
    bare.map_free = NULL;
    bare.pause = NULL;
    bare.cheap_reserve = NULL;
    bare.file_forget = NULL;
    bare.file_granularity = NULL;
    bare.file_seal = NULL;
    bare.file_is_sealed = NULL;
    bare.file_punch_hole = NULL;
    bare.file_create_named = NULL;
    bare.file_open_named = NULL;
    bare.file_remove_named = NULL;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &bare));
    CHECK(strict->advise == NULL && strict->name == NULL && strict->map_free == NULL);
    CHECK(strict->pause == NULL && strict->file_forget == NULL);
    CHECK(strict->cheap_reserve == NULL);
    CHECK(strict->file_granularity == NULL);
    CHECK(strict->file_seal == NULL && strict->file_is_sealed == NULL);
    CHECK(strict->file_punch_hole == NULL && strict->file_create_named == NULL);
    CHECK(strict->file_open_named == NULL && strict->file_remove_named == NULL);
    hf_strict_close(strict);
}

static const char *named;

static void note_name(const hf_backend *self, void *address, size_t size, const char *name,
                      hf_report *why) {
    (void)self, (void)address, (void)size, (void)why;
    named = name;
}

static void names_are_passed_on(void) {
    hf_backend naming = *hf_backend_native();
    naming.name = note_name;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &naming));
    strict->name(strict, &naming, 0, "a name", &report);
    CHECK(named && strcmp("a name", named) == 0);
    CHECK_EQUAL(0, hf_strict_get_stats(strict).calls);
    hf_strict_close(strict);
}

/* The arguments of the calls that reached the backend below. */
static struct asked {
    intptr_t unlocked, forgotten, granular, sealed;
    uint64_t sealed_size;
    unsigned paused;
    size_t processes;
} asked;

static void note_unlock(const hf_backend *self, intptr_t unlocked) {
    (void)self;
    asked.unlocked = unlocked;
}

static void note_forget(const hf_backend *self, intptr_t forgotten) {
    (void)self;
    asked.forgotten = forgotten;
}

static size_t note_granularity(const hf_backend *self, intptr_t granular) {
    (void)self;
    asked.granular = granular;
    return 1 << 21;
}

static bool note_is_sealed(const hf_backend *self, intptr_t sealed, uint64_t size) {
    (void)self;
    asked.sealed = sealed;
    asked.sealed_size = size;
    return true;
}

static void note_pause(const hf_backend *self, unsigned milliseconds) {
    (void)self;
    asked.paused = milliseconds;
}

static size_t note_cheap_reserve(const hf_backend *self) {
    (void)self;
    return 15;
}

static uint64_t note_process(const hf_backend *self) {
    (void)self;
    return 4711 + asked.processes++;
}

static void calls_that_cannot_fail_are_passed_on(void) {
    hf_backend noting = *hf_backend_native();
    noting.file_unlock = note_unlock;
    noting.file_forget = note_forget;
    noting.file_granularity = note_granularity;
    noting.file_is_sealed = note_is_sealed;
    noting.pause = note_pause;
    noting.process = note_process;
    noting.cheap_reserve = note_cheap_reserve;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &noting));
    hf_strict_fail(strict, 1, true);
    strict->file_unlock(strict, 11);
    strict->file_forget(strict, 12);
    CHECK_EQUAL(1 << 21, strict->file_granularity(strict, 13));
    CHECK(strict->file_is_sealed(strict, 16, 17));
    strict->pause(strict, 14);
    CHECK_EQUAL(4711, strict->process(strict));
    CHECK_EQUAL(11, asked.unlocked);
    CHECK_EQUAL(12, asked.forgotten);
    CHECK_EQUAL(13, asked.granular);
    CHECK_EQUAL(14, asked.paused);
    CHECK_EQUAL(16, asked.sealed);
    CHECK_EQUAL(17, asked.sealed_size);
    CHECK_EQUAL(15, strict->cheap_reserve(strict));
    CHECK_EQUAL(1, asked.processes);
    CHECK_EQUAL(0, hf_strict_get_stats(strict).calls);
    hf_strict_close(strict);
}

/* ----------------------------------------------------------------------- check -------------- */

/* A list of regions, and next_region as the cursor function over it. */
struct region_list {
    const hf_region *regions;
    size_t count;
};

static bool next_region(void *cursor, hf_region *region) {
    struct region_list *region_list = cursor;
    if (region_list->count == 0) return false;
    *region = *region_list->regions++;
    region_list->count--;
    return true;
}

/* HF_OK, or HF_WRONG_STATE with the number of the first wrong page in *wrong. */
static hf_status check_regions(const hf_backend *backend, const hf_region *regions, size_t count,
                               size_t *wrong) {
    struct region_list region_list = {regions, count};
    size_t offset = SIZE_MAX;
    hf_status status = backend->check(backend, base, next_region, &region_list, &offset, &report);
    *wrong = offset / page_size;
    return status;
}

/* Compares the actual regions and three wrong lists, with `under` below strict. */
static void expect_check_compares_regions(const hf_backend *under) {
    size_t wrong;
    void *address;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, under));
    page_size = strict->page_size(strict);
    CHECK_STATUS(HF_OK, strict->reserve(strict, NULL, 4 * page_size, &address, &report));
    base = address;
    CHECK_STATUS(HF_OK, split(1, 2));
    CHECK_STATUS(HF_OK, commit(1, 2)); /* |p|c c|p| */
    hf_region actual[] = {{.size = page_size, .kind = HF_PLACEHOLDER},
                          {.offset = page_size,
                           .size = 2 * page_size,
                           .kind = HF_COMMITTED,
                           .protection = HF_PROTECT_READ_WRITE},
                          {.offset = 3 * page_size, .size = page_size, .kind = HF_PLACEHOLDER}};
    hf_region kind[3], extent[3], position[3];
    size_t calls = hf_strict_get_stats(strict).calls;
    memcpy(kind, actual, sizeof actual);
    memcpy(extent, actual, sizeof actual);
    memcpy(position, actual, sizeof actual);
    kind[1].kind = HF_VIEW;
    extent[2].size = 2 * page_size;
    position[1].offset = 2 * page_size;
    CHECK_STATUS(HF_OK, check_regions(strict, actual, 3, &wrong));
    CHECK_STATUS(HF_WRONG_STATE, check_regions(strict, kind, 3, &wrong));
    CHECK_EQUAL(1, wrong);
    CHECK_STATUS(HF_WRONG_STATE, check_regions(strict, extent, 3, &wrong));
    CHECK_EQUAL(3, wrong);
    CHECK_STATUS(HF_WRONG_STATE, check_regions(strict, position, 3, &wrong));
    CHECK_EQUAL(2, wrong);
    CHECK_EQUAL(calls, hf_strict_get_stats(strict).calls); /* check is not a counted call */
    CHECK_EQUAL(0, hf_strict_get_stats(strict).violations);
    release(0, 1, HF_PLACEHOLDER);
    release(1, 2, HF_COMMITTED);
    release(3, 1, HF_PLACEHOLDER);
    hf_strict_close(strict);
}

static void checks_its_own_table(void) {
    hf_backend unable = *hf_backend_native();
    unable.check = NULL;
    expect_check_compares_regions(NULL);
    expect_check_compares_regions(&unable);
}

/* When a decommit of a part fails, strict must not have decommitted it below: committing it again
 * would make a second allocation there. */
static void a_part_that_fails_to_decommit_stays_one_allocation_below(void) {
    hf_backend *under;
    void *address;
    CHECK_STATUS(HF_OK, hf_strict_open(&under, complete_backend()));
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, under));
    page_size = strict->page_size(strict);
    CHECK_STATUS(HF_OK, strict->reserve(strict, NULL, 4 * page_size, &address, &report));
    base = address;
    CHECK_STATUS(HF_OK, commit(0, 4));
    hf_strict_fail_as(strict, 2);
    hf_strict_fail(strict, 1, false);
    CHECK_STATUS(HF_MAP_LIMIT, decommit(2, 2));
    CHECK_EQUAL(1, hf_strict_get_stats(under).regions);
    CHECK_STATUS(HF_OK, decommit(0, 4));
    CHECK_EQUAL(0, hf_strict_get_stats(under).violations);
    release(0, 4, HF_PLACEHOLDER);
    hf_strict_close(strict);
    hf_strict_close(under);
}

CHECK_MAIN(TEST(rules_of_reserve), TEST(rules_of_split), TEST(rules_of_coalesce),
           TEST(reservations_coalesce_but_not_over_a_hole), TEST(rules_of_commit),
           TEST(rules_of_decommit), TEST(rules_of_map), TEST(rules_of_unmap),
           TEST(rules_of_release), TEST(each_counted_call_can_fail),
           TEST(each_counted_call_can_fail_with_every_status), TEST(the_nth_call_fails_once),
           TEST(from_the_nth_call_on_all_fail), TEST(a_violation_is_not_counted_as_a_call),
           TEST(counts_what_is_open), TEST(errors_of_the_backend_below_are_returned),
           TEST(opening_and_closing), TEST(opens_whole_or_not_at_all),
           TEST(a_step_fails_if_the_table_cannot_grow),
           TEST(lacks_the_optional_functions_that_the_backend_below_lacks),
           TEST(names_are_passed_on), TEST(calls_that_cannot_fail_are_passed_on),
           TEST(checks_its_own_table),
           TEST(a_part_that_fails_to_decommit_stays_one_allocation_below))
