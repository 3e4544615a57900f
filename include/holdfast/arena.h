/*
 * holdfast/arena.h -- a bump allocator over a space of its own: contiguous, growing in place,
 * never moving.
 *
 *     hf_arena arena;
 *     if (hf_arena_open(&arena, NULL) != HF_OK) return 1;    // 64 GiB of addresses, no memory yet
 *     for (;;) {                                             // one frame after the other
 *         struct entity *entities = hf_new_array(&arena, struct entity, 1000);
 *         char *title = hf_printf(&arena, "frame %d", frame++);
 *         ...
 *         hf_reset(&arena);                                  // all at once; the memory is kept
 *     }
 *     hf_arena_close(&arena);
 *
 *      base          pos       limit                                 base + reserved
 *      |  handed out  |  ready  |               placeholder                 |
 *       <------ committed ------>
 *
 * An allocation moves pos. When it would pass limit, the arena commits the next step behind limit;
 * what lies behind limit is always one placeholder. Going back (hf_rewind, hf_reset) moves pos;
 * only hf_trim and hf_reset give memory back, from the top.
 *
 * Units: sizes, marks and statistics are bytes. An alignment is a power of two up to
 * HF_MAX_ALIGNMENT.
 *
 * Errors: a function that returns memory returns NULL when it fails, after asking on_failure; one
 * that returns a status returns it; hf_last_error() tells more. INVALID: the alignment, or an
 * argument that is none of this arena's. RESERVE_FULL: the reservation ends; sizes near SIZE_MAX
 * end here too. NO_MEMORY and MAP_LIMIT: the system refused to commit. A call that fails leaves
 * the arena as it was. (Where the system refuses an undo as well, memory may stay committed behind
 * limit; the next growth or trim releases it.)
 *
 * Threads: an arena belongs to one thread at a time; there is no lock in it. Different arenas
 * are independent. Don't copy an hf_arena: move it by a pointer.
 *
 * Costs: hf_alloc is inlined: an add, a mask, two compares and a prefetch; no counter, no lock, no
 * header before the block. Growth takes one or two system calls for each step, and a step is at
 * least half of what is committed (2 to 64 MiB), so a frame loop in steady state makes none.
 *
 * Sanitizers: in a process under AddressSanitizer or Valgrind what is not handed out is poisoned,
 * blocks are parted by red zones, going back poisons, closing unpoisons. No build flag is
 * needed, and objects built with and without the sanitizer mix: in such a process limit is kept at
 * pos, so that every allocation takes the slow path, which marks. To MemorySanitizer, as to
 * Valgrind, allocated and rewound bytes are not written, and zeroed ones are; it needs the library
 * built with -fsanitize=memory too. To LeakSanitizer a block that an arena points to is no leak.
 *
 * Caveats
 *   overcommit    Linux promises more memory than it has (vm.overcommit_memory 0): the process
 *                 can be killed at the first touch of a page, long after OK. With 2, growth is
 *                 refused in time (NO_MEMORY).
 *   ulimit -v     counts reservations: opening falls back by halving down to least_reserve. The
 *                 first of several arenas then takes half of it or more, and later default ones 1
 *                 GiB or less: give each a fair `reserve`.
 *   mlockall      with MCL_FUTURE a reservation counts as locked memory: the same fallback.
 *   fork          the child has a copy of everything, at the same addresses.
 *   cgroups       a memory limit kills at the touch, it does not refuse.
 *   max_map_count a process may have some 65,000 mappings; an arena of any size takes three.
 *   Windows       committed memory is charged against RAM + paging file at once: hf_trim what a
 *                 spike left behind.
 */
#ifndef HOLDFAST_ARENA_H
#define HOLDFAST_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "status.h"

/* ------------------------------------------------- what compilers spell differently ------ */

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
#define HF_PRINTF(text, first) __attribute__((format(printf, text, first)))
#elif defined(__GNUC__)
#define HF_PRINTF(text, first) __attribute__((format(gnu_printf, text, first)))
#else
#define HF_PRINTF(text, first)
#endif

/* -------------------------------------------------------------- an arena ---------------- */

#ifdef __cplusplus
extern "C" {
#endif

#define HF_MAX_ALIGNMENT ((size_t)1 << 21)

/* An arena is written from end to end, and processors foresee streams of stores badly: a page ahead
 * saves a quarter of the time where memory is not in the cache, and costs nothing where it is. */
#define HF_PREFETCH_AHEAD 4096

#if UINTPTR_MAX > UINT32_MAX
/* 64-bit: an address at which no system puts anything by itself, for an arena of up to 64 GiB that
 * is to lie at the same place in every run, also under AddressSanitizer, ThreadSanitizer,
 * MemorySanitizer and Valgrind. A system with fewer than 47 bits of addresses has no such place:
 * HF_NO_ADDRESS. */
#define HF_BASE_FIXED ((void *)0x550000000000)
#endif

/* Three words, and the fast path needs no more. pos and limit may be read by anyone. */
typedef struct hf_arena {
    char *pos;   /* the next free byte */
    char *limit; /* to here an allocation needs no call; may lie below what is committed */
    struct hf_arena_state *state;
} hf_arena;

/* The beginning of an arena's state, for the inline functions below. */
struct hf_arena_state {
    char *base;
};

typedef enum hf_huge_pages {
    HF_HUGE_AUTO, /* huge pages but for the first 2 MiB, so that a small arena stays small */
    HF_HUGE_NEVER,
    HF_HUGE_ALWAYS /* from the first byte on */
} hf_huge_pages;

/*
 * Called when an allocation of `size` bytes failed. True: try again (something was freed, say by
 * hf_rewind, or a limit was raised); false: the allocation returns NULL. After INVALID, and where
 * the system has no pages to format a text in, there is no second try, so the answer counts for
 * nothing. It may leave by longjmp or by a C++ exception: the arena is whole and no lock is held.
 *
 * A copy whose source it freed (hf_resize's old block, what hf_strdup, hf_strndup or hf_memdup
 * read) is not made: HF_STATE, and nothing is read. The arguments of hf_printf may be freed: the
 * text is complete by then. Where it closes the arena and opens it again, copies and long texts are
 * HF_STATE.
 */
typedef bool hf_on_failure(hf_arena *arena, hf_status status, size_t size, void *user);

/* Zero is a good default for every field. Fields are only ever appended. */
typedef struct hf_arena_options {
    /* Bytes of address space, rounded up to the granule; 0: the default, see below. Where the
     * system has not so many addresses, it is halved down to least_reserve (0: 1 MiB, or reserve if
     * less). A least_reserve that is larger than the default raises it. */
    size_t reserve;
    size_t least_reserve;
    void *base;    /* exact address (a multiple of HF_BASE_ALIGNMENT), or NO_ADDRESS */
    size_t retain; /* hf_reset keeps at least so much committed; SIZE_MAX: all */
    hf_huge_pages huge_pages;
    bool populate;             /* fault pages in when they are committed: no faults later */
    bool fault_after_rewind;   /* debugging: whole pages that are rewound fault from then on and are
                                  never used again; this uses up the reservation. UNSUPPORTED, from
                                  what goes back, on a Windows that decommits no part of a region */
    hf_on_failure *on_failure; /* NULL: a failed allocation returns NULL */
    void *user;                /* for on_failure */
    const char *name;          /* shown by the system where it can; outlives the arena */
    const hf_backend *backend; /* NULL: the native one; outlives the arena */
    uint64_t tag;              /* image: of the program's format; another one's is CORRUPT */
    bool any_base;             /* image: another address will do, the program uses refs only */
} hf_arena_options;

/*
 * The default reservation, where `reserve` is 0, keeps addresses for malloc, threads and rings,
 * also in a process with thousands of arenas. It is
 *     64 GiB, halved down to 1 GiB      while all default reservations together are below 8 TiB
 *      1 GiB, halved down to 64 MiB     below 16 TiB
 *     64 MiB, halved down to 1 MiB      from then on
 * Windows before 8.1, which charges memory for reserved addresses, begins with 1 GiB. (32 bits: 256
 * MiB below 1 GiB, 32 MiB below 1.5 GiB, then 4 MiB.) Closing an arena gives its part back. Where
 * the system has not all of a size, later arenas begin with the next one, until one is closed.
 * Images count; a `reserve` that is named neither counts nor is made smaller by others.
 */

/*
 * Opens an arena: reserves addresses, commits nothing. options may be NULL. On failure the arena
 * is zeroed: allocations from it return NULL and closing it does nothing.
 * INVALID: a base that is not aligned or wraps, least_reserve above a reserve that is named, a
 * huge_pages that is none of the three. NO_ADDRESS: the base
 * is taken, or the system has not least_reserve bytes of addresses. NO_MEMORY: none for the
 * arena's own records.
 */
hf_status hf_arena_open(hf_arena *arena, const hf_arena_options *options);

/* Gives everything back to the system and zeroes the arena. A zeroed arena and NULL are allowed. */
void hf_arena_close(hf_arena *arena);

/* The first byte of the reservation; NULL for a closed arena. Constant while it is open. */
char *hf_arena_base(const hf_arena *arena);

/* True when the pointer lies in the arena's reservation, handed out or not. */
bool hf_owns(const hf_arena *arena, const void *pointer);

/* ------------------------------------------------------------- allocating ----------------- */

/* The rest of hf_alloc when it does not fit below limit. */
HF_COLD void *hf_alloc_slow(hf_arena *arena, size_t size, size_t align);

/*
 * `size` bytes at a multiple of align. Size 0 returns an aligned pointer to no bytes. The bytes
 * are not cleared. Consecutive blocks are not promised to touch: to have more bytes behind a
 * block, hf_extend it.
 */
static inline void *hf_alloc(hf_arena *arena, size_t size, size_t align) {
    /* The next call waits for pos alone, so the way there is short: add, mask, add. The checks
     * stand beside it. They cannot wrap: where rounding up does, pad is still right, and too large;
     * room - size is reached only when size < room. No room at all is left to the slow path even
     * for size 0: a closed arena has none. */
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

/* The same, cleared. Costs nothing for bytes that were never handed out since they were fresh. */
void *hf_alloc_zeroed(hf_arena *arena, size_t size, size_t align);

/* `count` zeroed elements; a product that wraps is RESERVE_FULL. */
void *hf_alloc_array(hf_arena *arena, size_t count, size_t size, size_t align);

/* One zeroed T; n zeroed T. In C++ any T will do, but no constructor runs: construct it in place,
 * by new (hf_alloc(arena, sizeof(T), alignof(T))) T(...). No destructor runs when the arena goes
 * back. */
#define hf_new(arena, T) HF_AS(T, hf_alloc_zeroed((arena), sizeof(T), HF_ALIGNOF(T)))
#define hf_new_array(arena, T, n) HF_AS(T, hf_alloc_array((arena), (n), sizeof(T), HF_ALIGNOF(T)))

/*
 * Makes a block larger or smaller where it lies. Grows only the last block; shrinking the last
 * block moves pos back, shrinking another is true and frees nothing. New bytes are not cleared.
 * A last block that shrinks to 0 bytes is freed, with its red zone under a sanitizer: it lies at
 * pos then, and can grow again.
 * False: the block is not the last (STATE), is none of this arena's (INVALID), or growth was
 * refused; nothing has changed, and on_failure is not called.
 */
bool hf_extend(hf_arena *arena, void *block, size_t old_size, size_t new_size);

/* The same, with the new bytes cleared. */
bool hf_extend_zeroed(hf_arena *arena, void *block, size_t old_size, size_t new_size);

/*
 * Extends the block in place, or else copies old_size bytes to a new one; shrinking never copies.
 * A NULL block allocates. A block that grows is at a multiple of align then, one that shrinks stays
 * where it is. NULL when it fails: the old block is as it was, unless on_failure freed it
 * (HF_STATE). STATE, too, for a forked child that would shrink a block of its parent's image.
 */
void *hf_resize(hf_arena *arena, void *block, size_t old_size, size_t new_size, size_t align);

/*
 * A peek at the next free bytes: at least `least` of them, *room in all (room may be NULL). Fill
 * them, say with read(2), then hf_alloc(arena, used, 1) hands out the same bytes. Until the next
 * call that allocates, extends or goes back they may also be arguments of hf_strdup, hf_strndup,
 * hf_memdup, hf_printf and hf_vprintf, whose block overlaps them and is right. NULL when it fails.
 */
char *hf_top(hf_arena *arena, size_t least, size_t *room);

/*
 * After OK the next `size` bytes handed out, padding included, cannot fail; with the option
 * populate they do not fault either. on_failure is not called. (Red zones under sanitizers
 * count as padding.)
 */
hf_status hf_ensure(hf_arena *arena, size_t size);

/* Copies, aligned to 8 so that they can have a ref. strndup copies at most `most` bytes and ends
 * them with a zero; memdup of size 0 returns a pointer to no bytes. INVALID: a NULL text. */
char *hf_strdup(hf_arena *arena, const char *text);
char *hf_strndup(hf_arena *arena, const char *text, size_t most);
void *hf_memdup(hf_arena *arena, const void *bytes, size_t size);

/* Formatted text, aligned to 8. INVALID: a format that printf fails on. A text of 512 bytes and
 * more is formatted in pages of the system's first, and then copied, if hf_top has just shown
 * bytes, or if the arena has no room for it and an on_failure: NO_MEMORY without these. */
char *hf_printf(hf_arena *arena, const char *format, ...) HF_PRINTF(2, 3);
char *hf_vprintf(hf_arena *arena, const char *format, va_list arguments) HF_PRINTF(2, 0);

/* -------------------------------------------------------------- going back ---------------- */

/* A position: bytes from base. A lower mark was taken before, or after going back further. */
typedef size_t hf_mark;

static inline hf_mark hf_get_mark(const hf_arena *arena) {
    return arena->state ? (size_t)(arena->pos - arena->state->base) : 0;
}

/*
 * Hands back all that was handed out since the mark. Releases no memory; O(1). INVALID: a mark
 * above pos; nothing has changed. With fault_after_rewind the whole pages handed back are
 * decommitted, pos stays behind them, and a refusal is returned (the pages then stay readable).
 */
hf_status hf_rewind(hf_arena *arena, hf_mark mark);

/*
 * Hands back everything. Keeps committed what recent peaks needed, and releases what lies beyond:
 *     keep = max(peak since the last reset, keep - keep / 8, retain)
 *     trims to keep when committed > keep + max(2 MiB, keep / 4)
 * so a loop in steady state makes no system call, and after a spike the memory goes back step by
 * step. A release that fails is returned, and that memory stays usable: the next reset tries again.
 * It ends every scope. Where it fails (going back below views of files, HF_STATE for a read-only
 * image, or the release, with pos at 0) the scopes have not ended.
 */
hf_status hf_reset(hf_arena *arena);

/*
 * Decommits and coalesces all beyond max(used, keep), rounded up to the granule. A refusal is
 * returned; what was not released stays usable. Costs one to four system calls for each growth
 * step released.
 */
hf_status hf_trim(hf_arena *arena, size_t keep);

/*
 * A mark that remembers its arena. Ending a scope rewinds to its beginning, and ends the scopes
 * begun within it that are still open (a longjmp may have left them). STATE: it is ended already,
 * by itself, by an outer one or by hf_reset; nothing has changed. Where the rewind fails its status
 * is returned, and the scope has not ended: end it again. (Scopes nested deeper than 64 are told
 * apart by their depth alone.)
 */
typedef struct hf_scope {
    hf_arena *arena;
    hf_mark mark;
    size_t depth, number; /* among the open ones, and among all */
} hf_scope;

hf_scope hf_scope_begin(hf_arena *arena);
hf_status hf_scope_end(hf_scope scope);

/*
 * Two arenas for temporary work, owned by the caller, usually one pair for each thread. A function
 * that returns memory in an arena it was given names that arena as the conflict, and gets a scope
 * on the other one, so that its temporaries and its result never share an arena:
 *
 *     char *join(hf_scratch *scratch, hf_arena *result, ...) {
 *         hf_scope temporary = hf_scratch_begin(scratch, result);
 *         char *work = hf_alloc(temporary.arena, ...);
 *         char *joined = hf_printf(result, ...);
 *         hf_scope_end(temporary);
 *         return joined;
 *     }
 */
typedef struct hf_scratch {
    hf_arena arenas[2];
} hf_scratch;

/* The options are those of each of the two; options->base must be NULL (INVALID). Whole or not at
 * all; the errors are hf_arena_open's. */
hf_status hf_scratch_open(hf_scratch *scratch, const hf_arena_options *options);
void hf_scratch_close(hf_scratch *scratch);
hf_scope hf_scratch_begin(hf_scratch *scratch, const hf_arena *conflict); /* conflict may be NULL */

/* -------------------------------------------------------------------- refs ---------------- */

/* A pointer in 32 bits: 1 + offset / 8; 0 is NULL. Reaches the first 32 GiB - 8 of an arena, and
 * means the same wherever the arena lies. */
typedef uint32_t hf_ref;

/* 0 for NULL; 0 with INVALID for a pointer that is not at a multiple of 8 from base, not handed
 * out, or too far. */
hf_ref hf_to_ref(const hf_arena *arena, const void *pointer);

/* NULL for 0, and for a ref to bytes that are not allocated: at pos or above it. So a ref to a
 * block of 0 bytes at pos is NULL too, until bytes are allocated there. */
static inline void *hf_from_ref(const hf_arena *arena, hf_ref ref) {
    uint64_t offset = ((uint64_t)ref - 1) * 8; /* of ref 0: beyond every arena */
    if (arena->state == NULL || offset >= hf_get_mark(arena)) return NULL;
    return arena->state->base + (size_t)offset;
}

/* ------------------------------------------------------------------ images ---------------- */

/*
 * An image is a file that holds an arena: 64 KiB of header, then the arena's bytes, each as far
 * from the first as in memory. Pointers in it are good where the arena comes to lie at the address
 * at which it was written, which is what hf_arena_open_file does by default; refs are good
 * anywhere.
 *
 *     hf_arena_open_file(&arena, "world.image", HF_READ_WRITE, &options);
 *     struct world *world = hf_arena_root(&arena);
 *     if (world == NULL) hf_arena_set_root(&arena, world = hf_new(&arena, struct world));
 *     ... hf_arena_sync(&arena) ...                        // on disk, as it is now
 *     hf_arena_close(&arena);
 */

/*
 * Opens an image, or with HF_READ_WRITE makes a new one where there is no file or an empty one.
 *
 *   HF_READ_WRITE     persistent: what is allocated and stored is in the file. It is as long as
 *                     was committed while it is open, as what is used afterwards. Nobody else
 *                     has it open.
 *   HF_COPY_ON_WRITE  a snapshot: stores and growth are private, the file stays as it is. Takes
 *                     the same time whatever the size: pages are read when they are touched.
 *   HF_READ_ONLY      frozen: stores fault; allocating is RESERVE_FULL, going back is STATE.
 *
 * Readers share an image; a file with a writer is BUSY to readers, one with a reader to writers.
 * The file is the one that the path names once it is locked.
 *
 * options as for hf_arena_open, with these additions. base NULL: where the arena lay, else
 * NO_ADDRESS, and hf_last_error().reason says what to do; a base that is named must be that one
 * (INVALID); any_base: there if it is free, anywhere else if not, and the image goes on saying
 * where it was written. A new image lies where no system puts anything by itself (0x410000000000
 * and above, 0x1000000000 and above with 39 bits of addresses), at one of 240 places chosen by
 * chance: so two images rarely need the same place, and one opens again whatever else the program
 * has mapped. ThreadSanitizer and MemorySanitizer forbid most addresses: there new images lie at
 * 0x551000000000 and above, and one from elsewhere is NO_ADDRESS. tag: CORRUPT where the image has
 * another. reserve: less than the image takes is RESERVE_FULL; least_reserve is raised to what it
 * takes.
 *
 * Everything is checked before anything is mapped. INVALID: a NULL or empty path. CORRUPT: no
 * image, damaged, cut off, of another byte order or pointer size, changed while it was opened;
 * hf_last_error().reason says which. UNSUPPORTED: written by a later version, not a regular file,
 * one of huge pages (hugetlbfs), a file system without locks, or a system without placeholders.
 * BUSY, IO, NO_SPACE, NO_ADDRESS, NO_MEMORY, MAP_LIMIT. On failure the arena is zeroed, and the
 * image is as it was, and so is its file, but for what a crash left in it behind the last sync,
 * which HF_READ_WRITE cuts off, and holes, some of which may have blocks now; one that was made is
 * empty.
 *
 * A persistent arena grows by its file, block by block on the disk before memory shows it: a full
 * disk, a quota or a file-size limit is NO_SPACE from the call that grows, which gives back what it
 * got, and the arena goes on with what it has. Opening with HF_READ_WRITE allocates the blocks that
 * the file lacks: the holes of a sparse copy, on XFS the blocks of a reflinked one. So no store
 * meets a full disk, with these exceptions: btrfs, where a file that holdfast made stores in place
 * (NOCOW), but a copy of it, or one that a snapshot of the file system shares, does not; other file
 * systems that write each block to a new place (ZFS, bcachefs, btrfs with compression); on Windows
 * a copy on ReFS, such as a Dev Drive, whose blocks are shared; and a network's. There a store to a
 * full disk can end the process (SIGBUS), as can any access after another program cut the file, or
 * reading a hole of a file on a full tmpfs.
 *
 * Fork: only the process that opened an image writes it. In a child a persistent arena can be read
 * and saved elsewhere; growing, syncing, going back and hf_arena_set_root fail with STATE, and
 * closing only unmaps.
 * (An allocation in a child that needs no growth succeeds, and its stores reach the file: do not.)
 * Closing in the parent releases the lock although a child lives. A parent that ends without
 * closing, because it is killed say, leaves the image BUSY until each child that it forked while
 * the image was open has ended, closed the arena, or called exec.
 *
 * populate, huge pages and fault_after_rewind are for private memory. What a trim gives back is
 * addresses; the file is cut when it closes.
 */
hf_status hf_arena_open_file(hf_arena *arena, const char *path, hf_access access,
                             const hf_arena_options *options);

/*
 * Makes what a persistent arena holds now durable: its bytes first, then the record of how many
 * there are and of the root. After a crash the image opens as it was at the last sync, if bytes
 * below that mark were not changed since; what was allocated later is gone. After going back, sync
 * before the space is used again. hf_arena_close syncs too, and cannot say how it went.
 *
 * A sync that failed is never followed by one that succeeds: the system may have dropped the bytes
 * that it could not write and call them written. Every later sync returns the same error, closing
 * writes nothing more, and the image opens as it was at the last sync that succeeded. To go on,
 * close it and open it again, or save the arena under another path.
 * STATE: not a persistent arena, or a child of the process that opened it (this alone does not
 * last). IO: also where the file has no name any more, because each was deleted or another file was
 * renamed over it. Only the number of its links is looked at: a file that has another hard link, or
 * was moved to another path, is synced. NO_SPACE. On Windows a flush that meets a lock (33) is
 * tried again first, for 4 s at most.
 */
hf_status hf_arena_sync(hf_arena *arena);

/*
 * Writes an image of any arena, to lie where the arena does: whole and durable under its path, or
 * not at all.
 *
 * An arena that was opened without a base lies where the system happened to put it. In a later run
 * other arenas or libraries often lie there, and the image is NO_ADDRESS. So give an arena whose
 * image is to be opened again a base (HF_BASE_FIXED or another); or, if it holds refs and no
 * pointers, open the image with any_base.
 *
 * An image that was there stays whole until then; readers keep what they have open. The
 * new file has the mode of the one that it replaces and, where the system allows it, its owner and
 * group; where the group can't be kept, it gets no rights. (On Windows: its access list, its owner
 * where that is allowed, and its attributes.) A symbolic link is followed: what it
 * leads to is replaced.
 *
 * The image is written beside its path, as PATH.saving00 or another number up to 99 (a long name is
 * cut). What a process that died left under these names, the next save of the same user to the path
 * deletes; drafts of living processes, files of other users and what is no regular file stay. An
 * image that may not be read is not replaced (IO), because it may be open for writing. (On Windows
 * an image that is mapped is moved away first, to .hf-aside behind its path, from where it comes
 * back when it is opened after a crash; while it cannot be deleted, its name ends in .hf-over and a
 * number, and a later save deletes it.) INVALID: a closed arena, a NULL or empty path. BUSY: an
 * arena has the image at the path open with HF_READ_WRITE, this one or another. UNSUPPORTED: the
 * path names a folder, a device or a pipe. NO_SPACE, IO, NO_MEMORY. IO from a sync of the folder,
 * the last step (hf_last_error().call is "fsync"): the new image is in place, and may not be after
 * a crash of the system; save again.
 */
hf_status hf_arena_save(const hf_arena *arena, const char *path);

/* The object that a program finds the others from. The pointer must be handed out (INVALID); NULL
 * for none. Kept in images; NULL also where the arena went back below it. STATE: a read-only image,
 * whose root is that of its file; a persistent arena in a child of the process that opened it. */
hf_status hf_arena_set_root(hf_arena *arena, const void *object);
void *hf_arena_root(const hf_arena *arena);

/*
 * An existing file, read-only or copy-on-write, becomes the next bytes of the arena without being
 * read: *data at a page's beginning, *size the file's. Several of them are one array, if their
 * sizes are whole pages. The arena goes on in the page after the view.
 *
 *      |  handed out |pos  ready |       ->      |  handed out |  |  the file   | |pos
 *                                                   to a page's end     to a page's end
 *
 * Going back below the view's end unmaps it, and every view above it, the highest first; where that
 * fails, pos stays above what is left, and going back again goes on. A mark within a view is
 * INVALID: there was none. A file of size 0 gives size 0 and no view. INVALID: READ_WRITE, a NULL
 * or empty path; UNSUPPORTED: not a regular file, one of huge pages (hugetlbfs), a persistent or
 * frozen arena, or a system without placeholders; RESERVE_FULL; IO; NO_MEMORY; MAP_LIMIT: what was
 * committed beyond pos may be gone then, as after a trim. on_failure is not called.
 */
hf_status hf_arena_append_file(hf_arena *arena, const char *path, hf_access access, void **data,
                               size_t *size);

/* -------------------------------------------------------------- statistics ---------------- */

typedef struct hf_arena_stats {
    size_t used;         /* bytes handed out, padding included */
    size_t committed;    /* bytes committed from base on */
    size_t reserved;     /* bytes of address space */
    size_t peak;         /* the highest `used` since the arena was opened */
    size_t dirty;        /* the dirty line: above it committed bytes are zero */
    size_t growths;      /* growth steps taken */
    size_t system_calls; /* all made for this arena so far */
    size_t viewed;       /* bytes of views: images, and files appended */
} hf_arena_stats;

/* All zero for a closed arena. */
hf_arena_stats hf_arena_get_stats(const hf_arena *arena);

#ifdef __cplusplus
}
#endif

#endif
