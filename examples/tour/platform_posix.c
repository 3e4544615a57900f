/*
 * platform_posix.c -- platform.h on POSIX systems, with a few better answers from Linux's /proc.
 */
#define _DEFAULT_SOURCE /* these three declare POSIX functions, with -std=c11 too */
#define _DARWIN_C_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "platform.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

/* --------------------------------------------------------------- files and folders -------- */

bool platform_look(const char *path, struct platform_entry *entry) {
    struct stat status;
    entry->kind = PLATFORM_OTHER;
    if (stat(path, &status) != 0) {
        if (errno == ENOENT || errno == ELOOP) entry->kind = PLATFORM_NOTHING;
        return false;
    }
    if (S_ISREG(status.st_mode)) entry->kind = PLATFORM_FILE;
    if (S_ISDIR(status.st_mode)) entry->kind = PLATFORM_FOLDER;
    entry->size = (uint64_t)status.st_size;
    entry->identity[0] = (uint64_t)status.st_dev;
    entry->identity[1] = (uint64_t)status.st_ino;
    return true;
}

bool platform_list(const char *folder, void (*each)(const char *name, void *user), void *user) {
    DIR *directory = opendir(folder);
    if (!directory) return false;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(entry->d_name, user);
    closedir(directory);
    return true;
}

const char *platform_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

intptr_t platform_open(const char *path, bool writable) {
    return open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

int64_t platform_read(intptr_t file, void *bytes, size_t room) {
    ssize_t got;
    do {
        got = read((int)file, bytes, room);
    } while (got < 0 && errno == EINTR);
    return got;
}

void platform_close(intptr_t file) {
    int reason = errno; /* of a read that failed before, for platform_error_text */
    close((int)file);
    errno = reason;
}

FILE *platform_create(const char *path) { return fopen(path, "wb"); }

/* In /dev/shm if possible, which is memory, because the folder is deleted soon. */
bool platform_make_folder(char *path, size_t room) {
    const char *parent = getenv("TMPDIR");
    if (!parent) parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    int length = snprintf(path, room, "%s/holdfast-XXXXXX", parent);
    if (length < 0 || (size_t)length >= room) return errno = ENAMETOOLONG, false;
    return mkdtemp(path) != NULL;
}

void platform_remove(const char *path) { remove(path); }

void platform_limit_files(uint64_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes) return;
    limit.rlim_cur = (rlim_t)bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static const char headers[] = "/usr/include";

void platform_list_headers(void (*each)(const char *folder, void *user), void *user) {
    each(headers, user);
}

const char *platform_headers(void) { return headers; }

const char *platform_error_text(void) { return strerror(errno); }

/* ------------------------------------------------------------------- this process --------- */

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t platform_now(void) { return read_clock(CLOCK_MONOTONIC); }

/* The peak of resident memory since exec (VmHWM), or 0 where /proc lacks it. ru_maxrss can be the
 * peak of the parent, from before exec. */
static uint64_t read_peak(void) {
    FILE *status = fopen("/proc/self/status", "r");
    char line[200];
    unsigned long long kibibytes = 0;
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %llu", &kibibytes) == 1) break;
    if (status) fclose(status);
    return kibibytes * 1024;
}

struct platform_usage platform_get_usage(void) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    uint64_t peak = read_peak();
#ifdef __APPLE__
    enum { UNIT = 1 };
#else
    enum { UNIT = 1024 };
#endif
    return (struct platform_usage){
        .processor_time = read_clock(CLOCK_PROCESS_CPUTIME_ID),
        .page_faults = (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt,
        .peak_bytes = peak ? peak : (uint64_t)usage.ru_maxrss * UNIT,
    };
}

const char *platform_c_library(void) {
#ifdef __GLIBC__
    static char name[40];
    snprintf(name, sizeof name, "glibc %s", gnu_get_libc_version());
    return name;
#else
    return "the C library's";
#endif
}

platform_function platform_load(const char *library, const char *name) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, name) : NULL;
    platform_function function = NULL;
    memcpy(&function, &symbol, sizeof symbol); /* C does not convert void * to a function pointer */
    return function;
}

size_t platform_terminal_columns(FILE *stream) {
    enum { UNKNOWN = 80 };
    struct winsize size;
    const char *terminal = getenv("TERM");
    if (!isatty(fileno(stream)) || !terminal || strcmp(terminal, "dumb") == 0) return 0;
    bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : UNKNOWN;
}

/* --------------------------------------------------------------- a child process ---------- */

static char this_program[4096];
static void (*broken_pipe)(int); /* what SIGPIPE did before */

/* A standard stream that is closed stays so for the programs that this one runs, and here it cannot
 * be written: no file that is opened later has its number. */
static void hold_closed_streams(void) {
    int file;
    do file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (file >= 0 && file <= STDERR_FILENO);
    if (file >= 0) close(file);
}

char **platform_prepare(int *count, char **arguments) {
    hold_closed_streams();
    ssize_t size = readlink("/proc/self/exe", this_program, sizeof this_program - 1);
    if (size <= 0) snprintf(this_program, sizeof this_program, "%s", *count ? arguments[0] : "");
    broken_pipe = signal(SIGPIPE, SIG_IGN); /* writing to it fails instead of killing the process */
    return arguments;
}

void platform_restore_signals(void) { signal(SIGPIPE, broken_pipe); }

static void become_child(const char *const *arguments, int input, int output) {
    char *copies[16] = {this_program};
    for (size_t i = 0; arguments[i] && i + 2 < sizeof copies / sizeof *copies; i++)
        copies[i + 1] = strdup(arguments[i]);
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0)
        execvp(this_program, copies);
    _exit(127);
}

static bool write_all(int file, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(file, bytes, size);
        if (written < 0 && errno != EINTR) return false;
        if (written > 0) bytes += written, size -= (size_t)written;
    }
    return true;
}

/* Reads to the end and stores a string; drops what does not fit. */
static void read_all(int file, char *output, size_t room) {
    char beyond[256];
    size_t filled = 0;
    for (;;) {
        bool full = filled + 1 >= room;
        int64_t got = platform_read(file, full ? beyond : output + filled,
                                    full ? sizeof beyond : room - filled - 1);
        if (got <= 0) break;
        if (!full) filled += (size_t)got;
    }
    output[filled] = '\0';
}

bool platform_run_child(const char *const *arguments, const void *input, size_t input_size,
                        char *output, size_t room) {
    int to[2], from[2], status = -1;
    if (pipe(to) != 0) return false;
    if (pipe(from) != 0) return close(to[0]), close(to[1]), false;
    for (int end = 0; end < 2; end++) {
        fcntl(to[end], F_SETFD, FD_CLOEXEC);
        fcntl(from[end], F_SETFD, FD_CLOEXEC);
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) become_child(arguments, to[0], from[1]);
    close(to[0]), close(from[1]);
    bool sent = child > 0 && write_all(to[1], input, input_size);
    close(to[1]);
    read_all(from[0], output, room);
    close(from[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return sent && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
