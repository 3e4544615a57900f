/*
 * host.h -- what the fuzzers need of the system: a folder for files, and handles.
 */
#ifndef FUZZ_HOST_H
#define FUZZ_HOST_H

#include "space_program.h"

/* Makes a folder of this process's own, which goes when the process ends, and forbids large
 * files, so that no program fills the disk. The same host at every call. */
const program_host *host_get(void);

/* Removes the folder now; for a process that is about to abort. */
void host_end(void);

#endif
