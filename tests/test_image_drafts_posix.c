/*
 * hf_arena_save on POSIX: mode, owner, links, folders and names of the file that it replaces;
 * drafts of dead processes, and other files with their names.
 *
 * Each test works in a folder of its own, which must contain only the image at the end.
 */
#define _GNU_SOURCE /* declares the system's file calls */
#define _FILE_OFFSET_BITS 64

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#if defined(__linux__)
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#endif
#include <unistd.h>

#include "image_fixture.h"
#include "process.h"

enum { OTHER_USER = 65534, SIZE = 1000 };

/* ------------------------------------------------------------------ a folder of its own ----- */

static char folder[64], before[PATH_MAX];

/* Makes a folder that every user can reach, and changes to it. */
static void enter_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/holdfast-test-XXXXXX");
    CHECK(getcwd(before, sizeof before) != NULL);
    CHECK(mkdtemp(folder) != NULL && chmod(folder, 0777) == 0 && chdir(folder) == 0);
}

static size_t count_entries(const char *where) {
    size_t count = 0;
    DIR *entries = opendir(where);
    CHECK(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return count;
}

static void leave_folder(void) {
    char command[100];
    CHECK(chdir(before) == 0);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
}

static hf_arena arena_of(unsigned seed) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    char *block = hf_alloc(&arena, SIZE, 8);
    fill(block, SIZE, seed);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    return arena;
}

static hf_status save_seed(unsigned seed, const char *name) {
    size_t handles = disk_handles();
    hf_arena arena = arena_of(seed);
    hf_status status = hf_arena_save(&arena, name);
    hf_arena_close(&arena);
    CHECK_EQUAL(handles, disk_handles());
    return status;
}

static void expect_seed(unsigned seed, const char *name) {
    hf_arena arena = image_open(name, HF_READ_ONLY, (hf_arena_options){.any_base = true});
    CHECK(is_filled(hf_arena_root(&arena), SIZE, seed));
    hf_arena_close(&arena);
}

static void save_over(const char *name) {
    CHECK_STATUS(HF_OK, save_seed(2, name));
    expect_seed(2, name);
}

static struct stat status_of(const char *name) {
    struct stat status;
    CHECK(lstat(name, &status) == 0);
    return status;
}

static void become(uid_t user) { CHECK(setgid(user) == 0 && setuid(user) == 0); }

/* ---------------------------------------------------------------------- rights -------------- */

static void the_mode_stays(void) {
    static const mode_t modes[] = {0600, 0640, 0644, 0660, 0666, 0400, 0755, 0604};
    mode_t umask_before = umask(022);
    enter_folder();
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    CHECK_EQUAL(0644, status_of("image").st_mode & 0777); /* like any new file */
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        CHECK(chmod("image", modes[i]) == 0);
        save_over("image");
        CHECK_EQUAL(modes[i], status_of("image").st_mode & 07777);
    }
    CHECK(chmod("image", 04755) == 0);
    save_over("image");
    CHECK_EQUAL(0755, status_of("image").st_mode & 07777);
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
    umask(umask_before);
}

/* A draft has mode 0600 until it is published; the mode of the image it replaces is read just
 * before the rename. */
static void a_draft_of_a_private_image_is_private(void *argument) {
    (void)argument;
    const hf_backend *native = hf_backend_native();
    hf_report report = {0};
    void *draft;
    intptr_t file;
    struct stat status;
    CHECK_STATUS(HF_OK, native->draft_open(native, "image", AREA, &draft, &file, &report));
    CHECK(fstat((int)file, &status) == 0);
    CHECK_EQUAL(0600, status.st_mode & 0777);
    CHECK(chmod("image", 0640) == 0);
    CHECK_STATUS(HF_OK, native->draft_publish(native, draft, &report));
    native->draft_close(native, draft);
    CHECK_EQUAL(0640, status_of("image").st_mode & 0777);
}

static void the_mode_is_read_before_the_rename(void) {
    enter_folder();
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    CHECK(chmod("image", 0666) == 0);
    a_draft_of_a_private_image_is_private(NULL);
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
}

static void the_owner_stays(void) {
    if (geteuid() != 0) {
        check_skip("only root gives files away");
        return;
    }
    enter_folder();
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    CHECK(chown("image", OTHER_USER, OTHER_USER - 1) == 0 && chmod("image", 0640) == 0);
    save_over("image");
    struct stat now = status_of("image");
    CHECK(now.st_uid == OTHER_USER && now.st_gid == OTHER_USER - 1);
    CHECK_EQUAL(0640, now.st_mode & 07777);
    leave_folder();
}

static void save_as_other_user(void *name) {
    become(OTHER_USER);
    CHECK_STATUS(HF_OK, save_seed(3, name));
}

/* If owner and group cannot be kept, no user gets more rights than before. */
static void a_group_that_is_lost_gets_no_rights(void) {
    static const struct {
        mode_t before, after;
    } modes[] = {{0660, 0600}, {0664, 0644}, {0646, 0644}, {0604, 0600}, {0666, 0666}};
    if (geteuid() != 0) {
        check_skip("only root makes files of others");
        return;
    }
    enter_folder();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        AT("mode %o", (unsigned)modes[i].before);
        CHECK_STATUS(HF_OK, save_seed(1, "image"));
        CHECK(chown("image", 0, 0) == 0 && chmod("image", modes[i].before) == 0);
        bool can_read = (modes[i].before & 06) != 0;
        if (!can_read) continue;
        CHECK(process_runs(save_as_other_user, "image"));
        struct stat now = status_of("image");
        CHECK(now.st_uid == OTHER_USER && now.st_gid == OTHER_USER);
        CHECK_EQUAL(modes[i].after, now.st_mode & 07777);
        CHECK(unlink("image") == 0);
    }
    leave_folder();
}

static void cannot_save_as_other_user(void *name) {
    become(OTHER_USER);
    CHECK_STATUS(HF_IO, save_seed(3, name));
    CHECK_EQUAL(EACCES, hf_last_error().os_code);
}

/* A save fails if it may not read the file that it would replace: it cannot check for a writer. */
static void what_may_not_be_read_is_not_replaced(void) {
    if (geteuid() != 0) {
        check_skip("only root makes files of others");
        return;
    }
    enter_folder();
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    CHECK(chmod("image", 0600) == 0);
    CHECK(process_runs(cannot_save_as_other_user, "image"));
    expect_seed(1, "image");
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
}

#if defined(__linux__) && !HOLDFAST_GENERIC_POSIX

/* user::rw-, user:OTHER_USER:<rights>, group::---, mask::<rights>, other::---, in the kernel's
 * format. */
static bool set_list(const char *name, const char *list_name, unsigned short rights) {
    const struct {
        uint32_t version;
        struct {
            uint16_t tag, rights;
            uint32_t user;
        } entries[5];
    } list = {2,
              {{0x01, 6, UINT32_MAX},
               {0x02, rights, OTHER_USER},
               {0x04, 0, UINT32_MAX},
               {0x10, rights, UINT32_MAX},
               {0x20, 0, UINT32_MAX}}};
    return setxattr(name, list_name, &list, sizeof list, 0) == 0;
}

/* With an access control list, the mode's group bits are its mask: if the list were lost, the group
 * would get these rights. */
static void an_access_control_list_stays(void) {
    char list[100], now[100];
    enter_folder();
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    if (!set_list("image", "system.posix_acl_access", 4)) {
        leave_folder();
        check_skip("the file system has no access control lists");
        return;
    }
    ssize_t size = getxattr("image", "system.posix_acl_access", list, sizeof list);
    CHECK_EQUAL(0640, status_of("image").st_mode & 0777);
    save_over("image");
    CHECK_EQUAL(0640, status_of("image").st_mode & 0777);
    CHECK_EQUAL(size, getxattr("image", "system.posix_acl_access", now, sizeof now));
    CHECK(memcmp(list, now, (size_t)size) == 0);
    leave_folder();
}

/* A new file inherits the folder's default list, which the mode of the replaced file would
 * activate. */
static void an_access_list_of_the_folder_is_not_inherited(void) {
    char list[100];
    enter_folder();
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    CHECK(chmod("image", 0660) == 0);
    if (!set_list(".", "system.posix_acl_default", 6)) {
        leave_folder();
        check_skip("the file system has no access control lists");
        return;
    }
    save_over("image");
    CHECK_EQUAL(0660, status_of("image").st_mode & 0777);
    CHECK(getxattr("image", "system.posix_acl_access", list, sizeof list) < 0);
    CHECK_EQUAL(ENODATA, errno);
    leave_folder();
}

#define LIST_TESTS \
    TEST(an_access_control_list_stays), TEST(an_access_list_of_the_folder_is_not_inherited),

#else
#define LIST_TESTS
#endif

/* -------------------------------------------------------------------- folders --------------- */

/* A folder with search and write permission but no read permission, so it cannot be synced. */
static void a_folder_that_cannot_be_read(void) {
    if (geteuid() != 0) {
        check_skip("only root becomes another user");
        return;
    }
    enter_folder();
    CHECK(mkdir("closed", 0733) == 0 && chmod("closed", 0733) == 0);
    CHECK(process_runs(save_as_other_user, "closed/image"));
    CHECK(process_runs(save_as_other_user, "closed/image"));
    expect_seed(3, "closed/image");
    CHECK_EQUAL(1, count_entries("closed"));
    leave_folder();
}

static void a_folder_that_is_renamed_meanwhile(void) {
    const hf_backend *native = hf_backend_native();
    hf_report report = {0};
    void *draft;
    intptr_t file;
    enter_folder();
    CHECK(mkdir("old", 0777) == 0);
    CHECK_STATUS(HF_OK, native->draft_open(native, "old/image", AREA, &draft, &file, &report));
    CHECK(rename("old", "new") == 0);
    CHECK_STATUS(HF_OK, native->draft_publish(native, draft, &report));
    native->draft_close(native, draft);
    CHECK_EQUAL(AREA, disk_size("new/image"));
    CHECK_EQUAL(1, count_entries("new"));
    leave_folder();
}

/* ---------------------------------------------------------------------- links --------------- */

static void links_stay_and_their_targets_change(void) {
    char absolute[PATH_MAX];
    enter_folder();
    snprintf(absolute, sizeof absolute, "%s/a/target", folder);
    CHECK(mkdir("a", 0777) == 0 && mkdir("b", 0777) == 0);
    CHECK(symlink("../a/target", "b/relative") == 0);
    CHECK(symlink(absolute, "b/absolute") == 0);
    CHECK(symlink("b/relative", "chain") == 0);
    static const char *const names[] = {"b/relative", "b/absolute", "chain"};
    for (int exists = 0; exists < 2; exists++)
        for (size_t i = 0; i < 3; i++) {
            AT("%s, exists: %d", names[i], exists);
            CHECK(exists ? chmod("a/target", 0600) == 0 : unlink("a/target") == 0 || i == 0);
            CHECK_STATUS(HF_OK, save_seed(4, names[i]));
            expect_seed(4, "a/target");
            CHECK(S_ISLNK(status_of(names[i]).st_mode));
            if (exists) CHECK_EQUAL(0600, status_of("a/target").st_mode & 0777);
            CHECK_EQUAL(1, count_entries("a"));
            CHECK_EQUAL(2, count_entries("b"));
        }
    leave_folder();
}

static void expect_save_fails(const char *name, hf_status expected, long code) {
    AT("%s", name);
    CHECK_STATUS(expected, save_seed(1, name));
    CHECK_EQUAL(code, hf_last_error().os_code);
}

static void links_that_lead_nowhere(void) {
    enter_folder();
    CHECK(symlink("round", "round") == 0);
    CHECK(symlink("missing/image", "lost") == 0);
    CHECK(symlink("/proc/self/fd/0", "magic") == 0);
    expect_save_fails("round", HF_IO, ELOOP);
    expect_save_fails("lost", HF_IO, ENOENT);
    CHECK_EQUAL(3, count_entries("."));
    leave_folder();
}

/* With fs.protected_symlinks the kernel does not follow such a link, lest root be tricked into
 * overwriting a file. */
static void links_of_others_in_a_sticky_folder(void) {
    char on = '0';
    int setting = open("/proc/sys/fs/protected_symlinks", O_RDONLY);
    bool is_known = setting >= 0 && read(setting, &on, 1) == 1;
    if (setting >= 0) close(setting);
    if (geteuid() != 0 || !is_known || on != '1') {
        check_skip("takes root, and fs.protected_symlinks");
        return;
    }
    enter_folder();
    CHECK(chmod(".", 01777) == 0);
    CHECK_STATUS(HF_OK, save_seed(1, "precious"));
    CHECK(symlink("precious", "link") == 0 && lchown("link", OTHER_USER, OTHER_USER) == 0);
    CHECK(symlink("nothing", "dangling") == 0 && lchown("dangling", OTHER_USER, OTHER_USER) == 0);
    expect_save_fails("link", HF_IO, EACCES);
    expect_save_fails("dangling", HF_IO, EACCES);
    expect_seed(1, "precious");
    CHECK_EQUAL(3, count_entries("."));
    leave_folder();
}

static void what_is_not_a_file_stays(void) {
    enter_folder();
    CHECK(mkfifo("pipe", 0666) == 0 && mkdir("folder", 0777) == 0);
    expect_save_fails("pipe", HF_UNSUPPORTED, 0);
    expect_save_fails("/dev/null", HF_UNSUPPORTED, 0);
    expect_save_fails("folder", HF_UNSUPPORTED, EISDIR);
    expect_save_fails("folder/", HF_UNSUPPORTED, EISDIR);
    expect_save_fails("folder/..", HF_UNSUPPORTED, EISDIR);
    expect_save_fails("pipe/image", HF_IO, ENOTDIR);
    CHECK_EQUAL(2, count_entries("."));
    CHECK(S_ISFIFO(status_of("pipe").st_mode));
    leave_folder();
}

/* ------------------------------------------------------------------ names and paths --------- */

static void expect_saved_alone(const char *name) {
    CHECK_STATUS(HF_OK, save_seed(1, name));
    save_over(name);
    CHECK_EQUAL(1, count_entries("."));
    CHECK(unlink(name) == 0);
}

static void names_as_long_as_can_be(void) {
    char name[NAME_MAX + 2];
    enter_folder();
    for (size_t length = NAME_MAX - 12; length <= NAME_MAX; length++) {
        memset(name, 'n', sizeof name);
        name[length] = '\0';
        expect_saved_alone(name);
        for (size_t i = length % 2; i < length; i += 2) memcpy(name + i, "\xc3\xa9", 2); /* é */
        expect_saved_alone(name);
    }
    memset(name, 'n', sizeof name);
    name[NAME_MAX + 1] = '\0';
    expect_save_fails(name, HF_IO, ENAMETOOLONG);
    CHECK_EQUAL(0, count_entries("."));
    leave_folder();
}

/* Nests folders until the path from the root has `wanted` bytes. */
static void make_deep_path(char *path, size_t wanted) {
    while (strlen(path) + 202 < wanted) {
        char name[201];
        memset(name, 'd', 200);
        name[200] = '\0';
        CHECK(mkdir(name, 0777) == 0 && chdir(name) == 0);
        strcat(strcat(path, "/"), name);
    }
}

static void paths_as_long_as_can_be(void) {
    static char path[2 * PATH_MAX];
    for (size_t length = PATH_MAX - 12; length <= PATH_MAX; length++) {
        AT("length %zu", length);
        enter_folder();
        CHECK(getcwd(path, sizeof path) != NULL);
        make_deep_path(path, length);
        size_t left = length - strlen(path) - 1;
        strcat(path, "/");
        memset(path + length - left, 'p', left);
        path[length] = '\0';
        CHECK(chdir("/") == 0);
        CHECK_STATUS(length < PATH_MAX ? HF_OK : HF_IO, save_seed(1, path));
        if (length < PATH_MAX) expect_seed(1, path);
        leave_folder();
    }
}

/* -------------------------------------------------------------------- leftovers ------------- */

static void name_beside(char name[static 32], int number) {
    snprintf(name, 32, "image.saving%02d", number);
}

static void make_beside(int number, mode_t mode) {
    char name[32];
    name_beside(name, number);
    int file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(file >= 0 && write(file, "left", 4) == 4 && fchmod(file, mode) == 0 && close(file) == 0);
}

static void a_hundred_leftovers_are_removed(void) {
    enter_folder();
    for (int i = 0; i < 100; i++) make_beside(i, i % 2 ? 0600 : 0400);
    save_over("image");
    CHECK_EQUAL(1, count_entries("."));
    make_beside(57, 0600);
    save_over("image");
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
}

static void save_repeatedly(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 4 * MIB});
    CHECK(hf_alloc(&arena, MIB, 8) != NULL);
    for (;;) hf_arena_save(&arena, "image");
}

/* Processes killed at any point: the image is complete, and the next save removes their drafts. */
static void drafts_of_killed_processes_are_removed(void) {
    enter_folder();
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    for (int i = 0; i < 60; i++) {
        fflush(NULL);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) save_repeatedly();
        usleep((useconds_t)(1000 + i * 7919 % 20000));
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
        hf_arena found = image_open("image", HF_READ_ONLY, (hf_arena_options){.any_base = true});
        hf_arena_close(&found);
    }
    save_over("image");
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
}

/* A folder, a pipe, a link, a file of another user, a draft of a live process. */
static void what_is_not_a_leftover_stays(void) {
    char name[32];
    enter_folder();
    CHECK(mkdir("image.saving00", 0777) == 0 && mkfifo("image.saving01", 0666) == 0);
    write_content("theirs", "theirs", 6);
    CHECK(symlink("theirs", "image.saving02") == 0);
    for (int i = 3; i < 5; i++) make_beside(i, 0600);
    int living = open("image.saving03", O_RDONLY);
    CHECK(living >= 0 && flock(living, LOCK_SH | LOCK_NB) == 0);
    bool is_root = geteuid() == 0;
    if (is_root) make_beside(6, 0666);
    if (is_root) CHECK(chown("image.saving06", OTHER_USER, OTHER_USER) == 0);
    save_over("image");
    for (int i = 0; i < 7; i++) {
        name_beside(name, i);
        AT("%s", name);
        CHECK_EQUAL(i < 4 || (i == 6 && is_root), disk_exists(name));
    }
    struct content theirs = {(unsigned char[]){"theirs"}, 6};
    check_content("theirs", &theirs);
    CHECK(S_ISLNK(status_of("image.saving02").st_mode));
    close(living);
    save_over("image");
    CHECK(!disk_exists("image.saving03"));
    leave_folder();
}

static void a_hundred_names_of_others(void) {
    char name[32];
    enter_folder();
    for (int i = 0; i < 100; i++) {
        name_beside(name, i);
        CHECK(mkdir(name, 0777) == 0);
    }
    expect_save_fails("image", HF_IO, EEXIST);
    CHECK_EQUAL(100, count_entries("."));
    leave_folder();
}

/* ------------------------------------------------------------------ at the same time -------- */

enum { SAVERS = 4, SAVES = 100 };

static void save_often(void *argument) {
    (void)argument;
    for (int i = 0; i < SAVES; i++) CHECK_STATUS(HF_OK, save_seed((unsigned)i, "image"));
}

static void processes_that_save_at_once_succeed(void) {
    pid_t children[SAVERS];
    bool passed = true;
    enter_folder();
    fflush(NULL);
    for (int i = 0; i < SAVERS; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            check_stands_alone();
            save_often(NULL);
            _exit(EXIT_SUCCESS);
        }
    }
    for (int i = 0; i < SAVERS; i++) {
        int status;
        CHECK(waitpid(children[i], &status, 0) == children[i]);
        passed &= WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
    }
    CHECK(passed);
    expect_seed(SAVES - 1, "image");
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
}

#if defined(__linux__)

/* Called in place of the next flock that locks a file exclusively. */
static int (*instead_of_flock)(int file, int operation);

/* The library calls this function, because it is linked before the C library's. */
int flock(int file, int operation) {
    struct stat status;
    int (*instead)(int, int) = instead_of_flock;
    bool is_exclusive_on_file = instead != NULL && (operation & LOCK_EX) != 0 &&
                                fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    if (!is_exclusive_on_file) return (int)syscall(SYS_flock, file, operation);
    instead_of_flock = NULL;
    return instead(file, operation);
}

static void *draft_to_publish;
static pthread_t publisher;

static void *publish_draft(void *argument) {
    hf_report report = {0};
    (void)argument;
    CHECK_STATUS(
        HF_OK, hf_backend_native()->draft_publish(hf_backend_native(), draft_to_publish, &report));
    return NULL;
}

/* The draft is open here to be deleted. Its process has 20 ms to publish it; whether it waits or
 * not, the image can be locked afterwards. */
static int publish_before_locking(int file, int operation) {
    const struct timespec pause = {0, 20 * 1000 * 1000};
    CHECK_EQUAL(0, pthread_create(&publisher, NULL, publish_draft, NULL));
    nanosleep(&pause, NULL);
    int result = (int)syscall(SYS_flock, file, operation), code = errno;
    int image = open("image", O_RDONLY);
    CHECK(image >= 0 && flock(image, LOCK_SH | LOCK_NB) == 0);
    close(image);
    errno = code;
    return result;
}

static void a_deleter_does_not_lock_what_is_published(void) {
    const hf_backend *native = hf_backend_native();
    hf_report report = {0};
    void *other;
    intptr_t file;
    enter_folder();
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    CHECK_STATUS(HF_OK,
                 native->draft_open(native, "image", AREA, &draft_to_publish, &file, &report));
    instead_of_flock = publish_before_locking;
    CHECK_STATUS(HF_OK, native->draft_open(native, "image", AREA, &other, &file, &report));
    CHECK(instead_of_flock == NULL);
    CHECK_EQUAL(0, pthread_join(publisher, NULL));
    native->draft_close(native, draft_to_publish);
    native->draft_close(native, other);
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
}

/* A program that keeps the folder locked keeps nobody from saving. */
static void the_folder_may_be_locked(void) {
    enter_folder();
    int locked = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(locked >= 0 && flock(locked, LOCK_EX) == 0);
    CHECK_STATUS(HF_OK, save_seed(1, "image"));
    CHECK_STATUS(HF_OK, save_seed(2, "image"));
    close(locked);
    expect_seed(2, "image");
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
}

#define TESTS_OF_LOCKS \
    TEST(a_deleter_does_not_lock_what_is_published), TEST(the_folder_may_be_locked),

#else
#define TESTS_OF_LOCKS
#endif

/* An image that a writer created meanwhile is not replaced. */
static void a_writer_that_opened_meanwhile_is_busy(void) {
    const hf_backend *native = hf_backend_native();
    hf_report report = {0};
    void *draft;
    intptr_t file;
    enter_folder();
    CHECK_STATUS(HF_OK, native->draft_open(native, "image", AREA, &draft, &file, &report));
    hf_arena writer = image_open("image", HF_READ_WRITE, (hf_arena_options){0});
    CHECK_STATUS(HF_BUSY, native->draft_publish(native, draft, &report));
    native->draft_close(native, draft);
    CHECK_STATUS(HF_OK, hf_arena_sync(&writer));
    hf_arena_close(&writer);
    CHECK_EQUAL(1, count_entries("."));
    leave_folder();
}

CHECK_MAIN(TEST(the_mode_stays), TEST(the_mode_is_read_before_the_rename), TEST(the_owner_stays),
           TEST(a_group_that_is_lost_gets_no_rights),
           LIST_TESTS TEST(what_may_not_be_read_is_not_replaced),
           TEST(a_folder_that_cannot_be_read), TEST(a_folder_that_is_renamed_meanwhile),
           TEST(links_stay_and_their_targets_change), TEST(links_that_lead_nowhere),
           TEST(links_of_others_in_a_sticky_folder), TEST(what_is_not_a_file_stays),
           TEST(names_as_long_as_can_be), TEST(paths_as_long_as_can_be),
           TEST(a_hundred_leftovers_are_removed), TEST(drafts_of_killed_processes_are_removed),
           TEST(what_is_not_a_leftover_stays), TEST(a_hundred_names_of_others),
           TEST(processes_that_save_at_once_succeed),
           TESTS_OF_LOCKS TEST(a_writer_that_opened_meanwhile_is_busy))
