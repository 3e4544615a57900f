/*
 * A stress pattern: threads that come and go, blocks of all sizes that outlive their thread and are
 * resized and freed by others, and contents that are checked before each free.
 *
 *     test_malloc_stress [SECONDS]      without a number: a fixed amount of work
 *
 *      thread    | own blocks |  <- exchanges with ->  | table of all threads |
 *
 * Compiled twice: with the names of C in a program that links holdfast::malloc, and with
 * MALLOC_STRESS_SMALL with the functions behind them, whose heaps are small.
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"

#ifdef MALLOC_STRESS_SMALL
#include "malloc_core.h"
#define STRESS_MALLOC(size) hf_malloc_allocate(size)
#define STRESS_CALLOC(size) hf_malloc_allocate_slow((malloc_request){size, 16, true})
#define STRESS_ALIGNED(align, size) hf_malloc_allocate_aligned(align, size)
#define STRESS_REALLOC(block, size) hf_malloc_resize(block, size)
#define STRESS_FREE(block) hf_malloc_free(block)
#define STRESS_SIZE(block) hf_malloc_size(block)
#define STRESS_TRIM() hf_malloc_trim(0)
#define STRESS_LARGEST ((size_t)6 << 20)
#else
size_t malloc_usable_size(void *block);
int malloc_trim(size_t keep);
#define STRESS_MALLOC(size) malloc(size)
#define STRESS_CALLOC(size) calloc(1, size)
#define STRESS_ALIGNED(align, size) aligned_alloc(align, size)
#define STRESS_REALLOC(block, size) realloc(block, size)
#define STRESS_FREE(block) free(block)
#define STRESS_SIZE(block) malloc_usable_size(block)
#define STRESS_TRIM() malloc_trim(0)
#define STRESS_LARGEST ((size_t)(sizeof(void *) == 8 ? 32 : 6) << 20)
#endif

enum {
    THREADS = 6,
    OWN = 400,                /* blocks of a thread */
    SHARED = 2000,            /* blocks of all threads */
    STEPS = 20000,            /* of a thread, until another one takes its place */
    LARGEST_CHECKED = 4096,   /* bytes of a block of which each is checked */
    GENERATIONS = 3 * THREADS /* of threads, without a number of seconds */
};

typedef struct stress_block {
    char *address; /* NULL: none */
    size_t size;
    unsigned seed; /* of its pattern */
} stress_block;

static stress_block shared[SHARED];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t operations; /* atomic */

static _Noreturn void stress_fail(const char *what, const stress_block *block) {
    printf("%s: block %p of %zu bytes, seed %u\n", what, (void *)block->address, block->size,
           block->seed);
    fflush(stdout);
    abort();
}

/* ------------------------------------------------------------------ contents -------------- */

/* The bytes of a large block that are written and checked: all of its first and last ones, and one
 * of each page. */
static size_t next_index(size_t index, size_t size) {
    if (index < LARGEST_CHECKED / 2 || size - index <= LARGEST_CHECKED / 2) return index;
    size_t page = (index + 4095) / 4096 * 4096;
    return page < size - LARGEST_CHECKED / 2 ? page : size - LARGEST_CHECKED / 2;
}

static char pattern(const stress_block *block, size_t index) {
    return (char)((block->seed + index * 0x9e3779b1u) >> 13);
}

static void fill(const stress_block *block) {
    for (size_t i = 0; i < block->size; i = next_index(i + 1, block->size))
        block->address[i] = pattern(block, i);
}

/* The first `size` bytes are those of the block when it had block->size. */
static void check(const stress_block *block, size_t size) {
    for (size_t i = 0; i < size; i = next_index(i + 1, block->size))
        if (block->address[i] != pattern(block, i)) stress_fail("bytes have changed", block);
}

static void check_zero(const stress_block *block) {
    for (size_t i = 0; i < block->size; i = next_index(i + 1, block->size))
        if (block->address[i] != 0) stress_fail("calloc: bytes are not 0", block);
}

/* ------------------------------------------------------------------- steps ---------------- */

static size_t choose_size(struct random *random) {
    switch (random_below(random, 100)) {
    case 0: return random_below(random, 2) ? 0 : random_below(random, STRESS_LARGEST);
    case 1:
    case 2: return random_below(random, (size_t)1 << 20);
    case 3:
    case 4:
    case 5:
    case 6: return random_below(random, (size_t)1 << 16);
    default: return random_below(random, (size_t)16 << random_below(random, 9));
    }
}

static void allocate(struct random *random, stress_block *block) {
    size_t kind = random_below(random, 8), align = (size_t)1 << random_below(random, 14);
    block->size = choose_size(random);
    block->seed = (unsigned)random_below(random, 1u << 31);
    block->address = kind == 0   ? STRESS_CALLOC(block->size)
                     : kind == 1 ? STRESS_ALIGNED(align, block->size)
                                 : STRESS_MALLOC(block->size);
    if (block->address == NULL) stress_fail("no memory", block);
    if ((uintptr_t)block->address % (kind == 1 ? align : 16) != 0)
        stress_fail("not aligned", block);
    if (STRESS_SIZE(block->address) < block->size) stress_fail("usable size", block);
    if (kind == 0) check_zero(block);
    fill(block);
}

static void release(stress_block *block) {
    check(block, block->size);
    STRESS_FREE(block->address);
    block->address = NULL;
}

static void resize(struct random *random, stress_block *block) {
    size_t size = choose_size(random) + 1;
    char *moved = STRESS_REALLOC(block->address, size);
    if (moved == NULL) stress_fail("no memory to resize", block);
    block->address = moved;
    check(block, size < block->size ? size : block->size);
    block->size = size;
    fill(block);
}

static void exchange(struct random *random, stress_block *block) {
    stress_block *other = &shared[random_below(random, SHARED)], mine = *block;
    pthread_mutex_lock(&shared_lock);
    *block = *other;
    *other = mine;
    pthread_mutex_unlock(&shared_lock);
}

static void step(struct random *random, stress_block *block) {
    switch (random_below(random, 8)) {
    case 0: exchange(random, block); break;
    case 1:
        if (block->address) resize(random, block);
        break;
    case 2:
        if (random_below(random, 2000) == 0) STRESS_TRIM();
        break;
    default:
        if (block->address)
            release(block);
        else
            allocate(random, block);
    }
}

/* Half of a thread's blocks outlive it. */
static void *run_thread(void *seed) {
    struct random random = {(uint64_t)(uintptr_t)seed * 2 + 1};
    stress_block own[OWN] = {{NULL, 0, 0}};
    for (int i = 0; i < STEPS; i++) step(&random, &own[random_below(&random, OWN)]);
    for (int i = 0; i < OWN; i += 2) exchange(&random, &own[i]);
    for (int i = 0; i < OWN; i++)
        if (own[i].address) release(&own[i]);
    __atomic_fetch_add(&operations, STEPS, __ATOMIC_RELAXED);
    return NULL;
}

static void start(pthread_t *thread, uintptr_t seed) {
    int code = pthread_create(thread, NULL, run_thread, (void *)seed);
    if (code != 0) printf("pthread_create: %s\n", strerror(code)), abort();
}

int main(int count, char **arguments) {
    time_t end = count > 1 ? time(NULL) + atol(arguments[1]) : 0;
    pthread_t threads[THREADS];
    uintptr_t generation = 0;
    for (; generation < THREADS; generation++) start(&threads[generation], generation);
    for (; end ? time(NULL) < end : generation < GENERATIONS; generation++) {
        pthread_join(threads[generation % THREADS], NULL);
        start(&threads[generation % THREADS], generation);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < SHARED; i++)
        if (shared[i].address) release(&shared[i]);
    printf("%zu operations of %zu threads\n", operations, (size_t)generation);
    return EXIT_SUCCESS;
}
