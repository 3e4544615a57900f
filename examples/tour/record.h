/*
 * record.h -- a backend that writes down what its spaces do: each step with address, size, time.
 *
 * It is what backend.h calls a backend of the program's own: a copy of the native one with the
 * memory functions replaced by ones that pass the call on and note it. Spaces and arenas are given
 * &record.backend in their options; pictures are made of the events afterwards.
 *
 * Threads: one. The tour has no more.
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
    EVENT_USED,   /* noted by the program: the bytes in use, in size */
    EVENT_MOMENT, /* noted by the program: its label */
    EVENT_PHASE   /* likewise: the end of something larger */
} event_kind;

struct event {
    uint64_t time; /* nanoseconds since record_open */
    event_kind kind;
    hf_status status; /* of a step: a failed one has changed nothing */
    size_t space;     /* index in record.spaces */
    size_t offset, size;
    const char *label;
};

struct recorded_space {
    char *base;
    size_t size;
    const char *name; /* as its options have it; NULL: none */
    bool released;
};

struct record {
    hf_backend backend; /* first: the functions find the record by it */
    const hf_backend *under;
    uint64_t start;
    struct array events, spaces;
    size_t lost; /* events for which there was no memory */
};

/* Records over `under`, a backend without data of its own, as the native one is: its functions are
 * called for the record too. It outlives the record. */
bool record_open(struct record *record, const hf_backend *under);
void record_close(struct record *record);

uint64_t record_now(const struct record *record);

/* Notes how many bytes from base on an arena has allocated. */
void record_used(struct record *record, const void *base, size_t used);

/* Note a moment worth a name, and the end of a phase; the label is a literal. */
void record_moment(struct record *record, const char *label);
void record_phase(struct record *record, const char *label);

static inline const struct event *record_event(const struct record *record, size_t index) {
    return (const struct event *)record->events.items + index;
}

static inline struct recorded_space *record_space(const struct record *record, size_t index) {
    return (struct recorded_space *)record->spaces.items + index;
}

#endif
