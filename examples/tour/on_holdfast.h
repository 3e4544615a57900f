/*
 * on_holdfast.h -- the front end on holdfast's arenas, and what the tour shows of them.
 */
#ifndef TOUR_ON_HOLDFAST_H
#define TOUR_ON_HOLDFAST_H

#include "front_end.h"
#include "holdfast/arena.h"

typedef enum front_end_arena {
    ARENA_TEXTS,
    ARENA_NAMES,
    ARENA_TABLE, /* the hash table */
    ARENA_LISTS, /* token lists: the scratch arena that is in use */
    ARENAS
} front_end_arena;

hf_arena *on_holdfast_arena(struct front_end *front_end, front_end_arena arena);

/* Forgets everything by hf_reset, ready for the next build. */
bool on_holdfast_empty(struct front_end *front_end);

/* The most that a list took in its arena since the last call. */
size_t on_holdfast_list_peak(struct front_end *front_end);

#endif
