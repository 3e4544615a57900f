/*
 * arena_rewind.c -- going back, by marks, scopes, reset and trim; and refs.
 */
#include "arena_lane.h"

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

void rewound(struct lane *lane, hf_mark mark) {
    struct arena_model *model = model_of(lane);
    size_t used = hf_get_mark(arena_of(lane)), expected = expected_used(model, mark);
    if (used != expected) fail(lane, "rewound to %zu and not %zu", used, expected);
    arena_model_truncate(model, mark);
    arena_model_use(model, used);
}

static void check_released_nothing(struct lane *lane) {
    hf_arena_stats now = hf_arena_get_stats(arena_of(lane));
    if (model_of(lane)->faulting) return;
    if (now.committed != lane->before.committed || now.system_calls != lane->before.system_calls) {
        fail(lane, "rewinding released memory");
    }
}

void run_rewind(struct lane *lane) {
    struct arena_model *model = model_of(lane);
    unsigned selector = lane->operation->selector;
    hf_mark mark = model->marks[selector % ARENA_MARKS];
    if (selector >= 128) mark = model->used * (selector & 15) / 15;
    if (selector >= 240) mark = model->used + lane->operation->value;
    check_blocks(lane, lane->operation->arena, false);
    hf_status status = hf_rewind(arena_of(lane), mark);
    if (mark > model->used) {
        if (status != HF_INVALID) fail(lane, "a mark above pos gave %d", (int)status);
        check_unchanged(lane);
        return;
    }
    if (status != HF_OK && !(model->faulting && refused(lane) && is_refusal(lane, status))) {
        fail(lane, "rewinding gave %d", (int)status);
    }
    if (status == HF_OK) check_success(lane);
    check_released_nothing(lane);
    rewound(lane, mark);
}

static void check_release(struct lane *lane, hf_status status, size_t expected) {
    size_t committed = hf_arena_get_stats(arena_of(lane)).committed;
    if (status == HF_OK) check_success(lane);
    if (model_of(lane)->faulting) return;
    if (status == HF_OK && committed != expected) {
        fail(lane, "%zu bytes are committed and not %zu", committed, expected);
    }
    if (status != HF_OK && !(refused(lane) && is_refusal(lane, status))) {
        fail(lane, "releasing gave %d", (int)status);
    }
    if (committed < expected || committed > lane->before.committed) {
        fail(lane, "%zu bytes are committed, not between %zu and before", committed, expected);
    }
}

/* A reset that fails ends no scope, and the next one trims as this one would have. */
void run_reset(struct lane *lane) {
    struct arena_model *model = model_of(lane);
    size_t keep = model->keep, peak = model->peak_since_reset;
    check_blocks(lane, lane->operation->arena, false);
    hf_status status = hf_reset(arena_of(lane));
    rewound(lane, 0);
    model->ensured = 0;
    check_release(lane, status, arena_model_reset(model, lane->before.committed));
    if (status == HF_OK) {
        arena_model_scope_ended(model, 0);
        model->peak_since_reset = model->used;
    } else {
        model->keep = keep;
        model->peak_since_reset = peak > model->used ? peak : model->used;
    }
}

void run_trim(struct lane *lane, size_t keep) {
    struct arena_model *model = model_of(lane);
    hf_status status = hf_trim(arena_of(lane), keep);
    if (hf_get_mark(arena_of(lane)) != model->used) fail(lane, "trimming moved pos");
    model->ensured = 0;
    check_release(lane, status, arena_model_trimmed(model, lane->before.committed, keep));
}

void run_mark(struct lane *lane) {
    struct arena_model *model = model_of(lane);
    model->marks[lane->operation->selector % ARENA_MARKS] = hf_get_mark(arena_of(lane));
}

/* ------------------------------------------------------------------ scopes ---------------- */

void run_scope_begin(struct lane *lane) {
    hf_scope scope = hf_scope_begin(arena_of(lane));
    if (scope.arena != arena_of(lane)) fail(lane, "a scope of another arena");
    if (scope.mark != model_of(lane)->used) fail(lane, "a scope that begins elsewhere");
    check_unchanged(lane);
    arena_model_scope_begun(model_of(lane), scope);
}

/* Rewinding below an open scope's beginning leaves it without a place to go back to: what ending it
 * says is not promised then, only that nothing changes. */
static void end_stranded(struct lane *lane, size_t index) {
    struct arena_model *model = model_of(lane);
    hf_scope_end(model->scopes[index].scope);
    if (hf_get_mark(arena_of(lane)) != model->used) fail(lane, "a stranded scope moved pos");
    model->scope_count = index;
}

void run_scope_end(struct lane *lane) {
    struct arena_model *model = model_of(lane);
    if (model->scope_count == 0) return;
    size_t index = model->scope_count - 1;
    if (lane->operation->selector >= 128) index = lane->operation->selector % model->scope_count;
    const arena_scope *scope = &model->scopes[index];
    if (!scope->ended && scope->scope.mark > model->used) {
        end_stranded(lane, index);
        return;
    }
    hf_status status = hf_scope_end(scope->scope);
    if (scope->ended) {
        if (status != HF_WRONG_STATE) fail(lane, "ending an ended scope gave %d", (int)status);
        check_unchanged(lane);
        return;
    }
    if (status != HF_OK && !(model->faulting && refused(lane))) {
        fail(lane, "ending a scope gave %d", (int)status);
    }
    check_released_nothing(lane);
    rewound(lane, scope->scope.mark);
    if (status == HF_OK) arena_model_scope_ended(model, index);
}

void run_scratch_begin(struct lane *lane) {
    unsigned conflict = lane->operation->selector % (ARENAS + 1);
    const hf_arena *avoid = conflict == ARENAS ? NULL : arena_at(lane, conflict);
    if (!lane->models[ARENA_PAIR].open) return;
    hf_scope scope = hf_scratch_begin(&lane->scratch, avoid);
    if (scope.arena == avoid) fail(lane, "the scratch arena is the conflict");
    for (unsigned index = ARENA_PAIR; index < ARENAS; index++) {
        if (scope.arena != arena_at(lane, index)) continue;
        if (scope.mark != lane->models[index].used) fail(lane, "a scope that begins elsewhere");
        arena_model_scope_begun(&lane->models[index], scope);
        return;
    }
    fail(lane, "a scope of no scratch arena");
}

/* ------------------------------------------------------------------ refs ------------------ */

void run_ref(struct lane *lane) {
    hf_arena *arena = arena_of(lane);
    struct arena_model *model = model_of(lane);
    const arena_operation *operation = lane->operation;
    size_t offset = model->used * (operation->selector % 16) / 15 + operation->number % 24;
    if (operation->selector % 2) offset = offset / 8 * 8;
    const char *pointer = model->base + offset;
    bool within = offset < lane->before.reserved;
    hf_ref ref = hf_to_ref(arena, pointer);
    if (hf_owns(arena, pointer) != within) fail(lane, "owning is wrong at %zu", offset);
    if (offset % 8 != 0 || offset > model->used) {
        if (ref != 0) fail(lane, "a ref to %zu, which cannot have one", offset);
        check_error(lane, HF_INVALID);
    } else if (offset < model->used && ref != 1 + offset / 8)
        fail(lane, "a wrong ref");
    const char *expected = offset < model->used ? pointer : NULL;
    if (ref != 0 && hf_from_ref(arena, ref) != expected) fail(lane, "a ref leads elsewhere");
    if (hf_to_ref(arena, NULL) != 0 || hf_from_ref(arena, 0)) fail(lane, "NULL is not ref 0");
    hf_ref any = operation->value * 977 + 1;
    char *there = hf_from_ref(arena, any);
    size_t place = (size_t)(any - 1) * 8;
    if (place < model->used && there != model->base + place) fail(lane, "a ref leads elsewhere");
    if (place >= model->used && there) fail(lane, "a ref to bytes not handed out");
    if (hf_to_ref(arena, lane) != 0) fail(lane, "a ref to a stranger");
    check_unchanged(lane);
}
