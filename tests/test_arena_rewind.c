/*
 * Marks, hf_rewind, and fault_after_rewind.
 */
#include "arena_fixture.h"
#include "probe.h"
#include "process.h"
#include "recorder.h"

static struct recorder recorder;

static hf_arena open_on_recorder(void) {
    recorder_init(&recorder, NULL);
    return fixture_open((hf_arena_options){.reserve = 256 * MIB, .backend = &recorder.backend});
}

static void later_marks_are_higher(void) {
    hf_arena arena = open_on_recorder();
    hf_mark last = hf_get_mark(&arena);
    CHECK_EQUAL(0, last);
    for (size_t size = 1; size < MIB; size *= 3) {
        CHECK(hf_alloc(&arena, size, 8) != NULL);
        hf_mark mark = hf_get_mark(&arena);
        CHECK(mark > last);
        CHECK_EQUAL((size_t)(arena.pos - hf_arena_base(&arena)), mark);
        CHECK_EQUAL(mark, hf_arena_get_stats(&arena).used);
        last = mark;
    }
    hf_arena_close(&arena);
}

static void rewound_bytes_are_allocated_again(void) {
    hf_arena arena = open_on_recorder();
    char *before = hf_alloc(&arena, 100, 8);
    fill(before, 100, 1);
    hf_mark mark = hf_get_mark(&arena);
    char *block = hf_alloc(&arena, 5 * MIB, 64);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    CHECK(hf_alloc(&arena, 5 * MIB, 64) == block);
    memset(block, 0xee, 5 * MIB);
    CHECK(is_filled(before, 100, 1));
    hf_arena_close(&arena);
}

static void rewinding_makes_no_system_call(void) {
    hf_arena arena = open_on_recorder();
    write_and_rewind(&arena, 9 * MIB);
    CHECK(hf_alloc(&arena, 9 * MIB, 1) != NULL);
    hf_arena_stats before = hf_arena_get_stats(&arena);
    recorder_forget(&recorder);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 4 * MIB));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 100));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    hf_arena_stats after = hf_arena_get_stats(&arena);
    CHECK_EQUAL(0, recorder.count);
    CHECK_EQUAL(before.committed, after.committed);
    CHECK_EQUAL(before.system_calls, after.system_calls);
    CHECK_EQUAL(before.high_water, after.high_water);
    CHECK_EQUAL(before.peak, after.peak);
    CHECK_EQUAL(0, after.used);
    hf_arena_close(&arena);
}

static void a_mark_above_pos_is_invalid(void) {
    hf_arena arena = open_on_recorder();
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    hf_mark mark = hf_get_mark(&arena);
    hf_mark marks[] = {mark + 1, mark + 4096, 256 * MIB, 256 * MIB + 1, SIZE_MAX, SIZE_MAX / 2};
    struct snapshot before = snapshot_of(&arena);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        AT("mark %#zx", marks[i]);
        CHECK_STATUS(HF_INVALID, hf_rewind(&arena, marks[i]));
        CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        check_unchanged(&arena, &before);
    }
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    check_unchanged(&arena, &before);
    CHECK(is_filled(block, 1000, 1));
    hf_arena_close(&arena);
}

static void a_mark_above_a_lower_rewind_is_invalid(void) {
    hf_arena arena = open_on_recorder();
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    hf_mark low = hf_get_mark(&arena);
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    hf_mark high = hf_get_mark(&arena);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, low));
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, high));
    CHECK_EQUAL(low, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

static void every_position_can_be_rewound_to(void) {
    hf_arena arena = open_on_recorder();
    hf_mark marks[200];
    char *blocks[200];
    for (unsigned i = 0; i < 200; i++) {
        marks[i] = hf_get_mark(&arena);
        blocks[i] = hf_alloc(&arena, 1 + i * 531 % 40000, (size_t)1 << i % 5);
        fill(blocks[i], 1 + i * 531 % 40000, i);
    }
    for (unsigned i = 200; i-- > 0;) {
        CHECK(is_filled(blocks[i], 1 + i * 531 % 40000, i));
        CHECK_STATUS(HF_OK, hf_rewind(&arena, marks[i]));
        CHECK_EQUAL(marks[i], hf_get_mark(&arena));
    }
    CHECK(arena.pos == hf_arena_base(&arena));
    hf_arena_close(&arena);
}

/* ------------------------------------------------------------ fault_after_rewind ----------- */

static hf_arena open_faulting(void) {
    recorder_init(&recorder, NULL);
    return fixture_open((hf_arena_options){
        .reserve = 64 * MIB, .fault_after_rewind = true, .backend = &recorder.backend});
}

static void touch(void *address) { *(volatile char *)address = 1; }

/*      base      mark                      pos
 *      |   kept   |xxx|       whole pages      |x| ...
 *                     |<------- fault ----->|
 */
static void rewound_pages_fault(void) {
    size_t page_size = fixture_page_size();
    hf_arena arena = open_faulting();
    char *kept = hf_alloc(&arena, 100, 8);
    fill(kept, 100, 1);
    hf_mark mark = hf_get_mark(&arena);
    char *block = hf_alloc(&arena, 9 * page_size + 100, 8), *end = arena.pos;
    fill(block, 9 * page_size + 100, 2);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    char *first = hf_arena_base(&arena) + page_size;
    char *last = (char *)((uintptr_t)end / page_size * page_size) - 1;
    CHECK(arena.pos > last);
    CHECK(is_filled(kept, 100, 1));
    if (fixture_is_exact()) {
        CHECK(process_faults_at(touch, first, first));
        CHECK(process_faults_at(touch, last, last));
        for (char *page = first; page < last; page += page_size) CHECK(!probe_readable(page));
        CHECK(probe_readable(first - 1));
    }
    hf_arena_close(&arena);
}

static void rewound_pages_are_never_used_again(void) {
    size_t page_size = fixture_page_size(), rounds = 0;
    hf_arena arena = open_faulting();
    char *end = hf_arena_base(&arena);
    for (char *block; (block = hf_alloc(&arena, 100 * page_size, 1)) != NULL; rounds++) {
        CHECK(block >= end);
        fill(block, 100 * page_size, 1);
        end = (char *)((uintptr_t)arena.pos / page_size * page_size);
        CHECK_STATUS(HF_OK, rounds % 2 ? hf_reset(&arena) : hf_rewind(&arena, 0));
    }
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    CHECK(rounds >= 64 * MIB / (101 * page_size) - 1);
    hf_arena_close(&arena);
}

/* A rewind to a mark within bytes that were rewound since. */
static void a_mark_within_pages_that_fault_moves_behind_them(void) {
    size_t page_size = fixture_page_size();
    hf_arena arena = open_faulting();
    hf_mark marks[50];
    for (int i = 0; i < 50; i++) {
        marks[i] = hf_get_mark(&arena);
        CHECK(hf_alloc(&arena, page_size / 3, 1) != NULL);
    }
    CHECK_STATUS(HF_OK, hf_rewind(&arena, marks[3]));
    char *end = arena.pos;
    for (int i = 50; i-- > 0;) {
        CHECK_STATUS(HF_OK, hf_rewind(&arena, marks[i]));
        char *block = hf_alloc(&arena, 100, 1);
        CHECK(block >= end);
        fill(block, 100, 1);
    }
    hf_arena_close(&arena);
}

static void memory_after_a_rewind_is_zero(void) {
    size_t page_size = fixture_page_size();
    hf_arena arena = open_faulting();
    for (int i = 0; i < 20; i++) {
        hf_mark mark = hf_get_mark(&arena);
        CHECK(hf_alloc(&arena, 123, 1) != NULL);
        char *block = hf_alloc_zeroed(&arena, 7 * page_size, 1);
        CHECK(block != NULL && is_zero(block, 7 * page_size));
        memset(block, 0xee, 7 * page_size);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    }
    hf_arena_close(&arena);
}

static void less_than_a_page_is_rewound_as_usual(void) {
    hf_arena arena = open_faulting();
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    hf_mark mark = hf_get_mark(&arena);
    char *block = hf_alloc(&arena, 1000, 8);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    CHECK(hf_alloc(&arena, 1000, 8) == block);
    CHECK_EQUAL(0, recorder_count(&recorder, RECORDER_DECOMMIT));
    hf_arena_close(&arena);
}

static void a_failed_release_is_returned(void) {
    size_t page_size = fixture_page_size();
    hf_arena arena = open_faulting();
    char *block = hf_alloc(&arena, 9 * page_size, 8);
    fill(block, 9 * page_size, 1);
    recorder.largest[RECORDER_DECOMMIT] = 0;
    CHECK_STATUS(HF_NO_MEMORY, hf_rewind(&arena, 0));
    CHECK_EQUAL(RECORDER_ERROR_CODE, hf_last_error().os_code);
    if (fixture_is_exact()) {
        CHECK(probe_readable(block + page_size) && probe_readable(block + 9 * page_size - 1));
        CHECK(is_filled(block, 9 * page_size, 1));
    }
    recorder.largest[RECORDER_DECOMMIT] = SIZE_MAX;
    char *next = hf_alloc(&arena, 20 * page_size, 8);
    CHECK(next != NULL);
    fill(next, 20 * page_size, 2);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    if (fixture_is_exact()) CHECK(!probe_readable(next + page_size));
    hf_arena_close(&arena);
}

static void scopes_and_resets_make_pages_fault_too(void) {
    if (!fixture_is_exact()) return; /* the probe is itself a use after rewind */
    size_t page_size = fixture_page_size();
    hf_arena arena = open_faulting();
    hf_scope scope = hf_scope_begin(&arena);
    char *first = hf_alloc(&arena, 5 * page_size, 8);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    CHECK(!probe_readable(first + page_size));
    char *second = hf_alloc(&arena, 5 * page_size, 8);
    CHECK(second > first + 3 * page_size);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(!probe_readable(second + page_size));
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(later_marks_are_higher), TEST(rewound_bytes_are_allocated_again),
           TEST(rewinding_makes_no_system_call), TEST(a_mark_above_pos_is_invalid),
           TEST(a_mark_above_a_lower_rewind_is_invalid), TEST(every_position_can_be_rewound_to),
           TEST(rewound_pages_fault), TEST(rewound_pages_are_never_used_again),
           TEST(a_mark_within_pages_that_fault_moves_behind_them),
           TEST(memory_after_a_rewind_is_zero), TEST(less_than_a_page_is_rewound_as_usual),
           TEST(a_failed_release_is_returned), TEST(scopes_and_resets_make_pages_fault_too))
