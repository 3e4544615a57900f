/*
 * arena.c -- the bump allocator: everything of holdfast/arena.h but texts and scratch.
 *
 *      base          pos        limit                               base + reserved
 *      |  handed out  |  ready   |              placeholder               |
 *                       ^ dirty line: what was handed out once and given back lies below
 *
 * What holds between any two calls:
 *      base <= pos <= limit <= base + reserved
 *      [base, limit) is committed, or views of files: see image.c and append.c
 *      [max(pos, dirty line), limit) is zero
 *      [limit, base + reserved) is one placeholder, unless the system refused to undo a step; then
 *      the next growth or trim mends it
 *
 * The fast path in the header touches pos alone. So what it would have to count is worked out
 * when pos goes back: the dirty line and the peaks are highest positions, and pos only rises
 * between two such moments.
 *
 * The header's limit and the arena's own can differ: in a checked process (see marking.h) the
 * header's is kept at pos, which sends every allocation through hf_alloc_slow to be marked.
 */
#include <holdfast/arena.h>
#include <holdfast/space.h>

#include <string.h>

#include "again.h"
#include "arena.h"
#include "fail.h"
#include "marking.h"
#include "pages.h"

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

#define HUGE_PAGE MIB(2)

static char *at(const hf_arena_core *core, size_t offset) { return core->shown.base + offset; }

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static size_t clamp(size_t value, size_t low, size_t high) {
    return smaller(larger(value, low), high);
}

static size_t used(const hf_arena *arena) { return hf_get_mark(arena); }

void hf_arena_set_pos(hf_arena *arena, size_t offset) {
    const hf_arena_core *core = hf_core_of(arena);
    arena->pos = at(core, offset);
    arena->limit = core->checked || hf_is_frozen(core) ? arena->pos : at(core, core->limit);
}

/* ---------------------------------------------------------------- failing ---------------- */

/* A refusal on the way to success is none of the caller's: the last error stays as it was. */
static hf_status settle(hf_status status, hf_error before) {
    if (status == HF_OK) hf_fail_again(before);
    return status;
}

/* Tells the program of a failure that is noted already. True: try again. */
static bool ask_program(hf_arena *arena, size_t size) {
    hf_error error = hf_last_error();
    if (arena->state == NULL || hf_core_of(arena)->options.on_failure == NULL) return false;
    const hf_arena_options *options = &hf_core_of(arena)->options;
    bool again = options->on_failure(arena, error.status, size, options->user);
    hf_fail_again(error); /* the callback's own calls may have failed too */
    return again && arena->state != NULL;
}

void *hf_arena_give_up(hf_arena *arena, size_t size) {
    ask_program(arena, size);
    return NULL;
}

void *hf_arena_fail(hf_arena *arena, const char *call, size_t size) {
    hf_fail(HF_INVALID, call, used(arena), size);
    return hf_arena_give_up(arena, size);
}

/* ---------------------------------------------------------------- growing ---------------- */

/* The offset of the next address that is a multiple of `alignment`. */
static size_t align_end(const hf_arena_core *core, size_t offset, size_t alignment) {
    size_t short_of = (0 - (uintptr_t)at(core, offset)) & (alignment - 1);
    return offset + short_of;
}

/*
 * Through a file's cache. A step that stays in the processor's is stored to while it is there: so
 * steps are small, and only as large as it takes for the views to stay few. They end at multiples
 * of their size: no piece of the file that Linux keeps as one (a folio) then crosses a huge page,
 * and the first store to it maps it whole, where else every page would fault. More than a step is
 * one of its own: it is stored to at once, and what lay ready beyond it would have gone from the
 * processor's cache by the next.
 */
static size_t persistent_step_end(const hf_arena_core *core, size_t needed) {
    size_t step = KIB(512);
    while (step > KIB(64) && step > core->limit / 2) step /= 2;
    size_t usual = larger(step, smaller(core->limit / 512, MIB(64)));
    if (needed - core->limit > usual) return align_end(core, needed, KIB(64));
    return align_end(core, larger(needed, core->limit + usual - (step - 1)), step);
}

/* Where the next step ends: small steps first, so that a small arena stays small; then half of
 * what is committed, between 2 and 64 MiB, ending at a huge page. */
static size_t step_end(const hf_arena_core *core, size_t needed) {
    size_t half = core->limit / 2, end;
    if (core->is_persistent) {
        end = persistent_step_end(core, needed);
    } else if (needed <= core->small_end) {
        end = larger(needed, core->limit + clamp(half, KIB(64), MIB(2)));
        end = smaller(hf_round_up(end, core->granule), core->small_end);
    } else {
        end =
            align_end(core, larger(needed, core->limit + clamp(half, MIB(2), MIB(64))), HUGE_PAGE);
    }
    return smaller(end, core->reserved);
}

/* Behind limit lies more than one placeholder when an undo was refused: make it one again. */
static hf_status tidy(hf_arena_core *core) {
    size_t size = core->reserved - core->limit;
    hf_region behind = {0};
    if (size == 0) return HF_OK;
    hf_space_find(core->space, core->limit, &behind);
    if (behind.kind == HF_PLACEHOLDER && behind.size == size) return HF_OK;
    return hf_space_clear(core->space, core->limit, size);
}

hf_status hf_arena_place_tidily(hf_arena_core *core, size_t size, hf_arena_step *step) {
    hf_status status = step(core, size);
    if (status != HF_STATE) return status;
    status = tidy(core);
    return status == HF_OK ? step(core, size) : status;
}

static hf_status place_once(hf_arena_core *core, size_t size) {
    return hf_space_place(core->space, core->limit, size);
}

static hf_status place(hf_arena_core *core, size_t size) {
    return hf_arena_place_tidily(core, size, place_once);
}

static hf_status populate(hf_arena_core *core, size_t size) {
    hf_status status = hf_space_advise(core->space, core->limit, size, HF_ADVISE_POPULATE);
    if (status == HF_OK || status == HF_UNSUPPORTED) return HF_OK;
    hf_error error = hf_last_error();
    hf_space_clear(core->space, core->limit, size); /* if refused too, the next place mends it */
    return hf_fail_again(error);
}

static hf_status commit_to(hf_arena_core *core, size_t end) {
    size_t size = end - core->limit;
    hf_status status = core->place(core, size);
    if (status == HF_OK && core->options.populate && !core->is_persistent)
        status = populate(core, size);
    if (status != HF_OK) return status;
    if (core->checked) hf_mark_free(at(core, core->limit), size);
    core->limit = end;
    core->growths++;
    return HF_OK;
}

/* Commits up to `needed` at least; where a whole step is refused, exactly what is needed. */
static hf_status grow(hf_arena_core *core, size_t needed) {
    if (needed <= core->limit) return HF_OK;
    hf_error before = hf_last_error();
    size_t end = step_end(core, needed), exact = hf_round_up(needed, core->granule);
    hf_status status = commit_to(core, end);
    if (status != HF_OK && exact < end) status = commit_to(core, exact);
    return settle(status, before);
}

/* Makes sure of `size` bytes behind `from`, an offset of at most what is reserved. */
static hf_status make_room(hf_arena_core *core, size_t from, size_t size, const char *call) {
    if (size > core->reserved - from) return hf_fail(HF_RESERVE_FULL, call, from, size);
    return grow(core, from + size);
}

/* -------------------------------------------------------------- marking ------------------ */

/* What a block of `size` bytes takes: in a checked process with a red zone behind it. */
static size_t footprint(const hf_arena_core *core, size_t size) {
    if (!core->checked || size > SIZE_MAX - 2 * HF_RED_ZONE) return size;
    return hf_round_up(size, HF_MARKING_ALIGNMENT) + HF_RED_ZONE;
}

/* Bytes that hf_top has shown keep what was written there; the others become undefined. */
static void mark_block(hf_arena_core *core, size_t block, size_t size) {
    if (!core->checked) return;
    size_t end = block + size, shown = larger(core->peeked, block);
    if (end > shown)
        hf_mark_used(at(core, shown), end - shown);
    else
        hf_mark_free(at(core, end), shown - end);
    core->peeked = 0;
}

/* ------------------------------------------------------------- allocating ---------------- */

static bool is_alignment(size_t align) {
    return (align & (align - 1)) == 0 && align - 1 < HF_MAX_ALIGNMENT;
}

static void *take(hf_arena *arena, size_t size, size_t align) {
    hf_arena_core *core = hf_core_of(arena);
    if (core->checked) align = larger(align, HF_MARKING_ALIGNMENT);
    size_t pad = (0 - (uintptr_t)arena->pos) & (align - 1);
    size_t room = core->reserved - used(arena), bytes = footprint(core, size);
    if (pad > room || bytes > room - pad) {
        hf_fail(HF_RESERVE_FULL, "hf_alloc", used(arena), size);
        return NULL;
    }
    size_t block = used(arena) + pad;
    if (grow(core, block + bytes) != HF_OK) return NULL;
    mark_block(core, block, size);
    hf_arena_set_pos(arena, block + bytes);
    return at(core, block);
}

void *hf_alloc_slow(hf_arena *arena, size_t size, size_t align) {
    if (arena->state == NULL || !is_alignment(align)) return hf_arena_fail(arena, "hf_alloc", size);
    hf_error before = hf_last_error();
    void *block;
    do {
        block = take(arena, size, align);
    } while (block == NULL && ask_program(arena, size));
    if (block) hf_fail_again(before);
    return block;
}

/* Bytes above the dirty line are zero already. */
static void clear_bytes(const hf_arena_core *core, char *bytes, size_t size) {
    size_t offset = (size_t)(bytes - core->shown.base);
    if (core->checked) hf_mark_defined(bytes, size);
    if (offset < core->dirty) memset(bytes, 0, smaller(size, core->dirty - offset));
}

void *hf_alloc_zeroed(hf_arena *arena, size_t size, size_t align) {
    char *block = hf_alloc(arena, size, align);
    if (block) clear_bytes(hf_core_of(arena), block, size);
    return block;
}

void *hf_alloc_array(hf_arena *arena, size_t count, size_t size, size_t align) {
    bool wraps = size > 0 && count > SIZE_MAX / size;
    return hf_alloc_zeroed(arena, wraps ? SIZE_MAX : count * size, align);
}

/* A block of this arena: all of it handed out. */
static bool is_block(const hf_arena *arena, const void *block, size_t size) {
    if (arena->state == NULL) return false;
    uintptr_t offset = (uintptr_t)block - (uintptr_t)arena->state->base;
    return offset <= used(arena) && size <= used(arena) - offset;
}

/* A view is no block: it can't be made smaller or larger. A block that was freed (extended to 0
 * bytes) lies at pos: it gave back its red zone too. */
static bool is_last(const hf_arena *arena, size_t block, size_t size) {
    const hf_arena_core *core = hf_core_of(arena);
    bool was_freed = size == 0 && block == used(arena);
    return (was_freed || block + footprint(core, size) == used(arena)) && block >= core->fixed;
}

static void note_highest(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    size_t highest = used(arena);
    core->dirty = larger(core->dirty, highest);
    core->peak = larger(core->peak, highest);
    core->recent_peak = larger(core->recent_peak, highest);
}

/* The bytes from `offset` on are free again: a root there is gone, and so is a block that is being
 * copied. */
static void forget_above(hf_arena_core *core, size_t offset) {
    if (core->root > offset) core->root = 0;
    core->lowest = smaller(core->lowest, offset);
}

static void shrink_last(hf_arena *arena, size_t block, size_t new_size) {
    hf_arena_core *core = hf_core_of(arena);
    size_t end = block + new_size;
    note_highest(arena);
    forget_above(core, end);
    if (core->checked) hf_mark_free(at(core, end), larger(used(arena), core->peeked) - end);
    core->peeked = 0;
    hf_arena_set_pos(arena, new_size == 0 ? block : block + footprint(core, new_size));
}

static bool grow_last(hf_arena *arena, size_t block, size_t old_size, size_t new_size) {
    hf_arena_core *core = hf_core_of(arena);
    if (make_room(core, block, footprint(core, new_size), "hf_extend") != HF_OK) return false;
    size_t from = block + old_size, end = block + new_size;
    size_t red_zone_end = smaller(end, used(arena));
    if (core->checked) hf_mark_used(at(core, from), red_zone_end - from);
    mark_block(core, from, end - from);
    hf_arena_set_pos(arena, block + footprint(core, new_size));
    return true;
}

bool hf_extend(hf_arena *arena, void *block, size_t old_size, size_t new_size) {
    if (!is_block(arena, block, old_size)) {
        hf_fail(HF_INVALID, "hf_extend", used(arena), new_size);
        return false;
    }
    if (hf_image_check_owner(hf_core_of(arena), "hf_extend") != HF_OK) return false;
    size_t offset = (size_t)((char *)block - arena->state->base);
    bool last = is_last(arena, offset, old_size);
    if (last && new_size > old_size) return grow_last(arena, offset, old_size, new_size);
    if (last && new_size < old_size) shrink_last(arena, offset, new_size);
    if (new_size <= old_size) return true;
    hf_fail(HF_STATE, "hf_extend", offset, new_size);
    return false;
}

bool hf_extend_zeroed(hf_arena *arena, void *block, size_t old_size, size_t new_size) {
    if (!hf_extend(arena, block, old_size, new_size)) return false;
    if (new_size > old_size)
        clear_bytes(hf_core_of(arena), (char *)block + old_size, new_size - old_size);
    return true;
}

bool hf_arena_shows(const hf_arena *arena) {
    const hf_arena_core *core = hf_core_of(arena);
    return core->peeked > used(arena) && core->shown_at == used(arena);
}

/* Where the bytes end, as an offset; 0: they don't lie in the arena. */
static size_t end_of(const hf_arena *arena, const hf_arena_source *source) {
    size_t offset = (size_t)((uintptr_t)source->bytes - (uintptr_t)arena->state->base);
    return source->size > 0 && hf_owns(arena, source->bytes) ? offset + source->size : 0;
}

/* If on_failure goes back below the source's end, nothing may read the source: core->lowest tells.
 * If on_failure closes the arena and opens it again, the core is a new one, whose `lowest` is 0. */
static void *take_beside(hf_arena *arena, const hf_arena_source *source, size_t size,
                         size_t align) {
    size_t outer = hf_core_of(arena)->lowest, end = end_of(arena, source);
    bool is_gone;
    void *block = NULL;
    hf_core_of(arena)->lowest = SIZE_MAX;
    do {
        is_gone = end > hf_core_of(arena)->lowest;
        if (!is_gone) block = take(arena, size, align);
    } while (!is_gone && block == NULL && ask_program(arena, size));
    if (is_gone) hf_fail(HF_STATE, source->call, end - source->size, size);
    if (arena->state) hf_core_of(arena)->lowest = smaller(outer, hf_core_of(arena)->lowest);
    return block;
}

/* True if hf_alloc needs no more than its fast path. */
static bool has_room(const hf_arena *arena, size_t size, size_t align) {
    size_t room = (size_t)(arena->limit - arena->pos);
    return room > align && size < room - align;
}

void *hf_arena_copy(hf_arena *arena, const hf_arena_source *source, size_t size, size_t align) {
    if (arena->state == NULL) return hf_arena_fail(arena, source->call, size);
    const hf_arena_core *core = hf_core_of(arena);
    bool is_shown = core->checked && hf_arena_shows(arena) && end_of(arena, source) > used(arena);
    hf_error before = hf_last_error();
    void *block = has_room(arena, size, align) ? hf_alloc(arena, size, align)
                                               : take_beside(arena, source, size, align);
    if (block == NULL) return NULL;
    hf_fail_again(before);
    if (is_shown)
        hf_copy_unchecked(block, source->bytes, source->size);
    else if (source->size > 0)
        memmove(block, source->bytes, source->size);
    return block;
}

void *hf_resize(hf_arena *arena, void *block, size_t old_size, size_t new_size, size_t align) {
    if (block == NULL) return hf_alloc(arena, new_size, align);
    if (!is_block(arena, block, old_size) || !is_alignment(align))
        return hf_arena_fail(arena, "hf_resize", new_size);
    hf_error before = hf_last_error();
    bool fits = new_size <= old_size || ((uintptr_t)block & (align - 1)) == 0;
    if (fits && hf_extend(arena, block, old_size, new_size)) return block;
    if (new_size <= old_size) return NULL; /* a forked child can't shrink a block of its parent's */
    hf_fail_again(before);
    return hf_arena_copy(arena, &(hf_arena_source){"hf_resize", block, old_size}, new_size, align);
}

/* In a checked process blocks begin at a multiple of the marking alignment: so must a peek. */
static size_t peek_begin(hf_arena *arena) {
    const hf_arena_core *core = hf_core_of(arena);
    if (!core->checked) return used(arena);
    return smaller(hf_round_up(used(arena), HF_MARKING_ALIGNMENT), core->reserved);
}

/* The program may write to all that it is shown: that much is dirty now. */
static char *show(hf_arena *arena, size_t *room) {
    hf_arena_core *core = hf_core_of(arena);
    size_t red_zone = footprint(core, 0), shown = core->limit - used(arena);
    shown = shown > red_zone ? shown - red_zone : 0;
    core->shown_at = used(arena);
    core->peeked = used(arena) + shown;
    if (core->checked) hf_mark_used(arena->pos, shown);
    core->dirty = larger(core->dirty, core->peeked);
    if (room) *room = shown;
    return arena->pos;
}

char *hf_top(hf_arena *arena, size_t least, size_t *room) {
    if (arena->state == NULL) return hf_arena_fail(arena, "hf_top", least);
    hf_error before = hf_last_error();
    hf_status status;
    do {
        hf_arena_core *core = hf_core_of(arena);
        status = make_room(core, peek_begin(arena), footprint(core, least), "hf_top");
    } while (status != HF_OK && ask_program(arena, least));
    if (settle(status, before) != HF_OK) return NULL;
    hf_arena_set_pos(arena, peek_begin(arena));
    return show(arena, room);
}

hf_status hf_ensure(hf_arena *arena, size_t size) {
    if (arena->state == NULL) return hf_fail(HF_INVALID, "hf_ensure", 0, size);
    return make_room(hf_core_of(arena), used(arena), size, "hf_ensure");
}

/* -------------------------------------------------------------- going back --------------- */

void hf_arena_go_back(hf_arena *arena, size_t offset) {
    hf_arena_core *core = hf_core_of(arena);
    note_highest(arena);
    forget_above(core, offset);
    if (core->checked) hf_mark_free(at(core, offset), larger(used(arena), core->peeked) - offset);
    core->peeked = 0;
    hf_arena_set_pos(arena, offset);
}

/* A snapshot begins with a view of its image, which goes whole or not at all. */
static size_t private_from(const hf_arena_core *core, size_t offset) {
    hf_region first;
    hf_space_find(core->space, 0, &first);
    bool is_image = first.kind == HF_VIEW && !hf_is_appended(&first);
    return is_image ? larger(offset, first.size) : offset;
}

/*
 * Debugging: the whole pages handed back become placeholder and pos stays behind them.
 *      |  handed out   |mark       pos|    ->    |  handed out   |  |ppppppppp|pos
 */
static hf_status fault_back(hf_arena *arena, size_t offset) {
    hf_arena_core *core = hf_core_of(arena);
    size_t from = private_from(core, hf_round_up(offset, core->granule));
    size_t to = hf_round_up(used(arena), core->granule);
    if (from >= to) {
        hf_arena_go_back(arena, larger(offset, core->faulting));
        return HF_OK;
    }
    hf_arena_go_back(arena, offset);
    hf_arena_set_pos(arena, to);
    core->faulting = to;
    return hf_space_clear(core->space, from, to - from);
}

hf_status hf_rewind(hf_arena *arena, hf_mark mark) {
    if (arena->state == NULL || mark > used(arena))
        return hf_fail(HF_INVALID, "hf_rewind", mark, 0);
    hf_status status = hf_image_check_owner(hf_core_of(arena), "hf_rewind");
    if (status != HF_OK) return status;
    if (mark < hf_core_of(arena)->fixed) return hf_arena_rewind_views(arena, mark);
    if (hf_core_of(arena)->options.fault_after_rewind) return fault_back(arena, mark);
    hf_arena_go_back(arena, mark);
    return HF_OK;
}

static hf_advice advice_of(const hf_arena_core *core) {
    return core->options.huge_pages == HF_HUGE_NEVER ? HF_ADVISE_NO_HUGE : HF_ADVISE_HUGE;
}

/* A hint: where it is refused there are more page faults, and nothing else. */
static void advise(const hf_arena_core *core, size_t from, size_t to) {
    from = larger(from, core->huge_from);
    if (from >= to) return;
    hf_error before = hf_last_error();
    hf_space_advise(core->space, from, to - from, advice_of(core));
    hf_fail_again(before);
}

/* A view goes whole or not at all. */
static size_t spare_view(const hf_arena_core *core, size_t keep) {
    hf_region region;
    if (keep >= core->limit || !hf_space_find(core->space, keep, &region)) return keep;
    return region.kind == HF_VIEW && region.offset < keep ? region.offset + region.size : keep;
}

/* The highest region down to `keep` becomes placeholder. Where only the joining of the
 * placeholders was refused, its memory is gone all the same. */
static hf_status release_last(hf_arena_core *core, size_t keep) {
    hf_region region;
    hf_space_find(core->space, core->limit - 1, &region);
    size_t from = larger(region.offset, keep);
    hf_status status = hf_space_clear(core->space, from, core->limit - from);
    hf_space_find(core->space, from, &region);
    if (region.kind == HF_PLACEHOLDER) core->limit = from;
    return status;
}

/* From the top, region by region, so that a release that fails leaves no hole below committed
 * memory. Behind limit there can be some that a failed growth could not give back: it goes first.
 * pos stays where it is, or goes down with limit. */
hf_status hf_arena_release_beyond(hf_arena *arena, size_t keep) {
    hf_arena_core *core = hf_core_of(arena);
    size_t old_limit = core->limit;
    note_highest(arena);
    hf_status status = tidy(core);
    keep = spare_view(core, keep);
    while (status == HF_OK && core->limit > keep) status = release_last(core, keep);
    if (status == HF_OK) status = tidy(core);
    if (core->checked) hf_mark_defined(at(core, core->limit), old_limit - core->limit);
    advise(core, core->limit, old_limit);
    if (!core->is_persistent) core->dirty = smaller(core->dirty, core->limit);
    core->peeked = smaller(core->peeked, core->limit);
    if (used(arena) > core->limit) forget_above(core, core->limit);
    hf_arena_set_pos(arena, smaller(used(arena), core->limit));
    return status;
}

hf_status hf_trim(hf_arena *arena, size_t keep) {
    if (arena->state == NULL) return hf_fail(HF_INVALID, "hf_trim", 0, keep);
    hf_arena_core *core = hf_core_of(arena);
    hf_status status = hf_image_check_owner(core, "hf_trim");
    if (status != HF_OK) return status;
    size_t kept = smaller(larger(used(arena), keep), core->limit);
    return hf_arena_release_beyond(arena, hf_round_up(kept, core->granule));
}

/* What recent peaks needed: falls by an eighth at each reset that needed less. */
static void update_keep(hf_arena_core *core) {
    size_t faded = core->keep - core->keep / 8;
    core->keep = larger(larger(core->recent_peak, faded), core->options.retain);
    core->recent_peak = 0;
}

/* Committed is also what a failed growth could not give back, behind limit. */
static bool is_worth_trimming(const hf_arena_core *core) {
    size_t committed = larger(core->limit, hf_space_get_stats(core->space).committed_bytes);
    return committed > core->keep && committed - core->keep > larger(MIB(2), core->keep / 4);
}

hf_status hf_reset(hf_arena *arena) {
    if (arena->state == NULL) return hf_fail(HF_INVALID, "hf_reset", 0, 0);
    hf_arena_core *core = hf_core_of(arena);
    hf_status status = hf_rewind(arena, 0);
    if (status != HF_OK) return status;
    size_t keep = core->keep, recent_peak = core->recent_peak;
    update_keep(core);
    if (is_worth_trimming(core)) status = hf_trim(arena, core->keep);
    if (status == HF_OK) {
        core->depth = 0;
    } else { /* the next reset trims to the same size */
        core->keep = keep;
        core->recent_peak = recent_peak;
    }
    return status;
}

/* -------------------------------------------------------------- scopes ------------------- */

/* Numbers of scopes never repeat, so that an ended one is told from a later one as deep. */
hf_scope hf_scope_begin(hf_arena *arena) {
    if (arena->state == NULL) return (hf_scope){.arena = arena};
    hf_arena_core *core = hf_core_of(arena);
    size_t depth = ++core->depth, number = ++core->last_scope;
    if (depth <= HF_SCOPES_KNOWN) core->scopes[depth] = number;
    return (hf_scope){arena, used(arena), depth, number};
}

static bool is_open(const hf_scope *scope) {
    if (scope->arena == NULL || scope->arena->state == NULL) return false;
    const hf_arena_core *core = hf_core_of(scope->arena);
    return scope->depth > 0 && scope->depth <= core->depth &&
           (scope->depth > HF_SCOPES_KNOWN || core->scopes[scope->depth] == scope->number);
}

hf_status hf_scope_end(hf_scope scope) {
    if (!is_open(&scope)) return hf_fail(HF_STATE, "hf_scope_end", scope.mark, 0);
    hf_status status = hf_rewind(scope.arena, scope.mark);
    if (status == HF_OK) hf_core_of(scope.arena)->depth = scope.depth - 1;
    return status;
}

/* ------------------------------------------------------------------- refs ---------------- */

hf_ref hf_to_ref(const hf_arena *arena, const void *pointer) {
    if (pointer == NULL) return 0;
    size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)hf_arena_base(arena));
    uint64_t ref = 1 + (uint64_t)offset / 8;
    if (!is_block(arena, pointer, 0) || offset % 8 != 0 || ref > UINT32_MAX) {
        hf_fail(HF_INVALID, "hf_to_ref", offset, 0);
        return 0;
    }
    return (hf_ref)ref;
}

bool hf_owns(const hf_arena *arena, const void *pointer) {
    if (arena->state == NULL) return false;
    return (uintptr_t)pointer - (uintptr_t)arena->state->base < hf_core_of(arena)->reserved;
}

char *hf_arena_base(const hf_arena *arena) { return arena->state ? arena->state->base : NULL; }

/* -------------------------------------------------------------- statistics --------------- */

hf_arena_stats hf_arena_get_stats(const hf_arena *arena) {
    if (arena->state == NULL) return (hf_arena_stats){0};
    const hf_arena_core *core = hf_core_of(arena);
    hf_space_stats space = hf_space_get_stats(core->space);
    size_t system_calls = core->own_calls;
    for (size_t step = 0; step < HF_STEPS; step++) system_calls += space.system_calls[step];
    return (hf_arena_stats){
        .used = used(arena),
        .committed = space.committed_bytes,
        .reserved = core->reserved,
        .peak = larger(core->peak, used(arena)),
        .dirty = larger(core->dirty, used(arena)),
        .growths = core->growths,
        .system_calls = system_calls,
        .viewed = space.view_bytes,
    };
}

/* ---------------------------------------------------------- opening and closing ---------- */

hf_status hf_arena_check_options(const hf_arena_options *options, const char *call) {
    size_t reserve = options->reserve;
    bool is_reserve = reserve == 0 || options->least_reserve <= reserve;
    bool is_base = (uintptr_t)options->base % HF_BASE_ALIGNMENT == 0;
    bool is_mode = options->huge_pages == HF_HUGE_AUTO || options->huge_pages == HF_HUGE_NEVER ||
                   options->huge_pages == HF_HUGE_ALWAYS;
    return is_reserve && is_base && is_mode ? HF_OK : hf_fail(HF_INVALID, call, 0, reserve);
}

static hf_status open_space(hf_arena_core *core, size_t reserve, size_t least) {
    const hf_arena_options *options = &core->options;
    size_t most = SIZE_MAX & ~(core->granule - 1);
    reserve = reserve < most ? hf_round_up(reserve, core->granule) : most;
    least = least < most ? hf_round_up(least, core->granule) : most;
    hf_space_options wanted = {options->base, least, options->name, core->backend};
    return hf_space_open(&core->space, reserve, &wanted);
}

/* A backend of the program's own, or a base, says nothing of the addresses that the process has. */
static void note_exhaustion(const hf_arena_core *core, const hf_default_reserve *size,
                            size_t reserved) {
    bool is_native = core->backend == hf_backend_native();
    if (is_native && core->options.base == NULL && reserved < size->reserve)
        hf_budget_exhaust(size);
}

/* A least_reserve that is larger than the default raises it. */
static hf_status open_default_space(hf_arena_core *core) {
    size_t named = core->options.least_reserve;
    const hf_default_reserve *size = hf_budget_first(core->backend);
    for (;;) {
        size_t reserve = larger(size->reserve, named);
        hf_status status = open_space(core, reserve, named ? named : size->least);
        note_exhaustion(core, size, status == HF_OK ? hf_space_size(core->space) : 0);
        const hf_default_reserve *next = hf_budget_next(size);
        if (status != HF_NO_ADDRESS || next == NULL || named > next->reserve) return status;
        size = next;
    }
}

static hf_status open_any_space(hf_arena_core *core) {
    const hf_arena_options *options = &core->options;
    size_t least = options->least_reserve;
    if (options->reserve == 0) return open_default_space(core);
    return open_space(core, options->reserve,
                      least ? least : smaller(options->reserve, HF_DEFAULT_LEAST));
}

static void start(hf_arena_core *core) {
    uintptr_t base = (uintptr_t)hf_space_base(core->space);
    bool always = core->options.huge_pages == HF_HUGE_ALWAYS;
    core->shown.base = hf_space_base(core->space);
    core->reserved = hf_space_size(core->space);
    core->checked = hf_is_checked_process();
    core->small_end = always ? 0 : HUGE_PAGE - (base & (HUGE_PAGE - 1));
    core->huge_from = always ? align_end(core, 0, HUGE_PAGE) : core->small_end;
    if (core->options.huge_pages == HF_HUGE_NEVER) core->huge_from = 0;
    advise(core, 0, core->reserved);
}

static hf_status open_core(hf_arena *arena, const hf_arena_options *options) {
    const hf_backend *backend = options->backend ? options->backend : hf_backend_native();
    size_t pages = hf_pages_for(backend, sizeof(hf_arena_core));
    hf_report report = {0};
    void *memory;
    hf_status status = hf_take_pages(backend, pages, &memory, &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, pages);
    hf_arena_core *core = memory;
    core->backend = backend;
    core->own_calls = report.system_calls;
    core->options = *options;
    core->granule = backend->granule(backend);
    core->place = place;
    hf_error before = hf_last_error();
    status = settle(open_any_space(core), before);
    if (status != HF_OK) {
        backend->give_pages(backend, memory, pages);
        return status;
    }
    start(core);
    hf_mark_root(core, pages); /* on_failure's user may be known to it alone */
    if (options->reserve == 0) hf_budget_spend(core);
    arena->state = &core->shown;
    hf_arena_set_pos(arena, 0);
    return HF_OK;
}

hf_status hf_arena_open(hf_arena *arena, const hf_arena_options *options) {
    static const hf_arena_options defaults;
    if (options == NULL) options = &defaults;
    *arena = (hf_arena){0};
    hf_status status = hf_arena_check_options(options, "hf_arena_open");
    return status == HF_OK ? open_core(arena, options) : status;
}

void hf_arena_close(hf_arena *arena) {
    if (arena == NULL || arena->state == NULL) return;
    hf_arena_core *core = hf_core_of(arena);
    if (core->checked) hf_mark_defined(core->shown.base, core->limit);
    hf_arena_free_text_pages(core);
    bool is_synced = core->is_persistent && hf_arena_sync(arena) == HF_OK;
    hf_space_close(core->space);
    hf_budget_return(core);
    if (core->image) hf_arena_close_image(core, is_synced);
    size_t pages = hf_pages_for(core->backend, sizeof *core);
    hf_unmark_root(core, pages);
    core->backend->give_pages(core->backend, core, pages);
    *arena = (hf_arena){0};
}
