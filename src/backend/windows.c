/*
 * windows.c -- the native backend of Windows: placeholders, and the systems from before them.
 *
 * Windows 10 version 1803, Windows Server 2019 and newer systems have placeholders:
 *
 *     reserve       VirtualAlloc2(MEM_RESERVE | MEM_RESERVE_PLACEHOLDER)
 *     commit        VirtualAlloc2(MEM_RESERVE | MEM_COMMIT | MEM_REPLACE_PLACEHOLDER)
 *     map           MapViewOfFile3(MEM_REPLACE_PLACEHOLDER)
 *     split         VirtualFree(MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER), on part of a placeholder
 *     decommit      the same call, on private memory, in whole or in part
 *     unmap         UnmapViewOfFile2(MEM_PRESERVE_PLACEHOLDER)
 *     coalesce      VirtualFree(MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS)
 *     protect       VirtualProtect, on a part of one of these allocations
 *
 * On older systems (functions win_old_*) a space is one reservation, in which memory is committed
 * and decommitted. Placeholders exist in the region map only, and a view cannot be mapped in the
 * middle of a reservation:
 *
 *     reserve       VirtualAlloc(MEM_RESERVE)
 *     commit        VirtualAlloc(MEM_COMMIT)
 *     decommit      VirtualFree(MEM_DECOMMIT)
 *     protect       VirtualProtect, on any committed memory of the reservation
 *     map_free      MapViewOfFileEx at free addresses; a ring needs no more than that
 *
 * The newer functions are looked up at run time, so that a program that contains holdfast starts
 * on every Windows. If they exist, one reservation tests whether placeholders work (see
 * win_test_placeholders).
 *
 * A backend's file is the HANDLE of a file, or the HANDLE of a section (shared memory) with the
 * lowest bit set. The second lowest bit is set, too, if views of the section may become executable.
 * Windows ignores both bits of a HANDLE. A view of a file needs a section. It is created for the
 * view and closed at once; the view keeps it alive.
 *
 * Chapters:
 *
 *     sharing errors                     pauses before a failed call is repeated
 *     error text                         FormatMessage
 *     functions looked up at run time    win_api
 *     memory, any Windows                pages for holdfast's own records, populate
 *     sections                           what views are made of
 *     memory, with placeholders
 *     memory, before placeholders        win_old_*
 *     check                              the region map against VirtualQuery
 *     files                              paths, open, create
 *     shared memory                      with and without a name
 *     handles from the program           hf_file_from_handle
 *     files of images                    read, write, fill, resize, sync, lock
 *     files and their names              is a file still at its path?
 *     drafts                             replacing a file whole
 *     process, locks, streams, the backends
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winioctl.h>

#include <holdfast/backend.h>

#include <assert.h>
#include <string.h>
#include <wchar.h>

#include "../compatible.h"
#include "../fail.h"
#include "../pages.h"
#include "../stream_core.h"
#include "wide_path.h"

/* Missing in older headers. */
#ifndef MEM_RESERVE_PLACEHOLDER
#define MEM_RESERVE_PLACEHOLDER 0x00040000
#endif
#ifndef MEM_REPLACE_PLACEHOLDER
#define MEM_REPLACE_PLACEHOLDER 0x00004000
#endif
#ifndef MEM_COALESCE_PLACEHOLDERS
#define MEM_COALESCE_PLACEHOLDERS 0x00000001
#endif
#ifndef MEM_PRESERVE_PLACEHOLDER
#define MEM_PRESERVE_PLACEHOLDER 0x00000002
#endif
#ifndef ERROR_DISK_QUOTA_EXCEEDED
#define ERROR_DISK_QUOTA_EXCEEDED 1295
#endif
#ifndef ERROR_DYNAMIC_CODE_BLOCKED
#define ERROR_DYNAMIC_CODE_BLOCKED 1655 /* the process prohibits executable memory */
#endif
#define WIN_FILE_ID_INFO ((FILE_INFO_BY_HANDLE_CLASS)18)        /* FileIdInfo, Windows 8 */
#define WIN_FILE_RENAME_INFO_EX ((FILE_INFO_BY_HANDLE_CLASS)22) /* FileRenameInfoEx, 10 1607 */

/* ERROR_COMMITMENT_LIMIT (1455) is transient: it also occurs while Windows extends the paging
 * file. */
static hf_status win_fail(hf_report *report, hf_status status, const char *call, DWORD code) {
    report->call = call;
    report->reason = NULL;
    report->os_code = (long)code;
    report->is_transient = code == ERROR_COMMITMENT_LIMIT;
    return status;
}

/* ---------------------------------------------------------------- sharing errors ---------- */

/* Virus scanners and indexers open a file that was just closed, briefly and without sharing it. */
static bool win_is_sharing_error(DWORD code) {
    return code == ERROR_ACCESS_DENIED || code == ERROR_SHARING_VIOLATION ||
           code == ERROR_LOCK_VIOLATION;
}

/* Pauses before a call is repeated: seven times, 193 ms in all. Then returns false. */
static bool win_pause_for_retry(size_t *waits) {
    static const unsigned char pauses[] = {1, 2, 5, 10, 25, 50, 100}; /* milliseconds */
    if (*waits == sizeof pauses) return false;
    Sleep(pauses[(*waits)++]);
    return true;
}

/* -------------------------------------------------------------------- error text ---------- */

/* In the thread's language. Returns 0 for a code that Windows does not know. */
size_t hf_system_message(long code, char *buffer, size_t size) {
    const DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                        FORMAT_MESSAGE_MAX_WIDTH_MASK; /* no line breaks */
    WCHAR wide[256];
    DWORD count =
        FormatMessageW(flags, NULL, (DWORD)code, 0, wide, sizeof wide / sizeof *wide, NULL);
    while (count > 0 && (wide[count - 1] == L' ' || wide[count - 1] == L'.')) count--;
    int length = 0;
    if (count > 0 && size > 1)
        length =
            WideCharToMultiByte(CP_UTF8, 0, wide, (int)count, buffer, (int)size - 1, NULL, NULL);
    if (size > 0) buffer[length] = '\0';
    return (size_t)length;
}

/* ----------------------------------------------- functions looked up at run time ---------- */

typedef PVOID WINAPI win_virtual_alloc2_function(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void *,
                                                 ULONG);
typedef PVOID WINAPI win_map_view3_function(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG,
                                            void *, ULONG);
typedef BOOL WINAPI win_unmap_view2_function(HANDLE, PVOID, ULONG);
typedef LONG WINAPI win_query_object_function(HANDLE, int, void *, ULONG, ULONG *);
typedef LONG WINAPI win_query_section_function(HANDLE, int, void *, SIZE_T, SIZE_T *);
typedef LONG WINAPI win_query_security_function(HANDLE, SECURITY_INFORMATION, void *, ULONG,
                                                ULONG *);
typedef LONG WINAPI win_set_security_function(HANDLE, SECURITY_INFORMATION, void *);
typedef LONG WINAPI win_get_version_function(OSVERSIONINFOW *);

static struct {
    win_virtual_alloc2_function *virtual_alloc2;
    win_map_view3_function *map_view3;
    win_unmap_view2_function *unmap_view2;
    win_query_object_function *query_object;
    win_query_section_function *query_section;
    win_query_security_function *query_security;
    win_set_security_function *set_security;
    win_get_version_function *get_version;
    bool placeholders_work;
} win_api;

/*
 * Wine tracks free addresses at the top of the address space in units of 64 KiB. After a
 * placeholder there is split into smaller pieces, Wine allocates some of them a second time, and
 * ends the process when it notices. So a reservation with base NULL ends below the highest 64 GiB
 * of 128 TiB.
 */
#if UINTPTR_MAX > UINT32_MAX
#define WIN_HIGHEST_ADDRESS ((void *)(((uintptr_t)1 << 47) - ((uintptr_t)1 << 36) - 1))
#else
#define WIN_HIGHEST_ADDRESS NULL
#endif

/* The base of a large reservation is a multiple of 2 MiB, so that an arena grows in the same steps
 * on every system: they depend on its base, and other systems align it for huge pages. */
#define WIN_LARGE_ALIGNMENT ((size_t)1 << 21)

static PVOID win_reserve_placeholder_at(void *base, size_t size) {
    return win_api.virtual_alloc2(GetCurrentProcess(), base, size,
                                  MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, NULL, 0);
}

static PVOID win_reserve_placeholder_below(void *highest, size_t alignment, size_t size) {
    MEM_ADDRESS_REQUIREMENTS addresses = {NULL, highest, alignment};
    MEM_EXTENDED_PARAMETER parameter = {.Type = MemExtendedParameterAddressRequirements,
                                        .Pointer = &addresses};
    return win_api.virtual_alloc2(GetCurrentProcess(), NULL, size,
                                  MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, &parameter,
                                  1);
}

/* In a process linked for 2 GiB of addresses WIN_HIGHEST_ADDRESS is an invalid parameter: the
 * reservation is repeated without it. */
static PVOID win_reserve_placeholder_aligned(size_t size, size_t alignment) {
    void *got = win_reserve_placeholder_below(WIN_HIGHEST_ADDRESS, alignment, size);
    bool is_invalid = got == NULL && GetLastError() == ERROR_INVALID_PARAMETER;
    return is_invalid ? win_reserve_placeholder_below(NULL, alignment, size) : got;
}

/* The alignment is not needed: it is left out where the system does not know it. */
static PVOID win_reserve_placeholder(size_t size) {
    size_t alignment = size >= WIN_LARGE_ALIGNMENT ? WIN_LARGE_ALIGNMENT : 0;
    void *got = win_reserve_placeholder_aligned(size, alignment);
    bool is_invalid = got == NULL && GetLastError() == ERROR_INVALID_PARAMETER;
    return is_invalid ? win_reserve_placeholder_at(NULL, size) : got;
}

/* Wine 8 has the functions but fails with ERROR_INVALID_PARAMETER: it does not know the flag. Any
 * other code, such as ERROR_NOT_ENOUGH_MEMORY, says nothing about placeholders. */
static bool win_test_placeholders(void) {
    if (!win_api.virtual_alloc2 || !win_api.map_view3 || !win_api.unmap_view2) return false;
    void *tried = win_reserve_placeholder(HF_ALLOCATION_GRANULARITY);
    if (tried == NULL) return GetLastError() != ERROR_INVALID_PARAMETER;
    VirtualFree(tried, 0, MEM_RELEASE);
    return true;
}

typedef void win_any_function(void);

static win_any_function *win_look_up(const wchar_t *library, const char *name) {
    HMODULE module = GetModuleHandleW(library);
    return module ? (win_any_function *)GetProcAddress(module, name) : NULL;
}

static BOOL CALLBACK win_look_up_all(INIT_ONCE *once, void *parameter, void **context) {
    (void)once, (void)parameter, (void)context;
    win_api.virtual_alloc2 =
        (win_virtual_alloc2_function *)win_look_up(L"kernelbase.dll", "VirtualAlloc2");
    win_api.map_view3 = (win_map_view3_function *)win_look_up(L"kernelbase.dll", "MapViewOfFile3");
    win_api.unmap_view2 =
        (win_unmap_view2_function *)win_look_up(L"kernelbase.dll", "UnmapViewOfFile2");
    win_api.query_object = (win_query_object_function *)win_look_up(L"ntdll.dll", "NtQueryObject");
    win_api.query_section =
        (win_query_section_function *)win_look_up(L"ntdll.dll", "NtQuerySection");
    win_api.query_security =
        (win_query_security_function *)win_look_up(L"ntdll.dll", "NtQuerySecurityObject");
    win_api.set_security =
        (win_set_security_function *)win_look_up(L"ntdll.dll", "NtSetSecurityObject");
    win_api.get_version = (win_get_version_function *)win_look_up(L"ntdll.dll", "RtlGetVersion");
    win_api.placeholders_work = win_test_placeholders();
    return TRUE;
}

static bool win_has_placeholders(void) {
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    InitOnceExecuteOnce(&once, win_look_up_all, NULL, NULL);
    return win_api.placeholders_work;
}

/* ---------------------------------------------------------- memory, any Windows ---------- */

static size_t win_page_size(const hf_backend *self) {
    (void)self;
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return system.dwPageSize;
}

static hf_status win_fail_no_memory(hf_report *report, const char *call) {
    return win_fail(report, HF_NO_MEMORY, call, GetLastError());
}

static hf_status win_allocate_pages(const hf_backend *self, size_t size, void **address,
                                    hf_report *report) {
    (void)self;
    report->system_calls++;
    void *got = VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (got == NULL) return win_fail_no_memory(report, "VirtualAlloc");
    *address = got;
    return HF_OK;
}

static void win_free_pages(const hf_backend *self, void *address, size_t size) {
    (void)self, (void)size;
    VirtualFree(address, 0, MEM_RELEASE);
}

/* HF_ADVISE_POPULATE touches each page with an atomic OR of zero, which is safe while other threads
 * store there. The zero is volatile, because clang turns an OR with constant zero into a fence
 * without a store. Huge pages are HF_UNSUPPORTED: MEM_LARGE_PAGES needs a privilege, and works for
 * whole allocations only. */
static hf_status win_advise(const hf_backend *self, void *address, size_t size, hf_advice advice,
                            hf_report *report) {
    if (advice != HF_ADVISE_POPULATE)
        return win_fail(report, HF_UNSUPPORTED, "VirtualAlloc2 (MEM_LARGE_PAGES)", 0);
    volatile LONG zero = 0;
    for (size_t offset = 0, step = win_page_size(self); offset < size; offset += step)
        InterlockedOr((volatile LONG *)(void *)((char *)address + offset), zero);
    return HF_OK;
}

/* What hf_space_protect allows, for memory of this access, as Windows' protection. A store into a
 * copy-on-write view has to copy the page, also one that was protected in between. */
static DWORD win_protection_of(hf_access access, hf_protection protection) {
    static const DWORD protections[] = {[HF_PROTECT_NONE] = PAGE_NOACCESS,
                                        [HF_PROTECT_READ] = PAGE_READONLY,
                                        [HF_PROTECT_READ_WRITE] = PAGE_READWRITE,
                                        [HF_PROTECT_READ_EXECUTE] = PAGE_EXECUTE_READ};
    bool copies = access == HF_COPY_ON_WRITE && protection == HF_PROTECT_READ_WRITE;
    return copies ? PAGE_WRITECOPY : protections[protection];
}

/* Returns 0 or a code. */
static DWORD win_set_protection(void *address, size_t size, DWORD protection, hf_report *report) {
    DWORD previous;
    report->system_calls++;
    return VirtualProtect(address, size, protection, &previous) ? 0 : GetLastError();
}

/* ---------------------------------------------------------------------- sections ---------- */

#define WIN_SECTION_BIT ((intptr_t)1)
#define WIN_EXECUTABLE_BIT ((intptr_t)2) /* created by win_file_create_executable */

static bool win_is_section(intptr_t file) { return (file & WIN_SECTION_BIT) != 0; }

static bool win_is_executable(intptr_t file) { return (file & WIN_EXECUTABLE_BIT) != 0; }

static HANDLE win_handle_of(intptr_t file) {
    return (HANDLE)(file & ~(WIN_SECTION_BIT | WIN_EXECUTABLE_BIT));
}

/* 1450 to 1455: the system's pools, the process's quotas, the commit limit. */
static bool win_is_out_of_memory(DWORD code) {
    return code == ERROR_NOT_ENOUGH_MEMORY || code == ERROR_OUTOFMEMORY ||
           (code >= ERROR_NO_SYSTEM_RESOURCES && code <= ERROR_COMMITMENT_LIMIT) ||
           code == ERROR_NOT_ENOUGH_QUOTA;
}

static bool win_is_out_of_space(DWORD code) {
    return code == ERROR_DISK_FULL || code == ERROR_HANDLE_DISK_FULL ||
           code == ERROR_DISK_QUOTA_EXCEEDED || code == ERROR_FILE_TOO_LARGE;
}

static hf_status win_fail_file(hf_report *report, const char *call, DWORD code) {
    hf_status status = win_is_out_of_memory(code)           ? HF_NO_MEMORY
                       : win_is_out_of_space(code)          ? HF_NO_SPACE
                       : code == ERROR_DYNAMIC_CODE_BLOCKED ? HF_UNSUPPORTED
                                                            : HF_IO;
    return win_fail(report, status, call, code);
}

/* The protection of a new view. */
static DWORD win_protection_of_view(hf_access access) {
    return win_protection_of(access,
                             access == HF_READ_ONLY ? HF_PROTECT_READ : HF_PROTECT_READ_WRITE);
}

/* SectionBasicInformation of NtQuerySection. */
typedef struct win_section_information {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
} win_section_information;

#define WIN_STATUS_ACCESS_DENIED ((LONG)0xC0000022)
#define WIN_STATUS_OBJECT_TYPE_MISMATCH ((LONG)0xC0000024)

static LONG win_query_section(HANDLE handle, win_section_information *information,
                              hf_report *report) {
    SIZE_T length;
    report->system_calls++;
    return win_api.query_section(handle, 0, information, sizeof *information, &length);
}

static bool win_is_section_handle(HANDLE handle, hf_report *report) {
    win_section_information information;
    return win_query_section(handle, &information, report) != WIN_STATUS_OBJECT_TYPE_MISMATCH;
}

/* HF_UNSUPPORTED: a section of a program's image (SEC_IMAGE), of memory that is committed later
 * (SEC_RESERVE), or of large pages. */
static hf_status win_get_section_size(HANDLE handle, uint64_t *size, hf_report *report) {
    win_section_information information;
    LONG answer = win_query_section(handle, &information, report);
    if (answer == WIN_STATUS_ACCESS_DENIED)
        return win_fail(report, HF_INVALID, "NtQuerySection", ERROR_ACCESS_DENIED);
    if (answer < 0 || (information.attributes & (SEC_IMAGE | SEC_RESERVE | SEC_LARGE_PAGES)) != 0)
        return win_fail(report, HF_UNSUPPORTED, "NtQuerySection", 0);
    *size = (uint64_t)information.size.QuadPart;
    return HF_OK;
}

static hf_status win_get_file_size(HANDLE handle, uint64_t *size, hf_report *report) {
    FILE_STANDARD_INFO information;
    report->system_calls++;
    if (!GetFileInformationByHandleEx(handle, FileStandardInfo, &information, sizeof information))
        return win_fail_file(report, "GetFileInformationByHandleEx", GetLastError());
    if (information.Directory)
        return win_fail(report, HF_UNSUPPORTED, "GetFileInformationByHandleEx", 0);
    *size = (uint64_t)information.EndOfFile.QuadPart;
    return HF_OK;
}

static HANDLE win_create_section(HANDLE file, DWORD protection, uint64_t size, const wchar_t *name,
                                 hf_report *report) {
    report->system_calls++;
    return CreateFileMappingW(file, NULL, protection, (DWORD)(size >> 32), (DWORD)size, name);
}

/* The section that one view is mapped from. */
typedef struct win_view_section {
    HANDLE section;
    bool is_ours;     /* created for this view: close it once the view is mapped */
    SIZE_T view_size; /* bytes; a view of the file's last page ends where the file ends */
} win_view_section;

static uint64_t win_page_mask(void) { return win_page_size(NULL) - 1; }

/* Limits the section to the end of the file: CreateFileMapping extends a file that is shorter than
 * the section. */
static hf_status win_open_view_section(win_view_section *opened, intptr_t file,
                                       uint64_t file_offset, size_t size, hf_access access,
                                       hf_report *report) {
    HANDLE handle = win_handle_of(file);
    uint64_t file_end, end = file_offset + size;
    hf_status status = win_is_section(file) ? win_get_section_size(handle, &file_end, report)
                                            : win_get_file_size(handle, &file_end, report);
    if (status != HF_OK) return status;
    if (end > ((file_end + win_page_mask()) & ~win_page_mask())) /* the file was truncated */
        return win_fail_file(report, "CreateFileMapping", ERROR_HANDLE_EOF);
    if (end > file_end) end = file_end;
    *opened = (win_view_section){handle, !win_is_section(file), (SIZE_T)(end - file_offset)};
    if (opened->is_ours)
        opened->section =
            win_create_section(handle, win_protection_of_view(access), end, NULL, report);
    return opened->section ? HF_OK : win_fail_file(report, "CreateFileMapping", GetLastError());
}

static void win_close_view_section(const win_view_section *opened) {
    if (opened->is_ours) CloseHandle(opened->section);
}

/* ----------------------------------------------------- memory, with placeholders ---------- */

static hf_status win_reserve(const hf_backend *self, void *base, size_t size, void **address,
                             hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), base, size));
    report->system_calls++;
    void *got = base ? win_reserve_placeholder_at(base, size) : win_reserve_placeholder(size);
    if (got == NULL) return win_fail(report, HF_NO_ADDRESS, "VirtualAlloc2", GetLastError());
    *address = got;
    return HF_OK;
}

static hf_status win_reserve_aligned(const hf_backend *self, size_t size, size_t alignment,
                                     void **address, hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), NULL, size));
    report->system_calls++;
    void *got = win_reserve_placeholder_aligned(size, alignment);
    if (got == NULL) return win_fail(report, HF_NO_ADDRESS, "VirtualAlloc2", GetLastError());
    *address = got;
    return HF_OK;
}

/* Before Windows 8.1 (6.3) the page tables of reserved addresses count against the commit limit:
 * 2 GiB for each TiB. */
static size_t win_cheap_reserve(const hf_backend *self) {
    (void)self;
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    win_has_placeholders(); /* looks up RtlGetVersion */
    bool is_known = win_api.get_version && win_api.get_version(&version) >= 0;
    bool is_charged = is_known && (version.dwMajorVersion < 6 ||
                                   (version.dwMajorVersion == 6 && version.dwMinorVersion < 3));
    return is_charged ? (size_t)1 << 30 : SIZE_MAX;
}

/* Each region is an allocation or a view of its own. Before placeholders, VirtualFree fails for
 * every region but the one at the reservation's base; that one comes last, and the whole
 * reservation is released with it. */
static void win_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    (void)self, (void)size;
    if (kind == HF_VIEW)
        UnmapViewOfFile(address);
    else
        VirtualFree(address, 0, MEM_RELEASE);
}

static bool win_free_to_placeholder(void *address, size_t size, DWORD how, hf_report *report) {
    report->system_calls++;
    return VirtualFree(address, size, MEM_RELEASE | how);
}

static hf_status win_split(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    return win_free_to_placeholder(address, size, MEM_PRESERVE_PLACEHOLDER, report)
               ? HF_OK
               : win_fail_no_memory(report, "VirtualFree");
}

static hf_status win_coalesce(const hf_backend *self, void *address, size_t size,
                              hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    return win_free_to_placeholder(address, size, MEM_COALESCE_PLACEHOLDERS, report)
               ? HF_OK
               : win_fail_no_memory(report, "VirtualFree");
}

/* It is not documented that VirtualFree can release the head or the middle of an allocation. A
 * system that cannot fails with ERROR_INVALID_PARAMETER or ERROR_INVALID_ADDRESS. */
static hf_status win_decommit(const hf_backend *self, void *address, size_t size,
                              hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    if (win_free_to_placeholder(address, size, MEM_PRESERVE_PLACEHOLDER, report)) return HF_OK;
    DWORD code = GetLastError();
    bool is_unsupported = code == ERROR_INVALID_PARAMETER || code == ERROR_INVALID_ADDRESS;
    return win_fail(report, is_unsupported ? HF_UNSUPPORTED : HF_NO_MEMORY, "VirtualFree", code);
}

/* Memory of a NUMA node is the only kind that is not ordinary: large pages need a privilege, cannot
 * replace placeholders for certain, and are not tested here. */
static hf_status win_check_memory(const hf_backend *self, const hf_memory *memory,
                                  hf_report *report) {
    (void)self;
    ULONG highest = 0;
    report->system_calls += memory->on_numa_node;
    bool has_node = !memory->on_numa_node ||
                    (GetNumaHighestNodeNumber(&highest) && memory->numa_node <= highest);
    return has_node && memory->huge_page == 0 && !memory->lazy && !memory->no_dump
               ? HF_OK
               : win_fail(report, HF_UNSUPPORTED, "VirtualAlloc2", 0);
}

static hf_status win_commit_as(const hf_backend *self, void *address, size_t size,
                               const hf_memory *memory, hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    MEM_EXTENDED_PARAMETER node = {.Type = MemExtendedParameterNumaNode,
                                   .ULong = memory ? memory->numa_node : 0};
    report->system_calls++;
    return win_api.virtual_alloc2(GetCurrentProcess(), address, size,
                                  MEM_RESERVE | MEM_COMMIT | MEM_REPLACE_PLACEHOLDER,
                                  PAGE_READWRITE, memory ? &node : NULL, memory ? 1 : 0)
               ? HF_OK
               : win_fail_no_memory(report, "VirtualAlloc2");
}

static hf_status win_commit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    return win_commit_as(self, address, size, NULL, report);
}

/* VirtualProtect can give a view no more than it was mapped with. So a view that may become
 * executable is mapped with all that its access and the execution of code need. */
static DWORD win_most_protection_of(hf_access access) {
    return access == HF_READ_WRITE  ? PAGE_EXECUTE_READWRITE
           : access == HF_READ_ONLY ? PAGE_EXECUTE_READ
                                    : PAGE_EXECUTE_WRITECOPY;
}

/* Makes a new view unexecutable. A failure unmaps the view. */
static hf_status win_make_unexecutable(void *address, size_t size, hf_access access,
                                       hf_report *report) {
    DWORD code = win_set_protection(address, size, win_protection_of_view(access), report);
    if (code == 0) return HF_OK;
    report->system_calls++;
    win_api.unmap_view2(GetCurrentProcess(), address, MEM_PRESERVE_PLACEHOLDER);
    return win_fail_file(report, "VirtualProtect", code);
}

static hf_status win_map(const hf_backend *self, void *address, size_t size, intptr_t file,
                         uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    win_view_section opened;
    hf_status status = win_open_view_section(&opened, file, file_offset, size, access, report);
    if (status != HF_OK) return status;
    DWORD protection =
        win_is_executable(file) ? win_most_protection_of(access) : win_protection_of_view(access);
    report->system_calls++;
    if (!win_api.map_view3(opened.section, GetCurrentProcess(), address, file_offset,
                           opened.view_size, MEM_REPLACE_PLACEHOLDER, protection, NULL, 0))
        status = win_fail_file(report, "MapViewOfFile3", GetLastError());
    else if (win_is_executable(file))
        status = win_make_unexecutable(address, size, access, report);
    win_close_view_section(&opened);
    return status;
}

static hf_status win_unmap(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self, (void)size;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    report->system_calls++;
    return win_api.unmap_view2(GetCurrentProcess(), address, MEM_PRESERVE_PLACEHOLDER)
               ? HF_OK
               : win_fail_no_memory(report, "UnmapViewOfFile2");
}

/* Pages that become copy-on-write again may count against the commit limit. */
static hf_status win_protect(const hf_backend *self, void *address, size_t size, hf_access access,
                             hf_protection protection, hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    DWORD code = win_set_protection(address, size, win_protection_of(access, protection), report);
    if (code == 0) return HF_OK;
    hf_status status = win_is_out_of_memory(code) ? HF_NO_MEMORY : HF_UNSUPPORTED;
    return win_fail(report, status, "VirtualProtect", code);
}

/* --------------------------------------------------- memory, before placeholders ---------- */

static void *win_old_reserve_at(void *base, size_t size, hf_report *report) {
    report->system_calls++;
    return VirtualAlloc(base, size, MEM_RESERVE, PAGE_NOACCESS);
}

/* VirtualAlloc has no alignment parameter. So more than enough is reserved and released, and then
 * reserved again from its first multiple of the alignment. NULL if another thread reserved it in
 * between. */
static void *win_old_reserve_at_multiple(size_t size, size_t alignment, hf_report *report) {
    if (size > SIZE_MAX - alignment) return NULL;
    char *found = win_old_reserve_at(NULL, size + alignment, report);
    if (found == NULL) return NULL;
    report->system_calls++;
    VirtualFree(found, 0, MEM_RELEASE);
    size_t below = (0 - (uintptr_t)found) & (alignment - 1);
    return win_old_reserve_at(found + below, size, report);
}

static hf_status win_old_reserve(const hf_backend *self, void *base, size_t size, void **address,
                                 hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), base, size));
    void *got = NULL;
    if (base == NULL && size >= WIN_LARGE_ALIGNMENT)
        got = win_old_reserve_at_multiple(size, WIN_LARGE_ALIGNMENT, report);
    if (got == NULL) got = win_old_reserve_at(base, size, report);
    if (got == NULL) return win_fail(report, HF_NO_ADDRESS, "VirtualAlloc", GetLastError());
    *address = got;
    return HF_OK;
}

/* Another thread can take the addresses before they are reserved again: then it fails. */
static hf_status win_old_reserve_aligned(const hf_backend *self, size_t size, size_t alignment,
                                         void **address, hf_report *report) {
    (void)self;
    void *got = win_old_reserve_at_multiple(size, alignment, report);
    if (got == NULL) return win_fail(report, HF_NO_ADDRESS, "VirtualAlloc", GetLastError());
    *address = got;
    return HF_OK;
}

/* A split or a coalesce happens in the region map only. */
static hf_status win_old_no_call(const hf_backend *self, void *address, size_t size,
                                 hf_report *report) {
    (void)self, (void)address, (void)size, (void)report;
    return HF_OK;
}

static hf_status win_old_commit(const hf_backend *self, void *address, size_t size,
                                hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    report->system_calls++;
    return VirtualAlloc(address, size, MEM_COMMIT, PAGE_READWRITE)
               ? HF_OK
               : win_fail_no_memory(report, "VirtualAlloc");
}

static hf_status win_old_decommit(const hf_backend *self, void *address, size_t size,
                                  hf_report *report) {
    (void)self;
    assert(hf_is_whole_pages(win_page_size(NULL), address, size));
    report->system_calls++;
    return VirtualFree(address, size, MEM_DECOMMIT) ? HF_OK
                                                    : win_fail_no_memory(report, "VirtualFree");
}

/* The space is one allocation of Windows, which all calls but those for views can span. In a copy
 * that replaces one of these functions, it must be called for each region. */
static bool win_old_spans_regions(const hf_backend *self) {
    return self->release == win_release && self->decommit == win_old_decommit;
}

/* Also remap: without it hf_space_remap_range would release the range before it fails. */
static hf_status win_old_map(const hf_backend *self, void *address, size_t size, intptr_t file,
                             uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self, (void)address, (void)size, (void)file, (void)file_offset, (void)access;
    win_fail(report, HF_UNSUPPORTED, "MapViewOfFile3", 0);
    report->reason = "views in a space need Windows 10 version 1803, Windows Server 2019 or newer";
    return HF_UNSUPPORTED;
}

static DWORD win_view_access_of(hf_access access) {
    return access == HF_READ_WRITE  ? FILE_MAP_READ | FILE_MAP_WRITE
           : access == HF_READ_ONLY ? FILE_MAP_READ
                                    : FILE_MAP_COPY;
}

static hf_status win_old_map_free(const hf_backend *self, void *address, size_t size, intptr_t file,
                                  uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self;
    win_view_section opened;
    hf_status status = win_open_view_section(&opened, file, file_offset, size, access, report);
    if (status != HF_OK) return status;
    report->system_calls++;
    if (!MapViewOfFileEx(opened.section, win_view_access_of(access), (DWORD)(file_offset >> 32),
                         (DWORD)file_offset, opened.view_size, address)) {
        DWORD code = GetLastError();
        status = code == ERROR_INVALID_ADDRESS
                     ? win_fail(report, HF_NO_ADDRESS, "MapViewOfFileEx", code)
                     : win_fail_file(report, "MapViewOfFileEx", code);
    }
    win_close_view_section(&opened);
    return status;
}

/* ------------------------------------------------------------------------- check ---------- */

static bool win_is_protected(DWORD found, const hf_region *part) {
    DWORD wanted = win_protection_of(part->access, part->protection);
    if (wanted == PAGE_WRITECOPY && found == PAGE_READWRITE) return true; /* it was stored to */
    return found == wanted;
}

/* Are these pages in the state of the part of a region? VirtualQuery shows a placeholder as
 * reserved memory. */
static bool win_is_in_state(const MEMORY_BASIC_INFORMATION *found, const hf_region *part) {
    if (part->kind == HF_PLACEHOLDER)
        return found->State == MEM_RESERVE && found->Type == MEM_PRIVATE;
    DWORD type = part->kind == HF_COMMITTED ? MEM_PRIVATE : MEM_MAPPED;
    return found->State == MEM_COMMIT && found->Type == type &&
           win_is_protected(found->Protect, part);
}

/* VirtualQuery describes one run of pages in the same state at a time. `allocation` is the base of
 * the allocation that has to contain all of them. *offset is that of the run that differs. */
static bool win_check_part(const char *base, const char *allocation, const hf_region *part,
                           size_t *offset) {
    for (size_t at = 0; at < part->size;) {
        MEMORY_BASIC_INFORMATION found;
        const char *address = base + part->offset + at;
        *offset = part->offset + at;
        if (VirtualQuery(address, &found, sizeof found) == 0 || !win_is_in_state(&found, part) ||
            found.AllocationBase != allocation)
            return false;
        at += (size_t)((char *)found.BaseAddress - address) + found.RegionSize;
    }
    return true;
}

static bool win_begins_allocation(const char *address) {
    MEMORY_BASIC_INFORMATION found;
    return VirtualQuery(address, &found, sizeof found) != 0 && found.AllocationBase == address;
}

/* Can both be parts of one region? Two parts of it that touch have different protections. */
static bool win_can_continue(const hf_region *last, const hf_region *part) {
    return last->offset + last->size == part->offset && last->kind == part->kind &&
           last->access == part->access && last->protection != part->protection &&
           (part->kind != HF_VIEW || last->file_offset + last->size == part->file_offset);
}

/*
 * Every region is an allocation of its own, and has one part for each protection:
 *      parts        |  p  |   c   |   c, read   | v |
 *      allocations  |     |          or |       |   |
 */
static hf_status win_check(const hf_backend *self, const void *base,
                           bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                           hf_report *report) {
    const char *allocation = base;
    hf_region last = {0};
    (void)self, (void)report;
    for (hf_region part; next(cursor, &part); last = part) {
        const char *address = (const char *)base + part.offset;
        if (!win_can_continue(&last, &part) || win_begins_allocation(address)) allocation = address;
        if (!win_check_part(base, allocation, &part, offset)) return HF_WRONG_STATE;
    }
    return HF_OK;
}

/* All regions lie in one reservation. */
static hf_status win_old_check(const hf_backend *self, const void *base,
                               bool (*next)(void *cursor, hf_region *), void *cursor,
                               size_t *offset, hf_report *report) {
    (void)self, (void)report;
    for (hf_region part; next(cursor, &part);)
        if (!win_check_part(base, base, &part, offset)) return HF_WRONG_STATE;
    return HF_OK;
}

/* ------------------------------------------------------------------------- files ---------- */

#define WIN_SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* Arguments of CreateFile. */
typedef struct win_open_mode {
    DWORD rights, creation;
} win_open_mode;

static bool win_exists(const wchar_t *path) {
    return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

static bool win_is_folder(const wchar_t *path) {
    DWORD attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

/* A path and the paths of the files beside it (256 KiB, so they are not on the stack). */
typedef struct win_paths {
    wchar_t path[HF_LONGEST_PATH];
    wchar_t draft[HF_LONGEST_PATH];    /* path.saving00 */
    wchar_t aside[HF_LONGEST_PATH];    /* path.hf-aside */
    wchar_t replaced[HF_LONGEST_PATH]; /* path.hf-over00; also scratch space */
} win_paths;

static hf_status win_widen(const char *path, win_paths *wide, hf_report *report) {
    return hf_widen(path, wide->path, wide->replaced)
               ? HF_OK
               : win_fail(report, HF_IO, "MultiByteToWideChar", GetLastError());
}

/* Pauses while Windows extends the paging file. The calling thread has locked no space, so no other
 * thread waits for it. */
static hf_status win_allocate_retrying(size_t size, void **memory, hf_report *report) {
    enum { PAUSE = 50 /* milliseconds */, MOST_PAUSES = 5 /* then it fails */ };
    for (int pauses = 0;; pauses++) {
        hf_status status = win_allocate_pages(NULL, size, memory, report);
        if (status == HF_OK || !report->is_transient || pauses == MOST_PAUSES) return status;
        Sleep(PAUSE);
    }
}

static hf_status win_new_paths(const char *path, win_paths **wide, hf_report *report) {
    void *memory;
    hf_status status = win_allocate_retrying(sizeof(win_paths), &memory, report);
    if (status != HF_OK) return status;
    *wide = memory;
    status = win_widen(path, *wide, report);
    if (status != HF_OK) win_free_pages(NULL, memory, sizeof(win_paths));
    return status;
}

static void win_free_paths(win_paths *wide) { win_free_pages(NULL, wide, sizeof *wide); }

/*
 * Windows cannot replace a file that is mapped, but it can rename it. So a draft replaces a mapped
 * file in three renames:
 *
 *     image.saving00   image                        the draft and the old file
 *     image.saving00   image.hf-aside               the old file is renamed
 *     image            image.hf-aside               the draft is renamed: the image is replaced
 *     image            image.hf-over00              the old file is renamed again and deleted, by
 *                                                   a later save if it is still mapped
 *
 * After a crash in the second state there is no image, and the next opening renames image.hf-aside
 * back. In the fourth state the old file has a name that no opening looks for: after the user
 * deletes the image, no older one comes back.
 */

enum { WIN_LONGEST_NAME = 255 }; /* characters of a file's name, without its folder */

/* Distinguishes files whose names are shortened. */
static uint64_t win_hash(const wchar_t *text) {
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (; *text; text++) hash = (hash ^ *text) * 0x100000001b3;
    return hash;
}

static size_t win_name_start(const wchar_t *path) {
    size_t start = 0;
    for (size_t i = 0; path[i]; i++)
        if (path[i] == L'\\' || path[i] == L'/' || path[i] == L':') start = i + 1;
    return start;
}

static bool win_is_high_surrogate(wchar_t unit) { return unit >= 0xd800 && unit < 0xdc00; }

/* Replaces the end of the name by "~" and a hash of the whole name, so that it has `room`
 * characters. Returns the index of its end. */
static size_t win_shorten_name(wchar_t *path, size_t start, size_t room) {
    enum { DIGITS = 16 }; /* of the hash */
    uint64_t hash = win_hash(path + start);
    size_t at = start + room - DIGITS - 1;
    if (win_is_high_surrogate(path[at - 1])) at--;
    path[at++] = L'~';
    for (int i = 0; i < DIGITS; i++, hash <<= 4) path[at++] = L"0123456789abcdef"[hash >> 60];
    return at;
}

/* Appends a suffix to the path. False: the path is too long. */
static bool win_add_suffix(const wchar_t *path, const wchar_t *suffix, wchar_t *name) {
    size_t length = wcslen(path), start = win_name_start(path), more = wcslen(suffix);
    if (length + more + 1 > HF_LONGEST_PATH) return false;
    memcpy(name, path, (length + 1) * sizeof *path);
    if (length - start + more > WIN_LONGEST_NAME)
        length = win_shorten_name(name, start, WIN_LONGEST_NAME - more);
    memcpy(name + length, suffix, (more + 1) * sizeof *suffix);
    return true;
}

static bool win_name_aside(const wchar_t *path, wchar_t *aside) {
    return win_add_suffix(path, L".hf-aside", aside);
}

/* Appends a suffix whose last two characters are the number. */
static bool win_add_numbered_suffix(const wchar_t *path, const wchar_t *suffix, int number,
                                    wchar_t *name) {
    if (!win_add_suffix(path, suffix, name)) return false;
    wchar_t *digits = name + wcslen(name) - 2;
    digits[0] = (wchar_t)(L'0' + number / 10);
    digits[1] = (wchar_t)(L'0' + number % 10);
    return true;
}

static bool win_move(const wchar_t *from, const wchar_t *to, hf_report *report) {
    report->system_calls++;
    return MoveFileExW(from, to, MOVEFILE_WRITE_THROUGH);
}

/* Renames image.hf-aside back to image. Returns 0 or a code; ERROR_FILE_NOT_FOUND: there is no such
 * file. */
static DWORD win_restore_aside(win_paths *wide, hf_report *report) {
    if (!win_name_aside(wide->path, wide->aside) || !win_exists(wide->aside))
        return ERROR_FILE_NOT_FOUND;
    for (size_t waits = 0;;) {
        if (win_move(wide->aside, wide->path, report)) return 0;
        DWORD code = GetLastError();
        if (!win_is_sharing_error(code) || !win_pause_for_retry(&waits)) return code;
    }
}

/* Without FILE_FLAG_OPEN_REPARSE_POINT, CREATE_NEW follows a symbolic link whose target does not
 * exist, and creates the target. */
static HANDLE win_open_once(const wchar_t *path, DWORD rights, DWORD creation, hf_report *report) {
    DWORD flags = creation == CREATE_NEW ? FILE_FLAG_OPEN_REPARSE_POINT : 0;
    report->system_calls++;
    return CreateFileW(path, rights, WIN_SHARE_ALL, NULL, creation, FILE_ATTRIBUTE_NORMAL | flags,
                       NULL);
}

/* Is this an ERROR_ACCESS_DENIED (5) that no retry changes? It is for a folder, for a read-only
 * file to be written, and for a missing file that must not be created. If the attributes cannot be
 * read for another reason, the file may be deleted and still open in a scanner. */
static bool win_is_denied_for_good(const wchar_t *path, DWORD rights, DWORD code) {
    if (code != ERROR_ACCESS_DENIED) return false;
    DWORD attributes = GetFileAttributesW(path);
    if (attributes == INVALID_FILE_ATTRIBUTES) return GetLastError() == ERROR_FILE_NOT_FOUND;
    return (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ||
           ((attributes & FILE_ATTRIBUTE_READONLY) != 0 && (rights & GENERIC_WRITE) != 0);
}

static HANDLE win_open_retrying(const wchar_t *path, DWORD rights, DWORD creation,
                                hf_report *report) {
    for (size_t waits = 0;;) {
        HANDLE handle = win_open_once(path, rights, creation, report);
        DWORD code = GetLastError();
        if (handle != INVALID_HANDLE_VALUE || !win_is_sharing_error(code) ||
            win_is_denied_for_good(path, rights, code) || !win_pause_for_retry(&waits)) {
            SetLastError(code);
            return handle;
        }
    }
}

/* Has another process renamed image.hf-aside back, or created an image, since the last call? */
static bool win_is_path_changed(DWORD code) {
    return code == ERROR_ALREADY_EXISTS || code == ERROR_FILE_EXISTS ||
           code == ERROR_FILE_NOT_FOUND;
}

/* Before a file is reported as missing, or is created by OPEN_ALWAYS, image.hf-aside is renamed
 * back. If that fails, no file is created, because it would replace the image. */
static HANDLE win_open_or_restore(win_paths *wide, const win_open_mode *wanted, hf_report *report) {
    bool is_new = wanted->creation == CREATE_NEW;
    HANDLE handle =
        win_open_retrying(wide->path, wanted->rights, is_new ? CREATE_NEW : OPEN_EXISTING, report);
    DWORD code = GetLastError();
    if (handle != INVALID_HANDLE_VALUE || is_new || code != ERROR_FILE_NOT_FOUND) return handle;
    DWORD restored = win_restore_aside(wide, report);
    bool is_missing = restored == ERROR_FILE_NOT_FOUND && wanted->creation == OPEN_EXISTING;
    SetLastError(is_missing ? code : restored);
    return is_missing || (restored != 0 && !win_is_path_changed(restored))
               ? handle
               : win_open_retrying(wide->path, wanted->rights, wanted->creation, report);
}

static hf_status win_open_path(const char *path, const win_open_mode *wanted, HANDLE *handle,
                               hf_report *report) {
    win_paths *wide;
    hf_status status = win_new_paths(path, &wide, report);
    if (status != HF_OK) return status;
    *handle = win_open_or_restore(wide, wanted, report);
    if (*handle == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        bool is_folder = code == ERROR_ACCESS_DENIED && win_is_folder(wide->path);
        status = is_folder ? win_fail(report, HF_UNSUPPORTED, "CreateFile", code)
                           : win_fail_file(report, "CreateFile", code);
    }
    win_free_paths(wide);
    return status;
}

/* Returns an open handle as a file if it can be mapped; else closes it. */
static hf_status win_adopt(HANDLE handle, intptr_t *file, uint64_t *size, hf_report *report) {
    hf_status status = GetFileType(handle) == FILE_TYPE_DISK
                           ? win_get_file_size(handle, size, report)
                           : win_fail(report, HF_UNSUPPORTED, "GetFileType", 0);
    if (status == HF_OK)
        *file = (intptr_t)handle;
    else
        CloseHandle(handle);
    return status;
}

static hf_status win_open_and_adopt(const char *path, const win_open_mode *wanted, intptr_t *file,
                                    uint64_t *size, hf_report *report) {
    HANDLE handle;
    hf_status status = win_open_path(path, wanted, &handle, report);
    return status == HF_OK ? win_adopt(handle, file, size, report) : status;
}

static hf_status win_file_open(const hf_backend *self, const char *path, hf_access access,
                               intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    DWORD rights = access == HF_READ_WRITE ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    win_open_mode wanted = {rights, OPEN_EXISTING};
    return win_open_and_adopt(path, &wanted, file, size, report);
}

/* A new file inherits compression from its folder, and Windows allocates the blocks of a compressed
 * file only when they are written. A file system without this control code has no compression. */
static bool win_decompress(HANDLE handle, hf_report *report) {
    USHORT format = COMPRESSION_FORMAT_NONE;
    DWORD length;
    report->system_calls++;
    return DeviceIoControl(handle, FSCTL_SET_COMPRESSION, &format, sizeof format, NULL, 0, &length,
                           NULL);
}

/* Codes for a size above the largest of the file system; Wine's is ERROR_NOT_ENOUGH_MEMORY (8). */
static bool win_is_file_too_large(DWORD code) {
    return code == ERROR_NOT_ENOUGH_MEMORY || code == ERROR_INVALID_PARAMETER;
}

/* Sets the end of the file. Windows allocates the blocks below it. */
static hf_status win_set_file_end(HANDLE handle, uint64_t size, hf_report *report) {
    static const char call[] = "SetFileInformationByHandle";
    FILE_END_OF_FILE_INFO end;
    if (size > (uint64_t)INT64_MAX) return win_fail_file(report, call, ERROR_FILE_TOO_LARGE);
    end.EndOfFile.QuadPart = (LONGLONG)size;
    report->system_calls++;
    if (SetFileInformationByHandle(handle, FileEndOfFileInfo, &end, sizeof end)) return HF_OK;
    DWORD code = GetLastError();
    return win_is_file_too_large(code) ? win_fail(report, HF_NO_SPACE, call, code)
                                       : win_fail_file(report, call, code);
}

/* DELETE access is requested only now: while a handle has it, an opening without FILE_SHARE_DELETE,
 * such as the C library's fopen, fails. */
static void win_delete_and_close(HANDLE handle) {
    FILE_DISPOSITION_INFO disposition = {TRUE};
    HANDLE deleting = ReOpenFile(handle, DELETE, WIN_SHARE_ALL, 0);
    SetFileInformationByHandle(deleting, FileDispositionInfo, &disposition, sizeof disposition);
    CloseHandle(deleting);
    CloseHandle(handle);
}

static hf_status win_file_create(const hf_backend *self, const char *path, uint64_t size,
                                 intptr_t *file, hf_report *report) {
    (void)self;
    win_open_mode wanted = {GENERIC_READ | GENERIC_WRITE, CREATE_NEW};
    HANDLE handle;
    hf_status status = win_open_path(path, &wanted, &handle, report);
    if (status != HF_OK) return status;
    if (GetFileType(handle) != FILE_TYPE_DISK) { /* NUL names a device in every folder */
        CloseHandle(handle);
        return win_fail_file(report, "GetFileType", ERROR_FILE_EXISTS);
    }
    win_decompress(handle, report);
    status = win_set_file_end(handle, size, report);
    if (status == HF_OK)
        *file = (intptr_t)handle;
    else
        win_delete_and_close(handle);
    return status;
}

/* --------------------------------------------------------------- shared memory ---------- */

/* Memory backed by the paging file; all of it counts against the commit limit at once. The last
 * error after success is ERROR_ALREADY_EXISTS if the name is taken. */
static HANDLE win_create_memory(const wchar_t *name, uint64_t size, DWORD protection,
                                hf_report *report) {
    uint64_t mask = win_page_mask();
    SetLastError(ERROR_COMMITMENT_LIMIT);
    return size > UINT64_MAX - mask ? NULL
                                    : win_create_section(INVALID_HANDLE_VALUE, protection,
                                                         (size + mask) & ~mask, name, report);
}

static hf_status win_file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                        hf_report *report) {
    (void)self;
    HANDLE section = win_create_memory(NULL, size, PAGE_READWRITE, report);
    if (section == NULL) return win_fail_no_memory(report, "CreateFileMapping");
    *file = (intptr_t)section | WIN_SECTION_BIT;
    return HF_OK;
}

/* A process that prohibits dynamic code can create such a section, but not map an executable view:
 * ERROR_DYNAMIC_CODE_BLOCKED. */
static hf_status win_try_to_execute(HANDLE section, hf_report *report) {
    report->system_calls++;
    void *view =
        MapViewOfFileEx(section, FILE_MAP_READ | FILE_MAP_EXECUTE, 0, 0, win_page_size(NULL), NULL);
    if (view == NULL) return win_fail_file(report, "MapViewOfFileEx", GetLastError());
    report->system_calls++;
    UnmapViewOfFile(view);
    return HF_OK;
}

static hf_status win_file_create_executable(const hf_backend *self, uint64_t size, intptr_t *file,
                                            hf_report *report) {
    (void)self;
    HANDLE section = win_create_memory(NULL, size, PAGE_EXECUTE_READWRITE, report);
    if (section == NULL) return win_fail_no_memory(report, "CreateFileMapping");
    hf_status status = win_try_to_execute(section, report);
    if (status == HF_OK)
        *file = (intptr_t)section | WIN_SECTION_BIT | WIN_EXECUTABLE_BIT;
    else
        CloseHandle(section);
    return status;
}

/* A name in the namespace of the session: Local\NAME. */
typedef struct win_shared_name {
    wchar_t text[sizeof "Local\\" - 1 + HF_SHARED_NAME_SIZE];
} win_shared_name;

static win_shared_name win_name_of(const char *name) {
    win_shared_name result = {L"Local\\"};
    size_t at = wcslen(result.text);
    assert(strlen(name) < HF_SHARED_NAME_SIZE);
    do result.text[at++] = (wchar_t)*name; /* ASCII */
    while (*name++ != '\0');
    return result;
}

/* If the name is taken, CreateFileMapping opens the section that has it. */
static hf_status win_file_create_named(const hf_backend *self, const char *name, uint64_t size,
                                       intptr_t *file, hf_report *report) {
    (void)self;
    win_shared_name named = win_name_of(name);
    HANDLE section = win_create_memory(named.text, size, PAGE_READWRITE, report);
    DWORD code = GetLastError();
    if (section != NULL && code != ERROR_ALREADY_EXISTS) {
        *file = (intptr_t)section | WIN_SECTION_BIT;
        return HF_OK;
    }
    if (section != NULL) CloseHandle(section);
    return win_fail_file(report, "CreateFileMapping", code);
}

static hf_status win_file_open_named(const hf_backend *self, const char *name, hf_access access,
                                     intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    win_shared_name named = win_name_of(name);
    DWORD store = access == HF_READ_WRITE ? SECTION_MAP_WRITE : 0;
    report->system_calls++;
    HANDLE section = OpenFileMappingW(SECTION_QUERY | SECTION_MAP_READ | store, FALSE, named.text);
    if (section == NULL) return win_fail_file(report, "OpenFileMapping", GetLastError());
    hf_status status = win_get_section_size(section, size, report);
    if (status == HF_OK)
        *file = (intptr_t)section | WIN_SECTION_BIT;
    else
        CloseHandle(section);
    return status;
}

/* The name of a section goes by itself. */
static hf_status win_file_remove_named(const hf_backend *self, const char *name,
                                       hf_report *report) {
    (void)self, (void)name, (void)report;
    return HF_OK;
}

/* Windows never shortens a section, nor a file that has one. */
static hf_status win_file_seal(const hf_backend *self, intptr_t file, uint64_t size,
                               hf_report *report) {
    (void)self, (void)size;
    if (win_is_section(file)) return HF_OK;
    win_fail(report, HF_UNSUPPORTED, "NtQuerySection", 0);
    report->reason = "only shared memory can be sealed";
    return HF_UNSUPPORTED;
}

static bool win_file_is_sealed(const hf_backend *self, intptr_t file, uint64_t size) {
    (void)self, (void)size;
    return win_is_section(file);
}

/* ------------------------------------------------------ handles from the program ---------- */

/* ObjectBasicInformation of NtQueryObject. */
typedef struct win_object_information {
    ULONG attributes;
    ACCESS_MASK rights;
    ULONG handles, pointers, reserved[10];
} win_object_information;

static hf_status win_check_rights(HANDLE handle, ACCESS_MASK needed, hf_report *report) {
    win_object_information information;
    ULONG length;
    report->system_calls++;
    LONG answer = win_api.query_object(handle, 0, &information, sizeof information, &length);
    return answer >= 0 && (information.rights & needed) == needed
               ? HF_OK
               : win_fail(report, HF_INVALID, "NtQueryObject", ERROR_ACCESS_DENIED);
}

static hf_status win_check_file(HANDLE handle, hf_access access, uint64_t *size,
                                hf_report *report) {
    ACCESS_MASK store = access == HF_READ_WRITE ? FILE_WRITE_DATA : 0;
    hf_status status = win_get_file_size(handle, size, report);
    return status == HF_OK ? win_check_rights(handle, FILE_READ_DATA | store, report) : status;
}

static hf_status win_check_section(HANDLE handle, hf_access access, uint64_t *size,
                                   hf_report *report) {
    ACCESS_MASK store = access == HF_READ_WRITE ? SECTION_MAP_WRITE : 0;
    hf_status status = win_get_section_size(handle, size, report);
    return status == HF_OK ? win_check_rights(handle, SECTION_MAP_READ | store, report) : status;
}

/* Wine's GetFileType returns FILE_TYPE_DISK for a section of a file, so sections are recognized
 * first. */
static hf_status win_check_handle(HANDLE handle, hf_access access, intptr_t *tag, uint64_t *size,
                                  hf_report *report) {
    bool section = win_is_section_handle(handle, report);
    *tag = section ? WIN_SECTION_BIT : 0;
    if (section) return win_check_section(handle, access, size, report);
    return GetFileType(handle) == FILE_TYPE_DISK
               ? win_check_file(handle, access, size, report)
               : win_fail(report, HF_UNSUPPORTED, "GetFileType", 0);
}

/* INVALID_HANDLE_VALUE equals the pseudo-handle of the current process. */
static hf_status win_duplicate(HANDLE handle, HANDLE *copy, hf_report *report) {
    static const char call[] = "DuplicateHandle";
    HANDLE process = GetCurrentProcess();
    if (handle == INVALID_HANDLE_VALUE)
        return win_fail(report, HF_INVALID, call, ERROR_INVALID_HANDLE);
    report->system_calls++;
    if (DuplicateHandle(process, handle, process, copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
        return HF_OK;
    DWORD code = GetLastError();
    return code == ERROR_INVALID_HANDLE ? win_fail(report, HF_INVALID, call, code)
                                        : win_fail_file(report, call, code);
}

static hf_status win_file_duplicate(const hf_backend *self, intptr_t handle, hf_access access,
                                    intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    HANDLE copy;
    intptr_t tag;
    hf_status status = win_duplicate((HANDLE)handle, &copy, report);
    if (status != HF_OK) return status;
    status = win_check_handle(copy, access, &tag, size, report);
    if (status == HF_OK)
        *file = (intptr_t)copy | tag;
    else
        CloseHandle(copy);
    return status;
}

static void win_file_close(const hf_backend *self, intptr_t file) {
    (void)self;
    CloseHandle(win_handle_of(file));
}

/* --------------------------------------------------------------- files of images ---------- */

static hf_status win_file_open_or_create(const hf_backend *self, const char *path, intptr_t *file,
                                         uint64_t *size, hf_report *report) {
    (void)self;
    win_open_mode wanted = {GENERIC_READ | GENERIC_WRITE, OPEN_ALWAYS};
    return win_open_and_adopt(path, &wanted, file, size, report);
}

static hf_status win_file_measure(const hf_backend *self, intptr_t file, uint64_t *size,
                                  hf_report *report) {
    (void)self;
    return win_get_file_size(win_handle_of(file), size, report);
}

/* Some network shares fail with ERROR_NO_SYSTEM_RESOURCES (1450) on larger transfers. */
#define WIN_LONGEST_TRANSFER ((size_t)1 << 24)

static DWORD win_transfer_size(size_t left) {
    return (DWORD)(left < WIN_LONGEST_TRANSFER ? left : WIN_LONGEST_TRANSFER);
}

static OVERLAPPED win_position_of(uint64_t offset) {
    OVERLAPPED position = {0};
    position.Offset = (DWORD)offset;
    position.OffsetHigh = (DWORD)(offset >> 32);
    return position;
}

/* ReadFile cannot read a section. The offset of a view is a multiple of 64 KiB. */
static hf_status win_read_section(HANDLE section, uint64_t offset, char *bytes, size_t size,
                                  hf_report *report) {
    for (size_t done = 0, count; done < size; done += count) {
        size_t below = (size_t)((offset + done) % HF_ALLOCATION_GRANULARITY);
        uint64_t from = offset + done - below;
        count = win_transfer_size(size - done);
        report->system_calls++;
        char *view = MapViewOfFileEx(section, FILE_MAP_READ, (DWORD)(from >> 32), (DWORD)from,
                                     below + count, NULL);
        if (view == NULL) return win_fail_file(report, "MapViewOfFileEx", GetLastError());
        memcpy(bytes + done, view + below, count);
        report->system_calls++;
        UnmapViewOfFile(view);
    }
    return HF_OK;
}

static hf_status win_file_read(const hf_backend *self, intptr_t file, uint64_t offset, void *bytes,
                               size_t size, hf_report *report) {
    (void)self;
    if (win_is_section(file))
        return win_read_section(win_handle_of(file), offset, bytes, size, report);
    for (size_t done = 0; done < size;) {
        OVERLAPPED position = win_position_of(offset + done);
        DWORD got = 0;
        report->system_calls++;
        if (!ReadFile(win_handle_of(file), (char *)bytes + done, win_transfer_size(size - done),
                      &got, &position))
            return win_fail_file(report, "ReadFile", GetLastError());
        if (got == 0) return win_fail_file(report, "ReadFile", ERROR_HANDLE_EOF);
        done += got;
    }
    return HF_OK;
}

static hf_status win_file_write(const hf_backend *self, intptr_t file, uint64_t offset,
                                const void *bytes, size_t size, hf_report *report) {
    (void)self;
    for (size_t done = 0; done < size;) {
        OVERLAPPED position = win_position_of(offset + done);
        DWORD written = 0;
        report->system_calls++;
        if (!WriteFile(win_handle_of(file), (const char *)bytes + done,
                       win_transfer_size(size - done), &written, &position))
            return win_fail_file(report, "WriteFile", GetLastError());
        if (written == 0) return win_fail_file(report, "WriteFile", ERROR_WRITE_FAULT);
        done += written;
    }
    return HF_OK;
}

enum { WIN_MOST_ZEROS = 16384 }; /* bytes of zeros that one WriteFile writes */

/* Allocates the blocks of a hole in a sparse file. */
static hf_status win_write_zeros(intptr_t file, uint64_t from, uint64_t end, hf_report *report) {
    static const char zeros[WIN_MOST_ZEROS];
    hf_status status = HF_OK;
    for (uint64_t size; status == HF_OK && from < end; from += size) {
        size = end - from < sizeof zeros ? end - from : sizeof zeros;
        status = win_file_write(NULL, file, from, zeros, (size_t)size, report);
    }
    return status;
}

/* *found is the first allocated range at or after `from`; if there is none, an empty range at
 * `end`. */
static hf_status win_find_allocated(intptr_t file, uint64_t from, uint64_t end,
                                    FILE_ALLOCATED_RANGE_BUFFER *found, hf_report *report) {
    FILE_ALLOCATED_RANGE_BUFFER wanted = {.FileOffset.QuadPart = (LONGLONG)from,
                                          .Length.QuadPart = (LONGLONG)(end - from)};
    DWORD length = 0;
    report->system_calls++;
    if (!DeviceIoControl(win_handle_of(file), FSCTL_QUERY_ALLOCATED_RANGES, &wanted, sizeof wanted,
                         found, sizeof *found, &length, NULL)) {
        DWORD code = GetLastError(); /* ERROR_MORE_DATA: there is more than one */
        if (code != ERROR_MORE_DATA)
            return code == ERROR_INVALID_FUNCTION || code == ERROR_NOT_SUPPORTED
                       ? win_fail(report, HF_UNSUPPORTED, "FSCTL_QUERY_ALLOCATED_RANGES", code)
                       : win_fail_file(report, "FSCTL_QUERY_ALLOCATED_RANGES", code);
    }
    if (length < sizeof *found) {
        found->FileOffset.QuadPart = (LONGLONG)end;
        found->Length.QuadPart = 0;
    }
    return HF_OK;
}

static hf_status win_fill_holes(intptr_t file, uint64_t from, uint64_t end, hf_report *report) {
    while (from < end) {
        FILE_ALLOCATED_RANGE_BUFFER found;
        hf_status status = win_find_allocated(file, from, end, &found, report);
        if (status != HF_OK) return status;
        uint64_t hole_end = (uint64_t)found.FileOffset.QuadPart;
        status = win_write_zeros(file, from, hole_end < end ? hole_end : end, report);
        if (status != HF_OK) return status;
        uint64_t next = hole_end + (uint64_t)found.Length.QuadPart;
        from = next > from ? next : end;
    }
    return HF_OK;
}

static hf_status win_read_attributes(HANDLE handle, DWORD *attributes, hf_report *report) {
    FILE_BASIC_INFO information;
    report->system_calls++;
    if (!GetFileInformationByHandleEx(handle, FileBasicInfo, &information, sizeof information))
        return win_fail_file(report, "GetFileInformationByHandleEx", GetLastError());
    *attributes = information.FileAttributes;
    return HF_OK;
}

/* Windows has allocated every block below a file's end, except in sparse and compressed files. In a
 * sparse file only writing zeros allocates a hole, which could overwrite what other processes store
 * there: a shared one stays as it is. */
static hf_status win_file_fill(const hf_backend *self, intptr_t file, uint64_t size, bool is_shared,
                               hf_report *report) {
    (void)self;
    DWORD attributes = 0, length;
    hf_status status = win_read_attributes(win_handle_of(file), &attributes, report);
    if (status != HF_OK) return status;
    if ((attributes & FILE_ATTRIBUTE_COMPRESSED) != 0 &&
        !win_decompress(win_handle_of(file), report))
        return win_fail_file(report, "FSCTL_SET_COMPRESSION", GetLastError());
    if ((attributes & FILE_ATTRIBUTE_SPARSE_FILE) == 0 || is_shared) return HF_OK;
    status = win_fill_holes(file, 0, size, report);
    if (status != HF_OK) return status;
    FILE_SET_SPARSE_BUFFER sparse = {FALSE}; /* if it fails, file_resize still fills holes */
    report->system_calls++;
    DeviceIoControl(win_handle_of(file), FSCTL_SET_SPARSE, &sparse, sizeof sparse, NULL, 0, &length,
                    NULL);
    return HF_OK;
}

/* ERROR_USER_MAPPED_FILE (1224): a view shows the bytes to be cut off; it may be a scanner's. */
static hf_status win_set_file_end_retrying(HANDLE handle, uint64_t size, hf_report *report) {
    for (size_t waits = 0;;) {
        hf_status status = win_set_file_end(handle, size, report);
        DWORD code = (DWORD)report->os_code;
        bool is_transient = win_is_sharing_error(code) || code == ERROR_USER_MAPPED_FILE;
        if (status == HF_OK || !is_transient || !win_pause_for_retry(&waits)) return status;
    }
}

static hf_status win_file_resize(const hf_backend *self, intptr_t file, uint64_t old_size,
                                 uint64_t new_size, hf_report *report) {
    (void)self;
    DWORD attributes = 0;
    HANDLE handle = win_handle_of(file);
    if (new_size <= old_size) return win_set_file_end_retrying(handle, new_size, report);
    win_decompress(handle, report);
    hf_status status = win_set_file_end_retrying(handle, new_size, report);
    if (status != HF_OK) return status;
    status = win_read_attributes(handle, &attributes, report);
    if (status == HF_OK && (attributes & FILE_ATTRIBUTE_SPARSE_FILE) != 0)
        status = win_fill_holes(file, old_size, new_size, report);
    if (status == HF_OK) return HF_OK;
    hf_report ignored = {0};
    win_set_file_end_retrying(handle, old_size, &ignored);
    report->system_calls += ignored.system_calls;
    return status;
}

static hf_status win_file_sync(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self;
    report->system_calls++;
    return FlushFileBuffers(win_handle_of(file))
               ? HF_OK
               : win_fail_file(report, "FlushFileBuffers", GetLastError());
}

/* On NTFS FlushViewOfFile fails with ERROR_LOCK_VIOLATION (33) now and then, and succeeds when it
 * is called again: pauses of 1, 2, 4 ... 2048 ms, for 4 s in all. */
static hf_status win_file_flush(const hf_backend *self, void *address, size_t size,
                                hf_report *report) {
    enum { LONGEST_PAUSE = 2048 }; /* milliseconds */
    (void)self;
    for (DWORD pause = 1;; pause *= 2) {
        report->system_calls++;
        if (FlushViewOfFile(address, size)) return HF_OK;
        DWORD code = GetLastError();
        if (code != ERROR_LOCK_VIOLATION || pause > LONGEST_PAUSE)
            return win_fail_file(report, "FlushViewOfFile", code);
        Sleep(pause);
    }
}

/* Locks are mandatory on Windows: so the locked byte lies where no file has data. */
#define WIN_LOCKED_BYTE ((uint64_t)INT64_MAX - 1)

static hf_status win_lock_handle(HANDLE handle, bool exclusive, hf_report *report) {
    OVERLAPPED position = win_position_of(WIN_LOCKED_BYTE);
    DWORD how = exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0;
    report->system_calls++;
    if (LockFileEx(handle, LOCKFILE_FAIL_IMMEDIATELY | how, 0, 1, 0, &position)) return HF_OK;
    DWORD code = GetLastError();
    if (code == ERROR_LOCK_VIOLATION || code == ERROR_IO_PENDING)
        return win_fail(report, HF_BUSY, "LockFileEx", code);
    return code == ERROR_INVALID_FUNCTION || code == ERROR_NOT_SUPPORTED
               ? win_fail(report, HF_UNSUPPORTED, "LockFileEx", code)
               : win_fail_file(report, "LockFileEx", code);
}

static hf_status win_file_lock(const hf_backend *self, intptr_t file, bool exclusive,
                               hf_report *report) {
    (void)self;
    return win_lock_handle(win_handle_of(file), exclusive, report);
}

static void win_file_unlock(const hf_backend *self, intptr_t file) {
    (void)self;
    OVERLAPPED position = win_position_of(WIN_LOCKED_BYTE);
    UnlockFileEx(win_handle_of(file), 0, 1, 0, &position);
}

/* --------------------------------------------------------- files and their names ---------- */

/* FILE_ID_INFO: ReFS has file numbers of 128 bits. */
typedef struct win_file_identity {
    uint64_t volume, file[2];
} win_file_identity;

static bool win_identify(HANDLE handle, win_file_identity *identity, hf_report *report) {
    BY_HANDLE_FILE_INFORMATION found;
    report->system_calls++;
    if (GetFileInformationByHandleEx(handle, WIN_FILE_ID_INFO, identity, sizeof *identity))
        return true;
    report->system_calls++; /* before Windows 8, and file systems without such numbers */
    if (!GetFileInformationByHandle(handle, &found)) return false;
    *identity =
        (win_file_identity){found.dwVolumeSerialNumber,
                            {(uint64_t)found.nFileIndexHigh << 32 | found.nFileIndexLow, 0}};
    return true;
}

/* A deleted file keeps its name until its last handle is closed, but nothing can open it there. */
static hf_status win_has_name(HANDLE handle, bool *has, hf_report *report) {
    FILE_STANDARD_INFO information;
    report->system_calls++;
    if (!GetFileInformationByHandleEx(handle, FileStandardInfo, &information, sizeof information))
        return win_fail_file(report, "GetFileInformationByHandleEx", GetLastError());
    *has = !information.DeletePending && information.NumberOfLinks > 0;
    return HF_OK;
}

static bool win_is_same_file(const win_file_identity *one, const win_file_identity *other) {
    return memcmp(one, other, sizeof *one) == 0;
}

static hf_status win_compare_with_path(HANDLE handle, const wchar_t *path, bool *is_there,
                                       hf_report *report) {
    win_file_identity own, named;
    *is_there = false;
    HANDLE other = win_open_retrying(path, 0, OPEN_EXISTING, report);
    if (other == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        bool is_missing = code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND ||
                          (code == ERROR_ACCESS_DENIED && win_is_folder(path));
        return is_missing ? HF_OK : win_fail_file(report, "CreateFile", code);
    }
    bool found = win_identify(handle, &own, report) && win_identify(other, &named, report);
    DWORD code = GetLastError();
    CloseHandle(other);
    if (!found) return win_fail_file(report, "GetFileInformationByHandle", code);
    *is_there = win_is_same_file(&own, &named);
    return HF_OK;
}

static hf_status win_file_is_at(const hf_backend *self, intptr_t file, const char *path,
                                bool *is_there, hf_report *report) {
    (void)self;
    win_paths *wide;
    hf_status status = win_has_name(win_handle_of(file), is_there, report);
    if (status != HF_OK || !*is_there || path == NULL) return status;
    status = win_new_paths(path, &wide, report);
    if (status != HF_OK) return status;
    status = win_compare_with_path(win_handle_of(file), wide->path, is_there, report);
    win_free_paths(wide);
    return status;
}

/* ------------------------------------------------------------------------ drafts ---------- */

/*
 * A draft lies beside the file that it will replace:
 *
 *      folder\image             the file, or nothing
 *      folder\image.saving00    the draft
 *
 * A draft is open without sharing from its creation to its end. So a file of such a name that can
 * be opened was left by a process that died, and is deleted. All operations on the draft use its
 * one handle. MoveFileEx would have to open it again, so SetFileInformationByHandle renames it, and
 * FlushFileBuffers makes the new name durable, as MOVEFILE_WRITE_THROUGH would.
 */
typedef struct win_draft {
    HANDLE handle;
    bool is_published;
    DWORD attributes; /* of the file to be replaced; 0: there is none */
    win_paths wide;
    union {
        FILE_RENAME_INFO information; /* the name continues after it */
        char room[sizeof(FILE_RENAME_INFO) + HF_LONGEST_PATH * sizeof(wchar_t)];
    } rename;
} win_draft;

static const wchar_t win_draft_suffix[] = L".saving00", win_replaced_suffix[] = L".hf-over00";

/* Drafts and replaced files have numbers from 00 to 99. */
enum { WIN_MOST_NUMBERS = 100 };

static void win_delete_file(const wchar_t *path) {
    size_t waits = 0;
    SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL); /* DeleteFile fails on a read-only one */
    while (!DeleteFileW(path)) {
        DWORD code = GetLastError();
        if (code == ERROR_ACCESS_DENIED || !win_is_sharing_error(code) ||
            !win_pause_for_retry(&waits))
            return;
    }
}

/* Renames image.hf-aside to image.hf-over00 (or a higher number) and deletes it. Also deletes the
 * files that earlier saves could not delete: a mapped file cannot be deleted, and a file that is
 * open keeps its name. */
static void win_discard_aside(win_paths *wide, hf_report *report) {
    for (int number = 0; number < WIN_MOST_NUMBERS; number++) {
        if (!win_name_aside(wide->path, wide->aside)) return;
        if (!win_add_numbered_suffix(wide->path, win_replaced_suffix, number, wide->replaced))
            return;
        bool is_aside = win_exists(wide->aside);
        if (!is_aside && !win_exists(wide->replaced)) return;
        win_delete_file(wide->replaced);
        if (is_aside && win_move(wide->aside, wide->replaced, report))
            win_delete_file(wide->replaced);
    }
}

/* ------ the file that a draft replaces */

static DWORD win_read_final_path(HANDLE handle, win_paths *wide) {
    DWORD length = GetFinalPathNameByHandleW(handle, wide->replaced, HF_LONGEST_PATH, 0);
    DWORD code = length == 0 ? GetLastError() : ERROR_FILENAME_EXCED_RANGE;
    if (length == 0 || length >= HF_LONGEST_PATH) return code;
    memcpy(wide->path, wide->replaced, (length + 1) * sizeof *wide->path);
    return 0;
}

/* Replaces the path of a symbolic link by the path of its target. Returns 0 or a code. A target
 * that does not exist is created to learn its path, and deleted when its handle is closed. */
static DWORD win_follow_link(win_paths *wide, hf_report *report) {
    DWORD attributes = GetFileAttributesW(wide->path);
    if (attributes == INVALID_FILE_ATTRIBUTES || !(attributes & FILE_ATTRIBUTE_REPARSE_POINT))
        return 0;
    HANDLE handle = win_open_retrying(wide->path, 0, OPEN_EXISTING, report);
    if (handle == INVALID_HANDLE_VALUE && GetLastError() == ERROR_FILE_NOT_FOUND) {
        report->system_calls++;
        handle = CreateFileW(wide->path, DELETE, WIN_SHARE_ALL, NULL, CREATE_NEW,
                             FILE_FLAG_DELETE_ON_CLOSE, NULL);
    }
    if (handle == INVALID_HANDLE_VALUE) return win_is_folder(wide->path) ? 0 : GetLastError();
    report->system_calls++;
    DWORD code = win_read_final_path(handle, wide);
    CloseHandle(handle);
    return code;
}

/* Opens the file at the path and locks it shared, so that no writer can lock it. HF_OK with
 * INVALID_HANDLE_VALUE: there is no file. Of the failures to lock it only HF_BUSY counts: in a file
 * system without locks no writer has one. */
static hf_status win_open_target(win_paths *wide, HANDLE *target, hf_report *report) {
    static const win_open_mode wanted = {GENERIC_READ, OPEN_EXISTING};
    *target = win_open_or_restore(wide, &wanted, report);
    if (*target == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        if (code == ERROR_FILE_NOT_FOUND) return HF_OK;
        return code == ERROR_ACCESS_DENIED && win_is_folder(wide->path)
                   ? win_fail(report, HF_UNSUPPORTED, "CreateFile", code)
                   : win_fail_file(report, "CreateFile", code);
    }
    hf_status status = GetFileType(*target) == FILE_TYPE_DISK
                           ? win_lock_handle(*target, false, report)
                           : win_fail(report, HF_UNSUPPORTED, "GetFileType", 0);
    bool is_usable = status == HF_OK || strcmp(report->call, "LockFileEx") == 0;
    if (is_usable && status != HF_BUSY) return HF_OK;
    CloseHandle(*target);
    return status;
}

static void win_close_target(HANDLE target) {
    if (target != INVALID_HANDLE_VALUE) CloseHandle(target);
}

/* ------ creating a draft */

/* The draft of an encrypted file (EFS) is encrypted from its first byte. */
static HANDLE win_create_unshared(win_draft *made, hf_report *report) {
    DWORD attributes = FILE_ATTRIBUTE_NORMAL | (made->attributes & FILE_ATTRIBUTE_ENCRYPTED);
    report->system_calls++;
    return CreateFileW(made->wide.draft, GENERIC_READ | GENERIC_WRITE | DELETE, 0, NULL, CREATE_NEW,
                       attributes | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
}

static bool win_mark_deleted(HANDLE handle) {
    FILE_DISPOSITION_INFO disposition = {TRUE};
    return SetFileInformationByHandle(handle, FileDispositionInfo, &disposition,
                                      sizeof disposition);
}

/* True: the name was that of a dead process's draft, which is deleted. */
static bool win_delete_leftover(const wchar_t *name, hf_report *report) {
    report->system_calls++;
    HANDLE handle =
        CreateFileW(name, DELETE, 0, NULL, OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (handle == INVALID_HANDLE_VALUE) return false;
    bool is_deleted = win_mark_deleted(handle);
    CloseHandle(handle);
    return is_deleted;
}

/* Returns 0 or a code. Tries each name a second time if a leftover had it. */
static DWORD win_create_draft(win_draft *made, hf_report *report) {
    DWORD code = ERROR_FILE_EXISTS;
    for (int number = 0; number < WIN_MOST_NUMBERS; number++) {
        if (!win_add_numbered_suffix(made->wide.path, win_draft_suffix, number, made->wide.draft))
            return ERROR_FILENAME_EXCED_RANGE;
        made->handle = win_create_unshared(made, report);
        code = made->handle == INVALID_HANDLE_VALUE ? GetLastError() : 0;
        if (code == ERROR_FILE_EXISTS && win_delete_leftover(made->wide.draft, report)) {
            made->handle = win_create_unshared(made, report);
            code = made->handle == INVALID_HANDLE_VALUE ? GetLastError() : 0;
        }
        if (code != ERROR_FILE_EXISTS && code != ERROR_ACCESS_DENIED) return code;
        if (code == ERROR_ACCESS_DENIED && !win_exists(made->wide.draft)) return code;
    }
    return code;
}

/* The two digits at the end of a draft's name, or -1. */
static int win_number_of(const wchar_t *name) {
    size_t length = wcslen(name);
    if (length < 2) return -1;
    unsigned tens = (unsigned)name[length - 2] - L'0', ones = (unsigned)name[length - 1] - L'0';
    return tens < 10 && ones < 10 ? (int)(10 * tens + ones) : -1;
}

/* Deletes drafts of dead processes. Drafts of living processes, this one too, cannot be opened. */
static void win_delete_leftovers(win_paths *wide, hf_report *report) {
    WIN32_FIND_DATAW found;
    if (!win_add_numbered_suffix(wide->path, win_draft_suffix, 0, wide->replaced)) return;
    memcpy(wide->replaced + wcslen(wide->replaced) - 2, L"??", 2 * sizeof *wide->replaced);
    report->system_calls++;
    HANDLE search = FindFirstFileW(wide->replaced, &found);
    if (search == INVALID_HANDLE_VALUE) return;
    do {
        int number = win_number_of(found.cFileName);
        if (number >= 0 &&
            win_add_numbered_suffix(wide->path, win_draft_suffix, number, wide->replaced))
            win_delete_leftover(wide->replaced, report);
    } while (FindNextFileW(search, &found));
    FindClose(search);
}

/* Opens the file again for the access right: a draft created with it would fail where the user does
 * not have it. */
static void win_set_security(HANDLE handle, DWORD right, SECURITY_INFORMATION what,
                             void *descriptor) {
    HANDLE setting = ReOpenFile(handle, right, WIN_SHARE_ALL, 0);
    if (setting == INVALID_HANDLE_VALUE) return;
    win_api.set_security(setting, what, descriptor);
    CloseHandle(setting);
}

/* Copies owner and group, if Windows allows it, then the access rights. WRITE_DAC is requested
 * before the owner changes, because an owner always has it. */
static void win_copy_security(win_draft *made, HANDLE replaced) {
    enum { OWNER = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION }; /* and group */
    void *descriptor = made->wide.replaced;
    ULONG length, room = sizeof made->wide.replaced;
    if (!win_api.query_security || !win_api.set_security) return;
    HANDLE setting = ReOpenFile(made->handle, WRITE_DAC, WIN_SHARE_ALL, 0);
    if (win_api.query_security(replaced, OWNER, descriptor, room, &length) >= 0)
        win_set_security(made->handle, WRITE_OWNER, OWNER, descriptor);
    if (setting == INVALID_HANDLE_VALUE) return;
    if (win_api.query_security(replaced, DACL_SECURITY_INFORMATION, descriptor, room, &length) >= 0)
        win_api.set_security(setting, DACL_SECURITY_INFORMATION, descriptor);
    CloseHandle(setting);
}

static hf_status win_begin_draft(win_draft *made, HANDLE target, uint64_t size, hf_report *report) {
    hf_status status = HF_OK;
    if (target != INVALID_HANDLE_VALUE) {
        /* A process may have died after its second rename. */
        win_discard_aside(&made->wide, report);
        status = win_read_attributes(target, &made->attributes, report);
    }
    if (status != HF_OK) return status;
    DWORD code = win_create_draft(made, report);
    if (code != 0) return win_fail_file(report, "CreateFile", code);
    if (target != INVALID_HANDLE_VALUE) win_copy_security(made, target);
    win_delete_leftovers(&made->wide, report);
    win_decompress(made->handle, report);
    return win_set_file_end(made->handle, size, report);
}

static hf_status win_prepare_draft(win_draft *made, const char *path, uint64_t size,
                                   hf_report *report) {
    HANDLE target;
    hf_status status = win_widen(path, &made->wide, report);
    if (status != HF_OK) return status;
    DWORD code = win_follow_link(&made->wide, report);
    if (code != 0) return win_fail_file(report, "CreateFile", code);
    status = win_open_target(&made->wide, &target, report);
    if (status != HF_OK) return status;
    status = win_begin_draft(made, target, size, report);
    win_close_target(target);
    return status;
}

static void win_end_draft(win_draft *made) {
    if (made->handle == INVALID_HANDLE_VALUE) return;
    if (!made->is_published) win_mark_deleted(made->handle);
    CloseHandle(made->handle);
    made->handle = INVALID_HANDLE_VALUE;
}

static void win_draft_close(const hf_backend *self, void *opened) {
    win_end_draft(opened);
    win_free_pages(self, opened, sizeof(win_draft));
}

static hf_status win_draft_open(const hf_backend *self, const char *path, uint64_t size,
                                void **opened, intptr_t *file, hf_report *report) {
    void *memory;
    hf_status status = win_allocate_retrying(sizeof(win_draft), &memory, report);
    if (status != HF_OK) return status;
    win_draft *made = memory;
    made->handle = INVALID_HANDLE_VALUE;
    status = win_prepare_draft(made, path, size, report);
    if (status != HF_OK) {
        win_draft_close(self, made);
        return status;
    }
    *file = (intptr_t)made->handle;
    *opened = made;
    return HF_OK;
}

/* ------ publishing a draft */

#define WIN_RENAME_REPLACES 0x1
#define WIN_RENAME_POSIX 0x2      /* even if it is open, if every handle of it shares deletion */
#define WIN_RENAME_READ_ONLY 0x40 /* even if it is read-only */

/* Returns 0 or a code. Without WIN_RENAME_REPLACES the path must be free. FileRenameInfo is
 * older than the flags: it reads only their first byte, as ReplaceIfExists. */
static DWORD win_rename_draft(win_draft *made, FILE_INFO_BY_HANDLE_CLASS what, DWORD flags,
                              hf_report *report) {
    FILE_RENAME_INFO *wanted = &made->rename.information;
    size_t length = wcslen(made->wide.path) * sizeof *made->wide.path;
    memset(wanted, 0, sizeof *wanted);
    memcpy(wanted, &flags, sizeof flags);
    wanted->FileNameLength = (DWORD)length;
    memcpy(wanted->FileName, made->wide.path, length + sizeof *made->wide.path);
    report->system_calls++;
    return SetFileInformationByHandle(made->handle, what, wanted, (DWORD)(sizeof *wanted + length))
               ? 0
               : GetLastError();
}

/* Returns 0, or a code after it has renamed the old file back. */
static DWORD win_replace_mapped(win_draft *made, hf_report *report) {
    win_paths *wide = &made->wide;
    if (!win_name_aside(wide->path, wide->aside)) return ERROR_FILENAME_EXCED_RANGE;
    if (win_exists(wide->path)) win_discard_aside(wide, report); /* image.hf-aside of a crash */
    if (!win_move(wide->path, wide->aside, report)) return GetLastError();
    DWORD code = win_rename_draft(made, FileRenameInfo, 0, report);
    if (code != 0) win_move(wide->aside, wide->path, report);
    if (win_exists(wide->path)) win_discard_aside(wide, report);
    return code;
}

static bool win_is_in_use(DWORD code) {
    return win_is_sharing_error(code) || code == ERROR_USER_MAPPED_FILE;
}

/* Returns 0 or a code. Closes the target. */
static DWORD win_replace(win_draft *made, HANDLE target, hf_report *report) {
    DWORD code =
        win_rename_draft(made, WIN_FILE_RENAME_INFO_EX,
                         WIN_RENAME_REPLACES | WIN_RENAME_POSIX | WIN_RENAME_READ_ONLY, report);
    win_close_target(target); /* FileRenameInfo cannot replace an open file */
    if (code == 0) return 0;
    code = win_rename_draft(made, FileRenameInfo, WIN_RENAME_REPLACES, report);
    return win_is_in_use(code) ? win_replace_mapped(made, report) : code;
}

/* The target stays locked until a POSIX rename has replaced it, so that no writer can lock it in
 * between. Older systems have to close it first. */
static hf_status win_replace_target(win_draft *made, hf_report *report) {
    for (size_t waits = 0;;) {
        HANDLE target;
        hf_status status = win_open_target(&made->wide, &target, report);
        if (status != HF_OK) return status;
        DWORD code = win_replace(made, target, report);
        if (code == 0) return HF_OK;
        bool again = win_is_in_use(code) || win_is_path_changed(code);
        if (!again || !win_pause_for_retry(&waits))
            return win_fail_file(report, "FileRenameInfo", code);
    }
}

/* Copies the attributes of the replaced file; only now, because a read-only draft could not be
 * written. */
static void win_copy_attributes(const win_draft *made) {
    DWORD kept = made->attributes &
                 (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |
                  FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED);
    FILE_BASIC_INFO information = {.FileAttributes = kept}; /* times of 0 stay as they are */
    if (kept == 0) return;
    SetFileInformationByHandle(made->handle, FileBasicInfo, &information, sizeof information);
}

/* Closes the draft's handle, which shares nothing, so that the new file can be opened. */
static hf_status win_draft_publish(const hf_backend *self, void *opened, hf_report *report) {
    win_draft *made = opened;
    hf_status status = win_replace_target(made, report);
    if (status != HF_OK) return status;
    made->is_published = true;
    win_copy_attributes(made);
    status = win_file_sync(self, (intptr_t)made->handle, report);
    win_end_draft(made);
    return status;
}

/* ----------------------------------------------------------------------- process ---------- */

static uint64_t win_process(const hf_backend *self) {
    (void)self;
    return GetCurrentProcessId();
}

static void win_pause(const hf_backend *self, unsigned milliseconds) {
    (void)self;
    Sleep(milliseconds);
}

/* ------------------------------------------------------------------------- locks ---------- */

_Static_assert(sizeof(SRWLOCK) <= sizeof(hf_lock), "hf_lock is too small for an SRWLOCK");

static SRWLOCK *win_srwlock(hf_lock *storage) { return (SRWLOCK *)(void *)storage; }

static hf_status win_lock_open(const hf_backend *self, hf_lock *storage, hf_report *report) {
    (void)self, (void)report;
    InitializeSRWLock(win_srwlock(storage));
    return HF_OK;
}

static void win_lock_close(const hf_backend *self, hf_lock *storage) { (void)self, (void)storage; }

static void win_lock(const hf_backend *self, hf_lock *storage) {
    (void)self;
    AcquireSRWLockExclusive(win_srwlock(storage));
}

static void win_unlock(const hf_backend *self, hf_lock *storage) {
    (void)self;
    ReleaseSRWLockExclusive(win_srwlock(storage));
}

/* ----------------------------------------------------------------------- streams ---------- */

hf_status hf_system_stream(hf_stream *stream, FILE **file) {
    (void)stream, (void)file;
    return HF_UNSUPPORTED;
}

/* ------------------------------------------------------------------ the backends ---------- */

/* What both backends share: pages, protect, files, drafts, the process and locks. */
#define WIN_COMMON_FUNCTIONS                                                                      \
    .allocate_pages = win_allocate_pages, .free_pages = win_free_pages, .protect = win_protect,   \
    .file_open = win_file_open, .file_create = win_file_create,                                   \
    .file_create_shared = win_file_create_shared,                                                 \
    .file_create_executable = win_file_create_executable, .file_duplicate = win_file_duplicate,   \
    .file_close = win_file_close, .file_open_or_create = win_file_open_or_create,                 \
    .file_measure = win_file_measure, .file_resize = win_file_resize, .file_read = win_file_read, \
    .file_write = win_file_write, .file_sync = win_file_sync, .file_flush = win_file_flush,       \
    .file_lock = win_file_lock, .file_unlock = win_file_unlock, .file_fill = win_file_fill,       \
    .file_is_at = win_file_is_at, .file_seal = win_file_seal,                                     \
    .file_is_sealed = win_file_is_sealed, .file_create_named = win_file_create_named,             \
    .file_open_named = win_file_open_named, .file_remove_named = win_file_remove_named,           \
    .draft_open = win_draft_open, .draft_publish = win_draft_publish,                             \
    .draft_close = win_draft_close, .process = win_process, .pause = win_pause,                   \
    .lock_open = win_lock_open, .lock_close = win_lock_close, .lock = win_lock,                   \
    .unlock = win_unlock

static const hf_backend win_backend = {
    .size = HF_BACKEND_SIZE_1_0,
    .page_size = win_page_size,
    .reserve = win_reserve,
    .reserve_aligned = win_reserve_aligned,
    .commit_as = win_commit_as,
    .check_memory = win_check_memory,
    .cheap_reserve = win_cheap_reserve,
    .release = win_release,
    .split = win_split,
    .coalesce = win_coalesce,
    .commit = win_commit,
    .decommit = win_decommit,
    .map = win_map,
    .unmap = win_unmap,
    .advise = win_advise,
    .check = win_check,
    WIN_COMMON_FUNCTIONS,
};

/* map always fails, so unmap is never called. */
static const hf_backend win_old_backend = {
    .size = HF_BACKEND_SIZE_1_0,
    .page_size = win_page_size,
    .reserve = win_old_reserve,
    .reserve_aligned = win_old_reserve_aligned,
    .cheap_reserve = win_cheap_reserve,
    .release = win_release,
    .split = win_old_no_call,
    .coalesce = win_old_no_call,
    .commit = win_old_commit,
    .decommit = win_old_decommit,
    .map = win_old_map,
    .remap = win_old_map,
    .spans_regions = win_old_spans_regions,
    .unmap = win_old_no_call,
    .map_free = win_old_map_free,
    .advise = win_advise,
    .check = win_old_check,
    WIN_COMMON_FUNCTIONS,
};

const hf_backend *hf_backend_native(void) {
    return win_has_placeholders() ? &win_backend : &win_old_backend;
}

const hf_backend *hf_backend_before_placeholders(void) {
    win_has_placeholders();
    return &win_old_backend;
}
