/*
 * bench/frame.c -- allocates a million objects of 16 to 128 bytes, then frees all: a frame of a
 * game, a request of a server, a pass of a compiler.
 *
 * The 72 MB of a frame are larger than the caches, so the layout of the objects counts as much as
 * the number of instructions. The sizes come from a fixed pseudo-random sequence, the same for all
 * contenders. An iteration is one frame.
 *
 * The contenders named _random free in a random order, as a program does whose objects have
 * independent lifetimes. An arena cannot do that. memset writes as many bytes as the objects take
 * in an arena, in the floor's memory: the limit that the processor sets.
 */
#include "workloads.h"

#include <string.h>

#include "steady.h"

enum { OBJECTS = 1000000, LEAST_SIZE = 16, MOST_SIZE = 128 };

static uint8_t sizes[OBJECTS];
static void *objects_of_a_frame[OBJECTS];

/* xorshift64 (Marsaglia 2003) from a fixed seed. */
static uint64_t next_random(void) {
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void draw_sizes(void) {
    for (size_t i = 0; i < OBJECTS; i++) {
        sizes[i] = (uint8_t)(LEAST_SIZE + next_random() % (MOST_SIZE - LEAST_SIZE + 1));
    }
}

BENCH_INLINE void fill_frame(const bench_contender *contender, bench_heap *heap, void **objects) {
    for (size_t i = 0; i < OBJECTS; i++) {
        keep_object(&objects[i], contender->allocate(heap, sizes[i]));
    }
}

static void run_frame(bench_state *state, const bench_contender *contender, steady_round *round) {
    steady_run(state, contender, round, objects_of_a_frame, OBJECTS, 0, 1);
}

#define FRAME(name)                                                             \
    static void round_##name(bench_heap *heap, void **objects, size_t unused) { \
        (void)unused;                                                           \
        fill_frame(&contender_##name, heap, objects);                           \
        release(&contender_##name, heap, objects, OBJECTS);                     \
    }                                                                           \
    static void run_##name(bench_state *state) {                                \
        run_frame(state, &contender_##name, round_##name);                      \
    }
CONTENDERS(FRAME)
CONTENDERS_OF_RESETS(FRAME)
CONTENDERS_OF_FAST_PATHS(FRAME)
CONTENDERS_TUNED(FRAME)
CONTENDERS_BY_PAGE_SIZE(FRAME)

#ifndef BENCH_MIMALLOC_LINKED

static size_t size_of_a_frame(void) {
    size_t total = 0;
    for (size_t i = 0; i < OBJECTS; i++) {
        total += ((size_t)sizes[i] + OBJECT_ALIGNMENT - 1) & ~(size_t)(OBJECT_ALIGNMENT - 1);
    }
    return total;
}

static void round_memset(bench_heap *heap, void **unused, size_t size) {
    (void)unused;
    memset(heap->floor.base, 1, size);
    BENCH_KEEP(heap);
}

static void run_memset(bench_state *state) {
    steady_run(state, &contender_floor, round_memset, objects_of_a_frame, OBJECTS,
               size_of_a_frame(), 1);
}

#endif

static uint32_t order[OBJECTS];

static void shuffle_order(void) {
    for (uint32_t i = 0; i < OBJECTS; i++) order[i] = i;
    for (uint32_t i = OBJECTS - 1; i > 0; i--) {
        uint32_t other = (uint32_t)(next_random() % (i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

BENCH_INLINE void random_round(const bench_contender *contender, bench_heap *heap, void **objects) {
    fill_frame(contender, heap, objects);
    for (size_t i = 0; i < OBJECTS; i++) contender->free_one(heap, objects[order[i]]);
}

#define RANDOM(name)                                                                     \
    static void round_##name##_random(bench_heap *heap, void **objects, size_t unused) { \
        (void)unused;                                                                    \
        random_round(&contender_##name, heap, objects);                                  \
    }                                                                                    \
    static void run_##name##_random(bench_state *state) {                                \
        if (order[0] == order[1]) shuffle_order();                                       \
        run_frame(state, &contender_##name, round_##name##_random);                      \
    }
CONTENDERS_OF_RANDOM(RANDOM)

void register_frame(void) {
    draw_sizes();
#define REGISTER(name) bench_register("frame/" #name, run_##name, BENCH_MILLISECONDS, NULL, 0);
    CONTENDERS(REGISTER)
    CONTENDERS_OF_RESETS(REGISTER)
    CONTENDERS_OF_FAST_PATHS(REGISTER)
    CONTENDERS_TUNED(REGISTER)
    CONTENDERS_BY_PAGE_SIZE(REGISTER)
#ifndef BENCH_MIMALLOC_LINKED
    REGISTER(memset)
#endif
#define REGISTER_RANDOM(name) REGISTER(name##_random)
    CONTENDERS_OF_RANDOM(REGISTER_RANDOM)
}
