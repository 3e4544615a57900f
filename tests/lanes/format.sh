# tests/lanes/format.sh -- `dev format`, and the lane `format`: layout of the sources, names at the top
# of the tree, length of lines and functions, shell scripts, and what `dev` says about bad arguments.
# shellcheck shell=bash

allowed_at_top="CMakeLists.txt CMakePresets.json README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md
                LICENSE dev include src bench tests fuzz examples docs build"

verb_format() {
    takes_nothing "$@"
    need clang-format
    sources | xargs -0 clang-format -i
}

lane_format() {
    only_allowed_names
    sources | xargs -0 clang-format --dry-run -Werror
    no_long_lines
    no_long_functions
    shellcheck -x -a dev
    shellcheck -x tests/programs/*.sh
    shellcheck -x bench/run tests/adapters/bench.sh tests/malloc_preload.sh .ci/run \
        examples/tests/*.sh examples/tour/tests/*.sh
    bad_arguments_are_told
    every_verb_has_help
    note "$(sources | tr -dc '\0' | wc -c) files formatted, no line over 100, no function over 60"
}

sources() {
    find . -path ./build -prune -o -name '.?*' -prune -o \
        -type f \( -name '*.[ch]' -o -name '*.cc' -o -name '*.[ch]pp' \) -print0
}

# `dev` must reject bad arguments with a sentence, before it builds or installs anything.
bad_arguments_are_told() {
    local arguments said
    for arguments in nonsense "test nonsense" "fuzz abc" "fuzz 0" "fuzz -1" "fuzz 1 2" "haul abc" \
        "format now" "docs now" "amalgamate now" "windows now" "mimalloc now" "lane nonsense" wine \
        "bench --nonsense" "bench --repetitions abc" "bench --filter" "adapters-bench abc" \
        "programs-bench abc" "programs-bench 1 nonsense"; do
        # shellcheck disable=SC2086 # several arguments
        said=$(timeout 600 ./dev $arguments 2>&1 </dev/null) && fail "./dev $arguments succeeds"
        [[ ${said##*$'\n'} =~ ^(dev|bench/run):\ [^:]{8,} ]] || fail "./dev $arguments says: $said"
    done
}

every_verb_has_help() {
    local verb
    for verb in "${!help_of[@]}"; do
        [[ $(./dev "$verb" --help) == "./dev $verb"* ]] || fail "./dev $verb --help tells nothing of it"
        [[ $(./dev --help) == *"./dev $verb "* ]] || fail "./dev --help does not list $verb"
    done
}

only_allowed_names() {
    local name
    for name in *; do
        [[ " ${allowed_at_top//$'\n'/ } " == *" $name "* ]] || fail "not at the top level: $name"
    done
}

# clang-format leaves long comments alone, because of the pictures in them.
no_long_lines() {
    local found
    found=$(sources | LC_ALL=C.UTF-8 xargs -0 grep -nE '^.{101,}' || true)
    [[ -z $found ]] || fail "lines over 100 columns:"$'\n'"$found"
}

# clang-format puts the first and the last line of a function, and nothing between, in column 0.
no_long_functions() {
    local found
    # shellcheck disable=SC2016 # awk's variables, not the shell's
    found=$(sources | grep -zE '^\./(src|include)/' | xargs -0 -r awk '
        /^ \*/ { next } # an example in a comment
        /^[A-Za-z_]/ { head = FNR; name = $0 }
        /[){] *{$/ && /^[A-Za-z_].*\(|^ / && !opened { opened = head }
        /^}/ { if (opened && FNR - opened >= 60) print FILENAME ":" opened ": " name; opened = 0 }')
    [[ -z $found ]] || fail "functions over 60 lines:"$'\n'"$found"
}
