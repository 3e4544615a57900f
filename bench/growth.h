/*
 * bench/growth.h -- what the workloads fresh and array share: work in memory that the process has
 * not touched before, which measures how an allocator grows.
 *
 * Most of the time is the kernel's, for page faults and zeroing pages, so a contender is faster
 * with fewer page faults and fewer copied bytes. Timed: from opening the contender to the end of
 * the work. Not timed: freeing and closing.
 */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

#include "contenders.h"
#include "shim.h"

typedef struct growth_work {
    void *(*run)(bench_heap *heap, size_t size); /* the timed part; returns what release needs */
    void (*release)(const bench_contender *contender, bench_heap *heap, void *result);
    size_t size;       /* the argument of run */
    size_t iterations; /* how many iterations one run counts as */
    size_t memory;     /* the most bytes that run fills */
} growth_work;

/*
 * Maps, touches and unmaps so many bytes. growth_run calls it before each measurement: in a virtual
 * machine the host backs memory at its first touch and may take back what the guest has freed. Its
 * page faults cost more than the guest's, and the contender that is measured first would pay them.
 */
void growth_touch(size_t size);

/* Measures the work again and again, each time on a newly opened contender. */
void growth_run(bench_state *state, const bench_contender *contender, const growth_work *work);

#endif
