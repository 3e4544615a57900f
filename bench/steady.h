/*
 * bench/steady.h -- what the workloads warm and frame share: rounds of the same work, repeated in
 * memory that is faulted in already.
 *
 * A round allocates objects, writes the first bytes of each, keeps the pointers, and frees all
 * objects.
 */
#ifndef BENCH_STEADY_H
#define BENCH_STEADY_H

#include "contenders.h"
#include "shim.h"

typedef void steady_round(bench_heap *heap, void **objects, size_t size);

/*
 * Measures rounds, each of which counts as `iterations`. `objects` has room for `count` pointers;
 * it is written before the measurement, so that its page faults and its memory do not count.
 */
void steady_run(bench_state *state, const bench_contender *contender, steady_round *round,
                void **objects, size_t count, size_t size, size_t iterations);

/* Stores the pointer in the slot and writes the object's first bytes. */
BENCH_INLINE void keep_object(void **slot, void *object) {
    BENCH_KEEP(object);
    *(void **)object = slot;
    *slot = object;
}

#endif
