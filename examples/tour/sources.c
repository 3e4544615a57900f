/*
 * sources.c -- searches folders for source files.
 *
 * Folders are appended to a list and read one after the other, without recursion. A hash table has
 * the system's identity (device and inode, say) of each file and folder: a file with several paths
 * is added once, and a link to a parent folder ends there.
 */
#include "sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"

static const char *const endings[] = {".h",   ".hh",  ".hpp", ".hxx", ".h++", ".c",   ".cc", ".cpp",
                                      ".cxx", ".c++", ".inc", ".inl", ".ipp", ".tcc", ".def"};

enum { SEEN_CHAINS = 1 << 14 };

struct seen {
    uint64_t identity[2];
    size_t next; /* 1 + the index of the next in the chain; 0: none */
};

bool sources_open(struct sources *sources, bool (*wants)(const char *name)) {
    hf_arena_options options = {.name = "paths", .reserve = (size_t)64 << 20};
    *sources = (struct sources){.wants = wants};
    bool opened = hf_arena_open(&sources->paths, &options) == HF_OK &&
                  array_open(&sources->list, sizeof(struct source), "sources") &&
                  array_open(&sources->folders, sizeof(const char *), "folders") &&
                  array_open(&sources->seen, sizeof(struct seen), "seen");
    sources->seen_chains = opened ? hf_new_array(&sources->paths, size_t, SEEN_CHAINS) : NULL;
    return sources->seen_chains != NULL;
}

void sources_close(struct sources *sources) {
    array_close(&sources->seen);
    array_close(&sources->folders);
    array_close(&sources->list);
    hf_arena_close(&sources->paths);
}

/* ----------------------------------------------------------------- adding ---------------- */

/* Prints an error message. Returns false, for the caller to return. */
static bool fail(struct sources *sources, const char *path, const char *reason) {
    sources->failures++;
    fprintf(stderr, "holdfast: %s: %s\n", path, reason);
    return false;
}

static bool fail_for_memory(struct sources *sources, const char *path) {
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    return fail(sources, path, why);
}

/* Stores an identity. False: it is known already, or there is no memory. */
static bool add_identity(struct sources *sources, const char *path, const uint64_t identity[2]) {
    uint64_t hash = (identity[0] * 31 + identity[1]) * 0x9E3779B97F4A7C15;
    size_t *chain = &sources->seen_chains[(hash >> 32) % SEEN_CHAINS];
    const struct seen *seen = sources->seen.items;
    for (size_t link = *chain; link; link = seen[link - 1].next)
        if (memcmp(seen[link - 1].identity, identity, sizeof seen->identity) == 0) return false;
    struct seen *added = array_add(&sources->seen);
    if (!added) return fail_for_memory(sources, path);
    memcpy(added->identity, identity, sizeof added->identity);
    added->next = *chain;
    *chain = sources->seen.count;
    return true;
}

static bool add_file(struct sources *sources, const char *path, uint64_t size) {
    struct source *source = array_add(&sources->list);
    if (!source) return fail_for_memory(sources, path);
    *source = (struct source){.path = path, .size = size};
    sources->bytes += size;
    return true;
}

static bool add_folder(struct sources *sources, const char *path) {
    const char **folder = array_add(&sources->folders);
    if (!folder) return fail_for_memory(sources, path);
    *folder = path;
    return true;
}

/* Adds a file or a folder. True: a list refers to `path` now, so it must stay valid. */
static bool add(struct sources *sources, const char *path, const struct platform_entry *entry) {
    if (!add_identity(sources, path, entry->identity)) return false;
    if (entry->kind == PLATFORM_FILE) return add_file(sources, path, entry->size);
    return add_folder(sources, path);
}

/* ---------------------------------------------------------------- folders ---------------- */

struct walk {
    struct sources *sources;
    const char *folder;
};

bool sources_is_c(const char *name) {
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < sizeof endings / sizeof *endings; i++)
        if (strcmp(ending, endings[i]) == 0) return true;
    return false;
}

/* Adds an entry of a folder if it is wanted. A broken link is no error and not added. */
static bool add_entry(struct sources *sources, const char *path, const char *name) {
    struct platform_entry entry;
    bool looked = platform_look(path, &entry);
    if (!looked)
        return entry.kind != PLATFORM_NOTHING && fail(sources, path, platform_error_text());
    bool wanted =
        entry.kind == PLATFORM_FOLDER || (entry.kind == PLATFORM_FILE && sources->wants(name));
    return wanted && add(sources, path, &entry);
}

static void visit(const char *name, void *user) {
    const struct walk *walk = user;
    hf_arena *paths = &walk->sources->paths;
    hf_mark mark = hf_get_mark(paths);
    size_t length = strlen(walk->folder);
    const char *slash = length > 0 && walk->folder[length - 1] == '/' ? "" : "/";
    const char *path = hf_asprintf(paths, "%s%s%s", walk->folder, slash, name);
    if (!path)
        fail_for_memory(walk->sources, name);
    else if (!add_entry(walk->sources, path, name))
        hf_rewind(paths, mark);
}

static void walk_from(struct sources *sources, size_t folder) {
    for (; folder < sources->folders.count; folder++) {
        struct walk walk = {sources, ((const char **)sources->folders.items)[folder]};
        if (!platform_list(walk.folder, visit, &walk))
            fail(sources, walk.folder, platform_error_text());
    }
}

/* Adds a path that the user named. False: nothing was added. */
static bool add_argument(struct sources *sources, const char *path) {
    struct platform_entry entry;
    const char *kept = hf_strdup(&sources->paths, path);
    if (!kept) return fail_for_memory(sources, path);
    if (!platform_look(kept, &entry)) return fail(sources, kept, platform_error_text());
    if (entry.kind == PLATFORM_OTHER) return fail(sources, kept, "neither a file nor a folder");
    return add(sources, kept, &entry);
}

void sources_add(struct sources *sources, const char *path) {
    size_t folder = sources->folders.count;
    if (add_argument(sources, path)) walk_from(sources, folder);
}

static int compare_paths(const void *left, const void *right) {
    const struct source *one = left, *other = right;
    return strcmp(one->path, other->path);
}

void sources_sort(struct sources *sources, size_t first) {
    size_t count = sources->list.count - first;
    if (count > 1) qsort(sources_at(sources, first), count, sizeof(struct source), compare_paths);
}
