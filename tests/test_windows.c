/*
 * Files, handles and views on Windows: names, kinds of handles and their rights, section handles of
 * the program, the last page of a file; protections as VirtualQuery shows them; and hf_space_check
 * after the memory of a space was changed by Windows calls.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winioctl.h>

#include "check.h"
#include "handles.h"
#include "holdfast/file.h"
#include "space_fixture.h"

#ifndef MEM_REPLACE_PLACEHOLDER
#define MEM_REPLACE_PLACEHOLDER 0x00004000
#endif
#ifndef MEM_COALESCE_PLACEHOLDERS
#define MEM_COALESCE_PLACEHOLDERS 0x00000001
#endif
#ifndef MEM_PRESERVE_PLACEHOLDER
#define MEM_PRESERVE_PLACEHOLDER 0x00000002
#endif

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const char path[] = "test_windows.tmp";

static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};

static size_t page(void) { return hf_backend_native()->page_size(hf_backend_native()); }

static HANDLE open_with(DWORD rights, DWORD sharing, DWORD how) {
    HANDLE handle = CreateFileA(path, rights, sharing, NULL, how, FILE_ATTRIBUTE_NORMAL, NULL);
    CHECK(handle != INVALID_HANDLE_VALUE);
    return handle;
}

static HANDLE open_plain(DWORD rights) {
    return open_with(rights, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, OPEN_EXISTING);
}

/* Makes a file filled with 'x'. */
static void write_file(size_t size) {
    DWORD written;
    SetFileAttributesA(path, FILE_ATTRIBUTE_NORMAL);
    HANDLE handle = open_with(GENERIC_WRITE, 0, CREATE_ALWAYS);
    for (size_t i = 0; i < size; i++)
        CHECK(WriteFile(handle, "x", 1, &written, NULL) && written == 1);
    CHECK(CloseHandle(handle));
}

static uint64_t length_of(HANDLE file) {
    LARGE_INTEGER length;
    CHECK(GetFileSizeEx(file, &length));
    return (uint64_t)length.QuadPart;
}

static uint64_t length_of_file(void) {
    HANDLE handle = open_plain(GENERIC_READ);
    uint64_t length = length_of(handle);
    CloseHandle(handle);
    return length;
}

static void set_length(HANDLE file, uint64_t length) {
    LARGE_INTEGER end = {.QuadPart = (LONGLONG)length};
    CHECK(SetFilePointerEx(file, end, NULL, FILE_BEGIN) && SetEndOfFile(file));
}

static char read_byte(size_t offset) {
    char byte;
    DWORD count;
    OVERLAPPED where = {.Offset = (DWORD)offset};
    HANDLE handle = open_plain(GENERIC_READ);
    CHECK(ReadFile(handle, &byte, 1, &count, &where) && count == 1);
    CloseHandle(handle);
    return byte;
}

static void expect_error(hf_status status, const char *call, DWORD code) {
    hf_error error = hf_last_error();
    CHECK_EQUAL(status, error.status);
    CHECK_EQUAL(code, error.os_code);
    CHECK(error.call && strcmp(call, error.call) == 0);
}

/* ---------------------------------------------------------------------- names --------------- */

static void expect_open_error(const char *name, hf_status status, const char *call, DWORD code) {
    for (size_t i = 0; i < COUNT_OF(accesses); i++) {
        DWORD handles = handles_open();
        hf_file *const untouched = (hf_file *)(void *)&handles, *file = untouched;
        size_t outer = check_enter("opening %s, access %d", name, (int)accesses[i]);
        CHECK_STATUS(status, hf_file_open(&file, name, accesses[i], NULL));
        expect_error(status, call, code);
        CHECK(file == untouched);
        CHECK_EQUAL(handles, handles_open());
        check_leave(outer);
    }
}

static void names_are_utf8(void) {
    static const char name[] = "gr\xc3\xbcn \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80.tmp";
    static const wchar_t wide[] = L"gr\u00fcn \u6f22\u5b57 \U0001f600.tmp";
    hf_file *file;
    DWORD handles = handles_open();
    DeleteFileW(wide);
    CHECK_STATUS(HF_OK, hf_file_create(&file, name, 100, NULL));
    hf_file_close(file);
    CHECK(GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES);
    CHECK_STATUS(HF_OK, hf_file_open(&file, name, HF_READ_WRITE, NULL));
    CHECK_EQUAL(100, hf_file_size(file));
    hf_file_close(file);
    CHECK(DeleteFileW(wide));
    CHECK_EQUAL(handles, handles_open());
}

static void names_that_are_not_utf8_are_io(void) {
    static const char *const names[] = {"\xff.tmp", "a\xc3", "\xed\xa0\x80.tmp", "\xc0\xaf.tmp"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        hf_file *file;
        expect_open_error(names[i], HF_IO, "MultiByteToWideChar", ERROR_NO_UNICODE_TRANSLATION);
        CHECK_STATUS(HF_IO, hf_file_create(&file, names[i], 1, NULL));
        expect_error(HF_IO, "MultiByteToWideChar", ERROR_NO_UNICODE_TRANSLATION);
    }
}

enum { LEVELS = 4, LEVEL_LENGTH = 150 };

/* Windows supports paths longer than MAX_PATH only in the functions for UTF-16. */
static void widen(const char *text, wchar_t *wide, size_t room) {
    CHECK(MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, (int)room) > 0);
}

static void make_folder(const char *name) {
    wchar_t wide[1000];
    widen(name, wide, COUNT_OF(wide));
    CHECK(CreateDirectoryW(wide, NULL) || GetLastError() == ERROR_ALREADY_EXISTS);
}

static void remove_folder(const char *name) {
    wchar_t wide[1000];
    widen(name, wide, COUNT_OF(wide));
    CHECK(RemoveDirectoryW(wide));
}

static bool remove_file(const char *name) {
    wchar_t wide[1000];
    widen(name, wide, COUNT_OF(wide));
    return DeleteFileW(wide);
}

/* Nested folders with a path longer than 260 characters, the limit without the prefix \\?\. */
static void long_paths_have_a_prefix(void) {
    char name[1000] = "\\\\?\\";
    hf_file *file;
    CHECK(GetCurrentDirectoryA(sizeof name / 4, name + 4) > 0);
    size_t start = strlen(name), end = start;
    for (int i = 0; i < LEVELS; i++) {
        name[end] = '\\';
        memset(name + end + 1, 'a' + i, LEVEL_LENGTH - 1);
        name[end += LEVEL_LENGTH] = '\0';
        make_folder(name);
    }
    strcpy(name + end, "\\file");
    remove_file(name);
    CHECK_STATUS(HF_OK, hf_file_create(&file, name, 10, NULL));
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_file_open(&file, name, HF_COPY_ON_WRITE, NULL));
    CHECK_EQUAL(10, hf_file_size(file));
    hf_file_close(file);
    CHECK(remove_file(name));
    for (name[end] = '\0'; end > start; name[end -= LEVEL_LENGTH] = '\0') remove_folder(name);
}

static void paths_too_long_or_missing_are_io(void) {
    static char name[40000];
    memset(name, 'a', sizeof name - 1);
    expect_open_error(name, HF_IO, "MultiByteToWideChar", ERROR_INSUFFICIENT_BUFFER);
    expect_open_error("no such file", HF_IO, "CreateFile", ERROR_FILE_NOT_FOUND);
    expect_open_error("no such folder\\file", HF_IO, "CreateFile", ERROR_PATH_NOT_FOUND);
}

/* ---------------------------------------------------------------- other files --------------- */

/* Opening a folder or a device is HF_UNSUPPORTED; creating a file of that name is HF_IO. */
static void folders_and_devices_are_unsupported(void) {
    static const char folder[] = "test_windows.folder";
    hf_file *file;
    CHECK(CreateDirectoryA(folder, NULL) || GetLastError() == ERROR_ALREADY_EXISTS);
    expect_open_error(folder, HF_UNSUPPORTED, "CreateFile", ERROR_ACCESS_DENIED);
    expect_open_error(".", HF_UNSUPPORTED, "CreateFile", ERROR_ACCESS_DENIED);
    expect_open_error("NUL", HF_UNSUPPORTED, "GetFileType", 0);
    CHECK_STATUS(HF_IO, hf_file_create(&file, folder, 1, NULL));
    CHECK_EQUAL(ERROR_FILE_EXISTS, hf_last_error().os_code);
    CHECK_STATUS(HF_IO, hf_file_create(&file, "NUL", 100, NULL));
    CHECK_EQUAL(ERROR_FILE_EXISTS, hf_last_error().os_code);
    CHECK(RemoveDirectoryA(folder));
}

static bool is_writable(void) {
    HANDLE handle = CreateFileA(path, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    return handle != INVALID_HANDLE_VALUE && CloseHandle(handle);
}

static void a_read_only_file(void) {
    hf_file *file;
    write_file(10);
    CHECK(SetFileAttributesA(path, FILE_ATTRIBUTE_READONLY));
    if (is_writable()) {
        check_leave_out("Wine uses Unix permissions, and root may write to any file");
    } else {
        CHECK_STATUS(HF_IO, hf_file_open(&file, path, HF_READ_WRITE, NULL));
        expect_error(HF_IO, "CreateFile", ERROR_ACCESS_DENIED);
    }
    for (size_t i = 1; i < COUNT_OF(accesses); i++) {
        CHECK_STATUS(HF_OK, hf_file_open(&file, path, accesses[i], NULL));
        hf_file_close(file);
    }
    CHECK(SetFileAttributesA(path, FILE_ATTRIBUTE_NORMAL));
    CHECK(DeleteFileA(path));
}

static void a_file_opened_without_sharing_is_io(void) {
    write_file(10);
    HANDLE alone = open_with(GENERIC_READ, 0, OPEN_EXISTING);
    expect_open_error(path, HF_IO, "CreateFile", ERROR_SHARING_VIOLATION);
    CloseHandle(alone);
    CHECK(DeleteFileA(path));
}

/* While holdfast has a file open, fopen (which does not share deletion) and MoveFile succeed. */
static void open_files_can_be_opened_by_others(void) {
    for (int is_new = 0; is_new <= 1; is_new++) {
        hf_file *file;
        write_file(10);
        if (is_new) CHECK(DeleteFileA(path));
        CHECK_STATUS(HF_OK, is_new ? hf_file_create(&file, path, 10, NULL)
                                   : hf_file_open(&file, path, HF_READ_WRITE, NULL));
        FILE *stream = fopen(path, "r+b");
        CHECK(stream != NULL);
        CHECK(fclose(stream) == 0);
        CHECK(MoveFileA(path, "test_windows.moved"));
        CHECK(DeleteFileA("test_windows.moved"));
        hf_file_close(file);
        CHECK(GetFileAttributesA("test_windows.moved") == INVALID_FILE_ATTRIBUTES);
    }
}

/* --------------------------------------------------------------------- handles -------------- */

static void expect_handle_error(HANDLE handle, hf_access access, hf_status expected) {
    DWORD handles = handles_open();
    hf_file *const untouched = (hf_file *)(void *)&handles, *file = untouched;
    size_t outer = check_enter("access %d", (int)access);
    CHECK_STATUS(expected, hf_file_from_handle(&file, (intptr_t)handle, access, NULL));
    CHECK_EQUAL(expected, hf_last_error().status);
    CHECK(hf_last_error().call != NULL);
    CHECK(file == untouched);
    CHECK_EQUAL(handles, handles_open());
    check_leave(outer);
}

static void expect_handle_error_for_each_access(const char *what, HANDLE handle,
                                                hf_status expected) {
    size_t outer = check_enter("%s", what);
    for (size_t i = 0; i < COUNT_OF(accesses); i++)
        expect_handle_error(handle, accesses[i], expected);
    check_leave(outer);
}

static void expect_unsupported_and_close(const char *what, HANDLE handle) {
    CHECK(handle != NULL && handle != INVALID_HANDLE_VALUE);
    expect_handle_error_for_each_access(what, handle, HF_UNSUPPORTED);
    CHECK(CloseHandle(handle));
}

static void invalid_handles_fail(void) {
    HANDLE closed = CreateEventA(NULL, FALSE, FALSE, NULL);
    CHECK(closed != NULL && CloseHandle(closed));
    expect_handle_error_for_each_access("a closed handle", closed, HF_INVALID);
    expect_error(HF_INVALID, "DuplicateHandle", ERROR_INVALID_HANDLE);
    expect_handle_error_for_each_access("NULL", NULL, HF_INVALID);
    expect_handle_error_for_each_access("-1", INVALID_HANDLE_VALUE, HF_INVALID);
    expect_handle_error_for_each_access("a number", (HANDLE)(intptr_t)0x3fffff8, HF_INVALID);
}

static HANDLE open_own_image(void) {
    char program[MAX_PATH];
    CHECK(GetModuleFileNameA(NULL, program, sizeof program) < sizeof program);
    HANDLE file = CreateFileA(program, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(file != INVALID_HANDLE_VALUE);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_IMAGE, 0, 0, NULL);
    CloseHandle(file);
    return section;
}

static void handles_of_other_kinds_are_unsupported(void) {
    HANDLE reads, writes;
    expect_unsupported_and_close("an event", CreateEventA(NULL, FALSE, FALSE, NULL));
    expect_unsupported_and_close("a mutex", CreateMutexA(NULL, FALSE, NULL));
    CHECK(CreatePipe(&reads, &writes, NULL, 0));
    expect_unsupported_and_close("a pipe's read end", reads);
    expect_unsupported_and_close("a pipe's write end", writes);
    expect_unsupported_and_close("a device", CreateFileA("NUL", GENERIC_READ | GENERIC_WRITE, 0,
                                                         NULL, OPEN_EXISTING, 0, NULL));
    expect_unsupported_and_close(
        "a folder", CreateFileA(".", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL));
    expect_unsupported_and_close("a program's image", open_own_image());
    expect_unsupported_and_close("memory to be committed later",
                                 CreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
                                                    PAGE_READWRITE | SEC_RESERVE, 0, 65536, NULL));
    expect_handle_error_for_each_access("this thread", GetCurrentThread(), HF_UNSUPPORTED);
}

/* Checks which of the three accesses a handle permits. Closes the handle. */
static void expect_permitted(const char *what, HANDLE handle, const bool permitted[3],
                             uint64_t size) {
    size_t outer = check_enter("%s", what);
    DWORD handles = handles_open();
    CHECK(handle != NULL && handle != INVALID_HANDLE_VALUE);
    for (size_t i = 0; i < COUNT_OF(accesses); i++) {
        hf_file *file;
        if (!permitted[i]) {
            expect_handle_error(handle, accesses[i], HF_INVALID);
            CHECK_EQUAL(ERROR_ACCESS_DENIED, hf_last_error().os_code);
            continue;
        }
        CHECK_STATUS(HF_OK, hf_file_from_handle(&file, (intptr_t)handle, accesses[i], NULL));
        CHECK_EQUAL(size, hf_file_size(file));
        CHECK_EQUAL(handles + 1, handles_open());
        hf_file_close(file);
    }
    CHECK(CloseHandle(handle));
    CHECK_EQUAL(handles - 1, handles_open());
    check_leave(outer);
}

static const bool all[] = {true, true, true}, loads[] = {false, true, true}, none[3];

static void the_rights_of_file_handles_are_checked(void) {
    write_file(10000);
    expect_permitted("loads and stores", open_plain(GENERIC_READ | GENERIC_WRITE), all, 10000);
    expect_permitted("loads", open_plain(GENERIC_READ), loads, 10000);
    expect_permitted("loads of data only", open_plain(FILE_READ_DATA), loads, 10000);
    expect_permitted("stores", open_plain(GENERIC_WRITE), none, 0);
    expect_permitted("appending", open_plain(FILE_READ_DATA | FILE_APPEND_DATA), loads, 10000);
    expect_permitted("neither", open_plain(FILE_READ_ATTRIBUTES), none, 0);
    CHECK(DeleteFileA(path));
}

static HANDLE make_section(DWORD rights, DWORD protection) {
    HANDLE file = open_plain(rights);
    HANDLE section = CreateFileMappingA(file, NULL, protection, 0, 0, NULL);
    CHECK(section != NULL && CloseHandle(file));
    return section;
}

static HANDLE with_fewer_rights(HANDLE section, DWORD rights) {
    HANDLE process = GetCurrentProcess(), copy;
    CHECK(DuplicateHandle(process, section, process, &copy, rights, FALSE, DUPLICATE_CLOSE_SOURCE));
    return copy;
}

static void the_rights_of_section_handles_are_checked(void) {
    DWORD both = GENERIC_READ | GENERIC_WRITE;
    write_file(10000);
    expect_permitted("read-write", make_section(both, PAGE_READWRITE), all, 10000);
    expect_permitted("read-only", make_section(GENERIC_READ, PAGE_READONLY), loads, 10000);
    expect_permitted("write-copy", make_section(GENERIC_READ, PAGE_WRITECOPY), loads, 10000);
    expect_permitted(
        "loads of a section for both",
        with_fewer_rights(make_section(both, PAGE_READWRITE), SECTION_QUERY | SECTION_MAP_READ),
        loads, 10000);
    expect_permitted(
        "a section without SECTION_QUERY",
        with_fewer_rights(make_section(both, PAGE_READWRITE), FILE_MAP_READ | FILE_MAP_WRITE), none,
        0);
    expect_permitted("a section with only SECTION_QUERY",
                     with_fewer_rights(make_section(both, PAGE_READWRITE), SECTION_QUERY), none, 0);
    expect_permitted("memory of the paging file",
                     CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 65536, NULL),
                     all, 65536);
    CHECK(DeleteFileA(path));
}

/* -------------------------------------------------------------- shared memory --------------- */

/* A handle that another process would get: a duplicate that the program closes. */
static void a_handle_can_be_duplicated(void) {
    hf_file *file, *other;
    HANDLE self = GetCurrentProcess(), copy;
    DWORD handles = handles_open();
    write_file(page());
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_WRITE, NULL));
        else
            CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page(), NULL));
        CHECK_EQUAL(i, hf_file_handle(file) & 1); /* set for a section */
        CHECK(DuplicateHandle(self, (HANDLE)hf_file_handle(file), self, &copy, 0, FALSE,
                              DUPLICATE_SAME_ACCESS));
        CHECK_EQUAL(0, (intptr_t)copy & 3);
        hf_file_close(file);
        CHECK_STATUS(HF_OK, hf_file_from_handle(&other, (intptr_t)copy, HF_READ_WRITE, NULL));
        CHECK(CloseHandle(copy));
        CHECK_EQUAL(i, hf_file_handle(other) & 1);
        CHECK_EQUAL(i == 1, hf_file_is_sealed(other));
        CHECK_STATUS(i == 1 ? HF_OK : HF_UNSUPPORTED, hf_file_seal(other));
        hf_file_close(other);
    }
    CHECK_EQUAL(handles, handles_open());
    CHECK(DeleteFileA(path));
}

static const char shared_name[] = "holdfast-test.windows",
                  full_name[] = "Local\\holdfast-test.windows";

static void names_are_those_of_the_session(void) {
    hf_file *file, *missing = NULL;
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 1, full_name);
    CHECK(section != NULL);
    CHECK_STATUS(HF_OK, hf_file_open_named(&file, shared_name, HF_READ_WRITE, NULL));
    CHECK_EQUAL(page(), hf_file_size(file));
    CHECK(hf_file_is_sealed(file));
    CHECK_STATUS(HF_IO, hf_file_create_named(&missing, shared_name, 1, NULL));
    CHECK_EQUAL(ERROR_ALREADY_EXISTS, hf_last_error().os_code);
    CHECK(CloseHandle(section));
    CHECK_STATUS(HF_OK, hf_file_open_named(&missing, shared_name, HF_READ_ONLY, NULL));
    hf_file_close(missing);
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_file_create_named(&file, shared_name, 1, NULL));
    section = OpenFileMappingA(FILE_MAP_WRITE, FALSE, full_name);
    CHECK(section != NULL && CloseHandle(section));
    CHECK_STATUS(HF_OK, hf_file_remove_named(shared_name, NULL)); /* does nothing */
    hf_file_close(file);
    CHECK(OpenFileMappingA(FILE_MAP_READ, FALSE, full_name) == NULL);
    CHECK_STATUS(HF_IO, hf_file_open_named(&missing, shared_name, HF_READ_ONLY, NULL));
    CHECK_EQUAL(ERROR_FILE_NOT_FOUND, hf_last_error().os_code);
}

/* An object of another kind, and a section that cannot be mapped. */
static void names_of_something_else_fail(void) {
    DWORD handles = handles_open();
    hf_file *missing = NULL;
    HANDLE other = CreateEventA(NULL, FALSE, FALSE, full_name);
    CHECK(other != NULL);
    CHECK_STATUS(HF_IO, hf_file_create_named(&missing, shared_name, 1, NULL));
    CHECK_EQUAL(ERROR_INVALID_HANDLE, hf_last_error().os_code);
    CHECK_STATUS(HF_IO, hf_file_open_named(&missing, shared_name, HF_READ_ONLY, NULL));
    CHECK_EQUAL(ERROR_INVALID_HANDLE, hf_last_error().os_code);
    CHECK(CloseHandle(other));
    other = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | SEC_RESERVE, 0, 65536,
                               full_name);
    CHECK(other != NULL);
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_open_named(&missing, shared_name, HF_READ_ONLY, NULL));
    CHECK(CloseHandle(other) && missing == NULL);
    CHECK_EQUAL(handles, handles_open());
}

/* ---------------------------------------------------------------------- views --------------- */

static hf_space *open_space(size_t pages) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, pages * page(), NULL));
    return space;
}

/* Three ways to open the file. */
static hf_file *file_from_path(void) {
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_WRITE, NULL));
    return file;
}

static hf_file *file_from(HANDLE handle) {
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, (intptr_t)handle, HF_READ_WRITE, NULL));
    CHECK(CloseHandle(handle));
    return file;
}

static hf_file *file_from_handle(void) {
    return file_from(open_plain(GENERIC_READ | GENERIC_WRITE));
}

static hf_file *file_from_section(void) {
    return file_from(make_section(GENERIC_READ | GENERIC_WRITE, PAGE_READWRITE));
}

typedef hf_file *way_to_file(void);

static way_to_file *const ways[] = {file_from_path, file_from_handle, file_from_section};

/* |  page 0  |  page 1  |  page 2, a part | end  |, mapped from page `first` on. */
static void expect_last_page(hf_file *file, hf_access access, size_t first) {
    size_t g = page(), size = (3 - first) * g, last_byte = 2 * g + 1000 - 1 - first * g;
    hf_space *space = open_space(8);
    char *seen = hf_space_base(space) + g;
    CHECK_STATUS(HF_OK, hf_space_map_range(space, g, size, file, first * g, access));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK(seen[0] == 'x' && seen[last_byte] == 'x' && seen[last_byte + 1] == 0);
    if (access != HF_READ_ONLY) {
        seen[last_byte] = 'y';
        seen[last_byte + 1] = seen[size - 1] = 'z';
        CHECK(seen[size - 1] == 'z');
    }
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_unmap(space, g, size));
    hf_space_close(space);
}

static void the_last_page_need_not_be_full(void) {
    if (!require_views()) return;
    for (size_t i = 0; i < COUNT_OF(ways) * COUNT_OF(accesses) * 3; i++) {
        hf_access access = accesses[i % 3];
        size_t first = i / 3 % 3, way = i / 9, size = 2 * page() + 1000;
        size_t outer = check_enter("way %zu, access %d, page %zu", way, (int)access, first);
        write_file(size);
        DWORD handles = handles_open();
        hf_file *file = ways[way]();
        CHECK_EQUAL(size, hf_file_size(file));
        expect_last_page(file, access, first);
        hf_file_close(file);
        CHECK_EQUAL(handles, handles_open());
        CHECK_EQUAL(size, length_of_file());
        CHECK_EQUAL(access == HF_READ_WRITE ? 'y' : 'x', read_byte(size - 1));
        check_leave(outer);
    }
    CHECK(DeleteFileA(path));
}

/* After another handle truncated the file, mapping it fails: a section would extend it again. */
static void a_truncated_file_is_not_extended(void) {
    if (!require_views()) return;
    static const size_t lengths[] = {0, 1, 4096, 8191, 8192};
    for (size_t i = 0; i < COUNT_OF(lengths) * COUNT_OF(accesses); i++) {
        size_t length = lengths[i / 3];
        write_file(12000);
        hf_file *file = file_from_path();
        hf_space *space = open_space(3);
        HANDLE other = open_plain(GENERIC_WRITE);
        set_length(other, length);
        CHECK_STATUS(HF_IO, hf_space_map(space, 0, 3 * page(), file, 0, accesses[i % 3]));
        expect_error(HF_IO, "CreateFileMapping", ERROR_HANDLE_EOF);
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_EQUAL(1, hf_space_get_stats(space).regions);
        CHECK_EQUAL(length, length_of(other));
        CloseHandle(other);
        hf_space_close(space);
        hf_file_close(file);
    }
    CHECK(DeleteFileA(path));
}

/* Each step extends the file, opens it again and maps the new part. */
static void a_file_grows_in_steps(void) {
    if (!require_views()) return;
    enum { STEPS = 10 };
    size_t step = 3 * page();
    hf_space *space = open_space(3 * STEPS);
    char *base = hf_space_base(space);
    write_file(0);
    HANDLE plain = open_plain(GENERIC_READ | GENERIC_WRITE);
    for (size_t i = 0; i < STEPS; i++) {
        hf_file *file;
        set_length(plain, (i + 1) * step);
        CHECK_STATUS(HF_OK, hf_file_from_handle(&file, (intptr_t)plain, HF_READ_WRITE, NULL));
        CHECK_STATUS(HF_OK,
                     hf_space_map_range(space, i * step, step, file, i * step, HF_READ_WRITE));
        hf_file_close(file);
        base[i * step] = (char)('a' + i);
        CHECK_STATUS(HF_OK, hf_space_check(space));
    }
    for (size_t i = 0; i < STEPS; i++) {
        CHECK_EQUAL('a' + i, base[i * step]);
        CHECK_EQUAL('a' + i, read_byte(i * step));
    }
    hf_space_close(space);
    CHECK_EQUAL(STEPS * step, length_of(plain));
    CloseHandle(plain);
    CHECK(DeleteFileA(path));
}

static void views_beyond_4_gib(void) {
    if (!require_views()) return;
    uint64_t distance = (uint64_t)5 << 30;
    DWORD count;
    write_file(0);
    HANDLE plain = open_plain(GENERIC_READ | GENERIC_WRITE);
    DeviceIoControl(plain, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &count, NULL);
    set_length(plain, distance + 7);
    CHECK(WriteFile(plain, "x", 1, &count, NULL));
    for (size_t i = 0; i < COUNT_OF(accesses); i++) {
        hf_file *file = file_from_path();
        hf_space *space = open_space(2);
        CHECK_EQUAL(distance + 8, hf_file_size(file));
        CHECK_STATUS(HF_OK,
                     hf_space_map(space, 0, 2 * page(), file, distance - page(), accesses[i]));
        CHECK_EQUAL('x', hf_space_base(space)[page() + 7]);
        hf_file_close(file);
        hf_space_close(space);
        CHECK_EQUAL(distance + 8, length_of(plain));
    }
    CloseHandle(plain);
    CHECK(DeleteFileA(path));
}

/* |  v  |  v  |  w  |  r  |  of the same page, after the file was closed. */
static void shared_memory_is_seen_everywhere(void) {
    if (!require_views()) return;
    static const hf_access shown[] = {HF_READ_WRITE, HF_READ_WRITE, HF_COPY_ON_WRITE, HF_READ_ONLY};
    DWORD handles = handles_open();
    size_t g = page();
    hf_file *file;
    hf_space *space = open_space(4);
    volatile char *base =
        hf_space_base(space); /* the compiler does not know that the four are the same memory */
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 1, NULL));
    for (size_t i = 0; i < 4; i++)
        CHECK_STATUS(HF_OK, hf_space_map_range(space, i * g, g, file, 0, shown[i]));
    hf_file_close(file);
    base[g + 5] = 'x';
    for (size_t i = 0; i < 4; i++) CHECK_EQUAL('x', base[i * g + 5]);
    base[2 * g + 5] = 'y';
    for (size_t i = 0; i < 4; i++) CHECK_EQUAL(i == 2 ? 'y' : 'x', base[i * g + 5]);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_EQUAL(handles + 1, handles_open()); /* to map the rest of a view that loses a part */
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 3 * g));
    CHECK_EQUAL(handles + 1, handles_open());
    CHECK_STATUS(HF_OK, hf_space_unmap(space, 3 * g, g));
    CHECK_EQUAL(handles, handles_open());
    hf_space_close(space);
    CHECK_EQUAL(handles, handles_open());
}

/* The rest of the view is mapped again, from the handle that the view keeps open. Its last page is
 * not full. */
static void a_part_of_a_view_of_a_file_goes(void) {
    if (!require_views()) return;
    for (size_t i = 0; i < COUNT_OF(ways) * COUNT_OF(accesses); i++) {
        hf_access access = accesses[i % 3];
        size_t g = page(), size = 5 * g + 1000;
        size_t outer = check_enter("way %zu, access %d", i / 3, (int)access);
        write_file(size);
        DWORD handles = handles_open();
        hf_file *file = ways[i / 3]();
        hf_space *space = open_space(6);
        char *base = hf_space_base(space);
        CHECK_STATUS(HF_OK, hf_space_map(space, 0, 6 * g, file, 0, access));
        hf_file_close(file);
        if (access != HF_READ_ONLY) base[size - 1] = base[1] = 'y';
        CHECK_STATUS(HF_OK, hf_space_unmap(space, 2 * g, 2 * g));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_EQUAL(3, hf_space_get_stats(space).regions);
        CHECK_EQUAL(access == HF_READ_ONLY ? 'x' : 'y', base[1]);
        CHECK_EQUAL(access == HF_READ_ONLY ? 'x' : 'y', base[size - 1]);
        CHECK(base[4 * g] == 'x' && base[size] == 0);
        hf_space_close(space);
        CHECK_EQUAL(handles, handles_open());
        CHECK_EQUAL(size, length_of_file());
        CHECK_EQUAL(access == HF_READ_WRITE ? 'y' : 'x', read_byte(size - 1));
        check_leave(outer);
    }
    CHECK(DeleteFileA(path));
}

/* ---------------------------------------------------------------- protections --------------- */

static DWORD protection_at(const char *address) {
    MEMORY_BASIC_INFORMATION found;
    CHECK(VirtualQuery(address, &found, sizeof found) == sizeof found);
    return found.Protect;
}

/* One region of three pages; *file is what it is a view of, or NULL. */
static hf_space *open_region(char letter, hf_file **file) {
    size_t g = page();
    hf_space *space = open_space(4);
    *file = NULL;
    if (letter == 'c') CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 3 * g));
    if (letter == 'c') return space;
    hf_access access = letter == 'v'   ? HF_READ_WRITE
                       : letter == 'r' ? HF_READ_ONLY
                                       : HF_COPY_ON_WRITE;
    CHECK_STATUS(HF_OK, hf_file_create_executable(file, 3 * g, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, 3 * g, *file, 0, access));
    return space;
}

static void each_protection_is_shown(void) {
    if (!require_views()) return;
    static const struct {
        char letter;
        DWORD expected[4]; /* by hf_protection; 0: it is HF_WRONG_STATE */
    } rows[] = {{'c', {PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_EXECUTE_READ}},
                {'v', {PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_EXECUTE_READ}},
                {'r', {PAGE_NOACCESS, PAGE_READONLY, 0, PAGE_EXECUTE_READ}},
                {'w', {PAGE_NOACCESS, PAGE_READONLY, PAGE_WRITECOPY, PAGE_EXECUTE_READ}}};
    for (size_t i = 0; i < 16 * COUNT_OF(rows); i++) {
        size_t g = page(), row = i / 16, first = i / 4 % 4, then = i % 4;
        hf_file *file;
        size_t outer = check_enter("'%c', protection %zu, then %zu", rows[row].letter, first, then);
        hf_space *space = open_region(rows[row].letter, &file);
        char *middle = hf_space_base(space) + g;
        DWORD now = protection_at(middle), made = now;
        for (size_t step = 0; step < 2; step++) {
            size_t wanted = step == 0 ? first : then;
            DWORD expected = rows[row].expected[wanted];
            CHECK_STATUS(expected ? HF_OK : HF_WRONG_STATE,
                         hf_space_protect(space, g, g, (hf_protection)wanted));
            if (expected) now = expected;
            CHECK_EQUAL(now, protection_at(middle));
            CHECK_EQUAL(made, protection_at(middle - 1));
            CHECK_EQUAL(made, protection_at(middle + g));
            CHECK_STATUS(HF_OK, hf_space_check(space));
        }
        hf_space_close(space);
        hf_file_close(file);
        check_leave(outer);
    }
}

/* A page that was copied, protected and made writable again stays a copy; its neighbour still has
 * to be copied. */
static void protected_pages_stay_copy_on_write(void) {
    if (!require_views()) return;
    size_t g = page();
    hf_space *space = open_space(4);
    hf_file *file;
    volatile char *base = hf_space_base(space);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 2 * g, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, 2 * g, file, 0, HF_COPY_ON_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 2 * g, 2 * g, file, 0, HF_READ_WRITE));
    base[0] = 'c';
    for (int i = 0; i < 3; i++) {
        hf_protection between = i == 0 ? HF_PROTECT_READ : HF_PROTECT_NONE;
        CHECK_STATUS(HF_OK, hf_space_protect(space, 0, 2 * g, between));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK_STATUS(HF_OK, hf_space_protect(space, 0, 2 * g, HF_PROTECT_READ_WRITE));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        CHECK(base[0] == 'c' && base[g] == (i == 0 ? 0 : 'd'));
        base[1] = base[g] = 'd';
        CHECK(base[1] == 'd' && base[g] == 'd');
        CHECK(base[2 * g] == 0 && base[2 * g + 1] == 0 && base[3 * g] == 0);
    }
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
    hf_file_close(file);
}

static void views_are_not_executable_at_first(void) {
    if (!require_views()) return;
    static const struct {
        hf_access access;
        DWORD made, most;
    } rows[] = {{HF_READ_WRITE, PAGE_READWRITE, PAGE_EXECUTE_READWRITE},
                {HF_READ_ONLY, PAGE_READONLY, PAGE_EXECUTE_READ},
                {HF_COPY_ON_WRITE, PAGE_WRITECOPY, PAGE_EXECUTE_WRITECOPY}};
    size_t g = page();
    DWORD handles = handles_open();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        hf_file *file, *other;
        hf_space *space = open_space(4);
        char *base = hf_space_base(space);
        MEMORY_BASIC_INFORMATION found;
        CHECK_STATUS(HF_OK, hf_file_create_executable(&file, 2 * g, NULL));
        CHECK_STATUS(HF_OK, hf_file_create_shared(&other, 2 * g, NULL));
        CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, 2 * g, file, 0, rows[i].access));
        CHECK_STATUS(HF_OK, hf_space_map_range(space, 2 * g, 2 * g, other, 0, rows[i].access));
        CHECK(VirtualQuery(base, &found, sizeof found) == sizeof found);
        CHECK(found.Protect == rows[i].made && found.AllocationProtect == rows[i].most);
        CHECK(VirtualQuery(base + 2 * g, &found, sizeof found) == sizeof found);
        CHECK(found.Protect == rows[i].made && found.AllocationProtect == rows[i].made);
        CHECK_STATUS(HF_WRONG_STATE, hf_space_protect(space, 2 * g, g, HF_PROTECT_READ_EXECUTE));
        CHECK_STATUS(HF_OK, hf_space_check(space));
        hf_space_close(space);
        hf_file_close(file);
        hf_file_close(other);
    }
    CHECK_EQUAL(handles, handles_open());
}

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#define HAS_CODE 1
static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
#else
#define HAS_CODE 0
static const unsigned char code[1];
#endif

static int run_code(const char *address) {
    int (*function)(void);
    memcpy(&function, &address, sizeof function);
    FlushInstructionCache(GetCurrentProcess(), address, sizeof code);
    return function();
}

/* |  v  |  r  |  of the same page: code is stored through one view and runs in the other. */
static void code_runs_in_another_view(void) {
    if (!require_views()) return;
    size_t g = page();
    hf_file *file;
    hf_space *space = open_space(3);
    char *base = hf_space_base(space);
    CHECK_STATUS(HF_OK, hf_file_create_executable(&file, g, NULL));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, g, file, 0, HF_READ_WRITE));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, g, g, file, 0, HF_READ_ONLY));
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 2 * g, g));
    memcpy(base, code, sizeof code);
    memcpy(base + 2 * g, code, sizeof code);
    CHECK_STATUS(HF_OK, hf_space_protect(space, g, 2 * g, HF_PROTECT_READ_EXECUTE));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    for (size_t i = 1; HAS_CODE && i < 3; i++) CHECK_EQUAL(42, run_code(base + i * g));
    base[1] = 43;
    if (HAS_CODE) CHECK_EQUAL(43, run_code(base + g));
    hf_space_close(space);
}

/* Shared memory is read through a view at a multiple of 64 KiB, in pieces of 16 MiB. */
static void copy_on_write_views_of_sections_are_reset(void) {
    if (!require_views()) return;
    static const size_t pages[][2] = {{0, 1}, {1, 15}, {3, 40}, {15, 2}, {17, 4200}};
    size_t g = page();
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        size_t from = pages[i][0] * g, size = pages[i][1] * g;
        size_t outer = check_enter("%zu pages from page %zu on", pages[i][1], pages[i][0]);
        DWORD handles = handles_open();
        hf_file *file;
        hf_space *space = open_space(2 * pages[i][1]);
        char *copied = hf_space_base(space), *shared = copied + size;
        CHECK_STATUS(HF_OK, hf_file_create_shared(&file, from + size, NULL));
        CHECK_STATUS(HF_OK, hf_space_map_range(space, 0, size, file, from, HF_COPY_ON_WRITE));
        CHECK_STATUS(HF_OK, hf_space_map_range(space, size, size, file, from, HF_READ_WRITE));
        hf_file_close(file);
        memset(copied, 'x', size);
        for (size_t at = 0; at < size; at += 509) shared[at] = (char)(at / 509);
        CHECK_STATUS(HF_OK, hf_space_reset_range(space, 0, size));
        CHECK(memcmp(copied, shared, size) == 0);
        CHECK_STATUS(HF_OK, hf_space_check(space));
        hf_space_close(space);
        CHECK_EQUAL(handles, handles_open());
        check_leave(outer);
    }
}

/* The program's section of a file that ends within a page. */
static void the_last_page_of_a_section_is_reset(void) {
    if (!require_views()) return;
    size_t g = page(), size = 2 * g + 1000;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        write_file(size);
        hf_file *file = ways[i]();
        hf_space *space = open_space(3);
        char *base = hf_space_base(space);
        CHECK_STATUS(HF_OK, hf_space_map(space, 0, 3 * g, file, 0, HF_COPY_ON_WRITE));
        memset(base, 'y', 3 * g);
        CHECK_STATUS(HF_OK, hf_space_reset_range(space, g, 2 * g));
        CHECK(base[g - 1] == 'y' && base[g] == 'x' && base[size - 1] == 'x');
        CHECK(base[size] == 0 && base[3 * g - 1] == 0);
        hf_space_close(space);
        hf_file_close(file);
    }
    CHECK(DeleteFileA(path));
}

/* ---------------------------------------------------------------------- check --------------- */

typedef PVOID WINAPI alloc2_function(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void *, ULONG);
typedef PVOID WINAPI map3_function(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG, void *,
                                   ULONG);
typedef BOOL WINAPI unmap2_function(HANDLE, PVOID, ULONG);
typedef void any_function(void);

static any_function *look_up(const char *name) {
    any_function *found = (any_function *)GetProcAddress(GetModuleHandleA("kernelbase.dll"), name);
    CHECK(found != NULL);
    return found;
}

static void release_piece(char *address, size_t size) {
    (void)size;
    CHECK(VirtualFree(address, 0, MEM_RELEASE));
}
static void unmap_piece(char *address, size_t size) {
    (void)size;
    CHECK(UnmapViewOfFile(address));
}
static void make_placeholder(char *address,
                             size_t size) { /* of an allocation, or of a part of one */
    CHECK(VirtualFree(address, size, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER));
}
static void coalesce_with_next(char *address, size_t size) {
    CHECK(VirtualFree(address, 2 * size, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS));
}
static void unmap_to_placeholder(char *address, size_t size) {
    (void)size;
    unmap2_function *unmap2 = (unmap2_function *)look_up("UnmapViewOfFile2");
    CHECK(unmap2(GetCurrentProcess(), address, MEM_PRESERVE_PLACEHOLDER));
}
static void commit_placeholder(char *address, size_t size) {
    alloc2_function *alloc2 = (alloc2_function *)look_up("VirtualAlloc2");
    DWORD how = MEM_RESERVE | MEM_COMMIT | MEM_REPLACE_PLACEHOLDER;
    CHECK(alloc2(GetCurrentProcess(), address, size, how, PAGE_READWRITE, NULL, 0) == address);
}
static void map_view(char *address, size_t size, DWORD protection) {
    map3_function *map3 = (map3_function *)look_up("MapViewOfFile3");
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, (DWORD)size, NULL);
    CHECK(section != NULL && map3(section, GetCurrentProcess(), address, 0, size,
                                  MEM_REPLACE_PLACEHOLDER, protection, NULL, 0) == address);
    CloseHandle(section);
}
static void map_read_write_view(char *address, size_t size) {
    map_view(address, size, PAGE_READWRITE);
}
static void permit(char *address, size_t size, DWORD protection) {
    DWORD old;
    CHECK(VirtualProtect(address, size, protection, &old));
}
static void permit_loads(char *address, size_t size) { permit(address, size, PAGE_READONLY); }
static void permit_nothing(char *address, size_t size) { permit(address, size, PAGE_NOACCESS); }
static void permit_execution(char *address, size_t size) {
    permit(address, size, PAGE_EXECUTE_READWRITE);
}
static void replace_view_by_memory(char *address, size_t size) {
    unmap_to_placeholder(address, size);
    commit_placeholder(address, size);
}
static void replace_view_by_read_only(char *address, size_t size) {
    unmap_to_placeholder(address, size);
    map_view(address, size, PAGE_READONLY);
}
static void replace_view_by_read_write(char *address, size_t size) {
    unmap_to_placeholder(address, size);
    map_read_write_view(address, size);
}
static void replace_memory_by_view(char *address, size_t size) {
    make_placeholder(address, size);
    map_read_write_view(address, size);
}
static void split_allocation(char *address, size_t size) {
    make_placeholder(address, size);
    commit_placeholder(address, size);
}

static void expect_found(const char *text, size_t page, void (*change)(char *, size_t),
                         size_t found) {
    expect_check_finds(hf_backend_native(), text, page, change, found);
}

static void a_hole_is_found(void) {
    if (!require_views()) return;
    static const char text[] = "p|c|v|p p p|c c c|v v v|r|w";
    for (size_t i = 0; i < sizeof text / 2; i++) {
        bool begins = i == 0 || text[2 * i - 1] == '|', is_view = strchr("vrw", text[2 * i]);
        if (begins) expect_found(text, i, is_view ? unmap_piece : release_piece, i);
    }
}

/* After a system call split a placeholder, its second part has another allocation base; after one
 * coalesced two, the second has the allocation base of the first. */
static void a_placeholder_in_pieces_is_found(void) {
    if (!require_views()) return;
    expect_found("p p p", 0, make_placeholder, 1);
    expect_found("p p p", 1, make_placeholder, 1);
    expect_found("p p p", 2, make_placeholder, 2);
    expect_found("v|p p|c", 1, make_placeholder, 2);
    expect_found("p|p", 0, coalesce_with_next, 1);
    expect_found("c|p|p p", 2, make_placeholder, 3);
}

static void a_changed_placeholder_is_found(void) {
    if (!require_views()) return;
    expect_found("c|p|c", 1, commit_placeholder, 1);
    expect_found("v|p|v", 1, map_read_write_view, 1);
}

static void changed_committed_memory_is_found(void) {
    if (!require_views()) return;
    static void (*const changes[])(char *, size_t) = {
        make_placeholder, permit_loads, permit_nothing, permit_execution, replace_memory_by_view};
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        expect_found("c c c", 0, changes[i], 0);
        expect_found("c c c", 1, changes[i], 1);
        expect_found("c c c", 2, changes[i], 2);
        expect_found("v|c|p", 1, changes[i], 1);
    }
    expect_found("c c c", 1, split_allocation, 1);
    expect_found("c c c", 0, split_allocation, 1);
}

static void a_changed_view_is_found(void) {
    if (!require_views()) return;
    static void (*const changes[])(char *, size_t) = {unmap_to_placeholder, replace_view_by_memory,
                                                      permit_nothing};
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        expect_found("p|v|p", 1, changes[i], 1);
        expect_found("c|w|v", 1, changes[i], 1);
        expect_found("c|r|v", 1, changes[i], 1);
    }
    expect_found("v v v", 1, permit_loads, 1);
    expect_found("v", 0, replace_view_by_read_only, 0);
    expect_found("r", 0, replace_view_by_read_write, 0);
    expect_found("v v", 0, permit_nothing, 0);
}

/* The letter's region has three pages, the middle one read-only. */
static void expect_protection_found(char letter, size_t page_changed, DWORD protection) {
    size_t g = page();
    hf_file *file;
    hf_space *space = open_region(letter, &file);
    size_t outer = check_enter("'%c', page %zu, %#lx", letter, page_changed, protection);
    CHECK_STATUS(HF_OK, hf_space_protect(space, g, g, HF_PROTECT_READ));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    permit(hf_space_base(space) + page_changed * g, g, protection);
    CHECK_STATUS(HF_CORRUPT, hf_space_check(space));
    CHECK_EQUAL(page_changed * g, hf_last_error().offset);
    hf_space_close(space);
    hf_file_close(file);
    check_leave(outer);
}

static void a_changed_protection_is_found(void) {
    if (!require_views()) return;
    static const DWORD others[] = {PAGE_NOACCESS, PAGE_EXECUTE_READ};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < COUNT_OF(others); j++) {
            expect_protection_found('c', i, others[j]);
            expect_protection_found('v', i, others[j]);
            expect_protection_found('w', i, others[j]);
        }
        expect_protection_found('c', i, i == 1 ? PAGE_READWRITE : PAGE_READONLY);
        expect_protection_found('v', i, i == 1 ? PAGE_READWRITE : PAGE_READONLY);
        expect_protection_found('w', i, i == 1 ? PAGE_WRITECOPY : PAGE_READONLY);
    }
    expect_protection_found('v', 0, PAGE_WRITECOPY);
    expect_protection_found('v', 0, PAGE_EXECUTE_READWRITE);
}

/* Two views became one in the system, with the protections of both. */
static void a_foreign_allocation_is_found(void) {
    if (!require_views()) return;
    struct picture picture = picture_parse("v v|w w", 7);
    struct space_fixture fixture;
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    size_t g = fixture.page_size;
    char *base = hf_space_base(fixture.space);
    CHECK_STATUS(HF_OK, hf_space_protect(fixture.space, 0, 2 * g, HF_PROTECT_READ));
    CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
    unmap_to_placeholder(base, 2 * g);
    unmap_to_placeholder(base + 2 * g, 2 * g);
    coalesce_with_next(base, 2 * g);
    map_read_write_view(base, 4 * g);
    permit(base, 2 * g, PAGE_READONLY);
    permit(base + 2 * g, 2 * g, PAGE_WRITECOPY);
    CHECK_STATUS(HF_CORRUPT, hf_space_check(fixture.space));
    CHECK_EQUAL(2 * g, hf_last_error().offset);
    space_fixture_close(&fixture);
}

/* After a store into a copy-on-write view VirtualQuery shows another protection for that page. */
static void a_copied_page_is_no_error(void) {
    if (!require_views()) return;
    struct picture picture = picture_parse("w w w|p", 7);
    struct space_fixture fixture;
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    hf_space_base(fixture.space)[fixture.page_size] = 'x';
    CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
    space_fixture_close(&fixture);
}

CHECK_MAIN(TEST(names_are_utf8), TEST(names_that_are_not_utf8_are_io),
           TEST(long_paths_have_a_prefix), TEST(paths_too_long_or_missing_are_io),
           TEST(folders_and_devices_are_unsupported), TEST(a_read_only_file),
           TEST(a_file_opened_without_sharing_is_io), TEST(open_files_can_be_opened_by_others),
           TEST(invalid_handles_fail), TEST(handles_of_other_kinds_are_unsupported),
           TEST(the_rights_of_file_handles_are_checked), TEST(a_handle_can_be_duplicated),
           TEST(names_are_those_of_the_session), TEST(names_of_something_else_fail),
           TEST(the_rights_of_section_handles_are_checked), TEST(the_last_page_need_not_be_full),
           TEST(a_truncated_file_is_not_extended), TEST(a_file_grows_in_steps),
           TEST(views_beyond_4_gib), TEST(shared_memory_is_seen_everywhere),
           TEST(a_part_of_a_view_of_a_file_goes), TEST(each_protection_is_shown),
           TEST(protected_pages_stay_copy_on_write), TEST(views_are_not_executable_at_first),
           TEST(code_runs_in_another_view), TEST(copy_on_write_views_of_sections_are_reset),
           TEST(the_last_page_of_a_section_is_reset), TEST(a_hole_is_found),
           TEST(a_placeholder_in_pieces_is_found), TEST(a_changed_placeholder_is_found),
           TEST(changed_committed_memory_is_found), TEST(a_changed_view_is_found),
           TEST(a_changed_protection_is_found), TEST(a_foreign_allocation_is_found),
           TEST(a_copied_page_is_no_error))
