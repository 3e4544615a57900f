/*
 * bench/shim.cc -- implements the C functions of shim.h with Google Benchmark, which is C++.
 *
 * A bench_state is a benchmark::State, cast; C code has no definition of it.
 */
#include "shim.h"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

static benchmark::State &timer(bench_state *state) {
    return *reinterpret_cast<benchmark::State *>(state);
}

/* What the names of holdfast-bench-mimalloc end in. */
#ifdef BENCH_MIMALLOC_LINKED
static const std::string suffix = "_linked";
#else
static const std::string suffix;
#endif

static benchmark::TimeUnit unit_of(bench_unit unit) {
    if (unit == BENCH_MILLISECONDS) return benchmark::kMillisecond;
    return unit == BENCH_MICROSECONDS ? benchmark::kMicrosecond : benchmark::kNanosecond;
}

void bench_register(const char *name, bench_function *run, bench_unit unit, const size_t *ranges,
                    size_t count) {
    auto *added =
        benchmark::RegisterBenchmark((name + suffix).c_str(), [run](benchmark::State &state) {
            run(reinterpret_cast<bench_state *>(&state));
        });
    added->Unit(unit_of(unit));
    for (size_t i = 0; i < count; i++) added->Arg(static_cast<int64_t>(ranges[i]));
}

size_t bench_range(const bench_state *state) {
    return static_cast<size_t>(reinterpret_cast<const benchmark::State *>(state)->range(0));
}

bool bench_next_batch(bench_state *state, size_t iterations) {
    return timer(state).KeepRunningBatch(static_cast<benchmark::IterationCount>(iterations));
}

void bench_pause(bench_state *state) { timer(state).PauseTiming(); }

void bench_resume(bench_state *state) { timer(state).ResumeTiming(); }

void bench_counter(bench_state *state, const char *name, double value) {
    timer(state).counters[name] = value;
}

void bench_skip(bench_state *state, const char *reason) { timer(state).SkipWithError(reason); }

void bench_context(const char *key, const char *value) { benchmark::AddCustomContext(key, value); }

/* Inserts the default flag before the caller's: of two equal flags the later one counts. */
static std::vector<char *> with_defaults(int argc, char **argv, char *default_flag) {
    std::vector<char *> arguments(argv, argv + argc);
    arguments.insert(arguments.begin() + 1, default_flag);
    arguments.push_back(nullptr);
    return arguments;
}

int bench_main(int argc, char **argv, char *default_flag) {
    std::vector<char *> arguments = with_defaults(argc++, argv, default_flag);
    benchmark::Initialize(&argc, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(argc, arguments.data())) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
