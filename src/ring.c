/*
 * ring.c -- the mirrored ring buffer: how its memory is mapped twice, and its two positions.
 *
 * A position is two numbers. `total` counts every byte that ever passed, and wraps where size_t
 * does: the difference of the two totals is what is ready, without a doubt whether a ring is empty
 * or full. `offset` is where in the ring that is. Each position is written by its own side alone,
 * which publishes the total; it lies in a cache line that only it writes.
 */
#include <holdfast/ring.h>
#include <holdfast/space.h>

#include "atomic.h"
#include "fail.h"
#include "file.h"
#include "pages.h"

/* Two lines, for processors that fetch them in pairs. */
#define CACHE_LINES 128

typedef union position {
    struct {
        size_t total, offset;
    } at;
    char lines[CACHE_LINES];
} position;

struct hf_ring {
    position producer, consumer;
    const hf_backend *backend;
    hf_space *space; /* NULL: two views at addresses that were free */
    char *base;
    size_t capacity;
};

/* Where another thread is always quicker, it will not stop being so. */
#define TRIES 100

/* ---------------------------------------------------------------- the same pages twice --- */

static hf_status map_both(hf_ring *ring, hf_file *file, hf_space *space) {
    size_t size = ring->capacity;
    hf_status status = hf_space_place_file(space, 0, size, file, 0, HF_READ_WRITE);
    if (status == HF_OK) status = hf_space_place_file(space, size, size, file, 0, HF_READ_WRITE);
    if (status != HF_OK) return status;
    ring->space = space;
    ring->base = hf_space_base(space);
    return HF_OK;
}

static hf_status mirror_in_space(hf_ring *ring, hf_file *file) {
    hf_space_options options = {.backend = ring->backend};
    hf_space *space;
    hf_status status = hf_space_open(&space, 2 * ring->capacity, &options);
    if (status != HF_OK) return status;
    status = map_both(ring, file, space);
    if (status != HF_OK) hf_space_close(space);
    return status;
}

static hf_status map_both_free(hf_ring *ring, hf_file *file, char *base, hf_report *report) {
    const hf_backend *backend = ring->backend;
    size_t size = ring->capacity;
    intptr_t handle = hf_file_handle(file);
    hf_status status = backend->map_free(backend, base, size, handle, 0, HF_READ_WRITE, report);
    if (status != HF_OK) return status;
    status = backend->map_free(backend, base + size, size, handle, 0, HF_READ_WRITE, report);
    if (status == HF_OK)
        ring->base = base;
    else
        backend->release(backend, base, size, HF_VIEW);
    return status;
}

/* Addresses that were free a moment ago: between the release and the two views any other thread
 * of the process may take them. */
static hf_status mirror_at_free_addresses(hf_ring *ring, hf_file *file) {
    const hf_backend *backend = ring->backend;
    size_t size = 2 * ring->capacity;
    hf_report report = {0};
    hf_status status = HF_NO_ADDRESS;
    for (int tries = 0; tries < TRIES && status == HF_NO_ADDRESS; tries++) {
        void *base;
        status = backend->reserve(backend, NULL, size, &base, &report);
        if (status != HF_OK) break;
        backend->release(backend, base, size, HF_PLACEHOLDER);
        status = map_both_free(ring, file, base, &report);
    }
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, 0, size);
}

static hf_status mirror(hf_ring *ring) {
    hf_file *file;
    hf_status status = hf_file_create_shared(&file, ring->capacity, ring->backend);
    if (status != HF_OK) return status;
    status = ring->backend->map_free ? mirror_at_free_addresses(ring, file)
                                     : mirror_in_space(ring, file);
    hf_file_close(file);
    return status;
}

/* --------------------------------------------------------------- opening and closing ----- */

static size_t record_bytes(const hf_backend *backend) {
    return hf_pages_for(backend, sizeof(hf_ring));
}

/* NULL: refused, and the last error says why. */
static hf_ring *take_ring(const hf_backend *backend) {
    hf_report report = {0};
    void *memory;
    size_t bytes = record_bytes(backend);
    hf_status status = backend->take_pages(backend, bytes, &memory, &report);
    if (status == HF_OK) return memory;
    hf_fail_reported(status, &report, 0, bytes);
    return NULL;
}

hf_status hf_ring_open(hf_ring **result, size_t least_capacity, const hf_backend *backend) {
    if (backend == NULL) backend = hf_backend_native();
    if (result == NULL || least_capacity == 0 || least_capacity > SIZE_MAX / 2 - HF_BASE_ALIGNMENT)
        return hf_fail(HF_INVALID, "hf_ring_open", 0, least_capacity);
    hf_ring *ring = take_ring(backend);
    if (ring == NULL) return hf_last_error().status;
    *ring =
        (hf_ring){.backend = backend, .capacity = hf_round_up(least_capacity, HF_BASE_ALIGNMENT)};
    hf_status status = mirror(ring);
    if (status == HF_OK)
        *result = ring;
    else
        backend->give_pages(backend, ring, record_bytes(backend));
    return status;
}

static void unmap_both(hf_ring *ring) {
    ring->backend->release(ring->backend, ring->base + ring->capacity, ring->capacity, HF_VIEW);
    ring->backend->release(ring->backend, ring->base, ring->capacity, HF_VIEW);
}

void hf_ring_close(hf_ring *ring) {
    if (ring == NULL) return;
    if (ring->space)
        hf_space_close(ring->space);
    else
        unmap_both(ring);
    ring->backend->give_pages(ring->backend, ring, record_bytes(ring->backend));
}

size_t hf_ring_capacity(const hf_ring *ring) { return ring ? ring->capacity : 0; }

/* ------------------------------------------------------------------- the positions ------- */

static size_t count_room(const hf_ring *ring) {
    size_t consumed = hf_load_acquire(&ring->consumer.at.total);
    return ring->capacity - (ring->producer.at.total - consumed);
}

static size_t count_ready(const hf_ring *ring) {
    return hf_load_acquire(&ring->producer.at.total) - ring->consumer.at.total;
}

static void advance(const hf_ring *ring, position *side, size_t size) {
    size_t to_seam = ring->capacity - side->at.offset;
    side->at.offset = size < to_seam ? side->at.offset + size : size - to_seam;
    hf_store_release(&side->at.total, side->at.total + size);
}

void *hf_ring_write_begin(hf_ring *ring, size_t *room) {
    *room = count_room(ring);
    return ring->base + ring->producer.at.offset;
}

void hf_ring_write_end(hf_ring *ring, size_t written) {
    if (written <= count_room(ring))
        advance(ring, &ring->producer, written);
    else
        hf_fail(HF_INVALID, "hf_ring_write_end", ring->producer.at.offset, written);
}

void *hf_ring_read_begin(hf_ring *ring, size_t *ready) {
    *ready = count_ready(ring);
    return ring->base + ring->consumer.at.offset;
}

void hf_ring_read_end(hf_ring *ring, size_t consumed) {
    if (consumed <= count_ready(ring))
        advance(ring, &ring->consumer, consumed);
    else
        hf_fail(HF_INVALID, "hf_ring_read_end", ring->consumer.at.offset, consumed);
}
