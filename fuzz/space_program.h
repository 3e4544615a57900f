/*
 * space_program.h -- bytes as a program of calls on spaces and files, and the running of it.
 *
 *     bytes:      | operation 0 | operation 1 | operation 2 | ...     8 bytes each
 *
 *     operation:  | kind | slots | offset | size | file offset | aim | twist | number |
 *
 * Every byte string is a program: what does not fit is reduced, and a rest under 8 bytes is left
 * out. So a mutator may do what it likes, and one that moves whole operations makes sense.
 *
 * A program owns two spaces of at most 64 pages and six files, by slots. Offsets and sizes are
 * given in pages; the aim says how they become a range, with the help of the regions there,
 * because steps that want exactly one region would hardly ever meet one by chance:
 *
 *      |     p     |   c   |     v     |    p    |
 *             |--------|                             as given
 *      |-----------|                                 the region at offset
 *      |-------------------|                         every region that the range touches, whole
 *             |----|                                 from offset to the end of its region
 *
 * A high number makes a comb of a step: one call for every second page of the range, for a space
 * of many regions. A twist makes one argument wrong on purpose.
 *
 * The same program runs on any backend, so that the results of two of them can be compared; nothing
 * here knows a system or prints an address. An observer is called before and after each call with
 * its arguments as they were resolved.
 */
#ifndef SPACE_PROGRAM_H
#define SPACE_PROGRAM_H

#include "mutator.h"

#include <holdfast.h>
#include <stdio.h>

enum {
    PROGRAM_SPACES = 2,
    PROGRAM_FILES = 6,
    PROGRAM_GRANULES = 64,  /* of a space, at most */
    PROGRAM_FILE_PAGES = 24 /* of a file, at most */
};

typedef enum program_kind {
    PROGRAM_OPEN,
    PROGRAM_CLOSE,
    PROGRAM_SPLIT,
    PROGRAM_COALESCE,
    PROGRAM_COMMIT,
    PROGRAM_DECOMMIT,
    PROGRAM_MAP,
    PROGRAM_UNMAP,
    PROGRAM_COMMIT_RANGE,
    PROGRAM_MAP_RANGE,
    PROGRAM_RELEASE_RANGE,
    PROGRAM_ADVISE,
    PROGRAM_STORE, /* a pattern into every page of the range that may be written */
    PROGRAM_FIND,
    PROGRAM_CHECK,
    PROGRAM_FILE_OPEN,
    PROGRAM_FILE_CREATE,
    PROGRAM_FILE_CREATE_SHARED,
    PROGRAM_FILE_FROM_HANDLE,
    PROGRAM_FILE_CLOSE,
    PROGRAM_FAIL, /* hf_strict_fail, where the subject has a strict backend to be failed */
    PROGRAM_TEXT, /* hf_status_text */
    PROGRAM_KINDS
} program_kind;

typedef enum program_aim { AIM_GIVEN, AIM_REGION, AIM_REGIONS, AIM_TO_END, AIMS } program_aim;

typedef enum program_twist {
    TWIST_NONE,
    TWIST_OFFSET_UNALIGNED,
    TWIST_OFFSET_OUTSIDE,
    TWIST_OFFSET_WRAPS,
    TWIST_SIZE_ZERO,
    TWIST_SIZE_UNALIGNED,
    TWIST_SIZE_PAST_END,
    TWIST_SIZE_WRAPS,
    TWIST_FILE_OFFSET_UNALIGNED,
    TWIST_FILE_OFFSET_WRAPS,
    TWIST_FILE_FOREIGN, /* a file of another backend */
    TWIST_LEAST_UNALIGNED,
    TWIST_LEAST_ABOVE,
    TWIST_BASE_UNALIGNED,
    TWIST_BASE_WRAPS,
    TWISTS
} program_twist;

/* What a path names, within the host's folder. */
typedef enum program_path {
    PATH_FIRST, /* not there at first; PROGRAM_FILE_CREATE makes it */
    PATH_SECOND,
    PATH_THIRD,
    PATH_EMPTY_FILE, /* a file of size 0, made by the host */
    PATH_FOLDER,     /* the folder itself */
    PATH_MISSING,
    PATH_NO_PARENT,
    PATH_BLANK,
    PATH_NULL,
    PATHS
} program_path;

/* The fields of 8 bytes, before the regions are looked at. */
typedef struct program_operation {
    program_kind kind;
    unsigned space, file;
    hf_access access;
    unsigned offset, size, file_offset; /* pages */
    program_aim aim;
    program_twist twist;
    unsigned number;
} program_operation;

/* A call with the arguments it really gets. Which fields count is the kind's business. */
typedef struct program_call {
    size_t index; /* of the operation in the program */
    program_kind kind;
    unsigned space, file; /* slots */
    size_t offset, size;
    uint64_t file_offset, file_size;
    hf_access access;
    hf_advice advice;
    bool foreign; /* a file of another backend instead of the slot's */
    size_t least; /* opening */
    void *base;
    bool named;
    program_path path; /* files; a handle is of this path, too */
    bool writable;     /* the handle */
    size_t nth;        /* failing */
    bool from_then_on;
    bool found; /* finding, and what was found */
    hf_region region;
} program_call;

/* What a program needs of the system beside holdfast; all in one folder that is empty but for
 * a file "empty" of size 0. */
typedef struct program_host {
    const char *folder;
    intptr_t (*open_handle)(const char *path, bool writable); /* no handle: -1 */
    void (*close_handle)(intptr_t handle);
} program_host;

typedef struct program_subject {
    const hf_backend *backend;
    hf_backend *failing;       /* the strict backend that PROGRAM_FAIL is for; NULL: none */
    const hf_backend *foreign; /* any other backend, for files that don't belong */
    const program_host *host;
    size_t page_size;
    hf_space *spaces[PROGRAM_SPACES];
    hf_file *files[PROGRAM_FILES];
    hf_file *foreign_file;
} program_subject;

/* For an operation that finds nothing to work on (no space is open), neither is called. */
typedef struct program_observer {
    void *user;
    void (*before)(void *user, const program_call *);
    void (*after)(void *user, const program_call *, hf_status);
} program_observer;

program_operation program_decode(const uint8_t bytes[OPERATION_BYTES]);

/* Runs the program; what it opened is still open afterwards. */
void program_run(program_subject *, const uint8_t *bytes, size_t size, const program_observer *);

/* Switches failures off and closes all that is open, whatever is mapped. */
void program_finish(program_subject *);

/* Removes the files that programs make, for the next one. */
void program_remove_files(const program_host *);

/* The file that a path names; NULL for PATH_NULL. */
const char *program_path_text(const program_host *, program_path, char *text, size_t size);

/* What operation `index` stores into the page at `offset`, as a pattern that no other store has;
 * never 0. And the n-th eight bytes of a page that has the pattern; of 0 they are 0. */
uint64_t program_pattern(size_t index, size_t offset, size_t page_size);
uint64_t program_pattern_word(uint64_t pattern, size_t word);

/* For people, and for comparing: no addresses, one line without its end. */
const char *program_kind_name(program_kind);
const char *program_status_name(hf_status);
void program_print_call(FILE *, const program_call *);
void program_print_regions(FILE *, const hf_space *);

#endif
