/*
 * fuzz_heap.c -- runs a program of calls on two heaps, and compares each call with a list of their
 * blocks.
 *
 *     operation:  | kind | heap, flags | size class | alignment | size (2) | selector | number |
 *
 * After each call the heaps must have exactly the blocks of the list, in number and in bytes. A new
 * block overlaps no other one, lies in the reservation, is aligned, has the bytes of
 * hf_heap_good_size and is zero where that is promised; every block keeps its pattern; a call that
 * failed has changed nothing. Programs also free what is no block and store into freed blocks: then
 * on_fault is called once, with the fault, and nothing else changes.
 *
 * hf_heap_trim(heap, 0) must leave at most: the large blocks, the units below the end of the
 * highest small or medium block (its run may have 3 units behind it), and records, which are a
 * 1024th of the units and are committed ahead.
 *
 * In the fuzzer the library is compiled without AddressSanitizer, under which a heap has no inline
 * functions, resizes nothing in place and uses freed blocks late: that is what the replay of the
 * corpus tests in configurations that have the sanitizer.
 *
 *      the program      bytes as operations, sizes, options
 *      reporting        what is printed when a check fails
 *      blocks           the list, and the checks of a block
 *      state            checks of a heap, after each operation
 *      allocating       malloc, calloc, aligned_alloc, realloc
 *      freeing          free, free_remote
 *      mistakes         double and wild frees, stores into freed blocks
 *      all blocks       reset, trim, opening and closing
 *      running
 */
#include "runner.h"

#include <string.h>

enum { HEAPS = 2, BLOCKS = 512, FREED = 16, CALLS_BETWEEN_LOOKS = 8, UNIT = 64 << 10 };

#define SMALL_RESERVE MIB(16)
#define MEDIUM_MOST MIB(4)

/* Each kind of operation: see fuzz_arena.c. */
#define COMMANDS(X)                                           \
    X(HEAP_OPEN, "open", run_open, ALWAYS)                    \
    X(HEAP_MALLOC, "malloc", run_allocate, IF_OPEN)           \
    X(HEAP_CALLOC, "calloc", run_allocate, IF_OPEN)           \
    X(HEAP_ALIGNED, "aligned_alloc", run_allocate, IF_OPEN)   \
    X(HEAP_MANY, "many", run_many, IF_OPEN)                   \
    X(HEAP_REALLOC, "realloc", run_realloc, IF_OPEN)          \
    X(HEAP_FREE, "free", run_free, IF_OPEN)                   \
    X(HEAP_FREE_MANY, "free_many", run_free_many, IF_OPEN)    \
    X(HEAP_FREE_REMOTE, "free_remote", run_free, IF_OPEN)     \
    X(HEAP_FREE_TWICE, "free_twice", run_free_twice, IF_OPEN) \
    X(HEAP_FREE_STALE, "free_stale", run_free_stale, IF_OPEN) \
    X(HEAP_FREE_WILD, "free_wild", run_free_wild, IF_OPEN)    \
    X(HEAP_STORE, "store", run_store_freed, IF_OPEN)          \
    X(HEAP_RESET, "reset", run_reset, IF_OPEN)                \
    X(HEAP_TRIM, "trim", run_trim, IF_OPEN)                   \
    X(HEAP_FAIL, "fail", run_failing, ALWAYS)                 \
    X(HEAP_FAIL_AS, "fail_as", run_failing_as, ALWAYS)        \
    X(HEAP_WORK, "work", run_work, IF_OPEN)

typedef enum heap_kind { COMMANDS(RUN_KIND) HEAP_KINDS, FIRST_KINDS = 18 } heap_kind;
static const char *const kind_names[] = {COMMANDS(RUN_NAME)};

struct operation {
    size_t index; /* in the program */
    heap_kind kind;
    unsigned heap;
    unsigned flags; /* 7 bits */
    unsigned size_class, alignment;
    unsigned value;    /* 16 bits */
    unsigned selector; /* of a block */
    unsigned number;
    size_t size; /* what the size class means for the heap */
};

struct block {
    char *address;
    size_t size, usable;
    uint64_t pattern;
    bool is_large; /* it is no small or medium one */
};

static struct model {
    hf_heap *heap;     /* NULL: closed */
    char *base;        /* of its units */
    uint64_t patterns; /* used so far */
    size_t reserved;
    struct block blocks[BLOCKS];
    size_t count;
    char *freed[FREED]; /* addresses that were freed */
    size_t freed_count;
    size_t pending, pending_used; /* blocks of free_remote that were not collected, their bytes */
    size_t lost, lost_used; /* blocks that an overwritten one led to, or whose release failed */
    bool is_vague;          /* a release may have failed since the last reset */
} models[HEAPS];

/* What on_fault was called with since the operation began. */
static struct {
    size_t count;
    hf_heap_fault fault;
    void *block;
    hf_heap *heap;
    bool is_expected;
} found;

static struct operation program[MOST_OPERATIONS];
static const struct operation *op; /* the operation under way, and its heap */
static struct model *model;
static hf_heap *heap;
static hf_heap_stats before;
static bool is_sanitized;

/* ------------------------------------------------------------------ the program ----------- */

static struct operation decode(const uint8_t bytes[OPERATION_BYTES], size_t index) {
    return (struct operation){
        .index = index,
        .kind = (heap_kind)(bytes[0] < HEAP_KINDS ? bytes[0] : bytes[0] % FIRST_KINDS),
        .heap = bytes[1] % 16 == 1, /* most programs use one */
        .flags = bytes[1] / 2,
        .size_class = bytes[2],
        .alignment = bytes[3],
        .value = (unsigned)bytes[4] | (unsigned)bytes[5] << 8,
        .selector = bytes[6],
        .number = bytes[7],
    };
}

static size_t alignment_of(const struct operation *operation) {
    static const size_t invalid[] = {0, 3, 24, SIZE_MAX, SIZE_MAX / 2 + 1};
    unsigned choice = operation->alignment;
    if (choice < sizeof invalid / sizeof *invalid) return invalid[choice];
    return (size_t)1 << (choice % 4 == 3 ? choice / 4 % 24 : choice / 4 % 13);
}

static size_t size_by_class(void) {
    unsigned value = op->value;
    size_t selected = model->count ? model->blocks[op->selector % model->count].size : 0;
    switch (op->size_class % 16) {
    case 0: return 0;
    case 5:
    case 6: return value;
    case 7: return about(UNIT, value);
    case 8: return (size_t)value * 16;
    case 9: return about(MEDIUM_MOST, value);
    case 10: return (size_t)value * 64;
    case 11: return model->reserved - KIB(4) * (value % 64);
    case 12: return model->reserved / 2 - KIB(4) * (value % 64);
    case 13: return SIZE_MAX - value % 64;
    case 14: return (size_t)(1 + value % 64) * UNIT + (value >> 8) % 3 - 1;
    case 15: return about(selected, value);
    default: return value % (value & 1 ? 1028 : 128);
    }
}

/* In a large reservation no size lies between 8 MiB and all of it: the system may have so much. */
static size_t choose_size(void) {
    size_t size = size_by_class();
    bool is_uncertain = size > MIB(8) && size <= model->reserved;
    return model->reserved > SMALL_RESERVE && is_uncertain ? size % MIB(4) : size;
}

static hf_on_heap_fault on_fault;

static hf_heap_options choose_options(void) {
    static const size_t sizes[] = {KIB(256), MIB(1), MIB(4), KIB(320), SMALL_RESERVE, 0};
    return (hf_heap_options){
        .reserve = sizes[op->size_class % (sizeof sizes / sizeof *sizes)],
        .on_fault = on_fault,
        .user = models,
        .alignment = op->value % 8 == 1 ? (size_t)1 << (16 + op->value / 8 % 8) : 0,
        .huge_from = op->value % 16 == 2 ? (size_t)op->value << 6 : 0,
        .huge_pages = (hf_huge_pages)(op->alignment < 3 ? op->alignment : 0),
        .backend = run.backend == hf_backend_native() ? NULL : run.backend,
    };
}

/* ------------------------------------------------------------------ reporting ------------- */

void fuzz_print(void) {
    if (!op) return;
    for (const struct operation *p = program; p <= &program[op->index]; p++)
        fprintf(stderr,
                "%3zu %s heap %u size %zu class %u value %u align %#zx flags %u selector %u "
                "number %u\n",
                p->index, kind_names[p->kind], p->heap, p->size, p->size_class, p->value,
                alignment_of(p), p->flags, p->selector, p->number);
    hf_heap_stats now = hf_heap_get_stats(heap);
    fprintf(stderr,
            "  blocks %zu -> %zu, used %zu -> %zu, committed %zu -> %zu, large %zu -> %zu, of the "
            "model %zu, pending %zu, lost %zu\n",
            before.blocks, now.blocks, before.used, now.used, before.committed, now.committed,
            before.large_blocks, now.large_blocks, model->count, model->pending, model->lost);
}

static void on_fault(hf_heap *of, hf_heap_fault fault, void *block, void *user) {
    CHECK(user == models, "on_fault was called with another `user`");
    found.count++;
    found.fault = fault;
    found.block = block;
    found.heap = of;
}

/* on_fault was called as often since the operation began. */
static void check_faults(size_t count) {
    CHECK(found.count == count, "%zu faults were reported, the last one %d, and expected were %zu",
          found.count, (int)found.fault, count);
}

/* The call has found no fault and has not changed the last error. */
static void check_quiet(void) {
    check_faults(0);
    check_success();
}

/* ------------------------------------------------------------------ blocks ---------------- */

static struct block *selected(void) {
    return model->count ? &model->blocks[op->selector % model->count] : NULL;
}

/* The block that contains an address. NULL: none. */
static const struct block *find(const char *address) {
    for (const struct block *b = model->blocks; b < model->blocks + model->count; b++)
        if ((size_t)((uintptr_t)address - (uintptr_t)b->address) < b->usable) return b;
    return NULL;
}

/* Another block in the unit of this one: so the run stays when this one is freed. */
static bool has_neighbour(const struct block *block) {
    for (const struct block *b = model->blocks; b < model->blocks + model->count; b++)
        if (b != block &&
            (b->address - model->base) / UNIT == (block->address - model->base) / UNIT)
            return true;
    return false;
}

static bool is_small(const struct block *block) {
    return !block->is_large && block->usable <= UNIT && hf_heap_good_size(heap, 1) > 1;
}

static void check_overlap(const struct block *block) {
    for (const struct block *b = model->blocks; b < model->blocks + model->count; b++)
        CHECK(b == block || block->address + block->usable <= b->address ||
                  b->address + b->usable <= block->address,
              "a block overlaps another one");
}

/* The next byte of a block that is written and read, from `index` on: the first and last ones, and
 * some at each power of two. */
static size_t next_index(size_t index, size_t size) {
    size_t power = 64;
    if (index < power || size - index <= 16) return index;
    while (power * 2 <= index) power *= 2;
    if (index - power < 8) return index;
    return power * 2 < size - 16 ? power * 2 : size - 16;
}

static char pattern_byte(const struct block *block, size_t index) {
    return (char)((block->pattern + index) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static void fill(struct block *block) {
    block->pattern = ++model->patterns << 32;
    for (size_t i = next_index(0, block->size); i < block->size; i = next_index(i + 1, block->size))
        block->address[i] = pattern_byte(block, i);
}

/* The first `size` bytes of the block are at an address. */
static void check_bytes(const struct block *block, const char *address, size_t size) {
    for (size_t i = next_index(0, block->size); i < size; i = next_index(i + 1, block->size))
        CHECK(address[i] == pattern_byte(block, i), "byte %zu of a block of %zu has changed", i,
              block->size);
}

static void check_intact(const struct block *block) {
    check_bytes(block, block->address, block->size);
}

/* All of its first bytes, and some of each unit, where the pattern of an earlier one may be. */
static void check_zero(const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i += i < KIB(16) || i % UNIT < 15 ? 1 : UNIT - i % UNIT)
        CHECK(bytes[i] == 0, "calloc: byte %zu is not 0", i);
}

/* A block that the heap returned gets its entry, and a pattern. */
static void describe(struct block *block, char *address, size_t size, size_t align) {
    CHECK((uintptr_t)address % align == 0, "%p is not aligned to %zu", (void *)address, align);
    CHECK(address >= model->base && hf_heap_owns(heap, address) &&
              hf_heap_owns(heap, address + (size ? size - 1 : 0)),
          "a block is not in the reservation");
    block->address = address;
    block->size = size;
    block->usable = hf_heap_usable_size(heap, address);
    CHECK(block->usable >= size && block->usable > 0, "usable_size is %zu", block->usable);
    CHECK(hf_heap_usable_size_remote(heap, address) == block->usable, "usable_size_remote is %zu",
          hf_heap_usable_size_remote(heap, address));
    check_overlap(block);
    fill(block);
}

static void forget(struct block *block) {
    model->freed[model->freed_count++ % FREED] = block->address;
    *block = model->blocks[--model->count];
}

/* ------------------------------------------------------------------ state ----------------- */

static size_t sum_used(void) {
    size_t used = 0;
    for (size_t i = 0; i < model->count; i++) used += model->blocks[i].usable;
    return used;
}

/* All blocks of free_remote are collected at once. */
static bool is_explained(const hf_heap_stats *stats) {
    size_t blocks = model->count + model->lost, used = sum_used() + model->lost_used;
    if (stats->blocks == blocks && stats->used == used) model->pending = model->pending_used = 0;
    return stats->blocks == blocks + model->pending && stats->used == used + model->pending_used;
}

/* If a release failed, freed large blocks may count as allocated: they are lost, and it is not
 * known whether those of free_remote were collected. */
static bool is_explained_by_failures(const hf_heap_stats *stats, size_t large) {
    size_t used = sum_used(), known = model->count + model->lost + model->pending;
    if (!model->is_vague || stats->blocks < model->count || stats->used < used) return false;
    if (stats->blocks > known + (stats->large_blocks - large)) return false;
    model->lost = stats->blocks - model->count;
    model->lost_used = stats->used - used;
    model->pending = model->pending_used = 0;
    return true;
}

/* Under a sanitizer blocks in the quarantine count and blocks have red zones. */
static void check_blocks(const hf_heap_stats *stats) {
    size_t large = 0, blocks = model->count + model->lost, used = sum_used() + model->lost_used;
    for (size_t i = 0; i < model->count; i++) large += model->blocks[i].usable > MEDIUM_MOST;
    CHECK(stats->large_blocks <= stats->blocks && stats->large_blocks >= large, "%zu large blocks",
          stats->large_blocks);
    bool is_right = is_sanitized ? stats->blocks >= blocks && stats->used >= used
                                 : is_explained(stats) || is_explained_by_failures(stats, large);
    CHECK(is_right, "%zu blocks of %zu bytes, and expected were %zu of %zu", stats->blocks,
          stats->used, blocks, used);
}

/* Everything that is allocated counts, in whatever order the operations came. */
static void check_model(struct model *checked, bool contents) {
    struct model *of_operation = model;
    model = checked;
    heap = model->heap;
    CHECK(hf_heap_check(heap) == HF_OK, "hf_heap_check: %s at %#zx", hf_last_error().reason,
          hf_last_error().offset);
    hf_heap_stats stats = hf_heap_get_stats(heap);
    check_blocks(&stats);
    CHECK(stats.committed <= stats.peak && stats.peak <= stats.reserved &&
              stats.reserved == model->reserved && stats.idle <= stats.committed,
          "the statistics contradict each other: committed %zu, peak %zu, idle %zu",
          stats.committed, stats.peak, stats.idle);
    for (size_t i = 0; contents && i < model->count; i++) check_intact(&model->blocks[i]);
    model = of_operation;
    heap = model->heap;
}

static void check_all(bool contents) {
    for (unsigned i = 0; i < HEAPS; i++)
        if (models[i].heap) check_model(&models[i], contents);
}

/* The part of an operation that begins here is checked by itself. */
static void begin(void) {
    run_begin();
    memset(&found, 0, sizeof found);
    before = hf_heap_get_stats(heap);
}

static void note_failures(void) { model->is_vague |= run_failures() > 0; }

/* ------------------------------------------------------------------ allocating ------------ */

static char *allocate(void) {
    size_t size = op->size, count = 1;
    switch ((int)op->kind) {
    case HEAP_CALLOC:
        for (; op->flags % 4 == 1 && count < 8 && size % 2 == 0 && size > 0; size /= 2) count *= 2;
        if (op->flags % 8 == 2) count = SIZE_MAX / 2 + 1;
        return hf_heap_calloc(heap, count, size);
    case HEAP_ALIGNED: return hf_heap_aligned_alloc(heap, alignment_of(op), size);
    case HEAP_REALLOC: return hf_heap_realloc(heap, NULL, size);
    default: return hf_heap_malloc(heap, size);
    }
}

/* A heap without blocks has room for this. */
static bool fits_alone(void) {
    bool is_odd = op->kind == HEAP_ALIGNED || (op->kind == HEAP_CALLOC && op->flags % 8 == 2);
    return !is_sanitized && !is_odd && op->size <= MIB(4) &&
           round_up(op->size, UNIT) + 4 * UNIT <= model->reserved;
}

static void check_failed_allocation(void) {
    status_set expected = STATUS(RESERVE_FULL);
    size_t align = alignment_of(op);
    if (op->kind == HEAP_ALIGNED && (align == 0 || (align & (align - 1))))
        expected = STATUS(INVALID);
    hf_status status = hf_last_error().status;
    check_status(status, expected);
    if (run_failures() > 0 || model->is_vague) return;
    CHECK(model->count + model->pending + model->lost > 0 || !fits_alone(),
          "an empty heap has no room for %zu bytes", op->size);
    CHECK(hf_heap_trim(heap, 0) == HF_OK || run_failures() > 0, "hf_heap_trim fails");
    char *block = run_failures() > 0 ? NULL : allocate();
    CHECK(!block, "an allocation succeeded after a trim, and not before");
}

static void check_size(const struct block *block) {
    size_t good = hf_heap_good_size(heap, block->size);
    CHECK(hf_heap_good_size(heap, good) == good, "%zu is no good size", good);
    bool is_exact = op->kind != HEAP_ALIGNED && !block->is_large;
    size_t least = op->kind == HEAP_ALIGNED && block->is_large ? block->size : good;
    CHECK(is_exact ? block->usable == good : block->usable >= least || good == SIZE_MAX,
          "usable_size is %zu, good_size %zu", block->usable, good);
}

static void add(char *address) {
    size_t align = op->kind == HEAP_ALIGNED && alignment_of(op) > 16 ? alignment_of(op) : 16;
    struct block *block = &model->blocks[model->count++];
    if (op->kind == HEAP_CALLOC) check_zero(address, op->size);
    describe(block, address, op->size, align);
    block->is_large = align > UNIT || block->usable > MEDIUM_MOST;
    check_size(block);
}

static void run_allocate(void) {
    if (model->count == BLOCKS) return;
    char *block = allocate();
    if (!block) {
        check_failed_allocation();
        return;
    }
    check_quiet();
    add(block);
}

static void run_many(void) {
    unsigned most = op->size < 2048 ? 128 : op->size <= UNIT ? 32 : 8;
    for (unsigned left = op->number % most + 1; left > 0; left--) {
        begin();
        run_allocate();
        note_failures();
    }
}

static void run_realloc(void) {
    struct block *block = selected();
    if (!block || op->number == 255) {
        run_allocate();
        return;
    }
    size_t old_size = block->size;
    char *address = hf_heap_realloc(heap, block->address, op->size);
    if (!address) {
        check_status(hf_last_error().status, STATUS(RESERVE_FULL));
        check_intact(block);
        return;
    }
    check_quiet();
    check_bytes(block, address, old_size < op->size ? old_size : op->size);
    block->is_large = (block->is_large && address == block->address) || op->size > MEDIUM_MOST;
    describe(block, address, op->size, 16);
}

/* ------------------------------------------------------------------ freeing --------------- */

static void free_block(struct block *block) {
    check_intact(block);
    hf_heap_free(heap, block->address);
    forget(block);
    check_quiet();
}

static void free_remotely(struct block *block) {
    check_intact(block);
    hf_heap_free_remote(heap, block->address);
    model->pending++;
    model->pending_used += block->usable;
    forget(block);
}

static void run_free(void) {
    if (model->count == 0)
        hf_heap_free(heap, NULL);
    else if (op->kind == HEAP_FREE_REMOTE)
        free_remotely(selected());
    else
        free_block(selected());
}

/* Every n-th block. */
static void run_free_many(void) {
    size_t step = op->number % 4 + 1;
    for (size_t i = model->count; i-- > 0;)
        if (i % step == op->selector % step) free_block(&model->blocks[i]);
}

/* Allocates and frees: memory that is not needed meanwhile goes back. */
static void run_work(void) {
    for (unsigned left = op->number; left > 0; left--) {
        char *block = hf_heap_malloc(heap, op->size);
        if (!block) return;
        *block = 1;
        hf_heap_free(heap, block);
    }
}

/* ------------------------------------------------------------------ mistakes -------------- */

static void check_fault(unsigned allowed, const void *block) {
    found.is_expected = true;
    check_faults(1);
    CHECK((allowed & 1u << found.fault) && found.block == block && found.heap == heap,
          "fault %d of %p, and expected was one of %u of %p", (int)found.fault, found.block,
          allowed, block);
}

#define DOUBLE_FREE (1u << HF_FAULT_DOUBLE_FREE)
#define WILD_FREE (1u << HF_FAULT_WILD_FREE)

static void free_wrongly(char *address, unsigned allowed) {
    CHECK(hf_heap_usable_size(heap, address) == 0, "%p has a usable size", (void *)address);
    if (op->flags % 4 == 3)
        CHECK(!hf_heap_realloc(heap, address, op->size), "%p was resized", (void *)address);
    else
        hf_heap_free(heap, address);
    check_fault(allowed, address);
    check_error(HF_INVALID);
}

static void collect(void) {
    hf_status status = hf_heap_trim(heap, SIZE_MAX);
    CHECK(status == HF_OK || run_may_return(status), "hf_heap_trim: %s", hf_status_name(status));
}

/* While a run has other blocks, its free blocks are known as such; a span that is freed may become
 * part of another one. */
static void run_free_twice(void) {
    struct block *block = selected();
    if (!block || model->pending > 0) return;
    bool is_known = (is_small(block) && has_neighbour(block)) || is_sanitized;
    char *address = block->address;
    free_block(block);
    if (is_known && op->flags % 4 == 1 && !is_sanitized) {
        hf_heap_free_remote(heap, address);
        collect();
        check_fault(DOUBLE_FREE, address);
    } else if (run_failures() == 0) {
        free_wrongly(address, is_known ? DOUBLE_FREE : DOUBLE_FREE | WILD_FREE);
    }
}

/* An address that was freed at any time. It is not known what a lost one looks like. */
static void run_free_stale(void) {
    size_t count = model->freed_count < FREED ? model->freed_count : FREED;
    if (count == 0 || model->pending + model->lost > 0 || model->is_vague) return;
    char *address = model->freed[op->selector % count];
    const struct block *block = find(address);
    if (block && block->address == address) return;
    free_wrongly(address, block ? WILD_FREE : DOUBLE_FREE | WILD_FREE);
}

static char *choose_wild(unsigned *allowed) {
    static char elsewhere[64];
    struct block *block = selected();
    struct model *other = &models[1 - op->heap];
    size_t place = (size_t)op->value << op->number % 16;
    switch (op->flags / 4 % 8) {
    case 0: return elsewhere;
    case 1: return model->base + model->reserved + place;
    case 2: return other->count ? other->blocks[0].address : elsewhere;
    case 3: return (char *)heap;
    case 4: *allowed = WILD_FREE | DOUBLE_FREE; return model->base + place;
    default:
        if (!block || block->usable < 2) return elsewhere;
        return block->address + (op->flags & 1 ? place : 16 * place) % block->usable;
    }
}

static void run_free_wild(void) {
    unsigned allowed = WILD_FREE;
    if (model->pending + model->lost > 0 || model->is_vague) return;
    char *address = choose_wild(&allowed);
    const struct block *block = find(address);
    if (block && block->address == address) return;
    free_wrongly(address, block ? WILD_FREE : allowed);
}

/* Frees a block, which its class allocates next. False: it allocated another one, and both are
 * free. */
static bool is_next(struct block *block) {
    char *address = block->address;
    hf_heap_free(heap, address);
    char *again = hf_heap_malloc(heap, block->size);
    if (again == address) return true;
    hf_heap_free(heap, again);
    forget(block);
    return false;
}

/* The free blocks behind one that was overwritten count as allocated, until a reset. */
static void note_lost(void) {
    hf_heap_stats stats = hf_heap_get_stats(heap);
    size_t blocks = model->count + model->pending, used = sum_used() + model->pending_used;
    CHECK(stats.blocks > blocks + model->lost, "no block was lost");
    model->lost = stats.blocks - blocks;
    model->lost_used = stats.used - used;
}

static void run_store_freed(void) {
    struct block *block = selected();
    if (!block || model->pending > 0 || model->is_vague) return;
    if (!is_small(block) || !has_neighbour(block)) return;
    char *address = block->address;
    size_t size = block->size, bit = op->value % (2 * sizeof(void *) * 8);
    check_intact(block);
    if (!is_next(block)) return;
    hf_heap_free(heap, address);
    forget(block);
    address[bit / 8] = (char)(address[bit / 8] ^ 1 << bit % 8);
    char *next = hf_heap_malloc(heap, size);
    CHECK(next != address, "a block that was changed after it was freed was allocated");
    check_fault(1u << HF_FAULT_OVERWRITTEN, address);
    hf_heap_free(heap, next);
    note_lost();
}

/* ------------------------------------------------------------------ all blocks ------------ */

static void forget_all(void) {
    model->count = model->freed_count = model->pending = model->pending_used = 0;
    model->lost = model->lost_used = 0;
}

static void run_reset(void) {
    hf_status status = hf_heap_reset(heap);
    check_status(status, STATUS(OK));
    forget_all();
    if (status == HF_OK) model->is_vague = false;
    CHECK(hf_heap_get_stats(heap).blocks == 0, "blocks are left after a reset");
}

static size_t most_after_trim(const hf_heap_stats *stats) {
    size_t units = 0, large = 0, end;
    for (const struct block *b = model->blocks; b < model->blocks + model->count; b++) {
        end = round_up((size_t)(b->address - model->base) + b->usable, UNIT) +
              (b->usable <= UNIT ? 3 * UNIT : 0);
        if (b->is_large) large += b->usable;
        if (!b->is_large && end > units) units = end;
    }
    return units + large + stats->peak / 512 + 4 * UNIT;
}

static void run_trim(void) {
    size_t keep = op->flags & 1 ? op->size : 0;
    hf_status status = hf_heap_trim(heap, keep);
    check_status(status, STATUS(OK));
    model->pending = model->pending_used = 0;
    hf_heap_stats stats = hf_heap_get_stats(heap);
    if (run_failures() > 0 || model->is_vague || is_sanitized) return;
    CHECK(stats.blocks == model->count + model->lost, "blocks were not collected");
    if (model->lost > 0) return;
    CHECK(stats.idle <= keep, "%zu bytes are idle", stats.idle);
    CHECK(keep > 0 || stats.committed <= most_after_trim(&stats),
          "%zu bytes are committed, not %zu", stats.committed, most_after_trim(&stats));
}

static void close_heap(void) {
    hf_heap_close(heap);
    model->heap = heap = NULL;
    forget_all();
}

static void run_open(void) {
    hf_heap_options options = choose_options();
    close_heap();
    hf_status status = hf_heap_open(&model->heap, &options);
    check_status(status, STATUS(OK));
    heap = model->heap;
    model->is_vague = false;
    if (status != HF_OK) return;
    model->base = heap->base;
    model->reserved = hf_heap_get_stats(heap).reserved;
    is_sanitized = hf_heap_good_size(heap, 1) == 1;
    CHECK(options.reserve == 0 || model->reserved == options.reserve ||
              run_may_return(HF_NO_ADDRESS),
          "reserved is %zu bytes", model->reserved);
}

/* ------------------------------------------------------------------ running --------------- */

static void run_failing(void) { run_fail(op->number); }
static void run_failing_as(void) { run_fail_as(op->number); }

static const struct run_command commands[] = {COMMANDS(RUN_COMMAND)};

static void run_operation(struct operation *operation) {
    const struct run_command *command = &commands[operation->kind];
    op = operation;
    model = &models[op->heap];
    heap = model->heap;
    operation->size = choose_size();
    begin();
    if (!heap && command->when == IF_OPEN) run_open();
    if (heap || command->when == ALWAYS) command->run();
    note_failures();
    if (!found.is_expected) check_faults(0);
    check_all(op->index % CALLS_BETWEEN_LOOKS == CALLS_BETWEEN_LOOKS - 1);
    check_strict();
}

const hf_backend *fuzz_backend(void) { return system_backend(DEFAULT_RESERVE); }

void fuzz_run(const uint8_t *data, size_t size) {
    memset(models, 0, sizeof models);
    run.injectable =
        STATUS(NO_MEMORY) | STATUS(MAP_LIMIT) | STATUS(NO_ADDRESS) | STATUS(UNSUPPORTED);
    for (size_t i = 0; i < run_operations(size); i++) {
        program[i] = decode(data + i * OPERATION_BYTES, i);
        run_operation(&program[i]);
    }
    check_all(true);
    run_fail(0);
    for (model = models; model < models + HEAPS; model++) {
        heap = model->heap;
        close_heap();
    }
    op = NULL;
}
