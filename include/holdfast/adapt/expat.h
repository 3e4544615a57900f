/** @file
 *  holdfast/adapt/expat.h: parsers of expat in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/expat.h>
 *
 *  // Whether a text is well-formed XML.
 *  int is_xml(hf_heap *heap, const char *text, int size) {
 *      XML_Memory_Handling_Suite suite = hf_expat_suite(heap);
 *      XML_Parser parser = XML_ParserCreate_MM(NULL, &suite, NULL);
 *      int is_good = parser && XML_Parse(parser, text, size, 1) == XML_STATUS_OK;
 *      XML_ParserFree(parser); // or hf_heap_reset(heap)
 *      return is_good;
 *  }
 *  @endcode
 *
 *  expat wants a heap: its buffers grow by realloc, several at a time, and an arena can grow only
 *  the last one in place.
 *
 *  hf_heap_reset() frees all parsers of the heap at once. Use none of them after that. expat itself
 *  keeps nothing.
 *
 *  Threads: a suite has no context, so the process has one heap for it, and parsers that were
 *  created with it must be used in one thread at a time. Include this header in the source that
 *  calls hf_expat_suite() alone.
 */
#ifndef HOLDFAST_ADAPT_EXPAT_H
#define HOLDFAST_ADAPT_EXPAT_H

#include <expat.h>

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @cond private */

static inline hf_heap **hf_expat_heap(void) {
    static hf_heap *heap;
    return &heap;
}

static inline void *hf_expat_malloc(size_t size) { return hf_heap_malloc(*hf_expat_heap(), size); }

static inline void *hf_expat_realloc(void *block, size_t size) {
    return hf_heap_realloc(*hf_expat_heap(), block, size);
}

static inline void hf_expat_free(void *block) { hf_heap_free(*hf_expat_heap(), block); }

/** @endcond */

/** The functions that make a parser allocate in a heap; for XML_ParserCreate_MM(), which copies
 *  them.
 *  @param heap  the heap; not NULL; from now on that of all such suites
 *  @return the functions */
static inline XML_Memory_Handling_Suite hf_expat_suite(hf_heap *heap) {
    XML_Memory_Handling_Suite suite;
    *hf_expat_heap() = heap;
    suite.malloc_fcn = hf_expat_malloc;
    suite.realloc_fcn = hf_expat_realloc;
    suite.free_fcn = hf_expat_free;
    return suite;
}

#ifdef __cplusplus
}
#endif

#endif
