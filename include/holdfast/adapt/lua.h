/** @file
 *  holdfast/adapt/lua.h: a Lua state in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/lua.h>
 *  #include <lauxlib.h>
 *  #include <lua.h>
 *
 *  // The whole number that a script returns; -1 if it fails.
 *  long long run_script(const char *script) {
 *      hf_heap *heap;
 *      if (hf_heap_open(&heap, NULL) != HF_OK) return -1;
 *      lua_State *state = lua_newstate(hf_lua_alloc, heap);
 *      int is_good = state && luaL_dostring(state, script) == LUA_OK;
 *      long long result = is_good ? lua_tointeger(state, -1) : -1;
 *      hf_heap_close(heap); // in place of lua_close(); or hf_heap_reset()
 *      return result;
 *  }
 *  @endcode
 *
 *  Lua wants a heap: its collector frees objects one by one in any order, and an arena would keep
 *  them all. Use one heap for each state, in the thread that runs it.
 *
 *  hf_heap_reset() ends the state without running a finalizer (__gc, __close): call lua_close()
 *  first if files or other resources outside of the heap depend on them. Do not use the state
 *  after that. A heap with a small hf_heap_options::reserve limits the memory of a script: beyond
 *  it the script gets "not enough memory".
 */
#ifndef HOLDFAST_ADAPT_LUA_H
#define HOLDFAST_ADAPT_LUA_H

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Allocates, resizes and frees a block for Lua: a lua_Alloc.
 *  @param heap      the hf_heap of the state; not NULL
 *  @param block     the block; NULL: a new one is allocated
 *  @param old_size  its size in bytes; if block is NULL, the type of the new object: ignored
 *  @param new_size  its new size in bytes; 0: it is freed
 *  @return the block; NULL if it was freed, or as hf_heap_realloc(). A block that becomes smaller
 *          stays where it is if there is no memory to move it: Lua expects that this never fails */
static inline void *hf_lua_alloc(void *heap, void *block, size_t old_size, size_t new_size) {
    if (new_size == 0) {
        hf_heap_free(HF_AS(hf_heap, heap), block);
        return NULL;
    }
    if (block == NULL) return hf_heap_malloc(HF_AS(hf_heap, heap), new_size);
    void *resized = hf_heap_realloc(HF_AS(hf_heap, heap), block, new_size);
    return resized == NULL && new_size <= old_size ? block : resized;
}

#ifdef __cplusplus
}
#endif

#endif
