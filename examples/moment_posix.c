/*
 * moment_posix.c -- moment.h on POSIX systems.
 */
#define _POSIX_C_SOURCE 200809L

#include "moment.h"

#include <time.h>

void sleep_a_moment(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

double milliseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}
