/*
 * nth_failure.h -- everything again with the n-th call of the system failing, for every n.
 *
 * As SQLite is tested: an attempt is made with its first call failing, then with its second, and
 * so on until it runs through without meeting a failure; once with a single failure, and once
 * more with every call failing from the n-th on.
 *
 *     static void attempt(struct failure *failure) {
 *         ... prepare on failure->strict ...
 *         failure_on(failure);
 *         hf_status status = hf_space_place(space, 0, size);
 *         failure_off(failure);
 *         ... all is as it was, or as it should be; close ...
 *     }
 *
 *     each_failure(attempt, NULL);
 */
#ifndef HOLDFAST_TESTS_NTH_FAILURE_H
#define HOLDFAST_TESTS_NTH_FAILURE_H

#include "holdfast/backend.h"

struct failure {
    hf_backend *strict; /* fresh for each attempt */
    const void *user;
    size_t nth; /* this call fails, counted from failure_on */
    bool from_then_on, is_on;
    size_t calls;  /* counted while on */
    size_t failed; /* of these */
};

/*
 * Makes the attempt until none of its calls fails, and checks after each that the backend saw no
 * violation and that nothing on it is left alive. Returns how many attempts met a failure.
 */
size_t each_failure(void (*attempt)(struct failure *), const void *user);

/* Once in an attempt, which begins with failures off; switching off twice is harmless. */
void failure_on(struct failure *failure);
void failure_off(struct failure *failure);

#endif
