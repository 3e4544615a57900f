/*
 * runner.h -- what the fuzzers share.
 *
 *                    +-> native backend --------------------+
 *      bytes, as a --+                                      +-> the checks of the fuzzer
 *      program       +-> strict, over strict, over native --+
 *
 * LLVMFuzzerTestOneInput runs each input twice. The upper strict backend lets calls fail where the
 * program says so; the lower one shows that the upper one keeps the rules itself. When a run has
 * ended, neither of them may have a piece of memory, a record, a file or a lock left.
 */
#ifndef FUZZ_RUNNER_H
#define FUZZ_RUNNER_H

#include "host.h"
#include "space_program.h"

#include <holdfast.h>
#include <stdio.h>

#if UINTPTR_MAX > UINT32_MAX
#define DEFAULT_RESERVE ((size_t)1 << 36)
#else
#define DEFAULT_RESERVE ((size_t)1 << 28)
#endif
#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

enum { MOST_FORKS = 2 }; /* of a run */

/* A set of statuses: bit n stands for status n. */
typedef unsigned status_set;
#define STATUS(name) (1u << HF_##name)

/* Up to 16 bytes more or less, never below 0. */
static inline size_t about(size_t size, unsigned value) {
    size_t shift = value % 33;
    return size + shift < 16 ? 0 : size + shift - 16;
}

static inline size_t round_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

static inline bool has_status(status_set set, hf_status status) {
    return (set & 1u << status) != 0;
}

/* The names in a set, for messages. */
const char *run_status_names(status_set);

/* ------------------------------------------------------------------ from the fuzzer ------- */

/* The lowest backend of both runs. */
const hf_backend *fuzz_backend(void);

/* Runs the program over run.backend, and closes everything. */
void fuzz_run(const uint8_t *data, size_t size);

/* Prints the program up to the operation that failed, and the state. */
void fuzz_print(void);

/* ------------------------------------------------------------------ the run --------------- */

/* The run under way. What "before" means: before the operation, see run_begin. */
extern struct run {
    const char *name; /* "native" or "strict" */
    const hf_backend *backend;
    hf_backend *strict, *under; /* the upper and the lower one; NULL on native */
    size_t page_size;
    status_set injectable; /* the statuses that an injected failure can lead to */
    size_t failing_way;    /* last argument of hf_strict_fail_as */
    size_t other_failures; /* injected otherwise than by the strict backend */
    size_t forks;          /* so far */
    hf_error error_before;
    hf_strict_stats strict_before;
    size_t failures_before;
} run;

/* Prints the message with the program and the last error, and aborts. */
_Noreturn void run_failed(const char *format, ...) HF_FORMAT(1, 2);

#define CHECK(condition, ...) ((condition) ? (void)0 : run_failed(__VA_ARGS__))

/* The number of operations in so many bytes. */
size_t run_operations(size_t size);

/* The folder for files, made at the first call; removed when the process exits. */
const program_host *run_host(void);

/* Text of a path in that folder; NULL for PATH_NULL. */
const char *run_path(program_path);

/* Notes what is compared after the operation. */
void run_begin(void);

/* Failures injected since run_begin. */
size_t run_failures(void);

/* Whether a failure was injected since run_begin, and the status can come from it. */
bool run_may_return(hf_status);

/* Counters of the upper strict backend; all zero on native. */
hf_strict_stats run_strict_stats(void);

/* PROGRAM_FAIL and the like: the n-th call fails from now on, or with an odd number that one and
 * all after it; n is half the number, 0 stands for none. On native nothing happens. */
void run_fail(unsigned number);

/* Failures return the status with this index among those that the contract of the call allows. */
void run_fail_as(unsigned number);

/* Forks like host_fork; a child that fails its checks fails the run. False: there is no child. */
bool run_fork(void (*child)(void), void (*meanwhile)(void));

/* ------------------------------------------------------------------ kinds ----------------- */

/* For a table X(kind, name, function, ALWAYS or IF_OPEN) of kinds of operations. */
#define RUN_KIND(kind, name, run, when) kind,
#define RUN_NAME(kind, name, run, when) name,
#define RUN_COMMAND(kind, name, run, when) {run, when},

struct run_command {
    void (*run)(void);
    enum { ALWAYS, IF_OPEN } when; /* IF_OPEN: the arena of the operation must be open */
};

/* ------------------------------------------------------------------ checks ---------------- */

/* A call that succeeded has not changed the last error; one that failed has set it. */
void check_success(void);
void check_error(hf_status);

/* The status is one of the expected ones or comes from an injected failure, and the last error is
 * as check_success and check_error want it. */
void check_status(hf_status, status_set expected);

/* No rule of placeholders was broken. */
void check_strict(void);

/* The strict backend has nothing left. */
void check_nothing_left(const hf_backend *strict);

/* ------------------------------------------------------------------ the system ------------ */

/* Whether a view can replace a placeholder. Windows before 1803 cannot do that: mapping a file into
 * a space is HF_UNSUPPORTED there. */
bool system_has_views(void);

/* The native backend. Where reserving addresses costs memory, one that reserves at most `most`
 * bytes at a time, because programs ask for all addresses that there are. */
const hf_backend *system_backend(size_t most);

#endif
