/*
 * fuzz_malloc.c -- runs a program of calls of the malloc in src/malloc in several threads, one call
 * at a time, and compares each call with a list of the blocks.
 *
 *     operation:  | kind | lane, flags | size class | alignment | size (2) | selector | number |
 *
 * A lane is a thread, which an operation may end: then the next operation of the lane starts
 * another one. Lane 0 is the thread of the engine. Any lane resizes and frees the blocks of all. As
 * the threads take turns, an input does the same each time, and all heaps can be checked between
 * two calls. Heaps are so small that they become full, and fewer than there are lanes.
 *
 * Programs also fork: the child has one lane, checks all blocks, and allocates and frees; or it
 * makes a mistake, which must end it by SIGABRT.
 *
 * At the end all lanes end and all blocks are freed: no heap has a block, and few heaps are left.
 */
#include "host.h"
#include "space_program.h"

#include <malloc_core.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LANES = 4, BLOCKS = 512, CALLS_BETWEEN_LOOKS = 8, MOST_HEAPS_LEFT = 6 };

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)
#define MOST_USED MIB(24) /* in all blocks: so much is always there */

/* Each kind of operation, and the function that runs it in its lane. */
#define COMMANDS(X)                            \
    X(DO_MALLOC, "malloc", do_allocate)        \
    X(DO_CALLOC, "calloc", do_allocate)        \
    X(DO_ALIGNED, "aligned", do_allocate)      \
    X(DO_MANY, "many", do_many)                \
    X(DO_REALLOC, "realloc", do_realloc)       \
    X(DO_FREE, "free", do_free)                \
    X(DO_FREE_MANY, "free many", do_free_many) \
    X(DO_WORK, "work", do_work)                \
    X(DO_TRIM, "trim", do_trim)                \
    X(DO_END, "end", do_nothing)               \
    X(DO_FORK, "fork", do_nothing)             \
    X(DO_MISTAKE, "mistake", do_nothing)

#define KIND(kind, name, function) kind,
#define NAME(kind, name, function) name,
#define FUNCTION(kind, name, function) function,

typedef enum kind { COMMANDS(KIND) KINDS } kind;
static const char *const kind_names[] = {COMMANDS(NAME)};

struct operation {
    size_t index; /* in the program */
    kind kind;
    unsigned lane, flags, size_class;
    size_t align;
    unsigned value; /* 16 bits */
    unsigned selector, number;
    size_t size; /* what the size class means */
};

struct block {
    char *address;
    size_t size, usable;
    uint64_t pattern;
};

static struct operation program[MOST_OPERATIONS];
static const struct operation *op; /* the operation under way */
static struct block blocks[BLOCKS];
static size_t count, used; /* blocks, and their usable bytes */
static uint64_t patterns;  /* used so far */
static bool has_forked;    /* in this program: it takes a thousand times as long as other calls */
static bool is_sanitized;

/* ------------------------------------------------------------------ reporting ------------- */

static void print_program(void) {
    for (const struct operation *p = program; op && p <= op; p++)
        fprintf(stderr, "%3zu %s lane %u size %zu align %zu flags %u selector %u number %u\n",
                p->index, kind_names[p->kind], p->lane, p->size, p->align, p->flags, p->selector,
                p->number);
}

static _Noreturn void fail(const char *format, ...) HF_FORMAT(1, 2);

static void fail(const char *format, ...) {
    va_list arguments;
    print_program();
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

#define CHECK(condition, ...) ((condition) ? (void)0 : fail(__VA_ARGS__))

/* ------------------------------------------------------------------ lanes ----------------- */

typedef enum lane_state {
    LANE_NONE, /* no thread */
    LANE_IDLE, /* waits for a function */
    LANE_BUSY, /* has to run it */
    LANE_ENDS  /* has to return */
} lane_state;

static struct lane {
    pthread_t thread;
    lane_state state;
    void (*function)(void);
} lanes[LANES];

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *lane_run(void *of) {
    struct lane *lane = of;
    pthread_mutex_lock(&turn);
    while (lane->state != LANE_ENDS) {
        if (lane->state == LANE_BUSY) {
            lane->function();
            lane->state = LANE_IDLE;
            pthread_cond_broadcast(&changed);
        }
        pthread_cond_wait(&changed, &turn);
    }
    pthread_mutex_unlock(&turn);
    return NULL;
}

static void lane_call(struct lane *lane, void (*function)(void)) {
    if (lane == lanes) {
        function();
        return;
    }
    pthread_mutex_lock(&turn);
    if (lane->state == LANE_NONE && pthread_create(&lane->thread, NULL, lane_run, lane) != 0)
        fail("no thread can be started");
    lane->function = function;
    lane->state = LANE_BUSY;
    pthread_cond_broadcast(&changed);
    while (lane->state == LANE_BUSY) pthread_cond_wait(&changed, &turn);
    pthread_mutex_unlock(&turn);
}

static void lane_end(struct lane *lane) {
    if (lane == lanes || lane->state == LANE_NONE) return;
    pthread_mutex_lock(&turn);
    lane->state = LANE_ENDS;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&turn);
    pthread_join(lane->thread, NULL);
    lane->state = LANE_NONE;
}

/* ------------------------------------------------------------------ blocks ---------------- */

static char pattern_byte(const struct block *block, size_t index) {
    return (char)((block->pattern + index) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* The next byte that is written and read, from `index` on: the first and the last ones, and one of
 * each page. */
static size_t next_index(size_t index, size_t size) {
    if (index < 64 || size - index <= 64) return index;
    size_t page = (index + KIB(4) - 1) / KIB(4) * KIB(4);
    return page < size - 64 ? page : size - 64;
}

static void fill(struct block *block) {
    block->pattern = ++patterns << 32;
    for (size_t i = 0; i < block->size; i = next_index(i + 1, block->size))
        block->address[i] = pattern_byte(block, i);
}

/* Its first `size` bytes. */
static void check_bytes(const struct block *block, size_t size) {
    for (size_t i = 0; i < size; i = next_index(i + 1, block->size))
        CHECK(block->address[i] == pattern_byte(block, i), "byte %zu of a block of %zu has changed",
              i, block->size);
}

static void check_overlap(const struct block *block) {
    for (const struct block *b = blocks; b < blocks + count; b++)
        CHECK(b == block || block->address + block->usable <= b->address ||
                  b->address + b->usable <= block->address,
              "a block overlaps another one");
}

/* A block that was allocated or resized gets its numbers, and a pattern. */
static void describe(struct block *block, char *address, size_t size, size_t align) {
    CHECK((uintptr_t)address % align == 0, "%p is not aligned to %zu", (void *)address, align);
    block->address = address;
    block->size = size;
    block->usable = hf_malloc_size(address);
    CHECK(block->usable >= size && block->usable > 0, "the size is %zu", block->usable);
    CHECK(hf_malloc_find(address) != NULL, "%p is of no heap", (void *)address);
    check_overlap(block);
    used += block->usable;
    fill(block);
}

static void release(struct block *block) {
    check_bytes(block, block->size);
    CHECK(hf_malloc_size(block->address) == block->usable, "the size has changed");
    hf_malloc_free(block->address);
    used -= block->usable;
    *block = blocks[--count];
}

static struct block *selected(void) { return count ? &blocks[op->selector % count] : NULL; }

static void check_all(bool contents) {
    CHECK(hf_malloc_check() == HF_OK, "a heap is damaged: %s", hf_last_error().reason);
    for (size_t i = 0; contents && i < count; i++) check_bytes(&blocks[i], blocks[i].size);
}

/* ------------------------------------------------------------------ operations ------------ */

static char *allocate(void) {
    bool is_zero = op->kind == DO_CALLOC;
    if (op->kind == DO_ALIGNED && !(op->flags & 1))
        return hf_malloc_allocate_aligned(op->align, op->size);
    if (op->kind == DO_ALIGNED || is_zero)
        return hf_malloc_allocate_slow(
            (malloc_request){op->size, op->kind == DO_ALIGNED ? op->align : 16, is_zero});
    return op->kind == DO_REALLOC ? hf_malloc_resize(NULL, op->size) : hf_malloc_allocate(op->size);
}

/* Sizes of which there is always room are not many; a large alignment needs more. */
static void check_failed(void) {
    CHECK(errno == ENOMEM, "errno is %d", errno);
    CHECK(op->size > MIB(4) || used > MOST_USED / 2 || op->kind == DO_ALIGNED || is_sanitized,
          "no memory for %zu bytes", op->size);
}

static void do_allocate(void) {
    if (count == BLOCKS || used > MOST_USED) return;
    errno = 0;
    char *address = allocate();
    if (address == NULL) {
        check_failed();
        return;
    }
    CHECK(errno == 0, "succeeded, and errno is %d", errno);
    for (size_t i = 0; op->kind == DO_CALLOC && i < op->size; i++)
        CHECK(address[i] == 0, "calloc: byte %zu is not 0", i);
    describe(&blocks[count++], address, op->size, op->kind == DO_ALIGNED ? op->align : 16);
}

static void do_many(void) {
    for (unsigned left = op->number % (op->size < 2048 ? 128 : 8) + 1; left > 0; left--)
        do_allocate();
}

static void do_realloc(void) {
    struct block *block = selected();
    if (block == NULL || op->size == 0) {
        do_allocate();
        return;
    }
    size_t old_size = block->size;
    errno = 0;
    char *address = hf_malloc_resize(block->address, op->size);
    if (address == NULL) {
        check_failed();
        check_bytes(block, old_size);
        return;
    }
    used -= block->usable;
    block->address = address;
    check_bytes(block, old_size < op->size ? old_size : op->size);
    describe(block, address, op->size, 16);
}

static void do_free(void) {
    errno = 77;
    if (count == 0)
        hf_malloc_free(NULL);
    else
        release(selected());
    CHECK(errno == 77, "errno is %d", errno);
}

/* Every n-th block. */
static void do_free_many(void) {
    size_t step = op->number % 4 + 1;
    for (size_t i = count; i-- > 0;)
        if (i % step == op->selector % step) release(&blocks[i]);
}

/* Allocates and frees: memory that is not needed meanwhile goes back. */
static void do_work(void) {
    for (unsigned left = op->number; left > 0; left--) {
        char *address = hf_malloc_allocate(op->size);
        if (address == NULL) return;
        *address = 1;
        hf_malloc_free(address);
    }
}

static void do_trim(void) { hf_malloc_trim(op->flags & 1 ? op->size : 0); }

static void do_nothing(void) {}

/* ------------------------------------------------------------------ children -------------- */

static void in_child(void) {
    for (size_t i = 0; i < count; i++) check_bytes(&blocks[i], blocks[i].size);
    do_many();
    do_realloc();
    do_free_many();
    do_trim();
    for (size_t i = 0; i < count; i++) check_bytes(&blocks[i], blocks[i].size);
}

/* What cannot be mistaken for a block, and is not of the heap of another thread, which would find
 * the mistake later. */
static void in_mistaken_child(void) {
    static char elsewhere[64];
    char *own = hf_malloc_allocate(100);
    int null = dup(STDERR_FILENO);
    signal(SIGABRT, SIG_DFL);
    if (freopen("/dev/null", "w", stderr) == NULL || null < 0 || own == NULL) return;
    switch (op->number % 4) {
    case 0: hf_malloc_free(elsewhere); break;
    case 1: hf_malloc_free(own + 16); break;
    case 2: hf_malloc_free(own + 1); break;
    default: hf_malloc_free(own), hf_malloc_free(own);
    }
}

/* Under a sanitizer it is the sanitizer that ends the child, with a report. */
static void fork_once(void) {
    if (has_forked || (op->kind == DO_MISTAKE && is_sanitized)) return;
    has_forked = true;
    host_fork_result result = host_fork(op->kind == DO_FORK ? in_child : in_mistaken_child, NULL);
    if (result == HOST_NO_FORK) return;
    CHECK((result == HOST_CHILD_RETURNED) == (op->kind == DO_FORK), "a child %s",
          op->kind == DO_FORK ? "failed" : "made a mistake, and was not ended");
}

/* ------------------------------------------------------------------ running --------------- */

static size_t size_by_class(const struct operation *operation) {
    unsigned value = operation->value;
    size_t near = count ? blocks[operation->selector % count].size : 0;
    switch (operation->size_class % 16) {
    case 0: return 0;
    case 1: return value;
    case 2: return KIB(64) + value % 33 - 16;
    case 3: return (size_t)value * 16;
    case 4: return (size_t)value * 64;
    case 5: return MIB(4) + value % 33 - 16;
    case 6: return MIB(4) + (size_t)value * 32;
    case 7: return near + value % 33;
    case 8: return near / 2 + value % 33;
    case 9: return SIZE_MAX - value % 64;
    default: return value % (value & 1 ? 1100 : 128);
    }
}

static struct operation decode(const uint8_t bytes[OPERATION_BYTES], size_t index) {
    struct operation operation = {
        .index = index,
        .kind = (kind)(bytes[0] % KINDS),
        .lane = bytes[1] % 8 < LANES ? bytes[1] % 8 : 0,
        .flags = bytes[1] / 8,
        .size_class = bytes[2],
        .align = (size_t)1 << bytes[3] % 19,
        .value = (unsigned)bytes[4] | (unsigned)bytes[5] << 8,
        .selector = bytes[6],
        .number = bytes[7],
    };
    operation.size = size_by_class(&operation);
    return operation;
}

static void run(const struct operation *operation) {
    static void (*const functions[])(void) = {COMMANDS(FUNCTION)};
    op = operation;
    lane_call(&lanes[op->lane], functions[op->kind]);
    if (op->kind == DO_END) lane_end(&lanes[op->lane]);
    if (op->kind == DO_FORK || op->kind == DO_MISTAKE) fork_once();
    check_all(op->index % CALLS_BETWEEN_LOOKS == CALLS_BETWEEN_LOOKS - 1);
}

/* Ends all lanes, in another order than they began. */
static void end_all(size_t first) {
    for (size_t i = 0; i < LANES; i++) lane_end(&lanes[(first + i) % LANES]);
    while (count > 0) release(&blocks[count - 1]);
    hf_malloc_trim(0);
    size_t heaps, running;
    hf_heap_stats stats = hf_malloc_sum(&heaps, &running);
    CHECK(stats.blocks == 0 && stats.used == 0, "%zu blocks of %zu bytes are left", stats.blocks,
          stats.used);
    CHECK(running == 0 && heaps <= MOST_HEAPS_LEFT, "%zu heaps are left, %zu of them running",
          heaps, running);
}

static void open_a_heap(void) { hf_malloc_free(hf_malloc_allocate(1)); }

/* As many heaps are opened as an input can need, so that none of them seems to leak. */
static void start(void) {
    char *block = hf_malloc_allocate(1);
    is_sanitized = hf_malloc_size(block) == 1;
    hf_malloc_free(block);
    for (size_t i = 0; i < LANES; i++) lane_call(&lanes[i], open_a_heap);
    hf_malloc_lock();
    if (hf_malloc_share() == NULL) abort();
    hf_malloc_unlock();
    end_all(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool is_started;
    size_t operations = size / OPERATION_BYTES;
    if (!is_started) start();
    is_started = true;
    has_forked = false;
    for (size_t i = 0; i < operations && i < MOST_OPERATIONS; i++) {
        program[i] = decode(data + i * OPERATION_BYTES, i);
        run(&program[i]);
    }
    end_all(size % LANES);
    op = NULL;
    return 0;
}
