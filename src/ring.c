/*
 * ring.c -- the mirrored ring buffer: how its memory is mapped twice, and its two positions.
 *
 *      file     | positions |   bytes   |
 *      memory   | positions |   bytes   |   bytes   |
 *               0           64 KiB      + capacity  + capacity
 *
 * Every ring lies in a file, if need be one of memory: so a ring between processes is no other.
 *
 * The positions lie where other processes can write: they are looked at each time before they are
 * believed. The way through the ring is inline in the header.
 */
#include <holdfast/ring.h>
#include <holdfast/space.h>

#include "again.h"
#include "fail.h"
#include "file.h"
#include "pages.h"

#include <string.h>

/* The first bytes of a ring's file; they never change once they are whole. */
typedef union description {
    struct {
        char magic[8];
        uint32_t byte_order, pointer_size;
        uint64_t capacity;
    } is;
    size_t words[sizeof((hf_ring_shared *)0)->description / sizeof(size_t)];
} description;

#define WORDS (sizeof(description) / sizeof(size_t))

/* Not at a page's beginning, where loads wait for any store across the end of a page: copies into
 * the ring are full of those. */
typedef struct ring_core {
    char apart[64];
    hf_ring shown;
    const hf_backend *backend;
    hf_space *space; /* NULL: views at addresses that were free */
} ring_core;

#define POSITIONS HF_RING_POSITIONS

/* Where another thread is always quicker, it will not stop being so. */
#define TRIES 100

/* ---------------------------------------------------------------- the same pages twice --- */

/* The three views, in the order of their addresses. */
typedef struct part {
    size_t offset, size;
    uint64_t file_offset;
} part;

#define PARTS 3

static part part_of(const ring_core *ring, size_t number) {
    size_t bytes = ring->shown.capacity;
    const part parts[PARTS] = {
        {0, POSITIONS, 0}, {POSITIONS, bytes, POSITIONS}, {POSITIONS + bytes, bytes, POSITIONS}};
    return parts[number];
}

static size_t extent_of(const ring_core *ring) { return POSITIONS + 2 * ring->shown.capacity; }

static hf_status map_parts(ring_core *ring, hf_file *file) {
    hf_status status = HF_OK;
    for (size_t i = 0; status == HF_OK && i < PARTS; i++) {
        part view = part_of(ring, i);
        status = hf_space_map_range(ring->space, view.offset, view.size, file, view.file_offset,
                                    HF_READ_WRITE);
    }
    return status;
}

static hf_status mirror_in_space(ring_core *ring, hf_file *file) {
    hf_space_options options = {.backend = ring->backend};
    hf_status status = hf_space_open(&ring->space, extent_of(ring), &options);
    if (status != HF_OK) return status;
    status = map_parts(ring, file);
    if (status == HF_OK)
        ring->shown.shared = (void *)hf_space_base(ring->space);
    else
        hf_space_close(ring->space);
    return status;
}

static void release_parts(const ring_core *ring, char *base, size_t count) {
    while (count-- > 0) {
        part view = part_of(ring, count);
        ring->backend->release(ring->backend, base + view.offset, view.size, HF_VIEW);
    }
}

static hf_status map_free_parts(ring_core *ring, hf_file *file, char *base, hf_report *report) {
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
    ring->shown.shared = (void *)base;
    return HF_OK;
}

/* Addresses that were free a moment ago: between the release and the views any other thread of the
 * process may take them. */
static hf_status mirror_at_free_addresses(ring_core *ring, hf_file *file) {
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

static hf_status mirror(ring_core *ring, hf_file *file) {
    return ring->backend->map_free ? mirror_at_free_addresses(ring, file)
                                   : mirror_in_space(ring, file);
}

static void unmap(ring_core *ring) {
    if (ring->space)
        hf_space_close(ring->space);
    else
        release_parts(ring, (char *)ring->shown.shared, PARTS);
}

/* ------------------------------------------------------------------- the positions ------- */

bool hf_ring_look_for_room(hf_ring *ring, size_t size) {
    ring->shared->producer.seen = hf_load_acquire(&ring->shared->consumer.position);
    return hf_ring_has_room(ring, size);
}

bool hf_ring_look_for_bytes(hf_ring *ring, size_t size) {
    ring->shared->consumer.seen = hf_load_acquire(&ring->shared->producer.position);
    return hf_ring_has_bytes(ring, size);
}

void hf_ring_write_end_slow(hf_ring *ring, size_t written) {
    if (hf_ring_look_for_room(ring, written))
        hf_ring_write_end(ring, written);
    else
        hf_fail(HF_INVALID, "hf_ring_write_end", ring->shared->producer.position, written);
}

void hf_ring_read_end_slow(hf_ring *ring, size_t consumed) {
    if (hf_ring_look_for_bytes(ring, consumed))
        hf_ring_read_end(ring, consumed);
    else
        hf_fail(HF_INVALID, "hf_ring_read_end", ring->shared->consumer.position, consumed);
}

size_t hf_ring_capacity(const hf_ring *ring) { return ring ? ring->capacity : 0; }

/* --------------------------------------------------------------- opening and closing ----- */

static description describe(size_t capacity) {
    description what = {
        .is = {.byte_order = 0x01020304, .pointer_size = sizeof(void *), .capacity = capacity}};
    memcpy(what.is.magic, "hf ring", sizeof what.is.magic);
    return what;
}

/* Each byte is there, or not written yet. */
static bool is_part_of(size_t found, size_t expected) {
    for (size_t byte = 0; byte < sizeof found; byte++, found >>= 8, expected >>= 8)
        if ((found & 0xff) != 0 && (found & 0xff) != (expected & 0xff)) return false;
    return true;
}

/* A file of zeros becomes a ring, and so does one whose maker died before it had written the whole
 * description. */
static bool is_ring(hf_ring_shared *shared, size_t capacity) {
    description expected = describe(capacity);
    const size_t *found = (size_t *)(void *)shared->description;
    for (size_t i = 0; i < WORDS; i++)
        if (!is_part_of(hf_load_acquire(&found[i]), expected.words[i])) return false;
    size_t ready =
        hf_load_acquire(&shared->producer.position) - hf_load_acquire(&shared->consumer.position);
    return ready <= capacity;
}

/* Processes that find the file new store the same words, the magic last. */
static void complete(hf_ring_shared *shared, size_t capacity) {
    description expected = describe(capacity);
    size_t *found = (size_t *)(void *)shared->description;
    for (size_t i = WORDS; i-- > 0;)
        if (hf_load_acquire(&found[i]) != expected.words[i])
            hf_store_release(&found[i], expected.words[i]);
}

static hf_status no_ring(size_t capacity) {
    return hf_fail_because(HF_CORRUPT, "hf_ring_open_file", "the file holds no ring of this size",
                           0, capacity);
}

/* Before anything is mapped: a store into a hole would fault if the disk were full. */
static hf_status prepare_file(hf_file *file, size_t capacity) {
    const hf_backend *backend = hf_file_backend(file);
    intptr_t handle = hf_file_handle(file);
    hf_ring_shared head;
    hf_report report = {0};
    if (hf_file_is_memory(file)) return HF_OK;
    hf_status status = backend->file_read(backend, handle, 0, &head, sizeof head, &report);
    if (status == HF_OK && !is_ring(&head, capacity)) return no_ring(capacity);
    if (status == HF_OK)
        status = backend->file_fill(backend, handle, POSITIONS + capacity, true, &report);
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, 0, POSITIONS + capacity);
}

static hf_status map_ring(ring_core *ring, hf_file *file) {
    hf_status status = mirror(ring, file);
    if (status != HF_OK) return status;
    if (!is_ring(ring->shown.shared, ring->shown.capacity)) {
        unmap(ring);
        return no_ring(ring->shown.capacity);
    }
    complete(ring->shown.shared, ring->shown.capacity);
    return HF_OK;
}

static size_t record_bytes(const hf_backend *backend) {
    return hf_pages_for(backend, sizeof(ring_core));
}

/* NULL: refused, and the last error says why. */
static ring_core *take_ring(const hf_backend *backend) {
    hf_report report = {0};
    void *memory;
    size_t bytes = record_bytes(backend);
    hf_status status = hf_allocate_pages(backend, bytes, &memory, &report);
    if (status == HF_OK) return memory;
    hf_fail_reported(status, &report, 0, bytes);
    return NULL;
}

static hf_status open_on(hf_ring **result, hf_file *file, size_t capacity) {
    const hf_backend *backend = hf_file_backend(file);
    ring_core *ring = take_ring(backend);
    if (ring == NULL) return hf_last_error().status;
    *ring = (ring_core){.shown = {.capacity = capacity}, .backend = backend};
    hf_status status = map_ring(ring, file);
    if (status == HF_OK)
        *result = &ring->shown;
    else
        backend->free_pages(backend, ring, record_bytes(backend));
    return status;
}

/* Twice of it, and the positions, can be addressed. */
#define MOST (SIZE_MAX / 4 + 1)

/* The largest power of two that is not larger. */
static size_t round_to_power(size_t size) {
    size_t power = MOST;
    while (power > size) power /= 2;
    return power;
}

/* Why no ring can be opened on the file; NULL if one can. */
static const char *ring_fault_of(const hf_file *file) {
    uint64_t size = hf_file_size(file);
    if (!hf_file_permits(file, HF_READ_WRITE)) return "the file is not open for writing";
    if (size < POSITIONS + HF_ALLOCATION_GRANULARITY)
        return "the file has less than a ring's 128 KiB";
    return size - POSITIONS > MOST ? "the file is too large to be mapped twice" : NULL;
}

hf_status hf_ring_open_file(hf_ring **ring, hf_file *file) {
    if (ring == NULL || file == NULL) return hf_fail(HF_INVALID, "hf_ring_open_file", 0, 0);
    const char *why = ring_fault_of(file);
    if (why) return hf_fail_because(HF_INVALID, "hf_ring_open_file", why, 0, 0);
    if (hf_file_has_huge_pages(file)) return hf_fail(HF_UNSUPPORTED, "hf_ring_open_file", 0, 0);
    size_t capacity = round_to_power((size_t)(hf_file_size(file) - POSITIONS));
    hf_status status = prepare_file(file, capacity);
    return status == HF_OK ? open_on(ring, file, capacity) : status;
}

hf_status hf_ring_open(hf_ring **ring, size_t least_capacity, const hf_backend *backend) {
    if (ring == NULL || least_capacity == 0 || least_capacity > MOST)
        return hf_fail(HF_INVALID, "hf_ring_open", 0, least_capacity);
    size_t capacity = round_to_power(2 * least_capacity - 1);
    if (capacity < HF_ALLOCATION_GRANULARITY) capacity = HF_ALLOCATION_GRANULARITY;
    hf_file *file;
    hf_status status = hf_file_create_shared(&file, POSITIONS + capacity, backend);
    if (status != HF_OK) return status;
    status = open_on(ring, file, capacity);
    hf_file_close(file);
    return status;
}

void hf_ring_close(hf_ring *ring) {
    if (ring == NULL) return;
    ring_core *core = (ring_core *)(void *)((char *)ring - offsetof(ring_core, shown));
    unmap(core);
    core->backend->free_pages(core->backend, core, record_bytes(core->backend));
}
