/*
 * Parts of views, hf_space_remap_range, hf_space_reset_range and hf_space_extend, on the native
 * backend and on strict. Threads and signal handlers are in test_space_change_posix.c.
 *
 * Page n of the file is filled with the byte n + 1, each committed page n with 101 + n, and what is
 * stored into copy-on-write views is 201 + n.
 */
#include "check.h"
#include "holdfast/space.h"
#include "probe.h"
#include "space_fixture.h"

enum { PAGES = 24 };

static struct {
    hf_space *space;
    hf_file *file;
    hf_backend *strict;
    char *base;
    size_t page;
} at;

static void open_space(const hf_backend *backend) {
    hf_space_options options = {.backend = backend};
    at.page = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&at.space, PAGES * at.page, &options));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&at.file, PAGES * at.page, backend));
    at.base = hf_space_base(at.space);
    CHECK_STATUS(HF_OK, hf_space_map(at.space, 0, PAGES * at.page, at.file, 0, HF_READ_WRITE));
    for (size_t i = 0; i < PAGES; i++) memset(at.base + i * at.page, (int)i + 1, at.page);
    CHECK_STATUS(HF_OK, hf_space_unmap(at.space, 0, PAGES * at.page));
}

static void close_space(void) {
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
    CHECK_STATUS(HF_OK, hf_space_release_range(at.space, 0, PAGES * at.page));
    CHECK_EQUAL(1, hf_space_get_stats(at.space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
    hf_space_close(at.space);
    hf_file_close(at.file);
}

static void on_each_backend(void (*body)(void)) {
    if (!require_views()) return;
    at.strict = NULL;
    open_space(hf_backend_native());
    body();
    close_space();
    size_t outer = check_enter("on strict");
    CHECK_STATUS(HF_OK, hf_strict_open(&at.strict, NULL));
    open_space(at.strict);
    body();
    close_space();
    check_nothing_left(at.strict);
    hf_strict_close(at.strict);
    check_leave(outer);
}

static void fill(size_t first, size_t end, size_t add) {
    for (size_t i = first; i < end; i++) memset(at.base + i * at.page, (int)(i + add), at.page);
}

static void commit(size_t first, size_t count) {
    CHECK_STATUS(HF_OK, hf_space_commit_range(at.space, first * at.page, count * at.page));
    fill(first, first + count, 101);
}

static void map(size_t first, size_t count, size_t file_page, hf_access access) {
    CHECK_STATUS(HF_OK, hf_space_map_range(at.space, first * at.page, count * at.page, at.file,
                                           file_page * at.page, access));
}

static hf_status remap(size_t first, size_t count, size_t file_page, hf_access access) {
    return hf_space_remap_range(at.space, first * at.page, count * at.page, at.file,
                                file_page * at.page, access);
}

static void unmap(size_t first, size_t count) {
    CHECK_STATUS(HF_OK, hf_space_unmap(at.space, first * at.page, count * at.page));
}

static void protect(size_t first, size_t count, hf_protection protection) {
    CHECK_STATUS(HF_OK, hf_space_protect(at.space, first * at.page, count * at.page, protection));
}

static hf_status reset(size_t first, size_t count) {
    return hf_space_reset_range(at.space, first * at.page, count * at.page);
}

/* The byte that fills a page, which is made readable for as long as that takes. */
static void expect_byte(size_t page, size_t byte) {
    const char *bytes = at.base + page * at.page;
    size_t outer = check_enter("page %d", (int)page);
    hf_region region;
    CHECK(hf_space_find(at.space, page * at.page, &region));
    if (region.protection == HF_PROTECT_NONE) protect(page, 1, HF_PROTECT_READ);
    CHECK_EQUAL(byte & 255, (unsigned char)bytes[0]);
    CHECK(memcmp(bytes, bytes + 1, at.page - 1) == 0);
    if (region.protection == HF_PROTECT_NONE) protect(page, 1, HF_PROTECT_NONE);
    check_leave(outer);
}

static void expect_bytes(size_t first, size_t end, size_t add) {
    for (size_t i = first; i < end; i++) expect_byte(i, i + add);
}

/* One region is exactly these pages. */
static void expect_region(size_t first, size_t count, hf_kind kind) {
    hf_region region;
    size_t outer = check_enter("region of %d pages at %d", (int)count, (int)first);
    CHECK(hf_space_find(at.space, first * at.page, &region));
    CHECK_EQUAL(first * at.page, region.offset);
    CHECK_EQUAL(count * at.page, region.size);
    CHECK_EQUAL(kind, region.kind);
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
    check_leave(outer);
}

static void expect_protection(size_t page, hf_protection protection) {
    hf_region region;
    char *address = at.base + page * at.page;
    CHECK(hf_space_find(at.space, page * at.page, &region));
    CHECK_EQUAL(protection, region.protection);
    CHECK(probe_readable(address) == (protection != HF_PROTECT_NONE));
    CHECK(probe_writable(address) == (protection == HF_PROTECT_READ_WRITE));
}

/* --------------------------------------------------------------------- parts of views ------- */

/*  |  v  |  v  |  ->  |v|p|v|  ...; what stays mapped still shows and reaches the file. */
static void unmap_parts(void) {
    map(0, 6, 4, HF_READ_WRITE);
    map(6, 6, 4, HF_READ_WRITE);
    size_t steps = hf_space_get_stats(at.space).steps[HF_STEP_UNMAP];
    unmap(0, 1);
    unmap(2, 2);
    unmap(5, 1);
    CHECK_EQUAL(steps + 3, hf_space_get_stats(at.space).steps[HF_STEP_UNMAP]);
    expect_region(0, 1, HF_PLACEHOLDER);
    expect_region(1, 1, HF_VIEW);
    expect_region(2, 2, HF_PLACEHOLDER);
    expect_region(4, 1, HF_VIEW);
    expect_region(5, 1, HF_PLACEHOLDER);
    expect_region(6, 6, HF_VIEW);
    expect_byte(1, 6);
    expect_byte(4, 9);
    memset(at.base + 4 * at.page, 77, at.page);
    expect_byte(10, 77);
    memset(at.base + 10 * at.page, 9, at.page);
    expect_byte(4, 9);
}

static void a_part_of_a_view_is_unmapped(void) { on_each_backend(unmap_parts); }

/* Private pages of the rest stay private, and the others still show the file. */
static void unmap_parts_of_copies(void) {
    map(0, 8, 0, HF_COPY_ON_WRITE);
    map(8, 8, 0, HF_READ_WRITE);
    fill(0, 2, 201);
    fill(6, 7, 201);
    unmap(3, 2);
    expect_region(0, 3, HF_VIEW);
    expect_region(3, 2, HF_PLACEHOLDER);
    expect_region(5, 3, HF_VIEW);
    expect_bytes(0, 2, 201);
    expect_byte(2, 3);
    expect_byte(5, 6);
    expect_byte(6, 6 + 201);
    expect_byte(7, 8);
    memset(at.base + 10 * at.page, 33, at.page); /* pages 2 and 0 of the file */
    memset(at.base + 8 * at.page, 33, at.page);
    expect_byte(2, 33);
    expect_byte(0, 201);
    unmap(0, 1);
    unmap(7, 1);
    expect_byte(1, 202);
    expect_byte(6, 6 + 201);
    expect_byte(14, 7); /* nothing was stored into the file */
}

static void private_pages_of_the_rest_are_kept(void) { on_each_backend(unmap_parts_of_copies); }

static void unmap_parts_of_protected(hf_access access) {
    hf_protection made = access == HF_READ_ONLY ? HF_PROTECT_READ : HF_PROTECT_READ_WRITE;
    map(0, 8, 0, access);
    if (access != HF_READ_ONLY) fill(0, 8, access == HF_COPY_ON_WRITE ? 201 : 1);
    protect(1, 1, HF_PROTECT_NONE);
    protect(3, 3, HF_PROTECT_READ);
    protect(6, 1, HF_PROTECT_NONE);
    unmap(4, 1);
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
    expect_protection(0, made);
    expect_protection(1, HF_PROTECT_NONE);
    expect_protection(2, made);
    expect_protection(3, HF_PROTECT_READ);
    expect_protection(4, HF_PROTECT_NONE);
    expect_protection(5, HF_PROTECT_READ);
    expect_protection(6, HF_PROTECT_NONE);
    expect_protection(7, made);
    expect_bytes(0, 4, access == HF_COPY_ON_WRITE ? 201 : 1);
    expect_bytes(5, 8, access == HF_COPY_ON_WRITE ? 201 : 1);
    CHECK_STATUS(HF_OK, hf_space_release_range(at.space, 0, 8 * at.page));
}

static void unmap_parts_of_protected_views(void) {
    unmap_parts_of_protected(HF_READ_WRITE);
    unmap_parts_of_protected(HF_READ_ONLY);
    unmap_parts_of_protected(HF_COPY_ON_WRITE);
}

static void protections_of_the_rest_are_kept(void) {
    on_each_backend(unmap_parts_of_protected_views);
}

/* One protection for the whole space is one run in the map of protections, as none is. */
static void unmap_a_part_of_all(void) {
    map(0, PAGES, 0, HF_READ_WRITE);
    protect(0, PAGES, HF_PROTECT_READ);
    unmap(5, 2);
    expect_protection(0, HF_PROTECT_READ);
    expect_protection(4, HF_PROTECT_READ);
    expect_protection(7, HF_PROTECT_READ);
    expect_protection(PAGES - 1, HF_PROTECT_READ);
    expect_region(7, PAGES - 7, HF_VIEW);
}

static void a_protected_view_of_the_whole_space(void) { on_each_backend(unmap_a_part_of_all); }

/* The file was closed before. */
static void unmap_parts_of_closed(void) {
    map(0, 4, 0, HF_READ_WRITE);
    map(4, 4, 0, HF_COPY_ON_WRITE);
    hf_file_close(at.file);
    unmap(1, 1);
    unmap(5, 1);
    expect_byte(0, 1);
    expect_byte(2, 3);
    expect_byte(6, 3);
    CHECK_STATUS(HF_OK, hf_space_reset_range(at.space, 6 * at.page, 2 * at.page));
    expect_byte(6, 3);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&at.file, PAGES * at.page,
                                              at.strict ? at.strict : hf_backend_native()));
}

static void parts_of_views_of_a_closed_file(void) { on_each_backend(unmap_parts_of_closed); }

/* ----------------------------------------------------------------------- remap_range -------- */

/*  |p p p|c c c|v v v|w w w|  */
static void lay_out(void) {
    commit(3, 3);
    map(6, 3, 0, HF_READ_WRITE);
    map(9, 3, 9, HF_COPY_ON_WRITE);
    fill(9, 12, 201);
}

static void expect_remapped(size_t first, size_t count) {
    CHECK_STATUS(HF_OK, hf_space_release_range(at.space, 0, PAGES * at.page));
    lay_out();
    size_t maps = hf_space_get_stats(at.space).steps[HF_STEP_MAP];
    CHECK_STATUS(HF_OK, remap(first, count, 12, HF_READ_WRITE));
    CHECK_EQUAL(maps + 1, hf_space_get_stats(at.space).steps[HF_STEP_MAP]);
    expect_region(first, count, HF_VIEW);
    for (size_t i = 0; i < 12; i++) {
        bool is_new = i >= first && i < first + count;
        size_t old = i < 6 ? i + 101 : i < 9 ? i - 6 + 1 : i + 201;
        if (i >= 3 || is_new) expect_byte(i, is_new ? i - first + 12 + 1 : old);
    }
}

/* Every range of pages 0 to 12. */
static void remap_each_range(void) {
    for (size_t first = 0; first < 12; first++)
        for (size_t count = 1; first + count <= 12; count++) {
            size_t outer = check_enter("remap of %d pages at %d", (int)count, (int)first);
            expect_remapped(first, count);
            check_leave(outer);
        }
}

static void whatever_is_there_is_replaced(void) { on_each_backend(remap_each_range); }

/* Stores into the new view reach the file; read-only and copy-on-write views do not. */
static void remap_with_each_access(void) {
    commit(0, 6);
    CHECK_STATUS(HF_OK, remap(0, 2, 0, HF_READ_ONLY));
    CHECK_STATUS(HF_OK, remap(2, 2, 2, HF_COPY_ON_WRITE));
    CHECK_STATUS(HF_OK, remap(4, 2, 4, HF_READ_WRITE));
    expect_bytes(0, 6, 1);
    expect_protection(0, HF_PROTECT_READ);
    fill(2, 6, 201);
    map(8, 6, 0, HF_READ_ONLY);
    expect_byte(10, 3);
    expect_byte(12, 4 + 201);
    CHECK_STATUS(HF_OK, remap(0, 6, 0, HF_READ_WRITE));
    expect_region(0, 6, HF_VIEW);
    expect_byte(3, 4);
}

static void the_new_view_has_each_access(void) { on_each_backend(remap_with_each_access); }

static void expect_invalid_remap(hf_space *space, size_t offset, size_t size, hf_file *file,
                                 uint64_t from, hf_access access) {
    CHECK_STATUS(HF_INVALID, hf_space_remap_range(space, offset, size, file, from, access));
    CHECK(strcmp("hf_space_remap_range", hf_last_error().call) == 0);
}

static void remap_invalid(void) {
    size_t page = at.page;
    hf_backend *other;
    hf_file *foreign;
    commit(0, 4);
    expect_invalid_remap(NULL, 0, page, at.file, 0, HF_READ_WRITE);
    expect_invalid_remap(at.space, 0, page, NULL, 0, HF_READ_WRITE);
    expect_invalid_remap(at.space, 0, 0, at.file, 0, HF_READ_WRITE);
    expect_invalid_remap(at.space, 1, page, at.file, 0, HF_READ_WRITE);
    expect_invalid_remap(at.space, 0, page + 1, at.file, 0, HF_READ_WRITE);
    expect_invalid_remap(at.space, 0, page, at.file, 1, HF_READ_WRITE);
    expect_invalid_remap(at.space, 0, page, at.file, PAGES * page, HF_READ_WRITE);
    expect_invalid_remap(at.space, PAGES * page, page, at.file, 0, HF_READ_WRITE);
    expect_invalid_remap(at.space, 0, page, at.file, 0, (hf_access)7);
    CHECK_STATUS(HF_OK, hf_strict_open(&other, NULL));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&foreign, page, other));
    expect_invalid_remap(at.space, 0, page, foreign, 0, HF_READ_WRITE);
    hf_file_close(foreign);
    hf_strict_close(other);
    expect_bytes(0, 4, 101);
    expect_region(0, 4, HF_COMMITTED);
}

static void invalid_arguments_of_remap(void) { on_each_backend(remap_invalid); }

/* ----------------------------------------------------------------------- reset_range -------- */

static void reset_several(void) {
    commit(0, 3);
    commit(3, 3);
    map(6, 6, 6, HF_COPY_ON_WRITE);
    fill(6, 12, 201);
    protect(2, 2, HF_PROTECT_READ);
    protect(4, 1, HF_PROTECT_NONE);
    protect(7, 1, HF_PROTECT_NONE);
    protect(8, 1, HF_PROTECT_READ);
    size_t steps = hf_space_get_stats(at.space).steps[HF_STEP_RESET];
    CHECK_STATUS(HF_OK, reset(1, 9));
    CHECK_EQUAL(steps + 3, hf_space_get_stats(at.space).steps[HF_STEP_RESET]);
    expect_region(0, 3, HF_COMMITTED);
    expect_region(3, 3, HF_COMMITTED);
    expect_region(6, 6, HF_VIEW);
    expect_byte(0, 101);
    for (size_t i = 1; i < 6; i++) expect_byte(i, 0);
    expect_bytes(6, 10, 1);
    expect_bytes(10, 12, 201);
    expect_protection(1, HF_PROTECT_READ_WRITE);
    expect_protection(3, HF_PROTECT_READ);
    expect_protection(4, HF_PROTECT_NONE);
    expect_protection(5, HF_PROTECT_READ_WRITE);
    expect_protection(7, HF_PROTECT_NONE);
    expect_protection(8, HF_PROTECT_READ);
    expect_protection(9, HF_PROTECT_READ_WRITE);
    fill(0, 2, 101); /* the pages can be used again */
    expect_bytes(0, 2, 101);
    CHECK_STATUS(HF_OK, reset(1, 1));
    expect_byte(0, 101);
    expect_byte(1, 0);
}

static void reset_of_several_regions(void) { on_each_backend(reset_several); }

static void expect_reset_fails(size_t first, size_t count) {
    hf_space_stats before = hf_space_get_stats(at.space), after;
    CHECK_STATUS(HF_WRONG_STATE, reset(first, count));
    CHECK_EQUAL(0, hf_last_error().os_code);
    CHECK_EQUAL(first * at.page, hf_last_error().offset);
    after = hf_space_get_stats(at.space);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
}

static void reset_in_wrong_states(void) {
    commit(0, 2);
    map(2, 2, 2, HF_READ_WRITE);
    map(4, 2, 4, HF_READ_ONLY);
    map(6, 2, 6, HF_COPY_ON_WRITE);
    expect_reset_fails(1, 2);
    expect_reset_fails(2, 1);
    expect_reset_fails(4, 1);
    expect_reset_fails(5, 2);
    expect_reset_fails(7, 2);
    expect_reset_fails(10, 1);
    expect_bytes(0, 2, 101);
    expect_bytes(2, 8, 1);
    CHECK_STATUS(HF_INVALID, hf_space_reset_range(NULL, 0, at.page));
    CHECK_STATUS(HF_INVALID, hf_space_reset_range(at.space, 0, 0));
    CHECK_STATUS(HF_INVALID, hf_space_reset_range(at.space, 1, at.page));
    CHECK_STATUS(HF_INVALID, hf_space_reset_range(at.space, PAGES * at.page, at.page));
    CHECK_STATUS(HF_INVALID, hf_space_reset_range(at.space, at.page, (size_t)0 - at.page));
    CHECK(strcmp("hf_space_reset_range", hf_last_error().call) == 0);
}

static void reset_in_a_wrong_state(void) { on_each_backend(reset_in_wrong_states); }

/* The last page of a copy-on-write view is longer than its file: zeros. */
static void reset_behind_the_end(void) {
    hf_file *file;
    const hf_backend *backend = at.strict ? at.strict : hf_backend_native();
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, at.page + 100, backend));
    CHECK_STATUS(HF_OK, hf_space_map_range(at.space, 0, 2 * at.page, file, 0, HF_COPY_ON_WRITE));
    memset(at.base, 5, 2 * at.page);
    CHECK_STATUS(HF_OK, reset(0, 2));
    expect_byte(0, 0);
    expect_byte(1, 0);
    hf_file_close(file);
}

static void reset_of_a_file_that_ends_in_a_page(void) { on_each_backend(reset_behind_the_end); }

/* ---------------------------------------------------------------------------- extend -------- */

static hf_status extend(size_t first, size_t old_pages, size_t new_pages) {
    return hf_space_extend(at.space, first * at.page, old_pages * at.page, new_pages * at.page);
}

/* The new bytes are zero. They may be a region of their own, which then counts to the old bytes. */
static void extend_some(void) {
    commit(2, 2);
    commit(10, 1);
    CHECK_STATUS(HF_OK, extend(2, 2, 3));
    CHECK_STATUS(HF_OK, extend(2, 3, 6));
    expect_bytes(2, 4, 101);
    for (size_t i = 4; i < 8; i++) expect_byte(i, 0);
    fill(2, 8, 101);
    if (at.strict == NULL && hf_backend_native()->spans_regions) expect_region(2, 6, HF_COMMITTED);
    CHECK_STATUS(HF_OK, extend(2, 6, 8)); /* up to the next region */
    CHECK_STATUS(HF_WRONG_STATE, extend(2, 8, 9));
    expect_bytes(2, 8, 101);
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
}

static void extend_grows_in_place(void) { on_each_backend(extend_some); }

static void extend_protected(void) {
    commit(0, 2);
    protect(0, 2, HF_PROTECT_READ);
    CHECK_STATUS(HF_OK, extend(0, 2, 4));
    expect_protection(0, HF_PROTECT_READ);
    expect_protection(1, HF_PROTECT_READ);
    expect_protection(2, HF_PROTECT_READ_WRITE);
    expect_protection(3, HF_PROTECT_READ_WRITE);
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
}

static void extend_keeps_protections(void) { on_each_backend(extend_protected); }

static void extend_in_wrong_states(void) {
    commit(0, 2);
    commit(4, 2);
    map(8, 2, 0, HF_READ_WRITE);
    CHECK_STATUS(HF_OK, hf_space_split(at.space, 10 * at.page, 2 * at.page));
    commit(22, 2);
    hf_space_stats before = hf_space_get_stats(at.space), after;
    static const struct {
        size_t first, old_pages, new_pages;
    } wrong[] = {
        {0, 2, 5},  /* the placeholder behind is too small */
        {0, 1, 2},  /* a part of the region */
        {1, 1, 2},  /* not its start */
        {0, 3, 4},  /* more than the region */
        {0, 6, 7},  /* a placeholder between */
        {2, 2, 3},  /* a placeholder */
        {8, 2, 3},  /* a view */
        {4, 2, 5},  /* a view behind */
        {22, 1, 2}, /* nothing behind, and a part */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t outer = check_enter("row %d", (int)i);
        CHECK_STATUS(HF_WRONG_STATE,
                     extend(wrong[i].first, wrong[i].old_pages, wrong[i].new_pages));
        CHECK_EQUAL(0, hf_last_error().os_code);
        CHECK(hf_last_error().reason != NULL);
        check_leave(outer);
    }
    after = hf_space_get_stats(at.space);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_STATUS(HF_INVALID, extend(22, 2, 3)); /* beyond the space */
    CHECK_STATUS(HF_INVALID, extend(0, 2, 2));
    CHECK_STATUS(HF_INVALID, extend(0, 2, 1));
    CHECK_STATUS(HF_INVALID, extend(0, 0, 1));
    CHECK_STATUS(HF_INVALID, hf_space_extend(NULL, 0, at.page, 2 * at.page));
    CHECK_STATUS(HF_INVALID, hf_space_extend(at.space, 0, at.page + 1, 2 * at.page));
    CHECK_STATUS(HF_INVALID, hf_space_extend(at.space, 0, at.page, 2 * at.page + 1));
    CHECK_STATUS(HF_INVALID, hf_space_extend(at.space, 1, at.page, 2 * at.page));
    CHECK(strcmp("hf_space_extend", hf_last_error().call) == 0);
}

static void extend_in_a_wrong_state(void) { on_each_backend(extend_in_wrong_states); }

/* A thousand steps of 64 KiB: the contents stay. Where the system spans regions there is one. */
static void extend_often(const hf_backend *backend, size_t regions) {
    enum { STEPS = 1000 };
    hf_space_options options = {.backend = backend};
    size_t step = HF_ALLOCATION_GRANULARITY;
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, (STEPS + 2) * step, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, step));
    for (size_t i = 1; i <= STEPS; i++) {
        hf_space_base(space)[i * step - 1] = (char)i;
        CHECK_STATUS(HF_OK, hf_space_extend(space, 0, i * step, (i + 1) * step));
    }
    for (size_t i = 1; i <= STEPS; i++) CHECK(hf_space_base(space)[i * step - 1] == (char)i);
    CHECK_EQUAL(0, hf_space_base(space)[(STEPS + 1) * step - 1]);
    if (regions) CHECK_EQUAL(regions, hf_space_get_stats(space).regions);
    CHECK_EQUAL((STEPS + 1) * step, hf_space_get_stats(space).committed_bytes);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void extend_a_thousand_times(void) {
    hf_backend *strict;
    bool spans = hf_backend_native()->spans_regions != NULL;
    extend_often(hf_backend_native(), spans ? 2 : 0);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    extend_often(strict, 0);
    check_nothing_left(strict);
    hf_strict_close(strict);
}

CHECK_MAIN(TEST(a_part_of_a_view_is_unmapped), TEST(private_pages_of_the_rest_are_kept),
           TEST(protections_of_the_rest_are_kept), TEST(a_protected_view_of_the_whole_space),
           TEST(parts_of_views_of_a_closed_file), TEST(whatever_is_there_is_replaced),
           TEST(the_new_view_has_each_access), TEST(invalid_arguments_of_remap),
           TEST(reset_of_several_regions), TEST(reset_in_a_wrong_state),
           TEST(reset_of_a_file_that_ends_in_a_page), TEST(extend_grows_in_place),
           TEST(extend_keeps_protections), TEST(extend_in_a_wrong_state),
           TEST(extend_a_thousand_times))
