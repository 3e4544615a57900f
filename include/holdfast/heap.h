/** @file
 *  holdfast/heap.h: malloc, realloc and free on a space of its own.
 *
 *      base                                                              base + reserve
 *      | records |  run  |  run  |  span   | ...  placeholder ... | large block | ...
 *                  64 KiB  64 KiB
 *
 *  Small blocks lie in runs of one size class, without a header before them: all of a heap is one
 *  range, so the run of a block is found by its offset. Medium blocks (above 64 KiB) are spans of
 *  64 KiB units, which coalesce when they are freed. Large blocks (above 4 MiB) are regions of
 *  their own, far from each other: they grow in place, by taking the placeholder behind them. They
 *  are placed in the upper half of the reservation while they fit there, so small and medium blocks
 *  have at least the lower half.
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <string.h>
 *
 *  int main(void) {
 *      hf_heap *heap;
 *      if (hf_heap_open(&heap, NULL) != HF_OK) return 1;
 *      char *text = (char *)hf_heap_malloc(heap, 100);
 *      if (text) strcpy(text, "hello");
 *      char *longer = (char *)hf_heap_realloc(heap, text, 4000);
 *      hf_heap_free(heap, longer ? longer : text);
 *      hf_heap_reset(heap);                                // all other blocks at once
 *      hf_heap_close(heap);
 *      return 0;
 *  }
 *  @endcode
 *
 *  Units: sizes are bytes. A size of 0 is allocated as 1 byte: each block has an address of its
 *  own. Blocks are aligned to 16 bytes at least.
 *
 *  Errors: a function that returns memory returns NULL, and hf_last_error() has the details: then
 *  the heap and the block are as they were. Sizes near SIZE_MAX are HF_RESERVE_FULL.
 *
 *  Faults: freeing what is no allocated block (twice, or an address that the heap never returned),
 *  and stores into a freed block, are found by checks that cost next to nothing, and reported to
 *  hf_heap_options::on_fault; by default a line is written to stderr and the program aborts. A
 *  store into a freed block is found when the block is allocated again, if it changed the first two
 *  pointers' worth of bytes. The checks find mistakes; they are no protection against an attacker.
 *
 *  Threads: a heap belongs to one thread at a time; there is no lock in it. Any thread may free a
 *  block with hf_heap_free_remote(); the owner collects such blocks when it needs memory.
 *
 *  Memory goes back to the system when the blocks that were allocated without it have 64 times its
 *  size (hf_reset() has the same rule), and by hf_heap_trim(). Blocks of a run count when another
 *  run is needed for them. There is no clock and no thread.
 *
 *  Costs: hf_heap_malloc() and hf_heap_free() of up to 1 KiB are inlined: some 10 instructions
 *  each, no counter that is shared, no lock. Everything else is a call. Finding a large block is
 *  O(log n) of the large blocks.
 *
 *  Sanitizers: in a process under AddressSanitizer or Valgrind what is not allocated is poisoned,
 *  each block has a red zone behind it, and freed blocks are used again as late as possible. This
 *  needs no build flag. LeakSanitizer finds pointers to blocks of malloc in a heap; blocks of the
 *  heap itself that are never freed are counted by hf_heap_get_stats().
 */
#ifndef HOLDFAST_HEAP_H
#define HOLDFAST_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "backend.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A heap. Opaque: its fields are for the inline functions alone. */
typedef struct hf_heap hf_heap;

/** What a program did wrong with a block: hf_on_heap_fault. */
typedef enum hf_heap_fault {
    /* Where memory went back to the system, the first two cannot be told apart. */
    HF_FAULT_DOUBLE_FREE, /**< the block is free already */
    HF_FAULT_WILD_FREE,   /**< the address is none of a block of the heap */
    HF_FAULT_OVERWRITTEN  /**< bytes of a free block were changed */
} hf_heap_fault;

/** A function of the program that is called when a heap finds a fault. It may leave by longjmp or
 *  end the process. If it returns, a free is ignored; blocks that an overwritten one led to are
 *  never used again.
 *  @param heap   the heap
 *  @param fault  what was found
 *  @param block  the address that was freed, or the block whose bytes were changed
 *  @param user   hf_heap_options::user */
typedef void hf_on_heap_fault(hf_heap *heap, hf_heap_fault fault, void *block, void *user);

/** How to open a heap. Zero is a good default for every field. Fields are only ever appended. */
typedef struct hf_heap_options {
    /** Bytes of address space, rounded up to HF_ALLOCATION_GRANULARITY; 0: the default of an arena
     *  (hf_arena_options). Where the system has not so many addresses, it is halved down to
     *  least_reserve. */
    size_t reserve;
    /** The fewest bytes of address space that will do; 0: 1 MiB, or `reserve` if that is less, or
     *  the default's least size. */
    size_t least_reserve;
    hf_on_heap_fault *on_fault; /**< called when a fault is found; NULL: a line on stderr, abort */
    void *user;                 /**< for on_fault */
    const char *name;           /**< shown in the system's tools where the system can; must outlive
                                 *   the heap; NULL: none */
    const hf_backend *backend;  /**< NULL: the native one; must outlive the heap */
    /** The reservation begins at a multiple of it: a power of two, at least
     *  HF_ALLOCATION_GRANULARITY; 0: HF_ALLOCATION_GRANULARITY. The upper bits of a block's address
     *  tell apart heaps whose size is at most their alignment. */
    size_t alignment;
    /** Bytes of small and medium blocks from which on HF_HUGE_AUTO backs them by huge pages;
     *  0: 2 MiB. With huge pages up to 2 MiB are resident that no block needs: much for a heap that
     *  has few. */
    size_t huge_from;
    /** Which memory is backed by huge pages. HF_HUGE_AUTO: large blocks from 2 MiB on, and small
     *  and medium ones beyond the first `huge_from` bytes: so at most 2 MiB are committed in
     *  vain. Each range is advised after it was committed (hf_backend::advise). With the other two
     *  values all of the reservation is advised when the heap is opened. */
    hf_huge_pages huge_pages;
    /** @cond private */
    char unused[sizeof(void *) == 8 ? 4 : 8]; /* 0; in place of padding, whose bytes an initialiser
                                               * leaves undefined */
    /** @endcond */
} hf_heap_options;

/** Numbers of a heap: hf_heap_get_stats(). */
typedef struct hf_heap_stats {
    size_t blocks;       /**< allocated blocks; those that other threads freed count until the
                          *   owner collects them */
    size_t used;         /**< bytes of these blocks, as hf_heap_usable_size() tells them */
    size_t committed;    /**< bytes of committed memory, records included */
    size_t peak;         /**< the most bytes of committed memory since the heap was opened */
    size_t reserved;     /**< bytes of address space */
    size_t large_blocks; /**< of `blocks`, those that are regions of their own: above 4 MiB, or
                          *   aligned to more than 64 KiB */
    size_t idle;         /**< committed bytes of large blocks that were freed and can be used again
                          *   without a system call */
    size_t purges;       /**< how often unused memory was given back to the system */
    size_t system_calls; /**< made for this heap so far */
} hf_heap_stats;

/** @cond private */

/* Blocks of up to HF_HEAP_INLINE bytes are allocated inline. In bytes. */
#define HF_HEAP_INLINE ((size_t)1024)
#define HF_HEAP_UNIT_SHIFT 16
/* A frame writes one stream of stores for each size class: more than processors predict. In bytes;
 * 512 to 4096 make no difference. */
#define HF_HEAP_PREFETCH_AHEAD 1024
#define HF_HEAP_UNIT ((size_t)1 << HF_HEAP_UNIT_SHIFT)

/* A free block of a run. */
typedef struct hf_heap_block {
    struct hf_heap_block *next; /* the next free block of the run; NULL: the last one */
    uintptr_t check;            /* next ^ key: shows that the block is free and was not changed */
} hf_heap_block;

/* The part of a run's record that the inline functions use; the rest is in src/heap_core.h. A
 * record has HF_HEAP_RUN_BYTES. */
typedef struct hf_heap_run {
    hf_heap_block *free; /* the first free block */
    char *fresh;         /* the first of the blocks that were never allocated */
    uint32_t end;        /* lower half of the address at which the last of them ends */
    uint32_t block_size; /* in bytes */
    uint32_t until;      /* as many blocks may be freed before hf_heap_free_slow must see it, + 1 */
    uint32_t inverse;    /* of the block size: n is a multiple if (uint32_t)(n * inverse) < inverse.
                          * 0: hf_heap_free_slow must see each block */
} hf_heap_run;

#define HF_HEAP_RUN_SHIFT 6

/* The part of a heap that the inline functions use. */
struct hf_heap {
    char *base;        /* of the first unit */
    size_t inline_end; /* bytes of the units that have records; 0: nothing is inline */
    char *runs;        /* the records of the units */
    uintptr_t key;
    hf_heap_run *current[HF_HEAP_INLINE / 16 + 1]; /* by size / 16, rounded up */
};

HF_API void *hf_heap_malloc_slow(hf_heap *heap, size_t size);
HF_API void hf_heap_free_slow(hf_heap *heap, void *block);

/* The run of a block of an inline class, allocated or free; NULL: the address is none of those. */
static inline hf_heap_run *hf_heap_run_of(const hf_heap *heap, const void *block) {
    size_t offset = (size_t)((uintptr_t)block - (uintptr_t)heap->base);
    if (HF_UNLIKELY(offset >= heap->inline_end)) return NULL;
    char *record = heap->runs + ((offset >> HF_HEAP_UNIT_SHIFT) << HF_HEAP_RUN_SHIFT);
    hf_heap_run *run = (hf_heap_run *)(void *)record;
    uint32_t product = (uint32_t)(offset & (HF_HEAP_UNIT - 1)) * run->inverse;
    if (HF_UNLIKELY(product >= run->inverse || (const char *)block >= run->fresh)) return NULL;
    return run;
}

/* hf_heap_malloc without its slow part. NULL: hf_heap_malloc_slow has to be called. */
static inline void *hf_heap_malloc_inline(hf_heap *heap, size_t size) {
    if (HF_UNLIKELY(size > HF_HEAP_INLINE)) return NULL;
    hf_heap_run *run = heap->current[(size + 15) / 16];
    hf_heap_block *block = run->free;
    if (block != NULL) {
        hf_heap_block *next = block->next;
        if (HF_UNLIKELY(((uintptr_t)next ^ block->check) != heap->key)) return NULL;
        run->free = next;
        run->until++;
    } else {
        if (HF_UNLIKELY((uint32_t)(uintptr_t)run->fresh == run->end)) return NULL;
        block = (hf_heap_block *)(void *)run->fresh;
        run->fresh += run->block_size;
        HF_PREFETCH((char *)block + HF_HEAP_PREFETCH_AHEAD);
    }
    block->check = 0;
    return block;
}

/* Bytes of an allocated block of a run of one unit. 0: it is something else, or looks free. */
static inline size_t hf_heap_inline_size(const hf_heap *heap, const void *block) {
    const hf_heap_run *run = hf_heap_run_of(heap, block);
    if (run == NULL) return 0;
    const hf_heap_block *first = HF_AS(const hf_heap_block, block);
    return ((uintptr_t)first->next ^ first->check) == heap->key ? 0 : run->block_size;
}

/* hf_heap_free without its slow part. False: hf_heap_free_slow has to be called. That the block is
 * free already is seen by `check` alone: the program has often just written to where `next` is, and
 * a load of bytes that narrower stores have written waits for these. */
static inline bool hf_heap_free_inline(hf_heap *heap, void *block) {
    hf_heap_run *run = hf_heap_run_of(heap, block);
    if (HF_UNLIKELY(run == NULL || run->until <= 1)) return false;
    hf_heap_block *freed = HF_AS(hf_heap_block, block);
    uintptr_t next = freed->check ^ heap->key;
    if (HF_UNLIKELY(next - (uintptr_t)heap->base < heap->inline_end || next == 0)) return false;
    freed->next = run->free;
    freed->check = (uintptr_t)run->free ^ heap->key;
    run->free = freed;
    run->until--;
    return true;
}

/** @endcond */

/** hf_heap_open(), told how large the program's options are: what hf_heap_open() calls. For
 *  bindings from other languages, where there are no inline functions.
 *  @param[out] heap  the heap; unchanged on failure; not NULL
 *  @param options    NULL: the defaults; they are copied
 *  @param size       bytes of the options that the program was compiled with;
 *                    ignored where options is NULL. Options behind it have their default.
 *                    Bytes that the library does not know must be 0
 *  @return
 *  - HF_OK: the heap is open and has no blocks
 *  - HF_INVALID: size is 0 or above 4096, heap is NULL, huge_pages is none of the three, a
 *    least_reserve above a reserve that is named, a reserve below 256 KiB, an alignment that is
 *    none, or a backend whose hf_backend::size is not valid
 *  - HF_NO_ADDRESS: the system has not so many addresses
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the heap's records, or no mappings
 *    left
 *  - HF_UNSUPPORTED: the backend cannot align; or the program was compiled for a newer version of
 *    holdfast than the library, and sets an option that the library does not know */
HF_API hf_status hf_heap_open_sized(hf_heap **heap, const hf_heap_options *options, size_t size);

/** Opens a heap: reserves addresses; memory is committed when blocks need it.
 *  @param[out] heap  the heap; unchanged on failure; not NULL
 *  @param options    NULL: the defaults; they are copied
 *  @return
 *  - HF_OK: the heap is open and has no blocks
 *  - HF_INVALID: heap is NULL, huge_pages is none of the three, a least_reserve above a reserve
 *    that is named, a reserve below 256 KiB, an alignment that is none, or a backend whose
 *    hf_backend::size is not valid
 *  - HF_NO_ADDRESS: the system has not so many addresses
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the heap's records, or no mappings
 *    left
 *  - HF_UNSUPPORTED: the backend cannot align; or the program was compiled for a newer version of
 *    holdfast than the library, and sets an option that the library does not know */
static inline hf_status hf_heap_open(hf_heap **heap, const hf_heap_options *options) {
    return hf_heap_open_sized(heap, options, sizeof *options);
}

/** Closes a heap: all its memory and addresses go back to the system.
 *  @param heap  the heap; NULL: nothing happens */
HF_API void hf_heap_close(hf_heap *heap);

/** Frees all blocks at once, those of hf_heap_free_remote() too. The time does not depend on their
 *  number. The memory stays for the next blocks, except for that of many large ones, and goes back
 *  by the rule of hf_reset(). No other thread may free a block meanwhile.
 *  @param heap  the heap; not NULL
 *  @return
 *  - HF_OK: no block is allocated
 *  - the status of hf_space_release_range(): no block is allocated, but memory that was to go back
 *    stays committed */
HF_API hf_status hf_heap_reset(hf_heap *heap);

/** Gives unused memory back to the system: empty runs, free spans, and large blocks that were
 *  freed. Runs with allocated blocks stay whole.
 *  @param heap  the heap; not NULL
 *  @param keep  bytes of unused memory that may stay committed
 *  @return
 *  - HF_OK: at most `keep` bytes of whole free units are unused
 *  - the status of hf_space_release_range() or hf_space_reset_range(): some memory stayed */
HF_API hf_status hf_heap_trim(hf_heap *heap, size_t keep);

/** Allocates a block.
 *  @param heap  the heap; not NULL
 *  @param size  its size in bytes; 0: as 1
 *  @return the block, aligned to 16 bytes, its bytes undefined; NULL: HF_RESERVE_FULL,
 *          HF_NO_MEMORY, HF_MAP_LIMIT, or HF_NO_ADDRESS, as hf_space_commit_range() */
static inline void *hf_heap_malloc(hf_heap *heap, size_t size) {
    void *block = hf_heap_malloc_inline(heap, size);
    return HF_UNLIKELY(block == NULL) ? hf_heap_malloc_slow(heap, size) : block;
}

/** Allocates a block whose bytes are 0.
 *  @param heap   the heap; not NULL
 *  @param count  how many objects
 *  @param size   bytes of each
 *  @return the block; NULL: as hf_heap_malloc(), and HF_RESERVE_FULL if count * size wraps */
HF_API void *hf_heap_calloc(hf_heap *heap, size_t count, size_t size);

/** Allocates a block with an alignment.
 *  @param heap   the heap; not NULL
 *  @param align  a power of two up to half of the reservation
 *  @param size   bytes, of any number; 0: as 1
 *  @return the block; NULL: HF_INVALID align is no power of two; else as hf_heap_malloc() */
HF_API void *hf_heap_aligned_alloc(hf_heap *heap, size_t align, size_t size);

/** Makes a block larger or smaller, in place where that is possible: within its size class, into
 *  the free units behind a medium block, into the placeholder behind a large one.
 *  @param heap   the heap; not NULL
 *  @param block  the block; NULL: as hf_heap_malloc()
 *  @param size   its new size in bytes; 0: as 1 (the block is not freed)
 *  @return the block, perhaps at another address, aligned to 16 bytes; NULL: as hf_heap_malloc(),
 *          and the old block is as it was; or a fault was found (HF_INVALID) */
HF_API void *hf_heap_realloc(hf_heap *heap, void *block, size_t size);

/** Frees a block.
 *  @param heap   the heap; not NULL
 *  @param block  a block of this heap; NULL: nothing happens. Anything else is a fault
 *  @note Where the system fails to release memory (never seen outside of tests) and eight large
 *        blocks are idle, a ninth one stays allocated until hf_heap_reset(). */
static inline void hf_heap_free(hf_heap *heap, void *block) {
    if (HF_UNLIKELY(!hf_heap_free_inline(heap, block))) hf_heap_free_slow(heap, block);
}

/** Frees a block from any thread, while the heap's owner uses it. The owner collects the block
 *  later, when it needs memory. The heap must not be closed or reset meanwhile.
 *  @param heap   the heap; not NULL
 *  @param block  a block of this heap; NULL: nothing happens. A fault is reported when the owner
 *                collects it, in the owner's thread: of several addresses that are free, freed
 *                twice, or outside of the heap, the last one. An address inside of a block is found
 *                too, but its first two pointers' worth of bytes are overwritten; an address whose
 *                memory went back to the system faults
 *  @note A block that was freed so and changed afterwards is HF_FAULT_OVERWRITTEN; the blocks that
 *        other threads freed before it stay allocated until hf_heap_reset(). */
HF_API void hf_heap_free_remote(hf_heap *heap, void *block);

/** How many bytes of a block the program may use.
 *  @param heap   the heap; not NULL
 *  @param block  a block of this heap; NULL: 0
 *  @return its bytes, at least as many as were allocated; 0: it is no block of this heap. Under a
 *          sanitizer exactly as many as were allocated */
HF_API size_t hf_heap_usable_size(const hf_heap *heap, const void *block);

/** hf_heap_usable_size() from any thread, while the heap's owner uses the heap. It reads only what
 *  does not change while the block is allocated, and finds no fault.
 *  @param heap   the heap; not NULL
 *  @param block  an allocated block of this heap, which no thread frees or reallocates meanwhile;
 *                anything else is undefined
 *  @return as hf_heap_usable_size() */
HF_API size_t hf_heap_usable_size_remote(const hf_heap *heap, const void *block);

/** How many bytes a block of a size would have: sizes that waste none.
 *  @param heap  the heap; not NULL
 *  @param size  a size in bytes
 *  @return hf_heap_usable_size() of such a block; SIZE_MAX if there is no such block */
HF_API size_t hf_heap_good_size(const hf_heap *heap, size_t size);

/** True if an address lies in the heap's reservation.
 *  @param heap     the heap; not NULL
 *  @param address  any address
 *  @return whether it does */
HF_API bool hf_heap_owns(const hf_heap *heap, const void *address);

/** Counts what the heap has. Takes time for each unit of 64 KiB.
 *  @param heap  the heap; NULL: all numbers are 0
 *  @return the numbers */
HF_API hf_heap_stats hf_heap_get_stats(const hf_heap *heap);

/** Verifies the heap's records, its free blocks and its space. For tests: takes time for each
 *  block.
 *  @param heap  the heap; not NULL
 *  @return HF_OK; HF_CORRUPT: hf_last_error() tells the offset of what is wrong */
HF_API hf_status hf_heap_check(const hf_heap *heap);

#ifdef __cplusplus
}
#endif

#endif
