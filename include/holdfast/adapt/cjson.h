/** @file
 *  holdfast/adapt/cjson.h: the trees and texts of cJSON in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/cjson.h>
 *
 *  // How many items a JSON array has; -1 if it cannot be parsed.
 *  int count_items(hf_heap *heap, const char *text) {
 *      cJSON_Hooks hooks = hf_cjson_hooks(heap);
 *      cJSON_InitHooks(&hooks);
 *      cJSON *tree = cJSON_Parse(text);
 *      int count = tree ? cJSON_GetArraySize(tree) : -1;
 *      hf_heap_reset(heap); // in place of cJSON_Delete(tree)
 *      return count;
 *  }
 *  @endcode
 *
 *  cJSON wants a heap: it frees nodes one by one, and texts that it prints grow by copying. Free
 *  texts with cJSON_free(), or hf_heap_free().
 *
 *  hf_heap_reset() frees all trees and texts at once, which is faster than cJSON_Delete(). Use none
 *  of them after that. cJSON itself keeps nothing.
 *
 *  Threads: cJSON's hooks have no context, so the process has one heap for it, and cJSON must be
 *  used in one thread at a time. Include this header in the source that calls hf_cjson_hooks()
 *  alone.
 */
#ifndef HOLDFAST_ADAPT_CJSON_H
#define HOLDFAST_ADAPT_CJSON_H

#ifndef cJSON__h /* the program may have included its own copy */
#include <cjson/cJSON.h>
#endif

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @cond private */

static inline hf_heap **hf_cjson_heap(void) {
    static hf_heap *heap;
    return &heap;
}

static inline void *CJSON_CDECL hf_cjson_malloc(size_t size) {
    return hf_heap_malloc(*hf_cjson_heap(), size);
}

static inline void CJSON_CDECL hf_cjson_free(void *block) { hf_heap_free(*hf_cjson_heap(), block); }

/** @endcond */

/** The hooks that make cJSON allocate in a heap; for cJSON_InitHooks(), which copies them.
 *  @param heap  the heap; not NULL; from now on that of all such hooks
 *  @return the hooks */
static inline cJSON_Hooks hf_cjson_hooks(hf_heap *heap) {
    cJSON_Hooks hooks;
    *hf_cjson_heap() = heap;
    hooks.malloc_fn = hf_cjson_malloc;
    hooks.free_fn = hf_cjson_free;
    return hooks;
}

#ifdef __cplusplus
}
#endif

#endif
