/*
 * bench/growth.h -- work in memory that is new to the process: how an allocator grows.
 *
 * Most of it is the system's work, zeroing pages, so what counts is how few page faults a contender
 * makes and how few bytes it copies. Timed is all from opening it to the end of the work; giving
 * the memory back is not. Here is what its workloads, fresh and array, share.
 */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

#include "contenders.h"
#include "shim.h"

typedef struct growth_work {
    void *(*run)(bench_heap *heap, size_t size); /* the timed part; what it made */
    void (*give_back)(const bench_contender *contender, bench_heap *heap, void *made);
    size_t size;       /* for run */
    size_t iterations; /* that one run counts as */
    size_t memory;     /* bytes it fills at most */
} growth_work;

/*
 * In a virtual machine the host backs memory at its first touch, and may take back what is free.
 * Its faults cost more than our own, and who comes first would pay for all. So right before the
 * measurement as much memory is mapped, touched and unmapped: growth_run does.
 */
void growth_touch(size_t size);

void growth_run(bench_state *state, const bench_contender *contender, const growth_work *work);

#endif
