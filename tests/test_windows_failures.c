/*
 * The backend of Windows with its n-th system call failing.
 *
 * This file includes windows.c after it has replaced each system call by a macro that lets the n-th
 * call fail with a chosen code, and GetProcAddress by a function that returns wrappers. It tests
 * what a strict backend cannot: the codes of a system that runs out of memory, disk space or
 * handles in the middle of one step, and systems without placeholders or with a part of them.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winioctl.h>

#include "check.h"
#include "handles.h"
#include "holdfast/arena.h"
#include "holdfast/file.h"
#include "random.h"
#include "space_fixture.h"

/* --------------------------------------------------------------------- faults --------------- */

static struct faults {
    const char *only; /* the function that fails; NULL: any */
    size_t nth;       /* this call fails; 0: none */
    bool from_then_on;
    DWORD code;
    size_t calls, failures;
    const char *failed; /* the first function that failed */
    DWORD parts_code;   /* the code for releasing a head or middle of private memory; 0: succeeds */
    DWORD placeholders_code; /* the code of VirtualAlloc2; 0: succeeds */
    bool rejects_limits;     /* VirtualAlloc2 fails if it has parameters */
    const char *missing;     /* a library or function that does not exist */
    size_t uncompressed;     /* calls of FSCTL_SET_COMPRESSION */
    DWORD major, minor;      /* the version of Windows; 0: the real one */
} faults;

static size_t sleeps;
static SIZE_T view_size; /* of the last call that maps a view */

static bool fails(const char *function) {
    if (faults.nth == 0 || (faults.only && strcmp(faults.only, function) != 0)) return false;
    faults.calls++;
    bool now = faults.calls == faults.nth || (faults.from_then_on && faults.calls > faults.nth);
    if (now && faults.failures++ == 0) faults.failed = function;
    if (now) SetLastError(faults.code);
    return now;
}

static void fail_nth(const char *only, size_t nth, bool from_then_on, DWORD code) {
    faults = (struct faults){.only = only, .nth = nth, .from_then_on = from_then_on, .code = code};
}

static void fail_no_more(void) { faults.nth = 0; }

static BOOL free_or_fail(void *address, SIZE_T size, DWORD how);
static BOOL set_or_fail(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *value, DWORD size);
static BOOL control(HANDLE file, DWORD what, const void *argument, DWORD *length);
static HMODULE find_library(const wchar_t *name);
static void *map_or_fail(HANDLE section, DWORD access, DWORD high, DWORD low, SIZE_T size,
                         void *address);
static void count_pause(DWORD milliseconds);
static FARPROC look_up_wrapped(HMODULE library, const char *name);

#define VirtualAlloc(...) (fails("VirtualAlloc") ? NULL : VirtualAlloc(__VA_ARGS__))
#define VirtualFree(address, size, how) free_or_fail(address, size, how)
#define VirtualProtect(...) (!fails("VirtualProtect") && VirtualProtect(__VA_ARGS__))
#define CreateFileMappingW(...) \
    (fails("CreateFileMapping") ? NULL : CreateFileMappingW(__VA_ARGS__))
#define OpenFileMappingW(...) (fails("OpenFileMapping") ? NULL : OpenFileMappingW(__VA_ARGS__))
#define CreateFileW(...) (fails("CreateFile") ? INVALID_HANDLE_VALUE : CreateFileW(__VA_ARGS__))
#define MapViewOfFileEx map_or_fail
#define Sleep count_pause
#define GetFileInformationByHandleEx(...) \
    (!fails("GetFileInformationByHandleEx") && GetFileInformationByHandleEx(__VA_ARGS__))
#define SetFileInformationByHandle set_or_fail
#define DuplicateHandle(...) (!fails("DuplicateHandle") && DuplicateHandle(__VA_ARGS__))
#define MultiByteToWideChar(...) \
    (fails("MultiByteToWideChar") ? 0 : MultiByteToWideChar(__VA_ARGS__))
#define DeviceIoControl(file, what, value, size, result, room, length, overlapped) \
    control(file, what, value, length)
#define GetModuleHandleW find_library
#define GetProcAddress look_up_wrapped

#include "../src/backend/windows.c"

#undef VirtualAlloc
#undef VirtualFree
#undef VirtualProtect
#undef CreateFileMappingW
#undef OpenFileMappingW
#undef CreateFileW
#undef MapViewOfFileEx
#undef Sleep
#undef GetFileInformationByHandleEx
#undef SetFileInformationByHandle
#undef DuplicateHandle
#undef MultiByteToWideChar
#undef DeviceIoControl
#undef GetModuleHandleW
#undef GetProcAddress

static void *map_or_fail(HANDLE section, DWORD access, DWORD high, DWORD low, SIZE_T size,
                         void *address) {
    view_size = size;
    if (fails("MapViewOfFileEx")) return NULL;
    return MapViewOfFileEx(section, access, high, low, size, address);
}

static void count_pause(DWORD milliseconds) {
    CHECK(milliseconds <= 100);
    sleeps++;
}

static MEMORY_BASIC_INFORMATION query(const void *address) {
    MEMORY_BASIC_INFORMATION found;
    CHECK(VirtualQuery(address, &found, sizeof found) == sizeof found);
    return found;
}

/* Does the range lie in a private allocation that continues after it? */
static bool is_head_or_middle(const char *address, size_t size) {
    MEMORY_BASIC_INFORMATION here = query(address), behind = query(address + size);
    return here.State == MEM_COMMIT && here.Type == MEM_PRIVATE && behind.State == MEM_COMMIT &&
           behind.AllocationBase == here.AllocationBase;
}

/* Releasing a whole allocation cannot fail. */
static BOOL free_or_fail(void *address, SIZE_T size, DWORD how) {
    if (how != MEM_RELEASE && fails("VirtualFree")) return FALSE;
    bool preserves = how == (MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER);
    if (faults.parts_code && preserves && is_head_or_middle(address, size)) {
        SetLastError(faults.parts_code);
        return FALSE;
    }
    return VirtualFree(address, size, how);
}

/* A deletion undoes a failed creation, and never fails. */
static BOOL set_or_fail(HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *value, DWORD size) {
    if (what != FileDispositionInfo && fails("SetFileInformationByHandle")) return FALSE;
    return SetFileInformationByHandle(file, what, value, size);
}

/* A file system without compression. */
static BOOL control(HANDLE file, DWORD what, const void *argument, DWORD *length) {
    *length = 0;
    CHECK(what == FSCTL_SET_COMPRESSION && GetFileType(file) == FILE_TYPE_DISK);
    CHECK_EQUAL(COMPRESSION_FORMAT_NONE, *(const USHORT *)argument);
    faults.uncompressed++;
    SetLastError(ERROR_INVALID_FUNCTION);
    return FALSE;
}

/* -------------------------------------------------------- functions looked up --------------- */

enum { ALLOC2, MAP3, UNMAP2, QUERY_OBJECT, QUERY_SECTION, GET_VERSION, LOOKED_UP };

static win_any_function *real[LOOKED_UP];

static PVOID WINAPI alloc2_or_fail(HANDLE process, PVOID base, SIZE_T size, ULONG type,
                                   ULONG protection, void *parameters, ULONG count) {
    DWORD code =
        faults.rejects_limits && parameters ? ERROR_INVALID_PARAMETER : faults.placeholders_code;
    if (code != 0) SetLastError(code);
    if (code != 0 || fails("VirtualAlloc2")) return NULL;
    return ((win_virtual_alloc2_function *)real[ALLOC2])(process, base, size, type, protection,
                                                         parameters, count);
}

static PVOID WINAPI map3_or_fail(HANDLE section, HANDLE process, PVOID base, ULONG64 offset,
                                 SIZE_T size, ULONG type, ULONG protection, void *parameters,
                                 ULONG count) {
    view_size = size;
    if (fails("MapViewOfFile3")) return NULL;
    return ((win_map_view3_function *)real[MAP3])(section, process, base, offset, size, type,
                                                  protection, parameters, count);
}

static BOOL WINAPI unmap2_or_fail(HANDLE process, PVOID base, ULONG flags) {
    return !fails("UnmapViewOfFile2") &&
           ((win_unmap_view2_function *)real[UNMAP2])(process, base, flags);
}

#define STATUS_OF_NO_RESOURCES ((LONG)0xC000009A)

static LONG WINAPI query_object_or_fail(HANDLE handle, int what, void *result, ULONG size,
                                        ULONG *length) {
    if (fails("NtQueryObject")) return STATUS_OF_NO_RESOURCES;
    return ((win_query_object_function *)real[QUERY_OBJECT])(handle, what, result, size, length);
}

static LONG WINAPI query_section_or_fail(HANDLE handle, int what, void *result, SIZE_T size,
                                         SIZE_T *length) {
    if (fails("NtQuerySection")) return STATUS_OF_NO_RESOURCES;
    return ((win_query_section_function *)real[QUERY_SECTION])(handle, what, result, size, length);
}

static LONG WINAPI get_version(OSVERSIONINFOW *version) {
    LONG answer = ((win_get_version_function *)real[GET_VERSION])(version);
    if (faults.major != 0) {
        version->dwMajorVersion = faults.major;
        version->dwMinorVersion = faults.minor;
    }
    return answer;
}

static const struct {
    const char *name;
    win_any_function *wrapper;
} wrapped[LOOKED_UP] = {
    [ALLOC2] = {"VirtualAlloc2", (win_any_function *)alloc2_or_fail},
    [MAP3] = {"MapViewOfFile3", (win_any_function *)map3_or_fail},
    [UNMAP2] = {"UnmapViewOfFile2", (win_any_function *)unmap2_or_fail},
    [QUERY_OBJECT] = {"NtQueryObject", (win_any_function *)query_object_or_fail},
    [QUERY_SECTION] = {"NtQuerySection", (win_any_function *)query_section_or_fail},
    [GET_VERSION] = {"RtlGetVersion", (win_any_function *)get_version},
};

static FARPROC look_up_wrapped(HMODULE library, const char *name) {
    size_t which = 0;
    while (which < LOOKED_UP && strcmp(wrapped[which].name, name) != 0) which++;
    if (which == LOOKED_UP) return GetProcAddress(library, name);
    if (faults.missing && strcmp(faults.missing, name) == 0) return NULL;
    real[which] = (win_any_function *)GetProcAddress(library, name);
    return real[which] ? (FARPROC)wrapped[which].wrapper : NULL;
}

static HMODULE find_library(const wchar_t *name) {
    bool is_missing = faults.missing && strcmp(faults.missing, "kernelbase.dll") == 0;
    return is_missing && wcscmp(name, L"kernelbase.dll") == 0 ? NULL : GetModuleHandleW(name);
}

/* ------------------------------------------------------------------ resources --------------- */

struct resources {
    DWORD handles;
    size_t bytes; /* of addresses that are not free */
};

static struct resources resources_now(void) {
    struct resources resources = {handles_open(), 0};
    MEMORY_BASIC_INFORMATION found;
    for (char *at = NULL; VirtualQuery(at, &found, sizeof found) != 0; at += found.RegionSize)
        if (found.State != MEM_FREE) resources.bytes += found.RegionSize;
    return resources;
}

static void expect_resources(struct resources before) {
    struct resources now = resources_now();
    CHECK_EQUAL(before.handles, now.handles);
    CHECK_EQUAL(before.bytes, now.bytes);
}

static const char path[] = "test_windows_failures.tmp";

static size_t page(void) { return win_page_size(NULL); }

/* A code to inject, and the status that it becomes. */
struct injected {
    DWORD code;
    hf_status status;
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const struct injected memory_codes[] = {
    {ERROR_NOT_ENOUGH_MEMORY, HF_NO_MEMORY},
    {ERROR_NO_SYSTEM_RESOURCES, HF_NO_MEMORY},
    {ERROR_COMMITMENT_LIMIT, HF_NO_MEMORY},
};

static const struct injected file_codes[] = {
    {ERROR_NOT_ENOUGH_MEMORY, HF_NO_MEMORY},
    {ERROR_OUTOFMEMORY, HF_NO_MEMORY},
    {ERROR_NO_SYSTEM_RESOURCES, HF_NO_MEMORY},
    {ERROR_NONPAGED_SYSTEM_RESOURCES, HF_NO_MEMORY},
    {ERROR_PAGED_SYSTEM_RESOURCES, HF_NO_MEMORY},
    {ERROR_WORKING_SET_QUOTA, HF_NO_MEMORY},
    {ERROR_PAGEFILE_QUOTA, HF_NO_MEMORY},
    {ERROR_COMMITMENT_LIMIT, HF_NO_MEMORY},
    {ERROR_NOT_ENOUGH_QUOTA, HF_NO_MEMORY},
    {ERROR_DISK_FULL, HF_NO_SPACE},
    {ERROR_HANDLE_DISK_FULL, HF_NO_SPACE},
    {ERROR_DISK_QUOTA_EXCEEDED, HF_NO_SPACE},
    {ERROR_FILE_TOO_LARGE, HF_NO_SPACE},
    {ERROR_ACCESS_DENIED, HF_IO},
    {ERROR_SHARING_VIOLATION, HF_IO},
    {ERROR_LOCK_VIOLATION, HF_IO},
    {ERROR_USER_MAPPED_FILE, HF_IO},
    {ERROR_WRITE_PROTECT, HF_IO},
    {ERROR_FILE_INVALID, HF_IO},
    {ERROR_TOO_MANY_OPEN_FILES, HF_IO},
    {ERROR_NETNAME_DELETED, HF_IO},
    {ERROR_INVALID_ADDRESS, HF_IO},
};

/* The expected status if this function failed with the code: some functions have one status for
 * every code. */
static hf_status status_in(const char *function, const struct injected *with) {
    static const struct {
        const char *function;
        hf_status status;
    } meanings[] = {{"NtQuerySection", HF_UNSUPPORTED},
                    {"NtQueryObject", HF_INVALID},
                    {"MultiByteToWideChar", HF_IO},
                    {"VirtualAlloc", HF_NO_MEMORY}};
    for (size_t i = 0; i < COUNT_OF(meanings); i++)
        if (strcmp(function, meanings[i].function) == 0) return meanings[i].status;
    bool sets_end = strcmp(function, "SetFileInformationByHandle") == 0;
    return sets_end && win_is_file_too_large(with->code) ? HF_NO_SPACE : with->status;
}

/* The expected code: for an Nt function it does not depend on the NTSTATUS. */
static DWORD code_in(const char *function, const struct injected *with) {
    return strcmp(function, "NtQuerySection") == 0  ? 0
           : strcmp(function, "NtQueryObject") == 0 ? ERROR_ACCESS_DENIED
                                                    : with->code;
}

/* ---------------------------------------------------------------------- steps --------------- */

static const struct injected *injected;
static bool step_from_then_on;
static const hf_backend *stepping; /* the backend; NULL: the native one */

static bool failed_in(const char *function) { return strcmp(faults.failed, function) == 0; }

/* ERROR_COMMITMENT_LIMIT is transient: the space repeats the step, which succeeds unless every
 * later call fails too. Nt functions fail with another code. */
static bool is_retried(bool from_then_on) {
    return injected->code == ERROR_COMMITMENT_LIMIT && !from_then_on &&
           strncmp(faults.failed, "Nt", 2) != 0;
}

static void expect_injected(hf_status status) {
    const char *call = hf_last_error().call;
    CHECK_STATUS(status_in(call, injected), status);
    CHECK_EQUAL(code_in(call, injected), hf_last_error().os_code);
}

/* The space is as before the step, or as the drawing shows it if the undo failed too. The step then
 * succeeds. */
static void expect_undone(const struct drawn *drawn, struct space_fixture *fixture) {
    struct drawn rest = *drawn;
    if (hf_last_error().undo_failed) {
        CHECK(step_from_then_on && drawn->has_undo_failed);
        space_fixture_expect(fixture, &drawn->undo_failed);
        rest.step = drawn->step == &step_commit_range ? &step_commit : &step_map;
    } else {
        /* A repeated step can fail in another call than the first. */
        CHECK(injected->code == ERROR_COMMITMENT_LIMIT || failed_in(hf_last_error().call));
        space_fixture_expect(fixture, &drawn->before);
    }
    CHECK_STATUS(HF_OK, drawn_run(&rest, fixture));
}

static bool meets_failure(const struct drawn *drawn, size_t nth) {
    struct resources before = resources_now();
    struct space_fixture fixture;
    size_t outer = check_enter("system call %zu failing with %lu, from then on: %d", nth,
                               injected->code, step_from_then_on);
    space_fixture_open(&fixture, stepping ? stepping : hf_backend_native(), NULL, &drawn->before);
    fail_nth(NULL, nth, step_from_then_on, injected->code);
    hf_status status = drawn_run(drawn, &fixture);
    fail_no_more();
    CHECK((status == HF_OK) == (faults.failures == 0 || is_retried(step_from_then_on)));
    if (status != HF_OK) {
        expect_injected(status);
        expect_undone(drawn, &fixture);
    }
    space_fixture_expect(&fixture, &drawn->after);
    space_fixture_close(&fixture);
    expect_resources(before);
    check_leave(outer);
    return faults.failures > 0;
}

static void fail_each_call(const struct drawn *drawn) {
    size_t nth = 1;
    while (meets_failure(drawn, nth)) nth++;
    CHECK(nth > 1);
}

static void fail_with_each(const struct injected *list, size_t count, const struct step *step,
                           const char *drawing) {
    for (size_t i = 0; i < 2 * count; i++) {
        injected = &list[i / 2];
        step_from_then_on = i % 2 == 1;
        drawing_each(step, drawing, fail_each_call);
    }
}

#define FAIL_WITH_EACH(list, step, drawing) fail_with_each(list, COUNT_OF(list), step, drawing)

static void a_failed_split_leaves_one_placeholder(void) {
    if (!require_views()) return;
    FAIL_WITH_EACH(memory_codes, &step_split,
                   "p p p     p p p     c|p p p|v\n"
                   "-           -           ---  \n"
                   "p|p p     p|p|p     c|p|p p|v\n");
}

static void a_failed_coalesce_leaves_the_pieces(void) {
    if (!require_views()) return;
    FAIL_WITH_EACH(memory_codes, &step_coalesce,
                   "p|p     p|p p|p     c|p|p|v\n"
                   "---     -------       ---  \n"
                   "p p     p p p p     c|p p|v\n");
}

static void a_failed_commit_leaves_a_placeholder(void) {
    if (!require_views()) return;
    FAIL_WITH_EACH(memory_codes, &step_commit,
                   "p p     c|p p|c     v|p|v\n"
                   "---       ---         -  \n"
                   "c c     c|c c|c     v|c|v\n");
    FAIL_WITH_EACH(memory_codes, &step_commit_range,
                   "p p     p p p     c|p p p|v\n"
                   "---     ---           -    \n"
                   "c c     c c|p     c|p|c|p|v\n"
                   "p p     p p|p     c|p|p|p|v\n");
}

static void a_failed_decommit_leaves_it_committed(void) {
    if (!require_views()) return;
    static const struct injected decommit_codes[] = {{ERROR_NOT_ENOUGH_MEMORY, HF_NO_MEMORY},
                                                     {ERROR_NO_SYSTEM_RESOURCES, HF_NO_MEMORY},
                                                     {ERROR_COMMITMENT_LIMIT, HF_NO_MEMORY},
                                                     {ERROR_INVALID_PARAMETER, HF_UNSUPPORTED},
                                                     {ERROR_INVALID_ADDRESS, HF_UNSUPPORTED}};
    FAIL_WITH_EACH(decommit_codes, &step_decommit,
                   "c c     c c c     c c c     p|c c c|p\n"
                   "---     -           -         ---    \n"
                   "p p     p|c c     c|p|c     p|p p|c|p\n");
}

static void a_failed_map_leaves_a_placeholder(void) {
    if (!require_views()) return;
    FAIL_WITH_EACH(file_codes, &step_map,
                   "p p     c|p p|v\n"
                   "---       ---  \n"
                   "v v     c|v v|v\n");
    FAIL_WITH_EACH(memory_codes, &step_map_range,
                   "p p     p p p     c|p p p|v\n"
                   "---     ---           -    \n"
                   "v v     v v|p     c|p|v|p|v\n"
                   "p p     p p|p     c|p|p|p|v\n");
}

static void a_failed_unmap_leaves_a_view(void) {
    if (!require_views()) return;
    FAIL_WITH_EACH(memory_codes, &step_unmap,
                   "v v     c|r r|c     p|w|p\n"
                   "---       ---         -  \n"
                   "p p     c|p p|c     p|p|p\n");
}

/* ----------------------------------------------------------------- protections -------------- */

static const struct injected protect_codes[] = {{ERROR_NOT_ENOUGH_MEMORY, HF_NO_MEMORY},
                                                {ERROR_COMMITMENT_LIMIT, HF_NO_MEMORY},
                                                {ERROR_INVALID_PARAMETER, HF_UNSUPPORTED},
                                                {ERROR_INVALID_ADDRESS, HF_UNSUPPORTED},
                                                {ERROR_DYNAMIC_CODE_BLOCKED, HF_UNSUPPORTED}};

static hf_protection protection_of(hf_space *space, size_t number) {
    hf_region region;
    CHECK(hf_space_find(space, number * page(), &region));
    return region.protection;
}

/* The regions c, c, v and w of one page each become unreadable; the second one was read-only. A
 * failed undo leaves the pages that were reached as hf_space_find says. */
static bool protect_meets_failure(size_t nth) {
    struct space_fixture fixture;
    struct picture picture = picture_parse("c|c|v|w", 7);
    size_t outer = check_enter("system call %zu failing with %lu, from then on: %d", nth,
                               injected->code, step_from_then_on);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    CHECK_STATUS(HF_OK, hf_space_protect(fixture.space, page(), page(), HF_PROTECT_READ));
    fail_nth(NULL, nth, step_from_then_on, injected->code);
    hf_status status = hf_space_protect(fixture.space, 0, 4 * page(), HF_PROTECT_NONE);
    fail_no_more();
    bool failed = faults.failures > 0;
    CHECK((status == HF_OK) == (!failed || is_retried(step_from_then_on)));
    CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
    if (status != HF_OK) {
        expect_injected(status);
        CHECK(failed_in("VirtualProtect") && failed_in(hf_last_error().call));
        CHECK_EQUAL(step_from_then_on && nth > 1, hf_last_error().undo_failed);
        for (size_t i = 0; i < 4; i++) {
            hf_protection before = i == 1 ? HF_PROTECT_READ : HF_PROTECT_READ_WRITE;
            bool is_left = hf_last_error().undo_failed && i < nth - 1;
            CHECK_EQUAL(is_left ? HF_PROTECT_NONE : before, protection_of(fixture.space, i));
        }
    }
    CHECK_STATUS(HF_OK, hf_space_protect(fixture.space, 0, 4 * page(), HF_PROTECT_READ_WRITE));
    space_fixture_expect(&fixture, &picture);
    space_fixture_close(&fixture);
    check_leave(outer);
    return failed;
}

static void a_failed_protect_changes_nothing(void) {
    if (!require_views()) return;
    for (size_t i = 0; i < 2 * COUNT_OF(protect_codes); i++) {
        size_t nth = 1;
        injected = &protect_codes[i / 2];
        step_from_then_on = i % 2 == 1;
        while (protect_meets_failure(nth)) nth++;
        CHECK_EQUAL(5, nth);
    }
}

/* The view is mapped executable and then protected: when that fails, it is unmapped. */
static bool executable_view_meets_failure(hf_space *space, hf_file *file, hf_access access,
                                          size_t nth) {
    hf_region region;
    struct resources before = resources_now();
    fail_nth(NULL, nth, false, injected->code);
    hf_status status = hf_space_map(space, 0, 2 * page(), file, 0, access);
    fail_no_more();
    CHECK(hf_space_find(space, 0, &region) && region.size == 2 * page());
    bool is_made = faults.failures == 0 || is_retried(false);
    CHECK_EQUAL(is_made ? HF_VIEW : HF_PLACEHOLDER, region.kind);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    if (status == HF_OK)
        CHECK_STATUS(HF_OK, hf_space_unmap(space, 0, 2 * page()));
    else
        expect_injected(status);
    expect_resources(before);
    return faults.failures > 0;
}

static void a_failed_executable_view_leaves_a_placeholder(void) {
    if (!require_views()) return;
    static const struct injected codes[] = {{ERROR_NOT_ENOUGH_MEMORY, HF_NO_MEMORY},
                                            {ERROR_COMMITMENT_LIMIT, HF_NO_MEMORY},
                                            {ERROR_DYNAMIC_CODE_BLOCKED, HF_UNSUPPORTED}};
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    hf_space *space;
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * page(), NULL));
    CHECK_STATUS(HF_OK, hf_file_create_executable(&file, 2 * page(), NULL));
    for (size_t i = 0; i < 3 * COUNT_OF(codes); i++) {
        size_t nth = 1;
        injected = &codes[i / 3];
        size_t outer = check_enter("code %lu, access %d", injected->code, (int)accesses[i % 3]);
        while (executable_view_meets_failure(space, file, accesses[i % 3], nth)) nth++;
        CHECK_EQUAL(4, nth); /* section size, view, protection */
        check_leave(outer);
    }
    hf_space_close(space);
    hf_file_close(file);
}

/* ------------------------------------------------------------ a part of a view -------------- */

static hf_protection protection_of_view(char letter) {
    return letter == 'r' ? HF_PROTECT_READ : HF_PROTECT_READ_WRITE;
}

static void protect_pages(hf_space *space, const size_t *pages, hf_protection protection) {
    for (size_t i = 0; i < 2; i++)
        CHECK_STATUS(HF_OK, hf_space_protect(space, pages[i] * page(), page(), protection));
}

/* The middle of "c|w w w|p" goes in steps. A page beside it was stored to; those on both sides may
 * be unreadable. */
static bool part_meets_failure(char letter, bool is_protected, size_t nth) {
    static const size_t beside[] = {1, 3};
    char text[] = "c|w w w|p", parts[] = "c|w|p|w|p";
    text[2] = text[4] = text[6] = parts[2] = parts[6] = letter;
    struct resources before = resources_now();
    struct space_fixture fixture;
    struct picture picture = picture_parse(text, 9);
    size_t outer = check_enter("'%c', protected %d, system call %zu failing with %lu, %d", letter,
                               is_protected, nth, injected->code, step_from_then_on);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    volatile char *stored = hf_space_base(fixture.space) + 3 * page();
    char original = *stored;
    if (letter == 'w') *stored = 'x';
    if (is_protected) protect_pages(fixture.space, beside, HF_PROTECT_NONE);
    fail_nth(NULL, nth, step_from_then_on, injected->code);
    hf_status status = hf_space_unmap(fixture.space, 2 * page(), page());
    fail_no_more();
    bool failed = faults.failures > 0, is_lost = status != HF_OK && hf_last_error().undo_failed;
    CHECK((status == HF_OK) == (!failed || is_retried(step_from_then_on)));
    CHECK(!is_lost || step_from_then_on);
    CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
    if (!is_lost) {
        hf_protection expected = is_protected ? HF_PROTECT_NONE : protection_of_view(letter);
        for (size_t i = 0; i < 2; i++)
            CHECK_EQUAL(expected, protection_of(fixture.space, beside[i]));
        if (letter == 'w') {
            protect_pages(fixture.space, beside, HF_PROTECT_READ_WRITE);
            CHECK(*stored == 'x');
            *stored = original;
        }
        space_fixture_expect_text(&fixture, status == HF_OK ? parts : text);
    }
    CHECK_STATUS(HF_OK, hf_space_release_range(fixture.space, 0, 5 * page()));
    space_fixture_expect_text(&fixture, "p p p p p");
    space_fixture_close(&fixture);
    expect_resources(before);
    check_leave(outer);
    return failed;
}

static void a_part_of_a_view_goes_or_stays(void) {
    if (!require_views()) return;
    static const char letters[] = {'v', 'r', 'w', 'w'}; /* the last one protected */
    for (size_t i = 0; i < 2 * COUNT_OF(letters) * COUNT_OF(memory_codes); i++) {
        size_t nth = 1, which = i / 2 % COUNT_OF(letters);
        injected = &memory_codes[i / 2 / COUNT_OF(letters)];
        step_from_then_on = i % 2 == 1;
        while (part_meets_failure(letters[which], which == 3, nth)) nth++;
        CHECK(nth > 6); /* unmap, split, and section size and view twice */
    }
}

/* A split makes no system call, so hf_space_commit_range makes one call and has nothing to undo. */
static void a_failed_step_before_placeholders_changes_nothing(void) {
    stepping = hf_backend_before_placeholders();
    FAIL_WITH_EACH(memory_codes, &step_commit,
                   "p p     c|p p|c\n"
                   "---       ---  \n"
                   "c c     c|c c|c\n");
    FAIL_WITH_EACH(memory_codes, &step_commit_range,
                   "p p     p p p     c|p p p|c\n"
                   "---     ---           -    \n"
                   "c c     c c|p     c|p|c|p|c\n");
    FAIL_WITH_EACH(memory_codes, &step_decommit,
                   "c c     c c c     c c c     p|c c c|p\n"
                   "---     -           -         ---    \n"
                   "p p     p|c c     c|p|c     p|p p|c|p\n");
    FAIL_WITH_EACH(memory_codes, &step_release_range,
                   "c c     c c c     p|c c|c|p\n"
                   "---       -         ---    \n"
                   "p p     c|p|c     p p p|c|p\n");
    stepping = NULL;
}

/* ------------------------------------------------------------ views of a file --------------- */

static hf_report report;

static HANDLE open_plain(DWORD rights, DWORD how) {
    HANDLE handle =
        CreateFileA(path, rights, WIN_SHARE_ALL, NULL, how, FILE_ATTRIBUTE_NORMAL, NULL);
    CHECK(handle != INVALID_HANDLE_VALUE);
    return handle;
}

/* Three pages; the last one is not full. */
static const DWORD file_size = 10000;

static void write_file(void) {
    DWORD written;
    HANDLE handle = open_plain(GENERIC_WRITE, CREATE_ALWAYS);
    for (DWORD i = 0; i < file_size; i++)
        CHECK(WriteFile(handle, "x", 1, &written, NULL) && written == 1);
    CloseHandle(handle);
}

static uint64_t length_of_file(void) {
    LARGE_INTEGER length;
    HANDLE handle = open_plain(GENERIC_READ, OPEN_EXISTING);
    CHECK(GetFileSizeEx(handle, &length));
    CloseHandle(handle);
    return (uint64_t)length.QuadPart;
}

static bool view_meets_failure(hf_space *space, hf_file *file, hf_access access, size_t nth) {
    hf_region region;
    struct resources before = resources_now();
    fail_nth(NULL, nth, false, injected->code);
    hf_status status = hf_space_map(space, 0, 2 * page(), file, page(), access);
    fail_no_more();
    CHECK(hf_space_find(space, 0, &region) && region.size == 2 * page());
    CHECK_EQUAL(status == HF_OK ? HF_VIEW : HF_PLACEHOLDER, region.kind);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    if (status == HF_OK) {
        CHECK(hf_space_base(space)[file_size - page() - 1] == 'x');
        CHECK_EQUAL(file_size - page(), view_size);
        CHECK_STATUS(HF_OK, hf_space_unmap(space, 0, 2 * page()));
    } else {
        expect_injected(status);
        CHECK(strcmp(hf_last_error().call, faults.failed) == 0);
    }
    expect_resources(before);
    CHECK_EQUAL(file_size, length_of_file());
    return faults.failures > 0;
}

static void a_failed_view_of_a_file_leaves_nothing_behind(void) {
    if (!require_views()) return;
    static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};
    hf_space *space;
    hf_file *file;
    write_file();
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * page(), NULL));
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_WRITE, NULL));
    for (size_t i = 0; i < 3 * COUNT_OF(file_codes); i++) {
        size_t nth = 1;
        injected = &file_codes[i / 3];
        size_t outer = check_enter("code %lu, access %d", injected->code, (int)accesses[i % 3]);
        while (view_meets_failure(space, file, accesses[i % 3], nth)) nth++;
        CHECK_EQUAL(4, nth); /* file size, section, view */
        check_leave(outer);
    }
    hf_space_close(space);
    hf_file_close(file);
    DeleteFileA(path);
}

/* At free addresses. ERROR_INVALID_ADDRESS of MapViewOfFileEx is HF_NO_ADDRESS. */
static bool free_view_meets_failure(char *base, intptr_t file, size_t nth) {
    struct resources before = resources_now();
    fail_nth(NULL, nth, false, injected->code);
    hf_status status = win_old_map_free(NULL, base, 3 * page(), file, 0, HF_READ_ONLY, &report);
    fail_no_more();
    if (status == HF_OK) {
        CHECK(base[file_size - 1] == 'x');
        CHECK_EQUAL(file_size, view_size);
        win_release(NULL, base, 3 * page(), HF_VIEW);
    } else {
        bool taken = nth == 3 && injected->code == ERROR_INVALID_ADDRESS;
        CHECK_STATUS(taken ? HF_NO_ADDRESS : injected->status, status);
        CHECK_EQUAL(injected->code, report.os_code);
        CHECK(strcmp(faults.failed, report.call) == 0);
    }
    expect_resources(before);
    return faults.failures > 0;
}

static void a_failed_view_at_free_addresses_leaves_them_free(void) {
    void *base;
    intptr_t file;
    uint64_t size;
    write_file();
    CHECK_STATUS(HF_OK, win_file_open(NULL, path, HF_READ_ONLY, &file, &size, &report));
    CHECK_STATUS(HF_OK, win_old_reserve(NULL, NULL, 3 * page(), &base, &report));
    win_release(NULL, base, 3 * page(), HF_PLACEHOLDER);
    for (size_t i = 0; i < COUNT_OF(file_codes); i++) {
        size_t nth = 1, outer = check_enter("code %lu", file_codes[i].code);
        injected = &file_codes[i];
        while (free_view_meets_failure(base, file, nth)) nth++;
        CHECK_EQUAL(4, nth); /* file size, section, view */
        check_leave(outer);
    }
    win_file_close(NULL, file);
    DeleteFileA(path);
}

/* ---------------------------------------------------------------------- files --------------- */

static HANDLE plain; /* duplicated by take_handle */

static hf_status open_existing(intptr_t *file, uint64_t *size) {
    return win_file_open(NULL, path, HF_READ_WRITE, file, size, &report);
}
static hf_status take_handle(intptr_t *file, uint64_t *size) {
    return win_file_duplicate(NULL, (intptr_t)plain, HF_READ_WRITE, file, size, &report);
}
static hf_status create_new(intptr_t *file, uint64_t *size) {
    DeleteFileA(path);
    *size = file_size;
    return win_file_create(NULL, path, *size, file, &report);
}
static hf_status create_shared(intptr_t *file, uint64_t *size) {
    *size = file_size;
    return win_file_create_shared(NULL, *size, file, &report);
}

static hf_status create_executable(intptr_t *file, uint64_t *size) {
    *size = file_size;
    return win_file_create_executable(NULL, *size, file, &report);
}

/* The name goes with the last handle. */
static const char shared_name[] = "holdfast-test.windows-failures";

static hf_status create_named(intptr_t *file, uint64_t *size) {
    *size = file_size;
    return win_file_create_named(NULL, shared_name, *size, file, &report);
}
static hf_status open_named(intptr_t *file, uint64_t *size) {
    hf_status status = win_file_open_named(NULL, shared_name, HF_READ_WRITE, file, size, &report);
    if (status != HF_OK) return status;
    CHECK(*size > file_size && *size % page() == 0); /* of the section: whole pages */
    *size = file_size;
    return HF_OK;
}

typedef hf_status way_to_file(intptr_t *, uint64_t *);

static bool file_meets_failure(way_to_file *way, size_t nth) {
    struct resources before = resources_now();
    const intptr_t untouched = (intptr_t)&before;
    intptr_t file = untouched;
    uint64_t size;
    fail_nth(NULL, nth, false, injected->code);
    hf_status status = way(&file, &size);
    fail_no_more();
    if (status == HF_OK) {
        CHECK_EQUAL(file_size, size);
        win_file_close(NULL, file);
    } else {
        bool shared = way == create_shared || /* fails only for lack of memory */
                      (way == create_executable && failed_in("CreateFileMapping"));
        CHECK_STATUS(shared ? HF_NO_MEMORY : status_in(faults.failed, injected), status);
        CHECK_EQUAL(code_in(faults.failed, injected), report.os_code);
        CHECK(strcmp(faults.failed, report.call) == 0);
        CHECK(file == untouched);
        CHECK(way != create_new || GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES);
    }
    expect_resources(before);
    return faults.failures > 0;
}

static void fail_each_call_of(way_to_file *way, size_t calls) {
    for (size_t i = 0; i < COUNT_OF(file_codes); i++) {
        size_t nth = 1;
        injected = &file_codes[i];
        size_t outer = check_enter("code %lu", injected->code);
        while (file_meets_failure(way, nth)) nth++;
        CHECK_EQUAL(calls, nth - 1);
        check_leave(outer);
    }
}

static void a_failed_file_leaves_nothing_behind(void) {
    write_file();
    fail_each_call_of(open_existing, 4); /* room for the path, its conversion, file, size */
    fail_each_call_of(create_shared, 1);
    fail_each_call_of(create_executable, 2); /* section, view */
    plain = open_plain(GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING);
    fail_each_call_of(take_handle, 4); /* duplicate, type, size, rights */
    HANDLE file = plain;
    plain = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL);
    CHECK(plain != NULL && CloseHandle(file));
    fail_each_call_of(take_handle, 4);
    CloseHandle(plain);
    fail_each_call_of(create_new, 4);
    fail_each_call_of(create_named, 1);
    plain = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, file_size,
                               "Local\\holdfast-test.windows-failures");
    CHECK(plain != NULL);
    fail_each_call_of(open_named, 2); /* section, size */
    CloseHandle(plain);
    DeleteFileA(path);
}

static void prohibited_code_is_unsupported(void) {
    struct resources before = resources_now();
    hf_file *file;
    fail_nth("MapViewOfFileEx", 1, false, ERROR_DYNAMIC_CODE_BLOCKED);
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_create_executable(&file, page(), NULL));
    CHECK_EQUAL(ERROR_DYNAMIC_CODE_BLOCKED, hf_last_error().os_code);
    fail_no_more();
    expect_resources(before);
}

/* A copy-on-write view whose section cannot be read keeps its pages, and its protection. */
static void a_failed_reset_keeps_the_protection(void) {
    if (!require_views()) return;
    struct resources before = resources_now();
    struct space_fixture fixture;
    struct picture picture = picture_parse("w|p", 3);
    space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
    char *stored = hf_space_base(fixture.space), original = *stored;
    *stored = 'x';
    CHECK_STATUS(HF_OK, hf_space_protect(fixture.space, 0, page(), HF_PROTECT_READ));
    fail_nth("MapViewOfFileEx", 1, false, ERROR_NOT_ENOUGH_MEMORY);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_reset_range(fixture.space, 0, page()));
    fail_no_more();
    CHECK_EQUAL(HF_PROTECT_READ, protection_of(fixture.space, 0));
    CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
    CHECK_EQUAL('x', *stored);
    CHECK_STATUS(HF_OK, hf_space_reset_range(fixture.space, 0, page()));
    CHECK_EQUAL((unsigned char)original, (unsigned char)*stored);
    CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
    space_fixture_close(&fixture);
    expect_resources(before);
}

static void a_closed_handle_is_invalid(void) {
    intptr_t file;
    uint64_t size;
    write_file();
    plain = open_plain(GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING);
    fail_nth("DuplicateHandle", 1, false, ERROR_INVALID_HANDLE);
    CHECK_STATUS(HF_INVALID, take_handle(&file, &size));
    CHECK_EQUAL(ERROR_INVALID_HANDLE, report.os_code);
    fail_no_more();
    CloseHandle(plain);
    DeleteFileA(path);
}

/* A size above the limit of the file system, with each code that file systems have for it. */
static void a_file_too_large_is_no_space(void) {
    static const DWORD codes[] = {ERROR_INVALID_PARAMETER, ERROR_FILE_TOO_LARGE, ERROR_DISK_FULL};
    intptr_t file;
    uint64_t size;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        fail_nth("SetFileInformationByHandle", 1, false, codes[i]);
        CHECK_STATUS(HF_NO_SPACE, create_new(&file, &size));
        CHECK_EQUAL(codes[i], report.os_code);
        CHECK(GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES);
    }
    fail_no_more();
    CHECK_STATUS(HF_NO_SPACE, win_file_create(NULL, path, (uint64_t)1 << 63, &file, &report));
    CHECK(GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES);
}

/* The blocks of a compressed file are allocated when they are written, too late to fail. */
static void a_new_file_is_not_compressed(void) {
    intptr_t file;
    uint64_t size;
    faults = (struct faults){0};
    CHECK_STATUS(HF_OK, create_new(&file, &size));
    CHECK_EQUAL(1, faults.uncompressed);
    win_file_close(NULL, file);
    DeleteFileA(path);
}

/* ------------------------------------------------------------ whole scenarios --------------- */

/* Maps a view of each kind, decommits a middle, and makes everything one placeholder again. */
static hf_status use_space(hf_space *space, hf_file *file, hf_file *shared) {
    size_t g = page();
    hf_status status = hf_space_commit_range(space, 0, 8 * g);
    if (status == HF_OK) status = hf_space_decommit(space, 3 * g, 2 * g);
    if (status == HF_OK) status = hf_space_map_range(space, 4 * g, g, shared, 0, HF_READ_WRITE);
    if (status == HF_OK) status = hf_space_map_range(space, 9 * g, g, file, 2 * g, HF_READ_ONLY);
    if (status == HF_OK)
        status = hf_space_map_range(space, 12 * g, g, file, 2 * g, HF_COPY_ON_WRITE);
    if (status == HF_OK) status = hf_space_unmap(space, 9 * g, g);
    return status == HF_OK ? hf_space_release_range(space, 0, 16 * g) : status;
}

static hf_status space_scenario(void) {
    hf_space *space = NULL;
    hf_file *file = NULL, *shared = NULL;
    DeleteFileA(path);
    hf_status status = hf_space_open(&space, 16 * page(), NULL);
    if (status == HF_OK) status = hf_file_create(&file, path, file_size, NULL);
    if (status == HF_OK) status = hf_file_create_shared(&shared, page(), NULL);
    if (status == HF_OK) status = use_space(space, file, shared);
    fail_no_more();
    if (space) CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_file_close(file);
    hf_file_close(shared);
    hf_space_close(space);
    return status;
}

/* Each block stays full of its own number, whatever fails. */
static hf_status arena_scenario(void) {
    enum { BLOCKS = 40, SIZE = 300000 };
    hf_arena arena;
    char *blocks[BLOCKS];
    hf_arena_options options = {.reserve = (size_t)1 << 26, .least_reserve = (size_t)1 << 26};
    hf_status status = hf_arena_open(&arena, &options);
    for (int i = 0; i < BLOCKS && status == HF_OK; i++) {
        blocks[i] = hf_alloc(&arena, SIZE, 16);
        if (blocks[i] == NULL) status = hf_last_error().status;
        if (blocks[i]) memset(blocks[i], i, SIZE);
        for (int j = 0; j <= i && status == HF_OK; j++) CHECK(blocks[j][SIZE - 1] == j);
    }
    if (status == HF_OK) status = hf_rewind(&arena, SIZE);
    if (status == HF_OK) status = hf_trim(&arena, SIZE + 5);
    if (status == HF_OK) CHECK(blocks[0][SIZE - 1] == 0);
    if (status == HF_OK) status = hf_reset(&arena);
    if (status == HF_OK) status = hf_trim(&arena, 0);
    fail_no_more();
    hf_arena_close(&arena);
    return status;
}

static bool scenario_meets_failure(hf_status (*scenario)(void), size_t nth, bool from_then_on) {
    struct resources before = resources_now();
    size_t outer = check_enter("system call %zu failing with %lu, from then on: %d", nth,
                               injected->code, from_then_on);
    fail_nth(NULL, nth, from_then_on, injected->code);
    hf_status status = scenario();
    bool may_succeed =
        scenario == arena_scenario; /* if a large step fails, a smaller one is tried */
    CHECK(faults.failures == 0 ? status == HF_OK
                               : may_succeed || is_retried(from_then_on) || status != HF_OK);
    if (status != HF_OK) {
        if (status == HF_NO_ADDRESS) /* of a reservation */
            CHECK(failed_in("VirtualAlloc2") || failed_in("VirtualAlloc"));
        else
            expect_injected(status);
    }
    DeleteFileA(path);
    expect_resources(before);
    check_leave(outer);
    return faults.failures > 0;
}

static size_t fail_each_call_in(hf_status (*scenario)(void), bool from_then_on) {
    size_t nth = 1;
    CHECK_STATUS(HF_OK, scenario()); /* allocates what the system never frees */
    while (scenario_meets_failure(scenario, nth, from_then_on)) nth++;
    return nth - 1;
}

static void a_space_leaves_nothing_behind(void) {
    if (!require_views()) return;
    for (size_t i = 0; i < 2 * COUNT_OF(memory_codes); i++) {
        injected = &memory_codes[i / 2];
        CHECK(fail_each_call_in(space_scenario, i % 2 == 1) >= 25);
    }
}

static void an_arena_leaves_nothing_behind(void) {
    for (size_t i = 0; i < 2 * COUNT_OF(memory_codes); i++) {
        injected = &memory_codes[i / 2];
        CHECK(fail_each_call_in(arena_scenario, i % 2 == 1) >= 7);
    }
}

/* ----------------------------- a Windows that cannot release heads or middles --------------- */

/* A tail and a whole allocation can be released. For other parts decommit is HF_UNSUPPORTED and
 * changes nothing. */
static void parts_that_cannot_be_released_stay(void) {
    if (!require_views()) return;
    static const DWORD codes[] = {ERROR_INVALID_PARAMETER, ERROR_INVALID_ADDRESS};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct space_fixture fixture;
        struct picture picture = picture_parse("p|c c c c|v", 11);
        space_fixture_open(&fixture, hf_backend_native(), NULL, &picture);
        size_t g = fixture.page_size;
        faults = (struct faults){.parts_code = codes[i]};
        CHECK_STATUS(HF_UNSUPPORTED, hf_space_decommit(fixture.space, g, g));
        CHECK_EQUAL(codes[i], hf_last_error().os_code);
        CHECK_STATUS(HF_UNSUPPORTED, hf_space_decommit(fixture.space, 2 * g, 2 * g));
        CHECK_STATUS(HF_UNSUPPORTED, hf_space_release_range(fixture.space, 2 * g, g));
        space_fixture_expect(&fixture, &picture);
        CHECK_STATUS(HF_OK, hf_space_decommit(fixture.space, 4 * g, g));
        space_fixture_expect_text(&fixture, "p|c c c|p|v");
        CHECK_STATUS(HF_OK, hf_space_decommit(fixture.space, 2 * g, 2 * g));
        space_fixture_expect_text(&fixture, "p|c|p p|p|v");
        CHECK_STATUS(HF_OK, hf_space_decommit(fixture.space, g, g));
        space_fixture_expect_text(&fixture, "p|p|p p|p|v");
        space_fixture_close(&fixture);
    }
}

enum { MOST_BLOCKS = 200 };

/* Blocks of an arena; block i is full of i + 1. */
struct stack {
    hf_arena arena;
    char *blocks[MOST_BLOCKS];
    size_t sizes[MOST_BLOCKS];
    hf_mark marks[MOST_BLOCKS];
    size_t count;
};

static void push(struct stack *stack, size_t size) {
    size_t i = stack->count++;
    stack->marks[i] = hf_get_mark(&stack->arena);
    stack->sizes[i] = size;
    stack->blocks[i] = hf_alloc(&stack->arena, size, 16);
    CHECK(stack->blocks[i] != NULL);
    memset(stack->blocks[i], (int)i + 1, size);
}

static void pop_to(struct stack *stack, size_t count) {
    CHECK_STATUS(HF_OK, hf_rewind(&stack->arena, stack->marks[count]));
    stack->count = count;
}

static void expect_blocks(const struct stack *stack) {
    for (size_t i = 0; i < stack->count; i++) {
        CHECK_EQUAL((unsigned char)(i + 1), (unsigned char)stack->blocks[i][0]);
        CHECK(memcmp(stack->blocks[i], stack->blocks[i] + 1, stack->sizes[i] - 1) == 0);
    }
}

/* An arena releases memory only at its end, so it works on such a Windows. */
static void an_arena_releases_tails_only(void) {
    if (!require_views()) return;
    static struct stack stack;
    struct random random = {1};
    CHECK_STATUS(HF_OK, hf_arena_open(&stack.arena, NULL));
    faults = (struct faults){.parts_code = ERROR_INVALID_PARAMETER};
    for (int i = 0; i < 2000; i++) {
        size_t what = random_below(&random, 10);
        if (what < 6 && stack.count < MOST_BLOCKS)
            push(&stack, 2 + random_below(&random, i % 100 == 0 ? 3000000 : 30000));
        else if (what < 8 && stack.count > 0)
            pop_to(&stack, random_below(&random, stack.count));
        else if (what == 8)
            CHECK_STATUS(HF_OK, hf_trim(&stack.arena, random_below(&random, 4000000)));
        else if (i % 50 == 0) {
            CHECK_STATUS(HF_OK, hf_reset(&stack.arena));
            stack.count = 0;
        }
        if (i % 20 == 0) expect_blocks(&stack);
    }
    CHECK_STATUS(HF_OK, hf_trim(&stack.arena, 0));
    hf_arena_close(&stack.arena);
    faults = (struct faults){0};
}

/* With fault_after_rewind a rewind releases a middle: it is HF_UNSUPPORTED, and the arena stays
 * usable. */
static void faults_after_rewind_need_middles(void) {
    if (!require_views()) return;
    hf_arena arena;
    hf_arena_options options = {.fault_after_rewind = true};
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    char *kept = hf_alloc(&arena, 100, 16);
    hf_mark mark = hf_get_mark(&arena);
    memset(kept, 1, 100);
    CHECK(hf_alloc(&arena, 5 * page(), 16) != NULL);
    faults = (struct faults){.parts_code = ERROR_INVALID_PARAMETER};
    CHECK_STATUS(HF_UNSUPPORTED, hf_rewind(&arena, mark));
    CHECK_EQUAL(ERROR_INVALID_PARAMETER, hf_last_error().os_code);
    char *next = hf_alloc(&arena, 300000, 16);
    CHECK(next != NULL);
    memset(next, 2, 300000);
    CHECK(kept[99] == 1);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    hf_arena_close(&arena);
    faults = (struct faults){0};
}

/* --------------------------------------------- a Windows without placeholders --------------- */

static bool has_placeholders_now(struct faults how) {
    faults = how;
    win_look_up_all(NULL, NULL, NULL);
    bool has = hf_backend_native() == &win_backend;
    CHECK(has || hf_backend_native() == hf_backend_before_placeholders());
    faults = (struct faults){0};
    win_look_up_all(NULL, NULL, NULL);
    return has;
}

/* Only ERROR_INVALID_PARAMETER shows that there are no placeholders. */
static void placeholders_are_tested(void) {
    if (!require_views()) return;
    static const char *const missing[] = {"kernelbase.dll", "VirtualAlloc2", "MapViewOfFile3",
                                          "UnmapViewOfFile2"};
    struct resources before = resources_now();
    CHECK(has_placeholders_now((struct faults){0}));
    for (size_t i = 0; i < COUNT_OF(missing); i++)
        CHECK(!has_placeholders_now((struct faults){.missing = missing[i]}));
    CHECK(!has_placeholders_now((struct faults){.placeholders_code = ERROR_INVALID_PARAMETER}));
    CHECK(has_placeholders_now((struct faults){.placeholders_code = ERROR_NOT_ENOUGH_MEMORY}));
    CHECK(has_placeholders_now((struct faults){.placeholders_code = ERROR_COMMITMENT_LIMIT}));
    expect_resources(before);
}

/* As in a process linked for 2 GiB of addresses. */
static void an_invalid_limit_on_addresses_is_dropped(void) {
    if (!require_views()) return;
    hf_space *space;
    CHECK(has_placeholders_now((struct faults){.rejects_limits = true}));
    faults.rejects_limits = true;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 3 * page(), NULL));
    faults.rejects_limits = false;
    CHECK_EQUAL(0, (uintptr_t)hf_space_base(space) % HF_ALLOCATION_GRANULARITY);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, page(), page()));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static size_t cheap_reserve_of(DWORD major, DWORD minor) {
    const hf_backend *native = hf_backend_native();
    faults = (struct faults){.major = major, .minor = minor};
    size_t size = native->cheap_reserve(native);
    faults = (struct faults){0};
    return size;
}

/* Windows Vista, 7 and 8.0 charge page tables of reserved addresses to the commit limit. */
static void before_windows_8_1_addresses_cost_memory(void) {
    CHECK_EQUAL((size_t)1 << 30, cheap_reserve_of(6, 0));
    CHECK_EQUAL((size_t)1 << 30, cheap_reserve_of(6, 1));
    CHECK_EQUAL((size_t)1 << 30, cheap_reserve_of(6, 2));
    CHECK_EQUAL(SIZE_MAX, cheap_reserve_of(6, 3));
    CHECK_EQUAL(SIZE_MAX, cheap_reserve_of(10, 0));
    faults = (struct faults){.missing = "RtlGetVersion"};
    win_look_up_all(NULL, NULL, NULL);
    CHECK_EQUAL(SIZE_MAX, cheap_reserve_of(6, 1));
    win_look_up_all(NULL, NULL, NULL);
}

CHECK_MAIN(TEST(a_failed_split_leaves_one_placeholder), TEST(a_failed_coalesce_leaves_the_pieces),
           TEST(a_failed_commit_leaves_a_placeholder), TEST(a_failed_decommit_leaves_it_committed),
           TEST(a_failed_map_leaves_a_placeholder), TEST(a_failed_unmap_leaves_a_view),
           TEST(a_failed_protect_changes_nothing),
           TEST(a_failed_executable_view_leaves_a_placeholder),
           TEST(a_part_of_a_view_goes_or_stays),
           TEST(a_failed_step_before_placeholders_changes_nothing),
           TEST(a_failed_view_of_a_file_leaves_nothing_behind),
           TEST(a_failed_view_at_free_addresses_leaves_them_free),
           TEST(a_failed_file_leaves_nothing_behind), TEST(prohibited_code_is_unsupported),
           TEST(a_failed_reset_keeps_the_protection), TEST(a_closed_handle_is_invalid),
           TEST(a_file_too_large_is_no_space), TEST(a_new_file_is_not_compressed),
           TEST(a_space_leaves_nothing_behind), TEST(an_arena_leaves_nothing_behind),
           TEST(parts_that_cannot_be_released_stay), TEST(an_arena_releases_tails_only),
           TEST(faults_after_rewind_need_middles), TEST(placeholders_are_tested),
           TEST(an_invalid_limit_on_addresses_is_dropped),
           TEST(before_windows_8_1_addresses_cost_memory))
