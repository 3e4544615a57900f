/** @file
 *  holdfast/strict.h: the backend for tests: it enforces every rule of Windows' placeholders in
 *  software, on any system, over the real memory of another backend, and makes calls fail on
 *  demand.
 *
 *      space -> strict -> a rule broken?       -> 87, 487 or 1132; counted as a violation
 *                      -> its turn to fail?    -> HF_NO_MEMORY, HF_MAP_LIMIT, ...
 *                      -> the backend under it -> its own status
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // The code under test: opens arenas on this backend, closes them, returns HF_OK or an error.
 *  typedef hf_status scenario(const hf_backend *backend);
 *
 *  // Makes the n-th call fail, for every n, in every way.
 *  void fail_everywhere(scenario *run) {
 *      hf_backend *strict;
 *      if (hf_strict_open(&strict, NULL) != HF_OK) return;
 *      size_t choice = 0;
 *      for (size_t nth = 1;;) {
 *          hf_strict_fail_as(strict, choice);
 *          hf_strict_fail(strict, nth, false);
 *          if (run(strict) == HF_OK) break;
 *          if (++choice == hf_strict_get_stats(strict).choices) nth++, choice = 0;
 *      }
 *      hf_strict_close(strict);
 *  }
 *  @endcode
 *
 *  A call that fails on Windows fails here with Windows' code (87, 487, 1132) and is counted as a
 *  violation; a space never causes one. hf_strict_fail() makes calls fail that would have
 *  succeeded; hf_strict_fail_as() chooses the status, among those that the contract of the call
 *  allows. The codes are Windows' too (8 and 1455 for HF_NO_MEMORY, say).
 *
 *  Counted are calls of all functions of hf_backend that return an hf_status, except check.
 *
 *  Threads: as a backend, any number. hf_strict_close() must be the last use, with every space and
 *  file on it closed before.
 *
 *  This header includes backend.h, and backend.h includes this one at its end.
 */
#ifndef HOLDFAST_STRICT_H
#define HOLDFAST_STRICT_H

#include <stdbool.h>
#include <stddef.h>

#include "backend.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Opens a strict backend.
 *  @param[out] strict  gets the backend, for hf_space_options::backend, say; it can be called but
 *                      not copied; untouched on failure
 *  @param under        the backend under it, whose memory and files it uses; NULL: the native one;
 *                      it must outlive the strict one
 *  @return
 *  - HF_OK: it is open
 *  - HF_INVALID: strict is NULL, or hf_backend::size of `under` is not valid
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: `under` has no pages for its records, or no lock */
HF_API hf_status hf_strict_open(hf_backend **strict, const hf_backend *under);

/** Closes a strict backend. Every space, ring, arena and file on it must be closed before.
 *  @param strict  from hf_strict_open(); NULL: nothing happens */
HF_API void hf_strict_close(hf_backend *strict);

/** Makes a counted call fail that would have succeeded.
 *  @param strict        from hf_strict_open()
 *  @param nth           which of the counted calls from now on; 1 is the next one; 0: none
 *  @param from_then_on  true: every counted call after it fails, too
 *  @note If that call breaks a rule, it is counted as a violation, and the next call fails
 *        instead. */
HF_API void hf_strict_fail(hf_backend *strict, size_t nth, bool from_then_on);

/** Chooses how calls fail. Each function of a backend has a list of ways to fail, one for each that
 *  its contract allows. From now on calls that hf_strict_fail() makes fail use the one at this
 *  index.
 *  @param strict  from hf_strict_open()
 *  @param choice  the index, modulo the length of the list; 0, the default: the most usual one
 *  @note Two of them have effects, as the contract allows: a decommit of a whole region that fails
 *        with HF_MAP_LIMIT has released the pages (if the backend under it then cannot commit them
 *        again, the decommit succeeds instead), and a draft_publish that fails with HF_IO has
 *        renamed the draft. */
HF_API void hf_strict_fail_as(hf_backend *strict, size_t choice);

/** What a strict backend has counted: hf_strict_get_stats(). */
typedef struct hf_strict_stats {
    size_t calls;       /**< counted calls so far */
    size_t failures;    /**< of these, the ones that hf_strict_fail() made fail */
    size_t choices;     /**< the largest number of ways to fail that one of those had, since
                         *   hf_strict_fail() was last called with an nth above 0 */
    hf_error failed_as; /**< the error of the last of those; offset and size are 0 */
    size_t violations;  /**< calls that broke a rule: 0, or the caller has a bug */
    size_t regions;     /**< placeholders, private allocations and views that exist now */
    size_t pages;       /**< bytes allocated with allocate_pages and not freed */
    size_t files;       /**< files open, drafts included */
    size_t locks;       /**< locks open */
} hf_strict_stats;

/** Returns the counts of a strict backend.
 *  @param strict  from hf_strict_open()
 *  @return the counts, all of one point in time */
HF_API hf_strict_stats hf_strict_get_stats(const hf_backend *strict);

#ifdef __cplusplus
}
#endif

#endif
