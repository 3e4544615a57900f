/*
 * comparison.h -- the same work on holdfast, on malloc and on mimalloc, each in its own process.
 */
#ifndef TOUR_COMPARISON_H
#define TOUR_COMPARISON_H

#include "front_end.h"
#include "screen.h"
#include "sources.h"

/* Runs the comparison on all sources that could be read, as often as fits before the deadline
 * (platform_now) but once at least, and prints the table. `totals` is what each has to find. False:
 * something failed, as stderr was told. */
bool comparison_run(const struct sources *sources, struct screen *screen,
                    const struct totals *totals, uint64_t deadline);

/* The verb that a comparison runs this command with: the work on one kind of memory, on the paths
 * that standard input has, each ended by a zero byte. Returns the exit status. */
int comparison_runner(int count, char **arguments);

#define COMPARISON_VERB "comparison-runner"

#endif
