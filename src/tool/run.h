/*
 * run.h -- the verb run of the command holdfast: runs an unmodified program on
 * libholdfast-malloc.so, and compares that with other allocators.
 *
 *   run.c                 arguments and help
 *   run_posix.c           what is done with them; run_without_elf.c: why nothing can be
 *   preload_posix.c       LD_PRELOAD: finds the program, says what it cannot be preloaded into
 *   allocators_posix.c    finds the allocators
 *   child_posix.c         runs and measures the program in a child process
 *   trace_posix.c         finds out which of its processes loaded the allocator
 *   compare.c             the order of the runs, and what they agree on
 *   statistics.c          median and quartiles
 *   compare_table.c, compare_json.c  the results
 *
 * Only files that end in _posix.c make system calls; they are built on systems with ELF alone. The
 * files options, screen, array and platform are those of examples/tour, where main.c is.
 */
#ifndef TOOL_RUN_H
#define TOOL_RUN_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses of the verb, beside those of the program; env(1) and timeout(1) use the same. */
enum { RUN_FAILED = 125, RUN_NOT_EXECUTABLE = 126, RUN_NOT_FOUND = 127 };

enum { RUN_MOST_WITH = 8 };

struct run_request {
    bool compare, json;
    size_t runs; /* measured runs of each allocator; 0: as many as the length of a run suggests */
    const char *with[RUN_MOST_WITH]; /* "NAME=PATH" of further allocators */
    size_t with_count;
    char **command; /* the program and its arguments; NULL after the last */
};

/* The verb: takes the arguments after "run" and returns the exit status. */
int run(int count, char **arguments);

/* Does what is requested, and returns the exit status. Without `compare` it only returns if the
 * program could not be started. */
int run_request(const struct run_request *request);

#endif
