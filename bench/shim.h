/*
 * bench/shim.h -- the part of Google Benchmark that the workloads use, as C functions.
 *
 * The measured loops are C, so that hf_alloc is inlined into them as in a C program. A call into
 * Google Benchmark for each object would take longer than the allocation, so a loop asks for a
 * batch of iterations at a time and calls only the contender within it.
 *
 *     static void run(bench_state *state) {
 *         size_t size = bench_range(state);
 *         while (bench_next_batch(state, 4096)) {
 *             for (size_t i = 0; i < 4096; i++) BENCH_KEEP(allocate(size));
 *         }
 *         bench_counter(state, "faults", 0);
 *     }
 *     ...
 *     bench_register("warm/malloc", run, BENCH_NANOSECONDS, (const size_t[]){16, 64}, 2);
 *     return bench_main(argc, argv, default_flag);
 *
 * The time that is reported is that of one iteration; a batch of n counts as n iterations.
 */
#ifndef BENCH_SHIM_H
#define BENCH_SHIM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One run of one benchmark: its timer, and how many iterations are left. */
typedef struct bench_state bench_state;

typedef void bench_function(bench_state *state);

typedef enum bench_unit { BENCH_NANOSECONDS, BENCH_MICROSECONDS, BENCH_MILLISECONDS } bench_unit;

/* Registers one benchmark `name/range` for each range; with count 0 a single one, named `name`. */
void bench_register(const char *name, bench_function *run, bench_unit unit, const size_t *ranges,
                    size_t count);

/* The range of this run; only for a benchmark that was registered with ranges. */
size_t bench_range(const bench_state *state);

/* True: run `iterations` more iterations. False: stop. The first call starts the timer, the one
 * that returns false stops it. */
bool bench_next_batch(bench_state *state, size_t iterations);

/* Stop and restart the timer around work between batches that is not timed. The pair costs about
 * half a microsecond. */
void bench_pause(bench_state *state);
void bench_resume(bench_state *state);

/* Reports a number beside the time. */
void bench_counter(bench_state *state, const char *name, double value);

/* Reports that this run is not possible, with the reason. The caller then returns without asking
 * for another batch. */
void bench_skip(bench_state *state, const char *reason);

/* Adds a line "key: value" to the head of every report. */
void bench_context(const char *key, const char *value);

/* Parses Google Benchmark's flags, runs the benchmarks that they select, and returns the exit
 * status for main. default_flag counts unless argv has the same flag. */
int bench_main(int argc, char **argv, char *default_flag);

/*
 * A compiler barrier for measured loops: the compiler must assume that the pointer is used and that
 * all memory is read and written here. So it cannot remove an allocation, nor keep an allocator's
 * state in registers between two allocations.
 */
#define BENCH_KEEP(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

/* The compiler must assume only that the pointer is used here, and is another one afterwards. */
#define BENCH_USE(pointer) __asm__ volatile("" : "+r"(pointer))

#ifdef __cplusplus
}
#endif

#endif
