/*
 * on_malloc.c -- the front end on the C library's malloc.
 */
#include <stdlib.h>

#include "front_end.h"

typedef struct name *name_ref;

#define heap_open() true
#define heap_alloc malloc
#define heap_realloc realloc
#define heap_free free

#define WORK_NAME "malloc"
#define WORK_KIND on_malloc
#include "on_heap.h"
