/*
 * The ring: what holdfast/ring.h says, in a placeholder and at free addresses.
 *
 * The library maps a ring at free addresses if the system has no placeholders. To test that on any
 * system, `struct competitor` is a copy of the native backend without placeholders, whose map_free
 * is made from other calls; and it can reserve the ring's addresses between their release and the
 * mapping, as another thread would. Real threads of the process can do so too, so tests check only
 * the least number of tries.
 */
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "disk.h"
#include "holdfast.h"
#include "nth_failure.h"
#include "random.h"
#include "ring_fixture.h"
#include "space_fixture.h"

enum { KIB = 1024 };

/* -------------------------------------------------------- a backend without placeholders ---- */

struct competitor {
    hf_backend backend;
    size_t occupations;    /* how many more times another thread is faster */
    size_t occupied_after; /* which of the three views loses its address */
    void *address;         /* the reservation of the competitor */
    size_t occupied;
    size_t reservations, views;
};

static struct competitor *competitor_of(const hf_backend *self) {
    return (struct competitor *)(uintptr_t)self;
}

static hf_status competitor_reserve(const hf_backend *self, void *base, size_t size, void **address,
                                    hf_report *report) {
    competitor_of(self)->reservations++;
    return hf_backend_native()->reserve(self, base, size, address, report);
}

static hf_status competitor_map(const hf_backend *self, void *address, size_t size, intptr_t file,
                                uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self, (void)address, (void)size, (void)file, (void)file_offset, (void)access;
    report->call = "competitor_map";
    return HF_UNSUPPORTED;
}

/* As if another thread were faster: the addresses of one of the three views (64 KiB in a ring of
 * that capacity) stay reserved when the ring's addresses are released. Where part of a reservation
 * can be released, they are reserved all the time: otherwise a thread of the process (a
 * sanitizer's) could reserve them first, and release them too early. */
static void release_all_but_one_view(struct competitor *competitor, char *address, size_t size) {
    const hf_backend *native = hf_backend_native();
    hf_report report = {0};
    void *got;
    competitor->occupations--;
    competitor->occupied = size / 3;
    competitor->address = address + competitor->occupied_after * competitor->occupied;
    if (native->map_free) { /* a reservation is released as a whole */
        native->release(&competitor->backend, address, size, HF_PLACEHOLDER);
        CHECK_STATUS(HF_OK, native->reserve(&competitor->backend, competitor->address,
                                            competitor->occupied, &got, &report));
        return;
    }
    for (size_t i = 0; i < 2; i++)
        CHECK_STATUS(HF_OK, native->split(&competitor->backend, address + i * competitor->occupied,
                                          competitor->occupied, &report));
    for (size_t i = 0; i < 3; i++)
        if (i != competitor->occupied_after)
            native->release(&competitor->backend, address + i * competitor->occupied,
                            competitor->occupied, HF_PLACEHOLDER);
}

static void release_occupied(struct competitor *competitor) {
    if (competitor->occupied > 0)
        hf_backend_native()->release(&competitor->backend, competitor->address,
                                     competitor->occupied, HF_PLACEHOLDER);
    competitor->occupied = 0;
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

static hf_status competitor_map_free(const hf_backend *self, void *address, size_t size,
                                     intptr_t file, uint64_t file_offset, hf_access access,
                                     hf_report *report) {
    struct competitor *competitor = competitor_of(self);
    hf_status status = view_at(self, address, size, file, file_offset, access, report);
    if (status == HF_OK) competitor->views++;
    if (status == HF_NO_ADDRESS) release_occupied(competitor);
    return status;
}

static void competitor_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    struct competitor *competitor = competitor_of(self);
    if (kind == HF_VIEW) competitor->views--;
    if (kind == HF_PLACEHOLDER && competitor->occupations > 0)
        release_all_but_one_view(competitor, address, size);
    else
        hf_backend_native()->release(self, address, size, kind);
}

static struct competitor make_competitor(size_t occupations, size_t occupied_after) {
    struct competitor competitor = {.backend = *hf_backend_native(),
                                    .occupations = occupations,
                                    .occupied_after = occupied_after};
    competitor.backend.reserve = competitor_reserve;
    competitor.backend.release = competitor_release;
    competitor.backend.map = competitor_map;
    competitor.backend.map_free = competitor_map_free;
    return competitor;
}

/* ------------------------------------------------------------------------------ mirror ------ */

/* Both views of the data show the same memory. */
static void is_mirrored(hf_ring *ring) {
    size_t capacity = hf_ring_capacity(ring), room;
    char *base = hf_ring_write_begin(ring, &room);
    CHECK_EQUAL(capacity, room);
    for (size_t i = 0; i < capacity; i++) base[i] = byte_at(i);
    CHECK(memcmp(base, base + capacity, capacity) == 0);
    memset(base + capacity, 'x', capacity);
    for (size_t i = 0; i < capacity; i++) CHECK(base[i] == 'x');
}

/* The whole capacity is contiguous, at every position. */
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

static void random_pieces_are_read_as_they_were_written(void) {
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

/* A message is available as a whole or not at all; the peer's position is read again when the
 * cached one is used up. */
static void a_message_fits_whole_or_not_at_all(void) {
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

/* At every position, also across the end of the ring. */
static void a_message_is_copied_whole_or_not_at_all(void) {
    hf_ring *ring;
    char in[1000], out[1000];
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    size_t capacity = hf_ring_capacity(ring), count = capacity / sizeof in;
    CHECK(!hf_ring_read(ring, out, 1) && hf_ring_read(ring, out, 0) && hf_ring_write(ring, in, 0));
    volatile size_t huge = SIZE_MAX; /* volatile, because compilers warn of the constant */
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

static void bad_arguments_are_invalid(void) {
    no_ring_of_such_a_capacity(0, HF_INVALID);
    no_ring_of_such_a_capacity(SIZE_MAX, HF_INVALID);
    no_ring_of_such_a_capacity(SIZE_MAX / 2, HF_INVALID);
    is_the_last_error("hf_ring_open", 0, SIZE_MAX / 2);
    CHECK_STATUS(HF_INVALID, hf_ring_open(NULL, 1, NULL));
    is_the_last_error("hf_ring_open", 0, 1);
    hf_ring_close(NULL);
    CHECK_EQUAL(0, hf_ring_capacity(NULL));
}

/* A file that claims any size, but has little memory. */
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
    CHECK((status == HF_OK) == (ring != NULL));
    hf_ring_close(ring);
    hf_file_close(file);
    return status;
}

/* A ring needs twice its capacity in addresses. The largest capacity fails for another reason, or
 * opens: a 32-bit program on a 64-bit kernel has nearly 4 GiB of addresses. */
static void the_largest_capacity_is_a_quarter_of_all_addresses(void) {
    uint64_t most = (uint64_t)SIZE_MAX / 4 + 1 + 64 * KIB;
    CHECK(open_vast(most) != HF_INVALID);
    CHECK_STATUS(HF_INVALID, open_vast(most + 1));
    is_the_last_error("hf_ring_open_file", 0, 0);
}

static void ending_more_than_available_changes_nothing(void) {
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

/* A call may end more than begin returned, if that many bytes have arrived since. */
static void bytes_that_arrived_meanwhile_may_be_ended(void) {
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

/* One thread writes and another reads, without a lock. */
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

static void messages_pass_from_thread_to_thread(void) {
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
    struct competitor competitor = make_competitor(0, 0);
    hf_ring *ring;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 100 * KIB, &competitor.backend));
    CHECK(competitor.reservations >= 1);
    CHECK_EQUAL(3, competitor.views);
    is_a_ring(ring, 100 * KIB);
    hf_ring_close(ring);
    CHECK_EQUAL(0, competitor.views);
}

/* Another thread reserves the addresses of one of the views, several times. */
static void an_occupied_address_is_tried_elsewhere(void) {
    for (size_t occupied_after = 0; occupied_after < 3; occupied_after++) {
        struct competitor competitor = make_competitor(7, occupied_after);
        hf_ring *ring;
        CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, &competitor.backend));
        CHECK(competitor.reservations >= 8);
        CHECK_EQUAL(0, competitor.occupations);
        CHECK_EQUAL(3, competitor.views);
        is_a_ring(ring, 1);
        hf_ring_close(ring);
        CHECK_EQUAL(0, competitor.views);
    }
}

static void opening_fails_after_100_tries(void) {
    for (size_t occupied_after = 0; occupied_after < 3; occupied_after++) {
        struct competitor competitor = make_competitor(SIZE_MAX, occupied_after);
        hf_ring *ring = NULL;
        CHECK_STATUS(HF_NO_ADDRESS, hf_ring_open(&ring, 1, &competitor.backend));
        CHECK(ring == NULL);
        CHECK_EQUAL(100, competitor.reservations);
        CHECK_EQUAL(0, competitor.views);
        CHECK_EQUAL(HF_NO_ADDRESS, hf_last_error().status);
    }
}

static hf_status no_reservation(const hf_backend *self, void *base, size_t size, void **address,
                                hf_report *report) {
    (void)base, (void)size, (void)address;
    competitor_of(self)->reservations++;
    report->call = "no_reservation";
    return HF_NO_ADDRESS;
}

/* If reserving fails, there is no second try. */
static void a_failed_reservation_is_not_tried_again(void) {
    struct competitor competitor = make_competitor(0, 0);
    hf_ring *ring;
    competitor.backend.reserve = no_reservation;
    CHECK_STATUS(HF_NO_ADDRESS, hf_ring_open(&ring, 1, &competitor.backend));
    CHECK_EQUAL(1, competitor.reservations);
    CHECK(strcmp("no_reservation", hf_last_error().call) == 0);
}

/* The last error of a ring in a space, on new memory and on a file: status, call and size. */
static void a_failed_reservation_is_the_last_error(void) {
    struct competitor competitor = make_competitor(0, 0);
    hf_ring *ring = NULL;
    hf_file *file;
    competitor.backend.reserve = no_reservation;
    competitor.backend.map_free = NULL;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 128 * KIB, &competitor.backend));
    for (int is_file = 0; is_file < 2; is_file++) {
        hf_status status =
            is_file ? hf_ring_open_file(&ring, file) : hf_ring_open(&ring, 1, &competitor.backend);
        CHECK_STATUS(HF_NO_ADDRESS, status);
        CHECK_STATUS(HF_NO_ADDRESS, hf_last_error().status);
        CHECK(strcmp("no_reservation", hf_last_error().call) == 0);
        CHECK_EQUAL(192 * KIB, hf_last_error().size);
        CHECK(ring == NULL);
    }
    hf_file_close(file);
}

/* -------------------------------------------------------------------- with real threads ----- */

struct reserver {
    hf_lock lock;
    bool is_over;
    size_t reservations;
};

/* Counts one more reservation; true if the thread should end. */
static bool count_reservation(struct reserver *reserver) {
    const hf_backend *native = hf_backend_native();
    native->lock(native, &reserver->lock);
    bool over = reserver->is_over;
    reserver->reservations++;
    native->unlock(native, &reserver->lock);
    return over;
}

static size_t reservations_of(struct reserver *reserver) {
    const hf_backend *native = hf_backend_native();
    native->lock(native, &reserver->lock);
    size_t reservations = reserver->reservations;
    native->unlock(native, &reserver->lock);
    return reservations;
}

/* Reserves and releases a range of the ring's size in a loop. */
static void *reserve_and_release(void *data) {
    const hf_backend *native = hf_backend_native();
    struct reserver *reserver = data;
    do {
        hf_report report = {0};
        void *address;
        CHECK_STATUS(HF_OK, native->reserve(native, NULL, 192 * KIB, &address, &report));
        native->release(native, address, 192 * KIB, HF_PLACEHOLDER);
    } while (!count_reservation(reserver));
    return NULL;
}

static void rings_open_while_another_thread_reserves_addresses(void) {
    const hf_backend *native = hf_backend_native();
    struct reserver reserver = {0};
    struct competitor competitor = make_competitor(0, 0);
    hf_report report = {0};
    pthread_t thread;
    CHECK_STATUS(HF_OK, native->lock_open(native, &reserver.lock, &report));
    CHECK(pthread_create(&thread, NULL, reserve_and_release, &reserver) == 0);
    /* On a busy machine the thread may not have begun after 300. */
    for (int i = 0; i < 300 || reservations_of(&reserver) < 300; i++) {
        hf_ring *ring;
        CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, &competitor.backend));
        if (i % 50 == 0) is_mirrored(ring);
        hf_ring_close(ring);
    }
    native->lock(native, &reserver.lock);
    reserver.is_over = true;
    native->unlock(native, &reserver.lock);
    CHECK(pthread_join(thread, NULL) == 0);
    native->lock_close(native, &reserver.lock);
    CHECK(competitor.reservations >= 300);
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
        CHECK_EQUAL(3, hf_strict_get_stats(failure->strict).regions);
    hf_ring_close(ring);
}

/* The failing calls: the ring's record; the file's record, its lock and its memory; the addresses;
 * the three views; and in a space its records, its lock and the splits. */
static void a_failure_leaves_nothing(void) {
    CHECK(each_failure(open_with_failures, NULL) >= 2 * 7);
}

/* The failing calls: two records, the shared memory, the addresses and the three views. */
static void a_failure_leaves_nothing_at_free_addresses(void) {
    struct competitor competitor = make_competitor(0, 0);
    CHECK(each_failure_on(&competitor.backend, open_with_failures, NULL) >= 2 * 7);
    CHECK_EQUAL(0, competitor.views);
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(every_capacity_is_a_ring), TEST(random_pieces_are_read_as_they_were_written),
           TEST(a_message_fits_whole_or_not_at_all), TEST(a_message_is_copied_whole_or_not_at_all),
           TEST(messages_pass_from_thread_to_thread), TEST(bad_arguments_are_invalid),
           TEST(the_largest_capacity_is_a_quarter_of_all_addresses),
           TEST(ending_more_than_available_changes_nothing),
           TEST(bytes_that_arrived_meanwhile_may_be_ended), TEST(one_thread_writes_another_reads),
           TEST(free_addresses_make_a_ring), TEST(an_occupied_address_is_tried_elsewhere),
           TEST(opening_fails_after_100_tries), TEST(a_failed_reservation_is_not_tried_again),
           TEST(a_failed_reservation_is_the_last_error),
           TEST(rings_open_while_another_thread_reserves_addresses), TEST(a_failure_leaves_nothing),
           TEST(a_failure_leaves_nothing_at_free_addresses))
