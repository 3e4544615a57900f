/** @file
 *  holdfast/adapt/tree_sitter.h: parsers and trees of tree-sitter in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/tree_sitter.h>
 *  #include <tree_sitter/api.h>
 *
 *  // How many children the root of a text's syntax tree has.
 *  unsigned count_children(hf_heap *heap, const TSLanguage *language, const char *text,
 *                          unsigned size) {
 *      hf_tree_sitter_use(heap);
 *      ts_set_allocator(hf_tree_sitter_malloc, hf_tree_sitter_calloc, hf_tree_sitter_realloc,
 *                       hf_tree_sitter_free);
 *      TSParser *parser = ts_parser_new();
 *      if (!ts_parser_set_language(parser, language)) return 0;
 *      TSTree *tree = ts_parser_parse_string(parser, NULL, text, size);
 *      unsigned count = ts_node_child_count(ts_tree_root_node(tree));
 *      hf_heap_reset(heap); // in place of ts_tree_delete(), ts_parser_delete()
 *      return count;
 *  }
 *  @endcode
 *
 *  tree-sitter wants a heap: trees of successive versions of a text share nodes, which are counted
 *  and freed one by one.
 *
 *  hf_heap_reset() frees all parsers, trees and queries at once. Use none of them after that. Where
 *  tree-sitter aborts because malloc failed, it does so if the heap fails: give the heap a large
 *  hf_heap_options::reserve, as the default is.
 *
 *  Threads: these functions have no context, so the process has one heap for tree-sitter, which
 *  must be used in one thread at a time. Include this header in the source that calls
 *  ts_set_allocator() alone.
 */
#ifndef HOLDFAST_ADAPT_TREE_SITTER_H
#define HOLDFAST_ADAPT_TREE_SITTER_H

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @cond private */

static inline hf_heap **hf_tree_sitter_heap(void) {
    static hf_heap *heap;
    return &heap;
}

/** @endcond */

/** Sets the heap of the functions below.
 *  @param heap  the heap; not NULL; open as long as there are parsers, trees and queries */
static inline void hf_tree_sitter_use(hf_heap *heap) { *hf_tree_sitter_heap() = heap; }

/** Allocates a block.
 *  @param size  its size in bytes
 *  @return the block; NULL: as hf_heap_malloc() */
static inline void *hf_tree_sitter_malloc(size_t size) {
    return hf_heap_malloc(*hf_tree_sitter_heap(), size);
}

/** Allocates a block whose bytes are 0.
 *  @param count  how many objects
 *  @param size   bytes of each
 *  @return the block; NULL: as hf_heap_calloc() */
static inline void *hf_tree_sitter_calloc(size_t count, size_t size) {
    return hf_heap_calloc(*hf_tree_sitter_heap(), count, size);
}

/** Changes the size of a block.
 *  @param block  the block; NULL: a new one is allocated
 *  @param size   its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
static inline void *hf_tree_sitter_realloc(void *block, size_t size) {
    return hf_heap_realloc(*hf_tree_sitter_heap(), block, size);
}

/** Frees a block.
 *  @param block  the block; NULL: nothing happens */
static inline void hf_tree_sitter_free(void *block) { hf_heap_free(*hf_tree_sitter_heap(), block); }

#ifdef __cplusplus
}
#endif

#endif
