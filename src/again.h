/*
 * again.h -- calls of the backend that failed for a moment only are made again after a pause.
 *
 * While Windows makes its paging file longer, it commits no memory (ERROR_COMMITMENT_LIMIT); a
 * moment later the same call succeeds. A backend says so by report->is_transient. No lock may be
 * held during the pause.
 */
#ifndef HF_AGAIN_H
#define HF_AGAIN_H

#include <holdfast/backend.h>

enum { HF_PAUSE = 50 /* milliseconds */, HF_MOST_PAUSES = 5 };

/* After a call that failed: waits, and true, if the call shall be made again. */
static inline bool hf_wait_to_try_again(const hf_backend *backend, bool is_transient,
                                        unsigned *pauses) {
    if (!is_transient || backend->pause == NULL || *pauses == HF_MOST_PAUSES) return false;
    ++*pauses;
    backend->pause(backend, HF_PAUSE);
    return true;
}

/* allocate_pages, for callers that hold no lock. */
static inline hf_status hf_allocate_pages(const hf_backend *backend, size_t size, void **address,
                                          hf_report *report) {
    for (unsigned pauses = 0;;) {
        report->is_transient = false;
        hf_status status = backend->allocate_pages(backend, size, address, report);
        if (status == HF_OK || !hf_wait_to_try_again(backend, report->is_transient, &pauses))
            return status;
    }
}

#endif
