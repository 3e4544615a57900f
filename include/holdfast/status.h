/*
 * holdfast/status.h -- what every call says of its success, and the thread's last error.
 *
 * A call that fails leaves everything as it was (the few exceptions stand with their functions),
 * returns a status, and notes the details for hf_last_error(). The status comes from holdfast's
 * own map, never from the system's code: Windows answers five different mistakes with 487 and
 * four with 87. The system's code is kept beside it for those who want it.
 *
 *     if (hf_arena_append_file(&arena, path, HF_READ_ONLY, &data, &size) != HF_OK) {
 *         char text[HF_ERROR_TEXT_SIZE];
 *         hf_error_text(NULL, text, sizeof text);
 *         fprintf(stderr, "%s: %s\n", path, text);
 *     }
 *
 *     /none: open failed: No such file or directory (HF_IO, code 2). A file operation failed: check
 *     the path, the permissions and the device.
 *
 * Threads: the last error is each thread's own. A call that succeeds leaves it as it was, also
 * where something failed on the way to success (a smaller reservation, a hint).
 */
#ifndef HOLDFAST_STATUS_H
#define HOLDFAST_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_status {
    HF_OK,
    HF_INVALID,     /* the arguments alone are wrong: no state could make them right */
    HF_WRONG_STATE, /* the arguments are sound, but what is there is not of the kind this call needs */
    HF_NO_ADDRESS,   /* the address space asked for is taken, or there is not so much of it; after
                      * mlockall(MCL_FUTURE): RLIMIT_MEMLOCK allows no more (EAGAIN) */
    HF_NO_MEMORY,    /* the system commits no more memory */
    HF_MAP_LIMIT,    /* the system's limit on the number of mappings is reached */
    HF_RESERVE_FULL, /* the arena met the end of its reservation */
    HF_NO_SPACE,     /* disk full, quota used up, or the file-size limit reached */
    HF_IO,           /* a file operation failed: os_code says why */
    HF_CORRUPT,      /* the file is not what it should be */
    HF_BUSY,         /* the file is open, in this process or another: a writer shares it with
                      * nobody, readers share it with readers only */
    HF_UNSUPPORTED   /* this system, or this kind of file, cannot do it */
} hf_status;

/** Why a call failed. Strings are static. */
typedef struct hf_error {
    hf_status status;
    long os_code;        /* errno or GetLastError(); 0: the system was not asked */
    const char *call;    /* the function that failed: the system's if there was a system call, else
                       * holdfast's */
    const char *reason;  /* the cause in words, where the status alone does not name it; or NULL */
    bool undo_failed;    /* a step before it could not be undone either: the map is true, in more
                       * pieces than before the call; the other fields are those of the first
                       * failure */
    size_t offset, size; /* of the step that failed, in bytes: within the space for a call on a
                          * space, within the file for a call on a file; for an allocation the
                          * arena's position and the size asked for */
} hf_error;

/** The name of a status, as it is written in C: "HF_NO_MEMORY".
 *  @return a static string, never NULL; "HF_(unknown)" for a number that is no status */
const char *hf_status_name(hf_status status);

/** One sentence: what happened, and what to do.
 *  @return a static string, never NULL, also for a number that is no status */
const char *hf_status_text(hf_status status);

/** Enough bytes for the text of nearly every error; a longer one is cut. */
#define HF_ERROR_TEXT_SIZE 512

/** Describes an error in one line of UTF-8: the call that failed, where, the reason, the system's
 *  own words for os_code, the status, and what to do.
 *  @param error   NULL: this thread's last error
 *  @param buffer  gets the text, cut to size - 1 bytes, and a NUL; may be NULL if size is 0
 *  @return the length of the whole text in bytes without the NUL, like snprintf
 *  @note The system's words are those of the system that the program runs on. They mean nothing for
 *        the codes of a backend that plays another system (strict). Allocates no memory. */
size_t hf_error_text(const hf_error *error, char *buffer, size_t size);

/** This thread's last error; all zero (HF_OK) if no call failed yet. */
hf_error hf_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
