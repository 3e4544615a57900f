/*
 * child.h -- runs a program in a child process, and measures it.
 *
 *   holdfast ---fork---> program                     measured
 *   holdfast ---fork---> watcher ---fork---> program watched: see trace.h
 *
 * The child has a session of its own: a signal that ends holdfast is passed on to all of its
 * processes, and none of them can wait for a terminal.
 */
#ifndef TOOL_CHILD_H
#define TOOL_CHILD_H

#include <stdbool.h>

#include "compare.h"

struct child_request {
    char *const *command;                      /* ends with NULL */
    const struct compare_contender *contender; /* sets the environment */
    bool shows_errors;                         /* standard error is kept, not dropped */
    struct compare_sight *sight;               /* not NULL: the processes are watched */
    uint64_t prewarm; /* bytes of memory to use and free before; less if fewer are free */
};

enum child_result {
    CHILD_ENDED,       /* the program ran and ended */
    CHILD_NOT_STARTED, /* errno says why */
    CHILD_INTERRUPTED  /* holdfast got a signal; no process of the child's session is left */
};

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT end the child that runs: see
 * child_die_of_signal. A second signal kills it. */
void child_catch_signals(void);

/* Runs the program with standard input from /dev/null and the allocator of the contender. */
enum child_result child_run(const struct child_request *request, struct compare_run *run);

/* Opens those of the three standard streams that are closed, so that no pipe takes their place. */
void child_open_streams(void);

/* Ends this process by the signal that interrupted the child. */
void child_die_of_signal(void);

/* Sets the environment that the contender needs in this process. False: no memory. */
bool child_set_environment(const struct compare_contender *contender);

#endif
