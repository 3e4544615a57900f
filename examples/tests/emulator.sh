#!/bin/sh
# emulator.sh EXAMPLE [FRAMES] -- compares the number of dirty pages with that of awk. The example
# compares what the mirrors show.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage 0 x "1 2" "-x 1"

example "${2:-50}" >found || wrong "ended with $?: $(cat found)"
cat found
! grep '^not on this system: .* 1803' found || exit 77
awk -v frames="${2:-50}" -v pages="$(sed -n 's/.* of RAM in \(.*\) pages$/\1/p' found)" 'BEGIN {
    random = 1
    for (frame = 1; frame <= frames; frame++)
        for (i = 0; i < 200; i++) {
            random = random * 75 % 65537
            if (last[random % pages] != frame) dirty++
            last[random % pages] = frame
        }
    printf "%d stores, %d dirty pages\n", 200 * frames, dirty
}' >expected
grep ' stores, ' found >counts
same expected counts
grep -q '^the second thread .* and met 0 faults$' found || wrong "the second thread faulted"
