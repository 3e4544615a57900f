/*
 * Heaps: what each function promises for blocks of every kind of size.
 */
#include <stdint.h>

#include "heap_fixture.h"
#include "random.h"
#include "recorder.h"

/* Around the limits of classes, of runs of one unit, of small, medium and large blocks. */
static const size_t sizes[] = {0,
                               1,
                               15,
                               16,
                               17,
                               255,
                               256,
                               257,
                               288,
                               289,
                               511,
                               512,
                               513,
                               1023,
                               1024,
                               1025,
                               4096,
                               16 * KIB - 1,
                               16 * KIB,
                               16 * KIB + 1,
                               32 * KIB,
                               32 * KIB + 1,
                               64 * KIB - 1,
                               64 * KIB,
                               64 * KIB + 1,
                               128 * KIB,
                               500 * KIB,
                               MIB - 1,
                               MIB,
                               MIB + 1,
                               4 * MIB,
                               4 * MIB + 1,
                               3 * MIB,
                               5 * MIB + 12345};
enum { SIZES = sizeof sizes / sizeof *sizes };

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* ------------------------------------------------------------------ opening ---------------- */

static void opens_with_defaults(void) {
    hf_heap *heap = NULL;
    CHECK_STATUS(HF_OK, hf_heap_open(&heap, NULL));
    CHECK(heap != NULL && hf_heap_get_stats(heap).reserved >= MIB);
    CHECK_EQUAL(0, count_blocks(heap));
    check_and_close(heap);
    hf_heap_close(NULL);
    CHECK_EQUAL(0, hf_heap_get_stats(NULL).reserved);
}

static void checks_its_options(void) {
    hf_heap *heap = NULL;
    CHECK_STATUS(HF_INVALID, hf_heap_open(NULL, NULL));
    CHECK_STATUS(HF_INVALID, hf_heap_open(&heap, &(hf_heap_options){.reserve = 128 * KIB}));
    CHECK_STATUS(HF_INVALID,
                 hf_heap_open(&heap, &(hf_heap_options){.reserve = MIB, .least_reserve = 2 * MIB}));
    CHECK_STATUS(HF_INVALID,
                 hf_heap_open(&heap, &(hf_heap_options){.huge_pages = (hf_huge_pages)3}));
    CHECK_STATUS(HF_INVALID,
                 hf_heap_open(&heap, &(hf_heap_options){.reserve = MIB, .alignment = 3 * MIB}));
    CHECK_STATUS(HF_INVALID,
                 hf_heap_open(&heap, &(hf_heap_options){.reserve = MIB, .alignment = 4 * KIB}));
    if (IS_64_BIT) { /* a system may have half of 4 GiB */
        hf_heap_options options = {.reserve = SIZE_MAX / 2, .least_reserve = SIZE_MAX / 2};
        CHECK_STATUS(HF_NO_ADDRESS, hf_heap_open(&heap, &options));
    }
    CHECK(heap == NULL);
}

static void a_reservation_is_aligned(void) {
    for (size_t alignment = 64 * KIB; alignment <= 64 * MIB; alignment *= 4) {
        hf_heap *heap = open_heap((hf_heap_options){.reserve = alignment > MIB ? alignment : MIB,
                                                    .alignment = alignment});
        size_t reserved = hf_heap_get_stats(heap).reserved;
        char *block = filled_block(heap, 100, 1);
        char *base = block - (uintptr_t)block % alignment;
        if (reserved <= alignment) {
            CHECK(hf_heap_owns(heap, base) && !hf_heap_owns(heap, base - 1));
            CHECK(hf_heap_owns(heap, base + reserved - 1) && !hf_heap_owns(heap, base + reserved));
        }
        check_and_close(heap);
    }
}

static char *advised; /* where the first huge page may be; NULL: nowhere */

static hf_status record_advice(const hf_backend *self, void *address, size_t size, hf_advice advice,
                               hf_report *report) {
    (void)self, (void)size, (void)report;
    if (advice == HF_ADVISE_HUGE && advised == NULL) advised = (char *)address;
    return HF_OK;
}

/* How far behind the first of many blocks the first huge page is. */
static size_t distance_of_huge_pages(size_t huge_from) {
    hf_backend backend = *hf_backend_native();
    backend.advise = record_advice;
    advised = NULL;
    hf_heap *heap = open_heap(
        (hf_heap_options){.reserve = 64 * MIB, .huge_from = huge_from, .backend = &backend});
    char *first = filled_block(heap, 50 * KIB, 0);
    for (unsigned i = 1; advised == NULL && i < 500; i++) filled_block(heap, 50 * KIB, i);
    CHECK(advised > first);
    size_t distance = (size_t)(advised - first);
    check_and_close(heap);
    return distance;
}

static void huge_pages_begin_behind_the_first_blocks(void) {
    size_t with_default = distance_of_huge_pages(0), with_8_mib = distance_of_huge_pages(8 * MIB);
    CHECK(with_default >= 2 * MIB - 256 * KIB && with_default < 6 * MIB);
    CHECK(with_8_mib >= 8 * MIB - 256 * KIB && with_8_mib < 12 * MIB);
}

/* --------------------------------------------------------------- allocating ---------------- */

static void blocks_of_every_size_are_separate(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 128 * MIB});
    char *blocks[SIZES];
    for (unsigned i = 0; i < SIZES; i++) {
        blocks[i] = filled_block(heap, sizes[i], i);
        CHECK(is_aligned(blocks[i], 16) && hf_heap_owns(heap, blocks[i]));
        CHECK(hf_heap_usable_size(heap, blocks[i]) >= larger(sizes[i], 1));
        CHECK_EQUAL(hf_heap_usable_size(heap, blocks[i]),
                    hf_heap_usable_size_remote(heap, blocks[i]));
    }
    CHECK_EQUAL(SIZES, count_blocks(heap));
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    for (unsigned i = 0; i < SIZES; i++) CHECK(is_filled(blocks[i], sizes[i], i));
    for (unsigned i = 0; i < SIZES; i++) hf_heap_free(heap, blocks[i]);
    CHECK_EQUAL(0, count_blocks(heap));
    check_and_close(heap);
}

static void a_good_size_is_the_size_of_a_block(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 64 * MIB});
    for (size_t size = 0; size < 70 * KIB; size += 1 + size / 64) {
        void *block = hf_heap_malloc(heap, size);
        size_t usable = hf_heap_usable_size(heap, block);
        CHECK_EQUAL(usable, larger(hf_heap_good_size(heap, size), 1));
        if (heap_is_exact()) CHECK(usable <= size + larger(size / 8, 16) || size > 64 * KIB);
        hf_heap_free(heap, block);
    }
    CHECK_EQUAL(SIZE_MAX, hf_heap_good_size(heap, SIZE_MAX));
    CHECK_EQUAL(0, hf_heap_usable_size(heap, NULL));
    hf_heap_free(heap, NULL);
    check_and_close(heap);
}

static void sizes_that_do_not_fit_fail(void) {
    static const size_t large[] = {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 4096, SIZE_MAX / 2, 64 * MIB};
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 32 * MIB});
    for (unsigned i = 0; i < sizeof large / sizeof *large; i++) {
        CHECK(hf_heap_malloc(heap, large[i]) == NULL);
        CHECK_STATUS(HF_RESERVE_FULL, hf_last_error().status);
        CHECK(hf_heap_calloc(heap, large[i], 2) == NULL);
        CHECK(hf_heap_calloc(heap, 3, large[i]) == NULL);
        CHECK_STATUS(HF_RESERVE_FULL, hf_last_error().status);
        CHECK(hf_heap_aligned_alloc(heap, 4096, large[i]) == NULL);
        CHECK_STATUS(HF_RESERVE_FULL, hf_last_error().status);
    }
    char *block = filled_block(heap, 100, 1);
    CHECK(hf_heap_realloc(heap, block, SIZE_MAX) == NULL && is_filled(block, 100, 1));
    CHECK_EQUAL(1, count_blocks(heap));
    check_and_close(heap);
}

/* What was freed, in each order, is used again before the reservation is full. */
static void a_full_heap_can_be_emptied_and_filled_again(void) {
    enum { MOST = 20000 };
    static char *blocks[MOST];
    static const size_t of[] = {48, 3000, 20 * KIB, 100 * KIB};
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 8 * MIB});
    for (unsigned kind = 0; kind < sizeof of / sizeof *of; kind++) {
        size_t count = 0, first = 0;
        for (int round = 0; round < 3; round++) {
            for (count = 0; count < MOST; count++) {
                blocks[count] = hf_heap_malloc(heap, of[kind]);
                if (blocks[count] == NULL) break;
            }
            if (round == 0) first = count;
            if (heap_is_exact()) CHECK(count * 10 >= first * 9);
            for (size_t i = 0; i < count; i++) hf_heap_free(heap, blocks[i]);
        }
        CHECK(count > 50);
        CHECK_STATUS(HF_OK, hf_heap_check(heap));
    }
    check_and_close(heap);
}

static void zeroed_blocks_are_zero_also_where_memory_was_used(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 128 * MIB});
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < SIZES; i++) {
            char *block = hf_heap_calloc(heap, 1, sizes[i]);
            CHECK(block != NULL && is_zero(block, sizes[i]));
            fill(block, sizes[i], i);
            hf_heap_free(heap, block);
        }
        if (round == 1) CHECK_STATUS(HF_OK, hf_heap_reset(heap));
    }
    check_and_close(heap);
}

static void blocks_have_every_alignment(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 256 * MIB});
    for (size_t align = 1; align <= 4 * MIB; align *= 2) {
        for (size_t size = 1; size < 3 * MIB; size = size * 5 + 3) {
            char *block = hf_heap_aligned_alloc(heap, align, size);
            CHECK(block != NULL && is_aligned(block, align));
            fill(block, size, (unsigned)size);
            CHECK(hf_heap_usable_size(heap, block) >= size);
            CHECK(is_filled(block, size, (unsigned)size));
            hf_heap_free(heap, block);
        }
    }
    CHECK(hf_heap_aligned_alloc(heap, 48, 1) == NULL);
    CHECK_STATUS(HF_INVALID, hf_last_error().status);
    CHECK(hf_heap_aligned_alloc(heap, 0, 1) == NULL);
    check_and_close(heap);
}

/* ------------------------------------------------------------ changing sizes --------------- */

/* A thousand pairs of sizes: long blocks are filled at their beginning. */
static void realloc_keeps_the_contents_from_every_size_to_every_other(void) {
    enum { PATTERN = 128 * 1024 };
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 256 * MIB});
    for (unsigned from = 0; from < SIZES; from++) {
        for (unsigned to = 0; to < SIZES; to++) {
            char *block = hf_heap_malloc(heap, sizes[from]);
            CHECK(block != NULL);
            fill(block, smaller(sizes[from], PATTERN), from);
            block = hf_heap_realloc(heap, block, sizes[to]);
            CHECK(block != NULL && hf_heap_usable_size(heap, block) >= larger(sizes[to], 1));
            size_t kept = smaller(sizes[from], sizes[to]);
            CHECK(is_filled(block, smaller(kept, PATTERN), from));
            hf_heap_free(heap, block);
        }
    }
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    char *block = hf_heap_realloc(heap, NULL, 10);
    CHECK(block != NULL);
    hf_heap_free(heap, block);
    check_and_close(heap);
}

static void a_large_block_grows_in_place(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = IS_64_BIT ? 4 * GIB : 512 * MIB});
    if (!heap_is_exact()) {
        hf_heap_close(heap);
        check_skip("under a sanitizer blocks move when they grow");
        return;
    }
    char *other = filled_block(heap, 5 * MIB, 1);
    char *block = hf_heap_malloc(heap, 8 * MIB);
    char *third = filled_block(heap, 5 * MIB, 3);
    CHECK(block != NULL);
    fill(block, 8 * MIB, 2);
    size_t calls = hf_heap_get_stats(heap).system_calls;
    for (size_t size = 8 * MIB; size <= (IS_64_BIT ? 200 : 50) * MIB; size += 64 * KIB)
        CHECK(hf_heap_realloc(heap, block, size) == block);
    CHECK(hf_heap_get_stats(heap).system_calls - calls < 150);
    CHECK(is_filled(block, 8 * MIB, 2));
    CHECK(is_filled(other, 5 * MIB, 1) && is_filled(third, 5 * MIB, 3));
    CHECK(hf_heap_realloc(heap, block, 8 * MIB) == block);
    CHECK(is_filled(block, 8 * MIB, 2) && hf_heap_usable_size(heap, block) == 8 * MIB);
    check_and_close(heap);
}

/* A program copies what it has to a larger block, frees the smaller one, and so on. */
static void blocks_that_grow_by_copies_take_turns(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 512 * MIB});
    if (!heap_is_exact()) {
        hf_heap_close(heap);
        check_skip("under a sanitizer blocks are used again as late as possible");
        return;
    }
    char *places[2] = {filled_block(heap, 9 * MIB, 0), filled_block(heap, 10 * MIB, 1)};
    for (unsigned i = 2; i < 30; i++) {
        hf_heap_free(heap, places[i % 2]);
        char *block = filled_block(heap, (9 + i) * MIB, i);
        CHECK(block == places[i % 2]);
        CHECK(is_filled(places[(i + 1) % 2], (8 + i) * MIB, i - 1));
        CHECK(hf_heap_usable_size(heap, block) >= (9 + i) * MIB);
    }
    hf_heap_free(heap, places[0]);
    char *zeroed = hf_heap_calloc(heap, 1, 41 * MIB);
    CHECK(zeroed == places[0] && is_zero(zeroed, 41 * MIB));
    check_and_close(heap);
}

/* Each can be allocated, and grow, while the others stay. */
static void many_large_blocks_find_their_places(void) {
    enum { COUNT = 100 };
    static char *blocks[COUNT];
    unsigned count = IS_64_BIT ? COUNT : 20;
    hf_heap *heap = open_heap((hf_heap_options){.reserve = IS_64_BIT ? 64 * GIB : 512 * MIB});
    for (unsigned i = 0; i < count; i++) {
        blocks[i] = hf_heap_malloc(heap, 4 * MIB + 4096 * (i + 1));
        CHECK(blocks[i] != NULL);
        fill(blocks[i], 4096, i);
    }
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    for (unsigned i = 0; i < count; i += 10) {
        char *block = hf_heap_realloc(heap, blocks[i], 6 * MIB);
        if (heap_is_exact() && IS_64_BIT) CHECK(block == blocks[i]);
        blocks[i] = block;
    }
    for (unsigned i = 0; i < count; i++) {
        CHECK(is_filled(blocks[i], 4096, i));
        if (i % 3) hf_heap_free(heap, blocks[i]);
    }
    CHECK_STATUS(HF_OK, hf_heap_reset(heap));
    CHECK_EQUAL(0, count_blocks(heap));
    check_and_close(heap);
}

static void a_medium_block_grows_into_free_units(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 64 * MIB});
    if (!heap_is_exact()) {
        hf_heap_close(heap);
        check_skip("under a sanitizer blocks move when they grow");
        return;
    }
    char *block = filled_block(heap, 128 * KIB, 1);
    char *behind = filled_block(heap, 128 * KIB, 2);
    char *last = filled_block(heap, 128 * KIB, 3);
    CHECK(hf_heap_realloc(heap, last, 192 * KIB) == last);
    hf_heap_free(heap, behind);
    CHECK(hf_heap_realloc(heap, block, 256 * KIB) == block);
    CHECK(hf_heap_realloc(heap, block, 64 * KIB + 1) == block);
    CHECK_EQUAL(128 * KIB, hf_heap_usable_size(heap, block));
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    CHECK(hf_heap_realloc(heap, block, 320 * KIB) != block);
    CHECK(is_filled(last, 128 * KIB, 3));
    check_and_close(heap);
}

/* -------------------------------------------------- resetting, trimming, statistics -------- */

static void a_reset_frees_everything(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 256 * MIB});
    size_t committed = 0;
    for (int frame = 0; frame < 10; frame++) {
        for (int i = 0; i < 1000; i++) filled_block(heap, (size_t)i * 7, 1);
        for (int i = 0; i < 3; i++) filled_block(heap, 5 * MIB, 2);
        CHECK(count_blocks(heap) == 1003);
        CHECK_STATUS(HF_OK, hf_heap_reset(heap));
        CHECK_EQUAL(0, count_blocks(heap));
        CHECK_EQUAL(0, hf_heap_get_stats(heap).used);
        CHECK_STATUS(HF_OK, hf_heap_check(heap));
        if (frame == 0) committed = hf_heap_get_stats(heap).committed;
        CHECK_EQUAL(committed, hf_heap_get_stats(heap).committed);
    }
    check_and_close(heap);
}

static void frames_in_steady_state_make_no_system_call(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 256 * MIB});
    size_t calls = 0;
    for (int frame = 0; frame < 200; frame++) {
        for (int i = 0; i < 500; i++) CHECK(hf_heap_malloc(heap, (size_t)i * 37) != NULL);
        CHECK(hf_heap_malloc(heap, 300 * KIB) && hf_heap_malloc(heap, 5 * MIB));
        CHECK_STATUS(HF_OK, hf_heap_reset(heap));
        if (frame == 5) calls = hf_heap_get_stats(heap).system_calls;
    }
    CHECK_EQUAL(calls, hf_heap_get_stats(heap).system_calls);
    check_and_close(heap);
}

static void a_reset_gives_back_what_frames_do_without(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 256 * MIB});
    for (int i = 0; i < 1000; i++) CHECK(hf_heap_malloc(heap, 60 * KIB) != NULL);
    CHECK_STATUS(HF_OK, hf_heap_reset(heap));
    size_t committed = hf_heap_get_stats(heap).committed;
    for (int frame = 0; frame < 10000; frame++) {
        for (int i = 0; i < 10; i++) CHECK(hf_heap_malloc(heap, 60 * KIB) != NULL);
        CHECK_STATUS(HF_OK, hf_heap_reset(heap));
    }
    CHECK(committed > 50 * MIB && hf_heap_get_stats(heap).committed < 8 * MIB);
    check_and_close(heap);
}

static void a_trim_gives_back_what_is_free(void) {
    enum { COUNT = 600 };
    char *blocks[COUNT];
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 256 * MIB});
    for (unsigned i = 0; i < COUNT; i++) blocks[i] = filled_block(heap, i * 200, i);
    for (unsigned i = 0; i < COUNT; i++)
        if (i % 50) hf_heap_free(heap, blocks[i]);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, 4 * MIB));
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, 0));
    for (unsigned i = 0; i < COUNT; i += 50) CHECK(is_filled(blocks[i], i * 200, i));
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    for (unsigned i = 0; i < COUNT; i += 50) hf_heap_free(heap, blocks[i]);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, 0));
    if (heap_is_exact()) CHECK(hf_heap_get_stats(heap).committed <= 128 * KIB);
    check_and_close(heap);
}

/* 100 MiB were needed once; since then 2 MiB come and go. */
static void unused_memory_goes_back_by_itself(void) {
    enum { COUNT = 1600 };
    static char *blocks[COUNT];
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 512 * MIB});
    for (int i = 0; i < COUNT; i++) blocks[i] = hf_heap_malloc(heap, 64 * KIB);
    for (int i = 0; i < COUNT; i++) hf_heap_free(heap, blocks[i]);
    for (int round = 0; round < 5000; round++) {
        for (int i = 0; i < 32; i++) blocks[i] = hf_heap_malloc(heap, 64 * KIB);
        for (int i = 0; i < 32; i++) hf_heap_free(heap, blocks[i]);
    }
    if (heap_is_exact()) CHECK(hf_heap_get_stats(heap).purges > 0);
    check_and_close(heap);
}

/* Blocks that are only reused count, too: no unit is taken for them. */
static void unused_memory_goes_back_while_small_blocks_are_reused(void) {
    enum { COUNT = 2000, APART = 50 };
    static char *blocks[COUNT];
    if (!heap_is_exact()) {
        check_skip("under a sanitizer nothing goes back by itself");
        return;
    }
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 256 * MIB});
    for (int i = 0; i < COUNT; i++) blocks[i] = hf_heap_malloc(heap, 1000);
    char *large[4];
    for (int i = 0; i < 4; i++) large[i] = filled_block(heap, 3 * MIB, 1);
    for (int i = 0; i < 4; i++) hf_heap_free(heap, large[i]);
    size_t before = hf_heap_get_stats(heap).purges;
    for (int round = 0; round < 3 * 64 * 12 / 2; round++) {
        for (int i = 0; i < COUNT; i++)
            if (i % APART) hf_heap_free(heap, blocks[i]);
        for (int i = 0; i < COUNT; i++)
            if (i % APART) blocks[i] = hf_heap_malloc(heap, 1000);
    }
    CHECK(hf_heap_get_stats(heap).purges > before);
    check_and_close(heap);
}

/* One block of each size, one after the other: the runs that become empty serve other sizes. */
static void empty_runs_are_used_before_fresh_memory(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 64 * MIB});
    for (size_t size = 1; size <= 64 * KIB; size += size / 16 + 1)
        hf_heap_free(heap, hf_heap_malloc(heap, size));
    if (heap_is_exact()) CHECK(hf_heap_get_stats(heap).committed <= 3 * MIB);
    check_and_close(heap);
}

/* ------------------------------------------------------------------ everything ------------- */

enum { SLOTS = 2000 };

static struct slot {
    char *block;
    size_t size;
    unsigned seed;
} slots[SLOTS];

static size_t random_size(struct random *random) {
    size_t kind = random_below(random, 100);
    if (kind < 75) return random_below(random, 1100);
    if (kind < 93) return random_below(random, 20 * KIB);
    if (kind < 99) return random_below(random, 300 * KIB);
    return random_below(random, 6 * MIB);
}

/* Long blocks have a pattern at both ends. */
static void fill_slot(struct slot *slot) {
    size_t end = slot->size < 2048 ? slot->size : 2048;
    fill(slot->block, end, slot->seed);
    fill(slot->block + slot->size - end, end, slot->seed);
    if (slot->size < 2048) return;
}

static void check_slot(const struct slot *slot, size_t size) {
    size_t end = slot->size < 2048 ? slot->size : 2048;
    if (slot->size >= 4096 || slot->size < 2048)
        CHECK(is_filled(slot->block, size < end ? size : end, slot->seed));
    if (size == slot->size) CHECK(is_filled(slot->block + slot->size - end, end, slot->seed));
}

static void change_slot(hf_heap *heap, struct random *random, struct slot *slot) {
    size_t size = random_size(random), kept = size < slot->size ? size : slot->size;
    char *block = hf_heap_realloc(heap, slot->block, size);
    CHECK(block != NULL);
    slot->block = block;
    if (slot->size >= 4096 || slot->size < 2048)
        CHECK(is_filled(block, kept < 2048 ? kept : 2048, slot->seed));
    slot->size = size;
    fill_slot(slot);
}

static void allocate_slot(hf_heap *heap, struct random *random, struct slot *slot) {
    *slot = (struct slot){.size = random_size(random), .seed = (unsigned)random_below(random, 256)};
    switch (random_below(random, 8)) {
    case 0:
        slot->block = hf_heap_calloc(heap, 1, slot->size);
        CHECK(slot->block != NULL && is_zero(slot->block, slot->size));
        break;
    case 1: slot->block = hf_heap_aligned_alloc(heap, 64, slot->size); break;
    default: slot->block = hf_heap_malloc(heap, slot->size);
    }
    CHECK(slot->block != NULL);
    fill_slot(slot);
}

/* HOLDFAST_CASES=ALL makes the two million operations. */
static void random_operations_keep_all_contents(void) {
#if defined(HOLDFAST_CASES_ALL)
    size_t operations = 2000000;
#elif defined(HOLDFAST_CASES_FEW)
    size_t operations = 20000;
#else
    size_t operations = 100000;
#endif
    struct random random = {12345};
    hf_heap *heap = open_heap((hf_heap_options){.reserve = IS_64_BIT ? 4 * GIB : 512 * MIB});
    for (size_t i = 0; i < operations; i++) {
        struct slot *slot = &slots[random_below(&random, SLOTS)];
        if (slot->block == NULL) {
            allocate_slot(heap, &random, slot);
        } else if (random_below(&random, 4) == 0) {
            check_slot(slot, slot->size);
            change_slot(heap, &random, slot);
        } else {
            check_slot(slot, slot->size);
            hf_heap_free(heap, slot->block);
            slot->block = NULL;
        }
        if (i % 10000 == 0) CHECK_STATUS(HF_OK, hf_heap_check(heap));
    }
    for (int i = 0; i < SLOTS; i++) hf_heap_free(heap, slots[i].block);
    memset(slots, 0, sizeof slots);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, 0));
    if (heap_is_exact()) CHECK(hf_heap_get_stats(heap).committed < MIB);
    check_and_close(heap);
}

/* How many blocks of 1 MiB have room beside large ones in 1 GiB; counts up to `most`. */
static size_t count_beside(size_t large, size_t most) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 1024 * MIB});
    size_t count = 0;
    for (size_t i = 0; i < large; i++) CHECK(hf_heap_malloc(heap, 5 * MIB) != NULL);
    while (count < most && hf_heap_malloc(heap, MIB)) count++;
    check_and_close(heap);
    return count;
}

/* Large blocks are in the upper half while they fit there, and then as high as they can be. */
static void large_blocks_leave_room_for_others(void) {
    CHECK_EQUAL(450, count_beside(40, 450));
    CHECK_EQUAL(200, count_beside(100, 200));
}

/* The alignment of a block takes addresses, not memory. */
static void a_wide_alignment_commits_no_more_than_the_size(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 1024 * MIB});
    char *block = hf_heap_aligned_alloc(heap, 256 * MIB, 1);
    CHECK(block != NULL && (uintptr_t)block % (256 * MIB) == 0);
    CHECK(hf_heap_get_stats(heap).committed < 2 * MIB);
    *block = 1;
    hf_heap_free(heap, block);
    check_and_close(heap);
}

/* ---- Huge pages ------------------------------------------------------------------- */

/* The hints of a heap that allocates 9 MiB of medium blocks, of which *first is the first. */
static size_t count_hints(struct recorder *recorder, hf_huge_pages huge_pages, char **first) {
    recorder_init(recorder, NULL);
    hf_heap *heap =
        open_heap((hf_heap_options){.huge_pages = huge_pages, .backend = &recorder->backend});
    *first = hf_heap_malloc(heap, MIB);
    for (int i = 0; i < 8; i++) CHECK(hf_heap_malloc(heap, MIB) != NULL);
    size_t hints = recorder_count(recorder, RECORDER_ADVISE);
    check_and_close(heap);
    return hints;
}

/* Each time that memory is committed. */
static void memory_beyond_the_first_2_mib_is_in_huge_pages(void) {
    static struct recorder recorder;
    char *first, *end = NULL;
    size_t hints = count_hints(&recorder, HF_HUGE_AUTO, &first);
    CHECK(hints > 0);
    for (size_t i = 0; i < hints; i++) {
        const struct recorder_call *hint = recorder_nth(&recorder, RECORDER_ADVISE, i);
        CHECK(hint->advice == HF_ADVISE_HUGE && (i == 0 || hint->address == end));
        if (i == 0) CHECK(hint->address >= first + 2 * MIB && hint->address <= first + 4 * MIB);
        end = hint->address + hint->size;
    }
    CHECK(end >= first + 9 * MIB);
}

/* What a large block has grown by is in huge pages, too. */
static void large_blocks_are_in_huge_pages(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    hf_heap *heap =
        open_heap((hf_heap_options){.reserve = 256 * MIB, .backend = &recorder.backend});
    char *block = hf_heap_malloc(heap, 5 * MIB);
    CHECK(block != NULL);
    const struct recorder_call *hint = recorder_nth(&recorder, RECORDER_ADVISE, 0);
    CHECK(hint != NULL && hint->address == block && hint->advice == HF_ADVISE_HUGE);
    size_t size = hint->size;
    CHECK(size >= 5 * MIB);
    if (heap_is_exact()) {
        CHECK(hf_heap_realloc(heap, block, 20 * MIB) == block);
        hint = recorder_nth(&recorder, RECORDER_ADVISE, 1);
        CHECK(hint != NULL && hint->address == block + size && hint->size >= 20 * MIB - size);
    }
    check_and_close(heap);
}

static void huge_pages_can_be_had_for_all_or_for_none(void) {
    static struct recorder recorder;
    char *first;
    CHECK_EQUAL(1, count_hints(&recorder, HF_HUGE_ALWAYS, &first));
    CHECK(recorder_nth(&recorder, RECORDER_ADVISE, 0)->advice == HF_ADVISE_HUGE);
    CHECK_EQUAL(1, count_hints(&recorder, HF_HUGE_NEVER, &first));
    const struct recorder_call *hint = recorder_nth(&recorder, RECORDER_ADVISE, 0);
    CHECK(hint->advice == HF_ADVISE_NO_HUGE && hint->address <= first);
}

CHECK_MAIN(TEST(opens_with_defaults), TEST(checks_its_options), TEST(a_reservation_is_aligned),
           TEST(huge_pages_begin_behind_the_first_blocks), TEST(blocks_of_every_size_are_separate),
           TEST(a_good_size_is_the_size_of_a_block), TEST(sizes_that_do_not_fit_fail),
           TEST(a_full_heap_can_be_emptied_and_filled_again),
           TEST(zeroed_blocks_are_zero_also_where_memory_was_used),
           TEST(blocks_have_every_alignment),
           TEST(realloc_keeps_the_contents_from_every_size_to_every_other),
           TEST(a_large_block_grows_in_place), TEST(blocks_that_grow_by_copies_take_turns),
           TEST(many_large_blocks_find_their_places), TEST(a_medium_block_grows_into_free_units),
           TEST(a_reset_frees_everything), TEST(frames_in_steady_state_make_no_system_call),
           TEST(a_reset_gives_back_what_frames_do_without), TEST(a_trim_gives_back_what_is_free),
           TEST(unused_memory_goes_back_by_itself),
           TEST(unused_memory_goes_back_while_small_blocks_are_reused),
           TEST(empty_runs_are_used_before_fresh_memory), TEST(random_operations_keep_all_contents),
           TEST(large_blocks_leave_room_for_others),
           TEST(a_wide_alignment_commits_no_more_than_the_size),
           TEST(memory_beyond_the_first_2_mib_is_in_huge_pages),
           TEST(large_blocks_are_in_huge_pages), TEST(huge_pages_can_be_had_for_all_or_for_none))
