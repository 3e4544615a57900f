/*
 * shared_object.h -- what the shared object of test_shared_object exports.
 */
#ifndef HF_TEST_SHARED_OBJECT_H
#define HF_TEST_SHARED_OBJECT_H

#include <stddef.h>

/* The length of a text, measured on a copy in an arena. */
size_t shared_object_measure(const char *text);

/* The status of this thread's last error after a call that fails with HF_INVALID. */
int shared_object_error(void);

#endif
