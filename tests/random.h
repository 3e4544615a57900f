/*
 * random.h -- numbers that look random and are the same in every run: Marsaglia's xorshift64*.
 */
#ifndef HOLDFAST_TESTS_RANDOM_H
#define HOLDFAST_TESTS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state; /* not 0 */
};

/* A number below `limit`, which is not 0. */
static inline size_t random_below(struct random *random, size_t limit) {
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (size_t)((random->state * 0x2545f4914f6cdd1d >> 16) % limit);
}

#endif
