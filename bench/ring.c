/*
 * bench/ring.c -- messages through a ring of 256 KiB: hf_ring beside a ring as it is written by
 * hand, which has a seam.
 *
 *     holdfast   one memcpy in and one out, wherever the message lies
 *     by_hand    two at the seam. A capacity of a power of two, each side's position in a cache
 *                line of its own, and a copy of the other's that is renewed only when it is
 *                too low; all of it inline
 *
 * ring: one thread writes four messages and reads them; an iteration is one message. ring_threads:
 * one thread writes and another reads; an iteration is 64 MiB of messages. Who has to wait pauses
 * before the next look, and after many yields.
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

enum { CAPACITY = 256 << 10, MOST_MESSAGE = 64 << 10, APART = 128 };

static const size_t total = (size_t)64 << 20;

typedef struct ring_contender {
    void *(*open)(void);
    void (*close)(void *ring);
    bool (*write)(void *ring, const char *message, size_t size); /* false: no room for it now */
    bool (*read)(void *ring, char *message, size_t size);        /* false: not there yet */
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

/* Positions only rise; their difference is right after they wrap, too. */
typedef struct seam_ring {
    size_t capacity;                       /* a power of two */
    _Alignas(APART) atomic_size_t written; /* the producer's line */
    size_t seen_consumed;
    _Alignas(APART) atomic_size_t consumed; /* the consumer's */
    size_t seen_written;
    _Alignas(APART) char bytes[];
} seam_ring;

static void *ring_by_hand_open(void) {
    seam_ring *ring = aligned_alloc(APART, sizeof *ring + CAPACITY);
    if (ring) memset(ring, 0, sizeof *ring + CAPACITY);
    if (ring) ring->capacity = CAPACITY;
    return ring;
}

static void ring_by_hand_close(void *ring) { free(ring); }

BENCH_INLINE size_t before_seam(const seam_ring *ring, size_t offset, size_t size) {
    return size < ring->capacity - offset ? size : ring->capacity - offset;
}

BENCH_INLINE bool ring_by_hand_write(void *opened, const char *bytes, size_t size) {
    seam_ring *ring = opened;
    size_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);
    if (ring->capacity - (at - ring->seen_consumed) < size) {
        ring->seen_consumed = atomic_load_explicit(&ring->consumed, memory_order_acquire);
        if (ring->capacity - (at - ring->seen_consumed) < size) return false;
    }
    size_t offset = at & (ring->capacity - 1), first = before_seam(ring, offset, size);
    memcpy(ring->bytes + offset, bytes, first);
    if (first < size) memcpy(ring->bytes, bytes + first, size - first);
    atomic_store_explicit(&ring->written, at + size, memory_order_release);
    return true;
}

BENCH_INLINE bool ring_by_hand_read(void *opened, char *bytes, size_t size) {
    seam_ring *ring = opened;
    size_t at = atomic_load_explicit(&ring->consumed, memory_order_relaxed);
    if (ring->seen_written - at < size) {
        ring->seen_written = atomic_load_explicit(&ring->written, memory_order_acquire);
        if (ring->seen_written - at < size) return false;
    }
    size_t offset = at & (ring->capacity - 1), first = before_seam(ring, offset, size);
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

/* Each begins with a byte that its neighbours don't. Nothing is stored into it right before: the
 * copy would wait for that. */
static const char *message(size_t number) { return outgoing + number % BATCH * STRIDE; }

BENCH_INLINE bool is_message(size_t number) { return incoming[0] == *message(number); }

BENCH_INLINE bool pass(const ring_contender *contender, void *ring, size_t size) {
    bool is_whole = true;
    for (size_t i = 0; i < BATCH; i++) is_whole &= contender->write(ring, message(i), size);
    for (size_t i = 0; i < BATCH; i++) {
        is_whole &= contender->read(ring, incoming, size);
        is_whole &= is_message(i);
    }
    return is_whole;
}

/* ------------------------------------------------------------- two threads ---------------- */

typedef struct transfer {
    void *ring;
    size_t size, count;
} transfer;

enum { PAUSES = 64, LOOKS = 4 };

/* Who looks again at once takes the other's position from its cache with each message, and the two
 * go in step from then on: half of all processes would be such, several times as slow. */
static void wait_a_little(int *looks) {
    if (++*looks % LOOKS == 0) sched_yield();
    for (int i = 0; i < PAUSES; i++) __builtin_ia32_pause();
}

BENCH_INLINE void *produce(const ring_contender *contender, const transfer *work) {
    for (size_t i = 0; i < work->count; i++) {
        for (int looks = 0; !contender->write(work->ring, message(i), work->size);)
            wait_a_little(&looks);
    }
    return NULL;
}

BENCH_INLINE bool consume(const ring_contender *contender, const transfer *work) {
    bool is_whole = true;
    for (size_t i = 0; i < work->count; i++) {
        for (int looks = 0; !contender->read(work->ring, incoming, work->size);)
            wait_a_little(&looks);
        is_whole &= is_message(i);
    }
    return is_whole;
}

static bool hand_over(const transfer *work, void *(*produce_all)(void *),
                      bool (*consume_all)(const transfer *)) {
    pthread_t producer;
    transfer copy = *work;
    if (pthread_create(&producer, NULL, produce_all, &copy) != 0) return false;
    bool is_whole = consume_all(work);
    pthread_join(producer, NULL);
    return is_whole;
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
    bool is_whole = ring && round(ring, size);
    meter_begin(&meter);
    for (; bench_next_batch(state, iterations); rounds++) {
        if (is_whole) is_whole = round(ring, size);
    }
    meter_end(&meter);
    if (ring) contender->close(ring);
    meter_report(&meter, state, rounds);
    if (!is_whole) bench_skip(state, "a message is not what was sent");
}

#define RING(name)                                                                               \
    static bool pass_##name(void *ring, size_t size) { return pass(&ring_##name, ring, size); }  \
    static void run_##name(bench_state *state) {                                                 \
        run_rounds(state, &ring_##name, pass_##name, BATCH);                                     \
    }                                                                                            \
    static void *produce_##name(void *work) { return produce(&ring_##name, work); }              \
    static bool consume_##name(const transfer *work) { return consume(&ring_##name, work); }     \
    static bool hand_over_##name(void *ring, size_t size) {                                      \
        return hand_over(&(transfer){ring, size, total / size}, produce_##name, consume_##name); \
    }                                                                                            \
    static void run_threads_##name(bench_state *state) {                                         \
        run_rounds(state, &ring_##name, hand_over_##name, 1);                                    \
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
