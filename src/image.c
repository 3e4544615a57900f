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
    bool is_made;  /* what was of no size, or zeros, is more now */
    size_t mapped; /* bytes of the arena that are in the file: used, padded */
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

static hf_status corrupt(const char *why) { return hf_fail(HF_CORRUPT, why, 0, 0); }

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
    if (record->used > room || pad(record->used) > room) return corrupt("image: cut off");
    if (record->root > record->used || record->base == 0 || record->base % HF_BASE_ALIGNMENT != 0 ||
        record->base > UINTPTR_MAX || pad(record->used) > UINTPTR_MAX - record->base)
        return corrupt("image: its header is damaged");
    if (record->tag != opened->options.tag) return corrupt("image: of another tag");
    if (pad(record->used) > SIZE_MAX / 2) return hf_fail(HF_RESERVE_FULL, "image", 0, SIZE_MAX);
    return HF_OK;
}

/* A file that is to be an image is empty, or was left by a crash while it was made: zeros. */
static hf_status look_into(image *opened, const unsigned char *area, size_t size) {
    bool blank = hf_file_size(opened->file) <= HF_IMAGE_AREA && hf_image_is_blank(area, size);
    opened->is_new = blank && opened->access == HF_READ_WRITE;
    if (opened->is_new) return HF_OK;
    if (size < HF_IMAGE_AREA) return corrupt("image: cut off");
    const char *reason = NULL;
    hf_status status = hf_image_decode(area, &opened->record, &reason);
    return status == HF_OK ? check_record(opened) : hf_fail(status, reason, 0, 0);
}

static hf_status look(image *opened) {
    hf_report report = {0};
    void *area;
    hf_status status = hf_file_measure(opened->file, &report);
    if (status == HF_OK) status = hf_take_pages(opened->backend, HF_IMAGE_AREA, &area, &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, HF_IMAGE_AREA);
    uint64_t size = hf_file_size(opened->file);
    size_t read = size < HF_IMAGE_AREA ? (size_t)size : HF_IMAGE_AREA;
    status = read_area(opened, area, read);
    if (status == HF_OK) status = look_into(opened, area, read);
    opened->backend->give_pages(opened->backend, area, HF_IMAGE_AREA);
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
    return corrupt("image: changed while it was opened");
}

static hf_status lock_and_look(image *opened) {
    hf_report report = {0};
    hf_status status = opened->backend->file_lock(opened->backend, hf_file_handle(opened->file),
                                                  opened->access == HF_READ_WRITE, &report);
    return status == HF_OK ? look(opened) : hf_fail_reported(status, &report, 0, 0);
}

static hf_status open_image(image *opened, const char *path) {
    hf_status status = opened->access == HF_READ_WRITE
                           ? hf_file_open_or_create(&opened->file, path, opened->backend)
                           : hf_file_open(&opened->file, path, opened->access, opened->backend);
    if (status != HF_OK) return status;
    status = hf_file_has_huge_pages(opened->file)
                 ? hf_fail(HF_UNSUPPORTED, "hf_arena_open_file", 0, 0)
                 : lock_and_look(opened);
    if (status != HF_OK) hf_file_close(opened->file);
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
    if (wanted->reserve == 0) wanted->reserve = larger(HF_DEFAULT_RESERVE, 2 * opened->mapped);
    if (wanted->reserve <= SIZE_MAX / 2) wanted->reserve = (size_t)pad(wanted->reserve);
    if (wanted->reserve < opened->mapped)
        return hf_fail(HF_RESERVE_FULL, "hf_arena_open_file", 0, opened->mapped);
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

/* A byte then lies as far from a huge page's beginning in memory as in the file, which lets the
 * system map the file's cache in large pieces. */
#ifdef HF_BASE_FIXED
#define FIRST_BASE ((uintptr_t)HF_BASE_FIXED + HF_IMAGE_AREA)
#define PLACES 64
#else
#define FIRST_BASE ((uintptr_t)0)
#define PLACES 0
#endif

/* A new image goes where it has a good chance to lie again: at fixed places, one for each that is
 * open at a time. */
static hf_status reserve_new(hf_arena *arena, const image *opened) {
    if (opened->options.base) return open_at(arena, opened, (uintptr_t)opened->options.base, false);
    hf_error before = hf_last_error();
    for (int place = 0; place < PLACES; place++) {
        uintptr_t base = FIRST_BASE + (uintptr_t)place * (uintptr_t)HF_DEFAULT_RESERVE;
        if (opened->options.reserve >= 0 - base) break; /* nowhere whole */
        hf_status status = open_at(arena, opened, base, true);
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
        return hf_fail(HF_NO_ADDRESS, "hf_arena_open_file", 0, wanted->least_reserve);
    if (wanted->reserve > above) wanted->reserve = above;
    return open_at(arena, &fitted, base, false);
}

static hf_status reserve_again(hf_arena *arena, const image *opened) {
    uintptr_t base = (uintptr_t)opened->record.base, named = (uintptr_t)opened->options.base;
    bool any = opened->options.any_base, elsewhere = named != 0 && named != base;
    if (elsewhere && !any) return hf_fail(HF_INVALID, "hf_arena_open_file", 0, opened->mapped);
    hf_error before = hf_last_error();
    hf_status status =
        elsewhere ? open_at(arena, opened, named, false) : open_where_it_lay(arena, opened);
    if (status != HF_NO_ADDRESS || !any) return status;
    return settle_last(open_at(arena, opened, 0, false), before);
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
    core->in_doubt = true;
    hf_status status = write_record(core->backend, hf_file_handle(core->image), record, &report);
    core->own_calls += report.system_calls;
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, HF_IMAGE_SLOT);
    status = sync_file(core);
    if (status != HF_OK) return status;
    core->record = *record;
    core->in_doubt = false;
    return HF_OK;
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

hf_status hf_arena_sync(hf_arena *arena) {
    if (arena->state == NULL || !hf_core_of(arena)->is_persistent)
        return hf_fail(HF_STATE, "hf_arena_sync", 0, 0);
    hf_arena_core *core = hf_core_of(arena);
    hf_image_header record = core->record;
    record.used = hf_get_mark(arena);
    record.root = core->root;
    hf_status status = flush_views(core);
    if (status == HF_OK) status = sync_file(core);
    bool is_new = core->in_doubt || memcmp(&record, &core->record, sizeof record) != 0;
    if (status != HF_OK || !is_new) return status;
    record.sequence++;
    return put_record(core, &record);
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
    status = hf_space_place_file(core->space, core->limit, size, core->image, from, HF_READ_WRITE);
    if (status == HF_OK || !is_longer) return status;
    hf_error error = hf_last_error();
    resize(core, before);
    return undone(error);
}

static hf_status place(hf_arena_core *core, size_t size) {
    return hf_arena_place_tidily(core, size, place_view);
}

/* Of a sync that was refused nobody knows what it wrote: the record in the file may need it all. */
void hf_arena_close_image(hf_arena_core *core, bool is_synced) {
    uint64_t kept = HF_IMAGE_AREA + pad(core->record.used);
    if (is_synced && hf_file_size(core->image) > kept) resize(core, kept);
    hf_file_close(core->image);
}

/* ------------------------------------------------------------------- opening ------------- */

static hf_status map_image(hf_arena *arena, const image *opened) {
    hf_arena_core *core = hf_core_of(arena);
    size_t size = opened->mapped;
    if (size > 0) {
        hf_status status =
            hf_space_place_file(core->space, 0, size, opened->file, HF_IMAGE_AREA, opened->access);
        if (status != HF_OK) return status;
    }
    core->limit = core->dirty = size;
    core->root = opened->record.root;
    return HF_OK;
}

/* What cannot grow is refused while it is opened. */
static hf_status try_view(hf_arena_core *core) {
    hf_status status =
        hf_space_place_file(core->space, 0, core->granule, core->image, 0, HF_READ_WRITE);
    return status == HF_OK ? hf_space_clear(core->space, 0, core->granule) : status;
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
    core->fixed = core->dirty = core->limit = core->reserved = (size_t)opened->record.used;
}

static void thaw(hf_arena_core *core, const image *opened) {
    size_t used = (size_t)opened->record.used;
    if (core->checked) hf_mark_free(core->shown.base + used, opened->mapped - used);
    core->is_persistent = opened->access == HF_READ_WRITE;
    if (!core->is_persistent) return;
    core->place = place;
    core->options.fault_after_rewind = false;
}

static hf_status start(hf_arena *arena, image *opened) {
    hf_arena_core *core = hf_core_of(arena);
    core->image = opened->file;
    core->record = opened->record;
    hf_status status = opened->access == HF_READ_WRITE ? make_whole(core, opened) : HF_OK;
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

static hf_status open_arena(hf_arena *arena, image *opened) {
    hf_status status = choose_sizes(opened);
    if (status != HF_OK) return status;
    status = opened->is_new ? reserve_new(arena, opened) : reserve_again(arena, opened);
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
    if (!is_path(path) || !is_access) return hf_fail(HF_INVALID, "hf_arena_open_file", 0, 0);
    hf_status status = open_image(&opened, path);
    if (status != HF_OK) return status;
    status = open_arena(arena, &opened);
    if (status != HF_OK) hf_file_close(opened.file);
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
    hf_status status = hf_take_pages(backend, COPY_STEP, &copy, report);
    if (status != HF_OK) return status;
    for (size_t size; status == HF_OK && from < end; from += size) {
        size = end - from < COPY_STEP ? end - from : COPY_STEP;
        hf_copy_unchecked(copy, core->shown.base + from, size);
        status = backend->file_write(backend, file, HF_IMAGE_AREA + from, copy, size, report);
    }
    backend->give_pages(backend, copy, COPY_STEP);
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
    if (hf_is_frozen(hf_core_of(arena))) return hf_fail(HF_STATE, "hf_arena_set_root", offset, 0);
    hf_core_of(arena)->root = object ? (uint64_t)offset + 1 : 0;
    return HF_OK;
}

void *hf_arena_root(const hf_arena *arena) {
    if (arena->state == NULL || hf_core_of(arena)->root == 0) return NULL;
    return arena->state->base + (size_t)(hf_core_of(arena)->root - 1);
}
