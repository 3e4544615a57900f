#!/bin/sh
# test_traces.sh COMMAND CORPUS N [REFERENCE] -- replays every N-th input of the corpora. Without a
# reference it compares the traces of native and strict; with one, those of native and of the
# reference's native. A reference is a holdfast that was built for the host, say for Linux if the
# command is for Windows; the test of that build compares its native and strict. Only the system's
# error codes may differ.
#
# Any bytes are a program, so the arena's corpus is used, too. On a system without views, only
# programs that map no view on the reference are compared.
corpus=$2
one_of=$3
reference=${4-}
# shellcheck source-path=SCRIPTDIR source=command.sh
. "$(dirname "$0")/command.sh"
arguments='replay --trace'
: >out
: >err

$views && least=$((2000 / one_of)) || least=$((1000 / one_of))
mkdir space arena
for part in space arena; do
    find "$corpus/$part" -type f | sort | awk "NR % $one_of == 0" | xargs cp -t $part
done

# without_codes COMMAND...: the trace of all inputs without the system's error codes.
without_codes() {
    "$@" replay --trace --backend "$backend" space arena 2>>err |
        sed 's/ os=.*//'
}

# without_views TRACE: the lines "input NAME" of the inputs that map no view.
without_views() {
    awk '/^input / { input = $0 }
         /^[0-9]+ (map|map_range) .*: OK$/ { makes_view[input] = 1 }
         /^input / { inputs[++count] = $0 }
         END { for (i = 1; i <= count; i++) if (!makes_view[inputs[i]]) print inputs[i] }' "$1"
}

# only NAMES TRACE: the traces of these inputs.
only() { awk 'NR == FNR { kept[$0] = 1; next } /^input / { on = kept[$0] } on' "$1" "$2"; }

# compare ONE OTHER MESSAGE: if they differ, prints the name of the first input that differs, the
# first differences, and the message.
compare() {
    cmp -s "$1" "$2" && return
    line=$(cmp "$1" "$2" | sed 's/.* line //')
    head -n "${line:-1}" "$1" | grep '^input ' | tail -n 1
    diff "$1" "$2" | head -n 12
    wrong "$3"
}

backend=native
without_codes holdfast >native
if [ -n "$reference" ]; then
    [ -x "$reference" ] || wrong "there is no reference at $reference: build it first"
    other='the reference'
    without_codes "$reference" >other
else
    backend=strict
    other=strict
    without_codes holdfast >other
fi
[ -s err ] && wrong 'something was wrong'

$views || {
    without_views other >names
    only names other >some && mv some other
    only names native >some && mv some native
}
compare native other "native (<) and $other (>) are not the same"

count=$(grep -c '^input ' native)
[ "$count" -ge "$least" ] || wrong "only $count inputs"
[ $failures -ne 0 ] || echo "$count traces are the same on native and $other"
end
