/*
 * image.c -- arenas in files: opening, growing, syncing, saving.
 *
 *      file      | header area |      the arena's bytes      | allocated, not used yet |
 *                0             64 KiB
 *      memory                  | view |   view   |   view    |        placeholder ...
 *                              base                   ^ pos  ^ limit
 *
 * The header is read and written by file calls and never mapped, so that the kernel cannot write it
 * before hf_arena_sync does. A read-write image consists of views where another arena is committed:
 * its growth step is hf_image_map_step.
 *
 * Opening does this in order: lock the file, read and check it, reserve addresses, truncate it to
 * the synced bytes, map it, and read and check it again. So only a valid image is mapped, and a
 * change by another process in between is found. Truncating comes before mapping because Windows
 * cannot truncate a mapped file.
 *
 * Chapters: reading and checking, reserving, writing, growing and closing, opening, saving, root.
 */
#include "arena_core.h"
#include "compatible.h"
#include "fail.h"
#include "file_access.h"
#include "pages.h"
#include "retry.h"
#include "sanitizer.h"

#include <assert.h>
#include <string.h>

/* An image while it is opened. */
typedef struct image_opening {
    const hf_backend *backend;
    hf_arena_options options;
    hf_access access;
    hf_file *file;
    hf_image_header record; /* as it was read; of a new image: zero */
    bool is_new;            /* the file is empty, or zeros, and is to become an image */
    bool is_written;   /* the file of a new image was extended: on failure it is truncated to 0 */
    bool has_any_size; /* options.reserve was 0 */
    size_t mapped;     /* size of the view to map, in bytes: record.used, padded */
} image_opening;

/* The arena's bytes in a file are padded to a multiple of 64 KiB. */
static uint64_t image_pad(uint64_t size) {
    return (size + HF_IMAGE_AREA - 1) & ~(HF_IMAGE_AREA - 1);
}

/* Sets the last error if a call of the backend failed. */
static hf_status image_finish_call(hf_status status, const hf_report *report, size_t offset,
                                   size_t size) {
    return status == HF_OK ? HF_OK : hf_fail_reported(status, report, offset, size);
}

/* ------------------------------------------ reading and checking -------------------- */

static const char image_open_call[] = "hf_arena_open_file";

static hf_status image_corrupt(const char *why) {
    return hf_fail_because(HF_CORRUPT, image_open_call, why, 0, 0);
}

static hf_status image_read_area(const image_opening *opened, void *area, size_t size) {
    hf_report report = {0};
    hf_status status = opened->backend->file_read(opened->backend, hf_file_handle(opened->file), 0,
                                                  area, size, &report);
    return image_finish_call(status, &report, 0, size);
}

/* The record's checksum is right. Checks that its values fit the file, the options and the address
 * space. */
static hf_status image_check_record(const image_opening *opened) {
    const hf_image_header *record = &opened->record;
    uint64_t room = hf_file_size(opened->file) - HF_IMAGE_AREA;
    if (record->used > room || image_pad(record->used) > room)
        return image_corrupt("the image is cut off");
    if (record->root > record->used || record->base == 0 ||
        record->base % HF_ALLOCATION_GRANULARITY != 0 || record->base > UINTPTR_MAX ||
        image_pad(record->used) > UINTPTR_MAX - record->base)
        return image_corrupt("the image's header is damaged");
    if (record->tag != opened->options.tag) return image_corrupt("the image has another tag");
    if (image_pad(record->used) > SIZE_MAX / 2)
        return hf_fail(HF_RESERVE_FULL, image_open_call, 0, SIZE_MAX);
    return HF_OK;
}

/* Reads the record. A file is a new image if it is empty, or if it contains only zeros because a
 * crash interrupted its creation. */
static hf_status image_decode(image_opening *opened, const unsigned char *area, size_t size) {
    bool blank = hf_file_size(opened->file) <= HF_IMAGE_AREA && hf_image_is_blank(area, size);
    opened->is_new = blank && opened->access == HF_READ_WRITE;
    if (opened->is_new) return HF_OK;
    if (size < HF_IMAGE_AREA)
        return image_corrupt(hf_image_has_magic(area, size) ? "the image is cut off"
                                                            : "the file is not an image");
    const char *reason = NULL;
    hf_status status = hf_image_decode(area, &opened->record, &reason);
    return status == HF_OK ? image_check_record(opened)
                           : hf_fail_because(status, image_open_call, reason, 0, 0);
}

static hf_status image_inspect(image_opening *opened) {
    hf_report report = {0};
    void *area;
    hf_status status = hf_file_measure(opened->file, &report);
    if (status == HF_OK) status = hf_allocate_pages(opened->backend, HF_IMAGE_AREA, &area, &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, HF_IMAGE_AREA);
    uint64_t size = hf_file_size(opened->file);
    size_t read = size < HF_IMAGE_AREA ? (size_t)size : HF_IMAGE_AREA;
    status = image_read_area(opened, area, read);
    if (status == HF_OK) status = image_decode(opened, area, read);
    opened->backend->free_pages(opened->backend, area, HF_IMAGE_AREA);
    opened->mapped = (size_t)image_pad(opened->record.used);
    return status;
}

/* Reads the file again: HF_CORRUPT if it changed. Then is_written becomes false, so that what
 * another process wrote is not truncated. */
static hf_status image_check_unchanged(image_opening *opened) {
    image_opening now = *opened;
    uint64_t size = hf_file_size(opened->file);
    hf_status status = image_inspect(&now);
    if (status == HF_IO || status == HF_NO_MEMORY || status == HF_MAP_LIMIT) return status;
    bool same = status == HF_OK && size == hf_file_size(opened->file) &&
                now.is_new == opened->is_new &&
                memcmp(&now.record, &opened->record, sizeof now.record) == 0;
    if (same) return HF_OK;
    opened->is_written = false;
    return image_corrupt("the image changed while it was opened");
}

/* Closing alone does not release the lock if a forked child has the file open, too. */
static void image_unlock_and_close(hf_file *file) {
    const hf_backend *backend = hf_file_backend(file);
    backend->file_unlock(backend, hf_file_handle(file));
    hf_file_close(file);
}

/* *is_there: after locking, the path still names the file that was opened. If not, or on failure,
 * the file is closed. */
static hf_status image_open_and_lock(image_opening *opened, const char *path, bool *is_there) {
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
    image_unlock_and_close(opened->file);
    return image_finish_call(status, &report, 0, 0);
}

/* HF_BUSY after so many tries in each of which another process replaced the file. */
#define IMAGE_MOST_TRIES 100

static hf_status image_lock_current_file(image_opening *opened, const char *path) {
    for (int tries = 0; tries < IMAGE_MOST_TRIES; tries++) {
        bool is_there = false;
        hf_status status = image_open_and_lock(opened, path, &is_there);
        if (status != HF_OK || is_there) return status;
    }
    return hf_fail_because(HF_BUSY, image_open_call,
                           "another process replaces the file again and again", 0, 0);
}

static hf_status image_open_checked(image_opening *opened, const char *path) {
    hf_status status = image_lock_current_file(opened, path);
    if (status != HF_OK) return status;
    status = hf_file_has_huge_pages(opened->file)
                 ? hf_fail_because(HF_UNSUPPORTED, image_open_call, HF_HUGETLBFS_REASON, 0, 0)
                 : image_inspect(opened);
    if (status != HF_OK) image_unlock_and_close(opened->file);
    return status;
}

/* ----------------------------------------------------- reserving -------------------- */

/* Sets reserve and least_reserve. A read-only image reserves the size of its view, the others also
 * reserve room to grow. */
static hf_status image_choose_sizes(image_opening *opened) {
    hf_arena_options *wanted = &opened->options;
    if (opened->access == HF_READ_ONLY) {
        wanted->reserve = wanted->least_reserve = hf_larger(opened->mapped, HF_IMAGE_AREA);
        return HF_OK;
    }
    opened->has_any_size = wanted->reserve == 0;
    if (wanted->reserve == 0)
        wanted->reserve = hf_larger(hf_budget_first(opened->backend)->reserve,
                                    hf_larger(2 * opened->mapped, wanted->least_reserve));
    if (wanted->reserve <= SIZE_MAX / 2) wanted->reserve = (size_t)image_pad(wanted->reserve);
    if (wanted->reserve < opened->mapped)
        return hf_fail(HF_RESERVE_FULL, image_open_call, 0, opened->mapped);
    if (wanted->least_reserve == 0 && wanted->reserve > HF_DEFAULT_LEAST)
        wanted->least_reserve = HF_DEFAULT_LEAST;
    if (wanted->least_reserve <= wanted->reserve)
        wanted->least_reserve = hf_larger(wanted->least_reserve, opened->mapped);
    return HF_OK;
}

static hf_status image_open_at(hf_arena *arena, const image_opening *opened, uintptr_t base,
                               bool whole) {
    hf_arena_options wanted = opened->options;
    wanted.base = (void *)base;
    if (whole && wanted.least_reserve < wanted.reserve) wanted.least_reserve = wanted.reserve;
    return hf_arena_open(arena, &wanted);
}

/*
 * The default base addresses of new images: addresses that no system uses by itself, nor
 * AddressSanitizer. They are far below the stacks, libraries and mappings at the top of 47 bits of
 * addresses, below position-independent programs (at two thirds of the addresses and above), and
 * apart from the mappings of a Linux process with an unlimited stack (from a third of the addresses
 * on), which are few.
 *
 *      0x410000000000  15 TiB, for any process; the heap of newer AddressSanitizers lies above
 *      0x110000000000  25 TiB, for any process; the shadow of older AddressSanitizers lies below
 *      0x551000000000  free under ThreadSanitizer and MemorySanitizer, too; HF_BASE_FIXED lies
 *                      below
 *      0x1000000000    for systems with 38 or 39 bits of addresses
 *
 * A base is 64 KiB above a multiple of 2 MiB, as the arena's bytes are 64 KiB behind the beginning
 * of the file: so memory and file have the same offsets within a huge page, and the system can map
 * the page cache in large pieces.
 */
typedef struct image_base_range {
    uint64_t first, step;
    unsigned count;
    bool is_small; /* a default reservation is reduced to one step */
} image_base_range;

static const image_base_range image_base_ranges[] = {
    {0x410000000000, (uint64_t)64 << 30, 240, false},
    {0x110000000000, (uint64_t)64 << 30, 400, false},
    {0x551000000000, (uint64_t)64 << 30, 4, false},
    {0x1000000000, (uint64_t)4 << 30, 24, true},
};

/* The number of the base to try first. Images that were created by different runs should not need
 * the same addresses, so that they can be open together: so the number is a hash (FNV-1a) of the
 * path, the process and an address on its stack. */
static unsigned image_choose_start(const image_opening *opened, const char *path) {
    uint64_t seed[2] = {opened->backend->process(opened->backend), (uintptr_t)&seed};
    uint64_t hash = 0xcbf29ce484222325;
    for (const char *at = path; *at; at++) hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
    for (size_t i = 0; i < sizeof seed; i++)
        hash = (hash ^ ((const unsigned char *)seed)[i]) * 0x100000001b3;
    return (unsigned)(hash >> 32);
}

static hf_status image_reserve_in(hf_arena *arena, const image_opening *opened,
                                  const image_base_range *range, unsigned start) {
    image_opening fitted = *opened;
    size_t *reserve = &fitted.options.reserve;
    if (range->is_small && opened->has_any_size && *reserve > range->step) {
        *reserve = hf_larger((size_t)range->step, opened->mapped);
        fitted.options.least_reserve = *reserve;
    }
    for (unsigned tries = 0; tries < range->count; tries++) {
        uint64_t base = range->first + (start + tries) % range->count * range->step + HF_IMAGE_AREA;
        if (base > UINTPTR_MAX || *reserve >= 0 - (uintptr_t)base)
            break; /* does not fit into the address space */
        hf_status status = image_open_at(arena, &fitted, (uintptr_t)base, true);
        if (status != HF_NO_ADDRESS) return status;
    }
    return HF_NO_ADDRESS;
}

static hf_status image_reserve_new(hf_arena *arena, const image_opening *opened, const char *path) {
    if (opened->options.base)
        return image_open_at(arena, opened, (uintptr_t)opened->options.base, false);
    hf_error before = hf_last_error();
    unsigned start = image_choose_start(opened, path);
    size_t first = start % (image_base_ranges[0].count + image_base_ranges[1].count) <
                   image_base_ranges[1].count;
    for (size_t i = 0; i < sizeof image_base_ranges / sizeof *image_base_ranges; i++) {
        const image_base_range *range = &image_base_ranges[i < 2 ? i ^ first : i];
        hf_status status = image_reserve_in(arena, opened, range, start);
        if (status != HF_NO_ADDRESS) return hf_restore_error(status, before);
    }
    return hf_restore_error(image_open_at(arena, opened, 0, false), before);
}

/* Reserves at the base in the record. The reservation is reduced if it would go beyond the end of
 * the address space. */
static hf_status image_open_at_recorded_base(hf_arena *arena, const image_opening *opened) {
    image_opening fitted = *opened;
    hf_arena_options *wanted = &fitted.options;
    uintptr_t base = (uintptr_t)opened->record.base;
    size_t above = 0 - base;
    if (wanted->least_reserve > above && wanted->least_reserve <= wanted->reserve)
        return hf_fail_because(HF_NO_ADDRESS, image_open_call,
                               "least_reserve from the image's address on is beyond the end of the "
                               "address space",
                               0, wanted->least_reserve);
    if (wanted->reserve > above) wanted->reserve = above;
    return image_open_at(arena, &fitted, base, false);
}

/* The last error's own reason, if it has one, is more exact. */
static hf_status image_explain_no_address(void) {
    hf_error error = hf_last_error();
    if (error.reason) return error.status;
    error.reason = "the address that the image was made at is taken, by another mapping or by this "
                   "image, open already: open the image before that, or with any_base if it "
                   "contains refs and no pointers, or make it again with another base";
    return hf_fail_with(error);
}

static hf_status image_reserve_existing(hf_arena *arena, const image_opening *opened) {
    uintptr_t base = (uintptr_t)opened->record.base, named = (uintptr_t)opened->options.base;
    bool any = opened->options.any_base, elsewhere = named != 0 && named != base;
    if (elsewhere && !any)
        return hf_fail_because(HF_INVALID, image_open_call, "the image lies at another base", 0,
                               opened->mapped);
    hf_error before = hf_last_error();
    hf_status status = elsewhere ? image_open_at(arena, opened, named, false)
                                 : image_open_at_recorded_base(arena, opened);
    if (status != HF_NO_ADDRESS) return status;
    return any ? hf_restore_error(image_open_at(arena, opened, 0, false), before)
               : image_explain_no_address();
}

/* ------------------------------------------------------- writing -------------------- */

static hf_status image_sync_file(hf_arena_core *core) {
    hf_report report = {0};
    hf_status status =
        core->backend->file_sync(core->backend, hf_file_handle(core->image), &report);
    core->own_calls += report.system_calls;
    return image_finish_call(status, &report, 0, 0);
}

static hf_status image_write_record(const hf_backend *backend, intptr_t file,
                                    const hf_image_header *record, hf_report *report) {
    unsigned char slot[HF_IMAGE_SLOT];
    hf_image_encode(slot, record);
    return backend->file_write(backend, file, hf_image_slot_offset(record), slot, sizeof slot,
                               report);
}

/* Overwrites the older slot: until the sync succeeded, the newer slot is valid. */
static hf_status image_write_and_sync_record(hf_arena_core *core, const hf_image_header *record) {
    hf_report report = {0};
    hf_status status =
        image_write_record(core->backend, hf_file_handle(core->image), record, &report);
    core->own_calls += report.system_calls;
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, HF_IMAGE_SLOT);
    status = image_sync_file(core);
    if (status == HF_OK) core->record = *record;
    return status;
}

static hf_status image_flush_views(hf_arena_core *core) {
    if (!HF_HAS(core->backend, file_flush)) return HF_OK;
    hf_status status = HF_OK;
    for (hf_region region = {0}; status == HF_OK && hf_arena_next_region(core, &region);) {
        hf_report report = {0};
        if (region.kind == HF_VIEW)
            status = core->backend->file_flush(core->backend, core->state.base + region.offset,
                                               region.size, &report);
        core->own_calls += report.system_calls;
        image_finish_call(status, &report, region.offset, region.size);
    }
    return status;
}

/* Syncs the bytes first, then the record with their number. */
static hf_status image_sync_all(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    hf_image_header record = core->record;
    record.used = hf_get_mark(arena);
    record.root = core->root;
    assert(record.used <= core->limit);
    assert(HF_IMAGE_AREA + image_pad(record.used) <= hf_file_size(core->image));
    hf_status status = image_flush_views(core);
    if (status == HF_OK) status = image_sync_file(core);
    bool is_new = memcmp(&record, &core->record, sizeof record) != 0;
    if (status != HF_OK || !is_new) return status;
    record.sequence++;
    return image_write_and_sync_record(core, &record);
}

/* Fails if the file has no name, because it is deleted when it is closed. It compares only the
 * link count. */
static hf_status image_check_name(hf_arena_core *core) {
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
    if (!hf_is_read_write(core) || core->process == core->backend->process(core->backend))
        return HF_OK;
    return hf_fail_because(HF_WRONG_STATE, call, "a forked child can only read the image", 0, 0);
}

/* After a write to the disk failed, the kernel may count the pages as clean although they are not
 * on the disk, and a later fsync would succeed. So every later call returns the first error. */
hf_status hf_arena_sync(hf_arena *arena) {
    if (arena->state == NULL || !hf_is_read_write(hf_core_of(arena)))
        return hf_fail_because(HF_WRONG_STATE, "hf_arena_sync", "the arena is no read-write image",
                               0, 0);
    hf_arena_core *core = hf_core_of(arena);
    if (core->sync_failure.status != HF_OK) return hf_fail_with(core->sync_failure);
    hf_status status = hf_image_check_owner(core, "hf_arena_sync");
    if (status != HF_OK) return status;
    status = image_check_name(core);
    if (status == HF_OK) status = image_sync_all(arena);
    if (status != HF_OK) core->sync_failure = hf_last_error();
    return status;
}

/* ------------------------------------------- growing and closing -------------------- */

static hf_status image_resize(hf_arena_core *core, uint64_t size) {
    hf_report report = {0};
    hf_status status = hf_file_resize(core->image, size, &report);
    core->own_calls += report.system_calls;
    return image_finish_call(status, &report, core->limit, 0);
}

/* Allocates the file's blocks before it maps them, so that no store meets a full disk. The file is
 * always padded, because a sync at any time may record all of its bytes as used. If mapping fails,
 * the file is truncated again; where the system cannot truncate a mapped file, the extra bytes stay
 * until the next step uses them or the file is closed. */
static hf_status image_map_once(hf_arena_core *core, size_t size) {
    uint64_t from = HF_IMAGE_AREA + core->limit, before = hf_file_size(core->image);
    uint64_t needed = HF_IMAGE_AREA + image_pad((uint64_t)core->limit + size);
    bool is_longer = needed > before;
    hf_status status = is_longer ? image_resize(core, needed) : HF_OK;
    if (status != HF_OK) return status;
    assert(needed <= hf_file_size(core->image));
    status = hf_arena_map_range(core, core->limit, size, core->image, from, HF_READ_WRITE);
    if (status == HF_OK || !is_longer) return status;
    hf_error error = hf_last_error();
    image_resize(core, before);
    return hf_fail_with(error);
}

hf_status hf_image_map_step(hf_arena_core *core, size_t size) {
    hf_status status = hf_image_check_owner(core, "hf_alloc");
    return status == HF_OK ? hf_arena_perform_step(core, size, image_map_once) : status;
}

/* Truncates the file to the synced bytes, but not after a failed sync: it is unknown what was
 * written, and the record in the file may need all bytes. Then it drops the file's cached pages,
 * which may never reach the disk, so that the next opening reads the disk. */
static void image_finish_file(hf_arena_core *core, bool is_synced) {
    uint64_t kept = HF_IMAGE_AREA + image_pad(core->record.used);
    if (is_synced && hf_file_size(core->image) > kept) image_resize(core, kept);
    if (core->sync_failure.status != HF_OK && HF_HAS(core->backend, file_forget))
        core->backend->file_forget(core->backend, hf_file_handle(core->image));
}

void hf_arena_close_image(hf_arena_core *core, bool is_synced) {
    bool is_owner = core->process == core->backend->process(core->backend);
    if (is_owner && hf_is_read_write(core)) image_finish_file(core, is_synced);
    if (is_owner)
        image_unlock_and_close(core->image);
    else
        hf_file_close(core->image);
}

/* ------------------------------------------------------- opening -------------------- */

static hf_status image_map_bytes(hf_arena *arena, const image_opening *opened) {
    hf_arena_core *core = hf_core_of(arena);
    size_t size = opened->mapped;
    assert(size <= core->reserved && opened->record.used <= size);
    if (size > 0) {
        hf_status status =
            hf_arena_map_range(core, 0, size, opened->file, HF_IMAGE_AREA, opened->access);
        if (status != HF_OK) return status;
    }
    core->limit = core->high_water = size;
    core->root = opened->record.root;
    return HF_OK;
}

/* Maps a page for a test: if the file cannot be mapped, opening fails, and not growing later. */
static hf_status image_test_view(hf_arena_core *core) {
    hf_status status = hf_arena_map_range(core, 0, core->page_size, core->image, 0, HF_READ_WRITE);
    return status == HF_OK ? hf_arena_release_range(core, 0, core->page_size) : status;
}

static hf_status image_write_first_record(hf_arena_core *core, image_opening *opened) {
    hf_image_header record = opened->record;
    record.base = (uintptr_t)core->state.base;
    record.tag = opened->options.tag;
    hf_status status = image_test_view(core);
    if (status == HF_OK) status = image_sync_file(core);
    if (status != HF_OK) return status;
    opened->is_written = true;
    return image_write_and_sync_record(core, &record);
}

/* Truncates the file to the last synced length; the arena grows there again with zeros. fsync
 * first: the record that was read may be in the page cache only, if the process that wrote it
 * died. */
static hf_status image_truncate_unsynced(hf_arena_core *core, image_opening *opened) {
    uint64_t synced_size = HF_IMAGE_AREA + (uint64_t)opened->mapped;
    hf_status status = opened->is_new ? HF_OK : image_sync_file(core);
    if (status != HF_OK || hf_file_size(core->image) == synced_size) return status;
    status = image_check_unchanged(opened);
    if (status == HF_OK) status = image_resize(core, synced_size);
    opened->is_written = status == HF_OK && opened->is_new;
    return status;
}

/* Mapping fails with HF_IO if the file was truncated after its header was read; read it again to
 * report HF_CORRUPT. */
static hf_status image_map_and_verify(hf_arena *arena, image_opening *opened) {
    hf_status status = image_map_bytes(arena, opened);
    if (status != HF_OK && status != HF_IO) return status;
    hf_error error = hf_last_error();
    hf_status again = image_check_unchanged(opened);
    return again != HF_OK || status == HF_OK ? again : hf_fail_with(error);
}

/* reserved is the allocated size, not whole pages: nothing can be allocated in the rest of the last
 * page, which is read-only. */
static void image_init_read_only(hf_arena_core *core, const image_opening *opened) {
    core->mode = HF_MODE_READ_ONLY;
    core->views_end = core->high_water = core->limit = core->reserved = (size_t)opened->record.used;
}

static void image_init_writable(hf_arena_core *core, const image_opening *opened) {
    size_t used = (size_t)opened->record.used;
    if (core->is_sanitized) hf_poison(core->state.base + used, opened->mapped - used);
    core->mode = opened->access == HF_READ_WRITE ? HF_MODE_READ_WRITE : HF_MODE_SNAPSHOT;
    if (hf_is_read_write(core)) core->options.fault_after_rewind = false;
}

/* Allocates the holes that an existing file can have, say a sparse copy: on a full disk a store
 * into a hole would raise SIGBUS. */
static hf_status image_fill_holes(hf_arena_core *core, const image_opening *opened) {
    hf_report report = {0};
    uint64_t size = HF_IMAGE_AREA + (uint64_t)opened->mapped;
    hf_status status =
        core->backend->file_fill(core->backend, hf_file_handle(opened->file), size, false, &report);
    core->own_calls += report.system_calls;
    return image_finish_call(status, &report, 0, opened->mapped);
}

static hf_status image_prepare_file(hf_arena_core *core, image_opening *opened) {
    if (opened->access != HF_READ_WRITE) return HF_OK;
    hf_status status = image_truncate_unsynced(core, opened);
    return status != HF_OK || opened->is_new ? status : image_fill_holes(core, opened);
}

static hf_status image_init(hf_arena *arena, image_opening *opened) {
    hf_arena_core *core = hf_core_of(arena);
    core->image = opened->file;
    core->record = opened->record;
    core->process = core->backend->process(core->backend);
    if (opened->has_any_size) core->budgeted = hf_budget_spend(core->reserved);
    hf_status status = image_prepare_file(core, opened);
    if (status == HF_OK) status = image_map_and_verify(arena, opened);
    if (status == HF_OK && opened->is_new) status = image_write_first_record(core, opened);
    if (status != HF_OK) return status;
    if (opened->access == HF_READ_ONLY)
        image_init_read_only(core, opened);
    else
        image_init_writable(core, opened);
    hf_arena_set_pos(arena, (size_t)opened->record.used);
    return HF_OK;
}

static hf_status image_open_arena(hf_arena *arena, image_opening *opened, const char *path) {
    hf_status status = image_choose_sizes(opened);
    if (status != HF_OK) return status;
    status = opened->is_new ? image_reserve_new(arena, opened, path)
                            : image_reserve_existing(arena, opened);
    if (status != HF_OK) return status;
    status = image_init(arena, opened);
    if (status == HF_OK) return HF_OK;
    hf_error error = hf_last_error();
    hf_report report = {0};
    hf_core_of(arena)->image = NULL;
    hf_arena_close(arena);
    if (opened->is_written) hf_file_resize(opened->file, 0, &report);
    return hf_fail_with(error);
}

static bool image_is_path(const char *path) { return path != NULL && path[0] != '\0'; }

hf_status hf_arena_open_file_sized(hf_arena *arena, const char *path, hf_access access,
                                   const hf_arena_options *options, size_t size) {
    image_opening opened = {.access = access};
    *arena = (hf_arena){0};
    bool is_access =
        access == HF_READ_WRITE || access == HF_READ_ONLY || access == HF_COPY_ON_WRITE;
    if (!image_is_path(path) || !is_access) return hf_fail(HF_INVALID, image_open_call, 0, 0);
    hf_status status = hf_arena_read_options(&opened.options, options, size, image_open_call);
    if (status == HF_OK && opened.options.pool)
        status = hf_fail_because(HF_INVALID, image_open_call, "an image is not in a pool", 0, 0);
    if (status == HF_OK) status = hf_arena_check_options(&opened.options, image_open_call);
    opened.backend = hf_backend_or_native(opened.options.backend);
    if (status == HF_OK) status = image_open_checked(&opened, path);
    if (status != HF_OK) return status;
    status = image_open_arena(arena, &opened, path);
    if (status != HF_OK) image_unlock_and_close(opened.file);
    return status;
}

/* -------------------------------------------------------- saving -------------------- */

#define IMAGE_COPY_STEP HF_IMAGE_AREA

/* Under a sanitizer the arena has poisoned bytes, and the sanitizer reports a system call that
 * reads them: so copies are written. */
static hf_status image_write_copies(const hf_arena_core *core, intptr_t file, size_t from,
                                    size_t end, hf_report *report) {
    const hf_backend *backend = core->backend;
    void *copy;
    hf_status status = hf_allocate_pages(backend, IMAGE_COPY_STEP, &copy, report);
    if (status != HF_OK) return status;
    for (size_t size; status == HF_OK && from < end; from += size) {
        size = end - from < IMAGE_COPY_STEP ? end - from : IMAGE_COPY_STEP;
        hf_copy_unsanitized(copy, core->state.base + from, size);
        status = backend->file_write(backend, file, HF_IMAGE_AREA + from, copy, size, report);
    }
    backend->free_pages(backend, copy, IMAGE_COPY_STEP);
    return status;
}

static hf_status image_write_range(const hf_arena_core *core, intptr_t file, size_t from,
                                   size_t end, hf_report *report) {
    if (core->is_sanitized) return image_write_copies(core, file, from, end, report);
    return core->backend->file_write(core->backend, file, HF_IMAGE_AREA + from,
                                     core->state.base + from, end - from, report);
}

/* Skips placeholders, which fault_after_rewind leaves: the new file is zero there. */
static hf_status image_write_bytes(const hf_arena_core *core, intptr_t file, size_t used,
                                   hf_report *report) {
    hf_status status = HF_OK;
    for (hf_region region = {0}; status == HF_OK && hf_arena_next_region(core, &region);) {
        size_t end = region.offset + region.size < used ? region.offset + region.size : used;
        if (region.offset >= used) break;
        if (region.kind != HF_PLACEHOLDER)
            status = image_write_range(core, file, region.offset, end, report);
    }
    return status;
}

static hf_status image_write(const hf_arena *arena, intptr_t file, hf_report *report) {
    const hf_arena_core *core = hf_core_of(arena);
    size_t used = hf_get_mark(arena);
    hf_image_header record = {.base = (uintptr_t)core->state.base,
                              .used = used,
                              .root = core->root,
                              .tag = core->options.tag};
    hf_status status = image_write_bytes(core, file, used, report);
    if (status == HF_OK) status = image_write_record(core->backend, file, &record, report);
    if (status == HF_OK) status = core->backend->file_sync(core->backend, file, report);
    return status;
}

/* An arena that is not open yet, and is not opened by being saved, has no bytes. */
static hf_status image_save_empty(const char *path) {
    hf_arena empty;
    hf_status status = hf_arena_open(&empty, NULL);
    if (status == HF_OK) status = hf_arena_save(&empty, path);
    hf_arena_close(&empty);
    return status;
}

hf_status hf_arena_save(const hf_arena *arena, const char *path) {
    if (hf_arena_is_lazy(arena) && image_is_path(path)) return image_save_empty(path);
    if (arena->state == NULL || !image_is_path(path))
        return hf_fail(HF_INVALID, "hf_arena_save", 0, 0);
    const hf_backend *backend = hf_core_of(arena)->backend;
    size_t used = hf_get_mark(arena);
    hf_report report = {0};
    void *draft;
    intptr_t file;
    hf_status status =
        backend->draft_open(backend, path, HF_IMAGE_AREA + image_pad(used), &draft, &file, &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, used);
    status = image_write(arena, file, &report);
    if (status == HF_OK) status = backend->draft_publish(backend, draft, &report);
    backend->draft_close(backend, draft);
    return image_finish_call(status, &report, 0, used);
}

/* ---------------------------------------------------------- root -------------------- */

hf_status hf_arena_set_root(hf_arena *arena, const void *object) {
    size_t offset = (size_t)((uintptr_t)object - (uintptr_t)hf_arena_base(arena));
    if (hf_arena_is_lazy(arena) && object == NULL) return HF_OK;
    bool is_ours = arena->state != NULL && (object == NULL || offset < hf_get_mark(arena));
    if (!is_ours) return hf_fail(HF_INVALID, "hf_arena_set_root", offset, 0);
    if (hf_is_read_only(hf_core_of(arena)))
        return hf_fail_because(HF_WRONG_STATE, "hf_arena_set_root", "the image is read-only",
                               offset, 0);
    hf_status status = hf_image_check_owner(hf_core_of(arena), "hf_arena_set_root");
    if (status == HF_OK) hf_core_of(arena)->root = object ? (uint64_t)offset + 1 : 0;
    return status;
}

void *hf_arena_root(const hf_arena *arena) {
    if (arena->state == NULL || hf_core_of(arena)->root == 0) return NULL;
    return arena->state->base + (size_t)(hf_core_of(arena)->root - 1);
}
