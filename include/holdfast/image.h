/** @file
 *  holdfast/image.h: arenas in files: opens, syncs and saves them, and maps files into arenas.
 *
 *  An image is a file that contains an arena: 64 KiB of header, then the arena's bytes in the order
 *  in which they are in memory.
 *
 *      file      | header |      the arena's bytes      | allocated, not used yet |
 *                0        64 KiB
 *      memory             | view |   view   |   view    |        placeholder ...
 *                         base                   ^ pos  ^ limit
 *
 *  Pointers in it are valid if the arena is mapped at the address at which it was written, which is
 *  what hf_arena_open_file() does by default. Refs (hf_ref) are valid at any address.
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  struct world { int visits; };
 *
 *  int main(void) {
 *      hf_arena arena;
 *      if (hf_arena_open_file(&arena, "world.image", HF_READ_WRITE, NULL) != HF_OK) return 1;
 *      struct world *world = (struct world *)hf_arena_root(&arena);
 *      if (world == NULL) {                                    // a new image
 *          world = hf_new(&arena, struct world);
 *          if (world == NULL || hf_arena_set_root(&arena, world) != HF_OK) return 1;
 *      }
 *      world->visits++;
 *      hf_status status = hf_arena_sync(&arena);               // on disk, as it is now
 *      hf_arena_close(&arena);
 *      return status == HF_OK ? 0 : 1;
 *  }
 *  @endcode
 *
 *  The three ways to open an image:
 *  - HF_READ_WRITE: allocations and stores change the file. While the image is open, the file is as
 *    large as the committed memory; closing truncates it to what is allocated. Nothing else can
 *    have it open.
 *  - HF_COPY_ON_WRITE: a snapshot. Stores and growth are private; the file does not change. Opening
 *    takes the same time for any size: pages are read when they are touched.
 *  - HF_READ_ONLY: stores fault; allocating fails with HF_RESERVE_FULL, rewinding with
 *    HF_WRONG_STATE.
 *
 *  Sharing: several readers (HF_COPY_ON_WRITE, HF_READ_ONLY) may have an image open at once. While
 *  a writer has it open, opening is HF_BUSY; while a reader has it open, opening to write is
 *  HF_BUSY.
 *
 *  Growth: a read-write image grows by extending its file. The disk blocks are allocated before the
 *  file is mapped, so a full disk, a quota or a file-size limit is HF_NO_SPACE from the call that
 *  grows; the arena stays usable as it was. Opening with HF_READ_WRITE allocates blocks that the
 *  file lacks: the holes of a sparse copy, on XFS the shared blocks of a reflinked one. So no store
 *  finds the disk full, with these exceptions:
 *  - btrfs: a file that holdfast created is overwritten in place (NOCOW); a copy of it, or a file
 *    that a snapshot of the file system shares, is not;
 *  - other file systems that write each block to a new location (ZFS, bcachefs, btrfs with
 *    compression);
 *  - on Windows a copy on ReFS, such as a Dev Drive, whose blocks are shared;
 *  - network file systems.
 *
 *  On these a store to a full disk can end the process (SIGBUS). So can any access after another
 *  program truncated the file, and reading a hole of a file on a full tmpfs.
 *
 *  Fork: only the process that opened an image writes it. In a child a read-write image can be read
 *  and saved to another path; growing, syncing, rewinding and hf_arena_set_root() fail with
 *  HF_WRONG_STATE, and closing only unmaps. (An allocation that needs no growth succeeds in a
 *  child, and its stores reach the file. Do not do that.) Closing in the parent releases the lock
 *  even while children live. If the parent ends without closing (it is killed, say), the image
 *  stays HF_BUSY until each child that was forked while the image was open has ended, closed the
 *  arena, or called exec.
 *
 *  This header includes arena.h, and arena.h includes this one at its end.
 */
#ifndef HOLDFAST_IMAGE_H
#define HOLDFAST_IMAGE_H

#include "arena.h"
#include "status.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** hf_arena_open_file(), told how large the program's options are: what hf_arena_open_file() calls.
 *  @param[out] arena  the arena; zeroed on failure; not NULL
 *  @param path        where the image is; not NULL, not empty
 *  @param access      HF_READ_WRITE, HF_COPY_ON_WRITE (a snapshot) or HF_READ_ONLY
 *  @param options     NULL: the defaults
 *  @param size        bytes of the options that the program was compiled with;
 *                     ignored where options is NULL. Options behind it have their default.
 *                     Bytes that the library does not know must be 0
 *  @return
 *  - HF_OK: the arena is open, with what the last sync or save wrote
 *  - HF_INVALID: size is 0 or above 4096, path is NULL or empty, access is none of the three, a
 *    least_reserve above a reserve that is named, a huge_pages that is none of the three, a backend
 *    whose hf_backend::size is not valid, or options->base is not the address of the image
 *  - HF_CORRUPT: not an image, damaged, cut off, of another tag, byte order or pointer size, or
 *    changed while it was opened; hf_last_error().reason says which
 *  - HF_UNSUPPORTED: written by a later version, not a regular file, one of huge pages (hugetlbfs),
 *    a file system without locks or that maps no files, a system without placeholders, or an option
 *    that is set and that the library does not know, because the program was compiled for a newer
 *    version
 *  - HF_BUSY: a writer has it open, or access is HF_READ_WRITE and a reader has it open; or the
 *    file at the path was replaced 100 times while it was opened
 *  - HF_NO_ADDRESS: the address of the image is taken, or the address space has no least_reserve
 *    bytes
 *  - HF_RESERVE_FULL: options->reserve is less than the size of the image, or the image is too
 *    large for the address space
 *  - HF_NO_SPACE: the disk has no room for a new image, or for blocks that the file lacks
 *  - HF_IO: a file operation failed; hf_last_error().os_code says why
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings */
HF_API hf_status hf_arena_open_file_sized(hf_arena *arena, const char *path, hf_access access,
                                          const hf_arena_options *options, size_t size);

/** Opens an image. With HF_READ_WRITE also creates one, if there is no file or an empty one.
 *
 *  The header is validated before anything is mapped. The path is compared with the file again
 *  after it is locked, so the file is the one at the path. On failure the arena is zeroed and the
 *  image is unchanged. Its file may differ in two ways: HF_READ_WRITE truncates what a crash left
 *  behind the last sync, and holes may have got blocks. A file that was created stays, empty.
 *
 *  The options are those of hf_arena_open(), with these additions:
 *  - base NULL: the arena is mapped at the address of the image, or the call fails with
 *    HF_NO_ADDRESS, and hf_last_error().reason says what to do. A base that is named must be that
 *    address (else HF_INVALID).
 *  - any_base: the arena is mapped at the address of the image (or at the base that is named) if
 *    that is free, else anywhere. The address in the file does not change.
 *  - tag: must be that of the image (HF_CORRUPT). A new image gets it.
 *  - reserve: less than the size of the image is HF_RESERVE_FULL; 0: the default, or twice the size
 *    of the image if that is more. least_reserve is raised to the size of the image. With
 *    HF_READ_ONLY the reservation has the size of the image.
 *  - populate, huge_pages and fault_after_rewind are for private memory: a read-write image ignores
 *    populate and fault_after_rewind.
 *
 *  hf_trim() only unmaps the end of a read-write image; closing truncates the file.
 *
 *  A new image without a base gets one of 640 addresses at which no system puts anything by itself,
 *  64 GiB apart (from 0x110000000000 and from 0x410000000000 on; with 38 or 39 bits of addresses
 *  from 0x1000000000 on, 4 GiB apart, where a default reservation is 4 GiB at most). It takes the
 *  first free one, starting at a random one. So two images rarely need the same address, and an
 *  image opens again whatever else the program has mapped. ThreadSanitizer and MemorySanitizer
 *  forbid most addresses: under them new images are at 0x551000000000 and above, and images from
 *  other addresses are HF_NO_ADDRESS.
 *  @param[out] arena  the arena; zeroed on failure; not NULL
 *  @param path        the file of the image; not NULL, not empty
 *  @param access      HF_READ_WRITE, HF_COPY_ON_WRITE (a snapshot) or HF_READ_ONLY
 *  @param options     NULL: the defaults
 *  @return
 *  - HF_OK: the arena is open, with what the last sync or save wrote
 *  - HF_INVALID: path is NULL or empty, access is none of the three, a least_reserve above a
 *    reserve that is named, a huge_pages that is none of the three, a backend whose
 *    hf_backend::size is not valid, or options->base is not the address of the image
 *  - HF_CORRUPT: not an image, damaged, cut off, of another tag, byte order or pointer size, or
 *    changed while it was opened; hf_last_error().reason says which
 *  - HF_UNSUPPORTED: written by a later version, not a regular file, one of huge pages (hugetlbfs),
 *    a file system without locks or that maps no files, a system without placeholders, or an option
 *    that is set and that the library does not know, because the program was compiled for a newer
 *    version
 *  - HF_BUSY: a writer has it open, or access is HF_READ_WRITE and a reader has it open; or the
 *    file at the path was replaced 100 times while it was opened
 *  - HF_NO_ADDRESS: the address of the image is taken, or the address space has no least_reserve
 *    bytes
 *  - HF_RESERVE_FULL: options->reserve is less than the size of the image, or the image is too
 *    large for the address space
 *  - HF_NO_SPACE: the disk has no room for a new image, or for blocks that the file lacks
 *  - HF_IO: a file operation failed; hf_last_error().os_code says why
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings */
static inline hf_status hf_arena_open_file(hf_arena *arena, const char *path, hf_access access,
                                           const hf_arena_options *options) {
    return hf_arena_open_file_sized(arena, path, access, options, sizeof *options);
}

/** Makes a read-write image durable: writes its bytes to the disk, then the number of bytes and the
 *  root, atomically.
 *
 *  After a crash the image opens as it was at the last sync, if bytes below that position were not
 *  changed since; later allocations are lost. So after a rewind, sync before the bytes are used
 *  again. hf_arena_close() syncs, too, and cannot report a failure.
 *
 *  After a sync that failed no sync succeeds, because the system may have dropped the bytes that it
 *  could not write and treat them as written. Every later sync returns the same error, closing
 *  writes nothing, and the image opens as it was at the last sync that succeeded. To continue,
 *  close the arena and open the image again, or save the arena to another path.
 *  @param arena  a read-write image; not NULL
 *  @return
 *  - HF_OK: everything that is allocated is on the disk, in the file at the path that was opened
 *  - HF_WRONG_STATE: not a read-write image, or a forked child of the process that opened it (this
 *    failure does not make later syncs fail)
 *  - HF_IO: a file operation failed; or the file has no name any more, because it was deleted or
 *    another file was renamed over it. (Only its number of links counts: a file with another
 *    hard link, or one that was moved to another path, is synced.)
 *  - HF_NO_SPACE: the disk or the quota has no room for blocks that the file system allocates late
 *  - HF_NO_MEMORY: the system has no memory for the file operation
 *  @note Waits for the disk. On Windows a flush that fails because of a lock
 *        (ERROR_LOCK_VIOLATION, 33) is tried again, for 4 s at most. */
HF_API hf_status hf_arena_sync(hf_arena *arena);

/** Saves an image of an arena to a file: replaces the file at the path atomically and durably, or
 *  fails and changes nothing. The image has the address of the arena.
 *
 *  An arena that was opened without a base is at an address that the system chose. In a later run
 *  other arenas or libraries often are at that address, and opening the image fails with
 *  HF_NO_ADDRESS. So open an arena that is to be saved with a base (HF_BASE_FIXED or another); or,
 *  if it contains refs and no pointers, open the image with any_base.
 *
 *  Processes that have the old image open keep it. The new file gets the mode of the old one and,
 *  if the system allows it, its owner and group; if the group cannot be kept, the group gets no
 *  rights. (On Windows: its access list, its owner if that is allowed, and its attributes.) If the
 *  path is a symbolic link, the target of the link is replaced.
 *
 *  The image is first written beside the path, to PATH.saving00 or another number up to 99 (a long
 *  name is shortened). The next save of the same user to the path deletes what dead processes left
 *  under these names; it leaves the files of living processes and of other users, and everything
 *  that is no regular file. (On Windows an image that is mapped is first renamed to PATH.hf-aside;
 *  opening the image after a crash renames it back. While the system cannot delete it, its name
 *  ends in .hf-over and a number, and a later save deletes it.)
 *  @param arena  an open arena, which does not change; not NULL
 *  @param path   the file of the image; not NULL, not empty
 *  @return
 *  - HF_OK: the image is at the path, on the disk
 *  - HF_INVALID: the arena is closed, or path is NULL or empty
 *  - HF_BUSY: an arena, this one or another, has the image at the path open with HF_READ_WRITE
 *  - HF_UNSUPPORTED: the path names a folder, a device or a pipe
 *  - HF_NO_SPACE: the disk, the quota or the file-size limit has no room; the old image stays
 *  - HF_IO: a file operation failed; or the file at the path may not be read, and is not replaced
 *    because it may be open for writing; or the last step, the sync of the folder, failed
 *    (hf_last_error().call is "fsync"): then the new image is at the path, but the old one may be
 *    there after a crash of the system, so save again
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: the system has no pages for the records of the call
 *    (HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN)
 *  @note Writes every allocated byte and waits for the disk. */
HF_API hf_status hf_arena_save(const hf_arena *arena, const char *path);

/** Sets the arena's root: the object from which a program finds all others after it opened an
 *  image. The next hf_arena_sync() or hf_arena_save() writes it to the image. O(1).
 *  @param arena   the arena; not NULL
 *  @param object  an allocated byte of the arena; NULL: removes the root
 *  @return
 *  - HF_OK: hf_arena_root() returns the object from now on
 *  - HF_INVALID: the object is not allocated in this arena, or the arena is closed
 *  - HF_WRONG_STATE: a read-only image, whose root is that of its file; or a read-write image in a
 *    forked child of the process that opened it */
HF_API hf_status hf_arena_set_root(hf_arena *arena, const void *object);

/** Returns the arena's root: the object of the last hf_arena_set_root(). After an image was opened,
 *  that is the root that was set when it was last synced or saved, at its address in this process.
 *  O(1); the last error does not change.
 *  @param arena  the arena; not NULL
 *  @return the object; NULL: no root was set, it was set to NULL, it was freed because the arena
 *          was rewound below it or reset, or the arena is closed
 *  @note The type is not stored: use hf_arena_options::tag to recognise images of other programs
 *        and formats. */
HF_API void *hf_arena_root(const hf_arena *arena);

/** Maps an existing file as the next bytes of an arena. Its pages are read when they are touched.
 *
 *  The file begins at a page, and the arena continues at the page behind it. Several files in a row
 *  are one array if their sizes are whole pages.
 *
 *      |  allocated  |pos  ready |       ->      |  allocated  |  |  the file   | |pos
 *                                                   to a page's end     to a page's end
 *
 *  Rewinding below the end of the view unmaps it, and every view above it, the highest first. If
 *  that fails, pos stays above the views that are left, and rewinding again continues. hf_rewind()
 *  to a position within a view is HF_INVALID.
 *  @param arena      an arena of hf_arena_open(), or a snapshot (HF_COPY_ON_WRITE); not NULL
 *  @param path       the file; not NULL, not empty
 *  @param access     HF_READ_ONLY or HF_COPY_ON_WRITE
 *  @param[out] data  gets the first byte of the file, at the beginning of a page; not NULL
 *  @param[out] size  gets the file's size in bytes; not NULL. A file of size 0 gives 0 and no view
 *  @return
 *  - HF_OK: the file's bytes are at *data
 *  - HF_INVALID: access is HF_READ_WRITE or none of the three, path is NULL or empty, data or size
 *    is NULL, or the arena is closed
 *  - HF_UNSUPPORTED: not a regular file, one that has bytes but no size (/proc), one of huge pages
 *    (hugetlbfs), one that cannot be mapped, a read-write or read-only image as the arena, or a
 *    system without placeholders
 *  - HF_BUSY: another process has a lease on the file (EAGAIN)
 *  - HF_RESERVE_FULL: the reservation has no room for the file
 *  - HF_IO: the file cannot be opened or mapped; hf_last_error().os_code says why
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: the system has no memory, or no mappings left, or
 *    RLIMIT_MEMLOCK allows no more (EAGAIN, after mlockall(MCL_FUTURE))
 *  @note on_failure is not called. If mapping failed, memory that was committed beyond pos may have
 *        been released, as by hf_trim(). */
HF_API hf_status hf_arena_append_file(hf_arena *arena, const char *path, hf_access access,
                                      void **data, size_t *size);

#ifdef __cplusplus
}
#endif

#endif
