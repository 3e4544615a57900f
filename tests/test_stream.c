/*
 * hf_open_memstream: a FILE that writes into an arena.
 */
#include <holdfast/stream.h>

#include <errno.h>

#include "arena_fixture.h"
#include "nth_failure.h"

static char *text;
static size_t size;

/* Where there are no streams, opening one is HF_UNSUPPORTED and allocates nothing. */
static bool has_streams(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    FILE *stream = hf_open_memstream(&arena, &text, &size);
    bool has = stream != NULL;
    if (has) {
        CHECK(fclose(stream) == 0);
    } else {
        CHECK_EQUAL(HF_UNSUPPORTED, hf_last_error().status);
        CHECK_EQUAL(0, hf_get_mark(&arena));
        check_skip("the C library has no streams of a program's own");
    }
    hf_arena_close(&arena);
    return has;
}

#undef CHECK_NEEDED
#define CHECK_NEEDED has_streams

static void a_stream_writes_one_text(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    FILE *stream = hf_open_memstream(&arena, &text, &size);
    CHECK(stream && text && text[0] == '\0' && size == 0);
    const char *first = text;
    CHECK(fprintf(stream, "%d %s", 7, "dwarfs") == 8 && fflush(stream) == 0);
    CHECK(size == 8 && strcmp(text, "7 dwarfs") == 0);
    size_t expected = 8;
    for (int i = 0; i < 100000; i++) expected += (size_t)fprintf(stream, "%d,", i);
    CHECK(fputc('x', stream) == 'x' && fclose(stream) == 0);
    CHECK(text == first && size == expected + 1 && strlen(text) == size);
    CHECK(strncmp(text, "7 dwarfs0,1,2,3,", 16) == 0 && strcmp(text + size - 7, "99999,x") == 0);
    if (fixture_is_exact()) CHECK(arena.pos == text + size + 1); /* the room is free again */
    CHECK(hf_alloc(&arena, 1, 1) >= (void *)(text + size + 1));
    hf_arena_close(&arena);
}

static void an_empty_stream_is_an_empty_text(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    FILE *stream = hf_open_memstream(&arena, &text, &size);
    CHECK(stream != NULL && fclose(stream) == 0);
    CHECK(text[0] == '\0' && size == 0);
    hf_arena_close(&arena);
}

static void zero_bytes_are_written(void) {
    static const char bytes[] = {'a', 0, 0, 'b', 0};
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    FILE *stream = hf_open_memstream(&arena, &text, &size);
    for (int i = 0; i < 10000; i++) CHECK(fwrite(bytes, 1, 5, stream) == 5);
    CHECK(fclose(stream) == 0 && size == 50000 && text[size] == '\0');
    for (size_t i = 0; i < size; i += 5) CHECK(memcmp(text + i, bytes, 5) == 0);
    hf_arena_close(&arena);
}

/* The text moves to the end, and the blocks in between stay. */
static void other_blocks_may_be_allocated(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    FILE *stream = hf_open_memstream(&arena, &text, &size);
    char *blocks[100];
    size_t expected = 0;
    for (unsigned i = 0; i < 100; i++) {
        expected += (size_t)fprintf(stream, "%*u", 500, i);
        CHECK(fflush(stream) == 0 && size == expected && strlen(text) == size);
        CHECK(atoi(text + 500 * i) == (int)i);
        blocks[i] = hf_alloc(&arena, 100, 8);
        fill(blocks[i], 100, i);
    }
    CHECK(fclose(stream) == 0 && size == expected);
    for (unsigned i = 0; i < 100; i++) {
        CHECK(is_filled(blocks[i], 100, i));
        char number[501];
        memcpy(number, text + 500 * i, 500);
        number[500] = '\0';
        CHECK(atoi(number) == (int)i);
    }
    CHECK(hf_get_mark(&arena) < 6 * expected);
    hf_arena_close(&arena);
}

static void two_streams_write_by_turns(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    char *texts[2];
    size_t sizes[2];
    FILE *streams[2];
    for (int i = 0; i < 2; i++) streams[i] = hf_open_memstream(&arena, &texts[i], &sizes[i]);
    for (int i = 0; i < 20000; i++) fprintf(streams[i % 2], "%06d", i);
    for (int i = 0; i < 2; i++) CHECK(fclose(streams[i]) == 0 && sizes[i] == 60000);
    for (int i = 0; i < 20000; i++) {
        char number[16];
        snprintf(number, sizeof number, "%06d", i);
        CHECK(memcmp(texts[i % 2] + i / 2 * 6, number, 6) == 0);
    }
    hf_arena_close(&arena);
}

static void a_full_arena_is_a_write_error(void) {
    for (int buffered = 0; buffered < 2; buffered++) {
        AT("buffered %d", buffered);
        hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
        FILE *stream = hf_open_memstream(&arena, &text, &size);
        CHECK(hf_alloc(&arena, 900000, 8) != NULL);
        if (!buffered) setvbuf(stream, NULL, _IONBF, 0);
        static char line[1000];
        memset(line, 'x', sizeof line);
        size_t written = 0;
        errno = 0;
        while (written < 2 * MIB && !ferror(stream))
            written += fwrite(line, 1, sizeof line, stream);
        CHECK_EQUAL(ENOMEM, errno);
        CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
        CHECK(ferror(stream));
        CHECK(written < 160000);
        CHECK(text[size] == '\0' && strspn(text, "x") == size && size <= written + sizeof line);
        size_t before = size;
        CHECK(fclose(stream) == EOF);
        CHECK(size == before && strlen(text) == size);
        hf_arena_close(&arena);
    }
}

static void flushing_tells_of_a_full_arena(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * KIB});
    FILE *stream = hf_open_memstream(&arena, &text, &size);
    CHECK(fputs("kept", stream) >= 0 && fflush(stream) == 0);
    while (hf_alloc(&arena, 64, 8)) continue;
    errno = 0;
    CHECK(fprintf(stream, "%*d", 500, 7) == 500); /* in the buffer */
    CHECK(fflush(stream) == EOF);
    CHECK_EQUAL(ENOMEM, errno);
    CHECK(ferror(stream) && size == 4 && strcmp(text, "kept") == 0);
    CHECK(fclose(stream) == EOF);
    CHECK(size == 4 && strcmp(text, "kept") == 0);
    hf_arena_close(&arena);
}

static void streams_do_not_seek(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB});
    FILE *stream = hf_open_memstream(&arena, &text, &size);
    CHECK(fputs("abc", stream) >= 0);
    errno = 0;
    CHECK(fseek(stream, 0, SEEK_SET) != 0);
    CHECK_EQUAL(ESPIPE, errno);
    errno = 0;
    CHECK(ftell(stream) == -1);
    CHECK_EQUAL(ESPIPE, errno);
    CHECK(fputs("d", stream) >= 0 && fflush(stream) == 0 && strcmp(text, "abcd") == 0);
    CHECK(fclose(stream) == 0 && strcmp(text, "abcd") == 0);
    hf_arena_close(&arena);
}

static void wrong_arguments_are_invalid(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB}), lazy = HF_ARENA_LAZY;
    CHECK(hf_open_memstream(&arena, NULL, &size) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(hf_open_memstream(&arena, &text, NULL) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    hf_arena_close(&arena);
    CHECK(hf_open_memstream(&arena, &text, &size) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    FILE *stream = hf_open_memstream(&lazy, &text, &size);
    CHECK(stream != NULL && fclose(stream) == 0);
    hf_arena_close(&lazy);
}

static void print_and_use(struct failure *failure) {
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 64 * MIB, .backend = failure->strict});
    failure_on(failure);
    FILE *stream = hf_open_memstream(&arena, &text, &size);
    bool is_open = stream != NULL;
    for (int i = 0; i < 100000 && is_open && !ferror(stream); i++) fprintf(stream, "%06d", i);
    bool is_closed = is_open && fclose(stream) == 0;
    failure_off(failure);
    if (!is_closed) check_failure(failure, hf_last_error().status);
    if (!is_open) CHECK_EQUAL(0, hf_get_mark(&arena));
    if (is_closed) CHECK_EQUAL(600000, size);
    for (size_t i = 0; is_open && i + 6 <= size; i += 6) {
        char number[16];
        snprintf(number, sizeof number, "%06d", (int)(i / 6));
        CHECK(memcmp(text + i, number, 6) == 0);
    }
    if (is_open) CHECK(text[size] == '\0');
    CHECK(hf_alloc(&arena, MIB, 8) != NULL);
    hf_arena_close(&arena);
}

static void printing_with_the_nth_call_failing(void) {
    CHECK(each_failure(print_and_use, NULL) >= 2);
}

CHECK_MAIN(TEST(a_stream_writes_one_text), TEST(an_empty_stream_is_an_empty_text),
           TEST(zero_bytes_are_written), TEST(other_blocks_may_be_allocated),
           TEST(two_streams_write_by_turns), TEST(a_full_arena_is_a_write_error),
           TEST(flushing_tells_of_a_full_arena), TEST(streams_do_not_seek),
           TEST(wrong_arguments_are_invalid), TEST(printing_with_the_nth_call_failing))
