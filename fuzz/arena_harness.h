/*
 * arena_harness.h -- one backend's run of a program of calls on arenas, with the checks around it.
 *
 * A harness has the arenas, their models, and what was there before the operation that runs now.
 * The run_* functions make the calls of one kind each; every check that fails says so, with the
 * program so far, and aborts.
 */
#ifndef ARENA_HARNESS_H
#define ARENA_HARNESS_H

#include "arena_model.h"
#include "arena_program.h"

#include <setjmp.h>

enum { TEXT_BYTES = 70000 };

/* What on_failure does. */
typedef enum handling {
    HANDLE_GIVE_UP,
    HANDLE_FREE,
    HANDLE_MEND,
    HANDLE_LEAVE,
    HANDLINGS
} handling;

struct harness {
    const char *name;
    const hf_backend *backend;
    hf_backend *strict, *under; /* NULL on native */
    size_t page_size;
    hf_arena single[ARENA_PAIR];
    hf_scratch scratch;
    struct arena_model models[ARENAS];
    handling handling;
    bool asked;                       /* on_failure was called in this operation */
    size_t floor;                     /* below this it must free nothing */
    jmp_buf leave;                    /* where HANDLE_LEAVE goes */
    const arena_operation *operation; /* the one being run, in `program` */
    arena_operation program[MOST_OPERATIONS];
    size_t sizes[MOST_OPERATIONS], used[MOST_OPERATIONS];
    hf_arena_stats before; /* of the operation's arena */
    hf_arena struct_before;
    size_t forks;       /* so far */
    size_t failing_way; /* see hf_strict_fail_as */
    size_t failures_before;
    hf_error error_before;
};

/* The allocation being made: what it may do, and what came of it. */
struct request {
    size_t size, align;
    bool zeroed;
    arena_fate fate;
    hf_status error; /* when it fails though no call of the system fails */
    size_t total;    /* hf_alloc_array: the size that the program has */
    size_t *room;    /* hf_peek */
    char *copy;      /* hf_strndup: of the text */
    void *block;
};

typedef void *allocator(struct harness *, struct request *);

hf_arena *arena_at(struct harness *, unsigned index);
hf_arena *arena_of(struct harness *); /* of the operation */
struct arena_model *model_of(struct harness *);

_Noreturn void fail(struct harness *, const char *format, ...) HF_FORMAT(2, 3);

/* Whether a failure was injected in this operation; and whether a status may come of one. */
bool failure_injected(const struct harness *);
bool is_injected_status(const struct harness *, hf_status);

/* Notes the operation, and what is there before it. */
void begin(struct harness *, const arena_operation *);

/* For the arenas' options; user is the harness. */
hf_on_failure on_failure;

/* What holds after every operation. */
void check_arena(struct harness *, unsigned index, bool thoroughly);
void check_blocks(struct harness *, unsigned index, bool quick);
void check_closed(struct harness *, unsigned index);
void check_strict(struct harness *);

/* What a sanitizer is told: the block may be used, the byte behind it may not. */
void check_marks(struct harness *, char *block, size_t size);
bool is_poisoned(char *bytes, size_t size);

/* What holds after a call that failed: nothing changed, the error is this one or an injected one */
void check_unchanged(struct harness *);
void check_error(struct harness *, hf_status expected);

/* A call that succeeded did not touch the last error. */
void check_success(struct harness *);

/* --- Allocations: expect says what must become of a request, guarded makes the call unless
 * on_failure leaves it by longjmp, judge says whether it came to a sound block. --- */

bool is_alignment(size_t align);
void expect(struct harness *, struct request *);
void *guarded(struct harness *, allocator *, struct request *);
bool judge(struct harness *, struct request *);
bool make(struct harness *, allocator *, struct request *); /* all three */
void check_place(struct harness *, struct request *);
void keep_block(struct harness *, struct request *); /* a live block from now on */

/* After going back to the mark. */
void rewound(struct harness *, hf_mark mark);

/* --- The calls. --- */

void run_alloc(struct harness *, size_t size);
void run_alloc_array(struct harness *, size_t total);
void run_new(struct harness *);
void run_extend(struct harness *, size_t size);
void run_realloc(struct harness *, size_t size);
void run_peek(struct harness *, size_t size);
void run_precommit(struct harness *, size_t size);
void run_strdup(struct harness *, size_t size);
void run_strndup(struct harness *, size_t size);
void run_memdup(struct harness *, size_t size);
void run_asprintf(struct harness *, size_t size);
void run_mark(struct harness *);
void run_rewind(struct harness *);
void run_reset(struct harness *);
void run_trim(struct harness *, size_t keep);
void run_scope_begin(struct harness *);
void run_scope_end(struct harness *);
void run_scratch_begin(struct harness *);
void run_ref(struct harness *);

#endif
