/*
 * on_holdfast.h -- the front end on holdfast, and access to its arenas, which the tour shows.
 */
#ifndef TOUR_ON_HOLDFAST_H
#define TOUR_ON_HOLDFAST_H

#include "front_end.h"
#include "holdfast/arena.h"

typedef enum front_end_arena {
    ARENA_TEXTS,
    ARENA_NAMES,
    ARENA_TABLE, /* the hash table */
    ARENA_LISTS, /* the scratch arena with the lists of tokens */
    ARENAS       /* how many there are */
} front_end_arena;

hf_arena *on_holdfast_arena(struct front_end *front_end, front_end_arena arena);

/* Frees everything by hf_reset, for the next build. False: an arena could not be reset, or no
 * memory for the keywords. */
bool on_holdfast_empty(struct front_end *front_end);

/* The size in bytes of the largest list of tokens since the last call. */
size_t on_holdfast_list_peak(struct front_end *front_end);

#endif
