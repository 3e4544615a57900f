# shellcheck shell=sh
# command.sh -- shared by the tests of the command: makes a temporary folder, runs the command and
# checks its output. Sourced, with the path of the command as $1. If it is a program for another
# system, HOLDFAST_EMULATOR has the emulator's command line.
set -u
command=$1
emulator=${HOLDFAST_EMULATOR-}
[ -n "$emulator" ] && foreign=true || foreign=false
# Wine 8 stands for a Windows from before placeholders, where a space has no views.
# shellcheck disable=SC2034 # used by the scripts that source this one
[ "${HOLDFAST_WINE-}" = 8 ] && $foreign && views=false || views=true
failures=0
shown=none

# In the current folder, because the emulator may not have the host's /tmp.
folder=$(mktemp -d "$PWD/command.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$folder"; rm -rf "$folder"' EXIT
cd "$folder" || exit 1

holdfast() {
    # shellcheck disable=SC2086 # several arguments
    $emulator "$command" "$@"
}

# run STATUS ARGUMENTS...: runs the command, writes its output to the files out and err, and checks
# its exit status.
run() {
    wanted=$1
    shift
    arguments=$*
    holdfast "$@" >out 2>err </dev/null
    status=$?
    [ "$status" -eq "$wanted" ] || wrong "exit status $status, not $wanted"
}

# wrong MESSAGE: reports a failure; after the first of a run also prints the run's output.
wrong() {
    echo "holdfast $arguments: $1"
    [ "$shown" = "$arguments" ] || sed 's/^/    /' out err
    shown=$arguments
    failures=$((failures + 1))
}

# has STREAM TEXT: a line contains the text. has_pattern STREAM REGEX, lacks STREAM TEXT: likewise.
has() { grep -qF -e "$2" "$1" || wrong "std$1 lacks: $2"; }
has_pattern() { grep -qE -e "$2" "$1" || wrong "std$1 has nothing like: $2"; }
lacks() { ! grep -qF -e "$2" "$1" || wrong "std$1 has: $2"; }
is_empty() { [ ! -s "$1" ] || wrong "std$1 is not empty"; }

# says STREAM "MESSAGE: SYSTEM TEXT": like has, but on another system only the message has to match.
says() { if $foreign; then has "$1" "${2%: *}: "; else has "$1" "$2"; fi; }

# is_plain: out has no escape sequence and no carriage return.
is_plain() { ! LC_ALL=C tr -cd '\033\r' <out | grep -q . || wrong "there are control characters"; }

end() {
    [ $failures -eq 0 ] && echo 'all checks passed'
    exit $failures
}

# ---- sources in a folder "tree"

# Writes 2,500 lines: a file large enough to be mapped.
write_large_source() {
    i=0
    while [ $i -lt 2500 ]; do
        echo "static int number_$i = sizeof(value) /* a comment */;"
        i=$((i + 1))
    done
}
