/*
 * pool_model.h -- what pool.h promises: which slot the next arena gets, and what stays committed.
 *
 *      slots     |  0: open  |  1: cached  |  2: idle  |  3: fresh  |
 *
 * A slot that is given back is cached, and the one that was cached becomes idle. An arena gets the
 * cached slot, else the large slot that became idle last, else the small one, else a fresh one.
 * Large means: with more than `keep` bytes. The large slot that became idle first is trimmed to
 * `keep` when the arenas that were closed since then have used 64 times the rest.
 */
#ifndef POOL_MODEL_H
#define POOL_MODEL_H

#include "arena_model.h"

enum { POOL_SLOTS = 3 };

typedef enum pool_slot_state {
    SLOT_FRESH,
    SLOT_OPEN,
    SLOT_CACHED,
    SLOT_IDLE,
    SLOT_LOST /* the pool may not use it again */
} pool_slot_state;

typedef struct arena_slot {
    pool_slot_state state;
    const char *base;
    size_t committed; /* while it is not open; with is_vague at most so much */
    bool is_vague;    /* a release may have failed: the rule of hf_reset is not known */
    arena_rule rule;
    size_t number;     /* of idle slots: the one that became idle later has a larger one */
    size_t idle_since; /* pool_model.work at that time */
    hf_scope scope;    /* of its last user */
} arena_slot;

struct pool_model {
    hf_pool *pool;
    size_t arenas, reserve, keep; /* the options, with defaults and rounded */
    hf_huge_pages huge_pages;
    arena_slot slots[POOL_SLOTS];
    size_t work; /* bytes that closed arenas have used */
    size_t trims, last_number;
    bool is_vague; /* after a failure it is not known which slots are large */
};

void pool_model_open(struct pool_model *, const hf_pool_options *, size_t page_size);

size_t pool_model_count(const struct pool_model *, pool_slot_state);

/* The slot of the next arena. NULL: all are open. */
const arena_slot *pool_model_next(const struct pool_model *);

/* The slot at the base of an arena that was opened. NULL: there is none, or another is next. */
arena_slot *pool_model_take(struct pool_model *, const char *base);

/* The slot's arena was closed; it had used so many bytes. */
void pool_model_give(struct pool_model *, arena_slot *, size_t used);

#endif
