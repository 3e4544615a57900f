/*
 * platform_windows.c -- platform.h on Windows.
 *
 * Converts between UTF-8, which platform.h uses, and UTF-16, which the system uses. Saves
 * GetLastError() right after each failure, because later calls overwrite it.
 */
#include "platform.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#define PSAPI_VERSION 2 /* its functions in kernel32 */
#include <windows.h>

#include <psapi.h>
#include <shellapi.h>

#include "../../src/backend/wide_path.h"

#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 4
#endif

enum { LONGEST_PATH = HF_LONGEST_PATH, NAME_BYTES = 3 * MAX_PATH + 1 };

static DWORD failure; /* the code of the last failure */

/* Saves GetLastError(). Returns false, for the caller to return. */
static bool note_failure(void) {
    failure = GetLastError();
    return false;
}

/* -------------------------------------------------------------------- texts --------------- */

static wchar_t *to_wide(const char *text, wchar_t *wide, size_t room) {
    return MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, (int)room) ? wide : NULL;
}

static char *to_text(const wchar_t *wide, char *text, size_t room) {
    return WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, (int)room, NULL, NULL) ? text : NULL;
}

/* Converts a path, into the same buffer at every call; NULL: not possible. */
static const wchar_t *wide_path(const char *path) {
    static wchar_t wide[HF_LONGEST_PATH], scratch[HF_LONGEST_PATH];
    if (!hf_widen(path, wide, scratch)) return note_failure(), NULL;
    return wide;
}

/* The system's text without the newline and the full stop at its end. */
const char *platform_error_text(void) {
    static char text[600];
    wchar_t wide[200];
    DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                  failure, 0, wide, sizeof wide / sizeof *wide, NULL);
    while (length > 0 && wcschr(L"\r\n. ", wide[length - 1])) wide[--length] = L'\0';
    if (length == 0 || !to_text(wide, text, sizeof text))
        snprintf(text, sizeof text, "error %lu", failure);
    return text;
}

/* --------------------------------------------------------------- files and folders -------- */

static HANDLE open_path(const char *path, DWORD rights, DWORD flags) {
    const wchar_t *wide = wide_path(path);
    DWORD sharing = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    HANDLE handle = wide ? CreateFileW(wide, rights, sharing, NULL, OPEN_EXISTING, flags, NULL)
                         : INVALID_HANDLE_VALUE;
    if (wide && handle == INVALID_HANDLE_VALUE) note_failure();
    return handle;
}

static bool is_missing(DWORD code) {
    return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND ||
           code == ERROR_INVALID_NAME || code == ERROR_CANT_RESOLVE_FILENAME;
}

static void describe(const BY_HANDLE_FILE_INFORMATION *found, struct platform_entry *entry) {
    bool folder = (found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    entry->kind = folder ? PLATFORM_FOLDER : PLATFORM_FILE;
    entry->size = (uint64_t)found->nFileSizeHigh << 32 | found->nFileSizeLow;
    entry->identity[0] = found->dwVolumeSerialNumber;
    entry->identity[1] = (uint64_t)found->nFileIndexHigh << 32 | found->nFileIndexLow;
}

bool platform_look(const char *path, struct platform_entry *entry) {
    BY_HANDLE_FILE_INFORMATION found;
    HANDLE handle = open_path(path, 0, FILE_FLAG_BACKUP_SEMANTICS);
    entry->kind = PLATFORM_OTHER;
    if (handle == INVALID_HANDLE_VALUE) {
        if (is_missing(failure)) entry->kind = PLATFORM_NOTHING;
        return false;
    }
    bool is_file = GetFileType(handle) == FILE_TYPE_DISK;
    bool looked = !is_file || GetFileInformationByHandle(handle, &found) || note_failure();
    CloseHandle(handle);
    if (is_file && looked) describe(&found, entry);
    return looked;
}

static void show_entry(const wchar_t *name, void (*each)(const char *name, void *user),
                       void *user) {
    char text[NAME_BYTES];
    bool is_dots = wcscmp(name, L".") == 0 || wcscmp(name, L"..") == 0;
    if (!is_dots && to_text(name, text, sizeof text)) each(text, user);
}

bool platform_list(const char *folder, void (*each)(const char *name, void *user), void *user) {
    static char pattern[3 * LONGEST_PATH];
    WIN32_FIND_DATAW entry;
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    const wchar_t *wide = wide_path(pattern);
    if (!wide) return false;
    HANDLE search = FindFirstFileW(wide, &entry);
    if (search == INVALID_HANDLE_VALUE) return note_failure();
    do {
        show_entry(entry.cFileName, each, user);
    } while (FindNextFileW(search, &entry));
    FindClose(search);
    return true;
}

const char *platform_name(const char *path) {
    const char *name = path;
    for (; *path; path++)
        if (*path == '/' || *path == '\\' || *path == ':') name = path + 1;
    return name;
}

/* FILE_FLAG_BACKUP_SEMANTICS opens folders for reading, too, as POSIX does. */
intptr_t platform_open(const char *path, bool writable) {
    DWORD rights = writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
    return (intptr_t)open_path(path, rights, writable ? 0 : FILE_FLAG_BACKUP_SEMANTICS);
}

/* Reading a pipe whose other end is closed returns 0, as on POSIX. */
int64_t platform_read(intptr_t file, void *bytes, size_t room) {
    enum { MOST = 1 << 30 };
    DWORD got;
    if (ReadFile((HANDLE)file, bytes, room < MOST ? (DWORD)room : MOST, &got, NULL)) return got;
    note_failure();
    return failure == ERROR_BROKEN_PIPE ? 0 : -1;
}

void platform_close(intptr_t file) { CloseHandle((HANDLE)file); }

FILE *platform_create(const char *path) {
    const wchar_t *wide = wide_path(path);
    return wide ? _wfopen(wide, L"wb") : NULL;
}

/* GetTempPathW returns a path that ends in a backslash. */
bool platform_make_folder(char *path, size_t room) {
    wchar_t parent[MAX_PATH + 1], folder[MAX_PATH + 64];
    if (GetTempPathW(MAX_PATH + 1, parent) == 0) return note_failure();
    for (unsigned n = 0;; n++) {
        swprintf(folder, sizeof folder / sizeof *folder, L"%lsholdfast-%lu-%u", parent,
                 GetCurrentProcessId(), n);
        if (CreateDirectoryW(folder, NULL)) break;
        if (GetLastError() != ERROR_ALREADY_EXISTS) return note_failure();
    }
    return to_text(folder, path, room) || note_failure();
}

void platform_remove(const char *path) {
    const wchar_t *wide = wide_path(path);
    if (wide && !DeleteFileW(wide)) RemoveDirectoryW(wide);
}

/* Windows has no such limit: files larger than the disk fail by themselves. */
void platform_limit_files(uint64_t bytes) { (void)bytes; }

/* The variable INCLUDE, which the compiler's command prompt sets: "C:\...\include;C:\...\ucrt". */
void platform_list_headers(void (*each)(const char *folder, void *user), void *user) {
    static wchar_t list[LONGEST_PATH];
    char folder[NAME_BYTES];
    DWORD length = GetEnvironmentVariableW(L"INCLUDE", list, LONGEST_PATH);
    if (length == 0 || length >= LONGEST_PATH) return;
    for (wchar_t *at = list, *end; at; at = end) {
        end = wcschr(at, L';');
        if (end) *end++ = L'\0';
        if (*at && to_text(at, folder, sizeof folder)) each(folder, user);
    }
}

const char *platform_headers(void) { return "the folders that the variable INCLUDE lists"; }

/* ------------------------------------------------------------------- this process --------- */

uint64_t platform_now(void) {
    static const uint64_t second = 1000000000;
    LARGE_INTEGER count, frequency;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    uint64_t ticks = (uint64_t)count.QuadPart, rate = (uint64_t)frequency.QuadPart;
    return ticks / rate * second + ticks % rate * second / rate;
}

static uint64_t nanoseconds(FILETIME time) {
    return ((uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime) * 100;
}

struct platform_usage platform_get_usage(void) {
    FILETIME created, ended, system = {0}, user = {0};
    PROCESS_MEMORY_COUNTERS memory = {.cb = sizeof memory};
    GetProcessTimes(GetCurrentProcess(), &created, &ended, &system, &user);
    GetProcessMemoryInfo(GetCurrentProcess(), &memory, sizeof memory);
    return (struct platform_usage){
        .processor_time = nanoseconds(system) + nanoseconds(user),
        .page_faults = memory.PageFaultCount,
        .peak_bytes = memory.PeakWorkingSetSize,
    };
}

const char *platform_c_library(void) {
#if defined(_MSC_VER) || defined(_UCRT)
    return "ucrt";
#else
    return "msvcrt";
#endif
}

platform_function platform_load(const char *library, const char *name) {
    static wchar_t wide[HF_LONGEST_PATH]; /* not wide_path: a bare name is searched for */
    HMODULE module = to_wide(library, wide, HF_LONGEST_PATH) ? LoadLibraryW(wide) : NULL;
    FARPROC found = module ? GetProcAddress(module, name) : NULL;
    return (platform_function)found;
}

static HANDLE console_of(FILE *stream, DWORD *mode) {
    HANDLE handle = (HANDLE)_get_osfhandle(_fileno(stream));
    return GetConsoleMode(handle, mode) ? handle : INVALID_HANDLE_VALUE;
}

/* Consoles of Windows 10 and later interpret escape sequences if this mode is set. */
size_t platform_terminal_columns(FILE *stream) {
    CONSOLE_SCREEN_BUFFER_INFO screen;
    DWORD mode;
    HANDLE console = console_of(stream, &mode);
    if (console == INVALID_HANDLE_VALUE) return 0;
    if (!SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING)) return 0;
    if (!GetConsoleScreenBufferInfo(console, &screen)) return 0;
    return (size_t)(screen.srWindow.Right - screen.srWindow.Left + 1);
}

/* The settings of the console, which other programs use, too: restored at exit. */
static struct {
    UINT code_page;
    HANDLE output, error;
    DWORD output_mode, error_mode;
} console;

static void restore_console(void) {
    SetConsoleOutputCP(console.code_page);
    if (console.output != INVALID_HANDLE_VALUE) SetConsoleMode(console.output, console.output_mode);
    if (console.error != INVALID_HANDLE_VALUE) SetConsoleMode(console.error, console.error_mode);
}

static void prepare_console(void) {
    console.output = console_of(stdout, &console.output_mode);
    console.error = console_of(stderr, &console.error_mode);
    console.code_page = GetConsoleOutputCP();
    if (console.code_page == 0) return;
    SetConsoleOutputCP(CP_UTF8);
    atexit(restore_console);
}

/* The arguments in UTF-8, never freed; NULL: no memory. */
static char **convert_arguments(wchar_t **wide, int count) {
    char **texts = malloc(((size_t)count + 1) * sizeof *texts);
    for (int i = 0; texts && i < count; i++) {
        size_t room = 3 * wcslen(wide[i]) + 1;
        texts[i] = malloc(room);
        if (!texts[i]) return NULL;
        to_text(wide[i], texts[i], room);
    }
    if (texts) texts[count] = NULL;
    return texts;
}

char **platform_prepare(int *count, char **arguments) {
    int wide_count;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &wide_count);
    char **texts = wide ? convert_arguments(wide, wide_count) : NULL;
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stderr), _O_BINARY);
    prepare_console();
    LocalFree(wide);
    if (texts) *count = wide_count;
    return texts ? texts : arguments;
}

void platform_restore_signals(void) {}

/* --------------------------------------------------------------- a child process ---------- */

enum { COMMAND_ROOM = LONGEST_PATH + 1024 };

static void add_text(wchar_t *line, const wchar_t *text) {
    size_t length = wcslen(line);
    if (length + wcslen(text) < COMMAND_ROOM) memcpy(line + length, text, (wcslen(text) + 1) * 2);
}

/* Writes the command line: "program" argument ... The arguments have no spaces and no quotes. */
static void write_command(const wchar_t *program, const char *const *arguments, wchar_t *line) {
    wchar_t argument[128];
    line[0] = L'\0';
    add_text(line, L"\"");
    add_text(line, program);
    add_text(line, L"\"");
    for (; *arguments; arguments++) {
        add_text(line, L" ");
        if (to_wide(*arguments, argument, sizeof argument / sizeof *argument))
            add_text(line, argument);
    }
}

static bool start_child(const char *const *arguments, HANDLE input, HANDLE output,
                        PROCESS_INFORMATION *child) {
    static wchar_t program[LONGEST_PATH], line[COMMAND_ROOM];
    STARTUPINFOW startup = {.cb = sizeof startup,
                            .dwFlags = STARTF_USESTDHANDLES,
                            .hStdInput = input,
                            .hStdOutput = output,
                            .hStdError = GetStdHandle(STD_ERROR_HANDLE)};
    GetModuleFileNameW(NULL, program, LONGEST_PATH);
    write_command(program, arguments, line);
    SetHandleInformation(input, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    SetHandleInformation(output, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    return CreateProcessW(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, child);
}

static bool write_all(HANDLE file, const char *bytes, size_t size) {
    enum { MOST = 1 << 20 };
    while (size > 0) {
        DWORD written;
        if (!WriteFile(file, bytes, size < MOST ? (DWORD)size : MOST, &written, NULL)) return false;
        bytes += written;
        size -= written;
    }
    return true;
}

/* Reads to the end and stores a string; drops what does not fit. */
static void read_all(HANDLE file, char *output, size_t room) {
    char beyond[256];
    size_t filled = 0;
    for (;;) {
        bool full = filled + 1 >= room;
        int64_t got = platform_read((intptr_t)file, full ? beyond : output + filled,
                                    full ? sizeof beyond : room - filled - 1);
        if (got <= 0) break;
        if (!full) filled += (size_t)got;
    }
    output[filled] = '\0';
}

static bool child_succeeded(const PROCESS_INFORMATION *child) {
    DWORD status = EXIT_FAILURE;
    WaitForSingleObject(child->hProcess, INFINITE);
    GetExitCodeProcess(child->hProcess, &status);
    CloseHandle(child->hThread);
    CloseHandle(child->hProcess);
    return status == EXIT_SUCCESS;
}

bool platform_run_child(const char *const *arguments, const void *input, size_t input_size,
                        char *output, size_t room) {
    HANDLE to[2], from[2];
    PROCESS_INFORMATION child;
    if (!CreatePipe(&to[0], &to[1], NULL, 0)) return note_failure();
    if (!CreatePipe(&from[0], &from[1], NULL, 0))
        return note_failure(), CloseHandle(to[0]), CloseHandle(to[1]), false;
    fflush(NULL);
    bool started = start_child(arguments, to[0], from[1], &child);
    CloseHandle(to[0]);
    CloseHandle(from[1]);
    bool sent = started && write_all(to[1], input, input_size);
    CloseHandle(to[1]);
    read_all(from[0], output, room);
    CloseHandle(from[0]);
    return started && child_succeeded(&child) && sent;
}
