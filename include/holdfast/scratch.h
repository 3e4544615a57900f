/** @file
 *  holdfast/scratch.h: two arenas for temporary work.
 *
 *  A function allocates its result in an arena that its caller passes, and its temporary data in
 *  the other arena of the pair. It passes the caller's arena as the conflict and gets a scope on
 *  the other one, so result and temporary data are never in the same arena:
 *
 *      arenas[0]   | caller's blocks | result |          conflict: the result stays
 *      arenas[1]   | caller's blocks | temporaries |     the scope: rewound at its end
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // Returns "A, B" in the arena `result`, which may be one of the two of `scratch`.
 *  char *join(hf_scratch *scratch, hf_arena *result, const char *a, const char *b) {
 *      hf_scope temporary = hf_scratch_begin(scratch, result);
 *      char *comma = hf_asprintf(temporary.arena, "%s, ", a);
 *      char *joined = comma ? hf_asprintf(result, "%s%s", comma, b) : NULL;
 *      hf_scope_end(temporary);
 *      return joined;
 *  }
 *  @endcode
 *
 *  Threads: a pair belongs to one thread at a time, as its arenas do; usually each thread has one.
 *
 *  This header includes arena.h, and arena.h includes this one at its end.
 */
#ifndef HOLDFAST_SCRATCH_H
#define HOLDFAST_SCRATCH_H

#include "arena.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Two arenas for temporary work. A zeroed hf_scratch is closed. Do not copy it. */
typedef struct hf_scratch {
    hf_arena arenas[2]; /**< the pair; hf_scratch_begin() chooses one of them */
} hf_scratch;

/** hf_scratch_open(), told how large the program's options are: what hf_scratch_open() calls.
 *  @param[out] scratch  the pair; zeroed on failure; not NULL
 *  @param options       of each of the two arenas, base must be NULL; NULL: the defaults
 *  @param size          bytes of the options that the program was compiled with;
 *                       ignored where options is NULL. Options behind it have their default.
 *                       Bytes that the library does not know must be 0
 *  @return
 *  - HF_OK: both are open
 *  - HF_INVALID: size is 0 or above 4096, options->base is not NULL, a least_reserve above a
 *    reserve that is named, a huge_pages that is none of the three, or a backend whose
 *    hf_backend::size is not valid
 *  - HF_NO_ADDRESS: the address space has no least_reserve bytes for each
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the records, or no mappings left
 *  - HF_RESERVE_FULL: options->pool has no two arenas left
 *  - HF_UNSUPPORTED: the program was compiled for a newer version of holdfast than the library, and
 *    sets an option that the library does not know */
HF_API hf_status hf_scratch_open_sized(hf_scratch *scratch, const hf_arena_options *options,
                                       size_t size);

/** Opens both arenas; if one fails, none is open.
 *  @param[out] scratch  the pair; zeroed on failure; not NULL
 *  @param options       the options of each of the two arenas; their base must be NULL. NULL: the
 *                       defaults
 *  @return
 *  - HF_OK: both are open
 *  - HF_INVALID: options->base is not NULL, a least_reserve above a reserve that is named, a
 *    huge_pages that is none of the three, or a backend whose hf_backend::size is not valid
 *  - HF_NO_ADDRESS: the address space has no least_reserve bytes for each
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the records, or no mappings left
 *  - HF_RESERVE_FULL: options->pool has no two arenas left
 *  - HF_UNSUPPORTED: the program was compiled for a newer version of holdfast than the library, and
 *    sets an option that the library does not know */
static inline hf_status hf_scratch_open(hf_scratch *scratch, const hf_arena_options *options) {
    return hf_scratch_open_sized(scratch, options, sizeof *options);
}

/** Closes both arenas: frees all of their blocks and ends their scopes.
 *  @param scratch  the pair; not NULL; a zeroed one: nothing happens */
HF_API void hf_scratch_close(hf_scratch *scratch);

/** Begins a scope on the arena of the pair that is not the conflict. O(1), cannot fail.
 *  @param scratch   the pair; not NULL
 *  @param conflict  the arena in which the result is allocated: one of the pair, any other arena,
 *                   or NULL: there is none
 *  @return a scope on arenas[1] if the conflict is arenas[0], else on arenas[0]; allocate in its
 *          arena and end it with hf_scope_end(). If the pair is closed, the scope has already
 *          ended */
HF_API hf_scope hf_scratch_begin(hf_scratch *scratch, const hf_arena *conflict);

#ifdef __cplusplus
}
#endif

#endif
