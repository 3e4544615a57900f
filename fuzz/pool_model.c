/*
 * pool_model.c -- see pool_model.h.
 */
#include "pool_model.h"

enum { HUGE_PAGE = 2 << 20, DEFAULT_KEEP = 64 << 10, TRIM_RATIO = 64 };

static size_t round_to(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

void pool_model_open(struct pool_model *model, const hf_pool_options *options, size_t page_size) {
    size_t unit = options->reserve < HUGE_PAGE ? HF_ALLOCATION_GRANULARITY : HUGE_PAGE;
    size_t keep = options->keep ? options->keep : DEFAULT_KEEP;
    *model = (struct pool_model){
        .arenas = options->arenas,
        .reserve = round_to(options->reserve, unit),
        .huge_pages = options->huge_pages,
    };
    model->keep = round_to(keep < model->reserve ? keep : model->reserve, page_size);
}

size_t pool_model_count(const struct pool_model *model, pool_slot_state state) {
    size_t count = 0;
    for (size_t i = 0; i < model->arenas; i++) count += model->slots[i].state == state;
    return count;
}

static size_t limit_of(const arena_slot *slot) { return slot->committed - slot->rule.left_behind; }

/* Of the large or the small idle slots the one that became idle first or last. NULL: none. */
static const arena_slot *find_idle(const struct pool_model *model, bool is_large, bool is_first) {
    const arena_slot *found = NULL;
    for (size_t i = 0; i < model->arenas; i++) {
        const arena_slot *slot = &model->slots[i];
        if (slot->state != SLOT_IDLE || (limit_of(slot) > model->keep) != is_large) continue;
        if (!found || (slot->number < found->number) == is_first) found = slot;
    }
    return found;
}

static const arena_slot *find_state(const struct pool_model *model, pool_slot_state state) {
    for (size_t i = 0; i < model->arenas; i++)
        if (model->slots[i].state == state) return &model->slots[i];
    return NULL;
}

const arena_slot *pool_model_next(const struct pool_model *model) {
    const arena_slot *next = find_state(model, SLOT_CACHED);
    if (!next) next = find_idle(model, true, false);
    if (!next) next = find_idle(model, false, false);
    return next ? next : find_state(model, SLOT_FRESH);
}

/* Fresh slots are taken in their order. */
arena_slot *pool_model_take(struct pool_model *model, const char *base) {
    const char *first = model->slots[0].base ? model->slots[0].base : base;
    size_t index = base < first ? SIZE_MAX : (size_t)(base - first) / model->reserve;
    if (index >= model->arenas || base != first + index * model->reserve) return NULL;
    arena_slot *slot = &model->slots[index];
    if (!model->is_vague && slot != pool_model_next(model)) return NULL;
    if (slot->state == SLOT_OPEN || slot->state == SLOT_LOST) return NULL;
    slot->state = SLOT_OPEN;
    slot->base = base;
    return slot;
}

static void make_idle(struct pool_model *model, const arena_slot *idle) {
    if (!idle) return;
    arena_slot *slot = &model->slots[idle - model->slots];
    slot->state = SLOT_IDLE;
    slot->number = ++model->last_number;
    slot->idle_since = model->work;
}

void pool_model_give(struct pool_model *model, arena_slot *given, size_t used) {
    make_idle(model, find_state(model, SLOT_CACHED));
    given->state = SLOT_CACHED;
    model->work += used;
    const arena_slot *oldest = find_idle(model, true, true);
    if (!oldest || model->is_vague) return;
    size_t excess = limit_of(oldest) - model->keep;
    if (model->work - oldest->idle_since < TRIM_RATIO * excess) return;
    arena_slot *trimmed = &model->slots[oldest - model->slots];
    trimmed->committed = model->keep;
    trimmed->rule.left_behind = 0;
    model->trims++;
    make_idle(model, trimmed);
}
