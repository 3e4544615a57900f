/*
 * What fuzz_heap has found.
 */
#include "heap_fixture.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_POISONED(address) __asan_address_is_poisoned(address)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_POISONED(address) __asan_address_is_poisoned(address)
#endif
#endif
#ifdef IS_POISONED
#include <sanitizer/asan_interface.h>
#endif

static int faults[3];

static void count_fault(hf_heap *heap, hf_heap_fault fault, void *block, void *user) {
    (void)heap, (void)block, (void)user;
    faults[fault]++;
}

static hf_heap *open_small(size_t reserve) {
    memset(faults, 0, sizeof faults);
    return open_heap((hf_heap_options){.reserve = reserve, .on_fault = count_fault});
}

static int count_faults(void) { return faults[0] + faults[1] + faults[2]; }

/* Units that are committed ahead lie where the block would. */
static void a_large_block_gets_the_room_of_unused_units(void) {
    hf_heap *heap = open_small(8 * MIB);
    CHECK(hf_heap_malloc(heap, 16) != NULL);
    CHECK(hf_heap_malloc(heap, 8 * MIB - 320 * KIB) != NULL);
    CHECK_EQUAL(0, count_faults());
    check_and_close(heap);
}

/* Without units the only placeholder begins in the records. */
static void a_large_block_does_not_lie_in_the_records(void) {
    for (size_t less = 0; less <= 128 * KIB; less += 4 * KIB) {
        hf_heap *heap = open_small(8 * MIB);
        char *block = hf_heap_malloc(heap, 8 * MIB - less);
        AT("%zu bytes less than the reservation", less);
        if (block) CHECK(hf_heap_usable_size(heap, block) >= 8 * MIB - less);
        hf_heap_free(heap, block);
        CHECK_STATUS(HF_OK, hf_heap_trim(heap, SIZE_MAX)); /* a sanitizer's quarantine */
        CHECK_EQUAL(0, count_faults());
        CHECK_EQUAL(0, count_blocks(heap));
        check_and_close(heap);
    }
}

/* The upper half is taken first, then only the placeholder behind the units has room. */
static void a_large_block_gets_the_room_behind_the_units(void) {
    hf_heap *heap = open_small(64 * MIB);
    char *block = hf_heap_malloc(heap, 8 * MIB), *middle = heap->base + 32 * MIB;
    CHECK(block > middle);
    char *second = hf_heap_malloc(heap, 12 * MIB), *third = hf_heap_malloc(heap, 28 * MIB);
    CHECK(second >= middle - MIB && third != NULL && third < middle);
    check_and_close(heap);
}

/* Units grow until none is left. */
static void units_do_not_touch_a_large_block(void) {
    hf_heap *heap = open_small(12 * MIB);
    char *large = filled_block(heap, 5 * MIB, 1);
    while (hf_heap_malloc(heap, 65 * KIB)) continue;
    CHECK(hf_heap_usable_size(heap, large) >= 5 * MIB);
    CHECK(is_filled(large, 5 * MIB, 1));
    hf_heap_free(heap, large);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, SIZE_MAX)); /* a sanitizer's quarantine */
    CHECK_EQUAL(0, count_faults());
    CHECK_EQUAL(0, hf_heap_get_stats(heap).large_blocks);
    check_and_close(heap);
}

static void an_address_in_a_large_block_is_a_wild_one(void) {
    hf_heap *heap = open_small(16 * MIB);
    char *block = filled_block(heap, 5 * MIB, 1);
    hf_heap_free(heap, block + 4 * KIB);
    hf_heap_free(heap, block + MIB + 16);
    hf_heap_free(heap, heap->runs);
    CHECK_EQUAL(3, faults[HF_FAULT_WILD_FREE]);
    hf_heap_free(heap, block);
    hf_heap_free(heap, block);
    CHECK_EQUAL(1, faults[HF_FAULT_DOUBLE_FREE]);
    CHECK_EQUAL(4, count_faults());
    check_and_close(heap);
}

/* To link the block to others would change it. */
static void a_free_block_that_another_thread_frees_is_found(void) {
    hf_heap *heap = open_small(MIB);
    char *blocks[4];
    for (unsigned i = 0; i < 4; i++) blocks[i] = filled_block(heap, 100, i);
    for (unsigned i = 0; i < 3; i++) hf_heap_free(heap, blocks[i]);
    hf_heap_free_remote(heap, blocks[1]);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, SIZE_MAX));
    CHECK_EQUAL(1, faults[HF_FAULT_DOUBLE_FREE]);
    CHECK_EQUAL(1, count_faults());
    CHECK_EQUAL(1, count_blocks(heap));
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    char *first = hf_heap_malloc(heap, 100), *second = hf_heap_malloc(heap, 100);
    CHECK(first != second && second != hf_heap_malloc(heap, 100));
    check_and_close(heap);
}

static void an_empty_block_has_the_good_size(void) {
    hf_heap *heap = open_small(MIB);
    CHECK_EQUAL(hf_heap_good_size(heap, 0), hf_heap_usable_size(heap, hf_heap_malloc(heap, 0)));
    check_and_close(heap);
}

/* The system may use them for something else. */
static void addresses_of_a_closed_heap_are_not_poisoned(void) {
#ifdef IS_POISONED
    hf_heap *heap = open_small(4 * MIB);
    char *block = filled_block(heap, 100 * KIB, 1);
    hf_heap_free(heap, block);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, 0));
    hf_heap_close(heap);
    for (size_t at = 0; at < 128 * KIB; at += 8) CHECK(!IS_POISONED(block + at));
#else
    check_skip("only AddressSanitizer can tell");
#endif
}

CHECK_MAIN(TEST(a_large_block_gets_the_room_of_unused_units),
           TEST(a_large_block_gets_the_room_behind_the_units),
           TEST(a_large_block_does_not_lie_in_the_records), TEST(units_do_not_touch_a_large_block),
           TEST(an_address_in_a_large_block_is_a_wild_one),
           TEST(a_free_block_that_another_thread_frees_is_found),
           TEST(an_empty_block_has_the_good_size),
           TEST(addresses_of_a_closed_heap_are_not_poisoned))
