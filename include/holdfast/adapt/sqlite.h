/** @file
 *  holdfast/adapt/sqlite.h: all memory of SQLite in a heap.
 *
 *  @code{.c}
 *  #include <holdfast/adapt/sqlite.h>
 *
 *  // Runs SQL in a database in memory; returns SQLite's result code.
 *  int run_sql(const char *sql) {
 *      hf_heap *heap;
 *      sqlite3 *database;
 *      if (hf_heap_open(&heap, NULL) != HF_OK) return SQLITE_NOMEM;
 *      int result = hf_sqlite_use(heap);
 *      if (result == SQLITE_OK) {
 *          result = sqlite3_open(":memory:", &database);
 *          if (result == SQLITE_OK) result = sqlite3_exec(database, sql, NULL, NULL, NULL);
 *          sqlite3_close(database);
 *          sqlite3_shutdown();
 *      }
 *      hf_heap_close(heap);
 *      return result;
 *  }
 *  @endcode
 *
 *  SQLite wants a heap: its page cache and statements are freed one by one in any order. The heap
 *  knows the size of each block, so no size is stored before it, and SQLite may use all bytes that
 *  a block has.
 *
 *  Call hf_heap_reset() only after sqlite3_shutdown(): SQLite keeps blocks of its own until then.
 *
 *  Threads: SQLite has no context for its allocator, so the process has one heap for it. SQLite
 *  locks a mutex around each call while it counts memory, which is its default: then connections
 *  may be used in several threads. With SQLITE_CONFIG_MEMSTATUS off, which is faster, all of SQLite
 *  must run in one thread. Include this header in the source that calls hf_sqlite_use() alone.
 */
#ifndef HOLDFAST_ADAPT_SQLITE_H
#define HOLDFAST_ADAPT_SQLITE_H

#include <limits.h>
#include <sqlite3.h>

#include "../heap.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @cond private */

static inline hf_heap **hf_sqlite_heap(void) {
    static hf_heap *heap;
    return &heap;
}

static inline void *hf_sqlite_malloc(int size) {
    return size < 0 ? NULL : hf_heap_malloc(*hf_sqlite_heap(), (size_t)size);
}

static inline void hf_sqlite_free(void *block) { hf_heap_free(*hf_sqlite_heap(), block); }

static inline void *hf_sqlite_realloc(void *block, int size) {
    return size < 0 ? NULL : hf_heap_realloc(*hf_sqlite_heap(), block, (size_t)size);
}

static inline int hf_sqlite_size(void *block) {
    size_t size = hf_heap_usable_size(*hf_sqlite_heap(), block);
    return size < INT_MAX ? (int)size : INT_MAX;
}

/* SQLite takes what this returns for the size of the block. Sizes without a block, and those that
 * an int cannot tell, stay as they are: hf_sqlite_malloc decides. */
static inline int hf_sqlite_round_up(int size) {
    size_t good = hf_heap_good_size(*hf_sqlite_heap(), size < 0 ? 0 : (size_t)size);
    return good < INT_MAX ? (int)good : size;
}

static inline int hf_sqlite_init(void *data) {
    (void)data;
    return *hf_sqlite_heap() ? SQLITE_OK : SQLITE_MISUSE;
}

static inline void hf_sqlite_shutdown(void *data) { (void)data; }

/** @endcond */

/** Makes SQLite allocate all its memory in a heap. Call it before any other function of SQLite, or
 *  after sqlite3_shutdown().
 *  @param heap  the heap; not NULL; open until sqlite3_shutdown()
 *  @return SQLITE_OK; SQLITE_MISUSE: SQLite is initialised, and goes on with the old allocator */
static inline int hf_sqlite_use(hf_heap *heap) {
    sqlite3_mem_methods methods;
    methods.xMalloc = hf_sqlite_malloc;
    methods.xFree = hf_sqlite_free;
    methods.xRealloc = hf_sqlite_realloc;
    methods.xSize = hf_sqlite_size;
    methods.xRoundup = hf_sqlite_round_up;
    methods.xInit = hf_sqlite_init;
    methods.xShutdown = hf_sqlite_shutdown;
    methods.pAppData = NULL;
    int result = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    if (result == SQLITE_OK) *hf_sqlite_heap() = heap;
    return result;
}

#ifdef __cplusplus
}
#endif

#endif
