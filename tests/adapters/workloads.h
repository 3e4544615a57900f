/*
 * workloads.h -- real work for each library that has an adapter, with the adapter or without it.
 *
 * test_adapters.c compares what a workload writes with holdfast and without, and makes memory fail;
 * bench.c measures it.
 */
#ifndef HOLDFAST_TESTS_WORKLOADS_H
#define HOLDFAST_TESTS_WORKLOADS_H

#include <holdfast/heap.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Does the work, as much of it as `scale` says, and writes the result to `out`. The library
 * allocates in the heap; NULL: with its own allocator. Frees all. Returns false if the library
 * reported that it has no memory. */
typedef bool workload(hf_heap *heap, unsigned scale, FILE *out);

workload workload_cjson, workload_expat, workload_libxml2, workload_lua_strings,
    workload_lua_tables, workload_ode, workload_png, workload_sqlite, workload_stb,
    workload_tree_sitter, workload_yyjson, workload_yyjson_arena, workload_zlib;

/* A text that grows, allocated by malloc. */
struct text {
    char *bytes;
    size_t size;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *text);

/* Documents with so many records. */
struct text text_json(unsigned records);
struct text text_xml(unsigned records);

/* The next number of a sequence that is the same in each run; below `below`. */
unsigned next_number(uint32_t *seed, unsigned below);

/* FNV-1a: a sum of bytes, for results that are too long to write. Begins with SUM_START. */
#define SUM_START 0xcbf29ce484222325u
uint64_t sum_of(uint64_t sum, const void *bytes, size_t size);

#endif
