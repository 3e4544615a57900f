/*
 * holdfast/backend.h -- the contract between a space and the system under it.
 *
 * All that holdfast asks of an operating system goes through the functions of an hf_backend:
 * memory, files, and the lock of a space. There are two here: the native one (hf_backend_native),
 * and strict, which enforces the rules of Windows' placeholders in software and fails on demand,
 * for tests and fuzzing on any system.
 *
 * A program may bring its own: fill an hf_backend, often a copy of the native one with a few
 * functions replaced, and name it in the options of a space, an arena or a file. To carry data of
 * its own it makes the hf_backend the first member of a struct; so does strict, which therefore
 * cannot be copied, only called.
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
 * A backend knows no regions, no arena and no policy: each function makes the system calls of one
 * step and reports. The space above has checked every argument and keeps the books; it calls with
 * addresses and sizes that are multiples of the page size, and only for steps that its map allows.
 *
 * What a backend promises:
 *   - A function that fails leaves memory as it was. One exception: a decommit that fails with
 *     HF_MAP_LIMIT may have given the pages back; they are committed still and read as zero.
 *   - Committed memory is zero at first, in a placeholder that is committed again too.
 *   - release, free_pages, file_close, file_unlock, draft_close, lock and unlock cannot fail.
 *   - Functions may be called from several threads at once for different spaces and files.
 *
 * What a function reports: it adds the number of system calls it made to report->system_calls,
 * and when it fails, sets report->call to the name of the system's function, report->os_code to the
 * system's code, and report->reason to a phrase if it knows more ("views in a space need Windows 10
 * version 1803"), else to NULL. The strings are static. report is never NULL.
 */
#ifndef HOLDFAST_BACKEND_H
#define HOLDFAST_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a region is made of; see space.h. */
typedef enum hf_kind {
    HF_PLACEHOLDER, /* reserved addresses: nothing else can take them, touching them faults */
    HF_COMMITTED,   /* private memory */
    HF_VIEW         /* a view of a file */
} hf_kind;

typedef enum hf_access {
    HF_READ_WRITE,   /* stores reach the file */
    HF_READ_ONLY,    /* stores fault */
    HF_COPY_ON_WRITE /* stores make a private copy of the page; the file stays as it is */
} hf_access;

typedef struct hf_region {
    size_t offset, size; /* bytes, multiples of the page size */
    hf_kind kind;
    hf_access access;     /* of a view; else HF_READ_WRITE */
    uint64_t file_offset; /* of a view: where in the file it begins; else 0 */
} hf_region;

typedef enum hf_advice {
    HF_ADVISE_HUGE,    /* back these addresses with huge pages where they can be */
    HF_ADVISE_NO_HUGE, /* never do so */
    HF_ADVISE_POPULATE /* fault the committed pages in now */
} hf_advice;

typedef struct hf_report {
    long os_code;
    const char *call;
    size_t system_calls;
    bool is_transient;  /* the same call may succeed in a moment: the space calls pause, then
                         * tries again */
    const char *reason; /* why, in words; or NULL */
} hf_report;

/* A reservation's base is a multiple of this many bytes on every system. */
#define HF_ALLOCATION_GRANULARITY ((size_t)65536)

/* Room for the system's lock, inside what it protects. */
typedef union hf_lock {
    void *alignment;
    uint64_t bytes[8];
} hf_lock;

typedef struct hf_backend hf_backend;

struct hf_backend {
    /* The page: the unit of every offset and size. A power of two, constant. */
    size_t (*page_size)(const hf_backend *);

    /* --- Memory. address and size: multiples of the page size. --- */

    /* Takes `size` bytes of addresses as one placeholder: exactly at `base`, or anywhere at a
     * multiple of HF_ALLOCATION_GRANULARITY when base is NULL. NO_ADDRESS, MAP_LIMIT. */
    hf_status (*reserve)(const hf_backend *, void *base, size_t size, void **address, hf_report *);
    /* Optional: the most bytes that should be reserved where the program names no size, because
     * more addresses cost much memory by themselves. NULL: any number of them costs next to none.
     * */
    size_t (*cheap_reserve)(const hf_backend *);
    /* Gives one whole region back to the system, whatever its kind. Called for every region of a
     * space, from the highest to the lowest, and only when the whole space goes. */
    void (*release)(const hf_backend *, void *address, size_t size, hf_kind kind);
    /* Makes the range, a proper part of one placeholder, a placeholder of its own. NO_MEMORY,
     * MAP_LIMIT; coalesce and unmap too. */
    hf_status (*split)(const hf_backend *, void *address, size_t size, hf_report *);
    /* Makes one placeholder of the two or more that the range spans exactly. */
    hf_status (*coalesce)(const hf_backend *, void *address, size_t size, hf_report *);
    /* Makes private memory, readable and writable, of exactly one placeholder. NO_MEMORY,
     * MAP_LIMIT. */
    hf_status (*commit)(const hf_backend *, void *address, size_t size, hf_report *);
    /* Makes a placeholder of a committed region or of any part of one. NO_MEMORY, MAP_LIMIT,
     * UNSUPPORTED. */
    hf_status (*decommit)(const hf_backend *, void *address, size_t size, hf_report *);
    /* Makes a view of a file out of exactly one placeholder. UNSUPPORTED where views cannot replace
     * placeholders, see map_free, or where such a file has none; INVALID: not of this extent;
     * NO_MEMORY, MAP_LIMIT, NO_SPACE, IO. */
    hf_status (*map)(const hf_backend *, void *address, size_t size, intptr_t file,
                     uint64_t file_offset, hf_access, hf_report *);
    /* Makes a placeholder of exactly one view. */
    hf_status (*unmap)(const hf_backend *, void *address, size_t size, hf_report *);
    /* Optional: makes one placeholder of all that lies in the range in one step: committed memory
     * in whole or part, whole views and whole placeholders. Called for two regions or more that
     * decommit and unmap would release one by one. NULL, or UNSUPPORTED before anything was done:
     * the space releases region by region. (The native one does so in a copy that replaces decommit
     * or unmap.) MAP_LIMIT: the pages of committed memory may have been given back and read as
     * zero; private pages of copy-on-write views too, which read as their file. */
    hf_status (*release_run)(const hf_backend *, void *address, size_t size, hf_report *);

    /* --- Optional: NULL where the system has nothing like it. --- */

    /* Only where map is UNSUPPORTED: makes a view of a file at addresses that nothing has taken;
     * release gives it back. Address and file offset are multiples of HF_ALLOCATION_GRANULARITY.
     * NO_ADDRESS: something has taken them. */
    hf_status (*map_free)(const hf_backend *, void *address, size_t size, intptr_t file,
                          uint64_t file_offset, hf_access, hf_report *);
    /* A hint for placeholders and committed memory; forgotten when the range is decommitted.
     * UNSUPPORTED where the system does not know it. */
    hf_status (*advise)(const hf_backend *, void *address, size_t size, hf_advice, hf_report *);
    /* Shows a name for the range in the system's tools. A refusal, told by report->call, is
     * harmless, and ends the naming. */
    void (*name)(const hf_backend *, void *address, size_t size, const char *name, hf_report *);
    /* Compares the system's own list of mappings with the regions, which next() gives one after
     * the other, their offsets counted from base; false after the last. STATE: they differ, with
     * the first offset that does in *offset. */
    hf_status (*check)(const hf_backend *, const void *base,
                       bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                       hf_report *);

    /* --- Pages for holdfast's own records: zeroed, apart from every space; NO_MEMORY. --- */

    hf_status (*allocate_pages)(const hf_backend *, size_t size, void **address, hf_report *);
    void (*free_pages)(const hf_backend *, void *address, size_t size);

    /* --- Files. A handle is what the system calls it: a descriptor, a HANDLE. --- */

    /* The contracts of hf_file_open, hf_file_create, hf_file_create_shared and
     * hf_file_from_handle, see file.h; *size is the file's. */
    hf_status (*file_open)(const hf_backend *, const char *path, hf_access, intptr_t *file,
                           uint64_t *size, hf_report *);
    hf_status (*file_create)(const hf_backend *, const char *path, uint64_t size, intptr_t *file,
                             hf_report *);
    hf_status (*file_create_shared)(const hf_backend *, uint64_t size, intptr_t *file, hf_report *);
    hf_status (*file_duplicate)(const hf_backend *, intptr_t handle, hf_access, intptr_t *file,
                                uint64_t *size, hf_report *);
    void (*file_close)(const hf_backend *, intptr_t file);
    /* Optional: the unit of the addresses, sizes and file offsets of views of this file, a power of
     * two, at least the page size. NULL: the page size. (Linux: the page size of a hugetlb file.) */
    size_t (*file_granularity)(const hf_backend *, intptr_t file);
    /* Opens a file read-write; one of size 0 is made where there is none, its name durable when a
     * file_sync has returned. */
    hf_status (*file_open_or_create)(const hf_backend *, const char *path, intptr_t *file,
                                     uint64_t *size, hf_report *);
    /* The size now; others may have changed it. */
    hf_status (*file_measure)(const hf_backend *, intptr_t file, uint64_t *size, hf_report *);
    /* Makes a file longer, with zeros whose blocks are allocated, or shorter; no view reaches what
     * is cut off. NO_SPACE: disk, quota or file-size limit; the file is as long as before. */
    hf_status (*file_resize)(const hf_backend *, intptr_t file, uint64_t old_size,
                             uint64_t new_size, hf_report *);
    /* Allocates every block that the first `size` bytes of a file lack (holes of a sparse copy,
     * blocks shared with another file), so that no store into a view finds the disk full. The
     * contents stay as they are. is_shared: others may store into the file meanwhile (a ring's);
     * then where only writing zeros would allocate a block, it is left out. NO_SPACE: some blocks
     * may have been allocated. */
    hf_status (*file_fill)(const hf_backend *, intptr_t file, uint64_t size, bool is_shared,
                           hf_report *);
    /* All of the bytes or a failure: IO where the file ends before. */
    hf_status (*file_read)(const hf_backend *, intptr_t file, uint64_t offset, void *bytes,
                           size_t size, hf_report *);
    hf_status (*file_write)(const hf_backend *, intptr_t file, uint64_t offset, const void *bytes,
                            size_t size, hf_report *);
    /* Makes durable what was written to the file and, after file_flush, stored through views. */
    hf_status (*file_sync)(const hf_backend *, intptr_t file, hf_report *);
    /* Optional. Hands to the file what was stored through one view; NULL where file_sync does. */
    hf_status (*file_flush)(const hf_backend *, void *address, size_t size, hf_report *);
    /* Optional. Drops what the system has cached of a file that is not mapped: after a sync that
     * failed the cache may hold bytes that are not on the disk and never will be. */
    void (*file_forget)(const hf_backend *, intptr_t file);
    /* Until the file is unlocked or closes, others (of this process too) have it not at all, or
     * only shared. BUSY: somebody has it. UNSUPPORTED: a file system without locks. */
    hf_status (*file_lock)(const hf_backend *, intptr_t file, bool exclusive, hf_report *);
    /* Releases the lock, also where a forked child still has the file open. */
    void (*file_unlock)(const hf_backend *, intptr_t file);
    /* *is_there: the path names this very file now; with a NULL path: the file has a name at all.
     * A path that names nothing is false, and no failure. */
    hf_status (*file_is_at)(const hf_backend *, intptr_t file, const char *path, bool *is_there,
                            hf_report *);

    /* --- Drafts: a new file that takes the place of another one whole, or not at all. --- */

    /* Makes a file of `size` zero bytes, all blocks allocated, beside the file that the path names
     * (where it is a symbolic link: that the link leads to). *file is written with file_write and
     * file_sync. Deletes what dead processes left of their drafts of this path. BUSY: a writer has
     * the file at the path locked; UNSUPPORTED: it is no regular file; NO_SPACE, IO. */
    hf_status (*draft_open)(const hf_backend *, const char *path, uint64_t size, void **draft,
                            intptr_t *file, hf_report *);
    /* Gives the draft the path's name, at once and durably; mode and owner are those of the file
     * that it replaces, where the system allows it. Others who have that open keep it. BUSY: a
     * writer has locked it meanwhile. IO from making the name durable: the new file is in place,
     * whole, and may have the old one's name again after a crash of the system. The draft's file
     * may be closed afterwards, whatever the status: the next call is draft_close. */
    hf_status (*draft_publish)(const hf_backend *, void *draft, hf_report *);
    /* Always called last: closes the file, and deletes it unless it was published. */
    void (*draft_close)(const hf_backend *, void *draft);

    /* --- The process. --- */

    /* A number of this process; that of a forked child is another one. */
    uint64_t (*process)(const hf_backend *);
    /* Optional: waits before a call that failed with report->is_transient is tried again. */
    void (*pause)(const hf_backend *, unsigned milliseconds);

    /* --- The lock of a space: not recursive, usable where it lies. No lock is held by another
     * thread in the child of a fork. --- */

    hf_status (*lock_open)(const hf_backend *, hf_lock *, hf_report *);
    void (*lock_close)(const hf_backend *, hf_lock *);
    void (*lock)(const hf_backend *, hf_lock *);
    void (*unlock)(const hf_backend *, hf_lock *);
};

/* The system's own; static, for all threads. */
const hf_backend *hf_backend_native(void);

#if defined(_WIN32)
/* Windows as it was before placeholders, that is, before Windows 10 version 1803 and Windows Server
 * 2019. There the native backend is this one; on any later Windows it shows what a program will
 * meet there: all is as ever, but views in a space are UNSUPPORTED. */
const hf_backend *hf_backend_before_placeholders(void);
#endif

/*
 * Strict: every rule of Windows' placeholders in software over real memory from another backend.
 *
 * A call that Windows would refuse is refused with Windows' code (8, 87, 487, 1132, 1455) and
 * counted as a violation: a space may never cause one. hf_strict_fail makes calls fail that would
 * have succeeded, hf_strict_fail_as says with which of the statuses that the call's contract
 * allows.
 *
 *     hf_backend *strict;
 *     hf_strict_open(&strict, NULL);
 *     size_t choice = 0;
 *     for (size_t nth = 1;;) {                  // the n-th call fails, for every n, in every way
 *         hf_strict_fail_as(strict, choice);
 *         hf_strict_fail(strict, nth, false);
 *         if (scenario(strict) == HF_OK) break;
 *         if (++choice == hf_strict_get_stats(strict).choices) nth++, choice = 0;
 *     }
 *     hf_strict_close(strict);
 *
 * Counted calls are all that a contract above lets fail, but check. Threads: as a backend, any;
 * hf_strict_close must be the last use, with every space and file on it closed before.
 */
hf_status hf_strict_open(hf_backend **strict, const hf_backend *under); /* under NULL: native */
void hf_strict_close(hf_backend *strict);                               /* NULL is allowed */

/* Makes the nth counted call from now on fail (1: the next), and with from_then_on every one after
 * it too; nth 0 switches failures off. */
void hf_strict_fail(hf_backend *strict, size_t nth, bool from_then_on);

/* Each call has a list of ways to fail. From now on a call that hf_strict_fail makes fail does so
 * in the way at index choice, modulo their number; 0, the default: the usual one for want of
 * resources. Two ways leave something behind, as the contract allows: a decommit that fails with
 * HF_MAP_LIMIT has given the pages back, and a draft_publish that fails with HF_IO has put the
 * draft in place. */
void hf_strict_fail_as(hf_backend *strict, size_t choice);

typedef struct hf_strict_stats {
    size_t calls;    /* counted calls so far */
    size_t failures; /* of these, the ones that hf_strict_fail made fail */
    size_t
        choices; /* the most ways to fail that one of them has had since the last hf_strict_fail */
    hf_error failed_as; /* what the last of these reported; offset and size are 0 */
    size_t violations;  /* calls that broke a rule: 0, or the caller has a bug */
    size_t pieces;      /* placeholders, private allocations and views alive */
    size_t pages;       /* bytes taken with allocate_pages and not given back */
    size_t files;       /* files open */
    size_t locks;       /* locks open */
} hf_strict_stats;

hf_strict_stats hf_strict_get_stats(const hf_backend *strict);

#ifdef __cplusplus
}
#endif

#endif
