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
    hf_arena_go_back(arena, hf_get_mark(arena)); /* what hf_peek has shown is over */
    hf_status status =
        hf_arena_release_beyond(arena, hf_round_up(hf_get_mark(arena), core->page_size));
    if (status != HF_OK) return status;
    size_t from = core->limit, room = core->reserved - from;
    if (file_size > room) return refuse(HF_RESERVE_FULL, from, SIZE_MAX);
    size_t size = hf_round_up((size_t)file_size, core->page_size);
    if (size > room) return refuse(HF_RESERVE_FULL, from, size);
    status = hf_space_map_range(core->space, from, size, file, 0, access);
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
    *data = arena->pos - hf_round_up(*size, hf_core_of(arena)->page_size);
    return HF_OK;
}

hf_status hf_arena_append_file(hf_arena *arena, const char *path, hf_access access, void **data,
                               size_t *size) {
    if (arena->state == NULL || data == NULL || size == NULL ||
        (access != HF_READ_ONLY && access != HF_COPY_ON_WRITE))
        return refuse(HF_INVALID, 0, 0);
    const hf_arena_core *core = hf_core_of(arena);
    if (core->is_read_write || hf_is_read_only(core)) return refuse(HF_UNSUPPORTED, 0, 0);
    hf_file *file;
    hf_status status = hf_file_open(&file, path, access, core->backend);
    if (status != HF_OK) return status;
    status = hf_file_has_huge_pages(file) ? refuse(HF_UNSUPPORTED, 0, 0)
                                          : append(arena, file, access, data, size);
    hf_file_close(file);
    return status;
}

/* ------------------------------------------------------------------ going back ----------- */

/* Where the highest appended view ends that lies below `offset`; 0: there is none. Visits the
 * regions between the two only. */
static size_t end_of_views_below(const hf_arena_core *core, size_t offset) {
    hf_region region;
    while (offset > 0 && hf_space_find(core->space, offset - 1, &region)) {
        if (hf_is_appended(&region)) return region.offset + region.size;
        offset = region.offset;
    }
    return 0;
}

static bool is_within_view(const hf_arena_core *core, size_t mark) {
    hf_region region;
    hf_space_find(core->space, mark, &region);
    return hf_is_appended(&region) && region.offset < mark;
}

/* Of the views that end above the mark: where the lowest one begins, and where the one below that
 * ends. Visits the views that have to go and what lies between them. */
typedef struct views {
    size_t lowest, below;
} views;

static views find_views(const hf_arena_core *core, hf_mark mark) {
    views found = {core->fixed, core->fixed};
    while (found.below > mark) {
        hf_region view;
        hf_space_find(core->space, found.below - 1, &view);
        found.lowest = view.offset;
        found.below = end_of_views_below(core, view.offset);
    }
    return found;
}

/* A view is gone if limit passed it, also where only the joining of placeholders failed. */
static hf_status release_views(hf_arena *arena, const views *found) {
    hf_arena_core *core = hf_core_of(arena);
    hf_status status = hf_arena_release_beyond(arena, found->lowest);
    core->fixed =
        core->limit == found->lowest ? found->below : end_of_views_below(core, core->limit);
    return status;
}

/* The pages of the views and those between them become placeholder, the lowest first, and pos stays
 * above them. */
static hf_status fault_back_over_views(hf_arena *arena, hf_mark mark, const views *found) {
    hf_arena_core *core = hf_core_of(arena);
    size_t highest = core->fixed;
    core->fixed = found->below;
    hf_status status = hf_rewind(arena, mark);
    if (status != HF_OK) core->fixed = end_of_views_below(core, highest);
    return status;
}

hf_status hf_arena_rewind_views(hf_arena *arena, hf_mark mark) {
    hf_arena_core *core = hf_core_of(arena);
    if (hf_is_read_only(core)) return hf_fail(HF_WRONG_STATE, "hf_rewind", mark, 0);
    if (is_within_view(core, mark)) return hf_fail(HF_INVALID, "hf_rewind", mark, 0);
    views found = find_views(core, mark);
    if (core->options.fault_after_rewind) return fault_back_over_views(arena, mark, &found);
    hf_status status = release_views(arena, &found);
    if (core->fixed > mark) return status;
    hf_status rest = hf_rewind(arena, mark);
    return status == HF_OK ? rest : status;
}
