/*
 * array.h: arrays that grow in place while they are the last block, and by copies otherwise.
 */
#include <holdfast/array.h>

#include "arena_fixture.h"
#include "nth_failure.h"

typedef HF_ARRAY(int) int_array;

static struct failures failures;

static hf_arena open_arena(size_t reserve) {
    failures = (struct failures){0};
    return fixture_open(
        (hf_arena_options){.reserve = reserve, .on_failure = count_failure, .user = &failures});
}

static void counts_up(const int_array *array, size_t count) {
    CHECK_EQUAL(count, array->count);
    CHECK(array->capacity >= count);
    for (size_t i = 0; i < count; i++)
        if (array->items[i] != (int)i) CHECK_EQUAL(i, array->items[i]);
}

static void an_array_alone_is_never_copied(void) {
    enum { COUNT = 10000000 };
    hf_arena arena = open_arena(128 * MIB);
    int_array array = {0};
    CHECK(hf_array_push(&arena, &array, 0));
    const int *first = array.items;
    for (int i = 1; i < COUNT; i++)
        if (!hf_array_push(&arena, &array, i) || array.items != first) CHECK_EQUAL(-1, i);
    counts_up(&array, COUNT);
    CHECK(hf_get_mark(&arena) <= COUNT * sizeof(int) + 65 * KIB);
    CHECK_EQUAL(0, failures.count);
    hf_array_shrink(&arena, &array);
    CHECK_EQUAL(COUNT, array.capacity);
    if (fixture_is_exact()) CHECK_EQUAL(COUNT * sizeof(int), hf_get_mark(&arena));
    hf_arena_close(&arena);
}

/* All copies together use less than four times the bytes of the items. */
static void two_arrays_grow_by_turns(void) {
    enum { COUNT = 1000000 };
    hf_arena arena = open_arena(128 * MIB);
    int_array arrays[2] = {{0}, {0}};
    size_t moves = 0;
    for (int i = 0; i < 2 * COUNT; i++) {
        int_array *array = &arrays[i % 2];
        const int *before = array->items;
        if (!hf_array_push(&arena, array, i / 2)) CHECK_EQUAL(-1, i);
        moves += array->items != before;
    }
    counts_up(&arrays[0], COUNT);
    counts_up(&arrays[1], COUNT);
    CHECK(moves > 20 && moves < 60);
    CHECK(hf_get_mark(&arena) < 8 * COUNT * sizeof(int));
    hf_arena_close(&arena);
}

/* An array that was copied is the last block, and grows in place again. */
static void a_copied_array_grows_in_place(void) {
    hf_arena arena = open_arena(64 * MIB);
    int_array array = {0};
    for (int i = 0; i < 100; i++) CHECK(hf_array_push(&arena, &array, i));
    const int *old = array.items;
    char *between = hf_strdup(&arena, "between");
    while (array.items == old) CHECK(hf_array_push(&arena, &array, (int)array.count));
    CHECK((char *)array.items > between && strcmp(between, "between") == 0);
    for (int i = 0; i < 100; i++) CHECK(old[i] == i);
    old = array.items;
    while (array.count < 100000) CHECK(hf_array_push(&arena, &array, (int)array.count));
    CHECK(array.items == old);
    counts_up(&array, 100000);
    hf_arena_close(&arena);
}

static void reserved_items_are_pushed_without_a_call(void) {
    hf_arena arena = open_arena(64 * MIB);
    int_array array = {0};
    CHECK(hf_array_reserve(&arena, &array, 0) && array.items == NULL);
    CHECK(hf_array_push(&arena, &array, 0));
    CHECK(hf_array_reserve(&arena, &array, 100000) && array.capacity >= 100001);
    CHECK_EQUAL(1, array.count);
    hf_arena_stats before = hf_arena_get_stats(&arena);
    char *behind = hf_strdup(&arena, "behind");
    hf_mark mark = hf_get_mark(&arena);
    const int *items = array.items;
    for (int i = 1; i <= 100000; i++) CHECK(hf_array_push(&arena, &array, i));
    CHECK(hf_array_reserve(&arena, &array, 0));
    CHECK(array.items == items && strcmp(behind, "behind") == 0);
    CHECK_EQUAL(mark, hf_get_mark(&arena));
    CHECK_EQUAL(before.system_calls, hf_arena_get_stats(&arena).system_calls);
    counts_up(&array, 100001);
    hf_arena_close(&arena);
}

static void items_are_appended(void) {
    static const int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    hf_arena arena = open_arena(64 * MIB);
    int_array array = {0};
    CHECK(hf_array_append(&arena, &array, (const int *)NULL, 0) && array.items == NULL);
    CHECK(hf_array_append(&arena, &array, numbers, 10));
    counts_up(&array, 10);
    for (int copied = 0; copied < 2; copied++) {
        for (size_t i = 0; i < 12; i++) { /* its own items: in place, and copied */
            size_t count = array.count;
            if (copied) CHECK(hf_alloc(&arena, 1, 1) != NULL);
            CHECK(hf_array_append(&arena, &array, array.items, count));
            CHECK_EQUAL(2 * count, array.count);
            CHECK(memcmp(array.items, array.items + count, count * sizeof(int)) == 0);
            CHECK(memcmp(array.items, numbers, sizeof numbers) == 0);
        }
        array.count = 10;
        CHECK(hf_array_append(&arena, &array, numbers, 0));
        counts_up(&array, 10);
    }
    hf_arena_close(&arena);
}

static void items_are_added_and_removed(void) {
    struct point {
        double x, y;
    };
    HF_ARRAY(struct point) points = {0};
    hf_arena arena = open_arena(64 * MIB);
    for (int i = 0; i < 1000; i++) {
        struct point *point = hf_array_add(&arena, &points);
        CHECK(point == &points.items[i]);
        *point = (struct point){i, -i};
    }
    for (int i = 1000; i-- > 0;) {
        struct point point = hf_array_pop(&points);
        CHECK(point.x == i && point.y == -i);
    }
    CHECK_EQUAL(0, points.count);
    hf_array_free(&arena, &points);
    CHECK(points.items == NULL && points.capacity == 0);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    hf_array_free(&arena, &points);
    hf_array_shrink(&arena, &points);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

/* Only the last block gives room back. */
static void shrinking_another_block_keeps_its_capacity(void) {
    hf_arena arena = open_arena(64 * MIB);
    int_array array = {0};
    CHECK(hf_array_reserve(&arena, &array, 1000) && hf_array_push(&arena, &array, 0));
    size_t capacity = array.capacity;
    char *behind = hf_alloc(&arena, 8, 8);
    hf_array_shrink(&arena, &array);
    CHECK_EQUAL(capacity, array.capacity);
    hf_free(&arena, behind, 8);
    hf_array_shrink(&arena, &array);
    CHECK_EQUAL(1, array.capacity);
    array.count = 0;
    hf_array_shrink(&arena, &array);
    CHECK_EQUAL(0, array.capacity);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    for (int i = 0; i < 100; i++) CHECK(hf_array_push(&arena, &array, i));
    counts_up(&array, 100);
    hf_arena_close(&arena);
}

/* An empty array has no block that could be cut off by one below it. */
static void an_empty_array_outlives_the_blocks_below_it(void) {
    hf_arena arena = open_arena(64 * MIB);
    int_array below = {0}, array = {0};
    for (int i = 0; i < 16; i++) CHECK(hf_array_push(&arena, &below, i));
    CHECK(hf_array_push(&arena, &array, 0));
    array.count--;
    hf_array_shrink(&arena, &array);
    CHECK(array.items == NULL && array.capacity == 0);
    hf_array_free(&arena, &below);
    for (int i = 0; i < 100; i++) CHECK(hf_array_push(&arena, &array, i));
    counts_up(&array, 100);
    hf_arena_close(&arena);
}

/* Also where pos stays, because it is aligned. */
static void each_shrinking_sets_the_capacity(void) {
    hf_arena arena = open_arena(64 * MIB);
    int_array array = {0};
    for (int i = 0; i < 8; i++) CHECK(hf_array_push(&arena, &array, i));
    for (size_t left = 8; left > 0; left--) {
        hf_array_shrink(&arena, &array);
        CHECK_EQUAL(left, array.capacity);
        array.count--;
    }
    for (int i = 0; i < 8; i++) CHECK(hf_array_push(&arena, &array, i));
    counts_up(&array, 8);
    hf_arena_close(&arena);
}

static int evaluations;

static hf_arena *counted(hf_arena *arena) { return evaluations++, arena; }

static void arguments_are_evaluated_once(void) {
    static const int numbers[] = {1, 2, 3, 4};
    hf_arena arena = open_arena(64 * MIB);
    int_array array = {0};
    int next = 0;
    for (int i = 0; i < 1000; i++) CHECK(hf_array_push(&arena, &array, next++));
    counts_up(&array, 1000);
    CHECK(hf_array_push(&arena, &array, array.items[array.count - 1] + 1));
    counts_up(&array, 1001);
    const int *from = numbers;
    size_t more = 1;
    CHECK(hf_array_append(counted(&arena), &array, from++, more++));
    CHECK(from == numbers + 1 && more == 2 && evaluations == 1 && array.count == 1002);
    CHECK(hf_array_reserve(counted(&arena), &array, more++));
    CHECK(more == 3 && evaluations == 2);
    hf_array_shrink(counted(&arena), &array);
    CHECK(hf_array_push(counted(&arena), &array, 7) && evaluations == 4);
    CHECK(hf_array_push(counted(&arena), &array, 7) && evaluations == 4); /* there is room */
    hf_array_shrink(&arena, &array);
    CHECK(hf_array_add(counted(&arena), &array) != NULL && evaluations == 5);
    hf_array_free(counted(&arena), &array);
    CHECK_EQUAL(6, evaluations);
    hf_arena_close(&arena);
}

#define ALIGNS(T)                                                   \
    do {                                                            \
        HF_ARRAY(T) array = {0};                                    \
        CHECK(hf_alloc(&arena, 1, 1) != NULL);                      \
        for (int i = 0; i < 100; i++) {                             \
            CHECK(hf_array_add(&arena, &array) != NULL);            \
            CHECK(is_aligned(array.items, HF_ALIGNOF(T)));          \
            memset(&array.items[i], i, sizeof(T));                  \
            if (i % 10 == 0) CHECK(hf_alloc(&arena, 1, 1) != NULL); \
        }                                                           \
    } while (0)

struct odd {
    char bytes[7];
};
struct large {
    _Alignas(64) char bytes[192];
};

static void items_are_aligned(void) {
    hf_arena arena = open_arena(64 * MIB);
    ALIGNS(char);
    ALIGNS(short);
    ALIGNS(double);
    ALIGNS(long double);
    ALIGNS(void *);
    ALIGNS(struct odd);
    ALIGNS(struct large);
    hf_arena_close(&arena);
}

static void fails(hf_arena *arena, int_array *array, size_t more, hf_status expected) {
    static const int number;
    int_array before = *array;
    struct snapshot snapshot = snapshot_of(arena);
    AT("%zu more", more);
    CHECK(!hf_array_reserve(arena, array, more));
    CHECK_EQUAL(expected, hf_last_error().status);
    CHECK(!hf_array_append(arena, array, &number, more));
    CHECK_EQUAL(expected, hf_last_error().status);
    check_unchanged(arena, &snapshot);
    CHECK(array->items == before.items && array->count == before.count &&
          array->capacity == before.capacity);
}

static void sizes_that_do_not_fit_are_reserve_full(void) {
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 4, SIZE_MAX / 4 - 100, MIB};
    for (int last = 0; last < 3; last++) {
        hf_arena arena = open_arena(MIB);
        int_array array = {0};
        for (int i = 0; i < 100 * last; i++) CHECK(hf_array_push(&arena, &array, i));
        if (last == 1) CHECK(hf_alloc(&arena, 1, 1) != NULL);
        size_t expected = 0;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            fails(&arena, &array, sizes[i], HF_RESERVE_FULL);
            CHECK_EQUAL(expected += 2, failures.count);
        }
        counts_up(&array, (size_t)last * 100);
        hf_arena_close(&arena);
    }
}

/* The last item takes the last bytes of the reservation, without a failure before. */
static void arrays_fill_the_reservation(void) {
    for (int copied = 0; copied < 2; copied++) {
        hf_arena arena = open_arena(MIB);
        int_array array = {0};
        if (copied) {
            CHECK(hf_array_reserve(&arena, &array, 100000));
            while (array.count < array.capacity)
                CHECK(hf_array_push(&arena, &array, (int)array.count));
            CHECK(hf_alloc(&arena, 4, 4) != NULL);
        }
        const int *old = array.items;
        while (hf_array_push(&arena, &array, (int)array.count)) continue;
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK_EQUAL(1, failures.count);
        CHECK((array.items == old) == false);
        if (fixture_is_exact()) CHECK_EQUAL(MIB, hf_get_mark(&arena));
        counts_up(&array, array.count);
        hf_arena_close(&arena);
    }
}

static void foreign_and_closed_arenas_are_invalid(void) {
    hf_arena arena = open_arena(MIB), other = open_arena(MIB);
    int_array array = {0}, none = {0};
    CHECK(hf_array_push(&other, &array, 0));
    fails(&arena, &array, 1000, HF_INVALID);
    counts_up(&array, 1);
    hf_arena_close(&other);
    hf_arena_close(&arena);
    fails(&arena, &none, 1, HF_INVALID);
    fails(&arena, &none, SIZE_MAX, HF_INVALID);
}

static void push_and_use(struct failure *failure) {
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 64 * MIB, .backend = failure->strict});
    int_array array = {0};
    bool is_pushed = true;
    failure_on(failure);
    for (int i = 0; i < 200000 && is_pushed; i++) {
        is_pushed = hf_array_push(&arena, &array, i);
        if (failure->user && i % 1000 == 0) (void)hf_alloc(&arena, 1, 1);
    }
    failure_off(failure);
    if (!is_pushed) check_failure(failure, hf_last_error().status);
    counts_up(&array, array.count);
    while (array.count < 300000) CHECK(hf_array_push(&arena, &array, (int)array.count));
    counts_up(&array, 300000);
    hf_arena_close(&arena);
}

static void pushing_with_the_nth_call_failing(void) {
    CHECK(each_failure(push_and_use, NULL) >= 2);
    CHECK(each_failure(push_and_use, "copied") >= 2);
}

CHECK_MAIN(TEST(an_array_alone_is_never_copied), TEST(two_arrays_grow_by_turns),
           TEST(a_copied_array_grows_in_place), TEST(reserved_items_are_pushed_without_a_call),
           TEST(items_are_appended), TEST(items_are_added_and_removed),
           TEST(shrinking_another_block_keeps_its_capacity),
           TEST(an_empty_array_outlives_the_blocks_below_it),
           TEST(each_shrinking_sets_the_capacity), TEST(arguments_are_evaluated_once),
           TEST(items_are_aligned), TEST(sizes_that_do_not_fit_are_reserve_full),
           TEST(arrays_fill_the_reservation), TEST(foreign_and_closed_arenas_are_invalid),
           TEST(pushing_with_the_nth_call_failing))
