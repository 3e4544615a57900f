/*
 * malloc_core.h -- what the files of libholdfast-malloc.so share: a malloc for programs that do not
 * know holdfast, on the heaps of holdfast/heap.h.
 *
 *      names_c.c, names_cxx.c    malloc, free, operator new ...: what a program calls
 *      blocks.c                  allocates, frees and resizes; sets errno
 *      owners.c                  which heap a thread allocates from, and whose heap a block is of
 *      huge_pages.c              the backend of the heaps: which memory is in huge pages
 *      faults.c                  what is written to stderr: faults and statistics
 *
 * Each thread has a heap, which it uses without a lock. A heap is a space, with addresses of its
 * own, because a space has one lock: heaps that were slots of one hf_pool would wait for each other
 * whenever one of them commits memory.
 *
 * Nothing here calls malloc, neither directly nor through the C library: fork handlers, thread
 * keys, mutexes and write(2) need no memory (glibc, musl). The environment is read in faults.c
 * alone.
 *
 * A signal handler must not allocate, as with glibc's malloc: if it interrupts an allocation of its
 * thread, the heap is damaged (glibc waits for ever or is damaged too).
 *
 * The functions have names with a prefix, so that tests and a fuzzer link them beside the malloc
 * that they themselves use.
 */
#ifndef HF_MALLOC_CORE_H
#define HF_MALLOC_CORE_H

#include <holdfast/heap.h>

#include <stdio.h>

/* ---------------------------------------------------------------------- blocks.c ---------- */

/* What an allocation needs beyond its size. */
typedef struct malloc_request {
    size_t size, align; /* in bytes; align is a power of two */
    bool is_zero;       /* the bytes have to be 0 */
} malloc_request;

/* NULL: errno is ENOMEM. Otherwise errno is as it was. */
void *hf_malloc_allocate_slow(malloc_request wanted);

/* Frees a block that is not of the thread's own heap, or that its inline part does not free. errno
 * stays as it was. */
void hf_malloc_free_slow(void *block);

/* The block, perhaps at another address. NULL: as hf_malloc_allocate_slow. `size` is not 0, unless
 * the block is NULL. */
void *hf_malloc_resize_slow(void *block, size_t size);

/* Bytes of a block; NULL: 0. */
size_t hf_malloc_size(const void *block);

/* Gives memory back to the system; `keep` bytes may stay in each heap. False: there was none. */
bool hf_malloc_trim(size_t keep);

/* ---------------------------------------------------------------------- owners.c ---------- */

/* Who uses a heap. Changes under the lock of owners.c. */
typedef enum malloc_owner_state {
    MALLOC_UNUSED,   /* no heap */
    MALLOC_RUNNING,  /* a thread allocates from it, without a lock */
    MALLOC_IDLE,     /* its thread ended; the next thread takes it over */
    MALLOC_ORPHANED, /* this process was forked, and the thread is not in it: nobody allocates */
    MALLOC_SHARED    /* used by all threads, under the lock */
} malloc_owner_state;

/* A heap, and who uses it. */
typedef struct malloc_owner {
    hf_heap *heap;
    size_t base, size;          /* of its reservation, in bytes; other threads read them */
    size_t state;               /* malloc_owner_state; atomic */
    struct malloc_owner *older; /* in the list of idle ones, or of unused ones */
    size_t blocks;              /* of an idle heap: allocated ones when it was last trimmed ... */
    size_t freed;               /* ... and how many were freed since then */
} malloc_owner;

/* For variables that every allocation reads. The library is loaded with the program: so there is
 * room for them at a fixed distance, and no function has to find them. */
#define HF_MALLOC_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

/* The heap of the thread; NULL: it has none yet, or no more. */
extern HF_MALLOC_THREAD_LOCAL hf_heap *hf_malloc_heap;

/* The heap of the thread, opened if it has none yet. NULL: the shared one has to do. */
hf_heap *hf_malloc_attach(void);

/* Whose heap an address lies in; NULL: no heap's. */
malloc_owner *hf_malloc_find(const void *block);

/* False for some addresses that are no block, among them those without memory. */
bool hf_malloc_may_be_block(const malloc_owner *owner, const void *block);

/* The shared heap, opened if it is not yet. NULL: the system has no memory. Called under the lock.
 */
malloc_owner *hf_malloc_share(void);

/* The lock of the shared heap, of idle heaps, and of the states. A thread may lock it again. */
void hf_malloc_lock(void);
void hf_malloc_unlock(void);

/* Unlocks it if this thread has locked it: a handler of SIGABRT may wait for other threads. */
void hf_malloc_unlock_for_abort(void);

/* Notes that a block of an idle heap was freed. Called under the lock. */
void hf_malloc_note_freed(malloc_owner *idle);

/* The sum of the statistics of the heaps that no other thread uses, as all are that it counts in
 * *heaps; *running counts those that others use. */
hf_heap_stats hf_malloc_sum(size_t *heaps, size_t *running);

/* Verifies all heaps, as hf_heap_check. For tests: no other thread may allocate meanwhile. */
hf_status hf_malloc_check(void);

/* ------------------------------------------------------------------ huge_pages.c ---------- */

/* The native backend, with huge pages as long as they come cheaply. Called under the lock. */
const hf_backend *hf_malloc_backend(void);

/* ---------------------------------------------------------------------- faults.c ---------- */

/* Writes a line and aborts. hf_malloc_on_fault is an hf_on_heap_fault. */
_Noreturn void hf_malloc_abort(const char *text, const void *block);
void hf_malloc_on_fault(hf_heap *heap, hf_heap_fault fault, void *block, void *user);

/* ------------------------------------------------------------------ fast paths ------------ */

static inline void *hf_malloc_allocate(size_t size) {
    hf_heap *heap = hf_malloc_heap;
    void *block = HF_UNLIKELY(heap == NULL) ? NULL : hf_heap_malloc_inline(heap, size);
    if (!HF_UNLIKELY(block == NULL)) return block;
    return hf_malloc_allocate_slow((malloc_request){size, 16, false});
}

/* A size that is a multiple of the alignment has blocks that are aligned: see heap.c. */
static inline void *hf_malloc_allocate_aligned(size_t align, size_t size) {
    if (align <= 16) return hf_malloc_allocate(size);
    if (align <= HF_HEAP_INLINE && size - 1 < HF_HEAP_INLINE && hf_malloc_heap) {
        void *block = hf_heap_malloc_inline(hf_malloc_heap, (size + (align - 1)) & ~(align - 1));
        if (block) return block;
    }
    return hf_malloc_allocate_slow((malloc_request){size, align, false});
}

/* A block of a run stays where it is unless it becomes less than half as large. */
static inline void *hf_malloc_resize(void *block, size_t size) {
    hf_heap *heap = hf_malloc_heap;
    if (!HF_UNLIKELY(heap == NULL)) {
        size_t room = hf_heap_inline_size(heap, block);
        if (size <= room && size >= room / 2 && room > 0) return block;
    }
    return hf_malloc_resize_slow(block, size);
}

static inline void hf_malloc_free(void *block) {
    hf_heap *heap = hf_malloc_heap;
    if (HF_UNLIKELY(heap == NULL || !hf_heap_free_inline(heap, block))) hf_malloc_free_slow(block);
}

#endif
