/*
 * host.h -- what the fuzzers and the replay of their inputs need of the system.
 */
#ifndef FUZZ_HOST_H
#define FUZZ_HOST_H

#include "space_program.h"

/* Makes a folder of this process's own, which goes when the process ends, and forbids large
 * files, so that no program fills the disk. The same host at every call. */
const program_host *host_get(void);

/* Removes the folder now; for a process that is about to abort. */
void host_end(void);

/* Calls visit with the path of everything in a folder but what is hidden. False: no folder. */
bool host_visit(const char *folder, void (*visit)(const char *path));

/* Once, before the first input. When the process dies of a fault, of abort() or of a sanitizer's
 * finding, it says so with `label` and then `text` as it is at that time; both stay where they
 * are. */
void host_begin(const char *label, const char *text);

typedef enum host_fork_result {
    HOST_NO_FORK,      /* this system has none, or it failed: neither function was called */
    HOST_CHILD_FAILED, /* the child ended otherwise than by returning */
    HOST_CHILD_RETURNED
} host_fork_result;

/* Forks. The parent calls `meanwhile` (NULL: nothing), then the child calls `child`; the parent
 * waits until the child has ended. */
host_fork_result host_fork(void (*child)(void), void (*meanwhile)(void));

/* Bytes of disk blocks that a file has; SIZE_MAX where that cannot be told. */
size_t host_allocated_bytes(const char *path);

/* Gives the path `to` to the file at the path `from`, also where `to` names an open file. False:
 * the system cannot do that. */
bool host_replace(const char *from, const char *to);

/* Whether reserved addresses take memory, as they do under Wine: a byte for each page. */
bool host_pays_for_addresses(void);

/* Whether a file that is removed while it is open has no name any more. */
bool host_frees_names(void);

/* Bytes of addresses that this process has mapped; 0 where that can't be told, or where a
 * sanitizer maps more and more for itself. */
size_t host_mapped_bytes(void);

#endif
