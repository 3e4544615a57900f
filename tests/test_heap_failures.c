/*
 * Every call of the backend that a heap makes fails once, or from then on: a call that fails leaves
 * the heap and the blocks as they were, and the heap works afterwards.
 */
#include "heap_fixture.h"
#include "nth_failure.h"

enum { KEPT = 6 };
static const size_t kept_sizes[KEPT] = {40, 2000, 40 * KIB, 130 * KIB, 4 * MIB + 1, 5 * MIB};

static char *kept[KEPT];

/* Long blocks have a pattern at both ends: thousands of attempts fill them. */
static size_t pattern_size(size_t size) { return size < 4096 ? size : 4096; }

static void fill_ends(char *block, size_t size, unsigned seed) {
    size_t end = pattern_size(size);
    fill(block, end, seed);
    fill(block + size - end, end, seed);
}

static bool has_filled_ends(const char *block, size_t size, unsigned seed) {
    size_t end = pattern_size(size);
    return (size < 2 * end || is_filled(block, end, seed)) &&
           is_filled(block + size - end, end, seed);
}

static char *block_with_ends(hf_heap *heap, size_t size, unsigned seed) {
    char *block = hf_heap_malloc(heap, size);
    CHECK(block != NULL);
    fill_ends(block, size, seed);
    return block;
}

static hf_heap *prepare(const struct failure *failure) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 256 * MIB, .backend = failure->strict});
    for (unsigned i = 0; i < KEPT; i++) kept[i] = block_with_ends(heap, kept_sizes[i], i);
    return heap;
}

static void check_kept(const hf_heap *heap) {
    for (unsigned i = 0; i < KEPT; i++) {
        CHECK(hf_heap_usable_size(heap, kept[i]) >= kept_sizes[i]);
        CHECK(has_filled_ends(kept[i], kept_sizes[i], i));
    }
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
}

/* A call that succeeds leaves the last error as it is, whatever failed on its way. */
static void set_last_error(void) { CHECK_STATUS(HF_INVALID, hf_heap_open(NULL, NULL)); }

static void check_last_error(void) {
    hf_error error = hf_last_error();
    CHECK(error.status == HF_INVALID && strcmp(error.call, "hf_heap_open") == 0);
}

/* With failures off, blocks of all kinds come and go. */
static void works_and_closes(hf_heap *heap) {
    check_kept(heap);
    set_last_error();
    for (size_t size = 1; size < 7 * MIB; size = size * 8 + 1) {
        char *block = hf_heap_calloc(heap, 1, size);
        CHECK(block != NULL && is_zero(block, pattern_size(size)));
        hf_heap_free(heap, block);
    }
    for (unsigned i = 0; i < KEPT; i++) hf_heap_free(heap, kept[i]);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, 0));
    CHECK_STATUS(HF_OK, hf_heap_reset(heap));
    CHECK_EQUAL(0, count_blocks(heap));
    check_last_error();
    check_and_close(heap);
}

static void open_and_use(struct failure *failure) {
    hf_heap *heap = NULL;
    failure_on(failure);
    hf_status status =
        hf_heap_open(&heap, &(hf_heap_options){.reserve = 256 * MIB, .backend = failure->strict});
    failure_off(failure);
    if (status != HF_OK) {
        check_failure(failure, status);
        CHECK(heap == NULL);
        return;
    }
    for (unsigned i = 0; i < KEPT; i++) kept[i] = block_with_ends(heap, kept_sizes[i], i);
    works_and_closes(heap);
}

static void allocate_in(struct failure *failure, hf_heap *heap) {
    size_t size = *(const size_t *)failure->user;
    size_t blocks = count_blocks(heap), used = hf_heap_get_stats(heap).used;
    set_last_error();
    failure_on(failure);
    char *block = hf_heap_malloc(heap, size);
    failure_off(failure);
    if (block) {
        check_last_error();
    } else {
        CHECK(hf_last_error().status != HF_INVALID);
        CHECK_EQUAL(blocks, count_blocks(heap));
        CHECK_EQUAL(used, hf_heap_get_stats(heap).used);
        block = hf_heap_malloc(heap, size);
        CHECK(block != NULL);
    }
    fill_ends(block, size, 99);
    check_kept(heap);
    CHECK(has_filled_ends(block, size, 99));
    hf_heap_free(heap, block);
    works_and_closes(heap);
}

static void allocate(struct failure *failure) { allocate_in(failure, prepare(failure)); }

/* An idle block is made longer. */
static void allocate_longer(struct failure *failure) {
    hf_heap *heap = prepare(failure);
    hf_heap_free(heap, block_with_ends(heap, 6 * MIB, 1));
    allocate_in(failure, heap);
}

/* Until the units that are ready are used up, and a little more. */
static void allocate_many(struct failure *failure) {
    hf_heap *heap = prepare(failure);
    failure_on(failure);
    for (int i = 0; i < 60; i++) {
        char *block = hf_heap_malloc(heap, 60 * KIB);
        if (block) fill_ends(block, 60 * KIB, 1);
    }
    failure_off(failure);
    works_and_closes(heap);
}

static void change(struct failure *failure) {
    size_t size = *(const size_t *)failure->user;
    hf_heap *heap = prepare(failure);
    unsigned which = size > MIB ? KEPT - 1 : 3; /* a large or a medium block */
    size_t old = kept_sizes[which];
    set_last_error();
    failure_on(failure);
    char *block = hf_heap_realloc(heap, kept[which], size);
    failure_off(failure);
    if (block) {
        check_last_error();
        CHECK(is_filled(block, pattern_size(old < size ? old : size), which));
        kept[which] = hf_heap_realloc(heap, block, old);
        CHECK(kept[which] != NULL);
        fill_ends(kept[which], old, which);
    }
    works_and_closes(heap);
}

static void trim(struct failure *failure) {
    hf_heap *heap = prepare(failure);
    void *blocks[20];
    for (unsigned i = 0; i < 20; i++) blocks[i] = hf_heap_malloc(heap, (i + 1) * 100 * KIB);
    for (unsigned i = 0; i < 20; i++) hf_heap_free(heap, blocks[i]);
    set_last_error();
    failure_on(failure);
    hf_status status = hf_heap_trim(heap, 0);
    failure_off(failure);
    if (status == HF_OK) check_last_error();
    if (status != HF_OK) check_failure(failure, status);
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    works_and_closes(heap);
}

static void reset(struct failure *failure) {
    hf_heap *heap = prepare(failure);
    for (unsigned i = 0; i < 12; i++) CHECK(hf_heap_malloc(heap, 5 * MIB) != NULL);
    set_last_error();
    failure_on(failure);
    hf_status status = hf_heap_reset(heap);
    failure_off(failure);
    if (status == HF_OK) check_last_error();
    if (status != HF_OK) {
        check_failure(failure, status);
        CHECK_STATUS(HF_OK, hf_heap_reset(heap));
    }
    CHECK_EQUAL(0, count_blocks(heap));
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    for (unsigned i = 0; i < KEPT; i++) kept[i] = block_with_ends(heap, kept_sizes[i], i);
    works_and_closes(heap);
}

/* A trim that fails may lose a span, which a reset that fails must not use again. */
static void trim_and_reset(struct failure *failure) {
    hf_heap *heap = prepare(failure);
    void *blocks[20];
    for (unsigned i = 0; i < 20; i++) blocks[i] = hf_heap_malloc(heap, (i + 1) * 100 * KIB);
    for (unsigned i = 0; i < 20; i += 2) hf_heap_free(heap, blocks[i]);
    for (unsigned i = 0; i < 12; i++) CHECK(hf_heap_malloc(heap, 5 * MIB) != NULL);
    failure_on(failure);
    hf_heap_trim(heap, 0);
    hf_heap_reset(heap);
    failure_off(failure);
    for (unsigned i = 0; i < 20; i++) {
        char *block = hf_heap_malloc(heap, (i + 1) * 100 * KIB);
        if (block) memset(block, 1, (i + 1) * 100 * KIB);
    }
    CHECK_STATUS(HF_OK, hf_heap_reset(heap));
    for (unsigned i = 0; i < KEPT; i++) kept[i] = block_with_ends(heap, kept_sizes[i], i);
    works_and_closes(heap);
}

static void opening_fails_whole(void) { CHECK(each_failure(open_and_use, NULL) > 0); }

static void allocating_fails_whole(void) {
    static const size_t sizes[] = {40, 3000, 30 * KIB, 500 * KIB, 5 * MIB};
    for (unsigned i = 0; i < 5; i++) {
        AT("size %zu", sizes[i]);
        each_failure(allocate, &sizes[i]);
    }
    static const size_t longer[] = {6 * MIB + 4096, 8 * MIB};
    for (unsigned i = 0; i < 2; i++) CHECK(each_failure(allocate_longer, &longer[i]) > 0);
    CHECK(each_failure(allocate_many, NULL) > 0);
}

static void changing_a_size_fails_whole(void) {
    static const size_t sizes[] = {100, 150 * KIB, 900 * KIB, 7 * MIB, 4 * MIB + MIB / 2};
    for (unsigned i = 0; i < 5; i++) {
        AT("size %zu", sizes[i]);
        each_failure(change, &sizes[i]);
    }
}

static void trimming_fails_whole(void) { CHECK(each_failure(trim, NULL) > 0); }

static void resetting_fails_whole(void) { CHECK(each_failure(reset, NULL) > 0); }

static void resetting_after_a_failed_trim_fails_whole(void) {
    CHECK(each_failure(trim_and_reset, NULL) > 0);
}

CHECK_MAIN(TEST(opening_fails_whole), TEST(allocating_fails_whole),
           TEST(changing_a_size_fails_whole), TEST(trimming_fails_whole),
           TEST(resetting_fails_whole), TEST(resetting_after_a_failed_trim_fails_whole))
