/*
 * thread_local.h -- thread-local variables without malloc.
 *
 *     static HF_THREAD_LOCAL hf_error last_error;       // zero in each thread
 *     hf_error *error = HF_OF_THIS_THREAD(last_error);
 *
 * gcc for Windows emulates _Thread_local with memory from malloc, which the library never calls.
 * With gcc for Windows this file does what the other compilers do: the variable is in the section
 * .tls of its executable or DLL, the template that Windows copies for each thread. A thread finds
 * its copies in an array, at the index that the directory of the section points to.
 *
 *      template     | .tls | .tls$: variable | .tls$ZZZ |
 *      thread block -> array of copies: | copy 0 | copy 1 | ...
 */
#ifndef HF_THREAD_LOCAL_H
#define HF_THREAD_LOCAL_H

#if defined(_MSC_VER)
#define HF_THREAD_LOCAL __declspec(thread)
#define HF_OF_THIS_THREAD(variable) (&(variable))

#elif defined(__MINGW32__) && !defined(__clang__)
#include <stdint.h>

#define HF_THREAD_LOCAL __attribute__((section(".tls$")))
#define HF_OF_THIS_THREAD(variable) hf_of_this_thread(&(variable))

/* The TLS directory of this executable or DLL; the C runtime defines it. */
extern const struct hf_tls_directory {
    uintptr_t begin, end;
    const uint32_t *index; /* of the copy in a thread's array */
} _tls_used;

static inline void *hf_of_this_thread(const void *in_template) {
    char **copies;
#if defined(__x86_64__)
    __asm__("movq %%gs:0x58, %0" : "=r"(copies));
#elif defined(__i386__)
    __asm__("movl %%fs:0x2c, %0" : "=r"(copies));
#elif defined(__aarch64__) /* x18 points to the thread block */
    __asm__("ldr %0, [x18, #0x58]" : "=r"(copies));
#else
#error "the offset of the thread block's array of copies on this processor is missing"
#endif
    return copies[*_tls_used.index] + ((uintptr_t)in_template - _tls_used.begin);
}

#else
#define HF_THREAD_LOCAL _Thread_local
#define HF_OF_THIS_THREAD(variable) (&(variable))
#endif

#endif
