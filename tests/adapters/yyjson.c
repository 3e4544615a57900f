/*
 * yyjson.c -- a document read, changed and written: in a heap, and in an arena.
 */
#include <holdfast/adapt/yyjson.h>

#include <yyjson.h>

#include "workloads.h"

/* In C that is compiled as C11 the members are compared with what yyjson declares. */
static const yyjson_alc yyjson_in_heap = {hf_yyjson_malloc, hf_yyjson_realloc, hf_yyjson_free,
                                          NULL};
static const yyjson_alc yyjson_in_arena = {hf_yyjson_arena_malloc, hf_yyjson_arena_realloc,
                                           hf_yyjson_arena_free, NULL};

static bool yyjson_change(yyjson_mut_doc *document) {
    size_t number, count;
    yyjson_mut_val *record;
    yyjson_mut_arr_foreach(yyjson_mut_doc_get_root(document), number, count, record) {
        yyjson_mut_val *more = yyjson_mut_arr(document);
        for (size_t i = 0; i < number % 20; i++)
            if (!yyjson_mut_arr_add_uint(document, more, i * number)) return false;
        if (!yyjson_mut_obj_add_val(document, record, "more", more)) return false;
    }
    return true;
}

static bool yyjson_work(yyjson_alc *alc, const struct text *text, FILE *out) {
    yyjson_doc *read = yyjson_read_opts(text->bytes, text->size, 0, alc, NULL);
    yyjson_mut_doc *document = read ? yyjson_doc_mut_copy(read, alc) : NULL;
    size_t size = 0;
    char *written = document && yyjson_change(document)
                        ? yyjson_mut_write_opts(document, YYJSON_WRITE_PRETTY, alc, &size, NULL)
                        : NULL;
    bool done = written != NULL;
    if (done) fwrite(written, 1, size, out);
    if (alc && written) alc->free(alc->ctx, written);
    if (!alc) free(written);
    yyjson_mut_doc_free(document);
    yyjson_doc_free(read);
    return done;
}

bool workload_yyjson(hf_heap *heap, unsigned scale, FILE *out) {
    struct text text = text_json(200 * scale);
    yyjson_alc alc = yyjson_in_heap;
    alc.ctx = heap;
    bool done = yyjson_work(heap ? &alc : NULL, &text, out);
    text_free(&text);
    return done;
}

bool workload_yyjson_arena(hf_heap *heap, unsigned scale, FILE *out) {
    struct text text = text_json(200 * scale);
    hf_arena arena;
    yyjson_alc alc = yyjson_in_arena;
    if (heap && hf_arena_open(&arena, NULL) != HF_OK) return false;
    alc.ctx = &arena;
    bool done = true;
    for (int round = 0; round < 3 && done; round++) {
        done = yyjson_work(heap ? &alc : NULL, &text, out);
        if (heap) hf_reset(&arena);
    }
    if (heap) hf_arena_close(&arena);
    text_free(&text);
    return done;
}
