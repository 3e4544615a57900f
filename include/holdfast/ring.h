/** @file
 *  holdfast/ring.h: a mirrored ring buffer, within a process or between two.
 *
 *  The same pages are mapped twice, one mapping behind the other, so the first byte follows the
 *  last one. So the free bytes are always contiguous, and so are the ready ones:
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
 *  No call waits or allocates. Only hf_ring_write() and hf_ring_read() copy; they are for messages
 *  that are built elsewhere. A ring is a space with one placeholder, split into three, and a view
 *  of the same file in each part. On systems without placeholders (Windows before 10 version 1803
 *  and Server 2019) the views are mapped at addresses that were free just before; if another thread
 *  took them, opening tries again.
 *
 *  Units: bytes.
 *
 *  Threads: one producer and one consumer at a time: two threads, or two processes with a ring each
 *  on one file. The producer calls the write functions, the consumer the read functions. Bytes that
 *  were written before hf_ring_write_end() are visible to the consumer after the
 *  hf_ring_read_begin(), hf_ring_read_least() or hf_ring_read() that returns them (release and
 *  acquire); likewise for room that the consumer frees. Any thread may call hf_ring_capacity().
 *  hf_ring_close() must be the last use.
 *
 *  Between processes the positions of the other side are not trusted: a corrupt one counts as no
 *  room, or as nothing to read. If a process dies, bytes that it passed to hf_ring_write_end()
 *  stay, and the next process that opens the file continues. If it dies while it creates the ring,
 *  the next one completes it.
 *
 *  Caveats
 *  - hf_ring_open() uses shared memory: a forked child shares it, and some systems limit it
 *    (containers: the size of /dev/shm, the memory of the cgroup).
 *  - If another process truncates the file of a ring, the lost pages fault.
 *  - The compiler treats the two addresses of a byte as two objects: between a store through one
 *    and a load through the other it needs a call of the ring, volatile, or a compiler barrier.
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
 *  // Opens a ring that processes share: the first one creates the file, the others open it.
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

/** A mirrored ring buffer. Use only the functions below. */
typedef struct hf_ring {
    hf_ring_shared *shared; /**< private: the positions, and 64 KiB behind them the bytes */
    size_t capacity;        /**< private: bytes, a power of two; see hf_ring_capacity() */
} hf_ring;

/** Opens an empty ring in shared memory without a name.
 *  @param[out] ring       gets the ring; untouched on failure
 *  @param least_capacity  bytes, not 0; rounded up to a power of two of 64 KiB or more. The ring
 *                         takes twice as many bytes of addresses, and 64 KiB for the positions
 *  @param backend         NULL: the native one; it must outlive the ring
 *  @return
 *  - HF_OK: the ring is open
 *  - HF_INVALID: ring is NULL, least_capacity is 0, or twice the capacity cannot be addressed
 *  - HF_NO_ADDRESS: the address space has too few free addresses, or other threads took them 100
 *    times in a row
 *  - HF_NO_MEMORY: the system commits no more memory
 *  - HF_NO_SPACE: a limit on shared memory or on the size of files is reached
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows
 *  - HF_IO: too many files are open, or the system failed to map the memory
 *  - HF_UNSUPPORTED: the system has no shared memory without a name */
HF_API hf_status hf_ring_open(hf_ring **ring, size_t least_capacity, const hf_backend *backend);

/** Opens the ring in a file. A file of zeros is an empty ring. The hf_file may be closed
 *  afterwards; nothing else may write the file while a process has the ring open.
 *
 *      file     | positions |         capacity         |
 *               0           64 KiB
 *
 *  Blocks that the file lacks (a sparse copy) are allocated first, so that no store finds the disk
 *  full. (Shared memory of hf_file_create_shared() is allocated page by page, when it is touched.)
 *
 *  If several processes create the file of a ring at the same time, hf_file_create() succeeds in
 *  one of them, and the file has its size before it has its name. In the others it fails with HF_IO
 *  (EEXIST, ERROR_FILE_EXISTS), and they open the file. All get the same ring.
 *  @param[out] ring  gets the ring; untouched on failure
 *  @param file       a read-write file, from hf_file_create() or hf_file_create_shared(), with a
 *                    size of HF_RING_POSITIONS and the capacity. The capacity is the largest power
 *                    of two for which the file is large enough. The ring uses the file's backend
 *  @return
 *  - HF_OK: the ring is open, with the ready bytes that an earlier process left
 *  - HF_INVALID: ring or file is NULL, or the file is not read-write, smaller than 128 KiB, or too
 *    large to be mapped twice
 *  - HF_CORRUPT: neither a ring nor zeros, or of another capacity, byte order or pointer size
 *  - HF_NO_SPACE: the disk has no room for what the file lacks
 *  - HF_UNSUPPORTED: a file of huge pages (hugetlbfs), or one that cannot be mapped
 *  - HF_NO_ADDRESS: the address space has too few free addresses, or other threads took them 100
 *    times in a row
 *  - HF_NO_MEMORY: the system has no pages for the records
 *  - HF_MAP_LIMIT: the process has as many mappings as the system allows
 *  - HF_IO: the file cannot be read or mapped */
HF_API hf_status hf_ring_open_file(hf_ring **ring, hf_file *file);

/** Closes a ring. Bytes that are ready stay in its file.
 *  @param ring  the ring, which must not be used any more; NULL: nothing happens */
HF_API void hf_ring_close(hf_ring *ring);

/** Returns the capacity of a ring.
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

/** Returns the address of the free bytes, for the producer. Write there, then call
 *  hf_ring_write_end(). Reads the consumer's position, which can cost a cache miss.
 *  @param ring       the ring; not NULL
 *  @param[out] room  gets the number of free bytes; it may be 0; not NULL
 *  @return the address, never NULL */
static inline void *hf_ring_write_begin(hf_ring *ring, size_t *room) {
    hf_ring_side *side = &ring->shared->producer;
    size_t at = hf_load_acquire(&side->position);
    size_t seen = hf_load_acquire(&ring->shared->consumer.position);
    *room = at - seen <= ring->capacity ? ring->capacity - (at - seen) : 0;
    side->seen = seen;
    return hf_ring_at(ring, at);
}

/** Returns the address of `least` free bytes, for a producer of messages. Reads the consumer's
 *  position only if the cached one leaves too little room.
 *  @param ring   the ring; not NULL
 *  @param least  how many bytes
 *  @return the address; NULL: too few are free now. More than hf_ring_capacity() bytes never are:
 *          check that before waiting. The last error does not change */
static inline void *hf_ring_write_least(hf_ring *ring, size_t least) {
    if (!hf_ring_has_room(ring, least) && !hf_ring_look_for_room(ring, least)) return NULL;
    return hf_ring_at(ring, hf_load_acquire(&ring->shared->producer.position));
}

/** Makes bytes ready for the consumer.
 *  @param ring     the ring; not NULL
 *  @param written  how many, from the address that hf_ring_write_begin() or hf_ring_write_least()
 *                  returned; 0 is allowed. More than are free: nothing changes, and
 *                  hf_last_error().status is HF_INVALID */
static inline void hf_ring_write_end(hf_ring *ring, size_t written) {
    size_t *position = &ring->shared->producer.position;
    if (hf_ring_has_room(ring, written))
        hf_store_release(position, hf_load_acquire(position) + written);
    else
        hf_ring_write_end_slow(ring, written);
}

/** Copies a whole message into the ring and makes it ready for the consumer.
 *  @param ring     the ring; not NULL
 *  @param message  its bytes; not NULL
 *  @param size     how many
 *  @return true: it is in the ring; false: too few bytes are free now, and nothing has changed. For
 *          a message of more than hf_ring_capacity() bytes it is always false: check that before
 *          waiting. The last error does not change */
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

/** Returns the address of the ready bytes, oldest first, for the consumer. They stay until
 *  hf_ring_read_end(). Reads the producer's position, which can cost a cache miss.
 *  @param ring        the ring; not NULL
 *  @param[out] ready  gets the number of ready bytes; it may be 0; not NULL
 *  @return the address, never NULL */
static inline void *hf_ring_read_begin(hf_ring *ring, size_t *ready) {
    hf_ring_side *side = &ring->shared->consumer;
    size_t at = hf_load_acquire(&side->position);
    size_t seen = hf_load_acquire(&ring->shared->producer.position);
    *ready = seen - at <= ring->capacity ? seen - at : 0;
    side->seen = seen;
    return hf_ring_at(ring, at);
}

/** Returns the address of the oldest `least` ready bytes, for a consumer of messages. Reads the
 *  producer's position only if too few bytes are ready by the cached one.
 *  @param ring   the ring; not NULL
 *  @param least  how many bytes
 *  @return the address; NULL: too few are ready now. More than hf_ring_capacity() bytes never are.
 *          The last error does not change */
static inline void *hf_ring_read_least(hf_ring *ring, size_t least) {
    if (!hf_ring_has_bytes(ring, least) && !hf_ring_look_for_bytes(ring, least)) return NULL;
    return hf_ring_at(ring, hf_load_acquire(&ring->shared->consumer.position));
}

/** Consumes the oldest bytes: frees them for the producer.
 *  @param ring      the ring; not NULL
 *  @param consumed  how many; 0 is allowed. More than are ready: nothing changes, and
 *                   hf_last_error().status is HF_INVALID */
static inline void hf_ring_read_end(hf_ring *ring, size_t consumed) {
    size_t *position = &ring->shared->consumer.position;
    if (hf_ring_has_bytes(ring, consumed))
        hf_store_release(position, hf_load_acquire(position) + consumed);
    else
        hf_ring_read_end_slow(ring, consumed);
}

/** Copies the oldest bytes out of the ring and consumes them.
 *  @param ring          the ring; not NULL
 *  @param[out] message  gets the bytes; not NULL
 *  @param size          how many
 *  @return true: they are copied; false: too few are ready now, and nothing has changed. More than
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
