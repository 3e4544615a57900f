/** @file
 *  holdfast/arena.h: a bump allocator over a space: contiguous, growing in place, never moving.
 *
 *      base          pos       limit                                 base + reserved
 *      |  allocated   |  ready  |               placeholder                 |
 *       <------ committed ------>
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <stdio.h>
 *
 *  struct entity { float x, y; };
 *
 *  int main(void) {
 *      hf_arena arena;
 *      if (hf_arena_open(&arena, NULL) != HF_OK) return 1;  // 64 GiB of addresses, no memory yet
 *      for (int frame = 0; frame < 3; frame++) {
 *          struct entity *entities = hf_new_array(&arena, struct entity, 1000);
 *          char *title = hf_asprintf(&arena, "frame %d", frame);
 *          if (entities == NULL || title == NULL) break;
 *          puts(title);
 *          hf_reset(&arena);                                // all at once; the memory stays
 *      }
 *      hf_arena_close(&arena);
 *      return 0;
 *  }
 *  @endcode
 *
 *  An allocation moves pos. When it would pass limit, the arena commits the next step behind limit;
 *  what lies behind limit is always one placeholder. Going back (hf_rewind(), hf_reset()) moves
 *  pos; only hf_trim() and hf_reset() give memory back, from the top.
 *
 *  Units: sizes, marks and statistics are bytes. An alignment is a power of two up to
 *  HF_MAX_ALIGNMENT.
 *
 *  Errors: a function that returns memory returns NULL when it fails, after it asked on_failure;
 *  one that returns a status returns it; hf_last_error() tells more. Sizes near SIZE_MAX are
 *  HF_RESERVE_FULL. A call that fails leaves the arena as it was. (Where the system fails to undo a
 *  step as well, memory may stay committed behind limit; the next growth or trim releases it.)
 *
 *  Arguments: an arena is never NULL, except for hf_arena_close(). A zeroed hf_arena is a closed
 *  one: every function fails on it or says that it is empty.
 *
 *  Threads: an arena belongs to one thread at a time; there is no lock in it. Different arenas are
 *  independent. Do not copy an hf_arena: pass a pointer to it.
 *
 *  Costs: hf_alloc() is inlined: an add, a mask, two compares and a prefetch; no counter, no lock,
 *  no header before the block. Growth makes one or two system calls for each step, and a step is at
 *  least half of what is committed (2 to 64 MiB; above 512 MiB an eighth), so a frame loop in steady
 *  state makes none.
 *
 *  Sanitizers: in a process under AddressSanitizer or Valgrind what is not allocated is poisoned,
 *  blocks have red zones between them, going back poisons, closing unpoisons. No build flag is
 *  needed, and objects built with and without the sanitizer mix: in such a process limit always
 *  equals pos, so that every allocation calls hf_alloc_slow(), which unpoisons the block. To
 *  MemorySanitizer, as to Valgrind, allocated and rewound bytes are uninitialised, and zeroed ones
 *  are initialised; it needs the library built with -fsanitize=memory too. To LeakSanitizer a block
 *  that an arena points to is no leak.
 *
 *  Caveats
 *  - overcommit: Linux promises more memory than it has (vm.overcommit_memory 0): the process can
 *    be killed at the first touch of a page, long after HF_OK. With 2, growth fails in time
 *    (HF_NO_MEMORY).
 *  - ulimit -v counts reservations: opening falls back by halving down to least_reserve. The first
 *    of several arenas then takes half of it or more, and later default ones 1 GiB or less: give
 *    each a fair `reserve`.
 *  - mlockall: with MCL_FUTURE a reservation counts as locked memory: the same fallback.
 *  - fork: the child has a copy of everything, at the same addresses.
 *  - cgroups: a memory limit kills at the touch, no call fails.
 *  - vm.max_map_count: a process may have some 65,000 mappings; an arena of any size takes three.
 *  - Windows: committed memory is charged against RAM + paging file at once: hf_trim() what a spike
 *    left behind.
 *
 *  Two chapters are in separate headers, which this one includes: scratch.h, image.h.
 */
#ifndef HOLDFAST_ARENA_H
#define HOLDFAST_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "status.h"
#include "types.h"

/** @cond private */

/* What compilers spell differently: for the declarations below alone. */

/* A pointer to T from a void pointer, without a warning of -Wold-style-cast. */
#if defined(__cplusplus)
#define HF_AS(T, pointer) (static_cast<T *>(pointer))
#else
#define HF_AS(T, pointer) ((T *)(pointer))
#endif

#if defined(__cplusplus)
#define HF_ALIGNOF(T) alignof(T)
#elif defined(_MSC_VER) && (!defined(__STDC_VERSION__) || __STDC_VERSION__ < 201112L)
#define HF_ALIGNOF(T) __alignof(T)
#else
#define HF_ALIGNOF(T) _Alignof(T)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define HF_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define HF_COLD __attribute__((cold, noinline))
#elif defined(_MSC_VER)
#define HF_UNLIKELY(condition) (condition)
#define HF_COLD __declspec(noinline)
#else
#define HF_UNLIKELY(condition) (condition)
#define HF_COLD
#endif

#if defined(__GNUC__) || defined(__clang__)
#define HF_PREFETCH(address) __builtin_prefetch((const void *)(address), 1)
#elif defined(_MSC_VER) && (defined(_M_IX86) || defined(_M_X64))
#include <xmmintrin.h>
#define HF_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#else
#define HF_PREFETCH(address) ((void)0)
#endif

/* The formats are the C standard's, also where the system's own printf knows others. */
#if defined(__clang__)
#define HF_FORMAT(text, first) __attribute__((format(printf, text, first)))
#elif defined(__GNUC__)
#define HF_FORMAT(text, first) __attribute__((format(gnu_printf, text, first)))
#else
#define HF_FORMAT(text, first)
#endif

/* An arena is written from end to end, and processors predict streams of stores badly: prefetching
 * a page ahead saves a quarter of the time where memory is not in the cache, and costs nothing
 * where it is. In bytes. */
#define HF_PREFETCH_AHEAD 4096

/** @endcond */

#ifdef __cplusplus
extern "C" {
#endif

/** @name Opening and closing
 *
 *      base = pos = limit                                    base + reserved
 *      |                      placeholder                         |
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  // 1 GiB, or 64 MiB at least, in a system that has not so many addresses.
 *  hf_status open_small(hf_arena *arena) {
 *      hf_arena_options options = {0};
 *      options.reserve = (size_t)1 << 30;
 *      options.least_reserve = (size_t)64 << 20;
 *      options.name = "small";
 *      return hf_arena_open(arena, &options);
 *  }
 *  @endcode
 *  @{ */

/** The largest alignment of a block, in bytes: 2 MiB. */
#define HF_MAX_ALIGNMENT ((size_t)1 << 21)

#if UINTPTR_MAX > UINT32_MAX
/** For hf_arena_options::base, in 64-bit programs: an address at which no system puts anything by
 *  itself, for an arena of up to 64 GiB that is to lie at the same address in every run, also under
 *  AddressSanitizer, ThreadSanitizer, MemorySanitizer and Valgrind. A system with fewer than 47
 *  bits of addresses has no such address: opening fails with HF_NO_ADDRESS. */
#define HF_BASE_FIXED ((void *)0x550000000000)
#endif

/** An arena: three pointers, all that the inlined hf_alloc() needs. A zeroed one is closed. Do not
 *  copy it, and do not change its fields; pos and limit may be read. */
typedef struct hf_arena {
    char *pos;                    /**< the next free byte */
    char *limit;                  /**< up to here an allocation needs no call; may lie below what is
                                   *   committed */
    struct hf_arena_state *state; /**< private; NULL: closed */
} hf_arena;

/** @cond private */

/* The beginning of an arena's state, for the inline functions below alone. */
struct hf_arena_state {
    char *base; /* the first byte of the reservation */
};

/** @endcond */

/** Which memory of an arena is backed by huge pages, where the system can. A hint. */
typedef enum hf_huge_pages {
    HF_HUGE_AUTO,  /**< all but the first 2 MiB, so that a small arena stays small */
    HF_HUGE_NEVER, /**< none */
    HF_HUGE_ALWAYS /**< all from the first byte on */
} hf_huge_pages;

/** A function of the program that is called when an allocation failed:
 *  hf_arena_options::on_failure.
 *
 *  It may leave by longjmp or by a C++ exception: the arena is whole and no lock is locked. It may
 *  use the arena, also close it.
 *
 *  A copy whose source it freed (the old block of hf_realloc(), what hf_strdup(), hf_strndup() or
 *  hf_memdup() read) is not made: HF_WRONG_STATE, and nothing is read. The arguments of
 *  hf_asprintf() may be freed: the text is complete by then. Where it closes the arena and opens it
 *  again, copies and long texts are HF_WRONG_STATE.
 *  @param arena   the arena
 *  @param status  why the allocation failed
 *  @param size    how many bytes were asked for
 *  @param user    hf_arena_options::user
 *  @return true: try again (something was freed, say by hf_rewind(), or a limit was raised); false:
 *          the allocation returns NULL. After HF_INVALID, and where the system has no pages to
 *          format a text in, there is no second try, and the answer counts for nothing */
typedef bool hf_on_failure(hf_arena *arena, hf_status status, size_t size, void *user);

/** How to open an arena. Zero is a good default for every field. Fields are only ever appended.
 *
 *  The default reservation, where `reserve` is 0, leaves addresses for malloc, threads and rings,
 *  also in a process with thousands of arenas. It is
 *
 *      64 GiB, halved down to 1 GiB      while all default reservations together are below 8 TiB
 *       1 GiB, halved down to 64 MiB     below 16 TiB
 *      64 MiB, halved down to 1 MiB      from then on
 *
 *  Windows before 8.1, which charges memory for reserved addresses, begins with 1 GiB. (32 bits:
 *  256 MiB below 1 GiB, 32 MiB below 1.5 GiB, then 4 MiB.) Closing an arena gives its part back.
 *  Where the system has not all of a size, later arenas begin with the next one, until one is
 *  closed. Images count; a `reserve` that is named neither counts nor is made smaller by others. */
typedef struct hf_arena_options {
    /** Bytes of address space, rounded up to whole pages; 0: the default, see above. Where the
     *  system has not so many addresses, it is halved down to least_reserve. */
    size_t reserve;
    /** The fewest bytes of address space that will do; not above `reserve`, if that is named. 0:
     *  1 MiB, or `reserve` if that is less, or the default's least size. One that is larger than
     *  the default reservation raises it. */
    size_t least_reserve;
    void *base;    /**< exact address, a multiple of HF_ALLOCATION_GRANULARITY, or opening fails
                    *   with HF_NO_ADDRESS; NULL: any address */
    size_t retain; /**< hf_reset() keeps at least so many bytes committed; SIZE_MAX: all */
    hf_huge_pages huge_pages;  /**< whether memory is backed by huge pages */
    bool populate;             /**< fault pages in when they are committed: no faults later */
    bool fault_after_rewind;   /**< for debugging: whole pages that are rewound fault from then on
                                *   and are never used again; this uses up the reservation. Going
                                *   back is HF_UNSUPPORTED on a Windows that decommits no part of a
                                *   region */
    hf_on_failure *on_failure; /**< called when an allocation failed; NULL: it returns NULL */
    void *user;                /**< for on_failure */
    const char *name;          /**< shown in the system's tools where the system can; must outlive
                                *   the arena; NULL: none */
    const hf_backend *backend; /**< NULL: the native one; must outlive the arena */
    uint64_t tag;              /**< images: a number for the program's format; opening an image with
                                *   another tag is HF_CORRUPT */
    bool any_base;             /**< images: another address will do, because the program uses refs
                                *   only */
} hf_arena_options;

/** Opens an arena: reserves addresses, commits nothing.
 *  @param[out] arena  the arena; zeroed on failure; not NULL
 *  @param options     NULL: the defaults; they are copied
 *  @return
 *  - HF_OK: the arena is open and empty
 *  - HF_INVALID: a base that is not aligned or whose reservation wraps, a least_reserve above a
 *    reserve that is named, or a huge_pages that is none of the three
 *  - HF_NO_ADDRESS: the base is taken, or the system has not least_reserve bytes of addresses
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the arena's records, or no mappings
 *    left */
hf_status hf_arena_open(hf_arena *arena, const hf_arena_options *options);

/** Closes an arena: gives everything back to the system and zeroes the arena. A read-write image is
 *  synced first; hf_arena_sync() says whether that works, this function cannot.
 *  @param arena  the arena; NULL or a zeroed one: nothing happens */
void hf_arena_close(hf_arena *arena);

/** The first byte of the reservation; it stays the same while the arena is open.
 *  @param arena  the arena
 *  @return the address; NULL for a closed arena */
char *hf_arena_base(const hf_arena *arena);

/** Tells whether a pointer lies in the arena's reservation, allocated or not.
 *  @param arena    the arena
 *  @param pointer  any pointer
 *  @return true if it does; false for a closed arena */
bool hf_owns(const hf_arena *arena, const void *pointer);

/** @} */

/** @name Allocating
 *
 *                     pos        limit
 *      |   allocated   |  ready   |                      hf_alloc(&arena, size, align)
 *      |   allocated   |pad| block |pos
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <stdio.h>
 *
 *  struct node { struct node *next; };
 *
 *  // All of a stream, in one block that grows in place; NULL if there is no memory for it.
 *  char *read_all(hf_arena *arena, FILE *stream, size_t *size) {
 *      size_t room = 4096;
 *      char *text = (char *)hf_alloc(arena, room, 1);
 *      for (*size = 0; text != NULL; room *= 2) {
 *          *size += fread(text + *size, 1, room - *size, stream);
 *          if (*size < room) break;
 *          if (!hf_extend(arena, text, room, 2 * room)) return NULL;
 *      }
 *      if (text) hf_extend(arena, text, room, *size);    // the rest is free again
 *      return text;
 *  }
 *
 *  struct node *push(hf_arena *arena, struct node *list) {
 *      struct node *node = hf_new(arena, struct node);
 *      if (node) node->next = list;
 *      return node;
 *  }
 *  @endcode
 *  @{ */

/** @cond private */

/* The rest of hf_alloc where the block does not fit below limit, or cannot be had. */
HF_COLD void *hf_alloc_slow(hf_arena *arena, size_t size, size_t align);

/** @endcond */

/** Allocates a block. Its bytes are not zeroed.
 *  @param arena  the arena
 *  @param size   bytes; 0: an aligned pointer to no bytes
 *  @param align  the block's address is a multiple of it: a power of two, 1 to HF_MAX_ALIGNMENT
 *  @return the block; NULL when it failed and on_failure gave up, and hf_last_error().status is
 *  - HF_INVALID: align is no such power of two, or the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent
 *  @note Consecutive blocks are not promised to touch: to have more bytes behind a block,
 *        hf_extend() it. */
static inline void *hf_alloc(hf_arena *arena, size_t size, size_t align) {
    /* The next call waits for pos alone, so the way there is short: add, mask, add. The checks
     * stand beside it. They cannot wrap: where rounding up does, pad is still right, and too large;
     * room - size is reached only when size < room. Without any room even size 0 goes the slow way:
     * a closed arena has none. */
    uintptr_t pos = (uintptr_t)arena->pos;
    uintptr_t aligned = (pos + (align - 1)) & ~(uintptr_t)(align - 1);
    size_t pad = (size_t)(aligned - pos);
    size_t room = (size_t)(arena->limit - arena->pos);
    if (HF_UNLIKELY((align & (align - 1)) != 0 || align - 1 >= HF_MAX_ALIGNMENT || size >= room ||
                    pad > room - size)) {
        return hf_alloc_slow(arena, size, align);
    }
    char *block = (char *)aligned;
    arena->pos = block + size;
    HF_PREFETCH(aligned + HF_PREFETCH_AHEAD);
    return block;
}

/** Allocates a block of zero bytes. Zeroing costs nothing above the high-water mark, where no byte
 *  was allocated since its pages were fresh.
 *  @param arena  the arena
 *  @param size   bytes; 0: an aligned pointer to no bytes
 *  @param align  the block's address is a multiple of it: a power of two, 1 to HF_MAX_ALIGNMENT
 *  @return the block; NULL when it failed and on_failure gave up, and hf_last_error().status is
 *  - HF_INVALID: align is no such power of two, or the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent */
void *hf_alloc_zeroed(hf_arena *arena, size_t size, size_t align);

/** Allocates an array of zero bytes.
 *  @param arena  the arena
 *  @param count  elements; 0: an aligned pointer to no bytes
 *  @param size   of one element, in bytes
 *  @param align  the array's address is a multiple of it: a power of two, 1 to HF_MAX_ALIGNMENT
 *  @return the array; NULL when it failed and on_failure gave up, and hf_last_error().status is
 *  - HF_INVALID: align is no such power of two, or the arena is closed
 *  - HF_RESERVE_FULL: count * size wraps, the reservation has no room for it, or the arena is a
 *    read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent */
void *hf_alloc_array(hf_arena *arena, size_t count, size_t size, size_t align);

/** Allocates one zeroed T, with its size and alignment.
 *  @param arena  the arena, an hf_arena *
 *  @param T      a type. In C++ any type will do, but no constructor runs: construct it in place,
 *                by new (hf_alloc(arena, sizeof(T), alignof(T))) T(...). No destructor runs when
 *                the arena goes back
 *  @return a T *; NULL when it failed, for the causes of hf_alloc_zeroed() */
#define hf_new(arena, T) HF_AS(T, hf_alloc_zeroed((arena), sizeof(T), HF_ALIGNOF(T)))

/** Allocates an array of n zeroed T, with their size and alignment.
 *  @param arena  the arena, an hf_arena *
 *  @param T      a type. In C++ any type will do, but no constructor runs, and no destructor when
 *                the arena goes back
 *  @param n      elements; 0: a pointer to none
 *  @return a T *; NULL when it failed, for the causes of hf_alloc_array() */
#define hf_new_array(arena, T, n) HF_AS(T, hf_alloc_array((arena), (n), sizeof(T), HF_ALIGNOF(T)))

/** Grows or shrinks a block in place; never moves it. Only the last block can grow. Shrinking the
 *  last block moves pos back; shrinking another one succeeds and frees nothing.
 *  @param arena     the arena
 *  @param block     a block of this arena
 *  @param old_size  its current size in bytes
 *  @param new_size  the size it is to have. 0 frees the last block, with its red zone under a
 *                   sanitizer: it lies at pos then, and can grow again
 *  @return true if the block now has new_size bytes (new ones are not zeroed); false, and nothing
 *          changed, and hf_last_error().status is
 *  - HF_INVALID: it is no block of this arena, or the arena is closed
 *  - HF_WRONG_STATE: it is to grow and is not the last block, or the arena is a read-write image in
 *    a forked child
 *  - HF_RESERVE_FULL: the reservation has no room for it
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note on_failure is not called. */
bool hf_extend(hf_arena *arena, void *block, size_t old_size, size_t new_size);

/** Grows or shrinks a block in place and zeroes its new bytes; never moves it. Only the last block
 *  can grow. Shrinking the last block moves pos back; shrinking another one succeeds and frees
 *  nothing.
 *  @param arena     the arena
 *  @param block     a block of this arena
 *  @param old_size  its current size in bytes
 *  @param new_size  the size it is to have; 0 frees the last block, which can grow again
 *  @return true if the block now has new_size bytes; false, and nothing changed, and
 *          hf_last_error().status is
 *  - HF_INVALID: it is no block of this arena, or the arena is closed
 *  - HF_WRONG_STATE: it is to grow and is not the last block, or the arena is a read-write image in
 *    a forked child
 *  - HF_RESERVE_FULL: the reservation has no room for it
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note on_failure is not called. */
bool hf_extend_zeroed(hf_arena *arena, void *block, size_t old_size, size_t new_size);

/** Changes the size of a block: in place where hf_extend() can, else in a new block, to which the
 *  old bytes are copied. Shrinking never copies. New bytes are not zeroed.
 *  @param arena     the arena
 *  @param block     a block of this arena; NULL: a new block is allocated
 *  @param old_size  its current size in bytes; ignored if block is NULL
 *  @param new_size  the size it is to have
 *  @param align     a power of two, 1 to HF_MAX_ALIGNMENT. A block that grows is at a multiple of
 *                   it then; one that shrinks stays where it is
 *  @return the block; NULL when it failed and on_failure gave up: the old block is as it was,
 *          unless on_failure freed it, and hf_last_error().status is
 *  - HF_INVALID: it is no block of this arena, align is no such power of two, or the arena is
 *    closed
 *  - HF_WRONG_STATE: on_failure freed the old block, or a forked child cannot grow the read-write
 *    image of its parent, nor shrink a block of it
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
void *hf_realloc(hf_arena *arena, void *block, size_t old_size, size_t new_size, size_t align);

/** Shows the next free bytes without allocating them. Fill them, say with read(2); then
 *  hf_alloc(arena, used, 1) returns the same bytes.
 *
 *  Until the next call that allocates, extends or goes back, the bytes may also be arguments of
 *  hf_strdup(), hf_strndup(), hf_memdup(), hf_asprintf() and hf_vasprintf(), whose block overlaps
 *  them and is right.
 *  @param arena      the arena
 *  @param least      how many bytes are needed
 *  @param[out] room  gets how many there are, `least` or more; NULL: not wanted
 *  @return the first of them, at pos; NULL when it failed and on_failure gave up, and
 *          hf_last_error().status is
 *  - HF_INVALID: the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for them, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent
 *  @note All bytes shown count as used for the high-water mark: hf_alloc_zeroed() zeroes them. */
char *hf_peek(hf_arena *arena, size_t least, size_t *room);

/** Commits memory ahead: after HF_OK the next allocations cannot fail until they took `size` bytes,
 *  padding (and red zones under a sanitizer) included; with the option populate they do not fault
 *  either.
 *  @param arena  the arena
 *  @param size   bytes from pos on
 *  @return
 *  - HF_OK: so many bytes are committed
 *  - HF_INVALID: the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for them, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent
 *  @note on_failure is not called. */
hf_status hf_precommit(hf_arena *arena, size_t size);

/** @} */

/** @name Copies and texts
 *
 *  All are aligned to 8, so that they can have a ref.
 *
 *      | allocated |pad| t e x t \0 |pos
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  char *greet(hf_arena *arena, const char *name) {
 *      char *copy = hf_strndup(arena, name, 20);
 *      return copy ? hf_asprintf(arena, "hello, %s", copy) : NULL;
 *  }
 *  @endcode
 *  @{ */

/** Copies a text.
 *  @param arena  the arena
 *  @param text   a text that ends with a NUL; it may lie in the arena
 *  @return the copy, aligned to 8; NULL when it failed and on_failure gave up, and
 *          hf_last_error().status is
 *  - HF_INVALID: text is NULL, or the arena is closed
 *  - HF_WRONG_STATE: on_failure freed the text, or a forked child cannot grow the read-write image
 *    of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
char *hf_strdup(hf_arena *arena, const char *text);

/** Copies the beginning of a text and ends the copy with a NUL.
 *  @param arena  the arena
 *  @param text   a text that ends with a NUL or has `most` bytes; it may lie in the arena
 *  @param most   how many bytes are copied at most, without the NUL; 0: the copy is ""
 *  @return the copy, aligned to 8; NULL when it failed and on_failure gave up, and
 *          hf_last_error().status is
 *  - HF_INVALID: text is NULL, or the arena is closed
 *  - HF_WRONG_STATE: on_failure freed the text, or a forked child cannot grow the read-write image
 *    of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
char *hf_strndup(hf_arena *arena, const char *text, size_t most);

/** Copies bytes.
 *  @param arena  the arena
 *  @param bytes  what is copied; it may lie in the arena; NULL only if size is 0
 *  @param size   how many bytes; 0: a pointer to no bytes is returned
 *  @return the copy, aligned to 8; NULL when it failed and on_failure gave up, and
 *          hf_last_error().status is
 *  - HF_INVALID: bytes is NULL and size is not 0, or the arena is closed
 *  - HF_WRONG_STATE: on_failure freed the bytes, or a forked child cannot grow the read-write image
 *    of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
void *hf_memdup(hf_arena *arena, const void *bytes, size_t size);

/** Formats a text, as sprintf does, in a block of the size that it needs.
 *  @param arena   the arena
 *  @param format  a format of printf
 *  @param ...     its arguments; texts may lie in the arena
 *  @return the text, aligned to 8; NULL when it failed and on_failure gave up, and
 *          hf_last_error().status is
 *  - HF_INVALID: format is NULL or printf fails on it, or the arena is closed
 *  - HF_WRONG_STATE: on_failure closed the arena and opened it again, or a forked child cannot grow
 *    the read-write image of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note A text of 512 bytes and more is first formatted in pages of the system, and then copied,
 *        if hf_peek() has just shown bytes, or if the arena has no room for it and an on_failure:
 *        HF_NO_MEMORY without these pages. */
char *hf_asprintf(hf_arena *arena, const char *format, ...) HF_FORMAT(2, 3);

/** Formats a text, as vsprintf does, in a block of the size that it needs.
 *  @param arena      the arena
 *  @param format     a format of printf
 *  @param arguments  its arguments; texts may lie in the arena. The caller calls va_end
 *  @return the text, aligned to 8; NULL when it failed and on_failure gave up, and
 *          hf_last_error().status is
 *  - HF_INVALID: format is NULL or printf fails on it, or the arena is closed
 *  - HF_WRONG_STATE: on_failure closed the arena and opened it again, or a forked child cannot grow
 *    the read-write image of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note A text of 512 bytes and more is first formatted in pages of the system, and then copied,
 *        if hf_peek() has just shown bytes, or if the arena has no room for it and an on_failure:
 *        HF_NO_MEMORY without these pages. */
char *hf_vasprintf(hf_arena *arena, const char *format, va_list arguments) HF_FORMAT(2, 0);

/** @} */

/** @name Going back
 *
 *                    mark          pos
 *      |   allocated   |  allocated  |  ready |      hf_rewind(&arena, mark)
 *      |   allocated   |         ready        |
 *                     pos
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <stdio.h>
 *
 *  void print(hf_arena *arena, int number) {
 *      hf_mark mark = hf_get_mark(arena);
 *      char *text = hf_asprintf(arena, "%d", number);
 *      if (text) puts(text);
 *      hf_rewind(arena, mark);                   // the text is free again
 *  }
 *  @endcode
 *  @{ */

/** A position in an arena, in bytes from base. A lower mark was taken before, or after going back
 *  further. */
typedef size_t hf_mark;

/** The current position.
 *  @param arena  the arena
 *  @return a mark for hf_rewind(); 0 for a closed arena */
static inline hf_mark hf_get_mark(const hf_arena *arena) {
    return arena->state ? (size_t)(arena->pos - arena->state->base) : 0;
}

/** Frees everything that was allocated since the mark. Releases no memory; O(1), if no view of a
 *  file lies above the mark. With fault_after_rewind the whole pages that are freed are
 *  decommitted, and pos stays behind them.
 *  @param arena  the arena
 *  @param mark   from hf_get_mark()
 *  @return
 *  - HF_OK: pos is at the mark (with fault_after_rewind, in or behind the mark's page)
 *  - HF_INVALID: the mark is above pos or within a view, or the arena is closed; nothing has
 *    changed
 *  - HF_WRONG_STATE: a read-only image and a mark below pos, or a read-write image in a forked
 *    child; nothing has changed
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_ADDRESS: releasing the views above the mark
 *    or, with fault_after_rewind, the pages failed. pos stays above the views that are left, and
 *    going back again continues; the pages stay readable (HF_UNSUPPORTED: a Windows that decommits
 *    no part of a region; HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN) */
hf_status hf_rewind(hf_arena *arena, hf_mark mark);

/** Frees everything, and ends every scope. Memory stays committed for the next frame (what happens
 *  until the next hf_reset()), and is released when frames have done much work without it:
 *
 *      if peak >= committed / 2:  work = needed = 0          (peak: of the frame that ends)
 *      else:                      work += peak + 64,  needed = max(needed, peak)
 *      if work >= 64 * max(committed - needed, 1 MiB):
 *          trims to max(needed + a growth step, retain);  work = needed = 0
 *
 *  So whatever the sizes of frames are, at most one in 64 of the bytes that they use is given back
 *  and faults again, and what stays committed is at most twice what recent frames needed, or 4 MiB
 *  more. docs/reset.md has the proof. Where it fails, the scopes have not ended.
 *  @param arena  the arena
 *  @return
 *  - HF_OK: the arena is empty
 *  - HF_INVALID: the arena is closed
 *  - HF_WRONG_STATE: a read-only image that is not empty, or a read-write image in a forked child
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_ADDRESS: a view was not unmapped, see
 *    hf_rewind(); or memory was not released: then pos is at 0, that memory stays usable, and the
 *    next reset tries again (HF_UNSUPPORTED: a Windows that decommits no part of a region;
 *    HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN) */
hf_status hf_reset(hf_arena *arena);

/** Releases the memory beyond what is allocated. Of a read-write image that is addresses; its file
 *  is cut when it closes.
 *  @param arena  the arena
 *  @param keep   how many bytes from base on stay committed if they are, rounded up to whole pages;
 *                what is allocated always stays; 0: nothing else stays
 *  @return
 *  - HF_OK: nothing is committed beyond
 *  - HF_INVALID: the arena is closed
 *  - HF_WRONG_STATE: a read-write image in a forked child
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_ADDRESS: the system failed to release it;
 *    what was not released stays usable (HF_UNSUPPORTED: a Windows that decommits no part of a
 *    region; HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN)
 *  @note Costs one to four system calls for each growth step released. */
hf_status hf_trim(hf_arena *arena, size_t keep);

/** A mark that knows its arena: hf_scope_begin(). The fields may be read. */
typedef struct hf_scope {
    hf_arena *arena; /**< the arena that hf_scope_end() rewinds */
    hf_mark mark;    /**< where the scope began */
    size_t depth;    /**< among the open scopes of the arena, from 1 on; 0: not open */
    size_t number;   /**< among all scopes of the arena, from 1 on */
} hf_scope;

/** Begins a scope. Scopes nest.
 *  @param arena  the arena; on a closed one the scope has ended already
 *  @return the scope, for hf_scope_end() */
hf_scope hf_scope_begin(hf_arena *arena);

/** Ends a scope: rewinds to its beginning, and ends the scopes that began within it and are still
 *  open (a longjmp may have left them).
 *  @param scope  from hf_scope_begin() or hf_scratch_begin()
 *  @return
 *  - HF_OK: everything allocated since its beginning is free
 *  - HF_WRONG_STATE: the scope is ended already, by itself, by an outer one or by hf_reset(), and
 *    nothing has changed; or the arena is a read-only image, or a read-write image in a forked
 *    child
 *  - HF_INVALID: the arena went back below the scope's beginning without ending it
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_ADDRESS: the rewind failed, see hf_rewind();
 *    the scope has not ended: end it again
 *  @note Scopes nested deeper than 64 are told apart by their depth alone. */
hf_status hf_scope_end(hf_scope scope);

/** @} */

/** @name Refs
 *
 *      base    8      16      24                         32 GiB - 8
 *      | ref 1 | ref 2 | ref 3 |          ...              |
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  struct item { hf_ref next; };
 *
 *  struct item *after(const hf_arena *arena, const struct item *item) {
 *      return (struct item *)hf_from_ref(arena, item->next);
 *  }
 *  @endcode
 *  @{ */

/** A pointer in 32 bits: 1 + offset / 8; 0 is NULL. Reaches the first 32 GiB - 8 of an arena, and
 *  means the same wherever the arena lies. */
typedef uint32_t hf_ref;

/** Makes a ref of a pointer.
 *  @param arena    the arena
 *  @param pointer  an allocated byte at a multiple of 8 from base, or pos; NULL: 0 is returned
 *  @return the ref; 0 for NULL, and when it failed: HF_INVALID, the pointer is not at a multiple of
 *          8 from base, not allocated, or too far, or the arena is closed */
hf_ref hf_to_ref(const hf_arena *arena, const void *pointer);

/** Makes a pointer of a ref.
 *  @param arena  the arena
 *  @param ref    from hf_to_ref(), in this run or, in an image, an earlier one
 *  @return the pointer; NULL for 0, and for a ref to bytes that are not allocated: at pos or above
 *          it. So a ref to a block of 0 bytes at pos is NULL too, until bytes are allocated there.
 *          The last error does not change */
static inline void *hf_from_ref(const hf_arena *arena, hf_ref ref) {
    uint64_t offset = ((uint64_t)ref - 1) * 8; /* of ref 0: beyond every arena */
    if (arena->state == NULL || offset >= hf_get_mark(arena)) return NULL;
    return arena->state->base + (size_t)offset;
}

/** @} */

/** @name Statistics
 *
 *      base          pos      peak, high_water     committed                    reserved
 *      |     used     |          |                  |         placeholder          |
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  size_t committed_but_unused(const hf_arena *arena) {
 *      hf_arena_stats stats = hf_arena_get_stats(arena);
 *      return stats.committed > stats.used ? stats.committed - stats.used : 0;
 *  }
 *  @endcode
 *  @{ */

/** What an arena uses and has used: hf_arena_get_stats(). */
typedef struct hf_arena_stats {
    size_t used;         /**< bytes allocated, padding included */
    size_t committed;    /**< bytes of private memory committed; views do not count */
    size_t reserved;     /**< bytes of address space */
    size_t peak;         /**< the highest `used` since the arena was opened */
    size_t high_water;   /**< the high-water mark, in bytes from base: the highest byte allocated or
                          *   shown by hf_peek() since its pages were fresh; above it committed
                          *   bytes are zero */
    size_t growths;      /**< growth steps taken */
    size_t system_calls; /**< all that were made for this arena so far */
    size_t viewed;       /**< bytes of views: images, and files appended */
} hf_arena_stats;

/** The statistics of an arena. Makes no system call.
 *  @param arena  the arena
 *  @return the statistics; all zero for a closed arena */
hf_arena_stats hf_arena_get_stats(const hf_arena *arena);

/** @} */

#ifdef __cplusplus
}
#endif

/* Two chapters of the arena, so that one include is enough for all of it. */
#include "image.h"
#include "scratch.h"

#endif
