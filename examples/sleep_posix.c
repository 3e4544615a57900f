/*
 * sleep_posix.c -- sleep.h on POSIX systems.
 */
#define _POSIX_C_SOURCE 200809L

#include "sleep.h"

#include <time.h>

void sleep_a_millisecond(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }
