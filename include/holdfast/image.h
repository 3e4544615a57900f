/** @file
 *  holdfast/image.h: arenas in files: opening, syncing and saving them, and files inside of arenas.
 *
 *  An image is a file that contains an arena: 64 KiB of header, then the arena's bytes, each as far
 *  from the first as in memory.
 *
 *      file      | header |      the arena's bytes      | allocated, not used yet |
 *                0        64 KiB
 *      memory             | view |   view   |   view    |        placeholder ...
 *                         base                   ^ pos  ^ limit
 *
 *  Pointers in it are valid where the arena lies at the address at which it was written, which is
 *  what hf_arena_open_file() does by default; refs (hf_ref) are valid anywhere.
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
 *  The three ways to open one:
 *  - HF_READ_WRITE: what is allocated and stored is in the file. While the image is open, the file
 *    is as long as was committed, and as long as what is used afterwards. Nobody else has it open.
 *  - HF_COPY_ON_WRITE: a snapshot. Stores and growth are private, the file stays as it is. Opening
 *    takes the same time whatever the size: pages are read when they are touched.
 *  - HF_READ_ONLY: stores fault; allocating fails with HF_RESERVE_FULL, going back with
 *    HF_WRONG_STATE.
 *
 *  Sharing: readers share an image. A file that a writer has open is HF_BUSY to readers, one that a
 *  reader has open is HF_BUSY to writers.
 *
 *  Growth: a read-write image grows by its file, and blocks are allocated on the disk before memory
 *  shows them. A full disk, a quota or a file-size limit is HF_NO_SPACE from the call that grows,
 *  which gives back what it got, and the arena goes on with what it has. Opening with HF_READ_WRITE
 *  allocates the blocks that the file lacks: the holes of a sparse copy, on XFS the blocks of a
 *  reflinked one. So no store meets a full disk, with these exceptions: btrfs, where a file that
 *  holdfast made stores in place (NOCOW), but a copy of it, or one that a snapshot of the file
 *  system shares, does not; other file systems that write each block to a new location (ZFS,
 *  bcachefs, btrfs with compression); on Windows a copy on ReFS, such as a Dev Drive, whose blocks
 *  are shared; and a network's. There a store to a full disk can end the process (SIGBUS), as can
 *  any access after another program truncated the file, or reading a hole of a file on a full
 *  tmpfs.
 *
 *  Fork: only the process that opened an image writes it. In a child a read-write image can be read
 *  and saved elsewhere; growing, syncing, going back and hf_arena_set_root() fail with
 *  HF_WRONG_STATE, and closing only unmaps. (An allocation in a child that needs no growth
 *  succeeds, and its stores reach the file: do not.) Closing in the parent releases the lock even
 *  if a child lives. A parent that ends without closing, because it is killed say, leaves the image
 *  HF_BUSY until each child that it forked while the image was open has ended, closed the arena, or
 *  called exec.
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
 *  @param size        of the options, as of hf_arena_open_sized()
 *  @return as hf_arena_open_file() */
HF_API hf_status hf_arena_open_file_sized(hf_arena *arena, const char *path, hf_access access,
                                          const hf_arena_options *options, size_t size);

/** Opens an image, or with HF_READ_WRITE makes a new one where there is no file or an empty one.
 *
 *  Everything is checked before anything is mapped. The file is the one that the path names once it
 *  is locked. On failure the arena is zeroed and the image is as it was. So is its file, but for
 *  what a crash left in it behind the last sync, which HF_READ_WRITE cuts off, and for holes, some
 *  of which may have blocks now; a file that was made is empty.
 *
 *  The options are those of hf_arena_open(), with these additions:
 *  - base NULL: the arena lies at the address of the image, or the call fails with HF_NO_ADDRESS
 *    and hf_last_error().reason says what to do. A base that is named must be that address
 *    (HF_INVALID).
 *  - any_base: the arena lies at the address of the image (or at the base that is named) if it is
 *    free, anywhere else if not, and the image goes on saying where it was written.
 *  - tag: must be that of the image (HF_CORRUPT). A new image gets it.
 *  - reserve: less than the image takes is HF_RESERVE_FULL; 0: the default, or twice what the image
 *    takes if that is more. least_reserve is raised to what the image takes. An image that is
 *    opened with HF_READ_ONLY reserves what it takes, and no more.
 *  - populate, huge_pages and fault_after_rewind are for private memory: a read-write image ignores
 *    populate and fault_after_rewind.
 *
 *  What hf_trim() gives back of a read-write image is addresses; the file is cut when it closes.
 *
 *  A new image without a base lies where no system puts anything by itself, at one of 640 addresses
 *  that begin 64 GiB apart (from 0x110000000000 and from 0x410000000000 on; with 38 or 39 bits of
 *  addresses from 0x1000000000 on, 4 GiB apart, where a default reservation is cut to 4 GiB). It
 *  begins to look at one chosen by chance: so two images rarely need the same address, and an image
 *  opens again whatever else the program has mapped. ThreadSanitizer and MemorySanitizer forbid
 *  most addresses: under them new images lie at 0x551000000000 and above, and one from elsewhere is
 *  HF_NO_ADDRESS.
 *  @param[out] arena  the arena; zeroed on failure; not NULL
 *  @param path        where the image is; not NULL, not empty
 *  @param access      HF_READ_WRITE, HF_COPY_ON_WRITE (a snapshot) or HF_READ_ONLY
 *  @param options     NULL: the defaults
 *  @return
 *  - HF_OK: the arena is open, and pos is where the last sync left it
 *  - HF_INVALID: path is NULL or empty, access is none of the three, the options are wrong as for
 *    hf_arena_open(), or options->base is not the address of the image
 *  - HF_CORRUPT: no image, damaged, cut off, of another tag, byte order or pointer size, or changed
 *    while it was opened; hf_last_error().reason says which
 *  - HF_UNSUPPORTED: written by a later version, not a regular file, one of huge pages (hugetlbfs),
 *    a file system without locks or that maps no files, or a system without placeholders; or an
 *    option that the library does not know, as for hf_arena_open()
 *  - HF_BUSY: a writer has it open, or access is HF_READ_WRITE and a reader has it open; or another
 *    process replaced the file at the path again and again
 *  - HF_NO_ADDRESS: the address of the image is taken, or the address space has no least_reserve
 *    bytes
 *  - HF_RESERVE_FULL: options->reserve is less than the image takes, or no process of this pointer
 *    size could map it
 *  - HF_NO_SPACE: the disk has no room for a new image, or for blocks that the file lacks
 *  - HF_IO: a file operation failed; hf_last_error().os_code says why
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings */
static inline hf_status hf_arena_open_file(hf_arena *arena, const char *path, hf_access access,
                                           const hf_arena_options *options) {
    return hf_arena_open_file_sized(arena, path, access, options, sizeof *options);
}

/** Makes durable what a read-write image contains now: first its bytes, then the record of how many
 *  there are and of the root.
 *
 *  After a crash the image opens as it was at the last sync, if bytes below that mark were not
 *  changed since; what was allocated later is gone. So after going back, sync before the space is
 *  used again. hf_arena_close() syncs too, and cannot say whether that failed.
 *
 *  A sync that failed is never followed by one that succeeds: the system may have dropped the bytes
 *  that it could not write and call them written. Every later sync returns the same error, closing
 *  writes nothing more, and the image opens as it was at the last sync that succeeded. To go on,
 *  close it and open it again, or save the arena under another path.
 *  @param arena  a read-write image
 *  @return
 *  - HF_OK: everything allocated is on the disk, under the path that was opened
 *  - HF_WRONG_STATE: not a read-write image, or a forked child of the process that opened it (this
 *    failure alone does not last)
 *  - HF_IO: a file operation failed; or the file has no name any more, because it was deleted or
 *    another file was renamed over it. Only the number of its links is looked at: a file that has
 *    another hard link, or was moved to another path, is synced
 *  - HF_NO_SPACE: the disk or the quota has no room for what the system writes only now
 *  - HF_NO_MEMORY: the system has no memory for the file operation
 *  @note On Windows a flush that meets a lock (33) is tried again first, for 4 s at most. */
HF_API hf_status hf_arena_sync(hf_arena *arena);

/** Writes an image of any arena, whose address is the arena's: whole and durable under its path, or
 *  not at all.
 *
 *  An arena that was opened without a base lies where the system happened to reserve it. In a later
 *  run other arenas or libraries often lie there, and opening the image fails with HF_NO_ADDRESS.
 *  So give an arena whose image is to be opened again a base (HF_BASE_FIXED or another); or, if it
 *  contains refs and no pointers, open the image with any_base.
 *
 *  An image that was there stays whole until then, and readers keep what they have open. The new
 *  file has the mode of the one that it replaces and, where the system allows it, its owner and
 *  group; where the group cannot be kept, it gets no rights. (On Windows: its access list, its
 *  owner where that is allowed, and its attributes.) A symbolic link is followed: what it leads to
 *  is replaced.
 *
 *  The image is written beside its path, as PATH.saving00 or another number up to 99 (a long name
 *  is cut). What a process that died left under these names, the next save of the same user to the
 *  path deletes; drafts of living processes, files of other users and what is no regular file stay.
 *  (On Windows an image that is mapped is moved away first, to .hf-aside behind its path, from
 *  where it comes back when it is opened after a crash; while it cannot be deleted, its name ends
 *  in .hf-over and a number, and a later save deletes it.)
 *  @param arena  any open arena; it stays as it is
 *  @param path   where the image goes; not NULL, not empty
 *  @return
 *  - HF_OK: the image is at the path, on the disk
 *  - HF_INVALID: the arena is closed, or path is NULL or empty
 *  - HF_BUSY: an arena, this one or another, has the image at the path open with HF_READ_WRITE
 *  - HF_UNSUPPORTED: the path names a folder, a device or a pipe
 *  - HF_NO_SPACE: the disk, the quota or the file-size limit has no room; the old image stays
 *  - HF_IO: a file operation failed; the file at the path may not be read and is not replaced,
 *    because it may be open for writing; or the sync of the folder failed, the last step
 *    (hf_last_error().call is "fsync"): then the new image is in place, and may not be after a
 *    crash of the system, so save again
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: the system has no pages for the records of the call
 *    (HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN) */
HF_API hf_status hf_arena_save(const hf_arena *arena, const char *path);

/** Names the object from which a program finds all others. Images keep it.
 *  @param arena   the arena
 *  @param object  an allocated byte of the arena; NULL: the arena has no root any more
 *  @return
 *  - HF_OK: hf_arena_root() returns the object now
 *  - HF_INVALID: the object is not allocated in this arena, or the arena is closed
 *  - HF_WRONG_STATE: a read-only image, whose root is that of its file; or a read-write image in a
 *    forked child of the process that opened it */
HF_API hf_status hf_arena_set_root(hf_arena *arena, const void *object);

/** The object that hf_arena_set_root() named last, also in an earlier run if the image kept it.
 *  @param arena  the arena; a closed one has no root
 *  @return the object; NULL: none was named, or the arena went back below it */
HF_API void *hf_arena_root(const hf_arena *arena);

/** Makes an existing file the next bytes of an arena, as a view: nothing is read now.
 *
 *  The bytes begin with a page, and the arena goes on in the page after the view. Several files are
 *  one array if their sizes are whole pages.
 *
 *      |  allocated  |pos  ready |       ->      |  allocated  |  |  the file   | |pos
 *                                                   to a page's end     to a page's end
 *
 *  Going back below the view's end unmaps it, and every view above it, the highest first. Where
 *  that fails, pos stays above what is left, and going back again continues. A mark within a view
 *  is HF_INVALID for hf_rewind(): there was none.
 *  @param arena      an arena, or a snapshot (HF_COPY_ON_WRITE)
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
 *  @note on_failure is not called. When mapping failed, what was committed beyond pos may be gone,
 *        as after hf_trim(). */
HF_API hf_status hf_arena_append_file(hf_arena *arena, const char *path, hf_access access,
                                      void **data, size_t *size);

#ifdef __cplusplus
}
#endif

#endif
