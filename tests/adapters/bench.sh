#!/usr/bin/env bash
# tests/adapters/bench.sh FOLDER MIMALLOC [RUNS [NAME...]] -- measures each library in holdfast's heap,
# with glibc's malloc, and with mimalloc, and prints a table: medians of RUNS processes (5) each, which
# take turns. `dev adapters-bench` runs it.
#
#     FOLDER      that of adapters-bench and the two programs of Box2D
#     MIMALLOC    libmimalloc.so
set -euo pipefail

folder=$1 mimalloc=$2 runs=${3:-5}
read -r -a names <<<"${*:4}"
[[ ${#names[@]} -gt 0 ]] || mapfile -t names < <("$folder/adapters-bench" && echo box2d)

# The processor time in milliseconds and the peak in KiB of NAME with one of the allocators.
measure() {
    local name=$1 allocator=$2 preload='' program=without
    [[ $allocator != mimalloc ]] || preload=$mimalloc
    [[ $allocator != holdfast ]] || program=with
    if [[ $name == box2d ]]; then
        LD_PRELOAD=$preload "$folder/adapters-box2d-$program" 30 measure
    else
        LD_PRELOAD=$preload "$folder/adapters-bench" "$name" "${allocator/mimalloc/malloc}"
    fi
}

for ((run = 0; run < runs; run++)); do
    for name in "${names[@]}"; do
        for allocator in holdfast malloc mimalloc; do
            echo "$name $allocator $(measure "$name" "$allocator")"
        done
    done
done | awk '
    function median(list,    i, j, n, swap, sorted) {
        n = split(list, sorted, " ")
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && sorted[j - 1] + 0 > sorted[j] + 0; j--) {
                swap = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = swap
            }
        return sorted[int((n + 1) / 2)]
    }
    !($1 in seen) { names[++count] = $1; seen[$1] = 1 }
    { time[$1, $2] = time[$1, $2] " " $3; peak[$1, $2] = peak[$1, $2] " " $4 }
    END {
        print "| work | ms | glibc | mimalloc | peak KiB | glibc | mimalloc | time / faster | peak / glibc |"
        print "|---|---|---|---|---|---|---|---|---|"
        for (i = 1; i <= count; i++) {
            name = names[i]
            hf = median(time[name, "holdfast"]); hp = median(peak[name, "holdfast"])
            gt = median(time[name, "malloc"]); gp = median(peak[name, "malloc"])
            mt = median(time[name, "mimalloc"]); mp = median(peak[name, "mimalloc"])
            printf "| %s | %.0f | %.0f | %.0f | %d | %d | %d | %.2f | %.2f |\n", name, hf, gt, mt,
                   hp, gp, mp, hf / (gt < mt ? gt : mt), hp / gp
        }
    }'
