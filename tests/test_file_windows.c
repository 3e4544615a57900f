/*
 * What a path and a HANDLE can be on Windows besides a file that maps: folders, devices, pipes, and
 * sections of others.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "check.h"
#include "disk.h"
#include "holdfast/file.h"
#include "scene.h"

static const char path[] = "test_file_windows.tmp";

static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};

/* ----------------------------------------------------------------------- paths -------------- */

static void refuse_open(const char *name, hf_access access, hf_status expected, long code) {
    size_t handles = disk_handles();
    hf_file *file = NULL;
    size_t outer = check_enter("opening %s, access %d", name, (int)access);
    CHECK_STATUS(expected, hf_file_open(&file, name, access, NULL));
    if (code != 0) CHECK_EQUAL(code, hf_last_error().os_code);
    CHECK(file == NULL);
    CHECK_EQUAL(handles, disk_handles());
    check_leave(outer);
}

static void refuse_open_with_every_access(const char *name, hf_status expected, long code) {
    for (size_t i = 0; i < 3; i++) refuse_open(name, accesses[i], expected, code);
}

static void paths_that_lead_nowhere(void) {
    refuse_open_with_every_access("no_such_file", HF_IO, ERROR_FILE_NOT_FOUND);
    refuse_open_with_every_access("a name with a ?", HF_IO, ERROR_INVALID_NAME);
    refuse_open_with_every_access("\xff no UTF-8", HF_IO, ERROR_NO_UNICODE_TRANSLATION);
}

static void only_regular_files_are_supported(void) {
    refuse_open_with_every_access(".", HF_UNSUPPORTED, 0);
    refuse_open_with_every_access("C:\\", HF_UNSUPPORTED, 0);
    refuse_open_with_every_access("NUL", HF_UNSUPPORTED, 0);
}

/* A path is UTF-8, whatever the code page is. */
static void a_path_is_utf_8(void) {
    static const wchar_t wide[] = L"test_file_\u00fc\u6f22.tmp";
    hf_file *file;
    DeleteFileW(wide);
    CHECK_STATUS(HF_OK, hf_file_create(&file, "test_file_\xc3\xbc\xe6\xbc\xa2.tmp", 5, NULL));
    hf_file_close(file);
    CHECK(DeleteFileW(wide));
}

/* Wine that runs as root writes what is read-only. */
static bool obeys_read_only(void) {
    HANDLE file = CreateFileA(path, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
    return file == INVALID_HANDLE_VALUE;
}

static void a_read_only_file_is_read_only(void) {
    hf_file *file = NULL;
    disk_close(disk_create(path, 1));
    CHECK(SetFileAttributesA(path, FILE_ATTRIBUTE_READONLY));
    if (obeys_read_only())
        refuse_open(path, HF_READ_WRITE, HF_IO, ERROR_ACCESS_DENIED);
    else
        check_leave_out("the system itself writes a read-only file here");
    for (size_t i = 1; i < 3; i++) {
        CHECK_STATUS(HF_OK, hf_file_open(&file, path, accesses[i], NULL));
        hf_file_close(file);
    }
    CHECK(SetFileAttributesA(path, FILE_ATTRIBUTE_NORMAL));
    disk_remove(path);
}

/* Another's file that nobody else may write. */
static void a_file_that_is_not_shared_is_refused(void) {
    disk_close(disk_create(path, 1));
    HANDLE held = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    hf_file *file;
    CHECK(held != INVALID_HANDLE_VALUE);
    refuse_open(path, HF_READ_WRITE, HF_IO, ERROR_SHARING_VIOLATION);
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_ONLY, NULL));
    hf_file_close(file);
    CloseHandle(held);
    disk_remove(path);
}

/* --------------------------------------------------------------------- handles -------------- */

static void refuse_handle(HANDLE handle, hf_access access, hf_status expected) {
    size_t handles = disk_handles();
    hf_file *file = NULL;
    size_t outer = check_enter("handle %p, access %d", (void *)handle, (int)access);
    CHECK_STATUS(expected, hf_file_from_handle(&file, (intptr_t)handle, access, NULL));
    CHECK(file == NULL);
    CHECK_EQUAL(handles, disk_handles());
    check_leave(outer);
}

static void what_cannot_be_mapped(void) {
    HANDLE reads, writes, event = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE folder = CreateFileA(".", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    CHECK(CreatePipe(&reads, &writes, NULL, 0));
    CHECK(event != NULL && folder != INVALID_HANDLE_VALUE);
    refuse_handle(NULL, HF_READ_ONLY, HF_INVALID);
    refuse_handle(reads, HF_READ_ONLY, HF_UNSUPPORTED);
    refuse_handle(folder, HF_READ_ONLY, HF_UNSUPPORTED);
    refuse_handle(event, HF_READ_ONLY, HF_UNSUPPORTED);
    CloseHandle(reads);
    CloseHandle(writes);
    CloseHandle(folder);
    CloseHandle(event);
}

static HANDLE make_section(DWORD protection, DWORD size) {
    HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, protection, 0, size, NULL);
    CHECK(section != NULL);
    return section;
}

static void expect_view(HANDLE section, hf_file *file, size_t size) {
    hf_space *space;
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    CHECK(view != NULL);
    view[5] = 'x';
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, size, file, 0, HF_READ_WRITE));
    CHECK_EQUAL('x', hf_space_base(space)[5]);
    hf_space_base(space)[6] = 'y';
    CHECK_EQUAL('y', view[6]);
    hf_space_close(space);
    UnmapViewOfFile(view);
}

/* Shared memory of another's making is a file too. */
static void a_section_is_a_file(void) {
    size_t size = 3 * hf_backend_native()->granule(hf_backend_native());
    HANDLE section = make_section(PAGE_READWRITE, (DWORD)size);
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, (intptr_t)section, HF_READ_WRITE, NULL));
    CHECK_EQUAL(size, hf_file_size(file));
    if (scene_has_views(NULL))
        expect_view(section, file, size);
    else
        check_leave_out("this system has no views in a space");
    hf_file_close(file);
    CloseHandle(section);
}

static HANDLE with_rights(HANDLE section, DWORD rights) {
    HANDLE copy, process = GetCurrentProcess();
    CHECK(DuplicateHandle(process, section, process, &copy, rights, FALSE, 0));
    return copy;
}

static void a_section_needs_the_access(void) {
    HANDLE section = make_section(PAGE_READWRITE, 1000);
    HANDLE loads = with_rights(section, SECTION_MAP_READ | SECTION_QUERY);
    hf_file *file;
    refuse_handle(loads, HF_READ_WRITE, HF_INVALID);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, (intptr_t)loads, HF_READ_ONLY, NULL));
    hf_file_close(file);
    CloseHandle(loads);
    CloseHandle(section);
}

/* Pages that are reserved alone would fault in a view. */
static void a_section_of_reserved_pages_is_none(void) {
    HANDLE section = make_section(PAGE_READWRITE | SEC_RESERVE, 65536);
    refuse_handle(section, HF_READ_WRITE, HF_UNSUPPORTED);
    CloseHandle(section);
}

CHECK_MAIN(TEST(paths_that_lead_nowhere), TEST(only_regular_files_are_supported),
           TEST(a_path_is_utf_8), TEST(a_read_only_file_is_read_only),
           TEST(a_file_that_is_not_shared_is_refused), TEST(what_cannot_be_mapped),
           TEST(a_section_is_a_file), TEST(a_section_needs_the_access),
           TEST(a_section_of_reserved_pages_is_none))
