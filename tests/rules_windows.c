/*
 * The machine that is Windows itself: its calls, looked up in kernelbase.dll at run time, so that
 * the test starts on a Windows without them too, and says so.
 */
#include <stdio.h>
#include <windows.h>

#include "check.h"
#include "rules.h"

_Static_assert(COMMIT == MEM_COMMIT && RESERVE == MEM_RESERVE && RELEASE == MEM_RELEASE, "flags");
_Static_assert(NO_ACCESS == PAGE_NOACCESS && READ_ONLY == PAGE_READONLY, "protections");
_Static_assert(READ_WRITE == PAGE_READWRITE && WRITE_COPY == PAGE_WRITECOPY, "protections");

/* The last parameters are MEM_EXTENDED_PARAMETER, of which we pass none. */
typedef PVOID(WINAPI virtual_alloc_2)(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void *, ULONG);
typedef PVOID(WINAPI map_view_of_file_3)(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG,
                                         void *, ULONG);
typedef BOOL(WINAPI unmap_view_of_file_2)(HANDLE, PVOID, ULONG);

static virtual_alloc_2 *alloc_2;
static map_view_of_file_3 *map_3;
static unmap_view_of_file_2 *unmap_2;

static size_t page(void) {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

static long code_of(bool succeeded) { return succeeded ? SUCCESS : (long)GetLastError(); }

/* ----------------------------------------------------------------------- memory ------------- */

static long give(char *allocated, char **address) {
    if (allocated) *address = allocated;
    return code_of(allocated != NULL);
}

static long allocate(char *base, size_t size, unsigned type, unsigned protection, char **address) {
    return give(alloc_2(GetCurrentProcess(), base, size, type, protection, NULL, 0), address);
}

static long allocate_old(char *base, size_t size, unsigned type, unsigned protection,
                         char **address) {
    return give(VirtualAlloc(base, size, type, protection), address);
}

static long free_memory(char *address, size_t size, unsigned type) {
    return code_of(VirtualFree(address, size, type));
}

static long release(char *address, size_t size) {
    (void)size;
    return code_of(VirtualFree(address, 0, MEM_RELEASE));
}

/* More than the system can promise: its whole limit, and a gigabyte. */
static size_t too_much(void) {
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    CHECK(GlobalMemoryStatusEx(&memory));
    return (size_t)(memory.ullTotalPageFile & ~(DWORDLONG)0xffff) + ((size_t)1 << 30);
}

static void starve(void) {}

/* ----------------------------------------------------------------------- views -------------- */

static long map(intptr_t section, char *base, uint64_t offset, size_t size, unsigned type,
                unsigned protection, char **address) {
    return give(
        map_3((HANDLE)section, GetCurrentProcess(), base, offset, size, type, protection, NULL, 0),
        address);
}

static long unmap(char *address, size_t size, unsigned flags) {
    (void)size;
    return code_of(unmap_2(GetCurrentProcess(), address, flags));
}

static long keep_section(HANDLE opened, intptr_t *section) {
    *section = (intptr_t)opened;
    return code_of(opened != NULL);
}

static HANDLE make_section(HANDLE file, DWORD protection, uint64_t size) {
    return CreateFileMappingW(file, NULL, protection, (DWORD)(size >> 32), (DWORD)size, NULL);
}

static long open_file(const char *path, uint64_t size, intptr_t *section) {
    HANDLE file =
        CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                    OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE) return (long)GetLastError();
    long code = keep_section(make_section(file, PAGE_READWRITE, size), section);
    CloseHandle(file);
    return code;
}

/* This program itself. */
static long open_image(intptr_t *section) {
    WCHAR path[MAX_PATH];
    CHECK(GetModuleFileNameW(NULL, path, MAX_PATH) > 0);
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(file != INVALID_HANDLE_VALUE);
    long code = keep_section(make_section(file, PAGE_READONLY | SEC_IMAGE, 0), section);
    CloseHandle(file);
    return code;
}

static long open_section(enum section kind, const char *path, uint64_t size, intptr_t *section) {
    if (kind == IMAGE) return open_image(section);
    if (kind == DATA_FILE) return open_file(path, size, section);
    return keep_section(make_section(INVALID_HANDLE_VALUE, PAGE_READWRITE, size), section);
}

static void close_section(intptr_t section) { CloseHandle((HANDLE)section); }

/* ----------------------------------------------------------------------- the rest ----------- */

static long query(char *address, struct memory *memory) {
    MEMORY_BASIC_INFORMATION info = {0};
    if (VirtualQuery(address, &info, sizeof info) == 0) return (long)GetLastError();
    *memory = (struct memory){info.State, info.Type, info.Protect, info.AllocationProtect};
    return SUCCESS;
}

static long find(const char *library, const char *function) {
    SetLastError(ERROR_SUCCESS);
    return code_of(GetProcAddress(GetModuleHandleA(library), function) != NULL);
}

/* Of Windows' own there is none: it is the rule. */
static const struct mark windows_marks[] = {{0, 0, 0, NULL}};

/* tests/WINE.md has the evidence. */
static const struct mark wine_marks[] = {
    {2, 87, 2, "where there is memory but no placeholder, Wine says 87"},
    {9, 487, 1, "at an address inside a placeholder Wine misses the base (487) before the size"},
    {16, 87, 1, "where nothing is, Wine says 87"},
    {19, 487, 1, "at an address inside a placeholder Wine misses the base (487) before the size"},
    {25, 700, 1, "Wine refuses a view of an image (700), but maps it elsewhere"},
    {28, SUCCESS, 1, "Wine commits private memory without limit"},
    {28, 487, 0, "after a view that Linux has no memory for (8) Wine has lost the placeholder"},
    {0, 0, 0, NULL},
};

static struct machine calls = {
    .name = "windows",
    .marks = windows_marks,
    .page = page,
    .has_placeholders = true,
    .allocate = allocate,
    .allocate_old = allocate_old,
    .free = free_memory,
    .release = release,
    .unmap = unmap,
    .map = map,
    .open_section = open_section,
    .close_section = close_section,
    .query = query,
    .find = find,
    .too_much = too_much,
    .starve = starve,
    .exact_base = 0x200000000000,
    .exact_size = (uint64_t)64 << 30,
};

/* A pointer to a function is no pointer to an object: the bytes are the same. */
static void look_up(const char *function, void *pointer, size_t size) {
    FARPROC found = GetProcAddress(GetModuleHandleA("kernelbase.dll"), function);
    CHECK_EQUAL(sizeof found, size);
    memcpy(pointer, &found, size);
}

static bool is_wine(void) {
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

/* Where the flag is unknown it is an invalid parameter, and nothing else. */
static bool knows_placeholders(void) {
    char *address = NULL;
    long code = allocate(NULL, 65536, RESERVE | PLACEHOLDER, NO_ACCESS, &address);
    if (code != SUCCESS) CHECK_EQUAL(INVALID_PARAMETER, code);
    return code == SUCCESS && release(address, 65536) == SUCCESS;
}

/* Wine loses track of free addresses among the topmost once a placeholder there is in pieces, and
 * its next allocation ends in an assertion (WINE.md): so none of them are to be free. */
static void take_topmost_addresses(void) {
    enum { TOPMOST = 32 << 20, UNIT = 1 << 16 };
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    char *end = (char *)info.lpMaximumApplicationAddress + 1;
    for (char *next = end - TOPMOST; next < end; next += UNIT)
        VirtualAlloc(next, UNIT, MEM_RESERVE, PAGE_NOACCESS); /* refused where it is taken */
}

const struct machine *machine_windows(const char **why) {
    look_up("VirtualAlloc2", &alloc_2, sizeof alloc_2);
    look_up("MapViewOfFile3", &map_3, sizeof map_3);
    look_up("UnmapViewOfFile2", &unmap_2, sizeof unmap_2);
    *why = "this Windows has no VirtualAlloc2, MapViewOfFile3, UnmapViewOfFile2";
    if (!alloc_2 || !map_3 || !unmap_2) return NULL;
    *why = "to this Windows' VirtualAlloc2 MEM_RESERVE_PLACEHOLDER is an invalid parameter (87)";
    if (!knows_placeholders()) return NULL;
    if (is_wine()) {
        take_topmost_addresses();
        calls.name = "wine";
        calls.marks = wine_marks;
    }
    return &calls;
}
