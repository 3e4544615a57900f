/*
 * bench/small.c -- whole arenas for small pieces of work.
 *
 *     small   one arena: open, 64 objects of 64 bytes, close. An iteration is one arena
 *     many    20,000 arenas that are open at once: open all, 100 objects of 64 bytes in each, in
 *             turn (one in every arena, then the second in every arena), close all. An iteration is
 *             one object
 *
 *     holdfast            hf_arena_open and hf_arena_close of an arena of a pool, which keeps its
 *                         memory when it is closed
 *     holdfast_64_KiB     many: a pool whose arenas reserve 64 KiB each instead of 1 GiB, so that
 *                         32 of them share a page table
 *     holdfast_unpooled   hf_arena_open and hf_arena_close without a pool. An arena takes three
 *                         mappings, so 20,000 fit in the default vm.max_map_count of 65,530
 *     mimalloc_heap       mi_heap_new and mi_heap_destroy: mimalloc keeps the heap's memory
 *     mimalloc_purged     and mi_collect, after which it keeps none that it could give back
 *     mimalloc, malloc    no arenas: allocate and free, one by one
 *
 * The process has done the same work before, so a contender that keeps memory has it. The first
 * round of many, in which 20,000 heaps of mimalloc fault 4.8 GiB in, is not timed.
 */
#include "workloads.h"

#include <string.h>

#include "contenders.h"
#include "meter.h"
#include "shim.h"

enum { OBJECT_SIZE = 64, OBJECTS_OF_ONE = 64 };                                     /* small */
enum { ARENAS = 20000, OBJECTS_OF_EACH = 100, OBJECTS = ARENAS * OBJECTS_OF_EACH }; /* many */

/* ------------------------------------------------------------- contenders ----------------- */

static hf_pool *pool; /* NULL: not open */

static void small_close_nothing(bench_heap *heap) { (void)heap; }

#ifdef BENCH_MIMALLOC_LINKED

#define SMALL_CONTENDERS(X) SMALL_MIMALLOC(X)

#else

static size_t pool_reserve; /* of each arena; 0: the default */

static bool small_open_pooled(bench_heap *heap) {
    hf_pool_options pool_options = {.arenas = ARENAS, .reserve = pool_reserve};
    if (!pool && hf_pool_open(&pool, &pool_options) != HF_OK) return false;
    hf_arena_options options = {.pool = pool};
    return hf_arena_open(&heap->holdfast, &options) == HF_OK;
}

static const bench_contender small_holdfast = {
    .open = small_open_pooled, .allocate = holdfast_allocate, .close = holdfast_close};
static const bench_contender small_holdfast_unpooled = {
    .open = holdfast_open, .allocate = holdfast_allocate, .close = holdfast_close};
static const bench_contender small_malloc = {.open = malloc_open,
                                             .allocate = malloc_allocate,
                                             .free_one = malloc_free_one,
                                             .close = small_close_nothing};

#define SMALL_CONTENDERS(X) X(holdfast) X(holdfast_unpooled) SMALL_MIMALLOC(X) X(malloc)

#endif

#ifdef HOLDFAST_MIMALLOC_LIBRARY

static void small_destroy(bench_heap *heap) { MI(heap_destroy)(heap->mimalloc.heap); }

static const bench_contender small_mimalloc = {.open = mimalloc_open,
                                               .allocate = mimalloc_allocate,
                                               .free_one = mimalloc_free_one,
                                               .close = small_close_nothing};
static const bench_contender small_mimalloc_heap = {
    .open = mimalloc_heap_open, .allocate = mimalloc_heap_allocate, .close = small_destroy};
static const bench_contender small_mimalloc_purged = {
    .open = mimalloc_heap_open, .allocate = mimalloc_heap_allocate, .close = mimalloc_heap_close};

#define SMALL_MIMALLOC(X) X(mimalloc) X(mimalloc_heap) MIMALLOC_SMALL(X)
#define SMALL_PURGED(X) X(mimalloc_purged)

#else

#define SMALL_MIMALLOC(X)
#define SMALL_PURGED(X)

#endif

#ifdef MIMALLOC_HAS_THEAPS

static const bench_contender small_mimalloc_small = {.open = mimalloc_small_open,
                                                     .allocate = mimalloc_small_allocate,
                                                     .free_one = mimalloc_small_free_one,
                                                     .close = small_close_nothing};
static const bench_contender small_mimalloc_heap_small = {
    .open = mimalloc_heap_small_open, .allocate = mimalloc_small_allocate, .close = small_destroy};

#endif

/* --------------------------------------------------------------- measuring ---------------- */

static bench_heap heaps[ARENAS];
static void *objects[OBJECTS]; /* the first of every arena, then the second */

BENCH_INLINE size_t open_arenas(const bench_contender *contender, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!contender->open(&heaps[i])) return i;
    }
    return count;
}

BENCH_INLINE bool fill_arenas(const bench_contender *contender, size_t arenas, size_t count) {
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0; i < arenas; i++) {
            void *object = contender->allocate(&heaps[i], OBJECT_SIZE);
            if (__builtin_expect(!object, 0)) return false;
            BENCH_KEEP(object);
            *(void **)object = NULL;
            objects[n * arenas + i] = object;
        }
    }
    return true;
}

BENCH_INLINE void close_arenas(const bench_contender *contender, size_t arenas, size_t count) {
    for (size_t i = 0; i < arenas; i++) {
        for (size_t n = 0; contender->free_one && n < count; n++) {
            contender->free_one(&heaps[i], objects[n * arenas + i]);
        }
        contender->close(&heaps[i]);
    }
}

/* Opens so many arenas, allocates `count` objects in each and closes them. */
BENCH_INLINE bool use_arenas(const bench_contender *contender, size_t arenas, size_t count) {
    size_t opened = open_arenas(contender, arenas);
    bool is_filled = opened == arenas && fill_arenas(contender, arenas, count);
    close_arenas(contender, opened, is_filled ? count : 0);
    return is_filled;
}

/* A round of the work; false: not all arenas or objects can be had. */
typedef bool small_round(void);

/* The first rounds are not timed. */
static void small_run(bench_state *state, small_round *round, int rounds_before,
                      size_t iterations) {
    bench_meter meter = {0};
    size_t rounds = 0;
    bool is_had = true;
    memset(heaps, 0, sizeof heaps);
    memset(objects, 0, sizeof objects);
    meter_watch_memory(&meter);
    for (int i = 0; is_had && i < rounds_before; i++) is_had = round();
    meter_begin(&meter);
    for (; is_had && bench_next_batch(state, iterations); rounds++) is_had = round();
    meter_end(&meter);
    if (is_had) meter_report(&meter, state, rounds);
    if (!is_had) bench_skip(state, "not all arenas or objects can be had here");
    hf_pool_close(pool);
    pool = NULL;
}

#define SMALL(name)                                                                               \
    static bool small_round_##name(void) { return use_arenas(&small_##name, 1, OBJECTS_OF_ONE); } \
    static void run_small_##name(bench_state *state) {                                            \
        small_run(state, small_round_##name, 10, 1);                                              \
    }
SMALL_CONTENDERS(SMALL)
SMALL_PURGED(SMALL)

#define MANY(name)                                                 \
    static bool many_round_##name(void) {                          \
        return use_arenas(&small_##name, ARENAS, OBJECTS_OF_EACH); \
    }                                                              \
    static void run_many_##name(bench_state *state) {              \
        small_run(state, many_round_##name, 1, OBJECTS);           \
    }
SMALL_CONTENDERS(MANY)

#ifndef BENCH_MIMALLOC_LINKED
static void run_many_holdfast_64_KiB(bench_state *state) {
    pool_reserve = (size_t)64 << 10;
    run_many_holdfast(state);
    pool_reserve = 0;
}
#endif

void register_small(void) {
#define REGISTER_SMALL(name) \
    bench_register("small/" #name, run_small_##name, BENCH_MICROSECONDS, NULL, 0);
#define REGISTER_MANY(name) \
    bench_register("many/" #name, run_many_##name, BENCH_NANOSECONDS, NULL, 0);
    SMALL_CONTENDERS(REGISTER_SMALL)
    SMALL_PURGED(REGISTER_SMALL)
    SMALL_CONTENDERS(REGISTER_MANY)
#ifndef BENCH_MIMALLOC_LINKED
    REGISTER_MANY(holdfast_64_KiB)
#endif
}
