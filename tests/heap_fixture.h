/*
 * heap_fixture.h -- what the tests of heaps share.
 *
 * Under a sanitizer blocks have red zones and are used again late: tests that depend on where a
 * block lies, or on its exact size, ask heap_is_exact() first.
 */
#ifndef HOLDFAST_TESTS_HEAP_FIXTURE_H
#define HOLDFAST_TESTS_HEAP_FIXTURE_H

#include <holdfast/heap.h>

#include "arena_fixture.h"

static inline hf_heap *open_heap(hf_heap_options options) {
    hf_heap *heap = NULL;
    CHECK_STATUS(HF_OK, hf_heap_open(&heap, &options));
    return heap;
}

static inline void check_and_close(hf_heap *heap) {
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    hf_heap_close(heap);
}

/* False under a sanitizer. */
static inline bool heap_is_exact(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = MIB});
    bool exact = hf_heap_usable_size(heap, hf_heap_malloc(heap, 1)) > 1;
    hf_heap_close(heap);
    return exact;
}

/* A block that is filled with the seed's pattern. */
static inline char *filled_block(hf_heap *heap, size_t size, unsigned seed) {
    char *block = (char *)hf_heap_malloc(heap, size);
    CHECK(block != NULL);
    fill(block, size, seed);
    return block;
}

static inline size_t count_blocks(const hf_heap *heap) { return hf_heap_get_stats(heap).blocks; }

#endif
