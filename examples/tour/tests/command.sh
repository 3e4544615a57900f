# shellcheck shell=sh
# command.sh -- what the tests of the command have in common: a folder of their own, the command
# run and looked at. Sourced, with the command's path as $1; HOLDFAST_EMULATOR has the words that
# run it, where it is a program of another system.
set -u
command=$1
emulator=${HOLDFAST_EMULATOR-}
[ -n "$emulator" ] && foreign=true || foreign=false
# Wine 8 plays the Windows from before placeholders, where a space has no views.
# shellcheck disable=SC2034 # for those who source this
[ "${HOLDFAST_WINE-}" = 8 ] && $foreign && views=false || views=true
failures=0
shown=none

# Where the emulator surely finds it, too: below the folder that the test was started in.
folder=$(mktemp -d "$PWD/command.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$folder"; rm -rf "$folder"' EXIT
cd "$folder" || exit 1

holdfast() {
    # shellcheck disable=SC2086 # words
    $emulator "$command" "$@"
}

# run STATUS ARGUMENTS...: runs the command, its streams into the files out and err.
run() {
    wanted=$1
    shift
    arguments=$*
    holdfast "$@" >out 2>err </dev/null
    status=$?
    [ "$status" -eq "$wanted" ] || wrong "exit status $status, not $wanted"
}

# What it printed follows its first failure.
wrong() {
    echo "holdfast $arguments: $1"
    [ "$shown" = "$arguments" ] || sed 's/^/    /' out err
    shown=$arguments
    failures=$((failures + 1))
}

# has STREAM TEXT: a line of it is this text, or has it in it.
has() { grep -qF -e "$2" "$1" || wrong "std$1 lacks: $2"; }
has_pattern() { grep -qE -e "$2" "$1" || wrong "std$1 has nothing like: $2"; }
lacks() { ! grep -qF -e "$2" "$1" || wrong "std$1 has: $2"; }
is_empty() { [ ! -s "$1" ] || wrong "std$1 is not empty"; }

# What the system says of an error: in its own words, which are known for one's own system alone.
says() { if $foreign; then has "$1" "${2%: *}: "; else has "$1" "$2"; fi; }

# is_plain: no escape sequence, no carriage return.
is_plain() { ! LC_ALL=C tr -cd '\033\r' <out | grep -q . || wrong "there are control characters"; }

end() {
    [ $failures -eq 0 ] && echo 'all as it should be'
    exit $failures
}

# ---- sources in a folder "tree"

# 2,500 lines, which make a view.
write_large_source() {
    i=0
    while [ $i -lt 2500 ]; do
        echo "static int number_$i = sizeof(value) /* a comment */;"
        i=$((i + 1))
    done
}
