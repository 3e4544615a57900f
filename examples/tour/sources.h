/*
 * sources.h -- the list of files to work on: those that the user named, and the wanted ones in the
 * folders that the user named.
 */
#ifndef TOUR_SOURCES_H
#define TOUR_SOURCES_H

#include <stdint.h>

#include "array.h"

struct source {
    const char *path;
    uint64_t size; /* bytes, when it was added */
    bool failed;   /* it could not be read */
};

struct sources {
    struct array list; /* of struct source */
    uint64_t bytes;    /* size of all files together */
    size_t failures;   /* files and folders that could not be read; each was reported on stderr */
    /* for the search: */
    bool (*wants)(const char *name); /* whether to add a file in a folder */
    struct array folders;            /* of const char *: paths, in the order of finding them */
    struct array seen;               /* of struct seen: a hash table of identities, chained */
    size_t *seen_chains;             /* 1 + the index of the first of each chain; 0: empty */
    hf_arena paths;                  /* the memory of all paths */
};

/* `wants` decides by its name whether a file in a folder is added. False: no memory. */
bool sources_open(struct sources *sources, bool (*wants)(const char *name));
void sources_close(struct sources *sources);

/* A `wants` for sources_open: names with an extension of C or C++. */
bool sources_is_c(const char *name);

/*
 * Adds a file, or all wanted files in a folder and its subfolders. Follows links. What was added
 * before is not added again, whatever its path, so circular links are harmless. Failures are
 * counted and reported on stderr.
 */
void sources_add(struct sources *sources, const char *path);

/* Sorts the files from the index `first` on by the bytes of their paths. */
void sources_sort(struct sources *sources, size_t first);

static inline struct source *sources_at(const struct sources *sources, size_t index) {
    return (struct source *)sources->list.items + index;
}

#endif
