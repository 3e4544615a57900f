/*
 * arena_lane.h -- one backend's run of a program of calls on arenas, with the checks around it.
 *
 * A lane has the arenas, their models, and what was there before the operation that is being run.
 * The run_* functions make the calls of one kind each; every check that fails says so, with the
 * program so far, and aborts.
 */
#ifndef ARENA_LANE_H
#define ARENA_LANE_H

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

struct lane {
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
    hf_status error; /* when it fails though the system refuses nothing */
    size_t total;    /* hf_alloc_array: the size that the program has */
    size_t *room;    /* hf_peek */
    char *copy;      /* hf_strndup: of the text */
    void *block;
};

typedef void *allocator(struct lane *, struct request *);

hf_arena *arena_at(struct lane *, unsigned index);
hf_arena *arena_of(struct lane *); /* of the operation */
struct arena_model *model_of(struct lane *);

_Noreturn void fail(struct lane *, const char *format, ...) HF_PRINTF(2, 3);

/* Whether a failure was injected in this operation; and whether a status may come of one. */
bool refused(const struct lane *);
bool is_refusal(const struct lane *, hf_status);

/* Notes the operation, and what is there before it. */
void begin(struct lane *, const arena_operation *);

/* For the arenas' options; user is the lane. */
hf_on_failure on_failure;

/* What holds after every operation. */
void check_arena(struct lane *, unsigned index, bool thoroughly);
void check_blocks(struct lane *, unsigned index, bool quick);
void check_closed(struct lane *, unsigned index);
void check_strict(struct lane *);

/* What a sanitizer is told: the block may be used, the byte behind it may not. */
void check_marks(struct lane *, char *block, size_t size);
bool is_poisoned(char *bytes, size_t size);

/* What holds after a call that failed: nothing changed, and the error is this one or a refusal. */
void check_unchanged(struct lane *);
void check_error(struct lane *, hf_status expected);

/* A call that succeeded did not touch the last error. */
void check_success(struct lane *);

/* --- Allocations: expect says what must become of a request, guarded makes the call unless
 * on_failure leaves it by longjmp, judge says whether it came to a sound block. --- */

bool is_alignment(size_t align);
void expect(struct lane *, struct request *);
void *guarded(struct lane *, allocator *, struct request *);
bool judge(struct lane *, struct request *);
bool make(struct lane *, allocator *, struct request *); /* all three */
void check_place(struct lane *, struct request *);
void keep_block(struct lane *, struct request *); /* a live block from now on */

/* After going back to the mark. */
void rewound(struct lane *, hf_mark mark);

/* --- The calls. --- */

void run_alloc(struct lane *, size_t size);
void run_alloc_array(struct lane *, size_t total);
void run_new(struct lane *);
void run_extend(struct lane *, size_t size);
void run_realloc(struct lane *, size_t size);
void run_peek(struct lane *, size_t size);
void run_precommit(struct lane *, size_t size);
void run_strdup(struct lane *, size_t size);
void run_strndup(struct lane *, size_t size);
void run_memdup(struct lane *, size_t size);
void run_asprintf(struct lane *, size_t size);
void run_mark(struct lane *);
void run_rewind(struct lane *);
void run_reset(struct lane *);
void run_trim(struct lane *, size_t keep);
void run_scope_begin(struct lane *);
void run_scope_end(struct lane *);
void run_scratch_begin(struct lane *);
void run_ref(struct lane *);

#endif
