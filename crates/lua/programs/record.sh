#!/bin/sh
# Records what the reference interpreter prints for every program in this
# folder and for every script in ../tests/language, into NAME.expected beside
# each NAME.lua.  Programs get the arguments that args.txt lists for them.
#
# Each script runs from within its own folder, is given by its bare name and
# reads an empty standard input, so that messages and chunk names are the same
# wherever the tree lies.  Only standard output is recorded.
#
# LUA names the reference interpreter, lua5.4 by default.  With --check nothing
# is written, and every output that differs from the recorded one is reported.

set -eu

lua=${LUA:-lua5.4}
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
TMPDIR=$scratch
export TMPDIR
check=false
if [ "${1:-}" = --check ]; then
    check=true
fi
failed=0

record() { # FOLDER SCRIPT ARGUMENT...
    folder=$1
    script=$2
    shift 2
    expected=$folder/${script%.lua}.expected
    if ! (cd "$folder" && "$lua" "$script" "$@" </dev/null >"$scratch/output"); then
        echo "$script: the reference interpreter failed" >&2
        failed=1
    elif ! $check; then
        cp "$scratch/output" "$expected"
    elif ! cmp -s "$scratch/output" "$expected"; then
        echo "$script: the output differs from the recorded one" >&2
        failed=1
    fi
}

while read -r script arguments; do
    # The arguments are separate words, and none holds a blank.
    # shellcheck disable=SC2086
    record "$here" "$script" $arguments
done <"$here/args.txt"

language=$here/../tests/language
for path in "$language"/*.lua; do
    record "$language" "$(basename "$path")"
done

exit $failed
