/*
 * image_fixture.h -- what the tests of images share: files as bytes, images made and looked at, and
 * the format of an image's header in words of its own.
 */
#ifndef HOLDFAST_TESTS_IMAGE_FIXTURE_H
#define HOLDFAST_TESTS_IMAGE_FIXTURE_H

#include <holdfast/arena.h>
#include <holdfast/space.h>

#include "arena_fixture.h"
#include "check.h"
#include "disk.h"

/* ---------------------------------------------------------------------- files ------------ */

/* All of a file; free(bytes). */
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

/* In the place of what was there. */
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

/*
 *      0        4 KiB     8 KiB      64 KiB
 *      | slot 0 | slot 1  |  zeros    | the arena's bytes, whole 64 KiB
 */
enum { AREA = 65536, SLOT = 4096 };

/* What stands where in a slot that was written. */
enum {
    AT_MAGIC = 0,
    AT_BYTE_ORDER = 8,
    AT_VERSION = 12,
    AT_POINTER_SIZE = 16,
    AT_SLOT_SIZE = 20,
    AT_SEQUENCE = 24,
    AT_BASE = 32,
    AT_USED = 40,
    AT_ROOT = 48, /* offset + 1 */
    AT_TAG = 56,
    AT_CHECKSUM = 64, /* FNV-1a of all before */
    RECORD_END = 72
};

static inline uint64_t get_64(const unsigned char *slot, size_t at) {
    uint64_t value;
    memcpy(&value, slot + at, sizeof value);
    return value;
}

static inline void set_64(unsigned char *slot, size_t at, uint64_t value) {
    memcpy(slot + at, &value, sizeof value);
}

static inline void set_32(unsigned char *slot, size_t at, uint32_t value) {
    memcpy(slot + at, &value, sizeof value);
}

/* Makes the checksum right. */
static inline void seal(unsigned char *slot) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < AT_CHECKSUM; i++) sum = (sum ^ slot[i]) * 1099511628211u;
    set_64(slot, AT_CHECKSUM, sum);
}

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
    seal(slot);
}

/* An image's length when so much of it is used. */
static inline size_t image_size(size_t used) { return AREA + round_up(used, AREA); }

/* ------------------------------------------------------------------- images -------------- */

/* Smaller than the default: several fit beside one another, and 32 bits have room for them. */
#define IMAGE_RESERVE (64 * MIB)

static inline hf_arena image_open(const char *path, hf_access access, hf_arena_options options) {
    hf_arena arena;
    if (options.reserve == 0) options.reserve = IMAGE_RESERVE;
    CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, path, access, &options));
    return arena;
}

/* An image of one block of `size` bytes, filled with the seed, which is its root; closed. */
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

#endif
