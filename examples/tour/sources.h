/*
 * sources.h -- the list of files to work on: those named, and those wanted of the folders named.
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
    struct array list; /* of struct source */
    uint64_t bytes;    /* of all */
    size_t failures;   /* what could not be looked at; each was told on stderr */
    /* for the walk: */
    bool (*wants)(const char *name); /* is a file in a folder one of those? */
    struct array folders;            /* paths, in the order of finding them */
    struct array seen;               /* the identities of files and folders, in chains ... */
    size_t *seen_chains;             /* ... that begin here */
    hf_arena paths;
};

bool sources_open(struct sources *sources, bool (*wants)(const char *name));
void sources_close(struct sources *sources);

/* Names with an ending of C or C++. */
bool sources_is_c(const char *name);

/*
 * Adds a file, or all files in a folder and below that are wanted. Links are followed; what was
 * added before, under whatever path, is not added again, so a link that leads back ends there.
 */
void sources_add(struct sources *sources, const char *path);

/* Sorts what was added from the index `first` on by path, in the order of bytes. */
void sources_sort(struct sources *sources, size_t first);

static inline struct source *sources_at(const struct sources *sources, size_t index) {
    return (struct source *)sources->list.items + index;
}

#endif
