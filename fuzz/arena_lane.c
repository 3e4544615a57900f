/*
 * arena_lane.c -- see arena_lane.h.
 */
#include "arena_lane.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In AddressSanitizer's runtime, where there is one. */
__attribute__((weak)) int __asan_address_is_poisoned(const volatile void *address);
__attribute__((weak)) void *__asan_region_is_poisoned(void *begin, size_t size);

/* ------------------------------------------------------------------ the lane -------------- */

hf_arena *arena_at(struct lane *lane, unsigned index) {
    return index < ARENA_PAIR ? &lane->single[index] : &lane->scratch.arenas[index - ARENA_PAIR];
}

hf_arena *arena_of(struct lane *lane) { return arena_at(lane, lane->operation->arena); }

struct arena_model *model_of(struct lane *lane) {
    return &lane->models[lane->operation->arena];
}

static void print_operation(const struct lane *lane, size_t index) {
    const arena_operation *operation = &lane->program[index];
    fprintf(stderr, "%3zu %s arena %u size %zu", index, arena_kind_name(operation->kind),
            operation->arena, lane->sizes[index]);
    fprintf(stderr, " class %u value %u align %#zx flags %u selector %u number %u -> used %zu\n",
            operation->size_class, operation->value, arena_alignment(operation), operation->flags,
            operation->selector, operation->number, lane->used[index]);
}

static void print_numbers(struct lane *lane) {
    hf_arena_stats now = hf_arena_get_stats(arena_of(lane));
    const hf_arena_stats *before = &lane->before;
    fprintf(stderr,
            "  used %zu -> %zu, committed %zu -> %zu, high water %zu -> %zu, peak %zu -> %zu\n",
            before->used, now.used, before->committed, now.committed, before->high_water,
            now.high_water, before->peak, now.peak);
}

/* The program so far, and what is wrong. */
_Noreturn void fail(struct lane *lane, const char *format, ...) {
    va_list arguments;
    hf_error error = hf_last_error();
    fprintf(stderr, "\nfuzz_arena, %s:\n", lane->name);
    if (lane->operation) {
        for (size_t i = 0; i <= lane->operation->index; i++) print_operation(lane, i);
        print_numbers(lane);
    }
    fprintf(stderr, "  last error %d, call %s, code %ld, offset %zu, size %zu\n  ",
            (int)error.status, error.call ? error.call : "none", error.os_code, error.offset,
            error.size);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

static size_t failures(const struct lane *lane) {
    return lane->strict ? hf_strict_get_stats(lane->strict).failures : 0;
}

bool refused(const struct lane *lane) { return failures(lane) > lane->failures_before; }

bool is_refusal(const struct lane *lane, hf_status status) {
    bool is_other = lane->failing_way != 0 && status == HF_UNSUPPORTED;
    return status == HF_NO_MEMORY || status == HF_MAP_LIMIT || is_other;
}

/* ------------------------------------------------------------------ on_failure ------------ */

static void remember(struct lane *lane) {
    hf_arena *arena = arena_of(lane);
    lane->struct_before = *arena;
    lane->before = hf_arena_get_stats(arena);
}

void begin(struct lane *lane, const arena_operation *operation) {
    lane->operation = operation;
    lane->asked = false;
    lane->floor = 0;
    lane->failures_before = failures(lane);
    lane->error_before = hf_last_error();
    remember(lane);
}

/* Gives back half of what lies above the floor. */
static bool free_some(struct lane *lane, hf_arena *arena) {
    struct arena_model *model = model_of(lane);
    if (model->used <= lane->floor) return false;
    hf_mark mark = lane->floor + (model->used - lane->floor) / 2;
    if (hf_rewind(arena, mark) != HF_OK && !refused(lane)) fail(lane, "rewinding in on_failure");
    rewound(lane, mark);
    remember(lane);
    return true;
}

bool on_failure(hf_arena *arena, hf_status status, size_t size, void *user) {
    struct lane *lane = user;
    bool first = !lane->asked;
    (void)size;
    lane->asked = true;
    if (arena != arena_of(lane)) fail(lane, "on_failure got another arena");
    if (status != hf_last_error().status) fail(lane, "on_failure got another status");
    switch (lane->handling) {
    case HANDLE_FREE: return first && status != HF_INVALID && free_some(lane, arena);
    case HANDLE_MEND:
        if (lane->strict) hf_strict_fail(lane->strict, 0, false);
        return first;
    case HANDLE_LEAVE: longjmp(lane->leave, 1);
    default: return false;
    }
}

/* ------------------------------------------------------------------ what always holds ----- */

static void check_numbers(struct lane *lane, unsigned index) {
    hf_arena *arena = arena_at(lane, index);
    struct arena_model *model = &lane->models[index];
    hf_arena_stats stats = hf_arena_get_stats(arena);
    size_t limit = (size_t)(arena->limit - model->base);
    if (hf_arena_base(arena) != model->base) fail(lane, "the base has moved");
    if (stats.used != hf_get_mark(arena)) fail(lane, "the mark is not what is used");
    if (stats.used != model->used) fail(lane, "used is not %zu", model->used);
    if (stats.peak != model->peak) fail(lane, "the peak is not %zu", model->peak);
    if (stats.committed > stats.reserved || stats.committed % lane->page_size != 0) {
        fail(lane, "committed is no number of pages that are reserved");
    }
    if (model->faulting) return;
    if (stats.used > stats.committed) fail(lane, "more is used than committed");
    if (limit < stats.used || limit > stats.committed) fail(lane, "limit is out of bounds");
    if (model->checked && limit != stats.used) fail(lane, "limit is not at pos");
    if (stats.high_water > stats.committed)
        fail(lane, "the high-water mark is above what is committed");
}

static void check_fresh(struct lane *lane, unsigned index) {
    struct arena_model *model = &lane->models[index];
    hf_arena_stats stats = hf_arena_get_stats(arena_at(lane, index));
    if (model->faulting) return;
    if (!arena_raw_bytes_are_zero(model->base + stats.high_water,
                                  stats.committed - stats.high_water)) {
        fail(lane, "arena %u has bytes above the high-water mark that are not zero", index);
    }
}

void check_blocks(struct lane *lane, unsigned index, bool quick) {
    struct arena_model *model = &lane->models[index];
    for (size_t i = 0; i < model->block_count; i++) {
        const arena_block *block = &model->blocks[i];
        if (!arena_block_holds(model, block, block->size, quick)) {
            fail(lane, "the block at %zu of %zu bytes of arena %u has changed", block->offset,
                 block->size, index);
        }
    }
}

void check_closed(struct lane *lane, unsigned index) {
    hf_arena *arena = arena_at(lane, index);
    static const hf_arena closed;
    static const hf_arena_stats nothing;
    hf_arena_stats stats = hf_arena_get_stats(arena);
    if (memcmp(arena, &closed, sizeof closed) != 0) fail(lane, "arena %u is not zeroed", index);
    if (memcmp(&stats, &nothing, sizeof stats) != 0) fail(lane, "statistics of no arena");
    if (hf_arena_base(arena) || hf_get_mark(arena) != 0 || hf_owns(arena, arena)) {
        fail(lane, "a closed arena has a base");
    }
}

void check_arena(struct lane *lane, unsigned index, bool thoroughly) {
    if (!lane->models[index].open) {
        check_closed(lane, index);
        return;
    }
    check_numbers(lane, index);
    check_blocks(lane, index, !thoroughly);
    if (thoroughly) check_fresh(lane, index);
}

void check_strict(struct lane *lane) {
    if (!lane->strict) return;
    if (hf_strict_get_stats(lane->strict).violations != 0) fail(lane, "a rule was broken");
    if (hf_strict_get_stats(lane->under).violations != 0) fail(lane, "strict broke a rule");
}

bool is_poisoned(char *bytes, size_t size) {
    return __asan_region_is_poisoned && size > 0 && __asan_region_is_poisoned(bytes, size);
}

void check_marks(struct lane *lane, char *block, size_t size) {
    struct arena_model *model = model_of(lane);
    size_t end = (size_t)(block - model->base) + size;
    if (!__asan_address_is_poisoned || size == 0) return;
    if (__asan_region_is_poisoned((void *)(uintptr_t)block, size))
        fail(lane, "a block is poisoned");
    if (end < hf_arena_get_stats(arena_of(lane)).committed &&
        !__asan_address_is_poisoned(block + size)) {
        fail(lane, "the byte behind the block is not poisoned");
    }
}

/* ------------------------------------------------------------------ failed calls ---------- */

/* All that a program can see is as it was. Where populating was refused and giving the memory back
 * as well, it stays committed, behind limit. */
void check_unchanged(struct lane *lane) {
    hf_arena *arena = arena_of(lane);
    hf_arena_stats now = hf_arena_get_stats(arena);
    const hf_arena_stats *before = &lane->before;
    if (arena->pos != lane->struct_before.pos || arena->limit != lane->struct_before.limit ||
        arena->state != lane->struct_before.state || now.used != before->used ||
        now.reserved != before->reserved || now.peak != before->peak ||
        now.high_water != before->high_water || now.growths != before->growths) {
        fail(lane, "failed, and changed the arena");
    }
    /* Memory that could not be populated stays behind limit when giving it back is refused too, and
     * goes when the next growth begins, however that ends. */
    bool may_differ = model_of(lane)->populating && refused(lane);
    if (!may_differ && now.committed != before->committed) {
        fail(lane, "failed, and changed what is committed");
    }
}

void check_error(struct lane *lane, hf_status expected) {
    hf_status status = hf_last_error().status;
    if (status == expected) return;
    if (refused(lane) && is_refusal(lane, status)) return;
    fail(lane, "the error is %d and not %d", (int)status, (int)expected);
}

void check_success(struct lane *lane) {
    hf_error error = hf_last_error();
    const hf_error *before = &lane->error_before;
    if (error.status != before->status || error.os_code != before->os_code ||
        error.call != before->call || error.offset != before->offset ||
        error.size != before->size) {
        fail(lane, "succeeded, and changed the last error");
    }
}
