/*
 * append.c -- hf_arena_append_file: maps files as the next bytes of an arena, and rewinds below
 * these views.
 *
 *      |   private   |  view  |   private   |  view  |pos  private  |limit
 *                                                    ^ views_end: the end of the highest view
 *
 * Rewinding to views_end or above only moves pos. Rewinding below it first unmaps all views above
 * the mark: limit moves down to the beginning of the lowest one, and from there the arena grows
 * with private memory again.
 */
#include <assert.h>

#include "arena_core.h"
#include "fail.h"
#include "file_access.h"
#include "pages.h"
#include "sanitizer.h"

static hf_status append_fail(hf_status status, size_t offset, size_t size) {
    return hf_fail(status, "hf_arena_append_file", offset, size);
}

static hf_status append_fail_unsupported(const char *reason) {
    return hf_fail_because(HF_UNSUPPORTED, "hf_arena_append_file", reason, 0, 0);
}

/* Maps the file at pos, rounded up to the page size. The memory from there to limit is released
 * first; a view that a snapshot begins with stays whole, and the file follows it. */
static hf_status append_map(hf_arena *arena, hf_file *file, hf_access access) {
    hf_arena_core *core = hf_core_of(arena);
    uint64_t file_size = hf_file_size(file);
    hf_arena_go_back(arena, hf_get_mark(arena)); /* ends a peek */
    hf_status status =
        hf_arena_release_beyond(arena, hf_round_up(hf_get_mark(arena), core->page_size));
    if (status != HF_OK) return status;
    size_t from = core->limit, room = core->reserved - from;
    if (file_size > room) return append_fail(HF_RESERVE_FULL, from, SIZE_MAX);
    size_t size = hf_round_up((size_t)file_size, core->page_size);
    if (size > room) return append_fail(HF_RESERVE_FULL, from, size);
    status = hf_arena_map_range(core, from, size, file, 0, access);
    if (status != HF_OK) return status;
    core->limit = core->views_end = from + size;
    assert(core->limit <= core->reserved);
    if (core->is_sanitized)
        hf_poison(core->state.base + from + file_size, size - (size_t)file_size);
    hf_arena_set_pos(arena, core->limit);
    return HF_OK;
}

static hf_status append_view(hf_arena *arena, hf_file *file, hf_access access, void **data,
                             size_t *size) {
    hf_status status = hf_file_size(file) == 0 ? HF_OK : append_map(arena, file, access);
    if (status != HF_OK) return status;
    *size = (size_t)hf_file_size(file);
    *data = arena->pos - hf_round_up(*size, hf_core_of(arena)->page_size);
    return HF_OK;
}

hf_status hf_arena_append_file(hf_arena *arena, const char *path, hf_access access, void **data,
                               size_t *size) {
    hf_status status = HF_OK;
    if (data == NULL || size == NULL || (access != HF_READ_ONLY && access != HF_COPY_ON_WRITE))
        return append_fail(HF_INVALID, 0, 0);
    if (arena->state == NULL) status = hf_arena_open_lazily(arena, "hf_arena_append_file", 0);
    if (status != HF_OK) return status;
    const hf_arena_core *core = hf_core_of(arena);
    if (hf_is_read_write(core) || hf_is_read_only(core))
        return append_fail_unsupported("the arena is a read-write or read-only image");
    hf_file *file;
    status = hf_file_open(&file, path, access, core->backend);
    if (status != HF_OK) return status;
    status = hf_file_has_huge_pages(file) ? append_fail_unsupported(HF_HUGETLBFS_REASON)
                                          : append_view(arena, file, access, data, size);
    hf_file_close(file);
    return status;
}

/* ---------------------------------------------------- rewinding -------------------- */

/* Looks up only the regions between that view and `offset`. */
size_t hf_arena_views_end_below(const hf_arena_core *core, size_t offset) {
    hf_region region = {0};
    while (offset > 0 && hf_arena_find_region(core, offset - 1, &region)) {
        if (hf_is_appended(&region)) return region.offset + region.size;
        offset = region.offset;
    }
    return 0;
}

static bool append_is_within_view(const hf_arena_core *core, size_t mark) {
    hf_region region = {0};
    hf_arena_find_region(core, mark, &region);
    return hf_is_appended(&region) && region.offset < mark;
}

/* The views to unmap, all that end above a mark. */
typedef struct append_views {
    size_t lowest; /* offset at which the lowest of them begins */
    size_t below;  /* end of the next view below that one, which stays; 0: there is none */
} append_views;

/* Looks up only these views and the regions between them. */
static append_views append_find_views(const hf_arena_core *core, hf_mark mark) {
    append_views found = {core->views_end, core->views_end};
    assert(mark < core->views_end && core->views_end <= core->limit);
    while (found.below > mark) {
        hf_region view = {0};
        hf_arena_find_region(core, found.below - 1, &view);
        found.lowest = view.offset;
        found.below = hf_arena_views_end_below(core, view.offset);
    }
    assert(mark <= found.lowest && found.below <= mark);
    return found;
}

/* A view above limit is unmapped, even if the placeholders behind limit could not be coalesced. */
static hf_status append_release_views(hf_arena *arena, const append_views *found) {
    hf_arena_core *core = hf_core_of(arena);
    hf_status status = hf_arena_release_beyond(arena, found->lowest);
    core->views_end =
        core->limit == found->lowest ? found->below : hf_arena_views_end_below(core, core->limit);
    assert(core->views_end <= core->limit);
    return status;
}

hf_status hf_arena_check_mark(const hf_arena_core *core, hf_mark mark) {
    if (mark >= core->views_end) return HF_OK;
    if (hf_is_read_only(core))
        return hf_fail_because(HF_WRONG_STATE, "hf_rewind", "the image is read-only", mark, 0);
    if (append_is_within_view(core, mark))
        return hf_fail_because(HF_INVALID, "hf_rewind", "the mark is within an appended file", mark,
                               0);
    return HF_OK;
}

hf_status hf_arena_unmap_views(hf_arena *arena, hf_mark mark) {
    append_views found = append_find_views(hf_core_of(arena), mark);
    return append_release_views(arena, &found);
}
