/*
 * strict.c -- the rules of Windows' placeholders in software, over real memory.
 *
 * Strict stands between a space and another backend. It keeps its own table of pieces, as Windows
 * keeps its own of allocations: placeholders, private allocations, views. Each call is first held
 * against the rules of VirtualAlloc2, VirtualFree, MapViewOfFile3 and UnmapViewOfFile2; what these
 * would refuse is refused with their code and counted as a violation. Then, if hf_strict_fail said
 * so, the call fails for want of resources. Only then does the backend below make its step, and
 * the table follows.
 *
 *     call -> counted -> a rule broken?      -> 87, 487, 1132; a violation
 *                     -> its turn to fail?   -> 8, 1455, 112, ...
 *                     -> the backend below   -> its own refusal
 *                     -> the table is edited
 *
 * The table is a plain sorted array: it is to be obviously right, and different from the map
 * that it is there to check.
 */
#include <holdfast/backend.h>

#include "../fail.h"
#include "../pages.h"

/* Windows' codes. */
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_LOCK_VIOLATION 33
#define ERROR_NOT_SUPPORTED 50
#define ERROR_INVALID_PARAMETER 87
#define ERROR_DISK_FULL 112
#define ERROR_INVALID_ADDRESS 487
#define ERROR_FILE_INVALID 1006
#define ERROR_MAPPED_ALIGNMENT 1132
#define ERROR_NO_SYSTEM_RESOURCES 1450
#define ERROR_COMMITMENT_LIMIT 1455

typedef struct piece {
    char *address;
    size_t size;
    hf_kind kind;
} piece;

/* What a call that is made to fail leaves behind. */
typedef enum trace {
    NO_TRACE,
    PAGES_LOST,   /* decommit: the memory is committed and reads as zero */
    NAME_IN_PLACE /* draft_publish: the draft has the name */
} trace;

/* One way to fail that a call's contract allows. Windows has no code for HF_MAP_LIMIT. */
typedef struct way {
    hf_status status; /* HF_OK ends a list */
    long code;
    trace trace;
} way;

typedef struct hf_strict {
    hf_backend calls; /* first: this is what a space is handed */
    const hf_backend *under;
    hf_lock lock;
    hf_strict_stats stats;
    size_t nth; /* of the counted calls from now on, this one fails; 0: none */
    bool from_then_on;
    size_t choice;
    piece *pieces; /* stats.pieces of them, sorted by address */
    size_t table_bytes;
} hf_strict;

static hf_strict *strict_of(const hf_backend *self) { return (hf_strict *)(uintptr_t)self; }

static void enter(hf_strict *strict) { strict->under->lock(strict->under, &strict->lock); }

static void leave(hf_strict *strict) { strict->under->unlock(strict->under, &strict->lock); }

static hf_status refuse(hf_report *report, hf_status status, const char *call, long code) {
    report->call = call;
    report->reason = NULL;
    report->os_code = code;
    return status;
}

/* ------------------------------------------------------------- rules and turns ----------- */

static hf_status violate(hf_strict *strict, hf_report *report, const char *call, long code) {
    strict->stats.violations++;
    hf_status status = code == ERROR_INVALID_ADDRESS ? HF_WRONG_STATE : HF_INVALID;
    return refuse(report, status, call, code);
}

static bool is_turn_to_fail(hf_strict *strict) {
    if (strict->nth == 0) return false;
    if (strict->nth > 1) {
        strict->nth--;
        return false;
    }
    if (!strict->from_then_on) strict->nth = 0;
    return true;
}

static const way *choose_way(hf_strict *strict, const way *ways) {
    size_t count = 0;
    while (ways[count].status != HF_OK) count++;
    if (count > strict->stats.choices) strict->stats.choices = count;
    return &ways[strict->choice % count];
}

/* For a call that broke no rule. NULL: it goes on to the backend below; else it fails this way. */
static const way *take_turn(hf_strict *strict, hf_report *report, const way *ways,
                            const char *call) {
    if (!is_turn_to_fail(strict)) return NULL;
    const way *chosen = choose_way(strict, ways);
    strict->stats.failures++;
    strict->stats.failed_as =
        (hf_error){.status = chosen->status, .os_code = chosen->code, .call = call};
    refuse(report, chosen->status, call, chosen->code);
    return chosen;
}

static hf_status status_of_turn(hf_strict *strict, hf_report *report, const way *ways,
                                const char *call) {
    const way *failing = take_turn(strict, report, ways, call);
    return failing ? failing->status : HF_OK;
}

static bool is_aligned(hf_strict *strict, const void *address, size_t size) {
    size_t mask = strict->under->page_size(strict->under) - 1;
    return size > 0 && (((uintptr_t)address | size) & mask) == 0;
}

/* --------------------------------------------------------------- table of pieces --------- */

/* The index of the first piece that ends above the address. */
static size_t index_of(const hf_strict *strict, const char *address) {
    size_t low = 0, high = strict->stats.pieces;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const piece *found = &strict->pieces[middle];
        if ((size_t)(address - found->address) < found->size || address < found->address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The piece that holds the address; NULL: none does. */
static piece *piece_at(const hf_strict *strict, const char *address) {
    size_t index = index_of(strict, address);
    piece *found = &strict->pieces[index];
    return index < strict->stats.pieces && found->address <= address ? found : NULL;
}

/* For a piece that holds the address. */
static bool is_within(const piece *found, const char *address, size_t size) {
    return size <= found->size - (size_t)(address - found->address);
}

static bool is_exactly(const piece *found, const char *address, size_t size) {
    return found && found->address == address && found->size == size;
}

static void remove_at(hf_strict *strict, size_t index, size_t count) {
    strict->stats.pieces -= count;
    for (size_t i = index; i < strict->stats.pieces; i++)
        strict->pieces[i] = strict->pieces[i + count];
}

static void insert_at(hf_strict *strict, size_t index, piece added) {
    for (size_t i = strict->stats.pieces++; i > index; i--)
        strict->pieces[i] = strict->pieces[i - 1];
    strict->pieces[index] = added;
}

/* Cuts the piece that holds the range in up to three; the range's own gets the kind. */
static void carve(hf_strict *strict, char *address, size_t size, hf_kind kind) {
    size_t index = index_of(strict, address);
    piece whole = strict->pieces[index];
    size_t below = (size_t)(address - whole.address), above = whole.size - below - size;
    strict->pieces[index] = (piece){address, size, kind};
    if (above > 0) insert_at(strict, index + 1, (piece){address + size, above, whole.kind});
    if (below > 0) insert_at(strict, index, (piece){whole.address, below, whole.kind});
}

/* Room for the two pieces more that any step can make. */
static hf_status make_room(hf_strict *strict, hf_report *report) {
    if ((strict->stats.pieces + 2) * sizeof(piece) <= strict->table_bytes) return HF_OK;
    size_t bytes = 2 * strict->table_bytes;
    void *memory;
    hf_status status = strict->under->allocate_pages(strict->under, bytes, &memory, report);
    if (status != HF_OK) return status;
    piece *pieces = memory;
    for (size_t i = 0; i < strict->stats.pieces; i++) pieces[i] = strict->pieces[i];
    strict->under->free_pages(strict->under, strict->pieces, strict->table_bytes);
    strict->pieces = pieces;
    strict->table_bytes = bytes;
    return HF_OK;
}

/* -------------------------------------------------------------------- memory ------------- */

static size_t page_size(const hf_backend *self) {
    const hf_backend *under = strict_of(self)->under;
    return under->page_size(under);
}

/*
 * The system rounds a base down to where an allocation can begin, and so finds a neighbour in the
 * way of a hole that begins elsewhere:
 *
 *     |ppp|...|ppp|
 *     64K  ^ base      taken
 */
static bool is_taken(const hf_strict *strict, const char *base, size_t size) {
    if (base == NULL) return false;
    size_t rounded = (uintptr_t)base % HF_ALLOCATION_GRANULARITY;
    const char *start = base - rounded;
    size_t index = index_of(strict, start);
    const piece *next = &strict->pieces[index];
    return index < strict->stats.pieces &&
           (next->address <= start || (size_t)(next->address - start) < rounded + size);
}

static hf_status reserve_checked(hf_strict *strict, void *base, size_t size, void **address,
                                 hf_report *report) {
    static const char call[] = "VirtualAlloc2";
    static const way ways[] = {{HF_NO_ADDRESS, ERROR_NOT_ENOUGH_MEMORY, NO_TRACE},
                               {HF_MAP_LIMIT, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                               {0}};
    bool taken = is_taken(strict, base, size);
    if (!is_aligned(strict, NULL, size))
        return violate(strict, report, call, ERROR_INVALID_PARAMETER);
    if ((uintptr_t)base % HF_ALLOCATION_GRANULARITY != 0)
        return violate(strict, report, call,
                       taken ? ERROR_INVALID_ADDRESS : ERROR_INVALID_PARAMETER);
    hf_status status = status_of_turn(strict, report, ways, call);
    if (status == HF_OK && taken)
        status = refuse(report, HF_NO_ADDRESS, call, ERROR_INVALID_ADDRESS);
    if (status == HF_OK) status = make_room(strict, report);
    if (status == HF_OK)
        status = strict->under->reserve(strict->under, base, size, address, report);
    if (status == HF_OK)
        insert_at(strict, index_of(strict, *address), (piece){*address, size, HF_PLACEHOLDER});
    return status;
}

static hf_status reserve(const hf_backend *self, void *base, size_t size, void **address,
                         hf_report *report) {
    hf_strict *strict = strict_of(self);
    enter(strict);
    strict->stats.calls++;
    hf_status status = reserve_checked(strict, base, size, address, report);
    leave(strict);
    return status;
}

/* VirtualFree(MEM_RELEASE) and UnmapViewOfFile take one whole piece by its base. */
static void release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    hf_strict *strict = strict_of(self);
    enter(strict);
    piece *found = piece_at(strict, address);
    if (is_exactly(found, address, size) && found->kind == kind) {
        remove_at(strict, (size_t)(found - strict->pieces), 1);
        strict->under->release(strict->under, address, size, kind);
    } else {
        strict->stats.violations++;
    }
    leave(strict);
}

/* A step that makes something of a range: its rule, its ways to fail, its call below, its edit. */
typedef struct step {
    const char *call;
    const way *ways;
    long misaligned_code;
    long (*broken_rule)(const hf_strict *, char *address, size_t size,
                        const void *view); /* 0: none */
    hf_status (*make)(hf_strict *, char *address, size_t size, const void *view, hf_report *);
    void (*edit)(hf_strict *, char *address, size_t size);
} step;

static hf_status make_step(hf_strict *strict, const step *wanted, char *address, size_t size,
                           const void *view, hf_report *report) {
    hf_status status = make_room(strict, report);
    if (status == HF_OK) status = wanted->make(strict, address, size, view, report);
    if (status == HF_OK) wanted->edit(strict, address, size);
    return status;
}

/* Only a whole piece loses its pages: a part that is committed again is an allocation of its own to
 * a backend below that counts them, as Windows does. Where the system commits the memory no more,
 * the decommit has succeeded. */
static hf_status fail_step(hf_strict *strict, const step *wanted, const way *failing, char *address,
                           size_t size) {
    const hf_backend *under = strict->under;
    hf_report below = {0};
    bool loses_pages =
        failing->trace == PAGES_LOST && is_exactly(piece_at(strict, address), address, size);
    if (!loses_pages || make_room(strict, &below) != HF_OK ||
        under->decommit(under, address, size, &below) != HF_OK ||
        under->commit(under, address, size, &below) == HF_OK)
        return failing->status;
    wanted->edit(strict, address, size);
    return HF_OK;
}

static hf_status perform_checked(hf_strict *strict, const step *wanted, char *address, size_t size,
                                 const void *view, hf_report *report) {
    long code = is_aligned(strict, address, size) ? wanted->broken_rule(strict, address, size, view)
                                                  : wanted->misaligned_code;
    if (code != 0) return violate(strict, report, wanted->call, code);
    const way *failing = take_turn(strict, report, wanted->ways, wanted->call);
    return failing ? fail_step(strict, wanted, failing, address, size)
                   : make_step(strict, wanted, address, size, view, report);
}

static hf_status perform(const hf_backend *self, const step *wanted, void *address, size_t size,
                         const void *view, hf_report *report) {
    hf_strict *strict = strict_of(self);
    enter(strict);
    strict->stats.calls++;
    hf_status status = perform_checked(strict, wanted, address, size, view, report);
    leave(strict);
    return status;
}

/*
 * VirtualFree(MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER) is split and decommit in one: a proper part
 * of a placeholder is split off, private memory in whole or part becomes a placeholder. Views are
 * not its business, and a range that runs past its piece is to it an invalid parameter, no address.
 */
static long preserve_rule(const hf_strict *strict, char *address, size_t size, const void *view) {
    (void)view;
    const piece *found = piece_at(strict, address);
    if (found == NULL) return ERROR_INVALID_ADDRESS;
    if (found->kind == HF_VIEW || !is_within(found, address, size)) return ERROR_INVALID_PARAMETER;
    bool whole = is_exactly(found, address, size);
    return found->kind == HF_PLACEHOLDER && whole ? ERROR_INVALID_ADDRESS : 0;
}

static hf_status make_preserve(hf_strict *strict, char *address, size_t size, const void *view,
                               hf_report *report) {
    (void)view;
    const hf_backend *under = strict->under;
    return piece_at(strict, address)->kind == HF_PLACEHOLDER
               ? under->split(under, address, size, report)
               : under->decommit(under, address, size, report);
}

static void edit_to_placeholder(hf_strict *strict, char *address, size_t size) {
    carve(strict, address, size, HF_PLACEHOLDER);
}

/* Of a step that changes the books of addresses. */
static const way ways_of_books[] = {{HF_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY, NO_TRACE},
                                    {HF_MAP_LIMIT, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                    {0}};

static hf_status split(const hf_backend *self, void *address, size_t size, hf_report *report) {
    static const step wanted = {.call = "VirtualFree",
                                .ways = ways_of_books,
                                .misaligned_code = ERROR_INVALID_PARAMETER,
                                .broken_rule = preserve_rule,
                                .make = make_preserve,
                                .edit = edit_to_placeholder};
    return perform(self, &wanted, address, size, NULL, report);
}

static hf_status decommit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    static const way ways[] = {{HF_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY, NO_TRACE},
                               {HF_MAP_LIMIT, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                               {HF_MAP_LIMIT, ERROR_NO_SYSTEM_RESOURCES, PAGES_LOST},
                               {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                               {0}};
    static const step wanted = {.call = "VirtualFree",
                                .ways = ways,
                                .misaligned_code = ERROR_INVALID_PARAMETER,
                                .broken_rule = preserve_rule,
                                .make = make_preserve,
                                .edit = edit_to_placeholder};
    return perform(self, &wanted, address, size, NULL, report);
}

/* Two or more whole placeholders without a hole between them. VirtualFree once more: it looks at
 * the first before it looks for the others, and a view is none of its business. */
static long coalesce_rule(const hf_strict *strict, char *address, size_t size, const void *view) {
    (void)view;
    const piece *first = piece_at(strict, address);
    if (first && first->kind == HF_VIEW) return ERROR_INVALID_PARAMETER;
    size_t covered = 0, count = 0;
    for (size_t i = index_of(strict, address); i < strict->stats.pieces && covered < size; i++) {
        const piece *found = &strict->pieces[i];
        if (found->address != address + covered || found->kind != HF_PLACEHOLDER) break;
        covered += found->size;
        count++;
    }
    return covered == size && count >= 2 ? 0 : ERROR_INVALID_ADDRESS;
}

static hf_status make_coalesce(hf_strict *strict, char *address, size_t size, const void *view,
                               hf_report *report) {
    (void)view;
    return strict->under->coalesce(strict->under, address, size, report);
}

static void edit_coalesce(hf_strict *strict, char *address, size_t size) {
    size_t first = index_of(strict, address), last = index_of(strict, address + size - 1);
    strict->pieces[first].size = size;
    remove_at(strict, first + 1, last - first);
}

static hf_status coalesce(const hf_backend *self, void *address, size_t size, hf_report *report) {
    static const step wanted = {.call = "VirtualFree",
                                .ways = ways_of_books,
                                .misaligned_code = ERROR_INVALID_PARAMETER,
                                .broken_rule = coalesce_rule,
                                .make = make_coalesce,
                                .edit = edit_coalesce};
    return perform(self, &wanted, address, size, NULL, report);
}

/* MEM_REPLACE_PLACEHOLDER: exactly one placeholder, base and size. */
static long replace_rule(const hf_strict *strict, char *address, size_t size, const void *view) {
    (void)view;
    const piece *found = piece_at(strict, address);
    return is_exactly(found, address, size) && found->kind == HF_PLACEHOLDER
               ? 0
               : ERROR_INVALID_ADDRESS;
}

static hf_status make_commit(hf_strict *strict, char *address, size_t size, const void *view,
                             hf_report *report) {
    (void)view;
    return strict->under->commit(strict->under, address, size, report);
}

static void edit_commit(hf_strict *strict, char *address, size_t size) {
    carve(strict, address, size, HF_COMMITTED);
}

static hf_status commit(const hf_backend *self, void *address, size_t size, hf_report *report) {
    static const way ways[] = {{HF_NO_MEMORY, ERROR_COMMITMENT_LIMIT, NO_TRACE},
                               {HF_MAP_LIMIT, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                               {0}};
    static const step wanted = {.call = "VirtualAlloc2",
                                .ways = ways,
                                .misaligned_code = ERROR_INVALID_PARAMETER,
                                .broken_rule = replace_rule,
                                .make = make_commit,
                                .edit = edit_commit};
    return perform(self, &wanted, address, size, NULL, report);
}

typedef struct view_request {
    intptr_t file;
    uint64_t file_offset;
    hf_access access;
} view_request;

static long map_rule(const hf_strict *strict, char *address, size_t size, const void *view) {
    const view_request *wanted = view;
    size_t mask = strict->under->page_size(strict->under) - 1;
    if ((wanted->file_offset & mask) != 0) return ERROR_MAPPED_ALIGNMENT;
    return replace_rule(strict, address, size, view);
}

static hf_status make_map(hf_strict *strict, char *address, size_t size, const void *view,
                          hf_report *report) {
    const view_request *wanted = view;
    return strict->under->map(strict->under, address, size, wanted->file, wanted->file_offset,
                              wanted->access, report);
}

static void edit_map(hf_strict *strict, char *address, size_t size) {
    carve(strict, address, size, HF_VIEW);
}

static hf_status map(const hf_backend *self, void *address, size_t size, intptr_t file,
                     uint64_t file_offset, hf_access access, hf_report *report) {
    static const way ways[] = {{HF_NO_MEMORY, ERROR_COMMITMENT_LIMIT, NO_TRACE},
                               {HF_IO, ERROR_FILE_INVALID, NO_TRACE},
                               {HF_MAP_LIMIT, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                               {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                               {HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE},
                               {HF_INVALID, ERROR_INVALID_PARAMETER, NO_TRACE},
                               {0}};
    static const step wanted = {.call = "MapViewOfFile3",
                                .ways = ways,
                                .misaligned_code = ERROR_MAPPED_ALIGNMENT,
                                .broken_rule = map_rule,
                                .make = make_map,
                                .edit = edit_map};
    view_request view = {file, file_offset, access};
    return perform(self, &wanted, address, size, &view, report);
}

/* MapViewOfFileEx: whether anything is there, the backend below knows. */
static hf_status map_free_checked(hf_strict *strict, char *address, size_t size,
                                  const view_request *view, hf_report *report) {
    static const char call[] = "MapViewOfFileEx";
    static const way ways[] = {{HF_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY, NO_TRACE},
                               {HF_NO_ADDRESS, ERROR_INVALID_ADDRESS, NO_TRACE},
                               {HF_IO, ERROR_FILE_INVALID, NO_TRACE},
                               {0}};
    if (!is_aligned(strict, address, size) || (uintptr_t)address % HF_ALLOCATION_GRANULARITY != 0 ||
        view->file_offset % HF_ALLOCATION_GRANULARITY != 0)
        return violate(strict, report, call, ERROR_MAPPED_ALIGNMENT);
    hf_status status = status_of_turn(strict, report, ways, call);
    if (status == HF_OK) status = make_room(strict, report);
    if (status == HF_OK)
        status = strict->under->map_free(strict->under, address, size, view->file,
                                         view->file_offset, view->access, report);
    if (status == HF_OK)
        insert_at(strict, index_of(strict, address), (piece){address, size, HF_VIEW});
    return status;
}

static hf_status map_free(const hf_backend *self, void *address, size_t size, intptr_t file,
                          uint64_t file_offset, hf_access access, hf_report *report) {
    hf_strict *strict = strict_of(self);
    view_request view = {file, file_offset, access};
    enter(strict);
    strict->stats.calls++;
    hf_status status = map_free_checked(strict, address, size, &view, report);
    leave(strict);
    return status;
}

/* A view goes whole. */
static long unmap_rule(const hf_strict *strict, char *address, size_t size, const void *view) {
    (void)view;
    const piece *found = piece_at(strict, address);
    return is_exactly(found, address, size) && found->kind == HF_VIEW ? 0 : ERROR_INVALID_ADDRESS;
}

static hf_status make_unmap(hf_strict *strict, char *address, size_t size, const void *view,
                            hf_report *report) {
    (void)view;
    return strict->under->unmap(strict->under, address, size, report);
}

static hf_status unmap(const hf_backend *self, void *address, size_t size, hf_report *report) {
    static const step wanted = {.call = "UnmapViewOfFile2",
                                .ways = ways_of_books,
                                .misaligned_code = ERROR_INVALID_PARAMETER,
                                .broken_rule = unmap_rule,
                                .make = make_unmap,
                                .edit = edit_to_placeholder};
    return perform(self, &wanted, address, size, NULL, report);
}

/* ------------------------------------------------------------- hints and proof ----------- */

/* Counts a call that no rule is about; OK: it may go on to the backend below. */
static hf_status count_call(hf_strict *strict, hf_report *report, const way *ways,
                            const char *call) {
    enter(strict);
    strict->stats.calls++;
    hf_status status = status_of_turn(strict, report, ways, call);
    leave(strict);
    return status;
}

static const way ways_to_advise[] = {{HF_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY, NO_TRACE},
                                     {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                     {HF_MAP_LIMIT, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                     {0}};

static hf_status advise(const hf_backend *self, void *address, size_t size, hf_advice advice,
                        hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_advise, "PrefetchVirtualMemory");
    if (status != HF_OK) return status;
    return strict->under->advise(strict->under, address, size, advice, report);
}

static void name_memory(const hf_backend *self, void *address, size_t size, const char *name,
                        hf_report *report) {
    const hf_backend *under = strict_of(self)->under;
    under->name(under, address, size, name, report);
}

/* Holds each region against the table on its way to the backend below. */
typedef struct witness {
    const hf_strict *strict;
    const char *base;
    bool (*next)(void *, hf_region *);
    void *cursor;
    bool differs;
    size_t offset;
} witness;

static bool next_witnessed(void *data, hf_region *region) {
    witness *seen = data;
    if (seen->differs || !seen->next(seen->cursor, region)) return false;
    const char *address = seen->base + region->offset;
    const piece *found = piece_at(seen->strict, address);
    seen->differs = !is_exactly(found, address, region->size) || found->kind != region->kind;
    seen->offset = region->offset;
    return !seen->differs;
}

static hf_status check_below(witness *seen, size_t *offset, hf_report *report) {
    const hf_backend *under = seen->strict->under;
    if (under->check) return under->check(under, seen->base, next_witnessed, seen, offset, report);
    for (hf_region region; next_witnessed(seen, &region);) continue;
    return HF_OK;
}

static hf_status check(const hf_backend *self, const void *base,
                       bool (*next)(void *cursor, hf_region *), void *cursor, size_t *offset,
                       hf_report *report) {
    hf_strict *strict = strict_of(self);
    witness seen = {strict, base, next, cursor, false, 0};
    enter(strict);
    hf_status status = check_below(&seen, offset, report);
    leave(strict);
    if (!seen.differs) return status;
    *offset = seen.offset;
    return HF_WRONG_STATE;
}

/* -------------------------------------------------------------------- pages -------------- */

/* Adds to a count of what is alive, now that a call has succeeded. */
static hf_status keep_count(hf_strict *strict, size_t *count, size_t more, hf_status status) {
    if (status != HF_OK) return status;
    enter(strict);
    *count += more;
    leave(strict);
    return HF_OK;
}

static void drop_count(hf_strict *strict, size_t *count, size_t less) {
    enter(strict);
    *count -= less;
    leave(strict);
}

static const way ways_to_lack_memory[] = {{HF_NO_MEMORY, ERROR_COMMITMENT_LIMIT, NO_TRACE},
                                          {HF_MAP_LIMIT, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                          {0}};

static hf_status allocate_pages(const hf_backend *self, size_t size, void **address,
                                hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_lack_memory, "VirtualAlloc");
    if (status == HF_OK)
        status = strict->under->allocate_pages(strict->under, size, address, report);
    return keep_count(strict, &strict->stats.pages, size, status);
}

static void free_pages(const hf_backend *self, void *address, size_t size) {
    hf_strict *strict = strict_of(self);
    strict->under->free_pages(strict->under, address, size);
    drop_count(strict, &strict->stats.pages, size);
}

/* -------------------------------------------------------------------- files -------------- */

static const way ways_of_io[] = {{HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE}, {0}};

static const way ways_to_open[] = {{HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                   {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                   {0}};

static const way ways_to_duplicate[] = {{HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                        {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                        {HF_INVALID, ERROR_INVALID_PARAMETER, NO_TRACE},
                                        {0}};

static const way ways_to_open_or_create[] = {{HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                             {HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE},
                                             {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                             {0}};

static const way ways_to_create[] = {{HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE},
                                     {HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                     {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                     {0}};

static const way ways_to_share[] = {{HF_NO_MEMORY, ERROR_COMMITMENT_LIMIT, NO_TRACE},
                                    {HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE},
                                    {HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                    {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                    {0}};

static const way ways_to_write[] = {
    {HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE}, {HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE}, {0}};

static const way ways_to_fill[] = {{HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE},
                                   {HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                   {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                   {0}};

static const way ways_to_sync[] = {
    {HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE}, {HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE}, {0}};

static const way ways_to_lock[] = {{HF_BUSY, ERROR_LOCK_VIOLATION, NO_TRACE},
                                   {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                   {HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                   {0}};

static const way ways_to_draft[] = {{HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE},
                                    {HF_BUSY, ERROR_LOCK_VIOLATION, NO_TRACE},
                                    {HF_UNSUPPORTED, ERROR_NOT_SUPPORTED, NO_TRACE},
                                    {HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                    {0}};

static const way ways_to_publish[] = {{HF_IO, ERROR_NO_SYSTEM_RESOURCES, NO_TRACE},
                                      {HF_BUSY, ERROR_LOCK_VIOLATION, NO_TRACE},
                                      {HF_NO_SPACE, ERROR_DISK_FULL, NO_TRACE},
                                      {HF_IO, ERROR_NO_SYSTEM_RESOURCES, NAME_IN_PLACE},
                                      {0}};

static hf_status file_open(const hf_backend *self, const char *path, hf_access access,
                           intptr_t *file, uint64_t *size, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_open, "CreateFile");
    if (status == HF_OK)
        status = strict->under->file_open(strict->under, path, access, file, size, report);
    return keep_count(strict, &strict->stats.files, 1, status);
}

static hf_status file_create(const hf_backend *self, const char *path, uint64_t size,
                             intptr_t *file, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_create, "SetEndOfFile");
    if (status == HF_OK)
        status = strict->under->file_create(strict->under, path, size, file, report);
    return keep_count(strict, &strict->stats.files, 1, status);
}

static hf_status file_create_shared(const hf_backend *self, uint64_t size, intptr_t *file,
                                    hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_share, "CreateFileMapping");
    if (status == HF_OK)
        status = strict->under->file_create_shared(strict->under, size, file, report);
    return keep_count(strict, &strict->stats.files, 1, status);
}

static hf_status file_duplicate(const hf_backend *self, intptr_t handle, hf_access access,
                                intptr_t *file, uint64_t *size, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_duplicate, "DuplicateHandle");
    if (status == HF_OK)
        status = strict->under->file_duplicate(strict->under, handle, access, file, size, report);
    return keep_count(strict, &strict->stats.files, 1, status);
}

static void file_close(const hf_backend *self, intptr_t file) {
    hf_strict *strict = strict_of(self);
    strict->under->file_close(strict->under, file);
    drop_count(strict, &strict->stats.files, 1);
}

static hf_status file_open_or_create(const hf_backend *self, const char *path, intptr_t *file,
                                     uint64_t *size, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_open_or_create, "CreateFile");
    if (status == HF_OK)
        status = strict->under->file_open_or_create(strict->under, path, file, size, report);
    return keep_count(strict, &strict->stats.files, 1, status);
}

static hf_status file_measure(const hf_backend *self, intptr_t file, uint64_t *size,
                              hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_of_io, "GetFileSizeEx");
    if (status != HF_OK) return status;
    return strict->under->file_measure(strict->under, file, size, report);
}

static hf_status file_resize(const hf_backend *self, intptr_t file, uint64_t old_size,
                             uint64_t new_size, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_write, "SetEndOfFile");
    if (status != HF_OK) return status;
    return strict->under->file_resize(strict->under, file, old_size, new_size, report);
}

static hf_status file_read(const hf_backend *self, intptr_t file, uint64_t offset, void *bytes,
                           size_t size, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_of_io, "ReadFile");
    if (status != HF_OK) return status;
    return strict->under->file_read(strict->under, file, offset, bytes, size, report);
}

static hf_status file_write(const hf_backend *self, intptr_t file, uint64_t offset,
                            const void *bytes, size_t size, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_write, "WriteFile");
    if (status != HF_OK) return status;
    return strict->under->file_write(strict->under, file, offset, bytes, size, report);
}

static hf_status file_sync(const hf_backend *self, intptr_t file, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_sync, "FlushFileBuffers");
    return status == HF_OK ? strict->under->file_sync(strict->under, file, report) : status;
}

/* As Windows needs it, whether the backend below does or not. */
static hf_status file_flush(const hf_backend *self, void *address, size_t size, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_sync, "FlushViewOfFile");
    if (status != HF_OK || strict->under->file_flush == NULL) return status;
    return strict->under->file_flush(strict->under, address, size, report);
}

static hf_status file_lock(const hf_backend *self, intptr_t file, bool exclusive,
                           hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_lock, "LockFileEx");
    if (status != HF_OK) return status;
    return strict->under->file_lock(strict->under, file, exclusive, report);
}

static void file_unlock(const hf_backend *self, intptr_t file) {
    const hf_backend *under = strict_of(self)->under;
    under->file_unlock(under, file);
}

static void file_forget(const hf_backend *self, intptr_t file) {
    const hf_backend *under = strict_of(self)->under;
    under->file_forget(under, file);
}

static size_t file_granularity(const hf_backend *self, intptr_t file) {
    const hf_backend *under = strict_of(self)->under;
    return under->file_granularity(under, file);
}

static hf_status file_fill(const hf_backend *self, intptr_t file, uint64_t size, bool is_shared,
                           hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_fill, "SetEndOfFile");
    return status == HF_OK ? strict->under->file_fill(strict->under, file, size, is_shared, report)
                           : status;
}

static hf_status file_is_at(const hf_backend *self, intptr_t file, const char *path, bool *is_there,
                            hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_of_io, "CreateFile");
    if (status != HF_OK) return status;
    return strict->under->file_is_at(strict->under, file, path, is_there, report);
}

static hf_status draft_open(const hf_backend *self, const char *path, uint64_t size, void **draft,
                            intptr_t *file, hf_report *report) {
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways_to_draft, "SetEndOfFile");
    if (status == HF_OK)
        status = strict->under->draft_open(strict->under, path, size, draft, file, report);
    return keep_count(strict, &strict->stats.files, 1, status);
}

static const way *turn_to_publish(hf_strict *strict, hf_report *report) {
    enter(strict);
    strict->stats.calls++;
    const way *failing = take_turn(strict, report, ways_to_publish, "MoveFileEx");
    leave(strict);
    return failing;
}

static hf_status draft_publish(const hf_backend *self, void *draft, hf_report *report) {
    hf_strict *strict = strict_of(self);
    const way *failing = turn_to_publish(strict, report);
    if (failing && failing->trace != NAME_IN_PLACE) return failing->status;
    hf_report below = {0};
    hf_status status =
        strict->under->draft_publish(strict->under, draft, failing ? &below : report);
    return failing ? failing->status : status;
}

static void draft_close(const hf_backend *self, void *draft) {
    hf_strict *strict = strict_of(self);
    strict->under->draft_close(strict->under, draft);
    drop_count(strict, &strict->stats.files, 1);
}

static size_t cheap_reserve(const hf_backend *self) {
    const hf_backend *under = strict_of(self)->under;
    return under->cheap_reserve(under);
}

static uint64_t process(const hf_backend *self) {
    const hf_backend *under = strict_of(self)->under;
    return under->process(under);
}

static void pause_below(const hf_backend *self, unsigned milliseconds) {
    const hf_backend *under = strict_of(self)->under;
    under->pause(under, milliseconds);
}

/* -------------------------------------------------------------------- locks -------------- */

static hf_status lock_open(const hf_backend *self, hf_lock *lock, hf_report *report) {
    static const way ways[] = {{HF_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY, NO_TRACE}, {0}};
    hf_strict *strict = strict_of(self);
    hf_status status = count_call(strict, report, ways, "InitializeSRWLock");
    if (status == HF_OK) status = strict->under->lock_open(strict->under, lock, report);
    return keep_count(strict, &strict->stats.locks, 1, status);
}

static void lock_close(const hf_backend *self, hf_lock *lock) {
    hf_strict *strict = strict_of(self);
    strict->under->lock_close(strict->under, lock);
    drop_count(strict, &strict->stats.locks, 1);
}

static void lock_below(const hf_backend *self, hf_lock *lock) {
    const hf_backend *under = strict_of(self)->under;
    under->lock(under, lock);
}

static void unlock_below(const hf_backend *self, hf_lock *lock) {
    const hf_backend *under = strict_of(self)->under;
    under->unlock(under, lock);
}

/* ---------------------------------------------------------- opening and closing ---------- */

static const hf_backend strict_calls = {
    .page_size = page_size,
    .reserve = reserve,
    .cheap_reserve = cheap_reserve,
    .release = release,
    .split = split,
    .coalesce = coalesce,
    .commit = commit,
    .decommit = decommit,
    .map = map,
    .unmap = unmap,
    .map_free = map_free,
    .advise = advise,
    .name = name_memory,
    .check = check,
    .allocate_pages = allocate_pages,
    .free_pages = free_pages,
    .file_open = file_open,
    .file_create = file_create,
    .file_create_shared = file_create_shared,
    .file_duplicate = file_duplicate,
    .file_close = file_close,
    .file_open_or_create = file_open_or_create,
    .file_measure = file_measure,
    .file_resize = file_resize,
    .file_read = file_read,
    .file_write = file_write,
    .file_sync = file_sync,
    .file_flush = file_flush,
    .file_lock = file_lock,
    .file_unlock = file_unlock,
    .file_forget = file_forget,
    .file_granularity = file_granularity,
    .file_fill = file_fill,
    .file_is_at = file_is_at,
    .draft_open = draft_open,
    .draft_publish = draft_publish,
    .draft_close = draft_close,
    .process = process,
    .pause = pause_below,
    .lock_open = lock_open,
    .lock_close = lock_close,
    .lock = lock_below,
    .unlock = unlock_below,
};

/* The first table takes as many pages as the record. */
static size_t record_bytes(const hf_backend *under) {
    return hf_pages_for(under, sizeof(hf_strict));
}

static hf_status build(hf_strict *strict, const hf_backend *under, void *table, size_t table_bytes,
                       hf_report *report) {
    *strict = (hf_strict){
        .calls = strict_calls, .under = under, .pieces = table, .table_bytes = table_bytes};
    if (under->map_free == NULL) strict->calls.map_free = NULL;
    if (under->advise == NULL) strict->calls.advise = NULL;
    if (under->name == NULL) strict->calls.name = NULL;
    if (under->cheap_reserve == NULL) strict->calls.cheap_reserve = NULL;
    if (under->pause == NULL) strict->calls.pause = NULL;
    if (under->file_forget == NULL) strict->calls.file_forget = NULL;
    if (under->file_granularity == NULL) strict->calls.file_granularity = NULL;
    return under->lock_open(under, &strict->lock, report);
}

static hf_status take_strict(hf_strict **strict, const hf_backend *under, hf_report *report) {
    size_t bytes = record_bytes(under);
    void *memory, *table;
    hf_status status = under->allocate_pages(under, bytes, &memory, report);
    if (status != HF_OK) return status;
    status = under->allocate_pages(under, bytes, &table, report);
    if (status == HF_OK) {
        *strict = memory;
        status = build(memory, under, table, bytes, report);
        if (status == HF_OK) return HF_OK;
        under->free_pages(under, table, bytes);
    }
    under->free_pages(under, memory, bytes);
    return status;
}

hf_status hf_strict_open(hf_backend **strict, const hf_backend *under) {
    if (strict == NULL) return hf_fail(HF_INVALID, "hf_strict_open", 0, 0);
    hf_report report = {0};
    hf_strict *opened = NULL;
    hf_status status = take_strict(&opened, under ? under : hf_backend_native(), &report);
    if (status != HF_OK) return hf_fail_reported(status, &report, 0, 0);
    *strict = &opened->calls;
    return HF_OK;
}

void hf_strict_close(hf_backend *self) {
    if (self == NULL) return;
    hf_strict *strict = strict_of(self);
    const hf_backend *under = strict->under;
    under->lock_close(under, &strict->lock);
    under->free_pages(under, strict->pieces, strict->table_bytes);
    under->free_pages(under, strict, record_bytes(under));
}

void hf_strict_fail(hf_backend *self, size_t nth, bool from_then_on) {
    hf_strict *strict = strict_of(self);
    enter(strict);
    strict->nth = nth;
    strict->from_then_on = from_then_on;
    if (nth > 0) strict->stats.choices = 0;
    leave(strict);
}

void hf_strict_fail_as(hf_backend *self, size_t choice) {
    hf_strict *strict = strict_of(self);
    enter(strict);
    strict->choice = choice;
    leave(strict);
}

hf_strict_stats hf_strict_get_stats(const hf_backend *self) {
    hf_strict *strict = strict_of(self);
    enter(strict);
    hf_strict_stats stats = strict->stats;
    leave(strict);
    return stats;
}
