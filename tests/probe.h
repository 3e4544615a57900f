/*
 * probe.h -- whether an address can be read or written, found out without a fault.
 *
 * probe_posix.c and probe_windows.c implement probe_copy(), so that tests need no system header.
 */
#ifndef HOLDFAST_TESTS_PROBE_H
#define HOLDFAST_TESTS_PROBE_H

#include <stdbool.h>

/* Lets the kernel copy a byte from `from` through a pipe to `to`. False: it could not, because a
 * load from `from` or a store to `to` would fault. */
bool probe_copy(const char *from, char *to);

/* Whether a load from this address succeeds. */
static inline bool probe_readable(const char *address) {
    char byte;
    return probe_copy(address, &byte);
}

/* Whether a store to this address succeeds. The byte there stays as it is. */
static inline bool probe_writable(char *address) {
    char byte;
    return probe_copy(address, &byte) && probe_copy(&byte, address);
}

#endif
