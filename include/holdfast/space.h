/*
 * holdfast/space.h -- the placeholder state machine.
 *
 * A space is one reservation of address space, tiled without gaps by regions. A region is a
 * placeholder (reserved addresses that nothing else can take; touching them faults), committed
 * (private memory), or a view of a file. A space starts as one placeholder and never moves.
 *
 *     hf_space *space;
 *     if (hf_space_open(&space, (size_t)1 << 36, NULL) != HF_OK) return 1; // 64 GiB of addresses
 *     hf_space_commit_range(space, 0, 65536);                                    // memory for 64 KiB
 *     strcpy(hf_space_base(space), "hello");
 *     hf_space_map_range(space, 65536, 4096, file, 0, HF_READ_ONLY);     // and a view behind it
 *     hf_space_release_range(space, 0, 65536 + 4096);                             // placeholder again
 *     hf_space_close(space);
 *
 *      0         64 KiB   68 KiB                                     64 GiB
 *      | committed | view |               placeholder                   |
 *
 * The six steps split, coalesce, commit, decommit, map and unmap are those of the system, one to
 * one; place, place_file and clear put them together, and are what programs use.
 *
 * Regions never merge, except placeholders by coalesce: each commit is a region of its own until it
 * is decommitted, on every system (on Windows a release cannot span two allocations). So there the
 * system's own calls on a space's memory (VirtualProtect, VirtualAlloc with MEM_RESET,
 * DiscardVirtualMemory) fail with ERROR_INVALID_ADDRESS (487) over more than one region, such as
 * two growth steps of an arena: make them region by region.
 *
 * Units: offsets and sizes are bytes, multiples of the page size (the page), within the space.
 *
 * Errors, for every function here that returns a status, on every system alike and before the
 * first system call: INVALID, the arguments alone are wrong (size 0, no multiple of the page size,
 * outside the space, wrapping); STATE, the arguments are sound but the regions there are not of
 * the kind or extent that the step needs. Then from the system: NO_MEMORY, MAP_LIMIT, and what a
 * function names.
 *
 * A call that fails leaves regions, memory and contents as they were. Three exceptions, each with
 * its function: clear over several regions; a decommit that met MAP_LIMIT; and an undo that fails
 * too: then the regions tell the truth in more pieces, and hf_last_error().undo_failed is true.
 *
 * Threads: every function but open and close may be called from several threads at once on one
 * space; each is one atomic change of the regions. What a thread does to the memory of a region
 * that another releases is the program's business. A fork waits until no thread is inside such a
 * call, so a child can use every space; its regions are those of the parent at that moment. The
 * steps of a child, closing too, do not reach the parent; its stores into read-write views do.
 *
 * Costs: finding a region is O(log n) of the regions; a step is one system call at most; on Linux
 * commit, decommit and unmap make a second one, which keeps placeholders out of dumps (gdb's
 * gcore), and where the space has a name a third; a step that fails makes more. To map a file is
 * three on Windows (its size, a section, the view). Records come from pages of the backend's, never
 * from malloc. Where Windows has no memory while it makes its paging file longer
 * (ERROR_COMMITMENT_LIMIT, 1455), a step is tried again, five times after 50 ms each; other
 * threads' calls on the space go on meanwhile.
 */
#ifndef HOLDFAST_SPACE_H
#define HOLDFAST_SPACE_H

#include "backend.h"
#include "file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_space hf_space;

/* Zero is a good default for every field. */
typedef struct hf_space_options {
    void *
        base; /* exact address, a multiple of HF_ALLOCATION_GRANULARITY, or NO_ADDRESS; NULL: any */
    size_t least; /* where `size` is refused, halve it down to this; 0: all or nothing */
    const char
        *name; /* shown by the system where it can; harmless when refused; outlives the space */
    const hf_backend *backend; /* NULL: the native one; outlives the space */
} hf_space_options;

/*
 * Reserves `size` bytes of addresses as one placeholder. options may be NULL. With options->least
 * the space may be smaller: hf_space_size() tells. *space is untouched on failure.
 * INVALID: size 0, size or least no multiple of the page size, least above size, a base that is not
 * aligned or wraps. NO_ADDRESS: the base is taken, or the system has not so many addresses for us.
 */
hf_status hf_space_open(hf_space **space, size_t size, const hf_space_options *options);

/* Gives everything back to the system, whatever its state. NULL is allowed. */
void hf_space_close(hf_space *space);

char *hf_space_base(const hf_space *space);
size_t hf_space_size(const hf_space *space);
size_t hf_space_page_size(const hf_space *space);

/* ------------------------------------------------------------------ the steps ------------- */

/*
 * Makes [offset, offset + size), a proper part of ONE placeholder, a placeholder of its own.
 *      |       p       |  ->  |  p |  p  | p |     inside: three
 *      |       p       |  ->  |  p |    p    |     at an end: two
 * STATE: not within one placeholder, or all of it.
 */
hf_status hf_space_split(hf_space *space, size_t offset, size_t size);

/*
 * Makes one placeholder of exactly two or more whole adjacent ones, any number in one call.
 *      |  p |  p  | p |  ->  |       p       |
 * STATE: anything else in the range, a part of a placeholder, or only one.
 */
hf_status hf_space_coalesce(hf_space *space, size_t offset, size_t size);

/*
 * Makes private zeroed memory, readable and writable, of exactly one placeholder.
 * STATE: not exactly one whole placeholder. NO_MEMORY: the system's limit on committed memory.
 */
hf_status hf_space_commit(hf_space *space, size_t offset, size_t size);

/*
 * Makes a placeholder of one committed region or of any part of one; the rest keeps its bytes.
 *      |        c        |  ->  |  c  |  p  |  c  |
 * STATE: not within one committed region. MAP_LIMIT: the region stays committed, but where the
 * system could do that much, its pages in the range were given back and read as zero. UNSUPPORTED:
 * a system that can only release the tail of a region; nothing has changed.
 */
hf_status hf_space_decommit(hf_space *space, size_t offset, size_t size);

/*
 * Makes a view of `file` from file_offset on out of exactly one placeholder.
 * INVALID: file_offset no multiple of the page size, the view reaching past the file's end rounded
 * up to the page size, a file that cannot give that access, or a file of another backend; for a file
 * of huge pages (Linux, hugetlbfs), an address, size or file_offset that is no multiple of them.
 * STATE: not exactly one whole placeholder. UNSUPPORTED: a file that cannot be mapped (ENODEV). IO:
 * the system does not permit it (EACCES, EPERM: a file that is only appended to, or sealed). A
 * copy-on-write view may be larger than memory: only the pages that are stored into take memory,
 * when they are. Where two views show the same bytes of a file, the compiler takes the two
 * addresses for two objects: a store through one and a load through the other need volatile, or a
 * compiler barrier between them.
 */
hf_status hf_space_map(hf_space *space, size_t offset, size_t size, hf_file *file,
                       uint64_t file_offset, hf_access access);

/* Makes a placeholder of exactly one view. STATE: not exactly one whole view. */
hf_status hf_space_unmap(hf_space *space, size_t offset, size_t size);

/* ------------------------------------------------------------- the composites ------------- */

/*
 * Split, then commit; undone whole on failure. [offset, offset + size) lies within ONE
 * placeholder, which may be all of it.
 *      |           p           |  ->  |  p  |   c   |    p    |
 */
hf_status hf_space_commit_range(hf_space *space, size_t offset, size_t size);

/* Split, then map; undone whole on failure. The errors are hf_space_map's. */
hf_status hf_space_map_range(hf_space *space, size_t offset, size_t size, hf_file *file,
                             uint64_t file_offset, hf_access access);

/*
 * Decommit or unmap all in the range, then coalesce it with the placeholder that touches it at
 * each end, if any. The range may hold placeholders and committed regions, both in whole or in
 * part, and whole views.
 *      |  p  |  c  |  v  |    c    | p |  ->  |         p         |  c  | p |
 *             <-------------->
 * Where the backend can (POSIX), one system call releases all of the range.
 * STATE: a part of a view; nothing has changed. Where the system fails a step half-way, the
 * regions from hf_last_error().offset on are as they were, those before it are placeholder, and
 * calling it again finishes. MAP_LIMIT: the regions from that offset on stay, but the system took
 * their pages where it could: committed memory reads as zero, a copy-on-write view as its file; so
 * the memory is free although the regions are not. With hf_last_error().undo_failed a placeholder
 * of the range is committed now. Where only the last coalesce is refused, clear returns that status
 * with the memory given back and the placeholder in pieces; calling it again coalesces them.
 */
hf_status hf_space_release_range(hf_space *space, size_t offset, size_t size);

/*
 * Passes a hint to the system: huge pages or none for placeholders and committed memory, populate
 * for committed memory alone. A decommit forgets it. STATE: the range holds another kind.
 * UNSUPPORTED: the system knows no such hint; harmless. NO_MEMORY: populate found no memory.
 */
hf_status hf_space_advise(hf_space *space, size_t offset, size_t size, hf_advice advice);

/* -------------------------------------------------------------- looking at it ------------- */

/* The region that holds the byte at offset, in *region; false outside the space. */
bool hf_space_find(const hf_space *space, size_t offset, hf_region *region);

/*
 * The region behind *region; a zeroed *region begins with the first. False after the last.
 *     hf_region region = {0};
 *     while (hf_space_next(space, &region)) ...
 */
bool hf_space_next(const hf_space *space, hf_region *region);

/* The calls of the backend that a space counts by kind. */
typedef enum hf_step {
    HF_STEP_RESERVE, /* and names */
    HF_STEP_SPLIT,
    HF_STEP_COALESCE,
    HF_STEP_COMMIT,
    HF_STEP_DECOMMIT,
    HF_STEP_MAP,
    HF_STEP_UNMAP,
    HF_STEP_ADVISE,
    HF_STEP_RECORDS, /* pages for the space's own records */
    HF_STEPS
} hf_step;

typedef struct hf_space_stats {
    size_t placeholder_bytes, committed_bytes, view_bytes; /* together the space's size */
    size_t regions;
    size_t peak_committed_bytes, peak_view_bytes, peak_regions;
    size_t steps[HF_STEPS];        /* steps that succeeded; clear: one for each region released */
    size_t system_calls[HF_STEPS]; /* what they cost, refused ones included */
    size_t refusals;               /* steps that the system refused */
    size_t record_bytes;           /* pages in use for the space's own records */
} hf_space_stats;

hf_space_stats hf_space_get_stats(const hf_space *space);

/*
 * Proves that the regions tile the space, that the search tree agrees with them, that the
 * statistics are their sums, and that the system's own list of mappings shows the same; for tests
 * and debugging. CORRUPT: hf_last_error().offset says where, .call which proof failed.
 * Costs O(n) and a reading of that list.
 */
hf_status hf_space_check(const hf_space *space);

#ifdef __cplusplus
}
#endif

#endif
