/*
 * bench/spike.c -- frames of different sizes: how much memory a contender keeps from one frame to
 * the next, and what it costs to give memory back and to fault it in again.
 *
 *     spike_rare     64 KiB, every 300th frame 64 MiB
 *     spike_often    1 MiB, every 20th frame 16 MiB
 *     spike_random   1 to 24 MiB at random
 *     spike_rising   64 KiB more in each frame, up to 64 MiB; then from the beginning
 *     spike_worst    1 MiB, and 64 MiB in the frame right after hf_reset released memory
 *     spike_once     one frame of 256 MiB, then 100 times as much in frames of 4 MiB
 *
 * A frame allocates objects of 256 bytes, writes each whole, and gives all back. An iteration is a
 * frame; the calls and faults are those of one round of the pattern. The counter left_MiB is what
 * is resident after the last frame, beyond what was before the first.
 */
#include "workloads.h"

#include <string.h>

#include "contenders.h"
#include "meter.h"
#include "shim.h"

enum { OBJECT_SIZE = 256, RANDOM_FRAMES = 400 };

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

static void *objects_of_a_frame[MIB(256) / OBJECT_SIZE];

/* ---------------------------------------------------------------- patterns ---------------- */

typedef struct spike_pattern {
    size_t (*size)(size_t frame); /* bytes that a frame allocates */
    size_t frames;                /* after so many the pattern begins again */
} spike_pattern;

static size_t random_sizes[RANDOM_FRAMES];

/* xorshift64 (Marsaglia 2003) from a fixed seed. */
static void draw_sizes(void) {
    uint64_t state = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < RANDOM_FRAMES; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        random_sizes[i] = MIB(1) + (size_t)(state % MIB(23));
    }
}

static size_t size_rare(size_t frame) { return frame % 300 == 299 ? MIB(64) : KIB(64); }
static size_t size_often(size_t frame) { return frame % 20 == 19 ? MIB(16) : MIB(1); }
static size_t size_random(size_t frame) { return random_sizes[frame % RANDOM_FRAMES]; }
static size_t size_rising(size_t frame) { return KIB(64) * (frame % 1024 + 1); }
static size_t size_worst(size_t frame) { return frame % 5200 == 5199 ? MIB(64) : MIB(1); }
static size_t size_once(size_t frame) { return frame == 0 ? MIB(256) : MIB(4); }

static const spike_pattern pattern_rare = {size_rare, 300};
static const spike_pattern pattern_often = {size_often, 20};
static const spike_pattern pattern_random = {size_random, RANDOM_FRAMES};
static const spike_pattern pattern_rising = {size_rising, 1024};
static const spike_pattern pattern_worst = {size_worst, 5200};
static const spike_pattern pattern_once = {size_once, 1 + 6400};

/* --------------------------------------------------------------- measuring ---------------- */

BENCH_INLINE void run_frames(const bench_contender *contender, bench_heap *heap,
                             const spike_pattern *pattern) {
    void **objects = objects_of_a_frame;
    for (size_t frame = 0; frame < pattern->frames; frame++) {
        size_t count = pattern->size(frame) / OBJECT_SIZE;
        for (size_t i = 0; i < count; i++) {
            objects[i] = contender->allocate(heap, OBJECT_SIZE);
            BENCH_KEEP(objects[i]);
            memset(objects[i], (int)frame, OBJECT_SIZE);
        }
        release(contender, heap, objects, count);
    }
}

typedef void spike_round(bench_heap *heap, const spike_pattern *pattern);

/* Two rounds are not timed: the first faults the memory in, and the first trim lets what had small
 * pages have huge ones. Every later round begins as it ends. */
enum { ROUNDS_BEFORE = 2 };

static void run_spike(bench_state *state, const bench_contender *contender, spike_round *round,
                      const spike_pattern *pattern) {
    bench_heap heap;
    bench_meter meter = {0};
    size_t rounds = 0;
    memset(objects_of_a_frame, 0, sizeof objects_of_a_frame);
    meter_watch_memory(&meter);
    if (!contender->open(&heap)) {
        bench_skip(state, "the contender cannot be had here");
        return;
    }
    for (int i = 0; i < ROUNDS_BEFORE; i++) round(&heap, pattern);
    meter_begin(&meter);
    for (; bench_next_batch(state, pattern->frames); rounds++) round(&heap, pattern);
    meter_end(&meter);
    bench_counter(state, "left_MiB", (double)meter_resident() / (1 << 20));
    contender->close(&heap);
    meter_report(&meter, state, rounds);
}

#define ROUND(name)                                                            \
    static void round_##name(bench_heap *heap, const spike_pattern *pattern) { \
        run_frames(&contender_##name, heap, pattern);                          \
    }
CONTENDERS(ROUND)
CONTENDERS_TUNED(ROUND)

#define RUN(name, pattern)                                                     \
    static void run_##pattern##_##name(bench_state *state) {                   \
        run_spike(state, &contender_##name, round_##name, &pattern_##pattern); \
    }
#define RUN_RARE(name) RUN(name, rare)
#define RUN_OFTEN(name) RUN(name, often)
#define RUN_RANDOM(name) RUN(name, random)
#define RUN_RISING(name) RUN(name, rising)
#define RUN_WORST(name) RUN(name, worst)
#define RUN_ONCE(name) RUN(name, once)
#define FOR_ALL(X) CONTENDERS(X) CONTENDERS_TUNED(X)
FOR_ALL(RUN_RARE)
FOR_ALL(RUN_OFTEN)
FOR_ALL(RUN_RANDOM)
FOR_ALL(RUN_RISING)
FOR_ALL(RUN_WORST)
FOR_ALL(RUN_ONCE)

void register_spike(void) {
    draw_sizes();
#define REGISTER(name, pattern)                                                                   \
    bench_register("spike_" #pattern "/" #name, run_##pattern##_##name, BENCH_MICROSECONDS, NULL, \
                   0);
#define REGISTER_RARE(name) REGISTER(name, rare)
#define REGISTER_OFTEN(name) REGISTER(name, often)
#define REGISTER_RANDOM(name) REGISTER(name, random)
#define REGISTER_RISING(name) REGISTER(name, rising)
#define REGISTER_WORST(name) REGISTER(name, worst)
#define REGISTER_ONCE(name) REGISTER(name, once)
    FOR_ALL(REGISTER_RARE)
    FOR_ALL(REGISTER_OFTEN)
    FOR_ALL(REGISTER_RANDOM)
    FOR_ALL(REGISTER_RISING)
    FOR_ALL(REGISTER_WORST)
    FOR_ALL(REGISTER_ONCE)
}
