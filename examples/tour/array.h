/*
 * array.h -- a growing array that never moves: an arena with one block that grows in place.
 *
 *     struct array numbers;
 *     if (!array_open(&numbers, sizeof(int), "numbers")) ...
 *     int *number = array_add(&numbers);
 */
#ifndef TOUR_ARRAY_H
#define TOUR_ARRAY_H

#include <stdbool.h>

#include "holdfast/arena.h"

struct array {
    void *items; /* NULL while there are none */
    size_t count, item_size;
    hf_arena arena;
};

/* False: no memory or no addresses; the name shows in the system's tools. */
bool array_open(struct array *array, size_t item_size, const char *name);
void array_close(struct array *array);

/* Appends a zeroed item and returns it; NULL: no memory. */
void *array_add(struct array *array);

/* Removes the last item; there must be one. */
void array_drop_last(struct array *array);

#endif
