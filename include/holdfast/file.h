/** @file
 *  holdfast/file.h: files, and shared memory with or without a name, that views are made of.
 *
 *      file          |     bytes     |          hf_file_open, hf_file_create, ...
 *                     <----->
 *      space    |  p  | view |       p    |     hf_space_map_range
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // Maps the first `size` bytes of a file, which are whole pages, at the base of a space.
 *  hf_status show(hf_space *space, const char *path, size_t size) {
 *      hf_file *file;
 *      hf_status status = hf_file_open(&file, path, HF_READ_ONLY, NULL);
 *      if (status != HF_OK) return status;
 *      status = hf_space_map_range(space, 0, size, file, 0, HF_READ_ONLY);
 *      hf_file_close(file);            // the view stays and needs no descriptor
 *      return status;
 *  }
 *  @endcode
 *
 *  Units: sizes and offsets are bytes.
 *
 *  Backends: a file can be mapped only into spaces on the backend with which it was opened.
 *
 *  Failure: *file is untouched, and no new file is left on the disk.
 *
 *  POSIX: no file of holdfast has descriptor 0, 1 or 2, so a program that closed its standard
 *  streams does not print into it. System calls that a signal interrupts are repeated.
 *
 *  Windows: paths are UTF-8 of any length; from 260 characters on the system gets the full path
 *  with its prefix for long paths. If opening or resizing fails because a scanner or an indexer
 *  has the file open (codes 5, 32, 33), it is tried again, for 0.2 s at most.
 *
 *  Threads: several threads and several spaces may use one hf_file at once; hf_file_close() must be
 *  the last use of it.
 *
 *  Caveats
 *  - hf_file_size() is the size when the file was opened. If another process truncates a mapped
 *    file, the pages of a view beyond the new end fault (SIGBUS on POSIX), even private copies of
 *    an HF_COPY_ON_WRITE view. Stores of other processes are visible in views.
 *    A process that maps what another process sent checks hf_file_is_sealed() first.
 *  - A store into a hole of a file can fault if the disk is full. hf_file_create() allocates every
 *    block; hf_file_open() does not, and hf_file_punch_hole() frees some.
 */
#ifndef HOLDFAST_FILE_H
#define HOLDFAST_FILE_H

#include "backend.h"
#include "status.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An open file, or shared memory. Opaque. */
typedef struct hf_file hf_file;

/** Opens an existing regular file.
 *  @param[out] file  gets the file; untouched on failure
 *  @param path       its path; not NULL, not empty
 *  @param access     HF_READ_WRITE permits every view. HF_READ_ONLY and HF_COPY_ON_WRITE open the
 *                    file for reading and permit read-only and copy-on-write views, neither of
 *                    which changes the file
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: the file is open (a file of size 0, too, but no view of it is possible)
 *  - HF_INVALID: file is NULL, path is NULL or empty, or access is none of the three
 *  - HF_UNSUPPORTED: not a regular file, or one that has contents but size 0 (in /proc)
 *  - HF_BUSY: the file is a running program and access is HF_READ_WRITE (ETXTBSY), or another
 *    process has a lease on it (EAGAIN)
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN)
 *  - HF_IO, with the system's code: the path names no file or is too long (ENOENT, ENOTDIR, ELOOP,
 *    ENAMETOOLONG), a permission is missing (EACCES, EPERM, EROFS), too many files are open
 *    (EMFILE, ENFILE), or the device fails (EIO) */
HF_API hf_status hf_file_open(hf_file **file, const char *path, hf_access access,
                              const hf_backend *backend);

/** Creates a file filled with zeros, opened read-write. All its disk blocks are allocated, so no
 *  later store into it finds the disk full.
 *
 *  On POSIX the file is created beside the path, as PATH.saving00 or another number up to 99, and
 *  then linked to the path, so no other process sees it before it has its size; files that crashed
 *  processes left under these names are deleted. On file systems without hard links, and on
 *  Windows, other processes can see the file while it grows.
 *  @param[out] file  gets the file; untouched on failure
 *  @param path       its path, at which nothing may exist; not NULL, not empty
 *  @param size       its size in bytes, not 0
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: the file is created and open
 *  - HF_INVALID: file is NULL, path is NULL or empty, or size is 0
 *  - HF_IO: something exists at the path (EEXIST, ERROR_FILE_EXISTS; it is never overwritten), or
 *    the file cannot be created there
 *  - HF_NO_SPACE: the disk, the quota or the file-size limit has no room
 *  - HF_UNSUPPORTED: the path ends in a slash, or names "." or ".."
 *  - HF_BUSY: other processes deleted the file again and again while it was created
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN)
 *  @note Writes `size` bytes of zeros if the file system cannot allocate blocks otherwise. */
HF_API hf_status hf_file_create(hf_file **file, const char *path, uint64_t size,
                                const hf_backend *backend);

/** Creates zeroed shared memory without a name (a memfd, a section of the paging file), opened
 *  read-write. The same pages may be mapped at several addresses.
 *  @param[out] file  gets the memory, as an hf_file; untouched on failure
 *  @param size       its size in bytes, not 0; Windows rounds it up to whole pages
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: it is created; on Linux pages are allocated when they are touched
 *  - HF_INVALID: file is NULL or size is 0
 *  - HF_NO_MEMORY: the system commits no more memory
 *  - HF_NO_SPACE: a limit on shared memory or on the size of files is reached
 *  - HF_IO: too many files are open (EMFILE, ENFILE), or the size is too large (EINVAL)
 *  - HF_UNSUPPORTED: the system has no such memory
 *  - HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN) */
HF_API hf_status hf_file_create_shared(hf_file **file, uint64_t size, const hf_backend *backend);

/** hf_file_create_shared(), of memory whose views hf_space_protect() can make executable. Map it
 *  twice, store code through one view and run it in the other: no view has to be writable and
 *  executable at once. (On Windows a read-write view of it is both for the moment in which it is
 *  mapped, before hf_space_map() returns.)
 *  @param[out] file  gets the memory, as an hf_file; untouched on failure
 *  @param size       its size in bytes, not 0; Windows rounds it up to whole pages
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return as hf_file_create_shared(), and HF_UNSUPPORTED also where the system forbids executable
 *          memory */
HF_API hf_status hf_file_create_executable(hf_file **file, uint64_t size,
                                           const hf_backend *backend);

/** Makes an hf_file from a file descriptor or a HANDLE. The handle is duplicated: the caller still
 *  owns its handle and may close it at once.
 *  @param[out] file  gets the file; untouched on failure
 *  @param handle     a file descriptor; on Windows the HANDLE of a file or of a section
 *  @param access     which views the file permits, as for hf_file_open(); the handle must permit
 *                    reading and, for HF_READ_WRITE, writing
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: the file is open
 *  - HF_INVALID: file is NULL, access is none of the three, handle is not an open one, or it
 *    permits less than access needs (O_PATH, O_WRONLY, ...)
 *  - HF_UNSUPPORTED: not a regular file, or one that has contents but size 0 (in /proc); on Windows
 *    also a section of an executable image, of large pages, or one that is only reserved
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN)
 *  - HF_IO: too many files are open (EMFILE, ENFILE), or the device fails */
HF_API hf_status hf_file_from_handle(hf_file **file, intptr_t handle, hf_access access,
                                     const hf_backend *backend);

/** @name Shared memory with a name
 *
 *      process 1   hf_file_create_named("state")   -> | zeros |
 *      process 2   hf_file_open_named("state")     -> | the same pages |
 *      either      hf_file_remove_named("state")      views and open files stay
 *
 *  A name has 1 to HF_SHARED_NAME_SIZE - 1 (200) characters: letters and digits of ASCII, '.', '_'
 *  and '-'. It does not begin with '.', and does not end with ".saving" and two digits, which
 *  hf_file_create() uses. macOS allows 30 characters (ENAMETOOLONG).
 *
 *  Who shares the names: on POSIX all processes of the machine; on Linux the memory is a file in
 *  /dev/shm, as for shm_open("/NAME"). On Windows the processes of one session ("Local\\NAME").
 *  Only processes of the same user can open the memory (on POSIX its mode is 0600), but any user
 *  can create memory under a name first: a name alone proves nothing about who created it.
 *
 *  How long a name lasts: on POSIX until hf_file_remove_named(), or until the system ends. On
 *  Windows while some process has the file open: views keep the memory, but need not keep the name.
 *  @{ */

/** Creates zeroed shared memory with a name, opened read-write.
 *
 *  On Linux it is allocated whole before it has its name, so no other process sees it with a
 *  smaller size, and no store into it finds /dev/shm full. On other POSIX systems another process
 *  can open it before it has its size, and hf_file_open_named() is HF_BUSY.
 *  @param[out] file  gets the memory, as an hf_file; untouched on failure
 *  @param name       its name, which nothing may have yet
 *  @param size       its size in bytes, not 0; Windows and macOS round it up to whole pages
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: it is created
 *  - HF_INVALID: file is NULL, name is NULL or not a name, or size is 0
 *  - HF_IO: the name is taken (EEXIST, ERROR_ALREADY_EXISTS; on Windows ERROR_INVALID_HANDLE by an
 *    object of another kind), /dev/shm is missing (ENOENT), a permission is missing (EACCES), or
 *    too many files are open (EMFILE, ENFILE)
 *  - HF_NO_SPACE: /dev/shm is full, or the file-size limit is reached
 *  - HF_NO_MEMORY: the system commits no more memory
 *  - HF_UNSUPPORTED: the system has no shared memory with a name
 *  - HF_BUSY: other processes deleted the memory again and again while it was created
 *  - HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN) */
HF_API hf_status hf_file_create_named(hf_file **file, const char *name, uint64_t size,
                                      const hf_backend *backend);

/** Opens shared memory that hf_file_create_named(), or another program, has created.
 *  @param[out] file  gets the memory, as an hf_file; untouched on failure
 *  @param name       its name
 *  @param access     which views the file permits, as for hf_file_open()
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: it is open
 *  - HF_INVALID: file is NULL, name is NULL or not a name, or access is none of the three
 *  - HF_IO: nothing has the name (ENOENT, ERROR_FILE_NOT_FOUND), a permission is missing (EACCES,
 *    ERROR_ACCESS_DENIED), the name is a symbolic link (ELOOP), or too many files are open (EMFILE,
 *    ENFILE)
 *  - HF_BUSY: it has size 0: the program that is creating it has not set its size yet, or never
 *    will, if it ended in between: then remove the name
 *  - HF_UNSUPPORTED: the system has no shared memory with a name, the name leads to something else,
 *    or on Windows to a section of an executable image, of large pages, or only reserved
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN)
 *  @note On Linux the memory is a file that every process of its user can shorten, and that cannot
 *        be sealed. */
HF_API hf_status hf_file_open_named(hf_file **file, const char *name, hf_access access,
                                    const hf_backend *backend);

/** Removes a name of shared memory: hf_file_open_named() finds it no more, and the name is free.
 *  Open files and views stay; the memory is freed with the last of them. On Windows nothing is
 *  done: there the name goes when no process has the file open any more.
 *  @param name     the name
 *  @param backend  NULL: the native one
 *  @return
 *  - HF_OK: the name is removed; on Windows always
 *  - HF_INVALID: name is NULL or not a name, or hf_backend::size of the backend is not valid
 *  - HF_IO: nothing has the name (ENOENT), or a permission is missing (EACCES, EPERM)
 *  - HF_UNSUPPORTED: the system has no shared memory with a name, or the name is a folder's */
HF_API hf_status hf_file_remove_named(const char *name, const hf_backend *backend);

/** @} */

/** Returns the descriptor or HANDLE of a file, to hand it to another process: by SCM_RIGHTS or by
 *  DuplicateHandle(), or by inheritance after the program has made it inheritable. The other
 *  process opens what it received with hf_file_from_handle().
 *
 *  On Windows it is the HANDLE of a section for shared memory and for a file that was made from the
 *  HANDLE of a section, else the HANDLE of a file; hf_file_from_handle() takes both. The lowest bit
 *  is set in that of a section: the system ignores the two lowest bits of a HANDLE.
 *  @param file  the file; NULL: -1 is returned
 *  @return the handle, which the file owns: valid until hf_file_close(), and not to be closed */
HF_API intptr_t hf_file_handle(const hf_file *file);

/** Fixes the size of shared memory for good: no process can make it shorter or longer any more,
 *  whatever handle it has. Stores are still possible. Sealing it again is HF_OK.
 *  @param file  shared memory of hf_file_create_shared(), or a file made from its handle, opened
 *               read-write
 *  @return
 *  - HF_OK: its size is fixed; on Windows that of shared memory always is, and no call is made
 *  - HF_INVALID: file is NULL or not opened read-write
 *  - HF_UNSUPPORTED: a file on a disk, shared memory with a name (on Windows that is HF_OK), memory
 *    of another program that permits no seals (no MFD_ALLOW_SEALING), or a system without seals
 *    (they need memfd_create, which Linux and FreeBSD 13 have)
 *  - HF_WRONG_STATE: it is sealed now, but another process has made it shorter than hf_file_size()
 *    before
 *  - HF_IO: a permission is missing (EPERM) */
HF_API hf_status hf_file_seal(hf_file *file);

/** Tells whether a file has at least hf_file_size() bytes for good: no process can make it shorter.
 *  A process that received a handle from one that it does not trust asks this before it maps the
 *  file: no page of a view can then fault because the file ends before it.
 *
 *  True for shared memory that is sealed against shrinking (F_SEAL_SHRINK), by hf_file_seal() or by
 *  another program, and on Windows for every section.
 *  @param file  the file; NULL: false is returned
 *  @return false also for every file on a disk */
HF_API bool hf_file_is_sealed(const hf_file *file);

/** Gives the memory or the disk blocks of a range back to the system: its bytes read as zero, in
 *  every process and through every view, except in private pages of HF_COPY_ON_WRITE views. The
 *  size of the file stays.
 *
 *  A later store into the range allocates memory or blocks again, and faults (SIGBUS) if there are
 *  none: the disk or /dev/shm is full, or the limit on memory is reached.
 *  @param file    the file, opened read-write
 *  @param offset  where the range begins, in bytes: a multiple of the page size (of the huge page
 *                 size for a file on hugetlbfs)
 *  @param size    its size in bytes, a multiple of the same, not 0; the last page of the file,
 *                 which need not be full, counts as a whole page
 *  @return
 *  - HF_OK: the range reads as zero
 *  - HF_INVALID: file is NULL or not opened read-write, offset or size is no multiple of the page
 *    size, size is 0, or the range ends behind the last page of hf_file_size()
 *  - HF_UNSUPPORTED: the file system has no holes (EOPNOTSUPP), or the system has none: only Linux
 *    has
 *  - HF_IO: another program has sealed the memory against writing (EPERM), or the device fails
 *  - HF_NO_SPACE: the file system needs a block to note the hole and has none
 *  - HF_NO_MEMORY: the kernel has no memory
 *  @note One system call. Pages that threads are using fault in again one by one. */
HF_API hf_status hf_file_punch_hole(hf_file *file, uint64_t offset, uint64_t size);

/** Returns the size of a file when it was opened or created; later changes do not count.
 *  @param file  the file; NULL: 0 is returned
 *  @return bytes */
HF_API uint64_t hf_file_size(const hf_file *file);

/** Closes a file. Views of the file stay. On Linux they do not need its descriptor, which is closed
 *  at once, so the limit on open files does not limit views. On other POSIX systems the descriptor
 *  is closed with the last copy-on-write view, on Windows the HANDLE with the last view.
 *  @param file  the file, which must not be used any more; NULL: nothing happens */
HF_API void hf_file_close(hf_file *file);

#ifdef __cplusplus
}
#endif

#endif
