/*
 * on_failure: its arguments, and every way in which it may return or not return.
 */
#include <setjmp.h>

#include "arena_fixture.h"
#include "recorder.h"

static const size_t small_reserve = 1024 * 1024;

/* What the callback of the current test does, and the arguments it received. */
static struct plan {
    bool (*act)(hf_arena *);
    size_t calls;
    hf_arena *arena;
    hf_status status;
    size_t size;
    hf_mark mark; /* used by act */
} plan;

static bool on_failure(hf_arena *arena, hf_status status, size_t size, void *user) {
    struct plan *seen = user;
    seen->calls++;
    seen->arena = arena;
    seen->status = status;
    seen->size = size;
    return seen->act(arena);
}

static hf_arena open_with(bool (*act)(hf_arena *)) {
    plan = (struct plan){.act = act};
    return fixture_open(
        (hf_arena_options){.reserve = small_reserve, .on_failure = on_failure, .user = &plan});
}

/* Every function that returns memory, called for more than the arena's reservation. */
static void *ask_alloc(hf_arena *arena, size_t size) { return hf_alloc(arena, size, 8); }
static void *ask_slow(hf_arena *arena, size_t size) { return hf_alloc_slow(arena, size, 8); }
static void *ask_zeroed(hf_arena *arena, size_t size) { return hf_alloc_zeroed(arena, size, 8); }
static void *ask_array(hf_arena *arena, size_t size) { return hf_alloc_array(arena, size, 1, 8); }
static void *ask_new_array(hf_arena *arena, size_t size) { return hf_new_array(arena, char, size); }
static void *ask_realloc(hf_arena *arena, size_t size) {
    return hf_realloc(arena, NULL, 0, size, 8);
}
static void *ask_peek(hf_arena *arena, size_t size) { return hf_peek(arena, size, NULL); }
static void *ask_strdup(hf_arena *arena, size_t size) {
    static char text[2 << 20];
    memset(text, 'x', size - 1);
    text[size - 1] = '\0';
    return hf_strdup(arena, text);
}
static void *ask_strndup(hf_arena *arena, size_t size) {
    static char text[2 << 20];
    memset(text, 'x', size);
    return hf_strndup(arena, text, size - 1);
}
static void *ask_memdup(hf_arena *arena, size_t size) {
    static char bytes[2 << 20];
    return hf_memdup(arena, bytes, size);
}
static void *ask_asprintf(hf_arena *arena, size_t size) {
    return hf_asprintf(arena, "%*d", (int)size - 1, 7);
}

static const struct requester {
    const char *name;
    void *(*ask)(hf_arena *, size_t);
} askings[] = {
    {"hf_alloc", ask_alloc},       {"hf_alloc_slow", ask_slow},     {"hf_alloc_zeroed", ask_zeroed},
    {"hf_alloc_array", ask_array}, {"hf_new_array", ask_new_array}, {"hf_realloc", ask_realloc},
    {"hf_peek", ask_peek},         {"hf_strdup", ask_strdup},       {"hf_strndup", ask_strndup},
    {"hf_memdup", ask_memdup},     {"hf_asprintf", ask_asprintf}};

#define EACH_REQUESTER(requester)                     \
    for (const struct requester *requester = askings; \
         requester < askings + sizeof askings / sizeof *askings; requester++)

/* ----------------------------------------------------------- returning false -------------- */

static bool return_false(hf_arena *arena) {
    (void)arena;
    return false;
}

static void the_call_returns_null_after_false(void) {
    EACH_REQUESTER(requester) {
        AT("%s", requester->name);
        hf_arena arena = open_with(return_false);
        char *kept = hf_alloc(&arena, 1000, 8);
        fill(kept, 1000, 1);
        struct snapshot before = snapshot_of(&arena);
        CHECK(requester->ask(&arena, small_reserve + 10) == NULL);
        CHECK_EQUAL(1, plan.calls);
        CHECK(plan.arena == &arena);
        CHECK_EQUAL(HF_RESERVE_FULL, plan.status);
        CHECK_EQUAL(small_reserve + 10, plan.size);
        check_unchanged(&arena, &before);
        CHECK(is_filled(kept, 1000, 1));
        hf_arena_close(&arena);
    }
}

static void without_a_callback_the_call_returns_null(void) {
    EACH_REQUESTER(requester) {
        AT("%s", requester->name);
        hf_arena arena = fixture_open((hf_arena_options){.reserve = small_reserve});
        CHECK(requester->ask(&arena, small_reserve + 10) == NULL);
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK(requester->ask(&arena, 1000) != NULL);
        hf_arena_close(&arena);
    }
}

static void it_is_called_when_a_commit_fails(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    plan = (struct plan){.act = return_false};
    hf_arena arena = fixture_open(
        (hf_arena_options){.backend = &recorder.backend, .on_failure = on_failure, .user = &plan});
    recorder.largest[RECORDER_COMMIT] = 0;
    CHECK(hf_alloc(&arena, 777, 8) == NULL);
    CHECK_EQUAL(HF_NO_MEMORY, plan.status);
    CHECK_EQUAL(777, plan.size);
    hf_arena_close(&arena);
}

static void it_is_called_for_invalid_arguments(void) {
    hf_arena arena = open_with(return_false);
    CHECK(hf_alloc(&arena, 10, 3) == NULL);
    CHECK_EQUAL(1, plan.calls);
    CHECK_EQUAL(HF_INVALID, plan.status);
    CHECK(hf_strdup(&arena, NULL) == NULL);
    CHECK_EQUAL(2, plan.calls);
    CHECK_EQUAL(HF_INVALID, plan.status);
    hf_arena_close(&arena);
}

static void it_is_not_called_without_a_failure(void) {
    EACH_REQUESTER(requester) {
        AT("%s", requester->name);
        hf_arena arena = open_with(return_false);
        CHECK(requester->ask(&arena, 1000) != NULL && requester->ask(&arena, 100000) != NULL);
        CHECK_EQUAL(0, plan.calls);
        hf_arena_close(&arena);
    }
}

/* ----------------------------------------------------------- returning true --------------- */

static bool rewind_to_mark(hf_arena *arena) {
    CHECK_STATUS(HF_OK, hf_rewind(arena, plan.mark));
    return true;
}

static void the_call_is_repeated_after_true(void) {
    EACH_REQUESTER(requester) {
        AT("%s", requester->name);
        hf_arena arena = open_with(rewind_to_mark);
        char *kept = hf_alloc(&arena, 1000, 8);
        fill(kept, 1000, 1);
        plan.mark = hf_get_mark(&arena);
        CHECK(hf_alloc(&arena, small_reserve - 5000, 8) != NULL);
        CHECK(hf_rewind(&arena, SIZE_MAX) == HF_INVALID);
        char *block = requester->ask(&arena, 500000);
        CHECK_EQUAL(1, plan.calls);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status); /* unchanged: the call succeeded */
        CHECK(block != NULL && hf_owns(&arena, block) && block >= kept + 1000);
        CHECK(is_filled(kept, 1000, 1));
        hf_arena_close(&arena);
    }
}

static bool rewind_at_the_tenth_call(hf_arena *arena) {
    if (plan.calls == 10) CHECK_STATUS(HF_OK, hf_rewind(arena, plan.mark));
    return true;
}

static void it_is_called_until_it_returns_false_or_the_call_succeeds(void) {
    hf_arena arena = open_with(rewind_at_the_tenth_call);
    CHECK(hf_alloc(&arena, small_reserve - 5000, 8) != NULL);
    CHECK(hf_alloc(&arena, 500000, 8) != NULL);
    CHECK_EQUAL(10, plan.calls);
    hf_arena_close(&arena);
}

static struct recorder limited;

static bool raise_the_limit(hf_arena *arena) {
    (void)arena;
    limited.largest[RECORDER_COMMIT] *= 4;
    return true;
}

static void it_may_raise_a_limit(void) {
    recorder_init(&limited, NULL);
    limited.largest[RECORDER_COMMIT] = 4096;
    plan = (struct plan){.act = raise_the_limit};
    hf_arena arena = fixture_open(
        (hf_arena_options){.backend = &limited.backend, .on_failure = on_failure, .user = &plan});
    char *block = hf_alloc(&arena, MIB - 64, 8);
    CHECK(block != NULL);
    fill(block, MIB - 64, 1);
    CHECK_EQUAL(4, plan.calls); /* 16 KiB, 64 KiB, 256 KiB, 1 MiB */
    hf_arena_close(&arena);
}

static bool always_true(hf_arena *arena) {
    (void)arena;
    return plan.calls < 1000;
}

/* A rewind cannot make an alignment valid: the return value is ignored. */
static void invalid_arguments_are_not_tried_again(void) {
    hf_arena arena = open_with(always_true);
    CHECK(hf_alloc(&arena, 10, 3) == NULL && plan.calls == 1);
    CHECK(hf_alloc_array(&arena, 10, 10, 0) == NULL && plan.calls == 2);
    CHECK(hf_realloc(&arena, NULL, 0, 10, SIZE_MAX) == NULL && plan.calls == 3);
    CHECK(hf_strdup(&arena, NULL) == NULL && plan.calls == 4);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    hf_arena_close(&arena);
}

/* ----------------------------------------------------------- calls from within ------------ */

static bool use_what_is_left(hf_arena *arena) {
    if (plan.calls > 1) return false;
    char *block = hf_alloc(arena, 100, 8);
    CHECK(block != NULL);
    fill(block, 100, 9);
    CHECK(hf_alloc(arena, SIZE_MAX, 8) == NULL); /* calls on_failure recursively */
    CHECK(hf_rewind(arena, SIZE_MAX) == HF_INVALID);
    CHECK(is_filled(block, 100, 9));
    return false;
}

static void it_may_use_the_arena(void) {
    hf_arena arena = open_with(use_what_is_left);
    CHECK(hf_alloc(&arena, small_reserve + 1, 8) == NULL);
    CHECK_EQUAL(2, plan.calls);
    hf_error error = hf_last_error(); /* of the outer failure, not of a call within on_failure */
    CHECK_EQUAL(HF_RESERVE_FULL, error.status);
    CHECK_EQUAL(small_reserve + 1, error.size);
    CHECK(hf_arena_get_stats(&arena).used >= 100);
    hf_arena_close(&arena);
}

static bool close_it(hf_arena *arena) {
    hf_arena_close(arena);
    return true;
}

static void it_may_close_the_arena(void) {
    EACH_REQUESTER(requester) {
        AT("%s", requester->name);
        hf_arena arena = open_with(close_it);
        CHECK(requester->ask(&arena, small_reserve + 10) == NULL);
        CHECK_EQUAL(1, plan.calls);
        CHECK(arena.state == NULL);
    }
}

/* ------------------------------------------ freed sources are not read -------------------- */

/* A block to copy, in an arena that is too full for the copy; on_failure frees the block. */
static struct {
    hf_arena arena;
    char *block;
} source;

enum { BLOCK = 600000 };

static void open_with_block(bool (*act)(hf_arena *)) {
    source.arena = open_with(act);
    CHECK(hf_alloc(&source.arena, 1000, 8) != NULL);
    plan.mark = hf_get_mark(&source.arena);
    source.block = hf_alloc(&source.arena, BLOCK, 8);
    memset(source.block, 'x', BLOCK - 1);
    source.block[BLOCK - 1] = '\0';
    CHECK(hf_alloc(&source.arena, 16, 8) != NULL); /* so that the source is not the last block */
}

static bool reset_and_trim(hf_arena *arena) {
    CHECK_STATUS(HF_OK, hf_reset(arena));
    CHECK_STATUS(HF_OK, hf_trim(arena, 0));
    return true;
}

static bool rewind_into_it(hf_arena *arena) {
    CHECK_STATUS(HF_OK, hf_rewind(arena, plan.mark + BLOCK - 8));
    CHECK_STATUS(HF_OK, hf_trim(arena, 0));
    return true;
}

static bool rewind_to_it_and_allocate_again(hf_arena *arena) {
    CHECK_STATUS(HF_OK, hf_rewind(arena, plan.mark));
    CHECK(hf_alloc(arena, 500000, 8) != NULL);
    return plan.calls < 2;
}

static bool shrink_it(hf_arena *arena) {
    CHECK_STATUS(HF_OK, hf_rewind(arena, plan.mark));
    CHECK(hf_alloc(arena, BLOCK, 8) == source.block);
    CHECK(hf_extend(arena, source.block, BLOCK, 10));
    CHECK_STATUS(HF_OK, hf_trim(arena, 0));
    return true;
}

static bool open_it_again(hf_arena *arena) {
    hf_arena_close(arena);
    CHECK_STATUS(HF_OK, hf_arena_open(arena, &(hf_arena_options){.reserve = 4 * MIB}));
    return true;
}

static bool free_it_within_another_copy(hf_arena *arena) {
    if (plan.calls > 1) return reset_and_trim(arena) && plan.calls > 2;
    CHECK(hf_memdup(arena, source.block, BLOCK) == NULL); /* calls on_failure recursively */
    return true;
}

static void *copy_by_realloc(hf_arena *arena) {
    return hf_realloc(arena, source.block, BLOCK, BLOCK + 8, 8);
}
static void *copy_by_memdup(hf_arena *arena) { return hf_memdup(arena, source.block, BLOCK); }
static void *copy_by_strdup(hf_arena *arena) { return hf_strdup(arena, source.block); }
static void *copy_by_strndup(hf_arena *arena) { return hf_strndup(arena, source.block, BLOCK); }
static void *copy_by_asprintf(hf_arena *arena) { return hf_asprintf(arena, "%s", source.block); }

static void *copy_by_append(hf_arena *arena) {
    return hf_asprintf_append(arena, source.block, "%d", 7);
}
static void *copy_by_append_of_itself(hf_arena *arena) {
    return hf_asprintf_append(arena, source.block, "%s", source.block);
}

static void a_block_that_it_freed_is_not_copied(void) {
    bool (*const acts[])(hf_arena *) = {
        reset_and_trim, rewind_into_it, rewind_to_it_and_allocate_again,
        shrink_it,      open_it_again,  free_it_within_another_copy};
    void *(*const copies[])(hf_arena *) = {copy_by_realloc, copy_by_memdup,
                                           copy_by_strdup,  copy_by_strndup,
                                           copy_by_append,  copy_by_append_of_itself};
    for (size_t act = 0; act < sizeof acts / sizeof *acts; act++)
        for (size_t copy = 0; copy < sizeof copies / sizeof *copies; copy++) {
            AT("act %zu, copy %zu", act, copy);
            open_with_block(acts[act]);
            CHECK(copies[copy](&source.arena) == NULL);
            CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
            CHECK(hf_alloc(&source.arena, 1000, 8) != NULL); /* the arena works as before */
            hf_arena_close(&source.arena);
        }
}

/* on_failure may free the arguments of hf_asprintf, because the text is formatted before. */
static void a_text_is_formatted_before_it_is_called(void) {
    bool (*const acts[])(hf_arena *) = {reset_and_trim, rewind_into_it, shrink_it};
    for (size_t act = 0; act < sizeof acts / sizeof *acts; act++) {
        AT("act %zu", act);
        open_with_block(acts[act]);
        if (acts[act] != reset_and_trim) { /* only that frees enough bytes for the text */
            CHECK(hf_extend(&source.arena, hf_alloc(&source.arena, 0, 8), 0, 300000));
            source.block[300000] = '\0';
        }
        char *text = copy_by_asprintf(&source.arena);
        CHECK(text != NULL && strspn(text, "x") == strlen(text) && strlen(text) >= 300000);
        CHECK_EQUAL(1, plan.calls);
        hf_arena_close(&source.arena);
    }
    open_with_block(open_it_again);
    CHECK(copy_by_asprintf(&source.arena) == NULL);
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    hf_arena_close(&source.arena);
}

static bool free_what_lies_above(hf_arena *arena) {
    hf_mark above = (size_t)(source.block - hf_arena_base(arena)) + BLOCK;
    if (plan.calls == 1) CHECK(hf_alloc(arena, 100000, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_rewind(arena, above));
    return true;
}

/* on_failure may free the arguments that are appended, but not the text. */
static void what_is_appended_is_formatted_before_it_is_called(void) {
    enum { MORE = 300000 };
    plan = (struct plan){.act = free_what_lies_above};
    source.arena = fixture_open(
        (hf_arena_options){.reserve = 2 * BLOCK + 400000, .on_failure = on_failure, .user = &plan});
    source.block = hf_alloc(&source.arena, BLOCK, 8);
    memset(source.block, 'x', BLOCK - 1);
    source.block[BLOCK - 1] = '\0';
    char *above = hf_alloc(&source.arena, MORE, 8);
    memset(above, 'y', MORE - 1);
    above[MORE - 1] = '\0';
    CHECK(hf_alloc(&source.arena, 500000, 8) != NULL);
    char *text = hf_asprintf_append(&source.arena, source.block, "%s", above);
    CHECK(text != NULL && strlen(text) == BLOCK - 1 + MORE - 1);
    CHECK_EQUAL(BLOCK - 1, strspn(text, "x"));
    CHECK_EQUAL(MORE - 1, strspn(text + BLOCK - 1, "y"));
    CHECK_EQUAL(1, plan.calls);
    hf_arena_close(&source.arena);
}

static void a_block_that_it_kept_is_copied(void) {
    void *(*const copies[])(hf_arena *) = {copy_by_memdup, copy_by_strdup, copy_by_strndup,
                                           copy_by_asprintf};
    for (size_t copy = 0; copy < sizeof copies / sizeof *copies; copy++) {
        AT("copy %zu", copy);
        plan = (struct plan){.act = free_what_lies_above};
        source.arena = fixture_open((hf_arena_options){
            .reserve = 2 * BLOCK + 100000, .on_failure = on_failure, .user = &plan});
        source.block = hf_alloc(&source.arena, BLOCK, 8);
        memset(source.block, 'x', BLOCK - 1);
        source.block[BLOCK - 1] = '\0';
        CHECK(hf_alloc(&source.arena, 200000, 8) != NULL);
        char *text = copies[copy](&source.arena);
        CHECK(text != NULL && text != source.block && strlen(text) == BLOCK - 1);
        CHECK(strspn(text, "x") == BLOCK - 1);
        CHECK_EQUAL(1, plan.calls);
        hf_arena_close(&source.arena);
    }
}

/* ------------------------------------------------------------------- longjmp -------------- */

static jmp_buf out;

static bool jump_out(hf_arena *arena) {
    (void)arena;
    longjmp(out, 1);
}

/* True if the call was left by longjmp. */
static bool jumps(const struct requester *requester, hf_arena *arena) {
    if (setjmp(out) != 0) return true;
    requester->ask(arena, small_reserve + 10);
    return false;
}

static void it_may_leave_by_longjmp(void) {
    EACH_REQUESTER(requester) {
        AT("%s", requester->name);
        hf_arena arena = open_with(jump_out);
        char *kept = hf_alloc(&arena, 1000, 8);
        fill(kept, 1000, 1);
        struct snapshot before = snapshot_of(&arena);
        for (int i = 0; i < 3; i++) CHECK(jumps(requester, &arena));
        check_unchanged(&arena, &before);
        CHECK_EQUAL(3, plan.calls);
        CHECK(is_filled(kept, 1000, 1));
        CHECK(requester->ask(&arena, 100000) != NULL);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
        CHECK_EQUAL(0, hf_arena_get_stats(&arena).committed);
        hf_arena_close(&arena);
    }
}

static void pages_of_a_text_that_was_left_are_freed(void) {
    static const struct requester printing = {"hf_asprintf", ask_asprintf};
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    plan = (struct plan){.act = jump_out};
    hf_arena arena = fixture_open((hf_arena_options){
        .reserve = small_reserve, .on_failure = on_failure, .user = &plan, .backend = strict});
    size_t pages = hf_strict_get_stats(strict).pages;
    for (int i = 0; i < 3; i++) CHECK(jumps(&printing, &arena));
    CHECK(hf_strict_get_stats(strict).pages > pages);
    hf_arena_close(&arena);
    CHECK_EQUAL(0, hf_strict_get_stats(strict).pages);
    hf_strict_close(strict);
}

static void extend_and_precommit_do_not_call_it(void) {
    hf_arena arena = open_with(jump_out);
    char *block = hf_alloc(&arena, 100, 8);
    CHECK(!hf_extend(&arena, block, 100, small_reserve + 1));
    CHECK(!hf_extend_zeroed(&arena, block, 100, SIZE_MAX));
    CHECK_STATUS(HF_RESERVE_FULL, hf_precommit(&arena, small_reserve));
    CHECK_EQUAL(0, plan.calls);
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(the_call_returns_null_after_false), TEST(without_a_callback_the_call_returns_null),
           TEST(it_is_called_when_a_commit_fails), TEST(it_is_called_for_invalid_arguments),
           TEST(it_is_not_called_without_a_failure), TEST(the_call_is_repeated_after_true),
           TEST(it_is_called_until_it_returns_false_or_the_call_succeeds),
           TEST(it_may_raise_a_limit), TEST(invalid_arguments_are_not_tried_again),
           TEST(it_may_use_the_arena), TEST(it_may_close_the_arena),
           TEST(a_block_that_it_freed_is_not_copied), TEST(a_text_is_formatted_before_it_is_called),
           TEST(what_is_appended_is_formatted_before_it_is_called),
           TEST(a_block_that_it_kept_is_copied), TEST(pages_of_a_text_that_was_left_are_freed),
           TEST(it_may_leave_by_longjmp), TEST(extend_and_precommit_do_not_call_it))
