/** @file
 *  holdfast/status.h: the status that a call returns, and the thread's last error.
 *
 *  A call that fails leaves everything as it was (the few exceptions are documented with their
 *  functions), returns a status, and stores the details for hf_last_error().
 *
 *      call -> HF_OK                            the last error stays as it was
 *           -> HF_IO, HF_NO_MEMORY, ...         the last error: status, code, call, offset, size
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <stdio.h>
 *
 *  // Opens a file, or prints why it cannot be opened.
 *  hf_file *open_or_explain(const char *path) {
 *      hf_file *file;
 *      if (hf_file_open(&file, path, HF_READ_ONLY, NULL) == HF_OK) return file;
 *      char text[HF_ERROR_TEXT_SIZE];
 *      hf_error_text(NULL, text, sizeof text);
 *      fprintf(stderr, "%s: %s\n", path, text);
 *      return NULL;
 *  }
 *  @endcode
 *
 *      /none: open failed: No such file or directory (HF_IO, code 2). A file operation failed:
 *      check the path, the permissions and the device.
 *
 *  The status comes from holdfast's own checks, never from the system's code: Windows returns 487
 *  for six different mistakes and 87 for five. The system's code is in hf_error::os_code.
 *
 *  Threads: each thread has its own last error. A call that succeeds does not change it, even if a
 *  step failed within the call (a larger reservation, a hint).
 */
#ifndef HOLDFAST_STATUS_H
#define HOLDFAST_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a call returns. hf_status_name() and hf_status_text() describe each in text. */
typedef enum hf_status {
    HF_OK,           /**< the call succeeded */
    HF_INVALID,      /**< the arguments alone are wrong: no state could make them right */
    HF_WRONG_STATE,  /**< the arguments are valid, but the regions, the arena or the file are not in
                     *   the state that this call needs */
    HF_NO_ADDRESS,   /**< the addresses are taken, or the address space has too few; after
                     *   mlockall(MCL_FUTURE): RLIMIT_MEMLOCK allows no more (EAGAIN) */
    HF_NO_MEMORY,    /**< the system commits no more memory */
    HF_MAP_LIMIT,    /**< the system's limit on the number of mappings is reached
                     *   (Linux: vm.max_map_count) */
    HF_RESERVE_FULL, /**< the arena's reservation has no room for it; a read-only arena has none */
    HF_NO_SPACE,     /**< the disk is full, a quota is used up, or the file-size limit is reached */
    HF_IO,           /**< a file operation failed: hf_error::os_code says why */
    HF_CORRUPT,      /**< the contents of the file, or of the space, are invalid */
    HF_BUSY,         /**< the file is open, in this process or another, in a way that excludes this
                      *   one: several readers may have it open, or a single writer. Or the process
                      *   that makes it has not finished (hf_file_open_named()) */
    HF_UNSUPPORTED   /**< this system, or this kind of file, cannot do it */
} hf_status;

/** Why a call failed. All strings are static: valid for ever, never freed. */
typedef struct hf_error {
    hf_status status;   /**< what the call returned, or would have returned */
    long os_code;       /**< errno or GetLastError(); 0: no system call failed */
    const char *call;   /**< the function that failed: the system's if a system call failed, else
                         *   holdfast's; NULL: no call failed yet */
    const char *reason; /**< the cause in a phrase, where the status alone does not name it; or
                         *   NULL */
    bool undo_failed;   /**< the call could not undo an earlier step: the space has other regions or
                         *   protections than before, which hf_space_find() returns. Memory is lost
                         *   only where the function says so. The other fields are those of the
                         *   first failure */
    size_t offset;      /**< where, in bytes: within the space for a call on a space, within the
                         *   file for a call on a file, the arena's position for an allocation */
    size_t size;        /**< of the step that failed, in bytes; for an allocation the requested
                         *   size */
} hf_error;

/** Returns the name of a status as it is written in C: "HF_NO_MEMORY".
 *  @param status  any number
 *  @return a static string, never NULL; "HF_(unknown)" for a number that is no status */
HF_API const char *hf_status_name(hf_status status);

/** Returns one sentence in English that says what happened and what to do.
 *  @param status  any number
 *  @return a static string, never NULL, also for a number that is no status */
HF_API const char *hf_status_text(hf_status status);

/** Enough bytes for the text of nearly every error; hf_error_text() cuts a longer one. */
#define HF_ERROR_TEXT_SIZE 512

/** Describes an error in one line of UTF-8: the call that failed, where, the reason, the system's
 *  text for os_code, the status, and what to do.
 *  @param error   the error; NULL: this thread's last error
 *  @param buffer  gets the text, cut to size - 1 bytes, and a NUL; may be NULL if size is 0
 *  @param size    the buffer's size in bytes; 0: nothing is written
 *  @return the length of the whole text in bytes without the NUL, like snprintf
 *  @note The system's text is that of the system on which the program runs. It is meaningless for a
 *        backend with the codes of another system (strict.h). Allocates no memory. */
HF_API size_t hf_error_text(const hf_error *error, char *buffer, size_t size);

/** Returns the last error of this thread.
 *  @return the error of the thread's last call that failed; all zero (HF_OK) if none failed yet */
HF_API hf_error hf_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
