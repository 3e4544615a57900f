/*
 * thread_local.h -- variables that each thread has its own of, without malloc.
 *
 *     static HF_THREAD_LOCAL hf_error last_error;       // zero in each thread
 *     hf_error *error = HF_OF_THIS_THREAD(last_error);
 *
 * gcc for Windows emulates thread-local variables in memory from malloc, which the library never
 * calls. So there we do by hand what the other compilers do: the variable lies in the template
 * that every image has for its threads, of which the system makes each thread a copy.
 *
 *      template:  | .tls | .tls$: variable | .tls$ZZZ |
 *      thread  ->  its list of copies  -> | image 0 | image 1 | ... the index is in the directory
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

/* The directory of an image's template, which the C runtime brings. */
extern const struct hf_tls_directory {
    uintptr_t begin, end;
    const uint32_t *index; /* of the image, in a thread's list */
} _tls_used;

static inline void *hf_of_this_thread(const void *in_template) {
    char **copies;
#if defined(__x86_64__)
    __asm__("movq %%gs:0x58, %0" : "=r"(copies));
#elif defined(__i386__)
    __asm__("movl %%fs:0x2c, %0" : "=r"(copies));
#elif defined(__aarch64__) /* x18 is the thread's block */
    __asm__("ldr %0, [x18, #0x58]" : "=r"(copies));
#else
#error "where does this processor's thread block have its list of copies?"
#endif
    return copies[*_tls_used.index] + ((uintptr_t)in_template - _tls_used.begin);
}

#else
#define HF_THREAD_LOCAL _Thread_local
#define HF_OF_THIS_THREAD(variable) (&(variable))
#endif

#endif
