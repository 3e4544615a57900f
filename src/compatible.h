/*
 * compatible.h -- reads what a program passes that was compiled for another version of holdfast:
 * options and backends, to which later versions append.
 *
 *     options   | fields that both know | unknown bytes |     program newer: 0, or HF_UNSUPPORTED
 *               | given | defaults: 0   |                     program older
 *
 *     backend   | size | required functions | optional ... |  older: those it lacks count as NULL
 *                                                             newer: those unknown are not called
 */
#ifndef HF_COMPATIBLE_H
#define HF_COMPATIBLE_H

#include <holdfast/backend.h>
#include <stddef.h>

/* Copies the options of a program, of which `size` bytes are given, over `options`, which is zeroed
 * and of which the library knows the first `known` bytes. given NULL: the defaults. HF_INVALID: the
 * size is none; HF_UNSUPPORTED: a byte behind the known ones is not 0. `call` is the function that
 * the error names. */
hf_status hf_read_options(void *options, size_t known, const void *given, size_t size,
                          const char *call);

/* HF_INVALID if the size of a backend that the program named is none. NULL is valid. */
hf_status hf_check_backend(const hf_backend *named, const char *call);

static inline const hf_backend *hf_backend_or_native(const hf_backend *named) {
    return named ? named : hf_backend_native();
}

/* True if the backend has this optional function. */
#define HF_HAS(backend, function) \
    ((backend)->size > offsetof(hf_backend, function) && (backend)->function != NULL)

/* hf_backend.size of the native backend, in bytes: the size of the table in version 1.0. A program
 * copies as many bytes of the table as it was compiled with, this field among them, so the field
 * must not rise with the table. */
#define HF_BACKEND_SIZE_1_0 (offsetof(hf_backend, file_remove_named) + sizeof(void (*)(void)))

_Static_assert(sizeof(hf_backend) == HF_BACKEND_SIZE_1_0,
               "a function was appended: let HF_HAS find it in the native backend, by its address");

#endif
