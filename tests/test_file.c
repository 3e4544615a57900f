/*
 * The parts of file.h that are the same on every system: the four functions that open a file, their
 * errors, and that a failure leaves no handle and no file behind. test_file_posix.c and
 * test_windows.c test which kinds of paths and handles are files.
 */
#include "check.h"
#include "disk.h"
#include "nth_failure.h"
#include "space_fixture.h"

/* In the working directory of ctest. */
static const char path[] = "test_file.tmp", another_path[] = "test_file_another.tmp";

static size_t page_size(void) { return hf_backend_native()->page_size(hf_backend_native()); }

/* Maps one page of the file. Where there are no views, HF_UNSUPPORTED is expected for HF_OK. */
static void expect_view(hf_status expected, hf_file *file, uint64_t file_offset, hf_access access) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, page_size(), NULL));
    if (expected == HF_OK && !backend_has_views(NULL)) expected = HF_UNSUPPORTED;
    CHECK_STATUS(expected, hf_space_map(space, 0, page_size(), file, file_offset, access));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

/* A view of the file shows what disk_create wrote. Closes the file before it reads. */
static void expect_contents(hf_file *file, size_t size, hf_access access) {
    hf_space *space;
    if (!backend_has_views(NULL)) {
        check_leave_out("this system has no views in a space");
        hf_file_close(file);
        return;
    }
    CHECK_STATUS(HF_OK, hf_space_open(&space, page_size(), NULL));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, page_size(), file, 0, access));
    hf_file_close(file);
    for (size_t at = 0; at < size; at++)
        CHECK_EQUAL((unsigned char)at, (unsigned char)hf_space_base(space)[at]);
    hf_space_close(space);
}

/* ------------------------------------------------------------------- opening ---------------- */

static void opens_an_existing_file(void) {
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    size_t handles = disk_handles(), inherited = disk_inherited_handles();
    disk_close(disk_create(path, 300));
    for (size_t i = 0; i < 3; i++) {
        hf_file *file;
        CHECK_STATUS(HF_OK, hf_file_open(&file, path, accesses[i], NULL));
        CHECK_EQUAL(300, hf_file_size(file));
        CHECK_EQUAL(handles + 1, disk_handles());
        CHECK_EQUAL(inherited, disk_inherited_handles());
        expect_contents(file, 300, accesses[i]);
        CHECK_EQUAL(handles, disk_handles());
    }
    disk_remove(path);
}

/* Read-only and copy-on-write views do not change the file: every access permits both. */
static void the_access_limits_the_views(void) {
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    disk_close(disk_create(path, 10));
    for (size_t i = 0; i < 3; i++) {
        hf_file *file;
        CHECK_STATUS(HF_OK, hf_file_open(&file, path, accesses[i], NULL));
        hf_status store = accesses[i] == HF_READ_WRITE ? HF_OK : HF_INVALID;
        expect_view(store, file, 0, HF_READ_WRITE);
        expect_view(HF_OK, file, 0, HF_READ_ONLY);
        expect_view(HF_OK, file, 0, HF_COPY_ON_WRITE);
        hf_file_close(file);
    }
    disk_remove(path);
}

static void stores_reach_the_disk(void) {
    if (!require_views()) return;
    hf_file *file;
    hf_space *space;
    intptr_t handle = disk_create(path, 10);
    char byte;
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_WRITE, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * page_size(), NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, page_size(), file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK,
                 hf_space_map_range(space, page_size(), page_size(), file, 0, HF_COPY_ON_WRITE));
    hf_space_base(space)[3] = 'x';
    hf_space_base(space)[page_size() + 4] = 'y';
    CHECK(disk_load(handle, 3, &byte, 1) == 1 && byte == 'x');
    CHECK(disk_load(handle, 4, &byte, 1) == 1 && byte == 4);
    hf_file_close(file);
    hf_space_close(space);
    disk_close(handle);
    disk_remove(path);
}

static void an_empty_file_has_no_room_for_a_view(void) {
    hf_file *file;
    disk_close(disk_create(path, 0));
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_WRITE, NULL));
    CHECK_EQUAL(0, hf_file_size(file));
    expect_view(HF_INVALID, file, 0, HF_READ_ONLY);
    hf_file_close(file);
    disk_remove(path);
}

static void the_size_is_that_at_opening(void) {
    hf_file *file;
    intptr_t handle = disk_create(path, 10);
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_ONLY, NULL));
    disk_resize(handle, 5 * page_size());
    CHECK_EQUAL(10, hf_file_size(file));
    expect_view(HF_INVALID, file, page_size(), HF_READ_ONLY);
    hf_file_close(file);
    disk_close(handle);
    disk_remove(path);
}

static void views_beyond_4_gib(void) {
    if (!require_views()) return;
    uint64_t far = (uint64_t)5 << 30;
    hf_file *file;
    hf_space *space;
    intptr_t handle = disk_create(path, 0);
    disk_store(handle, far + 7, "x", 1);
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_ONLY, NULL));
    CHECK_EQUAL(far + 8, hf_file_size(file));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * page_size(), NULL));
    CHECK_STATUS(HF_INVALID, hf_space_map(space, 0, 2 * page_size(), file, far, HF_READ_ONLY));
    CHECK_STATUS(HF_OK,
                 hf_space_map(space, 0, 2 * page_size(), file, far - page_size(), HF_READ_ONLY));
    hf_region region;
    CHECK(hf_space_find(space, 0, &region));
    CHECK_EQUAL(far - page_size(), region.file_offset);
    CHECK_EQUAL('x', hf_space_base(space)[page_size() + 7]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_file_close(file);
    hf_space_close(space);
    disk_close(handle);
    disk_remove(path);
}

/* ------------------------------------------------------------- open errors ------------------ */

/* HF_INVALID comes from the function itself or from the system; all others from the system. */
static void expect_error(hf_status status, const char *function, uint64_t size) {
    hf_error error = hf_last_error();
    CHECK_STATUS(status, error.status);
    CHECK_EQUAL(0, error.offset);
    CHECK_EQUAL(size > SIZE_MAX ? SIZE_MAX : (size_t)size, error.size);
    CHECK(error.call != NULL);
    if (status != HF_INVALID) CHECK(strncmp(error.call, "hf_", 3) != 0 && error.os_code != 0);
    if (status == HF_INVALID && error.os_code == 0) CHECK_EQUAL(0, strcmp(function, error.call));
}

/* Opening fails with this status and code, leaves nothing open and does not change *file. */
static void expect_open_error(const char *name, hf_access access, hf_status expected, long code) {
    size_t marker, handles = disk_handles();
    hf_file *const untouched = (hf_file *)(void *)&marker, *file = untouched;
    size_t outer = check_enter("opening %s, access %d", name ? name : "NULL", (int)access);
    CHECK_STATUS(expected, hf_file_open(&file, name, access, NULL));
    CHECK(file == untouched);
    CHECK_EQUAL(code, hf_last_error().os_code);
    expect_error(expected, "hf_file_open", 0);
    CHECK_EQUAL(handles, disk_handles());
    check_leave(outer);
}

static void expect_open_error_for_each_access(const char *name, hf_status expected, long code) {
    expect_open_error(name, HF_READ_WRITE, expected, code);
    expect_open_error(name, HF_READ_ONLY, expected, code);
    expect_open_error(name, HF_COPY_ON_WRITE, expected, code);
}

static void invalid_paths_fail(void) {
    expect_open_error_for_each_access(NULL, HF_INVALID, 0);
    expect_open_error_for_each_access("", HF_INVALID, 0);
    expect_open_error(path, (hf_access)3, HF_INVALID, 0);
    expect_open_error(path, (hf_access)-1, HF_INVALID, 0);
    expect_open_error_for_each_access("no/such/file", HF_IO, disk_answers.no_folder);
    CHECK_STATUS(HF_INVALID, hf_file_open(NULL, path, HF_READ_ONLY, NULL));
}

/* ------------------------------------------------------------------ creating ---------------- */

static void creates_a_new_file(void) {
    static const size_t sizes[] = {1, 4095, 4096, 4097, 100000, 5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t handles = disk_handles(), inherited = disk_inherited_handles();
        hf_file *file;
        disk_remove(path);
        CHECK_STATUS(HF_OK, hf_file_create(&file, path, sizes[i], NULL));
        CHECK_EQUAL(sizes[i], hf_file_size(file));
        CHECK_EQUAL(inherited, disk_inherited_handles());
        CHECK_EQUAL(sizes[i], disk_size(path));
        CHECK(disk_allocated(path) >= sizes[i]); /* no store can find the disk full */
        expect_view(HF_OK, file, 0, HF_READ_WRITE);
        expect_view(HF_OK, file, 0, HF_READ_ONLY);
        expect_view(HF_OK, file, 0, HF_COPY_ON_WRITE);
        hf_file_close(file);
        CHECK_EQUAL(handles, disk_handles());
    }
    disk_remove(path);
}

static void a_new_file_is_zero(void) {
    if (!require_views()) return;
    hf_file *file;
    hf_space *space;
    size_t size = 50 * page_size();
    disk_remove(path);
    CHECK_STATUS(HF_OK, hf_file_create(&file, path, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, size, file, 0, HF_READ_WRITE));
    for (size_t i = 0; i < size; i++) CHECK(hf_space_base(space)[i] == 0);
    hf_space_close(space);
    hf_file_close(file);
    disk_remove(path);
}

static void never_overwrites(void) {
    hf_file *file = NULL;
    char byte;
    intptr_t handle = disk_create(path, 10);
    CHECK_STATUS(HF_IO, hf_file_create(&file, path, 100, NULL));
    CHECK_EQUAL(disk_answers.exists, hf_last_error().os_code);
    CHECK_EQUAL(100, hf_last_error().size);
    CHECK(file == NULL);
    CHECK(disk_load(handle, 9, &byte, 1) == 1 && byte == 9);
    CHECK(disk_load(handle, 10, &byte, 1) == 0);
    disk_close(handle);
    disk_remove(path);
}

static void expect_create_error(const char *name, uint64_t size, hf_status expected, long code) {
    size_t marker, handles = disk_handles();
    hf_file *const untouched = (hf_file *)(void *)&marker, *file = untouched;
    size_t outer =
        check_enter("creating %s of %#llx bytes", name ? name : "NULL", (unsigned long long)size);
    CHECK_STATUS(expected, hf_file_create(&file, name, size, NULL));
    CHECK(file == untouched);
    if (code >= 0) CHECK_EQUAL(code, hf_last_error().os_code);
    expect_error(expected, "hf_file_create", expected == HF_INVALID ? 0 : size);
    CHECK_EQUAL(handles, disk_handles());
    CHECK(name == NULL || *name == '\0' || !disk_exists(name));
    check_leave(outer);
}

static void create_fails(void) {
    disk_remove(path);
    expect_create_error(NULL, 1, HF_INVALID, 0);
    expect_create_error("", 1, HF_INVALID, 0);
    expect_create_error(path, 0, HF_INVALID, 0);
    expect_create_error("no/such/folder", 1, HF_IO, disk_answers.no_folder);
    expect_create_error(path, (uint64_t)INT64_MAX + 1, HF_NO_SPACE, disk_answers.too_large);
    expect_create_error(path, UINT64_MAX, HF_NO_SPACE, disk_answers.too_large);
    expect_create_error(path, (uint64_t)1 << 62, HF_NO_SPACE, -1);
    CHECK_STATUS(HF_INVALID, hf_file_create(NULL, path, 1, NULL));
    CHECK(!disk_exists(path));
}

/* ---------------------------------------------------------- shared memory ------------------- */

static void shared_memory_is_zero_and_shared(void) {
    if (!require_views()) return;
    hf_file *file;
    hf_space *space;
    size_t g = page_size(), handles = disk_handles(), inherited = disk_inherited_handles();
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 2 * g, NULL));
    CHECK_EQUAL(2 * g, hf_file_size(file));
    CHECK_EQUAL(inherited, disk_inherited_handles());
    CHECK_STATUS(HF_OK, hf_space_open(&space, 8 * g, NULL));
    for (size_t i = 0; i < 4; i++)
        CHECK_STATUS(HF_OK, hf_space_map_range(space, 2 * i * g, 2 * g, file, 0, HF_READ_WRITE));
    char *base = hf_space_base(space);
    for (size_t i = 0; i < 8 * g; i++) CHECK(base[i] == 0);
    base[g + 1] = 'x';
    CHECK(base[3 * g + 1] == 'x' && base[5 * g + 1] == 'x' && base[7 * g + 1] == 'x');
    hf_space_close(space);
    hf_file_close(file);
    CHECK_EQUAL(handles, disk_handles());
}

static void two_shared_memories_are_separate(void) {
    if (!require_views()) return;
    hf_file *one, *other;
    hf_space *space;
    size_t g = page_size();
    CHECK_STATUS(HF_OK, hf_file_create_shared(&one, g, NULL));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&other, g, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * g, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, g, one, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, g, g, other, 0, HF_READ_WRITE));
    hf_space_base(space)[0] = 'x';
    CHECK_EQUAL(0, hf_space_base(space)[g]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    hf_file_close(one);
    hf_file_close(other);
}

static void shared_memory_of_impossible_size(void) {
    static const uint64_t sizes[] = {(uint64_t)INT64_MAX + 1, UINT64_MAX};
    size_t handles = disk_handles();
    hf_file *file = NULL;
    CHECK_STATUS(HF_INVALID, hf_file_create_shared(&file, 0, NULL));
    CHECK_STATUS(HF_INVALID, hf_file_create_shared(NULL, 1, NULL));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK_STATUS(disk_answers.too_much_shared, hf_file_create_shared(&file, sizes[i], NULL));
        expect_error(disk_answers.too_much_shared, "hf_file_create_shared", sizes[i]);
    }
    CHECK(file == NULL);
    CHECK_EQUAL(handles, disk_handles());
}

/* -------------------------------------------------------------------- handles --------------- */

/* The caller's handle stays open, and may be closed while the file is in use. */
static void a_handle_is_duplicated(void) {
    hf_file *file;
    size_t handles = disk_handles(), inherited = disk_inherited_handles();
    intptr_t handle = disk_create(path, 100);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, handle, HF_READ_WRITE, NULL));
    CHECK_EQUAL(handles + 2, disk_handles());
    CHECK_EQUAL(inherited, disk_inherited_handles());
    disk_close(handle);
    CHECK_EQUAL(100, hf_file_size(file));
    expect_contents(file, 100, HF_READ_WRITE);
    CHECK_EQUAL(handles, disk_handles());
    handle = disk_create(path, 1);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, handle, HF_READ_WRITE, NULL));
    hf_file_close(file);
    disk_close(handle); /* fails if hf_file_close closed it */
    disk_remove(path);
}

static void expect_handle_error(intptr_t handle, hf_access access, hf_status expected) {
    size_t marker, handles = disk_handles();
    hf_file *const untouched = (hf_file *)(void *)&marker, *file = untouched;
    size_t outer = check_enter("handle %lld, access %d", (long long)handle, (int)access);
    CHECK_STATUS(expected, hf_file_from_handle(&file, handle, access, NULL));
    CHECK(file == untouched);
    expect_error(expected, "hf_file_from_handle", 0);
    CHECK_EQUAL(handles, disk_handles());
    check_leave(outer);
}

static void invalid_handles_fail(void) {
    intptr_t handle = disk_create(path, 1), closed = disk_open(path, DISK_BOTH);
    disk_close(closed);
    expect_handle_error(-1, HF_READ_ONLY, HF_INVALID);
    expect_handle_error(INTPTR_MIN, HF_READ_ONLY, HF_INVALID);
    expect_handle_error(INTPTR_MAX, HF_READ_ONLY, HF_INVALID);
    expect_handle_error(closed, HF_READ_ONLY, HF_INVALID);
    expect_handle_error(handle, (hf_access)3, HF_INVALID);
    CHECK_STATUS(HF_INVALID, hf_file_from_handle(NULL, handle, HF_READ_ONLY, NULL));
    disk_close(handle);
    disk_remove(path);
}

static void a_handle_needs_the_access(void) {
    disk_close(disk_create(path, 1));
    intptr_t reads = disk_open(path, DISK_LOADS), writes = disk_open(path, DISK_STORES);
    intptr_t both = disk_open(path, DISK_BOTH);
    hf_file *file;
    expect_handle_error(reads, HF_READ_WRITE, HF_INVALID);
    expect_handle_error(writes, HF_READ_WRITE, HF_INVALID);
    expect_handle_error(writes, HF_READ_ONLY, HF_INVALID);
    expect_handle_error(writes, HF_COPY_ON_WRITE, HF_INVALID);
    const struct {
        intptr_t handle;
        hf_access access;
    } sound[] = {{reads, HF_READ_ONLY},
                 {reads, HF_COPY_ON_WRITE},
                 {both, HF_READ_WRITE},
                 {both, HF_READ_ONLY},
                 {both, HF_COPY_ON_WRITE}};
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        CHECK_STATUS(HF_OK, hf_file_from_handle(&file, sound[i].handle, sound[i].access, NULL));
        hf_status store = sound[i].access == HF_READ_WRITE ? HF_OK : HF_INVALID;
        expect_view(store, file, 0, HF_READ_WRITE);
        expect_view(HF_OK, file, 0, HF_READ_ONLY);
        hf_file_close(file);
    }
    disk_close(reads);
    disk_close(writes);
    disk_close(both);
    disk_remove(path);
}

/* ------------------------------------------------------------------- failures --------------- */

static intptr_t plain;

static hf_status open_plain(hf_file **file, const hf_backend *backend) {
    return hf_file_open(file, path, HF_READ_WRITE, backend);
}
static hf_status create_new(hf_file **file, const hf_backend *backend) {
    disk_remove(another_path);
    return hf_file_create(file, another_path, 12345, backend);
}
static hf_status create_shared(hf_file **file, const hf_backend *backend) {
    return hf_file_create_shared(file, 12345, backend);
}
static hf_status open_handle(hf_file **file, const hf_backend *backend) {
    return hf_file_from_handle(file, plain, HF_READ_WRITE, backend);
}

typedef hf_status way_to_file(hf_file **, const hf_backend *);

static void attempt_file(struct failure *failure) {
    way_to_file *const *way = failure->user;
    size_t handles = disk_handles();
    hf_file *const untouched = (hf_file *)(void *)&handles, *file = untouched;
    failure_on(failure);
    hf_status status = (*way)(&file, failure->strict);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0));
    if (status != HF_OK) {
        CHECK(file == untouched);
        check_failure(failure, status);
        expect_error(status, "", hf_last_error().size);
        check_nothing_left(failure->strict);
        CHECK_EQUAL(handles, disk_handles());
        if (*way == create_new) CHECK(!disk_exists(another_path));
        CHECK_STATUS(HF_OK, (*way)(&file, failure->strict));
    }
    CHECK(hf_file_size(file) == 12345);
    hf_file_close(file);
    CHECK_EQUAL(handles, disk_handles());
}

static void a_file_opens_whole_or_not_at_all(void) {
    static way_to_file *const ways[] = {open_plain, open_handle, create_shared, create_new};
    plain = disk_create(path, 0);
    disk_resize(plain, 12345);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        size_t outer = check_enter("way %zu", i);
        CHECK(each_failure(attempt_file, &ways[i]) >= 2 * 2); /* for its record and the file */
        check_leave(outer);
    }
    disk_close(plain);
    disk_remove(path);
    disk_remove(another_path);
}

static void a_null_file_is_allowed(void) {
    hf_file_close(NULL);
    CHECK_EQUAL(0, hf_file_size(NULL));
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(opens_an_existing_file), TEST(the_access_limits_the_views),
           TEST(stores_reach_the_disk), TEST(an_empty_file_has_no_room_for_a_view),
           TEST(the_size_is_that_at_opening), TEST(views_beyond_4_gib), TEST(invalid_paths_fail),
           TEST(creates_a_new_file), TEST(a_new_file_is_zero), TEST(never_overwrites),
           TEST(create_fails), TEST(shared_memory_is_zero_and_shared),
           TEST(two_shared_memories_are_separate), TEST(shared_memory_of_impossible_size),
           TEST(a_handle_is_duplicated), TEST(invalid_handles_fail),
           TEST(a_handle_needs_the_access), TEST(a_file_opens_whole_or_not_at_all),
           TEST(a_null_file_is_allowed))
