/*
 * sqlite.c -- a database in memory: rows inserted, indexed, joined, changed and deleted, and an
 * integrity check.
 */
#include <holdfast/adapt/sqlite.h>

#include <stdlib.h>

#include "workloads.h"

static int sqlite_row(void *out, int columns, char **values, char **names) {
    (void)names;
    for (int i = 0; i < columns; i++) fprintf(out, "%s|", values[i] ? values[i] : "NULL");
    fputc('\n', out);
    return 0;
}

static int sqlite_insert(sqlite3 *database, unsigned rows) {
    sqlite3_stmt *insert = NULL;
    uint32_t seed = 3;
    int result = sqlite3_prepare_v2(database, "INSERT INTO t VALUES (?,?,?,?)", -1, &insert, NULL);
    for (unsigned i = 0; i < rows && result == SQLITE_OK; i++) {
        char text[200];
        unsigned length = next_number(&seed, 120) + 1;
        for (unsigned at = 0; at < length; at++) text[at] = (char)('a' + (i + at * at) % 26);
        sqlite3_bind_int(insert, 1, (int)i);
        sqlite3_bind_int(insert, 2, (int)next_number(&seed, 100));
        result = sqlite3_bind_text(insert, 3, text, (int)length, SQLITE_TRANSIENT);
        sqlite3_bind_double(insert, 4, (double)next_number(&seed, 100000) / 8);
        if (result == SQLITE_OK && sqlite3_step(insert) != SQLITE_DONE)
            result = sqlite3_errcode(database);
        if (result == SQLITE_OK) result = sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    return result;
}

static const char *const sqlite_queries[] = {
    "COMMIT",
    "CREATE INDEX by_kind ON t (kind, price)",
    "SELECT kind, count(*), sum(price), max(length(name)) FROM t GROUP BY kind ORDER BY kind",
    ("SELECT a.id, b.id FROM t a JOIN t b ON a.kind = b.kind AND a.id < b.id "
     "WHERE a.price > 12400 AND b.price > 12400 ORDER BY a.id, b.id LIMIT 200"),
    "UPDATE t SET name = name || '-changed' WHERE kind % 3 = 0",
    "DELETE FROM t WHERE kind % 5 = 1",
    "INSERT INTO t SELECT id + 1000000, kind, upper(name), price FROM t WHERE kind % 7 = 2",
    "SELECT group_concat(name, ',') FROM (SELECT name FROM t WHERE kind = 50 ORDER BY id)",
    "SELECT id, kind, name, price FROM t ORDER BY name DESC, id LIMIT 100",
    "PRAGMA integrity_check",
};

static int sqlite_work(sqlite3 *database, unsigned scale, FILE *out) {
    int result = sqlite3_exec(database,
                              "CREATE TABLE t (id INTEGER PRIMARY KEY, kind INT, name TEXT, "
                              "price REAL); BEGIN",
                              NULL, NULL, NULL);
    if (result == SQLITE_OK) result = sqlite_insert(database, 1000 * scale);
    for (size_t i = 0; result == SQLITE_OK && i < sizeof sqlite_queries / sizeof(char *); i++)
        result = sqlite3_exec(database, sqlite_queries[i], sqlite_row, out, NULL);
    return result;
}

/* SQLite initialises the allocator and its own blocks in sqlite3_initialize. */
static int sqlite_run(unsigned scale, FILE *out) {
    sqlite3 *database = NULL;
    int result = sqlite3_initialize();
    if (result != SQLITE_OK) return result;
    result = sqlite3_open(":memory:", &database);
    if (result == SQLITE_OK) result = sqlite_work(database, scale, out);
    sqlite3_close(database);
    return result;
}

bool workload_sqlite(hf_heap *heap, unsigned scale, FILE *out) {
    static sqlite3_mem_methods system_methods;
    if (system_methods.xMalloc == NULL) {
        sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_methods);
        sqlite3_shutdown();
    }
    if (heap && hf_sqlite_use(heap) != SQLITE_OK) abort();
    int result = sqlite_run(scale, out);
    sqlite3_shutdown();
    if (heap) sqlite3_config(SQLITE_CONFIG_MALLOC, &system_methods);
    if (result != SQLITE_OK && result != SQLITE_NOMEM) fprintf(out, "error %d\n", result);
    return result != SQLITE_NOMEM;
}
