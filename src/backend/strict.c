/*
 * strict.c -- the backend for tests: the rules of Windows' placeholders, enforced in software.
 *
 * A strict backend stands between a space and another backend (the one below), and keeps its own
 * table of pieces, as Windows keeps its allocations: placeholders, private allocations, views.
 * It compares each call with the rules of VirtualAlloc2, VirtualFree, MapViewOfFile3 and
 * UnmapViewOfFile2. A call that breaks a rule fails with Windows' code and is counted as a
 * violation. A call that hf_strict_fail selected fails although it breaks no rule (an injected
 * failure). Only then is the backend below called, and the table edited if that call succeeded.
 *
 *     call -> counted -> a rule is broken?      -> 87, 487, 1132; a violation
 *                     -> a failure is injected? -> 8, 1455, 112, ...
 *                     -> the backend below      -> its own error
 *                     -> the table is edited
 *
 * The table is a plain sorted array, so that it is obviously correct and shares no code with the
 * region map, which it checks.
 *
 * Chapters:
 *
 *     violations and injected failures   which calls fail, and how
 *     table of pieces                    search, insertion, division
 *     memory                             reserve, release, map_free, protect; a strict_step for the
 *                                        others
 *     hints and check                    advise, name, check
 *     pages                              pages for holdfast's own records
 *     files                              files, drafts, the process
 *     locks
 *     opening and closing                the table of functions, hf_strict_*
 */
#include <holdfast/backend.h>

#include <assert.h>

#include "../compatible.h"
#include "../fail.h"
#include "../pages.h"
#include "../prove.h"

/* Windows' error codes, without <windows.h>. */
#define STRICT_ERROR_NOT_ENOUGH_MEMORY 8
#define STRICT_ERROR_LOCK_VIOLATION 33
#define STRICT_ERROR_NOT_SUPPORTED 50
#define STRICT_ERROR_INVALID_PARAMETER 87
#define STRICT_ERROR_DISK_FULL 112
#define STRICT_ERROR_INVALID_ADDRESS 487
#define STRICT_ERROR_FILE_INVALID 1006
#define STRICT_ERROR_MAPPED_ALIGNMENT 1132
#define STRICT_ERROR_NO_SYSTEM_RESOURCES 1450
#define STRICT_ERROR_COMMITMENT_LIMIT 1455

typedef struct strict_piece {
    char *address;
    size_t size;
    hf_kind kind;
    bool is_protected; /* protect was called for a part of it */
} strict_piece;

/* What changes although an injected failure makes the call fail. */
typedef enum strict_effect {
    STRICT_NO_EFFECT,    /* nothing */
    STRICT_PAGES_LOST,   /* decommit: the memory is still committed and reads as zero */
    STRICT_NAME_IN_PLACE /* draft_publish: the draft has the path's name */
} strict_effect;

/* One failure that a call's contract allows. A list ends with HF_OK. Windows has no code of its
 * own for HF_MAP_LIMIT: ERROR_NO_SYSTEM_RESOURCES (1450) stands for it. */
typedef struct strict_failure {
    hf_status status;
    long code; /* of Windows */
    strict_effect effect;
} strict_failure;

typedef struct strict_backend {
    hf_backend calls; /* first: hf_strict_open returns its address */
    const hf_backend *under;
    hf_lock lock;
    hf_strict_stats stats;
    size_t nth;           /* the nth counted call from now on fails; 0: none */
    bool from_then_on;    /* every later call fails too */
    size_t choice;        /* index into a call's list of failures, modulo its length */
    strict_piece *pieces; /* stats.regions of them, sorted by address */
    size_t table_bytes;   /* allocated for them, whole pages */
} strict_backend;

static strict_backend *strict_of(const hf_backend *self) {
    return (strict_backend *)(uintptr_t)self;
}

static void strict_enter(strict_backend *strict) {
    strict->under->lock(strict->under, &strict->lock);
}

static void strict_leave(strict_backend *strict) {
    strict->under->unlock(strict->under, &strict->lock);
}

static hf_status strict_fail(hf_report *report, hf_status status, const char *call, long code) {
    report->call = call;
    report->reason = NULL;
    report->os_code = code;
    return status;
}

/* ---------------------------------------------- violations and injected failures ---------- */

/* HF_WRONG_STATE for ERROR_INVALID_ADDRESS (487), else HF_INVALID. */
static hf_status strict_fail_rule(strict_backend *strict, hf_report *report, const char *call,
                                  long code) {
    strict->stats.violations++;
    hf_status status = code == STRICT_ERROR_INVALID_ADDRESS ? HF_WRONG_STATE : HF_INVALID;
    return strict_fail(report, status, call, code);
}

static bool strict_is_due(strict_backend *strict) {
    if (strict->nth == 0) return false;
    if (strict->nth > 1) {
        strict->nth--;
        return false;
    }
    if (!strict->from_then_on) strict->nth = 0;
    return true;
}

static const strict_failure *strict_choose_failure(strict_backend *strict,
                                                   const strict_failure *failures) {
    size_t count = 0;
    while (failures[count].status != HF_OK) count++;
    if (count > strict->stats.choices) strict->stats.choices = count;
    return &failures[strict->choice % count];
}

/* For a call that broke no rule. Returns the failure that the call has to report, or NULL if the
 * call proceeds to the backend below. */
static const strict_failure *strict_inject(strict_backend *strict, hf_report *report,
                                           const strict_failure *failures, const char *call) {
    if (!strict_is_due(strict)) return NULL;
    const strict_failure *chosen = strict_choose_failure(strict, failures);
    strict->stats.failures++;
    strict->stats.failed_as =
        (hf_error){.status = chosen->status, .os_code = chosen->code, .call = call};
    strict_fail(report, chosen->status, call, chosen->code);
    return chosen;
}

static hf_status strict_inject_status(strict_backend *strict, hf_report *report,
                                      const strict_failure *failures, const char *call) {
    const strict_failure *failing = strict_inject(strict, report, failures, call);
    return failing ? failing->status : HF_OK;
}

static bool strict_is_aligned(strict_backend *strict, const void *address, size_t size) {
    return hf_is_whole_pages(strict->under->page_size(strict->under), address, size);
}

/* --------------------------------------------------------------- table of pieces ---------- */

/* The index of the first piece that ends above the address. */
static size_t strict_index_of(const strict_backend *strict, const char *address) {
    size_t low = 0, high = strict->stats.regions;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const strict_piece *found = &strict->pieces[middle];
        if ((size_t)(address - found->address) < found->size || address < found->address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The piece that contains the address, or NULL. */
static strict_piece *strict_piece_at(const strict_backend *strict, const char *address) {
    size_t index = strict_index_of(strict, address);
    strict_piece *found = &strict->pieces[index];
    return index < strict->stats.regions && found->address <= address ? found : NULL;
}

/* Does the range lie within the piece? The piece contains the address. */
static bool strict_is_within(const strict_piece *found, const char *address, size_t size) {
    return size <= found->size - (size_t)(address - found->address);
}

static bool strict_is_exactly(const strict_piece *found, const char *address, size_t size) {
    return found && found->address == address && found->size == size;
}

#ifndef NDEBUG
/* True if the piece is not empty and lies behind the one before it. */
static bool strict_is_in_order(const strict_backend *strict, size_t index) {
    const strict_piece *found = &strict->pieces[index];
    const strict_piece *below = index > 0 ? &strict->pieces[index - 1] : NULL;
    return found->size > 0 &&
           (below == NULL || (below->address < found->address &&
                              below->size <= (size_t)(found->address - below->address)));
}

/* True if the pieces next to this index of the table are in order (where a proof of the whole table
 * is due, all pieces), and the table is large enough. */
static bool strict_is_sound(const strict_backend *strict, size_t index) {
    size_t count = strict->stats.regions, end = index + 2 < count ? index + 2 : count;
    bool proves = HF_PROVES && HF_IS_PROOF_DUE(count);
    for (size_t i = proves ? 0 : index; i < (proves ? count : end); i++)
        if (!strict_is_in_order(strict, i)) return false;
    return count * sizeof(strict_piece) <= strict->table_bytes;
}
#endif

static void strict_remove_at(strict_backend *strict, size_t index, size_t count) {
    assert(index <= strict->stats.regions && count <= strict->stats.regions - index);
    strict->stats.regions -= count;
    for (size_t i = index; i < strict->stats.regions; i++)
        strict->pieces[i] = strict->pieces[i + count];
    assert(strict_is_sound(strict, index));
}

static void strict_insert_at(strict_backend *strict, size_t index, strict_piece added) {
    assert(index <= strict->stats.regions);
    assert((strict->stats.regions + 1) * sizeof added <= strict->table_bytes);
    for (size_t i = strict->stats.regions++; i > index; i--)
        strict->pieces[i] = strict->pieces[i - 1];
    strict->pieces[index] = added;
    assert(strict_is_sound(strict, index));
}

/* Splits the piece that contains the range in up to three, and gives the range's piece a kind:
 *
 *     |aaaaaaaaaaa|  ->  |aaa|kind|aaaa|
 */
static void strict_set_kind(strict_backend *strict, char *address, size_t size, hf_kind kind) {
    size_t index = strict_index_of(strict, address);
    assert(index < strict->stats.regions);
    strict_piece whole = strict->pieces[index];
    assert(address >= whole.address && strict_is_within(&whole, address, size));
    size_t below = (size_t)(address - whole.address), above = whole.size - below - size;
    strict->pieces[index] = (strict_piece){address, size, kind, false};
    if (above > 0)
        strict_insert_at(strict, index + 1,
                         (strict_piece){address + size, above, whole.kind, whole.is_protected});
    if (below > 0)
        strict_insert_at(strict, index,
                         (strict_piece){whole.address, below, whole.kind, whole.is_protected});
}

/* Grows the table, if necessary, for the two pieces that one step adds at most. */
static hf_status strict_make_room(strict_backend *strict, hf_report *report) {
    if ((strict->stats.regions + 2) * sizeof(strict_piece) <= strict->table_bytes) return HF_OK;
    size_t bytes = 2 * strict->table_bytes;
    void *memory;
    hf_status status = strict->under->allocate_pages(strict->under, bytes, &memory, report);
    if (status != HF_OK) return status;
    strict_piece *pieces = memory;
    for (size_t i = 0; i < strict->stats.regions; i++) pieces[i] = strict->pieces[i];
    strict->under->free_pages(strict->under, strict->pieces, strict->table_bytes);
    strict->pieces = pieces;
    strict->table_bytes = bytes;
    return HF_OK;
}

/* ------------------------------------------------------------------------ memory ---------- */

static size_t strict_page_size(const hf_backend *self) {
    const hf_backend *under = strict_of(self)->under;
    return under->page_size(under);
}

/*
 * Is any address of the range taken? Windows rounds the base down to the allocation granularity
 * first. So a hole that begins between two multiples of it is taken if a piece lies below it:
 *
 *     |ppp|...|ppp|
 *     64K  ^ base      taken
 */
static bool strict_is_taken(const strict_backend *strict, const char *base, size_t size) {
    if (base == NULL) return false;
    size_t rounded = (uintptr_t)base % HF_ALLOCATION_GRANULARITY;
    const char *start = base - rounded;
    size_t index = strict_index_of(strict, start);
    const strict_piece *next = &strict->pieces[index];
    return index < strict->stats.regions &&
           (next->address <= start || (size_t)(next->address - start) < rounded + size);
}

/* The alignment of strict_reserve_aligned; 0: that of reserve. */
static hf_status strict_reserve_locked(strict_backend *strict, void *base, size_t size,
                                       size_t alignment, void **address, hf_report *report) {
    const hf_backend *under = strict->under;
    static const char call[] = "VirtualAlloc2";
    static const strict_failure failures[] = {
        {HF_NO_ADDRESS, STRICT_ERROR_NOT_ENOUGH_MEMORY, STRICT_NO_EFFECT},
        {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT},
        {0}};
    bool taken = strict_is_taken(strict, base, size);
    if (!strict_is_aligned(strict, NULL, size))
        return strict_fail_rule(strict, report, call, STRICT_ERROR_INVALID_PARAMETER);
    if ((uintptr_t)base % HF_ALLOCATION_GRANULARITY != 0)
        return strict_fail_rule(strict, report, call,
                                taken ? STRICT_ERROR_INVALID_ADDRESS
                                      : STRICT_ERROR_INVALID_PARAMETER);
    hf_status status = strict_inject_status(strict, report, failures, call);
    if (status == HF_OK && taken)
        status = strict_fail(report, HF_NO_ADDRESS, call, STRICT_ERROR_INVALID_ADDRESS);
    if (status == HF_OK) status = strict_make_room(strict, report);
    if (status == HF_OK)
        status = alignment > 0 ? under->reserve_aligned(under, size, alignment, address, report)
                               : under->reserve(under, base, size, address, report);
    if (status == HF_OK)
        strict_insert_at(strict, strict_index_of(strict, *address),
                         (strict_piece){*address, size, HF_PLACEHOLDER, false});
    return status;
}

static hf_status strict_reserve(const hf_backend *self, void *base, size_t size, void **address,
                                hf_report *report) {
    strict_backend *strict = strict_of(self);
    strict_enter(strict);
    strict->stats.calls++;
    hf_status status = strict_reserve_locked(strict, base, size, 0, address, report);
    strict_leave(strict);
    return status;
}

static hf_status strict_reserve_aligned(const hf_backend *self, size_t size, size_t alignment,
                                        void **address, hf_report *report) {
    strict_backend *strict = strict_of(self);
    strict_enter(strict);
    strict->stats.calls++;
    hf_status status = strict_reserve_locked(strict, NULL, size, alignment, address, report);
    strict_leave(strict);
    return status;
}

/* VirtualFree(MEM_RELEASE) and UnmapViewOfFile release one whole piece, named by its base. */
static void strict_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    strict_backend *strict = strict_of(self);
    strict_enter(strict);
    strict_piece *found = strict_piece_at(strict, address);
    if (strict_is_exactly(found, address, size) && found->kind == kind) {
        strict_remove_at(strict, (size_t)(found - strict->pieces), 1);
        strict->under->release(strict->under, address, size, kind);
    } else {
        strict->stats.violations++;
    }
    strict_leave(strict);
}

/* One of split, coalesce, commit, decommit, map, unmap. `view` is a strict_view for map, else
 * NULL. */
typedef struct strict_step {
    const char *call;               /* the Windows function */
    const strict_failure *failures; /* that can be injected */
    long misaligned_code;           /* the code if the range is empty or not whole pages */
    /* The code of the rule that the call breaks; 0: none. */
    long (*broken_rule)(const strict_backend *, char *address, size_t size, const void *view);
    /* Calls the backend below. */
    hf_status (*make)(strict_backend *, char *address, size_t size, const void *view, hf_report *);
    /* Records the step in the table. */
    void (*edit)(strict_backend *, char *address, size_t size);
} strict_step;

static hf_status strict_make_step(strict_backend *strict, const strict_step *wanted, char *address,
                                  size_t size, const void *view, hf_report *report) {
    hf_status status = strict_make_room(strict, report);
    if (status == HF_OK) status = wanted->make(strict, address, size, view, report);
    if (status == HF_OK) wanted->edit(strict, address, size);
    return status;
}

/* An injected failure. STRICT_PAGES_LOST decommits the range below and commits it again, so that it
 * reads as zero; if that commit fails, the decommit has succeeded. Only a whole piece loses its
 * pages: a part that is committed again is one more allocation to a backend below that counts
 * allocations, as Windows does. And only one that was never protected: committing would make it
 * writable. */
static hf_status strict_fail_step(strict_backend *strict, const strict_step *wanted,
                                  const strict_failure *failing, char *address, size_t size) {
    const hf_backend *under = strict->under;
    hf_report below = {0};
    const strict_piece *found = strict_piece_at(strict, address);
    bool loses_pages = failing->effect == STRICT_PAGES_LOST &&
                       strict_is_exactly(found, address, size) && !found->is_protected;
    if (!loses_pages || strict_make_room(strict, &below) != HF_OK ||
        under->decommit(under, address, size, &below) != HF_OK ||
        under->commit(under, address, size, &below) == HF_OK)
        return failing->status;
    wanted->edit(strict, address, size);
    return HF_OK;
}

static hf_status strict_perform_locked(strict_backend *strict, const strict_step *wanted,
                                       char *address, size_t size, const void *view,
                                       hf_report *report) {
    long code = strict_is_aligned(strict, address, size)
                    ? wanted->broken_rule(strict, address, size, view)
                    : wanted->misaligned_code;
    if (code != 0) return strict_fail_rule(strict, report, wanted->call, code);
    const strict_failure *failing = strict_inject(strict, report, wanted->failures, wanted->call);
    return failing ? strict_fail_step(strict, wanted, failing, address, size)
                   : strict_make_step(strict, wanted, address, size, view, report);
}

static hf_status strict_perform(const hf_backend *self, const strict_step *wanted, void *address,
                                size_t size, const void *view, hf_report *report) {
    strict_backend *strict = strict_of(self);
    strict_enter(strict);
    strict->stats.calls++;
    hf_status status = strict_perform_locked(strict, wanted, address, size, view, report);
    strict_leave(strict);
    return status;
}

/*
 * VirtualFree(MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER) is both split and decommit: a proper part of
 * a placeholder is split off; private memory, in whole or in part, becomes a placeholder. A view,
 * or a range that ends beyond its piece, is ERROR_INVALID_PARAMETER (87); no piece at the address,
 * or a whole placeholder, is ERROR_INVALID_ADDRESS (487).
 */
static long strict_preserve_rule(const strict_backend *strict, char *address, size_t size,
                                 const void *view) {
    (void)view;
    const strict_piece *found = strict_piece_at(strict, address);
    if (found == NULL) return STRICT_ERROR_INVALID_ADDRESS;
    if (found->kind == HF_VIEW || !strict_is_within(found, address, size))
        return STRICT_ERROR_INVALID_PARAMETER;
    bool whole = strict_is_exactly(found, address, size);
    return found->kind == HF_PLACEHOLDER && whole ? STRICT_ERROR_INVALID_ADDRESS : 0;
}

static hf_status strict_make_preserve(strict_backend *strict, char *address, size_t size,
                                      const void *view, hf_report *report) {
    (void)view;
    const hf_backend *under = strict->under;
    return strict_piece_at(strict, address)->kind == HF_PLACEHOLDER
               ? under->split(under, address, size, report)
               : under->decommit(under, address, size, report);
}

static void strict_edit_to_placeholder(strict_backend *strict, char *address, size_t size) {
    strict_set_kind(strict, address, size, HF_PLACEHOLDER);
}

/* Failures of the steps that allocate neither memory nor disk space. */
static const strict_failure strict_address_failures[] = {
    {HF_NO_MEMORY, STRICT_ERROR_NOT_ENOUGH_MEMORY, STRICT_NO_EFFECT},
    {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT},
    {0}};

static hf_status strict_split(const hf_backend *self, void *address, size_t size,
                              hf_report *report) {
    static const strict_step wanted = {.call = "VirtualFree",
                                       .failures = strict_address_failures,
                                       .misaligned_code = STRICT_ERROR_INVALID_PARAMETER,
                                       .broken_rule = strict_preserve_rule,
                                       .make = strict_make_preserve,
                                       .edit = strict_edit_to_placeholder};
    return strict_perform(self, &wanted, address, size, NULL, report);
}

static hf_status strict_decommit(const hf_backend *self, void *address, size_t size,
                                 hf_report *report) {
    static const strict_failure failures[] = {
        {HF_NO_MEMORY, STRICT_ERROR_NOT_ENOUGH_MEMORY, STRICT_NO_EFFECT},
        {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT},
        {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_PAGES_LOST},
        {HF_UNSUPPORTED, STRICT_ERROR_NOT_SUPPORTED, STRICT_NO_EFFECT},
        {0}};
    static const strict_step wanted = {.call = "VirtualFree",
                                       .failures = failures,
                                       .misaligned_code = STRICT_ERROR_INVALID_PARAMETER,
                                       .broken_rule = strict_preserve_rule,
                                       .make = strict_make_preserve,
                                       .edit = strict_edit_to_placeholder};
    return strict_perform(self, &wanted, address, size, NULL, report);
}

/* VirtualFree(MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS): two or more adjacent whole placeholders.
 * Windows checks the first piece before the others: ERROR_INVALID_PARAMETER (87) if it is a
 * view. */
static long strict_coalesce_rule(const strict_backend *strict, char *address, size_t size,
                                 const void *view) {
    (void)view;
    const strict_piece *first = strict_piece_at(strict, address);
    if (first && first->kind == HF_VIEW) return STRICT_ERROR_INVALID_PARAMETER;
    size_t covered = 0, count = 0;
    for (size_t i = strict_index_of(strict, address); i < strict->stats.regions && covered < size;
         i++) {
        const strict_piece *found = &strict->pieces[i];
        if (found->address != address + covered || found->kind != HF_PLACEHOLDER) break;
        covered += found->size;
        count++;
    }
    return covered == size && count >= 2 ? 0 : STRICT_ERROR_INVALID_ADDRESS;
}

static hf_status strict_make_coalesce(strict_backend *strict, char *address, size_t size,
                                      const void *view, hf_report *report) {
    (void)view;
    return strict->under->coalesce(strict->under, address, size, report);
}

static void strict_edit_coalesce(strict_backend *strict, char *address, size_t size) {
    size_t first = strict_index_of(strict, address),
           last = strict_index_of(strict, address + size - 1);
    assert(first < last && strict->pieces[first].address == address);
    strict->pieces[first].size = size;
    strict_remove_at(strict, first + 1, last - first);
}

static hf_status strict_coalesce(const hf_backend *self, void *address, size_t size,
                                 hf_report *report) {
    static const strict_step wanted = {.call = "VirtualFree",
                                       .failures = strict_address_failures,
                                       .misaligned_code = STRICT_ERROR_INVALID_PARAMETER,
                                       .broken_rule = strict_coalesce_rule,
                                       .make = strict_make_coalesce,
                                       .edit = strict_edit_coalesce};
    return strict_perform(self, &wanted, address, size, NULL, report);
}

/* MEM_REPLACE_PLACEHOLDER: base and size are those of one placeholder. */
static long strict_replace_rule(const strict_backend *strict, char *address, size_t size,
                                const void *view) {
    (void)view;
    const strict_piece *found = strict_piece_at(strict, address);
    return strict_is_exactly(found, address, size) && found->kind == HF_PLACEHOLDER
               ? 0
               : STRICT_ERROR_INVALID_ADDRESS;
}

/* `view` is the hf_memory of commit_as, or NULL. */
static hf_status strict_make_commit(strict_backend *strict, char *address, size_t size,
                                    const void *view, hf_report *report) {
    const hf_backend *under = strict->under;
    return view ? under->commit_as(under, address, size, view, report)
                : under->commit(under, address, size, report);
}

static void strict_edit_commit(strict_backend *strict, char *address, size_t size) {
    strict_set_kind(strict, address, size, HF_COMMITTED);
}

static hf_status strict_commit_as(const hf_backend *self, void *address, size_t size,
                                  const hf_memory *memory, hf_report *report) {
    static const strict_failure failures[] = {
        {HF_NO_MEMORY, STRICT_ERROR_COMMITMENT_LIMIT, STRICT_NO_EFFECT},
        {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT},
        {0}};
    static const strict_step wanted = {.call = "VirtualAlloc2",
                                       .failures = failures,
                                       .misaligned_code = STRICT_ERROR_INVALID_PARAMETER,
                                       .broken_rule = strict_replace_rule,
                                       .make = strict_make_commit,
                                       .edit = strict_edit_commit};
    return strict_perform(self, &wanted, address, size, memory, report);
}

static hf_status strict_commit(const hf_backend *self, void *address, size_t size,
                               hf_report *report) {
    return strict_commit_as(self, address, size, NULL, report);
}

static hf_status strict_check_memory(const hf_backend *self, const hf_memory *memory,
                                     hf_report *report) {
    const hf_backend *under = strict_of(self)->under;
    return under->check_memory(under, memory, report);
}

/* Arguments of map and map_free. */
typedef struct strict_view {
    intptr_t file;
    uint64_t file_offset;
    hf_access access;
} strict_view;

static long strict_map_rule(const strict_backend *strict, char *address, size_t size,
                            const void *view) {
    const strict_view *wanted = view;
    size_t mask = strict->under->page_size(strict->under) - 1;
    if ((wanted->file_offset & mask) != 0) return STRICT_ERROR_MAPPED_ALIGNMENT;
    return strict_replace_rule(strict, address, size, view);
}

static hf_status strict_make_map(strict_backend *strict, char *address, size_t size,
                                 const void *view, hf_report *report) {
    const strict_view *wanted = view;
    return strict->under->map(strict->under, address, size, wanted->file, wanted->file_offset,
                              wanted->access, report);
}

static void strict_edit_map(strict_backend *strict, char *address, size_t size) {
    strict_set_kind(strict, address, size, HF_VIEW);
}

static hf_status strict_map(const hf_backend *self, void *address, size_t size, intptr_t file,
                            uint64_t file_offset, hf_access access, hf_report *report) {
    static const strict_failure failures[] = {
        {HF_NO_MEMORY, STRICT_ERROR_COMMITMENT_LIMIT, STRICT_NO_EFFECT},
        {HF_IO, STRICT_ERROR_FILE_INVALID, STRICT_NO_EFFECT},
        {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT},
        {HF_UNSUPPORTED, STRICT_ERROR_NOT_SUPPORTED, STRICT_NO_EFFECT},
        {HF_NO_SPACE, STRICT_ERROR_DISK_FULL, STRICT_NO_EFFECT},
        {HF_INVALID, STRICT_ERROR_INVALID_PARAMETER, STRICT_NO_EFFECT},
        {0}};
    static const strict_step wanted = {.call = "MapViewOfFile3",
                                       .failures = failures,
                                       .misaligned_code = STRICT_ERROR_MAPPED_ALIGNMENT,
                                       .broken_rule = strict_map_rule,
                                       .make = strict_make_map,
                                       .edit = strict_edit_map};
    strict_view view = {file, file_offset, access};
    return strict_perform(self, &wanted, address, size, &view, report);
}

/* MapViewOfFileEx. The backend below finds out whether the addresses are free. */
static hf_status strict_map_free_locked(strict_backend *strict, char *address, size_t size,
                                        const strict_view *view, hf_report *report) {
    static const char call[] = "MapViewOfFileEx";
    static const strict_failure failures[] = {
        {HF_NO_MEMORY, STRICT_ERROR_NOT_ENOUGH_MEMORY, STRICT_NO_EFFECT},
        {HF_NO_ADDRESS, STRICT_ERROR_INVALID_ADDRESS, STRICT_NO_EFFECT},
        {HF_IO, STRICT_ERROR_FILE_INVALID, STRICT_NO_EFFECT},
        {0}};
    if (!strict_is_aligned(strict, address, size) ||
        (uintptr_t)address % HF_ALLOCATION_GRANULARITY != 0 ||
        view->file_offset % HF_ALLOCATION_GRANULARITY != 0)
        return strict_fail_rule(strict, report, call, STRICT_ERROR_MAPPED_ALIGNMENT);
    hf_status status = strict_inject_status(strict, report, failures, call);
    if (status == HF_OK) status = strict_make_room(strict, report);
    if (status == HF_OK)
        status = strict->under->map_free(strict->under, address, size, view->file,
                                         view->file_offset, view->access, report);
    if (status == HF_OK)
        strict_insert_at(strict, strict_index_of(strict, address),
                         (strict_piece){address, size, HF_VIEW, false});
    return status;
}

static hf_status strict_map_free(const hf_backend *self, void *address, size_t size, intptr_t file,
                                 uint64_t file_offset, hf_access access, hf_report *report) {
    strict_backend *strict = strict_of(self);
    strict_view view = {file, file_offset, access};
    strict_enter(strict);
    strict->stats.calls++;
    hf_status status = strict_map_free_locked(strict, address, size, &view, report);
    strict_leave(strict);
    return status;
}

/* UnmapViewOfFile2: exactly one whole view. */
static long strict_unmap_rule(const strict_backend *strict, char *address, size_t size,
                              const void *view) {
    (void)view;
    const strict_piece *found = strict_piece_at(strict, address);
    return strict_is_exactly(found, address, size) && found->kind == HF_VIEW
               ? 0
               : STRICT_ERROR_INVALID_ADDRESS;
}

static hf_status strict_make_unmap(strict_backend *strict, char *address, size_t size,
                                   const void *view, hf_report *report) {
    (void)view;
    return strict->under->unmap(strict->under, address, size, report);
}

static hf_status strict_unmap(const hf_backend *self, void *address, size_t size,
                              hf_report *report) {
    static const strict_step wanted = {.call = "UnmapViewOfFile2",
                                       .failures = strict_address_failures,
                                       .misaligned_code = STRICT_ERROR_INVALID_PARAMETER,
                                       .broken_rule = strict_unmap_rule,
                                       .make = strict_make_unmap,
                                       .edit = strict_edit_to_placeholder};
    return strict_perform(self, &wanted, address, size, NULL, report);
}

/* VirtualProtect: within one allocation, and a read-only view cannot be written. */
static long strict_protect_rule(const strict_backend *strict, const char *address, size_t size,
                                hf_access access, hf_protection protection) {
    const strict_piece *found = strict_piece_at(strict, address);
    if (!strict_is_aligned((strict_backend *)(uintptr_t)strict, address, size))
        return STRICT_ERROR_INVALID_PARAMETER;
    if (found == NULL || found->kind == HF_PLACEHOLDER || !strict_is_within(found, address, size))
        return STRICT_ERROR_INVALID_ADDRESS;
    bool is_read_only = found->kind == HF_VIEW && access == HF_READ_ONLY;
    return is_read_only && protection == HF_PROTECT_READ_WRITE ? STRICT_ERROR_INVALID_PARAMETER : 0;
}

static hf_status strict_protect(const hf_backend *self, void *address, size_t size,
                                hf_access access, hf_protection protection, hf_report *report) {
    static const char call[] = "VirtualProtect";
    static const strict_failure failures[] = {
        {HF_NO_MEMORY, STRICT_ERROR_COMMITMENT_LIMIT, STRICT_NO_EFFECT},
        {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT},
        {HF_UNSUPPORTED, STRICT_ERROR_NOT_SUPPORTED, STRICT_NO_EFFECT},
        {0}};
    strict_backend *strict = strict_of(self);
    strict_enter(strict);
    strict->stats.calls++;
    long code = strict_protect_rule(strict, address, size, access, protection);
    hf_status status = code != 0 ? strict_fail_rule(strict, report, call, code)
                                 : strict_inject_status(strict, report, failures, call);
    if (status == HF_OK) {
        status = strict->under->protect(strict->under, address, size, access, protection, report);
        strict_piece_at(strict, address)->is_protected = true;
    }
    strict_leave(strict);
    return status;
}

/* --------------------------------------------------------------- hints and check ---------- */

/* Counts a call that no rule concerns. HF_OK: call the backend below; else the injected status. */
static hf_status strict_count_call(strict_backend *strict, hf_report *report,
                                   const strict_failure *failures, const char *call) {
    strict_enter(strict);
    strict->stats.calls++;
    hf_status status = strict_inject_status(strict, report, failures, call);
    strict_leave(strict);
    return status;
}

static const strict_failure strict_advise_failures[] = {
    {HF_NO_MEMORY, STRICT_ERROR_NOT_ENOUGH_MEMORY, STRICT_NO_EFFECT},
    {HF_UNSUPPORTED, STRICT_ERROR_NOT_SUPPORTED, STRICT_NO_EFFECT},
    {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT},
    {0}};

static hf_status strict_advise(const hf_backend *self, void *address, size_t size, hf_advice advice,
                               hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status =
        strict_count_call(strict, report, strict_advise_failures, "PrefetchVirtualMemory");
    if (status != HF_OK) return status;
    return strict->under->advise(strict->under, address, size, advice, report);
}

static void strict_name(const hf_backend *self, void *address, size_t size, const char *name,
                        hf_report *report) {
    const hf_backend *under = strict_of(self)->under;
    under->name(under, address, size, name, report);
}

/* Compares each part of a region with the table, then passes it on to the backend below. The parts
 * of one region have different protections, and are together exactly one piece. */
typedef struct strict_comparison {
    const strict_backend *strict;
    const char *base;
    bool (*next)(void *, hf_region *);
    void *cursor;
    bool differs;   /* the last part is not in the table */
    hf_region last; /* size 0: the next part is the first one */
} strict_comparison;

/* True if the part continues the piece of the part before it. */
static bool strict_continues(const strict_comparison *seen, const hf_region *part,
                             const strict_piece *found) {
    const char *address = seen->base + part->offset;
    return found->address < address && seen->last.size > 0 &&
           seen->last.offset + seen->last.size == part->offset &&
           seen->last.protection != part->protection;
}

/* True if the last part ends its piece, which this part does not belong to. */
static bool strict_ended_piece(const strict_comparison *seen) {
    const char *end = seen->base + seen->last.offset + seen->last.size;
    if (seen->last.size == 0) return true;
    const strict_piece *found = strict_piece_at(seen->strict, end - 1);
    return found && found->address + found->size == end;
}

static bool strict_is_in_table(const strict_comparison *seen, const hf_region *part) {
    const char *address = seen->base + part->offset;
    const strict_piece *found = strict_piece_at(seen->strict, address);
    if (found == NULL || found->kind != part->kind || !strict_is_within(found, address, part->size))
        return false;
    if (strict_continues(seen, part, found)) return true;
    return found->address == address && strict_ended_piece(seen);
}

static bool strict_next_compared(void *data, hf_region *region) {
    strict_comparison *seen = data;
    if (seen->differs) return false;
    if (!seen->next(seen->cursor, region)) {
        seen->differs = !strict_ended_piece(seen);
        return false;
    }
    seen->differs = !strict_is_in_table(seen, region);
    seen->last = *region;
    return !seen->differs;
}

/* A backend below without a check: only the table is compared. */
static hf_status strict_check_below(strict_comparison *seen, size_t *offset, hf_report *report) {
    const hf_backend *under = seen->strict->under;
    if (HF_HAS(under, check))
        return under->check(under, seen->base, strict_next_compared, seen, offset, report);
    for (hf_region region; strict_next_compared(seen, &region);) continue;
    return HF_OK;
}

static hf_status strict_check(const hf_backend *self, const void *base,
                              bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                              hf_report *report) {
    strict_backend *strict = strict_of(self);
    strict_comparison seen = {strict, base, next, cursor, false, {0}};
    strict_enter(strict);
    hf_status status = strict_check_below(&seen, offset, report);
    strict_leave(strict);
    if (!seen.differs) return status;
    *offset = seen.last.offset;
    return HF_WRONG_STATE;
}

/* ------------------------------------------------------------------------- pages ---------- */

/* Adds to one of the statistics if the call below succeeded. Returns the call's status. */
static hf_status strict_add_count(strict_backend *strict, size_t *count, size_t more,
                                  hf_status status) {
    if (status != HF_OK) return status;
    strict_enter(strict);
    *count += more;
    strict_leave(strict);
    return HF_OK;
}

static void strict_subtract_count(strict_backend *strict, size_t *count, size_t less) {
    strict_enter(strict);
    *count -= less;
    strict_leave(strict);
}

static const strict_failure strict_memory_failures[] = {
    {HF_NO_MEMORY, STRICT_ERROR_COMMITMENT_LIMIT, STRICT_NO_EFFECT},
    {HF_MAP_LIMIT, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT},
    {0}};

static hf_status strict_allocate_pages(const hf_backend *self, size_t size, void **address,
                                       hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_memory_failures, "VirtualAlloc");
    if (status == HF_OK)
        status = strict->under->allocate_pages(strict->under, size, address, report);
    return strict_add_count(strict, &strict->stats.pages, size, status);
}

static void strict_free_pages(const hf_backend *self, void *address, size_t size) {
    strict_backend *strict = strict_of(self);
    strict->under->free_pages(strict->under, address, size);
    strict_subtract_count(strict, &strict->stats.pages, size);
}

/* ------------------------------------------------------------------------- files ---------- */

/* What calls for files can fail with, without an effect. */
#define STRICT_NO_RESOURCES \
    { HF_IO, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NO_EFFECT }
#define STRICT_NOT_SUPPORTED \
    { HF_UNSUPPORTED, STRICT_ERROR_NOT_SUPPORTED, STRICT_NO_EFFECT }
#define STRICT_DISK_FULL \
    { HF_NO_SPACE, STRICT_ERROR_DISK_FULL, STRICT_NO_EFFECT }
#define STRICT_LOCKED \
    { HF_BUSY, STRICT_ERROR_LOCK_VIOLATION, STRICT_NO_EFFECT }

static const strict_failure strict_io_failures[] = {STRICT_NO_RESOURCES, {0}};
static const strict_failure strict_open_failures[] = {
    STRICT_NO_RESOURCES, STRICT_NOT_SUPPORTED, {0}};

static const strict_failure strict_duplicate_failures[] = {
    STRICT_NO_RESOURCES,
    STRICT_NOT_SUPPORTED,
    {HF_INVALID, STRICT_ERROR_INVALID_PARAMETER, STRICT_NO_EFFECT},
    {0}};

static const strict_failure strict_open_or_create_failures[] = {
    STRICT_NO_RESOURCES, STRICT_DISK_FULL, STRICT_NOT_SUPPORTED, {0}};

static const strict_failure strict_create_failures[] = {
    STRICT_DISK_FULL, STRICT_NO_RESOURCES, STRICT_NOT_SUPPORTED, {0}};

static const strict_failure strict_create_shared_failures[] = {
    {HF_NO_MEMORY, STRICT_ERROR_COMMITMENT_LIMIT, STRICT_NO_EFFECT},
    STRICT_DISK_FULL,
    STRICT_NO_RESOURCES,
    STRICT_NOT_SUPPORTED,
    {0}};

static const strict_failure strict_write_failures[] = {STRICT_DISK_FULL, STRICT_NO_RESOURCES, {0}};

static const strict_failure strict_fill_failures[] = {
    STRICT_DISK_FULL, STRICT_NO_RESOURCES, STRICT_NOT_SUPPORTED, {0}};

static const strict_failure strict_sync_failures[] = {STRICT_NO_RESOURCES, STRICT_DISK_FULL, {0}};

static const strict_failure strict_lock_failures[] = {
    STRICT_LOCKED, STRICT_NOT_SUPPORTED, STRICT_NO_RESOURCES, {0}};

static const strict_failure strict_draft_failures[] = {
    STRICT_DISK_FULL, STRICT_LOCKED, STRICT_NOT_SUPPORTED, STRICT_NO_RESOURCES, {0}};

static const strict_failure strict_publish_failures[] = {
    STRICT_NO_RESOURCES,
    STRICT_LOCKED,
    STRICT_DISK_FULL,
    {HF_IO, STRICT_ERROR_NO_SYSTEM_RESOURCES, STRICT_NAME_IN_PLACE},
    {0}};

/* Windows has no call for seals and none that removes a name: those of POSIX stand for them. */
static const strict_failure strict_seal_failures[] = {
    STRICT_NOT_SUPPORTED,
    STRICT_NO_RESOURCES,
    {HF_WRONG_STATE, STRICT_ERROR_NOT_SUPPORTED, STRICT_NO_EFFECT},
    {0}};

static const strict_failure strict_punch_failures[] = {
    STRICT_NOT_SUPPORTED, STRICT_NO_RESOURCES, STRICT_DISK_FULL, {0}};

static const strict_failure strict_open_named_failures[] = {
    STRICT_NO_RESOURCES, STRICT_LOCKED, STRICT_NOT_SUPPORTED, {0}};

static hf_status strict_file_open(const hf_backend *self, const char *path, hf_access access,
                                  intptr_t *file, uint64_t *size, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_open_failures, "CreateFile");
    if (status == HF_OK)
        status = strict->under->file_open(strict->under, path, access, file, size, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

static hf_status strict_file_create(const hf_backend *self, const char *path, uint64_t size,
                                    intptr_t *file, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_create_failures, "SetEndOfFile");
    if (status == HF_OK)
        status = strict->under->file_create(strict->under, path, size, file, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

static hf_status strict_file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                           hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status =
        strict_count_call(strict, report, strict_create_shared_failures, "CreateFileMapping");
    if (status == HF_OK)
        status = strict->under->file_create_shared(strict->under, size, file, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

static hf_status strict_file_create_executable(const hf_backend *self, uint64_t size,
                                               intptr_t *file, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status =
        strict_count_call(strict, report, strict_create_shared_failures, "CreateFileMapping");
    if (status == HF_OK)
        status = strict->under->file_create_executable(strict->under, size, file, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

static hf_status strict_file_duplicate(const hf_backend *self, intptr_t handle, hf_access access,
                                       intptr_t *file, uint64_t *size, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status =
        strict_count_call(strict, report, strict_duplicate_failures, "DuplicateHandle");
    if (status == HF_OK)
        status = strict->under->file_duplicate(strict->under, handle, access, file, size, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

static void strict_file_close(const hf_backend *self, intptr_t file) {
    strict_backend *strict = strict_of(self);
    strict->under->file_close(strict->under, file);
    strict_subtract_count(strict, &strict->stats.files, 1);
}

static hf_status strict_file_open_or_create(const hf_backend *self, const char *path,
                                            intptr_t *file, uint64_t *size, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status =
        strict_count_call(strict, report, strict_open_or_create_failures, "CreateFile");
    if (status == HF_OK)
        status = strict->under->file_open_or_create(strict->under, path, file, size, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

static hf_status strict_file_measure(const hf_backend *self, intptr_t file, uint64_t *size,
                                     hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_io_failures, "GetFileSizeEx");
    if (status != HF_OK) return status;
    return strict->under->file_measure(strict->under, file, size, report);
}

static hf_status strict_file_resize(const hf_backend *self, intptr_t file, uint64_t old_size,
                                    uint64_t new_size, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_write_failures, "SetEndOfFile");
    if (status != HF_OK) return status;
    return strict->under->file_resize(strict->under, file, old_size, new_size, report);
}

static hf_status strict_file_read(const hf_backend *self, intptr_t file, uint64_t offset,
                                  void *bytes, size_t size, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_io_failures, "ReadFile");
    if (status != HF_OK) return status;
    return strict->under->file_read(strict->under, file, offset, bytes, size, report);
}

static hf_status strict_file_write(const hf_backend *self, intptr_t file, uint64_t offset,
                                   const void *bytes, size_t size, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_write_failures, "WriteFile");
    if (status != HF_OK) return status;
    return strict->under->file_write(strict->under, file, offset, bytes, size, report);
}

static hf_status strict_file_sync(const hf_backend *self, intptr_t file, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_sync_failures, "FlushFileBuffers");
    return status == HF_OK ? strict->under->file_sync(strict->under, file, report) : status;
}

/* Counted even if the backend below has no file_flush: a space must flush, as Windows requires. */
static hf_status strict_file_flush(const hf_backend *self, void *address, size_t size,
                                   hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_sync_failures, "FlushViewOfFile");
    if (status != HF_OK || !HF_HAS(strict->under, file_flush)) return status;
    return strict->under->file_flush(strict->under, address, size, report);
}

static hf_status strict_file_lock(const hf_backend *self, intptr_t file, bool exclusive,
                                  hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_lock_failures, "LockFileEx");
    if (status != HF_OK) return status;
    return strict->under->file_lock(strict->under, file, exclusive, report);
}

static void strict_file_unlock(const hf_backend *self, intptr_t file) {
    const hf_backend *under = strict_of(self)->under;
    under->file_unlock(under, file);
}

static void strict_file_forget(const hf_backend *self, intptr_t file) {
    const hf_backend *under = strict_of(self)->under;
    under->file_forget(under, file);
}

static size_t strict_file_granularity(const hf_backend *self, intptr_t file) {
    const hf_backend *under = strict_of(self)->under;
    return under->file_granularity(under, file);
}

static hf_status strict_file_fill(const hf_backend *self, intptr_t file, uint64_t size,
                                  bool is_shared, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_fill_failures, "SetEndOfFile");
    return status == HF_OK ? strict->under->file_fill(strict->under, file, size, is_shared, report)
                           : status;
}

static hf_status strict_file_is_at(const hf_backend *self, intptr_t file, const char *path,
                                   bool *is_there, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_io_failures, "CreateFile");
    if (status != HF_OK) return status;
    return strict->under->file_is_at(strict->under, file, path, is_there, report);
}

static hf_status strict_file_seal(const hf_backend *self, intptr_t file, uint64_t size,
                                  hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_seal_failures, "F_ADD_SEALS");
    if (status != HF_OK) return status;
    return strict->under->file_seal(strict->under, file, size, report);
}

static bool strict_file_is_sealed(const hf_backend *self, intptr_t file, uint64_t size) {
    const hf_backend *under = strict_of(self)->under;
    return under->file_is_sealed(under, file, size);
}

static hf_status strict_file_punch_hole(const hf_backend *self, intptr_t file, uint64_t offset,
                                        uint64_t size, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status =
        strict_count_call(strict, report, strict_punch_failures, "FSCTL_SET_ZERO_DATA");
    if (status != HF_OK) return status;
    return strict->under->file_punch_hole(strict->under, file, offset, size, report);
}

static hf_status strict_file_create_named(const hf_backend *self, const char *name, uint64_t size,
                                          intptr_t *file, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status =
        strict_count_call(strict, report, strict_create_shared_failures, "CreateFileMapping");
    if (status == HF_OK)
        status = strict->under->file_create_named(strict->under, name, size, file, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

static hf_status strict_file_open_named(const hf_backend *self, const char *name, hf_access access,
                                        intptr_t *file, uint64_t *size, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status =
        strict_count_call(strict, report, strict_open_named_failures, "OpenFileMapping");
    if (status == HF_OK)
        status = strict->under->file_open_named(strict->under, name, access, file, size, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

static hf_status strict_file_remove_named(const hf_backend *self, const char *name,
                                          hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_open_failures, "shm_unlink");
    if (status != HF_OK) return status;
    return strict->under->file_remove_named(strict->under, name, report);
}

static hf_status strict_draft_open(const hf_backend *self, const char *path, uint64_t size,
                                   void **draft, intptr_t *file, hf_report *report) {
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, strict_draft_failures, "SetEndOfFile");
    if (status == HF_OK)
        status = strict->under->draft_open(strict->under, path, size, draft, file, report);
    return strict_add_count(strict, &strict->stats.files, 1, status);
}

/* As strict_count_call, but returns the failure: its effect is needed. */
static const strict_failure *strict_inject_publish(strict_backend *strict, hf_report *report) {
    strict_enter(strict);
    strict->stats.calls++;
    const strict_failure *failing =
        strict_inject(strict, report, strict_publish_failures, "MoveFileEx");
    strict_leave(strict);
    return failing;
}

static hf_status strict_draft_publish(const hf_backend *self, void *draft, hf_report *report) {
    strict_backend *strict = strict_of(self);
    const strict_failure *failing = strict_inject_publish(strict, report);
    if (failing && failing->effect != STRICT_NAME_IN_PLACE) return failing->status;
    hf_report below = {0};
    hf_status status =
        strict->under->draft_publish(strict->under, draft, failing ? &below : report);
    return failing ? failing->status : status;
}

static void strict_draft_close(const hf_backend *self, void *draft) {
    strict_backend *strict = strict_of(self);
    strict->under->draft_close(strict->under, draft);
    strict_subtract_count(strict, &strict->stats.files, 1);
}

static size_t strict_cheap_reserve(const hf_backend *self) {
    const hf_backend *under = strict_of(self)->under;
    return under->cheap_reserve(under);
}

static uint64_t strict_process(const hf_backend *self) {
    const hf_backend *under = strict_of(self)->under;
    return under->process(under);
}

static void strict_pause(const hf_backend *self, unsigned milliseconds) {
    const hf_backend *under = strict_of(self)->under;
    under->pause(under, milliseconds);
}

/* ------------------------------------------------------------------------- locks ---------- */

static hf_status strict_lock_open(const hf_backend *self, hf_lock *lock, hf_report *report) {
    static const strict_failure failures[] = {
        {HF_NO_MEMORY, STRICT_ERROR_NOT_ENOUGH_MEMORY, STRICT_NO_EFFECT}, {0}};
    strict_backend *strict = strict_of(self);
    hf_status status = strict_count_call(strict, report, failures, "InitializeSRWLock");
    if (status == HF_OK) status = strict->under->lock_open(strict->under, lock, report);
    return strict_add_count(strict, &strict->stats.locks, 1, status);
}

static void strict_lock_close(const hf_backend *self, hf_lock *lock) {
    strict_backend *strict = strict_of(self);
    strict->under->lock_close(strict->under, lock);
    strict_subtract_count(strict, &strict->stats.locks, 1);
}

static void strict_lock(const hf_backend *self, hf_lock *lock) {
    const hf_backend *under = strict_of(self)->under;
    under->lock(under, lock);
}

static void strict_unlock(const hf_backend *self, hf_lock *lock) {
    const hf_backend *under = strict_of(self)->under;
    under->unlock(under, lock);
}

/* ----------------------------------------------------------- opening and closing ---------- */

static const hf_backend strict_calls = {
    .size = sizeof(hf_backend),
    .page_size = strict_page_size,
    .reserve = strict_reserve,
    .cheap_reserve = strict_cheap_reserve,
    .release = strict_release,
    .split = strict_split,
    .coalesce = strict_coalesce,
    .commit = strict_commit,
    .decommit = strict_decommit,
    .map = strict_map,
    .unmap = strict_unmap,
    .map_free = strict_map_free,
    .protect = strict_protect,
    .reserve_aligned = strict_reserve_aligned,
    .commit_as = strict_commit_as,
    .check_memory = strict_check_memory,
    .advise = strict_advise,
    .name = strict_name,
    .check = strict_check,
    .allocate_pages = strict_allocate_pages,
    .free_pages = strict_free_pages,
    .file_open = strict_file_open,
    .file_create = strict_file_create,
    .file_create_shared = strict_file_create_shared,
    .file_create_executable = strict_file_create_executable,
    .file_duplicate = strict_file_duplicate,
    .file_close = strict_file_close,
    .file_open_or_create = strict_file_open_or_create,
    .file_measure = strict_file_measure,
    .file_resize = strict_file_resize,
    .file_read = strict_file_read,
    .file_write = strict_file_write,
    .file_sync = strict_file_sync,
    .file_flush = strict_file_flush,
    .file_lock = strict_file_lock,
    .file_unlock = strict_file_unlock,
    .file_forget = strict_file_forget,
    .file_granularity = strict_file_granularity,
    .file_fill = strict_file_fill,
    .file_is_at = strict_file_is_at,
    .file_seal = strict_file_seal,
    .file_is_sealed = strict_file_is_sealed,
    .file_punch_hole = strict_file_punch_hole,
    .file_create_named = strict_file_create_named,
    .file_open_named = strict_file_open_named,
    .file_remove_named = strict_file_remove_named,
    .draft_open = strict_draft_open,
    .draft_publish = strict_draft_publish,
    .draft_close = strict_draft_close,
    .process = strict_process,
    .pause = strict_pause,
    .lock_open = strict_lock_open,
    .lock_close = strict_lock_close,
    .lock = strict_lock,
    .unlock = strict_unlock,
};

/* Size of a strict_backend in whole pages; also the size of its first table. */
static size_t strict_record_bytes(const hf_backend *under) {
    return hf_pages_for(under, sizeof(strict_backend));
}

/* Optional functions that the backend below lacks are NULL here too. */
static hf_status strict_init(strict_backend *strict, const hf_backend *under, void *table,
                             size_t table_bytes, hf_report *report) {
    *strict = (strict_backend){
        .calls = strict_calls, .under = under, .pieces = table, .table_bytes = table_bytes};
    if (!HF_HAS(under, map_free)) strict->calls.map_free = NULL;
    if (!HF_HAS(under, reserve_aligned)) strict->calls.reserve_aligned = NULL;
    if (!HF_HAS(under, commit_as)) strict->calls.commit_as = NULL;
    if (!HF_HAS(under, check_memory)) strict->calls.check_memory = NULL;
    if (!HF_HAS(under, protect)) strict->calls.protect = NULL;
    if (!HF_HAS(under, file_create_executable)) strict->calls.file_create_executable = NULL;
    if (!HF_HAS(under, advise)) strict->calls.advise = NULL;
    if (!HF_HAS(under, name)) strict->calls.name = NULL;
    if (!HF_HAS(under, cheap_reserve)) strict->calls.cheap_reserve = NULL;
    if (!HF_HAS(under, pause)) strict->calls.pause = NULL;
    if (!HF_HAS(under, file_forget)) strict->calls.file_forget = NULL;
    if (!HF_HAS(under, file_granularity)) strict->calls.file_granularity = NULL;
    if (!HF_HAS(under, file_seal)) strict->calls.file_seal = NULL;
    if (!HF_HAS(under, file_is_sealed)) strict->calls.file_is_sealed = NULL;
    if (!HF_HAS(under, file_punch_hole)) strict->calls.file_punch_hole = NULL;
    if (!HF_HAS(under, file_create_named)) strict->calls.file_create_named = NULL;
    if (!HF_HAS(under, file_open_named)) strict->calls.file_open_named = NULL;
    if (!HF_HAS(under, file_remove_named)) strict->calls.file_remove_named = NULL;
    return under->lock_open(under, &strict->lock, report);
}

static hf_status strict_create(strict_backend **strict, const hf_backend *under,
                               hf_report *report) {
    size_t bytes = strict_record_bytes(under);
    void *memory, *table;
    hf_status status = under->allocate_pages(under, bytes, &memory, report);
    if (status != HF_OK) return status;
    status = under->allocate_pages(under, bytes, &table, report);
    if (status == HF_OK) {
        *strict = memory;
        status = strict_init(memory, under, table, bytes, report);
        if (status == HF_OK) return HF_OK;
        under->free_pages(under, table, bytes);
    }
    under->free_pages(under, memory, bytes);
    return status;
}

hf_status hf_strict_open(hf_backend **strict, const hf_backend *under) {
    if (strict == NULL) return hf_fail(HF_INVALID, "hf_strict_open", 0, 0);
    hf_status status = hf_check_backend(under, "hf_strict_open");
    if (status != HF_OK) return status;
    hf_report report = {0};
    strict_backend *opened = NULL;
    status = strict_create(&opened, hf_backend_or_native(under), &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, 0);
    *strict = &opened->calls;
    return HF_OK;
}

void hf_strict_close(hf_backend *self) {
    if (self == NULL) return;
    strict_backend *strict = strict_of(self);
    const hf_backend *under = strict->under;
    under->lock_close(under, &strict->lock);
    under->free_pages(under, strict->pieces, strict->table_bytes);
    under->free_pages(under, strict, strict_record_bytes(under));
}

void hf_strict_fail(hf_backend *self, size_t nth, bool from_then_on) {
    strict_backend *strict = strict_of(self);
    strict_enter(strict);
    strict->nth = nth;
    strict->from_then_on = from_then_on;
    if (nth > 0) strict->stats.choices = 0;
    strict_leave(strict);
}

void hf_strict_fail_as(hf_backend *self, size_t choice) {
    strict_backend *strict = strict_of(self);
    strict_enter(strict);
    strict->choice = choice;
    strict_leave(strict);
}

hf_strict_stats hf_strict_get_stats(const hf_backend *self) {
    strict_backend *strict = strict_of(self);
    strict_enter(strict);
    hf_strict_stats stats = strict->stats;
    strict_leave(strict);
    return stats;
}
