/*
 * history.h -- from a record of steps to pictures of regions: each committed region and each view
 * as a rectangle of addresses and time.
 */
#ifndef TOUR_HISTORY_H
#define TOUR_HISTORY_H

#include "record.h"

/* A region for as long as it stayed as it was. What no band covers is placeholder. */
struct band {
    size_t space; /* index in the record */
    hf_kind kind; /* committed or view */
    size_t offset, size;
    uint64_t begin, end; /* nanoseconds */
};

struct history {
    const struct record *record;
    struct array bands;   /* of struct band, in the order of their beginning */
    struct array extents; /* of size_t: of each space the bytes up to the highest band */
    uint64_t end;         /* of the last event */
};

/* False: no memory. The record stays open as long. */
bool history_open(struct history *history, const struct record *record);
void history_close(struct history *history);

static inline const struct band *history_band(const struct history *history, size_t index) {
    return (const struct band *)history->bands.items + index;
}

/* 0 for a space that was never more than a placeholder. */
static inline size_t history_extent(const struct history *history, size_t space) {
    return ((const size_t *)history->extents.items)[space];
}

#endif
