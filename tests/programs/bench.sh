#!/usr/bin/env bash
# bench.sh BUILD [RUNS [NAME...]] -- measures the programs of `list`, all or those named, by
# `holdfast run --compare`, and prints one table. `./dev programs-bench` runs it.
#
#     BUILD    the folder with the command holdfast, libholdfast-malloc.so, and sources/;
#              whole results go to results/NAME.json
#     RUNS     measured runs with each allocator; empty: at least 5, and more of a short program
set -euo pipefail

build=$(realpath "$1")
options=(--compare --json ${2:+--runs "$2"})
export sources=$build/sources
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
export programs

read -r -a names <<<"${*:3}"
[[ ${#names[@]} -gt 0 ]] || mapfile -t names < <(all_names)
for name in "${names[@]}"; do find_program "$name"; done # before the first is measured

results=$build/results
mkdir -p "$results"

# `holdfast run` exits with 1 if the outputs differ; the table says which.
measure() {
    local scratch=$build/bench status=0
    find_program "$1"
    rm -rf "$scratch" && mkdir "$scratch"
    (cd "$scratch" && "$build/holdfast" run "${options[@]}" -- "${command[@]}") \
        >"$results/$1.json" || status=$?
    rm -rf "$scratch"
    [[ $status -le 1 ]] || { echo "$1 was not measured: exit status $status" >&2 && exit 1; }
}

node "$programs/table.js" head
for name in "${names[@]}"; do
    echo "$name" >&2
    measure "$name"
    node "$programs/table.js" row "$results/$name.json"
done
names=("${names[@]/#/$results/}")
node "$programs/table.js" end "${names[@]/%/.json}"
