/*
 * disk_windows.c -- files by Windows calls; see disk.h.
 */
#include "disk.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <winioctl.h>

#include "check.h"
#include "handles.h"

const struct disk_answers disk_answers = {ERROR_PATH_NOT_FOUND, ERROR_FILE_EXISTS,
                                          ERROR_FILE_TOO_LARGE, HF_NO_MEMORY, false};

static HANDLE handle_of(intptr_t handle) { return (HANDLE)handle; }

static intptr_t open_file(const char *path, DWORD rights, DWORD creation) {
    HANDLE file = CreateFileA(path, rights, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                              NULL, creation, FILE_ATTRIBUTE_NORMAL, NULL);
    CHECK(file != INVALID_HANDLE_VALUE);
    return (intptr_t)file;
}

/* Sparse where the file system can: otherwise growing the file writes zeros to the disk. */
intptr_t disk_create(const char *path, size_t size) {
    DWORD count;
    disk_remove(path);
    intptr_t file = open_file(path, GENERIC_READ | GENERIC_WRITE, CREATE_NEW);
    DeviceIoControl(handle_of(file), FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &count, NULL);
    for (size_t i = 0; i < size; i++) disk_store(file, i, &(unsigned char){(unsigned char)i}, 1);
    return file;
}

intptr_t disk_open(const char *path, disk_rights rights) {
    static const DWORD wanted[] = {GENERIC_READ, GENERIC_WRITE, GENERIC_READ | GENERIC_WRITE};
    return open_file(path, wanted[rights], OPEN_EXISTING);
}

void disk_close(intptr_t handle) { CHECK(CloseHandle(handle_of(handle))); }

static OVERLAPPED at(uint64_t offset) {
    return (OVERLAPPED){.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
}

void disk_store(intptr_t handle, uint64_t offset, const void *bytes, size_t size) {
    OVERLAPPED where = at(offset);
    DWORD count;
    CHECK(WriteFile(handle_of(handle), bytes, (DWORD)size, &count, &where) && count == size);
}

size_t disk_load(intptr_t handle, uint64_t offset, void *bytes, size_t size) {
    OVERLAPPED where = at(offset);
    DWORD count = 0;
    bool got = ReadFile(handle_of(handle), bytes, (DWORD)size, &count, &where);
    CHECK(got || GetLastError() == ERROR_HANDLE_EOF);
    return count;
}

void disk_resize(intptr_t handle, uint64_t size) {
    LARGE_INTEGER end = {.QuadPart = (LONGLONG)size};
    CHECK(SetFilePointerEx(handle_of(handle), end, NULL, FILE_BEGIN));
    CHECK(SetEndOfFile(handle_of(handle)));
}

bool disk_exists(const char *path) { return GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES; }

void disk_remove(const char *path) {
    SetFileAttributesA(path, FILE_ATTRIBUTE_NORMAL); /* a read-only file cannot be deleted */
    CHECK(DeleteFileA(path) || GetLastError() == ERROR_FILE_NOT_FOUND ||
          GetLastError() == ERROR_PATH_NOT_FOUND);
}

static WIN32_FILE_ATTRIBUTE_DATA attributes_of(const char *path) {
    WIN32_FILE_ATTRIBUTE_DATA data;
    CHECK(GetFileAttributesExA(path, GetFileExInfoStandard, &data));
    return data;
}

uint64_t disk_size(const char *path) {
    WIN32_FILE_ATTRIBUTE_DATA data = attributes_of(path);
    return (uint64_t)data.nFileSizeHigh << 32 | data.nFileSizeLow;
}

/* NTFS allocates all blocks below the end of a file that is neither sparse nor compressed. */
uint64_t disk_allocated(const char *path) {
    DWORD attributes = attributes_of(path).dwFileAttributes;
    bool may_lack_blocks = attributes & (FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_COMPRESSED);
    return may_lack_blocks ? 0 : disk_size(path);
}

size_t disk_handles(void) { return handles_open(); }

size_t disk_inherited_handles(void) { return handles_with(HANDLE_FLAG_INHERIT); }
