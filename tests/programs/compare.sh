#!/usr/bin/env bash
# compare.sh NAME LIBRARY SOURCES FOLDER -- runs a program of `list` without LIBRARY and with LIBRARY
# preloaded, in folders below FOLDER, and fails if there is any difference, or if a process that has to
# use the library did not.
set -euo pipefail

name=$1 library=$2 folder=$4
export sources=$3
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
export programs

fail() {
    echo "$name: $*"
    echo "$name: command: ${command[*]}"
    echo "$name: library: $library"
    exit 1
}

# run WAY [NAME=VALUE...]: runs the command in $folder/WAY. The environment is set for the command alone.
run() {
    local way=$1 status=0
    shift
    mkdir -p "$folder/$way"
    (cd "$folder/$way" && exec env "$@" "${command[@]}") \
        >"$folder/$way/stdout" 2>"$folder/$way/stderr" </dev/null || status=$?
    echo "$status" >"$folder/$way/status"
}

# The loader writes a file for each process, in which it says which program starts, and where it found
# each function: "binding file /usr/bin/sort [0] to .../libholdfast-malloc.so [0]: ... `malloc'".
run_with_library() {
    mkdir "$folder/loader"
    run with LD_PRELOAD="$library" LD_DEBUG=libs,bindings LD_DEBUG_OUTPUT="$folder/loader/process"
}

# The programs whose functions the loader found in the library, without their folders; their libraries
# are left out.
users() {
    grep -rhF " to $library [" "$folder/loader" | sed -n 's|.*binding file \([^ ]*\) .*|\1|p' |
        sed 's|.*/||; /[.]so\([.]\|$\)/d' | sort -u
}

check_users() {
    local wanted found
    found=$(users || true)
    for wanted in "${processes[@]}"; do
        grep -qxF "$wanted" <<<"$found" ||
            fail "$wanted did not use the library; these did: ${found//$'\n'/ }"
    done
}

# The index of git has time stamps of files.
differences() { diff -rq --exclude=index "$folder/without" "$folder/with"; }

# The first lines of a text, the first bytes of others.
show_differences() {
    local file
    differences | sed -n 1,20p || true
    for file in status stderr stdout; do
        diff -a -u "$folder/without/$file" "$folder/with/$file" | cut -c 1-300 | sed -n 1,40p || true
    done
}

rm -rf "$folder"
mkdir -p "$folder"
find_program "$name"
run without
[[ $(<"$folder/without/status") == 0 ]] || {
    tail -n 30 "$folder/without/stderr"
    fail "fails without the library, too"
}
run_with_library
differences >/dev/null || {
    show_differences
    fail "differs with the library"
}
check_users
echo "$name: $(find "$folder/without" -type f | wc -l) files are the same;" \
    "$(find "$folder/loader" -type f | wc -l) processes; $(users | paste -sd ' ') used the library"
rm -rf "$folder"
