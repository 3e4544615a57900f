/*
 * Tests each adapter against its library: the same work gives the same bytes with holdfast and
 * without, every block is freed, and an allocation that fails is reported by the library.
 */
#include <holdfast.h>

#include <holdfast/adapt/libxml2.h>
#include <holdfast/adapt/lua.h>
#include <holdfast/adapt/sqlite.h>
#include <holdfast/adapt/yyjson.h>
#include <holdfast/adapt/zlib.h>

#include <limits.h>

#include "../check.h"
#include "../nth_failure.h"
#include "workloads.h"

#define AT(...) (check_leave(0), (void)check_enter(__VA_ARGS__))

struct result {
    char *bytes;
    size_t size;
    bool done;
};

static struct result run(workload *work, hf_heap *heap, unsigned scale) {
    struct result result;
    FILE *out = open_memstream(&result.bytes, &result.size);
    CHECK(out != NULL);
    result.done = work(heap, scale, out);
    fclose(out);
    return result;
}

static hf_heap *open_heap(size_t reserve, const hf_backend *backend) {
    hf_heap *heap;
    hf_heap_options options = {.reserve = reserve, .least_reserve = reserve, .backend = backend};
    CHECK_STATUS(HF_OK, hf_heap_open(&heap, &options));
    return heap;
}

/* The library freed all, and the heap is sound. */
static void close_heap(hf_heap *heap) {
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    CHECK_EQUAL(0, hf_heap_get_stats(heap).blocks);
    hf_heap_close(heap);
}

static void check_same(struct result expected, struct result result) {
    CHECK(expected.done && result.done);
    CHECK(expected.size > 1000);
    CHECK_EQUAL(expected.size, result.size);
    CHECK(memcmp(expected.bytes, result.bytes, result.size) == 0);
}

/* Twice in one heap: the second time in blocks that were freed. */
static void same_in_a_heap(workload *work, unsigned scale) {
    struct result plain = run(work, NULL, scale);
    hf_heap *heap = open_heap(0, NULL);
    for (int round = 0; round < 2; round++) {
        AT("round %d", round);
        struct result result = run(work, heap, scale);
        check_same(plain, result);
        free(result.bytes);
        CHECK_STATUS(HF_OK, hf_heap_check(heap));
    }
    CHECK(hf_heap_get_stats(heap).peak > 0);
    close_heap(heap);
    free(plain.bytes);
}

/* Reservations from the least one on, until the work succeeds. */
static void reports_full_reservations(workload *work) {
    size_t failed = 0;
    struct result plain = run(work, NULL, 1);
    for (size_t reserve = 256 * 1024;; reserve += 64 * 1024) {
        AT("reserve %zu", reserve);
        hf_heap *heap = open_heap(reserve, NULL);
        struct result result = run(work, heap, 1);
        close_heap(heap);
        free(result.bytes);
        if (result.done) break;
        failed++;
    }
    CHECK(failed > 0);
    free(plain.bytes);
}

static void attempt(struct failure *failure) {
    workload *work = *(workload *const *)failure->user;
    hf_heap *heap = open_heap((size_t)64 << 20, failure->strict);
    failure_on(failure);
    struct result result = run(work, heap, 1);
    failure_off(failure);
    CHECK(result.done || failure->failed > 0);
    free(result.bytes);
    close_heap(heap);
}

static void reports_each_failure(workload *work) { CHECK(each_failure(attempt, &work) > 0); }

/* ------------------------------------------------------------ each library ---------------- */

static void lua_strings_are_the_same(void) { same_in_a_heap(workload_lua_strings, 3); }
static void lua_tables_are_the_same(void) { same_in_a_heap(workload_lua_tables, 3); }
static void sqlite_is_the_same(void) { same_in_a_heap(workload_sqlite, 10); }
static void cjson_is_the_same(void) { same_in_a_heap(workload_cjson, 5); }
static void expat_is_the_same(void) { same_in_a_heap(workload_expat, 5); }
static void libxml2_is_the_same(void) { same_in_a_heap(workload_libxml2, 5); }
static void tree_sitter_is_the_same(void) { same_in_a_heap(workload_tree_sitter, 1); }
static void zlib_is_the_same(void) { same_in_a_heap(workload_zlib, 5); }
static void png_is_the_same(void) { same_in_a_heap(workload_png, 5); }
static void yyjson_is_the_same(void) { same_in_a_heap(workload_yyjson, 5); }
static void stb_is_the_same(void) { same_in_a_heap(workload_stb, 3); }
static void ode_is_the_same(void) { same_in_a_heap(workload_ode, 3); }

/* The workload opens the arena; any heap tells it to. */
static void yyjson_is_the_same_in_an_arena(void) {
    hf_heap *heap = open_heap(0, NULL);
    struct result plain = run(workload_yyjson_arena, NULL, 5);
    struct result result = run(workload_yyjson_arena, heap, 5);
    check_same(plain, result);
    free(plain.bytes);
    free(result.bytes);
    close_heap(heap);
}

static void lua_reports_that_memory_is_full(void) {
    reports_full_reservations(workload_lua_strings);
    reports_full_reservations(workload_lua_tables);
}

static void sqlite_reports_that_memory_is_full(void) { reports_full_reservations(workload_sqlite); }
static void cjson_reports_that_memory_is_full(void) { reports_full_reservations(workload_cjson); }
static void expat_reports_that_memory_is_full(void) { reports_full_reservations(workload_expat); }
static void zlib_reports_that_memory_is_full(void) { reports_full_reservations(workload_zlib); }
static void png_reports_that_memory_is_full(void) { reports_full_reservations(workload_png); }
static void yyjson_reports_that_memory_is_full(void) { reports_full_reservations(workload_yyjson); }

static void lua_reports_each_failure(void) { reports_each_failure(workload_lua_tables); }
static void sqlite_reports_each_failure(void) { reports_each_failure(workload_sqlite); }
static void cjson_reports_each_failure(void) { reports_each_failure(workload_cjson); }
static void expat_reports_each_failure(void) { reports_each_failure(workload_expat); }
static void zlib_reports_each_failure(void) { reports_each_failure(workload_zlib); }
static void png_reports_each_failure(void) { reports_each_failure(workload_png); }
static void yyjson_reports_each_failure(void) { reports_each_failure(workload_yyjson); }

/* ------------------------------------------------------ what glue by hand gets wrong ------- */

static const size_t too_large[] = {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 15, SIZE_MAX - 4096,
                                   SIZE_MAX / 2 + 1};

static void sizes_near_the_largest_fail(void) {
    hf_heap *heap = open_heap(0, NULL);
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    hf_libxml2_use(heap);
    char *block = hf_libxml2_strdup("0123456789");
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        AT("row %zu", i);
        size_t size = too_large[i];
        CHECK(hf_lua_alloc(heap, NULL, 0, size) == NULL);
        CHECK(hf_lua_alloc(heap, block, 11, size) == NULL);
        CHECK(hf_libxml2_malloc(size) == NULL && hf_libxml2_realloc(block, size) == NULL);
        CHECK(hf_yyjson_malloc(heap, size) == NULL);
        CHECK(hf_yyjson_arena_malloc(&arena, size) == NULL);
    }
    CHECK(hf_zlib_alloc(heap, UINT_MAX, UINT_MAX) == NULL);
    CHECK(strcmp(block, "0123456789") == 0);
    hf_libxml2_free(block);
    hf_arena_close(&arena);
    close_heap(heap);
}

static void null_and_zero_are_as_each_library_wants(void) {
    hf_heap *heap = open_heap(0, NULL);
    hf_libxml2_use(heap);
    CHECK(hf_lua_alloc(heap, NULL, 5, 0) == NULL); /* 5: the type of a table */
    CHECK(hf_lua_alloc(heap, hf_lua_alloc(heap, NULL, 5, 10), 10, 0) == NULL);
    hf_libxml2_free(NULL);
    hf_zlib_free(heap, NULL);
    hf_yyjson_free(heap, NULL);
    void *one = hf_libxml2_malloc(0), *other = hf_libxml2_realloc(NULL, 0);
    CHECK(one != NULL && other != NULL && one != other);
    CHECK((one = hf_libxml2_realloc(one, 0)) != NULL);
    hf_libxml2_free(one);
    hf_libxml2_free(other);
    close_heap(heap);
}

static void libxml2_copies_whole_texts(void) {
    hf_heap *heap = open_heap(0, NULL);
    char text[100] = "";
    hf_libxml2_use(heap);
    for (size_t length = 0; length < 99; text[length++] = 'y') {
        AT("length %zu", length);
        char *used = hf_libxml2_malloc(length + 1);
        memset(used, 'x', hf_heap_usable_size(heap, used));
        hf_libxml2_free(used);
        char *copy = hf_libxml2_strdup(text);
        CHECK(strlen(copy) == length && strcmp(copy, text) == 0);
        hf_libxml2_free(copy);
    }
    close_heap(heap);
}

static void yyjson_grows_blocks_of_an_arena_in_place(void) {
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    char *one = hf_yyjson_arena_malloc(&arena, 100);
    CHECK(hf_yyjson_arena_realloc(&arena, one, 100, 5000) == one);
    memset(one, 1, 5000);
    hf_yyjson_arena_malloc(&arena, 1);
    char *moved = hf_yyjson_arena_realloc(&arena, one, 5000, 9000);
    CHECK(moved != one && memcmp(moved, one, 5000) == 0);
    hf_yyjson_arena_free(&arena, moved);
    hf_arena_close(&arena);
}

/* SQLite stores into all bytes that xRoundup and xSize tell. */
static void sqlite_gets_the_bytes_that_it_was_told(void) {
    hf_heap *heap = open_heap(0, NULL);
    *hf_sqlite_heap() = heap;
    for (int size = 1; size < 8 << 20; size += size / 7 + 1) {
        AT("size %d", size);
        int told = hf_sqlite_round_up(size);
        CHECK(told >= size);
        char *block = hf_sqlite_malloc(told);
        CHECK(block != NULL && hf_sqlite_size(block) >= told);
        memset(block, 1, (size_t)hf_sqlite_size(block));
        block = hf_sqlite_realloc(block, hf_sqlite_round_up(2 * size));
        CHECK(block != NULL && hf_sqlite_size(block) >= hf_sqlite_round_up(2 * size));
        memset(block, 2, (size_t)hf_sqlite_size(block));
        hf_sqlite_free(block);
        CHECK_STATUS(HF_OK, hf_heap_check(heap));
    }
    for (int less = 0; less < 10000; less++) CHECK(hf_sqlite_round_up(INT_MAX - less) > 0);
    CHECK(hf_sqlite_malloc(-1) == NULL && hf_sqlite_size(NULL) == 0);
    hf_sqlite_free(NULL);
    close_heap(heap);
}

/* Lua does not check whether a block could become smaller. */
static void lua_shrinks_blocks_where_memory_is_full(void) {
    hf_heap *heap = open_heap(256 * 1024, NULL);
    char *block = hf_lua_alloc(heap, NULL, 4, 30000);
    CHECK(block != NULL);
    memset(block, 7, 100);
    for (size_t size = 32768; size >= 16; size /= 2)
        while (hf_heap_malloc(heap, size) != NULL) continue;
    CHECK(hf_heap_realloc(heap, block, 100) == NULL);
    block = hf_lua_alloc(heap, block, 30000, 100);
    CHECK(block != NULL && block[0] == 7 && block[99] == 7);
    CHECK(hf_lua_alloc(heap, block, 100, 60000) == NULL);
    hf_heap_close(heap);
}

CHECK_MAIN(TEST(sizes_near_the_largest_fail), TEST(null_and_zero_are_as_each_library_wants),
           TEST(libxml2_copies_whole_texts), TEST(yyjson_grows_blocks_of_an_arena_in_place),
           TEST(sqlite_gets_the_bytes_that_it_was_told),
           TEST(lua_shrinks_blocks_where_memory_is_full), TEST(lua_strings_are_the_same),
           TEST(lua_tables_are_the_same), TEST(sqlite_is_the_same), TEST(cjson_is_the_same),
           TEST(expat_is_the_same), TEST(libxml2_is_the_same), TEST(tree_sitter_is_the_same),
           TEST(zlib_is_the_same), TEST(png_is_the_same), TEST(yyjson_is_the_same),
           TEST(yyjson_is_the_same_in_an_arena), TEST(stb_is_the_same), TEST(ode_is_the_same),
           TEST(lua_reports_that_memory_is_full), TEST(sqlite_reports_that_memory_is_full),
           TEST(cjson_reports_that_memory_is_full), TEST(expat_reports_that_memory_is_full),
           TEST(zlib_reports_that_memory_is_full), TEST(png_reports_that_memory_is_full),
           TEST(yyjson_reports_that_memory_is_full), TEST(lua_reports_each_failure),
           TEST(sqlite_reports_each_failure), TEST(cjson_reports_each_failure),
           TEST(expat_reports_each_failure), TEST(zlib_reports_each_failure),
           TEST(png_reports_each_failure), TEST(yyjson_reports_each_failure))
