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
 *  An allocation moves pos. If it would move pos beyond limit, the arena first commits more memory.
 *  The addresses behind the committed memory are always one placeholder. hf_rewind() and hf_reset()
 *  move pos back; only hf_trim() and hf_reset() release memory, the highest first.
 *
 *  Units: sizes, marks and statistics are bytes. An alignment is a power of two up to
 *  HF_MAX_ALIGNMENT.
 *
 *  Errors: a function that returns memory calls on_failure, if it is set, and returns NULL if that
 *  does not help; other functions return a status. hf_last_error() has the details. Sizes near
 *  SIZE_MAX are HF_RESERVE_FULL. A call that fails leaves the arena as it was. (If the system fails
 *  to undo a step as well, memory may stay committed behind limit; the next growth or trim releases
 *  it.)
 *
 *  Arguments: an arena must not be NULL, except for hf_arena_close(). A zeroed hf_arena is closed:
 *  on it every function fails with HF_INVALID, or returns 0, NULL, false or zeroed statistics. One
 *  that is initialised with HF_ARENA_LAZY opens itself.
 *
 *  Threads: an arena belongs to one thread at a time; there is no lock in it. Different arenas are
 *  independent. Do not copy an hf_arena: pass a pointer to it.
 *
 *  Costs: hf_alloc() is inlined: an add, a mask, two compares and a prefetch; no counter, no lock,
 *  no header before the block. Growth makes one or two system calls for each step. A step is at
 *  least half of what is committed (2 to 64 MiB; above 512 MiB an eighth), so a loop in steady
 *  state makes no system call.
 *
 *  Sanitizers: in a process under AddressSanitizer or Valgrind, bytes that are not allocated are
 *  poisoned, and blocks have red zones between them. Rewinding poisons; closing unpoisons. This
 *  needs no build flag, and objects that were compiled with and without the sanitizer may be mixed:
 *  in such a process limit always equals pos, so every allocation calls hf_alloc_slow(), which
 *  unpoisons the block. For MemorySanitizer and Valgrind, allocated and rewound bytes are
 *  uninitialised and zeroed ones are initialised; MemorySanitizer needs the library compiled with
 *  -fsanitize=memory, too. LeakSanitizer finds pointers to heap blocks in arenas.
 *
 *  Caveats
 *  - overcommit: Linux commits more memory than it has (vm.overcommit_memory 0): it can kill the
 *    process at the first touch of a page, long after HF_OK. With 2, growth fails in time
 *    (HF_NO_MEMORY).
 *  - ulimit -v counts reservations: opening then halves the reservation, down to least_reserve. The
 *    first of several arenas takes half of the limit or more, and later default ones 1 GiB or less:
 *    choose a `reserve` for each.
 *  - mlockall: with MCL_FUTURE a reservation counts as locked memory: the same fallback.
 *  - fork: the child has a copy of every arena, at the same address.
 *  - cgroups: at a memory limit the process is killed when it touches a page; no call fails.
 *  - vm.max_map_count: a process may have some 65,000 mappings; an arena of any size takes three or
 *    four, and two more for each appended file.
 *  - Windows charges committed memory against RAM and paging file at once: call hf_trim() after a
 *    spike.
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

/* An arena is written from end to end, and some processors predict streams of stores badly: on a
 * Xeon prefetching a page ahead saves a quarter of the time where memory is not in the cache, on an
 * EPYC nothing. It costs nothing where memory is in the cache. In bytes. */
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
 *  // 1 GiB, or 64 MiB at least, if the address space is too small for that.
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
    char *limit;                  /**< up to here hf_alloc() makes no call; committed memory may
                                   *   extend beyond it */
    struct hf_arena_state *state; /**< private; NULL: closed */
} hf_arena;

/** @cond private */

/* What pos and limit of an arena point to that opens itself. It is never read nor written. */
HF_API extern char hf_arena_unopened;

/** @endcond */

/** The initialiser of an arena that opens itself with the default options (no on_failure, too) when
 *  it is first needed, also before main, by the constructors of static C++ objects:
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  static hf_arena interned = HF_ARENA_LAZY;
 *
 *  const char *intern(const char *name) { return hf_strdup(&interned, name); }
 *  @endcode
 *
 *  It is opened by every function that needs memory: those that allocate, hf_peek(),
 *  hf_precommit(), hf_defer(), hf_arena_append_file(); and by hf_scope_begin(). If opening fails,
 *  they fail with the status of hf_arena_open() (hf_scope_begin() returns a scope that has already
 *  ended), and the next call tries again. Until then it is empty: hf_rewind() to 0, hf_reset() and
 *  hf_trim() succeed, hf_arena_save() saves an arena without bytes, and hf_arena_base() is NULL.
 *  After hf_arena_close() it is closed, as every arena, and does not open itself again.
 *
 *  It costs nothing: the first allocation finds no room, as in every new arena. Do not let two
 *  threads open it at once: an arena belongs to one thread at a time. */
#define HF_ARENA_LAZY \
    { &hf_arena_unopened, &hf_arena_unopened, NULL }

/** Thousands of arenas in one reservation, see pool.h. */
typedef struct hf_pool hf_pool;

/** @cond private */

/* The beginning of an arena's state, for the inline functions below alone. */
struct hf_arena_state {
    char *base; /* the first byte of the reservation */
};

/** @endcond */

/** Which memory of an arena is backed by huge pages, if the system can: a hint. */
typedef enum hf_huge_pages {
    /** Huge pages where they cost little memory. On Linux the first 192 KiB are in small pages and
     *  the next 2 MiB in a huge one, so an arena of 200 KiB takes 2.2 MiB. From there to 20 MiB
     *  small pages again, except for what one call fills (a large block, also hf_peek() or
     *  hf_precommit()) and what was committed before a trim: so an arena of 2 MiB or more takes at
     *  most a tenth more than in small pages. (Where options->base is set, and in a pool, the first
     *  2 MiB or so are in small pages.) An arena that is known to become large takes
     *  HF_HUGE_ALWAYS: fewer page faults. */
    HF_HUGE_AUTO,
    HF_HUGE_NEVER, /**< none */
    HF_HUGE_ALWAYS /**< all from the first byte on */
} hf_huge_pages;

/** A function of the program that is called when an allocation failed:
 *  hf_arena_options::on_failure.
 *
 *  It may leave by longjmp or by a C++ exception: the arena is consistent and no lock is locked. It
 *  may use the arena, and may close it.
 *
 *  If it frees the source of a copy (the old block of hf_realloc(); the bytes that hf_strdup(),
 *  hf_strndup() or hf_memdup() read), the copy fails with HF_WRONG_STATE and reads nothing. It may
 *  free the arguments of hf_asprintf(), because the text is complete by then. If it closes the
 *  arena and opens it again, copies and texts of 512 bytes or more fail with HF_WRONG_STATE.
 *  @param arena   the arena whose allocation failed
 *  @param status  why it failed
 *  @param size    how many bytes were requested
 *  @param user    hf_arena_options::user
 *  @return true: the allocation is tried again (after memory was freed, by hf_rewind(), say, or a
 *          limit raised); false: it returns NULL. After HF_INVALID, and if the system has no pages
 *          to format a text in, it is not tried again, whatever is returned */
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
    bool populate;             /**< fault pages in when they are committed: no faults later
                                *   (in a pool: but in what an earlier arena committed) */
    bool fault_after_rewind;   /**< for debugging: whole pages that are rewound fault from then on
                                *   and are never used again; this uses up the reservation. Going
                                *   back is HF_UNSUPPORTED on a Windows that decommits no part of a
                                *   region */
    hf_on_failure *on_failure; /**< called when an allocation failed; NULL: it returns NULL */
    void *user;                /**< for on_failure */
    const char *name;          /**< shown in the system's tools where the system can; must outlive
                                *   the arena; NULL: none */
    const hf_backend *backend; /**< NULL: the native one; must outlive the arena */
    /** The pool to take the arena from, see pool.h; NULL: none. Such an arena has the pool's
     *  reservation (`reserve` and `least_reserve` are 0 or not above it), huge pages and name, no
     *  base, and is no image. */
    hf_pool *pool;
    uint64_t tag;  /**< images: a number for the program's format; opening an image with
                                *   another tag is HF_CORRUPT */
    bool any_base; /**< images: another address will do, because the program uses refs
                                *   only */
    /** @cond private */
    char unused[7]; /* 0; in place of padding, whose bytes an initialiser leaves undefined */
    /** @endcond */
} hf_arena_options;

/** hf_arena_open(), told how large the program's options are: what hf_arena_open() calls. For
 *  bindings from other languages, where there are no inline functions.
 *  @param[out] arena  the arena; zeroed on failure; not NULL
 *  @param options     NULL: the defaults; they are copied
 *  @param size        the size of the options that the program was compiled with, in bytes; ignored
 *                     where options is NULL. Options behind it have their default. Bytes of it that
 *                     the library does not know must be 0
 *  @return
 *  - HF_OK: the arena is open and empty
 *  - HF_INVALID: size is 0 or above 4096, a base that is not aligned or whose reservation wraps, a
 *    least_reserve above a
 *    reserve that is named, a huge_pages that is none of the three, a backend whose
 *    hf_backend::size is not valid, or an option that an arena of a pool cannot have
 *  - HF_RESERVE_FULL: all arenas of the pool are open, or other threads are closing them
 *  - HF_NO_ADDRESS: the base is taken, or the system has not least_reserve bytes of addresses
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the arena's records, or no mappings
 *    left
 *  - HF_UNSUPPORTED: the program was compiled for a newer version of holdfast than the library, and
 *    sets an option that the library does not know */
HF_API hf_status hf_arena_open_sized(hf_arena *arena, const hf_arena_options *options, size_t size);

/** Opens an arena: reserves addresses and commits no memory. One of a pool has both already.
 *  @param[out] arena  the arena; zeroed on failure; not NULL
 *  @param options     NULL: the defaults; they are copied
 *  @return
 *  - HF_OK: the arena is open and empty
 *  - HF_INVALID: a base that is not aligned or whose reservation wraps, a least_reserve above a
 *    reserve that is named, a huge_pages that is none of the three, a backend whose
 *    hf_backend::size is not valid, or an option that an arena of a pool cannot have
 *  - HF_RESERVE_FULL: all arenas of the pool are open, or other threads are closing them
 *  - HF_NO_ADDRESS: the base is taken, or the system has not least_reserve bytes of addresses
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system has no pages for the arena's records, or no mappings
 *    left
 *  - HF_UNSUPPORTED: the program was compiled for a newer version of holdfast than the library, and
 *    sets an option that the library does not know */
static inline hf_status hf_arena_open(hf_arena *arena, const hf_arena_options *options) {
    return hf_arena_open_sized(arena, options, sizeof *options);
}

/** Closes an arena: makes its deferred calls, releases all its memory and addresses (one of a pool
 *  keeps them, see pool.h), and zeroes the hf_arena. A read-write image is synced first; call
 *  hf_arena_sync() before, to learn whether that succeeds.
 *  @param arena  the arena; NULL or a zeroed one: nothing happens */
HF_API void hf_arena_close(hf_arena *arena);

/** The first byte of the reservation; it stays the same while the arena is open.
 *  @param arena  the arena; not NULL
 *  @return the address; NULL for a closed arena */
HF_API char *hf_arena_base(const hf_arena *arena);

/** Tells whether a pointer lies within the arena's reservation, allocated or not.
 *  @param arena    the arena; not NULL
 *  @param pointer  any pointer
 *  @return true if it does; false for a closed arena */
HF_API bool hf_owns(const hf_arena *arena, const void *pointer);

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
 *  // Reads all of a stream into one block that grows in place; NULL if there is no memory.
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
HF_API HF_COLD void *hf_alloc_slow(hf_arena *arena, size_t size, size_t align);

/** @endcond */

/** Allocates a block. Its bytes are not zeroed.
 *  @param arena  the arena; not NULL
 *  @param size   bytes; 0: returns an aligned address without any bytes
 *  @param align  of the block's address, in bytes: a power of two, 1 to HF_MAX_ALIGNMENT
 *  @return the block; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: align is no such power of two, or the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent
 *  @note Consecutive blocks need not be adjacent: to get more bytes behind a block, call
 *        hf_extend(). */
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

/** Allocates a block of zero bytes. Bytes above the high-water mark, which were never allocated
 *  since their pages were committed, are zero already; only bytes below it are written.
 *  @param arena  the arena; not NULL
 *  @param size   bytes; 0: returns an aligned address without any bytes
 *  @param align  of the block's address, in bytes: a power of two, 1 to HF_MAX_ALIGNMENT
 *  @return the block; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: align is no such power of two, or the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent */
HF_API void *hf_alloc_zeroed(hf_arena *arena, size_t size, size_t align);

/** Allocates an array of zero bytes.
 *  @param arena  the arena; not NULL
 *  @param count  elements; 0: an aligned pointer to no bytes
 *  @param size   of one element, in bytes
 *  @param align  of the array's address, in bytes: a power of two, 1 to HF_MAX_ALIGNMENT
 *  @return the array; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: align is no such power of two, or the arena is closed
 *  - HF_RESERVE_FULL: count * size wraps, the reservation has no room for it, or the arena is a
 *    read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent */
HF_API void *hf_alloc_array(hf_arena *arena, size_t count, size_t size, size_t align);

/** Allocates one zeroed T, with its size and alignment.
 *  @param arena  the arena, an hf_arena *
 *  @param T      a type. In C++ no constructor runs (to run one, use placement new on the result of
 *                hf_alloc()), and no destructor when the object is freed
 *  @return a T *; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: T is aligned to more than HF_MAX_ALIGNMENT, or the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent */
#define hf_new(arena, T) HF_AS(T, hf_alloc_zeroed((arena), sizeof(T), HF_ALIGNOF(T)))

/** Allocates an array of n zeroed T, with their size and alignment.
 *  @param arena  the arena, an hf_arena *
 *  @param T      a type. In C++ no constructor runs, and no destructor when the array is freed
 *  @param n      elements; 0: returns an aligned address without any elements
 *  @return a T *; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: T is aligned to more than HF_MAX_ALIGNMENT, or the arena is closed
 *  - HF_RESERVE_FULL: the size of n elements wraps, the reservation has no room for them, or the
 *    arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent */
#define hf_new_array(arena, T, n) HF_AS(T, hf_alloc_array((arena), (n), sizeof(T), HF_ALIGNOF(T)))

/** Grows or shrinks a block in place; never moves it. Only the last block can grow. Shrinking the
 *  last block moves pos back; shrinking another one succeeds and frees nothing.
 *  @param arena     the arena; not NULL
 *  @param block     a block of this arena
 *  @param old_size  its current size in bytes
 *  @param new_size  its new size in bytes; 0 frees the last block (under a sanitizer its red zone,
 *                   too), which is then at pos and can grow again
 *  @return true if the block now has new_size bytes (new ones are not zeroed); false, and nothing
 *          changed, and hf_last_error().status is
 *  - HF_INVALID: the block is not of this arena, or the arena is closed
 *  - HF_WRONG_STATE: it is to grow and is not the last block, or the arena is a read-write image in
 *    a forked child
 *  - HF_RESERVE_FULL: the reservation has no room for it
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note on_failure is not called. */
HF_API bool hf_extend(hf_arena *arena, void *block, size_t old_size, size_t new_size);

/** Grows or shrinks a block in place and zeroes its new bytes; never moves it. Only the last block
 *  can grow. Shrinking the last block moves pos back; shrinking another one succeeds and frees
 *  nothing.
 *  @param arena     the arena; not NULL
 *  @param block     a block of this arena
 *  @param old_size  its current size in bytes
 *  @param new_size  its new size in bytes; 0 frees the last block, which can grow again
 *  @return true if the block now has new_size bytes; false, and nothing changed, and
 *          hf_last_error().status is
 *  - HF_INVALID: the block is not of this arena, or the arena is closed
 *  - HF_WRONG_STATE: it is to grow and is not the last block, or the arena is a read-write image in
 *    a forked child
 *  - HF_RESERVE_FULL: the reservation has no room for it
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note on_failure is not called. */
HF_API bool hf_extend_zeroed(hf_arena *arena, void *block, size_t old_size, size_t new_size);

/** Changes the size of a block: in place if hf_extend() can, else in a new block, to which the old
 *  bytes are copied. Shrinking never copies. New bytes are not zeroed.
 *  @param arena     the arena; not NULL
 *  @param block     a block of this arena; NULL: a new block is allocated
 *  @param old_size  its current size in bytes; ignored if block is NULL
 *  @param new_size  its new size in bytes
 *  @param align     a power of two, 1 to HF_MAX_ALIGNMENT. A block that grows is aligned to it; one
 *                   that shrinks stays where it is
 *  @return the block; NULL if it failed and on_failure is NULL or returned false: the old
 *          block is unchanged, unless on_failure freed it; hf_last_error().status is
 *  - HF_INVALID: the block is not of this arena, align is no such power of two, or the arena is
 *    closed
 *  - HF_WRONG_STATE: on_failure freed the old block, or a forked child can neither grow nor shrink
 *    a block of its parent's read-write image
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
HF_API void *hf_realloc(hf_arena *arena, void *block, size_t old_size, size_t new_size,
                        size_t align);

/** Frees a block. The last block gives its bytes back: pos moves down to where the block begins
 *  (under a sanitizer its red zone is free, too), and the block that ends there is the last one
 *  again. Another block gives nothing back until the arena is rewound; under a
 *  sanitizer its bytes are poisoned, so that a later use is reported. O(1).
 *
 *  Padding before the block stays allocated, at most align - 1 bytes: the arena keeps no header
 *  that would tell where the padding begins, and the bytes there may be another block's. The next
 *  block with the same alignment is at the same address, so a loop that allocates and frees does
 *  not grow. To free the padding too, rewind to a mark.
 *
 *  Marks and scopes above the block stay above pos: hf_rewind() and hf_scope_end() fail for them
 *  with HF_INVALID. A deferred call stays deferred: a block below it is not the last one. With
 *  fault_after_rewind the whole pages of the last block fault from then on, and pos stays behind
 *  them.
 *  @param arena  the arena; not NULL
 *  @param block  a block of this arena; NULL: nothing happens
 *  @param size   its current size in bytes, 0 if it has none. If the block is not in the allocated
 *                bytes of the arena, or the arena is closed, nothing happens and
 *                hf_last_error().status is HF_INVALID; in a forked child of the process that opened
 *                the read-write image: HF_WRONG_STATE. Otherwise the last error stays, but where
 *                fault_after_rewind released no pages: see hf_rewind() */
HF_API void hf_free(hf_arena *arena, void *block, size_t size);

/** Returns the next free bytes without allocating them. Fill them, with read(2), say; then
 *  hf_alloc(arena, used, 1) returns the same bytes.
 *
 *  They are valid until the next call that allocates, extends, frees or rewinds. They may be
 *  arguments of hf_strdup(), hf_strndup(), hf_memdup(), hf_asprintf(), hf_asprintf_append() and
 *  their forms with a va_list, although the result overlaps them.
 *  @param arena      the arena; not NULL
 *  @param least      how many bytes are needed; may be 0
 *  @param[out] room  gets how many there are, `least` or more; NULL: not wanted
 *  @return the first of them, at pos; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for them, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent
 *  @note The high-water mark moves behind these bytes, so hf_alloc_zeroed() zeroes them. */
HF_API char *hf_peek(hf_arena *arena, size_t least, size_t *room);

/** Commits memory in advance: after HF_OK, allocations of `size` bytes in all cannot fail, with
 *  their padding (and red zones under a sanitizer) included in `size`. With the option populate
 *  they do not cause page faults either.
 *  @param arena  the arena; not NULL
 *  @param size   bytes from pos on
 *  @return
 *  - HF_OK: at least `size` bytes from pos on are committed
 *  - HF_INVALID: the arena is closed
 *  - HF_RESERVE_FULL: the reservation has no room for them, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  - HF_WRONG_STATE: a forked child cannot grow the read-write image of its parent
 *  @note on_failure is not called. */
HF_API hf_status hf_precommit(hf_arena *arena, size_t size);

/** @} */

/** @name Copies and texts
 *
 *  All copies are aligned to 8, so that hf_to_ref() accepts them.
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
 *
 *  char *list(hf_arena *arena, const int *numbers, size_t count) {
 *      char *text = hf_strdup(arena, "");
 *      for (size_t i = 0; i < count && text != NULL; i++)
 *          text = hf_asprintf_append(arena, text, "%s%d", i > 0 ? ", " : "", numbers[i]);
 *      return text;
 *  }
 *  @endcode
 *  @{ */

/** Copies a text, with its NUL, into a new block.
 *  @param arena  the arena; not NULL
 *  @param text   a text that ends with a NUL; it may lie in the arena
 *  @return the copy, aligned to 8; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: text is NULL, or the arena is closed
 *  - HF_WRONG_STATE: on_failure freed the text, or a forked child cannot grow the read-write image
 *    of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
HF_API char *hf_strdup(hf_arena *arena, const char *text);

/** Copies at most `most` bytes of a text into a new block and appends a NUL.
 *  @param arena  the arena; not NULL
 *  @param text   the text; not NULL. It ends at its NUL or after `most` bytes; bytes behind are not
 *                read. It may lie in the arena
 *  @param most   the most bytes to copy, without the NUL; 0: the copy is ""
 *  @return the copy, aligned to 8; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: text is NULL, or the arena is closed
 *  - HF_WRONG_STATE: on_failure freed the text, or a forked child cannot grow the read-write image
 *    of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
HF_API char *hf_strndup(hf_arena *arena, const char *text, size_t most);

/** Copies bytes into a new block.
 *  @param arena  the arena; not NULL
 *  @param bytes  what is copied; it may lie in the arena; NULL only if size is 0
 *  @param size   how many bytes; 0: returns an aligned address without any bytes
 *  @return the copy, aligned to 8; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: bytes is NULL and size is not 0, or the arena is closed
 *  - HF_WRONG_STATE: on_failure freed the bytes, or a forked child cannot grow the read-write image
 *    of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
HF_API void *hf_memdup(hf_arena *arena, const void *bytes, size_t size);

/** Formats a text, as sprintf does, in a new block of the size that it needs.
 *  @param arena   the arena; not NULL
 *  @param format  a format of printf
 *  @param ...     its arguments; texts may lie in the arena
 *  @return the text, aligned to 8; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: format is NULL or printf fails on it, or the arena is closed
 *  - HF_WRONG_STATE: on_failure closed the arena and opened it again, or a forked child cannot grow
 *    the read-write image of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note A text of 512 bytes or more is formatted in temporary pages of the system and then copied
 *        if hf_peek() was called just before, or if the arena has no room for it and an on_failure;
 *        without such pages: HF_NO_MEMORY. */
HF_API char *hf_asprintf(hf_arena *arena, const char *format, ...) HF_FORMAT(2, 3);

/** Formats a text, as vsprintf does, in a new block of the size that it needs.
 *  @param arena      the arena; not NULL
 *  @param format     a format of printf
 *  @param arguments  its arguments; texts may lie in the arena. The caller calls va_end
 *  @return the text, aligned to 8; NULL if it failed and on_failure is NULL or returned false;
 *          hf_last_error().status is
 *  - HF_INVALID: format is NULL or printf fails on it, or the arena is closed
 *  - HF_WRONG_STATE: on_failure closed the arena and opened it again, or a forked child cannot grow
 *    the read-write image of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note A text of 512 bytes or more is formatted in temporary pages of the system and then copied
 *        if hf_peek() was called just before, or if the arena has no room for it and an on_failure;
 *        without such pages: HF_NO_MEMORY. */
HF_API char *hf_vasprintf(hf_arena *arena, const char *format, va_list arguments) HF_FORMAT(2, 0);

/** Formats a text, as sprintf does, and appends it to a text of the arena: in place if that is the
 *  last block, else in a new block, to which the old text is copied. So a text that is built step
 *  by step, with nothing else allocated in between, is never copied.
 *  @param arena   the arena; not NULL
 *  @param text    a text in a block of this arena, to its end; its block ends behind its NUL, or it
 *                 is copied. NULL: the same as hf_asprintf()
 *  @param format  a format of printf
 *  @param ...     its arguments; texts may lie in the arena, and may be `text` itself
 *  @return the text with what was appended: `text` itself, or a block that is aligned to 8; NULL if
 *          it failed and on_failure is NULL or returned false: `text` is unchanged, unless
 *          on_failure freed it; hf_last_error().status is
 *  - HF_INVALID: the text is not in the allocated bytes of this arena, format is NULL or printf
 *    fails on it, or the arena is closed
 *  - HF_WRONG_STATE: on_failure freed the text, or closed the arena and opened it again, or a
 *    forked child cannot grow the read-write image of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note Reads the text to find its end. What is appended, if it has 512 bytes or more, is
 *        formatted in temporary pages of the system as by hf_asprintf(), also in the last bytes of
 *        a reservation; without such pages: HF_NO_MEMORY. */
HF_API char *hf_asprintf_append(hf_arena *arena, char *text, const char *format, ...)
    HF_FORMAT(3, 4);

/** Formats a text, as vsprintf does, and appends it to a text of the arena, as hf_asprintf_append()
 *  does.
 *  @param arena      the arena; not NULL
 *  @param text       a text in a block of this arena; NULL: the same as hf_vasprintf()
 *  @param format     a format of printf
 *  @param arguments  its arguments; texts may lie in the arena, and may be `text` itself. The
 *                    caller calls va_end
 *  @return the text with what was appended: `text` itself, or a block that is aligned to 8; NULL if
 *          it failed and on_failure is NULL or returned false: `text` is unchanged, unless
 *          on_failure freed it; hf_last_error().status is
 *  - HF_INVALID: the text is not in the allocated bytes of this arena, format is NULL or printf
 *    fails on it, or the arena is closed
 *  - HF_WRONG_STATE: on_failure freed the text, or closed the arena and opened it again, or a
 *    forked child cannot grow the read-write image of its parent
 *  - HF_RESERVE_FULL: the reservation has no room for it, or the arena is a read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow
 *  @note Costs what hf_asprintf_append() costs. */
HF_API char *hf_vasprintf_append(hf_arena *arena, char *text, const char *format, va_list arguments)
    HF_FORMAT(3, 0);

/** @} */

/** @name Rewinding
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

/** A position in an arena, in bytes from base: hf_get_mark(). */
typedef size_t hf_mark;

/** Returns the current position. Makes no call: O(1).
 *  @param arena  the arena; not NULL
 *  @return a mark for hf_rewind(); 0 for a closed arena */
static inline hf_mark hf_get_mark(const hf_arena *arena) {
    return arena->state ? (size_t)(arena->pos - arena->state->base) : 0;
}

/** Frees everything that was allocated since the mark, and makes the calls that were deferred since
 *  then. Releases no memory to the system. O(1) if no view of a file and no deferred call lies
 *  above the mark. With fault_after_rewind the whole pages that are freed are
 *  decommitted, and pos stays behind them.
 *  @param arena  the arena; not NULL
 *  @param mark   from hf_get_mark() on this arena, not above pos; 0: frees everything
 *  @return
 *  - HF_OK: pos is at the mark (with fault_after_rewind, in or behind the mark's page), or lower
 *    where a deferred call went back further
 *  - HF_INVALID: the mark is above pos or within a view, or the arena is closed; nothing has
 *    changed. Or a deferred call appended a file at the mark: pos is behind that file
 *  - HF_WRONG_STATE: a read-only image and a mark below pos, or a read-write image in a forked
 *    child; nothing has changed
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_ADDRESS: releasing the views above the mark
 *    or, with fault_after_rewind, the pages failed. pos stays above the views that were not
 *    released, and rewinding again continues; the pages stay readable (HF_UNSUPPORTED: a Windows
 *    that decommits no part of a region; HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN) */
HF_API hf_status hf_rewind(hf_arena *arena, hf_mark mark);

/** Defers a call: the function is called when the arena goes back below this point, by hf_rewind(),
 *  hf_reset(), hf_scope_end() or hf_arena_close(), the call that was deferred last first. So what
 *  a block refers to, a file or a lock say, is closed when the block is freed.
 *
 *  When it is called, what was allocated after the call was deferred is free, and what was
 *  allocated before is still there. The function may allocate in the arena, rewind or reset it, and
 *  defer calls, which are made at once. It may leave by longjmp: then pos stays where it is, and
 *  going back again makes the remaining calls (if hf_arena_close() was left, close again). It must
 *  not close the arena. After a fork parent and child make the calls, each in its copy.
 *  @param arena     the arena; not NULL
 *  @param function  what is called, once; not NULL
 *  @param data      its argument
 *  @return
 *  - HF_OK: the call is deferred. It takes three words of the arena
 *  - HF_INVALID: function is NULL, or the arena is closed
 *  - HF_UNSUPPORTED: the arena is an image, in which the function's address means nothing later
 *  - HF_RESERVE_FULL: the reservation has no room for the call; on_failure was called
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings;
 *    on_failure was called
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN); on_failure
 *    was called
 *  @note Costs an allocation, and nothing while there is none. Arenas without images only: saving
 *        one with hf_arena_save() leaves the calls out. */
HF_API hf_status hf_defer(hf_arena *arena, void (*function)(void *), void *data);

/** Frees everything, and ends every scope. Memory stays committed for the next frame (what happens
 *  until the next hf_reset()), and is released when frames have done much work without it:
 *
 *      if peak >= committed / 2:  work = needed = 0          (peak: of the frame that ends)
 *      else:                      work += peak + 64,  needed = max(needed, peak)
 *      if work >= 64 * max(committed - needed, 1 MiB):
 *          trims to max(needed + a growth step, retain);  work = needed = 0
 *
 *  So whatever the sizes of frames are, at most one in 64 of the bytes that they use is released
 *  and faults again, and what stays committed is at most twice what recent frames needed, or 4 MiB
 *  more. docs/reset.md has the proof. If it fails, the scopes stay open.
 *  @param arena  the arena; not NULL
 *  @return
 *  - HF_OK: the arena is empty
 *  - HF_INVALID: the arena is closed
 *  - HF_WRONG_STATE: a read-only image that is not empty, or a read-write image in a forked child
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_ADDRESS: a view was not unmapped, see
 *    hf_rewind(); or memory was not released: then pos is at 0, that memory stays usable, and the
 *    next hf_reset() tries again (HF_UNSUPPORTED: a Windows that decommits no part of a region;
 *    HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN) */
HF_API hf_status hf_reset(hf_arena *arena);

/** Releases committed memory beyond what is allocated. For a read-write image it only unmaps; the
 *  file is truncated when the image is closed.
 *  @param arena  the arena; not NULL
 *  @param keep   how many bytes from base on stay committed (if they are), rounded up to whole
 *                pages. What is allocated always stays; 0: nothing else does
 *  @return
 *  - HF_OK: nothing beyond is committed
 *  - HF_INVALID: the arena is closed
 *  - HF_WRONG_STATE: a read-write image in a forked child
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_ADDRESS: the system failed; memory that was
 *    not released stays usable (HF_UNSUPPORTED: a Windows that decommits no part of a
 *    region; HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN)
 *  @note Makes three system calls at most if the native backend can release many regions at once
 *        (POSIX), else one to four for each growth step that it releases. */
HF_API hf_status hf_trim(hf_arena *arena, size_t keep);

/** A mark that knows its arena: hf_scope_begin(). The fields may be read. */
typedef struct hf_scope {
    hf_arena *arena; /**< the arena that hf_scope_end() rewinds */
    hf_mark mark;    /**< where the scope began */
    size_t depth;    /**< its nesting depth when it began, from 1 on; 0: it never was open */
    size_t number;   /**< counts all scopes of the arena, from 1 on */
} hf_scope;

/** Begins a scope: notes the position to which hf_scope_end() rewinds. Scopes nest. O(1), allocates
 *  nothing, cannot fail.
 *  @param arena  the arena; not NULL. For a closed one the scope that is returned has already ended
 *  @return the scope, for hf_scope_end() */
HF_API hf_scope hf_scope_begin(hf_arena *arena);

/** Ends a scope: rewinds the arena to the scope's beginning, as hf_rewind() does, and ends the
 *  scopes that began within it and are still open (because of a longjmp, say). O(1) if no view of a
 *  file lies above the scope's beginning.
 *  @param scope  from hf_scope_begin() or hf_scratch_begin(); its arena must be where it was then
 *  @return
 *  - HF_OK: everything that was allocated since the scope began is free
 *  - HF_WRONG_STATE: the scope has already ended, by a call for it or for an outer scope, by
 *    hf_reset(), or because the arena is closed; or the arena is a read-only image with
 *    allocations above the scope's beginning, or a read-write image in a forked child. Nothing has
 *    changed
 *  - HF_INVALID: pos is below the scope's beginning, because of hf_rewind(); nothing has changed,
 *    and the scope stays open
 *  - HF_NO_MEMORY, HF_MAP_LIMIT, HF_UNSUPPORTED, HF_NO_ADDRESS: releasing the views above the
 *    scope's beginning or, with fault_after_rewind, the pages failed; pos stays above the views
 *    that were not released. The scope stays open: end it again (HF_UNSUPPORTED: a Windows that
 *    decommits no part of a region; HF_NO_ADDRESS: after mlockall(MCL_FUTURE), EAGAIN)
 *  @note Two ended scopes are not recognised as ended while another scope is open at their depth:
 *        one whose depth is above 64, and one of an hf_arena that was closed and opened again since
 *        then. */
HF_API hf_status hf_scope_end(hf_scope scope);

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

/** A pointer in 32 bits: 1 + offset / 8, where offset is in bytes from base; 0 is NULL. It can
 *  refer to the first 32 GiB - 8 of an arena, and stays valid if the arena's image is mapped at
 *  another address. */
typedef uint32_t hf_ref;

/** Converts a pointer to a ref. O(1).
 *  @param arena    the arena; not NULL
 *  @param pointer  an allocated byte at a multiple of 8 from base, or pos; NULL: 0 is returned
 *  @return the ref; 0 for NULL, and if it failed: HF_INVALID, because the pointer is not a multiple
 *          of 8 from base, not allocated, or beyond 32 GiB, or the arena is closed */
HF_API hf_ref hf_to_ref(const hf_arena *arena, const void *pointer);

/** Converts a ref to a pointer. Inlined, O(1).
 *  @param arena  the arena; not NULL
 *  @param ref    from hf_to_ref() on this arena or, in an image, in an earlier run
 *  @return the pointer; NULL for 0, for a ref at or above pos (so also for a block of 0 bytes at
 *          pos), and for a closed arena. The last error does not change */
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

/** The memory that an arena uses and has used: hf_arena_get_stats(). */
typedef struct hf_arena_stats {
    size_t used;         /**< bytes allocated, padding included */
    size_t committed;    /**< bytes of private memory committed; views do not count */
    size_t reserved;     /**< bytes of address space */
    size_t peak;         /**< the highest `used` since the arena was opened */
    size_t high_water;   /**< the high-water mark, in bytes from base: the highest byte allocated or
                          *   returned by hf_peek() since its pages were committed; above it
                          *   committed bytes are zero */
    size_t growths;      /**< growth steps taken */
    size_t system_calls; /**< system calls made for this arena so far; for one of a pool: for all
                          *   of its pool */
    size_t viewed;       /**< bytes of views: images, and files appended */
} hf_arena_stats;

/** Returns the statistics of an arena. Makes no system call.
 *  @param arena  the arena; not NULL
 *  @return the statistics; all zero for a closed arena */
HF_API hf_arena_stats hf_arena_get_stats(const hf_arena *arena);

/** @} */

#ifdef __cplusplus
}
#endif

/* Two chapters of the arena, so that one include is enough for all of it. */
#include "image.h"
#include "scratch.h"

#endif
