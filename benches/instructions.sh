#!/usr/bin/env bash
# Instructions of one allocation of a 32-byte object from fresh spans, and of a bump loop that writes the same: what a
# million objects more cost, counted by valgrind (and so the same on every run). Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "instructions.sh: valgrind is not installed" >&2; exit 1; }
cargo build --release --quiet -p spanheap-micro
program=$(realpath "${CARGO_TARGET_DIR:-target}/release/alloc-instructions")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
few=100000
many=1100000

instructions() { # what, objects
    if ! valgrind --tool=callgrind --callgrind-out-file="$work/out" "$program" "$1" "$2" >"$work/log" 2>&1; then
        cat "$work/log" >&2
        return 1
    fi
    awk '$1 == "summary:" || $1 == "totals:" { print $2; exit }' "$work/out"
}

row() { # title, what
    local less more
    less=$(instructions "$2" "$few")
    more=$(instructions "$2" "$many")
    awk -v t="$1" -v a="$less" -v b="$more" -v n=$((many - few)) \
        'BEGIN { printf "| %-29s | %23.2f |\n", t, (b - a) / n }'
}

printf '| %-29s | %23s |\n' '32-byte object' 'instructions an object'
echo '|-------------------------------|------------------------:|'
row 'heap, fresh spans' heap
row 'bump loop' bump
