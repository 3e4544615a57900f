/*
 * array.c -- how the arrays of holdfast/array.h grow: in place if the array is the last block of
 * its arena, else by a copy to the end of the arena.
 *
 * A capacity is a number of items. No size wraps: a capacity is never above SIZE_MAX / size.
 */
#include <holdfast/array.h>

#include <assert.h>
#include <string.h>

#include "arena_core.h"
#include "fail.h"
#include "sanitizer.h"

/* In bytes. Growing in place is cheap, so large steps would only commit memory early. */
#define ARRAY_LEAST_STEP ((size_t)64)
#define ARRAY_MOST_STEP HF_KIB(64)

/* The most bytes that the copy needs beside its own; see sanitizer.h. */
#define ARRAY_MOST_OVERHEAD (HF_SANITIZER_ALIGNMENT + HF_RED_ZONE)

typedef struct array_block {
    char *items; /* NULL: none yet */
    size_t capacity;
    size_t size; /* of an item, in bytes */
} array_block;

static size_t array_alignment(size_t size) {
    return hf_smaller(size & (0 - size), HF_MAX_ALIGNMENT);
}

/* capacity + step, at least `needed`. */
static size_t array_raise(const array_block *block, size_t step, size_t needed) {
    size_t most = SIZE_MAX / block->size, room = most - block->capacity;
    return hf_larger(needed, block->capacity + hf_smaller(step, room));
}

static bool array_extend(hf_arena *arena, array_block *block, size_t capacity) {
    size_t size = block->size;
    if (!hf_extend(arena, block->items, block->capacity * size, capacity * size)) return false;
    block->capacity = capacity;
    return true;
}

/* If this fails, array_reallocate tries exactly what is needed. */
static bool array_grow_in_place(hf_arena *arena, array_block *block, size_t needed) {
    size_t bytes = block->capacity * block->size;
    size_t step = hf_smaller(hf_larger(bytes, ARRAY_LEAST_STEP), ARRAY_MOST_STEP) / block->size;
    hf_error before = hf_last_error();
    bool is_grown = array_extend(arena, block, array_raise(block, step, needed));
    hf_fail_with(before);
    return is_grown;
}

/* True if there is memory for a new block. Commits it, so that hf_realloc will not fail. */
static bool array_has_room(hf_arena *arena, const array_block *block, size_t capacity) {
    size_t bytes = capacity * block->size;
    size_t overhead = ARRAY_MOST_OVERHEAD + array_alignment(block->size);
    if (block->items && !hf_arena_is_block(arena, block->items, block->capacity * block->size))
        return false;
    if (bytes > SIZE_MAX - overhead) return false;
    hf_error before = hf_last_error();
    hf_status status = hf_precommit(arena, bytes + overhead);
    hf_fail_with(before);
    return status == HF_OK;
}

/* Doubles the capacity. If there is no memory for that, takes exactly what is needed. */
static bool array_reallocate(hf_arena *arena, array_block *block, size_t needed) {
    size_t size = block->size, align = array_alignment(size);
    size_t step = hf_larger(block->capacity, ARRAY_LEAST_STEP / size);
    size_t capacity = array_raise(block, step, needed);
    if (!array_has_room(arena, block, capacity)) capacity = needed;
    char *items = hf_realloc(arena, block->items, block->capacity * size, capacity * size, align);
    if (items == NULL) return false;
    *block = (array_block){items, capacity, size};
    return true;
}

/* hf_alloc fails, with HF_RESERVE_FULL unless the arena is closed. */
static bool array_fail(hf_arena *arena) { return hf_alloc(arena, SIZE_MAX, 1) != NULL; }

bool hf_array_grow(hf_arena *arena, void *items, size_t count, size_t *capacity, size_t more,
                   size_t size) {
    assert(size > 0 && count <= *capacity);
    array_block block = {NULL, *capacity, size};
    if (more <= *capacity - count) return true;
    if (more > SIZE_MAX / size - count) return array_fail(arena);
    memcpy(&block.items, items, sizeof block.items);
    bool is_grown = (block.items && array_grow_in_place(arena, &block, count + more)) ||
                    array_reallocate(arena, &block, count + more);
    if (!is_grown) return false;
    memcpy(items, &block.items, sizeof block.items);
    *capacity = block.capacity;
    return true;
}

/* If the new items are items of this array, the old block still has them. */
bool hf_array_append_items(hf_arena *arena, void *items, size_t *count, size_t *capacity,
                           const void *from, size_t more, size_t size) {
    char *to;
    if (!hf_array_grow(arena, items, *count, capacity, more, size)) return false;
    memcpy(&to, items, sizeof to);
    if (more > 0) memcpy(to + *count * size, from, more * size);
    *count += more;
    return true;
}

void hf_array_shrink_items(hf_arena *arena, void *items, size_t count, size_t *capacity,
                           size_t size) {
    char *block;
    memcpy(&block, items, sizeof block);
    if (block == NULL || !hf_arena_is_last_block(arena, block, *capacity * size)) return;
    hf_error before = hf_last_error();
    bool is_shrunk = hf_extend(arena, block, *capacity * size, count * size);
    hf_fail_with(before);
    if (!is_shrunk) return; /* in a forked child */
    *capacity = count;
    if (count == 0) block = NULL;
    memcpy(items, &block, sizeof block);
}
