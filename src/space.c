/*
 * space.c -- the placeholder state machine: what holdfast/space.h promises.
 *
 * Every step is written in one order: check the arguments; look the regions up and fail with
 * HF_WRONG_STATE if they do not allow the step; reserve the records that the edit can need; call
 * the backend; edit the map in a way that cannot fail. So a failure at any point leaves nothing to
 * undo, except in the composites, which split before they commit or map: their undo coalesces the
 * same addresses again.
 *
 *   hf_space_perform()     checks the range and makes a step under the lock; repeats a step that
 *                          failed with a transient error, after a pause without the lock (retry.h)
 *   hf_space_call()        calls the backend once, counts the call, and stores its failure as the
 *                          last error
 *   hf_space_split_node()  the edit of the map that a split stands for
 *
 * Chapters: statistics; calls of the backend; edits of the map; the six steps;
 * commit_range and map_range; release_range; hints; opening and closing; queries; checks.
 */
#include <holdfast/space.h>

#include <assert.h>

#include "compatible.h"
#include "fail.h"
#include "file_access.h"
#include "pages.h"
#include "prove.h"
#include "region_map.h"
#include "retry.h"
#include "sanitizer.h"
#include "space_core.h"
#include "space_record.h"

/* Size of a space's own pages, before it is rounded up to the page size. The opener's record and
 * the map's first records lie behind the struct, so a small space needs no other pages for records.
 * Where the opener's record is larger, there is room for so many of the map's. */
#define SPACE_OWN_BYTES ((size_t)4096)
#define SPACE_LEAST_RECORDS ((size_t)16)
#define SPACE_ALIGNMENT ((size_t)16)

/* Cuts of the map of protections that a step makes at most: two for each end of what it forgets,
 * and as many if it is undone. */
enum { SPACE_PROTECTION_CUTS = 8 };

hf_status hf_space_fail(hf_status status, const space_request *wanted) {
    return hf_fail(status, wanted->call, wanted->offset, wanted->size);
}

/* The reason says which regions the step needs. */
hf_status hf_space_fail_state(const space_request *wanted, const char *reason) {
    return hf_fail_because(HF_WRONG_STATE, wanted->call, reason, wanted->offset, wanted->size);
}

/* ------------------------------------------------------------- statistics --------------- */

static void space_raise_peak(size_t *peak, size_t value) {
    if (value > *peak) *peak = value;
}

static void space_update_peaks(hf_space *space) {
    hf_space_stats *stats = &space->stats;
    const hf_region_sums *sums = hf_region_map_sums(&space->map);
    space_raise_peak(&stats->peak_committed_bytes, sums->bytes[HF_COMMITTED]);
    space_raise_peak(&stats->peak_view_bytes, sums->bytes[HF_VIEW]);
    space_raise_peak(&stats->peak_regions, space->map.count);
}

/* Counts one call of the backend. A failure becomes the last error, at offset and size. */
hf_status hf_space_finish_call(hf_space *space, hf_step step, hf_status status,
                               const hf_report *report, size_t offset, size_t size) {
    space->stats.system_calls[step] += report->system_calls;
    if (status == HF_OK) {
        space->stats.steps[step]++;
        return HF_OK;
    }
    space->stats.failures++;
    space->is_transient = report->is_transient;
    return hf_fail_reported(status, report, offset, size);
}

/* ----------------------------------------------------- calls of the backend -------------- */

#ifndef NDEBUG
static bool space_is_page_range(const hf_space *space, size_t offset, size_t size) {
    return hf_is_whole_pages(space->page_size, space->base + offset, size) &&
           offset < space->size && size <= space->size - offset;
}
#endif

hf_status hf_space_call(hf_space *space, hf_step step, space_backend_call *call, size_t offset,
                        size_t size) {
    assert(space_is_page_range(space, offset, size));
    hf_report report = {0};
    hf_status status = call(space->backend, space->base + offset, size, &report);
    return hf_space_finish_call(space, step, status, &report, offset, size);
}

/* Returns first_bytes. It is 0 from now on if a commit or map begins below it. */
size_t hf_space_take_first(hf_space *space, size_t offset) {
    size_t bytes = space->first_bytes;
    if (offset < bytes) space->first_bytes = 0;
    return bytes;
}

static hf_status space_call_commit_as(hf_space *space, const space_request *wanted) {
    const hf_backend *backend = space->backend;
    hf_report report = {0};
    hf_status status = backend->commit_as(backend, space->base + wanted->offset, wanted->size,
                                          &space->memory, &report);
    return hf_space_finish_call(space, HF_STEP_COMMIT, status, &report, wanted->offset,
                                wanted->size);
}

static hf_status space_call_commit(hf_space *space, const space_request *wanted) {
    const hf_backend *backend = space->backend;
    if (!space->is_ordinary) return space_call_commit_as(space, wanted);
    bool is_first = space_end_of(wanted) <= hf_space_take_first(space, wanted->offset);
    return hf_space_call(space, HF_STEP_COMMIT, is_first ? backend->commit_first : backend->commit,
                         wanted->offset, wanted->size);
}

hf_status hf_space_call_map(hf_space *space, const space_request *wanted) {
    assert(space_is_page_range(space, wanted->offset, wanted->size) && wanted->file != NULL);
    hf_report report = {0};
    hf_space_take_first(space, wanted->offset);
    hf_status status = space->backend->map(space->backend, space->base + wanted->offset,
                                           wanted->size, hf_file_handle(wanted->file),
                                           wanted->file_offset, wanted->access, &report);
    return hf_space_finish_call(space, HF_STEP_MAP, status, &report, wanted->offset, wanted->size);
}

static hf_status space_reserve_in(hf_space *space, hf_region_map *map, const space_request *wanted,
                                  size_t cuts) {
    if (map->free_count >= cuts) return HF_OK;
    hf_report report = {0};
    hf_status status = hf_region_map_reserve(map, cuts, &report);
    return hf_space_finish_call(space, HF_STEP_RECORDS, status, &report, wanted->offset,
                                wanted->size);
}

hf_status hf_space_reserve_protections(hf_space *space, const space_request *wanted) {
    return space_reserve_in(space, &space->protections, wanted, SPACE_PROTECTION_CUTS);
}

hf_status hf_space_reserve_records(hf_space *space, const space_request *wanted, size_t cuts) {
    hf_status status = space_reserve_in(space, &space->map, wanted, cuts);
    if (status != HF_OK || !hf_space_has_protections(space)) return status;
    return hf_space_reserve_protections(space, wanted);
}

/* Names a new placeholder like the rest of the space; without the name the system cannot merge its
 * mapping with the neighbours'. After the first failure the space has no name any more. */
void hf_space_name_range(hf_space *space, size_t offset, size_t size) {
    if (space->name == NULL || !HF_HAS(space->backend, name)) return;
    hf_report report = {0};
    space->backend->name(space->backend, space->base + offset, size, space->name, &report);
    space->stats.system_calls[HF_STEP_RESERVE] += report.system_calls;
    if (report.call) space->name = NULL;
}

/* ---------------------------------------------------------- edits of the map ------------- */

/* Both parts of a view retain its file. */
static hf_node *space_cut(hf_space *space, hf_node *node, size_t offset) {
    if (node->file) hf_file_retain(node->file);
    return hf_region_map_cut(&space->map, node, offset);
}

/*      |      node      |  ->  | node | range |    |       */
hf_node *hf_space_split_node(hf_space *space, hf_node *node, size_t offset, size_t size) {
    assert(space_is_page_range(space, offset, size));
    assert(node->offset <= offset && offset + size <= hf_node_end(&space->map, node));
    if (offset > node->offset) node = space_cut(space, node, offset);
    if (offset + size < hf_node_end(&space->map, node)) space_cut(space, node, offset + size);
    assert(node->offset == offset && space_size_of(space, node) == size);
    space_update_peaks(space);
    return node;
}

void hf_space_set_kind(hf_space *space, hf_node *node, hf_kind kind) {
    hf_region_map_set_kind(&space->map, node, kind);
    space_update_peaks(space);
}

static uint8_t space_shift_of(size_t unit) {
    uint8_t shift = 0;
    while (unit >> shift > 1) shift++;
    return shift;
}

void hf_space_set_view(hf_space *space, hf_node *node, const space_request *wanted) {
    size_t unit = hf_file_granularity(wanted->file);
    assert(node->file == NULL);
    node->file_offset = wanted->file_offset;
    node->access = wanted->access;
    node->unit_shift = unit > space->page_size ? space_shift_of(unit) : 0;
    node->is_executable = hf_file_is_executable(wanted->file);
    if (space->retains_files == SPACE_RETAINS_ALL ||
        (space->retains_files == SPACE_RETAINS_PRIVATE && wanted->access == HF_COPY_ON_WRITE)) {
        node->file = wanted->file;
        hf_file_retain(node->file);
    }
    hf_space_set_kind(space, node, HF_VIEW);
}

static void space_clear_view(hf_node *node) {
    node->access = HF_READ_WRITE;
    node->file_offset = 0;
    node->file = NULL;
    node->unit_shift = 0;
    node->is_executable = false;
}

void hf_space_set_bare_placeholder(hf_space *space, hf_node *node) {
    hf_space_set_kind(space, node, HF_PLACEHOLDER);
    if (node->file) hf_file_close(node->file);
    space_clear_view(node);
}

void hf_space_set_placeholder(hf_space *space, hf_node *node) {
    hf_space_name_range(space, node->offset, space_size_of(space, node));
    hf_space_set_protection(space, node->offset, space_size_of(space, node), HF_PROTECT_READ_WRITE);
    hf_space_set_bare_placeholder(space, node);
}

/* -------------------------------------------------------------- the six steps ------------ */

static bool space_is_valid_range(const hf_space *space, const space_request *wanted) {
    size_t mask = space->page_size - 1;
    return wanted->size > 0 && ((wanted->offset | wanted->size) & mask) == 0 &&
           wanted->offset <= space->size && wanted->size <= space->size - wanted->offset;
}

static void space_lock(const hf_space *space) { space->backend->lock(space->backend, space->lock); }

static void space_unlock(const hf_space *space) {
    space->backend->unlock(space->backend, space->lock);
}

/* Makes a step, again while it fails with a transient error and pauses are left. Success after a
 * failed try restores the previous error. */
hf_status hf_space_perform(hf_space *space, space_step *step, const space_request *wanted) {
    if (space == NULL || !space_is_valid_range(space, wanted))
        return hf_space_fail(HF_INVALID, wanted);
    hf_error before = {0};
    if (space->can_pause) before = hf_last_error();
    unsigned pauses = 0;
    hf_status status;
    bool is_transient;
    do {
        space_lock(space);
        space->is_transient = false;
        status = step(space, wanted);
        is_transient = status != HF_OK && space->is_transient;
        HF_PROVE_THAT(space->map.count, hf_region_map_check(&space->map, &(size_t){0}));
        space_unlock(space);
    } while (is_transient && hf_pause_before_retry(space->backend, is_transient, &pauses));
    if (status == HF_OK && pauses > 0) hf_fail_with(before);
    return status;
}

static hf_status space_split(hf_space *space, const space_request *wanted) {
    hf_node *node = space_find_node(space, wanted);
    if (node->kind != HF_PLACEHOLDER || !space_contains(space, node, wanted) ||
        space_is_exactly(space, node, wanted))
        return hf_space_fail_state(wanted, "the range is not a proper part of one placeholder");
    hf_status status = hf_space_reserve_records(space, wanted, 2);
    if (status != HF_OK) return status;
    status =
        hf_space_call(space, HF_STEP_SPLIT, space->backend->split, wanted->offset, wanted->size);
    if (status == HF_OK) hf_space_split_node(space, node, wanted->offset, wanted->size);
    return status;
}

hf_status hf_space_split(hf_space *space, size_t offset, size_t size) {
    return hf_space_perform(
        space, space_split,
        &(space_request){.call = "hf_space_split", .offset = offset, .size = size});
}

/* Coalesces the placeholders from `first` up to `end`; there are at least two. */
hf_status hf_space_coalesce_nodes(hf_space *space, hf_node *first, size_t end) {
    size_t offset = first->offset;
    assert(first->kind == HF_PLACEHOLDER && hf_node_end(&space->map, first) < end);
    hf_status status =
        hf_space_call(space, HF_STEP_COALESCE, space->backend->coalesce, offset, end - offset);
    if (status == HF_OK) hf_region_map_absorb_until(&space->map, first, end);
    return status;
}

static const char space_not_placeholders[] = "the range is not two or more whole placeholders";

static hf_status space_coalesce(hf_space *space, const space_request *wanted) {
    hf_node *first = space_find_node(space, wanted), *last = first;
    if (first->offset != wanted->offset || space_contains(space, first, wanted))
        return hf_space_fail_state(wanted, space_not_placeholders);
    while (last->kind == HF_PLACEHOLDER && hf_node_end(&space->map, last) < space_end_of(wanted))
        last = last->next;
    if (last->kind != HF_PLACEHOLDER || hf_node_end(&space->map, last) != space_end_of(wanted))
        return hf_space_fail_state(wanted, space_not_placeholders);
    return hf_space_coalesce_nodes(space, first, space_end_of(wanted));
}

hf_status hf_space_coalesce(hf_space *space, size_t offset, size_t size) {
    return hf_space_perform(
        space, space_coalesce,
        &(space_request){.call = "hf_space_coalesce", .offset = offset, .size = size});
}

static const char space_not_one_placeholder[] = "the range is not exactly one placeholder";

static hf_status space_commit(hf_space *space, const space_request *wanted) {
    hf_node *node = space_find_node(space, wanted);
    if (node->kind != HF_PLACEHOLDER || !space_is_exactly(space, node, wanted))
        return hf_space_fail_state(wanted, space_not_one_placeholder);
    hf_status status = space_call_commit(space, wanted);
    if (status == HF_OK) hf_space_set_kind(space, node, HF_COMMITTED);
    return status;
}

hf_status hf_space_commit(hf_space *space, size_t offset, size_t size) {
    return hf_space_perform(
        space, space_commit,
        &(space_request){.call = "hf_space_commit", .offset = offset, .size = size});
}

/* Decommits a part of a committed node. The caller has reserved two records. */
static hf_status space_decommit_node(hf_space *space, hf_node *node, size_t offset, size_t size) {
    assert(node->kind == HF_COMMITTED);
    hf_status status =
        hf_space_call(space, HF_STEP_DECOMMIT, space->backend->decommit, offset, size);
    if (status == HF_OK)
        hf_space_set_placeholder(space, hf_space_split_node(space, node, offset, size));
    return status;
}

static hf_status space_decommit(hf_space *space, const space_request *wanted) {
    hf_node *node = space_find_node(space, wanted);
    if (node->kind != HF_COMMITTED || !space_contains(space, node, wanted))
        return hf_space_fail_state(wanted, "the range is not within one committed region");
    hf_status status = hf_space_reserve_records(space, wanted, 2);
    if (status != HF_OK) return status;
    return space_decommit_node(space, node, wanted->offset, wanted->size);
}

hf_status hf_space_decommit(hf_space *space, size_t offset, size_t size) {
    return hf_space_perform(
        space, space_decommit,
        &(space_request){.call = "hf_space_decommit", .offset = offset, .size = size});
}

/* A view may reach beyond the file's last byte, up to the end of the page that contains it. In a
 * space of huge pages that is a page of the system, too: loads behind it fault (SIGBUS). */
static bool space_is_within_file(const hf_space *space, const space_request *wanted) {
    uint64_t mask = space->page_size - 1, size = hf_file_size(wanted->file);
    uint64_t page = hf_file_granularity(wanted->file), end = size & (page - 1);
    uint64_t room = size - end + (end > 0 ? page : 0);
    if (room < size) room = UINT64_MAX & ~(page - 1); /* rounding up wrapped */
    return (wanted->file_offset & mask) == 0 && wanted->file_offset <= room &&
           wanted->size <= room - wanted->file_offset;
}

/* The system rounds a view of a hugetlbfs file up to huge pages: one of another size would replace
 * what lies behind it. */
static bool space_is_aligned_for_file(const hf_space *space, const space_request *wanted) {
    uint64_t address = (uintptr_t)space->base + wanted->offset;
    uint64_t mask = hf_file_granularity(wanted->file) - 1;
    return ((address | wanted->size | wanted->file_offset) & mask) == 0;
}

static bool space_is_valid_view(const hf_space *space, const space_request *wanted) {
    return space != NULL && wanted->file != NULL && hf_file_is_on(wanted->file, space->backend) &&
           hf_file_permits(wanted->file, wanted->access) && space_is_within_file(space, wanted) &&
           space_is_aligned_for_file(space, wanted);
}

static hf_status space_map(hf_space *space, const space_request *wanted) {
    hf_node *node = space_find_node(space, wanted);
    if (node->kind != HF_PLACEHOLDER || !space_is_exactly(space, node, wanted))
        return hf_space_fail_state(wanted, space_not_one_placeholder);
    hf_status status = hf_space_call_map(space, wanted);
    if (status == HF_OK) hf_space_set_view(space, node, wanted);
    return status;
}

hf_status hf_space_perform_map(hf_space *space, space_step *step, const space_request *wanted) {
    if (!space_is_valid_view(space, wanted)) return hf_space_fail(HF_INVALID, wanted);
    return hf_space_perform(space, step, wanted);
}

hf_status hf_space_map(hf_space *space, size_t offset, size_t size, hf_file *file,
                       uint64_t file_offset, hf_access access) {
    return hf_space_perform_map(space, space_map,
                                &(space_request){.call = "hf_space_map",
                                                 .offset = offset,
                                                 .size = size,
                                                 .file = file,
                                                 .file_offset = file_offset,
                                                 .access = access});
}

static hf_status space_unmap(hf_space *space, const space_request *wanted) {
    hf_node *node = space_find_node(space, wanted);
    if (node->kind != HF_VIEW || !space_contains(space, node, wanted))
        return hf_space_fail_state(wanted, "the range is not within one view");
    const char *reason = hf_space_why_no_part(space, wanted, (space_ends){node, node});
    if (reason) return hf_space_fail_state(wanted, reason);
    hf_status status = hf_space_reserve_records(space, wanted, 2);
    return status == HF_OK ? hf_space_unmap_part(space, node, wanted) : status;
}

hf_status hf_space_unmap(hf_space *space, size_t offset, size_t size) {
    return hf_space_perform(
        space, space_unmap,
        &(space_request){.call = "hf_space_unmap", .offset = offset, .size = size});
}

/* -------------------------------------------------- commit_range and map_range ----------- */

/*
 * Undoes a split after the commit or map that follows it failed. The map has not been edited yet:
 * once the system has coalesced the pieces, nothing has changed. If coalesce fails too, the map is
 * edited to show the pieces, and the first failure becomes the last error, with undo_failed.
 */
static void space_undo_split(hf_space *space, hf_node *node, const space_request *wanted) {
    hf_error first = hf_last_error();
    assert(node->kind == HF_PLACEHOLDER && !space_is_exactly(space, node, wanted));
    if (hf_space_call(space, HF_STEP_COALESCE, space->backend->coalesce, node->offset,
                      space_size_of(space, node)) != HF_OK) {
        hf_space_split_node(space, node, wanted->offset, wanted->size);
        first.undo_failed = true;
        space->is_transient = false; /* do not try again: the caller has to see undo_failed */
        hf_fail_with(first);
    }
}

static hf_status space_call_commit_or_map(hf_space *space, const space_request *wanted) {
    return wanted->file ? hf_space_call_map(space, wanted) : space_call_commit(space, wanted);
}

static hf_status space_call_with_split(hf_space *space, hf_node *node,
                                       const space_request *wanted) {
    bool whole = space_is_exactly(space, node, wanted);
    hf_status status = whole ? HF_OK
                             : hf_space_call(space, HF_STEP_SPLIT, space->backend->split,
                                             wanted->offset, wanted->size);
    if (status != HF_OK) return status;
    status = space_call_commit_or_map(space, wanted);
    if (status != HF_OK && !whole) space_undo_split(space, node, wanted);
    return status;
}

hf_status hf_space_commit_or_map_range(hf_space *space, const space_request *wanted) {
    hf_node *node = space_find_node(space, wanted);
    if (node->kind != HF_PLACEHOLDER || !space_contains(space, node, wanted))
        return hf_space_fail_state(wanted, "the range is not within one placeholder");
    hf_status status = hf_space_reserve_records(space, wanted, 2);
    if (status == HF_OK) status = space_call_with_split(space, node, wanted);
    if (status != HF_OK) return status;
    node = hf_space_split_node(space, node, wanted->offset, wanted->size);
    if (wanted->file)
        hf_space_set_view(space, node, wanted);
    else
        hf_space_set_kind(space, node, HF_COMMITTED);
    return HF_OK;
}

hf_status hf_space_commit_range(hf_space *space, size_t offset, size_t size) {
    return hf_space_perform(
        space, hf_space_commit_or_map_range,
        &(space_request){.call = "hf_space_commit_range", .offset = offset, .size = size});
}

hf_status hf_space_map_range(hf_space *space, size_t offset, size_t size, hf_file *file,
                             uint64_t file_offset, hf_access access) {
    return hf_space_perform_map(space, hf_space_commit_or_map_range,
                                &(space_request){.call = "hf_space_map_range",
                                                 .offset = offset,
                                                 .size = size,
                                                 .file = file,
                                                 .file_offset = file_offset,
                                                 .access = access});
}

/* ------------------------------------------------------------- release_range ------------- */

const char *hf_space_why_no_part(const hf_space *space, const space_request *wanted,
                                 space_ends ends) {
    const hf_node *first = ends.first, *last = ends.last;
    size_t below = wanted->offset - first->offset, end = space_end_of(wanted) - last->offset;
    bool is_cut = (below & (((size_t)1 << first->unit_shift) - 1)) != 0;
    bool ends_inside = end < space_size_of(space, last);
    if (ends_inside && (end & (((size_t)1 << last->unit_shift) - 1)) != 0) is_cut = true;
    return is_cut ? "the range contains a part of a huge page" : NULL;
}

/* Decommits or unmaps the node from `offset` to `end` at most; the released part ends at *next. */
static hf_status space_release_node(hf_space *space, hf_node *node, size_t offset, size_t end,
                                    size_t *next) {
    size_t node_end = hf_node_end(&space->map, node);
    *next = node_end < end ? node_end : end;
    if (node->kind == HF_COMMITTED) return space_decommit_node(space, node, offset, *next - offset);
    space_request part = {
        .call = "hf_space_release_range", .offset = offset, .size = *next - offset};
    return node->kind == HF_VIEW ? hf_space_unmap_part(space, node, &part) : HF_OK;
}

/*
 * Coalesces the placeholders in the range with those that touch it, if any.
 *      |  c  | before | p |  p  | p | behind |  c  |
 *                      <----------->                     the range
 */
static hf_status space_coalesce_around(hf_space *space, const space_request *wanted) {
    space_ends ends = space_find_ends(space, wanted);
    hf_node *first = ends.first, *last = ends.last;
    if (first->offset == wanted->offset && first->previous &&
        first->previous->kind == HF_PLACEHOLDER)
        first = first->previous;
    if (hf_node_end(&space->map, last) == space_end_of(wanted) && last->next &&
        last->next->kind == HF_PLACEHOLDER)
        last = last->next;
    return first == last ? HF_OK
                         : hf_space_coalesce_nodes(space, first, hf_node_end(&space->map, last));
}

/*
 * The run of a range goes from its first region that is not a placeholder to its last such region.
 * False if that is one region at most.
 *      |  p  | p |    c    | p |  v  |   c   | p |
 *          <--------------------------->             the range
 *                |    c    | p |  v  | c |           its run
 */
static bool space_find_run(const hf_space *space, const space_request *wanted, space_ends ends,
                           space_request *run) {
    const hf_node *first = ends.first, *last = ends.last;
    while (first != last && first->kind == HF_PLACEHOLDER) first = first->next;
    while (first != last && last->kind == HF_PLACEHOLDER) last = last->previous;
    if (first == last) return false;
    size_t last_end = hf_node_end(&space->map, last);
    size_t end = last_end < space_end_of(wanted) ? last_end : space_end_of(wanted);
    *run = *wanted;
    if (first->offset > run->offset) run->offset = first->offset;
    run->size = end - run->offset;
    return true;
}

static void space_close_files(const hf_node *first, size_t end) {
    for (const hf_node *node = first; node && node->offset < end; node = node->next)
        hf_file_close(node->file);
}

/* Absorbs the rest of a run into its first region, and counts one step for each region of it. */
static void space_absorb_run(hf_space *space, hf_node *first, size_t end) {
    const hf_region_map *map = &space->map;
    size_t *steps = space->stats.steps;
    size_t committed = hf_region_map_sums(map)->regions[HF_COMMITTED];
    size_t views = hf_region_map_sums(map)->regions[HF_VIEW];
    hf_region_map_absorb_until(&space->map, first, end);
    committed -= hf_region_map_sums(map)->regions[HF_COMMITTED];
    views -= hf_region_map_sums(map)->regions[HF_VIEW];
    steps[HF_STEP_DECOMMIT] += committed + (first->kind == HF_COMMITTED);
    steps[HF_STEP_UNMAP] += views + (first->kind == HF_VIEW);
}

hf_node *hf_space_join_run(hf_space *space, const space_request *wanted, space_ends ends) {
    size_t end = space_end_of(wanted);
    hf_node *first = ends.first, *last = ends.last;
    if (wanted->offset > first->offset) first = space_cut(space, first, wanted->offset);
    if (last == ends.first) last = first;
    if (hf_node_end(&space->map, last) > end) space_cut(space, last, end);
    space_update_peaks(space);
    bool has_views = hf_region_map_sums(&space->map)->regions[HF_VIEW] > 0;
    if (has_views && space->retains_files != SPACE_RETAINS_NONE) space_close_files(first, end);
    space_clear_view(first);
    space_absorb_run(space, first, end);
    hf_space_set_protection(space, wanted->offset, wanted->size, HF_PROTECT_READ_WRITE);
    assert(space_is_exactly(space, first, wanted));
    return first;
}

/* Counts no step: hf_space_join_run counts one for each region. HF_UNSUPPORTED: the
 * backend has done nothing, and nothing is counted or stored as the last error. */
static hf_status space_call_release_run(hf_space *space, const space_request *run) {
    const hf_backend *backend = space->backend;
    hf_report report = {0};
    size_t steps = space->stats.steps[HF_STEP_DECOMMIT];
    hf_status status = backend->release_run(backend, space->base + run->offset, run->size, &report);
    if (status == HF_UNSUPPORTED) return status;
    hf_space_finish_call(space, HF_STEP_DECOMMIT, status, &report, run->offset, run->size);
    space->stats.steps[HF_STEP_DECOMMIT] = steps;
    return status;
}

static bool space_is_committed(const hf_node *node) { return node && node->kind == HF_COMMITTED; }

/* The smallest placeholder of the run between two committed regions; NULL if there is none. */
static hf_node *space_find_bridge(const hf_space *space, const space_request *run) {
    hf_node *found = NULL;
    for (hf_node *node = space_find_node(space, run); node->offset < space_end_of(run);
         node = node->next) {
        bool is_bridge = node->kind == HF_PLACEHOLDER && space_is_committed(node->previous) &&
                         space_is_committed(node->next);
        if (is_bridge &&
            (found == NULL || space_size_of(space, node) < space_size_of(space, found)))
            found = node;
        if (node->next == NULL) break;
    }
    return found;
}

/*
 * At the limit on mappings (vm.max_map_count) Linux releases nothing, but it still commits: a
 * placeholder that is committed between two committed regions becomes one mapping with them. With
 * fewer mappings the run can be released.
 */
static hf_status space_release_run_at_limit(hf_space *space, const space_request *run) {
    hf_error first = hf_last_error();
    hf_node *bridge = space->is_ordinary ? space_find_bridge(space, run) : NULL;
    if (bridge == NULL) return first.status;
    size_t offset = bridge->offset, size = space_size_of(space, bridge);
    if (hf_space_call(space, HF_STEP_COMMIT, space->backend->commit, offset, size) != HF_OK)
        return hf_fail_with(first);
    if (space_call_release_run(space, run) == HF_OK) return HF_OK;
    if (hf_space_call(space, HF_STEP_DECOMMIT, space->backend->decommit, offset, size) != HF_OK) {
        hf_space_set_kind(space, bridge, HF_COMMITTED);
        first.undo_failed = true;
    }
    return hf_fail_with(first);
}

static hf_status space_release_run(hf_space *space, const space_request *wanted,
                                   const space_request *run) {
    hf_error before = hf_last_error();
    hf_status status = space_call_release_run(space, run);
    if (status == HF_MAP_LIMIT) status = space_release_run_at_limit(space, run);
    if (status != HF_OK) return status;
    hf_fail_with(before); /* restore the previous error: a fallback may have succeeded */
    hf_node *node = hf_space_join_run(space, run, space_find_ends(space, run));
    hf_space_set_kind(space, node, HF_PLACEHOLDER);
    hf_space_name_range(space, run->offset, run->size);
    size_t coalesces = space->stats.steps[HF_STEP_COALESCE];
    status = space_coalesce_around(space, wanted);
    if (status == HF_OK) space->stats.steps[HF_STEP_COALESCE] = coalesces + 1;
    return status;
}

static hf_status space_release_by_regions(hf_space *space, const space_request *wanted,
                                          hf_node *first) {
    size_t end = space_end_of(wanted), offset;
    hf_status status = space_release_node(space, first, wanted->offset, end, &offset);
    while (status == HF_OK && offset < end)
        status = space_release_node(space, hf_region_map_find(&space->map, offset), offset, end,
                                    &offset);
    return status == HF_OK ? space_coalesce_around(space, wanted) : status;
}

#ifndef NDEBUG
/* True if the range lies in one placeholder, and no other one touches it at the range's ends. */
static bool space_is_released(const hf_space *space, const space_request *wanted) {
    const hf_node *node = space_find_node(space, wanted);
    bool touches_below =
        node->offset == wanted->offset && node->previous && node->previous->kind == HF_PLACEHOLDER;
    bool touches_above = hf_node_end(&space->map, node) == space_end_of(wanted) && node->next &&
                         node->next->kind == HF_PLACEHOLDER;
    return node->kind == HF_PLACEHOLDER && space_contains(space, node, wanted) && !touches_below &&
           !touches_above;
}
#endif

hf_status hf_space_release(hf_space *space, const space_request *wanted) {
    space_request run;
    space_ends ends = space_find_ends(space, wanted);
    const char *reason = hf_space_why_no_part(space, wanted, ends);
    if (reason) return hf_space_fail_state(wanted, reason);
    hf_status status = hf_space_reserve_records(space, wanted, 2);
    if (status != HF_OK) return status;
    status = HF_UNSUPPORTED;
    if (HF_HAS(space->backend, release_run) && space_find_run(space, wanted, ends, &run))
        status = space_release_run(space, wanted, &run);
    if (status == HF_UNSUPPORTED) status = space_release_by_regions(space, wanted, ends.first);
    assert(status != HF_OK || space_is_released(space, wanted));
    return status;
}

hf_status hf_space_release_range(hf_space *space, size_t offset, size_t size) {
    return hf_space_perform(
        space, hf_space_release,
        &(space_request){.call = "hf_space_release_range", .offset = offset, .size = size});
}

/* ---------------------------------------------------------------------- hints ------------ */

static const char *space_why_not_advise(const hf_space *space, const space_request *wanted) {
    bool populates = wanted->advice == HF_ADVISE_POPULATE;
    for (size_t offset = wanted->offset, next; offset < space_end_of(wanted); offset = next) {
        const hf_node *node = hf_region_map_find(&space->map, offset);
        next = hf_space_piece_end(space, node, offset, space_end_of(wanted));
        if (populates && node->kind != HF_COMMITTED) return "the range is not all committed memory";
        if (populates && hf_space_protection_at(space, node, offset) != HF_PROTECT_READ_WRITE)
            return "the range contains protected pages";
    }
    return NULL;
}

static hf_status space_advise(hf_space *space, const space_request *wanted) {
    const char *reason = space_why_not_advise(space, wanted);
    if (reason) return hf_space_fail_state(wanted, reason);
    if (!HF_HAS(space->backend, advise)) return hf_space_fail(HF_UNSUPPORTED, wanted);
    hf_report report = {0};
    hf_status status = space->backend->advise(space->backend, space->base + wanted->offset,
                                              wanted->size, wanted->advice, &report);
    return hf_space_finish_call(space, HF_STEP_ADVISE, status, &report, wanted->offset,
                                wanted->size);
}

static bool space_is_advice(hf_advice advice) {
    return advice == HF_ADVISE_HUGE || advice == HF_ADVISE_NO_HUGE || advice == HF_ADVISE_POPULATE;
}

hf_status hf_space_advise(hf_space *space, size_t offset, size_t size, hf_advice advice) {
    space_request wanted = {
        .call = "hf_space_advise", .offset = offset, .size = size, .advice = advice};
    if (!space_is_advice(advice)) return hf_space_fail(HF_INVALID, &wanted);
    return hf_space_perform(space, space_advise, &wanted);
}

/* ---------------------------------------------------------- opening and closing ---------- */

/* True for 0, and for a power of two that is at least `least`. */
static bool space_is_power_from(size_t value, size_t least) {
    return value == 0 || (value >= least && (value & (value - 1)) == 0);
}

/* Base and size are multiples of the page size, the base also of the alignment. */
static bool space_can_open(size_t size, const hf_space_options *options, size_t page_size) {
    uintptr_t base = (uintptr_t)options->base, unit = HF_ALLOCATION_GRANULARITY;
    if (!space_is_power_from(options->alignment, unit)) return false;
    if (options->alignment > unit) unit = options->alignment;
    if (page_size > unit) unit = page_size;
    return size > 0 && ((size | options->least) & (page_size - 1)) == 0 && options->least <= size &&
           base % unit == 0 && (base == 0 || size - 1 <= UINTPTR_MAX - base);
}

typedef hf_status space_reserve_call(hf_space *, size_t, void **, hf_report *);

static hf_status space_reserve_apart(hf_space *space, size_t size, void **base, hf_report *report) {
    const hf_backend *backend = space->backend;
    if (space->alignment == 0 || *base != NULL)
        return backend->reserve(backend, *base, size, base, report);
    return backend->reserve_aligned(backend, size, space->alignment, base, report);
}

static hf_status space_reserve_joint(hf_space *space, size_t size, void **base, hf_report *report) {
    hf_status status = space->backend->reserve_with_pages(space->backend, size, space->own_bytes,
                                                          &space->joint, report);
    if (status == HF_OK) *base = space->joint.address;
    return status;
}

/* Halves the size until the backend can reserve it; the last try is options->least. HF_UNSUPPORTED:
 * the backend has done nothing, and nothing is counted or stored as the last error. */
static hf_status space_reserve(hf_space *space, size_t size, const hf_space_options *options,
                               space_reserve_call *call) {
    size_t least = options->least ? options->least : size;
    hf_error before = hf_last_error();
    for (;;) {
        hf_report report = {0};
        void *base = options->base;
        hf_status status = call(space, size, &base, &report);
        if (status == HF_UNSUPPORTED) return status;
        status = hf_space_finish_call(space, HF_STEP_RESERVE, status, &report, 0, size);
        if (status == HF_OK) {
            space->base = base;
            space->size = size;
            hf_fail_with(before); /* restore the previous error: a larger size may have failed */
        }
        if (status == HF_OK || size == least) return status;
        size_t half = hf_round_down(size / 2, space->page_size);
        size = half > least ? half : least;
    }
}

static hf_status space_allocate_pages(hf_space *space, void **pages) {
    hf_report report = {0};
    hf_status status = hf_allocate_pages(space->backend, space->own_bytes, pages, &report);
    return hf_space_finish_call(space, HF_STEP_RECORDS, status, &report, 0, space->own_bytes);
}

/* Reserves the space and gets its own pages. */
static hf_status space_acquire_apart(hf_space *space, size_t size, const hf_space_options *options,
                                     void **pages) {
    hf_status status = space_allocate_pages(space, pages);
    if (status != HF_OK) return status;
    status = space_reserve(space, size, options, space_reserve_apart);
    if (status != HF_OK) space->backend->free_pages(space->backend, *pages, space->own_bytes);
    return status;
}

/* In one mapping. HF_UNSUPPORTED, with nothing done: the backend cannot. */
static hf_status space_acquire_joint(hf_space *space, size_t size, const hf_space_options *options,
                                     void **pages) {
    const hf_backend *backend = space->backend;
    if (!HF_HAS(backend, reserve_with_pages) || options->base || space->alignment > 0)
        return HF_UNSUPPORTED;
    hf_status status = space_reserve(space, size, options, space_reserve_joint);
    if (status != HF_OK) return status;
    *pages = space->joint.pages;
    if (HF_HAS(backend, commit_first)) space->first_bytes = HF_ALLOCATION_GRANULARITY;
    return HF_OK;
}

/* In one call if the system has no allocations of its own. */
static void space_release_regions(const hf_space *space) {
    if (space->spans_regions) {
        space->backend->release(space->backend, space->base, space->size, HF_PLACEHOLDER);
        return;
    }
    for (hf_node *node = hf_region_map_find(&space->map, space->size - 1); node;
         node = node->previous)
        space->backend->release(space->backend, space->base + node->offset,
                                space_size_of(space, node), node->kind);
}

/* Releases the regions and frees the space's own pages. */
static void space_give_back(hf_space *space) {
    const hf_backend *backend = space->backend;
    hf_reservation joint = space->joint; /* the space lies in it */
    if (joint.pages == NULL) space_release_regions(space);
    if (space->retains_files != SPACE_RETAINS_NONE)
        space_close_files(space->map.first, space->size);
    hf_region_map_close(&space->protections);
    hf_region_map_close(&space->map);
    if (joint.pages)
        backend->release_with_pages(backend, &joint);
    else
        backend->free_pages(backend, space, space->own_bytes);
}

static hf_status space_open_lock(hf_space *space) {
    hf_report report = {0};
    space->lock = &space->own_lock;
    hf_status status = space->backend->lock_open(space->backend, space->lock, &report);
    return hf_space_finish_call(space, HF_STEP_RECORDS, status, &report, 0, space->own_bytes);
}

/* Makes the map with one placeholder, and the lock. The map's records lie at `records`. */
static hf_status space_init(hf_space *space, char *records) {
    hf_region_map_open(&space->map, space->backend, space->size, records,
                       space->own_bytes - (size_t)(records - (char *)space));
    hf_space_open_protections(space);
    hf_status status = space_open_lock(space);
    if (status != HF_OK) {
        space_give_back(space);
        return status;
    }
    space_update_peaks(space);
    hf_space_name_range(space, 0, space->size);
    hf_register_root(space->base, space->size);
    return HF_OK;
}

/* What lies between the end of the own pages and the base is not used. */
static const char *space_own_end(const hf_space *space) {
    return (const char *)space + space->own_bytes;
}

static size_t space_gap(const hf_space *space) {
    return space->joint.pages ? (size_t)(space->base - space_own_end(space)) : 0;
}

/* Moves the space into its own pages, with the opener's record behind it. */
static hf_status space_move(hf_space **result, const hf_space *opened, void *pages,
                            hf_space_record *record) {
    hf_space *space = pages;
    *space = *opened;
    char *address = (char *)pages + hf_round_up(sizeof *space, SPACE_ALIGNMENT);
    hf_status status = space_init(space, address + hf_round_up(record->size, SPACE_ALIGNMENT));
    if (status != HF_OK) return status;
    if (hf_is_under_sanitizer()) hf_poison(space_own_end(space), space_gap(space));
    record->address = address;
    *result = space;
    return HF_OK;
}

static size_t space_own_bytes(const hf_backend *backend, const hf_space_record *record) {
    size_t least = hf_round_up(sizeof(hf_space), SPACE_ALIGNMENT) +
                   hf_round_up(record->size, SPACE_ALIGNMENT) +
                   SPACE_LEAST_RECORDS * sizeof(hf_node);
    return hf_pages_for(backend, least > SPACE_OWN_BYTES ? least : SPACE_OWN_BYTES);
}

static bool space_is_ordinary(const hf_memory *memory) {
    return memory->huge_page == 0 && !memory->lazy && !memory->no_dump && !memory->on_numa_node;
}

/* Huge pages and an alignment need a backend that knows them. */
static hf_status space_check_options(const hf_space *space) {
    const hf_backend *backend = space->backend;
    static const char call[] = "hf_space_open";
    if (space->alignment > 0 && !HF_HAS(backend, reserve_aligned))
        return hf_fail_because(HF_UNSUPPORTED, call, "the backend cannot align a space", 0, 0);
    if (space->is_ordinary) return HF_OK;
    hf_report report = {.call = call, .reason = "the backend has ordinary memory only"};
    hf_status status = HF_UNSUPPORTED;
    if (HF_HAS(backend, commit_as) && HF_HAS(backend, check_memory))
        status = backend->check_memory(backend, &space->memory, &report);
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, 0, space->memory.huge_page);
}

static void space_prepare(hf_space *opened, const hf_space_options *options,
                          const hf_space_record *record) {
    const hf_backend *backend = hf_backend_or_native(options->backend);
    bool spans = HF_HAS(backend, spans_regions) && backend->spans_regions(backend);
    size_t page_size = backend->page_size(backend), huge_page = options->memory.huge_page;
    *opened =
        (hf_space){.backend = backend,
                   .spans_regions = spans,
                   .can_pause = HF_HAS(backend, pause),
                   .retains_files = !spans                   ? SPACE_RETAINS_ALL
                                    : HF_HAS(backend, reset) ? SPACE_RETAINS_NONE
                                                             : SPACE_RETAINS_PRIVATE,
                   .name = options->name,
                   .memory = options->memory,
                   .is_ordinary = space_is_ordinary(&options->memory),
                   .alignment = options->alignment > huge_page ? options->alignment : huge_page,
                   .page_size = huge_page > page_size ? huge_page : page_size,
                   .own_bytes = space_own_bytes(backend, record)};
}

hf_status hf_space_open_with(hf_space **result, size_t size, const hf_space_options *options,
                             hf_space_record *record) {
    hf_space opened;
    space_prepare(&opened, options, record);
    if (result == NULL || !space_is_power_from(options->memory.huge_page, opened.page_size) ||
        !space_can_open(size, options, opened.page_size))
        return hf_fail(HF_INVALID, "hf_space_open", 0, size);
    hf_status status = space_check_options(&opened);
    if (status != HF_OK) return status;
    void *pages = NULL;
    status =
        record->is_apart ? HF_UNSUPPORTED : space_acquire_joint(&opened, size, options, &pages);
    if (status == HF_UNSUPPORTED) status = space_acquire_apart(&opened, size, options, &pages);
    return status == HF_OK ? space_move(result, &opened, pages, record) : status;
}

_Static_assert(offsetof(hf_space_options, memory) + sizeof(hf_memory) == sizeof(hf_space_options),
               "padding at the end of options would be taken for options of a later version");

hf_status hf_space_open_sized(hf_space **space, size_t size, const hf_space_options *options,
                              size_t options_size) {
    hf_space_options known = {0};
    hf_status status =
        hf_read_options(&known, sizeof known, options, options_size, "hf_space_open");
    if (status == HF_OK) status = hf_check_backend(known.backend, "hf_space_open");
    hf_space_record none = {.is_apart = true};
    return status == HF_OK ? hf_space_open_with(space, size, &known, &none) : status;
}

void hf_space_close(hf_space *space) {
    if (space == NULL) return;
    hf_unregister_root(space->base, space->size);
    if (hf_is_under_sanitizer()) hf_unpoison_initialized(space_own_end(space), space_gap(space));
    space->backend->lock_close(space->backend, space->lock);
    space_give_back(space);
}

/* ------------------------------------------------------------------- queries ------------- */

char *hf_space_base(const hf_space *space) { return space ? space->base : NULL; }

size_t hf_space_size(const hf_space *space) { return space ? space->size : 0; }

size_t hf_space_page_size(const hf_space *space) { return space ? space->page_size : 0; }

/* The protection is that of the page at the offset, which lies in the node. */
static hf_region space_describe(const hf_space *space, const hf_node *node, size_t offset) {
    return (hf_region){node->offset,      space_size_of(space, node),
                       node->kind,        node->access,
                       node->file_offset, hf_space_protection_at(space, node, offset)};
}

bool hf_space_find(const hf_space *space, size_t offset, hf_region *region) {
    if (space == NULL || offset >= space->size) return false;
    space_lock(space);
    *region = space_describe(space, hf_region_map_find(&space->map, offset), offset);
    space_unlock(space);
    return true;
}

bool hf_space_next(const hf_space *space, hf_region *region) {
    return hf_space_find(space, region->offset + region->size, region);
}

hf_space_stats hf_space_get_stats(const hf_space *space) {
    if (space == NULL) return (hf_space_stats){0};
    space_lock(space);
    hf_space_stats stats = space->stats;
    const hf_region_sums *sums = hf_region_map_sums(&space->map);
    stats.placeholder_bytes = sums->bytes[HF_PLACEHOLDER];
    stats.committed_bytes = sums->bytes[HF_COMMITTED];
    stats.view_bytes = sums->bytes[HF_VIEW];
    stats.regions = space->map.count;
    stats.record_bytes = space->own_bytes + space->map.block_bytes + space->protections.block_bytes;
    space_unlock(space);
    return stats;
}

/* --------------------------------------------------------------------- checks ------------ */

/* The next part of a region with one protection that space_next_part returns. */
typedef struct space_cursor {
    const hf_space *space;
    const hf_node *node;
    size_t offset;
} space_cursor;

static size_t space_part_end(const hf_space *space, const hf_node *node, size_t offset) {
    hf_protection protection = hf_space_protection_at(space, node, offset);
    size_t end = offset, node_end = hf_node_end(&space->map, node);
    while (end < node_end && hf_space_protection_at(space, node, end) == protection)
        end = hf_space_piece_end(space, node, end, node_end);
    return end;
}

static bool space_next_part(void *data, hf_region *part) {
    space_cursor *at = data;
    const hf_space *space = at->space;
    if (at->node == NULL) return false;
    size_t end = space_part_end(space, at->node, at->offset);
    *part = space_describe(space, at->node, at->offset);
    if (part->kind == HF_VIEW) part->file_offset += at->offset - part->offset;
    part->offset = at->offset;
    part->size = end - at->offset;
    if (end == hf_node_end(&space->map, at->node)) at->node = at->node->next;
    at->offset = end;
    return true;
}

static hf_status space_fail_check(const char *reason, size_t offset) {
    return hf_fail_because(HF_CORRUPT, "hf_space_check", reason, offset, 0);
}

static hf_status space_check_system(const hf_space *space) {
    if (!HF_HAS(space->backend, check)) return HF_OK;
    hf_report report = {0};
    size_t offset = 0;
    hf_status status =
        space->backend->check(space->backend, space->base, space_next_part,
                              &(space_cursor){space, space->map.first, 0}, &offset, &report);
    if (status == HF_WRONG_STATE)
        return space_fail_check("the system's mappings are not those of the regions", offset);
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, offset, 0);
}

static hf_status space_check(const hf_space *space) {
    size_t offset;
    if (!hf_region_map_check(&space->map, &offset) ||
        !hf_region_map_check(&space->protections, &offset))
        return space_fail_check("the region map is damaged", offset);
    return space_check_system(space);
}

hf_status hf_space_check(const hf_space *space) {
    if (space == NULL) return hf_fail(HF_INVALID, "hf_space_check", 0, 0);
    space_lock(space);
    hf_status status = space_check(space);
    space_unlock(space);
    return status;
}
