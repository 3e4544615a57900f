/** @file
 *  holdfast/adapt/png.h: readers and writers of libpng in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/png.h>
 *
 *  // Whether libpng can read an image in this heap.
 *  int can_read(hf_heap *heap) {
 *      png_structp png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL, heap,
 *                                                 hf_png_malloc, hf_png_free);
 *      png_infop info = png ? png_create_info_struct(png) : NULL;
 *      int can = info != NULL; // png_set_read_fn(), png_read_info() ...
 *      png_destroy_read_struct(&png, &info, NULL); // or hf_heap_reset(heap)
 *      return can;
 *  }
 *  @endcode
 *
 *  libpng wants a heap: it frees rows, chunks and zlib's streams (which it allocates in the heap,
 *  too) in any order.
 *
 *  hf_heap_reset() frees all readers and writers of the heap at once: libpng has no other
 *  resources. Use none of them after that. Use one heap for each thread.
 */
#ifndef HOLDFAST_ADAPT_PNG_H
#define HOLDFAST_ADAPT_PNG_H

#include <png.h>

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Allocates a block: a png_malloc_ptr.
 *  @param png   the reader or writer, whose memory pointer is the hf_heap
 *  @param size  the block's size in bytes
 *  @return the block; NULL (libpng reports "Out of memory"): as hf_heap_malloc() */
static inline png_voidp PNGCBAPI hf_png_malloc(png_structp png, png_alloc_size_t size) {
    return hf_heap_malloc(HF_AS(hf_heap, png_get_mem_ptr(png)), size);
}

/** Frees a block: a png_free_ptr.
 *  @param png    the reader or writer, whose memory pointer is the hf_heap
 *  @param block  the block; NULL: nothing happens */
static inline void PNGCBAPI hf_png_free(png_structp png, png_voidp block) {
    hf_heap_free(HF_AS(hf_heap, png_get_mem_ptr(png)), block);
}

#ifdef __cplusplus
}
#endif

#endif
