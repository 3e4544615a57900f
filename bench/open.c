/*
 * bench/open.c -- opens images of 16 MiB and 4 GiB. Opening reads only the header, so both should
 * take the same time.
 *
 *     holdfast         hf_arena_open_file, 16 MiB
 *     holdfast_4_GiB   hf_arena_open_file, 4 GiB
 *     mapped           open(2) and mmap only, 16 MiB
 *     read             open(2) and read(2) into memory that is faulted in, 16 MiB
 *
 * An iteration opens a file that is in the page cache: as a snapshot, read-only or read-write. (For
 * mapped and read these do not differ.) Closing is not timed, and no page is touched. Opening
 * read-write waits for one fsync: wall time that depends on the disk, and little processor time.
 */
#include "workloads.h"

#include <fcntl.h>
#include <holdfast.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "folder.h"
#include "meter.h"
#include "shim.h"

static const size_t small_size = (size_t)16 << 20;
static const size_t large_size = (size_t)4 << 30;

typedef struct opened_file {
    hf_arena arena;
    int descriptor;
    char *bytes;
} opened_file;

typedef struct open_contender {
    bool (*open)(opened_file *, const char *path, hf_access access);
    void (*close)(opened_file *);
} open_contender;

/* --------------------------------------------------------------- the image ---------------- */

/* Replaces file_resize of the native backend: makes the file sparse, so that an image of 4 GiB
 * takes no blocks on the disk. */
static hf_status resize_sparsely(const hf_backend *self, intptr_t file, uint64_t old_size,
                                 uint64_t new_size, hf_report *report) {
    (void)self, (void)old_size, (void)report;
    return ftruncate((int)file, (off_t)new_size) == 0 ? HF_OK : HF_IO;
}

static bool make_image(const char *path, size_t size) {
    hf_backend sparse = *hf_backend_native();
    sparse.file_resize = resize_sparsely;
    hf_arena arena;
    hf_arena_options options = {.backend = &sparse};
    if (hf_arena_open_file(&arena, path, HF_READ_WRITE, &options) != HF_OK) return false;
    bool is_made = hf_alloc(&arena, size, 1) != NULL && hf_arena_sync(&arena) == HF_OK;
    hf_arena_close(&arena);
    return is_made;
}

/* ------------------------------------------------------------- contenders ----------------- */

static bool open_arena(opened_file *file, const char *path, hf_access access) {
    return hf_arena_open_file(&file->arena, path, access, NULL) == HF_OK;
}

static void close_arena(opened_file *file) { hf_arena_close(&file->arena); }

static bool open_mapped(opened_file *file, const char *path, hf_access access) {
    (void)access;
    file->descriptor = open(path, O_RDONLY);
    if (file->descriptor < 0) return false;
    file->bytes = mmap(NULL, small_size, PROT_READ, MAP_SHARED, file->descriptor, 0);
    return file->bytes != MAP_FAILED;
}

static void close_mapped(opened_file *file) {
    munmap(file->bytes, small_size);
    close(file->descriptor);
}

static char memory[(size_t)16 << 20];

static bool open_and_read(opened_file *file, const char *path, hf_access access) {
    (void)access;
    file->descriptor = open(path, O_RDONLY);
    if (file->descriptor < 0) return false;
    return read(file->descriptor, memory, small_size) == (ssize_t)small_size;
}

static void close_descriptor(opened_file *file) { close(file->descriptor); }

/* -------------------------------------------------------------- measuring ----------------- */

static const open_contender open_holdfast = {open_arena, close_arena};
static const open_contender open_by_mmap = {open_mapped, close_mapped};
static const open_contender open_by_read = {open_and_read, close_descriptor};

static bool open_once(bench_state *state, const open_contender *contender, const char *path,
                      hf_access access) {
    opened_file file;
    bool is_open = contender->open(&file, path, access);
    bench_pause(state);
    if (is_open) contender->close(&file);
    bench_resume(state);
    return is_open;
}

static bool open_repeatedly(bench_state *state, const open_contender *contender, const char *path,
                            hf_access access) {
    bench_meter meter = {0};
    size_t rounds = 0;
    meter_watch_memory(&meter);
    meter_begin(&meter);
    for (; bench_next_batch(state, 1); rounds++) {
        if (!open_once(state, contender, path, access)) return false;
    }
    meter_end(&meter);
    meter_report(&meter, state, rounds);
    return true;
}

static void run_open(bench_state *state, const open_contender *contender, size_t size,
                     hf_access access) {
    char path[FOLDER_PATH];
    folder_path(path, "image");
    if (!make_image(path, size) || !open_repeatedly(state, contender, path, access))
        bench_skip(state, "the image could not be made or opened");
    unlink(path);
}

#define OPEN(name, contender, size, access) \
    static void run_##name(bench_state *state) { run_open(state, contender, size, access); }
OPEN(snapshot, &open_holdfast, small_size, HF_COPY_ON_WRITE)
OPEN(snapshot_4_GiB, &open_holdfast, large_size, HF_COPY_ON_WRITE)
OPEN(read_only, &open_holdfast, small_size, HF_READ_ONLY)
OPEN(read_only_4_GiB, &open_holdfast, large_size, HF_READ_ONLY)
OPEN(read_write, &open_holdfast, small_size, HF_READ_WRITE)
OPEN(read_write_4_GiB, &open_holdfast, large_size, HF_READ_WRITE)
OPEN(mapped, &open_by_mmap, small_size, HF_READ_ONLY)
OPEN(read, &open_by_read, small_size, HF_READ_ONLY)

void register_open(void) {
#define REGISTER(name, run) bench_register(name, run_##run, BENCH_MICROSECONDS, NULL, 0);
    REGISTER("snapshot/holdfast", snapshot)
    REGISTER("snapshot/holdfast_4_GiB", snapshot_4_GiB)
    REGISTER("snapshot/mapped", mapped)
    REGISTER("snapshot/read", read)
    REGISTER("read_only/holdfast", read_only)
    REGISTER("read_only/holdfast_4_GiB", read_only_4_GiB)
    REGISTER("read_write/holdfast", read_write)
    REGISTER("read_write/holdfast_4_GiB", read_write_4_GiB)
}
