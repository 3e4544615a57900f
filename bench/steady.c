/* bench/steady.c -- see steady.h. */
#include "steady.h"

#include <string.h>

#include "meter.h"

/* Rounds before the measurement: the first faults the memory in, the others warm the caches. */
enum { ROUNDS_BEFORE = 10 };

void steady_run(bench_state *state, const bench_contender *contender, steady_round *round,
                void **objects, size_t count, size_t size, size_t iterations) {
    bench_heap heap;
    bench_meter meter = {0};
    size_t rounds = 0;
    memset(objects, 0, count * sizeof *objects);
    meter_watch_memory(&meter);
    if (!contender->open(&heap)) {
        bench_skip(state, "the contender is not available");
        return;
    }
    for (int i = 0; i < ROUNDS_BEFORE; i++) round(&heap, objects, size);
    meter_begin(&meter);
    for (; bench_next_batch(state, iterations); rounds++) round(&heap, objects, size);
    meter_end(&meter);
    contender->close(&heap);
    meter_report(&meter, state, rounds);
}
