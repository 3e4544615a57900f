/*
 * compare.h -- measures a program on several allocators, which take turns.
 *
 *     round 0   glibc      glibc-huge  holdfast    mimalloc      warm-up, not counted
 *     round 1   glibc      mimalloc    glibc-huge  holdfast
 *     round 2   glibc-huge glibc       holdfast    mimalloc
 *     round 3   holdfast   glibc-huge  mimalloc    glibc
 *     round 4   mimalloc   holdfast    glibc       glibc-huge
 *
 * So a change of the machine's load or temperature meets all alike. The order is a Williams design:
 * in as many rounds as there are allocators each follows each other one once (of an odd number, in
 * twice as many rounds), so that what one leaves behind in caches and free memory meets all alike,
 * too. Where compare_measure chooses the number of rounds, it is a multiple of that.
 *
 * How a run is made is the caller's function, so that the order and the conclusions can be tested
 * without processes.
 */
#ifndef TOOL_COMPARE_H
#define TOOL_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "array.h"
#include "screen.h"
#include "statistics.h"

enum {
    COMPARE_MOST = 16,
    COMPARE_MOST_RUNS = 1000,
    COMPARE_NAME_SIZE = 24,
    COMPARE_PATH_SIZE = 4096
};

enum compare_quantity {
    COMPARE_PROCESSOR, /* nanoseconds, user and system */
    COMPARE_WALL,      /* nanoseconds */
    COMPARE_FAULTS,    /* page faults */
    COMPARE_PEAK,      /* bytes: the peak of resident memory of the largest process */
    COMPARE_QUANTITIES
};

/* How a program ended. */
struct compare_end {
    int exit_status;
    int signal; /* that ended it; 0: none, it exited */
};

struct compare_run {
    uint64_t quantities[COMPARE_QUANTITIES];
    uint64_t output_size, output_hash; /* of standard output */
    struct compare_end end;
};

/* What was seen of the processes in a warm-up run. */
struct compare_sight {
    bool is_known;      /* false: the program could not be watched, or not at its end */
    bool first_without; /* the program itself did not have the allocator loaded when it ended */
    unsigned processes, without; /* all that ended; those of them without the allocator */
    char names[160];             /* programs of those without, separated by commas */
};

struct compare_contender {
    char name[COMPARE_NAME_SIZE];
    char library[COMPARE_PATH_SIZE];        /* to preload; empty: none */
    bool huge_pages;                        /* glibc's tunable for huge pages is set */
    char left_out[COMPARE_PATH_SIZE + 200]; /* why it is not measured; empty: it is */
    struct compare_sight sight;
    struct array runs; /* of struct compare_run, measured ones only */
    /* conclusions: */
    struct statistics statistics[COMPARE_QUANTITIES];
    bool same_output, same_end; /* in all runs as in the first run of the first contender */
};

enum compare_stage { COMPARE_WARM_UP, COMPARE_MEASURED };

/* Runs the program on a contender. In a warm-up it may set left_out. False: it could not, and no
 * further run is to be made; reported by the function. */
typedef bool compare_runner(void *user, struct compare_contender *contender,
                            enum compare_stage stage, struct compare_run *run);

/* The contenders; the first one is what the others are compared with. */
struct compare {
    struct compare_contender contenders[COMPARE_MOST];
    size_t count;
    size_t runs; /* measured runs of each, at most COMPARE_MOST_RUNS; 0: compare_measure chooses */
    bool steady; /* conclusion: all runs of the first contender had the same output and end */
};

/* Adds a contender, or replaces one of the same name, and returns it; NULL: there are too many. */
struct compare_contender *compare_add(struct compare *compare, const char *name);

/* Makes all runs and draws the conclusions. False: the runner failed, or there was no memory
 * (reported on stderr), or the first contender was left out. */
bool compare_measure(struct compare *compare, struct screen *screen, compare_runner *runner,
                     void *user);
void compare_close(struct compare *compare);

/* The contender was measured. */
bool compare_is_measured(const struct compare_contender *contender);

/* Output and end were the same in all runs. */
bool compare_agrees(const struct compare *compare);

/* The end of the first run of the first contender. */
struct compare_end compare_first_end(const struct compare *compare);

/* The least median among those measured. */
uint64_t compare_best(const struct compare *compare, enum compare_quantity quantity);

/* Print the results. `command` ends with NULL. */
void compare_print_table(const struct compare *compare, const struct screen *screen, FILE *stream);
void compare_print_json(const struct compare *compare, char *const *command, FILE *stream);

#endif
