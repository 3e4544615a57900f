/*
 * The options of a space: the alignment of its base, and memory that is lazy, of huge pages, of a
 * NUMA node, or not in dumps. What this system lacks is shown with a backend that pretends to have
 * it.
 */
#include "check.h"

#include <holdfast.h>
#include <string.h>

#if UINTPTR_MAX > UINT32_MAX
#define CAGE ((size_t)1 << 32)
#define VAST ((size_t)1 << 36) /* more than this machine has */
#else
#define CAGE ((size_t)1 << 24)
#define VAST ((size_t)1 << 28)
#endif
#define MIB(n) ((size_t)(n) << 20)

static hf_status open_with(hf_space **space, size_t size, hf_space_options options) {
    *space = NULL;
    return hf_space_open(space, size, &options);
}

static void expect_aligned(const hf_backend *backend) {
    for (size_t alignment = HF_ALLOCATION_GRANULARITY; alignment <= CAGE; alignment *= 16) {
        hf_space *space;
        CHECK_STATUS(HF_OK,
                     open_with(&space, MIB(4),
                               (hf_space_options){.backend = backend, .alignment = alignment}));
        CHECK_EQUAL(0, (uintptr_t)hf_space_base(space) % alignment);
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, MIB(1)));
        memset(hf_space_base(space), 7, MIB(1));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        hf_space_close(space);
    }
}

static void the_base_is_aligned(void) {
    hf_backend *strict;
    expect_aligned(NULL);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    expect_aligned(strict);
    CHECK_EQUAL(0, hf_strict_get_stats(strict).violations);
    hf_strict_close(strict);
}

static void an_aligned_space_that_cannot_be_reserved_leaves_nothing(void) {
    hf_backend *strict;
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    for (size_t n = 1; n <= 2; n++) {
        hf_strict_fail(strict, n, false);
        hf_status status =
            open_with(&space, MIB(4), (hf_space_options){.backend = strict, .alignment = MIB(16)});
        CHECK(status == HF_NO_ADDRESS || status == HF_NO_MEMORY);
        CHECK(space == NULL && hf_strict_get_stats(strict).regions == 0);
        CHECK_EQUAL(0, hf_strict_get_stats(strict).pages);
    }
    hf_strict_close(strict);
}

static void options_that_make_no_sense_are_invalid(void) {
    const hf_space_options wrong[] = {
        {.alignment = 4096},          /* below the granularity */
        {.alignment = MIB(1) + 4096}, /* no power of two */
        {.memory.huge_page = 3},
        {.memory.huge_page = 1024}, /* below the page size */
        {.memory.huge_page = MIB(2), .least = MIB(1)},
        {.alignment = MIB(16), .base = (void *)(uintptr_t)MIB(257)},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        size_t outer = check_enter("options %zu", i);
        hf_space *space;
        CHECK_STATUS(HF_INVALID, open_with(&space, MIB(4), wrong[i]));
        CHECK(space == NULL);
        check_leave(outer);
    }
}

/* --------------------------------------------------- what the system may lack ------------ */

static void lazy_memory_is_not_charged(void) {
    hf_space *space;
    hf_status status = open_with(&space, VAST, (hf_space_options){.memory.lazy = true});
    if (status == HF_UNSUPPORTED) {
        check_skip("no lazy memory");
        return;
    }
    CHECK_STATUS(HF_OK, status);
    status = hf_space_commit_range(space, 0, VAST);
    if (status == HF_OK) {
        size_t sum = 0;
        for (size_t i = 0; i < 64; i++) sum += (unsigned char)hf_space_base(space)[VAST / 64 * i];
        CHECK_EQUAL(0, sum);
        hf_space_base(space)[VAST - 1] = 1;
    } else {
        CHECK_STATUS(HF_NO_MEMORY, status); /* vm.overcommit_memory=2 */
    }
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* NULL: the system has none, and the test is skipped. */
static hf_space *open_in_huge_pages(void) {
    hf_space *space = NULL;
    hf_status status = open_with(&space, MIB(8), (hf_space_options){.memory.huge_page = MIB(2)});
    if (status == HF_UNSUPPORTED) {
        check_skip("no explicit huge pages");
        return NULL;
    }
    CHECK_STATUS(HF_OK, status);
    return space;
}

static void huge_pages_are_the_page_size(void) {
    hf_space *space = open_in_huge_pages();
    if (space == NULL) return;
    CHECK_EQUAL(MIB(2), hf_space_page_size(space));
    CHECK_EQUAL(0, (uintptr_t)hf_space_base(space) % MIB(2));
    CHECK_STATUS(HF_INVALID, hf_space_commit_range(space, 4096, MIB(2)));
    hf_status status = hf_space_commit_range(space, 0, MIB(2));
    if (status == HF_OK) hf_space_base(space)[0] = 1;
    CHECK(status == HF_OK || status == HF_NO_MEMORY); /* no huge page is free */
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, MIB(8)));
    hf_space_close(space);
}

/* Maps the last huge page that a file of so many bytes begins. */
static void expect_view(hf_status expected, hf_space *space, size_t bytes) {
    hf_file *file;
    size_t outer = check_enter("a file of %zu bytes", bytes);
    size_t at = (bytes - 1) / MIB(2) * MIB(2);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, bytes, NULL));
    CHECK_STATUS(expected, hf_space_map_range(space, 0, MIB(2), file, at, HF_READ_ONLY));
    CHECK_STATUS(expected, hf_space_remap_range(space, 0, MIB(2), file, at, HF_READ_ONLY));
    if (expected == HF_OK) {
        CHECK_EQUAL(0, hf_space_base(space)[MIB(2) - 1]);
        CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, MIB(2)));
    }
    hf_file_close(file);
    check_leave(outer);
}

/* A view ends with the page of the system in which its file ends: behind it loads fault. */
static void views_in_huge_pages_end_with_their_file(void) {
    hf_space *space = open_in_huge_pages();
    if (space == NULL) return;
    size_t page = hf_backend_native()->page_size(hf_backend_native());
    expect_view(HF_INVALID, space, 10000);
    expect_view(HF_INVALID, space, MIB(2) - page);
    expect_view(HF_OK, space, MIB(2) - page + 1);
    expect_view(HF_OK, space, MIB(2));
    expect_view(HF_INVALID, space, MIB(2) + 10000);
    expect_view(HF_OK, space, MIB(4) - 1);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void huge_pages_that_no_processor_has_are_unsupported(void) {
    hf_space *space;
    CHECK_STATUS(HF_UNSUPPORTED,
                 open_with(&space, MIB(32), (hf_space_options){.memory.huge_page = MIB(8)}));
    CHECK(hf_last_error().call != NULL);
}

static void memory_of_a_node(void) {
    hf_space *space;
    hf_status status = open_with(&space, MIB(4), (hf_space_options){.memory.on_numa_node = true});
    if (status == HF_UNSUPPORTED) {
        check_skip("no NUMA nodes");
        return;
    }
    CHECK_STATUS(HF_OK, status);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, MIB(1)));
    memset(hf_space_base(space), 1, MIB(1));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    hf_memory memory = {.on_numa_node = true, .numa_node = 4000};
    CHECK_STATUS(HF_UNSUPPORTED, open_with(&space, MIB(4), (hf_space_options){.memory = memory}));
}

/* ------------------------------------------------------------- by injection -------------- */

static hf_memory asked;
static hf_status answer;

static hf_status pretend_to_check(const hf_backend *self, const hf_memory *memory,
                                  hf_report *report) {
    (void)self, (void)report;
    asked = *memory;
    return HF_OK;
}

static hf_status pretend_to_commit(const hf_backend *self, void *address, size_t size,
                                   const hf_memory *memory, hf_report *report) {
    const hf_backend *native = hf_backend_native();
    (void)self;
    asked = *memory;
    if (answer == HF_OK) return native->commit(native, address, size, report);
    report->call = "pretend_to_commit";
    return answer;
}

static void every_commit_asks_for_the_memory(void) {
    hf_backend pretending = *hf_backend_native();
    pretending.size = sizeof pretending;
    pretending.commit_as = pretend_to_commit;
    pretending.check_memory = pretend_to_check;
    const hf_memory wanted = {.lazy = true, .no_dump = true, .on_numa_node = true, .numa_node = 3};
    hf_space *space;
    CHECK_STATUS(HF_OK, open_with(&space, MIB(4),
                                  (hf_space_options){.backend = &pretending, .memory = wanted}));
    answer = HF_NO_MEMORY;
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 0, MIB(1)));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    answer = HF_OK;
    for (size_t i = 0; i < 3; i++) {
        asked = (hf_memory){0};
        if (i == 0) CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, MIB(1)));
        if (i == 1) CHECK_STATUS(HF_OK, hf_space_extend(space, 0, MIB(1), MIB(2)));
        if (i == 2) CHECK_STATUS(HF_OK, hf_space_commit(space, MIB(2), MIB(2)));
        CHECK(asked.lazy && asked.no_dump && asked.on_numa_node && asked.numa_node == 3);
    }
    hf_space_close(space);
}

static void a_backend_without_such_functions_is_told(void) {
    hf_backend bare = *hf_backend_native();
    bare.size = sizeof bare;
    bare.reserve_aligned = NULL;
    bare.commit_as = NULL;
    hf_space *space;
    CHECK_STATUS(
        HF_UNSUPPORTED,
        open_with(&space, MIB(4), (hf_space_options){.backend = &bare, .alignment = MIB(1)}));
    CHECK_STATUS(
        HF_UNSUPPORTED,
        open_with(&space, MIB(4), (hf_space_options){.backend = &bare, .memory.no_dump = true}));
    CHECK(hf_last_error().reason != NULL);
}

CHECK_MAIN(TEST(the_base_is_aligned), TEST(an_aligned_space_that_cannot_be_reserved_leaves_nothing),
           TEST(options_that_make_no_sense_are_invalid), TEST(lazy_memory_is_not_charged),
           TEST(huge_pages_are_the_page_size), TEST(views_in_huge_pages_end_with_their_file),
           TEST(huge_pages_that_no_processor_has_are_unsupported), TEST(memory_of_a_node),
           TEST(every_commit_asks_for_the_memory), TEST(a_backend_without_such_functions_is_told))
