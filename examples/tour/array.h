/*
 * array.h -- a growing array that never moves: an arena with one block, extended in place.
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

bool array_open(struct array *array, size_t item_size, const char *name);
void array_close(struct array *array);

/* A zeroed item at the end; NULL when there is no memory. */
void *array_add(struct array *array);

void array_drop_last(struct array *array);

#endif
