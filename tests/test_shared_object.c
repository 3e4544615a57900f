/*
 * Uses a shared object that contains libholdfast.a from a program that does not link the library.
 */
#include <pthread.h>

#include "check.h"
#include "holdfast/status.h"
#include "shared_object.h"

static void an_arena_works_in_a_shared_object(void) {
    CHECK_EQUAL(8, shared_object_measure("holdfast"));
    CHECK_EQUAL(0, shared_object_measure(""));
}

static void *fail_in_a_thread(void *status) {
    *(int *)status = shared_object_error();
    return NULL;
}

static void the_last_error_works_in_a_shared_object(void) {
    int status = HF_OK;
    pthread_t thread;
    CHECK_EQUAL(HF_INVALID, shared_object_error());
    CHECK_EQUAL(0, pthread_create(&thread, NULL, fail_in_a_thread, &status));
    CHECK_EQUAL(0, pthread_join(thread, NULL));
    CHECK_EQUAL(HF_INVALID, status);
}

CHECK_MAIN(TEST(an_arena_works_in_a_shared_object), TEST(the_last_error_works_in_a_shared_object))
