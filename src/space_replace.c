/*
 * space_replace.c -- unmaps a part of a view (hf_space_unmap_part), replaces whatever is in a range
 * by a view (hf_space_remap_range), and makes a committed region longer (hf_space_extend).
 *
 * Linux does each in one mmap or mprotect. Windows unmaps whole views only: there a part of a view
 * goes in steps, and other threads find placeholder in all of the view for that long:
 *
 *      |         v         |     unmap      |         p         |
 *      |         p         |     split      |   p   |  p  |  p  |
 *      |   p   |  p  |  p  |     map twice  |   v   |  p  |  v  |
 */
#include <holdfast/space.h>

#include <assert.h>
#include <string.h>

#include "compatible.h"
#include "fail.h"
#include "file_access.h"
#include "pages.h"
#include "space_core.h"

/* ------------------------------------------- a part of a view, in steps ------------------ */

/* A view that is unmapped to be mapped again in part. */
typedef struct space_saved {
    space_request view; /* the whole view */
    char *copy;         /* its bytes, if it is copy-on-write; else NULL */
    size_t unprotected; /* from this offset to the end of its region the map of protections is not
                         * applied; SIZE_MAX: it is, everywhere */
} space_saved;

/* What the backend allocates for records, it allocates for a copy, too. */
static hf_status space_copy_view(hf_space *space, space_saved *saved) {
    const hf_backend *backend = space->backend;
    size_t offset = saved->view.offset, size = saved->view.size;
    void *copy;
    hf_report report = {0};
    hf_status status = backend->allocate_pages(backend, size, &copy, &report);
    status = hf_space_finish_call(space, HF_STEP_RECORDS, status, &report, offset, size);
    if (status != HF_OK) return status;
    status = hf_space_make_readable(space, offset, offset + size);
    if (status != HF_OK) {
        backend->free_pages(backend, copy, size);
        return status;
    }
    memcpy(copy, space->base + offset, size);
    saved->copy = copy;
    return HF_OK;
}

static hf_status space_save_view(hf_space *space, const hf_node *node, const space_request *wanted,
                                 space_saved *saved) {
    *saved = (space_saved){.view = *wanted, .unprotected = SIZE_MAX};
    saved->view.offset = node->offset;
    saved->view.size = space_size_of(space, node);
    saved->view.file = node->file;
    saved->view.file_offset = node->file_offset;
    saved->view.access = node->access;
    assert(node->file != NULL);
    hf_status status = node->access == HF_COPY_ON_WRITE ? space_copy_view(space, saved) : HF_OK;
    if (status == HF_OK) hf_file_retain(node->file);
    return status;
}

static void space_free_saved(hf_space *space, const space_saved *saved) {
    if (saved->copy) space->backend->free_pages(space->backend, saved->copy, saved->view.size);
    hf_file_close(saved->view.file);
}

/* Stores the private pages of a copy-on-write view, which are those that differ from the file. */
static void space_store_copy(const hf_space *space, const space_saved *saved, size_t offset,
                             size_t end) {
    for (; saved->copy && offset < end; offset += space->page_size) {
        const char *page = saved->copy + (offset - saved->view.offset);
        if (memcmp(space->base + offset, page, space->page_size) != 0)
            memcpy(space->base + offset, page, space->page_size);
    }
}

/* Maps the rest from `offset` to `end`, which is exactly one placeholder, as it was mapped. */
static hf_status space_map_again(hf_space *space, space_saved *saved, size_t offset, size_t end) {
    if (offset == end) return HF_OK;
    space_request wanted = saved->view;
    wanted.offset = offset;
    wanted.size = end - offset;
    wanted.file_offset += offset - saved->view.offset;
    hf_status status = hf_space_call_map(space, &wanted);
    if (status != HF_OK) return status;
    hf_space_set_view(space, space_find_node(space, &wanted), &wanted);
    space_store_copy(space, saved, offset, end);
    if (hf_space_has_protections(space)) status = hf_space_apply_protections(space, offset, end);
    saved->unprotected = status == HF_OK ? SIZE_MAX : hf_last_error().offset;
    return status;
}

static hf_status space_unmap_bare(hf_space *space, hf_node *node) {
    hf_status status = hf_space_call(space, HF_STEP_UNMAP, space->backend->unmap, node->offset,
                                     space_size_of(space, node));
    if (status == HF_OK) hf_space_set_bare_placeholder(space, node);
    return status;
}

/* Each step edits the map, which keeps the protections. */
static hf_status space_unmap_and_map_rest(hf_space *space, space_saved *saved, hf_node *node,
                                          size_t offset, size_t size) {
    hf_status status = space_unmap_bare(space, node);
    if (status == HF_OK)
        status = hf_space_call(space, HF_STEP_SPLIT, space->backend->split, offset, size);
    if (status != HF_OK) return status;
    hf_space_split_node(space, node, offset, size);
    status = space_map_again(space, saved, saved->view.offset, offset);
    if (status != HF_OK) return status;
    return space_map_again(space, saved, offset + size, space_end_of(&saved->view));
}

/* Makes one placeholder of what the range of the view is now: views and placeholders. */
static hf_status space_clear_rest(hf_space *space, const space_saved *saved) {
    hf_node *first = space_find_node(space, &saved->view);
    hf_status status = HF_OK;
    size_t end = space_end_of(&saved->view);
    for (hf_node *node = first; status == HF_OK && node && node->offset < end; node = node->next)
        if (node->kind == HF_VIEW) status = space_unmap_bare(space, node);
    if (status != HF_OK || hf_node_end(&space->map, first) == end) return status;
    return hf_space_coalesce_nodes(space, first, end);
}

static hf_status space_restore_view(hf_space *space, space_saved *saved) {
    hf_status status = space_clear_rest(space, saved);
    if (status != HF_OK) return status;
    return space_map_again(space, saved, saved->view.offset, space_end_of(&saved->view));
}

/* Makes the map of protections true where a view could not be restored. */
static void space_forget_lost(hf_space *space, const space_saved *saved) {
    for (hf_node *node = space_find_node(space, &saved->view);
         node && node->offset < space_end_of(&saved->view); node = node->next) {
        size_t end = hf_node_end(&space->map, node), from = saved->unprotected;
        if (node->kind == HF_PLACEHOLDER) from = node->offset;
        if (node->offset <= from && from < end)
            hf_space_set_protection(space, from, end - from, HF_PROTECT_READ_WRITE);
    }
}

/* If unmapping failed, the view is there, and only its protections may have to come back. Where the
 * view cannot be mapped again either, the map shows what is there. */
static void space_undo_unmap_part(hf_space *space, space_saved *saved) {
    const hf_node *node = space_find_node(space, &saved->view);
    if (node->kind == HF_VIEW && space_is_exactly(space, node, &saved->view)) {
        if (saved->copy)
            hf_space_undo_readable(space, saved->view.offset, space_end_of(&saved->view));
        return;
    }
    hf_error first = hf_last_error();
    if (space_restore_view(space, saved) != HF_OK) {
        space_forget_lost(space, saved);
        first.undo_failed = true;
        space->is_transient = false; /* do not try again: the caller has to see undo_failed */
    }
    hf_fail_with(first);
}

static hf_status space_try_unmap_part(hf_space *space, hf_node *node, const space_request *part) {
    space_saved saved;
    hf_status status = space_save_view(space, node, part, &saved);
    if (status != HF_OK) return status;
    status = space_unmap_and_map_rest(space, &saved, node, part->offset, part->size);
    if (status == HF_OK)
        hf_space_set_protection(space, part->offset, part->size, HF_PROTECT_READ_WRITE);
    else
        space_undo_unmap_part(space, &saved);
    space_free_saved(space, &saved);
    return status;
}

/* Counts one step, and fails with the range of the part, as one unmap of a part does. */
static hf_status space_unmap_part_in_steps(hf_space *space, hf_node *node,
                                           const space_request *part) {
    hf_space_stats before = space->stats;
    hf_status status = space_try_unmap_part(space, node, part);
    memcpy(space->stats.steps, before.steps, sizeof before.steps);
    space->stats.steps[HF_STEP_UNMAP] += status == HF_OK;
    if (status == HF_OK) return HF_OK;
    hf_error error = hf_last_error();
    error.offset = part->offset;
    error.size = part->size;
    return hf_fail_with(error);
}

hf_status hf_space_unmap_part(hf_space *space, hf_node *node, const space_request *part) {
    assert(node->kind == HF_VIEW && space_contains(space, node, part));
    if (!space->spans_regions && !space_is_exactly(space, node, part))
        return space_unmap_part_in_steps(space, node, part);
    hf_status status =
        hf_space_call(space, HF_STEP_UNMAP, space->backend->unmap, part->offset, part->size);
    if (status == HF_OK)
        hf_space_set_placeholder(space, hf_space_split_node(space, node, part->offset, part->size));
    return status;
}

/* ---------------------------------------------------------------- remap_range ------------ */

static size_t space_placeholder_bytes(const hf_space *space) {
    return hf_region_map_sums(&space->map)->bytes[HF_PLACEHOLDER];
}

/* A range within one placeholder is only mapped, which is undone whole. Otherwise a failure is not
 * undone once anything has become a placeholder, or placeholders were coalesced. */
static hf_status space_release_and_map(hf_space *space, const space_request *wanted) {
    hf_node *node = space_find_node(space, wanted);
    if (node->kind == HF_PLACEHOLDER && space_contains(space, node, wanted))
        return hf_space_commit_or_map_range(space, wanted);
    size_t before = space_placeholder_bytes(space), regions = space->map.count;
    hf_status status = hf_space_release(space, wanted);
    if (status == HF_OK) status = hf_space_commit_or_map_range(space, wanted);
    if (status == HF_OK ||
        (before == space_placeholder_bytes(space) && regions == space->map.count))
        return status;
    hf_error error = hf_last_error();
    error.undo_failed = true;
    space->is_transient = false; /* do not try again: the caller has to see undo_failed */
    return hf_fail_with(error);
}

/* Each region that goes counts as an unmap or a decommit, and the view as one map, also where there
 * were more steps. */
static hf_status space_remap_in_steps(hf_space *space, const space_request *wanted) {
    size_t splits = space->stats.steps[HF_STEP_SPLIT];
    size_t coalesces = space->stats.steps[HF_STEP_COALESCE];
    hf_status status = space_release_and_map(space, wanted);
    space->stats.steps[HF_STEP_SPLIT] = splits;
    space->stats.steps[HF_STEP_COALESCE] = coalesces;
    return status;
}

static hf_status space_call_remap(hf_space *space, const space_request *wanted, bool *is_lost) {
    const hf_backend *backend = space->backend;
    hf_report report = {0};
    hf_status status =
        backend->remap(backend, space->base + wanted->offset, wanted->size,
                       hf_file_handle(wanted->file), wanted->file_offset, wanted->access, &report);
    *is_lost = status != HF_OK && report.is_lost;
    return hf_space_finish_call(space, HF_STEP_MAP, status, &report, wanted->offset, wanted->size);
}

static hf_status space_remap(hf_space *space, const space_request *wanted) {
    space_ends ends = space_find_ends(space, wanted);
    const char *reason = hf_space_why_no_part(space, wanted, ends);
    if (reason) return hf_space_fail_state(wanted, reason);
    hf_status status = hf_space_reserve_records(space, wanted, 2);
    if (status != HF_OK) return status;
    if (!space->spans_regions || !HF_HAS(space->backend, remap))
        return space_remap_in_steps(space, wanted);
    bool is_lost;
    hf_space_take_first(space, wanted->offset);
    status = space_call_remap(space, wanted, &is_lost);
    if (status != HF_OK && !is_lost) return status;
    hf_node *node = hf_space_join_run(space, wanted, ends);
    if (status == HF_OK) {
        hf_space_set_view(space, node, wanted);
        return HF_OK;
    }
    hf_error error = hf_last_error();
    error.undo_failed = true;
    hf_space_set_kind(space, node, HF_PLACEHOLDER);
    hf_space_name_range(space, wanted->offset, wanted->size);
    return hf_fail_with(error);
}

hf_status hf_space_remap_range(hf_space *space, size_t offset, size_t size, hf_file *file,
                               uint64_t file_offset, hf_access access) {
    return hf_space_perform_map(space, space_remap,
                                &(space_request){.call = "hf_space_remap_range",
                                                 .offset = offset,
                                                 .size = size,
                                                 .file = file,
                                                 .file_offset = file_offset,
                                                 .access = access});
}

/* --------------------------------------------------------------------- extend ------------ */

/* The last of the committed regions that the old bytes are exactly; NULL: they are not. */
static hf_node *space_find_last_committed(const hf_space *space, const space_request *wanted) {
    size_t end = wanted->offset + wanted->old_size;
    hf_node *node = space_find_node(space, wanted);
    if (node->offset != wanted->offset) return NULL;
    while (node->kind == HF_COMMITTED && hf_node_end(&space->map, node) < end) node = node->next;
    return node->kind == HF_COMMITTED && hf_node_end(&space->map, node) == end ? node : NULL;
}

/*
 *      |  c  |        p        |  ->  |     c     |     p     |     the system has no allocations
 *      |  c  |        p        |  ->  |  c  |  c  |     p     |     it has: Windows
 */
static hf_status space_extend(hf_space *space, const space_request *wanted) {
    hf_node *last = space_find_last_committed(space, wanted);
    if (last == NULL) return hf_space_fail_state(wanted, "the old bytes are not committed regions");
    space_request added = *wanted;
    added.offset += wanted->old_size;
    added.size -= wanted->old_size;
    if (last->next == NULL || last->next->kind != HF_PLACEHOLDER ||
        !space_contains(space, last->next, &added))
        return hf_space_fail_state(wanted, "no placeholder behind the region is large enough");
    hf_status status = hf_space_commit_or_map_range(space, &added);
    if (status == HF_OK && space->spans_regions) hf_region_map_absorb_next(&space->map, last);
    return status;
}

hf_status hf_space_extend(hf_space *space, size_t offset, size_t old_size, size_t new_size) {
    space_request wanted = {
        .call = "hf_space_extend", .offset = offset, .size = new_size, .old_size = old_size};
    if (space == NULL || old_size == 0 || old_size >= new_size ||
        (old_size & (space->page_size - 1)) != 0)
        return hf_space_fail(HF_INVALID, &wanted);
    return hf_space_perform(space, space_extend, &wanted);
}
