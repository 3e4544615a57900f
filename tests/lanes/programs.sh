# tests/lanes/programs.sh -- the lane `programs`: unmodified programs with libholdfast-malloc.so
# preloaded and without, which must do the same; and `dev programs-bench`, which measures them.
# tests/programs/list has the programs. What they read is downloaded into the cache: SQLite in one file
# from npm, the sources of Lua from Debian.
# shellcheck shell=bash

python_version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null ||
    sed -n 's/^VERSION_ID="13"/3.13/p' /etc/os-release)
with_node=$(command -v node >/dev/null || echo nodejs)
with_programs="gcc g++ clang llvm-dev binutils make cmake ninja-build git perl sqlite3 lua5.4 xz-utils
               libpython${python_version:-3.11}-testsuite nlohmann-json3-dev libeigen3-dev zlib1g-dev
               $with_node"
with_allocators="libjemalloc2 libtcmalloc-minimal4"

lane_programs() {
    prepare_programs
    configure programs "-DHOLDFAST_PROGRAMS_SOURCES=$root/build/programs/sources"
    compile programs --target holdfast-malloc
    check programs -L "^programs$"
}

verb_programs-bench() {
    [[ -z ${1-} || $1 =~ ^[1-9][0-9]{0,2}$ ]] || fail "'$1' is no number of runs; it takes one from 1 on"
    local name
    for name in "${@:2}"; do is_program "$name"; done
    need "$with_programs $with_npm $with_allocators"
    prepare_programs >&2
    configure programs "-DHOLDFAST_PROGRAMS_SOURCES=$root/build/programs/sources" >&2
    compile programs --target holdfast-malloc holdfast-tool
    ./dev mimalloc >&2
    exec tests/programs/bench.sh build/programs "$@"
}

is_program() {
    awk -v name="$1" '$1 == name { found = 1 } END { exit !found }' tests/programs/list ||
        fail "no program is called $1; tests/programs/list has them"
}

# Makes build/programs/sources, what the programs read.
prepare_programs() {
    local folder=build/programs/sources
    fetch programs download_sources unpack_sources
    [[ ! -e $folder/complete ]] || return 0
    rm -rf "$folder"
    mkdir -p "$folder"
    cp -r "$cache"/programs/* "$folder"
    quietly build/programs/repository.log make_repository "$root/$folder"
    : >"$folder/complete"
}

make_repository() (
    . tests/programs/environment.sh
    export sources=$1
    sh tests/programs/git_commit.sh "$sources/repository"
)

download_sources() {
    set_up_private_apt "$1" "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" deb-src &&
        (cd "$1" && private_apt . source --download-only lua5.4 &&
            npm pack --cache "$1/npm" better-sqlite3@12)
}

unpack_sources() {
    mkdir -p "$1/result/lua" "$1/sqlite" &&
        tar -xzf "$1"/lua5.4_*.orig.tar.gz -C "$1/result/lua" --strip-components 1 &&
        tar -xzf "$1"/better-sqlite3-*.tgz -C "$1/sqlite" &&
        mv "$1"/sqlite/package/deps/sqlite3/sqlite3.[ch] "$1/result"
}
