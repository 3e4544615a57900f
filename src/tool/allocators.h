/*
 * allocators.h -- finds the libraries of the allocators.
 */
#ifndef TOOL_ALLOCATORS_H
#define TOOL_ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>

#include "compare.h"

/* Stores the path of libholdfast-malloc.so. False: `why` says why not. */
bool allocators_find_holdfast(char *path, size_t room, char *why, size_t why_room);

/* Adds the C library's malloc, with huge pages, too, and each known allocator, which is left out
 * if it was not found. */
void allocators_add_known(struct compare *compare);

/* Adds "NAME=PATH". False: not possible; reported on stderr. */
bool allocators_add_named(struct compare *compare, const char *pair);

#endif
