/*
 * host.h -- what the fuzzers and the replay of inputs need from the system. host.c is the same on
 * every system; host_posix.c and host_windows.c are not.
 */
#ifndef FUZZ_HOST_H
#define FUZZ_HOST_H

#include "space_program.h"

/* Makes a temporary folder at the first call, and limits the size of files, so that no program
 * fills the disk. The folder is removed when the process exits. */
const program_host *host_get(void);

/* Removes the folder, before an abort. */
void host_end(void);

/* Before the first input. When the process dies by a fault, by abort() or by the report of a
 * sanitizer, it prints the label and then the text, as it is at that time. */
void host_begin(const char *label, const char *text);

/* Calls `visit` with the path of each file in a folder, except hidden ones. False: no folder. */
bool host_visit(const char *folder, void (*visit)(const char *path));

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

/* --- For host.c --- */

enum { HOST_FOLDER_BYTES = 256, HOST_PATH_BYTES = 4096 };

/* Make a temporary folder, or exit with a message; remove it when it is empty. */
void host_make_folder(char folder[HOST_FOLDER_BYTES]);
void host_remove_folder(const char *folder);

intptr_t host_open_handle(const char *path, bool writable);
void host_close_handle(intptr_t handle);

/* Lets host_print_death be called when the process dies, perhaps by a signal handler: it uses only
 * host_write, which is a system call. */
void host_watch(void);
void host_print_death(void);
void host_write(const char *text);

#endif
