/*
 * image_header.h -- the first 64 KiB of an image, and nothing of files: bytes in, facts out.
 *
 *      0        4 KiB     8 KiB                           64 KiB
 *      | slot 0 | slot 1  |             zeros              | the arena's bytes ...
 *
 * Slots are written in turn: what the sequence number is odd or even for. The newer one counts; a
 * slot that was never written is zero. A record fits into a sector, which a disk writes whole, and
 * so a crash leaves the old record or the new one: anything else in this area is damage.
 */
#ifndef HF_IMAGE_HEADER_H
#define HF_IMAGE_HEADER_H

#include <holdfast/status.h>

#include <stdbool.h>
#include <stdint.h>

#define HF_IMAGE_AREA ((size_t)65536)
#define HF_IMAGE_SLOT ((size_t)4096)

typedef struct hf_image_header {
    uint64_t sequence; /* of this record: one more each time */
    uint64_t base;     /* where the arena lay */
    uint64_t used;     /* bytes of it that were handed out */
    uint64_t root;     /* offset + 1; 0: none */
    uint64_t tag;      /* the program's */
} hf_image_header;

/* Where the record belongs in the area, and its slot's bytes. */
size_t hf_image_slot_offset(const hf_image_header *header);
void hf_image_encode(unsigned char slot[HF_IMAGE_SLOT], const hf_image_header *header);

/* A file that is to become an image may hold zeros. */
bool hf_image_is_blank(const unsigned char *bytes, size_t size);

/* True if the bytes begin with the magic, or if there are fewer and they are its beginning; false
 * for no bytes. */
bool hf_image_has_magic(const unsigned char *bytes, size_t size);

/*
 * The newer record of an area of HF_IMAGE_AREA bytes. CORRUPT: foreign, damaged, or of another byte
 * order or pointer size; UNSUPPORTED: of a later version. *reason is a static sentence then.
 */
hf_status hf_image_decode(const unsigned char *area, hf_image_header *header, const char **reason);

#endif
