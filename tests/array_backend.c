/*
 * array_backend.c -- the array, and the state of each of its pages. Reservations are searched for
 * from the low end, pages for the library's records from the high end.
 */
#include "array_backend.h"

#include <string.h>

#include "check.h"

enum mark { FREE, PLACEHOLDER, COMMITTED, PAGES };

/* Fills what a program must not read; commit must zero it. */
enum { JUNK = 0xdd };

enum { ALIGNMENT = 1 << 17 };

/* Aligned at run time: some object file formats do not support such large alignments. */
static char room[ARRAY_BYTES + ALIGNMENT], *bytes;

static struct array_backend *array_of(const hf_backend *self) {
    return (struct array_backend *)(uintptr_t)self;
}

static hf_status fail(hf_report *report, hf_status status, const char *call) {
    report->call = call;
    report->os_code = 1;
    return status;
}

/* --------------------------------------------------------------------- marks --------------- */

static size_t index_of(const struct array_backend *array, const void *address) {
    return (size_t)((const char *)address - bytes) / array->page_size;
}

static bool is_marked(const struct array_backend *array, size_t first, size_t count,
                      enum mark mark) {
    for (size_t i = first; i < first + count; i++)
        if (array->marks[i] != (char)mark) return false;
    return true;
}

static void expect_marked(const hf_backend *self, const void *address, size_t size,
                          enum mark mark) {
    struct array_backend *array = array_of(self);
    CHECK(is_marked(array, index_of(array, address), size / array->page_size, mark));
}

static void set_mark(const hf_backend *self, void *address, size_t size, enum mark mark) {
    struct array_backend *array = array_of(self);
    memset(address, mark == COMMITTED || mark == PAGES ? 0 : JUNK, size);
    memset(array->marks + index_of(array, address), (int)mark, size / array->page_size);
}

/* -------------------------------------------------------------------- memory --------------- */

static size_t page_size(const hf_backend *self) { return array_of(self)->page_size; }

static bool is_free(const hf_backend *self, const char *base, size_t size) {
    struct array_backend *array = array_of(self);
    return base >= bytes && size <= ARRAY_BYTES && base <= bytes + ARRAY_BYTES - size &&
           is_marked(array, index_of(array, base), size / array->page_size, FREE);
}

static char *find_free(const hf_backend *self, size_t size) {
    size_t step =
        page_size(self) > HF_ALLOCATION_GRANULARITY ? page_size(self) : HF_ALLOCATION_GRANULARITY;
    for (size_t at = 0; at < ARRAY_BYTES; at += step)
        if (is_free(self, bytes + at, size)) return bytes + at;
    return NULL;
}

static hf_status reserve(const hf_backend *self, void *base, size_t size, void **address,
                         hf_report *report) {
    char *found = base ? base : find_free(self, size);
    if (found == NULL || !is_free(self, found, size))
        return fail(report, HF_NO_ADDRESS, "array_reserve");
    set_mark(self, found, size, PLACEHOLDER);
    *address = found;
    return HF_OK;
}

static void release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    expect_marked(self, address, size, kind == HF_COMMITTED ? COMMITTED : PLACEHOLDER);
    set_mark(self, address, size, FREE);
}

static hf_status expect_placeholder(const hf_backend *self, void *address, size_t size,
                                    hf_report *report) {
    (void)report;
    expect_marked(self, address, size, PLACEHOLDER);
    return HF_OK;
}

static hf_status commit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)report;
    expect_marked(self, address, size, PLACEHOLDER);
    set_mark(self, address, size, COMMITTED);
    return HF_OK;
}

static hf_status decommit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)report;
    expect_marked(self, address, size, COMMITTED);
    set_mark(self, address, size, PLACEHOLDER);
    return HF_OK;
}

static hf_status map(const hf_backend *self, void *address, size_t size, intptr_t file,
                     uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self, (void)address, (void)size, (void)file, (void)file_offset, (void)access;
    return fail(report, HF_UNSUPPORTED, "array_map");
}

static hf_status unmap(const hf_backend *self, void *address, size_t size, hf_report *report) {
    (void)self, (void)address, (void)size;
    return fail(report, HF_UNSUPPORTED, "array_unmap");
}

static hf_status check(const hf_backend *self, const void *base,
                       bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                       hf_report *report) {
    struct array_backend *array = array_of(self);
    (void)report;
    for (hf_region region; next(cursor, &region);) {
        size_t first = index_of(array, (const char *)base + region.offset);
        *offset = region.offset;
        if (!is_marked(array, first, region.size / array->page_size,
                       region.kind == HF_COMMITTED ? COMMITTED : PLACEHOLDER))
            return HF_WRONG_STATE;
    }
    return HF_OK;
}

static hf_status allocate_pages(const hf_backend *self, size_t size, void **address,
                                hf_report *report) {
    for (size_t at = ARRAY_BYTES - size; at > 0; at -= array_of(self)->page_size)
        if (is_free(self, bytes + at, size)) {
            set_mark(self, bytes + at, size, PAGES);
            *address = bytes + at;
            return HF_OK;
        }
    return fail(report, HF_NO_MEMORY, "array_allocate_pages");
}

static void free_pages(const hf_backend *self, void *address, size_t size) {
    expect_marked(self, address, size, PAGES);
    set_mark(self, address, size, FREE);
}

/* --------------------------------------------------------------------- files --------------- */

static hf_status file_open(const hf_backend *self, const char *path, hf_access access,
                           intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self, (void)path, (void)access, (void)file, (void)size;
    return fail(report, HF_UNSUPPORTED, "array_file_open");
}

static hf_status file_create(const hf_backend *self, const char *path, uint64_t size,
                             intptr_t *file, hf_report *report) {
    (void)self, (void)path, (void)size, (void)file;
    return fail(report, HF_UNSUPPORTED, "array_file_create");
}

/* Returns a handle that refers to nothing, so that tests can see map fail. */
static hf_status file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                    hf_report *report) {
    (void)self, (void)size, (void)report;
    *file = 7;
    return HF_OK;
}

static hf_status file_duplicate(const hf_backend *self, intptr_t handle, hf_access access,
                                intptr_t *file, uint64_t *size, hf_report *report) {
    (void)self, (void)handle, (void)access, (void)file, (void)size;
    return fail(report, HF_UNSUPPORTED, "array_file_duplicate");
}

static void file_close(const hf_backend *self, intptr_t file) {
    (void)self;
    CHECK_EQUAL(7, file);
}

/* --------------------------------------------------------------------- locks --------------- */

/* For one thread: checks that lock and unlock alternate. */
enum { UNLOCKED = 0x10c4, LOCKED };

static hf_status lock_open(const hf_backend *self, hf_lock *lock, hf_report *report) {
    (void)report;
    array_of(self)->locks++;
    lock->bytes[0] = UNLOCKED;
    return HF_OK;
}

static void lock_close(const hf_backend *self, hf_lock *lock) {
    CHECK_EQUAL(UNLOCKED, lock->bytes[0]);
    array_of(self)->locks--;
    lock->bytes[0] = 0;
}

static void lock_lock(const hf_backend *self, hf_lock *lock) {
    (void)self;
    CHECK_EQUAL(UNLOCKED, lock->bytes[0]);
    lock->bytes[0] = LOCKED;
}

static void unlock(const hf_backend *self, hf_lock *lock) {
    (void)self;
    CHECK_EQUAL(LOCKED, lock->bytes[0]);
    lock->bytes[0] = UNLOCKED;
}

/* ------------------------------------------------------------------------------------------ */

void array_backend_init(struct array_backend *array, size_t wanted_page_size) {
    CHECK(wanted_page_size >= ARRAY_SMALLEST_PAGE_SIZE);
    bytes = room + (ALIGNMENT - (uintptr_t)room % ALIGNMENT) % ALIGNMENT;
    memset(bytes, JUNK, ARRAY_BYTES);
    *array = (struct array_backend){.page_size = wanted_page_size,
                                    .backend = {.size = sizeof(hf_backend),
                                                .page_size = page_size,
                                                .reserve = reserve,
                                                .release = release,
                                                .split = expect_placeholder,
                                                .coalesce = expect_placeholder,
                                                .commit = commit,
                                                .decommit = decommit,
                                                .map = map,
                                                .unmap = unmap,
                                                .check = check,
                                                .allocate_pages = allocate_pages,
                                                .free_pages = free_pages,
                                                .file_open = file_open,
                                                .file_create = file_create,
                                                .file_create_shared = file_create_shared,
                                                .file_duplicate = file_duplicate,
                                                .file_close = file_close,
                                                .lock_open = lock_open,
                                                .lock_close = lock_close,
                                                .lock = lock_lock,
                                                .unlock = unlock}};
}

bool array_backend_is_unused(const struct array_backend *array) {
    return array->locks == 0 && is_marked(array, 0, ARRAY_BYTES / array->page_size, FREE);
}
