/*
 * bench/contenders_mimalloc.h -- mimalloc; included by contenders.h.
 *
 * Its shared library exports malloc and free too: linked, it would replace the C library's, and
 * "malloc" would measure mimalloc. So holdfast-bench loads it with dlopen, which replaces nothing,
 * and calls it through function pointers. holdfast-bench-mimalloc (BENCH_MIMALLOC_LINKED) is linked
 * with it and has no other contenders; its benchmarks are named `workload/contender_linked`.
 *
 *     mimalloc               mi_malloc; mi_free in the order of allocation
 *     mimalloc_heap          mi_heap_malloc; mi_heap_destroy and mi_heap_new, as an arena is reset
 *     mimalloc_tuned         mimalloc that never returns memory to the system (purge delay -1)
 *     mimalloc_small_pages   mimalloc without huge pages (PR_SET_THP_DISABLE)
 *
 * and linked, with the calls for sizes up to MI_SMALL_SIZE_MAX that get the thread's part of a heap
 * (mi_theap_t) instead of looking it up:
 *
 *     mimalloc_small         mi_theap_malloc_small on mi_theap_get_default; mi_free_small
 *     mimalloc_heap_small    mi_theap_malloc_small on mi_heap_theap; mi_heap_destroy
 *
 * mi_malloc_csize and mi_theap_malloc_csize, which mimalloc.h has inline, compute the size in words
 * and call mi_wmalloc_small and mi_theap_wmalloc_small, which the shared library does not export.
 */
#ifndef BENCH_CONTENDERS_MIMALLOC_H
#define BENCH_CONTENDERS_MIMALLOC_H

#include <mimalloc.h>

/* MI(malloc) is mi_malloc. */
#ifdef BENCH_MIMALLOC_LINKED

#define MI(name) mi_##name
#if MI_MALLOC_VERSION >= 30600
#define MIMALLOC_HAS_THEAPS
#endif

#else

#define MI(name) mi.name

/* clang-format off */
#define MIMALLOC_FUNCTIONS(X)                                                                      \
    X(version) X(malloc) X(free) X(realloc) X(collect) X(option_get) X(option_set)                 \
    X(heap_new) X(heap_malloc) X(heap_realloc) X(heap_destroy)
/* clang-format on */

typedef struct mimalloc_library {
#define MIMALLOC_POINTER(name) __typeof__(mi_##name) *name;
    MIMALLOC_FUNCTIONS(MIMALLOC_POINTER)
#undef MIMALLOC_POINTER
} mimalloc_library;

extern mimalloc_library mi;

#endif

/* Loads it at the first call. False: the library or one of its functions was not found. */
bool mimalloc_load(void);

bool mimalloc_open(bench_heap *heap);
void mimalloc_close(bench_heap *heap);
bool mimalloc_heap_open(bench_heap *heap);
void mimalloc_heap_close(bench_heap *heap);
bool mimalloc_tuned_open(bench_heap *heap);
void mimalloc_tuned_close(bench_heap *heap);
bool mimalloc_small_pages_open(bench_heap *heap);
void mimalloc_small_pages_close(bench_heap *heap);

BENCH_INLINE void *mimalloc_allocate(bench_heap *heap, size_t size) {
    (void)heap;
    return MI(malloc)(size);
}

BENCH_INLINE void *mimalloc_realloc(bench_heap *heap, void *object, size_t old_size,
                                    size_t new_size) {
    (void)heap;
    (void)old_size;
    return MI(realloc)(object, new_size);
}

BENCH_INLINE void mimalloc_free_one(bench_heap *heap, void *object) {
    (void)heap;
    MI(free)(object);
}

BENCH_INLINE void *mimalloc_heap_allocate(bench_heap *heap, size_t size) {
    return MI(heap_malloc)(heap->mimalloc.heap, size);
}

BENCH_INLINE void *mimalloc_heap_realloc(bench_heap *heap, void *object, size_t old_size,
                                         size_t new_size) {
    (void)old_size;
    return MI(heap_realloc)(heap->mimalloc.heap, object, new_size);
}

BENCH_INLINE void mimalloc_heap_free_all(bench_heap *heap) {
    MI(heap_destroy)(heap->mimalloc.heap);
    heap->mimalloc.heap = MI(heap_new)();
}

static const bench_contender contender_mimalloc = {
    .open = mimalloc_open,
    .allocate = mimalloc_allocate,
    .resize = mimalloc_realloc,
    .free_one = mimalloc_free_one,
    .close = mimalloc_close,
};

static const bench_contender contender_mimalloc_heap = {
    .open = mimalloc_heap_open,
    .allocate = mimalloc_heap_allocate,
    .resize = mimalloc_heap_realloc,
    .free_all = mimalloc_heap_free_all,
    .close = mimalloc_heap_close,
};

static const bench_contender contender_mimalloc_tuned = {
    .open = mimalloc_tuned_open,
    .allocate = mimalloc_allocate,
    .resize = mimalloc_realloc,
    .free_one = mimalloc_free_one,
    .close = mimalloc_tuned_close,
};

static const bench_contender contender_mimalloc_small_pages = {
    .open = mimalloc_small_pages_open,
    .allocate = mimalloc_allocate,
    .resize = mimalloc_realloc,
    .free_one = mimalloc_free_one,
    .close = mimalloc_small_pages_close,
};

#ifdef MIMALLOC_HAS_THEAPS

bool mimalloc_small_open(bench_heap *heap);
bool mimalloc_heap_small_open(bench_heap *heap);

BENCH_INLINE void *mimalloc_small_allocate(bench_heap *heap, size_t size) {
    return mi_theap_malloc_small(heap->mimalloc.of_thread, size);
}

BENCH_INLINE void mimalloc_small_free_one(bench_heap *heap, void *object) {
    (void)heap;
    mi_free_small(object);
}

BENCH_INLINE void mimalloc_heap_small_free_all(bench_heap *heap) {
    mi_heap_destroy(heap->mimalloc.heap);
    mimalloc_heap_small_open(heap);
}

static const bench_contender contender_mimalloc_small = {
    .open = mimalloc_small_open,
    .allocate = mimalloc_small_allocate,
    .free_one = mimalloc_small_free_one,
    .close = mimalloc_close,
};

static const bench_contender contender_mimalloc_heap_small = {
    .open = mimalloc_heap_small_open,
    .allocate = mimalloc_small_allocate,
    .free_all = mimalloc_heap_small_free_all,
    .close = mimalloc_heap_close,
};

#define MIMALLOC_SMALL(X) X(mimalloc_small) X(mimalloc_heap_small)
#else
#define MIMALLOC_SMALL(X)
#endif

#define MIMALLOC_CONTENDERS(X) X(mimalloc) X(mimalloc_heap)
#ifdef BENCH_MIMALLOC_LINKED
#define CONTENDERS_TUNED(X)
#define CONTENDERS_BY_PAGE_SIZE(X)
#else
#define CONTENDERS_TUNED(X) X(mimalloc_tuned)
#define CONTENDERS_BY_PAGE_SIZE(X) \
    X(holdfast_small_pages) X(holdfast_huge_pages) X(mimalloc_small_pages)
#endif

#endif
