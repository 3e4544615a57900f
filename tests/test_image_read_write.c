/*
 * Read-write images: what holdfast/image.h says of HF_READ_WRITE and hf_arena_sync.
 *
 * The bytes in the file are what a killed process would leave behind. So most tests do not kill a
 * process, but copy the file and open the copy. One test ends a process, to show that the two are
 * equivalent.
 */
#include "image_fixture.h"
#include "process.h"

static const char path[] = "test_image_read_write.tmp", copy[] = "test_image_read_write.copy.tmp";

static const size_t sizes[] = {1, 7, 4095, 4096, 65535, 65536, 65537, 300000, 3000001};

enum { SIZES = sizeof sizes / sizeof *sizes };

static hf_arena open_new(void) {
    disk_remove(path);
    return image_open(path, HF_READ_WRITE, (hf_arena_options){0});
}

static hf_arena reopen(void) { return image_open(path, HF_READ_WRITE, (hf_arena_options){0}); }

static char *add(hf_arena *arena, size_t size, unsigned seed) {
    char *block = hf_alloc(arena, size, 8);
    CHECK(block != NULL);
    fill(block, size, seed);
    return block;
}

/* ------------------------------------------------------------------- the file -------------- */

/* Every byte of a new image: later versions must be able to read it. */
static void a_new_image_is_a_header(void) {
    disk_remove(path);
    hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){.tag = 4711});
    unsigned char expected[AREA] = {0};
    struct content whole = {expected, AREA};
    write_slot(expected, 0, (uintptr_t)hf_arena_base(&arena), 0, 0, 4711);
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).used);
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).viewed);
    CHECK(hf_arena_root(&arena) == NULL);
    check_content(path, &whole);
    CHECK_EQUAL(AREA, disk_allocated(path));
    hf_arena_close(&arena);
    check_is_closed(&arena);
    check_content(path, &whole);
    disk_remove(path);
}

static void records_are_written_in_turn(void) {
    unsigned char slots[2 * SLOT] = {0};
    hf_arena arena = open_new();
    uintptr_t base = (uintptr_t)hf_arena_base(&arena);
    write_slot(slots, 0, base, 0, 0, 0);
    for (uint64_t sequence = 1; sequence < 10; sequence++) {
        char *block = add(&arena, 1000, (unsigned)sequence);
        CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
        CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
        write_slot(slots + sequence % 2 * SLOT, sequence, base, hf_get_mark(&arena),
                   (uintptr_t)block - base + 1, 0);
        struct content now = content_of(path);
        CHECK(memcmp(slots, now.bytes, sizeof slots) == 0);
        CHECK(is_zero(now.bytes + sizeof slots, AREA - sizeof slots));
        free(now.bytes);
    }
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena)); /* nothing has changed, so no record is written */
    struct content now = content_of(path);
    CHECK(memcmp(slots, now.bytes, sizeof slots) == 0);
    free(now.bytes);
    hf_arena_close(&arena);
    disk_remove(path);
}

static void an_empty_file_is_a_new_image(void) {
    static unsigned char zeros[AREA + 1];
    static const size_t lengths[] = {0, 1, SLOT, AREA - 1, AREA};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        AT("%zu zeros", lengths[i]);
        write_content(path, zeros, lengths[i]);
        hf_arena arena = reopen();
        add(&arena, 1000, 1);
        hf_arena_close(&arena);
        arena = reopen();
        CHECK(is_filled(hf_arena_base(&arena), 1000, 1));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

/* Reads the file with file calls, as another program would. */
static void stores_reach_the_file(void) {
    hf_arena arena = open_new();
    for (unsigned i = 0; i < SIZES; i++) {
        AT("size %zu", sizes[i]);
        size_t offset = (size_t)(add(&arena, sizes[i], i) - hf_arena_base(&arena));
        CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
        struct content now = content_of(path);
        CHECK(is_filled(now.bytes + AREA + offset, sizes[i], i));
        free(now.bytes);
    }
    hf_arena_close(&arena);
    disk_remove(path);
}

static void check_length_while_open(const hf_arena *arena) {
    hf_arena_stats stats = hf_arena_get_stats(arena);
    CHECK_EQUAL(image_size(stats.viewed), disk_size(path));
    CHECK_EQUAL(0, stats.committed);
    CHECK(stats.viewed >= stats.used);
}

/* The file is as long as the mapped bytes, and is truncated to the used ones at closing. */
static void the_file_is_as_long_as_the_mapped_bytes(void) {
    for (unsigned i = 0; i < SIZES; i++) {
        AT("size %zu", sizes[i]);
        hf_arena arena = open_new();
        check_length_while_open(&arena);
        for (int count = 0; count < 3; count++) {
            add(&arena, sizes[i], i);
            check_length_while_open(&arena);
            CHECK(disk_allocated(path) >= disk_size(path));
        }
        size_t used = hf_get_mark(&arena);
        hf_arena_close(&arena);
        CHECK_EQUAL(image_size(used), disk_size(path));
    }
    disk_remove(path);
}

static void a_trim_releases_addresses(void) {
    hf_arena arena = open_new();
    add(&arena, 100000, 1);
    hf_mark mark = hf_get_mark(&arena);
    add(&arena, 5 * MIB, 2);
    size_t length = (size_t)disk_size(path), viewed = hf_arena_get_stats(&arena).viewed;
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK(hf_arena_get_stats(&arena).viewed < viewed);
    CHECK(hf_arena_get_stats(&arena).viewed >= mark);
    CHECK_EQUAL(length, disk_size(path));
    CHECK(is_filled(hf_arena_base(&arena), 100000, 1));
    char *again = hf_alloc_zeroed(&arena, 6 * MIB, 8);
    CHECK(again != NULL && is_zero(again, 6 * MIB));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).viewed);
    hf_arena_close(&arena);
    CHECK_EQUAL(AREA, disk_size(path));
    disk_remove(path);
}

/* ------------------------------------------------------------------ opened again ----------- */

static void an_image_reopens_as_it_was(void) {
    for (unsigned i = 0; i < SIZES; i++) {
        AT("size %zu", sizes[i]);
        hf_arena arena = open_new();
        char *block = add(&arena, sizes[i], i), *base = hf_arena_base(&arena);
        CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
        size_t used = hf_get_mark(&arena);
        hf_arena_close(&arena);
        arena = reopen();
        CHECK(hf_arena_base(&arena) == base);
        CHECK_EQUAL(used, hf_get_mark(&arena));
        CHECK(hf_arena_root(&arena) == block);
        CHECK(is_filled(block, sizes[i], i));
        CHECK(hf_extend(&arena, block, sizes[i], 2 * sizes[i])); /* it is still the last block */
        fill(block, 2 * sizes[i], i + 1);
        used = hf_get_mark(&arena);
        hf_arena_close(&arena);
        arena = reopen();
        CHECK_EQUAL(used, hf_get_mark(&arena));
        CHECK(is_filled(block, 2 * sizes[i], i + 1));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

static void pointers_stay_valid(void) {
    struct node {
        struct node *next;
        size_t value;
    };
    enum { NODES = 10000 };
    hf_arena arena = open_new();
    for (size_t i = 0; i < NODES; i++) {
        struct node *node = hf_new(&arena, struct node);
        CHECK(node != NULL);
        *node = (struct node){hf_arena_root(&arena), i};
        CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, node));
    }
    hf_arena_close(&arena);
    arena = reopen();
    size_t value = NODES;
    for (struct node *node = hf_arena_root(&arena); node; node = node->next)
        CHECK_EQUAL(--value, node->value);
    CHECK_EQUAL(0, value);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* The growth steps, in KiB, if each step is requested by one byte; the file grows with them. From 2
 * MiB of the file on they are huge pages of it. */
static void the_steps_have_these_sizes(void) {
    static const size_t steps[] = {64,  128, 192,  256,  320,  448,  576,
                                   704, 960, 1216, 1472, 1984, 4032, 6080};
    hf_arena arena = open_new();
    for (size_t i = 0, viewed = 0; i < sizeof steps / sizeof *steps; i++) {
        AT("step %zu", i);
        CHECK_STATUS(HF_OK, hf_precommit(&arena, viewed + 1));
        viewed = hf_arena_get_stats(&arena).viewed;
        CHECK_EQUAL(steps[i] * KIB, viewed);
        CHECK_EQUAL(AREA + viewed, disk_size(path));
    }
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 20 * MIB + 1)); /* larger than a growth step */
    CHECK_EQUAL(22 * MIB - AREA, hf_arena_get_stats(&arena).viewed);
    hf_arena_close(&arena);
    CHECK_EQUAL(AREA, disk_size(path));
    disk_remove(path);
}

/* A block that crosses the first 2 MiB of the file, and one that is larger than a step. */
static void a_large_block_ends_its_step_at_a_huge_page_of_the_file(void) {
    hf_arena arena = open_new();
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 2 * MIB - AREA));
    CHECK_EQUAL(2 * MIB - AREA, hf_arena_get_stats(&arena).viewed);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 2 * MIB));
    CHECK_EQUAL(4 * MIB - AREA, hf_arena_get_stats(&arena).viewed);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 9 * MIB));
    CHECK_EQUAL(10 * MIB - AREA, hf_arena_get_stats(&arena).viewed);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* The zeros of 2 MiB are written by one call, so that they can be one folio of the page cache. */
#if defined(__linux__) && !HOLDFAST_GENERIC_POSIX
static size_t calls_of_step(hf_arena *arena, size_t end) {
    hf_arena_stats before = hf_arena_get_stats(arena);
    CHECK_STATUS(HF_OK, hf_precommit(arena, end));
    CHECK_EQUAL(before.growths + 1, hf_arena_get_stats(arena).growths);
    return hf_arena_get_stats(arena).system_calls - before.system_calls;
}

static void a_step_of_a_huge_page_takes_as_many_calls_as_the_first(void) {
    hf_arena arena = open_new();
    size_t first = calls_of_step(&arena, 1);
    calls_of_step(&arena, 2 * MIB - AREA);
    CHECK_EQUAL(first, calls_of_step(&arena, 4 * MIB - AREA));
    hf_arena_close(&arena);
    disk_remove(path);
}
#else
static void a_step_of_a_huge_page_takes_as_many_calls_as_the_first(void) {
    check_skip("zeros are written in pieces, or by the system");
}
#endif

static void an_image_grows_by_many_steps(void) {
    hf_arena arena = open_new();
    size_t count = 0, size = 12345;
    while (hf_get_mark(&arena) < 40 * MIB) add(&arena, size, (unsigned)count++);
    check_length_while_open(&arena);
    CHECK(hf_arena_get_stats(&arena).growths > 5);
    hf_arena_close(&arena);
    arena = reopen();
    CHECK(hf_get_mark(&arena) >= 40 * MIB);
    char *block = hf_arena_base(&arena);
    for (size_t i = 0; i < count; i++) {
        CHECK(is_filled(block, size, (unsigned)i));
        block += fixture_is_exact() ? round_up(size, 8) : round_up(size, 8) + 16;
    }
    hf_arena_close(&arena);
    disk_remove(path);
}

static void growing_past_the_reservation_is_reserve_full(void) {
    disk_remove(path);
    hf_arena_options options = {.reserve = 4 * AREA};
    hf_arena arena = image_open(path, HF_READ_WRITE, options);
    char *block = add(&arena, 3 * AREA, 1);
    CHECK(hf_alloc(&arena, AREA, 1) != NULL || !fixture_is_exact());
    CHECK(hf_alloc(&arena, AREA, 1) == NULL);
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    CHECK(is_filled(block, 3 * AREA, 1));
    hf_arena_close(&arena);
    arena = image_open(path, HF_READ_WRITE, options);
    CHECK(is_filled(hf_arena_base(&arena), 3 * AREA, 1));
    hf_arena_close(&arena);
    disk_remove(path);
}

/* The file and the reservation are both rounded up to 64 KiB. */
static void any_reservation_can_be_filled(void) {
    for (size_t reserve = 1; reserve <= 3 * AREA; reserve += 3001) {
        AT("reserve %zu", reserve);
        disk_remove(path);
        hf_arena_options options = {.reserve = reserve};
        hf_arena arena = image_open(path, HF_READ_WRITE, options);
        while (hf_alloc(&arena, 64, 1)) continue;
        size_t used = hf_get_mark(&arena);
        CHECK(used >= reserve / 64 * 64 || !fixture_is_exact());
        hf_arena_close(&arena);
        arena = image_open(path, HF_READ_WRITE, options);
        CHECK_EQUAL(used, hf_get_mark(&arena));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

static void frames_need_no_system_call(void) {
    hf_arena arena = open_new();
    size_t calls = 0;
    for (int frame = 0; frame < 100; frame++) {
        if (frame == 20) calls = hf_arena_get_stats(&arena).system_calls;
        for (int i = 0; i < 10; i++) add(&arena, 50000, 1);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
    }
    CHECK_EQUAL(calls, hf_arena_get_stats(&arena).system_calls);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* fault_after_rewind, populate and huge_pages concern private memory only: the pages of the file
 * stay readable, and pos goes back. */
static void options_for_private_memory_have_no_effect(void) {
    disk_remove(path);
    hf_arena arena =
        image_open(path, HF_READ_WRITE,
                   (hf_arena_options){
                       .fault_after_rewind = true, .populate = true, .huge_pages = HF_HUGE_ALWAYS});
    char *block = add(&arena, MIB, 1);
    hf_mark mark = hf_get_mark(&arena);
    add(&arena, MIB, 2);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    CHECK(is_zero(hf_alloc_zeroed(&arena, MIB, 8), MIB));
    CHECK(is_filled(block, MIB, 1));
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    hf_arena_close(&arena);
    disk_remove(path);
}

/* ------------------------------------------------------------------- zeroed memory --------- */

/* Fills the whole file behind the header with 0xee, also the bytes that no record counts. */
static void fill_file(size_t length) {
    intptr_t file = disk_open(path, DISK_BOTH);
    static unsigned char bytes[AREA];
    memset(bytes, 0xee, sizeof bytes);
    for (size_t at = AREA; at < length; at += AREA) disk_store(file, at, bytes, sizeof bytes);
    disk_close(file);
}

/* A killed process left bytes behind the record, both in the last 64 KiB that it counts and beyond
 * them. */
static void bytes_behind_the_record_are_zeroed(void) {
    for (unsigned i = 0; i < SIZES; i++) {
        AT("size %zu", sizes[i]);
        hf_arena arena = open_new();
        add(&arena, sizes[i], i);
        size_t used = hf_get_mark(&arena);
        hf_arena_close(&arena);
        fill_file(image_size(used) + 10 * AREA);
        arena = reopen();
        CHECK_EQUAL(image_size(used), disk_size(path));
        char *first = hf_alloc_zeroed(&arena, 3, 1);
        CHECK(first != NULL && is_zero(first, 3));
        CHECK(hf_extend_zeroed(&arena, first, 3, 100000) && is_zero(first, 100000));
        char *rest = hf_alloc_zeroed(&arena, 20 * AREA, 64);
        CHECK(rest != NULL && is_zero(rest, 20 * AREA));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

/* The file keeps the bytes that were trimmed, so pages mapped again are not fresh. */
static void bytes_mapped_again_after_a_trim_are_zeroed(void) {
    hf_arena arena = open_new();
    for (int round = 0; round < 5; round++) {
        char *block = hf_alloc_zeroed(&arena, (size_t)(5 - round) * 700000, 8);
        CHECK(block != NULL && is_zero(block, (size_t)(5 - round) * 700000));
        memset(block, 0xee, (size_t)(5 - round) * 700000);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
        CHECK_STATUS(HF_OK, hf_trim(&arena, (size_t)round * 100000));
    }
    char *last = hf_alloc_zeroed(&arena, 5 * MIB, 1);
    CHECK(last != NULL && is_zero(last, 5 * MIB));
    hf_arena_close(&arena);
    disk_remove(path);
}

static void peeked_bytes_are_zeroed(void) {
    hf_arena arena = open_new();
    size_t room;
    char *peeked = hf_peek(&arena, 100000, &room);
    CHECK(peeked != NULL && room >= 100000);
    memset(peeked, 0xee, room);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    char *block = hf_alloc_zeroed(&arena, room, 1);
    CHECK(block != NULL && is_zero(block, room));
    hf_arena_close(&arena);
    disk_remove(path);
}

/* ----------------------------------------------------------------------- syncing ----------- */

/* Copies the file as a process killed now would leave it. */
static void copy_as_killed(void) {
    struct content now = content_of(path);
    write_content(copy, now.bytes, now.size);
    free(now.bytes);
}

static void expect_after_kill(size_t used, const char *root, size_t size, unsigned seed) {
    hf_arena arena = image_open(copy, HF_READ_WRITE, (hf_arena_options){.any_base = true});
    CHECK_EQUAL(used, hf_get_mark(&arena));
    CHECK_EQUAL(image_size(used), disk_size(copy));
    CHECK((hf_arena_root(&arena) != NULL) == (root != NULL));
    CHECK(is_filled(hf_arena_base(&arena), size, seed));
    hf_arena_close(&arena);
    disk_remove(copy);
}

static void a_killed_process_leaves_the_last_sync(void) {
    hf_arena arena = open_new();
    copy_as_killed();
    expect_after_kill(0, NULL, 0, 0);
    char *block = add(&arena, 200000, 1);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    copy_as_killed();
    expect_after_kill(0, NULL, 0, 0);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    size_t synced = hf_get_mark(&arena);
    copy_as_killed();
    expect_after_kill(synced, block, 200000, 1);
    add(&arena, 3 * MIB, 2);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, NULL));
    copy_as_killed();
    expect_after_kill(synced, block, 200000, 1);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    size_t second = hf_get_mark(&arena);
    copy_as_killed();
    expect_after_kill(second, NULL, 200000, 1);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, synced)); /* does not sync */
    copy_as_killed();
    expect_after_kill(second, NULL, 200000, 1);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    copy_as_killed();
    expect_after_kill(synced, NULL, 200000, 1);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* Counts the system calls that the backend reports for an image's own calls, outside its space. */
static size_t reported_calls;

static hf_status note(hf_status status, const hf_report *report, size_t before) {
    reported_calls += report->system_calls - before;
    return status;
}

static hf_status sync_noted(const hf_backend *self, intptr_t file, hf_report *report) {
    size_t before = report->system_calls;
    return note(hf_backend_native()->file_sync(self, file, report), report, before);
}

static hf_status write_noted(const hf_backend *self, intptr_t file, uint64_t offset,
                             const void *bytes, size_t size, hf_report *report) {
    size_t before = report->system_calls;
    return note(hf_backend_native()->file_write(self, file, offset, bytes, size, report), report,
                before);
}

static hf_status realloc_noted(const hf_backend *self, intptr_t file, uint64_t old_size,
                               uint64_t new_size, hf_report *report) {
    size_t before = report->system_calls;
    return note(hf_backend_native()->file_resize(self, file, old_size, new_size, report), report,
                before);
}

static hf_status is_at_noted(const hf_backend *self, intptr_t file, const char *name,
                             bool *is_there, hf_report *report) {
    size_t before = report->system_calls;
    return note(hf_backend_native()->file_is_at(self, file, name, is_there, report), report,
                before);
}

static hf_status map_noted(const hf_backend *self, void *address, size_t size, intptr_t file,
                           uint64_t file_offset, hf_access access, hf_report *report) {
    size_t before = report->system_calls;
    return note(hf_backend_native()->map(self, address, size, file, file_offset, access, report),
                report, before);
}

static hf_status flush_noted(const hf_backend *self, void *address, size_t size,
                             hf_report *report) {
    size_t before = report->system_calls;
    return note(hf_backend_native()->file_flush(self, address, size, report), report, before);
}

static void expect_counted(const hf_arena *arena, size_t *counted) {
    size_t now = hf_arena_get_stats(arena).system_calls;
    CHECK(reported_calls > 0);
    CHECK_EQUAL(*counted + reported_calls, now);
    *counted = now;
    reported_calls = 0;
}

static hf_status fill_noted(const hf_backend *self, intptr_t file, uint64_t size, bool is_shared,
                            hf_report *report) {
    report->system_calls += 1000;
    return hf_backend_native()->file_fill(self, file, size, is_shared, report);
}

/* Opening also reports the calls that fill holes of the file. */
static void every_call_of_filling_is_counted(void) {
    hf_backend noting = *hf_backend_native();
    noting.file_fill = fill_noted;
    image_make(path, 100000, 1, (hf_arena_options){0});
    hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){.backend = &noting});
    CHECK(hf_arena_get_stats(&arena).system_calls >= 1000);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* Growing resizes and maps the file; a sync flushes the file, checks its name and writes a
 * record. */
static void every_call_of_an_image_is_counted(void) {
    hf_backend noting = *hf_backend_native();
    noting.file_sync = sync_noted;
    noting.file_write = write_noted;
    noting.file_resize = realloc_noted;
    noting.file_is_at = is_at_noted;
    noting.map = map_noted;
    if (noting.file_flush) noting.file_flush = flush_noted;
    disk_remove(path);
    hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){.backend = &noting});
    size_t counted = hf_arena_get_stats(&arena).system_calls;
    reported_calls = 0;
    add(&arena, 1000, 1);
    if (noting.file_flush == NULL) expect_counted(&arena, &counted); /* else a split counts too */
    counted = hf_arena_get_stats(&arena).system_calls, reported_calls = 0;
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    expect_counted(&arena, &counted);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena)); /* no record is written */
    expect_counted(&arena, &counted);
    hf_arena_close(&arena);
    disk_remove(path);
}

static void closing_syncs(void) {
    hf_arena arena = open_new();
    char *block = add(&arena, 200000, 1);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    size_t used = hf_get_mark(&arena);
    hf_arena_close(&arena);
    copy_as_killed();
    expect_after_kill(used, block, 200000, 1);
    disk_remove(path);
}

/* A process that ends without closing the arena. */
static void exits_after_a_sync(void) {
    hf_arena arena = open_new();
    char *block = add(&arena, 70000, 1);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    add(&arena, 2 * MIB, 2);
    _Exit(EXIT_SUCCESS);
}

/* The process that ended also had the lock. */
static void another_process_continues(void) {
    FILE *process = process_start("exits_after_a_sync");
    CHECK(process != NULL && process_ended_well(process));
    CHECK(disk_size(path) > image_size(70100));
    hf_arena arena = reopen();
    CHECK_EQUAL(image_size(70100), disk_size(path));
    CHECK(hf_get_mark(&arena) >= 70000 && hf_get_mark(&arena) <= 70100);
    CHECK(is_filled(hf_arena_root(&arena), 70000, 1));
    CHECK(is_zero(hf_alloc_zeroed(&arena, MIB, 1), MIB));
    hf_arena_close(&arena);
    disk_remove(path);
}

static void only_read_write_arenas_sync(void) {
    hf_arena arena = {0};
    CHECK_STATUS(HF_WRONG_STATE, hf_arena_sync(&arena));
    arena = fixture_open((hf_arena_options){.reserve = MIB});
    CHECK_STATUS(HF_WRONG_STATE, hf_arena_sync(&arena));
    hf_arena_close(&arena);
    image_make(path, 1000, 1, (hf_arena_options){0});
    for (int access = HF_READ_ONLY; access <= HF_COPY_ON_WRITE; access++) {
        arena = image_open(path, (hf_access)access, (hf_arena_options){0});
        CHECK_STATUS(HF_WRONG_STATE, hf_arena_sync(&arena));
        CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

CHECK_MAIN(TEST(a_new_image_is_a_header), TEST(records_are_written_in_turn),
           TEST(an_empty_file_is_a_new_image), TEST(stores_reach_the_file),
           TEST(the_file_is_as_long_as_the_mapped_bytes), TEST(a_trim_releases_addresses),
           TEST(an_image_reopens_as_it_was), TEST(pointers_stay_valid),
           TEST(the_steps_have_these_sizes),
           TEST(a_large_block_ends_its_step_at_a_huge_page_of_the_file),
           TEST(a_step_of_a_huge_page_takes_as_many_calls_as_the_first),
           TEST(an_image_grows_by_many_steps), TEST(growing_past_the_reservation_is_reserve_full),
           TEST(any_reservation_can_be_filled), TEST(frames_need_no_system_call),
           TEST(options_for_private_memory_have_no_effect),
           TEST(bytes_behind_the_record_are_zeroed),
           TEST(bytes_mapped_again_after_a_trim_are_zeroed), TEST(peeked_bytes_are_zeroed),
           TEST(a_killed_process_leaves_the_last_sync), TEST(every_call_of_an_image_is_counted),
           TEST(every_call_of_filling_is_counted), TEST(closing_syncs),
           TEST_BY_NAME(exits_after_a_sync), TEST(another_process_continues),
           TEST(only_read_write_arenas_sync))
