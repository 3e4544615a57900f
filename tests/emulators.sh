# tests/emulators.sh -- Wine and qemu-user, which run the tests of other systems and processors.
# `dev` sources this file. Both are downloaded into the cache by `fetch`; nothing is installed.
#
#   dev wine EXE       the windows preset names it as its emulator
#   dev qemu CPU EXE   the presets of other processors name it as their emulator
# shellcheck shell=bash

cross_processors=(aarch64 riscv64 s390x)
# i386: the lane m32 uses it if the kernel runs no 32-bit programs.
emulated_processors=(i386 "${cross_processors[@]}")

# ---- Wine
#
# Wine 10 has placeholders. Wine 8 serves as a Windows from before them: it exports VirtualAlloc2 and
# the related functions, but cannot reserve a placeholder. Each version is unpacked with all of its
# dependencies into a folder of its own. A program runs in a mount namespace in which the usr folder
# of that folder is mounted on /usr. So both versions run on any Debian release, and paths mean the
# same inside and outside.
declare -A wine_suite=([10]=trixie [8]=bookworm)

# $HOLDFAST_WINE chooses the version.
verb_wine() {
    local version=${HOLDFAST_WINE:-10}
    [[ -v wine_suite[$version] ]] || fail "HOLDFAST_WINE is $version; there are: ${!wine_suite[*]}"
    [[ $# -gt 0 ]] || fail "./dev wine takes a program: build/windows/holdfast.exe, say"
    fetch_wine "$version"
    cd "$called_from"
    export WINEPREFIX=$cache/wine-$version.prefix WINEDEBUG=${WINEDEBUG:--all}
    export FONTCONFIG_PATH=$cache/wine-$version/etc/fonts
    # Wine converts file names by the locale. C.UTF-8 is part of libc-bin; without it only ASCII works.
    export LC_ALL=C.UTF-8
    # No downloads (mscoree, mshtml), no entries in the desktop's menus, no debugger at a crash.
    export WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe,winedbg.exe="
    exec_with_usr_of "$cache/wine-$version" /usr/lib/wine/wine64 "$@"
}

# Runs a command while a cmd.exe keeps Wine's server running: a program starts in 10 ms then, and in
# half a second otherwise. cmd.exe ends when its standard input, descriptor 9, is closed. No other
# process may inherit descriptor 9: Wine's services would keep it open, and cmd.exe with it.
with_wine_up() {
    local status=0
    exec 9> >(verb_wine cmd.exe >/dev/null 2>&1)
    (verb_wine cmd.exe /c exit) 9>&- >/dev/null 2>&1 || fail "Wine $HOLDFAST_WINE does not start"
    "$@" 9>&- || status=$?
    exec 9>&-
    wait
    return $status
}

exec_with_usr_of() {
    local private=(unshare --mount)
    [[ $EUID -eq 0 ]] || private+=(--map-root-user)
    # shellcheck disable=SC2016 # for the inner shell
    exec "${private[@]}" sh -c 'mount --bind "$0" /usr && exec "$@"' "$1/usr" "${@:2}"
}

fetch_wine() {
    [[ -d $cache/wine-$1 ]] || may_mount_usr
    fetch "wine-$1" download_wine unpack_wine "${wine_suite[$1]}"
}

may_mount_usr() {
    [[ "$root/" != /usr/* && "$cache/" != /usr/* ]] ||
        fail "Wine runs with a /usr of its own, in which neither $root nor $cache may lie"
    (exec_with_usr_of / true) || fail "Wine runs in a mount namespace of its own, which is not" \
        "permitted here: it takes root with CAP_SYS_ADMIN, or user namespaces for everyone," \
        "and a root folder that is a mount point, as a bare chroot's is not"
}

# dash and coreutils run the script that sets libwine up.
download_wine() {
    set_up_private_apt "$1" "$2" &&
        private_apt "$1" install -y --download-only --no-install-recommends \
            wine64 dash coreutils libc-bin
}

# Unpacks the packages as dpkg would. Of the maintainers' scripts only libwine's is needed.
unpack_wine() {
    local name package
    for name in bin lib lib64 sbin; do
        mkdir -p "$1/result/usr/$name" && ln -s "usr/$name" "$1/result/$name" || return
    done
    for package in "$1"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$1/result" --keep-directory-symlink || return
    done
    dpkg-deb -e "$1"/cache/archives/libwine_*.deb "$1/libwine" || return
    (exec_with_usr_of "$1/result" dash "$1/libwine/postinst" configure)
}

# ---- qemu-user
#
# qemu-user before version 8 takes memory and time for each page of a reservation: gigabytes and
# minutes for an arena. Debian 13 has a newer one, as one static program for each processor.
verb_qemu() {
    [[ $# -ge 2 && " ${emulated_processors[*]} " == *" $1 "* ]] || fail "${help_of[qemu]}"
    fetch_qemu
    cd "$called_from"
    local libraries=/usr/$1-linux-gnu
    [[ -d $libraries ]] || libraries=/
    exec "$cache/qemu-user/qemu-$1" -L "$libraries" "${@:2}"
}

fetch_qemu() { fetch qemu-user download_qemu unpack_qemu; }

download_qemu() {
    set_up_private_apt "$1" trixie && (cd "$1" && private_apt . download qemu-user)
}

unpack_qemu() {
    local processor
    dpkg-deb -x "$1"/qemu-user_*.deb "$1/unpacked" && mkdir "$1/result" || return
    for processor in "${emulated_processors[@]}"; do
        mv "$1/unpacked/usr/bin/qemu-$processor" "$1/result" &&
            "$1/result/qemu-$processor" --version || return
    done
}
