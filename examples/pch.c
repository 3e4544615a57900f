/*
 * pch.c -- precompiled headers: one process reads the sources and saves an index of them as an
 * image; later processes open the image instead.
 *
 *     find /usr/include -type f | pch build IMAGE    counts the identifiers of all these files
 *     pch look IMAGE [NAME...]                       prints how often each name was found; without
 *                                                    a name, all
 *
 * The index is a hash trie: from the root down, two bits of the hash select one of a node's four
 * children, and an identifier is added where the first child is missing. Adding allocates one node
 * and moves none. The links are 32-bit refs, so the image can be mapped at any address. Opening it
 * takes microseconds, and a look-up reads only the pages of the nodes on its path. While building,
 * each source is mapped in turn in a separate arena.
 */
#include <holdfast.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct identifier {
    hf_ref below[4];
    uint32_t count, length;
    char name[];
};

struct header_index {
    hf_ref first;
    uint32_t identifiers, files;
};

#define FORMAT 1 /* the tag of the image; to be changed when these structures change */

static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "pch: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* Called when an allocation fails; exits, so that the results of allocations need no check. */
static bool exit_on_failure(hf_arena *arena, hf_status status, size_t size, void *user) {
    (void)arena, (void)size, (void)user;
    need(status, "allocating");
    return false;
}

static const hf_arena_options options = {
    .on_failure = exit_on_failure, .tag = FORMAT, .any_base = true};

static uint64_t hash_of(const char *name, size_t length) {
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a; its low half is the better one */
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3;
    return hash ^ hash << 32;
}

/* Returns the link to an identifier: the ref in its parent. It is 0 if the identifier is not in the
 * index. */
static hf_ref *find(const hf_arena *arena, hf_ref *link, const char *name, size_t length) {
    for (uint64_t hash = hash_of(name, length); *link != 0; hash <<= 2) {
        struct identifier *here = hf_from_ref(arena, *link);
        if (here->length == length && memcmp(here->name, name, length) == 0) break;
        link = &here->below[hash >> 62];
    }
    return link;
}

static void count(hf_arena *arena, struct header_index *index, const char *name, size_t length) {
    hf_ref *link = find(arena, &index->first, name, length);
    if (*link == 0) {
        struct identifier *added = hf_alloc_zeroed(arena, sizeof *added + length + 1, 8);
        memcpy(added->name, name, length);
        added->length = (uint32_t)length;
        *link = hf_to_ref(arena, added);
        index->identifiers++;
    }
    ((struct identifier *)hf_from_ref(arena, *link))->count++;
}

static void count_all(hf_arena *arena, struct header_index *index, const char *text, size_t size) {
    for (size_t i = 0, from = 0; i < size; from = ++i) {
        while (i < size && (isalnum((unsigned char)text[i]) || text[i] == '_')) i++;
        if (i > from && !isdigit((unsigned char)text[from]))
            count(arena, index, text + from, i - from);
    }
}

static void build(const char *image) {
    hf_arena arena, sources;
    char path[FILENAME_MAX];
    void *text;
    size_t size;
    need(hf_arena_open(&arena, &options), "opening an arena");
    need(hf_arena_open(&sources, &options), "opening an arena");
    struct header_index *index = hf_new(&arena, struct header_index);
    for (; fgets(path, sizeof path, stdin); index->files++) {
        path[strcspn(path, "\r\n")] = '\0';
        need(hf_arena_append_file(&sources, path, HF_READ_ONLY, &text, &size), path);
        count_all(&arena, index, text, size);
        need(hf_rewind(&sources, 0), path);
    }
    need(hf_arena_set_root(&arena, index), image);
    need(hf_arena_save(&arena, image), image);
    hf_arena_close(&sources);
    hf_arena_close(&arena);
}

static void print_all(const hf_arena *arena, hf_ref ref) {
    const struct identifier *here = hf_from_ref(arena, ref);
    if (here == NULL) return;
    printf("%" PRIu32 " %s\n", here->count, here->name);
    for (int i = 0; i < 4; i++) print_all(arena, here->below[i]);
}

static void look(const char *image, char **names) {
    hf_arena arena;
    need(hf_arena_open_file(&arena, image, HF_READ_ONLY, &options), image);
    struct header_index *index = hf_arena_root(&arena);
    if (*names == NULL) print_all(&arena, index->first);
    for (; *names; names++) {
        hf_ref found = *find(&arena, &index->first, *names, strlen(*names));
        const struct identifier *here = hf_from_ref(&arena, found);
        printf("%" PRIu32 " %s\n", here ? here->count : 0, *names);
    }
    fprintf(stderr, "%" PRIu32 " identifiers of %" PRIu32 " files; ", index->identifiers,
            index->files);
    hf_arena_close(&arena);
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: pch build IMAGE <LIST | pch look IMAGE [NAME...]\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    clock_t start = clock();
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-') return usage(argv[i]);
    if (argc == 3 && strcmp(argv[1], "build") == 0)
        build(argv[2]);
    else if (argc >= 3 && strcmp(argv[1], "look") == 0)
        look(argv[2], argv + 3);
    else
        return usage("");
    fprintf(stderr, "%s took %.3f ms of processor time\n", argv[1],
            (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC);
    return EXIT_SUCCESS;
}
