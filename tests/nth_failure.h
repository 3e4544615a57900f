/*
 * nth_failure.h -- everything again with the n-th call of the system failing, for every n, in
 * the ways that the call's contract allows.
 *
 * As SQLite is tested: an attempt is made with its first call failing, then with its second, and
 * so on until it runs through without meeting a failure; once with a single failure, and once
 * more with every call failing from the n-th on. For each n it is made with the first status that
 * the failing call may return, and, where only one call fails, with one of the others, in turn;
 * with HOLDFAST_CASES=ALL with each, with FEW with one in all, in turn.
 *
 *     static void attempt(struct failure *failure) {
 *         ... prepare on failure->strict ...
 *         failure_on(failure);
 *         hf_status status = hf_space_commit_range(space, 0, size);
 *         failure_off(failure);
 *         if (status != HF_OK) check_failure(failure, status);
 *         ... all is as it was, or as it should be; close ...
 *     }
 *
 *     each_failure(attempt, NULL);
 */
#ifndef HOLDFAST_TESTS_NTH_FAILURE_H
#define HOLDFAST_TESTS_NTH_FAILURE_H

#include "holdfast/backend.h"

struct failure {
    const hf_backend *under;
    hf_backend *strict; /* fresh for each attempt */
    const void *user;
    size_t nth;    /* this call fails, counted from failure_on */
    size_t choice; /* in this way */
    bool from_then_on, is_on;
    size_t calls;   /* counted while on */
    size_t failed;  /* of these */
    size_t choices; /* the most ways to fail that one of the failed ones has */
    hf_error as;    /* what the last failed one reported */
};

/*
 * Makes the attempt until none of its calls fails, and checks after each that the backend saw no
 * violation, that nothing on it is left alive and that the process has as many handles open as
 * before. Returns for how many n attempts met a failure.
 */
size_t each_failure(void (*attempt)(struct failure *), const void *user);

/* The same over another backend; NULL: the native one. */
size_t each_failure_on(const hf_backend *under, void (*attempt)(struct failure *),
                       const void *user);

/* Once in an attempt, which begins with failures off; switching off twice is harmless. */
void failure_on(struct failure *failure);
void failure_off(struct failure *failure);

/* After failure_off: the thread's last error has this status and, where one call failed, the
 * status, code and call that it reported. */
void check_failure(const struct failure *failure, hf_status status);

/* After failure_off: a draft_publish failed that has put the draft in place. */
bool failure_is_published(const struct failure *failure);

/* After failure_off: a ring's view met taken addresses, once, and was tried elsewhere. */
bool failure_is_retried(const struct failure *failure);

#endif
