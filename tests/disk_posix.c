/*
 * disk_posix.c -- files by POSIX calls; see disk.h.
 */
#define _GNU_SOURCE /* pread, pwrite, lstat beside ISO C */
#define _FILE_OFFSET_BITS 64

#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

const struct disk_answers disk_answers = {ENOENT, EEXIST, EFBIG, HF_NO_SPACE, true};

static int descriptor_of(intptr_t handle) { return (int)handle; }

intptr_t disk_create(const char *path, size_t size) {
    disk_remove(path);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    CHECK(file >= 0);
    for (size_t i = 0; i < size; i++) disk_store(file, i, &(unsigned char){(unsigned char)i}, 1);
    return file;
}

intptr_t disk_open(const char *path, disk_rights rights) {
    static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR};
    int file = open(path, flags[rights] | O_CLOEXEC);
    CHECK(file >= 0);
    return file;
}

void disk_close(intptr_t handle) { CHECK(close(descriptor_of(handle)) == 0); }

void disk_store(intptr_t handle, uint64_t offset, const void *bytes, size_t size) {
    CHECK(pwrite(descriptor_of(handle), bytes, size, (off_t)offset) == (ssize_t)size);
}

size_t disk_load(intptr_t handle, uint64_t offset, void *bytes, size_t size) {
    ssize_t got = pread(descriptor_of(handle), bytes, size, (off_t)offset);
    CHECK(got >= 0);
    return (size_t)got;
}

void disk_resize(intptr_t handle, uint64_t size) {
    CHECK(ftruncate(descriptor_of(handle), (off_t)size) == 0);
}

bool disk_exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

void disk_remove(const char *path) { CHECK(unlink(path) == 0 || errno == ENOENT); }

static struct stat status_of(const char *path) {
    struct stat status;
    CHECK(stat(path, &status) == 0);
    return status;
}

uint64_t disk_size(const char *path) { return (uint64_t)status_of(path).st_size; }

uint64_t disk_allocated(const char *path) { return (uint64_t)status_of(path).st_blocks * 512; }

/* open() returns the lowest free descriptor, so all that a test has open are below this number. */
enum { MOST_DESCRIPTORS = 256 };

size_t disk_handles(void) {
    size_t count = 0;
    for (int i = 0; i < MOST_DESCRIPTORS; i++) count += fcntl(i, F_GETFD) >= 0;
    return count;
}

size_t disk_inherited_handles(void) {
    size_t count = 0;
    for (int i = 0; i < MOST_DESCRIPTORS; i++) {
        int flags = fcntl(i, F_GETFD);
        count += flags >= 0 && (flags & FD_CLOEXEC) == 0;
    }
    return count;
}
