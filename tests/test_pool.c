/*
 * Pools: arenas that are opened and closed without system calls, how many can be open at once, and
 * what idle ones keep.
 */
#include <holdfast/pool.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena_fixture.h"
#include "disk.h"
#include "nth_failure.h"
#include "recorder.h"
#include "space_fixture.h"

static hf_pool *open_pool(hf_pool_options options) {
    hf_pool *pool;
    CHECK_STATUS(HF_OK, hf_pool_open(&pool, &options));
    return pool;
}

static hf_arena open_in(hf_pool *pool) { return fixture_open((hf_arena_options){.pool = pool}); }

static size_t count_calls(const hf_pool *pool) { return hf_pool_get_stats(pool).system_calls; }

static void store(hf_arena *arena, size_t size) {
    char *block = hf_alloc(arena, size, 8);
    CHECK(block != NULL);
    memset(block, 0x5a, size);
}

/* ------------------------------------------------------------ opening and closing ---------- */

static void needs_no_options(void) {
    hf_pool *pool;
    CHECK_STATUS(HF_OK, hf_pool_open(&pool, NULL));
    hf_arena arena = open_in(pool);
    size_t reserved = hf_arena_get_stats(&arena).reserved;
    if (IS_64_BIT) /* Valgrind and ThreadSanitizer have fewer addresses */
        CHECK(reserved == GIB || reserved == 64 * MIB);
    else
        CHECK_EQUAL(4 * MIB, reserved);
    CHECK_EQUAL(IS_64_BIT ? 1000 : 32, hf_pool_get_stats(pool).arenas);
    hf_arena_close(&arena);
    hf_pool_close(pool);
    hf_pool_close(NULL);
    CHECK_EQUAL(0, hf_pool_get_stats(NULL).arenas);
}

/* 1,000 arenas of 64 MiB, or of 1 MiB. */
static void the_default_falls_back(void) {
    static struct recorder recorder;
    if (!IS_64_BIT) return;
    for (int i = 0; i < 2; i++) {
        recorder_init(&recorder, NULL);
        recorder.largest[RECORDER_RESERVE] = i ? 2 * GIB : 64 * GIB;
        hf_pool *pool = open_pool((hf_pool_options){.backend = &recorder.backend});
        CHECK_EQUAL(i ? 1000 * MIB : 64000 * MIB, hf_pool_get_stats(pool).reserved);
        hf_pool_close(pool);
    }
    hf_pool *none = NULL;
    recorder.largest[RECORDER_RESERVE] = 0;
    CHECK_STATUS(HF_NO_ADDRESS,
                 hf_pool_open(&none, &(hf_pool_options){.backend = &recorder.backend}));
    CHECK(none == NULL);
}

static void arenas_are_separate_and_as_large_as_was_asked(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 3, .reserve = MIB});
    hf_arena arenas[3];
    char *blocks[3];
    for (unsigned i = 0; i < 3; i++) {
        arenas[i] = open_in(pool);
        CHECK(is_aligned(hf_arena_base(&arenas[i]), HF_ALLOCATION_GRANULARITY));
        blocks[i] = hf_alloc(&arenas[i], MIB - 4096, 1);
        fill(blocks[i], MIB - 4096, i);
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK(is_filled(blocks[i], MIB - 4096, i));
        for (unsigned j = 0; j < 3; j++) CHECK_EQUAL(i == j, hf_owns(&arenas[j], blocks[i]));
        CHECK(hf_alloc(&arenas[i], 8192, 1) == NULL);
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK(hf_arena_get_stats(&arenas[i]).committed >= MIB - 4096);
    }
    for (unsigned i = 0; i < 3; i++) hf_arena_close(&arenas[i]);
    hf_pool_close(pool);
}

static void opening_and_closing_makes_no_call(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 100, .reserve = 16 * MIB});
    hf_arena arenas[10];
    for (int round = 0; round < 20; round++) {
        size_t before = count_calls(pool);
        for (int i = 0; i < 10; i++) {
            arenas[i] = open_in(pool);
            store(&arenas[i], 10000);
        }
        for (int i = 0; i < 10; i++) hf_arena_close(&arenas[i]);
        if (round > 0) CHECK_EQUAL(before, count_calls(pool));
    }
    hf_pool_stats stats = hf_pool_get_stats(pool);
    CHECK_EQUAL(10, stats.idle);
    CHECK_EQUAL(0, stats.open);
    CHECK_EQUAL(10, stats.peak_open);
    hf_pool_close(pool);
}

static void a_new_arena_knows_nothing_of_the_last_one(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 1, .reserve = MIB});
    hf_arena arena = open_in(pool);
    hf_scope scope = hf_scope_begin(&arena);
    char *block = hf_alloc(&arena, 50000, 16);
    memset(block, 0xee, 50000);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    hf_arena_close(&arena);
    CHECK(arena.pos == NULL && arena.state == NULL);
    arena = open_in(pool);
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(scope));
    CHECK(hf_arena_root(&arena) == NULL);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).peak);
    CHECK(is_zero(hf_alloc_zeroed(&arena, 60000, 16), 60000));
    hf_arena_close(&arena);
    hf_pool_close(pool);
}

static void the_pool_can_be_full(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 2, .reserve = MIB});
    hf_arena first = open_in(pool), second = open_in(pool), third;
    CHECK_STATUS(HF_RESERVE_FULL, hf_arena_open(&third, &(hf_arena_options){.pool = pool}));
    CHECK(third.state == NULL && strcmp(hf_last_error().call, "hf_arena_open") == 0);
    hf_arena_close(&first);
    third = open_in(pool);
    hf_arena_close(&third);
    hf_arena_close(&second);
    hf_pool_close(pool);
}

static void bad_options_are_invalid(void) {
    hf_pool *pool = NULL;
    static const hf_pool_options bad[] = {
        {.huge_pages = (hf_huge_pages)77},
        {.reserve = SIZE_MAX},
        {.arenas = SIZE_MAX},
        {.arenas = SIZE_MAX / MIB, .reserve = 2 * MIB},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_STATUS(HF_INVALID, hf_pool_open(&pool, &bad[i]));
        CHECK(pool == NULL);
    }
    CHECK_STATUS(HF_INVALID, hf_pool_open(NULL, NULL));
}

static void an_arena_of_a_pool_has_no_base_and_is_no_image(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 2, .reserve = MIB});
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    hf_arena arena;
    const hf_arena_options bad[] = {
        {.pool = pool, .reserve = 2 * MIB},
        {.pool = pool, .least_reserve = 2 * MIB},
        {.pool = pool, .base = (void *)((uintptr_t)HF_ALLOCATION_GRANULARITY * 1024)},
        {.pool = pool, .backend = strict},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_STATUS(HF_INVALID, hf_arena_open(&arena, &bad[i]));
    CHECK_STATUS(HF_INVALID, hf_arena_open_file(&arena, "pool.image", HF_READ_WRITE, &bad[0]));
    CHECK(!disk_exists("pool.image"));
    CHECK_EQUAL(0, hf_pool_get_stats(pool).open);
    hf_strict_close(strict);
    hf_pool_close(pool);
}

/* ---------------------------------------------------------- like any other arena ----------- */

static bool has_views(void) {
    bool has = backend_has_views(hf_backend_native());
    if (!has) check_skip("there are no views in a space here");
    return has;
}

static void files_can_be_appended(void) {
    if (!has_views()) return;
    char file[100];
    memset(file, 'f', sizeof file);
    intptr_t handle = disk_create("pool.data", sizeof file);
    disk_store(handle, 0, file, sizeof file);
    disk_close(handle);
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 2, .reserve = 4 * MIB});
    for (int round = 0; round < 3; round++) {
        hf_arena below = open_in(pool), arena = open_in(pool);
        void *data;
        size_t size;
        store(&below, 100);
        store(&arena, 100);
        CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, "pool.data", HF_READ_ONLY, &data, &size));
        CHECK(size == sizeof file && memcmp(data, file, size) == 0);
        store(&arena, 100);
        CHECK(hf_arena_get_stats(&arena).viewed > 0 && hf_arena_get_stats(&below).viewed == 0);
        if (round == 1) CHECK_STATUS(HF_OK, hf_reset(&arena));
        hf_arena_close(&arena);
        hf_arena_close(&below);
        CHECK_EQUAL(0, hf_pool_get_stats(pool).viewed);
        CHECK_EQUAL(0, hf_pool_get_stats(pool).lost);
    }
    hf_pool_close(pool);
    disk_remove("pool.data");
}

static void it_can_be_saved(void) {
    if (!has_views()) return;
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 3, .reserve = 4 * MIB});
    hf_arena first = open_in(pool), second = open_in(pool), image;
    store(&first, 3000);
    char *block = hf_alloc(&second, 200000, 8);
    fill(block, 200000, 7);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&second, block));
    CHECK_STATUS(HF_OK, hf_arena_save(&second, "pool.image"));
    hf_arena_close(&second);
    hf_arena_close(&first);
    hf_pool_close(pool);
    CHECK_STATUS(HF_OK, hf_arena_open_file(&image, "pool.image", HF_COPY_ON_WRITE,
                                           &(hf_arena_options){.any_base = true}));
    CHECK(is_filled(hf_arena_root(&image), 200000, 7));
    hf_arena_close(&image);
    disk_remove("pool.image");
}

static void pages_fault_after_a_rewind(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 2, .reserve = 4 * MIB});
    hf_arena arena = fixture_open((hf_arena_options){.pool = pool, .fault_after_rewind = true});
    store(&arena, 100000);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    store(&arena, 100000);
    hf_arena_close(&arena);
    CHECK_EQUAL(0, hf_pool_get_stats(pool).committed);
    arena = open_in(pool);
    store(&arena, 3 * MIB);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    hf_arena_close(&arena);
    hf_pool_close(pool);
}

/* What the frames of an arena with fault_after_rewind used is paid for when it gives all back. */
static void its_frames_do_not_count_for_the_next_one(void) {
    hf_pool *pool =
        open_pool((hf_pool_options){.arenas = 1, .reserve = 16 * MIB, .keep = SIZE_MAX});
    for (int use = 0; use < 50; use++) {
        hf_arena arena = fixture_open((hf_arena_options){.pool = pool, .fault_after_rewind = true});
        CHECK_STATUS(HF_OK, hf_precommit(&arena, 16 * MIB));
        for (int frame = 0; frame < 2; frame++) {
            store(&arena, 3 * MIB);
            CHECK_STATUS(HF_OK, hf_reset(&arena));
        }
        hf_arena_close(&arena);
    }
    hf_arena arena = open_in(pool);
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 13 * MIB));
    store(&arena, 1000);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(hf_arena_get_stats(&arena).committed >= 13 * MIB);
    hf_arena_close(&arena);
    hf_pool_close(pool);
}

static void errors_count_from_the_base_of_the_arena(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 3, .reserve = MIB});
    hf_arena arenas[3];
    for (int i = 0; i < 3; i++) arenas[i] = open_in(pool);
    store(&arenas[2], 1000);
    CHECK(hf_alloc(&arenas[2], 2 * MIB, 1) == NULL);
    CHECK(hf_last_error().offset < MIB);
    for (int i = 0; i < 3; i++) hf_arena_close(&arenas[i]);
    hf_pool_close(pool);
}

/* -------------------------------------------------------------- what idle ones keep -------- */

static void idle_arenas_give_back_what_is_beyond_keep(void) {
    enum { ARENAS = 8 };
    hf_pool *pool =
        open_pool((hf_pool_options){.arenas = ARENAS, .reserve = 16 * MIB, .keep = 128 * KIB});
    hf_arena arenas[ARENAS];
    for (int i = 0; i < ARENAS; i++) {
        arenas[i] = open_in(pool);
        store(&arenas[i], 8 * MIB);
    }
    for (int i = 0; i < ARENAS; i++) hf_arena_close(&arenas[i]);
    CHECK(hf_pool_get_stats(pool).committed >= ARENAS * 8 * MIB);
    for (int use = 0; use < ARENAS * 64 * 2; use++) {
        hf_arena arena = open_in(pool);
        CHECK(hf_alloc(&arena, 8 * MIB, 8) != NULL);
        hf_arena_close(&arena);
    }
    hf_pool_stats stats = hf_pool_get_stats(pool);
    CHECK(stats.trims >= ARENAS - 2);
    CHECK(stats.committed <= 2 * 12 * MIB + ARENAS * 128 * KIB);
    hf_pool_close(pool);
}

/* Only what arenas used that were closed after it became idle counts. */
static void work_before_it_was_idle_does_not_count(void) {
    hf_pool *pool =
        open_pool((hf_pool_options){.arenas = 4, .reserve = 16 * MIB, .keep = 64 * KIB});
    hf_arena first = open_in(pool), second = open_in(pool);
    for (int use = 0; use < 3000; use++) {
        hf_arena arena = open_in(pool);
        CHECK(hf_alloc(&arena, 60000, 8) != NULL);
        hf_arena_close(&arena);
    }
    store(&first, 5 * MIB / 2);
    hf_arena_close(&first);
    hf_arena_close(&second);
    for (int use = 0; use < 100; use++) {
        second = open_in(pool);
        store(&second, 100);
        hf_arena_close(&second);
    }
    CHECK_EQUAL(0, hf_pool_get_stats(pool).trims);
    hf_pool_close(pool);
}

/* The idle arena goes back when the others have used 64 times what it has beyond `keep`: not one
 * closing earlier, and not one later. */
static void idle_memory_costs_64_times_its_bytes(void) {
    hf_pool *pool =
        open_pool((hf_pool_options){.arenas = 2, .reserve = 16 * MIB, .keep = 64 * KIB});
    hf_arena idle = open_in(pool), other = open_in(pool);
    store(&idle, 5 * MIB);
    size_t price = 64 * (hf_arena_get_stats(&idle).committed - 64 * KIB), work = 0;
    hf_arena_close(&idle);
    for (;;) {
        CHECK_EQUAL(0, hf_pool_get_stats(pool).trims);
        CHECK(hf_alloc(&other, 20000, 8) != NULL);
        work += hf_arena_get_stats(&other).peak;
        hf_arena_close(&other);
        if (work >= price) break;
        other = open_in(pool);
    }
    CHECK_EQUAL(1, hf_pool_get_stats(pool).trims);
    CHECK(hf_pool_get_stats(pool).committed <= 2 * 64 * KIB);
    hf_pool_close(pool);
}

static void keep_may_be_all(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = 2, .reserve = 8 * MIB, .keep = SIZE_MAX});
    hf_arena arena = open_in(pool);
    store(&arena, 7 * MIB);
    hf_arena_close(&arena);
    for (int use = 0; use < 2000; use++) { /* work for 15 trims */
        arena = open_in(pool);
        CHECK(hf_alloc(&arena, MIB, 8) != NULL);
        hf_arena_close(&arena);
    }
    CHECK(hf_pool_get_stats(pool).committed >= 7 * MIB);
    CHECK_EQUAL(0, hf_pool_get_stats(pool).trims);
    hf_pool_close(pool);
}

/* ------------------------------------------------------------------- many, threads --------- */

static size_t count_mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    if (maps == NULL) return 0;
    for (int byte; (byte = getc(maps)) != EOF;) lines += byte == '\n';
    fclose(maps);
    return lines;
}

static void *do_nothing(void *argument) { return argument; }

static void many_can_be_open(void) {
    size_t many = IS_64_BIT && fixture_is_exact() ? 20000 : 500, before = count_mappings();
    hf_pool *pool = open_pool((hf_pool_options){.arenas = many, .reserve = MIB});
    hf_arena *arenas = calloc(many, sizeof *arenas);
    for (size_t i = 0; i < many; i++) {
        arenas[i] = open_in(pool);
        store(&arenas[i], 100);
    }
    CHECK(count_mappings() <= before + 2 * many + 20);
    void *large = malloc(IS_64_BIT ? GIB : 16 * MIB);
    pthread_t thread;
    CHECK(large != NULL);
    CHECK_EQUAL(0, pthread_create(&thread, NULL, do_nothing, NULL));
    pthread_join(thread, NULL);
    free(large);
    for (size_t i = 0; i < many; i++) hf_arena_close(&arenas[i]);
    CHECK_EQUAL(many, hf_pool_get_stats(pool).idle);
    free(arenas);
    hf_pool_close(pool);
}

enum { THREADS = 4, ROUNDS = 2000, HELD = 5 };

static void *open_and_close(void *argument) {
    hf_pool *pool = argument;
    hf_arena arenas[HELD] = {0};
    char *blocks[HELD] = {0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = round * 7 % HELD;
        size_t size = round % 50 == 0 ? MIB : 1000;
        if (arenas[i].state != NULL) {
            CHECK(is_filled(blocks[i], 1000, i));
            hf_arena_close(&arenas[i]);
        }
        arenas[i] = open_in(pool);
        blocks[i] = hf_alloc(&arenas[i], size, 8);
        CHECK(blocks[i] != NULL);
        fill(blocks[i], 1000, i);
    }
    for (int i = 0; i < HELD; i++) hf_arena_close(&arenas[i]);
    return NULL;
}

static void threads_can_share_a_pool(void) {
    hf_pool *pool = open_pool((hf_pool_options){.arenas = THREADS * HELD, .reserve = 2 * MIB});
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_EQUAL(0, pthread_create(&threads[i], NULL, open_and_close, pool));
    for (int i = 0; i < THREADS; i++) CHECK_EQUAL(0, pthread_join(threads[i], NULL));
    hf_pool_stats stats = hf_pool_get_stats(pool);
    CHECK_EQUAL(0, stats.open);
    CHECK(stats.peak_open <= THREADS * HELD);
    hf_pool_close(pool);
}

/* ------------------------------------------------------------------ failures --------------- */

static void use_pool(hf_pool *pool) {
    hf_arena first, second;
    void *data;
    size_t size;
    if (hf_arena_open(&first, &(hf_arena_options){.pool = pool}) != HF_OK) return;
    if (hf_arena_open(&second, &(hf_arena_options){.pool = pool}) == HF_OK) {
        char *block = hf_alloc(&second, 300 * KIB, 8);
        if (block) fill(block, 300 * KIB, 1);
        hf_arena_append_file(&second, "pool.data", HF_READ_ONLY, &data, &size);
        hf_alloc(&first, MIB, 8);
        if (block) CHECK(is_filled(block, 300 * KIB, 1));
        hf_arena_close(&second);
    }
    hf_arena_close(&first);
}

/* Whatever fails, closing the pool gives everything back. An arena that could not be emptied is
 * never opened again, the others work. */
static void use_until_failure(struct failure *failure) {
    hf_pool *pool = NULL;
    hf_pool_options options = {
        .arenas = 4, .reserve = 4 * MIB, .keep = 4096, .backend = failure->strict};
    failure_on(failure);
    hf_status status = hf_pool_open(&pool, &options);
    if (status == HF_OK) use_pool(pool);
    failure_off(failure);
    if (status != HF_OK) {
        check_failure(failure, status);
        CHECK(pool == NULL);
        return;
    }
    hf_pool_stats stats = hf_pool_get_stats(pool);
    CHECK_EQUAL(0, stats.open);
    CHECK(stats.lost <= 1);
    use_pool(pool);
    CHECK_EQUAL(stats.lost, hf_pool_get_stats(pool).lost);
    hf_pool_close(pool);
}

static void every_failure_is_whole(void) {
    disk_close(disk_create("pool.data", 5000));
    CHECK(each_failure(use_until_failure, NULL) >= 10);
    disk_remove("pool.data");
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(needs_no_options), TEST(the_default_falls_back),
           TEST(arenas_are_separate_and_as_large_as_was_asked),
           TEST(opening_and_closing_makes_no_call), TEST(a_new_arena_knows_nothing_of_the_last_one),
           TEST(the_pool_can_be_full), TEST(bad_options_are_invalid),
           TEST(an_arena_of_a_pool_has_no_base_and_is_no_image), TEST(files_can_be_appended),
           TEST(it_can_be_saved), TEST(pages_fault_after_a_rewind),
           TEST(its_frames_do_not_count_for_the_next_one),
           TEST(errors_count_from_the_base_of_the_arena),
           TEST(idle_arenas_give_back_what_is_beyond_keep),
           TEST(idle_memory_costs_64_times_its_bytes), TEST(keep_may_be_all),
           TEST(work_before_it_was_idle_does_not_count), TEST(many_can_be_open),
           TEST(threads_can_share_a_pool), TEST(every_failure_is_whole))
