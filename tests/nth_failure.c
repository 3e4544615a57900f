/*
 * The loop over n. An attempt that goes on for ever means a scenario that never ends.
 */
#include "nth_failure.h"

#include "check.h"
#include "scene.h"

enum { MOST_CALLS = 10000 };

void failure_on(struct failure *failure) {
    hf_strict_stats stats = hf_strict_get_stats(failure->strict);
    failure->calls -= stats.calls;
    failure->failed -= stats.failures;
    failure->is_on = true;
    hf_strict_fail(failure->strict, failure->nth, failure->from_then_on);
}

void failure_off(struct failure *failure) {
    if (!failure->is_on) return;
    failure->is_on = false;
    hf_strict_stats stats = hf_strict_get_stats(failure->strict);
    failure->calls += stats.calls;
    failure->failed += stats.failures;
    hf_strict_fail(failure->strict, 0, false);
}

/* A failure that was met is one that the count of calls explains. */
static bool meets_failure(void (*attempt)(struct failure *), struct failure failure) {
    const char *how = failure.from_then_on ? "from then on" : "once";
    size_t outer = check_enter("call %zu failing, %s", failure.nth, how);
    CHECK_STATUS(HF_OK, hf_strict_open(&failure.strict, NULL));
    attempt(&failure);
    check_nothing_left(failure.strict);
    hf_strict_close(failure.strict);
    size_t failing = failure.calls < failure.nth ? 0
                     : failure.from_then_on      ? failure.calls - failure.nth + 1
                                                 : 1;
    CHECK_EQUAL(failing, failure.failed);
    check_leave(outer);
    return failure.failed > 0;
}

size_t each_failure(void (*attempt)(struct failure *), const void *user) {
    size_t met = 0;
    for (int from_then_on = 0; from_then_on <= 1; from_then_on++) {
        struct failure failure = {.user = user, .nth = 1, .from_then_on = from_then_on};
        while (meets_failure(attempt, failure)) {
            CHECK(failure.nth < MOST_CALLS);
            failure.nth++;
            met++;
        }
    }
    return met;
}
