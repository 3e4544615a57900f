/*
 * image.c -- arenas in files: opening, growing, syncing, saving.
 *
 *      file      | header area |      the arena's bytes      | allocated, not used yet |
 *                0             64 KiB
 *      memory                  | view |   view   |   view    |        placeholder ...
 *                              base                   ^ pos  ^ limit
 *
 * The header is read and written by file calls and never mapped, so that the kernel writes it when
 * we say so, and no earlier. In memory a persistent arena is views where another is committed:
 * arena.c grows it through core->place, and knows no more of files.
 *
 * An image is opened in this order: lock, look, reserve, cut off what is of no sync, map, look
 * again. Nothing is mapped that was not checked, and what changed in between is found. And nothing
 * is cut off where anything is mapped: Windows would refuse that.
 */
#include "again.h"
#include "arena.h"
#include "fail.h"
#include "file.h"
#include "marking.h"
#include "pages.h"

#include <string.h>

typedef struct image {
    const hf_backend *backend;
    hf_arena_options options;
    hf_access access;
    hf_file *file;
    hf_image_header record;
    bool is_new;
    bool is_made;      /* the file was empty, or zeros, and is not any more */
    bool has_any_size; /* the program named no reservation */
    size_t mapped;     /* bytes of the arena that are in the file: used, padded */
} image;

static uint64_t pad(uint64_t size) { return (size + HF_IMAGE_AREA - 1) & ~(HF_IMAGE_AREA - 1); }

static hf_status settle(hf_status status, const hf_report *report, size_t offset, size_t size) {
    return status == HF_OK ? HF_OK : hf_fail_reported(status, report, offset, size);
}

/* A refusal on the way to success is none of the caller's. */
static hf_status settle_last(hf_status status, hf_error before) {
    if (status == HF_OK) hf_fail_again(before);
    return status;
}

/* A refusal whose undo must not hide it. */
static hf_status undone(hf_error error) { return hf_fail_again(error); }

/* ------------------------------------------------------------------ looking at it -------- */

static const char opening[] = "hf_arena_open_file";

static hf_status corrupt(const char *why) {
    return hf_fail_because(HF_CORRUPT, opening, why, 0, 0);
}

static hf_status read_area(const image *opened, void *area, size_t size) {
    hf_report report = {0};
    hf_status status = opened->backend->file_read(opened->backend, hf_file_handle(opened->file), 0,
                                                  area, size, &report);
    return settle(status, &report, 0, size);
}

/* The record is sound by its checksum; whether it is true of this file is another matter. */
static hf_status check_record(const image *opened) {
    const hf_image_header *record = &opened->record;
    uint64_t room = hf_file_size(opened->file) - HF_IMAGE_AREA;
    if (record->used > room || pad(record->used) > room) return corrupt("the image is cut off");
    if (record->root > record->used || record->base == 0 ||
        record->base % HF_ALLOCATION_GRANULARITY != 0 || record->base > UINTPTR_MAX ||
        pad(record->used) > UINTPTR_MAX - record->base)
        return corrupt("the image's header is damaged");
    if (record->tag != opened->options.tag) return corrupt("the image has another tag");
    if (pad(record->used) > SIZE_MAX / 2) return hf_fail(HF_RESERVE_FULL, opening, 0, SIZE_MAX);
    return HF_OK;
}

/* A file that is to be an image is empty, or was left by a crash while it was made: zeros. */
static hf_status look_into(image *opened, const unsigned char *area, size_t size) {
    bool blank = hf_file_size(opened->file) <= HF_IMAGE_AREA && hf_image_is_blank(area, size);
    opened->is_new = blank && opened->access == HF_READ_WRITE;
    if (opened->is_new) return HF_OK;
    if (size < HF_IMAGE_AREA)
        return corrupt(hf_image_has_magic(area, size) ? "the image is cut off"
                                                      : "the file is no image");
    const char *reason = NULL;
    hf_status status = hf_image_decode(area, &opened->record, &reason);
    return status == HF_OK ? check_record(opened) : hf_fail_because(status, opening, reason, 0, 0);
}

static hf_status look(image *opened) {
    hf_report report = {0};
    void *area;
    hf_status status = hf_file_measure(opened->file, &report);
    if (status == HF_OK) status = hf_allocate_pages(opened->backend, HF_IMAGE_AREA, &area, &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, HF_IMAGE_AREA);
    uint64_t size = hf_file_size(opened->file);
    size_t read = size < HF_IMAGE_AREA ? (size_t)size : HF_IMAGE_AREA;
    status = read_area(opened, area, read);
    if (status == HF_OK) status = look_into(opened, area, read);
    opened->backend->free_pages(opened->backend, area, HF_IMAGE_AREA);
    opened->mapped = (size_t)pad(opened->record.used);
    return status;
}

/* What somebody else has written there is not ours to cut. */
static hf_status look_again(image *opened) {
    image now = *opened;
    uint64_t size = hf_file_size(opened->file);
    hf_status status = look(&now);
    if (status == HF_IO || status == HF_NO_MEMORY || status == HF_MAP_LIMIT) return status;
    bool same = status == HF_OK && size == hf_file_size(opened->file) &&
                now.is_new == opened->is_new &&
                memcmp(&now.record, &opened->record, sizeof now.record) == 0;
    if (same) return HF_OK;
    opened->is_made = false;
    return corrupt("the image changed while it was opened");
}

/* The lock is released by name: a child that was forked meanwhile has the open file, too. */
static void close_locked(hf_file *file) {
    const hf_backend *backend = hf_file_backend(file);
    backend->file_unlock(backend, hf_file_handle(file));
    hf_file_close(file);
}

/* Until it was locked, another process could give the path to another file. */
static hf_status open_and_lock(image *opened, const char *path, bool *is_there) {
    const hf_backend *backend = opened->backend;
    hf_report report = {0};
    hf_status status = opened->access == HF_READ_WRITE
                           ? hf_file_open_or_create(&opened->file, path, backend)
                           : hf_file_open(&opened->file, path, opened->access, backend);
    if (status != HF_OK) return status;
    intptr_t handle = hf_file_handle(opened->file);
    status = backend->file_lock(backend, handle, opened->access == HF_READ_WRITE, &report);
    if (status == HF_OK) status = backend->file_is_at(backend, handle, path, is_there, &report);
    if (status == HF_OK && *is_there) return HF_OK;
    close_locked(opened->file);
    return settle(status, &report, 0, 0);
}

/* A path that another process replaces so often is busy. */
#define MOST_RACES 100

static hf_status lock_what_is_there(image *opened, const char *path) {
    for (int race = 0; race < MOST_RACES; race++) {
        bool is_there = false;
        hf_status status = open_and_lock(opened, path, &is_there);
        if (status != HF_OK || is_there) return status;
    }
    return hf_fail_because(HF_BUSY, opening, "another process replaces the file again and again", 0,
                           0);
}

static hf_status open_image(image *opened, const char *path) {
    hf_status status = lock_what_is_there(opened, path);
    if (status != HF_OK) return status;
    status = hf_file_has_huge_pages(opened->file)
                 ? hf_fail(HF_UNSUPPORTED, "hf_arena_open_file", 0, 0)
                 : look(opened);
    if (status != HF_OK) close_locked(opened->file);
    return status;
}

/* --------------------------------------------------------------------- reserving --------- */

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* A frozen arena takes what it shows; any other has room to grow. */
static hf_status choose_sizes(image *opened) {
    hf_arena_options *wanted = &opened->options;
    if (opened->access == HF_READ_ONLY) {
        wanted->reserve = wanted->least_reserve = larger(opened->mapped, HF_IMAGE_AREA);
        return HF_OK;
    }
    opened->has_any_size = wanted->reserve == 0;
    if (wanted->reserve == 0)
        wanted->reserve = larger(hf_budget_first(opened->backend)->reserve,
                                 larger(2 * opened->mapped, wanted->least_reserve));
    if (wanted->reserve <= SIZE_MAX / 2) wanted->reserve = (size_t)pad(wanted->reserve);
    if (wanted->reserve < opened->mapped)
        return hf_fail(HF_RESERVE_FULL, opening, 0, opened->mapped);
    if (wanted->least_reserve == 0 && wanted->reserve > HF_DEFAULT_LEAST)
        wanted->least_reserve = HF_DEFAULT_LEAST;
    if (wanted->least_reserve <= wanted->reserve)
        wanted->least_reserve = larger(wanted->least_reserve, opened->mapped);
    return HF_OK;
}

static hf_status open_at(hf_arena *arena, const image *opened, uintptr_t base, bool whole) {
    hf_arena_options wanted = opened->options;
    wanted.base = (void *)base;
    if (whole && wanted.least_reserve < wanted.reserve) wanted.least_reserve = wanted.reserve;
    return hf_arena_open(arena, &wanted);
}

/*
 * Where new images lie: at addresses where no system puts anything by itself, and which
 * AddressSanitizer leaves alone. They are far below the stacks, libraries and mappings at the top
 * of 47 bits of addresses, below position-independent programs (at two thirds of the addresses and
 * above), and beside the mappings of a Linux process with an unlimited stack (from a third of them
 * on), which are few.
 *
 *      0x410000000000  15 TiB: any process; above them newer AddressSanitizers have their heap
 *      0x110000000000  25 TiB: the same; below them older ones have their shadow
 *      0x551000000000  what ThreadSanitizer and MemorySanitizer leave alone too; below it lies
 *                      HF_BASE_FIXED
 *      0x1000000000    for systems with 38 or 39 bits of addresses
 *
 * The bases are a multiple of 2 MiB and 64 KiB: a byte then lies as far from a huge page's
 * beginning in memory as in the file, so the system can map the file's cache in large pieces.
 */
typedef struct base_range {
    uint64_t first, step;
    unsigned count;
    bool is_small; /* a default reservation is cut to one step */
} base_range;

static const base_range base_ranges[] = {
    {0x410000000000, (uint64_t)64 << 30, 240, false},
    {0x110000000000, (uint64_t)64 << 30, 400, false},
    {0x551000000000, (uint64_t)64 << 30, 4, false},
    {0x1000000000, (uint64_t)4 << 30, 24, true},
};

/* Images that are made by different runs should be able to be open together: so each begins to look
 * at another place. FNV-1a over the path, the process and an address on its stack. */
static unsigned choose_place(const image *opened, const char *path) {
    uint64_t seed[2] = {opened->backend->process(opened->backend), (uintptr_t)&seed};
    uint64_t hash = 0xcbf29ce484222325;
    for (const char *at = path; *at; at++) hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
    for (size_t i = 0; i < sizeof seed; i++)
        hash = (hash ^ ((const unsigned char *)seed)[i]) * 0x100000001b3;
    return (unsigned)(hash >> 32);
}

static hf_status reserve_in(hf_arena *arena, const image *opened, const base_range *range,
                            unsigned place) {
    image fitted = *opened;
    size_t *reserve = &fitted.options.reserve;
    if (range->is_small && opened->has_any_size && *reserve > range->step) {
        *reserve = larger((size_t)range->step, opened->mapped);
        fitted.options.least_reserve = *reserve;
    }
    for (unsigned tries = 0; tries < range->count; tries++) {
        uint64_t base = range->first + (place + tries) % range->count * range->step + HF_IMAGE_AREA;
        if (base > UINTPTR_MAX || *reserve >= 0 - (uintptr_t)base) break; /* beyond all addresses */
        hf_status status = open_at(arena, &fitted, (uintptr_t)base, true);
        if (status != HF_NO_ADDRESS) return status;
    }
    return HF_NO_ADDRESS;
}

static hf_status reserve_new(hf_arena *arena, const image *opened, const char *path) {
    if (opened->options.base) return open_at(arena, opened, (uintptr_t)opened->options.base, false);
    hf_error before = hf_last_error();
    unsigned place = choose_place(opened, path);
    size_t first = place % (base_ranges[0].count + base_ranges[1].count) < base_ranges[1].count;
    for (size_t i = 0; i < sizeof base_ranges / sizeof *base_ranges; i++) {
        const base_range *range = &base_ranges[i < 2 ? i ^ first : i];
        hf_status status = reserve_in(arena, opened, range, place);
        if (status != HF_NO_ADDRESS) return settle_last(status, before);
    }
    return settle_last(open_at(arena, opened, 0, false), before);
}

/* An image can have lain so near to the end of all addresses that above it there are fewer than are
 * wanted now. */
static hf_status open_where_it_lay(hf_arena *arena, const image *opened) {
    image fitted = *opened;
    hf_arena_options *wanted = &fitted.options;
    uintptr_t base = (uintptr_t)opened->record.base;
    size_t above = 0 - base;
    if (wanted->least_reserve > above && wanted->least_reserve <= wanted->reserve)
        return hf_fail(HF_NO_ADDRESS, opening, 0, wanted->least_reserve);
    if (wanted->reserve > above) wanted->reserve = above;
    return open_at(arena, &fitted, base, false);
}

static hf_status explain_collision(void) {
    hf_error error = hf_last_error();
    error.reason = "the address that the image was made at is taken, by another mapping or by this "
                   "image, open already: open the image before that, or with any_base if it holds "
                   "refs and no pointers, or make it again with another base";
    return hf_fail_again(error);
}

static hf_status reserve_again(hf_arena *arena, const image *opened) {
    uintptr_t base = (uintptr_t)opened->record.base, named = (uintptr_t)opened->options.base;
    bool any = opened->options.any_base, elsewhere = named != 0 && named != base;
    if (elsewhere && !any)
        return hf_fail_because(HF_INVALID, opening, "the image lies at another base", 0,
                               opened->mapped);
    hf_error before = hf_last_error();
    hf_status status =
        elsewhere ? open_at(arena, opened, named, false) : open_where_it_lay(arena, opened);
    if (status != HF_NO_ADDRESS) return status;
    return any ? settle_last(open_at(arena, opened, 0, false), before) : explain_collision();
}

/* ------------------------------------------------------------------ writing it ----------- */

static hf_status sync_file(hf_arena_core *core) {
    hf_report report = {0};
    hf_status status =
        core->backend->file_sync(core->backend, hf_file_handle(core->image), &report);
    core->own_calls += report.system_calls;
    return settle(status, &report, 0, 0);
}

static hf_status write_record(const hf_backend *backend, intptr_t file,
                              const hf_image_header *record, hf_report *report) {
    unsigned char slot[HF_IMAGE_SLOT];
    hf_image_encode(slot, record);
    return backend->file_write(backend, file, hf_image_slot_offset(record), slot, sizeof slot,
                               report);
}

/* The older slot is overwritten: until the sync is through, the newer one holds. */
static hf_status put_record(hf_arena_core *core, const hf_image_header *record) {
    hf_report report = {0};
    hf_status status = write_record(core->backend, hf_file_handle(core->image), record, &report);
    core->own_calls += report.system_calls;
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, HF_IMAGE_SLOT);
    status = sync_file(core);
    if (status == HF_OK) core->record = *record;
    return status;
}

static hf_status flush_views(hf_arena_core *core) {
    if (core->backend->file_flush == NULL) return HF_OK;
    hf_status status = HF_OK;
    for (hf_region region = {0}; status == HF_OK && hf_space_next(core->space, &region);) {
        hf_report report = {0};
        if (region.kind == HF_VIEW)
            status = core->backend->file_flush(core->backend, core->shown.base + region.offset,
                                               region.size, &report);
        core->own_calls += report.system_calls;
        settle(status, &report, region.offset, region.size);
    }
    return status;
}

/* Bytes first, then the record that counts them. */
static hf_status write_all(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    hf_image_header record = core->record;
    record.used = hf_get_mark(arena);
    record.root = core->root;
    hf_status status = flush_views(core);
    if (status == HF_OK) status = sync_file(core);
    bool is_new = memcmp(&record, &core->record, sizeof record) != 0;
    if (status != HF_OK || !is_new) return status;
    record.sequence++;
    return put_record(core, &record);
}

/* A file without a name is gone when it closes. Only the number of its links is looked at. */
static hf_status check_name(hf_arena_core *core) {
    hf_report report = {0};
    bool has_name = false;
    hf_status status = core->backend->file_is_at(core->backend, hf_file_handle(core->image), NULL,
                                                 &has_name, &report);
    core->own_calls += report.system_calls;
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, 0);
    return has_name ? HF_OK
                    : hf_fail_because(HF_IO, "hf_arena_sync",
                                      "the image's file was deleted or replaced", 0, 0);
}

hf_status hf_image_check_owner(const hf_arena_core *core, const char *call) {
    if (!core->is_read_write || core->process == core->backend->process(core->backend))
        return HF_OK;
    return hf_fail_because(HF_WRONG_STATE, call, "a forked child can only read the image", 0, 0);
}

/* After a write to the disk failed, the system may take pages for clean that are not on it: a later
 * sync that succeeds would prove nothing. So the failure stays. */
hf_status hf_arena_sync(hf_arena *arena) {
    if (arena->state == NULL || !hf_core_of(arena)->is_read_write)
        return hf_fail(HF_WRONG_STATE, "hf_arena_sync", 0, 0);
    hf_arena_core *core = hf_core_of(arena);
    if (core->sync_failure.status != HF_OK) return hf_fail_again(core->sync_failure);
    hf_status status = hf_image_check_owner(core, "hf_arena_sync");
    if (status != HF_OK) return status;
    status = check_name(core);
    if (status == HF_OK) status = write_all(arena);
    if (status != HF_OK) core->sync_failure = hf_last_error();
    return status;
}

/* ------------------------------------------------------------------- growing ------------- */

static hf_status resize(hf_arena_core *core, uint64_t size) {
    hf_report report = {0};
    hf_status status = hf_file_resize(core->image, size, &report);
    core->own_calls += report.system_calls;
    return settle(status, &report, core->limit, 0);
}

/* Blocks first: a store must never find the disk full. The file is padded at any moment, for at any
 * moment a sync may count all of it. Where no file can be cut that is mapped, what became longer
 * for nothing waits for the next step, or for the end. */
static hf_status place_view(hf_arena_core *core, size_t size) {
    uint64_t from = HF_IMAGE_AREA + core->limit, before = hf_file_size(core->image);
    uint64_t needed = HF_IMAGE_AREA + pad((uint64_t)core->limit + size);
    bool is_longer = needed > before;
    hf_status status = is_longer ? resize(core, needed) : HF_OK;
    if (status != HF_OK) return status;
    status = hf_space_map_range(core->space, core->limit, size, core->image, from, HF_READ_WRITE);
    if (status == HF_OK || !is_longer) return status;
    hf_error error = hf_last_error();
    resize(core, before);
    return undone(error);
}

static hf_status place(hf_arena_core *core, size_t size) {
    hf_status status = hf_image_check_owner(core, "hf_alloc");
    return status == HF_OK ? hf_arena_place_tidily(core, size, place_view) : status;
}

/* After a sync that failed nobody knows what it wrote: the record in the file may need all of it.
 * What the system has cached of it may never reach the disk: the next opening reads the disk. */
static void finish_file(hf_arena_core *core, bool is_synced) {
    uint64_t kept = HF_IMAGE_AREA + pad(core->record.used);
    if (is_synced && hf_file_size(core->image) > kept) resize(core, kept);
    if (core->sync_failure.status != HF_OK && core->backend->file_forget)
        core->backend->file_forget(core->backend, hf_file_handle(core->image));
}

void hf_arena_close_image(hf_arena_core *core, bool is_synced) {
    bool is_owner = core->process == core->backend->process(core->backend);
    if (is_owner && core->is_read_write) finish_file(core, is_synced);
    if (is_owner)
        close_locked(core->image);
    else
        hf_file_close(core->image);
}

/* ------------------------------------------------------------------- opening ------------- */

static hf_status map_image(hf_arena *arena, const image *opened) {
    hf_arena_core *core = hf_core_of(arena);
    size_t size = opened->mapped;
    if (size > 0) {
        hf_status status =
            hf_space_map_range(core->space, 0, size, opened->file, HF_IMAGE_AREA, opened->access);
        if (status != HF_OK) return status;
    }
    core->limit = core->high_water = size;
    core->root = opened->record.root;
    return HF_OK;
}

/* What cannot grow is refused while it is opened. */
static hf_status try_view(hf_arena_core *core) {
    hf_status status =
        hf_space_map_range(core->space, 0, core->page_size, core->image, 0, HF_READ_WRITE);
    return status == HF_OK ? hf_space_release_range(core->space, 0, core->page_size) : status;
}

static hf_status write_first_record(hf_arena_core *core, image *opened) {
    hf_image_header record = opened->record;
    record.base = (uintptr_t)core->shown.base;
    record.tag = opened->options.tag;
    hf_status status = try_view(core);
    if (status == HF_OK) status = sync_file(core);
    if (status != HF_OK) return status;
    opened->is_made = true;
    return put_record(core, &record);
}

/* What lies behind the record's bytes is of no sync: zeros must come in its place. The record may
 * be in the cache alone, of a process that died: what it goes by is cut when it is on the disk. */
static hf_status make_whole(hf_arena_core *core, image *opened) {
    uint64_t whole = HF_IMAGE_AREA + (uint64_t)opened->mapped;
    hf_status status = opened->is_new ? HF_OK : sync_file(core);
    if (status != HF_OK || hf_file_size(core->image) == whole) return status;
    status = look_again(opened);
    if (status == HF_OK) status = resize(core, whole);
    opened->is_made = status == HF_OK && opened->is_new;
    return status;
}

/* What became too short for it may be refused by the view. */
static hf_status map_looked_at(hf_arena *arena, image *opened) {
    hf_status status = map_image(arena, opened);
    if (status != HF_OK && status != HF_IO) return status;
    hf_error error = hf_last_error();
    hf_status again = look_again(opened);
    return again != HF_OK || status == HF_OK ? again : undone(error);
}

/* The rest of its last page nobody can store to. */
static void freeze(hf_arena_core *core, const image *opened) {
    core->place = NULL;
    core->fixed = core->high_water = core->limit = core->reserved = (size_t)opened->record.used;
}

static void thaw(hf_arena_core *core, const image *opened) {
    size_t used = (size_t)opened->record.used;
    if (core->checked) hf_mark_free(core->shown.base + used, opened->mapped - used);
    core->is_read_write = opened->access == HF_READ_WRITE;
    if (!core->is_read_write) return;
    core->place = place;
    core->options.fault_after_rewind = false;
}

/* An old file can have holes: a copy can be sparse. A store into one would meet a full disk. */
static hf_status fill(hf_arena_core *core, const image *opened) {
    hf_report report = {0};
    uint64_t size = HF_IMAGE_AREA + (uint64_t)opened->mapped;
    hf_status status =
        core->backend->file_fill(core->backend, hf_file_handle(opened->file), size, false, &report);
    core->own_calls += report.system_calls;
    return settle(status, &report, 0, opened->mapped);
}

static hf_status prepare_file(hf_arena_core *core, image *opened) {
    if (opened->access != HF_READ_WRITE) return HF_OK;
    hf_status status = make_whole(core, opened);
    return status != HF_OK || opened->is_new ? status : fill(core, opened);
}

static hf_status start(hf_arena *arena, image *opened) {
    hf_arena_core *core = hf_core_of(arena);
    core->image = opened->file;
    core->record = opened->record;
    core->process = core->backend->process(core->backend);
    if (opened->has_any_size) hf_budget_spend(core);
    hf_status status = prepare_file(core, opened);
    if (status == HF_OK) status = map_looked_at(arena, opened);
    if (status == HF_OK && opened->is_new) status = write_first_record(core, opened);
    if (status != HF_OK) return status;
    if (opened->access == HF_READ_ONLY)
        freeze(core, opened);
    else
        thaw(core, opened);
    hf_arena_set_pos(arena, (size_t)opened->record.used);
    return HF_OK;
}

static hf_status open_arena(hf_arena *arena, image *opened, const char *path) {
    hf_status status = choose_sizes(opened);
    if (status != HF_OK) return status;
    status = opened->is_new ? reserve_new(arena, opened, path) : reserve_again(arena, opened);
    if (status != HF_OK) return status;
    status = start(arena, opened);
    if (status == HF_OK) return HF_OK;
    hf_error error = hf_last_error();
    hf_report report = {0};
    hf_core_of(arena)->image = NULL;
    hf_arena_close(arena);
    if (opened->is_made) hf_file_resize(opened->file, 0, &report);
    return undone(error);
}

static bool is_path(const char *path) { return path != NULL && path[0] != '\0'; }

hf_status hf_arena_open_file(hf_arena *arena, const char *path, hf_access access,
                             const hf_arena_options *options) {
    image opened = {.access = access};
    *arena = (hf_arena){0};
    if (options) opened.options = *options;
    opened.backend = opened.options.backend ? opened.options.backend : hf_backend_native();
    bool is_access =
        access == HF_READ_WRITE || access == HF_READ_ONLY || access == HF_COPY_ON_WRITE;
    if (!is_path(path) || !is_access) return hf_fail(HF_INVALID, opening, 0, 0);
    hf_status status = hf_arena_check_options(&opened.options, opening);
    if (status == HF_OK) status = open_image(&opened, path);
    if (status != HF_OK) return status;
    status = open_arena(arena, &opened, path);
    if (status != HF_OK) close_locked(opened.file);
    return status;
}

/* -------------------------------------------------------------------- saving ------------- */

#define COPY_STEP HF_IMAGE_AREA

/* In a checked process the arena has bytes that nobody may read, and the system's checker of a
 * write would. */
static hf_status write_copies(const hf_arena_core *core, intptr_t file, size_t from, size_t end,
                              hf_report *report) {
    const hf_backend *backend = core->backend;
    void *copy;
    hf_status status = hf_allocate_pages(backend, COPY_STEP, &copy, report);
    if (status != HF_OK) return status;
    for (size_t size; status == HF_OK && from < end; from += size) {
        size = end - from < COPY_STEP ? end - from : COPY_STEP;
        hf_copy_unchecked(copy, core->shown.base + from, size);
        status = backend->file_write(backend, file, HF_IMAGE_AREA + from, copy, size, report);
    }
    backend->free_pages(backend, copy, COPY_STEP);
    return status;
}

static hf_status write_range(const hf_arena_core *core, intptr_t file, size_t from, size_t end,
                             hf_report *report) {
    if (core->checked) return write_copies(core, file, from, end, report);
    return core->backend->file_write(core->backend, file, HF_IMAGE_AREA + from,
                                     core->shown.base + from, end - from, report);
}

/* Pages that fault after going back stay the zeros that the file was made of. */
static hf_status write_bytes(const hf_arena_core *core, intptr_t file, size_t used,
                             hf_report *report) {
    hf_status status = HF_OK;
    for (hf_region region = {0}; status == HF_OK && hf_space_next(core->space, &region);) {
        size_t end = region.offset + region.size < used ? region.offset + region.size : used;
        if (region.offset >= used) break;
        if (region.kind != HF_PLACEHOLDER)
            status = write_range(core, file, region.offset, end, report);
    }
    return status;
}

static hf_status write_image(const hf_arena *arena, intptr_t file, hf_report *report) {
    const hf_arena_core *core = hf_core_of(arena);
    size_t used = hf_get_mark(arena);
    hf_image_header record = {.base = (uintptr_t)core->shown.base,
                              .used = used,
                              .root = core->root,
                              .tag = core->options.tag};
    hf_status status = write_bytes(core, file, used, report);
    if (status == HF_OK) status = write_record(core->backend, file, &record, report);
    if (status == HF_OK) status = core->backend->file_sync(core->backend, file, report);
    return status;
}

hf_status hf_arena_save(const hf_arena *arena, const char *path) {
    if (arena->state == NULL || !is_path(path)) return hf_fail(HF_INVALID, "hf_arena_save", 0, 0);
    const hf_backend *backend = hf_core_of(arena)->backend;
    size_t used = hf_get_mark(arena);
    hf_report report = {0};
    void *draft;
    intptr_t file;
    hf_status status =
        backend->draft_open(backend, path, HF_IMAGE_AREA + pad(used), &draft, &file, &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, used);
    status = write_image(arena, file, &report);
    if (status == HF_OK) status = backend->draft_publish(backend, draft, &report);
    backend->draft_close(backend, draft);
    return settle(status, &report, 0, used);
}

/* ---------------------------------------------------------------------- root ------------- */

hf_status hf_arena_set_root(hf_arena *arena, const void *object) {
    size_t offset = (size_t)((uintptr_t)object - (uintptr_t)hf_arena_base(arena));
    bool is_ours = arena->state != NULL && (object == NULL || offset < hf_get_mark(arena));
    if (!is_ours) return hf_fail(HF_INVALID, "hf_arena_set_root", offset, 0);
    if (hf_is_read_only(hf_core_of(arena)))
        return hf_fail(HF_WRONG_STATE, "hf_arena_set_root", offset, 0);
    hf_status status = hf_image_check_owner(hf_core_of(arena), "hf_arena_set_root");
    if (status == HF_OK) hf_core_of(arena)->root = object ? (uint64_t)offset + 1 : 0;
    return status;
}

void *hf_arena_root(const hf_arena *arena) {
    if (arena->state == NULL || hf_core_of(arena)->root == 0) return NULL;
    return arena->state->base + (size_t)(hf_core_of(arena)->root - 1);
}
