/*
 * disk.h -- files by plain system calls, to compare what holdfast did with what is on the disk.
 *
 * Implemented in disk_posix.c and disk_windows.c. A function that fails ends the test.
 */
#ifndef HOLDFAST_TESTS_DISK_H
#define HOLDFAST_TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/status.h"

typedef enum disk_rights { DISK_LOADS, DISK_STORES, DISK_BOTH } disk_rights;

/* Creates a file of `size` bytes, deleting an older file at the path. Byte i is the low byte of i.
 * Returns its handle, open for reading and writing. */
intptr_t disk_create(const char *path, size_t size);

intptr_t disk_open(const char *path, disk_rights rights);
void disk_close(intptr_t handle);

void disk_store(intptr_t handle, uint64_t offset, const void *bytes, size_t size);

/* Returns how many bytes were read; fewer than `size` at the end of the file. */
size_t disk_load(intptr_t handle, uint64_t offset, void *bytes, size_t size);

/* New bytes are zero; they take no space on the disk where the file system has sparse files. */
void disk_resize(intptr_t handle, uint64_t size);

/* True for a dangling symbolic link too. */
bool disk_exists(const char *path);

/* Deletes the file; does nothing if there is none. */
void disk_remove(const char *path);

uint64_t disk_size(const char *path);

/* How many bytes of the file have blocks on the disk: storing into them needs no more space. */
uint64_t disk_allocated(const char *path);

/* How many handles this process has open, and how many of them a child process would inherit. */
size_t disk_handles(void);
size_t disk_inherited_handles(void);

/* What differs between systems. */
extern const struct disk_answers {
    long no_folder, exists, too_large; /* error codes of the system */
    hf_status too_much_shared;         /* status for shared memory of an impossible size */
    bool cuts_under_views;             /* a file can be truncated while views show its end */
} disk_answers;

#endif
