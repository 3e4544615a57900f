#!/bin/sh
# tail.sh EXAMPLE [KILLS] -- all lines arrive whole and in order, also if writers are killed and
# others continue.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage "ring --nothing" "ring --write more" "--write ring" "-x --write"
kills=${2:-20}
reader=
trap '[ -z "$reader" ] || kill -9 "$reader" 2>/dev/null; rm -rf "$folder"' EXIT

# If something is lost, both sides wait forever, so there is a time limit.
write_ring() {
    # shellcheck disable=SC2086 # several arguments
    timeout 3600 $emulator "$program" ring --write >told.raw || wrong "a writer ended with $?"
    tr -d '\r' <told.raw
}

read_ring() {
    # shellcheck disable=SC2086 # several arguments
    $emulator "$program" ring >arrived.raw &
    reader=$!
    until [ -s ring ]; do
        kill -0 "$reader" 2>/dev/null || wrong "no reader"
        sleep 0.01
    done
    sleep 0.1
}

await_reader() {
    deciseconds=0
    while kill -0 "$reader" 2>/dev/null; do
        deciseconds=$((deciseconds + 1))
        [ $deciseconds -lt 36000 ] || wrong "the reader still waits"
        sleep 0.1
    done
    wait "$reader" && status=0 || status=$?
    reader=
    [ "$status" -eq 0 ] || wrong "the reader ended with $status"
    tr -d '\r' <arrived.raw >arrived
}

# lines WRITER COUNT: more than fit into the ring, of every length.
lines() {
    awk -v writer="$1" -v count="$2" 'BEGIN { x = sprintf("%4000s", ""); gsub(/ /, "x", x)
        for (i = 1; i <= count; i++) print writer, i, substr(x, 1, (i * i * 31) % 3989) }'
}

# ---- One writer

lines 1 5000 >sent
read_ring
write_ring <sent >told
await_reader
same sent arrived
[ "$(tail -n 1 told)" -eq 5000 ] || wrong "the writer reported another number of lines"
rm ring

# ---- Writers that are killed; the last one is not

# Every second one is killed after it has reported a line, however long that takes; the others are
# killed early.
begin=$(beginning ring --nothing)
waited=0
read_ring
for writer in $(seq "$kills"); do
    # shellcheck disable=SC2086 # several arguments
    lines "$writer" 1000000 | $emulator "$program" ring --write >"told.$writer" &
    killed=$!
    if [ $((writer % 2)) -eq 0 ]; then
        until [ -s "told.$writer" ]; do sleep 0.01; done
        waited=$((waited + 1))
    fi
    sleep "$(awk -v begin="$begin" -v n="$writer" 'BEGIN { print begin + n * 7 % 10 / 100 }')"
    kill -9 "$killed"
    wait "$killed" 2>/dev/null || true
done
lines last 1000 | write_ring >told.last
await_reader

awk '{ print >"arrived." $1 }' arrived
rm told.raw
for told in told.*; do
    writer=${told#told.}
    [ -e "arrived.$writer" ] || : >"arrived.$writer"
    count=$(wc -l <"arrived.$writer")
    expected=$(tail -n 1 "$told" | tr -d '\r')
    lines "$writer" "$count" | cmp -s - "arrived.$writer" ||
        wrong "the lines of writer $writer arrived changed"
    [ $((count - ${expected:-0})) -eq 0 ] || [ $((count - ${expected:-0})) -eq 1 ] ||
        wrong "writer $writer reported ${expected:-0} lines, $count arrived"
done
[ "$(wc -l <arrived.last)" -eq 1000 ] || wrong "lines of the last writer are missing"
[ "$(wc -l <arrived)" -ge $((1000 + waited)) ] || wrong "lines that were reported did not arrive"
awk '$1 != last { print last = $1 }' arrived >order
sort -n order | sed /last/d >sorted; echo last >>sorted
same sorted order
echo "$(wc -l <arrived) lines of $(wc -l <order) writers, $kills of them killed"

# ---- A reader that is killed: what it had not read stays for the next one

rm ring
read_ring
kill -9 "$reader"
wait "$reader" 2>/dev/null || true
reader=
lines 1 10 >sent
write_ring <sent >told
# shellcheck disable=SC2086 # several arguments
timeout 3600 $emulator "$program" ring >arrived.raw || wrong "the second reader ended with $?"
tr -d '\r' <arrived.raw >arrived
same sent arrived

tells_missing nowhere nowhere --write

# ---- A file that is not a ring

echo 'a text' >text
if example text </dev/null >said 2>complaint; then wrong "took a text for a ring"; fi
grep -q ": text: .* failed: .*less than a ring's 128 KiB" complaint || wrong "$(cat complaint)"
