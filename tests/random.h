/*
 * random.h -- pseudo-random numbers, the same in every run: Marsaglia's xorshift64*.
 */
#ifndef HOLDFAST_TESTS_RANDOM_H
#define HOLDFAST_TESTS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state; /* not 0 */
};

/* A number below `limit`; `limit` must not be 0. */
static inline size_t random_below(struct random *random, size_t limit) {
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (size_t)((random->state * 0x2545f4914f6cdd1d >> 16) % limit);
}

#endif
