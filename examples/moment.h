/*
 * moment.h -- waiting and measuring time, for which standard C has no word that every system knows.
 */
#ifndef HOLDFAST_EXAMPLES_MOMENT_H
#define HOLDFAST_EXAMPLES_MOMENT_H

/* About a millisecond. */
void sleep_a_moment(void);

/* Of a clock that only goes forward. */
double milliseconds_now(void);

#endif
