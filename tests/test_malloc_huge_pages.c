/*
 * Huge pages of src/malloc, with a clock of the test: they are asked for until one takes too long.
 */
#include "heap_fixture.h"
#include "malloc_core.h"
#include "process.h"

static uint64_t nanoseconds_of_a_touch;

/* The clock is read before and after a page is touched. */
uint64_t huge_pages_test_clock(void);
uint64_t huge_pages_test_clock(void) {
    static uint64_t now;
    return now += nanoseconds_of_a_touch;
}

static bool is_advised(const char *address) { return process_memory_of(address, 1).advised_huge; }

static void few_blocks_are_touched(void) {
    enum { COUNT = 200 };
    size_t size = 5 * MIB, count = IS_64_BIT ? COUNT : 40, resident = 0;
    hf_heap *heap =
        open_heap((hf_heap_options){.reserve = 4 * count * size, .backend = hf_malloc_backend()});
    nanoseconds_of_a_touch = 300 * 1000;
    for (size_t i = 0; i < count; i++) {
        char *block = hf_heap_malloc(heap, size);
        CHECK(block != NULL);
        resident += process_memory_of(block, size).resident;
    }
    CHECK(resident < count * size / 4);
    check_and_close(heap);
}

static void after_three_slow_pages_there_are_no_more(void) {
    if (!has_hints()) {
        check_skip("the system has no huge pages");
        return;
    }
    hf_heap *heap =
        open_heap((hf_heap_options){.reserve = 256 * MIB, .backend = hf_malloc_backend()});
    nanoseconds_of_a_touch = 300 * 1000;
    char *quick = hf_heap_malloc(heap, 9 * MIB), *next = hf_heap_malloc(heap, 9 * MIB);
    CHECK(quick != NULL && next != NULL && is_advised(quick) && is_advised(quick + 8 * MIB));
    CHECK(is_advised(next + 8 * MIB));
    nanoseconds_of_a_touch = 3 * 1000 * 1000;
    char *slow = hf_heap_calloc(heap, 1, 9 * MIB);
    for (int i = 0; i < 100 && is_advised(slow + 4 * MIB); i++) {
        hf_heap_free(heap, slow);
        CHECK_STATUS(HF_OK, hf_heap_trim(heap, 0));
        slow = hf_heap_calloc(heap, 1, 9 * MIB);
    }
    CHECK(slow != NULL && is_advised(slow) && !is_advised(slow + 4 * MIB));
    CHECK(is_zero(slow, 9 * MIB));
    for (int i = 0; i < 2; i++) {
        char *another = hf_heap_malloc(heap, 9 * MIB);
        CHECK(another != NULL && is_advised(another) && !is_advised(another + 4 * MIB));
    }
    nanoseconds_of_a_touch = 300 * 1000;
    char *last = hf_heap_calloc(heap, 1, 9 * MIB);
    CHECK(last != NULL && !is_advised(last) && !is_advised(last + 4 * MIB));
    CHECK(is_zero(last, 9 * MIB));
    CHECK(!process_memory_of(last, 9 * MIB).advised_no_huge); /* it is left to the system */
    check_and_close(heap);
}

CHECK_MAIN(TEST(few_blocks_are_touched), TEST(after_three_slow_pages_there_are_no_more))
