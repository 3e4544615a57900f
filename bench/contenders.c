/* bench/contenders.c -- how each contender opens and closes; contenders.h has the inlined rest. */
#include "contenders.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>

void forbid_huge_pages(bool forbidden) { prctl(PR_SET_THP_DISABLE, forbidden, 0, 0, 0); }

/* ------------------------------------------------------------------ floor ----------------- */

static const size_t huge_page = (size_t)2 << 20;
static const size_t floor_size = ((size_t)1 << 30) + ((size_t)8 << 20);

/* mmap aligns to pages only, so pos begins at the first multiple of 2 MiB in the mapping. */
bool floor_open(bench_heap *heap) {
    char *mapping = mmap(NULL, floor_size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) return false;
    size_t skipped = (0 - (uintptr_t)mapping) & (huge_page - 1);
    char *base = mapping + skipped, *huge = base + huge_page, *limit = mapping + floor_size;
    madvise(base, huge_page, MADV_NOHUGEPAGE);
    madvise(huge, (size_t)(limit - huge), MADV_HUGEPAGE);
    heap->floor = (floor_arena){.pos = base, .limit = limit, .base = base};
    return true;
}

/* Leaves up to 2 MiB before base mapped: untouched, so it takes no memory. */
void floor_close(bench_heap *heap) {
    munmap(heap->floor.base, (size_t)(heap->floor.limit - heap->floor.base));
}

/* --------------------------------------------------------------- holdfast ----------------- */

bool holdfast_open(bench_heap *heap) { return hf_arena_open(&heap->holdfast, NULL) == HF_OK; }

void holdfast_close(bench_heap *heap) { hf_arena_close(&heap->holdfast); }

bool holdfast_heap_open(bench_heap *heap) { return hf_heap_open(&heap->general, NULL) == HF_OK; }

void holdfast_heap_close(bench_heap *heap) { hf_heap_close(heap->general); }

bool holdfast_small_pages_open(bench_heap *heap) {
    forbid_huge_pages(true);
    return holdfast_open(heap);
}

void holdfast_small_pages_close(bench_heap *heap) {
    holdfast_close(heap);
    forbid_huge_pages(false);
}

bool holdfast_huge_pages_open(bench_heap *heap) {
    hf_arena_options options = {.huge_pages = HF_HUGE_ALWAYS};
    return hf_arena_open(&heap->holdfast, &options) == HF_OK;
}

/* ----------------------------------------------------------------- malloc ----------------- */

bool malloc_open(bench_heap *heap) {
    (void)heap;
    return true;
}

void malloc_close(bench_heap *heap) {
    (void)heap;
    malloc_trim(0);
}
