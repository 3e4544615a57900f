/*
 * allocators_posix.c -- allocators.h: looks in the folders that the loader searches. Loading the
 * libraries would run their constructors, and some cannot be loaded after the start of a program.
 */
#define _GNU_SOURCE /* dladdr */

#include "allocators.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "preload.h"

enum { ALLOCATORS_MOST_NAMES = 4 };

struct allocators_known {
    const char *name;
    const char *files[ALLOCATORS_MOST_NAMES]; /* newest version first; NULL after the last */
    const char *package;                      /* of Debian */
};

static const struct allocators_known allocators_known[] = {
    {"mimalloc",
     {"libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so"},
     "run `dev mimalloc`, or install libmimalloc2.0"},
    {"jemalloc", {"libjemalloc.so.2", "libjemalloc.so"}, "install libjemalloc2"},
    {"tcmalloc",
     {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4", "libtcmalloc_minimal.so"},
     "install libtcmalloc-minimal4"},
};

/* ----------------------------------------------------------------------- folders ---------- */

static bool allocators_is_there(const char *folder, size_t length, const char *file, char *path,
                                size_t room) {
    int size = snprintf(path, room, "%.*s/%s", (int)length, folder, file);
    return length > 0 && size > 0 && (size_t)size < room && access(path, R_OK) == 0;
}

/* The folder of the C library: "/lib/x86_64-linux-gnu", say; empty if it is unknown. */
static void allocators_folder_of_libc(char *folder, size_t room) {
    Dl_info info;
    pid_t (*function)(void) = getpid;
    void *address;
    memcpy(&address, &function, sizeof address); /* C does not convert a function pointer */
    bool known = dladdr(address, &info) != 0 && info.dli_fname && info.dli_fname[0] == '/';
    snprintf(folder, room, "%s", known ? info.dli_fname : "");
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
}

/* The cache of `dev`: $HOLDFAST_CACHE, or holdfast in $XDG_CACHE_HOME or ~/.cache. */
static bool allocators_is_in_cache(const char *file, char *path, size_t room) {
    const char *own = getenv("HOLDFAST_CACHE"), *all = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char folder[COMPARE_PATH_SIZE];
    if (own && *own)
        snprintf(folder, sizeof folder, "%s/mimalloc/lib", own);
    else if (all && *all)
        snprintf(folder, sizeof folder, "%s/holdfast/mimalloc/lib", all);
    else
        snprintf(folder, sizeof folder, "%s/.cache/holdfast/mimalloc/lib", home ? home : "");
    return allocators_is_there(folder, strlen(folder), file, path, room);
}

static bool allocators_is_in_list(const char *folders, const char *file, char *path, size_t room) {
    for (const char *end; folders; folders = *end ? end + 1 : NULL) {
        end = folders + strcspn(folders, ":;");
        if (allocators_is_there(folders, (size_t)(end - folders), file, path, room)) return true;
    }
    return false;
}

static bool allocators_find_file(const char *file, char *path, size_t room) {
    char libc[COMPARE_PATH_SIZE];
    allocators_folder_of_libc(libc, sizeof libc);
    return allocators_is_in_cache(file, path, room) ||
           allocators_is_in_list(getenv("LD_LIBRARY_PATH"), file, path, room) ||
           allocators_is_in_list("/usr/local/lib", file, path, room) ||
           allocators_is_there(libc, strlen(libc), file, path, room) ||
           allocators_is_in_list("/usr/lib64:/usr/lib:/lib64:/lib", file, path, room);
}

/* -------------------------------------------------------------------- allocators ---------- */

static void allocators_leave_out(struct compare_contender *contender, const char *why) {
    snprintf(contender->left_out, sizeof contender->left_out, "%s", why);
}

/* Makes the path absolute, because the program and its children may be in other folders. */
static bool allocators_take(const char *library, char *path, size_t room, char *why,
                            size_t why_room) {
    char *whole = realpath(library, NULL);
    snprintf(path, room, "%s", whole ? whole : library);
    if (!whole) snprintf(why, why_room, "%s", strerror(errno));
    bool found = whole != NULL;
    free(whole);
    return found && preload_is_library(path, why, why_room);
}

/* HOLDFAST_MALLOC_FROM_BIN is the folder of libraries, relative to that of installed programs. */
bool allocators_find_holdfast(char *path, size_t room, char *why, size_t why_room) {
    static const char name[] = "libholdfast-malloc.so";
    static const char *const folders[] = {".", HOLDFAST_MALLOC_FROM_BIN, "../lib"};
    const char *set = getenv("HOLDFAST_MALLOC");
    char program[COMPARE_PATH_SIZE], folder[COMPARE_PATH_SIZE + 64], found[COMPARE_PATH_SIZE];
    if (set && *set) return allocators_take(set, path, room, why, why_room);
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    program[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash) *slash = '\0';
    for (size_t i = 0; slash && i < sizeof folders / sizeof *folders; i++) {
        snprintf(folder, sizeof folder, "%s/%s", program, folders[i]);
        if (allocators_is_there(folder, strlen(folder), name, found, sizeof found))
            return allocators_take(found, path, room, why, why_room);
    }
    snprintf(path, room, "%s", name);
    snprintf(why, why_room,
             "not found beside this command, nor in ../lib: set HOLDFAST_MALLOC to its path");
    return false;
}

#ifdef __GLIBC__

/* Transparent huge pages are switched off, or not in the kernel. */
static bool allocators_lack_huge_pages(void) {
    char modes[200] = "";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (!file) return true;
    bool never = !fgets(modes, sizeof modes, file) || strstr(modes, "[never]");
    fclose(file);
    return never;
}

static void allocators_add_libc(struct compare *compare) {
    unsigned major = 0, minor = 0;
    compare_add(compare, "glibc");
    struct compare_contender *huge = compare_add(compare, "glibc-huge");
    huge->huge_pages = true;
    sscanf(gnu_get_libc_version(), "%u.%u", &major, &minor);
    if (major < 2 || (major == 2 && minor < 35))
        allocators_leave_out(huge, "the tunable glibc.malloc.hugetlb came with glibc 2.35");
    else if (allocators_lack_huge_pages())
        allocators_leave_out(huge, "this kernel has transparent huge pages switched off");
}
#else
static void allocators_add_libc(struct compare *compare) { compare_add(compare, "libc"); }
#endif

static void allocators_add_holdfast(struct compare *compare) {
    struct compare_contender *contender = compare_add(compare, "holdfast");
    allocators_find_holdfast(contender->library, sizeof contender->library, contender->left_out,
                             sizeof contender->left_out);
}

static void allocators_add_one(struct compare *compare, const struct allocators_known *known) {
    struct compare_contender *contender = compare_add(compare, known->name);
    char why[COMPARE_PATH_SIZE];
    for (size_t i = 0; i < ALLOCATORS_MOST_NAMES && known->files[i]; i++) {
        if (!allocators_find_file(known->files[i], contender->library, sizeof contender->library))
            continue;
        if (!preload_is_library(contender->library, why, sizeof why))
            allocators_leave_out(contender, why);
        return;
    }
    contender->library[0] = '\0';
    snprintf(contender->left_out, sizeof contender->left_out,
             "not found: %s, or give --with %s=PATH", known->package, known->name);
}

void allocators_add_known(struct compare *compare) {
    allocators_add_libc(compare);
    allocators_add_holdfast(compare);
    for (size_t i = 0; i < sizeof allocators_known / sizeof *allocators_known; i++)
        allocators_add_one(compare, &allocators_known[i]);
}

static bool allocators_say(const char *pair, const char *why) {
    fprintf(stderr, "holdfast: run: --with %s: %s\n", pair, why);
    return false;
}

bool allocators_add_named(struct compare *compare, const char *pair) {
    const char *path = strchr(pair, '=') + 1;
    size_t length = (size_t)(path - pair) - 1;
    char name[COMPARE_NAME_SIZE], why[COMPARE_PATH_SIZE + 100], real[COMPARE_PATH_SIZE];
    if (length >= sizeof name) return allocators_say(pair, "the name is too long");
    snprintf(name, sizeof name, "%.*s", (int)length, pair);
    if (compare->count > 0 && strcmp(name, compare->contenders[0].name) == 0)
        return allocators_say(pair, "the others are compared with this one: choose another name");
    if (!allocators_take(path, real, sizeof real, why, sizeof why))
        return allocators_say(pair, why);
    struct compare_contender *contender = compare_add(compare, name);
    if (!contender) return allocators_say(pair, "too many allocators");
    snprintf(contender->library, sizeof contender->library, "%s", real);
    return true;
}
