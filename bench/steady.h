/*
 * bench/steady.h -- rounds of the same work, over and over, in memory that is faulted in already.
 *
 * A round allocates objects, writes the first bytes of each, keeps the pointers, and gives them all
 * back. Here is what its workloads, warm and frame, share; what a round does is theirs.
 */
#ifndef BENCH_STEADY_H
#define BENCH_STEADY_H

#include "contenders.h"
#include "shim.h"

typedef void steady_round(bench_heap *heap, void **objects, size_t size);

/*
 * Measures a round of `iterations` iterations again and again. `objects` has room for the pointers;
 * it is touched here first, so that it never counts as the contender's.
 */
void steady_run(bench_state *state, const bench_contender *contender, steady_round *round,
                void **objects, size_t count, size_t size, size_t iterations);

/* One object: the pointer is kept and its first bytes are written, by everyone alike. */
BENCH_INLINE void keep_object(void **slot, void *object) {
    BENCH_KEEP(object);
    *(void **)object = slot;
    *slot = object;
}

#endif
