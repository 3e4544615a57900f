/*
 * Runs the code in the comments of the adapters for C++, as test_adapter_snippets.c does.
 */
#include "all.h"

#include "../check.h"

static void box2d_falls() {
    hf_heap *heap = nullptr;
    CHECK_STATUS(HF_OK, hf_heap_open(&heap, nullptr));
    float fallen = fall(heap);
    CHECK(fallen > 4.9f && fallen < 5.2f);
    CHECK_EQUAL(0, hf_heap_get_stats(heap).blocks);
    CHECK(hf_heap_get_stats(heap).peak > 0);
    hf_heap_close(heap);
}

static void containers_are_in_an_arena_and_a_heap() {
    hf_arena arena = HF_ARENA_LAZY;
    hf_heap *heap = nullptr;
    CHECK_STATUS(HF_OK, hf_heap_open(&heap, nullptr));
    CHECK_EQUAL(1, count_words(&arena, heap));
    CHECK(hf_arena_get_stats(&arena).high_water > 0);
    CHECK(hf_heap_get_stats(heap).peak > 0);
    hf_heap_close(heap);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(box2d_falls), TEST(containers_are_in_an_arena_and_a_heap))
