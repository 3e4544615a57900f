# bench/mimalloc.sh -- `dev mimalloc`: downloads the newest mimalloc, which the benchmark and the tour
# compare with. `dev` sources this file; nothing is installed.
# shellcheck shell=bash

# Debian's testing suite has the newest packaged version.
verb_mimalloc() {
    takes_nothing "$@"
    fetch mimalloc download_mimalloc unpack_library libmimalloc.so
    echo "$cache/mimalloc"
}

download_mimalloc() {
    set_up_private_apt "$1" testing &&
        (cd "$1" && private_apt . download libmimalloc3 libmimalloc-dev)
}
