/* replay.h -- the verb that runs inputs of the fuzzers, for comparing backends and systems. */
#ifndef TOUR_REPLAY_H
#define TOUR_REPLAY_H

/* The arguments behind the verb. Returns the exit status: 0; 1: an input could not be read, or the
 * library left something behind; 2: wrong usage. */
int replay(int count, char **arguments);

#endif
