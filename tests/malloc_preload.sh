#!/bin/sh
# malloc_preload.sh -- runs programs of the system with libholdfast-malloc.so preloaded: they print
# what they print without it, and with HOLDFAST_STATS=1 each process writes a line to stderr.
#
#     malloc_preload.sh LIBRARY FOLDER
set -eu

library=$1 folder=$2
tests=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
cd "$folder"
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$*" >&2
    exit 1
}

# Runs a script of the shell without the library and with it.
compare() {
    sh -c "$1" >without 2>&1 || fail "fails by itself: $1"
    LD_PRELOAD=$library sh -c "$1" >with 2>&1 || fail "fails with the library: $1"
    cmp without with || fail "another output with the library: $1"
    echo "same: $1"
}

# It must be for the processor and the C library of the system's programs.
if [ -n "$(LD_PRELOAD=$library env true 2>&1)" ]; then
    echo "skipped: the programs of the system cannot load $library"
    exit 77
fi

compare "ls -la '$tests'"
compare 'seq 200000 | sort -n -r | tail -n 5'
compare 'seq 200000 | sort --parallel=2 -R --random-source=/dev/zero | cksum'
compare 'sed s/a/b/g /etc/passwd; grep -c . /etc/passwd; awk "BEGIN { for (i = 0; i < 50000; i++) a[i] = i; print length(a) }"'
compare "find '$tests' -name '*.h' | sort"
compare 'ulimit -v 1000000; seq 100000 | sort -r | head -n 3'
compare 'ulimit -v 200000; echo limited; cat /etc/hostname'

LD_PRELOAD=$library HOLDFAST_STATS=1 ls / 2>stats >/dev/null
grep -q '^holdfast-malloc: process [0-9]*: at most [0-9]* KiB committed, ' stats ||
    fail "HOLDFAST_STATS=1 wrote: $(cat stats)"
LD_PRELOAD=$library HOLDFAST_STATS=0 ls / 2>stats >/dev/null
[ ! -s stats ] || fail "HOLDFAST_STATS=0 wrote: $(cat stats)"
echo "statistics: written where they are wanted"
