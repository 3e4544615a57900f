/*
 * ring.c -- the mirrored ring buffer: how its memory is mapped twice, and its two positions.
 *
 *      file     | positions |   bytes   |
 *      memory   | positions |   bytes   |   bytes   |
 *               0           64 KiB      + capacity  + capacity
 *
 * Every ring lies in a file, if need be one of memory: so a ring between processes is no other.
 *
 * A position runs from 0 to twice the capacity, and then from 0 again: so it tells an empty ring,
 * where both are equal, from a full one, where they are a capacity apart; and which of the bytes
 * it stands at needs no division. Each position is written by its own side alone, and lies in a
 * cache line that only it writes. Both lie where other processes can write: they are looked at
 * each time before they are believed.
 */
#include <holdfast/ring.h>
#include <holdfast/space.h>

#include "atomic.h"
#include "fail.h"
#include "file.h"
#include "pages.h"

#include <string.h>

/* Two cache lines, for processors that fetch them in pairs. */
#define APART 128

typedef struct description {
    char magic[8];
    uint32_t byte_order, pointer_size;
    uint64_t capacity;
} description;

typedef struct positions {
    union {
        description what;
        char lines[APART];
    } ring;
    union {
        size_t at;
        char lines[APART];
    } producer, consumer;
} positions;

struct hf_ring {
    const hf_backend *backend;
    hf_space *space; /* NULL: views at addresses that were free */
    positions *shared;
    char *base;
    size_t capacity;
};

#define POSITIONS HF_BASE_ALIGNMENT

/* Where another thread is always quicker, it will not stop being so. */
#define TRIES 100

/* ---------------------------------------------------------------- the same pages twice --- */

/* The three views, in the order of their addresses. */
typedef struct part {
    size_t offset, size;
    uint64_t file_offset;
} part;

#define PARTS 3

static part part_of(const hf_ring *ring, size_t number) {
    size_t bytes = ring->capacity;
    const part parts[PARTS] = {
        {0, POSITIONS, 0}, {POSITIONS, bytes, POSITIONS}, {POSITIONS + bytes, bytes, POSITIONS}};
    return parts[number];
}

static size_t extent_of(const hf_ring *ring) { return POSITIONS + 2 * ring->capacity; }

static void set_base(hf_ring *ring, void *base) {
    ring->shared = base;
    ring->base = (char *)base + POSITIONS;
}

static hf_status map_parts(hf_ring *ring, hf_file *file) {
    hf_status status = HF_OK;
    for (size_t i = 0; status == HF_OK && i < PARTS; i++) {
        part view = part_of(ring, i);
        status = hf_space_place_file(ring->space, view.offset, view.size, file, view.file_offset,
                                     HF_READ_WRITE);
    }
    return status;
}

static hf_status mirror_in_space(hf_ring *ring, hf_file *file) {
    hf_space_options options = {.backend = ring->backend};
    hf_status status = hf_space_open(&ring->space, extent_of(ring), &options);
    if (status != HF_OK) return status;
    status = map_parts(ring, file);
    if (status == HF_OK)
        set_base(ring, hf_space_base(ring->space));
    else
        hf_space_close(ring->space);
    return status;
}

static void release_parts(const hf_ring *ring, char *base, size_t count) {
    while (count-- > 0) {
        part view = part_of(ring, count);
        ring->backend->release(ring->backend, base + view.offset, view.size, HF_VIEW);
    }
}

static hf_status map_free_parts(hf_ring *ring, hf_file *file, char *base, hf_report *report) {
    const hf_backend *backend = ring->backend;
    for (size_t i = 0; i < PARTS; i++) {
        part view = part_of(ring, i);
        hf_status status =
            backend->map_free(backend, base + view.offset, view.size, hf_file_handle(file),
                              view.file_offset, HF_READ_WRITE, report);
        if (status == HF_OK) continue;
        release_parts(ring, base, i);
        return status;
    }
    set_base(ring, base);
    return HF_OK;
}

/* Addresses that were free a moment ago: between the release and the views any other thread of the
 * process may take them. */
static hf_status mirror_at_free_addresses(hf_ring *ring, hf_file *file) {
    const hf_backend *backend = ring->backend;
    size_t size = extent_of(ring);
    hf_report report = {0};
    hf_status status = HF_NO_ADDRESS;
    for (int tries = 0; tries < TRIES && status == HF_NO_ADDRESS; tries++) {
        void *base;
        status = backend->reserve(backend, NULL, size, &base, &report);
        if (status != HF_OK) break;
        backend->release(backend, base, size, HF_PLACEHOLDER);
        status = map_free_parts(ring, file, base, &report);
    }
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, 0, size);
}

static hf_status mirror(hf_ring *ring, hf_file *file) {
    return ring->backend->map_free ? mirror_at_free_addresses(ring, file)
                                   : mirror_in_space(ring, file);
}

static void unmap(hf_ring *ring) {
    if (ring->space)
        hf_space_close(ring->space);
    else
        release_parts(ring, (char *)ring->shared, PARTS);
}

/* ------------------------------------------------------------------- the positions ------- */

/* What lies between two positions; more than the capacity: they make no sense. */
static size_t distance(const hf_ring *ring, size_t from, size_t to) {
    size_t end = 2 * ring->capacity;
    if (from >= end || to >= end) return SIZE_MAX;
    return from <= to ? to - from : to + (end - from);
}

static size_t load(const size_t *position) { return hf_load_acquire(position); }

static size_t count_ready(const hf_ring *ring) {
    const positions *shared = ring->shared;
    size_t ready = distance(ring, load(&shared->consumer.at), load(&shared->producer.at));
    return ready <= ring->capacity ? ready : 0;
}

static size_t count_room(const hf_ring *ring) {
    const positions *shared = ring->shared;
    size_t ready = distance(ring, load(&shared->consumer.at), load(&shared->producer.at));
    return ready <= ring->capacity ? ring->capacity - ready : 0;
}

static size_t offset_of(const hf_ring *ring, size_t position) {
    if (position < ring->capacity) return position;
    return position - ring->capacity < ring->capacity ? position - ring->capacity : 0;
}

static void advance(const hf_ring *ring, size_t *position, size_t size) {
    size_t end = 2 * ring->capacity, at = load(position) + size;
    hf_store_release(position, at < end ? at : at - end);
}

void *hf_ring_write_begin(hf_ring *ring, size_t *room) {
    *room = count_room(ring);
    return ring->base + offset_of(ring, load(&ring->shared->producer.at));
}

void hf_ring_write_end(hf_ring *ring, size_t written) {
    if (written <= count_room(ring))
        advance(ring, &ring->shared->producer.at, written);
    else
        hf_fail(HF_INVALID, "hf_ring_write_end", load(&ring->shared->producer.at), written);
}

void *hf_ring_read_begin(hf_ring *ring, size_t *ready) {
    *ready = count_ready(ring);
    return ring->base + offset_of(ring, load(&ring->shared->consumer.at));
}

void hf_ring_read_end(hf_ring *ring, size_t consumed) {
    if (consumed <= count_ready(ring))
        advance(ring, &ring->shared->consumer.at, consumed);
    else
        hf_fail(HF_INVALID, "hf_ring_read_end", load(&ring->shared->consumer.at), consumed);
}

size_t hf_ring_capacity(const hf_ring *ring) { return ring ? ring->capacity : 0; }

/* --------------------------------------------------------------- opening and closing ----- */

static description describe(const hf_ring *ring) {
    description what = {
        .byte_order = 0x01020304, .pointer_size = sizeof(void *), .capacity = ring->capacity};
    memcpy(what.magic, "hf ring", sizeof what.magic);
    return what;
}

/* Two processes that find the file new write the same. */
static hf_status recognize(hf_ring *ring) {
    static const description blank;
    description expected = describe(ring), *found = &ring->shared->ring.what;
    if (memcmp(found, &blank, sizeof blank) == 0) memcpy(found, &expected, sizeof expected);
    size_t ready =
        distance(ring, load(&ring->shared->consumer.at), load(&ring->shared->producer.at));
    bool is_ring = memcmp(found, &expected, sizeof expected) == 0 && ready <= ring->capacity;
    return is_ring ? HF_OK : hf_fail(HF_CORRUPT, "hf_ring_open_file", 0, ring->capacity);
}

static hf_status map_ring(hf_ring *ring, hf_file *file) {
    hf_status status = mirror(ring, file);
    if (status != HF_OK) return status;
    status = recognize(ring);
    if (status != HF_OK) unmap(ring);
    return status;
}

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

static hf_status open_on(hf_ring **result, hf_file *file, size_t capacity) {
    const hf_backend *backend = hf_file_backend(file);
    hf_ring *ring = take_ring(backend);
    if (ring == NULL) return hf_last_error().status;
    *ring = (hf_ring){.backend = backend, .capacity = capacity};
    hf_status status = map_ring(ring, file);
    if (status == HF_OK)
        *result = ring;
    else
        backend->give_pages(backend, ring, record_bytes(backend));
    return status;
}

/* Twice a capacity, and the positions, can be addressed. */
#define MOST (SIZE_MAX / 2 - 2 * HF_BASE_ALIGNMENT)

hf_status hf_ring_open_file(hf_ring **ring, hf_file *file) {
    uint64_t size = file ? hf_file_size(file) : 0;
    if (ring == NULL || size < POSITIONS + HF_BASE_ALIGNMENT || size - POSITIONS > MOST ||
        !hf_file_permits(file, HF_READ_WRITE))
        return hf_fail(HF_INVALID, "hf_ring_open_file", 0, 0);
    return open_on(ring, file, hf_round_down((size_t)(size - POSITIONS), HF_BASE_ALIGNMENT));
}

hf_status hf_ring_open(hf_ring **ring, size_t least_capacity, const hf_backend *backend) {
    if (ring == NULL || least_capacity == 0 || least_capacity > MOST)
        return hf_fail(HF_INVALID, "hf_ring_open", 0, least_capacity);
    size_t capacity = hf_round_up(least_capacity, HF_BASE_ALIGNMENT);
    hf_file *file;
    hf_status status = hf_file_create_shared(&file, POSITIONS + capacity, backend);
    if (status != HF_OK) return status;
    status = open_on(ring, file, capacity);
    hf_file_close(file);
    return status;
}

void hf_ring_close(hf_ring *ring) {
    if (ring == NULL) return;
    unmap(ring);
    ring->backend->give_pages(ring->backend, ring, record_bytes(ring->backend));
}
