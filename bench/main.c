/*
 * bench/main.c -- holdfast-bench: holdfast beside malloc and mimalloc; and holdfast-bench-mimalloc:
 * mimalloc linked, by the same workloads (BENCH_MIMALLOC_LINKED). Both take Google Benchmark's
 * flags. Benchmarks are named `workload/contender/size`; bench/run makes a table of their results.
 */
#include <gnu/libc-version.h>
#include <stdio.h>

#include "contenders.h"
#include "shim.h"
#include "workloads.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* mi_version returns three digits in old versions (209 is 2.0.9), five in new ones (30600 is
 * 3.6.0). */
static void add_mimalloc_version(void) {
    char text[64] = "none";
#ifdef HOLDFAST_MIMALLOC_LIBRARY
    if (mimalloc_load()) {
        int version = MI(version)(), base = version < 10000 ? 10 : 100;
        snprintf(text, sizeof text, "%d.%d.%d", version / (base * base), version / base % base,
                 version % base);
    }
#endif
    bench_context("mimalloc", text);
}

/*
 * Google Benchmark's default of 0.5 s would average several rounds of fresh and array into one
 * sample. In a virtual machine whose host takes back free memory, about one round in ten takes a
 * multiple of the time. With one round in a sample the median ignores it; an average would not.
 */
static char default_flag[] = "--benchmark_min_time=0.1";

int main(int argc, char **argv) {
    bench_context("compiler", COMPILER);
    bench_context("flags", BENCH_FLAGS);
    bench_context("holdfast", HOLDFAST_VERSION);
    bench_context("glibc", gnu_get_libc_version());
    add_mimalloc_version();
    register_warm();
    register_frame();
    register_spike();
    register_fresh();
    register_small();
#ifndef BENCH_MIMALLOC_LINKED
    register_warm_registers();
    register_array();
    register_file();
    register_open();
    register_ring();
    register_space();
#endif
    return bench_main(argc, argv, default_flag);
}
