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

static void a_slow_page_is_the_last_one(void) {
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
    CHECK(slow != NULL && is_advised(slow) && !is_advised(slow + 4 * MIB));
    CHECK(is_zero(slow, 9 * MIB));
    nanoseconds_of_a_touch = 300 * 1000;
    char *last = hf_heap_calloc(heap, 1, 9 * MIB);
    CHECK(last != NULL && !is_advised(last) && !is_advised(last + 4 * MIB));
    CHECK(is_zero(last, 9 * MIB));
    CHECK(!process_memory_of(last, 9 * MIB).advised_no_huge); /* it is left to the system */
    check_and_close(heap);
}

CHECK_MAIN(TEST(a_slow_page_is_the_last_one))
