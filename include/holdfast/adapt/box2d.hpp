/** @file
 *  holdfast/adapt/box2d.hpp: worlds of Box2D 2.4 in a heap.
 *
 *  @code{.cpp}
 *  #include <box2d/box2d.h>
 *
 *  #define HF_BOX2D_IMPLEMENTATION // in one source of the program
 *  #include <holdfast/adapt/box2d.hpp>
 *
 *  // How far a ball falls in a second.
 *  float fall(hf_heap *heap) {
 *      hf_box2d_use(heap);
 *      b2World world(b2Vec2(0.0f, -10.0f));
 *      b2BodyDef definition;
 *      definition.type = b2_dynamicBody;
 *      b2CircleShape circle;
 *      circle.m_radius = 0.5f;
 *      b2Body *ball = world.CreateBody(&definition);
 *      ball->CreateFixture(&circle, 1.0f);
 *      for (int step = 0; step < 60; step++) world.Step(1.0f / 60.0f, 8, 3);
 *      return -ball->GetPosition().y;
 *  }
 *  @endcode
 *
 *  One source of the program defines HF_BOX2D_IMPLEMENTATION before it includes this header; the
 *  others include the header alone. If none does or several do, linking fails: hf_box2d_use() is
 *  undefined, or defined several times.
 *
 *  Box2D wants a heap: worlds grow arrays by allocating and copying, and take chunks of 16 KiB for
 *  small objects, which they free when they are destroyed. Do not destroy a world after
 *  hf_heap_reset(): the reset freed it, unless the b2World itself is elsewhere (on the stack, say);
 *  such a world has to be destroyed before.
 *
 *  Box2D 2.4 has no function that sets an allocator. The implementation defines b2Alloc_Default and
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

/** Sets the heap of all worlds.
 *  @param heap  the heap; not NULL; set before the first world is created */
void hf_box2d_use(hf_heap *heap);

#endif

#if defined(HF_BOX2D_IMPLEMENTATION) && !defined(HOLDFAST_ADAPT_BOX2D_IS_IMPLEMENTED)
#define HOLDFAST_ADAPT_BOX2D_IS_IMPLEMENTED /**< this source has the definitions */

/** @cond private */

/* libbox2d.so finds these in the program, also if that is compiled with -fvisibility=hidden. */
#define HF_BOX2D_VISIBLE __attribute__((visibility("default")))

static hf_heap *hf_box2d_heap;

void hf_box2d_use(hf_heap *heap) { hf_box2d_heap = heap; }

HF_BOX2D_VISIBLE void *b2Alloc_Default(int32 size) {
    return hf_heap_malloc(hf_box2d_heap, static_cast<size_t>(size));
}

HF_BOX2D_VISIBLE void b2Free_Default(void *block) { hf_heap_free(hf_box2d_heap, block); }

#undef HF_BOX2D_VISIBLE

/** @endcond */

#endif
