/*
 * handles.h -- how many handles this process has open. Windows only.
 *
 * Does not count the kinds of handles that the C library or the system opens on first use and never
 * closes: the handle of a thread that asked for its own, the event of a mutex that a thread had to
 * wait for (whether a thread waits is random), the directory of the names of objects. holdfast
 * opens no handle of these kinds.
 */
#ifndef HOLDFAST_TESTS_HANDLES_H
#define HOLDFAST_TESTS_HANDLES_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "check.h"

/* What NtQueryObject writes: the name of the handle's object type, in UTF-16. */
struct handles_kind {
    USHORT bytes, room;
    const wchar_t *name;
    char more[1000];
};

typedef LONG WINAPI handles_query(HANDLE, int, void *, ULONG, ULONG *);

static inline handles_query *handles_find_query(void) {
    return (handles_query *)(void (*)(void))GetProcAddress(GetModuleHandleW(L"ntdll.dll"),
                                                           "NtQueryObject");
}

/* True if handles of this kind are opened on first use and never closed. */
static inline bool handles_are_kept(const struct handles_kind *kind) {
    static const wchar_t *const kept[] = {L"Event", L"Semaphore", L"Thread", L"Directory"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (kind->bytes == wcslen(kept[i]) * sizeof(wchar_t) &&
            memcmp(kind->name, kept[i], kind->bytes) == 0)
            return true;
    return false;
}

/* Handle values are low multiples of four (Wine: the lowest free one), without long gaps. */
static inline DWORD handles_with(DWORD wanted_flags) {
    enum { OBJECT_TYPE_INFORMATION = 2, MOST_MISSES = 12 };
    handles_query *query = handles_find_query();
    struct handles_kind kind;
    DWORD count = 0, flags = 0;
    ULONG length;
    for (uintptr_t value = 4, misses = 0; misses < MOST_MISSES; value += 4, misses++) {
        HANDLE handle = (HANDLE)value;
        if (query(handle, OBJECT_TYPE_INFORMATION, &kind, sizeof kind, &length) < 0) continue;
        misses = 0;
        if (wanted_flags != 0) CHECK(GetHandleInformation(handle, &flags));
        count += !handles_are_kept(&kind) && (flags & wanted_flags) == wanted_flags;
    }
    return count;
}

static inline DWORD handles_open(void) { return handles_with(0); }

#endif
