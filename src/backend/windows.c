/*
 * windows.c -- the native backend of Windows: placeholders, and the systems from before them.
 *
 * Since version 1803 (and Server 2019) a placeholder is a thing of the system's own:
 *
 *     reserve       VirtualAlloc2(MEM_RESERVE | MEM_RESERVE_PLACEHOLDER)
 *     commit        VirtualAlloc2(MEM_RESERVE | MEM_COMMIT | MEM_REPLACE_PLACEHOLDER)
 *     map           MapViewOfFile3(MEM_REPLACE_PLACEHOLDER)
 *     split         VirtualFree(MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER), of a placeholder's part
 *     decommit      the very same call, of private memory in whole or part
 *     unmap         UnmapViewOfFile2(MEM_PRESERVE_PLACEHOLDER)
 *     coalesce      VirtualFree(MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS)
 *
 * Before, a space is one reservation in which memory is committed and decommitted. Placeholders
 * are in the books alone, and no view can stand in the middle of a reservation:
 *
 *     reserve       VirtualAlloc(MEM_RESERVE)
 *     commit        VirtualAlloc(MEM_COMMIT)
 *     decommit      VirtualFree(MEM_DECOMMIT)
 *     map_free      MapViewOfFileEx at free addresses: for a ring, which needs no more
 *
 * The newer functions are looked up at run time, so that a program with holdfast in it starts on
 * every Windows. Being there is not enough: whether placeholders work is tried out once.
 *
 * A file is a file's HANDLE; shared memory is a section's, told apart by the lowest bit, which
 * Windows leaves to the program in every HANDLE. A view of a file goes through a section that ends
 * with the view and is closed at once: the view keeps it alive, and nothing else does.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winioctl.h>

#include <holdfast/backend.h>

#include <string.h>
#include <wchar.h>

#include "../fail.h"
#include "../pages.h"
#include "wide_path.h"

/* Younger than some headers. */
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
#define FILE_ID_INFO_CLASS ((FILE_INFO_BY_HANDLE_CLASS)18)   /* FileIdInfo, Windows 8 */
#define RENAME_INFO_EX_CLASS ((FILE_INFO_BY_HANDLE_CLASS)22) /* FileRenameInfoEx, 10 1607 */

/* ERROR_COMMITMENT_LIMIT (1455) also comes while the system makes the paging file longer. */
static hf_status refuse(hf_report *report, hf_status status, const char *call, DWORD code) {
    report->call = call;
    report->reason = NULL;
    report->os_code = (long)code;
    report->is_transient = code == ERROR_COMMITMENT_LIMIT;
    return status;
}

/* ---------------------------------------------------------------- passing errors --------- */

/* Scanners and indexers open a file that was just closed, for a moment and without sharing it. */
static bool is_passing(DWORD code) {
    return code == ERROR_ACCESS_DENIED || code == ERROR_SHARING_VIOLATION ||
           code == ERROR_LOCK_VIOLATION;
}

/* Waits before a call is tried again. False: it was tried often enough, for 193 ms in all. */
static bool wait_again(size_t *waits) {
    static const unsigned char pauses[] = {1, 2, 5, 10, 25, 50, 100}; /* milliseconds */
    if (*waits == sizeof pauses) return false;
    Sleep(pauses[(*waits)++]);
    return true;
}

static size_t page_size(const hf_backend *self) {
    (void)self;
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return system.dwPageSize;
}

/* ---------------------------------------------------------------------- words ------------ */

/* In the language of the thread. Nothing for codes that the system does not know. */
size_t hf_system_words(long code, char *buffer, size_t size) {
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

/* -------------------------------------------------- functions looked up at run time ------ */

typedef PVOID WINAPI virtual_alloc2_function(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void *, ULONG);
typedef PVOID WINAPI map_view3_function(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG,
                                        void *, ULONG);
typedef BOOL WINAPI unmap_view2_function(HANDLE, PVOID, ULONG);
typedef LONG WINAPI query_object_function(HANDLE, int, void *, ULONG, ULONG *);
typedef LONG WINAPI query_section_function(HANDLE, int, void *, SIZE_T, SIZE_T *);
typedef LONG WINAPI query_security_function(HANDLE, SECURITY_INFORMATION, void *, ULONG, ULONG *);
typedef LONG WINAPI set_security_function(HANDLE, SECURITY_INFORMATION, void *);
typedef LONG WINAPI get_version_function(OSVERSIONINFOW *);

static struct {
    virtual_alloc2_function *virtual_alloc2;
    map_view3_function *map_view3;
    unmap_view2_function *unmap_view2;
    query_object_function *query_object;
    query_section_function *query_section;
    query_security_function *query_security;
    set_security_function *set_security;
    get_version_function *get_version;
    bool placeholders_work;
} late;

/*
 * Wine counts what is free of an area at the top by 64 KiB: once a placeholder there is in smaller
 * pieces, it gives some of them to others as well, and ends the process when it notices. So where
 * there is a choice it shall be lower, which costs 64 GiB of 128 TiB.
 */
#if UINTPTR_MAX > UINT32_MAX
#define HIGHEST_ADDRESS ((void *)(((uintptr_t)1 << 47) - ((uintptr_t)1 << 36) - 1))
#else
#define HIGHEST_ADDRESS NULL
#endif

/* Where a reservation begins decides in which steps an arena grows in it. So that these are the
 * same on every system, a large one begins at a multiple of this, as elsewhere for huge pages. */
#define LARGE_ALIGNMENT ((size_t)1 << 21)

static PVOID reserve_placeholder_at(void *base, size_t size) {
    return late.virtual_alloc2(GetCurrentProcess(), base, size,
                               MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, NULL, 0);
}

/* In a process that was linked for 2 GiB of addresses the limit itself is wrong. */
static PVOID reserve_placeholder(size_t size) {
    size_t alignment = size >= LARGE_ALIGNMENT ? LARGE_ALIGNMENT : 0;
    MEM_ADDRESS_REQUIREMENTS addresses = {NULL, HIGHEST_ADDRESS, alignment};
    MEM_EXTENDED_PARAMETER parameter = {.Type = MemExtendedParameterAddressRequirements,
                                        .Pointer = &addresses};
    void *got =
        late.virtual_alloc2(GetCurrentProcess(), NULL, size, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                            PAGE_NOACCESS, &parameter, 1);
    bool wrong = got == NULL && GetLastError() == ERROR_INVALID_PARAMETER;
    return wrong ? reserve_placeholder_at(NULL, size) : got;
}

/* Wine 8 has the functions and not the placeholders: it calls the flag wrong. A refusal for want of
 * addresses or memory says nothing of them. */
static bool do_placeholders_work(void) {
    if (!late.virtual_alloc2 || !late.map_view3 || !late.unmap_view2) return false;
    void *tried = reserve_placeholder(HF_ALLOCATION_GRANULARITY);
    if (tried == NULL) return GetLastError() != ERROR_INVALID_PARAMETER;
    VirtualFree(tried, 0, MEM_RELEASE);
    return true;
}

typedef void any_function(void);

static any_function *look_up(const wchar_t *library, const char *name) {
    HMODULE module = GetModuleHandleW(library);
    return module ? (any_function *)GetProcAddress(module, name) : NULL;
}

static BOOL CALLBACK look_all_up(INIT_ONCE *once, void *parameter, void **context) {
    (void)once, (void)parameter, (void)context;
    late.virtual_alloc2 = (virtual_alloc2_function *)look_up(L"kernelbase.dll", "VirtualAlloc2");
    late.map_view3 = (map_view3_function *)look_up(L"kernelbase.dll", "MapViewOfFile3");
    late.unmap_view2 = (unmap_view2_function *)look_up(L"kernelbase.dll", "UnmapViewOfFile2");
    late.query_object = (query_object_function *)look_up(L"ntdll.dll", "NtQueryObject");
    late.query_section = (query_section_function *)look_up(L"ntdll.dll", "NtQuerySection");
    late.query_security = (query_security_function *)look_up(L"ntdll.dll", "NtQuerySecurityObject");
    late.set_security = (set_security_function *)look_up(L"ntdll.dll", "NtSetSecurityObject");
    late.get_version = (get_version_function *)look_up(L"ntdll.dll", "RtlGetVersion");
    late.placeholders_work = do_placeholders_work();
    return TRUE;
}

static bool has_placeholders(void) {
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    InitOnceExecuteOnce(&once, look_all_up, NULL, NULL);
    return late.placeholders_work;
}

/* ------------------------------------------------------------- memory, any Windows ------- */

static hf_status refuse_memory(hf_report *report, const char *call) {
    return refuse(report, HF_NO_MEMORY, call, GetLastError());
}

static hf_status allocate_pages(const hf_backend *self, size_t size, void **address,
                                hf_report *report) {
    (void)self;
    report->system_calls++;
    void *got = VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (got == NULL) return refuse_memory(report, "VirtualAlloc");
    *address = got;
    return HF_OK;
}

static void free_pages(const hf_backend *self, void *address, size_t size) {
    (void)self, (void)size;
    VirtualFree(address, 0, MEM_RELEASE);
}

/* Touches each page with an atomic OR of zero, which is safe while other threads store there. Of a
 * constant zero clang would make a fence without a store: so the zero is volatile. Large pages take
 * a privilege, and come in whole allocations alone. */
static hf_status advise(const hf_backend *self, void *address, size_t size, hf_advice advice,
                        hf_report *report) {
    if (advice != HF_ADVISE_POPULATE)
        return refuse(report, HF_UNSUPPORTED, "VirtualAlloc2 (MEM_LARGE_PAGES)", 0);
    volatile LONG zero = 0;
    for (size_t offset = 0, step = page_size(self); offset < size; offset += step)
        InterlockedOr((volatile LONG *)(void *)((char *)address + offset), zero);
    return HF_OK;
}

/* --------------------------------------------------------------------- sections ---------- */

#define SECTION_BIT ((intptr_t)1)

static bool is_section(intptr_t file) { return (file & SECTION_BIT) != 0; }

static HANDLE handle_of(intptr_t file) { return (HANDLE)(file & ~SECTION_BIT); }

/* 1450 to 1455 are the system's pools, the process's quotas, the commit limit. */
static bool is_want_of_memory(DWORD code) {
    return code == ERROR_NOT_ENOUGH_MEMORY || code == ERROR_OUTOFMEMORY ||
           (code >= ERROR_NO_SYSTEM_RESOURCES && code <= ERROR_COMMITMENT_LIMIT) ||
           code == ERROR_NOT_ENOUGH_QUOTA;
}

static bool is_want_of_space(DWORD code) {
    return code == ERROR_DISK_FULL || code == ERROR_HANDLE_DISK_FULL ||
           code == ERROR_DISK_QUOTA_EXCEEDED || code == ERROR_FILE_TOO_LARGE;
}

static hf_status refuse_file(hf_report *report, const char *call, DWORD code) {
    hf_status status = is_want_of_memory(code)  ? HF_NO_MEMORY
                       : is_want_of_space(code) ? HF_NO_SPACE
                                                : HF_IO;
    return refuse(report, status, call, code);
}

static DWORD protection_of(hf_access access) {
    return access == HF_READ_WRITE  ? PAGE_READWRITE
           : access == HF_READ_ONLY ? PAGE_READONLY
                                    : PAGE_WRITECOPY;
}

/* What NtQuerySection tells. */
typedef struct section_information {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
} section_information;

#define STATUS_OF_ACCESS_DENIED ((LONG)0xC0000022)
#define STATUS_OF_OTHER_TYPE ((LONG)0xC0000024)

static LONG ask_section(HANDLE handle, section_information *information, hf_report *report) {
    SIZE_T length;
    report->system_calls++;
    return late.query_section(handle, 0, information, sizeof *information, &length);
}

static bool is_section_handle(HANDLE handle, hf_report *report) {
    section_information information;
    return ask_section(handle, &information, report) != STATUS_OF_OTHER_TYPE;
}

/* No view can be made of a program's image, nor an ordinary one of memory that is to be committed
 * later, or of large pages. */
static hf_status measure_section(HANDLE handle, uint64_t *size, hf_report *report) {
    section_information information;
    LONG answer = ask_section(handle, &information, report);
    if (answer == STATUS_OF_ACCESS_DENIED)
        return refuse(report, HF_INVALID, "NtQuerySection", ERROR_ACCESS_DENIED);
    if (answer < 0 || (information.attributes & (SEC_IMAGE | SEC_RESERVE | SEC_LARGE_PAGES)) != 0)
        return refuse(report, HF_UNSUPPORTED, "NtQuerySection", 0);
    *size = (uint64_t)information.size.QuadPart;
    return HF_OK;
}

static hf_status measure_file(HANDLE handle, uint64_t *size, hf_report *report) {
    FILE_STANDARD_INFO information;
    report->system_calls++;
    if (!GetFileInformationByHandleEx(handle, FileStandardInfo, &information, sizeof information))
        return refuse_file(report, "GetFileInformationByHandleEx", GetLastError());
    if (information.Directory)
        return refuse(report, HF_UNSUPPORTED, "GetFileInformationByHandleEx", 0);
    *size = (uint64_t)information.EndOfFile.QuadPart;
    return HF_OK;
}

static HANDLE make_section(HANDLE file, DWORD protection, uint64_t size, hf_report *report) {
    report->system_calls++;
    return CreateFileMappingW(file, NULL, protection, (DWORD)(size >> 32), (DWORD)size, NULL);
}

/* A window onto a file, as its views need it. */
typedef struct window {
    HANDLE section;
    bool is_ours;     /* made for this view, to be closed after it */
    SIZE_T view_size; /* bytes; ends with the file where its last page is not full */
} window;

static uint64_t page_mask(void) { return page_size(NULL) - 1; }

/* A section that reached beyond the file would make the file longer. */
static hf_status open_window(window *opened, intptr_t file, uint64_t file_offset, size_t size,
                             hf_access access, hf_report *report) {
    HANDLE handle = handle_of(file);
    uint64_t file_end, end = file_offset + size;
    hf_status status = is_section(file) ? measure_section(handle, &file_end, report)
                                        : measure_file(handle, &file_end, report);
    if (status != HF_OK) return status;
    if (end > ((file_end + page_mask()) & ~page_mask())) /* it was longer once */
        return refuse_file(report, "CreateFileMapping", ERROR_HANDLE_EOF);
    if (end > file_end) end = file_end;
    *opened = (window){handle, !is_section(file), (SIZE_T)(end - file_offset)};
    if (opened->is_ours) opened->section = make_section(handle, protection_of(access), end, report);
    return opened->section ? HF_OK : refuse_file(report, "CreateFileMapping", GetLastError());
}

static void close_window(const window *opened) {
    if (opened->is_ours) CloseHandle(opened->section);
}

/* ------------------------------------------------------- memory, with placeholders ------- */

static hf_status reserve(const hf_backend *self, void *base, size_t size, void **address,
                         hf_report *report) {
    (void)self;
    report->system_calls++;
    void *got = base ? reserve_placeholder_at(base, size) : reserve_placeholder(size);
    if (got == NULL) return refuse(report, HF_NO_ADDRESS, "VirtualAlloc2", GetLastError());
    *address = got;
    return HF_OK;
}

/* Before Windows 8.1 (6.3) the page tables of reserved addresses are charged against the commit
 * limit: 2 GiB for each TiB. */
static size_t cheap_reserve(const hf_backend *self) {
    (void)self;
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    has_placeholders(); /* looks the function up */
    bool is_known = late.get_version && late.get_version(&version) >= 0;
    bool is_charged = is_known && (version.dwMajorVersion < 6 ||
                                   (version.dwMajorVersion == 6 && version.dwMinorVersion < 3));
    return is_charged ? (size_t)1 << 30 : SIZE_MAX;
}

/* Each region is an allocation or a view of its own. Before placeholders the whole reservation goes
 * with the region at its base, the last to come: anywhere else in it the system refuses. */
static void release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    (void)self, (void)size;
    if (kind == HF_VIEW)
        UnmapViewOfFile(address);
    else
        VirtualFree(address, 0, MEM_RELEASE);
}

static bool turn_to_placeholder(void *address, size_t size, DWORD how, hf_report *report) {
    report->system_calls++;
    return VirtualFree(address, size, MEM_RELEASE | how);
}

static hf_status split(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    return turn_to_placeholder(address, size, MEM_PRESERVE_PLACEHOLDER, report)
               ? HF_OK
               : refuse_memory(report, "VirtualFree");
}

static hf_status coalesce(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    return turn_to_placeholder(address, size, MEM_COALESCE_PLACEHOLDERS, report)
               ? HF_OK
               : refuse_memory(report, "VirtualFree");
}

/* No document promises that the head or the middle of an allocation can go: a system that does not
 * have it calls the arguments wrong. */
static hf_status decommit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    if (turn_to_placeholder(address, size, MEM_PRESERVE_PLACEHOLDER, report)) return HF_OK;
    DWORD code = GetLastError();
    bool unknown = code == ERROR_INVALID_PARAMETER || code == ERROR_INVALID_ADDRESS;
    return refuse(report, unknown ? HF_UNSUPPORTED : HF_NO_MEMORY, "VirtualFree", code);
}

static hf_status commit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self;
    report->system_calls++;
    return late.virtual_alloc2(GetCurrentProcess(), address, size,
                               MEM_RESERVE | MEM_COMMIT | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE,
                               NULL, 0)
               ? HF_OK
               : refuse_memory(report, "VirtualAlloc2");
}

static hf_status map(const hf_backend *self, void *address, size_t size, intptr_t file,
                     uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self;
    window opened;
    hf_status status = open_window(&opened, file, file_offset, size, access, report);
    if (status != HF_OK) return status;
    report->system_calls++;
    if (!late.map_view3(opened.section, GetCurrentProcess(), address, file_offset, opened.view_size,
                        MEM_REPLACE_PLACEHOLDER, protection_of(access), NULL, 0))
        status = refuse_file(report, "MapViewOfFile3", GetLastError());
    close_window(&opened);
    return status;
}

static hf_status unmap(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self, (void)size;
    report->system_calls++;
    return late.unmap_view2(GetCurrentProcess(), address, MEM_PRESERVE_PLACEHOLDER)
               ? HF_OK
               : refuse_memory(report, "UnmapViewOfFile2");
}

/* ----------------------------------------------------- memory, before placeholders ------- */

static void *reserve_range_at(void *base, size_t size, hf_report *report) {
    report->system_calls++;
    return VirtualAlloc(base, size, MEM_RESERVE, PAGE_NOACCESS);
}

/* There is no asking for an alignment: where more than enough is free, it is given back, and taken
 * from its first multiple on, unless another thread is quicker. */
static void *reserve_range_aligned(size_t size, hf_report *report) {
    if (size < LARGE_ALIGNMENT || size > SIZE_MAX - LARGE_ALIGNMENT) return NULL;
    char *found = reserve_range_at(NULL, size + LARGE_ALIGNMENT, report);
    if (found == NULL) return NULL;
    report->system_calls++;
    VirtualFree(found, 0, MEM_RELEASE);
    size_t below = (0 - (uintptr_t)found) & (LARGE_ALIGNMENT - 1);
    return reserve_range_at(found + below, size, report);
}

static hf_status reserve_range(const hf_backend *self, void *base, size_t size, void **address,
                               hf_report *report) {
    (void)self;
    void *got = base ? NULL : reserve_range_aligned(size, report);
    if (got == NULL) got = reserve_range_at(base, size, report);
    if (got == NULL) return refuse(report, HF_NO_ADDRESS, "VirtualAlloc", GetLastError());
    *address = got;
    return HF_OK;
}

static hf_status keep_books_only(const hf_backend *self, void *address, size_t size,
                                 hf_report *report) {
    (void)self, (void)address, (void)size, (void)report;
    return HF_OK;
}

static hf_status commit_range(const hf_backend *self, void *address, size_t size,
                              hf_report *report) {
    (void)self;
    report->system_calls++;
    return VirtualAlloc(address, size, MEM_COMMIT, PAGE_READWRITE)
               ? HF_OK
               : refuse_memory(report, "VirtualAlloc");
}

static hf_status decommit_range(const hf_backend *self, void *address, size_t size,
                                hf_report *report) {
    (void)self;
    report->system_calls++;
    return VirtualFree(address, size, MEM_DECOMMIT) ? HF_OK : refuse_memory(report, "VirtualFree");
}

static hf_status refuse_view(const hf_backend *self, void *address, size_t size, intptr_t file,
                             uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self, (void)address, (void)size, (void)file, (void)file_offset, (void)access;
    refuse(report, HF_UNSUPPORTED, "MapViewOfFile3", 0);
    report->reason = "views in a space need Windows 10 version 1803, Windows Server 2019 or newer";
    return HF_UNSUPPORTED;
}

static DWORD view_access_of(hf_access access) {
    return access == HF_READ_WRITE  ? FILE_MAP_READ | FILE_MAP_WRITE
           : access == HF_READ_ONLY ? FILE_MAP_READ
                                    : FILE_MAP_COPY;
}

static hf_status map_free(const hf_backend *self, void *address, size_t size, intptr_t file,
                          uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self;
    window opened;
    hf_status status = open_window(&opened, file, file_offset, size, access, report);
    if (status != HF_OK) return status;
    report->system_calls++;
    if (!MapViewOfFileEx(opened.section, view_access_of(access), (DWORD)(file_offset >> 32),
                         (DWORD)file_offset, opened.view_size, address)) {
        DWORD code = GetLastError();
        status = code == ERROR_INVALID_ADDRESS
                     ? refuse(report, HF_NO_ADDRESS, "MapViewOfFileEx", code)
                     : refuse_file(report, "MapViewOfFileEx", code);
    }
    close_window(&opened);
    return status;
}

/* ---------------------------------------------------------------------- check ------------ */

static bool is_access(DWORD protection, hf_access access) {
    if (access == HF_COPY_ON_WRITE) /* a page that was written is the process's own */
        return protection == PAGE_WRITECOPY || protection == PAGE_READWRITE;
    return protection == protection_of(access);
}

/* Do these pages show what the region says? A placeholder looks like any reserved memory. */
static bool shows(const MEMORY_BASIC_INFORMATION *found, const hf_region *region) {
    if (region->kind == HF_PLACEHOLDER)
        return found->State == MEM_RESERVE && found->Type == MEM_PRIVATE;
    if (region->kind == HF_COMMITTED)
        return found->State == MEM_COMMIT && found->Type == MEM_PRIVATE &&
               found->Protect == PAGE_READWRITE;
    return found->State == MEM_COMMIT && found->Type == MEM_MAPPED &&
           is_access(found->Protect, region->access);
}

/* The query tells runs of like pages within one allocation; `allocation` is where that begins. */
static bool agrees(const char *base, const char *allocation, const hf_region *region,
                   size_t *offset) {
    for (size_t at = 0; at < region->size;) {
        MEMORY_BASIC_INFORMATION found;
        const char *address = base + region->offset + at;
        *offset = region->offset + at;
        if (VirtualQuery(address, &found, sizeof found) == 0 || !shows(&found, region) ||
            found.AllocationBase != allocation)
            return false;
        at += (size_t)((char *)found.BaseAddress - address) + found.RegionSize;
    }
    return true;
}

/* Every region is an allocation of its own: so no run of another's begins before its end. */
static hf_status check(const hf_backend *self, const void *base,
                       bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                       hf_report *report) {
    (void)self, (void)report;
    for (hf_region region; next(cursor, &region);)
        if (!agrees(base, (const char *)base + region.offset, &region, offset))
            return HF_WRONG_STATE;
    return HF_OK;
}

/* Every region lies in the one reservation. */
static hf_status check_range(const hf_backend *self, const void *base,
                             bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                             hf_report *report) {
    (void)self, (void)report;
    for (hf_region region; next(cursor, &region);)
        if (!agrees(base, base, &region, offset)) return HF_WRONG_STATE;
    return HF_OK;
}

/* ---------------------------------------------------------------------- files ------------ */

#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

typedef struct opening {
    DWORD rights, creation;
} opening;

static bool exists(const wchar_t *path) {
    return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

static bool is_folder(const wchar_t *path) {
    DWORD attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

/* A path and the names beside it. They are too large for a thread's stack. */
typedef struct wide_paths {
    wchar_t path[HF_LONGEST_PATH];
    wchar_t draft[HF_LONGEST_PATH], aside[HF_LONGEST_PATH], over[HF_LONGEST_PATH];
} wide_paths;

static hf_status widen(const char *path, wide_paths *wide, hf_report *report) {
    return hf_widen(path, wide->path, wide->over)
               ? HF_OK
               : refuse(report, HF_IO, "MultiByteToWideChar", GetLastError());
}

/* No lock of a space is held here, so waiting for the paging file keeps nobody else waiting. */
static hf_status take_room(size_t size, void **memory, hf_report *report) {
    enum { PAUSE = 50, MOST_PAUSES = 5 };
    for (int pauses = 0;; pauses++) {
        hf_status status = allocate_pages(NULL, size, memory, report);
        if (status == HF_OK || !report->is_transient || pauses == MOST_PAUSES) return status;
        Sleep(PAUSE);
    }
}

static hf_status take_wide(const char *path, wide_paths **wide, hf_report *report) {
    void *memory;
    hf_status status = take_room(sizeof(wide_paths), &memory, report);
    if (status != HF_OK) return status;
    *wide = memory;
    status = widen(path, *wide, report);
    if (status != HF_OK) free_pages(NULL, memory, sizeof(wide_paths));
    return status;
}

static void give_wide(wide_paths *wide) { free_pages(NULL, wide, sizeof *wide); }

/*
 * A file that somebody maps can't be replaced, but it can get another name. So it is moved aside:
 *
 *     image.saving00   image                        a draft lies beside the old file
 *     image.saving00   image.hf-aside
 *     image            image.hf-aside               the draft has the name
 *     image            image.hf-over00              until nobody has the old file open any more
 *
 * After a crash in the second line there is no image, and the next opening brings the old file
 * back. In the fourth line the old file has a name that no opening looks for: an image that the
 * user deletes does not return as an older one.
 */

enum { LONGEST_NAME = 255 }; /* of a file in its folder */

/* Distinguishes the files whose names are too long to be kept whole. */
static uint64_t hash_of(const wchar_t *text) {
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (; *text; text++) hash = (hash ^ *text) * 0x100000001b3;
    return hash;
}

static size_t name_start(const wchar_t *path) {
    size_t start = 0;
    for (size_t i = 0; path[i]; i++)
        if (path[i] == L'\\' || path[i] == L'/' || path[i] == L':') start = i + 1;
    return start;
}

static bool is_high_surrogate(wchar_t unit) { return unit >= 0xd800 && unit < 0xdc00; }

/* The end of the name gives way to "~" and a hash of the whole name. */
static size_t cut_name(wchar_t *path, size_t start, size_t room) {
    enum { DIGITS = 16 };
    uint64_t hash = hash_of(path + start);
    size_t at = start + room - DIGITS - 1;
    if (is_high_surrogate(path[at - 1])) at--;
    path[at++] = L'~';
    for (int i = 0; i < DIGITS; i++, hash <<= 4) path[at++] = L"0123456789abcdef"[hash >> 60];
    return at;
}

/* The path with a suffix behind its name. False: too long. */
static bool add_suffix(const wchar_t *path, const wchar_t *suffix, wchar_t *name) {
    size_t length = wcslen(path), start = name_start(path), more = wcslen(suffix);
    if (length + more + 1 > HF_LONGEST_PATH) return false;
    memcpy(name, path, (length + 1) * sizeof *path);
    if (length - start + more > LONGEST_NAME) length = cut_name(name, start, LONGEST_NAME - more);
    memcpy(name + length, suffix, (more + 1) * sizeof *suffix);
    return true;
}

static bool name_aside(const wchar_t *path, wchar_t *aside) {
    return add_suffix(path, L".hf-aside", aside);
}

/* The path with a suffix whose last two characters are the number. */
static bool add_number(const wchar_t *path, const wchar_t *suffix, int number, wchar_t *name) {
    if (!add_suffix(path, suffix, name)) return false;
    wchar_t *digits = name + wcslen(name) - 2;
    digits[0] = (wchar_t)(L'0' + number / 10);
    digits[1] = (wchar_t)(L'0' + number % 10);
    return true;
}

static bool move(const wchar_t *from, const wchar_t *to, hf_report *report) {
    report->system_calls++;
    return MoveFileExW(from, to, MOVEFILE_WRITE_THROUGH);
}

/* 0: the file that was aside is back. ERROR_FILE_NOT_FOUND: none is aside. */
static DWORD bring_back(wide_paths *wide, hf_report *report) {
    if (!name_aside(wide->path, wide->aside) || !exists(wide->aside)) return ERROR_FILE_NOT_FOUND;
    for (size_t waits = 0;;) {
        if (move(wide->aside, wide->path, report)) return 0;
        DWORD code = GetLastError();
        if (!is_passing(code) || !wait_again(&waits)) return code;
    }
}

/* A new file is no link's target: CREATE_NEW follows a link to nothing. */
static HANDLE open_once(const wchar_t *path, DWORD rights, DWORD creation, hf_report *report) {
    DWORD flags = creation == CREATE_NEW ? FILE_FLAG_OPEN_REPARSE_POINT : 0;
    report->system_calls++;
    return CreateFileW(path, rights, SHARE_ALL, NULL, creation, FILE_ATTRIBUTE_NORMAL | flags,
                       NULL);
}

/* ERROR_ACCESS_DENIED (5) that no waiting changes. Where the attributes cannot be read either, the
 * file may be one that a scanner keeps from being deleted. */
static bool is_denied_for_good(const wchar_t *path, DWORD rights, DWORD code) {
    if (code != ERROR_ACCESS_DENIED) return false;
    DWORD attributes = GetFileAttributesW(path);
    if (attributes == INVALID_FILE_ATTRIBUTES) return GetLastError() == ERROR_FILE_NOT_FOUND;
    return (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ||
           ((attributes & FILE_ATTRIBUTE_READONLY) != 0 && (rights & GENERIC_WRITE) != 0);
}

static HANDLE open_wide(const wchar_t *path, DWORD rights, DWORD creation, hf_report *report) {
    for (size_t waits = 0;;) {
        HANDLE handle = open_once(path, rights, creation, report);
        DWORD code = GetLastError();
        if (handle != INVALID_HANDLE_VALUE || !is_passing(code) ||
            is_denied_for_good(path, rights, code) || !wait_again(&waits)) {
            SetLastError(code);
            return handle;
        }
    }
}

/* In between others may have brought the old file back, or put theirs there. */
static bool was_overtaken(DWORD code) {
    return code == ERROR_ALREADY_EXISTS || code == ERROR_FILE_EXISTS ||
           code == ERROR_FILE_NOT_FOUND;
}

/* Before a file counts as not there, or is made, one that is aside comes back. Where it can't, none
 * is made: it would take its place. */
static HANDLE open_or_bring_back(wide_paths *wide, const opening *wanted, hf_report *report) {
    bool makes = wanted->creation == CREATE_NEW;
    HANDLE handle =
        open_wide(wide->path, wanted->rights, makes ? CREATE_NEW : OPEN_EXISTING, report);
    DWORD code = GetLastError();
    if (handle != INVALID_HANDLE_VALUE || makes || code != ERROR_FILE_NOT_FOUND) return handle;
    DWORD back = bring_back(wide, report);
    bool is_none = back == ERROR_FILE_NOT_FOUND && wanted->creation == OPEN_EXISTING;
    SetLastError(is_none ? code : back);
    return is_none || (back != 0 && !was_overtaken(back))
               ? handle
               : open_wide(wide->path, wanted->rights, wanted->creation, report);
}

static hf_status open_path(const char *path, const opening *wanted, HANDLE *handle,
                           hf_report *report) {
    wide_paths *wide;
    hf_status status = take_wide(path, &wide, report);
    if (status != HF_OK) return status;
    *handle = open_or_bring_back(wide, wanted, report);
    if (*handle == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        bool unfit = code == ERROR_ACCESS_DENIED && is_folder(wide->path);
        status = unfit ? refuse(report, HF_UNSUPPORTED, "CreateFile", code)
                       : refuse_file(report, "CreateFile", code);
    }
    give_wide(wide);
    return status;
}

/* Takes over an open handle, if it can be mapped; else closes it. */
static hf_status adopt(HANDLE handle, intptr_t *file, uint64_t *size, hf_report *report) {
    hf_status status = GetFileType(handle) == FILE_TYPE_DISK
                           ? measure_file(handle, size, report)
                           : refuse(report, HF_UNSUPPORTED, "GetFileType", 0);
    if (status == HF_OK)
        *file = (intptr_t)handle;
    else
        CloseHandle(handle);
    return status;
}

static hf_status open_and_adopt(const char *path, const opening *wanted, intptr_t *file,
                                uint64_t *size, hf_report *report) {
    HANDLE handle;
    hf_status status = open_path(path, wanted, &handle, report);
    return status == HF_OK ? adopt(handle, file, size, report) : status;
}

static hf_status file_open(const hf_backend *self, const char *path, hf_access access,
                           intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    DWORD rights = access == HF_READ_WRITE ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    opening wanted = {rights, OPEN_EXISTING};
    return open_and_adopt(path, &wanted, file, size, report);
}

/* A folder can be set to compress what is made in it, and the blocks of such a file are allocated
 * as it is written. A file system that cannot be asked this compresses nothing. */
static bool decompress(HANDLE handle, hf_report *report) {
    USHORT format = COMPRESSION_FORMAT_NONE;
    DWORD length;
    report->system_calls++;
    return DeviceIoControl(handle, FSCTL_SET_COMPRESSION, &format, sizeof format, NULL, 0, &length,
                           NULL);
}

/* How a file system calls a length past the largest that its files can have; Wine says 8. */
static bool is_too_long(DWORD code) {
    return code == ERROR_NOT_ENOUGH_MEMORY || code == ERROR_INVALID_PARAMETER;
}

/* Windows allocates what lies below a file's end. */
static hf_status allocate(HANDLE handle, uint64_t size, hf_report *report) {
    static const char call[] = "SetFileInformationByHandle";
    FILE_END_OF_FILE_INFO end;
    if (size > (uint64_t)INT64_MAX) return refuse_file(report, call, ERROR_FILE_TOO_LARGE);
    end.EndOfFile.QuadPart = (LONGLONG)size;
    report->system_calls++;
    if (SetFileInformationByHandle(handle, FileEndOfFileInfo, &end, sizeof end)) return HF_OK;
    DWORD code = GetLastError();
    return is_too_long(code) ? refuse(report, HF_NO_SPACE, call, code)
                             : refuse_file(report, call, code);
}

/* The right to delete is asked for now: a handle that had it all along would keep out everybody who
 * does not share that, such as the C library's fopen. */
static void delete_and_close(HANDLE handle) {
    FILE_DISPOSITION_INFO disposition = {TRUE};
    HANDLE deleting = ReOpenFile(handle, DELETE, SHARE_ALL, 0);
    SetFileInformationByHandle(deleting, FileDispositionInfo, &disposition, sizeof disposition);
    CloseHandle(deleting);
    CloseHandle(handle);
}

static hf_status file_create(const hf_backend *self, const char *path, uint64_t size,
                             intptr_t *file, hf_report *report) {
    (void)self;
    opening wanted = {GENERIC_READ | GENERIC_WRITE, CREATE_NEW};
    HANDLE handle;
    hf_status status = open_path(path, &wanted, &handle, report);
    if (status != HF_OK) return status;
    if (GetFileType(handle) != FILE_TYPE_DISK) { /* a device's name, in whatever folder */
        CloseHandle(handle);
        return refuse_file(report, "GetFileType", ERROR_FILE_EXISTS);
    }
    decompress(handle, report);
    status = allocate(handle, size, report);
    if (status == HF_OK)
        *file = (intptr_t)handle;
    else
        delete_and_close(handle);
    return status;
}

/* Memory of the paging file, charged whole. */
static hf_status file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                    hf_report *report) {
    (void)self;
    uint64_t mask = page_mask();
    if (size > UINT64_MAX - mask)
        return refuse(report, HF_NO_MEMORY, "CreateFileMapping", ERROR_COMMITMENT_LIMIT);
    HANDLE section =
        make_section(INVALID_HANDLE_VALUE, PAGE_READWRITE, (size + mask) & ~mask, report);
    if (section == NULL) return refuse_memory(report, "CreateFileMapping");
    *file = (intptr_t)section | SECTION_BIT;
    return HF_OK;
}

/* ------------------------------------------------------------ handles of others' --------- */

/* What NtQueryObject tells. */
typedef struct object_information {
    ULONG attributes;
    ACCESS_MASK rights;
    ULONG handles, pointers, reserved[10];
} object_information;

static hf_status check_rights(HANDLE handle, ACCESS_MASK needed, hf_report *report) {
    object_information information;
    ULONG length;
    report->system_calls++;
    LONG answer = late.query_object(handle, 0, &information, sizeof information, &length);
    return answer >= 0 && (information.rights & needed) == needed
               ? HF_OK
               : refuse(report, HF_INVALID, "NtQueryObject", ERROR_ACCESS_DENIED);
}

static hf_status check_file(HANDLE handle, hf_access access, uint64_t *size, hf_report *report) {
    ACCESS_MASK store = access == HF_READ_WRITE ? FILE_WRITE_DATA : 0;
    hf_status status = measure_file(handle, size, report);
    return status == HF_OK ? check_rights(handle, FILE_READ_DATA | store, report) : status;
}

/* Shared memory of another's making. */
static hf_status check_section(HANDLE handle, hf_access access, uint64_t *size, hf_report *report) {
    ACCESS_MASK store = access == HF_READ_WRITE ? SECTION_MAP_WRITE : 0;
    hf_status status = measure_section(handle, size, report);
    return status == HF_OK ? check_rights(handle, SECTION_MAP_READ | store, report) : status;
}

/* Of a section that a file is behind, Wine tells the file's type: so a section is asked first. */
static hf_status check_handle(HANDLE handle, hf_access access, intptr_t *tag, uint64_t *size,
                              hf_report *report) {
    bool section = is_section_handle(handle, report);
    *tag = section ? SECTION_BIT : 0;
    if (section) return check_section(handle, access, size, report);
    return GetFileType(handle) == FILE_TYPE_DISK ? check_file(handle, access, size, report)
                                                 : refuse(report, HF_UNSUPPORTED, "GetFileType", 0);
}

/* The value of no handle is that of this process. */
static hf_status duplicate(HANDLE handle, HANDLE *copy, hf_report *report) {
    static const char call[] = "DuplicateHandle";
    HANDLE process = GetCurrentProcess();
    if (handle == INVALID_HANDLE_VALUE)
        return refuse(report, HF_INVALID, call, ERROR_INVALID_HANDLE);
    report->system_calls++;
    if (DuplicateHandle(process, handle, process, copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
        return HF_OK;
    DWORD code = GetLastError();
    return code == ERROR_INVALID_HANDLE ? refuse(report, HF_INVALID, call, code)
                                        : refuse_file(report, call, code);
}

static hf_status file_duplicate(const hf_backend *self, intptr_t handle, hf_access access,
                                intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self;
    HANDLE copy;
    intptr_t tag;
    hf_status status = duplicate((HANDLE)handle, &copy, report);
    if (status != HF_OK) return status;
    status = check_handle(copy, access, &tag, size, report);
    if (status == HF_OK)
        *file = (intptr_t)copy | tag;
    else
        CloseHandle(copy);
    return status;
}

static void file_close(const hf_backend *self, intptr_t file) {
    (void)self;
    CloseHandle(handle_of(file));
}

/* ---------------------------------------------------------- files that images are in ----- */

static hf_status file_open_or_create(const hf_backend *self, const char *path, intptr_t *file,
                                     uint64_t *size, hf_report *report) {
    (void)self;
    opening wanted = {GENERIC_READ | GENERIC_WRITE, OPEN_ALWAYS};
    return open_and_adopt(path, &wanted, file, size, report);
}

static hf_status file_measure(const hf_backend *self, intptr_t file, uint64_t *size,
                              hf_report *report) {
    (void)self;
    return measure_file(handle_of(file), size, report);
}

/* Some shares refuse large ones for want of the system's memory (1450). */
#define LONGEST_TRANSFER ((size_t)1 << 24)

static DWORD transfer_size(size_t left) {
    return (DWORD)(left < LONGEST_TRANSFER ? left : LONGEST_TRANSFER);
}

static OVERLAPPED position_of(uint64_t offset) {
    OVERLAPPED position = {0};
    position.Offset = (DWORD)offset;
    position.OffsetHigh = (DWORD)(offset >> 32);
    return position;
}

static hf_status file_read(const hf_backend *self, intptr_t file, uint64_t offset, void *bytes,
                           size_t size, hf_report *report) {
    (void)self;
    for (size_t done = 0; done < size;) {
        OVERLAPPED position = position_of(offset + done);
        DWORD got = 0;
        report->system_calls++;
        if (!ReadFile(handle_of(file), (char *)bytes + done, transfer_size(size - done), &got,
                      &position))
            return refuse_file(report, "ReadFile", GetLastError());
        if (got == 0) return refuse_file(report, "ReadFile", ERROR_HANDLE_EOF);
        done += got;
    }
    return HF_OK;
}

static hf_status file_write(const hf_backend *self, intptr_t file, uint64_t offset,
                            const void *bytes, size_t size, hf_report *report) {
    (void)self;
    for (size_t done = 0; done < size;) {
        OVERLAPPED position = position_of(offset + done);
        DWORD written = 0;
        report->system_calls++;
        if (!WriteFile(handle_of(file), (const char *)bytes + done, transfer_size(size - done),
                       &written, &position))
            return refuse_file(report, "WriteFile", GetLastError());
        if (written == 0) return refuse_file(report, "WriteFile", ERROR_WRITE_FAULT);
        done += written;
    }
    return HF_OK;
}

enum { MOST_ZEROS = 16384 }; /* bytes of zeros that one WriteFile writes */

/* Blocks that a sparse file lacks between two offsets: zeros are written there. */
static hf_status write_zeros(intptr_t file, uint64_t from, uint64_t end, hf_report *report) {
    static const char zeros[MOST_ZEROS];
    hf_status status = HF_OK;
    for (uint64_t size; status == HF_OK && from < end; from += size) {
        size = end - from < sizeof zeros ? end - from : sizeof zeros;
        status = file_write(NULL, file, from, zeros, (size_t)size, report);
    }
    return status;
}

/* *found is the first allocated range at or behind `from`, or an empty one at the end. */
static hf_status find_allocated(intptr_t file, uint64_t from, uint64_t end,
                                FILE_ALLOCATED_RANGE_BUFFER *found, hf_report *report) {
    FILE_ALLOCATED_RANGE_BUFFER wanted = {.FileOffset.QuadPart = (LONGLONG)from,
                                          .Length.QuadPart = (LONGLONG)(end - from)};
    DWORD length = 0;
    report->system_calls++;
    if (!DeviceIoControl(handle_of(file), FSCTL_QUERY_ALLOCATED_RANGES, &wanted, sizeof wanted,
                         found, sizeof *found, &length, NULL)) {
        DWORD code = GetLastError(); /* ERROR_MORE_DATA: there are more ranges than one */
        if (code != ERROR_MORE_DATA)
            return code == ERROR_INVALID_FUNCTION || code == ERROR_NOT_SUPPORTED
                       ? refuse(report, HF_UNSUPPORTED, "FSCTL_QUERY_ALLOCATED_RANGES", code)
                       : refuse_file(report, "FSCTL_QUERY_ALLOCATED_RANGES", code);
    }
    if (length < sizeof *found) {
        found->FileOffset.QuadPart = (LONGLONG)end;
        found->Length.QuadPart = 0;
    }
    return HF_OK;
}

static hf_status fill_holes(intptr_t file, uint64_t from, uint64_t end, hf_report *report) {
    while (from < end) {
        FILE_ALLOCATED_RANGE_BUFFER found;
        hf_status status = find_allocated(file, from, end, &found, report);
        if (status != HF_OK) return status;
        uint64_t hole_end = (uint64_t)found.FileOffset.QuadPart;
        status = write_zeros(file, from, hole_end < end ? hole_end : end, report);
        if (status != HF_OK) return status;
        uint64_t next = hole_end + (uint64_t)found.Length.QuadPart;
        from = next > from ? next : end;
    }
    return HF_OK;
}

static hf_status read_attributes(HANDLE handle, DWORD *attributes, hf_report *report) {
    FILE_BASIC_INFO information;
    report->system_calls++;
    if (!GetFileInformationByHandleEx(handle, FileBasicInfo, &information, sizeof information))
        return refuse_file(report, "GetFileInformationByHandleEx", GetLastError());
    *attributes = information.FileAttributes;
    return HF_OK;
}

/* Windows allocates what lies below a file's end, except in sparse and compressed files. Only zeros
 * fill a sparse one, so one that others store into stays as it is. */
static hf_status file_fill(const hf_backend *self, intptr_t file, uint64_t size, bool is_shared,
                           hf_report *report) {
    (void)self;
    DWORD attributes = 0, length;
    hf_status status = read_attributes(handle_of(file), &attributes, report);
    if (status != HF_OK) return status;
    if ((attributes & FILE_ATTRIBUTE_COMPRESSED) != 0 && !decompress(handle_of(file), report))
        return refuse_file(report, "FSCTL_SET_COMPRESSION", GetLastError());
    if ((attributes & FILE_ATTRIBUTE_SPARSE_FILE) == 0 || is_shared) return HF_OK;
    status = fill_holes(file, 0, size, report);
    if (status != HF_OK) return status;
    FILE_SET_SPARSE_BUFFER sparse = {FALSE}; /* where that fails, file_resize goes on filling */
    report->system_calls++;
    DeviceIoControl(handle_of(file), FSCTL_SET_SPARSE, &sparse, sizeof sparse, NULL, 0, &length,
                    NULL);
    return HF_OK;
}

/* ERROR_USER_MAPPED_FILE (1224) is told of what a view shows, also of a scanner's view. */
static hf_status set_length(HANDLE handle, uint64_t size, hf_report *report) {
    for (size_t waits = 0;;) {
        hf_status status = allocate(handle, size, report);
        DWORD code = (DWORD)report->os_code;
        bool passes = is_passing(code) || code == ERROR_USER_MAPPED_FILE;
        if (status == HF_OK || !passes || !wait_again(&waits)) return status;
    }
}

static hf_status file_resize(const hf_backend *self, intptr_t file, uint64_t old_size,
                             uint64_t new_size, hf_report *report) {
    (void)self;
    DWORD attributes = 0;
    HANDLE handle = handle_of(file);
    if (new_size <= old_size) return set_length(handle, new_size, report);
    decompress(handle, report);
    hf_status status = set_length(handle, new_size, report);
    if (status != HF_OK) return status;
    status = read_attributes(handle, &attributes, report);
    if (status == HF_OK && (attributes & FILE_ATTRIBUTE_SPARSE_FILE) != 0)
        status = fill_holes(file, old_size, new_size, report);
    if (status == HF_OK) return HF_OK;
    hf_report ignored = {0};
    set_length(handle, old_size, &ignored);
    report->system_calls += ignored.system_calls;
    return status;
}

static hf_status file_sync(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self;
    report->system_calls++;
    return FlushFileBuffers(handle_of(file))
               ? HF_OK
               : refuse_file(report, "FlushFileBuffers", GetLastError());
}

/* On NTFS FlushViewOfFile fails with ERROR_LOCK_VIOLATION (33) now and then, and succeeds when it
 * is called again: pauses of 1, 2, 4 ... 2048 ms, for 4 s in all. */
static hf_status file_flush(const hf_backend *self, void *address, size_t size, hf_report *report) {
    enum { LONGEST_PAUSE = 2048 };
    (void)self;
    for (DWORD pause = 1;; pause *= 2) {
        report->system_calls++;
        if (FlushViewOfFile(address, size)) return HF_OK;
        DWORD code = GetLastError();
        if (code != ERROR_LOCK_VIOLATION || pause > LONGEST_PAUSE)
            return refuse_file(report, "FlushViewOfFile", code);
        Sleep(pause);
    }
}

/* A lock keeps others from the bytes that it is on: it is on one where no file has any. */
#define LOCKED_BYTE ((uint64_t)INT64_MAX - 1)

static hf_status lock_handle(HANDLE handle, bool exclusive, hf_report *report) {
    OVERLAPPED position = position_of(LOCKED_BYTE);
    DWORD how = exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0;
    report->system_calls++;
    if (LockFileEx(handle, LOCKFILE_FAIL_IMMEDIATELY | how, 0, 1, 0, &position)) return HF_OK;
    DWORD code = GetLastError();
    if (code == ERROR_LOCK_VIOLATION || code == ERROR_IO_PENDING)
        return refuse(report, HF_BUSY, "LockFileEx", code);
    return code == ERROR_INVALID_FUNCTION || code == ERROR_NOT_SUPPORTED
               ? refuse(report, HF_UNSUPPORTED, "LockFileEx", code)
               : refuse_file(report, "LockFileEx", code);
}

static hf_status file_lock(const hf_backend *self, intptr_t file, bool exclusive,
                           hf_report *report) {
    (void)self;
    return lock_handle(handle_of(file), exclusive, report);
}

static void file_unlock(const hf_backend *self, intptr_t file) {
    (void)self;
    OVERLAPPED position = position_of(LOCKED_BYTE);
    UnlockFileEx(handle_of(file), 0, 1, 0, &position);
}

/* --------------------------------------------------------------- files and their names --- */

/* What FileIdInfo tells: ReFS counts files in 128 bits. */
typedef struct file_identity {
    uint64_t volume, file[2];
} file_identity;

static bool identify(HANDLE handle, file_identity *identity, hf_report *report) {
    BY_HANDLE_FILE_INFORMATION found;
    report->system_calls++;
    if (GetFileInformationByHandleEx(handle, FILE_ID_INFO_CLASS, identity, sizeof *identity))
        return true;
    report->system_calls++; /* before Windows 8, and file systems without such numbers */
    if (!GetFileInformationByHandle(handle, &found)) return false;
    *identity = (file_identity){found.dwVolumeSerialNumber,
                                {(uint64_t)found.nFileIndexHigh << 32 | found.nFileIndexLow, 0}};
    return true;
}

/* A file that is deleted keeps its name, at which nothing opens, until its last handle closes. */
static hf_status has_name(HANDLE handle, bool *has, hf_report *report) {
    FILE_STANDARD_INFO information;
    report->system_calls++;
    if (!GetFileInformationByHandleEx(handle, FileStandardInfo, &information, sizeof information))
        return refuse_file(report, "GetFileInformationByHandleEx", GetLastError());
    *has = !information.DeletePending && information.NumberOfLinks > 0;
    return HF_OK;
}

static bool is_same(const file_identity *one, const file_identity *other) {
    return memcmp(one, other, sizeof *one) == 0;
}

static hf_status compare_with_path(HANDLE handle, const wchar_t *path, bool *is_there,
                                   hf_report *report) {
    file_identity own, named;
    *is_there = false;
    HANDLE other = open_wide(path, 0, OPEN_EXISTING, report);
    if (other == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        bool is_missing = code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND ||
                          (code == ERROR_ACCESS_DENIED && is_folder(path));
        return is_missing ? HF_OK : refuse_file(report, "CreateFile", code);
    }
    bool found = identify(handle, &own, report) && identify(other, &named, report);
    DWORD code = GetLastError();
    CloseHandle(other);
    if (!found) return refuse_file(report, "GetFileInformationByHandle", code);
    *is_there = is_same(&own, &named);
    return HF_OK;
}

static hf_status file_is_at(const hf_backend *self, intptr_t file, const char *path, bool *is_there,
                            hf_report *report) {
    (void)self;
    wide_paths *wide;
    hf_status status = has_name(handle_of(file), is_there, report);
    if (status != HF_OK || !*is_there || path == NULL) return status;
    status = take_wide(path, &wide, report);
    if (status != HF_OK) return status;
    status = compare_with_path(handle_of(file), wide->path, is_there, report);
    give_wide(wide);
    return status;
}

/* ---------------------------------------------------------------------- drafts ----------- */

/*
 * A draft lies beside the file that it will replace:
 *
 *      folder\image             the file, or nothing
 *      folder\image.saving00    the draft
 *
 * It is open without sharing from its creation to its end: so what opens under such a name was
 * left by a dead process, and is deleted. All that is done to the draft is done through that one
 * handle. MoveFileEx would open it once more, so the handle is renamed; FlushFileBuffers then makes
 * the new name durable, as MOVEFILE_WRITE_THROUGH would.
 */
typedef struct draft {
    HANDLE handle;
    bool is_published;
    DWORD attributes; /* of the file that it replaces */
    wide_paths wide;
    union {
        FILE_RENAME_INFO information; /* behind it the name goes on */
        char room[sizeof(FILE_RENAME_INFO) + HF_LONGEST_PATH * sizeof(wchar_t)];
    } rename;
} draft;

static const wchar_t draft_suffix[] = L".saving00", over_suffix[] = L".hf-over00";

/* Numbers of drafts, and of files that were replaced while they were mapped. */
enum { MOST_BESIDE = 100 };

static void delete_any(const wchar_t *path) {
    size_t waits = 0;
    SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL); /* a read-only file would stay */
    while (!DeleteFileW(path)) {
        DWORD code = GetLastError();
        if (code == ERROR_ACCESS_DENIED || !is_passing(code) || !wait_again(&waits)) return;
    }
}

/* A file that is deleted keeps its name while it is open; a mapped one may not be deleted at all,
 * and goes with a later save. */
static void discard_aside(wide_paths *wide, hf_report *report) {
    for (int number = 0; number < MOST_BESIDE; number++) {
        if (!name_aside(wide->path, wide->aside)) return;
        if (!add_number(wide->path, over_suffix, number, wide->over)) return;
        bool is_aside = exists(wide->aside);
        if (!is_aside && !exists(wide->over)) return;
        delete_any(wide->over);
        if (is_aside && move(wide->aside, wide->over, report)) delete_any(wide->over);
    }
}

/* ------ the file that a draft replaces */

static DWORD read_final_path(HANDLE handle, wide_paths *wide) {
    DWORD length = GetFinalPathNameByHandleW(handle, wide->over, HF_LONGEST_PATH, 0);
    DWORD code = length == 0 ? GetLastError() : ERROR_FILENAME_EXCED_RANGE;
    if (length == 0 || length >= HF_LONGEST_PATH) return code;
    memcpy(wide->path, wide->over, (length + 1) * sizeof *wide->path);
    return 0;
}

/* A link's path becomes the path that the link leads to: 0, or a code. Where nothing is there, a
 * file is made for as long as it takes to learn its path. */
static DWORD follow_link(wide_paths *wide, hf_report *report) {
    DWORD attributes = GetFileAttributesW(wide->path);
    if (attributes == INVALID_FILE_ATTRIBUTES || !(attributes & FILE_ATTRIBUTE_REPARSE_POINT))
        return 0;
    HANDLE handle = open_wide(wide->path, 0, OPEN_EXISTING, report);
    if (handle == INVALID_HANDLE_VALUE && GetLastError() == ERROR_FILE_NOT_FOUND) {
        report->system_calls++;
        handle = CreateFileW(wide->path, DELETE, SHARE_ALL, NULL, CREATE_NEW,
                             FILE_FLAG_DELETE_ON_CLOSE, NULL);
    }
    if (handle == INVALID_HANDLE_VALUE) return is_folder(wide->path) ? 0 : GetLastError();
    report->system_calls++;
    DWORD code = read_final_path(handle, wide);
    CloseHandle(handle);
    return code;
}

/* Opens what has the path and locks it as a reader does. HF_OK with INVALID_HANDLE_VALUE: nothing
 * is there. A file system without locks has no writers that hold one. */
static hf_status hold_target(wide_paths *wide, HANDLE *target, hf_report *report) {
    static const opening wanted = {GENERIC_READ, OPEN_EXISTING};
    *target = open_or_bring_back(wide, &wanted, report);
    if (*target == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();
        if (code == ERROR_FILE_NOT_FOUND) return HF_OK;
        return code == ERROR_ACCESS_DENIED && is_folder(wide->path)
                   ? refuse(report, HF_UNSUPPORTED, "CreateFile", code)
                   : refuse_file(report, "CreateFile", code);
    }
    hf_status status = GetFileType(*target) == FILE_TYPE_DISK
                           ? lock_handle(*target, false, report)
                           : refuse(report, HF_UNSUPPORTED, "GetFileType", 0);
    bool is_held = status == HF_OK || strcmp(report->call, "LockFileEx") == 0;
    if (is_held && status != HF_BUSY) return HF_OK;
    CloseHandle(*target);
    return status;
}

static void let_go(HANDLE target) {
    if (target != INVALID_HANDLE_VALUE) CloseHandle(target);
}

/* ------ making a draft */

/* A draft of a file that Windows encrypts is encrypted from its first byte. */
static HANDLE create_unshared(draft *made, hf_report *report) {
    DWORD attributes = FILE_ATTRIBUTE_NORMAL | (made->attributes & FILE_ATTRIBUTE_ENCRYPTED);
    report->system_calls++;
    return CreateFileW(made->wide.draft, GENERIC_READ | GENERIC_WRITE | DELETE, 0, NULL, CREATE_NEW,
                       attributes | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
}

static bool mark_deleted(HANDLE handle) {
    FILE_DISPOSITION_INFO disposition = {TRUE};
    return SetFileInformationByHandle(handle, FileDispositionInfo, &disposition,
                                      sizeof disposition);
}

/* True: a dead process's draft had the name, and it is free now. */
static bool delete_leftover(const wchar_t *name, hf_report *report) {
    report->system_calls++;
    HANDLE handle =
        CreateFileW(name, DELETE, 0, NULL, OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (handle == INVALID_HANDLE_VALUE) return false;
    bool is_deleted = mark_deleted(handle);
    CloseHandle(handle);
    return is_deleted;
}

/* 0, or a code. Each name is tried once more after it was freed. */
static DWORD create_draft(draft *made, hf_report *report) {
    DWORD code = ERROR_FILE_EXISTS;
    for (int number = 0; number < MOST_BESIDE; number++) {
        if (!add_number(made->wide.path, draft_suffix, number, made->wide.draft))
            return ERROR_FILENAME_EXCED_RANGE;
        made->handle = create_unshared(made, report);
        code = made->handle == INVALID_HANDLE_VALUE ? GetLastError() : 0;
        if (code == ERROR_FILE_EXISTS && delete_leftover(made->wide.draft, report)) {
            made->handle = create_unshared(made, report);
            code = made->handle == INVALID_HANDLE_VALUE ? GetLastError() : 0;
        }
        if (code != ERROR_FILE_EXISTS && code != ERROR_ACCESS_DENIED) return code;
        if (code == ERROR_ACCESS_DENIED && !exists(made->wide.draft)) return code;
    }
    return code;
}

/* The number at the end of a draft's name; -1: the name has none. */
static int number_of(const wchar_t *name) {
    size_t length = wcslen(name);
    if (length < 2) return -1;
    unsigned tens = (unsigned)name[length - 2] - L'0', ones = (unsigned)name[length - 1] - L'0';
    return tens < 10 && ones < 10 ? (int)(10 * tens + ones) : -1;
}

/* Drafts of dead processes; the own one and those of living processes do not open. */
static void delete_leftovers(wide_paths *wide, hf_report *report) {
    WIN32_FIND_DATAW found;
    if (!add_number(wide->path, draft_suffix, 0, wide->over)) return;
    memcpy(wide->over + wcslen(wide->over) - 2, L"??", 2 * sizeof *wide->over);
    report->system_calls++;
    HANDLE search = FindFirstFileW(wide->over, &found);
    if (search == INVALID_HANDLE_VALUE) return;
    do {
        int number = number_of(found.cFileName);
        if (number >= 0 && add_number(wide->path, draft_suffix, number, wide->over))
            delete_leftover(wide->over, report);
    } while (FindNextFileW(search, &found));
    FindClose(search);
}

/* Opened by itself: a draft that asked for the right at once might not be made for want of it. */
static void set_security(HANDLE handle, DWORD right, SECURITY_INFORMATION what, void *descriptor) {
    HANDLE setting = ReOpenFile(handle, right, SHARE_ALL, 0);
    if (setting == INVALID_HANDLE_VALUE) return;
    late.set_security(setting, what, descriptor);
    CloseHandle(setting);
}

/* Owner and group where the system allows it; then who may do what with the file. */
static void keep_rights(draft *made, HANDLE replaced) {
    enum { OWNER = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION };
    void *descriptor = made->wide.over;
    ULONG length, room = sizeof made->wide.over;
    if (!late.query_security || !late.set_security) return;
    HANDLE setting = ReOpenFile(made->handle, WRITE_DAC, SHARE_ALL, 0);
    if (late.query_security(replaced, OWNER, descriptor, room, &length) >= 0)
        set_security(made->handle, WRITE_OWNER, OWNER, descriptor);
    if (setting == INVALID_HANDLE_VALUE) return;
    if (late.query_security(replaced, DACL_SECURITY_INFORMATION, descriptor, room, &length) >= 0)
        late.set_security(setting, DACL_SECURITY_INFORMATION, descriptor);
    CloseHandle(setting);
}

static hf_status begin_draft(draft *made, HANDLE target, uint64_t size, hf_report *report) {
    hf_status status = HF_OK;
    if (target != INVALID_HANDLE_VALUE) {
        discard_aside(&made->wide, report); /* of a process that died behind the second rename */
        status = read_attributes(target, &made->attributes, report);
    }
    if (status != HF_OK) return status;
    DWORD code = create_draft(made, report);
    if (code != 0) return refuse_file(report, "CreateFile", code);
    if (target != INVALID_HANDLE_VALUE) keep_rights(made, target);
    delete_leftovers(&made->wide, report);
    decompress(made->handle, report);
    return allocate(made->handle, size, report);
}

static hf_status prepare_draft(draft *made, const char *path, uint64_t size, hf_report *report) {
    HANDLE target;
    hf_status status = widen(path, &made->wide, report);
    if (status != HF_OK) return status;
    DWORD code = follow_link(&made->wide, report);
    if (code != 0) return refuse_file(report, "CreateFile", code);
    status = hold_target(&made->wide, &target, report);
    if (status != HF_OK) return status;
    status = begin_draft(made, target, size, report);
    let_go(target);
    return status;
}

static void close_draft(draft *made) {
    if (made->handle == INVALID_HANDLE_VALUE) return;
    if (!made->is_published) mark_deleted(made->handle);
    CloseHandle(made->handle);
    made->handle = INVALID_HANDLE_VALUE;
}

static void draft_close(const hf_backend *self, void *opened) {
    close_draft(opened);
    free_pages(self, opened, sizeof(draft));
}

static hf_status draft_open(const hf_backend *self, const char *path, uint64_t size, void **opened,
                            intptr_t *file, hf_report *report) {
    void *memory;
    hf_status status = take_room(sizeof(draft), &memory, report);
    if (status != HF_OK) return status;
    draft *made = memory;
    made->handle = INVALID_HANDLE_VALUE;
    status = prepare_draft(made, path, size, report);
    if (status != HF_OK) {
        draft_close(self, made);
        return status;
    }
    *file = (intptr_t)made->handle;
    *opened = made;
    return HF_OK;
}

/* ------ giving it the name */

#define RENAME_REPLACES 0x1
#define RENAME_POSIX 0x2 /* the file that is replaced may be open, if all who have it share that */
#define RENAME_READ_ONLY 0x40 /* and read-only */

/* 0, or a code. `flags` 0: the name must be free. Before Windows 10 the flags' first byte alone was
 * there. */
static DWORD rename_draft(draft *made, FILE_INFO_BY_HANDLE_CLASS what, DWORD flags,
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

/* 0, or the code, and all is as it was. */
static DWORD replace_mapped(draft *made, hf_report *report) {
    wide_paths *wide = &made->wide;
    if (!name_aside(wide->path, wide->aside)) return ERROR_FILENAME_EXCED_RANGE;
    if (exists(wide->path)) discard_aside(wide, report); /* left by a crash */
    if (!move(wide->path, wide->aside, report)) return GetLastError();
    DWORD code = rename_draft(made, FileRenameInfo, 0, report);
    if (code != 0) move(wide->aside, wide->path, report);
    if (exists(wide->path)) discard_aside(wide, report);
    return code;
}

static bool is_in_use(DWORD code) { return is_passing(code) || code == ERROR_USER_MAPPED_FILE; }

/* 0, or a code. */
static DWORD replace(draft *made, HANDLE target, hf_report *report) {
    DWORD code = rename_draft(made, RENAME_INFO_EX_CLASS,
                              RENAME_REPLACES | RENAME_POSIX | RENAME_READ_ONLY, report);
    let_go(target); /* an ordinary rename replaces no file that is open */
    if (code == 0) return 0;
    code = rename_draft(made, FileRenameInfo, RENAME_REPLACES, report);
    return is_in_use(code) ? replace_mapped(made, report) : code;
}

/* The target is held until the draft has its name, where the system has POSIX' renames: no writer
 * opens it in between. */
static hf_status replace_target(draft *made, hf_report *report) {
    for (size_t waits = 0;;) {
        HANDLE target;
        hf_status status = hold_target(&made->wide, &target, report);
        if (status != HF_OK) return status;
        DWORD code = replace(made, target, report);
        if (code == 0) return HF_OK;
        bool again = is_in_use(code) || was_overtaken(code);
        if (!again || !wait_again(&waits)) return refuse_file(report, "FileRenameInfo", code);
    }
}

/* As the replaced file's: what is read-only could not be written before. */
static void keep_attributes(const draft *made) {
    DWORD kept = made->attributes &
                 (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |
                  FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED);
    FILE_BASIC_INFO information = {.FileAttributes = kept}; /* times of 0 stay as they are */
    if (kept == 0) return;
    SetFileInformationByHandle(made->handle, FileBasicInfo, &information, sizeof information);
}

/* Closes the draft too: until then nobody else can open the file under its new name. */
static hf_status draft_publish(const hf_backend *self, void *opened, hf_report *report) {
    draft *made = opened;
    hf_status status = replace_target(made, report);
    if (status != HF_OK) return status;
    made->is_published = true;
    keep_attributes(made);
    status = file_sync(self, (intptr_t)made->handle, report);
    close_draft(made);
    return status;
}

/* --------------------------------------------------------------------- process ----------- */

static uint64_t process(const hf_backend *self) {
    (void)self;
    return GetCurrentProcessId();
}

static void pause_for(const hf_backend *self, unsigned milliseconds) {
    (void)self;
    Sleep(milliseconds);
}

/* ---------------------------------------------------------------------- locks ------------ */

_Static_assert(sizeof(SRWLOCK) <= sizeof(hf_lock), "hf_lock is too small for an SRWLOCK");

static SRWLOCK *slim(hf_lock *storage) { return (SRWLOCK *)(void *)storage; }

static hf_status lock_open(const hf_backend *self, hf_lock *storage, hf_report *report) {
    (void)self, (void)report;
    InitializeSRWLock(slim(storage));
    return HF_OK;
}

static void lock_close(const hf_backend *self, hf_lock *storage) { (void)self, (void)storage; }

static void lock(const hf_backend *self, hf_lock *storage) {
    (void)self;
    AcquireSRWLockExclusive(slim(storage));
}

static void unlock(const hf_backend *self, hf_lock *storage) {
    (void)self;
    ReleaseSRWLockExclusive(slim(storage));
}

/* ------------------------------------------------------------------ the backends --------- */

static const hf_backend with_placeholders = {
    .page_size = page_size,
    .reserve = reserve,
    .cheap_reserve = cheap_reserve,
    .release = release,
    .split = split,
    .coalesce = coalesce,
    .commit = commit,
    .decommit = decommit,
    .map = map,
    .unmap = unmap,
    .advise = advise,
    .check = check,
    .allocate_pages = allocate_pages,
    .free_pages = free_pages,
    .file_open = file_open,
    .file_create = file_create,
    .file_create_shared = file_create_shared,
    .file_duplicate = file_duplicate,
    .file_close = file_close,
    .file_open_or_create = file_open_or_create,
    .file_measure = file_measure,
    .file_resize = file_resize,
    .file_read = file_read,
    .file_write = file_write,
    .file_sync = file_sync,
    .file_flush = file_flush,
    .file_lock = file_lock,
    .file_unlock = file_unlock,
    .file_fill = file_fill,
    .file_is_at = file_is_at,
    .draft_open = draft_open,
    .draft_publish = draft_publish,
    .draft_close = draft_close,
    .process = process,
    .pause = pause_for,
    .lock_open = lock_open,
    .lock_close = lock_close,
    .lock = lock,
    .unlock = unlock,
};

/* A view can't be: so unmap is never called. */
static const hf_backend before_placeholders = {
    .page_size = page_size,
    .reserve = reserve_range,
    .cheap_reserve = cheap_reserve,
    .release = release,
    .split = keep_books_only,
    .coalesce = keep_books_only,
    .commit = commit_range,
    .decommit = decommit_range,
    .map = refuse_view,
    .unmap = keep_books_only,
    .map_free = map_free,
    .advise = advise,
    .check = check_range,
    .allocate_pages = allocate_pages,
    .free_pages = free_pages,
    .file_open = file_open,
    .file_create = file_create,
    .file_create_shared = file_create_shared,
    .file_duplicate = file_duplicate,
    .file_close = file_close,
    .file_open_or_create = file_open_or_create,
    .file_measure = file_measure,
    .file_resize = file_resize,
    .file_read = file_read,
    .file_write = file_write,
    .file_sync = file_sync,
    .file_flush = file_flush,
    .file_lock = file_lock,
    .file_unlock = file_unlock,
    .file_fill = file_fill,
    .file_is_at = file_is_at,
    .draft_open = draft_open,
    .draft_publish = draft_publish,
    .draft_close = draft_close,
    .process = process,
    .pause = pause_for,
    .lock_open = lock_open,
    .lock_close = lock_close,
    .lock = lock,
    .unlock = unlock,
};

const hf_backend *hf_backend_native(void) {
    return has_placeholders() ? &with_placeholders : &before_placeholders;
}

const hf_backend *hf_backend_before_placeholders(void) {
    has_placeholders();
    return &before_placeholders;
}
