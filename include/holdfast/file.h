/** @file
 *  holdfast/file.h: files, and shared memory without a name, that views are made of.
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
 *  - A store into a hole of a file can fault if the disk is full. hf_file_create() allocates every
 *    block; hf_file_open() does not.
 */
#ifndef HOLDFAST_FILE_H
#define HOLDFAST_FILE_H

#include "backend.h"
#include "status.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An open file, or shared memory without a name. Opaque. */
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
 *  twice, store code through one view and run it in the other: no page is ever writable and
 *  executable at once.
 *  @param[out] file  gets the memory, as an hf_file; untouched on failure
 *  @param size       its size in bytes, not 0; Windows rounds it up to whole pages
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return as hf_file_create_shared(), and HF_UNSUPPORTED also where the system forbids executable
 *          memory (Linux: vm.memfd_noexec) */
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

/** Returns the size of a file when it was opened or created; later changes do not count.
 *  @param file  the file; NULL: 0 is returned
 *  @return bytes */
HF_API uint64_t hf_file_size(const hf_file *file);

/** Closes a file. Views of the file stay. On Linux they do not need its descriptor, which is closed
 *  at once, so the limit on open files does not limit views; on other systems it is closed with the
 *  last view.
 *  @param file  the file, which must not be used any more; NULL: nothing happens */
HF_API void hf_file_close(hf_file *file);

#ifdef __cplusplus
}
#endif

#endif
