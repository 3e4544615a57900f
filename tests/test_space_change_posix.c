/*
 * hf_space_protect, parts of views, resets and hf_space_extend together with what POSIX has: signal
 * handlers, threads, forks, locked pages and the list of mappings.
 *
 * On Linux (and every POSIX) these changes are one system call each, so a thread that reads what
 * stays mapped never faults. A handler for SIGSEGV and SIGBUS counts faults.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, mlock */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "holdfast/space.h"
#include "probe.h"
#include "process.h"

static hf_space *space;
static char *base;
static size_t page;

static void open_space(size_t pages) {
    page = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&space, pages * page, NULL));
    base = hf_space_base(space);
}

static struct sigaction old_actions[2];

static void handle_faults(void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = handler;
    CHECK(sigaction(SIGSEGV, &action, &old_actions[0]) == 0);
    CHECK(sigaction(SIGBUS, &action, &old_actions[1]) == 0);
}

static void stop_handling_faults(void) {
    CHECK(sigaction(SIGSEGV, &old_actions[0], NULL) == 0);
    CHECK(sigaction(SIGBUS, &old_actions[1], NULL) == 0);
}

/* -------------------------------------------------------------------- dirty tracking -------- */

enum { TRACKED_BYTES = 16 << 20 };

static unsigned char is_dirty[TRACKED_BYTES / 4096];
static atomic_size_t faults, failures;

/* The fault came from the program's own store, so no call on the space is under way in this thread,
 * and the handler may call hf_space_protect. */
static void make_writable(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    size_t at = (size_t)((char *)info->si_addr - base) / page;
    if (at >= TRACKED_BYTES / page) _exit(99);
    atomic_fetch_add(&faults, 1);
    is_dirty[at]++;
    if (hf_space_protect(space, at * page, page, HF_PROTECT_READ_WRITE) != HF_OK)
        atomic_fetch_add(&failures, 1);
}

/* Stores into every third page, twice. */
static void store_and_compare(unsigned char value) {
    size_t pages = TRACKED_BYTES / page, dirty = 0;
    memset(is_dirty, 0, sizeof is_dirty);
    atomic_store(&faults, 0);
    CHECK_STATUS(HF_OK, hf_space_protect(space, 0, TRACKED_BYTES, HF_PROTECT_READ));
    for (size_t i = 0; i < pages; i += 3) {
        ((volatile unsigned char *)base)[i * page] = value;
        ((volatile unsigned char *)base)[i * page + 1] = value;
    }
    for (size_t i = 0; i < pages; i++) {
        CHECK_EQUAL(i % 3 == 0, is_dirty[i]);
        CHECK_EQUAL(i % 3 == 0 ? value : 0, (unsigned char)base[i * page]);
        dirty += is_dirty[i];
    }
    CHECK_EQUAL(dirty, atomic_load(&faults));
    CHECK_EQUAL(0, atomic_load(&failures));
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

static void track_dirty_pages(void *unused) {
    (void)unused;
    hf_region region;
    open_space(TRACKED_BYTES / 4096 + 16);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, TRACKED_BYTES));
    handle_faults(make_writable);
    store_and_compare(1);
    store_and_compare(2);
    stop_handling_faults();
    CHECK_EQUAL(2, hf_space_get_stats(space).regions);
    CHECK(hf_space_find(space, 0, &region) && region.protection == HF_PROTECT_READ_WRITE);
    CHECK(hf_space_find(space, page, &region) && region.protection == HF_PROTECT_READ);
    hf_space_close(space);
}

static void a_handler_tracks_the_pages_that_are_stored_into(void) {
    CHECK(process_runs(track_dirty_pages, NULL));
}

/* Two threads store into their own halves: both handlers wait for the lock of the space. */
static void *store_into_half(void *half) {
    size_t pages = TRACKED_BYTES / page / 2, first = half ? pages : 0;
    for (size_t i = first; i < first + pages; i += 2)
        ((volatile unsigned char *)base)[i * page] = 7;
    return NULL;
}

static void track_in_threads(void *unused) {
    (void)unused;
    pthread_t other;
    open_space(TRACKED_BYTES / 4096 + 16);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, TRACKED_BYTES));
    CHECK_STATUS(HF_OK, hf_space_protect(space, 0, TRACKED_BYTES, HF_PROTECT_READ));
    atomic_store(&faults, 0);
    handle_faults(make_writable);
    CHECK(pthread_create(&other, NULL, store_into_half, base) == 0);
    store_into_half(NULL);
    CHECK(pthread_join(other, NULL) == 0);
    stop_handling_faults();
    CHECK_EQUAL(TRACKED_BYTES / page / 2, atomic_load(&faults));
    CHECK_EQUAL(0, atomic_load(&failures));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void handlers_of_two_threads(void) { CHECK(process_runs(track_in_threads, NULL)); }

/* ----------------------------------------------------------------- a reader of the rest ----- */

enum { ROUNDS = 10000, VIEW_PAGES = 16 };

static atomic_bool is_over;
static atomic_size_t reads, wrong;
static atomic_size_t lowest_other, highest_other; /* pages that the reader leaves out */

static void count_and_end(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    _exit(98); /* a fault: process_runs is false */
}

/* Reads the pages outside of [lowest_other, highest_other). Page n contains n + 1. */
static void *read_rest(void *unused) {
    (void)unused;
    while (!atomic_load(&is_over)) {
        size_t low = atomic_load(&lowest_other), high = atomic_load(&highest_other);
        for (size_t i = 0; i < VIEW_PAGES; i++) {
            if (i >= low && i < high) continue;
            if (((volatile unsigned char *)base)[i * page] != i + 1) atomic_fetch_add(&wrong, 1);
        }
        atomic_fetch_add(&reads, 1);
    }
    return NULL;
}

static hf_file *open_view(void) {
    hf_file *file;
    open_space(VIEW_PAGES);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, VIEW_PAGES * page, NULL));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, VIEW_PAGES * page, file, 0, HF_READ_WRITE));
    for (size_t i = 0; i < VIEW_PAGES; i++) memset(base + i * page, (int)i + 1, page);
    return file;
}

/* Runs the body while another thread reads. */
static void while_reading(void *(*reader)(void *), void (*body)(hf_file *)) {
    pthread_t thread;
    hf_file *file = open_view();
    handle_faults(count_and_end);
    CHECK(pthread_create(&thread, NULL, reader, NULL) == 0);
    while (atomic_load(&reads) == 0) continue;
    body(file);
    atomic_store(&is_over, true);
    CHECK(pthread_join(thread, NULL) == 0);
    stop_handling_faults();
    CHECK_EQUAL(0, atomic_load(&wrong));
    CHECK(atomic_load(&reads) > 1);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_file_close(file);
    hf_space_close(space);
}

/* Pages 5 to 10 are unmapped and mapped again; the reader reads the others. */
static void unmap_and_map(hf_file *file) {
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t first = 5 + i % 3, count = 1 + i % 4;
        CHECK_STATUS(HF_OK, i % 2 ? hf_space_unmap(space, first * page, count * page)
                                  : hf_space_release_range(space, first * page, count * page));
        CHECK_STATUS(HF_OK, hf_space_map_range(space, first * page, count * page, file,
                                               first * page, HF_READ_WRITE));
        CHECK_STATUS(HF_OK,
                     hf_space_remap_range(space, 0, VIEW_PAGES * page, file, 0, HF_READ_WRITE));
    }
}

static void read_while_unmapping(void *unused) {
    (void)unused;
    atomic_store(&lowest_other, 5);
    atomic_store(&highest_other, 11);
    while_reading(read_rest, unmap_and_map);
}

static void the_rest_of_a_view_never_faults(void) {
    CHECK(process_runs(read_while_unmapping, NULL));
}

/* The reader sees the bytes of the old view, or of the new one: page n of the file, or n + 1. */
static void *read_old_or_new(void *unused) {
    (void)unused;
    while (!atomic_load(&is_over)) {
        for (size_t i = 0; i + 1 < VIEW_PAGES; i++) {
            unsigned char byte = ((volatile unsigned char *)base)[i * page];
            if (byte != i + 1 && byte != i + 2) atomic_fetch_add(&wrong, 1);
        }
        atomic_fetch_add(&reads, 1);
    }
    return NULL;
}

static void remap_alternately(hf_file *file) {
    size_t size = (VIEW_PAGES - 1) * page;
    for (size_t i = 0; i < ROUNDS; i++) {
        static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
        CHECK_STATUS(HF_OK,
                     hf_space_remap_range(space, 0, size, file, i % 2 * page, accesses[i % 3]));
    }
}

static void read_while_remapping(void *unused) {
    (void)unused;
    while_reading(read_old_or_new, remap_alternately);
}

static void remap_is_atomic_for_a_reader(void) { CHECK(process_runs(read_while_remapping, NULL)); }

/* -------------------------------------------------------------------------------- fork ------ */

static void change_in_child(void *unused) {
    (void)unused;
    CHECK(probe_readable(base) && !probe_writable(base) && !probe_readable(base + page));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_protect(space, 0, 2 * page, HF_PROTECT_READ_WRITE));
    memset(base, 9, 2 * page);
    CHECK_STATUS(HF_OK, hf_space_unmap(space, 5 * page, page));
    CHECK_STATUS(HF_OK, hf_space_reset_range(space, 2 * page, 2 * page));
    CHECK_EQUAL(0, base[2 * page]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

/* A child has the parent's protections; what it changes does not reach the parent. */
static void a_fork_has_its_own_protections(void) {
    hf_file *file;
    open_space(16);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 4 * page, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 4 * page));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 4 * page, 4 * page, file, 0, HF_READ_WRITE));
    memset(base, 1, 4 * page);
    CHECK_STATUS(HF_OK, hf_space_protect(space, 0, page, HF_PROTECT_READ));
    CHECK_STATUS(HF_OK, hf_space_protect(space, page, page, HF_PROTECT_NONE));
    CHECK(process_runs(change_in_child, NULL));
    CHECK(probe_readable(base) && !probe_writable(base) && !probe_readable(base + page));
    CHECK(probe_writable(base + 5 * page));
    CHECK_EQUAL(1, base[0]);
    CHECK_EQUAL(1, base[2 * page]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    hf_file_close(file);
}

/* ------------------------------------------------------------------------ locked pages ------ */

#ifdef __linux__

enum { DROP_LOCKED = 24 }; /* MADV_DONTNEED_LOCKED, of Linux 5.18 */

static bool can_drop_locked_pages(void) {
    void *address = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(address != MAP_FAILED);
    bool can = madvise(address, page, DROP_LOCKED) == 0;
    munmap(address, page);
    return can;
}

#else

static bool can_drop_locked_pages(void) { return true; }

#endif

/* Pages that are locked read as zero, too. A Linux before 5.18 says that it cannot. */
static void locked_pages_are_reset(void) {
    open_space(16);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 8 * page));
    memset(base, 1, 8 * page);
    if (mlock(base + 2 * page, 2 * page) != 0) {
        check_skip("RLIMIT_MEMLOCK allows no locked page");
        hf_space_close(space);
        return;
    }
    bool can = can_drop_locked_pages();
    CHECK_STATUS(can ? HF_OK : HF_UNSUPPORTED, hf_space_reset_range(space, page, 4 * page));
    for (size_t i = 1; can && i < 5; i++) CHECK_EQUAL(0, base[i * page]);
    CHECK_EQUAL(1, base[0]);
    CHECK_EQUAL(1, base[5 * page]);
    CHECK(munlock(base + 2 * page, 2 * page) == 0);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* --------------------------------------------------------------------- list of mappings ----- */

static void an_extended_region_is_one_mapping(void) {
    enum { STEPS = 1000 };
    size_t step = HF_ALLOCATION_GRANULARITY;
    open_space((STEPS + 2) * (step / hf_backend_native()->page_size(hf_backend_native())));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, step));
    base[0] = 'x';
    for (size_t i = 1; i <= STEPS; i++)
        CHECK_STATUS(HF_OK, hf_space_extend(space, 0, i * step, (i + 1) * step));
    CHECK_EQUAL(1, process_memory_of(base, (STEPS + 1) * step).mappings);
    CHECK_EQUAL(2, hf_space_get_stats(space).regions);
    hf_space_close(space);
}

/* After all pages have one protection again they are one mapping. */
static void protections_that_are_equal_again_are_one_mapping(void) {
    open_space(256);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 128 * page));
    memset(base, 1, 128 * page);
    for (size_t i = 0; i < 128; i += 2)
        CHECK_STATUS(HF_OK, hf_space_protect(space, i * page, page, HF_PROTECT_READ));
    CHECK_EQUAL(128, process_memory_of(base, 128 * page).mappings);
    CHECK_STATUS(HF_OK, hf_space_protect(space, 0, 128 * page, HF_PROTECT_READ_WRITE));
    CHECK_EQUAL(1, process_memory_of(base, 128 * page).mappings);
    hf_space_close(space);
}

CHECK_MAIN(TEST(a_handler_tracks_the_pages_that_are_stored_into), TEST(handlers_of_two_threads),
           TEST(the_rest_of_a_view_never_faults), TEST(remap_is_atomic_for_a_reader),
           TEST(a_fork_has_its_own_protections), TEST(locked_pages_are_reset),
           TEST(an_extended_region_is_one_mapping),
           TEST(protections_that_are_equal_again_are_one_mapping))
