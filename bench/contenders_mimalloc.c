/* bench/contenders_mimalloc.c -- loads mimalloc, unless it is linked; how its contenders open and
 * close. */
#include "contenders.h"

#ifdef BENCH_MIMALLOC_LINKED

bool mimalloc_load(void) { return true; }

#else

#include <dlfcn.h>
#include <string.h>

mimalloc_library mi;

/* memcpy, because ISO C does not convert the void * of dlsym to a function pointer. */
static bool look_up(void *library, const char *name, void *function, size_t size) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, size);
    return symbol != NULL;
}

bool mimalloc_load(void) {
    if (mi.version) return true;
    void *library = dlopen(HOLDFAST_MIMALLOC_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool is_complete = library != NULL;
#define MIMALLOC_LOOK_UP(name) \
    is_complete = is_complete && look_up(library, "mi_" #name, &mi.name, sizeof mi.name);
    MIMALLOC_FUNCTIONS(MIMALLOC_LOOK_UP)
#undef MIMALLOC_LOOK_UP
    return is_complete;
}

#endif

bool mimalloc_open(bench_heap *heap) {
    (void)heap;
    return mimalloc_load();
}

/* mi_collect(true) returns free pages at once, so that the next run gets fresh memory. */
void mimalloc_close(bench_heap *heap) {
    (void)heap;
    MI(collect)(true);
}

bool mimalloc_heap_open(bench_heap *heap) {
    if (!mimalloc_load()) return false;
    heap->mimalloc.heap = MI(heap_new)();
    return heap->mimalloc.heap != NULL;
}

void mimalloc_heap_close(bench_heap *heap) {
    MI(heap_destroy)(heap->mimalloc.heap);
    MI(collect)(true);
}

#ifdef MIMALLOC_HAS_THEAPS

bool mimalloc_small_open(bench_heap *heap) {
    heap->mimalloc.of_thread = mi_theap_get_default();
    return true;
}

bool mimalloc_heap_small_open(bench_heap *heap) {
    mi_heap_t *opened = mi_heap_new();
    heap->mimalloc.heap = opened;
    heap->mimalloc.of_thread = opened ? mi_heap_theap(opened) : NULL;
    return heap->mimalloc.of_thread != NULL;
}

#endif

static long usual_purge_delay;

bool mimalloc_tuned_open(bench_heap *heap) {
    if (!mimalloc_open(heap)) return false;
    usual_purge_delay = MI(option_get)(mi_option_purge_delay);
    MI(option_set)(mi_option_purge_delay, -1);
    return true;
}

void mimalloc_tuned_close(bench_heap *heap) {
    MI(option_set)(mi_option_purge_delay, usual_purge_delay);
    mimalloc_close(heap);
}

bool mimalloc_small_pages_open(bench_heap *heap) {
    forbid_huge_pages(true);
    return mimalloc_open(heap);
}

void mimalloc_small_pages_close(bench_heap *heap) {
    mimalloc_close(heap);
    forbid_huge_pages(false);
}
