#!/bin/sh
# Builds the Rust peers into a cache folder and prints the path of the one program,
# `peer --impl gc-arena|dumpster|boa|mmtk-immix|mmtk-marksweep|sandpit|bumpalo WORKLOAD ...`.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heap-peers/rust

die() {
    echo "setup-rust: $*" >&2
    exit 1
}

# The linker driver; rustc and cargo come from a toolchain that the project has already.
if ! command -v cc >/dev/null; then
    command -v apt-get >/dev/null || die "no C linker (cc), and no apt-get to install gcc"
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    { $as_root apt-get update && $as_root apt-get install -y --no-install-recommends gcc libc6-dev; } >&2 ||
        die "could not install gcc"
fi
command -v cargo >/dev/null || die "no cargo: install Rust (1.95 is known to do)"

mkdir -p "$cache"
cargo build --quiet --release --locked --manifest-path "$here/rust/Cargo.toml" --target-dir "$cache" >&2 ||
    die "cargo build failed"
echo "$cache/release/peer"
