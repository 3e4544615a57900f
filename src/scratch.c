/*
 * scratch.c -- two arenas for temporary work. A function that returns a block in one of them (the
 * conflict) uses the other for its temporary blocks, and rewinds that one before it returns.
 */
#include <holdfast/arena.h>

#include "arena_core.h"
#include "fail.h"

hf_status hf_scratch_open_sized(hf_scratch *scratch, const hf_arena_options *options, size_t size) {
    hf_arena_options known;
    *scratch = (hf_scratch){0};
    hf_status status = hf_arena_read_options(&known, options, size, "hf_scratch_open");
    if (status != HF_OK) return status;
    if (known.base) return hf_fail(HF_INVALID, "hf_scratch_open", 0, 0);
    status = hf_arena_open(&scratch->arenas[0], &known);
    if (status != HF_OK) return status;
    status = hf_arena_open(&scratch->arenas[1], &known);
    if (status != HF_OK) hf_arena_close(&scratch->arenas[0]);
    return status;
}

void hf_scratch_close(hf_scratch *scratch) {
    hf_arena_close(&scratch->arenas[1]);
    hf_arena_close(&scratch->arenas[0]);
}

hf_scope hf_scratch_begin(hf_scratch *scratch, const hf_arena *conflict) {
    return hf_scope_begin(&scratch->arenas[conflict == &scratch->arenas[0]]);
}
