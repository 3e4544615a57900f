/*
 * platform_windows.c -- platform.h on Windows: a vectored exception handler.
 */
#include "platform.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static platform_fault_handler *platform_handler;
static CONTEXT platform_end;               /* the processor's registers within platform_try() */
static volatile bool platform_is_trying;   /* platform_end is set */
static volatile bool platform_has_faulted; /* platform_try() continues from platform_end */
static DWORD platform_trier;
static HANDLE platform_thread;
static void (*platform_function)(void);

/* Mingw-w64 has no __try, so platform_try() is left by continuing with its registers. */
static LONG CALLBACK platform_on_fault(EXCEPTION_POINTERS *exception) {
    const EXCEPTION_RECORD *record = exception->ExceptionRecord;
    if (record->ExceptionCode != EXCEPTION_ACCESS_VIOLATION &&
        record->ExceptionCode != EXCEPTION_IN_PAGE_ERROR)
        return EXCEPTION_CONTINUE_SEARCH;
    if (platform_handler((const char *)record->ExceptionInformation[1]))
        return EXCEPTION_CONTINUE_EXECUTION;
    if (!platform_is_trying || platform_trier != GetCurrentThreadId())
        return EXCEPTION_CONTINUE_SEARCH;
    platform_has_faulted = true;
    *exception->ContextRecord = platform_end;
    return EXCEPTION_CONTINUE_EXECUTION;
}

void platform_handle_faults(platform_fault_handler *handler) {
    platform_handler = handler;
    AddVectoredExceptionHandler(1, platform_on_fault);
}

bool platform_try(void (*function)(void *), void *data) {
    platform_has_faulted = false;
    platform_trier = GetCurrentThreadId();
    RtlCaptureContext(&platform_end); /* returns a second time after a fault */
    platform_is_trying = !platform_has_faulted;
    if (platform_is_trying) function(data);
    platform_is_trying = false;
    return !platform_has_faulted;
}

static DWORD WINAPI platform_run(void *unused) {
    (void)unused;
    platform_function();
    return 0;
}

bool platform_start_thread(void (*function)(void)) {
    platform_function = function;
    platform_thread = CreateThread(NULL, 0, platform_run, NULL, 0, NULL);
    return platform_thread != NULL;
}

void platform_join_thread(void) {
    WaitForSingleObject(platform_thread, INFINITE);
    CloseHandle(platform_thread);
}
