/*
 * bench/array.c -- appends a hundred million 64-bit integers to one array of unknown final length,
 * in memory that the process has not touched before.
 *
 * An arena extends its last block in place by 64 KiB at a time: it copies nothing and touches no
 * page before it is filled. Contenders whose realloc may copy double the capacity instead. An
 * iteration is one whole array.
 */
#include "workloads.h"

#include "growth.h"

static const size_t pushes = 100000000;
static const size_t step = 8192; /* elements */

BENCH_INLINE uint64_t *grow(const bench_contender *contender, bench_heap *heap, uint64_t *data,
                            size_t *capacity) {
    size_t old_size = *capacity * sizeof *data;
    *capacity += contender->reallocs_in_place || !data ? step : *capacity;
    size_t new_size = *capacity * sizeof *data;
    if (!data) return contender->allocate(heap, new_size);
    return contender->resize(heap, data, old_size, new_size);
}

BENCH_INLINE uint64_t *push_all(const bench_contender *contender, bench_heap *heap, size_t count) {
    uint64_t *data = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < count; i++) {
        if (__builtin_expect(i == capacity, 0)) data = grow(contender, heap, data, &capacity);
        data[i] = i;
        BENCH_KEEP(data);
    }
    return data;
}

static void release_array(const bench_contender *contender, bench_heap *heap, void *data) {
    release(contender, heap, &data, 1);
}

static void run_array(bench_state *state, const bench_contender *contender,
                      void *(*push)(bench_heap *, size_t)) {
    growth_work work = {push, release_array, pushes, 1, 2 * pushes * sizeof(uint64_t)};
    growth_run(state, contender, &work);
}

#define ARRAY(name)                                            \
    static void *push_##name(bench_heap *heap, size_t count) { \
        return push_all(&contender_##name, heap, count);       \
    }                                                          \
    static void run_##name(bench_state *state) { run_array(state, &contender_##name, push_##name); }
CONTENDERS(ARRAY)
CONTENDERS_TUNED(ARRAY)
CONTENDERS_BY_PAGE_SIZE(ARRAY)

void register_array(void) {
#define REGISTER(name) bench_register("array/" #name, run_##name, BENCH_MILLISECONDS, NULL, 0);
    CONTENDERS(REGISTER)
    CONTENDERS_TUNED(REGISTER)
    CONTENDERS_BY_PAGE_SIZE(REGISTER)
}
