/*
 * blocks.c -- allocates, frees and resizes blocks, where the inline functions of malloc_core.h do
 * not.
 *
 * A block is of the thread's own heap, of the shared heap, of an idle heap, or of the heap of
 * another thread. errno: ENOMEM if there is no memory; otherwise as it was before the call.
 */
#include <holdfast/atomic.h>
#include <holdfast/heap.h>

#include <errno.h>
#include <string.h>

#include "malloc_core.h"

/* ------------------------------------------------------------------ allocating ------------ */

static void *blocks_allocate_in(hf_heap *heap, malloc_request wanted) {
    if (wanted.align > 16) {
        void *block = hf_heap_aligned_alloc(heap, wanted.align, wanted.size);
        return block && wanted.is_zero ? memset(block, 0, wanted.size) : block;
    }
    return wanted.is_zero ? hf_heap_calloc(heap, 1, wanted.size)
                          : hf_heap_malloc(heap, wanted.size);
}

static void *blocks_allocate_shared(malloc_request wanted) {
    hf_malloc_lock();
    malloc_owner *shared = hf_malloc_share();
    void *block = shared ? blocks_allocate_in(shared->heap, wanted) : NULL;
    hf_malloc_unlock();
    return block;
}

/* A heap that is full is no reason to fail, as long as the shared one has room. */
static void *blocks_allocate(malloc_request wanted) {
    hf_heap *heap = hf_malloc_attach();
    if (wanted.size > PTRDIFF_MAX) return NULL;
    void *block = heap ? blocks_allocate_in(heap, wanted) : NULL;
    if (block || (heap && hf_last_error().status != HF_RESERVE_FULL)) return block;
    return blocks_allocate_shared(wanted);
}

void *hf_malloc_allocate_slow(malloc_request wanted) {
    int code = errno;
    void *block = blocks_allocate(wanted);
    errno = block ? code : ENOMEM;
    return block;
}

/* --------------------------------------------------------------------- freeing ------------ */

/* Under the lock the state of a heap that is idle or shared stays as it is. */
static bool blocks_free_locked(malloc_owner *owner, void *block) {
    hf_malloc_lock();
    size_t state = hf_load_acquire(&owner->state);
    bool is_ours = state == MALLOC_IDLE || state == MALLOC_SHARED;
    if (is_ours) hf_heap_free(owner->heap, block);
    if (state == MALLOC_IDLE) hf_malloc_note_freed(owner);
    hf_malloc_unlock();
    return is_ours;
}

static void blocks_free_of_other(void *block) {
    malloc_owner *owner = hf_malloc_find(block);
    if (owner == NULL || !hf_malloc_may_be_block(owner, block))
        hf_malloc_abort("an address was freed that is no block", block);
    size_t state = hf_load_acquire(&owner->state);
    bool needs_lock = state == MALLOC_IDLE || state == MALLOC_SHARED;
    if (needs_lock && blocks_free_locked(owner, block)) return;
    hf_heap_free_remote(owner->heap, block);
}

static bool blocks_is_own(const void *block) {
    return hf_malloc_heap && hf_heap_owns(hf_malloc_heap, block);
}

void hf_malloc_free_slow(void *block) {
    if (block == NULL) return;
    int code = errno;
    if (blocks_is_own(block))
        hf_heap_free_slow(hf_malloc_heap, block);
    else
        blocks_free_of_other(block);
    errno = code;
}

/* ---------------------------------------------------------------------- sizes ------------- */

static size_t blocks_size_of_other(const void *block) {
    const malloc_owner *owner = hf_malloc_find(block);
    if (owner == NULL || !hf_malloc_may_be_block(owner, block))
        hf_malloc_abort("an address was reallocated or measured that is no block", block);
    return hf_heap_usable_size_remote(owner->heap, block);
}

size_t hf_malloc_size(const void *block) {
    if (block == NULL) return 0;
    return blocks_is_own(block) ? hf_heap_usable_size(hf_malloc_heap, block)
                                : blocks_size_of_other(block);
}

/* In place where the block is not much too large, else in the heap of this thread, or in the
 * shared one. */
static void *blocks_move(void *block, size_t usable, size_t size) {
    if (size <= usable && size >= usable / 2) return block;
    void *moved = hf_malloc_allocate(size);
    if (moved == NULL) return NULL;
    memcpy(moved, block, size < usable ? size : usable);
    hf_malloc_free(block);
    return moved;
}

static void *blocks_resize_own(void *block, size_t size) {
    void *resized = hf_heap_realloc(hf_malloc_heap, block, size);
    if (resized || hf_last_error().status != HF_RESERVE_FULL) return resized;
    return blocks_move(block, hf_heap_usable_size(hf_malloc_heap, block), size);
}

void *hf_malloc_resize_slow(void *block, size_t size) {
    if (block == NULL) return hf_malloc_allocate(size);
    int code = errno;
    void *resized = size > PTRDIFF_MAX     ? NULL
                    : blocks_is_own(block) ? blocks_resize_own(block, size)
                                           : blocks_move(block, blocks_size_of_other(block), size);
    errno = resized ? code : ENOMEM;
    return resized;
}
