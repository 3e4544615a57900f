/*
 * What an arena poisons and unpoisons for AddressSanitizer, byte by byte.
 *
 * The library finds the sanitizer by weak symbols. This program defines them in place of the
 * sanitizer's runtime: it keeps a flag for each byte of one arena and compares the flags with a
 * list of the allocated blocks. Every committed byte that belongs to no block must be poisoned.
 *
 * Not in a build with AddressSanitizer, whose runtime defines these symbols.
 */
#include <holdfast/ring.h>
#include <holdfast/space.h>

#include "arena_fixture.h"
#include "asan_symbols.h"

enum { RESERVED = 16 * 1024 * 1024, MOST_BLOCKS = 64 };

static struct {
    hf_arena arena;
    char *base;
    bool poisoned[RESERVED];
    struct {
        size_t offset, size;
    } blocks[MOST_BLOCKS];
    size_t count;
    size_t calls;
} shadow;

static void set_flags(const volatile void *address, size_t size, bool poisoned) {
    size_t offset = (size_t)((const volatile char *)address - shadow.base);
    shadow.calls++;
    if (shadow.base == NULL || offset >= RESERVED) return;
    CHECK(size <= RESERVED - offset);
    memset(shadow.poisoned + offset, poisoned, size);
}

/* LeakSanitizer's root regions. */
static struct {
    const void *address;
    size_t size;
} roots[16];

void __lsan_register_root_region(const void *address, size_t size);
void __lsan_unregister_root_region(const void *address, size_t size);

static void replace_root(const void *old, size_t old_size, const void *address, size_t size) {
    size_t i = 0;
    while (i < 16 && (roots[i].address != old || roots[i].size != old_size)) i++;
    CHECK(i < 16);
    roots[i].address = address;
    roots[i].size = size;
}

void __lsan_register_root_region(const void *address, size_t size) {
    CHECK(address != NULL && size > 0);
    replace_root(NULL, 0, address, size);
}

void __lsan_unregister_root_region(const void *address, size_t size) {
    replace_root(address, size, NULL, 0);
}

static size_t count_roots(const void *address, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < 16; i++)
        count += roots[i].address == address && (size == 0 || roots[i].size == size);
    return count;
}

static void reservations_are_root_regions(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = RESERVED});
    CHECK_EQUAL(1, count_roots(hf_arena_base(&arena), RESERVED));
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, MIB, NULL));
    CHECK_EQUAL(1, count_roots(hf_space_base(space), MIB));
    hf_ring *ring;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, MIB, NULL));
    CHECK(count_roots(NULL, 0) < 13);
    hf_ring_close(ring);
    hf_space_close(space);
    hf_arena_close(&arena);
    CHECK_EQUAL(16, count_roots(NULL, 0));
}

static void open_watched(void) {
    memset(&shadow, 0, sizeof shadow);
    shadow.arena = fixture_open((hf_arena_options){.reserve = RESERVED});
    shadow.base = hf_arena_base(&shadow.arena);
}

/* Adds an allocated block to the list. */
static char *add_block(void *block, size_t size) {
    CHECK(block != NULL && shadow.count < MOST_BLOCKS);
    shadow.blocks[shadow.count].offset = (size_t)((char *)block - shadow.base);
    shadow.blocks[shadow.count++].size = size;
    return block;
}

static size_t offset_of_block(size_t index) {
    bool ends = index == shadow.count;
    return ends ? hf_arena_get_stats(&shadow.arena).committed : shadow.blocks[index].offset;
}

static void check_flags(size_t from, size_t to, bool poisoned) {
    for (size_t i = from; i < to; i++) {
        if (shadow.poisoned[i] == poisoned) continue;
        AT("byte %zu of [%zu, %zu)", i, from, to);
        CHECK(shadow.poisoned[i] == poisoned);
    }
}

/* Blocks are unpoisoned; everything between, before and behind them is poisoned. */
static void check_shadow(void) {
    size_t end = 0;
    for (size_t i = 0; i < shadow.count; i++) {
        check_flags(end, shadow.blocks[i].offset, true);
        end = shadow.blocks[i].offset + shadow.blocks[i].size;
        check_flags(shadow.blocks[i].offset, end, false);
    }
    check_flags(end, offset_of_block(shadow.count), true);
    size_t committed = hf_arena_get_stats(&shadow.arena).committed;
    if (memchr(shadow.poisoned + committed, true, RESERVED - committed))
        check_flags(committed, RESERVED, false);   /* placeholders are not poisoned */
    CHECK(shadow.arena.limit == shadow.arena.pos); /* hf_alloc always calls hf_alloc_slow */
}

static size_t bytes_behind(const char *bytes) {
    return (size_t)(shadow.base + hf_arena_get_stats(&shadow.arena).committed - bytes);
}

static void blocks_have_red_zones(void) {
    open_watched();
    for (size_t i = 0; i < 40; i++) {
        size_t size = i * 7;
        char *block = add_block(hf_alloc(&shadow.arena, size, (size_t)1 << i % 10), size);
        CHECK(is_aligned(block, 8)); /* AddressSanitizer's shadow has 8-byte units */
        check_shadow();
    }
    for (size_t i = 1; i < shadow.count; i++)
        CHECK(shadow.blocks[i].offset >=
              shadow.blocks[i - 1].offset + shadow.blocks[i - 1].size + 8);
    hf_arena_close(&shadow.arena);
    check_flags(0, RESERVED, false);
}

static void blocks_of_every_function_are_unpoisoned(void) {
    open_watched();
    add_block(hf_alloc_zeroed(&shadow.arena, 13, 1), 13);
    check_shadow();
    add_block(hf_new_array(&shadow.arena, short, 9), 18);
    check_shadow();
    add_block(hf_asprintf(&shadow.arena, "%d", 12345), 6);
    check_shadow();
    add_block(hf_strdup(&shadow.arena, "text"), 5);
    check_shadow();
    add_block(hf_realloc(&shadow.arena, NULL, 0, 3 * MIB + 1, 1), 3 * MIB + 1);
    check_shadow();
    add_block(hf_alloc(&shadow.arena, 1, HF_MAX_ALIGNMENT), 1);
    check_shadow();
    hf_arena_close(&shadow.arena);
}

static void going_back_poisons(void) {
    open_watched();
    add_block(hf_alloc(&shadow.arena, 100, 1), 100);
    hf_mark mark = hf_get_mark(&shadow.arena);
    add_block(hf_alloc(&shadow.arena, 200, 1), 200);
    CHECK_STATUS(HF_OK, hf_rewind(&shadow.arena, mark));
    shadow.count = 1;
    check_shadow();
    hf_scope scope = hf_scope_begin(&shadow.arena);
    CHECK(hf_alloc(&shadow.arena, 3 * MIB, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    check_shadow();
    CHECK_STATUS(HF_OK, hf_reset(&shadow.arena));
    shadow.count = 0;
    check_shadow();
    CHECK_STATUS(HF_OK, hf_trim(&shadow.arena, 64 * KIB));
    check_shadow();
    add_block(hf_alloc(&shadow.arena, 5 * MIB, 1), 5 * MIB);
    check_shadow();
    hf_arena_close(&shadow.arena);
}

static void extending_moves_the_red_zone(void) {
    open_watched();
    add_block(hf_alloc(&shadow.arena, 50, 1), 50);
    char *block = add_block(hf_alloc(&shadow.arena, 100, 1), 100);
    size_t sizes[] = {101, 104, 105, 120, 121, 5000, 4999, 13, 0, 3 * MIB, 1, 1}, size = 100;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bool zeroed = i % 2;
        CHECK((zeroed ? hf_extend_zeroed : hf_extend)(&shadow.arena, block, size, sizes[i]));
        shadow.blocks[1].size = size = sizes[i];
        check_shadow();
    }
    CHECK(!hf_extend(&shadow.arena, block, 1, SIZE_MAX));
    CHECK(!hf_extend(&shadow.arena, shadow.base, 50, 51));
    check_shadow();
    hf_arena_close(&shadow.arena);
}

/* The bytes of a peek are unpoisoned until the next call that allocates, extends or goes back. */
static char *peek(size_t least, size_t *room) {
    char *peeked = hf_peek(&shadow.arena, least, room);
    CHECK(peeked != NULL && *room >= least && *room < bytes_behind(peeked));
    add_block(peeked, *room);
    check_shadow();
    shadow.count--;
    return peeked;
}

static void a_peek_unpoisons_its_bytes(void) {
    open_watched();
    char *block = add_block(hf_alloc(&shadow.arena, 50, 1), 50), *peeked;
    hf_mark mark = hf_get_mark(&shadow.arena);
    size_t room, used[] = {0, 1, 8, 1000};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        peek(10, &room);
        peeked = peek(9000, &room);
        CHECK(hf_alloc(&shadow.arena, used[i], 1) == peeked);
        add_block(peeked, used[i]);
        check_shadow();
        CHECK_STATUS(HF_OK, hf_rewind(&shadow.arena, mark));
        shadow.count = 1;
        check_shadow();
    }
    peeked = peek(9000, &room);
    CHECK(hf_alloc(&shadow.arena, room, 1) == peeked);
    add_block(peeked, room);
    check_shadow();
    shadow.count--;
    CHECK_STATUS(HF_OK, hf_rewind(&shadow.arena, mark));
    peek(9000, &room);
    CHECK_STATUS(HF_OK, hf_rewind(&shadow.arena, mark));
    check_shadow();
    size_t sizes[] = {51, 60, 9000, 20}, size = 50;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        peek(5000, &room);
        CHECK(hf_extend(&shadow.arena, block, size, sizes[i]));
        shadow.blocks[0].size = size = sizes[i];
        check_shadow();
    }
    peek(MIB, &room);
    CHECK_STATUS(HF_OK, hf_trim(&shadow.arena, 0));
    CHECK_STATUS(HF_OK, hf_reset(&shadow.arena));
    shadow.count = 0;
    check_shadow();
    hf_arena_close(&shadow.arena);
    check_flags(0, RESERVED, false);
}

/* Pages that fault after a rewind are never allocated again. */
static void pages_that_fault_are_not_unpoisoned(void) {
    memset(&shadow, 0, sizeof shadow);
    shadow.arena =
        fixture_open((hf_arena_options){.reserve = RESERVED, .fault_after_rewind = true});
    shadow.base = hf_arena_base(&shadow.arena);
    add_block(hf_alloc(&shadow.arena, 50, 1), 50);
    hf_mark mark = hf_get_mark(&shadow.arena);
    for (int i = 0; i < 5; i++) {
        CHECK(hf_alloc(&shadow.arena, 100 * KIB, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_rewind(&shadow.arena, mark));
        check_flags(0, 50, false);
        check_flags(50, (size_t)(shadow.arena.pos - shadow.base), true);
    }
    hf_arena_close(&shadow.arena);
}

/* A mark is an offset; every offset below pos is valid. */
static void any_position_can_be_a_mark(void) {
    open_watched();
    for (hf_mark mark = 100; mark-- > 0;) {
        size_t room;
        shadow.count = 0;
        CHECK(hf_alloc(&shadow.arena, 200, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_rewind(&shadow.arena, mark));
        if (mark) add_block(shadow.base, mark);
        check_shadow();
        if (mark % 2) peek(30, &room);
        CHECK(is_aligned(add_block(hf_alloc(&shadow.arena, 5, 1), 5), 8));
        check_shadow();
    }
    hf_arena_close(&shadow.arena);
}

static void no_size_wraps_with_a_red_zone(void) {
    open_watched();
    add_block(hf_alloc(&shadow.arena, 50, 1), 50);
    for (size_t less = 0; less < 40; less++) {
        CHECK(hf_alloc(&shadow.arena, SIZE_MAX - less, 1) == NULL);
        CHECK(hf_alloc(&shadow.arena, RESERVED - less, 1) == NULL);
        CHECK(!hf_extend(&shadow.arena, shadow.base, 50, SIZE_MAX - less));
        CHECK(hf_peek(&shadow.arena, SIZE_MAX - less, NULL) == NULL);
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    }
    check_shadow();
    hf_arena_close(&shadow.arena);
}

static void this_program_is_the_sanitizer_runtime(void) {
    open_watched();
    CHECK(hf_alloc(&shadow.arena, 1, 1) != NULL);
    CHECK(shadow.calls > 0);
    CHECK(!fixture_is_exact());
    hf_arena_close(&shadow.arena);
}

CHECK_MAIN(TEST(this_program_is_the_sanitizer_runtime), TEST(reservations_are_root_regions),
           TEST(blocks_have_red_zones), TEST(blocks_of_every_function_are_unpoisoned),
           TEST(going_back_poisons), TEST(extending_moves_the_red_zone),
           TEST(a_peek_unpoisons_its_bytes), TEST(pages_that_fault_are_not_unpoisoned),
           TEST(any_position_can_be_a_mark), TEST(no_size_wraps_with_a_red_zone))
