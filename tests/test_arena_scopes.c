/*
 * Scopes: marks that know their arena; nesting, and ended scopes.
 */
#include <setjmp.h>

#include "arena_fixture.h"

static hf_arena open_arena(void) { return fixture_open((hf_arena_options){.reserve = 64 * MIB}); }

static void is_over(hf_scope scope) {
    struct snapshot before = snapshot_of(scope.arena);
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(scope));
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    check_unchanged(scope.arena, &before);
}

static void ending_a_scope_rewinds_to_its_beginning(void) {
    hf_arena arena = open_arena();
    char *kept = hf_alloc(&arena, 100, 8);
    fill(kept, 100, 1);
    hf_scope scope = hf_scope_begin(&arena);
    CHECK(scope.arena == &arena);
    CHECK_EQUAL(hf_get_mark(&arena), scope.mark);
    char *block = hf_alloc(&arena, 5 * MIB, 8);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    CHECK_EQUAL(scope.mark, hf_get_mark(&arena));
    CHECK(is_filled(kept, 100, 1));
    CHECK(hf_alloc(&arena, 100, 8) == block);
    hf_arena_close(&arena);
}

static void scopes_nest(void) {
    enum { DEPTH = 300 };
    static hf_scope scopes[DEPTH];
    hf_arena arena = open_arena();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < DEPTH; i++) {
            scopes[i] = hf_scope_begin(&arena);
            CHECK(hf_alloc(&arena, i % 7, 1) != NULL);
        }
        for (size_t i = DEPTH; i-- > 0;) {
            CHECK_STATUS(HF_OK, hf_scope_end(scopes[i]));
            CHECK_EQUAL(scopes[i].mark, hf_get_mark(&arena));
            is_over(scopes[i]);
        }
        CHECK_EQUAL(0, hf_get_mark(&arena));
    }
    hf_arena_close(&arena);
}

static void a_scope_ends_once(void) {
    hf_arena arena = open_arena();
    hf_scope scope = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    is_over(scope);
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    is_over(scope);
    hf_arena_close(&arena);
}

static void an_outer_scope_ends_the_inner_ones(void) {
    hf_arena arena = open_arena();
    hf_scope outer = hf_scope_begin(&arena);
    CHECK(hf_alloc(&arena, 10, 1) != NULL);
    hf_scope middle = hf_scope_begin(&arena);
    CHECK(hf_alloc(&arena, 10, 1) != NULL);
    hf_scope inner = hf_scope_begin(&arena);
    CHECK(hf_alloc(&arena, 10, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_scope_end(outer));
    CHECK_EQUAL(outer.mark, hf_get_mark(&arena));
    is_over(inner);
    is_over(middle);
    is_over(outer);
    hf_arena_close(&arena);
}

static void a_middle_scope_leaves_the_outer_one_open(void) {
    hf_arena arena = open_arena();
    hf_scope outer = hf_scope_begin(&arena);
    CHECK(hf_alloc(&arena, 10, 1) != NULL);
    hf_scope middle = hf_scope_begin(&arena);
    hf_scope inner = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_scope_end(middle));
    is_over(inner);
    CHECK_STATUS(HF_OK, hf_scope_end(outer));
    CHECK_EQUAL(0, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

static void a_reset_ends_every_scope(void) {
    hf_arena arena = open_arena();
    hf_scope outer = hf_scope_begin(&arena);
    CHECK(hf_alloc(&arena, 10, 1) != NULL);
    hf_scope inner = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    is_over(inner);
    is_over(outer);
    CHECK(hf_alloc(&arena, 1000, 1) != NULL);
    is_over(inner);
    is_over(outer);
    hf_scope fresh = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_scope_end(fresh));
    hf_arena_close(&arena);
}

/* A new scope at the same depth and position is not the scope that ended. */
static void an_ended_scope_does_not_end_its_successor(void) {
    hf_arena arena = open_arena();
    hf_scope first = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_scope_end(first));
    hf_scope second = hf_scope_begin(&arena);
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    is_over(first);
    CHECK_STATUS(HF_OK, hf_scope_end(second));

    first = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    second = hf_scope_begin(&arena);
    is_over(first);
    CHECK_STATUS(HF_OK, hf_scope_end(second));
    hf_arena_close(&arena);
}

static jmp_buf back;

static void leave_from_within(hf_arena *arena, hf_scope *inner) {
    *inner = hf_scope_begin(arena);
    CHECK(hf_alloc(arena, 5000, 8) != NULL);
    hf_scope_begin(arena);
    longjmp(back, 1);
}

static void a_longjmp_may_leave_scopes_open(void) {
    static hf_arena arena;
    static hf_scope outer, inner;
    arena = open_arena();
    outer = hf_scope_begin(&arena);
    if (setjmp(back) == 0) leave_from_within(&arena, &inner);
    CHECK_STATUS(HF_OK, hf_scope_end(outer));
    CHECK_EQUAL(0, hf_get_mark(&arena));
    is_over(inner);
    hf_arena_close(&arena);
}

/* After a rewind to below a scope's beginning, ending the scope changes nothing. */
static void a_scope_that_was_rewound_past_changes_nothing(void) {
    hf_arena arena = open_arena();
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    hf_scope scope = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK(hf_alloc(&arena, 10, 1) != NULL);
    struct snapshot before = snapshot_of(&arena);
    CHECK(hf_scope_end(scope) != HF_OK);
    check_unchanged(&arena, &before);
    hf_arena_close(&arena);
}

static void a_scope_without_an_arena_is_invalid(void) {
    hf_arena arena = {0};
    hf_scope of_closed = hf_scope_begin(&arena);
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(of_closed));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end((hf_scope){0}));
    arena = open_arena();
    is_over(of_closed);
    hf_scope open = hf_scope_begin(&arena);
    CHECK(hf_alloc(&arena, 10, 1) != NULL);
    is_over(of_closed);
    CHECK_STATUS(HF_OK, hf_scope_end(open));
    hf_arena_close(&arena);
}

static void scopes_of_two_arenas_are_independent(void) {
    hf_arena one = open_arena(), two = open_arena();
    hf_scope first = hf_scope_begin(&one), second = hf_scope_begin(&two);
    CHECK(hf_alloc(&one, 100, 8) && hf_alloc(&two, 100, 8));
    CHECK_STATUS(HF_OK, hf_scope_end(first));
    CHECK_EQUAL(0, hf_get_mark(&one));
    CHECK(hf_get_mark(&two) >= 100);
    CHECK_STATUS(HF_OK, hf_scope_end(second));
    CHECK_EQUAL(0, hf_get_mark(&two));
    hf_arena_close(&one);
    hf_arena_close(&two);
}

static void a_scope_costs_no_memory(void) {
    hf_arena arena = open_arena();
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    struct snapshot before = snapshot_of(&arena);
    for (int i = 0; i < 1000; i++) hf_scope_end(hf_scope_begin(&arena));
    check_unchanged(&arena, &before);
    CHECK_EQUAL(before.stats.system_calls, hf_arena_get_stats(&arena).system_calls);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(ending_a_scope_rewinds_to_its_beginning), TEST(scopes_nest),
           TEST(a_scope_ends_once), TEST(an_outer_scope_ends_the_inner_ones),
           TEST(a_middle_scope_leaves_the_outer_one_open), TEST(a_reset_ends_every_scope),
           TEST(an_ended_scope_does_not_end_its_successor), TEST(a_longjmp_may_leave_scopes_open),
           TEST(a_scope_that_was_rewound_past_changes_nothing),
           TEST(a_scope_without_an_arena_is_invalid), TEST(scopes_of_two_arenas_are_independent),
           TEST(a_scope_costs_no_memory))
