/*
 * append.c -- files in the middle of an arena: views that become its next bytes, and going back
 * below them.
 *
 *      |   private   |  view  |   private   |  view  |pos  private  |limit
 *                                                    ^ fixed: the end of the last view
 *
 * Above `fixed` an arena is as any other. A mark below it says that views have to go: what was in
 * their place must be memory again before pos may pass there.
 */
#include "arena.h"
#include "fail.h"
#include "file.h"
#include "marking.h"
#include "pages.h"

static hf_status refuse(hf_status status, size_t offset, size_t size) {
    return hf_fail(status, "hf_arena_append_file", offset, size);
}

/* What is ready behind pos makes place; a snapshot's own view stays to its end. */
static hf_status map_next(hf_arena *arena, hf_file *file, hf_access access) {
    hf_arena_core *core = hf_core_of(arena);
    uint64_t file_size = hf_file_size(file);
    hf_arena_go_back(arena, hf_get_mark(arena)); /* what hf_top has shown is over */
    hf_status status =
        hf_arena_release_beyond(arena, hf_round_up(hf_get_mark(arena), core->granule));
    if (status != HF_OK) return status;
    size_t from = core->limit, room = core->reserved - from;
    if (file_size > room) return refuse(HF_RESERVE_FULL, from, SIZE_MAX);
    size_t size = hf_round_up((size_t)file_size, core->granule);
    if (size > room) return refuse(HF_RESERVE_FULL, from, size);
    status = hf_space_place_file(core->space, from, size, file, 0, access);
    if (status != HF_OK) return status;
    core->limit = core->fixed = from + size;
    if (core->checked) hf_mark_free(core->shown.base + from + file_size, size - (size_t)file_size);
    hf_arena_set_pos(arena, core->limit);
    return HF_OK;
}

static hf_status append(hf_arena *arena, hf_file *file, hf_access access, void **data,
                        size_t *size) {
    hf_status status = hf_file_size(file) == 0 ? HF_OK : map_next(arena, file, access);
    if (status != HF_OK) return status;
    *size = (size_t)hf_file_size(file);
    *data = arena->pos - hf_round_up(*size, hf_core_of(arena)->granule);
    return HF_OK;
}

hf_status hf_arena_append_file(hf_arena *arena, const char *path, hf_access access, void **data,
                               size_t *size) {
    if (arena->state == NULL || data == NULL || size == NULL ||
        (access != HF_READ_ONLY && access != HF_COPY_ON_WRITE))
        return refuse(HF_INVALID, 0, 0);
    const hf_arena_core *core = hf_core_of(arena);
    if (core->is_persistent || hf_is_frozen(core)) return refuse(HF_UNSUPPORTED, 0, 0);
    hf_file *file;
    hf_status status = hf_file_open(&file, path, access, core->backend);
    if (status != HF_OK) return status;
    status = append(arena, file, access, data, size);
    hf_file_close(file);
    return status;
}

/* Of the files appended: the lowest view that ends above the mark, and where the one before it
 * ends. */
typedef struct views {
    hf_region lowest;
    size_t below;
} views;

static views find_views(const hf_arena_core *core, size_t mark) {
    views found = {{0}, 0};
    for (hf_region region = {0}; hf_space_next(core->space, &region);) {
        size_t end = region.offset + region.size;
        if (!hf_is_appended(&region)) continue;
        found.lowest = region;
        if (end > mark) break;
        found.below = end;
    }
    return found;
}

/* The views are gone, or else pos stays above all that is left. */
static hf_status release_views(hf_arena *arena, const views *found) {
    hf_arena_core *core = hf_core_of(arena);
    size_t from = found->lowest.offset, top = hf_get_mark(arena);
    hf_arena_go_back(arena, from);
    hf_status status = hf_arena_release_beyond(arena, from);
    core->fixed = find_views(core, SIZE_MAX).below; /* of those that are left */
    if (core->limit > from) hf_arena_set_pos(arena, top < core->limit ? top : core->limit);
    return status;
}

hf_status hf_arena_rewind_views(hf_arena *arena, hf_mark mark) {
    hf_arena_core *core = hf_core_of(arena);
    if (hf_is_frozen(core)) return hf_fail(HF_STATE, "hf_rewind", mark, 0);
    views found = find_views(core, mark);
    if (mark > found.lowest.offset) return hf_fail(HF_INVALID, "hf_rewind", mark, 0);
    if (core->options.fault_after_rewind) { /* the views go with the pages between them */
        core->fixed = found.below;
        hf_status status = hf_rewind(arena, mark);
        core->fixed = find_views(core, SIZE_MAX).below; /* of those that are left */
        return status;
    }
    hf_status status = release_views(arena, &found);
    if (core->limit > found.lowest.offset) return status;
    hf_status rest = hf_rewind(arena, mark);
    return status == HF_OK ? rest : status;
}
