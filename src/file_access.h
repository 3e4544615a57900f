/*
 * file_access.h -- what a space and an image need of a file, beyond the public holdfast/file.h.
 */
#ifndef HF_FILE_ACCESS_H
#define HF_FILE_ACCESS_H

#include <holdfast/file.h>

/* Opens a file read-write; creates it with size 0 if it does not exist. The errors are those of
 * hf_file_open. */
hf_status hf_file_open_or_create(hf_file **file, const char *path, const hf_backend *backend);

/* Asks the system for the file's size, which hf_file_size returns from then on: other processes may
 * have changed it. */
hf_status hf_file_measure(hf_file *file, hf_report *report);

/* Changes the file's size by the backend's file_resize; hf_file_size returns the new one. */
hf_status hf_file_resize(hf_file *file, uint64_t size, hf_report *report);

const hf_backend *hf_file_backend(const hf_file *file);

/* The unit of a view's address, size and file offset, in bytes: the page size, or the huge page
 * size of a hugetlbfs file. */
size_t hf_file_granularity(const hf_file *file);

/* True if the granularity is more than the page size: a file on hugetlbfs. The reason is that of
 * the calls that cannot use such a file. */
bool hf_file_has_huge_pages(const hf_file *file);
#define HF_HUGETLBFS_REASON "the file is on hugetlbfs, which maps whole huge pages only"

/* Keeps the file open for one more user; hf_file_close ends the use of one. */
void hf_file_retain(hf_file *file);

/* True if hf_space_protect may make views of the file executable. */
bool hf_file_is_executable(const hf_file *file);

/* True if this backend opened the file. */
bool hf_file_is_on(const hf_file *file, const hf_backend *backend);

/* True for shared memory that was not made from a handle: of hf_file_create_shared, or with a
 * name. */
bool hf_file_is_memory(const hf_file *file);

/* True if the file can have views with this access. */
bool hf_file_permits(const hf_file *file, hf_access access);

#endif
