/*
 * HF_ARENA_LAZY: every function of an arena on one that is not open yet.
 */
#include "arena_fixture.h"
#include "disk.h"

static const char path[] = "test_arena_lazy.tmp";

static bool is_lazy(const hf_arena *arena) { return arena->state == NULL && arena->pos != NULL; }

static bool is_zeroed(const hf_arena *arena) {
    return arena->pos == NULL && arena->limit == NULL && arena->state == NULL;
}

static void ignore(void *data) { (void)data; }

static const void *open_by_alloc(hf_arena *arena) { return hf_alloc(arena, 10, 64); }
static const void *open_by_alloc_of_nothing(hf_arena *arena) { return hf_alloc(arena, 0, 1); }
static const void *open_by_alloc_zeroed(hf_arena *arena) { return hf_alloc_zeroed(arena, 10, 1); }
static const void *open_by_new_array(hf_arena *arena) { return hf_new_array(arena, int, 100000); }
static const void *open_by_realloc(hf_arena *arena) { return hf_realloc(arena, NULL, 0, 10, 8); }
static const void *open_by_peek(hf_arena *arena) { return hf_peek(arena, 10, NULL); }
static const void *open_by_strdup(hf_arena *arena) { return hf_strdup(arena, "text"); }
static const void *open_by_strndup(hf_arena *arena) { return hf_strndup(arena, "text", 2); }
static const void *open_by_memdup(hf_arena *arena) { return hf_memdup(arena, "text", 4); }
static const void *open_by_asprintf(hf_arena *arena) { return hf_asprintf(arena, "%d", 7); }
static const void *open_by_long_asprintf(hf_arena *arena) { return hf_asprintf(arena, "%900d", 7); }
static const void *open_by_append(hf_arena *arena) {
    return hf_asprintf_append(arena, NULL, "%d", 7);
}
static const void *open_by_precommit(hf_arena *arena) {
    return hf_precommit(arena, 10) == HF_OK ? hf_arena_base(arena) : NULL;
}
static const void *open_by_defer(hf_arena *arena) {
    return hf_defer(arena, ignore, NULL) == HF_OK ? hf_arena_base(arena) : NULL;
}
static const void *open_by_append_file(hf_arena *arena) {
    void *data;
    size_t size;
    return hf_arena_append_file(arena, path, HF_READ_ONLY, &data, &size) == HF_OK ? data : NULL;
}
/* A Windows from before placeholders has none in a space. */
static bool has_views(void) {
    hf_arena arena = HF_ARENA_LAZY;
    void *data;
    size_t size;
    hf_status status = hf_arena_append_file(&arena, path, HF_READ_ONLY, &data, &size);
    hf_arena_close(&arena);
    return status != HF_UNSUPPORTED;
}

static const void *open_by_scope(hf_arena *arena) {
    CHECK_STATUS(HF_OK, hf_scope_end(hf_scope_begin(arena)));
    return hf_arena_base(arena);
}

static void functions_that_need_memory_open_it(void) {
    static const void *(*const openings[])(hf_arena *) = {
        open_by_alloc,         open_by_alloc_of_nothing,
        open_by_alloc_zeroed,  open_by_new_array,
        open_by_realloc,       open_by_peek,
        open_by_strdup,        open_by_strndup,
        open_by_memdup,        open_by_asprintf,
        open_by_long_asprintf, open_by_append,
        open_by_precommit,     open_by_defer,
        open_by_append_file,   open_by_scope};
    disk_close(disk_create(path, 1000));
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        AT("row %zu", i);
        if (openings[i] == open_by_append_file && !has_views()) continue;
        hf_arena arena = HF_ARENA_LAZY, closed = {0};
        CHECK(hf_rewind(&arena, SIZE_MAX) == HF_INVALID); /* an error that must stay */
        const void *block = openings[i](&arena);
        CHECK(block != NULL && arena.state != NULL);
        CHECK(hf_owns(&arena, block) || block == arena.pos);
        CHECK(strcmp(hf_last_error().call, "hf_rewind") == 0);
        hf_arena_close(&arena);
        CHECK(is_zeroed(&arena));
        if (openings[i] != open_by_scope) CHECK(openings[i](&closed) == NULL); /* stays closed */
        if (openings[i] != open_by_scope) CHECK_EQUAL(HF_INVALID, hf_last_error().status);
        CHECK(is_zeroed(&closed));
    }
    disk_remove(path);
}

static void other_functions_find_it_empty(void) {
    hf_arena arena = HF_ARENA_LAZY;
    char local[10] = "";
    CHECK_EQUAL(0, hf_get_mark(&arena));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_STATUS(HF_OK, hf_trim(&arena, MIB));
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, 1));
    CHECK(!hf_extend(&arena, local, 10, 20) && hf_last_error().status == HF_INVALID);
    CHECK(!hf_extend(&arena, arena.pos, 0, 20) && hf_last_error().status == HF_INVALID);
    CHECK(hf_realloc(&arena, local, 10, 20, 1) == NULL);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    hf_free(&arena, local, 10);
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    hf_free(&arena, NULL, 0);
    CHECK(hf_alloc(&arena, 1, 3) == NULL && hf_last_error().status == HF_INVALID);
    CHECK(hf_asprintf_append(&arena, local, "%d", 7) == NULL);
    CHECK_STATUS(HF_INVALID, hf_defer(&arena, NULL, NULL));
    CHECK_STATUS(HF_INVALID, hf_arena_append_file(&arena, path, HF_READ_ONLY, NULL, NULL));
    CHECK(hf_arena_base(&arena) == NULL && !hf_owns(&arena, local));
    CHECK(!hf_owns(&arena, arena.pos) && hf_to_ref(&arena, NULL) == 0);
    CHECK(hf_to_ref(&arena, local) == 0 && hf_from_ref(&arena, 1) == NULL);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, NULL));
    CHECK_STATUS(HF_INVALID, hf_arena_set_root(&arena, local));
    CHECK(hf_arena_root(&arena) == NULL);
    CHECK_STATUS(HF_WRONG_STATE, hf_arena_sync(&arena));
    hf_arena_stats stats = hf_arena_get_stats(&arena), none = {0};
    CHECK(memcmp(&stats, &none, sizeof none) == 0);
    CHECK(is_lazy(&arena));
    CHECK(hf_alloc(&arena, 1, 1) != NULL);
    hf_arena_close(&arena);
}

static void saving_it_saves_an_empty_arena(void) {
    hf_arena arena = HF_ARENA_LAZY, saved;
    CHECK_STATUS(HF_INVALID, hf_arena_save(&arena, ""));
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, path));
    CHECK(is_lazy(&arena));
    CHECK_STATUS(HF_OK, hf_arena_open_file(&saved, path, HF_READ_ONLY,
                                           &(hf_arena_options){.any_base = true}));
    CHECK_EQUAL(0, hf_get_mark(&saved));
    hf_arena_close(&saved);
    disk_remove(path);
}

static void it_works_as_an_arena_with_default_options(void) {
    static hf_arena arena = HF_ARENA_LAZY;
    hf_arena usual = fixture_open((hf_arena_options){0});
    for (unsigned i = 0; i < 1000; i++) fill(hf_alloc(&arena, 1000, 8), 1000, i);
    CHECK(hf_arena_get_stats(&arena).reserved <= hf_arena_get_stats(&usual).reserved);
    CHECK(is_filled(hf_arena_base(&arena), 1000, 0));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    hf_arena_close(&arena);
    hf_arena_close(&usual);
    CHECK(hf_alloc(&arena, 1, 1) == NULL && hf_last_error().status == HF_INVALID);
}

/* Never open, it is closed nevertheless. */
static void closing_it_closes_it_for_good(void) {
    hf_arena arena = HF_ARENA_LAZY;
    hf_arena_close(&arena);
    CHECK(is_zeroed(&arena));
    CHECK(hf_alloc(&arena, 1, 1) == NULL && hf_last_error().status == HF_INVALID);
    CHECK_STATUS(HF_INVALID, hf_reset(&arena));
}

static void it_can_be_opened_with_options(void) {
    hf_arena arena = HF_ARENA_LAZY;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &(hf_arena_options){.reserve = MIB}));
    CHECK_EQUAL(MIB, hf_arena_get_stats(&arena).reserved);
    hf_arena_close(&arena);
}

static void scratch_arenas_can_be_lazy(void) {
    hf_scratch scratch = {{HF_ARENA_LAZY, HF_ARENA_LAZY}};
    hf_scope scope = hf_scratch_begin(&scratch, &scratch.arenas[0]);
    CHECK(scope.arena == &scratch.arenas[1] && hf_strdup(scope.arena, "text") != NULL);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    CHECK(is_lazy(&scratch.arenas[0]));
    hf_scratch_close(&scratch);
    CHECK(is_zeroed(&scratch.arenas[0]) && is_zeroed(&scratch.arenas[1]));
}

CHECK_MAIN(TEST(functions_that_need_memory_open_it), TEST(other_functions_find_it_empty),
           TEST(saving_it_saves_an_empty_arena), TEST(it_works_as_an_arena_with_default_options),
           TEST(closing_it_closes_it_for_good), TEST(it_can_be_opened_with_options),
           TEST(scratch_arenas_can_be_lazy))
