/*
 * on_failure leaves by a C++ exception: through the library's C functions, which own nothing that
 * would have to be cleaned up.
 */
#include <holdfast/arena.h>

#include <cstring>
#include <new>

#include "check.h"

static const size_t reserve = 1 << 20;

static bool throw_bad_alloc(hf_arena *, hf_status, size_t, void *) { throw std::bad_alloc(); }

static hf_arena open_throwing() {
    hf_arena arena;
    hf_arena_options options = {};
    options.reserve = reserve;
    options.on_failure = throw_bad_alloc;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    return arena;
}

template <typename Ask> static bool throws(Ask ask) {
    try {
        ask();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

static void every_function_lets_it_through() {
    hf_arena arena = open_throwing();
    char *kept = hf_strdup(&arena, "kept");
    static char text[reserve + 1];
    std::memset(text, 'x', reserve);
    hf_arena_stats before = hf_arena_get_stats(&arena);
    for (int i = 0; i < 3; i++) {
        CHECK(throws([&] { hf_alloc(&arena, reserve + 1, 8); }));
        CHECK(throws([&] { hf_alloc(&arena, 8, 3); }));
        CHECK(throws([&] { hf_alloc_zeroed(&arena, reserve + 1, 8); }));
        CHECK(throws([&] { return hf_new_array(&arena, double, reserve); }));
        CHECK(throws([&] { hf_realloc(&arena, kept, 5, reserve + 1, 8); }));
        CHECK(throws([&] { hf_peek(&arena, reserve + 1, nullptr); }));
        CHECK(throws([&] { hf_strdup(&arena, text); }));
        CHECK(throws([&] { hf_strdup(&arena, nullptr); }));
        CHECK(throws([&] { hf_strndup(&arena, text, reserve); }));
        CHECK(throws([&] { hf_memdup(&arena, text, sizeof text); }));
        CHECK(throws([&] { hf_asprintf(&arena, "%s", text); }));
    }
    hf_arena_stats after = hf_arena_get_stats(&arena);
    after.system_calls = before.system_calls; /* pages for a long text, freed again */
    CHECK(std::memcmp(&before, &after, sizeof before) == 0);
    CHECK(std::strcmp(kept, "kept") == 0);
    CHECK(hf_alloc(&arena, reserve / 2, 8) != nullptr);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    hf_arena_close(&arena);
}

/* How a container would use it: operator new throws, and the arena goes on. */
static void a_frame_is_given_up_and_the_next_one_works() {
    hf_arena arena = open_throwing();
    for (size_t frame = 0; frame < 20; frame++) {
        hf_scope scope = hf_scope_begin(&arena);
        bool gave_up = throws([&] {
            for (size_t i = 0; i < frame * 10; i++) hf_alloc(&arena, 10000, 8);
        });
        CHECK(gave_up == (frame * 10 * 10000 > reserve));
        CHECK_STATUS(HF_OK, hf_scope_end(scope));
        CHECK_EQUAL(0, hf_get_mark(&arena));
    }
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(every_function_lets_it_through), TEST(a_frame_is_given_up_and_the_next_one_works))
