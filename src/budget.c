/*
 * budget.c -- the address budget: how many bytes an arena or a heap reserves whose
 * options.reserve is 0.
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
#include "pages.h"
#include "space_record.h"

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

static const hf_default_reserve *budget_next(const hf_default_reserve *size) {
    return size < BUDGET_SMALLEST ? size + 1 : NULL;
}

size_t hf_budget_spend(size_t reserved) {
    assert(reserved > 0);
    hf_fetch_add(&budget_spent, reserved);
    return reserved;
}

void hf_budget_return(size_t budgeted) {
    if (budgeted == 0) return;
    assert(budgeted <= hf_load_acquire(&budget_spent));
    hf_store_release(&budget_exhausted, 0);
    hf_fetch_add(&budget_spent, 0 - budgeted);
}

static void budget_exhaust(const hf_default_reserve *size) {
    if (size < BUDGET_SMALLEST && hf_load_acquire(&budget_exhausted) < size->limit)
        hf_store_release(&budget_exhausted, size->limit);
}

static hf_status budget_reserve(hf_space **space, size_t reserve, size_t least,
                                const hf_space_options *options, hf_space_record *record) {
    size_t page_size = options->backend->page_size(options->backend);
    size_t most = SIZE_MAX & ~(page_size - 1);
    hf_space_options wanted = *options;
    reserve = reserve < most ? hf_round_up(reserve, page_size) : most;
    wanted.least = least < most ? hf_round_up(least, page_size) : most;
    return hf_space_open_with(space, reserve, &wanted, record);
}

/* Notes that the system could not reserve all of a size. Ignores failures of a backend that is not
 * the native one, and of a reservation at a fixed base: they may have other causes. */
static void budget_note(const hf_space_options *options, const hf_default_reserve *size,
                        size_t reserved) {
    bool is_native = options->backend == hf_backend_native();
    if (is_native && options->base == NULL && reserved < size->reserve) budget_exhaust(size);
}

/* Reserves a default size, or the next smaller one after HF_NO_ADDRESS. A least size that the
 * program named and that is larger than the default size replaces it. */
static hf_status budget_reserve_default(hf_space **space, size_t named,
                                        const hf_space_options *options, hf_space_record *record) {
    const hf_default_reserve *size = hf_budget_first(options->backend);
    for (;;) {
        size_t reserve = hf_larger(size->reserve, named);
        hf_status status =
            budget_reserve(space, reserve, named ? named : size->least, options, record);
        budget_note(options, size, status == HF_OK ? hf_space_size(*space) : 0);
        const hf_default_reserve *next = budget_next(size);
        if (status != HF_NO_ADDRESS || next == NULL || named > next->reserve) return status;
        size = next;
    }
}

hf_status hf_budget_open(hf_space **space, size_t reserve, size_t least,
                         const hf_space_options *options, hf_space_record *record) {
    hf_error before = hf_last_error();
    hf_status status;
    if (reserve == 0)
        status = budget_reserve_default(space, least, options, record);
    else
        status = budget_reserve(
            space, reserve, least ? least : hf_smaller(reserve, HF_DEFAULT_LEAST), options, record);
    return hf_restore_error(status, before);
}
