/** @file
 *  holdfast/pool.h: thousands of arenas in one placeholder, opened and closed without system calls.
 *
 *      |    arena 0    |    arena 1    |    arena 2    |  ...            one reservation
 *      |memory|        |memory| (idle) |
 *                       ^ at most `keep` bytes and what its last users needed
 *
 *  An arena of a pool is opened with hf_arena_open() and the option `pool`, closed with
 *  hf_arena_close(), and is like any other in between. Closing keeps its memory for the next one
 *  that is opened, so opening and closing make no system call while the memory suffices.
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // One arena for each request of a server; `pool` was opened at the start of the program.
 *  bool answer(hf_pool *pool, bool (*handle)(hf_arena *)) {
 *      hf_arena arena;
 *      hf_arena_options options = {0};
 *      options.pool = pool;
 *      if (hf_arena_open(&arena, &options) != HF_OK) return false;
 *      bool answered = handle(&arena);
 *      hf_arena_close(&arena);
 *      return answered;
 *  }
 *  @endcode
 *
 *  Memory: an idle arena keeps up to `keep` bytes committed. What it has beyond goes back by the
 *  rule of hf_reset(), and where the arena stays idle, when the arenas that were closed since then
 *  have used 64 times as many bytes. Closing an arena may trim another one so.
 *
 *  Threads: arenas of one pool can be opened and closed by any thread at any time; each open arena
 *  belongs to one thread at a time. Opening and closing do not wait for a thread whose arena grows,
 *  unless closing has memory or files to give back.
 *  Threads that open and close at the same moment may wait for each other's lock, which can be a
 *  system call (a futex on Linux; hf_pool_stats does not count it).
 *
 *  Mappings: each arena takes two, or one while nothing is committed. Views of files that are
 *  appended take more.
 */
#ifndef HOLDFAST_POOL_H
#define HOLDFAST_POOL_H

#include "arena.h"
#include "backend.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How to open a pool. Zero is a good default for every field. Fields are only ever appended. */
typedef struct hf_pool_options {
    /** How many arenas can be open at once; 0: 1,000 (32 bits: 32). */
    size_t arenas;
    /** Bytes of address space of each arena, rounded up to HF_ALLOCATION_GRANULARITY, and from 2
     *  MiB on to 2 MiB; 0: 1 GiB, or 64 MiB or 1 MiB where the system has not so many addresses
     *  (32 bits: 4 MiB or 1 MiB). Small ones are faster: arenas that lie close together share page
     *  tables. 20,000 arenas of 64 KiB, 100 objects in each, take a quarter of the time. */
    size_t reserve;
    /** Bytes that an idle arena keeps committed, rounded up to whole pages; 0: 64 KiB; SIZE_MAX:
     *  all. */
    size_t keep;
    /** Which memory is backed by huge pages. Replaces the option of the arenas. HF_HUGE_AUTO: the
     *  first 2 MiB of an arena are in small pages, and more until 20 MiB are used. */
    hf_huge_pages huge_pages;
    const char *name;          /**< shown in the system's tools where the system can; must outlive
                                *   the pool; NULL: none */
    const hf_backend *backend; /**< NULL: the native one; must outlive the pool */
} hf_pool_options;

/** Numbers of a pool. */
typedef struct hf_pool_stats {
    size_t arenas;       /**< arenas that can be open at once */
    size_t open;         /**< arenas that are open, or on the way: being closed or trimmed */
    size_t idle;         /**< arenas that were open and can be opened again */
    size_t lost;         /**< arenas that cannot be opened again: when they were closed, the system
                       *   failed to unmap a file */
    size_t peak_open;    /**< the most arenas that were open at once, lost ones included */
    size_t trims;        /**< how often an idle arena gave memory back */
    size_t reserved;     /**< bytes of address space of all arenas */
    size_t committed;    /**< committed bytes of all arenas, open and idle */
    size_t viewed;       /**< bytes of appended files of all arenas */
    size_t system_calls; /**< made for all arenas */
} hf_pool_stats;

/** hf_pool_open(), told how large the program's options are: what hf_pool_open() calls.
 *  @param[out] pool  the pool; unchanged on failure; not NULL
 *  @param options    NULL: the defaults; they are copied
 *  @param size       bytes of the options that the program was compiled with;
 *                    ignored where options is NULL. Options behind it have their default.
 *                    Bytes that the library does not know must be 0
 *  @return
 *  - HF_OK: the pool is open, all its arenas can be opened
 *  - HF_INVALID: size is 0 or above 4096, pool is NULL, huge_pages is none of the three, arenas *
 *    reserve is larger than any
 *    address space, or a backend whose hf_backend::size is not valid
 *  - HF_NO_ADDRESS: the system has not so many addresses
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the pool's records, about 1 KiB for
 *    each arena, or no mappings left
 *  - HF_UNSUPPORTED: the program was compiled for a newer version of holdfast than the library, and
 *    sets an option that the library does not know */
HF_API hf_status hf_pool_open_sized(hf_pool **pool, const hf_pool_options *options, size_t size);

/** Opens a pool: reserves the addresses of all arenas, commits nothing.
 *  @param[out] pool  the pool; unchanged on failure; not NULL
 *  @param options    NULL: the defaults; they are copied
 *  @return
 *  - HF_OK: the pool is open, all its arenas can be opened
 *  - HF_INVALID: pool is NULL, huge_pages is none of the three, arenas * reserve is larger than any
 *    address space, or a backend whose hf_backend::size is not valid
 *  - HF_NO_ADDRESS: the system has not so many addresses
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the pool's records, about 1 KiB for
 *    each arena, or no mappings left
 *  - HF_UNSUPPORTED: the program was compiled for a newer version of holdfast than the library, and
 *    sets an option that the library does not know */
static inline hf_status hf_pool_open(hf_pool **pool, const hf_pool_options *options) {
    return hf_pool_open_sized(pool, options, sizeof *options);
}

/** Closes a pool: gives everything back to the system. Close its arenas first: one that is still
 *  open must not be used any more, not even closed, and calls that were deferred in it are not
 *  made. No other thread may use the pool meanwhile.
 *  @param pool  the pool; NULL: nothing happens */
HF_API void hf_pool_close(hf_pool *pool);

/** Counts what the pool has. Other threads may open and close arenas meanwhile: then each number
 *  was true at some time during the call.
 *  @param pool  the pool; NULL: all numbers are 0
 *  @return the numbers */
HF_API hf_pool_stats hf_pool_get_stats(const hf_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
