/*
 * spy.c -- see spy.h. Every function fails or calls the backend below, then counts and records.
 */
#include "spy.h"

#include <stdint.h>
#include <string.h>

static struct spy *spy_of(const hf_backend *backend) {
    return (struct spy *)(uintptr_t)backend; /* casts const away: spy_init had a writable spy */
}

static bool must_fail(const struct spy *spy, enum spy_step step, size_t size) {
    return size > spy->largest[step];
}

static hf_status fail(const struct spy *spy, enum spy_step step, hf_report *report) {
    report->call = "spy";
    report->os_code = SPY_ERROR_CODE;
    report->system_calls++;
    return spy->error[step];
}

static void record_call(struct spy *spy, struct spy_call call) {
    if (spy->count == SPY_CALLS) {
        memmove(spy->calls, spy->calls + 1, sizeof spy->calls - sizeof *spy->calls);
        spy->count--;
    }
    spy->calls[spy->count++] = call;
}

/* Records a call and adds the system calls that were reported since `before`. */
static hf_status end_call(struct spy *spy, struct spy_call call, const hf_report *report,
                          size_t before) {
    spy->system_calls += report->system_calls - before;
    record_call(spy, call);
    return call.status;
}

static size_t spy_page_size(const hf_backend *backend) {
    const hf_backend *under = spy_of(backend)->under;
    return under->page_size(under);
}

static hf_status spy_reserve(const hf_backend *backend, void *base, size_t size, void **address,
                             hf_report *report) {
    struct spy *spy = spy_of(backend);
    size_t before = report->system_calls;
    hf_status status = must_fail(spy, SPY_RESERVE, size)
                           ? fail(spy, SPY_RESERVE, report)
                           : spy->under->reserve(spy->under, base, size, address, report);
    char *got = status == HF_OK ? *address : base;
    struct spy_call call = {.step = SPY_RESERVE, .address = got, .size = size, .status = status};
    return end_call(spy, call, report, before);
}

static void spy_release(const hf_backend *backend, void *address, size_t size, hf_kind kind) {
    struct spy *spy = spy_of(backend);
    spy->under->release(spy->under, address, size, kind);
    record_call(spy, (struct spy_call){.step = SPY_RELEASE, .address = address, .size = size});
}

typedef hf_status memory_step(const hf_backend *, void *, size_t, hf_report *);

static hf_status pass_on(const hf_backend *backend, enum spy_step step, memory_step *function,
                         void *address, size_t size, hf_report *report) {
    struct spy *spy = spy_of(backend);
    size_t before = report->system_calls;
    bool pretended = spy->pretends && (step == SPY_COMMIT || step == SPY_DECOMMIT);
    hf_status status = must_fail(spy, step, size) ? fail(spy, step, report)
                       : pretended                ? HF_OK
                                                  : function(spy->under, address, size, report);
    struct spy_call call = {.step = step, .address = address, .size = size, .status = status};
    return end_call(spy, call, report, before);
}

static hf_status spy_split(const hf_backend *backend, void *address, size_t size,
                           hf_report *report) {
    return pass_on(backend, SPY_SPLIT, spy_of(backend)->under->split, address, size, report);
}

static hf_status spy_coalesce(const hf_backend *backend, void *address, size_t size,
                              hf_report *report) {
    return pass_on(backend, SPY_COALESCE, spy_of(backend)->under->coalesce, address, size, report);
}

static hf_status spy_commit(const hf_backend *backend, void *address, size_t size,
                            hf_report *report) {
    return pass_on(backend, SPY_COMMIT, spy_of(backend)->under->commit, address, size, report);
}

static hf_status spy_decommit(const hf_backend *backend, void *address, size_t size,
                              hf_report *report) {
    return pass_on(backend, SPY_DECOMMIT, spy_of(backend)->under->decommit, address, size, report);
}

static hf_status spy_advise(const hf_backend *backend, void *address, size_t size, hf_advice advice,
                            hf_report *report) {
    struct spy *spy = spy_of(backend);
    size_t before = report->system_calls;
    hf_status status = must_fail(spy, SPY_ADVISE, size)
                           ? fail(spy, SPY_ADVISE, report)
                           : spy->under->advise(spy->under, address, size, advice, report);
    struct spy_call call = {
        .step = SPY_ADVISE, .address = address, .size = size, .advice = advice, .status = status};
    return end_call(spy, call, report, before);
}

static void spy_name(const hf_backend *backend, void *address, size_t size, const char *name,
                     hf_report *report) {
    struct spy *spy = spy_of(backend);
    size_t before = report->system_calls;
    if (spy->under->name) spy->under->name(spy->under, address, size, name, report);
    struct spy_call call = {.step = SPY_NAME, .address = address, .size = size, .name = name};
    end_call(spy, call, report, before);
}

static hf_status spy_check(const hf_backend *backend, const void *base,
                           bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                           hf_report *report) {
    const hf_backend *under = spy_of(backend)->under;
    return under->check(under, base, next, cursor, offset, report);
}

static hf_status spy_allocate_pages(const hf_backend *backend, size_t size, void **address,
                                    hf_report *report) {
    struct spy *spy = spy_of(backend);
    size_t before = report->system_calls;
    hf_status status = must_fail(spy, SPY_ALLOCATE_PAGES, size)
                           ? fail(spy, SPY_ALLOCATE_PAGES, report)
                           : spy->under->allocate_pages(spy->under, size, address, report);
    char *got = status == HF_OK ? *address : NULL;
    struct spy_call call = {
        .step = SPY_ALLOCATE_PAGES, .address = got, .size = size, .status = status};
    return end_call(spy, call, report, before);
}

static void spy_free_pages(const hf_backend *backend, void *address, size_t size) {
    struct spy *spy = spy_of(backend);
    spy->under->free_pages(spy->under, address, size);
    record_call(spy, (struct spy_call){.step = SPY_FREE_PAGES, .address = address, .size = size});
}

static hf_status spy_lock_open(const hf_backend *backend, hf_lock *lock, hf_report *report) {
    const hf_backend *under = spy_of(backend)->under;
    return under->lock_open(under, lock, report);
}

static void spy_lock_close(const hf_backend *backend, hf_lock *lock) {
    const hf_backend *under = spy_of(backend)->under;
    under->lock_close(under, lock);
}

static void spy_lock(const hf_backend *backend, hf_lock *lock) {
    const hf_backend *under = spy_of(backend)->under;
    under->lock(under, lock);
}

static void spy_unlock(const hf_backend *backend, hf_lock *lock) {
    const hf_backend *under = spy_of(backend)->under;
    under->unlock(under, lock);
}

/* The file functions stay NULL: an arena in memory needs no file. */
void spy_init(struct spy *spy, const hf_backend *under) {
    memset(spy, 0, sizeof *spy);
    spy->under = under ? under : hf_backend_native();
    for (size_t step = 0; step < SPY_STEPS; step++) {
        spy->largest[step] = SIZE_MAX;
        spy->error[step] = HF_NO_MEMORY;
    }
    spy->error[SPY_RESERVE] = HF_NO_ADDRESS;
    spy->error[SPY_ADVISE] = HF_UNSUPPORTED;
    spy->backend = (hf_backend){.size = sizeof(hf_backend),
                                .page_size = spy_page_size,
                                .reserve = spy_reserve,
                                .release = spy_release,
                                .split = spy_split,
                                .coalesce = spy_coalesce,
                                .commit = spy_commit,
                                .decommit = spy_decommit,
                                .advise = spy->under->advise ? spy_advise : NULL,
                                .name = spy_name,
                                .check = spy->under->check ? spy_check : NULL,
                                .allocate_pages = spy_allocate_pages,
                                .free_pages = spy_free_pages,
                                .lock_open = spy_lock_open,
                                .lock_close = spy_lock_close,
                                .lock = spy_lock,
                                .unlock = spy_unlock};
}

void spy_forget(struct spy *spy) {
    spy->count = 0;
    spy->system_calls = 0;
}

size_t spy_count(const struct spy *spy, enum spy_step step) {
    size_t count = 0;
    for (size_t i = 0; i < spy->count; i++) count += spy->calls[i].step == step;
    return count;
}

const struct spy_call *spy_nth(const struct spy *spy, enum spy_step step, size_t nth) {
    for (size_t i = 0; i < spy->count; i++) {
        if (spy->calls[i].step != step) continue;
        if (nth-- == 0) return &spy->calls[i];
    }
    return NULL;
}

size_t spy_committed(const struct spy *spy) {
    size_t committed = 0;
    for (size_t i = 0; i < spy->count; i++) {
        const struct spy_call *call = &spy->calls[i];
        if (call->status != HF_OK) continue;
        if (call->step == SPY_COMMIT) committed += call->size;
        if (call->step == SPY_DECOMMIT) committed -= call->size;
    }
    return committed;
}
