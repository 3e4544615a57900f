/*
 * atomic.h as Microsoft's compiler for ARM64EC sees it: with the macros of x64, and with loads and
 * stores that the processor does not order by itself.
 */
#include "check.h"

#ifndef _MSC_VER
#define _MSC_VER 1939
#define _M_X64 100
#define _M_ARM64EC 1
#include "holdfast/atomic.h"

static void arm64ec_has_fences(void) {
    size_t word = 5;
    CHECK_EQUAL(5, hf_load_acquire(&word));
    CHECK(fences == 1 && barriers == 0);
    hf_store_release(&word, 6);
    CHECK(word == 6 && fences == 2 && barriers == 0);
}

/* Without _WIN64 the word is a long, which it is here too. */
static void words_are_changed_at_once(void) {
    size_t word = 6;
    CHECK_EQUAL(6, hf_fetch_add(&word, 5));
    CHECK_EQUAL(11, word);
}
#else
static void words_are_changed_at_once(void) { check_skip("the compiler is the real one"); }
static void arm64ec_has_fences(void) { check_skip("the compiler is the real one"); }
#endif

CHECK_MAIN(TEST(arm64ec_has_fences), TEST(words_are_changed_at_once))
