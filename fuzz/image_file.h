/*
 * image_file.h -- the files of images as plain bytes: read, written, damaged, and judged by what
 * the format promises, without a line of the library's.
 *
 *      0        4 KiB     8 KiB             64 KiB
 *      | slot 0 | slot 1  |      zeros      | the arena's bytes, padded to 64 KiB
 */
#ifndef IMAGE_FILE_H
#define IMAGE_FILE_H

#include <holdfast.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HF_IMAGE_BEGIN =
        65536, /* where the arena's bytes begin in the file, and what it is padded to */
    IMAGE_FILE_BYTES = 3 << 20 /* of a file, at most */
};

/* Addresses that nothing else takes, for exact bases. */
#if UINTPTR_MAX > UINT32_MAX
#define IMAGE_BASES ((uintptr_t)HF_BASE_FIXED)
#else
#define IMAGE_BASES ((uintptr_t)0x38000000)
#endif

/* A set of statuses: bit n for status n. */
typedef unsigned status_set;
#define STATUS(name) (1u << HF_##name)

struct image_bytes {
    bool exists;
    size_t size;
    unsigned char bytes[IMAGE_FILE_BYTES];
};

/* False: too large for us, or not to be read. A file that does not exist is no failure. */
bool image_load(const char *path, struct image_bytes *);

/* Keeps the file and changes its bytes. False: the system would not have it. */
bool image_store(const char *path, const struct image_bytes *);

/* The same with a hole wherever a page is zero, but the last. */
bool image_store_sparse(const char *path, const struct image_bytes *);

void image_copy(struct image_bytes *to, const struct image_bytes *from);
bool image_is_alike(const struct image_bytes *, const struct image_bytes *);

/* ----------------------------------------------------------------- judging ---------------- */

/* What a sound image says of its arena. */
struct image_record {
    uint64_t sequence, base, used, root, tag;
};

static inline uint64_t image_padded(uint64_t size) {
    return (size + HF_IMAGE_BEGIN - 1) / HF_IMAGE_BEGIN * HF_IMAGE_BEGIN;
}

/* Empty, or zeros that a crash may have left: HF_READ_WRITE makes a new image of it. */
bool image_is_blank(const struct image_bytes *);

/* Why opening has to fail on the bytes; 0: the record is in *record. */
status_set image_judge(const struct image_bytes *, uint64_t tag, struct image_record *record);

/* ---------------------------------------------------------------- damaging ---------------- */

typedef enum image_damage_kind {
    DAMAGE_FIELD,       /* of a record, and perhaps the checksum made right again */
    DAMAGE_FIELD_AGAIN, /* for it is worth more tries */
    DAMAGE_BYTE,
    DAMAGE_SIZE,
    DAMAGE_COPY_SLOT, /* as the next record, or one further off */
    DAMAGE_CLEAR_SLOT,
    DAMAGE_REMOVE,
    DAMAGE_FOREIGN, /* another file in its place */
    DAMAGE_ZEROS,
    DAMAGES
} image_damage_kind;

typedef struct image_damage {
    image_damage_kind kind;
    unsigned slot;
    bool keeps_checksum; /* which is wrong then */
    unsigned field, value, number;
} image_damage;

void image_do_damage(struct image_bytes *, const image_damage *);

#endif
