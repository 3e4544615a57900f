/*
 * The ring: what holdfast/ring.h promises, over a placeholder and at addresses that were free.
 *
 * The second way is taken where the system has no placeholders. Here it can be had on any system:
 * `crowd` is the native backend with the one way taken away and the other made of what is left;
 * and between the release of the addresses and the views somebody else takes them. More often than
 * a test wants, too: any thread of the process can be that, so tries are counted from below.
 */
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "disk.h"
#include "holdfast.h"
#include "nth_failure.h"
#include "random.h"
#include "scene.h"

enum { KIB = 1024 };

/* -------------------------------------------------------- a backend without placeholders ---- */

struct crowd {
    hf_backend backend;
    size_t takers;      /* so many times from now on, another thread is quicker */
    size_t taken_after; /* of the three views it lets so many pass first */
    void *address;      /* what it took */
    size_t taken;
    size_t reservations, views;
};

static struct crowd *crowd_of(const hf_backend *self) { return (struct crowd *)(uintptr_t)self; }

static hf_status crowd_reserve(const hf_backend *self, void *base, size_t size, void **address,
                               hf_report *report) {
    crowd_of(self)->reservations++;
    return hf_backend_native()->reserve(self, base, size, address, report);
}

static hf_status crowd_map(const hf_backend *self, void *address, size_t size, intptr_t file,
                           uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self, (void)address, (void)size, (void)file, (void)file_offset, (void)access;
    report->call = "crowd_map";
    return HF_UNSUPPORTED;
}

/* As if another thread had been quicker: of the released addresses those of one view are taken,
 * 64 KiB in a ring of that capacity. Where the system can release a part, they are never free, not
 * for a moment: a thread of the process (a sanitizer's) would take them now and then, and give them
 * back too early. */
static void release_all_but_one_view(struct crowd *crowd, char *address, size_t size) {
    const hf_backend *native = hf_backend_native();
    hf_report report = {0};
    void *got;
    crowd->takers--;
    crowd->taken = size / 3;
    crowd->address = address + crowd->taken_after * crowd->taken;
    if (native->map_free) { /* a reservation goes whole */
        native->release(&crowd->backend, address, size, HF_PLACEHOLDER);
        CHECK_STATUS(HF_OK,
                     native->reserve(&crowd->backend, crowd->address, crowd->taken, &got, &report));
        return;
    }
    for (size_t i = 0; i < 2; i++)
        CHECK_STATUS(HF_OK, native->split(&crowd->backend, address + i * crowd->taken, crowd->taken,
                                          &report));
    for (size_t i = 0; i < 3; i++)
        if (i != crowd->taken_after)
            native->release(&crowd->backend, address + i * crowd->taken, crowd->taken,
                            HF_PLACEHOLDER);
}

static void give_back(struct crowd *crowd) {
    if (crowd->taken > 0)
        hf_backend_native()->release(&crowd->backend, crowd->address, crowd->taken, HF_PLACEHOLDER);
    crowd->taken = 0;
}

static hf_status view_at(const hf_backend *self, void *address, size_t size, intptr_t file,
                         uint64_t file_offset, hf_access access, hf_report *report) {
    const hf_backend *native = hf_backend_native();
    if (native->map_free)
        return native->map_free(self, address, size, file, file_offset, access, report);
    void *got;
    hf_status status = native->reserve(self, address, size, &got, report);
    if (status != HF_OK) return status;
    status = native->map(self, address, size, file, file_offset, access, report);
    if (status != HF_OK) native->release(self, address, size, HF_PLACEHOLDER);
    return status;
}

static hf_status crowd_map_free(const hf_backend *self, void *address, size_t size, intptr_t file,
                                uint64_t file_offset, hf_access access, hf_report *report) {
    struct crowd *crowd = crowd_of(self);
    hf_status status = view_at(self, address, size, file, file_offset, access, report);
    if (status == HF_OK) crowd->views++;
    if (status == HF_NO_ADDRESS) give_back(crowd);
    return status;
}

static void crowd_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    struct crowd *crowd = crowd_of(self);
    if (kind == HF_VIEW) crowd->views--;
    if (kind == HF_PLACEHOLDER && crowd->takers > 0)
        release_all_but_one_view(crowd, address, size);
    else
        hf_backend_native()->release(self, address, size, kind);
}

static struct crowd make_crowd(size_t takers, size_t taken_after) {
    struct crowd crowd = {
        .backend = *hf_backend_native(), .takers = takers, .taken_after = taken_after};
    crowd.backend.reserve = crowd_reserve;
    crowd.backend.release = crowd_release;
    crowd.backend.map = crowd_map;
    crowd.backend.map_free = crowd_map_free;
    return crowd;
}

/* ----------------------------------------------------------------------- what it holds ------ */

/* A byte that tells where in the stream it stands. */
static char byte_at(size_t total) { return (char)(total % 251); }

static void write_stream(hf_ring *ring, size_t *total, size_t size) {
    size_t room;
    char *into = hf_ring_write_begin(ring, &room);
    CHECK(size <= room);
    for (size_t i = 0; i < size; i++) into[i] = byte_at(*total + i);
    hf_ring_write_end(ring, size);
    *total += size;
}

static void read_stream(hf_ring *ring, size_t *total, size_t size) {
    size_t ready;
    const char *from = hf_ring_read_begin(ring, &ready);
    CHECK(size <= ready);
    for (size_t i = 0; i < size; i++) CHECK(from[i] == byte_at(*total + i));
    hf_ring_read_end(ring, size);
    *total += size;
}

static size_t room_in(hf_ring *ring) {
    size_t room;
    CHECK(hf_ring_write_begin(ring, &room) != NULL);
    return room;
}

static size_t ready_in(hf_ring *ring) {
    size_t ready;
    CHECK(hf_ring_read_begin(ring, &ready) != NULL);
    return ready;
}

/* Both halves show the same memory, to the last byte. */
static void is_mirrored(hf_ring *ring) {
    size_t capacity = hf_ring_capacity(ring), room;
    char *base = hf_ring_write_begin(ring, &room);
    CHECK_EQUAL(capacity, room);
    for (size_t i = 0; i < capacity; i++) base[i] = byte_at(i);
    CHECK(memcmp(base, base + capacity, capacity) == 0);
    memset(base + capacity, 'x', capacity);
    for (size_t i = 0; i < capacity; i++) CHECK(base[i] == 'x');
}

/* The whole capacity at once, wherever it begins. */
static void is_one_piece_everywhere(hf_ring *ring) {
    size_t capacity = hf_ring_capacity(ring), written = 0, consumed = 0;
    for (size_t step = 1; step < capacity; step = step * 3 + 1) {
        write_stream(ring, &written, capacity);
        CHECK_EQUAL(0, room_in(ring));
        read_stream(ring, &consumed, capacity);
        CHECK_EQUAL(0, ready_in(ring));
        write_stream(ring, &written, step);
        read_stream(ring, &consumed, step);
    }
}

static void is_a_ring(hf_ring *ring, size_t least_capacity) {
    size_t capacity = hf_ring_capacity(ring);
    CHECK(capacity >= least_capacity && capacity >= 64 * KIB);
    CHECK_EQUAL(0, capacity & (capacity - 1));
    CHECK(capacity == 64 * KIB || capacity / 2 < least_capacity);
    is_mirrored(ring);
    is_one_piece_everywhere(ring);
}

static void every_capacity_is_a_ring(void) {
    static const size_t capacities[] = {1, 4096, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 1000 * KIB};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        hf_ring *ring;
        CHECK_STATUS(HF_OK, hf_ring_open(&ring, capacities[i], NULL));
        is_a_ring(ring, capacities[i]);
        hf_ring_close(ring);
    }
}

static void random_pieces_come_out_as_they_went_in(void) {
    hf_ring *ring;
    struct random random = {1};
    size_t written = 0, consumed = 0;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    for (int i = 0; i < 3000; i++) {
        CHECK_EQUAL(hf_ring_capacity(ring), room_in(ring) + ready_in(ring));
        CHECK_EQUAL(written - consumed, ready_in(ring));
        if (random_below(&random, 2) == 0)
            write_stream(ring, &written, random_below(&random, room_in(ring) + 1));
        else
            read_stream(ring, &consumed, random_below(&random, ready_in(ring) + 1));
    }
    hf_ring_close(ring);
}

/* A message is whole or not there; and another look is taken when what was seen is used up. */
static void a_message_has_room_or_waits(void) {
    hf_ring *ring;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    size_t capacity = hf_ring_capacity(ring);
    char *base = hf_ring_write_least(ring, capacity);
    CHECK(base != NULL && hf_ring_write_least(ring, capacity + 1) == NULL);
    CHECK(hf_ring_write_least(ring, SIZE_MAX) == NULL && hf_ring_read_least(ring, 1) == NULL);
    CHECK(hf_ring_read_least(ring, 0) == base);
    for (size_t at = 0; at < 3 * capacity; at += 1000) {
        hf_ring_write_end(ring, 1000);
        CHECK(hf_ring_write_least(ring, capacity - 999) == NULL);
        CHECK(hf_ring_write_least(ring, capacity - 1000) == base + (at + 1000) % capacity);
        CHECK(hf_ring_read_least(ring, 1001) == NULL);
        CHECK(hf_ring_read_least(ring, 1000) == base + at % capacity);
        hf_ring_read_end(ring, 1000);
        CHECK(hf_ring_write_least(ring, capacity) == base + (at + 1000) % capacity);
    }
    hf_ring_close(ring);
}

/* At every position, the end of the ring among them. */
static void a_message_is_copied_whole_or_not(void) {
    hf_ring *ring;
    char in[1000], out[1000];
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    size_t capacity = hf_ring_capacity(ring), count = capacity / sizeof in;
    CHECK(!hf_ring_read(ring, out, 1) && hf_ring_read(ring, out, 0) && hf_ring_write(ring, in, 0));
    volatile size_t huge = SIZE_MAX; /* of which a compiler would warn */
    CHECK(!hf_ring_write(ring, in, capacity + 1) && !hf_ring_write(ring, in, huge));
    for (size_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < count; i++) {
            memset(in, byte_at(round + i), sizeof in);
            CHECK(hf_ring_write(ring, in, sizeof in));
        }
        CHECK(!hf_ring_write(ring, in, sizeof in) && !hf_ring_read(ring, out, capacity));
        CHECK_EQUAL(count * sizeof in, ready_in(ring));
        for (size_t i = 0; i < count; i++) {
            CHECK(hf_ring_read(ring, out, sizeof out));
            for (size_t k = 0; k < sizeof out; k++) CHECK(out[k] == byte_at(round + i));
        }
    }
    CHECK_EQUAL(0, ready_in(ring));
    hf_ring_close(ring);
}

/* ----------------------------------------------------------------------- bad input ---------- */

static void no_ring_of_such_a_capacity(size_t capacity, hf_status expected) {
    hf_ring *ring = (hf_ring *)&ring;
    CHECK_STATUS(expected, hf_ring_open(&ring, capacity, NULL));
    CHECK(ring == (hf_ring *)&ring);
    CHECK_EQUAL(expected, hf_last_error().status);
}

static void is_the_last_error(const char *call, size_t offset, size_t size) {
    hf_error error = hf_last_error();
    CHECK_EQUAL(HF_INVALID, error.status);
    CHECK(strcmp(call, error.call) == 0);
    CHECK_EQUAL(offset, error.offset);
    CHECK_EQUAL(size, error.size);
}

static void bad_arguments_are_refused(void) {
    no_ring_of_such_a_capacity(0, HF_INVALID);
    no_ring_of_such_a_capacity(SIZE_MAX, HF_INVALID);
    no_ring_of_such_a_capacity(SIZE_MAX / 2, HF_INVALID);
    is_the_last_error("hf_ring_open", 0, SIZE_MAX / 2);
    CHECK_STATUS(HF_INVALID, hf_ring_open(NULL, 1, NULL));
    is_the_last_error("hf_ring_open", 0, 1);
    hf_ring_close(NULL);
    CHECK_EQUAL(0, hf_ring_capacity(NULL));
}

/* A file of any size, of which there is little. */
static hf_status create_vast(const hf_backend *self, uint64_t size, intptr_t *file,
                             hf_report *report) {
    (void)size;
    return hf_backend_native()->file_create_shared(self, 64 * KIB, file, report);
}

static hf_status open_vast(uint64_t size) {
    hf_backend vast = *hf_backend_native();
    hf_file *file;
    hf_ring *ring = NULL;
    vast.file_create_shared = create_vast;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, size, &vast));
    hf_status status = hf_ring_open_file(&ring, file);
    CHECK(ring == NULL && status != HF_OK);
    hf_file_close(file);
    return status;
}

/* Twice the capacity has to be addressed: the largest fails for want of something else. */
static void the_largest_capacity_is_a_quarter_of_all_addresses(void) {
    uint64_t most = (uint64_t)SIZE_MAX / 4 + 1 + 64 * KIB;
    CHECK(open_vast(most) != HF_INVALID);
    CHECK_STATUS(HF_INVALID, open_vast(most + 1));
    is_the_last_error("hf_ring_open_file", 0, 0);
}

static void more_than_there_is_changes_nothing(void) {
    hf_ring *ring;
    size_t written = 0, consumed = 0;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    size_t capacity = hf_ring_capacity(ring);
    hf_ring_read_end(ring, 1);
    is_the_last_error("hf_ring_read_end", 0, 1);
    write_stream(ring, &written, 100);
    hf_ring_write_end(ring, capacity - 99);
    is_the_last_error("hf_ring_write_end", 100, capacity - 99);
    hf_ring_write_end(ring, SIZE_MAX);
    is_the_last_error("hf_ring_write_end", 100, SIZE_MAX);
    read_stream(ring, &consumed, 40);
    hf_ring_read_end(ring, 61);
    is_the_last_error("hf_ring_read_end", 40, 61);
    hf_ring_write_end(ring, 0);
    hf_ring_read_end(ring, 0);
    CHECK_EQUAL(60, ready_in(ring));
    CHECK_EQUAL(capacity - 60, room_in(ring));
    read_stream(ring, &consumed, 60);
    hf_ring_close(ring);
}

/* Who ends more than was told gets it, if it is there by now. */
static void what_has_come_meanwhile_may_be_ended(void) {
    hf_ring *ring;
    size_t written = 0, consumed = 0;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    size_t capacity = hf_ring_capacity(ring);
    write_stream(ring, &written, capacity);
    CHECK(hf_ring_write_least(ring, 1) == NULL);
    read_stream(ring, &consumed, 100);
    hf_ring_write_end(ring, 100);
    hf_ring_read_end(ring, capacity);
    CHECK_EQUAL(0, ready_in(ring));
    CHECK_EQUAL(capacity, room_in(ring));
    hf_ring_close(ring);
}

/* ------------------------------------------------------------------ two threads ------------- */

enum { STREAM = 3 * 1024 * KIB };

static void *produce(void *data) {
    struct random random = {2};
    for (size_t total = 0; total < STREAM;) {
        size_t wanted = random_below(&random, 9000), room = room_in(data);
        size_t left = STREAM - total, size = wanted < left ? wanted : left;
        write_stream(data, &total, size < room ? size : room);
    }
    return NULL;
}

/* What one thread writes the other reads, byte by byte, without a lock. */
static void one_thread_writes_another_reads(void) {
    hf_ring *ring;
    pthread_t producer;
    struct random random = {3};
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    CHECK(pthread_create(&producer, NULL, produce, ring) == 0);
    for (size_t total = 0; total < STREAM;) {
        size_t wanted = random_below(&random, 9000), ready = ready_in(ring);
        read_stream(ring, &total, wanted < ready ? wanted : ready);
    }
    CHECK(pthread_join(producer, NULL) == 0);
    CHECK_EQUAL(0, ready_in(ring));
    hf_ring_close(ring);
}

enum { MESSAGE = 1000, MESSAGES = 5000 };

static void *send_all(void *ring) {
    for (size_t i = 0; i < MESSAGES; i++) {
        char *into;
        while ((into = hf_ring_write_least(ring, MESSAGE)) == NULL) sched_yield();
        memset(into, byte_at(i), MESSAGE);
        hf_ring_write_end(ring, MESSAGE);
    }
    return NULL;
}

static void messages_go_from_thread_to_thread(void) {
    hf_ring *ring;
    pthread_t sender;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    CHECK(pthread_create(&sender, NULL, send_all, ring) == 0);
    for (size_t i = 0; i < MESSAGES; i++) {
        const char *from;
        while ((from = hf_ring_read_least(ring, MESSAGE)) == NULL) sched_yield();
        for (size_t k = 0; k < MESSAGE; k++) CHECK(from[k] == byte_at(i));
        hf_ring_read_end(ring, MESSAGE);
    }
    CHECK(pthread_join(sender, NULL) == 0);
    CHECK_EQUAL(0, ready_in(ring));
    hf_ring_close(ring);
}

/* ------------------------------------------------------------ without placeholders ---------- */

static void free_addresses_make_a_ring(void) {
    struct crowd crowd = make_crowd(0, 0);
    hf_ring *ring;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 100 * KIB, &crowd.backend));
    CHECK(crowd.reservations >= 1);
    CHECK_EQUAL(3, crowd.views);
    is_a_ring(ring, 100 * KIB);
    hf_ring_close(ring);
    CHECK_EQUAL(0, crowd.views);
}

/* Somebody takes the addresses of one of the views, again and again. */
static void what_another_thread_took_is_tried_elsewhere(void) {
    for (size_t taken_after = 0; taken_after < 3; taken_after++) {
        struct crowd crowd = make_crowd(7, taken_after);
        hf_ring *ring;
        CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, &crowd.backend));
        CHECK(crowd.reservations >= 8);
        CHECK_EQUAL(0, crowd.takers);
        CHECK_EQUAL(3, crowd.views);
        is_a_ring(ring, 1);
        hf_ring_close(ring);
        CHECK_EQUAL(0, crowd.views);
    }
}

static void it_gives_up_after_so_many_tries(void) {
    for (size_t taken_after = 0; taken_after < 3; taken_after++) {
        struct crowd crowd = make_crowd(SIZE_MAX, taken_after);
        hf_ring *ring = NULL;
        CHECK_STATUS(HF_NO_ADDRESS, hf_ring_open(&ring, 1, &crowd.backend));
        CHECK(ring == NULL);
        CHECK_EQUAL(100, crowd.reservations);
        CHECK_EQUAL(0, crowd.views);
        CHECK_EQUAL(HF_NO_ADDRESS, hf_last_error().status);
    }
}

static hf_status no_reservation(const hf_backend *self, void *base, size_t size, void **address,
                                hf_report *report) {
    (void)base, (void)size, (void)address;
    crowd_of(self)->reservations++;
    report->call = "no_reservation";
    return HF_NO_ADDRESS;
}

/* That the system has no addresses is no reason to ask again. */
static void a_refused_reservation_is_not_tried_again(void) {
    struct crowd crowd = make_crowd(0, 0);
    hf_ring *ring;
    crowd.backend.reserve = no_reservation;
    CHECK_STATUS(HF_NO_ADDRESS, hf_ring_open(&ring, 1, &crowd.backend));
    CHECK_EQUAL(1, crowd.reservations);
    CHECK(strcmp("no_reservation", hf_last_error().call) == 0);
}

/* In a space, on new memory and on a file: the status, the system's call, and how much was asked.
 * */
static void a_refused_reservation_is_told(void) {
    struct crowd crowd = make_crowd(0, 0);
    hf_ring *ring = NULL;
    hf_file *file;
    crowd.backend.reserve = no_reservation;
    crowd.backend.map_free = NULL;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 128 * KIB, &crowd.backend));
    for (int is_file = 0; is_file < 2; is_file++) {
        hf_status status =
            is_file ? hf_ring_open_file(&ring, file) : hf_ring_open(&ring, 1, &crowd.backend);
        CHECK_STATUS(HF_NO_ADDRESS, status);
        CHECK_STATUS(HF_NO_ADDRESS, hf_last_error().status);
        CHECK(strcmp("no_reservation", hf_last_error().call) == 0);
        CHECK_EQUAL(192 * KIB, hf_last_error().size);
        CHECK(ring == NULL);
    }
    hf_file_close(file);
}

/* ---------------------------------------------------------------- with threads for real ----- */

struct racer {
    hf_lock lock;
    bool is_over;
    size_t grabs;
};

/* Notes one more of the thread's own; true: no other is wanted. */
static bool note_grab(struct racer *racer) {
    const hf_backend *native = hf_backend_native();
    native->lock(native, &racer->lock);
    bool over = racer->is_over;
    racer->grabs++;
    native->unlock(native, &racer->lock);
    return over;
}

static size_t grabs_of(struct racer *racer) {
    const hf_backend *native = hf_backend_native();
    native->lock(native, &racer->lock);
    size_t grabs = racer->grabs;
    native->unlock(native, &racer->lock);
    return grabs;
}

/* Takes and gives back addresses of the same size as fast as it can. */
static void *grab(void *data) {
    const hf_backend *native = hf_backend_native();
    struct racer *racer = data;
    do {
        hf_report report = {0};
        void *address;
        CHECK_STATUS(HF_OK, native->reserve(native, NULL, 192 * KIB, &address, &report));
        native->release(native, address, 192 * KIB, HF_PLACEHOLDER);
    } while (!note_grab(racer));
    return NULL;
}

static void rings_open_while_another_thread_takes_addresses(void) {
    const hf_backend *native = hf_backend_native();
    struct racer racer = {0};
    struct crowd crowd = make_crowd(0, 0);
    hf_report report = {0};
    pthread_t thread;
    CHECK_STATUS(HF_OK, native->lock_open(native, &racer.lock, &report));
    CHECK(pthread_create(&thread, NULL, grab, &racer) == 0);
    /* On a busy machine the thread may not have begun after 300. */
    for (int i = 0; i < 300 || grabs_of(&racer) < 300; i++) {
        hf_ring *ring;
        CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, &crowd.backend));
        if (i % 50 == 0) is_mirrored(ring);
        hf_ring_close(ring);
    }
    native->lock(native, &racer.lock);
    racer.is_over = true;
    native->unlock(native, &racer.lock);
    CHECK(pthread_join(thread, NULL) == 0);
    native->lock_close(native, &racer.lock);
    CHECK(crowd.reservations >= 300);
}

/* ------------------------------------------------------------------ the n-th call fails ----- */

static void open_with_failures(struct failure *failure) {
    hf_ring *ring = NULL;
    failure_on(failure);
    hf_status status = hf_ring_open(&ring, 1, failure->strict);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0 || failure_is_retried(failure)));
    CHECK((status == HF_OK) == (ring != NULL));
    if (status != HF_OK) check_failure(failure, status);
    if (status == HF_OK) is_mirrored(ring);
    if (status == HF_OK && failure->strict->map_free)
        CHECK_EQUAL(3, hf_strict_get_stats(failure->strict).pieces);
    hf_ring_close(ring);
}

/* The record; the file's, its lock and its memory; the addresses; the three views; and where it is
 * a space, its record, its lock and splits. */
static void a_refusal_leaves_nothing(void) {
    CHECK(each_failure(open_with_failures, NULL) >= 2 * 7);
}

/* The two records, the shared memory, the addresses and the three views. */
static void a_refusal_leaves_nothing_at_free_addresses(void) {
    struct crowd crowd = make_crowd(0, 0);
    CHECK(each_failure_on(&crowd.backend, open_with_failures, NULL) >= 2 * 7);
    CHECK_EQUAL(0, crowd.views);
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(every_capacity_is_a_ring), TEST(random_pieces_come_out_as_they_went_in),
           TEST(a_message_has_room_or_waits), TEST(a_message_is_copied_whole_or_not),
           TEST(messages_go_from_thread_to_thread), TEST(bad_arguments_are_refused),
           TEST(the_largest_capacity_is_a_quarter_of_all_addresses),
           TEST(more_than_there_is_changes_nothing), TEST(what_has_come_meanwhile_may_be_ended),
           TEST(one_thread_writes_another_reads), TEST(free_addresses_make_a_ring),
           TEST(what_another_thread_took_is_tried_elsewhere), TEST(it_gives_up_after_so_many_tries),
           TEST(a_refused_reservation_is_not_tried_again), TEST(a_refused_reservation_is_told),
           TEST(rings_open_while_another_thread_takes_addresses), TEST(a_refusal_leaves_nothing),
           TEST(a_refusal_leaves_nothing_at_free_addresses))
