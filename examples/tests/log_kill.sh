#!/bin/sh
# log_kill.sh EXAMPLE [KILLS [SEED]] -- kills the writer of the log at random times. Each time the
# log must open undamaged, as it was at the last sync that the writer reported, or at the next one;
# and the next writer must continue from there.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
needs_views new.image
kills=${2:-100}
seed=${3:-$(date +%s)}
every=16
start=$(date +%s)

fail() { wrong "seed $seed, kill $number after $delay s: $*"; }

# Records of up to 4000 bytes, so that the file grows often.
awk 'BEGIN { x = sprintf("%4000s", ""); gsub(/ /, "x", x)
             for (i = 1; i <= 16000; i++) print i, substr(x, 1, (i * i * 7919) % 3989) }' >lines

# A writer mostly appends; every other kill is early, while it opens or creates the log.
awk -v kills="$kills" -v seed="$seed" -v begin="$(beginning log.image --print)" 'BEGIN { srand(seed)
    for (i = 0; i < kills; i++)
        printf "%.4f\n", begin + rand() * (i % 2 ? 0.004 + begin / 4 : 0.080 + begin) }' >delays

# Whether the writer was killed while it created the log: no file, an empty one, or zeros.
is_unborn() { [ ! -e log.image ] || [ "$(tr -d '\0' <log.image | wc -c)" -eq 0 ]; }

look() {
    told=$(sed -n 's/^synced //p' synced | tr -d '\r' | tail -n 1)
    told=${told:-$records}
    if [ "$told" -eq 0 ] && is_unborn; then
        unborn=$((unborn + 1))
        return
    fi
    example log.image --print >printed 2>complaint || fail "$(cat complaint)"
    found=$(wc -l <printed)
    [ "$found" -ge "$told" ] || fail "of $told records that were synced, $found are there"
    [ "$found" -le $((told + every)) ] || fail "$found records, $told of them synced"
    [ $(((found - records) % every)) -eq 0 ] || fail "$found records are no sync point"
    head -n "$found" lines | cmp -s - printed || fail "the $found records are not what was written"
    [ "$found" -eq "$told" ] || untold=$((untold + 1))
    [ "$found" -ne "$records" ] || nothing=$((nothing + 1))
    written=$((written + found - records))
    records=$found
}

number=0 records=0 logs=1 unborn=0 untold=0 nothing=0 written=0 finished=0
while read -r delay; do
    number=$((number + 1))
    if [ "$records" -gt 12000 ] || [ $((number % 20)) -eq 0 ]; then
        rm -f log.image
        records=0 logs=$((logs + 1))
    fi
    tail -n +$((records + 1)) lines >input
    : >synced # a writer may be killed before the shell redirects its output
    # shellcheck disable=SC2086 # several arguments
    $emulator "$program" log.image <input >synced 2>complaint &
    writer=$!
    sleep "$delay"
    kill -9 "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null && status=0 || status=$?
    case $status in
        137) ;;
        0) finished=$((finished + 1)) ;;
        *) fail "the writer ended with $status: $(cat complaint)" ;;
    esac
    look
done <delays
cat <<END
seed $seed: $((number - finished)) kills of $number writers in $(($(date +%s) - start)) s, $logs logs, $written records
  $unborn were killed before there was a log, $((nothing - finished)) others before a sync
  $untold times there was one sync more than the writer had reported
  every log was undamaged, and as at a sync
END
