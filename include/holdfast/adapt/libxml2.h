/** @file
 *  holdfast/adapt/libxml2.h: all memory of libxml2 in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/libxml2.h>
 *  #include <libxml/parser.h>
 *
 *  // Whether a text is well-formed XML; -1 if libxml2 cannot use the heap.
 *  int check_xml(hf_heap *heap, const char *text, int size) {
 *      hf_libxml2_use(heap);
 *      if (xmlMemSetup(hf_libxml2_free, hf_libxml2_malloc, hf_libxml2_realloc, hf_libxml2_strdup))
 *          return -1;
 *      xmlInitParser();
 *      xmlDocPtr document = xmlReadMemory(text, size, NULL, NULL, XML_PARSE_NOERROR);
 *      int is_good = document != NULL;
 *      xmlFreeDoc(document);
 *      xmlCleanupParser();
 *      return is_good;
 *  }
 *  @endcode
 *
 *  libxml2 wants a heap: it frees nodes, strings and dictionaries one by one, and its buffers grow
 *  by realloc.
 *
 *  Call xmlMemSetup() before any other function of libxml2, and hf_heap_reset() only after
 *  xmlCleanupParser(): libxml2 keeps blocks of its own until then (encodings, catalogs, the last
 *  error).
 *
 *  Threads: these functions have no context, so the process has one heap for libxml2, which must be
 *  used in one thread at a time. Include this header in the source that calls xmlMemSetup() alone.
 */
#ifndef HOLDFAST_ADAPT_LIBXML2_H
#define HOLDFAST_ADAPT_LIBXML2_H

#include <string.h>

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @cond private */

static inline hf_heap **hf_libxml2_heap(void) {
    static hf_heap *heap;
    return &heap;
}

/** @endcond */

/** Sets the heap of the functions below.
 *  @param heap  the heap; not NULL; open until xmlCleanupParser() */
static inline void hf_libxml2_use(hf_heap *heap) { *hf_libxml2_heap() = heap; }

/** Allocates a block: an xmlMallocFunc.
 *  @param size  its size in bytes
 *  @return the block; NULL: as hf_heap_malloc() */
static inline void *hf_libxml2_malloc(size_t size) {
    return hf_heap_malloc(*hf_libxml2_heap(), size);
}

/** Changes the size of a block: an xmlReallocFunc.
 *  @param block  the block; NULL: a new one is allocated
 *  @param size   its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
static inline void *hf_libxml2_realloc(void *block, size_t size) {
    return hf_heap_realloc(*hf_libxml2_heap(), block, size);
}

/** Frees a block: an xmlFreeFunc.
 *  @param block  the block; NULL: nothing happens */
static inline void hf_libxml2_free(void *block) { hf_heap_free(*hf_libxml2_heap(), block); }

/** Copies a text: an xmlStrdupFunc.
 *  @param text  the text; not NULL
 *  @return the copy; NULL: as hf_heap_malloc() */
static inline char *hf_libxml2_strdup(const char *text) {
    size_t size = strlen(text) + 1;
    void *copy = hf_libxml2_malloc(size);
    return copy ? HF_AS(char, memcpy(copy, text, size)) : NULL;
}

#ifdef __cplusplus
}
#endif

#endif
