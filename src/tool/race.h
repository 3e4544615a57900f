/*
 * race.h -- the same work on holdfast, on malloc and on mimalloc, each in a process of its own.
 */
#ifndef TOUR_RACE_H
#define TOUR_RACE_H

#include "front_end.h"
#include "screen.h"
#include "sources.h"

/* Runs the race on all sources that could be read, as often as fits before the deadline (host_now)
 * but once at least, and prints the table. `totals` is what every contender has to find. False:
 * something failed, as stderr was told. */
bool race_run(const struct sources *sources, struct screen *screen, const struct totals *totals,
              uint64_t deadline);

/* The verb that a race runs this command with: the work on one kind of memory, on the paths that
 * standard input has, each ended by a zero byte. Returns the exit status. */
int race_runner(int count, char **arguments);

#define RACE_VERB "race-runner"

#endif
