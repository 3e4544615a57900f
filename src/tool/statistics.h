/*
 * statistics.h -- the median of a few measurements, and how far they spread.
 */
#ifndef TOOL_STATISTICS_H
#define TOOL_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

struct statistics {
    uint64_t least, lower_quartile, median, upper_quartile, most;
};

/* Sorts the values, of which there is at least one. Between two values it interpolates. */
struct statistics statistics_of(uint64_t *values, size_t count);

/* Half of the interquartile range as a share of the median; 0 if the median is 0. */
double statistics_spread(const struct statistics *statistics);

/* a / b; 1 if both are 0, and infinite if only b is 0. */
double statistics_ratio(uint64_t a, uint64_t b);

/* How many runs to measure if one takes so many nanoseconds: an odd number from 5 to 99, so that
 * all of them take about a second. */
size_t statistics_runs(uint64_t nanoseconds);

#endif
