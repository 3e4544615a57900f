/*
 * What fuzz_heap has found.
 */
#include "heap_fixture.h"

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
    hf_heap *heap = open_small(4 * MIB);
    CHECK(hf_heap_malloc(heap, 16) != NULL);
    CHECK(hf_heap_malloc(heap, 4 * MIB - 320 * KIB) != NULL);
    CHECK_EQUAL(0, count_faults());
    check_and_close(heap);
}

CHECK_MAIN(TEST(a_large_block_gets_the_room_of_unused_units))
