#!/bin/sh
# test_tour.sh COMMAND -- the verb tour: the output that is the same in every run, error messages,
# exit status.
# shellcheck source-path=SCRIPTDIR source=command.sh
. "$(dirname "$0")/command.sh"

# ---- unusual sources

mkdir -p tree/below tree/nothing
printf 'int main(void) { return value + value; }\n#include <x.h>\n' >tree/a.c
printf 'split\\\nname \\\r\n "open\n\000 \377 caf\303\251 /* no end' >tree/below/awkward.h
: >tree/empty.h
printf 'this is no source' >tree/README
ln -s ../../tree tree/below/loop
ln -s a.c tree/again.c
ln -s nowhere.h tree/dangling.h
write_large_source >tree/large.h

# ---- output. Under an emulator a tour takes seconds, because it starts many programs.

run 0 tour --svg picture.svg tree
is_plain
is_empty err
has out 'picture.svg'
has_pattern out '^  4 files, 1[0-9]{2} KiB, built in .*, and once more in '
$views && has out '  1 large one, 1'
$views || has out '  None is mapped as a view, which this system cannot do: '
has out ' 25,020 tokens'
has out ' 12,508 identifiers'
has out ' 10,006 punctuators'
has out ' 0 numbers'
has out ' 1 header name '
has out ' 2,501 comments'
has out ' 3 stray characters'
has out '2,504 distinct identifiers, used 5,005 times'
has out ' 2,502 value'
has out 'nesting of brackets: 1, in tree/'
$views && viewed=' +v+[.]*' cleared=' +[.]+' || viewed='' cleared=''
has_pattern out "^  reserved .* [.c]+ +[.c]+ +[.c]+ +[.]+$cleared\$"
has_pattern out "^  first build  .* c+[.]* +c+[.]* +c+[.]* +c+[.]*$viewed\$"
has_pattern out "^  trimmed  .* [.]+ +[.]+ +[.]+ +[.]+$cleared\$"
has_pattern out '^  system calls +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+$'
has out 'instead of'

# The numbers add up: each total, and the sentence about the second build.
awk '!growths && ($1 == "growths" || $1 == "system") {
         first = $1 == "system" ? 3 : 2
         for (i = first; i < first + 4; i++) sum[$1] += $i
         if (sum[$1] != $(first + 4)) print $0 ": that is not the sum"
     }
     /The second build found/ { growths = $12; sub(/,/, "", growths) }
     /^  instead of/ { calls = $3; sub(/,/, "", calls) }
     END {
         if (sum["growths"] == 0 || growths != sum["growths"]) print growths " growths are reported"
         if (sum["system"] == 0 || calls != sum["system"]) print calls " system calls are reported"
     }' out >sums
[ ! -s sums ] || wrong "$(cat sums)"
has_pattern out '^  holdfast +[0-9.]+ (us|ms|s) '
has_pattern out '^  malloc, .* x  '
has_pattern out '^  mimalloc .* (x |found)'

$views || end # the rest does not depend on views

# A file with two names, and a folder with a file in it: each file is counted once.
run 0 tour tree/a.c tree/again.c tree/a.c tree/below/../a.c
has out '  1 file, 56 B, built'
lacks out 'mapped as views'
$foreign || run 0 tour -- tree/below tree/a.c
$foreign || has out '  4 files'

# Names with non-ASCII letters, and paths longer than MAX_PATH of Windows (260).
long=name_of_thirty_letters_in_all_
letters='señal 世界'
deep=$letters/$long/$long/$long/$long/$long/$long/$long/$long/$long
mkdir -p "$deep"
cp tree/a.c "$deep/$letters.c"
run 0 tour --svg "$deep/$letters.svg" "$letters" "$deep/$letters.c"
is_empty err
has out '  1 file, 56 B, built'
has out "nesting of brackets: 1, in $deep/$letters.c"
[ -s "$deep/$letters.svg" ] || wrong 'there is no picture'

# Without arguments: the folders of the system's headers, on Windows from the variable INCLUDE.
if $foreign; then
    export INCLUDE='tree/nothing;tree/below/../below;;tree'
    run 0 tour
    is_empty err
    has out '  4 files, '
    unset INCLUDE
    run 1 tour
    has err 'no source files in the folders that the variable INCLUDE lists: name files or folders'
fi

# ---- errors; the tour continues with the other files

run 1 tour missing.c tree/a.c
says err 'holdfast: missing.c: No such file or directory'
has out '  1 file, '
if ! $foreign; then
    mkfifo pipe
    run 1 tour pipe tree/a.c
    has err 'holdfast: pipe: neither a file nor a folder'
    has out '  1 file, '
fi
if ! $foreign && [ -e /proc/self/mem ]; then
    run 1 tour /proc/self/mem tree/a.c
    has err 'holdfast: /proc/self/mem: Input/output error'
    has out '  1 file, '
    run 1 tour /proc/self/mem
    lacks out 'other memory'
fi
if [ "$(id -u)" -ne 0 ]; then
    cp tree/a.c unreadable.c
    mkdir closed
    chmod 0 unreadable.c closed
    run 1 tour unreadable.c closed tree/a.c
    says err 'holdfast: unreadable.c: Permission denied'
    says err 'holdfast: closed: Permission denied'
    has out '  1 file, '
fi
run 1 tour tree/nothing
has err 'holdfast: no source files there'
is_empty out
if [ -w /dev/full ]; then
    holdfast tour tree >/dev/full 2>err && wrong 'a full disk looks like success'
    has err 'standard output: cannot be written'
fi

# ---- the picture

grep -q '^<svg ' picture.svg || wrong 'there is no picture'
grep -q 'class="view edge' picture.svg || ! $views || wrong 'there is no view in the picture'
for part in '>texts<' '>names<' '>table<' '>lists<' '>first build<' '>second build<'; do
    grep -q "$part" picture.svg || wrong "the picture lacks $part"
done
if command -v xmllint >/dev/null; then
    xmllint --noout picture.svg || wrong 'the picture is not well formed'
fi
run 1 tour --svg no/such/folder.svg tree
has err 'holdfast: no/such/folder.svg: cannot be written'

# --svg without a name writes tour.svg. Tested natively only: all systems parse arguments alike.
if ! $foreign; then
    run 0 tour tree/a.c --svg=other.svg
    [ -s other.svg ] || wrong 'there is no picture'
    run 0 tour tree/a.c --svg
    [ -s tour.svg ] || wrong 'there is no tour.svg'
    run 0 tour --svg -- tree/a.c
fi

# A file that is not a picture of the tour is not overwritten.
cp tree/a.c mine.c
printf '<svg xmlns="http://www.w3.org/2000/svg"/>\n' >drawn.svg
: >empty.svg
mkdir folder.svg
run 2 tour --svg mine.c tree
has err "holdfast: --svg mine.c: a picture's name ends in .svg"
is_empty out
for other in drawn.svg folder.svg; do
    run 2 tour --svg $other tree
    has err "holdfast: --svg $other: exists and is not a picture that the tour wrote"
done
cmp -s tree/a.c mine.c || wrong 'a source was overwritten'
[ "$(cat drawn.svg)" = '<svg xmlns="http://www.w3.org/2000/svg"/>' ] || wrong 'a picture is lost'
if ! $foreign; then
    run 0 tour --svg empty.svg tree/a.c
    grep -q '^<svg ' empty.svg || wrong 'an empty file was not written'
fi

# One tiny file: singular nouns, and no label overlaps another. A letter is 6 to 8 pixels wide.
printf 'int x;\n' >tiny.c
run 0 tour tiny.c --svg=tiny.svg
has out '  1 file, 7 B, built'
has out ' 1 distinct identifier, used 1 time, keywords apart'
has out 'was rewound 1 time.'
if grep -E '(^|[^0-9,.])1 [a-z ]*[a-z]s([ .,]|$)' out | grep -v 'views\|process' >plurals; then
    wrong "plural after 1: $(cat plurals)"
fi
for picture in picture.svg tiny.svg; do
    sed -n 's/.*<text\(.*\)<\/text>/\1/p' $picture | grep -v 'class="title"' | awk '
        function value(name) {
            return match($0, " " name "=\"[^\"]*") ? substr($0, RSTART + length(name) + 3,
                                                           RLENGTH - length(name) - 3) : ""
        }
        {
            x = value("x") + 0; y = value("y") + 0; anchor = value("text-anchor")
            small = index($0, "small") > 0
            text = $0
            gsub(/<[^>]*>/, "", text)
            sub(/^[^>]*>/, "", text)
            width = length(text) * (small ? 5.5 : 6.5)
            left[NR] = anchor == "end" ? x - width : anchor == "middle" ? x - width / 2 : x
            right[NR] = left[NR] + width
            base[NR] = y
            texts[NR] = text
            for (i = 1; i < NR; i++) {
                apart = base[i] - y
                if (apart < 9 && apart > -9 && left[i] < right[NR] && left[NR] < right[i])
                    print texts[i] " overlaps " text
            }
        }' >overlaps
    [ ! -s overlaps ] || wrong "$picture: $(cat overlaps)"
done

# ---- usage

for wrong_usage in '' 'nonsense' 'tour --svg=' 'tour --nonsense' 'tour -'; do
    # shellcheck disable=SC2086 # several arguments each
    run 2 $wrong_usage
    is_empty out
    has err 'usage: holdfast tour [FILES...] [--svg [FILE]]'
done
$foreign || run 0 tour tree/a.c --
run 2 tour --nonsense
has err 'unknown option: --nonsense'
for help in --help -h 'tour --help' 'tour -h'; do
    # shellcheck disable=SC2086
    run 0 $help
    is_empty err
    has out 'usage: holdfast tour [FILES...] [--svg [FILE]]'
done
run 0 --version
has_pattern out '^holdfast [0-9]+\.[0-9]+\.[0-9]+$'

# ---- a terminal, if script(1) can make one

if ! $foreign && command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
    arguments='tour on a terminal'
    : >err
    TERM=xterm script -qec "'$command' tour tree" /dev/null >out </dev/null
    LC_ALL=C grep -q "$(printf '\033\\[')" out || wrong 'there is no colour'
    TERM=xterm NO_COLOR=1 script -qec "'$command' tour tree 2>/dev/null" /dev/null >out </dev/null
    LC_ALL=C grep -q "$(printf '\033\\[')" out && wrong 'NO_COLOR is ignored'
    TERM=dumb script -qec "'$command' tour tree" /dev/null >out </dev/null
    LC_ALL=C grep -q "$(printf '\033\\[')" out && wrong 'a dumb terminal gets escapes'
fi

end
