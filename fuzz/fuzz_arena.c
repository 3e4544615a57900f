/*
 * fuzz_arena.c -- runs a program of calls on arenas over two backends, against the model.
 *
 * After each call: the result must be what the model says must, may or cannot be; a block must be
 * aligned, lie behind all others, be zero where that is promised; statistics must agree; every live
 * block must hold its pattern; what failed must have left everything as it was. Over the strict
 * backend calls fail on demand. on_failure may give up, free something, end the failures, or leave
 * by longjmp, as the program wants it.
 */
#include "arena_harness.h"
#include "host.h"
#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_BETWEEN_LOOKS = 8, MOST_FORKS = 2, FEW_BYTES = 4096 };

/* ------------------------------------------------------------------ opening --------------- */

/* Only the program's own arenas are ever in the way; a huge one may be anywhere. */
static bool is_taken(struct harness *harness, uintptr_t base, size_t size) {
    for (unsigned index = 0; index < ARENAS; index++) {
        uintptr_t other = (uintptr_t)harness->models[index].base;
        if (!harness->models[index].open) continue;
        size_t reserved = hf_arena_get_stats(arena_at(harness, index)).reserved;
        if (base < other + reserved && other < base + size) return true;
    }
    return false;
}

static hf_status expected_open(struct harness *harness, const hf_arena_options *options) {
    size_t reserve = options->reserve ? options->reserve : DEFAULT_RESERVE;
    if (options->reserve == 0 && options->least_reserve > reserve) reserve = options->least_reserve;
    uintptr_t base = (uintptr_t)options->base;
    bool is_least = options->reserve == 0 || options->least_reserve <= options->reserve;
    if (base % HF_ALLOCATION_GRANULARITY != 0 || !is_least) return HF_INVALID;
    if (base > UINTPTR_MAX - reserve) return HF_INVALID;
    if (options->least_reserve > SIZE_MAX / 4) return HF_NO_ADDRESS;
    return base && is_taken(harness, base, reserve) ? HF_NO_ADDRESS : HF_OK;
}

static void check_opened(struct harness *harness, const hf_arena *arena,
                         const hf_arena_options *options) {
    hf_arena_stats stats = hf_arena_get_stats(arena);
    size_t least = options->least_reserve;
    bool huge = options->reserve > SIZE_MAX / 4;
    if (least == 0)
        least = options->reserve && options->reserve < 1 << 20 ? options->reserve : 1 << 20;
    if (stats.used || stats.committed || stats.peak || stats.high_water || stats.growths) {
        fail(harness, "a new arena is not empty");
    }
    if (stats.reserved < least) fail(harness, "less is reserved than the least");
    if (!huge && !failure_injected(harness) && options->reserve &&
        (stats.reserved < options->reserve ||
         stats.reserved - options->reserve >= harness->page_size)) {
        fail(harness, "the reservation is not what was asked for");
    }
    if (options->base && hf_arena_base(arena) != options->base) fail(harness, "another base");
    if ((uintptr_t)hf_arena_base(arena) % HF_ALLOCATION_GRANULARITY != 0)
        fail(harness, "a base not aligned");
}

/* Whether blocks have red zones here: then limit is kept at pos, though a page is committed. */
static bool is_checked_process(void) {
    static int checked = -1;
    hf_arena arena;
    if (checked >= 0 || hf_arena_open(&arena, NULL) != HF_OK) return checked > 0;
    hf_alloc(&arena, 1, 1);
    checked = arena.limit == arena.pos;
    hf_arena_close(&arena);
    return checked > 0;
}

static void note_open(struct harness *harness, unsigned index, const hf_arena_options *options) {
    bool checked = is_checked_process();
    check_opened(harness, arena_at(harness, index), options);
    arena_model_open(&harness->models[index], arena_at(harness, index), options, harness->page_size,
                     checked);
}

static void judge_open(struct harness *harness, hf_status status, hf_status expected) {
    if (status == HF_OK) check_success(harness);
    if (status == expected) return;
    if (failure_injected(harness) &&
        (is_injected_status(harness, status) || status == HF_NO_ADDRESS))
        return;
    fail(harness, "opening gave %d and not %d", (int)status, (int)expected);
}

static void close_arena(struct harness *harness, unsigned index) {
    if (harness->models[index].open) check_blocks(harness, index, false);
    memset(&harness->models[index], 0, sizeof harness->models[index]);
    hf_arena_close(arena_at(harness, index));
}

static hf_arena_options options_of(struct harness *harness, unsigned slot) {
    hf_arena_options options = arena_options(harness->operation, slot);
    options.on_failure = harness->operation->number & 16 ? on_failure : NULL;
    options.user = harness;
    options.backend = harness->backend == hf_backend_native() ? NULL : harness->backend;
    return options;
}

static void run_open(struct harness *harness) {
    unsigned slot = harness->operation->arena % ARENA_PAIR;
    hf_arena_options options = options_of(harness, harness->operation->number / 32);
    close_arena(harness, slot);
    hf_status expected = expected_open(harness, &options);
    bool defaults = !harness->strict && harness->operation->flags == 63;
    if (defaults) {
        memset(&options, 0, sizeof options);
        expected = HF_OK;
    }
    hf_status status = hf_arena_open(&harness->single[slot], defaults ? NULL : &options);
    judge_open(harness, status, expected);
    if (status == HF_OK)
        note_open(harness, slot, &options);
    else
        check_closed(harness, slot);
}

static void close_scratch(struct harness *harness) {
    memset(&harness->models[ARENA_PAIR], 0, (ARENAS - ARENA_PAIR) * sizeof harness->models[0]);
    hf_scratch_close(&harness->scratch);
}

/* An exact base cannot serve two. */
static void run_scratch_open(struct harness *harness) {
    hf_arena_options options = options_of(harness, 0);
    close_scratch(harness);
    hf_status expected = options.base ? HF_INVALID : expected_open(harness, &options);
    hf_status status = hf_scratch_open(&harness->scratch, &options);
    judge_open(harness, status, expected);
    for (unsigned index = ARENA_PAIR; index < ARENAS; index++) {
        if (status == HF_OK)
            note_open(harness, index, &options);
        else
            check_closed(harness, index);
    }
}

static void run_fail(struct harness *harness) {
    unsigned number = harness->operation->number;
    if (harness->strict) hf_strict_fail(harness->strict, number / 2, number & 1);
}

static void run_fail_as(struct harness *harness) {
    harness->failing_way = harness->operation->number % 4;
    if (harness->strict) hf_strict_fail_as(harness->strict, harness->failing_way);
}

/* ------------------------------------------------------------------ forking --------------- */

static void check_nothing_left(struct harness *harness, hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    if (stats.regions != 0 || stats.pages != 0 || stats.locks != 0) {
        fail(harness, "left %zu regions, %zu bytes of records, %zu locks", stats.regions,
             stats.pages, stats.locks);
    }
}

static void overwrite_blocks(struct arena_model *model) {
    for (size_t i = 0; i < model->block_count; i++)
        memset(model->base + model->blocks[i].offset, 0xee, model->blocks[i].size);
}

/* The operation is that of one arena after the other: on_failure wants to know whose it is. */
static void use_in_child(struct harness *harness, arena_operation operation) {
    hf_arena *arena = arena_at(harness, operation.arena);
    struct arena_model *model = &harness->models[operation.arena];
    size_t size = operation.value;
    if (!model->open) return;
    begin(harness, &operation);
    check_arena(harness, operation.arena, true);
    overwrite_blocks(model);
    char *block = hf_alloc(arena, size, 1);
    if (block) memset(block, 0xee, size);
    if (hf_reset(arena) != HF_OK) fail(harness, "a child can't reset");
    if (!model->faulting && hf_get_mark(arena) != 0) fail(harness, "a reset arena is not empty");
    block = hf_alloc_zeroed(arena, FEW_BYTES, 8);
    if (block && !arena_bytes_are_zero(model, block, FEW_BYTES))
        fail(harness, "a block that is not zero");
}

static void run_child(void *data) {
    struct harness *harness = data;
    arena_operation operation = *harness->operation;
    harness->handling = HANDLE_GIVE_UP;
    if (harness->strict) hf_strict_fail(harness->strict, 0, false);
    for (operation.arena = 0; operation.arena < ARENAS; operation.arena++)
        use_in_child(harness, operation);
    begin(harness, &harness->program[operation.index]);
    for (unsigned index = 0; index < ARENA_PAIR; index++) hf_arena_close(arena_at(harness, index));
    hf_scratch_close(&harness->scratch);
    for (unsigned index = 0; index < ARENAS; index++) check_closed(harness, index);
    check_strict(harness);
    if (harness->strict) check_nothing_left(harness, harness->strict);
}

static void run_fork(struct harness *harness) {
    if (harness->forks == MOST_FORKS) return;
    harness->forks++;
    if (host_fork(run_child, NULL, harness) == HOST_CHILD_FAILED)
        fail(harness, "the child has failed");
    for (unsigned index = 0; index < ARENAS; index++) check_arena(harness, index, true);
}

/* ------------------------------------------------------------------ running --------------- */

/* Kinds that need no open arena. */
static bool run_any(struct harness *harness) {
    switch (harness->operation->kind) {
    case ARENA_OPEN: run_open(harness); return true;
    case ARENA_CLOSE:
        if (harness->operation->arena < ARENA_PAIR) close_arena(harness, harness->operation->arena);
        return true;
    case ARENA_SCRATCH_OPEN: run_scratch_open(harness); return true;
    case ARENA_SCRATCH_CLOSE: close_scratch(harness); return true;
    case ARENA_SCRATCH_BEGIN: run_scratch_begin(harness); return true;
    case ARENA_HANDLER:
        harness->handling = (handling)(harness->operation->number % HANDLINGS);
        return true;
    case ARENA_FAIL: run_fail(harness); return true;
    case ARENA_FORK: run_fork(harness); return true;
    case ARENA_FAIL_AS: run_fail_as(harness); return true;
    default: return false;
    }
}

/* Kinds that an arena may be closed for: they fail then. */
static bool run_allocating(struct harness *harness, size_t size) {
    switch (harness->operation->kind) {
    case ARENA_ALLOC:
    case ARENA_ALLOC_ZEROED: run_alloc(harness, size); return true;
    case ARENA_ALLOC_ARRAY: run_alloc_array(harness, size); return true;
    case ARENA_NEW: run_new(harness); return true;
    case ARENA_REALLOC: run_realloc(harness, size); return true;
    case ARENA_PEEK: run_peek(harness, size); return true;
    case ARENA_STRDUP: run_strdup(harness, size); return true;
    case ARENA_STRNDUP: run_strndup(harness, size); return true;
    case ARENA_MEMDUP: run_memdup(harness, size); return true;
    case ARENA_ASPRINTF: run_asprintf(harness, size); return true;
    default: return false;
    }
}

static void run_on_open(struct harness *harness, size_t size) {
    switch (harness->operation->kind) {
    case ARENA_EXTEND:
    case ARENA_EXTEND_ZEROED: run_extend(harness, size); break;
    case ARENA_PRECOMMIT: run_precommit(harness, size); break;
    case ARENA_MARK: run_mark(harness); break;
    case ARENA_REWIND: run_rewind(harness); break;
    case ARENA_RESET: run_reset(harness); break;
    case ARENA_TRIM: run_trim(harness, size); break;
    case ARENA_SCOPE_BEGIN: run_scope_begin(harness); break;
    case ARENA_SCOPE_END: run_scope_end(harness); break;
    case ARENA_REF: run_ref(harness); break;
    default: break;
    }
}

static void run_operation(struct harness *harness, const arena_operation *operation) {
    begin(harness, operation);
    size_t size = arena_size(operation, arena_of(harness), &harness->before);
    harness->sizes[operation->index] = size;
    if (!run_any(harness) && !run_allocating(harness, size) && model_of(harness)->open)
        run_on_open(harness, size);
    harness->used[operation->index] = hf_get_mark(arena_of(harness));
    for (unsigned index = 0; index < ARENAS; index++) {
        check_arena(harness, index,
                    operation->index % CALLS_BETWEEN_LOOKS == CALLS_BETWEEN_LOOKS - 1);
    }
    check_strict(harness);
}

static void run(struct harness *harness, const uint8_t *data, size_t size) {
    size_t operations = size / OPERATION_BYTES;
    if (operations > MOST_OPERATIONS) operations = MOST_OPERATIONS;
    harness->page_size = harness->backend->page_size(harness->backend);
    for (size_t i = 0; i < operations; i++) {
        harness->program[i] = arena_decode(data + i * OPERATION_BYTES, i);
        run_operation(harness, &harness->program[i]);
    }
    harness->operation = NULL;
    for (unsigned index = 0; index < ARENAS; index++) check_arena(harness, index, true);
    if (harness->strict) hf_strict_fail(harness->strict, 0, false);
    for (unsigned index = 0; index < ARENA_PAIR; index++) close_arena(harness, index);
    close_scratch(harness);
}

static void open_strict(hf_backend **strict, const hf_backend *under) {
    if (hf_strict_open(strict, under) == HF_OK) return;
    fputs("fuzz_arena: hf_strict_open failed\n", stderr);
    abort();
}

static void run_native(const uint8_t *data, size_t size) {
    static struct harness harness;
    memset(&harness, 0, sizeof harness);
    harness.name = "native";
    harness.backend = system_backend(DEFAULT_RESERVE);
    run(&harness, data, size);
}

static void run_strict(const uint8_t *data, size_t size) {
    static struct harness harness;
    memset(&harness, 0, sizeof harness);
    open_strict(&harness.under, system_backend(DEFAULT_RESERVE));
    open_strict(&harness.strict, harness.under);
    harness.name = "strict";
    harness.backend = harness.strict;
    run(&harness, data, size);
    check_nothing_left(&harness, harness.strict);
    hf_strict_close(harness.strict);
    check_nothing_left(&harness, harness.under);
    hf_strict_close(harness.under);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run_native(data, size);
    run_strict(data, size);
    return 0;
}
