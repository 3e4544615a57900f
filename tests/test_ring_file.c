/*
 * Rings in files: what holdfast/ring.h says of hf_ring_open_file, in one process and in two; and
 * that the ring does not trust memory that the other side can write.
 */
#include <stdint.h>

#include "check.h"
#include "disk.h"
#include "holdfast.h"
#include "nth_failure.h"
#include "process.h"
#include "ring_fixture.h"
#include "space_fixture.h"

enum { KIB = 1024, POSITIONS = 64 * KIB, CAPACITY = 128 * KIB };

static const char path[] = "test_ring_file.tmp";

static hf_file *make_file(void) {
    hf_file *file;
    remove(path);
    CHECK_STATUS(HF_OK, hf_file_create(&file, path, POSITIONS + CAPACITY, NULL));
    return file;
}

static hf_file *open_again(hf_access access) {
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, access, NULL));
    return file;
}

static hf_ring *open_ring(void) {
    hf_ring *ring;
    hf_file *file = open_again(HF_READ_WRITE);
    CHECK_STATUS(HF_OK, hf_ring_open_file(&ring, file));
    hf_file_close(file);
    CHECK_EQUAL(CAPACITY, hf_ring_capacity(ring));
    return ring;
}

/* ------------------------------------------------------------------------ files ------------- */

static void has_capacity(uint64_t file_size, size_t capacity) {
    hf_file *file;
    hf_ring *ring;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, file_size, NULL));
    CHECK_STATUS(HF_OK, hf_ring_open_file(&ring, file));
    hf_file_close(file);
    CHECK_EQUAL(capacity, hf_ring_capacity(ring));
    CHECK_EQUAL(capacity, room_in(ring));
    CHECK_EQUAL(0, ready_in(ring));
    hf_ring_close(ring);
}

/* Rounded down to a power of two. */
static void the_capacity_is_the_file_size_without_the_positions(void) {
    has_capacity(128 * KIB, 64 * KIB);
    has_capacity(192 * KIB - 1, 64 * KIB);
    has_capacity(192 * KIB, 128 * KIB);
    has_capacity(256 * KIB, 128 * KIB);
    has_capacity(1000 * KIB, 512 * KIB);
}

/* Two rings on one file are the same ring. */
static void two_rings_on_one_file_share_its_bytes(void) {
    hf_file_close(make_file());
    hf_ring *here = open_ring(), *there = open_ring();
    size_t written = 0, consumed = 0;
    for (size_t size = 1; size <= CAPACITY; size = size * 3 + 1) {
        write_stream(here, &written, size);
        CHECK_EQUAL(size, ready_in(there));
        read_stream(there, &consumed, size);
        CHECK_EQUAL(CAPACITY, room_in(here));
    }
    write_stream(here, &written, CAPACITY);
    CHECK_EQUAL(0, room_in(there));
    read_stream(here, &consumed, CAPACITY);
    hf_ring_close(there);
    hf_ring_close(here);
    remove(path);
}

static void a_reopened_ring_keeps_its_bytes(void) {
    hf_file_close(make_file());
    size_t written = 0, consumed = 0;
    for (int i = 0; i < 20; i++) {
        hf_ring *ring = open_ring();
        CHECK_EQUAL(written - consumed, ready_in(ring));
        write_stream(ring, &written, 50000);
        hf_ring_close(ring);
        ring = open_ring();
        read_stream(ring, &consumed, 49000);
        hf_ring_close(ring);
    }
    remove(path);
}

/* ---------------------------------------------------------------- between processes --------- */

enum { STREAM = 3 * 1024 * KIB };

static void another_process_reads(void) {
    hf_ring *ring = open_ring();
    for (size_t total = 0; total < STREAM;) read_stream(ring, &total, ready_in(ring));
    hf_ring_close(ring);
}

static void one_process_writes_another_reads(void) {
    hf_file_close(make_file());
    hf_ring *ring = open_ring();
    FILE *reader = process_start("another_process_reads");
    CHECK(reader != NULL);
    for (size_t total = 0; total < STREAM;) {
        size_t room = room_in(ring), left = STREAM - total, size = left < 9000 ? left : 9000;
        write_stream(ring, &total, size < room ? size : room);
    }
    CHECK(process_ended_well(reader));
    CHECK_EQUAL(0, ready_in(ring));
    hf_ring_close(ring);
    remove(path);
}

/* ----------------------------------------------------------------------- bad input ---------- */

static void open_ring_fails(hf_file *file, hf_status expected) {
    hf_ring *ring = (hf_ring *)&ring;
    CHECK_STATUS(expected, hf_ring_open_file(&ring, file));
    CHECK(ring == (hf_ring *)&ring);
    CHECK_EQUAL(expected, hf_last_error().status);
    hf_file_close(file);
}

static void last_reason_has(const char *part) {
    const char *reason = hf_last_error().reason;
    CHECK(reason != NULL && strstr(reason, part) != NULL);
}

static void a_file_too_small_or_not_writable_is_invalid(void) {
    hf_file *file;
    open_ring_fails(NULL, HF_INVALID);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 128 * KIB - 1, NULL));
    open_ring_fails(file, HF_INVALID);
    last_reason_has("128 KiB");
    file = make_file();
    CHECK_STATUS(HF_INVALID, hf_ring_open_file(NULL, file));
    hf_file_close(file);
    open_ring_fails(open_again(HF_READ_ONLY), HF_INVALID);
    last_reason_has("not open for writing");
    open_ring_fails(open_again(HF_COPY_ON_WRITE), HF_INVALID);
    remove(path);
}

/* Writes a few bytes to the file with the C library. */
static void write_at(long offset, const void *bytes, size_t size) {
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    CHECK(fseek(file, offset, SEEK_SET) == 0 && fwrite(bytes, size, 1, file) == 1);
    CHECK(fclose(file) == 0);
}

static void a_damaged_description_is_corrupt(void) {
    static const size_t nonsense[] = {2 * CAPACITY, SIZE_MAX, CAPACITY + 1};
    for (size_t i = 0; i < 3; i++) {
        hf_file_close(make_file());
        write_at(128, &nonsense[i], sizeof nonsense[i]);
        open_ring_fails(open_again(HF_READ_WRITE), HF_CORRUPT);
    }
    for (long offset = 0; offset < 24; offset++) {
        hf_file_close(make_file());
        hf_ring_close(open_ring());
        write_at(offset, "?", 1);
        open_ring_fails(open_again(HF_READ_WRITE), HF_CORRUPT);
    }
    remove(path);
}

/* -------------------------------------------------------------- half-made descriptions ------ */

enum { DESCRIBED = 24, HEAD = 384 };

/* The format of a ring's file is fixed: other versions read it. */
static void expected_head(unsigned char head[HEAD]) {
    uint32_t byte_order = 0x01020304, pointer_size = sizeof(void *);
    uint64_t capacity = CAPACITY;
    memset(head, 0, HEAD);
    memcpy(head, "hf ring", 8);
    memcpy(head + 8, &byte_order, 4);
    memcpy(head + 12, &pointer_size, 4);
    memcpy(head + 16, &capacity, 8);
}

static void expect_head_of_empty_ring(void) {
    unsigned char expected[HEAD], found[HEAD];
    expected_head(expected);
    intptr_t file = disk_open(path, DISK_LOADS);
    CHECK_EQUAL(HEAD, disk_load(file, 0, found, HEAD));
    disk_close(file);
    for (size_t i = 0; i < HEAD; i++) CHECK_EQUAL(expected[i], found[i]);
}

static void the_format_of_a_description_is_fixed(void) {
    static const unsigned char golden[DESCRIBED] = {'h', 'f', ' ', 'r', 'i', 'n', 'g', 0, 4, 3, 2,
                                                    1,   8,   0,   0,   0,   0,   0,   2, 0, 0, 0};
    unsigned char head[HEAD];
    uint16_t one = 1;
    hf_file_close(make_file());
    hf_ring_close(open_ring());
    expect_head_of_empty_ring();
    expected_head(head);
    if (*(unsigned char *)&one == 1 && sizeof(void *) == 8)
        CHECK(memcmp(golden, head, DESCRIBED) == 0);
    remove(path);
}

static void open_half_made(const unsigned char head[HEAD]) {
    hf_file_close(make_file());
    write_at(0, head, DESCRIBED);
    hf_ring *ring = open_ring();
    CHECK_EQUAL(0, ready_in(ring));
    CHECK_EQUAL(CAPACITY, room_in(ring));
    hf_ring_close(ring);
    expect_head_of_empty_ring();
}

/* A process was killed after any number of bytes, from either end, or between any two of the 4-byte
 * stores. */
static void a_half_made_ring_is_completed(void) {
    unsigned char whole[HEAD], head[HEAD];
    expected_head(whole);
    for (size_t cut = 0; cut <= DESCRIBED; cut++) {
        memset(head, 0, HEAD);
        memcpy(head, whole, cut);
        open_half_made(head);
        memcpy(head, whole, HEAD);
        memset(head, 0, cut);
        open_half_made(head);
    }
    for (unsigned written = 0; written < 64; written++) {
        memset(head, 0, HEAD);
        for (size_t index = 0; index < 6; index++)
            if (written >> index & 1) memcpy(head + 4 * index, whole + 4 * index, 4);
        open_half_made(head);
    }
    remove(path);
}

/* A ring writes nothing behind its description, so other bytes there mean that the file is not a
 * ring's. */
static void nonzero_bytes_behind_a_description_are_corrupt(void) {
    for (long offset = DESCRIBED; offset < 128; offset += 7) {
        hf_file_close(make_file());
        write_at(offset, "x", 1);
        open_ring_fails(open_again(HF_READ_WRITE), HF_CORRUPT);
    }
    remove(path);
}

/* A sparse copy of a used ring: opening fills its holes. */
static void holes_of_a_copied_ring_are_filled(void) {
    unsigned char head[HEAD];
    expected_head(head);
    intptr_t sparse = disk_create(path, 0);
    disk_store(sparse, 0, head, HEAD);
    disk_resize(sparse, POSITIONS + CAPACITY);
    disk_close(sparse);
    if (disk_allocated(path) >= POSITIONS + CAPACITY)
        check_skip("the file system makes no holes");
    else
        hf_ring_close(open_ring());
    CHECK(disk_allocated(path) >= POSITIONS + CAPACITY);
    remove(path);
}

/* Opening allocates blocks for every byte that the ring can store to; a file that is not a ring
 * stays unchanged. */
static void holes_of_a_new_ring_are_filled(void) {
    static const unsigned char nonsense = '?';
    for (int is_ring = 0; is_ring < 2; is_ring++) {
        intptr_t sparse = disk_create(path, 0);
        disk_resize(sparse, POSITIONS + CAPACITY);
        if (!is_ring) disk_store(sparse, 0, &nonsense, 1);
        disk_close(sparse);
        uint64_t before = disk_allocated(path);
        if (before >= POSITIONS + CAPACITY) {
            check_skip("the file system makes no holes");
            break;
        }
        if (is_ring)
            hf_ring_close(open_ring());
        else
            open_ring_fails(open_again(HF_READ_WRITE), HF_CORRUPT);
        CHECK(is_ring ? disk_allocated(path) >= POSITIONS + CAPACITY
                      : disk_allocated(path) == before);
    }
    remove(path);
}

/* ------------------------------------------------- two processes that make the same ring ---- */

/* Creates the ring's file, or opens it if it exists. */
static hf_ring *make_or_open_ring(void) {
    hf_file *file;
    hf_ring *ring;
    hf_status status = hf_file_create(&file, path, POSITIONS + CAPACITY, NULL);
    if (status != HF_OK) {
        CHECK_STATUS(HF_IO, status);
        CHECK_EQUAL(disk_answers.exists, hf_last_error().os_code);
        file = open_again(HF_READ_WRITE);
    }
    CHECK_EQUAL(POSITIONS + CAPACITY, hf_file_size(file));
    CHECK_STATUS(HF_OK, hf_ring_open_file(&ring, file));
    hf_file_close(file);
    return ring;
}

enum { ROUNDS = 200 };

/* The other process: writes a byte to the ring in each file. */
static void another_process_makes_rings(void) {
    for (int round = 0; round < ROUNDS; round++) {
        hf_ring *ring = make_or_open_ring();
        CHECK_EQUAL(CAPACITY, hf_ring_capacity(ring));
        while (!hf_ring_write(ring, "x", 1)) {
        }
        while (ready_in(ring) > 0) {
        }
        hf_ring_close(ring);
        CHECK(fgetc(process_input()) == 'n');
    }
}

static void processes_that_make_the_same_ring_share_it(void) {
    if (!disk_answers.cuts_under_views) {
        check_skip("this system removes no file that is mapped, and shows files half-made");
        return;
    }
    remove(path);
    FILE *other = process_start("another_process_makes_rings");
    CHECK(other != NULL);
    for (int round = 0; round < ROUNDS; round++) {
        char byte;
        hf_ring *ring = make_or_open_ring();
        CHECK_EQUAL(CAPACITY, hf_ring_capacity(ring));
        while (!hf_ring_read(ring, &byte, 1)) {
        }
        CHECK(byte == 'x');
        hf_ring_close(ring);
        remove(path);
        CHECK(fputc('n', other) == 'n' && fflush(other) == 0);
    }
    CHECK(process_ended_well(other));
    remove(path);
}

/* Maps the positions, as another process would. */
static size_t *map_positions(hf_space **space) {
    hf_file *file = open_again(HF_READ_WRITE);
    CHECK_STATUS(HF_OK, hf_space_open(space, POSITIONS, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(*space, 0, POSITIONS, file, 0, HF_READ_WRITE));
    hf_file_close(file);
    return (size_t *)(void *)hf_space_base(*space);
}

/* Whatever positions the other side stores, pointers stay within the ring, which counts as full or
 * empty. */
static void corrupt_positions_count_as_full_or_empty(void) {
    if (!backend_has_views(hf_backend_native())) return;
    static const size_t nonsense[] = {2 * CAPACITY, 2 * CAPACITY + 1, SIZE_MAX, SIZE_MAX / 2};
    hf_file_close(make_file());
    hf_ring *ring = open_ring();
    size_t written = 0, room, ready;
    char *base = hf_ring_write_begin(ring, &room);
    hf_space *space;
    size_t *producer = map_positions(&space) + 128 / sizeof(size_t);
    size_t *consumer = producer + 128 / sizeof(size_t);
    write_stream(ring, &written, 100);
    CHECK_EQUAL(100, *producer);
    for (size_t i = 0; i < 4; i++) {
        *producer = nonsense[i];
        *consumer = nonsense[3 - i];
        char *into = hf_ring_write_begin(ring, &room), *from = hf_ring_read_begin(ring, &ready);
        CHECK(room == 0 && into >= base && into < base + CAPACITY);
        CHECK(ready == 0 && from >= base && from < base + CAPACITY);
        hf_ring_write_end(ring, 1);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        hf_ring_read_end(ring, 1);
        CHECK(*producer == nonsense[i] && *consumer == nonsense[3 - i]);
    }
    *producer = *consumer = 0;
    CHECK_EQUAL(CAPACITY, room_in(ring));
    hf_space_close(space);
    hf_ring_close(ring);
    remove(path);
}

/* ------------------------------------------------------------------ the n-th call fails ----- */

static void open_with_failures(struct failure *failure) {
    hf_file *file;
    hf_ring *ring = NULL;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 128 * KIB, failure->strict));
    failure_on(failure);
    hf_status status = hf_ring_open_file(&ring, file);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0 || failure_is_retried(failure)));
    CHECK((status == HF_OK) == (ring != NULL));
    if (status != HF_OK) check_failure(failure, status);
    if (ring) CHECK_EQUAL(64 * KIB, room_in(ring));
    hf_ring_close(ring);
    hf_file_close(file);
}

/* The failing calls: at least the record, the addresses and the three views. */
static void a_failure_leaves_nothing(void) {
    CHECK(each_failure(open_with_failures, NULL) >= 2 * 5);
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(the_capacity_is_the_file_size_without_the_positions),
           TEST(two_rings_on_one_file_share_its_bytes), TEST(a_reopened_ring_keeps_its_bytes),
           TEST(one_process_writes_another_reads), TEST_BY_NAME(another_process_reads),
           TEST(a_file_too_small_or_not_writable_is_invalid),
           TEST(a_damaged_description_is_corrupt), TEST(the_format_of_a_description_is_fixed),
           TEST(a_half_made_ring_is_completed),
           TEST(nonzero_bytes_behind_a_description_are_corrupt),
           TEST(holes_of_a_new_ring_are_filled), TEST(holes_of_a_copied_ring_are_filled),
           TEST_BY_NAME(another_process_makes_rings),
           TEST(processes_that_make_the_same_ring_share_it),
           TEST(corrupt_positions_count_as_full_or_empty), TEST(a_failure_leaves_nothing))
