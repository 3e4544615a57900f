/*
 * file.h -- what a space needs of a file, beyond the public holdfast/file.h.
 */
#ifndef HF_FILE_H
#define HF_FILE_H

#include <holdfast/file.h>

/* Read-write; a file of size 0 is made where there is none. The errors are hf_file_open's. */
hf_status hf_file_open_or_create(hf_file **file, const char *path, const hf_backend *backend);

/* What hf_file_size says from now on is what the file has; others may have changed it. */
hf_status hf_file_measure(hf_file *file, hf_report *report);

/* See the backend's file_resize. */
hf_status hf_file_resize(hf_file *file, uint64_t size, hf_report *report);

const hf_backend *hf_file_backend(const hf_file *file);
intptr_t hf_file_handle(const hf_file *file);
/* The unit of a view's address, size and file offset, in bytes: the page size, or more. */
size_t hf_file_granularity(const hf_file *file);

/* A file of hugetlbfs: its granularity is more than the page size. */
bool hf_file_has_huge_pages(const hf_file *file);

bool hf_file_is_on(const hf_file *file, const hf_backend *backend);
/* Made by hf_file_create_shared. */
bool hf_file_is_memory(const hf_file *file);
bool hf_file_permits(const hf_file *file, hf_access access);

#endif
