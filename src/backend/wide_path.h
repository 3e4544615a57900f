/*
 * wide_path.h -- paths in UTF-8 for Windows, of any length that its file systems know.
 *
 * Windows takes a path of MAX_PATH (260) characters and more only whole and behind a prefix:
 *
 *     folder/name          ->  \\?\C:\current\folder\name
 *     C:/folder/name       ->  \\?\C:\folder\name
 *     \\server\share\name  ->  \\?\UNC\server\share\name
 *
 * A shorter path stays as it was given. The limit counts the whole path: a short relative one can
 * be beyond it in a long current folder.
 */
#ifndef HF_WIDE_PATH_H
#define HF_WIDE_PATH_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdbool.h>
#include <string.h>
#include <wchar.h>

/* The length of a UNICODE_STRING, in characters, with the end of the text. */
#define HF_LONGEST_PATH 32768

/* Room for a name of 8.3 that is added to the path, as the system wants it of a folder. */
#define HF_OLD_LIMIT (MAX_PATH - 12)

static inline bool hf_is_prefixed(const wchar_t *path) {
    return path[0] == L'\\' && path[1] == L'\\' && (path[2] == L'?' || path[2] == L'.') &&
           path[3] == L'\\';
}

/* `wide` has room for HF_LONGEST_PATH characters and holds the whole path from its 7th on. */
static inline void hf_put_prefix(wchar_t *wide) {
    enum { AT = 6 };
    const wchar_t *whole = wide + AT;
    size_t length = wcslen(whole);
    if (hf_is_prefixed(whole)) { /* a device's name became \\.\NUL */
        memmove(wide, whole, (length + 1) * sizeof *wide);
    } else if (whole[0] == L'\\' && whole[1] == L'\\') {
        memcpy(wide, L"\\\\?\\UNC\\", (AT + 2) * sizeof *wide);
    } else {
        memmove(wide + 4, whole, (length + 1) * sizeof *wide);
        memcpy(wide, L"\\\\?\\", 4 * sizeof *wide);
    }
}

/* What cannot be made whole stays as it is: the system then says what is wrong with it. Both have
 * room for HF_LONGEST_PATH characters. */
static inline void hf_lengthen(const wchar_t *given, wchar_t *wide) {
    enum { AT = 6, ROOM = HF_LONGEST_PATH - AT };
    DWORD length = hf_is_prefixed(given) ? 0 : GetFullPathNameW(given, ROOM, wide + AT, NULL);
    if (length >= HF_OLD_LIMIT && length < ROOM)
        hf_put_prefix(wide);
    else
        memcpy(wide, given, (wcslen(given) + 1) * sizeof *wide);
}

/* False: GetLastError() says why the text is no path. `scratch` has the room of `wide`. */
static inline bool hf_widen(const char *path, wchar_t *wide, wchar_t *scratch) {
    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, scratch, HF_LONGEST_PATH))
        return false;
    hf_lengthen(scratch, wide);
    return true;
}

#endif
