/*
 * An arena's resident pages, as the system reports them.
 */
#include "arena_fixture.h"
#include "process.h"

static struct process_memory memory_of(const hf_arena *arena) {
    return process_memory_of(hf_arena_base(arena), hf_arena_get_stats(arena).reserved);
}

static void touch_every_page(char *block, size_t size) {
    for (size_t i = 0; i < size; i += fixture_page_size()) block[i] = 1;
}

static void allocate_100_kib(void *size_of_blocks) {
    size_t size = *(size_t *)size_of_blocks;
    hf_arena arena = fixture_open((hf_arena_options){0});
    for (size_t used = 0; used < 100 * KIB; used += size)
        memset(hf_alloc(&arena, size, 8), 1, size);
    CHECK(memory_of(&arena).resident >= 100 * KIB);
    size_t most = fixture_is_exact() ? 300 * KIB : 3 * MIB; /* red zones */
    CHECK(memory_of(&arena).resident < most);
    CHECK(hf_arena_get_stats(&arena).committed < most);
    hf_arena_close(&arena);
}

static void a_small_arena_stays_small(void) {
    size_t sizes[] = {16, 64, 1000, 10 * KIB, 100 * KIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("blocks of %zu bytes", sizes[i]);
        CHECK(process_runs(allocate_100_kib, &sizes[i]));
    }
}

/* hf_alloc_zeroed does not touch memory above the high-water mark. */
static void fresh_zeroes_cost_no_pages(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB});
    CHECK(hf_alloc_zeroed(&arena, 64 * MIB, 8) != NULL);
    CHECK(hf_new_array(&arena, int, 4 * MIB) != NULL);
    char *block = hf_alloc(&arena, 1, 1);
    CHECK(hf_extend_zeroed(&arena, block, 1, 16 * MIB));
    CHECK(memory_of(&arena).resident < 4 * MIB);
    hf_arena_close(&arena);
}

static void rewinding_keeps_pages_and_trimming_gives_them_back(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB});
    char *block = hf_alloc(&arena, 50 * MIB, 8);
    touch_every_page(block, 50 * MIB);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK(memory_of(&arena).resident >= 50 * MIB);
    CHECK(hf_alloc(&arena, 50 * MIB, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 10 * MIB));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK(memory_of(&arena).resident <= 10 * MIB + 64 * KIB);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_EQUAL(0, memory_of(&arena).resident);
    hf_arena_close(&arena);
}

static void an_open_arena_has_no_pages(void) {
    hf_arena arena = fixture_open((hf_arena_options){0});
    CHECK_EQUAL(0, memory_of(&arena).resident);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(a_small_arena_stays_small), TEST(fresh_zeroes_cost_no_pages),
           TEST(rewinding_keeps_pages_and_trimming_gives_them_back),
           TEST(an_open_arena_has_no_pages))
