/** @file
 *  holdfast/space.h: the placeholder state machine.
 *
 *  A space is one reservation of address space, tiled without gaps by regions. A region is a
 *  placeholder (reserved addresses that nothing else can take; touching them faults), committed
 *  (private memory), or a view of a file. A space starts as one placeholder and never moves.
 *
 *      0         64 KiB   68 KiB                                     64 GiB
 *      | committed | view |               placeholder                   |
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <string.h>
 *
 *  int show_two(hf_file *file) {
 *      hf_space *space;
 *      if (hf_space_open(&space, (size_t)1 << 28, NULL) != HF_OK) return 1; // 256 MiB of addresses
 *      if (hf_space_commit_range(space, 0, 65536) == HF_OK)                 // memory for 64 KiB
 *          strcpy(hf_space_base(space), "hello");
 *      hf_space_map_range(space, 65536, 4096, file, 0, HF_READ_ONLY);       // and a view behind it
 *      hf_space_release_range(space, 0, 65536 + 4096);                      // placeholder again
 *      hf_space_close(space);
 *      return 0;
 *  }
 *  @endcode
 *
 *  The six steps split, coalesce, commit, decommit, map and unmap are those of the system, one to
 *  one; the composites commit_range, map_range and release_range combine them, and are what
 *  programs use.
 *
 *  Regions never merge, except placeholders by coalesce: each commit makes a region that stays one
 *  until it is decommitted, on every system (on Windows a release cannot span two allocations). So
 *  on Windows the system's calls on a space's memory (VirtualProtect, VirtualAlloc with MEM_RESET,
 *  DiscardVirtualMemory) fail with ERROR_INVALID_ADDRESS (487) over more than one region, such as
 *  two growth steps of an arena: make them region by region.
 *
 *  Units: offsets and sizes are bytes, whole pages (multiples of hf_space_page_size()), within the
 *  space.
 *
 *  Errors: every function that returns a status checks its arguments and the regions before the
 *  first system call, by the same rules on every system. HF_INVALID: the arguments alone are wrong
 *  (space NULL, size 0, not whole pages, outside the space, wrapping). HF_WRONG_STATE: the
 *  arguments are sound, but the regions there are not of the kind or extent that the step needs.
 *  Then come the errors of the system. After mlockall(MCL_FUTURE) a step that makes a mapping, or
 *  that needs pages for a record, can fail with HF_NO_ADDRESS: RLIMIT_MEMLOCK allows no more
 *  (EAGAIN).
 *
 *  A call that fails leaves regions, protections, memory and contents as they were, with these
 *  exceptions, which are documented with their functions: hf_space_release_range() over several
 *  regions; hf_space_reset_range(); hf_space_remap_range(), which loses what it was to replace; a
 *  decommit that fails with HF_MAP_LIMIT; an unmap of a copy-on-write view that fails with
 *  HF_MAP_LIMIT; and an undo that fails, too: then hf_last_error().undo_failed is true, and
 *  hf_space_find() returns what is there.
 *
 *  Threads: every function but hf_space_open() and hf_space_close() may be called from several
 *  threads at once on one space; each is one atomic change of the regions. What a thread does to
 *  the memory of a region that another thread releases is not synchronised.
 *
 *  Signals: a handler of SIGSEGV or SIGBUS may call them if the fault came from the program's own
 *  access to memory, because then its thread is not inside such a call: a program can track stores
 *  with hf_space_protect(). From any other handler only hf_space_base(), hf_space_size(),
 *  hf_space_page_size(), hf_status_name() and hf_status_text() may be called: all others take the
 *  space's lock, which the interrupted thread may have, or change the thread's last error.
 *
 *  Forks: a fork waits until no thread is inside such a call, so a child can use every space; its
 *  regions are those of the parent at the time of the fork. The steps of a child,
 *  closing too, do not reach the parent; its stores into read-write views do.
 *
 *  Costs: finding a region is O(log n) of the regions; a step is one system call at most; on Linux
 *  every step that makes or ends a placeholder makes a second one (commit, decommit, unmap, extend,
 *  release_range), which keeps placeholders out of dumps (gdb's gcore), and where the space has a
 *  name, one that makes a placeholder a third; a step that fails makes more, and so does a
 *  copy-on-write view that is larger than the memory that is left. Mapping a file
 *  takes three on Windows (its size, a section, the view). Records come from pages of the backend,
 *  never from malloc. If Windows has no memory because it is extending its paging file
 *  (ERROR_COMMITMENT_LIMIT, 1455), a step is tried again, up to five times after 50 ms each; the
 *  calls of other threads on the space continue meanwhile.
 */
#ifndef HOLDFAST_SPACE_H
#define HOLDFAST_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "file.h"
#include "status.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @name Opening and closing
 *
 *      base                                                base + size
 *      |                      placeholder                       |
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // 2 GiB, or less if the address space is too small, but 64 MiB at least.
 *  hf_status open_large(hf_space **space) {
 *      hf_space_options options = {0};
 *      options.least = (size_t)64 << 20;
 *      return hf_space_open(space, (size_t)1 << 31, &options);
 *  }
 *  @endcode
 *  @{ */

/** One reservation of address space. Opaque. */
typedef struct hf_space hf_space;

/** How to open a space. Zero is a good default for every field. Fields are only ever appended. */
typedef struct hf_space_options {
    void *base;                /**< exact address, a multiple of HF_ALLOCATION_GRANULARITY, or
                                *   opening fails with HF_NO_ADDRESS; NULL: any address */
    size_t least;              /**< where reserving `size` bytes fails, it is halved down to this
                                *   many bytes, whole pages; 0: all or nothing */
    const char *name;          /**< shown in the system's tools where the system can, harmless where
                                *   not; must outlive the space; NULL: none */
    const hf_backend *backend; /**< NULL: the native one; must outlive the space */
    size_t alignment;          /**< the base is a multiple of it: a power of two, at least
                                *   HF_ALLOCATION_GRANULARITY (4 GiB for pointers of 32 bits, whose
                                *   upper half is that of the base); 0: the default */
    hf_memory memory;          /**< what committed memory is like; zero: ordinary */
} hf_space_options;

/** hf_space_open(), told how large the program's options are: what hf_space_open() calls. For
 *  bindings from other languages, where there are no inline functions.
 *  @param[out] space    gets the space; untouched on failure
 *  @param size          bytes, whole pages, not 0
 *  @param options       NULL: the defaults
 *  @param options_size  bytes of the options that the program was compiled with;
 *                       ignored where options is NULL. Options behind it have their default.
 *                       Bytes that the library does not know must be 0
 *  @return
 *  - HF_OK: the space is open
 *  - HF_INVALID: options_size is 0 or above 4096, space is NULL, size is 0, size or least are not
 *    whole pages, least is above size,
 *    the base is not aligned or the reservation wraps, or alignment or memory.huge_page is no power
 *    of two or too small
 *  - HF_NO_ADDRESS: the base is taken, or the address space has too few free addresses
 *  - HF_NO_MEMORY: the system has no pages for the space's records
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows
 *  - HF_UNSUPPORTED: the system has no such memory as the option `memory` asks for, or the program
 *    was compiled for a newer version of holdfast than the library, and sets an option that the
 *    library does not know */
HF_API hf_status hf_space_open_sized(hf_space **space, size_t size, const hf_space_options *options,
                                     size_t options_size);

/** Reserves addresses as one placeholder.
 *  @param[out] space  gets the space; untouched on failure
 *  @param size        bytes, whole pages, not 0
 *  @param options     NULL: the defaults. With options->least the space may be smaller than `size`;
 *                     see hf_space_size()
 *  @return
 *  - HF_OK: the space is open
 *  - HF_INVALID: space is NULL, size is 0, size or least are not whole pages, least is above size,
 *    the base is not aligned or the reservation wraps, or alignment or memory.huge_page is no power
 *    of two or too small
 *  - HF_NO_ADDRESS: the base is taken, or the address space has too few free addresses
 *  - HF_NO_MEMORY: the system has no pages for the space's records
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows
 *  - HF_UNSUPPORTED: the system has no such memory as the option `memory` asks for, or the program
 *    was compiled for a newer version of holdfast than the library, and sets an option that the
 *    library does not know */
static inline hf_status hf_space_open(hf_space **space, size_t size,
                                      const hf_space_options *options) {
    return hf_space_open_sized(space, size, options, sizeof *options);
}

/** Closes a space: releases all its regions, whatever their state. No other thread may use it.
 *  @param space  the space; NULL: nothing happens */
HF_API void hf_space_close(hf_space *space);

/** Returns the first address of a space, which stays the same while the space is open.
 *  @param space  the space; NULL: NULL is returned
 *  @return the address, a multiple of HF_ALLOCATION_GRANULARITY */
HF_API char *hf_space_base(const hf_space *space);

/** Returns the size of a space.
 *  @param space  the space; NULL: 0 is returned
 *  @return bytes */
HF_API size_t hf_space_size(const hf_space *space);

/** Returns the page size, of which every offset and size is a multiple.
 *  @param space  the space; NULL: 0 is returned
 *  @return bytes, a power of two */
HF_API size_t hf_space_page_size(const hf_space *space);

/** @} */

/** @name The six steps
 *
 *                            commit, map
 *                         +--------------->  committed memory (private),
 *      placeholder -------+                  or a view of a file
 *        ^  |  ^          +<---------------
 *        |  |  |           decommit, unmap
 *        |  |  +-- coalesce: |p|p|p| -> |ppppp|
 *        |  +----- split:    |ppppp| -> |p|p|p|
 *        |
 *      hf_space_open
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // Two regions of memory with a placeholder between them, step by step.
 *  hf_status two(hf_space *space, size_t page) {
 *      hf_status status = hf_space_split(space, page, page);
 *      if (status == HF_OK) status = hf_space_commit(space, 0, page);
 *      if (status == HF_OK) status = hf_space_split(space, 2 * page, page);
 *      return status == HF_OK ? hf_space_commit(space, 2 * page, page) : status;
 *  }
 *  @endcode
 *  @{ */

/** Splits a placeholder: a part of it becomes a separate placeholder.
 *
 *      |       p       |  ->  |  p |  p  | p |     inside: three
 *      |       p       |  ->  |  p |    p    |     at an end: two
 *
 *  @param space   the space
 *  @param offset  where the part begins, in bytes from base; whole pages
 *  @param size    its size in bytes; whole pages
 *  @return
 *  - HF_OK: the part is a region
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space
 *  - HF_WRONG_STATE: the part does not lie within one placeholder, or is all of it
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no memory for its records or for ours, or no
 *    mappings left
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN) */
HF_API hf_status hf_space_split(hf_space *space, size_t offset, size_t size);

/** Coalesces two or more adjacent placeholders into one.
 *
 *      |  p |  p  | p |  ->  |       p       |
 *
 *  @param space   the space
 *  @param offset  where the first placeholder begins, in bytes from base; whole pages
 *  @param size    the size of all of them together, in bytes
 *  @return
 *  - HF_OK: they are one region
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space
 *  - HF_WRONG_STATE: anything else lies in the range, a part of a placeholder, or only one
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system failed */
HF_API hf_status hf_space_coalesce(hf_space *space, size_t offset, size_t size);

/** Commits exactly one placeholder: it becomes zeroed private memory, readable and writable.
 *
 *      |       p       |  ->  |       c       |
 *
 *  @param space   the space
 *  @param offset  where the placeholder begins, in bytes from base; whole pages
 *  @param size    its size in bytes; whole pages
 *  @return
 *  - HF_OK: the region is committed
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space
 *  - HF_WRONG_STATE: not exactly one whole placeholder
 *  - HF_NO_MEMORY: the system's limit on committed memory is reached
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows */
HF_API hf_status hf_space_commit(hf_space *space, size_t offset, size_t size);

/** Decommits a committed region or a part of one: it becomes a placeholder. The rest of the region
 *  keeps its bytes.
 *
 *      |        c        |  ->  |  c  |  p  |  c  |
 *
 *  @param space   the space
 *  @param offset  where the part begins, in bytes from base; whole pages
 *  @param size    its size in bytes; whole pages
 *  @return
 *  - HF_OK: the part is a placeholder, and its memory is released
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space
 *  - HF_WRONG_STATE: the part does not lie within one committed region
 *  - HF_NO_MEMORY: the system has no memory for its records or for ours
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows. The region stays
 *    committed, but the pages of the part were released if the system could, and then read as
 *    zero
 *  - HF_UNSUPPORTED: a system that can release only the tail of a region; nothing has changed
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN) */
HF_API hf_status hf_space_decommit(hf_space *space, size_t offset, size_t size);

/** Maps a file: exactly one placeholder becomes a view of it.
 *
 *      |       p       |  ->  |       v       |
 *
 *  @param space        the space
 *  @param offset       where the placeholder begins, in bytes from base; whole pages
 *  @param size         its size in bytes; whole pages
 *  @param file         the file, opened on the space's backend
 *  @param file_offset  where in the file the view begins, in bytes; whole pages
 *  @param access       what stores into the view do; the file must permit it, see hf_file_open()
 *  @return
 *  - HF_OK: the region is a view
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space;
 *    file is NULL, of another backend, or does not permit that access; file_offset is not whole
 *    pages; the view would extend beyond the end of the file, rounded up to whole pages of the
 *    system, in a space of huge pages (hf_memory::huge_page) too; or, for a file of huge pages
 *    (hugetlbfs of Linux), address, size or file_offset is no multiple of those
 *  - HF_WRONG_STATE: not exactly one whole placeholder
 *  - HF_UNSUPPORTED: a file that cannot be mapped (ENODEV), or a system without placeholders (see
 *    hf_backend::map_free)
 *  - HF_IO: the system does not permit the view (EACCES, EPERM: a file that is only appended to, or
 *    sealed), or the file is shorter now (Windows)
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no memory, or no mappings left
 *  - HF_NO_SPACE: the disk or a quota has no room (Windows)
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  @note A copy-on-write view may be larger than memory: only pages that are stored into take
 *        memory.
 *  @note If two views show the same bytes of a file, the compiler treats the two addresses as two
 *        objects: between a store through one and a load through the other use volatile or a
 *        compiler barrier. */
HF_API hf_status hf_space_map(hf_space *space, size_t offset, size_t size, hf_file *file,
                              uint64_t file_offset, hf_access access);

/** Unmaps a view or a part of one: it becomes a placeholder. The rest of the view stays, as one or
 *  two views.
 *
 *      |        v        |  ->  |  v  |  p  |  v  |
 *
 *  On POSIX a part is unmapped in one system call, and threads that use the rest never fault. On
 *  Windows the library unmaps the view, splits the placeholder and maps the rest again, with its
 *  protections and the private pages of a copy-on-write view, which it copies for that long: other
 *  threads fault in all of the view meanwhile. Pages that differ from the file count as private:
 *  one that was stored into and equals the file follows the file again, and one whose bytes another
 *  process changes in the file meanwhile stays as it was.
 *  @param space   the space
 *  @param offset  where the part begins, in bytes from base; whole pages
 *  @param size    its size in bytes; whole pages
 *  @return
 *  - HF_OK: the part is a placeholder
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space
 *  - HF_WRONG_STATE: the part does not lie within one view, or ends inside a huge page of it
 *    (hugetlbfs)
 *  - HF_NO_MEMORY: the system has no memory for its records or for ours
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows. The view stays, but the
 *    private pages of a copy-on-write view were released if the system could, and then read as
 *    the file
 *  - HF_IO, HF_NO_SPACE, HF_UNSUPPORTED, HF_INVALID: the rest cannot be mapped again (Windows: the
 *  file was
 *    truncated meanwhile); the whole view has been mapped again
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  @note If the whole view cannot be mapped again either, hf_last_error().undo_failed is true, and
 *        what is not mapped is placeholder. */
HF_API hf_status hf_space_unmap(hf_space *space, size_t offset, size_t size);

/** @} */

/** @name The composites
 *
 *      |           p           |  ->  |  p  |   c   |    p    |      hf_space_commit_range
 *      |           p           |  ->  |  p  |   v   |    p    |      hf_space_map_range
 *      |  p  |   c   |    v    |  ->  |           p           |      hf_space_release_range
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // Moves the limit of what is committed from base on.
 *  hf_status set_limit(hf_space *space, size_t from, size_t to) {
 *      if (to > from) return hf_space_commit_range(space, from, to - from);
 *      return to < from ? hf_space_release_range(space, to, from - to) : HF_OK;
 *  }
 *  @endcode
 *  @{ */

/** Commits a range of one placeholder: split, then commit. The range becomes zeroed private memory,
 *  readable and writable. If the commit fails, the split is undone.
 *
 *      |           p           |  ->  |  p  |   c   |    p    |
 *
 *  @param space   the space
 *  @param offset  where the range begins, in bytes from base; whole pages
 *  @param size    its size in bytes; whole pages; it may be all of the placeholder
 *  @return
 *  - HF_OK: the range is one committed region
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space
 *  - HF_WRONG_STATE: the range does not lie within one placeholder
 *  - HF_NO_MEMORY: the system's limit on committed memory is reached, or it has no memory for its
 *    records or for ours
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  @note If the undo fails as well, hf_last_error().undo_failed is true, and the range is a
 *        separate placeholder. */
HF_API hf_status hf_space_commit_range(hf_space *space, size_t offset, size_t size);

/** Maps a file into a range of one placeholder: split, then map. If mapping fails, the split is
 *  undone.
 *
 *      |           p           |  ->  |  p  |   v   |    p    |
 *
 *  @param space        the space
 *  @param offset       where the range begins, in bytes from base; whole pages
 *  @param size         its size in bytes; whole pages; it may be all of the placeholder
 *  @param file         the file, opened on the space's backend
 *  @param file_offset  where in the file the view begins, in bytes; whole pages
 *  @param access       what stores into the view do; the file must permit it, see hf_file_open()
 *  @return
 *  - HF_OK: the range is one view
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space;
 *    file is NULL, of another backend, or does not permit that access; file_offset is not whole
 *    pages; the view would extend beyond the end of the file, rounded up to whole pages of the
 *    system, in a space of huge pages (hf_memory::huge_page) too; or, for a file of huge pages
 *    (hugetlbfs of Linux), address, size or file_offset is no multiple of those
 *  - HF_WRONG_STATE: the range does not lie within one placeholder
 *  - HF_UNSUPPORTED: a file that cannot be mapped (ENODEV), or a system without placeholders (see
 *    hf_backend::map_free)
 *  - HF_IO: the system does not permit the view (EACCES, EPERM: a file that is only appended to, or
 *    sealed), or the file is shorter now (Windows)
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no memory, or no mappings left
 *  - HF_NO_SPACE: the disk or a quota has no room (Windows)
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  @note If the undo fails as well, hf_last_error().undo_failed is true, and the range is a
 *        separate placeholder.
 *  @note A copy-on-write view may be larger than memory: only pages that are stored into take
 *        memory.
 *  @note If two views show the same bytes of a file, the compiler treats the two addresses as two
 *        objects: between a store through one and a load through the other use volatile or a
 *        compiler barrier. */
HF_API hf_status hf_space_map_range(hf_space *space, size_t offset, size_t size, hf_file *file,
                                    uint64_t file_offset, hf_access access);

/** Releases everything in a range: decommits and unmaps it, then coalesces it with adjacent
 *  placeholders at both ends. The range may contain placeholders, committed regions and views,
 *  whole or in part; of a part of a view hf_space_unmap() tells what happens to the rest.
 *
 *      |  p  |  c  |  v  |    c    | p |  ->  |         p         |  c  | p |
 *             <-------------->
 *
 *  If the backend can (POSIX), one system call releases all of the range.
 *  @param space   the space
 *  @param offset  where the range begins, in bytes from base; whole pages
 *  @param size    its size in bytes; whole pages
 *  @return
 *  - HF_OK: the range is part of one placeholder
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space
 *  - HF_WRONG_STATE: an end of the range is inside a huge page of a view (hugetlbfs); nothing has
 *    changed
 *  - HF_NO_MEMORY, HF_UNSUPPORTED (a system that can release only the tail of a region),
 *    HF_NO_ADDRESS (after mlockall(MCL_FUTURE), EAGAIN): the system failed a step. The regions from
 *    hf_last_error().offset on are as they were, those before it are placeholder, and calling again
 *    continues
 *  - HF_MAP_LIMIT: the regions from hf_last_error().offset on stay, but their pages are released if
 *    the system could: committed memory reads as zero, a copy-on-write view as its file
 *  - HF_IO, HF_NO_SPACE: the rest of a view cannot be mapped again (Windows), as for
 *    hf_space_unmap()
 *  @note If only the last coalesce failed, its status is returned: the memory is released, but the
 *        range is several placeholders; calling again coalesces them.
 *  @note If hf_last_error().undo_failed is true, a placeholder of the range is committed now, or a
 *        view of which the range has a part is placeholder where it is not mapped again. */
HF_API hf_status hf_space_release_range(hf_space *space, size_t offset, size_t size);

/** Passes a hint to the system: huge pages or none for any range, populate for committed memory
 *  only. A decommit or unmap removes it, and mapping a view or committing memory that is not
 *  ordinary (hf_space_options::memory) too. For views of shared memory Linux
 *  heeds it if /sys/kernel/mm/transparent_hugepage/shmem_enabled is "advise", for files on disk if
 *  their file system has huge pages.
 *  @param space   the space
 *  @param offset  where the range begins, in bytes from base; whole pages
 *  @param size    its size in bytes; whole pages
 *  @param advice  the hint
 *  @return
 *  - HF_OK: the system accepted the hint
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space;
 *    advice is none of the three
 *  - HF_WRONG_STATE: for HF_ADVISE_POPULATE, the range contains a placeholder, a view, or pages
 *    that hf_space_protect() has protected
 *  - HF_UNSUPPORTED: the system knows no such hint; harmless
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: populate found no memory, or the process has as many mappings as
 *    the system allows */
HF_API hf_status hf_space_advise(hf_space *space, size_t offset, size_t size, hf_advice advice);

/** @} */

/** @name Pages of regions
 *
 *      |      c      |     v     |  ->  |   c   | v |   v   |      hf_space_remap_range
 *      |  c  |         p         |  ->  |     c     |   p   |      hf_space_extend
 *      | rw  rw   rw   rw        |  ->  | rw  r    r    rw  |      hf_space_protect
 *      | 7   7    9    9         |  ->  | 7   0    0    9   |      hf_space_reset_range
 *
 *  These change what is in a range, or what may be done with it, without a placeholder in between.
 *  Protections are of pages, not of regions: a range may begin and end anywhere in them.
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // A slot of a sandbox: gives its memory back as new, then lets one more page of it be used.
 *  hf_status begin_again(hf_space *space, size_t slot, size_t used, size_t page) {
 *      hf_status status = hf_space_reset_range(space, slot, used);
 *      if (status != HF_OK) return status;
 *      return hf_space_extend(space, slot, used, used + page);
 *  }
 *  @endcode
 *  @{ */

/** Replaces whatever is in a range by a view of a file: placeholders, committed memory and views,
 *  whole or in part.
 *
 *      |  p  |  c  |   v   |    c    | p |  ->  |  p  |c|       v       | c  | p |
 *             <------------->
 *
 *  On Linux one system call replaces the range, and other threads that read it meanwhile find what
 *  was there or the view. On other systems they can find placeholder, and fault.
 *  @param space        the space
 *  @param offset       where the range begins, in bytes from base; whole pages
 *  @param size         its size in bytes; whole pages
 *  @param file         the file, opened on the space's backend
 *  @param file_offset  where in the file the view begins, in bytes; whole pages
 *  @param access       what stores into the view do; the file must permit it, see hf_file_open()
 *  @return
 *  - HF_OK: the range is one view
 *  - HF_INVALID: as for hf_space_map_range()
 *  - HF_WRONG_STATE: an end of the range is inside a huge page of a view (hugetlbfs)
 *  - HF_UNSUPPORTED, HF_IO, HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_SPACE, HF_NO_ADDRESS: as for
 *    hf_space_map_range() and hf_space_release_range()
 *  @note A failure changes nothing, except where hf_last_error().undo_failed is true: then the
 *        system, or a step before the one that failed, has dropped what was there, and what has
 *        been dropped is placeholder. On Windows that is so whenever the view cannot be mapped.
 *        After HF_MAP_LIMIT pages may have been released, as after hf_space_release_range(). */
HF_API hf_status hf_space_remap_range(hf_space *space, size_t offset, size_t size, hf_file *file,
                                      uint64_t file_offset, hf_access access);

/** Makes committed memory longer: commits the beginning of the placeholder behind it.
 *
 *      |  c  |        p        |  ->  |     c     |     p     |     POSIX: still one region
 *      |  c  |        p        |  ->  |  c  |  c  |     p     |     Windows: one more region
 *
 *  So on POSIX a memory that grows in a thousand steps is one region and one mapping.
 *  @param space     the space
 *  @param offset    where a committed region begins, in bytes from base
 *  @param old_size  the bytes from there that are committed: one region, or several adjacent ones,
 *                   up to the end of one; whole pages
 *  @param new_size  the bytes that are to be committed, more than old_size; whole pages
 *  @return
 *  - HF_OK: the new bytes are committed, zeroed, readable and writable
 *  - HF_INVALID: space is NULL, old_size is 0, new_size is not above it, or they are not whole
 *  pages
 *    or not within the space
 *  - HF_WRONG_STATE: the old bytes are not committed regions, or what follows is not a placeholder
 *    that is long enough
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: as for hf_space_commit_range()
 *  @note If an undo fails, hf_last_error().undo_failed is true, and the new bytes are a separate
 *        placeholder. */
HF_API hf_status hf_space_extend(hf_space *space, size_t offset, size_t old_size, size_t new_size);

/** Changes what may be done with pages of committed regions and views; everything else faults. The
 *  regions stay. Decommitting, unmapping and replacing a page forget its protection: it begins
 *  anew as HF_PROTECT_READ_WRITE, or as HF_PROTECT_READ in a read-only view. hf_space_find() tells
 *  it.
 *
 *  Use it in place of mprotect and VirtualProtect: hf_space_check() reports a protection that the
 *  space does not know, and VirtualProtect cannot span two regions.
 *  @param space       the space
 *  @param offset      where the range begins, in bytes from base; whole pages
 *  @param size        its size in bytes; whole pages; it may span any number of regions
 *  @param protection  what is allowed from now on
 *  @return
 *  - HF_OK: all pages of the range have the protection
 *  - HF_INVALID: space is NULL, size is 0, the range is not whole pages or not within the space, or
 *    protection is none of the four
 *  - HF_WRONG_STATE: the range contains a placeholder; for HF_PROTECT_READ_WRITE a read-only view;
 *    for HF_PROTECT_READ_EXECUTE a view of a file that hf_file_create_executable() did not create;
 *    or an end of the range is inside a huge page of a view (hugetlbfs)
 *  - HF_UNSUPPORTED: the system forbids executable memory (SELinux, macOS), or a backend that
 *  cannot
 *    protect
 *  - HF_NO_MEMORY: the system has no memory for its records or for ours
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows: each change of protection
 *    within a range is one more
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  @note One system call on POSIX, on Windows one for each region. If an undo fails,
 *        hf_last_error().undo_failed is true, and hf_space_find() tells the protections.
 *  @note Before code runs that was stored into memory, other processors than x86 must be told
 *        (__builtin___clear_cache), and Windows on any processor (FlushInstructionCache). */
HF_API hf_status hf_space_protect(hf_space *space, size_t offset, size_t size,
                                  hf_protection protection);

/** Makes the contents of a range as new: committed memory reads as zero, a copy-on-write view as
 *  its file. Regions and protections stay, and protected pages are reset, too.
 *  @param space   the space
 *  @param offset  where the range begins, in bytes from base; whole pages
 *  @param size    its size in bytes; whole pages; it may span any number of regions
 *  @return
 *  - HF_OK: the range is as new
 *  - HF_INVALID: space is NULL, size is 0, or the range is not whole pages or not within the space
 *  - HF_WRONG_STATE: anything else lies in the range (placeholders, read-write and read-only
 *    views), or an end of the range is inside a huge page of a view (hugetlbfs)
 *  - HF_UNSUPPORTED: the pages are locked (mlock), and the kernel is older than Linux 5.18
 *  - HF_IO, HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_SPACE: the file cannot be read, or protected pages
 *    cannot be made writable for it (not on Linux)
 *  @note After a failure of the system the range has been reset before hf_last_error().offset; of
 *        the region there, and on Linux of all of the range, any part may have been. If a file
 *        cannot be read, the contents of the part that hf_last_error() names are undefined. Regions
 *        and protections are as they were unless hf_last_error().undo_failed is true.
 *  @note One system call on Linux (MADV_DONTNEED), which gives the pages back to the system. Other
 *        systems cannot do that without a placeholder in between: there the zeros, or the bytes of
 *        the file, are stored, and the pages stay in memory; those of a view are private copies,
 *        and do not follow the file. */
HF_API hf_status hf_space_reset_range(hf_space *space, size_t offset, size_t size);

/** @} */

/** @name Looking at a space
 *
 *      | committed | view |               placeholder                   |
 *      ^           ^      ^                                             ^
 *      next        next   next                                          false
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  size_t count_views(const hf_space *space) {
 *      size_t views = 0;
 *      hf_region region = {0};
 *      while (hf_space_next(space, &region)) views += region.kind == HF_VIEW;
 *      return views;
 *  }
 *  @endcode
 *  @{ */

/** Finds the region that contains a byte. O(log n) of the regions; locks the space.
 *  @param space        the space; NULL: false is returned
 *  @param offset       of the byte, any number
 *  @param[out] region  gets the region; untouched if there is none; not NULL
 *  @return true if there is one; false if the offset lies outside the space */
HF_API bool hf_space_find(const hf_space *space, size_t offset, hf_region *region);

/** Finds the region behind another one. O(log n) of the regions; locks the space.
 *  @param space            the space; NULL: false is returned
 *  @param[in,out] region   a region; not NULL. Zeroed: the first region is found. Gets the next
 *                          region; untouched if there is none
 *  @return true if there is a next region; false after the last one */
HF_API bool hf_space_next(const hf_space *space, hf_region *region);

/** The calls of the backend that a space counts by kind: the indexes of hf_space_stats::steps and
 *  hf_space_stats::system_calls. */
typedef enum hf_step {
    HF_STEP_RESERVE,  /**< reserving addresses, and naming them */
    HF_STEP_SPLIT,    /**< splitting a placeholder */
    HF_STEP_COALESCE, /**< coalescing placeholders */
    HF_STEP_COMMIT,   /**< committing memory */
    HF_STEP_DECOMMIT, /**< decommitting memory */
    HF_STEP_MAP,      /**< mapping a view */
    HF_STEP_UNMAP,    /**< unmapping a view */
    HF_STEP_ADVISE,   /**< passing a hint */
    HF_STEP_RECORDS,  /**< pages for the space's own records */
    HF_STEP_PROTECT,  /**< protecting pages */
    HF_STEP_RESET,    /**< resetting pages */
    HF_STEPS          /**< how many kinds there are */
} hf_step;

/** The regions of a space and the calls for it: hf_space_get_stats(). placeholder_bytes,
 *  committed_bytes and view_bytes add up to its size. */
typedef struct hf_space_stats {
    size_t placeholder_bytes;      /**< bytes of placeholders now */
    size_t committed_bytes;        /**< bytes of committed regions now */
    size_t view_bytes;             /**< bytes of views now */
    size_t regions;                /**< regions now */
    size_t peak_committed_bytes;   /**< the most committed_bytes since the space was opened */
    size_t peak_view_bytes;        /**< the most view_bytes since the space was opened */
    size_t peak_regions;           /**< the most regions since the space was opened */
    size_t steps[HF_STEPS];        /**< steps that succeeded, by hf_step; hf_space_release_range()
                                    *   counts one for each region released */
    size_t system_calls[HF_STEPS]; /**< the system calls that they made, by hf_step; those of steps
                                    *   that failed count too */
    size_t failures;               /**< steps that the system failed */
    size_t record_bytes;           /**< bytes of the pages in use for the space's own records */
} hf_space_stats;

/** Returns the statistics of a space. O(1); locks the space.
 *  @param space  the space; NULL: all zero is returned
 *  @return the statistics, all of one point in time */
HF_API hf_space_stats hf_space_get_stats(const hf_space *space);

/** Checks, for tests and debugging, that the regions tile the space, that the search tree and the
 *  statistics agree with them, and that the system's list of mappings does.
 *  @param space  the space
 *  @return
 *  - HF_OK: all checks passed (the last one only if the backend can read that list)
 *  - HF_INVALID: space is NULL
 *  - HF_CORRUPT: a check failed: hf_last_error().offset says where, .reason which one
 *  - HF_IO: the list cannot be read (/proc/self/maps)
 *  @note O(n) of the regions, and reads that list. */
HF_API hf_status hf_space_check(const hf_space *space);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
