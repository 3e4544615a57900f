/*
 * threads.c -- how much faster two threads allocate than one, on the malloc that the process has:
 *
 *     holdfast run -- build/release/holdfast-bench-threads
 *
 * Each thread keeps a table of blocks of 16 to 1024 bytes and replaces one at random, again and
 * again. Rounds of one thread and of two take turns; medians of wall time are printed.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BLOCKS = 4096, OPERATIONS = 4000000, ROUNDS = 9, THREADS = 2 };

static _Noreturn void fail(void) {
    fprintf(stderr, "holdfast-bench-threads: no memory or no thread\n");
    exit(EXIT_FAILURE);
}

static void *replace_blocks(void *unused) {
    static _Thread_local char *blocks[BLOCKS];
    uint32_t random = 2463534242u;
    for (int i = 0; i < OPERATIONS; i++) {
        random ^= random << 13, random ^= random >> 17, random ^= random << 5;
        char **block = &blocks[random % BLOCKS];
        free(*block);
        *block = malloc(16 + random / BLOCKS % 1009);
        if (*block == NULL) fail();
        **block = 1;
    }
    for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    return unused;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Nanoseconds of wall time for one operation of all threads. */
static double measure(int count) {
    pthread_t threads[THREADS];
    double start = seconds_now();
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, replace_blocks, NULL) != 0) fail();
    for (int i = 0; i < count; i++)
        if (pthread_join(threads[i], NULL) != 0) fail();
    return (seconds_now() - start) * 1e9 / OPERATIONS / count;
}

static int order(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *times) {
    qsort(times, ROUNDS, sizeof *times, order);
    return times[ROUNDS / 2];
}

int main(void) {
    double one[ROUNDS], two[ROUNDS];
    measure(THREADS); /* warm-up */
    for (int i = 0; i < ROUNDS; i++) {
        one[i] = measure(1);
        two[i] = measure(THREADS);
    }
    printf("one thread: %.1f ns an operation; two threads: %.1f ns; %.2f times as fast\n",
           median(one), median(two), median(one) / median(two));
    return EXIT_SUCCESS;
}
