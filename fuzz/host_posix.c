/*
 * host_posix.c -- the host on POSIX systems; see host.h.
 */
#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_BYTES = 256, LARGEST_FILE = 1 << 28 };

static char folder[FOLDER_BYTES];

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
    FILE *file = fopen(program_path_text(&host, PATH_EMPTY_FILE, path, sizeof path), "wb");
    if (!file) {
        perror(path);
        exit(2);
    }
    fclose(file);
}

void host_end(void) {
    char path[FOLDER_BYTES + 16];
    program_remove_files(&host);
    remove(program_path_text(&host, PATH_EMPTY_FILE, path, sizeof path));
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
