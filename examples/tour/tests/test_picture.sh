#!/bin/sh
# test_picture.sh COMMAND [REFERENCE] -- the tour draws the same picture as the reference does, a
# holdfast that runs on this system by itself; without one, the same twice.
#
# The same is what the memory looked like: cells of the strip, heights of the picture, sizes and
# counts. What was measured is not: times, and with them the places from left to right; page faults,
# system calls; nor is where the system put the spaces, and so the order of the panels.
reference=${2-}
# shellcheck source-path=SCRIPTDIR source=command.sh
. "$(dirname "$0")/command.sh"

mkdir -p tree/below
write_large_source >large.h
$views && cp large.h tree
printf 'int main(void) { return value + value; }\n' >tree/main.c
i=0
while [ $i -lt 30 ]; do
    head -n $((i * 40)) large.h | tail -n 600 | sed "s/number/number_of_$i/" >"tree/below/$i.c"
    i=$((i + 1))
done

# The strip without its times, and the arenas' statistics but for the system calls.
what_it_says() {
    awk '/^The regions of its/ { on = 1 } /^The same work/ { on = 0 } on' out |
        sed -E '/^  The same as a picture/d; /system calls/d; /^  instead of/d
                s/ +[0-9.]+ (us|ms|s)  / /'
}

# The panels' names and sizes, the height of each region, how often memory was handed back.
what_it_draws() {
    parts='class="(committed|view)[^"]*"|height="[0-9.]+"|class="name">[a-z]+|>rewound .*<'
    grep -oE "$parts|(goes on to|all of its) [^<]*|^<svg [^>]*" "$1" |
        awk '/^class="(committed|view)/ { kind = $0; next }
             kind { $0 = kind " " $0; kind = "" }
             1' | LC_ALL=C sort
}

run 0 tour --svg picture.svg tree
what_it_says >said
what_it_draws picture.svg >drawn
if [ -n "$reference" ]; then
    [ -x "$reference" ] || wrong "there is no reference at $reference: build it first"
    command=$reference emulator=
fi
run 0 tour --svg reference.svg tree
what_it_says | diff said - || wrong 'this (<) and the reference (>) say different things'
what_it_draws reference.svg | diff drawn - ||
    wrong 'this (<) and the reference (>) draw different things'

[ "$(grep -c 'class="committed' drawn)" -ge 10 ] || wrong 'the picture has hardly any memory'
grep -q 'class="view edge' drawn || ! $views || wrong 'the picture has no view'
[ "$(grep -c '[c.v][c.v][c.v]' said)" -ge 12 ] || wrong 'the strip has hardly any rows'
end
