/*
 * arena_model.h -- what arena.h promises, as a list of live blocks and a few numbers.
 *
 *      base                               used                        reserved
 *      | block 0 | | block 1 |  block 2 |  |                             |
 *        pattern     pattern    pattern
 *
 * The blocks are in the order of their allocation and do not overlap. Each is filled with a pattern
 * that differs by block and by position. Of a large block only its first bytes, its last bytes and
 * the edges of its pages are written and read, so that large blocks cost no more than small ones.
 *
 * Under a sanitizer blocks take more room than the header can tell (red zones). A request that fits
 * without red zones, and perhaps not with them, may succeed or fail there.
 */
#ifndef ARENA_MODEL_H
#define ARENA_MODEL_H

#include <holdfast.h>

enum { ARENA_BLOCKS = 512, ARENA_SCOPES = 64, ARENA_MARKS = 8, ARENA_CALLS = 64 };

typedef struct arena_block {
    size_t offset, size;
    size_t top;       /* `used` right after the block was allocated or resized */
    size_t tail;      /* the size at which its last bytes were written; 0: never */
    uint64_t pattern; /* 0: the block was never filled */
} arena_block;

typedef struct arena_scope {
    hf_scope scope;
    bool ended;
} arena_scope;

/* A call that was deferred. */
typedef struct arena_call {
    char *data;
    size_t end; /* of the bytes that it takes in the arena */
    unsigned does;
} arena_call;

/* What the rule of hf_reset knows: docs/reset.md. */
typedef struct arena_rule {
    uint64_t work;
    size_t needed;
    size_t peak;        /* of the frame under way */
    size_t left_behind; /* committed bytes behind limit, which a failed growth could not release */
} arena_rule;

struct arena_model {
    bool open;
    bool faulting;      /* fault_after_rewind: `committed` follows other rules */
    bool populating;    /* the option populate */
    bool has_red_zones; /* under a sanitizer */
    char *base;
    hf_huge_pages huge_pages;
    size_t page_size, reserved, retain;
    size_t used, peak;
    size_t faulting_end; /* below it pages may fault */
    size_t precommitted; /* bytes whose allocation cannot fail */
    arena_rule rule;
    bool is_vague; /* a release may have failed when the slot was closed: the rule is not known */
    struct arena_slot *slot; /* NULL: no arena of a pool */
    arena_block blocks[ARENA_BLOCKS];
    size_t block_count;
    size_t marks[ARENA_MARKS];
    arena_scope scopes[ARENA_SCOPES];
    size_t scope_count;
    arena_call calls[ARENA_CALLS];
    size_t call_count;
    hf_mark back_to; /* deferred calls above it may be made now; SIZE_MAX: none */
    bool closing;
    uint64_t patterns; /* used so far */
};

typedef enum arena_outcome { MUST_FAIL, MUST_SUCCEED, MAY_EITHER } arena_outcome;

void arena_model_open(struct arena_model *, const hf_arena *, const hf_arena_options *,
                      size_t page_size, bool has_red_zones);

/* The outcome of a request for `size` bytes at `pos` if no call of the system fails. */
arena_outcome arena_model_expect(const struct arena_model *, const char *pos, size_t reserved,
                                 size_t size, size_t align);

/* Whether the request is sure to fit into `room` bytes from `pos` on. */
bool arena_model_fits(const struct arena_model *, const char *pos, size_t room, size_t size,
                      size_t align);

/* Adds a last block. `used` is what the arena uses with it. NULL: the list is full. */
arena_block *arena_model_add(struct arena_model *, const char *block, size_t size, size_t used);

arena_block *arena_model_last(struct arena_model *);

/* Sets `used` after a call, and raises the peaks. */
void arena_model_use(struct arena_model *, size_t used);

/* Removes the blocks that were allocated at or above the mark. */
void arena_model_truncate(struct arena_model *, size_t mark);

/* Counts the frame that a hf_reset ends. True: it releases memory. */
bool arena_model_end_frame(struct arena_model *, size_t committed);

/* What stays committed after hf_trim(keep), and after a hf_reset that releases memory. */
size_t arena_model_trimmed(const struct arena_model *, size_t committed, size_t keep);
size_t arena_model_reset(const struct arena_model *, size_t committed);

void arena_model_scope_begun(struct arena_model *, hf_scope);
void arena_model_scope_ended(struct arena_model *, size_t index); /* and those begun after it */

/* Fills a block with a new pattern. */
void arena_block_fill(struct arena_model *, arena_block *);

/* True if the first `size` bytes have the pattern. `quick`: reads the first and last of them. */
bool arena_block_is_intact(const struct arena_model *, const arena_block *, size_t size,
                           bool quick);

/* Whether the bytes are zero; of many, the ones where a block would be written. */
bool arena_bytes_are_zero(const struct arena_model *, const char *bytes, size_t size);

/* The same for bytes that are not allocated and may be poisoned. */
bool arena_raw_bytes_are_zero(const char *bytes, size_t size);

#endif
