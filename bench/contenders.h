/*
 * bench/contenders.h -- who is measured: ways to get memory and to give it back.
 *
 * A workload is written once, as an inline function that takes a contender. Called with one of the
 * constants below it compiles to that contender's own loop: the same code for all, but for the
 * allocation in its middle and the release at its end.
 *
 *     floor                  the least that an arena in memory can do; the pages are huge ones,
 *                            but for the first 2 MiB, as holdfast's are
 *     holdfast               an arena with no option set; released by hf_reset
 *     holdfast_small_pages   the same in a process that may have no huge pages
 *     malloc                 the C library's, freed in the order of allocation
 *     mimalloc...            see contenders_mimalloc.h
 *
 * Every object lies at a multiple of 16, which is what malloc promises.
 */
#ifndef BENCH_CONTENDERS_H
#define BENCH_CONTENDERS_H

#include <holdfast.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define BENCH_INLINE static inline __attribute__((always_inline))

enum { OBJECT_ALIGNMENT = 16 };

typedef struct floor_arena {
    char *pos, *limit;
    char *base;
} floor_arena;

typedef union bench_heap {
    floor_arena floor;
    hf_arena holdfast;
    void *mimalloc;
} bench_heap;

/* Of free_one and free_all a contender has one; the other is NULL. */
typedef struct bench_contender {
    bool (*open)(bench_heap *); /* nothing is allocated yet; false: it cannot be had */
    void *(*allocate)(bench_heap *, size_t size);
    void *(*resize)(bench_heap *, void *last_object, size_t old_size, size_t new_size);
    bool reallocs_in_place; /* so small steps are cheap; who copies does better to double */
    void (*free_one)(void *object);
    void (*free_all)(bench_heap *);
    void (*close)(bench_heap *); /* gives the memory back to the system; every object is free */
} bench_contender;

/* Gives back all `count` objects, which lie in memory in whatever order. */
BENCH_INLINE void release(const bench_contender *contender, bench_heap *heap, void **objects,
                          size_t count) {
    if (contender->free_all) {
        contender->free_all(heap);
        return;
    }
    for (size_t i = 0; i < count; i++) contender->free_one(objects[i]);
}

/* For this process, from now on; what is mapped stays as it is. */
void forbid_huge_pages(bool forbidden);

/* ------------------------------------------------------------------ floor ----------------- */

/* Room for every workload: 1 GiB, and what alignment takes. */
bool floor_open(bench_heap *heap);
void floor_close(bench_heap *heap);

BENCH_INLINE void *floor_allocate(bench_heap *heap, size_t size) {
    floor_arena *arena = &heap->floor;
    uintptr_t unaligned = (uintptr_t)arena->pos + (OBJECT_ALIGNMENT - 1);
    char *object = (char *)(unaligned & ~(uintptr_t)(OBJECT_ALIGNMENT - 1));
    if (__builtin_expect(size > (size_t)(arena->limit - object), 0)) abort();
    arena->pos = object + size;
    return object;
}

BENCH_INLINE void *floor_resize(bench_heap *heap, void *object, size_t old_size, size_t new_size) {
    (void)old_size;
    heap->floor.pos = object;
    return floor_allocate(heap, new_size);
}

BENCH_INLINE void floor_free_all(bench_heap *heap) { heap->floor.pos = heap->floor.base; }

static const bench_contender contender_floor = {
    .open = floor_open,
    .allocate = floor_allocate,
    .resize = floor_resize,
    .reallocs_in_place = true,
    .free_all = floor_free_all,
    .close = floor_close,
};

/* --------------------------------------------------------------- holdfast ----------------- */

bool holdfast_open(bench_heap *heap);
void holdfast_close(bench_heap *heap);
bool holdfast_small_pages_open(bench_heap *heap);
void holdfast_small_pages_close(bench_heap *heap);

BENCH_INLINE void *holdfast_allocate(bench_heap *heap, size_t size) {
    return hf_alloc(&heap->holdfast, size, OBJECT_ALIGNMENT);
}

BENCH_INLINE void *holdfast_realloc(bench_heap *heap, void *object, size_t old_size,
                                    size_t new_size) {
    return hf_extend(&heap->holdfast, object, old_size, new_size) ? object : NULL;
}

BENCH_INLINE void holdfast_free_all(bench_heap *heap) { hf_reset(&heap->holdfast); }

static const bench_contender contender_holdfast = {
    .open = holdfast_open,
    .allocate = holdfast_allocate,
    .resize = holdfast_realloc,
    .reallocs_in_place = true,
    .free_all = holdfast_free_all,
    .close = holdfast_close,
};

static const bench_contender contender_holdfast_small_pages = {
    .open = holdfast_small_pages_open,
    .allocate = holdfast_allocate,
    .resize = holdfast_realloc,
    .reallocs_in_place = true,
    .free_all = holdfast_free_all,
    .close = holdfast_small_pages_close,
};

/* ----------------------------------------------------------------- malloc ----------------- */

bool malloc_open(bench_heap *heap);
void malloc_close(bench_heap *heap);

BENCH_INLINE void *malloc_allocate(bench_heap *heap, size_t size) {
    (void)heap;
    return malloc(size);
}

BENCH_INLINE void *malloc_realloc(bench_heap *heap, void *object, size_t old_size,
                                  size_t new_size) {
    (void)heap;
    (void)old_size;
    return realloc(object, new_size);
}

BENCH_INLINE void malloc_free_one(void *object) { free(object); }

static const bench_contender contender_malloc = {
    .open = malloc_open,
    .allocate = malloc_allocate,
    .resize = malloc_realloc,
    .free_one = malloc_free_one,
    .close = malloc_close,
};

/* ------------------------------------------------------------ all of them ----------------- */

#ifdef HOLDFAST_MIMALLOC_LIBRARY
#include "contenders_mimalloc.h"
#else
#define MIMALLOC_CONTENDERS(X)
#define CONTENDERS_TUNED(X)
#define CONTENDERS_ON_SMALL_PAGES(X) X(holdfast_small_pages)
#endif

/* X(name) for everyone as they come; those that differ from them only in how memory comes from the
 * system, and goes back to it, are for the workloads where it does. */
#define CONTENDERS(X) X(floor) X(holdfast) MIMALLOC_CONTENDERS(X) X(malloc)

#endif
