/*
 * References: pointers stored in 32 bits.
 */
#include "arena_fixture.h"
#include "recorder.h"

static hf_arena open_arena(void) { return fixture_open((hf_arena_options){.reserve = 64 * MIB}); }

static void has_no_ref(const hf_arena *arena, const void *pointer) {
    CHECK_EQUAL(0, hf_to_ref(arena, pointer));
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
}

static void a_ref_is_one_and_an_eighth_of_the_offset(void) {
    hf_arena arena = open_arena();
    char *block = hf_alloc(&arena, MIB, 8), *base = hf_arena_base(&arena);
    for (char *pointer = block; pointer < block + MIB; pointer += 8) {
        hf_ref ref = hf_to_ref(&arena, pointer);
        CHECK_EQUAL(1 + (size_t)(pointer - base) / 8, ref);
        CHECK(hf_from_ref(&arena, ref) == pointer);
    }
    hf_arena_close(&arena);
}

static void null_is_zero_and_zero_is_null(void) {
    hf_arena arena = open_arena();
    CHECK(hf_alloc(&arena, SIZE_MAX, 8) == NULL); /* sets a last error that must stay */
    CHECK_EQUAL(0, hf_to_ref(&arena, NULL));
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    CHECK(hf_from_ref(&arena, 0) == NULL);
    hf_arena_close(&arena);
}

static void other_pointers_are_invalid(void) {
    hf_arena arena = open_arena(), other = open_arena();
    char *block = hf_alloc(&arena, 1000, 8), *foreign = hf_alloc(&other, 1000, 8);
    long long local;
    for (size_t i = 1; i < 8; i++) has_no_ref(&arena, block + i);
    has_no_ref(&arena, foreign);
    has_no_ref(&arena, &local);
    has_no_ref(&arena, hf_arena_base(&arena) - 8);
    has_no_ref(&arena, hf_arena_base(&arena) + 2000);
    has_no_ref(&arena, hf_arena_base(&arena) + 64 * MIB - 8);
    has_no_ref(&arena, hf_arena_base(&arena) + 64 * MIB);
    has_no_ref(&arena, (void *)(UINTPTR_MAX - 7));
    hf_arena_close(&other);
    hf_arena_close(&arena);
}

static void a_ref_to_what_was_rewound_is_null(void) {
    hf_arena arena = open_arena();
    char *first = hf_alloc(&arena, 80, 8);
    hf_mark mark = hf_get_mark(&arena);
    CHECK(hf_alloc(&arena, 80, 8) != NULL);
    char *second = hf_alloc(&arena, 80, 8);
    hf_ref kept = hf_to_ref(&arena, first), gone = hf_to_ref(&arena, second);
    CHECK(kept && gone);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    CHECK(hf_from_ref(&arena, kept) == first);
    CHECK(hf_from_ref(&arena, gone) == NULL);
    has_no_ref(&arena, second);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(hf_from_ref(&arena, gone) == NULL);
    CHECK(hf_from_ref(&arena, kept) == NULL); /* the ref is to pos, which is not allocated */
    CHECK(hf_alloc(&arena, 1, 1) == first && hf_from_ref(&arena, kept) == first);
    hf_arena_close(&arena);
}

static void a_ref_to_no_bytes_at_pos_is_null(void) {
    hf_arena arena = open_arena();
    char *block = hf_alloc(&arena, 0, 8), *pos = arena.pos;
    CHECK(block != NULL && hf_to_ref(&arena, pos) != 0);
    CHECK(hf_from_ref(&arena, hf_to_ref(&arena, pos)) == NULL);
    CHECK(hf_alloc(&arena, 1, 1) == pos && hf_from_ref(&arena, hf_to_ref(&arena, pos)) == pos);
    hf_arena_close(&arena);
}

static void refs_that_were_never_made_are_null(void) {
    hf_arena arena = open_arena();
    CHECK(hf_alloc(&arena, 1000, 8) != NULL);
    hf_ref refs[] = {1000, 1 << 20, 1 << 23, (1u << 31) + 1, UINT32_MAX, UINT32_MAX - 1};
    for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
        AT("ref %u", (unsigned)refs[i]);
        CHECK(hf_from_ref(&arena, refs[i]) == NULL);
    }
    hf_arena_close(&arena);
}

/* Refs are independent of the base: they work in a copy of the arena's bytes at another address. */
static void refs_survive_a_move(void) {
    struct link {
        hf_ref next;
        unsigned value;
    };
    hf_arena from = open_arena(), to = open_arena();
    hf_ref head = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct link *link = hf_alloc(&from, sizeof *link, 8);
        *link = (struct link){head, i};
        head = hf_to_ref(&from, link);
    }
    size_t size = hf_get_mark(&from);
    char *copy = hf_peek(&to, size, NULL);
    for (hf_ref ref = head; ref; ref = ((struct link *)hf_from_ref(&from, ref))->next) {
        size_t offset = ((size_t)ref - 1) * 8;
        memcpy(copy + offset, hf_from_ref(&from, ref), sizeof(struct link));
    }
    CHECK(hf_alloc(&to, size, 1) == copy);
    hf_arena_close(&from);
    unsigned count = 1000;
    for (hf_ref ref = head; ref; ref = ((struct link *)hf_from_ref(&to, ref))->next)
        CHECK_EQUAL(--count, ((struct link *)hf_from_ref(&to, ref))->value);
    CHECK_EQUAL(0, count);
    hf_arena_close(&to);
}

/* The backend pretends to commit, and nothing touches the memory: 33 GiB cost nothing. */
static void the_reach_is_32_gib(void) {
    static struct recorder recorder;
    if (!IS_64_BIT || !fixture_is_exact()) return; /* 33 GiB have 4 GiB of shadow */
    recorder_init(&recorder, NULL);
    recorder.pretends = true;
    size_t reach = (size_t)UINT32_MAX * 8 + 8; /* 32 GiB; does not overflow on 32 bits */
    hf_arena arena = fixture_open((hf_arena_options){.backend = &recorder.backend});
    CHECK(hf_alloc(&arena, 33 * GIB, 8) != NULL);
    char *last = hf_arena_base(&arena) + reach - 16;
    CHECK_EQUAL(UINT32_MAX, hf_to_ref(&arena, last));
    CHECK(hf_from_ref(&arena, UINT32_MAX) == last);
    has_no_ref(&arena, last + 8);
    has_no_ref(&arena, last + 16);
    has_no_ref(&arena, hf_arena_base(&arena) + 33 * GIB - 8);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, reach - 24));
    CHECK(hf_from_ref(&arena, UINT32_MAX) == NULL);
    CHECK(hf_from_ref(&arena, UINT32_MAX - 1) == NULL);
    CHECK(hf_from_ref(&arena, UINT32_MAX - 2) == last - 16);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(a_ref_is_one_and_an_eighth_of_the_offset), TEST(null_is_zero_and_zero_is_null),
           TEST(other_pointers_are_invalid), TEST(a_ref_to_what_was_rewound_is_null),
           TEST(a_ref_to_no_bytes_at_pos_is_null), TEST(refs_that_were_never_made_are_null),
           TEST(refs_survive_a_move), TEST(the_reach_is_32_gib))
