/*
 * trace.h -- finds out which processes of a program loaded an allocator.
 *
 * The loader does not tell, and the environment of a process does not either: a program may be
 * static, setuid, or started without LD_PRELOAD. So on Linux a watcher process traces the program
 * and its children (ptrace), and reads what each has mapped at the moment when it ends. This makes
 * starting and ending processes slower, so only warm-ups are watched.
 */
#ifndef TOOL_TRACE_H
#define TOOL_TRACE_H

#include "compare.h"

/* Runs `execute(user)`, which starts the program or ends the process, in a child process, and
 * watches that process and its children until the first one ends. The library is a path; without
 * one (""), known allocators are looked for, and `names` lists those that are mapped. Closes the
 * descriptor in the watcher. Returns false, and has not run it, if this system cannot trace. */
bool trace_run(const char *library, void (*execute)(void *user), void *user, int descriptor,
               struct compare_sight *sight);

#endif
