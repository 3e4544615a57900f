/*
 * posix.c -- the native backend of Linux and of any POSIX system.
 *
 *     placeholder   a private mapping without access (PROT_NONE): reserved, not charged
 *     commit        mprotect to read-write: charged, zero at the first touch
 *     decommit      a new PROT_NONE mapping over the old one: pages and charge go
 *     view          a shared or private mapping of the file over the placeholder
 *     split, coalesce   nothing: the kernel splits and joins its mappings by itself
 *
 * Reservations are made without MAP_NORESERVE: with it a later mprotect would never be charged,
 * and a commit could never be refused in time.
 *
 * The kernel answers ENOMEM both for the commit limit and for the limit on mappings; a refused
 * step counts the process's mappings to tell them apart. A release can only mean the second.
 *
 * What only Linux has stands in the chapter "Linux", behind functions that every POSIX system
 * can do without. HF_GENERIC_POSIX builds Linux as such a system, for tests.
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
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <holdfast/backend.h>

#include "../fail.h"
#include "../pages.h"
#include "thread_local.h"

#if defined(__linux__) && !defined(HF_GENERIC_POSIX)
#define LINUX 1
#else
#define LINUX 0
#endif

#if LINUX
#if defined(__has_include)
#if __has_include(<linux/fiemap.h>) && __has_include(<linux/fs.h>)
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#define HAS_LINUX_HEADERS 1 /* not with every C library */
#endif
#endif
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#endif

/* The C library lacks a call that the kernel may have. */
#if (defined(__ANDROID__) && __ANDROID_API__ < 30) || \
    (defined(__GLIBC__) && __GLIBC__ == 2 && __GLIBC_MINOR__ < 27)
#include <linux/memfd.h>
#include <sys/syscall.h>
#define memfd_create(name, flags) (int)syscall(SYS_memfd_create, (name), (flags))
#endif

#ifndef HAS_LINUX_HEADERS
#define HAS_LINUX_HEADERS 0
#endif

/* POSIX says int; glibc says unsigned long. */
#ifdef __GLIBC__
typedef unsigned long ioctl_request;
#else
typedef int ioctl_request;
#endif

#define HUGE_PAGE ((size_t)1 << 21)

static size_t page_size(const hf_backend *self) {
    (void)self;
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Notes a refusal. Evaluate errno before anything else can change it. */
static hf_status refuse(hf_report *report, hf_status status, const char *call, int code) {
    report->call = call;
    report->reason = NULL;
    report->os_code = code;
    return status;
}

/* ---------------------------------------------------------------------- words ------------ */

#if LINUX && defined(__GLIBC_PREREQ)
#define HAVE_STRERRORDESC __GLIBC_PREREQ(2, 32)
#else
#define HAVE_STRERRORDESC 0
#endif

/* glibc's strerror_r may load a translation, which calls malloc. */
#if HAVE_STRERRORDESC
static const char *words_of(int code, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return strerrordesc_np(code);
}
#else
/* strerror_r returns int by POSIX, and char * in older versions of glibc and in Android. */
static inline const char *words_by_posix(int failed, const char *buffer) {
    return failed ? NULL : buffer;
}

static inline const char *words_by_gnu(const char *words, const char *buffer) {
    (void)buffer;
    return words;
}

static const char *words_of(int code, char *buffer, size_t size) {
    return _Generic(strerror_r(code, buffer, size), int
                    : words_by_posix, default
                    : words_by_gnu)(strerror_r(code, buffer, size), buffer);
}
#endif

size_t hf_system_words(long code, char *buffer, size_t size) {
    char room[256];
    const char *words = words_of((int)code, room, sizeof room);
    size_t length = words ? strlen(words) : 0, most = size > 0 ? size - 1 : 0;
    if (length > most) length = most;
    if (length > 0) memcpy(buffer, words, length);
    if (size > 0) buffer[length] = '\0';
    return length;
}

/* ------------------------------------------------------------- interrupted calls --------- */

/*
 * A signal can end a system call with EINTR. The call is then made again. If signals arrive faster
 * than the call can finish (a profiler's timer, a slow network file system), the later attempts are
 * made with this thread's signals blocked, so that one of them finishes.
 */
typedef struct attempts {
    int interrupted;    /* so many calls in a row */
    sigset_t unblocked; /* the thread's signal mask, to restore */
} attempts;

enum { MOST_WITH_SIGNALS = 20, MOST_ATTEMPTS = 100 };

static void block_signals(attempts *so_far, hf_report *report) {
    sigset_t all;
    sigfillset(&all);
    report->system_calls++;
    pthread_sigmask(SIG_SETMASK, &all, &so_far->unblocked);
}

static void unblock_signals(attempts *so_far, hf_report *report) {
    report->system_calls++;
    pthread_sigmask(SIG_SETMASK, &so_far->unblocked, NULL);
}

/* True: make the call again. code: its errno, 0 if it succeeded. */
static bool try_again(attempts *so_far, int code, hf_report *report) {
    bool was_blocked = so_far->interrupted >= MOST_WITH_SIGNALS;
    if (code == EINTR && ++so_far->interrupted < MOST_ATTEMPTS) {
        if (so_far->interrupted == MOST_WITH_SIGNALS) block_signals(so_far, report);
        return true;
    }
    if (was_blocked) unblock_signals(so_far, report);
    so_far->interrupted = 0;
    return false;
}

/* Makes a call that returns -1 if it fails, again while signals interrupt it; counts each one. */
#define MAKE_CALL(result, report, call)                  \
    do {                                                 \
        attempts so_far = {0};                           \
        int made_code;                                   \
        do {                                             \
            (report)->system_calls++;                    \
            (result) = (call);                           \
            made_code = (result) < 0 ? errno : 0;        \
        } while (try_again(&so_far, made_code, report)); \
        if (made_code != 0) errno = made_code;           \
    } while (0)

/* ----------------------------------------------------------------- descriptors ----------- */

/* Leaves errno as it was. */
static void close_counted(int descriptor, hf_report *report) {
    int code = errno;
    report->system_calls++;
    close(descriptor);
    errno = code;
}

/* EINVAL: RLIMIT_NOFILE allows no descriptor above the standard streams. */
static int duplicate_above_streams(int descriptor, hf_report *report) {
    int copy;
    MAKE_CALL(copy, report, fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (copy < 0 && errno == EINVAL) errno = EMFILE;
    return copy;
}

/*
 * Descriptors 0, 1 and 2 are the standard streams: in a process that has closed one of them, the
 * next file gets its number, and what anybody prints to stderr would be written into that file. So
 * while a file of ours is opened, closed streams are occupied. One that a thread closes meanwhile,
 * or all where there is no /dev/null, can get our file for a moment: it moves above them at once.
 */

/* A bit for each stream that was closed and is open now. */
static unsigned occupy_streams(hf_report *report) {
    unsigned occupied = 0;
    for (int stream = 0; stream <= STDERR_FILENO; stream++) {
        int taken;
        report->system_calls++;
        if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
        MAKE_CALL(taken, report, openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC));
        if (taken >= 0 && taken <= STDERR_FILENO)
            occupied |= 1U << taken;
        else if (taken >= 0)
            close_counted(taken, report);
    }
    return occupied;
}

/* Leaves errno as it was. */
static void leave_streams(unsigned occupied, hf_report *report) {
    for (int stream = 0; stream <= STDERR_FILENO; stream++)
        if (occupied >> stream & 1) close_counted(stream, report);
}

/* Returns -1 and errno if descriptor is -1 or there is no other descriptor. */
static int above_streams(int descriptor, hf_report *report) {
    if (descriptor < 0 || descriptor > STDERR_FILENO) return descriptor;
    int moved = duplicate_above_streams(descriptor, report);
    close_counted(descriptor, report);
    return moved;
}

/* Every file is opened here. Returns a descriptor, or -1 and errno. */
static int open_at(int folder, const char *path, int flags, mode_t mode, hf_report *report) {
    int descriptor;
    unsigned occupied = occupy_streams(report);
    MAKE_CALL(descriptor, report, openat(folder, path, flags | O_CLOEXEC, mode));
    leave_streams(occupied, report);
    return above_streams(descriptor, report);
}

static int open_counted(const char *path, int flags, hf_report *report) {
    return open_at(AT_FDCWD, path, flags, 0666, report);
}

/* ---------------------------------------------------------------------- Linux ------------ */

#if LINUX

/* Reads a file of /proc by lines, with no memory but its own. */
typedef struct line_reader {
    int file;
    int code;          /* errno of a read that failed; else 0 */
    hf_report *report; /* counts the calls */
    size_t begin, end;
    char buffer[4096];
} line_reader;

static bool open_lines(line_reader *reader, const char *path, hf_report *report) {
    reader->begin = reader->end = 0;
    reader->code = 0;
    reader->report = report;
    reader->file = open_counted(path, O_RDONLY, report);
    return reader->file >= 0;
}

static bool has_more(line_reader *reader) {
    if (reader->begin < reader->end) return true;
    ssize_t got;
    MAKE_CALL(got, reader->report, read(reader->file, reader->buffer, sizeof reader->buffer));
    if (got < 0) reader->code = errno;
    reader->begin = 0;
    reader->end = got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* The next line, cut to the room there is; false at the end. */
static bool next_line(line_reader *reader, char *line, size_t room) {
    size_t length = 0;
    const char *newline = NULL;
    if (!has_more(reader)) return false;
    while (newline == NULL && has_more(reader)) {
        const char *text = reader->buffer + reader->begin;
        size_t left = reader->end - reader->begin;
        newline = memchr(text, '\n', left);
        size_t taken = newline ? (size_t)(newline - text) : left;
        size_t copied = taken < room - 1 - length ? taken : room - 1 - length;
        memcpy(line + length, text, copied);
        length += copied;
        reader->begin += taken + (newline != NULL);
    }
    line[length] = '\0';
    return true;
}

static size_t count_lines(const char *path, hf_report *report) {
    line_reader reader;
    char nothing[1];
    size_t count = 0;
    if (!open_lines(&reader, path, report)) return 0;
    while (next_line(&reader, nothing, sizeof nothing)) count++;
    close_counted(reader.file, report);
    return count;
}

static size_t read_number(const char *path, hf_report *report) {
    line_reader reader;
    char line[32] = "";
    if (!open_lines(&reader, path, report)) return SIZE_MAX;
    next_line(&reader, line, sizeof line);
    close_counted(reader.file, report);
    return strtoul(line, NULL, 10);
}

/* Where /proc can't be read, for want of descriptors, say: by mappings that merge with no
 * neighbour, and commit nothing. */
static bool meets_map_limit(hf_report *report) {
    size_t page = page_size(NULL);
    report->system_calls++;
    char *probe =
        mmap(NULL, 3 * page, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) return errno == ENOMEM;
    report->system_calls += 2;
    bool is_refused = munmap(probe + page, page) != 0 && errno == ENOMEM;
    munmap(probe, 3 * page);
    return is_refused;
}

/* A step in the middle of a mapping needs two more, and the list has a line that does not count. */
static bool is_at_map_limit(hf_report *report) {
    size_t mappings = count_lines("/proc/self/maps", report);
    size_t most = read_number("/proc/sys/vm/max_map_count", report);
    return mappings > 0 && most < SIZE_MAX ? mappings + 3 >= most : meets_map_limit(report);
}

/* One line of /proc/self/maps: "7f0000000000-7f0000001000 rw-p 00000000 fd:01 4711  /name". */
typedef struct mapping {
    uintptr_t begin, end;
    char access[5]; /* "rw-p" */
    unsigned long long file_offset, inode;
} mapping;

static bool next_mapping(line_reader *reader, mapping *found) {
    char line[128], *at = line;
    if (!next_line(reader, line, sizeof line)) return false;
    found->begin = (uintptr_t)strtoull(at, &at, 16);
    found->end = (uintptr_t)strtoull(at + 1, &at, 16);
    memcpy(found->access, at + 1, 4);
    found->file_offset = strtoull(at + 5, &at, 16);
    at = strchr(at + 1, ' ');
    found->inode = at ? strtoull(at, NULL, 10) : 0;
    return at != NULL;
}

static void drop_pages(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    if (madvise(address, size, MADV_DONTNEED) == 0 || errno != EINVAL) return;
    report->system_calls += 2; /* locked memory keeps its pages */
    munlock(address, size);
    madvise(address, size, MADV_DONTNEED);
}

/* gdb's gcore writes every page of a placeholder unless it is marked. A failure does no harm. */
static void keep_out_of_dumps(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    madvise(address, size, MADV_DONTDUMP);
}

static void show_in_dumps(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    madvise(address, size, MADV_DODUMP);
}

/*
 * Commits at the limit on mappings: a commit needs a mapping more between its mprotect and its
 * madvise, unless the placeholder that it grows into is in dumps already.
 *      | committed | placeholder, not in dumps |    a mapping more for a moment
 *      | committed |  placeholder, in dumps    |    mprotect moves the border
 */
static bool commit_at_limit(void *address, size_t size, hf_report *report) {
    line_reader reader;
    mapping found = {0};
    uintptr_t start = (uintptr_t)address;
    if (!open_lines(&reader, "/proc/self/maps", report)) return false;
    while (found.end <= start && next_mapping(&reader, &found)) continue;
    close_counted(reader.file, report);
    if (found.begin > start || found.end <= start || found.access[0] != '-') return false;
    void *begin = (char *)address - (start - found.begin);
    show_in_dumps(begin, found.end - found.begin, report);
    report->system_calls++;
    if (mprotect(address, size, PROT_READ | PROT_WRITE) == 0) return true;
    report->system_calls++;
    mprotect(address, size, PROT_NONE);
    keep_out_of_dumps(begin, found.end - found.begin, report);
    return false;
}

#else

static bool is_at_map_limit(hf_report *report) {
    (void)report;
    return false;
}

static void drop_pages(void *address, size_t size, hf_report *report) {
    (void)address, (void)size, (void)report;
}

static void keep_out_of_dumps(void *address, size_t size, hf_report *report) {
    (void)address, (void)size, (void)report;
}

static void show_in_dumps(void *address, size_t size, hf_report *report) {
    (void)address, (void)size, (void)report;
}

static bool commit_at_limit(void *address, size_t size, hf_report *report) {
    (void)address, (void)size, (void)report;
    return false;
}

#endif

/* --------------------------------------------------------------------- memory ------------ */

/* EAGAIN: after mlockall(MCL_FUTURE) the process may lock no more addresses (RLIMIT_MEMLOCK). */
static hf_status memory_status(int code, hf_report *report) {
    if (code == EAGAIN) return HF_NO_ADDRESS;
    return code == ENOMEM && is_at_map_limit(report) ? HF_MAP_LIMIT : HF_NO_MEMORY;
}

/* Of a file. ENODEV: its file system maps no files. EPERM, EACCES: a seal, or a file that is only
 * appended to. */
static hf_status view_status(int code, hf_report *report) {
    return code == ENOMEM || code == EAGAIN ? memory_status(code, report)
           : code == ENODEV                 ? HF_UNSUPPORTED
                                            : HF_IO;
}

static void *map_memory(void *address, size_t size, int protection, int flags, hf_report *report) {
    report->system_calls++;
    return mmap(address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void unmap_memory(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    munmap(address, size);
}

static hf_status refuse_reserve(hf_report *report, int code) {
    hf_status status = code == ENOMEM && is_at_map_limit(report) ? HF_MAP_LIMIT : HF_NO_ADDRESS;
    return refuse(report, status, "mmap", code);
}

#if LINUX && defined(MAP_FIXED_NOREPLACE)
#define RESERVE_EXACTLY MAP_FIXED_NOREPLACE
#elif defined(MAP_EXCL) /* FreeBSD */
#define RESERVE_EXACTLY (MAP_FIXED | MAP_EXCL)
#elif defined(__MAP_NOREPLACE) /* OpenBSD */
#define RESERVE_EXACTLY (MAP_FIXED | __MAP_NOREPLACE)
#else
#define RESERVE_EXACTLY 0
#endif

/*
 * In a process under ThreadSanitizer or MemorySanitizer only some addresses are the program's. An
 * mmap of others ends the process under the first, and returns nonsense under the second.
 */
#if LINUX && defined(__x86_64__)

extern void __tsan_init(void) __attribute__((weak));
extern void __msan_init(void) __attribute__((weak));

static bool lies_in(uintptr_t base, size_t size, uintptr_t from, uintptr_t to) {
    return base >= from && base < to && size <= to - base;
}

static bool is_of_sanitizer(const void *address, size_t size) {
    uintptr_t base = (uintptr_t)address;
    if (__tsan_init != NULL)
        return !lies_in(base, size, 0x550000000000, 0x568000000000) &&
               !lies_in(base, size, 0x7e8000000000, 0x800000000000);
    if (__msan_init != NULL)
        return !lies_in(base, size, 0x510000000000, 0x600000000000) &&
               !lies_in(base, size, 0x700000000000, 0x800000000000);
    return false;
}

#else

static bool is_of_sanitizer(const void *address, size_t size) {
    (void)address, (void)size;
    return false;
}

#endif

/* Without such a flag, or on a kernel that does not know it, the base is a hint only: compare. */
static hf_status reserve_at(void *base, size_t size, void **address, hf_report *report) {
    if (is_of_sanitizer(base, size)) return refuse_reserve(report, EEXIST);
    void *got = map_memory(base, size, PROT_NONE, RESERVE_EXACTLY, report);
    if (got == MAP_FAILED) return refuse_reserve(report, errno);
    if (got != base) {
        unmap_memory(got, size, report);
        return refuse_reserve(report, EEXIST);
    }
    *address = got;
    return HF_OK;
}

/*
 * Takes more than is asked for and gives the ends back:
 *      | slack |             size             |  slack  |
 *              ^ a multiple of `alignment`
 * Ends that cannot be given back, at the limit on mappings, stay reserved and cost nothing.
 */
static hf_status reserve_aligned(size_t size, size_t alignment, void **address, hf_report *report) {
    size_t slack = alignment - page_size(NULL);
    if (size > SIZE_MAX - slack) return refuse_reserve(report, EOVERFLOW);
    char *got = map_memory(NULL, size + slack, PROT_NONE, 0, report);
    if (got == MAP_FAILED) return refuse_reserve(report, errno);
    size_t below = (0 - (uintptr_t)got) & (alignment - 1);
    if (below > 0) unmap_memory(got, below, report);
    if (below < slack) unmap_memory(got + below + size, slack - below, report);
    *address = got + below;
    return HF_OK;
}

/* Large reservations begin at a huge page, as newer kernels place them by themselves. */
static hf_status reserve_anywhere(size_t size, void **address, hf_report *report) {
    size_t alignment = size >= HUGE_PAGE ? HUGE_PAGE : HF_ALLOCATION_GRANULARITY;
    void *got = map_memory(NULL, size, PROT_NONE, 0, report);
    if (got == MAP_FAILED) return refuse_reserve(report, errno);
    if (((uintptr_t)got & (alignment - 1)) != 0) {
        unmap_memory(got, size, report);
        return reserve_aligned(size, alignment, address, report);
    }
    *address = got;
    return HF_OK;
}

static hf_status reserve(const hf_backend *self, void *base, size_t size, void **address,
                         hf_report *report) {
    (void)self;
    hf_status status =
        base ? reserve_at(base, size, address, report) : reserve_anywhere(size, address, report);
    if (status == HF_OK) keep_out_of_dumps(*address, size, report);
    return status;
}

/* A neighbour that the kernel joined with us, at the limit on mappings, can keep the addresses
 * from going; the pages always go. */
static void release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    (void)self, (void)kind;
    hf_report report = {0};
    if (munmap(address, size) != 0) drop_pages(address, size, &report);
}

static hf_status keep_books_only(const hf_backend *self, void *address, size_t size,
                                 hf_report *report) {
    (void)self, (void)address, (void)size, (void)report;
    return HF_OK;
}

/* A placeholder can be several mappings to the kernel (some advised, some not): what it committed
 * before it refused is taken back. */
static hf_status commit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    report->system_calls++;
    if (mprotect(address, size, PROT_READ | PROT_WRITE) == 0) {
        show_in_dumps(address, size, report);
        return HF_OK;
    }
    int code = errno;
    report->system_calls++;
    mprotect(address, size, PROT_NONE);
    hf_status status = memory_status(code, report);
    if (status == HF_MAP_LIMIT && commit_at_limit(address, size, report)) return HF_OK;
    return refuse(report, status, "mprotect", code);
}

static bool map_over(void *address, size_t size, hf_report *report) {
    return map_memory(address, size, PROT_NONE, MAP_FIXED, report) != MAP_FAILED;
}

/* After mlockall(MCL_FUTURE) the new mapping counts as locked beside the one that it replaces. */
static bool map_over_locked(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    munlock(address, size);
    if (map_over(address, size, report)) return true;
    int code = errno;
    report->system_calls++;
    mlock(address, size);
    errno = code;
    return false;
}

/* Makes a placeholder of all that lies there. */
static bool cover(void *address, size_t size, hf_report *report) {
    if (!map_over(address, size, report) &&
        !(errno == EAGAIN && map_over_locked(address, size, report)))
        return false;
    keep_out_of_dumps(address, size, report);
    return true;
}

/* PROT_NONE needs no memory, so ENOMEM means vm.max_map_count. */
static hf_status refuse_release(hf_report *report, int code) {
    return refuse(report, code == ENOMEM ? HF_MAP_LIMIT : HF_NO_ADDRESS, "mmap", code);
}

static hf_status decommit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    if (cover(address, size, report)) return HF_OK;
    hf_status status = refuse_release(report, errno);
    if (status == HF_MAP_LIMIT) drop_pages(address, size, report);
    return status;
}

static hf_status unmap(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    if (cover(address, size, report)) return HF_OK;
    hf_status status = refuse_release(report, errno);
    if (status == HF_MAP_LIMIT) drop_pages(address, size, report); /* a private view has some */
    return status;
}

/* One call for all regions of the run. A copy of this backend with a decommit or unmap of its own
 * is called for each region instead. */
static hf_status release_run(const hf_backend *self, void *address, size_t size,
                             hf_report *report) {
    if (self->decommit != decommit || self->unmap != unmap)
        return refuse(report, HF_UNSUPPORTED, "release_run", 0);
    return decommit(self, address, size, report);
}

#if LINUX

#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC 0x958458f6u
#endif

static size_t file_granularity(const hf_backend *self, intptr_t file) {
    struct statfs system;
    bool is_huge = fstatfs((int)file, &system) == 0 && (uint32_t)system.f_type == HUGETLBFS_MAGIC;
    return is_huge ? (size_t)system.f_bsize : page_size(self);
}

static bool has_huge_pages(const hf_backend *self, intptr_t file, hf_report *report) {
    report->system_calls++;
    return file_granularity(self, file) > page_size(self);
}

#else

static bool has_huge_pages(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self, (void)file, (void)report;
    return false;
}

#endif

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* 0, or errno. An mmap that fails late can leave a gap where the placeholder was: cover it again.
 * */
static int map_file(void *address, size_t size, int protection, int flags, int file, off_t offset,
                    hf_report *report) {
    report->system_calls++;
    if (mmap(address, size, protection, flags | MAP_FIXED, file, offset) != MAP_FAILED) return 0;
    int code = errno;
    cover(address, size, report);
    return code;
}

/*
 * A private view is charged as if all of it will be copied, so one larger than memory fails:
 * MAP_NORESERVE leaves the charge out. Huge pages are charged always, because a store that finds
 * none ends in SIGBUS.
 */
static hf_status map(const hf_backend *self, void *address, size_t size, intptr_t file,
                     uint64_t file_offset, hf_access access, hf_report *report) {
    int protection = access == HF_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
    int sharing = access == HF_COPY_ON_WRITE ? MAP_PRIVATE : MAP_SHARED;
    int code = map_file(address, size, protection, sharing, (int)file, (off_t)file_offset, report);
    if (code == ENOMEM && access == HF_COPY_ON_WRITE && !has_huge_pages(self, file, report))
        code = map_file(address, size, protection, sharing | MAP_NORESERVE, (int)file,
                        (off_t)file_offset, report);
    return code == 0 ? HF_OK : refuse(report, view_status(code, report), "mmap", code);
}

static hf_status allocate_pages(const hf_backend *self, size_t size, void **address,
                                hf_report *report) {
    (void)self;
    void *got = map_memory(NULL, size, PROT_READ | PROT_WRITE, 0, report);
    if (got == MAP_FAILED) {
        int code = errno;
        return refuse(report, memory_status(code, report), "mmap", code);
    }
    *address = got;
    return HF_OK;
}

static void free_pages(const hf_backend *self, void *address, size_t size) {
    (void)self;
    munmap(address, size);
}

/* ---------------------------------------------------------------------- hints ------------ */

/* Stores into each page without changing it, also while other threads store there. In words: some
 * processors (riscv64) have no atomic operation on a byte. clang makes a load of an atomic OR with
 * a constant zero, and a load takes no page: so the zero is volatile. */
static hf_status touch_pages(char *address, size_t size) {
    volatile unsigned zero = 0;
    for (size_t offset = 0, step = page_size(NULL); offset < size; offset += step)
        __atomic_fetch_or((unsigned *)(void *)(address + offset), zero, __ATOMIC_RELAXED);
    return HF_OK;
}

#if LINUX

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* EPERM: a filter of system calls, as containers have them. */
static bool is_unknown(int code) { return code == EINVAL || code == ENOSYS || code == EPERM; }

static hf_status refuse_advice(hf_report *report, int code) {
    hf_status status = is_unknown(code) ? HF_UNSUPPORTED
                       : code == ENOMEM ? memory_status(code, report)
                                        : HF_NO_MEMORY;
    return refuse(report, status, "madvise", code);
}

static hf_status advise(const hf_backend *self, void *address, size_t size, hf_advice advice,
                        hf_report *report) {
    (void)self;
    int hint = advice == HF_ADVISE_HUGE      ? MADV_HUGEPAGE
               : advice == HF_ADVISE_NO_HUGE ? MADV_NOHUGEPAGE
                                             : MADV_POPULATE_WRITE;
    report->system_calls++;
    if (madvise(address, size, hint) == 0) return HF_OK;
    int code = errno;
    if (advice == HF_ADVISE_POPULATE && is_unknown(code)) return touch_pages(address, size);
    return refuse_advice(report, code);
}

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

/* A kernel without it says EINVAL. */
static void name_memory(const hf_backend *self, void *address, size_t size, const char *name,
                        hf_report *report) {
    (void)self;
    report->system_calls++;
    if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, size, name) != 0)
        refuse(report, HF_UNSUPPORTED, "prctl", errno);
}

#else

static hf_status advise(const hf_backend *self, void *address, size_t size, hf_advice advice,
                        hf_report *report) {
    (void)self;
    return advice == HF_ADVISE_POPULATE ? touch_pages(address, size)
                                        : refuse(report, HF_UNSUPPORTED, "madvise", 0);
}

#endif

/* ---------------------------------------------------------------------- check ------------ */

#if LINUX

static bool is_view(const mapping *found, const hf_region *region, uint64_t into_region,
                    uint64_t into_mapping) {
    static const char *const access[] = {
        [HF_READ_WRITE] = "rw-s", [HF_READ_ONLY] = "r--s", [HF_COPY_ON_WRITE] = "rw-p"};
    return found->inode != 0 && strcmp(found->access, access[region->access]) == 0 &&
           found->file_offset + into_mapping == region->file_offset + into_region;
}

static bool is_private(const mapping *found, const char *access) {
    return found->inode == 0 && strcmp(found->access, access) == 0;
}

/* Does the mapping show at `address`, which lies in it, what the region says? */
static bool shows(const mapping *found, const hf_region *region, const char *base,
                  uintptr_t address) {
    if (region->kind == HF_PLACEHOLDER) return is_private(found, "---p");
    if (region->kind == HF_COMMITTED) return is_private(found, "rw-p");
    return is_view(found, region, address - ((uintptr_t)base + region->offset),
                   address - found->begin);
}

/* Compares one region; *found is the mapping read last, which may reach beyond it. */
static bool agrees(line_reader *reader, mapping *found, const hf_region *region, const char *base,
                   size_t *offset) {
    uintptr_t address = (uintptr_t)base + region->offset, end = address + region->size;
    while (address < end) {
        *offset = (size_t)(address - (uintptr_t)base);
        while (found->end <= address)
            if (!next_mapping(reader, found)) return false;
        if (found->begin > address || !shows(found, region, base, address)) return false;
        address = found->end;
    }
    return true;
}

static hf_status check(const hf_backend *self, const void *base,
                       bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                       hf_report *report) {
    (void)self;
    line_reader reader;
    mapping found = {0};
    hf_region region;
    bool same = true;
    if (!open_lines(&reader, "/proc/self/maps", report))
        return refuse(report, HF_IO, "open", errno);
    while (same && next(cursor, &region)) same = agrees(&reader, &found, &region, base, offset);
    close_counted(reader.file, report);
    if (reader.code != 0) return refuse(report, HF_IO, "read", reader.code);
    return same ? HF_OK : HF_WRONG_STATE;
}

#endif

/* ---------------------------------------------------------------------- files ------------ */

/*
 * The rest is IO, with the code beside it: a path that leads nowhere or too far (ENOENT, ENOTDIR,
 * ELOOP, ENAMETOOLONG), a right that is missing (EACCES, EPERM, EROFS), a table that is full
 * (EMFILE, ENFILE), a device that fails (EIO).
 */
static hf_status file_status(int code) {
    switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return HF_NO_SPACE;
    case ENOMEM: return HF_NO_MEMORY;
    case ETXTBSY:                /* a program that runs */
    case EAGAIN: return HF_BUSY; /* open: another process has a lease */
    case EISDIR:                 /* open finds a folder, */
    case ENXIO:                  /* a socket, */
    case ENODEV:                 /* or a device without a driver */
    case ENOSYS:
    case EOPNOTSUPP: return HF_UNSUPPORTED;
    default: return HF_IO;
    }
}

static hf_status refuse_file(hf_report *report, const char *call, int code) {
    return refuse(report, file_status(code), call, code);
}

/* macOS' shared memory has no type of file. */
static bool can_be_mapped(mode_t mode) { return S_ISREG(mode) || (mode & S_IFMT) == 0; }

/* Cleared first: not every MemorySanitizer knows that fstat writes it. */
static int stat_open(int descriptor, struct stat *status, hf_report *report) {
    int result;
    memset(status, 0, sizeof *status);
    MAKE_CALL(result, report, fstat(descriptor, status));
    return result;
}

/* Files of /proc tell a size of 0, but have bytes; a file that is empty reads nothing, and so does
 * one that is open for writing alone. */
static hf_status check_empty(int descriptor, hf_report *report) {
    char byte;
    ssize_t got;
    MAKE_CALL(got, report, pread(descriptor, &byte, 1, 0));
    if (got == 0 || (got < 0 && errno == EBADF)) return HF_OK;
    refuse(report, HF_UNSUPPORTED, "pread", got < 0 ? errno : 0);
    report->reason = "the file has bytes, but no size";
    return HF_UNSUPPORTED;
}

static hf_status check_kind(int descriptor, uint64_t *size, hf_report *report) {
    struct stat status;
    if (stat_open(descriptor, &status, report) != 0) return refuse_file(report, "fstat", errno);
    if (!can_be_mapped(status.st_mode)) return refuse(report, HF_UNSUPPORTED, "fstat", 0);
    *size = (uint64_t)status.st_size;
    return status.st_size > 0 || !S_ISREG(status.st_mode) ? HF_OK : check_empty(descriptor, report);
}

/* Takes over an open descriptor, if it can be mapped; else closes it. */
static hf_status adopt(int descriptor, intptr_t *file, uint64_t *size, hf_report *report) {
    uint64_t found = 0;
    hf_status status = check_kind(descriptor, &found, report);
    if (status != HF_OK) {
        close_counted(descriptor, report);
        return status;
    }
    *file = descriptor;
    *size = found;
    return HF_OK;
}

/* O_NONBLOCK: to open a pipe would wait for its other end. */
static hf_status open_path(const char *path, int mode, intptr_t *file, uint64_t *size,
                           hf_report *report) {
    int descriptor = open_counted(path, mode | O_NONBLOCK, report);
    if (descriptor < 0) return refuse_file(report, "open", errno);
    return adopt(descriptor, file, size, report);
}

static hf_status file_open(const hf_backend *self, const char *path, hf_access access,
                           intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    return open_path(path, access == HF_READ_WRITE ? O_RDWR : O_RDONLY, file, size, report);
}

/* Makes a file's bytes durable. macOS' fsync leaves them in the disk's cache; F_FULLFSYNC empties
 * that too, where the file system knows it. Returns 0, or -1 and errno. */
static int sync_to_disk(int descriptor, hf_report *report) {
    int result;
#ifdef F_FULLFSYNC
    MAKE_CALL(result, report, fcntl(descriptor, F_FULLFSYNC));
    if (result == 0 || (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY)) return result;
#endif
    MAKE_CALL(result, report, fsync(descriptor));
    return result;
}

/* A name is durable when its folder is. "a/b" -> "a", "/b" -> "/", "b" -> ".". */
static hf_status sync_folder(const char *path, hf_report *report) {
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash) {
        size_t length = slash == path ? 1 : (size_t)(slash - path);
        if (length >= sizeof folder) return refuse_file(report, "open", ENAMETOOLONG);
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    int descriptor = open_counted(folder, O_RDONLY | O_DIRECTORY, report);
    if (descriptor < 0 && errno == EACCES) return HF_OK; /* one that may not be read */
    if (descriptor < 0) return refuse_file(report, "open", errno);
    int code = sync_to_disk(descriptor, report) == 0 ? 0 : errno;
    close_counted(descriptor, report);
    /* Some file systems sync no folders, and keep names durable by themselves. */
    return code == 0 || code == EINVAL ? HF_OK : refuse_file(report, "fsync", code);
}

#if HAS_LINUX_HEADERS

#define BTRFS_MAGIC 0x9123683e

/* btrfs allocates new blocks at each store into an old one, unless a file is told otherwise while
 * it is empty. Where that fails the file is as any other there. */
static void store_in_place(int descriptor, hf_report *report) {
    struct statfs system;
    int flags = 0;
    report->system_calls++;
    if (fstatfs(descriptor, &system) != 0 || (unsigned long)system.f_type != BTRFS_MAGIC) return;
    report->system_calls++;
    if (ioctl(descriptor, (ioctl_request)FS_IOC_GETFLAGS, &flags) != 0) return;
    flags |= FS_NOCOW_FL;
    report->system_calls++;
    ioctl(descriptor, (ioctl_request)FS_IOC_SETFLAGS, &flags);
}

#else

static void store_in_place(int descriptor, hf_report *report) { (void)descriptor, (void)report; }

#endif

/* An empty one may have been made just now. */
static hf_status file_open_or_create(const hf_backend *self, const char *path, intptr_t *file,
                                     uint64_t *size, hf_report *report) {
    (void)self;
    hf_status status = open_path(path, O_RDWR | O_CREAT, file, size, report);
    if (status != HF_OK || *size > 0) return status;
    store_in_place((int)*file, report);
    status = sync_folder(path, report);
    if (status != HF_OK) close_counted((int)*file, report);
    return status;
}

static hf_status file_measure(const hf_backend *self, intptr_t file, uint64_t *size,
                              hf_report *report) {
    (void)self;
    struct stat status;
    if (stat_open((int)file, &status, report) != 0) return refuse_file(report, "fstat", errno);
    *size = (uint64_t)status.st_size;
    return HF_OK;
}

/* Past RLIMIT_FSIZE the kernel kills the process (SIGXFSZ): ask first. */
static bool is_within_size_limit(uint64_t size, hf_report *report) {
    struct rlimit limit;
    if (size > (uint64_t)INT64_MAX) return false;
    report->system_calls++;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           size <= (uint64_t)limit.rlim_cur;
}

/* 0, or errno. A disk that is full takes a part and refuses the next. */
static int write_all(int descriptor, uint64_t offset, const char *bytes, size_t size,
                     hf_report *report) {
    for (size_t done = 0; done < size;) {
        ssize_t written;
        MAKE_CALL(written, report,
                  pwrite(descriptor, bytes + done, size - done, (off_t)(offset + done)));
        if (written < 0) return errno;
        done += (size_t)written;
    }
    return 0;
}

enum { END_OF_FILE = -1 };

/* 0, or errno, or END_OF_FILE. */
static int read_all(int descriptor, uint64_t offset, char *bytes, size_t size, hf_report *report) {
    for (size_t done = 0; done < size;) {
        ssize_t got;
        MAKE_CALL(got, report,
                  pread(descriptor, bytes + done, size - done, (off_t)(offset + done)));
        if (got <= 0) return got == 0 ? END_OF_FILE : errno;
        done += (size_t)got;
    }
    return 0;
}

static const _Alignas(4096) char zeros[65536];

/* What pwrite does, of zeros. */
#if LINUX
/* Large steps make large folios in the file's cache, and a small source stays in the
 * processor's. */
static ssize_t write_some_zeros(int descriptor, uint64_t offset, uint64_t size) {
    struct iovec parts[16];
    int count = 0;
    for (uint64_t left = size; left > 0 && count < 16; count++) {
        size_t part = left < sizeof zeros ? (size_t)left : sizeof zeros;
        parts[count] = (struct iovec){(void *)(uintptr_t)zeros, part};
        left -= part;
    }
    return pwritev(descriptor, parts, count, (off_t)offset);
}

/* Allocating in one go costs less than block by block as they are written. A refusal is none yet:
 * where there is no such call, or no room, the zeros will tell. */
static void allocate_at_once(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    report->system_calls++;
    fallocate(descriptor, 0, (off_t)offset, (off_t)(end - offset));
}

#else

static ssize_t write_some_zeros(int descriptor, uint64_t offset, uint64_t size) {
    return pwrite(descriptor, zeros, size < sizeof zeros ? (size_t)size : sizeof zeros,
                  (off_t)offset);
}

#ifdef F_PREALLOCATE
/* macOS: blocks behind the end of the file. Like fallocate above, it may fail. */
static void allocate_at_once(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    fstore_t blocks = {.fst_flags = F_ALLOCATEALL,
                       .fst_posmode = F_PEOFPOSMODE,
                       .fst_length = (off_t)(end - offset)};
    report->system_calls++;
    fcntl(descriptor, F_PREALLOCATE, &blocks);
}
#else
static void allocate_at_once(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    (void)descriptor, (void)offset, (void)end, (void)report;
}

#endif
#endif

/* Allocates blocks of a range. 0, or errno; EOPNOTSUPP where the system has no such call. On Linux
 * this is not posix_fallocate: glibc's writes into each block where the file system can't. */
static int allocate_range(int descriptor, uint64_t offset, uint64_t size, hf_report *report) {
#if LINUX
    report->system_calls++;
    return fallocate(descriptor, 0, (off_t)offset, (off_t)size) == 0 ? 0 : errno;
#elif defined(__APPLE__) || defined(__OpenBSD__)
    allocate_at_once(descriptor, offset, offset + size, report);
    return EOPNOTSUPP;
#else
    report->system_calls++;
    return posix_fallocate(descriptor, (off_t)offset, (off_t)size);
#endif
}

/* 0, or errno. */
static int write_zeros(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    while (offset < end) {
        ssize_t written;
        MAKE_CALL(written, report, write_some_zeros(descriptor, offset, end - offset));
        if (written < 0) return errno;
        offset += (uint64_t)written;
    }
    return 0;
}

enum { LARGEST_PIECE = 16 << 20, SMALLEST_PIECE = 64 << 10 };

static bool cannot_allocate(int code) {
    return code == EINTR || code == EOPNOTSUPP || code == EINVAL || code == ENOSYS;
}

/* 0, or errno. The file is new: zeros may be written where blocks can't be allocated. tmpfs gives
 * back all that a call allocated if a signal interrupts it: smaller and smaller pieces, then. */
static int allocate_new(int descriptor, uint64_t size, hf_report *report) {
    uint64_t piece = size;
    for (uint64_t offset = 0; offset < size;) {
        if (piece > size - offset) piece = size - offset;
        int code = allocate_range(descriptor, offset, piece, report);
        if (code == 0) {
            offset += piece;
        } else if (code == EINTR && piece > SMALLEST_PIECE) {
            piece = piece / 2 < LARGEST_PIECE ? piece / 2 : LARGEST_PIECE;
            if (piece < SMALLEST_PIECE) piece = SMALLEST_PIECE;
        } else {
            return cannot_allocate(code) ? write_zeros(descriptor, offset, size, report) : code;
        }
    }
    return 0;
}

static hf_status allocate_blocks(int descriptor, uint64_t size, hf_report *report) {
    if (!is_within_size_limit(size, report)) return refuse_file(report, "getrlimit", EFBIG);
    int code = allocate_new(descriptor, size, report);
    return code == 0 ? HF_OK : refuse_file(report, LINUX ? "fallocate" : "posix_fallocate", code);
}

static hf_status set_size(int descriptor, uint64_t size, hf_report *report) {
    int result;
    MAKE_CALL(result, report, ftruncate(descriptor, (off_t)size));
    return result == 0 ? HF_OK : refuse_file(report, "ftruncate", errno);
}

#if LINUX

static hf_status create_memfd(uint64_t size, intptr_t *file, hf_report *report) {
    if (!is_within_size_limit(size, report)) return refuse_file(report, "getrlimit", EFBIG);
    int descriptor;
    unsigned occupied = occupy_streams(report);
    MAKE_CALL(descriptor, report, memfd_create("holdfast", MFD_CLOEXEC));
    leave_streams(occupied, report);
    descriptor = above_streams(descriptor, report);
    if (descriptor < 0) return refuse_file(report, "memfd_create", errno);
    hf_status status = set_size(descriptor, size, report);
    if (status != HF_OK)
        close_counted(descriptor, report);
    else
        *file = descriptor;
    return status;
}

#endif

#if LINUX && defined(__ANDROID__) /* has no shm_open */

static hf_status file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                    hf_report *report) {
    (void)self;
    return create_memfd(size, file, report);
}

#else

#ifdef SHM_ANON

/* FreeBSD's shared memory can do without a name. */
static int open_nameless(hf_report *report) {
    int descriptor;
    unsigned occupied = occupy_streams(report);
    MAKE_CALL(descriptor, report, shm_open(SHM_ANON, O_RDWR | O_CLOEXEC, 0600));
    leave_streams(occupied, report);
    return above_streams(descriptor, report);
}

#else

/* A shared memory object that loses its name at once; tried under several, for another process
 * may be doing the same. macOS allows 31 characters. */
static int open_nameless(hf_report *report) {
    char name[32];
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(name, sizeof name, "/hf-%lx-%lx-%x", (unsigned long)getpid(),
                 (unsigned long)((uintptr_t)name & 0xffffffff), attempt);
        int descriptor;
        unsigned occupied = occupy_streams(report);
        MAKE_CALL(descriptor, report, shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
        leave_streams(occupied, report);
        if (descriptor < 0 && errno == EEXIST) continue;
        report->system_calls += descriptor >= 0;
        if (descriptor >= 0) shm_unlink(name);
        return above_streams(descriptor, report);
    }
    return -1;
}

#endif

/* Shared memory of macOS and FreeBSD lies on no disk and has no blocks; macOS sets its size once
 * and can't write to it. Other systems keep it in files. */
#if defined(__APPLE__) || defined(SHM_ANON)
#define make_shared_size set_size
#else
#define make_shared_size allocate_blocks
#endif

static hf_status create_nameless(uint64_t size, intptr_t *file, hf_report *report) {
    int descriptor = open_nameless(report);
    if (descriptor < 0) return refuse_file(report, "shm_open", errno);
    hf_status status = make_shared_size(descriptor, size, report);
    if (status != HF_OK) {
        close_counted(descriptor, report);
        return status;
    }
    *file = descriptor;
    return HF_OK;
}

#if LINUX

/* A kernel without memfd_create, or a filter of system calls that does not know it. */
static bool lacks_memfd(const hf_report *report) {
    return strcmp(report->call, "memfd_create") == 0 &&
           (report->os_code == ENOSYS || report->os_code == EPERM || report->os_code == EACCES);
}

#endif

static hf_status file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                    hf_report *report) {
    (void)self;
#if LINUX
    hf_status status = create_memfd(size, file, report);
    if (status == HF_OK || !lacks_memfd(report)) return status;
#endif
    return create_nameless(size, file, report);
}

#endif

#ifdef O_PATH
#define IS_A_NAME_ONLY O_PATH
#else
#define IS_A_NAME_ONLY 0
#endif

static bool has_access(int flags, hf_access access) {
    int mode = flags & O_ACCMODE;
    if (flags & IS_A_NAME_ONLY) return false;
    return access == HF_READ_WRITE ? mode == O_RDWR : mode == O_RDWR || mode == O_RDONLY;
}

static hf_status file_duplicate(const hf_backend *self, intptr_t handle, hf_access access,
                                intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    if (handle < 0 || handle > INT_MAX) return refuse(report, HF_INVALID, "fcntl", EBADF);
    int flags;
    MAKE_CALL(flags, report, fcntl((int)handle, F_GETFL));
    if (flags < 0) return refuse(report, HF_INVALID, "fcntl", errno);
    int descriptor = duplicate_above_streams((int)handle, report);
    if (descriptor < 0) return refuse_file(report, "fcntl", errno);
    hf_status status = adopt(descriptor, file, size, report);
    if (status != HF_OK || has_access(flags, access)) return status;
    close_counted(descriptor, report);
    return refuse(report, HF_INVALID, "fcntl", EACCES);
}

static void file_close(const hf_backend *self, intptr_t file) {
    (void)self;
    close((int)file);
}

/* Zeros that are written leave their pages in the cache, where the program's stores find them:
 * blocks that are only allocated would be read, or cleared, at each page's first store. */
static hf_status file_resize(const hf_backend *self, intptr_t file, uint64_t old_size,
                             uint64_t new_size, hf_report *report) {
    (void)self;
    if (new_size <= old_size) return set_size((int)file, new_size, report);
    if (!is_within_size_limit(new_size, report)) return refuse_file(report, "getrlimit", EFBIG);
    allocate_at_once((int)file, old_size, new_size, report);
    int code = write_zeros((int)file, old_size, new_size, report);
    if (code == 0) return HF_OK;
    set_size((int)file, old_size, report);
    return refuse_file(report, "pwrite", code);
}

/* ---- Blocks that a file lacks: holes, and blocks that it shares with another file */

/* What a file system allocates at once, at most a page. */
static size_t block_size(int descriptor, hf_report *report) {
    struct statvfs disk;
    report->system_calls++;
    if (fstatvfs(descriptor, &disk) != 0 || disk.f_frsize < 512) return 512;
    return disk.f_frsize < 4096 ? (size_t)disk.f_frsize : 4096;
}

/* How many of these bytes are zeros from the first on, in whole blocks; so many are data. */
static size_t count_blocks(const char *bytes, size_t size, size_t block, bool are_zeros) {
    size_t count = 0;
    while (count < size) {
        size_t length = size - count < block ? size - count : block;
        if ((memcmp(bytes + count, zeros, length) == 0) != are_zeros) break;
        count += length;
    }
    return count;
}

/* 0, or errno. A block that holds anything is allocated. */
static int rewrite_zeros_of_page(int descriptor, uint64_t offset, const char *page, size_t size,
                                 size_t block, hf_report *report) {
    for (size_t at = 0; at < size;) {
        at += count_blocks(page + at, size - at, block, false);
        size_t length = count_blocks(page + at, size - at, block, true);
        if (length == 0) break;
        if (!is_within_size_limit(offset + at + length, report)) return EFBIG;
        int code = write_all(descriptor, offset + at, page + at, length, report);
        if (code != 0) return code;
        at += length;
    }
    return 0;
}

/* Writes the zeros of a range again, so that each of its blocks is allocated: nothing else writes
 * the file meanwhile. 0, or errno. Of a file that has become shorter the rest lacks nothing. */
static int rewrite_zeros(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    char page[4096];
    size_t block = block_size(descriptor, report);
    for (; offset < end; offset += sizeof page) {
        size_t size = end - offset < sizeof page ? (size_t)(end - offset) : sizeof page;
        int code = read_all(descriptor, offset, page, size, report);
        if (code == END_OF_FILE) return 0;
        if (code == 0) code = rewrite_zeros_of_page(descriptor, offset, page, size, block, report);
        if (code != 0) return code;
    }
    return 0;
}

#if LINUX

#ifndef FALLOC_FL_UNSHARE_RANGE
#define FALLOC_FL_UNSHARE_RANGE 0x40
#endif

/* A range of a file that has no blocks of its own. */
typedef struct lack {
    uint64_t from, to;
    bool is_shared; /* blocks of another file too: a store allocates new ones; else a hole */
} lack;

#if HAS_LINUX_HEADERS

enum { MOST_EXTENTS = 32 }; /* of one call */

/* What the file system says of the extents at or behind `from`. 0, or errno. */
static int read_extents(int descriptor, uint64_t from, uint64_t end, struct fiemap *map,
                        hf_report *report) {
    *map =
        (struct fiemap){.fm_start = from, .fm_length = end - from, .fm_extent_count = MOST_EXTENTS};
    report->system_calls++;
    return ioctl(descriptor, (ioctl_request)FS_IOC_FIEMAP, map) == 0 ? 0 : errno;
}

/* 1: *found is the next range at or behind `from`; 0: there is none; -1: the file system can't
 * tell. A range that is allocated and not written is no lack. */
static int next_lack_of_extents(int descriptor, uint64_t from, uint64_t end, lack *found,
                                hf_report *report) {
    union {
        uint64_t aligned;
        char bytes[sizeof(struct fiemap) + MOST_EXTENTS * sizeof(struct fiemap_extent)];
    } room;
    struct fiemap *map = (struct fiemap *)(void *)&room;
    memset(&room, 0, sizeof room); /* MemorySanitizer does not see that ioctl writes it */
    while (from < end) {
        if (read_extents(descriptor, from, end, map, report) != 0) return -1;
        *found = (lack){from, end, false};
        if (map->fm_mapped_extents == 0) return 1;
        for (uint32_t i = 0; i < map->fm_mapped_extents && from < end; i++) {
            const struct fiemap_extent *extent = &map->fm_extents[i];
            uint64_t behind = extent->fe_logical + extent->fe_length;
            bool is_shared = (extent->fe_flags & FIEMAP_EXTENT_SHARED) != 0;
            *found = (lack){from, extent->fe_logical < end ? extent->fe_logical : end, false};
            if (extent->fe_logical > from) return 1;
            *found = (lack){from, behind < end ? behind : end, true};
            if (is_shared) return 1;
            from = behind;
        }
    }
    return 0;
}

#else

static int next_lack_of_extents(int descriptor, uint64_t from, uint64_t end, lack *found,
                                hf_report *report) {
    (void)descriptor, (void)from, (void)end, (void)found, (void)report;
    return -1;
}

#endif

/* The same for a file system that tells holes alone, such as tmpfs. */
static int next_hole(int descriptor, uint64_t from, uint64_t end, lack *found, hf_report *report) {
    report->system_calls++;
    off_t hole = lseek(descriptor, (off_t)from, SEEK_HOLE);
    if (hole < 0) return errno == ENXIO ? 0 : -1;
    if ((uint64_t)hole >= end) return 0;
    report->system_calls++;
    off_t data = lseek(descriptor, hole, SEEK_DATA);
    *found = (lack){(uint64_t)hole, data < 0 || (uint64_t)data > end ? end : (uint64_t)data, false};
    return 1;
}

static int next_lack(int descriptor, uint64_t from, uint64_t end, lack *found, hf_report *report) {
    int answer = next_lack_of_extents(descriptor, from, end, found, report);
    return answer < 0 ? next_hole(descriptor, from, end, found, report) : answer;
}

/* tmpfs shows blocks that are allocated and not yet written as holes, but counts them. */
static uint64_t count_lacking(int descriptor, uint64_t size, hf_report *report) {
    struct stat status;
    uint64_t holes = 0, shared = 0, most = size;
    lack found;
    for (uint64_t at = 0; next_lack(descriptor, at, size, &found, report) == 1; at = found.to)
        *(found.is_shared ? &shared : &holes) += found.to - found.from;
    if (holes > 0 && stat_open(descriptor, &status, report) == 0) {
        uint64_t allocated = (uint64_t)status.st_blocks * 512;
        most = allocated < size ? size - allocated : 0;
    }
    return shared + (holes < most ? holes : most);
}

/* Fails before anything is allocated where the disk has not so much. */
static bool has_room(int descriptor, uint64_t bytes, hf_report *report) {
    struct statvfs disk;
    if (bytes == 0) return true;
    report->system_calls++;
    return fstatvfs(descriptor, &disk) != 0 || disk.f_frsize == 0 ||
           bytes / disk.f_frsize <= disk.f_bfree;
}

/* 0, or errno. A file system without fallocate has zeros written into its holes. What btrfs shares
 * between files stays shared. */
static int fill_lack(int descriptor, const lack *wanted, bool others_store, hf_report *report) {
    int how = FALLOC_FL_KEEP_SIZE | (wanted->is_shared ? FALLOC_FL_UNSHARE_RANGE : 0), result;
    MAKE_CALL(result, report,
              fallocate(descriptor, how, (off_t)wanted->from, (off_t)(wanted->to - wanted->from)));
    if (result == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EINTR) return errno;
    if (others_store) return errno == EINTR ? EINTR : 0;
    if (wanted->is_shared) return 0;
    if (!is_within_size_limit(wanted->to, report)) return EFBIG;
    return write_zeros(descriptor, wanted->from, wanted->to, report);
}

/* A file system that shows neither extents nor holes: its sparse files show one piece of data. */
static bool has_fewer_blocks(int descriptor, uint64_t size, hf_report *report) {
    struct stat status;
    return stat_open(descriptor, &status, report) == 0 && (uint64_t)status.st_blocks < size / 512;
}

static int fill_file(int descriptor, uint64_t size, bool others_store, hf_report *report) {
    lack found;
    int answer = next_lack(descriptor, 0, size, &found, report);
    if (answer < 0 || (answer == 0 && has_fewer_blocks(descriptor, size, report)))
        return others_store ? 0 : rewrite_zeros(descriptor, 0, size, report);
    if (answer > 0 && !has_room(descriptor, count_lacking(descriptor, size, report), report))
        return ENOSPC;
    while (answer > 0) {
        int code = fill_lack(descriptor, &found, others_store, report);
        if (code != 0) return code;
        answer = next_lack(descriptor, found.to, size, &found, report);
    }
    return 0;
}

#else

static int fill_file(int descriptor, uint64_t size, bool is_shared, hf_report *report) {
    if (!is_shared) return rewrite_zeros(descriptor, 0, size, report);
    int code = EINTR;
    for (int tries = 0; code == EINTR && tries < MOST_ATTEMPTS; tries++)
        code = allocate_range(descriptor, 0, size, report);
    return code == EINTR || !cannot_allocate(code) ? code : 0;
}

#endif

static hf_status file_fill(const hf_backend *self, intptr_t file, uint64_t size, bool is_shared,
                           hf_report *report) {
    (void)self;
    int code = size > 0 ? fill_file((int)file, size, is_shared, report) : 0;
    return code == 0 ? HF_OK : refuse_file(report, "fallocate", code);
}

static hf_status file_read(const hf_backend *self, intptr_t file, uint64_t offset, void *bytes,
                           size_t size, hf_report *report) {
    (void)self;
    int code = read_all((int)file, offset, bytes, size, report);
    if (code == END_OF_FILE) return refuse(report, HF_IO, "pread", 0);
    return code == 0 ? HF_OK : refuse_file(report, "pread", code);
}

static hf_status file_write(const hf_backend *self, intptr_t file, uint64_t offset,
                            const void *bytes, size_t size, hf_report *report) {
    (void)self;
    if (!is_within_size_limit(offset + size, report))
        return refuse_file(report, "getrlimit", EFBIG);
    int code = write_all((int)file, offset, bytes, size, report);
    return code == 0 ? HF_OK : refuse_file(report, "pwrite", code);
}

static hf_status file_sync(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self;
    return sync_to_disk((int)file, report) == 0 ? HF_OK : refuse_file(report, "fsync", errno);
}

#if !LINUX
static hf_status file_flush(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    int result;
    MAKE_CALL(result, report, msync(address, size, MS_SYNC));
    return result == 0 ? HF_OK : refuse_file(report, "msync", errno);
}
#endif

static int lock_counted(int descriptor, int operation, hf_report *report) {
    int result;
    MAKE_CALL(result, report, flock(descriptor, operation | LOCK_NB));
    return result;
}

/* A file system without locks. */
static bool has_no_locks(int code) {
    return code == ENOSYS || code == EOPNOTSUPP || code == ENOLCK;
}

/* Held by the open file, not by the process: so it also keeps out a second opening here. */
static hf_status file_lock(const hf_backend *self, intptr_t file, bool exclusive,
                           hf_report *report) {
    (void)self;
    if (lock_counted((int)file, exclusive ? LOCK_EX : LOCK_SH, report) == 0) return HF_OK;
    int code = errno;
    if (code == EWOULDBLOCK) return refuse(report, HF_BUSY, "flock", code);
    return has_no_locks(code) ? refuse(report, HF_UNSUPPORTED, "flock", code)
                              : refuse_file(report, "flock", code);
}

static void file_unlock(const hf_backend *self, intptr_t file) {
    (void)self;
    hf_report report = {0};
    lock_counted((int)file, LOCK_UN, &report);
}

/* Cleared as in stat_open. */
static int stat_at(int folder, const char *path, int flags, struct stat *status,
                   hf_report *report) {
    int result;
    memset(status, 0, sizeof *status);
    MAKE_CALL(result, report, fstatat(folder, path, status, flags));
    return result;
}

static bool is_same_file(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static hf_status file_is_at(const hf_backend *self, intptr_t file, const char *path, bool *is_there,
                            hf_report *report) {
    (void)self;
    struct stat open_file, named;
    if (stat_open((int)file, &open_file, report) != 0) return refuse_file(report, "fstat", errno);
    *is_there = open_file.st_nlink > 0;
    if (path == NULL) return HF_OK;
    if (stat_at(AT_FDCWD, path, 0, &named, report) == 0)
        *is_there = is_same_file(&open_file, &named);
    else if (errno == ENOENT || errno == ENOTDIR)
        *is_there = false;
    else
        return refuse_file(report, "stat", errno);
    return HF_OK;
}

#if LINUX
static void file_forget(const hf_backend *self, intptr_t file) {
    (void)self;
    posix_fadvise((int)file, 0, 0, POSIX_FADV_DONTNEED);
}
#endif

/* ------------------------------------------------------------------------ drafts --------- */

/*
 * A draft lies beside the file that it will become, in the same folder:
 *
 *      folder/image             the file, or nothing
 *      folder/image.saving00    the draft
 *
 * All steps name files relative to the folder's descriptor. So no step can fail after the rename
 * for want of a path or a descriptor, and the folder may be renamed meanwhile.
 *
 * A process holds a shared lock on its draft while it lives. A draft without a lock belongs to a
 * dead process, and the next draft for the same path deletes it, under an exclusive lock. A draft
 * is created first and locked then, so another process can delete it in between: after taking a
 * lock, check that the name still leads to the file.
 *
 * The lock is a shared one because the draft has the path's name a moment before its process closes
 * it: another process that replaces the file at this path takes a shared lock, too.
 */
typedef struct draft {
    int folder;
    bool can_sync_folder; /* false where the folder may be searched, but not read */
    int file;
    int replaced; /* what had the name when the draft was made, not locked; -1: nothing */
    bool is_published;
    uid_t user;                   /* leftovers of others stay */
    size_t longest;               /* most bytes of a temporary name */
    char name[NAME_MAX + 1];      /* of the target, within the folder */
    char temporary[NAME_MAX + 1]; /* of the draft, within the folder */
    char path[PATH_MAX];          /* what leads to the target; cut up while it is looked for */
} draft;

/* At most 100: two digits. Fewer in a test that makes each call fail. */
#ifndef MOST_DRAFTS
#define MOST_DRAFTS 100
#endif

enum { MOST_LINKS = 40, MOST_RACES = 100 };

static const char draft_suffix[] = ".saving00";

/* ---- Calls. A child that another thread forks meanwhile has the open files, too: closing alone
 * does not unlock them there. */

static void unlock_and_close(int descriptor, hf_report *report) {
    lock_counted(descriptor, LOCK_UN, report);
    close_counted(descriptor, report);
}

static int unlink_counted(const draft *made, const char *name, hf_report *report) {
    int result;
    MAKE_CALL(result, report, unlinkat(made->folder, name, 0));
    return result;
}

/* Opens a file that is there to lock it, without waiting and without following a link. */
static int open_to_lock(const draft *made, const char *name, int mode, int other_mode,
                        hf_report *report) {
    int flags = O_NOFOLLOW | O_NONBLOCK;
    int descriptor = open_at(made->folder, name, mode | flags, 0, report);
    if (descriptor < 0 && errno == EACCES)
        descriptor = open_at(made->folder, name, other_mode | flags, 0, report);
    return descriptor;
}

/* 0: the name leads to the open file. EAGAIN: to another one, or to none. Else errno. */
static int check_name(const draft *made, const char *name, int descriptor, struct stat *status,
                      hf_report *report) {
    struct stat named;
    if (stat_open(descriptor, status, report) != 0) return errno;
    if (stat_at(made->folder, name, AT_SYMLINK_NOFOLLOW, &named, report) != 0)
        return errno == ENOENT ? EAGAIN : errno;
    return is_same_file(status, &named) ? 0 : EAGAIN;
}

/* ---- The target: its folder, and its name there */

/* A folder that may be searched but not read serves for all but a sync. 0, or errno. */
static int open_folder(draft *made, int from, const char *folder, hf_report *report) {
    made->folder = open_at(from, folder, O_RDONLY | O_DIRECTORY, 0, report);
    made->can_sync_folder = made->folder >= 0;
#ifdef O_PATH
    if (made->folder < 0 && errno == EACCES)
        made->folder = open_at(from, folder, O_DIRECTORY | O_PATH, 0, report);
#endif
    return made->folder >= 0 ? 0 : errno;
}

/* Splits the path: "a/b" is b in a, "/b" is b in /, "b" is b in ".". A relative path begins at the
 * folder that is open. 0, or errno. */
static int enter_folder(draft *made, hf_report *report) {
    int before = made->folder;
    char *slash = strrchr(made->path, '/'), *name = slash ? slash + 1 : made->path;
    const char *folder = slash == NULL ? "." : slash == made->path ? "/" : made->path;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return EISDIR;
    if (strlen(name) > NAME_MAX) return ENAMETOOLONG;
    memcpy(made->name, name, strlen(name) + 1);
    if (slash) *slash = '\0';
    int code = open_folder(made, before >= 0 ? before : AT_FDCWD, folder, report);
    if (before >= 0) close_counted(before, report);
    return code;
}

/* Reads a symbolic link into the path. 0, or errno; EINVAL: it is none. */
static int read_link(draft *made, hf_report *report) {
    ssize_t length;
    MAKE_CALL(length, report,
              readlinkat(made->folder, made->name, made->path, sizeof made->path - 1));
    if (length < 0) return errno;
    made->path[length] = '\0';
    return 0;
}

/* Where the kernel would not follow a link we don't either: one that somebody else put into /tmp
 * (fs.protected_symlinks), a loop. 0, or errno. */
static int check_link(const draft *made, bool *leads_to_file, hf_report *report) {
    struct stat target;
    *leads_to_file = stat_at(made->folder, made->name, 0, &target, report) == 0;
    return *leads_to_file || errno == ENOENT ? 0 : errno;
}

/* Follows links to the target, which may be missing. 0, or errno. ENXIO: the text of a link leads
 * nowhere although the kernel follows it (one of /proc, to a file without a name). */
static int find_target(draft *made, hf_report *report) {
    bool leads_to_file = false;
    for (int links = 0; links < MOST_LINKS; links++) {
        int code = enter_folder(made, report);
        if (code != 0) return code;
        code = read_link(made, report);
        if (code == EINVAL) return 0;
        if (code == ENOENT) return leads_to_file ? ENXIO : 0;
        if (code == 0) code = check_link(made, &leads_to_file, report);
        if (code != 0) return code;
    }
    return ELOOP;
}

static hf_status open_target(const draft *made, int *descriptor, struct stat *status,
                             hf_report *report) {
    *descriptor = -1;
    if (stat_at(made->folder, made->name, AT_SYMLINK_NOFOLLOW, status, report) != 0)
        return errno == ENOENT ? HF_OK : refuse_file(report, "fstatat", errno);
    if (S_ISLNK(status->st_mode)) return refuse_file(report, "fstatat", ELOOP);
    if (!S_ISREG(status->st_mode))
        return refuse(report, HF_UNSUPPORTED, "fstatat", S_ISDIR(status->st_mode) ? EISDIR : 0);
    *descriptor = open_to_lock(made, made->name, O_RDONLY, O_WRONLY, report);
    return *descriptor >= 0 || errno == ENOENT ? HF_OK : refuse_file(report, "openat", errno);
}

/* Opens and locks what has the name in the folder. HF_OK with *descriptor -1: nothing has it. */
static hf_status lock_target(const draft *made, int *descriptor, struct stat *status,
                             hf_report *report) {
    int code = EAGAIN;
    for (int race = 0; race < MOST_RACES && code == EAGAIN; race++) {
        hf_status found = open_target(made, descriptor, status, report);
        if (found != HF_OK || *descriptor < 0) return found;
        code = lock_counted(*descriptor, LOCK_SH, report) == 0 ? 0 : errno;
        bool is_busy = code == EWOULDBLOCK;
        if (code == 0 || has_no_locks(code))
            code = check_name(made, made->name, *descriptor, status, report);
        if (code == 0 && S_ISREG(status->st_mode)) return HF_OK;
        unlock_and_close(*descriptor, report);
        *descriptor = -1;
        if (is_busy) break;
    }
    return code == EAGAIN ? refuse(report, HF_BUSY, "flock", code)
                          : refuse_file(report, "flock", code);
}

/* ---- Drafts of dead processes */

/* The suffix may make the name too long: then the name is cut, between two characters of UTF-8. */
static void name_draft(draft *made, int number) {
    size_t suffix = sizeof draft_suffix - 1, length = strlen(made->name);
    size_t room = made->longest > suffix ? made->longest - suffix : 0;
    if (length > room) length = room;
    while (length > 0 && ((unsigned char)made->name[length] & 0xc0) == 0x80) length--;
    memcpy(made->temporary, made->name, length);
    memcpy(made->temporary + length, draft_suffix, suffix + 1);
    made->temporary[length + suffix - 2] = (char)('0' + number / 10);
    made->temporary[length + suffix - 1] = (char)('0' + number % 10);
}

static bool is_leftover(const draft *made, const struct stat *status) {
    return S_ISREG(status->st_mode) && status->st_uid == made->user;
}

/* Deletes a draft whose process is dead. True: nothing has the name now. */
static bool delete_leftover(const draft *made, hf_report *report) {
    struct stat status;
    if (stat_at(made->folder, made->temporary, AT_SYMLINK_NOFOLLOW, &status, report) != 0)
        return errno == ENOENT;
    if (!is_leftover(made, &status)) return false;
    int descriptor = open_to_lock(made, made->temporary, O_RDWR, O_RDONLY, report);
    if (descriptor < 0) return errno == ENOENT;
    bool is_gone = lock_counted(descriptor, LOCK_EX, report) == 0 &&
                   check_name(made, made->temporary, descriptor, &status, report) == 0 &&
                   is_leftover(made, &status) && unlink_counted(made, made->temporary, report) == 0;
    unlock_and_close(descriptor, report);
    return is_gone;
}

/* The numbers that this draft does not have. */
static void delete_leftovers(draft *made, hf_report *report) {
    char own[NAME_MAX + 1];
    memcpy(own, made->temporary, sizeof own);
    for (int number = 0; number < MOST_DRAFTS; number++) {
        name_draft(made, number);
        if (strcmp(made->temporary, own) != 0) delete_leftover(made, report);
    }
    memcpy(made->temporary, own, sizeof own);
}

/* ---- Making a draft */

/* 0, or errno; EAGAIN: another process deleted it before it was locked. */
static int lock_draft(draft *made, hf_report *report) {
    struct stat status;
    int code = lock_counted(made->file, LOCK_SH, report) == 0 ? 0 : errno;
    if (code == EWOULDBLOCK) return EAGAIN;
    if (code != 0 && !has_no_locks(code)) return code;
    return check_name(made, made->temporary, made->file, &status, report);
}

static void drop_draft(draft *made, hf_report *report) {
    struct stat status;
    if (check_name(made, made->temporary, made->file, &status, report) == 0)
        unlink_counted(made, made->temporary, report);
    unlock_and_close(made->file, report);
    made->file = -1;
}

/* 0, or errno; EAGAIN: try again. */
static int create_numbered(draft *made, int number, mode_t mode, hf_report *report) {
    name_draft(made, number);
    made->file = open_at(made->folder, made->temporary, O_RDWR | O_CREAT | O_EXCL, mode, report);
    if (made->file < 0 && errno == EEXIST) return delete_leftover(made, report) ? EAGAIN : EEXIST;
    if (made->file < 0) return errno;
    int code = lock_draft(made, report);
    if (code != 0) drop_draft(made, report);
    return code;
}

/* A file system may allow shorter names than NAME_MAX: then as long as the target's. */
static int create_draft(draft *made, mode_t mode, hf_report *report) {
    int code = EEXIST, number = 0;
    made->longest = NAME_MAX;
    made->user = geteuid();
    report->system_calls++;
    for (int races = 0; number < MOST_DRAFTS && races < MOST_RACES;) {
        code = create_numbered(made, number, mode, report);
        bool is_too_long = code == ENAMETOOLONG && made->longest > strlen(made->name);
        if (is_too_long) made->longest = strlen(made->name);
        if (code != EEXIST && code != EAGAIN && !is_too_long) break;
        number += code == EEXIST;
        races += code == EAGAIN;
    }
    if (code == 0) delete_leftovers(made, report);
    return code;
}

/* What replaces a file is at first a file that nobody else may read. */
static hf_status begin_draft(draft *made, uint64_t size, hf_report *report) {
    struct stat status;
    int code = find_target(made, report);
    if (code != 0) return refuse_file(report, "open", code);
    hf_status found = lock_target(made, &made->replaced, &status, report);
    if (found != HF_OK) return found;
    if (made->replaced >= 0) lock_counted(made->replaced, LOCK_UN, report);
    code = create_draft(made, made->replaced >= 0 ? 0600 : 0666, report);
    if (code != 0) return refuse_file(report, "openat", code);
    store_in_place(made->file, report);
    return allocate_blocks(made->file, size, report);
}

static size_t draft_bytes(void) {
    size_t page = page_size(NULL);
    return (sizeof(draft) + page - 1) / page * page;
}

static hf_status take_draft(const char *path, draft **made, hf_report *report) {
    void *memory;
    size_t length = strlen(path);
    if (length >= PATH_MAX) return refuse_file(report, "open", ENAMETOOLONG);
    hf_status status = allocate_pages(NULL, draft_bytes(), &memory, report);
    if (status != HF_OK) return status;
    *made = memory;
    (*made)->folder = (*made)->file = (*made)->replaced = -1;
    memcpy((*made)->path, path, length + 1);
    return HF_OK;
}

static void give_draft(draft *made, hf_report *report) {
    if (made->file >= 0 && !made->is_published) drop_draft(made, report);
    if (made->file >= 0) unlock_and_close(made->file, report);
    if (made->replaced >= 0) close_counted(made->replaced, report);
    if (made->folder >= 0) close_counted(made->folder, report);
    unmap_memory(made, draft_bytes(), report);
}

static hf_status draft_open(const hf_backend *self, const char *path, uint64_t size, void **opened,
                            intptr_t *file, hf_report *report) {
    (void)self;
    draft *made;
    hf_status status = take_draft(path, &made, report);
    if (status != HF_OK) return status;
    status = begin_draft(made, size, report);
    if (status != HF_OK) {
        give_draft(made, report);
        return status;
    }
    *file = made->file;
    *opened = made;
    return HF_OK;
}

static void draft_close(const hf_backend *self, void *opened) {
    (void)self;
    hf_report report = {0};
    give_draft(opened, &report);
}

/* ---- Rights of what is replaced */

#if LINUX

/*
 * Where a file has an access control list, the group's bits of its mode are the most that the list
 * gives anybody. A list that is inherited from the folder would come to life with these bits.
 */
static bool copy_access_list(int from, int to, hf_report *report) {
    static const char list_name[] = "system.posix_acl_access";
    char list[1024];
    ssize_t size;
    int result;
    MAKE_CALL(size, report, fgetxattr(from, list_name, list, sizeof list));
    if (size < 0 && errno == EOPNOTSUPP) return true;
    if (size < 0 && errno != ENODATA) return false;
    if (size >= 0)
        MAKE_CALL(result, report, fsetxattr(to, list_name, list, (size_t)size, 0));
    else
        MAKE_CALL(result, report, fremovexattr(to, list_name));
    return result == 0 || (size < 0 && errno == ENODATA);
}

#else

static bool copy_access_list(int from, int to, hf_report *report) {
    (void)from, (void)to, (void)report;
    return true;
}

#endif

static bool give_to(int descriptor, uid_t user, gid_t group, hf_report *report) {
    int result;
    MAKE_CALL(result, report, fchown(descriptor, user, group));
    return result == 0;
}

/* If the group can't be kept, the members of both groups get what everybody and the group had. */
static mode_t without_group(mode_t mode) {
    mode_t both = mode & (mode >> 3) & 07;
    return (mode_t)((mode & 0700) | both << 3 | both);
}

/* Nobody gets more rights than before: the owner changes last, because the mode is the owner's to
 * change, and what fails leaves the draft's mode of 0600. */
static void keep_rights(int descriptor, int replaced, const struct stat *status,
                        hf_report *report) {
    int result;
    mode_t mode = (mode_t)(status->st_mode & 0777);
    if (!give_to(descriptor, (uid_t)-1, status->st_gid, report)) mode = without_group(mode);
    if (!copy_access_list(replaced, descriptor, report)) mode &= 0700;
    MAKE_CALL(result, report, fchmod(descriptor, mode));
    if (result == 0) give_to(descriptor, status->st_uid, (gid_t)-1, report);
}

/* ---- Giving a draft its name */

static bool cannot_link(int code) {
    return code == EPERM || code == EOPNOTSUPP || code == ENOSYS || code == EINVAL ||
           code == EMLINK || code == ENOTSUP;
}

#if LINUX && defined(SYS_renameat2)

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

static int rename_to_new(const draft *made, hf_report *report) {
    long result;
    MAKE_CALL(result, report,
              syscall(SYS_renameat2, made->folder, made->temporary, made->folder, made->name,
                      RENAME_NOREPLACE));
    return result == 0 ? 0 : errno;
}

#else

static int rename_to_new(const draft *made, hf_report *report) {
    (void)made, (void)report;
    return ENOSYS;
}

#endif

/* An interrupted call may have been done before it is made again, and fail then. */
static bool has_its_name(const draft *made, hf_report *report) {
    struct stat status;
    return check_name(made, made->name, made->file, &status, report) == 0;
}

/* Gives the draft a name that nothing has. 0, or errno; EEXIST: something has it; ENOSYS: the file
 * system can't do that in one step. */
static int name_new(draft *made, hf_report *report) {
    int result, code;
    MAKE_CALL(result, report, linkat(made->folder, made->temporary, made->folder, made->name, 0));
    code = result == 0 ? 0 : errno;
    made->is_published = code == 0 || (code == EEXIST && has_its_name(made, report));
    if (made->is_published) {
        unlink_counted(made, made->temporary, report);
        return 0;
    }
    if (!cannot_link(code)) return code;
    code = rename_to_new(made, report);
    made->is_published = code == 0;
    return cannot_link(code) ? ENOSYS : code;
}

static int name_over(draft *made, hf_report *report) {
    int result;
    MAKE_CALL(result, report, renameat(made->folder, made->temporary, made->folder, made->name));
    int code = result == 0 ? 0 : errno;
    made->is_published = code == 0 || has_its_name(made, report);
    return made->is_published ? 0 : code;
}

/* What it replaces stays locked until the draft has its name: no writer opens it in between. */
static hf_status replace(draft *made, hf_report *report) {
    struct stat status;
    int old, code = EEXIST;
    for (int race = 0; race < MOST_RACES && code == EEXIST; race++) {
        hf_status found = lock_target(made, &old, &status, report);
        if (found != HF_OK) return found;
        if (old >= 0)
            keep_rights(made->file, old, &status, report);
        else if (made->replaced >= 0 && stat_open(made->replaced, &status, report) == 0)
            keep_rights(made->file, made->replaced, &status, report);
        code = old >= 0 ? name_over(made, report) : name_new(made, report);
        if (code == ENOSYS && old < 0) code = name_over(made, report);
        if (old >= 0) unlock_and_close(old, report);
    }
    return code == 0 ? HF_OK : refuse_file(report, "renameat", code);
}

static hf_status sync_open_folder(const draft *made, hf_report *report) {
    if (!made->can_sync_folder) return HF_OK;
    /* Some file systems sync no folders, and keep names durable by themselves. */
    return sync_to_disk(made->folder, report) == 0 || errno == EINVAL
               ? HF_OK
               : refuse_file(report, "fsync", errno);
}

static hf_status draft_publish(const hf_backend *self, void *opened, hf_report *report) {
    (void)self;
    draft *made = opened;
    hf_status status = replace(made, report);
    if (status != HF_OK) return status;
    lock_counted(made->file, LOCK_UN, report);
    return sync_open_folder(made, report);
}

/* ---- A new file is a draft, too: nobody sees it before it has its size and its blocks. */

/* Where the file system can't give a name in one step, others can see the file as it grows. */
static hf_status create_in_place(draft *made, uint64_t size, hf_report *report) {
    drop_draft(made, report);
    made->file = open_at(made->folder, made->name, O_RDWR | O_CREAT | O_EXCL, 0666, report);
    if (made->file < 0) return refuse_file(report, "open", errno);
    hf_status status = allocate_blocks(made->file, size, report);
    made->is_published = status == HF_OK;
    memcpy(made->temporary, made->name, sizeof made->name); /* what goes if it failed */
    return status;
}

static hf_status create_whole(draft *made, uint64_t size, hf_report *report) {
    struct stat status;
    int code = enter_folder(made, report);
    if (code != 0) return refuse_file(report, "open", code);
    if (stat_at(made->folder, made->name, AT_SYMLINK_NOFOLLOW, &status, report) == 0)
        return refuse_file(report, "open", EEXIST);
    if (errno != ENOENT) return refuse_file(report, "fstatat", errno);
    code = create_draft(made, 0666, report);
    if (code != 0) return refuse_file(report, "open", code);
    hf_status allocated = allocate_blocks(made->file, size, report);
    if (allocated != HF_OK) return allocated;
    code = name_new(made, report);
    if (code == ENOSYS) return create_in_place(made, size, report);
    return code == 0 ? HF_OK : refuse_file(report, "linkat", code);
}

static hf_status file_create(const hf_backend *self, const char *path, uint64_t size,
                             intptr_t *file, hf_report *report) {
    (void)self;
    draft *made;
    hf_status status = take_draft(path, &made, report);
    if (status != HF_OK) return status;
    status = create_whole(made, size, report);
    if (status == HF_OK) {
        *file = made->file;
        lock_counted(made->file, LOCK_UN, report);
        made->file = -1;
    }
    give_draft(made, report);
    return status;
}

/* ---------------------------------------------------------------------- locks ------------ */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(hf_lock), "hf_lock is too small for a mutex");

static pthread_mutex_t *mutex(hf_lock *storage) { return (pthread_mutex_t *)(void *)storage; }

/*
 * The gate: a fork copies the memory of all threads and one thread only, so a lock that another
 * thread held would stay locked in the child, over a region map in the middle of an edit. Every
 * thread passes the gate before its first lock; fork() closes the gate, waits until no thread is
 * inside, and opens it again in the parent and in the child.
 *
 *      lock:    inside++, unless the gate is closed: then wait until the fork is done
 *      fork:    close; wait for inside == 0; fork; open
 *
 * A thread that holds a lock already (a strict backend nests its own in a space's) passes without
 * looking at the gate: a fork would wait for it. depth counts the locks of this thread.
 *
 * Other fork handlers may take locks that threads hold while they wait at the gate. So it has to be
 * the last to close and the first to open: handlers run in the reverse order before a fork, so the
 * gate's are registered first, when the library is loaded. The thread that forks passes the gate,
 * for the handlers of what was loaded before that.
 *
 * A signal handler may fork while its own thread is inside. Then nobody can wait for that thread:
 * the child is as it would be without a gate, and its own forks wait for nothing.
 */
static struct {
    int inside;         /* atomic: threads between their first lock and their last unlock */
    bool is_closed;     /* atomic */
    bool is_broken;     /* this process was forked by a thread inside: inside is wrong */
    bool is_registered; /* atomic: the three functions below are called at a fork */
    uint32_t forks;     /* between the first process and this one */
} gate;

static pthread_mutex_t forking = PTHREAD_MUTEX_INITIALIZER; /* from before a fork until after it */

static HF_THREAD_LOCAL unsigned depth;
static HF_THREAD_LOCAL bool is_forking;

static bool can_close_gate(void) { return *HF_OF_THIS_THREAD(depth) == 0 && !gate.is_broken; }

static void close_gate(void) {
    if (!can_close_gate()) return;
    pthread_mutex_lock(&forking);
    *HF_OF_THIS_THREAD(is_forking) = true;
    __atomic_store_n(&gate.is_closed, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&gate.inside, __ATOMIC_SEQ_CST) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

static void open_gate(void) {
    if (!can_close_gate()) return;
    *HF_OF_THIS_THREAD(is_forking) = false;
    __atomic_store_n(&gate.is_closed, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&forking);
}

static void open_gate_in_child(void) {
    gate.forks++;
    open_gate();
    if (can_close_gate() || gate.is_broken) return;
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    forking = unlocked; /* another thread of the parent may have been forking too */
    gate.is_closed = false;
    gate.is_broken = true;
}

/* 0, or errno: it is tried again at each new lock. */
static int register_gate(void) {
    if (__atomic_load_n(&gate.is_registered, __ATOMIC_ACQUIRE)) return 0;
    pthread_mutex_lock(&forking);
    int code = gate.is_registered ? 0 : pthread_atfork(close_gate, open_gate, open_gate_in_child);
    __atomic_store_n(&gate.is_registered, code == 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&forking);
    return code;
}

/* Before constructors without a priority, which may register handlers of their own. */
__attribute__((constructor(101))) static void register_first(void) { register_gate(); }

static void leave_gate(void) { __atomic_fetch_sub(&gate.inside, 1, __ATOMIC_SEQ_CST); }

static void enter_gate(void) {
    __atomic_fetch_add(&gate.inside, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&gate.is_closed, __ATOMIC_SEQ_CST) && !*HF_OF_THIS_THREAD(is_forking)) {
        leave_gate();
        pthread_mutex_lock(&forking); /* until the fork is done */
        pthread_mutex_unlock(&forking);
        __atomic_fetch_add(&gate.inside, 1, __ATOMIC_SEQ_CST);
    }
}

/* A child can have its parent's number, in a namespace of its own. */
static uint64_t process(const hf_backend *self) {
    (void)self;
    return (uint64_t)gate.forks << 32 | (uint32_t)getpid();
}

static hf_status lock_open(const hf_backend *self, hf_lock *storage, hf_report *report) {
    (void)self;
    int code = register_gate();
    if (code != 0) return refuse(report, HF_NO_MEMORY, "pthread_atfork", code);
    code = pthread_mutex_init(mutex(storage), NULL);
    return code == 0 ? HF_OK : refuse(report, HF_NO_MEMORY, "pthread_mutex_init", code);
}

static void lock_close(const hf_backend *self, hf_lock *storage) {
    (void)self;
    pthread_mutex_destroy(mutex(storage));
}

static void lock(const hf_backend *self, hf_lock *storage) {
    (void)self;
    unsigned *own = HF_OF_THIS_THREAD(depth);
    if ((*own)++ == 0) enter_gate();
    pthread_mutex_lock(mutex(storage));
}

static void unlock(const hf_backend *self, hf_lock *storage) {
    (void)self;
    unsigned *own = HF_OF_THIS_THREAD(depth);
    pthread_mutex_unlock(mutex(storage));
    if (*own == 1) leave_gate();
    (*own)--;
}

const hf_backend *hf_backend_native(void) {
    static const hf_backend native = {
        .page_size = page_size,
        .reserve = reserve,
        .release = release,
        .split = keep_books_only,
        .coalesce = keep_books_only,
        .commit = commit,
        .decommit = decommit,
        .map = map,
        .unmap = unmap,
        .release_run = release_run,
        .advise = advise,
#if LINUX
        .name = name_memory,
        .check = check,
#endif
        .allocate_pages = allocate_pages,
        .free_pages = free_pages,
        .file_open = file_open,
        .file_create = file_create,
        .file_create_shared = file_create_shared,
        .file_duplicate = file_duplicate,
        .file_close = file_close,
        .file_open_or_create = file_open_or_create,
        .file_measure = file_measure,
        .file_resize = file_resize,
        .file_read = file_read,
        .file_write = file_write,
        .file_sync = file_sync,
#if !LINUX
        .file_flush = file_flush,
#endif
        .file_lock = file_lock,
        .file_unlock = file_unlock,
#if LINUX
        .file_forget = file_forget,
        .file_granularity = file_granularity,
#endif
        .file_fill = file_fill,
        .file_is_at = file_is_at,
        .draft_open = draft_open,
        .draft_publish = draft_publish,
        .draft_close = draft_close,
        .process = process,
        .lock_open = lock_open,
        .lock_close = lock_close,
        .lock = lock,
        .unlock = unlock,
    };
    return &native;
}
