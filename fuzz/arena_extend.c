/*
 * arena_extend.c -- hf_extend, hf_extend_zeroed, hf_realloc.
 */
#include "arena_harness.h"

#include <string.h>

/* ------------------------------------------------------------------ growing in place ------ */

/* A live block, mostly the last one, for that is where growing works. */
static arena_block *choose_block(struct harness *harness) {
    struct arena_model *model = model_of(harness);
    unsigned selector = harness->operation->selector;
    if (model->block_count == 0) return NULL;
    if (selector < 160) return arena_model_last(model);
    return &model->blocks[selector % model->block_count];
}

static bool is_last(const struct arena_model *model, const arena_block *block) {
    return block == &model->blocks[model->block_count - 1] && block->top == model->used;
}

/* With blocks of no bytes behind it, and after rewinding into another block, a block may count as
 * the last one or not. */
static bool may_be_last(const struct arena_model *model, const arena_block *block) {
    bool nothing_behind = true;
    for (const arena_block *b = block + 1; b < model->blocks + model->block_count; b++) {
        if (b->size != 0) nothing_behind = false;
    }
    return nothing_behind;
}

/* Of the wrong arena: HF_INVALID whatever the sizes. */
static void extend_stranger(struct harness *harness, size_t size) {
    char stranger[16] = {0};
    if (hf_extend(arena_of(harness), stranger, sizeof stranger, size))
        fail(harness, "not of this arena");
    check_unchanged(harness);
    check_error(harness, HF_INVALID);
}

/* The block has a new size; those of no bytes that lay behind it are gone. */
static void resized(struct harness *harness, arena_block *block, size_t size) {
    struct arena_model *model = model_of(harness);
    size_t used = hf_get_mark(arena_of(harness));
    bool moved = used != model->used;
    if (moved) model->block_count = (size_t)(block - model->blocks) + 1;
    block->size = size;
    if (moved || block->top == model->used) block->top = used;
    arena_model_use(model, used);
}

static void check_extended(struct harness *harness, arena_block *block, size_t old_size,
                           size_t size, bool zeroed) {
    struct arena_model *model = model_of(harness);
    char *bytes = model->base + block->offset;
    if (hf_get_mark(arena_of(harness)) < block->offset + size)
        fail(harness, "pos is within the block");
    if (!arena_block_holds(model, block, old_size < size ? old_size : size, false)) {
        fail(harness, "the block lost its bytes");
    }
    if (zeroed && size > old_size &&
        !arena_bytes_are_zero(model, bytes + old_size, size - old_size)) {
        fail(harness, "the new bytes are not zero");
    }
    resized(harness, block, size);
    if (is_last(model, block)) check_marks(harness, bytes, size);
    if (size > old_size) arena_block_fill(model, block);
}

static hf_status extension_error(struct harness *harness, const arena_block *block, size_t size) {
    const struct arena_model *model = model_of(harness);
    size_t more = size - block->size;
    if (!is_last(model, block)) return HF_WRONG_STATE;
    return more > harness->before.reserved - model->used ? HF_RESERVE_FULL : HF_OK;
}

static void check_not_extended(struct harness *harness, const arena_block *block, size_t size) {
    const struct arena_model *model = model_of(harness);
    hf_status error = size <= block->size ? HF_OK : extension_error(harness, block, size);
    bool tight = model->checked &&
                 !arena_model_fits(model, harness->struct_before.pos,
                                   harness->before.reserved - model->used, size - block->size, 1);
    hf_status status = hf_last_error().status;
    check_unchanged(harness);
    if (error == HF_WRONG_STATE && may_be_last(model, block) && status == HF_RESERVE_FULL) return;
    if (error != HF_OK)
        check_error(harness, error);
    else if (tight)
        check_error(harness, HF_RESERVE_FULL);
    else if (!failure_injected(harness))
        fail(harness, "the block was not extended");
}

void run_extend(struct harness *harness, size_t size) {
    hf_arena *arena = arena_of(harness);
    struct arena_model *model = model_of(harness);
    arena_block *block = choose_block(harness);
    bool zeroed = harness->operation->kind == ARENA_EXTEND_ZEROED;
    if (!block || harness->operation->flags == 63) {
        extend_stranger(harness, size);
        return;
    }
    size_t old_size = block->size;
    size_t new_size = harness->operation->flags & 1 ? size : old_size + size;
    if (new_size < old_size && !(harness->operation->flags & 1)) new_size = SIZE_MAX;
    char *bytes = model->base + block->offset;
    bool done = (zeroed ? hf_extend_zeroed : hf_extend)(arena, bytes, old_size, new_size);
    if (harness->asked) fail(harness, "hf_extend asked on_failure");
    if (!done) {
        check_not_extended(harness, block, new_size);
        return;
    }
    check_success(harness);
    if (new_size > old_size && !may_be_last(model, block))
        fail(harness, "it is not the last block");
    check_extended(harness, block, old_size, new_size, zeroed);
}

static void *call_realloc(struct harness *harness, struct request *request) {
    arena_block *block = choose_block(harness);
    char *bytes = block ? model_of(harness)->base + block->offset : NULL;
    return hf_realloc(arena_of(harness), bytes, block ? block->size : 0, request->size,
                      request->align);
}

static void check_moved(struct harness *harness, arena_block *block, struct request *request) {
    struct arena_model *model = model_of(harness);
    size_t size = block->size < request->size ? block->size : request->size;
    arena_block copy = *block;
    if (request->size <= block->size) fail(harness, "shrinking moved the block");
    check_place(harness, request);
    check_marks(harness, request->block, request->size);
    if (!arena_block_holds(model, block, block->size, false))
        fail(harness, "the old block changed");
    if (size > TEXT_BYTES) size = TEXT_BYTES;
    if (memcmp(model->base + copy.offset, request->block, size) != 0) {
        fail(harness, "the copy is another one");
    }
    arena_model_use(model, hf_get_mark(arena_of(harness)));
    keep_block(harness, request);
}

/* NULL in place of a block allocates. */
void run_realloc(struct harness *harness, size_t size) {
    struct arena_model *model = model_of(harness);
    arena_block *block = choose_block(harness);
    struct request request = {.size = size, .align = arena_alignment(harness->operation)};
    if (!block) {
        if (make(harness, call_realloc, &request)) keep_block(harness, &request);
        return;
    }
    size_t old_size = block->size;
    harness->floor = block->offset + block->size;
    expect(harness, &request);
    bool grows = size > old_size;
    hf_status extension = grows ? extension_error(harness, block, size) : HF_OK;
    request.block = guarded(harness, call_realloc, &request);
    block = &model->blocks[block - model->blocks];
    if (!request.block) {
        bool may_fail =
            request.fate != FATE_SUCCEEDS || failure_injected(harness) || harness->asked;
        if (is_alignment(request.align) && !grows) fail(harness, "shrinking failed");
        if (!may_fail && extension != HF_OK) fail(harness, "there is room for a copy");
        check_unchanged(harness);
        check_error(harness, request.error);
        return;
    }
    check_success(harness);
    if (!is_alignment(request.align)) fail(harness, "resized to no alignment");
    if (grows && ((uintptr_t)request.block & (request.align - 1)) != 0) {
        fail(harness, "it is not aligned");
    }
    if (request.block != model->base + block->offset)
        check_moved(harness, block, &request);
    else
        check_extended(harness, block, old_size, size, false);
}
