/*
 * heap_span.c -- the units of a heap: spans of them are taken for runs and medium blocks, coalesce
 * when they are given back, and go back to the system when enough was done without them.
 *
 *      | span | free | span |     free     |      ready      |   placeholder
 *                                      units_end      units_committed
 *
 * A span is taken from the bin of the smallest free spans that suffice, else from what is ready,
 * else more is committed. A free span whose pages may not be zero is dirty: the list of dirty spans
 * is in the order in which they became free, so the oldest one is the first that is purged.
 */
#include <holdfast/atomic.h>
#include <holdfast/heap.h>

#include <assert.h>
#include <string.h>

#include "compatible.h"
#include "heap_core.h"
#include "pages.h"
#include "sanitizer.h"

#define SPAN_EXACT_BINS 32 /* of spans of 1 to 32 units; then four bins for each doubling */
#define SPAN_TRIES 8       /* spans of a bin that are looked at */
#define SPAN_LEAST_STEP ((size_t)16) /* units that are committed at once */
#define SPAN_MOST_STEP ((size_t)1024)
#define SPAN_RECORDS_STEP HF_KIB(64) /* bytes of records that are committed at once */
#define SPAN_HUGE_FROM HF_MIB(2)     /* bytes: default of hf_heap_options.huge_from */

static size_t span_bytes(size_t units) { return units * HF_HEAP_UNIT; }

static size_t span_offset(const hf_heap_core *core, size_t number) {
    return core->units_offset + span_bytes(number);
}

/* ------------------------------------------------------------------ lists -------------- */

void hf_heap_list_append(heap_list *list, heap_unit *unit) {
    unit->next = NULL;
    unit->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = unit;
    list->last = unit;
}

void hf_heap_list_remove(heap_list *list, heap_unit *unit) {
    *(unit->previous ? &unit->previous->next : &list->first) = unit->next;
    *(unit->next ? &unit->next->previous : &list->last) = unit->previous;
}

static uint32_t *span_newer_link(hf_heap_core *core, uint32_t number) {
    return number ? &heap_unit_at(core, number - 1)->newer : &core->oldest_dirty;
}

static uint32_t *span_older_link(hf_heap_core *core, uint32_t number) {
    return number ? &heap_unit_at(core, number - 1)->older : &core->newest_dirty;
}

static void span_append_dirty(hf_heap_core *core, heap_unit *unit) {
    uint32_t number = (uint32_t)heap_number_of(core, unit) + 1;
    unit->newer = 0;
    unit->older = core->newest_dirty;
    *span_newer_link(core, core->newest_dirty) = number;
    core->newest_dirty = number;
    core->dirty_units += unit->units;
}

static void span_remove_dirty(hf_heap_core *core, const heap_unit *unit) {
    *span_newer_link(core, unit->older) = unit->newer;
    *span_older_link(core, unit->newer) = unit->older;
    core->dirty_units -= unit->units;
}

static heap_unit *span_oldest_dirty(const hf_heap_core *core) {
    return core->oldest_dirty ? heap_unit_at(core, core->oldest_dirty - 1) : NULL;
}

/* ------------------------------------------------------------------- bins -------------- */

static unsigned span_log2(size_t value) {
    unsigned log = 0;
    while (value >>= 1) log++;
    return log;
}

/* Spans of the bin have at least so many units as the smallest of its sizes. */
static unsigned span_bin(size_t units) {
    if (units <= SPAN_EXACT_BINS) return (unsigned)units - 1;
    unsigned log = span_log2(units);
    unsigned bin = SPAN_EXACT_BINS + (log - 5) * 4 + (unsigned)((units >> (log - 2)) & 3);
    return bin < HEAP_BINS ? bin : HEAP_BINS - 1;
}

static void span_insert(hf_heap_core *core, heap_unit *unit) {
    unsigned bin = span_bin(unit->units);
    unit->previous = NULL;
    unit->next = core->bins[bin];
    if (unit->next) unit->next->previous = unit;
    core->bins[bin] = unit;
    core->bin_bits[bin / 32] |= (uint32_t)1 << bin % 32;
    if (!unit->is_zero) span_append_dirty(core, unit);
}

static void span_remove(hf_heap_core *core, heap_unit *unit) {
    unsigned bin = span_bin(unit->units);
    *(unit->previous ? &unit->previous->next : &core->bins[bin]) = unit->next;
    if (unit->next) unit->next->previous = unit->previous;
    if (core->bins[bin] == NULL) core->bin_bits[bin / 32] &= ~((uint32_t)1 << bin % 32);
    if (!unit->is_zero) span_remove_dirty(core, unit);
}

/* The first bin from this one on that is not empty; HEAP_BINS: none. */
static unsigned span_next_bin(const hf_heap_core *core, unsigned bin) {
    while (bin < HEAP_BINS) {
        uint32_t bits = core->bin_bits[bin / 32] >> bin % 32;
        if (bits & 1) return bin;
        bin = bits ? bin + 1 : (bin / 32 + 1) * 32;
    }
    return HEAP_BINS;
}

/* A free span with enough units, of the smallest sizes that have one. Of its own bin only the
 * newest few are looked at. */
static heap_unit *span_find(const hf_heap_core *core, size_t units) {
    unsigned bin = span_bin(units);
    unsigned tries = SPAN_TRIES;
    for (heap_unit *unit = core->bins[bin]; unit && tries > 0; unit = unit->next, tries--)
        if (unit->units >= units) return unit;
    bin = span_next_bin(core, bin + 1);
    return bin < HEAP_BINS ? core->bins[bin] : NULL;
}

/* ---------------------------------------------------------------- records -------------- */

/* Makes a free span of units that are in no list. Its last record tells where it begins. */
static heap_unit *span_mark_free(hf_heap_core *core, size_t number, size_t units, bool is_zero) {
    heap_unit *first = heap_unit_at(core, number), *last = first + (units - 1);
    *last = (heap_unit){.state = HEAP_INNER, .units = (uint32_t)(units - 1)};
    *first = (heap_unit){.state = HEAP_FREE, .units = (uint32_t)units, .is_zero = is_zero};
    return first;
}

/* The first unit of a free span or a run, of which this is the last one. */
static heap_unit *span_first_of(heap_unit *unit) {
    return unit->state == HEAP_INNER ? unit - unit->units : unit;
}

static void span_clear_record(heap_unit *unit) { *unit = (heap_unit){0}; }

/* Takes the first units of a free span, which is in no list; the rest stays free. */
static heap_unit *span_cut(hf_heap_core *core, heap_unit *unit, size_t units) {
    assert(unit->state == HEAP_FREE && unit->units >= units);
    size_t number = heap_number_of(core, unit), left = unit->units - units;
    span_clear_record(unit + (unit->units - 1));
    if (left > 0) span_insert(core, span_mark_free(core, number + units, left, unit->is_zero));
    bool is_zero = unit->is_zero;
    *unit = (heap_unit){.units = (uint32_t)units, .is_zero = is_zero};
    return unit;
}

/* ----------------------------------------------------------------- purging ------------- */

void hf_heap_advise(hf_heap_core *core, size_t offset, size_t size) {
    hf_error before = hf_last_error();
    bool never = core->options.huge_pages == HF_HUGE_NEVER;
    hf_space_advise(core->space, offset, size, never ? HF_ADVISE_NO_HUGE : HF_ADVISE_HUGE);
    hf_fail_with(before);
}

/* Commits again what a release has made placeholder. False: some of it stays one. */
static bool span_recommit(hf_heap_core *core, size_t offset, size_t end) {
    hf_status status = HF_OK;
    hf_region region;
    for (size_t next; status == HF_OK && offset < end; offset = next) {
        if (!hf_space_find(core->space, offset, &region)) return false;
        next = hf_smaller(region.offset + region.size, end);
        if (region.kind == HF_PLACEHOLDER)
            status = hf_space_commit_range(core->space, offset, next - offset);
    }
    return status == HF_OK;
}

/* Where the system cannot reset pages without storing zeros, they are released and committed. If
 * committing fails, the span stays a placeholder: it is in no bin and lost until a reset. */
static hf_status span_renew(hf_heap_core *core, size_t offset, size_t size, bool *is_lost) {
    if (HF_HAS(core->backend, reset)) return hf_space_reset_range(core->space, offset, size);
    hf_error error = hf_last_error();
    hf_status status = hf_space_release_range(core->space, offset, size);
    if (status != HF_OK) error = hf_last_error();
    *is_lost = !span_recommit(core, offset, offset + size);
    hf_fail_with(error);
    return status;
}

/* The system may use the addresses of placeholders for something else once the heap is closed. */
static void span_unpoison(const hf_heap_core *core, size_t number, size_t units) {
    if (core->is_sanitized)
        hf_unpoison_initialized(core->heap.base + span_bytes(number), span_bytes(units));
}

/* Gives the pages of a free span back to the system. */
static hf_status span_purge(hf_heap_core *core, heap_unit *unit) {
    bool is_lost = false;
    size_t offset = span_offset(core, heap_number_of(core, unit));
    hf_status status = span_renew(core, offset, span_bytes(unit->units), &is_lost);
    if (status != HF_OK && !is_lost) return status;
    span_remove(core, unit);
    unit->is_zero = true;
    core->purges++;
    core->has_lost |= is_lost;
    if (is_lost) {
        span_unpoison(core, heap_number_of(core, unit), unit->units);
        unit->state = HEAP_LOST;
    } else {
        span_insert(core, unit);
    }
    return status;
}

/* Fewer dirty units are not worth the system calls. */
#define SPAN_LEAST_PURGE ((size_t)16)

static void span_purge_all(hf_heap_core *core) {
    hf_status status = HF_OK;
    while (status == HF_OK && core->oldest_dirty)
        status = span_purge(core, span_oldest_dirty(core));
}

static void span_restart_work(hf_heap_core *core) {
    core->purge_work = 0;
    core->least_dirty = core->dirty_units;
}

/*
 * Dirty units that were never needed while 64 times as many were allocated go back:
 *
 *      dirty units      \    /\    /\    /
 *      of each frame     \__/  \__/  \__/ <- here: as many are dirty as were always dirty
 *
 * Those are the spans that are dirty when the number is lowest again. If it does not become so low
 * again, the count begins anew.
 */
static void span_count_work(hf_heap_core *core, size_t units) {
    core->purge_work += units;
    core->least_dirty = hf_smaller(core->least_dirty, core->dirty_units);
    size_t least = core->least_dirty;
    size_t price = hf_larger(least, SPAN_LEAST_PURGE) * HEAP_WORK_FOR_A_BYTE;
    if (core->purge_work < price) return;
    bool is_low = core->dirty_units <= least + least / 8;
    if (!is_low && core->purge_work < 2 * price) return;
    if (is_low && least >= SPAN_LEAST_PURGE) span_purge_all(core);
    span_restart_work(core);
}

void hf_heap_add_work(hf_heap_core *core, size_t units) {
    core->work += (uint32_t)units;
    if (core->is_sanitized) return;
    hf_error before = hf_last_error();
    span_count_work(core, units);
    hf_heap_purge_idle(core);
    hf_fail_with(before);
}

/* ----------------------------------------------------------------- growing ------------- */

/* Commits the bytes from `end` to `new_end`, behind what is committed from `offset` on, if that is
 * not empty. */
static hf_status span_commit_once(hf_heap_core *core, size_t offset, size_t end, size_t new_end) {
    hf_region last;
    if (end == offset || !hf_space_find(core->space, end - 1, &last) || last.kind != HF_COMMITTED)
        return hf_space_commit_range(core->space, end, new_end - end);
    return hf_space_extend(core->space, last.offset, end - last.offset, new_end - last.offset);
}

/* Makes one placeholder of all that follow each other from an offset on. */
static hf_status span_coalesce(hf_heap_core *core, size_t offset) {
    hf_region region;
    size_t end = offset;
    while (hf_space_find(core->space, end, &region) && region.kind == HF_PLACEHOLDER)
        end = region.offset + region.size;
    return end > offset ? hf_space_release_range(core->space, offset, end - offset) : HF_OK;
}

/* If an earlier undo failed, too, what follows is more than one placeholder. */
static hf_status span_commit(hf_heap_core *core, size_t offset, size_t end, size_t new_end) {
    hf_status status = span_commit_once(core, offset, end, new_end);
    if (status != HF_WRONG_STATE || span_coalesce(core, end) != HF_OK) return status;
    return span_commit_once(core, offset, end, new_end);
}

/* Commits the records of so many units. */
static hf_status span_commit_records(hf_heap_core *core, size_t units) {
    size_t needed = hf_round_up(units * HEAP_RECORD, core->page_size);
    if (needed <= core->records_committed) return HF_OK;
    size_t most = hf_round_up(core->units_most * HEAP_RECORD, core->page_size);
    size_t end = hf_smaller(hf_larger(needed, core->records_committed + SPAN_RECORDS_STEP), most);
    hf_status status = span_commit(core, 0, core->records_committed, end);
    if (status == HF_OK) core->records_committed = end;
    return status;
}

/* Releases what a failed hf_heap_release_units has left behind the committed units. */
static hf_status span_release_left(hf_heap_core *core) {
    size_t from = core->units_committed, to = core->units_left;
    if (to <= from) return HF_OK;
    hf_status status =
        hf_space_release_range(core->space, span_offset(core, from), span_bytes(to - from));
    if (status == HF_OK) core->units_left = 0;
    return status;
}

/* A large block begins behind a placeholder: at least a page of it stays. */
static bool span_may_end(const hf_heap_core *core, size_t offset) {
    hf_region region;
    return !hf_space_find(core->space, offset, &region) || region.kind == HF_PLACEHOLDER;
}

static hf_status span_commit_units(hf_heap_core *core, size_t units) {
    hf_status status = span_release_left(core);
    size_t end = span_offset(core, units);
    if (status == HF_OK && !span_may_end(core, end)) return HF_WRONG_STATE;
    if (status == HF_OK) status = span_commit_records(core, units);
    if (status != HF_OK) return status;
    status = span_commit(core, core->units_offset, span_offset(core, core->units_committed), end);
    if (status == HF_OK) core->units_committed = units;
    return status;
}

/* In units. */
static size_t span_huge_from(const hf_heap_core *core) {
    size_t bytes = core->options.huge_from ? core->options.huge_from : SPAN_HUGE_FROM;
    return hf_smaller(bytes / HF_HEAP_UNIT, core->units_most);
}

/* Memory from a size on is backed by huge pages, if `old` units were committed before. */
static void span_advise(hf_heap_core *core, size_t old) {
    size_t huge_from = hf_round_up(span_offset(core, span_huge_from(core)), HF_MIB(2));
    size_t from = hf_larger(span_offset(core, old), huge_from);
    size_t end = span_offset(core, core->units_committed);
    if (core->options.huge_pages == HF_HUGE_AUTO && from < end)
        hf_heap_advise(core, from, end - from);
}

/* Where a step ends: between two huge pages, if there are any, so that each of them is committed
 * whole. */
static size_t span_round_step(const hf_heap_core *core, size_t units) {
    if (units <= span_huge_from(core)) return units;
    uintptr_t end = (uintptr_t)core->heap.base + span_bytes(units);
    return units + ((0 - end) & (uintptr_t)(HF_MIB(2) - 1)) / HF_HEAP_UNIT;
}

/* Commits at least so many units in all: half as many again, or exactly those if that fails. */
static hf_status span_grow(hf_heap_core *core, size_t needed) {
    if (needed <= core->units_committed) return HF_OK;
    size_t step = hf_smaller(hf_larger(core->units_committed / 2, SPAN_LEAST_STEP), SPAN_MOST_STEP);
    size_t wanted = hf_larger(needed, core->units_committed + step);
    wanted = hf_smaller(span_round_step(core, wanted), core->units_most);
    size_t old = core->units_committed;
    hf_error before = hf_last_error();
    hf_status status = span_commit_units(core, wanted);
    if (status != HF_OK && wanted > needed) status = span_commit_units(core, needed);
    if (status == HF_OK) {
        hf_fail_with(before); /* an attempt before it may have failed */
        span_advise(core, old);
    }
    if (status == HF_WRONG_STATE) /* a large block begins there */
        status = hf_fail(HF_RESERVE_FULL, "hf_heap_malloc", 0, span_bytes(needed));
    hf_heap_note_peak(core);
    return status;
}

/* A span of units that belonged to none. */
static heap_unit *span_take_ready(hf_heap_core *core, size_t units) {
    size_t number = core->units_end;
    if (units > core->units_most - number) {
        hf_fail(HF_RESERVE_FULL, "hf_heap_malloc", 0, span_bytes(units));
        return NULL;
    }
    if (span_grow(core, number + units) != HF_OK) return NULL;
    heap_unit *unit = heap_unit_at(core, number);
    memset(unit, 0, units * HEAP_RECORD);
    unit->units = (uint32_t)units;
    unit->is_zero = number >= core->units_dirty;
    hf_store_release(&core->units_end, number + units);
    core->units_dirty = hf_larger(core->units_dirty, core->units_end);
    if (!core->is_sanitized) core->heap.inline_end = span_bytes(core->units_end);
    return unit;
}

/* ---------------------------------------------------------- taking and giving ------------ */

/* A free span. Before a larger one is cut, and before units are used that never were, the empty
 * runs that classes keep are freed, if enough work was done since then: a program whose strings
 * grow through all sizes would keep a run of each, and they would cut the free units into short
 * spans. */
static heap_unit *span_find_or_free(hf_heap_core *core, size_t units) {
    heap_unit *unit = span_find(core, units);
    bool is_early = core->work - core->runs_freed < HEAP_CLASSES;
    if (unit && (unit->units == units || is_early)) return unit;
    core->runs_freed = core->work;
    hf_heap_free_empty_runs(core);
    return span_find(core, units);
}

heap_unit *hf_heap_take_span(hf_heap_core *core, size_t units, bool *is_zero) {
    assert(units > 0);
    heap_unit *unit = span_find_or_free(core, units);
    if (unit) {
        span_remove(core, unit);
        unit = span_cut(core, unit, units);
    } else {
        unit = span_take_ready(core, units);
        if (unit == NULL) return NULL;
    }
    *is_zero = unit->is_zero;
    unit->is_zero = false;
    hf_heap_add_work(core, units);
    return unit;
}

/* The free span that ends where this one begins; NULL: none. */
static heap_unit *span_below(const hf_heap_core *core, heap_unit *unit) {
    if (heap_number_of(core, unit) == 0) return NULL;
    heap_unit *below = span_first_of(unit - 1);
    return below->state == HEAP_FREE ? below : NULL;
}

/* The free span that begins where this one ends; NULL: none. */
static heap_unit *span_above(const hf_heap_core *core, heap_unit *unit) {
    size_t end = heap_number_of(core, unit) + unit->units;
    if (end == core->units_end) return NULL;
    heap_unit *above = heap_unit_at(core, end);
    return above->state == HEAP_FREE ? above : NULL;
}

/*
 *      | free | given | free |  ->  |        free        |
 */
static void span_give_units(hf_heap_core *core, heap_unit *unit) {
    heap_unit *below = span_below(core, unit), *above = span_above(core, unit);
    size_t units = unit->units, number = heap_number_of(core, unit);
    if (above) {
        span_remove(core, above);
        units += above->units;
        span_clear_record(above + (above->units - 1));
        span_clear_record(above);
    }
    span_clear_record(unit);
    if (below) {
        span_remove(core, below);
        units += below->units;
        number -= below->units;
        span_clear_record(below + (below->units - 1));
    }
    heap_unit *joined = span_mark_free(core, number, units, false);
    span_insert(core, joined);
}

void hf_heap_give_span(hf_heap_core *core, heap_unit *unit) {
    assert(unit->units > 0 && heap_number_of(core, unit) + unit->units <= core->units_end);
    for (size_t inner = 1; heap_is_run(unit) && inner < unit->units; inner++)
        span_clear_record(unit + inner);
    span_give_units(core, unit);
}

/* Takes what is missing from the units behind the span: free ones, or those that are ready. */
static bool span_extend(hf_heap_core *core, heap_unit *unit, size_t units) {
    size_t more = units - unit->units;
    heap_unit *above = span_above(core, unit);
    if (above && above->units >= more) {
        span_remove(core, above);
        span_clear_record(span_cut(core, above, more));
    } else if (heap_number_of(core, unit) + unit->units != core->units_end ||
               span_take_ready(core, more) == NULL) {
        return false;
    } else {
        span_clear_record(unit + unit->units);
    }
    unit->units = (uint32_t)units;
    hf_heap_add_work(core, more);
    return true;
}

bool hf_heap_resize_span(hf_heap_core *core, heap_unit *unit, size_t units) {
    if (units > unit->units) return span_extend(core, unit, units);
    if (units == unit->units) return true;
    heap_unit *rest = unit + units;
    rest->units = (uint32_t)(unit->units - units);
    unit->units = (uint32_t)units;
    span_give_units(core, rest);
    return true;
}

/* ----------------------------------------------------------- resetting and trimming ------ */

void hf_heap_reset_spans(hf_heap_core *core) {
    memset(core->bins, 0, sizeof core->bins);
    memset(core->bin_bits, 0, sizeof core->bin_bits);
    core->oldest_dirty = core->newest_dirty = 0;
    core->dirty_units = core->heap.inline_end = 0;
    hf_store_release(&core->units_end, 0);
    span_restart_work(core);
}

/* A release over several regions may fail after the first ones: what is left is released before
 * the next growth. */
hf_status hf_heap_release_units(hf_heap_core *core, size_t units) {
    assert(units >= core->units_end);
    if (units >= core->units_committed) return span_release_left(core);
    span_unpoison(core, units, core->units_committed - units);
    core->units_left = hf_larger(core->units_left, core->units_committed);
    core->units_committed = units;
    core->units_dirty = hf_smaller(core->units_dirty, units);
    return span_release_left(core);
}

/* The free span that ends at units_end belongs to no span any more. */
static void span_drop_last(hf_heap_core *core) {
    if (core->units_end == 0) return;
    heap_unit *last = span_first_of(heap_unit_at(core, core->units_end - 1));
    if (last->state != HEAP_FREE) return;
    span_remove(core, last);
    hf_store_release(&core->units_end, core->units_end - last->units);
    if (!core->is_sanitized) core->heap.inline_end = span_bytes(core->units_end);
}

hf_status hf_heap_trim_spans(hf_heap_core *core, size_t keep) {
    hf_status status = HF_OK;
    size_t kept = keep / HF_HEAP_UNIT;
    while (status == HF_OK && core->dirty_units > kept)
        status = span_purge(core, span_oldest_dirty(core));
    if (status != HF_OK) return status;
    span_drop_last(core);
    size_t room = kept - hf_smaller(kept, core->dirty_units);
    return hf_heap_release_units(core, hf_smaller(core->units_end + room, core->units_committed));
}

/* ------------------------------------------------------------------ checks -------------- */

static bool span_is_in_bin(const hf_heap_core *core, const heap_unit *wanted) {
    const heap_unit *unit = core->bins[span_bin(wanted->units)];
    while (unit && unit != wanted) unit = unit->next;
    return unit == wanted;
}

static bool span_is_sound(const hf_heap_core *core, const heap_unit *unit) {
    if (unit->units == 0 || unit->state == HEAP_INNER) return false;
    if (heap_number_of(core, unit) + unit->units > core->units_end) return false;
    if (unit->state == HEAP_FREE)
        return span_is_in_bin(core, unit) &&
               (unit->units == 1 || unit[unit->units - 1].units == unit->units - 1);
    if (heap_is_run(unit)) return hf_heap_check_run(core, unit);
    return unit->state == HEAP_MEDIUM || (unit->state == HEAP_LOST && core->has_lost);
}

bool hf_heap_check_spans(const hf_heap_core *core, size_t *offset) {
    size_t dirty = 0;
    bool was_free = false;
    for (size_t number = 0, next; number < core->units_end; number = next) {
        const heap_unit *unit = heap_unit_at(core, number);
        *offset = span_offset(core, number);
        bool is_free = unit->state == HEAP_FREE;
        if (!span_is_sound(core, unit) || (is_free && was_free)) return false;
        dirty += is_free && !unit->is_zero ? unit->units : 0;
        was_free = is_free;
        next = number + unit->units;
    }
    return dirty == core->dirty_units && core->units_end <= core->units_committed;
}
