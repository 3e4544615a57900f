/*
 * owners.c -- the heaps of a process: which one a thread allocates from, and whose a block is.
 *
 *      | main: 1 TiB |         | thread's: 64 slots |  | thread's |      | shared |
 *                              ^ a multiple of 1 GiB, a slot
 *
 * The first thread that allocates has a large heap at any address, so that a process with one
 * thread makes few system calls at its start. The heaps of other threads are whole slots, and a
 * table has the owner of each slot: an address divided by 1 GiB finds it. Where addresses are short
 * (a limit, 32 bits, processors with few), heaps are smaller, and fewer threads have one.
 *
 * The shared heap is for threads that have no heap: there are too many threads, the thread's own
 * heap is full, or it has run its destructor. It is used under the lock, by allocation and by free.
 *
 *      a thread begins    takes the heap that became idle last, or opens one
 *      a thread ends      collects what others freed, trims it; then it is idle, or closed if it
 *                         has no block and there are enough idle ones
 *      another one frees  into the heap's list of remote blocks; under the lock if it is idle
 *      fork               under the lock. In the child the heaps of other threads are orphaned:
 *                         nobody allocates from them, because their records may be half edited
 */
#define _GNU_SOURCE

#include <holdfast/atomic.h>

#include <assert.h>
#include <limits.h>
#include <pthread.h>

#include "../heap_core.h"
#include "malloc_core.h"

#ifndef HF_MALLOC_MAIN_RESERVE
#if SIZE_MAX > UINT32_MAX
#define HF_MALLOC_MAIN_RESERVE ((size_t)1 << 40)
#define HF_MALLOC_SHARED_RESERVE ((size_t)1 << 38)
#define HF_MALLOC_SLOT_SHIFT 30
#define HF_MALLOC_ADDRESS_BITS 48
#define HF_MALLOC_SLOTS_EACH 64 /* of one heap, at most */
#define HF_MALLOC_MOST_SLOTS 49152
#else
#define HF_MALLOC_MAIN_RESERVE ((size_t)1 << 29)
#define HF_MALLOC_SHARED_RESERVE ((size_t)1 << 30)
#define HF_MALLOC_SLOT_SHIFT 25
#define HF_MALLOC_ADDRESS_BITS 32
#define HF_MALLOC_SLOTS_EACH 2
#define HF_MALLOC_MOST_SLOTS 24
#endif
#endif

#define OWNERS_SLOT ((size_t)1 << HF_MALLOC_SLOT_SHIFT)
#define OWNERS_SLOTS ((size_t)1 << (HF_MALLOC_ADDRESS_BITS - HF_MALLOC_SLOT_SHIFT))
#define OWNERS_LEAST HF_MIB(8)       /* bytes of the main and of the shared heap */
#define OWNERS_MOST 4096             /* heaps of threads */
#define OWNERS_IDLE_KEEP HF_MIB(2)   /* unused bytes that an idle heap keeps, if it is ... */
#define OWNERS_IDLE_READY 4          /* ... one of those that became idle last */
#define OWNERS_FREED_UNTIL_TRIM 1024 /* blocks freed in an idle heap */
#define OWNERS_FEW_SLOTS 16          /* of all threads where addresses are short */

/* hf_heap_options.huge_from of all heaps. A small program commits several times as many bytes as it
 * stores to: a run of each size that it uses, medium blocks that it fills in part. */
#define OWNERS_HUGE_FROM HF_MIB(8)

/* What a thread has to know of itself. */
typedef enum owners_phase {
    OWNERS_NEW,     /* has not allocated yet */
    OWNERS_OPENING, /* is about to get a heap */
    OWNERS_HAS_ONE, /* has a heap */
    OWNERS_HAS_NONE /* uses the shared heap: there was none, or the thread's destructor ran */
} owners_phase;

HF_MALLOC_THREAD_LOCAL hf_heap *hf_malloc_heap;
static HF_MALLOC_THREAD_LOCAL malloc_owner *owners_own; /* NULL: none */
static HF_MALLOC_THREAD_LOCAL owners_phase owners_phase_of_thread;
static HF_MALLOC_THREAD_LOCAL unsigned owners_depth;  /* how often the thread has locked the lock */
static HF_MALLOC_THREAD_LOCAL unsigned owners_rounds; /* how often its destructor ran */

static pthread_mutex_t owners_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Under the lock, except for what malloc_core.h says of an owner, and the table. */
static malloc_owner owners_main, owners_shared, owners_of_threads[OWNERS_MOST];
static malloc_owner *owners_table[OWNERS_SLOTS]; /* atomic; NULL: no heap's slot */
static malloc_owner *owners_idle;                /* the one that became idle last; NULL: none */
static malloc_owner *owners_unused;              /* records whose heap was closed */
static size_t owners_count;                      /* records of owners_of_threads that were used */
static size_t owners_slots;                      /* of open heaps */
static pthread_key_t owners_key;
static enum { OWNERS_NOT_READY, OWNERS_READY, OWNERS_KEYLESS } owners_process;

/* ------------------------------------------------------------------- the lock ------------ */

void hf_malloc_lock(void) {
    if (owners_depth++ == 0) pthread_mutex_lock(&owners_mutex);
}

void hf_malloc_unlock(void) {
    if (--owners_depth == 0) pthread_mutex_unlock(&owners_mutex);
}

void hf_malloc_unlock_for_abort(void) {
    if (owners_depth > 0) pthread_mutex_unlock(&owners_mutex);
    owners_depth = 0;
}

/* --------------------------------------------------------------- whose a block is --------- */

/* The base is valid once the size is not 0. */
static bool owners_contains(const malloc_owner *owner, size_t address) {
    size_t size = hf_load_acquire(&owner->size);
    return size > 0 && address - owner->base < size;
}

malloc_owner *hf_malloc_find(const void *block) {
    size_t address = (size_t)(uintptr_t)block, slot = address >> HF_MALLOC_SLOT_SHIFT;
    if (owners_contains(&owners_main, address)) return &owners_main;
    if (slot < OWNERS_SLOTS) {
        malloc_owner *found = __atomic_load_n(&owners_table[slot], __ATOMIC_ACQUIRE);
        if (found) return found;
    }
    return owners_contains(&owners_shared, address) ? &owners_shared : NULL;
}

/* Units below units_end are committed and stay so while a block of them is allocated. */
bool hf_malloc_may_be_block(const malloc_owner *owner, const void *block) {
    const hf_heap_core *core = heap_core_of(owner->heap);
    size_t offset = (size_t)(uintptr_t)block - owner->base;
    if ((uintptr_t)block % 16 != 0 || offset < core->units_offset) return false;
    if (offset - core->units_offset < hf_load_acquire(&core->units_end) * HF_HEAP_UNIT) return true;
    hf_region region;
    return hf_space_find(core->space, offset, &region) && region.kind == HF_COMMITTED &&
           region.offset == offset;
}

static void owners_fill_table(const malloc_owner *owner, malloc_owner *value) {
    for (size_t offset = 0; offset < owner->size; offset += OWNERS_SLOT)
        __atomic_store_n(&owners_table[(owner->base + offset) >> HF_MALLOC_SLOT_SHIFT], value,
                         __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------- opening and closing -------- */

static bool owners_open(malloc_owner *owner, hf_heap_options options, malloc_owner_state state) {
    options.on_fault = hf_malloc_on_fault;
    options.huge_from = OWNERS_HUGE_FROM;
    options.backend = hf_malloc_backend();
    if (hf_heap_open(&owner->heap, &options) != HF_OK) return false;
    const hf_heap_core *core = heap_core_of(owner->heap);
    owner->base = (size_t)(uintptr_t)hf_space_base(core->space);
    hf_store_release(&owner->state, state);
    hf_store_release(&owner->size, core->reserved);
    return true;
}

/* As many slots as the heap of one more thread may have. 0: none. Fewer for each when there are
 * many: together they leave most addresses to the rest of the program. */
static size_t owners_slots_for_one(void) {
    bool is_short = owners_main.size < HF_MALLOC_MAIN_RESERVE;
    size_t most = is_short ? OWNERS_FEW_SLOTS : HF_MALLOC_MOST_SLOTS;
    size_t left = most - hf_smaller(most, owners_slots);
    size_t each = hf_smaller(is_short ? 1 : HF_MALLOC_SLOTS_EACH, hf_larger(left / 256, 1));
    return left >= each ? each : 0;
}

static malloc_owner *owners_take_record(void) {
    malloc_owner *record = owners_unused;
    if (record) {
        owners_unused = record->older;
        return record;
    }
    return owners_count < OWNERS_MOST ? &owners_of_threads[owners_count++] : NULL;
}

static void owners_give_record(malloc_owner *record) {
    record->older = owners_unused;
    owners_unused = record;
}

/* Whole slots within the table. */
static bool owners_is_in_table(const malloc_owner *owner) {
    return owner->size % OWNERS_SLOT == 0 &&
           (owner->base + (owner->size - 1)) >> HF_MALLOC_SLOT_SHIFT < OWNERS_SLOTS;
}

static void owners_close(malloc_owner *owner) {
    hf_heap *heap = owner->heap;
    hf_store_release(&owner->state, MALLOC_UNUSED);
    hf_heap_close(heap);
    owner->heap = NULL;
    owner->size = 0;
    owners_give_record(owner);
}

/* The heap of one more thread; NULL: there are too many, or the system has not enough. */
static malloc_owner *owners_open_for_thread(void) {
    size_t slots = owners_slots_for_one();
    malloc_owner *owner = slots ? owners_take_record() : NULL;
    if (owner == NULL) return NULL;
    hf_heap_options options = {.reserve = slots * OWNERS_SLOT,
                               .least_reserve = slots * OWNERS_SLOT,
                               .alignment = OWNERS_SLOT};
    if (!owners_open(owner, options, MALLOC_RUNNING)) {
        owners_give_record(owner);
        return NULL;
    }
    if (!owners_is_in_table(owner)) {
        owners_close(owner);
        return NULL;
    }
    owners_fill_table(owner, owner);
    owners_slots += slots;
    return owner;
}

malloc_owner *hf_malloc_share(void) {
    hf_heap_options options = {.reserve = HF_MALLOC_SHARED_RESERVE, .least_reserve = OWNERS_LEAST};
    if (owners_shared.heap == NULL && !owners_open(&owners_shared, options, MALLOC_SHARED))
        return NULL;
    return &owners_shared;
}

/* ------------------------------------------------------------------- idle heaps ----------- */

static malloc_owner *owners_take_idle(void) {
    malloc_owner *owner = owners_idle;
    if (owner == NULL) return NULL;
    owners_idle = owner->older;
    hf_store_release(&owner->state, MALLOC_RUNNING);
    return owner;
}

static void owners_remove_idle(const malloc_owner *owner) {
    malloc_owner **link = &owners_idle;
    while (*link != owner) link = &(*link)->older;
    *link = owner->older;
}

/* True for those that the next threads take over. */
static bool owners_is_ready(const malloc_owner *wanted) {
    const malloc_owner *idle = owners_idle;
    for (size_t i = 0; i < OWNERS_IDLE_READY && idle; i++, idle = idle->older)
        if (idle == wanted) return true;
    return false;
}

/* A block that another thread frees meanwhile counts as allocated until it is collected. So no
 * thread looks at a heap that has no block, and it can be closed. */
static void owners_trim_idle(malloc_owner *idle) {
    bool is_ready = owners_is_ready(idle);
    hf_heap_trim(idle->heap, is_ready ? OWNERS_IDLE_KEEP : 0);
    idle->freed = 0;
    idle->blocks = hf_heap_get_stats(idle->heap).blocks;
    if (is_ready || idle->blocks > 0 || idle == &owners_main) return;
    owners_remove_idle(idle);
    owners_slots -= idle->size / OWNERS_SLOT;
    owners_fill_table(idle, NULL);
    owners_close(idle);
}

void hf_malloc_note_freed(malloc_owner *idle) {
    assert(hf_load_acquire(&idle->state) == MALLOC_IDLE);
    idle->freed++;
    if (idle->freed == idle->blocks || idle->freed >= OWNERS_FREED_UNTIL_TRIM)
        owners_trim_idle(idle);
}

/* The heap that is no more one of the first in the list keeps nothing from now on. */
static void owners_retire(malloc_owner *owner) {
    owner->older = owners_idle;
    owners_idle = owner;
    hf_store_release(&owner->state, MALLOC_IDLE);
    owners_trim_idle(owner);
    malloc_owner *displaced = owners_idle;
    for (size_t i = 0; i < OWNERS_IDLE_READY && displaced; i++) displaced = displaced->older;
    if (displaced) owners_trim_idle(displaced);
}

/* ------------------------------------------------------ threads that begin and end -------- */

/* Other destructors of the thread may free and allocate: so it waits for the last round of them but
 * one; in the last round ThreadSanitizer forgets the thread. What the thread allocates after that
 * is in the shared heap. */
static void owners_end_thread(void *owner) {
    if (++owners_rounds < PTHREAD_DESTRUCTOR_ITERATIONS - 1 &&
        pthread_setspecific(owners_key, owner) == 0)
        return;
    hf_malloc_heap = NULL;
    owners_own = NULL;
    owners_phase_of_thread = OWNERS_HAS_NONE;
    hf_malloc_lock();
    owners_retire(owner);
    hf_malloc_unlock();
}

static void owners_before_fork(void) { hf_malloc_lock(); }

static void owners_after_fork(void) { hf_malloc_unlock(); }

static void owners_orphan(malloc_owner *owner) {
    if (owner != owners_own && hf_load_acquire(&owner->state) == MALLOC_RUNNING)
        hf_store_release(&owner->state, MALLOC_ORPHANED);
}

static void owners_after_fork_in_child(void) {
    owners_orphan(&owners_main);
    for (size_t i = 0; i < owners_count; i++) owners_orphan(&owners_of_threads[i]);
    hf_malloc_unlock();
}

/* The backend of the heap registers its handlers before ours. So ours runs first, and no thread
 * waits with the lock while the backend lets no thread make a step of a space. Handlers that are
 * registered later run before both: so both are registered as early as possible. Called under the
 * lock. */
static void owners_register(void) {
    static bool is_registered;
    if (is_registered) return;
    is_registered = true; /* pthread_atfork may allocate */
    if (pthread_atfork(owners_before_fork, owners_after_fork, owners_after_fork_in_child) != 0)
        hf_malloc_abort("no memory for a fork handler", NULL);
}

/* The backend's constructor has priority 101. */
__attribute__((constructor(102))) static void owners_register_early(void) {
    hf_malloc_lock();
    owners_register();
    hf_malloc_unlock();
}

/* Without a key nothing tells that a thread ends: then the main heap alone has a thread. */
static malloc_owner *owners_start(void) {
    hf_heap_options options = {.reserve = HF_MALLOC_MAIN_RESERVE, .least_reserve = OWNERS_LEAST};
    if (!owners_open(&owners_main, options, MALLOC_RUNNING)) return NULL;
    bool has_key = pthread_key_create(&owners_key, owners_end_thread) == 0;
    owners_process = has_key ? OWNERS_READY : OWNERS_KEYLESS;
#ifdef __GLIBC__ /* its pthread_atfork does not allocate: this is not within the backend's */
    owners_register();
#endif
    return &owners_main;
}

static malloc_owner *owners_choose(void) {
    if (owners_process == OWNERS_NOT_READY) return owners_start();
    owners_register();
    if (owners_process == OWNERS_KEYLESS) return NULL;
    malloc_owner *idle = owners_take_idle();
    return idle ? idle : owners_open_for_thread();
}

hf_heap *hf_malloc_attach(void) {
    if (owners_phase_of_thread != OWNERS_NEW) return hf_malloc_heap;
    owners_phase_of_thread = OWNERS_OPENING;
    hf_malloc_lock();
    owners_own = owners_choose();
    hf_malloc_unlock();
    owners_phase_of_thread = owners_own ? OWNERS_HAS_ONE : OWNERS_HAS_NONE;
    if (owners_own == NULL) return NULL;
    hf_malloc_heap = owners_own->heap;
    /* may allocate */
    if (owners_process == OWNERS_READY) pthread_setspecific(owners_key, owners_own);
    return hf_malloc_heap;
}

/* ------------------------------------------------------------------- statistics ----------- */

static void owners_add(hf_heap_stats *sum, const malloc_owner *owner) {
    hf_heap_stats stats = hf_heap_get_stats(owner->heap);
    sum->blocks += stats.blocks;
    sum->used += stats.used;
    sum->committed += stats.committed;
    sum->peak += stats.peak;
    sum->reserved += stats.reserved;
    sum->large_blocks += stats.large_blocks;
    sum->idle += stats.idle;
    sum->purges += stats.purges;
    sum->system_calls += stats.system_calls;
}

static bool owners_is_readable(const malloc_owner *owner) {
    size_t state = hf_load_acquire(&owner->state);
    return owner == owners_own || state == MALLOC_IDLE || state == MALLOC_SHARED;
}

/* The n-th record that may have a heap: NULL behind the last one. */
static malloc_owner *owners_nth(size_t n) {
    if (n < 2) return n == 0 ? &owners_main : &owners_shared;
    return n - 2 < owners_count ? &owners_of_threads[n - 2] : NULL;
}

/* Calls a function for each heap that no other thread uses. Returns how many there are; *others
 * counts the rest. Called under the lock. */
static size_t owners_visit(void (*visit)(malloc_owner *, void *), void *data, size_t *others) {
    size_t seen = 0;
    malloc_owner *owner;
    *others = 0;
    for (size_t i = 0; (owner = owners_nth(i)) != NULL; i++) {
        if (owner->heap == NULL) continue;
        bool can_read = owners_is_readable(owner);
        if (can_read) visit(owner, data);
        seen += can_read;
        *others += !can_read;
    }
    return seen;
}

hf_status hf_malloc_check(void) {
    hf_status status = HF_OK;
    malloc_owner *owner;
    hf_malloc_lock();
    for (size_t i = 0; status == HF_OK && (owner = owners_nth(i)) != NULL; i++)
        if (owner->heap) status = hf_heap_check(owner->heap);
    hf_malloc_unlock();
    return status;
}

static void owners_visit_sum(malloc_owner *owner, void *sum) { owners_add(sum, owner); }

hf_heap_stats hf_malloc_sum(size_t *heaps, size_t *running) {
    hf_heap_stats sum = {0};
    hf_malloc_lock();
    *heaps = owners_visit(owners_visit_sum, &sum, running);
    hf_malloc_unlock();
    return sum;
}

typedef struct owners_trim {
    size_t keep;
    bool is_done; /* something was given back */
} owners_trim;

static void owners_visit_trim(malloc_owner *owner, void *data) {
    owners_trim *trim = data;
    hf_heap_stats before = hf_heap_get_stats(owner->heap);
    hf_heap_trim(owner->heap, trim->keep);
    hf_heap_stats after = hf_heap_get_stats(owner->heap);
    trim->is_done |= after.purges > before.purges || after.committed < before.committed;
}

bool hf_malloc_trim(size_t keep) {
    owners_trim trim = {.keep = keep};
    size_t others;
    hf_malloc_lock();
    owners_visit(owners_visit_trim, &trim, &others);
    hf_malloc_unlock();
    return trim.is_done;
}
