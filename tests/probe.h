/*
 * probe.h -- whether an address can be read or written, found out without a fault.
 *
 * Implemented in probe_posix.c and probe_windows.c, so that tests need no system header for it.
 */
#ifndef HOLDFAST_TESTS_PROBE_H
#define HOLDFAST_TESTS_PROBE_H

#include <stdbool.h>

/* Whether a load from this address succeeds. */
bool probe_readable(const char *address);

/* Whether a store to this address succeeds. The byte there stays as it is. */
bool probe_writable(char *address);

#endif
