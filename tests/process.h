/*
 * process.h -- child processes, faults and the system's list of mappings.
 *
 * Implemented in process_posix.c and process_windows.c.
 */
#ifndef HOLDFAST_TESTS_PROCESS_H
#define HOLDFAST_TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Runs a function in isolation: true if it returned, or ended its process with exit status 0; false
 * if it faulted. On POSIX it runs in a forked child: its stores have no effect on the test, and a
 * failed check in it makes the result false. On Windows it runs in a thread: its stores stay, and a
 * failed check ends the whole program.
 */
bool process_runs(void (*function)(void *), void *argument);

/* Runs a function like process_runs; true if it faulted at `address`. */
bool process_faults_at(void (*function)(void *), void *argument, const void *address);

/*
 * Starts this program as a second process that runs only the test of this name (a TEST_BY_NAME of
 * check.h). What is written to the stream is the process_input() of that process. NULL: starting it
 * failed.
 */
FILE *process_start(const char *test);

/* Closes the input of a process_start process and waits for it: true if its test succeeded. */
bool process_ended_well(FILE *process);

/* The standard input of this process, in binary mode. */
FILE *process_input(void);

/* What the system's list of mappings shows for a range, summed over the mappings that touch it. */
struct process_memory {
    size_t mappings;
    size_t resident;                    /* bytes */
    size_t huge;                        /* resident bytes in huge pages */
    bool advised_huge, advised_no_huge; /* true if any mapping in the range has this advice */
    bool not_forked;                    /* true if any of them has MADV_DONTFORK */
};

struct process_memory process_memory_of(const void *start, size_t size);

/* Whether reserving addresses costs memory: Wine needs a byte for each page, so reserving the whole
 * address space takes more memory than a machine has. */
bool process_pays_for_addresses(void);

/* How many page faults this process had; on Linux only minor ones, which read no disk. */
size_t process_faults(void);

#endif
