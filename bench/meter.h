/*
 * bench/meter.h -- what a workload costs beside time: page faults and resident memory.
 *
 *     bench_meter meter = {0};
 *     meter_watch_memory(&meter);     // peak: from here
 *     ...                             // open a contender, warm it up
 *     meter_begin(&meter);            // faults: from here ...
 *     while (bench_next_batch(...)) ...
 *     meter_end(&meter);              // ... to here; begin and end may come again
 *     meter_report(&meter, state, rounds);
 *
 * The peak is counted from what was resident before the first workload of the process: where that
 * is the only one (bench/run), it is the workload's own.
 *
 * meter_begin and meter_end make one getrusage each and nothing else does: in a trace of a run's
 * system calls they are the marks between which the workload's own calls stand (bench/run).
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stddef.h>

#include "shim.h"

typedef struct bench_meter {
    size_t peak; /* bytes */
    long faults;
} bench_meter;

void meter_watch_memory(bench_meter *meter);
void meter_begin(bench_meter *meter);
void meter_end(bench_meter *meter);

/* Bytes that are resident now, beyond what was before the first workload of the process. */
size_t meter_resident(void);

/* Counters "faults", of one round, and "peak_MiB". */
void meter_report(const bench_meter *meter, bench_state *state, size_t rounds);

#endif
