/*
 * arena_program.c -- see arena_program.h.
 */
#include "arena_program.h"

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

/* Addresses that nothing else takes, for exact bases: one for each arena. */
#if UINTPTR_MAX > UINT32_MAX
#define FIXED_BASES ((uintptr_t)HF_BASE_FIXED + ((uintptr_t)1 << 30))
#else
#define FIXED_BASES ((uintptr_t)0x38000000)
#endif
#define SMALL_RESERVE MIB(16)

enum { FIRST_KINDS = 27 }; /* what the bytes above ARENA_KINDS stand for: old inputs keep theirs */

static arena_kind decode_kind(uint8_t byte) {
    return (arena_kind)(byte < ARENA_KINDS ? byte : byte % FIRST_KINDS);
}

arena_operation arena_decode(const uint8_t bytes[OPERATION_BYTES], size_t index) {
    arena_operation operation = {
        .index = index,
        .kind = decode_kind(bytes[0]),
        .arena = bytes[1] % ARENAS,
        .flags = bytes[1] / ARENAS,
        .size_class = bytes[2],
        .alignment = bytes[3],
        .value = (unsigned)bytes[4] | (unsigned)bytes[5] << 8,
        .selector = bytes[6],
        .number = bytes[7],
    };
    return operation;
}

const char *arena_kind_name(arena_kind kind) {
    static const char *const names[ARENA_KINDS] = {
        "open",    "close",         "alloc",     "alloc_zeroed", "alloc_array",   "new",
        "extend",  "extend_zeroed", "resize",    "top",          "ensure",        "strdup",
        "strndup", "memdup",        "printf",    "mark",         "rewind",        "reset",
        "trim",    "scope_begin",   "scope_end", "scratch_open", "scratch_close", "scratch_begin",
        "ref",     "handler",       "fail",      "fork",         "fail_as",
    };
    return names[kind];
}

/* Mostly small ones, now and then any up to 2 MiB, seldom one that is not allowed. */
size_t arena_alignment(const arena_operation *operation) {
    static const size_t invalid[] = {0, 3, 24, HF_MAX_ALIGNMENT * 2, SIZE_MAX, SIZE_MAX / 2 + 1};
    unsigned choice = operation->alignment % 8, rest = operation->alignment / 8;
    if (choice == 7 && rest < sizeof invalid / sizeof invalid[0]) return invalid[rest];
    return (size_t)1 << rest % (choice == 6 ? 22 : 6);
}

/* A few bytes less or more, never below 0. */
static size_t about(size_t size, unsigned value) {
    size_t shift = value % 33;
    return size + shift < 16 ? 0 : size + shift - 16;
}

static size_t size_by_class(const arena_operation *operation, const hf_arena *arena,
                            const hf_arena_stats *stats) {
    unsigned value = operation->value;
    switch (operation->size_class % 16) {
    case 0: return 0;
    case 1: return value % 16;
    case 5:
    case 6:
    case 7: return value % 1024;
    case 8: return value;
    case 9: return (size_t)value * 16;
    case 10: return (size_t)value * 64;
    case 11: return about((size_t)(arena->limit - arena->pos), value);
    case 12: return about(stats->reserved - stats->used, value);
    case 13: return SIZE_MAX - value % 64;
    case 14: return 0 - (uintptr_t)arena->pos - value % 64;
    case 15: return (size_t)(1 + value % 64) * 4096 + (value >> 8) % 3 - 1;
    default: return value % 128;
    }
}

size_t arena_size(const arena_operation *operation, const hf_arena *arena,
                  const hf_arena_stats *stats) {
    size_t size = size_by_class(operation, arena, stats);
    bool uncertain = size > MIB(8) && size <= stats->reserved - stats->used + KIB(64);
    return stats->reserved > SMALL_RESERVE && uncertain ? size % MIB(4) : size;
}

/* Seldom more than any system grants, which is slow, for it is halved until one does. */
static size_t choose_reserve(unsigned number) {
    static const size_t sizes[] = {MIB(4), MIB(1),           KIB(64), KIB(256),
                                   MIB(2), MIB(2) + KIB(64), MIB(8),  KIB(100) + 1,
                                   MIB(3), MIB(5),           MIB(16), 1};
    if (number >= 252) return 0;
    if (number >= 250) return number == 250 ? SIZE_MAX / 2 + 1 : SIZE_MAX - 1;
    return sizes[number % (sizeof sizes / sizeof sizes[0])];
}

static void choose_base(const arena_operation *operation, unsigned slot,
                        hf_arena_options *options) {
    uintptr_t fixed = FIXED_BASES + slot % 2 * (uintptr_t)(2 * SMALL_RESERVE);
    switch (operation->alignment) {
    case 0:
    case 1:
        if (options->reserve != 0 && options->reserve <= SMALL_RESERVE)
            options->base = (void *)fixed;
        break;
    case 2: options->base = (void *)(fixed + HF_ALLOCATION_GRANULARITY / 2); break;
    case 3:
        options->base = (void *)(UINTPTR_MAX - HF_ALLOCATION_GRANULARITY + 1);
        options->reserve = MIB(1);
        options->least_reserve = 0;
        break;
    default: break;
    }
}

hf_arena_options arena_options(const arena_operation *operation, unsigned slot) {
    static const size_t retains[] = {0, 0, KIB(64), MIB(1), MIB(3), SIZE_MAX};
    static const size_t leasts[] = {0, 0, 0, 4096, MIB(4), SIZE_MAX};
    hf_arena_options options = {0};
    unsigned value = operation->value;
    options.reserve = choose_reserve(operation->size_class);
    options.least_reserve = leasts[value % (sizeof leasts / sizeof leasts[0])];
    options.retain = retains[value / 8 % (sizeof retains / sizeof retains[0])];
    options.huge_pages = (hf_huge_pages)(operation->flags % 3);
    options.populate = operation->number >= 240;
    options.fault_after_rewind = operation->number % 16 == 15;
    options.name = operation->selector & 1 ? "program" : NULL;
    choose_base(operation, slot, &options);
    return options;
}
