/*
 * sources.h -- the list of files to work on: those named, and those in the folders named.
 */
#ifndef TOUR_SOURCES_H
#define TOUR_SOURCES_H

#include <stdint.h>

#include "array.h"

struct source {
    const char *path;
    uint64_t size; /* bytes, as the folder says */
    bool failed;   /* it could not be read */
};

struct sources {
    struct array list; /* of struct source, sorted by path */
    uint64_t bytes;    /* of all */
    size_t failures;   /* what could not be looked at; each was told on stderr */
    /* for the walk: */
    struct array folders; /* paths, in the order of finding them */
    struct array seen;    /* the identities of files and folders, in chains ... */
    size_t *seen_chains;  /* ... that begin here */
    hf_arena paths;
};

bool sources_open(struct sources *sources);
void sources_close(struct sources *sources);

/*
 * Adds a file, or all C and C++ files in a folder and below, known by their endings. Links are
 * followed; what was added before, under whatever path, is not added again, so a link that leads
 * back ends there.
 */
void sources_add(struct sources *sources, const char *path);

/* Sorts the list, when all is added. */
void sources_sort(struct sources *sources);

static inline struct source *sources_at(const struct sources *sources, size_t index) {
    return (struct source *)sources->list.items + index;
}

#endif
