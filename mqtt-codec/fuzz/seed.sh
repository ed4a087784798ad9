#!/bin/sh
# Makes a seed of every packet in the table of vectors.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/decode
tail -n +2 ../tests/data/vectors.tsv | while IFS="$(printf '\t')" read -r name _ _ hex _; do
    # The shell's printf knows octal only.
    for byte in $hex; do printf "\\$(printf '%03o' "0x$byte")"; done > "corpus/decode/$name"
done
ls corpus/decode | wc -l
