/*
 * sleep.h -- sleeping: C11's thrd_sleep is missing on some systems.
 */
#ifndef HOLDFAST_EXAMPLES_SLEEP_H
#define HOLDFAST_EXAMPLES_SLEEP_H

/* Sleeps for a millisecond or a little more. */
void sleep_a_millisecond(void);

#endif
