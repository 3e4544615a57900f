/*
 * runner.c -- see runner.h.
 */
#include "runner.h"

#include <stdarg.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run run;

/* ------------------------------------------------------------------ the folder ------------ */

static char folder[HOST_FOLDER_BYTES];

static void remove_file(const char *path) { remove(path); }

static void remove_folder(void) {
    if (!folder[0]) return;
    host_visit(folder, remove_file);
    host_remove_folder(folder);
}

const char *run_path(program_path path) {
    static char texts[PATHS][HOST_FOLDER_BYTES + 16];
    return program_path_text(run_host(), path, texts[path], sizeof texts[path]);
}

const program_host *run_host(void) {
    static const program_host host = {folder, host_open_handle, host_close_handle};
    if (folder[0]) return &host;
    host_make_folder(folder);
    atexit(remove_folder);
    FILE *file = fopen(run_path(PATH_EMPTY_FILE), "wb");
    if (!file) run_failed("no file can be made in %s", folder);
    fclose(file);
    return &host;
}

/* ------------------------------------------------------------------ messages -------------- */

void run_failed(const char *format, ...) {
    va_list arguments;
    hf_error error = hf_last_error();
    fprintf(stderr, "\nover %s:\n", run.name);
    fuzz_print();
    fprintf(stderr, "  last error %s, call %s, code %ld, offset %#zx, size %#zx\n  ",
            hf_status_name(error.status), error.call ? error.call : "none", error.os_code,
            error.offset, error.size);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    remove_folder();
    abort();
}

const char *run_status_names(status_set set) {
    static char text[256];
    size_t length = 0;
    for (hf_status status = HF_OK; status <= HF_UNSUPPORTED; status++)
        if (has_status(set, status))
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s",
                                       length ? " or " : "", hf_status_name(status));
    return text;
}

size_t run_operations(size_t size) {
    size_t operations = size / OPERATION_BYTES;
    return operations < MOST_OPERATIONS ? operations : MOST_OPERATIONS;
}

/* ------------------------------------------------------------------ failures -------------- */

hf_strict_stats run_strict_stats(void) {
    return run.strict ? hf_strict_get_stats(run.strict) : (hf_strict_stats){0};
}

static size_t count_failures(void) { return run_strict_stats().failures + run.other_failures; }

void run_begin(void) {
    run.error_before = hf_last_error();
    run.strict_before = run_strict_stats();
    run.failures_before = count_failures();
}

size_t run_failures(void) { return count_failures() - run.failures_before; }

bool run_may_return(hf_status status) {
    return run_failures() > 0 && has_status(run.injectable, status);
}

void run_fail(unsigned number) {
    if (run.strict) hf_strict_fail(run.strict, number / 2, number & 1);
}

void run_fail_as(unsigned number) {
    run.failing_way = number % 4;
    if (run.strict) hf_strict_fail_as(run.strict, run.failing_way);
}

/* ------------------------------------------------------------------ checks ---------------- */

static bool is_same_error(const hf_error *a, const hf_error *b) {
    return a->status == b->status && a->os_code == b->os_code && a->call == b->call &&
           a->offset == b->offset && a->size == b->size;
}

void check_success(void) {
    hf_error error = hf_last_error();
    CHECK(is_same_error(&error, &run.error_before), "succeeded, and changed the last error");
}

void check_error(hf_status status) {
    hf_error error = hf_last_error();
    CHECK(error.status == status && error.call, "the last error is not that of the call");
}

void check_status(hf_status status, status_set expected) {
    CHECK(has_status(expected, status) || run_may_return(status), "%s, and expected was %s",
          hf_status_name(status), run_status_names(expected));
    if (status == HF_OK)
        check_success();
    else
        check_error(status);
}

void check_strict(void) {
    if (!run.strict) return;
    CHECK(run_strict_stats().violations == 0, "a rule of placeholders was broken");
    CHECK(hf_strict_get_stats(run.under).violations == 0, "strict broke a rule of placeholders");
}

void check_nothing_left(const hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    CHECK(!(stats.regions || stats.pages || stats.files || stats.locks),
          "left %zu regions, %zu bytes of records, %zu files, %zu locks", stats.regions,
          stats.pages, stats.files, stats.locks);
}

/* ------------------------------------------------------------------ the system ------------ */

static hf_status try_view(size_t size) {
    hf_space *space = NULL;
    hf_file *file = NULL;
    hf_status status = hf_space_open(&space, size, NULL);
    if (status == HF_OK) status = hf_file_create_shared(&file, size, NULL);
    if (status == HF_OK) status = hf_space_map(space, 0, size, file, 0, HF_READ_WRITE);
    hf_file_close(file);
    hf_space_close(space);
    return status;
}

bool system_has_views(void) {
    static hf_status tried = HF_INVALID;
    const hf_backend *native = hf_backend_native();
    if (tried != HF_INVALID) return tried != HF_UNSUPPORTED;
    tried = try_view(native->page_size(native));
    if (tried == HF_UNSUPPORTED) fputs("no views here: mapping must be HF_UNSUPPORTED\n", stderr);
    return tried != HF_UNSUPPORTED;
}

static size_t most_reserved;

static hf_status reserve_at_most(const hf_backend *self, void *base, size_t size, void **address,
                                 hf_report *report) {
    const hf_backend *native = hf_backend_native();
    (void)self;
    if (size <= most_reserved) return native->reserve(native, base, size, address, report);
    report->call = "reserve_at_most";
    return HF_NO_ADDRESS;
}

const hf_backend *system_backend(size_t most) {
    static hf_backend limited;
    most_reserved = most;
    if (!host_pays_for_addresses()) return hf_backend_native();
    limited = *hf_backend_native();
    limited.reserve = reserve_at_most;
    return &limited;
}

bool run_fork(void (*child)(void), void (*meanwhile)(void)) {
    if (run.forks == MOST_FORKS) return false;
    run.forks++;
    host_fork_result result = host_fork(child, meanwhile);
    CHECK(result != HOST_CHILD_FAILED, "the child has failed");
    return result == HOST_CHILD_RETURNED;
}

/* ------------------------------------------------------------------ both runs ------------- */

static void open_strict(hf_backend **strict, const hf_backend *under) {
    if (hf_strict_open(strict, under) == HF_OK) return;
    fputs("hf_strict_open failed\n", stderr);
    abort();
}

static void start(const char *name) {
    run = (struct run){.name = name, .backend = fuzz_backend()};
    run.page_size = run.backend->page_size(run.backend);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    system_has_views(); /* the first call changes the last error */
    start("native");
    fuzz_run(data, size);
    hf_strict_close(run.strict); /* NULL does nothing */
    start("strict");
    open_strict(&run.under, run.backend);
    open_strict(&run.strict, run.under);
    run.backend = run.strict;
    fuzz_run(data, size);
    check_nothing_left(run.strict);
    hf_strict_close(run.strict);
    check_nothing_left(run.under);
    hf_strict_close(run.under);
    return 0;
}
