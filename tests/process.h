/*
 * process.h -- what a test asks of the operating system: children, memory maps, page faults.
 */
#ifndef HOLDFAST_TESTS_PROCESS_H
#define HOLDFAST_TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Starts a function in a child of its own, where a failed check ends the child. */
long process_start(void (*function)(void *), void *argument);

/* Waits for a child: true when it came back from its function, or ended with exit status 0. */
bool process_ended_well(long child);

/* Both at once. */
bool process_runs(void (*function)(void *), void *argument);

/* The same, expecting the function to die of a fault at `address`. */
bool process_faults_at(void (*function)(void *), void *argument, const void *address);

/* What the system shows of a range of addresses, summed over the mappings that touch it. */
struct process_memory {
    size_t mappings;
    size_t resident;                    /* bytes */
    size_t huge;                        /* of these, in huge pages */
    bool advised_huge, advised_no_huge; /* some mapping in the range is so advised */
};

struct process_memory process_memory_of(const void *start, size_t size);

/* Page faults of this process so far that read nothing from a disk. */
size_t process_faults(void);

#endif
