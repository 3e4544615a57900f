/*
 * bench/small.c -- a whole arena for a small piece of work: open, 64 objects of 64 bytes, close.
 *
 *     holdfast          hf_arena_open and hf_arena_close
 *     holdfast_pool     an arena of a pool, which keeps its memory when it is closed
 *     mimalloc_heap     mi_heap_new and mi_heap_destroy: mimalloc keeps the heap's memory
 *     mimalloc_purged   and mi_collect, after which it keeps none that it could give back
 *     malloc            malloc and free, one by one
 *
 * An iteration is one arena. The process has opened and closed others before, so whoever keeps
 * memory has it.
 */
#include "workloads.h"

#include "contenders.h"
#include "meter.h"
#include "shim.h"

enum { OBJECTS = 64, OBJECT_SIZE = 64, ARENAS_BEFORE = 10 };

static hf_pool *pool;

static bool small_open(bench_heap *heap) { return hf_arena_open(&heap->holdfast, NULL) == HF_OK; }

static void small_close(bench_heap *heap) { hf_arena_close(&heap->holdfast); }

static bool small_open_pooled(bench_heap *heap) {
    hf_arena_options options = {.pool = pool};
    return hf_arena_open(&heap->holdfast, &options) == HF_OK;
}

static const bench_contender small_holdfast = {
    .open = small_open, .allocate = holdfast_allocate, .close = small_close};
static const bench_contender small_holdfast_pool = {
    .open = small_open_pooled, .allocate = holdfast_allocate, .close = small_close};

static bool small_open_nothing(bench_heap *heap) {
    (void)heap;
    return true;
}

static void small_close_nothing(bench_heap *heap) { (void)heap; }

static const bench_contender small_malloc = {.open = small_open_nothing,
                                             .allocate = malloc_allocate,
                                             .free_one = malloc_free_one,
                                             .close = small_close_nothing};

#ifdef HOLDFAST_MIMALLOC_LIBRARY
static void small_destroy(bench_heap *heap) { MI(heap_destroy)(heap->mimalloc.heap); }

static const bench_contender small_mimalloc_heap = {
    .open = mimalloc_heap_open, .allocate = mimalloc_heap_allocate, .close = small_destroy};
static const bench_contender small_mimalloc_purged = {
    .open = mimalloc_heap_open, .allocate = mimalloc_heap_allocate, .close = mimalloc_heap_close};
#endif

BENCH_INLINE bool small_once(const bench_contender *contender) {
    bench_heap heap;
    void *objects[OBJECTS];
    if (!contender->open(&heap)) return false;
    for (size_t i = 0; i < OBJECTS; i++) {
        void *object = contender->allocate(&heap, OBJECT_SIZE);
        BENCH_KEEP(object);
        *(void **)object = NULL;
        objects[i] = object;
    }
    for (size_t i = 0; contender->free_one && i < OBJECTS; i++) contender->free_one(objects[i]);
    contender->close(&heap);
    return true;
}

BENCH_INLINE void small_run(bench_state *state, const bench_contender *contender) {
    bench_meter meter = {0};
    size_t rounds = 0;
    bool is_had = true;
    meter_watch_memory(&meter);
    for (int i = 0; is_had && i < ARENAS_BEFORE; i++) is_had = small_once(contender);
    if (!is_had) {
        bench_skip(state, "the contender cannot be had here");
        return;
    }
    meter_begin(&meter);
    for (; bench_next_batch(state, 1); rounds++) small_once(contender);
    meter_end(&meter);
    meter_report(&meter, state, rounds);
}

#define SMALL(name) \
    static void run_##name(bench_state *state) { small_run(state, &small_##name); }
SMALL(holdfast)
SMALL(malloc)
#ifdef HOLDFAST_MIMALLOC_LIBRARY
SMALL(mimalloc_heap)
SMALL(mimalloc_purged)
#endif

static void run_holdfast_pool(bench_state *state) {
    if (hf_pool_open(&pool, NULL) != HF_OK) {
        bench_skip(state, "the pool cannot be had here");
        return;
    }
    small_run(state, &small_holdfast_pool);
    hf_pool_close(pool);
}

void register_small(void) {
#define REGISTER(name) bench_register("small/" #name, run_##name, BENCH_MICROSECONDS, NULL, 0);
    REGISTER(holdfast)
    REGISTER(holdfast_pool)
#ifdef HOLDFAST_MIMALLOC_LIBRARY
    REGISTER(mimalloc_heap)
    REGISTER(mimalloc_purged)
#endif
    REGISTER(malloc)
}
