/*
 * image_header.h -- encodes and decodes the header area, the first 64 KiB of an image. These
 * functions work on bytes in memory and call no file functions.
 *
 *      0        4 KiB     8 KiB                           64 KiB
 *      | slot 0 | slot 1  |             zeros              | the arena's bytes ...
 *
 * A record with an even sequence number is written to slot 0, one with an odd number to slot 1. The
 * newer record is valid; a slot that was never written is zero. A record fits into a sector, which
 * a disk writes whole: after a crash the slot contains the old record or the new one, and anything
 * else in this area is damage.
 */
#ifndef HF_IMAGE_HEADER_H
#define HF_IMAGE_HEADER_H

#include <holdfast/status.h>

#include <stdbool.h>
#include <stdint.h>

#define HF_IMAGE_AREA ((size_t)65536)
#define HF_IMAGE_SLOT ((size_t)4096)

typedef struct hf_image_header {
    uint64_t sequence; /* one more than that of the record before */
    uint64_t base;     /* the arena's base address when the record was written */
    uint64_t used;     /* allocated bytes from base on */
    uint64_t root;     /* offset + 1; 0: none */
    uint64_t tag;      /* options.tag */
} hf_image_header;

/* The offset of the record's slot in the area, and the bytes of the slot. */
size_t hf_image_slot_offset(const hf_image_header *header);
void hf_image_encode(unsigned char slot[HF_IMAGE_SLOT], const hf_image_header *header);

/* True if all bytes are zero, as in a file that was not written yet. */
bool hf_image_is_blank(const unsigned char *bytes, size_t size);

/* True if the bytes begin with the magic, or if they are fewer and the magic begins with them;
 * false for no bytes. */
bool hf_image_has_magic(const unsigned char *bytes, size_t size);

/*
 * Decodes the newer record of an area of HF_IMAGE_AREA bytes. HF_CORRUPT: not an image, damaged, or
 * of another byte order or pointer size; HF_UNSUPPORTED: of a later version. On failure *reason is
 * a static phrase.
 */
hf_status hf_image_decode(const unsigned char *area, hf_image_header *header, const char **reason);

#endif
