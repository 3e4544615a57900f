/*
 * arena_program.h -- bytes as a program of calls on arenas.
 *
 *     operation:  | kind | arena, flags | size class | alignment | size (2) | selector | number |
 *
 * A program owns four arenas: two by themselves, and the two of an hf_scratch. Sizes come in
 * classes, for the interesting ones depend on the arena: what is left until the next growth, what
 * is left of the reservation, what would wrap. Reservations are small, so that their end is met
 * often; in a large one no size lies between 8 MiB and what is left, for nobody can tell whether
 * the system grants that.
 */
#ifndef ARENA_PROGRAM_H
#define ARENA_PROGRAM_H

#include "mutator.h"

#include <holdfast.h>

enum {
    ARENA_PAIR = 2, /* the arenas from here on are the scratch pair */
    ARENAS = 4
};

typedef enum arena_kind {
    ARENA_OPEN,
    ARENA_CLOSE,
    ARENA_ALLOC,
    ARENA_ALLOC_ZEROED,
    ARENA_ALLOC_ARRAY,
    ARENA_NEW,
    ARENA_EXTEND,
    ARENA_EXTEND_ZEROED,
    ARENA_REALLOC,
    ARENA_PEEK,
    ARENA_PRECOMMIT,
    ARENA_STRDUP,
    ARENA_STRNDUP,
    ARENA_MEMDUP,
    ARENA_ASPRINTF,
    ARENA_MARK,
    ARENA_REWIND,
    ARENA_RESET,
    ARENA_TRIM,
    ARENA_SCOPE_BEGIN,
    ARENA_SCOPE_END,
    ARENA_SCRATCH_OPEN,
    ARENA_SCRATCH_CLOSE,
    ARENA_SCRATCH_BEGIN,
    ARENA_REF,
    ARENA_HANDLER, /* what on_failure does from now on */
    ARENA_FAIL,    /* hf_strict_fail */
    ARENA_FORK,    /* a child uses and closes the arenas */
    ARENA_FAIL_AS, /* hf_strict_fail_as */
    ARENA_KINDS
} arena_kind;

typedef struct arena_operation {
    size_t index; /* in the program */
    arena_kind kind;
    unsigned arena;
    unsigned flags; /* 6 bits */
    unsigned size_class;
    unsigned value; /* 16 bits */
    unsigned alignment;
    unsigned selector; /* of a block, a mark, a scope */
    unsigned number;
} arena_operation;

arena_operation arena_decode(const uint8_t bytes[OPERATION_BYTES], size_t index);
const char *arena_kind_name(arena_kind);

/* The alignment, which may be none that is allowed. */
size_t arena_alignment(const arena_operation *);

/* A size for the arena, which may be a closed one. */
size_t arena_size(const arena_operation *, const hf_arena *, const hf_arena_stats *);

/* Options without on_failure and backend. `slot` tells exact bases apart. */
hf_arena_options arena_options(const arena_operation *, unsigned slot);

#endif
