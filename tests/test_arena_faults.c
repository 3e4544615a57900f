/*
 * Page faults: where there must be none, and where there must be some. Linux.
 *
 * Not under a sanitizer, which causes page faults itself; nor if the backend cannot populate.
 */
#include "arena_fixture.h"
#include "process.h"

static void touch_every_page(char *block, size_t size) {
    for (size_t i = 0; i < size; i += fixture_page_size()) block[i] = 1;
}

static void fresh_zeroes_do_not_fault(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB});
    size_t before = process_faults();
    CHECK(hf_alloc_zeroed(&arena, 64 * MIB, 8) != NULL);
    CHECK(hf_new_array(&arena, int, 4 * MIB) != NULL);
    char *block = hf_alloc(&arena, 1, 1);
    CHECK(hf_extend_zeroed(&arena, block, 1, 16 * MIB));
    CHECK(process_faults() - before < 50);
    hf_arena_close(&arena);
}

static void memory_kept_over_a_reset_does_not_fault(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB});
    touch_every_page(hf_alloc(&arena, 50 * MIB, 8), 50 * MIB);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    size_t before = process_faults();
    touch_every_page(hf_alloc(&arena, 50 * MIB, 8), 50 * MIB);
    CHECK(process_faults() - before < 50);
    hf_arena_close(&arena);
}

static void populated_memory_does_not_fault(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB, .populate = true});
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 40 * MIB));
    size_t before = process_faults();
    for (int i = 0; i < 20; i++) touch_every_page(hf_alloc(&arena, 2 * MIB - 64, 1), 2 * MIB - 64);
    CHECK(process_faults() - before < 20);
    hf_arena_close(&arena);
}

/* Negative control: memory that was not populated faults. */
static void other_memory_faults(void) {
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 256 * MIB, .huge_pages = HF_HUGE_NEVER});
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 40 * MIB));
    size_t before = process_faults();
    touch_every_page(hf_alloc(&arena, 40 * MIB - 64, 1), 40 * MIB - 64);
    CHECK(process_faults() - before >= 40 * MIB / fixture_page_size() - 100);
    hf_arena_close(&arena);
}

/* Faults of the blocks that fill the arena up to 64 MiB; then it is rewound and trimmed. */
static size_t faults_of_a_round(hf_arena *arena) {
    size_t before = process_faults();
    for (size_t i = 0; i < 64 * 1024; i++) memset(hf_alloc(arena, KIB, 1), 1, KIB);
    size_t faults = process_faults() - before;
    CHECK_STATUS(HF_OK, hf_rewind(arena, 0));
    CHECK_STATUS(HF_OK, hf_trim(arena, MIB));
    return faults;
}

/* The first round spares huge pages. The trim leaves no page table of small pages, with which the
 * second one would spare them, too: it faults as the third. */
static void growing_again_after_a_trim_uses_huge_pages(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB});
    faults_of_a_round(&arena);
    size_t second = faults_of_a_round(&arena), third = faults_of_a_round(&arena);
    CHECK(second <= third + 2500);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(fresh_zeroes_do_not_fault), TEST(memory_kept_over_a_reset_does_not_fault),
           TEST(populated_memory_does_not_fault), TEST(other_memory_faults),
           TEST(growing_again_after_a_trim_uses_huge_pages))
