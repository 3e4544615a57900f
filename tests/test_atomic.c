/*
 * atomic.h as Microsoft's compiler for ARM64EC sees it: that compiler defines the macros of x64,
 * but the processor does not order loads and stores as x64 does.
 */
#include "check.h"

#ifndef _MSC_VER
#define _MSC_VER 1939
#define _M_X64 100
#define _M_ARM64EC 1
#include "holdfast/atomic.h"

static void arm64ec_has_fences(void) {
    size_t value = 5;
    CHECK_EQUAL(5, hf_load_acquire(&value));
    CHECK(fences == 1 && barriers == 0);
    hf_store_release(&value, 6);
    CHECK(value == 6 && fences == 2 && barriers == 0);
}

/* Without _WIN64 atomic.h uses the function for long; size_t and long have the same size here. */
static void fetch_add_and_exchange_work(void) {
    size_t value = 6;
    CHECK_EQUAL(6, hf_fetch_add(&value, 5));
    CHECK_EQUAL(11, value);
    CHECK_EQUAL(11, hf_exchange(&value, 3));
    CHECK_EQUAL(3, value);
}

static void compare_exchange_stores_if_the_value_is_expected(void) {
    size_t value = 6, expected = 5;
    CHECK(!hf_compare_exchange(&value, &expected, 7));
    CHECK(value == 6 && expected == 6);
    CHECK(hf_compare_exchange(&value, &expected, 7));
    CHECK(value == 7 && expected == 6);
}
#else
static void compare_exchange_stores_if_the_value_is_expected(void) {
    check_skip("the compiler is the real one");
}
static void fetch_add_and_exchange_work(void) { check_skip("the compiler is the real one"); }
static void arm64ec_has_fences(void) { check_skip("the compiler is the real one"); }
#endif

CHECK_MAIN(TEST(arm64ec_has_fences), TEST(fetch_add_and_exchange_work),
           TEST(compare_exchange_stores_if_the_value_is_expected))
