/*
 * hf_space_check compares the regions with /proc/self/maps: after a mapping was changed by other
 * calls it returns HF_CORRUPT with the offset of the change. Linux only.
 */
#define _GNU_SOURCE /* mmap, mprotect */

#include "../src/space_record.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"
#include "process.h"
#include "space_fixture.h"

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
static void map_placeholder(char *address, size_t size) {
    CHECK(install(address, size, PROT_NONE, MAP_PRIVATE) == address);
}
static void map_private_memory(char *address, size_t size) {
    CHECK(install(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE) == address);
}
static void map_shared_memory(char *address, size_t size) {
    CHECK(install(address, size, PROT_READ | PROT_WRITE, MAP_SHARED) == address);
}

/* Moves the mapping of the page behind it to this address. */
static void move_page_from_behind(char *address, size_t size) {
    CHECK(mremap(address + size, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, address) == address);
}

static void expect_found(const char *text, size_t page,
                         void (*change)(char *address, size_t size)) {
    expect_check_finds(hf_backend_native(), text, page, change, page);
}

static void a_hole_is_found(void) {
    static const char text[] = "p p p|c c c|v v v|r r r|w w w|p";
    for (size_t i = 0; i < sizeof text / 2; i++) expect_found(text, i, make_hole);
    expect_found("c", 0, make_hole);
    expect_found("v", 0, make_hole);
    expect_found("p", 0, make_hole);
}

static void a_changed_placeholder_is_found(void) {
    static void (*const changes[])(char *, size_t) = {permit_all, permit_loads, map_private_memory,
                                                      map_shared_memory};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        expect_found("p p p", 0, changes[i]);
        expect_found("p p p", 1, changes[i]);
        expect_found("c|p p p", 3, changes[i]);
        expect_found("c|p|c", 1, changes[i]);
    }
}

static void changed_committed_memory_is_found(void) {
    static void (*const changes[])(char *, size_t) = {permit_nothing, permit_loads, map_placeholder,
                                                      map_shared_memory};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        expect_found("c c c", 0, changes[i]);
        expect_found("c c c", 2, changes[i]);
        expect_found("p|c|p", 1, changes[i]);
        expect_found("v|c c|v", 2, changes[i]);
    }
}

static void a_changed_view_is_found(void) {
    static void (*const changes[])(char *, size_t) = {permit_nothing, permit_loads, map_placeholder,
                                                      map_private_memory, map_shared_memory};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        expect_found("v v v", 0, changes[i]);
        expect_found("v v v", 2, changes[i]);
        expect_found("p|v|p", 1, changes[i]);
        expect_found("c|w w w|c", 2, changes[i]);
    }
}

/* hf_space_protect is compared, too: pages 1 and 4 are read-only, and not, in the system. */
static void protect_and_change(hf_protection protection, void (*change)(char *, size_t)) {
    struct space_fixture fixture;
    struct picture picture = picture_parse("c c c|v v v", 11);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    char *base = hf_space_base(fixture.space);
    for (size_t page = 1; page < 6; page += 3) {
        size_t offset = page * fixture.page_size, size = fixture.page_size;
        CHECK_STATUS(HF_OK, hf_space_protect(fixture.space, offset, size, protection));
        CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
        change(base + offset, size);
        CHECK_STATUS(HF_CORRUPT, hf_space_check(fixture.space));
        CHECK_EQUAL(offset, hf_last_error().offset);
        CHECK_STATUS(HF_OK, hf_space_protect(fixture.space, offset, size, protection));
        CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
    }
    space_fixture_close(&fixture);
}

static void a_changed_protection_is_found(void) {
    protect_and_change(HF_PROTECT_READ, permit_all);
    protect_and_change(HF_PROTECT_READ, permit_nothing);
    protect_and_change(HF_PROTECT_NONE, permit_all);
    protect_and_change(HF_PROTECT_NONE, permit_loads);
    protect_and_change(HF_PROTECT_READ_WRITE, permit_loads);
}

static void a_view_of_another_access_is_found(void) {
    expect_found("r r r", 1, permit_all);
    expect_found("r", 0, permit_nothing);
    expect_found("w|v", 0, move_page_from_behind);
    expect_found("v|w", 0, move_page_from_behind);
    expect_found("v|r", 0, move_page_from_behind);
}

static void a_view_of_another_page_is_found(void) {
    expect_found("v v v|p", 1, move_page_from_behind);
    expect_found("r r r", 0, move_page_from_behind);
    expect_found("w w|w w", 1, move_page_from_behind);
}

/* If /proc/self/maps cannot be opened, hf_space_check returns HF_IO. */
static void check_without_descriptors(void *argument) {
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK_STATUS(HF_IO, hf_space_check(argument));
    CHECK(hf_last_error().os_code != 0);
}

static void a_list_that_cannot_be_read_is_io(void) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, HF_ALLOCATION_GRANULARITY, NULL));
    CHECK(process_runs(check_without_descriptors, space));
    hf_space_close(space);
}

/* ---------------------------------------------------------------------- dumps --------------- */

/* Whether the mapping at an address is kept out of core dumps (MADV_DONTDUMP). */
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

/* Otherwise gcore of gdb would write all of their pages. */
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

/* The first 64 KiB of a space in one mapping with its records are in dumps until they are
 * decommitted: they are commonly committed soon. */
static void a_joint_space_is_kept_out_of_dumps_but_for_its_beginning(void) {
    hf_space *space;
    hf_space_record record = {.size = 100};
    size_t unit = HF_ALLOCATION_GRANULARITY,
           g = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open_with(&space, 40 * unit, &(hf_space_options){0}, &record));
    const char *base = hf_space_base(space);
    bool is_joint = hf_backend_native()->reserve_with_pages != NULL;
    CHECK_EQUAL(!is_joint, is_kept_out(base));
    CHECK(is_kept_out(base + unit) && is_kept_out(base + 40 * unit - 1));
    CHECK(!is_kept_out(record.address));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, unit));
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, unit, unit));
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, g, 2 * unit - g));
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, g));
    expect_dumped(space);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, g));
    expect_dumped(space);
    hf_space_close(space);
}

CHECK_MAIN(TEST(placeholders_are_kept_out_of_dumps),
           TEST(a_joint_space_is_kept_out_of_dumps_but_for_its_beginning), TEST(a_hole_is_found),
           TEST(a_changed_placeholder_is_found), TEST(changed_committed_memory_is_found),
           TEST(a_changed_view_is_found), TEST(a_changed_protection_is_found),
           TEST(a_view_of_another_access_is_found), TEST(a_view_of_another_page_is_found),
           TEST(a_list_that_cannot_be_read_is_io))
