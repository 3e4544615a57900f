/*
 * recorder.c -- see recorder.h. Every function fails or calls the backend below, then counts and
 * records.
 */
#include "recorder.h"

#include <stdint.h>
#include <string.h>

static struct recorder *recorder_of(const hf_backend *backend) {
    return (struct recorder *)(uintptr_t)
        backend; /* casts const away: recorder_init had a writable recorder */
}

static bool must_fail(const struct recorder *recorder, enum recorder_step step, size_t size) {
    return size > recorder->largest[step];
}

static hf_status fail(const struct recorder *recorder, enum recorder_step step, hf_report *report) {
    report->call = "recorder";
    report->os_code = RECORDER_ERROR_CODE;
    report->system_calls++;
    return recorder->error[step];
}

static void record_call(struct recorder *recorder, struct recorder_call call) {
    if (recorder->count == RECORDER_CALLS) {
        memmove(recorder->calls, recorder->calls + 1,
                sizeof recorder->calls - sizeof *recorder->calls);
        recorder->count--;
    }
    recorder->calls[recorder->count++] = call;
}

/* Records a call and adds the system calls that were reported since `before`. */
static hf_status end_call(struct recorder *recorder, struct recorder_call call,
                          const hf_report *report, size_t before) {
    recorder->system_calls += report->system_calls - before;
    record_call(recorder, call);
    return call.status;
}

static size_t recorder_page_size(const hf_backend *backend) {
    const hf_backend *under = recorder_of(backend)->under;
    return under->page_size(under);
}

static hf_status recorder_reserve(const hf_backend *backend, void *base, size_t size,
                                  void **address, hf_report *report) {
    struct recorder *recorder = recorder_of(backend);
    size_t before = report->system_calls;
    hf_status status = must_fail(recorder, RECORDER_RESERVE, size)
                           ? fail(recorder, RECORDER_RESERVE, report)
                           : recorder->under->reserve(recorder->under, base, size, address, report);
    char *got = status == HF_OK ? *address : base;
    struct recorder_call call = {
        .step = RECORDER_RESERVE, .address = got, .size = size, .status = status};
    return end_call(recorder, call, report, before);
}

static void recorder_release(const hf_backend *backend, void *address, size_t size, hf_kind kind) {
    struct recorder *recorder = recorder_of(backend);
    recorder->under->release(recorder->under, address, size, kind);
    record_call(recorder,
                (struct recorder_call){.step = RECORDER_RELEASE, .address = address, .size = size});
}

typedef hf_status memory_step(const hf_backend *, void *, size_t, hf_report *);

static hf_status pass_on(const hf_backend *backend, enum recorder_step step, memory_step *function,
                         void *address, size_t size, hf_report *report) {
    struct recorder *recorder = recorder_of(backend);
    size_t before = report->system_calls;
    bool pretended = recorder->pretends && (step == RECORDER_COMMIT || step == RECORDER_DECOMMIT);
    hf_status status = must_fail(recorder, step, size) ? fail(recorder, step, report)
                       : pretended                     ? HF_OK
                                   : function(recorder->under, address, size, report);
    struct recorder_call call = {.step = step, .address = address, .size = size, .status = status};
    return end_call(recorder, call, report, before);
}

static hf_status recorder_split(const hf_backend *backend, void *address, size_t size,
                                hf_report *report) {
    return pass_on(backend, RECORDER_SPLIT, recorder_of(backend)->under->split, address, size,
                   report);
}

static hf_status recorder_coalesce(const hf_backend *backend, void *address, size_t size,
                                   hf_report *report) {
    return pass_on(backend, RECORDER_COALESCE, recorder_of(backend)->under->coalesce, address, size,
                   report);
}

static hf_status recorder_commit(const hf_backend *backend, void *address, size_t size,
                                 hf_report *report) {
    return pass_on(backend, RECORDER_COMMIT, recorder_of(backend)->under->commit, address, size,
                   report);
}

static hf_status recorder_decommit(const hf_backend *backend, void *address, size_t size,
                                   hf_report *report) {
    return pass_on(backend, RECORDER_DECOMMIT, recorder_of(backend)->under->decommit, address, size,
                   report);
}

static hf_status recorder_advise(const hf_backend *backend, void *address, size_t size,
                                 hf_advice advice, hf_report *report) {
    struct recorder *recorder = recorder_of(backend);
    size_t before = report->system_calls;
    hf_status status =
        must_fail(recorder, RECORDER_ADVISE, size)
            ? fail(recorder, RECORDER_ADVISE, report)
            : recorder->under->advise(recorder->under, address, size, advice, report);
    struct recorder_call call = {.step = RECORDER_ADVISE,
                                 .address = address,
                                 .size = size,
                                 .advice = advice,
                                 .status = status};
    return end_call(recorder, call, report, before);
}

static void recorder_name(const hf_backend *backend, void *address, size_t size, const char *name,
                          hf_report *report) {
    struct recorder *recorder = recorder_of(backend);
    size_t before = report->system_calls;
    if (recorder->under->name) recorder->under->name(recorder->under, address, size, name, report);
    struct recorder_call call = {
        .step = RECORDER_NAME, .address = address, .size = size, .name = name};
    end_call(recorder, call, report, before);
}

static hf_status recorder_check(const hf_backend *backend, const void *base,
                                bool (*next)(void *cursor, hf_region *), void *cursor,
                                size_t *offset, hf_report *report) {
    const hf_backend *under = recorder_of(backend)->under;
    return under->check(under, base, next, cursor, offset, report);
}

static hf_status recorder_allocate_pages(const hf_backend *backend, size_t size, void **address,
                                         hf_report *report) {
    struct recorder *recorder = recorder_of(backend);
    size_t before = report->system_calls;
    hf_status status =
        must_fail(recorder, RECORDER_ALLOCATE_PAGES, size)
            ? fail(recorder, RECORDER_ALLOCATE_PAGES, report)
            : recorder->under->allocate_pages(recorder->under, size, address, report);
    char *got = status == HF_OK ? *address : NULL;
    struct recorder_call call = {
        .step = RECORDER_ALLOCATE_PAGES, .address = got, .size = size, .status = status};
    return end_call(recorder, call, report, before);
}

static void recorder_free_pages(const hf_backend *backend, void *address, size_t size) {
    struct recorder *recorder = recorder_of(backend);
    recorder->under->free_pages(recorder->under, address, size);
    record_call(recorder, (struct recorder_call){
                              .step = RECORDER_FREE_PAGES, .address = address, .size = size});
}

static hf_status recorder_lock_open(const hf_backend *backend, hf_lock *lock, hf_report *report) {
    const hf_backend *under = recorder_of(backend)->under;
    return under->lock_open(under, lock, report);
}

static void recorder_lock_close(const hf_backend *backend, hf_lock *lock) {
    const hf_backend *under = recorder_of(backend)->under;
    under->lock_close(under, lock);
}

static void recorder_lock(const hf_backend *backend, hf_lock *lock) {
    const hf_backend *under = recorder_of(backend)->under;
    under->lock(under, lock);
}

static void recorder_unlock(const hf_backend *backend, hf_lock *lock) {
    const hf_backend *under = recorder_of(backend)->under;
    under->unlock(under, lock);
}

/* The file functions stay NULL: an arena in memory needs no file. */
void recorder_init(struct recorder *recorder, const hf_backend *under) {
    memset(recorder, 0, sizeof *recorder);
    recorder->under = under ? under : hf_backend_native();
    for (size_t step = 0; step < RECORDER_STEPS; step++) {
        recorder->largest[step] = SIZE_MAX;
        recorder->error[step] = HF_NO_MEMORY;
    }
    recorder->error[RECORDER_RESERVE] = HF_NO_ADDRESS;
    recorder->error[RECORDER_ADVISE] = HF_UNSUPPORTED;
    recorder->backend = (hf_backend){.size = sizeof(hf_backend),
                                     .page_size = recorder_page_size,
                                     .reserve = recorder_reserve,
                                     .release = recorder_release,
                                     .split = recorder_split,
                                     .coalesce = recorder_coalesce,
                                     .commit = recorder_commit,
                                     .decommit = recorder_decommit,
                                     .advise = recorder->under->advise ? recorder_advise : NULL,
                                     .name = recorder_name,
                                     .check = recorder->under->check ? recorder_check : NULL,
                                     .allocate_pages = recorder_allocate_pages,
                                     .free_pages = recorder_free_pages,
                                     .lock_open = recorder_lock_open,
                                     .lock_close = recorder_lock_close,
                                     .lock = recorder_lock,
                                     .unlock = recorder_unlock};
}

void recorder_forget(struct recorder *recorder) {
    recorder->count = 0;
    recorder->system_calls = 0;
}

size_t recorder_count(const struct recorder *recorder, enum recorder_step step) {
    size_t count = 0;
    for (size_t i = 0; i < recorder->count; i++) count += recorder->calls[i].step == step;
    return count;
}

const struct recorder_call *recorder_nth(const struct recorder *recorder, enum recorder_step step,
                                         size_t nth) {
    for (size_t i = 0; i < recorder->count; i++) {
        if (recorder->calls[i].step != step) continue;
        if (nth-- == 0) return &recorder->calls[i];
    }
    return NULL;
}

size_t recorder_committed(const struct recorder *recorder) {
    size_t committed = 0;
    for (size_t i = 0; i < recorder->count; i++) {
        const struct recorder_call *call = &recorder->calls[i];
        if (call->status != HF_OK) continue;
        if (call->step == RECORDER_COMMIT) committed += call->size;
        if (call->step == RECORDER_DECOMMIT) committed -= call->size;
    }
    return committed;
}
