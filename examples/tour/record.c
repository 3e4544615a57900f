/*
 * record.c -- each memory function of the backend calls the native one's, then records the step.
 */
#include "record.h"

#include "platform.h"

/* Casts const away: backend.h passes the backend as const, but record_open had a writable
 * record. */
static struct record *record_of(const hf_backend *self) { return (struct record *)(uintptr_t)self; }

uint64_t record_now(const struct record *record) { return platform_now() - record->start; }

static void add_event(struct record *record, struct event event) {
    struct event *added = array_add(&record->events);
    event.time = record_now(record);
    if (added)
        *added = event;
    else
        record->lost++;
}

/* The index of the space that contains the address; SIZE_MAX: none. A linear search is enough for a
 * few spaces. */
static size_t space_at(const struct record *record, const void *address) {
    for (size_t i = record->spaces.count; i-- > 0;) {
        const struct recorded_space *space = record_space(record, i);
        uintptr_t offset = (uintptr_t)address - (uintptr_t)space->base;
        if (!space->released && offset < space->size) return i;
    }
    return SIZE_MAX;
}

static hf_status record_step(struct record *record, event_kind kind, const void *address,
                             size_t size, hf_status status) {
    size_t space = space_at(record, address);
    if (space == SIZE_MAX) {
        record->lost++;
        return status;
    }
    size_t offset = (size_t)((const char *)address - record_space(record, space)->base);
    add_event(record,
              (struct event){
                  .kind = kind, .status = status, .space = space, .offset = offset, .size = size});
    return status;
}

/* --------------------------------------------------------- the backend's functions -------- */

static hf_status reserve(const hf_backend *self, void *base, size_t size, void **address,
                         hf_report *report) {
    struct record *record = record_of(self);
    hf_status status = record->under->reserve(record->under, base, size, address, report);
    struct recorded_space *space = status == HF_OK ? array_add(&record->spaces) : NULL;
    if (!space) return status;
    *space = (struct recorded_space){.base = *address, .size = size};
    return record_step(record, EVENT_RESERVE, *address, size, status);
}

/* Called for each region of a space that is closed, the lowest first. */
static void release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    struct record *record = record_of(self);
    record->under->release(record->under, address, size, kind);
    record_step(record, EVENT_RELEASE, address, size, HF_OK);
    size_t space = space_at(record, address);
    if (space == SIZE_MAX) return;
    struct recorded_space *released = record_space(record, space);
    released->released = (char *)address + size == released->base + released->size;
}

static hf_status split(const hf_backend *self, void *address, size_t size, hf_report *report) {
    struct record *record = record_of(self);
    hf_status status = record->under->split(record->under, address, size, report);
    return record_step(record, EVENT_SPLIT, address, size, status);
}

static hf_status coalesce(const hf_backend *self, void *address, size_t size, hf_report *report) {
    struct record *record = record_of(self);
    hf_status status = record->under->coalesce(record->under, address, size, report);
    return record_step(record, EVENT_COALESCE, address, size, status);
}

static hf_status commit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    struct record *record = record_of(self);
    hf_status status = record->under->commit(record->under, address, size, report);
    return record_step(record, EVENT_COMMIT, address, size, status);
}

static hf_status decommit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    struct record *record = record_of(self);
    hf_status status = record->under->decommit(record->under, address, size, report);
    return record_step(record, EVENT_DECOMMIT, address, size, status);
}

static hf_status map(const hf_backend *self, void *address, size_t size, intptr_t file,
                     uint64_t file_offset, hf_access access, hf_report *report) {
    struct record *record = record_of(self);
    hf_status status =
        record->under->map(record->under, address, size, file, file_offset, access, report);
    return record_step(record, EVENT_MAP, address, size, status);
}

static hf_status unmap(const hf_backend *self, void *address, size_t size, hf_report *report) {
    struct record *record = record_of(self);
    hf_status status = record->under->unmap(record->under, address, size, report);
    return record_step(record, EVENT_UNMAP, address, size, status);
}

static void name(const hf_backend *self, void *address, size_t size, const char *text,
                 hf_report *report) {
    struct record *record = record_of(self);
    size_t space = space_at(record, address);
    if (space != SIZE_MAX) record_space(record, space)->name = text;
    if (record->under->name) record->under->name(record->under, address, size, text, report);
}

/* --------------------------------------------------------------------- the record --------- */

bool record_open(struct record *record, const hf_backend *under) {
    *record = (struct record){.backend = *under, .under = under, .start = platform_now()};
    record->backend.reserve = reserve;
    record->backend.release = release;
    record->backend.split = split;
    record->backend.coalesce = coalesce;
    record->backend.commit = commit;
    record->backend.decommit = decommit;
    record->backend.map = map;
    record->backend.unmap = unmap;
    record->backend.name = name;
    return array_open(&record->events, sizeof(struct event), "events") &&
           array_open(&record->spaces, sizeof(struct recorded_space), "spaces");
}

void record_close(struct record *record) {
    array_close(&record->spaces);
    array_close(&record->events);
}

void record_used(struct record *record, const void *base, size_t used) {
    size_t space = space_at(record, base);
    if (space != SIZE_MAX)
        add_event(record, (struct event){.kind = EVENT_USED, .space = space, .size = used});
}

void record_label(struct record *record, const char *label) {
    add_event(record, (struct event){.kind = EVENT_LABEL, .label = label});
}

void record_phase(struct record *record, const char *label) {
    add_event(record, (struct event){.kind = EVENT_PHASE, .label = label});
}
