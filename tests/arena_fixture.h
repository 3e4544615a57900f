/*
 * arena_fixture.h -- what the arena tests share: sizes, fill patterns, and the check that nothing
 * changed.
 *
 * The same tests run with and without AddressSanitizer or Valgrind. Under a sanitizer the arena
 * separates its blocks by red zones, so a position is not the sum of the block sizes before it:
 * tests that compute positions ask fixture_is_exact() first.
 */
#ifndef HOLDFAST_TESTS_ARENA_FIXTURE_H
#define HOLDFAST_TESTS_ARENA_FIXTURE_H

#include <holdfast/arena.h>
#include <holdfast/space.h>

#include <stdint.h>
#include <string.h>

#include "check.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define IS_64_BIT (UINTPTR_MAX > UINT32_MAX)

/* Sets the context that a failed check prints, in place of the previous one. */
#define AT(...) (check_leave(0), (void)check_enter(__VA_ARGS__))

static inline size_t fixture_page_size(void) {
    return hf_backend_native()->page_size(hf_backend_native());
}

static inline size_t round_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

static inline bool is_aligned(const void *pointer, size_t align) {
    return (uintptr_t)pointer % align == 0;
}

/* Opens an arena; the test ends here if that fails. */
static inline hf_arena fixture_open(hf_arena_options options) {
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    return arena;
}

/* True if there is nothing but alignment padding between blocks (no red zones). */
static inline bool fixture_is_exact(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    bool exact = hf_alloc(&arena, 1, 1) != NULL && arena.limit != arena.pos;
    hf_arena_close(&arena);
    return exact;
}

/* Fills a block with a pattern that depends on the seed and on the offset in the block; checks
 * it. */
static inline void fill(void *block, size_t size, unsigned seed) {
    unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(seed * 131 + i * 7 + (i >> 8) + 1);
}

static inline bool is_filled(const void *block, size_t size, unsigned seed) {
    const unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(seed * 131 + i * 7 + (i >> 8) + 1)) return false;
    return true;
}

static inline bool is_zero(const void *block, size_t size) {
    const unsigned char *bytes = block;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Allocates `size` bytes, writes all of them, and rewinds: raises the high-water mark. */
static inline void write_and_rewind(hf_arena *arena, size_t size) {
    hf_mark mark = hf_get_mark(arena);
    void *block = hf_alloc(arena, size, 1);
    CHECK(block != NULL);
    memset(block, 0xee, size);
    CHECK_STATUS(HF_OK, hf_rewind(arena, mark));
}

/* What a caller can see of an arena's state. */
struct snapshot {
    char *pos, *limit;
    struct hf_arena_state *state;
    hf_arena_stats stats;
};

static inline struct snapshot snapshot_of(const hf_arena *arena) {
    return (struct snapshot){arena->pos, arena->limit, arena->state, hf_arena_get_stats(arena)};
}

/* Everything but the count of system calls, which a failed call may have raised. */
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

/* An on_failure callback that counts its calls in its user data and returns false. */
struct failures {
    size_t count;
    hf_status status; /* of the last failure */
    size_t size;
};

static inline bool count_failure(hf_arena *arena, hf_status status, size_t size, void *user) {
    struct failures *failures = user;
    (void)arena;
    failures->count++;
    failures->status = status;
    failures->size = size;
    return false;
}

/* False, and a test or a part of one is left out, if the backend has no hints. */
static inline bool has_hints(void) {
    hf_space *space;
    size_t size = (size_t)4 << 20;
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    hf_status status = hf_space_advise(space, 0, size, HF_ADVISE_HUGE);
    hf_space_close(space);
    return status != HF_UNSUPPORTED;
}

#endif
