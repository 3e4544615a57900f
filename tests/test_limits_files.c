/*
 * The limits on files that a process really meets, set with setrlimit in a child.
 */
#define _GNU_SOURCE /* setrlimit */

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "holdfast/file.h"
#include "process.h"

static const size_t MIB = 1024 * 1024;

static const char path[] = "test_limits_files.tmp";

/* ---------------------------------------------------------------- RLIMIT_FSIZE -------------- */

/* Past the limit the system would kill the process with SIGXFSZ: it must not be asked. */
static void create_under_limit(void *unused) {
    (void)unused;
    hf_file *file = NULL;
    unlink(path);
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){MIB, MIB}) == 0);
    CHECK_STATUS(HF_NO_SPACE, hf_file_create(&file, path, MIB + 1, NULL));
    CHECK_EQUAL(EFBIG, hf_last_error().os_code);
    CHECK(access(path, F_OK) != 0);
    CHECK_STATUS(HF_NO_SPACE, hf_file_create_shared(&file, MIB + 1, NULL));
    CHECK(file == NULL);
    CHECK_STATUS(HF_OK, hf_file_create(&file, path, MIB, NULL));
    hf_file_close(file);
    CHECK(unlink(path) == 0);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, MIB, NULL));
    hf_file_close(file);
}

static void a_file_beyond_the_limit_is_no_space(void) {
    CHECK(process_runs(create_under_limit, NULL));
}

/* --------------------------------------------------------------- RLIMIT_NOFILE -------------- */

static void open_without_descriptors(void *unused) {
    (void)unused;
    hf_file *file = NULL;
    int lowest = dup(STDIN_FILENO);
    CHECK(lowest >= 0 && close(lowest) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)lowest, (rlim_t)lowest}) == 0);
    CHECK_STATUS(HF_IO, hf_file_open(&file, "/dev/null", HF_READ_ONLY, NULL));
    CHECK_EQUAL(EMFILE, hf_last_error().os_code);
    CHECK_STATUS(HF_IO, hf_file_create(&file, path, 1, NULL));
    CHECK_STATUS(HF_IO, hf_file_create_shared(&file, 1, NULL));
    CHECK_STATUS(HF_IO, hf_file_from_handle(&file, STDIN_FILENO, HF_READ_ONLY, NULL));
    CHECK_EQUAL(EMFILE, hf_last_error().os_code);
    CHECK(file == NULL);
}

static void no_descriptor_left(void) { CHECK(process_runs(open_without_descriptors, NULL)); }

CHECK_MAIN(TEST(a_file_beyond_the_limit_is_no_space), TEST(no_descriptor_left))
