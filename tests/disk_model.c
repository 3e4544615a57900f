/*
 * disk_model.c -- see disk_model.h.
 */
#include "disk_model.h"

#include "check.h"
#include "disk.h"

static struct disk *disk_of(const hf_backend *self) { return (struct disk *)(uintptr_t)self; }

/* --------------------------------------------------------------------- finding --------------- */

static struct disk_file *file_named(struct disk *disk, const char *name) {
    for (size_t i = 0; i < DISK_FILES; i++)
        if (strcmp(disk->files[i].name, name) == 0) return &disk->files[i];
    return NULL;
}

static struct disk_handle *find_handle(struct disk *disk, intptr_t handle) {
    struct disk_handle *found = disk->handles, *end = found + DISK_HANDLES;
    while (found < end && (found->file == NULL || found->handle != handle)) found++;
    CHECK(found < end);
    return found;
}

static struct disk_file *file_of(struct disk *disk, intptr_t handle) {
    return find_handle(disk, handle)->file;
}

static bool is_open(const struct disk *disk, const struct disk_file *file) {
    for (size_t i = 0; i < DISK_HANDLES; i++)
        if (disk->handles[i].file == file) return true;
    return false;
}

static void *make_bytes(void *old) {
    void *bytes = old ? memset(old, 0, DISK_FILE_BYTES) : calloc(DISK_FILE_BYTES, 1);
    CHECK(bytes != NULL);
    return bytes;
}

/* A record that no name and no handle uses any more. */
static struct disk_file *find_unused(struct disk *disk) {
    struct disk_file *file = disk->files, *end = file + DISK_FILES;
    while (file < end && (file->name[0] || file->safe_name[0] || is_open(disk, file))) file++;
    CHECK(file < end);
    return file;
}

static struct disk_file *make_file(struct disk *disk, const char *name) {
    struct disk_file *file = find_unused(disk);
    *file = (struct disk_file){.safe = make_bytes(file->safe),
                               .handed = make_bytes(file->handed),
                               .now = make_bytes(file->now)};
    CHECK(strlen(name) < DISK_NAME_BYTES);
    strcpy(file->name, name);
    return file;
}

static void add_handle(struct disk *disk, struct disk_file *file, intptr_t handle) {
    struct disk_handle *unused = disk->handles, *end = unused + DISK_HANDLES;
    while (unused < end && unused->file) unused++;
    CHECK(unused < end);
    *unused = (struct disk_handle){file, handle};
}

/* ------------------------------------------------------------------- a crash ----------------- */

static void read_cache(struct disk *disk, intptr_t handle, uint64_t size, unsigned char *bytes) {
    hf_report report = {0};
    CHECK(size <= DISK_FILE_BYTES);
    memset(bytes, 0, DISK_FILE_BYTES);
    CHECK_STATUS(HF_OK,
                 disk->under->file_read(disk->under, handle, 0, bytes, (size_t)size, &report));
}

/* Only open files can have changed since their last close. */
static void note_what_is_cached(struct disk *disk) {
    for (size_t i = 0; i < DISK_HANDLES; i++) {
        struct disk_file *file = disk->handles[i].file;
        if (file) read_cache(disk, disk->handles[i].handle, file->size, file->now);
    }
}

static void note_what_is_open(const struct disk *disk, struct disk_file *file) {
    file->opens = 0;
    for (size_t at = 0; at < file->highest; at += disk->unit) {
        if (memcmp(file->safe + at, file->handed + at, disk->unit) != 0 ||
            memcmp(file->safe + at, file->now + at, disk->unit) != 0)
            file->open[file->opens++] = (uint32_t)at;
    }
}

void disk_go_down(struct disk *disk) {
    note_what_is_cached(disk);
    for (size_t i = 0; i < DISK_FILES; i++) note_what_is_open(disk, &disk->files[i]);
    disk->is_down = true;
}

static hf_status fail(hf_report *report) {
    report->call = "the system is down";
    return HF_IO;
}

/* False: the system is down, and the call fails without being made. */
static bool begin_call(struct disk *disk) {
    if (disk->is_down) return false;
    disk->calls++;
    return true;
}

static bool is_last(const struct disk *disk) { return disk->calls == disk->last_call; }

static hf_status end_call(struct disk *disk, hf_status status, hf_report *report) {
    if (!is_last(disk)) return status;
    disk_go_down(disk);
    return fail(report);
}

/* ------------------------------------------------------------------- opening ----------------- */

/* Returns the record of the file. A file that existed before the model was made is on the disk. */
static struct disk_file *find_or_add(struct disk *disk, const char *path, intptr_t handle,
                                     uint64_t size) {
    struct disk_file *file = file_named(disk, path);
    if (file) return file;
    file = make_file(disk, path);
    strcpy(file->safe_name, path);
    file->size = file->safe_size = file->lowest = file->highest = size;
    read_cache(disk, handle, size, file->now);
    memcpy(file->safe, file->now, DISK_FILE_BYTES);
    memcpy(file->handed, file->now, DISK_FILE_BYTES);
    return file;
}

/* The backend below has opened the file. If the system crashes in this call, closes it again. */
static hf_status add_opened(struct disk *disk, struct disk_file *file, intptr_t handle,
                            hf_report *report) {
    if (is_last(disk))
        disk->under->file_close(disk->under, handle);
    else
        add_handle(disk, file, handle);
    return end_call(disk, HF_OK, report);
}

static hf_status file_open(const hf_backend *self, const char *path, hf_access access,
                           intptr_t *handle, uint64_t *size, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    hf_status status = disk->under->file_open(disk->under, path, access, handle, size, report);
    if (status != HF_OK) return end_call(disk, status, report);
    return add_opened(disk, find_or_add(disk, path, *handle, *size), *handle, report);
}

static bool exists(const struct disk *disk, const char *path) {
    intptr_t handle;
    uint64_t size;
    hf_report report = {0};
    if (disk->under->file_open(disk->under, path, HF_READ_ONLY, &handle, &size, &report) != HF_OK)
        return false;
    disk->under->file_close(disk->under, handle);
    return true;
}

static hf_status file_open_or_create(const hf_backend *self, const char *path, intptr_t *handle,
                                     uint64_t *size, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    bool is_new = !exists(disk, path);
    hf_status status = disk->under->file_open_or_create(disk->under, path, handle, size, report);
    if (status != HF_OK) return end_call(disk, status, report);
    struct disk_file *file =
        is_new ? make_file(disk, path) : find_or_add(disk, path, *handle, *size);
    file->is_named_by_sync = true;
    return add_opened(disk, file, *handle, report);
}

static hf_status file_create(const hf_backend *self, const char *path, uint64_t size,
                             intptr_t *handle, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    hf_status status = disk->under->file_create(disk->under, path, size, handle, report);
    if (status != HF_OK) return end_call(disk, status, report);
    struct disk_file *file = make_file(disk, path);
    file->size = file->highest = size;
    return add_opened(disk, file, *handle, report);
}

static void file_close(const hf_backend *self, intptr_t handle) {
    struct disk *disk = disk_of(self);
    struct disk_handle *found = find_handle(disk, handle);
    if (!disk->is_down) read_cache(disk, handle, found->file->size, found->file->now);
    found->file = NULL;
    disk->under->file_close(disk->under, handle);
}

/* ------------------------------------------------------------- reading and writing ----------- */

static hf_status file_measure(const hf_backend *self, intptr_t handle, uint64_t *size,
                              hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    return end_call(disk, disk->under->file_measure(disk->under, handle, size, report), report);
}

static hf_status file_read(const hf_backend *self, intptr_t handle, uint64_t offset, void *bytes,
                           size_t size, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    hf_status status = disk->under->file_read(disk->under, handle, offset, bytes, size, report);
    return end_call(disk, status, report);
}

static hf_status file_lock(const hf_backend *self, intptr_t handle, bool exclusive,
                           hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    return end_call(disk, disk->under->file_lock(disk->under, handle, exclusive, report), report);
}

static hf_status file_fill(const hf_backend *self, intptr_t handle, uint64_t size, bool is_shared,
                           hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    return end_call(disk, disk->under->file_fill(disk->under, handle, size, is_shared, report),
                    report);
}

static hf_status file_is_at(const hf_backend *self, intptr_t handle, const char *path,
                            bool *is_there, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    return end_call(disk, disk->under->file_is_at(disk->under, handle, path, is_there, report),
                    report);
}

static void note_size(struct disk_file *file, uint64_t size) {
    CHECK(size <= DISK_FILE_BYTES);
    if (size < file->size) memset(file->handed + size, 0, (size_t)(file->size - size));
    if (size < file->lowest) file->lowest = size;
    if (size > file->highest) file->highest = size;
    file->size = size;
}

static hf_status file_resize(const hf_backend *self, intptr_t handle, uint64_t old_size,
                             uint64_t new_size, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    hf_status status = disk->under->file_resize(disk->under, handle, old_size, new_size, report);
    if (status == HF_OK) note_size(file_of(disk, handle), new_size);
    return end_call(disk, status, report);
}

static hf_status file_write(const hf_backend *self, intptr_t handle, uint64_t offset,
                            const void *bytes, size_t size, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    hf_status status = disk->under->file_write(disk->under, handle, offset, bytes, size, report);
    struct disk_file *file = file_of(disk, handle);
    if (status != HF_OK) return end_call(disk, status, report);
    if (offset + size > file->size) note_size(file, offset + size);
    memcpy(file->handed + offset, bytes, size);
    disk->was_written = true;
    return end_call(disk, status, report);
}

/* --------------------------------------------------------------------- syncing --------------- */

static void make_safe(struct disk_file *file) {
    memcpy(file->safe, file->handed, DISK_FILE_BYTES);
    file->safe_size = file->lowest = file->highest = file->size;
    if (file->is_named_by_sync) strcpy(file->safe_name, file->name);
}

/* Does not call the backend below: the model decides what is on the disk. */
static hf_status file_sync(const hf_backend *self, intptr_t handle, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    bool forgets = disk->fault == DISK_FORGETS_TO_SYNC ||
                   (disk->fault == DISK_FORGETS_TO_SYNC_FIRST && !disk->was_written);
    if (!forgets && !is_last(disk)) make_safe(file_of(disk, handle));
    disk->was_written = false;
    return end_call(disk, HF_OK, report);
}

static struct disk_view *view_at(struct disk *disk, const void *address) {
    for (size_t i = 0; i < DISK_VIEWS; i++)
        if (disk->views[i].address == address) return &disk->views[i];
    return NULL;
}

/* Bytes of a view behind the file's end do not belong to the file. */
static hf_status pass_on(struct disk *disk, const struct disk_view *view, size_t size,
                         hf_report *report) {
    struct disk_file *file = view->file;
    uint64_t rest = file->size > view->file_offset ? file->size - view->file_offset : 0;
    size_t length = rest < size ? (size_t)rest : size;
    return disk->under->file_read(disk->under, view->handle, view->file_offset,
                                  file->handed + view->file_offset, length, report);
}

static hf_status file_flush(const hf_backend *self, void *address, size_t size, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    const struct disk_view *view = view_at(disk, address);
    CHECK(view != NULL && size <= view->size);
    bool forgets = disk->fault == DISK_FORGETS_TO_FLUSH;
    hf_status status = forgets ? HF_OK : pass_on(disk, view, size, report);
    return end_call(disk, status, report);
}

/* ---------------------------------------------------------------------- names ---------------- */

static void sync_names(struct disk *disk) {
    for (size_t i = 0; i < DISK_FILES; i++) strcpy(disk->files[i].safe_name, disk->files[i].name);
}

/* The draft gets a name that no path has ('*'); draft_publish gives it the name of the path. */
static hf_status draft_open(const hf_backend *self, const char *path, uint64_t size, void **draft,
                            intptr_t *handle, hf_report *report) {
    struct disk *disk = disk_of(self);
    char name[DISK_NAME_BYTES];
    if (!begin_call(disk)) return fail(report);
    hf_status status = disk->under->draft_open(disk->under, path, size, draft, handle, report);
    if (status != HF_OK) return end_call(disk, status, report);
    if (is_last(disk)) {
        disk->under->draft_close(disk->under, *draft);
        return end_call(disk, HF_OK, report);
    }
    snprintf(name, sizeof name, "%s*draft", path);
    struct disk_file *file = make_file(disk, name);
    file->size = file->highest = size;
    add_handle(disk, file, *handle);
    disk->draft.draft = *draft;
    disk->draft.handle = *handle;
    disk->draft.is_closed = false;
    disk->draft.file = file;
    snprintf(disk->draft.path, sizeof disk->draft.path, "%s", path);
    return HF_OK;
}

/* Reads the bytes of the draft's file before the backend below closes it. */
static void close_draft_file(struct disk *disk) {
    struct disk_draft *made = &disk->draft;
    if (!disk->is_down) read_cache(disk, made->handle, made->file->size, made->file->now);
    find_handle(disk, made->handle)->file = NULL;
    made->is_closed = true;
}

/* Windows closes the file here, so on no system may a later call use the handle. */
static hf_status draft_publish(const hf_backend *self, void *draft, hf_report *report) {
    struct disk *disk = disk_of(self);
    if (!begin_call(disk)) return fail(report);
    close_draft_file(disk);
    hf_status status = disk->under->draft_publish(disk->under, draft, report);
    if (status != HF_OK) return end_call(disk, status, report);
    struct disk_file *replaced = file_named(disk, disk->draft.path);
    if (replaced) replaced->name[0] = '\0';
    strcpy(disk->draft.file->name, disk->draft.path);
    if (!is_last(disk) && disk->fault != DISK_FORGETS_TO_SYNC_THE_NAMES) sync_names(disk);
    return end_call(disk, status, report);
}

static void draft_close(const hf_backend *self, void *draft) {
    struct disk *disk = disk_of(self);
    struct disk_draft *made = &disk->draft;
    CHECK(made->draft == draft);
    if (!made->is_closed) close_draft_file(disk);
    disk->under->draft_close(disk->under, draft);
    if (strchr(made->file->name, '*')) made->file->name[0] = '\0';
    made->draft = NULL;
}

/* ---------------------------------------------------------------------- views ---------------- */

static hf_status map(const hf_backend *self, void *address, size_t size, intptr_t handle,
                     uint64_t file_offset, hf_access access, hf_report *report) {
    struct disk *disk = disk_of(self);
    hf_status status =
        disk->under->map(disk->under, address, size, handle, file_offset, access, report);
    if (status != HF_OK || access != HF_READ_WRITE) return status;
    struct disk_view *view = view_at(disk, NULL);
    CHECK(view != NULL);
    *view = (struct disk_view){address, size, file_of(disk, handle), handle, file_offset};
    return HF_OK;
}

static void remove_view(struct disk *disk, const void *address) {
    struct disk_view *view = view_at(disk, address);
    if (view) view->address = NULL;
}

static hf_status unmap(const hf_backend *self, void *address, size_t size, hf_report *report) {
    struct disk *disk = disk_of(self);
    hf_status status = disk->under->unmap(disk->under, address, size, report);
    if (status == HF_OK) remove_view(disk, address);
    return status;
}

static void release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    struct disk *disk = disk_of(self);
    disk->under->release(disk->under, address, size, kind);
    remove_view(disk, address);
}

/* ------------------------------------------------------------------- outcomes ---------------- */

/* A sequence of choices: the digits of a number, or random ones. */
struct guess {
    bool is_random;
    uint64_t number;
    struct random *random;
};

static size_t choose(struct guess *guess, size_t count) {
    if (guess->is_random) return random_below(guess->random, count);
    size_t chosen = (size_t)(guess->number % count);
    guess->number /= count;
    return chosen;
}

static bool names_differ(const struct disk *disk) {
    for (size_t i = 0; i < DISK_FILES; i++)
        if (strcmp(disk->files[i].name, disk->files[i].safe_name) != 0) return true;
    return false;
}

static const struct disk_file *find_named(const struct disk *disk, const char *name, bool safe) {
    for (size_t i = 0; i < DISK_FILES; i++) {
        const struct disk_file *file = &disk->files[i];
        if (strcmp(safe ? file->safe_name : file->name, name) == 0) return file;
    }
    return NULL;
}

/* The different contents of one unit: 1 to 3 of them. */
static size_t contents_of(const struct disk *disk, const struct disk_file *file, size_t at,
                          const unsigned char *contents[3]) {
    const unsigned char *all[] = {file->safe + at, file->handed + at, file->now + at};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        bool is_known = false;
        for (size_t j = 0; j < count; j++)
            is_known = is_known || memcmp(all[i], contents[j], disk->unit) == 0;
        if (!is_known) contents[count++] = all[i];
    }
    return count;
}

static bool size_is_open(const struct disk_file *file) { return file->lowest != file->highest; }

/* The size on the disk, the size now, the smallest, and a random one up to the largest. */
enum { SIZES = 4 };

static uint64_t choose_size(const struct disk *disk, const struct disk_file *file,
                            struct guess *guess) {
    if (!size_is_open(file)) return file->size;
    switch (choose(guess, SIZES)) {
    case 0: return file->safe_size;
    case 1: return file->size;
    case 2: return file->lowest;
    default: break;
    }
    size_t units = (size_t)(file->highest - file->lowest) / disk->unit;
    return file->lowest + random_below(guess->random, units + 1) * disk->unit;
}

static uint64_t times(uint64_t count, size_t more) {
    return count > UINT64_MAX / more ? UINT64_MAX : count * more;
}

static uint64_t outcomes_of(const struct disk *disk, const struct disk_file *file) {
    const unsigned char *contents[3];
    uint64_t count = file && size_is_open(file) ? SIZES : 1;
    for (size_t i = 0; file && i < file->opens; i++)
        count = times(count, contents_of(disk, file, file->open[i], contents));
    return count;
}

uint64_t disk_outcomes(const struct disk *disk, const char *name) {
    uint64_t now = outcomes_of(disk, find_named(disk, name, false));
    uint64_t safe = outcomes_of(disk, find_named(disk, name, true));
    return names_differ(disk) ? times(now > safe ? now : safe, 2) : now;
}

bool disk_outcome(const struct disk *disk, const char *name, uint64_t number, struct random *random,
                  unsigned char *bytes, uint64_t *size) {
    struct guess guess = {number == UINT64_MAX, number, random};
    bool is_safe = names_differ(disk) && choose(&guess, 2) == 0;
    const struct disk_file *file = find_named(disk, name, is_safe);
    if (file == NULL) return false;
    *size = choose_size(disk, file, &guess);
    memcpy(bytes, file->safe, (size_t)file->highest);
    for (size_t i = 0; i < file->opens; i++) {
        const unsigned char *contents[3];
        size_t at = file->open[i], count = contents_of(disk, file, at, contents);
        memcpy(bytes + at, contents[choose(&guess, count)], disk->unit);
    }
    return true;
}

/* ------------------------------------------------------------- beginning and end ------------- */

void disk_init(struct disk *disk, const hf_backend *under) {
    *disk = (struct disk){.under = under ? under : hf_backend_native(), .unit = 4096};
    disk->backend = *disk->under;
    disk->backend.map = map;
    disk->backend.unmap = unmap;
    disk->backend.release = release;
    disk->backend.file_open = file_open;
    disk->backend.file_create = file_create;
    disk->backend.file_open_or_create = file_open_or_create;
    disk->backend.file_close = file_close;
    disk->backend.file_measure = file_measure;
    disk->backend.file_resize = file_resize;
    disk->backend.file_read = file_read;
    disk->backend.file_write = file_write;
    disk->backend.file_sync = file_sync;
    disk->backend.file_flush = file_flush;
    disk->backend.file_lock = file_lock;
    disk->backend.draft_open = draft_open;
    disk->backend.draft_publish = draft_publish;
    disk->backend.draft_close = draft_close;
    disk->backend.file_fill = file_fill;
    disk->backend.file_is_at = file_is_at;
}

void disk_free(struct disk *disk) {
    for (size_t i = 0; i < DISK_FILES; i++) {
        struct disk_file *file = &disk->files[i];
        if (file->name[0]) disk_remove(file->name);
        free(file->safe);
        free(file->handed);
        free(file->now);
    }
}

void disk_restart(struct disk *disk, size_t last_call) {
    disk->is_down = false;
    disk->calls = 0;
    disk->last_call = last_call;
}
