/*
 * platform.h -- all that the command asks of an operating system beside memory: files, folders, the
 * clock, the terminal, and running itself once more.
 *
 * One file for each system implements it: platform_posix.c, platform_windows.c. Nothing else here
 * includes a system header. Texts are UTF-8, also arguments and paths; a path has '/' between its
 * parts, and may have what else the system knows.
 */
#ifndef TOUR_PLATFORM_H
#define TOUR_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ------------------------------------------------------------- files and folders ---------- */

typedef enum platform_kind {
    PLATFORM_NOTHING,
    PLATFORM_FILE,
    PLATFORM_FOLDER,
    PLATFORM_OTHER
} platform_kind;

struct platform_entry {
    platform_kind kind;
    uint64_t size;        /* of a file, in bytes */
    uint64_t identity[2]; /* the same for two paths that lead to one thing */
};

/* Follows links. False: see platform_error_text(). A broken link is PLATFORM_NOTHING. */
bool platform_look(const char *path, struct platform_entry *entry);

/* Calls back with each name in the folder, in no order, without "." and "..". */
bool platform_list(const char *folder, void (*each)(const char *name, void *user), void *user);

/* What a path names, without the folders that lead there. */
const char *platform_name(const char *path);

/* A file that is there, for reading from its start to its end. -1: platform_error_text(). */
intptr_t platform_open(const char *path, bool writable);
int64_t platform_read(intptr_t file, void *bytes, size_t room); /* 0 at the end; negative: failed */
void platform_close(intptr_t file);

/* A new file for writing, byte for byte, instead of one that may be there. NULL: it failed. */
FILE *platform_create(const char *path);

/* Makes a new empty folder for files that are of no use later. False: platform_error_text(). */
bool platform_make_folder(char *path, size_t room);

/* Removes a file or an empty folder, if it is there. */
void platform_remove(const char *path);

/* Limits the size of files that this process writes, where the system has such a limit and would
 * otherwise accept files larger than the disk. */
void platform_limit_files(uint64_t bytes);

/* Calls back with each folder where headers of C lie by default, and says in words which those
 * are. */
void platform_list_headers(void (*each)(const char *folder, void *user), void *user);
const char *platform_headers(void);

/* What the system said of the last of these that failed. */
const char *platform_error_text(void);

/* ---------------------------------------------------------------- this process ----------- */

uint64_t platform_now(void); /* nanoseconds since some moment */

struct platform_usage {
    uint64_t processor_time; /* nanoseconds, the system's work for it included */
    uint64_t page_faults;
    uint64_t peak_bytes; /* the most memory that was ever resident */
};

struct platform_usage platform_get_usage(void);

/* The C library whose malloc this is, say "glibc 2.36". */
const char *platform_c_library(void);

/* A function of a library that is loaded for it alone, so that it replaces nothing; NULL: none. */
typedef void (*platform_function)(void);
platform_function platform_load(const char *library, const char *name);

/* The columns of the terminal behind a stream; 0 when there is none that understands escapes. */
size_t platform_terminal_columns(FILE *stream);

/* ------------------------------------------------------------- this program again -------- */

/*
 * Runs this command again in a process of its own, with these arguments (NULL behind the last) and
 * `input` as its standard input, and reads its standard output into `output`, a string of up to
 * `room` bytes with its end. False when it could not run or its exit status is not 0.
 */
bool platform_run_again(const char *const *arguments, const void *input, size_t input_size,
                        char *output, size_t room);

/* To be called first in main, with its arguments. Returns them in UTF-8, as many as *count then
 * says. From here on the standard streams take bytes as they are. */
char **platform_prepare(int *count, char **arguments);

#endif
