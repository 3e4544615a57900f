/** @file
 *  holdfast/adapt/ode.h: worlds of the Open Dynamics Engine in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/ode.h>
 *  #include <ode/ode.h>
 *
 *  // How far a body falls in a second.
 *  double fall(hf_heap *heap) {
 *      hf_ode_use(heap);
 *      dSetAllocHandler(hf_ode_alloc);
 *      dSetReallocHandler(hf_ode_realloc);
 *      dSetFreeHandler(hf_ode_free);
 *      dInitODE();
 *      dWorldID world = dWorldCreate();
 *      dWorldSetGravity(world, 0, 0, -10);
 *      dBodyID body = dBodyCreate(world);
 *      for (int step = 0; step < 100; step++) dWorldStep(world, 0.01);
 *      double fallen = -dBodyGetPosition(body)[2];
 *      dWorldDestroy(world);
 *      dCloseODE();
 *      return fallen;
 *  }
 *  @endcode
 *
 *  ODE wants a heap: bodies, joints and contacts are destroyed one by one in any order. Matrices
 *  are aligned to 16 bytes, as all blocks are.
 *
 *  Call hf_heap_reset() only after dCloseODE(): ODE keeps blocks of its own until then.
 *
 *  Threads: these functions have no context, so the process has one heap for ODE, which must be
 *  used in one thread at a time. Include this header in the source that sets the handlers alone.
 */
#ifndef HOLDFAST_ADAPT_ODE_H
#define HOLDFAST_ADAPT_ODE_H

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @cond private */

static inline hf_heap **hf_ode_heap(void) {
    static hf_heap *heap;
    return &heap;
}

/** @endcond */

/** Sets the heap of the functions below.
 *  @param heap  the heap; not NULL; open until dCloseODE() */
static inline void hf_ode_use(hf_heap *heap) { *hf_ode_heap() = heap; }

/** Allocates a block: a dAllocFunction.
 *  @param size  its size in bytes
 *  @return the block; NULL: as hf_heap_malloc() */
static inline void *hf_ode_alloc(size_t size) { return hf_heap_malloc(*hf_ode_heap(), size); }

/** Changes the size of a block: a dReallocFunction.
 *  @param block     the block; NULL: a new one is allocated
 *  @param old_size  its size in bytes; ignored
 *  @param size      its new size in bytes
 *  @return the block; NULL: as hf_heap_realloc() */
static inline void *hf_ode_realloc(void *block, size_t old_size, size_t size) {
    (void)old_size;
    return hf_heap_realloc(*hf_ode_heap(), block, size);
}

/** Frees a block: a dFreeFunction.
 *  @param block  the block; NULL: nothing happens
 *  @param size   its size in bytes; ignored */
static inline void hf_ode_free(void *block, size_t size) {
    (void)size;
    hf_heap_free(*hf_ode_heap(), block);
}

#ifdef __cplusplus
}
#endif

#endif
