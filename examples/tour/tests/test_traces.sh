#!/bin/sh
# test_traces.sh COMMAND CORPUS N [REFERENCE] -- replays every N-th input of the corpora. Without a
# reference it compares the traces of steps, strict and native; with one, those of steps and of the
# reference's steps. A reference is a holdfast that was built for the host, say for Linux if the
# command is for Windows; the test of that build compares its backends. Only the system's error
# codes may differ.
#
# Any bytes are a program, so the arena's corpus is used, too. On a system without views, only
# programs that map no view on the reference are compared. With native, only programs that extend
# and reset nothing are: there POSIX makes a region longer where Windows adds one, and a reset page
# of a copy-on-write view shows later stores into its file, where Windows stores a copy.
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

# without CALLS TRACE: the lines "input NAME" of the inputs in which none of these calls succeeds.
without() {
    awk -v calls="^[0-9]+ ($1) .*: OK\$" '
        /^input / { input = $0; inputs[++count] = $0 }
        $0 ~ calls { has[input] = 1 }
        END { for (i = 1; i <= count; i++) if (!has[inputs[i]]) print inputs[i] }' "$2"
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

# keep_without CALLS TRACE OTHER: keeps of both traces the inputs in which no call of the other one
# succeeds.
keep_without() {
    without "$1" "$3" >names
    only names "$2" >some && mv some "$2"
    only names "$3" >some && mv some "$3"
}

backend=steps
without_codes holdfast >steps
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

$views || keep_without 'map|map_range|remap_range' steps other
compare steps other "steps (<) and $other (>) are not the same"

count=$(grep -c '^input ' steps)
[ "$count" -ge "$least" ] || wrong "only $count inputs"
[ $failures -ne 0 ] || echo "$count traces are the same on steps and $other"

if [ -z "$reference" ]; then
    backend=native
    without_codes holdfast >native
    keep_without 'extend|reset_range' native steps
    compare native steps 'native (<) and steps (>) are not the same'
    [ $failures -ne 0 ] || echo "$(grep -c '^input ' native) are the same on native, too"
fi
end
