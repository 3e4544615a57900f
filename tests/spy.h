/*
 * spy.h -- a backend that records every call and fails on request.
 *
 * It is built as backend.h tells users to: a copy of another backend with some functions replaced,
 * as the first member of a struct that holds the data. A test opens an arena on it and then
 * reads which calls the arena made, in which order, and for how many bytes.
 */
#ifndef HOLDFAST_TESTS_SPY_H
#define HOLDFAST_TESTS_SPY_H

#include <stdbool.h>
#include <stddef.h>

#include <holdfast/backend.h>

enum spy_step {
    SPY_RESERVE,
    SPY_RELEASE,
    SPY_SPLIT,
    SPY_COALESCE,
    SPY_COMMIT,
    SPY_DECOMMIT,
    SPY_ADVISE,
    SPY_NAME,
    SPY_ALLOCATE_PAGES,
    SPY_FREE_PAGES,
    SPY_STEPS
};

struct spy_call {
    enum spy_step step;
    char *address;
    size_t size;
    hf_advice advice; /* SPY_ADVISE only */
    const char *name; /* SPY_NAME only */
    hf_status status;
};

enum { SPY_CALLS = 4096, SPY_ERROR_CODE = 4711 /* the os_code of a call that the spy fails */ };

struct spy {
    hf_backend backend; /* must be first: the functions cast its address to the spy */
    const hf_backend *under;

    size_t largest[SPY_STEPS];  /* a call for more bytes fails; SIZE_MAX: never */
    hf_status error[SPY_STEPS]; /* the status that a failing call returns */
    bool pretends;              /* commit and decommit succeed without doing anything */

    struct spy_call calls[SPY_CALLS]; /* the most recent calls, oldest first */
    size_t count;
    size_t system_calls; /* reported by the backend below, plus one for each failed call */
};

/* under NULL: the native backend. */
void spy_init(struct spy *spy, const hf_backend *under);

/* Forgets the recorded calls and the number of system calls; largest and error stay. */
void spy_forget(struct spy *spy);

/* How many calls of this step are recorded. */
size_t spy_count(const struct spy *spy, enum spy_step step);

/* The nth recorded call of this step, counted from 0; NULL if there are not that many. */
const struct spy_call *spy_nth(const struct spy *spy, enum spy_step step, size_t nth);

/* Bytes committed minus bytes decommitted by the recorded calls. */
size_t spy_committed(const struct spy *spy);

#endif
