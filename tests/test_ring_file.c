/*
 * Rings in files: what holdfast/ring.h promises of hf_ring_open_file, within a process and between
 * two; and that the other side's memory is not believed.
 */
#include <stdint.h>

#include "check.h"
#include "disk.h"
#include "holdfast.h"
#include "nth_failure.h"
#include "process.h"
#include "scene.h"

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

/* A power of two. */
static void the_capacity_is_what_the_file_has_beyond_the_positions(void) {
    has_capacity(128 * KIB, 64 * KIB);
    has_capacity(192 * KIB - 1, 64 * KIB);
    has_capacity(192 * KIB, 128 * KIB);
    has_capacity(256 * KIB, 128 * KIB);
    has_capacity(1000 * KIB, 512 * KIB);
}

/* Two rings on one file are one. */
static void what_one_writes_the_other_reads(void) {
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

static void the_next_one_goes_on_from_there(void) {
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

static void what_a_process_writes_another_reads(void) {
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

static void no_ring_in(hf_file *file, hf_status expected) {
    hf_ring *ring = (hf_ring *)&ring;
    CHECK_STATUS(expected, hf_ring_open_file(&ring, file));
    CHECK(ring == (hf_ring *)&ring);
    CHECK_EQUAL(expected, hf_last_error().status);
    hf_file_close(file);
}

static void last_reason_has(const char *words) {
    const char *reason = hf_last_error().reason;
    CHECK(reason != NULL && strstr(reason, words) != NULL);
}

static void a_file_without_room_or_rights_is_invalid(void) {
    hf_file *file;
    no_ring_in(NULL, HF_INVALID);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 128 * KIB - 1, NULL));
    no_ring_in(file, HF_INVALID);
    last_reason_has("128 KiB");
    file = make_file();
    CHECK_STATUS(HF_INVALID, hf_ring_open_file(NULL, file));
    hf_file_close(file);
    no_ring_in(open_again(HF_READ_ONLY), HF_INVALID);
    last_reason_has("not open for writing");
    no_ring_in(open_again(HF_COPY_ON_WRITE), HF_INVALID);
    remove(path);
}

/* Stores a few bytes into the file, by the C library. */
static void scribble(long offset, const void *bytes, size_t size) {
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    CHECK(fseek(file, offset, SEEK_SET) == 0 && fwrite(bytes, size, 1, file) == 1);
    CHECK(fclose(file) == 0);
}

static void what_is_no_ring_is_corrupt(void) {
    static const size_t nonsense[] = {2 * CAPACITY, SIZE_MAX, CAPACITY + 1};
    for (size_t i = 0; i < 3; i++) {
        hf_file_close(make_file());
        scribble(128, &nonsense[i], sizeof nonsense[i]);
        no_ring_in(open_again(HF_READ_WRITE), HF_CORRUPT);
    }
    for (long offset = 0; offset < 24; offset++) {
        hf_file_close(make_file());
        hf_ring_close(open_ring());
        scribble(offset, "?", 1);
        no_ring_in(open_again(HF_READ_WRITE), HF_CORRUPT);
    }
    remove(path);
}

/* -------------------------------------------------------------- half-made descriptions ------ */

enum { DESCRIBED = 24, HEAD = 384 };

/* The bytes of a ring's file are a format that other versions read: they stay. */
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

static void the_bytes_of_a_description_stay(void) {
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
    scribble(0, head, DESCRIBED);
    hf_ring *ring = open_ring();
    CHECK_EQUAL(0, ready_in(ring));
    CHECK_EQUAL(CAPACITY, room_in(ring));
    hf_ring_close(ring);
    expect_head_of_empty_ring();
}

/* Killed after any byte, from either end, or between any two stores of words. */
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
        for (size_t word = 0; word < 6; word++)
            if (written >> word & 1) memcpy(head + 4 * word, whole + 4 * word, 4);
        open_half_made(head);
    }
    remove(path);
}

/* Behind the description nothing is written: what is there is another file's. */
static void what_lies_behind_a_description_is_zero(void) {
    for (long offset = DESCRIBED; offset < 128; offset += 7) {
        hf_file_close(make_file());
        scribble(offset, "x", 1);
        no_ring_in(open_again(HF_READ_WRITE), HF_CORRUPT);
    }
    remove(path);
}

/* A sparse copy of a ring that was used before. */
static void a_sparse_copy_gets_its_blocks(void) {
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

/* Blocks for all that the ring can store to; a file that is no ring stays as it is. */
static void a_sparse_file_gets_its_blocks(void) {
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
            no_ring_in(open_again(HF_READ_WRITE), HF_CORRUPT);
        CHECK(is_ring ? disk_allocated(path) >= POSITIONS + CAPACITY
                      : disk_allocated(path) == before);
    }
    remove(path);
}

/* --------------------------------------------------------- two that make one ring's file ---- */

/* What a program does that does not know whether it is the first. */
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

enum { RACES = 200 };

/* The other process: a byte through the ring of each file that it finds. */
static void another_process_makes_rings(void) {
    for (int race = 0; race < RACES; race++) {
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

static void processes_that_make_one_ring_get_one(void) {
    if (!disk_answers.cuts_under_views) {
        check_skip("this system removes no file that is mapped, and shows files half-made");
        return;
    }
    remove(path);
    FILE *other = process_start("another_process_makes_rings");
    CHECK(other != NULL);
    for (int race = 0; race < RACES; race++) {
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

/* A view of the positions, as another process has one. */
static size_t *look_at_positions(hf_space **space) {
    hf_file *file = open_again(HF_READ_WRITE);
    CHECK_STATUS(HF_OK, hf_space_open(space, POSITIONS, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(*space, 0, POSITIONS, file, 0, HF_READ_WRITE));
    hf_file_close(file);
    return (size_t *)(void *)hf_space_base(*space);
}

/* Whatever the other side stores: what is offered lies within the ring. */
static void nonsense_is_no_room_and_nothing_to_read(void) {
    if (!scene_has_views(hf_backend_native())) return;
    static const size_t nonsense[] = {2 * CAPACITY, 2 * CAPACITY + 1, SIZE_MAX, SIZE_MAX / 2};
    hf_file_close(make_file());
    hf_ring *ring = open_ring();
    size_t written = 0, room, ready;
    char *base = hf_ring_write_begin(ring, &room);
    hf_space *space;
    size_t *producer = look_at_positions(&space) + 128 / sizeof(size_t);
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

/* The record, the addresses and three views, at least. */
static void a_refusal_leaves_nothing(void) {
    CHECK(each_failure(open_with_failures, NULL) >= 2 * 5);
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(the_capacity_is_what_the_file_has_beyond_the_positions),
           TEST(what_one_writes_the_other_reads), TEST(the_next_one_goes_on_from_there),
           TEST(what_a_process_writes_another_reads), TEST_BY_NAME(another_process_reads),
           TEST(a_file_without_room_or_rights_is_invalid), TEST(what_is_no_ring_is_corrupt),
           TEST(the_bytes_of_a_description_stay), TEST(a_half_made_ring_is_completed),
           TEST(what_lies_behind_a_description_is_zero), TEST(a_sparse_file_gets_its_blocks),
           TEST(a_sparse_copy_gets_its_blocks), TEST_BY_NAME(another_process_makes_rings),
           TEST(processes_that_make_one_ring_get_one),
           TEST(nonsense_is_no_room_and_nothing_to_read), TEST(a_refusal_leaves_nothing))
