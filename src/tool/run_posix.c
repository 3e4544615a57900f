/*
 * run_posix.c -- the verb run on systems with ELF programs.
 */
#define _POSIX_C_SOURCE 200809L

#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocators.h"
#include "child.h"
#include "platform.h"
#include "preload.h"

/* Reports the errno of a program that cannot be executed, and returns the exit status for it. */
static int run_not_executable(const char *program, int status) {
    fprintf(stderr, "holdfast: run: %s: %s\n", program,
            status == RUN_NOT_FOUND && !strchr(program, '/') ? "command not found"
                                                             : strerror(errno));
    return status;
}

static int run_status_of_errno(void) {
    return errno == ENOENT ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE;
}

/* Returns RUN_FAILED. */
static int run_failed(const char *what, const char *why) {
    fprintf(stderr, "holdfast: run: %s: %s\n", what, why);
    return RUN_FAILED;
}

/* ------------------------------------------------------------- without --compare ---------- */

/* The program takes the place of this process, so that status, signals and terminal are its own. */
static int run_on_holdfast(const struct run_request *request, const char *program) {
    char library[COMPARE_PATH_SIZE], why[COMPARE_PATH_SIZE + 100];
    if (!allocators_find_holdfast(library, sizeof library, why, sizeof why))
        return run_failed(library, why);
    if (!preload_is_possible(program, library, why, sizeof why))
        return run_failed(request->command[0], why);
    if (!preload_set(library)) return run_failed(library, "no memory for the environment");
    platform_restore_signals();
    execvp(request->command[0], request->command);
    return run_not_executable(request->command[0], run_status_of_errno());
}

/* ---------------------------------------------------------------- with --compare ---------- */

struct run_state {
    const struct run_request *request;
    bool is_first; /* the next run is the first one, which shows what the program reports */
    uint64_t peak; /* the highest one of the warm-ups, in bytes */
    int status;    /* exit status of holdfast after a failure; 0: none */
    bool interrupted;
};

/* The allocator that is not in the program is not measured. */
static void run_judge(struct compare_contender *contender) {
    const struct compare_sight *sight = &contender->sight;
    if (!contender->library[0] || !sight->is_known || !sight->first_without) return;
    snprintf(contender->left_out, sizeof contender->left_out,
             "the program ended without having loaded %s; it ran on another malloc",
             contender->library);
}

static bool run_note_failure(struct run_state *state, enum child_result result) {
    state->interrupted = result == CHILD_INTERRUPTED;
    if (!state->interrupted)
        state->status = run_not_executable(state->request->command[0], run_status_of_errno());
    return false;
}

static bool run_contender(void *user, struct compare_contender *contender, enum compare_stage stage,
                          struct compare_run *run) {
    struct run_state *state = user;
    struct child_request request = {.command = state->request->command,
                                    .contender = contender,
                                    .prewarm = state->peak + state->peak / 4};
    request.shows_errors = state->is_first;
    if (stage == COMPARE_WARM_UP && !contender->huge_pages) request.sight = &contender->sight;
    state->is_first = false;
    enum child_result result = child_run(&request, run);
    if (result != CHILD_ENDED) return run_note_failure(state, result);
    uint64_t peak = run->quantities[COMPARE_PEAK];
    if (stage == COMPARE_WARM_UP && peak > state->peak) state->peak = peak;
    if (request.sight) run_judge(contender);
    return true;
}

/* False: no allocator can be preloaded, or a --with is wrong; reported. */
static bool run_find_allocators(const struct run_request *request, struct compare *compare,
                                const char *program) {
    char why[COMPARE_PATH_SIZE + 100];
    allocators_add_known(compare);
    for (size_t i = 0; i < request->with_count; i++)
        if (!allocators_add_named(compare, request->with[i])) return false;
    for (size_t i = 0; i < compare->count; i++) {
        struct compare_contender *contender = &compare->contenders[i];
        if (contender->left_out[0] || !contender->library[0]) continue;
        if (!preload_is_possible(program, contender->library, why, sizeof why))
            return run_failed(request->command[0], why), false;
    }
    return true;
}

static void run_print(const struct run_request *request, const struct compare *compare,
                      const struct screen *screen) {
    if (request->json)
        compare_print_json(compare, request->command, stdout);
    else
        compare_print_table(compare, screen, stdout);
}

/* Allocators were there, and the program loaded none of them. */
static bool run_compared_nothing(const struct compare *compare) {
    size_t tried = 0, measured = 0;
    for (size_t i = 0; i < compare->count; i++) {
        const struct compare_contender *contender = &compare->contenders[i];
        tried += contender->library[0] && contender->sight.first_without;
        measured += contender->library[0] && compare_is_measured(contender);
    }
    return tried > 0 && measured == 0;
}

static int run_status(const struct compare *compare) {
    struct compare_end end = compare_first_end(compare);
    if (run_compared_nothing(compare)) return RUN_FAILED;
    if (!compare_agrees(compare)) return EXIT_FAILURE;
    return end.signal ? 128 + end.signal : end.exit_status;
}

static int run_compare(const struct run_request *request, const char *program) {
    static struct compare compare; /* large */
    struct run_state state = {.request = request, .is_first = true};
    struct screen screen;
    compare = (struct compare){.runs = request->runs};
    if (!run_find_allocators(request, &compare, program)) return RUN_FAILED;
    child_open_streams();
    child_catch_signals();
    screen_open(&screen);
    bool measured = compare_measure(&compare, &screen, run_contender, &state);
    if (measured) run_print(request, &compare, &screen);
    int status = measured ? run_status(&compare) : state.status ? state.status : RUN_FAILED;
    compare_close(&compare);
    if (state.interrupted) child_die_of_signal();
    return status;
}

int run_request(const struct run_request *request) {
    char program[COMPARE_PATH_SIZE];
    int status = preload_find(request->command[0], program, sizeof program);
    if (status != 0) return run_not_executable(request->command[0], status);
    return request->compare ? run_compare(request, program) : run_on_holdfast(request, program);
}
