/*
 * record.h -- a backend that records each step of its spaces with address, size and time.
 *
 * It is a copy of the native backend in which the memory functions are replaced: each calls the
 * native one and records the step. Spaces and arenas get &record.backend in their options;
 * history.h makes pictures of the events.
 *
 * Threads: one only.
 */
#ifndef TOUR_RECORD_H
#define TOUR_RECORD_H

#include <stdint.h>

#include "array.h"
#include "holdfast/backend.h"

typedef enum event_kind {
    EVENT_RESERVE,
    EVENT_SPLIT,
    EVENT_COALESCE,
    EVENT_COMMIT,
    EVENT_DECOMMIT,
    EVENT_MAP,
    EVENT_UNMAP,
    EVENT_RELEASE,
    EVENT_USED,  /* by record_used: size is the bytes allocated */
    EVENT_LABEL, /* by record_label */
    EVENT_PHASE  /* by record_phase: the end of a phase */
} event_kind;

struct event {
    uint64_t time; /* nanoseconds since record_open */
    event_kind kind;
    hf_status status;    /* of a step; one that failed changed nothing */
    size_t space;        /* index in record.spaces */
    size_t offset, size; /* bytes from the base of the space */
    const char *label;   /* of EVENT_LABEL and EVENT_PHASE */
};

struct recorded_space {
    char *base;
    size_t size;
    const char *name; /* from its options; NULL: none */
    bool released;    /* the space is closed */
};

struct record {
    hf_backend backend; /* must be first: its functions cast its address to the record */
    const hf_backend *under;
    uint64_t start; /* platform_now() in record_open */
    struct array events, spaces;
    size_t lost; /* events for which there was no memory */
};

/* Begins a record over the backend `under`, which must outlive it. `under` must keep no data in its
 * struct (the native one does not), because functions that are not replaced get the copy. False: no
 * memory. */
bool record_open(struct record *record, const hf_backend *under);
void record_close(struct record *record);

/* Nanoseconds since record_open. */
uint64_t record_now(const struct record *record);

/* Records how many bytes the arena at this base has allocated. */
void record_used(struct record *record, const void *base, size_t used);

/* Record a label at the current time, and the end of a phase. The label must outlive the record. */
void record_label(struct record *record, const char *label);
void record_phase(struct record *record, const char *label);

static inline const struct event *record_event(const struct record *record, size_t index) {
    return (const struct event *)record->events.items + index;
}

static inline struct recorded_space *record_space(const struct record *record, size_t index) {
    return (struct recorded_space *)record->spaces.items + index;
}

#endif
