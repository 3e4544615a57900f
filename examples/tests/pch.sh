#!/bin/sh
# pch.sh EXAMPLE [FOLDER] -- builds an index of a folder in one process, reads it in others, and
# compares it with what tr and awk find. The folder is /usr/include; under an emulator, which may
# show another /usr, the sources of this repository.
# shellcheck source-path=SCRIPTDIR source=example.sh
sources=$(cd "$(dirname "$0")/../../src" && pwd)
. "$(dirname "$0")/example.sh"
has_usage image build look "build image more" "look -x" "look image -x" "build -x"
headers=${2:-${emulator:+$sources}}
headers=${headers:-/usr/include}
example build empty.image </dev/null
needs_views look empty.image

find "$headers" -type f >files
example build index.image <files
example look index.image | sort >found

# An identifier consists of letters, digits and underscores, and does not begin with a digit.
tr '\n' '\0' <files | xargs -0 cat | tr -cs 'A-Za-z0-9_' '\n' |
    awk '/^[^0-9]/ { count[$0]++ } END { for (name in count) print count[name], name }' |
    sort >expected
same expected found

example look index.image int a_name_that_is_nowhere unsigned >few
{ grep ' int$' expected || echo 0 int; echo 0 a_name_that_is_nowhere
  grep ' unsigned$' expected || echo 0 unsigned; } >few.expected
same few.expected few

# An empty index; and a file that is not an image.
[ -z "$(example look empty.image)" ] || wrong "the empty index has identifiers"
head -c 100000 /dev/zero | tr '\0' x >none.image
if example look none.image int 2>complaint; then wrong "took a text for an image"; fi
grep -q 'the file is not an image' complaint || wrong "said: $(cat complaint)"

tells_missing nowhere look nowhere int
