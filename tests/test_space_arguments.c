/*
 * With invalid arguments every function returns HF_INVALID, whatever the regions are, without a
 * system call and without a change.
 */
#include "check.h"
#include "space_fixture.h"

/* A space with regions of every kind and of several sizes. */
static const char start[] = "p|c|v|p p p|c c|v v|p p";

static struct space_fixture fixture;

/* Must not change while calls fail because of their arguments. */
static hf_space_stats stats_before;
static size_t calls_before;

static size_t calls_so_far(void) {
    return fixture.strict ? hf_strict_get_stats(fixture.strict).calls : 0;
}

static void expect_invalid(hf_status status, const char *call, size_t offset, size_t size) {
    CHECK_STATUS(HF_INVALID, status);
    hf_error error = hf_last_error();
    CHECK_EQUAL(HF_INVALID, error.status);
    CHECK_EQUAL(0, error.os_code);
    CHECK(strcmp(call, error.call) == 0);
    CHECK_EQUAL(offset, error.offset);
    CHECK_EQUAL(size, error.size);
    hf_space_stats now = hf_space_get_stats(fixture.space);
    CHECK(memcmp(&stats_before, &now, sizeof now) == 0);
    CHECK_EQUAL(calls_before, calls_so_far());
}

/* Runs a test on a space of the native backend and on one of strict. */
static void on_each_backend(void (*test)(void)) {
    struct picture picture = picture_supported(start);
    for (int is_strict = 0; is_strict <= 1; is_strict++) {
        hf_backend *strict = NULL;
        if (is_strict) CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
        space_fixture_open(&fixture, strict ? strict : hf_backend_native(), strict, &picture);
        stats_before = hf_space_get_stats(fixture.space);
        calls_before = calls_so_far();
        test();
        space_fixture_expect(&fixture, &picture);
        space_fixture_close(&fixture);
        if (strict) check_nothing_left(strict);
        hf_strict_close(strict);
    }
}

/* ---------------------------------------------------------------------- ranges -------------- */

/* Size 0, no multiple of the page size, outside the space, wrapping. */
static size_t bad_ranges(size_t (*ranges)[2]) {
    size_t g = fixture.page_size, all = hf_space_size(fixture.space), last = SIZE_MAX - g + 1;
    const size_t bad[][2] = {{0, 0},
                             {g, 0},
                             {all, 0},
                             {SIZE_MAX, 0},
                             {1, g},
                             {g - 1, g},
                             {g / 2, g},
                             {0, 1},
                             {0, g - 1},
                             {0, g + 1},
                             {1, g - 1},
                             {0, all + g},
                             {g, all},
                             {all, g},
                             {all - g, 2 * g},
                             {all + g, g},
                             {last, g},
                             {last, 2 * g},
                             {last, last},
                             {g, last},
                             {0, last},
                             {2 * g, last},
                             {last - g, 2 * g},
                             {0, SIZE_MAX},
                             {1, SIZE_MAX},
                             {SIZE_MAX, 1},
                             {SIZE_MAX, g},
                             {last, all + g},
                             {SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1},
                             {g, SIZE_MAX / 2 + 1}};
    memcpy(ranges, bad, sizeof bad);
    return sizeof bad / sizeof *bad;
}

enum { MOST_RANGES = 40 };

static hf_status advise_huge(struct space_fixture *at, size_t offset, size_t size) {
    return hf_space_advise(at->space, offset, size, HF_ADVISE_HUGE);
}

static void try_bad_ranges(void) {
    const struct {
        hf_status (*run)(struct space_fixture *, size_t offset, size_t size);
        const char *call;
    } functions[] = {{step_split.run, "hf_space_split"},
                     {step_coalesce.run, "hf_space_coalesce"},
                     {step_commit.run, "hf_space_commit"},
                     {step_decommit.run, "hf_space_decommit"},
                     {step_map.run, "hf_space_map"},
                     {step_unmap.run, "hf_space_unmap"},
                     {step_commit_range.run, "hf_space_commit_range"},
                     {step_map_range.run, "hf_space_map_range"},
                     {step_release_range.run, "hf_space_release_range"},
                     {advise_huge, "hf_space_advise"}};
    size_t ranges[MOST_RANGES][2], count = bad_ranges(ranges);
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++)
        for (size_t i = 0; i < count; i++) {
            size_t offset = ranges[i][0], size = ranges[i][1];
            size_t outer = check_enter("%s(%#zx, %#zx)", functions[f].call, offset, size);
            expect_invalid(functions[f].run(&fixture, offset, size), functions[f].call, offset,
                           size);
            check_leave(outer);
        }
}

static void bad_ranges_are_invalid(void) { on_each_backend(try_bad_ranges); }

/* ----------------------------------------------------------------------- views -------------- */

/* Maps a view on the placeholder of three pages; only the arguments about the file are invalid. */
static void expect_invalid_view(hf_file *file, uint64_t file_offset, hf_access access) {
    size_t offset = 3 * fixture.page_size, size = 3 * fixture.page_size;
    size_t outer =
        check_enter("a view from %#llx, access %d", (unsigned long long)file_offset, (int)access);
    expect_invalid(hf_space_map(fixture.space, offset, size, file, file_offset, access),
                   "hf_space_map", offset, size);
    expect_invalid(hf_space_map_range(fixture.space, offset, size, file, file_offset, access),
                   "hf_space_map_range", offset, size);
    check_leave(outer);
}

static void try_file_offsets(void) {
    uint64_t g = fixture.page_size, end = hf_file_size(fixture.file), last = UINT64_MAX - g + 1;
    expect_invalid_view(fixture.file, 1, HF_READ_WRITE);
    expect_invalid_view(fixture.file, g - 1, HF_READ_WRITE);
    expect_invalid_view(fixture.file, g / 2, HF_READ_ONLY);
    expect_invalid_view(fixture.file, end - 2 * g, HF_READ_WRITE);
    expect_invalid_view(fixture.file, end - g, HF_READ_WRITE);
    expect_invalid_view(fixture.file, end, HF_READ_ONLY);
    expect_invalid_view(fixture.file, end + g, HF_COPY_ON_WRITE);
    expect_invalid_view(fixture.file, last, HF_READ_ONLY);
    expect_invalid_view(fixture.file, last - 2 * g, HF_READ_ONLY);
    expect_invalid_view(fixture.file, UINT64_MAX, HF_READ_ONLY);
    expect_invalid_view(fixture.file, (uint64_t)1 << 32, HF_READ_ONLY);
    expect_invalid_view(fixture.file, (uint64_t)1 << 63, HF_READ_ONLY);
}

static void a_view_past_the_end_of_its_file_is_invalid(void) { on_each_backend(try_file_offsets); }

static void try_accesses(void) {
    expect_invalid_view(fixture.file, 0, (hf_access)(HF_COPY_ON_WRITE + 1));
    expect_invalid_view(fixture.file, 0, (hf_access)1000);
    expect_invalid_view(NULL, 0, HF_READ_ONLY);
}

static void no_access_and_no_file_are_invalid(void) { on_each_backend(try_accesses); }

/* A file of the native backend in a space on strict, and the other way round. */
static void try_foreign_file(void) {
    hf_backend *another;
    hf_file *foreign;
    CHECK_STATUS(HF_OK, hf_strict_open(&another, NULL));
    const hf_backend *backend = fixture.strict ? hf_backend_native() : another;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&foreign, 64 * fixture.page_size, backend));
    expect_invalid_view(foreign, 0, HF_READ_WRITE);
    hf_file_close(foreign);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&foreign, 64 * fixture.page_size, another));
    expect_invalid_view(foreign, 0, HF_READ_WRITE);
    hf_file_close(foreign);
    hf_strict_close(another);
}

static void a_file_of_another_backend_is_invalid(void) { on_each_backend(try_foreign_file); }

/* ----------------------------------------------------------------------- others ------------- */

static void try_advice(void) {
    size_t g = fixture.page_size;
    expect_invalid(hf_space_advise(fixture.space, g, g, (hf_advice)(HF_ADVISE_POPULATE + 1)),
                   "hf_space_advise", g, g);
    expect_invalid(hf_space_advise(fixture.space, g, g, (hf_advice)-1), "hf_space_advise", g, g);
}

static void an_unknown_advice_is_invalid(void) { on_each_backend(try_advice); }

/* Arguments and state are both wrong: the status is HF_INVALID. */
static void try_bad_arguments_in_a_wrong_state(void) {
    size_t g = fixture.page_size;
    expect_invalid(hf_space_map(fixture.space, g, g, fixture.file, 1, HF_READ_WRITE),
                   "hf_space_map", g, g);
    expect_invalid(hf_space_unmap(fixture.space, g, 1), "hf_space_unmap", g, 1);
    expect_invalid(hf_space_release_range(fixture.space, 8 * g, g + 1), "hf_space_release_range",
                   8 * g, g + 1);
}

static void arguments_are_checked_before_the_state(void) {
    on_each_backend(try_bad_arguments_in_a_wrong_state);
}

/* A NULL space is HF_INVALID, or an empty result. */
static void try_no_space(void) {
    struct space_fixture nowhere = fixture;
    hf_region region = {0};
    nowhere.space = NULL;
    const struct step *const steps[] = {&step_split,        &step_coalesce,  &step_commit,
                                        &step_decommit,     &step_map,       &step_unmap,
                                        &step_commit_range, &step_map_range, &step_release_range};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        CHECK_STATUS(HF_INVALID, steps[i]->run(&nowhere, 0, fixture.page_size));
    CHECK_STATUS(HF_INVALID, advise_huge(&nowhere, 0, fixture.page_size));
    CHECK_STATUS(HF_INVALID, hf_space_check(NULL));
    CHECK(!hf_space_find(NULL, 0, &region));
    CHECK(!hf_space_next(NULL, &region));
    CHECK(hf_space_base(NULL) == NULL);
    CHECK_EQUAL(0, hf_space_size(NULL));
    CHECK_EQUAL(0, hf_space_page_size(NULL));
    CHECK_EQUAL(0, hf_space_get_stats(NULL).regions);
}

static void no_space_is_invalid(void) { on_each_backend(try_no_space); }

CHECK_MAIN(TEST(bad_ranges_are_invalid), TEST(a_view_past_the_end_of_its_file_is_invalid),
           TEST(no_access_and_no_file_are_invalid), TEST(a_file_of_another_backend_is_invalid),
           TEST(an_unknown_advice_is_invalid), TEST(arguments_are_checked_before_the_state),
           TEST(no_space_is_invalid))
