/*
 * front_end.h -- the work of a compiler front end, on several kinds of memory.
 *
 * A front end keeps some data until the end and some for one file:
 *   texts    until the end: diagnostics, macro bodies and debug information point into them
 *   names    until the end: each identifier once, with a count of its uses, in a hash table
 *   tokens   a list for each file: written by the lexer, read by the parser, then freed
 *
 * The code is the same for every kind of memory: on_holdfast.c, on_malloc.c and on_mimalloc.c each
 * include front_end_work.h and intern.h, so that every allocator is called directly. struct
 * front_end is defined differently in each; struct memory_kind has the functions.
 */
#ifndef TOUR_FRONT_END_H
#define TOUR_FRONT_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/backend.h"
#include "lexer.h"

struct front_end;

typedef enum outcome {
    TAKEN,
    TAKEN_UNREADABLE, /* platform_error_text() says why */
    TAKEN_TOO_LARGE,
    TAKEN_NO_MEMORY /* the front end can only be closed */
} outcome;

/* What the front end has counted: the same numbers on every kind of memory. */
struct totals {
    uint64_t files, bytes;
    uint64_t tokens[TOKEN_KINDS];
    uint64_t names;   /* distinct identifiers, keywords apart */
    uint64_t uses;    /* of these, in all files */
    uint64_t nesting; /* the deepest nesting of brackets */
};

struct name_count {
    const char *text; /* without a NUL; valid until the front end is emptied */
    size_t size;
    uint64_t uses;
};

/* A front end on one kind of memory. */
struct memory_kind {
    const char *name;
    size_t front_end_size; /* of struct front_end */
    /* front_end: front_end_size zeroed bytes. bytes: about as many will be read; 0: not known.
     * backend: for holdfast; NULL: the native one. False: no memory. */
    bool (*open)(struct front_end *, uint64_t bytes, const hf_backend *);
    void (*close)(struct front_end *);

    /* Reads a file, keeps its text, and processes it. size: the expected size in bytes. */
    outcome (*take_file)(struct front_end *, const char *path, uint64_t size);
    /* Processes a text, which must stay where it is until the front end is emptied. */
    outcome (*take_text)(struct front_end *, const char *text, size_t size);

    const struct totals *(*totals)(const struct front_end *);
    /* Stores the identifiers that are used most, without keywords, in an array with room for `room`
     * of them. Returns how many. */
    size_t (*most_used)(struct front_end *, struct name_count *names, size_t room);
};

extern const struct memory_kind on_holdfast, on_malloc, on_mimalloc;

#endif
