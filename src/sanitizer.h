/*
 * sanitizer.h -- tells AddressSanitizer, MemorySanitizer and Valgrind which bytes of an arena are
 * poisoned and which are uninitialized, and LeakSanitizer which memory contains pointers.
 *
 * "Sanitizer" means Valgrind too. The sanitizers are detected at run time, by weak symbols of their
 * runtimes: so a library that was built without AddressSanitizer poisons nevertheless in a program
 * that was built with it. (MemorySanitizer needs the whole program built with it, this library too:
 * otherwise bytes that the library writes count as uninitialized.) AddressSanitizer is detected by
 * two symbols, because AFL++ defines an empty function with the name of the first. Valgrind is
 * detected by its client requests, which cost next to nothing elsewhere; without its header the
 * library does not detect it.
 *
 * Poisoning is exact to the byte. In a process without a sanitizer an arena calls neither hf_poison
 * nor hf_unpoison_uninitialized nor hf_unpoison_initialized: its fast path has no time for them.
 */
#ifndef HF_SANITIZER_H
#define HF_SANITIZER_H

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

/* Valgrind's header does not support MSVC. */
#if defined(__has_include) && !defined(_MSC_VER)
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

/* Under a sanitizer blocks are aligned to HF_SANITIZER_ALIGNMENT, the bytes that one byte of
 * AddressSanitizer's shadow memory describes, and a poisoned red zone lies behind each block. */
#define HF_SANITIZER_ALIGNMENT ((size_t)8)
#define HF_RED_ZONE ((size_t)16)

static inline bool hf_is_under_sanitizer(void) {
    return HF_HAS_ASAN || HF_HAS_MSAN || HF_HAS_VALGRIND;
}

/* Makes the range a root region of LeakSanitizer: memory that pointers in it point to is not
 * reported as leaked. Pages that are not readable are skipped. hf_unregister_root ends this, with
 * the same address and size. */
static inline void hf_register_root(const void *address, size_t size) {
    if (HF_HAS_LSAN) __lsan_register_root_region(address, size);
}

static inline void hf_unregister_root(const void *address, size_t size) {
    if (HF_HAS_LSAN) __lsan_unregister_root_region(address, size);
}

/* Poisons the bytes: every access is reported. */
static inline void hf_poison(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_poison_memory_region(address, size);
    if (HF_HAS_MSAN) __msan_poison(address, size);
    VALGRIND_MAKE_MEM_NOACCESS(address, size);
}

/* Unpoisons the bytes and makes them uninitialized: using them before a write is reported. */
static inline void hf_unpoison_uninitialized(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_unpoison_memory_region(address, size);
    if (HF_HAS_MSAN) __msan_poison(address, size);
    VALGRIND_MAKE_MEM_UNDEFINED(address, size);
}

/* Unpoisons the bytes and makes them initialized. */
static inline void hf_unpoison_initialized(const char *address, size_t size) {
    if (HF_HAS_ASAN) __asan_unpoison_memory_region(address, size);
    if (HF_HAS_MSAN) __msan_unpoison(address, size);
    VALGRIND_MAKE_MEM_DEFINED(address, size);
}

/* memmove for bytes that may be poisoned or uninitialized; the copy is initialized. */
void hf_copy_unsanitized(void *to, const void *from, size_t size);

#endif
