/*
 * A disk that is full: a file system of one MiB, mounted in a separate mount namespace.
 *
 * This needs root, or a system where every user may make user namespaces; elsewhere the test is
 * skipped.
 */
#define _GNU_SOURCE /* unshare */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "check.h"
#include "holdfast/space.h"
#include "mount_namespace.h"
#include "process.h"

enum { DISK = 1 << 20 };

static char folder[] = "/tmp/holdfast-test-XXXXXX";

static bool mount_small_disk(void) {
    return enter_mount_namespace() && mount("none", folder, "tmpfs", 0, "size=1m") == 0;
}

static void mount_only(void *unused) {
    (void)unused;
    CHECK(mount_small_disk());
}

static size_t free_bytes(void) {
    struct statvfs disk;
    CHECK(statvfs(folder, &disk) == 0);
    return (size_t)disk.f_bavail * disk.f_frsize;
}

static void expect_no_space(const char *path, uint64_t size) {
    size_t before = free_bytes();
    hf_file *file = NULL;
    CHECK_STATUS(HF_NO_SPACE, hf_file_create(&file, path, size, NULL));
    CHECK_EQUAL(ENOSPC, hf_last_error().os_code);
    CHECK_EQUAL(size, hf_last_error().size);
    CHECK(file == NULL);
    CHECK(access(path, F_OK) != 0);
    CHECK_EQUAL(before, free_bytes()); /* blocks that were allocated before the failure are freed */
}

static void fill_the_disk(void *unused) {
    (void)unused;
    char large[64], small[64];
    hf_file *file;
    hf_space *space;
    snprintf(large, sizeof large, "%s/large", folder);
    snprintf(small, sizeof small, "%s/small", folder);
    CHECK(mount_small_disk());
    expect_no_space(large, 2 * DISK);
    CHECK_STATUS(HF_OK, hf_file_create(&file, small, DISK / 2, NULL));
    expect_no_space(large, DISK * 3 / 4);
    CHECK(access(small, F_OK) == 0);
    CHECK_STATUS(HF_OK, hf_space_open(&space, DISK, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, DISK / 2, file, 0, HF_READ_WRITE));
    memset(hf_space_base(space), 'x', DISK / 2); /* all blocks are allocated */
    hf_file_close(file);
    hf_space_close(space);
}

static void a_full_disk_is_no_space(void) {
    CHECK(mkdtemp(folder) != NULL);
    bool can_mount = process_runs(mount_only, NULL);
    bool passed = can_mount && process_runs(fill_the_disk, NULL);
    rmdir(folder);
    if (can_mount)
        CHECK(passed);
    else
        check_skip("no file system can be mounted here (it needs root)");
}

CHECK_MAIN(TEST(a_full_disk_is_no_space))
