/*
 * host_posix.c -- the host on POSIX systems; see host.h.
 */
#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the runtime of the sanitizers; NULL without them. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

enum { LARGEST_FILE = 1 << 28, BLOCK = 512, BLOCKS_TRIED = 1 << 16 };

/* ------------------------------------------------------------------ files ----------------- */

intptr_t host_open_handle(const char *path, bool writable) {
    return open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

void host_close_handle(intptr_t handle) { close((int)handle); }

/* In memory if possible, because each program makes its files anew. */
static const char *parent_folder(void) {
    const char *wanted = getenv("TMPDIR");
    if (wanted) return wanted;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static void limit_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < LARGEST_FILE) return;
    limit.rlim_cur = LARGEST_FILE;
    setrlimit(RLIMIT_FSIZE, &limit);
}

void host_make_folder(char folder[HOST_FOLDER_BYTES]) {
    snprintf(folder, HOST_FOLDER_BYTES, "%s/holdfast-fuzz-XXXXXX", parent_folder());
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(2);
    }
    limit_files();
}

void host_remove_folder(const char *folder) { rmdir(folder); }

bool host_visit(const char *folder, void (*visit)(const char *path)) {
    char path[HOST_PATH_BYTES];
    DIR *entries = opendir(folder);
    if (!entries) return false;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        visit(path);
    }
    closedir(entries);
    return true;
}

/* A file system that compresses has no blocks for zeros. */
static bool counts_blocks(void) {
    static const char zeros[BLOCKS_TRIED];
    char path[HOST_FOLDER_BYTES];
    struct stat status;
    snprintf(path, sizeof path, "%s/holdfast-blocks-XXXXXX", parent_folder());
    int file = mkstemp(path);
    if (file < 0) return false;
    bool is_known = write(file, zeros, sizeof zeros) == sizeof zeros && fsync(file) == 0 &&
                    fstat(file, &status) == 0;
    close(file);
    remove(path);
    return is_known && status.st_blocks * BLOCK >= BLOCKS_TRIED;
}

size_t host_allocated_bytes(const char *path) {
    static int counts = -1;
    struct stat status;
    if (counts < 0) counts = counts_blocks();
    if (!counts || stat(path, &status) != 0) return SIZE_MAX;
    return (size_t)status.st_blocks * BLOCK;
}

bool host_replace(const char *from, const char *to) { return rename(from, to) == 0; }

bool host_frees_names(void) { return true; }

/* ------------------------------------------------------------------ the process ----------- */

/* Waits until the parent closes its end of the pipe, or dies. _exit calls no function of atexit:
 * the parent removes the folder. */
_Noreturn static void be_child(const int ends[2], void (*child)(void)) {
    char nothing;
    close(ends[1]);
    while (read(ends[0], &nothing, 1) < 0 && errno == EINTR) {
    }
    child();
    _exit(0);
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

bool host_pays_for_addresses(void) { return false; }

size_t host_mapped_bytes(void) {
    unsigned long pages = 0;
    FILE *file = __sanitizer_set_death_callback ? NULL : fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%lu", &pages) != 1) pages = 0;
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}
