#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The benchmark's jobs as mawk programs with tables in memory, two at once; GNU sort orders what
# comes out.
#
#   mawk.sh JOB FOLDER OUTPUT      or: mawk.sh --version
#
# As duckdb/query.mjs is called.
set -euo pipefail
export LC_ALL=C
if [ "$1" = --version ]; then
  mawk -W version 2>&1
  exit 0
fi
job=$1 folder=$2 output=$3
suffix=${BENCH_SUFFIX:-} temp=${BENCH_TEMP:-/tmp}

sorted() { sort --parallel="${BENCH_THREADS:-2}" -S 512M -T "$temp" "$@"; }

# shards NAMES WHICH: the bytes of all shards, or of every other one (0, 1).
shards() {
  local all=("$folder"/$1"$suffix") chosen=() i
  for i in "${!all[@]}"; do
    if [ "$2" = all ] || [ $((i % 2)) = "$2" ]; then chosen+=("${all[i]}"); fi
  done
  if [ ${#chosen[@]} = 0 ]; then return; fi  # One shard has no other half.
  if [ "$suffix" = .zst ]; then zstd -dcq "${chosen[@]}"; else cat "${chosen[@]}"; fi
}

# both NAMES PROGRAM: two mawks at once, half of the shards each; their outputs one after another.
both() {
  shards "$1" 0 | mawk -v OFS='\t' "$2" > "$temp/half-0" &
  local first=$!
  shards "$1" 1 | mawk -v OFS='\t' "$2" > "$temp/half-1"
  wait "$first"
  cat "$temp/half-0" "$temp/half-1"
}

# Adds up the last column of neighbours that are the same in all others.
added_up() {
  mawk -F '\t' -v OFS='\t' '
    { n = $NF; key = substr($0, 1, length($0) - length(n) - 1) }
    key != last { if (NR > 1) print last, sum; last = key; sum = 0 }
    { sum += n }
    END { if (NR) print last, sum }'
}

# scope, track, n -> scope, rank, track, n: the first hundred of each scope.
ranked() {
  sorted -t $'\t' -k1,1 -k3,3nr -k2,2 | mawk -F '\t' -v OFS='\t' '
    $1 != scope { scope = $1; rank = 0 }
    ++rank <= 100 { print scope, rank, $2, $3 }'
}

# Half of the tracks, by their last digit: a track's listeners are all in one table.
listeners_of_half() {
  shards 'plays-*.tsv' all | mawk -F '\t' -v OFS='\t' -v half="$1" '
    $5 < 30000 || substr($3, length($3)) % 2 != half { next }
    !in_country[$4, $3, $2]++ {
      country[$4 OFS $3]++
      if (!anywhere[$3, $2]++) world[$3]++
    }
    END {
      for (key in country) print key, country[key]
      for (track in world) print "*", track, world[track]
    }'
}

case $job in
  wordcount)
    both 'words-*.txt' '
      { for (i = 1; i <= NF; i++) n[$i]++ }
      END { for (word in n) print word, n[word] }' | sorted -t $'\t' -k1,1 | added_up > "$output"
    ;;
  toplist)
    both 'plays-*.tsv' '
      BEGIN { FS = "\t" }
      $5 >= 30000 { n[$4 OFS $3]++ }
      END {
        for (key in n) { split(key, part, OFS); world[part[2]] += n[key]; print key, n[key] }
        for (track in world) print "*", track, world[track]
      }' | sorted -t $'\t' -k1,1 -k2,2 | added_up | ranked > "$output"
    ;;
  listeners)
    listeners_of_half 0 > "$temp/half-0" &
    first=$!
    listeners_of_half 1 > "$temp/half-1"
    wait "$first"
    cat "$temp/half-0" "$temp/half-1" | ranked > "$output"
    ;;
  *)
    echo "no program for the job $job" >&2
    exit 2
    ;;
esac
