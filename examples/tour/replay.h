/* replay.h -- the verb that runs inputs of the fuzzers, for comparing backends and systems. */
#ifndef TOUR_REPLAY_H
#define TOUR_REPLAY_H

/* Runs the verb with the arguments after it. Returns the exit status: 0; 1: an input could not be
 * read, broke a rule, or left something open; 2: wrong usage. */
int replay(int count, char **arguments);

#endif
