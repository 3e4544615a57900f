/*
 * Steps, composites and hf_space_open with the n-th backend call failing, for every n.
 *
 * A call that fails leaves regions, memory and contents as they were. space.h names four
 * exceptions. Two are tested here: when an undo fails too, the placeholder stays split (the fourth
 * line of a drawing); release_range stops at the step that failed, and calling it again continues.
 * The others, a decommit and an unmap at the limit on mappings, are in test_limits_mappings.c.
 */
#include "check.h"
#include "disk.h"
#include "nth_failure.h"
#include "space_fixture.h"

/* ---------------------------------------------------------- steps and composites ------------ */

static void expect_last_error(const struct failure *failure, hf_status status, size_t offset,
                              size_t size) {
    hf_error error = hf_last_error();
    check_failure(failure, status);
    CHECK(error.os_code != 0 && strncmp(error.call, "hf_", 3) != 0);
    CHECK_EQUAL(offset, error.offset);
    CHECK_EQUAL(size, error.size);
}

/* A decommit that failed with HF_MAP_LIMIT may have freed pages: expects zero in those that are. */
static void expect_lost_pages(struct space_fixture *fixture) {
    hf_error error = hf_last_error();
    hf_region there;
    CHECK(hf_space_find(fixture->space, error.offset, &there));
    if (error.status != HF_MAP_LIMIT || there.kind != HF_COMMITTED) return;
    for (size_t at = error.offset; at < error.offset + error.size; at += fixture->page_size)
        if (hf_space_base(fixture->space)[at] == 0) fixture->filled[at / fixture->page_size] = 0;
}

/* The regions are as before the step, or split if the undo failed. In both cases the step can be
 * finished now. */
static void expect_undone(const struct drawn *drawn, struct space_fixture *fixture,
                          bool undo_may_fail) {
    if (!hf_last_error().undo_failed) {
        space_fixture_expect(fixture, &drawn->before);
        CHECK_STATUS(HF_OK, drawn_run(drawn, fixture));
        return;
    }
    struct drawn rest = *drawn;
    rest.step = drawn->step == &step_commit_range ? &step_commit : &step_map;
    CHECK(undo_may_fail && drawn->has_undo_failed);
    space_fixture_expect(fixture, &drawn->undo_failed);
    CHECK_STATUS(HF_OK, drawn_run(&rest, fixture));
}

static void attempt_step(struct failure *failure) {
    const struct drawn *drawn = failure->user;
    struct space_fixture fixture;
    space_fixture_open(&fixture, failure->strict, failure->strict, &drawn->before);
    space_fixture_expect(&fixture, &drawn->before);
    failure_on(failure);
    hf_status status = drawn_run(drawn, &fixture);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0));
    CHECK_EQUAL(failure->failed, hf_space_get_stats(fixture.space).failures);
    if (status != HF_OK) {
        expect_last_error(failure, status, drawn->first * fixture.page_size,
                          drawn->count * fixture.page_size);
        if (drawn->step == &step_decommit) expect_lost_pages(&fixture);
        expect_undone(drawn, &fixture, failure->from_then_on);
    }
    space_fixture_expect(&fixture, &drawn->after);
    space_fixture_close(&fixture);
}

static void fail_each_call(const struct drawn *drawn) {
    CHECK(each_failure(attempt_step, drawn) > 0);
}

static void steps_change_nothing(void) {
    drawing_each(&step_split,
                 "p p p     p p p     p p p     c|p p p|c     v|p p p|v\n"
                 "-           -         ---         -           ---    \n"
                 "p|p p     p|p|p     p|p p     c|p|p|p|c     v|p p|p|v\n",
                 fail_each_call);
    drawing_each(&step_coalesce,
                 "p|p     p|p p|p     c|p|p|c     v|p|p p|p|v     p|p|p|p\n"
                 "---     -------       ---         -------         ---  \n"
                 "p p     p p p p     c|p p|c     v|p p p p|v     p|p p|p\n",
                 fail_each_call);
    drawing_each(&step_commit,
                 "p     p|p p|p     c|p p|c     v|p p|v\n"
                 "-       ---         ---         ---  \n"
                 "c     p|c c|p     c|c c|c     v|c c|v\n",
                 fail_each_call);
    drawing_each(&step_decommit,
                 "c c     p|c c c|p     c|c c c|c     v|c c c|v\n"
                 "---         -           ---             ---  \n"
                 "p p     p|c|p|c|p     c|p p|c|c     v|c|p p|v\n",
                 fail_each_call);
    drawing_each(&step_map,
                 "p     p|p p|p     c|p p|c     v|p p|v\n"
                 "-       ---         ---         ---  \n"
                 "v     p|v v|p     c|v v|c     v|v v|v\n",
                 fail_each_call);
    drawing_each(&step_unmap,
                 "v     p|v v|p     c|r r|c     v|w w|v\n"
                 "-       ---         ---         ---  \n"
                 "p     p|p p|p     c|p p|c     v|p p|v\n",
                 fail_each_call);
}

static void commit_range_is_undone_whole(void) {
    drawing_each(&step_commit_range,
                 "p p     p p p     p p p     p p p     c|p p p|v     p|p p p|p\n"
                 "---     ---         -         ---         -           -      \n"
                 "c c     c c|p     p|c|p     p|c c     c|p|c|p|v     p|c|p p|p\n"
                 "p p     p p|p     p|p|p     p|p p     c|p|p|p|v     p|p|p p|p\n",
                 fail_each_call);
}

static void map_range_is_undone_whole(void) {
    drawing_each(&step_map_range,
                 "p p     p p p     p p p     p p p     c|p p p|v     p|p p p|p\n"
                 "---     ---         -         ---         -           -      \n"
                 "v v     v v|p     p|v|p     p|v v     c|p|v|p|v     p|v|p p|p\n"
                 "p p     p p|p     p|p|p     p|p p     c|p|p|p|v     p|p|p p|p\n",
                 fail_each_call);
}

/* ---------------------------------------------------------------- release_range ------------- */

static void append_region(struct picture *picture, const struct picture *from, size_t start,
                          size_t end, char letter) {
    picture->starts[picture->regions++] = start;
    picture->starts[picture->regions] = picture->pages = end;
    memset(picture->letters + start, letter, end - start);
    CHECK(end <= from->pages);
}

/* Appends region `index` of `before`, with its part in [first, end) turned into a placeholder. */
static void append_released(struct picture *after, const struct picture *before, size_t index,
                            size_t first, size_t end) {
    size_t start = before->starts[index], stop = before->starts[index + 1];
    char letter = before->letters[start];
    size_t low = first < start ? start : first > stop ? stop : first;
    size_t high = end > stop ? stop : end < low ? low : end;
    if (letter == 'p' || low == high) {
        append_region(after, before, start, stop, letter);
        return;
    }
    if (start < low) append_region(after, before, start, low, letter);
    append_region(after, before, low, high, 'p');
    if (high < stop) append_region(after, before, high, stop, letter);
}

/* The picture after [first, end) was released region by region, without coalescing. */
static struct picture released(const struct picture *before, size_t first, size_t end) {
    struct picture after = {0};
    for (size_t i = 0; i < before->regions; i++) append_released(&after, before, i, first, end);
    return after;
}

/* Where a release_range that failed stopped: at the offset of the error; if that is a placeholder
 * already, only the coalesce failed and all of the range was released. */
static size_t end_of_release(const struct drawn *drawn, const struct space_fixture *fixture) {
    hf_region there;
    CHECK(hf_space_find(fixture->space, hf_last_error().offset, &there));
    if (there.kind == HF_PLACEHOLDER) return drawn->first + drawn->count;
    return hf_last_error().offset / fixture->page_size;
}

/* The range of the step that failed: a part of one region, or the placeholders to coalesce. */
static hf_region range_that_failed(const struct drawn *drawn, const struct space_fixture *fixture) {
    size_t first = drawn->first * fixture->page_size,
           end = first + drawn->count * fixture->page_size;
    hf_region there, next;
    CHECK(hf_space_find(fixture->space, hf_last_error().offset, &there));
    if (there.kind != HF_PLACEHOLDER) {
        size_t low = there.offset < first ? first : there.offset;
        size_t high = there.offset + there.size < end ? there.offset + there.size : end;
        there.offset = low, there.size = high - low;
        return there;
    }
    CHECK(hf_space_find(fixture->space, first, &there));
    if (there.offset == first && first > 0 && hf_space_find(fixture->space, first - 1, &next) &&
        next.kind == HF_PLACEHOLDER)
        there.offset = next.offset, there.size += next.size;
    while (hf_space_find(fixture->space, there.offset + there.size, &next) &&
           next.kind == HF_PLACEHOLDER)
        there.size += next.size;
    return there;
}

static void attempt_release_range(struct failure *failure) {
    const struct drawn *drawn = failure->user;
    struct space_fixture fixture;
    space_fixture_open(&fixture, failure->strict, failure->strict, &drawn->before);
    failure_on(failure);
    hf_status status = drawn_run(drawn, &fixture);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0));
    CHECK(failure->failed <= 1);
    if (status != HF_OK) {
        hf_region there = range_that_failed(drawn, &fixture);
        expect_last_error(failure, status, there.offset, there.size);
        expect_lost_pages(&fixture);
        struct picture partly =
            released(&drawn->before, drawn->first, end_of_release(drawn, &fixture));
        space_fixture_expect(&fixture, &partly);
        CHECK_STATUS(HF_OK, drawn_run(drawn, &fixture));
    }
    space_fixture_expect(&fixture, &drawn->after);
    space_fixture_close(&fixture);
}

static void fail_each_call_of_release_range(const struct drawn *drawn) {
    CHECK(each_failure(attempt_release_range, drawn) > 0);
}

static void release_stops_where_it_fails(void) {
    drawing_each(&step_release_range,
                 "c c     v v     p|c c|p     p|v v|p     c c c c     p|p|p     c|p|p|c\n"
                 "---     ---       ---         ---         ---         -         ---  \n"
                 "p p     p p     p p p p     p p p p     c|p p|c     p p p     c|p p|c\n",
                 fail_each_call_of_release_range);
    drawing_each(&step_release_range,
                 "c|v|p|c     p|c|v|c|p     c c|p|v|c c     v|c c|c c|v     r|w|v|c\n"
                 "-------       -----         -------         -------       -------\n"
                 "p p p p     p p p p p     c|p p p p|c     v|p p p p|v     p p p p\n",
                 fail_each_call_of_release_range);
}

/* Releasing a part of a placeholder makes no backend call, so it cannot fail. */
static void attempt_idle_release_range(struct failure *failure) {
    struct space_fixture fixture;
    struct picture picture = picture_parse("c|p p p|c", 9);
    space_fixture_open(&fixture, failure->strict, failure->strict, &picture);
    failure_on(failure);
    CHECK_STATUS(HF_OK,
                 hf_space_release_range(fixture.space, 2 * fixture.page_size, fixture.page_size));
    failure_off(failure);
    CHECK_EQUAL(0, failure->calls);
    space_fixture_expect(&fixture, &picture);
    space_fixture_close(&fixture);
}

static void release_of_a_placeholder_makes_no_call(void) {
    CHECK_EQUAL(0, each_failure(attempt_idle_release_range, NULL));
}

/* ----------------------------------------------------------------------- hints -------------- */

static void attempt_advice(struct failure *failure) {
    const hf_advice *advice = failure->user;
    struct space_fixture fixture;
    struct picture picture = picture_parse("p|c c|p", 7);
    space_fixture_open(&fixture, failure->strict, failure->strict, &picture);
    failure_on(failure);
    hf_status status =
        hf_space_advise(fixture.space, fixture.page_size, 2 * fixture.page_size, *advice);
    failure_off(failure);
    if (failure->failed) {
        expect_last_error(failure, status, fixture.page_size, 2 * fixture.page_size);
    }
    CHECK_EQUAL(failure->failed, hf_space_get_stats(fixture.space).steps[HF_STEP_ADVISE] == 0);
    space_fixture_expect(&fixture, &picture);
    space_fixture_close(&fixture);
}

static void a_hint_changes_nothing(void) {
    hf_advice advice = HF_ADVISE_POPULATE;
    CHECK_EQUAL(2, each_failure(attempt_advice, &advice));
}

/* --------------------------------------------------------------------- opening -------------- */

static void attempt_open(struct failure *failure) {
    hf_space_options options = {.backend = failure->strict};
    hf_space *const untouched = (hf_space *)&options, *space = untouched;
    size_t size = 16 * failure->strict->page_size(failure->strict);
    failure_on(failure);
    hf_status status = hf_space_open(&space, size, &options);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0));
    if (status != HF_OK) {
        bool is_address = failure->nth == 2; /* between its record and its lock */
        expect_last_error(failure, status, 0, is_address ? size : hf_last_error().size);
        CHECK(space == untouched);
        check_nothing_left(failure->strict);
        CHECK_STATUS(HF_OK, hf_space_open(&space, size, &options));
    }
    CHECK_EQUAL(size, hf_space_size(space));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, size));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void a_space_opens_whole_or_not_at_all(void) {
    CHECK(each_failure(attempt_open, NULL) >= 2 * 3); /* its record, its addresses, its lock */
}

/* With `least`, a reservation that fails is tried again with half the size. */
static void attempt_open_smaller(struct failure *failure) {
    size_t page_size = failure->strict->page_size(failure->strict);
    hf_space_options options = {.backend = failure->strict, .least = 3 * page_size};
    hf_space *space = NULL;
    CHECK_STATUS(HF_INVALID, hf_space_open(&space, 1, &options));
    failure_on(failure);
    hf_status status = hf_space_open(&space, 16 * page_size, &options);
    failure_off(failure);
    if (status == HF_OK) {
        CHECK_EQUAL(HF_INVALID, hf_last_error().status); /* as it was before */
        CHECK_EQUAL(failure->failed ? 8 * page_size : 16 * page_size, hf_space_size(space));
        CHECK_EQUAL(hf_space_size(space), hf_space_get_stats(space).placeholder_bytes);
        CHECK_EQUAL(failure->failed, hf_space_get_stats(space).failures);
        CHECK_STATUS(HF_OK, hf_space_check(space));
    } else {
        CHECK(space == NULL);
        CHECK(failure->from_then_on || failure->nth != 2); /* its record, or its lock */
        check_failure(failure, status);
    }
    /* Reservations of 16, 8, 4 and 3 pages are tried, and no fifth. */
    if (status != HF_OK && failure->nth == 2) {
        CHECK_EQUAL(4, failure->failed);
        CHECK_EQUAL(3 * page_size, hf_last_error().size);
    }
    hf_space_close(space);
}

static void a_space_falls_back_by_halving(void) {
    CHECK(each_failure(attempt_open_smaller, NULL) >= 2 * 3);
}

/* --------------------------------------------------------------------- records -------------- */

enum { TRIALS = 400, KEPT = 4 };

/*
 * A space whose next change needs a new page for records: pages are split off the placeholder one
 * by one until the records have no room for two more regions.
 *      | c c c c |p|p|p|p| ... |               p               |
 */
static hf_space *open_short_of_records(hf_backend *strict, size_t splits) {
    hf_space_options options = {.backend = strict};
    hf_space *space;
    size_t page_size = strict->page_size(strict);
    CHECK_STATUS(HF_OK, hf_space_open(&space, TRIALS * page_size, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, KEPT * page_size));
    memset(hf_space_base(space), 1, KEPT * page_size);
    for (size_t i = 0; i < splits; i++)
        CHECK_STATUS(HF_OK, hf_space_split(space, (KEPT + i) * page_size, page_size));
    return space;
}

/* After how many splits the next split allocates pages for records. */
static size_t splits_before_records(void) {
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    hf_space *space = open_short_of_records(strict, 0);
    size_t page_size = hf_space_page_size(space), splits = 0;
    size_t bytes = hf_space_get_stats(space).record_bytes;
    while (hf_space_get_stats(space).record_bytes == bytes) {
        CHECK_STATUS(HF_OK, hf_space_split(space, (KEPT + splits) * page_size, page_size));
        splits++;
    }
    hf_space_close(space);
    hf_strict_close(strict);
    return splits - 1;
}

/* A step that splits a region, on a space that needs a new page for records. */
struct cut {
    hf_status (*run)(hf_space *, size_t offset, size_t size);
    size_t splits;
    bool cuts_committed; /* the range is in the committed region; else in the last placeholder */
};

static void expect_same_regions(const hf_space *space, const hf_space_stats *before) {
    hf_space_stats now = hf_space_get_stats(space);
    CHECK_EQUAL(before->regions, now.regions);
    CHECK_EQUAL(before->placeholder_bytes, now.placeholder_bytes);
    CHECK_EQUAL(before->committed_bytes, now.committed_bytes);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_EQUAL(1, hf_space_base(space)[hf_space_page_size(space)]);
}

static void expect_lost_page(hf_space *space, size_t offset) {
    char *page = hf_space_base(space) + offset;
    if (hf_last_error().status == HF_MAP_LIMIT && *page == 0)
        memset(page, 1, hf_space_page_size(space));
}

static void attempt_cut(struct failure *failure) {
    const struct cut *cut = failure->user;
    hf_space *space = open_short_of_records(failure->strict, cut->splits);
    hf_space_stats before = hf_space_get_stats(space);
    size_t page_size = hf_space_page_size(space);
    size_t offset = cut->cuts_committed ? page_size : (TRIALS - 2) * page_size;
    failure_on(failure);
    hf_status status = cut->run(space, offset, page_size);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0));
    if (failure->nth == 1) { /* the call for the page of records, before any other */
        CHECK(status == HF_NO_MEMORY || status == HF_MAP_LIMIT);
        CHECK_EQUAL(1, failure->calls);
    }
    if (status != HF_OK) {
        expect_last_error(failure, status, hf_last_error().offset, hf_last_error().size);
        if (cut->cuts_committed) expect_lost_page(space, offset);
        if (hf_last_error().undo_failed)
            CHECK_STATUS(HF_OK, hf_space_release_range(space, offset, page_size));
        expect_same_regions(space, &before);
        CHECK_STATUS(HF_OK, cut->run(space, offset, page_size));
    }
    CHECK_EQUAL(before.regions + 2, hf_space_get_stats(space).regions);
    CHECK(hf_space_get_stats(space).record_bytes > before.record_bytes);
    CHECK_EQUAL(1,
                hf_space_get_stats(space).steps[HF_STEP_RECORDS] - before.steps[HF_STEP_RECORDS]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void records_are_allocated_before_the_step(void) {
    size_t splits = splits_before_records();
    const struct cut cuts[] = {{hf_space_split, splits, false},
                               {hf_space_commit_range, splits, false},
                               {hf_space_decommit, splits, true},
                               {hf_space_release_range, splits, true}};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        size_t outer = check_enter("cut %zu", i);
        CHECK(each_failure(attempt_cut, &cuts[i]) >= 2 * 2); /* the records and the step */
        check_leave(outer);
    }
}

/* ------------------------------------------------------------- a long scenario -------------- */

/*
 * A sequence of steps on one space. The first step that fails changes nothing; then failures are
 * switched off and the step is repeated. The following steps must succeed.
 */
struct sequence {
    struct failure *failure;
    struct space_fixture fixture;
};

static void run_next(struct sequence *sequence, const struct step *step, const char *drawing) {
    size_t length = strcspn(drawing, "\n");
    const char *after = strchr(strchr(drawing, '\n') + 1, '\n') + 1;
    struct picture before = picture_parse(drawing, length), now = picture_parse(after, length);
    const char *range = drawing + length + 1;
    size_t first = strcspn(range, "-"), last = first + strspn(range + first, "-");
    struct drawn drawn = {.step = step, .first = first / 2, .count = (last - first) / 2 + 1};
    hf_status status = drawn_run(&drawn, &sequence->fixture);
    if (status != HF_OK) {
        failure_off(sequence->failure);
        check_failure(sequence->failure, status);
        expect_lost_pages(&sequence->fixture);
        if (hf_last_error().undo_failed) {
            size_t page_size = sequence->fixture.page_size;
            CHECK_STATUS(HF_OK,
                         hf_space_release_range(sequence->fixture.space, drawn.first * page_size,
                                                drawn.count * page_size));
        } else if (step != &step_release_range) {
            space_fixture_expect(&sequence->fixture, &before);
        }
        CHECK_STATUS(HF_OK, drawn_run(&drawn, &sequence->fixture));
    }
    space_fixture_expect(&sequence->fixture, &now);
}

static void attempt_sequence(struct failure *failure) {
    struct sequence sequence = {.failure = failure};
    struct picture picture = picture_parse("p p p p p p p p", 15);
    space_fixture_open(&sequence.fixture, failure->strict, failure->strict, &picture);
    failure_on(failure);
    run_next(&sequence, &step_commit_range,
             "p p p p p p p p\n"
             "---            \n"
             "c c|p p p p p p");
    run_next(&sequence, &step_map_range,
             "c c|p p p p p p\n"
             "      ---      \n"
             "c c|p|v v|p p p");
    run_next(&sequence, &step_split,
             "c c|p|v v|p p p\n"
             "            -  \n"
             "c c|p|v v|p|p|p");
    run_next(&sequence, &step_commit,
             "c c|p|v v|p|p|p\n"
             "              -\n"
             "c c|p|v v|p|p|c");
    run_next(&sequence, &step_map,
             "c c|p|v v|p|p|c\n"
             "    -          \n"
             "c c|v|v v|p|p|c");
    run_next(&sequence, &step_coalesce,
             "c c|v|v v|p|p|c\n"
             "          ---  \n"
             "c c|v|v v|p p|c");
    run_next(&sequence, &step_decommit,
             "c c|v|v v|p p|c\n"
             "  -            \n"
             "c|p|v|v v|p p|c");
    run_next(&sequence, &step_unmap,
             "c|p|v|v v|p p|c\n"
             "    -          \n"
             "c|p|p|v v|p p|c");
    run_next(&sequence, &step_release_range,
             "c|p|p|v v|p p|c\n"
             "      ---      \n"
             "c|p|p p p p p|c");
    run_next(&sequence, &step_commit_range,
             "c|p|p p p p p|c\n"
             "      ---      \n"
             "c|p|p|c c|p p|c");
    run_next(&sequence, &step_release_range,
             "c|p|p|c c|p p|c\n"
             "---------------\n"
             "p p p p p p p p");
    failure_off(failure);
    space_fixture_close(&sequence.fixture);
}

static void a_sequence_goes_on_after_any_failure(void) {
    if (require_views()) CHECK(each_failure(attempt_sequence, NULL) > 20);
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(steps_change_nothing), TEST(commit_range_is_undone_whole),
           TEST(map_range_is_undone_whole), TEST(release_stops_where_it_fails),
           TEST(release_of_a_placeholder_makes_no_call), TEST(a_hint_changes_nothing),
           TEST(a_space_opens_whole_or_not_at_all), TEST(a_space_falls_back_by_halving),
           TEST(records_are_allocated_before_the_step), TEST(a_sequence_goes_on_after_any_failure))
