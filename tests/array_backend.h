/*
 * array_backend.h -- a whole backend over one array of bytes, with no system under it.
 *
 * It shows that backend.h is all that the library asks of a system: addresses are places in the
 * array, a placeholder is a mark on them, and a file is something that it does not have. Any power
 * of two can be its page size.
 */
#ifndef HOLDFAST_TESTS_ARRAY_BACKEND_H
#define HOLDFAST_TESTS_ARRAY_BACKEND_H

#include "holdfast/backend.h"

enum { ARRAY_BYTES = 8 << 20, ARRAY_SMALLEST_GRANULE = 256 };

struct array_backend {
    hf_backend backend; /* first */
    size_t page_size;
    size_t locks;                                     /* open */
    char marks[ARRAY_BYTES / ARRAY_SMALLEST_GRANULE]; /* one for each page size */
};

/* There is one array: one such backend at a time. */
void array_backend_init(struct array_backend *array, size_t page_size);

/* Nothing is reserved, no page taken and no lock open. */
bool array_backend_is_unused(const struct array_backend *array);

#endif
