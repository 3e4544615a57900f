/*
 * Reaches vm.max_map_count: commits every other page until the process can have no more mappings.
 *
 *     |c c c|p|c|p|c|p|c|p|c|p| ... |c|p            p|
 *
 * At the limit even a decommit can fail: in the middle of a region it needs two more mappings. It
 * returns HF_MAP_LIMIT and the region stays committed, but on Linux its pages are freed. A release
 * that merges mappings succeeds, and then there is room for other steps.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"
#include "holdfast/arena.h"
#include "holdfast/space.h"
#include "probe.h"
#include "process.h"

/* The generic POSIX backend cannot tell this limit from the limit on memory: both are ENOMEM. */
#if HOLDFAST_GENERIC_POSIX
static const bool is_linux = false;
#else
static const bool is_linux = true;
#endif

static hf_space *space;
static size_t page_size, filled; /* filled: number of the next page to commit */

static void run_on_linux(void (*part)(void *)) {
    if (is_linux)
        CHECK(process_runs(part, NULL));
    else
        check_skip("only Linux tells this limit from others");
}

static size_t limit_on_mappings(void) {
    unsigned long limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    CHECK(file != NULL && fscanf(file, "%lu", &limit) == 1);
    fclose(file);
    return limit;
}

static hf_status commit_next(void) {
    hf_status status = hf_space_commit_range(space, filled * page_size, page_size);
    if (status == HF_OK) {
        hf_space_base(space)[filled * page_size] = 'x';
        filled += 2;
    }
    return status;
}

static char *reserve_with_mmap(void) {
    void *got = mmap(NULL, 3 * page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(got != MAP_FAILED);
    return got;
}

/* If one mapping is left, this mprotect, which needs two, uses it and fails. */
static void use_the_last_mapping(char *pages) {
    CHECK(mprotect(pages + page_size, page_size, PROT_READ) != 0 && errno == ENOMEM);
}

static void open_and_fill(void) {
    page_size = hf_backend_native()->page_size(hf_backend_native());
    char *pages = reserve_with_mmap();
    CHECK_STATUS(HF_OK, hf_space_open(&space, (limit_on_mappings() + 100) * page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 3 * page_size));
    memset(hf_space_base(space), 'x', 3 * page_size);
    filled = 4;
    hf_status status = HF_OK;
    while (status == HF_OK) status = commit_next();
    CHECK_STATUS(is_linux ? HF_MAP_LIMIT : HF_NO_MEMORY, status);
    CHECK(filled > limit_on_mappings() / 2);
    use_the_last_mapping(pages);
}

/* Regions, statistics, the system's list of mappings and contents are as expected. */
static void expect_consistent(void) {
    hf_space_stats stats = hf_space_get_stats(space);
    CHECK_EQUAL(filled - 4 + 2, stats.regions); /* |c c c|p|, then |c|p| for each two */
    CHECK_EQUAL((3 + (filled - 4) / 2) * page_size, stats.committed_bytes);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    for (size_t i = 4; i < filled; i += 2) CHECK_EQUAL('x', hf_space_base(space)[i * page_size]);
}

static void expect_map_limit(hf_status status, size_t first, size_t count) {
    CHECK_STATUS(is_linux ? HF_MAP_LIMIT : HF_NO_MEMORY, status);
    CHECK_EQUAL(first * page_size, hf_last_error().offset);
    CHECK_EQUAL(count * page_size, hf_last_error().size);
    CHECK(hf_last_error().os_code != 0);
}

/* commit_range and map_range fail and are undone. */
static void commit_range_at_the_limit(void) {
    hf_file *file;
    expect_map_limit(commit_next(), filled, 1);
    expect_consistent();
    expect_map_limit(hf_space_commit_range(space, (filled + 7) * page_size, 5 * page_size),
                     filled + 7, 5);
    expect_consistent();
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page_size, NULL));
    expect_map_limit(
        hf_space_map_range(space, (filled + 3) * page_size, page_size, file, 0, HF_READ_WRITE),
        filled + 3, 1);
    hf_file_close(file);
    expect_consistent();
}

/* Decommitting the middle of |c c c| needs two more mappings. */
static void decommit_at_the_limit(void) {
    char *base = hf_space_base(space);
    CHECK_STATUS(HF_MAP_LIMIT, hf_space_decommit(space, page_size, page_size));
    CHECK_EQUAL(page_size, hf_last_error().offset);
    expect_consistent();
    CHECK(base[0] == 'x' && base[2 * page_size] == 'x');
    CHECK_EQUAL(is_linux ? 0 : 'x', base[page_size]);
    base[page_size] = 'y';
    CHECK_STATUS(HF_MAP_LIMIT, hf_space_release_range(space, page_size, page_size));
    CHECK_EQUAL(page_size, hf_last_error().offset);
    expect_consistent();
    CHECK_EQUAL(is_linux ? 0 : 'y', base[page_size]);
}

/* |p|c|p| -> |p p p| frees two mappings. */
static void release_some(void) {
    for (size_t i = 0; i < 10; i++) {
        filled -= 2;
        CHECK_STATUS(HF_OK, hf_space_release_range(space, filled * page_size, page_size));
        expect_consistent();
    }
}

static void work_again(void) {
    CHECK_STATUS(HF_OK, hf_space_decommit(space, page_size, page_size));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_commit(space, page_size, page_size));
    CHECK_EQUAL(0, hf_space_base(space)[page_size]);
    CHECK_STATUS(HF_OK, commit_next());
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, hf_space_size(space)));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

static void reach_the_limit(void *unused) {
    (void)unused;
    open_and_fill();
    expect_consistent();
    commit_range_at_the_limit();
    decommit_at_the_limit();
    commit_range_at_the_limit();
    release_some();
    work_again();
    hf_space_close(space);
}

static void the_limit_on_mappings(void) { CHECK(process_runs(reach_the_limit, NULL)); }

/* Closing needs no mapping. */
static void close_at_the_limit(void *unused) {
    (void)unused;
    open_and_fill();
    hf_space_options options = {.base = hf_space_base(space)};
    size_t size = hf_space_size(space);
    hf_space_close(space);
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, &options)); /* all of it is free again */
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, page_size, page_size));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void closing_at_the_limit(void) { CHECK(process_runs(close_at_the_limit, NULL)); }

/* Without a free descriptor the library cannot open the list of mappings. */
static void fill_without_descriptors(void *unused) {
    (void)unused;
    struct rlimit limit;
    open_and_fill();
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max}) == 0);
    expect_map_limit(commit_next(), filled, 1);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    expect_consistent();
    release_some();
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max}) == 0);
    CHECK_STATUS(HF_OK, commit_next());
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    hf_space_close(space);
}

static void the_limit_without_descriptors(void) {
    CHECK(process_runs(fill_without_descriptors, NULL));
}

/* Each reservation that touches no other is one mapping. mmap allows one mapping more than the
 * limit and fails at the next. */
static void reserve_at_the_limit(void *unused) {
    (void)unused;
    enum { TRIES = 8 };
    hf_space *far, *gaps;
    size_t unit = HF_ALLOCATION_GRANULARITY, made = 0;
    CHECK_STATUS(HF_OK, hf_space_open(&gaps, 2 * TRIES * unit, NULL));
    hf_space_options options = {.base = hf_space_base(gaps)};
    open_and_fill();
    hf_space_close(gaps); /* reservations at these addresses touch no other */
    hf_status status = HF_OK;
    for (; status == HF_OK && made < TRIES; made++) {
        options.base = (char *)options.base + 2 * unit;
        status = hf_space_open(&far, unit, &options);
    }
    if (is_linux)
        CHECK_STATUS(HF_MAP_LIMIT, status);
    else
        CHECK(status == HF_NO_ADDRESS || status == HF_NO_MEMORY);
    expect_consistent();
}

static void reserving_at_the_limit(void) { CHECK(process_runs(reserve_at_the_limit, NULL)); }

/* ------------------------------------------------------- protections and parts of views ----- */

/*
 *     |p|c c c|v v v v v|p|c|p|c|p| ...
 *
 * The first placeholder keeps the committed region from being one mapping with what lies below the
 * space.
 */
static hf_file *fill_behind_a_view(void) {
    hf_file *file;
    page_size = hf_backend_native()->page_size(hf_backend_native());
    char *pages = reserve_with_mmap();
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 5 * page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&space, (limit_on_mappings() + 100) * page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, page_size, 3 * page_size));
    CHECK_STATUS(HF_OK,
                 hf_space_map_range(space, 4 * page_size, 5 * page_size, file, 0, HF_READ_WRITE));
    memset(hf_space_base(space) + page_size, 'x', 8 * page_size);
    filled = 10;
    while (commit_next() == HF_OK) continue;
    use_the_last_mapping(pages);
    return file;
}

static void expect_as_filled(size_t regions) {
    hf_region region;
    CHECK_EQUAL(regions, hf_space_get_stats(space).regions);
    for (size_t i = 1; i < 9; i++) {
        CHECK(hf_space_find(space, i * page_size, &region));
        CHECK_EQUAL(HF_PROTECT_READ_WRITE, region.protection);
        ((volatile char *)hf_space_base(space))[i * page_size] = 'x';
    }
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

/* A part of a mapping needs another mapping. Over |c c c|v v| the first region has changed when the
 * kernel finds that it cannot divide the second one: it is changed back. */
static void change_at_the_limit(void *unused) {
    (void)unused;
    hf_file *file = fill_behind_a_view();
    size_t regions = hf_space_get_stats(space).regions;
    expect_map_limit(hf_space_protect(space, 2 * page_size, page_size, HF_PROTECT_READ), 2, 1);
    expect_as_filled(regions);
    expect_map_limit(hf_space_protect(space, page_size, 5 * page_size, HF_PROTECT_READ), 1, 5);
    CHECK(!hf_last_error().undo_failed);
    expect_as_filled(regions);
    expect_map_limit(hf_space_unmap(space, 6 * page_size, page_size), 6, 1);
    expect_as_filled(regions);
    expect_map_limit(hf_space_remap_range(space, 2 * page_size, page_size, file, 0, HF_READ_WRITE),
                     2, 1);
    CHECK(!hf_last_error().undo_failed);
    expect_as_filled(regions);
    CHECK_STATUS(HF_OK, hf_space_protect(space, page_size, 8 * page_size, HF_PROTECT_READ));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_protect(space, page_size, 8 * page_size, HF_PROTECT_READ_WRITE));
    CHECK_STATUS(HF_OK,
                 hf_space_reset_range(space, 2 * page_size, page_size)); /* needs no mapping */
    CHECK_EQUAL(0, hf_space_base(space)[2 * page_size]);
    expect_as_filled(regions);
    hf_space_close(space);
    hf_file_close(file);
}

static void protections_at_the_limit(void) { run_on_linux(change_at_the_limit); }

/* Committing behind committed memory makes its mapping larger: this needs no more mappings. */
static void grow_at_the_limit(void *unused) {
    (void)unused;
    open_and_fill();
    char *base = hf_space_base(space);
    for (size_t i = 0; i < 5; i++) {
        size_t at = (filled - 1 + i) * page_size;
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, at, page_size));
        memset(base + at, 'y', page_size);
    }
    expect_map_limit(hf_space_commit_range(space, (filled + 10) * page_size, page_size),
                     filled + 10, 1);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void growing_at_the_limit(void) { run_on_linux(grow_at_the_limit); }

/* ---------------------------------------------------------- one beyond the limit ------------ */

enum { MOST_EXTRA = 64 };

static void *extra[MOST_EXTRA];
static size_t extra_count;

/* Makes mappings that the kernel cannot merge until mmap fails: mmap allows one mapping more than
 * the limit, and then every call fails. */
static void go_beyond_the_limit(void) {
    for (;;) {
        int protection = extra_count % 2 ? PROT_READ : PROT_WRITE;
        void *got = mmap(NULL, page_size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (got == MAP_FAILED) break;
        CHECK(extra_count < MOST_EXTRA);
        extra[extra_count++] = got;
    }
    CHECK_EQUAL(ENOMEM, errno);
}

static void come_back_below_the_limit(void) {
    while (extra_count > 0) CHECK(munmap(extra[--extra_count], page_size) == 0);
}

/* |c|c|c|p|c|p|c| ... until commit fails, then other mappings until mmap fails. */
static void fill_beyond_the_limit(void) {
    page_size = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&space, (limit_on_mappings() + 100) * page_size, NULL));
    for (size_t i = 0; i < 3; i++) {
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * page_size, page_size));
        hf_space_base(space)[i * page_size] = 'x';
    }
    filled = 4;
    while (commit_next() == HF_OK) continue;
    go_beyond_the_limit();
}

/* How many of the first `size` bytes of the space are resident. */
static size_t resident(size_t size) {
    static unsigned char pages[1 << 20];
    size_t count = size / page_size, sum = 0;
    CHECK(count <= sizeof pages && mincore(hf_space_base(space), size, pages) == 0);
    for (size_t i = 0; i < count; i++) sum += pages[i] & 1;
    return sum * page_size;
}

/* The release cannot merge mappings: the regions stay, but their memory is freed. */
static void release_with_map_limit(void) {
    char *base = hf_space_base(space);
    size_t regions = hf_space_get_stats(space).regions;
    CHECK_EQUAL(3 * page_size, resident(3 * page_size));
    CHECK_STATUS(HF_MAP_LIMIT, hf_space_release_range(space, 0, 3 * page_size));
    CHECK_EQUAL(0, hf_last_error().offset);
    CHECK_EQUAL(3 * page_size, hf_last_error().size);
    CHECK(!hf_last_error().undo_failed);
    CHECK_EQUAL(0, resident(3 * page_size));
    CHECK_STATUS(HF_MAP_LIMIT, hf_space_decommit(space, 4 * page_size, page_size));
    CHECK_EQUAL(0, resident(5 * page_size));
    CHECK_EQUAL(regions, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    for (size_t i = 0; i < 3; i++) CHECK_EQUAL(0, base[i * page_size]);
    memset(base, 'y', 3 * page_size);
}

static void release_beyond_the_limit(void *unused) {
    (void)unused;
    fill_beyond_the_limit();
    release_with_map_limit();
    come_back_below_the_limit();
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 4 * page_size, 8 * page_size));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 3 * page_size));
    CHECK_EQUAL(0, resident(12 * page_size));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void memory_is_released_beyond_the_limit(void) { run_on_linux(release_beyond_the_limit); }

/* The copy-on-write view stays, but its private pages are freed: it shows the file again. */
static void release_a_view_beyond_the_limit(void *unused) {
    (void)unused;
    hf_space *views;
    hf_file *file;
    page_size = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 8 * page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&views, 10 * page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(views, 0, 8 * page_size, file, 0, HF_COPY_ON_WRITE));
    char *base = hf_space_base(views);
    memset(base, 'x', 8 * page_size);
    fill_beyond_the_limit();
    expect_map_limit(hf_space_release_range(views, 0, 8 * page_size), 0, 8);
    for (size_t i = 0; i < 8; i++) CHECK_EQUAL(0, base[i * page_size]);
    CHECK_STATUS(HF_OK, hf_space_check(views));
    come_back_below_the_limit();
    CHECK_STATUS(HF_OK, hf_space_release_range(views, 0, 8 * page_size));
    hf_space_close(views);
    hf_space_close(space);
    hf_file_close(file);
}

static void a_view_shows_its_file_again_beyond_the_limit(void) {
    run_on_linux(release_a_view_beyond_the_limit);
}

static void release_all_beyond_the_limit(void *unused) {
    (void)unused;
    fill_beyond_the_limit();
    CHECK(resident(hf_space_size(space)) >= (filled - 4) / 2 * page_size);
    hf_error before = hf_last_error();
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, hf_space_size(space)));
    CHECK_EQUAL(before.size, hf_last_error().size); /* success does not change the last error */
    CHECK_EQUAL(0, resident(hf_space_size(space)));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, page_size, page_size));
    CHECK_EQUAL(0, hf_space_base(space)[page_size]);
    come_back_below_the_limit();
    hf_space_close(space);
}

static void a_release_over_all_succeeds_beyond_the_limit(void) {
    run_on_linux(release_all_beyond_the_limit);
}

/*
 *     |c c|p p p p|h h h h h h|      h: placeholder with a hint, a mapping of its own
 *         <----------->              the range
 *
 * At the limit the committed mapping grows over the first placeholder pages before the kernel finds
 * that it cannot divide the second mapping.
 */
static void commit_across_a_hint_beyond_the_limit(void *unused) {
    (void)unused;
    hf_space *hinted;
    page_size = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&hinted, 12 * page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(hinted, 0, 2 * page_size));
    CHECK_STATUS(HF_OK, hf_space_advise(hinted, 6 * page_size, 6 * page_size, HF_ADVISE_NO_HUGE));
    memset(hf_space_base(hinted), 'x', 2 * page_size);
    fill_beyond_the_limit();
    expect_map_limit(hf_space_commit_range(hinted, 2 * page_size, 6 * page_size), 2, 6);
    CHECK(!hf_last_error().undo_failed);
    for (size_t i = 2; i < 12; i++) CHECK(!probe_readable(hf_space_base(hinted) + i * page_size));
    CHECK_EQUAL(2, hf_space_get_stats(hinted).regions);
    CHECK_STATUS(HF_OK, hf_space_check(hinted));
    come_back_below_the_limit();
    CHECK_STATUS(HF_OK, hf_space_commit_range(hinted, 2 * page_size, 6 * page_size));
    CHECK_EQUAL('x', hf_space_base(hinted)[2 * page_size - 1]);
    CHECK_STATUS(HF_OK, hf_space_check(hinted));
    hf_space_close(hinted);
    hf_space_close(space);
}

static void a_commit_across_a_hint_is_undone_beyond_the_limit(void) {
    run_on_linux(commit_across_a_hint_beyond_the_limit);
}

/* ------------------------------------------------------------------------ arenas ------------ */

enum { LEFT = 2000 }; /* mappings that the arenas find */

static hf_arena arenas[LEFT];

/* A 32-bit program has not the addresses for as many of the default size. */
static const hf_arena_options small_if_32_bits = {.reserve = sizeof(void *) == 8 ? 0 : 256 << 10};

/* As many arenas as there are mappings, each with a block. Returns how many. */
static size_t open_arenas(void) {
    for (size_t i = 0; i < LEFT; i++) {
        hf_status status = hf_arena_open(&arenas[i], &small_if_32_bits);
        char *block = status == HF_OK ? hf_alloc(&arenas[i], 64, 16) : NULL;
        if (block == NULL) {
            CHECK_STATUS(HF_MAP_LIMIT, hf_last_error().status);
            hf_arena_close(&arenas[i]);
            return i;
        }
        memset(block, 'x', 64);
    }
    return LEFT;
}

/* An arena takes at most three mappings: what its alignment leaves unused, its memory, and the
 * rest. At the limit opening fails and leaves nothing; arenas that
 * are open still work, and closing one makes room for another. */
static void open_arenas_at_the_limit(void *unused) {
    (void)unused;
    page_size = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&space, limit_on_mappings() * page_size, NULL));
    for (filled = 0; filled + LEFT < limit_on_mappings(); filled += 2)
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, filled * page_size, page_size));
    size_t count = open_arenas();
    CHECK(count < LEFT && count >= LEFT / 3 - 100); /* others' mappings are less than 200 */
    CHECK(hf_alloc(&arenas[0], 60000, 16) != NULL);
    for (int round = 0; round < 3; round++) {
        hf_arena_close(&arenas[count / 2]);
        CHECK_STATUS(HF_OK, hf_arena_open(&arenas[count / 2], &small_if_32_bits));
        CHECK(hf_alloc(&arenas[count / 2], 64, 16) != NULL);
    }
    for (size_t i = 0; i < count; i++) hf_arena_close(&arenas[i]);
    CHECK_EQUAL(count, open_arenas());
    for (size_t i = 0; i < count; i++) hf_arena_close(&arenas[i]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void arenas_open_as_far_as_mappings_go(void) { run_on_linux(open_arenas_at_the_limit); }

CHECK_MAIN(TEST(arenas_open_as_far_as_mappings_go), TEST(the_limit_on_mappings),
           TEST(the_limit_without_descriptors), TEST(a_view_shows_its_file_again_beyond_the_limit),
           TEST(closing_at_the_limit), TEST(protections_at_the_limit), TEST(reserving_at_the_limit),
           TEST(growing_at_the_limit), TEST(memory_is_released_beyond_the_limit),
           TEST(a_release_over_all_succeeds_beyond_the_limit),
           TEST(a_commit_across_a_hint_is_undone_beyond_the_limit))
