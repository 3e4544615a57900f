/*
 * array.c -- a growing array: one block in an arena, extended in place by hf_extend.
 */
#include "array.h"

/* Small, so that under `ulimit -v` most addresses are left to the arenas that the tour shows. */
enum { RESERVE = 64 << 20 };

bool array_open(struct array *array, size_t item_size, const char *name) {
    hf_arena_options options = {.reserve = RESERVE, .name = name};
    *array = (struct array){.item_size = item_size};
    return hf_arena_open(&array->arena, &options) == HF_OK;
}

void array_close(struct array *array) { hf_arena_close(&array->arena); }

void *array_add(struct array *array) {
    size_t size = array->count * array->item_size;
    if (!array->items) {
        array->items = hf_alloc_zeroed(&array->arena, array->item_size, sizeof(uint64_t));
        if (!array->items) return NULL;
    } else if (!hf_extend_zeroed(&array->arena, array->items, size, size + array->item_size)) {
        return NULL;
    }
    array->count++;
    return (char *)array->items + size;
}

void array_drop_last(struct array *array) {
    size_t size = array->count * array->item_size;
    array->count--;
    hf_extend(&array->arena, array->items, size, size - array->item_size);
}
