/*
 * on_mimalloc.c -- the front end on mimalloc.
 *
 * Linked, mimalloc would replace the C library's malloc, and the comparison with malloc would
 * measure mimalloc. So it is loaded at run time, in the process that runs on it. A call through a
 * pointer costs as much as a call into a linked shared library. It is loaded by name: the command
 * in the build folder finds through its RUNPATH the copy that CMake found; an installed one finds
 * the system's.
 */
#include <stdbool.h>
#include <stddef.h>

#include "front_end.h"
#include "on_mimalloc.h"
#include "platform.h"

typedef struct name *name_ref;

static void *(*heap_alloc)(size_t);
static void *(*heap_realloc)(void *, size_t);
static void (*heap_free)(void *);

/* Names of its shared library, newest version first. */
static const char *const libraries[] = {"libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so",
                                        "libmimalloc.dylib"};

static platform_function mimalloc(const char *name) {
    platform_function found = NULL;
    for (size_t i = 0; !found && i < sizeof libraries / sizeof *libraries; i++)
        found = platform_load(libraries[i], name);
    return found;
}

int on_mimalloc_version(void) {
    int (*version)(void) = (int (*)(void))mimalloc("mi_version");
    return version ? version() : 0;
}

static bool heap_open(void) {
    heap_alloc = (void *(*)(size_t))mimalloc("mi_malloc");
    heap_realloc = (void *(*)(void *, size_t))mimalloc("mi_realloc");
    heap_free = (void (*)(void *))mimalloc("mi_free");
    return heap_alloc && heap_realloc && heap_free;
}

#define WORK_NAME "mimalloc"
#define WORK_KIND on_mimalloc
#include "on_heap.h"
