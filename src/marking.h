/*
 * marking.h -- tells AddressSanitizer, MemorySanitizer and Valgrind which bytes of an arena may be
 * touched and which were never written, and LeakSanitizer where pointers are.
 *
 * The sanitizers are found at run time, by weak symbols of their runtimes: so a library that was
 * built without AddressSanitizer marks all the same in a program that was built with it. (A program
 * under MemorySanitizer is built with it as a whole, this library too: else what the library writes
 * counts as never written.) AddressSanitizer needs a second symbol, for AFL++ brings an empty
 * function with the name of the first. Valgrind is found by its client requests, which cost nothing
 * elsewhere; without its header there are none.
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
extern int __asan_address_is_poisoned(const volatile void *) __attribute__((weak));
extern void __msan_poison(const volatile void *, size_t) __attribute__((weak));
extern void __msan_unpoison(const volatile void *, size_t) __attribute__((weak));
extern void __lsan_register_root_region(const void *, size_t) __attribute__((weak));
extern void __lsan_unregister_root_region(const void *, size_t) __attribute__((weak));
#define HF_HAS_ASAN (__asan_poison_memory_region != NULL && __asan_address_is_poisoned != NULL)
#define HF_HAS_MSAN (__msan_poison != NULL)
#define HF_HAS_LSAN (__lsan_register_root_region != NULL)
#else
#define HF_HAS_ASAN false
#define HF_HAS_MSAN false
#define HF_HAS_LSAN false
#define __asan_poison_memory_region(address, size) ((void)(address), (void)(size))
#define __asan_unpoison_memory_region(address, size) ((void)(address), (void)(size))
#define __msan_poison(address, size) ((void)(address), (void)(size))
#define __msan_unpoison(address, size) ((void)(address), (void)(size))
#define __lsan_register_root_region(address, size) ((void)(address), (void)(size))
#define __lsan_unregister_root_region(address, size) ((void)(address), (void)(size))
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

static inline bool hf_is_checked_process(void) {
    return HF_HAS_ASAN || HF_HAS_MSAN || HF_HAS_VALGRIND;
}

/* Pointers in the range keep what they point to from being a leak, until it is unmarked: with the
 * same address and size. Pages that nothing may read are passed over. */
static inline void hf_mark_root(const void *address, size_t size) {
    if (HF_HAS_LSAN) __lsan_register_root_region(address, size);
}

static inline void hf_unmark_root(const void *address, size_t size) {
    if (HF_HAS_LSAN) __lsan_unregister_root_region(address, size);
}

/* Not to be touched. */
static inline void hf_mark_free(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_poison_memory_region(address, size);
    if (HF_HAS_MSAN) __msan_poison(address, size);
    VALGRIND_MAKE_MEM_NOACCESS(address, size);
}

/* Handed out, to be written before it is read. */
static inline void hf_mark_used(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_unpoison_memory_region(address, size);
    if (HF_HAS_MSAN) __msan_poison(address, size);
    VALGRIND_MAKE_MEM_UNDEFINED(address, size);
}

/* Handed out with its contents. */
static inline void hf_mark_defined(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_unpoison_memory_region(address, size);
    if (HF_HAS_MSAN) __msan_unpoison(address, size);
    VALGRIND_MAKE_MEM_DEFINED(address, size);
}

/* memmove for bytes that a checker may not let us read; the copy counts as written. */
void hf_copy_unchecked(void *to, const void *from, size_t size);

#endif
