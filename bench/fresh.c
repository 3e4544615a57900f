/*
 * bench/fresh.c -- 1 GiB of objects in memory that the process has not touched before, page faults
 * included.
 *
 * An iteration is one object. The first bytes of each object are written.
 */
#include "workloads.h"

#include "growth.h"

static const size_t total = (size_t)1 << 30;

/* Stores in each object a pointer to the previous one: the list from which free_list frees them. */
BENCH_INLINE void *fill(const bench_contender *contender, bench_heap *heap, size_t size) {
    void *last = NULL;
    for (size_t i = 0; i < total / size; i++) {
        void *object = contender->allocate(heap, size);
        BENCH_KEEP(object);
        *(void **)object = last;
        last = object;
    }
    return last;
}

static void free_list(const bench_contender *contender, bench_heap *heap, void *last) {
    if (contender->free_all) {
        contender->free_all(heap);
        return;
    }
    while (last) {
        void *before = *(void **)last;
        contender->free_one(heap, last);
        last = before;
    }
}

static void run_fresh(bench_state *state, const bench_contender *contender,
                      void *(*fill_it)(bench_heap *, size_t)) {
    size_t size = bench_range(state);
    growth_work work = {fill_it, free_list, size, total / size, total};
    growth_run(state, contender, &work);
}

#define FRESH(name)                                           \
    static void *fill_##name(bench_heap *heap, size_t size) { \
        return fill(&contender_##name, heap, size);           \
    }                                                         \
    static void run_##name(bench_state *state) { run_fresh(state, &contender_##name, fill_##name); }
CONTENDERS(FRESH)
CONTENDERS_BY_PAGE_SIZE(FRESH)

void register_fresh(void) {
    static const size_t sizes[] = {16, 64};
#define REGISTER(name) bench_register("fresh/" #name, run_##name, BENCH_NANOSECONDS, sizes, 2);
    CONTENDERS(REGISTER)
    CONTENDERS_BY_PAGE_SIZE(REGISTER)
}
