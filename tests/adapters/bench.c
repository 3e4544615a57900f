/*
 * bench.c -- `adapters-bench NAME holdfast|malloc`: does the work of one workload, and prints its
 * processor time in milliseconds and the process's peak memory in KiB. bench.sh runs it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workloads.h"

static const struct row {
    const char *name;
    workload *work;
    unsigned scale, rounds;
} rows[] = {
    {"lua-strings", workload_lua_strings, 20, 6},
    {"lua-tables", workload_lua_tables, 20, 16},
    {"tree-sitter", workload_tree_sitter, 8, 6},
    {"sqlite", workload_sqlite, 40, 7},
    {"cjson", workload_cjson, 60, 10},
    {"libxml2", workload_libxml2, 60, 10},
    {"expat", workload_expat, 40, 10},
    {"yyjson", workload_yyjson, 60, 12},
    {"ode", workload_ode, 4, 10},
    {"zlib", workload_zlib, 10, 40},
    {"png", workload_png, 5, 60},
    {"stb", workload_stb, 10, 20},
};

static long peak_kib(void) {
    char line[200];
    long peak = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "VmHWM:", 6) == 0) peak = strtol(line + 6, NULL, 10);
    if (status) fclose(status);
    return peak;
}

static double processor_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int measure(const struct row *row, bool with_holdfast) {
    hf_heap *heap = NULL;
    FILE *out = fopen("/dev/null", "w");
    double before = processor_time();
    if (out == NULL || (with_holdfast && hf_heap_open(&heap, NULL) != HF_OK)) return EXIT_FAILURE;
    for (unsigned round = 0; round < row->rounds; round++)
        if (!row->work(heap, row->scale, out)) return EXIT_FAILURE;
    hf_heap_close(heap);
    printf("%.2f %ld\n", processor_time() - before, peak_kib());
    fclose(out);
    return EXIT_SUCCESS;
}

int main(int count, char **arguments) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (count == 1) puts(rows[i].name);
        if (count == 3 && strcmp(arguments[1], rows[i].name) == 0)
            return measure(&rows[i], strcmp(arguments[2], "holdfast") == 0);
    }
    return count == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
