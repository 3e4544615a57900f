/*
 * Paths on POSIX that are not images (folders, pipes, devices): opening them does not block, change
 * or leak anything. And files that may be read but not written.
 */
#define _GNU_SOURCE /* declares the system's file calls */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "image_fixture.h"
#include "process.h"

static const char path[] = "test_image_posix.tmp", target[] = "test_image_posix.target.tmp";

static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};

static void open_fails(const char *name, hf_status expected) {
    for (size_t i = 0; i < 3; i++) {
        size_t handles = disk_handles(), outer = check_enter("%s, access %zu", name, i);
        struct stat before, after;
        hf_arena arena;
        CHECK(stat(name, &before) == 0);
        memset(&arena, 0x5a, sizeof arena);
        CHECK_STATUS(expected, hf_arena_open_file(&arena, name, accesses[i], NULL));
        CHECK_EQUAL(expected, hf_last_error().status);
        check_is_closed(&arena);
        CHECK_EQUAL(handles, disk_handles());
        CHECK(stat(name, &after) == 0);
        CHECK(before.st_size == after.st_size && before.st_mtime == after.st_mtime);
        check_leave(outer);
    }
}

static void only_regular_files_are_images(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    open_fails("/dev/null", HF_UNSUPPORTED);
    open_fails("/dev/zero", HF_UNSUPPORTED);
    disk_remove(path);
    CHECK(mkdir(path, 0777) == 0); /* Its own: others change the current one. */
    open_fails(path, HF_UNSUPPORTED);
    CHECK(rmdir(path) == 0);
    CHECK(mkfifo(path, 0666) == 0);
    open_fails(path, HF_UNSUPPORTED);
    disk_remove(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(address.sun_path, path, sizeof path);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    open_fails(path, HF_UNSUPPORTED);
    close(listener);
    disk_remove(path);
}

/* The executable of this test, an ELF file for example. */
static void a_program_is_not_an_image(void) {
    char program[4096] = {0};
    hf_arena arena;
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    for (size_t i = 1; i < 3; i++) {
        CHECK_STATUS(HF_CORRUPT, hf_arena_open_file(&arena, program, accesses[i], NULL));
        CHECK(strcmp(hf_last_error().reason, "the file is not an image") == 0);
    }
    hf_status status = hf_arena_open_file(&arena, program, HF_READ_WRITE, NULL);
    CHECK(status == HF_CORRUPT || (status == HF_BUSY && hf_last_error().os_code == ETXTBSY));
}

/* Opening and saving follow links; a save keeps the link. */
static void links_are_followed(void) {
    disk_remove(path);
    disk_remove(target);
    CHECK(symlink(target, path) == 0);
    hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){0});
    fill(hf_alloc(&arena, 1000, 8), 1000, 1);
    hf_arena_close(&arena);
    CHECK_EQUAL(2 * AREA, disk_size(target));
    arena = image_open(path, HF_COPY_ON_WRITE, (hf_arena_options){0});
    fill(hf_arena_base(&arena), 1000, 2);
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, path));
    hf_arena_close(&arena);
    struct stat status;
    CHECK(lstat(path, &status) == 0 && S_ISLNK(status.st_mode));
    arena = image_open(target, HF_READ_ONLY, (hf_arena_options){0});
    CHECK(is_filled(hf_arena_base(&arena), 1000, 2));
    hf_arena_close(&arena);
    disk_remove(path);
    disk_remove(target);
}

/* A save to the path of a folder fails and leaves no draft. */
static void a_folder_is_not_replaced(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    disk_remove(path);
    CHECK(mkdir(path, 0777) == 0);
    CHECK_STATUS(HF_UNSUPPORTED, hf_arena_save(&arena, path));
    CHECK_EQUAL(EISDIR, hf_last_error().os_code);
    CHECK(!disk_exists("test_image_posix.tmp.saving00"));
    CHECK(rmdir(path) == 0);
    hf_arena_close(&arena);
}

/* File descriptors are closed in a program that this one executes. */
static void descriptors_are_not_inherited(void) {
    size_t inherited = disk_inherited_handles();
    image_make(path, 1000, 1, (hf_arena_options){0});
    for (size_t i = 0; i < 3; i++) {
        hf_arena arena = image_open(path, accesses[i], (hf_arena_options){0});
        CHECK_EQUAL(inherited, disk_inherited_handles());
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

/* A forked child has the arena as it was; the parent keeps the lock. */
static void use_after_fork(void *argument) {
    hf_arena *arena = argument, second;
    CHECK(is_filled(hf_arena_root(arena), 100000, 1));
    CHECK_STATUS(HF_BUSY, hf_arena_open_file(&second, path, HF_READ_ONLY, NULL));
    fill(hf_arena_root(arena), 100000, 2); /* the view is shared by both */
}

static void a_fork_shares_the_image(void) {
    image_make(path, 100000, 1, (hf_arena_options){0});
    hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){0});
    CHECK(process_runs(use_after_fork, &arena));
    CHECK(is_filled(hf_arena_root(&arena), 100000, 2));
    hf_arena_close(&arena);
    disk_remove(path);
}

/* The bytes of a file without a name are lost when it is closed, so a sync of it fails. */
static void a_file_without_a_name_cannot_be_synced(void) {
    image_make(path, 1000, 1, (hf_arena_options){0});
    hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    CHECK(unlink(path) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(HF_IO, hf_arena_sync(&arena));
        CHECK(strcmp(hf_last_error().reason, "the image's file was deleted or replaced") == 0);
    }
    hf_arena_close(&arena);
    CHECK(!disk_exists(path));
    image_make(path, 1000, 1, (hf_arena_options){0});
    arena = image_open(path, HF_READ_WRITE, (hf_arena_options){0});
    image_make(target, 2000, 2, (hf_arena_options){0});
    CHECK(rename(target, path) == 0);
    CHECK_STATUS(HF_IO, hf_arena_sync(&arena));
    hf_arena_close(&arena);
    arena = image_open(path, HF_READ_ONLY, (hf_arena_options){.any_base = true});
    CHECK(is_filled(hf_arena_root(&arena), 2000, 2));
    hf_arena_close(&arena);
    disk_remove(path);
}

/* Runs as a user who is not root, in a folder that every user can reach. */
static void open_as_other_user(void *argument) {
    const char *name = argument;
    hf_arena arena;
    if (geteuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK_STATUS(HF_IO, hf_arena_open_file(&arena, name, HF_READ_WRITE, NULL));
    CHECK_EQUAL(EACCES, hf_last_error().os_code);
    for (size_t i = 1; i < 3; i++) {
        arena = image_open(name, accesses[i], (hf_arena_options){0});
        CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
        CHECK_STATUS(HF_IO, hf_arena_save(&arena, name));
        CHECK_EQUAL(EACCES, hf_last_error().os_code);
        hf_arena_close(&arena);
    }
}

static void readers_need_no_right_to_write(void) {
    char folder[] = "/tmp/holdfast-test-XXXXXX", name[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(name, sizeof name, "%s/image", folder);
    image_make(name, 100000, 1, (hf_arena_options){0});
    CHECK(chmod(folder, 0555) == 0 && chmod(name, 0444) == 0);
    bool passed = process_runs(open_as_other_user, name);
    CHECK(chmod(folder, 0755) == 0);
    disk_remove(name);
    rmdir(folder);
    CHECK(passed);
}

CHECK_MAIN(TEST(only_regular_files_are_images), TEST(a_program_is_not_an_image),
           TEST(links_are_followed), TEST(a_folder_is_not_replaced),
           TEST(descriptors_are_not_inherited), TEST(a_fork_shares_the_image),
           TEST(a_file_without_a_name_cannot_be_synced), TEST(readers_need_no_right_to_write))
