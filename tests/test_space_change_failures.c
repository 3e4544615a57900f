/*
 * hf_space_protect, parts of views, hf_space_reset_range, hf_space_remap_range and hf_space_extend
 * with the n-th backend call failing, for every n. Strict makes several calls for each of them.
 *
 *      page   0     3     6           12          18    21    24  26        30
 *      kind   |  c  |  c  |     v     |     w     |  r  |  p  | c |    p    |
 *      protection  R     N   R N         N   R   N   N
 *
 * After a failure every page is as before: region, protection (N: none, R: read) and contents. The
 * exceptions:
 *
 *  - release_range and reset_range stop where they fail, and continue when called again;
 *  - with undo_failed the map shows what is there, in pieces, and what is still there has its
 *    contents.
 */
#include "check.h"
#include "holdfast/space.h"
#include "nth_failure.h"
#include "probe.h"
#include "space_fixture.h"

enum { PAGES = 30 };

struct page {
    size_t begins; /* offset of its region */
    hf_kind kind;
    hf_access access;
    uint64_t file_offset; /* of the page */
    hf_protection protection;
    unsigned char byte; /* of all its bytes; 0 for a placeholder */
};

struct state {
    struct page pages[PAGES];
};

struct subject {
    hf_space *space;
    hf_file *file;
    char *base;
    size_t page;
};

typedef enum rule {
    UNDONE,      /* a failure changes nothing */
    STOPS,       /* pages before the failure are as after the call */
    MAY_BE_LOST, /* with undo_failed what was there is a placeholder */
} rule;

struct operation {
    const char *name;
    hf_status (*run)(const struct subject *, size_t offset, size_t size);
    size_t first, end; /* pages */
    rule rule;
};

/* ------------------------------------------------------------------------- the space -------- */

static void fill(const struct subject *subject, size_t first, size_t end, size_t add) {
    for (size_t i = first; i < end; i++)
        memset(subject->base + i * subject->page, (int)(i + add), subject->page);
}

static void map(const struct subject *subject, size_t first, size_t end, hf_access access) {
    CHECK_STATUS(HF_OK, hf_space_map_range(subject->space, first * subject->page,
                                           (end - first) * subject->page, subject->file,
                                           first * subject->page, access));
}

static void protect(const struct subject *subject, size_t page, hf_protection protection) {
    CHECK_STATUS(HF_OK,
                 hf_space_protect(subject->space, page * subject->page, subject->page, protection));
}

static void commit(const struct subject *subject, size_t first, size_t end) {
    CHECK_STATUS(HF_OK, hf_space_commit_range(subject->space, first * subject->page,
                                              (end - first) * subject->page));
    fill(subject, first, end, 1);
}

static void open_subject(struct subject *subject, const hf_backend *backend) {
    static const size_t read[] = {1, 7, 15}, none[] = {4, 8, 13, 17, 19};
    hf_space_options options = {.backend = backend};
    subject->page = backend->page_size(backend);
    CHECK_STATUS(HF_OK, hf_space_open(&subject->space, PAGES * subject->page, &options));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&subject->file, PAGES * subject->page, backend));
    subject->base = hf_space_base(subject->space);
    map(subject, 0, PAGES, HF_READ_WRITE);
    fill(subject, 0, PAGES, 101);
    CHECK_STATUS(HF_OK, hf_space_unmap(subject->space, 0, PAGES * subject->page));
    commit(subject, 0, 3);
    commit(subject, 3, 6);
    map(subject, 6, 12, HF_READ_WRITE);
    map(subject, 12, 18, HF_COPY_ON_WRITE);
    for (size_t i = 12; i < 18; i += 2) fill(subject, i, i + 1, 1);
    map(subject, 18, 21, HF_READ_ONLY);
    commit(subject, 24, 26);
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        protect(subject, read[i], HF_PROTECT_READ);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        protect(subject, none[i], HF_PROTECT_NONE);
}

static void close_subject(const struct subject *subject) {
    hf_space_close(subject->space);
    hf_file_close(subject->file);
}

/* The byte of a page. One that cannot be read is made readable for as long as that takes. */
static unsigned char read_byte(const struct subject *subject, size_t i, hf_protection protection) {
    const char *bytes = subject->base + i * subject->page;
    if (protection == HF_PROTECT_NONE) protect(subject, i, HF_PROTECT_READ);
    CHECK(memcmp(bytes, bytes + 1, subject->page - 1) == 0);
    unsigned char byte = (unsigned char)bytes[0];
    if (protection == HF_PROTECT_NONE) protect(subject, i, HF_PROTECT_NONE);
    return byte;
}

static void read_state(const struct subject *subject, struct state *state) {
    hf_region region;
    CHECK_STATUS(HF_OK, hf_space_check(subject->space));
    for (size_t i = 0; i < PAGES; i++) {
        char *address = subject->base + i * subject->page;
        CHECK(hf_space_find(subject->space, i * subject->page, &region));
        uint64_t into = region.kind == HF_VIEW ? i * subject->page - region.offset : 0;
        state->pages[i] = (struct page){region.offset,     region.kind,
                                        region.access,     region.file_offset + into,
                                        region.protection, 0};
        CHECK(probe_readable(address) == (region.protection != HF_PROTECT_NONE));
        CHECK(probe_writable(address) == (region.protection == HF_PROTECT_READ_WRITE));
    }
    for (size_t i = 0; i < PAGES; i++)
        if (state->pages[i].kind != HF_PLACEHOLDER)
            state->pages[i].byte = read_byte(subject, i, state->pages[i].protection);
}

static void expect_page(const struct state *expected, const struct state *actual, size_t i,
                        bool with_regions) {
    const struct page *a = &expected->pages[i], *b = &actual->pages[i];
    size_t outer = check_enter("page %d", (int)i);
    if (with_regions) CHECK_EQUAL(a->begins, b->begins);
    CHECK_EQUAL(a->kind, b->kind);
    CHECK_EQUAL(a->access, b->access);
    CHECK_EQUAL(a->file_offset, b->file_offset);
    CHECK_EQUAL(a->protection, b->protection);
    CHECK_EQUAL(a->byte, b->byte);
    check_leave(outer);
}

static void expect_state(const struct state *expected, const struct state *actual,
                         bool with_regions) {
    for (size_t i = 0; i < PAGES; i++) expect_page(expected, actual, i, with_regions);
}

/* ------------------------------------------------------------------------ operations -------- */

static hf_status run_unmap(const struct subject *subject, size_t offset, size_t size) {
    return hf_space_unmap(subject->space, offset, size);
}
static hf_status run_release(const struct subject *subject, size_t offset, size_t size) {
    return hf_space_release_range(subject->space, offset, size);
}
static hf_status run_reset(const struct subject *subject, size_t offset, size_t size) {
    return hf_space_reset_range(subject->space, offset, size);
}
static hf_status run_protect_none(const struct subject *subject, size_t offset, size_t size) {
    return hf_space_protect(subject->space, offset, size, HF_PROTECT_NONE);
}
static hf_status run_protect_read(const struct subject *subject, size_t offset, size_t size) {
    return hf_space_protect(subject->space, offset, size, HF_PROTECT_READ);
}
static hf_status run_protect_all(const struct subject *subject, size_t offset, size_t size) {
    return hf_space_protect(subject->space, offset, size, HF_PROTECT_READ_WRITE);
}
static hf_status run_remap(const struct subject *subject, size_t offset, size_t size) {
    return hf_space_remap_range(subject->space, offset, size, subject->file, 0, HF_READ_WRITE);
}
static hf_status run_extend(const struct subject *subject, size_t offset, size_t size) {
    return hf_space_extend(subject->space, offset, 2 * subject->page, size);
}

/* -------------------------------------------------------------------------- attempts -------- */

static struct state before, after; /* without a failure */

static hf_status run(const struct operation *operation, const struct subject *subject) {
    return operation->run(subject, operation->first * subject->page,
                          (operation->end - operation->first) * subject->page);
}

static bool is_one_of(const struct page *page, const struct page *other) {
    return page->kind == other->kind && page->access == other->access &&
           page->file_offset == other->file_offset && page->byte == other->byte;
}

/* Every page is a placeholder, or contains what it contained before the call or after it. */
static void expect_nothing_else(const struct state *actual) {
    for (size_t i = 0; i < PAGES; i++) {
        const struct page *page = &actual->pages[i];
        size_t outer = check_enter("page %d", (int)i);
        CHECK(page->kind == HF_PLACEHOLDER || is_one_of(page, &before.pages[i]) ||
              is_one_of(page, &after.pages[i]));
        check_leave(outer);
    }
}

/* Pages before the failure are as after the call; the others as before. If all of the range was
 * released, only the coalesce has failed. */
static void expect_stopped(const struct operation *operation, const struct state *actual,
                           size_t failed) {
    bool is_released = after.pages[operation->first].kind == HF_PLACEHOLDER;
    for (size_t i = operation->first; i < operation->end; i++)
        if (actual->pages[i].kind != HF_PLACEHOLDER) is_released = false;
    for (size_t i = 0; i < PAGES; i++) {
        bool is_inside = i >= operation->first && i < operation->end;
        bool is_done = is_inside && (is_released || i < failed);
        expect_page(is_done ? &after : &before, actual, i, false);
    }
}

static void expect_failure(const struct operation *operation, const struct subject *subject,
                           const struct failure *failure) {
    struct state actual;
    hf_error error = hf_last_error();
    read_state(subject, &actual);
    CHECK(error.offset + error.size <= PAGES * subject->page && error.os_code != 0);
    if (error.undo_failed) {
        CHECK(failure->from_then_on || operation->rule != UNDONE);
        expect_nothing_else(&actual);
        return;
    }
    if (operation->rule == STOPS)
        expect_stopped(operation, &actual, error.offset / subject->page);
    else
        expect_state(&before, &actual, true);
}

static void attempt(struct failure *failure) {
    const struct operation *operation = failure->user;
    struct subject subject;
    struct state actual;
    open_subject(&subject, failure->strict);
    failure_on(failure);
    hf_status status = run(operation, &subject);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0));
    bool is_undone = status == HF_OK || !hf_last_error().undo_failed;
    if (status != HF_OK) {
        check_failure(failure, status);
        expect_failure(operation, &subject, failure);
        if (is_undone) CHECK_STATUS(HF_OK, run(operation, &subject));
    }
    if (is_undone) {
        read_state(&subject, &actual);
        expect_state(&after, &actual, operation->run != run_extend);
    }
    CHECK_STATUS(HF_OK, hf_space_release_range(subject.space, 0, PAGES * subject.page));
    CHECK_EQUAL(1, hf_space_get_stats(subject.space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(subject.space));
    close_subject(&subject);
}

static void fail_each_call(const struct operation *operations, size_t count) {
    if (!require_views()) return;
    for (size_t i = 0; i < count; i++) {
        struct subject subject;
        size_t outer = check_enter("%s of pages %d to %d", operations[i].name,
                                   (int)operations[i].first, (int)operations[i].end);
        open_subject(&subject, hf_backend_native());
        read_state(&subject, &before);
        CHECK_STATUS(HF_OK, run(&operations[i], &subject));
        read_state(&subject, &after);
        close_subject(&subject);
        CHECK(each_failure(attempt, &operations[i]) > 0);
        check_leave(outer);
    }
}

#define FAIL_EACH_CALL(operations) \
    fail_each_call(operations, sizeof(operations) / sizeof *(operations))

/* ---------------------------------------------------------------------------- tests -------- */

static void a_part_of_a_view_is_unmapped_or_nothing(void) {
    static const struct operation operations[] = {
        {"unmap", run_unmap, 6, 8, UNDONE},   {"unmap", run_unmap, 8, 10, UNDONE},
        {"unmap", run_unmap, 10, 12, UNDONE}, {"unmap", run_unmap, 6, 12, UNDONE},
        {"unmap", run_unmap, 12, 14, UNDONE}, {"unmap", run_unmap, 14, 16, UNDONE},
        {"unmap", run_unmap, 16, 18, UNDONE}, {"unmap", run_unmap, 18, 19, UNDONE},
        {"unmap", run_unmap, 19, 20, UNDONE}, {"unmap", run_unmap, 20, 21, UNDONE},
    };
    FAIL_EACH_CALL(operations);
}

static void release_stops_where_it_fails(void) {
    static const struct operation operations[] = {
        {"release", run_release, 4, 8, STOPS},   {"release", run_release, 10, 14, STOPS},
        {"release", run_release, 13, 19, STOPS}, {"release", run_release, 2, 20, STOPS},
        {"release", run_release, 7, 8, STOPS},   {"release", run_release, 19, 25, STOPS},
    };
    FAIL_EACH_CALL(operations);
}

static void protect_changes_all_or_nothing(void) {
    static const struct operation operations[] = {
        {"none", run_protect_none, 0, 21, UNDONE}, {"read", run_protect_read, 0, 21, UNDONE},
        {"read", run_protect_read, 2, 16, UNDONE}, {"none", run_protect_none, 7, 8, UNDONE},
        {"write", run_protect_all, 0, 18, UNDONE}, {"write", run_protect_all, 1, 17, UNDONE},
        {"none", run_protect_none, 5, 13, UNDONE}, {"read", run_protect_read, 14, 20, UNDONE},
    };
    FAIL_EACH_CALL(operations);
}

static void reset_stops_where_it_fails(void) {
    static const struct operation operations[] = {
        {"reset", run_reset, 0, 3, STOPS},   {"reset", run_reset, 1, 6, STOPS},
        {"reset", run_reset, 12, 18, STOPS}, {"reset", run_reset, 13, 16, STOPS},
        {"reset", run_reset, 4, 5, STOPS},
    };
    FAIL_EACH_CALL(operations);
}

static void remap_says_what_is_gone(void) {
    static const struct operation operations[] = {
        {"remap", run_remap, 21, 22, MAY_BE_LOST}, {"remap", run_remap, 21, 24, MAY_BE_LOST},
        {"remap", run_remap, 1, 2, MAY_BE_LOST},   {"remap", run_remap, 4, 14, MAY_BE_LOST},
        {"remap", run_remap, 13, 16, MAY_BE_LOST}, {"remap", run_remap, 20, 25, MAY_BE_LOST},
        {"remap", run_remap, 0, 30, MAY_BE_LOST},  {"remap", run_remap, 27, 29, UNDONE},
    };
    FAIL_EACH_CALL(operations);
}

static void extend_changes_all_or_nothing(void) {
    static const struct operation operations[] = {
        {"extend", run_extend, 24, 27, UNDONE},
        {"extend", run_extend, 24, 30, UNDONE},
    };
    FAIL_EACH_CALL(operations);
}

CHECK_MAIN(TEST(a_part_of_a_view_is_unmapped_or_nothing), TEST(release_stops_where_it_fails),
           TEST(protect_changes_all_or_nothing), TEST(reset_stops_where_it_fails),
           TEST(remap_says_what_is_gone), TEST(extend_changes_all_or_nothing))
