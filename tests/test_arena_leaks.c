/*
 * LeakSanitizer: a block of malloc is not a leak while an arena, a space or a ring points to it,
 * and is a leak once nothing does.
 */
#include <sanitizer/lsan_interface.h>

#include <holdfast/ring.h>
#include <holdfast/space.h>

#include "arena_fixture.h"

/* Not inlined, so that no pointer is left in the frame when LeakSanitizer looks for leaks. */
__attribute__((noinline)) static void store_block(void *slot) {
    void *block = malloc(100);
    memcpy(slot, &block, sizeof block);
}

/* Not instrumented: red zones around the array would not be wiped. */
__attribute__((noinline, no_sanitize_address)) static void wipe_stack(void) {
    volatile char frame[8192];
    for (size_t i = 0; i < sizeof frame; i++) frame[i] = 0;
}

/* LeakSanitizer finds pointers in vector registers too, where memcpy leaves parts of a struct:
 * which ones depends on the size. */
static void wipe_registers(void) {
    static char from[4096], to[4096];
    void *(*volatile copy)(void *, const void *, size_t) = memcpy;
    for (size_t size = 1; size <= sizeof from; size *= 2) copy(to, from, size);
}

static bool leaks(void) {
    wipe_stack();
    wipe_registers();
    return __lsan_do_recoverable_leak_check() != 0;
}

static void free_block(void *slot) {
    void *block;
    memcpy(&block, slot, sizeof block);
    free(block);
}

static void pointers_in_an_arena_count(void) {
    hf_arena arena = fixture_open((hf_arena_options){0});
    void **far = NULL, **near = hf_new(&arena, void *);
    store_block(near);
    CHECK(!leaks());
    far = hf_alloc(&arena, 20 * MIB, 8);
    far += 2 * MIB;
    store_block(far);
    CHECK(!leaks());
    free_block(far);
    free_block(near);
    hf_arena_close(&arena);
}

static void pointers_in_rewound_bytes_do_not_count(void) {
    hf_arena arena = fixture_open((hf_arena_options){0});
    void **block = hf_new(&arena, void *);
    store_block(block);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK(leaks());
    CHECK(hf_alloc(&arena, sizeof *block, 8) == block);
    CHECK(!leaks());
    free_block(block);
    hf_arena_close(&arena);
}

static bool give_up(hf_arena *arena, hf_status status, size_t size, void *user) {
    (void)arena, (void)status, (void)size, (void)user;
    return false;
}

static uintptr_t hidden; /* inverted, so that LeakSanitizer does not see a pointer */

__attribute__((noinline)) static void open_with_user(hf_arena *arena) {
    hf_arena_options options = {.reserve = MIB, .on_failure = give_up, .user = malloc(100)};
    hidden = ~(uintptr_t)options.user;
    *arena = fixture_open(options);
}

static void the_user_of_on_failure_is_reachable(void) {
    static hf_arena arena;
    open_with_user(&arena);
    CHECK(!leaks());
    hf_arena_close(&arena);
    CHECK(leaks());
    free((void *)~hidden);
}

static void pointers_in_a_space_count(void) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 64 * MIB, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 32 * MIB, 64 * KIB));
    store_block(hf_space_base(space) + 32 * MIB);
    CHECK(!leaks());
    free_block(hf_space_base(space) + 32 * MIB);
    hf_space_close(space);
}

static void pointers_in_a_ring_count(void) {
    hf_ring *ring;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 64 * KIB, NULL));
    size_t room;
    char *bytes = hf_ring_write_begin(ring, &room);
    store_block(bytes);
    hf_ring_write_end(ring, sizeof(void *));
    CHECK(!leaks());
    free_block(bytes);
    hf_ring_close(ring);
}

CHECK_MAIN(TEST(pointers_in_an_arena_count), TEST(pointers_in_rewound_bytes_do_not_count),
           TEST(pointers_in_a_space_count), TEST(pointers_in_a_ring_count),
           TEST(the_user_of_on_failure_is_reachable))
