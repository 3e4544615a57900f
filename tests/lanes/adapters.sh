# tests/lanes/adapters.sh -- the lane `adapters`: each adapter with its library, from Debian's packages;
# and `dev adapters-bench`, which measures them.
# What Debian 12 has no package of is downloaded into the cache: yyjson, from the newer suite, and a
# grammar for tree-sitter, from npm.
# shellcheck shell=bash

with_adapters="gcc g++ cmake ninja-build pkg-config liblua5.4-dev libsqlite3-dev libcjson-dev
               libexpat1-dev libxml2-dev libtree-sitter-dev zlib1g-dev libpng-dev libstb-dev
               libbox2d-dev libode-dev"

lane_adapters() {
    build_adapters && check adapters -L "^adapters$"
}

verb_adapters-bench() {
    [[ ${1:-5} =~ ^[1-9][0-9]{0,3}$ ]] || fail "'$1' is no number of processes; it takes one from 1 on"
    need "$with_adapters $with_npm"
    build_adapters >&2
    ./dev mimalloc >&2
    adapters_head "$@"
    exec tests/adapters/bench.sh build/adapters/tests/adapters "$cache/mimalloc/lib/libmimalloc.so" \
        "${1:-5}" "${@:2}"
}

# What a reader of the table needs, as bench/run prints it.
adapters_head() {
    machine_and_system
    cat <<END
* versions: holdfast $(holdfast_version), mimalloc $(mimalloc_version), $(getconf GNU_LIBC_VERSION)
* libraries: $(adapters_versions)
* compiler: gcc $(gcc -dumpfullversion), $(sed -n 's/^CMAKE_C_FLAGS_RELWITHDEBINFO:[^=]*=//p' build/adapters/CMakeCache.txt)
* command: \`./dev adapters-bench$([[ $# -eq 0 ]] || printf ' %q' "$@")\`
* each row: medians of ${1:-5} processes for each allocator, which take turns; processor time in
  milliseconds, peak memory of the whole process (VmHWM)
* holdfast has what the library allocates by its hooks, and glibc the rest: ODE allocates most blocks
  by operator new. mimalloc, which is preloaded, has all of them.

END
}

holdfast_version() { sed -n 's/^#define HF_VERSION_STRING "\(.*\)"/\1/p' include/holdfast/version.h; }

mimalloc_version() {
    awk '/^#define MI_MALLOC_VERSION/ { printf "%d.%d.%d", $3 / 10000, $3 / 100 % 100, $3 % 100 }' \
        "$cache/mimalloc/include/mimalloc.h"
}

# Those of the packages that the adapters need, without Debian's revision, and of what is downloaded.
adapters_versions() {
    local package
    for package in $with_adapters; do
        [[ $package != *lib*-dev ]] || dpkg-query -W -f='${Package} ${Version}\n' "$package"
    done | sed 's/^lib//; s/-dev / /; s/ [0-9]*:/ /; s/-[^-]*$/,/' | tr '\n' ' '
    echo "yyjson $(sed -n 's/^Version: //p' "$cache/yyjson/lib/pkgconfig/yyjson.pc")"
}

build_adapters() {
    fetch yyjson download_yyjson unpack_library libyyjson.so
    fetch tree-sitter-c download_grammar unpack_grammar
    configure adapters "-DHOLDFAST_YYJSON=$cache/yyjson" \
        "-DHOLDFAST_TREE_SITTER_C=$cache/tree-sitter-c"
    compile adapters --target tests/adapters/all
}

download_yyjson() {
    set_up_private_apt "$1" trixie &&
        (cd "$1" && private_apt . download libyyjson-dev libyyjson0)
}

# The newest version whose parser Debian 12's libtree-sitter can load (version 14 of the format).
download_grammar() { (cd "$1" && npm pack --cache "$1/npm" tree-sitter-c@0.20.8); }

unpack_grammar() {
    tar -xzf "$1"/tree-sitter-c-*.tgz -C "$1" && mv "$1/package" "$1/result"
}
