/*
 * bench/contenders_mimalloc.h -- mimalloc, loaded at run time; included by contenders.h.
 *
 * Its shared library exports malloc and free too: linked, it would replace the C library's, and
 * "malloc" would measure mimalloc. So it is loaded with dlopen, which replaces nothing, and called
 * through function pointers. A call into a linked shared library goes through a pointer, too.
 *
 *     mimalloc               mi_malloc; mi_free in the order of allocation
 *     mimalloc_heap          mi_heap_malloc; mi_heap_destroy and mi_heap_new, as an arena is reset
 *     mimalloc_tuned         mimalloc that never returns memory to the system (purge delay -1)
 *     mimalloc_small_pages   mimalloc without huge pages (PR_SET_THP_DISABLE)
 */
#ifndef BENCH_CONTENDERS_MIMALLOC_H
#define BENCH_CONTENDERS_MIMALLOC_H

#include <mimalloc.h>

/* clang-format off */
#define MIMALLOC_FUNCTIONS(X)                                                                      \
    X(version) X(malloc) X(free) X(realloc) X(collect) X(option_get) X(option_set)                 \
    X(heap_new) X(heap_malloc) X(heap_realloc) X(heap_destroy)
/* clang-format on */

/* Its functions: mi_malloc is mi.malloc. */
typedef struct mimalloc_library {
#define MIMALLOC_POINTER(name) __typeof__(mi_##name) *name;
    MIMALLOC_FUNCTIONS(MIMALLOC_POINTER)
#undef MIMALLOC_POINTER
} mimalloc_library;

extern mimalloc_library mi;

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
    return mi.malloc(size);
}

BENCH_INLINE void *mimalloc_realloc(bench_heap *heap, void *object, size_t old_size,
                                    size_t new_size) {
    (void)heap;
    (void)old_size;
    return mi.realloc(object, new_size);
}

BENCH_INLINE void mimalloc_free_one(void *object) { mi.free(object); }

BENCH_INLINE void *mimalloc_heap_allocate(bench_heap *heap, size_t size) {
    return mi.heap_malloc(heap->mimalloc, size);
}

BENCH_INLINE void *mimalloc_heap_realloc(bench_heap *heap, void *object, size_t old_size,
                                         size_t new_size) {
    (void)old_size;
    return mi.heap_realloc(heap->mimalloc, object, new_size);
}

BENCH_INLINE void mimalloc_heap_free_all(bench_heap *heap) {
    mi.heap_destroy(heap->mimalloc);
    heap->mimalloc = mi.heap_new();
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

#define MIMALLOC_CONTENDERS(X) X(mimalloc) X(mimalloc_heap)
#define CONTENDERS_TUNED(X) X(mimalloc_tuned)
#define CONTENDERS_ON_SMALL_PAGES(X) X(holdfast_small_pages) X(mimalloc_small_pages)

#endif
