/*
 * The mistakes that a heap finds: what is reported, and that nothing changes if the program goes
 * on.
 */
#include <setjmp.h>
#include <stdint.h>

#include "heap_fixture.h"
#include "process.h"

static struct {
    int count;
    hf_heap_fault fault;
    void *block;
    jmp_buf *leave;
} reported;

static void record(hf_heap *heap, hf_heap_fault fault, void *block, void *user) {
    CHECK(heap != NULL && user == &reported);
    reported.count++;
    reported.fault = fault;
    reported.block = block;
    if (reported.leave) longjmp(*reported.leave, 1);
}

static hf_heap *open_recorded(void) {
    memset(&reported, 0, sizeof reported);
    return open_heap((hf_heap_options){.reserve = 64 * MIB, .on_fault = record, .user = &reported});
}

/* The call was reported as this fault, and the heap is as it was. */
static void check_fault(const hf_heap *heap, hf_heap_fault fault, const void *block,
                        size_t blocks) {
    CHECK_EQUAL(1, reported.count);
    CHECK_EQUAL(fault, reported.fault);
    CHECK(reported.block == block);
    CHECK_STATUS(HF_INVALID, hf_last_error().status);
    CHECK_EQUAL(blocks, count_blocks(heap));
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    reported.count = 0;
}

static const size_t sizes[] = {1, 16, 100, 1024, 3000, 20 * KIB, 60 * KIB, 100 * KIB, MIB, 5 * MIB};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void a_block_that_is_freed_twice_is_found(void) {
    hf_heap *heap = open_recorded();
    for (unsigned i = 0; i < SIZES; i++) {
        char *kept = filled_block(heap, sizes[i], 1), *block = filled_block(heap, sizes[i], 2);
        hf_heap_free(heap, block);
        size_t blocks = count_blocks(heap);
        AT("size %zu", sizes[i]);
        CHECK_EQUAL(0, reported.count);
        hf_heap_free(heap, block);
        check_fault(heap, HF_FAULT_DOUBLE_FREE, block, blocks);
        CHECK(hf_heap_usable_size(heap, block) == 0);
        CHECK(hf_heap_realloc(heap, block, 10) == NULL);
        check_fault(heap, HF_FAULT_DOUBLE_FREE, block, blocks);
        CHECK(is_filled(kept, sizes[i], 1));
        if (i % 2) hf_heap_free(heap, kept);
    }
    check_and_close(heap);
}

/* Two blocks between the two frees hide the block from a check of the last one only. */
static void a_block_is_found_among_many_free_ones(void) {
    hf_heap *heap = open_recorded();
    char *blocks[100];
    for (unsigned i = 0; i < 100; i++) blocks[i] = filled_block(heap, 48, i);
    for (unsigned i = 0; i < 99; i++) hf_heap_free(heap, blocks[i]);
    size_t left = count_blocks(heap);
    for (unsigned i = 0; i < 99; i++) {
        hf_heap_free(heap, blocks[i]);
        check_fault(heap, HF_FAULT_DOUBLE_FREE, blocks[i], left);
    }
    CHECK(is_filled(blocks[99], 48, 99));
    check_and_close(heap);
}

static void an_address_that_is_no_block_is_found(void) {
    hf_heap *heap = open_recorded();
    for (unsigned i = 0; i < SIZES; i++) {
        char *block = filled_block(heap, sizes[i], i);
        size_t blocks = count_blocks(heap);
        AT("size %zu", sizes[i]);
        size_t inside[] = {1, 8, sizes[i] / 2 + 1, 64 * KIB};
        for (unsigned at = 0; at < 4; at++) {
            if (at == 3 ? sizes[i] <= 64 * KIB : inside[at] >= sizes[i]) continue;
            hf_heap_free(heap, block + inside[at]);
            CHECK(reported.fault != HF_FAULT_OVERWRITTEN);
            check_fault(heap, reported.fault, block + inside[at], blocks);
        }
        CHECK(is_filled(block, sizes[i], i));
    }
    check_and_close(heap);
}

static void an_address_of_another_memory_is_found(void) {
    static char outside[64];
    hf_heap *heap = open_recorded(), *other = open_recorded();
    char *block = filled_block(other, 100, 1), *ours = filled_block(heap, 100, 2);
    char *never = ours + 40 * KIB; /* in the run, but never allocated */
    char *const wild[] = {outside + 16, block, (char *)(uintptr_t)16, never};
    for (unsigned i = 0; i < 4; i++) {
        hf_heap_free(heap, wild[i]);
        check_fault(heap, HF_FAULT_WILD_FREE, wild[i], 1);
        CHECK_EQUAL(0, hf_heap_usable_size(heap, wild[i]));
    }
    CHECK(is_filled(block, 100, 1));
    check_and_close(other);
    check_and_close(heap);
}

static void a_block_that_was_changed_after_it_was_freed_is_found(void) {
    if (!heap_is_exact()) {
        check_skip("a sanitizer reports the store itself");
        return;
    }
    for (size_t word = 0; word < 2; word++) {
        hf_heap *heap = open_recorded();
        uintptr_t *block = hf_heap_malloc(heap, 64);
        char *kept = filled_block(heap, 64, 1);
        hf_heap_free(heap, block);
        block[word] ^= 0x100; /* deliberate */
        void *next = hf_heap_malloc(heap, 64);
        CHECK(next != NULL && next != block);
        CHECK_EQUAL(1, reported.count);
        CHECK(reported.fault == HF_FAULT_OVERWRITTEN && reported.block == block);
        CHECK(is_filled(kept, 64, 1));
        check_and_close(heap);
    }
}

/* A live block may contain anything, also what a free one contains. */
static void a_copy_of_a_free_block_is_no_fault(void) {
    hf_heap *heap = open_recorded();
    if (heap_is_exact()) {
        char *freed = filled_block(heap, 64, 1), *live = filled_block(heap, 64, 2);
        hf_heap_free(heap, freed);
        memcpy(live, freed, 64); /* deliberate */
        CHECK_EQUAL(64, hf_heap_usable_size(heap, live));
        hf_heap_free(heap, live);
        CHECK_EQUAL(0, reported.count);
        CHECK_EQUAL(0, count_blocks(heap));
    }
    check_and_close(heap);
}

/* True if freeing the block left by longjmp. */
static bool leaves(hf_heap *heap, void *block) {
    jmp_buf leave;
    if (setjmp(leave) != 0) return true;
    reported.leave = &leave;
    hf_heap_free_slow(heap, block);
    return false;
}

static void a_report_may_leave_by_longjmp(void) {
    hf_heap *heap = open_recorded();
    char *block = filled_block(heap, 100, 1);
    hf_heap_free(heap, block);
    CHECK(leaves(heap, block));
    CHECK_EQUAL(1, reported.count);
    CHECK(hf_heap_malloc(heap, 100) != NULL);
    check_and_close(heap);
}

static void blocks_that_another_thread_freed_are_checked_too(void) {
    hf_heap *heap = open_recorded();
    char *block = filled_block(heap, 100, 1);
    hf_heap_free_remote(heap, NULL);
    hf_heap_free_remote(heap, block);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, SIZE_MAX));
    CHECK_EQUAL(0, reported.count);
    hf_heap_free(heap, block);
    CHECK_EQUAL(1, reported.count);
    CHECK_EQUAL(HF_FAULT_DOUBLE_FREE, reported.fault);
    check_and_close(heap);
}

/* What the owner reports when it collects what other threads freed. */
static void check_collected(hf_heap *heap, hf_heap_fault fault, const void *block, size_t blocks) {
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, SIZE_MAX));
    CHECK(hf_heap_check(heap) == HF_OK && reported.count == 1);
    CHECK(reported.fault == fault && reported.block == block);
    CHECK_EQUAL(blocks, count_blocks(heap));
    reported.count = 0;
}

static void a_block_that_other_threads_free_twice_is_reported_once(void) {
    hf_heap *heap = open_recorded();
    char *others[20], *block = hf_heap_malloc(heap, 64);
    for (unsigned i = 0; i < 20; i++) others[i] = hf_heap_malloc(heap, 64);
    for (unsigned i = 0; i < 20; i++) hf_heap_free(heap, others[i]);
    hf_heap_free_remote(heap, block);
    hf_heap_free_remote(heap, block);
    check_collected(heap, HF_FAULT_DOUBLE_FREE, block, 0);
    check_and_close(heap);
}

/* Nothing outside of the heap is written. */
static void addresses_outside_that_another_thread_frees_are_found(void) {
    static uint64_t outside[4] = {1, 2, 3, 4};
    hf_heap *heap = open_recorded();
    hf_heap *other = open_heap((hf_heap_options){.reserve = MIB});
    char *foreign = filled_block(other, 64, 1);
    void *wild[] = {outside, (void *)(uintptr_t)1, foreign, heap->base + 64 * MIB,
                    (char *)hf_heap_malloc(heap, 64) + 1};
    for (unsigned i = 0; i < sizeof wild / sizeof *wild; i++) {
        AT("address %u", i);
        hf_heap_free_remote(heap, wild[i]);
        check_collected(heap, HF_FAULT_WILD_FREE, wild[i], 1);
    }
    CHECK(outside[0] == 1 && outside[1] == 2 && is_filled(foreign, 64, 1));
    check_and_close(heap);
    check_and_close(other);
}

/* Its link cannot be followed any more. */
static void a_change_after_another_thread_freed_is_found(void) {
    hf_heap *heap = open_recorded();
    char *block = hf_heap_malloc(heap, 64);
    hf_heap_free_remote(heap, block);
    memset(block, 0x41, 16);
    check_collected(heap, HF_FAULT_OVERWRITTEN, block, 1);
    CHECK(hf_heap_malloc(heap, 64) != NULL);
    check_and_close(heap);
}

static bool trim_leaves(hf_heap *heap) {
    jmp_buf leave;
    if (setjmp(leave) != 0) return true;
    reported.leave = &leave;
    hf_heap_trim(heap, SIZE_MAX);
    return false;
}

static void what_is_collected_after_a_report_that_left_is_freed(void) {
    hf_heap *heap = open_recorded();
    char *blocks[10];
    for (unsigned i = 0; i < 10; i++) blocks[i] = hf_heap_malloc(heap, 64);
    for (unsigned i = 0; i < 10; i++) hf_heap_free_remote(heap, blocks[i] + (i == 5 ? 16 : 0));
    CHECK(trim_leaves(heap));
    CHECK(reported.fault == HF_FAULT_WILD_FREE && reported.block == blocks[5] + 16);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, SIZE_MAX));
    CHECK_EQUAL(1, reported.count);
    CHECK_EQUAL(1, count_blocks(heap));
    check_and_close(heap);
}

#ifdef _WIN32
static void a_fault_ends_the_program_by_default(void) {
    check_skip("there is no forked child that could abort");
}
#else
static const char said_file[] = "heap_fault.txt";

static void free_twice(void *named) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = MIB, .name = named ? "values" : NULL});
    void *block = hf_heap_malloc(heap, 100);
    if (freopen(said_file, "w", stderr) == NULL) return;
    hf_heap_free(heap, block);
    hf_heap_free(heap, block); /* deliberate */
}

static void check_said(const char *expected) {
    char said[200] = "";
    FILE *file = fopen(said_file, "r");
    CHECK(file != NULL && fgets(said, sizeof said, file) != NULL);
    CHECK(strncmp(said, expected, strlen(expected)) == 0);
    fclose(file);
    remove(said_file);
}

/* Without on_fault a line is printed and the program aborts. */
static void a_fault_ends_the_program_by_default(void) {
    int named = 1;
    CHECK(!process_runs(free_twice, NULL));
    check_said("holdfast: heap: a block was freed twice: 0x");
    CHECK(!process_runs(free_twice, &named));
    check_said("holdfast: heap values: a block was freed twice: 0x");
}
#endif

CHECK_MAIN(TEST(a_block_that_is_freed_twice_is_found), TEST(a_block_is_found_among_many_free_ones),
           TEST(an_address_that_is_no_block_is_found), TEST(an_address_of_another_memory_is_found),
           TEST(a_block_that_was_changed_after_it_was_freed_is_found),
           TEST(a_copy_of_a_free_block_is_no_fault), TEST(a_report_may_leave_by_longjmp),
           TEST(blocks_that_another_thread_freed_are_checked_too),
           TEST(a_block_that_other_threads_free_twice_is_reported_once),
           TEST(addresses_outside_that_another_thread_frees_are_found),
           TEST(a_change_after_another_thread_freed_is_found),
           TEST(what_is_collected_after_a_report_that_left_is_freed),
           TEST(a_fault_ends_the_program_by_default))
