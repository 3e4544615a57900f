# fuzz/fuzz.sh -- `dev fuzz` and the lane `fuzz`: build the fuzzers and run each for some seconds.
# `dev` sources this file.
# shellcheck shell=bash

verb_fuzz() {
    [[ $# -le 1 ]] || fail "./dev fuzz takes one number of seconds, not: $*"
    are_seconds "${1:-60}"
    need "$with_clang"
    build fuzz
    run_fuzzers "${1:-60}"
}

lane_fuzz() {
    build fuzz
    check fuzz
    run_fuzzers 5 32
}

# run_fuzzers SECONDS [N]: runs every fuzzer for SECONDS, as many at a time as there are cores. It
# starts from every N-th input of the corpus: in a short run libFuzzer would do nothing but read the
# whole corpus.
run_fuzzers() {
    local fuzzer failed=0
    [[ -n $(fuzzers) ]] || fail "no fuzzer was built"
    mkdir -p build/fuzz/{logs,findings}
    echo "every fuzzer for $1 s, $cores at a time"
    now_doing "fuzzing for $1 s" ""
    fuzzers | xargs -n 1 -P "$cores" "$root/dev" one_fuzzer "$1" "${2-1}" || failed=1
    for fuzzer in $(fuzzers); do show_fuzzer "$fuzzer"; done
    return $failed
}

fuzzers() {
    find build/fuzz -maxdepth 1 -type f -executable -name 'fuzz_*' -printf '%f\n' | sort
}

# Internal: runs one fuzzer of run_fuzzers, which calls it through xargs. New inputs are written to a
# copy of the corpus.
verb_one_fuzzer() {
    local seconds=$1 one_of=$2 name=$3 corpus=${3#fuzz_}
    local work=build/fuzz/corpus-work-$one_of/$corpus
    mkdir -p "$work"
    find "fuzz/corpus/$corpus" -type f | sort | awk -v n="$one_of" 'NR % n == 0' |
        xargs cp -nt "$work"
    "build/fuzz/$name" -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="build/fuzz/findings/$name-" "$work" >"build/fuzz/logs/$name.log" 2>&1
}

show_fuzzer() {
    local log=build/fuzz/logs/$1.log finding
    finding=$(sed -n 's/.*Test unit written to //p' "$log")
    if [[ -z $finding ]] && grep -q '^stat::' "$log"; then
        note "$1: $(statistic number_of_executed_units "$log") executions," \
            "$(statistic average_exec_per_sec "$log") a second"
    else
        tail -n 60 "$log"
        echo "$1: FAILED, see above; reproducer: ${finding:-none}"
    fi
}

statistic() { sed -n "s/^stat::$1: *//p" "$2"; }
