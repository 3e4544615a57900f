/*
 * fuzz_space.c -- runs a program of calls on two backends and holds each against the model.
 *
 *                    +-> native ----------------------+
 *      bytes, as a --+                                +-> the same statuses, until the first
 *      program       +-> strict, over strict, over    |   injected failure
 *                        native; fails when told to --+
 *
 * After each call its status must be one that the model expects, regions, statistics and contents
 * must be the model's, a call that failed must leave a state that the headers allow, and a failed
 * argument must not have reached the backend. The strict backend under the strict one proves that
 * strict itself keeps the rules. At the end everything is closed and nothing may be left.
 */
#include "host.h"
#include "space_model.h"
#include "system.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_BETWEEN_CHECKS = 64, NOT_RUN = -1 };

/* One backend's run of the program. */
struct harness {
    const char *name;
    program_subject subject;
    hf_backend *strict, *under; /* NULL on native */
    struct model model;
    const program_call *call; /* the one being made */
    int statuses[MOST_OPERATIONS];
    size_t first_failure; /* the operation that switched failures on */
    size_t nth;           /* what PROGRAM_FAIL said last, and strict's statistics at that time */
    bool from_then_on;
    hf_strict_stats strict_at_failing;
    hf_error error_before;
    hf_strict_stats strict_before;
    hf_space_stats stats_before[PROGRAM_SPACES];
};

/* ------------------------------------------------------------------ complaining ----------- */

static void print_state(const struct harness *harness) {
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        if (!harness->subject.spaces[slot]) continue;
        fprintf(stderr, "  space %u is\n", slot);
        program_print_regions(stderr, harness->subject.spaces[slot]);
        fprintf(stderr, "  and should be\n");
        model_print(stderr, &harness->model, slot);
    }
}

_Noreturn static void fail(const struct harness *harness, const char *format, ...) {
    va_list arguments;
    hf_error error = hf_last_error();
    fprintf(stderr, "\nfuzz_space, %s: ", harness->name);
    if (harness->call) program_print_call(stderr, harness->call);
    fprintf(stderr, "\n  ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n  last error %s, call %s, code %ld, offset %#zx, size %#zx\n",
            program_status_name(error.status), error.call ? error.call : "none", error.os_code,
            error.offset, error.size);
    print_state(harness);
    host_end();
    abort();
}

static void fail_status(const struct harness *harness, status_set expected, hf_status status) {
    char text[200] = "";
    for (hf_status s = HF_OK; s <= HF_UNSUPPORTED; s++) {
        if (!(expected & 1u << s)) continue;
        strcat(text, *text ? " or " : "");
        strcat(text, program_status_name(s));
    }
    fail(harness, "expected %s, got %s", text, program_status_name(status));
}

/* ------------------------------------------------------------------ around each call ------ */

static hf_strict_stats strict_stats(const struct harness *harness) {
    hf_strict_stats none = {0};
    return harness->strict ? hf_strict_get_stats(harness->strict) : none;
}

static void before(void *user, const program_call *call) {
    struct harness *harness = user;
    harness->call = call;
    harness->error_before = hf_last_error();
    harness->strict_before = strict_stats(harness);
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        const hf_space *space = harness->subject.spaces[slot];
        if (space) harness->stats_before[slot] = hf_space_get_stats(space);
    }
}

static bool is_step(program_kind kind) { return kind >= PROGRAM_SPLIT && kind <= PROGRAM_ADVISE; }

static void check_success(const struct harness *harness) {
    hf_error error = hf_last_error();
    const hf_error *before = &harness->error_before;
    if (error.status != before->status || error.os_code != before->os_code ||
        error.call != before->call || error.offset != before->offset ||
        error.size != before->size) {
        fail(harness, "succeeded, and changed the last error");
    }
}

/* An error of the arguments or the regions is told before the backend is asked. */
static void check_error(const struct harness *harness, hf_status status) {
    hf_error error = hf_last_error();
    const program_call *call = harness->call;
    bool rejected_here = status == HF_INVALID || status == HF_WRONG_STATE;
    if (error.status != status || !error.call) fail(harness, "the last error is another one");
    if (!is_step(call->kind) || !rejected_here) return;
    if (strict_stats(harness).calls != harness->strict_before.calls)
        fail(harness, "asked the backend");
    if (error.os_code != 0) fail(harness, "a system's code for an error of ours");
    if (status == HF_WRONG_STATE && call->kind == PROGRAM_RELEASE_RANGE) return;
    if (error.offset != call->offset || error.size != call->size) {
        fail(harness, "the error's offset or size is not the call's");
    }
}

static void check_steps(const struct harness *harness, hf_status status, const size_t *steps) {
    const hf_space_stats *before = &harness->stats_before[harness->call->space];
    hf_space_stats now = hf_space_get_stats(harness->subject.spaces[harness->call->space]);
    for (hf_step step = HF_STEP_SPLIT; step <= HF_STEP_ADVISE; step++) {
        if (now.steps[step] - before->steps[step] != steps[step]) {
            fail(harness, "step %d counted %zu times and not %zu times", (int)step,
                 now.steps[step] - before->steps[step], steps[step]);
        }
    }
    if (now.failures != before->failures && status != HF_UNSUPPORTED) {
        fail(harness, "a call that failed was counted");
    }
}

static void check_rejections(const struct harness *harness, size_t failures) {
    const hf_space_stats *before = &harness->stats_before[harness->call->space];
    hf_space_stats now = hf_space_get_stats(harness->subject.spaces[harness->call->space]);
    size_t counted = now.failures - before->failures;
    if (counted == 0 || counted > failures) {
        fail(harness, "%zu failures counted of %zu", counted, failures);
    }
}

static void expected(struct harness *harness, hf_status status, size_t failures) {
    const program_call *call = harness->call;
    size_t steps[HF_STEPS] = {0};
    if (status != HF_OK)
        check_error(harness, status);
    else
        check_success(harness);
    if (status == HF_OK && call->kind == PROGRAM_OPEN &&
        !model_opened_well(&harness->model, call, harness->subject.spaces[call->space],
                           failures > 0)) {
        fail(harness, "opened with another size or base than asked for");
    }
    if (status == HF_OK) model_succeed(&harness->model, call, &harness->subject, steps);
    if (is_step(call->kind)) check_steps(harness, status, steps);
    if (call->kind == PROGRAM_FIND && !model_found_well(&harness->model, call)) {
        fail(harness, "found another region");
    }
}

static void failure_injected(struct harness *harness, hf_status status, size_t failures) {
    hf_error error = hf_last_error();
    const program_call *call = harness->call;
    if (error.status != status || !error.call) fail(harness, "the last error is another one");
    if (!is_step(call->kind)) return;
    check_rejections(harness, failures);
    if (!model_fail(&harness->model, call, &harness->subject, &error)) {
        fail(harness, "left a state that is none of those allowed");
    }
}

/* The n-th call since then has failed, and perhaps all after it; no other has. */
static void check_failing(const struct harness *harness) {
    hf_strict_stats now = strict_stats(harness), then = harness->strict_at_failing;
    size_t calls = now.calls - then.calls, failures = 0;
    if (harness->nth > 0 && calls >= harness->nth)
        failures = harness->from_then_on ? calls - harness->nth + 1 : 1;
    if (now.failures - then.failures != failures) {
        fail(harness, "%zu calls were made to fail, and %zu failed", failures,
             now.failures - then.failures);
    }
}

/* Strict counts regions as the system would have them: the same as the space counts. */
static void check_strict(const struct harness *harness) {
    if (!harness->strict) return;
    hf_strict_stats stats = strict_stats(harness);
    size_t regions = 0;
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        const struct model_space *space = &harness->model.spaces[slot];
        if (space->open) regions += model_regions(space);
    }
    if (stats.violations != 0) fail(harness, "a rule of the system was broken");
    if (hf_strict_get_stats(harness->under).violations != 0) fail(harness, "strict broke a rule");
    if (stats.regions != regions)
        fail(harness, "strict has %zu regions, the space %zu", stats.regions, regions);
    if (stats.files != model_open_files(&harness->model)) {
        fail(harness, "%zu files open and not %zu", stats.files, model_open_files(&harness->model));
    }
}

static void check_spaces(const struct harness *harness, bool thoroughly) {
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        const hf_space *space = harness->subject.spaces[slot];
        const char *difference = model_compare(&harness->model, slot, space, thoroughly);
        if (difference) fail(harness, "space %u: %s", slot, difference);
        if (space && thoroughly && hf_space_check(space) != HF_OK) {
            fail(harness, "space %u: hf_space_check found a mistake", slot);
        }
    }
}

static void note_failing(struct harness *harness) {
    harness->nth = harness->call->nth;
    harness->from_then_on = harness->call->from_then_on;
    harness->strict_at_failing = strict_stats(harness);
    if (harness->nth != 0 && harness->first_failure == SIZE_MAX)
        harness->first_failure = harness->call->index;
}

/* What the call may say: as the headers have it, or of an injected failure. */
static void judge(struct harness *harness, hf_status status, size_t failures) {
    const program_call *call = harness->call;
    bool lacks_view = model_lacks_view(&harness->model, call);
    status_set allowed = lacks_view ? STATUS(UNSUPPORTED) : model_expect(&harness->model, call);
    bool as_expected = (allowed & 1u << status) != 0;
    bool may_fall_back = call->kind == PROGRAM_OPEN && call->least != 0;
    if (failures > 0 && status == HF_OK && !may_fall_back) fail(harness, "succeeded all the same");
    if (as_expected && !lacks_view)
        expected(harness, status, failures);
    else if (as_expected || (failures > 0 && model_failures(call->kind) & 1u << status))
        failure_injected(harness, status, failures + lacks_view);
    else
        fail_status(harness, allowed, status);
}

/* What a call said, and what it left behind. */
static void after(void *user, const program_call *call, hf_status status) {
    struct harness *harness = user;
    judge(harness, status, strict_stats(harness).failures - harness->strict_before.failures);
    check_strict(harness);
    check_failing(harness);
    if (!model_files_fit(&harness->model, &harness->subject))
        fail(harness, "a file is not as it was made");
    check_spaces(harness, call->index % CALLS_BETWEEN_CHECKS == CALLS_BETWEEN_CHECKS - 1);
    harness->statuses[call->index] = call->kind == PROGRAM_ADVISE ? NOT_RUN : (int)status;
    if (call->kind == PROGRAM_FAIL) note_failing(harness);
}

/* ------------------------------------------------------------------ around each run ------- */

static void check_nothing_left(const struct harness *harness, hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    if (stats.regions != 0 || stats.pages != 0 || stats.files != 0 || stats.locks != 0) {
        fail(harness, "left %zu regions, %zu bytes of records, %zu files, %zu locks", stats.regions,
             stats.pages, stats.files, stats.locks);
    }
}

static void run(struct harness *harness, const uint8_t *data, size_t size) {
    const program_observer observer = {harness, before, after};
    harness->subject.host = host_get();
    harness->subject.page_size = harness->subject.backend->page_size(harness->subject.backend);
    harness->first_failure = SIZE_MAX;
    for (size_t i = 0; i < MOST_OPERATIONS; i++) harness->statuses[i] = NOT_RUN;
    model_begin(&harness->model, harness->subject.page_size, has_views());
    program_run(&harness->subject, data, size, &observer);
    harness->call = NULL;
    check_spaces(harness, true);
    program_finish(&harness->subject);
    const char *difference = model_compare_disk(&harness->model, harness->subject.host);
    if (difference) fail(harness, "%s", difference);
    program_remove_files(harness->subject.host);
}

static void open_strict(hf_backend **strict, const hf_backend *under) {
    if (hf_strict_open(strict, under) == HF_OK) return;
    fputs("fuzz_space: hf_strict_open failed\n", stderr);
    abort();
}

static void run_native(struct harness *harness, const uint8_t *data, size_t size) {
    hf_backend *foreign;
    open_strict(&foreign, NULL);
    harness->name = "native";
    harness->subject.backend = hf_backend_native();
    harness->subject.foreign = foreign;
    run(harness, data, size);
    check_nothing_left(harness, foreign);
    hf_strict_close(foreign);
    hf_strict_close(harness->strict); /* NULL does nothing */
}

static void run_strict(struct harness *harness, const uint8_t *data, size_t size) {
    open_strict(&harness->under, NULL);
    open_strict(&harness->strict, harness->under);
    harness->name = "strict";
    harness->subject.backend = harness->strict;
    harness->subject.failing = harness->strict;
    harness->subject.foreign = NULL;
    run(harness, data, size);
    check_nothing_left(harness, harness->strict);
    hf_strict_close(harness->strict);
    check_nothing_left(harness, harness->under);
    hf_strict_close(harness->under);
}

static void compare_statuses(const struct harness *native, const struct harness *strict) {
    for (size_t i = 0; i < MOST_OPERATIONS && i < strict->first_failure; i++) {
        if (native->statuses[i] == strict->statuses[i]) continue;
        /* PROGRAM_FAIL does nothing on native. */
        if (native->statuses[i] == NOT_RUN && strict->statuses[i] == HF_OK) continue;
        fail(strict, "operation %zu: status %d on native, %d on strict", i, native->statuses[i],
             strict->statuses[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct harness native, strict;
    memset(&native, 0, sizeof native);
    memset(&strict, 0, sizeof strict);
    run_native(&native, data, size);
    run_strict(&strict, data, size);
    compare_statuses(&native, &strict);
    return 0;
}
