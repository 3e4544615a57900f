/*
 * Images in forked children: only the process that opened an image writes to it. POSIX.
 */
#define _GNU_SOURCE /* declares kill, unshare */

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image_fixture.h"
#include "process.h"

static const char path[] = "test_image_fork.tmp", other[] = "test_image_fork.other.tmp";

static hf_arena open_kept(hf_access access) {
    image_make(path, 100000, 1, (hf_arena_options){0});
    return image_open(path, access, (hf_arena_options){0});
}

static void close_arena(void *arena) { hf_arena_close(arena); }

/* As a destructor or an atexit function would. */
static void a_child_that_closes_changes_nothing(void) {
    hf_arena arena = open_kept(HF_READ_WRITE);
    char *block = hf_alloc(&arena, 3 * MIB, 8);
    CHECK(block != NULL);
    fill(block, 3 * MIB, 2);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    hf_mark synced = hf_get_mark(&arena);
    size_t at = (size_t)(block - hf_arena_base(&arena));
    CHECK(hf_alloc(&arena, 2 * MIB, 8) != NULL);
    struct content before = content_of(path);
    CHECK(process_runs(close_arena, &arena));
    check_content(path, &before);
    free(before.bytes);
    CHECK(is_filled(block, 3 * MIB, 2));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, synced));
    fill(hf_alloc(&arena, 5 * MIB, 8), 5 * MIB, 3);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    hf_arena_close(&arena);
    arena = image_open(path, HF_READ_ONLY, (hf_arena_options){0});
    CHECK(is_filled(hf_arena_base(&arena) + at, 3 * MIB, 2));
    CHECK(is_filled(hf_arena_base(&arena) + synced, 5 * MIB, 3));
    hf_arena_close(&arena);
    disk_remove(path);
}

static void check_is_wrong_state(hf_status status) {
    CHECK_STATUS(HF_WRONG_STATE, status);
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    CHECK(hf_last_error().reason != NULL);
}

static void read_and_try_to_write(void *argument) {
    hf_arena *arena = argument;
    size_t mark = hf_get_mark(arena);
    char *root = hf_arena_root(arena);
    CHECK(is_filled(root, 100000, 1));
    check_is_wrong_state(hf_arena_sync(arena));
    check_is_wrong_state(hf_arena_set_root(arena, NULL));
    check_is_wrong_state(hf_arena_set_root(arena, root + 8));
    CHECK(hf_arena_root(arena) == root);
    check_is_wrong_state(hf_rewind(arena, 0));
    check_is_wrong_state(hf_reset(arena));
    check_is_wrong_state(hf_trim(arena, 0));
    CHECK(hf_alloc(arena, 40 * MIB, 8) == NULL);
    check_is_wrong_state(hf_last_error().status);
    CHECK(!hf_extend(arena, root, 100000, 200000));
    check_is_wrong_state(hf_last_error().status);
    CHECK(!hf_extend(arena, root, 100000, 100));
    check_is_wrong_state(hf_last_error().status);
    CHECK(hf_realloc(arena, root, 100000, 100, 8) == NULL);
    check_is_wrong_state(hf_last_error().status);
    hf_free(arena, root, 100000);
    check_is_wrong_state(hf_last_error().status);
    CHECK_STATUS(HF_BUSY, hf_arena_save(arena, path));
    CHECK_EQUAL(mark, hf_get_mark(arena));
    CHECK(is_filled(root, 100000, 1));
    CHECK_STATUS(HF_OK, hf_arena_save(arena, other));
    hf_arena_close(arena);
    hf_arena copy = image_open(other, HF_READ_ONLY, (hf_arena_options){.any_base = true});
    CHECK(is_filled(hf_arena_root(&copy), 100000, 1));
    hf_arena_close(&copy);
}

static void a_child_reads_and_does_not_write(void) {
    hf_arena arena = open_kept(HF_READ_WRITE);
    struct content before = content_of(path);
    struct snapshot now = snapshot_of(&arena);
    CHECK(process_runs(read_and_try_to_write, &arena));
    check_unchanged(&arena, &now);
    check_content(path, &before);
    free(before.bytes);
    hf_arena_close(&arena);
    disk_remove(path);
    disk_remove(other);
}

#if defined(__linux__)

/* The first process of a PID namespace has PID 1, and so has its child in a nested namespace. */
static void fork_with_the_same_pid(void *unused) {
    (void)unused;
    CHECK_EQUAL(1, getpid());
    hf_arena arena = open_kept(HF_READ_WRITE);
    struct content before = content_of(path);
    CHECK(unshare(CLONE_NEWPID) == 0);
    CHECK(process_runs(read_and_try_to_write, &arena));
    check_content(path, &before);
    free(before.bytes);
    hf_arena_close(&arena);
}

static void enter_a_pid_namespace(void *is_permitted) {
    if (unshare(CLONE_NEWPID) != 0) return;
    *(volatile bool *)is_permitted = true;
    CHECK(process_runs(fork_with_the_same_pid, NULL));
}

static void a_child_of_the_same_pid_does_not_write(void) {
    hf_file *file;
    bool *is_permitted = NULL;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 65536, NULL));
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 65536, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, 65536, file, 0, HF_READ_WRITE));
    is_permitted = (bool *)hf_space_base(space);
    CHECK(process_runs(enter_a_pid_namespace, is_permitted));
    if (!*is_permitted) check_skip("a namespace of processes takes root");
    hf_space_close(space);
    hf_file_close(file);
    disk_remove(path);
    disk_remove(other);
}

#else

static void a_child_of_the_same_pid_does_not_write(void) {
    check_skip("only Linux has namespaces of processes");
}

#endif

/* A snapshot's memory is private to each process. */
static void grow_and_save(void *argument) {
    hf_arena *arena = argument;
    fill(hf_alloc(arena, 5 * MIB, 8), 5 * MIB, 4);
    fill(hf_arena_root(arena), 1000, 5);
    CHECK_STATUS(HF_OK, hf_arena_save(arena, other));
    CHECK_STATUS(HF_OK, hf_rewind(arena, 0));
    hf_arena_close(arena);
}

static void a_child_has_a_snapshot_of_its_own(void) {
    hf_arena arena = open_kept(HF_COPY_ON_WRITE);
    CHECK(process_runs(grow_and_save, &arena));
    CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
    hf_arena_close(&arena);
    disk_remove(path);
    disk_remove(other);
}

static pid_t start_sleeper(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pause();
        _exit(0);
    }
    return child;
}

static void end(pid_t child) {
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
}

static void closing_unlocks_while_a_child_lives(void) {
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    for (size_t i = 0; i < 3; i++) {
        AT("access %d", (int)accesses[i]);
        hf_arena arena = open_kept(accesses[i]);
        pid_t child = start_sleeper();
        hf_arena_close(&arena);
        arena = image_open(path, HF_READ_WRITE, (hf_arena_options){0});
        CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
        hf_arena_close(&arena);
        end(child);
    }
    disk_remove(path);
}

static void close_and_look(void *argument) {
    hf_arena second;
    hf_arena_close(argument);
    CHECK_STATUS(HF_BUSY, hf_arena_open_file(&second, path, HF_READ_WRITE, NULL));
}

static void a_child_that_closes_leaves_the_lock(void) {
    for (int access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++) {
        AT("access %d", access);
        hf_arena second, arena = open_kept((hf_access)access);
        CHECK(process_runs(close_and_look, &arena));
        CHECK_STATUS(HF_BUSY, hf_arena_open_file(&second, path, HF_READ_WRITE, NULL));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

CHECK_MAIN(TEST(a_child_that_closes_changes_nothing), TEST(a_child_reads_and_does_not_write),
           TEST(a_child_of_the_same_pid_does_not_write), TEST(a_child_has_a_snapshot_of_its_own),
           TEST(closing_unlocks_while_a_child_lives), TEST(a_child_that_closes_leaves_the_lock))
