# bench/mimalloc.sh -- `dev mimalloc`: downloads the newest mimalloc, which the benchmark and the tour
# compare with. `dev` sources this file; nothing is installed.
# shellcheck shell=bash

# Debian's testing suite has the newest packaged version.
verb_mimalloc() {
    takes_nothing "$@"
    fetch mimalloc download_mimalloc unpack_mimalloc
    echo "$cache/mimalloc"
}

download_mimalloc() {
    set_up_private_apt "$1" testing &&
        (cd "$1" && private_apt . download libmimalloc3 libmimalloc-dev)
}

unpack_mimalloc() {
    local package
    for package in "$1"/*.deb; do dpkg-deb -x "$package" "$1/unpacked" || return; done
    mkdir "$1/result"
    mv "$1/unpacked/usr/include" "$1/result/include" || return
    mv "$1"/unpacked/usr/lib/*/ "$1/result/lib" || return
    # ldd reports "not found" if the library was built for a newer C library than this machine has.
    ! ldd "$1/result/lib/libmimalloc.so" | grep 'not found'
}
