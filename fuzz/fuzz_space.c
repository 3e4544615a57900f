/*
 * fuzz_space.c -- runs a program of calls on two backends and holds each against the model.
 *
 *                    +-> native ----------------------+
 *      bytes, as a --+                                +-> the same statuses, until the first
 *      program       +-> strict, over strict, over    |   injected failure
 *                        native; fails when told to --+
 *
 * After each call its status must be one that the model expects, regions, statistics and contents
 * must be the model's, a refused call must leave a state that the headers allow, and a refused
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
struct lane {
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

static void print_state(const struct lane *lane) {
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        if (!lane->subject.spaces[slot]) continue;
        fprintf(stderr, "  space %u is\n", slot);
        program_print_regions(stderr, lane->subject.spaces[slot]);
        fprintf(stderr, "  and should be\n");
        model_print(stderr, &lane->model, slot);
    }
}

_Noreturn static void fail(const struct lane *lane, const char *format, ...) {
    va_list arguments;
    hf_error error = hf_last_error();
    fprintf(stderr, "\nfuzz_space, %s: ", lane->name);
    if (lane->call) program_print_call(stderr, lane->call);
    fprintf(stderr, "\n  ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n  last error %s, call %s, code %ld, offset %#zx, size %#zx\n",
            program_status_name(error.status), error.call ? error.call : "none", error.os_code,
            error.offset, error.size);
    print_state(lane);
    host_end();
    abort();
}

static void fail_status(const struct lane *lane, status_set expected, hf_status status) {
    char text[200] = "";
    for (hf_status s = HF_OK; s <= HF_UNSUPPORTED; s++) {
        if (!(expected & 1u << s)) continue;
        strcat(text, *text ? " or " : "");
        strcat(text, program_status_name(s));
    }
    fail(lane, "expected %s, got %s", text, program_status_name(status));
}

/* ------------------------------------------------------------------ around each call ------ */

static hf_strict_stats strict_stats(const struct lane *lane) {
    hf_strict_stats none = {0};
    return lane->strict ? hf_strict_get_stats(lane->strict) : none;
}

static void before(void *user, const program_call *call) {
    struct lane *lane = user;
    lane->call = call;
    lane->error_before = hf_last_error();
    lane->strict_before = strict_stats(lane);
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        const hf_space *space = lane->subject.spaces[slot];
        if (space) lane->stats_before[slot] = hf_space_get_stats(space);
    }
}

static bool is_step(program_kind kind) { return kind >= PROGRAM_SPLIT && kind <= PROGRAM_ADVISE; }

static void check_success(const struct lane *lane) {
    hf_error error = hf_last_error();
    const hf_error *before = &lane->error_before;
    if (error.status != before->status || error.os_code != before->os_code ||
        error.call != before->call || error.offset != before->offset ||
        error.size != before->size) {
        fail(lane, "succeeded, and changed the last error");
    }
}

/* An error of the arguments or the regions is told before the backend is asked. */
static void check_error(const struct lane *lane, hf_status status) {
    hf_error error = hf_last_error();
    const program_call *call = lane->call;
    bool refused_here = status == HF_INVALID || status == HF_WRONG_STATE;
    if (error.status != status || !error.call) fail(lane, "the last error is another one");
    if (!is_step(call->kind) || !refused_here) return;
    if (strict_stats(lane).calls != lane->strict_before.calls) fail(lane, "asked the backend");
    if (error.os_code != 0) fail(lane, "a system's code for an error of ours");
    if (status == HF_WRONG_STATE && call->kind == PROGRAM_RELEASE_RANGE) return;
    if (error.offset != call->offset || error.size != call->size) {
        fail(lane, "the error's offset or size is not the call's");
    }
}

static void check_steps(const struct lane *lane, hf_status status, const size_t *steps) {
    const hf_space_stats *before = &lane->stats_before[lane->call->space];
    hf_space_stats now = hf_space_get_stats(lane->subject.spaces[lane->call->space]);
    for (hf_step step = HF_STEP_SPLIT; step <= HF_STEP_ADVISE; step++) {
        if (now.steps[step] - before->steps[step] != steps[step]) {
            fail(lane, "step %d counted %zu times and not %zu times", (int)step,
                 now.steps[step] - before->steps[step], steps[step]);
        }
    }
    if (now.refusals != before->refusals && status != HF_UNSUPPORTED) {
        fail(lane, "a refusal counted");
    }
}

static void check_refusals(const struct lane *lane, size_t failures) {
    const hf_space_stats *before = &lane->stats_before[lane->call->space];
    hf_space_stats now = hf_space_get_stats(lane->subject.spaces[lane->call->space]);
    size_t refusals = now.refusals - before->refusals;
    if (refusals == 0 || refusals > failures) {
        fail(lane, "%zu refusals counted of %zu", refusals, failures);
    }
}

static void expected(struct lane *lane, hf_status status, size_t failures) {
    const program_call *call = lane->call;
    size_t steps[HF_STEPS] = {0};
    if (status != HF_OK)
        check_error(lane, status);
    else
        check_success(lane);
    if (status == HF_OK && call->kind == PROGRAM_OPEN &&
        !model_opened_well(&lane->model, call, lane->subject.spaces[call->space], failures > 0)) {
        fail(lane, "opened with another size or base than asked for");
    }
    if (status == HF_OK) model_succeed(&lane->model, call, &lane->subject, steps);
    if (is_step(call->kind)) check_steps(lane, status, steps);
    if (call->kind == PROGRAM_FIND && !model_found_well(&lane->model, call)) {
        fail(lane, "found another region");
    }
}

static void refused(struct lane *lane, hf_status status, size_t failures) {
    hf_error error = hf_last_error();
    const program_call *call = lane->call;
    if (error.status != status || !error.call) fail(lane, "the last error is another one");
    if (!is_step(call->kind)) return;
    check_refusals(lane, failures);
    if (!model_refuse(&lane->model, call, &lane->subject, &error)) {
        fail(lane, "left a state that is none of those allowed");
    }
}

/* The n-th call since then has failed, and perhaps all after it; no other has. */
static void check_failing(const struct lane *lane) {
    hf_strict_stats now = strict_stats(lane), then = lane->strict_at_failing;
    size_t calls = now.calls - then.calls, failures = 0;
    if (lane->nth > 0 && calls >= lane->nth)
        failures = lane->from_then_on ? calls - lane->nth + 1 : 1;
    if (now.failures - then.failures != failures) {
        fail(lane, "%zu calls were made to fail, and %zu failed", failures,
             now.failures - then.failures);
    }
}

/* Strict counts pieces as the system would have them, so they must be the regions. */
static void check_strict(const struct lane *lane) {
    if (!lane->strict) return;
    hf_strict_stats stats = strict_stats(lane);
    size_t regions = 0;
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        const struct model_space *space = &lane->model.spaces[slot];
        if (space->open) regions += model_regions(space);
    }
    if (stats.violations != 0) fail(lane, "a rule of the system was broken");
    if (hf_strict_get_stats(lane->under).violations != 0) fail(lane, "strict broke a rule");
    if (stats.pieces != regions) fail(lane, "%zu pieces, %zu regions", stats.pieces, regions);
    if (stats.files != model_open_files(&lane->model)) {
        fail(lane, "%zu files open and not %zu", stats.files, model_open_files(&lane->model));
    }
}

static void check_spaces(const struct lane *lane, bool thoroughly) {
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        const hf_space *space = lane->subject.spaces[slot];
        const char *difference = model_compare(&lane->model, slot, space, thoroughly);
        if (difference) fail(lane, "space %u: %s", slot, difference);
        if (space && thoroughly && hf_space_check(space) != HF_OK) {
            fail(lane, "space %u: hf_space_check found a mistake", slot);
        }
    }
}

static void note_failing(struct lane *lane) {
    lane->nth = lane->call->nth;
    lane->from_then_on = lane->call->from_then_on;
    lane->strict_at_failing = strict_stats(lane);
    if (lane->nth != 0 && lane->first_failure == SIZE_MAX) lane->first_failure = lane->call->index;
}

/* What the call may say: as the headers have it, or of a refusal. */
static void judge(struct lane *lane, hf_status status, size_t failures) {
    const program_call *call = lane->call;
    bool lacks_view = model_lacks_view(&lane->model, call);
    status_set allowed = lacks_view ? STATUS(UNSUPPORTED) : model_expect(&lane->model, call);
    bool as_expected = (allowed & 1u << status) != 0;
    bool may_fall_back = call->kind == PROGRAM_OPEN && call->least != 0;
    if (failures > 0 && status == HF_OK && !may_fall_back) fail(lane, "succeeded all the same");
    if (as_expected && !lacks_view)
        expected(lane, status, failures);
    else if (as_expected || (failures > 0 && model_refusals(call->kind) & 1u << status))
        refused(lane, status, failures + lacks_view);
    else
        fail_status(lane, allowed, status);
}

/* What a call said, and what it left behind. */
static void after(void *user, const program_call *call, hf_status status) {
    struct lane *lane = user;
    judge(lane, status, strict_stats(lane).failures - lane->strict_before.failures);
    check_strict(lane);
    check_failing(lane);
    if (!model_files_fit(&lane->model, &lane->subject)) fail(lane, "a file is not as it was made");
    check_spaces(lane, call->index % CALLS_BETWEEN_CHECKS == CALLS_BETWEEN_CHECKS - 1);
    lane->statuses[call->index] = call->kind == PROGRAM_ADVISE ? NOT_RUN : (int)status;
    if (call->kind == PROGRAM_FAIL) note_failing(lane);
}

/* ------------------------------------------------------------------ around each run ------- */

static void check_nothing_left(const struct lane *lane, hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    if (stats.pieces != 0 || stats.pages != 0 || stats.files != 0 || stats.locks != 0) {
        fail(lane, "left %zu pieces, %zu bytes of records, %zu files, %zu locks", stats.pieces,
             stats.pages, stats.files, stats.locks);
    }
}

static void run(struct lane *lane, const uint8_t *data, size_t size) {
    const program_observer observer = {lane, before, after};
    lane->subject.host = host_get();
    lane->subject.page_size = lane->subject.backend->page_size(lane->subject.backend);
    lane->first_failure = SIZE_MAX;
    for (size_t i = 0; i < MOST_OPERATIONS; i++) lane->statuses[i] = NOT_RUN;
    model_begin(&lane->model, lane->subject.page_size, has_views());
    program_run(&lane->subject, data, size, &observer);
    lane->call = NULL;
    check_spaces(lane, true);
    program_finish(&lane->subject);
    const char *difference = model_compare_disk(&lane->model, lane->subject.host);
    if (difference) fail(lane, "%s", difference);
    program_remove_files(lane->subject.host);
}

static void open_strict(hf_backend **strict, const hf_backend *under) {
    if (hf_strict_open(strict, under) == HF_OK) return;
    fputs("fuzz_space: hf_strict_open failed\n", stderr);
    abort();
}

static void run_native(struct lane *lane, const uint8_t *data, size_t size) {
    hf_backend *foreign;
    open_strict(&foreign, NULL);
    lane->name = "native";
    lane->subject.backend = hf_backend_native();
    lane->subject.foreign = foreign;
    run(lane, data, size);
    check_nothing_left(lane, foreign);
    hf_strict_close(foreign);
    hf_strict_close(lane->strict); /* NULL does nothing */
}

static void run_strict(struct lane *lane, const uint8_t *data, size_t size) {
    open_strict(&lane->under, NULL);
    open_strict(&lane->strict, lane->under);
    lane->name = "strict";
    lane->subject.backend = lane->strict;
    lane->subject.failing = lane->strict;
    lane->subject.foreign = NULL;
    run(lane, data, size);
    check_nothing_left(lane, lane->strict);
    hf_strict_close(lane->strict);
    check_nothing_left(lane, lane->under);
    hf_strict_close(lane->under);
}

static void compare_statuses(const struct lane *native, const struct lane *strict) {
    for (size_t i = 0; i < MOST_OPERATIONS && i < strict->first_failure; i++) {
        if (native->statuses[i] == strict->statuses[i]) continue;
        /* PROGRAM_FAIL does nothing on native. */
        if (native->statuses[i] == NOT_RUN && strict->statuses[i] == HF_OK) continue;
        fail(strict, "operation %zu: status %d on native, %d on strict", i, native->statuses[i],
             strict->statuses[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lane native, strict;
    memset(&native, 0, sizeof native);
    memset(&strict, 0, sizeof strict);
    run_native(&native, data, size);
    run_strict(&strict, data, size);
    compare_statuses(&native, &strict);
    return 0;
}
