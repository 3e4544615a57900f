# tests/lanes/lanes.sh -- the lanes of `dev test`: each builds the library in one way and tests it.
# `dev` sources this file. Lanes that do more than build and test one preset are in files beside it,
# the lane `fuzz` in fuzz/fuzz.sh.
#
#   1. the list of the lanes, and the packages that each needs
#   2. dev test    ctest runs the lanes, each as `dev lane NAME`
#   3. building and testing one preset
#   4. the lanes
#
# `dev test` writes a ctest folder, build/lanes, with one test for each lane. So ctest prints the time
# of each lane and the closing lines. Lanes that run no tests of the library, and mostly one process
# at a time, run beside each other, and first. The others run one at a time: each uses every core by
# itself, and some tests change settings of the whole machine (the overcommit policy, huge pages). A
# lane fails if a tool that it needs cannot be installed; no lane is skipped.
# shellcheck shell=bash

# ---- 1. The list of the lanes

lanes=(format docs release adapters programs asan tsan m32 generic-posix valgrind fuzz coverage install
       amalgamation windows compiles)
lanes_beside_others=(format docs install compiles)
# These run only if they are named (./dev test musl cross): emulators are slow, and valgrind and
# coverage test what debug tests.
lanes_by_name=(debug musl cross)

with_cross="cmake ninja-build gcc-$gcc_version-aarch64-linux-gnu libc6-dev-arm64-cross
            gcc-$gcc_version-riscv64-linux-gnu libc6-dev-riscv64-cross
            gcc-$gcc_version-s390x-linux-gnu libc6-dev-s390x-cross"
with_npm=$(command -v npm >/dev/null || echo npm)
declare -A lane_packages=(
    [format]="clang-format shellcheck"
    [docs]="doxygen"
    [amalgamation]="$with_gcc $with_mingw musl-tools linux-libc-dev $with_npm"
    [release]=$with_gcc
    [adapters]="$with_adapters $with_npm"
    [programs]="$with_programs $with_npm"
    [debug]="$with_clang valgrind"
    [asan]=$with_clang
    [tsan]=$with_clang
    [m32]="$with_gcc $with_m32"
    [generic-posix]=$with_gcc
    [valgrind]="$with_clang valgrind"
    [fuzz]=$with_clang
    [coverage]=$with_clang
    [install]="$with_gcc make pkg-config"
    [windows]="$with_gcc $with_mingw"
    [musl]="gcc musl-tools linux-libc-dev cmake ninja-build"
    [cross]=$with_cross
    [compiles]="gcc libc6-dev tcc clang libwine-dev $with_npm"
)

# ---- 2. dev test

verb_test() {
    [[ $# -gt 0 ]] || set -- "${lanes[@]}"
    local lane wanted="cmake" status=0
    for lane; do
        is_lane "$lane"
        wanted+=" ${lane_packages[$lane]}"
    done
    # All packages at once, so that the time of no lane includes the installation. A lane whose package
    # cannot be installed fails by itself.
    (need "$wanted") || true
    configure_ahead "$@"
    write_lanes "$@"
    start_watching
    ctest --test-dir build/lanes -j "$cores" --no-tests=error </dev/null | with_notes || status=$?
    stop_watching
    return $status
}

is_lane() {
    [[ -v lane_packages[$1] ]] || fail "no lane is called $1; there are: ${lanes[*]}"
}

# Configures the presets of these lanes, as many at a time as there are cores: CMake's checks of the
# compilers take one core for some seconds. The lane repeats what fails here, and reports it.
configure_ahead() {
    local lane
    for lane; do
        case $lane in
            format | docs | install | adapters | programs | amalgamation | compiles | cross) ;;
            valgrind) echo debug ;;
            *) echo "$lane" ;;
        esac
    done | xargs -P "$cores" -I PRESET sh -c 'cmake --preset PRESET >/dev/null 2>&1' || true
}

# Internal: what each test of build/lanes runs.
verb_lane() {
    local lane=${1-}
    is_lane "$lane"
    mkdir -p build/lanes
    {
        need "${lane_packages[$lane]}"
        "lane_$lane"
    } 2>&1 | tee "build/lanes/$lane.log"
}

write_lanes() {
    local lane alone
    rm -rf build/lanes
    mkdir -p build/lanes
    for lane; do
        alone=TRUE
        [[ " ${lanes_beside_others[*]} " != *" $lane "* ]] || alone=FALSE
        echo "add_test([=[$lane]=] [=[$root/dev]=] lane [=[$lane]=])"
        echo "set_tests_properties([=[$lane]=] PROPERTIES TIMEOUT 1000000 RUN_SERIAL $alone)"
    done >build/lanes/CTestTestfile.cmake
}

# Prints ctest's lines. Adds the notes of a lane that passed, and the tests that failed of one that
# did not.
with_notes() {
    local line log
    while IFS= read -r line; do
        clear_progress 1
        echo "$line"
        [[ $line =~ Test\ +#[0-9]+:\ ([a-z0-9-]+)\ .*(Passed|\*\*\*) ]] || continue
        log=build/lanes/${BASH_REMATCH[1]}.log
        if [[ ! -f $log ]]; then
            continue
        elif [[ ${BASH_REMATCH[2]} == Passed ]]; then
            sed -n 's/^== /        /p' "$log"
        else
            what_failed "$log" | sed 's/^/    /'
            echo "    The whole log: $log"
        fi
    done
}

# what_failed LOG: the output of the tests that failed, without the lines of what succeeded, and all
# that comes after the last test. If no test ran: the end of the log.
what_failed() {
    awk '/^ *[0-9]+\/[0-9]+ +[A-Za-z]+ +#[0-9]+: / { on = /\*\*\*/ && !/\*\*\*Skipped/; ran = 1 }
         /^ *Start +[0-9]+: |^[0-9]+% tests passed/ { on = 0 }
         /^Total Test time/ { on = 1; next }
         on && !/^(ok|skip|part) / && !/^\r*$/ && ++lines <= 150
         { last[NR % 60] = $0 }
         END {
             if (lines > 150) print "... and " lines - 150 " lines more"
             if (!ran) for (i = NR < 60 ? 1 : NR - 59; i <= NR; i++) print last[i % 60]
         }' "$1"
}

# ---- 3. Building and testing one preset

# Seconds until a test counts as hung. No test has a time limit of its own, because a slow or busy
# machine is not a failure. A lane that runs programs many times slower sets slowness.
patience=3600
slowness=1

# build PRESET options...: builds everything; the options are for cmake's configuring.
build() {
    configure "$@"
    compile "$1"
}

# build_only PRESET TARGETS...: FOLDER/all is everything in a folder.
build_only() {
    configure "$1"
    compile "$1" --target "${@:2}"
}

# build_tests PRESET LABEL TARGETS...: the tests with that label, whose targets have their names, and
# these targets.
build_tests() {
    local tests
    configure "$1"
    mapfile -t tests < <(ctest --test-dir "build/$1" -N -L "$2" | sed -n 's/^ *Test *#[0-9]*: //p')
    compile "$1" --target "${tests[@]}" "${@:3}"
}

configure() {
    echo "building $1"
    quietly "build/$1/configure.log" cmake --preset "$1" -DHOLDFAST_TEST_FILES="$(files_of "$1")" \
        "${@:2}"
    sed -n 's/^-- \(mimalloc: \)/\1/p' "build/$1/configure.log"
}

# files_of PRESET: where its tests keep their files. In memory, if there is room: the tests call fsync
# thousands of times, which takes minutes on a disk. Those of asan are on the disk of this tree.
files_of() {
    local memory=/dev/shm free
    free=$(df --output=avail -k $memory 2>/dev/null | tail -n 1) || free=0
    if [[ $1 == asan || ! -w $memory || ${free:-0} -lt 2000000 ]]; then
        echo "$root/build/$1/files"
    else
        echo "$memory/holdfast-$EUID-$(cksum <<<"$root" | cut -d ' ' -f 1)/$1"
    fi
}

compile() {
    if [[ -t 2 ]]; then start_watching; fi
    quietly "build/$1/build.log" cmake --build --preset "$1" -j "$cores" "${@:2}"
    stop_watching
}

# Runs ctest on the folder of a preset; the other parameters are ctest's. Notes how many programs ran,
# and how many tests these programs reported. One test more than cores runs at a time, because some
# wait for disks and other processes.
check() {
    local logs=build/$1/Testing/Temporary
    rm -f "$logs"/Last*.log "$logs"/MemoryChecker.*.log "build/$1/tests.log"
    now_doing "$1/tests.log" "build/$1/tests.log"
    ctest --test-dir "build/$1" -j $((cores + 1)) --output-on-failure --no-tests=error \
        --timeout $((patience * slowness)) --output-log "build/$1/tests.log" "${@:2}" || return
    note "$(grep -cE '^ *[0-9]+/[0-9]+ .* Passed ' "build/$1/tests.log") programs passed:" \
        "$(inner_counts "$logs"/Last*.log);" \
        "$(grep -cE '^ *[0-9]+/[0-9]+ .*\*\*\*Skipped ' "build/$1/tests.log") programs skipped"
}

inner_counts() {
    awk '{ sub(/\r$/, "") }
         / tests succeeded$/ { tests += $1 }
         /^[0-9]+ skipped$/ { skipped += $1 }
         /^[0-9]+ succeeded in part$/ { in_part += $1 }
         /^[0-9]+ inputs$/ { inputs += $1 }
         END {
             printf "%d tests%s, ", tests, in_part ? " (" in_part " of them in part)" : ""
             printf "%d skipped, %d inputs of the corpus\n", skipped, inputs
         }' "$@"
}

# Tests whose failures and crashes are made above the system's backend, so that another backend below
# changes nothing: release, asan and coverage run them.
failures_above_the_backend="^test_image_crash$|^test_(image|arena|space|space_change|heap)_failures$"
above_the_backend="$failures_above_the_backend|^test_image_damage$"

# The labels of the library's own tests.
unit_tests="^(space|ring|arena|heap|image)$"

# ---- 4. The lanes

# What a lane would only repeat is neither built nor run there. The corpora run whole under sanitizers
# (fuzz) and by a sample optimised (release), and the command optimised, under asan and on Windows.
lane_release() { build release && check release; }
lane_debug() { build_only debug tests/all examples/all && check debug -LE "^fuzz$"; }
lane_asan() {
    build_only asan tests/all examples/all examples/tour/all && check asan -LE "^fuzz$"
}
lane_tsan() { build_tests tsan "^tsan$" && check tsan -L "^tsan$"; }
lane_musl() { build_only musl tests/all && check musl -L "$unit_tests"; }

# Left out are the examples, which call nothing that the unit tests do not. test_posix_failures makes
# the system calls of this backend fail.
lane_generic-posix() {
    build_only generic-posix tests/all
    check generic-posix -L "$unit_tests" -E "$above_the_backend"
}

# On a kernel without 32-bit programs the unit tests run under qemu-user.
lane_m32() {
    runs_32_bits && build m32 && check m32 && return
    runs_32_bits && return 1
    fetch_qemu
    configure m32 "-DCMAKE_CROSSCOMPILING_EMULATOR=$root/dev;qemu;i386" -DHOLDFAST_PROCESSOR=i386
    compile m32 --target tests/all
    note "this kernel runs no 32-bit programs: the unit tests alone, under qemu-i386, without failures" \
        "above the backend:"
    check m32 -L "$unit_tests" -E "$failures_above_the_backend"
}

runs_32_bits() {
    mkdir -p build
    echo 'int main(void) { return 0; }' | gcc -m32 -x c -o build/probe-32-bits - &&
        build/probe-32-bits 2>/dev/null
}

lane_cross() {
    local processor failed=0
    fetch_qemu
    for processor in "${cross_processors[@]}"; do
        build_only "$processor" tests/all
        note "$processor under $("$cache/qemu-user/qemu-$processor" --version | sed -n 1p):"
        check "$processor" -L "$unit_tests" || failed=1
    done
    return $failed
}

verb_windows() {
    takes_nothing "$@"
    need "$with_gcc $with_mingw"
    run_windows
}

# test_windows_failures and test_windows_images make the system calls of this backend fail.
lane_windows() { run_windows "$above_the_backend"; }

# run_windows [REGEX]: all tests but those.
run_windows() {
    local failed=0
    may_mount_usr
    build release # the tests compare the Windows command with this build's
    build windows
    for HOLDFAST_WINE in 10 8; do
        export HOLDFAST_WINE
        with_wine_up check_windows "$@" || failed=1
    done
    return $failed
}

# Under Wine 8 only those tests run that can behave differently on an older Windows. Left out are
# compilers, sources and pictures of the command; tests that inject failures, of which those of
# windows.c choose the older Windows under Wine 10, too; and the tests of images in which every test is
# skipped because views fail there. Tests that save run.
# CMake's regular expressions have at most nine groups.
only_newest='^msvc_|^fuzz_arena_|^fuzz_image_|^test_(headers|snippets|symbols|windows_imports)'
only_newest+='|^test_rules_strict|^test_rules_random|^test_windows_failures|^test_heap_failures'
only_newest+='|^test_tool_(lexer|front_end|pictures|picture|replay|run)|^test_arena_(failures|reset)'
only_newest+='|^test_image_(crash|damage|failures|golden|open|read_write|snapshot)'

check_windows() {
    local tests=(${1:+-E "$1"})
    [[ $HOLDFAST_WINE != 8 ]] || tests=(-E "$only_newest${1:+|$1}")
    note "under $(verb_wine --version):"
    check windows "${tests[@]}"
}

lane_valgrind() {
    local options="--error-exitcode=99 --leak-check=full"
    build_tests debug "^valgrind$" negative_arena negative_arena_msan test_arena_msan
    check debug -R "^(negative|test_arena_msan)" # under Valgrind and MemorySanitizer by themselves
    slowness=10
    check debug -T memcheck -L valgrind --overwrite MemoryCheckCommand="$(command -v valgrind)" \
        --overwrite MemoryCheckCommandOptions="$options" || show_memory_errors
}

show_memory_errors() {
    grep -slE 'ERROR SUMMARY: [1-9]' build/debug/Testing/Temporary/MemoryChecker.*.log |
        xargs -r cat
    fail "valgrind's complaints are above, where it had any"
}

verb_docs() {
    takes_nothing "$@"
    need doxygen
    make_docs
    echo build/docs/html/index.html
}

# docs/Doxyfile makes doxygen fail if a public name has no comment.
lane_docs() {
    make_docs
    note "$(find build/docs/html -name '*.html' | wc -l) pages, no name without its comment"
}

make_docs() {
    rm -rf build/docs
    mkdir -p build
    quietly build/doxygen.log doxygen docs/Doxyfile
}

verb_haul() {
    [[ $# -le 1 ]] || fail "./dev haul takes one number of seconds, not: $*"
    are_seconds "${1:-1800}"
    need "$with_gcc $with_clang"
    build haul
    slowness=10
    check haul -R "^(fuzz_.*_corpus|test_(image_(crash|damage)|.*_failures|file|ring|ring_file))$"
    (cd build/haul && sh "$root/examples/tests/log_kill.sh" examples/log 1000)
    build fuzz
    run_fuzzers "${1:-1800}"
}
