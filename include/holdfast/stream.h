/** @file
 *  holdfast/stream.h: a FILE that writes into an arena, as open_memstream() writes into memory of
 *  malloc. For code that prints to a stream.
 *
 *      | allocated | bytes that were flushed |\0|  room  |pos
 *                  *text                *size
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <holdfast/stream.h>
 *
 *  // "1 2 3 ", in the arena; NULL if that failed.
 *  char *count_to(hf_arena *arena, int last) {
 *      char *text;
 *      size_t size;
 *      FILE *stream = hf_open_memstream(arena, &text, &size);
 *      if (stream == NULL) return NULL;
 *      for (int i = 1; i <= last; i++) fprintf(stream, "%d ", i);
 *      return fclose(stream) == 0 ? text : NULL;
 *  }
 *  @endcode
 *
 *  This header includes <stdio.h>, so holdfast.h does not include it.
 */
#ifndef HOLDFAST_STREAM_H
#define HOLDFAST_STREAM_H

#include <stdio.h>

#include "arena.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Opens a stream for writing. After fflush() and after fclose(), *text is what was written, in one
 *  piece, with a NUL behind it that *size does not count; zero bytes may be written, too.
 *
 *  The text grows in place while it is the last block of the arena. If something else was allocated
 *  since then, it is copied to the end of the arena, with twice the room, and *text changes. So
 *  read *text again after each fflush(). fclose() gives back the room behind the text if it is the
 *  last block.
 *
 *  The stream appends only: fseek() and ftell() fail with ESPIPE. It writes to the arena when its
 *  buffer is full, in the thread that prints, so it belongs to the arena's thread. Close it before
 *  the arena is closed or goes back below the place where the stream was opened.
 *  @param arena      the arena; not NULL
 *  @param[out] text  gets the address of the text, "" at first; not NULL, and valid until fclose()
 *  @param[out] size  gets its size in bytes; not NULL, and valid until fclose()
 *  @return the stream; NULL, and nothing is allocated: it failed and on_failure is NULL or returned
 *          false; hf_last_error().status is
 *  - HF_INVALID: text or size is NULL, or the arena is closed
 *  - HF_UNSUPPORTED: the C library has no streams of a program's own (Windows, Android)
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings, or
 *    malloc fails
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  @note If the arena cannot grow, writing fails with ENOMEM: the call that empties the buffer
 *        fails and ferror() is true. fclose() returns EOF if any write failed. hf_last_error() has
 *        the details, and the text ends with what was written before.
 *  @note The library never calls malloc, but the C library does: for the FILE and its buffer, which
 *        fclose() frees. The stream takes some bytes of the arena before the text. */
HF_API FILE *hf_open_memstream(hf_arena *arena, char **text, size_t *size);

#ifdef __cplusplus
}
#endif

#endif
