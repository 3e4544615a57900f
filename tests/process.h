/*
 * process.h -- what a test asks of the operating system: children, faults, memory maps.
 *
 * process_posix.c and process_windows.c keep one contract as far as the systems go.
 */
#ifndef HOLDFAST_TESTS_PROCESS_H
#define HOLDFAST_TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Runs a function apart from the test: true when it came back, or ended its process with exit
 * status 0; false when it faulted. With POSIX that is a fork: nothing it does is seen outside, and
 * a failed check is a false here. On Windows it is a thread: its stores stay, and a failed check
 * ends the whole program.
 */
bool process_runs(void (*function)(void *), void *argument);

/* The same, expecting the function to die of a fault at `address`. */
bool process_faults_at(void (*function)(void *), void *argument, const void *address);

/*
 * Starts this program once more, as a process of its own that runs the test of this name alone (a
 * TEST_BY_NAME of check.h). What is written to the stream is its process_input(). NULL: it could
 * not be started.
 */
FILE *process_start(const char *test);

/* Ends the input of such a process and waits for it: true when its test succeeded. */
bool process_ended_well(FILE *process);

/* The standard input of this process, byte for byte. */
FILE *process_input(void);

/* What the system shows of a range of addresses, summed over the mappings that touch it. */
struct process_memory {
    size_t mappings;
    size_t resident;                    /* bytes */
    size_t huge;                        /* of these, in huge pages */
    bool advised_huge, advised_no_huge; /* some mapping in the range is so advised */
};

struct process_memory process_memory_of(const void *start, size_t size);

/* Whether addresses take memory that are only reserved: with Wine a byte for each page, which for
 * all the addresses there are is more than a machine has. */
bool process_pays_for_addresses(void);

/* Page faults of this process so far that read nothing from a disk. */
size_t process_faults(void);

#endif
