/*
 * arena_harness.c -- see arena_harness.h.
 */
#include "arena_harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In AddressSanitizer's runtime, where there is one. */
__attribute__((weak)) int __asan_address_is_poisoned(const volatile void *address);
__attribute__((weak)) void *__asan_region_is_poisoned(void *begin, size_t size);

/* ------------------------------------------------------------------ the harness -------------- */

hf_arena *arena_at(struct harness *harness, unsigned index) {
    return index < ARENA_PAIR ? &harness->single[index]
                              : &harness->scratch.arenas[index - ARENA_PAIR];
}

hf_arena *arena_of(struct harness *harness) { return arena_at(harness, harness->operation->arena); }

struct arena_model *model_of(struct harness *harness) {
    return &harness->models[harness->operation->arena];
}

static void print_operation(const struct harness *harness, size_t index) {
    const arena_operation *operation = &harness->program[index];
    fprintf(stderr, "%3zu %s arena %u size %zu", index, arena_kind_name(operation->kind),
            operation->arena, harness->sizes[index]);
    fprintf(stderr, " class %u value %u align %#zx flags %u selector %u number %u -> used %zu\n",
            operation->size_class, operation->value, arena_alignment(operation), operation->flags,
            operation->selector, operation->number, harness->used[index]);
}

static void print_numbers(struct harness *harness) {
    hf_arena_stats now = hf_arena_get_stats(arena_of(harness));
    const hf_arena_stats *before = &harness->before;
    fprintf(stderr,
            "  used %zu -> %zu, committed %zu -> %zu, high water %zu -> %zu, peak %zu -> %zu\n",
            before->used, now.used, before->committed, now.committed, before->high_water,
            now.high_water, before->peak, now.peak);
}

/* The program so far, and what is wrong. */
_Noreturn void fail(struct harness *harness, const char *format, ...) {
    va_list arguments;
    hf_error error = hf_last_error();
    fprintf(stderr, "\nfuzz_arena, %s:\n", harness->name);
    if (harness->operation) {
        for (size_t i = 0; i <= harness->operation->index; i++) print_operation(harness, i);
        print_numbers(harness);
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

static size_t failures(const struct harness *harness) {
    return harness->strict ? hf_strict_get_stats(harness->strict).failures : 0;
}

bool failure_injected(const struct harness *harness) {
    return failures(harness) > harness->failures_before;
}

bool is_injected_status(const struct harness *harness, hf_status status) {
    bool is_other = harness->failing_way != 0 && status == HF_UNSUPPORTED;
    return status == HF_NO_MEMORY || status == HF_MAP_LIMIT || is_other;
}

/* ------------------------------------------------------------------ on_failure ------------ */

static void remember(struct harness *harness) {
    hf_arena *arena = arena_of(harness);
    harness->struct_before = *arena;
    harness->before = hf_arena_get_stats(arena);
}

void begin(struct harness *harness, const arena_operation *operation) {
    harness->operation = operation;
    harness->asked = false;
    harness->floor = 0;
    harness->failures_before = failures(harness);
    harness->error_before = hf_last_error();
    remember(harness);
}

/* Gives back half of what lies above the floor. */
static bool free_some(struct harness *harness, hf_arena *arena) {
    struct arena_model *model = model_of(harness);
    if (model->used <= harness->floor) return false;
    hf_mark mark = harness->floor + (model->used - harness->floor) / 2;
    if (hf_rewind(arena, mark) != HF_OK && !failure_injected(harness))
        fail(harness, "rewinding in on_failure");
    rewound(harness, mark);
    remember(harness);
    return true;
}

bool on_failure(hf_arena *arena, hf_status status, size_t size, void *user) {
    struct harness *harness = user;
    bool first = !harness->asked;
    (void)size;
    harness->asked = true;
    if (arena != arena_of(harness)) fail(harness, "on_failure got another arena");
    if (status != hf_last_error().status) fail(harness, "on_failure got another status");
    switch (harness->handling) {
    case HANDLE_FREE: return first && status != HF_INVALID && free_some(harness, arena);
    case HANDLE_MEND:
        if (harness->strict) hf_strict_fail(harness->strict, 0, false);
        return first;
    case HANDLE_LEAVE: longjmp(harness->leave, 1);
    default: return false;
    }
}

/* ------------------------------------------------------------------ what always holds ----- */

static void check_numbers(struct harness *harness, unsigned index) {
    hf_arena *arena = arena_at(harness, index);
    struct arena_model *model = &harness->models[index];
    hf_arena_stats stats = hf_arena_get_stats(arena);
    size_t limit = (size_t)(arena->limit - model->base);
    if (hf_arena_base(arena) != model->base) fail(harness, "the base has moved");
    if (stats.used != hf_get_mark(arena)) fail(harness, "the mark is not what is used");
    if (stats.used != model->used) fail(harness, "used is not %zu", model->used);
    if (stats.peak != model->peak) fail(harness, "the peak is not %zu", model->peak);
    if (stats.committed > stats.reserved || stats.committed % harness->page_size != 0) {
        fail(harness, "committed is no number of pages that are reserved");
    }
    if (model->faulting) return;
    if (stats.used > stats.committed) fail(harness, "more is used than committed");
    if (limit < stats.used || limit > stats.committed) fail(harness, "limit is out of bounds");
    if (model->checked && limit != stats.used) fail(harness, "limit is not at pos");
    if (stats.high_water > stats.committed)
        fail(harness, "the high-water mark is above what is committed");
}

static void check_fresh(struct harness *harness, unsigned index) {
    struct arena_model *model = &harness->models[index];
    hf_arena_stats stats = hf_arena_get_stats(arena_at(harness, index));
    if (model->faulting) return;
    if (!arena_raw_bytes_are_zero(model->base + stats.high_water,
                                  stats.committed - stats.high_water)) {
        fail(harness, "arena %u has bytes above the high-water mark that are not zero", index);
    }
}

void check_blocks(struct harness *harness, unsigned index, bool quick) {
    struct arena_model *model = &harness->models[index];
    for (size_t i = 0; i < model->block_count; i++) {
        const arena_block *block = &model->blocks[i];
        if (!arena_block_holds(model, block, block->size, quick)) {
            fail(harness, "the block at %zu of %zu bytes of arena %u has changed", block->offset,
                 block->size, index);
        }
    }
}

void check_closed(struct harness *harness, unsigned index) {
    hf_arena *arena = arena_at(harness, index);
    static const hf_arena closed;
    static const hf_arena_stats nothing;
    hf_arena_stats stats = hf_arena_get_stats(arena);
    if (memcmp(arena, &closed, sizeof closed) != 0) fail(harness, "arena %u is not zeroed", index);
    if (memcmp(&stats, &nothing, sizeof stats) != 0) fail(harness, "statistics of no arena");
    if (hf_arena_base(arena) || hf_get_mark(arena) != 0 || hf_owns(arena, arena)) {
        fail(harness, "a closed arena has a base");
    }
}

void check_arena(struct harness *harness, unsigned index, bool thoroughly) {
    if (!harness->models[index].open) {
        check_closed(harness, index);
        return;
    }
    check_numbers(harness, index);
    check_blocks(harness, index, !thoroughly);
    if (thoroughly) check_fresh(harness, index);
}

void check_strict(struct harness *harness) {
    if (!harness->strict) return;
    if (hf_strict_get_stats(harness->strict).violations != 0) fail(harness, "a rule was broken");
    if (hf_strict_get_stats(harness->under).violations != 0) fail(harness, "strict broke a rule");
}

bool is_poisoned(char *bytes, size_t size) {
    return __asan_region_is_poisoned && size > 0 && __asan_region_is_poisoned(bytes, size);
}

void check_marks(struct harness *harness, char *block, size_t size) {
    struct arena_model *model = model_of(harness);
    size_t end = (size_t)(block - model->base) + size;
    if (!__asan_address_is_poisoned || size == 0) return;
    if (__asan_region_is_poisoned((void *)(uintptr_t)block, size))
        fail(harness, "a block is poisoned");
    if (end < hf_arena_get_stats(arena_of(harness)).committed &&
        !__asan_address_is_poisoned(block + size)) {
        fail(harness, "the byte behind the block is not poisoned");
    }
}

/* ------------------------------------------------------------------ failed calls ---------- */

/* All that a program can see is as it was. Where populating failed and giving the memory back
 * as well, it stays committed, behind limit. */
void check_unchanged(struct harness *harness) {
    hf_arena *arena = arena_of(harness);
    hf_arena_stats now = hf_arena_get_stats(arena);
    const hf_arena_stats *before = &harness->before;
    if (arena->pos != harness->struct_before.pos || arena->limit != harness->struct_before.limit ||
        arena->state != harness->struct_before.state || now.used != before->used ||
        now.reserved != before->reserved || now.peak != before->peak ||
        now.high_water != before->high_water || now.growths != before->growths) {
        fail(harness, "failed, and changed the arena");
    }
    /* Memory that could not be populated stays behind limit when giving it back fails too, and
     * goes when the next growth begins, however that ends. */
    bool may_differ = model_of(harness)->populating && failure_injected(harness);
    if (!may_differ && now.committed != before->committed) {
        fail(harness, "failed, and changed what is committed");
    }
}

void check_error(struct harness *harness, hf_status expected) {
    hf_status status = hf_last_error().status;
    if (status == expected) return;
    if (failure_injected(harness) && is_injected_status(harness, status)) return;
    fail(harness, "the error is %d and not %d", (int)status, (int)expected);
}

void check_success(struct harness *harness) {
    hf_error error = hf_last_error();
    const hf_error *before = &harness->error_before;
    if (error.status != before->status || error.os_code != before->os_code ||
        error.call != before->call || error.offset != before->offset ||
        error.size != before->size) {
        fail(harness, "succeeded, and changed the last error");
    }
}
