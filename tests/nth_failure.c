/*
 * nth_failure.c -- the loop over n; see nth_failure.h.
 */
#include "nth_failure.h"

#include "check.h"
#include "disk.h"
#include "space_fixture.h"

/* A larger n means that the attempt never runs through without a failure. */
enum { MOST_CALLS = 10000 };

void failure_on(struct failure *failure) {
    hf_strict_stats stats = hf_strict_get_stats(failure->strict);
    failure->calls -= stats.calls;
    failure->failed -= stats.failures;
    failure->is_on = true;
    hf_strict_fail_as(failure->strict, failure->choice);
    hf_strict_fail(failure->strict, failure->nth, failure->from_then_on);
}

void failure_off(struct failure *failure) {
    if (!failure->is_on) return;
    failure->is_on = false;
    hf_strict_stats stats = hf_strict_get_stats(failure->strict);
    failure->calls += stats.calls;
    failure->failed += stats.failures;
    failure->choices = stats.choices;
    failure->as = stats.failed_as;
    hf_strict_fail(failure->strict, 0, false);
}

void check_failure(const struct failure *failure, hf_status status) {
    hf_error error = hf_last_error();
    CHECK(failure->failed > 0 && status != HF_OK);
    CHECK_STATUS(status, error.status);
    CHECK(error.call != NULL);
    if (failure->failed > 1) return;
    CHECK_STATUS(failure->as.status, status);
    CHECK_EQUAL(failure->as.os_code, error.os_code);
    CHECK_EQUAL(0, strcmp(failure->as.call, error.call));
}

/* Status 3 is the last one in strict's table for draft_publish: the file has been replaced. */
bool failure_is_published(const struct failure *failure) {
    return failure->failed > 0 && failure->choice % failure->choices == 3 &&
           strcmp(failure->as.call, "MoveFileEx") == 0;
}

bool failure_is_retried(const struct failure *failure) {
    return failure->failed == 1 && failure->as.status == HF_NO_ADDRESS &&
           strcmp(failure->as.call, "MapViewOfFileEx") == 0;
}

/* One attempt. Returns the largest number of statuses that a failed call can return; 0: no call
 * failed. The number of calls must explain the number of failures. */
static size_t run_attempt(void (*attempt)(struct failure *), struct failure failure) {
    const char *how = failure.from_then_on ? "from then on" : "once";
    size_t outer = check_enter("call %zu failing, %s, way %zu", failure.nth, how, failure.choice);
    size_t handles = disk_handles();
    CHECK_STATUS(HF_OK, hf_strict_open(&failure.strict, failure.under));
    attempt(&failure);
    check_nothing_left(failure.strict);
    hf_strict_close(failure.strict);
    CHECK_EQUAL(handles, disk_handles());
    size_t failing = failure.calls < failure.nth ? 0
                     : failure.from_then_on      ? failure.calls - failure.nth + 1
                                                 : 1;
    CHECK_EQUAL(failing, failure.failed);
    check_leave(outer);
    return failure.failed > 0 ? failure.choices : 0;
}

#ifdef HOLDFAST_CASES_ALL
enum { IS_THOROUGH = true };
#else
enum { IS_THOROUGH = false };
#endif

/* One status for each n, which changes with n. */
#ifdef HOLDFAST_CASES_FEW
enum { IS_ONE_WAY = true };
#else
enum { IS_ONE_WAY = false };
#endif

/* Tries the first status, then all others, or one of them that changes with n. */
static bool meets_failure(void (*attempt)(struct failure *), struct failure failure) {
    if (IS_ONE_WAY && !failure.from_then_on) failure.choice = failure.nth - 1;
    size_t choices = run_attempt(attempt, failure);
    if (IS_ONE_WAY || choices < 2 || (failure.from_then_on && !IS_THOROUGH)) return choices > 0;
    size_t first = IS_THOROUGH ? 1 : 1 + failure.nth % (choices - 1);
    size_t last = IS_THOROUGH ? choices - 1 : first;
    for (failure.choice = first; failure.choice <= last; failure.choice++)
        CHECK(run_attempt(attempt, failure) > 0);
    return true;
}

size_t each_failure(void (*attempt)(struct failure *), const void *user) {
    return each_failure_on(NULL, attempt, user);
}

size_t each_failure_on(const hf_backend *under, void (*attempt)(struct failure *),
                       const void *user) {
    size_t met = 0;
    for (int from_then_on = 0; from_then_on <= 1; from_then_on++) {
        struct failure failure = {
            .under = under, .user = user, .nth = 1, .from_then_on = from_then_on};
        while (meets_failure(attempt, failure)) {
            CHECK(failure.nth < MOST_CALLS);
            failure.nth++;
            met++;
        }
    }
    return met;
}
