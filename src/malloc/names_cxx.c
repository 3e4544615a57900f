/*
 * names_cxx.c -- operator new and operator delete of C++, as C functions with the names that
 * compilers mangle them to. So the library needs no C++ runtime.
 *
 * Only the forms on which the others are built are here: new and delete, plain and aligned. Those
 * of the C++ runtime (arrays, nothrow, sized) call them, or those of a program that replaces them:
 *
 *      new int[4]  ->  operator new[] of libstdc++  ->  operator new, the program's own or this one
 *
 * The new handler and what throws std::bad_alloc are libstdc++'s. Without them (libc++) a failed
 * new ends the program. Compiled with -fexceptions: the handler may throw.
 *
 * The mangled name of size_t is m (unsigned long) or j (unsigned int).
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <string.h>

#include "malloc_core.h"

#if SIZE_MAX > UINT32_MAX
#define NAMES_NEW _Znwm
#define NAMES_NEW_ALIGNED _ZnwmSt11align_val_t
#else
#define NAMES_NEW _Znwj
#define NAMES_NEW_ALIGNED _ZnwjSt11align_val_t
#endif

#define NAMES_EXPORT __attribute__((visibility("default")))

typedef void names_function(void);

/* Of libstdc++, if the program is linked with it. */
names_function *_ZSt15get_new_handlerv(void) __attribute__((weak));
void _ZSt17__throw_bad_allocv(void) __attribute__((weak));

/* A function of libstdc++ where the program is not linked with it, but a library that it has loaded
 * is. dlopen needs memory: it may fail when there is none. NULL: it is not in this process. */
static names_function *names_find(const char *name) {
    names_function *function = NULL;
    void *runtime = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void *found = runtime ? dlsym(runtime, name) : NULL;
    memcpy(&function, &found, sizeof function);
    if (runtime) dlclose(runtime);
    return function;
}

static names_function *names_get_handler(void) {
    if (_ZSt15get_new_handlerv) return _ZSt15get_new_handlerv();
    names_function *getter = names_find("_ZSt15get_new_handlerv");
    return getter ? ((names_function * (*)(void)) getter)() : NULL;
}

/* Calls the handler, which may free memory, until there is enough or no handler. */
static void *names_retry_or_throw(size_t size, size_t align) {
    void *block = NULL;
    for (names_function *handler; block == NULL && (handler = names_get_handler()) != NULL;) {
        handler();
        block = hf_malloc_allocate_aligned(align, size);
    }
    if (block) return block;
    names_function *throw_bad_alloc = _ZSt17__throw_bad_allocv;
    if (throw_bad_alloc == NULL) throw_bad_alloc = names_find("_ZSt17__throw_bad_allocv");
    if (throw_bad_alloc) throw_bad_alloc();
    hf_malloc_abort("operator new has no memory, and no std::bad_alloc to throw", NULL);
}

static inline void *names_allocate(size_t size, size_t align) {
    void *block = hf_malloc_allocate_aligned(align, size);
    return HF_UNLIKELY(block == NULL) ? names_retry_or_throw(size, align) : block;
}

NAMES_EXPORT void *NAMES_NEW(size_t size);
NAMES_EXPORT void *NAMES_NEW_ALIGNED(size_t size, size_t align);
NAMES_EXPORT void _ZdlPv(void *block);
NAMES_EXPORT void _ZdlPvSt11align_val_t(void *block, size_t align);

void *NAMES_NEW(size_t size) { return names_allocate(size, 16); }

void *NAMES_NEW_ALIGNED(size_t size, size_t align) { return names_allocate(size, align); }

void _ZdlPv(void *block) { hf_malloc_free(block); }

void _ZdlPvSt11align_val_t(void *block, size_t align) {
    (void)align;
    hf_malloc_free(block);
}
