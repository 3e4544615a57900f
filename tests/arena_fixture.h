/*
 * arena_fixture.h -- what the arena's tests share: sizes, fillings, and "nothing has changed".
 *
 * The same tests run in plain processes and in processes under AddressSanitizer or Valgrind. In the
 * latter the arena parts its blocks with red zones, so that positions are no sums of sizes;
 * fixture_is_exact() tells the tests that compute positions.
 */
#ifndef HOLDFAST_TESTS_ARENA_FIXTURE_H
#define HOLDFAST_TESTS_ARENA_FIXTURE_H

#include <holdfast/arena.h>

#include <stdint.h>
#include <string.h>

#include "check.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define IS_64_BIT (UINTPTR_MAX > UINT32_MAX)

/* What the test is at, in place of what it was at before. */
#define AT(...) (check_leave(0), (void)check_enter(__VA_ARGS__))

static inline size_t fixture_page_size(void) {
    return hf_backend_native()->page_size(hf_backend_native());
}

static inline size_t round_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

static inline bool is_aligned(const void *pointer, size_t align) {
    return (uintptr_t)pointer % align == 0;
}

/* An open arena; the test ends here when it cannot be had. */
static inline hf_arena fixture_open(hf_arena_options options) {
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    return arena;
}

/* Whether blocks lie one behind the other, parted by nothing but their alignment. */
static inline bool fixture_is_exact(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    bool exact = hf_alloc(&arena, 1, 1) != NULL && arena.limit != arena.pos;
    hf_arena_close(&arena);
    return exact;
}

/* Writes a pattern that depends on the seed and on the place in the block; checks it. */
static inline void fill(void *block, size_t size, unsigned seed) {
    unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(seed * 131 + i * 7 + (i >> 8) + 1);
}

static inline bool holds(const void *block, size_t size, unsigned seed) {
    const unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(seed * 131 + i * 7 + (i >> 8) + 1)) return false;
    return true;
}

static inline bool is_zero(const void *block, size_t size) {
    const unsigned char *bytes = block;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Hands `size` bytes out, dirties every one, and takes them back. */
static inline void dirty_bytes(hf_arena *arena, size_t size) {
    hf_mark mark = hf_get_mark(arena);
    void *block = hf_alloc(arena, size, 1);
    CHECK(block != NULL);
    memset(block, 0xee, size);
    CHECK_STATUS(HF_OK, hf_rewind(arena, mark));
}

/* All that a caller can see of an arena's state. */
struct snapshot {
    char *pos, *limit;
    struct hf_arena_state *state;
    hf_arena_stats stats;
};

static inline struct snapshot snapshot_of(const hf_arena *arena) {
    return (struct snapshot){arena->pos, arena->limit, arena->state, hf_arena_get_stats(arena)};
}

/* But for system calls: a refusal may have cost some. */
static inline void check_unchanged(const hf_arena *arena, const struct snapshot *before) {
    struct snapshot now = snapshot_of(arena);
    CHECK(now.pos == before->pos);
    CHECK(now.limit == before->limit);
    CHECK(now.state == before->state);
    CHECK_EQUAL(before->stats.used, now.stats.used);
    CHECK_EQUAL(before->stats.committed, now.stats.committed);
    CHECK_EQUAL(before->stats.reserved, now.stats.reserved);
    CHECK_EQUAL(before->stats.peak, now.stats.peak);
    CHECK_EQUAL(before->stats.high_water, now.stats.high_water);
    CHECK_EQUAL(before->stats.growths, now.stats.growths);
}

/* An on_failure that counts its calls in its user data and gives up. */
struct refusals {
    size_t count;
    hf_status status; /* of the last one */
    size_t size;
};

static inline bool count_refusal(hf_arena *arena, hf_status status, size_t size, void *user) {
    struct refusals *refusals = user;
    (void)arena;
    refusals->count++;
    refusals->status = status;
    refusals->size = size;
    return false;
}

#endif
