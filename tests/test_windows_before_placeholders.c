/*
 * The backend for Windows versions before placeholders, on any Windows: space.h except views.
 *
 * There a space is one reservation, and splits exist only in the region map. So the tests compare
 * the regions with that reservation and with the memory that is committed in it.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "check.h"
#include "handles.h"
#include "holdfast/arena.h"
#include "holdfast/file.h"
#include "space_fixture.h"

static const char path[] = "test_windows_before_placeholders.tmp";

static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};

static const hf_backend *before(void) { return hf_backend_before_placeholders(); }

static size_t page(void) { return before()->page_size(before()); }

static MEMORY_BASIC_INFORMATION query(const void *address) {
    MEMORY_BASIC_INFORMATION found;
    CHECK(VirtualQuery(address, &found, sizeof found) == sizeof found);
    return found;
}

static bool is_free(const char *address, size_t size) {
    MEMORY_BASIC_INFORMATION found = query(address);
    return found.State == MEM_FREE && found.RegionSize >= size;
}

static hf_space *open_space(const hf_backend *backend, size_t pages) {
    hf_space_options options = {.backend = backend};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, pages * page(), &options));
    return space;
}

/* -------------------------------------------------------------------- the steps ------------- */

static void becomes_on(const struct drawn *drawn, const hf_backend *backend, hf_backend *strict) {
    struct space_fixture fixture;
    space_fixture_open(&fixture, backend, strict, &drawn->before);
    space_fixture_expect(&fixture, &drawn->before);
    CHECK_STATUS(HF_OK, drawn_run(drawn, &fixture));
    space_fixture_expect(&fixture, &drawn->after);
    space_fixture_close(&fixture);
}

static void becomes(const struct drawn *drawn) {
    hf_backend *strict;
    becomes_on(drawn, before(), NULL);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, before()));
    becomes_on(drawn, strict, strict);
    check_nothing_left(strict);
    hf_strict_close(strict);
}

static void every_step_works_except_views(void) {
    drawing_each(&step_split,
                 "p p p     p p p     c|p p p|c\n"
                 "-           -           ---  \n"
                 "p|p p     p|p|p     c|p|p p|c\n",
                 becomes);
    drawing_each(&step_coalesce,
                 "p|p     p|p p|p     c|p|p|c\n"
                 "---     -------       ---  \n"
                 "p p     p p p p     c|p p|c\n",
                 becomes);
    drawing_each(&step_commit,
                 "p     p|p p|p     c|p|c\n"
                 "-       ---         -  \n"
                 "c     p|c c|p     c|c|c\n",
                 becomes);
    drawing_each(&step_decommit,
                 "c     c c c     c c c     c c c     c|c c|c\n"
                 "-     -           -         ---       ---  \n"
                 "p     p|c c     c|p|c     c|p p     c|p p|c\n",
                 becomes);
    drawing_each(&step_commit_range,
                 "p     p p p     p p p     p p p     c|p p p|c\n"
                 "-     ---         -         ---         -    \n"
                 "c     c c|p     p|c|p     p|c c     c|p|c|p|c\n",
                 becomes);
    drawing_each(&step_release_range,
                 "c c c     c|c|c|c     c c|p|c c     p|c|p|c|p\n"
                 "  -       -------       -----           ---  \n"
                 "c|p|c     p p p p     c|p p p|c     p|c|p p p\n",
                 becomes);
}

/* Regions are split and coalesced without a system call; the reservation stays one. */
static void splits_make_no_system_call(void) {
    hf_space *space = open_space(before(), 100);
    char *base = hf_space_base(space);
    size_t g = page();
    CHECK_STATUS(HF_OK, hf_space_split(space, 10 * g, 20 * g));
    CHECK_STATUS(HF_OK, hf_space_split(space, 12 * g, 4 * g));
    CHECK_STATUS(HF_OK, hf_space_coalesce(space, 0, 12 * g));
    hf_space_stats stats = hf_space_get_stats(space);
    CHECK_EQUAL(0, stats.system_calls[HF_STEP_SPLIT] + stats.system_calls[HF_STEP_COALESCE]);
    CHECK_EQUAL(4, stats.regions);
    MEMORY_BASIC_INFORMATION all = query(base);
    CHECK(all.AllocationBase == base && all.State == MEM_RESERVE);
    CHECK_EQUAL(100 * g, all.RegionSize);
    CHECK_STATUS(HF_OK, hf_space_commit(space, 12 * g, 4 * g));
    MEMORY_BASIC_INFORMATION part = query(base + 12 * g);
    CHECK(part.AllocationBase == base && part.State == MEM_COMMIT);
    CHECK_EQUAL(4 * g, part.RegionSize);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void memory_is_zero_again(void) {
    hf_space *space = open_space(before(), 8);
    char *base = hf_space_base(space);
    size_t g = page();
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 8 * g));
    memset(base, 1, 8 * g);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 2 * g, 3 * g));
    CHECK(query(base + 2 * g).State == MEM_RESERVE);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * g, 3 * g));
    for (size_t i = 0; i < 8 * g; i++) CHECK_EQUAL(i < 2 * g || i >= 5 * g, base[i]);
    hf_space_close(space);
}

/* Regions are no allocations here: one VirtualProtect protects three, and a region that grows stays
 * one region. */
static void calls_span_regions(void) {
    hf_space *space = open_space(before(), 8);
    char *base = hf_space_base(space);
    size_t g = page();
    for (size_t i = 0; i < 3; i++) CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * g, g));
    memset(base, 1, 3 * g);
    CHECK_STATUS(HF_OK, hf_space_protect(space, 0, 3 * g, HF_PROTECT_READ));
    hf_space_stats stats = hf_space_get_stats(space);
    CHECK_EQUAL(3, stats.steps[HF_STEP_PROTECT]);
    CHECK_EQUAL(1, stats.system_calls[HF_STEP_PROTECT]);
    CHECK(query(base).Protect == PAGE_READONLY && query(base).RegionSize == 3 * g);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_reset_range(space, g, g));
    CHECK(base[g - 1] == 1 && base[g] == 0 && base[2 * g - 1] == 0 && base[2 * g] == 1);
    CHECK_EQUAL(3 * g, query(base).RegionSize);
    CHECK_STATUS(HF_OK, hf_space_extend(space, 2 * g, g, 3 * g));
    CHECK_EQUAL(4, hf_space_get_stats(space).regions);
    CHECK(query(base + 3 * g).Protect == PAGE_READWRITE && base[2 * g] == 1 && base[3 * g] == 0);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, g, 2 * g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, g, 2 * g));
    CHECK_EQUAL(PAGE_READWRITE, query(base + g).Protect);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    CHECK(is_free(base, 8 * g));
}

static hf_status region_decommit(const hf_backend *self, void *address, size_t size,
                                 hf_report *report) {
    (void)self;
    return before()->decommit(before(), address, size, report);
}

/* A backend that replaces one of these functions is called for each region. */
static void a_copy_is_called_for_each_region(void) {
    hf_backend copy = *before();
    CHECK(copy.spans_regions(&copy));
    copy.decommit = region_decommit;
    CHECK(!copy.spans_regions(&copy));
    hf_space *space = open_space(&copy, 4);
    size_t g = page();
    for (size_t i = 0; i < 3; i++) CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * g, g));
    CHECK_STATUS(HF_OK, hf_space_protect(space, 0, 3 * g, HF_PROTECT_READ));
    CHECK_EQUAL(3, hf_space_get_stats(space).system_calls[HF_STEP_PROTECT]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 4 * g));
    hf_space_close(space);
}

/* ---------------------------------------------------------------------- views --------------- */

static void expect_views_unsupported(hf_status status) {
    hf_error error = hf_last_error();
    CHECK_STATUS(HF_UNSUPPORTED, status);
    CHECK_EQUAL(0, error.os_code);
    CHECK(strcmp("MapViewOfFile3", error.call) == 0);
    CHECK(strcmp("views in a space need Windows 10 version 1803, Windows Server 2019 or newer",
                 error.reason) == 0);
}

static void views_are_unsupported_with_a_reason(void) {
    struct space_fixture fixture;
    struct picture picture = picture_parse("p p|c|p p", 9);
    hf_file *file;
    DeleteFileA(path);
    space_fixture_open(&fixture, before(), NULL, &picture);
    size_t g = fixture.page_size;
    CHECK_STATUS(HF_OK, hf_file_create(&file, path, 2 * g, before()));
    DWORD handles = handles_open();
    for (size_t i = 0; i < 6; i++) {
        hf_file *viewed = i < 3 ? file : fixture.file;
        hf_access access = accesses[i % 3];
        expect_views_unsupported(hf_space_map(fixture.space, 0, 2 * g, viewed, 0, access));
        expect_views_unsupported(
            hf_space_map_range(fixture.space, 3 * g, 2 * g, viewed, 0, access));
        expect_views_unsupported(hf_space_map_range(fixture.space, 4 * g, g, viewed, g, access));
        expect_views_unsupported(
            hf_space_remap_range(fixture.space, g, 2 * g, viewed, 0, access)); /* keeps "p|c" */
        CHECK(!hf_last_error().undo_failed);
        space_fixture_expect(&fixture, &picture);
    }
    CHECK_STATUS(HF_WRONG_STATE, hf_space_unmap(fixture.space, 0, 2 * g));
    CHECK_EQUAL(handles, handles_open());
    hf_file_close(file);
    space_fixture_close(&fixture);
    DeleteFileA(path);
}

/* ---------------------------------------------------------------------- closing ------------- */

enum { PIECES = 16 };

/* A backend whose release is followed immediately by allocations of the released addresses, as if
 * another thread made them. */
struct watching {
    hf_backend backend;
    const hf_backend *real;
    char *base;
    size_t size, count;
    char *addresses[2 * PIECES];
};

static void watching_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    struct watching *watching = (struct watching *)(uintptr_t)self;
    watching->real->release(watching->real, address, size, kind);
    for (char *at = watching->base; at < watching->base + watching->size;
         at += HF_ALLOCATION_GRANULARITY) {
        char *got =
            VirtualAlloc(at, HF_ALLOCATION_GRANULARITY, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        if (got == NULL) continue;
        CHECK(watching->count < 2 * PIECES);
        *got = 'x';
        watching->addresses[watching->count++] = got;
    }
}

/* Regions that begin where another allocation can begin: closing must not release those. */
static void close_among_other_threads(const hf_backend *real) {
    static struct watching watching;
    watching = (struct watching){
        .backend = *real, .real = real, .size = PIECES * HF_ALLOCATION_GRANULARITY};
    watching.backend.release = watching_release;
    hf_space_options options = {.backend = &watching.backend};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, watching.size, &options));
    watching.base = hf_space_base(space);
    for (size_t i = 0; i < PIECES; i += 2)
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * HF_ALLOCATION_GRANULARITY,
                                                  HF_ALLOCATION_GRANULARITY));
    CHECK_EQUAL(PIECES, hf_space_get_stats(space).regions);
    hf_space_close(space);
    CHECK_EQUAL(PIECES, watching.count);
    for (size_t i = 0; i < watching.count; i++) {
        CHECK(query(watching.addresses[i]).State == MEM_COMMIT && *watching.addresses[i] == 'x');
        CHECK(VirtualFree(watching.addresses[i], 0, MEM_RELEASE));
    }
    CHECK(is_free(watching.base, watching.size));
}

static void closing_releases_nothing_of_other_threads(void) {
    close_among_other_threads(before());
    close_among_other_threads(hf_backend_native());
}

static void closing_releases_everything(void) {
    static const char *const pictures[] = {"p", "c", "p p|c|p", "c|p p|c c|p|c", "c|c|c"};
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        struct picture picture = picture_parse(pictures[i], strlen(pictures[i]));
        struct space_fixture fixture;
        space_fixture_open(&fixture, before(), NULL, &picture);
        char *base = hf_space_base(fixture.space);
        size_t size = hf_space_size(fixture.space);
        CHECK(!is_free(base, size));
        space_fixture_close(&fixture);
        CHECK(is_free(base, size));
    }
}

/* -------------------------------------------------------------------- check ----------------- */

static void commit_raw(char *address, size_t size) {
    CHECK(VirtualAlloc(address, size, MEM_COMMIT, PAGE_READWRITE) == address);
}
static void decommit_raw(char *address, size_t size) {
    CHECK(VirtualFree(address, size, MEM_DECOMMIT));
}
static void permit_loads(char *address, size_t size) {
    DWORD old;
    CHECK(VirtualProtect(address, size, PAGE_READONLY, &old));
}

static void expect_found(const char *text, size_t page, void (*change)(char *, size_t)) {
    expect_check_finds(before(), text, page, change, page);
}

static void changes_are_found(void) {
    static const char text[] = "p p p|c c c|p|c";
    for (size_t i = 0; i < sizeof text / 2; i++) {
        bool is_committed = text[2 * i] == 'c';
        expect_found(text, i, is_committed ? decommit_raw : commit_raw);
        if (is_committed) expect_found(text, i, permit_loads);
    }
}

/* A space whose reservation was released, and one that was replaced by two other reservations. */
static void a_lost_reservation_is_found(void) {
    for (int is_replaced = 0; is_replaced <= 1; is_replaced++) {
        hf_space *space = open_space(before(), 64);
        char *base = hf_space_base(space);
        CHECK_STATUS(HF_OK, hf_space_split(space, 0, 32 * page()));
        CHECK(VirtualFree(base, 0, MEM_RELEASE));
        if (is_replaced) /* two reservations of one half each */
            for (size_t i = 0; i < 2; i++)
                CHECK(VirtualAlloc(base + i * 32 * page(), 32 * page(), MEM_RESERVE,
                                   PAGE_NOACCESS) == base + i * 32 * page());
        CHECK_STATUS(HF_CORRUPT, hf_space_check(space));
        CHECK_EQUAL(is_replaced ? 32 * page() : 0, hf_last_error().offset);
        if (is_replaced) CHECK(VirtualFree(base + 32 * page(), 0, MEM_RELEASE));
        hf_space_close(space);
        CHECK(is_free(base, 64 * page()));
    }
}

/* ------------------------------------------------------ views at free addresses ------------- */

static hf_report report;

/* The file has 16 pages, the last one in part; it is filled with 'x'. */
static size_t file_size(void) { return 15 * page() + 1000; }

static intptr_t make_file(void) {
    intptr_t file;
    DWORD written;
    uint64_t size;
    HANDLE plain = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    CHECK(plain != INVALID_HANDLE_VALUE);
    for (size_t i = 0; i < file_size(); i++) CHECK(WriteFile(plain, "x", 1, &written, NULL));
    CloseHandle(plain);
    CHECK_STATUS(HF_OK, before()->file_open(before(), path, HF_READ_WRITE, &file, &size, &report));
    CHECK_EQUAL(file_size(), size);
    return file;
}

static intptr_t make_shared(void) {
    intptr_t file;
    CHECK_STATUS(HF_OK, before()->file_create_shared(before(), file_size(), &file, &report));
    return file;
}

static uint64_t length_of_file(void) {
    WIN32_FILE_ATTRIBUTE_DATA data;
    CHECK(GetFileAttributesExA(path, GetFileExInfoStandard, &data));
    return (uint64_t)data.nFileSizeHigh << 32 | data.nFileSizeLow;
}

static char *free_addresses(size_t size) {
    void *base;
    CHECK_STATUS(HF_OK, before()->reserve(before(), NULL, size, &base, &report));
    before()->release(before(), base, size, HF_PLACEHOLDER);
    CHECK(is_free(base, size));
    return base;
}

static hf_status map_at(char *address, size_t size, intptr_t file, uint64_t file_offset,
                        hf_access access) {
    report = (hf_report){0};
    return before()->map_free(before(), address, size, file, file_offset, access, &report);
}

static DWORD protection_of(const void *address) {
    MEMORY_BASIC_INFORMATION found = query(address);
    CHECK(found.State == MEM_COMMIT && found.Type == MEM_MAPPED);
    return found.Protect;
}

/* |  the same pages  |  the same pages  |, as in a ring. */
static void map_the_same_pages_twice(intptr_t file, hf_access access) {
    size_t size = HF_ALLOCATION_GRANULARITY;
    bool writes = access == HF_READ_WRITE, copies = access == HF_COPY_ON_WRITE;
    char *base = free_addresses(2 * size);
    volatile char *seen = base; /* the compiler does not know that the two are the same memory */
    DWORD handles = handles_open();
    CHECK_STATUS(HF_OK, map_at(base, size, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, map_at(base + size, size, file, 0, access));
    CHECK_EQUAL(handles, handles_open());
    CHECK_EQUAL(writes   ? PAGE_READWRITE
                : copies ? PAGE_WRITECOPY
                         : PAGE_READONLY,
                protection_of(base + size));
    seen[3] = 'a';
    CHECK_EQUAL('a', seen[size + 3]);
    if (writes || copies) seen[size + 4] = 'b';
    CHECK_EQUAL(writes, seen[4] == 'b');
    before()->release(before(), base + size, size, HF_VIEW);
    CHECK(is_free(base + size, size) && base[3] == 'a');
    before()->release(before(), base, size, HF_VIEW);
    CHECK(is_free(base, 2 * size));
}

static void views_are_mapped_at_free_addresses(void) {
    for (size_t i = 0; i < 6; i++) {
        intptr_t file = i < 3 ? make_file() : make_shared();
        size_t outer = check_enter("%s, access %d", i < 3 ? "file" : "shared memory", (int)i % 3);
        map_the_same_pages_twice(file, accesses[i % 3]);
        before()->file_close(before(), file);
        if (i < 3) CHECK_EQUAL(file_size(), length_of_file());
        check_leave(outer);
    }
    DeleteFileA(path);
}

/* Stores behind the last byte do not reach the file and do not extend it. */
static void the_last_page_need_not_be_full(void) {
    size_t size = 16 * page();
    for (size_t i = 0; i < 3; i++) {
        intptr_t file = make_file();
        char *base = free_addresses(size);
        CHECK_STATUS(HF_OK, map_at(base, size, file, 0, accesses[i]));
        CHECK_EQUAL(size, query(base).RegionSize);
        CHECK(base[file_size() - 1] == 'x' && base[file_size()] == 0);
        if (accesses[i] != HF_READ_ONLY) base[file_size()] = base[size - 1] = 'y';
        before()->release(before(), base, size, HF_VIEW);
        before()->file_close(before(), file);
        CHECK_EQUAL(file_size(), length_of_file());
    }
    DeleteFileA(path);
}

static void addresses_in_use_are_no_address(void) {
    size_t size = 2 * HF_ALLOCATION_GRANULARITY;
    char *base = free_addresses(size);
    intptr_t file;
    CHECK_STATUS(HF_OK, before()->file_create_shared(before(), size, &file, &report));
    for (size_t i = 0; i < 2; i++) {
        char *part = base + i * HF_ALLOCATION_GRANULARITY;
        CHECK(VirtualAlloc(part, HF_ALLOCATION_GRANULARITY, MEM_RESERVE, PAGE_NOACCESS) == part);
        DWORD handles = handles_open();
        for (size_t access = 0; access < 3; access++) {
            CHECK_STATUS(HF_NO_ADDRESS, map_at(base, size, file, 0, accesses[access]));
            CHECK_EQUAL(ERROR_INVALID_ADDRESS, report.os_code);
            CHECK(strcmp("MapViewOfFileEx", report.call) == 0);
        }
        CHECK_EQUAL(handles, handles_open());
        CHECK(VirtualFree(part, 0, MEM_RELEASE));
        CHECK(is_free(base, size));
    }
    before()->file_close(before(), file);
}

static void expect_no_view(hf_status expected, size_t size, intptr_t file, uint64_t file_offset,
                           hf_access access) {
    char *base = free_addresses(size);
    DWORD handles = handles_open();
    CHECK_STATUS(expected, map_at(base, size, file, file_offset, access));
    CHECK(report.os_code != 0 && report.call != NULL);
    CHECK_EQUAL(handles, handles_open());
    CHECK(is_free(base, size));
}

/* File offsets that fail: not a multiple of 64 KiB, and behind the end of the file. */
static void a_map_that_fails_leaves_no_view(void) {
    intptr_t file = make_file(), shared = make_shared();
    for (size_t i = 0; i < 3; i++) {
        expect_no_view(HF_IO, page(), file, page(), accesses[i]);
        CHECK_EQUAL(ERROR_MAPPED_ALIGNMENT, report.os_code);
        expect_no_view(HF_IO, page(), shared, page(), accesses[i]);
        expect_no_view(HF_IO, page(), file, HF_ALLOCATION_GRANULARITY, accesses[i]);
        CHECK_EQUAL(ERROR_HANDLE_EOF, report.os_code);
        expect_no_view(HF_IO, 17 * page(), file, 0, accesses[i]);
        expect_no_view(HF_IO, 17 * page(), shared, 0, accesses[i]);
    }
    before()->file_close(before(), shared);
    before()->file_close(before(), file);
    CHECK_EQUAL(file_size(), length_of_file());
    CHECK(DeleteFileA(path));
}

/* -------------------------------------------------------- failures and arenas --------------- */

static hf_status commit_and_release(hf_space *space) {
    size_t g = page();
    hf_status status = hf_space_commit_range(space, 2 * g, 5 * g);
    if (status == HF_OK) status = hf_space_decommit(space, 3 * g, g);
    if (status == HF_OK) status = hf_space_split(space, 10 * g, 2 * g);
    if (status == HF_OK) status = hf_space_commit(space, 10 * g, 2 * g);
    return status == HF_OK ? hf_space_release_range(space, 0, 16 * g) : status;
}

/* Returns whether a call failed. Afterwards hf_space_check succeeds in every case. */
static bool meets_failure(size_t nth, bool from_then_on) {
    hf_backend *strict;
    hf_space *space = NULL;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, before()));
    hf_space_options options = {.backend = strict};
    hf_strict_fail(strict, nth, from_then_on);
    hf_status status = hf_space_open(&space, 16 * page(), &options);
    if (status == HF_OK) status = commit_and_release(space);
    hf_strict_fail(strict, 0, false);
    size_t failures = hf_strict_get_stats(strict).failures;
    CHECK((failures == 0) == (status == HF_OK));
    if (space) {
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 16 * page()));
        CHECK_STATUS(HF_OK, commit_and_release(space));
    }
    hf_space_close(space);
    check_nothing_left(strict);
    hf_strict_close(strict);
    return failures > 0;
}

static void every_call_can_fail(void) {
    for (int from_then_on = 0; from_then_on <= 1; from_then_on++) {
        size_t nth = 1;
        while (meets_failure(nth, from_then_on)) {
            CHECK(nth < 1000);
            nth++;
        }
        CHECK(nth > 10);
    }
}

static size_t committed_bytes(const char *base, size_t size) {
    size_t committed = 0;
    MEMORY_BASIC_INFORMATION found;
    for (const char *at = base; at < base + size; at += found.RegionSize) {
        found = query(at);
        if (found.State == MEM_COMMIT) committed += found.RegionSize;
    }
    return committed;
}

/* A trim decommits memory: VirtualQuery shows as much committed as the arena's statistics. */
static void an_arena_works(void) {
    enum { SIZE = 1000000 };
    hf_arena arena;
    hf_arena_options options = {.backend = before(), .reserve = (size_t)1 << 27};
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    char *base = hf_arena_base(&arena);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) {
            char *block = hf_alloc(&arena, SIZE, 16);
            CHECK(block != NULL);
            memset(block, i, SIZE);
        }
        hf_arena_stats stats = hf_arena_get_stats(&arena);
        CHECK_EQUAL(stats.committed, committed_bytes(base, stats.reserved));
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_STATUS(HF_OK, hf_trim(&arena, (size_t)round * SIZE));
        stats = hf_arena_get_stats(&arena);
        CHECK_EQUAL(stats.committed, committed_bytes(base, stats.reserved));
        CHECK(stats.committed <= (size_t)(round + 1) * SIZE);
    }
    CHECK(hf_alloc(&arena, (size_t)1 << 28, 16) == NULL);
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    hf_arena_close(&arena);
    CHECK(is_free(base, (size_t)1 << 27));
}

/* fault_after_rewind decommits the middle of a region, which works here. */
static void an_arena_can_fault_after_rewind(void) {
    hf_arena arena;
    hf_arena_options options = {.backend = before(), .fault_after_rewind = true};
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    CHECK(hf_alloc(&arena, 100, 16) != NULL);
    hf_mark mark = hf_get_mark(&arena);
    char *block = hf_alloc(&arena, 4 * page(), page());
    CHECK(block != NULL && query(block).State == MEM_COMMIT);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    CHECK(query(block).State == MEM_RESERVE);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(every_step_works_except_views), TEST(splits_make_no_system_call),
           TEST(memory_is_zero_again), TEST(calls_span_regions),
           TEST(a_copy_is_called_for_each_region), TEST(views_are_unsupported_with_a_reason),
           TEST(closing_releases_nothing_of_other_threads), TEST(closing_releases_everything),
           TEST(changes_are_found), TEST(a_lost_reservation_is_found),
           TEST(views_are_mapped_at_free_addresses), TEST(the_last_page_need_not_be_full),
           TEST(addresses_in_use_are_no_address), TEST(a_map_that_fails_leaves_no_view),
           TEST(every_call_can_fail), TEST(an_arena_works), TEST(an_arena_can_fault_after_rewind))
