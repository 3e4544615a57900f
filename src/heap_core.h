/*
 * heap_core.h -- the state of a heap, and the functions that its files share: heap.c allocates and
 * frees, heap_run.c has the runs of small blocks, heap_span.c the units that runs and medium blocks
 * are made of, heap_large.c the large blocks, heap_sanitizer.c what is different under a sanitizer,
 * heap_fault.c what happens when the program made a mistake.
 *
 *      0         base                    units_end   committed                       reserved
 *      | records | run | span | free | run |  ready  |  placeholder  | large | ...      |
 *                  <------ units ------>
 *
 * A unit is 64 KiB. Each unit below units_end belongs to one span, and the record of the span's
 * first unit describes the span: a run of small blocks, a medium block, or free units. The records
 * of its other units are blank (HEAP_INNER), except for the last one of a free span, which tells
 * where the span begins, and those of a run of several units. Two free spans never touch.
 */
#ifndef HF_HEAP_CORE_H
#define HF_HEAP_CORE_H

#include <holdfast/heap.h>
#include <holdfast/space.h>

#include "fail.h"
#include "numbers.h"
#include "reset_rule.h"

#define HEAP_CLASSES 80                 /* of small blocks */
#define HEAP_SMALL_MOST HF_KIB(64)      /* bytes of the largest small block */
#define HEAP_MEDIUM_MOST HF_MIB(4)      /* bytes of the largest medium block */
#define HEAP_INLINE_RUN_MOST HF_KIB(16) /* larger small blocks have runs of several units */
#define HEAP_BINS 160                   /* of free spans */
#define HEAP_IDLE 8                     /* large blocks that are kept when they are freed */
#define HEAP_QUARANTINE 256             /* blocks that were freed under a sanitizer */
#define HEAP_WORK_FOR_A_BYTE 64         /* bytes allocated without it, before a byte goes back */
#define HEAP_UNTIL_CURRENT 0x10000u     /* more than a run has blocks */
#define HEAP_SLOTS (HF_HEAP_INLINE / 16 + 1)

typedef enum heap_state {
    HEAP_INNER,         /* not the first unit of its span, or no unit of a span yet */
    HEAP_RUN_CURRENT,   /* small blocks of its class are allocated from this run */
    HEAP_RUN_AVAILABLE, /* in the list of its class: has free blocks */
    HEAP_RUN_FULL,      /* has none; in no list */
    HEAP_MEDIUM,        /* one medium block */
    HEAP_FREE,          /* free; in a bin, and unless it is zero in the list of dirty spans */
    HEAP_LOST           /* a placeholder: its pages went back, and committing new ones failed */
} heap_state;

/* The record of a unit. For the inline functions it is a run, and hf_heap_run.until of a run is
 *
 *      HEAP_RUN_CURRENT      HEAP_UNTIL_CURRENT - its free blocks: to become empty is no event
 *      HEAP_RUN_AVAILABLE    its allocated blocks: the last one that is freed is an event
 *      HEAP_RUN_FULL         1: the next one that is freed is an event */
typedef struct heap_unit {
    hf_heap_run run;
    uint32_t units;     /* of the span; HEAP_INNER: units from the first one to this one, or 0 */
    uint8_t state;      /* heap_state */
    uint8_t size_class; /* of a run */
    bool is_zero;       /* of a free span */
    char unused[sizeof(void *) == 8 ? 1 : 17];
    struct heap_unit *next, *previous; /* in the list of the class, or in the bin */
    uint32_t newer, older;             /* numbers + 1 in the list of dirty spans; 0: none */
} heap_unit;

#define HEAP_RECORD ((size_t)1 << HF_HEAP_RUN_SHIFT) /* bytes from a record to the next one */

_Static_assert(sizeof(heap_unit) == HEAP_RECORD, "the inline functions know the size of a record");

/* A list of runs; the first one is the oldest. */
typedef struct heap_list {
    heap_unit *first, *last;
} heap_list;

/* A large block that was freed and stays committed. */
typedef struct heap_idle {
    size_t offset, size; /* in the space, in bytes; size 0: none */
    uint32_t since;      /* hf_heap_core.work when it was freed */
} heap_idle;

/* Offsets are bytes from the space's base, units are counted from heap.base. */
typedef struct hf_heap_core {
    hf_heap heap; /* first: a heap's address is its core's */
    hf_space *space;
    const hf_backend *backend;
    hf_heap_options options;
    size_t page_size, reserved;
    size_t budgeted;          /* bytes in the address budget; 0: the program set `reserve` */
    size_t units_offset;      /* of heap.base */
    size_t units_most;        /* as many have room */
    size_t units_end;         /* as many belong to spans; other threads read it */
    size_t units_committed;   /* as many are committed */
    size_t units_left;        /* up to here regions may be left committed behind them; 0: none */
    size_t units_dirty;       /* those from here on are zero: they belonged to no span yet */
    size_t records_committed; /* bytes of records, from offset 0 on */
    hf_heap_run none;         /* has no free block: in place of a run */
    heap_unit *current[HEAP_CLASSES]; /* NULL: none */
    heap_list available[HEAP_CLASSES];
    heap_unit *bins[HEAP_BINS];
    uint32_t bin_bits[HEAP_BINS / 32];   /* of the bins that are not empty */
    uint32_t oldest_dirty, newest_dirty; /* numbers + 1 of free spans that are not zero; 0: none */
    size_t dirty_units;                  /* of these spans */
    size_t least_dirty;                  /* the fewest since purge_work began */
    size_t purge_work;                   /* units allocated since then */
    bool has_lost;                       /* a span is HEAP_LOST */
    heap_idle idle[HEAP_IDLE];
    size_t idle_bytes;                /* of all of them */
    uint32_t sample;                  /* where the next placeholder is looked for */
    bool has_large_left;              /* a reset could not release all large blocks */
    size_t large_blocks, large_bytes; /* allocated ones */
    size_t reused;                    /* bytes of blocks that were reused, below a unit */
    uint32_t work;                    /* units of spans and large blocks allocated so far; wraps */
    uint32_t runs_freed;              /* `work` when empty runs were freed last */
    hf_reset_rule rule;
    bool is_sanitized;        /* the process runs under a sanitizer */
    size_t purges, peak;      /* statistics */
    size_t remote;            /* atomic: the first of the blocks that other threads freed */
    hf_heap_block *collected; /* the first of those that the owner has taken and not yet freed */
    size_t
        suspect; /* atomic: a block that another thread freed and that cannot be linked; 0: none */
    void *quarantine[HEAP_QUARANTINE]; /* under a sanitizer; NULL: none */
    size_t quarantined;                /* the next one to be replaced */
} hf_heap_core;

static inline hf_heap_core *heap_core_of(const hf_heap *heap) {
    return (hf_heap_core *)(void *)(uintptr_t)heap;
}

static inline heap_unit *heap_unit_at(const hf_heap_core *core, size_t number) {
    return (heap_unit *)(void *)core->heap.runs + number;
}

static inline size_t heap_number_of(const hf_heap_core *core, const heap_unit *unit) {
    return (size_t)(unit - heap_unit_at(core, 0));
}

static inline char *heap_address_of(const hf_heap_core *core, const heap_unit *unit) {
    return core->heap.base + heap_number_of(core, unit) * HF_HEAP_UNIT;
}

/* The first unit of the span that contains an address; the address is below units_end. */
static inline heap_unit *heap_first_unit(const hf_heap_core *core, const void *address) {
    size_t offset = (size_t)((uintptr_t)address - (uintptr_t)core->heap.base);
    heap_unit *unit = heap_unit_at(core, offset / HF_HEAP_UNIT);
    return unit->state == HEAP_INNER ? unit - unit->units : unit;
}

/* True if the address lies in a unit that belongs to a span. */
static inline bool heap_is_in_units(const hf_heap_core *core, const void *address) {
    return (size_t)((uintptr_t)address - (uintptr_t)core->heap.base) <
           core->units_end * HF_HEAP_UNIT;
}

static inline bool heap_is_run(const heap_unit *unit) {
    return unit->state == HEAP_RUN_CURRENT || unit->state == HEAP_RUN_AVAILABLE ||
           unit->state == HEAP_RUN_FULL;
}

/* Appends to a list; removes from one. */
void hf_heap_list_append(heap_list *list, heap_unit *unit);
void hf_heap_list_remove(heap_list *list, heap_unit *unit);

/* ------------------------------------------------------------- heap.c ---------------- */

/* Frees a block of any size, or reports the fault, without what a sanitizer needs. */
void hf_heap_free_block(hf_heap_core *core, void *block);

/* Bytes of an allocated block, without what a sanitizer needs; 0: it is none, or is free. */
size_t hf_heap_block_size(const hf_heap_core *core, const void *block);

/* Updates the statistics. */
void hf_heap_note_peak(hf_heap_core *core);

/* ------------------------------------------------------- heap_fault.c ---------------- */

/* Reports a fault. It may not return. */
void hf_heap_report(hf_heap_core *core, hf_heap_fault fault, const void *block);

/* --------------------------------------------------------- heap_run.c ---------------- */

size_t hf_heap_class_size(unsigned size_class);
unsigned hf_heap_class_of(size_t size); /* size is at most HEAP_SMALL_MOST */

void hf_heap_open_runs(hf_heap_core *core); /* no class has a run */

void *hf_heap_run_allocate(hf_heap_core *core, unsigned size_class);
void hf_heap_run_free(hf_heap_core *core, heap_unit *unit, void *block);

/* True if the address is the beginning of one of the run's carved blocks. */
bool hf_heap_run_is_block(const hf_heap_core *core, const heap_unit *unit, const void *address);

/* True if it is that of a free one. */
bool hf_heap_run_is_free(const hf_heap_core *core, const heap_unit *unit, const void *block);
size_t hf_heap_run_blocks(const hf_heap_core *core, const heap_unit *unit); /* allocated ones */

/* Frees the empty runs that classes keep. */
void hf_heap_free_empty_runs(hf_heap_core *core);

/* True if the run's record and free blocks are sound. */
bool hf_heap_check_run(const hf_heap_core *core, const heap_unit *unit);

/* -------------------------------------------------------- heap_span.c ---------------- */

/* A span of so many units, which is in no list; *is_zero tells whether its bytes are 0. NULL: the
 * last error says why. */
heap_unit *hf_heap_take_span(hf_heap_core *core, size_t units, bool *is_zero);
void hf_heap_give_span(hf_heap_core *core, heap_unit *unit);

/* Makes a medium block longer by the free units behind it, or shorter. False: there are not enough,
 * and nothing changed. */
bool hf_heap_resize_span(hf_heap_core *core, heap_unit *unit, size_t units);

/* Frees all spans at once. */
void hf_heap_reset_spans(hf_heap_core *core);

/* Gives free units back to the system until at most `keep` bytes are left. */
hf_status hf_heap_trim_spans(hf_heap_core *core, size_t keep);

/* Gives back the units from `units` on, which belong to no span. */
hf_status hf_heap_release_units(hf_heap_core *core, size_t units);

bool hf_heap_check_spans(const hf_heap_core *core, size_t *offset);

/* Counts units that were allocated, and gives back what enough was done without. */
void hf_heap_add_work(hf_heap_core *core, size_t units);

/* Hints about huge pages, for a range that is committed (HF_HUGE_AUTO) or will be. */
void hf_heap_advise(hf_heap_core *core, size_t offset, size_t size);

/* ------------------------------------------------------- heap_large.c ---------------- */

void *hf_heap_large_allocate(hf_heap_core *core, size_t size, size_t align, bool *is_zero);
void hf_heap_large_free(hf_heap_core *core, void *block);
size_t hf_heap_large_size(const hf_heap_core *core,
                          const void *block); /* 0: it is no large block */

/* The same of an allocated large block, from any thread. */
size_t hf_heap_large_stable_size(const hf_heap_core *core, const void *block);

/* Changes the size in place. False: it cannot. */
bool hf_heap_large_resize(hf_heap_core *core, void *block, size_t size);

/* Releases idle blocks until at most `keep` bytes are left. */
hf_status hf_heap_trim_idle(hf_heap_core *core, size_t keep);

/* Releases an idle block for which enough work was done, if there is one. */
void hf_heap_purge_idle(hf_heap_core *core);

/* Frees all large blocks at once. */
hf_status hf_heap_reset_large(hf_heap_core *core);

/* --------------------------------------------------- heap_sanitizer.c ---------------- */

/* Bytes to allocate for a block of `size` bytes: with its red zone. SIZE_MAX: too many. */
size_t hf_heap_sanitized_size(size_t size);

/* Unpoisons `size` bytes of a block and poisons what is behind them. */
void hf_heap_sanitize_allocated(hf_heap_core *core, void *block, size_t size, bool is_zero);

/* Bytes that were allocated, of a block that has `whole` bytes. */
size_t hf_heap_sanitized_usable(const void *block, size_t whole);

/* Poisons a block that is freed, and frees the one that was freed HEAP_QUARANTINE frees ago. */
void hf_heap_sanitize_freed(hf_heap_core *core, void *block);

/* Frees all blocks of the quarantine. False: there were none. */
bool hf_heap_empty_quarantine(hf_heap_core *core);

/* Quarantined blocks are free for the program. */
void hf_heap_subtract_quarantine(const hf_heap_core *core, hf_heap_stats *stats);

/* True if a block is freed but not used again yet. */
bool hf_heap_is_quarantined(const hf_heap_core *core, const void *block);

/* Unpoisons all that is committed, and empties the quarantine: the heap is reset or closed. */
void hf_heap_sanitize_reset(hf_heap_core *core);

/* Poisons a run that has no blocks yet. */
void hf_heap_sanitize_unused(const hf_heap_core *core, const heap_unit *unit);

/* Unpoisons the bytes that link a free block to the next one. */
void hf_heap_sanitize_link(void *block);

#endif
