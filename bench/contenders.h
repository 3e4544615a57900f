/*
 * bench/contenders.h -- the allocators that are compared.
 *
 * A workload is written once, as an inline function that takes a contender. Called with one of the
 * constants below it compiles to a loop for that contender alone: all loops are the same code,
 * except for the inlined allocation and release.
 *
 *     floor                  a hand-written bump allocator over one mapping, with the fewest
 *                            instructions possible; huge pages from 2 MiB on
 *     floor_prefetch         the same with the prefetch instruction of hf_alloc
 *     holdfast               an arena with default options; released by hf_reset
 *     holdfast_small_pages   the same without huge pages (PR_SET_THP_DISABLE)
 *     holdfast_huge_pages    the same with HF_HUGE_ALWAYS
 *     holdfast_heap          an hf_heap; hf_heap_free in the order of allocation
 *     holdfast_heap_reset    the same; hf_heap_reset
 *     malloc                 the C library's; free in the order of allocation
 *     mimalloc...            see contenders_mimalloc.h
 *
 * Every object is aligned to 16 bytes, as malloc aligns it.
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
    hf_heap *general;
    struct {
        void *heap, *of_thread; /* mi_heap_t, mi_theap_t */
    } mimalloc;
} bench_heap;

/* An allocator. It has either free_one or free_all; the other is NULL. */
typedef struct bench_contender {
    bool (*open)(bench_heap *); /* false: not available on this system */
    void *(*allocate)(bench_heap *, size_t size);
    /* NULL: only for workloads that never resize. */
    void *(*resize)(bench_heap *, void *last_object, size_t old_size, size_t new_size);
    bool reallocs_in_place; /* resize never copies, so that a workload may grow in small steps */
    void (*free_one)(bench_heap *, void *object);
    void (*free_all)(bench_heap *);
    void (*close)(bench_heap *); /* all objects are free: returns the memory to the system */
} bench_contender;

/* Frees all `count` objects. */
BENCH_INLINE void release(const bench_contender *contender, bench_heap *heap, void **objects,
                          size_t count) {
    if (contender->free_all) {
        contender->free_all(heap);
        return;
    }
    for (size_t i = 0; i < count; i++) contender->free_one(heap, objects[i]);
}

/* Forbids or allows transparent huge pages to this process, for pages touched from now on. */
void forbid_huge_pages(bool forbidden);

/* ------------------------------------------------------------------ floor ----------------- */

/* Maps 1 GiB, enough for every workload, and 8 MiB for alignment. */
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

BENCH_INLINE void *floor_prefetch_allocate(bench_heap *heap, size_t size) {
    char *object = floor_allocate(heap, size);
    HF_PREFETCH(object + HF_PREFETCH_AHEAD);
    return object;
}

static const bench_contender contender_floor_prefetch = {
    .open = floor_open,
    .allocate = floor_prefetch_allocate,
    .free_all = floor_free_all,
    .close = floor_close,
};

/* --------------------------------------------------------------- holdfast ----------------- */

bool holdfast_open(bench_heap *heap);
void holdfast_close(bench_heap *heap);
bool holdfast_small_pages_open(bench_heap *heap);
void holdfast_small_pages_close(bench_heap *heap);
bool holdfast_huge_pages_open(bench_heap *heap);

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

static const bench_contender contender_holdfast_huge_pages = {
    .open = holdfast_huge_pages_open,
    .allocate = holdfast_allocate,
    .resize = holdfast_realloc,
    .reallocs_in_place = true,
    .free_all = holdfast_free_all,
    .close = holdfast_close,
};

bool holdfast_heap_open(bench_heap *heap);
void holdfast_heap_close(bench_heap *heap);

BENCH_INLINE void *holdfast_heap_allocate(bench_heap *heap, size_t size) {
    return hf_heap_malloc(heap->general, size);
}

BENCH_INLINE void *holdfast_heap_realloc(bench_heap *heap, void *object, size_t old_size,
                                         size_t new_size) {
    (void)old_size;
    return hf_heap_realloc(heap->general, object, new_size);
}

BENCH_INLINE void holdfast_heap_free_one(bench_heap *heap, void *object) {
    hf_heap_free(heap->general, object);
}

BENCH_INLINE void holdfast_heap_free_all(bench_heap *heap) { hf_heap_reset(heap->general); }

static const bench_contender contender_holdfast_heap = {
    .open = holdfast_heap_open,
    .allocate = holdfast_heap_allocate,
    .resize = holdfast_heap_realloc,
    .free_one = holdfast_heap_free_one,
    .close = holdfast_heap_close,
};

static const bench_contender contender_holdfast_heap_reset = {
    .open = holdfast_heap_open,
    .allocate = holdfast_heap_allocate,
    .resize = holdfast_heap_realloc,
    .free_all = holdfast_heap_free_all,
    .close = holdfast_heap_close,
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

BENCH_INLINE void malloc_free_one(bench_heap *heap, void *object) {
    (void)heap;
    free(object);
}

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
#define CONTENDERS_BY_PAGE_SIZE(X) X(holdfast_small_pages) X(holdfast_huge_pages)
#endif

/* X(name) for each contender. The variants in CONTENDERS_TUNED and CONTENDERS_BY_PAGE_SIZE differ
 * only in how they get memory from the system, those in CONTENDERS_OF_FAST_PATHS only in a few
 * instructions for each object, so only workloads that measure that have them. */
#ifdef BENCH_MIMALLOC_LINKED
#define CONTENDERS(X) MIMALLOC_CONTENDERS(X)
#define CONTENDERS_OF_FAST_PATHS(X) MIMALLOC_SMALL(X)
#define CONTENDERS_OF_RESETS(X)
#define CONTENDERS_OF_RANDOM(X) X(mimalloc)
#else
#define CONTENDERS(X) X(floor) X(holdfast) X(holdfast_heap) MIMALLOC_CONTENDERS(X) X(malloc)
#define CONTENDERS_OF_FAST_PATHS(X) X(floor_prefetch)
#define CONTENDERS_OF_RESETS(X) X(holdfast_heap_reset)
#ifdef HOLDFAST_MIMALLOC_LIBRARY
#define CONTENDERS_OF_RANDOM(X) X(holdfast_heap) X(mimalloc) X(malloc)
#else
#define CONTENDERS_OF_RANDOM(X) X(holdfast_heap) X(malloc)
#endif
#endif

#endif
