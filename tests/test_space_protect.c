/*
 * hf_space_protect: what may be done with the pages of a space, on the native backend and strict.
 *
 *      page      0        4        8        12       16       20       24
 *      kind      |committed|  view  |  copy  |read only| code   |   placeholder
 *
 * "copy" is a copy-on-write view, "code" a read-write view of memory that can be executed. Page n
 * is filled with the byte n + 1. Signal handlers and forks are in test_space_change_posix.c.
 */
#include "check.h"
#include "holdfast/space.h"
#include "probe.h"
#include "space_fixture.h"

enum { KINDS = 5, OF_EACH = 4, PAGES = (KINDS + 1) * OF_EACH };

enum { COMMITTED, VIEW, COPY, READ_ONLY, CODE };

static const char *const kind_names[KINDS] = {"committed", "view", "copy", "read-only", "code"};
static const char *const protection_names[] = {"none", "read", "read-write", "read-execute"};

static struct {
    hf_space *space;
    hf_file *file, *code;
    hf_backend *strict;
    char *base;
    size_t page;
} at;

static void fill(char *bytes) {
    for (size_t i = 0; i < PAGES; i++) memset(bytes + i * at.page, (int)i + 1, at.page);
}

static hf_status map(size_t kind, hf_file *file, hf_access access) {
    size_t offset = kind * OF_EACH * at.page;
    return hf_space_map_range(at.space, offset, OF_EACH * at.page, file, offset, access);
}

/* Stores the contents of the pages into the files. */
static void fill_file(hf_file *file) {
    CHECK_STATUS(HF_OK, hf_space_map(at.space, 0, PAGES * at.page, file, 0, HF_READ_WRITE));
    fill(at.base);
    CHECK_STATUS(HF_OK, hf_space_unmap(at.space, 0, PAGES * at.page));
}

static void open_all(const hf_backend *backend) {
    hf_space_options options = {.backend = backend};
    at.page = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&at.space, PAGES * at.page, &options));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&at.file, PAGES * at.page, backend));
    CHECK_STATUS(HF_OK, hf_file_create_executable(&at.code, PAGES * at.page, backend));
    at.base = hf_space_base(at.space);
    fill_file(at.file);
    fill_file(at.code);
    CHECK_STATUS(HF_OK, hf_space_commit_range(at.space, 0, OF_EACH * at.page));
    CHECK_STATUS(HF_OK, map(VIEW, at.file, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, map(COPY, at.file, HF_COPY_ON_WRITE));
    CHECK_STATUS(HF_OK, map(READ_ONLY, at.file, HF_READ_ONLY));
    CHECK_STATUS(HF_OK, map(CODE, at.code, HF_READ_WRITE));
    for (size_t i = 0; i < OF_EACH; i++) memset(at.base + i * at.page, (int)i + 1, at.page);
}

static void close_all(void) {
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
    hf_space_close(at.space);
    hf_file_close(at.file);
    hf_file_close(at.code);
}

static void on_each_backend(void (*body)(void)) {
    if (!require_views()) return;
    at.strict = NULL;
    open_all(hf_backend_native());
    body();
    close_all();
    size_t outer = check_enter("on strict");
    CHECK_STATUS(HF_OK, hf_strict_open(&at.strict, NULL));
    open_all(at.strict);
    body();
    close_all();
    check_nothing_left(at.strict);
    hf_strict_close(at.strict);
    check_leave(outer);
}

static hf_status protect(size_t first, size_t count, hf_protection protection) {
    return hf_space_protect(at.space, first * at.page, count * at.page, protection);
}

static bool can_read(hf_protection protection) { return protection != HF_PROTECT_NONE; }

/* The pages have this protection for hf_space_find and for the processor. */
static void expect(size_t first, size_t count, hf_protection protection) {
    for (size_t i = first; i < first + count; i++) {
        hf_region region;
        size_t outer = check_enter("page %d, %s", (int)i, protection_names[protection]);
        CHECK(hf_space_find(at.space, i * at.page + at.page / 2, &region));
        CHECK_EQUAL(protection, region.protection);
        CHECK(probe_readable(at.base + i * at.page) == can_read(protection));
        CHECK(probe_writable(at.base + i * at.page) == (protection == HF_PROTECT_READ_WRITE));
        if (can_read(protection) && region.kind != HF_PLACEHOLDER)
            CHECK_EQUAL(i + 1, (unsigned char)at.base[i * at.page]);
        check_leave(outer);
    }
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
}

/* What commit and map give. */
static hf_protection made(size_t kind) {
    return kind == READ_ONLY ? HF_PROTECT_READ : HF_PROTECT_READ_WRITE;
}

static void expect_as_made(size_t first, size_t end) {
    for (size_t i = first; i < end; i++) expect(i, 1, made(i / OF_EACH));
}

/* ------------------------------------------------------- each protection, each kind --------- */

static bool is_possible(size_t kind, hf_protection protection) {
    if (protection == HF_PROTECT_READ_WRITE) return kind != READ_ONLY;
    return protection != HF_PROTECT_READ_EXECUTE || kind == COMMITTED || kind == CODE;
}

/* Of the inner two pages of the region; the outer two stay as they are. */
static void protect_inside(size_t kind, hf_protection protection) {
    size_t first = kind * OF_EACH;
    size_t outer = check_enter("%s, %s", kind_names[kind], protection_names[protection]);
    bool possible = is_possible(kind, protection);
    CHECK_STATUS(possible ? HF_OK : HF_WRONG_STATE, protect(first + 1, 2, protection));
    expect_as_made(first, first + 1);
    expect(first + 1, 2, possible ? protection : made(kind));
    expect_as_made(first + 3, first + 4);
    CHECK_STATUS(HF_OK, protect(first + 1, 2, made(kind)));
    expect_as_made(first, first + OF_EACH);
    check_leave(outer);
}

static void protect_each_inside(void) {
    size_t regions = hf_space_get_stats(at.space).regions;
    for (size_t kind = 0; kind < KINDS; kind++)
        for (int protection = HF_PROTECT_NONE; protection <= HF_PROTECT_READ_EXECUTE; protection++)
            protect_inside(kind, (hf_protection)protection);
    CHECK_EQUAL(regions, hf_space_get_stats(at.space).regions);
}

static void each_protection_of_each_kind(void) { on_each_backend(protect_each_inside); }

/* -------------------------------------------------------------------- several regions ------- */

/* One call counts one step for each region; regions stay as they are. */
static void protect_several(void) {
    hf_space_stats before = hf_space_get_stats(at.space);
    CHECK_STATUS(HF_OK, protect(2, 12, HF_PROTECT_READ));
    hf_space_stats after = hf_space_get_stats(at.space);
    CHECK_EQUAL(before.steps[HF_STEP_PROTECT] + 4, after.steps[HF_STEP_PROTECT]);
    CHECK_EQUAL(before.regions, after.regions);
    if (at.strict == NULL)
        CHECK(after.system_calls[HF_STEP_PROTECT] > before.system_calls[HF_STEP_PROTECT]);
    expect_as_made(0, 2);
    expect(2, 12, HF_PROTECT_READ);
    expect_as_made(14, 20);
    CHECK_STATUS(HF_OK, protect(6, 4, HF_PROTECT_NONE));
    expect(2, 4, HF_PROTECT_READ);
    expect(6, 4, HF_PROTECT_NONE);
    expect(10, 4, HF_PROTECT_READ);
    CHECK_STATUS(HF_OK, protect(0, 12, HF_PROTECT_READ_WRITE));
    expect_as_made(0, 20);
}

static void one_call_protects_several_regions(void) { on_each_backend(protect_several); }

/* Every page another one than its neighbours, then all the same. */
static void alternate(void) {
    for (size_t i = 0; i < 20; i++)
        CHECK_STATUS(HF_OK, protect(i, 1, i % 2 ? HF_PROTECT_READ : HF_PROTECT_NONE));
    for (size_t i = 0; i < 20; i++) expect(i, 1, i % 2 ? HF_PROTECT_READ : HF_PROTECT_NONE);
    CHECK_STATUS(HF_OK, protect(0, 20, HF_PROTECT_NONE));
    expect(0, 20, HF_PROTECT_NONE);
    CHECK_STATUS(HF_OK, protect(0, 20, HF_PROTECT_READ));
    expect(0, 20, HF_PROTECT_READ);
}

static void neighbours_have_different_protections(void) { on_each_backend(alternate); }

/* ----------------------------------------------------------------------- wrong states ------- */

static void expect_wrong_state(size_t first, size_t count, hf_protection protection) {
    hf_space_stats before = hf_space_get_stats(at.space), after;
    CHECK_STATUS(HF_WRONG_STATE, protect(first, count, protection));
    CHECK_EQUAL(first * at.page, hf_last_error().offset);
    CHECK_EQUAL(count * at.page, hf_last_error().size);
    CHECK_EQUAL(0, hf_last_error().os_code);
    CHECK(hf_last_error().reason != NULL);
    CHECK(strcmp("hf_space_protect", hf_last_error().call) == 0);
    after = hf_space_get_stats(at.space);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
}

static void protect_in_wrong_states(void) {
    expect_wrong_state(20, 1, HF_PROTECT_READ); /* a placeholder */
    expect_wrong_state(22, 2, HF_PROTECT_NONE);
    expect_wrong_state(18, 3, HF_PROTECT_READ_WRITE);
    CHECK_STATUS(HF_OK, hf_space_decommit(at.space, at.page, at.page));
    expect_wrong_state(0, 3, HF_PROTECT_READ);
    CHECK_STATUS(HF_OK, hf_space_commit(at.space, at.page, at.page));
    memset(at.base + at.page, 2, at.page);
    expect_wrong_state(11, 2, HF_PROTECT_READ_WRITE); /* a read-only view */
    expect_wrong_state(12, 4, HF_PROTECT_READ_WRITE);
    expect_wrong_state(3, 2, HF_PROTECT_READ_EXECUTE); /* a view of another file */
    expect_wrong_state(15, 2, HF_PROTECT_READ_EXECUTE);
    expect_as_made(0, 20);
}

static void wrong_states(void) { on_each_backend(protect_in_wrong_states); }

static void expect_invalid(hf_space *space, size_t offset, size_t size, hf_protection protection) {
    CHECK_STATUS(HF_INVALID, hf_space_protect(space, offset, size, protection));
    CHECK(strcmp("hf_space_protect", hf_last_error().call) == 0);
    CHECK_EQUAL(offset, hf_last_error().offset);
    CHECK_EQUAL(size, hf_last_error().size);
}

static void protect_invalid(void) {
    size_t page = at.page;
    expect_invalid(NULL, 0, page, HF_PROTECT_READ);
    expect_invalid(at.space, 0, 0, HF_PROTECT_READ);
    expect_invalid(at.space, 1, page, HF_PROTECT_READ);
    expect_invalid(at.space, 0, page - 1, HF_PROTECT_READ);
    expect_invalid(at.space, PAGES * page, page, HF_PROTECT_READ);
    expect_invalid(at.space, 0, (PAGES + 1) * page, HF_PROTECT_READ);
    expect_invalid(at.space, page, (size_t)0 - page, HF_PROTECT_READ);
    expect_invalid(at.space, 0, page, (hf_protection)4);
    expect_invalid(at.space, 0, page, (hf_protection)99);
    expect_as_made(0, 20);
}

static void invalid_arguments(void) { on_each_backend(protect_invalid); }

static void a_backend_without_protect(void) {
    hf_backend plain = *hf_backend_native();
    hf_space *space;
    size_t page = plain.page_size(&plain);
    plain.protect = NULL;
    hf_space_options options = {.backend = &plain};
    CHECK_STATUS(HF_OK, hf_space_open(&space, 4 * page, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, page));
    CHECK_STATUS(HF_UNSUPPORTED, hf_space_protect(space, 0, page, HF_PROTECT_READ));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_protect(space, 0, 2 * page, HF_PROTECT_READ));
    CHECK(probe_writable(hf_space_base(space)));
    hf_space_close(space);
}

/* -------------------------------------------------------------------------- forgotten ------- */

/* Pages 1 and 2 of a region were protected and then released: new ones are as made. */
static void expect_forgotten(size_t kind) {
    size_t first = kind * OF_EACH, offset = (first + 1) * at.page, size = 2 * at.page;
    hf_file *file = kind == CODE ? at.code : at.file;
    static const hf_access accesses[] = {
        [VIEW] = HF_READ_WRITE, [COPY] = HF_COPY_ON_WRITE, [READ_ONLY] = HF_READ_ONLY};
    hf_region region;
    CHECK(hf_space_find(at.space, offset, &region));
    CHECK_EQUAL(HF_PLACEHOLDER, region.kind);
    expect(first, 1, HF_PROTECT_READ);
    expect(first + 1, 2, HF_PROTECT_NONE);
    expect(first + 3, 1, HF_PROTECT_READ);
    if (kind == COMMITTED) {
        CHECK_STATUS(HF_OK, hf_space_commit(at.space, offset, size));
        memset(at.base + offset, (int)first + 2, at.page);
        memset(at.base + offset + at.page, (int)first + 3, at.page);
    } else {
        hf_access access = kind == CODE ? HF_READ_WRITE : accesses[kind];
        CHECK_STATUS(HF_OK, hf_space_map(at.space, offset, size, file, offset, access));
    }
    expect(first, 1, HF_PROTECT_READ);
    expect(first + 1, 2, made(kind));
    expect(first + 3, 1, HF_PROTECT_READ);
}

static void protect_and_release_each(void) {
    for (size_t kind = 0; kind < KINDS; kind++) {
        size_t first = kind * OF_EACH, offset = (first + 1) * at.page, size = 2 * at.page;
        size_t outer = check_enter("%s", kind_names[kind]);
        CHECK_STATUS(HF_OK, protect(first, OF_EACH, HF_PROTECT_READ));
        CHECK_STATUS(HF_OK, protect(first + 2, 1, HF_PROTECT_NONE));
        CHECK_STATUS(HF_OK, kind == COMMITTED ? hf_space_decommit(at.space, offset, size)
                                              : hf_space_unmap(at.space, offset, size));
        expect_forgotten(kind);
        CHECK_STATUS(HF_OK, protect(first, OF_EACH, HF_PROTECT_READ));
        CHECK_STATUS(HF_OK, hf_space_release_range(at.space, offset, size));
        expect_forgotten(kind);
        check_leave(outer);
    }
}

static void released_pages_forget_their_protection(void) {
    on_each_backend(protect_and_release_each);
}

static void protect_and_remap(void) {
    CHECK_STATUS(HF_OK, protect(0, 16, HF_PROTECT_READ));
    CHECK_STATUS(HF_OK, protect(3, 3, HF_PROTECT_NONE));
    CHECK_STATUS(HF_OK, hf_space_remap_range(at.space, 2 * at.page, 5 * at.page, at.file,
                                             2 * at.page, HF_READ_WRITE));
    expect(0, 2, HF_PROTECT_READ);
    expect(2, 5, HF_PROTECT_READ_WRITE);
    expect(7, 9, HF_PROTECT_READ);
    CHECK_STATUS(HF_OK, hf_space_release_range(at.space, 0, PAGES * at.page));
    CHECK_STATUS(HF_OK, hf_space_commit_range(at.space, 0, PAGES * at.page));
    fill(at.base);
    expect(0, PAGES, HF_PROTECT_READ_WRITE);
}

static void replaced_pages_forget_their_protection(void) { on_each_backend(protect_and_remap); }

/* -------------------------------------------------------------------- hints and resets ------ */

static void advise_protected(void) {
    size_t page = at.page;
    CHECK_STATUS(HF_OK, protect(1, 1, HF_PROTECT_READ));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_advise(at.space, 0, 4 * page, HF_ADVISE_POPULATE));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_advise(at.space, page, page, HF_ADVISE_POPULATE));
    hf_status status = hf_space_advise(at.space, 2 * page, 2 * page, HF_ADVISE_POPULATE);
    CHECK(status == HF_OK || status == HF_UNSUPPORTED);
    status = hf_space_advise(at.space, 0, 4 * page, HF_ADVISE_NO_HUGE);
    CHECK(status == HF_OK || status == HF_UNSUPPORTED);
    CHECK_STATUS(HF_OK, protect(1, 1, HF_PROTECT_READ_WRITE));
    status = hf_space_advise(at.space, 0, 4 * page, HF_ADVISE_POPULATE);
    CHECK(status == HF_OK || status == HF_UNSUPPORTED);
}

static void protected_pages_cannot_be_populated(void) { on_each_backend(advise_protected); }

/* ------------------------------------------------------------------------------- code ------- */

#if defined(__x86_64__) || defined(_M_X64)
static const unsigned char code_of_42[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
static const unsigned char code_of_43[] = {0xb8, 43, 0, 0, 0, 0xc3};
#elif defined(__aarch64__) || defined(_M_ARM64)
static const unsigned char code_of_42[] = {0x40, 0x05, 0x80, 0x52,  /* mov w0, 42 */
                                           0xc0, 0x03, 0x5f, 0xd6}; /* ret */
static const unsigned char code_of_43[] = {0x60, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
#else
#define HAS_NO_CODE 1
#endif

#ifndef HAS_NO_CODE

static int run_code(char *address) {
    int (*function)(void);
#if defined(__GNUC__)
    __builtin___clear_cache(address, address + sizeof code_of_42);
#endif
    memcpy(&function, &address, sizeof function);
    return function();
}

/* Two views of one file: one is stored into, the other one runs. */
static void write_xor_execute(void) {
    size_t page = at.page;
    char *writable = at.base + 16 * page, *executable = at.base + 20 * page;
    CHECK_STATUS(
        HF_OK, hf_space_map_range(at.space, 20 * page, 4 * page, at.code, 16 * page, HF_READ_ONLY));
    CHECK_STATUS(HF_OK, protect(20, 1, HF_PROTECT_READ_EXECUTE));
    CHECK(!probe_writable(executable) && probe_writable(writable));
    memcpy(writable, code_of_42, sizeof code_of_42);
    CHECK_EQUAL(42, run_code(executable));
    memcpy(writable, code_of_43, sizeof code_of_43);
    CHECK_EQUAL(43, run_code(executable));
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
    CHECK_STATUS(HF_OK, hf_space_unmap(at.space, 21 * page, page)); /* the rest still runs */
    CHECK_EQUAL(43, run_code(executable));
    CHECK_STATUS(HF_OK, hf_space_check(at.space));
}

static void run_committed_code(void) {
    memcpy(at.base, code_of_42, sizeof code_of_42);
    CHECK_STATUS(HF_OK, protect(0, 1, HF_PROTECT_READ_EXECUTE));
    CHECK_EQUAL(42, run_code(at.base));
    CHECK_STATUS(HF_OK, protect(0, 1, HF_PROTECT_READ_WRITE));
    memcpy(at.base, code_of_43, sizeof code_of_43);
    CHECK_STATUS(HF_OK, protect(0, 1, HF_PROTECT_READ_EXECUTE));
    CHECK_EQUAL(43, run_code(at.base));
}

static void code_runs_in_one_view_and_is_stored_through_another(void) {
    on_each_backend(write_xor_execute);
}
static void code_runs_in_committed_memory(void) { on_each_backend(run_committed_code); }

#else

static void code_runs_in_one_view_and_is_stored_through_another(void) {
    check_skip("there is no machine code for this processor");
}
static void code_runs_in_committed_memory(void) {
    check_skip("there is no machine code for this processor");
}

#endif

/* ------------------------------------------------------ an undo that fails --------------- */

static size_t calls_until_failure; /* of protect */

/* Fails from the n-th call on, and changes nothing then. */
static hf_status protect_or_fail(const hf_backend *self, void *address, size_t size,
                                 hf_access access, hf_protection protection, hf_report *report) {
    const hf_backend *native = hf_backend_native();
    (void)self;
    if (calls_until_failure > 0) {
        calls_until_failure--;
        return native->protect(native, address, size, access, protection, report);
    }
    report->call = "protect_or_fail";
    return HF_MAP_LIMIT;
}

/* Where nothing has changed, the space must not tell that it has. */
static void a_failed_undo_tells_what_is_there(void) {
    hf_backend failing = *hf_backend_native();
    failing.size = sizeof failing;
    failing.protect = protect_or_fail;
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 1 << 20, &(hf_space_options){.backend = &failing}));
    size_t page = hf_space_page_size(space);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 8 * page));
    calls_until_failure = 2;
    CHECK_STATUS(HF_OK, hf_space_protect(space, page, page, HF_PROTECT_READ));
    CHECK_STATUS(HF_OK, hf_space_protect(space, 4 * page, 2 * page, HF_PROTECT_NONE));
    CHECK_STATUS(HF_MAP_LIMIT, hf_space_protect(space, 0, 6 * page, HF_PROTECT_READ));
    bool is_one_call = failing.spans_regions && failing.spans_regions(&failing);
    CHECK_EQUAL(is_one_call,
                hf_last_error().undo_failed); /* else one region, which has not changed */
    static const hf_protection expected[] = {HF_PROTECT_READ_WRITE, HF_PROTECT_READ,
                                             HF_PROTECT_READ_WRITE, HF_PROTECT_READ_WRITE,
                                             HF_PROTECT_NONE,       HF_PROTECT_NONE};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        hf_region region;
        CHECK(hf_space_find(space, i * page, &region));
        CHECK_EQUAL(expected[i], region.protection);
    }
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

CHECK_MAIN(TEST(a_failed_undo_tells_what_is_there), TEST(each_protection_of_each_kind),
           TEST(one_call_protects_several_regions), TEST(neighbours_have_different_protections),
           TEST(wrong_states), TEST(invalid_arguments), TEST(a_backend_without_protect),
           TEST(released_pages_forget_their_protection),
           TEST(replaced_pages_forget_their_protection), TEST(protected_pages_cannot_be_populated),
           TEST(code_runs_in_one_view_and_is_stored_through_another),
           TEST(code_runs_in_committed_memory))
