/*
 * The parts of space.h where neighbouring regions do not matter: opening and closing, looking up
 * regions, contents of views, hints, names, statistics.
 */
#include "check.h"
#include "process.h"
#include "space_fixture.h"

/* Opens a space of `pages` pages on the native backend. */
static hf_space *open_native(size_t pages) {
    hf_space *space;
    size_t page_size = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&space, pages * page_size, NULL));
    return space;
}

static size_t native_page_size(void) { return hf_backend_native()->page_size(hf_backend_native()); }

/* ------------------------------------------------------------- opening, closing ------------- */

static void opens_as_one_placeholder(void) {
    hf_space *space = open_native(100);
    hf_region region = {0};
    CHECK(hf_space_base(space) != NULL);
    CHECK_EQUAL(0, (uintptr_t)hf_space_base(space) % HF_ALLOCATION_GRANULARITY);
    CHECK_EQUAL(100 * native_page_size(), hf_space_size(space));
    CHECK_EQUAL(native_page_size(), hf_space_page_size(space));
    CHECK(hf_space_next(space, &region));
    CHECK_EQUAL(HF_PLACEHOLDER, region.kind);
    CHECK_EQUAL(0, region.offset);
    CHECK_EQUAL(hf_space_size(space), region.size);
    CHECK(!hf_space_next(space, &region));
    hf_space_close(space);
}

static void options_of_zero_are_no_options(void) {
    hf_space_options options = {0};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, native_page_size(), &options));
    CHECK_STATUS(HF_OK, hf_space_commit(space, 0, native_page_size()));
    hf_space_close(space);
}

/* Sizes below and above a huge page: the backend aligns larger reservations to huge pages. */
static void every_base_is_aligned(void) {
    static const size_t pages[] = {1, 15, 16, 17, 511, 512, 513, 1024, 5000};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        hf_space *one = open_native(pages[i]), *other = open_native(pages[i]);
        CHECK_EQUAL(0, (uintptr_t)hf_space_base(one) % HF_ALLOCATION_GRANULARITY);
        CHECK_EQUAL(0, (uintptr_t)hf_space_base(other) % HF_ALLOCATION_GRANULARITY);
        CHECK_STATUS(HF_OK, hf_space_commit(one, 0, hf_space_size(one)));
        hf_space_base(one)[hf_space_size(one) - 1] = 1;
        CHECK_STATUS(HF_OK, hf_space_check(one));
        CHECK_STATUS(HF_OK, hf_space_check(other));
        hf_space_close(one);
        hf_space_close(other);
    }
}

static void expect_invalid_open(size_t size, void *base, size_t least, const hf_backend *backend) {
    hf_space_options options = {.base = base, .least = least, .backend = backend};
    hf_space *const untouched = (hf_space *)&options, *space = untouched;
    size_t outer = check_enter("size %#zx, base %p, least %#zx", size, base, least);
    CHECK_STATUS(HF_INVALID, hf_space_open(&space, size, &options));
    CHECK(space == untouched);
    hf_error error = hf_last_error();
    CHECK_EQUAL(0, error.os_code);
    CHECK_EQUAL(size, error.size);
    CHECK(strcmp("hf_space_open", error.call) == 0);
    check_leave(outer);
}

static void bad_options_are_invalid(void) {
    hf_backend *strict;
    size_t g = native_page_size(), last = SIZE_MAX - g + 1;
    char *high = (char *)(UINTPTR_MAX - HF_ALLOCATION_GRANULARITY + 1);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    const hf_backend *const backends[] = {NULL, strict};
    for (size_t i = 0; i < 2; i++) {
        expect_invalid_open(0, NULL, 0, backends[i]);
        expect_invalid_open(1, NULL, 0, backends[i]);
        expect_invalid_open(g - 1, NULL, 0, backends[i]);
        expect_invalid_open(g + 1, NULL, 0, backends[i]);
        expect_invalid_open(SIZE_MAX, NULL, 0, backends[i]);
        expect_invalid_open(4 * g, NULL, 1, backends[i]);
        expect_invalid_open(4 * g, NULL, g + 1, backends[i]);
        expect_invalid_open(4 * g, NULL, 5 * g, backends[i]);
        expect_invalid_open(4 * g, (char *)g, 0, backends[i]);
        expect_invalid_open(4 * g, (char *)1, 0, backends[i]);
        expect_invalid_open(4 * g, (char *)HF_ALLOCATION_GRANULARITY + 1, 0, backends[i]);
        expect_invalid_open(HF_ALLOCATION_GRANULARITY + g, high, 0, backends[i]);
        expect_invalid_open(last, (char *)HF_ALLOCATION_GRANULARITY, 0, backends[i]);
    }
    CHECK_EQUAL(0, hf_strict_get_stats(strict).calls);
    hf_strict_close(strict);
    CHECK_STATUS(HF_INVALID, hf_space_open(NULL, g, NULL));
}

/* An address that was just released. It lies in the middle of a free range, because the system may
 * allocate the records of a space at the lowest or the highest free address. */
static char *some_free_base(size_t size) {
    size_t margin = 256 * HF_ALLOCATION_GRANULARITY;
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, margin + size + margin, NULL));
    char *base = hf_space_base(space) + margin;
    hf_space_close(space);
    return base;
}

static void opens_at_an_exact_base(void) {
    size_t size = 64 * HF_ALLOCATION_GRANULARITY;
    hf_space_options options = {.base = some_free_base(size)};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, &options));
    CHECK(hf_space_base(space) == options.base);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, size));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* Opening a space that overlaps `occupied` fails with HF_NO_ADDRESS and does not change it. */
static void a_base_in_use_is_no_address(void) {
    size_t unit = HF_ALLOCATION_GRANULARITY;
    hf_space_options options = {.base = some_free_base(16 * unit)};
    hf_space *occupied, *const untouched = (hf_space *)&options, *space = untouched;
    char *base = (char *)options.base + 4 * unit;
    options.base = base;
    CHECK_STATUS(HF_OK, hf_space_open(&occupied, 4 * unit, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(occupied, unit, unit));
    base[unit] = 'x';
    const struct {
        char *base;
        size_t size;
    } overlaps[] = {{base, 4 * unit},           {base, unit},
                    {base + unit, unit},        {base + unit, 2 * unit},
                    {base + 3 * unit, unit},    {base + 3 * unit, 3 * unit},
                    {base - unit, 2 * unit},    {base - unit, 8 * unit},
                    {base - 3 * unit, 4 * unit}};
    for (size_t i = 0; i < sizeof overlaps / sizeof *overlaps; i++) {
        size_t outer = check_enter("overlap %zu", i);
        options.base = overlaps[i].base;
        CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, overlaps[i].size, &options));
        CHECK(space == untouched);
        CHECK_EQUAL(overlaps[i].size, hf_last_error().size);
        CHECK(hf_last_error().os_code != 0);
        CHECK_EQUAL('x', base[unit]);
        CHECK_STATUS(HF_OK, hf_space_check(occupied));
        check_leave(outer);
    }
    hf_space_close(occupied);
}

/* With a base and `least`, the size is halved and the base stays exact. */
static void falls_back_at_an_exact_base(void) {
    size_t unit = HF_ALLOCATION_GRANULARITY;
    char *base = some_free_base(16 * unit);
    hf_space_options upper = {.base = base + 8 * unit}, lower = {.base = base, .least = unit};
    hf_space *blocking, *space;
    CHECK_STATUS(HF_OK, hf_space_open(&blocking, 8 * unit, &upper));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 12 * unit, &lower));
    CHECK(hf_space_base(space) == base);
    CHECK_EQUAL(6 * unit, hf_space_size(space));
    CHECK_EQUAL(1, hf_space_get_stats(space).failures);
    hf_space_close(space);
    hf_space_close(blocking);
}

static void more_addresses_than_there_are(void) {
    size_t page_size = native_page_size(), huge = (SIZE_MAX - SIZE_MAX / 16) & ~(page_size - 1);
    hf_space_options options = {.least = huge / 2 & ~(page_size - 1)};
    hf_space *const untouched = (hf_space *)&options, *space = untouched;
    CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, huge, NULL));
    CHECK(space == untouched);
    CHECK(hf_last_error().os_code != 0);
    CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, SIZE_MAX - page_size + 1, NULL));
    if (SIZE_MAX > UINT32_MAX) CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, huge, &options));
    CHECK(space == untouched);
}

static void falls_back_to_what_there_is(void) {
    if (process_pays_for_addresses()) {
        check_skip("reserving all addresses would take more memory than the machine has");
        return;
    }
    size_t page_size = native_page_size(), huge = (SIZE_MAX - SIZE_MAX / 16) & ~(page_size - 1);
    hf_space_options options = {.least = page_size};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, huge, &options));
    /* The size of the largest gap varies; under a sanitizer it is small. */
    CHECK(hf_space_size(space) < huge && hf_space_size(space) >= huge >> 17 >> 17);
    CHECK_EQUAL(hf_space_size(space), hf_space_get_stats(space).placeholder_bytes);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, hf_space_size(space) - page_size, page_size));
    hf_space_base(space)[hf_space_size(space) - 1] = 1;
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void closes_whatever_its_state(void) {
    hf_backend *strict;
    struct space_fixture fixture;
    struct picture picture = picture_supported("c c|p|v|r r|p p|w|c|c");
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    space_fixture_open(&fixture, strict, strict, &picture);
    hf_file_close(fixture.file);
    hf_space_close(fixture.space);
    check_nothing_left(strict);
    hf_strict_close(strict);
    hf_space_close(NULL);
}

static void closing_releases_the_addresses(void) {
    struct space_fixture fixture;
    struct picture picture = picture_supported("c c|p|v|r r|p p|w|c|c");
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    hf_space_options options = {.base = hf_space_base(fixture.space)};
    size_t size = hf_space_size(fixture.space);
    space_fixture_close(&fixture);
    CHECK_STATUS(HF_OK, hf_space_open(&fixture.space, size, &options));
    hf_space_close(fixture.space);
}

/* ---------------------------------------------------------------- find and next ------------- */

static void finds_nothing_outside(void) {
    hf_space *space = open_native(8);
    hf_region region = {1, 2, HF_VIEW, HF_READ_ONLY, 3, HF_PROTECT_READ}, as_it_was = region;
    CHECK(!hf_space_find(space, hf_space_size(space), &region));
    CHECK(!hf_space_find(space, SIZE_MAX, &region));
    CHECK(memcmp(&region, &as_it_was, sizeof region) == 0);
    CHECK(hf_space_find(space, hf_space_size(space) - 1, &region));
    hf_space_close(space);
}

/* hf_space_next returns the regions behind *region in order, also after a change before them. */
static void a_walk_goes_on_behind_a_change(void) {
    struct space_fixture fixture;
    struct picture picture = picture_supported("c|p p p|v|p");
    hf_region region = {0};
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    CHECK(hf_space_next(fixture.space, &region) && region.kind == HF_COMMITTED);
    CHECK_STATUS(HF_OK,
                 hf_space_commit_range(fixture.space, 2 * fixture.page_size, fixture.page_size));
    CHECK(hf_space_next(fixture.space, &region) && region.kind == HF_PLACEHOLDER);
    CHECK_EQUAL(fixture.page_size, region.size);
    CHECK(hf_space_next(fixture.space, &region) && region.kind == HF_COMMITTED);
    CHECK_STATUS(HF_OK,
                 hf_space_release_range(fixture.space, 2 * fixture.page_size, fixture.page_size));
    CHECK(hf_space_next(fixture.space, &region) && region.kind == HF_PLACEHOLDER);
    CHECK_EQUAL(fixture.page_size, region.offset); /* the coalesced region begins earlier */
    CHECK(hf_space_next(fixture.space, &region) && region.offset == 4 * fixture.page_size);
    space_fixture_close(&fixture);
}

/* ---------------------------------------------------------------------- views --------------- */

/* Three views of the same page of the file, each with another access. */
static void stores_go_where_the_access_says(void) {
    if (!require_views()) return;
    struct space_fixture fixture;
    struct picture picture = picture_parse("p|p|p", 5);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    size_t g = fixture.page_size;
    char *shared = hf_space_base(fixture.space), *read_only = shared + g, *own = read_only + g;
    CHECK_STATUS(HF_OK, hf_space_map(fixture.space, 0, g, fixture.file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map(fixture.space, g, g, fixture.file, 0, HF_READ_ONLY));
    CHECK_STATUS(HF_OK, hf_space_map(fixture.space, 2 * g, g, fixture.file, 0, HF_COPY_ON_WRITE));
    shared[0] = 'a';
    CHECK(read_only[0] == 'a' && own[0] == 'a');
    own[1] = 'b';
    CHECK(read_only[1] != 'b' && shared[1] != 'b' && own[1] == 'b');
    CHECK_STATUS(HF_OK, hf_space_unmap(fixture.space, 2 * g, g));
    CHECK_STATUS(HF_OK, hf_space_map(fixture.space, 2 * g, g, fixture.file, 0, HF_COPY_ON_WRITE));
    CHECK(own[0] == 'a' && own[1] != 'b'); /* unmapping discarded the private copy */
    space_fixture_close(&fixture);
}

static void store(void *address) { *(volatile char *)address = 1; }

static void load(void *address) { (void)*(volatile char *)address; }

/* Loads and stores really fault, at that address. */
static void placeholders_and_read_only_views_fault(void) {
    struct space_fixture fixture;
    struct picture picture = picture_supported("p|c|r");
    bool has_view = picture.letters[2] == 'r';
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    char *base = hf_space_base(fixture.space), *view = base + 2 * fixture.page_size;
    CHECK(process_faults_at(load, base, base));
    CHECK(process_faults_at(store, base + 1, base + 1));
    CHECK(process_runs(load, view));
    if (has_view) CHECK(process_faults_at(store, view, view));
    CHECK(process_runs(store, base + fixture.page_size));
    space_fixture_close(&fixture);
}

/* Views stay when their file is closed. On strict, as on Windows, the file's handle is closed with
 * the last view. */
static void views_retain_their_file(void) {
    if (!require_views()) return;
    hf_backend *strict;
    struct space_fixture fixture;
    struct picture picture = picture_parse("p p|v|v|p", 9);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    space_fixture_open(&fixture, strict, strict, &picture);
    hf_file_close(fixture.file);
    CHECK_EQUAL(1, hf_strict_get_stats(strict).files);
    space_fixture_expect(&fixture, &picture);
    CHECK_STATUS(HF_OK, hf_space_unmap(fixture.space, 2 * fixture.page_size, fixture.page_size));
    space_fixture_expect_text(&fixture, "p p|p|v|p");
    CHECK_EQUAL(1, hf_strict_get_stats(strict).files);
    CHECK_STATUS(HF_OK,
                 hf_space_release_range(fixture.space, 3 * fixture.page_size, fixture.page_size));
    space_fixture_expect_text(&fixture, "p p|p p p");
    CHECK_EQUAL(0, hf_strict_get_stats(strict).files);
    hf_space_close(fixture.space);
    check_nothing_left(strict);
    hf_strict_close(strict);
}

/* Views of one file in two spaces see each other's stores. */
static void spaces_share_a_file(void) {
    if (!require_views()) return;
    hf_space *one = open_native(4), *other = open_native(4);
    size_t g = native_page_size();
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 4 * g, NULL));
    CHECK_STATUS(HF_OK, hf_space_map(one, 0, 4 * g, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map_range(other, g, g, file, 3 * g, HF_READ_WRITE));
    hf_file_close(file);
    hf_space_base(one)[3 * g + 5] = 'x';
    CHECK_EQUAL('x', hf_space_base(other)[g + 5]);
    hf_space_close(one);
    hf_space_base(other)[g + 5] = 'y';
    CHECK_EQUAL('y', hf_space_base(other)[g + 5]);
    hf_space_close(other);
}

/* The file may end inside the last page of a view; the bytes behind its end are zero. */
static void a_view_ends_in_the_last_page(void) {
    if (!require_views()) return;
    size_t g = native_page_size();
    hf_space *space = open_native(4);
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, g + 1, NULL));
    CHECK_EQUAL(g + 1, hf_file_size(file));
    CHECK_STATUS(HF_INVALID, hf_space_map_range(space, 0, 3 * g, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_INVALID, hf_space_map_range(space, 0, 2 * g, file, g, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, 2 * g, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 2 * g, g, file, g, HF_READ_WRITE));
    hf_space_base(space)[g] = 'x';
    CHECK_EQUAL('x', hf_space_base(space)[2 * g]);
    CHECK_EQUAL(0, hf_space_base(space)[2 * g - 1]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_file_close(file);
    hf_space_close(space);
}

/* ---------------------------------------------------------------------- hints --------------- */

static void hints_need_the_right_kind_of_region(void) {
    if (!require_views()) return;
    struct space_fixture fixture;
    struct picture picture = picture_parse("p p|c c|v|p|c", 13);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    size_t g = fixture.page_size;
    const struct {
        size_t first, count;
        bool holds_placeholder, holds_view;
    } ranges[] = {{0, 2, true, false},  {1, 1, true, false}, {2, 2, false, false},
                  {3, 1, false, false}, {1, 2, true, false}, {0, 4, true, false},
                  {4, 1, false, true},  {3, 2, false, true}, {0, 7, true, true},
                  {5, 2, true, false},  {4, 3, true, true},  {6, 1, false, false}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        size_t outer = check_enter("range %zu", i);
        size_t offset = ranges[i].first * g, size = ranges[i].count * g;
        bool populates = !ranges[i].holds_placeholder && !ranges[i].holds_view;
        hf_status huge = hf_space_advise(fixture.space, offset, size, HF_ADVISE_HUGE);
        hf_status none = hf_space_advise(fixture.space, offset, size, HF_ADVISE_NO_HUGE);
        hf_status populate = hf_space_advise(fixture.space, offset, size, HF_ADVISE_POPULATE);
        CHECK(huge == HF_OK || huge == HF_UNSUPPORTED);
        CHECK_EQUAL(huge, none);
        CHECK_STATUS(populates ? HF_OK : HF_WRONG_STATE, populate);
        check_leave(outer);
    }
    space_fixture_expect(&fixture, &picture);
    space_fixture_close(&fixture);
}

static void populate_faults_pages_in(void) {
    enum { PAGES = 300 };
    hf_space *space = open_native(PAGES);
    size_t g = native_page_size(), size = PAGES * g;
    char *base = hf_space_base(space);
    CHECK_STATUS(HF_OK, hf_space_commit(space, 0, size));
    CHECK(process_memory_of(base, size).resident < size / 2);
    base[g] = 'x';
    CHECK_STATUS(HF_OK, hf_space_advise(space, 0, size, HF_ADVISE_POPULATE));
    CHECK(process_memory_of(base, size).resident >= size);
    for (size_t i = 0; i < PAGES; i++) CHECK_EQUAL(i == 1 ? 'x' : 0, base[i * g]);
    hf_space_close(space);
}

/* Memory that is decommitted and committed again has no hint. */
static void a_decommit_forgets_the_hint(void) {
    size_t huge = (size_t)1 << 21, size = 4 * huge;
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit(space, 0, size));
    char *base = hf_space_base(space);
    hf_status status = hf_space_advise(space, 0, size, HF_ADVISE_HUGE);
    CHECK(process_memory_of(base, size).advised_huge == (status == HF_OK));
    CHECK_STATUS(HF_OK, hf_space_decommit(space, huge, 2 * huge));
    CHECK_STATUS(HF_OK, hf_space_commit(space, huge, 2 * huge));
    CHECK(!process_memory_of(base + huge, 2 * huge).advised_huge);
    CHECK(process_memory_of(base, huge).advised_huge == (status == HF_OK));
    CHECK_STATUS(status, hf_space_advise(space, 0, size, HF_ADVISE_NO_HUGE));
    CHECK(!process_memory_of(base, size).advised_huge);
    CHECK(process_memory_of(base, size).advised_no_huge == (status == HF_OK));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static hf_status no_advice(const hf_backend *self, void *address, size_t size, hf_advice advice,
                           hf_report *report) {
    (void)self, (void)address, (void)size, (void)advice;
    report->call = "no_advice";
    report->os_code = 1;
    return HF_UNSUPPORTED;
}

/* An unsupported hint changes nothing, whether advise fails or the backend has no advise. */
static void unknown_hints_are_harmless(void) {
    for (int is_missing = 0; is_missing <= 1; is_missing++) {
        hf_backend backend = *hf_backend_native();
        backend.advise = is_missing ? NULL : no_advice;
        hf_space_options options = {.backend = &backend};
        hf_space *space;
        size_t g = native_page_size();
        CHECK_STATUS(HF_OK, hf_space_open(&space, 4 * g, &options));
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, g));
        CHECK_STATUS(HF_UNSUPPORTED, hf_space_advise(space, 0, g, HF_ADVISE_HUGE));
        CHECK_EQUAL(!is_missing, hf_last_error().os_code);
        CHECK_STATUS(HF_WRONG_STATE, hf_space_advise(space, g, g, HF_ADVISE_POPULATE));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_EQUAL(!is_missing, hf_space_get_stats(space).failures);
        hf_space_close(space);
    }
}

/* ----------------------------------------------------------------------- names -------------- */

/* A backend that records the calls of its name function. */
struct naming {
    hf_backend backend;
    size_t count, size;
    char *address;
    const char *name;
};

static void record_name(const hf_backend *self, void *address, size_t size, const char *name,
                        hf_report *report) {
    struct naming *naming = (struct naming *)(uintptr_t)self;
    naming->count++;
    naming->address = address;
    naming->size = size;
    naming->name = name;
    report->system_calls++;
}

/* Opening names the whole space; later each new placeholder is named, because its new mapping has
 * no name. */
static void placeholders_are_named(void) {
    struct naming naming = {.backend = *hf_backend_native()};
    naming.backend.name = record_name;
    hf_space_options options = {.name = "a name", .backend = &naming.backend};
    size_t g = native_page_size();
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * g, &options));
    CHECK_EQUAL(1, naming.count);
    CHECK(naming.name == options.name && naming.address == hf_space_base(space));
    CHECK_EQUAL(8 * g, naming.size);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * g, 3 * g));
    CHECK_STATUS(HF_OK, hf_space_decommit(space, 3 * g, g));
    CHECK(naming.address == hf_space_base(space) + 3 * g);
    CHECK_EQUAL(g, naming.size);
    CHECK(hf_space_get_stats(space).system_calls[HF_STEP_RESERVE] >= naming.count);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void fail_to_name(const hf_backend *self, void *address, size_t size, const char *name,
                         hf_report *report) {
    record_name(self, address, size, name, report);
    report->call = "fail_to_name";
    report->os_code = 22;
}

/* If naming fails, nothing else changes and the name function is not called again. */
static void naming_that_failed_is_not_repeated(void) {
    struct naming naming = {.backend = *hf_backend_native()};
    naming.backend.name = fail_to_name;
    hf_space_options options = {.name = "a name", .backend = &naming.backend};
    size_t g = native_page_size();
    hf_space *space;
    CHECK_STATUS(HF_INVALID, hf_space_open(&space, 1, &options));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * g, 3 * g));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 2 * g, 3 * g));
    CHECK_EQUAL(1, naming.count);
    CHECK_EQUAL(0, hf_space_get_stats(space).failures);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status); /* as it was before */
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void a_space_without_a_name_is_never_named(void) {
    struct naming naming = {.backend = *hf_backend_native()};
    naming.backend.name = record_name;
    hf_space_options options = {.backend = &naming.backend};
    size_t g = native_page_size();
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * g, 3 * g));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 2 * g, 3 * g));
    hf_space_close(space);
    CHECK_EQUAL(0, naming.count);
}

/* On the native backend, whether or not this system shows names. */
static void a_name_is_harmless(void) {
    hf_space_options options = {.name = "holdfast's test"};
    size_t g = native_page_size();
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * g, 3 * g));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 2 * g, 3 * g));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_EQUAL(0, hf_space_get_stats(space).failures);
    hf_space_close(space);
}

/* ------------------------------------------------------------------ statistics -------------- */

static void statistics_count_steps_and_bytes(void) {
    if (!require_views()) return;
    struct space_fixture fixture;
    struct picture picture = picture_parse("p p p p p p p p", 15);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    hf_space *space = fixture.space;
    size_t g = fixture.page_size;
    hf_space_stats stats = hf_space_get_stats(space);
    CHECK_EQUAL(1, stats.steps[HF_STEP_RESERVE]);
    CHECK_EQUAL(1, stats.peak_regions);
    CHECK(stats.record_bytes >= g && stats.record_bytes % g == 0);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 3 * g));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 4 * g, g));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 6 * g, 2 * g, fixture.file, 0, HF_READ_ONLY));
    CHECK_STATUS(HF_OK, hf_space_decommit(space, g, g));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 8 * g));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_unmap(space, 0, 8 * g));
    stats = hf_space_get_stats(space);
    CHECK_EQUAL(4 * g, stats.peak_committed_bytes);
    CHECK_EQUAL(2 * g, stats.peak_view_bytes);
    CHECK_EQUAL(7, stats.peak_regions); /* |c|p|c|p|c|p|v v| */
    CHECK_EQUAL(1, stats.regions);
    CHECK_EQUAL(3, stats.steps[HF_STEP_SPLIT]);
    CHECK_EQUAL(2, stats.steps[HF_STEP_COMMIT]);
    CHECK_EQUAL(4, stats.steps[HF_STEP_DECOMMIT]);
    CHECK_EQUAL(1, stats.steps[HF_STEP_MAP]);
    CHECK_EQUAL(1, stats.steps[HF_STEP_UNMAP]);
    CHECK_EQUAL(1, stats.steps[HF_STEP_COALESCE]);
    CHECK_EQUAL(0, stats.failures);
    for (int step = HF_STEP_SPLIT; step < HF_STEPS; step++) /* Windows makes a section first */
        CHECK(stats.system_calls[step] <= stats.steps[step] * (step == HF_STEP_MAP ? 3 : 2));
    space_fixture_close(&fixture);
}

/* Where the backend has release_run, it releases many regions by one system call. */
static void a_release_of_many_regions_is_one_call(void) {
    enum { REGIONS = 512 };
    if (hf_backend_native()->release_run == NULL) {
        check_skip("this system releases region by region");
        return;
    }
    hf_space *space = open_native(2 * REGIONS + 8);
    size_t g = native_page_size();
    for (size_t i = 0; i < REGIONS; i++) {
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, (3 + 2 * i) * g, g));
        hf_space_base(space)[(3 + 2 * i) * g] = 'x';
    }
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * g, g)); /* two adjacent regions */
    hf_space_stats before = hf_space_get_stats(space);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, g, (2 * REGIONS + 6) * g));
    hf_space_stats after = hf_space_get_stats(space);
    size_t calls = after.system_calls[HF_STEP_DECOMMIT] - before.system_calls[HF_STEP_DECOMMIT];
    CHECK(calls == 1 || calls == 2); /* the second keeps the range out of dumps */
    CHECK_EQUAL(REGIONS + 1, after.steps[HF_STEP_DECOMMIT] - before.steps[HF_STEP_DECOMMIT]);
    CHECK_EQUAL(1, after.steps[HF_STEP_COALESCE] - before.steps[HF_STEP_COALESCE]);
    CHECK_EQUAL(0, after.committed_bytes);
    CHECK_EQUAL(1, after.regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 3 * g, g));
    CHECK_EQUAL(0, hf_space_base(space)[3 * g]);
    hf_space_close(space);
}

/* Only steps that fail in the backend are counted, not calls with wrong arguments or state. */
static void statistics_count_steps_that_failed(void) {
    hf_backend *strict;
    struct space_fixture fixture;
    struct picture picture = picture_parse("p p p", 5);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    space_fixture_open(&fixture, strict, strict, &picture);
    hf_strict_fail(strict, 1, false);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit(fixture.space, 0, 3 * fixture.page_size));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_unmap(fixture.space, 0, 3 * fixture.page_size));
    CHECK_STATUS(HF_INVALID, hf_space_unmap(fixture.space, 0, 0));
    hf_space_stats stats = hf_space_get_stats(fixture.space);
    CHECK_EQUAL(1, stats.failures);
    CHECK_EQUAL(0, stats.steps[HF_STEP_COMMIT]);
    CHECK_EQUAL(0, stats.peak_committed_bytes);
    space_fixture_close(&fixture);
    hf_strict_close(strict);
}

/* A call that succeeds leaves the last error alone. */
static void success_does_not_touch_the_last_error(void) {
    hf_space *space = open_native(4);
    CHECK_STATUS(HF_INVALID, hf_space_split(space, 1, 2));
    CHECK_STATUS(HF_OK, hf_space_commit(space, 0, hf_space_size(space)));
    hf_error error = hf_last_error();
    CHECK_EQUAL(HF_INVALID, error.status);
    CHECK_EQUAL(1, error.offset);
    CHECK_EQUAL(2, error.size);
    hf_space_close(space);
}

CHECK_MAIN(TEST(opens_as_one_placeholder), TEST(options_of_zero_are_no_options),
           TEST(every_base_is_aligned), TEST(bad_options_are_invalid), TEST(opens_at_an_exact_base),
           TEST(a_base_in_use_is_no_address), TEST(falls_back_at_an_exact_base),
           TEST(more_addresses_than_there_are), TEST(falls_back_to_what_there_is),
           TEST(closes_whatever_its_state), TEST(closing_releases_the_addresses),
           TEST(finds_nothing_outside), TEST(a_walk_goes_on_behind_a_change),
           TEST(stores_go_where_the_access_says), TEST(placeholders_and_read_only_views_fault),
           TEST(views_retain_their_file), TEST(spaces_share_a_file),
           TEST(a_view_ends_in_the_last_page), TEST(hints_need_the_right_kind_of_region),
           TEST(populate_faults_pages_in), TEST(a_decommit_forgets_the_hint),
           TEST(unknown_hints_are_harmless), TEST(placeholders_are_named),
           TEST(naming_that_failed_is_not_repeated), TEST(a_space_without_a_name_is_never_named),
           TEST(a_name_is_harmless), TEST(statistics_count_steps_and_bytes),
           TEST(a_release_of_many_regions_is_one_call), TEST(statistics_count_steps_that_failed),
           TEST(success_does_not_touch_the_last_error))
