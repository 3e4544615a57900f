/*
 * bench/meter.h -- counts a workload's page faults and its peak of resident memory.
 *
 *     bench_meter meter = {0};
 *     meter_watch_memory(&meter);     // begins to measure the peak
 *     ...                             // open a contender, warm it up
 *     meter_begin(&meter);            // begins to count page faults
 *     while (bench_next_batch(...)) ...
 *     meter_end(&meter);              // stops counting; begin and end may be called again
 *     meter_report(&meter, state, rounds);
 *
 * The peak is what is resident above what was resident before the first workload of the process. In
 * a process with one workload (bench/run) it is the peak of that workload alone.
 *
 * meter_begin and meter_end call getrusage once each, and nothing else calls it: in an strace of a
 * run, bench/run counts the system calls between the two.
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stddef.h>

#include "shim.h"

typedef struct bench_meter {
    size_t peak; /* bytes */
    long faults; /* minor and major */
} bench_meter;

void meter_watch_memory(bench_meter *meter);
void meter_begin(bench_meter *meter);
void meter_end(bench_meter *meter);

/* Bytes that are resident now, beyond what was before the first workload of the process. */
size_t meter_resident(void);

/* Reports the counters "faults", the average of one round, and "peak_MiB". */
void meter_report(const bench_meter *meter, bench_state *state, size_t rounds);

#endif
