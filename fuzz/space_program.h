/*
 * space_program.h -- bytes as a program of calls on spaces and files, and the running of it.
 *
 *     bytes:      | operation 0 | operation 1 | operation 2 | ...     8 bytes each
 *
 *     operation:  | kind | slots | offset | size | file offset | aim | twist | number |
 *
 * Every byte string is a program: fields are reduced to valid values, and a rest of less than 8
 * bytes is ignored.
 *
 * The kind is a number below PROGRAM_KIND_SLOTS. An operation whose kind no command has makes no
 * call. So a command that is appended to the table leaves the programs of the corpus what they
 * are. One that is inserted or removed would make other programs of them.
 *
 * A program has two spaces of at most 64 pages and six files, in slots. Offsets and sizes are given
 * in pages. The aim turns them into a range with the help of the regions that are there, because
 * random ranges would hardly ever be exactly one region, which many steps need:
 *
 *      |     p     |   c   |     v     |    p    |
 *             |--------|                             AIM_GIVEN: as given
 *      |-----------|                                 AIM_REGION: the region at the offset
 *      |-------------------|                         AIM_REGIONS: regions that the range touches
 *             |----|                                 AIM_TO_END: to the end of the region
 *
 * With a high number a step is called once for every second page of the range, which makes many
 * regions. A twist makes one argument wrong on purpose; one whose argument the call does not have
 * can make another one wrong.
 *
 * The same program runs on any backend and on any system. An observer is called before and after
 * each call with the arguments that the library gets.
 */
#ifndef SPACE_PROGRAM_H
#define SPACE_PROGRAM_H

#include <holdfast.h>
#include <stdio.h>

enum {
    OPERATION_BYTES = 8,
    MOST_OPERATIONS = 128, /* of a program; the rest is ignored */
    PROGRAM_SPACES = 2,
    PROGRAM_FILES = 6,
    PROGRAM_PAGES = 64,     /* of a space, at most */
    PROGRAM_FILE_PAGES = 24 /* of a file, at most */
};

/* Each kind of operation: its name, what program_print_call prints (see print_part), and what
 * space_program.c resolves its arguments and runs it with. */
#define PROGRAM_COMMANDS(X)                                                                  \
    X(PROGRAM_OPEN, "open", "so", resolve_open, run_open)                                    \
    X(PROGRAM_CLOSE, "close", "s", resolve_nothing, run_close)                               \
    X(PROGRAM_SPLIT, "split", "sr", resolve_range, run_step)                                 \
    X(PROGRAM_COALESCE, "coalesce", "sr", resolve_range, run_step)                           \
    X(PROGRAM_COMMIT, "commit", "sr", resolve_range, run_step)                               \
    X(PROGRAM_DECOMMIT, "decommit", "sr", resolve_range, run_step)                           \
    X(PROGRAM_MAP, "map", "srF@a", resolve_range_and_file, run_map)                          \
    X(PROGRAM_UNMAP, "unmap", "sr", resolve_range, run_step)                                 \
    X(PROGRAM_COMMIT_RANGE, "commit_range", "sr", resolve_range, run_step)                   \
    X(PROGRAM_MAP_RANGE, "map_range", "srF@a", resolve_range_and_file, run_map)              \
    X(PROGRAM_RELEASE_RANGE, "release_range", "sr", resolve_range, run_step)                 \
    X(PROGRAM_ADVISE, "advise", "srv", resolve_range, run_advise)                            \
    X(PROGRAM_STORE, "store", "sr", resolve_store, run_store) /* into every writable page */ \
    X(PROGRAM_FIND, "find", "sr", resolve_range, run_find)                                   \
    X(PROGRAM_CHECK, "check", "s", resolve_space, run_check)                                 \
    X(PROGRAM_FILE_OPEN, "file_open", "fpa", resolve_file, run_file)                         \
    X(PROGRAM_FILE_CREATE, "file_create", "fpz", resolve_file, run_file)                     \
    X(PROGRAM_FILE_CREATE_SHARED, "file_create_shared", "fz", resolve_shared_file, run_file) \
    X(PROGRAM_FILE_FROM_HANDLE, "file_from_handle", "fpha", resolve_file, run_file)          \
    X(PROGRAM_FILE_CLOSE, "file_close", "f", resolve_nothing, run_file_close)                \
    X(PROGRAM_FAIL, "fail", "n+", resolve_failure, run_failure) /* of a strict backend */    \
    X(PROGRAM_TEXT, "text", "t", resolve_nothing, run_text)                                  \
    X(PROGRAM_REMAP_RANGE, "remap_range", "srF@a", resolve_range_and_file, run_map)          \
    X(PROGRAM_RESET_RANGE, "reset_range", "sr", resolve_range, run_step)                     \
    X(PROGRAM_PROTECT, "protect", "srP", resolve_protect, run_protect)                       \
    X(PROGRAM_EXTEND, "extend", "sre", resolve_extend, run_extend)                           \
    X(PROGRAM_FILE_CREATE_EXECUTABLE, "file_create_executable", "fz", resolve_shared_file, run_file)

#define PROGRAM_KIND(kind, name, parts, resolve, run) kind,
typedef enum program_kind {
    PROGRAM_COMMANDS(PROGRAM_KIND) PROGRAM_KINDS,
    PROGRAM_KIND_SLOTS = 32
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

/* A call with its arguments. Which fields are used depends on the kind. */
typedef struct program_call {
    size_t index; /* of the operation in the program */
    program_kind kind;
    unsigned space, file; /* slots */
    size_t offset, size;
    uint64_t file_offset, file_size;
    hf_access access;
    hf_advice advice;
    hf_protection protection;
    size_t old_size; /* PROGRAM_EXTEND; size is the new one */
    bool foreign;    /* with a file of another backend instead of the one in the slot */
    size_t least;    /* PROGRAM_OPEN */
    void *base;
    size_t alignment;
    bool named;
    program_path path; /* of a file or a handle */
    bool writable;     /* of a handle */
    size_t nth, way;   /* PROGRAM_FAIL; the way is that of hf_strict_fail_as */
    bool from_then_on;
    bool found; /* PROGRAM_FIND: the result */
    hf_region region;
} program_call;

/* What a program needs from the system. The folder holds one file, "empty", of size 0. */
typedef struct program_host {
    const char *folder;
    intptr_t (*open_handle)(const char *path, bool writable); /* -1: it failed */
    void (*close_handle)(intptr_t handle);
} program_host;

typedef struct program_subject {
    const hf_backend *backend;
    hf_backend *failing;       /* the strict backend that PROGRAM_FAIL makes fail; NULL: none */
    const hf_backend *foreign; /* another backend, for TWIST_FILE_FOREIGN */
    const program_host *host;
    size_t page_size;
    hf_space *spaces[PROGRAM_SPACES];
    hf_file *files[PROGRAM_FILES];
    hf_file *foreign_file; /* NULL until one is needed */
} program_subject;

/* An operation that has nothing to work on, such as a step without an open space, makes no call. */
typedef struct program_observer {
    void *user;
    void (*before)(void *user, const program_call *);
    void (*after)(void *user, const program_call *, hf_status);
} program_observer;

/* Runs the operations. The subject has no spaces and files at first. */
void program_run(program_subject *, const uint8_t *bytes, size_t size, const program_observer *);

/* Ends the failures and closes all spaces and files. */
void program_finish(program_subject *);

/* Text of a path in the folder of the host; NULL for PATH_NULL. */
const char *program_path_text(const program_host *, program_path, char *text, size_t size);

/* The pattern that operation `index` stores into the page at `offset`: unique, and not 0. Of the
 * bytes of a page with a pattern, eight at a time; pattern 0 is zeros. */
uint64_t program_pattern(size_t index, size_t offset, size_t page_size);
uint64_t program_pattern_word(uint64_t pattern, size_t word);

/* Whether the pages have the protection that commit or map gave them. */
bool program_is_natural(const hf_region *);

/* Texts without addresses, so that runs can be compared. A call is a line without its end. A region
 * is one with its end; it names the protection of the first page if hf_space_protect gave it. A
 * page inside a region is for protections that begin there. */
const char *program_status_name(hf_status);
void program_print_call(FILE *, const program_call *);
void program_print_region(FILE *, const hf_region *);
void program_print_page(FILE *, size_t offset, hf_protection);
void program_print_regions(FILE *, const hf_space *);

#endif
