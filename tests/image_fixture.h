/*
 * image_fixture.h -- what the image tests share: whole files as bytes, making and opening images.
 */
#ifndef HOLDFAST_TESTS_IMAGE_FIXTURE_H
#define HOLDFAST_TESTS_IMAGE_FIXTURE_H

#include <holdfast/arena.h>
#include <holdfast/space.h>

#include "arena_fixture.h"
#include "check.h"
#include "disk.h"
#include "image_format.h"

/* ---------------------------------------------------------------------- files ------------ */

/* The contents of a file; free(bytes). */
struct content {
    unsigned char *bytes;
    size_t size;
};

static inline struct content content_of(const char *path) {
    struct content content = {NULL, (size_t)disk_size(path)};
    intptr_t file = disk_open(path, DISK_LOADS);
    content.bytes = malloc(content.size + 1);
    CHECK(content.bytes != NULL);
    CHECK_EQUAL(content.size, disk_load(file, 0, content.bytes, content.size));
    disk_close(file);
    return content;
}

/* Replaces the contents of the file. */
static inline void write_content(const char *path, const void *bytes, size_t size) {
    disk_close(disk_create(path, 0));
    intptr_t file = disk_open(path, DISK_BOTH);
    if (size > 0) disk_store(file, 0, bytes, size);
    disk_close(file);
}

static inline void check_content(const char *path, const struct content *expected) {
    struct content now = content_of(path);
    CHECK_EQUAL(expected->size, now.size);
    for (size_t i = 0; i < now.size; i++)
        if (now.bytes[i] != expected->bytes[i]) CHECK_EQUAL(SIZE_MAX, i);
    free(now.bytes);
}

/* ------------------------------------------------------------------ the format ----------- */

static inline void write_slot(unsigned char *slot, uint64_t sequence, uintptr_t base, size_t used,
                              uint64_t root, uint64_t tag) {
    memset(slot, 0, SLOT);
    memcpy(slot, "holdfast", 8);
    set_32(slot, AT_BYTE_ORDER, 0x01020304);
    set_32(slot, AT_VERSION, 1);
    set_32(slot, AT_POINTER_SIZE, sizeof(void *));
    set_32(slot, AT_SLOT_SIZE, SLOT);
    set_64(slot, AT_SEQUENCE, sequence);
    set_64(slot, AT_BASE, base);
    set_64(slot, AT_USED, used);
    set_64(slot, AT_ROOT, root);
    set_64(slot, AT_TAG, tag);
    set_checksum(slot);
}

/* The length of the file of an image with `used` bytes. */
static inline size_t image_size(size_t used) { return AREA + round_up(used, AREA); }

/* ------------------------------------------------------------------- images -------------- */

/* Smaller than the default, so that several fit side by side in a 32-bit address space. */
#define IMAGE_RESERVE (64 * MIB)

static inline hf_arena image_open(const char *path, hf_access access, hf_arena_options options) {
    hf_arena arena;
    if (options.reserve == 0) options.reserve = IMAGE_RESERVE;
    CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, path, access, &options));
    return arena;
}

/* Makes an image of one block of `size` bytes, which is filled with the seed's pattern and is the
 * root; closes it. */
static inline void image_make(const char *path, size_t size, unsigned seed,
                              hf_arena_options options) {
    disk_remove(path);
    hf_arena arena = image_open(path, HF_READ_WRITE, options);
    char *block = hf_alloc(&arena, size, 8);
    CHECK(block != NULL);
    fill(block, size, seed);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    hf_arena_close(&arena);
}

static inline void check_is_closed(const hf_arena *arena) {
    CHECK(arena->pos == NULL && arena->limit == NULL && arena->state == NULL);
}

/* ---------------------------------------------- systems without views in a space --------- */

static inline void image_is_unsupported(hf_status status) {
    CHECK_STATUS(HF_UNSUPPORTED, status);
    CHECK(hf_last_error().reason != NULL && strstr(hf_last_error().reason, "1803") != NULL);
}

/* Saving needs no view. */
static inline void image_check_save(hf_arena *arena, const char *path) {
    char *block = hf_alloc(arena, 1000, 8);
    CHECK(block != NULL);
    fill(block, 1000, 1);
    CHECK_STATUS(HF_OK, hf_arena_save(arena, path));
    struct content saved = content_of(path);
    CHECK_EQUAL(image_size(1000), saved.size);
    CHECK(is_filled(saved.bytes + AREA + (block - hf_arena_base(arena)), 1000, 1));
    free(saved.bytes);
}

/* Windows before 1803: every call that maps a file fails with HF_UNSUPPORTED, opens nothing and
 * leaves the file unchanged. */
static inline void image_check_unsupported(const char *path) {
    static unsigned char bytes[2 * AREA];
    hf_arena_options options = {.reserve = IMAGE_RESERVE, .any_base = true};
    struct content whole = {bytes, sizeof bytes};
    hf_arena arena;
    void *data;
    size_t size;
    write_slot(bytes, 0, AREA, 1000, 0, 0);
    write_content(path, bytes, sizeof bytes);
    for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++) {
        image_is_unsupported(hf_arena_open_file(&arena, path, access, &options));
        check_is_closed(&arena);
    }
    arena = fixture_open(options);
    image_is_unsupported(hf_arena_append_file(&arena, path, HF_READ_ONLY, &data, &size));
    image_is_unsupported(hf_arena_append_file(&arena, path, HF_COPY_ON_WRITE, &data, &size));
    CHECK_EQUAL(0, hf_get_mark(&arena));
    check_content(path, &whole);
    image_check_save(&arena, path);
    hf_arena_close(&arena);
    disk_remove(path);
    image_is_unsupported(
        hf_arena_open_file(&arena, path, HF_READ_WRITE, &options)); /* a new image */
    CHECK_EQUAL(0, disk_size(path));
    disk_remove(path);
}

static inline bool image_has_views(void) {
    size_t size = fixture_page_size();
    hf_space *space;
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    hf_status status = hf_space_map(space, 0, size, file, 0, HF_READ_WRITE);
    if (status != HF_OK) image_is_unsupported(status);
    hf_space_close(space);
    hf_file_close(file);
    return status == HF_OK;
}

/* True if a space can have views. If not, checks that images and appended files fail with
 * HF_UNSUPPORTED, and skips the test. */
static inline bool image_needs_views(void) {
    char taken[40], path[40];
    hf_file *file;
    if (image_has_views()) return true;
    check_skip("UNSUPPORTED, for this system has no views in a space: it is a Windows before 1803");
    for (int number = 0; number < 1000; number++) { /* test programs may run at the same time */
        snprintf(taken, sizeof taken, "image_unsupported%d.taken.tmp", number);
        snprintf(path, sizeof path, "image_unsupported%d.tmp", number);
        if (hf_file_create(&file, taken, 1, NULL) != HF_OK) continue;
        image_check_unsupported(path);
        hf_file_close(file);
        disk_remove(taken);
        return false;
    }
    check_fail(__FILE__, __LINE__, "no name for a file");
    return false;
}

#undef CHECK_NEEDED
#define CHECK_NEEDED image_needs_views

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

#endif
