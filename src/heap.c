/*
 * heap.c -- what holdfast/heap.h promises: decides which kind of block a size needs, and checks
 * what a program frees. The inline functions of the header call hf_heap_malloc_slow and
 * hf_heap_free_slow for all that they do not do themselves.
 *
 *      up to 64 KiB   a block of a run (heap_run.c)
 *      up to 4 MiB    a span of units (heap_span.c)
 *      above          a region of its own (heap_large.c)
 *
 * Chapters: blocks that other threads free, allocating, freeing, changing sizes, resetting
 * and trimming, statistics, opening and closing.
 */
#include <holdfast/atomic.h>
#include <holdfast/heap.h>

#include <assert.h>
#include <string.h>

#include "arena_core.h"
#include "compatible.h"
#include "heap_core.h"
#include "pages.h"
#include "sanitizer.h"

#define HEAP_LEAST_RESERVE HF_KIB(256)

/* ------------------------------------------------- blocks that other threads free ------- */

/* Its first bytes link it to other free blocks, so nothing may be stored there. An allocated block
 * may look so by chance. */
static bool heap_looks_free(const hf_heap_core *core, const hf_heap_block *block) {
    return ((uintptr_t)block->next ^ block->check) == core->heap.key;
}

/* True if an address can be that of a block: where bytes may be stored, unless they went back. */
static bool heap_may_be_block(const hf_heap_core *core, uintptr_t address) {
    size_t offset = (size_t)(address - (uintptr_t)core->heap.base);
    return offset < core->reserved - core->units_offset && address % 16 == 0;
}

/* What `check` of a block is while it waits for the owner. */
static uintptr_t heap_remote_check(const hf_heap_core *core, const hf_heap_block *block) {
    return ~((uintptr_t)block ^ core->heap.key);
}

static bool heap_may_be_linked(hf_heap_core *core, hf_heap_block *block) {
    if (!heap_may_be_block(core, (uintptr_t)block)) return false;
    if (core->is_sanitized) hf_heap_sanitize_link(block);
    return !heap_looks_free(core, block) && block->check != heap_remote_check(core, block);
}

/* A block that must not be linked is examined by the owner: the last one of them. */
void hf_heap_free_remote(hf_heap *heap, void *block) {
    hf_heap_core *core = heap_core_of(heap);
    hf_heap_block *freed = block;
    if (block == NULL) return;
    if (!heap_may_be_linked(core, freed)) {
        hf_exchange(&core->suspect, (size_t)(uintptr_t)block);
        return;
    }
    size_t first = hf_load_acquire(&core->remote);
    freed->check = heap_remote_check(core, freed);
    do {
        freed->next = (hf_heap_block *)(void *)(uintptr_t)first;
    } while (!hf_compare_exchange(&core->remote, &first, (size_t)(uintptr_t)block));
}

/* Was freed by another thread, and either is free, or looks as if it still waited for the owner. */
static void heap_examine_suspect(hf_heap_core *core) {
    hf_heap_block *block = (hf_heap_block *)(void *)(uintptr_t)hf_exchange(&core->suspect, 0);
    bool is_block = hf_heap_usable_size(&core->heap, block) > 0;
    if (is_block && block->check == heap_remote_check(core, block))
        hf_heap_report(core, HF_FAULT_DOUBLE_FREE, block);
    else
        hf_heap_free_slow(&core->heap, block);
}

/* Frees the first of the blocks that were collected. If the program has changed it since it was
 * freed, its link leads anywhere: the blocks behind it stay allocated. What is reported may leave
 * by longjmp. */
static void heap_free_collected(hf_heap_core *core) {
    hf_heap_block *block = core->collected, *next = block->next;
    bool is_link = next == NULL || heap_may_be_block(core, (uintptr_t)next);
    bool is_sound = block->check == heap_remote_check(core, block) && is_link;
    bool is_free = heap_looks_free(core, block);
    core->collected = is_sound ? next : NULL;
    if (is_sound) {
        block->check = 0;
        hf_heap_free_slow(&core->heap, block);
    } else {
        hf_heap_report(core, is_free ? HF_FAULT_DOUBLE_FREE : HF_FAULT_OVERWRITTEN, block);
    }
}

static void heap_collect(hf_heap_core *core) {
    if (hf_load_acquire(&core->suspect) != 0) heap_examine_suspect(core);
    if (core->collected == NULL && hf_load_acquire(&core->remote) != 0)
        core->collected = (hf_heap_block *)(void *)(uintptr_t)hf_exchange(&core->remote, 0);
    while (core->collected) heap_free_collected(core);
}

/* ---------------------------------------------------------------- allocating ------------ */

static void *heap_medium_allocate(hf_heap_core *core, size_t size, bool *is_zero) {
    size_t units = hf_round_up(size, HF_HEAP_UNIT) / HF_HEAP_UNIT;
    heap_unit *unit = hf_heap_take_span(core, units, is_zero);
    if (unit == NULL) return NULL;
    unit->state = HEAP_MEDIUM;
    return heap_address_of(core, unit);
}

/* A small size is a multiple of the alignment: so are its class and its block. */
static void *heap_allocate_once(hf_heap_core *core, size_t size, size_t align, bool *is_zero) {
    *is_zero = false;
    if (align > HF_HEAP_UNIT) return hf_heap_large_allocate(core, size, align, is_zero);
    if (size <= HEAP_SMALL_MOST) return hf_heap_run_allocate(core, hf_heap_class_of(size));
    if (size <= HEAP_MEDIUM_MOST) return heap_medium_allocate(core, size, is_zero);
    return hf_heap_large_allocate(core, size, align, is_zero);
}

static size_t heap_committed(const hf_heap_core *core) {
    return core->records_committed + core->units_committed * HF_HEAP_UNIT + core->large_bytes +
           core->idle_bytes;
}

/* Memory that may be had back if the system or the reservation has no more. */
static bool heap_reclaim(hf_heap_core *core) {
    hf_error before = hf_last_error();
    size_t purges = core->purges, committed = heap_committed(core);
    if (before.status == HF_INVALID) return false;
    bool is_more = hf_heap_empty_quarantine(core);
    hf_heap_free_empty_runs(core);
    hf_heap_trim_idle(core, 0);
    hf_heap_trim_spans(core, 0);
    hf_fail_with(before);
    return is_more || core->purges > purges || heap_committed(core) < committed;
}

static void *heap_allocate_any(hf_heap_core *core, size_t size, size_t align, bool *is_zero) {
    hf_error before = hf_last_error();
    void *block = heap_allocate_once(core, size, align, is_zero);
    if (block == NULL && heap_reclaim(core)) {
        block = heap_allocate_once(core, size, align, is_zero);
        if (block) hf_fail_with(before);
    }
    return block;
}

static void *heap_allocate_sanitized(hf_heap_core *core, size_t size, size_t align, bool zero) {
    bool is_zero;
    if (size == 0) size = 1;
    size_t more = hf_heap_sanitized_size(size);
    bool is_multiple = align > 16 && align <= HF_HEAP_UNIT;
    if (is_multiple && more < SIZE_MAX - align) more = hf_round_up(more, align);
    void *block = heap_allocate_any(core, more, align, &is_zero);
    if (block == NULL) return NULL;
    hf_heap_sanitize_allocated(core, block, size, zero);
    if (zero) memset(block, 0, size);
    return block;
}

/* `size` is a multiple of `align`, unless that is 16 or more than a unit. */
static void *heap_allocate(hf_heap_core *core, size_t size, size_t align, bool zero) {
    bool is_zero;
    heap_collect(core);
    if (core->is_sanitized) return heap_allocate_sanitized(core, size, align, zero);
    void *block = heap_allocate_any(core, size, align, &is_zero);
    if (block && zero && !is_zero) memset(block, 0, size);
    return block;
}

void *hf_heap_malloc_slow(hf_heap *heap, size_t size) {
    return heap_allocate(heap_core_of(heap), size, 16, false);
}

static bool heap_wraps(size_t count, size_t size) { return size && count > SIZE_MAX / size; }

void *hf_heap_calloc(hf_heap *heap, size_t count, size_t size) {
    if (heap_wraps(count, size)) {
        hf_fail(HF_RESERVE_FULL, "hf_heap_calloc", 0, SIZE_MAX);
        return NULL;
    }
    if (count * size > HF_HEAP_INLINE)
        return heap_allocate(heap_core_of(heap), count * size, 16, true);
    void *block = hf_heap_malloc(heap, count * size);
    return block ? memset(block, 0, count * size) : NULL;
}

void *hf_heap_aligned_alloc(hf_heap *heap, size_t align, size_t size) {
    if (align == 0 || (align & (align - 1)) != 0) {
        hf_fail(HF_INVALID, "hf_heap_aligned_alloc", 0, size);
        return NULL;
    }
    if (size == 0) size = 1;
    if (align <= 16) return hf_heap_malloc(heap, size);
    if (size > SIZE_MAX - HF_HEAP_UNIT) {
        hf_fail(HF_RESERVE_FULL, "hf_heap_aligned_alloc", 0, size);
        return NULL;
    }
    if (align <= HF_HEAP_UNIT) size = hf_round_up(size, align);
    return heap_allocate(heap_core_of(heap), size, align, false);
}

/* ----------------------------------------------------------------- freeing -------------- */

/* What is wrong with freeing an address in the units; -1: nothing. */
static int heap_find_fault(const hf_heap_core *core, const heap_unit *unit, const void *block) {
    if (heap_is_run(unit)) {
        if (!hf_heap_run_is_block(core, unit, block)) return HF_FAULT_WILD_FREE;
        return hf_heap_run_is_free(core, unit, block) ? HF_FAULT_DOUBLE_FREE : -1;
    }
    if (heap_address_of(core, unit) != block) return HF_FAULT_WILD_FREE;
    if (unit->state == HEAP_MEDIUM) return -1;
    return unit->state == HEAP_FREE ? HF_FAULT_DOUBLE_FREE : HF_FAULT_WILD_FREE;
}

static void heap_free_in_units(hf_heap_core *core, void *block) {
    heap_unit *unit = heap_first_unit(core, block);
    int fault = heap_find_fault(core, unit, block);
    if (fault >= 0)
        hf_heap_report(core, (hf_heap_fault)fault, block);
    else if (heap_is_run(unit))
        hf_heap_run_free(core, unit, block);
    else
        hf_heap_give_span(core, unit);
}

void hf_heap_free_block(hf_heap_core *core, void *block) {
    if (heap_is_in_units(core, block))
        heap_free_in_units(core, block);
    else
        hf_heap_large_free(core, block);
}

size_t hf_heap_block_size(const hf_heap_core *core, const void *block) {
    if (!heap_is_in_units(core, block)) return hf_heap_large_size(core, block);
    const heap_unit *unit = heap_first_unit(core, block);
    if (heap_find_fault(core, unit, block) >= 0) return 0;
    return heap_is_run(unit) ? hf_heap_class_size(unit->size_class) : unit->units * HF_HEAP_UNIT;
}

static void heap_free_sanitized(hf_heap_core *core, void *block) {
    if (hf_heap_is_quarantined(core, block))
        hf_heap_report(core, HF_FAULT_DOUBLE_FREE, block);
    else if (hf_heap_block_size(core, block) == 0)
        hf_heap_free_block(core, block); /* reports the fault */
    else
        hf_heap_sanitize_freed(core, block);
}

void hf_heap_free_slow(hf_heap *heap, void *block) {
    hf_heap_core *core = heap_core_of(heap);
    if (block == NULL) return;
    if (core->is_sanitized)
        heap_free_sanitized(core, block);
    else
        hf_heap_free_block(core, block);
}

/* -------------------------------------------------------------- changing sizes ---------- */

size_t hf_heap_usable_size(const hf_heap *heap, const void *block) {
    const hf_heap_core *core = heap_core_of(heap);
    size_t inline_size = hf_heap_inline_size(heap, block);
    if (inline_size) return inline_size;
    if (block == NULL || (core->is_sanitized && hf_heap_is_quarantined(core, block))) return 0;
    size_t size = hf_heap_block_size(core, block);
    return size && core->is_sanitized ? hf_heap_sanitized_usable(block, size) : size;
}

/* The owner changes units_end meanwhile, but not on which side of it the block lies. */
static size_t heap_stable_size(const hf_heap_core *core, const void *block) {
    size_t offset = (size_t)((uintptr_t)block - (uintptr_t)core->heap.base);
    if (offset >= hf_load_acquire(&core->units_end) * HF_HEAP_UNIT)
        return hf_heap_large_stable_size(core, block);
    const heap_unit *unit = heap_unit_at(core, offset / HF_HEAP_UNIT);
    if (unit->run.block_size) return unit->run.block_size;
    if (unit->state == HEAP_INNER) return unit[-(ptrdiff_t)unit->units].run.block_size;
    return unit->units * HF_HEAP_UNIT;
}

size_t hf_heap_usable_size_remote(const hf_heap *heap, const void *block) {
    const hf_heap_core *core = heap_core_of(heap);
    size_t size = heap_stable_size(core, block);
    return core->is_sanitized ? hf_heap_sanitized_usable(block, size) : size;
}

size_t hf_heap_good_size(const hf_heap *heap, size_t size) {
    const hf_heap_core *core = heap_core_of(heap);
    size_t room = core->reserved - core->units_offset;
    bool is_large = size > HEAP_MEDIUM_MOST;
    if (size > room - (is_large ? 2 * core->page_size : 0)) return SIZE_MAX;
    if (core->is_sanitized) return hf_larger(size, 1);
    if (size <= HEAP_SMALL_MOST) return hf_heap_class_size(hf_heap_class_of(size));
    return hf_round_up(size, is_large ? core->page_size : HF_HEAP_UNIT);
}

/* A block of a run stays where it is unless it becomes less than half as large. */
static bool heap_fits(size_t size, size_t usable) { return size <= usable && size >= usable / 2; }

/* Blocks of other kinds change in place while they stay of that kind. */
static bool heap_resize(hf_heap_core *core, void *block, size_t usable, size_t size) {
    if (!heap_is_in_units(core, block))
        return size > HEAP_MEDIUM_MOST / 2 && hf_heap_large_resize(core, block, size);
    heap_unit *unit = heap_first_unit(core, block);
    if (heap_is_run(unit)) return heap_fits(size, usable);
    if (size <= HEAP_SMALL_MOST / 2 || size > HEAP_MEDIUM_MOST) return false;
    return hf_heap_resize_span(core, unit, hf_round_up(size, HF_HEAP_UNIT) / HF_HEAP_UNIT);
}

static void *heap_move(hf_heap *heap, void *block, size_t usable, size_t size) {
    void *moved = hf_heap_malloc(heap, size);
    if (moved == NULL) return NULL;
    memcpy(moved, block, hf_smaller(usable, size));
    hf_heap_free(heap, block);
    return moved;
}

void *hf_heap_realloc(hf_heap *heap, void *block, size_t size) {
    hf_heap_core *core = heap_core_of(heap);
    if (block == NULL) return hf_heap_malloc(heap, size);
    size_t usable = hf_heap_inline_size(heap, block);
    if (usable && heap_fits(size, usable)) return block;
    usable = hf_heap_usable_size(heap, block);
    if (usable == 0) {
        hf_heap_free_slow(heap, block); /* reports the fault */
        return NULL;
    }
    hf_error before = hf_last_error();
    if (!core->is_sanitized && heap_resize(core, block, usable, size)) return block;
    void *moved = heap_move(heap, block, usable, size);
    if (moved) hf_fail_with(before);
    return moved;
}

/* ---------------------------------------------------------- resetting and trimming ------ */

/* Gives back what frames did without; all of it if a span was lost. */
static hf_status heap_release_excess(hf_heap_core *core) {
    size_t dirty = core->units_dirty * HF_HEAP_UNIT;
    bool is_paid = hf_reset_rule_has_paid(&core->rule, dirty);
    if (!is_paid && !core->has_lost) return HF_OK;
    size_t keep = core->has_lost ? 0 : core->rule.needed / HF_HEAP_UNIT;
    hf_status status = hf_heap_release_units(core, keep + keep / 2);
    if (status != HF_OK) return status;
    core->rule = (hf_reset_rule){0};
    core->has_lost = false;
    return HF_OK;
}

hf_status hf_heap_reset(hf_heap *heap) {
    hf_heap_core *core = heap_core_of(heap);
    if (core->is_sanitized) hf_heap_sanitize_reset(core);
    hf_store_release(&core->remote, 0);
    core->collected = NULL;
    hf_store_release(&core->suspect, 0);
    hf_reset_rule_count(&core->rule, core->units_end * HF_HEAP_UNIT,
                        core->units_dirty * HF_HEAP_UNIT);
    hf_heap_reset_spans(core);
    hf_heap_open_runs(core);
    hf_status large = hf_heap_reset_large(core);
    hf_error error = hf_last_error();
    hf_status excess = heap_release_excess(core); /* in any case: no lost span is used again */
    return large == HF_OK ? excess : hf_fail_with(error);
}

hf_status hf_heap_trim(hf_heap *heap, size_t keep) {
    hf_heap_core *core = heap_core_of(heap);
    heap_collect(core);
    hf_heap_empty_quarantine(core);
    hf_heap_free_empty_runs(core);
    hf_status status = hf_heap_trim_idle(core, keep);
    return status == HF_OK ? hf_heap_trim_spans(core, keep - core->idle_bytes) : status;
}

/* --------------------------------------------------------------- statistics ------------- */

void hf_heap_note_peak(hf_heap_core *core) {
    core->peak = hf_larger(core->peak, heap_committed(core));
}

static void heap_count_span(const hf_heap_core *core, const heap_unit *unit, hf_heap_stats *stats) {
    size_t blocks = heap_is_run(unit) ? hf_heap_run_blocks(core, unit) : unit->state == HEAP_MEDIUM;
    stats->blocks += blocks;
    stats->used += blocks * (heap_is_run(unit) ? hf_heap_class_size(unit->size_class)
                                               : unit->units * HF_HEAP_UNIT);
}

hf_heap_stats hf_heap_get_stats(const hf_heap *heap) {
    if (heap == NULL) return (hf_heap_stats){0};
    const hf_heap_core *core = heap_core_of(heap);
    hf_heap_stats stats = {.blocks = core->large_blocks,
                           .used = core->large_bytes,
                           .committed = heap_committed(core),
                           .peak = core->peak,
                           .reserved = core->reserved,
                           .large_blocks = core->large_blocks,
                           .idle = core->idle_bytes,
                           .purges = core->purges};
    for (size_t number = 0; number < core->units_end;) {
        const heap_unit *unit = heap_unit_at(core, number);
        heap_count_span(core, unit, &stats);
        number += unit->units;
    }
    if (core->is_sanitized) hf_heap_subtract_quarantine(core, &stats);
    hf_space_stats space = hf_space_get_stats(core->space);
    for (size_t step = 0; step < HF_STEPS; step++) stats.system_calls += space.system_calls[step];
    return stats;
}

bool hf_heap_owns(const hf_heap *heap, const void *address) {
    const hf_heap_core *core = heap_core_of(heap);
    return (size_t)((uintptr_t)address - (uintptr_t)hf_space_base(core->space)) < core->reserved;
}

hf_status hf_heap_check(const hf_heap *heap) {
    const hf_heap_core *core = heap_core_of(heap);
    size_t offset = 0;
    if (!hf_heap_check_spans(core, &offset))
        return hf_fail_because(HF_CORRUPT, "hf_heap_check", "a record does not fit its units",
                               offset, 0);
    return hf_space_check(core->space);
}

/* --------------------------------------------------------- opening and closing ---------- */

_Static_assert(offsetof(hf_heap_options, unused) + sizeof(((hf_heap_options *)0)->unused) ==
                   sizeof(hf_heap_options),
               "padding at the end of options would be taken for options of a later version");

static hf_status heap_check_options(const hf_heap_options *options) {
    bool is_mode = options->huge_pages == HF_HUGE_AUTO || options->huge_pages == HF_HUGE_NEVER ||
                   options->huge_pages == HF_HUGE_ALWAYS;
    bool is_size = options->reserve == 0 || (options->reserve >= HEAP_LEAST_RESERVE &&
                                             options->reserve >= options->least_reserve);
    if (!is_mode || !is_size) return hf_fail(HF_INVALID, "hf_heap_open", 0, options->reserve);
    return hf_check_backend(options->backend, "hf_heap_open");
}

/* No protection: it only has to be a number that a program does not store by chance. The check of a
 * free block is never 0, and 0 is not the check of a block that links to one of the heap. */
static uintptr_t heap_make_key(const hf_heap_core *core) {
    uintptr_t mixed = (uintptr_t)core ^ ((uintptr_t)core->heap.base << 7);
    uintptr_t key = (mixed * (uintptr_t)0x9e3779b97f4a7c15) | 1;
    return key - (uintptr_t)core->heap.base < core->reserved ? key + core->reserved : key;
}

static void heap_init(hf_heap_core *core, hf_space *space, const hf_heap_options *options) {
    size_t units = hf_space_size(space) / HF_HEAP_UNIT;
    core->space = space;
    core->backend = hf_backend_or_native(options->backend);
    core->options = *options;
    core->page_size = hf_space_page_size(space);
    core->reserved = units * HF_HEAP_UNIT;
    core->units_offset = hf_round_up(units * HEAP_RECORD, HF_HEAP_UNIT);
    core->units_most = hf_smaller(units - core->units_offset / HF_HEAP_UNIT, UINT32_MAX);
    core->is_sanitized = hf_is_under_sanitizer();
    core->heap.base = hf_space_base(space) + core->units_offset;
    core->heap.runs = hf_space_base(space);
    core->heap.key = heap_make_key(core);
    hf_heap_open_runs(core);
    if (options->huge_pages != HF_HUGE_AUTO)
        hf_heap_advise(core, core->units_offset, core->reserved - core->units_offset);
}

hf_status hf_heap_open_sized(hf_heap **heap, const hf_heap_options *options, size_t size) {
    hf_heap_options known = {0};
    hf_space *space;
    if (heap == NULL) return hf_fail(HF_INVALID, "hf_heap_open", 0, 0);
    hf_status status =
        hf_read_options(&known, offsetof(hf_heap_options, unused), options, size, "hf_heap_open");
    if (status == HF_OK) status = heap_check_options(&known);
    if (status != HF_OK) return status;
    hf_space_record record = {.size = sizeof(hf_heap_core)};
    hf_space_options wanted = {.name = known.name,
                               .backend = hf_backend_or_native(known.backend),
                               .alignment = known.alignment};
    size_t reserve = known.reserve <= SIZE_MAX - HF_HEAP_UNIT
                         ? hf_round_up(known.reserve, HF_HEAP_UNIT)
                         : known.reserve;
    size_t least = known.least_reserve ? hf_larger(known.least_reserve, HEAP_LEAST_RESERVE) : 0;
    status = hf_budget_open(&space, reserve, least, &wanted, &record);
    if (status != HF_OK) return status;
    hf_heap_core *core = record.address;
    heap_init(core, space, &known);
    if (known.reserve == 0) core->budgeted = hf_budget_spend(hf_space_size(space));
    hf_register_root(core, sizeof *core);
    *heap = &core->heap;
    return HF_OK;
}

void hf_heap_close(hf_heap *heap) {
    if (heap == NULL) return;
    hf_heap_core *core = heap_core_of(heap);
    if (core->is_sanitized) hf_heap_sanitize_reset(core);
    hf_unregister_root(core, sizeof *core);
    hf_budget_return(core->budgeted);
    hf_space_close(core->space); /* frees the core */
}
