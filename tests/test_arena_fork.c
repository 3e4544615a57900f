/*
 * An arena in a forked process. POSIX.
 */
#include "arena_fixture.h"
#include "process.h"

static void store_and_allocate(void *arena) {
    char *block = hf_arena_base(arena);
    CHECK(is_filled(block, 1000, 1));
    fill(block, 1000, 2);
    fill(hf_alloc(arena, 5 * MIB, 8), 5 * MIB, 3);
    hf_arena_close(arena);
}

/* The child has a copy of everything at the same addresses; its stores are private. */
static void a_fork_has_a_copy(void) {
    hf_arena arena = fixture_open((hf_arena_options){0});
    char *block = hf_alloc(&arena, 1000, 8);
    fill(block, 1000, 1);
    struct snapshot before = snapshot_of(&arena);
    CHECK(process_runs(store_and_allocate, &arena));
    check_unchanged(&arena, &before);
    CHECK(is_filled(block, 1000, 1));
    CHECK(hf_alloc(&arena, 5 * MIB, 8) != NULL);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(a_fork_has_a_copy))
