/*
 * names_cxx.c -- operator new and operator delete of C++, in all their forms, as C functions with
 * the names that compilers mangle them to. So the library needs no C++ runtime; what it takes from
 * one, libstdc++'s, is weak: the new handler, and the function that throws std::bad_alloc. Where
 * they are missing (libc++), a new that may not return NULL aborts when there is no memory.
 *
 * Compiled with -fexceptions: the handler may throw. A handler that throws ends a program that
 * called a nothrow form, where C++ would return NULL: C cannot catch.
 *
 * The mangled name of size_t is m (unsigned long) or j (unsigned int).
 */
#include "malloc_core.h"

#if SIZE_MAX > UINT32_MAX
#define NAMES_WITH_SIZE(before, after) before##m##after
#else
#define NAMES_WITH_SIZE(before, after) before##j##after
#endif

#define NAMES_EXPORT __attribute__((visibility("default")))

typedef void names_handler(void);

extern names_handler *_ZSt15get_new_handlerv(void) __attribute__((weak));
extern _Noreturn void _ZSt17__throw_bad_allocv(void) __attribute__((weak));

static names_handler *names_get_handler(void) {
    return _ZSt15get_new_handlerv ? _ZSt15get_new_handlerv() : NULL;
}

/* Calls the handler, which may free memory, until there is enough or no handler. */
static void *names_retry(size_t size, size_t align) {
    void *block = NULL;
    for (names_handler *handler; block == NULL && (handler = names_get_handler()) != NULL;) {
        handler();
        block = hf_malloc_allocate_aligned(align, size);
    }
    return block;
}

static void *names_retry_or_throw(size_t size, size_t align) {
    void *block = names_retry(size, align);
    if (block) return block;
    if (_ZSt17__throw_bad_allocv) _ZSt17__throw_bad_allocv();
    hf_malloc_abort("operator new has no memory, and no std::bad_alloc to throw", NULL);
}

static inline void *names_new(size_t size, size_t align) {
    void *block = hf_malloc_allocate_aligned(align, size);
    return HF_UNLIKELY(block == NULL) ? names_retry_or_throw(size, align) : block;
}

static inline void *names_new_or_null(size_t size, size_t align) {
    void *block = hf_malloc_allocate_aligned(align, size);
    return HF_UNLIKELY(block == NULL) ? names_retry(size, align) : block;
}

/* ------------------------------------------------------------------------ new ------------- */

/* operator new and new[]: of a size; with std::nothrow; with an alignment; with both. */
#define NAMES_NEW(new_, nothrow, aligned, aligned_nothrow)                          \
    NAMES_EXPORT void *new_(size_t size);                                           \
    NAMES_EXPORT void *nothrow(size_t size, const void *tag);                       \
    NAMES_EXPORT void *aligned(size_t size, size_t align);                          \
    NAMES_EXPORT void *aligned_nothrow(size_t size, size_t align, const void *tag); \
    void *new_(size_t size) { return names_new(size, 16); }                         \
    void *nothrow(size_t size, const void *tag) {                                   \
        (void)tag;                                                                  \
        return names_new_or_null(size, 16);                                         \
    }                                                                               \
    void *aligned(size_t size, size_t align) { return names_new(size, align); }     \
    void *aligned_nothrow(size_t size, size_t align, const void *tag) {             \
        (void)tag;                                                                  \
        return names_new_or_null(size, align);                                      \
    }

NAMES_NEW(NAMES_WITH_SIZE(_Znw, ), NAMES_WITH_SIZE(_Znw, RKSt9nothrow_t),
          NAMES_WITH_SIZE(_Znw, St11align_val_t),
          NAMES_WITH_SIZE(_Znw, St11align_val_tRKSt9nothrow_t))
NAMES_NEW(NAMES_WITH_SIZE(_Zna, ), NAMES_WITH_SIZE(_Zna, RKSt9nothrow_t),
          NAMES_WITH_SIZE(_Zna, St11align_val_t),
          NAMES_WITH_SIZE(_Zna, St11align_val_tRKSt9nothrow_t))

/* --------------------------------------------------------------------- delete ------------- */

/* operator delete and delete[]: of a pointer; with its size; with its alignment; with both; and
 * those of the nothrow forms of new. */
#define NAMES_DELETE(plain, sized, aligned, sized_aligned, nothrow, aligned_nothrow) \
    NAMES_EXPORT void plain(void *block);                                            \
    NAMES_EXPORT void sized(void *block, size_t size);                               \
    NAMES_EXPORT void aligned(void *block, size_t align);                            \
    NAMES_EXPORT void sized_aligned(void *block, size_t size, size_t align);         \
    NAMES_EXPORT void nothrow(void *block, const void *tag);                         \
    NAMES_EXPORT void aligned_nothrow(void *block, size_t align, const void *tag);   \
    void plain(void *block) { hf_malloc_free(block); }                               \
    void sized(void *block, size_t size) {                                           \
        (void)size;                                                                  \
        hf_malloc_free(block);                                                       \
    }                                                                                \
    void aligned(void *block, size_t align) {                                        \
        (void)align;                                                                 \
        hf_malloc_free(block);                                                       \
    }                                                                                \
    void sized_aligned(void *block, size_t size, size_t align) {                     \
        (void)size, (void)align;                                                     \
        hf_malloc_free(block);                                                       \
    }                                                                                \
    void nothrow(void *block, const void *tag) {                                     \
        (void)tag;                                                                   \
        hf_malloc_free(block);                                                       \
    }                                                                                \
    void aligned_nothrow(void *block, size_t align, const void *tag) {               \
        (void)align, (void)tag;                                                      \
        hf_malloc_free(block);                                                       \
    }

NAMES_DELETE(_ZdlPv, NAMES_WITH_SIZE(_ZdlPv, ), _ZdlPvSt11align_val_t,
             NAMES_WITH_SIZE(_ZdlPv, St11align_val_t), _ZdlPvRKSt9nothrow_t,
             _ZdlPvSt11align_val_tRKSt9nothrow_t)
NAMES_DELETE(_ZdaPv, NAMES_WITH_SIZE(_ZdaPv, ), _ZdaPvSt11align_val_t,
             NAMES_WITH_SIZE(_ZdaPv, St11align_val_t), _ZdaPvRKSt9nothrow_t,
             _ZdaPvSt11align_val_tRKSt9nothrow_t)
