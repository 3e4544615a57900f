/*
 * What a heap poisons and unpoisons for AddressSanitizer, byte by byte. See test_arena_sanitizer.c:
 * this program defines the sanitizer's symbols, too, so it is not built with AddressSanitizer.
 */
#include "asan_symbols.h"
#include "heap_fixture.h"

enum { RESERVED = 32 * 1024 * 1024 };

static struct {
    hf_heap *heap;
    char *base; /* of the reservation; NULL: nothing is watched */
    bool poisoned[RESERVED];
    int faults;
    hf_heap_fault fault;
} shadow;

static void set_flags(const volatile void *address, size_t size, bool poisoned) {
    size_t offset = (size_t)((const volatile char *)address - shadow.base);
    if (shadow.base == NULL || offset >= RESERVED) return;
    CHECK(size <= RESERVED - offset);
    memset(shadow.poisoned + offset, poisoned, size);
}

static void count_fault(hf_heap *heap, hf_heap_fault fault, void *block, void *user) {
    CHECK(heap == shadow.heap && block != NULL && user == NULL);
    shadow.faults++;
    shadow.fault = fault;
}

/* The records lie at the beginning of the reservation. */
static void open_watched(void) {
    memset(&shadow, 0, sizeof shadow);
    shadow.heap = open_heap((hf_heap_options){.reserve = RESERVED, .on_fault = count_fault});
    CHECK(!heap_is_exact());
    shadow.base = shadow.heap->runs;
}

static bool has_flags(const char *from, size_t size, bool poisoned) {
    size_t offset = (size_t)(from - shadow.base);
    for (size_t i = offset; i < offset + size; i++)
        if (shadow.poisoned[i] != poisoned) return false;
    return true;
}

/* Exactly its bytes are unpoisoned, and a red zone is behind them. */
static void check_block(const char *block, size_t size) {
    CHECK(has_flags(block, size, false));
    CHECK(has_flags(block + size, 16, true));
    CHECK_EQUAL(size, hf_heap_usable_size(shadow.heap, block));
}

static void close_watched(void) {
    CHECK_STATUS(HF_OK, hf_heap_check(shadow.heap));
    hf_heap_close(shadow.heap);
    CHECK(has_flags(shadow.base, RESERVED, false));
    shadow.base = NULL;
}

static const size_t sizes[] = {1, 16, 100, 1024, 5000, 60 * KIB, 100 * KIB, 2 * MIB, 5 * MIB};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void blocks_are_unpoisoned_and_freed_ones_are_not(void) {
    open_watched();
    char *blocks[SIZES];
    for (unsigned i = 0; i < SIZES; i++) {
        blocks[i] = filled_block(shadow.heap, sizes[i], i);
        check_block(blocks[i], sizes[i]);
    }
    CHECK_EQUAL(SIZES, count_blocks(shadow.heap));
    for (unsigned i = 0; i < SIZES; i++) {
        CHECK(is_filled(blocks[i], sizes[i], i));
        hf_heap_free(shadow.heap, blocks[i]);
        CHECK(has_flags(blocks[i], sizes[i], true));
        CHECK_EQUAL(0, hf_heap_usable_size(shadow.heap, blocks[i]));
    }
    CHECK_EQUAL(0, count_blocks(shadow.heap));
    CHECK_EQUAL(0, hf_heap_get_stats(shadow.heap).used);
    CHECK_EQUAL(0, hf_heap_get_stats(shadow.heap).large_blocks);
    close_watched();
}

static void zeroed_aligned_and_resized_blocks_are_exact(void) {
    open_watched();
    char *zeroed = hf_heap_calloc(shadow.heap, 3, 33);
    check_block(zeroed, 99);
    CHECK(is_zero(zeroed, 99));
    for (size_t align = 32; align <= 128 * KIB; align *= 4) {
        char *block = hf_heap_aligned_alloc(shadow.heap, align, 100);
        CHECK(block != NULL && is_aligned(block, align));
        CHECK(has_flags(block, 100, false));
    }
    fill(zeroed, 99, 7);
    char *longer = hf_heap_realloc(shadow.heap, zeroed, 3000);
    check_block(longer, 3000);
    CHECK(is_filled(longer, 99, 7) && has_flags(zeroed, 99, true));
    char *shorter = hf_heap_realloc(shadow.heap, longer, 50);
    check_block(shorter, 50);
    CHECK(is_filled(shorter, 50, 7) && has_flags(longer, 3000, true));
    CHECK_EQUAL(1, hf_heap_good_size(shadow.heap, 0));
    CHECK_EQUAL(77, hf_heap_good_size(shadow.heap, 77));
    close_watched();
}

static void a_freed_block_is_used_again_late(void) {
    open_watched();
    char *first = filled_block(shadow.heap, 100, 1);
    hf_heap_free(shadow.heap, first);
    for (int i = 0; i < 200; i++) {
        char *block = hf_heap_malloc(shadow.heap, 100);
        CHECK(block != first);
        hf_heap_free(shadow.heap, block);
    }
    CHECK(has_flags(first, 100, true));
    for (int i = 0; i < 200; i++) hf_heap_free(shadow.heap, hf_heap_malloc(shadow.heap, 100));
    CHECK(has_flags(first + 2 * sizeof(void *), 100 - 2 * sizeof(void *), true));
    CHECK_EQUAL(0, count_blocks(shadow.heap));
    close_watched();
}

static void faults_are_found_in_the_quarantine_too(void) {
    open_watched();
    char *block = filled_block(shadow.heap, 100, 1);
    hf_heap_free(shadow.heap, block);
    hf_heap_free(shadow.heap, block);
    CHECK(shadow.faults == 1 && shadow.fault == HF_FAULT_DOUBLE_FREE);
    hf_heap_free(shadow.heap, block + 8);
    CHECK(shadow.faults == 2 && shadow.fault == HF_FAULT_WILD_FREE);
    hf_heap_free_remote(shadow.heap, filled_block(shadow.heap, 100, 2));
    hf_heap_free(shadow.heap, NULL);
    CHECK_STATUS(HF_OK, hf_heap_trim(shadow.heap, 0));
    CHECK_EQUAL(2, shadow.faults);
    CHECK_EQUAL(0, count_blocks(shadow.heap));
    close_watched();
}

/* The quarantine is emptied before an allocation fails. */
static void a_full_heap_uses_the_quarantine(void) {
    open_watched();
    for (int i = 0; i < 40; i++) {
        char *block = hf_heap_malloc(shadow.heap, 6 * MIB);
        CHECK(block != NULL);
        check_block(block, 6 * MIB);
        hf_heap_free(shadow.heap, block);
    }
    CHECK(hf_heap_malloc(shadow.heap, SIZE_MAX - 10) == NULL);
    CHECK_STATUS(HF_RESERVE_FULL, hf_last_error().status);
    CHECK_STATUS(HF_OK, hf_heap_reset(shadow.heap));
    check_block(filled_block(shadow.heap, 3 * MIB, 1), 3 * MIB);
    close_watched();
}

CHECK_MAIN(TEST(blocks_are_unpoisoned_and_freed_ones_are_not),
           TEST(zeroed_aligned_and_resized_blocks_are_exact),
           TEST(a_freed_block_is_used_again_late), TEST(faults_are_found_in_the_quarantine_too),
           TEST(a_full_heap_uses_the_quarantine))
