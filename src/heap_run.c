/*
 * heap_run.c -- the runs of a heap: spans of blocks of one size class.
 *
 *      | allocated | free | allocated | free |        fresh         |
 *
 * A run allocates its free blocks first, the last freed one at once; then those that were never
 * used, so that pages beyond them are not touched. A class allocates from its
 * current run. When that is full, the run that has waited longest in the list of available ones
 * becomes current: it had the most time to collect freed blocks. A run that becomes empty is given
 * back, unless it is the only one that its class could use next.
 */
#include <holdfast/heap.h>

#include <assert.h>

#include "heap_core.h"
#include "sanitizer.h"

#define RUN_FINE_CLASSES 16 /* of 16 to 256 bytes, 16 apart; then eight for each doubling */
#define RUN_FINE_MOST ((size_t)256)

size_t hf_heap_class_size(unsigned size_class) {
    if (size_class < RUN_FINE_CLASSES) return ((size_t)size_class + 1) * 16;
    unsigned above = size_class - RUN_FINE_CLASSES;
    return (size_t)(9 + above % 8) << (above / 8 + 5);
}

unsigned hf_heap_class_of(size_t size) {
    if (size <= RUN_FINE_MOST) return size ? (unsigned)((size - 1) / 16) : 0;
    unsigned doublings = 0;
    for (size_t rest = (size - 1) >> 9; rest; rest >>= 1) doublings++;
    return RUN_FINE_CLASSES + doublings * 8 + (unsigned)(((size - 1) >> (doublings + 5)) - 8);
}

static size_t run_units(size_t block_size) {
    if (block_size <= HEAP_INLINE_RUN_MOST) return 1;
    return block_size <= 2 * HEAP_INLINE_RUN_MOST ? 2 : 4;
}

static uint32_t run_capacity(const heap_unit *unit) {
    return (uint32_t)(unit->units * HF_HEAP_UNIT / unit->run.block_size);
}

/* How many blocks have been allocated at least once: the first ones. */
static uint32_t run_used(const hf_heap_core *core, const heap_unit *unit) {
    return (uint32_t)(unit->run.fresh - heap_address_of(core, unit)) / unit->run.block_size;
}

size_t hf_heap_run_blocks(const hf_heap_core *core, const heap_unit *unit) {
    if (unit->state == HEAP_RUN_FULL) return run_used(core, unit);
    if (unit->state == HEAP_RUN_AVAILABLE) return unit->run.until;
    return run_used(core, unit) - (HEAP_UNTIL_CURRENT - unit->run.until);
}

/* ------------------------------------------------------------- the current run ---------- */

/* Sets the run that a class allocates from; NULL: none. */
static void run_set_current(hf_heap_core *core, unsigned size_class, heap_unit *unit) {
    size_t size = hf_heap_class_size(size_class);
    size_t below = size_class ? hf_heap_class_size(size_class - 1) : 0;
    core->current[size_class] = unit;
    if (core->is_sanitized || size > HF_HEAP_INLINE) return;
    for (size_t slot = size_class ? below / 16 + 1 : 0; slot <= size / 16; slot++)
        core->heap.current[slot] = unit ? &unit->run : &core->none;
}

void hf_heap_open_runs(hf_heap_core *core) {
    for (unsigned size_class = 0; size_class < HEAP_CLASSES; size_class++) {
        core->available[size_class] = (heap_list){0};
        run_set_current(core, size_class, NULL);
    }
    if (core->is_sanitized)
        for (size_t slot = 0; slot < HEAP_SLOTS; slot++) core->heap.current[slot] = &core->none;
}

/* The inline functions see runs of one unit. */
static void run_init(hf_heap_core *core, heap_unit *unit, unsigned size_class) {
    size_t size = hf_heap_class_size(size_class);
    bool is_inline = unit->units == 1 && !core->is_sanitized;
    unit->run = (hf_heap_run){0};
    unit->run.block_size = (uint32_t)size;
    unit->run.fresh = heap_address_of(core, unit);
    unit->run.end = (uint32_t)(uintptr_t)unit->run.fresh + run_capacity(unit) * (uint32_t)size;
    unit->run.inverse = is_inline ? (uint32_t)((((uint64_t)1 << 32) + size - 1) / size) : 0;
    unit->size_class = (uint8_t)size_class;
    for (uint32_t inner = 1; inner < unit->units; inner++) unit[inner].units = inner;
    if (core->is_sanitized) hf_heap_sanitize_unused(core, unit);
}

/* Counts blocks that are allocated again as work, as if units had been taken for them. */
static void run_count_reused(hf_heap_core *core, size_t bytes) {
    core->reused += bytes;
    if (core->reused < HF_HEAP_UNIT) return;
    hf_heap_add_work(core, core->reused / HF_HEAP_UNIT);
    core->reused %= HF_HEAP_UNIT;
}

/* The next run of a class becomes current: one that has free blocks, or a new one. */
static heap_unit *run_next(hf_heap_core *core, unsigned size_class) {
    heap_list *available = &core->available[size_class];
    heap_unit *unit = available->first;
    bool is_zero;
    if (unit) {
        hf_heap_list_remove(available, unit);
        run_count_reused(core,
                         (run_capacity(unit) - unit->run.until) * (size_t)unit->run.block_size);
        unit->run.until += HEAP_UNTIL_CURRENT - run_capacity(unit);
    } else {
        unit = hf_heap_take_span(core, run_units(hf_heap_class_size(size_class)), &is_zero);
        if (unit == NULL) return NULL;
        run_init(core, unit, size_class);
        unit->run.until = HEAP_UNTIL_CURRENT;
    }
    unit->state = HEAP_RUN_CURRENT;
    run_set_current(core, size_class, unit);
    return unit;
}

/* ------------------------------------------------------------------- blocks ------------- */

static void run_push(const hf_heap_core *core, heap_unit *unit, void *address) {
    hf_heap_block *block = address;
    if (core->is_sanitized) hf_heap_sanitize_link(block);
    block->next = unit->run.free;
    block->check = (uintptr_t)block->next ^ core->heap.key;
    unit->run.free = block;
}

bool hf_heap_run_is_block(const hf_heap_core *core, const heap_unit *unit, const void *address) {
    size_t offset = (size_t)((const char *)address - heap_address_of(core, unit));
    return offset % unit->run.block_size == 0 &&
           offset / unit->run.block_size < run_used(core, unit);
}

static bool run_looks_free(const hf_heap_core *core, const hf_heap_block *block) {
    return ((uintptr_t)block->next ^ block->check) == core->heap.key;
}

/* The block is in the list of the run's free blocks. */
static bool run_lists(const hf_heap_core *core, const heap_unit *unit, const void *wanted) {
    uint32_t left = run_used(core, unit);
    for (const hf_heap_block *block = unit->run.free; block && left > 0; left--) {
        if (block == wanted) return true;
        if (!hf_heap_run_is_block(core, unit, block) || !run_looks_free(core, block)) return false;
        block = block->next;
    }
    return false;
}

/* The first bytes of an allocated block may look like those of a free one by chance. */
bool hf_heap_run_is_free(const hf_heap_core *core, const heap_unit *unit, const void *address) {
    hf_heap_block block;
    if (core->is_sanitized)
        hf_copy_unsanitized(&block, address, sizeof block);
    else
        block = *(const hf_heap_block *)address;
    return run_looks_free(core, &block) && run_lists(core, unit, address);
}

/* The first free block of the current run. One that was overwritten is reported; then it and those
 * behind it count as allocated for ever. NULL: there is none. */
static hf_heap_block *run_pop(hf_heap_core *core, heap_unit *unit) {
    hf_heap_block *block = unit->run.free;
    if (block == NULL) return NULL;
    if (!run_looks_free(core, block)) {
        unit->run.free = NULL;
        unit->run.until = HEAP_UNTIL_CURRENT;
        hf_heap_report(core, HF_FAULT_OVERWRITTEN, block);
        return NULL;
    }
    unit->run.free = block->next;
    unit->run.until++;
    return block;
}

/* The first of the blocks that were never allocated. NULL: there is none. */
static hf_heap_block *run_take_fresh(hf_heap_core *core, heap_unit *unit) {
    if ((uint32_t)(uintptr_t)unit->run.fresh == unit->run.end) return NULL;
    hf_heap_block *block = (hf_heap_block *)(void *)unit->run.fresh;
    unit->run.fresh += unit->run.block_size;
    if (core->is_sanitized) hf_heap_sanitize_link(block);
    return block;
}

/* The current run is full if the next one has become current. */
static heap_unit *run_replace(hf_heap_core *core, heap_unit *full, unsigned size_class) {
    heap_unit *next = run_next(core, size_class);
    if (next && full) {
        full->state = HEAP_RUN_FULL;
        full->run.until = 1;
    }
    return next;
}

void *hf_heap_run_allocate(hf_heap_core *core, unsigned size_class) {
    hf_heap_block *block = NULL;
    for (heap_unit *unit = core->current[size_class]; block == NULL;) {
        if (unit) block = run_pop(core, unit);
        if (unit && block == NULL) block = run_take_fresh(core, unit);
        if (block == NULL) unit = run_replace(core, unit, size_class);
        if (unit == NULL) return NULL;
    }
    block->check = 0;
    return block;
}

/* ------------------------------------------------------------------ freeing ------------- */

/* A run that its class may use next stays; another one goes back. */
static void run_emptied(hf_heap_core *core, heap_unit *unit) {
    heap_list *available = &core->available[unit->size_class];
    if (available->first == available->last) return;
    hf_heap_list_remove(available, unit);
    hf_heap_give_span(core, unit);
}

void hf_heap_run_free(hf_heap_core *core, heap_unit *unit, void *block) {
    assert(heap_is_run(unit) && hf_heap_run_blocks(core, unit) > 0);
    run_push(core, unit, block);
    if (unit->state == HEAP_RUN_FULL) {
        unit->state = HEAP_RUN_AVAILABLE;
        unit->run.until = run_capacity(unit);
        hf_heap_list_append(&core->available[unit->size_class], unit);
    }
    unit->run.until--;
    if (unit->state == HEAP_RUN_AVAILABLE && unit->run.until == 0) run_emptied(core, unit);
}

static void run_free_empty(hf_heap_core *core, unsigned size_class) {
    heap_unit *unit = core->available[size_class].first;
    if (unit && unit->run.until == 0) {
        hf_heap_list_remove(&core->available[size_class], unit);
        hf_heap_give_span(core, unit);
    }
    unit = core->current[size_class];
    if (unit && hf_heap_run_blocks(core, unit) == 0) {
        run_set_current(core, size_class, NULL);
        hf_heap_give_span(core, unit);
    }
}

void hf_heap_free_empty_runs(hf_heap_core *core) {
    for (unsigned size_class = 0; size_class < HEAP_CLASSES; size_class++)
        run_free_empty(core, size_class);
}

bool hf_heap_check_run(const hf_heap_core *core, const heap_unit *unit) {
    uint32_t free_count = 0;
    if (unit->size_class >= HEAP_CLASSES || run_used(core, unit) > run_capacity(unit)) return false;
    for (const hf_heap_block *block = unit->run.free; block; block = block->next) {
        if (!hf_heap_run_is_block(core, unit, block) || !run_looks_free(core, block) ||
            free_count == run_used(core, unit))
            return false;
        free_count++;
    }
    bool is_current = core->current[unit->size_class] == unit;
    return is_current == (unit->state == HEAP_RUN_CURRENT) &&
           (unit->state != HEAP_RUN_FULL || unit->run.until == 1) &&
           free_count + hf_heap_run_blocks(core, unit) == run_used(core, unit);
}
