/*
 * fail.h -- how a call fails: it notes the details as the thread's last error and returns the
 * status, in one expression: `return hf_fail(HF_STATE, "hf_space_split", offset, size);`
 */
#ifndef HF_FAIL_H
#define HF_FAIL_H

#include <holdfast/backend.h>

/* A refusal of holdfast's own: the system was not asked. */
hf_status hf_fail(hf_status status, const char *call, size_t offset, size_t size);

/* A refusal of the system's, as its backend reported it. */
hf_status hf_fail_reported(hf_status status, const hf_report *report, size_t offset, size_t size);

/* Puts an earlier error back, after an undo that has noted its own. */
hf_status hf_fail_again(hf_error error);

#endif
