/*
 * hf_defer: calls that are made when the arena goes back below them.
 */
#include <holdfast/pool.h>

#include <setjmp.h>

#include "disk.h"
#include "image_fixture.h"
#include "nth_failure.h"

/* The calls that were made, in order. */
static struct {
    int calls[64];
    size_t count;
} made;

static void note(void *data) {
    CHECK(made.count < 64);
    made.calls[made.count++] = *(int *)data;
}

/* Allocates a number, and defers a call that notes it. */
static void defer_note(hf_arena *arena, int number) {
    int *data = hf_new(arena, int);
    CHECK(data != NULL);
    *data = number;
    CHECK_STATUS(HF_OK, hf_defer(arena, note, data));
}

static void expect_made(size_t count, const int *numbers) {
    CHECK_EQUAL(count, made.count);
    for (size_t i = 0; i < count; i++) CHECK_EQUAL(numbers[i], made.calls[i]);
    made.count = 0;
}

static hf_arena open_arena(void) {
    made.count = 0;
    return fixture_open((hf_arena_options){.reserve = 64 * MIB});
}

static void the_last_one_is_called_first(void) {
    hf_arena arena = open_arena();
    for (int i = 0; i < 5; i++) defer_note(&arena, i);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    expect_made(5, (int[]){4, 3, 2, 1, 0});
    CHECK_EQUAL(0, hf_get_mark(&arena));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    hf_arena_close(&arena);
    expect_made(0, NULL);
}

static void only_those_above_the_mark_are_called(void) {
    hf_arena arena = open_arena();
    defer_note(&arena, 1);
    hf_mark mark = hf_get_mark(&arena);
    hf_scope scope = hf_scope_begin(&arena);
    defer_note(&arena, 2);
    CHECK(hf_alloc(&arena, 3 * MIB, 8) != NULL);
    defer_note(&arena, 3);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    expect_made(2, (int[]){3, 2});
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    defer_note(&arena, 4);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    expect_made(1, (int[]){4});
    hf_arena_close(&arena);
    expect_made(1, (int[]){1});
}

/* The mark is older than the call that lies there now. */
static void a_mark_within_a_call_is_below_it(void) {
    hf_arena arena = open_arena();
    int number = 1;
    CHECK(hf_alloc(&arena, 2 * sizeof(void *), 8) != NULL);
    hf_mark mark = hf_get_mark(&arena);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK(hf_alloc(&arena, 1, 1) != NULL);
    for (int i = 0; i < 3; i++) CHECK_STATUS(HF_OK, hf_defer(&arena, note, &number));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    CHECK_EQUAL(3, made.count);
    memset(hf_alloc(&arena, 1000, 1), 0xee, 1000);
    hf_arena_close(&arena);
    CHECK_EQUAL(3, made.count);
}

static void bad_calls_are_invalid(void) {
    hf_arena arena = open_arena(), closed = {0};
    CHECK_STATUS(HF_INVALID, hf_defer(&arena, NULL, NULL));
    CHECK_STATUS(HF_INVALID, hf_defer(&closed, note, NULL));
    CHECK_EQUAL(0, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

/* The mark is within the file that a deferred call appends. */
static void append_below(void *data) {
    hf_arena *arena = data;
    void *bytes;
    size_t size;
    CHECK_STATUS(HF_OK, hf_rewind(arena, 0));
    CHECK_STATUS(HF_OK, hf_arena_append_file(arena, "defer.data", HF_READ_ONLY, &bytes, &size));
}

static void a_call_may_append_a_file_at_the_mark(void) {
    disk_close(disk_create("defer.data", 50000));
    hf_arena arena = open_arena();
    CHECK(hf_alloc(&arena, 10000, 8) != NULL);
    hf_mark mark = hf_get_mark(&arena);
    CHECK_STATUS(HF_OK, hf_defer(&arena, append_below, &arena));
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, mark));
    CHECK(hf_get_mark(&arena) >= 50000);
    memset(hf_alloc(&arena, 1000, 8), 1, 1000);
    hf_arena_close(&arena);
    disk_remove("defer.data");
}

static void reset_it(void *data) { CHECK_STATUS(HF_OK, hf_reset(data)); }

static void a_scope_that_a_call_ended_has_ended(void) {
    hf_arena arena = open_arena();
    hf_scope outer = hf_scope_begin(&arena), inner = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_defer(&arena, reset_it, &arena));
    CHECK_STATUS(HF_OK, hf_scope_end(inner));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(outer));
    hf_arena_close(&arena);
}

static void fill_up(void *data) {
    CHECK(hf_alloc(data, 1000, 8) != NULL);
    made.count++;
}

/* What was allocated after the call is free when it is made, also by closing. */
static void closing_frees_before_it_calls(void) {
    made.count = 0;
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB, .least_reserve = MIB});
    CHECK_STATUS(HF_OK, hf_defer(&arena, fill_up, &arena));
    while (hf_alloc(&arena, 1000, 8) != NULL) {
    }
    hf_arena_close(&arena);
    CHECK_EQUAL(1, made.count);
}

static bool open_larger(hf_arena *arena, hf_status status, size_t size, void *user) {
    (void)status, (void)size, (void)user;
    hf_arena_close(arena);
    return hf_arena_open(arena, &(hf_arena_options){.reserve = MIB}) == HF_OK;
}

/* The call belongs to the arena that on_failure opened in place of the full one. */
static void on_failure_may_open_another_arena(void) {
    int number = 1;
    made.count = 0;
    hf_arena arena = fixture_open((hf_arena_options){
        .reserve = 64 * KIB, .least_reserve = 64 * KIB, .on_failure = open_larger});
    size_t most = hf_arena_get_stats(&arena).reserved - 64;
    CHECK(hf_alloc(&arena, most, 1) != NULL);
    while (hf_arena_get_stats(&arena).reserved < MIB)
        CHECK_STATUS(HF_OK, hf_defer(&arena, note, &number));
    CHECK_EQUAL(MIB, hf_arena_get_stats(&arena).reserved);
    size_t before = made.count; /* those of the full one, when it was closed */
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_EQUAL(before + 1, made.count);
    hf_arena_close(&arena);
    CHECK_EQUAL(before + 1, made.count);
}

static void images_have_none(void) {
    static const hf_access kinds[] = {HF_READ_WRITE, HF_COPY_ON_WRITE, HF_READ_ONLY};
    int number = 1;
    hf_arena arena = open_arena();
    defer_note(&arena, 1);
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, "defer.image"));
    hf_arena_close(&arena);
    expect_made(1, &number);
    for (size_t i = 0; i < 3; i++) {
        hf_arena image = image_open("defer.image", kinds[i], (hf_arena_options){.any_base = true});
        CHECK_STATUS(HF_UNSUPPORTED, hf_defer(&image, note, &number));
        hf_arena_close(&image);
    }
    expect_made(0, NULL);
    disk_remove("defer.image");
}

/* A list of two, of which the deferred call of the second one reads the first. */
struct linked {
    struct linked *next;
    hf_arena *arena;
    int number;
};

static void note_next(void *data) {
    struct linked *linked = data;
    CHECK(hf_alloc(linked->arena, 100 * KIB, 8) != NULL);
    note(&linked->next->number);
}

static void what_was_allocated_before_is_still_there(void) {
    hf_arena arena = open_arena();
    struct linked *first = hf_new(&arena, struct linked);
    first->number = 7;
    struct linked *second = hf_new(&arena, struct linked);
    second->next = first;
    second->arena = &arena;
    CHECK_STATUS(HF_OK, hf_defer(&arena, note_next, second));
    CHECK(hf_alloc(&arena, 5 * MIB, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    expect_made(1, (int[]){7});
    CHECK_EQUAL(0, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

static void reset_from_within(void *data) {
    struct linked *linked = data;
    note(&linked->number);
    CHECK_STATUS(HF_OK, hf_reset(linked->arena));
}

static void a_call_may_go_back_further(void) {
    hf_arena arena = open_arena();
    defer_note(&arena, 1);
    hf_mark mark = hf_get_mark(&arena);
    struct linked *linked = hf_new(&arena, struct linked);
    linked->arena = &arena;
    linked->number = 2;
    CHECK_STATUS(HF_OK, hf_defer(&arena, reset_from_within, linked));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    expect_made(2, (int[]){2, 1});
    CHECK_EQUAL(0, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

static jmp_buf away;

static void leave(void *data) {
    note(data);
    longjmp(away, 1);
}

static void a_call_may_leave_by_longjmp(void) {
    hf_arena arena = open_arena();
    int *number = hf_new(&arena, int);
    defer_note(&arena, 1);
    *number = 2;
    CHECK_STATUS(HF_OK, hf_defer(&arena, leave, number));
    defer_note(&arena, 3);
    if (setjmp(away) == 0) {
        hf_reset(&arena);
        CHECK(false);
    }
    expect_made(2, (int[]){3, 2});
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    expect_made(1, (int[]){1});
    hf_arena_close(&arena);
}

static void views_and_calls_go_in_turn(void) {
    disk_close(disk_create("defer.data", 5000));
    for (int faults = 0; faults < 2; faults++) {
        made.count = 0;
        hf_arena arena =
            fixture_open((hf_arena_options){.reserve = 64 * MIB, .fault_after_rewind = faults});
        hf_mark middle = 0;
        for (int i = 0; i < 4; i++) {
            void *data;
            size_t size;
            CHECK_STATUS(HF_OK,
                         hf_arena_append_file(&arena, "defer.data", HF_READ_ONLY, &data, &size));
            if (i == 2) middle = hf_get_mark(&arena);
            defer_note(&arena, i);
        }
        CHECK_STATUS(HF_OK, hf_rewind(&arena, middle));
        expect_made(2, (int[]){3, 2});
        CHECK(hf_arena_get_stats(&arena).viewed > 0);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        expect_made(2, (int[]){1, 0});
        CHECK_EQUAL(0, hf_arena_get_stats(&arena).viewed);
        hf_arena_close(&arena);
    }
    disk_remove("defer.data");
}

static void nodes_at_the_ends_of_pages(void) {
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 64 * MIB, .fault_after_rewind = true});
    made.count = 0;
    int number = 5;
    for (size_t room = 0; room < 64; room += 8) {
        size_t used = hf_get_mark(&arena) % fixture_page_size();
        size_t fill_up = 2 * fixture_page_size() - used - room;
        CHECK(hf_alloc(&arena, fill_up, 1) != NULL);
        hf_mark mark = hf_get_mark(&arena);
        CHECK_STATUS(HF_OK, hf_defer(&arena, note, &number));
        CHECK_STATUS(HF_OK, hf_defer(&arena, note, &number));
        CHECK(hf_alloc(&arena, 10000, 1) != NULL);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
        expect_made(2, (int[]){5, 5});
    }
    hf_arena_close(&arena);
}

static void an_arena_of_a_pool_calls_them_when_it_closes(void) {
    hf_pool *pool;
    CHECK_STATUS(HF_OK, hf_pool_open(&pool, NULL));
    made.count = 0;
    for (int round = 0; round < 3; round++) {
        hf_arena arena = fixture_open((hf_arena_options){.pool = pool});
        defer_note(&arena, round);
        hf_arena_close(&arena);
        expect_made(1, &round);
    }
    hf_pool_close(pool);
}

/* Each deferred call is made exactly once, whatever fails meanwhile: going back again makes those
 * that are left. */
static void go_back_until_failure(struct failure *failure) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 4 * MIB,
                                                     .backend = failure->strict,
                                                     .fault_after_rewind = failure->user != NULL});
    int number = 1;
    void *data;
    size_t size, deferred = 0;
    made.count = 0;
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, "defer.data", HF_READ_ONLY, &data, &size));
        deferred += hf_defer(&arena, note, &number) == HF_OK;
    }
    failure_on(failure);
    deferred += hf_defer(&arena, note, &number) == HF_OK;
    hf_status status = hf_rewind(&arena, 0);
    failure_off(failure);
    if (status == HF_OK) CHECK_EQUAL(deferred, made.count);
    CHECK(made.count <= deferred);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK_EQUAL(deferred, made.count);
    hf_arena_close(&arena);
    CHECK_EQUAL(deferred, made.count);
}

static void every_call_is_made_once(void) {
    static const int faults = 1;
    disk_close(disk_create("defer.data", 5000));
    CHECK(each_failure(go_back_until_failure, NULL) >= 3);
    CHECK(each_failure(go_back_until_failure, &faults) >= 3);
    disk_remove("defer.data");
}

#undef CHECK_COUNTED
#define CHECK_COUNTED disk_handles

CHECK_MAIN(TEST(the_last_one_is_called_first), TEST(only_those_above_the_mark_are_called),
           TEST(a_mark_within_a_call_is_below_it), TEST(bad_calls_are_invalid),
           TEST(images_have_none), TEST(a_call_may_append_a_file_at_the_mark),
           TEST(a_scope_that_a_call_ended_has_ended), TEST(closing_frees_before_it_calls),
           TEST(on_failure_may_open_another_arena), TEST(what_was_allocated_before_is_still_there),
           TEST(a_call_may_go_back_further), TEST(a_call_may_leave_by_longjmp),
           TEST(views_and_calls_go_in_turn), TEST(nodes_at_the_ends_of_pages),
           TEST(an_arena_of_a_pool_calls_them_when_it_closes), TEST(every_call_is_made_once))
