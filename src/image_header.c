/*
 * image_header.c -- encodes a record into its slot, and checks and decodes the records of an image.
 */
#include "image_header.h"

#include <assert.h>
#include <string.h>

#define HEADER_VERSION 1
#define HEADER_BYTE_ORDER 0x01020304u

/* A slot begins with this struct, in the byte order of the machine that wrote it; the rest of the
 * slot is zero. */
typedef struct header_record {
    char magic[8];
    uint32_t byte_order;
    uint32_t version;
    uint32_t pointer_size;
    uint32_t slot_size;
    hf_image_header header;
    uint64_t checksum; /* of all bytes above */
} header_record;

_Static_assert(sizeof(header_record) == 72, "a record has no padding and fits into a sector");

static const char header_magic[8] = {'h', 'o', 'l', 'd', 'f', 'a', 's', 't'};

/* FNV-1a: a change of any single byte changes the sum. */
static uint64_t header_checksum(const header_record *source) {
    const unsigned char *bytes = (const unsigned char *)source;
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < offsetof(header_record, checksum); i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3;
    return sum;
}

size_t hf_image_slot_offset(const hf_image_header *header) {
    return (size_t)(header->sequence & 1) * HF_IMAGE_SLOT;
}

void hf_image_encode(unsigned char slot[HF_IMAGE_SLOT], const hf_image_header *header) {
    assert(header->root <= header->used); /* root is an offset + 1 */
    header_record written = {.byte_order = HEADER_BYTE_ORDER,
                             .version = HEADER_VERSION,
                             .pointer_size = sizeof(void *),
                             .slot_size = (uint32_t)HF_IMAGE_SLOT,
                             .header = *header};
    memcpy(written.magic, header_magic, sizeof header_magic);
    written.checksum = header_checksum(&written);
    memset(slot, 0, HF_IMAGE_SLOT);
    memcpy(slot, &written, sizeof written);
}

/* All bytes are zero if the first one is and each equals the next one. */
bool hf_image_is_blank(const unsigned char *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

bool hf_image_has_magic(const unsigned char *bytes, size_t size) {
    return size > 0 && memcmp(bytes, header_magic,
                              size < sizeof header_magic ? size : sizeof header_magic) == 0;
}

/* Why the record is not valid; NULL: it is valid. The version is compared before the checksum,
 * because a later version may have another layout. */
static const char *header_find_fault(const header_record *found, size_t slot) {
    if (memcmp(found->magic, header_magic, sizeof header_magic) != 0)
        return "the file is not an image";
    if (found->byte_order != HEADER_BYTE_ORDER)
        return "the image has another byte order, or is damaged";
    if (found->version > HEADER_VERSION) return "a later version of holdfast wrote the image";
    if (found->checksum != header_checksum(found)) return "the image's header is damaged";
    if (found->pointer_size != sizeof(void *))
        return "the image is of programs with another pointer size";
    bool sound = found->version == HEADER_VERSION && found->slot_size == HF_IMAGE_SLOT &&
                 hf_image_slot_offset(&found->header) == slot;
    return sound ? NULL : "the image's header is damaged";
}

static hf_status header_fail(const header_record *found, const char *why, const char **reason) {
    assert(why != NULL);
    *reason = why;
    bool later = memcmp(found->magic, header_magic, sizeof header_magic) == 0 &&
                 found->byte_order == HEADER_BYTE_ORDER && found->version > HEADER_VERSION;
    return later ? HF_UNSUPPORTED : HF_CORRUPT;
}

/* *written: the slot contains a record. */
static hf_status header_decode_slot(const unsigned char *area, size_t slot, hf_image_header *header,
                                    bool *written, const char **reason) {
    header_record found;
    *written = !hf_image_is_blank(area + slot, HF_IMAGE_SLOT);
    if (!*written) return HF_OK;
    memcpy(&found, area + slot, sizeof found);
    const char *why = header_find_fault(&found, slot);
    if (!why && !hf_image_is_blank(area + slot + sizeof found, HF_IMAGE_SLOT - sizeof found))
        why = "the image's header is damaged";
    if (why) return header_fail(&found, why, reason);
    *header = found.header;
    return HF_OK;
}

static hf_status header_corrupt(const char *why, const char **reason) {
    *reason = why;
    return HF_CORRUPT;
}

static hf_status header_choose(const hf_image_header records[2], const bool written[2],
                               hf_image_header *header, const char **reason) {
    if (!written[0] && !written[1]) return header_corrupt("the file is not an image", reason);
    bool follows = written[1] && records[1].sequence == records[0].sequence + 1;
    size_t newer = !written[0] || follows;
    if (written[!newer] && records[!newer].sequence + 1 != records[newer].sequence)
        return header_corrupt("the image's header is damaged", reason);
    *header = records[newer];
    assert(written[newer] && (header->sequence & 1) == newer);
    return HF_OK;
}

hf_status hf_image_decode(const unsigned char *area, hf_image_header *header, const char **reason) {
    hf_image_header records[2] = {{0}, {0}};
    bool written[2];
    for (size_t i = 0; i < 2; i++) {
        hf_status status =
            header_decode_slot(area, i * HF_IMAGE_SLOT, &records[i], &written[i], reason);
        if (status != HF_OK) return status;
    }
    if (!hf_image_is_blank(area + 2 * HF_IMAGE_SLOT, HF_IMAGE_AREA - 2 * HF_IMAGE_SLOT))
        return header_corrupt("the image's header is damaged", reason);
    return header_choose(records, written, header, reason);
}
