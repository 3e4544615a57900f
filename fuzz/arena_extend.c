/*
 * arena_extend.c -- hf_extend, hf_extend_zeroed, hf_realloc.
 */
#include "arena_lane.h"

#include <string.h>

/* ------------------------------------------------------------------ growing in place ------ */

/* A live block, mostly the last one, for that is where growing works. */
static arena_block *choose_block(struct lane *lane) {
    struct arena_model *model = model_of(lane);
    unsigned selector = lane->operation->selector;
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

/* Of the wrong arena: refused whatever the sizes. */
static void extend_stranger(struct lane *lane, size_t size) {
    char stranger[16] = {0};
    if (hf_extend(arena_of(lane), stranger, sizeof stranger, size)) fail(lane, "not of this arena");
    check_unchanged(lane);
    check_error(lane, HF_INVALID);
}

/* The block has a new size; those of no bytes that lay behind it are gone. */
static void resized(struct lane *lane, arena_block *block, size_t size) {
    struct arena_model *model = model_of(lane);
    size_t used = hf_get_mark(arena_of(lane));
    bool moved = used != model->used;
    if (moved) model->block_count = (size_t)(block - model->blocks) + 1;
    block->size = size;
    if (moved || block->top == model->used) block->top = used;
    arena_model_use(model, used);
}

static void check_extended(struct lane *lane, arena_block *block, size_t old_size, size_t size,
                           bool zeroed) {
    struct arena_model *model = model_of(lane);
    char *bytes = model->base + block->offset;
    if (hf_get_mark(arena_of(lane)) < block->offset + size) fail(lane, "pos is within the block");
    if (!arena_block_holds(model, block, old_size < size ? old_size : size, false)) {
        fail(lane, "the block lost its bytes");
    }
    if (zeroed && size > old_size &&
        !arena_bytes_are_zero(model, bytes + old_size, size - old_size)) {
        fail(lane, "the new bytes are not zero");
    }
    resized(lane, block, size);
    if (is_last(model, block)) check_marks(lane, bytes, size);
    if (size > old_size) arena_block_fill(model, block);
}

static hf_status extension_error(struct lane *lane, const arena_block *block, size_t size) {
    const struct arena_model *model = model_of(lane);
    size_t more = size - block->size;
    if (!is_last(model, block)) return HF_WRONG_STATE;
    return more > lane->before.reserved - model->used ? HF_RESERVE_FULL : HF_OK;
}

static void check_not_extended(struct lane *lane, const arena_block *block, size_t size) {
    const struct arena_model *model = model_of(lane);
    hf_status error = size <= block->size ? HF_OK : extension_error(lane, block, size);
    bool tight = model->checked &&
                 !arena_model_fits(model, lane->struct_before.pos,
                                   lane->before.reserved - model->used, size - block->size, 1);
    hf_status status = hf_last_error().status;
    check_unchanged(lane);
    if (error == HF_WRONG_STATE && may_be_last(model, block) && status == HF_RESERVE_FULL) return;
    if (error != HF_OK)
        check_error(lane, error);
    else if (tight)
        check_error(lane, HF_RESERVE_FULL);
    else if (!refused(lane))
        fail(lane, "the block was not extended");
}

void run_extend(struct lane *lane, size_t size) {
    hf_arena *arena = arena_of(lane);
    struct arena_model *model = model_of(lane);
    arena_block *block = choose_block(lane);
    bool zeroed = lane->operation->kind == ARENA_EXTEND_ZEROED;
    if (!block || lane->operation->flags == 63) {
        extend_stranger(lane, size);
        return;
    }
    size_t old_size = block->size;
    size_t new_size = lane->operation->flags & 1 ? size : old_size + size;
    if (new_size < old_size && !(lane->operation->flags & 1)) new_size = SIZE_MAX;
    char *bytes = model->base + block->offset;
    bool done = (zeroed ? hf_extend_zeroed : hf_extend)(arena, bytes, old_size, new_size);
    if (lane->asked) fail(lane, "hf_extend asked on_failure");
    if (!done) {
        check_not_extended(lane, block, new_size);
        return;
    }
    check_success(lane);
    if (new_size > old_size && !may_be_last(model, block)) fail(lane, "it is not the last block");
    check_extended(lane, block, old_size, new_size, zeroed);
}

static void *call_realloc(struct lane *lane, struct request *request) {
    arena_block *block = choose_block(lane);
    char *bytes = block ? model_of(lane)->base + block->offset : NULL;
    return hf_realloc(arena_of(lane), bytes, block ? block->size : 0, request->size,
                      request->align);
}

static void check_moved(struct lane *lane, arena_block *block, struct request *request) {
    struct arena_model *model = model_of(lane);
    size_t size = block->size < request->size ? block->size : request->size;
    arena_block copy = *block;
    if (request->size <= block->size) fail(lane, "shrinking moved the block");
    check_place(lane, request);
    check_marks(lane, request->block, request->size);
    if (!arena_block_holds(model, block, block->size, false)) fail(lane, "the old block changed");
    if (size > TEXT_BYTES) size = TEXT_BYTES;
    if (memcmp(model->base + copy.offset, request->block, size) != 0) {
        fail(lane, "the copy is another one");
    }
    arena_model_use(model, hf_get_mark(arena_of(lane)));
    keep_block(lane, request);
}

/* NULL in place of a block allocates. */
void run_realloc(struct lane *lane, size_t size) {
    struct arena_model *model = model_of(lane);
    arena_block *block = choose_block(lane);
    struct request request = {.size = size, .align = arena_alignment(lane->operation)};
    if (!block) {
        if (make(lane, call_realloc, &request)) keep_block(lane, &request);
        return;
    }
    size_t old_size = block->size;
    lane->floor = block->offset + block->size;
    expect(lane, &request);
    bool grows = size > old_size;
    hf_status extension = grows ? extension_error(lane, block, size) : HF_OK;
    request.block = guarded(lane, call_realloc, &request);
    block = &model->blocks[block - model->blocks];
    if (!request.block) {
        bool may_fail = request.fate != FATE_SUCCEEDS || refused(lane) || lane->asked;
        if (is_alignment(request.align) && !grows) fail(lane, "shrinking failed");
        if (!may_fail && extension != HF_OK) fail(lane, "there is room for a copy");
        check_unchanged(lane);
        check_error(lane, request.error);
        return;
    }
    check_success(lane);
    if (!is_alignment(request.align)) fail(lane, "resized to no alignment");
    if (grows && ((uintptr_t)request.block & (request.align - 1)) != 0) {
        fail(lane, "it is not aligned");
    }
    if (request.block != model->base + block->offset)
        check_moved(lane, block, &request);
    else
        check_extended(lane, block, old_size, size, false);
}
