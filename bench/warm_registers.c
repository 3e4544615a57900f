/*
 * bench/warm_registers.c -- warm.c without a compiler barrier, for the contenders whose position
 * the compiler sees: it may keep the position in a register.
 *
 * gcc 12 does so for the floors, whose function for a full arena does not return, and clang 14 for
 * none. hf_alloc_slow may move the position, so hf_alloc loads it again after each store.
 */
#include "workloads.h"

#include "steady.h"

enum { OBJECTS = 4096 };

static void *no_objects[1];

/* Writes a number: a pointer could be the position, which is a pointer, too. */
BENCH_INLINE void warm_registers_round(const bench_contender *contender, bench_heap *heap,
                                       size_t size) {
    for (size_t i = 0; i < OBJECTS; i++) {
        void *object = contender->allocate(heap, size);
        BENCH_USE(object);
        *(size_t *)object = i;
    }
    contender->free_all(heap);
}

#define CONTENDERS_INLINED(X) X(floor) X(floor_prefetch) X(holdfast)

#define WARM_REGISTERS(name)                                                                  \
    static void round_##name(bench_heap *heap, void **unused, size_t size) {                  \
        (void)unused;                                                                         \
        warm_registers_round(&contender_##name, heap, size);                                  \
    }                                                                                         \
    static void run_##name(bench_state *state) {                                              \
        steady_run(state, &contender_##name, round_##name, no_objects, 1, bench_range(state), \
                   OBJECTS);                                                                  \
    }
CONTENDERS_INLINED(WARM_REGISTERS)

void register_warm_registers(void) {
    static const size_t sizes[] = {16, 64};
#define REGISTER(name) \
    bench_register("warm_registers/" #name, run_##name, BENCH_NANOSECONDS, sizes, 2);
    CONTENDERS_INLINED(REGISTER)
}
