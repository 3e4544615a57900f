/*
 * mount_namespace.h -- a private mount namespace (Linux), in which a test can mount file systems
 * that no other process sees. The including file defines _GNU_SOURCE first.
 */
#ifndef HOLDFAST_TESTS_MOUNT_NAMESPACE_H
#define HOLDFAST_TESTS_MOUNT_NAMESPACE_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static inline bool mount_namespace_write_line(const char *path, const char *line) {
    int file = open(path, O_WRONLY);
    bool written = file >= 0 && write(file, line, strlen(line)) == (ssize_t)strlen(line);
    if (file >= 0) close(file);
    return written;
}

/* Maps the user and the group to root's in a new user namespace. */
static inline bool mount_namespace_map_to_root(long user, long group) {
    char users[64], groups[64];
    snprintf(users, sizeof users, "0 %ld 1", user);
    snprintf(groups, sizeof groups, "0 %ld 1", group);
    return mount_namespace_write_line("/proc/self/uid_map", users) &&
           mount_namespace_write_line("/proc/self/setgroups", "deny") &&
           mount_namespace_write_line("/proc/self/gid_map", groups);
}

/* Moves this process into a new mount namespace; if that needs root, into a new user namespace,
 * too. False: the system does not permit it. */
static inline bool enter_mount_namespace(void) {
    long user = (long)geteuid(), group = (long)getegid();
    bool entered = unshare(CLONE_NEWNS) == 0 || (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
                                                 mount_namespace_map_to_root(user, group));
    return entered && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

#endif
