/*
 * Names and sentences of the statuses, the last error of a thread before any call failed, and
 * hf_error_text.
 */
#include "check.h"
#include "holdfast/arena.h"

/* Must be the first test: it needs a thread in which no call has failed yet. */
static void starts_without_an_error(void) {
    hf_error error = hf_last_error();
    CHECK(error.status == HF_OK);
    CHECK_EQUAL(0, error.os_code);
    CHECK(error.call == NULL);
    CHECK(error.reason == NULL);
    CHECK(!error.undo_failed);
    CHECK_EQUAL(0, error.offset);
    CHECK_EQUAL(0, error.size);
}

static bool is_one_sentence(const char *text) {
    size_t length = strlen(text);
    return length > 10 && length < 200 && !strchr(text, '\n');
}

static void every_status_has_a_different_text(void) {
    for (int status = HF_OK; status <= HF_UNSUPPORTED; status++) {
        const char *text = hf_status_text((hf_status)status);
        size_t outer = check_enter("status %d: %s", status, text ? text : "NULL");
        CHECK(text != NULL && (status == HF_OK || is_one_sentence(text)));
        for (int other = HF_OK; other < status; other++)
            CHECK(strcmp(text, hf_status_text((hf_status)other)) != 0);
        check_leave(outer);
    }
}

/* The text of a status is true whoever calls: it assumes no regions and no other process. */
static void texts_are_true_for_every_caller(void) {
    for (int status = HF_OK; status <= HF_UNSUPPORTED; status++) {
        const char *text = hf_status_text((hf_status)status);
        CHECK(!strstr(text, "region") && !strstr(text, "hf_space") &&
              !strstr(text, "nother process"));
        CHECK(!strstr(text, "arena"));
    }
}

/* A writer gets HF_BUSY because of readers, too. */
static void a_busy_file_may_have_readers_only(void) {
    const char *text = hf_status_text(HF_BUSY);
    CHECK(strstr(text, "only readers share it") && !strstr(text, "for writing"));
}

static void an_unknown_status_has_a_text(void) {
    CHECK(is_one_sentence(hf_status_text((hf_status)(HF_UNSUPPORTED + 1))));
    CHECK(is_one_sentence(hf_status_text((hf_status)1000000)));
    CHECK(is_one_sentence(hf_status_text((hf_status)-1)));
}

static void a_status_is_named_as_in_the_source(void) {
#define IS_NAMED(status) CHECK(strcmp(#status, hf_status_name(status)) == 0)
    IS_NAMED(HF_OK);
    IS_NAMED(HF_INVALID);
    IS_NAMED(HF_WRONG_STATE);
    IS_NAMED(HF_NO_ADDRESS);
    IS_NAMED(HF_NO_MEMORY);
    IS_NAMED(HF_MAP_LIMIT);
    IS_NAMED(HF_RESERVE_FULL);
    IS_NAMED(HF_NO_SPACE);
    IS_NAMED(HF_IO);
    IS_NAMED(HF_CORRUPT);
    IS_NAMED(HF_BUSY);
    IS_NAMED(HF_UNSUPPORTED);
    CHECK(strcmp("HF_(unknown)", hf_status_name((hf_status)(HF_UNSUPPORTED + 1))) == 0);
    CHECK(strcmp("HF_(unknown)", hf_status_name((hf_status)-1)) == 0);
}

/* ------------------------------------------------------------------ the text of an error ---- */

static void expect_text(const char *expected, const hf_error *error) {
    char text[HF_ERROR_TEXT_SIZE];
    CHECK_EQUAL(strlen(expected), hf_error_text(error, text, sizeof text));
    size_t outer = check_enter("%s", text);
    CHECK(strcmp(expected, text) == 0);
    check_leave(outer);
}

static void an_error_is_one_line(void) {
    expect_text("The call succeeded.", &(hf_error){.status = HF_OK});
    expect_text("The call failed (HF_RESERVE_FULL). The reservation has no room for that: reserve "
                "more when opening. What is read-only does not grow at all.",
                &(hf_error){.status = HF_RESERVE_FULL});
    expect_text("hf_arena_open_file failed at offset 0, size 4096: the image is cut off "
                "(HF_CORRUPT). The contents are not what they should be: don't use them.",
                &(hf_error){.status = HF_CORRUPT,
                            .call = "hf_arena_open_file",
                            .reason = "the image is cut off",
                            .size = 4096});
}

static void a_failed_undo_is_reported(void) {
    hf_error error = {.status = HF_NO_MEMORY, .call = "mprotect", .undo_failed = true};
    expect_text("mprotect failed (HF_NO_MEMORY). The system commits no more memory: free some, or "
                "raise its limit. A step before it could not be undone: hf_space_find() tells "
                "which regions and protections there are now.",
                &error);
}

static void the_text_is_truncated_as_by_snprintf(void) {
    const hf_error error = {
        .status = HF_IO, .call = "call", .reason = "a reason", .offset = SIZE_MAX, .size = 10};
    char whole[HF_ERROR_TEXT_SIZE], text[HF_ERROR_TEXT_SIZE];
    size_t length = hf_error_text(&error, whole, sizeof whole);
    CHECK(length < sizeof whole && strlen(whole) == length);
    CHECK_EQUAL(length, hf_error_text(&error, NULL, 0));
    for (size_t size = 1; size <= length + 2; size++) {
        memset(text, '#', sizeof text);
        CHECK_EQUAL(length, hf_error_text(&error, text, size));
        size_t kept = size - 1 < length ? size - 1 : length;
        CHECK(memcmp(whole, text, kept) == 0);
        CHECK_EQUAL('\0', text[kept]);
        CHECK_EQUAL('#', text[size]);
    }
}

/* Code 2 is ENOENT, on Windows ERROR_FILE_NOT_FOUND. */
static void a_missing_file_has_the_text_of_the_system(void) {
#ifdef _WIN32
    const char *text_of_code = ": File not found (HF_IO, code 2). ", *other = "cannot find";
#else
    const char *text_of_code = ": No such file or directory (HF_IO, code 2). ",
               *other = text_of_code;
#endif
    char text[HF_ERROR_TEXT_SIZE];
    hf_arena arena;
    void *data;
    size_t size;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    CHECK_STATUS(HF_IO, hf_arena_append_file(&arena, "no such file", HF_READ_ONLY, &data, &size));
    CHECK(hf_error_text(NULL, text, sizeof text) < sizeof text);
    size_t outer = check_enter("%s", text);
    CHECK(strstr(text, text_of_code) != NULL || strstr(text, other) != NULL);
    CHECK(strstr(text, "check the path") != NULL);
    check_leave(outer);
    hf_arena_close(&arena);
}

static void an_unknown_code_is_a_number(void) {
    char text[HF_ERROR_TEXT_SIZE];
    hf_error error = {.status = HF_IO, .call = "call", .os_code = -20000};
    hf_error_text(&error, text, sizeof text);
    CHECK(strstr(text, "code -20000)") != NULL);
    error.os_code = 123456789;
    hf_error_text(&error, text, sizeof text);
    CHECK(strstr(text, "code 123456789)") != NULL);
}

CHECK_MAIN(TEST(starts_without_an_error), TEST(every_status_has_a_different_text),
           TEST(texts_are_true_for_every_caller), TEST(a_busy_file_may_have_readers_only),
           TEST(an_unknown_status_has_a_text), TEST(a_status_is_named_as_in_the_source),
           TEST(an_error_is_one_line), TEST(a_failed_undo_is_reported),
           TEST(the_text_is_truncated_as_by_snprintf),
           TEST(a_missing_file_has_the_text_of_the_system), TEST(an_unknown_code_is_a_number))
