/*
 * on_heap.h -- the front end on malloc, written as programs without arenas are: a block for each
 * text and each name, growth by realloc, every block freed by itself.
 *
 * The including file defines heap_open, heap_alloc, heap_realloc and heap_free, and WORK_NAME and
 * WORK_KIND for front_end_work.h.
 */
#include <stdbool.h>
#include <string.h>

#include "front_end_types.h"

struct memory {
    char **texts;
    size_t text_count, text_room;
};

static inline struct name *memory_name(const struct memory *memory, name_ref ref) {
    (void)memory;
    return ref;
}

static struct name *memory_new_name(struct memory *memory, size_t size, name_ref *ref) {
    (void)memory;
    return *ref = heap_alloc(size);
}

static name_ref *memory_grow_chains(struct memory *memory, name_ref *chains, size_t old,
                                    size_t count) {
    (void)memory;
    name_ref *grown = heap_realloc(chains, count * sizeof *chains);
    if (grown) memset(grown + old, 0, (count - old) * sizeof *grown);
    return grown;
}

static char *memory_text(struct memory *memory, char *text, size_t filled, size_t least,
                         size_t *room) {
    (void)memory, (void)filled;
    *room = least;
    return heap_realloc(text, least);
}

static bool memory_keep_text(struct memory *memory, char *text, size_t size) {
    (void)size;
    if (memory->text_count == memory->text_room) {
        size_t room = memory->text_room ? 2 * memory->text_room : 64;
        char **texts = heap_realloc(memory->texts, room * sizeof *texts);
        if (!texts) return false;
        memory->texts = texts;
        memory->text_room = room;
    }
    memory->texts[memory->text_count++] = text;
    return true;
}

static void memory_drop_text(struct memory *memory, char *text) {
    (void)memory;
    heap_free(text);
}

static void memory_begin_list(struct memory *memory) { (void)memory; }

static struct listed *memory_grow_list(struct memory *memory, struct listed *tokens, size_t old,
                                       size_t count) {
    (void)memory, (void)old;
    return heap_realloc(tokens, count * sizeof *tokens);
}

static void memory_end_list(struct memory *memory, struct listed *tokens) {
    (void)memory;
    heap_free(tokens);
}

static bool memory_open(struct memory *memory, uint64_t bytes, const hf_backend *backend) {
    (void)bytes, (void)backend;
    *memory = (struct memory){0};
    return heap_open();
}

static void memory_free_chain(name_ref name) {
    while (name) {
        name_ref next = name->next;
        heap_free(name);
        name = next;
    }
}

static void memory_close(struct memory *memory, struct names *names) {
    for (size_t i = 0; i < memory->text_count; i++) heap_free(memory->texts[i]);
    for (size_t i = 0; i < names->chain_count; i++) memory_free_chain(names->chains[i]);
    heap_free(names->chains);
    heap_free(memory->texts);
}

#include "front_end_work.h"
