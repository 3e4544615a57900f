/*
 * ring.c -- the mirrored ring buffer: how its memory is mapped twice, and its two positions.
 *
 *      file     | positions |   bytes   |
 *      memory   | positions |   bytes   |   bytes   |
 *               0           64 KiB      + capacity  + capacity
 *
 * Every ring lies in a file; hf_ring_open creates one of shared memory. So a ring within a process
 * and one between processes are the same.
 *
 * Other processes can write to the positions, so each use of them checks them first. The functions
 * that write to the ring and read from it are inline in the header.
 */
#include <holdfast/ring.h>
#include <holdfast/space.h>

#include "compatible.h"
#include "fail.h"
#include "file_access.h"
#include "pages.h"
#include "retry.h"

#include <assert.h>
#include <string.h>

/* The first bytes of a ring's file. Once all of them are written they never change. */
typedef union ring_description {
    struct {
        char magic[8];
        uint32_t byte_order, pointer_size;
        uint64_t capacity;
    } fields;
    size_t words[sizeof((hf_ring_shared *)0)->description / sizeof(size_t)];
} ring_description;

#define RING_WORDS (sizeof(ring_description) / sizeof(size_t))

/* The padding moves hf_ring away from the beginning of its page: a load from there waits for every
 * store across the end of a page, and copies into the ring make many of those. */
typedef struct ring_core {
    char padding[64];
    hf_ring ring; /* what the program has a pointer to */
    const hf_backend *backend;
    hf_space *space; /* NULL: the views were mapped at free addresses, by map_free */
} ring_core;

/* The largest capacity of which two and the positions fit in the address space. */
#define RING_MOST_CAPACITY (SIZE_MAX / 4 + 1)

/* Give up after other threads took the addresses 100 times in a row. */
#define RING_MOST_TRIES 100

/* ---------------------------------------------------------------- the same pages twice --- */

/* One of the three views. */
typedef struct ring_view {
    size_t offset, size;
    uint64_t file_offset;
} ring_view;

#define RING_VIEWS 3

/* The views are numbered in the order of their addresses. */
static ring_view ring_view_of(const ring_core *core, size_t number) {
    assert(number < RING_VIEWS);
    size_t bytes = core->ring.capacity;
    const ring_view views[RING_VIEWS] = {{0, HF_RING_POSITIONS, 0},
                                         {HF_RING_POSITIONS, bytes, HF_RING_POSITIONS},
                                         {HF_RING_POSITIONS + bytes, bytes, HF_RING_POSITIONS}};
    return views[number];
}

static size_t ring_extent_of(const ring_core *core) {
    return HF_RING_POSITIONS + 2 * core->ring.capacity;
}

static hf_status ring_map_views(ring_core *core, hf_file *file) {
    hf_status status = HF_OK;
    for (size_t i = 0; status == HF_OK && i < RING_VIEWS; i++) {
        ring_view view = ring_view_of(core, i);
        status = hf_space_map_range(core->space, view.offset, view.size, file, view.file_offset,
                                    HF_READ_WRITE);
    }
    return status;
}

static hf_status ring_mirror_in_space(ring_core *core, hf_file *file) {
    hf_space_options options = {.backend = core->backend};
    hf_status status = hf_space_open(&core->space, ring_extent_of(core), &options);
    if (status != HF_OK) return status;
    status = ring_map_views(core, file);
    if (status == HF_OK)
        core->ring.shared = (void *)hf_space_base(core->space);
    else
        hf_space_close(core->space);
    return status;
}

static void ring_release_views(const ring_core *core, char *base, size_t count) {
    while (count-- > 0) {
        ring_view view = ring_view_of(core, count);
        core->backend->release(core->backend, base + view.offset, view.size, HF_VIEW);
    }
}

static hf_status ring_map_free_views(ring_core *core, hf_file *file, char *base,
                                     hf_report *report) {
    const hf_backend *backend = core->backend;
    for (size_t i = 0; i < RING_VIEWS; i++) {
        ring_view view = ring_view_of(core, i);
        hf_status status =
            backend->map_free(backend, base + view.offset, view.size, hf_file_handle(file),
                              view.file_offset, HF_READ_WRITE, report);
        if (status == HF_OK) continue;
        ring_release_views(core, base, i);
        return status;
    }
    core->ring.shared = (void *)base;
    return HF_OK;
}

/* For a backend that cannot map into a placeholder. Reserves addresses, releases them and maps the
 * views there. In between another thread of the process may take the addresses (HF_NO_ADDRESS):
 * then other addresses are tried. */
static hf_status ring_mirror_at_free_addresses(ring_core *core, hf_file *file) {
    const hf_backend *backend = core->backend;
    size_t size = ring_extent_of(core);
    hf_report report = {0};
    hf_status status = HF_NO_ADDRESS;
    for (int tries = 0; tries < RING_MOST_TRIES && status == HF_NO_ADDRESS; tries++) {
        void *base;
        status = backend->reserve(backend, NULL, size, &base, &report);
        if (status != HF_OK) break;
        backend->release(backend, base, size, HF_PLACEHOLDER);
        status = ring_map_free_views(core, file, base, &report);
    }
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, 0, size);
}

static hf_status ring_mirror(ring_core *core, hf_file *file) {
    return HF_HAS(core->backend, map_free) ? ring_mirror_at_free_addresses(core, file)
                                           : ring_mirror_in_space(core, file);
}

static void ring_unmap(ring_core *core) {
    if (core->space)
        hf_space_close(core->space);
    else
        ring_release_views(core, (char *)core->ring.shared, RING_VIEWS);
}

/* ------------------------------------------------------------------- the positions ------- */

#ifndef NDEBUG
/* The positions are not asserted: another process can store anything into them, at any time. */
static bool ring_is_capacity(size_t capacity) {
    return capacity >= HF_ALLOCATION_GRANULARITY && capacity <= RING_MOST_CAPACITY &&
           (capacity & (capacity - 1)) == 0;
}
#endif

bool hf_ring_look_for_room(hf_ring *ring, size_t size) {
    assert(ring->shared != NULL && ring_is_capacity(ring->capacity));
    ring->shared->producer.seen = hf_load_acquire(&ring->shared->consumer.position);
    return hf_ring_has_room(ring, size);
}

bool hf_ring_look_for_bytes(hf_ring *ring, size_t size) {
    assert(ring->shared != NULL && ring_is_capacity(ring->capacity));
    ring->shared->consumer.seen = hf_load_acquire(&ring->shared->producer.position);
    return hf_ring_has_bytes(ring, size);
}

void hf_ring_write_end_slow(hf_ring *ring, size_t written) {
    if (hf_ring_look_for_room(ring, written))
        hf_ring_write_end(ring, written);
    else
        hf_fail_because(HF_INVALID, "hf_ring_write_end", "the ring has not so much room",
                        ring->shared->producer.position, written);
}

void hf_ring_read_end_slow(hf_ring *ring, size_t consumed) {
    if (hf_ring_look_for_bytes(ring, consumed))
        hf_ring_read_end(ring, consumed);
    else
        hf_fail_because(HF_INVALID, "hf_ring_read_end", "the ring has not so many bytes",
                        ring->shared->consumer.position, consumed);
}

size_t hf_ring_capacity(const hf_ring *ring) { return ring ? ring->capacity : 0; }

/* --------------------------------------------------------------- opening and closing ----- */

static ring_description ring_describe(size_t capacity) {
    ring_description result = {
        .fields = {.byte_order = 0x01020304, .pointer_size = sizeof(void *), .capacity = capacity}};
    memcpy(result.fields.magic, "hf ring", sizeof result.fields.magic);
    return result;
}

/* True if each byte is the expected one, or 0: not written yet. */
static bool ring_is_part_of(size_t found, size_t expected) {
    for (size_t byte = 0; byte < sizeof found; byte++, found >>= 8, expected >>= 8)
        if ((found & 0xff) != 0 && (found & 0xff) != (expected & 0xff)) return false;
    return true;
}

/* True for a ring of this capacity with sound positions. A file of zeros is one too, and so is a
 * file whose creator died before it had written the whole description. */
static bool ring_is_valid(hf_ring_shared *shared, size_t capacity) {
    ring_description expected = ring_describe(capacity);
    const size_t *found = (size_t *)(void *)shared->description;
    for (size_t i = 0; i < RING_WORDS; i++)
        if (!ring_is_part_of(hf_load_acquire(&found[i]), expected.words[i])) return false;
    size_t ready =
        hf_load_acquire(&shared->producer.position) - hf_load_acquire(&shared->consumer.position);
    return ready <= capacity;
}

/* Stores the words of the description that are missing, the magic last. Several processes may do so
 * at once, because all of them store the same words. */
static void ring_complete(hf_ring_shared *shared, size_t capacity) {
    ring_description expected = ring_describe(capacity);
    size_t *found = (size_t *)(void *)shared->description;
    for (size_t i = RING_WORDS; i-- > 0;)
        if (hf_load_acquire(&found[i]) != expected.words[i])
            hf_store_release(&found[i], expected.words[i]);
}

static hf_status ring_fail_corrupt(size_t capacity) {
    return hf_fail_because(HF_CORRUPT, "hf_ring_open_file",
                           "the file contains no ring of this size", 0, capacity);
}

/* Checks the file and allocates the blocks that it lacks. This comes before it is mapped: a store
 * into a hole faults when the disk is full. */
static hf_status ring_prepare_file(hf_file *file, size_t capacity) {
    const hf_backend *backend = hf_file_backend(file);
    intptr_t handle = hf_file_handle(file);
    hf_ring_shared head;
    hf_report report = {0};
    if (hf_file_is_memory(file)) return HF_OK;
    hf_status status = backend->file_read(backend, handle, 0, &head, sizeof head, &report);
    if (status == HF_OK && !ring_is_valid(&head, capacity)) return ring_fail_corrupt(capacity);
    if (status == HF_OK)
        status = backend->file_fill(backend, handle, HF_RING_POSITIONS + capacity, true, &report);
    return status == HF_OK ? HF_OK
                           : hf_fail_reported(status, &report, 0, HF_RING_POSITIONS + capacity);
}

static hf_status ring_map(ring_core *core, hf_file *file) {
    hf_status status = ring_mirror(core, file);
    if (status != HF_OK) return status;
    if (!ring_is_valid(core->ring.shared, core->ring.capacity)) {
        ring_unmap(core);
        return ring_fail_corrupt(core->ring.capacity);
    }
    ring_complete(core->ring.shared, core->ring.capacity);
    return HF_OK;
}

static size_t ring_record_bytes(const hf_backend *backend) {
    return hf_pages_for(backend, sizeof(ring_core));
}

/* NULL if the backend has no pages for it; the last error says why. */
static ring_core *ring_allocate(const hf_backend *backend) {
    hf_report report = {0};
    void *memory;
    size_t bytes = ring_record_bytes(backend);
    hf_status status = hf_allocate_pages(backend, bytes, &memory, &report);
    if (status == HF_OK) return memory;
    hf_fail_reported(status, &report, 0, bytes);
    return NULL;
}

static hf_status ring_open_on(hf_ring **result, hf_file *file, size_t capacity) {
    const hf_backend *backend = hf_file_backend(file);
    assert(ring_is_capacity(capacity) && capacity <= hf_file_size(file) - HF_RING_POSITIONS);
    ring_core *core = ring_allocate(backend);
    if (core == NULL) return hf_last_error().status;
    *core = (ring_core){.ring = {.capacity = capacity}, .backend = backend};
    hf_status status = ring_map(core, file);
    if (status == HF_OK)
        *result = &core->ring;
    else
        backend->free_pages(backend, core, ring_record_bytes(backend));
    return status;
}

/* The largest power of two up to size, which is at least 1. */
static size_t ring_round_down_to_power(size_t size) {
    assert(size > 0);
    size_t power = RING_MOST_CAPACITY;
    while (power > size) power /= 2;
    return power;
}

/* Why no ring can be opened on the file; NULL if one can. */
static const char *ring_fault_of(const hf_file *file) {
    uint64_t size = hf_file_size(file);
    if (!hf_file_permits(file, HF_READ_WRITE)) return "the file is not open for writing";
    if (size < HF_RING_POSITIONS + HF_ALLOCATION_GRANULARITY)
        return "the file has less than a ring's 128 KiB";
    return size - HF_RING_POSITIONS > RING_MOST_CAPACITY
               ? "the file is too large to be mapped twice"
               : NULL;
}

hf_status hf_ring_open_file(hf_ring **ring, hf_file *file) {
    if (ring == NULL || file == NULL) return hf_fail(HF_INVALID, "hf_ring_open_file", 0, 0);
    const char *reason = ring_fault_of(file);
    if (reason) return hf_fail_because(HF_INVALID, "hf_ring_open_file", reason, 0, 0);
    if (hf_file_has_huge_pages(file))
        return hf_fail_because(HF_UNSUPPORTED, "hf_ring_open_file", HF_HUGETLBFS_REASON, 0, 0);
    size_t capacity = ring_round_down_to_power((size_t)(hf_file_size(file) - HF_RING_POSITIONS));
    hf_status status = ring_prepare_file(file, capacity);
    return status == HF_OK ? ring_open_on(ring, file, capacity) : status;
}

hf_status hf_ring_open(hf_ring **ring, size_t least_capacity, const hf_backend *backend) {
    if (ring == NULL || least_capacity == 0 || least_capacity > RING_MOST_CAPACITY)
        return hf_fail(HF_INVALID, "hf_ring_open", 0, least_capacity);
    hf_status status = hf_check_backend(backend, "hf_ring_open");
    if (status != HF_OK) return status;
    size_t capacity = ring_round_down_to_power(2 * least_capacity - 1);
    if (capacity < HF_ALLOCATION_GRANULARITY) capacity = HF_ALLOCATION_GRANULARITY;
    hf_file *file;
    status = hf_file_create_shared(&file, HF_RING_POSITIONS + capacity, backend);
    if (status != HF_OK) return status;
    status = ring_open_on(ring, file, capacity);
    hf_file_close(file);
    return status;
}

void hf_ring_close(hf_ring *ring) {
    if (ring == NULL) return;
    ring_core *core = (ring_core *)(void *)((char *)ring - offsetof(ring_core, ring));
    assert(ring->shared != NULL && ring_is_capacity(ring->capacity));
    ring_unmap(core);
    core->backend->free_pages(core->backend, core, ring_record_bytes(core->backend));
}
