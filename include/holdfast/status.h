/*
 * holdfast/status.h -- what every call says of its success, and the thread's last error.
 *
 * A call that fails leaves everything as it was (the few exceptions stand with their functions),
 * returns a status, and notes the details for hf_last_error(). The status comes from holdfast's
 * own map, never from the system's code: Windows answers five different mistakes with 487 and
 * four with 87. The system's code is kept beside it for those who want it.
 *
 *     if (hf_space_commit(space, 0, 65536) != HF_OK) {
 *         hf_error error = hf_last_error();
 *         fprintf(stderr, "%s: %s\n", error.call, hf_status_text(error.status));
 *     }
 *
 * Threads: the last error is each thread's own. A call that succeeds leaves it as it was, also
 * where something was refused on the way to success (a smaller reservation, a hint).
 */
#ifndef HOLDFAST_STATUS_H
#define HOLDFAST_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_status {
    HF_OK,
    HF_INVALID,    /* the arguments alone are wrong: no state could make them right */
    HF_STATE,      /* the arguments are sound, but the regions there are not what this step needs */
    HF_NO_ADDRESS, /* the address space asked for is taken, or there is not so much of it */
    HF_NO_MEMORY,  /* the system refuses to commit so much memory */
    HF_MAP_LIMIT,  /* the system's limit on the number of mappings is reached */
    HF_RESERVE_FULL, /* the arena met the end of its reservation */
    HF_NO_SPACE,     /* disk full, quota used up, or the file-size limit reached */
    HF_IO,           /* the system refused a file operation */
    HF_CORRUPT,      /* the file is not what it should be */
    HF_BUSY,         /* another process is writing the file */
    HF_UNSUPPORTED   /* this system, or this kind of file, cannot do it */
} hf_status;

/*
 * offset and size are those of the step that failed, in bytes: within the space for calls on a
 * space, within the file for calls on a file; for an arena's allocation, the position at which it
 * was to begin and the size asked for. call names the function that refused: the system's where
 * there was a system call, else holdfast's own. os_code is errno or GetLastError(), 0 where the
 * system was not asked. Strings are static.
 */
typedef struct hf_error {
    hf_status status;
    long os_code;
    const char *call;
    size_t offset, size;
} hf_error;

/* The `call` of an error whose undo was refused too: the map then holds more pieces than before
 * the call, every one of them true, and status and os_code are those of the first refusal. */
#define HF_UNDO_REFUSED "undo refused"

/* One sentence that says what to do; never NULL, also for a number that is no status. */
const char *hf_status_text(hf_status status);

/* This thread's last error; all zero (HF_OK) when no call failed yet. */
hf_error hf_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
