/*
 * Files of images on Windows: each system call fails, the process dies before each system call,
 * files are replaced while they are mapped, files are locked.
 *
 * This file includes windows.c after it has replaced each system call by a macro that lets the n-th
 * call fail with a chosen code, or ends the process before it.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winioctl.h>

#include "check.h"
#include "handles.h"
#include "process.h"

/* --------------------------------------------------------------------- faults --------------- */

static struct faults {
    size_t nth; /* this call fails; 0: none */
    bool from_then_on, dies;
    DWORD code;
    size_t calls, failures;
    const char *failed;  /* the first function that failed */
    DWORD most_bytes;    /* of one transfer; 0: no limit */
    bool writes_nothing; /* WriteFile succeeds with 0 bytes */
    bool cannot_delete;
    const char *transient; /* this function fails `times` times with `code` */
    size_t times;
    const wchar_t *link, *leads_to; /* a path that is a link, and its target */
    bool knows_posix_renames;       /* as Windows 10: FileRenameInfoEx becomes FileRenameInfo */
    const FILE_ALLOCATED_RANGE_BUFFER *ranges; /* of a sparse file */
    size_t range_count;
    DWORD attributes; /* that every file has in addition */
    bool has_no_name; /* every open file is deleted */
} faults;

/* The system calls that were made. */
static struct seen {
    size_t sleeps, milliseconds;
    DWORD creation_flags; /* of the last CREATE_NEW */
    wchar_t opened[400];  /* the last path */
    DWORD renames[8];     /* classes, in order */
    size_t rename_count;
    DWORD rename_flags;          /* of the last FileRenameInfoEx */
    DWORD decompressions, whole; /* FSCTL_SET_COMPRESSION; FSCTL_SET_SPARSE to false */
} seen;

static bool fails(const char *function) {
    if (faults.transient && strcmp(faults.transient, function) == 0 && faults.times > 0) {
        faults.times--;
        SetLastError(faults.code);
        return true;
    }
    if (faults.nth == 0) return false;
    faults.calls++;
    bool now = faults.calls == faults.nth || (faults.from_then_on && faults.calls > faults.nth);
    if (now && faults.dies) TerminateProcess(GetCurrentProcess(), 1);
    if (now && faults.failures++ == 0) faults.failed = function;
    if (now) SetLastError(faults.code);
    return now;
}

static void fail_nth(size_t nth, bool from_then_on, DWORD code) {
    faults = (struct faults){.nth = nth, .from_then_on = from_then_on, .code = code};
}

static void fail_no_more(void) { faults.nth = 0; }

static DWORD less(DWORD size) {
    return faults.most_bytes && faults.most_bytes < size ? faults.most_bytes : size;
}

static BOOL read_or_fail(HANDLE file, void *bytes, DWORD size, DWORD *got, OVERLAPPED *position) {
    return !fails("ReadFile") && ReadFile(file, bytes, less(size), got, position);
}

static BOOL write_or_fail(HANDLE file, const void *bytes, DWORD size, DWORD *written,
                          OVERLAPPED *position) {
    if (faults.writes_nothing) return TRUE;
    return !fails("WriteFile") && WriteFile(file, bytes, less(size), written, position);
}

static const char *function_of(FILE_INFO_BY_HANDLE_CLASS what) {
    bool renames = what == FileRenameInfo || what == (FILE_INFO_BY_HANDLE_CLASS)22;
    return renames ? "FileRenameInfo" : "SetFileInformationByHandle";
}

/* Wine has no FileRenameInfoEx. */
static BOOL set_or_fail(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *value, DWORD size) {
    if (what == FileDispositionInfo || what == FileBasicInfo) /* never fail */
        return SetFileInformationByHandle(file, what, value, size);
    if (strcmp(function_of(what), "FileRenameInfo") == 0 && seen.rename_count < 8)
        seen.renames[seen.rename_count++] = (DWORD)what;
    if (what == (FILE_INFO_BY_HANDLE_CLASS)22) {
        seen.rename_flags = *(const DWORD *)value;
        if (faults.knows_posix_renames) what = FileRenameInfo;
    }
    return !fails(function_of(what)) && SetFileInformationByHandle(file, what, value, size);
}

static BOOL get_or_fail(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *value, DWORD size) {
    if (fails("GetFileInformationByHandleEx") ||
        !GetFileInformationByHandleEx(file, what, value, size))
        return FALSE;
    if (what == FileBasicInfo) ((FILE_BASIC_INFO *)value)->FileAttributes |= faults.attributes;
    if (what == FileStandardInfo && faults.has_no_name)
        ((FILE_STANDARD_INFO *)value)->DeletePending = TRUE;
    return TRUE;
}

static HANDLE create_or_fail(const wchar_t *path, DWORD rights, DWORD sharing,
                             SECURITY_ATTRIBUTES *security, DWORD creation, DWORD flags,
                             HANDLE like) {
    if (creation == CREATE_NEW) seen.creation_flags = flags;
    if (wcslen(path) < sizeof seen.opened / sizeof *seen.opened) wcscpy(seen.opened, path);
    if (fails("CreateFile")) return INVALID_HANDLE_VALUE;
    if (faults.link && wcscmp(path, faults.link) == 0) path = faults.leads_to;
    return CreateFileW(path, rights, sharing, security, creation, flags, like);
}

static DWORD attributes_or_link(const wchar_t *path) {
    DWORD link = faults.link && wcscmp(path, faults.link) == 0 ? FILE_ATTRIBUTE_REPARSE_POINT : 0;
    DWORD attributes = GetFileAttributesW(path);
    return link != 0 ? link : attributes;
}

static bool overlaps(const FILE_ALLOCATED_RANGE_BUFFER *one,
                     const FILE_ALLOCATED_RANGE_BUFFER *other) {
    return one->FileOffset.QuadPart < other->FileOffset.QuadPart + other->Length.QuadPart &&
           other->FileOffset.QuadPart < one->FileOffset.QuadPart + one->Length.QuadPart;
}

/* FSCTL_QUERY_ALLOCATED_RANGES with room for one range. */
static BOOL query_ranges(const FILE_ALLOCATED_RANGE_BUFFER *wanted,
                         FILE_ALLOCATED_RANGE_BUFFER *found, DWORD *length) {
    size_t count = 0;
    *length = 0;
    for (size_t i = 0; i < faults.range_count; i++)
        if (overlaps(&faults.ranges[i], wanted) && count++ == 0) *found = faults.ranges[i];
    if (count > 0) *length = sizeof *found;
    SetLastError(ERROR_MORE_DATA);
    return count < 2;
}

static BOOL control_or_fail(HANDLE file, DWORD what, void *argument, DWORD size, void *result,
                            DWORD room, DWORD *length, OVERLAPPED *overlapped) {
    seen.decompressions += what == FSCTL_SET_COMPRESSION;
    seen.whole += what == FSCTL_SET_SPARSE && !((FILE_SET_SPARSE_BUFFER *)argument)->SetSparse;
    if (faults.attributes != 0 && fails("DeviceIoControl")) return FALSE;
    if (what == FSCTL_QUERY_ALLOCATED_RANGES && faults.ranges)
        return query_ranges(argument, result, length);
    if (faults.attributes != 0) return TRUE;
    return DeviceIoControl(file, what, argument, size, result, room, length, overlapped);
}

static void count_sleep(DWORD milliseconds) {
    seen.sleeps++;
    seen.milliseconds += milliseconds;
}

static BOOL delete_or_keep(const wchar_t *path) {
    if (faults.cannot_delete) SetLastError(ERROR_USER_MAPPED_FILE);
    return !faults.cannot_delete && !fails("DeleteFile") && DeleteFileW(path);
}

#define VirtualAlloc(...) (fails("VirtualAlloc") ? NULL : VirtualAlloc(__VA_ARGS__))
#define MultiByteToWideChar(...) \
    (fails("MultiByteToWideChar") ? 0 : MultiByteToWideChar(__VA_ARGS__))
#define CreateFileW create_or_fail
#define GetFileAttributesW attributes_or_link
#define GetFileInformationByHandleEx get_or_fail
#define DeviceIoControl control_or_fail
#define Sleep count_sleep
#define SetFileInformationByHandle set_or_fail
#define FlushFileBuffers(file) (!fails("FlushFileBuffers") && FlushFileBuffers(file))
#define FlushViewOfFile(...) (!fails("FlushViewOfFile") && FlushViewOfFile(__VA_ARGS__))
#define LockFileEx(...) (!fails("LockFileEx") && LockFileEx(__VA_ARGS__))
#define MoveFileExW(...) (!fails("MoveFileEx") && MoveFileExW(__VA_ARGS__))
#define ReadFile read_or_fail
#define WriteFile write_or_fail
#define DeleteFileW delete_or_keep

#include "../src/backend/windows.c"

#undef VirtualAlloc
#undef MultiByteToWideChar
#undef CreateFileW
#undef GetFileAttributesW
#undef GetFileInformationByHandleEx
#undef DeviceIoControl
#undef Sleep
#undef SetFileInformationByHandle
#undef FlushFileBuffers
#undef FlushViewOfFile
#undef LockFileEx
#undef MoveFileExW
#undef ReadFile
#undef WriteFile
#undef DeleteFileW

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const DWORD codes[] = {
    ERROR_NOT_ENOUGH_MEMORY, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_COMMITMENT_LIMIT,  ERROR_NOT_ENOUGH_QUOTA,
    ERROR_DISK_FULL,         ERROR_HANDLE_DISK_FULL,
    ERROR_FILE_TOO_LARGE,    ERROR_DISK_QUOTA_EXCEEDED,
    ERROR_ACCESS_DENIED,     ERROR_SHARING_VIOLATION,
    ERROR_LOCK_VIOLATION,    ERROR_USER_MAPPED_FILE,
    ERROR_WRITE_PROTECT,     ERROR_TOO_MANY_OPEN_FILES,
    ERROR_NETNAME_DELETED,   ERROR_CRC,
    ERROR_INVALID_PARAMETER, ERROR_IO_PENDING,
};

static bool is(const char *function) { return strcmp(faults.failed, function) == 0; }

static hf_status expected_status(const char *call, DWORD code) {
    if (strcmp(call, "VirtualAlloc") == 0) return HF_NO_MEMORY;
    if (strcmp(call, "MultiByteToWideChar") == 0) return HF_IO;
    if (strcmp(call, "LockFileEx") == 0 &&
        (code == ERROR_LOCK_VIOLATION || code == ERROR_IO_PENDING))
        return HF_BUSY;
    if (strcmp(call, "SetFileInformationByHandle") == 0 && win_is_file_too_large(code))
        return HF_NO_SPACE;
    return win_is_out_of_memory(code)  ? HF_NO_MEMORY
           : win_is_out_of_space(code) ? HF_NO_SPACE
                                       : HF_IO;
}

/* ---------------------------------------------------------------------- files --------------- */

static char image[80];

/* Each test has its own image, so that a failed test that leaves files open disturbs no other. The
 * process that a test starts receives the number of the test. */
static int image_number;

static void name_image(int number) {
    image_number = number;
    snprintf(image, sizeof image, "test_windows_images%02d gr\xc3\xbcn \xe6\xbc\xa2.tmp", number);
}

static bool begin_test(void) {
    faults = (struct faults){0};
    name_image(image_number + 1);
    return true;
}

#undef CHECK_NEEDED
#define CHECK_NEEDED begin_test

static hf_report report;

/* hf_widen with a scratch buffer. */
static bool widen_it(const char *path, wchar_t *wide) {
    static wchar_t scratch[HF_LONGEST_PATH];
    return hf_widen(path, wide, scratch);
}

static HANDLE open_named(const char *name, const char *suffix, DWORD rights, DWORD creation) {
    wchar_t wide[HF_LONGEST_PATH];
    char whole[1000];
    snprintf(whole, sizeof whole, "%s%s", name, suffix);
    CHECK(widen_it(whole, wide));
    return CreateFileW(wide, rights, WIN_SHARE_ALL, NULL, creation, FILE_ATTRIBUTE_NORMAL, NULL);
}

static void remove_named(const char *name, const char *suffix) {
    wchar_t wide[HF_LONGEST_PATH];
    char whole[1000];
    snprintf(whole, sizeof whole, "%s%s", name, suffix);
    CHECK(widen_it(whole, wide));
    SetFileAttributesW(wide, FILE_ATTRIBUTE_NORMAL);
    DeleteFileW(wide);
    RemoveDirectoryW(wide);
}

static bool is_there(const char *name, const char *suffix) {
    HANDLE handle = open_named(name, suffix, 0, OPEN_EXISTING);
    if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
    return handle != INVALID_HANDLE_VALUE;
}

enum { WHOLE = 65536 };

/* Creates a file full of one byte. */
static void write_named(const char *name, const char *suffix, char byte) {
    static char bytes[WHOLE];
    DWORD written;
    memset(bytes, byte, WHOLE);
    HANDLE handle = open_named(name, suffix, GENERIC_WRITE, CREATE_ALWAYS);
    CHECK(handle != INVALID_HANDLE_VALUE);
    CHECK(WriteFile(handle, bytes, WHOLE, &written, NULL) && written == WHOLE);
    CloseHandle(handle);
}

/* The byte that the file of this name is full of; 0: no file can be opened. */
static char content(const char *name) {
    static char bytes[WHOLE];
    intptr_t file;
    uint64_t size;
    if (win_file_open(NULL, name, HF_READ_ONLY, &file, &size, &report) != HF_OK) return 0;
    CHECK_EQUAL(WHOLE, size);
    CHECK_STATUS(HF_OK, win_file_read(NULL, file, 0, bytes, WHOLE, &report));
    for (size_t i = 1; i < WHOLE; i++) CHECK(bytes[i] == bytes[0]);
    win_file_close(NULL, file);
    return bytes[0];
}

static const char *const beside[] = {".saving00",  ".saving01",  ".saving02", ".hf-aside",
                                     ".hf-over00", ".hf-over01", ".hf-over02"};

static void remove_all(void) {
    remove_named(image, "");
    for (size_t i = 0; i < COUNT_OF(beside); i++) remove_named(image, beside[i]);
}

static void expect_nothing_beside(void) {
    for (size_t i = 0; i < COUNT_OF(beside); i++) CHECK(!is_there(image, beside[i]));
}

/* An open and mapped image. */
struct reader {
    intptr_t file;
    const char *view;
};

static struct reader open_reader(void) {
    struct reader reader;
    uint64_t size;
    CHECK_STATUS(HF_OK, win_file_open(NULL, image, HF_READ_ONLY, &reader.file, &size, &report));
    HANDLE section =
        CreateFileMappingW(win_handle_of(reader.file), NULL, PAGE_READONLY, 0, 0, NULL);
    CHECK(section != NULL);
    reader.view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    CHECK(reader.view != NULL);
    CloseHandle(section);
    return reader;
}

static void close_reader(const struct reader *reader) {
    CHECK(UnmapViewOfFile(reader->view));
    win_file_close(NULL, reader->file);
}

/* ---------------------------------------------------------- each call failing --------------- */

static intptr_t open_writable(const char *name) {
    intptr_t file;
    uint64_t size;
    CHECK_STATUS(HF_OK, win_file_open_or_create(NULL, name, &file, &size, &report));
    return file;
}

static char *shown; /* a view of the file */

static hf_status measure_it(intptr_t file) {
    uint64_t size;
    return win_file_measure(NULL, file, &size, &report);
}
static hf_status lengthen_it(intptr_t file) {
    return win_file_resize(NULL, file, WHOLE, 2 * WHOLE, &report);
}
static hf_status read_it(intptr_t file) {
    char bytes[100];
    return win_file_read(NULL, file, 100, bytes, sizeof bytes, &report);
}
static hf_status write_it(intptr_t file) {
    return win_file_write(NULL, file, 100, "aaaaa", 5, &report);
}
static hf_status sync_it(intptr_t file) { return win_file_sync(NULL, file, &report); }
static hf_status flush_it(intptr_t file) {
    (void)file;
    return win_file_flush(NULL, shown, WHOLE, &report);
}
static hf_status lock_it(intptr_t file) { return win_file_lock(NULL, file, true, &report); }

/* The function fails with every code; transient ones are retried. `others`: other system calls that
 * act makes. */
static void fail_each_call_of(hf_status (*act)(intptr_t), const char *function, size_t others,
                              intptr_t file) {
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        size_t outer = check_enter("%s failing with %lu", function, codes[i]);
        DWORD handles = handles_open();
        report = (hf_report){0};
        seen = (struct seen){0};
        fail_nth(1, true, codes[i]);
        hf_status status = act(file);
        fail_no_more();
        CHECK(faults.failures == 1 + seen.sleeps && is(function));
        CHECK_STATUS(expected_status(function, codes[i]), status);
        CHECK_EQUAL(codes[i], report.os_code);
        CHECK(strcmp(function, report.call) == 0);
        CHECK(report.system_calls >= 1 + seen.sleeps);
        CHECK(report.system_calls <= 1 + seen.sleeps + others);
        CHECK_EQUAL(handles, handles_open());
        check_leave(outer);
    }
    report = (hf_report){0};
    CHECK_STATUS(HF_OK, act(file));
    CHECK_EQUAL(1 + others, report.system_calls);
}

static void calls_on_an_open_file_report_their_codes(void) {
    remove_all();
    write_named(image, "", 'a');
    intptr_t file = open_writable(image);
    HANDLE section = CreateFileMappingW(win_handle_of(file), NULL, PAGE_READWRITE, 0, 0, NULL);
    CHECK(section != NULL);
    shown = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, WHOLE);
    CHECK(shown != NULL && CloseHandle(section));
    fail_each_call_of(measure_it, "GetFileInformationByHandleEx", 0, file);
    fail_each_call_of(read_it, "ReadFile", 0, file);
    fail_each_call_of(write_it, "WriteFile", 0, file);
    fail_each_call_of(sync_it, "FlushFileBuffers", 0, file);
    fail_each_call_of(flush_it, "FlushViewOfFile", 0, file);
    fail_each_call_of(lock_it, "LockFileEx", 0, file);
    CHECK(UnmapViewOfFile(shown));
    win_file_close(NULL, file);
    CHECK(content(image) == 'a');
    file = open_writable(image);
    fail_each_call_of(lengthen_it, "SetFileInformationByHandle", 2, file);
    win_file_close(NULL, file);
    remove_all();
}

static bool opening_meets_failure(bool is_new, size_t nth, DWORD code) {
    DWORD handles = handles_open();
    intptr_t file = -7;
    uint64_t size;
    remove_named(image, "");
    if (!is_new) write_named(image, "", 'a');
    report = (hf_report){0};
    fail_nth(nth, false, code);
    hf_status status = win_file_open_or_create(NULL, image, &file, &size, &report);
    fail_no_more();
    if (status == HF_OK) {
        CHECK(faults.failures == 0 || (win_is_sharing_error(code) && is("CreateFile")) ||
              (code == ERROR_COMMITMENT_LIMIT && is("VirtualAlloc")));
        CHECK_EQUAL(is_new ? 0 : WHOLE, size);
        win_file_close(NULL, file);
    } else {
        CHECK_STATUS(expected_status(faults.failed, code), status);
        CHECK_EQUAL(code, report.os_code);
        CHECK(is(report.call) && file == -7);
        CHECK(!is_new || is("GetFileInformationByHandleEx") || !is_there(image, ""));
    }
    CHECK_EQUAL(handles, handles_open());
    return faults.failures > 0;
}

static void a_failed_opening_leaves_nothing_open(void) {
    for (size_t i = 0; i < 2 * COUNT_OF(codes); i++) {
        bool is_new = i % 2 == 1;
        size_t nth = 1, outer = check_enter("code %lu, new: %d", codes[i / 2], is_new);
        while (opening_meets_failure(is_new, nth, codes[i / 2])) nth++;
        CHECK_EQUAL(is_new ? 5 : 4, nth - 1); /* room, path, open, create, size */
        check_leave(outer);
    }
    remove_all();
}

/* ------------------------------------------------------------------ transfers --------------- */

static void partial_transfers_are_continued(void) {
    enum { LENGTH = 1000 };
    static const DWORD most[] = {1, 7, 999, 1000, 5000};
    char written[LENGTH], read[LENGTH];
    for (size_t i = 0; i < LENGTH; i++) written[i] = (char)(i * 7);
    for (size_t i = 0; i < COUNT_OF(most); i++) {
        remove_all();
        intptr_t file = open_writable(image);
        faults = (struct faults){.most_bytes = most[i]};
        report = (hf_report){0};
        CHECK_STATUS(HF_OK, win_file_write(NULL, file, 5, written, LENGTH, &report));
        CHECK_EQUAL((LENGTH + most[i] - 1) / most[i], report.system_calls);
        memset(read, 0, LENGTH);
        CHECK_STATUS(HF_OK, win_file_read(NULL, file, 5, read, LENGTH, &report));
        CHECK(memcmp(written, read, LENGTH) == 0);
        faults = (struct faults){0};
        CHECK_STATUS(HF_IO,
                     win_file_read(NULL, file, 6, read, LENGTH, &report)); /* one byte too many */
        CHECK_EQUAL(ERROR_HANDLE_EOF, report.os_code);
        faults.writes_nothing = true;
        CHECK_STATUS(HF_IO, win_file_write(NULL, file, 5, written, LENGTH, &report));
        CHECK_EQUAL(ERROR_WRITE_FAULT, report.os_code);
        faults.writes_nothing = false;
        win_file_close(NULL, file);
    }
    remove_all();
}

static void large_transfers_are_several(void) {
    size_t size = 2 * WIN_LONGEST_TRANSFER + 5;
    char *bytes = malloc(size), *read = calloc(size, 1);
    CHECK(bytes && read);
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(i % 251);
    remove_all();
    intptr_t file = open_writable(image);
    report = (hf_report){0};
    CHECK_STATUS(HF_OK, win_file_write(NULL, file, 0, bytes, size, &report));
    CHECK_EQUAL(3, report.system_calls);
    CHECK_STATUS(HF_OK, win_file_read(NULL, file, 0, read, size, &report));
    CHECK(memcmp(bytes, read, size) == 0);
    win_file_close(NULL, file);
    free(bytes);
    free(read);
    remove_all();
}

/* The file is sparse if the file system has sparse files. */
static void positions_reach_above_4_gib(void) {
    uint64_t behind = ((uint64_t)5 << 30) + 12345, size;
    char bytes[5];
    DWORD count;
    remove_all();
    intptr_t file = open_writable(image);
    DeviceIoControl(win_handle_of(file), FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &count, NULL);
    CHECK_STATUS(HF_OK, win_file_write(NULL, file, behind, "far ", 5, &report));
    CHECK_STATUS(HF_OK, win_file_write(NULL, file, (uint32_t)behind, "near", 5, &report));
    CHECK_STATUS(HF_OK, win_file_read(NULL, file, behind, bytes, 5, &report));
    CHECK(memcmp(bytes, "far ", 5) == 0);
    CHECK_STATUS(HF_OK, win_file_read(NULL, file, (uint32_t)behind, bytes, 5, &report));
    CHECK(memcmp(bytes, "near", 5) == 0);
    CHECK_STATUS(HF_OK, win_file_measure(NULL, file, &size, &report));
    CHECK_EQUAL(behind + 5, size);
    CHECK_STATUS(HF_OK, win_file_resize(NULL, file, size, behind, &report));
    CHECK_STATUS(HF_IO, win_file_read(NULL, file, behind, bytes, 1, &report));
    win_file_close(NULL, file);
    remove_all();
}

/* Documented: a file with a view can be extended, but not truncated. */
static void a_view_keeps_its_file_from_being_cut(void) {
    uint64_t size;
    remove_all();
    write_named(image, "", 'a');
    struct reader reader = open_reader();
    intptr_t file = open_writable(image);
    CHECK_STATUS(HF_OK, win_file_resize(NULL, file, WHOLE, 3 * WHOLE, &report));
    CHECK_STATUS(HF_IO, win_file_resize(NULL, file, 3 * WHOLE, 0, &report));
    CHECK_EQUAL(ERROR_USER_MAPPED_FILE, report.os_code);
    CHECK_STATUS(HF_OK, win_file_measure(NULL, file, &size, &report));
    CHECK_EQUAL(3 * WHOLE, size);
    close_reader(&reader);
    CHECK_STATUS(HF_OK, win_file_resize(NULL, file, 3 * WHOLE, WHOLE, &report));
    win_file_close(NULL, file);
    CHECK(content(image) == 'a');
    remove_all();
}

/* ---------------------------------------------------------------------- locks --------------- */

static void locks_are_between_handles(void) {
    remove_all();
    write_named(image, "", 'a');
    for (int way = 0; way < 4; way++) {
        bool first = way / 2 == 1, second = way % 2 == 1; /* exclusive */
        intptr_t one = open_writable(image), other = open_writable(image);
        CHECK_STATUS(HF_OK, win_file_lock(NULL, one, first, &report));
        report = (hf_report){0};
        hf_status status = win_file_lock(NULL, other, second, &report);
        CHECK_STATUS(first || second ? HF_BUSY : HF_OK, status);
        if (status != HF_OK) CHECK_EQUAL(ERROR_LOCK_VIOLATION, report.os_code);
        /* A lock does not lock the data. */
        CHECK_STATUS(HF_OK, win_file_write(NULL, other, 0, "aaaa", 4, &report));
        CHECK_STATUS(HF_OK, win_file_resize(NULL, other, WHOLE, 2 * WHOLE, &report));
        CHECK_STATUS(HF_OK, win_file_resize(NULL, other, 2 * WHOLE, WHOLE, &report));
        win_file_close(NULL, one);
        if (status != HF_OK) CHECK_STATUS(HF_OK, win_file_lock(NULL, other, second, &report));
        win_file_close(NULL, other);
    }
    CHECK(content(image) == 'a');
    remove_all();
}

/* ------------------------------------------------------------------ replacing --------------- */

static hf_status save_named(const char *name, char byte) {
    static char bytes[WHOLE];
    void *one;
    intptr_t file;
    memset(bytes, byte, WHOLE);
    hf_status status = win_draft_open(NULL, name, WHOLE, &one, &file, &report);
    if (status != HF_OK) return status;
    status = win_file_write(NULL, file, 0, bytes, WHOLE, &report);
    if (status == HF_OK) status = win_file_sync(NULL, file, &report);
    if (status == HF_OK) status = win_draft_publish(NULL, one, &report);
    win_draft_close(NULL, one);
    return status;
}

static hf_status save(char byte) { return save_named(image, byte); }

static void prepare_replacing(void) {
    remove_all();
    write_named(image, "", 'a');
}

/* ----------------------------------------------------------- transient errors --------------- */

static void fail_for_a_while(const char *function, size_t times, DWORD code) {
    faults = (struct faults){.transient = function, .times = times, .code = code};
    seen = (struct seen){0};
    report = (hf_report){0};
}

static char *map_for_flush(intptr_t file) {
    HANDLE section = CreateFileMappingW(win_handle_of(file), NULL, PAGE_READWRITE, 0, 0, NULL);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, WHOLE);
    CHECK(view != NULL && CloseHandle(section));
    return view;
}

/* NTFS fails so now and then. An error that lasts for seconds is reported. */
static void a_flush_is_tried_again_while_it_meets_a_lock(void) {
    prepare_replacing();
    intptr_t file = open_writable(image);
    shown = map_for_flush(file);
    fail_for_a_while("FlushViewOfFile", 5, ERROR_LOCK_VIOLATION);
    CHECK_STATUS(HF_OK, flush_it(file));
    CHECK_EQUAL(5, seen.sleeps);
    CHECK_EQUAL(1 + 2 + 4 + 8 + 16, seen.milliseconds);
    CHECK_EQUAL(6, report.system_calls);
    fail_for_a_while("FlushViewOfFile", SIZE_MAX, ERROR_LOCK_VIOLATION);
    CHECK_STATUS(HF_IO, flush_it(file));
    CHECK_EQUAL(ERROR_LOCK_VIOLATION, report.os_code);
    CHECK_EQUAL(4095, seen.milliseconds);
    fail_for_a_while("FlushViewOfFile", 1, ERROR_CRC);
    CHECK_STATUS(HF_IO, flush_it(file));
    CHECK_EQUAL(0, seen.sleeps);
    faults = (struct faults){0};
    CHECK(UnmapViewOfFile(shown));
    win_file_close(NULL, file);
    remove_all();
}

static hf_status open_it(void) {
    intptr_t file;
    uint64_t size;
    hf_status status = win_file_open(NULL, image, HF_READ_WRITE, &file, &size, &report);
    if (status == HF_OK) win_file_close(NULL, file);
    return status;
}

static hf_status create_it(void) {
    intptr_t file;
    remove_named(image, "");
    hf_status status = win_file_create(NULL, image, 10, &file, &report);
    if (status == HF_OK) win_file_close(NULL, file);
    return status;
}

static hf_status cut_it(void) {
    intptr_t file = open_writable(image);
    hf_status status = win_file_resize(NULL, file, WHOLE, 10, &report);
    win_file_close(NULL, file);
    return status;
}

static hf_status save_it(void) { return save('b'); }

/* A mapped image is replaced in three renames. */
static hf_status save_over_reader(void) {
    struct reader reader = open_reader();
    hf_status status = save('b');
    close_reader(&reader);
    return status;
}

static void a_scanner_delays_a_call_and_does_not_fail_it(void) {
    static const struct {
        hf_status (*act)(void);
        const char *function;
        DWORD code;
    } cases[] = {
        {open_it, "CreateFile", ERROR_SHARING_VIOLATION},
        {open_it, "CreateFile", ERROR_LOCK_VIOLATION},
        {open_it, "CreateFile", ERROR_ACCESS_DENIED},
        {create_it, "CreateFile", ERROR_SHARING_VIOLATION},
        {cut_it, "SetFileInformationByHandle", ERROR_SHARING_VIOLATION},
        {cut_it, "SetFileInformationByHandle", ERROR_LOCK_VIOLATION},
        {cut_it, "SetFileInformationByHandle", ERROR_ACCESS_DENIED},
        {cut_it, "SetFileInformationByHandle", ERROR_USER_MAPPED_FILE},
        {save_it, "CreateFile", ERROR_SHARING_VIOLATION},
        {save_over_reader, "MoveFileEx", ERROR_SHARING_VIOLATION},
        {save_over_reader, "MoveFileEx", ERROR_LOCK_VIOLATION},
        {save_over_reader, "MoveFileEx", ERROR_ACCESS_DENIED},
        {save_over_reader, "FileRenameInfo", ERROR_SHARING_VIOLATION},
        {save_over_reader, "DeleteFile", ERROR_SHARING_VIOLATION},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t outer = check_enter("%s failing with %lu", cases[i].function, cases[i].code);
        prepare_replacing();
        fail_for_a_while(cases[i].function, 3, cases[i].code);
        CHECK_STATUS(HF_OK, cases[i].act());
        CHECK(seen.sleeps > 0 && seen.milliseconds < 200);
        CHECK_EQUAL(0, faults.times);
        faults = (struct faults){0};
        check_leave(outer);
    }
    remove_all();
}

/* A folder, a read-only file, codes that no scanner causes. */
static void permanent_errors_are_reported_at_once(void) {
    wchar_t wide[HF_LONGEST_PATH];
    prepare_replacing();
    seen = (struct seen){0};
    faults = (struct faults){.transient = "CreateFile", .times = 1, .code = ERROR_CRC};
    CHECK_STATUS(HF_IO, open_it());
    faults = (struct faults){.transient = "CreateFile", .times = 1, .code = ERROR_ACCESS_DENIED};
    CHECK(widen_it(image, wide) && SetFileAttributesW(wide, FILE_ATTRIBUTE_READONLY));
    CHECK_STATUS(HF_IO, open_it());
    remove_all();
    CHECK(CreateDirectoryW(wide, NULL));
    faults = (struct faults){0};
    CHECK_STATUS(HF_UNSUPPORTED, open_it());
    CHECK_EQUAL(0, seen.sleeps);
    remove_all();
}

/* ----------------------------------------------------------- files with holes --------------- */

#define RANGE(offset, size)                            \
    {                                                  \
        {.QuadPart = (offset)}, { .QuadPart = (size) } \
    }

/* Wine has no sparse files, so the system's answers are simulated. Zeros show what was filled. */
static void expect_filled(const FILE_ALLOCATED_RANGE_BUFFER *ranges, size_t count) {
    static char bytes[WHOLE];
    prepare_replacing();
    intptr_t file = open_writable(image);
    seen = (struct seen){0};
    faults = (struct faults){
        .ranges = ranges, .range_count = count, .attributes = FILE_ATTRIBUTE_SPARSE_FILE};
    CHECK_STATUS(HF_OK, win_file_fill(NULL, file, WHOLE, false, &report));
    faults = (struct faults){0};
    CHECK_EQUAL(1, seen.whole);
    CHECK_STATUS(HF_OK, win_file_read(NULL, file, 0, bytes, WHOLE, &report));
    for (size_t i = 0; i < WHOLE; i++) {
        bool has = false;
        for (size_t j = 0; j < count; j++)
            has |= i >= (size_t)ranges[j].FileOffset.QuadPart &&
                   i - (size_t)ranges[j].FileOffset.QuadPart < (size_t)ranges[j].Length.QuadPart;
        CHECK_EQUAL(has ? 'a' : 0, bytes[i]);
    }
    uint64_t size;
    CHECK(win_file_measure(NULL, file, &size, &report) == HF_OK && size == WHOLE);
    win_file_close(NULL, file);
}

static void a_sparse_file_is_filled(void) {
    static const FILE_ALLOCATED_RANGE_BUFFER all[] = {RANGE(0, WHOLE)},
                                             none[] = {RANGE(2 * WHOLE, 10)},
                                             some[] = {RANGE(4096, 4096), RANGE(20480, 8192)},
                                             ends[] = {RANGE(0, 4096), RANGE(61440, 4096)};
    expect_filled(all, 1);
    expect_filled(none, 1);
    expect_filled(some, 2);
    expect_filled(ends, 2);
    intptr_t file = open_writable(image);
    static const struct {
        const char *function;
        DWORD code;
        hf_status status;
    } failing[] = {{"WriteFile", ERROR_DISK_FULL, HF_NO_SPACE},
                   {"DeviceIoControl", ERROR_CRC, HF_IO},
                   {"DeviceIoControl", ERROR_INVALID_FUNCTION, HF_UNSUPPORTED},
                   {"GetFileInformationByHandleEx", ERROR_NETNAME_DELETED, HF_IO}};
    for (size_t i = 0; i < COUNT_OF(failing); i++) {
        faults = (struct faults){.ranges = some,
                                 .range_count = 2,
                                 .attributes = FILE_ATTRIBUTE_SPARSE_FILE,
                                 .transient = failing[i].function,
                                 .times = 1,
                                 .code = failing[i].code};
        CHECK_STATUS(failing[i].status, win_file_fill(NULL, file, WHOLE, false, &report));
        CHECK_EQUAL(failing[i].code, report.os_code);
    }
    faults = (struct faults){0};
    seen = (struct seen){0};
    CHECK_STATUS(HF_OK, win_file_fill(NULL, file, WHOLE, false, &report)); /* not sparse */
    CHECK_EQUAL(0, seen.whole);
    /* A shared file is not written to. */
    faults =
        (struct faults){.ranges = none, .range_count = 1, .attributes = FILE_ATTRIBUTE_SPARSE_FILE};
    char byte;
    CHECK_STATUS(HF_OK, win_file_write(NULL, file, 0, "s", 1, &report));
    CHECK_STATUS(HF_OK, win_file_fill(NULL, file, WHOLE, true, &report));
    CHECK(win_file_read(NULL, file, 0, &byte, 1, &report) == HF_OK && byte == 's');
    faults = (struct faults){0};
    win_file_close(NULL, file);
    remove_all();
}

/* The added part has no blocks; if they cannot be allocated, the file keeps its size. */
static void a_sparse_file_that_grows_is_filled(void) {
    static const FILE_ALLOCATED_RANGE_BUFFER old[] = {RANGE(0, WHOLE)};
    uint64_t size;
    prepare_replacing();
    intptr_t file = open_writable(image);
    struct faults sparse = {.ranges = old,
                            .range_count = 1,
                            .attributes = FILE_ATTRIBUTE_SPARSE_FILE,
                            .transient = "WriteFile",
                            .times = 1,
                            .code = ERROR_DISK_FULL};
    faults = sparse;
    CHECK_STATUS(HF_NO_SPACE, win_file_resize(NULL, file, WHOLE, 3 * WHOLE, &report));
    CHECK_EQUAL(ERROR_DISK_FULL, report.os_code);
    CHECK(win_file_measure(NULL, file, &size, &report) == HF_OK && size == WHOLE);
    sparse.times = 0;
    faults = sparse;
    report = (hf_report){0};
    CHECK_STATUS(HF_OK, win_file_resize(NULL, file, WHOLE, 3 * WHOLE, &report));
    /* FSCTL_SET_COMPRESSION, size, attributes, ranges, then the writes. */
    CHECK_EQUAL(4 + 2 * WHOLE / WIN_MOST_ZEROS, report.system_calls);
    faults = (struct faults){0};
    win_file_close(NULL, file);
    remove_all();
}

static void a_compressed_file_is_decompressed(void) {
    prepare_replacing();
    intptr_t file = open_writable(image);
    seen = (struct seen){0};
    faults = (struct faults){.attributes = FILE_ATTRIBUTE_COMPRESSED};
    CHECK_STATUS(HF_OK, win_file_fill(NULL, file, WHOLE, false, &report));
    CHECK_EQUAL(1, seen.decompressions);
    faults = (struct faults){.attributes = FILE_ATTRIBUTE_COMPRESSED,
                             .transient = "DeviceIoControl",
                             .times = 1,
                             .code = ERROR_DISK_FULL};
    CHECK_STATUS(HF_NO_SPACE, win_file_fill(NULL, file, WHOLE, false, &report));
    faults = (struct faults){0};
    win_file_close(NULL, file);
    remove_all();
}

/* ------------------------------------------------------ files and their paths --------------- */

static bool is_at(intptr_t file, const char *path) {
    bool is_there = false;
    CHECK_STATUS(HF_OK, win_file_is_at(NULL, file, path, &is_there, &report));
    return is_there;
}

static void a_file_knows_whether_it_is_at_its_path(void) {
    prepare_replacing();
    intptr_t file = open_writable(image);
    CHECK(is_at(file, image) && is_at(file, NULL));
    CHECK(!is_at(file, "no_such_file") && !is_at(file, "no_such_folder/file") && !is_at(file, "."));
    CHECK_STATUS(HF_OK, save('b'));
    CHECK(!is_at(file, image));
    win_file_close(NULL, file);
    file = open_writable(image);
    CHECK(is_at(file, image));
    DWORD handles = handles_open();
    for (size_t nth = 1; nth <= 4; nth++) { /* standard info, room, path, the other file */
        bool is_there;
        fail_nth(nth, false, ERROR_NETNAME_DELETED);
        hf_status status = win_file_is_at(NULL, file, image, &is_there, &report);
        fail_no_more();
        CHECK_STATUS(expected_status(faults.failed, ERROR_NETNAME_DELETED), status);
        CHECK_EQUAL(handles, handles_open());
    }
    fail_nth(5, false, ERROR_INVALID_PARAMETER); /* no FileIdInfo: file numbers of 64 bits */
    CHECK_EQUAL(false, is_at(file, "test_windows_images.exe"));
    fail_no_more();
    win_file_close(NULL, file);
    remove_all();
}

/* A deleted file exists until its last handle is closed. */
static void a_file_without_a_name_is_nowhere(void) {
    prepare_replacing();
    intptr_t file = open_writable(image);
    faults.has_no_name = true;
    CHECK(!is_at(file, NULL) && !is_at(file, image));
    faults.has_no_name = false;
    win_file_close(NULL, file);
    remove_all();
}

static void a_new_file_does_not_follow_a_link(void) {
    remove_all();
    seen = (struct seen){0};
    CHECK_STATUS(HF_OK, create_it());
    CHECK(seen.creation_flags & FILE_FLAG_OPEN_REPARSE_POINT);
    seen = (struct seen){0};
    CHECK_STATUS(HF_OK, save('b'));
    CHECK(seen.creation_flags & FILE_FLAG_OPEN_REPARSE_POINT);
    remove_all();
}

/* ------------------------------------------------------------ replaced or not --------------- */

/* The image is the old or the new one, whole. image.hf-aside is renamed back by the first opening.
 * After a failure the new file is there only if FlushFileBuffers failed. */
static void expect_replaced_or_not(hf_status status) {
    bool is_in_place = status == HF_OK || strcmp(report.call, "FlushFileBuffers") == 0;
    char found = content(image);
    CHECK(found == (is_in_place ? 'b' : 'a') || (found == 'a' && status != HF_OK));
    CHECK(!is_there(image, ".saving00"));
    CHECK(!is_there(image, ".hf-aside") || (faults.from_then_on && is_in_place));
}

static bool replacing_meets_failure(bool is_mapped, size_t nth, bool from_then_on, DWORD code) {
    struct reader reader = {0};
    prepare_replacing();
    if (is_mapped) reader = open_reader();
    DWORD handles = handles_open();
    report = (hf_report){0};
    fail_nth(nth, from_then_on, code);
    hf_status status = save('b');
    fail_no_more();
    if (status != HF_OK) {
        CHECK(faults.failures > 0);
        CHECK_STATUS(expected_status(report.call, code), status);
        CHECK_EQUAL(code, report.os_code);
    }
    hf_report reported = report;
    expect_replaced_or_not(status);
    report = reported;
    CHECK_EQUAL(handles, handles_open());
    if (is_mapped) CHECK(reader.view[0] == 'a' && reader.view[WHOLE - 1] == 'a');
    if (is_mapped) close_reader(&reader);
    return faults.failures > 0;
}

static void fail_each_call_with(bool is_mapped, bool on, DWORD code, size_t least_calls) {
    size_t outer = check_enter("code %lu, from then on: %d", code, on), nth = 1;
    while (replacing_meets_failure(is_mapped, nth, on, code)) nth++;
    CHECK(nth - 1 >= least_calls);
    check_leave(outer);
}

/* Every code for one call; one code of each kind for all later calls. */
static void fail_each_call_of_replacing(bool is_mapped, size_t least_calls) {
    static const DWORD lasting[] = {ERROR_COMMITMENT_LIMIT, ERROR_DISK_FULL,
                                    ERROR_ACCESS_DENIED,    ERROR_SHARING_VIOLATION,
                                    ERROR_USER_MAPPED_FILE, ERROR_CRC};
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        fail_each_call_with(is_mapped, false, codes[i], least_calls);
    for (size_t i = 0; i < COUNT_OF(lasting); i++)
        fail_each_call_with(is_mapped, true, lasting[i], least_calls);
    remove_all();
}

/* Room, path, the old file, its lock and attributes, the draft, its size, its bytes, a sync; then
 * the old file and its lock, two renames, a sync. */
static void a_file_is_replaced_or_not(void) { fail_each_call_of_replacing(false, 14); }

/* Two renames fail; then the three of win_replace_mapped. */
static void a_file_that_is_mapped_is_replaced_or_not(void) {
    fail_each_call_of_replacing(true, 17);
}

/* Windows 10: one call replaces the file, if all who have it open share deletion. */
static void a_posix_rename_comes_first(void) {
    enum { EX = 22, REPLACES = 1, POSIX = 2, READ_ONLY_TOO = 0x40 };
    prepare_replacing();
    seen = (struct seen){0};
    CHECK_STATUS(HF_OK, save('b'));
    CHECK(seen.rename_count == 2 && seen.renames[0] == EX && seen.renames[1] == FileRenameInfo);
    CHECK_EQUAL(REPLACES | POSIX | READ_ONLY_TOO, seen.rename_flags);
    remove_named(image, "");
    seen = (struct seen){0};
    faults = (struct faults){.knows_posix_renames = true};
    CHECK_STATUS(HF_OK, save('c'));
    faults = (struct faults){0};
    CHECK(seen.rename_count == 1 && content(image) == 'c');
    remove_all();
}

/* Open but not mapped: it needs no image.hf-aside. */
static void a_file_that_is_open_is_replaced(void) {
    intptr_t file;
    uint64_t size;
    char byte = 0;
    prepare_replacing();
    CHECK_STATUS(HF_OK, win_file_open(NULL, image, HF_READ_ONLY, &file, &size, &report));
    CHECK_STATUS(HF_OK, save('b'));
    CHECK_STATUS(HF_OK, win_file_read(NULL, file, WHOLE - 1, &byte, 1, &report));
    CHECK(byte == 'a' && content(image) == 'b');
    CHECK(!is_there(image, ".hf-aside"));
    win_file_close(NULL, file);
    remove_all();
}

/* Everybody who has an image mapped keeps seeing that one. */
static void generations_stay_as_they_are(void) {
    struct reader readers[3];
    prepare_replacing();
    for (int i = 0; i < 3; i++) {
        readers[i] = open_reader();
        CHECK_STATUS(HF_OK, save((char)('b' + i)));
        CHECK(content(image) == 'b' + i);
        CHECK(!is_there(image, ".hf-aside"));
        for (int j = 0; j <= i; j++) CHECK(readers[j].view[WHOLE - 1] == 'a' + j);
    }
    for (int i = 0; i < 3; i++) close_reader(&readers[i]);
    /* Files that could not be deleted before can be now. */
    struct reader last = open_reader();
    CHECK_STATUS(HF_OK, save('z'));
    close_reader(&last);
    CHECK(!is_there(image, ".hf-over01") && !is_there(image, ".hf-over02"));
    remove_all();
}

/* After the user has deleted the image, no older one that could not be deleted replaces it. */
static void a_deleted_image_does_not_return(void) {
    intptr_t file;
    uint64_t size;
    for (int way = 0; way < 2; way++) {
        prepare_replacing();
        struct reader reader = open_reader();
        faults = (struct faults){.cannot_delete = true};
        CHECK_STATUS(HF_OK, save('b'));
        faults = (struct faults){0};
        CHECK(is_there(image, ".hf-over00") && !is_there(image, ".hf-aside"));
        close_reader(&reader);
        remove_named(image, "");
        if (way == 0) {
            CHECK(content(image) == 0);
            CHECK_EQUAL(ERROR_FILE_NOT_FOUND, report.os_code);
        } else {
            CHECK_STATUS(HF_OK, win_file_open_or_create(NULL, image, &file, &size, &report));
            CHECK_EQUAL(0, size);
            win_file_close(NULL, file);
        }
    }
    remove_all();
}

/* The state after a crash between two renames. */
static void a_file_aside_is_renamed_back(void) {
    static const hf_access accesses[] = {HF_READ_ONLY, HF_COPY_ON_WRITE, HF_READ_WRITE};
    intptr_t file;
    uint64_t size;
    for (size_t i = 0; i <= COUNT_OF(accesses); i++) {
        remove_all();
        write_named(image, ".hf-aside", 'a');
        CHECK_STATUS(HF_OK, i < COUNT_OF(accesses)
                                ? win_file_open(NULL, image, accesses[i], &file, &size, &report)
                                : win_file_open_or_create(NULL, image, &file, &size, &report));
        CHECK_EQUAL(WHOLE, size);
        win_file_close(NULL, file);
        CHECK(content(image) == 'a' && !is_there(image, ".hf-aside"));
    }
    /* Not if there is an image, and not by file_create. */
    write_named(image, ".hf-aside", 'z');
    CHECK(content(image) == 'a' && is_there(image, ".hf-aside"));
    remove_named(image, "");
    CHECK_STATUS(HF_OK, win_file_create(NULL, image, 10, &file, &report));
    win_file_close(NULL, file);
    CHECK(is_there(image, ".hf-aside"));
    remove_all();
}

/* A new, empty image would replace the one aside. */
static void no_file_is_created_while_one_is_aside(void) {
    intptr_t file;
    uint64_t size;
    remove_all();
    write_named(image, ".hf-aside", 'a');
    fail_for_a_while("MoveFileEx", SIZE_MAX, ERROR_SHARING_VIOLATION);
    CHECK_STATUS(HF_IO, win_file_open_or_create(NULL, image, &file, &size, &report));
    CHECK_EQUAL(ERROR_SHARING_VIOLATION, report.os_code);
    CHECK_STATUS(HF_IO, save('b'));
    CHECK(!is_there(image, "") && is_there(image, ".hf-aside"));
    fail_for_a_while("MoveFileEx", 3, ERROR_SHARING_VIOLATION);
    CHECK_STATUS(HF_OK, win_file_open_or_create(NULL, image, &file, &size, &report));
    CHECK_EQUAL(3, seen.sleeps);
    faults = (struct faults){0};
    win_file_close(NULL, file);
    CHECK(content(image) == 'a');
    remove_all();
}

/* One that a crash left. */
static void an_older_file_aside_is_deleted(void) {
    for (int is_mapped = 0; is_mapped < 2; is_mapped++) {
        struct reader reader = {0};
        prepare_replacing();
        write_named(image, ".hf-aside", 'z');
        if (is_mapped) reader = open_reader();
        CHECK_STATUS(HF_OK, save('b'));
        CHECK(content(image) == 'b');
        CHECK(!is_there(image, ".hf-aside"));
        if (is_mapped) CHECK(reader.view[0] == 'a');
        if (is_mapped) close_reader(&reader);
    }
    remove_all();
}

static void a_folder_is_not_replaced(void) {
    wchar_t wide[HF_LONGEST_PATH];
    remove_all();
    CHECK(widen_it(image, wide) && CreateDirectoryW(wide, NULL));
    CHECK_STATUS(HF_UNSUPPORTED, save('b'));
    CHECK_EQUAL(ERROR_ACCESS_DENIED, report.os_code);
    CHECK(win_is_folder(wide));
    expect_nothing_beside();
    CHECK(RemoveDirectoryW(wide));
    remove_all();
}

static void a_device_is_not_replaced(void) {
    CHECK_STATUS(HF_UNSUPPORTED, save_named("nul", 'b'));
    CHECK_STATUS(HF_IO, save_named("no_such_folder\\image", 'b'));
    CHECK_EQUAL(ERROR_PATH_NOT_FOUND, report.os_code);
}

static void a_read_only_file_is_replaced(void) {
    wchar_t wide[HF_LONGEST_PATH];
    prepare_replacing();
    CHECK(widen_it(image, wide) && SetFileAttributesW(wide, FILE_ATTRIBUTE_READONLY));
    CHECK_STATUS(HF_OK, save('b'));
    CHECK(content(image) == 'b');
    CHECK(GetFileAttributesW(wide) & FILE_ATTRIBUTE_READONLY);
    expect_nothing_beside();
    remove_all();
}

/* Another handle does not share writing or deletion: nothing changes. */
static void a_file_that_is_not_shared_stays(void) {
    prepare_replacing();
    wchar_t wide[HF_LONGEST_PATH];
    CHECK(widen_it(image, wide));
    HANDLE alone = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(alone != INVALID_HANDLE_VALUE);
    CHECK_STATUS(HF_IO, save('b'));
    CHECK_EQUAL(ERROR_SHARING_VIOLATION, report.os_code);
    CloseHandle(alone);
    CHECK(content(image) == 'a');
    expect_nothing_beside();
    remove_all();
}

/* A writer that has locked the file before, and one that locks it while the draft is written. */
static void a_writer_keeps_its_file_from_being_replaced(void) {
    void *one;
    intptr_t file;
    prepare_replacing();
    intptr_t writer = open_writable(image);
    CHECK_STATUS(HF_OK, win_file_lock(NULL, writer, true, &report));
    CHECK_STATUS(HF_BUSY, win_draft_open(NULL, image, WHOLE, &one, &file, &report));
    expect_nothing_beside();
    win_file_unlock(NULL, writer);
    CHECK_STATUS(HF_OK, win_draft_open(NULL, image, WHOLE, &one, &file, &report));
    CHECK_STATUS(HF_OK, win_file_lock(NULL, writer, true, &report));
    CHECK_STATUS(HF_BUSY, win_draft_publish(NULL, one, &report));
    win_draft_close(NULL, one);
    expect_nothing_beside();
    win_file_close(NULL, writer);
    CHECK(content(image) == 'a');
    /* A shared lock does not matter. */
    intptr_t reader = open_writable(image);
    CHECK_STATUS(HF_OK, win_file_lock(NULL, reader, false, &report));
    CHECK_STATUS(HF_OK, save('b'));
    CHECK(content(image) == 'b');
    win_file_close(NULL, reader);
    remove_all();
}

/* ----------------------------------------------------- files beside the image --------------- */

static void drafts_have_different_names(void) {
    void *drafts[3];
    intptr_t files[3];
    static char bytes[WHOLE];
    prepare_replacing();
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(HF_OK, win_draft_open(NULL, image, WHOLE, &drafts[i], &files[i], &report));
    CHECK(is_there(image, ".saving00") || GetLastError() == ERROR_SHARING_VIOLATION);
    for (int i = 0; i < 3; i++) {
        memset(bytes, 'b' + i, WHOLE);
        CHECK_STATUS(HF_OK, win_file_write(NULL, files[i], 0, bytes, WHOLE, &report));
        CHECK_STATUS(HF_OK, win_draft_publish(NULL, drafts[i], &report));
        CHECK(content(image) == 'b' + i); /* before draft_close */
        win_draft_close(NULL, drafts[i]);
    }
    expect_nothing_beside();
    remove_all();
}

static void drafts_of_dead_processes_are_deleted(void) {
    void *one;
    intptr_t file;
    prepare_replacing();
    CHECK_STATUS(HF_OK, win_draft_open(NULL, image, WHOLE, &one, &file, &report));
    write_named(image, ".saving01", 'x');
    write_named(image, ".saving77", 'x');
    write_named(image, ".savingxx", 'x');
    CHECK_STATUS(HF_OK, save('b'));
    CHECK(!is_there(image, ".saving01") && !is_there(image, ".saving77"));
    CHECK(is_there(image, ".savingxx"));
    remove_named(image, ".savingxx");
    CHECK_STATUS(HF_OK, win_draft_publish(NULL, one,
                                          &report)); /* that of a living process was not deleted */
    win_draft_close(NULL, one);
    expect_nothing_beside();
    remove_all();
}

static void a_hundred_leftovers_are_deleted(void) {
    char suffix[20];
    prepare_replacing();
    for (int i = 0; i < WIN_MOST_NUMBERS; i++) {
        snprintf(suffix, sizeof suffix, ".saving%02d", i);
        write_named(image, suffix, 'x');
    }
    CHECK_STATUS(HF_OK, save('b'));
    CHECK(content(image) == 'b');
    for (int i = 0; i < WIN_MOST_NUMBERS; i++) {
        snprintf(suffix, sizeof suffix, ".saving%02d", i);
        CHECK(!is_there(image, suffix));
    }
    remove_all();
}

/* Wine has no symbolic links: one is simulated. */
static void save_over_link(const char *target, char byte) {
    wchar_t link[HF_LONGEST_PATH], leads_to[HF_LONGEST_PATH];
    CHECK(widen_it("test_windows_images.link", link) && widen_it(target, leads_to));
    faults = (struct faults){.link = link, .leads_to = leads_to};
    CHECK_STATUS(HF_OK, save_named("test_windows_images.link", byte));
    faults = (struct faults){0};
    CHECK(!is_there("test_windows_images.link", "") && content(target) == byte);
}

static void a_link_stays_and_its_target_is_replaced(void) {
    prepare_replacing();
    save_over_link(image, 'b');
    expect_nothing_beside();
    remove_all();
}

static void a_link_to_nothing_gets_its_target(void) {
    remove_all();
    save_over_link(image, 'b');
    expect_nothing_beside();
    remove_all();
}

typedef struct rights {
    char descriptor[2000];
    ULONG length;
} rights;

static rights rights_of(const char *name) {
    rights found = {{0}, 0};
    HANDLE handle = open_named(name, "", READ_CONTROL, OPEN_EXISTING);
    CHECK(win_api.query_security(handle, DACL_SECURITY_INFORMATION, found.descriptor,
                                 sizeof found.descriptor, &found.length) >= 0);
    CloseHandle(handle);
    return found;
}

/* An image that only its owner may read stays so. */
static void who_may_do_what_stays(void) {
    char list[200];
    SECURITY_DESCRIPTOR descriptor;
    SID everyone = {
        .Revision = 1, .SubAuthorityCount = 1, .IdentifierAuthority = {{0, 0, 0, 0, 0, 1}}};
    win_has_placeholders(); /* looks the functions up */
    prepare_replacing();
    rights usual = rights_of(image);
    CHECK(InitializeAcl((ACL *)(void *)list, sizeof list, ACL_REVISION));
    CHECK(AddAccessAllowedAce((ACL *)(void *)list, ACL_REVISION,
                              GENERIC_READ | DELETE | WRITE_DAC | READ_CONTROL, &everyone));
    CHECK(InitializeSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION));
    CHECK(SetSecurityDescriptorDacl(&descriptor, TRUE, (ACL *)(void *)list, FALSE));
    HANDLE handle = open_named(image, "", WRITE_DAC, OPEN_EXISTING);
    CHECK(win_api.set_security(handle, DACL_SECURITY_INFORMATION, &descriptor) >= 0);
    CloseHandle(handle);
    rights before = rights_of(image);
    CHECK(before.length != usual.length || memcmp(&before, &usual, sizeof usual) != 0);
    CHECK_STATUS(HF_OK, save('b'));
    rights after = rights_of(image);
    CHECK_EQUAL(before.length, after.length);
    CHECK(memcmp(before.descriptor, after.descriptor, before.length) == 0);
    remove_all();
}

/* ---------------------------------------------------------------------- names --------------- */

enum { LONG_NAME = 250 };

static const char *long_name(char last) {
    static char name[LONG_NAME + 1];
    memset(name, 'x', LONG_NAME);
    name[LONG_NAME - 1] = last;
    return name;
}

/* A name with a suffix is not too long for the file system, and different for each file. */
static void names_near_the_limit_are_shortened(void) {
    static wchar_t path[HF_LONGEST_PATH], one[HF_LONGEST_PATH], other[HF_LONGEST_PATH];
    for (size_t length = WIN_LONGEST_NAME - 12; length <= WIN_LONGEST_NAME; length++) {
        size_t start = 10;
        wcscpy(path, L"C:\\folder\\");
        for (size_t i = 0; i < length; i++) path[start + i] = L'x';
        path[start + length] = L'\0';
        CHECK(win_add_numbered_suffix(path, win_draft_suffix, 42, one));
        CHECK(wcslen(one) - start <= WIN_LONGEST_NAME);
        CHECK(wcscmp(one + wcslen(one) - 9, L".saving42") == 0);
        path[start + length - 1] = L'y';
        CHECK(win_add_numbered_suffix(path, win_draft_suffix, 42, other) &&
              wcscmp(one, other) != 0);
        CHECK(win_name_aside(path, one) &&
              win_add_numbered_suffix(path, win_replaced_suffix, 0, other));
        CHECK(wcslen(one) - start <= WIN_LONGEST_NAME && wcslen(other) - start <= WIN_LONGEST_NAME);
    }
    for (size_t i = 0; i < HF_LONGEST_PATH - 1; i++) path[i] = i % 2 ? L'\\' : L'x';
    path[HF_LONGEST_PATH - 1] = L'\0';
    CHECK(!win_name_aside(path, one));
}

static void a_long_name_is_replaced_while_it_is_mapped(void) {
    const char *name = long_name('x');
    write_named(name, "", 'a');
    HANDLE file = open_named(name, "", GENERIC_READ, OPEN_EXISTING);
    HANDLE section = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    const char *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    CHECK(view != NULL && CloseHandle(section));
    CHECK_STATUS(HF_OK, save_named(name, 'b'));
    CHECK(view[0] == 'a' && content(name) == 'b');
    CHECK(UnmapViewOfFile(view) && CloseHandle(file));
    CHECK_STATUS(HF_OK, save_named(name, 'c'));
    CHECK(content(name) == 'c');
    remove_named(name, "");
}

static const wchar_t *lengthened(const wchar_t *given) {
    static wchar_t wide[HF_LONGEST_PATH];
    hf_add_long_prefix(given, wide);
    return wide;
}

static void a_long_path_gets_its_prefix(void) {
    static wchar_t path[1000], expected[1000], tail[300];
    for (size_t i = 0; i < 260; i++) tail[i] = i % 20 == 19 ? L'\\' : L'x';
    swprintf(path, 1000, L"C:\\%ls", tail);
    swprintf(expected, 1000, L"\\\\?\\C:\\%ls", tail);
    CHECK(wcscmp(lengthened(path), expected) == 0);
    CHECK(wcscmp(lengthened(expected), expected) == 0);
    swprintf(path, 1000, L"C:/./%ls", tail);
    CHECK(wcscmp(lengthened(path), expected) == 0);
    swprintf(path, 1000, L"\\\\server\\share\\%ls", tail);
    swprintf(expected, 1000, L"\\\\?\\UNC\\server\\share\\%ls", tail);
    CHECK(wcscmp(lengthened(path), expected) == 0);
    CHECK(wcscmp(lengthened(expected), expected) == 0);
    CHECK(wcsncmp(lengthened(tail), L"\\\\?\\", 4) == 0); /* a relative one */
    CHECK(wcsstr(lengthened(tail), tail) != NULL);
    static const wchar_t *const stay[] = {L"image", L"C:\\image", L"\\\\server\\share\\image",
                                          L"NUL",   L"",          L"\\\\.\\pipe\\image"};
    for (size_t i = 0; i < COUNT_OF(stay); i++) CHECK(wcscmp(lengthened(stay[i]), stay[i]) == 0);
}

/* CreateFile receives the long path with the prefix. */
static void a_long_path_is_replaced(void) {
    char folder[400], long_image[800];
    DWORD length = GetCurrentDirectoryA(sizeof folder, folder);
    CHECK(length > 0 && length < sizeof folder);
    snprintf(long_image, sizeof long_image, "%s\\%0240d.tmp", folder, 1);
    remove_named(long_image, "");
    CHECK_STATUS(HF_OK, save_named(long_image, 'a'));
    CHECK(wcsncmp(seen.opened, L"\\\\?\\", 4) == 0);
    CHECK(content(long_image) == 'a');
    CHECK_STATUS(HF_OK, save_named(long_image, 'b'));
    CHECK(content(long_image) == 'b');
    snprintf(long_image, sizeof long_image, "%0240d.tmp", 1); /* the same, from here */
    CHECK(content(long_image) == 'b');
    CHECK_EQUAL(length + 1 + 244 >= HF_SHORT_PATH_LIMIT, wcsncmp(seen.opened, L"\\\\?\\", 4) == 0);
    remove_named(long_image, "");
    CHECK(!is_there(long_image, ""));
}

/* ----------------------------------------------------------- dying on the way --------------- */

/* Runs in another process, which dies before the nth system call. */
static void dies_while_it_replaces(void) {
    faults = (struct faults){.dies = true};
    name_image(fgetc(process_input()));
    int nth = fgetc(process_input());
    CHECK(image_number > 0 && nth > 0);
    faults.nth = (size_t)nth;
    CHECK_STATUS(HF_OK, save('b'));
    faults.nth = 0;
}

static bool lives_through_replacing(int nth) {
    FILE *process = process_start("dies_while_it_replaces");
    CHECK(process != NULL && fputc(image_number, process) == image_number);
    CHECK(fputc(nth, process) == nth);
    return process_ended_well(process);
}

/* After a crash the old or the new image opens, whole; the next save replaces it and deletes the
 * other files. */
static void a_crash_leaves_one_of_the_two(void) {
    bool lived = false;
    int nth = 0, brought_back = 0, replaced = 0;
    while (!lived) {
        size_t outer = check_enter("before call %d", ++nth);
        prepare_replacing();
        struct reader reader = open_reader();
        lived = lives_through_replacing(nth);
        bool was_gone = !is_there(image, "");
        char found = content(image);
        CHECK(found == 'b' || (found == 'a' && !lived));
        CHECK(!was_gone || found == 'a');
        CHECK(reader.view[WHOLE - 1] == 'a');
        brought_back += was_gone;
        replaced += found == 'b' && !lived;
        close_reader(&reader);
        CHECK_STATUS(HF_OK, save('c'));
        CHECK(content(image) == 'c');
        CHECK(!is_there(image, ".saving00") && !is_there(image, ".hf-aside"));
        check_leave(outer);
    }
    CHECK_EQUAL(1, brought_back);
    CHECK(replaced >= 2); /* before the old one is deleted, before the new name is durable */
    remove_all();
}

CHECK_MAIN(TEST(calls_on_an_open_file_report_their_codes),
           TEST(a_failed_opening_leaves_nothing_open), TEST(partial_transfers_are_continued),
           TEST(large_transfers_are_several), TEST(positions_reach_above_4_gib),
           TEST(a_view_keeps_its_file_from_being_cut), TEST(locks_are_between_handles),
           TEST(a_flush_is_tried_again_while_it_meets_a_lock),
           TEST(a_scanner_delays_a_call_and_does_not_fail_it),
           TEST(permanent_errors_are_reported_at_once), TEST(a_sparse_file_is_filled),
           TEST(a_sparse_file_that_grows_is_filled), TEST(a_compressed_file_is_decompressed),
           TEST(a_file_knows_whether_it_is_at_its_path), TEST(a_file_without_a_name_is_nowhere),
           TEST(a_new_file_does_not_follow_a_link), TEST(a_file_is_replaced_or_not),
           TEST(a_file_that_is_mapped_is_replaced_or_not), TEST(a_posix_rename_comes_first),
           TEST(a_file_that_is_open_is_replaced), TEST(generations_stay_as_they_are),
           TEST(a_deleted_image_does_not_return), TEST(a_file_aside_is_renamed_back),
           TEST(no_file_is_created_while_one_is_aside), TEST(an_older_file_aside_is_deleted),
           TEST(a_folder_is_not_replaced), TEST(a_device_is_not_replaced),
           TEST(a_read_only_file_is_replaced), TEST(a_file_that_is_not_shared_stays),
           TEST(a_writer_keeps_its_file_from_being_replaced), TEST(drafts_have_different_names),
           TEST(drafts_of_dead_processes_are_deleted), TEST(a_hundred_leftovers_are_deleted),
           TEST(a_link_stays_and_its_target_is_replaced), TEST(a_link_to_nothing_gets_its_target),
           TEST(who_may_do_what_stays), TEST(names_near_the_limit_are_shortened),
           TEST(a_long_name_is_replaced_while_it_is_mapped), TEST(a_long_path_gets_its_prefix),
           TEST(a_long_path_is_replaced), TEST_BY_NAME(dies_while_it_replaces),
           TEST(a_crash_leaves_one_of_the_two))
