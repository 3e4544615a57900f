/*
 * comparison.h -- the same work on holdfast, on malloc and on mimalloc, each in its own process.
 */
#ifndef TOUR_COMPARISON_H
#define TOUR_COMPARISON_H

#include "front_end.h"
#include "screen.h"
#include "sources.h"

/* Compares on all sources that could be read and prints the table. Repeats the runs until the
 * deadline (a time of platform_now), but runs each at least once. `totals` is what each run has to
 * find. False: a run failed; reported on stderr. */
bool comparison_run(const struct sources *sources, struct screen *screen,
                    const struct totals *totals, uint64_t deadline);

/* Implements COMPARISON_VERB, with which comparison_run starts this command: does the work on the
 * kind of memory that the argument names, on the files that standard input lists. Returns the exit
 * status. */
int comparison_runner(int count, char **arguments);

#define COMPARISON_VERB "comparison-runner"

#endif
