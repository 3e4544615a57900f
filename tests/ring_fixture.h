/*
 * ring_fixture.h -- shared by the tests of rings: a stream of known bytes through a ring.
 */
#ifndef HOLDFAST_TESTS_RING_FIXTURE_H
#define HOLDFAST_TESTS_RING_FIXTURE_H

#include "check.h"
#include "holdfast/ring.h"

/* The byte at a position of the stream. */
static inline char byte_at(size_t total) { return (char)(total % 251); }

/* Writes the next `size` bytes of the stream; *total counts all that were written. */
static inline void write_stream(hf_ring *ring, size_t *total, size_t size) {
    size_t room;
    char *into = hf_ring_write_begin(ring, &room);
    CHECK(size <= room);
    for (size_t i = 0; i < size; i++) into[i] = byte_at(*total + i);
    hf_ring_write_end(ring, size);
    *total += size;
}

/* Reads and checks the next `size` bytes of the stream; *total counts all that were read. */
static inline void read_stream(hf_ring *ring, size_t *total, size_t size) {
    size_t ready;
    const char *from = hf_ring_read_begin(ring, &ready);
    CHECK(size <= ready);
    for (size_t i = 0; i < size; i++) CHECK(from[i] == byte_at(*total + i));
    hf_ring_read_end(ring, size);
    *total += size;
}

static inline size_t room_in(hf_ring *ring) {
    size_t room;
    CHECK(hf_ring_write_begin(ring, &room) != NULL);
    return room;
}

static inline size_t ready_in(hf_ring *ring) {
    size_t ready;
    CHECK(hf_ring_read_begin(ring, &ready) != NULL);
    return ready;
}

#endif
