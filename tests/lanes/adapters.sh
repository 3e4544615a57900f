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
    exec tests/adapters/bench.sh build/adapters/tests/adapters "$cache/mimalloc/lib/libmimalloc.so" \
        "${1:-5}" "${@:2}"
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
