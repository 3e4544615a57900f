/*
 * sleep.h -- waiting, for which standard C has no word that every system knows.
 */
#ifndef HOLDFAST_EXAMPLES_SLEEP_H
#define HOLDFAST_EXAMPLES_SLEEP_H

/* About a millisecond. */
void sleep_a_millisecond(void);

#endif
