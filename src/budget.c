/*
 * budget.c -- the address budget: how many bytes an arena reserves whose options.reserve is 0.
 *
 *      all default reservations together     the next one reserves
 *      up to 8 TiB                           64 GiB, or at least 1 GiB
 *      up to 16 TiB                          1 GiB, or at least 64 MiB
 *      beyond                                64 MiB, or at least 1 MiB
 *
 * So a process that opens thousands of arenas leaves addresses for its malloc, its threads and its
 * rings. (32 bits: 256 MiB up to 1 GiB, 32 MiB up to 1.5 GiB, then 4 MiB.)
 *
 * One counter is the sum of all default reservations. If the system could not reserve all of a
 * size, the limit of that size counts as reached: the next arenas reserve the next smaller size and
 * leave the last free addresses to other parts of the process. Closing an arena subtracts its bytes
 * from the counter, and the next arena tries all sizes again.
 *
 * Where reserved addresses cost memory (Windows before 8.1), the backend's cheap_reserve is the
 * largest size.
 *
 * Two threads that open arenas at the same time may both read the counter before either adds to it:
 * then a size is used once more than its limit allows.
 */
#include <holdfast/atomic.h>

#include <assert.h>

#include "arena_core.h"
#include "compatible.h"

#if SIZE_MAX > UINT32_MAX
static const hf_default_reserve budget_sizes[] = {
    {HF_DEFAULT_RESERVE, HF_GIB(1), HF_GIB(8192)},
    {HF_GIB(1), HF_MIB(64), HF_GIB(16384)},
    {HF_MIB(64), HF_DEFAULT_LEAST, SIZE_MAX},
};
#else
static const hf_default_reserve budget_sizes[] = {
    {HF_DEFAULT_RESERVE, HF_MIB(32), HF_MIB(1024)},
    {HF_MIB(32), HF_MIB(4), HF_MIB(1536)},
    {HF_MIB(4), HF_DEFAULT_LEAST, SIZE_MAX},
};
#endif

#define BUDGET_SMALLEST (&budget_sizes[sizeof budget_sizes / sizeof *budget_sizes - 1])

/* Of this process, in bytes, atomic: every thread that opens or closes an arena changes them.
 * budget_spent: the sum of all default reservations. budget_exhausted: the limit of the smallest
 * size that the system could not reserve since an arena was last closed; 0: there was none. */
static size_t budget_spent, budget_exhausted;

const hf_default_reserve *hf_budget_first(const hf_backend *backend) {
    size_t cheap = HF_HAS(backend, cheap_reserve) ? backend->cheap_reserve(backend) : SIZE_MAX;
    size_t spent = hf_load_acquire(&budget_spent), exhausted = hf_load_acquire(&budget_exhausted);
    const hf_default_reserve *size = budget_sizes;
    if (spent < exhausted) spent = exhausted;
    while (size < BUDGET_SMALLEST &&
           (size->reserve > cheap || spent > size->limit || size->reserve > size->limit - spent))
        size++;
    return size;
}

const hf_default_reserve *hf_budget_next(const hf_default_reserve *size) {
    return size < BUDGET_SMALLEST ? size + 1 : NULL;
}

void hf_budget_spend(hf_arena_core *core) {
    assert(core->budgeted == 0 && core->reserved > 0);
    core->budgeted = core->reserved;
    hf_fetch_add(&budget_spent, core->budgeted);
}

void hf_budget_return(hf_arena_core *core) {
    if (core->budgeted == 0) return;
    assert(core->budgeted <= hf_load_acquire(&budget_spent));
    hf_store_release(&budget_exhausted, 0);
    hf_fetch_add(&budget_spent, 0 - core->budgeted);
    core->budgeted = 0;
}

void hf_budget_exhaust(const hf_default_reserve *size) {
    if (size < BUDGET_SMALLEST && hf_load_acquire(&budget_exhausted) < size->limit)
        hf_store_release(&budget_exhausted, size->limit);
}
