/*
 * moment_windows.c -- moment.h on Windows.
 */
#include "moment.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

void sleep_a_moment(void) { Sleep(1); }

double milliseconds_now(void) {
    LARGE_INTEGER now, each_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&each_second);
    return (double)now.QuadPart * 1e3 / (double)each_second.QuadPart;
}
