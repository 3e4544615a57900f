/*
 * arena_seeds.c -- writes the hand-made part of the corpus of fuzz_arena.
 *
 *     fuzz_arena_seeds FOLDER
 *
 *   KIND.failing-SIZE-HANDLER  a call that must grow the arena, with its first, second, ... call of
 *                              the system failing, once and from then on; then without failures
 *   KIND.sizes                 the next growth, the end of the reservation, near SIZE_MAX
 *   KIND.alignments            each alignment, and those that are invalid
 *   zeroed.KIND                bytes that were used, shown, given back and fresh, all at once
 *   options.HUGE-HOW-RETAIN    frames with a spike, with these options
 *   scopes.COUNT-ORDER         begun, and ended in several orders
 *   scratch                    with every conflict
 *   failing_as.WAY-HOW         calls that fail in each other way that they have
 *   fork.HOW                   children of all arenas, with these options, also at a failure
 */
#include "arena_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_BYTES = 1024,
    FAILING_CALLS = 6,
    WITH_HANDLER = 16, /* numbers of ARENA_OPEN */
    FAULTING = 15,
    POPULATING = 240,
    RESERVE_4_MIB = 0, /* its size classes */
    RESERVE_1_MIB = 1,
    RESERVE_8_MIB = 6,
    RESERVE_16_MIB = 10,
    AT_LIMIT = 11, /* size classes of the others */
    AT_END = 12,
    AT_SIZE_MAX = 13,
    WRAPPING = 14,
    BY_64 = 10,
    SMALL = 8,
    TO_THE_START = 128 /* selector of ARENA_REWIND */
};

static const arena_kind allocating[] = {
    ARENA_ALLOC,         ARENA_ALLOC_ZEROED, ARENA_ALLOC_ARRAY, ARENA_NEW,       ARENA_EXTEND,
    ARENA_EXTEND_ZEROED, ARENA_REALLOC,      ARENA_PEEK,        ARENA_PRECOMMIT, ARENA_STRDUP,
    ARENA_STRNDUP,       ARENA_MEMDUP,       ARENA_ASPRINTF};

enum { ALLOCATING = sizeof allocating / sizeof allocating[0] };

struct seed {
    const char *folder;
    uint8_t bytes[MOST_OPERATIONS * OPERATION_BYTES];
    size_t size;
};

/* The fields of an operation that a seed gives; the rest is 0. */
struct fields {
    arena_kind kind;
    unsigned arena, size_class, alignment, value, selector, number;
};

static void put(struct seed *seed, struct fields fields) {
    const uint8_t bytes[OPERATION_BYTES] = {
        (uint8_t)fields.kind,      (uint8_t)fields.arena, (uint8_t)fields.size_class,
        (uint8_t)fields.alignment, (uint8_t)fields.value, (uint8_t)(fields.value >> 8),
        (uint8_t)fields.selector,  (uint8_t)fields.number};
    if (seed->size + sizeof bytes > sizeof seed->bytes) {
        fputs("a seed is too long\n", stderr);
        exit(1);
    }
    memcpy(seed->bytes + seed->size, bytes, sizeof bytes);
    seed->size += sizeof bytes;
}

static void put_plain(struct seed *seed, arena_kind kind, unsigned number) {
    put(seed, (struct fields){.kind = kind, .number = number});
}

static void put_sized(struct seed *seed, arena_kind kind, unsigned size_class, unsigned value) {
    put(seed, (struct fields){.kind = kind, .size_class = size_class, .value = value});
}

/* A base of its own would be in the way of the next arena: alignment 4 takes any. */
static void put_open(struct seed *seed, unsigned reserve, unsigned number) {
    put(seed, (struct fields){
                  .kind = ARENA_OPEN, .size_class = reserve, .alignment = 4, .number = number});
}

static void write_seed(struct seed *seed, const char *name) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", seed->folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(seed->bytes, 1, seed->size, file) != seed->size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    seed->size = 0;
}

/* Handler 0: none; else one more than what on_failure does. A little more than is committed is
 * asked for again when a whole step failed; for much more no smaller step will do. */
static void write_failing(struct seed *seed, arena_kind kind, unsigned handler, bool much) {
    const struct fields request = {.kind = kind,
                                   .size_class = much ? BY_64 : SMALL,
                                   .value = much ? 20000 : 3000,
                                   .number = 224};
    char name[64];
    for (unsigned call = 0; call < 2 * FAILING_CALLS; call++) {
        put_open(seed, RESERVE_4_MIB, handler ? WITH_HANDLER : 0);
        if (handler) put_plain(seed, ARENA_HANDLER, handler - 1);
        put_sized(seed, ARENA_ALLOC, SMALL, much ? 100 + call : 65000);
        put_plain(seed, ARENA_FAIL, 2 + call);
        put(seed, request);
        put_plain(seed, ARENA_FAIL, 0);
        put(seed, request);
        put_plain(seed, ARENA_RESET, 0);
        put_sized(seed, ARENA_TRIM, 0, 0);
    }
    snprintf(name, sizeof name, "%s.failing-%s-%u", arena_kind_name(kind), much ? "much" : "little",
             handler);
    write_seed(seed, name);
}

static void write_sizes(struct seed *seed, arena_kind kind) {
    static const unsigned classes[] = {AT_LIMIT, AT_END, AT_SIZE_MAX, WRAPPING};
    char name[64];
    put_open(seed, RESERVE_1_MIB, 0);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        for (unsigned value = 0; value < 33; value += i < 2 ? 3 : 15) {
            put_sized(seed, ARENA_ALLOC, SMALL, 1 + value);
            put_sized(seed, kind, classes[i], value);
            put(seed, (struct fields){.kind = ARENA_REWIND, .selector = TO_THE_START});
        }
    }
    snprintf(name, sizeof name, "%s.sizes", arena_kind_name(kind));
    write_seed(seed, name);
}

/* 6 and 7 in the lowest bits: any alignment up to 2 MiB, and those that are invalid. */
static void write_alignments(struct seed *seed, arena_kind kind) {
    char name[64];
    put_open(seed, RESERVE_16_MIB, 0);
    for (unsigned rest = 0; rest < 22; rest++) {
        put(seed,
            (struct fields){
                .kind = kind, .size_class = SMALL, .alignment = rest * 8 + 6, .value = 24 + rest});
        put_sized(seed, ARENA_ALLOC, SMALL, 1);
    }
    for (unsigned rest = 0; rest < 6; rest++) {
        put(seed, (struct fields){
                      .kind = kind, .size_class = SMALL, .alignment = rest * 8 + 7, .value = 24});
    }
    snprintf(name, sizeof name, "%s.alignments", arena_kind_name(kind));
    write_seed(seed, name);
}

/* Each time the block begins in bytes that were used or shown, and ends in fresh ones. */
static void write_zeroed(struct seed *seed, arena_kind kind) {
    char name[64];
    put_open(seed, RESERVE_8_MIB, 0);
    for (unsigned step = 1; step <= 8; step++) {
        put_sized(seed, ARENA_ALLOC, BY_64, step * 3000);
        put(seed, (struct fields){.kind = ARENA_REWIND, .selector = TO_THE_START + step});
        put_sized(seed, kind, BY_64, step * 4000);
        put(seed, (struct fields){.kind = ARENA_REWIND, .selector = TO_THE_START});
        put_sized(seed, ARENA_PEEK, BY_64, step * 5000);
        put_sized(seed, kind, BY_64, step * 5500);
        put(seed, (struct fields){.kind = ARENA_REWIND, .selector = TO_THE_START});
        put_sized(seed, ARENA_TRIM, SMALL, step * 1000);
        put_sized(seed, kind, BY_64, step * 4500);
        put_plain(seed, ARENA_RESET, 0);
    }
    snprintf(name, sizeof name, "zeroed.%s", arena_kind_name(kind));
    write_seed(seed, name);
}

static void write_options(struct seed *seed, unsigned huge, unsigned how, unsigned retain) {
    static const unsigned hows[] = {0, FAULTING, POPULATING, POPULATING + FAULTING};
    char name[64];
    put(seed, (struct fields){.kind = ARENA_OPEN,
                              .arena = huge * ARENAS,
                              .size_class = RESERVE_8_MIB,
                              .alignment = 4,
                              .value = retain * 8,
                              .number = hows[how]});
    for (unsigned frame = 0; frame < 8; frame++) {
        put_sized(seed, ARENA_ALLOC, BY_64, frame == 1 ? 65535 : 2000);
        put_sized(seed, ARENA_ALLOC_ZEROED, BY_64, frame == 1 ? 30000 : 1000);
        put_plain(seed, ARENA_RESET, 0);
    }
    put_sized(seed, ARENA_TRIM, 0, 0);
    put_sized(seed, ARENA_ALLOC_ZEROED, BY_64, 5000);
    snprintf(name, sizeof name, "options.%u-%u-%u", huge, how, retain);
    write_seed(seed, name);
}

/* `ends` lists scopes by index, in the order in which they are ended. */
static void write_scopes(struct seed *seed, unsigned count, const char *ends) {
    char name[64];
    put_open(seed, RESERVE_1_MIB, 0);
    for (unsigned i = 0; i < count; i++) {
        put_plain(seed, ARENA_SCOPE_BEGIN, 0);
        if (i < 8) put_sized(seed, ARENA_ALLOC, SMALL, 100 * i);
    }
    for (const char *end = ends; *end; end++) {
        /* Above 128 the selector is taken modulo the number of scopes. */
        unsigned base = (128 + count - 1) / count * count;
        put(seed,
            (struct fields){.kind = ARENA_SCOPE_END, .selector = base + (unsigned)(*end - '0')});
        put_sized(seed, ARENA_ALLOC, SMALL, 50);
    }
    put_plain(seed, ARENA_RESET, 0);
    put_plain(seed, ARENA_SCOPE_END, 0);
    snprintf(name, sizeof name, "scopes.%u-%s", count, ends);
    write_seed(seed, name);
}

static void write_scratch(struct seed *seed) {
    put(seed,
        (struct fields){.kind = ARENA_SCRATCH_OPEN, .size_class = RESERVE_1_MIB, .alignment = 4});
    put_open(seed, RESERVE_1_MIB, 0);
    for (unsigned conflict = 0; conflict <= ARENAS; conflict++) {
        for (unsigned arena = ARENA_PAIR; arena < ARENAS; arena++) {
            put(seed, (struct fields){.kind = ARENA_SCRATCH_BEGIN, .selector = conflict});
            put(seed, (struct fields){
                          .kind = ARENA_ALLOC, .arena = arena, .size_class = SMALL, .value = 3000});
            put(seed, (struct fields){
                          .kind = ARENA_ASPRINTF, .arena = 0, .size_class = SMALL, .value = 300});
            put(seed, (struct fields){.kind = ARENA_SCOPE_END, .arena = arena});
        }
    }
    put_plain(seed, ARENA_SCRATCH_CLOSE, 0);
    write_seed(seed, "scratch");
}

static void write_failing_as(struct seed *seed, unsigned way, unsigned how) {
    static const unsigned hows[] = {0, FAULTING, POPULATING};
    char name[64];
    put_plain(seed, ARENA_FAIL_AS, way);
    for (unsigned call = 0; call < 2 * FAILING_CALLS; call++) {
        put_plain(seed, ARENA_FAIL, call < FAILING_CALLS ? 2 + call : 0);
        put_open(seed, RESERVE_8_MIB, hows[how]);
        put_sized(seed, ARENA_ALLOC, BY_64, 40000);
        put_sized(seed, ARENA_ALLOC, BY_64, 40000);
        put_plain(seed, ARENA_FAIL, call < FAILING_CALLS ? 0 : 2 + call - FAILING_CALLS);
        put(seed, (struct fields){.kind = ARENA_REWIND, .selector = TO_THE_START + 1});
        put_sized(seed, ARENA_TRIM, 0, 0);
        put_plain(seed, ARENA_FAIL, 0);
        put_sized(seed, ARENA_ALLOC_ZEROED, BY_64, 30000);
        put_plain(seed, ARENA_RESET, 0);
    }
    snprintf(name, sizeof name, "failing_as.%u-%u", way, how);
    write_seed(seed, name);
}

static void write_forking(struct seed *seed, unsigned how) {
    static const unsigned hows[] = {0, FAULTING, POPULATING, WITH_HANDLER};
    char name[64];
    for (unsigned arena = 0; arena < ARENA_PAIR; arena++)
        put(seed, (struct fields){.kind = ARENA_OPEN,
                                  .arena = arena,
                                  .size_class = arena ? RESERVE_1_MIB : RESERVE_8_MIB,
                                  .alignment = 4,
                                  .number = hows[how]});
    put(seed,
        (struct fields){.kind = ARENA_SCRATCH_OPEN, .size_class = RESERVE_1_MIB, .alignment = 4});
    for (unsigned arena = 0; arena < ARENAS; arena++)
        put(seed, (struct fields){
                      .kind = ARENA_ALLOC, .arena = arena, .size_class = SMALL, .value = 3000});
    put_sized(seed, ARENA_ALLOC, BY_64, 20000);
    put_sized(seed, ARENA_PEEK, SMALL, 100);
    put_plain(seed, ARENA_SCOPE_BEGIN, 0);
    put_sized(seed, ARENA_FORK, 0, how * 20000);
    put_sized(seed, ARENA_ALLOC_ZEROED, SMALL, 3000);
    put(seed, (struct fields){.kind = ARENA_REWIND, .selector = TO_THE_START + 2});
    put_plain(seed, ARENA_FAIL, 3);
    put_sized(seed, ARENA_FORK, 0, 65535);
    put_sized(seed, ARENA_ALLOC, BY_64, 60000);
    put_plain(seed, ARENA_RESET, 0);
    put_plain(seed, ARENA_SCOPE_END, 0);
    snprintf(name, sizeof name, "fork.%u", how);
    write_seed(seed, name);
}

static void write_kinds(struct seed *seed) {
    for (size_t i = 0; i < ALLOCATING; i++) {
        for (unsigned handler = 0; handler < 5; handler++) {
            write_failing(seed, allocating[i], handler, true);
            write_failing(seed, allocating[i], handler, false);
        }
        write_sizes(seed, allocating[i]);
        write_alignments(seed, allocating[i]);
    }
    write_zeroed(seed, ARENA_ALLOC_ZEROED);
    write_zeroed(seed, ARENA_ALLOC_ARRAY);
    write_zeroed(seed, ARENA_NEW);
    write_zeroed(seed, ARENA_EXTEND_ZEROED);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
        return 2;
    }
    struct seed seed = {.folder = arguments[1]};
    write_kinds(&seed);
    for (unsigned i = 0; i < 3 * 4 * 6; i++) write_options(&seed, i / 24, i / 6 % 4, i % 6);
    write_scopes(&seed, 3, "210");
    write_scopes(&seed, 3, "102");
    write_scopes(&seed, 3, "0120");
    write_scopes(&seed, 5, "3143");
    write_scopes(&seed, 60, "9540");
    write_scopes(&seed, 70, "9540");
    write_scratch(&seed);
    for (unsigned how = 0; how < 4; how++) write_forking(&seed, how);
    for (unsigned way = 1; way < 4; way++)
        for (unsigned how = 0; how < 3; how++) write_failing_as(&seed, way, how);
    return 0;
}
