/*
 * Runs the code in the comments of the adapters, with each library. ../snippets.awk writes it to
 * all.h, where each function is static: the compiler warns of one that no test here calls.
 */
#include "all.h"

#include <string.h>

#include "../check.h"

const TSLanguage *tree_sitter_c(void);

static hf_heap *snippets_open(void) {
    hf_heap *heap = NULL;
    CHECK_STATUS(HF_OK, hf_heap_open(&heap, NULL));
    return heap;
}

/* All is freed, and it was in the heap. */
static void snippets_close(hf_heap *heap) {
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    CHECK_EQUAL(0, hf_heap_get_stats(heap).blocks);
    CHECK(hf_heap_get_stats(heap).peak > 0);
    hf_heap_close(heap);
}

static void cjson_counts_items(void) {
    hf_heap *heap = snippets_open();
    CHECK_EQUAL(3, count_items(heap, "[1, 2, 3]"));
    CHECK_EQUAL(-1, count_items(heap, "[1, 2"));
    snippets_close(heap);
    cJSON_InitHooks(NULL);
}

static void expat_and_libxml2_parse(void) {
    static const char good[] = "<a><b/></a>", bad[] = "<a><b></a>";
    hf_heap *heap = snippets_open();
    CHECK_EQUAL(1, is_xml(heap, good, (int)strlen(good)));
    CHECK_EQUAL(0, is_xml(heap, bad, (int)strlen(bad)));
    snippets_close(heap);
    heap = snippets_open();
    CHECK_EQUAL(1, check_xml(heap, good, (int)strlen(good)));
    CHECK_EQUAL(0, check_xml(heap, bad, (int)strlen(bad)));
    snippets_close(heap);
}

static void lua_and_sqlite_run(void) {
    CHECK_EQUAL(42, run_script("local t = {} for i = 1, 1000 do t[i] = i .. '' end return 42"));
    CHECK_EQUAL(-1, run_script("syntax error"));
    CHECK_EQUAL(SQLITE_OK, run_sql("CREATE TABLE t (a); INSERT INTO t VALUES (1)"));
    CHECK_EQUAL(SQLITE_ERROR, run_sql("INSERT INTO t VALUES (1)"));
}

static void ode_falls(void) {
    hf_heap *heap = snippets_open();
    double fallen = fall(heap);
    CHECK(fallen > 4.9 && fallen < 5.2);
    snippets_close(heap);
}

static void images_are_decoded(void) {
    static const unsigned char image[] = "P5 3 2 255\nabcdef", none[] = "no image";
    hf_heap *heap = snippets_open();
    CHECK_EQUAL(1, can_read(heap));
    CHECK_EQUAL(3, image_width(heap, image, sizeof image - 1));
    CHECK(image_width(heap, none, sizeof none) == -1);
    snippets_close(heap);
}

static void tree_sitter_parses(void) {
    static const char text[] = "int a; int b;";
    hf_heap *heap = snippets_open();
    CHECK_EQUAL(2, count_children(heap, tree_sitter_c(), text, (unsigned)strlen(text)));
    snippets_close(heap);
}

static void yyjson_is_in_an_arena_and_a_heap(void) {
    static char text[] = "[1, 2, 3]";
    hf_arena arena = HF_ARENA_LAZY;
    CHECK_EQUAL(3, array_size(&arena, text, sizeof text - 1));
    CHECK_EQUAL(0, hf_get_mark(&arena));
    CHECK(hf_arena_get_stats(&arena).high_water > 0);
    hf_arena_close(&arena);
    hf_heap *heap = snippets_open();
    yyjson_alc in_heap;
    yyjson_mut_doc *document = new_document(&in_heap, heap);
    CHECK(document && hf_heap_get_stats(heap).blocks > 0);
    yyjson_mut_doc_free(document);
    snippets_close(heap);
}

static void zlib_compresses(void) {
    static unsigned char text[10000], compressed[10000], again[10000];
    uLongf size = sizeof again;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (unsigned char)(i % 10);
    hf_heap *heap = snippets_open();
    unsigned long length = compress_in(heap, compressed, sizeof compressed, text, sizeof text);
    CHECK(length > 0 && length < sizeof text / 10);
    CHECK(uncompress(again, &size, compressed, length) == Z_OK && size == sizeof text);
    CHECK(memcmp(text, again, sizeof text) == 0);
    CHECK_EQUAL(0, compress_in(heap, compressed, 1, text, sizeof text));
    snippets_close(heap);
}

CHECK_MAIN(TEST(cjson_counts_items), TEST(expat_and_libxml2_parse), TEST(lua_and_sqlite_run),
           TEST(ode_falls), TEST(images_are_decoded), TEST(tree_sitter_parses),
           TEST(yyjson_is_in_an_arena_and_a_heap), TEST(zlib_compresses))
