/*
 * The malloc of src/malloc with heaps so small that they become full: the functions behind the
 * names that libholdfast-malloc.so exports, in a program that keeps its own malloc.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "malloc_core.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum { BLOCKS = 500, TIME_LIMIT = 240 /* seconds for a child */ };

static char *filled(size_t size, unsigned seed) {
    char *block = hf_malloc_allocate(size);
    CHECK(block != NULL);
    memset(block, (int)(seed & 0xff), size);
    return block;
}

static bool is_filled(const char *block, size_t size, unsigned seed) {
    for (size_t i = 0; i < size; i++)
        if (block[i] != (char)(seed & 0xff)) return false;
    return true;
}

static size_t size_of(unsigned i) {
    static const size_t of[] = {1, 16, 40, 200, 1000, 1024, 1025, 5000, 60000, 70000, 300000};
    return of[i % (sizeof of / sizeof *of)] + i % 5;
}

static void in_thread(void *(*function)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, argument) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static size_t count_heaps(void) {
    size_t heaps, running;
    hf_malloc_sum(&heaps, &running);
    return heaps + running;
}

static size_t count_used(void) {
    size_t heaps, running;
    return hf_malloc_sum(&heaps, &running).used;
}

/* --------------------------------------------------------------- one thread --------------- */

static void blocks_of_all_sizes_are_separate(void) {
    static char *blocks[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = filled(size_of(i) % 70000, i);
        CHECK((uintptr_t)blocks[i] % 16 == 0);
        CHECK(hf_malloc_size(blocks[i]) >= size_of(i) % 70000);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        CHECK(is_filled(blocks[i], size_of(i) % 70000, i));
        hf_malloc_free(blocks[i]);
    }
    CHECK_EQUAL(0, hf_malloc_size(NULL));
    hf_malloc_free(NULL);
}

static void alignments_are_kept(void) {
    for (size_t align = 1; align <= 2 * MIB; align *= 2)
        for (size_t size = 0; size < 4 * align && size < 5000; size += 1 + size / 3) {
            char *block = hf_malloc_allocate_aligned(align, size);
            CHECK(block != NULL && (uintptr_t)block % align == 0);
            memset(block, 1, size);
            hf_malloc_free(block);
        }
}

static void zeroed_blocks_are_zero(void) {
    for (int round = 0; round < 3; round++)
        for (unsigned i = 0; i < 50; i++) {
            size_t size = size_of(i);
            char *block = hf_malloc_allocate_slow((malloc_request){size, 16, true});
            CHECK(block != NULL && is_filled(block, size, 0));
            memset(block, 0xff, size);
            hf_malloc_free(block);
        }
}

static void resizing_keeps_the_bytes(void) {
    size_t size = 1;
    char *block = filled(size, 7);
    for (; size < 3 * MIB; size += size / 2 + 1) {
        char *larger = hf_malloc_resize(block, size + size / 2 + 1);
        CHECK(larger != NULL && is_filled(larger, size, 7));
        memset(larger, 7, size + size / 2 + 1);
        block = larger;
    }
    for (; size > 1; size = size / 3 + 1) {
        block = hf_malloc_resize(block, size);
        CHECK(block != NULL && is_filled(block, size, 7));
        if (size == 2) break;
    }
    hf_malloc_free(block);
}

static void errno_is_set_on_failure_alone(void) {
    errno = 77;
    char *block = filled(200 * KIB, 1);
    block = hf_malloc_resize(block, 300 * KIB);
    hf_malloc_free(block);
    CHECK_EQUAL(77, errno);
    CHECK(hf_malloc_allocate(SIZE_MAX) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(hf_malloc_allocate((size_t)PTRDIFF_MAX + 1) == NULL && errno == ENOMEM);
    errno = 0;
    block = filled(100, 2);
    CHECK(hf_malloc_resize(block, SIZE_MAX - 100) == NULL && errno == ENOMEM);
    CHECK(is_filled(block, 100, 2));
    hf_malloc_free(block);
    errno = 0;
    CHECK(hf_malloc_allocate_aligned(64 * KIB, SIZE_MAX - 100) == NULL && errno == ENOMEM);
}

/* ------------------------------------------------------------------- threads -------------- */

static char *shared_blocks[BLOCKS];

static void *allocate_all(void *unused) {
    for (unsigned i = 0; i < BLOCKS; i++) shared_blocks[i] = filled(size_of(i) % 70000, i);
    return unused;
}

static void *resize_and_free_all(void *unused) {
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t size = size_of(i) % 70000;
        CHECK(hf_malloc_size(shared_blocks[i]) >= size);
        CHECK(is_filled(shared_blocks[i], size, i));
        if (i % 3 == 0) {
            shared_blocks[i] = hf_malloc_resize(shared_blocks[i], 2 * size + 100);
            CHECK(shared_blocks[i] != NULL && is_filled(shared_blocks[i], size, i));
        }
        hf_malloc_free(shared_blocks[i]);
    }
    return unused;
}

static void blocks_outlive_their_thread(void) {
    in_thread(allocate_all, NULL);
    resize_and_free_all(NULL);
    in_thread(allocate_all, NULL);
    in_thread(resize_and_free_all, NULL);
}

static pthread_barrier_t barrier;

static void *allocate_and_wait(void *unused) {
    allocate_all(NULL);
    pthread_barrier_wait(&barrier); /* the others free meanwhile */
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < 1000; i++) hf_malloc_free(filled(size_of(i) % 70000, i));
    return unused;
}

static void blocks_of_a_running_thread_are_freed(void) {
    pthread_t thread;
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, allocate_and_wait, NULL) == 0);
    pthread_barrier_wait(&barrier);
    resize_and_free_all(NULL);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_barrier_destroy(&barrier);
}

static void *allocate_some(void *kept) {
    char **block = kept;
    for (unsigned i = 0; i < 100; i++) hf_malloc_free(filled(size_of(i) % 10000, i));
    if (block) *block = filled(100, 5);
    return NULL;
}

static void a_new_thread_takes_over_a_heap(void) {
    in_thread(allocate_some, NULL);
    size_t before = count_heaps();
    for (int i = 0; i < 100; i++) in_thread(allocate_some, NULL);
    CHECK_EQUAL(before, count_heaps());
}

static size_t committed_after(int threads) {
    static char *kept[1000];
    size_t heaps, running;
    for (int i = 0; i < threads; i++) in_thread(allocate_some, &kept[i]);
    size_t committed = hf_malloc_sum(&heaps, &running).committed;
    for (int i = 0; i < threads; i++) hf_malloc_free(kept[i]);
    return committed;
}

static void memory_does_not_grow_with_the_threads_that_ended(void) {
    size_t after_10 = committed_after(10);
    CHECK(committed_after(1000) <= after_10 + after_10 / 2);
}

enum { MANY = 40 };

static void *allocate_together(void *kept) {
    allocate_some(kept);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void run_many(char **kept) {
    pthread_t threads[MANY];
    CHECK(pthread_barrier_init(&barrier, NULL, MANY) == 0);
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_create(&threads[i], NULL, allocate_together, kept ? &kept[i] : NULL) == 0);
    for (int i = 0; i < MANY; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&barrier);
}

/* There are more threads than heaps: the last ones use the shared heap. */
static void heaps_of_ended_threads_are_closed(void) {
    char *kept[MANY];
    size_t used = count_used();
    run_many(NULL);
    CHECK(count_heaps() <= 6); /* main, shared, and four for the next threads */
    run_many(kept);
    for (int i = 0; i < MANY; i++) CHECK(is_filled(kept[i], 100, 5));
    for (int i = 0; i < MANY; i++) hf_malloc_free(kept[i]);
    CHECK(count_heaps() <= 6);
    CHECK(count_used() <= used + 100);
}

/* A thread may allocate more than its heap can have. */
static void *fill_the_heap(void *unused) {
    enum { MOST = 400 };
    char *blocks[MOST];
    for (unsigned i = 0; i < MOST; i++) blocks[i] = filled(256 * KIB, i);
    for (unsigned i = 0; i < MOST; i += 2) {
        blocks[i] = hf_malloc_resize(blocks[i], 300 * KIB);
        CHECK(blocks[i] != NULL && is_filled(blocks[i], 256 * KIB, i));
    }
    for (unsigned i = 0; i < MOST; i++) {
        CHECK(is_filled(blocks[i], 256 * KIB, i));
        hf_malloc_free(blocks[i]);
    }
    return unused;
}

static void a_full_heap_is_no_failure(void) {
    in_thread(fill_the_heap, NULL);
    in_thread(fill_the_heap, NULL);
}

/* Destructors of a thread run after that of the heap, and again if they set their key. (In the
 * fourth round ThreadSanitizer has forgotten the thread.) */
static pthread_key_t late_key;

static void free_late(void *block) {
    static _Thread_local int rounds;
    CHECK(is_filled(block, 50, 9));
    hf_malloc_free(block);
    hf_malloc_free(filled(60, 3));
    if (++rounds < 3) pthread_setspecific(late_key, filled(50, 9));
}

static void *leave_to_destructor(void *unused) {
    CHECK(pthread_setspecific(late_key, filled(50, 9)) == 0);
    return unused;
}

static void destructors_of_threads_allocate(void) {
    size_t used = count_used();
    CHECK(pthread_key_create(&late_key, free_late) == 0);
    for (int i = 0; i < 10; i++) in_thread(leave_to_destructor, NULL);
    pthread_key_delete(late_key);
    CHECK(count_used() <= used + 1000);
}

/* -------------------------------------------------------------- trimming, sums ------------ */

static void trimming_gives_memory_back(void) {
    char *blocks[20];
    for (unsigned i = 0; i < 20; i++) blocks[i] = filled(200 * KIB, i);
    for (unsigned i = 0; i < 20; i++) hf_malloc_free(blocks[i]);
    CHECK(hf_malloc_trim(0));
    CHECK(!hf_malloc_trim(0));
}

static void statistics_count_blocks(void) {
    size_t heaps, running;
    hf_heap_stats before = hf_malloc_sum(&heaps, &running);
    char *block = filled(1000, 1);
    CHECK_EQUAL(before.blocks + 1, hf_malloc_sum(&heaps, &running).blocks);
    CHECK_EQUAL(0, running);
    hf_malloc_free(block);
    CHECK_EQUAL(before.blocks, hf_malloc_sum(&heaps, &running).blocks);
}

/* --------------------------------------------------------------------- faults ------------- */

/* Runs a function in a child that must abort, after one line that has all the words. */
static void check_aborts(void (*function)(char *), const char *words, const char *address) {
    int ends[2], status = 0;
    char text[1000] = "", wanted[200];
    fflush(NULL);
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        alarm(TIME_LIMIT);
        signal(SIGABRT, SIG_DFL);
        function((char *)(uintptr_t)address);
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0;)
        length += (size_t)got;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    snprintf(wanted, sizeof wanted, "holdfast-malloc: %s: %p\n", words, (const void *)address);
    if (strcmp(text, wanted) != 0) printf("    %s    is not %s", text, wanted);
    CHECK(strcmp(text, wanted) == 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void free_it(char *block) { hf_malloc_free(block); }

static void free_twice(char *block) {
    hf_malloc_free(block);
    hf_malloc_free(block);
}

static void resize_it(char *block) { hf_malloc_free(hf_malloc_resize(block, 5000)); }

/* Another thread has freed it, and its owner has freed it too. */
static void *free_in_thread(void *block) {
    hf_malloc_free(block);
    return NULL;
}

static void free_in_two_threads(char *block) {
    in_thread(free_in_thread, block);
    hf_malloc_free(block);
    hf_malloc_trim(0); /* collects what other threads freed */
}

static const char twice[] = "a block was freed twice",
                  wild[] = "an address was freed that is no block";

/* Under a sanitizer freed blocks are used late, and it may find the mistake itself. */
static bool is_sanitized(void) {
    char *block = filled(1, 1);
    bool is_exact = hf_malloc_size(block) == 1;
    hf_malloc_free(block);
    if (is_exact) check_skip("under a sanitizer other mistakes are found");
    return is_exact;
}

static void mistakes_end_the_program(void) {
    if (is_sanitized()) return;
    static char elsewhere[64];
    char *block = filled(100, 1), *large = filled(300 * KIB, 1);
    check_aborts(free_twice, twice, block);
    check_aborts(free_twice, twice, large);
    check_aborts(free_it, wild, elsewhere + (16 - (uintptr_t)elsewhere % 16));
    check_aborts(free_it, wild, block + 16);
    check_aborts(free_it, wild, block + 1);
    check_aborts(free_in_two_threads, twice, block);
    check_aborts(resize_it, "an address was reallocated or measured that is no block", elsewhere);
    hf_malloc_free(block);
    hf_malloc_free(large);
}

/* Of an idle heap, at once: the free is made under the lock. */
static void mistakes_with_blocks_of_other_threads(void) {
    if (is_sanitized()) return;
    char *block = NULL;
    in_thread(allocate_some, &block);
    check_aborts(free_twice, twice, block);
    check_aborts(free_it, wild, block + 16);
    check_aborts(free_it, wild, block + 4);
    check_aborts(free_it, wild, block + 32 * MIB);
    hf_malloc_free(block);
}

/* ---------------------------------------------------------------------- fork -------------- */

static bool is_over; /* atomic */

static void *work(void *seed) {
    char *blocks[50] = {NULL};
    for (unsigned i = (unsigned)(uintptr_t)seed; !__atomic_load_n(&is_over, __ATOMIC_RELAXED);
         i++) {
        hf_malloc_free(blocks[i % 50]);
        blocks[i % 50] = filled(size_of(i / 7) % 20000, i);
        if (i % 11 == 0) hf_malloc_trim(0);
    }
    for (unsigned i = 0; i < 50; i++) hf_malloc_free(blocks[i]);
    return NULL;
}

static void *use_in_child(void *unused) {
    for (unsigned i = 0; i < 300; i++) hf_malloc_free(filled(size_of(i), i));
    return unused;
}

extern void __tsan_init(void) __attribute__((weak));

static bool child_allocates(char *block_of_other) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(TIME_LIMIT);
        check_stands_alone();
        CHECK(is_filled(block_of_other, 100, 5));
        block_of_other = hf_malloc_resize(block_of_other, 5000);
        CHECK(is_filled(block_of_other, 100, 5));
        hf_malloc_free(block_of_other);
        use_in_child(NULL);
        if (__tsan_init == NULL) in_thread(use_in_child, NULL); /* it allows no threads here */
        _exit(EXIT_SUCCESS);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

#ifdef HOLDFAST_CASES_FEW
enum { FORKS = 10 };
#else
enum { FORKS = 50 };
#endif

static void *keep_one(void *kept) {
    allocate_some(kept);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void a_child_of_busy_threads_allocates(void) {
    pthread_t threads[3], keeper;
    char *kept = NULL;
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    CHECK(pthread_create(&keeper, NULL, keep_one, &kept) == 0);
    pthread_barrier_wait(&barrier);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < FORKS; i++) CHECK(child_allocates(kept));
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(keeper, NULL) == 0);
    hf_malloc_free(kept);
    pthread_barrier_destroy(&barrier);
}

CHECK_MAIN(TEST(blocks_of_all_sizes_are_separate), TEST(alignments_are_kept),
           TEST(zeroed_blocks_are_zero), TEST(resizing_keeps_the_bytes),
           TEST(errno_is_set_on_failure_alone), TEST(blocks_outlive_their_thread),
           TEST(blocks_of_a_running_thread_are_freed), TEST(a_new_thread_takes_over_a_heap),
           TEST(memory_does_not_grow_with_the_threads_that_ended),
           TEST(heaps_of_ended_threads_are_closed), TEST(a_full_heap_is_no_failure),
           TEST(destructors_of_threads_allocate), TEST(trimming_gives_memory_back),
           TEST(statistics_count_blocks), TEST(mistakes_end_the_program),
           TEST(mistakes_with_blocks_of_other_threads), TEST(a_child_of_busy_threads_allocates))
