#!/bin/sh
# loader.sh EXAMPLE -- compares the segments of 32-bit and 64-bit programs with those of readelf.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage "-x a" "a b"
command -v readelf >/dev/null || { echo "there is no readelf"; exit 77; }

# loads FILE: the example itself compares the bytes; this compares the headers, and checks that the
# regions tile the space.
loads() {
    example "$1" >found || wrong "failed on $1"
    readelf -lW "$1" | awk '$1 == "LOAD" { print $2, $3, $5, $6 }' |
        sed 's/0x0*\([0-9a-f]\)/\1/g' >expected
    sed -n 's/^segment //p' found | sed 's/0x0*\([0-9a-f]\)/\1/g' >segments
    same expected segments
    [ -s segments ] || wrong "$1 has no segment"
    grep -E '^(view|committed|placeholder) ' found >regions
    while read -r _ offset size; do
        [ $((offset)) -eq "${end:-0}" ] || wrong "$1: a gap before $offset"
        end=$((offset + size))
    done <regions
    unset end
}

loads "$program"
loads /bin/true
loads "$(command -v sh)"
for library in /lib*/ld-linux* /lib/*/libc.so.6; do
    [ ! -e "$library" ] || loads "$library"
done

# A large bss, and a hole between two segments, in both classes.
cat >hole.s <<'END'
        .globl _start
        .text
_start: .byte 0xcc
        .data
        .ascii "data"
        .bss
        .skip 1000000
END
cat >hole.ld <<'END'
SECTIONS {
    . = 0x400000 + SIZEOF_HEADERS;
    .text : { *(.text) }
    . = 0x440000 + SIZEOF_HEADERS + SIZEOF(.text);
    .data : { *(.data) }
    .bss : { *(.bss) }
    /DISCARD/ : { *(*) }
}
END
for class in "--32 elf_i386" "--64 elf_x86_64"; do
    # shellcheck disable=SC2086 # several arguments
    set -- $class
    if as "$1" hole.s -o hole.o 2>/dev/null && ld -m "$2" -z noseparate-code -T hole.ld hole.o -o "hole.$2"; then
        loads "hole.$2"
        for kind in view committed placeholder; do
            grep -q "^$kind " regions || wrong "hole.$2 has no $kind"
        done
    else
        echo "no $2 can be made here"
    fi
done

# A file that is not an ELF file, or is cut off, gets an error message.
echo 'a text' >text
head -c 100 /bin/true >start
size=$(wc -c <"$program")
head -c $((size / 20)) "$program" >beginning
for file in text start beginning; do
    example $file >found 2>complaint && status=0 || status=$?
    [ "$status" -eq 1 ] || wrong "$file: exit status $status"
    grep -qE ": $file: (not an ELF file|.*cut off)" complaint || wrong "$file: $(cat complaint)"
done

tells_missing nowhere nowhere
