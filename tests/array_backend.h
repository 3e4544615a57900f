/*
 * array_backend.h -- a complete backend over one array of bytes, without system calls.
 *
 * It shows that backend.h is all that the library needs from a system: addresses lie in the array,
 * a placeholder is the state of its pages, and files are unsupported. Its page size can be any
 * power of two.
 */
#ifndef HOLDFAST_TESTS_ARRAY_BACKEND_H
#define HOLDFAST_TESTS_ARRAY_BACKEND_H

#include "holdfast/backend.h"

enum { ARRAY_BYTES = 8 << 20, ARRAY_SMALLEST_PAGE_SIZE = 256 };

struct array_backend {
    hf_backend backend; /* must be first */
    size_t page_size;
    size_t locks;                                       /* how many locks are open */
    char marks[ARRAY_BYTES / ARRAY_SMALLEST_PAGE_SIZE]; /* the state of each page */
};

/* There is one array, so only one such backend can be in use at a time. */
void array_backend_init(struct array_backend *array, size_t page_size);

/* True if nothing is reserved, no page is allocated and no lock is open. */
bool array_backend_is_unused(const struct array_backend *array);

#endif
