/*
 * bench/ring.c -- messages through a ring of 256 KiB: hf_ring beside a ring buffer over ordinary
 * memory, as it is usually written.
 *
 *     holdfast   one memcpy in and one out, because the memory is mapped twice in a row
 *     by_hand    two memcpys where a message wraps around the end of the buffer. The capacity is a
 *                power of two; the two positions are in separate cache lines; each side caches the
 *                other's position and reads it again only if the cached one leaves too little room;
 *                all inlined
 *
 * ring: one thread writes four messages and reads them; an iteration is one message. ring_threads:
 * one thread writes and another reads; an iteration is 64 MiB of messages. A thread that has to
 * wait pauses before it tries again, and yields at every fourth try.
 */
#include "workloads.h"

#include <holdfast.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "contenders.h"
#include "meter.h"
#include "shim.h"

enum { CAPACITY = 256 << 10, MOST_MESSAGE = 64 << 10, APART = 128 /* bytes: two cache lines */ };

static const size_t total = (size_t)64 << 20;

typedef struct ring_contender {
    void *(*open)(void);
    void (*close)(void *ring);
    bool (*write)(void *ring, const char *message, size_t size); /* false: too little room now */
    bool (*read)(void *ring, char *message, size_t size);        /* false: too few bytes ready */
} ring_contender;

/* --------------------------------------------------------------- holdfast ----------------- */

static void *ring_holdfast_open(void) {
    hf_ring *ring;
    return hf_ring_open(&ring, CAPACITY, NULL) == HF_OK ? ring : NULL;
}

static void ring_holdfast_close(void *ring) { hf_ring_close(ring); }

BENCH_INLINE bool ring_holdfast_write(void *ring, const char *message, size_t size) {
    return hf_ring_write(ring, message, size);
}

BENCH_INLINE bool ring_holdfast_read(void *ring, char *message, size_t size) {
    return hf_ring_read(ring, message, size);
}

static const ring_contender ring_holdfast = {ring_holdfast_open, ring_holdfast_close,
                                             ring_holdfast_write, ring_holdfast_read};

/* ---------------------------------------------------------------- by hand ----------------- */

/* Positions count all bytes ever written or consumed; they may wrap around SIZE_MAX. */
typedef struct wrapping_ring {
    size_t capacity;                        /* a power of two */
    _Alignas(APART) atomic_size_t written;  /* stored by the producer */
    size_t seen_consumed;                   /* the producer's copy of consumed */
    _Alignas(APART) atomic_size_t consumed; /* stored by the consumer */
    size_t seen_written;                    /* the consumer's copy of written */
    _Alignas(APART) char bytes[];
} wrapping_ring;

static void *ring_by_hand_open(void) {
    wrapping_ring *ring = aligned_alloc(APART, sizeof *ring + CAPACITY);
    if (ring) memset(ring, 0, sizeof *ring + CAPACITY);
    if (ring) ring->capacity = CAPACITY;
    return ring;
}

static void ring_by_hand_close(void *ring) { free(ring); }

BENCH_INLINE size_t size_before_end(const wrapping_ring *ring, size_t offset, size_t size) {
    return size < ring->capacity - offset ? size : ring->capacity - offset;
}

BENCH_INLINE bool ring_by_hand_write(void *opened, const char *bytes, size_t size) {
    wrapping_ring *ring = opened;
    size_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);
    if (ring->capacity - (at - ring->seen_consumed) < size) {
        ring->seen_consumed = atomic_load_explicit(&ring->consumed, memory_order_acquire);
        if (ring->capacity - (at - ring->seen_consumed) < size) return false;
    }
    size_t offset = at & (ring->capacity - 1), first = size_before_end(ring, offset, size);
    memcpy(ring->bytes + offset, bytes, first);
    if (first < size) memcpy(ring->bytes, bytes + first, size - first);
    atomic_store_explicit(&ring->written, at + size, memory_order_release);
    return true;
}

BENCH_INLINE bool ring_by_hand_read(void *opened, char *bytes, size_t size) {
    wrapping_ring *ring = opened;
    size_t at = atomic_load_explicit(&ring->consumed, memory_order_relaxed);
    if (ring->seen_written - at < size) {
        ring->seen_written = atomic_load_explicit(&ring->written, memory_order_acquire);
        if (ring->seen_written - at < size) return false;
    }
    size_t offset = at & (ring->capacity - 1), first = size_before_end(ring, offset, size);
    memcpy(bytes, ring->bytes + offset, first);
    if (first < size) memcpy(bytes + first, ring->bytes, size - first);
    atomic_store_explicit(&ring->consumed, at + size, memory_order_release);
    return true;
}

static const ring_contender ring_by_hand = {ring_by_hand_open, ring_by_hand_close,
                                            ring_by_hand_write, ring_by_hand_read};

/* -------------------------------------------------------------- one thread ---------------- */

enum { BATCH = CAPACITY / MOST_MESSAGE, STRIDE = 64, OUTGOING = MOST_MESSAGE + BATCH * STRIDE };

_Alignas(64) static char outgoing[OUTGOING], incoming[MOST_MESSAGE];

static void fill_outgoing(void) {
    for (size_t i = 0; i < sizeof outgoing; i++) outgoing[i] = (char)(i / STRIDE);
}

/* Consecutive messages begin with different bytes. They are not written before each send, because
 * memcpy would then wait for the recent stores. */
static const char *message(size_t number) { return outgoing + number % BATCH * STRIDE; }

BENCH_INLINE bool is_message(size_t number) { return incoming[0] == *message(number); }

BENCH_INLINE bool round_trip(const ring_contender *contender, void *ring, size_t size) {
    bool is_intact = true;
    for (size_t i = 0; i < BATCH; i++) is_intact &= contender->write(ring, message(i), size);
    for (size_t i = 0; i < BATCH; i++) {
        is_intact &= contender->read(ring, incoming, size);
        is_intact &= is_message(i);
    }
    return is_intact;
}

/* ------------------------------------------------------------- two threads ---------------- */

typedef struct transfer {
    void *ring;
    size_t size, count;
} transfer;

enum { PAUSES = 64, TRIES = 4 /* before it yields */ };

/* Without a pause the waiting thread takes the cache line of the other's position at every message,
 * and both threads then move the line back and forth: measured in half of all processes, and
 * several times as slow. */
static void back_off(int *tries) {
    if (++*tries % TRIES == 0) sched_yield();
    for (int i = 0; i < PAUSES; i++) __builtin_ia32_pause();
}

BENCH_INLINE void *produce(const ring_contender *contender, const transfer *work) {
    for (size_t i = 0; i < work->count; i++) {
        for (int tries = 0; !contender->write(work->ring, message(i), work->size);)
            back_off(&tries);
    }
    return NULL;
}

BENCH_INLINE bool consume(const ring_contender *contender, const transfer *work) {
    bool is_intact = true;
    for (size_t i = 0; i < work->count; i++) {
        for (int tries = 0; !contender->read(work->ring, incoming, work->size);) back_off(&tries);
        is_intact &= is_message(i);
    }
    return is_intact;
}

static bool transfer_all(const transfer *work, void *(*produce_all)(void *),
                         bool (*consume_all)(const transfer *)) {
    pthread_t producer;
    transfer copy = *work;
    if (pthread_create(&producer, NULL, produce_all, &copy) != 0) return false;
    bool is_intact = consume_all(work);
    pthread_join(producer, NULL);
    return is_intact;
}

/* -------------------------------------------------------------- measuring ----------------- */

typedef bool ring_round(void *ring, size_t size);

static void run_rounds(bench_state *state, const ring_contender *contender, ring_round *round,
                       size_t iterations) {
    bench_meter meter = {0};
    size_t rounds = 0, size = bench_range(state);
    meter_watch_memory(&meter);
    fill_outgoing();
    void *ring = contender->open();
    bool is_intact = ring && round(ring, size);
    meter_begin(&meter);
    for (; bench_next_batch(state, iterations); rounds++) {
        if (is_intact) is_intact = round(ring, size);
    }
    meter_end(&meter);
    if (ring) contender->close(ring);
    meter_report(&meter, state, rounds);
    if (!is_intact) bench_skip(state, "a message was lost or differs from what was sent");
}

#define RING(name)                                                                           \
    static bool round_trip_##name(void *ring, size_t size) {                                 \
        return round_trip(&ring_##name, ring, size);                                         \
    }                                                                                        \
    static void run_##name(bench_state *state) {                                             \
        run_rounds(state, &ring_##name, round_trip_##name, BATCH);                           \
    }                                                                                        \
    static void *produce_##name(void *work) { return produce(&ring_##name, work); }          \
    static bool consume_##name(const transfer *work) { return consume(&ring_##name, work); } \
    static bool transfer_all_##name(void *ring, size_t size) {                               \
        return transfer_all(&(transfer){ring, size, total / size}, produce_##name,           \
                            consume_##name);                                                 \
    }                                                                                        \
    static void run_threads_##name(bench_state *state) {                                     \
        run_rounds(state, &ring_##name, transfer_all_##name, 1);                             \
    }
RING(holdfast)
RING(by_hand)

void register_ring(void) {
    static const size_t sizes[] = {64, 1000, 4096, MOST_MESSAGE};
    bench_register("ring/holdfast", run_holdfast, BENCH_NANOSECONDS, sizes, 4);
    bench_register("ring/by_hand", run_by_hand, BENCH_NANOSECONDS, sizes, 4);
    bench_register("ring_threads/holdfast", run_threads_holdfast, BENCH_MILLISECONDS, sizes, 4);
    bench_register("ring_threads/by_hand", run_threads_by_hand, BENCH_MILLISECONDS, sizes, 4);
}
