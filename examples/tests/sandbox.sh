#!/bin/sh
# sandbox.sh EXAMPLE [INSTANCES] -- compares the sum of all instances with that of awk. The example
# checks the faults and that each slot is as new.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage 0 x "1 2" "-x 1"

example "${2:-1000}" >found || wrong "ended with $?: $(cat found)"
cat found
! grep '^not on this system: .* 1803' found || exit 77
awk -v instances="${2:-1000}" 'BEGIN {
    for (i = 0; i < instances; i++) sum += (1 + i % 5) * 64 * (i % 100)
    printf "%d instances, their sum is %d\n", instances, sum
}' >expected
sed -n 2p found >sum
same expected sum
grep -q '^[0-9.]* system calls for a reset; the memory is as new$' found || wrong "not as new"
