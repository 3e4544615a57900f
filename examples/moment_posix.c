/*
 * moment_posix.c -- moment.h on POSIX systems.
 */
#define _POSIX_C_SOURCE 200809L

#include "moment.h"

#include <time.h>

void sleep_a_moment(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }
