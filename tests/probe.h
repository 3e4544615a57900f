/*
 * probe.h -- what an address permits, asked of the system without touching it.
 *
 * A file of its own, since only here does asking need a system header.
 */
#ifndef HOLDFAST_TESTS_PROBE_H
#define HOLDFAST_TESTS_PROBE_H

#include <stdbool.h>

/* Whether a load from this address succeeds. */
bool probe_readable(const char *address);

/* Whether a store to this address succeeds. The byte there is kept. */
bool probe_writable(char *address);

#endif
