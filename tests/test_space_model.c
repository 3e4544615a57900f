/*
 * Random steps on tens of thousands of regions, compared with a simple model: an array with the
 * kind of each page and whether a region begins there.
 *
 * The model predicts the status of every step. After each step hf_space_find is compared at random
 * offsets, and from time to time all regions and contents. This tests the search tree.
 */
#include "check.h"
#include "random.h"
#include "space_fixture.h"

enum { MOST_PAGES = 80000, FILE_PAGES = 64, LONGEST = 12 };

struct cell {
    bool begins;
    hf_kind kind;
    uint32_t page;  /* view: the page of the file that it shows */
    uint32_t stamp; /* committed memory: its first four bytes */
};

static struct model {
    hf_space *space;
    hf_file *file;
    size_t page_size, count;
    bool has_views;
    struct cell cells[MOST_PAGES + 1]; /* the last one ends all regions */
    struct random random;
} model;

/* [first, first + count), and for a view the page of the file. */
struct range {
    size_t first, count, page;
};

/* ------------------------------------------------------------------- the model -------------- */

static size_t start_of(size_t at) {
    while (!model.cells[at].begins) at--;
    return at;
}

static size_t end_of(size_t at) {
    do at++;
    while (!model.cells[at].begins);
    return at;
}

static size_t range_end(const struct range *range) { return range->first + range->count; }

static bool is_within_one(const struct range *range, hf_kind kind) {
    return model.cells[range->first].kind == kind && range_end(range) <= end_of(range->first);
}

static bool is_exactly_one(const struct range *range, hf_kind kind) {
    return is_within_one(range, kind) && model.cells[range->first].begins &&
           model.cells[range_end(range)].begins;
}

static bool splits(const struct range *range) {
    return is_within_one(range, HF_PLACEHOLDER) && !is_exactly_one(range, HF_PLACEHOLDER);
}

static bool coalesces(const struct range *range) {
    bool all = model.cells[range->first].begins && model.cells[range_end(range)].begins;
    for (size_t at = range->first; at < range_end(range); at++)
        all &= model.cells[at].kind == HF_PLACEHOLDER;
    return all && end_of(range->first) < range_end(range);
}

static bool commits(const struct range *range) { return is_exactly_one(range, HF_PLACEHOLDER); }
static bool decommits(const struct range *range) { return is_within_one(range, HF_COMMITTED); }
static bool unmaps(const struct range *range) { return is_exactly_one(range, HF_VIEW); }
static bool commits_range(const struct range *range) {
    return is_within_one(range, HF_PLACEHOLDER);
}

static bool releases(const struct range *range) {
    size_t last = range_end(range) - 1;
    return (model.cells[range->first].kind != HF_VIEW || model.cells[range->first].begins) &&
           (model.cells[last].kind != HF_VIEW || model.cells[last + 1].begins);
}

/* The range becomes one region of this kind; a region begins behind it. */
static void become(const struct range *range, hf_kind kind) {
    for (size_t at = range->first; at < range_end(range); at++)
        model.cells[at] = (struct cell){.kind = kind,
                                        .begins = at == range->first,
                                        .page = (uint32_t)(range->page + at - range->first)};
    model.cells[range_end(range)].begins = true;
}

static void become_placeholder(const struct range *range) { become(range, HF_PLACEHOLDER); }
static void become_committed(const struct range *range) { become(range, HF_COMMITTED); }
static void become_view(const struct range *range) { become(range, HF_VIEW); }

/* The range becomes one placeholder with the placeholders that overlap or touch it. */
static void become_released(const struct range *range) {
    size_t first = range->first, end = range_end(range);
    size_t low = model.cells[first].kind == HF_PLACEHOLDER ? start_of(first) : first;
    size_t high = model.cells[end - 1].kind == HF_PLACEHOLDER ? end_of(end - 1) : end;
    if (low == first && low > 0 && model.cells[low - 1].kind == HF_PLACEHOLDER)
        low = start_of(low - 1);
    if (high == end && high < model.count && model.cells[high].kind == HF_PLACEHOLDER)
        high = end_of(high);
    become(&(struct range){.first = low, .count = high - low}, HF_PLACEHOLDER);
}

/* ------------------------------------------------------------------- the steps -------------- */

static hf_status split(hf_space *space, size_t offset, size_t size, size_t page) {
    (void)page;
    return hf_space_split(space, offset, size);
}
static hf_status coalesce(hf_space *space, size_t offset, size_t size, size_t page) {
    (void)page;
    return hf_space_coalesce(space, offset, size);
}
static hf_status commit(hf_space *space, size_t offset, size_t size, size_t page) {
    (void)page;
    return hf_space_commit(space, offset, size);
}
static hf_status decommit(hf_space *space, size_t offset, size_t size, size_t page) {
    (void)page;
    return hf_space_decommit(space, offset, size);
}
static hf_status map(hf_space *space, size_t offset, size_t size, size_t page) {
    return hf_space_map(space, offset, size, model.file, page * model.page_size, HF_READ_WRITE);
}
static hf_status unmap(hf_space *space, size_t offset, size_t size, size_t page) {
    (void)page;
    return hf_space_unmap(space, offset, size);
}
static hf_status commit_range(hf_space *space, size_t offset, size_t size, size_t page) {
    (void)page;
    return hf_space_commit_range(space, offset, size);
}
static hf_status map_range(hf_space *space, size_t offset, size_t size, size_t page) {
    return hf_space_map_range(space, offset, size, model.file, page * model.page_size,
                              HF_READ_WRITE);
}
static hf_status release_range(hf_space *space, size_t offset, size_t size, size_t page) {
    (void)page;
    return hf_space_release_range(space, offset, size);
}

static const struct operation {
    const char *name;
    hf_status (*run)(hf_space *, size_t offset, size_t size, size_t page);
    bool (*succeeds)(const struct range *);
    void (*edit)(const struct range *);
} operations[] = {{"split", split, splits, become_placeholder},
                  {"coalesce", coalesce, coalesces, become_placeholder},
                  {"commit", commit, commits, become_committed},
                  {"decommit", decommit, decommits, become_placeholder},
                  {"map", map, commits, become_view},
                  {"unmap", unmap, unmaps, become_placeholder},
                  {"commit_range", commit_range, commits_range, become_committed},
                  {"map_range", map_range, commits_range, become_view},
                  {"release_range", release_range, releases, become_released}};

enum { OPERATIONS = sizeof operations / sizeof *operations };

/* ------------------------------------------------------------------- comparing -------------- */

static void expect_region(const hf_region *region) {
    size_t first = region->offset / model.page_size;
    const struct cell *cell = &model.cells[first];
    CHECK(cell->begins);
    CHECK_EQUAL(end_of(first) * model.page_size, region->offset + region->size);
    CHECK_EQUAL(cell->kind, region->kind);
    CHECK_EQUAL(cell->kind == HF_VIEW ? cell->page * model.page_size : 0, region->file_offset);
}

static void expect_find(size_t page) {
    hf_region region;
    size_t inside = random_below(&model.random, model.page_size);
    CHECK(hf_space_find(model.space, page * model.page_size + inside, &region));
    CHECK_EQUAL(start_of(page) * model.page_size, region.offset);
    expect_region(&region);
}

static uint32_t *first_bytes(size_t page) {
    return (uint32_t *)(void *)(hf_space_base(model.space) + page * model.page_size);
}

/* A page of the file contains its number; a committed page its stamp, or zero. */
static void expect_contents(void) {
    for (size_t at = 0; at < model.count; at++) {
        const struct cell *cell = &model.cells[at];
        if (cell->kind == HF_COMMITTED) CHECK_EQUAL(cell->stamp, *first_bytes(at));
        if (cell->kind == HF_VIEW) CHECK_EQUAL(cell->page, *first_bytes(at));
    }
}

static void expect_all(void) {
    hf_region region = {0};
    size_t regions = 0;
    while (hf_space_next(model.space, &region)) {
        expect_region(&region);
        regions++;
    }
    CHECK_EQUAL(hf_space_size(model.space), region.offset + region.size);
    CHECK_EQUAL(regions, hf_space_get_stats(model.space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(model.space));
    expect_contents();
}

/* ---------------------------------------------------------------- random steps -------------- */

static bool is_likely(size_t one_in) { return random_below(&model.random, one_in) == 0; }

/* Often exactly one or two regions, otherwise any range, at most LONGEST pages. */
static struct range choose_range(void) {
    size_t at = random_below(&model.random, model.count), end;
    struct range range = {.page = random_below(&model.random, FILE_PAGES - LONGEST)};
    if (is_likely(2)) at = start_of(at);
    end = is_likely(2) ? end_of(at) : at + 1 + random_below(&model.random, 4);
    if (is_likely(4) && end < model.count) end = end_of(end);
    if (end > model.count) end = model.count;
    range.first = at;
    range.count = end - at < LONGEST ? end - at : LONGEST;
    return range;
}

/* Stores a new stamp into the first page of the range if it is committed. */
static void stamp(const struct range *range) {
    struct cell *cell = &model.cells[range->first];
    if (cell->kind != HF_COMMITTED) return;
    cell->stamp = (uint32_t)random_below(&model.random, UINT32_MAX) | 1;
    *first_bytes(range->first) = cell->stamp;
}

static bool step_at_random(const struct operation *operation) {
    struct range range = choose_range();
    size_t g = model.page_size;
    bool is_sound = operation->succeeds(&range);
    bool succeeds = is_sound && (model.has_views || operation->edit != become_view);
    size_t outer =
        check_enter("%s of %zu pages from %zu", operation->name, range.count, range.first);
    CHECK_STATUS(succeeds   ? HF_OK
                 : is_sound ? HF_UNSUPPORTED
                            : HF_WRONG_STATE,
                 operation->run(model.space, range.first * g, range.count * g, range.page));
    if (succeeds) operation->edit(&range);
    stamp(&range);
    expect_find(range.first);
    expect_find(random_below(&model.random, model.count));
    check_leave(outer);
    return succeeds;
}

/* Maps the whole file at the start of the space and stores its number into each page. */
static void number_pages(void) {
    become_view(&(struct range){.count = FILE_PAGES});
    CHECK_STATUS(HF_OK, map_range(model.space, 0, FILE_PAGES * model.page_size, 0));
    for (uint32_t page = 0; page < FILE_PAGES; page++) *first_bytes(page) = page;
}

static void open_model(const hf_backend *backend, size_t pages, uint64_t seed) {
    hf_space_options options = {.backend = backend};
    memset(&model, 0, sizeof model);
    model.page_size = backend->page_size(backend);
    model.count = pages;
    model.random.state = seed;
    model.cells[0].begins = model.cells[pages].begins = true;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&model.file, FILE_PAGES * model.page_size, backend));
    CHECK_STATUS(HF_OK, hf_space_open(&model.space, pages * model.page_size, &options));
    model.has_views = backend_has_views(backend);
    if (model.has_views) number_pages();
}

/* One release_range over the whole space leaves one placeholder. */
static void close_model(void) {
    expect_all();
    CHECK_STATUS(HF_OK, hf_space_release_range(model.space, 0, hf_space_size(model.space)));
    become_placeholder(&(struct range){.count = model.count});
    expect_all();
    CHECK_EQUAL(1, hf_space_get_stats(model.space).regions);
    hf_space_close(model.space);
    hf_file_close(model.file);
}

/* How often each operation succeeded since the test began. */
static size_t succeeded[OPERATIONS];

static bool is_about_views(const struct operation *operation) {
    return operation->edit == become_view || operation->succeeds == unmaps;
}

static void expect_successes(size_t least) {
    if (!model.has_views) check_leave_out("this system has no views in a space");
    for (size_t i = 0; i < OPERATIONS; i++) {
        size_t outer = check_enter("%s: %zu times", operations[i].name, succeeded[i]);
        CHECK(succeeded[i] >= least || (!model.has_views && is_about_views(&operations[i])));
        succeeded[i] = 0;
        check_leave(outer);
    }
}

/* First only splits, until there are many regions; then all operations. */
static void run_model(const hf_backend *backend, size_t pages, size_t steps, uint64_t seed) {
    open_model(backend, pages, seed);
    while (hf_space_get_stats(model.space).regions < (pages - FILE_PAGES) / 2)
        step_at_random(&operations[0]);
    expect_all();
    for (size_t i = 0; i < steps; i++) {
        size_t outer = check_enter("step %zu", i), which = random_below(&model.random, OPERATIONS);
        succeeded[which] += step_at_random(&operations[which]);
        if (i % (steps / 8) == 0) expect_all();
        check_leave(outer);
    }
    close_model();
}

static void many_regions_on_the_native_backend(void) {
    run_model(hf_backend_native(), MOST_PAGES, 100000, 1);
    expect_successes(300);
}

static void many_regions_on_strict(void) {
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    run_model(strict, 6000, 20000, 2);
    expect_successes(100);
    check_nothing_left(strict);
    hf_strict_close(strict);
}

/* In small spaces many ranges touch the ends of the space. */
static void few_regions_and_many_seeds(void) {
    for (uint64_t seed = 3; seed < 23; seed++) {
        hf_backend *strict;
        size_t outer = check_enter("seed %d", (int)seed);
        CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
        run_model(strict, FILE_PAGES + 10 + 2 * (size_t)seed, 1000, seed);
        check_nothing_left(strict);
        hf_strict_close(strict);
        check_leave(outer);
    }
    expect_successes(10);
}

CHECK_MAIN(TEST(many_regions_on_the_native_backend), TEST(many_regions_on_strict),
           TEST(few_regions_and_many_seeds))
