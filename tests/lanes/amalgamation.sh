# tests/lanes/amalgamation.sh -- `dev amalgamate`, which joins the library into two files, and the lane
# `amalgamation`, which compiles them and runs the library's tests on them.
# shellcheck shell=bash

verb_amalgamate() {
    takes_nothing "$@"
    amalgamate
    echo build/amalgamation
}

# The folder include/ gets the names of all public headers, each of which includes holdfast.h, so that
# programs which include one of them compile unchanged.
amalgamate() {
    local folder=build/amalgamation header
    rm -rf "$folder"
    mkdir -p "$folder/include/holdfast"
    awk -f src/amalgamate.awk include/holdfast.h >"$folder/holdfast.h"
    awk -v header=holdfast.h -f src/amalgamate.awk \
        src/*.c src/backend/{strict,posix,windows}.c >"$folder/holdfast.c"
    echo '#include "../holdfast.h"' >"$folder/include/holdfast.h"
    for header in include/holdfast/*.h; do
        echo '#include "../../holdfast.h"' >"$folder/$header"
    done
}

lane_amalgamation() {
    amalgamate
    local standard
    for standard in c11 c17 c2x; do
        compiles_in_one_line gcc "-std=$standard" && compiles_in_one_line clang "-std=$standard" ||
            return
    done
    compiles_in_one_line musl-gcc -std=c11 -idirafter /usr/include \
        -idirafter "/usr/include/$(uname -m)-linux-gnu" &&
        compiles_in_one_line x86_64-w64-mingw32-gcc-posix -std=c11 || return
    for standard in c++11 c++14 c++17 c++20 c++2b; do
        header_compiles g++ "-std=$standard" && header_compiles clang++ "-std=$standard" || return
    done
    note "two files, by gcc and clang as C11 to C23, the header as C++11 to C++23; musl; mingw-w64"
    build amalgamated && check amalgamated -L "$unit_tests"
}

compiles_in_one_line() {
    "$@" -O2 "${compile_warnings[@]}" -c build/amalgamation/holdfast.c \
        -o build/amalgamation/holdfast.o
}

header_compiles() {
    echo '#include "build/amalgamation/holdfast.h"' |
        "$@" "${compile_warnings[@]}" -x c++ -I. -fsyntax-only -
}
