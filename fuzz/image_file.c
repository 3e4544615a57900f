/*
 * image_file.c -- see image_file.h.
 */
#include "image_file.h"

#include <string.h>

bool image_is_zero(const void *memory, size_t size) {
    const char *bytes = memory;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* ----------------------------------------------------------------- the file --------------- */

bool image_load(const char *path, struct image_bytes *file) {
    FILE *stream = fopen(path, "rb");
    file->exists = stream != NULL;
    file->size = 0;
    if (!stream) return true;
    file->size = fread(file->bytes, 1, sizeof file->bytes, stream);
    bool whole = !ferror(stream) && fgetc(stream) == EOF;
    fclose(stream);
    return whole;
}

bool image_store(const char *path, const struct image_bytes *file, bool with_holes) {
    if (!file->exists) return remove(path) == 0;
    FILE *stream = fopen(path, "wb");
    if (!stream) return false;
    bool whole = true;
    for (size_t at = 0, size = file->size; whole && at < file->size; at += size) {
        bool is_last = !with_holes || file->size - at <= SLOT;
        size = is_last ? file->size - at : SLOT;
        if (!is_last && image_is_zero(file->bytes + at, size))
            whole = fseek(stream, (long)size, SEEK_CUR) == 0;
        else
            whole = fwrite(file->bytes + at, 1, size, stream) == size;
    }
    return fclose(stream) == 0 && whole;
}

bool image_is_alike(const struct image_bytes *a, const struct image_bytes *b) {
    return a->exists == b->exists && a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

void image_copy(struct image_bytes *to, const struct image_bytes *from) {
    to->exists = from->exists;
    to->size = from->size;
    memcpy(to->bytes, from->bytes, from->size);
}

/* ----------------------------------------------------------------- judging ---------------- */

bool image_is_blank(const struct image_bytes *file) {
    return file->size <= AREA && image_is_zero(file->bytes, file->size);
}

/* The fields up to the version are the same in every version of the format. */
static status_set judge_slot(const unsigned char *slot, unsigned parity) {
    if (memcmp(slot + AT_MAGIC, "holdfast", 8) != 0) return STATUS(CORRUPT);
    if (get_32(slot, AT_BYTE_ORDER) != 0x01020304) return STATUS(CORRUPT);
    if (get_32(slot, AT_VERSION) > 1) return STATUS(UNSUPPORTED);
    bool sound = get_32(slot, AT_VERSION) == 1 && get_32(slot, AT_POINTER_SIZE) == sizeof(void *) &&
                 get_32(slot, AT_SLOT_SIZE) == SLOT && get_64(slot, AT_SEQUENCE) % 2 == parity &&
                 get_64(slot, AT_CHECKSUM) == checksum_of(slot) &&
                 image_is_zero(slot + RECORD_END, SLOT - RECORD_END);
    return sound ? 0 : STATUS(CORRUPT);
}

/* *newer is the slot that counts, if the header is sound. */
static status_set judge_header(const unsigned char *header, const unsigned char **newer) {
    const unsigned char *slots[2] = {header, header + SLOT};
    bool written[2];
    status_set errors = 0;
    for (unsigned i = 0; i < 2; i++) {
        written[i] = !image_is_zero(slots[i], SLOT);
        if (written[i]) errors |= judge_slot(slots[i], i);
    }
    uint64_t first = get_64(slots[0], AT_SEQUENCE), second = get_64(slots[1], AT_SEQUENCE);
    bool apart = first + 1 != second && second + 1 != first;
    if (!written[0] && !written[1]) errors |= STATUS(CORRUPT);
    if (written[0] && written[1] && apart) errors |= STATUS(CORRUPT);
    if (!image_is_zero(header + 2 * SLOT, AREA - 2 * SLOT)) errors |= STATUS(CORRUPT);
    *newer = !written[0] || (written[1] && second == first + 1) ? slots[1] : slots[0];
    return errors;
}

static bool fits_file(const struct image_record *record, size_t size) {
    uint64_t room = size - AREA;
    return record->used <= room && image_padded(record->used) <= room &&
           record->root <= record->used && record->base != 0 &&
           record->base % HF_ALLOCATION_GRANULARITY == 0 && record->base <= UINTPTR_MAX &&
           image_padded(record->used) <= UINTPTR_MAX - record->base;
}

status_set image_judge(const struct image_bytes *file, uint64_t tag, struct image_record *record) {
    const unsigned char *newer;
    if (file->size < AREA) return STATUS(CORRUPT);
    status_set errors = judge_header(file->bytes, &newer);
    if (errors) return errors;
    *record = (struct image_record){get_64(newer, AT_SEQUENCE), get_64(newer, AT_BASE),
                                    get_64(newer, AT_USED), get_64(newer, AT_ROOT),
                                    get_64(newer, AT_TAG)};
    return fits_file(record, file->size) && record->tag == tag ? 0 : STATUS(CORRUPT);
}

/* ---------------------------------------------------------------- damaging ---------------- */

static const struct field {
    size_t offset, size;
} fields[] = {{AT_MAGIC, 8},     {AT_BYTE_ORDER, 4}, {AT_VERSION, 4},  {AT_POINTER_SIZE, 4},
              {AT_SLOT_SIZE, 4}, {AT_SEQUENCE, 8},   {AT_BASE, 8},     {AT_USED, 8},
              {AT_ROOT, 8},      {AT_TAG, 8},        {AT_CHECKSUM, 8}, {AT_USED, 8},
              {AT_ROOT, 8},      {AT_BASE, 8}};

/* A value near the old one, near a limit, or with one bit flipped. */
static uint64_t other_value(uint64_t old, const image_damage *damage, size_t file_size) {
    uint64_t value = damage->value;
    switch (damage->number % 10) {
    case 0: return old + 1 + value % 16;
    case 1: return old - 1 - value % 16;
    case 2: return old ^ UINT64_C(1) << value % 64;
    case 3: return value;
    case 4: return UINT64_MAX - value;
    case 5: return (uint64_t)INT64_MAX + 8 - value % 16;
    case 6: return file_size - AREA + 8 - value % 16;
    case 7: return value * AREA;
    case 8: return IMAGE_BASES + value * AREA;
    default: return old + value * AREA;
    }
}

static void damage_field(struct image_bytes *file, const image_damage *damage) {
    const struct field *field = &fields[damage->field % (sizeof fields / sizeof fields[0])];
    unsigned char *slot = file->bytes + (size_t)damage->slot * SLOT;
    uint64_t value = 0;
    memcpy(&value, slot + field->offset, field->size);
    value = other_value(value, damage, file->size);
    memcpy(slot + field->offset, &value, field->size);
    if (!damage->keeps_checksum && field->offset != AT_CHECKSUM) set_checksum(slot);
}

/* Flips a bit in a record, in a slot, in the header, or anywhere. */
static void damage_byte(struct image_bytes *file, const image_damage *damage) {
    static const size_t ranges[] = {RECORD_END, RECORD_END, SLOT, 2 * SLOT, AREA};
    unsigned choice = damage->field % 6;
    size_t range = choice < 5 ? ranges[choice] : file->size;
    size_t offset = (choice < 3 ? (size_t)damage->slot * SLOT : 0) + damage->value % range;
    if (offset < file->size) file->bytes[offset] ^= (unsigned char)(1u << damage->number % 8);
}

static void set_size(struct image_bytes *file, size_t size) {
    if (size > 1 << 20) size = 1 << 20;
    if (size > file->size) memset(file->bytes + file->size, 0, size - file->size);
    file->size = size;
}

static void damage_size(struct image_bytes *file, const image_damage *damage) {
    size_t value = damage->value;
    switch (damage->number % 8) {
    case 0: set_size(file, 0); break;
    case 1: set_size(file, value); break;
    case 2: set_size(file, value % 32 * AREA / 2); break;
    case 3: set_size(file, file->size + 1 + value % 4096); break;
    case 4: set_size(file, file->size + value % 8 * AREA); break;
    case 5: set_size(file, file->size > value ? file->size - value : 0); break;
    case 6: set_size(file, AREA + value % 3 - 1); break;
    default: set_size(file, file->size > 0 ? file->size - 1 : 1); break;
    }
}

static void damage_by_copy(struct image_bytes *file, const image_damage *damage) {
    const unsigned char *from = file->bytes + (size_t)damage->slot * SLOT;
    unsigned char *to = file->bytes + (size_t)(1 - damage->slot) * SLOT;
    uint64_t sequence = get_64(from, AT_SEQUENCE) + damage->number % 8 - 3;
    memcpy(to, from, SLOT);
    set_64(to, AT_SEQUENCE, sequence);
    if (!damage->keeps_checksum) set_checksum(to);
}

static void make_foreign(struct image_bytes *file, const image_damage *damage) {
    file->exists = true;
    set_size(file, (size_t)damage->value * (damage->number % 8));
    memset(file->bytes, (int)damage->number, file->size);
}

void image_do_damage(struct image_bytes *file, const image_damage *damage) {
    bool has_slots = file->exists && file->size >= AREA;
    switch (damage->kind) {
    case DAMAGE_FIELD:
    case DAMAGE_FIELD_AGAIN:
        if (has_slots) damage_field(file, damage);
        break;
    case DAMAGE_BYTE:
        if (file->size > 0) damage_byte(file, damage);
        break;
    case DAMAGE_SIZE:
        if (file->exists) damage_size(file, damage);
        break;
    case DAMAGE_COPY_SLOT:
        if (has_slots) damage_by_copy(file, damage);
        break;
    case DAMAGE_CLEAR_SLOT:
        if (has_slots) memset(file->bytes + (size_t)damage->slot * SLOT, 0, SLOT);
        break;
    case DAMAGE_REMOVE:
        file->exists = false;
        file->size = 0;
        break;
    case DAMAGE_FOREIGN: make_foreign(file, damage); break;
    default:
        file->exists = true;
        set_size(file, 0);
        set_size(file, damage->value % (AREA + 1u));
        break;
    }
}
