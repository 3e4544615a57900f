/*
 * nth_failure.h -- repeats an attempt with the n-th backend call failing, for every n, with the
 * statuses that the contract of that call (backend.h) allows.
 *
 * SQLite is tested the same way: an attempt runs with its first call failing, then with its second,
 * and so on until no call of it fails. This is done twice: with only the n-th call failing, and
 * with all calls from the n-th on failing. For each n the attempt runs with the first status that
 * the failing call may return. Where only one call fails, it also runs with one of the other
 * statuses, which changes with n. HOLDFAST_CASES=ALL tries all statuses, FEW only one for each n.
 *
 *     static void attempt(struct failure *failure) {
 *         ... prepare on failure->strict ...
 *         failure_on(failure);
 *         hf_status status = hf_space_commit_range(space, 0, size);
 *         failure_off(failure);
 *         if (status != HF_OK) check_failure(failure, status);
 *         ... check that nothing changed, or that the call took effect; close ...
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
    size_t nth;    /* number of the call that fails, counted from failure_on */
    size_t choice; /* which of its possible statuses it returns */
    bool from_then_on, is_on;
    size_t calls;   /* calls made while failures were on */
    size_t failed;  /* how many of them failed */
    size_t choices; /* the largest number of statuses that one of the failed calls can return */
    hf_error as;    /* what the last failed call reported */
};

/*
 * Repeats the attempt until none of its calls fails. After each attempt it checks that the backend
 * saw no violation, that no region, page, file or lock is left on it, and that the process has as
 * many handles open as before. Returns for how many n a call failed.
 */
size_t each_failure(void (*attempt)(struct failure *), const void *user);

/* each_failure with the strict backend over `under`; NULL: the native backend. */
size_t each_failure_on(const hf_backend *under, void (*attempt)(struct failure *),
                       const void *user);

/* An attempt begins with failures off and calls failure_on once; failure_off may be repeated. */
void failure_on(struct failure *failure);
void failure_off(struct failure *failure);

/* After failure_off: checks that the thread's last error has this status and, if exactly one call
 * failed, the status, code and call that this call reported. */
void check_failure(const struct failure *failure, hf_status status);

/* After failure_off: true if a draft_publish failed after it had already replaced the file. */
bool failure_is_published(const struct failure *failure);

/* After failure_off: true if mapping a ring's view failed once because its addresses were in use
 * (HF_NO_ADDRESS); the ring tries again at other addresses. */
bool failure_is_retried(const struct failure *failure);

#endif
