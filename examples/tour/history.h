/*
 * history.h -- the regions over time, computed from a record of steps: each committed region and
 * each view as a band, that is, a rectangle of addresses and time.
 */
#ifndef TOUR_HISTORY_H
#define TOUR_HISTORY_H

#include "record.h"

/* A committed region or a view, from when it appeared until it changed. What no band covers is
 * placeholder. */
struct band {
    size_t space; /* index in the record */
    hf_kind kind; /* committed or view */
    size_t offset, size;
    uint64_t begin, end; /* nanoseconds */
};

struct history {
    const struct record *record;
    struct array bands;   /* of struct band, in order of begin */
    struct array extents; /* of size_t: for each space the end of its highest band, in bytes */
    uint64_t end;         /* time of the last event */
};

/* False: no memory. The record must stay open until the history is closed. */
bool history_open(struct history *history, const struct record *record);
void history_close(struct history *history);

static inline const struct band *history_band(const struct history *history, size_t index) {
    return (const struct band *)history->bands.items + index;
}

/* The end of the space's highest band in bytes; 0 for a space that has none. */
static inline size_t history_extent(const struct history *history, size_t space) {
    return ((const size_t *)history->extents.items)[space];
}

#endif
