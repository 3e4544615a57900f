/*
 * image_header.c -- how an image's record lies in its slot, and what may be wrong with it.
 */
#include "image_header.h"

#include <string.h>

#define VERSION 1
#define BYTE_ORDER_MARK 0x01020304u

/* In the byte order of whoever wrote it; without padding. */
typedef struct record {
    char magic[8];
    uint32_t byte_order;
    uint32_t version;
    uint32_t pointer_size;
    uint32_t slot_size;
    hf_image_header header;
    uint64_t checksum; /* of all before */
} record;

_Static_assert(sizeof(record) == 72, "a record has no padding and fits into a sector");

static const char magic[8] = {'h', 'o', 'l', 'd', 'f', 'a', 's', 't'};

/* FNV-1a: a change of any one byte changes it. */
static uint64_t checksum_of(const record *source) {
    const unsigned char *bytes = (const unsigned char *)source;
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < offsetof(record, checksum); i++) sum = (sum ^ bytes[i]) * 0x100000001b3;
    return sum;
}

size_t hf_image_slot_offset(const hf_image_header *header) {
    return (size_t)(header->sequence & 1) * HF_IMAGE_SLOT;
}

void hf_image_encode(unsigned char slot[HF_IMAGE_SLOT], const hf_image_header *header) {
    record written = {.byte_order = BYTE_ORDER_MARK,
                      .version = VERSION,
                      .pointer_size = sizeof(void *),
                      .slot_size = (uint32_t)HF_IMAGE_SLOT,
                      .header = *header};
    memcpy(written.magic, magic, sizeof magic);
    written.checksum = checksum_of(&written);
    memset(slot, 0, HF_IMAGE_SLOT);
    memcpy(slot, &written, sizeof written);
}

/* Each byte is its neighbour, and the first is zero. */
bool hf_image_is_blank(const unsigned char *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

bool hf_image_has_magic(const unsigned char *bytes, size_t size) {
    return size > 0 && memcmp(bytes, magic, size < sizeof magic ? size : sizeof magic) == 0;
}

/* NULL: nothing. A later version's record may be of another form: it is asked for first. */
static const char *what_is_wrong(const record *found, size_t slot) {
    if (memcmp(found->magic, magic, sizeof magic) != 0) return "the file is no image";
    if (found->byte_order != BYTE_ORDER_MARK)
        return "the image has another byte order, or is damaged";
    if (found->version > VERSION) return "a later version of holdfast wrote the image";
    if (found->checksum != checksum_of(found)) return "the image's header is damaged";
    if (found->pointer_size != sizeof(void *))
        return "the image is of programs with another pointer size";
    bool sound = found->version == VERSION && found->slot_size == HF_IMAGE_SLOT &&
                 hf_image_slot_offset(&found->header) == slot;
    return sound ? NULL : "the image's header is damaged";
}

static hf_status refuse(const record *found, const char *why, const char **reason) {
    *reason = why;
    bool later = memcmp(found->magic, magic, sizeof magic) == 0 &&
                 found->byte_order == BYTE_ORDER_MARK && found->version > VERSION;
    return later ? HF_UNSUPPORTED : HF_CORRUPT;
}

/* *written: whether there is a record in the slot. */
static hf_status decode_slot(const unsigned char *area, size_t slot, hf_image_header *header,
                             bool *written, const char **reason) {
    record found;
    *written = !hf_image_is_blank(area + slot, HF_IMAGE_SLOT);
    if (!*written) return HF_OK;
    memcpy(&found, area + slot, sizeof found);
    const char *why = what_is_wrong(&found, slot);
    if (!why && !hf_image_is_blank(area + slot + sizeof found, HF_IMAGE_SLOT - sizeof found))
        why = "the image's header is damaged";
    if (why) return refuse(&found, why, reason);
    *header = found.header;
    return HF_OK;
}

static hf_status corrupt(const char *why, const char **reason) {
    *reason = why;
    return HF_CORRUPT;
}

static hf_status choose(const hf_image_header records[2], const bool written[2],
                        hf_image_header *header, const char **reason) {
    if (!written[0] && !written[1]) return corrupt("the file is no image", reason);
    bool follows = written[1] && records[1].sequence == records[0].sequence + 1;
    size_t newer = !written[0] || follows;
    if (written[!newer] && records[!newer].sequence + 1 != records[newer].sequence)
        return corrupt("the image's header is damaged", reason);
    *header = records[newer];
    return HF_OK;
}

hf_status hf_image_decode(const unsigned char *area, hf_image_header *header, const char **reason) {
    hf_image_header records[2] = {{0}, {0}};
    bool written[2];
    for (size_t i = 0; i < 2; i++) {
        hf_status status = decode_slot(area, i * HF_IMAGE_SLOT, &records[i], &written[i], reason);
        if (status != HF_OK) return status;
    }
    if (!hf_image_is_blank(area + 2 * HF_IMAGE_SLOT, HF_IMAGE_AREA - 2 * HF_IMAGE_SLOT))
        return corrupt("the image's header is damaged", reason);
    return choose(records, written, header, reason);
}
