/*
 * rules_windows.c -- the Windows API as a machine. The functions are looked up in kernelbase.dll at
 * run time, so that the test also starts on a Windows without them, and says so.
 */
#include <stdio.h>
#include <windows.h>

#include "check.h"
#include "rules.h"

_Static_assert(COMMIT == MEM_COMMIT && RESERVE == MEM_RESERVE && RELEASE == MEM_RELEASE, "flags");
_Static_assert(NO_ACCESS == PAGE_NOACCESS && READ_ONLY == PAGE_READONLY, "protections");
_Static_assert(READ_WRITE == PAGE_READWRITE && WRITE_COPY == PAGE_WRITECOPY, "protections");
_Static_assert(EXECUTE_READ == PAGE_EXECUTE_READ, "protections");

/* The last two parameters are an array of MEM_EXTENDED_PARAMETER, which is empty here. */
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

static long return_address(char *allocated, char **address) {
    if (allocated) *address = allocated;
    return code_of(allocated != NULL);
}

static long allocate(char *base, size_t size, unsigned type, unsigned protection, char **address) {
    return return_address(alloc_2(GetCurrentProcess(), base, size, type, protection, NULL, 0),
                          address);
}

static long allocate_old(char *base, size_t size, unsigned type, unsigned protection,
                         char **address) {
    return return_address(VirtualAlloc(base, size, type, protection), address);
}

static long free_memory(char *address, size_t size, unsigned type) {
    return code_of(VirtualFree(address, size, type));
}

static long release(char *address, size_t size) {
    (void)size;
    return code_of(VirtualFree(address, 0, MEM_RELEASE));
}

static long protect(char *address, size_t size, unsigned protection) {
    DWORD previous;
    return code_of(VirtualProtect(address, size, protection, &previous));
}

/* More than the system can commit: the whole commit limit and a gigabyte. */
static size_t too_much(void) {
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    CHECK(GlobalMemoryStatusEx(&memory));
    return (size_t)(memory.ullTotalPageFile & ~(DWORDLONG)0xffff) + ((size_t)1 << 30);
}

static void starve(void) {}

/* ----------------------------------------------------------------------- views -------------- */

static long map(intptr_t section, char *base, uint64_t offset, size_t size, unsigned type,
                unsigned protection, char **address) {
    return return_address(
        map_3((HANDLE)section, GetCurrentProcess(), base, offset, size, type, protection, NULL, 0),
        address);
}

static long unmap(char *address, size_t size, unsigned flags) {
    (void)size;
    return code_of(unmap_2(GetCurrentProcess(), address, flags));
}

static long return_section(HANDLE opened, intptr_t *section) {
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
    long code = return_section(make_section(file, PAGE_READWRITE, size), section);
    CloseHandle(file);
    return code;
}

/* A section of this program's executable. */
static long open_image(intptr_t *section) {
    WCHAR path[MAX_PATH];
    CHECK(GetModuleFileNameW(NULL, path, MAX_PATH) > 0);
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(file != INVALID_HANDLE_VALUE);
    long code = return_section(make_section(file, PAGE_READONLY | SEC_IMAGE, 0), section);
    CloseHandle(file);
    return code;
}

static long open_section(enum section kind, const char *path, uint64_t size, intptr_t *section) {
    if (kind == IMAGE) return open_image(section);
    if (kind == DATA_FILE) return open_file(path, size, section);
    return return_section(make_section(INVALID_HANDLE_VALUE, PAGE_READWRITE, size), section);
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

/* None: Windows defines the rules. */
static const struct mark windows_marks[] = {{0, 0, 0, NULL}};

/* tests/WINE.md has the evidence. */
static const struct mark wine_marks[] = {
    {2, 87, 2, "where there is memory but no placeholder, Wine returns 87"},
    {9, 487, 1, "inside a placeholder Wine checks the base (487) before the size"},
    {16, 87, 1, "where nothing is reserved, Wine returns 87"},
    {19, 487, 1, "inside a placeholder Wine checks the base (487) before the size"},
    {25, 700, 1, "a view of an image fails (700), but Wine maps it elsewhere"},
    {28, SUCCESS, 1, "Wine commits private memory without limit"},
    {28, 487, 0, "after a view fails because Linux has no memory (8), the placeholder is lost"},
    {33, 87, 3, "over the end of an allocation Wine returns 87"},
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
    .protect = protect,
    .open_section = open_section,
    .close_section = close_section,
    .query = query,
    .find = find,
    .too_much = too_much,
    .starve = starve,
    .exact_base = 0x200000000000,
    .exact_size = (uint64_t)64 << 30,
};

/* Copies the bytes: C has no cast from a function pointer to an object pointer. */
static void look_up(const char *function, void *pointer, size_t size) {
    FARPROC found = GetProcAddress(GetModuleHandleA("kernelbase.dll"), function);
    CHECK_EQUAL(sizeof found, size);
    memcpy(pointer, &found, size);
}

static bool is_wine(void) {
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

/* Where the flag is unknown, VirtualAlloc2 fails with ERROR_INVALID_PARAMETER. */
static bool knows_placeholders(void) {
    char *address = NULL;
    long code = allocate(NULL, 65536, RESERVE | PLACEHOLDER, NO_ACCESS, &address);
    if (code != SUCCESS) CHECK_EQUAL(INVALID_PARAMETER, code);
    return code == SUCCESS && release(address, 65536) == SUCCESS;
}

/* Once a placeholder near the highest address is split, Wine's record of free addresses there is
 * wrong and its next allocation fails an assertion (WINE.md). So this reserves all of them. */
static void take_topmost_addresses(void) {
    enum { TOPMOST = 32 << 20, UNIT = 1 << 16 };
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    char *end = (char *)info.lpMaximumApplicationAddress + 1;
    for (char *next = end - TOPMOST; next < end; next += UNIT)
        VirtualAlloc(next, UNIT, MEM_RESERVE, PAGE_NOACCESS); /* fails where something is */
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
