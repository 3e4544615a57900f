/*
 * heap_large.c -- the large blocks of a heap: regions of its space, with a placeholder between any
 * two of them.
 *
 *      | units |       | large |           | large |       | idle |         |
 *
 * The space's map is the record of large blocks: a block is what is committed from a placeholder's
 * end on. (On Windows a block that has grown is several regions.) A new block is committed in the
 * middle of a large placeholder, so that it has room to grow.
 *
 * A block that is freed stays committed, idle, for the next one of about its size or up to twice as
 * large, for which it grows, until the heap has allocated 64 times its bytes without it, or newer
 * ones take its place.
 */
#include <holdfast/heap.h>

#include <assert.h>

#include "heap_core.h"
#include "pages.h"

#define LARGE_HUGE_FROM HF_MIB(2)   /* bytes: HF_HUGE_AUTO */
#define LARGE_IDLE_LEAST HF_MIB(32) /* bytes of all idle blocks, whatever is allocated */
#define LARGE_ALIGNMENT HF_MIB(2)
#define LARGE_FEW ((size_t)16) /* blocks */
#define LARGE_SAMPLES 8

/* Large blocks lie behind it. */
static size_t large_units_end(const hf_heap_core *core) {
    size_t units = hf_larger(core->units_committed, core->units_left);
    return core->units_offset + units * HF_HEAP_UNIT;
}

static size_t large_offset_of(const hf_heap_core *core, const void *address) {
    return (size_t)((uintptr_t)address - (uintptr_t)hf_space_base(core->space));
}

static bool large_is_placeholder(const hf_heap_core *core, size_t offset) {
    hf_region region;
    return hf_space_find(core->space, offset, &region) && region.kind == HF_PLACEHOLDER;
}

/* Bytes that are committed from an offset on, which is the end of a placeholder; else 0. */
static size_t large_extent(const hf_heap_core *core, size_t offset) {
    hf_region region;
    if (offset < large_units_end(core) || offset == 0 || offset >= core->reserved ||
        !large_is_placeholder(core, offset - 1) || !hf_space_find(core->space, offset, &region) ||
        region.offset != offset)
        return 0;
    size_t end = offset;
    do {
        if (region.kind != HF_COMMITTED) break;
        end = region.offset + region.size;
    } while (hf_space_next(core->space, &region));
    return end - offset;
}

/* ----------------------------------------------------------------- idle blocks ---------- */

/* Releases a range, of several regions perhaps; *left is how many of its last bytes are still
 * committed if that fails. */
static hf_status large_release_range(hf_heap_core *core, size_t offset, size_t size, size_t *left) {
    hf_status status = hf_space_release_range(core->space, offset, size);
    size_t at = offset, end = offset + size;
    hf_region region;
    while (at < end && hf_space_find(core->space, at, &region) && region.kind == HF_PLACEHOLDER)
        at = hf_smaller(region.offset + region.size, end);
    *left = end - at;
    return status;
}

/* What is left of a block that was released in part is still idle. */
static hf_status large_release(hf_heap_core *core, heap_idle *idle) {
    size_t left;
    hf_status status = large_release_range(core, idle->offset, idle->size, &left);
    core->idle_bytes -= idle->size - left;
    *idle = (heap_idle){idle->offset + (idle->size - left), left, idle->since};
    core->purges += left == 0;
    return status;
}

/* The block that has been idle for the longest time; NULL: there is none. */
static heap_idle *large_oldest(hf_heap_core *core) {
    heap_idle *oldest = NULL;
    for (size_t i = 0; i < HEAP_IDLE; i++) {
        heap_idle *idle = &core->idle[i];
        if (idle->size == 0) continue;
        if (oldest == NULL || core->work - idle->since > core->work - oldest->since) oldest = idle;
    }
    return oldest;
}

hf_status hf_heap_trim_idle(hf_heap_core *core, size_t keep) {
    hf_status status = HF_OK;
    while (status == HF_OK && core->idle_bytes > keep)
        status = large_release(core, large_oldest(core));
    return status;
}

void hf_heap_purge_idle(hf_heap_core *core) {
    heap_idle *oldest = large_oldest(core);
    if (oldest == NULL) return;
    size_t units = oldest->size / HF_HEAP_UNIT;
    if (core->work - oldest->since >= units * (size_t)HEAP_WORK_FOR_A_BYTE)
        large_release(core, oldest);
}

/* A slot for an idle block: an unused one, or that of the oldest block, which is released. NULL:
 * releasing failed. */
static heap_idle *large_take_slot(hf_heap_core *core) {
    for (size_t i = 0; i < HEAP_IDLE; i++)
        if (core->idle[i].size == 0) return &core->idle[i];
    heap_idle *oldest = large_oldest(core);
    return large_release(core, oldest) == HF_OK ? oldest : NULL;
}

/* Keeps a block that is freed. Idle blocks have at most `most` bytes: older ones are released
 * first. False: that failed, no slot is left, and the block cannot be released either. */
static bool large_retire(hf_heap_core *core, size_t offset, size_t size, size_t most) {
    hf_error before = hf_last_error();
    heap_idle *slot = large_take_slot(core);
    bool is_done = slot != NULL;
    if (slot == NULL) {
        is_done = hf_space_release_range(core->space, offset, size) == HF_OK;
    } else {
        *slot = (heap_idle){offset, size, core->work};
        core->idle_bytes += size;
        hf_heap_trim_idle(core, most);
    }
    core->has_large_left |= !is_done;
    hf_fail_with(before);
    return is_done;
}

/* Releases what a block has beyond `size` bytes if it is worth a system call. Returns the bytes
 * that the block has now. What a failure leaves of several regions becomes an idle block. */
static size_t large_cut(hf_heap_core *core, size_t offset, size_t extent, size_t size) {
    if (extent - size < extent / 8 || extent == size) return extent;
    hf_error before = hf_last_error();
    size_t left;
    large_release_range(core, offset + size, extent - size, &left);
    hf_fail_with(before);
    if (left == extent - size) return extent;
    if (left > 0) large_retire(core, offset + extent - left, left, SIZE_MAX);
    return size;
}

/* The smallest idle block of `size` to 2 * size bytes; NULL: none. */
static heap_idle *large_find_fit(hf_heap_core *core, size_t size, size_t align) {
    heap_idle *best = NULL;
    for (size_t i = 0; i < HEAP_IDLE; i++) {
        heap_idle *idle = &core->idle[i];
        uintptr_t address = (uintptr_t)hf_space_base(core->space) + idle->offset;
        if (idle->size < size || idle->size / 2 > size || address % align != 0) continue;
        if (best == NULL || idle->size < best->size) best = idle;
    }
    return best;
}

/* ------------------------------------------------------------------- placing ------------ */

typedef struct large_hole {
    size_t offset, size; /* of a placeholder, in bytes */
} large_hole;

/* The units grow into it. */
static bool large_is_behind_units(const hf_heap_core *core, large_hole hole) {
    return hole.offset == large_units_end(core);
}

/* The placeholder behind the units comes last. */
static size_t large_worth(const hf_heap_core *core, large_hole hole) {
    return large_is_behind_units(core, hole) ? hf_smaller(hole.size, 1) : hole.size;
}

/* The part of a placeholder from an offset on. If no unit is committed, the first placeholder
 * begins in the records. */
static large_hole large_hole_of(const hf_region *region, size_t from) {
    size_t offset = hf_larger(region->offset, from);
    return (large_hole){offset, region->offset + region->size - offset};
}

static large_hole large_better_hole(const hf_heap_core *core, large_hole best,
                                    const hf_region *region, size_t from) {
    large_hole hole = large_hole_of(region, from);
    if (region->kind != HF_PLACEHOLDER) return best;
    return large_worth(core, hole) > large_worth(core, best) ? hole : best;
}

/* The largest placeholder from an offset on. */
static large_hole large_find_hole(const hf_heap_core *core, size_t from) {
    large_hole best = {0};
    hf_region region;
    for (bool found = hf_space_find(core->space, from, &region); found;
         found = hf_space_next(core->space, &region))
        best = large_better_hole(core, best, &region, from);
    return best;
}

/* The largest placeholder at a few offsets, which are spread evenly (a Weyl sequence): large
 * placeholders are hit most often. */
static large_hole large_sample_holes(hf_heap_core *core, size_t from) {
    large_hole best = {0};
    hf_region region;
    for (int tries = LARGE_SAMPLES; tries > 0; tries--) {
        core->sample += 0x9e3779b9u;
        size_t at = from + (core->reserved - from) / 0x10000 * (core->sample >> 16);
        if (hf_space_find(core->space, at, &region))
            best = large_better_hole(core, best, &region, from);
    }
    return best;
}

/* Where in the hole a block of `size` bytes begins: in its middle, so that both can grow, or as
 * near to it as the block fits; behind the units at the end. A page of placeholder stays on both
 * sides. 0: it does not fit. */
static size_t large_place(const hf_heap_core *core, large_hole hole, size_t size, size_t align) {
    uintptr_t base = (uintptr_t)hf_space_base(core->space);
    size_t sides = 2 * core->page_size;
    if (hole.size < sides || hole.size - sides < size) return 0;
    uintptr_t low = base + hole.offset + core->page_size;
    uintptr_t high = low + (hole.size - sides - size);
    uintptr_t middle = base + hole.offset + hole.size / 2;
    bool at_end = middle > high || large_is_behind_units(core, hole);
    uintptr_t place = (at_end ? high : middle) & ~(uintptr_t)(align - 1);
    if (place < low) place = (low + (align - 1)) & ~(uintptr_t)(align - 1);
    return place >= low && place <= high ? (size_t)(place - base) : 0;
}

static size_t large_place_aligned(const hf_heap_core *core, large_hole hole, size_t size,
                                  size_t align) {
    size_t place = large_place(core, hole, size, hf_larger(align, LARGE_ALIGNMENT));
    return place ? place : large_place(core, hole, size, hf_larger(align, core->page_size));
}

/* In the first placeholder where it fits. */
static size_t large_place_first(const hf_heap_core *core, size_t from, size_t size, size_t align) {
    size_t place = 0;
    hf_region region;
    for (bool found = hf_space_find(core->space, from, &region); found && place == 0;
         found = hf_space_next(core->space, &region))
        if (region.kind == HF_PLACEHOLDER)
            place = large_place_aligned(core, large_hole_of(&region, from), size, align);
    return place;
}

/* Where there are many blocks, placeholders are sampled first: the time to see all of them grows
 * with their number. The largest one may not do: the alignment needs more. */
static size_t large_find_place_from(hf_heap_core *core, size_t from, size_t size, size_t align) {
    size_t place = 0;
    if (from >= core->reserved) return 0;
    if (core->large_blocks > LARGE_FEW)
        place = large_place_aligned(core, large_sample_holes(core, from), size, align);
    if (place == 0) place = large_place_aligned(core, large_find_hole(core, from), size, align);
    return place ? place : large_place_first(core, from, size, align);
}

/*
 *      | records | units ->          |   large   large   large       |     the upper half first, so
 *      0                       reserved / 2                      reserved  that the units can grow
 */
static size_t large_find_place(hf_heap_core *core, size_t size, size_t align) {
    size_t units_end = large_units_end(core), middle = hf_larger(units_end, core->reserved / 2);
    size_t place = large_find_place_from(core, middle, size, align);
    return place ? place : large_find_place_from(core, units_end, size, align);
}

/* Bytes that were committed for a block. */
static void large_advise(hf_heap_core *core, size_t offset, size_t size) {
    if (core->options.huge_pages == HF_HUGE_AUTO && size >= LARGE_HUGE_FROM)
        hf_heap_advise(core, offset, size);
}

static size_t large_commit(hf_heap_core *core, size_t size, size_t align) {
    size_t offset = large_find_place(core, size, align);
    if (offset == 0) {
        hf_fail(HF_RESERVE_FULL, "hf_heap_malloc", 0, size);
        return 0;
    }
    if (hf_space_commit_range(core->space, offset, size) != HF_OK) return 0;
    large_advise(core, offset, size);
    return offset;
}

/* ------------------------------------------------------- allocating and freeing --------- */

static void *large_count(hf_heap_core *core, size_t offset, size_t size) {
    core->large_blocks++;
    core->large_bytes += size;
    hf_heap_note_peak(core);
    hf_heap_add_work(core, size / HF_HEAP_UNIT);
    return hf_space_base(core->space) + offset;
}

/* Commits `more` bytes behind a block, which ends at `end`. */
static bool large_extend_by(hf_heap_core *core, size_t end, size_t more) {
    hf_region last;
    if (!hf_space_find(core->space, end - 1, &last)) return false;
    size_t size = end - last.offset;
    if (hf_space_extend(core->space, last.offset, size, size + more) != HF_OK) return false;
    large_advise(core, end, more);
    core->large_bytes += more;
    hf_heap_note_peak(core);
    hf_heap_add_work(core, more / HF_HEAP_UNIT);
    return true;
}

/* Commits what follows a block, an eighth of it more than is needed where there is room and memory.
 */
static bool large_extend(hf_heap_core *core, size_t offset, size_t old_size, size_t size) {
    hf_region behind;
    size_t end = offset + old_size, more = size - old_size;
    if (end >= core->reserved || !hf_space_find(core->space, end, &behind) ||
        behind.kind != HF_PLACEHOLDER || behind.size < core->page_size ||
        behind.size - core->page_size < more)
        return false;
    size_t eighth = hf_round_down(old_size / 8, core->page_size);
    size_t most = hf_smaller(hf_larger(more, eighth), behind.size - core->page_size);
    hf_error before = hf_last_error();
    if (large_extend_by(core, end, most)) return true;
    if (most == more || !large_extend_by(core, end, more)) return false;
    hf_fail_with(before);
    return true;
}

/* The block is idle no more. */
static heap_idle large_take(hf_heap_core *core, heap_idle *idle) {
    heap_idle taken = *idle;
    core->idle_bytes -= taken.size;
    *idle = (heap_idle){0};
    return taken;
}

/* An idle block, of which `size` bytes are needed. */
static void *large_reuse(hf_heap_core *core, heap_idle *idle, size_t size) {
    heap_idle taken = large_take(core, idle);
    return large_count(core, taken.offset, large_cut(core, taken.offset, taken.size, size));
}

/* The largest idle block of size / 2 to `size` bytes; NULL: none. */
static heap_idle *large_find_smaller(hf_heap_core *core, size_t size, size_t align) {
    heap_idle *best = NULL;
    for (size_t i = 0; i < HEAP_IDLE; i++) {
        heap_idle *idle = &core->idle[i];
        uintptr_t address = (uintptr_t)hf_space_base(core->space) + idle->offset;
        if (idle->size == 0 || idle->size >= size || idle->size < size / 2) continue;
        if (address % align != 0) continue;
        if (best == NULL || idle->size > best->size) best = idle;
    }
    return best;
}

/* An idle block that is made longer. So a program that copies what it has to a larger and larger
 * block uses two blocks in turn, and little new memory. NULL: none can be. */
static void *large_reuse_longer(hf_heap_core *core, size_t size, size_t align) {
    heap_idle *idle = large_find_smaller(core, size, align);
    if (idle == NULL) return NULL;
    hf_error before = hf_last_error();
    heap_idle taken = large_take(core, idle);
    bool is_longer = large_extend(core, taken.offset, taken.size, size);
    hf_fail_with(before);
    if (is_longer) return large_count(core, taken.offset, taken.size);
    core->idle_bytes += taken.size;
    *idle = taken;
    return NULL;
}

void *hf_heap_large_allocate(hf_heap_core *core, size_t size, size_t align, bool *is_zero) {
    if (size > core->reserved) {
        hf_fail(HF_RESERVE_FULL, "hf_heap_malloc", 0, size);
        return NULL;
    }
    size = hf_round_up(size, core->page_size);
    heap_idle *idle = large_find_fit(core, size, align);
    void *block = idle ? large_reuse(core, idle, size) : large_reuse_longer(core, size, align);
    *is_zero = block == NULL;
    if (block) return block;
    size_t offset = large_commit(core, size, align);
    return offset ? large_count(core, offset, size) : NULL;
}

size_t hf_heap_large_size(const hf_heap_core *core, const void *block) {
    size_t offset = large_offset_of(core, block);
    for (size_t i = 0; i < HEAP_IDLE; i++)
        if (core->idle[i].size > 0 && core->idle[i].offset == offset) return 0;
    return large_extent(core, offset);
}

/* On Windows a block that has grown is several regions. */
size_t hf_heap_large_stable_size(const hf_heap_core *core, const void *block) {
    size_t from = large_offset_of(core, block), end = from;
    hf_region region;
    while (hf_space_find(core->space, end, &region) && region.kind == HF_COMMITTED)
        end = region.offset + region.size;
    return end - from;
}

/* A block may have been there: the units are ready, the memory is a placeholder or idle. */
static bool large_may_be_free(const hf_heap_core *core, size_t offset) {
    if (offset < core->units_offset || offset >= core->reserved) return false;
    for (size_t i = 0; i < HEAP_IDLE; i++)
        if (core->idle[i].size > 0 && core->idle[i].offset == offset) return true;
    return offset < large_units_end(core) || large_is_placeholder(core, offset);
}

void hf_heap_large_free(hf_heap_core *core, void *block) {
    size_t size = hf_heap_large_size(core, block), offset = large_offset_of(core, block);
    if (size == 0) {
        bool is_free = large_may_be_free(core, offset);
        hf_heap_report(core, is_free ? HF_FAULT_DOUBLE_FREE : HF_FAULT_WILD_FREE, block);
        return;
    }
    size_t others = core->large_bytes - size;
    /* A quarter more: of two blocks that grow in turn, either may have more to spare. */
    size_t most = hf_larger(LARGE_IDLE_LEAST, others + others / 4);
    if (!large_retire(core, offset, size, most)) return; /* it counts as allocated until a reset */
    core->large_blocks--;
    core->large_bytes = others;
}

bool hf_heap_large_resize(hf_heap_core *core, void *block, size_t size) {
    size_t old_size = hf_heap_large_size(core, block), offset = large_offset_of(core, block);
    assert(old_size > 0);
    if (size > core->reserved) return false;
    size = hf_round_up(size, core->page_size);
    if (size > old_size) return large_extend(core, offset, old_size, size);
    core->large_bytes -= old_size - large_cut(core, offset, old_size, size);
    return true;
}

/* -------------------------------------------------------------------- resetting --------- */

static size_t large_count_idle(const hf_heap_core *core) {
    size_t count = 0;
    for (size_t i = 0; i < HEAP_IDLE; i++) count += core->idle[i].size > 0;
    return count;
}

/* All blocks become idle; there are slots for them. */
static void large_retire_all(hf_heap_core *core) {
    hf_region region;
    size_t most = core->large_bytes + core->idle_bytes, size;
    for (size_t at = large_units_end(core); hf_space_find(core->space, at, &region); at += size) {
        size = hf_heap_large_size(core, hf_space_base(core->space) + at);
        if (size > 0)
            large_retire(core, at, size, most);
        else
            size = region.size - (at - region.offset);
    }
    core->large_blocks = core->large_bytes = 0;
}

/* Keeps a few blocks, as hf_heap_free does; releases many in one call, so that the time does not
 * depend on their number. What a failure leaves is released by the next reset. */
hf_status hf_heap_reset_large(hf_heap_core *core) {
    size_t from = large_units_end(core);
    if (core->large_blocks == 0 && !core->has_large_left) return HF_OK;
    if (!core->has_large_left && core->large_blocks + large_count_idle(core) <= HEAP_IDLE) {
        large_retire_all(core);
        return HF_OK;
    }
    hf_status status = hf_space_release_range(core->space, from, core->reserved - from);
    for (size_t i = 0; i < HEAP_IDLE; i++) core->idle[i] = (heap_idle){0};
    core->idle_bytes = core->large_blocks = core->large_bytes = 0;
    core->has_large_left = status != HF_OK;
    return status;
}
