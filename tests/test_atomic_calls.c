/* The functions of atomic.c, which programs call whose compiler has no atomic operations. */
#include "check.h"

#include <holdfast/atomic.h>

static void each_function_does_what_its_inline_twin_does(void) {
    size_t value = 5;
    CHECK_EQUAL(5, hf_atomic_load(&value));
    hf_atomic_store(&value, 6);
    CHECK_EQUAL(6, value);
    CHECK_EQUAL(6, hf_atomic_add(&value, 5));
    CHECK_EQUAL(11, hf_atomic_exchange(&value, 3));
    CHECK_EQUAL(3, value);
}

CHECK_MAIN(TEST(each_function_does_what_its_inline_twin_does))
