/*
 * fail.h -- how a call fails: it stores the details as the thread's last error and returns the
 * status, in one expression: `return hf_fail(HF_WRONG_STATE, "hf_space_split", offset, size);`
 */
#ifndef HF_FAIL_H
#define HF_FAIL_H

#include <holdfast/backend.h>

/* For an error that holdfast found itself, with no system call. */
hf_status hf_fail(hf_status status, const char *call, size_t offset, size_t size);

/* For such an error with a reason, a static phrase without a full stop: "the image is cut off". */
hf_status hf_fail_because(hf_status status, const char *call, const char *reason, size_t offset,
                          size_t size);

/* For an error of a system call, as the backend reported it. */
hf_status hf_fail_reported(hf_status status, const hf_report *report, size_t offset, size_t size);

/* Restores an earlier error as the last one, after an undo or a fallback that stored its own.
 * Returns its status. */
hf_status hf_fail_with(hf_error error);

/* Writes the system's message for one of its error codes, in UTF-8 and without a full stop, cut to
 * size - 1 bytes and a NUL. Returns the length written; 0 if the system has no message. Each native
 * backend defines it. */
size_t hf_system_message(long code, char *buffer, size_t size);

#endif
