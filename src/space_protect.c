/*
 * space_protect.c -- what may be done with the pages of a space: hf_space_protect; and their
 * contents made as new: hf_space_reset_range. See space_core.h for the map of protections.
 *
 * A piece is what a range has of one region with one protection:
 *
 *      regions      |      c      |     v     |
 *      protections  |   |    read     | none  |
 *      range           |-----------------|
 *      pieces          | |        |   |  |
 */
#include <holdfast/space.h>

#include <assert.h>
#include <string.h>

#include "compatible.h"
#include "fail.h"
#include "file_access.h"
#include "space_core.h"

/* ----------------------------------------------------- the map of protections ------------ */

void hf_space_open_protections(hf_space *space) {
    hf_region_map_open(&space->protections, space->backend, space->size, &space->first_protection,
                       sizeof space->first_protection);
    space->protections.first->protection = HF_PROTECT_READ_WRITE;
}

bool hf_space_has_protections(const hf_space *space) {
    return space->protections.count > 1 ||
           space->protections.first->protection != HF_PROTECT_READ_WRITE;
}

hf_protection hf_space_protection_at(const hf_space *space, const hf_node *node, size_t offset) {
    if (node->kind == HF_PLACEHOLDER) return HF_PROTECT_NONE;
    hf_protection found = hf_region_map_find(&space->protections, offset)->protection;
    bool is_read_only = node->kind == HF_VIEW && node->access == HF_READ_ONLY;
    return found == HF_PROTECT_READ_WRITE && is_read_only ? HF_PROTECT_READ : found;
}

size_t hf_space_piece_end(const hf_space *space, const hf_node *node, size_t offset, size_t end) {
    const hf_node *run = hf_region_map_find(&space->protections, offset);
    size_t node_end = hf_node_end(&space->map, node);
    size_t run_end = hf_node_end(&space->protections, run);
    if (node_end < end) end = node_end;
    return run_end < end ? run_end : end;
}

/*
 * Makes one run of the range, and one with its neighbours of the same protection:
 *      | read |   none   |   read   |  ->  |        read          |
 *                <---->  read              (after a call for all of `none`)
 */
void hf_space_set_protection(hf_space *space, size_t offset, size_t size, hf_protection value) {
    hf_region_map *map = &space->protections;
    size_t end = offset + size;
    hf_node *run = hf_region_map_find(map, offset);
    if (run->protection == value && end <= hf_node_end(map, run)) return;
    if (offset > run->offset) run = hf_region_map_cut(map, run, offset);
    hf_node *last = end <= hf_node_end(map, run) ? run : hf_region_map_find(map, end - 1);
    if (end < hf_node_end(map, last)) hf_region_map_cut(map, last, end);
    hf_region_map_absorb_until(map, run, end);
    run->protection = value;
    if (run->next && run->next->protection == value) hf_region_map_absorb_next(map, run);
    if (run->previous && run->previous->protection == value)
        hf_region_map_absorb_next(map, run->previous);
}

/* ---------------------------------------------------------------- protecting ------------- */

static hf_status space_call_protect(hf_space *space, const hf_node *node, size_t offset,
                                    size_t size, hf_protection protection) {
    const hf_backend *backend = space->backend;
    hf_report report = {0};
    hf_status status =
        backend->protect(backend, space->base + offset, size, node->access, protection, &report);
    return hf_space_finish_call(space, HF_STEP_PROTECT, status, &report, offset, size);
}

hf_status hf_space_apply_protections(hf_space *space, size_t offset, size_t end) {
    hf_status status = HF_OK;
    for (size_t next; status == HF_OK && offset < end; offset = next) {
        const hf_node *node = hf_region_map_find(&space->map, offset);
        next = hf_space_piece_end(space, node, offset, end);
        status = space_call_protect(space, node, offset, next - offset,
                                    hf_space_protection_at(space, node, offset));
    }
    return status;
}

hf_status hf_space_undo_readable(hf_space *space, size_t offset, size_t end) {
    hf_error first = hf_last_error();
    for (size_t at = offset, next; at < end; at = next) {
        const hf_node *node = hf_region_map_find(&space->map, at);
        next = hf_space_piece_end(space, node, at, end);
        if (hf_space_protection_at(space, node, at) != HF_PROTECT_NONE ||
            space_call_protect(space, node, at, next - at, HF_PROTECT_NONE) == HF_OK)
            continue;
        hf_space_set_protection(space, at, next - at, HF_PROTECT_READ);
        first.undo_failed = true;
    }
    if (first.undo_failed) space->is_transient = false; /* the caller has to see undo_failed */
    return hf_fail_with(first);
}

hf_status hf_space_make_readable(hf_space *space, size_t offset, size_t end) {
    hf_status status = HF_OK;
    size_t at = offset;
    for (size_t next; status == HF_OK && at < end; at = next) {
        const hf_node *node = hf_region_map_find(&space->map, at);
        next = hf_space_piece_end(space, node, at, end);
        if (hf_space_protection_at(space, node, at) == HF_PROTECT_NONE)
            status = space_call_protect(space, node, at, next - at, HF_PROTECT_READ);
    }
    return status == HF_OK ? HF_OK : hf_space_undo_readable(space, offset, hf_last_error().offset);
}

static const char *space_why_not_protect(const hf_node *node, const space_request *request) {
    hf_protection wanted = request->protection;
    if (node->kind == HF_PLACEHOLDER) return "the range contains a placeholder";
    if (node->kind == HF_COMMITTED) return NULL;
    if (wanted == HF_PROTECT_READ_WRITE && node->access == HF_READ_ONLY)
        return "the range contains a read-only view";
    if (wanted == HF_PROTECT_READ_EXECUTE && !node->is_executable)
        return "the range contains a view of a file that hf_file_create_executable did not create";
    return NULL;
}

/* Why the regions of the range do not allow the step; NULL: they do. */
typedef const char *space_why_not(const hf_node *node, const space_request *wanted);

/* Checks each region. *first becomes the first one, *count their number. */
static hf_status space_check_regions(const hf_space *space, const space_request *wanted,
                                     space_why_not *why_not, const hf_node **first, size_t *count) {
    space_ends ends = space_find_ends(space, wanted);
    const char *reason = hf_space_why_no_part(space, wanted, ends);
    *first = ends.first;
    *count = 0;
    for (const hf_node *node = ends.first; reason == NULL; node = node->next) {
        reason = why_not(node, wanted);
        ++*count;
        if (node == ends.last) break;
    }
    return reason ? hf_space_fail_state(wanted, reason) : HF_OK;
}

/* Protects the range up to *reached, region by region, or all of it in one call. */
static hf_status space_protect_regions(hf_space *space, const space_request *wanted,
                                       const hf_node *node, size_t *reached) {
    hf_status status = HF_OK;
    size_t end = space_end_of(wanted);
    for (size_t next; status == HF_OK && *reached < end; node = node->next) {
        size_t node_end = hf_node_end(&space->map, node);
        next = space->spans_regions || node_end > end ? end : node_end;
        status = space_call_protect(space, node, *reached, next - *reached, wanted->protection);
        if (status == HF_OK) *reached = next;
    }
    if (status != HF_OK && space->spans_regions) *reached = end;
    return status;
}

/* Protects a piece as the map says. Where that fails, the map must show what the piece has: what
 * was wanted, if the call for its region succeeded; after one call for all regions that is tried,
 * because a call that changes nothing needs no mapping. */
static bool space_restore_piece(hf_space *space, const hf_node *node, const space_request *piece) {
    hf_protection before = hf_space_protection_at(space, node, piece->offset);
    if (space_call_protect(space, node, piece->offset, piece->size, before) == HF_OK) return true;
    bool is_changed =
        !space->spans_regions ||
        space_call_protect(space, node, piece->offset, piece->size, piece->protection) == HF_OK;
    if (is_changed && space->protections.free_count >= 2)
        hf_space_set_protection(space, piece->offset, piece->size, piece->protection);
    return false;
}

/* Protects again as before what hf_space_protect has changed. */
static hf_status space_undo_protect(hf_space *space, const space_request *wanted, size_t reached) {
    hf_error first = hf_last_error();
    space_request piece = *wanted;
    for (; piece.offset < reached; piece.offset += piece.size) {
        const hf_node *node = hf_region_map_find(&space->map, piece.offset);
        piece.size = hf_space_piece_end(space, node, piece.offset, reached) - piece.offset;
        if (!space_restore_piece(space, node, &piece)) first.undo_failed = true;
    }
    if (first.undo_failed) space->is_transient = false; /* the caller has to see undo_failed */
    return hf_fail_with(first);
}

/* The step counts once for each region. */
static hf_status space_protect(hf_space *space, const space_request *wanted) {
    size_t steps = space->stats.steps[HF_STEP_PROTECT], reached = wanted->offset, regions;
    const hf_node *first;
    hf_status status = space_check_regions(space, wanted, space_why_not_protect, &first, &regions);
    if (status != HF_OK) return status;
    if (!HF_HAS(space->backend, protect)) return hf_space_fail(HF_UNSUPPORTED, wanted);
    status = hf_space_reserve_protections(space, wanted);
    if (status != HF_OK) return status;
    status = space_protect_regions(space, wanted, first, &reached);
    if (status == HF_OK) {
        hf_space_set_protection(space, wanted->offset, wanted->size, wanted->protection);
        steps += regions;
    } else {
        space_undo_protect(space, wanted, reached);
    }
    space->stats.steps[HF_STEP_PROTECT] = steps;
    return status;
}

static bool space_is_protection(hf_protection protection) {
    return protection == HF_PROTECT_NONE || protection == HF_PROTECT_READ ||
           protection == HF_PROTECT_READ_WRITE || protection == HF_PROTECT_READ_EXECUTE;
}

hf_status hf_space_protect(hf_space *space, size_t offset, size_t size, hf_protection protection) {
    space_request wanted = {
        .call = "hf_space_protect", .offset = offset, .size = size, .protection = protection};
    if (!space_is_protection(protection)) return hf_space_fail(HF_INVALID, &wanted);
    return hf_space_perform(space, space_protect, &wanted);
}

/* ---------------------------------------------------------------- resetting -------------- */

static const char *space_why_not_reset(const hf_node *node, const space_request *wanted) {
    (void)wanted;
    bool is_private =
        node->kind == HF_COMMITTED || (node->kind == HF_VIEW && node->access == HF_COPY_ON_WRITE);
    return is_private ? NULL : "the range is not all committed memory and copy-on-write views";
}

/* Makes the pages of a copy-on-write view what the file has now. The file may end before. */
static hf_status space_store_file(hf_space *space, const hf_node *node, size_t offset,
                                  size_t size) {
    const hf_backend *backend = space->backend;
    uint64_t from = node->file_offset + (offset - node->offset);
    uint64_t left = hf_file_size(node->file) > from ? hf_file_size(node->file) - from : 0;
    size_t bytes = left < size ? (size_t)left : size;
    hf_report report = {0};
    hf_status status = HF_OK;
    if (bytes > 0)
        status = backend->file_read(backend, hf_file_handle(node->file), from, space->base + offset,
                                    bytes, &report);
    if (status == HF_OK) memset(space->base + offset + bytes, 0, size - bytes);
    return hf_space_finish_call(space, HF_STEP_RESET, status, &report, offset, size);
}

static hf_status space_store_piece(hf_space *space, const hf_node *node, size_t offset,
                                   size_t size) {
    if (node->kind == HF_VIEW) return space_store_file(space, node, offset, size);
    memset(space->base + offset, 0, size);
    return HF_OK;
}

/* Makes a piece writable for as long as that takes. */
static hf_status space_reset_piece(hf_space *space, const hf_node *node, size_t offset,
                                   size_t size) {
    hf_protection before = hf_space_protection_at(space, node, offset);
    if (before == HF_PROTECT_READ_WRITE) return space_store_piece(space, node, offset, size);
    hf_status status = space_call_protect(space, node, offset, size, HF_PROTECT_READ_WRITE);
    if (status != HF_OK) return status;
    status = space_store_piece(space, node, offset, size);
    hf_error first = hf_last_error();
    hf_status restored = space_call_protect(space, node, offset, size, before);
    if (restored == HF_OK) return status == HF_OK ? HF_OK : hf_fail_with(first);
    if (status == HF_OK) first = hf_last_error();
    hf_space_set_protection(space, offset, size, HF_PROTECT_READ_WRITE);
    first.undo_failed = true;
    space->is_transient = false; /* do not try again: the caller has to see undo_failed */
    return hf_fail_with(first);
}

/* For a backend that cannot reset pages: stores into them, piece by piece. */
static hf_status space_reset_by_storing(hf_space *space, const space_request *wanted) {
    hf_status status = hf_space_reserve_protections(space, wanted);
    size_t offset = wanted->offset, end = space_end_of(wanted);
    for (size_t next; status == HF_OK && offset < end; offset = next) {
        const hf_node *node = hf_region_map_find(&space->map, offset);
        next = hf_space_piece_end(space, node, offset, end);
        status = space_reset_piece(space, node, offset, next - offset);
    }
    return status;
}

static hf_status space_call_reset(hf_space *space, const space_request *wanted,
                                  const hf_node *node) {
    hf_status status = HF_OK;
    size_t offset = wanted->offset, end = space_end_of(wanted);
    for (size_t next; status == HF_OK && offset < end; offset = next, node = node->next) {
        size_t node_end = hf_node_end(&space->map, node);
        next = space->spans_regions || node_end > end ? end : node_end;
        status = hf_space_call(space, HF_STEP_RESET, space->backend->reset, offset, next - offset);
    }
    return status;
}

/* The step counts once for each region. */
static hf_status space_reset(hf_space *space, const space_request *wanted) {
    size_t steps = space->stats.steps[HF_STEP_RESET], regions;
    size_t protects = space->stats.steps[HF_STEP_PROTECT];
    const hf_node *first;
    hf_status status = space_check_regions(space, wanted, space_why_not_reset, &first, &regions);
    if (status != HF_OK) return status;
    status = HF_HAS(space->backend, reset) ? space_call_reset(space, wanted, first)
                                           : space_reset_by_storing(space, wanted);
    if (status == HF_OK) steps += regions;
    space->stats.steps[HF_STEP_RESET] = steps;
    space->stats.steps[HF_STEP_PROTECT] = protects;
    return status;
}

hf_status hf_space_reset_range(hf_space *space, size_t offset, size_t size) {
    return hf_space_perform(
        space, space_reset,
        &(space_request){.call = "hf_space_reset_range", .offset = offset, .size = size});
}
