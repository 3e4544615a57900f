/*
 * The public headers in a C++11 program: every function links, inline functions and macros work.
 */
#include <holdfast.h>
#include <holdfast/stream.h>

#include <cstring>
#include <new>
#include <string>

#include "check.h"

typedef void (*any_function)();

/* An undefined symbol fails at link time, so the test is that this program links. */
#define LINKS(function) reinterpret_cast<any_function>(&function)

static const any_function functions[] = {
    LINKS(hf_version),

    LINKS(hf_status_name),
    LINKS(hf_status_text),
    LINKS(hf_error_text),
    LINKS(hf_last_error),

    LINKS(hf_space_open),
    LINKS(hf_space_open_sized),
    LINKS(hf_space_close),
    LINKS(hf_space_base),
    LINKS(hf_space_size),
    LINKS(hf_space_page_size),
    LINKS(hf_space_split),
    LINKS(hf_space_coalesce),
    LINKS(hf_space_commit),
    LINKS(hf_space_decommit),
    LINKS(hf_space_map),
    LINKS(hf_space_unmap),
    LINKS(hf_space_commit_range),
    LINKS(hf_space_map_range),
    LINKS(hf_space_release_range),
    LINKS(hf_space_advise),
    LINKS(hf_space_find),
    LINKS(hf_space_next),
    LINKS(hf_space_get_stats),
    LINKS(hf_space_check),

    LINKS(hf_file_open),
    LINKS(hf_file_create),
    LINKS(hf_file_create_shared),
    LINKS(hf_file_from_handle),
    LINKS(hf_file_create_named),
    LINKS(hf_file_open_named),
    LINKS(hf_file_remove_named),
    LINKS(hf_file_handle),
    LINKS(hf_file_seal),
    LINKS(hf_file_is_sealed),
    LINKS(hf_file_punch_hole),
    LINKS(hf_file_size),
    LINKS(hf_file_close),

    LINKS(hf_backend_native),
    LINKS(hf_strict_open),
    LINKS(hf_strict_close),
    LINKS(hf_strict_fail),
    LINKS(hf_strict_get_stats),

    LINKS(hf_arena_open),
    LINKS(hf_arena_open_sized),
    LINKS(hf_arena_open_file),
    LINKS(hf_arena_open_file_sized),
    LINKS(hf_arena_close),
    LINKS(hf_arena_base),
    LINKS(hf_owns),
    LINKS(hf_alloc_slow),
    LINKS(hf_alloc),
    LINKS(hf_alloc_zeroed),
    LINKS(hf_alloc_array),
    LINKS(hf_extend),
    LINKS(hf_extend_zeroed),
    LINKS(hf_realloc),
    LINKS(hf_peek),
    LINKS(hf_precommit),
    LINKS(hf_strdup),
    LINKS(hf_strndup),
    LINKS(hf_memdup),
    LINKS(hf_asprintf),
    LINKS(hf_vasprintf),
    LINKS(hf_asprintf_append),
    LINKS(hf_vasprintf_append),
    LINKS(hf_free),
    LINKS(hf_get_mark),
    LINKS(hf_rewind),
    LINKS(hf_reset),
    LINKS(hf_trim),
    LINKS(hf_scope_begin),
    LINKS(hf_scope_end),
    LINKS(hf_scratch_open),
    LINKS(hf_scratch_open_sized),
    LINKS(hf_scratch_close),
    LINKS(hf_scratch_begin),
    LINKS(hf_array_grow),
    LINKS(hf_array_append_items),
    LINKS(hf_array_shrink_items),
    LINKS(hf_open_memstream),
    LINKS(hf_to_ref),
    LINKS(hf_from_ref),
    LINKS(hf_arena_get_stats),
};

static void every_function_links() {
    for (any_function function : functions) CHECK(function != nullptr);
}

struct alignas(32) particle {
    double position[3];
    particle *next;
};

/* Before main, and before the variable would be initialised if that took code. */
extern hf_arena lazy;

struct before_main {
    const char *text;
    before_main() : text(hf_strdup(&lazy, "before main")) {}
};

static const before_main early;
hf_arena lazy = HF_ARENA_LAZY;

static void a_lazy_arena_works_before_main() {
    CHECK(early.text != nullptr && std::strcmp(early.text, "before main") == 0);
    CHECK(hf_owns(&lazy, early.text));
    hf_arena_close(&lazy);
}

static void the_arena_works() {
    hf_arena arena;
    hf_arena_options options = hf_arena_options();
    options.reserve = 64 << 20;
    options.name = "particles";
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    particle *one = hf_new(&arena, particle), *many = hf_new_array(&arena, particle, 1000);
    CHECK(one && many && reinterpret_cast<uintptr_t>(many) % 32 == 0);
    CHECK(one->next == nullptr && many[999].position[2] == 0);
    one->next = static_cast<particle *>(hf_alloc(&arena, sizeof(particle), alignof(particle)));
    CHECK(hf_from_ref(&arena, hf_to_ref(&arena, many)) == many);
    hf_mark mark = hf_get_mark(&arena);
    char *text = hf_asprintf(&arena, "%s %d", "particle", 7);
    CHECK(std::strcmp(text, "particle 7") == 0);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    HF_ARRAY(particle *) array = {nullptr, 0, 0};
    CHECK(hf_array_push(&arena, &array, one) && hf_array_add(&arena, &array) != nullptr);
    CHECK(hf_array_append(&arena, &array, array.items, 1) && array.count == 3);
    CHECK(hf_array_pop(&array) == one && hf_array_reserve(&arena, &array, 1000));
    hf_array_shrink(&arena, &array);
    hf_array_free(&arena, &array);
    hf_scope scope = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    hf_arena_close(&arena);
}

/* Types that C does not have: the macros must need only their size and alignment. Two warnings that
 * C++ programs often enable are errors here: the macros must not cause them. */
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wold-style-cast"
#if !defined(__clang__) && __GNUC__ >= 8
#pragma GCC diagnostic error "-Wclass-memaccess"
#endif
#endif

class base {
  public:
    base() : value(7) {}
    explicit base(int given) : value(given) {}
    base(const base &) = delete;
    base &operator=(const base &) = delete;
    virtual ~base() {}
    virtual int get() const { return value; }

  private:
    int value;
};

class derived : public base {
  public:
    derived() : base(8), at(nullptr) {}
    int get() const override { return at ? *at : base::get(); }

  private:
    const int *at;
};

class abstract {
  public:
    virtual ~abstract() {}
    virtual void act() = 0;
};

template <typename T> static bool is_zero_object(const T *object) {
    const unsigned char *bytes = reinterpret_cast<const unsigned char *>(object);
    for (size_t i = 0; i < sizeof(T); i++)
        if (bytes[i] != 0) return false;
    return object != nullptr && reinterpret_cast<uintptr_t>(object) % alignof(T) == 0;
}

template <typename T> static bool allocates_zeroed(hf_arena *arena) {
    T *one = hf_new(arena, T), *many = hf_new_array(arena, T, 3);
    return is_zero_object(one) && is_zero_object(many) && is_zero_object(many + 2);
}

static void types_with_constructors_are_allocated() {
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, nullptr));
    CHECK(allocates_zeroed<base>(&arena) && allocates_zeroed<derived>(&arena) &&
          allocates_zeroed<std::string>(&arena));
    CHECK(allocates_zeroed<const base>(&arena) && allocates_zeroed<base *>(&arena) &&
          allocates_zeroed<const char *>(&arena));
    CHECK(hf_new(&arena, abstract) != nullptr);
    base *made = new (hf_new(&arena, derived)) derived();
    CHECK(made->get() == 8);
    made->~base();
    made = new (hf_alloc(&arena, sizeof(base), alignof(base))) base(9);
    CHECK(made->get() == 9);
    made->~base();
    hf_arena_close(&arena);
    hf_arena_close(nullptr);
}

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

static void the_space_works() {
    hf_space *space;
    hf_region region = hf_region();
    CHECK_STATUS(HF_OK, hf_space_open(&space, 1 << 20, nullptr));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 1 << 16));
    std::strcpy(hf_space_base(space), "stored");
    CHECK(hf_space_next(space, &region) && region.kind == HF_COMMITTED);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

CHECK_MAIN(TEST(every_function_links), TEST(a_lazy_arena_works_before_main), TEST(the_arena_works),
           TEST(types_with_constructors_are_allocated), TEST(the_space_works))
