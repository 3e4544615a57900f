/** @file
 *  holdfast/adapt/stb.h: stb_image, stb_image_write and stb_ds in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/heap.h>
 *
 *  static hf_heap *images; // HF_STB_HEAP may be any expression that is an hf_heap *
 *  #define HF_STB_HEAP images
 *  #include <holdfast/adapt/stb.h>
 *  #define STB_IMAGE_IMPLEMENTATION
 *  #include <stb/stb_image.h>
 *
 *  // How wide an image is; -1 if it cannot be decoded.
 *  int image_width(hf_heap *heap, const unsigned char *file, int size) {
 *      int width, height, channels;
 *      images = heap;
 *      stbi_uc *pixels = stbi_load_from_memory(file, size, &width, &height, &channels, 4);
 *      stbi_image_free(pixels); // or hf_heap_reset(heap)
 *      return pixels ? width : -1;
 *  }
 *  @endcode
 *
 *  Include it before the library's implementation, in that source alone (for stb_ds, which has
 *  macros that allocate, in each source). HF_STB_HEAP is evaluated at each call, so it may also be
 *  thread-local: then each thread has a heap of its own.
 *
 *  These libraries want a heap: they free what they need for decoding in any order, and buffers
 *  grow by realloc. Free an image with stbi_image_free(), or hf_heap_free().
 *
 *  hf_heap_reset() frees all images, arrays and tables at once. Use none of them after that. The
 *  libraries keep no block.
 */
#ifndef HOLDFAST_ADAPT_STB_H
#define HOLDFAST_ADAPT_STB_H

#include "../heap.h"

#ifndef HF_STB_HEAP
#error "define HF_STB_HEAP as an expression that is an hf_heap *"
#endif

/** Allocates a block, for stb_image.
 *  @param size  its size in bytes
 *  @return the block; NULL: as hf_heap_malloc() */
#define STBI_MALLOC(size) hf_heap_malloc(HF_STB_HEAP, (size))

/** Changes the size of a block, for stb_image.
 *  @param block     the block; NULL: a new one is allocated
 *  @param old_size  its size in bytes; ignored
 *  @param size      its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
#define STBI_REALLOC_SIZED(block, old_size, size) hf_heap_realloc(HF_STB_HEAP, (block), (size))

/** Changes the size of a block, for stb_image.
 *  @param block  the block; NULL: a new one is allocated
 *  @param size   its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
#define STBI_REALLOC(block, size) hf_heap_realloc(HF_STB_HEAP, (block), (size))

/** Frees a block, for stb_image.
 *  @param block  the block; NULL: nothing happens */
#define STBI_FREE(block) hf_heap_free(HF_STB_HEAP, (block))

/** Allocates a block, for stb_image_write.
 *  @param size  its size in bytes
 *  @return the block; NULL: as hf_heap_malloc() */
#define STBIW_MALLOC(size) hf_heap_malloc(HF_STB_HEAP, (size))

/** Changes the size of a block, for stb_image_write.
 *  @param block     the block; NULL: a new one is allocated
 *  @param old_size  its size in bytes; ignored
 *  @param size      its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
#define STBIW_REALLOC_SIZED(block, old_size, size) hf_heap_realloc(HF_STB_HEAP, (block), (size))

/** Changes the size of a block, for stb_image_write.
 *  @param block  the block; NULL: a new one is allocated
 *  @param size   its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
#define STBIW_REALLOC(block, size) hf_heap_realloc(HF_STB_HEAP, (block), (size))

/** Frees a block, for stb_image_write.
 *  @param block  the block; NULL: nothing happens */
#define STBIW_FREE(block) hf_heap_free(HF_STB_HEAP, (block))

/** Changes the size of a block, for stb_ds.
 *  @param context  ignored
 *  @param block    the block; NULL: a new one is allocated
 *  @param size     its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
#define STBDS_REALLOC(context, block, size) hf_heap_realloc(HF_STB_HEAP, (block), (size))

/** Frees a block, for stb_ds.
 *  @param context  ignored
 *  @param block    the block; NULL: nothing happens */
#define STBDS_FREE(context, block) hf_heap_free(HF_STB_HEAP, (block))

#endif
