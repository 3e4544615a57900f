/** @file
 *  holdfast/adapt/yyjson.h: documents of yyjson in an arena, or in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/yyjson.h>
 *  #include <yyjson.h>
 *
 *  // How many items a JSON array has.
 *  size_t array_size(hf_arena *arena, char *text, size_t size) {
 *      yyjson_alc in_arena = {hf_yyjson_arena_malloc, hf_yyjson_arena_realloc,
 *                             hf_yyjson_arena_free, arena};
 *      size_t mark = hf_get_mark(arena);
 *      yyjson_doc *document = yyjson_read_opts(text, size, 0, &in_arena, NULL);
 *      size_t count = yyjson_arr_size(yyjson_doc_get_root(document));
 *      hf_rewind(arena, mark); // in place of yyjson_doc_free(document)
 *      return count;
 *  }
 *  @endcode
 *
 *  yyjson wants an arena for documents that are read: one block or two for a document, of which the
 *  last one grows in place, and all of them are freed together. Documents that a program changes
 *  for a long time (yyjson_mut_doc), and texts that are freed one by one, are better in a heap:
 *
 *  @code{.c}
 *  #include <holdfast/adapt/yyjson.h>
 *  #include <yyjson.h>
 *
 *  // A document that is freed by yyjson_mut_doc_free(), or hf_heap_reset().
 *  yyjson_mut_doc *new_document(yyjson_alc *in_heap, hf_heap *heap) {
 *      yyjson_alc allocator = {hf_yyjson_malloc, hf_yyjson_realloc, hf_yyjson_free, heap};
 *      *in_heap = allocator;
 *      return yyjson_mut_doc_new(in_heap);
 *  }
 *  @endcode
 *
 *  hf_reset(), hf_rewind() and hf_heap_reset() free documents and texts at once. Use none of them
 *  after that. yyjson itself keeps nothing. Use one arena or heap for each thread.
 */
#ifndef HOLDFAST_ADAPT_YYJSON_H
#define HOLDFAST_ADAPT_YYJSON_H

#include "../arena.h"
#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Allocates a block in an arena: yyjson_alc::malloc.
 *  @param arena  the hf_arena, which is yyjson_alc::ctx; not NULL
 *  @param size   the block's size in bytes
 *  @return the block, aligned to 16 bytes; NULL: as hf_alloc() */
static inline void *hf_yyjson_arena_malloc(void *arena, size_t size) {
    return hf_alloc(HF_AS(hf_arena, arena), size ? size : 1, 16);
}

/** Changes the size of a block in an arena: yyjson_alc::realloc.
 *  @param arena     the hf_arena, which is yyjson_alc::ctx; not NULL
 *  @param block     the block; NULL: a new one is allocated
 *  @param old_size  its size in bytes
 *  @param size      its new size in bytes
 *  @return the block; NULL: as hf_realloc() */
static inline void *hf_yyjson_arena_realloc(void *arena, void *block, size_t old_size,
                                            size_t size) {
    return hf_realloc(HF_AS(hf_arena, arena), block, old_size, size ? size : 1, 16);
}

/** Does nothing, because an arena frees all blocks together: yyjson_alc::free.
 *  @param arena  the hf_arena, which is yyjson_alc::ctx
 *  @param block  the block */
static inline void hf_yyjson_arena_free(void *arena, void *block) {
    (void)arena;
    (void)block;
}

/** Allocates a block in a heap: yyjson_alc::malloc.
 *  @param heap  the hf_heap, which is yyjson_alc::ctx; not NULL
 *  @param size  the block's size in bytes
 *  @return the block; NULL: as hf_heap_malloc() */
static inline void *hf_yyjson_malloc(void *heap, size_t size) {
    return hf_heap_malloc(HF_AS(hf_heap, heap), size);
}

/** Changes the size of a block in a heap: yyjson_alc::realloc.
 *  @param heap      the hf_heap, which is yyjson_alc::ctx; not NULL
 *  @param block     the block; NULL: a new one is allocated
 *  @param old_size  its size in bytes; ignored
 *  @param size      its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
static inline void *hf_yyjson_realloc(void *heap, void *block, size_t old_size, size_t size) {
    (void)old_size;
    return hf_heap_realloc(HF_AS(hf_heap, heap), block, size);
}

/** Frees a block of a heap: yyjson_alc::free.
 *  @param heap   the hf_heap, which is yyjson_alc::ctx; not NULL
 *  @param block  the block; NULL: nothing happens */
static inline void hf_yyjson_free(void *heap, void *block) {
    hf_heap_free(HF_AS(hf_heap, heap), block);
}

#ifdef __cplusplus
}
#endif

#endif
