/*
 * arena_space.c -- the calls on the space that an arena lies in: all of a space of its own, or one
 * slot of a pool's. Arenas count offsets from their base; these functions add core->origin.
 *
 *      |  slot 0  |  slot 1  |  slot 2  |       the pool's space
 *                 ^ origin   ^ origin + reserved
 *
 * A placeholder can span several slots: no slot needs a boundary of its own while nothing is
 * committed at it. So regions are cut to the slot.
 */
#include <holdfast/space.h>

#include "arena_core.h"
#include "fail.h"

bool hf_arena_find_region(const hf_arena_core *core, size_t offset, hf_region *region) {
    if (offset >= core->reserved || !hf_space_find(core->space, core->origin + offset, region))
        return false;
    size_t end = region->offset + region->size;
    size_t from = hf_larger(region->offset, core->origin);
    region->size = hf_smaller(end, core->origin + core->reserved) - from;
    region->offset = from - core->origin;
    return true;
}

bool hf_arena_next_region(const hf_arena_core *core, hf_region *region) {
    return hf_arena_find_region(core, region->offset + region->size, region);
}

/* Makes the offset of the last error one of the arena. */
static hf_status arena_space_finish(const hf_arena_core *core, hf_status status) {
    if (status == HF_OK || core->origin == 0) return status;
    hf_error error = hf_last_error();
    error.offset -= hf_smaller(core->origin, error.offset);
    return hf_fail_with(error);
}

hf_status hf_arena_commit_range(hf_arena_core *core, size_t offset, size_t size) {
    return arena_space_finish(core,
                              hf_space_commit_range(core->space, core->origin + offset, size));
}

hf_status hf_arena_map_range(hf_arena_core *core, size_t offset, size_t size, hf_file *file,
                             uint64_t file_offset, hf_access access) {
    return arena_space_finish(core, hf_space_map_range(core->space, core->origin + offset, size,
                                                       file, file_offset, access));
}

hf_status hf_arena_release_range(hf_arena_core *core, size_t offset, size_t size) {
    return arena_space_finish(core,
                              hf_space_release_range(core->space, core->origin + offset, size));
}

hf_status hf_arena_advise_range(const hf_arena_core *core, size_t offset, size_t size,
                                hf_advice advice) {
    return arena_space_finish(core,
                              hf_space_advise(core->space, core->origin + offset, size, advice));
}

size_t hf_arena_count_bytes(const hf_arena_core *core, hf_kind kind) {
    size_t bytes = 0;
    for (hf_region region = {0}; hf_arena_next_region(core, &region);)
        if (region.kind == kind) bytes += region.size;
    return bytes;
}
