/*
 * gather.c -- many files as one array, and what wc counts of them in one pass over it.
 *
 *     gather FILE...    lines, words and bytes: the last line of `wc FILE...`
 *
 * Nothing is copied to a buffer: each file becomes the next bytes of the arena, and the system
 * reads a page when the pass comes to it. A file begins at a page's beginning, so where its size is
 * not whole pages, a gap of less than a page lies behind it. That is no part of the file, and not
 * to be touched: it shows zeros, or a checker's complaint.
 *
 *      | file 1 ...        |gap| file 2 ...  |gap| file 3: whole pages | file 4 ... |gap|
 *      page     page       page      page    page           page       page         page
 *
 * So the pass goes from piece to piece, upwards, and steps over the gaps. A word ends with its
 * file.
 */
#include <holdfast.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece {
    void *data;
    size_t size;
};

struct counts {
    size_t lines, words, bytes;
};

static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "gather: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* The list is in an arena of its own: in that of the files each entry would take a page between
 * two of them. */
static const struct piece *gather(hf_arena *files, hf_arena *list, char **paths, size_t count) {
    struct piece *pieces = hf_new_array(list, struct piece, count);
    if (pieces == NULL) need(hf_last_error().status, "list");
    for (size_t i = 0; i < count; i++)
        need(hf_arena_append_file(files, paths[i], HF_READ_ONLY, &pieces[i].data, &pieces[i].size),
             paths[i]);
    return pieces;
}

static void count(struct counts *total, const unsigned char *text, size_t size) {
    bool was_space = true;
    for (size_t i = 0; i < size; i++) {
        bool is_space = isspace(text[i]) != 0;
        total->words += was_space && !is_space;
        total->lines += text[i] == '\n';
        was_space = is_space;
    }
    total->bytes += size;
}

/* --help and -h are answered; any other `word` is wrong. Returns the exit status. */
static int usage(const char *word) {
    bool is_help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    fputs("usage: gather FILE...\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int words, char **word) {
    hf_arena files, list;
    struct counts total = {0, 0, 0};
    size_t number = (size_t)words - 1;
    if (number == 0) return usage("");
    for (size_t i = 1; i <= number; i++)
        if (word[i][0] == '-') return usage(word[i]);
    need(hf_arena_open(&files, NULL), "opening an arena");
    need(hf_arena_open(&list, NULL), "opening an arena");
    const struct piece *pieces = gather(&files, &list, word + 1, number);
    for (size_t i = 0; i < number; i++) count(&total, pieces[i].data, pieces[i].size);
    printf("%zu %zu %zu total\n", total.lines, total.words, total.bytes);
    hf_arena_close(&list);
    hf_arena_close(&files);
    return EXIT_SUCCESS;
}
