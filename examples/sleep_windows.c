/*
 * sleep_windows.c -- sleep.h on Windows.
 */
#include "sleep.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

void sleep_a_millisecond(void) { Sleep(1); }
