/*
 * preload.h -- LD_PRELOAD: finds a program, says whether a library can be preloaded into it, and
 * sets the variable. ELF systems only.
 */
#ifndef TOOL_PRELOAD_H
#define TOOL_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

/* Stores the path of the program that execvp would execute, found through PATH. Returns 0,
 * RUN_NOT_FOUND or RUN_NOT_EXECUTABLE, as a shell does, with the reason in errno. */
int preload_find(const char *command, char *path, size_t room);

/* Whether the loader can preload this library into the program at this path (or into the
 * interpreter, if it is a script). False: `why` says why not. */
bool preload_is_possible(const char *program, const char *library, char *why, size_t room);

/* Whether a file is a shared library for programs like this one. False: `why` says why not. */
bool preload_is_library(const char *path, char *why, size_t room);

/* Puts the library in front of what LD_PRELOAD lists. False: no memory. */
bool preload_set(const char *library);

#endif
