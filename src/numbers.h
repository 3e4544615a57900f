/*
 * numbers.h -- sizes in bytes: units, the larger and the smaller of two.
 */
#ifndef HF_NUMBERS_H
#define HF_NUMBERS_H

#include <stddef.h>

#define HF_KIB(n) ((size_t)(n) << 10)
#define HF_MIB(n) ((size_t)(n) << 20)

static inline size_t hf_larger(size_t a, size_t b) { return a > b ? a : b; }

static inline size_t hf_smaller(size_t a, size_t b) { return a < b ? a : b; }

#endif
