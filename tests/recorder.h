/*
 * recorder.h -- a backend that records every call and fails on request.
 *
 * It is built as backend.h tells users to: a copy of another backend with some functions replaced,
 * as the first member of a struct that contains the data. A test opens an arena on it and then
 * reads which calls the arena made, in which order, and for how many bytes.
 */
#ifndef HOLDFAST_TESTS_RECORDER_H
#define HOLDFAST_TESTS_RECORDER_H

#include <stdbool.h>
#include <stddef.h>

#include <holdfast/backend.h>

enum recorder_step {
    RECORDER_RESERVE,
    RECORDER_RELEASE,
    RECORDER_SPLIT,
    RECORDER_COALESCE,
    RECORDER_COMMIT,
    RECORDER_DECOMMIT,
    RECORDER_ADVISE,
    RECORDER_NAME,
    RECORDER_ALLOCATE_PAGES,
    RECORDER_FREE_PAGES,
    RECORDER_STEPS
};

struct recorder_call {
    enum recorder_step step;
    char *address;
    size_t size;
    hf_advice advice; /* RECORDER_ADVISE only */
    const char *name; /* RECORDER_NAME only */
    hf_status status;
};

enum {
    RECORDER_CALLS = 4096,
    RECORDER_ERROR_CODE = 4711 /* the os_code of a call that the recorder fails */
};

struct recorder {
    hf_backend backend; /* must be first: the functions cast its address to the recorder */
    const hf_backend *under;

    size_t largest[RECORDER_STEPS];  /* a call for more bytes fails; SIZE_MAX: never */
    hf_status error[RECORDER_STEPS]; /* the status that a failing call returns */
    bool pretends;                   /* commit and decommit succeed without doing anything */

    struct recorder_call calls[RECORDER_CALLS]; /* the most recent calls, oldest first */
    size_t count;
    size_t system_calls; /* reported by the backend below, plus one for each failed call */
};

/* under NULL: the native backend. */
void recorder_init(struct recorder *recorder, const hf_backend *under);

/* Forgets the recorded calls and the number of system calls; largest and error stay. */
void recorder_forget(struct recorder *recorder);

/* How many calls of this step are recorded. */
size_t recorder_count(const struct recorder *recorder, enum recorder_step step);

/* The nth recorded call of this step, counted from 0; NULL if there are not that many. */
const struct recorder_call *recorder_nth(const struct recorder *recorder, enum recorder_step step,
                                         size_t nth);

/* Bytes committed minus bytes decommitted by the recorded calls. */
size_t recorder_committed(const struct recorder *recorder);

#endif
