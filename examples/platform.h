/*
 * platform.h -- handling faults, and threads: what the examples need of the system and C11 does not
 * have everywhere.
 */
#ifndef HOLDFAST_EXAMPLES_PLATFORM_H
#define HOLDFAST_EXAMPLES_PLATFORM_H

#include <stdbool.h>

/* Gets the address whose access faulted (some processors tell only its page), in the thread that
 * accessed it. Returns true if the access is to be tried again; false: platform_try() ends, or,
 * outside of it, the process. */
typedef bool platform_fault_handler(const char *address);

/* Sets the handler of all threads. */
void platform_handle_faults(platform_fault_handler *handler);

/* Calls a function, which must not own anything that it would have to give back. Returns false if a
 * fault ended it, for which the handler returned false. One thread at a time, and not nested. */
bool platform_try(void (*function)(void *), void *data);

/* Starts a thread. There can be one at a time. Returns false if the system cannot. */
bool platform_start_thread(void (*function)(void));

/* Waits for the end of that thread. */
void platform_join_thread(void);

#endif
