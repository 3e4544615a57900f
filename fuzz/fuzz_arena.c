/*
 * fuzz_arena.c -- runs a program of calls on arenas over two backends, against the model.
 *
 * After each call: the result must be what the model says must, may or cannot be; a block must be
 * aligned, lie behind all others, be zero where that is promised; statistics must agree; every live
 * block must hold its pattern; what failed must have left everything as it was. Over the strict
 * backend calls fail on demand. on_failure may give up, free something, end the failures, or leave
 * by longjmp, as the program wants it.
 */
#include "arena_lane.h"
#include "host.h"
#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_BETWEEN_LOOKS = 8, MOST_FORKS = 2, FEW_BYTES = 4096 };

/* ------------------------------------------------------------------ opening --------------- */

/* Only the program's own arenas are ever in the way; a huge one may be anywhere. */
static bool is_taken(struct lane *lane, uintptr_t base, size_t size) {
    for (unsigned index = 0; index < ARENAS; index++) {
        uintptr_t other = (uintptr_t)lane->models[index].base;
        if (!lane->models[index].open) continue;
        size_t reserved = hf_arena_get_stats(arena_at(lane, index)).reserved;
        if (base < other + reserved && other < base + size) return true;
    }
    return false;
}

static hf_status expected_open(struct lane *lane, const hf_arena_options *options) {
    size_t reserve = options->reserve ? options->reserve : DEFAULT_RESERVE;
    if (options->reserve == 0 && options->least_reserve > reserve) reserve = options->least_reserve;
    uintptr_t base = (uintptr_t)options->base;
    bool is_least = options->reserve == 0 || options->least_reserve <= options->reserve;
    if (base % HF_ALLOCATION_GRANULARITY != 0 || !is_least) return HF_INVALID;
    if (base > UINTPTR_MAX - reserve) return HF_INVALID;
    if (options->least_reserve > SIZE_MAX / 4) return HF_NO_ADDRESS;
    return base && is_taken(lane, base, reserve) ? HF_NO_ADDRESS : HF_OK;
}

static void check_opened(struct lane *lane, const hf_arena *arena,
                         const hf_arena_options *options) {
    hf_arena_stats stats = hf_arena_get_stats(arena);
    size_t least = options->least_reserve;
    bool huge = options->reserve > SIZE_MAX / 4;
    if (least == 0)
        least = options->reserve && options->reserve < 1 << 20 ? options->reserve : 1 << 20;
    if (stats.used || stats.committed || stats.peak || stats.high_water || stats.growths) {
        fail(lane, "a new arena is not empty");
    }
    if (stats.reserved < least) fail(lane, "less is reserved than the least");
    if (!huge && !refused(lane) && options->reserve &&
        (stats.reserved < options->reserve ||
         stats.reserved - options->reserve >= lane->page_size)) {
        fail(lane, "the reservation is not what was asked for");
    }
    if (options->base && hf_arena_base(arena) != options->base) fail(lane, "another base");
    if ((uintptr_t)hf_arena_base(arena) % HF_ALLOCATION_GRANULARITY != 0)
        fail(lane, "a base not aligned");
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

static void note_open(struct lane *lane, unsigned index, const hf_arena_options *options) {
    bool checked = is_checked_process();
    check_opened(lane, arena_at(lane, index), options);
    arena_model_open(&lane->models[index], arena_at(lane, index), options, lane->page_size,
                     checked);
}

static void judge_open(struct lane *lane, hf_status status, hf_status expected) {
    if (status == HF_OK) check_success(lane);
    if (status == expected) return;
    if (refused(lane) && (is_refusal(lane, status) || status == HF_NO_ADDRESS)) return;
    fail(lane, "opening gave %d and not %d", (int)status, (int)expected);
}

static void close_arena(struct lane *lane, unsigned index) {
    if (lane->models[index].open) check_blocks(lane, index, false);
    memset(&lane->models[index], 0, sizeof lane->models[index]);
    hf_arena_close(arena_at(lane, index));
}

static hf_arena_options options_of(struct lane *lane, unsigned slot) {
    hf_arena_options options = arena_options(lane->operation, slot);
    options.on_failure = lane->operation->number & 16 ? on_failure : NULL;
    options.user = lane;
    options.backend = lane->backend == hf_backend_native() ? NULL : lane->backend;
    return options;
}

static void run_open(struct lane *lane) {
    unsigned slot = lane->operation->arena % ARENA_PAIR;
    hf_arena_options options = options_of(lane, lane->operation->number / 32);
    close_arena(lane, slot);
    hf_status expected = expected_open(lane, &options);
    bool defaults = !lane->strict && lane->operation->flags == 63;
    if (defaults) {
        memset(&options, 0, sizeof options);
        expected = HF_OK;
    }
    hf_status status = hf_arena_open(&lane->single[slot], defaults ? NULL : &options);
    judge_open(lane, status, expected);
    if (status == HF_OK)
        note_open(lane, slot, &options);
    else
        check_closed(lane, slot);
}

static void close_scratch(struct lane *lane) {
    memset(&lane->models[ARENA_PAIR], 0, (ARENAS - ARENA_PAIR) * sizeof lane->models[0]);
    hf_scratch_close(&lane->scratch);
}

/* An exact base cannot serve two. */
static void run_scratch_open(struct lane *lane) {
    hf_arena_options options = options_of(lane, 0);
    close_scratch(lane);
    hf_status expected = options.base ? HF_INVALID : expected_open(lane, &options);
    hf_status status = hf_scratch_open(&lane->scratch, &options);
    judge_open(lane, status, expected);
    for (unsigned index = ARENA_PAIR; index < ARENAS; index++) {
        if (status == HF_OK)
            note_open(lane, index, &options);
        else
            check_closed(lane, index);
    }
}

static void run_fail(struct lane *lane) {
    unsigned number = lane->operation->number;
    if (lane->strict) hf_strict_fail(lane->strict, number / 2, number & 1);
}

static void run_fail_as(struct lane *lane) {
    lane->failing_way = lane->operation->number % 4;
    if (lane->strict) hf_strict_fail_as(lane->strict, lane->failing_way);
}

/* ------------------------------------------------------------------ forking --------------- */

static void check_nothing_left(struct lane *lane, hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    if (stats.pieces != 0 || stats.pages != 0 || stats.locks != 0) {
        fail(lane, "left %zu pieces, %zu bytes of records, %zu locks", stats.pieces, stats.pages,
             stats.locks);
    }
}

static void overwrite_blocks(struct arena_model *model) {
    for (size_t i = 0; i < model->block_count; i++)
        memset(model->base + model->blocks[i].offset, 0xee, model->blocks[i].size);
}

/* The operation is that of one arena after the other: on_failure wants to know whose it is. */
static void use_in_child(struct lane *lane, arena_operation operation) {
    hf_arena *arena = arena_at(lane, operation.arena);
    struct arena_model *model = &lane->models[operation.arena];
    size_t size = operation.value;
    if (!model->open) return;
    begin(lane, &operation);
    check_arena(lane, operation.arena, true);
    overwrite_blocks(model);
    char *block = hf_alloc(arena, size, 1);
    if (block) memset(block, 0xee, size);
    if (hf_reset(arena) != HF_OK) fail(lane, "a child can't reset");
    if (!model->faulting && hf_get_mark(arena) != 0) fail(lane, "a reset arena is not empty");
    block = hf_alloc_zeroed(arena, FEW_BYTES, 8);
    if (block && !arena_bytes_are_zero(model, block, FEW_BYTES))
        fail(lane, "a block that is not zero");
}

static void run_child(void *data) {
    struct lane *lane = data;
    arena_operation operation = *lane->operation;
    lane->handling = HANDLE_GIVE_UP;
    if (lane->strict) hf_strict_fail(lane->strict, 0, false);
    for (operation.arena = 0; operation.arena < ARENAS; operation.arena++)
        use_in_child(lane, operation);
    begin(lane, &lane->program[operation.index]);
    for (unsigned index = 0; index < ARENA_PAIR; index++) hf_arena_close(arena_at(lane, index));
    hf_scratch_close(&lane->scratch);
    for (unsigned index = 0; index < ARENAS; index++) check_closed(lane, index);
    check_strict(lane);
    if (lane->strict) check_nothing_left(lane, lane->strict);
}

static void run_fork(struct lane *lane) {
    if (lane->forks == MOST_FORKS) return;
    lane->forks++;
    if (host_fork(run_child, NULL, lane) == HOST_CHILD_FAILED) fail(lane, "the child has failed");
    for (unsigned index = 0; index < ARENAS; index++) check_arena(lane, index, true);
}

/* ------------------------------------------------------------------ running --------------- */

/* Kinds that need no open arena. */
static bool run_any(struct lane *lane) {
    switch (lane->operation->kind) {
    case ARENA_OPEN: run_open(lane); return true;
    case ARENA_CLOSE:
        if (lane->operation->arena < ARENA_PAIR) close_arena(lane, lane->operation->arena);
        return true;
    case ARENA_SCRATCH_OPEN: run_scratch_open(lane); return true;
    case ARENA_SCRATCH_CLOSE: close_scratch(lane); return true;
    case ARENA_SCRATCH_BEGIN: run_scratch_begin(lane); return true;
    case ARENA_HANDLER:
        lane->handling = (handling)(lane->operation->number % HANDLINGS);
        return true;
    case ARENA_FAIL: run_fail(lane); return true;
    case ARENA_FORK: run_fork(lane); return true;
    case ARENA_FAIL_AS: run_fail_as(lane); return true;
    default: return false;
    }
}

/* Kinds that an arena may be closed for: they fail then. */
static bool run_allocating(struct lane *lane, size_t size) {
    switch (lane->operation->kind) {
    case ARENA_ALLOC:
    case ARENA_ALLOC_ZEROED: run_alloc(lane, size); return true;
    case ARENA_ALLOC_ARRAY: run_alloc_array(lane, size); return true;
    case ARENA_NEW: run_new(lane); return true;
    case ARENA_REALLOC: run_realloc(lane, size); return true;
    case ARENA_PEEK: run_peek(lane, size); return true;
    case ARENA_STRDUP: run_strdup(lane, size); return true;
    case ARENA_STRNDUP: run_strndup(lane, size); return true;
    case ARENA_MEMDUP: run_memdup(lane, size); return true;
    case ARENA_ASPRINTF: run_asprintf(lane, size); return true;
    default: return false;
    }
}

static void run_on_open(struct lane *lane, size_t size) {
    switch (lane->operation->kind) {
    case ARENA_EXTEND:
    case ARENA_EXTEND_ZEROED: run_extend(lane, size); break;
    case ARENA_PRECOMMIT: run_precommit(lane, size); break;
    case ARENA_MARK: run_mark(lane); break;
    case ARENA_REWIND: run_rewind(lane); break;
    case ARENA_RESET: run_reset(lane); break;
    case ARENA_TRIM: run_trim(lane, size); break;
    case ARENA_SCOPE_BEGIN: run_scope_begin(lane); break;
    case ARENA_SCOPE_END: run_scope_end(lane); break;
    case ARENA_REF: run_ref(lane); break;
    default: break;
    }
}

static void run_operation(struct lane *lane, const arena_operation *operation) {
    begin(lane, operation);
    size_t size = arena_size(operation, arena_of(lane), &lane->before);
    lane->sizes[operation->index] = size;
    if (!run_any(lane) && !run_allocating(lane, size) && model_of(lane)->open)
        run_on_open(lane, size);
    lane->used[operation->index] = hf_get_mark(arena_of(lane));
    for (unsigned index = 0; index < ARENAS; index++) {
        check_arena(lane, index, operation->index % CALLS_BETWEEN_LOOKS == CALLS_BETWEEN_LOOKS - 1);
    }
    check_strict(lane);
}

static void run(struct lane *lane, const uint8_t *data, size_t size) {
    size_t operations = size / OPERATION_BYTES;
    if (operations > MOST_OPERATIONS) operations = MOST_OPERATIONS;
    lane->page_size = lane->backend->page_size(lane->backend);
    for (size_t i = 0; i < operations; i++) {
        lane->program[i] = arena_decode(data + i * OPERATION_BYTES, i);
        run_operation(lane, &lane->program[i]);
    }
    lane->operation = NULL;
    for (unsigned index = 0; index < ARENAS; index++) check_arena(lane, index, true);
    if (lane->strict) hf_strict_fail(lane->strict, 0, false);
    for (unsigned index = 0; index < ARENA_PAIR; index++) close_arena(lane, index);
    close_scratch(lane);
}

static void open_strict(hf_backend **strict, const hf_backend *under) {
    if (hf_strict_open(strict, under) == HF_OK) return;
    fputs("fuzz_arena: hf_strict_open failed\n", stderr);
    abort();
}

static void run_native(const uint8_t *data, size_t size) {
    static struct lane lane;
    memset(&lane, 0, sizeof lane);
    lane.name = "native";
    lane.backend = system_backend(DEFAULT_RESERVE);
    run(&lane, data, size);
}

static void run_strict(const uint8_t *data, size_t size) {
    static struct lane lane;
    memset(&lane, 0, sizeof lane);
    open_strict(&lane.under, system_backend(DEFAULT_RESERVE));
    open_strict(&lane.strict, lane.under);
    lane.name = "strict";
    lane.backend = lane.strict;
    run(&lane, data, size);
    check_nothing_left(&lane, lane.strict);
    hf_strict_close(lane.strict);
    check_nothing_left(&lane, lane.under);
    hf_strict_close(lane.under);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run_native(data, size);
    run_strict(data, size);
    return 0;
}
