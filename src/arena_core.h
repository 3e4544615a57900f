/*
 * arena_core.h -- the state of an arena, and the functions that its files share: arena.c allocates
 * and rewinds, budget.c sizes reservations, image.c keeps an arena in a file, append.c maps files
 * into the middle of an arena, text.c formats into it.
 */
#ifndef HF_ARENA_CORE_H
#define HF_ARENA_CORE_H

#include <holdfast/arena.h>
#include <holdfast/pool.h>
#include <holdfast/space.h>

#include "fail.h"
#include "image_header.h"
#include "numbers.h"
#include "reset_rule.h"
#include "space_record.h"

#if SIZE_MAX > UINT32_MAX
#define HF_GIB(n) ((size_t)(n) << 30)
#define HF_DEFAULT_RESERVE HF_GIB(64)
#else
#define HF_DEFAULT_RESERVE HF_MIB(256)
#endif
#define HF_DEFAULT_LEAST HF_MIB(1)

/* Open scopes up to this depth are identified by their number, deeper ones by their depth only. */
#define HF_SCOPES_KNOWN ((size_t)64)

typedef struct hf_arena_core hf_arena_core;
typedef struct hf_text_pages hf_text_pages; /* see text.c */
typedef struct hf_deferred hf_deferred;     /* see hf_defer in arena.c */

/* What an arena consists of, and which calls it allows. An image is HF_MODE_PRIVATE while it is
 * opened, until it is mapped and verified. */
typedef enum hf_arena_mode {
    HF_MODE_PRIVATE,    /* private memory and appended views; all calls but hf_arena_sync */
    HF_MODE_SNAPSHOT,   /* a copy-on-write image: one view, then as HF_MODE_PRIVATE */
    HF_MODE_READ_WRITE, /* a read-write image: views of its file, which grows with the arena */
    HF_MODE_READ_ONLY   /* a read-only image: one view; growth, hf_rewind, hf_arena_set_root fail */
} hf_arena_mode;

/* Offsets are bytes from the base of the reservation, sizes are bytes. */
struct hf_arena_core {
    struct hf_arena_state state; /* first: hf_arena.state points to it */
    hf_space *space;             /* its own, or the pool's */
    size_t origin; /* offset of the arena's base in the space; 0 unless it is a pool's */
    hf_pool *pool; /* NULL: the space is the arena's own */
    const hf_backend *backend;
    hf_arena_options options;
    hf_arena_mode mode;
    size_t page_size, reserved;
    size_t small_end;    /* offset up to which the arena grows in small steps */
    size_t huge_from;    /* offset from which on the range is advised about huge pages */
    bool is_advised;     /* the system has been advised about huge pages */
    size_t limit;        /* offset of the end of usable memory; hf_arena.limit may be lower */
    size_t peek_end;     /* offset of the end of the bytes that hf_peek returned last; 0: no peek */
    size_t peek_pos;     /* pos at that hf_peek */
    size_t lowest_pos;   /* lowest offset that pos went back to since a copy began; 0 at first */
    size_t fault_end;    /* with fault_after_rewind: pos never goes below this offset again */
    size_t views_end;    /* end of the highest appended view, or of a read-only image: to rewind
                         * below it, views have to be unmapped (append.c) */
    size_t high_water;   /* the high-water mark; pos may be higher, see arena.c */
    size_t peak;         /* highest pos since the arena was opened */
    size_t recent_peak;  /* highest pos since the last hf_reset */
    hf_reset_rule rule;  /* when hf_reset releases memory */
    size_t trimmed_from; /* limit before the last hf_trim that lowered it; 0: none */
    size_t left_behind;  /* bytes behind limit that a failed growth could not decommit */
    size_t depth;        /* number of open scopes */
    size_t newest_scope; /* number of the scope that was begun last */
    size_t scopes[HF_SCOPES_KNOWN + 1]; /* number of the open scope at each depth, from 1 on */
    size_t growths;                     /* growth steps so far */
    size_t own_calls;                   /* system calls that the space does not count */
    uint64_t root;                      /* offset + 1; 0: none */
    hf_text_pages *text_pages;
    hf_deferred *deferred;  /* the calls of hf_defer, the last one first; NULL: none */
    hf_file *image;         /* NULL: the arena was not opened from an image */
    hf_image_header record; /* of a read-write image: what the last successful sync wrote */
    hf_error sync_failure;  /* of the first sync that failed; HF_OK: none */
    uint64_t process;       /* of an image: the process that opened it; only it writes the file */
    size_t budgeted;        /* bytes counted in the address budget; 0: the program set `reserve` */
    bool is_sanitized;      /* the process runs under a sanitizer */
};

static inline hf_arena_core *hf_core_of(const hf_arena *arena) {
    return (hf_arena_core *)(void *)arena->state;
}

/* An appended file is mapped from file offset 0; an image's bytes begin behind its header. */
static inline bool hf_is_appended(const hf_region *region) {
    return region->kind == HF_VIEW && region->file_offset == 0;
}

static inline bool hf_is_read_only(const hf_arena_core *core) {
    return core->mode == HF_MODE_READ_ONLY;
}

static inline bool hf_is_read_write(const hf_arena_core *core) {
    return core->mode == HF_MODE_READ_WRITE;
}

/* True if the arena was initialised with HF_ARENA_LAZY and is not open yet. */
static inline bool hf_arena_is_lazy(const hf_arena *arena) {
    return arena->state == NULL && arena->pos != NULL;
}

/* For an arena whose state is NULL: opens it if it is lazy. Else it is closed: HF_INVALID. */
hf_status hf_arena_open_lazily(hf_arena *arena, const char *call, size_t size);

/* Restores the last error `before` if status is HF_OK, that is, when a fallback succeeded after a
 * call that failed. Returns status. */
static inline hf_status hf_restore_error(hf_status status, hf_error before) {
    if (status == HF_OK) hf_fail_with(before);
    return status;
}

/* Sets the last error to HF_INVALID, calls on_failure and returns NULL. The answer of on_failure is
 * ignored: trying again cannot succeed. */
void *hf_arena_fail(hf_arena *arena, const char *call, size_t size);

/* Calls on_failure for a last error that is set already, ignores its answer and returns NULL. */
void *hf_arena_give_up(hf_arena *arena, size_t size);

/* Frees the pages of formatted texts that were left when on_failure did a longjmp; in text.c. */
void hf_arena_free_text_pages(hf_arena_core *core);

/* True if [block, block + size) is allocated in this arena; false if it is closed. */
bool hf_arena_is_block(const hf_arena *arena, const void *block, size_t size);

/* True if it is the last such block, and no view: then it can grow and shrink. */
bool hf_arena_is_last_block(const hf_arena *arena, const void *block, size_t size);

/* True if the bytes that hf_peek returned are still the next free bytes, so that the program may
 * pass them as arguments to this call. */
bool hf_arena_is_peek_current(const hf_arena *arena);

/* Bytes to copy, which may lie in the arena; and the name of the calling function, for errors. */
typedef struct hf_arena_source {
    const char *call;
    const void *bytes;
    size_t size;
} hf_arena_source;

/* Copies the source to a new block of `size` bytes. The source may overlap the block: it may be
 * bytes that hf_peek returned. HF_WRONG_STATE: on_failure went back below the source's end; then
 * the source is not read. */
void *hf_arena_copy(hf_arena *arena, const hf_arena_source *source, size_t size, size_t align);

/* ---- The calls on the space, with offsets from the arena's base; in arena_space.c. Regions are
 * those of the arena's part of the space. */

bool hf_arena_find_region(const hf_arena_core *core, size_t offset, hf_region *region);
bool hf_arena_next_region(const hf_arena_core *core, hf_region *region);
hf_status hf_arena_commit_range(hf_arena_core *core, size_t offset, size_t size);
hf_status hf_arena_map_range(hf_arena_core *core, size_t offset, size_t size, hf_file *file,
                             uint64_t file_offset, hf_access access);
hf_status hf_arena_release_range(hf_arena_core *core, size_t offset, size_t size);
hf_status hf_arena_advise_range(const hf_arena_core *core, size_t offset, size_t size,
                                hf_advice advice);

/* Bytes of all regions of one kind. Goes through them. */
size_t hf_arena_count_bytes(const hf_arena_core *core, hf_kind kind);

/* ---- */

/* Moves pos to an offset and updates hf_arena.limit. */
void hf_arena_set_pos(hf_arena *arena, size_t offset);

/* Moves pos down to an offset: updates the high-water mark, the peaks and the root, and poisons the
 * bytes that are free now. */
void hf_arena_go_back(hf_arena *arena, size_t offset);

/* Runs a growth step, which commits or maps `size` bytes at limit. If an earlier undo failed,
 * [limit, reserved) is not one placeholder and the step fails with HF_WRONG_STATE: then releases
 * and coalesces that range and runs the step again. */
typedef hf_status hf_arena_step(hf_arena_core *, size_t size);
hf_status hf_arena_perform_step(hf_arena_core *core, size_t size, hf_arena_step *step);

/* Makes [keep, limit) placeholder and moves limit down. A view that begins below `keep` stays
 * whole. */
hf_status hf_arena_release_beyond(hf_arena *arena, size_t keep);

/* ---- Appended views, in append.c. */

/* Checks a mark. HF_WRONG_STATE: the image is read-only; HF_INVALID: the mark
 * lies within a view. */
hf_status hf_arena_check_mark(const hf_arena_core *core, hf_mark mark);

/* Unmaps the views that end above the mark and releases what lies above the lowest of them.
 * Afterwards core->views_end <= mark, or it failed. */
hf_status hf_arena_unmap_views(hf_arena *arena, hf_mark mark);

/* The end of the highest appended view below an offset; 0: there is none. */
size_t hf_arena_views_end_below(const hf_arena_core *core, size_t offset);

/* ---- */

/* The growth step of a read-write image: extends the file by `size` bytes and maps them at limit;
 * in image.c. */
hf_status hf_image_map_step(hf_arena_core *core, size_t size);

/* HF_WRONG_STATE if the arena is a read-write image and this process is a child of the one that
 * opened it; in image.c. */
hf_status hf_image_check_owner(const hf_arena_core *core, const char *call);

/* Closes the image's file and, if the last sync succeeded, first truncates it to the synced size;
 * in image.c. All views must be unmapped. */
void hf_arena_close_image(hf_arena_core *core, bool is_synced);

/* Copies the options of a program, which knows the first `size` bytes of them; NULL: the defaults.
 * As hf_read_options() in compatible.h. */
hf_status hf_arena_read_options(hf_arena_options *options, const hf_arena_options *given,
                                size_t size, const char *call);

/* HF_INVALID for options that are not valid; `call` is the function that the error names. */
hf_status hf_arena_check_options(const hf_arena_options *options, const char *call);

/* Gives back what a closed arena of a pool has committed beyond `keep` bytes. */
hf_status hf_arena_trim_closed(hf_arena_core *core, size_t keep);

/* ---- Pools, in pool.c. */

/* A closed arena of the pool, which is open from now on: its memory up to limit is committed. Its
 * base is NULL if it was never open. NULL: all arenas are open. */
hf_arena_core *hf_pool_take(hf_pool *pool);

/* Gives it back, empty, after it had used so many bytes. */
void hf_pool_give(hf_pool *pool, hf_arena_core *core, size_t used);

/* For an arena that cannot be emptied: it is never opened again. */
void hf_pool_lose(hf_pool *pool);

/* True if an arena of the pool can be opened with these options. */
bool hf_pool_allows(const hf_pool *pool, const hf_arena_options *options);

/* Committed bytes that an idle arena of the pool may have. */
size_t hf_pool_keep(const hf_pool *pool);

hf_huge_pages hf_pool_huge_pages(const hf_pool *pool);

/* ---- The address budget, in budget.c. */

/* A default reservation, for arenas whose options.reserve is 0. In bytes. */
typedef struct hf_default_reserve {
    size_t reserve, least; /* `reserve` is halved down to `least` while it fails */
    size_t limit;          /* used while all default reservations of the process stay below it */
} hf_default_reserve;

/* The default reservation of the next arena. */
const hf_default_reserve *hf_budget_first(const hf_backend *backend);

/* Opens a space for an arena or a heap, with its record. reserve 0: of a default size. Where the
 * system has not so many addresses, the size is halved down to `least`; 0: 1 MiB, or `reserve` if
 * that is less, or the default's least size. options->least is ignored. */
hf_status hf_budget_open(hf_space **space, size_t reserve, size_t least,
                         const hf_space_options *options, hf_space_record *record);

/* Adds a default reservation to the budget; returns its bytes. The second one subtracts them. */
size_t hf_budget_spend(size_t reserved);
void hf_budget_return(size_t budgeted);

#endif
