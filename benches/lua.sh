#!/usr/bin/env bash
# spanheap-lua against lua5.4, interleaved in one run: the median of five, and the ratio. Needs lua5.4.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet -p spanheap-lua
ours=${CARGO_TARGET_DIR:-target}/release/spanheap-lua
ours=$(realpath "$ours")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd crates/lua/programs

# A text of 20 MB: the programs' own text, over and over.
while [ "$(stat -c %s "$work/text" 2>/dev/null || echo 0)" -lt 20000000 ]; do cat wordcount.txt wordcount.txt wordcount.txt wordcount.txt >>"$work/text"; done

seconds() { # program arguments...
    local begin end
    begin=$(date +%s.%N)
    "$@" >/dev/null
    end=$(date +%s.%N)
    awk -v b="$begin" -v e="$end" 'BEGIN { printf "%.3f\n", e - b }'
}
median() { sort -n | sed -n 3p; }

row() { # title, script arguments...
    local title=$1
    shift
    : >"$work/ours"
    : >"$work/theirs"
    for _ in 1 2 3 4 5; do
        seconds "$ours" "$@" >>"$work/ours"
        seconds lua5.4 "$@" >>"$work/theirs"
    done
    awk -v t="$title" -v a="$(median <"$work/ours")" -v b="$(median <"$work/theirs")" \
        'BEGIN { printf "| %s | %.2f | %.2f | %.2f |\n", t, a, b, a / b }'
}

echo '| program | spanheap-lua, s | lua5.4, s | ratio |'
echo '|---|---|---|---|'
row 'binarytrees.lua 16' binarytrees.lua 16
row 'wordcount.lua, 20 MB' wordcount.lua "$work/text"
for script in json queens stringbuilder pipelines objects lru matrix bigtable closures sorting parser life queues; do
    row "$script.lua" "$script.lua"
done
