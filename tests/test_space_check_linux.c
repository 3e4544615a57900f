/*
 * hf_space_check finds lies in the system's mappings: what is changed there behind the library's
 * back is CORRUPT, at the place where it was changed. Linux, which lists its mappings.
 */
#define _GNU_SOURCE /* mmap, mprotect */

#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"
#include "process.h"
#include "scene.h"

static void *install(char *address, size_t size, int protection, int flags) {
    return mmap(address, size, protection, flags | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
}

static void make_hole(char *address, size_t size) { CHECK(munmap(address, size) == 0); }

static void permit_all(char *address, size_t size) {
    CHECK(mprotect(address, size, PROT_READ | PROT_WRITE) == 0);
}
static void permit_loads(char *address, size_t size) {
    CHECK(mprotect(address, size, PROT_READ) == 0);
}
static void permit_nothing(char *address, size_t size) {
    CHECK(mprotect(address, size, PROT_NONE) == 0);
}
static void put_placeholder(char *address, size_t size) {
    CHECK(install(address, size, PROT_NONE, MAP_PRIVATE) == address);
}
static void put_private_memory(char *address, size_t size) {
    CHECK(install(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE) == address);
}
static void put_shared_memory(char *address, size_t size) {
    CHECK(install(address, size, PROT_READ | PROT_WRITE, MAP_SHARED) == address);
}

/* The same page of the same file, but as a copy of a mapping that lies elsewhere. */
static void move_page_from_behind(char *address, size_t size) {
    CHECK(mremap(address + size, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, address) == address);
}

static void expect_lie(const char *text, size_t page_size,
                       void (*lie)(char *address, size_t size)) {
    struct picture picture = picture_parse(text, strlen(text));
    struct scene scene;
    size_t outer = check_enter("\"%s\", page size %zu", text, page_size);
    scene_open(&scene, hf_backend_native(), NULL, &picture);
    CHECK_STATUS(HF_OK, hf_space_check(scene.space));
    lie(hf_space_base(scene.space) + page_size * scene.page_size, scene.page_size);
    CHECK_STATUS(HF_CORRUPT, hf_space_check(scene.space));
    CHECK_EQUAL(page_size * scene.page_size, hf_last_error().offset);
    CHECK(strcmp("the system's mappings", hf_last_error().call) == 0);
    scene_close(&scene);
    check_leave(outer);
}

static void a_hole_is_found(void) {
    static const char text[] = "p p p|c c c|v v v|r r r|w w w|p";
    for (size_t i = 0; i < sizeof text / 2; i++) expect_lie(text, i, make_hole);
    expect_lie("c", 0, make_hole);
    expect_lie("v", 0, make_hole);
    expect_lie("p", 0, make_hole);
}

static void a_placeholder_that_is_none_is_found(void) {
    static void (*const lies[])(char *, size_t) = {permit_all, permit_loads, put_private_memory,
                                                   put_shared_memory};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        expect_lie("p p p", 0, lies[i]);
        expect_lie("p p p", 1, lies[i]);
        expect_lie("c|p p p", 3, lies[i]);
        expect_lie("c|p|c", 1, lies[i]);
    }
}

static void committed_memory_that_is_none_is_found(void) {
    static void (*const lies[])(char *, size_t) = {permit_nothing, permit_loads, put_placeholder,
                                                   put_shared_memory};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        expect_lie("c c c", 0, lies[i]);
        expect_lie("c c c", 2, lies[i]);
        expect_lie("p|c|p", 1, lies[i]);
        expect_lie("v|c c|v", 2, lies[i]);
    }
}

static void a_view_that_is_none_is_found(void) {
    static void (*const lies[])(char *, size_t) = {permit_nothing, permit_loads, put_placeholder,
                                                   put_private_memory, put_shared_memory};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        expect_lie("v v v", 0, lies[i]);
        expect_lie("v v v", 2, lies[i]);
        expect_lie("p|v|p", 1, lies[i]);
        expect_lie("c|w w w|c", 2, lies[i]);
    }
}

static void a_view_of_another_access_is_found(void) {
    expect_lie("r r r", 1, permit_all);
    expect_lie("r", 0, permit_nothing);
    expect_lie("w|v", 0, move_page_from_behind);
    expect_lie("v|w", 0, move_page_from_behind);
    expect_lie("v|r", 0, move_page_from_behind);
}

static void a_view_of_another_page_is_found(void) {
    expect_lie("v v v|p", 1, move_page_from_behind);
    expect_lie("r r r", 0, move_page_from_behind);
    expect_lie("w w|w w", 1, move_page_from_behind);
}

/* Where the list of mappings cannot be read, the check says so. */
static void check_without_descriptors(void *argument) {
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK_STATUS(HF_IO, hf_space_check(argument));
    CHECK(hf_last_error().os_code != 0);
}

static void a_list_that_cannot_be_read_is_no_proof(void) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, HF_ALLOCATION_GRANULARITY, NULL));
    CHECK(process_runs(check_without_descriptors, space));
    hf_space_close(space);
}

/* ---------------------------------------------------------------------- dumps --------------- */

/* Whether the kernel keeps the mapping of an address out of dumps (madvise's MADV_DONTDUMP). */
static bool is_kept_out(const char *address) {
    char line[512];
    unsigned long from, to;
    bool inside = false, found = false;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    CHECK(smaps != NULL);
    while (fgets(line, sizeof line, smaps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from <= (unsigned long)address && (unsigned long)address < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    fclose(smaps);
    return found;
}

static void expect_dumped(const hf_space *space) {
    for (hf_region region = {0}; hf_space_next(space, &region);) {
        size_t outer = check_enter("offset %#zx", region.offset);
        const char *first = hf_space_base(space) + region.offset;
        CHECK_EQUAL(region.kind == HF_PLACEHOLDER, is_kept_out(first));
        CHECK_EQUAL(region.kind == HF_PLACEHOLDER, is_kept_out(first + region.size - 1));
        check_leave(outer);
    }
}

/* gdb's gcore would write every page of them. */
static void placeholders_are_kept_out_of_dumps(void) {
    hf_space *space;
    hf_file *file;
    size_t g = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&space, 16 * g, NULL));
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 2 * g, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, g, 4 * g));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 8 * g, 2 * g, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 12 * g, 2 * g));
    hf_file_close(file);
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_space_decommit(space, 2 * g, g));
    CHECK_STATUS(HF_OK, hf_space_unmap(space, 8 * g, 2 * g));
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_space_commit(space, 2 * g, g));
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 13 * g));
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

CHECK_MAIN(TEST(placeholders_are_kept_out_of_dumps), TEST(a_hole_is_found),
           TEST(a_placeholder_that_is_none_is_found), TEST(committed_memory_that_is_none_is_found),
           TEST(a_view_that_is_none_is_found), TEST(a_view_of_another_access_is_found),
           TEST(a_view_of_another_page_is_found), TEST(a_list_that_cannot_be_read_is_no_proof))
