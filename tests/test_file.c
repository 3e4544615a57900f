/*
 * The contract of file.h: four ways to a file, what each refuses, and that nothing is left behind,
 * neither a descriptor nor a name on disk.
 */
#define _GNU_SOURCE /* the system's own files, to hold ours against */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "nth_failure.h"
#include "process.h"
#include "scene.h"

/* In the folder that ctest runs in. */
static const char path[] = "test_file.tmp";

static size_t granule(void) { return hf_backend_native()->granule(hf_backend_native()); }

static bool exists(const char *name) {
    struct stat status;
    return lstat(name, &status) == 0;
}

/* A file of `size` bytes, byte i of which is i's lowest; returns its open descriptor. */
static int make_plain_file(size_t size) {
    unlink(path);
    int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL, 0666);
    CHECK(descriptor >= 0);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)i;
        CHECK(pwrite(descriptor, &byte, 1, (off_t)i) == 1);
    }
    return descriptor;
}

/* The lowest free descriptor: it is the same again when nothing was left open in between. */
static int lowest_descriptor(void) {
    int lowest = dup(STDIN_FILENO);
    CHECK(lowest >= 0);
    close(lowest);
    return lowest;
}

/* Whether a file permits a view, tried on a space of its own. */
static hf_status try_view(hf_file *file, uint64_t file_offset, hf_access access) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, granule(), NULL));
    hf_status status = hf_space_map(space, 0, granule(), file, file_offset, access);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    return status;
}

/* ------------------------------------------------------------------- opening ---------------- */

static void opens_what_is_there(void) {
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    int lowest = lowest_descriptor();
    close(make_plain_file(300));
    for (size_t i = 0; i < 3; i++) {
        hf_access access = accesses[i];
        hf_file *file;
        hf_space *space;
        CHECK_STATUS(HF_OK, hf_file_open(&file, path, access, NULL));
        CHECK_EQUAL(300, hf_file_size(file));
        CHECK(fcntl(lowest, F_GETFD) & FD_CLOEXEC);
        CHECK_EQUAL(access == HF_READ_WRITE ? O_RDWR : O_RDONLY,
                    fcntl(lowest, F_GETFL) & O_ACCMODE);
        CHECK_STATUS(HF_OK, hf_space_open(&space, granule(), NULL));
        CHECK_STATUS(HF_OK, hf_space_map(space, 0, granule(), file, 0, access));
        hf_file_close(file);
        for (size_t at = 0; at < 300; at++)
            CHECK_EQUAL((unsigned char)at, (unsigned char)hf_space_base(space)[at]);
        hf_space_close(space);
        CHECK_EQUAL(lowest, lowest_descriptor());
    }
    unlink(path);
}

/* Neither read-only nor copy-on-write changes the file, so each permits both. */
static void access_says_which_views(void) {
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    close(make_plain_file(10));
    for (size_t i = 0; i < 3; i++) {
        hf_file *file;
        CHECK_STATUS(HF_OK, hf_file_open(&file, path, accesses[i], NULL));
        hf_status store = accesses[i] == HF_READ_WRITE ? HF_OK : HF_INVALID;
        CHECK_STATUS(store, try_view(file, 0, HF_READ_WRITE));
        CHECK_STATUS(HF_OK, try_view(file, 0, HF_READ_ONLY));
        CHECK_STATUS(HF_OK, try_view(file, 0, HF_COPY_ON_WRITE));
        hf_file_close(file);
    }
    unlink(path);
}

static void stores_reach_the_disk(void) {
    hf_file *file;
    hf_space *space;
    int descriptor = make_plain_file(10);
    char byte;
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_WRITE, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * granule(), NULL));
    CHECK_STATUS(HF_OK, hf_space_place_file(space, 0, granule(), file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK,
                 hf_space_place_file(space, granule(), granule(), file, 0, HF_COPY_ON_WRITE));
    hf_space_base(space)[3] = 'x';
    hf_space_base(space)[granule() + 4] = 'y';
    CHECK(pread(descriptor, &byte, 1, 3) == 1 && byte == 'x');
    CHECK(pread(descriptor, &byte, 1, 4) == 1 && byte == 4);
    hf_file_close(file);
    hf_space_close(space);
    close(descriptor);
    unlink(path);
}

static void an_empty_file_has_no_room_for_a_view(void) {
    hf_file *file;
    close(make_plain_file(0));
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_WRITE, NULL));
    CHECK_EQUAL(0, hf_file_size(file));
    CHECK_STATUS(HF_INVALID, try_view(file, 0, HF_READ_ONLY));
    hf_file_close(file);
    unlink(path);
}

/* The size is the one at opening. */
static void a_file_keeps_its_size(void) {
    hf_file *file;
    int descriptor = make_plain_file(10);
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_ONLY, NULL));
    CHECK(ftruncate(descriptor, (off_t)(5 * granule())) == 0);
    CHECK_EQUAL(10, hf_file_size(file));
    CHECK_STATUS(HF_INVALID, try_view(file, granule(), HF_READ_ONLY));
    hf_file_close(file);
    close(descriptor);
    unlink(path);
}

/* Beyond what 32 bits count. */
static void views_reach_far_into_a_file(void) {
    uint64_t far = (uint64_t)5 << 30;
    hf_file *file;
    hf_space *space;
    int descriptor = make_plain_file(0);
    CHECK(pwrite(descriptor, "x", 1, (off_t)far + 7) == 1);
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_ONLY, NULL));
    CHECK_EQUAL(far + 8, hf_file_size(file));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * granule(), NULL));
    CHECK_STATUS(HF_INVALID, hf_space_map(space, 0, 2 * granule(), file, far, HF_READ_ONLY));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, 2 * granule(), file, far - granule(), HF_READ_ONLY));
    hf_region region;
    CHECK(hf_space_find(space, 0, &region));
    CHECK_EQUAL(far - granule(), region.file_offset);
    CHECK_EQUAL('x', hf_space_base(space)[granule() + 7]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_file_close(file);
    hf_space_close(space);
    close(descriptor);
    unlink(path);
}

/* ----------------------------------------------------------- what is no file ---------------- */

/* Opening is refused with a status and a code; nothing stays open, *file is untouched. */
static void refuse_open(const char *name, hf_access access, hf_status expected, long code) {
    int marker, lowest = lowest_descriptor();
    hf_file *const untouched = (hf_file *)(void *)&marker, *file = untouched;
    size_t outer = check_enter("opening %s, access %d", name ? name : "NULL", (int)access);
    CHECK_STATUS(expected, hf_file_open(&file, name, access, NULL));
    CHECK(file == untouched);
    CHECK_EQUAL(expected, hf_last_error().status);
    CHECK_EQUAL(code, hf_last_error().os_code);
    CHECK(hf_last_error().call != NULL);
    CHECK_EQUAL(lowest, lowest_descriptor());
    check_leave(outer);
}

static void refuse_open_with_every_access(const char *name, hf_status expected, long code) {
    refuse_open(name, HF_READ_WRITE, expected, code);
    refuse_open(name, HF_READ_ONLY, expected, code);
    refuse_open(name, HF_COPY_ON_WRITE, expected, code);
}

static void paths_that_are_none(void) {
    refuse_open_with_every_access(NULL, HF_INVALID, 0);
    refuse_open_with_every_access("", HF_INVALID, 0);
    refuse_open("/", (hf_access)3, HF_INVALID, 0);
    refuse_open(path, (hf_access)-1, HF_INVALID, 0);
    refuse_open_with_every_access("no/such/file", HF_IO, ENOENT);
    refuse_open_with_every_access("/dev/null/below", HF_IO, ENOTDIR);
    CHECK_STATUS(HF_INVALID, hf_file_open(NULL, path, HF_READ_ONLY, NULL));
}

static void expect_unsupported(const char *name) {
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    for (size_t i = 0; i < 3; i++) {
        int lowest = lowest_descriptor();
        hf_file *file = NULL;
        size_t outer = check_enter("opening %s, access %d", name, (int)accesses[i]);
        CHECK_STATUS(HF_UNSUPPORTED, hf_file_open(&file, name, accesses[i], NULL));
        CHECK(file == NULL);
        CHECK_EQUAL(lowest, lowest_descriptor());
        check_leave(outer);
    }
}

/* A folder, a device, a pipe (without waiting for its other end), a socket. */
static void only_regular_files_are_supported(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    expect_unsupported("/");
    expect_unsupported("/dev/null");
    unlink(path);
    CHECK(mkfifo(path, 0666) == 0);
    expect_unsupported(path);
    unlink(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(address.sun_path, path, sizeof path);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    expect_unsupported(path);
    close(listener);
    unlink(path);
}

/* A folder that everybody can reach, wherever the test runs; and a user who is not root. */
static void open_as_nobody(void *argument) {
    hf_file *file = NULL;
    const char *name = argument;
    if (geteuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK_STATUS(HF_IO, hf_file_open(&file, name, HF_READ_WRITE, NULL));
    CHECK_EQUAL(EACCES, hf_last_error().os_code);
    CHECK_STATUS(HF_OK, hf_file_open(&file, name, HF_COPY_ON_WRITE, NULL));
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_file_open(&file, name, HF_READ_ONLY, NULL));
    hf_file_close(file);
    file = NULL;
    CHECK_STATUS(HF_IO, hf_file_create(&file, "/test_file.tmp", 1, NULL));
    CHECK_EQUAL(EACCES, hf_last_error().os_code);
    CHECK(file == NULL);
}

static void permissions_are_asked(void) {
    char folder[] = "/tmp/holdfast-test-XXXXXX", name[64];
    CHECK(mkdtemp(folder) != NULL);
    CHECK(chmod(folder, 0755) == 0);
    snprintf(name, sizeof name, "%s/read_only", folder);
    int descriptor = open(name, O_WRONLY | O_CREAT, 0444);
    CHECK(descriptor >= 0 && write(descriptor, "x", 1) == 1 && close(descriptor) == 0);
    bool passed = process_runs(open_as_nobody, name);
    unlink(name);
    rmdir(folder);
    CHECK(passed);
}

/* ------------------------------------------------------------------ creating ---------------- */

static void creates_a_new_file(void) {
    static const size_t sizes[] = {1, 4095, 4096, 4097, 100000, 5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct stat status;
        hf_file *file;
        int lowest = lowest_descriptor();
        unlink(path);
        CHECK_STATUS(HF_OK, hf_file_create(&file, path, sizes[i], NULL));
        CHECK_EQUAL(sizes[i], hf_file_size(file));
        CHECK(fcntl(lowest, F_GETFD) & FD_CLOEXEC);
        CHECK(stat(path, &status) == 0);
        CHECK_EQUAL(sizes[i], status.st_size);
        CHECK((size_t)status.st_blocks * 512 >= sizes[i]); /* no store can run out of disk */
        CHECK_STATUS(HF_OK, try_view(file, 0, HF_READ_WRITE));
        CHECK_STATUS(HF_OK, try_view(file, 0, HF_READ_ONLY));
        CHECK_STATUS(HF_OK, try_view(file, 0, HF_COPY_ON_WRITE));
        hf_file_close(file);
        CHECK_EQUAL(lowest, lowest_descriptor());
    }
    unlink(path);
}

static void a_new_file_is_zero(void) {
    hf_file *file;
    hf_space *space;
    size_t size = 50 * granule();
    unlink(path);
    CHECK_STATUS(HF_OK, hf_file_create(&file, path, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, size, file, 0, HF_READ_WRITE));
    for (size_t i = 0; i < size; i++) CHECK(hf_space_base(space)[i] == 0);
    hf_space_close(space);
    hf_file_close(file);
    unlink(path);
}

static void never_overwrites(void) {
    hf_file *file = NULL;
    char byte;
    int descriptor = make_plain_file(10);
    CHECK_STATUS(HF_IO, hf_file_create(&file, path, 100, NULL));
    CHECK_EQUAL(EEXIST, hf_last_error().os_code);
    CHECK_EQUAL(100, hf_last_error().size);
    CHECK(file == NULL);
    CHECK(pread(descriptor, &byte, 1, 9) == 1 && byte == 9);
    CHECK(pread(descriptor, &byte, 1, 10) == 0);
    close(descriptor);
    unlink(path);
    CHECK(symlink("nowhere", path) == 0);
    CHECK_STATUS(HF_IO, hf_file_create(&file, path, 100, NULL));
    CHECK(!exists("nowhere"));
    unlink(path);
}

static void refuse_create(const char *name, uint64_t size, hf_status expected, long code) {
    int marker, lowest = lowest_descriptor();
    hf_file *const untouched = (hf_file *)(void *)&marker, *file = untouched;
    size_t outer =
        check_enter("creating %s of %#llx bytes", name ? name : "NULL", (unsigned long long)size);
    CHECK_STATUS(expected, hf_file_create(&file, name, size, NULL));
    CHECK(file == untouched);
    if (code >= 0) CHECK_EQUAL(code, hf_last_error().os_code);
    CHECK_EQUAL(lowest, lowest_descriptor());
    CHECK(name == NULL || *name == '\0' || !exists(name));
    check_leave(outer);
}

static void what_cannot_be_created(void) {
    unlink(path);
    refuse_create(NULL, 1, HF_INVALID, 0);
    refuse_create("", 1, HF_INVALID, 0);
    refuse_create(path, 0, HF_INVALID, 0);
    refuse_create("no/such/folder", 1, HF_IO, ENOENT);
    refuse_create(path, (uint64_t)INT64_MAX + 1, HF_NO_SPACE, EFBIG);
    refuse_create(path, UINT64_MAX, HF_NO_SPACE, EFBIG);
    refuse_create(path, (uint64_t)1 << 62, HF_NO_SPACE, -1);
    CHECK_STATUS(HF_INVALID, hf_file_create(NULL, path, 1, NULL));
    CHECK(!exists(path));
}

/* ---------------------------------------------------------- shared memory ------------------- */

static void shared_memory_is_zero_and_shared(void) {
    hf_file *file;
    hf_space *space;
    size_t g = granule();
    int lowest = lowest_descriptor();
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 2 * g, NULL));
    CHECK_EQUAL(2 * g, hf_file_size(file));
    CHECK(fcntl(lowest, F_GETFD) & FD_CLOEXEC);
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * g, NULL));
    for (size_t i = 0; i < 4; i++)
        CHECK_STATUS(HF_OK, hf_space_place_file(space, 2 * i * g, 2 * g, file, 0, HF_READ_WRITE));
    char *base = hf_space_base(space);
    for (size_t i = 0; i < 8 * g; i++) CHECK(base[i] == 0);
    base[g + 1] = 'x';
    CHECK(base[3 * g + 1] == 'x' && base[5 * g + 1] == 'x' && base[7 * g + 1] == 'x');
    hf_space_close(space);
    hf_file_close(file);
    CHECK_EQUAL(lowest, lowest_descriptor());
}

static void two_shared_memories_are_two(void) {
    hf_file *one, *other;
    hf_space *space;
    size_t g = granule();
    CHECK_STATUS(HF_OK, hf_file_create_shared(&one, g, NULL));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&other, g, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * g, NULL));
    CHECK_STATUS(HF_OK, hf_space_place_file(space, 0, g, one, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_place_file(space, g, g, other, 0, HF_READ_WRITE));
    hf_space_base(space)[0] = 'x';
    CHECK_EQUAL(0, hf_space_base(space)[g]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    hf_file_close(one);
    hf_file_close(other);
}

static void shared_memory_of_impossible_size(void) {
    static const uint64_t sizes[] = {(uint64_t)INT64_MAX + 1, UINT64_MAX};
    int lowest = lowest_descriptor();
    hf_file *file = NULL;
    CHECK_STATUS(HF_INVALID, hf_file_create_shared(&file, 0, NULL));
    CHECK_STATUS(HF_INVALID, hf_file_create_shared(NULL, 1, NULL));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK_STATUS(HF_NO_SPACE, hf_file_create_shared(&file, sizes[i], NULL));
        CHECK_EQUAL(sizes[i] > SIZE_MAX ? SIZE_MAX : (size_t)sizes[i], hf_last_error().size);
    }
    CHECK(file == NULL);
    CHECK_EQUAL(lowest, lowest_descriptor());
}

/* -------------------------------------------------------------------- handles --------------- */

/* The caller keeps his descriptor and may close it at once. */
static void a_handle_is_duplicated(void) {
    hf_file *file;
    hf_space *space;
    int lowest = lowest_descriptor(), descriptor = make_plain_file(100);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, descriptor, HF_READ_WRITE, NULL));
    CHECK(fcntl(lowest + 1, F_GETFD) & FD_CLOEXEC);
    CHECK(close(descriptor) == 0);
    CHECK_EQUAL(100, hf_file_size(file));
    CHECK_STATUS(HF_OK, hf_space_open(&space, granule(), NULL));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, granule(), file, 0, HF_READ_WRITE));
    hf_file_close(file);
    CHECK_EQUAL(99, hf_space_base(space)[99]);
    hf_space_close(space);
    CHECK_EQUAL(lowest, lowest_descriptor());
    descriptor = make_plain_file(1);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, descriptor, HF_READ_WRITE, NULL));
    hf_file_close(file);
    CHECK(close(descriptor) == 0); /* it was still his */
    unlink(path);
}

static void refuse_handle(intptr_t handle, hf_access access, hf_status expected) {
    int marker, lowest = lowest_descriptor();
    hf_file *const untouched = (hf_file *)(void *)&marker, *file = untouched;
    size_t outer = check_enter("handle %lld, access %d", (long long)handle, (int)access);
    CHECK_STATUS(expected, hf_file_from_handle(&file, handle, access, NULL));
    CHECK(file == untouched);
    CHECK_EQUAL(lowest, lowest_descriptor());
    check_leave(outer);
}

static void what_is_no_handle(void) {
    refuse_handle(-1, HF_READ_ONLY, HF_INVALID);
    refuse_handle(INTPTR_MIN, HF_READ_ONLY, HF_INVALID);
    refuse_handle(INTPTR_MAX, HF_READ_ONLY, HF_INVALID);
    refuse_handle(INT_MAX, HF_READ_ONLY, HF_INVALID);
    refuse_handle(lowest_descriptor(), HF_READ_ONLY, HF_INVALID);
    refuse_handle(STDIN_FILENO, (hf_access)3, HF_INVALID);
    CHECK_STATUS(HF_INVALID, hf_file_from_handle(NULL, STDIN_FILENO, HF_READ_ONLY, NULL));
}

static void a_handle_needs_the_access(void) {
    close(make_plain_file(1));
    int reads = open(path, O_RDONLY), writes = open(path, O_WRONLY), both = open(path, O_RDWR);
    hf_file *file;
    CHECK(reads >= 0 && writes >= 0 && both >= 0);
    refuse_handle(reads, HF_READ_WRITE, HF_INVALID);
    refuse_handle(writes, HF_READ_WRITE, HF_INVALID);
    refuse_handle(writes, HF_READ_ONLY, HF_INVALID);
    refuse_handle(writes, HF_COPY_ON_WRITE, HF_INVALID);
    const struct {
        int handle;
        hf_access access;
    } sound[] = {{reads, HF_READ_ONLY},
                 {reads, HF_COPY_ON_WRITE},
                 {both, HF_READ_WRITE},
                 {both, HF_READ_ONLY},
                 {both, HF_COPY_ON_WRITE}};
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        CHECK_STATUS(HF_OK, hf_file_from_handle(&file, sound[i].handle, sound[i].access, NULL));
        hf_status store = sound[i].access == HF_READ_WRITE ? HF_OK : HF_INVALID;
        CHECK_STATUS(store, try_view(file, 0, HF_READ_WRITE));
        CHECK_STATUS(HF_OK, try_view(file, 0, HF_READ_ONLY));
        hf_file_close(file);
    }
    close(reads);
    close(writes);
    close(both);
    unlink(path);
}

static void a_handle_of_no_regular_file(void) {
    int ends[2], folder = open("/", O_RDONLY), device = open("/dev/null", O_RDWR);
    CHECK(pipe(ends) == 0 && folder >= 0 && device >= 0);
    refuse_handle(ends[0], HF_READ_ONLY, HF_UNSUPPORTED);
    refuse_handle(folder, HF_READ_ONLY, HF_UNSUPPORTED);
    refuse_handle(device, HF_READ_WRITE, HF_UNSUPPORTED);
    close(ends[0]);
    close(ends[1]);
    close(folder);
    close(device);
}

/* ------------------------------------------------------------------- failures --------------- */

static int plain_descriptor;

static hf_status open_plain(hf_file **file, const hf_backend *backend) {
    return hf_file_open(file, path, HF_READ_WRITE, backend);
}
static hf_status create_new(hf_file **file, const hf_backend *backend) {
    unlink(path);
    return hf_file_create(file, path, 12345, backend);
}
static hf_status create_shared(hf_file **file, const hf_backend *backend) {
    return hf_file_create_shared(file, 12345, backend);
}
static hf_status take_handle(hf_file **file, const hf_backend *backend) {
    return hf_file_from_handle(file, plain_descriptor, HF_READ_WRITE, backend);
}

typedef hf_status way_to_file(hf_file **, const hf_backend *);

static void attempt_file(struct failure *failure) {
    way_to_file *const *way = failure->user;
    int lowest = lowest_descriptor();
    hf_file *const untouched = (hf_file *)(void *)&lowest, *file = untouched;
    failure_on(failure);
    hf_status status = (*way)(&file, failure->strict);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0));
    if (status != HF_OK) {
        CHECK(file == untouched);
        CHECK(hf_last_error().os_code != 0);
        check_nothing_left(failure->strict);
        CHECK_EQUAL(lowest, lowest_descriptor());
        if (*way == create_new) CHECK(!exists(path));
        CHECK_STATUS(HF_OK, (*way)(&file, failure->strict));
    }
    CHECK(hf_file_size(file) == 12345);
    hf_file_close(file);
    CHECK_EQUAL(lowest, lowest_descriptor());
}

static void a_file_opens_whole_or_not_at_all(void) {
    static way_to_file *const ways[] = {open_plain, take_handle, create_shared, create_new};
    plain_descriptor = make_plain_file(0);
    CHECK(ftruncate(plain_descriptor, 12345) == 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        size_t outer = check_enter("way %zu", i);
        CHECK(each_failure(attempt_file, &ways[i]) >= 2 * 3); /* its record, its lock, the file */
        check_leave(outer);
    }
    close(plain_descriptor);
    unlink(path);
}

static void nothing_is_a_file_too(void) {
    hf_file_close(NULL);
    CHECK_EQUAL(0, hf_file_size(NULL));
}

CHECK_MAIN(TEST(opens_what_is_there), TEST(access_says_which_views), TEST(stores_reach_the_disk),
           TEST(an_empty_file_has_no_room_for_a_view), TEST(a_file_keeps_its_size),
           TEST(views_reach_far_into_a_file), TEST(paths_that_are_none),
           TEST(only_regular_files_are_supported), TEST(permissions_are_asked),
           TEST(creates_a_new_file), TEST(a_new_file_is_zero), TEST(never_overwrites),
           TEST(what_cannot_be_created), TEST(shared_memory_is_zero_and_shared),
           TEST(two_shared_memories_are_two), TEST(shared_memory_of_impossible_size),
           TEST(a_handle_is_duplicated), TEST(what_is_no_handle), TEST(a_handle_needs_the_access),
           TEST(a_handle_of_no_regular_file), TEST(a_file_opens_whole_or_not_at_all),
           TEST(nothing_is_a_file_too))
