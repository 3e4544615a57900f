#!/bin/sh
# log.sh EXAMPLE -- a log contains its input; a later run appends; damage is detected.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage "image --nothing" "image --print more" "--print image" "-x --print"
needs_views new.image

awk 'BEGIN { for (i = 1; i <= 5000; i++) { printf "%d", i
             for (k = i % 300; k > 0; k--) printf " %d", k; print "" } }' >lines

# append FROM TO: appends these lines of the input.
append() { sed -n "$1,$2p" lines | example log.image >synced; }

append 1 1
append 2 100
example log.image </dev/null >synced
[ "$(cat synced)" = "synced 100" ] || wrong "empty input changed the log"
append 101 5000
[ "$(tail -n 1 synced)" = "synced 5000" ] || wrong "not synced at the end"
[ "$(wc -l <synced)" -eq 307 ] || wrong "not synced after every 16 records"
[ "$(example log.image --verify)" = "5000 records, all whole" ] || wrong "does not verify"
example log.image --print >printed
same lines printed

# flip OFFSET: changes the byte at this offset.
flip() {
    byte=$(od -An -tu1 -j "$1" -N 1 log.image)
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf '%03o' $((byte ^ 1)))" |
        dd of=log.image bs=1 seek="$1" conv=notrunc 2>/dev/null
}

# Damages each field of the first record, and the text of one in the middle.
middle=$(grep -abo '2500 100 99' log.image | cut -d: -f1)
for offset in 65536 65544 65552 65556 65560 "$middle"; do
    flip "$offset"
    if example log.image --verify >verified 2>complaint; then wrong "damage at byte $offset is not detected"; fi
    grep -q ': log.image: record [0-9]* is damaged' complaint || wrong "said: $(cat complaint)"
    flip "$offset"
done
example log.image --verify >verified || wrong "does not verify again"

tells_missing nowhere nowhere --verify
echo 'a text' >text
if example text --print >printed 2>complaint; then wrong "took a text for a log"; fi
grep -q ': text: .* failed: the file is not an image' complaint || wrong "said: $(cat complaint)"
