/** @file
 *  holdfast/adapt/zlib.h: streams of zlib in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/zlib.h>
 *  #include <zlib.h>
 *
 *  // Compresses bytes; returns the compressed size, or 0 if that fails.
 *  unsigned long compress_in(hf_heap *heap, unsigned char *to, unsigned room, unsigned char *from,
 *                            unsigned size) {
 *      z_stream stream = {0};
 *      stream.zalloc = hf_zlib_alloc;
 *      stream.zfree = hf_zlib_free;
 *      stream.opaque = heap;
 *      if (deflateInit(&stream, Z_DEFAULT_COMPRESSION) != Z_OK) return 0;
 *      stream.next_in = from, stream.avail_in = size;
 *      stream.next_out = to, stream.avail_out = room;
 *      int result = deflate(&stream, Z_FINISH);
 *      deflateEnd(&stream); // or hf_heap_reset(heap)
 *      return result == Z_STREAM_END ? stream.total_out : 0;
 *  }
 *  @endcode
 *
 *  zlib wants a heap: streams end in any order, and each frees a few large blocks, which the next
 *  one uses again.
 *
 *  hf_heap_reset() ends all streams of the heap at once: zlib has no other resources. Use none of
 *  them after that. Use one heap for each thread.
 */
#ifndef HOLDFAST_ADAPT_ZLIB_H
#define HOLDFAST_ADAPT_ZLIB_H

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Allocates a block: an alloc_func.
 *  @param heap   the hf_heap, which is z_stream::opaque; not NULL
 *  @param count  how many objects
 *  @param size   bytes of each
 *  @return the block; NULL (Z_MEM_ERROR): count * size wraps, or as hf_heap_malloc() */
static inline void *hf_zlib_alloc(void *heap, unsigned count, unsigned size) {
    if (size && count > SIZE_MAX / size) return NULL;
    return hf_heap_malloc(HF_AS(hf_heap, heap), (size_t)count * size);
}

/** Frees a block: a free_func.
 *  @param heap   the hf_heap, which is z_stream::opaque; not NULL
 *  @param block  the block; NULL: nothing happens */
static inline void hf_zlib_free(void *heap, void *block) {
    hf_heap_free(HF_AS(hf_heap, heap), block);
}

#ifdef __cplusplus
}
#endif

#endif
