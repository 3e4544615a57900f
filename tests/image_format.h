/*
 * image_format.h -- a second description of the image header's format, for the tests and the fuzzer
 * of images.
 *
 *      0        4 KiB     8 KiB      64 KiB
 *      | slot 0 | slot 1  |  zeros    | the arena's bytes, whole 64 KiB
 */
#ifndef HOLDFAST_TESTS_IMAGE_FORMAT_H
#define HOLDFAST_TESTS_IMAGE_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { AREA = 65536, SLOT = 4096 };

/* Offsets of the fields of a slot. */
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
    AT_CHECKSUM = 64, /* FNV-1a of the bytes before it */
    RECORD_END = 72
};

static inline uint64_t get_64(const unsigned char *slot, size_t at) {
    uint64_t value;
    memcpy(&value, slot + at, sizeof value);
    return value;
}

static inline uint32_t get_32(const unsigned char *slot, size_t at) {
    uint32_t value;
    memcpy(&value, slot + at, sizeof value);
    return value;
}

static inline void set_64(unsigned char *slot, size_t at, uint64_t value) {
    memcpy(slot + at, &value, sizeof value);
}

static inline void set_32(unsigned char *slot, size_t at, uint32_t value) {
    memcpy(slot + at, &value, sizeof value);
}

static inline uint64_t checksum_of(const unsigned char *slot) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < AT_CHECKSUM; i++) sum = (sum ^ slot[i]) * 1099511628211u;
    return sum;
}

static inline void set_checksum(unsigned char *slot) {
    set_64(slot, AT_CHECKSUM, checksum_of(slot));
}

#endif
