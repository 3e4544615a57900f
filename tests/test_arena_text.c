/*
 * hf_strdup, hf_strndup, hf_memdup, hf_asprintf, hf_vasprintf.
 */
#include <wchar.h>

#include "arena_fixture.h"

static struct failures failures;

static hf_arena open_arena(size_t reserve) {
    failures = (struct failures){0};
    return fixture_open(
        (hf_arena_options){.reserve = reserve, .on_failure = count_failure, .user = &failures});
}

/* Checks a text's contents, and that it can have a ref though pos was odd before. */
static void is_text(hf_arena *arena, const char *expected, const char *actual) {
    CHECK(actual != NULL);
    CHECK(strcmp(expected, actual) == 0);
    CHECK_EQUAL(0, (size_t)(actual - hf_arena_base(arena)) % 8);
    CHECK(hf_from_ref(arena, hf_to_ref(arena, actual)) == actual);
    CHECK(hf_alloc(arena, 3, 1) != NULL);
}

static void copies_texts(void) {
    hf_arena arena = open_arena(64 * MIB);
    static char large[300000];
    memset(large, 'x', sizeof large - 1);
    const char *texts[] = {"", "a", "seven ch", "eight cha", "\xff\x80\x01", large};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *copy = hf_strdup(&arena, texts[i]);
        CHECK(copy != texts[i]);
        is_text(&arena, texts[i], copy);
    }
    CHECK_EQUAL(0, failures.count);
    hf_arena_close(&arena);
}

static void copies_parts_of_texts(void) {
    hf_arena arena = open_arena(MIB);
    static const char unterminated[3] = {'a', 'b', 'c'};
    is_text(&arena, "", hf_strndup(&arena, "abc", 0));
    is_text(&arena, "ab", hf_strndup(&arena, "abc", 2));
    is_text(&arena, "abc", hf_strndup(&arena, "abc", 3));
    is_text(&arena, "abc", hf_strndup(&arena, "abc", 4));
    is_text(&arena, "abc", hf_strndup(&arena, "abc", SIZE_MAX));
    is_text(&arena, "ab", hf_strndup(&arena, "ab\0cd", 5));
    is_text(&arena, "abc", hf_strndup(&arena, unterminated, 3));
    is_text(&arena, "", hf_strndup(&arena, unterminated, 0));
    hf_arena_close(&arena);
}

static void copies_bytes(void) {
    hf_arena arena = open_arena(64 * MIB);
    static unsigned char bytes[70000];
    size_t sizes[] = {0, 1, 7, 8, 9, 1000, sizeof bytes};
    fill(bytes, sizeof bytes, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("%zu bytes", sizes[i]);
        CHECK(hf_alloc(&arena, 3, 1) != NULL);
        char *copy = hf_memdup(&arena, bytes, sizes[i]);
        CHECK(copy != NULL && is_aligned(copy, 8) && is_filled(copy, sizes[i], 1));
        CHECK(hf_to_ref(&arena, copy) != 0);
        char *again = hf_memdup(&arena, copy, sizes[i]); /* of the last block itself */
        CHECK(again != NULL && again >= copy + sizes[i] && is_filled(again, sizes[i], 1));
    }
    hf_arena_close(&arena);
}

static void a_null_text_is_invalid(void) {
    hf_arena arena = open_arena(MIB);
    CHECK(hf_memdup(&arena, NULL, 0) != NULL);
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    struct snapshot before = snapshot_of(&arena);
    CHECK(hf_strdup(&arena, NULL) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(hf_strndup(&arena, NULL, 10) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(hf_strndup(&arena, NULL, 0) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(hf_memdup(&arena, NULL, 1) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    const char *volatile no_format = NULL;
    va_list no_arguments;
    memset(&no_arguments, 0, sizeof no_arguments);
    CHECK(hf_vasprintf(&arena, no_format, no_arguments) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK_EQUAL(5, failures.count);
    check_unchanged(&arena, &before);
    hf_arena_close(&arena);
}

static void copies_that_do_not_fit_are_reserve_full(void) {
    hf_arena arena = open_arena(64 * KIB);
    static char large[80000];
    memset(large, 'x', sizeof large - 1);
    struct snapshot before = snapshot_of(&arena);
    CHECK(hf_strdup(&arena, large) == NULL);
    CHECK_EQUAL(sizeof large, failures.size);
    CHECK(hf_strndup(&arena, large, 70000) == NULL);
    CHECK_EQUAL(70001, failures.size);
    CHECK(hf_memdup(&arena, large, sizeof large) == NULL);
    CHECK_EQUAL(sizeof large, failures.size);
    CHECK(hf_memdup(&arena, large, SIZE_MAX) == NULL);
    CHECK(hf_asprintf(&arena, "%s", large) == NULL);
    CHECK_EQUAL(sizeof large, failures.size);
    CHECK_EQUAL(5, failures.count);
    CHECK_EQUAL(HF_RESERVE_FULL, failures.status);
    check_unchanged(&arena, &before);
    hf_arena_close(&arena);
}

/* ------------------------------------------------------------------ formatting ------------- */

static void formats(void) {
    hf_arena arena = open_arena(64 * MIB);
    is_text(&arena, "plain", hf_asprintf(&arena, "plain"));
    is_text(&arena, "", hf_asprintf(&arena, "%s", ""));
    is_text(&arena, "7 -1 0x1f a\tb 2.50 %",
            hf_asprintf(&arena, "%d %ld 0x%x %s %.2f %%", 7, -1L, 31u, "a\tb", 2.5));
    hf_arena_close(&arena);
}

static char *through_vasprintf(hf_arena *arena, const char *format, ...) HF_FORMAT(2, 3);
static char *through_vasprintf(hf_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = hf_vasprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

static void formats_from_a_list(void) {
    hf_arena arena = open_arena(64 * MIB);
    is_text(&arena, "one 2 3.0", through_vasprintf(&arena, "%s %d %.1f", "one", 2, 3.0));
    is_text(&arena, "", through_vasprintf(&arena, "%s", ""));
    hf_arena_close(&arena);
}

static void is_padded_number(const char *text, size_t width) {
    CHECK(text != NULL && strlen(text) == width);
    CHECK(text[width - 1] == '7' && text[0] == (width == 1 ? '7' : ' '));
}

/* Lengths from texts that fit below limit to texts that need several growth steps. Not by a field
 * width, for which mingw's printf uses as much stack. */
static void formats_texts_of_every_length(void) {
    hf_arena arena = open_arena(64 * MIB);
    for (int width = 1; width < 3000000; width += 1 + width / 3) {
        AT("width %d", width);
        is_padded_number(hf_asprintf(&arena, "%*s", width, "7"), (size_t)width);
        is_padded_number(through_vasprintf(&arena, "%*s", width, "7"), (size_t)width);
    }
    hf_arena_close(&arena);
}

/* With exactly the needed bytes left in the reservation, one more, and one less. */
static void formats_into_the_last_byte(void) {
    if (!fixture_is_exact()) return;
    size_t page_size = fixture_page_size();
    for (size_t length = 1; length < 40; length += 6) {
        for (size_t less = 0; less < 3; less++) {
            AT("%zu characters, %zu bytes left", length, length + 2 - less);
            hf_arena arena = open_arena(page_size);
            size_t before = (page_size - length - 1) / 8 * 8, left = page_size - before;
            CHECK(hf_alloc(&arena, before, 1) != NULL);
            size_t width = left - 2 + less; /* plus the terminating zero */
            struct snapshot snapshot = snapshot_of(&arena);
            char *text = hf_asprintf(&arena, "%*d", (int)width, 7);
            if (less < 2) {
                is_padded_number(text, width);
                CHECK(text + width + 1 == arena.pos);
            } else {
                CHECK(text == NULL);
                CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
                CHECK_EQUAL(1, failures.count);
                CHECK_EQUAL(width + 1, failures.size);
                check_unchanged(&arena, &snapshot);
            }
            hf_arena_close(&arena);
        }
    }
}

static void formats_texts_of_the_same_arena(void) {
    hf_arena arena = open_arena(64 * MIB);
    char *text = hf_strdup(&arena, "ab");
    for (size_t length = 2; length < 100000; length *= 2) {
        text = hf_asprintf(&arena, "%s%s", text, text);
        CHECK(text != NULL && strlen(text) == length * 2);
        CHECK(strncmp(text, "abab", 4) == 0 && strcmp(text + length * 2 - 4, "abab") == 0);
    }
    hf_arena_close(&arena);
}

/* -------------------------------------------------- bytes that hf_peek returned ------------- */

/* A text of `length` bytes, `at` bytes above pos, stored in peeked bytes as read(2) would do. */
static char *peeked_text(hf_arena *arena, size_t at, size_t length) {
    CHECK(hf_alloc(arena, 3, 1) != NULL);
    char *peeked = hf_peek(arena, at + length + 1, NULL);
    CHECK(peeked != NULL);
    for (size_t i = 0; i < length; i++) peeked[at + i] = (char)('a' + i % 23);
    peeked[at + length] = '\0';
    return peeked + at;
}

static void is_peeked_text(const char *text, size_t length) {
    CHECK(text != NULL && strlen(text) == length);
    for (size_t i = 0; i < length; i++)
        if (text[i] != (char)('a' + i % 23)) CHECK_EQUAL(SIZE_MAX, i);
}

static void peeked_bytes_may_be_arguments(void) {
    hf_arena arena = open_arena(64 * MIB);
    const size_t lengths[] = {0, 1, 10, 510, 511, 512, 3000, 300000},
                 offsets[] = {0, 1, 8, 500, 9000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t j = 0; j < sizeof offsets / sizeof *offsets; j++) {
            size_t length = lengths[i], at = offsets[j];
            AT("%zu characters at %zu", length, at);
            char *text = hf_asprintf(&arena, "x%s", peeked_text(&arena, at, length));
            CHECK(text != NULL && text[0] == 'x');
            is_peeked_text(text + 1, length);
            text = through_vasprintf(&arena, "%s", peeked_text(&arena, at, length));
            is_peeked_text(text, length);
            is_peeked_text(hf_strdup(&arena, peeked_text(&arena, at, length)), length);
            char *shown = peeked_text(&arena, at, length);
            is_peeked_text(hf_strndup(&arena, shown, SIZE_MAX), length);
            shown = peeked_text(&arena, at, length);
            is_peeked_text(hf_memdup(&arena, shown, length + 1), length);
            if (length % 1000 == 0) CHECK_STATUS(HF_OK, hf_reset(&arena));
        }
    CHECK_EQUAL(0, failures.count);
    hf_arena_close(&arena);
}

/* ---------------------------------------------------------------------- appending ---------- */

#ifdef __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
static char *
append_by_vasprintf(hf_arena *arena, char *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text = hf_vasprintf_append(arena, text, format, arguments);
    va_end(arguments);
    return text;
}

static void appends_in_place_to_the_last_block(void) {
    hf_arena arena = open_arena(256 * MIB);
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    char *text = hf_asprintf_append(&arena, NULL, "%s", ""), *first = text;
    CHECK(text != NULL && is_aligned(text, 8) && text[0] == '\0');
    size_t length = 0;
    for (int width = 1; width < 1000000; width += 1 + width / 3) {
        AT("width %d", width);
        text = hf_asprintf_append(&arena, text, "%*s", width, "7");
        CHECK(text == first);
        is_padded_number(text + length, (size_t)width);
        length += (size_t)width;
        text = append_by_vasprintf(&arena, text, "%c%s", 'a', "b");
        CHECK(text == first && strcmp(text + length, "ab") == 0);
        length += 2;
        CHECK_EQUAL(length, strlen(text));
        if (fixture_is_exact()) CHECK(arena.pos == text + length + 1);
    }
    CHECK(hf_asprintf_append(&arena, text, "%s", "") == first && strlen(text) == length);
    CHECK_EQUAL(0, failures.count);
    hf_arena_close(&arena);
}

static void appends_to_a_copy_of_another_block(void) {
    hf_arena arena = open_arena(64 * MIB);
    for (int width = 1; width < 3000000; width += 1 + width * 2) {
        AT("width %d", width);
        char *text = hf_strdup(&arena, "old"), *between = hf_strdup(&arena, "between");
        char *appended = hf_asprintf_append(&arena, text, "%*s", width, "7");
        CHECK(appended > between && is_aligned(appended, 8));
        CHECK(strncmp(appended, "old", 3) == 0);
        is_padded_number(appended + 3, (size_t)width);
        CHECK(strcmp(text, "old") == 0 && strcmp(between, "between") == 0);
        CHECK(hf_asprintf_append(&arena, appended, "x") == appended); /* it is the last one now */
    }
    hf_arena_close(&arena);
}

/* A block that is larger than its text is not known to end at pos. */
static void appends_to_texts_of_any_alignment(void) {
    hf_arena arena = open_arena(64 * MIB);
    for (size_t before = 0; before < 9; before++) {
        CHECK(hf_alloc(&arena, before, 1) != NULL);
        char *text = hf_alloc(&arena, 4, 1);
        memcpy(text, "abc", 4);
        CHECK(hf_asprintf_append(&arena, text, "%d", 4) == text);
        CHECK(strcmp(text, "abc4") == 0);
        char *roomy = hf_alloc(&arena, 100, 1);
        memcpy(roomy, "abc", 4);
        char *copy = hf_asprintf_append(&arena, roomy, "%d", 4);
        CHECK(copy != roomy && strcmp(copy, "abc4") == 0 && strcmp(roomy, "abc") == 0);
    }
    hf_arena_close(&arena);
}

static void a_text_can_be_appended_to_itself(void) {
    for (int in_place = 0; in_place < 2; in_place++) {
        hf_arena arena = open_arena(64 * MIB);
        char *text = hf_strdup(&arena, "ab");
        for (size_t length = 2; length < 100000; length = 3 * length + 1) {
            AT("in place %d, length %zu", in_place, length);
            if (!in_place) CHECK(hf_alloc(&arena, 1, 1) != NULL);
            char *longer = hf_asprintf_append(&arena, text, "-%s%s", text, text);
            CHECK(longer != NULL && (longer == text) == in_place);
            CHECK_EQUAL(3 * length + 1, strlen(longer));
            CHECK(longer[length] == '-' && memcmp(longer, longer + length + 1, length) == 0);
            CHECK(memcmp(longer, longer + 2 * length + 1, length) == 0);
            text = longer;
        }
        hf_arena_close(&arena);
    }
}

/* There is no byte to spare for the NUL of the older text. */
static void append_to_itself_in_the_last_bytes(hf_arena *arena) {
    enum { LENGTH = 700 };
    CHECK(hf_alloc(arena, fixture_page_size() - (3 * LENGTH + 2), 1) != NULL);
    char *text = hf_alloc(arena, LENGTH + 1, 1);
    memset(text, 'x', LENGTH);
    text[LENGTH] = '\0';
    CHECK(hf_asprintf_append(arena, text, "-%s%s", text, text) == text);
    CHECK_EQUAL(3 * LENGTH + 1, strlen(text));
    CHECK(strspn(text, "x") == LENGTH && strspn(text + LENGTH + 1, "x") == 2 * LENGTH);
    CHECK_EQUAL(0, failures.count);
    hf_arena_close(arena);
}

static void a_text_is_appended_to_itself_in_the_last_bytes(void) {
    if (!fixture_is_exact()) return;
    hf_arena with_on_failure = open_arena(fixture_page_size());
    append_to_itself_in_the_last_bytes(&with_on_failure);
    hf_arena without = fixture_open((hf_arena_options){.reserve = fixture_page_size()});
    append_to_itself_in_the_last_bytes(&without);
}

static void appends_peeked_bytes(void) {
    hf_arena arena = open_arena(64 * MIB);
    const size_t lengths[] = {0, 1, 10, 510, 511, 512, 3000, 300000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int in_place = 0; in_place < 2; in_place++) {
            size_t length = lengths[i];
            AT("%zu characters, in place %d", length, in_place);
            char *text = hf_strdup(&arena, "x");
            if (!in_place) CHECK(hf_alloc(&arena, 1, 1) != NULL);
            char *peeked = hf_peek(&arena, length + 1, NULL);
            for (size_t j = 0; j < length; j++) peeked[j] = (char)('a' + j % 23);
            peeked[length] = '\0';
            char *longer = hf_asprintf_append(&arena, text, "%s", peeked);
            CHECK(longer != NULL && longer[0] == 'x');
            CHECK((longer == text) == (in_place || length == 0));
            is_peeked_text(longer + 1, length);
        }
    hf_arena_close(&arena);
}

/* With exactly the needed bytes left in the reservation, one more, and one less: then the text is
 * as it was. */
static void appends_into_the_last_byte(void) {
    if (!fixture_is_exact()) return;
    size_t page_size = fixture_page_size();
    const size_t lengths[] = {1, 40, 510, 511, 512, 513, 700};
    static char sevens[1000];
    memset(sevens, '7', sizeof sevens - 1);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t less = 0; less < 3; less++) {
            size_t length = lengths[i] + less - 1;
            AT("%zu characters, %zu bytes left", length, lengths[i]);
            hf_arena arena = open_arena(page_size);
            CHECK(hf_alloc(&arena, (page_size - lengths[i] - 4) / 8 * 8, 1) != NULL);
            char *text = hf_asprintf(&arena, "%*d", (int)(page_size - lengths[i] - 4) % 8 + 3, 3);
            size_t old = strlen(text);
            CHECK_EQUAL(page_size - lengths[i], hf_get_mark(&arena));
            struct snapshot before = snapshot_of(&arena);
            char *longer = hf_asprintf_append(&arena, text, "%.*s", (int)length, sevens);
            if (less < 2) {
                CHECK(longer == text && strlen(text) == old + length && text[old - 1] == '3');
                CHECK_EQUAL(0, failures.count);
            } else {
                CHECK(longer == NULL && strlen(text) == old && text[old - 1] == '3');
                CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
                CHECK_EQUAL(1, failures.count);
                check_unchanged(&arena, &before);
            }
            hf_arena_close(&arena);
        }
}

static void appending_fails_with_invalid(hf_arena *arena, char *text, const char *format) {
    struct snapshot before = snapshot_of(arena);
    va_list none;
    memset(&none, 0, sizeof none);
    CHECK(hf_vasprintf_append(arena, text, format, none) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(strcmp(hf_last_error().call, "hf_asprintf_append") == 0);
    check_unchanged(arena, &before);
}

static void appending_to_no_text_of_the_arena_is_invalid(void) {
    static char local[] = "local";
    hf_arena arena = open_arena(64 * MIB), other = open_arena(64 * MIB);
    char *text = hf_strdup(&arena, "abc"), *foreign = hf_strdup(&other, "abc");
    char *gone = hf_strdup(&arena, "gone");
    hf_rewind(&arena, (size_t)(gone - hf_arena_base(&arena)));
    failures.count = 0;
    appending_fails_with_invalid(&arena, local, "x");
    appending_fails_with_invalid(&arena, foreign, "x");
    appending_fails_with_invalid(&arena, text, NULL);
    CHECK_EQUAL(3, failures.count);
    CHECK(strcmp(text, "abc") == 0 && strcmp(foreign, "abc") == 0);
    char *longer = hf_asprintf_append(&other, foreign, "%600d", 7);
    CHECK(longer == foreign);
    CHECK(hf_asprintf_append(&arena, longer, "%600d", 7) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    hf_arena_close(&other);
    hf_arena_close(&arena);
    CHECK(hf_asprintf_append(&arena, local, "%600d", 7) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(hf_asprintf_append(&arena, NULL, "%d", 7) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
}

/* The next block begins right behind the text. */
static void a_text_uses_no_more_bytes_than_it_needs(void) {
    hf_arena arena = open_arena(64 * MIB);
    for (int width = 1; width < 50; width++) {
        char *text = hf_asprintf(&arena, "%*d", width, 7), *next = hf_alloc(&arena, 1, 1);
        CHECK(next > text + width && next < text + width + 64);
        if (fixture_is_exact()) CHECK(next == text + width + 1);
        *next = 'x';
        is_padded_number(text, (size_t)width);
    }
    hf_arena_close(&arena);
}

/* The character is not in the C locale: printf fails on it; mingw's printf skips it. */
static void a_format_that_printf_fails_on_is_invalid(void) {
    static const wchar_t wide[] = {'a', 0x20ac, 0};
    if (snprintf(NULL, 0, "%ls", wide) >= 0) {
        check_skip("this printf fails on no character");
        return;
    }
    hf_arena arena = open_arena(64 * MIB);
    CHECK(hf_alloc(&arena, 3, 1) != NULL);
    struct snapshot before = snapshot_of(&arena);
    CHECK(hf_asprintf(&arena, "%ls", wide) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(through_vasprintf(&arena, "%ls", wide) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    check_unchanged(&arena, &before);
    CHECK(hf_asprintf(&arena, "%d", 7) != NULL);
    hf_arena_close(&arena);
}

/* A text that was formatted and then failed must leave no bytes in memory that counts as zero. */
static void a_failed_text_leaves_zeroed_memory_zero(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = open_arena(fixture_page_size());
    size_t room = fixture_page_size() - 16;
    CHECK(hf_alloc(&arena, 16, 1) != NULL);
    CHECK(hf_asprintf(&arena, "%.*d", (int)room, 7) == NULL);
    char *block = hf_alloc_zeroed(&arena, room, 1);
    CHECK(block != NULL && is_zero(block, room));
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(copies_texts), TEST(copies_parts_of_texts), TEST(copies_bytes),
           TEST(a_null_text_is_invalid), TEST(copies_that_do_not_fit_are_reserve_full),
           TEST(formats), TEST(formats_from_a_list), TEST(formats_texts_of_every_length),
           TEST(formats_into_the_last_byte), TEST(formats_texts_of_the_same_arena),
           TEST(peeked_bytes_may_be_arguments), TEST(appends_in_place_to_the_last_block),
           TEST(appends_to_a_copy_of_another_block), TEST(appends_to_texts_of_any_alignment),
           TEST(a_text_can_be_appended_to_itself),
           TEST(a_text_is_appended_to_itself_in_the_last_bytes), TEST(appends_peeked_bytes),
           TEST(appends_into_the_last_byte), TEST(appending_to_no_text_of_the_arena_is_invalid),
           TEST(a_text_uses_no_more_bytes_than_it_needs),
           TEST(a_format_that_printf_fails_on_is_invalid),
           TEST(a_failed_text_leaves_zeroed_memory_zero))
