/*
 * host_windows.c -- the host on Windows; see host.h.
 *
 * No limit on the size of a file can be set here: the sizes that programs ask for are small, or
 * larger than any volume.
 */
#include "host.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

enum { FOLDER_BYTES = 256, PATH_BYTES = 4096 };

static char folder[FOLDER_BYTES];

/* ------------------------------------------------------------------ the folder ------------ */

/* As on other systems: a folder's handle is for reading. */
static intptr_t open_handle(const char *path, bool writable) {
    DWORD access = writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    DWORD sharing = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    DWORD flags = writable ? FILE_ATTRIBUTE_NORMAL : FILE_FLAG_BACKUP_SEMANTICS;
    return (intptr_t)CreateFileA(path, access, sharing, NULL, OPEN_EXISTING, flags, NULL);
}

static void close_handle(intptr_t handle) { CloseHandle((HANDLE)handle); }

static program_host host = {folder, open_handle, close_handle};

static void give_up(const char *what) {
    fprintf(stderr, "%s: error %lu\n", what, GetLastError());
    exit(2);
}

/* In ASCII, which means the same to the library and to the C library: a short name if need be. */
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

static void make_empty_file(void) {
    char path[FOLDER_BYTES + 16];
    snprintf(path, sizeof path, "%s/empty", folder);
    FILE *file = fopen(path, "wb");
    if (!file) give_up(path);
    fclose(file);
}

static void remove_file(const char *path) { remove(path); }

void host_end(void) {
    if (!folder[0]) return;
    host_visit(folder, remove_file);
    RemoveDirectoryA(folder);
}

const program_host *host_get(void) {
    char parent[MAX_PATH];
    if (folder[0]) return &host;
    find_parent(parent);
    for (unsigned n = 0;; n++) {
        snprintf(folder, sizeof folder, "%sholdfast-fuzz-%lu-%u", parent, GetCurrentProcessId(), n);
        if (CreateDirectoryA(folder, NULL)) break;
        if (GetLastError() != ERROR_ALREADY_EXISTS) give_up(folder);
    }
    make_empty_file();
    atexit(host_end);
    return &host;
}

bool host_visit(const char *path, void (*visit)(const char *path)) {
    char text[PATH_BYTES];
    WIN32_FIND_DATAA entry;
    snprintf(text, sizeof text, "%s/*", path);
    HANDLE search = FindFirstFileA(text, &entry);
    if (search == INVALID_HANDLE_VALUE) return false;
    do {
        if (entry.cFileName[0] == '.') continue;
        snprintf(text, sizeof text, "%s/%s", path, entry.cFileName);
        visit(text);
    } while (FindNextFileA(search, &entry));
    FindClose(search);
    return true;
}

/* ------------------------------------------------------------------ the process ----------- */

static const char *watch_label, *watch_text;

static void write_error(const char *text) {
    DWORD written;
    WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, (DWORD)strlen(text), &written, NULL);
}

static void say_at_death(void) {
    write_error(watch_label);
    write_error(watch_text);
    write_error("\n");
}

static void on_abort(int number) {
    (void)number;
    say_at_death();
}

/* The process ends with the exception's code, without a dialog that waits for somebody. */
static LONG WINAPI on_fault(EXCEPTION_POINTERS *exception) {
    (void)exception;
    say_at_death();
    return EXCEPTION_EXECUTE_HANDLER;
}

void host_begin(const char *label, const char *text) {
    watch_label = label;
    watch_text = text;
    signal(SIGABRT, on_abort);
    SetUnhandledExceptionFilter(on_fault);
}

host_fork_result host_fork(void (*child)(void), void (*meanwhile)(void)) {
    (void)child, (void)meanwhile;
    return HOST_NO_FORK;
}

size_t host_allocated_bytes(const char *path) {
    (void)path;
    return SIZE_MAX;
}

/* What an open file of the library's allows is another matter. */
bool host_replace(const char *from, const char *to) {
    (void)from, (void)to;
    return false;
}

/* Wine says what it is by a function of its own. */
bool host_pays_for_addresses(void) {
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

/* An NTFS file does since version 1809, others and Wine's when they are closed. */
bool host_frees_names(void) { return false; }

size_t host_mapped_bytes(void) {
    MEMORY_BASIC_INFORMATION region;
    size_t bytes = 0;
    for (char *next = NULL; VirtualQuery(next, &region, sizeof region) != 0;) {
        if (region.State != MEM_FREE) bytes += region.RegionSize;
        next = (char *)region.BaseAddress + region.RegionSize;
    }
    return bytes;
}
