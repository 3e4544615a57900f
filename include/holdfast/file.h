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
 *  // Makes the first bytes of a file, whole pages, readable at the space's base.
 *  hf_status show(hf_space *space, const char *path, size_t size) {
 *      hf_file *file;
 *      hf_status status = hf_file_open(&file, path, HF_READ_ONLY, NULL);
 *      if (status != HF_OK) return status;
 *      status = hf_space_map_range(space, 0, size, file, 0, HF_READ_ONLY);
 *      hf_file_close(file);            // the view stays, and keeps no descriptor open
 *      return status;
 *  }
 *  @endcode
 *
 *  Units: sizes and offsets are bytes.
 *
 *  Backends: a file serves only spaces of the backend that it was opened with.
 *
 *  Failure: *file is untouched and nothing is left on disk.
 *
 *  POSIX: no file of holdfast has descriptor 0, 1 or 2, where a program that closed its standard
 *  streams would print into it. A system call that a signal interrupts is made again.
 *
 *  Windows: paths are UTF-8 of any length; from 260 characters on the system gets the full path
 *  with its prefix for long paths. While a scanner or an indexer has a file open (codes 5, 32, 33),
 *  opening and resizing it is tried again, for 0.2 s at most.
 *
 *  Threads: several threads and several spaces may use one hf_file at once; hf_file_close() must be
 *  the last use of it.
 *
 *  Caveats
 *  - The size is the one at opening. When another process truncates a mapped file, the pages of a
 *    view that lie beyond the new end fault (SIGBUS on POSIX), the private copies of an
 *    HF_COPY_ON_WRITE view too. Stores of other processes show through.
 *  - A store into a hole of a file can fault when the disk is full: hf_file_create() allocates
 *    every block, hf_file_open() cannot know.
 */
#ifndef HOLDFAST_FILE_H
#define HOLDFAST_FILE_H

#include "backend.h"
#include "status.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A file, or shared memory without a name. Opaque. */
typedef struct hf_file hf_file;

/** Opens an existing regular file.
 *  @param[out] file  gets the file; untouched on failure
 *  @param path       where it is; not NULL, not empty
 *  @param access     HF_READ_WRITE permits every view. HF_READ_ONLY and HF_COPY_ON_WRITE ask the
 *                    system for reading only, and permit read-only and copy-on-write views, neither
 *                    of which changes the file
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: the file is open; one of size 0 too, which has no room for a view
 *  - HF_INVALID: file is NULL, path is NULL or empty, access is none of the three, or
 *    hf_backend::size is not valid
 *  - HF_UNSUPPORTED: not a regular file, or one that has bytes but no size (/proc)
 *  - HF_BUSY: the file is a running program and access is HF_READ_WRITE (ETXTBSY), or another
 *    process has a lease on it (EAGAIN)
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN)
 *  - HF_IO, with the system's code: the path leads nowhere or too far (ENOENT, ENOTDIR, ELOOP,
 *    ENAMETOOLONG), a right is missing (EACCES, EPERM, EROFS), too many files are open (EMFILE,
 *    ENFILE), or the device fails (EIO) */
HF_API hf_status hf_file_open(hf_file **file, const char *path, hf_access access,
                              const hf_backend *backend);

/** Creates a file of zero bytes, read-write, with all blocks allocated, so that no store into it
 *  can find the disk full later.
 *
 *  On POSIX the file is made beside the path, as PATH.saving00 or another number up to 99, and then
 *  linked to the path, so that no other process sees it before it has its size; what a crash left
 *  under these names is deleted. On file systems without links, and on Windows, others can see the
 *  file while it grows.
 *  @param[out] file  gets the file; untouched on failure
 *  @param path       where to make it; not NULL, not empty; nothing may be there
 *  @param size       its size in bytes, not 0
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: the file is there and open
 *  - HF_INVALID: file is NULL, path is NULL or empty, size is 0, or hf_backend::size is not valid
 *  - HF_IO: something is at the path already (EEXIST, ERROR_FILE_EXISTS; it is never overwritten),
 *    or the file cannot be made there
 *  - HF_NO_SPACE: the disk, the quota or the file-size limit has no room
 *  - HF_UNSUPPORTED: the path ends in a slash, or names "." or ".."
 *  - HF_BUSY: other processes deleted the file again and again while it was made
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN)
 *  @note Writes `size` bytes where the file system cannot allocate blocks by itself. */
HF_API hf_status hf_file_create(hf_file **file, const char *path, uint64_t size,
                                const hf_backend *backend);

/** Creates zeroed shared memory without a name (a memfd, a section of the paging file), read-write:
 *  the same pages may be mapped at several addresses.
 *  @param[out] file  gets the memory as a file; untouched on failure
 *  @param size       its size in bytes, not 0; Windows rounds it up to whole pages
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: the memory is there; the native backend of Linux takes its pages as they are touched
 *  - HF_INVALID: file is NULL, size is 0, or hf_backend::size is not valid
 *  - HF_NO_MEMORY: the system commits no more memory
 *  - HF_NO_SPACE: a limit on shared memory or on the size of files is reached
 *  - HF_IO: too many files are open (EMFILE, ENFILE), or the size is too large (EINVAL)
 *  - HF_UNSUPPORTED: the system has no such memory
 *  - HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN) */
HF_API hf_status hf_file_create_shared(hf_file **file, uint64_t size, const hf_backend *backend);

/** Makes a file from a descriptor or a HANDLE, which is duplicated: the caller keeps its own and
 *  may close it at once.
 *  @param[out] file  gets the file; untouched on failure
 *  @param handle     a file descriptor; on Windows the HANDLE of a file or of a section
 *  @param access     which views the file permits, as for hf_file_open(); the handle must have been
 *                    opened with the rights that this needs
 *  @param backend    NULL: the native one; it must outlive the file
 *  @return
 *  - HF_OK: the file is open
 *  - HF_INVALID: file is NULL, access is none of the three, handle is not one, or it was opened
 *    with less than access needs (O_PATH, O_WRONLY, ...)
 *  - HF_UNSUPPORTED: not a regular file, or one that has bytes but no size (/proc); on Windows also
 *    a section of a program's image, of large pages, or that is only reserved
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_NO_ADDRESS: no pages for the hf_file (HF_NO_ADDRESS: after
 *    mlockall(MCL_FUTURE), EAGAIN)
 *  - HF_IO: too many files are open (EMFILE, ENFILE), or the device fails */
HF_API hf_status hf_file_from_handle(hf_file **file, intptr_t handle, hf_access access,
                                     const hf_backend *backend);

/** The size of a file when it was opened or created.
 *  @param file  the file; NULL: 0 is returned
 *  @return bytes */
HF_API uint64_t hf_file_size(const hf_file *file);

/** Closes the descriptor or HANDLE at once. Views of the file stay as they are and need neither, so
 *  the number of views is not limited by the number of open files.
 *  @param file  the file; NULL: nothing happens. It must not be used any more */
HF_API void hf_file_close(hf_file *file);

#ifdef __cplusplus
}
#endif

#endif
