/*
 * bench/shim.h -- as much of Google Benchmark as a C program needs.
 *
 * The measured loops are C, because holdfast is, and stand beside the inlined fast path that they
 * measure. A call of Google Benchmark for every object would cost more than the object: so the
 * library hands out batches, and the loop over a batch makes no call but the contender's own.
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
 * What is reported is the time for one iteration, and a batch of n counts as n of them.
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

/* One benchmark `name/range` for each range; with no ranges one, called `name`. */
void bench_register(const char *name, bench_function *run, bench_unit unit, const size_t *ranges,
                    size_t count);

/* The range of this run; only of a benchmark that has them. */
size_t bench_range(const bench_state *state);

/* True: do `iterations` more. The first call starts the timer and the last one stops it. */
bool bench_next_batch(bench_state *state, size_t iterations);

/* For work between batches that is not to count. Half a microsecond for the pair. */
void bench_pause(bench_state *state);
void bench_resume(bench_state *state);

/* A figure that is shown beside the time. */
void bench_counter(bench_state *state, const char *name, double value);

/* Ends this run, which cannot be made here. The caller returns without a further batch. */
void bench_skip(bench_state *state, const char *reason);

/* A line that is shown at the head of every report. */
void bench_context(const char *key, const char *value);

/* Takes Google Benchmark's flags and runs what they ask for; what main returns. default_flag holds
 * where the caller gives no other. */
int bench_main(int argc, char **argv, char *default_flag);

/*
 * The barrier of every measured loop: the compiler takes it that the pointer is used and that all
 * memory is read and written here, so it can neither drop an allocation nor keep an allocator's
 * state in a register from one to the next.
 */
#define BENCH_KEEP(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

#ifdef __cplusplus
}
#endif

#endif
