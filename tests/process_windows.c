/*
 * process_windows.c -- process.h with threads, VirtualQuery and QueryWorkingSetEx.
 */
#include "process.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <psapi.h>

#include "check.h"

/* -------------------------------------------------------------- threads that fault ---------- */

enum { EXIT_FAULT_EXPECTED = 42, EXIT_FAULT_ELSEWHERE = 43 };

/* One run at a time. The handler is called for the faults of all threads. */
static struct run {
    void (*function)(void *);
    void *argument;
    const void *expected_fault;
    DWORD thread;
} run;

static LONG CALLBACK on_fault(EXCEPTION_POINTERS *exception) {
    const EXCEPTION_RECORD *record = exception->ExceptionRecord;
    bool is_fault = record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION;
    if (!is_fault || GetCurrentThreadId() != run.thread) return EXCEPTION_CONTINUE_SEARCH;
    bool expected = record->ExceptionInformation[1] == (ULONG_PTR)run.expected_fault;
    ExitThread(expected ? EXIT_FAULT_EXPECTED : EXIT_FAULT_ELSEWHERE);
}

static DWORD WINAPI run_function(void *unused) {
    (void)unused;
    run.thread = GetCurrentThreadId();
    run.function(run.argument);
    return EXIT_SUCCESS;
}

static DWORD exit_code_of(HANDLE thread) {
    DWORD code;
    CHECK(thread != NULL);
    CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code));
    CloseHandle(thread);
    return code;
}

static DWORD run_in_thread(void (*function)(void *), void *argument, const void *expected_fault) {
    run = (struct run){.function = function, .argument = argument};
    run.expected_fault = expected_fault;
    void *handler = AddVectoredExceptionHandler(1, on_fault);
    CHECK(handler != NULL);
    DWORD code = exit_code_of(CreateThread(NULL, 0, run_function, NULL, 0, NULL));
    RemoveVectoredExceptionHandler(handler);
    return code;
}

bool process_runs(void (*function)(void *), void *argument) {
    return run_in_thread(function, argument, NULL) == EXIT_SUCCESS;
}

bool process_faults_at(void (*function)(void *), void *argument, const void *address) {
    return run_in_thread(function, argument, address) == EXIT_FAULT_EXPECTED;
}

/* ------------------------------------------------------------------- processes -------------- */

/* cmd.exe removes the outer quotes. */
FILE *process_start(const char *test) {
    char program[MAX_PATH], command[MAX_PATH + 100];
    DWORD length = GetModuleFileNameA(NULL, program, sizeof program);
    CHECK(length > 0 && length < sizeof program);
    snprintf(command, sizeof command, "\"\"%s\" %s\"", program, test);
    fflush(NULL);
    return _popen(command, "wb");
}

bool process_ended_well(FILE *process) { return _pclose(process) == EXIT_SUCCESS; }

FILE *process_input(void) {
    CHECK(_setmode(_fileno(stdin), _O_BINARY) != -1);
    return stdin;
}

/* ---------------------------------------------------------------- memory maps --------------- */

static size_t page_size(void) {
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return system.dwPageSize;
}

static void add_page(struct process_memory *sum, const char *page, size_t size) {
    PSAPI_WORKING_SET_EX_INFORMATION info = {.VirtualAddress = (void *)page};
    CHECK(QueryWorkingSetEx(GetCurrentProcess(), &info, sizeof info));
    if (!info.VirtualAttributes.Valid) return;
    sum->resident += size;
    if (info.VirtualAttributes.LargePage) sum->huge += size;
}

static void add_pages(struct process_memory *sum, const char *page, const char *end) {
    for (size_t size = page_size(); page < end; page += size) add_page(sum, page, size);
}

/* Looks only at committed pages: others cannot be resident, and there may be millions of them. */
struct process_memory process_memory_of(const void *start, size_t size) {
    struct process_memory sum = {0};
    MEMORY_BASIC_INFORMATION info;
    const char *next, *end = (const char *)start + size;
    for (const char *at = start; at < end; at = next) {
        CHECK(VirtualQuery(at, &info, sizeof info) == sizeof info);
        next = (const char *)info.BaseAddress + info.RegionSize;
        sum.mappings += info.State != MEM_FREE;
        if (info.State == MEM_COMMIT) add_pages(&sum, at, next < end ? next : end);
    }
    return sum;
}

/* Wine exports a function that Windows does not have. */
bool process_pays_for_addresses(void) {
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

size_t process_faults(void) {
    PROCESS_MEMORY_COUNTERS counters;
    CHECK(GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters));
    return counters.PageFaultCount;
}
