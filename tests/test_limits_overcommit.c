/*
 * Committing more memory than there is fails with HF_NO_MEMORY, instead of the process being killed
 * when it touches the memory. By default Linux does so for one commit beyond all of the memory of
 * the machine, with vm.overcommit_memory 2 for every byte beyond the limit.
 *
 * The setting belongs to the whole machine. A parent process changes it and restores it, whatever
 * happens to the child; where it cannot be changed, the test is skipped.
 */
#define _DEFAULT_SOURCE /* fork, alarm */

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "holdfast/space.h"

static const char setting[] = "/proc/sys/vm/overcommit_memory";

static bool set_overcommit(char mode) {
    int file = open(setting, O_WRONLY);
    bool done = file >= 0 && write(file, &mode, 1) == 1;
    if (file >= 0) close(file);
    return done;
}

static char get_overcommit(void) {
    char mode = '?';
    int file = open(setting, O_RDONLY);
    CHECK(file >= 0 && read(file, &mode, 1) == 1);
    close(file);
    return mode;
}

/* The value of a line "MemTotal:   12345 kB" of /proc/meminfo in bytes. */
static size_t meminfo(const char *name) {
    unsigned long long kib = 0;
    char line[200], found[64];
    FILE *file = fopen("/proc/meminfo", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%63[^:]: %llu", found, &kib) == 2 && strcmp(found, name) == 0) break;
    CHECK(!feof(file) && kib < SIZE_MAX / 4 / 1024);
    fclose(file);
    return (size_t)kib * 1024;
}

/* Prepared before the setting changes, so that it is changed only for a short time. The file is
 * sparse: shared memory would be charged too where the system allocates it immediately. */
static hf_space *space;
static hf_file *file;
static size_t page_size, too_much;

static void prepare(void) {
    page_size = hf_backend_native()->page_size(hf_backend_native());
    too_much = (meminfo("CommitLimit") + page_size) & ~(page_size - 1);
    FILE *sparse = tmpfile();
    CHECK(sparse != NULL && ftruncate(fileno(sparse), (off_t)too_much) == 0);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, fileno(sparse), HF_COPY_ON_WRITE, NULL));
    fclose(sparse);
}

static void expect_one_placeholder(void) {
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    CHECK_EQUAL(0, hf_space_get_stats(space).committed_bytes);
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

/* Reserved addresses are not charged; committed memory and copy-on-write views are. */
static void commit_too_much(void) {
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * too_much, NULL));
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, 0, too_much));
    CHECK_EQUAL(ENOMEM, hf_last_error().os_code);
    CHECK_EQUAL(too_much, hf_last_error().size);
    expect_one_placeholder();
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit(space, 0, 2 * too_much));
    expect_one_placeholder();
    CHECK_STATUS(HF_NO_MEMORY,
                 hf_space_map_range(space, page_size, too_much, file, 0, HF_COPY_ON_WRITE));
    CHECK_EQUAL(ENOMEM, hf_last_error().os_code);
    expect_one_placeholder();
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, page_size, page_size));
    hf_space_base(space)[page_size] = 'x';
    CHECK_STATUS(HF_OK, hf_space_release_range(space, page_size, page_size));
    expect_one_placeholder();
    hf_space_close(space);
}

/* The child waits until the setting has been changed; alarm ends it if it hangs. */
static int run_child(int go) {
    char byte;
    check_stands_alone();
    alarm(600);
    if (read(go, &byte, 1) != 1) return EXIT_FAILURE;
    commit_too_much();
    fflush(NULL);
    return EXIT_SUCCESS;
}

static bool passes_under_overcommit_2(char before) {
    int ends[2], status = -1;
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(run_child(ends[0]));
    CHECK(child > 0);
    bool set = set_overcommit('2') && write(ends[1], "g", 1) == 1;
    while (waitpid(child, &status, set ? 0 : WNOHANG) < 0 && errno == EINTR) continue;
    bool restored = set_overcommit(before);
    CHECK(set && restored && get_overcommit() == before);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static void with_overcommit_2_a_commit_fails_beyond_the_limit(void) {
    char before = get_overcommit();
    if (!set_overcommit(before)) {
        check_skip("vm.overcommit_memory cannot be set here (it needs root)");
        return;
    }
    if (meminfo("Committed_AS") + ((size_t)1 << 30) > meminfo("CommitLimit")) {
        check_skip("other processes have committed all that vm.overcommit_memory 2 allows");
        return;
    }
    prepare();
    CHECK(passes_under_overcommit_2(before));
    hf_file_close(file);
}

/* With the current setting: unless it is 1, committing more than all memory fails. */
static void more_than_the_machine_has_is_no_memory(void) {
    size_t unit = (size_t)1 << 30, all = meminfo("MemTotal") + meminfo("SwapTotal");
    size_t size = (all / unit + 2) * unit;
    hf_status expected = get_overcommit() == '1' ? HF_OK : HF_NO_MEMORY;
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    CHECK_STATUS(expected, hf_space_commit(space, 0, size));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, size));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, unit / 1024));
    hf_space_close(space);
}

CHECK_MAIN(TEST(more_than_the_machine_has_is_no_memory),
           TEST(with_overcommit_2_a_commit_fails_beyond_the_limit))
