/*
 * moment.h -- waiting, for which standard C has no word that every system knows.
 */
#ifndef HOLDFAST_EXAMPLES_MOMENT_H
#define HOLDFAST_EXAMPLES_MOMENT_H

/* About a millisecond. */
void sleep_a_moment(void);

#endif
