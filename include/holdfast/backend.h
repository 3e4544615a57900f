/** @file
 *  holdfast/backend.h: the contract between a space and the system under it.
 *
 *  All that holdfast asks of an operating system goes through the functions of an hf_backend:
 *  memory, files, and the lock of a space. There are two here: the native one
 *  (hf_backend_native()), and strict (strict.h), which enforces the rules of Windows' placeholders
 *  in software and fails on demand, for tests and fuzzing on any system.
 *
 *                            commit, map
 *                         +--------------->  committed memory (private),
 *      placeholder -------+                  or a view of a file
 *        ^  |  ^          +<---------------
 *        |  |  |           decommit, unmap
 *        |  |  +-- coalesce: |p|p|p| -> |ppppp|
 *        |  +----- split:    |ppppp| -> |p|p|p|
 *        |
 *      reserve
 *
 *  A program may bring its own: fill an hf_backend, often a copy of the native one with a few
 *  functions replaced, and name it in the options of a space, an arena or a file. One that is not a
 *  copy sets hf_backend::size to sizeof(hf_backend). To carry more data a program makes the
 *  hf_backend the first member of a struct; so does strict, which therefore cannot be copied, only
 *  called.
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  static size_t committed;
 *
 *  static hf_status count_commit(const hf_backend *self, void *address, size_t size,
 *                                hf_report *report) {
 *      (void)self;
 *      const hf_backend *native = hf_backend_native();
 *      hf_status status = native->commit(native, address, size, report);
 *      if (status == HF_OK) committed += size;
 *      return status;
 *  }
 *
 *  // A backend that counts what is committed through it.
 *  hf_backend counting(void) {
 *      hf_backend backend = *hf_backend_native();
 *      backend.commit = count_commit;
 *      return backend;
 *  }
 *  @endcode
 *
 *  A backend knows no regions, no arena and no policy: each function makes the system calls of one
 *  step and reports. The space above has validated every argument and keeps the map; it calls with
 *  addresses and sizes that are multiples of the page size, and only for steps that its map allows.
 *
 *  What a backend promises:
 *  - A function that fails leaves memory as it was. Exceptions, where the status is HF_MAP_LIMIT: a
 *    decommit may have given the pages back, which are committed still and read as zero; an unmap
 *    of a copy-on-write view may have given its private pages back, which read as the file;
 *    release_run may have done both.
 *  - Committed memory is zero at first, in a placeholder that is committed again too.
 *  - release, free_pages, file_close, file_unlock, draft_close, lock and unlock cannot fail.
 *  - Functions may be called from several threads at once for different spaces and files.
 *
 *  What a function reports: it adds the number of system calls that it made to
 *  hf_report::system_calls, and when it fails, sets hf_report::call, hf_report::os_code and
 *  hf_report::reason. The report is never NULL.
 */
#ifndef HOLDFAST_BACKEND_H
#define HOLDFAST_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a function of a backend tells beside its status. Strings are static. */
typedef struct hf_report {
    long os_code;        /**< on failure: errno or GetLastError(); 0: no system call failed */
    const char *call;    /**< on failure: the name of the system's function */
    size_t system_calls; /**< the function adds how many it made, also on failure */
    bool is_transient;   /**< on failure: the same call may succeed soon: the space calls pause,
                          *   then tries again */
    const char *reason;  /**< on failure: why, in a phrase ("views in a space need Windows 10
                          *   version 1803"), if the backend knows more than the status; or NULL */
    bool is_lost;        /**< hf_backend::remap, on failure: what was in the range is gone, and the
                          *   range is a placeholder */
} hf_report;

/** Memory for the system's lock, inside what it protects. */
typedef union hf_lock {
    void *alignment;   /**< aligns it */
    uint64_t bytes[8]; /**< the lock, of 64 bytes at most */
} hf_lock;

/** A placeholder with pages for records below it, in one mapping.
 *
 *      mapping  pages            address                               mapping + total
 *      |        | pages |        |             placeholder             |          |
 */
typedef struct hf_reservation {
    void *mapping; /**< where the mapping begins, not above `pages` */
    size_t total;  /**< bytes of the mapping: pages, placeholder and what alignment adds */
    void *pages;   /**< the pages for records, zeroed */
    void *address; /**< where the placeholder begins, a multiple of HF_ALLOCATION_GRANULARITY */
} hf_reservation;

/** The functions of a backend. */
typedef struct hf_backend hf_backend;

/** The functions of a backend. The first parameter of each is the backend itself; an hf_report gets
 *  what the function reports, and is never NULL. The optional functions come last, and may be NULL;
 *  the others may not. */
struct hf_backend {
    /** sizeof(hf_backend), in bytes, as the program was compiled: the library reads no function
     *  behind it. The optional functions that an older program lacks count as NULL; functions of a
     *  newer program that the library does not know are not called. Naming a backend is HF_INVALID
     *  if this is 0, if a function that is not optional lies behind it, or if it is above 4096.
     *
     *  That of hf_backend_native() is the size of version 1.0, and stays so in later versions: a
     *  copy contains only what the program was compiled with, and must not claim more. For a copy
     *  whose functions of later versions are to be called, set it to sizeof(hf_backend). */
    size_t size;

    /** @name Memory
     *
     *      reserve   |                 p                 |
     *      split     |     p     |  p  |        p        |
     *      commit    |     p     |  c  |        p        |
     *      release                                          from the highest to the lowest
     *
     *  Addresses and sizes are multiples of the page size, in bytes.
     *  @{ */

    /** The page size: the unit of every offset and size.
     *  @return bytes, a power of two, always the same */
    size_t (*page_size)(const hf_backend *);

    /** Takes addresses as one placeholder.
     *  @param base          exact address; NULL: any multiple of HF_ALLOCATION_GRANULARITY
     *  @param size          bytes
     *  @param[out] address  gets the first address
     *  @return HF_OK; HF_NO_ADDRESS: the base is taken or there are not so many addresses;
     *          HF_MAP_LIMIT: no mappings left */
    hf_status (*reserve)(const hf_backend *, void *base, size_t size, void **address, hf_report *);
    /** Gives one whole region back to the system, whatever its kind; cannot fail. Called for every
     *  region of a space, from the highest to the lowest, and only when the whole space goes; and
     *  for views made by map_free.
     *  @param address  where the region begins
     *  @param size     its size in bytes
     *  @param kind     what it consists of */
    void (*release)(const hf_backend *, void *address, size_t size, hf_kind kind);
    /** Makes a proper part of one placeholder a separate placeholder.
     *  @param address  where the part begins
     *  @param size     its size in bytes
     *  @return HF_OK; HF_NO_MEMORY: the system has none for its records; HF_MAP_LIMIT */
    hf_status (*split)(const hf_backend *, void *address, size_t size, hf_report *);
    /** Makes one placeholder of the two or more that the range spans exactly.
     *  @param address  where the first begins
     *  @param size     the size of all, in bytes
     *  @return HF_OK; HF_NO_MEMORY: the system has none for its records; HF_MAP_LIMIT */
    hf_status (*coalesce)(const hf_backend *, void *address, size_t size, hf_report *);
    /** Makes private zeroed memory, readable and writable, of exactly one placeholder.
     *  @param address  where the placeholder begins
     *  @param size     its size in bytes
     *  @return HF_OK; HF_NO_MEMORY: the system commits no more; HF_MAP_LIMIT: no mappings left */
    hf_status (*commit)(const hf_backend *, void *address, size_t size, hf_report *);
    /** Makes a placeholder of a committed region or of any part of one.
     *  @param address  where the part begins
     *  @param size     its size in bytes
     *  @return HF_OK; HF_NO_MEMORY: the system has none for its records; HF_MAP_LIMIT: no mappings
     *          left, the pages may have been given back and read as zero; HF_UNSUPPORTED: the
     *          system can release only the tail of a region; HF_NO_ADDRESS: after
     *          mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more */
    hf_status (*decommit)(const hf_backend *, void *address, size_t size, hf_report *);
    /** Makes a view of a file of exactly one placeholder.
     *  @param address      where the placeholder begins
     *  @param size         its size in bytes
     *  @param file         the file's handle
     *  @param file_offset  where in the file the view begins, in bytes
     *  @param access       what stores do
     *  @return HF_OK; HF_UNSUPPORTED: views cannot replace placeholders, see map_free, or such a
     *          file has none; HF_INVALID: the file has no view of this extent or access;
     *          HF_NO_MEMORY; HF_MAP_LIMIT; HF_NO_SPACE; HF_IO; HF_NO_ADDRESS: after
     *          mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more */
    hf_status (*map)(const hf_backend *, void *address, size_t size, intptr_t file,
                     uint64_t file_offset, hf_access, hf_report *);
    /** Makes a placeholder of exactly one view.
     *  @param address  where the view begins
     *  @param size     its size in bytes
     *  @return HF_OK; HF_NO_MEMORY: the system has none for its records; HF_MAP_LIMIT: no mappings
     *          left, private pages of a copy-on-write view may have been given back and read as the
     *          file; HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more */
    hf_status (*unmap)(const hf_backend *, void *address, size_t size, hf_report *);

    /** @} */

    /** @name Pages for holdfast's own records
     *
     *      | record |      |      zeroed, apart from every space
     *      page     page
     *  @{ */

    /** Allocates pages, zeroed, apart from every space.
     *  @param size          bytes
     *  @param[out] address  gets the first
     *  @return HF_OK; HF_NO_MEMORY; HF_MAP_LIMIT; HF_NO_ADDRESS: after mlockall(MCL_FUTURE),
     *          RLIMIT_MEMLOCK allows no more */
    hf_status (*allocate_pages)(const hf_backend *, size_t size, void **address, hf_report *);
    /** Frees pages; cannot fail.
     *  @param address  from allocate_pages
     *  @param size     all of them, in bytes */
    void (*free_pages)(const hf_backend *, void *address, size_t size);

    /** @} */

    /** @name Files
     *
     *      path -> file_open -> handle -> map, file_read, ... -> file_close
     *
     *  A handle is what the system has for an open file: a descriptor, a HANDLE.
     *  @{ */

    /** Opens an existing regular file: the contract of hf_file_open().
     *  @param path       where it is
     *  @param access     HF_READ_WRITE, or reading only
     *  @param[out] file  gets the handle
     *  @param[out] size  gets the file's size in bytes
     *  @return HF_OK; HF_UNSUPPORTED: it cannot be mapped; HF_BUSY; HF_NO_MEMORY; HF_IO */
    hf_status (*file_open)(const hf_backend *, const char *path, hf_access, intptr_t *file,
                           uint64_t *size, hf_report *);
    /** Creates a file of zeros, all blocks allocated: the contract of hf_file_create().
     *  @param path       where to make it; nothing may be there
     *  @param size       bytes
     *  @param[out] file  gets the handle
     *  @return HF_OK; HF_IO: something is there, or it cannot be made; HF_NO_SPACE; HF_UNSUPPORTED;
     *          HF_BUSY; HF_NO_MEMORY */
    hf_status (*file_create)(const hf_backend *, const char *path, uint64_t size, intptr_t *file,
                             hf_report *);
    /** Creates shared memory without a name: the contract of hf_file_create_shared().
     *  @param size       bytes
     *  @param[out] file  gets the handle
     *  @return HF_OK; HF_NO_MEMORY; HF_NO_SPACE; HF_IO; HF_UNSUPPORTED */
    hf_status (*file_create_shared)(const hf_backend *, uint64_t size, intptr_t *file, hf_report *);
    /** Duplicates a handle of the program's: the contract of hf_file_from_handle().
     *  @param handle     the program's
     *  @param access     what it must permit
     *  @param[out] file  gets the new handle
     *  @param[out] size  gets the file's size in bytes
     *  @return HF_OK; HF_INVALID: not a handle, or opened with less than access needs;
     *          HF_UNSUPPORTED: it cannot be mapped; HF_NO_MEMORY; HF_IO */
    hf_status (*file_duplicate)(const hf_backend *, intptr_t handle, hf_access, intptr_t *file,
                                uint64_t *size, hf_report *);
    /** Closes a handle; cannot fail. Views of the file stay.
     *  @param file  the handle */
    void (*file_close)(const hf_backend *, intptr_t file);
    /** Opens a file read-write; one of size 0 is made where there is none, its name durable when a
     *  file_sync has returned.
     *  @param path       where it is
     *  @param[out] file  gets the handle
     *  @param[out] size  gets the file's size in bytes
     *  @return HF_OK; HF_UNSUPPORTED: it cannot be mapped; HF_NO_SPACE: the disk has no room for
     *          the name; HF_BUSY; HF_NO_MEMORY; HF_IO */
    hf_status (*file_open_or_create)(const hf_backend *, const char *path, intptr_t *file,
                                     uint64_t *size, hf_report *);
    /** Measures a file: others may have changed its size.
     *  @param file       the handle
     *  @param[out] size  gets the size now, in bytes
     *  @return HF_OK; HF_IO */
    hf_status (*file_measure)(const hf_backend *, intptr_t file, uint64_t *size, hf_report *);
    /** Makes a file longer, with zeros whose blocks are allocated, or shorter; no view reaches what
     *  is cut off.
     *  @param file      the handle
     *  @param old_size  the size now, in bytes
     *  @param new_size  the size that it is to have, in bytes
     *  @return HF_OK; HF_NO_SPACE: the disk, the quota or the file-size limit has no room, and the
     *          file is as long as before; HF_NO_MEMORY; HF_IO */
    hf_status (*file_resize)(const hf_backend *, intptr_t file, uint64_t old_size,
                             uint64_t new_size, hf_report *);
    /** Allocates every block that the beginning of a file lacks (holes of a sparse copy, blocks
     *  shared with another file), so that no store into a view finds the disk full. The contents
     *  stay as they are.
     *  @param file       the handle
     *  @param size       how many bytes from the beginning on
     *  @param is_shared  others may store into the file meanwhile (a ring's): then, where only
     *                    writing zeros would allocate a block, it is left out
     *  @return HF_OK; HF_NO_SPACE: some blocks may have been allocated; HF_UNSUPPORTED;
     *          HF_NO_MEMORY; HF_IO */
    hf_status (*file_fill)(const hf_backend *, intptr_t file, uint64_t size, bool is_shared,
                           hf_report *);
    /** Reads from a file: all of the bytes, or it fails.
     *  @param file        the handle
     *  @param offset      where in the file, in bytes
     *  @param[out] bytes  gets the bytes
     *  @param size        how many
     *  @return HF_OK; HF_IO: also where the file ends before; HF_NO_MEMORY */
    hf_status (*file_read)(const hf_backend *, intptr_t file, uint64_t offset, void *bytes,
                           size_t size, hf_report *);
    /** Writes to a file: all of the bytes, or it fails.
     *  @param file    the handle
     *  @param offset  where in the file, in bytes
     *  @param bytes   the bytes
     *  @param size    how many
     *  @return HF_OK; HF_NO_SPACE: the disk, the quota or the file-size limit has no room;
     *          HF_NO_MEMORY; HF_IO */
    hf_status (*file_write)(const hf_backend *, intptr_t file, uint64_t offset, const void *bytes,
                            size_t size, hf_report *);
    /** Makes durable what was written to a file and, after file_flush, stored through views.
     *  @param file    the handle
     *  @return HF_OK; HF_IO; HF_NO_SPACE; HF_NO_MEMORY: some bytes may not be on the disk */
    hf_status (*file_sync)(const hf_backend *, intptr_t file, hf_report *);
    /** Locks a file until it is unlocked or closed: others (in this process too) cannot lock it, or
     *  only shared. Never waits.
     *  @param file       the handle
     *  @param exclusive  true: nobody else may lock it; false: others may lock it shared
     *  @return HF_OK; HF_BUSY: another lock is in the way; HF_UNSUPPORTED: a file system without
     *          locks; HF_NO_MEMORY; HF_IO */
    hf_status (*file_lock)(const hf_backend *, intptr_t file, bool exclusive, hf_report *);
    /** Releases the lock, also where a forked child still has the file open; cannot fail.
     *  @param file  the handle */
    void (*file_unlock)(const hf_backend *, intptr_t file);
    /** Tells whether a path names this very file now.
     *  @param file           the handle
     *  @param path           the path; NULL: tells whether the file has a name at all
     *  @param[out] is_there  gets the answer; a path that names nothing is false, and no failure
     *  @return HF_OK; HF_NO_MEMORY; HF_IO */
    hf_status (*file_is_at)(const hf_backend *, intptr_t file, const char *path, bool *is_there,
                            hf_report *);

    /** @} */

    /** @name Drafts
     *
     *      path             | old file |       | old file |       | new file |
     *      path.saving00                       | draft    |
     *                                          draft_open         draft_publish, draft_close
     *
     *  A draft is a new file that replaces another one whole, or not at all.
     *  @{ */

    /** Makes a file of zeros, all blocks allocated, beside the file that the path names (where it
     *  is a symbolic link: that the link leads to), and deletes what dead processes left of their
     *  drafts of this path.
     *  @param path        the file that is to be replaced, or nothing
     *  @param size        of the draft, in bytes
     *  @param[out] draft  gets the draft
     *  @param[out] file   gets its handle, for file_write and file_sync
     *  @return HF_OK; HF_BUSY: a writer has the file at the path locked; HF_UNSUPPORTED: it is no
     *          regular file; HF_NO_SPACE; HF_NO_MEMORY; HF_MAP_LIMIT; HF_NO_ADDRESS; HF_IO */
    hf_status (*draft_open)(const hf_backend *, const char *path, uint64_t size, void **draft,
                            intptr_t *file, hf_report *);
    /** Gives the draft the path's name, at once and durably; mode and owner are those of the file
     *  that it replaces, where the system allows it. Others who have that open keep it. The draft's
     *  file may be closed afterwards, whatever the status: the next call is draft_close.
     *  @param draft   from draft_open
     *  @return HF_OK; HF_BUSY: a writer has locked the file meanwhile; HF_NO_SPACE; HF_UNSUPPORTED;
     *          HF_IO: from making the name durable ("fsync"), the new file is in place, whole, and
     *          may have the old one's name again after a crash of the system */
    hf_status (*draft_publish)(const hf_backend *, void *draft, hf_report *);
    /** Always called last; cannot fail: closes the file, and deletes it unless it was published.
     *  @param draft  from draft_open */
    void (*draft_close)(const hf_backend *, void *draft);

    /** @} */

    /** @name The process
     *
     *      parent: process() == 1000  --fork-->  child: process() == 1001
     *  @{ */

    /** A number of this process; that of a forked child is another one.
     *  @return the number */
    uint64_t (*process)(const hf_backend *);

    /** @} */

    /** @name The lock of a space
     *
     *      lock_open -> lock -> the map changes -> unlock -> lock ... -> lock_close
     *
     *  Not recursive, usable where it lies. In the child of a fork no other thread has one locked.
     *  @{ */

    /** Makes a lock, unlocked.
     *  @param lock    where it lies
     *  @return HF_OK; HF_NO_MEMORY: the system has none for it */
    hf_status (*lock_open)(const hf_backend *, hf_lock *, hf_report *);
    /** Ends the use of a lock that nobody has locked; cannot fail.
     *  @param lock  from lock_open */
    void (*lock_close)(const hf_backend *, hf_lock *);
    /** Locks; waits as long as another thread has it locked; cannot fail.
     *  @param lock  from lock_open */
    void (*lock)(const hf_backend *, hf_lock *);
    /** Unlocks; cannot fail.
     *  @param lock  that this thread has locked */
    void (*unlock)(const hf_backend *, hf_lock *);

    /** @} */

    /** @name Optional functions
     *
     *      | size | page_size ... unlock |  cheap_reserve  | ... |  pause  |  file_seal  | ... |
     *                                    ^ sizes that a table can have ----------------------^
     *
     *  NULL says that the system has nothing like it. So does a table that ends before the function
     *  (hf_backend::size): the program was compiled for a version that did not have it. Later
     *  versions append their functions here.
     *  @{ */

    /** Optional: reserve and allocate_pages in one, at any address, for fewer system calls. Called
     *  for arenas. NULL: the space calls reserve and allocate_pages.
     *  @param size              bytes of the placeholder
     *  @param pages             bytes for records
     *  @param[out] reservation  gets what was made
     *  @return HF_OK; HF_UNSUPPORTED, before anything was done: the space goes on as if the
     *          function was NULL (the native one returns it in a copy of the native backend that
     *          replaces reserve, release, commit, allocate_pages or free_pages); HF_NO_ADDRESS:
     *          there are not so many addresses; HF_NO_MEMORY; HF_MAP_LIMIT */
    hf_status (*reserve_with_pages)(const hf_backend *, size_t size, size_t pages,
                                    hf_reservation *reservation, hf_report *);
    /** Releases the whole mapping of reserve_with_pages, whatever regions the placeholder consists
     *  of now; cannot fail. NULL only where reserve_with_pages is NULL.
     *  @param reservation  from reserve_with_pages */
    void (*release_with_pages)(const hf_backend *, const hf_reservation *reservation);
    /** Optional: commit, for a placeholder that lies in the first HF_ALLOCATION_GRANULARITY bytes
     *  of one of reserve_with_pages. It is called once for such a placeholder, before any commit,
     *  map or decommit of these bytes. NULL: the space calls commit.
     *  @param address  where the placeholder begins
     *  @param size     its size in bytes
     *  @return as commit */
    hf_status (*commit_first)(const hf_backend *, void *address, size_t size, hf_report *);
    /** Optional: the most bytes that should be reserved where the program names no size, because
     *  more addresses cost much memory by themselves. NULL: any number of them costs next to none.
     *  @return bytes; SIZE_MAX: any number */
    size_t (*cheap_reserve)(const hf_backend *);
    /** Optional: makes one placeholder of all that lies in the range in one step: committed memory
     *  in whole or part, whole views and whole placeholders. Called for two regions or more that
     *  decommit and unmap would release one by one. NULL: the space releases region by region.
     *  @param address  where the range begins
     *  @param size     its size in bytes
     *  @return HF_OK; HF_UNSUPPORTED, before anything was done: the space releases region by region
     *          (so the native one does in a copy that replaces decommit or unmap); HF_MAP_LIMIT:
     *          the pages of committed memory may have been given back and read as zero, private
     *          pages of copy-on-write views too, which read as their file; HF_NO_ADDRESS: after
     *          mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more */
    hf_status (*release_run)(const hf_backend *, void *address, size_t size, hf_report *);
    /** Optional, only where map is HF_UNSUPPORTED: makes a view of a file at addresses that nothing
     *  has taken; release gives it back.
     *  @param address      where, a multiple of HF_ALLOCATION_GRANULARITY
     *  @param size         bytes
     *  @param file         the file's handle
     *  @param file_offset  where in the file the view begins, in bytes, a multiple of
     *                      HF_ALLOCATION_GRANULARITY
     *  @param access       what stores do
     *  @return HF_OK; HF_NO_ADDRESS: something has taken them; HF_NO_MEMORY; HF_NO_SPACE; HF_IO */
    hf_status (*map_free)(const hf_backend *, void *address, size_t size, intptr_t file,
                          uint64_t file_offset, hf_access, hf_report *);
    /** Optional: a hint for a range of any regions; forgotten when it is decommitted or unmapped.
     *  @param address  where the range begins
     *  @param size     its size in bytes
     *  @param advice   the hint; HF_ADVISE_POPULATE for committed memory only
     *  @return HF_OK; HF_UNSUPPORTED: the system does not know it; HF_NO_MEMORY: populate found
     *          none; HF_MAP_LIMIT: no mappings left */
    hf_status (*advise)(const hf_backend *, void *address, size_t size, hf_advice, hf_report *);
    /** Optional: shows a name for the range in the system's tools. Failure, told by a
     *  hf_report::call that is not NULL, is harmless, and the space names nothing any more.
     *  @param address  where the range begins
     *  @param size     its size in bytes
     *  @param name     the name */
    void (*name)(const hf_backend *, void *address, size_t size, const char *name, hf_report *);
    /** Optional: compares the system's own list of mappings with the regions.
     *  @param base         where the space begins
     *  @param next         gives the regions one after the other, their offsets counted from base;
     *                      false after the last
     *  @param cursor       for next
     *  @param[out] offset  gets the first offset that differs
     *  @return HF_OK; HF_WRONG_STATE: they differ; HF_IO: the list cannot be read */
    hf_status (*check)(const hf_backend *, const void *base,
                       bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                       hf_report *);
    /** Optional: the unit of the addresses, sizes and file offsets of views of a file (Linux: the
     *  page size of a hugetlb file). NULL: the page size.
     *  @param file  the handle
     *  @return bytes, a power of two, at least the page size */
    size_t (*file_granularity)(const hf_backend *, intptr_t file);
    /** Optional: writes to the file what was stored through one view. NULL: file_sync does.
     *  @param address  where the view begins
     *  @param size     its size in bytes
     *  @return HF_OK; HF_IO; HF_NO_SPACE; HF_NO_MEMORY */
    hf_status (*file_flush)(const hf_backend *, void *address, size_t size, hf_report *);
    /** Optional: drops what the system has cached of a file that is not mapped: after a sync that
     *  failed the cache may contain bytes that are not on the disk and never will be.
     *  @param file  the handle */
    void (*file_forget)(const hf_backend *, intptr_t file);
    /** Optional: waits before a call that failed with hf_report::is_transient is tried again. NULL:
     *  no call is tried again.
     *  @param milliseconds  how long */
    void (*pause)(const hf_backend *, unsigned milliseconds);
    /** Optional: tells that regions are bookkeeping here, because the system has no allocations of
     *  its own that a call cannot span. Then decommit, release, protect and reset may be called for
     *  a range of several regions, unmap for a part of a view, release for the whole space, and
     *  memory that is committed behind a committed region becomes a part of it. NULL: false.
     *  @return true if so (the native one returns false in a copy of the native backend that
     *          replaces release, decommit or unmap) */
    bool (*spans_regions)(const hf_backend *);
    /** Optional: changes what may be done with committed memory and views. NULL: hf_space_protect()
     *  is HF_UNSUPPORTED.
     *  @param address     where the range begins: a part of one region, unless spans_regions
     *  @param size        its size in bytes
     *  @param access      of a view; HF_READ_WRITE for committed memory
     *  @param protection  what is allowed from now on; not HF_PROTECT_READ_WRITE for a read-only
     *                     view
     *  @return HF_OK; HF_UNSUPPORTED: the system does not let this memory be executed;
     *          HF_NO_MEMORY; HF_MAP_LIMIT: no mappings left; HF_NO_ADDRESS: after
     *          mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more. On failure a part of the range
     *          may have changed */
    hf_status (*protect)(const hf_backend *, void *address, size_t size, hf_access access,
                         hf_protection protection, hf_report *);
    /** Optional: committed memory reads as zero again, a copy-on-write view as its file, whatever
     *  the protection. NULL: the space stores into the pages.
     *  @param address  where the range begins: a part of one region, unless spans_regions
     *  @param size     its size in bytes
     *  @return HF_OK; HF_UNSUPPORTED: the system cannot, with these pages. On failure a part of the
     *          range may have been reset */
    hf_status (*reset)(const hf_backend *, void *address, size_t size, hf_report *);
    /** Optional: map, over whatever the range contains, in one step: other threads see what was
     *  there or the view, and nothing else. NULL: the space releases the range and then maps.
     *  @return as map; and on failure hf_report::is_lost tells whether what was there is gone */
    hf_status (*remap)(const hf_backend *, void *address, size_t size, intptr_t file,
                       uint64_t file_offset, hf_access, hf_report *);
    /** Optional: reserve, at any multiple of `alignment`, a power of two. NULL:
     *  hf_space_options::alignment is HF_UNSUPPORTED.
     *  @return as reserve */
    hf_status (*reserve_aligned)(const hf_backend *, size_t size, size_t alignment, void **address,
                                 hf_report *);
    /** Optional: commit, of memory that is not ordinary. NULL: hf_space_options::memory is
     *  HF_UNSUPPORTED.
     *  @param memory  what is wanted
     *  @return as commit; and HF_UNSUPPORTED: the system has no such memory */
    hf_status (*commit_as)(const hf_backend *, void *address, size_t size, const hf_memory *memory,
                           hf_report *);
    /** Optional: tells before anything is reserved whether commit_as can make such memory, apart
     *  from how much of it there is.
     *  @return HF_OK; HF_UNSUPPORTED: the system has no such memory */
    hf_status (*check_memory)(const hf_backend *, const hf_memory *memory, hf_report *);
    /** Optional: file_create_shared, of memory whose views protect can make executable. NULL:
     *  hf_file_create_executable() is HF_UNSUPPORTED. */
    hf_status (*file_create_executable)(const hf_backend *, uint64_t size, intptr_t *file,
                                        hf_report *);
    /** Optional: fixes the size of shared memory: the contract of hf_file_seal().
     *  @param file  the handle, opened read-write
     *  @param size  what the size is expected to be, in bytes
     *  @return HF_OK; HF_UNSUPPORTED: such a file cannot be sealed; HF_WRONG_STATE: it is sealed,
     *          but shorter than expected; HF_IO; HF_NO_MEMORY */
    hf_status (*file_seal)(const hf_backend *, intptr_t file, uint64_t size, hf_report *);
    /** Optional: tells whether nobody can make a file shorter. NULL: anybody can.
     *  @param file  the handle
     *  @param size  bytes
     *  @return true: the file has at least `size` bytes for good */
    bool (*file_is_sealed)(const hf_backend *, intptr_t file, uint64_t size);
    /** Optional: frees the memory or the blocks of a range, which reads as zero then: the contract
     *  of hf_file_punch_hole().
     *  @param file    the handle, opened read-write
     *  @param offset  where the range begins, in bytes, a multiple of the file's granularity
     *  @param size    its size in bytes, too
     *  @return HF_OK; HF_UNSUPPORTED: a file system without holes; HF_IO; HF_NO_SPACE;
     *          HF_NO_MEMORY */
    hf_status (*file_punch_hole)(const hf_backend *, intptr_t file, uint64_t offset, uint64_t size,
                                 hf_report *);
    /** Optional: creates shared memory with a name: the contract of hf_file_create_named().
     *  @param name       the name, which is valid: at most HF_SHARED_NAME_SIZE - 1 characters
     *  @param size       bytes
     *  @param[out] file  gets the handle
     *  @return HF_OK; HF_IO: the name is taken, or it cannot be created; HF_NO_SPACE; HF_NO_MEMORY;
     *          HF_UNSUPPORTED; HF_BUSY; HF_MAP_LIMIT; HF_NO_ADDRESS */
    hf_status (*file_create_named)(const hf_backend *, const char *name, uint64_t size,
                                   intptr_t *file, hf_report *);
    /** Optional: opens shared memory by its name: the contract of hf_file_open_named(). NULL only
     *  where file_create_named is NULL.
     *  @param name       the name, which is valid
     *  @param access     HF_READ_WRITE, or reading only
     *  @param[out] file  gets the handle
     *  @param[out] size  gets the size in bytes, never 0
     *  @return HF_OK; HF_IO: nothing has the name, or it cannot be opened; HF_BUSY: it has no size
     *          yet; HF_UNSUPPORTED: it cannot be mapped; HF_NO_MEMORY */
    hf_status (*file_open_named)(const hf_backend *, const char *name, hf_access, intptr_t *file,
                                 uint64_t *size, hf_report *);
    /** Optional: removes a name of shared memory: the contract of hf_file_remove_named(). NULL only
     *  where file_create_named is NULL.
     *  @param name  the name, which is valid
     *  @return HF_OK; HF_IO: nothing has the name, or it cannot be removed; HF_UNSUPPORTED;
     *          HF_NO_MEMORY */
    hf_status (*file_remove_named)(const hf_backend *, const char *name, hf_report *);

    /** @} */
};

/** The backend of the system that the program runs on.
 *  @return a static backend, for all threads, never NULL */
HF_API const hf_backend *hf_backend_native(void);

/** Windows as it was before placeholders, that is, before Windows 10 version 1803 and Windows
 *  Server 2019. There the native backend is this one. On any later Windows it shows what a program
 *  will meet there: everything works, but views in a space are HF_UNSUPPORTED.
 *  @return a static backend, for all threads, never NULL
 *  @note Defined on Windows alone: on other systems a program that calls it does not link. */
HF_API const hf_backend *hf_backend_before_placeholders(void);

#ifdef __cplusplus
}
#endif

/* The strict backend, so that one include is enough for both backends. */
#include "strict.h"

#endif
