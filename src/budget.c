/*
 * budget.c -- the address budget: how much an arena reserves that names no size.
 *
 *      all default reservations together     the next one takes
 *      up to 8 TiB                           64 GiB, or at least 1 GiB
 *      up to 16 TiB                          1 GiB, or at least 64 MiB
 *      beyond                                64 MiB, or at least 1 MiB
 *
 * So a process that opens thousands of arenas leaves addresses for its malloc, its threads and its
 * rings. (32 bits: 256 MiB up to 1 GiB, 32 MiB up to 1.5 GiB, then 4 MiB.)
 *
 * One counter holds the bytes of all default reservations. Where the system has not all of a size,
 * that size's limit counts as reached: the next arenas ask for the next smaller size and leave the
 * last holes alone. Closing an arena gives its bytes back, and the next one asks for all sizes
 * again.
 *
 * Where addresses cost memory (hf_backend's cheap_reserve: Windows before 8.1) the sizes begin
 * below that.
 *
 * A thread that opens an arena at the same time as another may see the counter without the other's
 * bytes: then a size is given once more than its limit says.
 */
#include <holdfast/atomic.h>

#include "arena.h"

#define MIB(n) ((size_t)(n) << 20)

#if SIZE_MAX > UINT32_MAX
#define GIB(n) ((size_t)(n) << 30)
static const hf_default_reserve sizes[] = {
    {HF_DEFAULT_RESERVE, GIB(1), GIB(8192)},
    {GIB(1), MIB(64), GIB(16384)},
    {MIB(64), HF_DEFAULT_LEAST, SIZE_MAX},
};
#else
static const hf_default_reserve sizes[] = {
    {HF_DEFAULT_RESERVE, MIB(32), MIB(1024)},
    {MIB(32), MIB(4), MIB(1536)},
    {MIB(4), HF_DEFAULT_LEAST, SIZE_MAX},
};
#endif

#define SMALLEST (&sizes[sizeof sizes / sizeof *sizes - 1])

/* Of this process, in bytes; changed by every thread that opens or closes an arena. The second is
 * the limit of the smallest size that the system had not all of, since an arena was closed; else 0.
 * */
static size_t budget_spent, budget_exhausted;

const hf_default_reserve *hf_budget_first(const hf_backend *backend) {
    size_t cheap = backend->cheap_reserve ? backend->cheap_reserve(backend) : SIZE_MAX;
    size_t spent = hf_load_acquire(&budget_spent), exhausted = hf_load_acquire(&budget_exhausted);
    const hf_default_reserve *size = sizes;
    if (spent < exhausted) spent = exhausted;
    while (size < SMALLEST &&
           (size->reserve > cheap || spent > size->limit || size->reserve > size->limit - spent))
        size++;
    return size;
}

const hf_default_reserve *hf_budget_next(const hf_default_reserve *size) {
    return size < SMALLEST ? size + 1 : NULL;
}

void hf_budget_spend(hf_arena_core *core) {
    core->budgeted = core->reserved;
    hf_fetch_add(&budget_spent, core->budgeted);
}

void hf_budget_return(hf_arena_core *core) {
    if (core->budgeted == 0) return;
    hf_store_release(&budget_exhausted, 0);
    hf_fetch_add(&budget_spent, 0 - core->budgeted);
    core->budgeted = 0;
}

void hf_budget_exhaust(const hf_default_reserve *size) {
    if (size < SMALLEST && hf_load_acquire(&budget_exhausted) < size->limit)
        hf_store_release(&budget_exhausted, size->limit);
}
