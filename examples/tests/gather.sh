#!/bin/sh
# gather.sh EXAMPLE -- compares the counts with those of wc.
# shellcheck source-path=SCRIPTDIR source=example.sh
sources=$(cd "$(dirname "$0")/../.." && pwd)
. "$(dirname "$0")/example.sh"
has_usage "-x a" "a -x"

# like_wc FILE...: with more than one file wc's last line is the total.
like_wc() {
    wc /dev/null "$@" | tail -n 1 | awk '{ print $1, $2, $3, $4 }' >expected
    example "$@" >found
    same expected found
}

printf 'word' >word
needs_views word

# Sizes around whole pages, with and without a gap; words and lines that end with their file.
: >empty
printf '\n' >line
printf ' \t\n two  words\n\v\f\r' >spaces
for size in 4094 4095 4096 4097 8192 65535 65536 65537; do
    awk -v size=$size 'BEGIN { for (i = 1; i <= size; i++) printf i % 7 ? "x" : i % 3 ? " " : "\n" }' \
        >size.$size
done
like_wc empty
like_wc word
like_wc empty empty word empty word
like_wc word line word spaces word
like_wc size.4096 size.4096 word size.8192 size.65536 empty size.4096
like_wc size.* word empty line spaces size.*

# Many files. Only ASCII, because wc finds words in other encodings by other rules. Under an
# emulator without /usr/include, because the emulator may show another /usr.
[ -n "$emulator" ] || headers=/usr/include
# shellcheck disable=SC2086 # or none
find "$sources/include" "$sources/src" "$sources/tests" ${headers-} -type f -name '*.[ch]' |
    head -n 4000 | xargs grep -L '[^[:print:][:space:]]' >list
# shellcheck disable=SC2046 # several arguments
like_wc $(cat list)
echo "$(wc -l <list) files: $(cat found)"

tells_missing nowhere word nowhere
