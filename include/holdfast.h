/** @file
 *  holdfast.h: one contiguous arena that grows in place and never moves. Includes every header of
 *  the library but stream.h.
 *
 *      base         pos     limit                                reserved (64 GiB)
 *      |  allocated  | ready |              placeholder                  |
 *       <---- committed ---->
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  struct point { float x, y; };
 *
 *  int main(void) {
 *      hf_arena arena;
 *      if (hf_arena_open(&arena, NULL) != HF_OK) return 1;
 *      struct point *point = hf_new(&arena, struct point);
 *      hf_mark mark = hf_get_mark(&arena);
 *      char *text = hf_asprintf(&arena, "%d points", 1);
 *      hf_rewind(&arena, mark);                            // the text is free again
 *      hf_arena_close(&arena);
 *      return point && text ? 0 : 1;
 *  }
 *  @endcode
 *
 *  Each header is the manual of its part:
 *  - holdfast/arena.h: the arena. Includes scratch.h (two arenas for temporary work) and image.h
 *    (arenas in files)
 *  - holdfast/array.h: growing arrays in an arena
 *  - holdfast/stream.h: a FILE that writes into an arena. Include it yourself: it includes
 *    <stdio.h>
 *  - holdfast/heap.h: malloc, realloc and free on a space of its own
 *  - holdfast/space.h: the placeholder state machine under it
 *  - holdfast/file.h: files that views are made of
 *  - holdfast/ring.h: a mirrored ring buffer
 *  - holdfast/status.h: the status that a call returns, and the thread's last error
 *  - holdfast/types.h: the types that several headers share
 *  - holdfast/backend.h: the contract with the system; bring your own. Includes strict.h (the
 *    backend for tests)
 *  - holdfast/version.h: the version, and what is promised between versions
 *
 *  Threads: a thread must not be cancelled inside a call: pthread_cancel could leave a lock locked,
 *  a file open or a space partly changed. Disable cancellation (pthread_setcancelstate) around the
 *  calls of a thread that may be cancelled. On Windows do not call TerminateThread for a thread
 *  that may be inside a call.
 *
 *  The library never calls malloc (the C library does, for a stream of stream.h), installs no
 *  signal handler and reads no environment variable. It prints nothing and never aborts, except
 *  where a heap finds a mistake of a program that has set no hf_heap_options::on_fault.
 *
 *  Its global state: each thread's last error; how many bytes of addresses the arenas with a
 *  default reservation have reserved; and the state of the native backend. On Windows that is the
 *  addresses of functions that are looked up at run time; on POSIX a lock and counters for three
 *  pthread_atfork handlers, which are registered when the library is loaded. A fork waits until no
 *  thread is inside a call on a space. It deadlocks in one case: a fork handler that was registered
 *  before the library was loaded (with dlopen, say) takes a lock that another thread has locked
 *  while it makes a call.
 */
#ifndef HOLDFAST_H
#define HOLDFAST_H

#include "holdfast/arena.h"
#include "holdfast/array.h"
#include "holdfast/backend.h"
#include "holdfast/file.h"
#include "holdfast/heap.h"
#include "holdfast/image.h"
#include "holdfast/pool.h"
#include "holdfast/ring.h"
#include "holdfast/scratch.h"
#include "holdfast/space.h"
#include "holdfast/status.h"
#include "holdfast/strict.h"
#include "holdfast/types.h"
#include "holdfast/version.h"

#endif
