/*
 * arena.c -- the bump allocator: holdfast/arena.h without texts, scratch arenas and images.
 *
 *      base          pos            limit                           base + reserved
 *      |  allocated   |  committed   |             placeholder             |
 *                          ^ high-water mark: bytes below it were allocated before and may not
 *                            be zero
 *
 * Between any two calls (arena_is_sound):
 *      base <= pos <= limit <= base + reserved
 *      [base, limit) is committed, or views of files: see image.c and append.c
 *      [max(pos, high-water mark), limit) is zero
 *      [limit, base + reserved) is one placeholder; if an undo failed it may be several regions
 *      until the next growth or trim
 *
 * The fast path in the header changes pos only and counts nothing. The high-water mark and the
 * peaks are highest values of pos, and pos only rises between two calls that move it down: so they
 * are updated when pos moves down.
 *
 * hf_arena.limit and core->limit can differ: under a sanitizer (see sanitizer.h) hf_arena.limit is
 * kept equal to pos, so that every allocation goes through the slow path, which unpoisons the
 * block.
 *
 * Chapters: errors of allocations, growing, poisoning, allocating, extending, copying, peeking,
 * rewinding, freeing, releasing, scopes, refs, statistics, opening and closing.
 */
#include <holdfast/arena.h>
#include <holdfast/space.h>

#include <assert.h>
#include <string.h>

#include "arena_core.h"
#include "compatible.h"
#include "fail.h"
#include "pages.h"
#include "retry.h"
#include "sanitizer.h"
#include "space_record.h"

#define ARENA_HUGE_PAGE HF_MIB(2)
#define ARENA_FEW_SMALL HF_KIB(256)
#define ARENA_HUGE_WORTH HF_MIB(20)

static char *arena_at(const hf_arena_core *core, size_t offset) {
    return core->state.base + offset;
}

static size_t arena_clamp(size_t value, size_t low, size_t high) {
    return hf_smaller(hf_larger(value, low), high);
}

static size_t arena_used(const hf_arena *arena) { return hf_get_mark(arena); }

#ifndef NDEBUG
/* True if base <= pos <= hf_arena.limit <= limit <= base + reserved, and the offsets that follow
 * pos are within them. A wrong pos or limit may come from the program, which can write to both. */
static bool arena_is_sound(const hf_arena *arena) {
    const hf_arena_core *core = hf_core_of(arena);
    size_t limit = (size_t)((uintptr_t)arena->limit - (uintptr_t)core->state.base);
    bool is_in_order = arena_used(arena) <= limit && limit <= core->limit &&
                       core->limit <= core->reserved && core->high_water <= core->reserved;
    bool is_zero_above = hf_is_read_write(core) || core->high_water <= core->limit;
    return is_in_order && is_zero_above && core->peek_end <= core->limit &&
           core->root <= arena_used(arena);
}
#endif

void hf_arena_set_pos(hf_arena *arena, size_t offset) {
    const hf_arena_core *core = hf_core_of(arena);
    arena->pos = arena_at(core, offset);
    arena->limit =
        core->is_sanitized || hf_is_read_only(core) ? arena->pos : arena_at(core, core->limit);
    assert(arena_is_sound(arena));
}

/* ----------------------------------------- errors of allocations -------------------- */

/* Calls on_failure with the last error. Returns true if the allocation is to be tried again. */
static bool arena_call_on_failure(hf_arena *arena, size_t size) {
    hf_error error = hf_last_error();
    if (arena->state == NULL || hf_core_of(arena)->options.on_failure == NULL) return false;
    const hf_arena_options *options = &hf_core_of(arena)->options;
    bool again = options->on_failure(arena, error.status, size, options->user);
    hf_fail_with(error); /* calls in on_failure may have changed the last error */
    return again && arena->state != NULL;
}

void *hf_arena_give_up(hf_arena *arena, size_t size) {
    arena_call_on_failure(arena, size);
    return NULL;
}

void *hf_arena_fail(hf_arena *arena, const char *call, size_t size) {
    hf_fail(HF_INVALID, call, arena_used(arena), size);
    return hf_arena_give_up(arena, size);
}

/* ------------------------------------------------------- growing -------------------- */

/* The lowest offset from `offset` on whose address is a multiple of `alignment`. */
static size_t arena_align_up(const hf_arena_core *core, size_t offset, size_t alignment) {
    size_t short_of = (0 - (uintptr_t)arena_at(core, offset)) & (alignment - 1);
    return offset + short_of;
}

/*
 * The end of a growth step of a read-write image. Its memory is the page cache of the file. A step
 * ends at a multiple of its size in the file: then no folio (Linux) crosses the end of a step, and
 * the first store maps a whole folio instead of one page.
 *
 *      file   | header | 64 | 64 | 64 | 64 |  128  | ... |  512  |   2 MiB   |   2 MiB   |
 *             0        64 KiB                                    2 MiB       4 MiB
 *
 * In the file's first huge page steps are small, so that a small image stays small. From there on a
 * step is at least one huge page, which can be one folio: the first store then maps it by a single
 * entry of the page table. Below 1 GiB a step is no larger, so that the program stores to its bytes
 * while they are still in the processor's cache; above, steps grow with the arena, so that there
 * are few views.
 */
static size_t arena_read_write_end(size_t limit, size_t needed) {
    bool is_small = needed <= ARENA_HUGE_PAGE - HF_IMAGE_AREA;
    size_t step = is_small ? HF_KIB(512) : ARENA_HUGE_PAGE;
    while (is_small && step > HF_KIB(64) && step > limit / 2) step /= 2;
    size_t usual = hf_larger(step, hf_smaller(limit / 512, HF_MIB(64)));
    size_t end = hf_larger(needed, limit + usual - (step - 1));
    return hf_round_up(HF_IMAGE_AREA + end, step) - HF_IMAGE_AREA;
}

/* True if a huge page would cost memory: with HF_HUGE_AUTO, if less than 20 MiB are used, and if as
 * much was never committed before. Populated memory takes its bytes in any case. */
static bool arena_spares_huge_pages(const hf_arena_core *core, size_t needed) {
    return core->options.huge_pages == HF_HUGE_AUTO && !core->options.populate &&
           needed < ARENA_HUGE_WORTH && needed > hf_larger(core->limit, core->trimmed_from);
}

/*
 * The end of a growth step where huge pages would cost memory. The kernel uses a huge page for 2
 * MiB that are writable as a whole at the first store to them. If a step ends within them, they get
 * small pages: the first store comes before the next step.
 *
 *      | small pages |   huge page    |  small pages   |  small pages   |
 *      0          192 KiB         2.2 MiB          4.2 MiB          6.2 MiB
 *                    ^                ^       ^1               ^1                ends of steps
 *
 *   1  the middle; where one request ends beyond the middle of 2 MiB that are new, its end. So the
 *      2 MiB that a request fills get a huge page.
 *
 * The first 2 MiB behind a few small pages get one in any case: it saves 511 page faults.
 */
static size_t arena_sparing_end(const hf_arena_core *core, size_t limit, size_t needed) {
    size_t first = core->small_end + ARENA_HUGE_PAGE, middle = ARENA_HUGE_PAGE / 2;
    if (core->small_end <= ARENA_FEW_SMALL && needed <= first) return first;
    size_t from = arena_align_up(core, needed, ARENA_HUGE_PAGE) - ARENA_HUGE_PAGE;
    if (needed <= from + middle) return from + middle;
    return limit > from ? from + ARENA_HUGE_PAGE + middle : hf_round_up(needed, core->page_size);
}

/* The end of the growth step that follows `limit`. Small steps come first, so that a small arena
 * stays small; then half of what is committed, between 2 and 64 MiB, up to a huge page boundary.
 * Above 512 MiB a step is an eighth of what is committed: so the number of steps is logarithmic. */
static size_t arena_policy_end(const hf_arena_core *core, size_t limit, size_t needed) {
    size_t half = limit / 2, most = hf_larger(HF_MIB(64), limit / 8), end;
    if (hf_is_read_write(core)) {
        end = arena_read_write_end(limit, needed);
    } else if (needed <= core->small_end) {
        end = hf_larger(needed, limit + arena_clamp(half, HF_KIB(64), HF_MIB(2)));
        end = hf_smaller(hf_round_up(end, core->page_size), core->small_end);
    } else if (arena_spares_huge_pages(core, needed)) {
        end = arena_sparing_end(core, limit, needed);
    } else {
        end = hf_larger(needed, limit + arena_clamp(half, HF_MIB(2), most));
        end = arena_align_up(core, end, ARENA_HUGE_PAGE);
    }
    return hf_smaller(end, core->reserved);
}

/* The end of the next growth step. After a trim a step does not commit more than was committed
 * before that trim, unless more is needed. */
static size_t arena_step_end(const hf_arena_core *core, size_t needed) {
    size_t end = arena_policy_end(core, core->limit, needed);
    return needed <= core->trimmed_from ? hf_smaller(end, core->trimmed_from) : end;
}

/* True if [limit, reserved) is one placeholder: false only after an undo failed. With
 * fault_after_rewind it may begin below limit. */
static bool arena_is_placeholder_whole(const hf_arena_core *core) {
    hf_region behind = {0};
    if (core->limit == core->reserved) return true;
    hf_arena_find_region(core, core->limit, &behind);
    return behind.kind == HF_PLACEHOLDER && behind.offset + behind.size == core->reserved;
}

/* Makes [limit, reserved) one placeholder again: after an undo failed there may be several
 * placeholders and committed regions. */
static hf_status arena_restore_placeholder(hf_arena_core *core) {
    hf_status status = HF_OK;
    if (!arena_is_placeholder_whole(core))
        status = hf_arena_release_range(core, core->limit, core->reserved - core->limit);
    if (status == HF_OK) core->left_behind = 0;
    return status;
}

hf_status hf_arena_perform_step(hf_arena_core *core, size_t size, hf_arena_step *step) {
    hf_status status = step(core, size);
    if (status != HF_WRONG_STATE) return status;
    status = arena_restore_placeholder(core);
    return status == HF_OK ? step(core, size) : status;
}

static hf_status arena_commit_once(hf_arena_core *core, size_t size) {
    return hf_arena_commit_range(core, core->limit, size);
}

/* Commits or maps `size` bytes at limit. */
static hf_status arena_run_step(hf_arena_core *core, size_t size) {
    assert(size > 0 && (size & (core->page_size - 1)) == 0);
    assert(core->limit <= core->reserved && size <= core->reserved - core->limit);
    if (hf_is_read_write(core)) return hf_image_map_step(core, size);
    return hf_arena_perform_step(core, size, arena_commit_once);
}

static hf_status arena_populate(hf_arena_core *core, size_t size) {
    hf_status status = hf_arena_advise_range(core, core->limit, size, HF_ADVISE_POPULATE);
    if (status == HF_OK || status == HF_UNSUPPORTED) return HF_OK;
    hf_error error = hf_last_error();
    /* If this fails, too, the next growth or trim repeats it. */
    if (hf_arena_release_range(core, core->limit, size) != HF_OK) {
        core->left_behind = size;
        error.undo_failed = true;
    }
    return hf_fail_with(error);
}

static hf_advice arena_advice(const hf_arena_core *core) {
    return core->options.huge_pages == HF_HUGE_NEVER ? HF_ADVISE_NO_HUGE : HF_ADVISE_HUGE;
}

/* Advises the system about huge pages in [from, to). If this fails there are more page faults, and
 * nothing else changes. */
static void arena_advise(const hf_arena_core *core, size_t from, size_t to) {
    from = hf_larger(from, core->huge_from);
    if (from >= to) return;
    hf_error before = hf_last_error();
    hf_arena_advise_range(core, from, to - from, arena_advice(core));
    hf_fail_with(before);
}

static void arena_advise_all(hf_arena_core *core) {
    core->is_advised = true;
    arena_advise(core, core->limit, core->reserved);
}

/* HF_HUGE_AUTO: advises once, before the arena grows beyond the small steps, so that an arena that
 * stays small makes no system call for it. Views of a read-write image are not private memory. */
static void arena_advise_once(hf_arena_core *core, size_t end) {
    if (core->is_advised || end <= core->small_end || hf_is_read_write(core)) return;
    arena_advise_all(core);
}

#ifndef NDEBUG
/* True if the last region below limit is committed or a view, and ends at limit. Skipped with
 * fault_after_rewind, which releases pages below pos. */
static bool arena_is_backed(const hf_arena_core *core) {
    hf_region last = {0};
    if (core->limit == 0 || core->options.fault_after_rewind) return true;
    return hf_arena_find_region(core, core->limit - 1, &last) && last.kind != HF_PLACEHOLDER &&
           last.offset + last.size == core->limit;
}
#endif

static hf_status arena_grow_to(hf_arena_core *core, size_t end) {
    assert(core->limit < end && end <= core->reserved);
    size_t size = end - core->limit;
    arena_advise_once(core, end);
    hf_status status = arena_run_step(core, size);
    if (status == HF_OK && core->options.populate && !hf_is_read_write(core))
        status = arena_populate(core, size);
    if (status != HF_OK) return status;
    if (core->is_sanitized) hf_poison(arena_at(core, core->limit), size);
    core->limit = end;
    core->growths++;
    assert(arena_is_backed(core));
    return HF_OK;
}

/* Grows to `end` after a larger step failed. If this fails too, the last error tells whether what
 * the larger step left is still there. */
static hf_status arena_grow_again(hf_arena_core *core, size_t end) {
    bool undo_failed = hf_last_error().undo_failed;
    hf_status status = arena_grow_to(core, end);
    if (status == HF_OK || !undo_failed || arena_is_placeholder_whole(core)) return status;
    hf_error error = hf_last_error();
    error.undo_failed = true;
    return hf_fail_with(error);
}

/* Moves limit to `needed` or above. If a whole step fails, tries exactly what is needed. */
static hf_status arena_grow(hf_arena_core *core, size_t needed) {
    if (needed <= core->limit) return HF_OK;
    hf_error before = hf_last_error();
    size_t end = arena_step_end(core, needed), exact = hf_round_up(needed, core->page_size);
    hf_status status = arena_grow_to(core, end);
    if (status != HF_OK && exact < end) status = arena_grow_again(core, exact);
    assert(status != HF_OK || (needed <= core->limit && core->limit <= core->reserved));
    return hf_restore_error(status, before);
}

/* Makes [from, from + size) usable; from <= core->reserved. */
static hf_status arena_make_room(hf_arena_core *core, size_t from, size_t size, const char *call) {
    assert(from <= core->reserved);
    if (size > core->reserved - from) return hf_fail(HF_RESERVE_FULL, call, from, size);
    return arena_grow(core, from + size);
}

/* ----------------------------------------------------- poisoning -------------------- */

/* The bytes that a block of `size` bytes uses: under a sanitizer a red zone follows the block. */
static size_t arena_footprint(const hf_arena_core *core, size_t size) {
    if (!core->is_sanitized || size > SIZE_MAX - 2 * HF_RED_ZONE) return size;
    return hf_round_up(size, HF_SANITIZER_ALIGNMENT) + HF_RED_ZONE;
}

/* Unpoisons a new block. Those of its bytes that hf_peek returned keep their contents, the others
 * become uninitialized. Bytes that hf_peek returned behind the block are poisoned again. */
static void arena_unpoison_block(hf_arena_core *core, size_t block, size_t size) {
    if (!core->is_sanitized) return;
    size_t end = block + size, from = hf_larger(core->peek_end, block);
    if (end > from)
        hf_unpoison_uninitialized(arena_at(core, from), end - from);
    else
        hf_poison(arena_at(core, end), from - end);
    core->peek_end = 0;
}

/* ---------------------------------------------------- allocating -------------------- */

static bool arena_is_alignment(size_t align) {
    return (align & (align - 1)) == 0 && align - 1 < HF_MAX_ALIGNMENT;
}

static void *arena_allocate(hf_arena *arena, size_t size, size_t align) {
    hf_arena_core *core = hf_core_of(arena);
    if (core->is_sanitized) align = hf_larger(align, HF_SANITIZER_ALIGNMENT);
    size_t pad = (0 - (uintptr_t)arena->pos) & (align - 1);
    size_t room = core->reserved - arena_used(arena), bytes = arena_footprint(core, size);
    if (pad > room || bytes > room - pad) {
        hf_fail(HF_RESERVE_FULL, "hf_alloc", arena_used(arena), size);
        return NULL;
    }
    size_t block = arena_used(arena) + pad;
    if (arena_grow(core, block + bytes) != HF_OK) return NULL;
    arena_unpoison_block(core, block, size);
    hf_arena_set_pos(arena, block + bytes);
    assert(align == 0 || ((uintptr_t)arena_at(core, block) & (align - 1)) == 0);
    return arena_at(core, block);
}

void *hf_alloc_slow(hf_arena *arena, size_t size, size_t align) {
    if (!arena_is_alignment(align)) return hf_arena_fail(arena, "hf_alloc", size);
    if (arena->state == NULL && hf_arena_open_lazily(arena, "hf_alloc", size) != HF_OK) return NULL;
    assert(arena_is_sound(arena));
    hf_error before = hf_last_error();
    void *block;
    do {
        block = arena_allocate(arena, size, align);
    } while (block == NULL && arena_call_on_failure(arena, size));
    if (block) hf_fail_with(before);
    return block;
}

/* Zeroes bytes of a new block: those above the high-water mark are zero already. */
static void arena_zero_bytes(const hf_arena_core *core, char *bytes, size_t size) {
    size_t offset = (size_t)(bytes - core->state.base);
    if (core->is_sanitized) hf_unpoison_initialized(bytes, size);
    if (offset < core->high_water) memset(bytes, 0, hf_smaller(size, core->high_water - offset));
}

void *hf_alloc_zeroed(hf_arena *arena, size_t size, size_t align) {
    char *block = hf_alloc(arena, size, align);
    if (block) arena_zero_bytes(hf_core_of(arena), block, size);
    return block;
}

void *hf_alloc_array(hf_arena *arena, size_t count, size_t size, size_t align) {
    bool wraps = size > 0 && count > SIZE_MAX / size;
    return hf_alloc_zeroed(arena, wraps ? SIZE_MAX : count * size, align);
}

/* ----------------------------------------------------- extending -------------------- */

bool hf_arena_is_block(const hf_arena *arena, const void *block, size_t size) {
    if (arena->state == NULL) return false;
    uintptr_t offset = (uintptr_t)block - (uintptr_t)arena->state->base;
    return offset <= arena_used(arena) && size <= arena_used(arena) - offset;
}

/* A view cannot grow and shrink: block >= core->views_end. A block that was freed (extended to 0
 * bytes) begins at pos, because its red zone was freed too. */
static bool arena_is_last_block(const hf_arena *arena, size_t block, size_t size) {
    const hf_arena_core *core = hf_core_of(arena);
    bool was_freed = size == 0 && block == arena_used(arena);
    return (was_freed || block + arena_footprint(core, size) == arena_used(arena)) &&
           block >= core->views_end;
}

bool hf_arena_is_last_block(const hf_arena *arena, const void *block, size_t size) {
    return hf_arena_is_block(arena, block, size) &&
           arena_is_last_block(arena, (size_t)((const char *)block - arena->state->base), size);
}

static void arena_update_peaks(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    size_t highest = arena_used(arena);
    core->high_water = hf_larger(core->high_water, highest);
    core->peak = hf_larger(core->peak, highest);
    core->recent_peak = hf_larger(core->recent_peak, highest);
}

/* Bytes from `offset` on are no longer allocated: removes a root there, and records the offset for
 * arena_allocate_for_copy. */
static void arena_forget_above(hf_arena_core *core, size_t offset) {
    if (core->root > offset) core->root = 0;
    core->lowest_pos = hf_smaller(core->lowest_pos, offset);
}

static void arena_shrink_last_block(hf_arena *arena, size_t block, size_t new_size) {
    hf_arena_core *core = hf_core_of(arena);
    size_t end = block + new_size;
    assert(end <= arena_used(arena));
    arena_update_peaks(arena);
    arena_forget_above(core, end);
    if (core->is_sanitized)
        hf_poison(arena_at(core, end), hf_larger(arena_used(arena), core->peek_end) - end);
    core->peek_end = 0;
    hf_arena_set_pos(arena, new_size == 0 ? block : block + arena_footprint(core, new_size));
}

static bool arena_grow_last_block(hf_arena *arena, size_t block, size_t old_size, size_t new_size) {
    hf_arena_core *core = hf_core_of(arena);
    if (arena_make_room(core, block, arena_footprint(core, new_size), "hf_extend") != HF_OK)
        return false;
    size_t from = block + old_size, end = block + new_size;
    size_t red_zone_end = hf_smaller(end, arena_used(arena));
    if (core->is_sanitized) hf_unpoison_uninitialized(arena_at(core, from), red_zone_end - from);
    arena_unpoison_block(core, from, end - from);
    hf_arena_set_pos(arena, block + arena_footprint(core, new_size));
    return true;
}

bool hf_extend(hf_arena *arena, void *block, size_t old_size, size_t new_size) {
    if (!hf_arena_is_block(arena, block, old_size)) {
        hf_fail(HF_INVALID, "hf_extend", arena_used(arena), new_size);
        return false;
    }
    assert(arena_is_sound(arena));
    if (hf_image_check_owner(hf_core_of(arena), "hf_extend") != HF_OK) return false;
    size_t offset = (size_t)((char *)block - arena->state->base);
    bool last = arena_is_last_block(arena, offset, old_size);
    if (last && new_size > old_size)
        return arena_grow_last_block(arena, offset, old_size, new_size);
    if (last && new_size < old_size) arena_shrink_last_block(arena, offset, new_size);
    if (new_size <= old_size) return true;
    hf_fail_because(HF_WRONG_STATE, "hf_extend", "the block is not the last one", offset, new_size);
    return false;
}

bool hf_extend_zeroed(hf_arena *arena, void *block, size_t old_size, size_t new_size) {
    if (!hf_extend(arena, block, old_size, new_size)) return false;
    if (new_size > old_size)
        arena_zero_bytes(hf_core_of(arena), (char *)block + old_size, new_size - old_size);
    return true;
}

/* ------------------------------------------------------- copying -------------------- */

bool hf_arena_is_peek_current(const hf_arena *arena) {
    const hf_arena_core *core = hf_core_of(arena);
    return core->peek_end > arena_used(arena) && core->peek_pos == arena_used(arena);
}

/* The offset of the source's end; 0 if the source is not in the arena. */
static size_t arena_source_end(const hf_arena *arena, const hf_arena_source *source) {
    size_t offset = (size_t)((uintptr_t)source->bytes - (uintptr_t)arena->state->base);
    return source->size > 0 && hf_owns(arena, source->bytes) ? offset + source->size : 0;
}

/* Allocates a block to copy the source into. If on_failure rewinds below the source's end, the
 * source must not be read: core->lowest_pos is below that end then. If on_failure closes the arena
 * and opens it again, the new core's lowest_pos is 0. */
static void *arena_allocate_for_copy(hf_arena *arena, const hf_arena_source *source, size_t size,
                                     size_t align) {
    size_t outer = hf_core_of(arena)->lowest_pos, end = arena_source_end(arena, source);
    bool is_gone;
    void *block = NULL;
    hf_core_of(arena)->lowest_pos = SIZE_MAX;
    do {
        is_gone = end > hf_core_of(arena)->lowest_pos;
        if (!is_gone) block = arena_allocate(arena, size, align);
    } while (!is_gone && block == NULL && arena_call_on_failure(arena, size));
    if (is_gone)
        hf_fail_because(HF_WRONG_STATE, source->call, "on_failure went back below the source",
                        end - source->size, size);
    if (arena->state)
        hf_core_of(arena)->lowest_pos = hf_smaller(outer, hf_core_of(arena)->lowest_pos);
    return block;
}

/* True if hf_alloc will need only its fast path. */
static bool arena_has_room(const hf_arena *arena, size_t size, size_t align) {
    size_t room = (size_t)(arena->limit - arena->pos);
    return room > align && size < room - align;
}

void *hf_arena_copy(hf_arena *arena, const hf_arena_source *source, size_t size, size_t align) {
    if (arena->state == NULL && hf_arena_open_lazily(arena, source->call, size) != HF_OK)
        return NULL;
    assert(arena_is_sound(arena) && source->size <= size);
    const hf_arena_core *core = hf_core_of(arena);
    bool is_shown = core->is_sanitized && hf_arena_is_peek_current(arena) &&
                    arena_source_end(arena, source) > arena_used(arena);
    hf_error before = hf_last_error();
    void *block = arena_has_room(arena, size, align)
                      ? hf_alloc(arena, size, align)
                      : arena_allocate_for_copy(arena, source, size, align);
    if (block == NULL) return NULL;
    hf_fail_with(before);
    if (is_shown)
        hf_copy_unsanitized(block, source->bytes, source->size);
    else if (source->size > 0)
        memmove(block, source->bytes, source->size);
    return block;
}

void *hf_realloc(hf_arena *arena, void *block, size_t old_size, size_t new_size, size_t align) {
    if (block == NULL) return hf_alloc(arena, new_size, align);
    if (!hf_arena_is_block(arena, block, old_size) || !arena_is_alignment(align))
        return hf_arena_fail(arena, "hf_realloc", new_size);
    hf_error before = hf_last_error();
    bool fits = new_size <= old_size || ((uintptr_t)block & (align - 1)) == 0;
    if (fits && hf_extend(arena, block, old_size, new_size)) return block;
    if (new_size <= old_size) return NULL; /* a forked child can't shrink a block of its parent's */
    hf_fail_with(before);
    return hf_arena_copy(arena, &(hf_arena_source){"hf_realloc", block, old_size}, new_size, align);
}

/* ------------------------------------------------------- peeking -------------------- */

/* The offset of the bytes that hf_peek returns: under a sanitizer blocks are aligned to
 * HF_SANITIZER_ALIGNMENT, and so is a peek. */
static size_t arena_peek_begin(hf_arena *arena) {
    const hf_arena_core *core = hf_core_of(arena);
    if (!core->is_sanitized) return arena_used(arena);
    return hf_smaller(hf_round_up(arena_used(arena), HF_SANITIZER_ALIGNMENT), core->reserved);
}

/* Returns the bytes from pos to limit, without a red zone. The program may write to all of them, so
 * the high-water mark rises to their end. */
static char *arena_begin_peek(hf_arena *arena, size_t *room) {
    hf_arena_core *core = hf_core_of(arena);
    size_t red_zone = arena_footprint(core, 0), size = core->limit - arena_used(arena);
    size = size > red_zone ? size - red_zone : 0;
    core->peek_pos = arena_used(arena);
    core->peek_end = arena_used(arena) + size;
    if (core->is_sanitized) hf_unpoison_uninitialized(arena->pos, size);
    core->high_water = hf_larger(core->high_water, core->peek_end);
    if (room) *room = size;
    return arena->pos;
}

char *hf_peek(hf_arena *arena, size_t least, size_t *room) {
    if (arena->state == NULL && hf_arena_open_lazily(arena, "hf_peek", least) != HF_OK) return NULL;
    assert(arena_is_sound(arena));
    hf_error before = hf_last_error();
    hf_status status;
    do {
        hf_arena_core *core = hf_core_of(arena);
        status =
            arena_make_room(core, arena_peek_begin(arena), arena_footprint(core, least), "hf_peek");
    } while (status != HF_OK && arena_call_on_failure(arena, least));
    if (hf_restore_error(status, before) != HF_OK) return NULL;
    hf_arena_set_pos(arena, arena_peek_begin(arena));
    return arena_begin_peek(arena, room);
}

hf_status hf_precommit(hf_arena *arena, size_t size) {
    hf_status status = HF_OK;
    if (arena->state == NULL) status = hf_arena_open_lazily(arena, "hf_precommit", size);
    if (status != HF_OK) return status;
    assert(arena_is_sound(arena));
    return arena_make_room(hf_core_of(arena), arena_used(arena), size, "hf_precommit");
}

/* ----------------------------------------------------- rewinding -------------------- */

void hf_arena_go_back(hf_arena *arena, size_t offset) {
    hf_arena_core *core = hf_core_of(arena);
    assert(offset <= arena_used(arena));
    arena_update_peaks(arena);
    arena_forget_above(core, offset);
    if (core->is_sanitized)
        hf_poison(arena_at(core, offset), hf_larger(arena_used(arena), core->peek_end) - offset);
    core->peek_end = 0;
    hf_arena_set_pos(arena, offset);
}

/* The lowest offset from `offset` on that fault_after_rewind may release: not in the view of the
 * image that a snapshot begins with, because a view is unmapped whole. */
static size_t arena_private_from(const hf_arena_core *core, size_t offset) {
    hf_region first = {0};
    hf_arena_find_region(core, 0, &first);
    bool is_image = first.kind == HF_VIEW && !hf_is_appended(&first);
    return is_image ? hf_larger(offset, first.size) : offset;
}

/*
 * With fault_after_rewind: whole pages above the mark and the views there become placeholder (p),
 * and pos stays behind them. If that fails, the highest view that is left stays known.
 *      |   allocated   |mark       pos|    ->    |   allocated   |  |ppppppppp|pos
 */
static hf_status arena_rewind_faulting(hf_arena *arena, size_t offset) {
    hf_arena_core *core = hf_core_of(arena);
    size_t from = arena_private_from(core, hf_round_up(offset, core->page_size));
    size_t to = hf_round_up(arena_used(arena), core->page_size);
    if (from >= to) {
        hf_arena_go_back(arena, hf_larger(offset, core->fault_end));
        return HF_OK;
    }
    hf_arena_go_back(arena, offset);
    hf_arena_set_pos(arena, to);
    assert(core->fault_end <= to); /* it never goes down */
    core->fault_end = to;
    hf_status status = hf_arena_release_range(core, from, to - from);
    if (core->views_end > offset) core->views_end = hf_arena_views_end_below(core, core->views_end);
    return status;
}

/* Moves pos down to the mark, or to the end of a view above it that could not be unmapped. */
static hf_status arena_free_above(hf_arena *arena, hf_mark mark) {
    hf_arena_core *core = hf_core_of(arena);
    if (core->options.fault_after_rewind) return arena_rewind_faulting(arena, mark);
    hf_status status = mark < core->views_end ? hf_arena_unmap_views(arena, mark) : HF_OK;
    if (core->views_end <= mark) hf_arena_go_back(arena, mark);
    return status;
}

/*
 * A call to make when the arena goes back below it. It is a block of the arena, allocated when
 * hf_defer was called:
 *
 *      |  data  |deferred|  allocated later  |pos        core->deferred is the highest one
 */
struct hf_deferred {
    hf_deferred *below; /* the one before */
    void (*function)(void *);
    void *data;
};

/* The end of the highest one. */
static size_t arena_deferred_end(const hf_arena_core *core) {
    return (size_t)((char *)(core->deferred + 1) - core->state.base);
}

/* Frees what lies above the highest deferred call, and makes the call. If that fails, the call
 * stays deferred. The function may leave by longjmp, and it may use the arena. */
static hf_status arena_run_deferred(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    hf_deferred call = *core->deferred;
    size_t end = arena_deferred_end(core);
    hf_status status = end < arena_used(arena) ? arena_free_above(arena, end) : HF_OK;
    if (status != HF_OK) return status;
    core->deferred = call.below;
    call.function(call.data);
    return HF_OK;
}

/* In a later run the function would not be there. */
static hf_status arena_fail_deferring(void) {
    return hf_fail_because(HF_UNSUPPORTED, "hf_defer", "the arena is an image", 0, 0);
}

hf_status hf_defer(hf_arena *arena, void (*function)(void *), void *data) {
    hf_status status = HF_OK;
    if (function == NULL) return hf_fail(HF_INVALID, "hf_defer", 0, 0);
    if (arena->state == NULL) status = hf_arena_open_lazily(arena, "hf_defer", 0);
    if (status != HF_OK) return status;
    if (hf_core_of(arena)->image) return arena_fail_deferring();
    hf_deferred *call = hf_alloc(arena, sizeof *call, HF_ALIGNOF(hf_deferred));
    if (call == NULL) return hf_last_error().status;
    hf_arena_core *core = hf_core_of(arena); /* on_failure may have opened another arena here */
    if (core->image) return arena_fail_deferring();
    *call = (hf_deferred){core->deferred, function, data};
    core->deferred = call;
    return HF_OK;
}

hf_status hf_rewind(hf_arena *arena, hf_mark mark) {
    if (hf_arena_is_lazy(arena) && mark == 0) return HF_OK;
    if (arena->state == NULL) return hf_fail(HF_INVALID, "hf_rewind", mark, 0);
    assert(arena_is_sound(arena));
    if (mark > arena_used(arena))
        return hf_fail_because(HF_INVALID, "hf_rewind", "the mark is above the position", mark, 0);
    hf_status status = hf_image_check_owner(hf_core_of(arena), "hf_rewind");
    if (status != HF_OK) return status;
    hf_arena_core *core = hf_core_of(arena);
    status = hf_arena_check_mark(core, mark);
    /* An old mark may lie within a call that was deferred later: that one must not stay. A deferred
     * call may go back below the mark, and append files there. */
    while (status == HF_OK && core->deferred && arena_deferred_end(core) > mark) {
        status = arena_run_deferred(arena);
        if (status == HF_OK) status = hf_arena_check_mark(core, mark);
    }
    if (status == HF_OK && mark <= arena_used(arena)) status = arena_free_above(arena, mark);
    return status;
}

/* For closing. Views, and pages that would fault, stay until the space is closed. */
static void arena_run_all_deferred(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    while (core->deferred) {
        hf_deferred call = *core->deferred;
        size_t end = arena_deferred_end(core);
        bool stays = core->options.fault_after_rewind || core->views_end > end;
        if (end < arena_used(arena) && !stays) hf_arena_go_back(arena, end);
        core->deferred = call.below;
        call.function(call.data);
    }
}

/* ------------------------------------------------------- freeing -------------------- */

void hf_free(hf_arena *arena, void *block, size_t size) {
    if (block == NULL) return;
    if (!hf_arena_is_block(arena, block, size)) {
        hf_fail(HF_INVALID, "hf_free", arena_used(arena), size);
        return;
    }
    assert(arena_is_sound(arena));
    const hf_arena_core *core = hf_core_of(arena);
    size_t offset = (size_t)((char *)block - core->state.base);
    if (hf_image_check_owner(core, "hf_free") != HF_OK) return;
    if (arena_is_last_block(arena, offset, size))
        arena_free_above(arena, offset);
    else if (core->is_sanitized)
        hf_poison(block, size);
}

/* ----------------------------------------------------- releasing -------------------- */

/* The end of the view that begins below `keep` and ends above it, else `keep`. */
static size_t arena_skip_view(const hf_arena_core *core, size_t keep) {
    hf_region region = {0};
    if (keep >= core->limit || !hf_arena_find_region(core, keep, &region)) return keep;
    return region.kind == HF_VIEW && region.offset < keep ? region.offset + region.size : keep;
}

/* Releases [from, limit). If only the coalescing failed, the memory is released nevertheless, and
 * limit moves. */
static hf_status arena_release_from(hf_arena_core *core, size_t from) {
    hf_region region = {0};
    hf_status status = hf_arena_release_range(core, from, core->limit - from);
    hf_arena_find_region(core, from, &region);
    bool is_released = region.kind == HF_PLACEHOLDER;
    if (is_released && region.offset + region.size >= core->limit) core->limit = from;
    return status;
}

/* The offset of the highest region below limit. */
static size_t arena_last_region(const hf_arena_core *core) {
    hf_region region = {0};
    assert(core->limit > 0);
    hf_arena_find_region(core, core->limit - 1, &region);
    return region.offset;
}

/* True if the system releases a run of regions as a whole or not at all. A backend that replaces a
 * function of the native one gets a call for each region, and each of them can fail. */
static bool arena_releases_runs(const hf_arena_core *core) {
    const hf_backend *native = hf_backend_native();
    return HF_HAS(core->backend, release_run) && core->backend->decommit == native->decommit &&
           core->backend->unmap == native->unmap;
}

/*
 * Releases [keep, limit), by one call for all regions where the system has one. Region by region
 * Linux keeps the page table of each 2 MiB in which a region ends, because the region below is
 * still there. When the arena grows again, 2 MiB that have a page table get no huge page.
 *
 *      |    2 MiB    |    2 MiB    |    2 MiB    |
 *      |   region   |  region  |      region     |
 *     keep          ^1         ^1              limit        1  page tables that would stay
 *
 * Otherwise, or if that call fails, releases region by region from the highest on, so that a failed
 * release leaves no hole below committed memory.
 */
static hf_status arena_release_above(hf_arena_core *core, size_t keep) {
    hf_error before = hf_last_error();
    hf_status status = HF_OK;
    if (core->limit > keep && arena_last_region(core) > keep && arena_releases_runs(core))
        status = arena_release_from(core, keep);
    if (core->limit <= keep) return status;
    do {
        status = arena_release_from(core, hf_larger(arena_last_region(core), keep));
    } while (status == HF_OK && core->limit > keep);
    return hf_restore_error(status, before);
}

/* Regions behind limit, which a failed growth could not release, come first. If limit moves below
 * pos, pos moves with it. */
hf_status hf_arena_release_beyond(hf_arena *arena, size_t keep) {
    hf_arena_core *core = hf_core_of(arena);
    size_t old_limit = core->limit;
    assert((keep & (core->page_size - 1)) == 0);
    arena_update_peaks(arena);
    hf_status status = arena_restore_placeholder(core);
    keep = arena_skip_view(core, keep);
    if (status == HF_OK) status = arena_release_above(core, keep);
    if (status == HF_OK) status = arena_restore_placeholder(core);
    assert(core->limit <= old_limit);
    assert(status != HF_OK || (core->limit <= keep && arena_is_placeholder_whole(core)));
    if (core->is_sanitized)
        hf_unpoison_initialized(arena_at(core, core->limit), old_limit - core->limit);
    if (core->is_advised) arena_advise(core, core->limit, old_limit);
    if (!hf_is_read_write(core)) core->high_water = hf_smaller(core->high_water, core->limit);
    core->peek_end = hf_smaller(core->peek_end, core->limit);
    if (arena_used(arena) > core->limit) arena_forget_above(core, core->limit);
    hf_arena_set_pos(arena, hf_smaller(arena_used(arena), core->limit));
    assert(hf_is_read_only(core) || arena_is_backed(core));
    return status;
}

hf_status hf_trim(hf_arena *arena, size_t keep) {
    if (hf_arena_is_lazy(arena)) return HF_OK;
    if (arena->state == NULL) return hf_fail(HF_INVALID, "hf_trim", 0, keep);
    hf_arena_core *core = hf_core_of(arena);
    assert(arena_is_sound(arena));
    hf_status status = hf_image_check_owner(core, "hf_trim");
    if (status != HF_OK) return status;
    size_t kept = hf_smaller(hf_larger(arena_used(arena), keep), core->limit), before = core->limit;
    status = hf_arena_release_beyond(arena, hf_round_up(kept, core->page_size));
    if (core->limit < before) core->trimmed_from = before;
    return status;
}

/* What a failed growth could not release, behind limit, is committed too. */
static size_t arena_committed(const hf_arena_core *core) {
    hf_region behind = {0};
    if (core->left_behind > 0) hf_arena_find_region(core, core->limit, &behind);
    return core->limit + (behind.kind == HF_COMMITTED ? behind.size : 0);
}

/* Keeps what the frames needed and the next growth step, so that a slightly larger frame makes no
 * system call. If releasing fails, the next hf_reset tries again: the work is done. */
static hf_status arena_trim_excess(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    size_t needed = hf_smaller(core->rule.needed, core->limit);
    size_t keep = hf_larger(arena_policy_end(core, needed, needed), core->options.retain);
    hf_status status = hf_trim(arena, keep);
    if (status == HF_OK) core->rule = (hf_reset_rule){0};
    return status;
}

hf_status hf_reset(hf_arena *arena) {
    if (hf_arena_is_lazy(arena)) return HF_OK;
    if (arena->state == NULL) return hf_fail(HF_INVALID, "hf_reset", 0, 0);
    hf_arena_core *core = hf_core_of(arena);
    hf_status status = hf_rewind(arena, 0);
    if (status != HF_OK) return status;
    hf_reset_rule_count(&core->rule, core->recent_peak, arena_committed(core));
    core->recent_peak = 0;
    if (hf_reset_rule_has_paid(&core->rule, arena_committed(core)))
        status = arena_trim_excess(arena);
    if (status == HF_OK) core->depth = 0;
    return status;
}

/* -------------------------------------------------------- scopes -------------------- */

/* Scope numbers never repeat: a scope that has ended is not mistaken for a later one of the same
 * depth. */
hf_scope hf_scope_begin(hf_arena *arena) {
    if (hf_arena_is_lazy(arena)) hf_arena_open_lazily(arena, "hf_scope_begin", 0);
    if (arena->state == NULL) return (hf_scope){.arena = arena};
    hf_arena_core *core = hf_core_of(arena);
    size_t depth = ++core->depth, number = ++core->newest_scope;
    if (depth <= HF_SCOPES_KNOWN) core->scopes[depth] = number;
    return (hf_scope){arena, arena_used(arena), depth, number};
}

static bool arena_is_scope_open(const hf_scope *scope) {
    if (scope->arena == NULL || scope->arena->state == NULL) return false;
    const hf_arena_core *core = hf_core_of(scope->arena);
    return scope->depth > 0 && scope->depth <= core->depth &&
           (scope->depth > HF_SCOPES_KNOWN || core->scopes[scope->depth] == scope->number);
}

hf_status hf_scope_end(hf_scope scope) {
    if (!arena_is_scope_open(&scope))
        return hf_fail_because(HF_WRONG_STATE, "hf_scope_end", "the scope has ended already",
                               scope.mark, 0);
    hf_status status = hf_rewind(scope.arena, scope.mark);
    hf_arena_core *core = hf_core_of(scope.arena);
    if (status == HF_OK && core->depth >= scope.depth) core->depth = scope.depth - 1;
    return status;
}

/* ---------------------------------------------------------- refs -------------------- */

hf_ref hf_to_ref(const hf_arena *arena, const void *pointer) {
    if (pointer == NULL) return 0;
    size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)hf_arena_base(arena));
    uint64_t ref = 1 + (uint64_t)offset / 8;
    if (!hf_arena_is_block(arena, pointer, 0) || offset % 8 != 0 || ref > UINT32_MAX) {
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

/* ---------------------------------------------------- statistics -------------------- */

hf_arena_stats hf_arena_get_stats(const hf_arena *arena) {
    if (arena->state == NULL) return (hf_arena_stats){0};
    const hf_arena_core *core = hf_core_of(arena);
    hf_space_stats space = hf_space_get_stats(core->space);
    if (core->pool) {
        space.committed_bytes = hf_arena_count_bytes(core, HF_COMMITTED);
        space.view_bytes = hf_arena_count_bytes(core, HF_VIEW);
    }
    size_t system_calls = core->own_calls;
    for (size_t step = 0; step < HF_STEPS; step++) system_calls += space.system_calls[step];
    return (hf_arena_stats){
        .used = arena_used(arena),
        .committed = space.committed_bytes,
        .reserved = core->reserved,
        .peak = hf_larger(core->peak, arena_used(arena)),
        .high_water = hf_larger(core->high_water, arena_used(arena)),
        .growths = core->growths,
        .system_calls = system_calls,
        .viewed = space.view_bytes,
    };
}

/* ------------------------------------------- opening and closing -------------------- */

_Static_assert(offsetof(hf_arena_options, unused) + sizeof(((hf_arena_options *)0)->unused) ==
                   sizeof(hf_arena_options),
               "padding at the end of options would be taken for options of a later version");

hf_status hf_arena_read_options(hf_arena_options *options, const hf_arena_options *given,
                                size_t size, const char *call) {
    *options = (hf_arena_options){0};
    return hf_read_options(options, offsetof(hf_arena_options, unused), given, size, call);
}

hf_status hf_arena_check_options(const hf_arena_options *options, const char *call) {
    size_t reserve = options->reserve;
    bool is_reserve = reserve == 0 || options->least_reserve <= reserve;
    bool is_base = (uintptr_t)options->base % HF_ALLOCATION_GRANULARITY == 0;
    bool is_mode = options->huge_pages == HF_HUGE_AUTO || options->huge_pages == HF_HUGE_NEVER ||
                   options->huge_pages == HF_HUGE_ALWAYS;
    bool is_pool = options->pool == NULL || hf_pool_allows(options->pool, options);
    if (!is_reserve || !is_base || !is_mode || !is_pool)
        return hf_fail(HF_INVALID, call, 0, reserve);
    return hf_check_backend(options->backend, call);
}

/* An arena that is being opened. Its record comes with the space. */
typedef struct arena_opening {
    const hf_arena_options *options;
    const hf_backend *backend;
    hf_space *space;
    hf_space_record record;
} arena_opening;

/* HF_HUGE_ALWAYS needs a space that is aligned to a huge page. */
static hf_status arena_open_space(arena_opening *opening) {
    const hf_arena_options *options = opening->options;
    hf_space_options wanted = {
        .base = options->base, .name = options->name, .backend = opening->backend};
    opening->record.size = sizeof(hf_arena_core);
    opening->record.is_apart = options->huge_pages == HF_HUGE_ALWAYS;
    return hf_budget_open(&opening->space, options->reserve, options->least_reserve, &wanted,
                          &opening->record);
}

static void arena_init(hf_arena_core *core) {
    uintptr_t base = (uintptr_t)hf_space_base(core->space) + core->origin;
    bool always = core->options.huge_pages == HF_HUGE_ALWAYS;
    core->state.base = hf_space_base(core->space) + core->origin;
    core->is_sanitized = hf_is_under_sanitizer();
    core->small_end = always ? 0 : ARENA_HUGE_PAGE - (base & (ARENA_HUGE_PAGE - 1));
    if (!always && core->small_end < ARENA_FEW_SMALL / 2) core->small_end += ARENA_HUGE_PAGE;
    core->huge_from = always ? arena_align_up(core, 0, ARENA_HUGE_PAGE) : core->small_end;
    if (core->options.huge_pages == HF_HUGE_NEVER) core->huge_from = 0;
}

static hf_arena_core *arena_init_core(const arena_opening *opening) {
    hf_arena_core *core = opening->record.address;
    core->space = opening->space;
    core->backend = opening->backend;
    core->options = *opening->options;
    core->page_size = hf_space_page_size(opening->space);
    core->reserved = hf_space_size(opening->space);
    core->mode = HF_MODE_PRIVATE;
    arena_init(core);
    return core;
}

static hf_status arena_open_core(hf_arena *arena, const hf_arena_options *options) {
    arena_opening opening = {.options = options, .backend = hf_backend_or_native(options->backend)};
    hf_status status = arena_open_space(&opening);
    if (status != HF_OK) return status;
    hf_arena_core *core = arena_init_core(&opening);
    if (options->huge_pages != HF_HUGE_AUTO) arena_advise_all(core);
    hf_register_root(core, sizeof *core); /* options.user may be the only pointer to a block */
    if (options->reserve == 0) core->budgeted = hf_budget_spend(core->reserved);
    arena->state = &core->state;
    hf_arena_set_pos(arena, 0);
    return HF_OK;
}

/* ------------------------------------------------ arenas of a pool -------------------- */

/* The first opening of one of the pool's arenas. The pool has advised about huge pages. */
static void arena_init_pooled(hf_arena_core *core) {
    core->page_size = core->backend->page_size(core->backend);
    core->options.huge_pages = hf_pool_huge_pages(core->pool);
    arena_init(core);
    core->is_advised = true;
    core->huge_from = core->reserved > ARENA_HUGE_PAGE ? 0 : core->reserved;
}

/* Limit, the high-water mark and what hf_reset has learnt about the memory that is needed stay, so
 * do the numbers of scopes, which never repeat. */
static void arena_renew(hf_arena_core *core, const hf_arena_options *options) {
    core->options = *options;
    core->options.huge_pages = hf_pool_huge_pages(core->pool);
    core->peak = core->growths = 0;
    core->depth = 0;
    core->lowest_pos = 0;
    core->root = 0;
}

static hf_status arena_open_pooled(hf_arena *arena, const hf_arena_options *options) {
    hf_arena_core *core = hf_pool_take(options->pool);
    if (core == NULL)
        return hf_fail_because(HF_RESERVE_FULL, "hf_arena_open", "all arenas of the pool are open",
                               0, 0);
    if (core->state.base == NULL) arena_init_pooled(core);
    arena_renew(core, options);
    arena->state = &core->state;
    hf_arena_set_pos(arena, 0);
    return HF_OK;
}

/* Pages that fault since a rewind lie below limit, so all memory goes back. */
static hf_status arena_release_faulting(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    core->options.fault_after_rewind = false;
    core->fault_end = core->views_end = 0;
    hf_arena_go_back(arena, 0);
    core->recent_peak = 0;
    core->rule = (hf_reset_rule){0}; /* nothing stays that it would be about */
    return hf_arena_release_beyond(arena, 0);
}

/* Empties the arena. What is committed stays, or goes back by the rule of hf_reset. True if the
 * pool can open it again. */
static bool arena_empty(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    hf_error before = hf_last_error();
    hf_arena_free_text_pages(core);
    core->options.retain = hf_pool_keep(core->pool);
    bool is_empty;
    if (core->options.fault_after_rewind) {
        is_empty = arena_release_faulting(arena) == HF_OK;
    } else { /* if only giving memory back failed, the arena is empty */
        hf_reset(arena);
        is_empty = arena_used(arena) == 0 && core->views_end == 0;
    }
    hf_fail_with(before);
    return is_empty;
}

static void arena_close_pooled(hf_arena *arena) {
    hf_arena_core *core = hf_core_of(arena);
    arena_update_peaks(arena);
    size_t used = core->peak;
    if (arena_empty(arena))
        hf_pool_give(core->pool, core, used);
    else
        hf_pool_lose(core->pool);
    *arena = (hf_arena){0};
}

hf_status hf_arena_trim_closed(hf_arena_core *core, size_t keep) {
    hf_arena arena = {.state = &core->state};
    hf_arena_set_pos(&arena, 0);
    return hf_arena_release_beyond(&arena, keep);
}

hf_status hf_arena_open_sized(hf_arena *arena, const hf_arena_options *options, size_t size) {
    hf_arena_options known;
    *arena = (hf_arena){0};
    hf_status status = hf_arena_read_options(&known, options, size, "hf_arena_open");
    if (status == HF_OK) status = hf_arena_check_options(&known, "hf_arena_open");
    if (status != HF_OK) return status;
    return known.pool ? arena_open_pooled(arena, &known) : arena_open_core(arena, &known);
}

char hf_arena_unopened;

hf_status hf_arena_open_lazily(hf_arena *arena, const char *call, size_t size) {
    assert(arena->state == NULL);
    if (!hf_arena_is_lazy(arena)) return hf_fail(HF_INVALID, call, 0, size);
    hf_status status = hf_arena_open(arena, NULL);
    if (status != HF_OK) *arena = (hf_arena)HF_ARENA_LAZY;
    return status;
}

/* The views are unmapped before the file is truncated; the core is in the space's pages. */
static void arena_close_image(const hf_arena_core *core, bool is_synced) {
    hf_arena_core closed = *core;
    hf_space_close(closed.space);
    hf_arena_close_image(&closed, is_synced);
}

void hf_arena_close(hf_arena *arena) {
    if (arena == NULL) return;
    if (hf_arena_is_lazy(arena)) *arena = (hf_arena){0};
    if (arena->state == NULL) return;
    hf_arena_core *core = hf_core_of(arena);
    assert(core->limit <= core->reserved);
    arena_run_all_deferred(arena);
    if (core->pool) {
        arena_close_pooled(arena);
        return;
    }
    if (core->is_sanitized) hf_unpoison_initialized(core->state.base, core->limit);
    hf_arena_free_text_pages(core);
    bool is_synced = hf_is_read_write(core) && hf_arena_sync(arena) == HF_OK;
    hf_unregister_root(core, sizeof *core);
    hf_budget_return(core->budgeted);
    if (core->image)
        arena_close_image(core, is_synced);
    else
        hf_space_close(core->space); /* frees the core */
    *arena = (hf_arena){0};
}
