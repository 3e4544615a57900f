/*
 * arena.h -- the inside of an arena, for the files that make one: arena.c allocates and goes back,
 * image.c keeps one in a file, append.c puts files in its middle, text.c formats into it.
 */
#ifndef HF_ARENA_H
#define HF_ARENA_H

#include <holdfast/arena.h>
#include <holdfast/space.h>

#include "image_header.h"

#if SIZE_MAX > UINT32_MAX
#define HF_DEFAULT_RESERVE ((size_t)64 << 30)
#else
#define HF_DEFAULT_RESERVE ((size_t)256 << 20)
#endif
#define HF_DEFAULT_LEAST ((size_t)1 << 20)

/* Scopes to this depth are known by number; of those within them, the depth alone. */
#define HF_SCOPES_KNOWN ((size_t)64)

typedef struct hf_arena_core hf_arena_core;
typedef struct hf_text_pages hf_text_pages; /* see text.c */

struct hf_arena_core {
    struct hf_arena_state shown; /* first: base, for the header */
    hf_space *space;
    const hf_backend *backend;
    hf_arena_options options;
    /* Makes memory of so many bytes behind limit. */
    hf_status (*place)(hf_arena_core *, size_t size);
    size_t page_size, reserved;
    size_t small_end; /* up to this offset growth is in small steps */
    size_t huge_from; /* from this offset on the placeholder is advised */
    size_t limit;     /* offset; the header's may be lower */
    size_t peeked;    /* offset to which hf_peek has shown bytes; see hf_arena_shows */
    size_t shown_at;  /* pos when hf_peek showed them */
    size_t lowest;    /* lowest offset that pos went back to since a copy began; 0 at first */
    size_t faulting;  /* fault_after_rewind: offset below which pos never goes again */
    size_t fixed;     /* below it lie views that take more than moving pos: see append.c */
    size_t high_water, peak, recent_peak, keep;
    size_t depth, last_scope;           /* open scopes, and the number of the newest */
    size_t scopes[HF_SCOPES_KNOWN + 1]; /* by depth, from 1 on */
    size_t growths;
    size_t own_calls; /* system calls that are not the space's */
    uint64_t root;    /* offset + 1; 0: none */
    hf_text_pages *text_pages;
    hf_file *image; /* NULL: no image. A frozen one has no place for anything: place is NULL */
    bool is_read_write;
    hf_image_header record; /* of a persistent one: what the last sync that succeeded wrote */
    hf_error sync_failure;  /* of the first sync that failed; HF_OK: none did */
    uint64_t process;       /* of an image: the one that opened it, and may write it */
    size_t budgeted;        /* bytes of the address budget; 0: the program named `reserve` */
    bool checked;
};

static inline hf_arena_core *hf_core_of(const hf_arena *arena) {
    return (hf_arena_core *)(void *)arena->state;
}

/* A file is appended from its beginning; an image's bytes begin behind its header. */
static inline bool hf_is_appended(const hf_region *region) {
    return region->kind == HF_VIEW && region->file_offset == 0;
}

static inline bool hf_is_read_only(const hf_arena_core *core) { return core->place == NULL; }

/* Fails with INVALID: notes it, tells on_failure, returns NULL. No second try could help. */
void *hf_arena_fail(hf_arena *arena, const char *call, size_t size);

/* The same for a failure that is noted already. */
void *hf_arena_give_up(hf_arena *arena, size_t size);

/* Frees the pages of formatted texts that on_failure left by longjmp, in text.c. */
void hf_arena_free_text_pages(hf_arena_core *core);

/* True if the bytes behind pos are those that hf_peek showed last, and may be arguments of this
 * call. */
bool hf_arena_shows(const hf_arena *arena);

/* Bytes to copy, which may lie in the arena; and the function that copies, for its errors. */
typedef struct hf_arena_source {
    const char *call;
    const void *bytes;
    size_t size;
} hf_arena_source;

/* Copies the source to a new block of `size` bytes. The source may be what hf_peek has shown.
 * HF_WRONG_STATE: on_failure went back below the source's end, and the source is not read. */
void *hf_arena_copy(hf_arena *arena, const hf_arena_source *source, size_t size, size_t align);

/* Moves pos, and limit with it where it has to lie at pos. */
void hf_arena_set_pos(hf_arena *arena, size_t offset);

/* Moves pos down, and keeps the books of what lay above. */
void hf_arena_go_back(hf_arena *arena, size_t offset);

/* Places behind limit in a placeholder that may be in pieces after a refused undo: `step` is tried
 * again once it is one. */
typedef hf_status hf_arena_step(hf_arena_core *, size_t size);
hf_status hf_arena_place_tidily(hf_arena_core *core, size_t size, hf_arena_step *step);

/* Makes placeholder of all from `keep` to limit, but for a view that reaches below. */
hf_status hf_arena_release_beyond(hf_arena *arena, size_t keep);

/* Going back below core->fixed, in append.c: unmaps the views there, then moves pos. */
hf_status hf_arena_rewind_views(hf_arena *arena, hf_mark mark);

/* HF_WRONG_STATE: a persistent arena in a child of the process that opened it. */
hf_status hf_image_check_owner(const hf_arena_core *core, const char *call);

/* ---- The address budget, in budget.c. */

/* What an arena reserves that names no size: `reserve`, halved down to `least` where the system has
 * not so many addresses. In bytes. */
typedef struct hf_default_reserve {
    size_t reserve, least;
    size_t limit; /* on all default reservations of the process together */
} hf_default_reserve;

/* The size for the next arena, and the next smaller one; NULL after the last. */
const hf_default_reserve *hf_budget_first(const hf_backend *backend);
const hf_default_reserve *hf_budget_next(const hf_default_reserve *size);

/* Counts what the arena has reserved; hf_arena_close returns it. */
void hf_budget_spend(hf_arena_core *core);
void hf_budget_return(hf_arena_core *core);

/* The system has no more addresses for that size. */
void hf_budget_exhaust(const hf_default_reserve *size);

/* HF_INVALID for options that no arena can have, noted as an error of `call`. */
hf_status hf_arena_check_options(const hf_arena_options *options, const char *call);

/* Cuts the image to what is used, if the last sync told it so, and closes it, in image.c; the views
 * are gone by then. */
void hf_arena_close_image(hf_arena_core *core, bool is_synced);

#endif
