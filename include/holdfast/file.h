/*
 * holdfast/file.h -- files, and shared memory without a name, that views are made of.
 *
 *     hf_file *file;
 *     if (hf_file_open(&file, "level.pak", HF_READ_ONLY, NULL) != HF_OK) ...
 *     hf_space_map_range(space, 0, size, file, 0, HF_READ_ONLY);
 *     hf_file_close(file);            // the view stays, and keeps no descriptor open
 *
 * Sizes and offsets are bytes. backend NULL is the native one; a file serves only spaces of the
 * backend it was opened with. On failure *file is untouched and nothing is left on disk.
 *
 * On POSIX no file of holdfast's has descriptor 0, 1 or 2, where a program that closed its standard
 * streams would print into it.
 *
 * On Windows paths are UTF-8 of any length: from 260 characters on the system gets them whole and
 * behind its prefix. While a scanner or an indexer holds a file (codes 5, 32, 33), opening and
 * resizing it is tried again, for 0.2 s at most.
 *
 * Threads: one hf_file may be used by several threads and several spaces at once; hf_file_close
 * must be the last use of it.
 *
 * Caveats: the size is the one at opening. Another process that truncates a mapped file makes the
 * view's lost pages fault (SIGBUS on POSIX; copies made by HF_COPY_ON_WRITE too); stores of others
 * show through. Stores into a hole of a file can fault when the disk is full: hf_file_create
 * allocates every block, hf_file_open cannot know.
 */
#ifndef HOLDFAST_FILE_H
#define HOLDFAST_FILE_H

#include "backend.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_file hf_file;

/*
 * Opens an existing regular file. HF_READ_WRITE permits every view; HF_READ_ONLY and
 * HF_COPY_ON_WRITE ask the system for reading only and permit read-only and copy-on-write views,
 * for neither changes the file. A file of size 0 opens, and has no room for a view. INVALID: a NULL
 * or empty path; UNSUPPORTED: not a regular file, or one of /proc, which has bytes but no size;
 * NO_MEMORY. IO, with the system's code: the path leads nowhere or too far (ENOENT, ENOTDIR, ELOOP,
 * ENAMETOOLONG), a right is missing (EACCES, EPERM, EROFS), too many files are open (EMFILE,
 * ENFILE), the device fails (EIO). A call that a signal interrupts is made again.
 */
hf_status hf_file_open(hf_file **file, const char *path, hf_access access,
                       const hf_backend *backend);

/*
 * Makes a new file of `size` zero bytes, read-write, all blocks allocated, so that no store into it
 * can run out of disk later. INVALID: size 0, a NULL or empty path; IO: the path exists (it is
 * never overwritten) or cannot be made; NO_SPACE: disk, quota or file-size limit; NO_MEMORY. On
 * POSIX it is made beside the path, as PATH.saving00 or another number up to 99, and then linked to
 * it whole, so that no other process sees it before it has its size. What a crash left under these
 * names is deleted. On file systems without links (and on Windows) others can see it as it grows.
 * Costs the writing of `size` bytes where the file system cannot allocate blocks by itself.
 */
hf_status hf_file_create(hf_file **file, const char *path, uint64_t size,
                         const hf_backend *backend);

/*
 * Makes `size` zero bytes of shared memory without a name (a memfd, a paging-file section),
 * read-write: the same pages may be mapped at several places. INVALID: size 0; NO_MEMORY,
 * NO_SPACE.
 */
hf_status hf_file_create_shared(hf_file **file, uint64_t size, const hf_backend *backend);

/*
 * A file from a descriptor or HANDLE. The handle is duplicated: the caller keeps his and may close
 * it at once. INVALID: not a handle, or opened with less than `access` needs (O_PATH); UNSUPPORTED:
 * not a regular file; NO_MEMORY; IO.
 */
hf_status hf_file_from_handle(hf_file **file, intptr_t handle, hf_access access,
                              const hf_backend *backend);

uint64_t hf_file_size(const hf_file *file);

/* Closes the descriptor or HANDLE at once. Views of the file stay as they are and need neither: the
 * number of views is not limited by the number of open files. NULL is allowed. */
void hf_file_close(hf_file *file);

#ifdef __cplusplus
}
#endif

#endif
