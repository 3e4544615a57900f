/*
 * image_file.h -- the files of images as plain bytes: read, written, damaged, and judged by the
 * format that tests/image_format.h describes. No function of the library is called here.
 */
#ifndef IMAGE_FILE_H
#define IMAGE_FILE_H

#include "runner.h"

#include "../tests/image_format.h"

enum { IMAGE_FILE_BYTES = 3 << 20 }; /* of a file, at most */

/* Addresses for exact bases, which nothing else uses. */
#if UINTPTR_MAX > UINT32_MAX
#define IMAGE_BASES ((uintptr_t)HF_BASE_FIXED)
#else
#define IMAGE_BASES ((uintptr_t)0x38000000)
#endif

struct image_bytes {
    bool exists;
    size_t size;
    unsigned char bytes[IMAGE_FILE_BYTES];
};

/* A file that does not exist is loaded as such. False: it is too large, or reading failed. */
bool image_load(const char *path, struct image_bytes *);

/* Writes or removes the file; with a hole for each page of zeros, except the last page, if that is
 * wanted. False: that failed. */
bool image_store(const char *path, const struct image_bytes *, bool with_holes);

void image_copy(struct image_bytes *to, const struct image_bytes *from);
bool image_is_zero(const void *bytes, size_t size);
bool image_is_alike(const struct image_bytes *, const struct image_bytes *);

/* ----------------------------------------------------------------- judging ---------------- */

/* What a sound image says of its arena. */
struct image_record {
    uint64_t sequence, base, used, root, tag;
};

static inline uint64_t image_padded(uint64_t size) { return (size + AREA - 1) / AREA * AREA; }

/* Empty, or zeros that a crash may have left: HF_READ_WRITE makes a new image of it. */
bool image_is_blank(const struct image_bytes *);

/* The statuses with which opening the file may fail. 0: it is sound, and *record is set. */
status_set image_judge(const struct image_bytes *, uint64_t tag, struct image_record *record);

/* ---------------------------------------------------------------- damaging ---------------- */

typedef enum image_damage_kind {
    DAMAGE_FIELD,       /* of a slot; its checksum is corrected or not */
    DAMAGE_FIELD_AGAIN, /* the same, so that it is tried twice as often */
    DAMAGE_BYTE,
    DAMAGE_SIZE,
    DAMAGE_COPY_SLOT, /* over the other one, with a sequence number near the old one */
    DAMAGE_CLEAR_SLOT,
    DAMAGE_REMOVE,
    DAMAGE_FOREIGN, /* some other file */
    DAMAGE_ZEROS,
    DAMAGES
} image_damage_kind;

typedef struct image_damage {
    image_damage_kind kind;
    unsigned slot;
    bool keeps_checksum; /* though it is wrong then */
    unsigned field, value, number;
} image_damage;

void image_do_damage(struct image_bytes *, const image_damage *);

#endif
