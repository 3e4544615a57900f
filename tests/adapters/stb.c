/*
 * stb.c -- the work of stb_work.h in a heap.
 */
#include <holdfast/heap.h>

#include <stdlib.h>
#include <string.h>

static hf_heap *stb_heap;

#define HF_STB_HEAP stb_heap
#include <holdfast/adapt/stb.h>

#define STB_NAME(name) stb_heap_##name
#include "stb_work.h"

bool stb_plain(unsigned scale, FILE *out);

bool workload_stb(hf_heap *heap, unsigned scale, FILE *out) {
    if (heap == NULL) return stb_plain(scale, out);
    stb_heap = heap;
    return stb_work(scale, out);
}
