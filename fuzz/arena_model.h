/*
 * arena_model.h -- what arena.h promises, as a list of live blocks and a few numbers.
 *
 *      base                               used                        reserved
 *      | block 0 | | block 1 |  block 2 |  |                             |
 *        pattern     pattern    pattern
 *
 * Blocks lie in the order in which they were allocated, none overlaps another, and each holds a
 * pattern of its own: bytes that tell the block and the place. Of a large block only some places
 * are written and read: its first bytes, its last ones, and the edges of pages, so that large
 * sizes cost no more than small ones.
 *
 * In a process under AddressSanitizer or Valgrind blocks take more room than the header can tell
 * (red zones): where a block would still fit without them, but perhaps not with them, both outcomes
 * are right.
 */
#ifndef ARENA_MODEL_H
#define ARENA_MODEL_H

#include <holdfast.h>

enum { ARENA_BLOCKS = 512, ARENA_SCOPES = 64, ARENA_MARKS = 8 };

typedef struct arena_block {
    size_t offset, size;
    size_t top;       /* `used` right after it was allocated or resized */
    size_t tail;      /* the size at which its last bytes were written; 0: they were not */
    uint64_t pattern; /* 0 for a block that was shown to nobody */
} arena_block;

/* A scope, as long as the header says what ending it does. */
typedef struct arena_scope {
    hf_scope scope;
    bool ended;
} arena_scope;

struct arena_model {
    bool open;
    bool faulting; /* fault_after_rewind: what is committed follows other rules */
    bool populating;
    bool checked; /* a sanitizer's red zones */
    char *base;
    size_t page_size, retain;
    size_t used, peak;
    size_t faulting_end;           /* below it pages may fault */
    size_t peak_since_reset, keep; /* for hf_reset's rule */
    size_t ensured;                /* bytes that cannot fail */
    arena_block blocks[ARENA_BLOCKS];
    size_t block_count;
    size_t marks[ARENA_MARKS];
    arena_scope scopes[ARENA_SCOPES];
    size_t scope_count;
    uint64_t patterns; /* given so far */
};

typedef enum arena_fate { FATE_FAILS, FATE_SUCCEEDS, FATE_EITHER } arena_fate;

void arena_model_open(struct arena_model *, const hf_arena *, const hf_arena_options *,
                      size_t page_size, bool checked);

/* What must become of a request for `size` bytes at `pos` when no call of the system fails. */
arena_fate arena_model_fate(const struct arena_model *, const char *pos, size_t reserved,
                            size_t size, size_t align);

/* Whether the request is sure to fit behind pos in so many bytes. */
bool arena_model_fits(const struct arena_model *, const char *pos, size_t room, size_t size,
                      size_t align);

/* A new last block; used is the arena's. NULL: the list is full. */
arena_block *arena_model_add(struct arena_model *, const char *block, size_t size, size_t used);

arena_block *arena_model_last(struct arena_model *);

/* After a call: `used` is now so much, and the peaks follow. */
void arena_model_use(struct arena_model *, size_t used);

/* Drops what was allocated from the mark on. */
void arena_model_truncate(struct arena_model *, size_t mark);

/* What stays committed after hf_trim(keep), and after hf_reset, which takes the step of keep. */
size_t arena_model_trimmed(const struct arena_model *, size_t committed, size_t keep);
size_t arena_model_reset(struct arena_model *, size_t committed);

/* Scopes. */
void arena_model_scope_begun(struct arena_model *, hf_scope);
void arena_model_scope_ended(struct arena_model *, size_t index);

/* Fills a block with a pattern of its own; all of it may be written. */
void arena_block_fill(struct arena_model *, arena_block *);

/* Whether the first `size` bytes hold the pattern. A `quick` look takes the first and last ones. */
bool arena_block_holds(const struct arena_model *, const arena_block *, size_t size, bool quick);

/* Whether all these bytes are zero, or of many the ones that tend not to be. */
bool arena_bytes_are_zero(const struct arena_model *, const char *bytes, size_t size);

/* The same for bytes that are not allocated, and may be poisoned. */
bool arena_raw_bytes_are_zero(const char *bytes, size_t size);

#endif
