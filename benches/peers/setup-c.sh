#!/bin/sh
# Builds the C peers into a cache folder and prints their paths, one a line:
# peer-bdwgc, peer-bdwgc-inc, peer-mimalloc (or only those named as arguments: bdwgc bdwgc-inc mimalloc).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heap-peers/c
src=$here/c/peer.c

die() {
    echo "setup-c: $*" >&2
    exit 1
}

# Installs Debian packages that are missing, with their index brought up to date first.
need_packages() {
    missing=
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "missing:$missing (and no apt-get to install them)"
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    # shellcheck disable=SC2086
    { $as_root apt-get update && $as_root apt-get install -y --no-install-recommends $missing; } >&2 ||
        die "could not install$missing"
}

# build NAME FLAG... : compiles when the source or this script is newer than the program.
build() {
    program=$cache/peer-$1
    shift
    if [ ! -x "$program" ] || [ "$src" -nt "$program" ] || [ "$0" -nt "$program" ]; then
        "${CC:-gcc}" -std=c11 -O3 -march=x86-64-v2 -Wall -Wextra -o "$program.new" "$src" "$@" >&2 ||
            die "compiling $program failed"
        mv "$program.new" "$program"
    fi
    echo "$program"
}

[ $# -gt 0 ] || set -- bdwgc bdwgc-inc mimalloc
need_packages gcc libc6-dev
mkdir -p "$cache"
for name in "$@"; do
    case $name in
    bdwgc)
        need_packages libgc-dev
        build "$name" -DPEER_BDWGC -lgc -pthread
        ;;
    bdwgc-inc)
        need_packages libgc-dev
        build "$name" -DPEER_BDWGC -DPEER_INC -lgc -pthread
        ;;
    mimalloc)
        need_packages libmimalloc-dev
        build "$name" -DPEER_MIMALLOC -lmimalloc -pthread
        ;;
    *) die "unknown variant $name (bdwgc, bdwgc-inc or mimalloc)" ;;
    esac
done
