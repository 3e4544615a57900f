/*
 * handles.h -- how many handles this process has open: Windows alone.
 */
#ifndef HOLDFAST_TESTS_HANDLES_H
#define HOLDFAST_TESTS_HANDLES_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "check.h"

/* Wine does not count them. It gives the lowest handle that is free, so they lie close together. */
static inline DWORD handles_tried(void) {
    DWORD count = 0, flags;
    for (uintptr_t value = 4, misses = 0; misses < 100; value += 4, misses++)
        if (GetHandleInformation((HANDLE)value, &flags)) {
            count++;
            misses = 0;
        }
    return count;
}

static inline DWORD handles_open(void) {
    DWORD count;
    CHECK(GetProcessHandleCount(GetCurrentProcess(), &count));
    return count > 0 ? count : handles_tried();
}

#endif
