/*
 * pages.h -- rounding to the page size.
 */
#ifndef HF_PAGES_H
#define HF_PAGES_H

#include <holdfast/backend.h>

/* `multiple` is a power of two; size + multiple - 1 does not wrap. */
static inline size_t hf_round_down(size_t size, size_t multiple) { return size & ~(multiple - 1); }

static inline size_t hf_round_up(size_t size, size_t multiple) {
    return hf_round_down(size + (multiple - 1), multiple);
}

/* True for one whole page or more: the address and the size are multiples of the page size. */
static inline bool hf_is_whole_pages(size_t page_size, const void *address, size_t size) {
    return size > 0 && (((uintptr_t)address | size) & (page_size - 1)) == 0;
}

/* The bytes of the whole pages that a record of `size` bytes needs. */
static inline size_t hf_pages_for(const hf_backend *backend, size_t size) {
    return hf_round_up(size, backend->page_size(backend));
}

#endif
