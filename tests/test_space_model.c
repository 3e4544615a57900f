/*
 * Random steps on tens of thousands of regions, compared with space_model.h. This tests the search
 * tree.
 *
 * The model predicts the status of every step. After each step hf_space_find is compared at random
 * offsets, and from time to time all regions, their sums, the count of steps and the contents.
 */
#include "check.h"
#include "random.h"
#include "space_fixture.h"
#include "space_model.h"

#ifdef HOLDFAST_CASES_FEW
enum { MOST_PAGES = 20000, MOST_STEPS = 25000, LEAST_SUCCESSES = 50 };
#else
enum { MOST_PAGES = 80000, MOST_STEPS = 100000, LEAST_SUCCESSES = 200 };
#endif
enum { FILE_PAGES = 64, LONGEST = 12 };

static struct {
    hf_space *space;
    hf_file *file;
    bool has_views;
    struct space_model regions;
    struct random random;
} model;

typedef hf_status step(hf_space *, size_t offset, size_t size);

typedef hf_status step_that_maps(hf_space *, size_t offset, size_t size, hf_file *, uint64_t,
                                 hf_access);

/* A step without a function is hf_space_protect or hf_space_extend. */
static const struct operation {
    const char *name;
    step *run;
    step_that_maps *map;
} operations[MODEL_STEPS] = {
    [MODEL_SPLIT] = {"split", hf_space_split, NULL},
    [MODEL_COALESCE] = {"coalesce", hf_space_coalesce, NULL},
    [MODEL_COMMIT] = {"commit", hf_space_commit, NULL},
    [MODEL_DECOMMIT] = {"decommit", hf_space_decommit, NULL},
    [MODEL_MAP] = {"map", NULL, hf_space_map},
    [MODEL_UNMAP] = {"unmap", hf_space_unmap, NULL},
    [MODEL_COMMIT_RANGE] = {"commit_range", hf_space_commit_range, NULL},
    [MODEL_MAP_RANGE] = {"map_range", NULL, hf_space_map_range},
    [MODEL_RELEASE_RANGE] = {"release_range", hf_space_release_range, NULL},
    [MODEL_REMAP_RANGE] = {"remap_range", NULL, hf_space_remap_range},
    [MODEL_RESET_RANGE] = {"reset_range", hf_space_reset_range, NULL},
    [MODEL_PROTECT] = {"protect", NULL, NULL},
    [MODEL_EXTEND] = {"extend", NULL, NULL},
};

/* A step and its arguments. */
struct attempt {
    model_step which;
    struct model_range range;
    size_t page;              /* to map: the first page of the file */
    hf_access access;         /* to map */
    hf_protection protection; /* to protect */
    size_t old_end;           /* to extend: the page at which the old bytes end */
};

static hf_status run(const struct attempt *attempt) {
    const struct operation *operation = &operations[attempt->which];
    size_t page_size = model.regions.page_size, offset = attempt->range.first * page_size;
    size_t size = (attempt->range.end - attempt->range.first) * page_size;
    if (operation->run) return operation->run(model.space, offset, size);
    if (operation->map)
        return operation->map(model.space, offset, size, model.file, attempt->page * page_size,
                              attempt->access);
    if (attempt->which == MODEL_PROTECT)
        return hf_space_protect(model.space, offset, size, attempt->protection);
    return hf_space_extend(model.space, offset,
                           (attempt->old_end - attempt->range.first) * page_size, size);
}

static bool is_allowed(const struct attempt *attempt) {
    if (attempt->which == MODEL_PROTECT)
        return model_allows_protect(&model.regions, attempt->range, attempt->protection);
    if (attempt->which == MODEL_EXTEND)
        return model_allows_extend(&model.regions, attempt->range, attempt->old_end);
    return model_allows(&model.regions, attempt->which, attempt->range);
}

static void apply(const struct attempt *attempt) {
    const struct model_page view = {
        .kind = HF_VIEW, .page = (uint32_t)attempt->page, .access = (uint8_t)attempt->access};
    if (attempt->which == MODEL_PROTECT)
        model_protect(&model.regions, attempt->range, attempt->protection);
    else if (attempt->which == MODEL_EXTEND)
        model_extend(&model.regions, attempt->range, attempt->old_end);
    else
        model_apply(&model.regions, attempt->which, attempt->range, &view);
}

/* ------------------------------------------------------------------- comparing -------------- */

static void expect_find(size_t page) {
    hf_region region, expected = model_as_region(&model.regions, page);
    size_t inside = random_below(&model.random, model.regions.page_size);
    CHECK(hf_space_find(model.space, page * model.regions.page_size + inside, &region));
    CHECK(model_is_same_region(&expected, &region));
}

static uint32_t *first_bytes(size_t page) {
    return (uint32_t *)(void *)(hf_space_base(model.space) + page * model.regions.page_size);
}

/* A page of the file contains its number. A committed page contains its pattern, or zero; so does
 * a page of a copy-on-write view that was stored into. */
static void expect_contents(void) {
    for (size_t at = 0; at < model.regions.count; at++) {
        const struct model_page *page = &model.regions.pages[at];
        if (page->protection == HF_PROTECT_NONE) continue;
        bool shows_file = page->kind == HF_VIEW && page->pattern == 0;
        CHECK_EQUAL(shows_file ? page->page : page->pattern, *first_bytes(at));
    }
}

static void expect_all(void) {
    hf_space_stats stats = hf_space_get_stats(model.space);
    const char *difference = model_compare(&model.regions, model.space);
    if (difference) check_fail(__FILE__, __LINE__, difference);
    for (size_t i = HF_STEP_SPLIT; model.has_views && i < HF_STEPS; i++)
        if (i != HF_STEP_RECORDS) CHECK_EQUAL(model.regions.steps[i], stats.steps[i]);
    CHECK_STATUS(HF_OK, hf_space_check(model.space));
    expect_contents();
}

/* ---------------------------------------------------------------- random steps -------------- */

static bool is_likely(size_t one_in) { return random_below(&model.random, one_in) == 0; }

/* Often exactly one or two regions, otherwise any range, at most LONGEST pages. */
static struct model_range choose_range(void) {
    size_t count = model.regions.count, at = random_below(&model.random, count);
    if (is_likely(2)) at = model_region(&model.regions, at).first;
    size_t end = is_likely(2) ? model_region(&model.regions, at).end
                              : at + 1 + random_below(&model.random, 4);
    if (is_likely(4) && end < count) end = model_region(&model.regions, end).end;
    if (end > count) end = count;
    return (struct model_range){at, end - at < LONGEST ? end : at + LONGEST};
}

/* Stores a new pattern into the page if that can be done without changing the file. */
static void store(size_t at) {
    struct model_page *page = &model.regions.pages[at];
    if (page->protection != HF_PROTECT_READ_WRITE) return;
    if (page->kind == HF_VIEW && page->access != HF_COPY_ON_WRITE) return;
    page->pattern = random_below(&model.random, UINT32_MAX) | 1;
    *first_bytes(at) = (uint32_t)page->pattern;
}

static struct attempt choose(model_step which) {
    struct attempt attempt = {.which = which, .range = choose_range()};
    struct model_range *range = &attempt.range;
    attempt.page = random_below(&model.random, FILE_PAGES - LONGEST);
    attempt.access = (hf_access)random_below(&model.random, HF_COPY_ON_WRITE + 1);
    attempt.protection = (hf_protection)random_below(&model.random, HF_PROTECT_READ_EXECUTE + 1);
    if (which != MODEL_EXTEND) return attempt;
    if (!is_likely(8)) *range = model_region(&model.regions, range->first);
    attempt.old_end = range->end;
    range->end += 1 + random_below(&model.random, 3);
    if (range->end <= model.regions.count) return attempt;
    range->end = model.regions.count; /* a range of one page cannot be divided */
    if (attempt.old_end == range->end) attempt.old_end--;
    if (attempt.old_end == range->first) range->first = 0;
    return attempt;
}

static bool step_at_random(model_step which) {
    struct attempt attempt = choose(which);
    struct model_range range = attempt.range;
    bool allowed = is_allowed(&attempt);
    bool succeeds = allowed && (model.has_views || !operations[which].map);
    if (!model.has_views && which == MODEL_REMAP_RANGE) return false;
    size_t outer =
        check_enter("%s of pages %zu to %zu", operations[which].name, range.first, range.end);
    CHECK_STATUS(succeeds ? HF_OK : allowed ? HF_UNSUPPORTED : HF_WRONG_STATE, run(&attempt));
    if (succeeds) apply(&attempt);
    store(range.first);
    expect_find(range.first);
    expect_find(random_below(&model.random, model.regions.count));
    check_leave(outer);
    return succeeds;
}

/* Maps the whole file at the start of the space and stores its number into each page. */
static void number_pages(void) {
    const struct attempt whole = {.which = MODEL_MAP_RANGE, .range = {0, FILE_PAGES}};
    apply(&whole);
    CHECK_STATUS(HF_OK, run(&whole));
    for (uint32_t page = 0; page < FILE_PAGES; page++) *first_bytes(page) = page;
}

static void open_model(const hf_backend *backend, size_t pages, uint64_t seed) {
    static struct model_page entries[MOST_PAGES + 1];
    hf_space_options options = {.backend = backend};
    size_t page_size = backend->page_size(backend);
    model_open(&model.regions, entries, pages, page_size);
    model.regions.spans_regions = backend->spans_regions && backend->spans_regions(backend);
    model.random.state = seed;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&model.file, FILE_PAGES * page_size, backend));
    CHECK_STATUS(HF_OK, hf_space_open(&model.space, pages * page_size, &options));
    model.has_views = backend_has_views(backend);
    if (model.has_views) number_pages();
}

/* One release_range over the whole space leaves one placeholder. */
static void close_model(void) {
    const struct attempt all = {.which = MODEL_RELEASE_RANGE, .range = model_all(&model.regions)};
    expect_all();
    CHECK_STATUS(HF_OK, run(&all));
    apply(&all);
    expect_all();
    CHECK_EQUAL(1, hf_space_get_stats(model.space).regions);
    hf_space_close(model.space);
    hf_file_close(model.file);
}

/* How often each operation succeeded since the test began. */
static size_t succeeded[MODEL_STEPS];

static void expect_successes(size_t least) {
    if (!model.has_views) check_leave_out("this system has no views in a space");
    for (model_step which = MODEL_SPLIT; which < MODEL_STEPS; which++) {
        bool is_about_views = operations[which].map || which == MODEL_UNMAP;
        size_t outer = check_enter("%s: %zu times", operations[which].name, succeeded[which]);
        CHECK(succeeded[which] >= least || (!model.has_views && is_about_views));
        succeeded[which] = 0;
        check_leave(outer);
    }
}

/* First only splits, until there are many regions; then all operations. */
static void run_model(const hf_backend *backend, size_t pages, size_t steps, uint64_t seed) {
    open_model(backend, pages, seed);
    while (hf_space_get_stats(model.space).regions < (pages - FILE_PAGES) / 2)
        step_at_random(MODEL_SPLIT);
    expect_all();
    for (size_t i = 0; i < steps; i++) {
        size_t outer = check_enter("step %zu", i);
        model_step which = (model_step)random_below(&model.random, MODEL_STEPS);
        succeeded[which] += step_at_random(which);
        if (i % (steps / 8) == 0) expect_all();
        check_leave(outer);
    }
    close_model();
}

static void many_regions_on_the_native_backend(void) {
    run_model(hf_backend_native(), MOST_PAGES, MOST_STEPS, 1);
    expect_successes(LEAST_SUCCESSES);
}

static void many_regions_on_strict(void) {
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    run_model(strict, 6000, 20000, 2);
    expect_successes(30);
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
