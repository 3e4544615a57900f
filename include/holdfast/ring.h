/*
 * holdfast/ring.h -- a ring buffer without a seam: the same pages twice, side by side; within a
 * process or between two.
 *
 *     hf_ring *ring;
 *     if (hf_ring_open(&ring, 1 << 20, NULL) != HF_OK) ...
 *
 *     size_t room;                                      // the producer
 *     char *into = hf_ring_write_begin(ring, &room);
 *     hf_ring_write_end(ring, read_some(socket, into, room));
 *
 *     size_t ready;                                     // the consumer
 *     char *from = hf_ring_read_begin(ring, &ready);
 *     hf_ring_read_end(ring, parse_some(from, ready));
 *
 *     hf_ring_close(ring);
 *
 * Behind the last byte lies the first one again, for a second mapping of the same memory begins
 * there. So whatever is free, and whatever is ready, is one piece wherever it lies:
 *
 *               capacity           capacity, again
 *      |####........#########|####........#########|
 *                   |        ready         |
 *           |  free  |
 *
 * No call waits or allocates, and none copies but hf_ring_write and hf_ring_read, which are for
 * messages that have a place of their own. The mirror is the smallest program on a space: a
 * placeholder split into three, and a view of the same file in each part. Where the system has no
 * placeholders (Windows before 10 version 1803 and Server 2019) the views go to addresses that
 * were free a moment before, tried again when another thread has taken them.
 *
 * Units: bytes. Threads: one producer and one consumer at a time, which may be two threads, or two
 * processes with a ring each on one file; the write functions are the producer's, the read
 * functions the consumer's. What was written before hf_ring_write_end can be read after the
 * hf_ring_read_begin, _least or hf_ring_read that tells it; likewise what was consumed is free.
 * hf_ring_capacity is anybody's. hf_ring_close must be the last use.
 *
 * Between processes the other side is not trusted with more than its bytes: positions that make no
 * sense are no room, and nothing to read. A process that dies leaves what it had ended; the next
 * one to open the file goes on from there. One that dies while it makes the ring leaves a file that
 * the next one makes a ring of.
 *
 * Caveats: the memory of hf_ring_open is shared memory: a child of fork() shares it, and some
 * systems keep it within a limit of its own (containers: the size of /dev/shm, the memory of the
 * cgroup). A file that is cut off under a ring faults where its bytes were. To the compiler the two
 * addresses of a byte are two objects: a side that stores through one and loads through the other,
 * with no call of the ring between, needs volatile or a compiler barrier.
 */
#ifndef HOLDFAST_RING_H
#define HOLDFAST_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "atomic.h"
#include "backend.h"
#include "file.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The bytes of a ring's file before those of its capacity. */
#define HF_RING_POSITIONS HF_ALLOCATION_GRANULARITY

/* What follows is for the inline functions below alone, down to hf_ring_open. */

/* Of one side, and written by it alone. */
typedef struct hf_ring_side {
    size_t position;                      /* bytes that it ended, ever */
    size_t seen;                          /* the other's position, as it was at the last look */
    char apart[128 - 2 * sizeof(size_t)]; /* cache lines that the other does not write */
} hf_ring_side;

/*
 * What both sides see, and other processes. Positions only rise. Their difference is what is ready,
 * also after they wrapped, for a capacity is a power of two. At 64 KiB begin the bytes.
 */
typedef struct hf_ring_shared {
    char description[128];
    hf_ring_side producer, consumer;
} hf_ring_shared;

typedef struct hf_ring {
    hf_ring_shared *shared;
    size_t capacity;
} hf_ring;

/*
 * Opens an empty ring of at least so many bytes, rounded up to a power of two, of 64 KiB at the
 * least; it takes twice as many addresses, and 64 KiB for the positions. backend NULL: the native
 * one, which outlives the ring. On failure *ring is untouched. INVALID: a capacity of 0, or one
 * whose double cannot be addressed; NO_ADDRESS, also where other threads took the addresses 100
 * times in a row; NO_MEMORY, NO_SPACE, MAP_LIMIT, IO: what the system said.
 */
hf_status hf_ring_open(hf_ring **ring, size_t least_capacity, const hf_backend *backend);

/*
 * Opens the ring that a read-write file holds: made with hf_file_create or hf_file_create_shared,
 * of HF_RING_POSITIONS and the capacity, the largest power of two that the file has beyond them. A
 * file of zeros is an empty ring. The file may be closed; its bytes are the ring's while any
 * process has it.
 *
 *      file     | positions |         capacity         |
 *               0           64 KiB
 *
 * Blocks that the file lacks (a sparse copy) are allocated first, so that no store finds the disk
 * full; not those of hf_file_create_shared, whose memory the system takes page by page.
 *
 * Processes that make one ring's file at the same time get one ring: hf_file_create succeeds in one
 * of them and makes the file whole before it has its name; in the others it fails with HF_IO
 * (EEXIST, ERROR_FILE_EXISTS), and they open the file.
 *
 * INVALID: a file that may not be written, or of less than 128 KiB; CORRUPT: neither a ring nor
 * zeros, or of another capacity, byte order or pointer size; NO_SPACE: the disk has no room for
 * what the file lacks; UNSUPPORTED: a file of huge pages (hugetlbfs); else as hf_ring_open.
 */
hf_status hf_ring_open_file(hf_ring **ring, hf_file *file);

/* NULL is allowed. */
void hf_ring_close(hf_ring *ring);

size_t hf_ring_capacity(const hf_ring *ring);

/* Within the ring, whatever the position. */
static inline char *hf_ring_at(const hf_ring *ring, size_t position) {
    return (char *)ring->shared + HF_RING_POSITIONS + (position & (ring->capacity - 1));
}

/* As far as was seen. Positions that make no sense are no room, and nothing to read. */
static inline bool hf_ring_has_room(const hf_ring *ring, size_t size) {
    const hf_ring_side *side = &ring->shared->producer;
    size_t ready = hf_load_acquire(&side->position) - side->seen;
    return size <= ring->capacity && ready <= ring->capacity - size;
}

static inline bool hf_ring_has_bytes(const hf_ring *ring, size_t size) {
    const hf_ring_side *side = &ring->shared->consumer;
    size_t ready = side->seen - hf_load_acquire(&side->position);
    return size <= ready && ready <= ring->capacity;
}

/* The same after another look, and the ends that need one. */
bool hf_ring_look_for_room(hf_ring *ring, size_t size);
bool hf_ring_look_for_bytes(hf_ring *ring, size_t size);
void hf_ring_write_end_slow(hf_ring *ring, size_t written);
void hf_ring_read_end_slow(hf_ring *ring, size_t consumed);

/* Where the next bytes go, and for how many there is room: *room may be 0. Costs one load of the
 * consumer's position. The bytes are the ring's once hf_ring_write_end has told how many. */
static inline void *hf_ring_write_begin(hf_ring *ring, size_t *room) {
    hf_ring_side *side = &ring->shared->producer;
    size_t at = hf_load_acquire(&side->position);
    size_t seen = hf_load_acquire(&ring->shared->consumer.position);
    *room = at - seen <= ring->capacity ? ring->capacity - (at - seen) : 0;
    side->seen = seen;
    return hf_ring_at(ring, at);
}

/* Where the next `least` bytes go; NULL: there is no room for them yet, and never will be for more
 * than hf_ring_capacity bytes: check that before waiting. For messages: costs a load of the
 * consumer's position only when the room seen before is used up. */
static inline void *hf_ring_write_least(hf_ring *ring, size_t least) {
    if (!hf_ring_has_room(ring, least) && !hf_ring_look_for_room(ring, least)) return NULL;
    return hf_ring_at(ring, hf_load_acquire(&ring->shared->producer.position));
}

/* Hands `written` bytes to the consumer; 0 is allowed. More than there is room for changes
 * nothing, and the last error is INVALID. */
static inline void hf_ring_write_end(hf_ring *ring, size_t written) {
    size_t *position = &ring->shared->producer.position;
    if (hf_ring_has_room(ring, written))
        hf_store_release(position, hf_load_acquire(position) + written);
    else
        hf_ring_write_end_slow(ring, written);
}

/* Copies a message to where the next bytes go, whole; false: there is no room for it yet, and
 * nothing is changed. A message of more than hf_ring_capacity bytes never has room: check its size
 * before waiting. */
static inline bool hf_ring_write(hf_ring *ring, const void *message, size_t size) {
    size_t *position = &ring->shared->producer.position, at = hf_load_acquire(position);
    if (!hf_ring_has_room(ring, size) && !hf_ring_look_for_room(ring, size)) return false;
    memcpy(hf_ring_at(ring, at), message, size);
    hf_store_release(position, at + size);
    return true;
}

/* Where the oldest bytes lie that are not consumed, and how many there are: *ready may be 0. They
 * stay until hf_ring_read_end. */
static inline void *hf_ring_read_begin(hf_ring *ring, size_t *ready) {
    hf_ring_side *side = &ring->shared->consumer;
    size_t at = hf_load_acquire(&side->position);
    size_t seen = hf_load_acquire(&ring->shared->producer.position);
    *ready = seen - at <= ring->capacity ? seen - at : 0;
    side->seen = seen;
    return hf_ring_at(ring, at);
}

/* Where the oldest `least` bytes lie; NULL: they are not there yet, and more than hf_ring_capacity
 * bytes never are. Costs as hf_ring_write_least. */
static inline void *hf_ring_read_least(hf_ring *ring, size_t least) {
    if (!hf_ring_has_bytes(ring, least) && !hf_ring_look_for_bytes(ring, least)) return NULL;
    return hf_ring_at(ring, hf_load_acquire(&ring->shared->consumer.position));
}

/* Hands the oldest `consumed` bytes back to the producer; 0 is allowed. More than are ready changes
 * nothing, and the last error is INVALID. */
static inline void hf_ring_read_end(hf_ring *ring, size_t consumed) {
    size_t *position = &ring->shared->consumer.position;
    if (hf_ring_has_bytes(ring, consumed))
        hf_store_release(position, hf_load_acquire(position) + consumed);
    else
        hf_ring_read_end_slow(ring, consumed);
}

/* Copies the oldest `size` bytes out and consumes them; false: they are not there yet, and nothing
 * is changed. More than hf_ring_capacity bytes never are. */
static inline bool hf_ring_read(hf_ring *ring, void *message, size_t size) {
    size_t *position = &ring->shared->consumer.position, at = hf_load_acquire(position);
    if (!hf_ring_has_bytes(ring, size) && !hf_ring_look_for_bytes(ring, size)) return false;
    memcpy(message, hf_ring_at(ring, at), size);
    hf_store_release(position, at + size);
    return true;
}

#ifdef __cplusplus
}
#endif

#endif
