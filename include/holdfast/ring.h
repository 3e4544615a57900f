/** @file
 *  holdfast/ring.h: a mirrored ring buffer: the same pages twice, side by side; within a process or
 *  between two.
 *
 *  Behind the last byte lies the first one again, for a second mapping of the same memory begins
 *  there. So whatever is free, and whatever is ready, is one piece wherever it lies:
 *
 *               capacity           capacity, again
 *      |####........#########|####........#########|
 *                   |        ready         |
 *           |  free  |
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <stdio.h>
 *
 *  int main(void) {
 *      hf_ring *ring;
 *      if (hf_ring_open(&ring, 1 << 20, NULL) != HF_OK) return 1;
 *
 *      size_t room;                                          // the producer
 *      char *into = (char *)hf_ring_write_begin(ring, &room);
 *      hf_ring_write_end(ring, fread(into, 1, room, stdin));
 *
 *      size_t ready;                                         // the consumer
 *      char *from = (char *)hf_ring_read_begin(ring, &ready);
 *      hf_ring_read_end(ring, fwrite(from, 1, ready, stdout));
 *
 *      hf_ring_close(ring);
 *      return 0;
 *  }
 *  @endcode
 *
 *  No call waits or allocates, and none copies but hf_ring_write() and hf_ring_read(), which are
 *  for messages that are built elsewhere. The mirror is the smallest program on a space: a
 *  placeholder split into three, and a view of the same file in each part. Where the system has no
 *  placeholders (Windows before 10 version 1803 and Server 2019) the views go to addresses that
 *  were free just before, tried again when another thread has taken them.
 *
 *  Units: bytes.
 *
 *  Threads: one producer and one consumer at a time, which may be two threads, or two processes
 *  with a ring each on one file; the write functions are the producer's, the read functions the
 *  consumer's. What was written before hf_ring_write_end() can be read after the
 *  hf_ring_read_begin(), hf_ring_read_least() or hf_ring_read() that tells it; likewise what was
 *  consumed is free. Any thread may call hf_ring_capacity(). hf_ring_close() must be the last use.
 *
 *  Between processes the other side is not trusted with more than its bytes: a corrupt position
 *  counts as no room, and as nothing to read. A process that dies leaves what it had ended; the
 *  next one to open the file goes on from there. One that dies while it makes the ring leaves a
 *  file that the next one makes a ring of.
 *
 *  Caveats
 *  - The memory of hf_ring_open() is shared memory: a child of fork() shares it, and some systems
 *    limit it (containers: the size of /dev/shm, the memory of the cgroup).
 *  - A file that is truncated under a ring faults where its bytes were.
 *  - To the compiler the two addresses of a byte are two objects: a side that stores through one
 *    and loads through the other, with no call of the ring between, needs volatile or a compiler
 *    barrier.
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
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @name Opening and closing
 *
 *      file     | positions |         capacity         |
 *               0           64 KiB
 *      memory   | positions |         capacity         |     capacity, again      |
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // The ring that processes share under a path: the first one makes its file, the others open it.
 *  hf_status open_shared(hf_ring **ring, const char *path) {
 *      hf_file *file;
 *      hf_status status = hf_file_create(&file, path, HF_RING_POSITIONS + (1 << 20), NULL);
 *      if (status == HF_IO) status = hf_file_open(&file, path, HF_READ_WRITE, NULL);
 *      if (status != HF_OK) return status;
 *      status = hf_ring_open_file(ring, file);
 *      hf_file_close(file);
 *      return status;
 *  }
 *  @endcode
 *  @{ */

/** The bytes of a ring's file before those of its capacity. */
#define HF_RING_POSITIONS HF_ALLOCATION_GRANULARITY

/** @cond private */

/* The position of one side. Only that side writes it. */
typedef struct hf_ring_side {
    size_t position;                      /* bytes that this side ended, ever */
    size_t seen;                          /* the position of the other side when last read */
    char apart[128 - 2 * sizeof(size_t)]; /* cache lines that the other side does not write */
} hf_ring_side;

/*
 * What both sides and other processes see: the first bytes of the ring's file. Positions only rise.
 * Their difference is what is ready, also after they wrapped, for a capacity is a power of two. The
 * ring's bytes begin at 64 KiB.
 */
typedef struct hf_ring_shared {
    char description[128];           /* the format and the capacity */
    hf_ring_side producer, consumer; /* the two positions */
} hf_ring_shared;

/** @endcond */

/** A mirrored ring buffer. Use it by the functions below only. */
typedef struct hf_ring {
    hf_ring_shared *shared; /**< private: the positions, and 64 KiB behind them the bytes */
    size_t capacity;        /**< private: bytes, a power of two; see hf_ring_capacity() */
} hf_ring;

/** Opens an empty ring in shared memory without a name.
 *  @param[out] ring       gets the ring; untouched on failure
 *  @param least_capacity  how many bytes it is to have at least, not 0; rounded up to a power of
 *                         two, 64 KiB at the least. The ring takes twice as many addresses, and 64
 *                         KiB for the positions
 *  @param backend         NULL: the native one; it must outlive the ring
 *  @return
 *  - HF_OK: the ring is open
 *  - HF_INVALID: ring is NULL, least_capacity is 0, twice the capacity cannot be addressed, or
 *    hf_backend::size is not valid
 *  - HF_NO_ADDRESS: the address space has not so many addresses, or other threads took them 100
 *    times in a row
 *  - HF_NO_MEMORY: the system commits no more memory
 *  - HF_NO_SPACE: a limit on shared memory or on the size of files is reached
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows
 *  - HF_IO: too many files are open, or the system failed to map the memory
 *  - HF_UNSUPPORTED: the system has no shared memory without a name */
HF_API hf_status hf_ring_open(hf_ring **ring, size_t least_capacity, const hf_backend *backend);

/** Opens the ring that a file contains. A file of zeros is an empty ring. The file may be closed;
 *  its bytes are the ring's while any process has it open.
 *
 *      file     | positions |         capacity         |
 *               0           64 KiB
 *
 *  Blocks that the file lacks (a sparse copy) are allocated first, so that no store finds the disk
 *  full; not those of hf_file_create_shared(), whose memory the system takes page by page.
 *
 *  Processes that make one ring's file at the same time get one ring: hf_file_create() succeeds in
 *  one of them and makes the file whole before it has its name; in the others it fails with HF_IO
 *  (EEXIST, ERROR_FILE_EXISTS), and they open the file.
 *  @param[out] ring  gets the ring; untouched on failure
 *  @param file       a read-write file, made with hf_file_create() or hf_file_create_shared(), of
 *                    HF_RING_POSITIONS and the capacity: the largest power of two that the file has
 *                    bytes for beyond the positions. The ring is on the file's backend
 *  @return
 *  - HF_OK: the ring is open, with what an earlier process left in it
 *  - HF_INVALID: ring or file is NULL, or the file may not be written, has less than 128 KiB, or is
 *    too large to be mapped twice
 *  - HF_CORRUPT: neither a ring nor zeros, or of another capacity, byte order or pointer size
 *  - HF_NO_SPACE: the disk has no room for what the file lacks
 *  - HF_UNSUPPORTED: a file of huge pages (hugetlbfs), or one that cannot be mapped
 *  - HF_NO_ADDRESS: the address space has not so many addresses, or other threads took them 100
 *    times in a row
 *  - HF_NO_MEMORY: the system has no pages for the records
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows
 *  - HF_IO: the file cannot be read or mapped */
HF_API hf_status hf_ring_open_file(hf_ring **ring, hf_file *file);

/** Closes a ring. Its file keeps what is ready.
 *  @param ring  the ring; NULL: nothing happens. It must not be used any more */
HF_API void hf_ring_close(hf_ring *ring);

/** The capacity of a ring.
 *  @param ring  the ring; NULL: 0 is returned
 *  @return bytes, a power of two, 64 KiB or more */
HF_API size_t hf_ring_capacity(const hf_ring *ring);

/** @} */

/** @cond private */

/* For the inline functions below alone. */

/* The address of a position: within the ring, whatever the position. */
static inline char *hf_ring_at(const hf_ring *ring, size_t position) {
    return (char *)ring->shared + HF_RING_POSITIONS + (position & (ring->capacity - 1));
}

/* True if there is room for size bytes, by the position of the consumer that was read last. A
 * corrupt position counts as no room. */
static inline bool hf_ring_has_room(const hf_ring *ring, size_t size) {
    const hf_ring_side *side = &ring->shared->producer;
    size_t ready = hf_load_acquire(&side->position) - side->seen;
    return size <= ring->capacity && ready <= ring->capacity - size;
}

/* True if size bytes are ready, by the position of the producer that was read last. A corrupt
 * position counts as nothing to read. */
static inline bool hf_ring_has_bytes(const hf_ring *ring, size_t size) {
    const hf_ring_side *side = &ring->shared->consumer;
    size_t ready = side->seen - hf_load_acquire(&side->position);
    return size <= ready && ready <= ring->capacity;
}

/* Read the other side's position anew: then as hf_ring_has_room and hf_ring_has_bytes. */
HF_API bool hf_ring_look_for_room(hf_ring *ring, size_t size);
HF_API bool hf_ring_look_for_bytes(hf_ring *ring, size_t size);

/* The ends that the position read last does not allow: read it anew, or fail with HF_INVALID. */
HF_API void hf_ring_write_end_slow(hf_ring *ring, size_t written);
HF_API void hf_ring_read_end_slow(hf_ring *ring, size_t consumed);

/** @endcond */

/** @name Writing
 *
 *      |    ready    | free                              |
 *                    ^ hf_ring_write_begin
 *      |    ready    |  written  | free                  |
 *                                ^ hf_ring_write_end moves the position here
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // A message of a known size, written in the ring itself.
 *  bool send_pair(hf_ring *ring, int a, int b) {
 *      int *message = (int *)hf_ring_write_least(ring, 2 * sizeof(int));
 *      if (message == NULL) return false;                  // no room yet
 *      message[0] = a, message[1] = b;
 *      hf_ring_write_end(ring, 2 * sizeof(int));
 *      return true;
 *  }
 *  @endcode
 *  @{ */

/** Where the producer's next bytes go. The bytes are the ring's once hf_ring_write_end() has told
 *  how many. Costs one load of the consumer's position.
 *  @param ring       the ring
 *  @param[out] room  gets for how many bytes there is room; it may be 0; not NULL
 *  @return the address, never NULL */
static inline void *hf_ring_write_begin(hf_ring *ring, size_t *room) {
    hf_ring_side *side = &ring->shared->producer;
    size_t at = hf_load_acquire(&side->position);
    size_t seen = hf_load_acquire(&ring->shared->consumer.position);
    *room = at - seen <= ring->capacity ? ring->capacity - (at - seen) : 0;
    side->seen = seen;
    return hf_ring_at(ring, at);
}

/** Where the producer's next `least` bytes go, for messages: costs a load of the consumer's
 *  position only when the room seen before is used up.
 *  @param ring   the ring
 *  @param least  how many bytes
 *  @return the address; NULL: there is no room for them yet, and never will be for more than
 *          hf_ring_capacity() bytes: check that before waiting. The last error does not change */
static inline void *hf_ring_write_least(hf_ring *ring, size_t least) {
    if (!hf_ring_has_room(ring, least) && !hf_ring_look_for_room(ring, least)) return NULL;
    return hf_ring_at(ring, hf_load_acquire(&ring->shared->producer.position));
}

/** Makes bytes ready for the consumer.
 *  @param ring     the ring
 *  @param written  how many, from where hf_ring_write_begin() or hf_ring_write_least() said; 0 is
 *                  allowed. More than there is room for changes nothing, and hf_last_error().status
 *                  is HF_INVALID */
static inline void hf_ring_write_end(hf_ring *ring, size_t written) {
    size_t *position = &ring->shared->producer.position;
    if (hf_ring_has_room(ring, written))
        hf_store_release(position, hf_load_acquire(position) + written);
    else
        hf_ring_write_end_slow(ring, written);
}

/** Copies a whole message into the ring and makes it ready for the consumer.
 *  @param ring     the ring
 *  @param message  its bytes
 *  @param size     how many
 *  @return true; false: there is no room for it yet, and nothing has changed. A message of more
 *          than hf_ring_capacity() bytes never has room: check its size before waiting. The last
 *          error does not change */
static inline bool hf_ring_write(hf_ring *ring, const void *message, size_t size) {
    size_t *position = &ring->shared->producer.position, at = hf_load_acquire(position);
    if (!hf_ring_has_room(ring, size) && !hf_ring_look_for_room(ring, size)) return false;
    memcpy(hf_ring_at(ring, at), message, size);
    hf_store_release(position, at + size);
    return true;
}

/** @} */

/** @name Reading
 *
 *      | free  |            ready            |   free   |
 *              ^ hf_ring_read_begin
 *      | free  | consumed  |      ready      |   free   |
 *                          ^ hf_ring_read_end moves the position here
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // The next message of two ints, read in the ring itself.
 *  bool receive_sum(hf_ring *ring, int *sum) {
 *      const int *message = (const int *)hf_ring_read_least(ring, 2 * sizeof(int));
 *      if (message == NULL) return false;                  // not there yet
 *      *sum = message[0] + message[1];
 *      hf_ring_read_end(ring, 2 * sizeof(int));
 *      return true;
 *  }
 *  @endcode
 *  @{ */

/** Where the oldest bytes lie that are not consumed. They stay until hf_ring_read_end(). Costs one
 *  load of the producer's position.
 *  @param ring        the ring
 *  @param[out] ready  gets how many there are; it may be 0; not NULL
 *  @return the address, never NULL */
static inline void *hf_ring_read_begin(hf_ring *ring, size_t *ready) {
    hf_ring_side *side = &ring->shared->consumer;
    size_t at = hf_load_acquire(&side->position);
    size_t seen = hf_load_acquire(&ring->shared->producer.position);
    *ready = seen - at <= ring->capacity ? seen - at : 0;
    side->seen = seen;
    return hf_ring_at(ring, at);
}

/** Where the oldest `least` bytes lie that are not consumed, for messages: costs a load of the
 *  producer's position only when the bytes seen before are used up.
 *  @param ring   the ring
 *  @param least  how many bytes
 *  @return the address; NULL: they are not there yet, and more than hf_ring_capacity() bytes never
 *          are. The last error does not change */
static inline void *hf_ring_read_least(hf_ring *ring, size_t least) {
    if (!hf_ring_has_bytes(ring, least) && !hf_ring_look_for_bytes(ring, least)) return NULL;
    return hf_ring_at(ring, hf_load_acquire(&ring->shared->consumer.position));
}

/** Consumes the oldest bytes: their room is the producer's again.
 *  @param ring      the ring
 *  @param consumed  how many; 0 is allowed. More than are ready changes nothing, and
 *                   hf_last_error().status is HF_INVALID */
static inline void hf_ring_read_end(hf_ring *ring, size_t consumed) {
    size_t *position = &ring->shared->consumer.position;
    if (hf_ring_has_bytes(ring, consumed))
        hf_store_release(position, hf_load_acquire(position) + consumed);
    else
        hf_ring_read_end_slow(ring, consumed);
}

/** Copies the oldest bytes out and consumes them.
 *  @param ring          the ring
 *  @param[out] message  gets the bytes
 *  @param size          how many
 *  @return true; false: they are not there yet, and nothing has changed. More than
 *          hf_ring_capacity() bytes never are. The last error does not change */
static inline bool hf_ring_read(hf_ring *ring, void *message, size_t size) {
    size_t *position = &ring->shared->consumer.position, at = hf_load_acquire(position);
    if (!hf_ring_has_bytes(ring, size) && !hf_ring_look_for_bytes(ring, size)) return false;
    memcpy(message, hf_ring_at(ring, at), size);
    hf_store_release(position, at + size);
    return true;
}

/** @} */

#ifdef __cplusplus
}
#endif

#endif
