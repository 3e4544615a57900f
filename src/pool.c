/*
 * pool.c -- thousands of arenas in one space: what holdfast/pool.h promises. The arenas themselves
 * are arena.c's.
 *
 *      |   slot 0   |   slot 1   |   slot 2   |  ...          slot n begins at n * reserve
 *
 * Each slot has the record of an arena (hf_arena_core), which stays when the arena is closed: its
 * memory is committed still. A slot is
 *
 *      fresh    never opened: the slots from pool->used on, in order
 *      open
 *      cached   closed last; at most one; taken and given by an atomic exchange, without the lock
 *      large    idle, with more than `keep` bytes committed; a list, the last closed first
 *      small    idle, with at most `keep` bytes; a stack
 *      lost     its views could not be unmapped
 *
 * The last of the large slots gives its memory back when the arenas that were closed since it
 * became idle have used POOL_TRIM_RATIO times as many bytes: then the cost of faulting them in
 * again is small beside that work. This is the reasoning of hf_reset.
 */
#include <holdfast/atomic.h>
#include <holdfast/pool.h>
#include <holdfast/space.h>

#include <assert.h>

#include "arena_core.h"
#include "compatible.h"
#include "fail.h"
#include "pages.h"
#include "retry.h"
#include "sanitizer.h"

#define POOL_NONE SIZE_MAX
#define POOL_TRIM_RATIO ((size_t)64)
#define POOL_LINE ((size_t)64) /* bytes of a cache line: no two slots share one */

#if SIZE_MAX > UINT32_MAX
#define POOL_DEFAULT_ARENAS ((size_t)1000)
static const size_t pool_default_reserves[] = {HF_GIB(1), HF_MIB(64), HF_MIB(1)};
#else
#define POOL_DEFAULT_ARENAS ((size_t)32)
static const size_t pool_default_reserves[] = {HF_MIB(4), HF_MIB(1)};
#endif
#define POOL_DEFAULT_KEEP HF_KIB(64)
#define POOL_HUGE_PAGE HF_MIB(2)

typedef struct pool_slot {
    hf_arena_core core;  /* first: a core's address is its slot's */
    size_t idle_since;   /* pool->work when it became large */
    size_t newer, older; /* slot numbers in the list of large slots; older: of the small stack */
} pool_slot;

struct hf_pool {
    hf_space *space;
    const hf_backend *backend;
    size_t arenas, reserve, keep; /* the options, with defaults and rounded */
    hf_huge_pages huge_pages;
    size_t own_bytes; /* of the pages with this struct and the slots */
    size_t cached;    /* atomic: number of the cached slot + 1; 0: none */
    size_t work;      /* atomic: bytes that closed arenas have used; may wrap */
    size_t since;     /* atomic: `work` when the oldest large slot became idle */
    size_t price;     /* atomic: it is trimmed when so much work was done since; SIZE_MAX: none */
    hf_lock *lock;    /* &own_lock: of all below */
    hf_lock own_lock;
    size_t used;           /* slots that are not fresh */
    size_t newest, oldest; /* of the large slots */
    size_t top;            /* of the small ones */
    size_t large_count, small_count, lost_count, trims;
};

static size_t pool_slot_bytes(void) { return hf_round_up(sizeof(pool_slot), POOL_LINE); }

static size_t pool_header_bytes(void) { return hf_round_up(sizeof(hf_pool), POOL_LINE); }

static pool_slot *pool_slot_at(const hf_pool *pool, size_t number) {
    char *slots = (char *)(uintptr_t)pool + pool_header_bytes();
    return (pool_slot *)(void *)(slots + number * pool_slot_bytes());
}

static size_t pool_number_of(const hf_pool *pool, const hf_arena_core *core) {
    return core->origin / pool->reserve;
}

static void pool_lock(const hf_pool *pool) { pool->backend->lock(pool->backend, pool->lock); }

static void pool_unlock(const hf_pool *pool) { pool->backend->unlock(pool->backend, pool->lock); }

/* ------------------------------------------------------- idle slots ------------------ */

/* Sets when the oldest large slot is trimmed. */
static void pool_set_price(hf_pool *pool) {
    size_t price = SIZE_MAX;
    if (pool->oldest != POOL_NONE) {
        const pool_slot *slot = pool_slot_at(pool, pool->oldest);
        size_t excess = slot->core.limit - pool->keep;
        price = excess < SIZE_MAX / POOL_TRIM_RATIO ? excess * POOL_TRIM_RATIO : SIZE_MAX;
        hf_store_release(&pool->since, slot->idle_since);
    }
    hf_store_release(&pool->price, price);
}

static void pool_push_large(hf_pool *pool, size_t number) {
    pool_slot *slot = pool_slot_at(pool, number);
    slot->idle_since = hf_load_acquire(&pool->work);
    slot->newer = POOL_NONE;
    slot->older = pool->newest;
    if (pool->newest != POOL_NONE)
        pool_slot_at(pool, pool->newest)->newer = number;
    else
        pool->oldest = number;
    pool->newest = number;
    pool->large_count++;
    pool_set_price(pool);
}

static void pool_remove_large(hf_pool *pool, size_t number) {
    const pool_slot *slot = pool_slot_at(pool, number);
    if (slot->newer != POOL_NONE)
        pool_slot_at(pool, slot->newer)->older = slot->older;
    else
        pool->newest = slot->older;
    if (slot->older != POOL_NONE)
        pool_slot_at(pool, slot->older)->newer = slot->newer;
    else
        pool->oldest = slot->newer;
    pool->large_count--;
    pool_set_price(pool);
}

static void pool_push(hf_pool *pool, size_t number) {
    pool_slot *slot = pool_slot_at(pool, number);
    if (slot->core.limit > pool->keep) {
        pool_push_large(pool, number);
        return;
    }
    slot->older = pool->top;
    pool->top = number;
    pool->small_count++;
}

static size_t pool_pop_large(hf_pool *pool) {
    size_t number = pool->newest;
    pool_remove_large(pool, number);
    return number;
}

static size_t pool_pop_small(hf_pool *pool) {
    size_t number = pool->top;
    pool->top = pool_slot_at(pool, number)->older;
    pool->small_count--;
    return number;
}

/* Gives back what the oldest large slot has beyond `keep`. If the system fails, the slot is the
 * newest one. */
static void pool_trim_oldest(hf_pool *pool) {
    pool_lock(pool);
    size_t number = pool->oldest;
    if (number != POOL_NONE) pool_remove_large(pool, number);
    pool_unlock(pool);
    if (number == POOL_NONE) return;
    hf_error before = hf_last_error();
    hf_arena_trim_closed(&pool_slot_at(pool, number)->core, pool->keep);
    hf_fail_with(before);
    pool_lock(pool);
    pool->trims++;
    pool_push(pool, number);
    pool_unlock(pool);
}

/* --------------------------------------------- opening and closing arenas ------------ */

static void pool_init_slot(hf_pool *pool, size_t number) {
    hf_arena_core *core = &pool_slot_at(pool, number)->core;
    core->pool = pool;
    core->space = pool->space;
    core->backend = pool->backend;
    core->origin = number * pool->reserve;
    core->reserved = pool->reserve;
}

static size_t pool_take_locked(hf_pool *pool) {
    if (pool->newest != POOL_NONE) return pool_pop_large(pool);
    if (pool->top != POOL_NONE) return pool_pop_small(pool);
    if (pool->used == pool->arenas) return hf_exchange(&pool->cached, 0) - 1;
    pool_init_slot(pool, pool->used);
    return pool->used++;
}

hf_arena_core *hf_pool_take(hf_pool *pool) {
    size_t number = hf_exchange(&pool->cached, 0) - 1;
    if (number == POOL_NONE) {
        pool_lock(pool);
        number = pool_take_locked(pool);
        pool_unlock(pool);
    }
    return number == POOL_NONE ? NULL : &pool_slot_at(pool, number)->core;
}

void hf_pool_give(hf_pool *pool, hf_arena_core *core, size_t used) {
    size_t before = hf_exchange(&pool->cached, pool_number_of(pool, core) + 1);
    if (before != 0) {
        pool_lock(pool);
        pool_push(pool, before - 1);
        pool_unlock(pool);
    }
    size_t work = hf_fetch_add(&pool->work, used) + used;
    if (work - hf_load_acquire(&pool->since) >= hf_load_acquire(&pool->price))
        pool_trim_oldest(pool);
}

void hf_pool_lose(hf_pool *pool) {
    pool_lock(pool);
    pool->lost_count++;
    pool_unlock(pool);
}

size_t hf_pool_keep(const hf_pool *pool) { return pool->keep; }

hf_huge_pages hf_pool_huge_pages(const hf_pool *pool) { return pool->huge_pages; }

bool hf_pool_allows(const hf_pool *pool, const hf_arena_options *options) {
    return options->base == NULL && options->reserve <= pool->reserve &&
           options->least_reserve <= pool->reserve &&
           (options->backend == NULL || options->backend == pool->backend);
}

/* ---------------------------------------------- opening and closing pools ------------ */

/* Sets arenas, reserve and keep. HF_INVALID: no address space is so large. */
static hf_status pool_choose_sizes(hf_pool *pool, const hf_pool_options *options) {
    size_t page = pool->backend->page_size(pool->backend);
    size_t reserve = options->reserve;
    size_t unit = reserve < POOL_HUGE_PAGE ? HF_ALLOCATION_GRANULARITY : POOL_HUGE_PAGE;
    size_t keep = options->keep ? options->keep : POOL_DEFAULT_KEEP;
    pool->arenas = options->arenas ? options->arenas : POOL_DEFAULT_ARENAS;
    pool->huge_pages = options->huge_pages;
    bool is_mode = options->huge_pages == HF_HUGE_AUTO || options->huge_pages == HF_HUGE_NEVER ||
                   options->huge_pages == HF_HUGE_ALWAYS;
    if (!is_mode || reserve > SIZE_MAX - unit ||
        hf_round_up(reserve, unit) > SIZE_MAX / pool->arenas ||
        pool->arenas > (SIZE_MAX - 2 * page) / pool_slot_bytes() - 1)
        return hf_fail(HF_INVALID, "hf_pool_open", 0, reserve);
    pool->reserve = hf_round_up(reserve, unit);
    pool->keep = keep < pool->reserve ? hf_round_up(keep, page) : pool->reserve;
    return HF_OK;
}

static hf_status pool_open_lock(hf_pool *pool) {
    hf_report report = {0};
    pool->lock = &pool->own_lock;
    hf_status status = pool->backend->lock_open(pool->backend, pool->lock, &report);
    return status == HF_OK ? HF_OK : hf_fail_reported(status, &report, 0, sizeof *pool);
}

/* Advises about huge pages for all slots at once, so that opening an arena makes no call for it. A
 * system that knows no such hint has more page faults. */
static void pool_advise(hf_pool *pool) {
    bool is_small = pool->huge_pages == HF_HUGE_AUTO && pool->reserve <= POOL_HUGE_PAGE;
    if (is_small) return;
    hf_error before = hf_last_error();
    hf_space_advise(pool->space, 0, pool->arenas * pool->reserve,
                    pool->huge_pages == HF_HUGE_NEVER ? HF_ADVISE_NO_HUGE : HF_ADVISE_HUGE);
    hf_fail_with(before);
}

static hf_status pool_open_space(hf_pool *pool, const hf_pool_options *options) {
    hf_status status = pool_open_lock(pool);
    if (status != HF_OK) return status;
    hf_space_options wanted = {.name = options->name, .backend = pool->backend};
    status = hf_space_open(&pool->space, pool->arenas * pool->reserve, &wanted);
    if (status != HF_OK) pool->backend->lock_close(pool->backend, pool->lock);
    return status;
}

/* Moves the pool into pages of its own, with its slots behind it. */
static hf_status pool_allocate(hf_pool **result, const hf_pool *sizes) {
    size_t bytes =
        hf_pages_for(sizes->backend, pool_header_bytes() + sizes->arenas * pool_slot_bytes());
    hf_report report = {0};
    void *memory;
    hf_status status = hf_allocate_pages(sizes->backend, bytes, &memory, &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, bytes);
    hf_pool *pool = memory;
    *pool = *sizes;
    pool->own_bytes = bytes;
    pool->newest = pool->oldest = pool->top = POOL_NONE;
    pool->price = SIZE_MAX;
    *result = pool;
    return HF_OK;
}

static hf_status pool_open_with(hf_pool **result, const hf_pool_options *options) {
    hf_pool sizes = {.backend = hf_backend_or_native(options->backend)}, *pool = NULL;
    hf_status status = pool_choose_sizes(&sizes, options);
    if (status == HF_OK) status = pool_allocate(&pool, &sizes);
    if (status != HF_OK) return status;
    status = pool_open_space(pool, options);
    if (status != HF_OK) {
        pool->backend->free_pages(pool->backend, pool, pool->own_bytes);
        return status;
    }
    hf_register_root(pool,
                     pool->own_bytes); /* an arena's `user` may be the only pointer to a block */
    pool_advise(pool);
    *result = pool;
    return HF_OK;
}

/* A default reservation becomes smaller where the system has not so many addresses. */
static hf_status pool_open(hf_pool **result, hf_pool_options *options) {
    if (options->reserve != 0) return pool_open_with(result, options);
    hf_error before = hf_last_error();
    hf_status status = HF_NO_ADDRESS;
    size_t count = sizeof pool_default_reserves / sizeof *pool_default_reserves;
    for (size_t i = 0; status == HF_NO_ADDRESS && i < count; i++) {
        options->reserve = pool_default_reserves[i];
        status = pool_open_with(result, options);
    }
    return hf_restore_error(status, before);
}

hf_status hf_pool_open_sized(hf_pool **pool, const hf_pool_options *options, size_t size) {
    hf_pool_options known = {0};
    if (pool == NULL) return hf_fail(HF_INVALID, "hf_pool_open", 0, 0);
    hf_status status = hf_read_options(&known, sizeof known, options, size, "hf_pool_open");
    if (status == HF_OK) status = hf_check_backend(known.backend, "hf_pool_open");
    return status == HF_OK ? pool_open(pool, &known) : status;
}

void hf_pool_close(hf_pool *pool) {
    if (pool == NULL) return;
    const hf_backend *backend = pool->backend;
    for (size_t number = 0; hf_is_under_sanitizer() && number < pool->used; number++) {
        const hf_arena_core *core = &pool_slot_at(pool, number)->core;
        hf_unpoison_initialized(core->state.base, core->limit);
    }
    hf_space_close(pool->space);
    backend->lock_close(backend, pool->lock);
    hf_unregister_root(pool, pool->own_bytes);
    backend->free_pages(backend, pool, pool->own_bytes);
}

/* ------------------------------------------------------- statistics ------------------ */

hf_pool_stats hf_pool_get_stats(const hf_pool *pool) {
    if (pool == NULL) return (hf_pool_stats){0};
    hf_space_stats space = hf_space_get_stats(pool->space);
    size_t system_calls = 0;
    for (size_t step = 0; step < HF_STEPS; step++) system_calls += space.system_calls[step];
    pool_lock(pool);
    size_t idle = pool->large_count + pool->small_count + (hf_load_acquire(&pool->cached) != 0);
    hf_pool_stats stats = {
        .arenas = pool->arenas,
        .open = pool->used - pool->lost_count - idle,
        .idle = idle,
        .lost = pool->lost_count,
        .peak_open = pool->used,
        .trims = pool->trims,
        .reserved = pool->arenas * pool->reserve,
        .committed = space.committed_bytes,
        .viewed = space.view_bytes,
        .system_calls = system_calls,
    };
    pool_unlock(pool);
    return stats;
}
