/*
 * retry.h -- repeats calls of the backend that failed with a transient error, after a pause.
 *
 * While Windows extends its paging file, it commits no memory: calls fail with
 * ERROR_COMMITMENT_LIMIT (1455), and succeed once the file is extended. For such an error a backend
 * sets report->is_transient. The caller unlocks its locks before the pause.
 */
#ifndef HF_RETRY_H
#define HF_RETRY_H

#include <holdfast/backend.h>

#include "compatible.h"

enum {
    HF_PAUSE = 50,     /* length of a pause, in milliseconds */
    HF_MOST_PAUSES = 5 /* pauses of one call, then it fails */
};

/* Called after a call of the backend. True if the call failed with a transient error and has pauses
 * left: then it has paused, and the caller makes the call again. */
static inline bool hf_pause_before_retry(const hf_backend *backend, bool is_transient,
                                         unsigned *pauses) {
    if (!is_transient || !HF_HAS(backend, pause) || *pauses == HF_MOST_PAUSES) return false;
    ++*pauses;
    backend->pause(backend, HF_PAUSE);
    return true;
}

/* Calls the backend's allocate_pages, repeatedly if need be. The caller has locked nothing. */
static inline hf_status hf_allocate_pages(const hf_backend *backend, size_t size, void **address,
                                          hf_report *report) {
    for (unsigned pauses = 0;;) {
        report->is_transient = false;
        hf_status status = backend->allocate_pages(backend, size, address, report);
        if (status == HF_OK || !hf_pause_before_retry(backend, report->is_transient, &pauses))
            return status;
    }
}

#endif
