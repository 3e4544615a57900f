#!/bin/sh
# test_picture.sh COMMAND [REFERENCE] -- the tour draws the same picture as the reference, a
# holdfast that was built for the host; without a reference, it draws the same picture twice.
#
# Compared is the state of memory: cells of the timeline, heights in the picture, sizes and counts.
# Not compared are measurements: times, and with them x coordinates; page faults and system calls.
# Nor is the order of the panels, which depends on the addresses that the system chose.
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

# The timeline without its times, and the statistics of the arenas without the system calls.
what_it_says() {
    awk '/^The regions of its/ { on = 1 } /^The same work/ { on = 0 } on' out |
        sed -E '/^  The same as a picture/d; /system calls/d; /^  instead of/d
                s/ +[0-9.]+ (us|ms|s)  / /'
}

# The names and sizes of the panels, the height of each region, the number of rewinds.
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
[ "$(grep -c '[c.v][c.v][c.v]' said)" -ge 12 ] || wrong 'the timeline has hardly any rows'
end
