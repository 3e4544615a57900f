# tests/lanes/amalgamation.sh -- `dev amalgamate`, which joins the library into two files, and the lane
# `amalgamation`, which compiles them and runs tests of the library on them.
# shellcheck shell=bash

verb_amalgamate() {
    takes_nothing "$@"
    amalgamate
    echo build/amalgamation
}

# The folder include/ gets the names of all public headers, each of which includes holdfast.h, so that
# programs which include one of them compile unchanged; the adapters, which holdfast.h does not include,
# are copied.
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
    # holdfast.h does not include this one, which programs include beside it.
    sed 's|^#include "arena.h"|#include "../../holdfast.h"|' include/holdfast/stream.h \
        >"$folder/include/holdfast/stream.h"
    cp -r include/holdfast/adapt "$folder/include/holdfast"
}

lane_amalgamation() {
    amalgamate
    fetch_zig
    compilers_of_sources | xargs -P "$cores" -I COMPILER sh -c \
        "COMPILER ${compile_warnings[*]} -c build/amalgamation/holdfast.c \
            -o build/amalgamation/holdfast-\$\$.o" || return
    echo '#include "holdfast.h"' >build/amalgamation/header.cc
    compilers_of_header | xargs -P "$cores" -I COMPILER sh -c \
        "COMPILER ${compile_warnings[*]} -fsyntax-only build/amalgamation/header.cc" || return
    note "two files, by gcc and clang as C11 to C23, the header as C++11 to C++23; musl; mingw-w64;" \
        "macOS x86_64 and arm64"
    # The tests of each contract. How the library meets failures does not depend on its files.
    build_tests amalgamated "^(valgrind|tsan)$" && check amalgamated -L "^(valgrind|tsan)$"
}

# The tests are built by gcc as C11 with -O2. So musl-gcc and clang do not optimise, which would take
# ten times as long.
compilers_of_sources() {
    local system=/usr/include
    printf '%s\n' "clang -std=c11 -O0" {gcc,clang}" -fsyntax-only -std="{c17,c2x} \
        "musl-gcc -std=c11 -O0 -idirafter $system -idirafter $system/$(uname -m)-linux-gnu" \
        "x86_64-w64-mingw32-gcc-posix -std=c11 -O2" \
        "$cache/zig/zig cc -std=c11 -O2 -target "{x86_64,aarch64}-macos
}

compilers_of_header() { printf '%s\n' {g++,clang++}" -std=c++"{11,14,17,20,2b}; }
