/*
 * tree_sitter.c -- a source of C parsed, and parsed again after each of 20 edits.
 */
#include <holdfast/adapt/tree_sitter.h>

#include <stdlib.h>
#include <string.h>
#include <tree_sitter/api.h>

#include "workloads.h"

const TSLanguage *tree_sitter_c(void);

static struct text tree_sitter_source(unsigned functions) {
    struct text text = {0};
    uint32_t seed = 5;
    for (unsigned i = 0; i < functions; i++) {
        text_add(&text, "/* Function %u. */\nstatic int f%u(int a, const char *b) {\n", i, i);
        for (unsigned line = 0, lines = next_number(&seed, 12) + 1; line < lines; line++)
            text_add(&text, "    if (a %% %u == f%u(a - 1, b)) a += b[%u] * (a << 2);\n",
                     next_number(&seed, 90) + 1, next_number(&seed, i + 1), line);
        text_add(&text, "    return a;\n}\n\n");
    }
    return text;
}

static uint64_t tree_sitter_sum(const TSTree *tree) {
    TSTreeCursor cursor = ts_tree_cursor_new(ts_tree_root_node(tree));
    uint64_t sum = SUM_START;
    for (bool more = true; more;) {
        TSNode node = ts_tree_cursor_current_node(&cursor);
        uint32_t what[] = {ts_node_symbol(node), ts_node_start_byte(node), ts_node_end_byte(node)};
        sum = sum_of(sum, what, sizeof what);
        more =
            ts_tree_cursor_goto_first_child(&cursor) || ts_tree_cursor_goto_next_sibling(&cursor);
        while (!more && ts_tree_cursor_goto_parent(&cursor))
            if (ts_tree_cursor_goto_next_sibling(&cursor)) more = true;
    }
    ts_tree_cursor_delete(&cursor);
    return sum;
}

/* Replaces the name of a function by a longer one. Returns the tree of the new source. */
static TSTree *tree_sitter_edit(TSParser *parser, TSTree *tree, struct text *text, unsigned edit) {
    static const char more[] = "_renamed";
    size_t at = text->size / 23 * (edit + 1), length = sizeof more - 1;
    char *name = strstr(text->bytes + at, "static int f");
    if (name == NULL) return tree;
    at = (size_t)(name - text->bytes) + strlen("static int f");
    struct text changed = {.bytes = malloc(text->size + length + 1), .size = text->size + length};
    if (changed.bytes == NULL) abort();
    memcpy(changed.bytes, text->bytes, at);
    memcpy(changed.bytes + at, more, length);
    memcpy(changed.bytes + at + length, text->bytes + at, text->size - at + 1);
    free(text->bytes);
    *text = changed;
    TSInputEdit input = {.start_byte = (uint32_t)at,
                         .old_end_byte = (uint32_t)at,
                         .new_end_byte = (uint32_t)(at + length)};
    ts_tree_edit(tree, &input);
    TSTree *next = ts_parser_parse_string(parser, tree, text->bytes, (uint32_t)text->size);
    ts_tree_delete(tree);
    return next;
}

bool workload_tree_sitter(hf_heap *heap, unsigned scale, FILE *out) {
    struct text text = tree_sitter_source(100 * scale);
    hf_tree_sitter_use(heap);
    if (heap)
        ts_set_allocator(hf_tree_sitter_malloc, hf_tree_sitter_calloc, hf_tree_sitter_realloc,
                         hf_tree_sitter_free);
    TSParser *parser = ts_parser_new();
    if (!ts_parser_set_language(parser, tree_sitter_c())) abort();
    TSTree *tree = ts_parser_parse_string(parser, NULL, text.bytes, (uint32_t)text.size);
    for (unsigned edit = 0; edit < 20; edit++) {
        tree = tree_sitter_edit(parser, tree, &text, edit);
        if (scale == 1 || edit == 19)
            fprintf(out, "%u: %016llx\n", edit, (unsigned long long)tree_sitter_sum(tree));
    }
    char *nodes = scale == 1 ? ts_node_string(ts_tree_root_node(tree)) : NULL;
    if (nodes) fputs(nodes, out);
    heap ? hf_tree_sitter_free(nodes) : free(nodes);
    ts_tree_delete(tree);
    ts_parser_delete(parser);
    ts_set_allocator(NULL, NULL, NULL, NULL);
    text_free(&text);
    return true;
}
