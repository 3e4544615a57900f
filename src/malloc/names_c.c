/*
 * names_c.c -- the functions of C, POSIX and glibc that allocate. errno is as their manual pages
 * say: ENOMEM, or EINVAL for an alignment.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "malloc_core.h"

#define NAMES_EXPORT __attribute__((visibility("default")))

NAMES_EXPORT void *malloc(size_t size);
NAMES_EXPORT void free(void *block);
NAMES_EXPORT void free_sized(void *block, size_t size);
NAMES_EXPORT void free_aligned_sized(void *block, size_t align, size_t size);
NAMES_EXPORT void *calloc(size_t count, size_t size);
NAMES_EXPORT void *realloc(void *block, size_t size);
NAMES_EXPORT void *reallocarray(void *block, size_t count, size_t size);
NAMES_EXPORT void *aligned_alloc(size_t align, size_t size);
NAMES_EXPORT int posix_memalign(void **block, size_t align, size_t size);
NAMES_EXPORT void *memalign(size_t align, size_t size);
NAMES_EXPORT void *valloc(size_t size);
NAMES_EXPORT void *pvalloc(size_t size);
NAMES_EXPORT size_t malloc_usable_size(void *block);
NAMES_EXPORT int malloc_trim(size_t keep);

static bool names_is_power_of_two(size_t value) { return value != 0 && (value & (value - 1)) == 0; }

static void *names_fail(int code) {
    errno = code;
    return NULL;
}

static size_t names_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void *malloc(size_t size) { return hf_malloc_allocate(size); }

void free(void *block) { hf_malloc_free(block); }

void free_sized(void *block, size_t size) {
    (void)size;
    hf_malloc_free(block);
}

void free_aligned_sized(void *block, size_t align, size_t size) {
    (void)align, (void)size;
    hf_malloc_free(block);
}

void *calloc(size_t count, size_t size) {
    if (size && count > SIZE_MAX / size) return names_fail(ENOMEM);
    size *= count;
    void *block = hf_malloc_heap && size <= HF_HEAP_INLINE
                      ? hf_heap_malloc_inline(hf_malloc_heap, size)
                      : NULL;
    return block ? memset(block, 0, size)
                 : hf_malloc_allocate_slow((malloc_request){size, 16, true});
}

/* As with glibc, a size of 0 frees. */
void *realloc(void *block, size_t size) {
    if (size > 0 || block == NULL) return hf_malloc_resize(block, size);
    hf_malloc_free(block);
    return NULL;
}

void *reallocarray(void *block, size_t count, size_t size) {
    if (size && count > SIZE_MAX / size) return names_fail(ENOMEM);
    return realloc(block, count * size);
}

void *aligned_alloc(size_t align, size_t size) {
    return names_is_power_of_two(align) ? hf_malloc_allocate_aligned(align, size)
                                        : names_fail(EINVAL);
}

int posix_memalign(void **block, size_t align, size_t size) {
    int code = errno;
    if (!names_is_power_of_two(align) || align % sizeof(void *) != 0) return EINVAL;
    void *made = hf_malloc_allocate_aligned(align, size);
    errno = code;
    if (made == NULL) return ENOMEM;
    *block = made;
    return 0;
}

/* As with glibc, an alignment that is no power of two is rounded up to one. */
void *memalign(size_t align, size_t size) {
    size_t power = 16;
    if (align > SIZE_MAX / 2 + 1) return names_fail(EINVAL);
    while (power < align) power *= 2;
    return hf_malloc_allocate_aligned(power, size);
}

void *valloc(size_t size) { return hf_malloc_allocate_aligned(names_page_size(), size); }

/* Rounds the size up to whole pages, as every aligned size is rounded. */
void *pvalloc(size_t size) { return hf_malloc_allocate_aligned(names_page_size(), size); }

size_t malloc_usable_size(void *block) { return hf_malloc_size(block); }

int malloc_trim(size_t keep) {
    int code = errno;
    bool is_done = hf_malloc_trim(keep);
    errno = code;
    return is_done;
}

#ifdef __GLIBC__

#if !__GLIBC_PREREQ(2, 33)
struct mallinfo2 {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};
#endif

NAMES_EXPORT struct mallinfo2 mallinfo2(void);
NAMES_EXPORT struct mallinfo mallinfo(void);

/* Of the heaps that no other thread uses. */
struct mallinfo2 mallinfo2(void) {
    size_t heaps, running;
    hf_heap_stats stats = hf_malloc_sum(&heaps, &running);
    return (struct mallinfo2){.arena = stats.committed,
                              .hblks = stats.large_blocks,
                              .usmblks = stats.peak,
                              .uordblks = stats.used,
                              .fordblks = stats.committed - stats.used,
                              .keepcost = stats.idle};
}

static int names_int(size_t value) { return value > INT_MAX ? INT_MAX : (int)value; }

struct mallinfo mallinfo(void) {
    struct mallinfo2 wide = mallinfo2();
    return (struct mallinfo){.arena = names_int(wide.arena),
                             .hblks = names_int(wide.hblks),
                             .usmblks = names_int(wide.usmblks),
                             .uordblks = names_int(wide.uordblks),
                             .fordblks = names_int(wide.fordblks),
                             .keepcost = names_int(wide.keepcost)};
}

#endif
