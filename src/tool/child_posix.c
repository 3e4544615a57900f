/*
 * child_posix.c -- child.h by fork and wait4.
 *
 *   1. environment and signals
 *   2. the child: its session, its streams, exec
 *   3. the parent: reads the output until the end, and takes the measurements
 *
 * vfork and posix_spawn would let the peak of this process's memory count as the child's.
 */
#define _GNU_SOURCE /* wait4 */

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "platform.h"
#include "preload.h"
#include "trace.h"

/* ------------------------------------------------------- 1. environment and signals ------- */

static bool child_set_tunable(void) {
    static const char huge[] = "glibc.malloc.hugetlb=1";
    const char *others = getenv("GLIBC_TUNABLES");
    char list[4096];
    bool are_others = others && *others;
    int size = snprintf(list, sizeof list, "%s%s%s", are_others ? others : "",
                        are_others ? ":" : "", huge);
    return size > 0 && (size_t)size < sizeof list && setenv("GLIBC_TUNABLES", list, 1) == 0;
}

bool child_set_environment(const struct compare_contender *contender) {
    if (contender->huge_pages && !child_set_tunable()) return false;
    return !contender->library[0] || preload_set(contender->library);
}

static const int child_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { CHILD_SIGNALS = sizeof child_signals / sizeof *child_signals };

static volatile sig_atomic_t child_signal;  /* the first signal that came; 0: none */
static volatile sig_atomic_t child_session; /* of the child that runs; 0: none */

static void child_pass_on(int signal) {
    int reason = errno;
    if (child_session > 0) kill(-(pid_t)child_session, child_signal ? SIGKILL : signal);
    if (!child_signal) child_signal = signal;
    errno = reason;
}

/* A signal that is ignored stays so: nohup(1) sets that. */
void child_catch_signals(void) {
    for (size_t i = 0; i < CHILD_SIGNALS; i++) {
        struct sigaction action = {.sa_handler = child_pass_on}, before;
        sigfillset(&action.sa_mask);
        if (sigaction(child_signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(child_signals[i], &action, NULL);
    }
}

void child_open_streams(void) {
    int file;
    do {
        file = open("/dev/null", O_RDWR);
    } while (file >= 0 && file <= STDERR_FILENO);
    if (file > STDERR_FILENO) close(file);
}

void child_die_of_signal(void) {
    int last = child_signal;
    signal(last, SIG_DFL);
    raise(last);
}

static void child_block_signals(sigset_t *before) {
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < CHILD_SIGNALS; i++) sigaddset(&blocked, child_signals[i]);
    sigprocmask(SIG_BLOCK, &blocked, before);
}

/* --------------------------------------------------------------- 2. the child ------------- */

struct child {
    const struct child_request *request;
    sigset_t mask; /* of signals, as it was before */
    int output[2]; /* pipe of its standard output */
    int failed[2]; /* pipe, closed by exec; before that, it gets an errno */
    int sight[2];  /* pipe: the watcher's compare_sight */
    pid_t process;
    uint64_t started, ended; /* platform_now() */
    int status;              /* of wait4, when it has ended */
    struct rusage usage;
};

static void child_fail(const struct child *child) {
    int reason = errno;
    if (write(child->failed[1], &reason, sizeof reason) < 0) _exit(EXIT_FAILURE);
    _exit(EXIT_SUCCESS);
}

static bool child_set_streams(const struct child *child) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC); /* above 2: see child_open_streams */
    return null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
           dup2(child->output[1], STDOUT_FILENO) >= 0 &&
           (child->request->shows_errors || dup2(null, STDERR_FILENO) >= 0);
}

static void child_restore_signals(const struct child *child) {
    for (size_t i = 0; i < CHILD_SIGNALS; i++) {
        struct sigaction now;
        if (sigaction(child_signals[i], NULL, &now) == 0 && now.sa_handler == child_pass_on)
            signal(child_signals[i], SIG_DFL);
    }
    platform_restore_signals();
    sigprocmask(SIG_SETMASK, &child->mask, NULL);
}

/* If holdfast is killed, so is the program; this needs no signal handler. */
static void child_die_with_parent(void) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

static void child_execute(void *user) {
    const struct child *child = user;
    child_die_with_parent();
    if (!child_set_environment(child->request->contender)) child_fail(child);
    execvp(child->request->command[0], child->request->command);
    child_fail(child);
}

static void child_watch(struct child *child) {
    struct compare_sight sight;
    if (!trace_run(child->request->contender->library, child_execute, child, child->failed[1],
                   &sight))
        child_execute(child);
    if (write(child->sight[1], &sight, sizeof sight) < 0) _exit(EXIT_FAILURE);
    _exit(EXIT_SUCCESS);
}

static void child_begin(struct child *child) {
    setsid();
    child_die_with_parent();
    child_restore_signals(child);
    if (!child_set_streams(child)) child_fail(child);
    if (child->request->sight)
        child_watch(child);
    else
        child_execute(child);
}

/* --------------------------------------------------------------- 3. the parent ------------ */

static bool child_open_pipe(int ends[2]) {
    if (pipe(ends) != 0) return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return true;
}

static void child_close(int *end) {
    if (*end >= 0) close(*end);
    *end = -1;
}

static void child_close_all(struct child *child) {
    for (int end = 0; end < 2; end++) {
        child_close(&child->output[end]);
        child_close(&child->failed[end]);
        child_close(&child->sight[end]);
    }
}

/* FNV-1a on words of eight bytes, so that hashing is faster than writing to a pipe. */
static uint64_t child_hash(uint64_t hash, const unsigned char *bytes, size_t size) {
    static const uint64_t prime = 0x100000001b3;
    for (; size >= sizeof hash; bytes += sizeof hash, size -= sizeof hash) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        hash = (hash ^ word) * prime;
        hash ^= hash >> 32;
    }
    for (; size > 0; bytes++, size--) hash = (hash ^ *bytes) * prime;
    return hash;
}

/* Reads whole blocks, whatever the sizes of the writes, because the hash depends on them. */
struct child_reader {
    unsigned char block[1 << 16];
    size_t filled;
    struct compare_run *run;
};

static void child_hash_block(struct child_reader *reader) {
    reader->run->output_size += reader->filled;
    reader->run->output_hash = child_hash(reader->run->output_hash, reader->block, reader->filled);
    reader->filled = 0;
}

/* Reads at most so many bytes. False: there are no more. */
static bool child_read(int file, struct child_reader *reader, size_t most) {
    size_t room = sizeof reader->block - reader->filled;
    ssize_t got = read(file, reader->block + reader->filled, most < room ? most : room);
    if (got > 0) reader->filled += (size_t)got;
    if (reader->filled == sizeof reader->block) child_hash_block(reader);
    return got > 0 || (got < 0 && errno == EINTR);
}

/* Reads what is in the pipe, and does not wait for more. */
static void child_read_rest(int file, struct child_reader *reader) {
    int rest = 0;
    uint64_t before = reader->run->output_size + reader->filled, end;
    if (ioctl(file, FIONREAD, &rest) != 0 || rest <= 0) return;
    end = before + (uint64_t)rest;
    while (before < end && child_read(file, reader, (size_t)(end - before)))
        before = reader->run->output_size + reader->filled;
}

static bool child_wait(struct child *child, int options) {
    pid_t ended;
    do {
        ended = wait4(child->process, &child->status, options, &child->usage);
    } while (ended < 0 && errno == EINTR);
    child->ended = platform_now();
    return ended == child->process;
}

/* Reads the output until its end. A process that the program left behind may keep the pipe open,
 * and write to it without end. So from time to time, wait4 is asked if the program has ended. */
static void child_attend(struct child *child, struct child_reader *reader) {
    enum { INTERVAL = 20 }; /* milliseconds */
    struct pollfd output = {.fd = child->output[0], .events = POLLIN};
    uint64_t next = child->started;
    for (;;) {
        int ready = poll(&output, 1, INTERVAL);
        if (ready > 0 && !child_read(output.fd, reader, SIZE_MAX)) break;
        if (platform_now() < next) continue;
        if (child_wait(child, WNOHANG)) {
            child_read_rest(output.fd, reader);
            return;
        }
        next = child->ended + (uint64_t)INTERVAL * 1000000;
    }
    child_wait(child, 0);
}

static uint64_t child_nanoseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

static void child_take(const struct child *child, struct compare_run *run) {
    const struct rusage *usage = &child->usage;
    int status = child->status;
    run->quantities[COMPARE_WALL] = child->ended - child->started;
    run->quantities[COMPARE_PROCESSOR] =
        child_nanoseconds(usage->ru_utime) + child_nanoseconds(usage->ru_stime);
    run->quantities[COMPARE_FAULTS] = (uint64_t)usage->ru_minflt + (uint64_t)usage->ru_majflt;
    run->quantities[COMPARE_PEAK] = (uint64_t)usage->ru_maxrss * 1024;
    run->end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    run->end.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static void child_measure(struct child *child, struct compare_run *run) {
    struct child_reader reader = {.filled = 0, .run = run};
    run->output_size = 0, run->output_hash = 0xcbf29ce484222325;
    child_attend(child, &reader);
    child_take(child, run);
    child_hash_block(&reader);
}

static void child_take_sight(const struct child *child) {
    struct compare_sight sight, *wanted = child->request->sight;
    *wanted = (struct compare_sight){.is_known = false};
    if (read(child->sight[0], &sight, sizeof sight) == (ssize_t)sizeof sight) *wanted = sight;
}

/* Bytes of memory that nobody uses. */
static uint64_t child_free_memory(void) {
    long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

static void child_touch(char *memory, uint64_t size) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (uint64_t at = 0; at < size && !child_signal; at += page)
        *(volatile char *)(memory + at) = 1;
}

/* Memory that was not used for a while may be slow at first: the host of a virtual machine took it
 * back. Without this the first touch of a page would cost a program what the one before it left. */
static void child_prewarm(uint64_t wanted) {
    uint64_t most = child_free_memory() / 4 * 3, size = wanted < most ? wanted : most;
    if (size == 0 || size > SIZE_MAX) return;
    void *memory =
        mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
#ifdef MADV_HUGEPAGE
    madvise(memory, (size_t)size, MADV_HUGEPAGE);
#endif
    child_touch(memory, size);
    munmap(memory, (size_t)size);
}

/* Returns the errno of what failed in the child before the program was executed, or 0. */
static int child_fork(struct child *child) {
    int reason = 0;
    fflush(NULL);
    child->started = platform_now();
    child->process = fork();
    if (child->process == 0) child_begin(child);
    if (child->process < 0) return errno;
    child_close(&child->output[1]);
    child_close(&child->failed[1]);
    child_close(&child->sight[1]);
    return read(child->failed[0], &reason, sizeof reason) == sizeof reason ? reason : 0;
}

/* Signals are blocked until the program is executed, so that they find its session. */
static int child_start(struct child *child) {
    child_block_signals(&child->mask);
    int reason = child_signal ? EINTR : child_fork(child);
    if (reason == 0) child_session = (sig_atomic_t)child->process;
    sigprocmask(SIG_SETMASK, &child->mask, NULL);
    return reason;
}

static enum child_result child_run_started(struct child *child, struct compare_run *run) {
    child_measure(child, run);
    child_session = 0;
    if (child->request->sight) child_take_sight(child);
    if (!child_signal) return CHILD_ENDED;
    kill(-child->process, SIGKILL); /* what ignored the signal */
    return CHILD_INTERRUPTED;
}

enum child_result child_run(const struct child_request *request, struct compare_run *run) {
    struct child child = {
        .request = request, .output = {-1, -1}, .failed = {-1, -1}, .sight = {-1, -1}};
    enum child_result result = CHILD_NOT_STARTED;
    int reason = errno;
    child_prewarm(request->prewarm);
    if (!child_open_pipe(child.output) || !child_open_pipe(child.failed) ||
        !child_open_pipe(child.sight))
        reason = errno;
    else if ((reason = child_start(&child)) == 0)
        result = child_run_started(&child, run);
    else if (child.process > 0)
        waitpid(child.process, NULL, 0);
    child_close_all(&child);
    if (child_signal) result = CHILD_INTERRUPTED;
    errno = reason;
    return result;
}
