/*
 * fuzz_arena.c -- runs a program of calls on arenas, and compares each call with arena_model.h.
 *
 *     operation:  | kind | arena, flags | size class | alignment | size (2) | selector | number |
 *
 * A program has four arenas: two single ones, which can be those of a pool, and the two of an
 * hf_scratch. After each call its result must be one that the model allows; a new block must be
 * aligned, lie above all others and be zero where that is promised; the statistics must be right;
 * every live block must have its pattern; a call that failed must have changed nothing. on_failure
 * returns false, rewinds, ends the injected failures, or leaves by longjmp, as the program says.
 *
 *      the program      bytes as operations, sizes, options
 *      reporting        what is printed when a check fails
 *      state            checks of everything, after each operation
 *      on_failure
 *      allocating       hf_alloc and all that is made of it
 *      peeking          hf_peek, hf_precommit
 *      texts            hf_strdup to hf_asprintf
 *      growing          hf_extend, hf_realloc
 *      deferring        hf_defer
 *      going back       hf_rewind, hf_reset, hf_trim, scopes
 *      references       hf_to_ref, hf_from_ref
 *      pools            what pool_model.h says of arenas that are opened and closed
 *      opening          arenas and scratch pairs
 *      forking
 *      running
 */
#include "pool_model.h"
#include "runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* In the runtime of AddressSanitizer; NULL without it. */
__attribute__((weak)) int __asan_address_is_poisoned(const volatile void *address);
__attribute__((weak)) void *__asan_region_is_poisoned(void *begin, size_t size);

/* Addresses for exact bases, which nothing else uses. */
#if UINTPTR_MAX > UINT32_MAX
#define FIXED_BASES ((uintptr_t)HF_BASE_FIXED + ((uintptr_t)1 << 30))
#else
#define FIXED_BASES ((uintptr_t)0x38000000)
#endif
#define SMALL_RESERVE MIB(16)

/* RED_ZONE_ALIGNMENT: under a sanitizer blocks begin at multiples of this. */
enum {
    SCRATCH = 2, /* index of the first arena of the scratch pair */
    ARENAS = 4,
    CALLS_BETWEEN_LOOKS = 8,
    CHILD_BYTES = 4096,
    RED_ZONE_ALIGNMENT = 8,
    SHORT_TEXT = 2000,
    TEXT_BYTES = 70000,
    ALL_FLAGS = 63
};

/* Each kind of operation: its name, its function, and whether that needs an open arena. The corpus
 * was begun with FIRST_KINDS of them: a byte that is no kind stands for one of those. */
#define COMMANDS(X)                                                    \
    X(ARENA_OPEN, "open", run_open, ALWAYS)                            \
    X(ARENA_CLOSE, "close", run_close, ALWAYS)                         \
    X(ARENA_ALLOC, "alloc", run_alloc, ALWAYS)                         \
    X(ARENA_ALLOC_ZEROED, "alloc_zeroed", run_alloc, ALWAYS)           \
    X(ARENA_ALLOC_ARRAY, "alloc_array", run_alloc_array, ALWAYS)       \
    X(ARENA_NEW, "new", run_new, ALWAYS)                               \
    X(ARENA_EXTEND, "extend", run_extend, IF_OPEN)                     \
    X(ARENA_EXTEND_ZEROED, "extend_zeroed", run_extend, IF_OPEN)       \
    X(ARENA_REALLOC, "realloc", run_realloc, ALWAYS)                   \
    X(ARENA_PEEK, "peek", run_peek, ALWAYS)                            \
    X(ARENA_PRECOMMIT, "precommit", run_precommit, IF_OPEN)            \
    X(ARENA_STRDUP, "strdup", run_text, ALWAYS)                        \
    X(ARENA_STRNDUP, "strndup", run_text, ALWAYS)                      \
    X(ARENA_MEMDUP, "memdup", run_text, ALWAYS)                        \
    X(ARENA_ASPRINTF, "asprintf", run_text, ALWAYS)                    \
    X(ARENA_MARK, "mark", run_mark, IF_OPEN)                           \
    X(ARENA_REWIND, "rewind", run_rewind, IF_OPEN)                     \
    X(ARENA_RESET, "reset", run_reset, IF_OPEN)                        \
    X(ARENA_TRIM, "trim", run_trim, IF_OPEN)                           \
    X(ARENA_SCOPE_BEGIN, "scope_begin", run_scope_begin, IF_OPEN)      \
    X(ARENA_SCOPE_END, "scope_end", run_scope_end, IF_OPEN)            \
    X(ARENA_SCRATCH_OPEN, "scratch_open", run_scratch_open, ALWAYS)    \
    X(ARENA_SCRATCH_CLOSE, "scratch_close", close_scratch, ALWAYS)     \
    X(ARENA_SCRATCH_BEGIN, "scratch_begin", run_scratch_begin, ALWAYS) \
    X(ARENA_REF, "ref", run_ref, IF_OPEN)                              \
    X(ARENA_ON_FAILURE, "on_failure", run_on_failure, ALWAYS)          \
    X(ARENA_FAIL, "fail", run_failing, ALWAYS)                         \
    X(ARENA_FORK, "fork", run_a_fork, ALWAYS)                          \
    X(ARENA_FAIL_AS, "fail_as", run_failing_as, ALWAYS)                \
    X(ARENA_FRAMES, "frames", run_frames, IF_OPEN)                     \
    X(ARENA_DEFER, "defer", run_defer, ALWAYS)                         \
    X(ARENA_POOL_OPEN, "pool_open", run_pool_open, ALWAYS)             \
    X(ARENA_POOL_FRAMES, "pool_frames", run_pool_frames, IF_OPEN)

typedef enum arena_kind { COMMANDS(RUN_KIND) ARENA_KINDS, FIRST_KINDS = 27 } arena_kind;
static const char *const kind_names[] = {COMMANDS(RUN_NAME)};

struct operation {
    size_t index; /* in the program */
    arena_kind kind;
    unsigned arena;
    unsigned flags; /* 6 bits */
    unsigned size_class, alignment;
    unsigned value;    /* 16 bits */
    unsigned selector; /* of a block, a mark, a scope */
    unsigned number;
    size_t size; /* what the size class means for the arena */
    size_t used; /* after the operation */
};

/* What on_failure does. */
typedef enum handling {
    HANDLE_GIVE_UP,
    HANDLE_FREE,
    HANDLE_MEND, /* ends the failures and asks for another attempt */
    HANDLE_LEAVE,
    HANDLINGS
} handling;

/* What a deferred call does. */
enum { CALL_RETURNS, CALL_ALLOCATES, CALL_DEFERS, CALL_REWINDS, CALL_LEAVES, CALLS };

/* The program, and the arenas with their models. */
static struct operation program[MOST_OPERATIONS];
static hf_arena single[SCRATCH];
static hf_scratch scratch;
static struct arena_model models[ARENAS];

static struct pool_model pooled; /* the pool, if one is open */

/* The operation under way, its arena and model, and how the arena was before. */
static const struct operation *op;
static hf_arena *arena;
static struct arena_model *model;
static hf_arena struct_before;
static hf_arena_stats before;

static handling handling_now;
static bool was_asked;    /* on_failure was called in this operation */
static size_t free_floor; /* on_failure frees nothing below this offset */
static jmp_buf leave;     /* where HANDLE_LEAVE and CALL_LEAVES go */
static bool has_left;     /* a deferred call went there */

/* ------------------------------------------------------------------ the program ----------- */

static struct operation decode(const uint8_t bytes[OPERATION_BYTES], size_t index) {
    return (struct operation){
        .index = index,
        .kind = (arena_kind)(bytes[0] < ARENA_KINDS ? bytes[0] : bytes[0] % FIRST_KINDS),
        .arena = bytes[1] % ARENAS,
        .flags = bytes[1] / ARENAS,
        .size_class = bytes[2],
        .alignment = bytes[3],
        .value = (unsigned)bytes[4] | (unsigned)bytes[5] << 8,
        .selector = bytes[6],
        .number = bytes[7],
    };
}

/* Usually at most 32, sometimes up to 2 MiB, rarely an invalid one. */
static size_t alignment_of(const struct operation *operation) {
    static const size_t invalid[] = {0, 3, 24, HF_MAX_ALIGNMENT * 2, SIZE_MAX, SIZE_MAX / 2 + 1};
    unsigned choice = operation->alignment % 8, rest = operation->alignment / 8;
    if (choice == 7 && rest < sizeof invalid / sizeof *invalid) return invalid[rest];
    return (size_t)1 << rest % (choice == 6 ? 22 : 6);
}

/* The sizes that matter depend on the arena: up to the next growth, up to the end of the
 * reservation, where an addition wraps. */
static size_t size_by_class(void) {
    unsigned value = op->value;
    switch (op->size_class % 16) {
    case 0: return 0;
    case 1: return value % 16;
    case 5:
    case 6:
    case 7: return value % 1024;
    case 8: return value;
    case 9: return (size_t)value * 16;
    case 10: return (size_t)value * 64;
    case 11: return about((size_t)(arena->limit - arena->pos), value);
    case 12: return about(before.reserved - before.used, value);
    case 13: return SIZE_MAX - value % 64;
    case 14: return 0 - (uintptr_t)arena->pos - value % 64;
    case 15: return (size_t)(1 + value % 64) * 4096 + (value >> 8) % 3 - 1;
    default: return value % 128;
    }
}

/* In a large reservation no size lies between 8 MiB and what is left, because the system may or may
 * not have the memory for it. */
static size_t choose_size(void) {
    size_t size = size_by_class();
    bool is_uncertain = size > MIB(8) && size <= before.reserved - before.used + KIB(64);
    return before.reserved > SMALL_RESERVE && is_uncertain ? size % MIB(4) : size;
}

/* Small, so that programs reach the end. Rarely more than any system has: that is slow, because the
 * arena halves it until the system has so much. */
static size_t choose_reserve(unsigned number) {
    static const size_t sizes[] = {MIB(4), MIB(1),           KIB(64), KIB(256),
                                   MIB(2), MIB(2) + KIB(64), MIB(8),  KIB(100) + 1,
                                   MIB(3), MIB(5),           MIB(16), 1};
    if (number >= 252) return 0;
    if (number >= 250) return number == 250 ? SIZE_MAX / 2 + 1 : SIZE_MAX - 1;
    return sizes[number % (sizeof sizes / sizeof *sizes)];
}

/* `slot` is one of two places for exact bases. */
static void choose_base(unsigned slot, hf_arena_options *options) {
    uintptr_t fixed = FIXED_BASES + slot % 2 * (uintptr_t)(2 * SMALL_RESERVE);
    bool fits = options->reserve != 0 && options->reserve <= SMALL_RESERVE;
    if (op->alignment < 2 && fits) options->base = (void *)fixed;
    if (op->alignment == 2) options->base = (void *)(fixed + HF_ALLOCATION_GRANULARITY / 2);
    if (op->alignment != 3) return;
    options->base = (void *)(UINTPTR_MAX - HF_ALLOCATION_GRANULARITY + 1);
    options->reserve = MIB(1);
    options->least_reserve = 0;
}

static bool on_failure(hf_arena *, hf_status, size_t size, void *user);

static size_t choose_retain(void) {
    static const size_t retains[] = {0, 0, KIB(64), MIB(1), MIB(3), SIZE_MAX};
    return retains[op->value / 8 % (sizeof retains / sizeof *retains)];
}

static hf_arena_options choose_options(unsigned slot) {
    static const size_t leasts[] = {0, 0, 0, 4096, MIB(4), SIZE_MAX};
    hf_arena_options options = {
        .reserve = choose_reserve(op->size_class),
        .least_reserve = leasts[op->value % (sizeof leasts / sizeof *leasts)],
        .retain = choose_retain(),
        .huge_pages = (hf_huge_pages)(op->flags % 3),
        .populate = op->number >= 240,
        .fault_after_rewind = op->number % 16 == 15,
        .name = op->selector & 1 ? "program" : NULL,
        .on_failure = op->number & 16 ? on_failure : NULL,
        .user = models,
        .backend = run.backend == hf_backend_native() ? NULL : run.backend,
    };
    choose_base(slot, &options);
    return options;
}

/* ------------------------------------------------------------------ reporting ------------- */

static hf_arena *arena_at(unsigned index) {
    return index < SCRATCH ? &single[index] : &scratch.arenas[index - SCRATCH];
}

void fuzz_print(void) {
    if (!op) return;
    for (const struct operation *p = program; p <= &program[op->index]; p++)
        fprintf(stderr,
                "%3zu %s arena %u size %zu class %u value %u align %#zx flags %u selector %u "
                "number %u -> used %zu\n",
                p->index, kind_names[p->kind], p->arena, p->size, p->size_class, p->value,
                alignment_of(p), p->flags, p->selector, p->number, p->used);
    hf_arena_stats now = hf_arena_get_stats(arena);
    fprintf(stderr,
            "  used %zu -> %zu, committed %zu -> %zu, high water %zu -> %zu, peak %zu -> %zu\n",
            before.used, now.used, before.committed, now.committed, before.high_water,
            now.high_water, before.peak, now.peak);
}

/* ------------------------------------------------------------------ state ----------------- */

static void note_arena(void) {
    struct_before = *arena;
    before = hf_arena_get_stats(arena);
}

static void begin(const struct operation *operation) {
    op = operation;
    arena = arena_at(op->arena);
    model = &models[op->arena];
    was_asked = has_left = false;
    free_floor = 0;
    run.injectable = STATUS(NO_MEMORY) | STATUS(MAP_LIMIT);
    if (run.failing_way != 0) run.injectable |= STATUS(UNSUPPORTED);
    run_begin();
    note_arena();
}

static void check_numbers(const hf_arena *shown, const struct arena_model *m) {
    hf_arena_stats stats = hf_arena_get_stats(shown);
    size_t limit = (size_t)(shown->limit - m->base);
    CHECK(hf_arena_base(shown) == m->base, "the base has moved");
    CHECK(stats.used == hf_get_mark(shown), "the mark is not what is used");
    CHECK(stats.used == m->used, "used is not %zu", m->used);
    CHECK(stats.peak == m->peak, "the peak is not %zu", m->peak);
    CHECK((uintptr_t)hf_arena_root(shown) < (uintptr_t)m->base + m->used, "the root is free");
    CHECK(stats.committed <= stats.reserved && stats.committed % run.page_size == 0,
          "committed is not a number of reserved pages");
    if (m->faulting) return;
    CHECK(stats.used <= stats.committed, "more is used than committed");
    CHECK(limit >= stats.used && limit <= stats.committed, "limit is out of bounds");
    CHECK(!m->has_red_zones || limit == stats.used, "limit is not at pos");
    CHECK(stats.high_water <= stats.committed, "the high-water mark is above what is committed");
}

static void check_blocks(const struct arena_model *m, bool quick) {
    for (const arena_block *block = m->blocks; block < m->blocks + m->block_count; block++)
        CHECK(arena_block_is_intact(m, block, block->size, quick),
              "the block at %zu of %zu bytes of arena %td has changed", block->offset, block->size,
              m - models);
}

static void check_closed(const hf_arena *closed) {
    static const hf_arena zero;
    static const hf_arena_stats nothing;
    hf_arena_stats stats = hf_arena_get_stats(closed);
    CHECK(memcmp(closed, &zero, sizeof zero) == 0, "a closed arena is not zero");
    CHECK(memcmp(&stats, &nothing, sizeof stats) == 0, "a closed arena has statistics");
    CHECK(!hf_arena_base(closed) && hf_get_mark(closed) == 0 && !hf_owns(closed, closed),
          "a closed arena has a base");
}

static void check_arena(unsigned index, bool thoroughly) {
    const hf_arena *shown = arena_at(index);
    const struct arena_model *m = &models[index];
    if (!m->open) {
        check_closed(shown);
        return;
    }
    check_numbers(shown, m);
    check_blocks(m, !thoroughly);
    hf_arena_stats stats = hf_arena_get_stats(shown);
    if (!thoroughly || m->faulting) return;
    CHECK(arena_raw_bytes_are_zero(m->base + stats.high_water, stats.committed - stats.high_water),
          "arena %u has bytes above the high-water mark that are not zero", index);
}

static void check_arenas(bool thoroughly) {
    for (unsigned index = 0; index < ARENAS; index++) check_arena(index, thoroughly);
}

/* The block is not poisoned, the byte after it is. */
static void check_poison(char *block, size_t size) {
    size_t end = (size_t)(block - model->base) + size;
    if (!__asan_address_is_poisoned || size == 0) return;
    CHECK(!__asan_region_is_poisoned(block, size), "a block is poisoned");
    CHECK(end >= hf_arena_get_stats(arena).committed || __asan_address_is_poisoned(block + size),
          "the byte after the block is not poisoned");
}

/* Memory that could not be populated, and then not be decommitted, stays committed behind limit
 * until the next growth or trim. */
static void note_growth(void) {
    hf_arena_stats now = hf_arena_get_stats(arena);
    size_t *left = &model->rule.left_behind;
    *left = now.growths != before.growths ? 0 : *left + now.committed - before.committed;
    note_arena();
}

/* After a call that failed. */
static void check_unchanged(void) {
    hf_arena_stats now = hf_arena_get_stats(arena);
    CHECK(memcmp(arena, &struct_before, sizeof *arena) == 0 && now.used == before.used &&
              now.reserved == before.reserved && now.peak == before.peak &&
              now.high_water == before.high_water && now.growths == before.growths,
          "failed, and changed the arena");
    CHECK(now.committed == before.committed ||
              ((model->populating || model->rule.left_behind > 0) && run_failures() > 0),
          "failed, and changed what is committed");
}

/* After an opening. A failure can leave no addresses, too. */
static void check_open_status(hf_status status, hf_status expected) {
    run.injectable |= STATUS(NO_ADDRESS);
    check_status(status, 1u << expected);
}

/* A call failed, with the error expected or one that comes from an injected failure. */
static void check_failed_with(hf_status status, hf_status expected) {
    check_unchanged();
    check_status(status, 1u << expected);
}

static void check_failed(hf_status expected) {
    check_failed_with(hf_last_error().status, expected);
}

/* ------------------------------------------------------------------ on_failure ------------ */

/* With fault_after_rewind, pos stays above the pages that fault, and never returns to them. */
static size_t expect_rewound(hf_mark mark) {
    size_t mask = model->page_size - 1;
    size_t from = (mark + mask) & ~mask, to = (model->used + mask) & ~mask;
    if (!model->faulting) return mark;
    if (from >= to) return mark > model->faulting_end ? mark : model->faulting_end;
    model->faulting_end = to;
    return to;
}

/* After a call that went back to the mark, unless a deferred call went further. */
static void rewound(hf_mark mark) {
    size_t used = hf_get_mark(arena);
    size_t expected = mark <= model->used ? expect_rewound(mark) : model->used;
    CHECK(used == expected, "rewound to %zu and not %zu", used, expected);
    arena_model_truncate(model, mark);
    arena_model_use(model, used);
}

/* The same; if it failed, it did so above the next deferred call. */
static void went_back(hf_status status, hf_mark mark) {
    const arena_call *next = model->calls + model->call_count - 1;
    bool is_left = model->call_count > 0 && next->end > mark;
    CHECK(!is_left || status != HF_OK, "a deferred call was not made");
    rewound(is_left ? next->end : mark);
}

/* Rewinds half of what is above free_floor. */
static bool free_some(void) {
    hf_mark back_to = model->back_to;
    if (model->used <= free_floor) return false;
    hf_mark mark = free_floor + (model->used - free_floor) / 2;
    if (mark < back_to) model->back_to = mark;
    hf_status status = hf_rewind(arena, mark);
    model->back_to = back_to;
    CHECK(status == HF_OK || run_failures() > 0, "rewinding in on_failure failed");
    went_back(status, mark);
    note_growth();
    return true;
}

static bool on_failure(hf_arena *failing, hf_status status, size_t size, void *user) {
    bool is_first = !was_asked;
    (void)size;
    was_asked = true;
    CHECK(user == models, "on_failure got another user pointer");
    CHECK(failing == arena, "on_failure got another arena");
    CHECK(status == hf_last_error().status, "on_failure got another status");
    switch (handling_now) {
    case HANDLE_FREE: return is_first && status != HF_INVALID && free_some();
    case HANDLE_MEND: run_fail(0); return is_first;
    case HANDLE_LEAVE: longjmp(leave, 1);
    default: return false;
    }
}

/* ------------------------------------------------------------------ allocating ------------ */

/* An allocation: what is asked for, what must come of it, and what came. */
struct request {
    size_t size, align;
    bool zeroed;
    arena_outcome outcome;
    hf_status error; /* if it fails though no call of the system failed */
    size_t *room;    /* hf_peek */
    char *copy;      /* hf_strndup: of the text; freed by run_text */
    void *block;
};

typedef void *allocator(struct request *);

static bool is_alignment(size_t align) {
    return align != 0 && (align & (align - 1)) == 0 && align <= HF_MAX_ALIGNMENT;
}

static void expect(struct request *request) {
    bool is_valid = model->open && is_alignment(request->align);
    request->error = is_valid ? HF_RESERVE_FULL : HF_INVALID;
    request->outcome = is_valid ? arena_model_expect(model, arena->pos, before.reserved,
                                                     request->size, request->align)
                                : MUST_FAIL;
}

/* Calls the allocator, unless on_failure leaves by longjmp. */
static void *call_guarded(allocator *allocate, struct request *request) {
    return setjmp(leave) ? NULL : allocate(request);
}

/* on_failure may have freed what makes room, or may have left although there was room. */
static void make(allocator *allocate, struct request *request) {
    request->block = call_guarded(allocate, request);
    if (!was_asked || request->error == HF_INVALID) return;
    if (handling_now == HANDLE_FREE) expect(request);
    bool may_leave = handling_now == HANDLE_LEAVE || has_left;
    if (may_leave && !request->block && request->outcome == MUST_SUCCEED)
        request->outcome = MAY_EITHER;
}

/* What hf_precommit promised or what is committed takes no system call, and cannot fail. A long
 * text may be formatted in pages of the backend before its block is allocated. */
static bool is_ready(const struct request *request) {
    size_t room = before.committed - model->rule.left_behind - before.used;
    if (op->kind == ARENA_ASPRINTF && request->size > 512) return false;
    if (model->faulting || model->has_red_zones) return false;
    if (room < model->precommitted) room = model->precommitted;
    return arena_model_fits(model, struct_before.pos, room, request->size, request->align);
}

static void check_place(const struct request *request) {
    char *block = request->block;
    CHECK(((uintptr_t)block & (request->align - 1)) == 0, "the block is not aligned");
    CHECK(block >= struct_before.pos, "the block is below pos");
    CHECK(block + request->size <= arena->pos, "the block reaches beyond pos");
    CHECK(arena->pos <= model->base + before.reserved, "pos is outside");
    CHECK(hf_owns(arena, block) || request->size == 0, "the block is not owned");
}

/* The block is live from now on. */
static void keep_block(const struct request *request) {
    size_t used = hf_get_mark(arena);
    arena_block *block = arena_model_add(model, request->block, request->size, used);
    if (block) arena_block_fill(model, block);
}

/* Checks the outcome. True: there is a sound block. */
static bool judge(const struct request *request) {
    if (!request->block) {
        CHECK(request->outcome != MUST_SUCCEED || (run_failures() > 0 && !is_ready(request)),
              "%zu bytes at %zu fit, and were not allocated", request->size, request->align);
        check_failed(request->error);
        return false;
    }
    check_success();
    CHECK(request->outcome != MUST_FAIL, "more was allocated than there is");
    CHECK(!is_ready(request) || hf_arena_get_stats(arena).system_calls == before.system_calls,
          "a system call for bytes that were committed");
    check_place(request);
    check_poison(request->block, request->size);
    CHECK(!request->zeroed || arena_bytes_are_zero(model, request->block, request->size),
          "the block is not zero");
    arena_model_use(model, hf_get_mark(arena));
    return true;
}

static void run_request(allocator *allocate, struct request request) {
    expect(&request);
    make(allocate, &request);
    if (judge(&request)) keep_block(&request);
}

static void *call_alloc(struct request *request) {
    return (request->zeroed ? hf_alloc_zeroed : hf_alloc)(arena, request->size, request->align);
}

static void run_alloc(void) {
    bool zeroed = op->kind == ARENA_ALLOC_ZEROED;
    run_request(call_alloc, (struct request){op->size, alignment_of(op), .zeroed = zeroed});
}

static size_t element_size(void) {
    static const size_t sizes[] = {1, 3, 8, 24, 4096, 0, SIZE_MAX / 2 + 1, SIZE_MAX};
    return sizes[op->number % (sizeof sizes / sizeof *sizes)];
}

static size_t element_count(void) {
    size_t size = element_size();
    return size == 0 || size > SIZE_MAX / 4 ? op->value % 8 : op->size / size;
}

static void *call_alloc_array(struct request *request) {
    return hf_alloc_array(arena, element_count(), element_size(), request->align);
}

/* A product that would wrap counts as SIZE_MAX, which fails in the same way. */
static void run_alloc_array(void) {
    size_t size = element_size(), count = element_count();
    size_t product = size != 0 && count > SIZE_MAX / size ? SIZE_MAX : count * size;
    run_request(call_alloc_array, (struct request){product, alignment_of(op), .zeroed = true});
}

struct wide {
    uint64_t words[5];
};

struct cache_line {
    _Alignas(64) char bytes[100];
};

static void *call_new(struct request *request) {
    size_t count = op->value % 300;
    (void)request;
    switch (op->number % 6) {
    case 0: return hf_new(arena, char);
    case 1: return hf_new(arena, struct wide);
    case 2: return hf_new(arena, struct cache_line);
    case 3: return hf_new_array(arena, uint16_t, count);
    case 4: return hf_new_array(arena, struct wide, count);
    default: return hf_new_array(arena, struct cache_line, count);
    }
}

static void run_new(void) {
    static const size_t sizes[] = {1, sizeof(struct wide), sizeof(struct cache_line), 2};
    static const size_t aligns[] = {1, _Alignof(struct wide), 64, _Alignof(uint16_t)};
    unsigned type = op->number % 6, row = type < 4 ? type : type - 3;
    size_t count = type < 3 ? 1 : op->value % 300;
    run_request(call_new, (struct request){count * sizes[row], aligns[row], .zeroed = true});
}

/* ------------------------------------------------------------------ peeking --------------- */

static void *call_peek(struct request *request) {
    return hf_peek(arena, request->size, request->room);
}

/* Allocates what hf_peek returned, or a part of it. The bytes stored there must have stayed. */
static void take_peeked(char *peeked, size_t size) {
    struct_before = *arena;
    char *block = hf_alloc(arena, size, 1);
    CHECK(block == peeked, "hf_alloc returned other bytes than hf_peek");
    for (size_t i = 0; i < size && i < 4096; i++)
        CHECK(block[i] == (char)0xa5, "the bytes stored after hf_peek were lost");
    check_poison(block, size);
    arena_model_use(model, hf_get_mark(arena));
    keep_block(&(struct request){size, 1, .block = block});
}

static void check_peeked(char *peeked, size_t size, size_t room) {
    size_t moved = hf_get_mark(arena) - before.used;
    CHECK(room >= size, "less room than asked for");
    CHECK(peeked >= arena->pos, "the room is allocated");
    CHECK(peeked + room <= model->base + before.reserved, "room outside the arena");
    CHECK(moved < (model->has_red_zones ? RED_ZONE_ALIGNMENT : 1), "hf_peek moved pos");
    CHECK(!__asan_region_is_poisoned || room == 0 || !__asan_region_is_poisoned(peeked, room),
          "the room is poisoned");
}

static void run_peek(void) {
    size_t size = op->size, room = size;
    struct request request = {size, 1, .room = op->number & 1 ? &room : NULL};
    expect(&request);
    make(call_peek, &request);
    char *peeked = request.block;
    if (!peeked) {
        judge(&request);
        return;
    }
    check_success();
    CHECK(request.outcome != MUST_FAIL, "hf_peek returned more than there is");
    check_peeked(peeked, size, room);
    arena_model_use(model, hf_get_mark(arena));
    memset(peeked, 0xa5, size < 4096 ? size : 4096);
    if (room > size) peeked[room - 1] = 0x5a;
    if (op->flags & 1) take_peeked(peeked, size - size * (op->flags / 2 % 4) / 4);
}

static void run_precommit(void) {
    struct request request = {.size = op->size, .align = 1};
    hf_status status = hf_precommit(arena, op->size);
    expect(&request);
    CHECK(!was_asked, "hf_precommit called on_failure");
    if (status == HF_OK) {
        check_success();
        CHECK(request.outcome != MUST_FAIL, "more was committed than there is");
        CHECK(hf_get_mark(arena) == before.used, "hf_precommit moved pos");
        if (model->precommitted < op->size) model->precommitted = op->size;
        return;
    }
    CHECK(request.outcome != MUST_SUCCEED || run_failures() > 0, "there is room, and it failed");
    check_failed_with(status, request.error);
}

/* ------------------------------------------------------------------ texts ----------------- */

static char text[TEXT_BYTES];

static void *call_strdup(struct request *request) {
    (void)request;
    return hf_strdup(arena, op->flags == ALL_FLAGS ? NULL : text);
}

/* Where the length is given, the copy has no zero at its end, so that a sanitizer reports a read
 * past it. */
static void *call_strndup(struct request *request) {
    size_t length = request->size - 1;
    bool is_exact = op->number % 2;
    if (op->flags == ALL_FLAGS) return hf_strndup(arena, NULL, length);
    request->copy = malloc(length + 1);
    if (!request->copy) abort();
    memcpy(request->copy + is_exact, text, length + !is_exact);
    return hf_strndup(arena, request->copy + is_exact, is_exact ? length : SIZE_MAX);
}

static void *call_memdup(struct request *request) { return hf_memdup(arena, text, request->size); }

HF_FORMAT(1, 2) static char *print_list(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *printed = hf_vasprintf(arena, format, arguments);
    va_end(arguments);
    return printed;
}

/* A wide character that a locale with one byte for each character cannot print. */
static const wchar_t unprintable[] = {0x2603, 0};

static void *call_asprintf(struct request *request) {
    int width = (int)(request->size - 1);
    switch (op->number % 4) {
    case 0: return hf_asprintf(arena, "%s", text);
    case 1: return print_list("%.*s", width, text);
    case 2: return hf_asprintf(arena, "%*d", width, 7);
    default: return hf_asprintf(arena, "%ls", unprintable);
    }
}

/* Makes `text` a text of this length. */
static void write_text(size_t length) {
    static size_t written;
    if (written == 0)
        for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 23);
    text[written] = (char)('a' + written % 23);
    text[length] = '\0';
    written = length;
}

static void check_text(const char *copy, size_t size) {
    bool is_number = op->kind == ARENA_ASPRINTF && op->number % 4 == 2;
    CHECK(is_number ? copy[size - 2] == '7' && copy[0] == (size > 2 ? ' ' : '7')
                    : memcmp(copy, text, size) == 0,
          "the text is another one");
    CHECK((copy - model->base) % 8 == 0, "the text cannot have a reference");
}

static void run_text(void) {
    static allocator *const calls[] = {call_strdup, call_strndup, call_memdup, call_asprintf};
    bool bytes = op->kind == ARENA_MEMDUP, print = op->kind == ARENA_ASPRINTF;
    bool is_wide = print && op->number % 4 == 3;
    bool cannot_print = is_wide && snprintf(NULL, 0, "%ls", unprintable) < 0;
    size_t length = op->size % (op->number < 224 ? SHORT_TEXT : TEXT_BYTES - 2);
    if (print && length == 0) length = 1;
    struct request request = {.size = length + !bytes, .align = 8};
    if (is_wide && !cannot_print) return;
    write_text(length);
    expect(&request);
    if (cannot_print || (op->flags == ALL_FLAGS && !bytes && !print)) {
        request.outcome = MUST_FAIL;
        request.error = HF_INVALID;
    }
    bool could_succeed = request.outcome != MUST_FAIL;
    make(calls[op->kind - ARENA_STRDUP], &request);
    free(request.copy);
    if (!request.block && was_asked && could_succeed) request.outcome = MAY_EITHER;
    if (!judge(&request)) return;
    check_text(request.block, request.size);
    keep_block(&request);
}

/* ------------------------------------------------------------------ growing --------------- */

/* Usually the last live block, which is the one that can grow. */
static arena_block *choose_block(void) {
    if (model->block_count == 0) return NULL;
    if (op->selector < 160) return arena_model_last(model);
    return &model->blocks[op->selector % model->block_count];
}

static bool is_last(const arena_block *block) {
    return block == arena_model_last(model) && block->top == model->used;
}

/* With blocks of no bytes after it, and after a rewind into another block, a block may count as the
 * last one or not. */
static bool may_be_last(const arena_block *block) {
    for (const arena_block *b = block + 1; b < model->blocks + model->block_count; b++)
        if (b->size != 0) return false;
    return true;
}

/* If pos has moved, blocks of no bytes after it are gone. */
static void check_extended(arena_block *block, size_t old_size, size_t size, bool zeroed) {
    char *bytes = model->base + block->offset;
    size_t used = hf_get_mark(arena);
    bool moved = used != model->used;
    CHECK(used >= block->offset + size, "pos is within the block");
    CHECK(arena_block_is_intact(model, block, old_size < size ? old_size : size, false),
          "the block lost its bytes");
    CHECK(!zeroed || size <= old_size ||
              arena_bytes_are_zero(model, bytes + old_size, size - old_size),
          "the new bytes are not zero");
    if (moved) model->block_count = (size_t)(block - model->blocks) + 1;
    block->size = size;
    if (moved || block->top == model->used) block->top = used;
    arena_model_use(model, used);
    if (is_last(block)) check_poison(bytes, size);
    if (size > old_size) arena_block_fill(model, block);
}

static hf_status extension_error(const arena_block *block, size_t size) {
    if (size <= block->size) return HF_OK;
    if (!is_last(block)) return HF_WRONG_STATE;
    return size - block->size > before.reserved - model->used ? HF_RESERVE_FULL : HF_OK;
}

static void check_not_extended(const arena_block *block, size_t size) {
    hf_status error = extension_error(block, size);
    size_t room = before.reserved - model->used;
    if (error == HF_WRONG_STATE && may_be_last(block) && hf_last_error().status == HF_RESERVE_FULL)
        error = HF_RESERVE_FULL;
    if (error == HF_OK && model->has_red_zones &&
        !arena_model_fits(model, struct_before.pos, room, size - block->size, 1))
        error = HF_RESERVE_FULL;
    CHECK(error != HF_OK || run_failures() > 0, "the block was not extended");
    check_unchanged();
    if (error != HF_OK) check_failed(error);
}

/* Bytes that are not of the arena are HF_INVALID, whatever the sizes. */
static void run_extend(void) {
    arena_block *block = choose_block();
    bool zeroed = op->kind == ARENA_EXTEND_ZEROED;
    if (!block || op->flags == ALL_FLAGS) {
        char foreign[16] = {0};
        CHECK(!hf_extend(arena, foreign, sizeof foreign, op->size), "extended foreign bytes");
        check_failed(HF_INVALID);
        return;
    }
    size_t old_size = block->size, new_size = op->flags & 1 ? op->size : old_size + op->size;
    if (new_size < old_size && !(op->flags & 1)) new_size = SIZE_MAX;
    char *bytes = model->base + block->offset;
    bool done = (zeroed ? hf_extend_zeroed : hf_extend)(arena, bytes, old_size, new_size);
    CHECK(!was_asked, "hf_extend called on_failure");
    if (!done) {
        check_not_extended(block, new_size);
        return;
    }
    check_success();
    CHECK(new_size <= old_size || may_be_last(block), "extended a block that is not the last");
    check_extended(block, old_size, new_size, zeroed);
}

static void *call_realloc(struct request *request) {
    const arena_block *block = choose_block();
    char *bytes = block ? model->base + block->offset : NULL;
    return hf_realloc(arena, bytes, block ? block->size : 0, request->size, request->align);
}

static void check_moved(const arena_block *block, const struct request *request) {
    size_t size = block->size < request->size ? block->size : request->size;
    CHECK(request->size > block->size, "shrinking moved the block");
    check_place(request);
    check_poison(request->block, request->size);
    CHECK(arena_block_is_intact(model, block, block->size, false), "the old block changed");
    if (size > TEXT_BYTES) size = TEXT_BYTES;
    CHECK(memcmp(model->base + block->offset, request->block, size) == 0, "the copy differs");
    arena_model_use(model, hf_get_mark(arena));
    keep_block(request);
}

/* Without a block hf_realloc allocates one. */
static void run_realloc(void) {
    arena_block *block = choose_block();
    struct request request = {.size = op->size, .align = alignment_of(op)};
    if (!block) {
        run_request(call_realloc, request);
        return;
    }
    size_t old_size = block->size;
    bool grows = request.size > old_size;
    free_floor = block->offset + old_size;
    expect(&request);
    bool copies = extension_error(block, request.size) != HF_OK;
    request.block = call_guarded(call_realloc, &request);
    if (!request.block) {
        bool may_fail = request.outcome != MUST_SUCCEED || run_failures() > 0 || was_asked;
        CHECK(grows || !is_alignment(request.align), "shrinking failed");
        CHECK(may_fail || !copies, "there is room for a copy");
        check_failed(request.error);
        return;
    }
    check_success();
    CHECK(is_alignment(request.align), "reallocated with an invalid alignment");
    CHECK(!grows || ((uintptr_t)request.block & (request.align - 1)) == 0, "it is not aligned");
    if (request.block != model->base + block->offset)
        check_moved(block, &request);
    else
        check_extended(block, old_size, request.size, false);
}

/* ------------------------------------------------------------------ deferring ------------- */

static void make_call(void *data);

/* What hf_defer allocates at pos. */
static struct request deferred_words(void) {
    size_t align = model->has_red_zones ? RED_ZONE_ALIGNMENT : _Alignof(void *);
    size_t pad = (0 - (uintptr_t)arena->pos) & (align - 1);
    return (struct request){3 * sizeof(void *), _Alignof(void *), .block = arena->pos + pad};
}

static void note_call(const struct request *words, char *data, unsigned does) {
    size_t end = (size_t)((char *)words->block - model->base) + words->size;
    model->calls[model->call_count++] = (arena_call){data, end, does};
}

/* Calls of a deferred call. They may fail. */
static void use_within(const arena_call *call) {
    struct request words = deferred_words(), block = {.size = 100, .align = 8};
    handling handling_before = handling_now;
    bool was_asked_before = was_asked;
    handling_now = HANDLE_GIVE_UP;
    if (call->does == CALL_ALLOCATES)
        block.block = hf_alloc(arena, block.size, block.align);
    else if (model->call_count < ARENA_CALLS && hf_defer(arena, make_call, call->data) == HF_OK)
        note_call(&words, call->data, CALL_RETURNS);
    arena_model_use(model, hf_get_mark(arena));
    if (block.block) keep_block(&block);
    handling_now = handling_before;
    was_asked = was_asked_before;
    note_growth();
}

/* The deferred call: it must be the highest one, and above what the arena goes back to. */
static void make_call(void *data) {
    struct arena_model *m = models;
    while (m < models + ARENAS && !hf_owns(arena_at((unsigned)(m - models)), data)) m++;
    CHECK(m < models + ARENAS, "a deferred call with other data");
    CHECK(m->call_count > 0, "a deferred call is made again");
    arena_call call = m->calls[--m->call_count];
    CHECK(call.data == data, "another deferred call is the highest one");
    CHECK(m->closing || (m == model && call.end > m->back_to), "a deferred call is made too early");
    if (m->closing) arena_model_truncate(m, call.end);
    if (!m->closing && call.end < m->used) rewound(call.end);
    check_blocks(m, false);
    if (call.does == CALL_LEAVES) {
        has_left = true;
        m->back_to = SIZE_MAX;
        if (!m->closing) note_growth();
        longjmp(leave, 1);
    }
    if (m->closing || call.does == CALL_RETURNS) return;
    if (call.does == CALL_REWINDS)
        free_some();
    else
        use_within(&call);
    if (!was_asked) run.error_before = hf_last_error();
}

static void *call_defer(struct request *request) {
    void *words = deferred_words().block;
    hf_status status = hf_defer(arena, make_call, model->base + arena_model_last(model)->offset);
    if (status == HF_OK) return words;
    CHECK(status == hf_last_error().status && request->align, "the last error is another one");
    return NULL;
}

/* Nothing that on_failure frees is the data of the call. */
static void run_defer(void) {
    if (!model->open || op->flags == ALL_FLAGS) {
        hf_defer(arena, model->open ? NULL : make_call, arena);
        check_failed(HF_INVALID);
        return;
    }
    if (model->block_count == ARENA_BLOCKS || model->call_count == ARENA_CALLS) return;
    size_t count = model->block_count;
    run_request(call_alloc, (struct request){.size = 1 + op->value % 200, .align = 8});
    if (model->block_count <= count) return;
    note_growth();
    begin(op);
    free_floor = model->used;
    struct request words = deferred_words();
    expect(&words);
    make(call_defer, &words);
    if (!judge(&words)) return;
    note_call(&words, model->base + arena_model_last(model)->offset, op->number % CALLS);
}

/* ------------------------------------------------------------------ going back ------------ */

/* Only where rewound pages fault does rewinding make system calls, which can fail. */
static void check_rewind_status(hf_status status) {
    hf_arena_stats now = hf_arena_get_stats(arena);
    check_status(status, STATUS(OK));
    CHECK(model->faulting || (status == HF_OK && now.committed == before.committed &&
                              now.system_calls == before.system_calls),
          "rewinding released memory, or failed");
}

typedef hf_status call_back(const hf_scope *to);
static hf_status call_rewind(const hf_scope *to) { return hf_rewind(arena, to->mark); }
static hf_status call_scope_end(const hf_scope *to) { return hf_scope_end(*to); }
static hf_status call_reset(const hf_scope *to) { return to ? HF_INVALID : hf_reset(arena); }

/* Goes back, and lets the deferred calls above be made, unless one of them leaves by longjmp. */
static hf_status go_back(call_back *call, const hf_scope *to) {
    hf_mark mark = to ? to->mark : 0;
    has_left = false;
    model->back_to = mark;
    hf_status status = setjmp(leave) ? HF_OK : call(to);
    model->back_to = SIZE_MAX;
    if (!has_left && status != HF_INVALID) went_back(status, mark);
    return status;
}

static void run_rewind(void) {
    hf_mark mark = model->marks[op->selector % ARENA_MARKS];
    if (op->selector >= 128) mark = model->used * (op->selector & 15) / 15;
    if (op->selector >= 240) mark = model->used + op->value;
    bool is_above = mark > model->used;
    check_blocks(model, false);
    hf_status status = go_back(call_rewind, &(hf_scope){.mark = mark});
    if (is_above) {
        CHECK(status == HF_INVALID, "a mark above pos gave %s", hf_status_name(status));
        check_unchanged();
    } else if (!has_left) {
        check_rewind_status(status);
    }
}

static void check_release(hf_status status, size_t expected) {
    size_t committed = hf_arena_get_stats(arena).committed;
    if (status == HF_OK) check_success();
    if (model->faulting) return;
    CHECK(status == HF_OK || run_may_return(status), "releasing gave %s", hf_status_name(status));
    CHECK(status != HF_OK || committed == expected || model->is_vague,
          "%zu bytes are committed and not %zu", committed, expected);
    CHECK(committed >= expected && committed <= before.committed,
          "%zu bytes are committed, not between %zu and before", committed, expected);
    if (status == HF_OK || committed < before.committed) model->rule.left_behind = 0;
    note_arena();
}

/* Where a reset releases memory and fails, it ends no scope, and the next one tries again. */
static void run_reset(void) {
    check_blocks(model, false);
    hf_status status = go_back(call_reset, NULL);
    if (has_left) return;
    if (status == HF_OK) arena_model_scope_ended(model, 0);
    if (model->faulting) {
        check_status(status, STATUS(OK));
    } else if (arena_model_end_frame(model, before.committed) || model->is_vague) {
        model->precommitted = 0;
        check_release(status, arena_model_reset(model, before.committed));
        if (status == HF_OK || model->is_vague) model->rule.work = model->rule.needed = 0;
    } else {
        check_rewind_status(status);
    }
}

static void run_trim(void) {
    hf_status status = hf_trim(arena, op->size);
    CHECK(hf_get_mark(arena) == model->used, "trimming moved pos");
    model->precommitted = 0;
    check_release(status, arena_model_trimmed(model, before.committed, op->size));
}

/* Many frames of one size, so that resets release memory. */
static void run_frames(void) {
    for (unsigned left = op->number; left > 0 && model->open; left--) {
        begin(op);
        run_alloc();
        note_growth();
        begin(op);
        run_reset();
    }
}

static void run_mark(void) { model->marks[op->selector % ARENA_MARKS] = hf_get_mark(arena); }

static void run_scope_begin(void) {
    hf_scope scope = hf_scope_begin(arena);
    CHECK(scope.arena == arena, "a scope of another arena");
    CHECK(scope.mark == model->used, "a scope that begins elsewhere");
    check_unchanged();
    arena_model_scope_begun(model, scope);
}

/* If the arena was rewound below the beginning of the scope, the header does not promise a status
 * for ending it, only that nothing changes. */
static void run_scope_end(void) {
    if (model->scope_count == 0) return;
    size_t index = op->selector < 128 ? model->scope_count - 1 : op->selector % model->scope_count;
    const arena_scope *scope = &model->scopes[index];
    if (scope->ended || scope->scope.mark > model->used) {
        hf_status status = hf_scope_end(scope->scope);
        CHECK(status == HF_WRONG_STATE || !scope->ended, "ending a scope again gave %s",
              hf_status_name(status));
        check_unchanged();
        if (!scope->ended) model->scope_count = index;
        return;
    }
    hf_status status = go_back(call_scope_end, &scope->scope);
    if (has_left) return;
    check_rewind_status(status);
    if (status == HF_OK) arena_model_scope_ended(model, index);
}

static void run_scratch_begin(void) {
    unsigned conflict = op->selector % (ARENAS + 1);
    const hf_arena *avoid = conflict == ARENAS ? NULL : arena_at(conflict);
    if (!models[SCRATCH].open) return;
    hf_scope scope = hf_scratch_begin(&scratch, avoid);
    CHECK(scope.arena != avoid, "the scratch arena is the conflict");
    for (unsigned index = SCRATCH; index < ARENAS; index++) {
        if (scope.arena != arena_at(index)) continue;
        CHECK(scope.mark == models[index].used, "a scope that begins elsewhere");
        arena_model_scope_begun(&models[index], scope);
        return;
    }
    run_failed("a scope of no scratch arena");
}

/* ------------------------------------------------------------------ references ------------ */

static void check_to_ref(size_t offset) {
    const char *pointer = model->base + offset;
    hf_ref ref = hf_to_ref(arena, pointer);
    CHECK(hf_owns(arena, pointer) == (offset < before.reserved), "hf_owns is wrong at %zu", offset);
    if (offset % 8 != 0 || offset > model->used) {
        CHECK(ref == 0, "a reference to %zu, which cannot have one", offset);
        check_status(hf_last_error().status, STATUS(INVALID));
    } else
        CHECK(offset == model->used || ref == 1 + offset / 8, "a wrong reference");
    const char *expected = offset < model->used ? pointer : NULL;
    CHECK(ref == 0 || hf_from_ref(arena, ref) == expected, "a reference leads elsewhere");
}

static void run_ref(void) {
    size_t offset = model->used * (op->selector % 16) / 15 + op->number % 24;
    hf_ref any = op->value * 977 + 1;
    size_t named = (size_t)(any - 1) * 8;
    check_to_ref(op->selector % 2 ? offset / 8 * 8 : offset);
    CHECK(hf_to_ref(arena, NULL) == 0 && !hf_from_ref(arena, 0), "NULL is not reference 0");
    CHECK(hf_from_ref(arena, any) == (named < model->used ? model->base + named : NULL),
          "reference %u leads elsewhere", (unsigned)any);
    CHECK(hf_to_ref(arena, program) == 0, "a reference to foreign bytes");
    hf_status status = hf_arena_set_root(arena, model->base + offset);
    CHECK(status == (offset < model->used ? HF_OK : HF_INVALID), "setting a root gave %s",
          hf_status_name(status));
    check_unchanged();
}

/* ------------------------------------------------------------------ pools ----------------- */

static void check_pool(void) {
    hf_pool_stats stats = hf_pool_get_stats(pooled.pool);
    size_t open_bytes = 0, idle_bytes = 0;
    for (unsigned i = 0; i < POOL_SLOTS; i++) idle_bytes += pooled.slots[i].committed;
    for (unsigned index = 0; index < SCRATCH; index++)
        if (models[index].slot) open_bytes += hf_arena_get_stats(arena_at(index)).committed;
    CHECK(stats.arenas == pooled.arenas && stats.reserved == pooled.arenas * pooled.reserve,
          "the pool is of another size");
    CHECK(stats.open == pool_model_count(&pooled, SLOT_OPEN) &&
              stats.lost == pool_model_count(&pooled, SLOT_LOST) &&
              stats.peak_open == pooled.arenas - pool_model_count(&pooled, SLOT_FRESH) &&
              stats.open + stats.idle + stats.lost == stats.peak_open,
          "%zu arenas of the pool are open, %zu idle, %zu lost", stats.open, stats.idle,
          stats.lost);
    CHECK(stats.committed <= open_bytes + idle_bytes && stats.viewed == 0 &&
              stats.committed >= open_bytes + (pooled.is_vague ? 0 : idle_bytes),
          "%zu bytes of the pool are committed, not %zu and %zu", stats.committed, open_bytes,
          idle_bytes);
    CHECK(stats.trims == pooled.trims || pooled.is_vague, "%zu trims, not %zu", stats.trims,
          pooled.trims);
}

static void close_pool(void) {
    hf_pool_close(pooled.pool);
    memset(&pooled, 0, sizeof pooled);
}

/* Opens the pool, or another one, unless arenas of this one are open. */
static bool open_pool(void) {
    static const size_t reserves[] = {MIB(16), MIB(1), KIB(100) + 1, MIB(3), MIB(4), 1};
    const hf_pool_options options = {
        .arenas = 1 + op->flags % POOL_SLOTS,
        .reserve = reserves[op->size_class % (sizeof reserves / sizeof *reserves)],
        .keep = choose_retain(),
        .huge_pages = (hf_huge_pages)(op->value % 3),
        .backend = run.backend,
    };
    hf_pool *pool = NULL;
    if (op->selector >= 240 && pool_model_count(&pooled, SLOT_OPEN) == 0) close_pool();
    if (pooled.pool) return true;
    check_open_status(hf_pool_open(&pool, &options), HF_OK);
    if (!pool) return false;
    pool_model_open(&pooled, &options, run.page_size);
    pooled.pool = pool;
    return true;
}

static hf_status expect_pooled(const hf_arena_options *options) {
    bool is_least = options->reserve == 0 || options->least_reserve <= options->reserve;
    bool fits = options->reserve <= pooled.reserve && options->least_reserve <= pooled.reserve;
    if (options->base || !is_least || !fits) return HF_INVALID;
    return pool_model_next(&pooled) ? HF_OK : HF_RESERVE_FULL;
}

/* The arena was opened. It has what the slot had. */
static void enter_slot(unsigned index) {
    struct arena_model *m = &models[index];
    arena_slot *slot = pool_model_take(&pooled, m->base);
    size_t committed = hf_arena_get_stats(arena_at(index)).committed;
    CHECK(slot, "the pool opened another slot");
    CHECK(committed <= slot->committed && (pooled.is_vague || committed == slot->committed),
          "%zu bytes of a slot are committed, not %zu", committed, slot->committed);
    if (slot->scope.arena) {
        slot->scope.arena = arena_at(index);
        CHECK(hf_scope_end(slot->scope) == HF_WRONG_STATE, "a scope of another arena is open");
    }
    m->slot = slot;
    m->rule = slot->rule;
    m->is_vague = slot->is_vague;
    m->huge_pages = pooled.huge_pages;
    slot->committed = 0;
}

/* The arena was closed, which is a reset that keeps `keep`. */
static void leave_slot(struct arena_model *m, size_t committed, size_t lost_before) {
    arena_slot *slot = m->slot;
    size_t used = m->peak, least = committed;
    bool is_lost = hf_pool_get_stats(pooled.pool).lost > lost_before;
    bool releases = arena_model_end_frame(m, committed) || m->is_vague || m->faulting;
    CHECK(!is_lost || (m->faulting && run_failures() > 0), "an arena of the pool is lost");
    arena_model_use(m, 0);
    m->retain = pooled.keep;
    if (releases) least = m->faulting ? 0 : arena_model_reset(m, committed);
    m->is_vague = m->faulting ? is_lost : m->is_vague || (releases && run_failures() > 0);
    if (m->is_vague || run_failures() > 0) pooled.is_vague = true;
    slot->committed = m->is_vague ? committed : least;
    if (!m->is_vague && releases) m->rule.left_behind = 0;
    if (releases) m->rule.work = m->rule.needed = 0;
    m->rule.peak = 0;
    slot->rule = m->rule;
    slot->is_vague = m->is_vague;
    slot->scope = m->scope_count ? m->scopes[0].scope : (hf_scope){0};
    slot->state = SLOT_LOST;
    if (!is_lost) pool_model_give(&pooled, slot, used);
}

/* ------------------------------------------------------------------ opening --------------- */

/* Only the other arenas of the program can be in the way. */
static bool is_taken(uintptr_t base, size_t size) {
    for (unsigned index = 0; index < ARENAS; index++) {
        uintptr_t other = (uintptr_t)models[index].base;
        if (!models[index].open) continue;
        size_t reserved = hf_arena_get_stats(arena_at(index)).reserved;
        if (base < other + reserved && other < base + size) return true;
    }
    return false;
}

static hf_status expect_open(const hf_arena_options *options) {
    size_t reserve = options->reserve ? options->reserve : DEFAULT_RESERVE;
    if (options->reserve == 0 && options->least_reserve > reserve) reserve = options->least_reserve;
    uintptr_t base = (uintptr_t)options->base;
    bool is_least = options->reserve == 0 || options->least_reserve <= options->reserve;
    if (base % HF_ALLOCATION_GRANULARITY != 0 || !is_least) return HF_INVALID;
    if (base > UINTPTR_MAX - reserve) return HF_INVALID;
    if (options->least_reserve > SIZE_MAX / 4) return HF_NO_ADDRESS;
    return base && is_taken(base, reserve) ? HF_NO_ADDRESS : HF_OK;
}

static void check_reserved(size_t reserved, const hf_arena_options *options) {
    size_t least = options->least_reserve, reserve = options->reserve;
    if (least == 0) least = reserve && reserve < MIB(1) ? reserve : MIB(1);
    CHECK(reserved >= least, "less is reserved than the least");
    if (reserve == 0 || reserve > SIZE_MAX / 4 || run_failures() > 0) return;
    CHECK(reserved >= reserve && reserved - reserve < run.page_size,
          "the reservation is not what was asked for");
}

static void check_opened(const hf_arena *opened, const hf_arena_options *options) {
    hf_arena_stats stats = hf_arena_get_stats(opened);
    char *base = hf_arena_base(opened);
    CHECK(!(stats.used || stats.peak || stats.growths || hf_arena_root(opened)),
          "a new arena is not empty");
    CHECK(options->pool || !(stats.committed || stats.high_water), "a new arena has memory");
    if (options->pool)
        CHECK(stats.reserved == pooled.reserve, "a pool's arena is of another size");
    else
        check_reserved(stats.reserved, options);
    CHECK(!options->base || base == options->base, "another base");
    CHECK((uintptr_t)base % HF_ALLOCATION_GRANULARITY == 0, "a base that is not aligned");
}

/* Under a sanitizer limit stays at pos, though a page is committed. */
static bool has_red_zones(void) {
    static int has = -1;
    hf_arena tried;
    if (has >= 0 || hf_arena_open(&tried, NULL) != HF_OK) return has > 0;
    hf_alloc(&tried, 1, 1);
    has = tried.limit == tried.pos;
    hf_arena_close(&tried);
    return has > 0;
}

/* Compares the arenas from `first` on, which were opened at once, with what was expected. */
static void judge_open(unsigned first, unsigned count, hf_status status, hf_status expected,
                       const hf_arena_options *options) {
    check_open_status(status, expected);
    for (unsigned index = first; index < first + count; index++) {
        if (status != HF_OK) {
            check_closed(arena_at(index));
            continue;
        }
        check_opened(arena_at(index), options);
        arena_model_open(&models[index], arena_at(index), options, run.page_size, has_red_zones());
    }
    note_arena();
}

static void forget(unsigned index) {
    CHECK(models[index].call_count == 0, "a deferred call was not made");
    memset(&models[index], 0, sizeof models[index]);
}

/* Deferred calls may leave by longjmp: then the arena is still open. */
static void close_arena(unsigned index) {
    struct arena_model *m = &models[index];
    size_t lost = hf_pool_get_stats(pooled.pool).lost;
    size_t committed = hf_arena_get_stats(arena_at(index)).committed;
    if (m->open) check_blocks(m, false);
    m->closing = true;
    while (arena_at(index)->state != NULL)
        if (setjmp(leave) == 0) hf_arena_close(arena_at(index));
    if (m->slot) leave_slot(m, committed, lost);
    forget(index);
}

static void close_scratch(void) {
    for (unsigned index = SCRATCH; index < ARENAS; index++) models[index].closing = true;
    while (scratch.arenas[0].state != NULL)
        if (setjmp(leave) == 0) hf_scratch_close(&scratch);
    for (unsigned index = SCRATCH; index < ARENAS; index++) forget(index);
}

static void run_open(void) {
    unsigned slot = op->arena % SCRATCH;
    hf_arena_options options = choose_options(op->number / 32);
    close_arena(slot);
    hf_status expected = expect_open(&options);
    bool defaults = !run.strict && op->flags == ALL_FLAGS;
    if (defaults) {
        memset(&options, 0, sizeof options);
        expected = HF_OK;
    }
    hf_status status = hf_arena_open(&single[slot], defaults ? NULL : &options);
    judge_open(slot, 1, status, expected, &options);
}

static void run_pool_open(void) {
    unsigned index = op->arena % SCRATCH;
    close_arena(index);
    if (!open_pool()) return;
    hf_arena_options options = choose_options(0);
    if (op->alignment >= 8) options.reserve = options.least_reserve = 0;
    options.pool = pooled.pool;
    hf_status status = hf_arena_open(&single[index], &options);
    judge_open(index, 1, status, expect_pooled(&options), &options);
    if (status == HF_OK) enter_slot(index);
}

/* Many users of one slot, so that the pool trims idle ones. */
static void run_pool_frames(void) {
    for (unsigned left = op->number; left > 0 && model->slot; left--) {
        begin(op);
        run_alloc();
        note_growth();
        begin(op);
        run_pool_open();
        check_pool();
    }
}

static void run_close(void) {
    if (op->arena < SCRATCH) close_arena(op->arena);
}

/* Two arenas cannot have one base. */
static void run_scratch_open(void) {
    hf_arena_options options = choose_options(0);
    close_scratch();
    hf_status expected = options.base ? HF_INVALID : expect_open(&options);
    hf_status status = hf_scratch_open(&scratch, &options);
    judge_open(SCRATCH, ARENAS - SCRATCH, status, expected, &options);
}

/* ------------------------------------------------------------------ forking --------------- */

static void use_in_child(void) {
    size_t size = op->value;
    check_arena(op->arena, true);
    for (size_t i = 0; i < model->block_count; i++)
        memset(model->base + model->blocks[i].offset, 0xee, model->blocks[i].size);
    model->block_count = 0;
    char *block = hf_alloc(arena, size, 1);
    if (block) memset(block, 0xee, size);
    arena_model_use(model, hf_get_mark(arena));
    do {
        CHECK(go_back(call_reset, NULL) == HF_OK, "a child cannot reset");
    } while (has_left);
    CHECK(model->faulting || hf_get_mark(arena) == 0, "an arena is not empty after a reset");
    block = hf_alloc_zeroed(arena, CHILD_BYTES, 8);
    CHECK(!block || arena_bytes_are_zero(model, block, CHILD_BYTES), "a block that is not zero");
}

/* Uses every arena, as if the operation were on it, and closes all. */
static void run_child(void) {
    struct operation operation = *op;
    handling_now = HANDLE_GIVE_UP;
    run_fail(0);
    for (operation.arena = 0; operation.arena < ARENAS; operation.arena++) {
        begin(&operation);
        if (model->open) use_in_child();
    }
    begin(&program[operation.index]);
    for (unsigned index = 0; index < SCRATCH; index++) close_arena(index);
    close_scratch();
    for (unsigned index = 0; index < ARENAS; index++) check_closed(arena_at(index));
    close_pool();
    check_strict();
    if (run.strict) check_nothing_left(run.strict);
}

static void run_a_fork(void) {
    run_fork(run_child, NULL);
    check_arenas(true);
}

/* ------------------------------------------------------------------ running --------------- */

static void run_on_failure(void) { handling_now = (handling)(op->number % HANDLINGS); }
static void run_failing(void) { run_fail(op->number); }
static void run_failing_as(void) { run_fail_as(op->number); }

static const struct run_command commands[] = {COMMANDS(RUN_COMMAND)};

static void run_operation(struct operation *operation) {
    const struct run_command *command = &commands[operation->kind];
    begin(operation);
    operation->size = choose_size();
    if (model->open || command->when == ALWAYS) command->run();
    if (model->open && !model->faulting) note_growth();
    operation->used = hf_get_mark(arena);
    check_arenas(operation->index % CALLS_BETWEEN_LOOKS == CALLS_BETWEEN_LOOKS - 1);
    check_pool();
    check_strict();
}

const hf_backend *fuzz_backend(void) { return system_backend(DEFAULT_RESERVE); }

void fuzz_run(const uint8_t *data, size_t size) {
    memset(models, 0, sizeof models);
    handling_now = HANDLE_GIVE_UP;
    for (size_t i = 0; i < run_operations(size); i++) {
        program[i] = decode(data + i * OPERATION_BYTES, i);
        run_operation(&program[i]);
    }
    op = NULL;
    check_arenas(true);
    run_fail(0);
    for (unsigned index = 0; index < SCRATCH; index++) close_arena(index);
    close_scratch();
    check_pool();
    close_pool();
}
