/*
 * front_end.h -- a compiler front end's work, as the tour and its rivals do it.
 *
 * A front end keeps some things for long and some for one file:
 *   texts    to the end: diagnostics, macro bodies and debug information point into them
 *   names    to the end: each identifier once, with a count of its uses, found by a hash table
 *   tokens   a list for each file: written by the lexer, read by what parses, and dropped
 *
 * The same code does it on every kind of memory: it is in front_end_work.h and intern.h, compiled
 * once for each by the files on_*.c, so that every allocator is called directly and none pays for a
 * layer between. struct front_end is another one in each; the functions are called through here.
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
    TAKEN_NO_MEMORY /* the front end is good for closing only */
} outcome;

/* Everything that was counted: equal whatever the memory, or something is wrong. */
struct totals {
    uint64_t files, bytes;
    uint64_t tokens[TOKEN_KINDS];
    uint64_t names;   /* distinct identifiers, keywords apart */
    uint64_t uses;    /* of these, in all files */
    uint64_t nesting; /* the deepest nesting of brackets */
};

struct name_count {
    const char *text; /* good until the front end is emptied */
    size_t size;
    uint64_t uses;
};

/* A front end on one kind of memory. */
struct memory_kind {
    const char *name;
    size_t front_end_size; /* of the zeroed bytes that open() is given */
    bool (*open)(struct front_end *, const hf_backend *);
    void (*close)(struct front_end *);

    /* Reads a file, keeps its text, and does the work on it. size: what it is known to have. */
    outcome (*take_file)(struct front_end *, const char *path, uint64_t size);
    /* The same on a text that lies elsewhere and stays there. */
    outcome (*take_text)(struct front_end *, const char *text, size_t size);

    const struct totals *(*totals)(const struct front_end *);
    /* The names used most, keywords apart, into an array of `room`; returns how many. */
    size_t (*most_used)(struct front_end *, struct name_count *names, size_t room);
};

extern const struct memory_kind on_holdfast, on_malloc, on_mimalloc;

#endif
