/*
 * Arenas in processes with resource limits, and in several processes at once. Linux. Each limit is
 * set in a child process.
 *
 * Not under a sanitizer, whose own reservations exceed the limits.
 */
#define _GNU_SOURCE /* declares setrlimit, mlockall */

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arena_fixture.h"
#include "process.h"

/* A macro, because the type of `which` differs between C libraries. */
#define set_limit(which, bytes) \
    CHECK(setrlimit(which, &(struct rlimit){.rlim_cur = (bytes), .rlim_max = (bytes)}) == 0)

/* As `ulimit -v 8000000` sets it; on 32 bits a limit below the default reservation. */
static const size_t address_limit = IS_64_BIT ? 8000000 * KIB : 100 * MIB;

static void check_fallback(size_t reserve, size_t reserved, size_t limit) {
    size_t halved = reserve;
    while (halved > reserved) halved /= 2;
    CHECK_EQUAL(halved, reserved);
    CHECK(reserved < limit && reserved >= limit / 4);
}

static void fills_up(hf_arena *arena) {
    size_t reserved = hf_arena_get_stats(arena).reserved;
    char *block = hf_alloc(arena, MIB, 8);
    CHECK(block != NULL);
    fill(block, MIB, 1);
    CHECK(hf_alloc(arena, reserved, 1) == NULL);
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    CHECK(is_filled(block, MIB, 1));
}

static void open_with_little_address_space(void *unused) {
    (void)unused;
    set_limit(RLIMIT_AS, address_limit);
    size_t reserve = IS_64_BIT ? 64 * GIB : 256 * MIB;
    hf_arena arena, second;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    CHECK_EQUAL(HF_OK, hf_last_error().status); /* the fallback leaves no error */
    check_fallback(reserve, hf_arena_get_stats(&arena).reserved, address_limit);
    fills_up(&arena);
    CHECK_STATUS(HF_OK, hf_arena_open(&second, NULL)); /* in the remaining addresses */
    if (IS_64_BIT)
        CHECK_EQUAL(GIB, hf_arena_get_stats(&second).reserved); /* not half of the rest */
    CHECK(hf_arena_get_stats(&second).reserved <= hf_arena_get_stats(&arena).reserved);
    fills_up(&second);
    hf_arena_close(&second);
    hf_arena_close(&arena);
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL)); /* closing released addresses */
    check_fallback(reserve, hf_arena_get_stats(&arena).reserved, address_limit);
    hf_arena_close(&arena);
}

static void a_limit_on_addresses_makes_it_fall_back(void) {
    CHECK(process_runs(open_with_little_address_space, NULL));
}

static void open_with_too_little(void *unused) {
    (void)unused;
    set_limit(RLIMIT_AS, address_limit);
    hf_arena arena;
    hf_arena_options options = {.least_reserve = IS_64_BIT ? 16 * GIB : 128 * MIB};
    CHECK_STATUS(HF_NO_ADDRESS, hf_arena_open(&arena, &options));
    CHECK(hf_last_error().os_code != 0 && strcmp(hf_last_error().call, "mmap") == 0);
    CHECK(hf_alloc(&arena, 1, 1) == NULL);
}

/* Fails in each function that opens it, and works as soon as it can be opened. There is no page for
 * a record, and there are no addresses: which comes first depends on the size of pointers. */
static void open_lazily_with_too_little(void *unused) {
    (void)unused;
    hf_arena arena = HF_ARENA_LAZY;
    struct rlimit limit;
    size_t room, size;
    void *data;
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){64 * KIB, limit.rlim_max}) == 0);
    CHECK(hf_alloc(&arena, 1, 1) == NULL);
    hf_status failed = hf_last_error().status;
    CHECK(failed == HF_NO_ADDRESS || failed == HF_NO_MEMORY);
    CHECK(hf_strdup(&arena, "a") == NULL && hf_asprintf(&arena, "%600d", 7) == NULL);
    CHECK(hf_peek(&arena, 1, &room) == NULL && hf_new(&arena, int) == NULL);
    CHECK_EQUAL(failed, hf_last_error().status);
    CHECK_STATUS(failed, hf_precommit(&arena, 1));
    CHECK_STATUS(failed, hf_defer(&arena, free, NULL));
    CHECK_STATUS(failed, hf_arena_append_file(&arena, "x", HF_READ_ONLY, &data, &size));
    CHECK_STATUS(failed, hf_arena_save(&arena, "x"));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(hf_scope_begin(&arena)));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(strcmp(hf_strdup(&arena, "works"), "works") == 0);
    hf_arena_close(&arena);
}

static void a_lazy_arena_that_does_not_open_is_tried_again(void) {
    CHECK(process_runs(open_lazily_with_too_little, NULL));
}

static void less_than_the_least_is_no_address(void) {
    CHECK(process_runs(open_with_too_little, NULL));
}

/* The base is free, so mmap fails with ENOMEM, not with EEXIST. */
static void open_at_a_base_with_little_address_space(void *unused) {
    (void)unused;
    size_t half = address_limit / 2;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = address_limit});
    void *base = hf_arena_base(&arena);
    hf_arena_close(&arena);
    set_limit(RLIMIT_AS, address_limit);
    hf_arena_options options = {
        .reserve = address_limit, .base = base, .least_reserve = address_limit};
    CHECK_STATUS(HF_NO_ADDRESS, hf_arena_open(&arena, &options));
    CHECK_EQUAL(ENOMEM, hf_last_error().os_code);
    CHECK(strcmp(hf_last_error().call, "mmap") == 0);
    CHECK_EQUAL(address_limit, hf_last_error().size);
    options.least_reserve = MIB;
    hf_error before = hf_last_error();
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    CHECK_EQUAL(before.os_code, hf_last_error().os_code);
    CHECK((void *)hf_arena_base(&arena) == base);
    CHECK_EQUAL(half / fixture_page_size() * fixture_page_size(),
                hf_arena_get_stats(&arena).reserved);
    fills_up(&arena);
    hf_arena_close(&arena);
}

static void no_memory_at_a_base_makes_it_fall_back_there(void) {
    CHECK(process_runs(open_at_a_base_with_little_address_space, NULL));
}

/* ---------------------------------------------------------------- locked memory ------------ */

/* At most the hard limit, which may be too low for any arena. */
static size_t limit_locked_memory(void) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    size_t bytes = limit.rlim_max < 40 * MIB ? (size_t)limit.rlim_max : 40 * MIB;
    set_limit(RLIMIT_MEMLOCK, bytes);
    return bytes;
}

/* root is exempt from RLIMIT_MEMLOCK, so the child becomes another user. */
static void open_with_everything_locked(void *unused) {
    (void)unused;
    size_t reserve = IS_64_BIT ? 64 * GIB : 256 * MIB, limit = limit_locked_memory();
    if (getuid() == 0) CHECK(setuid(65534) == 0);
    CHECK(mlockall(MCL_FUTURE) == 0);
    hf_arena arena;
    hf_status status = hf_arena_open(&arena, NULL);
    if (limit < 4 * MIB && status == HF_NO_ADDRESS) return;
    CHECK_STATUS(HF_OK, status);
    check_fallback(reserve, hf_arena_get_stats(&arena).reserved, limit);
    fills_up(&arena);
    hf_arena_close(&arena);
}

static void a_limit_on_locked_memory_makes_it_fall_back(void) {
    CHECK(process_runs(open_with_everything_locked, NULL));
}

/* -------------------------------------------------------------- committed memory ----------- */

/* Memory committed so far, as the kernel counts it for RLIMIT_DATA. */
static size_t data_size(void) {
    size_t kib = 0;
    char line[200];
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status))
        if (strncmp(line, "VmData:", 7) == 0) kib = (size_t)strtoull(line + 7, NULL, 10);
    fclose(status);
    return kib * KIB;
}

static void grow_to_the_limit(void *unused) {
    (void)unused;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 256 * MIB});
    size_t allowed = 50 * MIB, blocks = 0;
    set_limit(RLIMIT_DATA, data_size() + allowed);
    for (char *block; (block = hf_alloc(&arena, MIB - 64, 1)) != NULL; blocks++)
        fill(block, MIB - 64, (unsigned)blocks);
    CHECK_EQUAL(HF_NO_MEMORY, hf_last_error().status);
    CHECK(hf_last_error().os_code != 0 && strcmp(hf_last_error().call, "mprotect") == 0);
    CHECK(blocks >= 48 && blocks <= 50); /* the last steps are exactly what is needed */
    for (size_t i = 0; i < blocks; i++)
        CHECK(is_filled(hf_arena_base(&arena) + i * (MIB - 64), MIB - 64, (unsigned)i));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    char *again = hf_alloc_zeroed(&arena, 40 * MIB, 1);
    CHECK(again != NULL && is_zero(again, 40 * MIB));
    hf_arena_close(&arena);
}

static void a_limit_on_memory_is_no_memory(void) { CHECK(process_runs(grow_to_the_limit, NULL)); }

CHECK_MAIN(TEST(a_limit_on_addresses_makes_it_fall_back),
           TEST(no_memory_at_a_base_makes_it_fall_back_there),
           TEST(a_lazy_arena_that_does_not_open_is_tried_again),
           TEST(less_than_the_least_is_no_address),
           TEST(a_limit_on_locked_memory_makes_it_fall_back), TEST(a_limit_on_memory_is_no_memory))
