/*
 * history.c -- makes bands from events, in the order of the events.
 *
 * commit and map begin a band. decommit, unmap and release end every band that they touch; the
 * parts of it outside their range begin as new bands:
 *
 *     | band          |            | rest |######| rest |
 *            ######         ->
 */
#include "history.h"

#include <string.h>

struct fold {
    struct history *history;
    struct array alive; /* of size_t: indices of the bands that have not ended, in order of begin */
};

static struct band *band_at(struct fold *fold, size_t index) {
    return (struct band *)fold->history->bands.items + index;
}

static bool begin(struct fold *fold, size_t space, hf_kind kind, size_t offset, size_t size,
                  uint64_t time) {
    if (size == 0) return true;
    size_t *alive = array_add(&fold->alive);
    struct band *band = alive ? array_add(&fold->history->bands) : NULL;
    if (!band) return false;
    *alive = fold->history->bands.count - 1;
    *band =
        (struct band){.space = space, .kind = kind, .offset = offset, .size = size, .begin = time};
    size_t *extent = (size_t *)fold->history->extents.items + space;
    if (offset + size > *extent) *extent = offset + size;
    return true;
}

static void remove_alive(struct fold *fold, size_t index) {
    size_t *alive = fold->alive.items, behind = fold->alive.count - index - 1;
    memmove(alive + index, alive + index + 1, behind * sizeof *alive);
    array_drop_last(&fold->alive);
}

/* Ends one band; its parts below and above the event's range begin as new bands. */
static bool end_band(struct fold *fold, struct band *band, const struct event *event) {
    size_t end = event->offset + event->size, band_end = band->offset + band->size;
    size_t below = event->offset > band->offset ? event->offset - band->offset : 0;
    size_t above = band_end > end ? band_end - end : 0;
    hf_kind kind = band->kind;
    band->end = event->time;
    return begin(fold, event->space, kind, band->offset, below, event->time) &&
           begin(fold, event->space, kind, band_end - above, above, event->time);
}

static bool end_all(struct fold *fold, const struct event *event) {
    for (size_t index = 0; index < fold->alive.count;) {
        struct band *band = band_at(fold, ((size_t *)fold->alive.items)[index]);
        bool touched = band->space == event->space && band->offset < event->offset + event->size &&
                       event->offset < band->offset + band->size;
        if (!touched) {
            index++;
            continue;
        }
        remove_alive(fold, index);
        if (!end_band(fold, band, event)) return false;
    }
    return true;
}

static bool take(struct fold *fold, const struct event *event) {
    if (event->status != HF_OK) return true;
    switch (event->kind) {
    case EVENT_COMMIT:
        return begin(fold, event->space, HF_COMMITTED, event->offset, event->size, event->time);
    case EVENT_MAP:
        return begin(fold, event->space, HF_VIEW, event->offset, event->size, event->time);
    case EVENT_DECOMMIT:
    case EVENT_UNMAP:
    case EVENT_RELEASE: return end_all(fold, event);
    default: return true;
    }
}

static bool take_events(struct fold *fold, const struct record *record) {
    for (size_t i = 0; i < record->spaces.count; i++)
        if (!array_add(&fold->history->extents)) return false;
    for (size_t i = 0; i < record->events.count; i++) {
        fold->history->end = record_event(record, i)->time;
        if (!take(fold, record_event(record, i))) return false;
    }
    return true;
}

static void end_alive(struct fold *fold) {
    const size_t *alive = fold->alive.items;
    for (size_t i = 0; i < fold->alive.count; i++)
        band_at(fold, alive[i])->end = fold->history->end;
}

bool history_open(struct history *history, const struct record *record) {
    struct fold fold = {.history = history};
    *history = (struct history){.record = record};
    bool done = array_open(&history->bands, sizeof(struct band), "bands") &&
                array_open(&history->extents, sizeof(size_t), "extents") &&
                array_open(&fold.alive, sizeof(size_t), "alive") && take_events(&fold, record);
    if (done) end_alive(&fold);
    array_close(&fold.alive);
    return done;
}

void history_close(struct history *history) {
    array_close(&history->extents);
    array_close(&history->bands);
}
