/*
 * host.h -- what the fuzzers and the replay of inputs need from the system: host_posix.c and
 * host_windows.c.
 */
#ifndef FUZZ_HOST_H
#define FUZZ_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { HOST_FOLDER_BYTES = 256, HOST_PATH_BYTES = 4096 };

/* Makes a temporary folder, or exits with a message. On POSIX systems it also limits the size of
 * files, so that no program fills the disk. */
void host_make_folder(char folder[HOST_FOLDER_BYTES]);

/* Removes the folder if it is empty. */
void host_remove_folder(const char *folder);

/* Calls `visit` with the path of each file in a folder, except hidden ones. False: no folder. */
bool host_visit(const char *folder, void (*visit)(const char *path));

/* As program_host of space_program.h wants them. */
intptr_t host_open_handle(const char *path, bool writable);
void host_close_handle(intptr_t handle);

typedef enum host_fork_result {
    HOST_NO_FORK,      /* this system cannot fork, or it failed: neither function was called */
    HOST_CHILD_FAILED, /* the child ended otherwise than by returning */
    HOST_CHILD_RETURNED
} host_fork_result;

/* Forks. The parent calls `meanwhile`, unless that is NULL; then the child calls `child`. Returns
 * in the parent when the child has ended. */
host_fork_result host_fork(void (*child)(void), void (*meanwhile)(void));

/* Bytes of the disk blocks of a file; SIZE_MAX if the file system does not say. */
size_t host_allocated_bytes(const char *path);

/* Renames `from` to `to`, even if an open file has that name. False: the system cannot do that. */
bool host_replace(const char *from, const char *to);

/* Whether reserved addresses cost memory: Wine needs a byte for each page. */
bool host_pays_for_addresses(void);

/* Whether the name of an open file that is removed can be used again at once. */
bool host_frees_names(void);

/* Bytes of addresses that this process has mapped; 0 if the system does not say, or if a sanitizer
 * maps more and more. */
size_t host_mapped_bytes(void);

#endif
