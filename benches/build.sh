#!/usr/bin/env bash
# Cold release builds in one run: spanheap as a dependency, and mmtk 0.33 as a dependency, each of an empty program.
# Prints seconds and the number of crates that each pulls in.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

program() { # name, dependency line
    mkdir -p "$work/$1/src"
    printf '[package]\nname = "%s-user"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\n%s\n[workspace]\n' "$1" "$2" >"$work/$1/Cargo.toml"
    echo 'fn main() {}' >"$work/$1/src/main.rs"
    (cd "$work/$1" && cargo fetch --quiet)
}

program spanheap "spanheap = { path = \"$root/crates/spanheap\" }"
program mmtk 'mmtk = "0.33"'
for name in spanheap mmtk spanheap mmtk; do
    cd "$work/$name"
    rm -rf target
    begin=$(date +%s.%N)
    cargo build --release --quiet
    end=$(date +%s.%N)
    crates=$(cargo tree --edges normal,build --prefix none --no-dedupe | sort -u | grep -vc '(/')
    awk -v n="$name" -v b="$begin" -v e="$end" -v c="$crates" 'BEGIN { printf "%-9s %6.1f s, %d crates of others\n", n, e - b, c }'
done
