/*
 * disk.h -- the system's own files, to hold holdfast's against.
 *
 * disk_posix.c and disk_windows.c. A function that cannot do what it is to do ends the test.
 */
#ifndef HOLDFAST_TESTS_DISK_H
#define HOLDFAST_TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/status.h"

typedef enum disk_rights { DISK_LOADS, DISK_STORES, DISK_BOTH } disk_rights;

/* A new file of `size` bytes in the place of what was there, byte i of it i's lowest; its handle,
 * with both rights. */
intptr_t disk_create(const char *path, size_t size);

intptr_t disk_open(const char *path, disk_rights rights);
void disk_close(intptr_t handle);

void disk_store(intptr_t handle, uint64_t offset, const void *bytes, size_t size);

/* How many bytes there were. */
size_t disk_load(intptr_t handle, uint64_t offset, void *bytes, size_t size);

/* What it gains is zero, and takes no disk where the system can do without. */
void disk_resize(intptr_t handle, uint64_t size);

/* A link that points nowhere exists too. */
bool disk_exists(const char *path);

/* Nothing happens where there is none. */
void disk_remove(const char *path);

uint64_t disk_size(const char *path);

/* So many bytes of it have their place on the disk, and no store into them can run out of it. */
uint64_t disk_allocated(const char *path);

/* The handles that this process has open, and of these the ones that a child would inherit. */
size_t disk_handles(void);
size_t disk_inherited_handles(void);

/* What this system answers. */
extern const struct disk_answers {
    long no_folder, exists, too_large; /* codes */
    hf_status too_much_shared;         /* shared memory of a size that cannot be */
    bool cuts_under_views;             /* a file can become shorter where views show the rest */
} disk_answers;

#endif
