/*
 * fail.h -- how a call fails: it notes the details as the thread's last error and returns the
 * status, in one expression: `return hf_fail(HF_WRONG_STATE, "hf_space_split", offset, size);`
 */
#ifndef HF_FAIL_H
#define HF_FAIL_H

#include <holdfast/backend.h>

/* A failure that holdfast found: the system was not asked. */
hf_status hf_fail(hf_status status, const char *call, size_t offset, size_t size);

/* The same with the cause in words, a static phrase without a full stop: "the image is cut off". */
hf_status hf_fail_because(hf_status status, const char *call, const char *reason, size_t offset,
                          size_t size);

/* A failure of a system call, as the backend reported it. */
hf_status hf_fail_reported(hf_status status, const hf_report *report, size_t offset, size_t size);

/* Puts an earlier error back, after an undo that has noted its own. */
hf_status hf_fail_again(hf_error error);

/* Writes what the system says about a code of its own, in UTF-8 and without a full stop, cut to
 * size - 1 bytes and a NUL. Returns its length; 0 if the system has no words. In the backend's
 * file. */
size_t hf_system_words(long code, char *buffer, size_t size);

#endif
