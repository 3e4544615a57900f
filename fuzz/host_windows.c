/*
 * host_windows.c -- the host on Windows; see host.h.
 *
 * Windows has no limit on the size of files. The sizes in programs are small, or larger than any
 * volume.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* ------------------------------------------------------------------ files ----------------- */

/* For reading a folder can be opened, as on other systems. */
intptr_t host_open_handle(const char *path, bool writable) {
    DWORD access = writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    DWORD sharing = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    DWORD flags = writable ? FILE_ATTRIBUTE_NORMAL : FILE_FLAG_BACKUP_SEMANTICS;
    return (intptr_t)CreateFileA(path, access, sharing, NULL, OPEN_EXISTING, flags, NULL);
}

void host_close_handle(intptr_t handle) { CloseHandle((HANDLE)handle); }

static void give_up(const char *what) {
    fprintf(stderr, "%s: error %lu\n", what, GetLastError());
    exit(2);
}

/* The library takes UTF-8 and the C library does not: a short name in ASCII is the same to both. */
static void find_parent(char text[MAX_PATH]) {
    WCHAR wide[MAX_PATH], name[MAX_PATH];
    DWORD length = GetTempPathW(MAX_PATH, wide);
    if (length == 0 || length >= MAX_PATH) give_up("GetTempPath");
    length = GetShortPathNameW(wide, name, MAX_PATH);
    if (length == 0 || length >= MAX_PATH) give_up("GetShortPathName");
    for (DWORD i = 0; i <= length; i++) {
        if (name[i] > 126) give_up("the folder for temporary files has no name in ASCII");
        text[i] = (char)name[i];
    }
}

void host_make_folder(char folder[HOST_FOLDER_BYTES]) {
    char parent[MAX_PATH];
    find_parent(parent);
    for (unsigned n = 0;; n++) {
        snprintf(folder, HOST_FOLDER_BYTES, "%sholdfast-fuzz-%lu-%u", parent, GetCurrentProcessId(),
                 n);
        if (CreateDirectoryA(folder, NULL)) return;
        if (GetLastError() != ERROR_ALREADY_EXISTS) give_up(folder);
    }
}

void host_remove_folder(const char *folder) { RemoveDirectoryA(folder); }

bool host_visit(const char *folder, void (*visit)(const char *path)) {
    char text[HOST_PATH_BYTES];
    WIN32_FIND_DATAA entry;
    snprintf(text, sizeof text, "%s/*", folder);
    HANDLE search = FindFirstFileA(text, &entry);
    if (search == INVALID_HANDLE_VALUE) return false;
    do {
        if (entry.cFileName[0] == '.') continue;
        snprintf(text, sizeof text, "%s/%s", folder, entry.cFileName);
        visit(text);
    } while (FindNextFileA(search, &entry));
    FindClose(search);
    return true;
}

size_t host_allocated_bytes(const char *path) {
    (void)path;
    return SIZE_MAX;
}

bool host_replace(const char *from, const char *to) {
    (void)from, (void)to;
    return false;
}

/* NTFS frees them since Windows 10 1809; other file systems and Wine do when the file is closed. */
bool host_frees_names(void) { return false; }

/* ------------------------------------------------------------------ the process ----------- */

host_fork_result host_fork(void (*child)(void), void (*meanwhile)(void)) {
    (void)child, (void)meanwhile;
    return HOST_NO_FORK;
}

/* Only Wine exports this function. */
bool host_pays_for_addresses(void) {
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

size_t host_mapped_bytes(void) {
    MEMORY_BASIC_INFORMATION region;
    size_t bytes = 0;
    for (char *next = NULL; VirtualQuery(next, &region, sizeof region) != 0;) {
        if (region.State != MEM_FREE) bytes += region.RegionSize;
        next = (char *)region.BaseAddress + region.RegionSize;
    }
    return bytes;
}
