/*
 * wide_path.h -- UTF-8 paths for Windows, of any length that its file systems support.
 *
 * Windows accepts a path of MAX_PATH (260) characters or more only if it is absolute and has a
 * prefix:
 *
 *     folder/name          ->  \\?\C:\current\folder\name
 *     C:/folder/name       ->  \\?\C:\folder\name
 *     \\server\share\name  ->  \\?\UNC\server\share\name
 *
 * A shorter path stays unchanged. The length that counts is that of the absolute path: a short
 * relative path in a long current folder can exceed the limit.
 */
#ifndef HF_WIDE_PATH_H
#define HF_WIDE_PATH_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdbool.h>
#include <string.h>
#include <wchar.h>

/* Characters of the longest path with its NUL: the limit of a UNICODE_STRING. */
#define HF_LONGEST_PATH 32768

/* A path of this many characters or more gets the prefix. Windows requires that the path of a
 * folder leaves room for an 8.3 name (12 characters). */
#define HF_SHORT_PATH_LIMIT (MAX_PATH - 12)

static inline bool hf_has_prefix(const wchar_t *path) {
    return path[0] == L'\\' && path[1] == L'\\' && (path[2] == L'?' || path[2] == L'.') &&
           path[3] == L'\\';
}

/* The absolute path begins at wide + 6; prefix and path will begin at wide. `wide` has room for
 * HF_LONGEST_PATH characters. */
static inline void hf_insert_prefix(wchar_t *wide) {
    enum { AT = 6 }; /* where the absolute path begins */
    const wchar_t *absolute = wide + AT;
    size_t length = wcslen(absolute);
    if (hf_has_prefix(absolute)) { /* GetFullPathName turns a device's name into \\.\NUL */
        memmove(wide, absolute, (length + 1) * sizeof *wide);
    } else if (absolute[0] == L'\\' && absolute[1] == L'\\') {
        memcpy(wide, L"\\\\?\\UNC\\", (AT + 2) * sizeof *wide);
    } else {
        memmove(wide + 4, absolute, (length + 1) * sizeof *wide);
        memcpy(wide, L"\\\\?\\", 4 * sizeof *wide);
    }
}

/* Copies a path to `wide`, with the prefix if it is long. A path that GetFullPathName cannot make
 * absolute is copied unchanged, so that the call that uses it reports the error. `wide` has room
 * for HF_LONGEST_PATH characters, and the path has no more. */
static inline void hf_add_long_prefix(const wchar_t *path, wchar_t *wide) {
    enum { AT = 6 /* where it begins */, ROOM = HF_LONGEST_PATH - AT /* with its NUL */ };
    DWORD length = hf_has_prefix(path) ? 0 : GetFullPathNameW(path, ROOM, wide + AT, NULL);
    if (length >= HF_SHORT_PATH_LIMIT && length < ROOM)
        hf_insert_prefix(wide);
    else
        memcpy(wide, path, (wcslen(path) + 1) * sizeof *wide);
}

/* Converts a path from UTF-8 to UTF-16, with the prefix if it is long. False: the path is no valid
 * UTF-8, or too long (see GetLastError). `wide` and `scratch` have room for HF_LONGEST_PATH
 * characters each. */
static inline bool hf_widen(const char *path, wchar_t *wide, wchar_t *scratch) {
    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, scratch, HF_LONGEST_PATH))
        return false;
    hf_add_long_prefix(scratch, wide);
    return true;
}

#endif
