/*
 * gather.c -- maps many files one after the other into an arena and counts as wc does.
 *
 *     gather FILE...    lines, words and bytes: the last line of `wc FILE...`
 *
 * No file is read into a buffer: each is mapped as the next bytes of the arena, and the system
 * reads a page when it is touched. Each file begins at a page, so a file whose size is not whole
 * pages has a gap of less than a page behind it. The gap is not part of the file and must not be
 * read: it contains zeros, and under a sanitizer it is poisoned.
 *
 *      | file 1 ...        |gap| file 2 ...  |gap| file 3: whole pages | file 4 ... |gap|
 *      page     page       page      page    page           page       page         page
 *
 * So the loop counts each file by itself and skips the gaps. A word ends at the end of its file.
 */
#include <holdfast.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
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

/* The list has a separate arena: an allocation between two files would take up a whole page. */
static const struct part *gather(hf_arena *files, hf_arena *list, char **paths, size_t count) {
    struct part *parts = hf_new_array(list, struct part, count);
    if (parts == NULL) need(hf_last_error().status, "list");
    for (size_t i = 0; i < count; i++)
        need(hf_arena_append_file(files, paths[i], HF_READ_ONLY, &parts[i].data, &parts[i].size),
             paths[i]);
    return parts;
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

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: gather FILE...\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    hf_arena files, list;
    struct counts total = {0, 0, 0};
    size_t number = (size_t)argc - 1;
    if (number == 0) return usage("");
    for (size_t i = 1; i <= number; i++)
        if (argv[i][0] == '-') return usage(argv[i]);
    need(hf_arena_open(&files, NULL), "opening an arena");
    need(hf_arena_open(&list, NULL), "opening an arena");
    const struct part *parts = gather(&files, &list, argv + 1, number);
    for (size_t i = 0; i < number; i++) count(&total, parts[i].data, parts[i].size);
    printf("%zu %zu %zu total\n", total.lines, total.words, total.bytes);
    hf_arena_close(&list);
    hf_arena_close(&files);
    return EXIT_SUCCESS;
}
