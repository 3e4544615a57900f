/*
 * Files that several processes share, as far as it is the same on every system: the handle of a
 * file, sealed sizes, holes, and shared memory with a name. test_file_posix.c and test_windows.c
 * test them with a second process and with plain system calls.
 */
#include "check.h"
#include "disk.h"
#include "nth_failure.h"
#include "space_fixture.h"

/* In the working directory of ctest. */
static const char path[] = "test_file_shared.tmp";

static size_t page_size(void) { return hf_backend_native()->page_size(hf_backend_native()); }

/* The names of shared memory are those of the whole machine. */
static const char *name(void) {
    static char text[64];
    if (text[0] == '\0')
        snprintf(text, sizeof text, "holdfast-test.shared_%llx",
                 (unsigned long long)hf_backend_native()->process(hf_backend_native()));
    return text;
}

/* Optional functions that this system lacks: HF_UNSUPPORTED is expected for HF_OK. */
static bool has_seals(void) { return hf_backend_native()->file_seal != NULL; }
static bool has_holes(void) { return hf_backend_native()->file_punch_hole != NULL; }
static bool has_names(void) { return hf_backend_native()->file_create_named != NULL; }

static bool require_names(void) {
    if (!has_names()) check_skip("this system has no shared memory with a name");
    return has_names();
}

/* A view of all of the file; the space is closed with it. */
static hf_space *view(hf_file *file, size_t size, hf_access access) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, size, file, 0, access));
    return space;
}

static void expect_error(hf_status expected, hf_status status, const char *call) {
    CHECK_STATUS(expected, status);
    CHECK_STATUS(expected, hf_last_error().status);
    CHECK_EQUAL(0, strcmp(call, hf_last_error().call));
}

/* --------------------------------------------------------------------- handles -------------- */

/* The file that was made from the handle stays when the first one is closed. */
static void expect_same_file(hf_file *file, size_t size) {
    hf_file *other;
    CHECK(hf_file_handle(file) != -1);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&other, hf_file_handle(file), HF_READ_WRITE, NULL));
    CHECK(hf_file_handle(other) != hf_file_handle(file));
    CHECK_EQUAL(hf_file_size(file), hf_file_size(other));
    if (!backend_has_views(NULL)) {
        hf_file_close(file);
        hf_file_close(other);
        return;
    }
    hf_space *one = view(file, size, HF_READ_WRITE);
    hf_file_close(file);
    hf_space *another = view(other, size, HF_READ_WRITE);
    hf_file_close(other);
    hf_space_base(one)[7] = 'x';
    CHECK_EQUAL('x', hf_space_base(another)[7]);
    hf_space_close(one);
    hf_space_close(another);
}

static void the_handle_opens_the_same_file(void) {
    size_t handles = disk_handles();
    hf_file *file;
    disk_remove(path);
    CHECK_STATUS(HF_OK, hf_file_create(&file, path, 3 * page_size(), NULL));
    expect_same_file(file, 3 * page_size());
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 3 * page_size(), NULL));
    expect_same_file(file, 3 * page_size());
    if (has_names()) {
        CHECK_STATUS(HF_OK, hf_file_create_named(&file, name(), 3 * page_size(), NULL));
        CHECK_STATUS(HF_OK, hf_file_remove_named(name(), NULL));
        expect_same_file(file, 3 * page_size());
    }
    CHECK_EQUAL(handles, disk_handles());
    CHECK_EQUAL(-1, hf_file_handle(NULL));
    disk_remove(path);
}

/* ----------------------------------------------------------------------- seals -------------- */

static void a_size_is_sealed(void) {
    hf_file *file, *other;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 2 * page_size(), NULL));
    CHECK_STATUS(HF_OK, hf_file_from_handle(&other, hf_file_handle(file), HF_READ_WRITE, NULL));
    if (has_seals()) {
        CHECK_STATUS(HF_OK, hf_file_seal(file));
        CHECK_STATUS(HF_OK, hf_file_seal(file));
        CHECK_STATUS(HF_OK, hf_file_seal(other));
    } else {
        expect_error(HF_UNSUPPORTED, hf_file_seal(file), "hf_file_seal");
        CHECK(hf_last_error().reason != NULL);
    }
    CHECK_EQUAL(has_seals(), hf_file_is_sealed(file));
    CHECK_EQUAL(has_seals(), hf_file_is_sealed(other));
    hf_file_close(other);
    if (backend_has_views(NULL)) { /* stores are still possible */
        hf_space *space = view(file, 2 * page_size(), HF_READ_WRITE);
        hf_space_base(space)[page_size()] = 'x';
        hf_space_close(space);
    }
    hf_file_close(file);
}

static void a_file_on_a_disk_cannot_be_sealed(void) {
    hf_file *file;
    disk_remove(path);
    CHECK_STATUS(HF_OK, hf_file_create(&file, path, page_size(), NULL));
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_seal(file));
    CHECK(hf_last_error().reason != NULL);
    CHECK(!hf_file_is_sealed(file));
    hf_file_close(file);
    disk_remove(path);
}

static void sealing_needs_a_file_that_was_opened_read_write(void) {
    static const hf_access accesses[] = {HF_READ_ONLY, HF_COPY_ON_WRITE};
    hf_file *file, *other;
    expect_error(HF_INVALID, hf_file_seal(NULL), "hf_file_seal");
    CHECK(!hf_file_is_sealed(NULL));
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page_size(), NULL));
    for (size_t i = 0; i < 2; i++) {
        CHECK_STATUS(HF_OK, hf_file_from_handle(&other, hf_file_handle(file), accesses[i], NULL));
        expect_error(HF_INVALID, hf_file_seal(other), "hf_file_seal");
        hf_file_close(other);
    }
    hf_file_close(file);
}

/* ----------------------------------------------------------------------- holes -------------- */

enum { HOLE_PAGES = 5 };

/* |x|x|0|0|x| after the hole, through the view that was made before it. */
static void expect_hole(hf_file *file) {
    size_t g = page_size();
    hf_space *space = view(file, HOLE_PAGES * g, HF_READ_WRITE);
    hf_space *copied = view(file, HOLE_PAGES * g, HF_COPY_ON_WRITE);
    char *base = hf_space_base(space), *copy = hf_space_base(copied);
    memset(base, 'x', HOLE_PAGES * g);
    copy[2 * g] = 'y';
    CHECK_STATUS(HF_OK, hf_file_punch_hole(file, 2 * g, 2 * g));
    CHECK_EQUAL(HOLE_PAGES * g, hf_file_size(file));
    for (size_t at = 0; at < HOLE_PAGES * g; at++)
        CHECK_EQUAL(at / g == 2 || at / g == 3 ? 0 : 'x', base[at]);
    CHECK(copy[2 * g] == 'y' && copy[2 * g + 1] == 'x'); /* a private page */
    CHECK(copy[3 * g] == 0 && copy[4 * g] == 'x');
    base[2 * g] = 'z';
    CHECK(base[2 * g] == 'z' && base[2 * g + 1] == 0);
    CHECK_STATUS(HF_OK, hf_file_punch_hole(file, 0, HOLE_PAGES * g));
    for (size_t at = 0; at < HOLE_PAGES * g; at++) CHECK_EQUAL(0, base[at]);
    hf_space_close(copied);
    hf_space_close(space);
}

static void a_hole_reads_as_zero(void) {
    if (!has_holes()) {
        hf_file *file;
        CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page_size(), NULL));
        expect_error(HF_UNSUPPORTED, hf_file_punch_hole(file, 0, page_size()),
                     "hf_file_punch_hole");
        CHECK(hf_last_error().reason != NULL);
        hf_file_close(file);
        return;
    }
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, HOLE_PAGES * page_size(), NULL));
    expect_hole(file);
    CHECK_STATUS(HF_OK, hf_file_seal(file)); /* fixes the size, not the contents */
    expect_hole(file);
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_file_create_named(&file, name(), HOLE_PAGES * page_size(), NULL));
    CHECK_STATUS(HF_OK, hf_file_remove_named(name(), NULL));
    expect_hole(file);
    hf_file_close(file);
}

static void a_hole_gives_blocks_of_the_disk_back(void) {
    if (!has_holes()) {
        check_skip("this system cannot punch holes");
        return;
    }
    hf_file *file;
    size_t size = 100 * page_size() + 1;
    disk_remove(path);
    CHECK_STATUS(HF_OK, hf_file_create(&file, path, size, NULL));
    hf_status status = hf_file_punch_hole(file, 0, 99 * page_size());
    if (status == HF_UNSUPPORTED) {
        check_leave_out("the file system has no holes");
        CHECK(hf_last_error().reason != NULL);
    } else {
        CHECK_STATUS(HF_OK, status);
        CHECK(disk_allocated(path) < size / 2);
        CHECK_STATUS(HF_OK, hf_file_punch_hole(file, 99 * page_size(), 2 * page_size()));
        CHECK(disk_allocated(path) < size / 2);
    }
    CHECK_EQUAL(size, disk_size(path));
    hf_file_close(file);
    disk_remove(path);
}

static void expect_no_hole(hf_file *file, uint64_t offset, uint64_t size) {
    size_t outer = check_enter("a hole of %#llx bytes at %#llx", (unsigned long long)size,
                               (unsigned long long)offset);
    expect_error(HF_INVALID, hf_file_punch_hole(file, offset, size), "hf_file_punch_hole");
    CHECK_EQUAL(offset > SIZE_MAX ? SIZE_MAX : (size_t)offset, hf_last_error().offset);
    CHECK_EQUAL(size > SIZE_MAX ? SIZE_MAX : (size_t)size, hf_last_error().size);
    check_leave(outer);
}

/* A file of two pages and a byte. */
static void a_hole_consists_of_whole_pages_of_the_file(void) {
    size_t g = page_size();
    hf_file *file, *other;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 2 * g + 1, NULL));
    expect_no_hole(NULL, 0, g);
    expect_no_hole(file, 0, 0);
    expect_no_hole(file, 1, g);
    expect_no_hole(file, 0, g - 1);
    expect_no_hole(file, 0, 2 * g + 1);
    expect_no_hole(file, 0, 4 * g);
    expect_no_hole(file, 2 * g, 2 * g);
    expect_no_hole(file, 3 * g, g);
    expect_no_hole(file, 3 * g, 0);
    expect_no_hole(file, UINT64_MAX - g + 1, g);
    expect_no_hole(file, UINT64_MAX - g + 1, 2 * g);
    expect_no_hole(file, g, UINT64_MAX - g + 1);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&other, hf_file_handle(file), HF_READ_ONLY, NULL));
    expect_no_hole(other, 0, g);
    hf_file_close(other);
    hf_status whole = has_holes() ? HF_OK : HF_UNSUPPORTED;
    CHECK_STATUS(whole, hf_file_punch_hole(file, 0, 3 * g));
    CHECK_STATUS(whole, hf_file_punch_hole(file, 2 * g, g));
    hf_file_close(file);
}

/* ----------------------------------------------------------------------- names -------------- */

static void memory_is_shared_by_its_name(void) {
    if (!require_names()) return;
    size_t handles = disk_handles(), inherited = disk_inherited_handles(), g = page_size();
    hf_file *made, *found;
    CHECK_STATUS(HF_OK, hf_file_create_named(&made, name(), 3 * g, NULL));
    CHECK_EQUAL(3 * g, hf_file_size(made));
    CHECK_STATUS(HF_OK, hf_file_open_named(&found, name(), HF_READ_WRITE, NULL));
    CHECK_EQUAL(3 * g, hf_file_size(found));
    CHECK_EQUAL(inherited, disk_inherited_handles());
    if (backend_has_views(NULL)) {
        hf_space *one = view(made, 3 * g, HF_READ_WRITE);
        hf_space *other = view(found, 3 * g, HF_READ_WRITE);
        for (size_t at = 0; at < 3 * g; at++) CHECK_EQUAL(0, hf_space_base(one)[at]);
        hf_space_base(one)[2 * g] = 'x';
        CHECK_EQUAL('x', hf_space_base(other)[2 * g]);
        hf_space_close(one);
        hf_space_close(other);
    }
    hf_file_close(found);
    CHECK_STATUS(HF_OK, hf_file_remove_named(name(), NULL));
    hf_file_close(made);
    CHECK_EQUAL(handles, disk_handles());
}

/* Read-only and copy-on-write views do not change the memory: every access permits both. */
static void the_access_to_a_name_limits_the_views(void) {
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    if (!require_names() || !require_views()) return;
    hf_file *made, *found;
    CHECK_STATUS(HF_OK, hf_file_create_named(&made, name(), page_size(), NULL));
    for (size_t i = 0; i < 3; i++) {
        hf_space *space;
        CHECK_STATUS(HF_OK, hf_file_open_named(&found, name(), accesses[i], NULL));
        CHECK_STATUS(HF_OK, hf_space_open(&space, page_size(), NULL));
        CHECK_STATUS(accesses[i] == HF_READ_WRITE ? HF_OK : HF_INVALID,
                     hf_space_map_range(space, 0, page_size(), found, 0, HF_READ_WRITE));
        CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, page_size()));
        for (size_t j = 1; j < 3; j++) {
            CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, page_size(), found, 0, accesses[j]));
            CHECK_EQUAL(0, hf_space_base(space)[9]);
            CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, page_size()));
        }
        hf_space_close(space);
        hf_file_close(found);
    }
    CHECK_STATUS(HF_OK, hf_file_remove_named(name(), NULL));
    hf_file_close(made);
}

/* On Windows the name goes with the last open file. */
static void a_removed_name_is_free(void) {
    if (!require_names()) return;
    hf_file *file, *untouched = NULL;
    for (size_t i = 1; i <= 3; i++) {
        CHECK_STATUS(HF_OK, hf_file_create_named(&file, name(), i * page_size(), NULL));
        CHECK_EQUAL(i * page_size(), hf_file_size(file));
        CHECK_STATUS(HF_IO, hf_file_create_named(&untouched, name(), page_size(), NULL));
        CHECK(hf_last_error().os_code == disk_answers.exists ||
              hf_last_error().os_code == 183); /* ERROR_ALREADY_EXISTS */
        CHECK_EQUAL(page_size(), hf_last_error().size);
        CHECK_STATUS(HF_OK, hf_file_remove_named(name(), NULL));
        hf_file_close(file);
        CHECK_STATUS(HF_IO, hf_file_open_named(&untouched, name(), HF_READ_ONLY, NULL));
        CHECK_EQUAL(2, hf_last_error().os_code); /* ENOENT, ERROR_FILE_NOT_FOUND */
    }
    CHECK(untouched == NULL);
}

static void expect_name_error(const char *wrong) {
    hf_file *file = NULL;
    size_t outer = check_enter("the name %s", wrong ? wrong : "NULL");
    expect_error(HF_INVALID, hf_file_create_named(&file, wrong, 1, NULL), "hf_file_create_named");
    expect_error(HF_INVALID, hf_file_open_named(&file, wrong, HF_READ_ONLY, NULL),
                 "hf_file_open_named");
    expect_error(HF_INVALID, hf_file_remove_named(wrong, NULL), "hf_file_remove_named");
    CHECK(file == NULL);
    check_leave(outer);
}

static void names_are_the_same_on_every_system(void) {
    static const char *const wrong[] = {
        NULL,         "",          ".",    "..",  ".hidden",  "a/b",
        "/a",         "a/../b",    "a\\b", "a b", "a:",       "a*",
        "[",          "a@b",       "`",    "{",   "\xc3\xa4", "memory.saving00",
        "x.saving99", ".saving17", "a\n"};
    static char longest[HF_SHARED_NAME_SIZE + 1];
    hf_file *file = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) expect_name_error(wrong[i]);
    memset(longest, 'n', HF_SHARED_NAME_SIZE);
    expect_name_error(longest);
    longest[HF_SHARED_NAME_SIZE - 1] = '\0';
    const char *const good[] = {name(),       "AZaz09-_.", "a.saving0",
                                "a.saving0x", "saving00",  longest};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        hf_status status = hf_file_open_named(&file, good[i], HF_READ_ONLY, NULL);
        CHECK(status != HF_INVALID);
        if (status == HF_OK) hf_file_close(file); /* another program has this name */
        file = NULL;
    }
    CHECK_STATUS(HF_INVALID, hf_file_create_named(NULL, name(), 1, NULL));
    CHECK_STATUS(HF_INVALID, hf_file_create_named(&file, name(), 0, NULL));
    CHECK_STATUS(HF_INVALID, hf_file_open_named(NULL, name(), HF_READ_ONLY, NULL));
    CHECK_STATUS(HF_INVALID, hf_file_open_named(&file, name(), (hf_access)3, NULL));
    CHECK(file == NULL);
}

/* --------------------------------------------------------------------- failures ------------- */

static hf_status create_named(hf_file **file, const hf_backend *backend) {
    return hf_file_create_named(file, name(), 12345, backend);
}
static hf_status open_named(hf_file **file, const hf_backend *backend) {
    return hf_file_open_named(file, name(), HF_READ_WRITE, backend);
}

typedef hf_status way_to_file(hf_file **, const hf_backend *);

static void attempt_name(struct failure *failure) {
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
        check_nothing_left(failure->strict);
        CHECK_EQUAL(handles, disk_handles());
        CHECK_STATUS(HF_OK, (*way)(&file, failure->strict)); /* no name was left */
    }
    CHECK(hf_file_size(file) >= 12345); /* Windows has rounded it up */
    if (*way == create_named) CHECK_STATUS(HF_OK, hf_file_remove_named(name(), failure->strict));
    hf_file_close(file);
    CHECK_EQUAL(handles, disk_handles());
}

static void a_name_is_opened_whole_or_not_at_all(void) {
    static way_to_file *const create = create_named, *const open = open_named;
    hf_file *file;
    if (!require_names()) return;
    CHECK(each_failure(attempt_name, &create) >= 2 * 2); /* for its record and the memory */
    CHECK_STATUS(HF_OK, hf_file_create_named(&file, name(), 12345, NULL));
    CHECK(each_failure(attempt_name, &open) >= 2 * 2);
    CHECK_STATUS(HF_OK, hf_file_remove_named(name(), NULL));
    hf_file_close(file);
}

static hf_status seal(hf_file *file, const hf_backend *backend) {
    (void)backend;
    return hf_file_seal(file);
}
static hf_status punch_hole(hf_file *file, const hf_backend *backend) {
    (void)backend;
    return hf_file_punch_hole(file, 0, page_size());
}
static hf_status remove_name(hf_file *file, const hf_backend *backend) {
    (void)file;
    return hf_file_remove_named(name(), backend);
}

typedef hf_status change(hf_file *, const hf_backend *);

/* A change that failed has changed nothing, and succeeds when it is made again. */
static void attempt_change(struct failure *failure) {
    change *const *wanted = failure->user;
    hf_file *file;
    CHECK_STATUS(HF_OK, *wanted == remove_name
                            ? hf_file_create_named(&file, name(), page_size(), failure->strict)
                            : hf_file_create_shared(&file, page_size(), failure->strict));
    bool was_sealed = hf_file_is_sealed(file);
    failure_on(failure);
    hf_status status = (*wanted)(file, failure->strict);
    failure_off(failure);
    CHECK((status == HF_OK) == (failure->failed == 0));
    if (status != HF_OK) {
        check_failure(failure, status);
        CHECK_EQUAL(was_sealed, hf_file_is_sealed(file));
        CHECK_STATUS(HF_OK, (*wanted)(file, failure->strict));
    }
    if (*wanted == seal) CHECK(hf_file_is_sealed(file));
    hf_file_close(file);
}

static void a_failed_change_changes_nothing(void) {
    static change *const changes[] = {seal, punch_hole, remove_name};
    const bool can[] = {has_seals(), has_holes(), has_names()};
    for (size_t i = 0; i < 3; i++)
        if (can[i]) CHECK_EQUAL(2, each_failure(attempt_change, &changes[i]));
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(the_handle_opens_the_same_file), TEST(a_size_is_sealed),
           TEST(a_file_on_a_disk_cannot_be_sealed),
           TEST(sealing_needs_a_file_that_was_opened_read_write), TEST(a_hole_reads_as_zero),
           TEST(a_hole_gives_blocks_of_the_disk_back),
           TEST(a_hole_consists_of_whole_pages_of_the_file), TEST(memory_is_shared_by_its_name),
           TEST(the_access_to_a_name_limits_the_views), TEST(a_removed_name_is_free),
           TEST(names_are_the_same_on_every_system), TEST(a_name_is_opened_whole_or_not_at_all),
           TEST(a_failed_change_changes_nothing))
