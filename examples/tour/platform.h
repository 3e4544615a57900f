/*
 * platform.h -- what the command needs of the operating system except memory: files, folders, the
 * clock, the terminal, and running itself in a child process.
 *
 * platform_posix.c and platform_windows.c implement it; no other file here includes a system
 * header. All texts are UTF-8, arguments and paths included. Paths are separated by '/', and by
 * whatever else the system accepts.
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
    uint64_t identity[2]; /* the same for two paths of the same file or folder */
};

/* Describes what a path names; follows links. False: see platform_error_text(); the kind is
 * PLATFORM_NOTHING if nothing is there (a broken link, say). */
bool platform_look(const char *path, struct platform_entry *entry);

/* Calls `each` with each name in the folder except "." and "..", in any order. False:
 * platform_error_text(). */
bool platform_list(const char *folder, void (*each)(const char *name, void *user), void *user);

/* The last part of a path: the name without folders. */
const char *platform_name(const char *path);

/* Opens an existing file to read it sequentially. Returns a handle; -1: platform_error_text(). */
intptr_t platform_open(const char *path, bool writable);
int64_t platform_read(intptr_t file, void *bytes, size_t room); /* 0 at the end; negative: failed */
void platform_close(intptr_t file);

/* Creates or truncates a file for writing in binary mode. NULL: platform_error_text(). */
FILE *platform_create(const char *path);

/* Creates an empty folder for temporary files and stores its path, in `room` bytes. False:
 * platform_error_text(). */
bool platform_make_folder(char *path, size_t room);

/* Deletes a file or an empty folder; does nothing if it is missing. */
void platform_remove(const char *path);

/* Limits the size of the files that this process writes (RLIMIT_FSIZE), because POSIX systems
 * accept sparse files larger than the disk. Does nothing on Windows. */
void platform_limit_files(uint64_t bytes);

/* platform_list_headers calls `each` with each folder of the system's C headers; platform_headers
 * describes these folders in a phrase. */
void platform_list_headers(void (*each)(const char *folder, void *user), void *user);
const char *platform_headers(void);

/* The system's text for the error of the last of the functions above that failed. */
const char *platform_error_text(void);

/* ---------------------------------------------------------------- this process ----------- */

uint64_t platform_now(void); /* nanoseconds of a monotonic clock */

struct platform_usage {
    uint64_t processor_time; /* nanoseconds, user and system */
    uint64_t page_faults;
    uint64_t peak_bytes; /* peak of resident memory */
};

struct platform_usage platform_get_usage(void);

/* The C library whose malloc this is, say "glibc 2.36". */
const char *platform_c_library(void);

/* Loads a shared library, so that its symbols replace none of the program's, and returns one of its
 * functions; NULL: not found. */
typedef void (*platform_function)(void);
platform_function platform_load(const char *library, const char *name);

/* The width of a stream's terminal in columns; 0: no terminal, or one without escape sequences. */
size_t platform_terminal_columns(FILE *stream);

/* ------------------------------------------------------------- a child process ----------- */

/*
 * Runs this command in a child process with these arguments (NULL after the last) and `input` as
 * its standard input. Stores its standard output as a string in `output`, which has `room` bytes.
 * False: it could not be started, or its exit status is not 0.
 */
bool platform_run_child(const char *const *arguments, const void *input, size_t input_size,
                        char *output, size_t room);

/* Must be called first in main. Returns the arguments in UTF-8 and stores their number; makes the
 * standard streams binary, and a write to a closed pipe an error. */
char **platform_prepare(int *count, char **arguments);

/* Undoes what platform_prepare did to signals, because a program that is executed inherits that. */
void platform_restore_signals(void);

#endif
