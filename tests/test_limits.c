/*
 * Limits of a process on addresses and memory, set with setrlimit in a child. The library must
 * return the status for that limit and change nothing.
 */
#define _DEFAULT_SOURCE /* setrlimit, mlockall */

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "process.h"
#include "space_fixture.h"

static const size_t KIB = 1024, MIB = 1024 * 1024;

static void set_limit(int which, size_t bytes) {
    struct rlimit limit = {bytes, bytes};
    CHECK(setrlimit(which, &limit) == 0);
}

/* Runs a test in a child, so that its limits end with it. */
static void in_a_child(void (*test)(void *)) { CHECK(process_runs(test, NULL)); }

/* ------------------------------------------------------------------- ulimit -v -------------- */

/* A reservation of 64 GiB fits under 8,000,000 KiB after four halvings; on 32 bits 1 GiB fits under
 * 500,000 KiB after two. */
static const struct {
    size_t reserve, limit, granted, failures;
} addresses =
#if SIZE_MAX > UINT32_MAX
    {(size_t)64 << 30, (size_t)8000000 * 1024, (size_t)4 << 30, 4};
#else
    {(size_t)1 << 30, (size_t)500000 * 1024, (size_t)256 << 20, 2};
#endif

static void fall_back_under_ulimit(void *unused) {
    (void)unused;
    hf_space_options options = {.least = MIB};
    hf_space *space = NULL;
    set_limit(RLIMIT_AS, addresses.limit);
    CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, addresses.reserve, NULL));
    CHECK_EQUAL(ENOMEM, hf_last_error().os_code);
    CHECK_EQUAL(addresses.reserve, hf_last_error().size);
    CHECK(space == NULL);
    options.least = 2 * addresses.granted;
    CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, addresses.reserve, &options));
    CHECK_EQUAL(options.least, hf_last_error().size); /* the last size that was tried */
    options.least = MIB;
    CHECK_STATUS(HF_OK, hf_space_open(&space, addresses.reserve, &options));
    CHECK_EQUAL(addresses.granted, hf_space_size(space));
    CHECK_EQUAL(addresses.failures, hf_space_get_stats(space).failures);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, hf_space_size(space) - MIB, MIB));
    memset(hf_space_base(space) + hf_space_size(space) - MIB, 1, MIB);
    hf_space_close(space);
}

static void ulimit_v_falls_back(void) { in_a_child(fall_back_under_ulimit); }

/* Even the page for records cannot be allocated. */
static void open_without_any_address(void *unused) {
    (void)unused;
    hf_space *space = NULL;
    hf_file *file = NULL;
    hf_backend *strict = NULL;
    set_limit(RLIMIT_AS, 1);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_open(&space, MIB, NULL));
    CHECK_STATUS(HF_NO_MEMORY, hf_file_create_shared(&file, MIB, NULL));
    CHECK_STATUS(HF_NO_MEMORY, hf_strict_open(&strict, NULL));
    CHECK_EQUAL(ENOMEM, hf_last_error().os_code);
    CHECK(space == NULL && file == NULL && strict == NULL);
}

static void no_address_at_all(void) { in_a_child(open_without_any_address); }

/* The highest addresses: the range does not wrap, but belongs to the kernel. */
static void addresses_that_nobody_gets(void) {
    char *high = (char *)(UINTPTR_MAX - HF_ALLOCATION_GRANULARITY + 1);
    hf_space_options options = {.base = high};
    hf_space *space = NULL;
    CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, HF_ALLOCATION_GRANULARITY, &options));
    CHECK(space == NULL);
}

/* -------------------------------------------------------------------- mlockall -------------- */

/* With MCL_FUTURE a reservation counts as locked memory. */
static void fall_back_under_mlockall(void *unused) {
    (void)unused;
    hf_space_options options = {.least = 64 * KIB};
    hf_space *space = NULL;
    set_limit(RLIMIT_MEMLOCK, MIB);
    if (geteuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0); /* root has no limit */
    CHECK(mlockall(MCL_FUTURE) == 0);
    CHECK_STATUS(HF_NO_ADDRESS, hf_space_open(&space, 64 * MIB, NULL));
    CHECK_EQUAL(EAGAIN, hf_last_error().os_code);
    CHECK_STATUS(HF_OK, hf_space_open(&space, 64 * MIB, &options));
    CHECK_EQUAL(512 * KIB, hf_space_size(space));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 64 * KIB));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 64 * KIB));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void mlockall_falls_back(void) { in_a_child(fall_back_under_mlockall); }

/* If the new placeholder were mapped before the old memory is unmapped, both would count: more than
 * the limit. */
static void release_under_mlockall(void *unused) {
    (void)unused;
    hf_space *space;
    set_limit(RLIMIT_MEMLOCK, 2 * MIB);
    if (geteuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0); /* root has no limit */
    CHECK(mlockall(MCL_FUTURE) == 0);
    CHECK_STATUS(HF_OK, hf_space_open(&space, MIB + 512 * KIB, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, MIB));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, MIB, 256 * KIB));
    memset(hf_space_base(space), 'x', MIB + 256 * KIB);
    CHECK_STATUS(HF_OK, hf_space_decommit(space, 0, MIB));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, MIB));
    CHECK_EQUAL(0, hf_space_base(space)[MIB - 1]);
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, hf_space_size(space)));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void memory_goes_under_mlockall(void) { in_a_child(release_under_mlockall); }

/* ----------------------------------------------------------------- RLIMIT_DATA -------------- */

static void expect_as_before(const hf_space *space) {
    hf_space_stats stats = hf_space_get_stats(space);
    CHECK_EQUAL(2, stats.regions);
    CHECK_EQUAL(MIB, stats.committed_bytes);
    CHECK_EQUAL('x', hf_space_base(space)[MIB - 1]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

/* |  c  |            p            |  with a limit of 16 MiB on private memory. */
static void commit_under_limit(void *unused) {
    (void)unused;
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 256 * MIB, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, MIB));
    memset(hf_space_base(space), 'x', MIB);
    set_limit(RLIMIT_DATA, 16 * MIB);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, MIB, 64 * MIB));
    CHECK_EQUAL(ENOMEM, hf_last_error().os_code);
    CHECK_EQUAL(MIB, hf_last_error().offset);
    CHECK_EQUAL(64 * MIB, hf_last_error().size);
    expect_as_before(space);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 128 * MIB, 64 * MIB));
    expect_as_before(space);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit(space, MIB, 255 * MIB));
    expect_as_before(space);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * MIB, MIB));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 2 * MIB, MIB));
    expect_as_before(space);
    hf_space_close(space);
}

static void a_failed_commit_changes_nothing(void) { in_a_child(commit_under_limit); }

/* Released memory does not count: the same amount can be committed again and again. */
static void commit_and_release_under_limit(void *unused) {
    (void)unused;
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 256 * MIB, NULL));
    set_limit(RLIMIT_DATA, 16 * MIB);
    for (size_t i = 0; i < 20; i++) {
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * 10 * MIB, 8 * MIB));
        CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, i * 10 * MIB + 8 * MIB, 16 * MIB));
        CHECK_STATUS(HF_OK, hf_space_release_range(space, i * 10 * MIB, 8 * MIB));
    }
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    hf_space_close(space);
}

static void a_release_gives_the_charge_back(void) { in_a_child(commit_and_release_under_limit); }

CHECK_MAIN(TEST(ulimit_v_falls_back), TEST(no_address_at_all), TEST(addresses_that_nobody_gets),
           TEST(mlockall_falls_back), TEST(memory_goes_under_mlockall),
           TEST(a_failed_commit_changes_nothing), TEST(a_release_gives_the_charge_back))
