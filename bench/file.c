/*
 * bench/file.c -- 256 MiB appended to an empty file in blocks of one size: a read-write arena
 * beside write(2) and mmap.
 *
 * A store into a mapping needs the file's disk blocks and cached pages first; write(2) allocates
 * both as it copies. The contenders that map differ in how they allocate them:
 *
 *     holdfast           hf_alloc and memcpy in a read-write arena
 *     write              write(2)
 *     mapped_truncate    mmap and memcpy; ftruncate extends the file, so a store can meet a full
 *                        disk (SIGBUS)
 *     mapped_allocate    the same; posix_fallocate extends the file
 *     mapped_zeros       the same; zeros written in blocks of 64 KiB extend the file
 *
 * Those that map extend the file by 64 MiB at a time. An iteration is a whole file. Opening and
 * deleting it are not timed, and nothing is synced: the bytes need not reach the disk.
 */
#include "workloads.h"

#include <fcntl.h>
#include <holdfast.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "folder.h"
#include "growth.h"
#include "meter.h"
#include "shim.h"

static const size_t total = (size_t)256 << 20;
static const size_t mapped_step = (size_t)64 << 20;

enum { MOST_BLOCK = 1 << 20 };

static char block_bytes[MOST_BLOCK];

/* The file being written: an arena, or a descriptor and the mapping of its first `limit` bytes. */
typedef struct growing_file {
    hf_arena arena;
    char path[FOLDER_PATH];
    int descriptor;
    char *base;
    size_t used, limit;
    bool (*extend)(int descriptor, size_t from, size_t end);
} growing_file;

typedef struct file_contender {
    bool (*open)(growing_file *);
    bool (*append)(growing_file *, size_t size);
    void (*close)(growing_file *); /* called when the file is truncated to 0 bytes */
    bool (*extend)(int descriptor, size_t from, size_t end);
} file_contender;

/* --------------------------------------------------------------- holdfast ----------------- */

static bool open_arena(growing_file *file) {
    return hf_arena_open_file(&file->arena, file->path, HF_READ_WRITE, NULL) == HF_OK;
}

static bool append_to_arena(growing_file *file, size_t size) {
    void *block = hf_alloc(&file->arena, size, 1);
    if (block) memcpy(block, block_bytes, size);
    return block != NULL;
}

static void close_arena(growing_file *file) { hf_arena_close(&file->arena); }

/* ------------------------------------------------------------------ write ----------------- */

static bool open_descriptor(growing_file *file) {
    file->descriptor = open(file->path, O_RDWR | O_CREAT | O_EXCL, 0666);
    return file->descriptor >= 0;
}

static bool append_by_write(growing_file *file, size_t size) {
    return write(file->descriptor, block_bytes, size) == (ssize_t)size;
}

static void close_descriptor(growing_file *file) { close(file->descriptor); }

/* ----------------------------------------------------------------- mapped ----------------- */

static bool extend_by_truncate(int descriptor, size_t from, size_t end) {
    (void)from;
    return ftruncate(descriptor, (off_t)end) == 0;
}

static bool extend_by_allocate(int descriptor, size_t from, size_t end) {
    return posix_fallocate(descriptor, (off_t)from, (off_t)(end - from)) == 0;
}

static bool extend_by_zeros(int descriptor, size_t from, size_t end) {
    static const char zeros[65536];
    for (; from < end; from += sizeof zeros) {
        if (pwrite(descriptor, zeros, sizeof zeros, (off_t)from) != sizeof zeros) return false;
    }
    return true;
}

static bool open_mapped(growing_file *file) {
    file->base = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return file->base != MAP_FAILED && open_descriptor(file);
}

static bool grow_mapped(growing_file *file) {
    size_t from = file->limit, end = from + mapped_step;
    if (!file->extend(file->descriptor, from, end)) return false;
    file->limit = end;
    return mmap(file->base + from, mapped_step, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                file->descriptor, (off_t)from) != MAP_FAILED;
}

static bool append_to_mapped(growing_file *file, size_t size) {
    if (size > file->limit - file->used && !grow_mapped(file)) return false;
    memcpy(file->base + file->used, block_bytes, size);
    file->used += size;
    return true;
}

static void close_mapped(growing_file *file) {
    munmap(file->base, total);
    close_descriptor(file);
}

/* -------------------------------------------------------------- measuring ----------------- */

static const file_contender file_holdfast = {open_arena, append_to_arena, close_arena, NULL};
static const file_contender file_write = {open_descriptor, append_by_write, close_descriptor, NULL};
static const file_contender file_mapped_truncate = {open_mapped, append_to_mapped, close_mapped,
                                                    extend_by_truncate};
static const file_contender file_mapped_allocate = {open_mapped, append_to_mapped, close_mapped,
                                                    extend_by_allocate};
static const file_contender file_mapped_zeros = {open_mapped, append_to_mapped, close_mapped,
                                                 extend_by_zeros};

static bool fill(const file_contender *contender, growing_file *file, size_t block) {
    for (size_t done = 0; done < total; done += block) {
        if (!contender->append(file, block)) return false;
    }
    return true;
}

/* Writes one file. The timer is running before and after. Truncating before closing discards
 * cached pages, so that they are not written to the disk. */
static bool run_once(bench_state *state, const file_contender *contender, bench_meter *meter) {
    growing_file file = {.extend = contender->extend};
    bench_pause(state);
    folder_path(file.path, "growing");
    bool opened = contender->open(&file), filled = false;
    growth_touch(total);
    meter_watch_memory(meter);
    meter_begin(meter);
    bench_resume(state);
    if (opened) filled = fill(contender, &file, bench_range(state));
    bench_pause(state);
    meter_end(meter);
    bool is_truncated = truncate(file.path, 0) == 0;
    if (opened) contender->close(&file);
    unlink(file.path);
    bench_resume(state);
    return filled && is_truncated;
}

static void run_file(bench_state *state, const file_contender *contender) {
    bench_meter meter = {0};
    size_t rounds = 0;
    memset(block_bytes, 1, sizeof block_bytes);
    for (; bench_next_batch(state, 1); rounds++) {
        if (run_once(state, contender, &meter)) continue;
        bench_skip(state, "the file could not be written");
        return;
    }
    meter_report(&meter, state, rounds);
}

#define FILE_CONTENDERS(X) \
    X(holdfast) X(write) X(mapped_truncate) X(mapped_allocate) X(mapped_zeros)

#define RUN(name) \
    static void run_##name(bench_state *state) { run_file(state, &file_##name); }
FILE_CONTENDERS(RUN)

void register_file(void) {
    static const size_t sizes[] = {4096, 65536, MOST_BLOCK};
#define REGISTER(name) bench_register("file/" #name, run_##name, BENCH_MILLISECONDS, sizes, 3);
    FILE_CONTENDERS(REGISTER)
}
