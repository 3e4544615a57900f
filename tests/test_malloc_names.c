/*
 * The functions of C, POSIX and glibc, in a program that links holdfast::malloc: what they return,
 * errno, and that they are ours from before main until after exit.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "check.h"

#ifndef __GLIBC__
size_t malloc_usable_size(void *block);
int malloc_trim(size_t keep);
void *memalign(size_t align, size_t size);
void *valloc(size_t size);
void *pvalloc(size_t size);
void *reallocarray(void *block, size_t count, size_t size);
#endif
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t align, size_t size);

/* The compiler knows what malloc and free do, and may leave both out. */
static void *volatile hidden;

static void *keep(void *block) {
    hidden = block;
    return hidden;
}

/* So that the compiler does not see sizes that are too large. */
static size_t volatile hidden_size;

static size_t most(size_t less) {
    hidden_size = SIZE_MAX;
    return hidden_size - less;
}

static bool is_of(const void *block, size_t align) { return (uintptr_t)block % align == 0; }

static char *early;

__attribute__((constructor(101))) static void allocate_early(void) { early = keep(calloc(10, 10)); }

static void free_late(void) { free(early); }

__attribute__((destructor)) static void allocate_after_exit(void) {
    free(keep(malloc(1000)));
    free(keep(malloc(100000)));
}

static void every_name_is_ours(void) {
    static const char *const names[] = {
        "malloc",         "free",     "calloc", "realloc", "reallocarray",       "aligned_alloc",
        "posix_memalign", "memalign", "valloc", "pvalloc", "malloc_usable_size", "malloc_trim"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Dl_info where;
        void *function = dlsym(RTLD_DEFAULT, names[i]);
        CHECK(function != NULL && dladdr(function, &where) != 0);
        if (strstr(where.dli_fname, "libholdfast-malloc") == NULL) printf("    %s\n", names[i]);
        CHECK(strstr(where.dli_fname, "libholdfast-malloc") != NULL);
    }
}

static void it_works_before_main(void) {
    for (int i = 0; i < 100; i++) CHECK(early[i] == 0);
    CHECK(atexit(free_late) == 0);
}

static void sizes_are_usable(void) {
    for (size_t size = 0; size < 200000; size += 1 + size / 7) {
        char *block = keep(malloc(size));
        size_t usable = malloc_usable_size(block);
        CHECK(block != NULL && usable >= size && usable > 0 && is_of(block, 16));
        memset(block, 1, usable);
        free_sized(block, size);
    }
    CHECK_EQUAL(0, malloc_usable_size(NULL));
    free(NULL);
}

static void zeroed_memory_is_zero(void) {
    for (size_t size = 1; size < 10000000; size += 1 + size * 2) {
        char *block = keep(calloc(1, size));
        CHECK(block != NULL);
        for (size_t i = 0; i < size; i++) CHECK(block[i] == 0);
        memset(block, 0xff, size);
        free(block);
    }
}

static void sizes_that_wrap_fail(void) {
    errno = 0;
    CHECK(keep(calloc(most(0) / 2, 4)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(keep(reallocarray(NULL, most(0) / 2, 4)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(keep(malloc(most(0))) == NULL && errno == ENOMEM);
    errno = 0;
    char *block = keep(malloc(10));
    CHECK(keep(realloc(block, most(10))) == NULL && errno == ENOMEM);
    free(block);
}

static void realloc_to_nothing_frees(void) {
    char *block = keep(malloc(10));
    CHECK(keep(realloc(block, 0)) == NULL);
    block = keep(realloc(NULL, 0));
    CHECK(block != NULL);
    block = keep(reallocarray(block, 10, 10));
    CHECK(malloc_usable_size(block) >= 100);
    free(block);
}

static void alignments(void) {
    void *block = early;
    CHECK_EQUAL(EINVAL, posix_memalign(&block, 0, 10));
    CHECK_EQUAL(EINVAL, posix_memalign(&block, sizeof(void *) / 2, 10));
    CHECK_EQUAL(EINVAL, posix_memalign(&block, 3 * sizeof(void *), 10));
    errno = 77;
    CHECK_EQUAL(ENOMEM, posix_memalign(&block, 64, most(100)));
    CHECK(block == early && errno == 77);
    CHECK_EQUAL(0, posix_memalign(&block, 1 << 18, 10));
    CHECK(block != early && is_of(block, 1 << 18));
    free_aligned_sized(block, 1 << 18, 10);
    errno = 0;
    CHECK(keep(aligned_alloc(hidden_size = 24, 10)) == NULL && errno == EINVAL);
    block = keep(aligned_alloc(256, 10)); /* in C17 the size need be no multiple */
    CHECK(block != NULL && is_of(block, 256));
    free(block);
    block = keep(memalign(hidden_size = 48, 10));
    CHECK(block != NULL && is_of(block, 64));
    free(block);
    CHECK(keep(memalign(most(0), 10)) == NULL);
}

static void whole_pages(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *block = keep(valloc(10));
    CHECK(block != NULL && is_of(block, page));
    free(block);
    block = keep(pvalloc(page + 1));
    CHECK(block != NULL && is_of(block, page) && malloc_usable_size(block) >= 2 * page);
    free(block);
}

static void free_keeps_errno(void) {
    errno = 77;
    for (size_t size = 1; size < 100000000; size *= 3) free(keep(malloc(size)));
    CHECK_EQUAL(77, errno);
}

static void large_blocks_grow_in_place(void) {
    char *block = keep(malloc((size_t)8 << 20)), *first = block;
    for (size_t size = 9; size < 64; size++) {
        block[0] = (char)size;
        block = keep(realloc(block, size << 20));
        CHECK(block == first && block[0] == (char)size);
    }
    free(block);
}

static void trims_and_tells(void) {
    char *block = keep(malloc(1000000));
    memset(block, 1, 1000000);
#ifdef __GLIBC__
    struct mallinfo2 wide = mallinfo2();
    CHECK(wide.uordblks >= 1000000 && wide.arena >= wide.uordblks);
    CHECK(wide.fordblks == wide.arena - wide.uordblks);
#endif
    free(block);
    CHECK_EQUAL(1, malloc_trim(0));
#ifdef __GLIBC__
    CHECK(mallinfo2().uordblks <= wide.uordblks - 1000000);
#endif
}

static void *allocate_in_thread(void *unused) {
    for (size_t size = 1; size < 1000000; size *= 2) free(keep(malloc(size)));
    return unused;
}

static void threads_come_and_go(void) {
    pthread_t thread;
    for (int i = 0; i < 50; i++) {
        CHECK(pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

CHECK_MAIN(TEST(every_name_is_ours), TEST(it_works_before_main), TEST(sizes_are_usable),
           TEST(zeroed_memory_is_zero), TEST(sizes_that_wrap_fail), TEST(realloc_to_nothing_frees),
           TEST(alignments), TEST(whole_pages), TEST(free_keeps_errno),
           TEST(large_blocks_grow_in_place), TEST(trims_and_tells), TEST(threads_come_and_go))
