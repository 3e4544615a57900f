/*
 * Files of huge pages (hugetlbfs). Linux only.
 *
 * The kernel rounds the size of a view of such a file up to whole huge pages and replaces what lies
 * behind the view. So the unit of these views is the huge page, and other arguments fail before a
 * system call is made.
 */
#define _GNU_SOURCE /* memfd_create */

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check.h"
#include "holdfast/arena.h"
#include "holdfast/ring.h"
#include "holdfast/space.h"
#include "process.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x0004U
#endif

enum { PAGES = 4 };

static const char setting[] = "/proc/sys/vm/nr_hugepages";

static unsigned long before; /* vm.nr_hugepages before the test */
static size_t huge;          /* size of a huge page in bytes */
static int descriptor;

static bool set_pages(unsigned long count) {
    FILE *file = fopen(setting, "w");
    if (file == NULL) return false;
    bool is_written = fprintf(file, "%lu", count) > 0;
    return fclose(file) == 0 && is_written;
}

static bool read_settings(void) {
    char line[128];
    FILE *file = fopen(setting, "r");
    bool succeeded = file && fscanf(file, "%lu", &before) == 1;
    if (file) fclose(file);
    file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Hugepagesize: %zu kB", &huge) == 1) break;
    if (file) fclose(file);
    huge *= 1024;
    return succeeded && huge > 0;
}

/* False: this system has no huge pages, and the test is skipped. */
static bool open_huge_file(void) {
    descriptor = -1;
    if (!read_settings() || !set_pages(before + PAGES)) {
        check_skip("vm.nr_hugepages cannot be set: it needs root");
        return false;
    }
    descriptor = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
    void *page = MAP_FAILED;
    if (descriptor >= 0 && ftruncate(descriptor, (off_t)(2 * huge)) == 0)
        page = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (page != MAP_FAILED) {
        munmap(page, 2 * huge);
        return true;
    }
    if (descriptor >= 0) close(descriptor);
    set_pages(before);
    check_skip("the system has no free huge pages");
    return false;
}

static void close_huge_file(void) {
    close(descriptor);
    set_pages(before);
}

/* Runs body; restores the setting even if a check in it fails. */
static void with_huge_file(void (*body)(void)) {
    if (!open_huge_file()) return;
    jmp_buf end, *outer = check_state.end_of_test;
    check_state.end_of_test = &end;
    bool failed = setjmp(end) != 0;
    if (!failed) body();
    check_state.end_of_test = outer;
    close_huge_file();
    CHECK(!failed);
}

/* ---------------------------------------------------------------------- views ------------- */

static void map_in_space(void) {
    hf_space *space;
    hf_file *file;
    enum { SMALL = 65536 };
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * huge, NULL));
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, descriptor, HF_READ_WRITE, NULL));
    char *base = hf_space_base(space);
    CHECK_EQUAL(0, (uintptr_t)base % huge);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, SMALL, SMALL));
    memset(base + SMALL, 42, SMALL);
    hf_space_stats stats = hf_space_get_stats(space);
    CHECK_STATUS(HF_INVALID, hf_space_map_range(space, 0, SMALL, file, 0, HF_READ_WRITE));
    CHECK_EQUAL(0, hf_last_error().os_code);
    CHECK_STATUS(HF_INVALID, hf_space_map_range(space, huge + SMALL, huge, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_INVALID, hf_space_map_range(space, huge, huge, file, SMALL, HF_READ_ONLY));
    CHECK_STATUS(HF_INVALID,
                 hf_space_map_range(space, huge, huge + SMALL, file, 0, HF_COPY_ON_WRITE));
    CHECK_STATUS(HF_INVALID, hf_space_map_range(space, huge, 3 * huge, file, 0, HF_READ_WRITE));
    CHECK_EQUAL(stats.failures, hf_space_get_stats(space).failures);
    for (size_t at = 0; at < SMALL; at++) CHECK_EQUAL(42, base[SMALL + at]);
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 2 * huge, huge, file, huge, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 4 * huge, huge, file, huge, HF_READ_WRITE));
    base[2 * huge + 7] = 'x';
    CHECK_EQUAL('x', base[4 * huge + 7]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 4 * huge, huge));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 8 * huge));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void views_of_huge_pages_are_whole_huge_pages(void) { with_huge_file(map_in_space); }

/* --------------------------------------------------------------- parts of views ----------- */

/* A part of a huge page is HF_WRONG_STATE, for each step that divides views. */
static void expect_no_part(hf_space *space, size_t offset, size_t size) {
    hf_file *small;
    hf_space_stats old = hf_space_get_stats(space), now;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&small, size, NULL));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_unmap(space, offset, size));
    CHECK(strstr(hf_last_error().reason, "huge page") != NULL);
    CHECK_STATUS(HF_WRONG_STATE, hf_space_release_range(space, offset, size));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_protect(space, offset, size, HF_PROTECT_READ));
    CHECK_STATUS(HF_WRONG_STATE,
                 hf_space_remap_range(space, offset, size, small, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_reset_range(space, offset, size));
    now = hf_space_get_stats(space);
    CHECK(memcmp(&old, &now, sizeof old) == 0);
    hf_file_close(small);
}

static void divide_views(void) {
    hf_space *space;
    hf_file *file;
    hf_region region;
    enum { SMALL = 65536 };
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * huge, NULL));
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, descriptor, HF_READ_WRITE, NULL));
    char *base = hf_space_base(space);
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 2 * huge, 2 * huge, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 5 * huge, huge, file, huge, HF_COPY_ON_WRITE));
    base[2 * huge] = 'a', base[3 * huge] = 'b';
    expect_no_part(space, 2 * huge, SMALL);
    expect_no_part(space, 3 * huge - SMALL, SMALL);
    expect_no_part(space, 3 * huge - SMALL, 2 * SMALL);
    expect_no_part(space, 2 * huge + SMALL, 2 * huge - SMALL);
    expect_no_part(space, 5 * huge + SMALL, SMALL);
    CHECK_STATUS(HF_OK, hf_space_protect(space, 3 * huge, huge, HF_PROTECT_READ));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_unmap(space, 2 * huge, huge));
    CHECK_EQUAL('b', base[3 * huge]);
    CHECK(hf_space_find(space, 3 * huge, &region));
    CHECK_EQUAL(HF_PROTECT_READ, region.protection);
    CHECK_EQUAL(huge, region.file_offset);
    base[5 * huge] = 'c';
    hf_status status = hf_space_reset_range(space, 5 * huge, huge);
    CHECK(status == HF_OK || status == HF_UNSUPPORTED);
    if (status == HF_OK) CHECK_EQUAL('b', base[5 * huge]);
    CHECK_STATUS(HF_OK, hf_space_remap_range(space, 3 * huge, huge, file, 0, HF_READ_ONLY));
    CHECK_EQUAL('a', base[3 * huge]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_space_unmap(space, 3 * huge, huge));
    CHECK_STATUS(HF_OK, hf_space_commit(space, 3 * huge, huge));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 3 * huge + SMALL, SMALL)); /* small pages */
    CHECK_STATUS(HF_OK, hf_space_protect(space, 3 * huge, SMALL, HF_PROTECT_READ));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void a_huge_page_is_not_divided(void) { with_huge_file(divide_views); }

/* ------------------------------------------------ arenas, images and rings ---------------- */

static void use_whole_files(void) {
    char path[64];
    hf_arena arena, image;
    hf_ring *ring = NULL;
    hf_file *file;
    void *data;
    size_t size;
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    char *text = hf_strdup(&arena, "kept");
    hf_mark mark = hf_get_mark(&arena);
    CHECK_STATUS(HF_UNSUPPORTED, hf_arena_append_file(&arena, path, HF_READ_ONLY, &data, &size));
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    CHECK(strcmp(text, "kept") == 0);
    hf_arena_close(&arena);
    CHECK_STATUS(HF_UNSUPPORTED, hf_arena_open_file(&image, path, HF_READ_ONLY, NULL));
    CHECK_STATUS(HF_UNSUPPORTED, hf_arena_open_file(&image, path, HF_READ_WRITE, NULL));
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, descriptor, HF_READ_WRITE, NULL));
    CHECK_STATUS(HF_UNSUPPORTED, hf_ring_open_file(&ring, file));
    CHECK(ring == NULL);
    hf_file_close(file);
}

static void in_arenas_images_and_rings_huge_pages_are_unsupported(void) {
    with_huge_file(use_whole_files);
}

/* ------------------------------------------------------------- committed memory ----------- */

static void commit_and_release(void) {
    hf_space *space;
    hf_space_options options = {.memory.huge_page = huge};
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * huge, &options));
    char *base = hf_space_base(space);
    for (int round = 0; round < 3; round++) { /* the file has the other two pages */
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, huge, 2 * huge));
        for (size_t at = huge; at < 3 * huge; at += 4096) CHECK_EQUAL(0, base[at]++);
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 4 * huge, 3 * huge));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 8 * huge));
    }
    hf_space_close(space);
}

static void huge_pages_are_committed_and_given_back(void) { with_huge_file(commit_and_release); }

/* ---------------------------------------------------------- no free huge pages ------------ */

static bool moves_huge_pages(void) {
    struct utsname system;
    int major = 0, minor = 0;
    CHECK(uname(&system) == 0 && sscanf(system.release, "%d.%d", &major, &minor) == 2);
    if (major > 5 || (major == 5 && minor >= 16)) return true;
    check_skip("before Linux 5.16 mremap cannot move huge pages");
    return false;
}

/* Whether the mapping at an address is the one that MADV_DONTFORK was called for. */
static bool is_marked(const char *address) { return process_memory_of(address, 1).not_forked; }

static hf_space *open_marked(size_t size, size_t huge_page) {
    hf_space *space;
    hf_space_options options = {.memory.huge_page = huge_page};
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, &options));
    CHECK(madvise(hf_space_base(space), size, MADV_DONTFORK) == 0);
    CHECK(is_marked(hf_space_base(space)));
    return space;
}

/* The addresses stay taken all the time: the same placeholder, and the same committed bytes. */
static void expect_untouched(hf_space *space, hf_status status) {
    CHECK_STATUS(HF_NO_MEMORY, status);
    CHECK(!hf_last_error().undo_failed);
    CHECK(is_marked(hf_space_base(space)));
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

static void fail_all_steps(hf_file *file, size_t size) {
    hf_space *space = open_marked(size, 0);
    char *base = hf_space_base(space);
    expect_untouched(space, hf_space_map_range(space, 0, size, file, 0, HF_READ_WRITE));
    expect_untouched(space, hf_space_map(space, 0, size, file, 0, HF_COPY_ON_WRITE));
    expect_untouched(space, hf_space_remap_range(space, 0, size, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, huge, 65536));
    base[huge] = 42;
    expect_untouched(space, hf_space_remap_range(space, 0, size, file, 0, HF_READ_WRITE));
    CHECK_EQUAL(42, base[huge]);
    hf_space_close(space);
    space = open_marked(size, huge);
    expect_untouched(space, hf_space_commit_range(space, 0, size));
    hf_space_close(space);
}

/* As many bytes as no system keeps in huge pages. */
static void without_huge_pages_nothing_is_unmapped(void) {
    hf_file *file;
    size_t size = sizeof(void *) > 4 ? (size_t)1 << 20 << 20 : (size_t)1 << 30;
    if (!moves_huge_pages() || !read_settings()) return;
    int many = memfd_create("many", MFD_CLOEXEC | MFD_HUGETLB);
    if (many < 0) {
        check_skip("no files of huge pages");
        return;
    }
    CHECK(ftruncate(many, (off_t)size) == 0);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, many, HF_READ_WRITE, NULL));
    fail_all_steps(file, size);
    hf_file_close(file);
    close(many);
}

CHECK_MAIN(TEST(views_of_huge_pages_are_whole_huge_pages), TEST(a_huge_page_is_not_divided),
           TEST(in_arenas_images_and_rings_huge_pages_are_unsupported),
           TEST(huge_pages_are_committed_and_given_back),
           TEST(without_huge_pages_nothing_is_unmapped))
