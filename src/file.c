/*
 * file.c -- the files that views are made of. An hf_file is a handle of the backend, with what the
 * checks of a view need to know.
 *
 * Once a view is mapped the system keeps what the mapping needs. A space retains the file of a view
 * only if its backend cannot unmap a part of the view, or cannot reset its private pages, without
 * the file (space_retains in space_core.h). Each hf_file lies in pages of its own: a program has
 * few of them.
 */
#include "file_access.h"

#include <assert.h>
#include <holdfast/atomic.h>
#include <string.h>

#include "compatible.h"
#include "fail.h"
#include "pages.h"
#include "retry.h"

struct hf_file {
    const hf_backend *backend;
    intptr_t handle;
    uint64_t size;      /* in bytes, when it was last opened, measured or resized */
    size_t granularity; /* of the addresses, sizes and file offsets of views, in bytes */
    hf_access access;
    bool is_memory;     /* shared memory, with or without a name */
    bool is_executable; /* created by hf_file_create_executable */
    size_t users;       /* the program, and views that need the file; changed atomically */
};

/* The arguments of the eight functions that make an hf_file. Each of them has its `obtain`, which
 * calls the backend for the handle. */
typedef struct file_request {
    const char *call; /* the function that an error names */
    hf_status (*obtain)(const struct file_request *, hf_file *, hf_report *);
    const char *path;
    uint64_t size;
    intptr_t handle;
    hf_access access;
    const hf_backend *backend;
} file_request;

/* For hf_error, whose offsets and sizes are those of memory. */
static size_t file_saturate(uint64_t bytes) { return bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes; }

static hf_status file_fail(hf_status status, const file_request *wanted, const hf_report *report) {
    return hf_fail_reported(status, report, 0, file_saturate(wanted->size));
}

static hf_status file_lacks(hf_report *report, const char *call, const char *reason) {
    report->call = call;
    report->reason = reason;
    return HF_UNSUPPORTED;
}

static size_t file_query_granularity(const hf_backend *backend, intptr_t handle) {
    size_t page_size = backend->page_size(backend);
    if (!HF_HAS(backend, file_granularity)) return page_size;
    size_t own = backend->file_granularity(backend, handle);
    assert((own & (own - 1)) == 0);
    return own > page_size ? own : page_size;
}

static hf_status file_open(hf_file **result, const file_request *wanted) {
    hf_status status = hf_check_backend(wanted->backend, wanted->call);
    if (status != HF_OK) return status;
    const hf_backend *backend = hf_backend_or_native(wanted->backend);
    hf_report report = {0};
    size_t pages = hf_pages_for(backend, sizeof(hf_file));
    void *memory;
    status = hf_allocate_pages(backend, pages, &memory, &report);
    if (status != HF_OK) return file_fail(status, wanted, &report);
    hf_file *file = memory;
    *file =
        (hf_file){.backend = backend, .size = wanted->size, .access = wanted->access, .users = 1};
    status = wanted->obtain(wanted, file, &report);
    if (status != HF_OK) {
        backend->free_pages(backend, memory, pages);
        return file_fail(status, wanted, &report);
    }
    file->granularity = file_query_granularity(backend, file->handle);
    *result = file;
    return HF_OK;
}

static bool file_is_access(hf_access access) {
    return access == HF_READ_WRITE || access == HF_READ_ONLY || access == HF_COPY_ON_WRITE;
}

static bool file_is_path(const char *path) { return path != NULL && path[0] != '\0'; }

/* ------------------------------------------------- eight ways to obtain a handle -------- */

static hf_status file_obtain_existing(const file_request *wanted, hf_file *file,
                                      hf_report *report) {
    return file->backend->file_open(file->backend, wanted->path, wanted->access, &file->handle,
                                    &file->size, report);
}

hf_status hf_file_open(hf_file **file, const char *path, hf_access access,
                       const hf_backend *backend) {
    if (file == NULL || !file_is_path(path) || !file_is_access(access))
        return hf_fail(HF_INVALID, "hf_file_open", 0, 0);
    return file_open(file, &(file_request){.call = "hf_file_open",
                                           .obtain = file_obtain_existing,
                                           .path = path,
                                           .access = access,
                                           .backend = backend});
}

static hf_status file_obtain_or_create(const file_request *wanted, hf_file *file,
                                       hf_report *report) {
    return file->backend->file_open_or_create(file->backend, wanted->path, &file->handle,
                                              &file->size, report);
}

hf_status hf_file_open_or_create(hf_file **file, const char *path, const hf_backend *backend) {
    assert(file != NULL && file_is_path(path));
    return file_open(file, &(file_request){.call = "hf_file_open_or_create",
                                           .obtain = file_obtain_or_create,
                                           .path = path,
                                           .backend = backend});
}

static hf_status file_obtain_new(const file_request *wanted, hf_file *file, hf_report *report) {
    return file->backend->file_create(file->backend, wanted->path, wanted->size, &file->handle,
                                      report);
}

hf_status hf_file_create(hf_file **file, const char *path, uint64_t size,
                         const hf_backend *backend) {
    if (file == NULL || !file_is_path(path) || size == 0)
        return hf_fail(HF_INVALID, "hf_file_create", 0, 0);
    return file_open(file, &(file_request){.call = "hf_file_create",
                                           .obtain = file_obtain_new,
                                           .path = path,
                                           .size = size,
                                           .backend = backend});
}

static hf_status file_obtain_shared(const file_request *wanted, hf_file *file, hf_report *report) {
    file->is_memory = true;
    return file->backend->file_create_shared(file->backend, wanted->size, &file->handle, report);
}

hf_status hf_file_create_shared(hf_file **file, uint64_t size, const hf_backend *backend) {
    if (file == NULL || size == 0) return hf_fail(HF_INVALID, "hf_file_create_shared", 0, 0);
    return file_open(file, &(file_request){.call = "hf_file_create_shared",
                                           .obtain = file_obtain_shared,
                                           .size = size,
                                           .backend = backend});
}

static hf_status file_obtain_executable(const file_request *wanted, hf_file *file,
                                        hf_report *report) {
    const hf_backend *backend = file->backend;
    report->call = "hf_file_create_executable";
    if (!HF_HAS(backend, file_create_executable)) return HF_UNSUPPORTED;
    file->is_memory = file->is_executable = true;
    return backend->file_create_executable(backend, wanted->size, &file->handle, report);
}

hf_status hf_file_create_executable(hf_file **file, uint64_t size, const hf_backend *backend) {
    if (file == NULL || size == 0) return hf_fail(HF_INVALID, "hf_file_create_executable", 0, 0);
    return file_open(file, &(file_request){.call = "hf_file_create_executable",
                                           .obtain = file_obtain_executable,
                                           .size = size,
                                           .backend = backend});
}

static hf_status file_obtain_duplicate(const file_request *wanted, hf_file *file,
                                       hf_report *report) {
    return file->backend->file_duplicate(file->backend, wanted->handle, wanted->access,
                                         &file->handle, &file->size, report);
}

hf_status hf_file_from_handle(hf_file **file, intptr_t handle, hf_access access,
                              const hf_backend *backend) {
    if (file == NULL || !file_is_access(access))
        return hf_fail(HF_INVALID, "hf_file_from_handle", 0, 0);
    return file_open(file, &(file_request){.call = "hf_file_from_handle",
                                           .obtain = file_obtain_duplicate,
                                           .handle = handle,
                                           .access = access,
                                           .backend = backend});
}

/* --------------------------------------------- shared memory with a name ---------------- */

#define FILE_NO_NAMES "this system has no shared memory with a name"

static bool file_is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* On Linux the memory is a file in /dev/shm, and files of these names are drafts of such files,
 * which a backend may delete. */
static bool file_is_draft_name(const char *name, size_t length) {
    static const char suffix[] = ".saving";
    const size_t digits = 2, end = sizeof suffix - 1 + digits;
    if (length < end || memcmp(name + length - end, suffix, sizeof suffix - 1) != 0) return false;
    for (size_t i = length - digits; i < length; i++)
        if (name[i] < '0' || name[i] > '9') return false;
    return true;
}

static bool file_is_name(const char *name) {
    size_t length = 0;
    if (name == NULL || name[0] == '\0' || name[0] == '.') return false;
    for (; name[length] != '\0'; length++)
        if (length + 1 == HF_SHARED_NAME_SIZE || !file_is_name_character(name[length]))
            return false;
    return !file_is_draft_name(name, length);
}

static hf_status file_obtain_new_named(const file_request *wanted, hf_file *file,
                                       hf_report *report) {
    const hf_backend *backend = file->backend;
    file->is_memory = true;
    if (!HF_HAS(backend, file_create_named)) return file_lacks(report, wanted->call, FILE_NO_NAMES);
    return backend->file_create_named(backend, wanted->path, wanted->size, &file->handle, report);
}

hf_status hf_file_create_named(hf_file **file, const char *name, uint64_t size,
                               const hf_backend *backend) {
    if (file == NULL || !file_is_name(name) || size == 0)
        return hf_fail(HF_INVALID, "hf_file_create_named", 0, 0);
    return file_open(file, &(file_request){.call = "hf_file_create_named",
                                           .obtain = file_obtain_new_named,
                                           .path = name,
                                           .size = size,
                                           .backend = backend});
}

static hf_status file_obtain_named(const file_request *wanted, hf_file *file, hf_report *report) {
    const hf_backend *backend = file->backend;
    file->is_memory = true;
    if (!HF_HAS(backend, file_open_named)) return file_lacks(report, wanted->call, FILE_NO_NAMES);
    return backend->file_open_named(backend, wanted->path, wanted->access, &file->handle,
                                    &file->size, report);
}

hf_status hf_file_open_named(hf_file **file, const char *name, hf_access access,
                             const hf_backend *backend) {
    if (file == NULL || !file_is_name(name) || !file_is_access(access))
        return hf_fail(HF_INVALID, "hf_file_open_named", 0, 0);
    return file_open(file, &(file_request){.call = "hf_file_open_named",
                                           .obtain = file_obtain_named,
                                           .path = name,
                                           .access = access,
                                           .backend = backend});
}

hf_status hf_file_remove_named(const char *name, const hf_backend *named) {
    static const char call[] = "hf_file_remove_named";
    if (!file_is_name(name)) return hf_fail(HF_INVALID, call, 0, 0);
    hf_status status = hf_check_backend(named, call);
    if (status != HF_OK) return status;
    const hf_backend *backend = hf_backend_or_native(named);
    hf_report report = {0};
    status = HF_HAS(backend, file_remove_named) ? backend->file_remove_named(backend, name, &report)
                                                : file_lacks(&report, call, FILE_NO_NAMES);
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, 0, 0);
}

/* --------------------------------------------------------- seals and holes -------------- */

hf_status hf_file_seal(hf_file *file) {
    static const char call[] = "hf_file_seal";
    if (file == NULL || file->access != HF_READ_WRITE) return hf_fail(HF_INVALID, call, 0, 0);
    const hf_backend *backend = file->backend;
    hf_report report = {0};
    hf_status status = HF_HAS(backend, file_seal)
                           ? backend->file_seal(backend, file->handle, file->size, &report)
                           : file_lacks(&report, call, "this system has no seals");
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, 0, 0);
}

bool hf_file_is_sealed(const hf_file *file) {
    return file != NULL && HF_HAS(file->backend, file_is_sealed) &&
           file->backend->file_is_sealed(file->backend, file->handle, file->size);
}

/* The last page need not be full. */
static bool file_has_pages(const hf_file *file, uint64_t offset, uint64_t size) {
    uint64_t unit = file->granularity, pages = file->size / unit + (file->size % unit != 0);
    return offset % unit == 0 && size % unit == 0 && size > 0 && offset / unit <= pages &&
           size / unit <= pages - offset / unit;
}

hf_status hf_file_punch_hole(hf_file *file, uint64_t offset, uint64_t size) {
    static const char call[] = "hf_file_punch_hole";
    size_t at = file_saturate(offset), bytes = file_saturate(size);
    if (file == NULL || file->access != HF_READ_WRITE || !file_has_pages(file, offset, size))
        return hf_fail(HF_INVALID, call, at, bytes);
    const hf_backend *backend = file->backend;
    hf_report report = {0};
    hf_status status = HF_HAS(backend, file_punch_hole)
                           ? backend->file_punch_hole(backend, file->handle, offset, size, &report)
                           : file_lacks(&report, call, "this system cannot punch holes");
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, at, bytes);
}

/* --------------------------------------------------------------------- size ------------- */

hf_status hf_file_measure(hf_file *file, hf_report *report) {
    return file->backend->file_measure(file->backend, file->handle, &file->size, report);
}

hf_status hf_file_resize(hf_file *file, uint64_t size, hf_report *report) {
    hf_status status =
        file->backend->file_resize(file->backend, file->handle, file->size, size, report);
    if (status == HF_OK) file->size = size;
    return status;
}

/* ------------------------------------------------------------------ queries ------------- */

uint64_t hf_file_size(const hf_file *file) { return file ? file->size : 0; }

const hf_backend *hf_file_backend(const hf_file *file) { return file->backend; }

intptr_t hf_file_handle(const hf_file *file) { return file ? file->handle : -1; }

size_t hf_file_granularity(const hf_file *file) { return file->granularity; }

bool hf_file_has_huge_pages(const hf_file *file) {
    return file->granularity > file->backend->page_size(file->backend);
}

bool hf_file_is_on(const hf_file *file, const hf_backend *backend) {
    return file->backend == backend;
}

bool hf_file_permits(const hf_file *file, hf_access access) {
    return file_is_access(access) && (access != HF_READ_WRITE || file->access == HF_READ_WRITE);
}

bool hf_file_is_memory(const hf_file *file) { return file->is_memory; }

bool hf_file_is_executable(const hf_file *file) { return file->is_executable; }

void hf_file_retain(hf_file *file) { hf_fetch_add(&file->users, 1); }

void hf_file_close(hf_file *file) {
    if (file == NULL || hf_fetch_add(&file->users, SIZE_MAX) != 1) return;
    const hf_backend *backend = file->backend;
    backend->file_close(backend, file->handle);
    backend->free_pages(backend, file, hf_pages_for(backend, sizeof(hf_file)));
}
