/*
 * host_posix.c -- the host on POSIX systems; see host.h.
 */
#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the sanitizers' runtime, where there is one. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

enum {
    FOLDER_BYTES = 256,
    PATH_BYTES = 4096,
    LARGEST_FILE = 1 << 28,
    BLOCK = 512,
    BLOCKS_TRIED = 1 << 16
};

static char folder[FOLDER_BYTES];

/* ------------------------------------------------------------------ the folder ------------ */

static intptr_t open_handle(const char *path, bool writable) {
    return open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

static void close_handle(intptr_t handle) { close((int)handle); }

static program_host host = {folder, open_handle, close_handle};

/* In memory where that can be had: the files are made and removed again for every program. */
static const char *parent_folder(void) {
    const char *wanted = getenv("TMPDIR");
    if (wanted) return wanted;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static void forbid_large_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < LARGEST_FILE) return;
    limit.rlim_cur = LARGEST_FILE;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void make_empty_file(void) {
    char path[FOLDER_BYTES + 16];
    snprintf(path, sizeof path, "%s/empty", folder);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(2);
    }
    fclose(file);
}

static void remove_file(const char *path) { remove(path); }

void host_end(void) {
    if (!folder[0]) return;
    host_visit(folder, remove_file);
    rmdir(folder);
}

const program_host *host_get(void) {
    if (folder[0]) return &host;
    snprintf(folder, sizeof folder, "%s/holdfast-fuzz-XXXXXX", parent_folder());
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(2);
    }
    make_empty_file();
    forbid_large_files();
    atexit(host_end);
    return &host;
}

bool host_visit(const char *path, void (*visit)(const char *path)) {
    char entry_path[PATH_BYTES];
    DIR *entries = opendir(path);
    if (!entries) return false;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name);
        visit(entry_path);
    }
    closedir(entries);
    return true;
}

/* A file system that compresses has no blocks for zeros. */
static bool counts_blocks(void) {
    static const char zeros[BLOCKS_TRIED];
    static int counts = -1;
    char path[FOLDER_BYTES + 16];
    struct stat status;
    if (counts >= 0) return counts > 0;
    snprintf(path, sizeof path, "%s/blocks", folder);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool is_known = file >= 0 && write(file, zeros, sizeof zeros) == sizeof zeros &&
                    fsync(file) == 0 && fstat(file, &status) == 0;
    counts = is_known && status.st_blocks * BLOCK >= BLOCKS_TRIED;
    if (file >= 0) close(file);
    remove(path);
    return counts > 0;
}

size_t host_allocated_bytes(const char *path) {
    struct stat status;
    if (!counts_blocks() || stat(path, &status) != 0) return SIZE_MAX;
    return (size_t)status.st_blocks * BLOCK;
}

bool host_replace(const char *from, const char *to) { return rename(from, to) == 0; }

/* ------------------------------------------------------------------ the process ----------- */

/* The pipe's other end closes, also if the parent dies. */
_Noreturn static void be_child(const int ends[2], void (*child)(void)) {
    char nothing;
    close(ends[1]);
    while (read(ends[0], &nothing, 1) < 0 && errno == EINTR) {
    }
    child();
    _exit(0); /* without the functions of atexit: the folder is the parent's */
}

host_fork_result host_fork(void (*child)(void), void (*meanwhile)(void)) {
    int ends[2], status = -1;
    if (pipe(ends) != 0) return HOST_NO_FORK;
    pid_t process = fork();
    if (process == 0) be_child(ends, child);
    close(ends[0]);
    if (process > 0 && meanwhile) meanwhile();
    close(ends[1]);
    if (process < 0) return HOST_NO_FORK;
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    return status == 0 ? HOST_CHILD_RETURNED : HOST_CHILD_FAILED;
}

static const char *watch_label, *watch_text;

static void say_at_death(void) {
    if (write(STDERR_FILENO, watch_label, strlen(watch_label)) < 0) return;
    if (write(STDERR_FILENO, watch_text, strlen(watch_text)) < 0) return;
    if (write(STDERR_FILENO, "\n", 1) < 0) return;
}

static void on_signal(int number) {
    signal(number, SIG_DFL);
    say_at_death();
    raise(number);
}

/* Where a sanitizer has handlers of its own, it calls back instead. */
void host_begin(const char *label, const char *text) {
    watch_label = label;
    watch_text = text;
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(say_at_death);
        return;
    }
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, on_signal);
}

bool host_pays_for_addresses(void) { return false; }

bool host_frees_names(void) { return true; }

size_t host_mapped_bytes(void) {
    unsigned long pages = 0;
    FILE *file = __sanitizer_set_death_callback ? NULL : fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%lu", &pages) != 1) pages = 0;
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}
