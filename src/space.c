/*
 * space.c -- the placeholder state machine: what holdfast/space.h promises.
 *
 * Every step is written in one order: check the arguments; look the regions up and refuse what
 * they do not allow; take the records that the edit can need; make the backend's call; edit the
 * map in a way that cannot fail. So a refusal at any point leaves nothing to undo, except in the
 * composites, which split before they commit or map: their undo coalesces the same addresses again.
 *
 *   perform()  the arguments, then the lock, around every step; makes a step again, after a
 *              pause without the lock, that failed for a moment only (again.h)
 *   ask()      one call of the backend: counted, its refusal made the last error
 *   carve()    the edit of the map that a split stands for
 */
#include <holdfast/space.h>

#include "again.h"
#include "fail.h"
#include "file.h"
#include "marking.h"
#include "pages.h"
#include "region_map.h"

struct hf_space {
    const hf_backend *backend;
    const char *name;
    char *base;
    size_t size, page_size;
    size_t pages;  /* this record's own */
    hf_lock *lock; /* own_lock, so that a const space can be locked */
    hf_lock own_lock;
    hf_region_map map;
    bool is_transient;    /* the last call of the backend that failed may succeed in a moment */
    hf_space_stats stats; /* regions and record_bytes are the map's */
};

/* Records that share the space's first pages, so that a small space needs no others. */
#define FIRST_PAGES ((size_t)4096)

/* What one call asks for. */
typedef struct span {
    const char *call;
    size_t offset, size;
    hf_file *file; /* of a view; else NULL */
    uint64_t file_offset;
    hf_access access;
    hf_advice advice; /* of a hint */
} span;

static size_t end_of(const span *wanted) { return wanted->offset + wanted->size; }

static hf_status refuse(hf_status status, const span *wanted) {
    return hf_fail(status, wanted->call, wanted->offset, wanted->size);
}

/* ------------------------------------------------------------- statistics --------------- */

static size_t *bytes_of(hf_space_stats *stats, hf_kind kind) {
    return kind == HF_PLACEHOLDER ? &stats->placeholder_bytes
           : kind == HF_COMMITTED ? &stats->committed_bytes
                                  : &stats->view_bytes;
}

static void keep_highest(size_t *peak, size_t value) {
    if (value > *peak) *peak = value;
}

static void note_peaks(hf_space *space) {
    hf_space_stats *stats = &space->stats;
    keep_highest(&stats->peak_committed_bytes, stats->committed_bytes);
    keep_highest(&stats->peak_view_bytes, stats->view_bytes);
    keep_highest(&stats->peak_regions, space->map.count);
}

static hf_status settle(hf_space *space, hf_step step, hf_status status, const hf_report *report,
                        size_t offset, size_t size) {
    space->stats.system_calls[step] += report->system_calls;
    if (status == HF_OK) {
        space->stats.steps[step]++;
        return HF_OK;
    }
    space->stats.refusals++;
    space->is_transient = report->is_transient;
    return hf_fail_reported(status, report, offset, size);
}

/* ----------------------------------------------------- calls of the backend -------------- */

typedef hf_status range_call(const hf_backend *, void *, size_t, hf_report *);

static hf_status ask(hf_space *space, hf_step step, range_call *call, size_t offset, size_t size) {
    hf_report report = {0};
    hf_status status = call(space->backend, space->base + offset, size, &report);
    return settle(space, step, status, &report, offset, size);
}

static hf_status ask_for_view(hf_space *space, const span *wanted) {
    hf_report report = {0};
    hf_status status = space->backend->map(space->backend, space->base + wanted->offset,
                                           wanted->size, hf_file_handle(wanted->file),
                                           wanted->file_offset, wanted->access, &report);
    return settle(space, HF_STEP_MAP, status, &report, wanted->offset, wanted->size);
}

static hf_status ask_for_records(hf_space *space, const span *wanted, size_t cuts) {
    if (space->map.free_count >= cuts) return HF_OK;
    hf_report report = {0};
    hf_status status = hf_region_map_reserve(&space->map, cuts, &report);
    return settle(space, HF_STEP_RECORDS, status, &report, wanted->offset, wanted->size);
}

/* New placeholder has no name yet; without it the system could not join it with its neighbours.
 * A system that refuses once has no names. */
static void name_range(hf_space *space, size_t offset, size_t size) {
    if (space->name == NULL || space->backend->name == NULL) return;
    hf_report report = {0};
    space->backend->name(space->backend, space->base + offset, size, space->name, &report);
    space->stats.system_calls[HF_STEP_RESERVE] += report.system_calls;
    if (report.call) space->name = NULL;
}

/* ---------------------------------------------------------- edits of the map ------------- */

static size_t size_of(const hf_space *space, const hf_node *node) {
    return hf_node_end(&space->map, node) - node->offset;
}

/*
 * Makes the range a node of its own, by up to two cuts, and returns it.
 *      |      node      |  ->  | node | range |    |
 */
static hf_node *carve(hf_space *space, hf_node *node, size_t offset, size_t size) {
    if (offset > node->offset) node = hf_region_map_cut(&space->map, node, offset);
    if (offset + size < hf_node_end(&space->map, node))
        hf_region_map_cut(&space->map, node, offset + size);
    note_peaks(space);
    return node;
}

static void set_kind(hf_space *space, hf_node *node, hf_kind kind) {
    size_t size = size_of(space, node);
    *bytes_of(&space->stats, node->kind) -= size;
    *bytes_of(&space->stats, kind) += size;
    node->kind = kind;
    note_peaks(space);
}

static void set_view(hf_space *space, hf_node *node, const span *wanted) {
    node->file_offset = wanted->file_offset;
    node->access = wanted->access;
    set_kind(space, node, HF_VIEW);
}

static void set_unnamed_placeholder(hf_space *space, hf_node *node) {
    node->file_offset = 0;
    node->access = HF_READ_WRITE;
    set_kind(space, node, HF_PLACEHOLDER);
}

static void set_placeholder(hf_space *space, hf_node *node) {
    name_range(space, node->offset, size_of(space, node));
    set_unnamed_placeholder(space, node);
}

/* -------------------------------------------------------- what regions allow ------------- */

static hf_node *find(const hf_space *space, const span *wanted) {
    return hf_region_map_find(&space->map, wanted->offset);
}

static bool holds(const hf_space *space, const hf_node *node, const span *wanted) {
    return end_of(wanted) <= hf_node_end(&space->map, node);
}

static bool is_exactly(const hf_space *space, const hf_node *node, const span *wanted) {
    return node->offset == wanted->offset && hf_node_end(&space->map, node) == end_of(wanted);
}

/* ------------------------------------------------------------------ the steps ------------ */

typedef hf_status step_function(hf_space *, const span *);

static bool is_range(const hf_space *space, const span *wanted) {
    size_t mask = space->page_size - 1;
    return wanted->size > 0 && ((wanted->offset | wanted->size) & mask) == 0 &&
           wanted->offset <= space->size && wanted->size <= space->size - wanted->offset;
}

static void lock(const hf_space *space) { space->backend->lock(space->backend, space->lock); }

static void unlock(const hf_space *space) { space->backend->unlock(space->backend, space->lock); }

static hf_status perform(hf_space *space, step_function *step, const span *wanted) {
    if (space == NULL || !is_range(space, wanted)) return refuse(HF_INVALID, wanted);
    hf_error before = hf_last_error();
    unsigned pauses = 0;
    hf_status status;
    bool is_transient;
    do {
        lock(space);
        space->is_transient = false;
        status = step(space, wanted);
        is_transient = status != HF_OK && space->is_transient;
        unlock(space);
    } while (hf_wait_to_try_again(space->backend, is_transient, &pauses));
    if (status == HF_OK && pauses > 0) hf_fail_again(before);
    return status;
}

static hf_status split(hf_space *space, const span *wanted) {
    hf_node *node = find(space, wanted);
    if (node->kind != HF_PLACEHOLDER || !holds(space, node, wanted) ||
        is_exactly(space, node, wanted))
        return refuse(HF_WRONG_STATE, wanted);
    hf_status status = ask_for_records(space, wanted, 2);
    if (status != HF_OK) return status;
    status = ask(space, HF_STEP_SPLIT, space->backend->split, wanted->offset, wanted->size);
    if (status == HF_OK) carve(space, node, wanted->offset, wanted->size);
    return status;
}

hf_status hf_space_split(hf_space *space, size_t offset, size_t size) {
    return perform(space, split, &(span){.call = "hf_space_split", .offset = offset, .size = size});
}

/* Joins the placeholders from `first` up to `end`, which are two or more. */
static hf_status join(hf_space *space, hf_node *first, size_t end) {
    size_t offset = first->offset;
    hf_status status = ask(space, HF_STEP_COALESCE, space->backend->coalesce, offset, end - offset);
    if (status != HF_OK) return status;
    while (hf_node_end(&space->map, first) < end) hf_region_map_absorb_next(&space->map, first);
    return HF_OK;
}

static hf_status coalesce(hf_space *space, const span *wanted) {
    hf_node *first = find(space, wanted), *last = first;
    if (first->offset != wanted->offset || holds(space, first, wanted))
        return refuse(HF_WRONG_STATE, wanted);
    while (last->kind == HF_PLACEHOLDER && hf_node_end(&space->map, last) < end_of(wanted))
        last = last->next;
    if (last->kind != HF_PLACEHOLDER || hf_node_end(&space->map, last) != end_of(wanted))
        return refuse(HF_WRONG_STATE, wanted);
    return join(space, first, end_of(wanted));
}

hf_status hf_space_coalesce(hf_space *space, size_t offset, size_t size) {
    return perform(space, coalesce,
                   &(span){.call = "hf_space_coalesce", .offset = offset, .size = size});
}

static hf_status commit(hf_space *space, const span *wanted) {
    hf_node *node = find(space, wanted);
    if (node->kind != HF_PLACEHOLDER || !is_exactly(space, node, wanted))
        return refuse(HF_WRONG_STATE, wanted);
    hf_status status =
        ask(space, HF_STEP_COMMIT, space->backend->commit, wanted->offset, wanted->size);
    if (status == HF_OK) set_kind(space, node, HF_COMMITTED);
    return status;
}

hf_status hf_space_commit(hf_space *space, size_t offset, size_t size) {
    return perform(space, commit,
                   &(span){.call = "hf_space_commit", .offset = offset, .size = size});
}

/* Decommits a part of a committed node; two records are there. */
static hf_status release_private(hf_space *space, hf_node *node, size_t offset, size_t size) {
    hf_status status = ask(space, HF_STEP_DECOMMIT, space->backend->decommit, offset, size);
    if (status == HF_OK) set_placeholder(space, carve(space, node, offset, size));
    return status;
}

static hf_status decommit(hf_space *space, const span *wanted) {
    hf_node *node = find(space, wanted);
    if (node->kind != HF_COMMITTED || !holds(space, node, wanted))
        return refuse(HF_WRONG_STATE, wanted);
    hf_status status = ask_for_records(space, wanted, 2);
    if (status != HF_OK) return status;
    return release_private(space, node, wanted->offset, wanted->size);
}

hf_status hf_space_decommit(hf_space *space, size_t offset, size_t size) {
    return perform(space, decommit,
                   &(span){.call = "hf_space_decommit", .offset = offset, .size = size});
}

/* A view may end in the file's last page, behind the file's last byte. */
static bool is_within_file(const hf_space *space, const span *wanted) {
    uint64_t mask = space->page_size - 1, size = hf_file_size(wanted->file);
    uint64_t room = (size & ~mask) + ((size & mask) ? space->page_size : 0);
    if (room < size) room = UINT64_MAX & ~mask; /* rounding up wrapped */
    return (wanted->file_offset & mask) == 0 && wanted->file_offset <= room &&
           wanted->size <= room - wanted->file_offset;
}

/* A view of huge pages is rounded up to them by the system, over what lies behind it. */
static bool suits_file(const hf_space *space, const span *wanted) {
    uint64_t place = (uintptr_t)space->base + wanted->offset;
    uint64_t mask = hf_file_granularity(wanted->file) - 1;
    return ((place | wanted->size | wanted->file_offset) & mask) == 0;
}

static bool is_view(const hf_space *space, const span *wanted) {
    return space != NULL && wanted->file != NULL && hf_file_is_on(wanted->file, space->backend) &&
           hf_file_permits(wanted->file, wanted->access) && is_within_file(space, wanted) &&
           suits_file(space, wanted);
}

static hf_status map(hf_space *space, const span *wanted) {
    hf_node *node = find(space, wanted);
    if (node->kind != HF_PLACEHOLDER || !is_exactly(space, node, wanted))
        return refuse(HF_WRONG_STATE, wanted);
    hf_status status = ask_for_view(space, wanted);
    if (status == HF_OK) set_view(space, node, wanted);
    return status;
}

hf_status hf_space_map(hf_space *space, size_t offset, size_t size, hf_file *file,
                       uint64_t file_offset, hf_access access) {
    span wanted = {.call = "hf_space_map",
                   .offset = offset,
                   .size = size,
                   .file = file,
                   .file_offset = file_offset,
                   .access = access};
    if (!is_view(space, &wanted)) return refuse(HF_INVALID, &wanted);
    return perform(space, map, &wanted);
}

static hf_status release_view(hf_space *space, hf_node *node) {
    hf_status status =
        ask(space, HF_STEP_UNMAP, space->backend->unmap, node->offset, size_of(space, node));
    if (status == HF_OK) set_placeholder(space, node);
    return status;
}

static hf_status unmap(hf_space *space, const span *wanted) {
    hf_node *node = find(space, wanted);
    if (node->kind != HF_VIEW || !is_exactly(space, node, wanted))
        return refuse(HF_WRONG_STATE, wanted);
    return release_view(space, node);
}

hf_status hf_space_unmap(hf_space *space, size_t offset, size_t size) {
    return perform(space, unmap, &(span){.call = "hf_space_unmap", .offset = offset, .size = size});
}

/* ------------------------------------------------------------- the composites ------------ */

/*
 * After a split whose sequel was refused. The map was not edited yet, so when the pieces are one
 * again nothing has happened; when the system refuses that too, the map takes over the pieces.
 */
static void undo_split(hf_space *space, hf_node *node, const span *wanted) {
    hf_error first = hf_last_error();
    if (ask(space, HF_STEP_COALESCE, space->backend->coalesce, node->offset,
            size_of(space, node)) != HF_OK) {
        carve(space, node, wanted->offset, wanted->size);
        first.undo_failed = true;
        space->is_transient = false; /* the caller shall learn of the pieces */
        hf_fail_again(first);
    }
}

static hf_status install(hf_space *space, const span *wanted) {
    return wanted->file
               ? ask_for_view(space, wanted)
               : ask(space, HF_STEP_COMMIT, space->backend->commit, wanted->offset, wanted->size);
}

static hf_status split_and_install(hf_space *space, hf_node *node, const span *wanted) {
    bool whole = is_exactly(space, node, wanted);
    hf_status status =
        whole ? HF_OK
              : ask(space, HF_STEP_SPLIT, space->backend->split, wanted->offset, wanted->size);
    if (status != HF_OK) return status;
    status = install(space, wanted);
    if (status != HF_OK && !whole) undo_split(space, node, wanted);
    return status;
}

static hf_status place(hf_space *space, const span *wanted) {
    hf_node *node = find(space, wanted);
    if (node->kind != HF_PLACEHOLDER || !holds(space, node, wanted))
        return refuse(HF_WRONG_STATE, wanted);
    hf_status status = ask_for_records(space, wanted, 2);
    if (status == HF_OK) status = split_and_install(space, node, wanted);
    if (status != HF_OK) return status;
    node = carve(space, node, wanted->offset, wanted->size);
    if (wanted->file)
        set_view(space, node, wanted);
    else
        set_kind(space, node, HF_COMMITTED);
    return HF_OK;
}

hf_status hf_space_commit_range(hf_space *space, size_t offset, size_t size) {
    return perform(space, place,
                   &(span){.call = "hf_space_commit_range", .offset = offset, .size = size});
}

hf_status hf_space_map_range(hf_space *space, size_t offset, size_t size, hf_file *file,
                             uint64_t file_offset, hf_access access) {
    span wanted = {.call = "hf_space_map_range",
                   .offset = offset,
                   .size = size,
                   .file = file,
                   .file_offset = file_offset,
                   .access = access};
    if (!is_view(space, &wanted)) return refuse(HF_INVALID, &wanted);
    return perform(space, place, &wanted);
}

/* Views only whole: the first and the last region are the only ones that a range can cut. */
static bool can_release(const hf_space *space, const span *wanted) {
    const hf_node *first = find(space, wanted);
    const hf_node *last = hf_region_map_find(&space->map, end_of(wanted) - 1);
    if (first->kind == HF_VIEW && first->offset < wanted->offset) return false;
    return last->kind != HF_VIEW || hf_node_end(&space->map, last) == end_of(wanted);
}

/* Makes placeholder of what the range holds of the region at `offset`; *next is where it ends. */
static hf_status release_region(hf_space *space, size_t offset, size_t end, size_t *next) {
    hf_node *node = hf_region_map_find(&space->map, offset);
    size_t node_end = hf_node_end(&space->map, node);
    *next = node_end < end ? node_end : end;
    if (node->kind == HF_COMMITTED) return release_private(space, node, offset, *next - offset);
    return node->kind == HF_VIEW ? release_view(space, node) : HF_OK;
}

/* Coalesces the placeholders of the range with those that touch it. */
static hf_status gather(hf_space *space, const span *wanted) {
    hf_node *first = find(space, wanted);
    if (first->offset == wanted->offset && first->previous &&
        first->previous->kind == HF_PLACEHOLDER)
        first = first->previous;
    hf_node *last = hf_region_map_find(&space->map, end_of(wanted) - 1);
    if (hf_node_end(&space->map, last) == end_of(wanted) && last->next &&
        last->next->kind == HF_PLACEHOLDER)
        last = last->next;
    return first == last ? HF_OK : join(space, first, hf_node_end(&space->map, last));
}

/*
 * A run: what a range holds, from its first region that is no placeholder to its last such one.
 *      |  p  | p |    c    | p |  v  |   c   | p |
 *          <--------------------------->             the range
 *                |    c    | p |  v  | c |           its run
 */
static bool find_run(const hf_space *space, const span *wanted, span *run) {
    const hf_node *first = find(space, wanted);
    const hf_node *last = hf_region_map_find(&space->map, end_of(wanted) - 1);
    while (first != last && first->kind == HF_PLACEHOLDER) first = first->next;
    while (first != last && last->kind == HF_PLACEHOLDER) last = last->previous;
    if (first == last) return false;
    size_t last_end = hf_node_end(&space->map, last);
    size_t end = last_end < end_of(wanted) ? last_end : end_of(wanted);
    *run = *wanted;
    if (first->offset > run->offset) run->offset = first->offset;
    run->size = end - run->offset;
    return true;
}

/* After the system made one placeholder of the run: so does the map. Two records are there. */
static void note_released_run(hf_space *space, const span *run) {
    hf_region_map *map = &space->map;
    hf_node *first = find(space, run);
    if (run->offset > first->offset) first = hf_region_map_cut(map, first, run->offset);
    hf_node *last = hf_region_map_find(map, end_of(run) - 1);
    if (hf_node_end(map, last) > end_of(run)) hf_region_map_cut(map, last, end_of(run));
    for (hf_node *node = first; node && node->offset < end_of(run); node = node->next) {
        space->stats.steps[HF_STEP_DECOMMIT] += node->kind == HF_COMMITTED;
        space->stats.steps[HF_STEP_UNMAP] += node->kind == HF_VIEW;
        set_unnamed_placeholder(space, node);
    }
    while (hf_node_end(map, first) < end_of(run)) hf_region_map_absorb_next(map, first);
    name_range(space, run->offset, run->size);
}

/* The regions are counted as steps one by one. UNSUPPORTED: nothing happened, and nothing is noted.
 * */
static hf_status ask_for_run(hf_space *space, const span *run) {
    const hf_backend *backend = space->backend;
    hf_report report = {0};
    size_t steps = space->stats.steps[HF_STEP_DECOMMIT];
    hf_status status = backend->release_run(backend, space->base + run->offset, run->size, &report);
    if (status == HF_UNSUPPORTED) return status;
    settle(space, HF_STEP_DECOMMIT, status, &report, run->offset, run->size);
    space->stats.steps[HF_STEP_DECOMMIT] = steps;
    return status;
}

static bool is_committed(const hf_node *node) { return node && node->kind == HF_COMMITTED; }

/* The smallest placeholder of a run that lies between two committed regions; NULL: there is none.
 * */
static hf_node *find_bridge(const hf_space *space, const span *run) {
    hf_node *found = NULL;
    for (hf_node *node = find(space, run); node->offset < end_of(run); node = node->next) {
        bool is_bridge = node->kind == HF_PLACEHOLDER && is_committed(node->previous) &&
                         is_committed(node->next);
        if (is_bridge && (found == NULL || size_of(space, node) < size_of(space, found)))
            found = node;
        if (node->next == NULL) break;
    }
    return found;
}

/*
 * Beyond the limit on mappings Linux releases nothing, but it still commits: a placeholder between
 * two committed regions becomes one mapping with them. One mapping less, and the run can go.
 */
static hf_status release_run_at_limit(hf_space *space, const span *run) {
    hf_error first = hf_last_error();
    hf_node *bridge = find_bridge(space, run);
    if (bridge == NULL) return first.status;
    size_t offset = bridge->offset, size = size_of(space, bridge);
    if (ask(space, HF_STEP_COMMIT, space->backend->commit, offset, size) != HF_OK)
        return hf_fail_again(first);
    if (ask_for_run(space, run) == HF_OK) return HF_OK;
    if (ask(space, HF_STEP_DECOMMIT, space->backend->decommit, offset, size) != HF_OK) {
        set_kind(space, bridge, HF_COMMITTED);
        first.undo_failed = true;
    }
    return hf_fail_again(first);
}

static hf_status release_run(hf_space *space, const span *wanted, const span *run) {
    hf_error before = hf_last_error();
    hf_status status = ask_for_run(space, run);
    if (status == HF_MAP_LIMIT) status = release_run_at_limit(space, run);
    if (status != HF_OK) return status;
    hf_fail_again(before); /* a failure on the way to success is not the caller's */
    note_released_run(space, run);
    size_t joins = space->stats.steps[HF_STEP_COALESCE];
    status = gather(space, wanted);
    if (status == HF_OK) space->stats.steps[HF_STEP_COALESCE] = joins + 1;
    return status;
}

static hf_status release_by_regions(hf_space *space, const span *wanted) {
    hf_status status = HF_OK;
    for (size_t offset = wanted->offset; status == HF_OK && offset < end_of(wanted);)
        status = release_region(space, offset, end_of(wanted), &offset);
    return status == HF_OK ? gather(space, wanted) : status;
}

static hf_status clear(hf_space *space, const span *wanted) {
    span run;
    if (!can_release(space, wanted)) return refuse(HF_WRONG_STATE, wanted);
    hf_status status = ask_for_records(space, wanted, 2);
    if (status != HF_OK) return status;
    status = HF_UNSUPPORTED;
    if (space->backend->release_run && find_run(space, wanted, &run))
        status = release_run(space, wanted, &run);
    return status == HF_UNSUPPORTED ? release_by_regions(space, wanted) : status;
}

hf_status hf_space_release_range(hf_space *space, size_t offset, size_t size) {
    return perform(space, clear,
                   &(span){.call = "hf_space_release_range", .offset = offset, .size = size});
}

/* ---------------------------------------------------------------------- hints ------------ */

static bool can_advise(const hf_space *space, const span *wanted) {
    for (const hf_node *node = find(space, wanted); node && node->offset < end_of(wanted);
         node = node->next) {
        if (node->kind == HF_VIEW) return false;
        if (node->kind == HF_PLACEHOLDER && wanted->advice == HF_ADVISE_POPULATE) return false;
    }
    return true;
}

static hf_status advise(hf_space *space, const span *wanted) {
    if (!can_advise(space, wanted)) return refuse(HF_WRONG_STATE, wanted);
    if (space->backend->advise == NULL) return refuse(HF_UNSUPPORTED, wanted);
    hf_report report = {0};
    hf_status status = space->backend->advise(space->backend, space->base + wanted->offset,
                                              wanted->size, wanted->advice, &report);
    return settle(space, HF_STEP_ADVISE, status, &report, wanted->offset, wanted->size);
}

static bool is_advice(hf_advice advice) {
    return advice == HF_ADVISE_HUGE || advice == HF_ADVISE_NO_HUGE || advice == HF_ADVISE_POPULATE;
}

hf_status hf_space_advise(hf_space *space, size_t offset, size_t size, hf_advice advice) {
    span wanted = {.call = "hf_space_advise", .offset = offset, .size = size, .advice = advice};
    if (!is_advice(advice)) return refuse(HF_INVALID, &wanted);
    return perform(space, advise, &wanted);
}

/* ---------------------------------------------------------- opening and closing ---------- */

static bool can_open(size_t size, const hf_space_options *options, size_t page_size) {
    uintptr_t base = (uintptr_t)options->base;
    return size > 0 && ((size | options->least) & (page_size - 1)) == 0 && options->least <= size &&
           base % HF_ALLOCATION_GRANULARITY == 0 && (base == 0 || size - 1 <= UINTPTR_MAX - base);
}

/* Halves the size until the system grants it; the last try is `least` itself. */
static hf_status reserve(hf_space *space, size_t size, const hf_space_options *options) {
    size_t least = options->least ? options->least : size;
    hf_error before = hf_last_error();
    for (;;) {
        hf_report report = {0};
        void *base;
        hf_status status =
            space->backend->reserve(space->backend, options->base, size, &base, &report);
        status = settle(space, HF_STEP_RESERVE, status, &report, 0, size);
        if (status == HF_OK) {
            space->base = base;
            space->size = size;
            hf_fail_again(before); /* a refusal on the way to success is none of the caller's */
        }
        if (status == HF_OK || size == least) return status;
        size_t half = hf_round_down(size / 2, space->page_size);
        size = half > least ? half : least;
    }
}

static hf_status open_lock(hf_space *space) {
    hf_report report = {0};
    space->lock = &space->own_lock;
    hf_status status = space->backend->lock_open(space->backend, space->lock, &report);
    return settle(space, HF_STEP_RECORDS, status, &report, 0, space->pages);
}

static hf_status build(hf_space *space, size_t size, const hf_space_options *options) {
    hf_status status = open_lock(space);
    if (status != HF_OK) return status;
    status = reserve(space, size, options);
    if (status != HF_OK) {
        space->backend->lock_close(space->backend, space->lock);
        return status;
    }
    hf_region_map_open(&space->map, space->backend, space->size, space + 1,
                       space->pages - sizeof *space);
    space->stats.placeholder_bytes = space->size;
    note_peaks(space);
    name_range(space, 0, space->size);
    hf_mark_root(space->base, space->size);
    return HF_OK;
}

/* NULL: refused, and the last error says why. */
static hf_space *take_space(const hf_backend *backend) {
    size_t pages = hf_pages_for(backend, FIRST_PAGES);
    hf_report report = {0};
    void *memory;
    hf_status status = hf_allocate_pages(backend, pages, &memory, &report);
    if (status != HF_OK) {
        hf_fail_reported(status, &report, 0, pages);
        return NULL;
    }
    hf_space *space = memory;
    *space =
        (hf_space){.backend = backend, .page_size = backend->page_size(backend), .pages = pages};
    settle(space, HF_STEP_RECORDS, HF_OK, &report, 0, pages);
    return space;
}

static hf_status open_space(hf_space **result, size_t size, const hf_space_options *options) {
    const hf_backend *backend = options->backend ? options->backend : hf_backend_native();
    if (result == NULL || !can_open(size, options, backend->page_size(backend)))
        return hf_fail(HF_INVALID, "hf_space_open", 0, size);
    hf_space *space = take_space(backend);
    if (space == NULL) return hf_last_error().status;
    space->name = options->name;
    hf_status status = build(space, size, options);
    if (status == HF_OK)
        *result = space;
    else
        backend->free_pages(backend, space, space->pages);
    return status;
}

hf_status hf_space_open(hf_space **space, size_t size, const hf_space_options *options) {
    return open_space(space, size, options ? options : &(hf_space_options){0});
}

void hf_space_close(hf_space *space) {
    if (space == NULL) return;
    const hf_backend *backend = space->backend;
    hf_unmark_root(space->base, space->size);
    for (hf_node *node = hf_region_map_find(&space->map, space->size - 1); node;
         node = node->previous)
        backend->release(backend, space->base + node->offset, size_of(space, node), node->kind);
    hf_region_map_close(&space->map);
    backend->lock_close(backend, space->lock);
    backend->free_pages(backend, space, space->pages);
}

/* --------------------------------------------------------------- looking at it ----------- */

char *hf_space_base(const hf_space *space) { return space ? space->base : NULL; }

size_t hf_space_size(const hf_space *space) { return space ? space->size : 0; }

size_t hf_space_page_size(const hf_space *space) { return space ? space->page_size : 0; }

static hf_region describe(const hf_space *space, const hf_node *node) {
    return (hf_region){node->offset, size_of(space, node), node->kind, node->access,
                       node->file_offset};
}

bool hf_space_find(const hf_space *space, size_t offset, hf_region *region) {
    if (space == NULL || offset >= space->size) return false;
    lock(space);
    *region = describe(space, hf_region_map_find(&space->map, offset));
    unlock(space);
    return true;
}

bool hf_space_next(const hf_space *space, hf_region *region) {
    return hf_space_find(space, region->offset + region->size, region);
}

hf_space_stats hf_space_get_stats(const hf_space *space) {
    if (space == NULL) return (hf_space_stats){0};
    lock(space);
    hf_space_stats stats = space->stats;
    stats.regions = space->map.count;
    stats.record_bytes = space->pages + space->map.block_bytes;
    unlock(space);
    return stats;
}

/* --------------------------------------------------------------------- proofs ------------ */

static bool sums_agree(const hf_space *space) {
    hf_space_stats sums = {0};
    for (const hf_node *node = space->map.first; node; node = node->next)
        *bytes_of(&sums, node->kind) += size_of(space, node);
    return sums.placeholder_bytes == space->stats.placeholder_bytes &&
           sums.committed_bytes == space->stats.committed_bytes &&
           sums.view_bytes == space->stats.view_bytes;
}

/* Hands the regions to the backend one by one. */
typedef struct cursor {
    const hf_space *space;
    const hf_node *node;
} cursor;

static bool next_region(void *data, hf_region *region) {
    cursor *position = data;
    if (position->node == NULL) return false;
    *region = describe(position->space, position->node);
    position->node = position->node->next;
    return true;
}

static hf_status system_agrees(const hf_space *space) {
    if (space->backend->check == NULL) return HF_OK;
    hf_report report = {0};
    size_t offset = 0;
    hf_status status = space->backend->check(space->backend, space->base, next_region,
                                             &(cursor){space, space->map.first}, &offset, &report);
    if (status == HF_WRONG_STATE) return hf_fail(HF_CORRUPT, "the system's mappings", offset, 0);
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, offset, 0);
}

static hf_status check(const hf_space *space) {
    size_t offset;
    if (!hf_region_map_check(&space->map, &offset))
        return hf_fail(HF_CORRUPT, "the region map", offset, 0);
    if (!sums_agree(space)) return hf_fail(HF_CORRUPT, "the statistics", 0, 0);
    return system_agrees(space);
}

hf_status hf_space_check(const hf_space *space) {
    if (space == NULL) return hf_fail(HF_INVALID, "hf_space_check", 0, 0);
    lock(space);
    hf_status status = check(space);
    unlock(space);
    return status;
}
