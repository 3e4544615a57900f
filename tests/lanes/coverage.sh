# tests/lanes/coverage.sh -- the lane `coverage`: how many lines and branches of src/ the tests reach.
# It fails below least_lines and least_branches.
# shellcheck shell=bash

least_lines=95
least_branches=90

lane_coverage() {
    build_only coverage tests/all
    rm -rf build/coverage/profiles
    # Without the deliberate errors under Valgrind, which the lane valgrind runs.
    LLVM_PROFILE_FILE=$root/build/coverage/profiles/%m-%p.profraw \
        check coverage -L "$unit_tests" -E "^negative_valgrind"
    find build/coverage/profiles -name '*.profraw' -print0 |
        xargs -0 llvm-profdata merge -sparse -failure-mode=all -o build/coverage/all.profdata
    coverage report >build/coverage/report.txt
    coverage export -format=lcov >build/coverage/lcov.info
    list_uncovered <build/coverage/lcov.info >build/coverage/uncovered.txt
    cat build/coverage/report.txt
    every_source_reported
    enough_coverage
}

# Runs llvm-cov on every program that was built for coverage.
coverage() {
    local programs files
    mapfile -t files < <(covered_sources)
    mapfile -t programs < <(find build/coverage -maxdepth 2 -type f -executable -exec \
        grep -l __llvm_covmap {} +)
    llvm-cov "$@" -instr-profile=build/coverage/all.profdata \
        "${programs[0]}" "${programs[@]/#/-object=}" "${files[@]}"
}

# src/tool is the command, and names_*.c are in libholdfast-malloc.so alone: this lane builds neither.
covered_sources() {
    find "$root/src" -path "$root/src/tool" -prune -o \
        -name '*.c' -not -name windows.c -not -name 'names_*.c' -print
}

# A source that no program links is missing from the report, so it would not lower the percentages.
every_source_reported() {
    local file
    for file in $(covered_sources); do
        grep -qx "SF:$file" build/coverage/lcov.info || fail "no test reaches anything of $file"
    done
}

list_uncovered() {
    awk -F '[:,]' -v root="$root/" '
        /^SF:/ { file = substr($0, 4); sub(root, "", file) }
        /^DA:/ && $3 == 0 { print file ":" $2 ": line" }
        /^BRDA:/ && ($5 == "-" || $5 == 0) { print file ":" $2 ": branch " $4 }'
}

enough_coverage() {
    local share lines branches
    share=$(awk '$1 == "TOTAL" { print $10 + 0, $13 + 0 }' build/coverage/report.txt)
    read -r lines branches <<<"$share"
    note "$lines % of lines, $branches % of branches; the rest: build/coverage/uncovered.txt"
    awk -v lines="$lines" -v branches="$branches" \
        "BEGIN { exit !(lines >= $least_lines && branches >= $least_branches) }" ||
        fail "that is less than $least_lines % of lines or $least_branches % of branches"
}
