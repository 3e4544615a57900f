/*
 * posix.c -- the native backend of Linux and of every other POSIX system.
 *
 * The steps of holdfast/backend.h as system calls:
 *
 *     reserve           mmap of private memory with PROT_NONE: addresses without a charge
 *     split, coalesce   nothing: the kernel splits and merges its mappings by itself
 *     commit            mprotect to read-write: charged now, zero at the first touch
 *     map               mmap of the file, shared or private, over the placeholder
 *     decommit, unmap   mmap with PROT_NONE over the region: frees its pages and its charge
 *
 * Reservations are made without MAP_NORESERVE. With it the kernel would never charge a later
 * mprotect against the commit limit, and a commit could not fail in time.
 *
 * ENOMEM means that either the commit limit or the limit on mappings (vm.max_map_count) is
 * reached. When a step fails with it, the process's mappings are counted to tell the two apart. A
 * decommit or an unmap needs no memory, so there it can only be the limit on mappings.
 *
 * Chapters, in this order:
 *
 *     Error texts               hf_system_message: what the system says about an errno code
 *     Interrupted calls         POSIX_CALL: makes a system call, again after EINTR, and counts it
 *     Descriptors               open and close; no file of ours becomes stdin, stdout or stderr
 *     Linux                     /proc, the limit on mappings, core dumps
 *     Memory                    reserve, commit, decommit, map, unmap; pages for records
 *     Hints                     advise, name
 *     Check                     compares /proc/self/maps with the region map
 *     Opening files             file_open, file_open_or_create, file_measure
 *     Allocating blocks         sizes; zeros and blocks, so that no store finds the disk full
 *     Shared memory             file_create_shared; file_seal, file_is_sealed
 *     Handles and sizes         file_duplicate, file_close, file_resize
 *     Holes and shared blocks   file_fill: allocates the blocks that a file lacks; file_punch_hole
 *     File contents and locks   file_read, file_write, file_sync, file_lock, file_is_at
 *     Drafts                    files that replace another file whole, or not at all
 *     Drafts: the target        follows symbolic links; opens and locks what will be replaced
 *     Drafts of dead processes  names of drafts; deletes drafts that no process has locked
 *     Making a draft            draft_open, draft_close
 *     Permissions of a draft    mode, group, owner and access control list of the target
 *     Publishing a draft        draft_publish: renames the draft to the target
 *     Creating a file           file_create: a draft, so nobody sees the file before it is complete
 *     Named shared memory       file_create_named, file_open_named, file_remove_named
 *     Locks and forks           lock, unlock; no lock is locked by another thread in a forked child
 *     Streams                   hf_system_stream: a FILE that writes into an arena
 *     The backend               hf_backend_native: the table of functions
 *
 * Each #if POSIX_LINUX has an alternative that any POSIX system can do, or leaves out a function
 * that is optional. HF_GENERIC_POSIX builds the alternatives on Linux, for tests.
 *
 * A function that is named after a system call (posix_fstat, posix_flock) returns what that call
 * returns, and counts it in report->system_calls. posix_fadvise and posix_fallocate are the C
 * library's; every other posix_ name is of this file.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <assert.h>
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

#include "../compatible.h"
#include "../fail.h"
#include "../pages.h"
#include "../stream_core.h"
#include "thread_local.h"

#if defined(__linux__) && !defined(HF_GENERIC_POSIX)
#define POSIX_LINUX 1
#else
#define POSIX_LINUX 0
#endif

#if POSIX_LINUX
#if defined(__has_include)
#if __has_include(<linux/fiemap.h>) && __has_include(<linux/fs.h>)
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#define POSIX_HAS_LINUX_FS 1 /* not with every C library */
#endif
#endif
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#endif

/* The kernel may have memfd_create where the C library lacks it. */
#if (defined(__ANDROID__) && __ANDROID_API__ < 30) || \
    (defined(__GLIBC__) && __GLIBC__ == 2 && __GLIBC_MINOR__ < 27)
#include <linux/memfd.h>
#include <sys/syscall.h>
#define memfd_create(name, flags) (int)syscall(SYS_memfd_create, (name), (flags))
#endif

#if POSIX_LINUX && !defined(F_ADD_SEALS)
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#define F_SEAL_SEAL 0x1
#define F_SEAL_SHRINK 0x2
#define F_SEAL_GROW 0x4
#endif

#ifndef POSIX_HAS_LINUX_FS
#define POSIX_HAS_LINUX_FS 0
#endif

/* The type of ioctl's second argument: int in POSIX, unsigned long in glibc. */
#ifdef __GLIBC__
typedef unsigned long posix_ioctl_request;
#else
typedef int posix_ioctl_request;
#endif

#define POSIX_HUGE_PAGE ((size_t)1 << 21)

static size_t posix_page_size(const hf_backend *self) {
    (void)self;
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Reports a failed call. `code` is errno: the caller reads it before another call can change it. */
static hf_status posix_fail(hf_report *report, hf_status status, const char *call, int code) {
    report->call = call;
    report->reason = NULL;
    report->os_code = code;
    return status;
}

/* ------------------------------------------------------------------ Error texts ------------ */

#if POSIX_LINUX && defined(__GLIBC_PREREQ)
#define POSIX_HAS_STRERRORDESC __GLIBC_PREREQ(2, 32)
#else
#define POSIX_HAS_STRERRORDESC 0
#endif

/* glibc's strerror_r may load a translation, which calls malloc; strerrordesc_np never does. */
#if POSIX_HAS_STRERRORDESC
static const char *posix_error_text(int code, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return strerrordesc_np(code);
}
#else
/* strerror_r returns int in POSIX, and char * in older versions of glibc and in Android. */
static inline const char *posix_text_if_int(int failed, const char *buffer) {
    return failed ? NULL : buffer;
}

static inline const char *posix_text_if_pointer(const char *text, const char *buffer) {
    (void)buffer;
    return text;
}

static const char *posix_error_text(int code, char *buffer, size_t size) {
    return _Generic(strerror_r(code, buffer, size), int
                    : posix_text_if_int, default
                    : posix_text_if_pointer)(strerror_r(code, buffer, size), buffer);
}
#endif

size_t hf_system_message(long code, char *buffer, size_t size) {
    char room[256];
    const char *text = posix_error_text((int)code, room, sizeof room);
    size_t length = text ? strlen(text) : 0, most = size > 0 ? size - 1 : 0;
    if (length > most) length = most;
    if (length > 0) memcpy(buffer, text, length);
    if (size > 0) buffer[length] = '\0';
    return length;
}

/* ------------------------------------------------------------ Interrupted calls ------------ */

/*
 * A signal can interrupt a system call, which then fails with EINTR and is made again. If signals
 * arrive faster than the call can finish (a profiler's timer, a slow network file system), the
 * later attempts are made with this thread's signals blocked, so that one of them finishes.
 */
typedef struct posix_retry {
    int interrupted;     /* EINTR results in a row */
    sigset_t saved_mask; /* the thread's signal mask from before posix_block_signals */
} posix_retry;

enum {
    POSIX_BLOCK_SIGNALS_AFTER = 20, /* interruptions in a row, then signals are blocked */
    POSIX_MOST_RETRIES = 100        /* interruptions in a row, then the call fails with EINTR */
};

static void posix_block_signals(posix_retry *retry, hf_report *report) {
    sigset_t all;
    sigfillset(&all);
    report->system_calls++;
    pthread_sigmask(SIG_SETMASK, &all, &retry->saved_mask);
}

static void posix_restore_signals(posix_retry *retry, hf_report *report) {
    report->system_calls++;
    pthread_sigmask(SIG_SETMASK, &retry->saved_mask, NULL);
}

/* Returns true if the call must be made again. code: errno of the call, 0 if it succeeded. */
static bool posix_should_retry(posix_retry *retry, int code, hf_report *report) {
    bool was_blocked = retry->interrupted >= POSIX_BLOCK_SIGNALS_AFTER;
    if (code == EINTR && ++retry->interrupted < POSIX_MOST_RETRIES) {
        if (retry->interrupted == POSIX_BLOCK_SIGNALS_AFTER) posix_block_signals(retry, report);
        return true;
    }
    if (was_blocked) posix_restore_signals(retry, report);
    retry->interrupted = 0;
    return false;
}

/* Makes a call that returns -1 and errno when it fails, again while it fails with EINTR. Adds each
 * attempt to report->system_calls. */
#define POSIX_CALL(result, report, call)                         \
    do {                                                         \
        posix_retry retry = {0};                                 \
        int call_code;                                           \
        do {                                                     \
            (report)->system_calls++;                            \
            (result) = (call);                                   \
            call_code = (result) < 0 ? errno : 0;                \
        } while (posix_should_retry(&retry, call_code, report)); \
        if (call_code != 0) errno = call_code;                   \
    } while (0)

/* ------------------------------------------------------------------ Descriptors ------------ */

/* Leaves errno unchanged. */
static void posix_close_fd(int descriptor, hf_report *report) {
    int code = errno;
    report->system_calls++;
    close(descriptor);
    errno = code;
}

/* fcntl fails with EINVAL if RLIMIT_NOFILE allows no descriptor above stderr: report EMFILE. */
static int posix_dup_above_stderr(int descriptor, hf_report *report) {
    int copy;
    POSIX_CALL(copy, report, fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (copy < 0 && errno == EINVAL) errno = EMFILE;
    return copy;
}

/*
 * Descriptors 0, 1 and 2 are the standard streams. If a process has closed one of them, the next
 * file that is opened gets its number, and whatever prints to stderr would write into that file.
 * So closed streams are occupied with /dev/null while a file of ours is opened. A file can still
 * get such a number, if another thread closes a stream meanwhile or if there is no /dev/null: then
 * it is duplicated to a higher descriptor at once.
 */

/* Opens /dev/null on each closed stream. Returns a bit for each stream that it opened. */
static unsigned posix_occupy_streams(hf_report *report) {
    unsigned occupied = 0;
    for (int stream = 0; stream <= STDERR_FILENO; stream++) {
        int filler;
        report->system_calls++;
        if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
        POSIX_CALL(filler, report, openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC));
        if (filler >= 0 && filler <= STDERR_FILENO)
            occupied |= 1U << filler;
        else if (filler >= 0)
            posix_close_fd(filler, report);
    }
    return occupied;
}

/* Closes what posix_occupy_streams opened. Leaves errno unchanged. */
static void posix_vacate_streams(unsigned occupied, hf_report *report) {
    for (int stream = 0; stream <= STDERR_FILENO; stream++)
        if (occupied >> stream & 1) posix_close_fd(stream, report);
}

/* Returns a descriptor above stderr; -1 and errno if descriptor is -1 or none is free. */
static int posix_move_above_stderr(int descriptor, hf_report *report) {
    if (descriptor < 0 || descriptor > STDERR_FILENO) return descriptor;
    int moved = posix_dup_above_stderr(descriptor, report);
    posix_close_fd(descriptor, report);
    return moved;
}

/* All files that have a path are opened here. Returns a descriptor, or -1 and errno. */
static int posix_openat(int folder, const char *path, int flags, mode_t mode, hf_report *report) {
    int descriptor;
    unsigned occupied = posix_occupy_streams(report);
    POSIX_CALL(descriptor, report, openat(folder, path, flags | O_CLOEXEC, mode));
    posix_vacate_streams(occupied, report);
    return posix_move_above_stderr(descriptor, report);
}

static int posix_open(const char *path, int flags, hf_report *report) {
    return posix_openat(AT_FDCWD, path, flags, 0666, report);
}

/* ------------------------------------------------------------------------ Linux ------------ */

#if POSIX_LINUX

/* Reads a file of /proc line by line, without allocating memory. */
typedef struct posix_line_reader {
    int file;
    int code;          /* errno of a read that failed, or 0 */
    hf_report *report; /* counts the system calls */
    size_t begin, end;
    char buffer[4096];
} posix_line_reader;

static bool posix_open_lines(posix_line_reader *reader, const char *path, hf_report *report) {
    reader->begin = reader->end = 0;
    reader->code = 0;
    reader->report = report;
    reader->file = posix_open(path, O_RDONLY, report);
    return reader->file >= 0;
}

static bool posix_has_more(posix_line_reader *reader) {
    if (reader->begin < reader->end) return true;
    ssize_t got;
    POSIX_CALL(got, reader->report, read(reader->file, reader->buffer, sizeof reader->buffer));
    if (got < 0) reader->code = errno;
    reader->begin = 0;
    reader->end = got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* Copies the next line, truncated to room - 1 bytes and a NUL. Returns false at the end. */
static bool posix_next_line(posix_line_reader *reader, char *line, size_t room) {
    size_t length = 0;
    const char *newline = NULL;
    if (!posix_has_more(reader)) return false;
    while (newline == NULL && posix_has_more(reader)) {
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

static size_t posix_count_lines(const char *path, hf_report *report) {
    posix_line_reader reader;
    char ignored[1];
    size_t count = 0;
    if (!posix_open_lines(&reader, path, report)) return 0;
    while (posix_next_line(&reader, ignored, sizeof ignored)) count++;
    posix_close_fd(reader.file, report);
    return count;
}

static size_t posix_read_number(const char *path, hf_report *report) {
    posix_line_reader reader;
    char line[32] = "";
    if (!posix_open_lines(&reader, path, report)) return SIZE_MAX;
    posix_next_line(&reader, line, sizeof line);
    posix_close_fd(reader.file, report);
    return strtoul(line, NULL, 10);
}

/* Used if /proc cannot be read, for example because no descriptor is free. To unmap the middle of
 * three pages takes one more mapping. The probe is MAP_SHARED so that it merges with no neighbour,
 * and PROT_NONE with MAP_NORESERVE so that it commits nothing. */
static bool posix_probe_map_limit(hf_report *report) {
    size_t page = posix_page_size(NULL);
    report->system_calls++;
    char *probe =
        mmap(NULL, 3 * page, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) return errno == ENOMEM;
    report->system_calls += 2;
    bool failed = munmap(probe + page, page) != 0 && errno == ENOMEM;
    munmap(probe, 3 * page);
    return failed;
}

/* A step in the middle of a mapping needs two more mappings, and one line of /proc/self/maps does
 * not count ([vsyscall]). */
static bool posix_is_at_map_limit(hf_report *report) {
    size_t mappings = posix_count_lines("/proc/self/maps", report);
    size_t most = posix_read_number("/proc/sys/vm/max_map_count", report);
    return mappings > 0 && most < SIZE_MAX ? mappings + 3 >= most : posix_probe_map_limit(report);
}

/* One line of /proc/self/maps: "7f0000000000-7f0000001000 rw-p 00000000 fd:01 4711  /name". */
typedef struct posix_mapping {
    uintptr_t begin, end;
    char access[5]; /* "rw-p" */
    unsigned long long file_offset, inode;
    bool is_memory; /* private memory: no file, or huge pages without one */
} posix_mapping;

static bool posix_next_mapping(posix_line_reader *reader, posix_mapping *found) {
    char line[128], *at = line;
    if (!posix_next_line(reader, line, sizeof line)) return false;
    found->begin = (uintptr_t)strtoull(at, &at, 16);
    found->end = (uintptr_t)strtoull(at + 1, &at, 16);
    memcpy(found->access, at + 1, 4);
    found->file_offset = strtoull(at + 5, &at, 16);
    at = strchr(at + 1, ' ');
    found->inode = at ? strtoull(at, NULL, 10) : 0;
    found->is_memory = found->inode == 0 || (at && strstr(at, " /anon_hugepage") != NULL);
    return at != NULL;
}

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* EINVAL: the pages are locked; Linux 5.18 drops those, too, if it is asked to. */
static hf_status posix_reset(const hf_backend *self, void *address, size_t size,
                             hf_report *report) {
    (void)self;
    report->system_calls++;
    if (madvise(address, size, MADV_DONTNEED) == 0) return HF_OK;
    if (errno == EINVAL) {
        report->system_calls++;
        if (madvise(address, size, MADV_DONTNEED_LOCKED) == 0) return HF_OK;
    }
    return posix_fail(report, HF_UNSUPPORTED, "madvise", errno);
}

static void posix_discard_pages(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    if (madvise(address, size, MADV_DONTNEED) == 0 || errno != EINVAL) return;
    report->system_calls += 2; /* EINVAL: the pages are locked */
    munlock(address, size);
    madvise(address, size, MADV_DONTNEED);
}

/* Without MADV_DONTDUMP gdb's gcore writes every page of a placeholder. Failures are ignored. */
static void posix_exclude_from_dumps(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    madvise(address, size, MADV_DONTDUMP);
}

static void posix_include_in_dumps(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    madvise(address, size, MADV_DODUMP);
}

#else

static bool posix_is_at_map_limit(hf_report *report) {
    (void)report;
    return false;
}

static void posix_discard_pages(void *address, size_t size, hf_report *report) {
    (void)address, (void)size, (void)report;
}

static void posix_exclude_from_dumps(void *address, size_t size, hf_report *report) {
    (void)address, (void)size, (void)report;
}

static void posix_include_in_dumps(void *address, size_t size, hf_report *report) {
    (void)address, (void)size, (void)report;
}

#endif

/* ----------------------------------------------------------------------- Memory ------------ */

/* EAGAIN: RLIMIT_MEMLOCK is reached, after mlockall(MCL_FUTURE). */
static hf_status posix_memory_status(int code, hf_report *report) {
    if (code == EAGAIN) return HF_NO_ADDRESS;
    return code == ENOMEM && posix_is_at_map_limit(report) ? HF_MAP_LIMIT : HF_NO_MEMORY;
}

/* For the mmap of a file. ENODEV: its file system cannot map files. EPERM, EACCES: the file is
 * sealed or append-only. */
static hf_status posix_view_status(int code, hf_report *report) {
    return code == ENOMEM || code == EAGAIN ? posix_memory_status(code, report)
           : code == ENODEV                 ? HF_UNSUPPORTED
                                            : HF_IO;
}

static void *posix_map_anonymous(void *address, size_t size, int protection, int flags,
                                 hf_report *report) {
    report->system_calls++;
    return mmap(address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void posix_unmap_pages(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    munmap(address, size);
}

static hf_status posix_fail_reserve(hf_report *report, int code) {
    hf_status status =
        code == ENOMEM && posix_is_at_map_limit(report) ? HF_MAP_LIMIT : HF_NO_ADDRESS;
    return posix_fail(report, status, "mmap", code);
}

#if POSIX_LINUX && defined(MAP_FIXED_NOREPLACE)
#define POSIX_MAP_NOREPLACE MAP_FIXED_NOREPLACE
#elif defined(MAP_EXCL) /* FreeBSD */
#define POSIX_MAP_NOREPLACE (MAP_FIXED | MAP_EXCL)
#elif defined(__MAP_NOREPLACE) /* OpenBSD */
#define POSIX_MAP_NOREPLACE (MAP_FIXED | __MAP_NOREPLACE)
#else
#define POSIX_MAP_NOREPLACE 0
#endif

/*
 * ThreadSanitizer and MemorySanitizer leave only some address ranges to the program. An mmap
 * outside of them ends the process under ThreadSanitizer and returns nonsense under
 * MemorySanitizer.
 */
#if POSIX_LINUX && defined(__x86_64__)

extern void __tsan_init(void) __attribute__((weak));
extern void __msan_init(void) __attribute__((weak));

static bool posix_is_within(uintptr_t base, size_t size, uintptr_t from, uintptr_t to) {
    return base >= from && base < to && size <= to - base;
}

static bool posix_is_sanitizer_range(const void *address, size_t size) {
    uintptr_t base = (uintptr_t)address;
    if (__tsan_init != NULL)
        return !posix_is_within(base, size, 0x550000000000, 0x568000000000) &&
               !posix_is_within(base, size, 0x7e8000000000, 0x800000000000);
    if (__msan_init != NULL)
        return !posix_is_within(base, size, 0x510000000000, 0x600000000000) &&
               !posix_is_within(base, size, 0x700000000000, 0x800000000000);
    return false;
}

#else

static bool posix_is_sanitizer_range(const void *address, size_t size) {
    (void)address, (void)size;
    return false;
}

#endif

/* If POSIX_MAP_NOREPLACE is 0 or the kernel does not know it, base is only a hint: the result is
 * compared with it. */
static hf_status posix_reserve_at(void *base, size_t size, void **address, hf_report *report) {
    if (posix_is_sanitizer_range(base, size)) return posix_fail_reserve(report, EEXIST);
    void *got = posix_map_anonymous(base, size, PROT_NONE, POSIX_MAP_NOREPLACE, report);
    if (got == MAP_FAILED) return posix_fail_reserve(report, errno);
    if (got != base) {
        posix_unmap_pages(got, size, report);
        return posix_fail_reserve(report, EEXIST);
    }
    *address = got;
    return HF_OK;
}

/*
 * Reserves more than `size` bytes and unmaps the ends:
 *      | slack |             size             |  slack  |
 *              ^ a multiple of `alignment`
 * If munmap fails, at the limit on mappings, an end stays reserved; that costs nothing.
 */
static hf_status posix_reserve_aligned(size_t size, size_t alignment, void **address,
                                       hf_report *report) {
    size_t slack = alignment - posix_page_size(NULL);
    if (size > SIZE_MAX - slack) return posix_fail_reserve(report, EOVERFLOW);
    char *got = posix_map_anonymous(NULL, size + slack, PROT_NONE, 0, report);
    if (got == MAP_FAILED) return posix_fail_reserve(report, errno);
    size_t below = (0 - (uintptr_t)got) & (alignment - 1);
    if (below > 0) posix_unmap_pages(got, below, report);
    if (below < slack) posix_unmap_pages(got + below + size, slack - below, report);
    *address = got + below;
    return HF_OK;
}

static hf_status posix_reserve_aligned_to(const hf_backend *self, size_t size, size_t alignment,
                                          void **address, hf_report *report) {
    (void)self;
    hf_status status = posix_reserve_aligned(size, alignment, address, report);
    if (status == HF_OK) posix_exclude_from_dumps(*address, size, report);
    return status;
}

/* Reservations of 2 MiB and more are aligned to a huge page. */
static size_t posix_reserve_alignment(size_t size) {
    return size >= POSIX_HUGE_PAGE ? POSIX_HUGE_PAGE : HF_ALLOCATION_GRANULARITY;
}

/* Newer kernels align mappings whose size is a multiple of a huge page by themselves. */
static hf_status posix_reserve_anywhere(size_t size, void **address, hf_report *report) {
    size_t alignment = posix_reserve_alignment(size);
    void *got = posix_map_anonymous(NULL, size, PROT_NONE, 0, report);
    if (got == MAP_FAILED) return posix_fail_reserve(report, errno);
    if (((uintptr_t)got & (alignment - 1)) != 0) {
        posix_unmap_pages(got, size, report);
        return posix_reserve_aligned(size, alignment, address, report);
    }
    *address = got;
    return HF_OK;
}

static hf_status posix_reserve(const hf_backend *self, void *base, size_t size, void **address,
                               hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(posix_page_size(NULL), base, size));
    hf_status status = base ? posix_reserve_at(base, size, address, report)
                            : posix_reserve_anywhere(size, address, report);
    if (status == HF_OK) posix_exclude_from_dumps(*address, size, report);
    return status;
}

/* munmap fails at the limit on mappings if the kernel has merged this region with a neighbour. The
 * addresses then stay reserved, but the pages are freed. */
static void posix_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    (void)self, (void)kind;
    assert(hf_is_whole_pages(posix_page_size(NULL), address, size));
    hf_report report = {0};
    if (munmap(address, size) != 0) posix_discard_pages(address, size, &report);
}

static hf_status posix_do_nothing(const hf_backend *self, void *address, size_t size,
                                  hf_report *report) {
    (void)self, (void)address, (void)size, (void)report;
    return HF_OK;
}

static bool posix_map_placeholder(void *address, size_t size, hf_report *report) {
    return posix_map_anonymous(address, size, PROT_NONE, MAP_FIXED, report) != MAP_FAILED;
}

/* EAGAIN after mlockall(MCL_FUTURE): the new mapping counts against RLIMIT_MEMLOCK before the old
 * one is gone. Unlock the old one first. */
static bool posix_map_placeholder_locked(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    munlock(address, size);
    if (posix_map_placeholder(address, size, report)) return true;
    int code = errno;
    report->system_calls++;
    mlock(address, size);
    errno = code;
    return false;
}

/* Maps a placeholder over whatever the range contains. Returns false and errno if it failed. */
static bool posix_make_placeholder(void *address, size_t size, hf_report *report) {
    if (!posix_map_placeholder(address, size, report) &&
        !(errno == EAGAIN && posix_map_placeholder_locked(address, size, report)))
        return false;
    posix_exclude_from_dumps(address, size, report);
    return true;
}

/*
 * Makes the range PROT_NONE again after an mprotect that failed late. What it has changed may be
 * one mapping with the committed region below, which another mprotect divides only below the limit
 * on mappings:
 *      | committed |   hint A   |   hint B   |
 *                  <-- the range -->             mprotect has changed A, and cannot divide B
 * The merge has used up one mapping less, so mmap over the range works. It forgets the hints there.
 */
static void posix_undo_commit(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    if (mprotect(address, size, PROT_NONE) != 0) posix_make_placeholder(address, size, report);
}

#if POSIX_LINUX

/*
 * Commits at the limit on mappings. Between its mprotect and its MADV_DODUMP a commit needs one
 * mapping more, unless the placeholder that the committed region grows into is in dumps already:
 *      | committed | placeholder, not in dumps |    one mapping more, until MADV_DODUMP
 *      | committed |  placeholder, in dumps    |    mprotect only moves the border
 */
static bool posix_commit_at_map_limit(void *address, size_t size, hf_report *report) {
    posix_line_reader reader;
    posix_mapping found = {0};
    uintptr_t start = (uintptr_t)address;
    if (!posix_open_lines(&reader, "/proc/self/maps", report)) return false;
    while (found.end <= start && posix_next_mapping(&reader, &found)) continue;
    posix_close_fd(reader.file, report);
    if (found.begin > start || found.end <= start || found.access[0] != '-') return false;
    void *begin = (char *)address - (start - found.begin);
    posix_include_in_dumps(begin, found.end - found.begin, report);
    report->system_calls++;
    if (mprotect(address, size, PROT_READ | PROT_WRITE) == 0) return true;
    posix_undo_commit(address, size, report);
    posix_exclude_from_dumps(begin, found.end - found.begin, report);
    return false;
}

#else

static bool posix_commit_at_map_limit(void *address, size_t size, hf_report *report) {
    (void)address, (void)size, (void)report;
    return false;
}

#endif

/* One placeholder can be several mappings (madvise splits them), and mprotect can fail after it
 * has changed some: they become PROT_NONE again. */
static hf_status posix_commit_first(const hf_backend *self, void *address, size_t size,
                                    hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(posix_page_size(NULL), address, size));
    report->system_calls++;
    if (mprotect(address, size, PROT_READ | PROT_WRITE) == 0) return HF_OK;
    int code = errno;
    posix_undo_commit(address, size, report);
    hf_status status = posix_memory_status(code, report);
    if (status == HF_MAP_LIMIT && posix_commit_at_map_limit(address, size, report)) return HF_OK;
    return posix_fail(report, status, "mprotect", code);
}

static hf_status posix_commit(const hf_backend *self, void *address, size_t size,
                              hf_report *report) {
    hf_status status = posix_commit_first(self, address, size, report);
    if (status == HF_OK) posix_include_in_dumps(address, size, report);
    return status;
}

/* PROT_NONE needs no memory, so ENOMEM means vm.max_map_count. */
static hf_status posix_fail_release(hf_report *report, int code) {
    return posix_fail(report, code == ENOMEM ? HF_MAP_LIMIT : HF_NO_ADDRESS, "mmap", code);
}

static hf_status posix_decommit(const hf_backend *self, void *address, size_t size,
                                hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(posix_page_size(NULL), address, size));
    if (posix_make_placeholder(address, size, report)) return HF_OK;
    hf_status status = posix_fail_release(report, errno);
    if (status == HF_MAP_LIMIT) posix_discard_pages(address, size, report);
    return status;
}

static hf_status posix_unmap(const hf_backend *self, void *address, size_t size,
                             hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(posix_page_size(NULL), address, size));
    if (posix_make_placeholder(address, size, report)) return HF_OK;
    hf_status status = posix_fail_release(report, errno);
    if (status == HF_MAP_LIMIT)
        posix_discard_pages(address, size, report); /* copied pages of a private view */
    return status;
}

/* One mmap for all regions of the range. In a copy of this backend that replaces decommit or
 * unmap, those must be called for each region: HF_UNSUPPORTED. */
static hf_status posix_release_run(const hf_backend *self, void *address, size_t size,
                                   hf_report *report) {
    if (self->decommit != posix_decommit || self->unmap != posix_unmap)
        return posix_fail(report, HF_UNSUPPORTED, "release_run", 0);
    return posix_decommit(self, address, size, report);
}

#if POSIX_LINUX

#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC 0x958458f6u
#endif

/* Whether a file of huge pages was ever opened. Until then no view needs an fstatfs. */
static bool posix_met_huge_file;

static size_t posix_file_granularity(const hf_backend *self, intptr_t file) {
    struct statfs system;
    bool is_huge = fstatfs((int)file, &system) == 0 && (uint32_t)system.f_type == HUGETLBFS_MAGIC;
    if (is_huge) __atomic_store_n(&posix_met_huge_file, true, __ATOMIC_RELAXED);
    return is_huge ? (size_t)system.f_bsize : posix_page_size(self);
}

static bool posix_has_huge_pages(const hf_backend *self, intptr_t file, hf_report *report) {
    report->system_calls++;
    return posix_file_granularity(self, file) > posix_page_size(self);
}

/*
 * mmap with MAP_FIXED unmaps what is there before it fails for want of a free huge page. Until the
 * placeholder is mapped again, another thread's mmap can get these addresses, and the placeholder
 * then replaces that mapping. So huge pages are mapped elsewhere, where a failure loses nothing,
 * and moved:
 *      |  placeholder  |   ...   |  huge pages  |     mmap, where the kernel chooses
 *      |  huge pages   |   ...                        mremap replaces the placeholder at once
 *
 * Linux moves huge pages since 5.16. On older kernels mremap unmaps the placeholder before it fails
 * with EINVAL, so it is not called: MAP_FIXED is, which can leave the gap.
 */
static bool posix_can_move_huge_pages(hf_report *report) {
    struct utsname system;
    int major, minor;
    report->system_calls++;
    if (uname(&system) != 0 || sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
    return major > 5 || (major == 5 && minor >= 16);
}

/* If it fails, `from` is unmapped, and MAP_FIXED may still succeed: mremap wants some mappings
 * below the limit (ENOMEM), and a filter of system calls may forbid it (EPERM). */
static bool posix_move_huge_pages(void *from, void *to, size_t size, hf_report *report) {
    report->system_calls++;
    if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED) return true;
    posix_unmap_pages(from, size, report);
    return false;
}

static bool posix_is_moved_into_place(const hf_backend *self, intptr_t file, hf_report *report) {
    return __atomic_load_n(&posix_met_huge_file, __ATOMIC_RELAXED) &&
           posix_has_huge_pages(self, file, report) && posix_can_move_huge_pages(report);
}

#else

static bool posix_has_huge_pages(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self, (void)file, (void)report;
    return false;
}

static bool posix_is_moved_into_place(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self, (void)file, (void)report;
    return false;
}

static bool posix_move_huge_pages(void *from, void *to, size_t size, hf_report *report) {
    (void)from, (void)to, (void)size, (void)report;
    return false;
}

#endif

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* What a view is made of. */
typedef struct posix_view {
    void *address; /* NULL: the kernel chooses it */
    size_t size;
    int file;
    off_t offset;
    hf_access access;
} posix_view;

/* Returns the view's address, or MAP_FAILED and errno. */
static void *posix_map_file(const posix_view *view, int flags, hf_report *report) {
    int protection = view->access == HF_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
    int sharing = view->access == HF_COPY_ON_WRITE ? MAP_PRIVATE : MAP_SHARED;
    int fixed = view->address ? MAP_FIXED : 0;
    report->system_calls++;
    return mmap(view->address, view->size, protection, sharing | fixed | flags, view->file,
                view->offset);
}

/* Returns 0 or errno. */
static int posix_map_in_place(const posix_view *view, int flags, hf_report *report) {
    return posix_map_file(view, flags, report) == MAP_FAILED ? errno : 0;
}

static int posix_map_and_move(const posix_view *view, hf_report *report) {
    posix_view elsewhere = *view;
    elsewhere.address = NULL;
    void *got = posix_map_file(&elsewhere, 0, report);
    if (got == MAP_FAILED) return errno;
    return posix_move_huge_pages(got, view->address, view->size, report)
               ? 0
               : posix_map_in_place(view, 0, report);
}

/*
 * A private view is charged against the commit limit as if all its pages will be copied, so
 * mapping one larger than memory fails with ENOMEM; it is mapped again with MAP_NORESERVE, without
 * a charge. Views of huge pages are always charged: without it a store that finds no free huge
 * page raises SIGBUS.
 */
static int posix_map_view(const hf_backend *self, const posix_view *view, hf_report *report) {
    if (posix_is_moved_into_place(self, view->file, report))
        return posix_map_and_move(view, report);
    int code = posix_map_in_place(view, 0, report);
    if (code == ENOMEM && view->access == HF_COPY_ON_WRITE &&
        !posix_has_huge_pages(self, view->file, report))
        code = posix_map_in_place(view, MAP_NORESERVE, report);
    return code;
}

static hf_status posix_fail_map(hf_report *report, int code) {
    return posix_fail(report, posix_view_status(code, report), "mmap", code);
}

/* True if an mmap that failed late has removed what was there. msync fails with ENOMEM if a page of
 * the range is not mapped; MS_ASYNC does nothing else. */
static bool posix_is_gone(void *address, size_t size, hf_report *report) {
    report->system_calls++;
    return msync(address, size, MS_ASYNC) != 0 && errno == ENOMEM;
}

/* A failed mmap that has left the placeholder has left its hints, too. */
static void posix_restore_placeholder(void *address, size_t size, hf_report *report) {
    if (posix_is_gone(address, size, report)) posix_make_placeholder(address, size, report);
}

static hf_status posix_map(const hf_backend *self, void *address, size_t size, intptr_t file,
                           uint64_t file_offset, hf_access access, hf_report *report) {
    assert(hf_is_whole_pages(posix_page_size(NULL), address, size));
    posix_view view = {address, size, (int)file, (off_t)file_offset, access};
    int code = posix_map_view(self, &view, report);
    if (code == 0) return HF_OK;
    posix_restore_placeholder(address, size, report);
    return posix_fail_map(report, code);
}

static hf_status posix_remap(const hf_backend *self, void *address, size_t size, intptr_t file,
                             uint64_t file_offset, hf_access access, hf_report *report) {
    assert(hf_is_whole_pages(posix_page_size(NULL), address, size));
    posix_view view = {address, size, (int)file, (off_t)file_offset, access};
    int code = posix_map_view(self, &view, report);
    if (code == 0) return HF_OK;
    report->is_lost = posix_is_gone(address, size, report);
    if (report->is_lost) posix_make_placeholder(address, size, report);
    return posix_fail_map(report, code);
}

/* Each call of this backend works on a range of several mappings. In a copy that replaces one of
 * these functions, it must be called for each region. */
static bool posix_spans_regions(const hf_backend *self) {
    return self->release == posix_release && self->decommit == posix_decommit &&
           self->unmap == posix_unmap;
}

/* EACCES: SELinux forbids executable memory, or the file system forbids it (noexec). */
static hf_status posix_protect(const hf_backend *self, void *address, size_t size, hf_access access,
                               hf_protection protection, hf_report *report) {
    static const int flags[] = {[HF_PROTECT_NONE] = PROT_NONE,
                                [HF_PROTECT_READ] = PROT_READ,
                                [HF_PROTECT_READ_WRITE] = PROT_READ | PROT_WRITE,
                                [HF_PROTECT_READ_EXECUTE] = PROT_READ | PROT_EXEC};
    (void)self, (void)access;
    assert(hf_is_whole_pages(posix_page_size(NULL), address, size));
    report->system_calls++;
    if (mprotect(address, size, flags[protection]) == 0) return HF_OK;
    int code = errno;
    hf_status status =
        code == ENOMEM || code == EAGAIN ? posix_memory_status(code, report) : HF_UNSUPPORTED;
    return posix_fail(report, status, "mprotect", code);
}

static hf_status posix_allocate_pages(const hf_backend *self, size_t size, void **address,
                                      hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(posix_page_size(NULL), NULL, size));
    void *got = posix_map_anonymous(NULL, size, PROT_READ | PROT_WRITE, 0, report);
    if (got == MAP_FAILED) {
        int code = errno;
        return posix_fail(report, posix_memory_status(code, report), "mmap", code);
    }
    *address = got;
    return HF_OK;
}

static void posix_free_pages(const hf_backend *self, void *address, size_t size) {
    (void)self;
    assert(hf_is_whole_pages(posix_page_size(NULL), address, size));
    munmap(address, size);
}

#if UINTPTR_MAX > UINT32_MAX

/*
 * Pages for records and a placeholder in one mapping:
 *
 *      mapping      pages     address    + 64 KiB     + 192 KiB
 *      | unused     | records | first    | not in dumps                          |
 *                                                     ^ a multiple of the alignment
 *
 * The records and the first bytes of the placeholder have one page of the page table, and are one
 * mapping when these bytes are committed. They stay in dumps, so commit_first makes one system call
 * less than commit; a decommit excludes them like any other placeholder.
 *
 * The first huge page begins 192 KiB behind the base: an arena that stays below it takes small
 * pages, and one that grows has few of them. To unmap what the alignment leaves unused would be one
 * more system call. 32 bits have no addresses to spare for it.
 */
#define POSIX_BEFORE_HUGE ((size_t)192 << 10)

static bool posix_replaces_nothing(const hf_backend *self) {
    return self->reserve == posix_reserve && self->release == posix_release &&
           self->commit == posix_commit && self->allocate_pages == posix_allocate_pages &&
           self->free_pages == posix_free_pages;
}

static void posix_release_with_pages(const hf_backend *self, const hf_reservation *reservation) {
    posix_release(self, reservation->mapping, reservation->total, HF_PLACEHOLDER);
}

/* Maps `total` bytes. The pages lie at the lowest address that is `before` bytes below a multiple
 * of the alignment, and less than the alignment behind the mapping's begin. */
static hf_status posix_map_with_slack(size_t total, size_t alignment, size_t before,
                                      hf_reservation *reservation, hf_report *report) {
    char *got = posix_map_anonymous(NULL, total, PROT_NONE, 0, report);
    if (got == MAP_FAILED) return posix_fail_reserve(report, errno);
    reservation->mapping = got;
    reservation->pages = got + ((0 - (uintptr_t)got - before) & (alignment - 1));
    reservation->total = total;
    return HF_OK;
}

static hf_status posix_reserve_with_pages(const hf_backend *self, size_t size, size_t pages,
                                          hf_reservation *reservation, hf_report *report) {
    size_t alignment = posix_reserve_alignment(size), unit = HF_ALLOCATION_GRANULARITY;
    size_t records = hf_round_up(pages, unit), most = SIZE_MAX - records - 2 * alignment;
    hf_reservation made;
    if (!posix_replaces_nothing(self))
        return posix_fail(report, HF_UNSUPPORTED, "reserve_with_pages", 0);
    if (size > most) return posix_fail_reserve(report, EOVERFLOW);
    size_t total = hf_round_up(records + size, alignment) + alignment;
    hf_status status =
        posix_map_with_slack(total, alignment, records + POSIX_BEFORE_HUGE, &made, report);
    if (status != HF_OK) return status;
    made.address = (char *)made.pages + records;
    report->system_calls++;
    if (mprotect(made.pages, records, PROT_READ | PROT_WRITE) != 0) {
        int code = errno;
        status = posix_memory_status(code, report);
        posix_unmap_pages(made.mapping, made.total, report);
        return posix_fail(report, status, "mprotect", code);
    }
    char *behind = (char *)made.address + unit, *end = (char *)made.mapping + made.total;
    posix_exclude_from_dumps(behind, (size_t)(end - behind), report);
    *reservation = made;
    return HF_OK;
}

#endif

/* ------------------------------------------------------- Memory that is not ordinary ------- */

#if POSIX_LINUX

#ifndef MAP_HUGETLB
#define MAP_HUGETLB 0x40000
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#define POSIX_MPOL_BIND 2
#define POSIX_MOST_NODES 1024 /* that the kernel can have */

static int posix_log2(size_t value) {
    int log = 0;
    while (value >> log > 1) log++;
    return log;
}

/* Flags of the mmap that makes such memory. */
static int posix_flags_of(const hf_memory *memory) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (memory->lazy ? MAP_NORESERVE : 0);
    if (memory->huge_page == 0) return flags;
    return flags | MAP_HUGETLB | (int)((unsigned)posix_log2(memory->huge_page) << MAP_HUGE_SHIFT);
}

static bool posix_bind_to_node(void *address, size_t size, unsigned node, hf_report *report) {
    unsigned long mask[POSIX_MOST_NODES / (8 * sizeof(unsigned long))] = {0};
    const unsigned bits = 8 * sizeof mask[0];
    mask[node / bits] |= 1ul << (node % bits);
    report->system_calls++;
    return syscall(SYS_mbind, address, size, POSIX_MPOL_BIND, mask, POSIX_MOST_NODES + 1, 0) == 0;
}

/* Tries it with one page, elsewhere: a huge page size that the processor lacks is EINVAL, and no
 * free huge page is ENOMEM, which another time may be otherwise. */
static hf_status posix_check_memory(const hf_backend *self, const hf_memory *memory,
                                    hf_report *report) {
    size_t size = memory->huge_page ? memory->huge_page : posix_page_size(self);
    if (memory->on_numa_node && memory->numa_node >= POSIX_MOST_NODES)
        return posix_fail(report, HF_UNSUPPORTED, "mbind", EINVAL);
    report->system_calls++;
    void *got = mmap(NULL, size, PROT_READ | PROT_WRITE, posix_flags_of(memory), -1, 0);
    if (got == MAP_FAILED)
        return errno == ENOMEM ? HF_OK : posix_fail(report, HF_UNSUPPORTED, "mmap", errno);
    bool can_bind =
        !memory->on_numa_node || posix_bind_to_node(got, size, memory->numa_node, report);
    int code = errno;
    posix_unmap_pages(got, size, report);
    return can_bind ? HF_OK : posix_fail(report, HF_UNSUPPORTED, "mbind", code);
}

/* Memory that was mapped, or why not. */
typedef struct posix_made {
    void *address;
    const char *failed; /* the call that failed; NULL: none */
    int code;           /* errno of that call */
} posix_made;

/* Maps memory at the address, or with NULL where the kernel chooses. */
static posix_made posix_map_memory(void *address, size_t size, const hf_memory *memory,
                                   hf_report *report) {
    int flags = posix_flags_of(memory) | (address ? MAP_FIXED : 0);
    report->system_calls++;
    void *got = mmap(address, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (got == MAP_FAILED) return (posix_made){.failed = "mmap", .code = errno};
    if (memory->on_numa_node && !posix_bind_to_node(got, size, memory->numa_node, report)) {
        posix_made none = {.failed = "mbind", .code = errno};
        if (address)
            posix_make_placeholder(address, size, report);
        else
            posix_unmap_pages(got, size, report);
        return none;
    }
    if (memory->no_dump) posix_exclude_from_dumps(got, size, report);
    return (posix_made){.address = got};
}

/* ENOMEM for huge pages: none of that size is free. */
static hf_status posix_fail_memory(hf_report *report, const posix_made *made) {
    return posix_fail(report, posix_memory_status(made->code, report), made->failed, made->code);
}

static hf_status posix_commit_as(const hf_backend *self, void *address, size_t size,
                                 const hf_memory *memory, hf_report *report) {
    (void)self;
    posix_made made;
    if (memory->huge_page && posix_can_move_huge_pages(report)) {
        made = posix_map_memory(NULL, size, memory, report);
        if (made.failed) return posix_fail_memory(report, &made);
        if (posix_move_huge_pages(made.address, address, size, report)) return HF_OK;
    }
    made = posix_map_memory(address, size, memory, report);
    if (!made.failed) return HF_OK;
    posix_restore_placeholder(address, size, report);
    return posix_fail_memory(report, &made);
}

#endif

/* ------------------------------------------------------------------------ Hints ------------ */

/* Faults each page in with an atomic OR of zero, which changes nothing while other threads store
 * there. The operand is an unsigned because some processors (riscv64) have no atomic operation on
 * a byte. The zero is volatile because clang turns an OR with a constant zero into a load, and a
 * load allocates no page. */
static hf_status posix_touch_pages(char *address, size_t size) {
    volatile unsigned zero = 0;
    for (size_t offset = 0, step = posix_page_size(NULL); offset < size; offset += step)
        __atomic_fetch_or((unsigned *)(void *)(address + offset), zero, __ATOMIC_RELAXED);
    return HF_OK;
}

#if POSIX_LINUX

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* EPERM: a filter of system calls, as containers have. */
static bool posix_is_unknown_call(int code) {
    return code == EINVAL || code == ENOSYS || code == EPERM;
}

/* At the limit on mappings madvise fails with EAGAIN where mprotect fails with ENOMEM. */
static hf_status posix_fail_advise(hf_report *report, int code) {
    if (posix_is_unknown_call(code)) return posix_fail(report, HF_UNSUPPORTED, "madvise", code);
    bool is_at_limit = (code == ENOMEM || code == EAGAIN) && posix_is_at_map_limit(report);
    return posix_fail(report, is_at_limit ? HF_MAP_LIMIT : HF_NO_MEMORY, "madvise", code);
}

static hf_status posix_advise(const hf_backend *self, void *address, size_t size, hf_advice advice,
                              hf_report *report) {
    (void)self;
    int hint = advice == HF_ADVISE_HUGE      ? MADV_HUGEPAGE
               : advice == HF_ADVISE_NO_HUGE ? MADV_NOHUGEPAGE
                                             : MADV_POPULATE_WRITE;
    report->system_calls++;
    if (madvise(address, size, hint) == 0) return HF_OK;
    int code = errno;
    if (advice == HF_ADVISE_POPULATE && posix_is_unknown_call(code))
        return posix_touch_pages(address, size);
    return posix_fail_advise(report, code);
}

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

/* A kernel without PR_SET_VMA fails with EINVAL. */
static void posix_name(const hf_backend *self, void *address, size_t size, const char *name,
                       hf_report *report) {
    (void)self;
    report->system_calls++;
    if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, size, name) != 0)
        posix_fail(report, HF_UNSUPPORTED, "prctl", errno);
}

#else

static hf_status posix_advise(const hf_backend *self, void *address, size_t size, hf_advice advice,
                              hf_report *report) {
    (void)self;
    return advice == HF_ADVISE_POPULATE ? posix_touch_pages(address, size)
                                        : posix_fail(report, HF_UNSUPPORTED, "madvise", 0);
}

#endif

/* ------------------------------------------------------------------------ Check ------------ */

#if POSIX_LINUX

/* The first three letters of a line; the fourth is 's' for shared mappings. */
static bool posix_has_access(const posix_mapping *found, const hf_region *region) {
    static const char *const access[] = {[HF_PROTECT_NONE] = "---",
                                         [HF_PROTECT_READ] = "r--",
                                         [HF_PROTECT_READ_WRITE] = "rw-",
                                         [HF_PROTECT_READ_EXECUTE] = "r-x"};
    bool is_shared = region->kind == HF_VIEW && region->access != HF_COPY_ON_WRITE;
    return memcmp(found->access, access[region->protection], 3) == 0 &&
           found->access[3] == (is_shared ? 's' : 'p');
}

/* Returns true if the mapping, which contains `address`, is what the region says. */
static bool posix_mapping_matches(const posix_mapping *found, const hf_region *region,
                                  const char *base, uintptr_t address) {
    uint64_t into_region = address - ((uintptr_t)base + region->offset);
    if (!posix_has_access(found, region)) return false;
    if (region->kind != HF_VIEW) return found->is_memory;
    return found->inode != 0 &&
           found->file_offset + (address - found->begin) == region->file_offset + into_region;
}

/* Compares one region. *found is the mapping read last, which may extend beyond the region.
 * *offset is set to the first difference. */
static bool posix_region_matches(posix_line_reader *reader, posix_mapping *found,
                                 const hf_region *region, const char *base, size_t *offset) {
    uintptr_t address = (uintptr_t)base + region->offset, end = address + region->size;
    while (address < end) {
        *offset = (size_t)(address - (uintptr_t)base);
        while (found->end <= address)
            if (!posix_next_mapping(reader, found)) return false;
        if (found->begin > address || !posix_mapping_matches(found, region, base, address))
            return false;
        address = found->end;
    }
    return true;
}

static hf_status posix_check(const hf_backend *self, const void *base,
                             bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                             hf_report *report) {
    (void)self;
    posix_line_reader reader;
    posix_mapping found = {0};
    hf_region region;
    bool same = true;
    if (!posix_open_lines(&reader, "/proc/self/maps", report))
        return posix_fail(report, HF_IO, "open", errno);
    while (same && next(cursor, &region))
        same = posix_region_matches(&reader, &found, &region, base, offset);
    posix_close_fd(reader.file, report);
    if (reader.code != 0) return posix_fail(report, HF_IO, "read", reader.code);
    return same ? HF_OK : HF_WRONG_STATE;
}

#endif

/* ---------------------------------------------------------------- Opening files ------------ */

/*
 * Every other code is HF_IO: a path that does not exist or is too long (ENOENT, ENOTDIR, ELOOP,
 * ENAMETOOLONG), a missing permission (EACCES, EPERM, EROFS), a full table of descriptors (EMFILE,
 * ENFILE), a device error (EIO).
 */
static hf_status posix_file_status(int code) {
    switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return HF_NO_SPACE;
    case ENOMEM: return HF_NO_MEMORY;
    case ETXTBSY:                /* a running program */
    case EAGAIN: return HF_BUSY; /* open: another process has a lease */
    case EISDIR:                 /* open: a folder, */
    case ENXIO:                  /* a socket, */
    case ENODEV:                 /* or a device without a driver */
    case ENOSYS:
    case EOPNOTSUPP: return HF_UNSUPPORTED;
    default: return HF_IO;
    }
}

static hf_status posix_fail_file(hf_report *report, const char *call, int code) {
    return posix_fail(report, posix_file_status(code), call, code);
}

/* Shared memory of macOS has no file type. */
static bool posix_is_mappable(mode_t mode) { return S_ISREG(mode) || (mode & S_IFMT) == 0; }

/* memset, because not every version of MemorySanitizer knows that fstat writes the struct. */
static int posix_fstat(int descriptor, struct stat *status, hf_report *report) {
    int result;
    memset(status, 0, sizeof *status);
    POSIX_CALL(result, report, fstat(descriptor, status));
    return result;
}

/* Files of /proc have bytes but report a size of 0. An empty file reads 0 bytes; a file that is
 * open for writing only fails with EBADF. */
static hf_status posix_check_empty(int descriptor, hf_report *report) {
    char byte;
    ssize_t got;
    POSIX_CALL(got, report, pread(descriptor, &byte, 1, 0));
    if (got == 0 || (got < 0 && errno == EBADF)) return HF_OK;
    posix_fail(report, HF_UNSUPPORTED, "pread", got < 0 ? errno : 0);
    report->reason = "the file has bytes, but no size";
    return HF_UNSUPPORTED;
}

static hf_status posix_check_kind(int descriptor, uint64_t *size, hf_report *report) {
    struct stat status;
    if (posix_fstat(descriptor, &status, report) != 0)
        return posix_fail_file(report, "fstat", errno);
    if (!posix_is_mappable(status.st_mode)) return posix_fail(report, HF_UNSUPPORTED, "fstat", 0);
    *size = (uint64_t)status.st_size;
    return status.st_size > 0 || !S_ISREG(status.st_mode) ? HF_OK
                                                          : posix_check_empty(descriptor, report);
}

/* Takes over an open descriptor if its file can be mapped, and closes it otherwise. */
static hf_status posix_adopt(int descriptor, intptr_t *file, uint64_t *size, hf_report *report) {
    uint64_t found = 0;
    hf_status status = posix_check_kind(descriptor, &found, report);
    if (status != HF_OK) {
        posix_close_fd(descriptor, report);
        return status;
    }
    *file = descriptor;
    *size = found;
    return HF_OK;
}

/* O_NONBLOCK: opening a FIFO would wait for a process at its other end. */
static hf_status posix_open_path(const char *path, int mode, intptr_t *file, uint64_t *size,
                                 hf_report *report) {
    int descriptor = posix_open(path, mode | O_NONBLOCK, report);
    if (descriptor < 0) return posix_fail_file(report, "open", errno);
    return posix_adopt(descriptor, file, size, report);
}

static hf_status posix_file_open(const hf_backend *self, const char *path, hf_access access,
                                 intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    return posix_open_path(path, access == HF_READ_WRITE ? O_RDWR : O_RDONLY, file, size, report);
}

/* Makes the bytes of a file durable. fsync on macOS leaves them in the cache of the disk;
 * F_FULLFSYNC flushes that too, if the file system supports it. Returns 0, or -1 and errno. */
static int posix_sync_to_disk(int descriptor, hf_report *report) {
    int result;
#ifdef F_FULLFSYNC
    POSIX_CALL(result, report, fcntl(descriptor, F_FULLFSYNC));
    if (result == 0 || (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY)) return result;
#endif
    POSIX_CALL(result, report, fsync(descriptor));
    return result;
}

/* Makes a name durable: syncs its folder. "a/b" -> "a", "/b" -> "/", "b" -> ".". */
static hf_status posix_sync_folder(const char *path, hf_report *report) {
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash) {
        size_t length = slash == path ? 1 : (size_t)(slash - path);
        if (length >= sizeof folder) return posix_fail_file(report, "open", ENAMETOOLONG);
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    int descriptor = posix_open(folder, O_RDONLY | O_DIRECTORY, report);
    if (descriptor < 0 && errno == EACCES) return HF_OK; /* not readable, cannot be synced */
    if (descriptor < 0) return posix_fail_file(report, "open", errno);
    int code = posix_sync_to_disk(descriptor, report) == 0 ? 0 : errno;
    posix_close_fd(descriptor, report);
    /* EINVAL: a file system that cannot sync folders and keeps names durable by itself. */
    return code == 0 || code == EINVAL ? HF_OK : posix_fail_file(report, "fsync", code);
}

#if POSIX_HAS_LINUX_FS

#define POSIX_BTRFS_MAGIC 0x9123683e

/* btrfs allocates a new block for each store into an old one, unless FS_NOCOW_FL was set while the
 * file was empty. Failures are ignored: the file works all the same. */
static void posix_set_nocow(int descriptor, hf_report *report) {
    struct statfs system;
    int flags = 0;
    report->system_calls++;
    if (fstatfs(descriptor, &system) != 0 || (unsigned long)system.f_type != POSIX_BTRFS_MAGIC)
        return;
    report->system_calls++;
    if (ioctl(descriptor, (posix_ioctl_request)FS_IOC_GETFLAGS, &flags) != 0) return;
    flags |= FS_NOCOW_FL;
    report->system_calls++;
    ioctl(descriptor, (posix_ioctl_request)FS_IOC_SETFLAGS, &flags);
}

#else

static void posix_set_nocow(int descriptor, hf_report *report) { (void)descriptor, (void)report; }

#endif

/* A file of size 0 may be new: its name is made durable. */
static hf_status posix_file_open_or_create(const hf_backend *self, const char *path, intptr_t *file,
                                           uint64_t *size, hf_report *report) {
    (void)self;
    hf_status status = posix_open_path(path, O_RDWR | O_CREAT, file, size, report);
    if (status != HF_OK || *size > 0) return status;
    posix_set_nocow((int)*file, report);
    status = posix_sync_folder(path, report);
    if (status != HF_OK) posix_close_fd((int)*file, report);
    return status;
}

static hf_status posix_file_measure(const hf_backend *self, intptr_t file, uint64_t *size,
                                    hf_report *report) {
    (void)self;
    struct stat status;
    if (posix_fstat((int)file, &status, report) != 0)
        return posix_fail_file(report, "fstat", errno);
    *size = (uint64_t)status.st_size;
    return HF_OK;
}

/* ------------------------------------------------------------ Allocating blocks ------------ */

/* Beyond RLIMIT_FSIZE the kernel kills the process with SIGXFSZ: check the limit first. */
static bool posix_is_within_size_limit(uint64_t size, hf_report *report) {
    struct rlimit limit;
    if (size > (uint64_t)INT64_MAX) return false;
    report->system_calls++;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           size <= (uint64_t)limit.rlim_cur;
}

/* Returns 0 or errno. On a full disk pwrite first writes a part, and then fails. */
static int posix_write_all(int descriptor, uint64_t offset, const char *bytes, size_t size,
                           hf_report *report) {
    for (size_t done = 0; done < size;) {
        ssize_t written;
        POSIX_CALL(written, report,
                   pwrite(descriptor, bytes + done, size - done, (off_t)(offset + done)));
        if (written < 0) return errno;
        done += (size_t)written;
    }
    return 0;
}

enum { POSIX_END_OF_FILE = -1 }; /* in place of an errno: the file ended before the bytes did */

/* Returns 0, errno or POSIX_END_OF_FILE. */
static int posix_read_all(int descriptor, uint64_t offset, char *bytes, size_t size,
                          hf_report *report) {
    for (size_t done = 0; done < size;) {
        ssize_t got;
        POSIX_CALL(got, report,
                   pread(descriptor, bytes + done, size - done, (off_t)(offset + done)));
        if (got <= 0) return got == 0 ? POSIX_END_OF_FILE : errno;
        done += (size_t)got;
    }
    return 0;
}

static const _Alignas(4096) char posix_zeros[65536];

/* pwrite, with zeros: returns how many bytes it wrote, or -1 and errno. */
#if POSIX_LINUX
/* The page cache allocates a folio as large as the size and the offset of the write allow. So a
 * write ends at a huge page boundary of the file, and one of 2 MiB gets a folio that one entry of
 * the page table maps. A small source stays in the processor's cache. */
static ssize_t posix_write_some_zeros(int descriptor, uint64_t offset, uint64_t size) {
    struct iovec parts[POSIX_HUGE_PAGE / sizeof posix_zeros];
    int count = 0;
    uint64_t left = POSIX_HUGE_PAGE - offset % POSIX_HUGE_PAGE;
    if (left > size) left = size;
    for (; left > 0; count++) {
        size_t part = left < sizeof posix_zeros ? (size_t)left : sizeof posix_zeros;
        parts[count] = (struct iovec){(void *)(uintptr_t)posix_zeros, part};
        left -= part;
    }
    return pwritev(descriptor, parts, count, (off_t)offset);
}

/* Allocating all blocks at once costs less than one by one as they are written. Failures are
 * ignored: if fallocate is missing or the disk is full, writing the zeros finds out. */
static void posix_preallocate(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    report->system_calls++;
    fallocate(descriptor, 0, (off_t)offset, (off_t)(end - offset));
}

#else

static ssize_t posix_write_some_zeros(int descriptor, uint64_t offset, uint64_t size) {
    return pwrite(descriptor, posix_zeros,
                  size < sizeof posix_zeros ? (size_t)size : sizeof posix_zeros, (off_t)offset);
}

#ifdef F_PREALLOCATE
/* macOS: allocates blocks behind the end of the file. Failures are ignored, as with fallocate. */
static void posix_preallocate(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    fstore_t blocks = {.fst_flags = F_ALLOCATEALL,
                       .fst_posmode = F_PEOFPOSMODE,
                       .fst_length = (off_t)(end - offset)};
    report->system_calls++;
    fcntl(descriptor, F_PREALLOCATE, &blocks);
}
#else
static void posix_preallocate(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    (void)descriptor, (void)offset, (void)end, (void)report;
}

#endif
#endif

/* Allocates the blocks of a range. Returns 0 or errno; EOPNOTSUPP if the system has no such call.
 * Linux does not use posix_fallocate: where the file system cannot allocate, glibc writes into
 * each block. */
static int posix_allocate_range(int descriptor, uint64_t offset, uint64_t size, hf_report *report) {
#if POSIX_LINUX
    report->system_calls++;
    return fallocate(descriptor, 0, (off_t)offset, (off_t)size) == 0 ? 0 : errno;
#elif defined(__APPLE__) || defined(__OpenBSD__)
    posix_preallocate(descriptor, offset, offset + size, report);
    return EOPNOTSUPP;
#else
    report->system_calls++;
    return posix_fallocate(descriptor, (off_t)offset, (off_t)size);
#endif
}

/* Returns 0 or errno. */
static int posix_write_zeros(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    while (offset < end) {
        ssize_t written;
        POSIX_CALL(written, report, posix_write_some_zeros(descriptor, offset, end - offset));
        if (written < 0) return errno;
        offset += (uint64_t)written;
    }
    return 0;
}

enum {
    POSIX_LARGEST_PIECE = 16 << 20, /* bytes of a piece after the first EINTR, at most */
    POSIX_SMALLEST_PIECE = 64 << 10 /* bytes of a piece that EINTR makes no smaller */
};

static bool posix_cannot_allocate(int code) {
    return code == EINTR || code == EOPNOTSUPP || code == EINVAL || code == ENOSYS;
}

/* Allocates the blocks of a new file, or writes zeros where the file system cannot allocate.
 * Returns 0 or errno. If a signal interrupts fallocate, tmpfs frees all that the call had
 * allocated: so EINTR makes the pieces smaller. */
static int posix_allocate_new(int descriptor, uint64_t size, hf_report *report) {
    uint64_t piece = size;
    for (uint64_t offset = 0; offset < size;) {
        if (piece > size - offset) piece = size - offset;
        int code = posix_allocate_range(descriptor, offset, piece, report);
        if (code == 0) {
            offset += piece;
        } else if (code == EINTR && piece > POSIX_SMALLEST_PIECE) {
            piece = piece / 2 < POSIX_LARGEST_PIECE ? piece / 2 : POSIX_LARGEST_PIECE;
            if (piece < POSIX_SMALLEST_PIECE) piece = POSIX_SMALLEST_PIECE;
        } else {
            return posix_cannot_allocate(code) ? posix_write_zeros(descriptor, offset, size, report)
                                               : code;
        }
    }
    return 0;
}

static hf_status posix_allocate_blocks(int descriptor, uint64_t size, hf_report *report) {
    if (!posix_is_within_size_limit(size, report))
        return posix_fail_file(report, "getrlimit", EFBIG);
    int code = posix_allocate_new(descriptor, size, report);
    return code == 0 ? HF_OK
                     : posix_fail_file(report, POSIX_LINUX ? "fallocate" : "posix_fallocate", code);
}

static hf_status posix_set_size(int descriptor, uint64_t size, hf_report *report) {
    int result;
    POSIX_CALL(result, report, ftruncate(descriptor, (off_t)size));
    return result == 0 ? HF_OK : posix_fail_file(report, "ftruncate", errno);
}

/* ---------------------------------------------------------------- Shared memory ------------ */

#if POSIX_LINUX

static hf_status posix_create_memfd(uint64_t size, intptr_t *file, hf_report *report) {
    if (!posix_is_within_size_limit(size, report))
        return posix_fail_file(report, "getrlimit", EFBIG);
    int descriptor;
    unsigned occupied = posix_occupy_streams(report);
    POSIX_CALL(descriptor, report, memfd_create("holdfast", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    posix_vacate_streams(occupied, report);
    descriptor = posix_move_above_stderr(descriptor, report);
    if (descriptor < 0) return posix_fail_file(report, "memfd_create", errno);
    hf_status status = posix_set_size(descriptor, size, report);
    if (status != HF_OK)
        posix_close_fd(descriptor, report);
    else
        *file = descriptor;
    return status;
}

#endif

#if POSIX_LINUX && defined(__ANDROID__) /* has no shm_open */

static hf_status posix_file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                          hf_report *report) {
    (void)self;
    return posix_create_memfd(size, file, report);
}

#else

#ifdef SHM_ANON

/* FreeBSD has shared memory without a name. That of SHM_ANON cannot be sealed; memfd_create came
 * with version 13. */
#ifdef MFD_ALLOW_SEALING
#define POSIX_CREATE_ANONYMOUS() memfd_create("holdfast", MFD_CLOEXEC | MFD_ALLOW_SEALING)
#else
#define POSIX_CREATE_ANONYMOUS() shm_open(SHM_ANON, O_RDWR | O_CLOEXEC, 0600)
#endif

static int posix_open_shm(hf_report *report) {
    int descriptor;
    unsigned occupied = posix_occupy_streams(report);
    POSIX_CALL(descriptor, report, POSIX_CREATE_ANONYMOUS());
    posix_vacate_streams(occupied, report);
    return posix_move_above_stderr(descriptor, report);
}

#else

/* Creates a shared memory object and removes its name at once. After EEXIST it tries another name,
 * because another process may do the same. macOS allows 31 characters. */
static int posix_open_shm(hf_report *report) {
    char name[32];
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(name, sizeof name, "/hf-%lx-%lx-%x", (unsigned long)getpid(),
                 (unsigned long)((uintptr_t)name & 0xffffffff), attempt);
        int descriptor;
        unsigned occupied = posix_occupy_streams(report);
        POSIX_CALL(descriptor, report, shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
        posix_vacate_streams(occupied, report);
        if (descriptor < 0 && errno == EEXIST) continue;
        report->system_calls += descriptor >= 0;
        if (descriptor >= 0) shm_unlink(name);
        return posix_move_above_stderr(descriptor, report);
    }
    return -1;
}

#endif

/* Shared memory of macOS and FreeBSD is on no disk and has no blocks, and macOS allows its size to
 * be set once and no write to it. Other systems keep shared memory in files. */
#if defined(__APPLE__) || defined(SHM_ANON)
#define posix_set_shm_size posix_set_size
#else
#define posix_set_shm_size posix_allocate_blocks
#endif

static hf_status posix_create_shm(uint64_t size, intptr_t *file, hf_report *report) {
    int descriptor = posix_open_shm(report);
    if (descriptor < 0) return posix_fail_file(report, "shm_open", errno);
    hf_status status = posix_set_shm_size(descriptor, size, report);
    if (status != HF_OK) {
        posix_close_fd(descriptor, report);
        return status;
    }
    *file = descriptor;
    return HF_OK;
}

#if POSIX_LINUX

/* The kernel has no memfd_create, or a filter of system calls blocks it. */
static bool posix_lacks_memfd(const hf_report *report) {
    return strcmp(report->call, "memfd_create") == 0 &&
           (report->os_code == ENOSYS || report->os_code == EPERM || report->os_code == EACCES);
}

#endif

static hf_status posix_file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                          hf_report *report) {
    (void)self;
#if POSIX_LINUX
    hf_status status = posix_create_memfd(size, file, report);
    if (status == HF_OK || !posix_lacks_memfd(report)) return status;
#endif
    return posix_create_shm(size, file, report);
}

#endif

#if (POSIX_LINUX || defined(SHM_ANON)) && defined(F_ADD_SEALS)
#define POSIX_HAS_SEALS 1

#define POSIX_SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static int posix_get_seals(int descriptor, hf_report *report) {
    int seals;
    POSIX_CALL(seals, report, fcntl(descriptor, F_GET_SEALS));
    return seals;
}

/* EINVAL: a file that cannot be sealed. F_SEAL_SEAL permits no more seals: memory of memfd_create
 * without MFD_ALLOW_SEALING, and files in /dev/shm. */
static hf_status posix_add_seals(int descriptor, hf_report *report) {
    int result, seals = posix_get_seals(descriptor, report);
    if (seals < 0 && errno != EINVAL) return posix_fail_file(report, "fcntl", errno);
    if (seals >= 0 && (seals & POSIX_SIZE_SEALS) == POSIX_SIZE_SEALS) return HF_OK;
    if (seals < 0 || (seals & F_SEAL_SEAL) != 0) {
        posix_fail(report, HF_UNSUPPORTED, "fcntl", seals < 0 ? EINVAL : EPERM);
        report->reason = "only shared memory that permits seals can be sealed";
        return HF_UNSUPPORTED;
    }
    POSIX_CALL(result, report, fcntl(descriptor, F_ADD_SEALS, POSIX_SIZE_SEALS));
    return result == 0 ? HF_OK : posix_fail_file(report, "fcntl", errno);
}

/* The size is measured after the seals are set: before, another process can change it. */
static hf_status posix_file_seal(const hf_backend *self, intptr_t file, uint64_t size,
                                 hf_report *report) {
    uint64_t found = 0;
    hf_status status = posix_add_seals((int)file, report);
    if (status == HF_OK) status = posix_file_measure(self, file, &found, report);
    if (status != HF_OK || found >= size) return status;
    posix_fail(report, HF_WRONG_STATE, "fstat", 0);
    report->reason = "another process has made the memory shorter";
    return HF_WRONG_STATE;
}

static bool posix_file_is_sealed(const hf_backend *self, intptr_t file, uint64_t size) {
    hf_report unused = {0};
    uint64_t found = 0;
    int seals = posix_get_seals((int)file, &unused);
    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 &&
           posix_file_measure(self, file, &found, &unused) == HF_OK && found >= size;
}

#else
#define POSIX_HAS_SEALS 0
#endif

/* ------------------------------------------------------------ Handles and sizes ------------ */

#ifdef O_PATH
#define POSIX_O_PATH O_PATH
#else
#define POSIX_O_PATH 0
#endif

static bool posix_permits(int flags, hf_access access) {
    int mode = flags & O_ACCMODE;
    if (flags & POSIX_O_PATH) return false;
    return access == HF_READ_WRITE ? mode == O_RDWR : mode == O_RDWR || mode == O_RDONLY;
}

static hf_status posix_file_duplicate(const hf_backend *self, intptr_t handle, hf_access access,
                                      intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    if (handle < 0 || handle > INT_MAX) return posix_fail(report, HF_INVALID, "fcntl", EBADF);
    int flags;
    POSIX_CALL(flags, report, fcntl((int)handle, F_GETFL));
    if (flags < 0) return posix_fail(report, HF_INVALID, "fcntl", errno);
    int descriptor = posix_dup_above_stderr((int)handle, report);
    if (descriptor < 0) return posix_fail_file(report, "fcntl", errno);
    hf_status status = posix_adopt(descriptor, file, size, report);
    if (status != HF_OK || posix_permits(flags, access)) return status;
    posix_close_fd(descriptor, report);
    return posix_fail(report, HF_INVALID, "fcntl", EACCES);
}

static void posix_file_close(const hf_backend *self, intptr_t file) {
    (void)self;
    close((int)file);
}

/* Zeros are written because written pages stay in the page cache, where the program's stores find
 * them. Pages of blocks that are only allocated are read from the disk or zeroed at the first
 * store to each. */
static hf_status posix_file_resize(const hf_backend *self, intptr_t file, uint64_t old_size,
                                   uint64_t new_size, hf_report *report) {
    (void)self;
    if (new_size <= old_size) return posix_set_size((int)file, new_size, report);
    if (!posix_is_within_size_limit(new_size, report))
        return posix_fail_file(report, "getrlimit", EFBIG);
    posix_preallocate((int)file, old_size, new_size, report);
    int code = posix_write_zeros((int)file, old_size, new_size, report);
    if (code == 0) return HF_OK;
    posix_set_size((int)file, old_size, report);
    return posix_fail_file(report, "pwrite", code);
}

/* ------------------------------------------------------ Holes and shared blocks ------------ */

/* The unit in which the file system allocates: 512 bytes at least, and at most 4096. */
static size_t posix_block_size(int descriptor, hf_report *report) {
    struct statvfs disk;
    report->system_calls++;
    if (fstatvfs(descriptor, &disk) != 0 || disk.f_frsize < 512) return 512;
    return disk.f_frsize < 4096 ? (size_t)disk.f_frsize : 4096;
}

/* Returns the length of the leading blocks of `bytes` that are all zeros, or with are_zeros false,
 * of those that are not. The last block may be incomplete. */
static size_t posix_count_blocks(const char *bytes, size_t size, size_t block, bool are_zeros) {
    size_t count = 0;
    while (count < size) {
        size_t length = size - count < block ? size - count : block;
        if ((memcmp(bytes + count, posix_zeros, length) == 0) != are_zeros) break;
        count += length;
    }
    return count;
}

/* Writes the blocks of zeros of `page` again; a block with other bytes is allocated already.
 * Returns 0 or errno. */
static int posix_rewrite_zero_blocks(int descriptor, uint64_t offset, const char *page, size_t size,
                                     size_t block, hf_report *report) {
    for (size_t at = 0; at < size;) {
        at += posix_count_blocks(page + at, size - at, block, false);
        size_t length = posix_count_blocks(page + at, size - at, block, true);
        if (length == 0) break;
        if (!posix_is_within_size_limit(offset + at + length, report)) return EFBIG;
        int code = posix_write_all(descriptor, offset + at, page + at, length, report);
        if (code != 0) return code;
        at += length;
    }
    return 0;
}

/* Allocates each block of a range by writing its zeros again. Nothing else may write the file
 * meanwhile. Returns 0 or errno. Stops at the end of a file that has become shorter. */
static int posix_rewrite_zeros(int descriptor, uint64_t offset, uint64_t end, hf_report *report) {
    char page[4096];
    size_t block = posix_block_size(descriptor, report);
    for (; offset < end; offset += sizeof page) {
        size_t size = end - offset < sizeof page ? (size_t)(end - offset) : sizeof page;
        int code = posix_read_all(descriptor, offset, page, size, report);
        if (code == POSIX_END_OF_FILE) return 0;
        if (code == 0)
            code = posix_rewrite_zero_blocks(descriptor, offset, page, size, block, report);
        if (code != 0) return code;
    }
    return 0;
}

#if POSIX_LINUX

#ifndef FALLOC_FL_UNSHARE_RANGE
#define FALLOC_FL_UNSHARE_RANGE 0x40
#endif

/* A range of a file that has no blocks of its own. */
typedef struct posix_gap {
    uint64_t from, to;
    bool is_shared; /* shared with another file: a store allocates new blocks; else a hole */
} posix_gap;

#if POSIX_HAS_LINUX_FS

enum { POSIX_MOST_EXTENTS = 32 }; /* of one ioctl */

/* Reads the extents at or after `from` with FS_IOC_FIEMAP. Returns 0 or errno. */
static int posix_read_extents(int descriptor, uint64_t from, uint64_t end, struct fiemap *map,
                              hf_report *report) {
    *map = (struct fiemap){
        .fm_start = from, .fm_length = end - from, .fm_extent_count = POSIX_MOST_EXTENTS};
    report->system_calls++;
    return ioctl(descriptor, (posix_ioctl_request)FS_IOC_FIEMAP, map) == 0 ? 0 : errno;
}

/* Returns 1 and the next gap at or after `from`, 0 if there is none, or -1 if the file system
 * cannot tell. An extent that is allocated but not written is no gap. */
static int posix_next_gap_by_fiemap(int descriptor, uint64_t from, uint64_t end, posix_gap *found,
                                    hf_report *report) {
    union {
        uint64_t aligned;
        char bytes[sizeof(struct fiemap) + POSIX_MOST_EXTENTS * sizeof(struct fiemap_extent)];
    } room;
    struct fiemap *map = (struct fiemap *)(void *)&room;
    memset(&room, 0, sizeof room); /* MemorySanitizer does not see that ioctl writes it */
    while (from < end) {
        if (posix_read_extents(descriptor, from, end, map, report) != 0) return -1;
        *found = (posix_gap){from, end, false};
        if (map->fm_mapped_extents == 0) return 1;
        for (uint32_t i = 0; i < map->fm_mapped_extents && from < end; i++) {
            const struct fiemap_extent *extent = &map->fm_extents[i];
            uint64_t behind = extent->fe_logical + extent->fe_length;
            bool is_shared = (extent->fe_flags & FIEMAP_EXTENT_SHARED) != 0;
            *found = (posix_gap){from, extent->fe_logical < end ? extent->fe_logical : end, false};
            if (extent->fe_logical > from) return 1;
            *found = (posix_gap){from, behind < end ? behind : end, true};
            if (is_shared) return 1;
            from = behind;
        }
    }
    return 0;
}

#else

static int posix_next_gap_by_fiemap(int descriptor, uint64_t from, uint64_t end, posix_gap *found,
                                    hf_report *report) {
    (void)descriptor, (void)from, (void)end, (void)found, (void)report;
    return -1;
}

#endif

/* The same for a file system that reports only holes, such as tmpfs. */
static int posix_next_gap_by_lseek(int descriptor, uint64_t from, uint64_t end, posix_gap *found,
                                   hf_report *report) {
    report->system_calls++;
    off_t hole = lseek(descriptor, (off_t)from, SEEK_HOLE);
    if (hole < 0) return errno == ENXIO ? 0 : -1;
    if ((uint64_t)hole >= end) return 0;
    report->system_calls++;
    off_t data = lseek(descriptor, hole, SEEK_DATA);
    *found =
        (posix_gap){(uint64_t)hole, data < 0 || (uint64_t)data > end ? end : (uint64_t)data, false};
    return 1;
}

static int posix_next_gap(int descriptor, uint64_t from, uint64_t end, posix_gap *found,
                          hf_report *report) {
    int answer = posix_next_gap_by_fiemap(descriptor, from, end, found, report);
    return answer < 0 ? posix_next_gap_by_lseek(descriptor, from, end, found, report) : answer;
}

/* Returns how many bytes of blocks the file lacks. tmpfs reports blocks that are allocated but not
 * written as holes; st_blocks counts them. */
static uint64_t posix_count_gap_bytes(int descriptor, uint64_t size, hf_report *report) {
    struct stat status;
    uint64_t holes = 0, shared = 0, most = size;
    posix_gap found;
    for (uint64_t at = 0; posix_next_gap(descriptor, at, size, &found, report) == 1; at = found.to)
        *(found.is_shared ? &shared : &holes) += found.to - found.from;
    if (holes > 0 && posix_fstat(descriptor, &status, report) == 0) {
        uint64_t allocated = (uint64_t)status.st_blocks * 512;
        most = allocated < size ? size - allocated : 0;
    }
    return shared + (holes < most ? holes : most);
}

/* Lets file_fill fail before it allocates anything if the disk has not enough free blocks. */
static bool posix_has_disk_space(int descriptor, uint64_t bytes, hf_report *report) {
    struct statvfs disk;
    if (bytes == 0) return true;
    report->system_calls++;
    return fstatvfs(descriptor, &disk) != 0 || disk.f_frsize == 0 ||
           bytes / disk.f_frsize <= disk.f_bfree;
}

/* Returns 0 or errno. Without fallocate, zeros are written into a hole. What btrfs shares between
 * files stays shared. */
static int posix_fill_gap(int descriptor, const posix_gap *wanted, bool others_store,
                          hf_report *report) {
    int how = FALLOC_FL_KEEP_SIZE | (wanted->is_shared ? FALLOC_FL_UNSHARE_RANGE : 0), result;
    POSIX_CALL(result, report,
               fallocate(descriptor, how, (off_t)wanted->from, (off_t)(wanted->to - wanted->from)));
    if (result == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EINTR) return errno;
    if (others_store) return errno == EINTR ? EINTR : 0;
    if (wanted->is_shared) return 0;
    if (!posix_is_within_size_limit(wanted->to, report)) return EFBIG;
    return posix_write_zeros(descriptor, wanted->from, wanted->to, report);
}

/* A file system that reports neither extents nor holes reports a sparse file as one piece of
 * data. */
static bool posix_has_fewer_blocks(int descriptor, uint64_t size, hf_report *report) {
    struct stat status;
    return posix_fstat(descriptor, &status, report) == 0 && (uint64_t)status.st_blocks < size / 512;
}

static int posix_fill_gaps(int descriptor, uint64_t size, bool others_store, hf_report *report) {
    posix_gap found;
    int answer = posix_next_gap(descriptor, 0, size, &found, report);
    if (answer < 0 || (answer == 0 && posix_has_fewer_blocks(descriptor, size, report)))
        return others_store ? 0 : posix_rewrite_zeros(descriptor, 0, size, report);
    if (answer > 0 &&
        !posix_has_disk_space(descriptor, posix_count_gap_bytes(descriptor, size, report), report))
        return ENOSPC;
    while (answer > 0) {
        int code = posix_fill_gap(descriptor, &found, others_store, report);
        if (code != 0) return code;
        answer = posix_next_gap(descriptor, found.to, size, &found, report);
    }
    return 0;
}

#else

static int posix_fill_gaps(int descriptor, uint64_t size, bool others_store, hf_report *report) {
    if (!others_store) return posix_rewrite_zeros(descriptor, 0, size, report);
    int code = EINTR;
    for (int tries = 0; code == EINTR && tries < POSIX_MOST_RETRIES; tries++)
        code = posix_allocate_range(descriptor, 0, size, report);
    return code == EINTR || !posix_cannot_allocate(code) ? code : 0;
}

#endif

static hf_status posix_file_fill(const hf_backend *self, intptr_t file, uint64_t size,
                                 bool is_shared, hf_report *report) {
    (void)self;
    int code = size > 0 ? posix_fill_gaps((int)file, size, is_shared, report) : 0;
    return code == 0 ? HF_OK : posix_fail_file(report, "fallocate", code);
}

#if POSIX_LINUX

static hf_status posix_file_punch_hole(const hf_backend *self, intptr_t file, uint64_t offset,
                                       uint64_t size, hf_report *report) {
    (void)self;
    int result;
    POSIX_CALL(result, report,
               fallocate((int)file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                         (off_t)size));
    if (result == 0) return HF_OK;
    hf_status status = posix_fail_file(report, "fallocate", errno);
    if (status == HF_UNSUPPORTED) report->reason = "the file system has no holes";
    return status;
}

#endif

/* ------------------------------------------------------ File contents and locks ------------ */

static hf_status posix_file_read(const hf_backend *self, intptr_t file, uint64_t offset,
                                 void *bytes, size_t size, hf_report *report) {
    (void)self;
    int code = posix_read_all((int)file, offset, bytes, size, report);
    if (code == POSIX_END_OF_FILE) return posix_fail(report, HF_IO, "pread", 0);
    return code == 0 ? HF_OK : posix_fail_file(report, "pread", code);
}

static hf_status posix_file_write(const hf_backend *self, intptr_t file, uint64_t offset,
                                  const void *bytes, size_t size, hf_report *report) {
    (void)self;
    if (!posix_is_within_size_limit(offset + size, report))
        return posix_fail_file(report, "getrlimit", EFBIG);
    int code = posix_write_all((int)file, offset, bytes, size, report);
    return code == 0 ? HF_OK : posix_fail_file(report, "pwrite", code);
}

static hf_status posix_file_sync(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self;
    return posix_sync_to_disk((int)file, report) == 0 ? HF_OK
                                                      : posix_fail_file(report, "fsync", errno);
}

#if !POSIX_LINUX
static hf_status posix_file_flush(const hf_backend *self, void *address, size_t size,
                                  hf_report *report) {
    (void)self;
    int result;
    POSIX_CALL(result, report, msync(address, size, MS_SYNC));
    return result == 0 ? HF_OK : posix_fail_file(report, "msync", errno);
}
#endif

static int posix_flock(int descriptor, int operation, hf_report *report) {
    int result;
    POSIX_CALL(result, report, flock(descriptor, operation | LOCK_NB));
    return result;
}

/* The file system has no locks. */
static bool posix_lacks_locks(int code) {
    return code == ENOSYS || code == EOPNOTSUPP || code == ENOLCK;
}

/* flock locks the open file, not the process: a second open file of this process is locked out
 * too. */
static hf_status posix_file_lock(const hf_backend *self, intptr_t file, bool exclusive,
                                 hf_report *report) {
    (void)self;
    if (posix_flock((int)file, exclusive ? LOCK_EX : LOCK_SH, report) == 0) return HF_OK;
    int code = errno;
    if (code == EWOULDBLOCK) return posix_fail(report, HF_BUSY, "flock", code);
    return posix_lacks_locks(code) ? posix_fail(report, HF_UNSUPPORTED, "flock", code)
                                   : posix_fail_file(report, "flock", code);
}

static void posix_file_unlock(const hf_backend *self, intptr_t file) {
    (void)self;
    hf_report report = {0};
    posix_flock((int)file, LOCK_UN, &report);
}

/* memset as in posix_fstat. */
static int posix_fstatat(int folder, const char *path, int flags, struct stat *status,
                         hf_report *report) {
    int result;
    memset(status, 0, sizeof *status);
    POSIX_CALL(result, report, fstatat(folder, path, status, flags));
    return result;
}

static bool posix_is_same_file(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static hf_status posix_file_is_at(const hf_backend *self, intptr_t file, const char *path,
                                  bool *is_there, hf_report *report) {
    (void)self;
    struct stat open_file, named;
    if (posix_fstat((int)file, &open_file, report) != 0)
        return posix_fail_file(report, "fstat", errno);
    *is_there = open_file.st_nlink > 0;
    if (path == NULL) return HF_OK;
    if (posix_fstatat(AT_FDCWD, path, 0, &named, report) == 0)
        *is_there = posix_is_same_file(&open_file, &named);
    else if (errno == ENOENT || errno == ENOTDIR)
        *is_there = false;
    else
        return posix_fail_file(report, "stat", errno);
    return HF_OK;
}

#if POSIX_LINUX
static void posix_file_forget(const hf_backend *self, intptr_t file) {
    (void)self;
    posix_fadvise((int)file, 0, 0, POSIX_FADV_DONTNEED);
}
#endif

/* ----------------------------------------------------------------------- Drafts ------------ */

/*
 * A draft is a file beside the file that it will become, in the same folder:
 *
 *      folder/image             the target: the file to replace, or nothing
 *      folder/image.saving00    the draft
 *
 * All steps name files relative to the folder's descriptor. So no step after the rename can fail
 * for lack of a path or a descriptor, and the folder may be renamed meanwhile.
 *
 * A process keeps a shared lock on its draft. A draft without a lock belongs to a dead process,
 * and the next draft for the same path deletes it, under an exclusive lock. A draft is created
 * before it is locked, so another process can delete it in between: after locking, check that the
 * name still leads to the file.
 *
 * The lock is shared because, after the rename, the draft has the target's name for a short time
 * before its process closes it, and another process that replaces the target takes a shared lock
 * on it.
 *
 * The folder is locked, too: shared while a draft is renamed to the target, exclusively while a
 * draft of a dead process is deleted. Without that, a process that opened the draft of a living
 * one to delete it could lock it after it was renamed and unlocked, and the target would be BUSY
 * to others until that process had compared the names. Only this depends on the folder's lock:
 * where folders have no locks (NFS), or another program keeps the folder locked, saving goes on
 * without it.
 */
typedef struct posix_draft {
    int folder;
    bool can_sync_folder; /* false if the folder may be searched, but not read */
    int file;
    int replaced; /* the target when the draft was created, not locked; -1: there was none */
    bool is_published;
    uid_t user;                   /* drafts of other users are not deleted */
    size_t name_max;              /* bytes that `temporary` may have */
    char name[NAME_MAX + 1];      /* of the target, in the folder */
    char temporary[NAME_MAX + 1]; /* of the draft, in the folder */
    char path[PATH_MAX];          /* of the target; shortened while the target is searched */
} posix_draft;

/* At most 100, for two digits. A test that makes each call fail defines fewer. */
#ifndef POSIX_MOST_DRAFTS
#define POSIX_MOST_DRAFTS 100
#endif

enum {
    POSIX_MOST_LINKS = 40,         /* symlinks followed from the path, then ELOOP */
    POSIX_MOST_ATTEMPTS = 100,     /* tries to find a free name */
    POSIX_MOST_FOLDER_WAITS = 1000 /* milliseconds to wait for the folder's lock */
};

static const char posix_draft_suffix[] = ".saving00";

/* Unlocks first, because closing alone does not unlock a file that a child has open too, which
 * another thread has forked meanwhile. */
static void posix_unlock_and_close(int descriptor, hf_report *report) {
    posix_flock(descriptor, LOCK_UN, report);
    posix_close_fd(descriptor, report);
}

static int posix_unlink(const posix_draft *draft, const char *name, hf_report *report) {
    int result;
    POSIX_CALL(result, report, unlinkat(draft->folder, name, 0));
    return result;
}

/* Opens an existing file to lock it, without waiting and without following a symbolic link. */
static int posix_open_to_lock(const posix_draft *draft, const char *name, int mode, int other_mode,
                              hf_report *report) {
    int flags = O_NOFOLLOW | O_NONBLOCK;
    int descriptor = posix_openat(draft->folder, name, mode | flags, 0, report);
    if (descriptor < 0 && errno == EACCES)
        descriptor = posix_openat(draft->folder, name, other_mode | flags, 0, report);
    return descriptor;
}

/* Returns 0 if the name leads to the open file, EAGAIN if it leads to another file or to none, or
 * errno. */
static int posix_check_name(const posix_draft *draft, const char *name, int descriptor,
                            struct stat *status, hf_report *report) {
    struct stat named;
    if (posix_fstat(descriptor, status, report) != 0) return errno;
    if (posix_fstatat(draft->folder, name, AT_SYMLINK_NOFOLLOW, &named, report) != 0)
        return errno == ENOENT ? EAGAIN : errno;
    return posix_is_same_file(status, &named) ? 0 : EAGAIN;
}

/* ----------------------------------------------------------- Drafts: the target ------------ */

/* If the folder may be searched but not read, O_PATH opens it for everything but a sync. Returns 0
 * or errno. */
static int posix_open_folder(posix_draft *draft, int from, const char *folder, hf_report *report) {
    draft->folder = posix_openat(from, folder, O_RDONLY | O_DIRECTORY, 0, report);
    draft->can_sync_folder = draft->folder >= 0;
#ifdef O_PATH
    if (draft->folder < 0 && errno == EACCES)
        draft->folder = posix_openat(from, folder, O_DIRECTORY | O_PATH, 0, report);
#endif
    return draft->folder >= 0 ? 0 : errno;
}

/* Splits draft->path and opens the folder: "a/b" is b in a, "/b" is b in /, "b" is b in ".". A
 * relative path starts at draft->folder if that is open. Returns 0 or errno. */
static int posix_enter_folder(posix_draft *draft, hf_report *report) {
    int before = draft->folder;
    char *slash = strrchr(draft->path, '/'), *name = slash ? slash + 1 : draft->path;
    const char *folder = slash == NULL ? "." : slash == draft->path ? "/" : draft->path;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return EISDIR;
    if (strlen(name) > NAME_MAX) return ENAMETOOLONG;
    memcpy(draft->name, name, strlen(name) + 1);
    if (slash) *slash = '\0';
    int code = posix_open_folder(draft, before >= 0 ? before : AT_FDCWD, folder, report);
    if (before >= 0) posix_close_fd(before, report);
    return code;
}

/* Reads the target, a symbolic link, into draft->path. Returns 0 or errno; EINVAL: it is no
 * link. */
static int posix_read_link(posix_draft *draft, hf_report *report) {
    ssize_t length;
    POSIX_CALL(length, report,
               readlinkat(draft->folder, draft->name, draft->path, sizeof draft->path - 1));
    if (length < 0) return errno;
    draft->path[length] = '\0';
    return 0;
}

/* Fails if the kernel would not follow the link: it is another user's in /tmp
 * (fs.protected_symlinks), or part of a loop. Returns 0 or errno. */
static int posix_check_link(const posix_draft *draft, bool *leads_to_file, hf_report *report) {
    struct stat target;
    *leads_to_file = posix_fstatat(draft->folder, draft->name, 0, &target, report) == 0;
    return *leads_to_file || errno == ENOENT ? 0 : errno;
}

/* Follows symbolic links to the target, which may not exist. Returns 0 or errno. ENXIO: the text
 * of a link leads nowhere, although the kernel follows it (a link of /proc to a file without a
 * name). */
static int posix_find_target(posix_draft *draft, hf_report *report) {
    bool leads_to_file = false;
    for (int links = 0; links < POSIX_MOST_LINKS; links++) {
        int code = posix_enter_folder(draft, report);
        if (code != 0) return code;
        code = posix_read_link(draft, report);
        if (code == EINVAL) return 0;
        if (code == ENOENT) return leads_to_file ? ENXIO : 0;
        if (code == 0) code = posix_check_link(draft, &leads_to_file, report);
        if (code != 0) return code;
    }
    return ELOOP;
}

static hf_status posix_open_target(const posix_draft *draft, int *descriptor, struct stat *status,
                                   hf_report *report) {
    *descriptor = -1;
    if (posix_fstatat(draft->folder, draft->name, AT_SYMLINK_NOFOLLOW, status, report) != 0)
        return errno == ENOENT ? HF_OK : posix_fail_file(report, "fstatat", errno);
    if (S_ISLNK(status->st_mode)) return posix_fail_file(report, "fstatat", ELOOP);
    if (!S_ISREG(status->st_mode))
        return posix_fail(report, HF_UNSUPPORTED, "fstatat", S_ISDIR(status->st_mode) ? EISDIR : 0);
    *descriptor = posix_open_to_lock(draft, draft->name, O_RDONLY, O_WRONLY, report);
    return *descriptor >= 0 || errno == ENOENT ? HF_OK : posix_fail_file(report, "openat", errno);
}

/* Opens the target and locks it. HF_OK with *descriptor -1: there is none. */
static hf_status posix_lock_target(const posix_draft *draft, int *descriptor, struct stat *status,
                                   hf_report *report) {
    int code = EAGAIN;
    for (int attempt = 0; attempt < POSIX_MOST_ATTEMPTS && code == EAGAIN; attempt++) {
        hf_status found = posix_open_target(draft, descriptor, status, report);
        if (found != HF_OK || *descriptor < 0) return found;
        code = posix_flock(*descriptor, LOCK_SH, report) == 0 ? 0 : errno;
        bool is_busy = code == EWOULDBLOCK;
        if (code == 0 || posix_lacks_locks(code))
            code = posix_check_name(draft, draft->name, *descriptor, status, report);
        if (code == 0 && S_ISREG(status->st_mode)) return HF_OK;
        posix_unlock_and_close(*descriptor, report);
        *descriptor = -1;
        if (is_busy) break;
    }
    return code == EAGAIN ? posix_fail(report, HF_BUSY, "flock", code)
                          : posix_fail_file(report, "flock", code);
}

/* ----------------------------------------------------- Drafts of dead processes ------------ */

/* Writes draft->temporary. A name that is too long with the suffix is cut between two characters
 * of UTF-8. */
static void posix_name_draft(posix_draft *draft, int number) {
    size_t suffix = sizeof posix_draft_suffix - 1, length = strlen(draft->name);
    size_t room = draft->name_max > suffix ? draft->name_max - suffix : 0;
    if (length > room) length = room;
    while (length > 0 && ((unsigned char)draft->name[length] & 0xc0) == 0x80) length--;
    memcpy(draft->temporary, draft->name, length);
    memcpy(draft->temporary + length, posix_draft_suffix, suffix + 1);
    draft->temporary[length + suffix - 2] = (char)('0' + number / 10);
    draft->temporary[length + suffix - 1] = (char)('0' + number % 10);
}

static bool posix_is_leftover(const posix_draft *draft, const struct stat *status) {
    return S_ISREG(status->st_mode) && status->st_uid == draft->user;
}

/* Deletes the draft if no process has locked it. Returns true if nothing has the name now. */
static bool posix_delete_unlocked(const posix_draft *draft, hf_report *report) {
    struct stat status;
    int descriptor = posix_open_to_lock(draft, draft->temporary, O_RDWR, O_RDONLY, report);
    if (descriptor < 0) return errno == ENOENT;
    bool is_gone = posix_flock(descriptor, LOCK_EX, report) == 0 &&
                   posix_check_name(draft, draft->temporary, descriptor, &status, report) == 0 &&
                   posix_is_leftover(draft, &status) &&
                   posix_unlink(draft, draft->temporary, report) == 0;
    posix_unlock_and_close(descriptor, report);
    return is_gone;
}

/* Deletes a draft whose process is dead, unless another process is renaming or deleting a draft in
 * this folder. Returns true if nothing has the name now. */
static bool posix_delete_leftover(const posix_draft *draft, hf_report *report) {
    struct stat status;
    if (posix_fstatat(draft->folder, draft->temporary, AT_SYMLINK_NOFOLLOW, &status, report) != 0)
        return errno == ENOENT;
    if (!posix_is_leftover(draft, &status)) return false;
    bool is_locked = posix_flock(draft->folder, LOCK_EX, report) == 0;
    if (!is_locked && errno == EWOULDBLOCK) return false;
    bool is_gone = posix_delete_unlocked(draft, report);
    if (is_locked) posix_flock(draft->folder, LOCK_UN, report);
    return is_gone;
}

/* Deletes those with other numbers than this draft's. */
static void posix_delete_leftovers(posix_draft *draft, hf_report *report) {
    char own[NAME_MAX + 1];
    memcpy(own, draft->temporary, sizeof own);
    for (int number = 0; number < POSIX_MOST_DRAFTS; number++) {
        posix_name_draft(draft, number);
        if (strcmp(draft->temporary, own) != 0) posix_delete_leftover(draft, report);
    }
    memcpy(draft->temporary, own, sizeof own);
}

/* --------------------------------------------------------------- Making a draft ------------ */

/* Returns 0 or errno; EAGAIN: another process deleted the draft before it was locked. */
static int posix_lock_draft(posix_draft *draft, hf_report *report) {
    struct stat status;
    int code = posix_flock(draft->file, LOCK_SH, report) == 0 ? 0 : errno;
    if (code == EWOULDBLOCK) return EAGAIN;
    if (code != 0 && !posix_lacks_locks(code)) return code;
    return posix_check_name(draft, draft->temporary, draft->file, &status, report);
}

static void posix_delete_draft(posix_draft *draft, hf_report *report) {
    struct stat status;
    if (posix_check_name(draft, draft->temporary, draft->file, &status, report) == 0)
        posix_unlink(draft, draft->temporary, report);
    posix_unlock_and_close(draft->file, report);
    draft->file = -1;
}

/* Returns 0 or errno; EAGAIN: try the same number again; EEXIST: try the next one. */
static int posix_create_numbered(posix_draft *draft, int number, mode_t mode, hf_report *report) {
    posix_name_draft(draft, number);
    draft->file =
        posix_openat(draft->folder, draft->temporary, O_RDWR | O_CREAT | O_EXCL, mode, report);
    if (draft->file < 0 && errno == EEXIST)
        return posix_delete_leftover(draft, report) ? EAGAIN : EEXIST;
    if (draft->file < 0) return errno;
    int code = posix_lock_draft(draft, report);
    if (code == EAGAIN) { /* not locked: the name may lead to another process's draft */
        posix_unlock_and_close(draft->file, report);
        draft->file = -1;
    } else if (code != 0) {
        posix_delete_draft(draft, report);
    }
    return code;
}

/* A file system may allow shorter names than NAME_MAX: then a draft's name is at most as long as
 * the target's. */
static int posix_create_draft(posix_draft *draft, mode_t mode, hf_report *report) {
    int code = EEXIST, number = 0;
    draft->name_max = NAME_MAX;
    draft->user = geteuid();
    report->system_calls++;
    for (int attempts = 0; number < POSIX_MOST_DRAFTS && attempts < POSIX_MOST_ATTEMPTS;) {
        code = posix_create_numbered(draft, number, mode, report);
        bool is_too_long = code == ENAMETOOLONG && draft->name_max > strlen(draft->name);
        if (is_too_long) draft->name_max = strlen(draft->name);
        if (code != EEXIST && code != EAGAIN && !is_too_long) break;
        number += code == EEXIST;
        attempts += code == EAGAIN;
    }
    if (code == 0) posix_delete_leftovers(draft, report);
    return code;
}

/* A draft that replaces a file is created with mode 0600; posix_copy_permissions sets its final
 * mode. */
static hf_status posix_begin_draft(posix_draft *draft, uint64_t size, hf_report *report) {
    struct stat status;
    int code = posix_find_target(draft, report);
    if (code != 0) return posix_fail_file(report, "open", code);
    hf_status found = posix_lock_target(draft, &draft->replaced, &status, report);
    if (found != HF_OK) return found;
    if (draft->replaced >= 0) posix_flock(draft->replaced, LOCK_UN, report);
    code = posix_create_draft(draft, draft->replaced >= 0 ? 0600 : 0666, report);
    if (code != 0) return posix_fail_file(report, "openat", code);
    posix_set_nocow(draft->file, report);
    return posix_allocate_blocks(draft->file, size, report);
}

static size_t posix_draft_size(void) {
    size_t page = posix_page_size(NULL);
    return (sizeof(posix_draft) + page - 1) / page * page;
}

static hf_status posix_allocate_draft(const char *path, posix_draft **draft, hf_report *report) {
    void *memory;
    size_t length = strlen(path);
    if (length >= PATH_MAX) return posix_fail_file(report, "open", ENAMETOOLONG);
    hf_status status = posix_allocate_pages(NULL, posix_draft_size(), &memory, report);
    if (status != HF_OK) return status;
    *draft = memory;
    (*draft)->folder = (*draft)->file = (*draft)->replaced = -1;
    memcpy((*draft)->path, path, length + 1);
    return HF_OK;
}

static void posix_free_draft(posix_draft *draft, hf_report *report) {
    if (draft->file >= 0 && !draft->is_published) posix_delete_draft(draft, report);
    if (draft->file >= 0) posix_unlock_and_close(draft->file, report);
    if (draft->replaced >= 0) posix_close_fd(draft->replaced, report);
    if (draft->folder >= 0) posix_close_fd(draft->folder, report);
    posix_unmap_pages(draft, posix_draft_size(), report);
}

static hf_status posix_draft_open(const hf_backend *self, const char *path, uint64_t size,
                                  void **opened, intptr_t *file, hf_report *report) {
    (void)self;
    posix_draft *draft;
    hf_status status = posix_allocate_draft(path, &draft, report);
    if (status != HF_OK) return status;
    status = posix_begin_draft(draft, size, report);
    if (status != HF_OK) {
        posix_free_draft(draft, report);
        return status;
    }
    *file = draft->file;
    *opened = draft;
    return HF_OK;
}

static void posix_draft_close(const hf_backend *self, void *opened) {
    (void)self;
    hf_report report = {0};
    posix_free_draft(opened, &report);
}

/* ------------------------------------------------------- Permissions of a draft ------------ */

#if POSIX_LINUX

/*
 * If a file has an access control list, the group bits of its mode are the mask: the most that the
 * list grants. A list that the draft has inherited from its folder would come into force with them,
 * so the draft gets the list of the file that it replaces, or none.
 */
static bool posix_copy_acl(int from, int to, hf_report *report) {
    static const char list_name[] = "system.posix_acl_access";
    char list[1024];
    ssize_t size;
    int result;
    POSIX_CALL(size, report, fgetxattr(from, list_name, list, sizeof list));
    if (size < 0 && errno == EOPNOTSUPP) return true;
    if (size < 0 && errno != ENODATA) return false;
    if (size >= 0)
        POSIX_CALL(result, report, fsetxattr(to, list_name, list, (size_t)size, 0));
    else
        POSIX_CALL(result, report, fremovexattr(to, list_name));
    return result == 0 || (size < 0 && errno == ENODATA);
}

#else

static bool posix_copy_acl(int from, int to, hf_report *report) {
    (void)from, (void)to, (void)report;
    return true;
}

#endif

static bool posix_change_owner(int descriptor, uid_t user, gid_t group, hf_report *report) {
    int result;
    POSIX_CALL(result, report, fchown(descriptor, user, group));
    return result == 0;
}

/* The mode if the group cannot be kept: group and others get what both had before. */
static mode_t posix_mode_without_group(mode_t mode) {
    mode_t both = mode & (mode >> 3) & 07;
    return (mode_t)((mode & 0700) | both << 3 | both);
}

/* Grants nobody more than the replaced file did. The owner is changed last because only the owner
 * may change the mode. If fchmod fails, the draft keeps its mode of 0600. */
static void posix_copy_permissions(int descriptor, int replaced, const struct stat *status,
                                   hf_report *report) {
    int result;
    mode_t mode = (mode_t)(status->st_mode & 0777);
    if (!posix_change_owner(descriptor, (uid_t)-1, status->st_gid, report))
        mode = posix_mode_without_group(mode);
    if (!posix_copy_acl(replaced, descriptor, report)) mode &= 0700;
    POSIX_CALL(result, report, fchmod(descriptor, mode));
    if (result == 0) posix_change_owner(descriptor, status->st_uid, (gid_t)-1, report);
}

/* ----------------------------------------------------------- Publishing a draft ------------ */

static bool posix_cannot_link(int code) {
    return code == EPERM || code == EOPNOTSUPP || code == ENOSYS || code == EINVAL ||
           code == EMLINK || code == ENOTSUP;
}

#if POSIX_LINUX && defined(SYS_renameat2)

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

static int posix_rename_noreplace(const posix_draft *draft, hf_report *report) {
    long result;
    POSIX_CALL(result, report,
               syscall(SYS_renameat2, draft->folder, draft->temporary, draft->folder, draft->name,
                       RENAME_NOREPLACE));
    return result == 0 ? 0 : errno;
}

#else

static int posix_rename_noreplace(const posix_draft *draft, hf_report *report) {
    (void)draft, (void)report;
    return ENOSYS;
}

#endif

/* A call that was interrupted may have taken effect, and fails when it is made again. */
static bool posix_has_target_name(const posix_draft *draft, hf_report *report) {
    struct stat status;
    return posix_check_name(draft, draft->name, draft->file, &status, report) == 0;
}

/* Locks the folder. Another process locks it exclusively for a few system calls: wait for that, but
 * not for ever, because that process may be stopped. */
static bool posix_share_folder(const posix_draft *draft, hf_report *report) {
    const struct timespec millisecond = {0, 1000 * 1000};
    for (int waits = 0; posix_flock(draft->folder, LOCK_SH, report) != 0; waits++) {
        if (errno != EWOULDBLOCK || waits == POSIX_MOST_FOLDER_WAITS) return false;
        nanosleep(&millisecond, NULL);
        report->system_calls++;
    }
    return true;
}

/* Renames the draft to the target's name if nothing has that name. Returns 0 or errno. EEXIST:
 * something has it; ENOSYS: the file system has neither linkat nor RENAME_NOREPLACE. */
static int posix_rename_new(posix_draft *draft, hf_report *report) {
    int result, code;
    POSIX_CALL(result, report,
               linkat(draft->folder, draft->temporary, draft->folder, draft->name, 0));
    code = result == 0 ? 0 : errno;
    draft->is_published = code == 0 || (code == EEXIST && posix_has_target_name(draft, report));
    if (draft->is_published) {
        posix_unlink(draft, draft->temporary, report);
        return 0;
    }
    if (!posix_cannot_link(code)) return code;
    code = posix_rename_noreplace(draft, report);
    draft->is_published = code == 0;
    return posix_cannot_link(code) ? ENOSYS : code;
}

static int posix_rename_over(posix_draft *draft, hf_report *report) {
    int result;
    POSIX_CALL(result, report,
               renameat(draft->folder, draft->temporary, draft->folder, draft->name));
    int code = result == 0 ? 0 : errno;
    draft->is_published = code == 0 || posix_has_target_name(draft, report);
    return draft->is_published ? 0 : code;
}

/* Calls one of the two above with the folder locked. */
static int posix_rename(posix_draft *draft, int rename_draft(posix_draft *, hf_report *),
                        hf_report *report) {
    bool is_locked = posix_share_folder(draft, report);
    int code = rename_draft(draft, report);
    if (is_locked) posix_flock(draft->folder, LOCK_UN, report);
    return code;
}

/* The file to replace stays locked until the draft has its name, so that no writer opens it in
 * between. */
static hf_status posix_publish(posix_draft *draft, hf_report *report) {
    struct stat status;
    int old, code = EEXIST;
    for (int attempt = 0; attempt < POSIX_MOST_ATTEMPTS && code == EEXIST; attempt++) {
        hf_status found = posix_lock_target(draft, &old, &status, report);
        if (found != HF_OK) return found;
        if (old >= 0)
            posix_copy_permissions(draft->file, old, &status, report);
        else if (draft->replaced >= 0 && posix_fstat(draft->replaced, &status, report) == 0)
            posix_copy_permissions(draft->file, draft->replaced, &status, report);
        code = posix_rename(draft, old >= 0 ? posix_rename_over : posix_rename_new, report);
        if (code == ENOSYS && old < 0) code = posix_rename(draft, posix_rename_over, report);
        if (old >= 0) posix_unlock_and_close(old, report);
    }
    return code == 0 ? HF_OK : posix_fail_file(report, "renameat", code);
}

static hf_status posix_sync_open_folder(const posix_draft *draft, hf_report *report) {
    if (!draft->can_sync_folder) return HF_OK;
    /* EINVAL: a file system that cannot sync folders and keeps names durable by itself. */
    return posix_sync_to_disk(draft->folder, report) == 0 || errno == EINVAL
               ? HF_OK
               : posix_fail_file(report, "fsync", errno);
}

static hf_status posix_draft_publish(const hf_backend *self, void *opened, hf_report *report) {
    (void)self;
    posix_draft *draft = opened;
    hf_status status = posix_publish(draft, report);
    if (status != HF_OK) return status;
    posix_flock(draft->file, LOCK_UN, report);
    return posix_sync_open_folder(draft, report);
}

/* -------------------------------------------------------------- Creating a file ------------ */

/* For a file system that has neither linkat nor RENAME_NOREPLACE: other processes can see the file
 * while it grows. */
static hf_status posix_create_in_place(posix_draft *draft, uint64_t size, mode_t mode,
                                       hf_report *report) {
    posix_delete_draft(draft, report);
    draft->file = posix_openat(draft->folder, draft->name, O_RDWR | O_CREAT | O_EXCL, mode, report);
    if (draft->file < 0) return posix_fail_file(report, "open", errno);
    hf_status status = posix_allocate_blocks(draft->file, size, report);
    draft->is_published = status == HF_OK;
    /* The name that posix_free_draft deletes after a failure. */
    memcpy(draft->temporary, draft->name, sizeof draft->name);
    return status;
}

static hf_status posix_create_whole(posix_draft *draft, uint64_t size, mode_t mode,
                                    hf_report *report) {
    struct stat status;
    int code = posix_enter_folder(draft, report);
    if (code != 0) return posix_fail_file(report, "open", code);
    if (posix_fstatat(draft->folder, draft->name, AT_SYMLINK_NOFOLLOW, &status, report) == 0)
        return posix_fail_file(report, "open", EEXIST);
    if (errno != ENOENT) return posix_fail_file(report, "fstatat", errno);
    code = posix_create_draft(draft, mode, report);
    if (code != 0) return posix_fail_file(report, "open", code);
    hf_status allocated = posix_allocate_blocks(draft->file, size, report);
    if (allocated != HF_OK) return allocated;
    code = posix_rename(draft, posix_rename_new, report);
    if (code == ENOSYS) return posix_create_in_place(draft, size, mode, report);
    return code == 0 ? HF_OK : posix_fail_file(report, "linkat", code);
}

static hf_status posix_create_file(const char *path, uint64_t size, mode_t mode, intptr_t *file,
                                   hf_report *report) {
    posix_draft *draft;
    hf_status status = posix_allocate_draft(path, &draft, report);
    if (status != HF_OK) return status;
    status = posix_create_whole(draft, size, mode, report);
    if (status == HF_OK) {
        *file = draft->file;
        posix_flock(draft->file, LOCK_UN, report);
        draft->file = -1;
    }
    posix_free_draft(draft, report);
    return status;
}

static hf_status posix_file_create(const hf_backend *self, const char *path, uint64_t size,
                                   intptr_t *file, hf_report *report) {
    (void)self;
    return posix_create_file(path, size, 0666, file, report);
}

/* ---------------------------------------------------------- Named shared memory ------------ */

#if !defined(__ANDROID__)
#define POSIX_HAS_NAMES 1

/*
 * The C libraries of Linux implement shm_open("/NAME") by opening /dev/shm/NAME. Here the file is
 * opened directly: so it can be created as a draft, and programs need no -lrt. Other systems have
 * shm_open alone, which creates memory of size 0.
 */
#if POSIX_LINUX
#define POSIX_NAMES_PREFIX "/dev/shm/"
#define POSIX_OPEN_NAMED "open"
#define POSIX_UNLINK_NAMED "unlink"
#else
#define POSIX_NAMES_PREFIX "/"
#define POSIX_OPEN_NAMED "shm_open"
#define POSIX_UNLINK_NAMED "shm_unlink"
#endif

typedef struct posix_shared_name {
    char path[sizeof POSIX_NAMES_PREFIX - 1 + HF_SHARED_NAME_SIZE];
} posix_shared_name;

static posix_shared_name posix_path_of(const char *name) {
    posix_shared_name result;
    assert(strlen(name) < HF_SHARED_NAME_SIZE);
    snprintf(result.path, sizeof result.path, POSIX_NAMES_PREFIX "%s", name);
    return result;
}

/* Returns a descriptor, or -1 and errno. */
static int posix_open_named(const char *name, int flags, hf_report *report) {
    posix_shared_name named = posix_path_of(name);
#if POSIX_LINUX
    return posix_openat(AT_FDCWD, named.path, flags | O_NOFOLLOW | O_NONBLOCK, 0600, report);
#else
    int descriptor;
    unsigned occupied = posix_occupy_streams(report);
    POSIX_CALL(descriptor, report, shm_open(named.path, flags, 0600));
    posix_vacate_streams(occupied, report);
    return posix_move_above_stderr(descriptor, report);
#endif
}

static int posix_unlink_named(const char *name, hf_report *report) {
    posix_shared_name named = posix_path_of(name);
    int result;
#if POSIX_LINUX
    POSIX_CALL(result, report, unlinkat(AT_FDCWD, named.path, 0));
#else
    POSIX_CALL(result, report, shm_unlink(named.path));
#endif
    return result;
}

#if POSIX_LINUX

static hf_status posix_file_create_named(const hf_backend *self, const char *name, uint64_t size,
                                         intptr_t *file, hf_report *report) {
    (void)self;
    posix_shared_name named = posix_path_of(name);
    return posix_create_file(named.path, size, 0600, file, report);
}

#else

static hf_status posix_file_create_named(const hf_backend *self, const char *name, uint64_t size,
                                         intptr_t *file, hf_report *report) {
    (void)self;
    int descriptor = posix_open_named(name, O_RDWR | O_CREAT | O_EXCL, report);
    if (descriptor < 0) return posix_fail_file(report, POSIX_OPEN_NAMED, errno);
    hf_status status = posix_set_shm_size(descriptor, size, report);
    if (status != HF_OK) {
        posix_unlink_named(name, report);
        posix_close_fd(descriptor, report);
        return status;
    }
    *file = descriptor;
    return HF_OK;
}

#endif

static hf_status posix_file_open_named(const hf_backend *self, const char *name, hf_access access,
                                       intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    int descriptor = posix_open_named(name, access == HF_READ_WRITE ? O_RDWR : O_RDONLY, report);
    if (descriptor < 0) return posix_fail_file(report, POSIX_OPEN_NAMED, errno);
    hf_status status = posix_adopt(descriptor, file, size, report);
    if (status != HF_OK || *size > 0) return status;
    posix_close_fd(descriptor, report);
    posix_fail(report, HF_BUSY, "fstat", 0);
    report->reason = "the memory has no size yet";
    return HF_BUSY;
}

static hf_status posix_file_remove_named(const hf_backend *self, const char *name,
                                         hf_report *report) {
    (void)self;
    return posix_unlink_named(name, report) == 0
               ? HF_OK
               : posix_fail_file(report, POSIX_UNLINK_NAMED, errno);
}

#else
#define POSIX_HAS_NAMES 0
#endif

/* -------------------------------------------------------------- Locks and forks ------------ */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(hf_lock), "hf_lock is too small for a mutex");

static pthread_mutex_t *posix_mutex(hf_lock *storage) { return (pthread_mutex_t *)(void *)storage; }

/*
 * The gate. fork() copies the memory of all threads but only the calling thread. A lock that
 * another thread has locked would stay locked in the child, and the region map behind it could be
 * half edited. So every thread passes the gate before its first lock; fork() closes the gate,
 * waits until no thread is inside, and opens it again in the parent and in the child.
 *
 *      lock:    inside++, unless the gate is closed: then wait until the fork is done
 *      fork:    close; wait for inside == 0; fork; open
 *
 * A thread that has a lock already (a strict backend locks its own lock inside a space's) does not
 * look at the gate, because a fork would wait for it. posix_lock_depth counts a thread's locks.
 *
 * Other fork handlers may need locks that threads own while they wait at the gate. So the gate must
 * be the last to close and the first to open. Before a fork, handlers run in the reverse order of
 * their registration, so the gate's are registered first, when the library is loaded. The forking
 * thread itself passes the gate, for handlers that were registered even earlier.
 *
 * A signal handler may fork while its own thread is inside. Nothing can wait for that thread, so
 * the gate stays open: the child is as it would be without a gate, and its own forks do not wait.
 */
static struct {
    int inside;         /* atomic: threads between their first lock and their last unlock */
    bool is_closed;     /* atomic */
    bool is_broken;     /* a thread inside has forked this process: `inside` is wrong */
    bool is_registered; /* atomic: pthread_atfork has the three functions below */
    uint32_t forks;     /* from the first process to this one */
} posix_gate;

/* Locked from before a fork until after it. */
static pthread_mutex_t posix_fork_mutex = PTHREAD_MUTEX_INITIALIZER;

static HF_THREAD_LOCAL unsigned posix_lock_depth;
static HF_THREAD_LOCAL bool posix_is_forking;
static HF_THREAD_LOCAL bool posix_is_registering; /* is in posix_register_gate */

static bool posix_can_close_gate(void) {
    return *HF_OF_THIS_THREAD(posix_lock_depth) == 0 && !posix_gate.is_broken;
}

static void posix_close_gate(void) {
    if (!posix_can_close_gate()) return;
    pthread_mutex_lock(&posix_fork_mutex);
    *HF_OF_THIS_THREAD(posix_is_forking) = true;
    __atomic_store_n(&posix_gate.is_closed, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&posix_gate.inside, __ATOMIC_SEQ_CST) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

static void posix_open_gate(void) {
    if (!posix_can_close_gate()) return;
    *HF_OF_THIS_THREAD(posix_is_forking) = false;
    __atomic_store_n(&posix_gate.is_closed, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&posix_fork_mutex);
}

static void posix_open_gate_in_child(void) {
    posix_gate.forks++;
    posix_open_gate();
    if (posix_can_close_gate() || posix_gate.is_broken) return;
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    posix_fork_mutex = unlocked; /* another thread of the parent may have locked it */
    posix_gate.is_closed = false;
    posix_gate.is_broken = true;
}

/* Returns 0 or errno. After a failure each posix_lock_open tries again. pthread_atfork may call
 * malloc (musl, FreeBSD), and that malloc may open a space. */
static int posix_register_gate(void) {
    bool *is_registering = HF_OF_THIS_THREAD(posix_is_registering);
    if (__atomic_load_n(&posix_gate.is_registered, __ATOMIC_ACQUIRE) || *is_registering) return 0;
    pthread_mutex_lock(&posix_fork_mutex);
    *is_registering = true;
    int code = posix_gate.is_registered
                   ? 0
                   : pthread_atfork(posix_close_gate, posix_open_gate, posix_open_gate_in_child);
    __atomic_store_n(&posix_gate.is_registered, code == 0, __ATOMIC_RELEASE);
    *is_registering = false;
    pthread_mutex_unlock(&posix_fork_mutex);
    return code;
}

/* Runs before constructors without a priority, which may register fork handlers of their own. */
__attribute__((constructor(101))) static void posix_register_early(void) { posix_register_gate(); }

static void posix_leave_gate(void) { __atomic_fetch_sub(&posix_gate.inside, 1, __ATOMIC_SEQ_CST); }

static void posix_enter_gate(void) {
    __atomic_fetch_add(&posix_gate.inside, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&posix_gate.is_closed, __ATOMIC_SEQ_CST) &&
           !*HF_OF_THIS_THREAD(posix_is_forking)) {
        posix_leave_gate();
        pthread_mutex_lock(&posix_fork_mutex); /* until the fork is done */
        pthread_mutex_unlock(&posix_fork_mutex);
        __atomic_fetch_add(&posix_gate.inside, 1, __ATOMIC_SEQ_CST);
    }
}

/* A child in a PID namespace can have its parent's pid: the count of forks tells them apart. */
static uint64_t posix_process(const hf_backend *self) {
    (void)self;
    return (uint64_t)posix_gate.forks << 32 | (uint32_t)getpid();
}

static hf_status posix_lock_open(const hf_backend *self, hf_lock *storage, hf_report *report) {
    (void)self;
    int code = posix_register_gate();
    if (code != 0) return posix_fail(report, HF_NO_MEMORY, "pthread_atfork", code);
    code = pthread_mutex_init(posix_mutex(storage), NULL);
    return code == 0 ? HF_OK : posix_fail(report, HF_NO_MEMORY, "pthread_mutex_init", code);
}

static void posix_lock_close(const hf_backend *self, hf_lock *storage) {
    (void)self;
    pthread_mutex_destroy(posix_mutex(storage));
}

static void posix_lock(const hf_backend *self, hf_lock *storage) {
    (void)self;
    unsigned *own = HF_OF_THIS_THREAD(posix_lock_depth);
    if ((*own)++ == 0) posix_enter_gate();
    pthread_mutex_lock(posix_mutex(storage));
}

static void posix_unlock(const hf_backend *self, hf_lock *storage) {
    (void)self;
    unsigned *own = HF_OF_THIS_THREAD(posix_lock_depth);
    pthread_mutex_unlock(posix_mutex(storage));
    if (*own == 1) posix_leave_gate();
    (*own)--;
}

/* ---------------------------------------------------------------------- Streams ------------ */

#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(__DragonFly__)
#define POSIX_HAS_FUNOPEN 1
#else
#define POSIX_HAS_FUNOPEN 0
#endif

#if POSIX_LINUX && !defined(__ANDROID__)
#define POSIX_HAS_FOPENCOOKIE 1
#else
#define POSIX_HAS_FOPENCOOKIE 0
#endif

/* What a write function returns for an error: glibc's must not return a negative number, and musl
 * takes 0 for success. */
#ifdef __GLIBC__
#define POSIX_WRITE_ERROR 0
#else
#define POSIX_WRITE_ERROR (-1)
#endif

#if POSIX_HAS_FUNOPEN || POSIX_HAS_FOPENCOOKIE
static bool posix_write_to_stream(void *stream, const char *bytes, size_t size) {
    bool is_written = hf_stream_write(stream, bytes, size);
    if (!is_written) errno = ENOMEM;
    return is_written;
}

static int posix_close_stream(void *stream) {
    if (hf_stream_close(stream)) return 0;
    errno = ENOMEM;
    return -1;
}
#endif

#if POSIX_HAS_FUNOPEN
static int posix_write_stream(void *stream, const char *bytes, int size) {
    return posix_write_to_stream(stream, bytes, (size_t)size) ? size : POSIX_WRITE_ERROR;
}

hf_status hf_system_stream(hf_stream *stream, FILE **file) {
    /* Without a seek function fseek() and ftell() set ESPIPE. */
    *file = funopen(stream, NULL, posix_write_stream, NULL, posix_close_stream);
    return *file ? HF_OK : HF_NO_MEMORY;
}
#elif POSIX_HAS_FOPENCOOKIE
static ssize_t posix_write_stream(void *stream, const char *bytes, size_t size) {
    return posix_write_to_stream(stream, bytes, size) ? (ssize_t)size : POSIX_WRITE_ERROR;
}

/* Without a seek function glibc leaves errno unchanged, and musl sets ENOTSUP. */
static int posix_seek_stream(void *stream, off_t *offset, int origin) {
    (void)stream, (void)offset, (void)origin;
    errno = ESPIPE;
    return -1;
}

hf_status hf_system_stream(hf_stream *stream, FILE **file) {
    /* In this order: read, write, seek, close. */
    cookie_io_functions_t functions = {NULL, posix_write_stream, posix_seek_stream,
                                       posix_close_stream};
    *file = fopencookie(stream, "w", functions);
    return *file ? HF_OK : HF_NO_MEMORY;
}
#else
hf_status hf_system_stream(hf_stream *stream, FILE **file) {
    (void)stream, (void)file;
    return HF_UNSUPPORTED;
}
#endif

/* ------------------------------------------------------------------ The backend ------------ */

static const hf_backend posix_backend = {
    .size = HF_BACKEND_SIZE_1_0,
    .page_size = posix_page_size,
    .reserve = posix_reserve,
#if UINTPTR_MAX > UINT32_MAX
    .reserve_with_pages = posix_reserve_with_pages,
    .release_with_pages = posix_release_with_pages,
    .commit_first = posix_commit_first,
#endif
    .release = posix_release,
    .split = posix_do_nothing,
    .coalesce = posix_do_nothing,
    .commit = posix_commit,
    .decommit = posix_decommit,
    .map = posix_map,
    .unmap = posix_unmap,
    .release_run = posix_release_run,
    .spans_regions = posix_spans_regions,
    .protect = posix_protect,
    .remap = posix_remap,
    .advise = posix_advise,
    .reserve_aligned = posix_reserve_aligned_to,
#if POSIX_LINUX
    .commit_as = posix_commit_as,
    .check_memory = posix_check_memory,
    .reset = posix_reset,
    .name = posix_name,
    .check = posix_check,
#endif
    .allocate_pages = posix_allocate_pages,
    .free_pages = posix_free_pages,
    .file_open = posix_file_open,
    .file_create = posix_file_create,
    .file_create_shared = posix_file_create_shared,
    .file_create_executable = posix_file_create_shared,
    .file_duplicate = posix_file_duplicate,
    .file_close = posix_file_close,
    .file_open_or_create = posix_file_open_or_create,
    .file_measure = posix_file_measure,
    .file_resize = posix_file_resize,
    .file_read = posix_file_read,
    .file_write = posix_file_write,
    .file_sync = posix_file_sync,
#if !POSIX_LINUX
    .file_flush = posix_file_flush,
#endif
    .file_lock = posix_file_lock,
    .file_unlock = posix_file_unlock,
#if POSIX_LINUX
    .file_forget = posix_file_forget,
    .file_granularity = posix_file_granularity,
#endif
    .file_fill = posix_file_fill,
#if POSIX_HAS_SEALS
    .file_seal = posix_file_seal,
    .file_is_sealed = posix_file_is_sealed,
#endif
#if POSIX_LINUX
    .file_punch_hole = posix_file_punch_hole,
#endif
#if POSIX_HAS_NAMES
    .file_create_named = posix_file_create_named,
    .file_open_named = posix_file_open_named,
    .file_remove_named = posix_file_remove_named,
#endif
    .file_is_at = posix_file_is_at,
    .draft_open = posix_draft_open,
    .draft_publish = posix_draft_publish,
    .draft_close = posix_draft_close,
    .process = posix_process,
    .lock_open = posix_lock_open,
    .lock_close = posix_lock_close,
    .lock = posix_lock,
    .unlock = posix_unlock,
};

const hf_backend *hf_backend_native(void) { return &posix_backend; }
