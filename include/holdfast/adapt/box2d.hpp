/** @file
 *  holdfast/adapt/box2d.hpp: worlds of Box2D 2.4 in a heap.
 *
 *      #include <holdfast/adapt/box2d.hpp>               // in one source of the program
 *      ...
 *      hf_box2d_use(heap);
 *      b2World world(b2Vec2(0.0f, -10.0f));
 *
 *  Box2D wants a heap: worlds grow arrays by allocating and copying, and take chunks of 16 KiB for
 *  small objects, which they free when they are destroyed. Do not destroy a world after
 *  hf_heap_reset(): the reset freed it, unless the b2World itself is elsewhere (on the stack, say);
 *  such a world has to be destroyed before.
 *
 *  Box2D 2.4 has no function that sets an allocator. This header defines b2Alloc_Default and
 *  b2Free_Default, which on ELF systems take the place of those of the shared library libbox2d.so.
 *  A program that compiles Box2D itself defines B2_USER_SETTINGS in place of this, and calls
 *  hf_heap_malloc() and hf_heap_free() in its b2_user_settings.h.
 *
 *  Threads: these functions have no context, so the process has one heap for Box2D, which must be
 *  used in one thread at a time.
 */
#ifndef HOLDFAST_ADAPT_BOX2D_HPP
#define HOLDFAST_ADAPT_BOX2D_HPP

#include <box2d/b2_settings.h>

#include "../heap.h"

/** @cond private */

static inline hf_heap **hf_box2d_heap() {
    static hf_heap *heap;
    return &heap;
}

/** @endcond */

/** Sets the heap of all worlds.
 *  @param heap  the heap; not NULL; set before the first world is created */
static inline void hf_box2d_use(hf_heap *heap) { *hf_box2d_heap() = heap; }

/** Allocates a block for Box2D.
 *  @param size  its size in bytes
 *  @return the block; NULL: as hf_heap_malloc() */
void *b2Alloc_Default(int32 size) {
    return hf_heap_malloc(*hf_box2d_heap(), static_cast<size_t>(size));
}

/** Frees a block of Box2D.
 *  @param block  the block; NULL: nothing happens */
void b2Free_Default(void *block) { hf_heap_free(*hf_box2d_heap(), block); }

#endif
