/*
 * arena_model.c -- see arena_model.h.
 */
#include "arena_model.h"

#include <string.h>

enum {
    PAGE = 4096,     /* distance of the edges; need not be the page size of the system */
    EDGE = 8,        /* bytes that are written and read on each side of an edge */
    DENSE = 2048,    /* the first bytes of a block, which are all written and read */
    NEAR_PAGES = 32, /* the first pages of a block: all edges; after them one of FAR_STEP */
    FAR_STEP = 16,
    TAIL = 16,           /* the last bytes of a block */
    RED_ZONES = 256,     /* more than a red zone and its padding take */
    RAW_BYTES = 64 << 10 /* arena_raw_bytes_are_zero: above these it reads only the last ones */
};

#if defined(__clang__) || defined(__GNUC__)
#define NOT_SANITIZED __attribute__((no_sanitize_address, noinline))
#else
#define NOT_SANITIZED
#endif

#define MEBI ((size_t)1 << 20)
#define HUGE_PAGE (2 * MEBI)

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* ------------------------------------------------------------------ contents -------------- */

/* The next position in a block that is written and read, from `index` on. Beyond DENSE it depends
 * on the offset in the arena, so that a block is read where an earlier one was written. */
static size_t next_index(const arena_block *block, size_t index) {
    if (index < DENSE) return index;
    size_t offset = block->offset + index;
    size_t in_page = offset % PAGE;
    if (in_page < EDGE || in_page >= PAGE - EDGE) {
        size_t page = offset / PAGE, first = block->offset / PAGE;
        if (page - first < NEAR_PAGES || page % FAR_STEP == 0) return index;
        return index + (PAGE - in_page);
    }
    return index + (PAGE - EDGE - in_page);
}

static char pattern_byte(const arena_block *block, size_t index) {
    uint64_t mixed = (block->pattern + index / 8) * UINT64_C(0x9e3779b97f4a7c15);
    return (char)(mixed >> (index % 8 * 8));
}

static char tail_byte(const arena_block *block, size_t index) {
    return (char)(pattern_byte(block, index) ^ 0x5a);
}

static size_t tail_begin(size_t size) { return size < DENSE + TAIL ? size : size - TAIL; }

void arena_block_fill(struct arena_model *model, arena_block *block) {
    char *bytes = model->base + block->offset;
    block->pattern = ++model->patterns << 24;
    for (size_t i = next_index(block, 0); i < block->size; i = next_index(block, i + 1))
        bytes[i] = pattern_byte(block, i);
    block->tail = block->size;
    for (size_t i = tail_begin(block->size); i < block->size; i++) bytes[i] = tail_byte(block, i);
}

/* The tail is written last, over the pattern. */
static char expected_byte(const arena_block *block, size_t index) {
    bool in_tail = index < block->tail && index >= tail_begin(block->tail);
    return in_tail ? tail_byte(block, index) : pattern_byte(block, index);
}

bool arena_block_is_intact(const struct arena_model *model, const arena_block *block, size_t size,
                           bool quick) {
    const char *bytes = model->base + block->offset;
    size_t end = quick ? smaller(size, EDGE) : size;
    if (block->pattern == 0) return true;
    for (size_t i = next_index(block, 0); i < end; i = next_index(block, i + 1))
        if (bytes[i] != expected_byte(block, i)) return false;
    for (size_t i = tail_begin(block->tail); i < smaller(size, block->tail); i++)
        if (bytes[i] != tail_byte(block, i)) return false;
    return true;
}

bool arena_bytes_are_zero(const struct arena_model *model, const char *bytes, size_t size) {
    const arena_block block = {.offset = (size_t)(bytes - model->base), .size = size};
    for (size_t i = next_index(&block, 0); i < size; i = next_index(&block, i + 1))
        if (bytes[i] != 0) return false;
    for (size_t i = tail_begin(size); i < size; i++)
        if (bytes[i] != 0) return false;
    return true;
}

NOT_SANITIZED bool arena_raw_bytes_are_zero(const char *bytes, size_t size) {
    const volatile char *raw = bytes;
    size_t end = smaller(size, (size_t)RAW_BYTES);
    for (size_t i = 0; i < end; i += (uintptr_t)(bytes + i) % PAGE < EDGE ? 1 : 61)
        if (raw[i] != 0) return false;
    for (size_t i = larger(end, size < 64 ? size : size - 64); i < size; i++)
        if (raw[i] != 0) return false;
    return true;
}

/* ------------------------------------------------------------------ the numbers ----------- */

void arena_model_open(struct arena_model *model, const hf_arena *arena,
                      const hf_arena_options *options, size_t page_size, bool has_red_zones) {
    memset(model, 0, sizeof *model);
    model->open = true;
    model->back_to = SIZE_MAX;
    model->faulting = options->fault_after_rewind;
    model->populating = options->populate;
    model->has_red_zones = has_red_zones;
    model->base = hf_arena_base(arena);
    model->page_size = page_size;
    model->reserved = hf_arena_get_stats(arena).reserved;
    model->huge_pages = options->huge_pages;
    model->retain = options->retain;
}

bool arena_model_fits(const struct arena_model *model, const char *pos, size_t room, size_t size,
                      size_t align) {
    size_t pad = (0 - (uintptr_t)pos) & (align - 1);
    size_t more = model->has_red_zones ? RED_ZONES : 0;
    return pad <= room && size <= room - pad && more <= room - pad - size;
}

arena_outcome arena_model_expect(const struct arena_model *model, const char *pos, size_t reserved,
                                 size_t size, size_t align) {
    size_t pad = (0 - (uintptr_t)pos) & (align - 1);
    size_t room = reserved - model->used;
    if (pad > room || size > room - pad) return MUST_FAIL;
    return arena_model_fits(model, pos, room, size, align) ? MUST_SUCCEED : MAY_EITHER;
}

void arena_model_use(struct arena_model *model, size_t used) {
    size_t taken = used > model->used ? used - model->used : 0;
    model->precommitted = model->precommitted > taken ? model->precommitted - taken : 0;
    model->used = used;
    model->peak = larger(model->peak, used);
    model->rule.peak = larger(model->rule.peak, used);
}

bool arena_model_end_frame(struct arena_model *model, size_t committed) {
    arena_rule *rule = &model->rule;
    if (rule->peak >= committed / 2) {
        rule->work = rule->needed = 0;
        model->is_vague = false;
    } else {
        rule->work += rule->peak + 64;
        rule->needed = larger(rule->needed, rule->peak);
    }
    rule->peak = 0;
    return rule->work >= 64 * (uint64_t)larger(committed - rule->needed, MEBI);
}

size_t arena_model_trimmed(const struct arena_model *model, size_t committed, size_t keep) {
    size_t limit = committed - model->rule.left_behind;
    keep = larger(keep, model->used);
    if (keep >= limit) return limit;
    return smaller(limit, (keep + model->page_size - 1) / model->page_size * model->page_size);
}

/* What is committed for `needed` bytes: a growth step behind them, up to the next page, or huge
 * page where there may be some. */
static size_t growth_end(const struct arena_model *model, size_t needed) {
    bool always = model->huge_pages == HF_HUGE_ALWAYS;
    size_t base = (size_t)(uintptr_t)model->base,
           small_end = always ? 0 : HUGE_PAGE - base % HUGE_PAGE;
    if (!always && small_end < MEBI / 8) small_end += HUGE_PAGE;
    bool is_small = needed <= small_end;
    size_t least = is_small ? MEBI / 16 : 2 * MEBI, most = is_small ? 2 * MEBI : 64 * MEBI;
    size_t end = needed + smaller(larger(needed / 2, least), larger(most, needed / 8));
    end += (0 - (base + end)) % (is_small ? model->page_size : HUGE_PAGE);
    return smaller(is_small ? smaller(end, small_end) : end, model->reserved);
}

size_t arena_model_reset(const struct arena_model *model, size_t committed) {
    size_t needed = smaller(model->rule.needed, committed - model->rule.left_behind);
    return arena_model_trimmed(model, committed, larger(growth_end(model, needed), model->retain));
}

/* ------------------------------------------------------------------ blocks and scopes ----- */

arena_block *arena_model_add(struct arena_model *model, const char *block, size_t size,
                             size_t used) {
    if (model->block_count == ARENA_BLOCKS) return NULL;
    arena_block *added = &model->blocks[model->block_count++];
    memset(added, 0, sizeof *added);
    added->offset = (size_t)(block - model->base);
    added->size = size;
    added->top = used;
    return added;
}

arena_block *arena_model_last(struct arena_model *model) {
    return model->block_count == 0 ? NULL : &model->blocks[model->block_count - 1];
}

void arena_model_truncate(struct arena_model *model, size_t mark) {
    for (arena_block *last; (last = arena_model_last(model)) != NULL; model->block_count--)
        if (last->offset < mark && last->offset + last->size <= mark) break;
}

void arena_model_scope_begun(struct arena_model *model, hf_scope scope) {
    if (model->scope_count == ARENA_SCOPES) {
        memmove(model->scopes, model->scopes + 1, (ARENA_SCOPES - 1) * sizeof model->scopes[0]);
        model->scope_count--;
    }
    model->scopes[model->scope_count].scope = scope;
    model->scopes[model->scope_count++].ended = false;
}

void arena_model_scope_ended(struct arena_model *model, size_t index) {
    for (size_t i = index; i < model->scope_count; i++) model->scopes[i].ended = true;
}
