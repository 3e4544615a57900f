/*
 * bench/main.c -- holdfast-bench: holdfast beside malloc and mimalloc, with Google Benchmark's own
 * flags. The names are `workload/contender/size`; bench/run makes one table of them all.
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

/* 209 is 2.0.9, as it was numbered then; 30600 is 3.6.0. */
static void tell_mimalloc(void) {
    char text[64] = "none";
#ifdef HOLDFAST_MIMALLOC_LIBRARY
    if (mimalloc_load()) {
        int version = mi.version(), base = version < 10000 ? 10 : 100;
        snprintf(text, sizeof text, "%d.%d.%d", version / (base * base), version / base % base,
                 version % base);
    }
#endif
    bench_context("mimalloc", text);
}

/*
 * The usual half a second would be several rounds of fresh and array in one sample. In a virtual
 * machine whose host takes back free memory one round in ten costs a multiple: as a sample of its
 * own the median leaves it out, in an average it spoils most of them.
 */
static char default_flag[] = "--benchmark_min_time=0.1";

int main(int argc, char **argv) {
    bench_context("compiler", COMPILER);
    bench_context("flags", BENCH_FLAGS);
    bench_context("holdfast", HOLDFAST_VERSION);
    bench_context("glibc", gnu_get_libc_version());
    tell_mimalloc();
    register_warm();
    register_frame();
    register_fresh();
    register_array();
    register_file();
    register_open();
    register_small();
    register_ring();
    return bench_main(argc, argv, default_flag);
}
