/*
 * bench/space.c -- the calls of a space beside the bare system calls that do the same, in spaces of
 * few and of many regions.
 *
 *     holdfast   the space: checks, map of the regions, system calls
 *     system     the same system calls by hand, without a map
 *     least      one system call each: what is committed or released stays in dumps as it was, so
 *                gdb's gcore writes released addresses
 *
 *     range      regions of the space beside the slots that are worked on: committed pages between
 *                placeholders
 *
 *      |c| |c| |c| ...          | slot |    | slot |    | slot | ...
 *
 * space_commit, _release, _protect, _reset and _remap work on one slot of 64 KiB after the other;
 * an iteration is one call. No page is touched: pages cost the same with and without a space.
 * space_release_run releases 16,384 regions of a page each in one call, or maps one placeholder
 * over them; committing them page by page before is not timed. The kernel takes longer to release
 * what so many calls have committed than what one call has.
 */
#include "workloads.h"

#include <holdfast.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "contenders.h"
#include "meter.h"
#include "shim.h"

enum { SLOTS = 64, SLOT = 64 << 10, RUN = 16384 };

typedef struct bench_space {
    hf_space *space; /* NULL: by hand */
    hf_file *file;
    int descriptor;
    char *base;
    size_t page, size, slots; /* the last one: the offset of the first slot */
} bench_space;

/* One call for one slot. The flag alternates from pass to pass. */
typedef bool space_call(const bench_space *, size_t offset, size_t size, bool flag);

/* ---------------------------------------------------------------- the calls -------------- */

static bool holdfast_commit(const bench_space *at, size_t offset, size_t size, bool flag) {
    (void)flag;
    return hf_space_commit_range(at->space, offset, size) == HF_OK;
}

static bool holdfast_release(const bench_space *at, size_t offset, size_t size, bool flag) {
    (void)flag;
    return hf_space_release_range(at->space, offset, size) == HF_OK;
}

static bool holdfast_protect(const bench_space *at, size_t offset, size_t size, bool flag) {
    return hf_space_protect(at->space, offset, size,
                            flag ? HF_PROTECT_READ : HF_PROTECT_READ_WRITE) == HF_OK;
}

static bool holdfast_reset(const bench_space *at, size_t offset, size_t size, bool flag) {
    (void)flag;
    return hf_space_reset_range(at->space, offset, size) == HF_OK;
}

static bool holdfast_remap(const bench_space *at, size_t offset, size_t size, bool flag) {
    return hf_space_remap_range(at->space, offset, size, at->file, flag ? SLOT : 0,
                                HF_READ_WRITE) == HF_OK;
}

static bool least_commit(const bench_space *at, size_t offset, size_t size, bool flag) {
    (void)flag;
    return mprotect(at->base + offset, size, PROT_READ | PROT_WRITE) == 0;
}

static bool system_commit(const bench_space *at, size_t offset, size_t size, bool flag) {
    return least_commit(at, offset, size, flag) &&
           madvise(at->base + offset, size, MADV_DODUMP) == 0;
}

static bool least_release(const bench_space *at, size_t offset, size_t size, bool flag) {
    (void)flag;
    return mmap(at->base + offset, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) != MAP_FAILED;
}

static bool system_release(const bench_space *at, size_t offset, size_t size, bool flag) {
    return least_release(at, offset, size, flag) &&
           madvise(at->base + offset, size, MADV_DONTDUMP) == 0;
}

static bool system_protect(const bench_space *at, size_t offset, size_t size, bool flag) {
    return mprotect(at->base + offset, size, flag ? PROT_READ : PROT_READ | PROT_WRITE) == 0;
}

static bool system_reset(const bench_space *at, size_t offset, size_t size, bool flag) {
    (void)flag;
    return madvise(at->base + offset, size, MADV_DONTNEED) == 0;
}

static bool system_remap(const bench_space *at, size_t offset, size_t size, bool flag) {
    return mmap(at->base + offset, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                at->descriptor, flag ? SLOT : 0) != MAP_FAILED;
}

/* ---------------------------------------------------------------- the space -------------- */

static size_t offset_of_slot(const bench_space *at, size_t slot) {
    return at->slots + 2 * slot * SLOT;
}

/* Calls for every slot. */
BENCH_INLINE bool for_slots(const bench_space *at, space_call *call, bool flag) {
    bool succeeded = true;
    for (size_t slot = 0; slot < SLOTS; slot++)
        succeeded &= call(at, offset_of_slot(at, slot), SLOT, flag);
    return succeeded;
}

static bool reserve(bench_space *at, bool by_hand) {
    if (by_hand) {
        at->base = mmap(NULL, at->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return at->base != MAP_FAILED && madvise(at->base, at->size, MADV_DONTDUMP) == 0;
    }
    if (hf_space_open(&at->space, at->size, NULL) != HF_OK) return false;
    at->base = hf_space_base(at->space);
    return true;
}

static bool open_space(bench_space *at, size_t regions, bool by_hand) {
    *at = (bench_space){.page = (size_t)sysconf(_SC_PAGESIZE)};
    at->slots = (regions * at->page + SLOT - 1) / SLOT * SLOT;
    at->size = at->slots + 2 * (size_t)SLOTS * SLOT;
    if (at->size < (size_t)RUN * at->page) at->size = (size_t)RUN * at->page;
    if (!reserve(at, by_hand)) return false;
    if (hf_file_create_shared(&at->file, 2 * SLOT, NULL) != HF_OK) return false;
    at->descriptor = memfd_create("bench", MFD_CLOEXEC);
    bool succeeded = at->descriptor >= 0 && ftruncate(at->descriptor, 2 * SLOT) == 0;
    space_call *commit = by_hand ? system_commit : holdfast_commit;
    for (size_t i = 0; i + 1 < regions; i += 2)
        succeeded &= commit(at, i * at->page, at->page, false);
    return succeeded;
}

static void close_space(bench_space *at) {
    if (at->space)
        hf_space_close(at->space);
    else
        munmap(at->base, at->size);
    hf_file_close(at->file);
    close(at->descriptor);
}

/* ---------------------------------------------------------------- measuring -------------- */

/* What a workload calls; before and after are not timed. */
typedef struct space_workload {
    bool by_hand, begins_committed;
    space_call *call, *before, *after; /* NULL: nothing */
} space_workload;

BENCH_INLINE bool run_pass(bench_state *state, const bench_space *at,
                           const space_workload *workload, bool flag) {
    bool succeeded = true;
    if (workload->before) {
        bench_pause(state);
        succeeded &= for_slots(at, workload->before, flag);
        bench_resume(state);
    }
    succeeded &= for_slots(at, workload->call, flag);
    if (workload->after) {
        bench_pause(state);
        succeeded &= for_slots(at, workload->after, flag);
        bench_resume(state);
    }
    return succeeded;
}

static void run_calls(bench_state *state, const space_workload *workload) {
    bench_space at;
    bench_meter meter = {0};
    size_t passes = 0;
    bool succeeded = open_space(&at, bench_range(state), workload->by_hand);
    if (workload->begins_committed)
        succeeded &= for_slots(&at, workload->by_hand ? system_commit : holdfast_commit, false);
    meter_watch_memory(&meter);
    meter_begin(&meter);
    for (; bench_next_batch(state, SLOTS); passes++)
        succeeded = succeeded && run_pass(state, &at, workload, passes % 2 == 0);
    meter_end(&meter);
    meter_report(&meter, state, passes);
    if (!succeeded) bench_skip(state, "a call failed");
    close_space(&at);
}

/* The regions touch each other. */
static void run_release(bench_state *state, bool by_hand) {
    bench_space at;
    bench_meter meter = {0};
    size_t passes = 0;
    bool succeeded = open_space(&at, 0, by_hand);
    meter_watch_memory(&meter);
    meter_begin(&meter);
    for (; bench_next_batch(state, 1); passes++) {
        size_t size = (size_t)RUN * at.page;
        bench_pause(state);
        for (size_t i = 0; i < RUN; i++)
            succeeded &=
                (by_hand ? system_commit : holdfast_commit)(&at, i * at.page, at.page, false);
        bench_resume(state);
        succeeded &= (by_hand ? system_release : holdfast_release)(&at, 0, size, false);
    }
    meter_end(&meter);
    meter_report(&meter, state, passes);
    if (!succeeded) bench_skip(state, "a call failed");
    close_space(&at);
}

static void run_run_holdfast(bench_state *state) { run_release(state, false); }
static void run_run_system(bench_state *state) { run_release(state, true); }

/* X(name, by_hand, begins committed, call, before, after) */
#define SPACE_WORKLOADS(X)                                                     \
    X(commit_holdfast, false, false, holdfast_commit, NULL, holdfast_release)  \
    X(commit_system, true, false, system_commit, NULL, system_release)         \
    X(commit_least, true, false, least_commit, NULL, least_release)            \
    X(release_holdfast, false, false, holdfast_release, holdfast_commit, NULL) \
    X(release_system, true, false, system_release, system_commit, NULL)        \
    X(release_least, true, false, least_release, least_commit, NULL)           \
    X(protect_holdfast, false, true, holdfast_protect, NULL, NULL)             \
    X(protect_system, true, true, system_protect, NULL, NULL)                  \
    X(reset_holdfast, false, true, holdfast_reset, NULL, NULL)                 \
    X(reset_system, true, true, system_reset, NULL, NULL)                      \
    X(remap_holdfast, false, true, holdfast_remap, NULL, NULL)                 \
    X(remap_system, true, true, system_remap, NULL, NULL)

#define SPACE_RUN(name, by_hand, committed, call, before, after)                      \
    static void run_##name(bench_state *state) {                                      \
        run_calls(state, &(space_workload){by_hand, committed, call, before, after}); \
    }
SPACE_WORKLOADS(SPACE_RUN)

void register_space(void) {
    static const size_t regions[] = {1, 1000, 30000};
    static const struct {
        const char *name;
        bench_function *run;
    } workloads[] = {
        {"space_commit/holdfast", run_commit_holdfast},
        {"space_commit/system", run_commit_system},
        {"space_commit/least", run_commit_least},
        {"space_release/holdfast", run_release_holdfast},
        {"space_release/system", run_release_system},
        {"space_release/least", run_release_least},
        {"space_protect/holdfast", run_protect_holdfast},
        {"space_protect/system", run_protect_system},
        {"space_reset/holdfast", run_reset_holdfast},
        {"space_reset/system", run_reset_system},
        {"space_remap/holdfast", run_remap_holdfast},
        {"space_remap/system", run_remap_system},
    };
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        bench_register(workloads[i].name, workloads[i].run, BENCH_NANOSECONDS, regions, 3);
    bench_register("space_release_run/holdfast", run_run_holdfast, BENCH_MICROSECONDS, NULL, 0);
    bench_register("space_release_run/system", run_run_system, BENCH_MICROSECONDS, NULL, 0);
}
