/*
 * A program for compilers that know C and few extensions (TinyCC, chibicc): what is inline in the
 * headers, and macros. The library that it links is compiled by another compiler.
 */
#include <holdfast.h>

#include <stdio.h>
#include <string.h>

struct entity {
    struct entity *next;
    double weight;
};

#define NEED(condition) \
    if (!(condition)) return printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), 1

static int use_arena(void) {
    hf_arena arena;
    NEED(hf_arena_open(&arena, NULL) == HF_OK);
    struct entity *list = NULL;
    for (int i = 0; i < 100000; i++) {
        struct entity *entity = hf_new(&arena, struct entity);
        NEED(entity != NULL && entity->next == NULL && entity->weight == 0);
        entity->next = list;
        list = entity;
    }
    int *numbers = hf_new_array(&arena, int, 1000);
    char *block = hf_alloc(&arena, 100, 64);
    NEED(numbers && numbers[999] == 0 && block && (uintptr_t)block % 64 == 0);
    NEED(hf_from_ref(&arena, hf_to_ref(&arena, block)) == block);
    hf_scope scope = hf_scope_begin(&arena);
    char *text = hf_asprintf(&arena, "%d %s", 7, "dwarfs");
    NEED(text && strcmp(text, "7 dwarfs") == 0);
    NEED(hf_scope_end(scope) == HF_OK);
    NEED(hf_get_mark(&arena) == scope.mark);
    hf_arena_close(&arena);
    return 0;
}

static int use_scratch(void) {
    hf_scratch scratch;
    NEED(hf_scratch_open(&scratch, NULL) == HF_OK);
    hf_scope temporary = hf_scratch_begin(&scratch, &scratch.arenas[0]);
    NEED(temporary.arena == &scratch.arenas[1]);
    NEED(hf_strdup(temporary.arena, "temporary") != NULL);
    NEED(hf_scope_end(temporary) == HF_OK);
    hf_scratch_close(&scratch);
    return 0;
}

static int use_ring(void) {
    hf_ring *ring;
    int number = 7, received = 0;
    NEED(hf_ring_open(&ring, 4096, NULL) == HF_OK);
    for (int i = 0; i < 10000; i++) {
        NEED(hf_ring_write(ring, &number, sizeof number));
        NEED(hf_ring_read(ring, &received, sizeof received) && received == number);
    }
    hf_ring_close(ring);
    return 0;
}

static hf_arena lazy = HF_ARENA_LAZY;

static int use_lazy_arena_and_array(void) {
    HF_ARRAY(int) array = {0, 0, 0};
    for (int i = 0; i < 100000; i++) NEED(hf_array_push(&lazy, &array, i));
    NEED(array.items[99999] == 99999 && hf_array_pop(&array) == 99999);
    NEED(hf_array_append(&lazy, &array, array.items, 10) && array.count == 100009);
    hf_array_free(&lazy, &array);
    NEED(hf_get_mark(&lazy) == 0);
    hf_arena_close(&lazy);
    return 0;
}

int main(void) { return use_lazy_arena_and_array() || use_arena() || use_scratch() || use_ring(); }
