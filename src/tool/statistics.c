/*
 * statistics.c -- quartiles by linear interpolation between the sorted values.
 */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>

static int statistics_order(const void *left, const void *right) {
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* The value at a quarter, two quarters, ... of the way from the first to the last one. */
static uint64_t statistics_quartile(const uint64_t *sorted, size_t count, size_t quarter) {
    size_t position = quarter * (count - 1), index = position / 4, rest = position % 4;
    if (rest == 0) return sorted[index];
    uint64_t step = sorted[index + 1] - sorted[index];
    return sorted[index] + step / 4 * rest + step % 4 * rest / 4;
}

struct statistics statistics_of(uint64_t *values, size_t count) {
    qsort(values, count, sizeof *values, statistics_order);
    return (struct statistics){
        .least = values[0],
        .lower_quartile = statistics_quartile(values, count, 1),
        .median = statistics_quartile(values, count, 2),
        .upper_quartile = statistics_quartile(values, count, 3),
        .most = values[count - 1],
    };
}

double statistics_spread(const struct statistics *statistics) {
    uint64_t range = statistics->upper_quartile - statistics->lower_quartile;
    return statistics->median ? (double)range / 2 / (double)statistics->median : 0;
}

double statistics_ratio(uint64_t a, uint64_t b) {
    if (b > 0) return (double)a / (double)b;
    return a == 0 ? 1 : (double)INFINITY;
}

size_t statistics_runs(uint64_t nanoseconds) {
    enum { LEAST = 5, MOST = 99, SECOND = 1000000000 };
    uint64_t runs = nanoseconds ? SECOND / nanoseconds : MOST;
    if (runs < LEAST) return LEAST;
    return runs > MOST ? MOST : (size_t)(runs | 1);
}
