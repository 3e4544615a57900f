/*
 * arena_rewind.c -- going back, by marks, scopes, reset and trim; and refs.
 */
#include "arena_harness.h"

#include <stdio.h>

/* ------------------------------------------------------------------ going back ------------ */

/* With fault_after_rewind pos stays behind the pages that fault now, and never goes back there. */
static size_t expected_used(struct arena_model *model, hf_mark mark) {
    size_t mask = model->page_size - 1;
    size_t from = (mark + mask) & ~mask, to = (model->used + mask) & ~mask;
    if (!model->faulting) return mark;
    if (from >= to) return mark > model->faulting_end ? mark : model->faulting_end;
    model->faulting_end = to;
    return to;
}

void rewound(struct harness *harness, hf_mark mark) {
    struct arena_model *model = model_of(harness);
    size_t used = hf_get_mark(arena_of(harness)), expected = expected_used(model, mark);
    if (used != expected) fail(harness, "rewound to %zu and not %zu", used, expected);
    arena_model_truncate(model, mark);
    arena_model_use(model, used);
}

static void check_released_nothing(struct harness *harness) {
    hf_arena_stats now = hf_arena_get_stats(arena_of(harness));
    if (model_of(harness)->faulting) return;
    if (now.committed != harness->before.committed ||
        now.system_calls != harness->before.system_calls) {
        fail(harness, "rewinding released memory");
    }
}

void run_rewind(struct harness *harness) {
    struct arena_model *model = model_of(harness);
    unsigned selector = harness->operation->selector;
    hf_mark mark = model->marks[selector % ARENA_MARKS];
    if (selector >= 128) mark = model->used * (selector & 15) / 15;
    if (selector >= 240) mark = model->used + harness->operation->value;
    check_blocks(harness, harness->operation->arena, false);
    hf_status status = hf_rewind(arena_of(harness), mark);
    if (mark > model->used) {
        if (status != HF_INVALID) fail(harness, "a mark above pos gave %d", (int)status);
        check_unchanged(harness);
        return;
    }
    if (status != HF_OK &&
        !(model->faulting && failure_injected(harness) && is_injected_status(harness, status))) {
        fail(harness, "rewinding gave %d", (int)status);
    }
    if (status == HF_OK) check_success(harness);
    check_released_nothing(harness);
    rewound(harness, mark);
}

static void check_release(struct harness *harness, hf_status status, size_t expected) {
    size_t committed = hf_arena_get_stats(arena_of(harness)).committed;
    if (status == HF_OK) check_success(harness);
    if (model_of(harness)->faulting) return;
    if (status == HF_OK && committed != expected) {
        fail(harness, "%zu bytes are committed and not %zu", committed, expected);
    }
    if (status != HF_OK && !(failure_injected(harness) && is_injected_status(harness, status))) {
        fail(harness, "releasing gave %d", (int)status);
    }
    if (committed < expected || committed > harness->before.committed) {
        fail(harness, "%zu bytes are committed, not between %zu and before", committed, expected);
    }
}

/* A reset that fails ends no scope, and the next one trims as this one would have. */
void run_reset(struct harness *harness) {
    struct arena_model *model = model_of(harness);
    size_t keep = model->keep, peak = model->peak_since_reset;
    check_blocks(harness, harness->operation->arena, false);
    hf_status status = hf_reset(arena_of(harness));
    rewound(harness, 0);
    model->ensured = 0;
    check_release(harness, status, arena_model_reset(model, harness->before.committed));
    if (status == HF_OK) {
        arena_model_scope_ended(model, 0);
        model->peak_since_reset = model->used;
    } else {
        model->keep = keep;
        model->peak_since_reset = peak > model->used ? peak : model->used;
    }
}

void run_trim(struct harness *harness, size_t keep) {
    struct arena_model *model = model_of(harness);
    hf_status status = hf_trim(arena_of(harness), keep);
    if (hf_get_mark(arena_of(harness)) != model->used) fail(harness, "trimming moved pos");
    model->ensured = 0;
    check_release(harness, status, arena_model_trimmed(model, harness->before.committed, keep));
}

void run_mark(struct harness *harness) {
    struct arena_model *model = model_of(harness);
    model->marks[harness->operation->selector % ARENA_MARKS] = hf_get_mark(arena_of(harness));
}

/* ------------------------------------------------------------------ scopes ---------------- */

void run_scope_begin(struct harness *harness) {
    hf_scope scope = hf_scope_begin(arena_of(harness));
    if (scope.arena != arena_of(harness)) fail(harness, "a scope of another arena");
    if (scope.mark != model_of(harness)->used) fail(harness, "a scope that begins elsewhere");
    check_unchanged(harness);
    arena_model_scope_begun(model_of(harness), scope);
}

/* Rewinding below an open scope's beginning leaves it without a place to go back to: what ending it
 * says is not promised then, only that nothing changes. */
static void end_stranded(struct harness *harness, size_t index) {
    struct arena_model *model = model_of(harness);
    hf_scope_end(model->scopes[index].scope);
    if (hf_get_mark(arena_of(harness)) != model->used) fail(harness, "a stranded scope moved pos");
    model->scope_count = index;
}

void run_scope_end(struct harness *harness) {
    struct arena_model *model = model_of(harness);
    if (model->scope_count == 0) return;
    size_t index = model->scope_count - 1;
    if (harness->operation->selector >= 128)
        index = harness->operation->selector % model->scope_count;
    const arena_scope *scope = &model->scopes[index];
    if (!scope->ended && scope->scope.mark > model->used) {
        end_stranded(harness, index);
        return;
    }
    hf_status status = hf_scope_end(scope->scope);
    if (scope->ended) {
        if (status != HF_WRONG_STATE) fail(harness, "ending an ended scope gave %d", (int)status);
        check_unchanged(harness);
        return;
    }
    if (status != HF_OK && !(model->faulting && failure_injected(harness))) {
        fail(harness, "ending a scope gave %d", (int)status);
    }
    check_released_nothing(harness);
    rewound(harness, scope->scope.mark);
    if (status == HF_OK) arena_model_scope_ended(model, index);
}

void run_scratch_begin(struct harness *harness) {
    unsigned conflict = harness->operation->selector % (ARENAS + 1);
    const hf_arena *avoid = conflict == ARENAS ? NULL : arena_at(harness, conflict);
    if (!harness->models[ARENA_PAIR].open) return;
    hf_scope scope = hf_scratch_begin(&harness->scratch, avoid);
    if (scope.arena == avoid) fail(harness, "the scratch arena is the conflict");
    for (unsigned index = ARENA_PAIR; index < ARENAS; index++) {
        if (scope.arena != arena_at(harness, index)) continue;
        if (scope.mark != harness->models[index].used)
            fail(harness, "a scope that begins elsewhere");
        arena_model_scope_begun(&harness->models[index], scope);
        return;
    }
    fail(harness, "a scope of no scratch arena");
}

/* ------------------------------------------------------------------ refs ------------------ */

void run_ref(struct harness *harness) {
    hf_arena *arena = arena_of(harness);
    struct arena_model *model = model_of(harness);
    const arena_operation *operation = harness->operation;
    size_t offset = model->used * (operation->selector % 16) / 15 + operation->number % 24;
    if (operation->selector % 2) offset = offset / 8 * 8;
    const char *pointer = model->base + offset;
    bool within = offset < harness->before.reserved;
    hf_ref ref = hf_to_ref(arena, pointer);
    if (hf_owns(arena, pointer) != within) fail(harness, "owning is wrong at %zu", offset);
    if (offset % 8 != 0 || offset > model->used) {
        if (ref != 0) fail(harness, "a ref to %zu, which cannot have one", offset);
        check_error(harness, HF_INVALID);
    } else if (offset < model->used && ref != 1 + offset / 8)
        fail(harness, "a wrong ref");
    const char *expected = offset < model->used ? pointer : NULL;
    if (ref != 0 && hf_from_ref(arena, ref) != expected) fail(harness, "a ref leads elsewhere");
    if (hf_to_ref(arena, NULL) != 0 || hf_from_ref(arena, 0)) fail(harness, "NULL is not ref 0");
    hf_ref any = operation->value * 977 + 1;
    char *there = hf_from_ref(arena, any);
    size_t place = (size_t)(any - 1) * 8;
    if (place < model->used && there != model->base + place) fail(harness, "a ref leads elsewhere");
    if (place >= model->used && there) fail(harness, "a ref to bytes not allocated");
    if (hf_to_ref(arena, harness) != 0) fail(harness, "a ref to a stranger");
    check_unchanged(harness);
}
