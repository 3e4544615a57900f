/*
 * moment_windows.c -- moment.h on Windows.
 */
#include "moment.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

void sleep_a_moment(void) { Sleep(1); }
