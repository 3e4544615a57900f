/*
 * Limits of a process on files, set with setrlimit in a child.
 */
#define _GNU_SOURCE /* setrlimit */

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "holdfast/arena.h"
#include "holdfast/file.h"
#include "holdfast/ring.h"
#include "process.h"

static const size_t MIB = 1024 * 1024;

static const char path[] = "test_limits_files.tmp";

/* ---------------------------------------------------------------- RLIMIT_FSIZE -------------- */

/* Growing a file beyond RLIMIT_FSIZE raises SIGXFSZ, so the library must check the limit itself. */
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

static void without_descriptors_opening_is_io(void) {
    CHECK(process_runs(open_without_descriptors, NULL));
}

/* ---------------------------------------------------------- views without descriptors ------- */

enum { FILES = 300, RINGS = 300, MOST_DESCRIPTORS = 64 };

static void name_numbered(char *name, size_t room, int number) {
    snprintf(name, room, "test_limits_files.%d.tmp", number);
}

static void make_numbered_files(void) {
    char name[64];
    for (int number = 0; number < FILES; number++) {
        name_numbered(name, sizeof name, number);
        FILE *file = fopen(name, "wb");
        CHECK(file != NULL && fprintf(file, "%d", number) > 0 && fclose(file) == 0);
    }
}

static void remove_numbered_files(void) {
    char name[64];
    for (int number = 0; number < FILES; number++) {
        name_numbered(name, sizeof name, number);
        unlink(name);
    }
}

static void limit_descriptors(void) {
    const struct rlimit limit = {MOST_DESCRIPTORS, MOST_DESCRIPTORS};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void append_with_few_descriptors(void *unused) {
    (void)unused;
    hf_arena arena;
    limit_descriptors();
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    for (int number = 0; number < FILES; number++) {
        char name[64], expected[16];
        void *data;
        size_t size;
        name_numbered(name, sizeof name, number);
        snprintf(expected, sizeof expected, "%d", number);
        CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, name, HF_READ_ONLY, &data, &size));
        CHECK_EQUAL(strlen(expected), size);
        CHECK(memcmp(data, expected, size) == 0);
    }
    hf_arena_close(&arena);
}

static void more_files_are_appended_than_descriptors_are_allowed(void) {
    make_numbered_files();
    bool succeeded = process_runs(append_with_few_descriptors, NULL);
    remove_numbered_files();
    CHECK(succeeded);
}

static void open_rings_with_few_descriptors(void *unused) {
    (void)unused;
    static hf_ring *rings[RINGS];
    limit_descriptors();
    for (size_t i = 0; i < RINGS; i++) CHECK_STATUS(HF_OK, hf_ring_open(&rings[i], 65536, NULL));
    for (size_t i = 0; i < RINGS; i++) hf_ring_close(rings[i]);
}

static void more_rings_are_open_than_descriptors_are_allowed(void) {
    CHECK(process_runs(open_rings_with_few_descriptors, NULL));
}

CHECK_MAIN(TEST(a_file_beyond_the_limit_is_no_space), TEST(without_descriptors_opening_is_io),
           TEST(more_files_are_appended_than_descriptors_are_allowed),
           TEST(more_rings_are_open_than_descriptors_are_allowed))
