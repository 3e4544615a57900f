/*
 * A shared object that contains the library: it links libholdfast.a, which must be
 * position-independent.
 */
#include "shared_object.h"

#include <string.h>

#include "holdfast.h"

size_t shared_object_measure(const char *text) {
    hf_arena arena;
    if (hf_arena_open(&arena, NULL) != HF_OK) return 0;
    char *copy = hf_strdup(&arena, text);
    size_t length =
        copy && hf_extend(&arena, copy, strlen(text) + 1, (size_t)1 << 20) ? strlen(copy) : 0;
    hf_arena_close(&arena);
    return length;
}

/* The last error is thread-local: position-independent code uses another TLS model for it. */
int shared_object_error(void) {
    hf_space *space;
    hf_space_open(&space, 0, NULL);
    return (int)hf_last_error().status;
}
