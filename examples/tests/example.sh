# shellcheck shell=sh
# example.sh -- shared by the tests of the examples: makes a temporary folder, runs the example and
# checks its output. Sourced, with the path of the example as $1. If it is a program for another
# system, HOLDFAST_EMULATOR has the emulator's command line.
set -eu
LC_ALL=C
export LC_ALL
name=$(basename "$1")
program=$(cd "$(dirname "$1")" && pwd)/$name
emulator=${HOLDFAST_EMULATOR-}

# In the current folder, because the emulator may not have the host's /tmp.
folder=$(mktemp -d "$PWD/$name.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
cd "$folder"

# example ARGUMENT...: runs the example; removes the carriage returns that Windows prints.
example() {
    # shellcheck disable=SC2086 # several arguments
    $emulator "$program" "$@" >example.out && status=0 || status=$?
    tr -d '\r' <example.out
    return "$status"
}

wrong() {
    echo "$name: $*" >&2
    exit 1
}

# same EXPECTED FOUND: the two files have the same contents.
same() { diff "$1" "$2" >different || { head -n 20 different; wrong "$1 and $2 differ"; }; }

# seconds COMMAND...: prints how long the command took.
seconds() {
    from=$(date +%s%N)
    "$@" >/dev/null 2>&1 || true
    awk -v from="$from" -v to="$(date +%s%N)" 'BEGIN { printf "%.4f", (to - from) / 1e9 }'
}

# beginning ARGUMENT...: prints how many seconds the emulator needs before the example starts; 0
# without an emulator. With these arguments the example must end at once.
beginning() {
    [ -n "$emulator" ] || { echo 0; return 0; }
    seconds example "$@" >/dev/null # the first start of an emulator takes longer
    seconds example "$@"
}

# has_usage WRONG...: --help and -h print the usage; calls with WRONG arguments (each one string)
# print the same line on stderr and fail with status 2; neither creates a file.
has_usage() {
    for asked in --help -h; do
        example "$asked" </dev/null >told 2>complaint || wrong "$asked ended with $?"
        grep -q "^usage: ${name%.exe} [A-Za-z]" told || wrong "$asked said: $(cat told)"
        [ "$(wc -l <told)" -eq 1 ] || wrong "$asked said: $(cat told)"
        [ ! -e "./$asked" ] || wrong "$asked made a file"
    done
    for call in "" -x --nothing "$@"; do
        # shellcheck disable=SC2086 # several arguments
        example $call </dev/null >said 2>complaint && status=0 || status=$?
        [ "$status" -eq 2 ] || wrong "with '$call': exit status $status"
        [ ! -s said ] || wrong "with '$call' to stdout: $(cat said)"
        tr -d '\r' <complaint | grep -qxF "$(cat told)" || wrong "'$call': $(cat complaint)"
    done
    for file in *; do
        case $file in example.out | told | said | complaint) ;; *) wrong "$file was made" ;; esac
    done
}

# tells_missing PATH ARGUMENT...: the example fails, and reports for the path that there is no file,
# with code 2 (ENOENT, ERROR_FILE_NOT_FOUND) and, natively, the system's text.
tells_missing() {
    missing=$1
    shift
    if example "$@" </dev/null 2>complaint; then wrong "found $missing, which is not there"; fi
    grep -q ": $missing: .* failed: .*HF_IO, code 2)" complaint || wrong "said: $(cat complaint)"
    [ -n "$emulator" ] || grep -q ': No such file or directory (' complaint ||
        wrong "said: $(cat complaint)"
}

# needs_views ARGUMENT...: skips the test on a Windows from before placeholders, where the example
# must report that.
needs_views() {
    [ -n "$emulator" ] && ! example "$@" </dev/null >failed 2>&1 || return 0
    grep '1803.*cannot do that' failed || return 0
    exit 77
}
