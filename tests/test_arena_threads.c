/*
 * Threads, each with arenas of its own: they share nothing but the last error's type.
 */
#include <pthread.h>

#include "arena_fixture.h"

enum { THREADS = 8, ROUNDS = 30, BLOCKS = 200 };

/* A failed check ends the process, and the test with it: this is a thread of its own. */
static void *work(void *user) {
    unsigned seed = *(unsigned *)user;
    char *blocks[BLOCKS];
    for (unsigned round = 0; round < ROUNDS; round++) {
        hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
        for (unsigned i = 0; i < BLOCKS; i++) {
            size_t size = 1 + (seed * 7 + i * 131) % 20000;
            blocks[i] = hf_alloc_zeroed(&arena, size, 16);
            CHECK(blocks[i] && is_zero(blocks[i], size));
            fill(blocks[i], size, seed + i);
        }
        for (unsigned i = 0; i < BLOCKS; i++)
            CHECK(holds(blocks[i], 1 + (seed * 7 + i * 131) % 20000, seed + i));
        CHECK(hf_alloc(&arena, SIZE_MAX - seed, 8) == NULL);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK_EQUAL(SIZE_MAX - seed, hf_last_error().size); /* this thread's, and no other's */
        hf_arena_close(&arena);
    }
    return NULL;
}

static void threads_share_nothing(void) {
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i * 1000 + 1;
        CHECK(pthread_create(&threads[i], NULL, work, &seeds[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/* An arena belongs to one thread at a time: handed over, it goes on where it was. */
static void *go_on(void *user) {
    hf_arena *arena = user;
    fill(hf_alloc(arena, 3 * MIB, 8), 3 * MIB, 2);
    return NULL;
}

static void an_arena_can_be_handed_over(void) {
    pthread_t thread;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    CHECK(pthread_create(&thread, NULL, go_on, &arena) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(holds(block, 1000, 1));
    CHECK(hf_get_mark(&arena) > 3 * MIB);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(threads_share_nothing), TEST(an_arena_can_be_handed_over))
