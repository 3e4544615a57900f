/*
 * Tests of the POSIX backend in which the n-th system call fails.
 *
 * This file includes the source of the backend, after macros that make the n-th system call fail
 * with a chosen code. That reaches what the strict backend cannot: codes for a lack of memory,
 * mappings, descriptors or disk space in the middle of one step, and old kernels.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <holdfast/arena.h>

#include "../src/space_record.h"
#include "check.h"
#include "probe.h"
#include "process.h"
#include "space_fixture.h"

/* ----------------------------------------------------------------------- Faults ------------ */

#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC 0x958458f6u
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

static struct faults {
    const char *only; /* the only function that fails; NULL: any function fails */
    size_t nth;       /* number of the call that fails; 0: none */
    bool from_then_on;
    int code;
    size_t calls, failures;
    size_t made;                        /* system calls of every kind, failed or not */
    const char *last;                   /* the function that failed last */
    bool leaves_gap;                    /* mmap fails after it has removed the old mapping */
    bool pretends_huge;                 /* ordinary files and memory pass as huge pages */
    bool ignores_exactly;               /* like a kernel without MAP_FIXED_NOREPLACE */
    char *hint;                         /* address of the next mapping */
    const char *replaced, *replacement; /* openat(replaced) opens replacement */
    bool hides_proc;
    size_t most; /* bytes that one call reads or writes at most; 0: no limit */
} faults;

static bool is_one_of(const char *name, const char *const *names) {
    while (*names && strcmp(name, *names) != 0) names++;
    return *names != NULL;
}

/* A signal never interrupts these calls. */
static bool is_never_interrupted(const char *function) {
    static const char *const names[] = {"mmap",  "munmap",    "mprotect", "madvise", "prctl",
                                        "close", "getrlimit", "mutex",    "mlock",   "munlock",
                                        "lseek", "ioctl",     NULL};
    return is_one_of(function, names);
}

static bool fails(const char *function) {
    faults.made++;
    if (faults.code == EINTR && is_never_interrupted(function)) return false;
    if (faults.nth == 0 || (faults.only && strcmp(faults.only, function) != 0)) return false;
    faults.calls++;
    bool now = faults.calls == faults.nth || (faults.from_then_on && faults.calls > faults.nth);
    faults.failures += now;
    if (now) errno = faults.code, faults.last = function;
    return now;
}

static const char *path_of(const char *path) {
    if (faults.hides_proc && strncmp(path, "/proc/", 6) == 0) return "/nowhere";
    bool is_replaced = faults.replaced && strcmp(path, faults.replaced) == 0;
    return is_replaced ? faults.replacement : path;
}

static void *map_or_fail(void *address, size_t size, int protection, int flags, int file,
                         off_t offset) {
    if (fails("mmap")) {
        if (faults.leaves_gap) munmap(address, size);
        return MAP_FAILED;
    }
    if (faults.pretends_huge) flags &= (1 << MAP_HUGE_SHIFT) - 1 - MAP_HUGETLB;
#ifdef MAP_FIXED_NOREPLACE
    if (faults.ignores_exactly) flags &= ~MAP_FIXED_NOREPLACE;
#endif
    if (faults.hint) address = faults.hint;
    faults.hint = NULL;
    return mmap(address, size, protection, flags, file, offset);
}

static size_t at_most(size_t size) {
    return faults.most == 0 || size < faults.most ? size : faults.most;
}

static const char *name_of_open(int folder) { return folder == AT_FDCWD ? "open" : "openat"; }

/* A close that fails has closed the descriptor all the same. */
static int close_or_fail(int descriptor) {
    int result = close(descriptor);
    return fails("close") ? -1 : result;
}

static size_t longest_name; /* of a shared memory object */

static const char *note_name(const char *name) {
    if (strlen(name) > longest_name) longest_name = strlen(name);
    return name;
}

#ifndef HF_GENERIC_POSIX
/* Writes at most a part of the first buffer. */
static ssize_t write_parts_or_fail(int file, const struct iovec *parts, int count, off_t offset) {
    if (fails("pwritev")) return -1;
    if (faults.most == 0) return pwritev(file, parts, count, offset);
    return pwrite(file, parts->iov_base, at_most(parts->iov_len), offset);
}

static int fstatfs_or_fail(int file, struct statfs *system) {
    if (fails("fstatfs") || fstatfs(file, system) != 0) return -1;
    if (faults.pretends_huge)
        system->f_type = (__typeof__(system->f_type))HUGETLBFS_MAGIC, system->f_bsize = 1 << 21;
    return 0;
}
#endif

#define mmap map_or_fail
#define munmap(...) (fails("munmap") ? -1 : munmap(__VA_ARGS__))
#define mprotect(...) (fails("mprotect") ? -1 : mprotect(__VA_ARGS__))
#define madvise(...) (fails("madvise") ? -1 : madvise(__VA_ARGS__))
#define prctl(...) (fails("prctl") ? -1 : prctl(__VA_ARGS__))
#define openat(folder, path, ...) \
    (fails(name_of_open(folder)) ? -1 : openat(folder, path_of(path), __VA_ARGS__))
#define close close_or_fail
#define read(...) (fails("read") ? -1 : read(__VA_ARGS__))
#define fstat(...) (fails("fstat") ? -1 : fstat(__VA_ARGS__))
#define fstatat(...) (fails("fstatat") ? -1 : fstatat(__VA_ARGS__))
#define fcntl(...) (fails("fcntl") ? -1 : fcntl(__VA_ARGS__))
#define getrlimit(...) (fails("getrlimit") ? -1 : getrlimit(__VA_ARGS__))
#define mremap(...) (fails("mremap") ? MAP_FAILED : mremap(__VA_ARGS__))
#define uname(...) (fails("uname") ? -1 : uname(__VA_ARGS__))
#define munlock(...) (fails("munlock") ? -1 : munlock(__VA_ARGS__))
#define mlock(...) (fails("mlock") ? -1 : mlock(__VA_ARGS__))
#define memfd_create(...) (fails("memfd_create") ? -1 : memfd_create(__VA_ARGS__))
#define shm_open(name, ...) (fails("shm_open") ? -1 : shm_open(note_name(name), __VA_ARGS__))
#define shm_unlink(...) (faults.made++, shm_unlink(__VA_ARGS__))
#define ftruncate(...) (fails("ftruncate") ? -1 : ftruncate(__VA_ARGS__))
#define pwrite(file, bytes, size, offset) \
    (fails("pwrite") ? -1 : pwrite(file, bytes, at_most(size), offset))
#define pwritev write_parts_or_fail
#define pread(file, bytes, size, offset) \
    (fails("pread") ? -1 : pread(file, bytes, at_most(size), offset))
#define fallocate(...) (fails("fallocate") ? -1 : fallocate(__VA_ARGS__))
#define fsync(...) (fails("fsync") ? -1 : fsync(__VA_ARGS__))
#define msync(...) (fails("msync") ? -1 : msync(__VA_ARGS__))
#define flock(...) (fails("flock") ? -1 : flock(__VA_ARGS__))
#define renameat(...) (fails("renameat") ? -1 : renameat(__VA_ARGS__))
#define lseek(...) (fails("lseek") ? -1 : lseek(__VA_ARGS__))
#define ioctl(...) (fails("ioctl") ? -1 : ioctl(__VA_ARGS__))
#define fstatfs fstatfs_or_fail
#define fstatvfs(...) (fails("fstatvfs") ? -1 : fstatvfs(__VA_ARGS__))
#define linkat(...) (fails("linkat") ? -1 : linkat(__VA_ARGS__))
#define syscall(...) (fails("syscall") ? -1 : syscall(__VA_ARGS__))
#define geteuid() (faults.made++, geteuid())
#define fgetxattr(...) (fails("fgetxattr") ? -1 : fgetxattr(__VA_ARGS__))
#define fsetxattr(...) (fails("fsetxattr") ? -1 : fsetxattr(__VA_ARGS__))
#define fremovexattr(...) (fails("fremovexattr") ? -1 : fremovexattr(__VA_ARGS__))
#define unlinkat(...) (fails("unlinkat") ? -1 : unlinkat(__VA_ARGS__))
#define readlinkat(...) (fails("readlinkat") ? -1 : readlinkat(__VA_ARGS__))
#define fchmod(...) (fails("fchmod") ? -1 : fchmod(__VA_ARGS__))
#define fchown(...) (fails("fchown") ? -1 : fchown(__VA_ARGS__))
#define pthread_sigmask(...) (faults.made++, pthread_sigmask(__VA_ARGS__))
#define posix_fallocate(...) (fails("posix_fallocate") ? faults.code : posix_fallocate(__VA_ARGS__))
#define pthread_mutex_init(...) (fails("mutex") ? faults.code : pthread_mutex_init(__VA_ARGS__))
#define pthread_atfork(...) (fails("pthread_atfork") ? faults.code : pthread_atfork(__VA_ARGS__))

#define POSIX_MOST_DRAFTS 3 /* enough, because each call fails once in turn */

#include "../src/backend/posix.c"

#undef mmap
#undef munmap
#undef mprotect
#undef madvise
#undef prctl
#undef openat
#undef close
#undef read
#undef fstat
#undef fstatat
#undef fcntl
#undef getrlimit
#undef mremap
#undef uname
#undef munlock
#undef mlock
#undef memfd_create
#undef shm_open
#undef shm_unlink
#undef ftruncate
#undef pwrite
#undef pwritev
#undef pread
#undef fallocate
#undef fsync
#undef msync
#undef flock
#undef renameat
#undef lseek
#undef ioctl
#undef fstatfs
#undef fstatvfs
#undef linkat
#undef syscall
#undef geteuid
#undef fgetxattr
#undef fsetxattr
#undef fremovexattr
#undef unlinkat
#undef readlinkat
#undef fchmod
#undef fchown
#undef pthread_sigmask
#undef posix_fallocate
#undef pthread_mutex_init
#undef pthread_atfork

static void fail_nth(const char *only, size_t nth, bool from_then_on, int code) {
    faults = (struct faults){.only = only, .nth = nth, .from_then_on = from_then_on, .code = code};
}

static void fail_no_more(void) { faults.nth = 0; }

static const char path[] = "test_posix_failures.tmp";

static size_t page(void) { return posix_page_size(NULL); }

/* ---------------------------------------------------------- Steps from drawings ------------ */

static int step_code;
static bool step_from_then_on, step_leaves_gap;

/* A decommit that fails with HF_MAP_LIMIT may have freed the pages; the region stays committed. */
static void forget_freed_pages(struct space_fixture *fixture, const struct drawn *drawn) {
    for (size_t i = drawn->first; i < drawn->first + drawn->count; i++) {
        const char *byte = hf_space_base(fixture->space) + i * fixture->page_size;
        if (fixture->now.letters[i] == 'c' && *byte == 0) fixture->filled[i] = 0;
    }
}

static bool meets_failure(const struct drawn *drawn, size_t nth) {
    struct space_fixture fixture;
    size_t outer = check_enter("system call %zu failing with %d, from then on: %d, gap: %d", nth,
                               step_code, step_from_then_on, step_leaves_gap);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &drawn->before);
    fail_nth(NULL, nth, step_from_then_on, step_code);
    faults.leaves_gap = step_leaves_gap;
    hf_status status = drawn_run(drawn, &fixture);
    fail_no_more();
    if (status != HF_OK) {
        CHECK(faults.failures > 0);
        CHECK(step_code == EAGAIN ? status == HF_NO_ADDRESS
                                  : status == HF_NO_MEMORY || status == HF_MAP_LIMIT);
        CHECK_EQUAL(step_code, hf_last_error().os_code);
        if (status == HF_MAP_LIMIT) forget_freed_pages(&fixture, drawn);
        space_fixture_expect(&fixture, &drawn->before);
        CHECK_STATUS(HF_OK, drawn_run(drawn, &fixture));
    }
    space_fixture_expect(&fixture, &drawn->after);
    space_fixture_close(&fixture);
    check_leave(outer);
    return faults.failures > 0;
}

static void fail_each_call(const struct drawn *drawn) {
    size_t nth = 1;
    while (meets_failure(drawn, nth)) nth++;
    CHECK(nth > 1);
}

static void fail_each_call_in_every_way(const struct step *step, const char *drawing) {
    static const int codes[] = {ENOMEM, EAGAIN};
    for (size_t i = 0; i < 4; i++) {
        step_code = codes[i % 2];
        step_from_then_on = i / 2;
        drawing_each(step, drawing, fail_each_call);
    }
}

static void a_failed_commit_leaves_a_placeholder(void) {
    fail_each_call_in_every_way(&step_commit, "p p     c|p p|c     v|p|v\n"
                                              "---       ---         -  \n"
                                              "c c     c|c c|c     v|c|v\n");
    fail_each_call_in_every_way(&step_commit_range, "p p     p p p     c|p p p|v\n"
                                                    "---     ---           -    \n"
                                                    "c c     c c|p     c|p|c|p|v\n");
}

static void a_failed_decommit_leaves_it_committed(void) {
    fail_each_call_in_every_way(&step_decommit, "c c     c c c     p|c c c|p\n"
                                                "---       -         ---    \n"
                                                "p p     c|p|c     p|p p|c|p\n");
    fail_each_call_in_every_way(&step_release_range, "c c     c c c     p|c c c|p\n"
                                                     "---       -         ---    \n"
                                                     "p p     c|p|c     p p p|c|p\n");
}

static void a_failed_map_leaves_a_placeholder(void) {
    fail_each_call_in_every_way(&step_map, "p p     c|p p|c     p|p|p\n"
                                           "---       ---         -  \n"
                                           "v v     c|v v|c     p|v|p\n");
    fail_each_call_in_every_way(&step_map_range, "p p     p p p     c|p p p|v\n"
                                                 "---     ---           -    \n"
                                                 "v v     v v|p     c|p|v|p|v\n");
}

static void a_failed_unmap_leaves_a_view(void) {
    fail_each_call_in_every_way(&step_unmap, "v v     c|r r|c     p|w|p\n"
                                             "---       ---         -  \n"
                                             "p p     c|p p|c     p|p|p\n");
}

/* mmap fails after it has removed the placeholder: the backend maps a placeholder there again. */
static void a_gap_is_covered_again(void) {
    step_leaves_gap = true;
    step_from_then_on = false;
    step_code = ENOMEM;
    drawing_each(&step_map,
                 "p p     c|p p|c     p|p|p\n"
                 "---       ---         -  \n"
                 "v v     c|v v|c     p|v|p\n",
                 fail_each_call);
    step_leaves_gap = false;
}

/* Each mmap of a remap fails with the code. With a gap what was there is gone: the range becomes a
 * placeholder, and the error says so. */
static bool remap_meets_failure(const struct drawn *drawn, size_t nth) {
    struct space_fixture fixture;
    size_t outer =
        check_enter("mmap %zu failing with %d, gap: %d", nth, step_code, step_leaves_gap);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &drawn->before);
    fail_nth("mmap", nth, false, step_code);
    faults.leaves_gap = step_leaves_gap;
    hf_status status = drawn_run(drawn, &fixture);
    bool met = faults.failures > 0;
    fail_no_more();
    CHECK((status != HF_OK) == met);
    if (met) {
        CHECK_EQUAL(step_code, hf_last_error().os_code);
        CHECK(hf_last_error().undo_failed == step_leaves_gap);
        CHECK_EQUAL(drawn->first * page(), hf_last_error().offset);
        space_fixture_expect(&fixture, step_leaves_gap ? &drawn->undo_failed : &drawn->before);
        CHECK_STATUS(HF_OK, drawn_run(drawn, &fixture));
    }
    space_fixture_expect(&fixture, &drawn->after);
    space_fixture_close(&fixture);
    check_leave(outer);
    return met;
}

static void fail_each_mmap(const struct drawn *drawn) {
    size_t nth = 1;
    while (remap_meets_failure(drawn, nth)) nth++;
    CHECK(nth > 1);
}

static void a_failed_remap_leaves_what_was_there(void) {
    static const char drawing[] = "p p     c c c     c c|v     w w w     c|p p|v\n"
                                  "---       -         ---     ---       -----  \n"
                                  "v v     c|v|c     c|v v     v v|w     v v v|v\n"
                                  "p p     c|p|c     c|p p     p p|w     p p p|v\n";
    static const int codes[] = {ENOMEM, EAGAIN, EACCES, ENODEV};
    for (size_t i = 0; i < 2 * sizeof codes / sizeof *codes; i++) {
        step_code = codes[i / 2];
        step_leaves_gap = i % 2;
        drawing_each(&step_remap_range, drawing, fail_each_mmap);
    }
    step_leaves_gap = false;
}

/* mprotect changes the first page and fails at the second, which is not mapped. */
static void half_a_commit_is_taken_back(void) {
    struct space_fixture fixture;
    struct picture picture = picture_parse("p p", 3);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    char *second = hf_space_base(fixture.space) + fixture.page_size;
    CHECK(munmap(second, fixture.page_size) == 0);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit(fixture.space, 0, 2 * fixture.page_size));
    CHECK(mmap(second, fixture.page_size, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
               0) == second);
    space_fixture_expect(&fixture, &picture);
    space_fixture_close(&fixture);
}

/* ----------------------------------------------------------------- Reservations ------------ */

static hf_report report;

static void *reserve_somewhere(size_t size) {
    void *address;
    CHECK_STATUS(HF_OK, posix_reserve(NULL, NULL, size, &address, &report));
    CHECK_EQUAL(0, (uintptr_t)address % HF_ALLOCATION_GRANULARITY);
    return address;
}

static bool is_mapped(char *address, size_t size) {
    void *got = mmap(address, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(got != MAP_FAILED && munmap(got, size) == 0);
    return got != address;
}

static void a_failed_reservation_reserves_nothing(void) {
    static const int codes[] = {ENOMEM, EAGAIN};
    void *const untouched = &report, *address = untouched;
    char *base = reserve_somewhere(16 * HF_ALLOCATION_GRANULARITY);
    posix_release(NULL, base, 16 * HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
    for (size_t i = 0; i < 2; i++) {
        fail_nth("mmap", 1, false, codes[i]);
        CHECK_STATUS(HF_NO_ADDRESS, posix_reserve(NULL, NULL, page(), &address, &report));
        CHECK_EQUAL(codes[i], report.os_code);
        fail_nth("mmap", 1, false, codes[i]);
        CHECK_STATUS(HF_NO_ADDRESS, posix_reserve(NULL, base, page(), &address, &report));
        CHECK(!is_mapped(base, 16 * HF_ALLOCATION_GRANULARITY));
        fail_nth("mmap", 2, false, codes[i]); /* the first mapping was not aligned */
        faults.hint = base + page();
        CHECK_STATUS(HF_NO_ADDRESS, posix_reserve(NULL, NULL, page(), &address, &report));
        CHECK(!is_mapped(base, 16 * HF_ALLOCATION_GRANULARITY));
    }
    CHECK(address == untouched);
    fail_no_more();
}

/* |  slack  |     size     | slack |  with all of the slack below, above, or on both sides. */
static void the_slack_is_unmapped(void) {
    size_t unit = HF_ALLOCATION_GRANULARITY, size = 2 * unit;
    char *base = reserve_somewhere(16 * unit);
    void *address;
    posix_release(NULL, base, 16 * unit, HF_PLACEHOLDER);
    for (size_t below = 0; below < unit; below += unit / 4) {
        faults = (struct faults){.hint = base + page()};
        void *unaligned = posix_map_anonymous(NULL, size, PROT_NONE, 0, &report);
        CHECK(unaligned == base + page() && munmap(unaligned, size) == 0);
        faults.hint = base + 4 * unit + below;
        CHECK_STATUS(HF_OK, posix_reserve_aligned(size, unit, &address, &report));
        CHECK(address == base + (below ? 5 : 4) * unit);
        CHECK(!is_mapped(base, 4 * unit) && !is_mapped((char *)address + size, 4 * unit));
        CHECK(is_mapped(address, page()));
        posix_release(NULL, address, size, HF_PLACEHOLDER);
    }
    CHECK_STATUS(HF_NO_ADDRESS,
                 posix_reserve_aligned(SIZE_MAX - page() + 1, unit, &address, &report));
}

/* A base that is in use, on a kernel that treats the base as a hint. */
static void an_old_kernel_ignores_noreplace(void) {
    char *mapped = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    void *address = NULL;
    faults = (struct faults){.ignores_exactly = true};
    CHECK_STATUS(HF_NO_ADDRESS,
                 posix_reserve(NULL, mapped, HF_ALLOCATION_GRANULARITY, &address, &report));
    CHECK_EQUAL(EEXIST, report.os_code);
    CHECK(address == NULL);
    posix_release(NULL, mapped, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
    CHECK_STATUS(HF_OK, posix_reserve(NULL, mapped, HF_ALLOCATION_GRANULARITY, &address, &report));
    CHECK(address == mapped);
    posix_release(NULL, mapped, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
    faults.ignores_exactly = false;
}

/* If munmap fails, the addresses stay reserved, but on Linux their pages are freed. */
static void a_failed_release_frees_the_pages(void) {
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    CHECK_STATUS(HF_OK, posix_commit(NULL, base, HF_ALLOCATION_GRANULARITY, &report));
    *base = 'x';
    fail_nth("munmap", 1, false, ENOMEM);
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_COMMITTED);
    fail_no_more();
    CHECK_EQUAL(POSIX_LINUX ? 0 : 'x', *base);
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_COMMITTED);
    CHECK(!is_mapped(base, HF_ALLOCATION_GRANULARITY));
}

/* ------------------------------------------------- Records and space in one mapping -------- */

static bool has_joint(void) {
    if (hf_backend_native()->reserve_with_pages) return true;
    check_skip("the backend reserves no pages with a placeholder");
    return false;
}

static hf_reservation reserve_joint(size_t size) {
    hf_reservation made;
    const hf_backend *native = hf_backend_native();
    CHECK_STATUS(HF_OK, native->reserve_with_pages(native, size, page(), &made, &report));
    return made;
}

/* The pages are zero; the placeholder behind them faults, and begins 192 KiB below a multiple of 2
 * MiB if it is as large; all of it is one mapping that one munmap removes. */
static void pages_and_placeholder_are_released_at_once(void) {
    static const size_t sizes[] = {1 << 12, 1 << 16, 1 << 20, 1 << 21, (1 << 21) + (1 << 16),
                                   1 << 26};
    const hf_backend *native = hf_backend_native();
    if (!has_joint()) return;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = hf_round_up(sizes[i], page()), outer = check_enter("%zu bytes", size);
        hf_reservation made = reserve_joint(size);
        char *pages = made.pages, *base = made.address;
        CHECK_EQUAL(0, ((uintptr_t)base + (192 << 10)) % posix_reserve_alignment(size));
        CHECK_EQUAL(0, (uintptr_t)base % HF_ALLOCATION_GRANULARITY);
        CHECK(pages >= (char *)made.mapping && base >= pages + page());
        CHECK(base + size <= (char *)made.mapping + made.total);
        for (size_t at = 0; at < page(); at++) CHECK_EQUAL(0, pages[at]);
        CHECK(!probe_readable(base) && !probe_readable(base + size - 1));
        CHECK_STATUS(HF_OK, native->commit_first(native, base, page(), &report));
        memset(base, 'c', page());
        size_t made_before = faults.made;
        native->release_with_pages(native, &made);
        CHECK_EQUAL(1, faults.made - made_before);
        CHECK(!is_mapped(made.mapping, made.total));
        check_leave(outer);
    }
}

/* The pages lie at a multiple of the alignment wherever the mapping begins. */
static void a_joint_mapping_is_aligned_by_its_slack(void) {
    size_t unit = HF_ALLOCATION_GRANULARITY;
    const hf_backend *native = hf_backend_native();
    if (!has_joint()) return;
    char *free_range = reserve_somewhere(16 * unit);
    posix_release(NULL, free_range, 16 * unit, HF_PLACEHOLDER);
    for (size_t below = page(); below < unit; below += unit / 4) {
        faults.hint = free_range + below;
        hf_reservation made = reserve_joint(2 * unit);
        CHECK(made.mapping == free_range + below);
        CHECK(made.pages == free_range + unit && made.address == free_range + 2 * unit);
        CHECK((char *)made.mapping + made.total >= free_range + 4 * unit);
        native->release_with_pages(native, &made);
        CHECK(!is_mapped(free_range, 16 * unit));
    }
    hf_reservation untouched = {0};
    CHECK_STATUS(HF_NO_ADDRESS, native->reserve_with_pages(native, SIZE_MAX - page() + 1, page(),
                                                           &untouched, &report));
    CHECK(untouched.pages == NULL);
}

/* If munmap fails, the addresses stay reserved, but on Linux their pages are freed. */
static void a_failed_release_of_all_frees_the_pages(void) {
    const hf_backend *native = hf_backend_native();
    if (!has_joint()) return;
    hf_reservation made = reserve_joint(HF_ALLOCATION_GRANULARITY);
    char *pages = made.pages;
    *pages = 'x';
    fail_nth("munmap", 1, false, ENOMEM);
    native->release_with_pages(native, &made);
    fail_no_more();
    CHECK_EQUAL(POSIX_LINUX ? 0 : 'x', *pages);
    native->release_with_pages(native, &made);
    CHECK(!is_mapped(made.mapping, made.total));
}

static const hf_arena_options one_size = {.reserve = 1 << 26, .least_reserve = 1 << 26};

/* Opens an arena while system calls fail. True if one failed. */
static bool arena_meets_failure(size_t nth, bool from_then_on, int code) {
    hf_arena arena;
    fail_nth(NULL, nth, from_then_on, code);
    size_t made = faults.made;
    hf_status status = hf_arena_open(&arena, &one_size);
    made = faults.made - made;
    fail_no_more();
    bool met = faults.failures > 0;
    if (status == HF_OK) { /* initializing the mutex is counted too, and is no system call */
        CHECK_EQUAL(made - 1, hf_arena_get_stats(&arena).system_calls);
        char *block = hf_alloc(&arena, 64, 64);
        CHECK(block != NULL && *block == 0);
        *block = 'x';
    } else {
        bool at_limit = from_then_on && status == HF_MAP_LIMIT; /* the limit's probe fails too */
        CHECK(met && (at_limit || status == HF_NO_ADDRESS || status == HF_NO_MEMORY));
        CHECK_STATUS(status, hf_last_error().status);
        CHECK_EQUAL(code, hf_last_error().os_code);
        CHECK(arena.state == NULL);
    }
    hf_arena_close(&arena);
    return met;
}

/* Bytes of all mappings of the process; 0 where there is no /proc. A count of mappings would not
 * do: the kernel merges those that are alike. */
static size_t mapped_bytes(void) {
    char line[512];
    size_t begin, end, sum = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL) return 0;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%zx-%zx ", &begin, &end) == 2) sum += end - begin;
    fclose(maps);
    return sum;
}

static void an_arena_opens_whole_or_not_at_all(void) {
    static const int codes[] = {ENOMEM, EAGAIN};
    arena_meets_failure(0, false, 0);
    mapped_bytes();
    for (size_t way = 0; way < 4; way++) {
        size_t nth = 1;
        bool met = true;
        for (; met; nth++) {
            size_t outer = check_enter("call %zu failing, way %zu", nth, way);
            size_t before = mapped_bytes();
            met = arena_meets_failure(nth, way / 2, codes[way % 2]);
            /* Where munmap fails, the addresses stay reserved: on 32 bits, where a reservation is
             * trimmed, that may be the only failure. */
            if (way < 2 && UINTPTR_MAX > UINT32_MAX) CHECK_EQUAL(before, mapped_bytes());
            check_leave(outer);
        }
        CHECK(nth > 3);
    }
}

/* A space with so many regions has further pages for their records. */
static void closing_a_joint_space_leaves_nothing(void) {
    hf_space_record record = {.size = 100};
    hf_space *space;
    size_t before = 0;
    for (int round = 0; round < 2; round++) { /* the first may allocate a buffer for stdio */
        before = mapped_bytes();
        CHECK_STATUS(HF_OK,
                     hf_space_open_with(&space, 400 * page(), &(hf_space_options){0}, &record));
        for (size_t i = 0; i < 400; i += 2)
            CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * page(), page()));
        hf_space_close(space);
    }
    CHECK_EQUAL(before, mapped_bytes());
}

/* mmap, mprotect, madvise; at the first allocation one mprotect; munmap. */
static void an_arena_takes_five_system_calls(void) {
    hf_arena arena;
    if (!has_joint()) return;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &one_size));
    char *aligned = hf_arena_base(&arena) - HF_ALLOCATION_GRANULARITY;
    hf_arena_close(&arena);
    fail_no_more();
    faults.hint = aligned; /* older kernels do not align it by themselves */
    size_t made = faults.made;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &one_size));
    for (int i = 0; i < 64; i++) *(char *)hf_alloc(&arena, 64, 16) = 'x';
    size_t counted = hf_arena_get_stats(&arena).system_calls;
    hf_arena_close(&arena);
    CHECK_EQUAL(POSIX_LINUX ? 4 : 3, counted);
    CHECK_EQUAL(counted + 1, faults.made - made - 1); /* without the mutex */
}

/* ------------------------------------------------------- Two limits with ENOMEM ------------ */

static void write_file(const char *text) {
    unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

/* Steps fail with ENOMEM while the system allows `limit` mappings. NULL: the limit is unknown. */
static void expect_statuses(const char *limit, hf_status memory, hf_status addresses) {
    void *address;
    write_file(limit ? limit : "");
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    for (int i = 0; i < 5; i++) {
        fail_nth(i == 0 ? "mprotect" : NULL, 1, i == 0, ENOMEM); /* a commit tries twice */
        faults.replaced = "/proc/sys/vm/max_map_count";
        faults.replacement = path;
        faults.hides_proc = limit == NULL;
        hf_status status =
            i == 0   ? posix_commit(NULL, base, page(), &report)
            : i == 1 ? posix_map(NULL, base, page(), -1, 0, HF_READ_ONLY, &report)
            : i == 2 ? posix_allocate_pages(NULL, page(), &address, &report)
                     : posix_reserve(NULL, i == 3 ? NULL : base, page(), &address, &report);
        size_t outer = check_enter("limit %s, call %d", limit ? limit : "unknown", i);
        CHECK_STATUS(i < 3 ? memory : addresses, status);
        CHECK_EQUAL(ENOMEM, report.os_code);
        check_leave(outer);
    }
    faults = (struct faults){0};
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
    unlink(path);
}

static void enomem_is_the_limit_on_mappings_or_on_memory(void) {
    hf_status at_limit = POSIX_LINUX ? HF_MAP_LIMIT : HF_NO_MEMORY;
    expect_statuses("10\n", at_limit, POSIX_LINUX ? HF_MAP_LIMIT : HF_NO_ADDRESS);
    expect_statuses("10", at_limit, POSIX_LINUX ? HF_MAP_LIMIT : HF_NO_ADDRESS);
    expect_statuses("1000000\n", HF_NO_MEMORY, HF_NO_ADDRESS);
    expect_statuses(NULL, HF_NO_MEMORY, HF_NO_ADDRESS);
}

/* At the limit on mappings a commit is tried once more in a way that needs no further mapping. */
static void a_commit_at_the_limit_is_tried_again(void) {
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    write_file("10\n");
    fail_nth("mprotect", 1, false, ENOMEM);
    faults.replaced = "/proc/sys/vm/max_map_count";
    faults.replacement = path;
    CHECK_STATUS(POSIX_LINUX ? HF_OK : HF_NO_MEMORY, posix_commit(NULL, base, page(), &report));
    faults = (struct faults){0};
    if (POSIX_LINUX) base[0] = 'x';
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
    unlink(path);
}

/* The codes of mmap for a file. */
static void each_code_of_a_view_has_its_status(void) {
    static const struct {
        int code;
        hf_status status;
    } codes[] = {{ENODEV, HF_UNSUPPORTED}, {EPERM, HF_IO},          {EACCES, HF_IO},
                 {ENFILE, HF_IO},          {EAGAIN, HF_NO_ADDRESS}, {ENOMEM, HF_NO_MEMORY}};
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    intptr_t file;
    CHECK_STATUS(HF_OK, posix_file_create_shared(NULL, HF_ALLOCATION_GRANULARITY, &file, &report));
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        size_t outer = check_enter("code %d", codes[i].code);
        fail_nth("mmap", 1, false, codes[i].code);
        CHECK_STATUS(codes[i].status, posix_map(NULL, base, HF_ALLOCATION_GRANULARITY, file, 0,
                                                HF_READ_WRITE, &report));
        CHECK_EQUAL(codes[i].code, report.os_code);
        check_leave(outer);
    }
    fail_no_more();
    posix_file_close(NULL, file);
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
}

/* ENOMEM for a private view: it is mapped again with MAP_NORESERVE. */
static void a_copy_on_write_view_is_tried_without_its_charge(void) {
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    intptr_t file;
    CHECK_STATUS(HF_OK, posix_file_create_shared(NULL, HF_ALLOCATION_GRANULARITY, &file, &report));
    fail_nth("mmap", 1, false, ENOMEM);
    CHECK_STATUS(HF_OK, posix_map(NULL, base, HF_ALLOCATION_GRANULARITY, file, 0, HF_COPY_ON_WRITE,
                                  &report));
    fail_no_more();
    base[7] = 'x';
    CHECK_STATUS(HF_OK, posix_unmap(NULL, base, HF_ALLOCATION_GRANULARITY, &report));
    posix_file_close(NULL, file);
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
}

/* EAGAIN means RLIMIT_MEMLOCK: the old mapping is unlocked and the call is made again. */
static void locked_memory_is_unlocked_to_be_released(void) {
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    CHECK_STATUS(HF_OK, posix_commit(NULL, base, HF_ALLOCATION_GRANULARITY, &report));
    base[0] = 'x';
    fail_nth("mmap", 1, true, EAGAIN);
    CHECK_STATUS(HF_NO_ADDRESS, posix_decommit(NULL, base, HF_ALLOCATION_GRANULARITY, &report));
    CHECK_EQUAL(EAGAIN, report.os_code);
    CHECK_EQUAL('x', base[0]);
    fail_nth("mmap", 1, false, EAGAIN);
    CHECK_STATUS(HF_OK, posix_decommit(NULL, base, HF_ALLOCATION_GRANULARITY, &report));
    fail_no_more();
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
}

/* EACCES: SELinux, or a file system that was mounted with noexec. */
static void each_code_of_a_protection_has_its_status(void) {
    static const struct {
        int code;
        hf_status status;
    } codes[] = {{EACCES, HF_UNSUPPORTED},
                 {EPERM, HF_UNSUPPORTED},
                 {EINVAL, HF_UNSUPPORTED},
                 {ENOMEM, HF_NO_MEMORY},
                 {EAGAIN, HF_NO_ADDRESS}};
    struct space_fixture fixture;
    struct picture picture = picture_parse("c c|v v|w w|p", 13);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        size_t outer = check_enter("code %d", codes[i].code);
        fail_nth("mprotect", 1, false, codes[i].code);
        hf_status status = hf_space_protect(fixture.space, page(), 4 * page(), HF_PROTECT_READ);
        fail_no_more();
        CHECK_STATUS(codes[i].status, status);
        CHECK_EQUAL(codes[i].code, hf_last_error().os_code);
        CHECK(!hf_last_error().undo_failed);
        space_fixture_expect(&fixture, &picture);
        check_leave(outer);
    }
    space_fixture_close(&fixture);
}

#if POSIX_LINUX

/* EINVAL: locked pages. Linux 5.18 resets those, too; before it the call fails. */
static void each_code_of_a_reset_has_its_status(void) {
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    CHECK_STATUS(HF_OK, posix_commit(NULL, base, page(), &report));
    base[0] = 'x';
    fail_nth("madvise", 1, true, EINVAL);
    CHECK_STATUS(HF_UNSUPPORTED, posix_reset(NULL, base, page(), &report));
    CHECK_EQUAL(2, faults.failures);
    CHECK_EQUAL('x', base[0]);
    fail_nth("madvise", 1, false, EPERM);
    CHECK_STATUS(HF_UNSUPPORTED, posix_reset(NULL, base, page(), &report));
    CHECK_EQUAL(EPERM, report.os_code);
    fail_nth("madvise", 1, false, EINVAL);
    CHECK_STATUS(HF_OK, posix_reset(NULL, base, page(), &report));
    CHECK_EQUAL(0, base[0]);
    fail_no_more();
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_COMMITTED);
}

#endif

/* ------------------------------------------------------------------------ Hints ------------ */

static void expect_advice(int code, hf_advice advice, hf_status expected) {
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    size_t outer = check_enter("advice %d failing with %d", (int)advice, code);
    CHECK_STATUS(HF_OK, posix_commit(NULL, base, HF_ALLOCATION_GRANULARITY, &report));
    base[1] = 'x';
    fail_nth("madvise", code ? 1 : 0, false, code);
    CHECK_STATUS(expected, posix_advise(NULL, base, HF_ALLOCATION_GRANULARITY, advice, &report));
    if (expected != HF_OK && code) CHECK_EQUAL(code, report.os_code);
    fail_no_more();
    CHECK(base[1] == 'x' && base[page()] == 0);
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_COMMITTED);
    check_leave(outer);
}

/* If the kernel has no MADV_POPULATE_WRITE, the pages are touched. Without huge pages the hint
 * fails with HF_UNSUPPORTED. */
static void each_code_of_a_hint_has_its_status(void) {
    expect_advice(0, HF_ADVISE_POPULATE, HF_OK);
    if (POSIX_LINUX) {
        expect_advice(EINVAL, HF_ADVISE_POPULATE, HF_OK);
        expect_advice(ENOMEM, HF_ADVISE_POPULATE, HF_NO_MEMORY);
        expect_advice(EAGAIN, HF_ADVISE_POPULATE, HF_NO_MEMORY);
        expect_advice(EINVAL, HF_ADVISE_HUGE, HF_UNSUPPORTED);
        expect_advice(EINVAL, HF_ADVISE_NO_HUGE, HF_UNSUPPORTED);
        expect_advice(ENOMEM, HF_ADVISE_HUGE, HF_NO_MEMORY);
        expect_advice(EPERM, HF_ADVISE_POPULATE, HF_OK); /* a filter of system calls */
        expect_advice(ENOSYS, HF_ADVISE_POPULATE, HF_OK);
        expect_advice(EPERM, HF_ADVISE_HUGE, HF_UNSUPPORTED);
    } else {
        expect_advice(0, HF_ADVISE_HUGE, HF_UNSUPPORTED);
        expect_advice(0, HF_ADVISE_NO_HUGE, HF_UNSUPPORTED);
    }
}

/* ---------------------------------------------------------------- Opening files ------------ */

static int plain; /* the descriptor to duplicate */

static hf_status open_plain(intptr_t *file, uint64_t *size) {
    return posix_file_open(NULL, path, HF_READ_WRITE, file, size, &report);
}
static hf_status duplicate_handle(intptr_t *file, uint64_t *size) {
    return posix_file_duplicate(NULL, plain, HF_READ_WRITE, file, size, &report);
}
static hf_status create_new(intptr_t *file, uint64_t *size) {
    unlink(path);
    *size = 10000;
    return posix_file_create(NULL, path, *size, file, &report);
}
static hf_status create_shared(intptr_t *file, uint64_t *size) {
    *size = 10000;
    return posix_file_create_shared(NULL, *size, file, &report);
}

typedef hf_status way_to_file(intptr_t *, uint64_t *);

static const struct {
    int code;
    hf_status status;
} file_codes[] = {{ENOSPC, HF_NO_SPACE},  {EDQUOT, HF_NO_SPACE}, {EFBIG, HF_NO_SPACE},
                  {ENOMEM, HF_NO_MEMORY}, {EIO, HF_IO},          {EMFILE, HF_IO},
                  {EACCES, HF_IO}};

static int lowest_descriptor(void) {
    int lowest = dup(STDIN_FILENO);
    CHECK(lowest >= 0 && close(lowest) == 0);
    return lowest;
}

static bool file_meets_failure(way_to_file *way, size_t nth, size_t which) {
    int lowest = lowest_descriptor();
    intptr_t file = -1;
    uint64_t size;
    fail_nth(NULL, nth, false, file_codes[which].code);
    hf_status status = way(&file, &size);
    bool met = faults.failures > 0;
    fail_no_more();
    if (status == HF_OK) {
        CHECK_EQUAL(10000, size);
        CHECK(fcntl((int)file, F_GETFD) & FD_CLOEXEC);
        posix_file_close(NULL, file);
    } else {
        /* fcntl(F_GETFL) failed: not a handle */
        bool is_no_handle = way == duplicate_handle && nth == 1;
        bool is_memory = strcmp(report.call, "mmap") == 0;
        CHECK_STATUS(is_no_handle ? HF_INVALID
                     : is_memory  ? HF_NO_MEMORY
                                  : file_codes[which].status,
                     status);
        CHECK_EQUAL(file_codes[which].code, report.os_code);
        CHECK(way != create_new || access(path, F_OK) != 0);
    }
    CHECK_EQUAL(lowest, lowest_descriptor());
    return met;
}

static void a_failed_open_or_create_leaves_nothing_behind(void) {
    static way_to_file *const ways[] = {open_plain, duplicate_handle, create_shared, create_new};
    static const size_t least_calls[] = {2, 3, 2, 2};
    write_file("");
    plain = open(path, O_RDWR);
    CHECK(plain >= 0 && ftruncate(plain, 10000) == 0);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
        for (size_t which = 0; which < sizeof file_codes / sizeof *file_codes; which++) {
            size_t nth = 1, outer = check_enter("way %zu, code %d", way, file_codes[which].code);
            while (file_meets_failure(ways[way], nth, which)) nth++;
            CHECK(nth > least_calls[way]);
            check_leave(outer);
        }
    close(plain);
    unlink(path);
}

static void expect_blocks_of_zeros(size_t size) {
    struct stat status;
    char byte;
    CHECK(stat(path, &status) == 0);
    CHECK_EQUAL(size, status.st_size);
    CHECK((size_t)status.st_blocks * 512 >= size);
    int file = open(path, O_RDONLY);
    for (off_t offset = 0; offset < (off_t)size; offset += 997)
        CHECK(pread(file, &byte, 1, offset) == 1 && byte == 0);
    close(file);
}

#define ALLOCATE (POSIX_LINUX ? "fallocate" : "posix_fallocate")

/* An interrupted call is made again; where blocks cannot be allocated, zeros are written. */
static void blocks_are_written_where_they_cannot_be_allocated(void) {
    static const int codes[] = {EOPNOTSUPP, EINVAL, EINTR};
    static const size_t sizes[] = {1, 65536, 65537, 300000};
    for (size_t i = 0; i < 12; i++) {
        intptr_t file;
        unlink(path);
        fail_nth(ALLOCATE, 1, false, codes[i % 3]);
        CHECK_STATUS(HF_OK, posix_file_create(NULL, path, sizes[i / 3], &file, &report));
        CHECK_EQUAL(1, faults.failures);
        expect_blocks_of_zeros(sizes[i / 3]);
        posix_file_close(NULL, file);
    }
    unlink(path);
    fail_no_more();
}

static int written_code; /* what posix_write_zeros returned when its n-th call failed */

/* A call writes at most 64 KiB. */
static void write_with_failure(size_t nth, int code) {
    write_file("");
    int file = open(path, O_RDWR);
    fail_nth(POSIX_LINUX ? "pwritev" : "pwrite", nth, false, code);
    faults.most = 65536;
    written_code = posix_write_zeros(file, 0, 200000, &report);
    CHECK_EQUAL(1, faults.failures);
    fail_no_more();
    close(file);
}

static void writing_blocks_can_fail(void) {
    for (size_t nth = 1; nth <= 4; nth++) { /* four pieces of 64 KiB */
        write_with_failure(nth, ENOSPC);
        CHECK_EQUAL(ENOSPC, written_code);
        write_with_failure(nth, EINTR);
        CHECK_EQUAL(0, written_code);
        expect_blocks_of_zeros(200000);
    }
    unlink(path);
}

/* --------------------------------------------------------------- Changing files ------------ */

/* A file with a pattern. A call that fails leaves it unchanged. */
enum { CHANGED_SIZE = 100000, GROWN_SIZE = 300000 };

static unsigned char pattern[CHANGED_SIZE];
static int changed; /* descriptor of the file with the pattern */

static void write_pattern(void) {
    for (size_t i = 0; i < CHANGED_SIZE; i++) pattern[i] = (unsigned char)(i * 7 + (i >> 8));
    unlink(path);
    changed = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    CHECK(changed >= 0);
    CHECK(pwrite(changed, pattern, CHANGED_SIZE, 0) == CHANGED_SIZE);
}

static void expect_pattern(size_t size) {
    static unsigned char bytes[GROWN_SIZE];
    struct stat status;
    CHECK(fstat(changed, &status) == 0);
    CHECK_EQUAL(size, status.st_size);
    CHECK(pread(changed, bytes, size, 0) == (ssize_t)size);
    size_t kept = size < CHANGED_SIZE ? size : CHANGED_SIZE;
    CHECK(memcmp(bytes, pattern, kept) == 0);
    for (size_t i = kept; i < size; i++) CHECK_EQUAL(0, bytes[i]);
}

static hf_status grow_file(void) {
    return posix_file_resize(NULL, changed, CHANGED_SIZE, GROWN_SIZE, &report);
}
static hf_status shrink_file(void) {
    return posix_file_resize(NULL, changed, CHANGED_SIZE, 1000, &report);
}
static hf_status read_file(void) {
    static unsigned char bytes[CHANGED_SIZE];
    hf_status status = posix_file_read(NULL, changed, 0, bytes, CHANGED_SIZE, &report);
    CHECK(status != HF_OK || memcmp(bytes, pattern, CHANGED_SIZE) == 0);
    return status;
}
static hf_status write_again(void) {
    return posix_file_write(NULL, changed, 0, pattern, CHANGED_SIZE, &report);
}
static hf_status sync_changed(void) { return posix_file_sync(NULL, changed, &report); }
static hf_status lock_file(void) {
    hf_status status = posix_file_lock(NULL, changed, true, &report);
    if (status == HF_OK) CHECK(flock(changed, LOCK_UN) == 0);
    return status;
}
static hf_status measure_file(void) {
    uint64_t size = 0;
    hf_status status = posix_file_measure(NULL, changed, &size, &report);
    CHECK(status != HF_OK || size == CHANGED_SIZE);
    return status;
}
static hf_status open_existing(void) {
    intptr_t file;
    uint64_t size;
    hf_status status = posix_file_open_or_create(NULL, path, &file, &size, &report);
    CHECK(status != HF_OK || size == CHANGED_SIZE);
    if (status == HF_OK) posix_file_close(NULL, file);
    return status;
}

static const struct change {
    hf_status (*run)(void);
    size_t least_calls, size; /* `size`: of the file after success */
} changes[] = {{grow_file, 2, GROWN_SIZE},      {shrink_file, 1, 1000},
               {read_file, 1, CHANGED_SIZE},    {write_again, 2, CHANGED_SIZE},
               {sync_changed, 1, CHANGED_SIZE}, {lock_file, 1, CHANGED_SIZE},
               {measure_file, 1, CHANGED_SIZE}, {open_existing, 2, CHANGED_SIZE}};

/* A failed call need not make the function fail: some calls are optional. */
static bool change_meets_failure(const struct change *change, size_t nth, size_t which) {
    write_pattern();
    int lowest = lowest_descriptor();
    fail_nth(NULL, nth, false, file_codes[which].code);
    hf_status status = change->run();
    bool met = faults.failures > 0;
    fail_no_more();
    if (status != HF_OK) {
        CHECK(met);
        CHECK_STATUS(file_codes[which].status, status);
        CHECK_EQUAL(file_codes[which].code, report.os_code);
    }
    expect_pattern(status == HF_OK ? change->size : CHANGED_SIZE);
    CHECK_EQUAL(lowest, lowest_descriptor());
    close(changed);
    return met;
}

static void a_failed_change_leaves_the_file(void) {
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        for (size_t which = 0; which < sizeof file_codes / sizeof *file_codes; which++) {
            size_t nth = 1, outer = check_enter("change %zu, code %d", i, file_codes[which].code);
            while (change_meets_failure(&changes[i], nth, which)) nth++;
            CHECK(nth > changes[i].least_calls);
            check_leave(outer);
        }
    unlink(path);
}

/* Calls that are interrupted or that read or write only a part: everything is done in the end. */
static void partial_reads_and_writes_are_completed(void) {
    static const char *const names[] = {"pread", "pwrite", "pwritev"};
    static const size_t indexes[] = {0, 2, 3};
    for (size_t i = 0; i < 9; i++)
        for (size_t most = 999; most < 100000; most *= 9) {
            const struct change *change = &changes[indexes[i % 3]];
            write_pattern();
            fail_nth(names[i / 3], 2, false, EINTR);
            faults.most = most;
            CHECK_STATUS(HF_OK, change->run());
            fail_no_more();
            faults.most = 0;
            expect_pattern(change->size);
            close(changed);
        }
    unlink(path);
}

/* A full disk: a write stores a part and the next one fails. The file gets its old size again. */
static void a_failed_growth_restores_the_size(void) {
    for (size_t nth = 1; nth < 20; nth++) {
        write_pattern();
        fail_nth(POSIX_LINUX ? "pwritev" : "pwrite", nth, false, ENOSPC);
        faults.most = 10000;
        CHECK_STATUS(HF_NO_SPACE, grow_file());
        fail_no_more();
        faults.most = 0;
        expect_pattern(CHANGED_SIZE);
        close(changed);
    }
    unlink(path);
}

static void reading_past_the_end_fails(void) {
    unsigned char byte;
    write_pattern();
    CHECK_STATUS(HF_IO, posix_file_read(NULL, changed, CHANGED_SIZE, &byte, 1, &report));
    CHECK_EQUAL(0, report.os_code);
    CHECK_STATUS(HF_OK, posix_file_read(NULL, changed, CHANGED_SIZE, &byte, 0, &report));
    CHECK_STATUS(HF_OK, posix_file_write(NULL, changed, CHANGED_SIZE, &byte, 0, &report));
    expect_pattern(CHANGED_SIZE);
    close(changed);
    unlink(path);
}

static void a_locked_file_is_busy(void) {
    write_pattern();
    int second = open(path, O_RDONLY);
    for (int mine = 0; mine < 2; mine++)
        for (int theirs = 0; theirs < 2; theirs++) {
            CHECK_STATUS(HF_OK, posix_file_lock(NULL, second, theirs, &report));
            CHECK_STATUS(mine || theirs ? HF_BUSY : HF_OK,
                         posix_file_lock(NULL, changed, mine, &report));
            CHECK(flock(second, LOCK_UN) == 0 && flock(changed, LOCK_UN) == 0);
        }
    close(second);
    close(changed);
    unlink(path);
}

/* --------------------------------------------------------------- Names of files ------------ */

static const char other_path[] = "test_posix_failures.other.tmp";

static hf_status make_name(void) {
    intptr_t file;
    uint64_t size;
    unlink(path);
    hf_status status = posix_file_open_or_create(NULL, path, &file, &size, &report);
    if (status != HF_OK) return status;
    CHECK_EQUAL(0, size);
    posix_file_close(NULL, file);
    return HF_OK;
}

/* Publishes a draft to a path that does not exist, or that another file has. */
static hf_status publish_name(void) {
    intptr_t file;
    void *made;
    hf_status status =
        posix_draft_open(hf_backend_native(), other_path, 4096, &made, &file, &report);
    if (status != HF_OK) return status;
    status = posix_draft_publish(hf_backend_native(), made, &report);
    posix_draft_close(hf_backend_native(), made);
    return status;
}

static hf_status replace_name(void) {
    size_t failing = faults.nth;
    faults.nth = 0;
    close(open(other_path, O_WRONLY | O_CREAT, 0666));
    faults.nth = failing;
    return publish_name();
}

/* A folder that cannot be read is not synced. Some file systems cannot sync folders, or have no
 * hard links. */
static bool is_harmless(const char *function, int code) {
    return (strcmp(function, "open") == 0 && code == EACCES) ||
           (strcmp(function, "linkat") == 0 && code == EINVAL) ||
           (strcmp(function, "fsync") == 0 && code == EINVAL);
}

static void expect_name(hf_status (*run)(void), const char *function, size_t nth, int code,
                        hf_status expected) {
    size_t outer = check_enter("%s call %zu failing with %d", function, nth, code);
    write_pattern();
    close(changed);
    int lowest = lowest_descriptor();
    fail_nth(function, nth, false, code);
    hf_status status = run();
    CHECK_EQUAL(1, faults.failures);
    fail_no_more();
    CHECK_STATUS(is_harmless(function, code) ? HF_OK : expected, status);
    if (status != HF_OK) CHECK_EQUAL(code, report.os_code);
    CHECK_EQUAL(lowest, lowest_descriptor());
    unlink(path);
    unlink(other_path);
    check_leave(outer);
}

static void a_name_is_durable_or_the_call_fails(void) {
    static const int more[] = {EINVAL, EROFS};
    for (size_t i = 0; i < sizeof file_codes / sizeof *file_codes + 2; i++) {
        bool is_known = i < sizeof file_codes / sizeof *file_codes;
        int code = is_known ? file_codes[i].code : more[i - sizeof file_codes / sizeof *file_codes];
        hf_status status = is_known ? file_codes[i].status : HF_IO;
        if (code != EACCES) expect_name(make_name, "open", 1, code, status);
        expect_name(make_name, "open", 2, code, status);
        expect_name(make_name, "fsync", 1, code, status);
        expect_name(replace_name, "renameat", 1, code, status);
        expect_name(publish_name, "linkat", 1, code, status);
        expect_name(replace_name, "open", 1, code, status);
        expect_name(replace_name, "fsync", 1, code, status);
    }
}

/* ------------------------------------------------- Every call of every function ------------ */

/*
 * One file and one block of memory, on which each function of the backend is called:
 *
 *      block     | committed | committed | placeholder | placeholder | view |
 *      path      CHANGED_SIZE bytes, open as `changed`
 *      other     OLD_SIZE bytes, which a draft replaces
 */
enum { OLD_SIZE = 5, DRAFT_SIZE = 70000, MOST_BESIDE = 100 };

static struct subject {
    char *block;
    void *address;   /* that a function mapped */
    size_t mapped;   /* bytes at `address` */
    intptr_t opened; /* a file that a function opened; -1: none */
    void *draft;
    size_t made, reported; /* system calls before the function: made, and counted by the report */
} subject;

static const char new_path[] = "test_posix_failures.new.tmp";

static size_t count_descriptors(void) {
    size_t count = 0;
    for (int i = 0; i < 256; i++) count += fcntl(i, F_GETFD) >= 0;
    return count;
}

static void prepare_subject(void) {
    const hf_backend *native = hf_backend_native();
    fail_no_more();
    subject = (struct subject){.opened = -1};
    write_pattern();
    int other = open(other_path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    CHECK(other >= 0 && write(other, "old..", OLD_SIZE) == OLD_SIZE && close(other) == 0);
    subject.block = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    CHECK_STATUS(HF_OK, native->commit(native, subject.block, 2 * page(), &report));
    CHECK_STATUS(HF_OK, native->map(native, subject.block + 4 * page(), page(), changed, 0,
                                    HF_READ_WRITE, &report));
}

static void close_subject(void) {
    const hf_backend *native = hf_backend_native();
    fail_no_more();
    if (subject.draft) native->draft_close(native, subject.draft);
    if (subject.opened >= 0 && !subject.draft) native->file_close(native, subject.opened);
    if (subject.mapped > 0)
        native->release(native, subject.address, subject.mapped, HF_PLACEHOLDER);
    native->release(native, subject.block, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
    close(changed);
    unlink(path);
    unlink(other_path);
    unlink(new_path);
}

static void begin_counting(void) {
    subject.made = faults.made;
    subject.reported = report.system_calls;
}

static hf_status counted(hf_status status) {
    CHECK_EQUAL(faults.made - subject.made, report.system_calls - subject.reported);
    return status;
}

/* Calls a function of the backend that reports, and checks how many system calls it counts. */
#define CALL(name, ...) \
    (begin_counting(),  \
     counted(hf_backend_native()->name(hf_backend_native(), __VA_ARGS__, &report)))

static hf_status call_reserve(void) {
    hf_status status = CALL(reserve, NULL, 2 * HF_ALLOCATION_GRANULARITY, &subject.address);
    if (status == HF_OK) subject.mapped = 2 * HF_ALLOCATION_GRANULARITY;
    return status;
}
static hf_status call_reserve_unaligned(void) {
    faults.hint = subject.block + 16 * HF_ALLOCATION_GRANULARITY + page();
    return call_reserve();
}
static hf_status reserve_again(void) {
    void *address;
    return CALL(reserve, subject.block, HF_ALLOCATION_GRANULARITY, &address);
}
static hf_status call_reserve_in_use(void) {
    hf_status status = reserve_again();
    bool fails_all = faults.nth > 0 && faults.from_then_on; /* as at the limit on mappings */
    CHECK(status == HF_NO_ADDRESS || (POSIX_LINUX && fails_all && status == HF_MAP_LIMIT));
    return HF_OK;
}
static hf_status call_reserve_with_pages(void) {
    hf_reservation made = {0};
    if (hf_backend_native()->reserve_with_pages == NULL) return HF_OK;
    hf_status status = CALL(reserve_with_pages, 2 * HF_ALLOCATION_GRANULARITY, page(), &made);
    subject.address = made.mapping;
    subject.mapped = made.total;
    return status;
}
static hf_status call_reserve_with_pages_unaligned(void) {
    faults.hint = subject.block + 16 * HF_ALLOCATION_GRANULARITY + page();
    return call_reserve_with_pages();
}
static hf_status call_commit_first(void) {
    return hf_backend_native()->commit_first
               ? CALL(commit_first, subject.block + 2 * page(), page())
               : HF_OK;
}
static hf_status call_split(void) { return CALL(split, subject.block + 2 * page(), page()); }
static hf_status call_coalesce(void) {
    return CALL(coalesce, subject.block + 2 * page(), 2 * page());
}
static hf_status call_commit(void) { return CALL(commit, subject.block + 2 * page(), page()); }
static hf_status call_decommit(void) { return CALL(decommit, subject.block, page()); }
static hf_status call_map(void) {
    return CALL(map, subject.block + 3 * page(), page(), changed, 0, HF_READ_ONLY);
}
#if POSIX_LINUX
static hf_status call_commit_as(void) {
    hf_memory memory = {.lazy = true, .no_dump = true};
    return CALL(commit_as, subject.block + 2 * page(), page(), &memory);
}
static hf_status call_commit_huge(void) {
    hf_memory memory = {.huge_page = 1 << 21, .no_dump = true};
    faults.pretends_huge = true;
    hf_status status = CALL(commit_as, subject.block + 2 * page(), page(), &memory);
    faults.pretends_huge = false;
    return status;
}
static hf_status call_map_huge(void) {
    posix_met_huge_file = faults.pretends_huge = true;
    hf_status status = CALL(map, subject.block + 3 * page(), page(), changed, 0, HF_READ_ONLY);
    posix_met_huge_file = faults.pretends_huge = false;
    return status;
}
static hf_status call_remap_huge(void) {
    posix_met_huge_file = faults.pretends_huge = true;
    hf_status status = CALL(remap, subject.block + page(), 3 * page(), changed, 0, HF_READ_ONLY);
    posix_met_huge_file = faults.pretends_huge = false;
    return status;
}
#endif
static hf_status call_protect(void) {
    return CALL(protect, subject.block, 5 * page(), HF_READ_WRITE, HF_PROTECT_READ);
}
static hf_status call_reset(void) {
    return hf_backend_native()->reset ? CALL(reset, subject.block, 2 * page()) : HF_OK;
}
static hf_status call_remap(void) {
    return CALL(remap, subject.block + page(), 3 * page(), changed, 0, HF_READ_ONLY);
}
static hf_status call_remap_copy(void) {
    return CALL(remap, subject.block + page(), 3 * page(), changed, 0, HF_COPY_ON_WRITE);
}
static hf_status call_create_executable(void) {
    return CALL(file_create_executable, 100000, &subject.opened);
}
static hf_status call_unmap(void) { return CALL(unmap, subject.block + 4 * page(), page()); }
static hf_status call_release_run(void) {
    return hf_backend_native()->release_run ? CALL(release_run, subject.block, 5 * page()) : HF_OK;
}
static hf_status call_advise_huge(void) {
    return CALL(advise, subject.block, page(), HF_ADVISE_HUGE);
}
static hf_status call_advise_no_huge(void) {
    return CALL(advise, subject.block, page(), HF_ADVISE_NO_HUGE);
}
static hf_status call_populate(void) {
    return CALL(advise, subject.block, page(), HF_ADVISE_POPULATE);
}
static hf_status call_name(void) {
    const hf_backend *native = hf_backend_native();
    if (native->name == NULL) return HF_OK;
    begin_counting();
    native->name(native, subject.block, HF_ALLOCATION_GRANULARITY, "subject", &report);
    return counted(HF_OK);
}
static bool next_region(void *cursor, hf_region *region) {
    size_t *count = cursor;
    *region = (hf_region){.offset = 2 * page(), .size = 2 * page()};
    return (*count)++ == 0;
}
static hf_status call_check(void) {
    size_t count = 0, offset;
    return hf_backend_native()->check ? CALL(check, subject.block, next_region, &count, &offset)
                                      : HF_OK;
}
static hf_status call_allocate_pages(void) {
    hf_status status = CALL(allocate_pages, page(), &subject.address);
    if (status == HF_OK) subject.mapped = page();
    return status;
}
static hf_status call_file_open(void) {
    uint64_t size;
    return CALL(file_open, path, HF_READ_WRITE, &subject.opened, &size);
}
static hf_status call_file_create(void) {
    return CALL(file_create, new_path, DRAFT_SIZE, &subject.opened);
}
static hf_status call_create_shared(void) {
    return CALL(file_create_shared, DRAFT_SIZE, &subject.opened);
}
static hf_status call_duplicate(void) {
    uint64_t size;
    return CALL(file_duplicate, changed, HF_READ_WRITE, &subject.opened, &size);
}
static hf_status call_open_or_create(void) {
    uint64_t size;
    return CALL(file_open_or_create, path, &subject.opened, &size);
}
static hf_status call_open_or_create_new(void) {
    uint64_t size;
    return CALL(file_open_or_create, new_path, &subject.opened, &size);
}
static hf_status call_measure(void) {
    uint64_t size;
    return CALL(file_measure, changed, &size);
}
static hf_status call_grow(void) { return CALL(file_resize, changed, CHANGED_SIZE, GROWN_SIZE); }
static hf_status call_shrink(void) { return CALL(file_resize, changed, CHANGED_SIZE, 8192); }
static hf_status call_fill(void) {
    CHECK(ftruncate(changed, GROWN_SIZE) == 0);
    return CALL(file_fill, changed, GROWN_SIZE, false);
}
static hf_status call_fill_shared(void) {
    CHECK(ftruncate(changed, GROWN_SIZE) == 0);
    return CALL(file_fill, changed, GROWN_SIZE, true);
}
static hf_status call_read(void) {
    char bytes[100];
    return CALL(file_read, changed, 1000, bytes, sizeof bytes);
}
static hf_status call_write(void) { return CALL(file_write, changed, 0, pattern, sizeof pattern); }
static hf_status call_sync(void) { return CALL(file_sync, changed); }
static hf_status call_flush(void) {
    return hf_backend_native()->file_flush ? CALL(file_flush, subject.block + 4 * page(), page())
                                           : HF_OK;
}
/* Memory that other programs can see: each process that runs this test has its own. */
static const char *shared_name(void) {
    static char name[64];
    snprintf(name, sizeof name, "holdfast-test.failures_%ld", (long)getpid());
    return name;
}

/* Leaves the report as it was. */
static hf_status without_failures(hf_status (*call)(void)) {
    size_t nth = faults.nth;
    hf_report kept = report;
    faults.nth = 0;
    hf_status status = call();
    faults.nth = nth;
    report = kept;
    return status;
}
static hf_status create_named(void) {
    return hf_backend_native()->file_create_named(NULL, shared_name(), DRAFT_SIZE, &subject.opened,
                                                  &report);
}
static hf_status remove_named(void) {
    return hf_backend_native()->file_remove_named(NULL, shared_name(), &report);
}
static hf_status call_seal(void) {
    if (hf_backend_native()->file_seal == NULL) return HF_OK;
    CHECK_STATUS(HF_OK, without_failures(call_create_shared));
    return CALL(file_seal, subject.opened, DRAFT_SIZE);
}
static hf_status call_punch_hole(void) {
    return hf_backend_native()->file_punch_hole ? CALL(file_punch_hole, changed, 0, page()) : HF_OK;
}
static hf_status call_create_named(void) {
    hf_status status = CALL(file_create_named, shared_name(), DRAFT_SIZE, &subject.opened);
    CHECK_STATUS(status == HF_OK ? HF_OK : HF_IO, without_failures(remove_named));
    return status;
}
static hf_status call_open_named(void) {
    uint64_t size = 0;
    CHECK_STATUS(HF_OK, without_failures(create_named));
    close((int)subject.opened);
    subject.opened = -1;
    hf_status status = CALL(file_open_named, shared_name(), HF_READ_WRITE, &subject.opened, &size);
    CHECK_EQUAL(status == HF_OK ? DRAFT_SIZE : 0, size);
    CHECK_STATUS(HF_OK, without_failures(remove_named));
    return status;
}
static hf_status call_remove_named(void) {
    CHECK_STATUS(HF_OK, without_failures(create_named));
    hf_status status = CALL(file_remove_named, shared_name());
    CHECK_STATUS(status == HF_OK ? HF_IO : HF_OK, without_failures(remove_named));
    return status;
}
static hf_status call_lock(void) { return CALL(file_lock, changed, true); }
static hf_status call_is_at(void) {
    bool is_there;
    return CALL(file_is_at, changed, path, &is_there);
}
static hf_status open_draft(const char *name) {
    return CALL(draft_open, name, DRAFT_SIZE, &subject.draft, &subject.opened);
}
static hf_status call_draft_open(void) { return open_draft(other_path); }
static hf_status call_draft_open_new(void) { return open_draft(new_path); }
static hf_status publish_draft(const char *name) {
    size_t nth = faults.nth;
    faults.nth = 0;
    CHECK_STATUS(HF_OK, open_draft(name));
    faults.nth = nth;
    begin_counting();
    return counted(hf_backend_native()->draft_publish(NULL, subject.draft, &report));
}
static hf_status call_draft_publish(void) { return publish_draft(other_path); }
static hf_status call_draft_publish_new(void) { return publish_draft(new_path); }

static const struct function {
    const char *name;
    hf_status (*call)(void);
    bool is_of_files;
} functions[] = {
    {"reserve", call_reserve, false},
    {"reserve, not aligned at first", call_reserve_unaligned, false},
    {"reserve, in use", call_reserve_in_use, false},
    {"reserve_with_pages", call_reserve_with_pages, false},
    {"reserve_with_pages, not aligned at first", call_reserve_with_pages_unaligned, false},
    {"commit_first", call_commit_first, false},
    {"split", call_split, false},
    {"coalesce", call_coalesce, false},
    {"commit", call_commit, false},
    {"decommit", call_decommit, false},
    {"map", call_map, false},
    {"unmap", call_unmap, false},
    {"release_run", call_release_run, false},
    {"protect", call_protect, false},
    {"reset", call_reset, false},
    {"remap", call_remap, false},
    {"remap, copy-on-write", call_remap_copy, false},
#if POSIX_LINUX
    {"commit_as", call_commit_as, false},
    {"commit_as, huge pages", call_commit_huge, false},
    {"map, huge pages", call_map_huge, false},
    {"remap, huge pages", call_remap_huge, false},
#endif
    {"advise, huge", call_advise_huge, false},
    {"advise, no huge", call_advise_no_huge, false},
    {"advise, populate", call_populate, false},
    {"name", call_name, false},
    {"check", call_check, false},
    {"allocate_pages", call_allocate_pages, false},
    {"file_open", call_file_open, true},
    {"file_create", call_file_create, true},
    {"file_create_shared", call_create_shared, true},
    {"file_create_executable", call_create_executable, true},
    {"file_duplicate", call_duplicate, true},
    {"file_open_or_create", call_open_or_create, true},
    {"file_open_or_create, new", call_open_or_create_new, true},
    {"file_measure", call_measure, true},
    {"file_resize, longer", call_grow, true},
    {"file_resize, shorter", call_shrink, true},
    {"file_fill", call_fill, true},
    {"file_fill, shared", call_fill_shared, true},
    {"file_read", call_read, true},
    {"file_write", call_write, true},
    {"file_sync", call_sync, true},
    {"file_flush", call_flush, true},
    {"file_lock", call_lock, true},
    {"file_is_at", call_is_at, true},
    {"file_seal", call_seal, true},
    {"file_punch_hole", call_punch_hole, true},
    {"file_create_named", call_create_named, true},
    {"file_open_named", call_open_named, true},
    {"file_remove_named", call_remove_named, true},
    {"draft_open", call_draft_open, true},
    {"draft_open, new", call_draft_open_new, true},
    {"draft_publish", call_draft_publish, true},
    {"draft_publish, new", call_draft_publish_new, true},
};

enum { FUNCTIONS = sizeof functions / sizeof *functions };

static size_t count_beside(const char *name) {
    size_t count = 0;
    char beside[100];
    for (int i = 0; i < MOST_BESIDE; i++) {
        snprintf(beside, sizeof beside, "%s.saving%02d", name, i);
        count += access(beside, F_OK) == 0;
    }
    return count;
}

/* Either the draft or the file that it replaces has the path. A draft that a failed call has left
 * is deleted by the next call. */
static void expect_complete_drafts(hf_status status, bool from_then_on) {
    struct stat now;
    bool is_old = stat(other_path, &now) == 0 && now.st_size == OLD_SIZE;
    bool may_be_new = status == HF_OK || strcmp(report.call, "fsync") == 0;
    CHECK(is_old || may_be_new);
    if (!from_then_on) {
        size_t most = faults.last && strcmp(faults.last, "unlinkat") == 0;
        CHECK(count_beside(other_path) + count_beside(new_path) <= most);
    }
    if (count_beside(other_path) + count_beside(new_path) == 0) return;
    prepare_subject();
    CHECK_STATUS(HF_OK, call_draft_publish());
    close_subject();
    prepare_subject();
    CHECK_STATUS(HF_OK, call_draft_publish_new());
    close_subject();
    CHECK_EQUAL(0, count_beside(other_path) + count_beside(new_path));
}

static bool function_meets_failure(const struct function *function, size_t nth, int code,
                                   bool from_then_on) {
    sigset_t before, after;
    size_t descriptors = count_descriptors();
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &before) == 0);
    prepare_subject();
    report = (hf_report){0};
    fail_nth(NULL, nth, from_then_on, code);
    hf_status status = function->call();
    bool met = faults.failures > 0;
    fail_no_more();
    CHECK(status == HF_OK || met || (!POSIX_LINUX && status == HF_UNSUPPORTED)); /* huge pages */
    if (code == EINTR && !from_then_on && met) CHECK_STATUS(HF_OK, status);
    if (status != HF_OK && met) CHECK(report.call != NULL && code == report.os_code);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
    for (int i = 1; i < 32; i++) CHECK_EQUAL(sigismember(&before, i), sigismember(&after, i));
    bool is_draft = strncmp(function->name, "draft", 5) == 0;
    if (is_draft && subject.draft) {
        hf_backend_native()->draft_close(NULL, subject.draft);
        subject.draft = NULL, subject.opened = -1;
    }
    if (is_draft) {
        struct subject kept = subject;
        int kept_changed = changed;
        expect_complete_drafts(status, from_then_on);
        subject = kept, changed = kept_changed;
    }
    close_subject();
    CHECK_EQUAL(descriptors, count_descriptors());
    return met;
}

static void fail_each_call_of(const struct function *function, int code, bool from_then_on) {
    size_t nth = 1,
           outer = check_enter("%s, code %d, from then on: %d", function->name, code, from_then_on);
    while (function_meets_failure(function, nth, code, from_then_on)) {
        nth++;
        check_leave(outer);
        outer = check_enter("%s, call %zu, code %d, from then on: %d", function->name, nth, code,
                            from_then_on);
    }
    check_leave(outer);
}

/* A report counts every system call, failed or not, and no descriptor stays open. */
static void every_call_is_counted(void) {
    static const int codes[] = {EIO, ENOMEM, ENOSPC};
    for (size_t i = 0; i < FUNCTIONS; i++)
        for (size_t way = 0; way < 6; way++)
            fail_each_call_of(&functions[i], codes[way % 3], way / 3);
}

/* A call that fails with EINTR is made again; if it always fails with EINTR, the function fails. */
static void an_interrupted_call_is_made_again(void) {
    for (size_t i = 0; i < FUNCTIONS; i++)
        for (int from_then_on = 0; from_then_on < 2; from_then_on++)
            fail_each_call_of(&functions[i], EINTR, from_then_on);
}

/* file_lock fails with HF_UNSUPPORTED on a file system without locks, but a draft works there. */
static void a_file_system_without_locks_is_unsupported(void) {
    static const int codes[] = {ENOSYS, EOPNOTSUPP, ENOLCK, EIO};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        hf_status expected = codes[i] == EIO ? HF_IO : HF_UNSUPPORTED;
        write_pattern();
        fail_nth("flock", 1, true, codes[i]);
        CHECK_STATUS(expected, posix_file_lock(NULL, changed, true, &report));
        CHECK_EQUAL(codes[i], report.os_code);
        hf_status status = replace_name();
        CHECK_STATUS(codes[i] == EIO ? HF_IO : HF_OK, status);
        fail_no_more();
        CHECK_STATUS(HF_OK, replace_name());
        close(changed);
        unlink(path);
        unlink(other_path);
    }
}

/* The codes of open. */
static void each_code_of_open_has_its_status(void) {
    static const struct {
        int code;
        hf_status status;
    } codes[] = {{ENOENT, HF_IO},
                 {ENOTDIR, HF_IO},
                 {ELOOP, HF_IO},
                 {ENAMETOOLONG, HF_IO},
                 {EACCES, HF_IO},
                 {EPERM, HF_IO},
                 {EROFS, HF_IO},
                 {EMFILE, HF_IO},
                 {ENFILE, HF_IO},
                 {EIO, HF_IO},
                 {ETXTBSY, HF_BUSY},
                 {EAGAIN, HF_BUSY},
                 {ENOMEM, HF_NO_MEMORY},
                 {ENOSPC, HF_NO_SPACE},
                 {EDQUOT, HF_NO_SPACE},
                 {EFBIG, HF_NO_SPACE},
                 {EISDIR, HF_UNSUPPORTED},
                 {ENXIO, HF_UNSUPPORTED},
                 {ENODEV, HF_UNSUPPORTED},
                 {ENOSYS, HF_UNSUPPORTED},
                 {EOPNOTSUPP, HF_UNSUPPORTED}};
    intptr_t file;
    uint64_t size;
    write_pattern();
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        size_t outer = check_enter("code %d", codes[i].code);
        fail_nth("open", 1, false, codes[i].code);
        CHECK_STATUS(codes[i].status,
                     posix_file_open(NULL, path, HF_READ_WRITE, &file, &size, &report));
        CHECK_EQUAL(codes[i].code, report.os_code);
        check_leave(outer);
    }
    fail_no_more();
    close(changed);
    unlink(path);
}

/* When a signal interrupts fallocate, tmpfs frees all that the call had allocated, so every call
 * may be interrupted. */
static void blocks_are_written_where_allocation_is_always_interrupted(void) {
    intptr_t file;
    for (size_t nth = 1; nth < 12; nth++) {
        unlink(new_path);
        fail_nth(ALLOCATE, nth, true, EINTR);
        CHECK_STATUS(HF_OK, posix_file_create(NULL, new_path, 40 << 20, &file, &report));
        CHECK(nth > 1 || (faults.failures > 0 && faults.failures < 20));
        fail_no_more();
        struct stat status;
        CHECK(fstat((int)file, &status) == 0);
        CHECK_EQUAL(40 << 20, status.st_size);
        CHECK(status.st_blocks * 512 >= 40 << 20);
        posix_file_close(NULL, file);
    }
    unlink(new_path);
}

/* The folder is found from the path alone. */
static void the_folder_of_a_path_is_synced(void) {
    static char deep[PATH_MAX + 100];
    CHECK_STATUS(HF_OK, posix_sync_folder("/name", &report));
    CHECK_STATUS(HF_OK, posix_sync_folder("name", &report));
    CHECK_STATUS(HF_IO, posix_sync_folder("no such folder/name", &report));
    CHECK_EQUAL(ENOENT, report.os_code);
    memset(deep, 'x', sizeof deep - 2);
    deep[sizeof deep - 3] = '/';
    CHECK_STATUS(HF_IO, posix_sync_folder(deep, &report));
    CHECK_EQUAL(ENAMETOOLONG, report.os_code);
}

#if !POSIX_LINUX

static void a_view_is_flushed(void) {
    write_pattern();
    void *view = mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_SHARED, changed, 0);
    CHECK(view != MAP_FAILED);
    CHECK_STATUS(HF_OK, posix_file_flush(NULL, view, page(), &report));
    fail_nth("msync", 1, false, EIO);
    CHECK_STATUS(HF_IO, posix_file_flush(NULL, view, page(), &report));
    CHECK_EQUAL(EIO, report.os_code);
    fail_no_more();
    munmap(view, page());
    close(changed);
    unlink(path);
}

#endif

/* If getrlimit fails there is no limit. */
static void an_unknown_size_limit_is_ignored(void) {
    intptr_t file;
    unlink(path);
    fail_nth("getrlimit", 1, true, EINVAL);
    CHECK_STATUS(HF_OK, posix_file_create(NULL, path, 10000, &file, &report));
    posix_file_close(NULL, file);
    CHECK_STATUS(HF_OK, posix_file_create_shared(NULL, 10000, &file, &report));
    posix_file_close(NULL, file);
    fail_no_more();
    unlink(path);
}

/* ----------------------------------------------- Locks, check and shared memory ------------ */

static void creating_a_lock_can_fail(void) {
    hf_lock storage;
    hf_space *space = NULL;
    fail_nth("mutex", 1, false, EAGAIN);
    CHECK_STATUS(HF_NO_MEMORY, posix_lock_open(NULL, &storage, &report));
    CHECK_EQUAL(EAGAIN, report.os_code);
    fail_nth("mutex", 1, false, EAGAIN);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_open(&space, HF_ALLOCATION_GRANULARITY, NULL));
    CHECK(space == NULL);
    posix_gate.is_registered = false;
    fail_nth("pthread_atfork", 1, false, ENOMEM);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_open(&space, HF_ALLOCATION_GRANULARITY, NULL));
    CHECK_EQUAL(ENOMEM, hf_last_error().os_code);
    CHECK(space == NULL);
    fail_no_more();
    CHECK_STATUS(HF_OK, hf_space_open(&space, HF_ALLOCATION_GRANULARITY, NULL));
    hf_space_close(space);
}

#if POSIX_LINUX

/* Whether the mapping at an address is the one that MADV_DONTFORK was called for. */
static bool is_marked(const char *address) { return process_memory_of(address, 1).not_forked; }

static char *reserve_marked(void) {
    char *base = reserve_somewhere(HF_ALLOCATION_GRANULARITY);
    CHECK(madvise(base, HF_ALLOCATION_GRANULARITY, MADV_DONTFORK) == 0);
    CHECK(is_marked(base));
    return base;
}

/* Maps what passes for huge pages: a file, or memory if `file` is -1. */
static hf_status make_huge(char *base, int file) {
    hf_memory memory = {.huge_page = 1 << 21};
    posix_met_huge_file = faults.pretends_huge = true;
    hf_status status =
        file < 0
            ? posix_commit_as(NULL, base, HF_ALLOCATION_GRANULARITY, &memory, &report)
            : posix_map(NULL, base, HF_ALLOCATION_GRANULARITY, file, 0, HF_READ_WRITE, &report);
    posix_met_huge_file = faults.pretends_huge = false;
    return status;
}

/* Where no huge page is free, mmap fails elsewhere: nothing is unmapped, nothing mapped anew. */
static void expect_no_gap(int file) {
    char *base = reserve_marked();
    fail_nth("mmap", 1, true, ENOMEM);
    faults.leaves_gap = true;
    CHECK_STATUS(HF_NO_MEMORY, make_huge(base, file));
    CHECK_EQUAL(1, faults.failures);
    fail_no_more();
    CHECK(is_marked(base));
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
}

/* Succeeds if this call fails, too: then MAP_FIXED maps in place. Nothing stays elsewhere. */
static void expect_in_place(int file, const char *failing) {
    size_t outer = check_enter("file %d, failing: %s", file, failing ? failing : "none");
    char *base = reserve_marked();
    size_t before = mapped_bytes();
    if (failing) fail_nth(failing, 1, true, EPERM);
    CHECK_STATUS(HF_OK, make_huge(base, file));
    CHECK(failing == NULL || faults.failures == 1);
    fail_no_more();
    CHECK_EQUAL(before, mapped_bytes());
    CHECK(!is_marked(base));
    memset(base, 'x', HF_ALLOCATION_GRANULARITY);
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, file < 0 ? HF_COMMITTED : HF_VIEW);
    check_leave(outer);
}

static void huge_pages_are_moved_into_place(void) {
    intptr_t file;
    CHECK_STATUS(HF_OK, posix_file_create_shared(NULL, HF_ALLOCATION_GRANULARITY, &file, &report));
    for (int i = 0; i < 2; i++) {
        int descriptor = i == 0 ? -1 : (int)file;
        expect_no_gap(descriptor);
        expect_in_place(descriptor, NULL);
        expect_in_place(descriptor, "mremap");
        expect_in_place(descriptor, "uname");
    }
    posix_file_close(NULL, file);
}

/* A placeholder that is still there is not mapped anew: it keeps its hints. */
static void a_failed_view_keeps_the_hints(void) {
    char *base = reserve_marked();
    fail_nth("mmap", 1, false, EACCES);
    CHECK_STATUS(HF_IO, posix_map(NULL, base, page(), -1, 0, HF_READ_ONLY, &report));
    fail_no_more();
    CHECK(is_marked(base));
    posix_release(NULL, base, HF_ALLOCATION_GRANULARITY, HF_PLACEHOLDER);
}

static void check_fails_without_proc(void) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, HF_ALLOCATION_GRANULARITY, NULL));
    faults = (struct faults){.hides_proc = true};
    CHECK_STATUS(HF_IO, hf_space_check(space));
    CHECK_EQUAL(ENOENT, hf_last_error().os_code);
    faults = (struct faults){0};
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* A list that is too short or has no number where one belongs matches no region. */
static void check_finds_a_truncated_list(void) {
    static const char *const lists[] = {"", "0-ffffffff rw-p 00000000 0:0\n",
                                        "0-1000 r--p 0 0:0 0\n"};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, HF_ALLOCATION_GRANULARITY, NULL));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        write_file(lists[i]);
        faults = (struct faults){.replaced = "/proc/self/maps", .replacement = path};
        CHECK_STATUS(HF_CORRUPT, hf_space_check(space));
        CHECK_EQUAL(0, hf_last_error().offset);
        faults = (struct faults){0};
        CHECK_STATUS(HF_OK, hf_space_check(space));
    }
    hf_space_close(space);
    unlink(path);
}

/* An old kernel, or a filter of system calls. */
static void shared_memory_does_without_memfd(void) {
    static const int codes[] = {ENOSYS, EPERM, EACCES};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        intptr_t file;
        uint64_t size = 0;
        fail_nth("memfd_create", 1, true, codes[i]);
        CHECK_STATUS(HF_OK, posix_file_create_shared(NULL, 10000, &file, &report));
        fail_no_more();
        CHECK_STATUS(HF_OK, posix_file_measure(NULL, file, &size, &report));
        CHECK_EQUAL(10000, size);
        posix_file_close(NULL, file);
    }
    intptr_t file;
    fail_nth("memfd_create", 1, true, EMFILE);
    CHECK_STATUS(HF_IO, posix_file_create_shared(NULL, 10000, &file, &report));
    CHECK_EQUAL(EMFILE, report.os_code);
    fail_no_more();
}

#define SYSTEM_TESTS                                                                       \
    TEST(check_fails_without_proc), TEST(check_finds_a_truncated_list),                    \
        TEST(each_code_of_a_reset_has_its_status), TEST(shared_memory_does_without_memfd), \
        TEST(huge_pages_are_moved_into_place), TEST(a_failed_view_keeps_the_hints)

#else

/* If another process has the name, the next one is tried, but only so often. */
static void another_name_of_shared_memory_is_tried(void) {
    intptr_t file;
    fail_nth("shm_open", 1, false, EEXIST);
    CHECK_STATUS(HF_OK, posix_file_create_shared(NULL, 10000, &file, &report));
    posix_file_close(NULL, file);
    fail_nth("shm_open", 1, true, EEXIST);
    CHECK_STATUS(HF_IO, posix_file_create_shared(NULL, 10000, &file, &report));
    CHECK_EQUAL(EEXIST, report.os_code);
    fail_no_more();
}

/* macOS allows 31 characters; the 1000th name is among the longest. */
static void names_of_shared_memory_are_short(void) {
    intptr_t file;
    longest_name = 0;
    fail_nth("shm_open", 1, false, EEXIST);
    CHECK_STATUS(HF_OK, posix_file_create_shared(NULL, 10000, &file, &report));
    posix_file_close(NULL, file);
    fail_no_more();
    CHECK(longest_name > 0);
    CHECK(longest_name + 2 <= 31); /* the last attempt has two more digits */
}

#define SYSTEM_TESTS                                                                      \
    TEST(another_name_of_shared_memory_is_tried), TEST(names_of_shared_memory_are_short), \
        TEST(a_view_is_flushed)

#endif

CHECK_MAIN(TEST(a_failed_commit_leaves_a_placeholder), TEST(a_failed_decommit_leaves_it_committed),
           TEST(a_failed_map_leaves_a_placeholder), TEST(a_failed_unmap_leaves_a_view),
           TEST(a_failed_remap_leaves_what_was_there),
           TEST(each_code_of_a_protection_has_its_status), TEST(a_gap_is_covered_again),
           TEST(half_a_commit_is_taken_back), TEST(a_failed_reservation_reserves_nothing),
           TEST(the_slack_is_unmapped), TEST(an_old_kernel_ignores_noreplace),
           TEST(a_failed_release_frees_the_pages), TEST(pages_and_placeholder_are_released_at_once),
           TEST(a_joint_mapping_is_aligned_by_its_slack),
           TEST(a_failed_release_of_all_frees_the_pages), TEST(an_arena_opens_whole_or_not_at_all),
           TEST(closing_a_joint_space_leaves_nothing), TEST(an_arena_takes_five_system_calls),
           TEST(enomem_is_the_limit_on_mappings_or_on_memory),
           TEST(a_commit_at_the_limit_is_tried_again), TEST(each_code_of_a_view_has_its_status),
           TEST(a_copy_on_write_view_is_tried_without_its_charge),
           TEST(locked_memory_is_unlocked_to_be_released), TEST(each_code_of_a_hint_has_its_status),
           TEST(a_failed_open_or_create_leaves_nothing_behind),
           TEST(blocks_are_written_where_they_cannot_be_allocated), TEST(writing_blocks_can_fail),
           TEST(a_failed_change_leaves_the_file), TEST(partial_reads_and_writes_are_completed),
           TEST(a_failed_growth_restores_the_size), TEST(reading_past_the_end_fails),
           TEST(a_locked_file_is_busy), TEST(a_name_is_durable_or_the_call_fails),
           TEST(a_file_system_without_locks_is_unsupported), TEST(each_code_of_open_has_its_status),
           TEST(blocks_are_written_where_allocation_is_always_interrupted),
           TEST(every_call_is_counted), TEST(an_interrupted_call_is_made_again),
           TEST(the_folder_of_a_path_is_synced), TEST(an_unknown_size_limit_is_ignored),
           SYSTEM_TESTS, TEST(creating_a_lock_can_fail))
