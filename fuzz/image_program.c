/*
 * image_program.c -- see image_program.h.
 */
#include "image_program.h"

#include <stdio.h>

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

enum { FIRST_KINDS = 16 }; /* what the bytes above IMAGE_KINDS stand for: old inputs keep theirs */

static image_kind decode_kind(uint8_t byte) {
    return (image_kind)(byte < IMAGE_KINDS ? byte : byte % FIRST_KINDS);
}

image_operation image_decode(const uint8_t bytes[OPERATION_BYTES], size_t index) {
    unsigned rest = bytes[1] / IMAGE_ARENAS;
    image_operation operation = {
        .index = index,
        .kind = decode_kind(bytes[0]),
        .arena = bytes[1] % IMAGE_ARENAS,
        .path = (image_path)(rest % PATHS_OF_FILES),
        .access = (hf_access)(rest / PATHS_OF_FILES % 3),
        .size_class = bytes[2],
        .choices = bytes[3],
        .value = (unsigned)bytes[4] | (unsigned)bytes[5] << 8,
        .twist = bytes[6] < IMAGE_TWISTS ? (image_twist)bytes[6] : IMAGE_TWISTS,
        .number = bytes[7],
    };
    if (operation.twist >= IMAGE_TWIST_PATH_FOLDER && operation.twist <= IMAGE_TWIST_PATH_NULL)
        operation.path =
            (image_path)(IMAGE_PATH_FOLDER + (operation.twist - IMAGE_TWIST_PATH_FOLDER));
    return operation;
}

const char *image_kind_name(image_kind kind) {
    static const char *const names[IMAGE_KINDS] = {
        "open_file", "open", "close", "alloc",    "extend",  "store",     "rewind",
        "reset",     "trim", "sync",  "set_root", "save",    "append",    "damage",
        "tamper",    "fail", "holes", "fork",     "replace", "fail_sync", "fail_as",
    };
    return names[kind];
}

const char *image_path_text(const char *folder, image_path path, char *text, size_t size) {
    static const char *const names[] = {"/first", "/second", "/third", "", "/none/file"};
    if (path == IMAGE_PATH_NULL) return NULL;
    snprintf(text, size, "%s%s", path == IMAGE_PATH_BLANK ? "" : folder,
             path == IMAGE_PATH_BLANK ? "" : names[path]);
    return text;
}

/* A few bytes less or more, never below 0. */
static size_t about(size_t size, unsigned value) {
    size_t shift = value % 33;
    return size + shift < 16 ? 0 : size + shift - 16;
}

size_t image_size(const image_operation *operation, const hf_arena *arena) {
    hf_arena_stats stats = hf_arena_get_stats(arena);
    unsigned value = operation->value;
    switch (operation->size_class % 12) {
    case 0: return value % 16;
    case 1:
    case 2: return value % 4096;
    case 3: return value;
    case 4: return (size_t)value * 4;
    case 5: return about((size_t)(arena->limit - arena->pos), value);
    case 6: return about(stats.reserved - stats.used, value);
    case 7: return SIZE_MAX - value % 64;
    case 8: return (size_t)(1 + value % 40) * 4096 + (value >> 8) % 3 - 1;
    case 9: return about(HF_IMAGE_BEGIN - stats.used % HF_IMAGE_BEGIN, value);
    default: return value % 256;
    }
}

static size_t choose_reserve(const image_operation *operation) {
    static const size_t sizes[] = {0,        0,       KIB(64), KIB(128),     KIB(256),
                                   KIB(512), MIB(1),  MIB(16), KIB(100) + 1, KIB(320),
                                   1,        MIB(64), KIB(192)};
    if (operation->twist == IMAGE_TWIST_RESERVE_HUGE) return SIZE_MAX - operation->value;
    return sizes[operation->size_class % (sizeof sizes / sizeof sizes[0])];
}

static void *choose_base(const image_operation *operation, uintptr_t known) {
    switch (operation->twist) {
    case IMAGE_TWIST_BASE_GIVEN: return (void *)known;
    case IMAGE_TWIST_BASE_OTHER:
        return (void *)(IMAGE_BASES + (operation->value % 4 + 100) * MIB(128));
    case IMAGE_TWIST_BASE_UNALIGNED: return (void *)(IMAGE_BASES + 4096);
    default: return NULL;
    }
}

hf_arena_options image_options(const image_operation *operation, uintptr_t known) {
    static const size_t leasts[] = {0, 0, 0, 4096, KIB(64), KIB(64) + 1};
    unsigned choices = operation->choices;
    hf_arena_options options = {
        .reserve = choose_reserve(operation),
        .base = choose_base(operation, known),
        .any_base = choices & 1,
        .fault_after_rewind = choices / 2 % 8 == 7,
        .populate = choices / 16 % 8 == 7,
        .retain = choices >= 128 ? KIB(64) : 0,
        .huge_pages = (hf_huge_pages)(operation->number % 3),
        .name = operation->number & 128 ? "program" : NULL,
        .tag = operation->twist == IMAGE_TWIST_TAG,
    };
    options.least_reserve = leasts[operation->number / 3 % (sizeof leasts / sizeof leasts[0])];
    if (options.reserve != 0 && options.least_reserve > options.reserve) options.least_reserve = 0;
    if (operation->twist == IMAGE_TWIST_LEAST_ABOVE) options.least_reserve = options.reserve + 1;
    return options;
}

image_damage image_damage_of(const image_operation *operation) {
    image_damage damage = {
        .kind = (image_damage_kind)(operation->size_class % DAMAGES),
        .slot = operation->choices & 1,
        .keeps_checksum = operation->choices & 2,
        .field = operation->choices / 4,
        .value = operation->value,
        .number = operation->number,
    };
    return damage;
}
