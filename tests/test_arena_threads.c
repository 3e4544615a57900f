/*
 * Threads, each with its own arenas, share no state; the last error is per thread.
 */
#include <pthread.h>

#include "arena_fixture.h"

enum { THREADS = 8, ROUNDS = 30, BLOCKS = 200 };

/* A failed check in this thread ends the whole process. */
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
            CHECK(is_filled(blocks[i], 1 + (seed * 7 + i * 131) % 20000, seed + i));
        CHECK(hf_alloc(&arena, SIZE_MAX - seed, 8) == NULL);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK_EQUAL(SIZE_MAX - seed, hf_last_error().size); /* the last error is this thread's */
        hf_arena_close(&arena);
    }
    return NULL;
}

static void threads_with_arenas_of_their_own_are_independent(void) {
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i * 1000 + 1;
        CHECK(pthread_create(&threads[i], NULL, work, &seeds[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Only one thread may use an arena at a time, but it can pass to another thread. */
static void *continue_in_thread(void *user) {
    hf_arena *arena = user;
    fill(hf_alloc(arena, 3 * MIB, 8), 3 * MIB, 2);
    return NULL;
}

static void an_arena_can_pass_to_another_thread(void) {
    pthread_t thread;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    CHECK(pthread_create(&thread, NULL, continue_in_thread, &arena) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(is_filled(block, 1000, 1));
    CHECK(hf_get_mark(&arena) > 3 * MIB);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(threads_with_arenas_of_their_own_are_independent),
           TEST(an_arena_can_pass_to_another_thread))
