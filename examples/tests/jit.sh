#!/bin/sh
# jit.sh EXAMPLE -- compares values with those of the shell. The example compares its code with its
# interpreter, and checks that neither view can be written and executed.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage 1 "-1 2"

# is EXPRESSION X...
is() {
    expression=$1
    shift
    example "$expression" "$@" >found || wrong "$expression ended with $?"
    # shellcheck disable=SC2004,SC2034 # the value of the variable is an expression
    for x; do echo $(($expression)); done >expected
    sed 1d found >values
    same expected values
}

is 'x' 0 -1 9223372036854775807 -9223372036854775808
is '3 + x * 4' 0 1 2 -2 1000000007
is '  ((x+1)*(x-1) - x*x) *7- 65536 * 65536 * x' 0 5 -5 4294967296
is '1 - 2 - 3 - (4 - 5 * x) * 6 + 1311768467463790320' 7 -7
is "$(awk 'BEGIN { for (i = 1; i < 100; i++) printf "(%d + x * ", i; printf "x"
                   for (i = 1; i < 100; i++) printf ")" }')" 1 -3
cat found
grep -Eq '^([0-9]+ bytes of code at |interpreted: )' found || wrong "does not say how"

for expression in '' '(x' '1 + x)' '1 / 2'; do
    if example "$expression" 1 >said 2>complaint; then wrong "took '$expression'"; fi
    [ ! -s said ] || wrong "of '$expression': $(cat said)"
    grep -q '^jit: ' complaint || wrong "of '$expression': $(cat complaint)"
done
