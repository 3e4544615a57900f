/*
 * An arena's mappings as the kernel lists them, and which of them may use huge pages. Linux.
 */
#include <holdfast/pool.h>
#include <holdfast/space.h>

#include "arena_fixture.h"
#include "process.h"

static struct process_memory memory_of(const hf_arena *arena) {
    return process_memory_of(hf_arena_base(arena), hf_arena_get_stats(arena).reserved);
}

static void touch_every_page(char *block, size_t size) {
    for (size_t i = 0; i < size; i += fixture_page_size()) block[i] = 1;
}

/* -------------------------------------------------------------------- mappings ------------- */

static void an_open_arena_is_hardly_mapped(void) {
    hf_arena arena = fixture_open((hf_arena_options){0});
    CHECK(memory_of(&arena).mappings <= 2);
    hf_arena_close(&arena);
}

static void grows_to(hf_arena *arena, size_t size) {
    while (hf_get_mark(arena) < size) {
        CHECK(hf_alloc(arena, MIB, 8) != NULL);
        CHECK(memory_of(arena).mappings <= 3);
    }
}

static void any_size_takes_three_mappings(void) {
    size_t most = IS_64_BIT && fixture_is_exact() ? 4 * GIB : 512 * MIB; /* poisoning is slow */
    size_t reserve = IS_64_BIT ? 0 : 1024 * MIB;
    for (int huge = HF_HUGE_AUTO; huge <= HF_HUGE_ALWAYS; huge++) {
        AT("mode %d", huge);
        hf_arena arena = fixture_open(
            (hf_arena_options){.reserve = reserve, .huge_pages = (hf_huge_pages)huge, .name = "m"});
        grows_to(&arena, most);
        size_t mappings = memory_of(&arena).mappings;
        CHECK(mappings >= 1 && mappings <= 3);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, 100 * MIB));
        CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
        CHECK(memory_of(&arena).mappings <= 3);
        grows_to(&arena, 200 * MIB);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
        CHECK(memory_of(&arena).mappings <= 2);
        hf_arena_close(&arena);
    }
}

/* ------------------------------------------------------------------ huge pages ------------- */

static hf_arena open_touched(hf_huge_pages huge) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB, .huge_pages = huge});
    touch_every_page(hf_alloc(&arena, 32 * MIB, 1), 32 * MIB);
    return arena;
}

/* Whether the kernel finds 32 MiB of huge pages does not matter: the test checks that
 * the memory was advised, and that memory that was not advised has none. */
static void huge_pages_are_as_the_option_says(void) {
    if (!has_hints()) return;
    for (int huge = HF_HUGE_AUTO; huge <= HF_HUGE_ALWAYS; huge++) {
        AT("mode %d", huge);
        hf_arena arena = open_touched((hf_huge_pages)huge);
        struct process_memory memory = memory_of(&arena);
        CHECK(memory.resident >= 32 * MIB);
        CHECK(memory.advised_huge == (huge != HF_HUGE_NEVER));
        CHECK(memory.advised_no_huge == (huge == HF_HUGE_NEVER));
        if (huge == HF_HUGE_NEVER) CHECK_EQUAL(0, memory.huge);
        if (huge != HF_HUGE_NEVER && memory.huge == 0) printf("the system gave no huge page\n");
        hf_arena_close(&arena);
    }
}

static size_t resident_after(size_t size, size_t block, hf_huge_pages huge) {
    hf_arena arena = fixture_open((hf_arena_options){.huge_pages = huge});
    while (hf_get_mark(&arena) < size) memset(hf_alloc(&arena, block, 1), 'x', block);
    size_t resident = memory_of(&arena).resident;
    hf_arena_close(&arena);
    return resident;
}

/* An arena of 2 MiB or more takes at most a tenth more with HF_HUGE_AUTO than with small pages. One
 * of 100 KiB takes no more; where the base is not chosen for it, neither does one of 1 MiB. */
static void automatic_huge_pages_take_little_more_memory(void) {
    static const size_t sizes[] = {100,  2048,  2151,  2560,  3072,  4200,  5120,  7168,
                                   9216, 12300, 16384, 19456, 20582, 21504, 24576, 31744};
    if (!fixture_is_exact() || !IS_64_BIT) return;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t block = 256; block <= MIB; block *= 64) {
            AT("%zu KiB in blocks of %zu", sizes[i], block);
            size_t size = sizes[i] * KIB;
            if (size < block) continue;
            size_t automatic = resident_after(size, block, HF_HUGE_AUTO);
            size_t small = resident_after(size, block, HF_HUGE_NEVER);
            size_t records = 64 * KIB, tenth = size < 2 * MIB ? 0 : small / 10;
            CHECK(automatic <= small + records + tenth);
        }
    }
}

static size_t huge_after(hf_arena *arena) {
    struct process_memory memory = memory_of(arena);
    CHECK_STATUS(HF_OK, hf_reset(arena));
    return memory.huge;
}

/* A huge page that one block fills is used below 20 MiB, too; and if as much was committed before,
 * or is populated. */
static void what_a_block_fills_has_huge_pages(void) {
    if (!has_hints() || !fixture_is_exact() || !IS_64_BIT) return;
    hf_arena arena = fixture_open((hf_arena_options){0});
    memset(hf_alloc(&arena, 12 * MIB, 1), 'x', 12 * MIB);
    if (huge_after(&arena) < 8 * MIB) {
        printf("the system gave no huge page\n");
    } else {
        CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
        while (hf_get_mark(&arena) < 10 * MIB) memset(hf_alloc(&arena, 4096, 1), 'x', 4096);
        CHECK(huge_after(&arena) >= 6 * MIB);
        hf_arena_close(&arena);
        arena = fixture_open((hf_arena_options){.populate = true});
        while (hf_get_mark(&arena) < 10 * MIB) CHECK(hf_alloc(&arena, 4096, 1) != NULL);
        CHECK(huge_after(&arena) >= 6 * MIB);
    }
    hf_arena_close(&arena);
}

static void fill_by_small_blocks(hf_arena *arena, size_t size) {
    while (hf_get_mark(arena) < size) memset(hf_alloc(arena, 256, 1), 'x', 256);
}

/* One huge page behind a few small ones takes the place of 512 page faults. Where the program names
 * a base right below a huge page, there are more small ones. */
static void few_small_pages_come_before_a_huge_one(void) {
    if (!has_hints() || !fixture_is_exact() || !IS_64_BIT) return;
    hf_arena arena = fixture_open((hf_arena_options){0});
    char *below = hf_arena_base(&arena) + 192 * KIB - 64 * KIB;
    CHECK(is_aligned(below + 64 * KIB, 2 * MIB));
    fill_by_small_blocks(&arena, 2 * MIB);
    size_t huge = memory_of(&arena).huge;
    hf_arena_close(&arena);
    arena = fixture_open((hf_arena_options){.huge_pages = HF_HUGE_ALWAYS});
    fill_by_small_blocks(&arena, MIB);
    CHECK_EQUAL(memory_of(&arena).huge, huge); /* 0 where the system has none to give */
    hf_arena_close(&arena);
    arena = fixture_open((hf_arena_options){.base = below, .reserve = 16 * MIB});
    fill_by_small_blocks(&arena, 150 * KIB);
    CHECK(memory_of(&arena).resident < 300 * KIB);
    hf_arena_close(&arena);
}

/* An arena of a pool takes two mappings, whatever it used. */
static void an_arena_of_a_pool_takes_two_mappings(void) {
    hf_pool *pool;
    hf_pool_options options = {.arenas = 4, .reserve = 64 * MIB};
    CHECK_STATUS(HF_OK, hf_pool_open(&pool, &options));
    hf_arena arena = fixture_open((hf_arena_options){.pool = pool});
    for (size_t used = 0; used < 30; used++) {
        CHECK(hf_alloc(&arena, MIB, 1) != NULL);
        CHECK(memory_of(&arena).mappings <= 2);
    }
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 5 * MIB));
    CHECK(memory_of(&arena).mappings <= 2);
    hf_arena_close(&arena);
    hf_pool_close(pool);
}

/* HF_HUGE_AUTO begins with small pages, HF_HUGE_ALWAYS has huge pages from the first byte on. */
static void only_auto_spares_the_first_step(void) {
    if (!has_hints()) return;
    hf_arena spared = open_touched(HF_HUGE_AUTO), first = open_touched(HF_HUGE_ALWAYS);
    CHECK(!process_memory_of(hf_arena_base(&spared), fixture_page_size()).advised_huge);
    CHECK(process_memory_of(hf_arena_base(&first), fixture_page_size()).advised_huge);
    hf_arena_close(&first);
    hf_arena_close(&spared);
}

/* Memory committed again after a trim is advised again. */
static void memory_after_a_trim_is_advised(void) {
    if (!has_hints()) return;
    hf_arena arena = open_touched(HF_HUGE_AUTO);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 4 * MIB));
    char *block = hf_alloc(&arena, 64 * MIB, 1);
    touch_every_page(block, 64 * MIB);
    CHECK(process_memory_of(block + 8 * MIB, 30 * MIB).advised_huge);
    CHECK(memory_of(&arena).mappings <= 3);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(an_open_arena_is_hardly_mapped), TEST(any_size_takes_three_mappings),
           TEST(huge_pages_are_as_the_option_says),
           TEST(automatic_huge_pages_take_little_more_memory),
           TEST(what_a_block_fills_has_huge_pages), TEST(few_small_pages_come_before_a_huge_one),
           TEST(an_arena_of_a_pool_takes_two_mappings), TEST(only_auto_spares_the_first_step),
           TEST(memory_after_a_trim_is_advised))
