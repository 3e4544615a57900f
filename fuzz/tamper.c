/*
 * tamper.c -- see tamper.h.
 */
#include "tamper.h"

struct tamper tamper;
static const hf_backend *under;

void tamper_begin(const char *path) {
    tamper.has_struck = tamper.was_blind = false;
    tamper.looks_before = tamper.looks_after = 0;
    tamper.countdown = path ? tamper.plan_countdown : 0;
    tamper.plan_countdown = 0;
    tamper.path = path;
}

void tamper_end(void) {
    tamper_begin(NULL);
    tamper.sync_countdown = 0;
}

/* Before the library looks at the file. */
static void look(unsigned what) {
    if (tamper.countdown > 0 && --tamper.countdown == 0 && image_load(tamper.path, &tamper.file)) {
        image_do_damage(&tamper.file, &tamper.plan);
        tamper.has_struck = image_store(tamper.path, &tamper.file, false);
    }
    *(tamper.has_struck ? &tamper.looks_after : &tamper.looks_before) |= what;
}

static hf_status measure_tampered(const hf_backend *self, intptr_t file, uint64_t *size,
                                  hf_report *report) {
    (void)self;
    look(LOOKED_AT_SIZE);
    return under->file_measure(under, file, size, report);
}

static hf_status read_tampered(const hf_backend *self, intptr_t file, uint64_t offset, void *bytes,
                               size_t size, hf_report *report) {
    (void)self;
    look(LOOKED_AT_BYTES);
    return under->file_read(under, file, offset, bytes, size, report);
}

static hf_status map_tampered(const hf_backend *self, void *address, size_t size, intptr_t file,
                              uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self;
    look(MAPPED_IT);
    return under->map(under, address, size, file, file_offset, access, report);
}

static hf_status resize_tampered(const hf_backend *self, intptr_t file, uint64_t old_size,
                                 uint64_t new_size, hf_report *report) {
    unsigned needed = LOOKED_AT_SIZE | LOOKED_AT_BYTES;
    (void)self;
    if (tamper.has_struck && (tamper.looks_after & needed) != needed) tamper.was_blind = true;
    return under->file_resize(under, file, old_size, new_size, report);
}

static hf_status sync_tampered(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self;
    if (tamper.sync_countdown == 0 || --tamper.sync_countdown > 0)
        return under->file_sync(under, file, report);
    run.other_failures++;
    report->call = "sync_tampered";
    return tamper.sync_status;
}

/* The other functions of the native backend work with any backend as `self`. */
const hf_backend *tamper_backend(void) {
    static hf_backend backend;
    under = system_backend(MODEST_RESERVE);
    backend = *under;
    backend.file_measure = measure_tampered;
    backend.file_read = read_tampered;
    backend.file_resize = resize_tampered;
    backend.file_sync = sync_tampered;
    backend.map = map_tampered;
    return &backend;
}
