/*
 * test_front_end.c -- the front end counts the same on every kind of memory, and frees everything
 * if any call for memory fails.
 */
#include "check.h"

#include "../front_end.h"
#include "../on_holdfast.h"
#include "holdfast.h"

static const char file_name[] = "test_front_end.tmp";

static struct front_end *front_end_of(const struct memory_kind *kind) {
    struct front_end *front_end = calloc(1, kind->front_end_size);
    CHECK(front_end != NULL);
    return front_end;
}

static void take(const struct memory_kind *kind, struct front_end *front_end, const char *text) {
    CHECK_EQUAL(TAKEN, kind->take_text(front_end, text, strlen(text)));
}

/* ------------------------------------------------------------------- counting ------------- */

static void check_most_used(const struct memory_kind *kind, struct front_end *front_end,
                            const char *expected) {
    struct name_count names[3];
    char line[200] = "";
    size_t count = kind->most_used(front_end, names, 3);
    for (size_t i = 0; i < count; i++)
        sprintf(line + strlen(line), "%.*s %u ", (int)names[i].size, names[i].text,
                (unsigned)names[i].uses);
    if (strcmp(line, expected) != 0) printf("has %s\n", line);
    CHECK(strcmp(line, expected) == 0);
}

static void count_on(const struct memory_kind *kind) {
    struct front_end *front_end = front_end_of(kind);
    CHECK(kind->open(front_end, 0, NULL));
    take(kind, front_end,
         "#include <a.h>\nint b(int c) { return c ? d\\\ne[\"x\"] : 'y' + 1; } // z\n");
    take(kind, front_end, "c de \x01 /* c */ ]]((([{b\n");
    const struct totals *totals = kind->totals(front_end);
    static const uint64_t tokens[TOKEN_KINDS] = {
        [TOKEN_IDENTIFIER] = 10, [TOKEN_NUMBER] = 1,      [TOKEN_STRING] = 1,
        [TOKEN_CHARACTER] = 1,   [TOKEN_PUNCTUATOR] = 17, [TOKEN_DIRECTIVE] = 1,
        [TOKEN_HEADER] = 1,      [TOKEN_COMMENT] = 2,     [TOKEN_STRAY] = 1};
    for (size_t i = 0; i < TOKEN_KINDS; i++) CHECK_EQUAL(tokens[i], totals->tokens[i]);
    CHECK_EQUAL(2, totals->files);
    CHECK_EQUAL(3, totals->names);
    CHECK_EQUAL(7, totals->uses);
    CHECK_EQUAL(5, totals->nesting);
    check_most_used(kind, front_end, "c 3 b 2 de 2 ");
    kind->close(front_end);
    free(front_end);
}

static void counts(void) {
    count_on(&on_holdfast);
    count_on(&on_malloc);
}

/* Enough names to grow the hash table several times, and enough tokens to grow the list. */
static void grow_on(const struct memory_kind *kind) {
    enum { NAMES = 20000, LONGEST = 24 };
    char *text = malloc(NAMES * LONGEST), *at = text;
    struct front_end *front_end = front_end_of(kind);
    CHECK(text != NULL && kind->open(front_end, 0, NULL));
    for (unsigned i = 0; i < NAMES; i++)
        at += sprintf(at, "%.*sname_%u ", (int)(i % 12), "long_long_lo", i);
    for (unsigned round = 1; round <= 3; round++) {
        CHECK_EQUAL(TAKEN, kind->take_text(front_end, text, (size_t)(at - text)));
        CHECK_EQUAL(NAMES, kind->totals(front_end)->names);
        CHECK_EQUAL(round * NAMES, kind->totals(front_end)->uses);
    }
    check_most_used(kind, front_end, "lname_1 3 lname_10009 3 lname_10021 3 ");
    kind->close(front_end);
    free(front_end);
    free(text);
}

static void tables_and_lists_grow(void) {
    grow_on(&on_holdfast);
    grow_on(&on_malloc);
}

/* -------------------------------------------------------------------- files --------------- */

static void write_file(size_t size) {
    FILE *file = fopen(file_name, "wb");
    CHECK(file != NULL);
    for (size_t i = 0; i < size; i++) putc(i % 8 == 7 ? ' ' : 'a', file);
    CHECK_EQUAL(0, fclose(file));
}

/* Reads a file of `size` bytes whose size is expected to be `expected`. */
static void read_on(const struct memory_kind *kind, size_t size, size_t expected) {
    struct front_end *front_end = front_end_of(kind);
    CHECK(kind->open(front_end, 0, NULL));
    CHECK_EQUAL(TAKEN, kind->take_file(front_end, file_name, expected));
    CHECK_EQUAL(TAKEN, kind->take_file(front_end, file_name, expected));
    CHECK_EQUAL(2 * size, kind->totals(front_end)->bytes);
    CHECK_EQUAL(2 * ((size + 7) / 8), kind->totals(front_end)->uses);
    kind->close(front_end);
    free(front_end);
}

static void files_are_read_to_their_end(void) {
    static const size_t sizes[] = {0, 1, 4096, 65536, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_file(sizes[i]);
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            read_on(&on_holdfast, sizes[i], sizes[j]);
            read_on(&on_malloc, sizes[i], sizes[j]);
        }
    }
    remove(file_name);
}

static void fail_on(const struct memory_kind *kind) {
    struct front_end *front_end = front_end_of(kind);
    CHECK(kind->open(front_end, 0, NULL));
    CHECK_EQUAL(TAKEN_UNREADABLE, kind->take_file(front_end, "no such file", 1));
    CHECK_EQUAL(TAKEN_UNREADABLE, kind->take_file(front_end, ".", 1));
    CHECK_EQUAL(TAKEN_TOO_LARGE, kind->take_file(front_end, file_name, (uint64_t)1 << 28));
    CHECK_EQUAL(0, kind->totals(front_end)->files);
    take(kind, front_end, "a");
    CHECK_EQUAL(1, kind->totals(front_end)->uses);
    kind->close(front_end);
    free(front_end);
}

static void unreadable_files_change_nothing(void) {
    fail_on(&on_holdfast);
    fail_on(&on_malloc);
}

/* ----------------------------------------------------------------- on arenas -------------- */

static void an_emptied_front_end_is_as_new(void) {
    struct front_end *front_end = front_end_of(&on_holdfast);
    CHECK(on_holdfast.open(front_end, 0, NULL));
    for (int round = 0; round < 3; round++) {
        take(&on_holdfast, front_end, "int a; int b; a b a");
        CHECK_EQUAL(2, on_holdfast.totals(front_end)->names);
        check_most_used(&on_holdfast, front_end, "a 3 b 2 ");
        CHECK_EQUAL(0, hf_get_mark(on_holdfast_arena(front_end, ARENA_LISTS)));
        CHECK(on_holdfast_list_peak(front_end) > 0);
        CHECK_EQUAL(0, on_holdfast_list_peak(front_end));
        CHECK(on_holdfast_empty(front_end));
    }
    on_holdfast.close(front_end);
    free(front_end);
}

/* True: no call for memory failed. */
static bool work_on(const hf_backend *backend, const char *text, size_t size) {
    struct front_end *front_end = front_end_of(&on_holdfast);
    bool succeeded = on_holdfast.open(front_end, 0, backend) &&
                     on_holdfast.take_file(front_end, file_name, 0) == TAKEN &&
                     on_holdfast.take_text(front_end, text, size) == TAKEN;
    if (succeeded) CHECK_EQUAL(2, on_holdfast.totals(front_end)->files);
    on_holdfast.close(front_end);
    free(front_end);
    return succeeded;
}

static void check_nothing_is_left(const hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    CHECK_EQUAL(0, stats.violations);
    CHECK_EQUAL(0, stats.regions);
    CHECK_EQUAL(0, stats.pages);
    CHECK_EQUAL(0, stats.locks);
}

/* The n-th call of the backend and all later ones fail, for every n. */
static void each_call_for_memory_can_fail(void) {
    enum { TOKENS = 40000 };
    static char text[2 * TOKENS];
    hf_backend *strict;
    size_t nth = 0;
    for (size_t i = 0; i < TOKENS; i++) memcpy(text + 2 * i, "; ", 2);
    write_file(200000);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    do {
        hf_strict_fail(strict, ++nth, true);
        CHECK(nth < 1000);
        size_t outer = check_enter("call %zu and all later ones fail", nth);
        bool succeeded = work_on(strict, text, sizeof text);
        check_nothing_is_left(strict);
        check_leave(outer);
        if (succeeded) break;
    } while (true);
    CHECK(nth > 10);
    hf_strict_close(strict);
    remove(file_name);
}

CHECK_MAIN(TEST(counts), TEST(tables_and_lists_grow), TEST(files_are_read_to_their_end),
           TEST(unreadable_files_change_nothing), TEST(an_emptied_front_end_is_as_new),
           TEST(each_call_for_memory_can_fail))
