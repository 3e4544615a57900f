/*
 * Tests each adapter against its library: the same work gives the same bytes with holdfast and
 * without, every block is freed, and an allocation that fails is reported by the library.
 */
#include <holdfast.h>

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

CHECK_MAIN(TEST(lua_strings_are_the_same), TEST(lua_tables_are_the_same), TEST(sqlite_is_the_same),
           TEST(cjson_is_the_same), TEST(expat_is_the_same), TEST(libxml2_is_the_same),
           TEST(tree_sitter_is_the_same), TEST(zlib_is_the_same), TEST(png_is_the_same),
           TEST(yyjson_is_the_same), TEST(yyjson_is_the_same_in_an_arena), TEST(stb_is_the_same),
           TEST(ode_is_the_same), TEST(lua_reports_that_memory_is_full),
           TEST(sqlite_reports_that_memory_is_full), TEST(cjson_reports_that_memory_is_full),
           TEST(expat_reports_that_memory_is_full), TEST(zlib_reports_that_memory_is_full),
           TEST(png_reports_that_memory_is_full), TEST(yyjson_reports_that_memory_is_full),
           TEST(lua_reports_each_failure), TEST(sqlite_reports_each_failure),
           TEST(cjson_reports_each_failure), TEST(expat_reports_each_failure),
           TEST(zlib_reports_each_failure), TEST(png_reports_each_failure),
           TEST(yyjson_reports_each_failure))
