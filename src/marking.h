/*
 * marking.h -- tells AddressSanitizer and Valgrind which bytes of an arena may be touched.
 *
 * AddressSanitizer is found at run time, by a weak symbol of its runtime: so a library that was
 * built without it marks all the same in a program that was built with it. Valgrind is found by
 * its client requests, which cost nothing elsewhere; without its header there are none.
 *
 * Marking follows the arena byte for byte; in a process without a checker an arena never calls
 * these, for its fast path has no time.
 */
#ifndef HF_MARKING_H
#define HF_MARKING_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__ELF__) /* where a weak symbol may stay undefined */
extern void __asan_poison_memory_region(const volatile void *, size_t) __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *, size_t) __attribute__((weak));
#define HF_HAS_ASAN (__asan_poison_memory_region != NULL)
#else
#define HF_HAS_ASAN false
#define __asan_poison_memory_region(address, size) ((void)(address), (void)(size))
#define __asan_unpoison_memory_region(address, size) ((void)(address), (void)(size))
#endif

#if defined(__has_include) && !defined(_MSC_VER) /* Valgrind's header refuses that compiler */
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HF_HAS_VALGRIND (RUNNING_ON_VALGRIND != 0)
#endif
#endif
#ifndef HF_HAS_VALGRIND
#define HF_HAS_VALGRIND false
#define VALGRIND_MAKE_MEM_NOACCESS(address, size) ((void)(address), (void)(size))
#define VALGRIND_MAKE_MEM_UNDEFINED(address, size) ((void)(address), (void)(size))
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void)(address), (void)(size))
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING ((void)0)
#endif

/* Red zone behind every block; blocks begin at a multiple of the alignment, which is the unit
 * in which AddressSanitizer keeps its books. */
#define HF_MARKING_ALIGNMENT ((size_t)8)
#define HF_RED_ZONE ((size_t)16)

static inline bool hf_is_checked_process(void) { return HF_HAS_ASAN || HF_HAS_VALGRIND; }

/* Not to be touched. */
static inline void hf_mark_free(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_poison_memory_region(address, size);
    VALGRIND_MAKE_MEM_NOACCESS(address, size);
}

/* Handed out, to be written before it is read. */
static inline void hf_mark_used(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_unpoison_memory_region(address, size);
    VALGRIND_MAKE_MEM_UNDEFINED(address, size);
}

/* Handed out with its contents. */
static inline void hf_mark_defined(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_unpoison_memory_region(address, size);
    VALGRIND_MAKE_MEM_DEFINED(address, size);
}

/* memmove for bytes that a checker may not let us read; the copy counts as written. */
void hf_copy_unchecked(void *to, const void *from, size_t size);

#endif
