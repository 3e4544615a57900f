/*
 * Windows' files for images: each system call in them failing, dying before each, files that
 * somebody maps while they are replaced, and locks.
 *
 * The backend's source is included here, with a macro before each system call that lets the n-th
 * one fail with a chosen code, or ends the process before it.
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
    const char *failed;  /* the first function that did */
    DWORD most_bytes;    /* one transfer has no more; 0: what was asked for */
    bool writes_nothing; /* and says that it succeeded */
    bool keeps_what_it_is_told_to_delete;
} faults;

static bool fails(const char *function) {
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

static BOOL set_or_fail(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *value, DWORD size) {
    return !fails("SetFileInformationByHandle") &&
           SetFileInformationByHandle(file, what, value, size);
}

static BOOL delete_or_keep(const wchar_t *path) {
    return !faults.keeps_what_it_is_told_to_delete && DeleteFileW(path);
}

#define VirtualAlloc(...) (fails("VirtualAlloc") ? NULL : VirtualAlloc(__VA_ARGS__))
#define MultiByteToWideChar(...) \
    (fails("MultiByteToWideChar") ? 0 : MultiByteToWideChar(__VA_ARGS__))
#define CreateFileW(...) (fails("CreateFile") ? INVALID_HANDLE_VALUE : CreateFileW(__VA_ARGS__))
#define GetFileInformationByHandleEx(...) \
    (!fails("GetFileInformationByHandleEx") && GetFileInformationByHandleEx(__VA_ARGS__))
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
#undef GetFileInformationByHandleEx
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

static hf_status expected_status(DWORD code) {
    if (is("VirtualAlloc")) return HF_NO_MEMORY;
    if (is("MultiByteToWideChar")) return HF_IO;
    if (is("LockFileEx") && (code == ERROR_LOCK_VIOLATION || code == ERROR_IO_PENDING))
        return HF_BUSY;
    if (is("SetFileInformationByHandle") && is_too_long(code)) return HF_NO_SPACE;
    return is_want_of_memory(code) ? HF_NO_MEMORY : is_want_of_space(code) ? HF_NO_SPACE : HF_IO;
}

/* ---------------------------------------------------------------------- files --------------- */

static const char image[] = "test_windows_images gr\xc3\xbcn \xe6\xbc\xa2.tmp";
static const char fresh[] = "test_windows_images gr\xc3\xbcn \xe6\xbc\xa2.tmp.saving00";

static hf_report report;

static HANDLE open_named(const char *name, const char *suffix, DWORD rights, DWORD creation) {
    wchar_t wide[LONGEST_PATH];
    char whole[1000];
    snprintf(whole, sizeof whole, "%s%s", name, suffix);
    CHECK(widen(whole, wide));
    return CreateFileW(wide, rights, SHARE_ALL, NULL, creation, FILE_ATTRIBUTE_NORMAL, NULL);
}

static void remove_named(const char *name, const char *suffix) {
    wchar_t wide[LONGEST_PATH];
    char whole[1000];
    snprintf(whole, sizeof whole, "%s%s", name, suffix);
    CHECK(widen(whole, wide));
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

/* Full of one byte. */
static void write_named(const char *name, const char *suffix, char byte) {
    static char bytes[WHOLE];
    DWORD written;
    memset(bytes, byte, WHOLE);
    HANDLE handle = open_named(name, suffix, GENERIC_WRITE, CREATE_ALWAYS);
    CHECK(handle != INVALID_HANDLE_VALUE);
    CHECK(WriteFile(handle, bytes, WHOLE, &written, NULL) && written == WHOLE);
    CloseHandle(handle);
}

/* The file that opens under the name is whole: which byte it is full of; 0: none opens. */
static char content(const char *name) {
    static char bytes[WHOLE];
    intptr_t file;
    uint64_t size;
    if (file_open(NULL, name, HF_READ_ONLY, &file, &size, &report) != HF_OK) return 0;
    CHECK_EQUAL(WHOLE, size);
    CHECK_STATUS(HF_OK, file_read(NULL, file, 0, bytes, WHOLE, &report));
    for (size_t i = 1; i < WHOLE; i++) CHECK(bytes[i] == bytes[0]);
    file_close(NULL, file);
    return bytes[0];
}

static const char *const beside[] = {".hf-aside", ".hf-over00", ".hf-over01", ".hf-over02"};

static void remove_all(void) {
    remove_named(image, "");
    remove_named(fresh, "");
    for (size_t i = 0; i < COUNT_OF(beside); i++) remove_named(image, beside[i]);
}

static void expect_nothing_beside(void) {
    for (size_t i = 0; i < COUNT_OF(beside); i++) CHECK(!is_there(image, beside[i]));
}

/* Somebody who has an image open, and shows it. */
struct reader {
    intptr_t file;
    const char *view;
};

static struct reader open_reader(void) {
    struct reader reader;
    uint64_t size;
    CHECK_STATUS(HF_OK, file_open(NULL, image, HF_READ_ONLY, &reader.file, &size, &report));
    HANDLE section = CreateFileMappingW(handle_of(reader.file), NULL, PAGE_READONLY, 0, 0, NULL);
    CHECK(section != NULL);
    reader.view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    CHECK(reader.view != NULL);
    CloseHandle(section);
    return reader;
}

static void close_reader(const struct reader *reader) {
    CHECK(UnmapViewOfFile(reader->view));
    file_close(NULL, reader->file);
}

/* --------------------------------------------------- each call failing ---------------------- */

static intptr_t open_writable(const char *name) {
    intptr_t file;
    uint64_t size;
    CHECK_STATUS(HF_OK, file_open_or_create(NULL, name, &file, &size, &report));
    return file;
}

static char *shown; /* a view of the file */

static hf_status measure_it(intptr_t file) {
    uint64_t size;
    return file_measure(NULL, file, &size, &report);
}
static hf_status lengthen_it(intptr_t file) {
    return file_resize(NULL, file, WHOLE, 2 * WHOLE, &report);
}
static hf_status read_it(intptr_t file) {
    char bytes[100];
    return file_read(NULL, file, 100, bytes, sizeof bytes, &report);
}
static hf_status write_it(intptr_t file) {
    return file_write(NULL, file, 100, "aaaaa", 5, &report);
}
static hf_status sync_it(intptr_t file) { return file_sync(NULL, file, &report); }
static hf_status flush_it(intptr_t file) {
    (void)file;
    return file_flush(NULL, shown, WHOLE, &report);
}
static hf_status lock_it(intptr_t file) { return file_lock(NULL, file, true, &report); }

static void fail_each_call_of(hf_status (*act)(intptr_t), const char *function, intptr_t file) {
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        size_t outer = check_enter("%s failing with %lu", function, codes[i]);
        DWORD handles = handles_open();
        report = (hf_report){0};
        fail_nth(1, true, codes[i]);
        hf_status status = act(file);
        fail_no_more();
        CHECK(faults.failures == 1 && is(function));
        CHECK_STATUS(expected_status(codes[i]), status);
        CHECK_EQUAL(codes[i], report.os_code);
        CHECK(strcmp(function, report.call) == 0);
        CHECK_EQUAL(1, report.system_calls);
        CHECK_EQUAL(handles, handles_open());
        check_leave(outer);
    }
    report = (hf_report){0};
    CHECK_STATUS(HF_OK, act(file));
    CHECK_EQUAL(1, report.system_calls);
}

static void calls_on_an_open_file_tell_their_codes(void) {
    remove_all();
    write_named(image, "", 'a');
    intptr_t file = open_writable(image);
    HANDLE section = CreateFileMappingW(handle_of(file), NULL, PAGE_READWRITE, 0, 0, NULL);
    CHECK(section != NULL);
    shown = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, WHOLE);
    CHECK(shown != NULL && CloseHandle(section));
    fail_each_call_of(measure_it, "GetFileInformationByHandleEx", file);
    fail_each_call_of(read_it, "ReadFile", file);
    fail_each_call_of(write_it, "WriteFile", file);
    fail_each_call_of(sync_it, "FlushFileBuffers", file);
    fail_each_call_of(flush_it, "FlushViewOfFile", file);
    fail_each_call_of(lock_it, "LockFileEx", file);
    CHECK(UnmapViewOfFile(shown));
    file_close(NULL, file);
    CHECK(content(image) == 'a');
    file = open_writable(image);
    fail_each_call_of(lengthen_it, "SetFileInformationByHandle", file);
    file_close(NULL, file);
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
    hf_status status = file_open_or_create(NULL, image, &file, &size, &report);
    fail_no_more();
    if (status == HF_OK) {
        CHECK(faults.failures == 0);
        CHECK_EQUAL(is_new ? 0 : WHOLE, size);
        file_close(NULL, file);
    } else {
        CHECK_STATUS(expected_status(code), status);
        CHECK_EQUAL(code, report.os_code);
        CHECK(is(report.call) && file == -7);
        CHECK(!is_new || is("GetFileInformationByHandleEx") || !is_there(image, ""));
    }
    CHECK_EQUAL(handles, handles_open());
    return faults.failures > 0;
}

static void a_refused_opening_leaves_nothing_open(void) {
    for (size_t i = 0; i < 2 * COUNT_OF(codes); i++) {
        bool is_new = i % 2 == 1;
        size_t nth = 1, outer = check_enter("code %lu, new: %d", codes[i / 2], is_new);
        while (opening_meets_failure(is_new, nth, codes[i / 2])) nth++;
        CHECK_EQUAL(is_new ? 5 : 4, nth - 1); /* room, the path, to find and to make it, length */
        check_leave(outer);
    }
    remove_all();
}

/* ---------------------------------------------------------------- transfers ----------------- */

static void transfers_go_on_where_they_were_cut(void) {
    enum { LENGTH = 1000 };
    static const DWORD most[] = {1, 7, 999, 1000, 5000};
    char written[LENGTH], read[LENGTH];
    for (size_t i = 0; i < LENGTH; i++) written[i] = (char)(i * 7);
    for (size_t i = 0; i < COUNT_OF(most); i++) {
        remove_all();
        intptr_t file = open_writable(image);
        faults = (struct faults){.most_bytes = most[i]};
        report = (hf_report){0};
        CHECK_STATUS(HF_OK, file_write(NULL, file, 5, written, LENGTH, &report));
        CHECK_EQUAL((LENGTH + most[i] - 1) / most[i], report.system_calls);
        memset(read, 0, LENGTH);
        CHECK_STATUS(HF_OK, file_read(NULL, file, 5, read, LENGTH, &report));
        CHECK(memcmp(written, read, LENGTH) == 0);
        faults = (struct faults){0};
        CHECK_STATUS(HF_IO, file_read(NULL, file, 6, read, LENGTH, &report)); /* one is missing */
        CHECK_EQUAL(ERROR_HANDLE_EOF, report.os_code);
        faults.writes_nothing = true;
        CHECK_STATUS(HF_IO, file_write(NULL, file, 5, written, LENGTH, &report));
        CHECK_EQUAL(ERROR_WRITE_FAULT, report.os_code);
        faults.writes_nothing = false;
        file_close(NULL, file);
    }
    remove_all();
}

static void large_transfers_are_several(void) {
    size_t size = 2 * LONGEST_TRANSFER + 5;
    char *bytes = malloc(size), *read = calloc(size, 1);
    CHECK(bytes && read);
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(i % 251);
    remove_all();
    intptr_t file = open_writable(image);
    report = (hf_report){0};
    CHECK_STATUS(HF_OK, file_write(NULL, file, 0, bytes, size, &report));
    CHECK_EQUAL(3, report.system_calls);
    CHECK_STATUS(HF_OK, file_read(NULL, file, 0, read, size, &report));
    CHECK(memcmp(bytes, read, size) == 0);
    file_close(NULL, file);
    free(bytes);
    free(read);
    remove_all();
}

/* Sparse where the file system can. */
static void positions_reach_above_4_gib(void) {
    uint64_t behind = ((uint64_t)5 << 30) + 12345, size;
    char bytes[5];
    DWORD count;
    remove_all();
    intptr_t file = open_writable(image);
    DeviceIoControl(handle_of(file), FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &count, NULL);
    CHECK_STATUS(HF_OK, file_write(NULL, file, behind, "far ", 5, &report));
    CHECK_STATUS(HF_OK, file_write(NULL, file, (uint32_t)behind, "near", 5, &report));
    CHECK_STATUS(HF_OK, file_read(NULL, file, behind, bytes, 5, &report));
    CHECK(memcmp(bytes, "far ", 5) == 0);
    CHECK_STATUS(HF_OK, file_read(NULL, file, (uint32_t)behind, bytes, 5, &report));
    CHECK(memcmp(bytes, "near", 5) == 0);
    CHECK_STATUS(HF_OK, file_measure(NULL, file, &size, &report));
    CHECK_EQUAL(behind + 5, size);
    CHECK_STATUS(HF_OK, file_resize(NULL, file, size, behind, &report));
    CHECK_STATUS(HF_IO, file_read(NULL, file, behind, bytes, 1, &report));
    file_close(NULL, file);
    remove_all();
}

/* What is documented of a file with a view: it grows, and is not cut. */
static void a_view_keeps_its_file_from_being_cut(void) {
    uint64_t size;
    remove_all();
    write_named(image, "", 'a');
    struct reader reader = open_reader();
    intptr_t file = open_writable(image);
    CHECK_STATUS(HF_OK, file_resize(NULL, file, WHOLE, 3 * WHOLE, &report));
    CHECK_STATUS(HF_IO, file_resize(NULL, file, 3 * WHOLE, 0, &report));
    CHECK_EQUAL(ERROR_USER_MAPPED_FILE, report.os_code);
    CHECK_STATUS(HF_OK, file_measure(NULL, file, &size, &report));
    CHECK_EQUAL(3 * WHOLE, size);
    close_reader(&reader);
    CHECK_STATUS(HF_OK, file_resize(NULL, file, 3 * WHOLE, WHOLE, &report));
    file_close(NULL, file);
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
        CHECK_STATUS(HF_OK, file_lock(NULL, one, first, &report));
        report = (hf_report){0};
        hf_status status = file_lock(NULL, other, second, &report);
        CHECK_STATUS(first || second ? HF_BUSY : HF_OK, status);
        if (status != HF_OK) CHECK_EQUAL(ERROR_LOCK_VIOLATION, report.os_code);
        /* It keeps nobody from the bytes. */
        CHECK_STATUS(HF_OK, file_write(NULL, other, 0, "aaaa", 4, &report));
        CHECK_STATUS(HF_OK, file_resize(NULL, other, WHOLE, 2 * WHOLE, &report));
        CHECK_STATUS(HF_OK, file_resize(NULL, other, 2 * WHOLE, WHOLE, &report));
        file_close(NULL, one);
        if (status != HF_OK) CHECK_STATUS(HF_OK, file_lock(NULL, other, second, &report));
        file_close(NULL, other);
    }
    CHECK(content(image) == 'a');
    remove_all();
}

/* -------------------------------------------------------------------- replacing ------------- */

static void prepare_replacing(void) {
    remove_all();
    write_named(image, "", 'a');
    write_named(fresh, "", 'b');
}

/* All or nothing; what was aside comes back with the first who opens the image. */
static void expect_replaced_or_not(hf_status status) {
    CHECK(content(image) == (status == HF_OK ? 'b' : 'a'));
    CHECK(is_there(fresh, "") == (status != HF_OK));
    CHECK(!is_there(image, ".hf-aside") || (faults.from_then_on && status == HF_OK));
}

static bool replacing_meets_failure(bool is_mapped, size_t nth, bool from_then_on, DWORD code) {
    struct reader reader = {0};
    prepare_replacing();
    if (is_mapped) reader = open_reader();
    DWORD handles = handles_open();
    report = (hf_report){0};
    fail_nth(nth, from_then_on, code);
    hf_status status = file_replace(NULL, fresh, image, &report);
    fail_no_more();
    if (status != HF_OK) {
        CHECK(faults.failures > 0);
        CHECK_STATUS(expected_status(code), status);
        CHECK_EQUAL(code, report.os_code);
        CHECK(is(report.call));
    }
    expect_replaced_or_not(status);
    CHECK_EQUAL(handles, handles_open());
    if (is_mapped) CHECK(reader.view[0] == 'a' && reader.view[WHOLE - 1] == 'a');
    if (is_mapped) close_reader(&reader);
    return faults.failures > 0;
}

static void fail_each_call_of_replacing(bool is_mapped, size_t least_calls) {
    for (size_t i = 0; i < 2 * COUNT_OF(codes); i++) {
        bool on = i % 2 == 1;
        size_t outer = check_enter("code %lu, from then on: %d", codes[i / 2], on), nth = 1;
        while (replacing_meets_failure(is_mapped, nth, on, codes[i / 2])) nth++;
        CHECK(nth - 1 >= least_calls);
        check_leave(outer);
    }
    remove_all();
}

static void a_file_is_replaced_or_not(void) {
    fail_each_call_of_replacing(false, 4); /* room, two paths, the move */
}

static void a_file_that_is_mapped_is_replaced_or_not(void) {
    fail_each_call_of_replacing(true, 7); /* the move, refused; aside; into its place; away */
}

/* And not mapped: with or without a name of its own aside. */
static void a_file_that_is_open_is_replaced(void) {
    intptr_t file;
    uint64_t size;
    char byte = 0;
    prepare_replacing();
    CHECK_STATUS(HF_OK, file_open(NULL, image, HF_READ_ONLY, &file, &size, &report));
    report = (hf_report){0};
    CHECK_STATUS(HF_OK, file_replace(NULL, fresh, image, &report));
    CHECK(report.system_calls == 2 || report.system_calls == 5); /* room for names, and moves */
    CHECK_STATUS(HF_OK, file_read(NULL, file, WHOLE - 1, &byte, 1, &report));
    CHECK(byte == 'a' && content(image) == 'b');
    CHECK(!is_there(image, ".hf-aside"));
    file_close(NULL, file);
    remove_all();
}

/* Each as whoever has it open knows it, for as long as that one likes. */
static void generations_stay_as_they_are(void) {
    struct reader readers[3];
    prepare_replacing();
    for (int i = 0; i < 3; i++) {
        readers[i] = open_reader();
        write_named(fresh, "", (char)('b' + i));
        CHECK_STATUS(HF_OK, file_replace(NULL, fresh, image, &report));
        CHECK(content(image) == 'b' + i);
        CHECK(!is_there(image, ".hf-aside"));
        for (int j = 0; j <= i; j++) CHECK(readers[j].view[WHOLE - 1] == 'a' + j);
    }
    for (int i = 0; i < 3; i++) close_reader(&readers[i]);
    /* What could not be deleted then can be now. */
    struct reader last = open_reader();
    write_named(fresh, "", 'z');
    CHECK_STATUS(HF_OK, file_replace(NULL, fresh, image, &report));
    close_reader(&last);
    CHECK(!is_there(image, ".hf-over01") && !is_there(image, ".hf-over02"));
    remove_all();
}

/* The user deletes the image: an older one, which the system would not delete, is not it. */
static void a_deleted_image_does_not_return(void) {
    intptr_t file;
    uint64_t size;
    for (int way = 0; way < 2; way++) {
        prepare_replacing();
        struct reader reader = open_reader();
        faults = (struct faults){.keeps_what_it_is_told_to_delete = true};
        CHECK_STATUS(HF_OK, file_replace(NULL, fresh, image, &report));
        faults = (struct faults){0};
        CHECK(is_there(image, ".hf-over00") && !is_there(image, ".hf-aside"));
        close_reader(&reader);
        remove_named(image, "");
        if (way == 0) {
            CHECK(content(image) == 0);
            CHECK_EQUAL(ERROR_FILE_NOT_FOUND, report.os_code);
        } else {
            CHECK_STATUS(HF_OK, file_open_or_create(NULL, image, &file, &size, &report));
            CHECK_EQUAL(0, size);
            file_close(NULL, file);
        }
    }
    remove_all();
}

/* As a crash between the moves leaves it. */
static void what_is_aside_comes_back(void) {
    static const hf_access accesses[] = {HF_READ_ONLY, HF_COPY_ON_WRITE, HF_READ_WRITE};
    intptr_t file;
    uint64_t size;
    for (size_t i = 0; i <= COUNT_OF(accesses); i++) {
        remove_all();
        write_named(image, ".hf-aside", 'a');
        CHECK_STATUS(HF_OK, i < COUNT_OF(accesses)
                                ? file_open(NULL, image, accesses[i], &file, &size, &report)
                                : file_open_or_create(NULL, image, &file, &size, &report));
        CHECK_EQUAL(WHOLE, size);
        file_close(NULL, file);
        CHECK(content(image) == 'a' && !is_there(image, ".hf-aside"));
    }
    /* Not over one that is there; and a new one is new. */
    write_named(image, ".hf-aside", 'z');
    CHECK(content(image) == 'a' && is_there(image, ".hf-aside"));
    remove_named(image, "");
    CHECK_STATUS(HF_OK, file_create(NULL, image, 10, &file, &report));
    file_close(NULL, file);
    CHECK(is_there(image, ".hf-aside"));
    remove_all();
}

/* A crash left one there: it is in nobody's way. */
static void an_older_one_aside_gives_way(void) {
    prepare_replacing();
    write_named(image, ".hf-aside", 'z');
    struct reader reader = open_reader();
    CHECK_STATUS(HF_OK, file_replace(NULL, fresh, image, &report));
    CHECK(content(image) == 'b' && reader.view[0] == 'a');
    CHECK(!is_there(image, ".hf-aside"));
    close_reader(&reader);
    remove_all();
}

static void a_folder_stays_where_it_is(void) {
    wchar_t wide[LONGEST_PATH];
    remove_all();
    write_named(fresh, "", 'b');
    CHECK(widen(image, wide) && CreateDirectoryW(wide, NULL));
    CHECK_STATUS(HF_IO, file_replace(NULL, fresh, image, &report));
    CHECK_EQUAL(ERROR_ACCESS_DENIED, report.os_code);
    CHECK(is_folder(wide) && content(fresh) == 'b');
    expect_nothing_beside();
    CHECK(RemoveDirectoryW(wide));
    remove_all();
}

static void a_read_only_file_is_replaced(void) {
    wchar_t wide[LONGEST_PATH];
    prepare_replacing();
    CHECK(widen(image, wide) && SetFileAttributesW(wide, FILE_ATTRIBUTE_READONLY));
    CHECK_STATUS(HF_OK, file_replace(NULL, fresh, image, &report));
    CHECK(content(image) == 'b');
    expect_nothing_beside();
    remove_all();
}

/* Somebody who shares nothing: everything stays. */
static void a_file_that_is_not_shared_stays(void) {
    prepare_replacing();
    wchar_t wide[LONGEST_PATH];
    CHECK(widen(image, wide));
    HANDLE alone = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(alone != INVALID_HANDLE_VALUE);
    CHECK_STATUS(HF_IO, file_replace(NULL, fresh, image, &report));
    CHECK_EQUAL(ERROR_SHARING_VIOLATION, report.os_code);
    CloseHandle(alone);
    CHECK(content(image) == 'a' && content(fresh) == 'b');
    expect_nothing_beside();
    remove_all();
}

/* The names beside it are longer than its own: too long for a file system's 255, or for all. */
static void a_name_too_long_for_another_beside_it(void) {
    enum { LONG = 250 };
    char name[LONG + 1];
    wchar_t wide[LONGEST_PATH], result[LONGEST_PATH];
    memset(name, 'x', LONG);
    name[LONG] = '\0';
    write_named(name, "", 'a');
    write_named(fresh, "", 'b');
    CHECK(widen(name, wide));
    HANDLE file = CreateFileW(wide, GENERIC_READ, SHARE_ALL, NULL, OPEN_EXISTING, 0, NULL);
    HANDLE section = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    void *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    CHECK(view != NULL && CloseHandle(section));
    CHECK_STATUS(HF_IO, file_replace(NULL, fresh, name, &report));
    CHECK(UnmapViewOfFile(view) && CloseHandle(file));
    CHECK(content(name) == 'a' && content(fresh) == 'b');
    remove_named(name, "");
    remove_all();
    for (size_t i = 0; i < LONGEST_PATH - 1; i++) wide[i] = L'x';
    wide[LONGEST_PATH - 1] = L'\0';
    CHECK(!name_aside(wide, result));
}

/* With the prefix that takes a path beyond MAX_PATH. */
static void a_long_path_is_replaced(void) {
    char folder[400], long_image[800], long_fresh[800];
    DWORD length = GetCurrentDirectoryA(sizeof folder, folder);
    CHECK(length > 0 && length < sizeof folder);
    snprintf(long_image, sizeof long_image, "\\\\?\\%s\\%0200d.tmp", folder, 1);
    snprintf(long_fresh, sizeof long_fresh, "%s.saving00", long_image);
    write_named(long_image, "", 'a');
    write_named(long_fresh, "", 'b');
    CHECK_STATUS(HF_OK, file_replace(NULL, long_fresh, long_image, &report));
    CHECK(content(long_image) == 'b');
    write_named(long_image, ".hf-aside", 'c');
    file_delete(NULL, long_image);
    CHECK(content(long_image) == 'c');
    file_delete(NULL, long_image);
    CHECK(!is_there(long_image, ""));
}

/* ----------------------------------------------------- dying on the way --------------------- */

/* The number of the call before which it dies. */
static void dies_while_it_replaces(void) {
    faults = (struct faults){.dies = true};
    int nth = fgetc(process_input());
    CHECK(nth > 0);
    faults.nth = (size_t)nth;
    CHECK_STATUS(HF_OK, file_replace(NULL, fresh, image, &report));
    faults.nth = 0;
}

static bool lives_through_replacing(int nth) {
    FILE *process = process_start("dies_while_it_replaces");
    CHECK(process != NULL && fputc(nth, process) == nth);
    return process_ended_well(process);
}

/* The old one or the new one opens, whole; the next one saves over it as ever. */
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
        CHECK(found == 'b' || (found == 'a' && !lived && is_there(fresh, "")));
        CHECK(!was_gone || found == 'a');
        CHECK(reader.view[WHOLE - 1] == 'a');
        brought_back += was_gone;
        replaced += found == 'b' && !lived;
        close_reader(&reader);
        write_named(fresh, "", 'c');
        CHECK_STATUS(HF_OK, file_replace(NULL, fresh, image, &report));
        CHECK(content(image) == 'c');
        check_leave(outer);
    }
    CHECK_EQUAL(1, brought_back);
    CHECK_EQUAL(1, replaced);
    remove_all();
}

CHECK_MAIN(TEST(calls_on_an_open_file_tell_their_codes),
           TEST(a_refused_opening_leaves_nothing_open), TEST(transfers_go_on_where_they_were_cut),
           TEST(large_transfers_are_several), TEST(positions_reach_above_4_gib),
           TEST(a_view_keeps_its_file_from_being_cut), TEST(locks_are_between_handles),
           TEST(a_file_is_replaced_or_not), TEST(a_file_that_is_mapped_is_replaced_or_not),
           TEST(a_file_that_is_open_is_replaced), TEST(generations_stay_as_they_are),
           TEST(a_deleted_image_does_not_return), TEST(what_is_aside_comes_back),
           TEST(an_older_one_aside_gives_way), TEST(a_folder_stays_where_it_is),
           TEST(a_read_only_file_is_replaced), TEST(a_file_that_is_not_shared_stays),
           TEST(a_name_too_long_for_another_beside_it), TEST(a_long_path_is_replaced),
           TEST_BY_NAME(dies_while_it_replaces), TEST(a_crash_leaves_one_of_the_two))
