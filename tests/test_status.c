/*
 * Statuses and the thread's last error, before any call of the library has failed.
 */
#include "check.h"

/* The first test: it needs a thread in which no call has failed yet. */
static void starts_without_an_error(void) {
    hf_error error = hf_last_error();
    CHECK(error.status == HF_OK);
    CHECK_EQUAL(0, error.os_code);
    CHECK(error.call == NULL);
    CHECK_EQUAL(0, error.offset);
    CHECK_EQUAL(0, error.size);
}

static bool is_one_sentence(const char *text) {
    size_t length = strlen(text);
    return length > 10 && length < 200 && !strchr(text, '\n');
}

static void every_status_has_a_text_of_its_own(void) {
    for (int status = HF_OK; status <= HF_UNSUPPORTED; status++) {
        const char *text = hf_status_text((hf_status)status);
        size_t outer = check_enter("status %d: %s", status, text ? text : "NULL");
        CHECK(text != NULL && (status == HF_OK || is_one_sentence(text)));
        for (int other = HF_OK; other < status; other++)
            CHECK(strcmp(text, hf_status_text((hf_status)other)) != 0);
        check_leave(outer);
    }
}

static void a_number_that_is_no_status_has_a_text(void) {
    CHECK(is_one_sentence(hf_status_text((hf_status)(HF_UNSUPPORTED + 1))));
    CHECK(is_one_sentence(hf_status_text((hf_status)1000000)));
    CHECK(is_one_sentence(hf_status_text((hf_status)-1)));
}

CHECK_MAIN(TEST(starts_without_an_error), TEST(every_status_has_a_text_of_its_own),
           TEST(a_number_that_is_no_status_has_a_text))
