# shellcheck shell=sh
# example.sh -- what the tests of the examples have in common: a folder of their own, and the
# example run and looked at. Sourced, with the example's path as $1; HOLDFAST_EMULATOR has the words
# that run it, where it is a program of another system.
set -eu
LC_ALL=C
export LC_ALL
name=$(basename "$1")
program=$(cd "$(dirname "$1")" && pwd)/$name
emulator=${HOLDFAST_EMULATOR-}

# Where the emulator surely finds it, too: below the folder that the test was started in.
folder=$(mktemp -d "$PWD/$name.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
cd "$folder"

# example ARGUMENT...: lines end as they do here, whatever the system of the program.
example() {
    # shellcheck disable=SC2086 # words
    $emulator "$program" "$@" >example.out && status=0 || status=$?
    tr -d '\r' <example.out
    return "$status"
}

wrong() {
    echo "$name: $*" >&2
    exit 1
}

# same EXPECTED FOUND: two files have the same in them.
same() { diff "$1" "$2" >different || { head -n 20 different; wrong "$1 and $2 differ"; }; }

# seconds COMMAND...: that it took.
seconds() {
    from=$(date +%s%N)
    "$@" >/dev/null 2>&1 || true
    awk -v from="$from" -v to="$(date +%s%N)" 'BEGIN { printf "%.4f", (to - from) / 1e9 }'
}

# beginning ARGUMENT...: the seconds that an emulator is busy with itself before the example is
# there to be killed; the example ends at once with these.
beginning() {
    [ -n "$emulator" ] || { echo 0; return 0; }
    seconds example "$@" >/dev/null # an emulator may have to get up first
    seconds example "$@"
}

# has_usage WRONG...: --help and -h are answered, the WRONG arguments (words of one call each) are
# an error with the same line, and neither makes a file.
has_usage() {
    for asked in --help -h; do
        example "$asked" </dev/null >told 2>complaint || wrong "$asked ended with $?"
        grep -q "^usage: ${name%.exe} [A-Za-z]" told || wrong "$asked said: $(cat told)"
        [ "$(wc -l <told)" -eq 1 ] || wrong "$asked said: $(cat told)"
        [ ! -e "./$asked" ] || wrong "$asked made a file"
    done
    for call in "" -x --nothing "$@"; do
        # shellcheck disable=SC2086 # words
        example $call </dev/null >said 2>complaint && status=0 || status=$?
        [ "$status" -eq 2 ] || wrong "with '$call': exit status $status"
        [ ! -s said ] || wrong "with '$call' to stdout: $(cat said)"
        tr -d '\r' <complaint | grep -qxF "$(cat told)" || wrong "'$call': $(cat complaint)"
    done
    for file in *; do
        case $file in example.out | told | said | complaint) ;; *) wrong "$file was made" ;; esac
    done
}

# tells_missing PATH ARGUMENT...: the example with these fails, and says of the path that no file is
# there, in the system's words as far as they are known: code 2 on Windows, too.
tells_missing() {
    missing=$1
    shift
    if example "$@" </dev/null 2>complaint; then wrong "found $missing, which is not there"; fi
    grep -q ": $missing: .* failed: .*HF_IO, code 2)" complaint || wrong "said: $(cat complaint)"
    [ -n "$emulator" ] || grep -q ': No such file or directory (' complaint ||
        wrong "said: $(cat complaint)"
}

# needs_views ARGUMENT...: where a Windows is from before it had them, the example with these says so.
needs_views() {
    [ -n "$emulator" ] && ! example "$@" </dev/null >failed 2>&1 || return 0
    grep '1803.*cannot do that' failed || return 0
    exit 77
}
