/*
 * bench/warm.c -- allocates 4096 objects of one size, then frees all.
 *
 * All memory is in the L1 or L2 cache, so this measures the allocator's instructions alone. An
 * iteration is one object, allocated and freed.
 *
 * BENCH_KEEP makes the compiler store the position of an arena and load it again for each object.
 * Most callers do that, because they store to memory that the compiler knows nothing about between
 * two allocations. warm_registers.c has the other form.
 */
#include "workloads.h"

#include "steady.h"

enum { OBJECTS = 4096 };

static void *objects_of_a_round[OBJECTS];

BENCH_INLINE void warm_round(const bench_contender *contender, bench_heap *heap, void **objects,
                             size_t size) {
    for (size_t i = 0; i < OBJECTS; i++) {
        keep_object(&objects[i], contender->allocate(heap, size));
    }
    release(contender, heap, objects, OBJECTS);
}

#define WARM(name)                                                                      \
    static void round_##name(bench_heap *heap, void **objects, size_t size) {           \
        warm_round(&contender_##name, heap, objects, size);                             \
    }                                                                                   \
    static void run_##name(bench_state *state) {                                        \
        steady_run(state, &contender_##name, round_##name, objects_of_a_round, OBJECTS, \
                   bench_range(state), OBJECTS);                                        \
    }
CONTENDERS(WARM)
CONTENDERS_OF_FAST_PATHS(WARM)

void register_warm(void) {
    static const size_t sizes[] = {16, 32, 64, 128, 256, 512, 1024};
#define REGISTER(name) bench_register("warm/" #name, run_##name, BENCH_NANOSECONDS, sizes, 7);
    CONTENDERS(REGISTER)
    CONTENDERS_OF_FAST_PATHS(REGISTER)
}
