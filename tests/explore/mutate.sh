#!/bin/sh
# SPDX-License-Identifier: MIT
# mutate.sh IN SCRIPT OUT: writes IN, broken by the sed SCRIPT, to OUT. Fails when nothing changed:
# then the line the mutant breaks has gone, and the mutant must be written anew.
set -eu
sed -f "$2" "$1" > "$3.tmp"
if cmp -s "$1" "$3.tmp"; then
    echo "$2 changes nothing in $1" >&2
    exit 1
fi
mv "$3.tmp" "$3"
