#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The benchmark's jobs as pipelines of GNU sort and uniq; mawk only cuts and puts together.
#
#   coreutils.sh JOB FOLDER OUTPUT      or: coreutils.sh --version
#
# As duckdb/query.mjs is called. Where no limit is given, sort gets 2 GiB: for a pipe its own guess
# is small.
set -euo pipefail
export LC_ALL=C
if [ "$1" = --version ]; then
  sort --version
  exit 0
fi
job=$1 folder=$2 output=$3
suffix=${BENCH_SUFFIX:-} temp=${BENCH_TEMP:-/tmp}
distinct=$temp/distinct counts=$temp/counts

read_shards() { if [ "$suffix" = .zst ]; then zstd -dcq "$@"; else cat "$@"; fi; }
sorted() {
  sort --parallel="${BENCH_THREADS:-2}" -S "${BENCH_MEMORY_MIB:-2048}M" -T "$temp" "$@"
}

# Fields of the long plays, in the order of the awk expression $1.
long_plays() {
  read_shards "$folder"/plays-*.tsv"$suffix" |
    mawk -F '\t' -v OFS='\t' '$5 >= 30000 { print '"$1"' }'
}

# "n a b", as uniq -c prints it, to "a b n"; where $1 is given, "n b" to "$1 b n".
count_last() {
  mawk -v OFS='\t' -v first="$1" '
    first != "" { print first, $2, $1; next }
    { print $2, $3, $1 }'
}

# scope, track, n -> scope, rank, track, n: the first hundred of each scope.
ranked() {
  sorted -t $'\t' -k1,1 -k3,3nr -k2,2 | mawk -F '\t' -v OFS='\t' '
    $1 != scope { scope = $1; rank = 0 }
    ++rank <= 100 { print scope, rank, $2, $3 }'
}

# listener, time of the day, ms_played in this order -> a row per listener.
sessions() {
  mawk -F '\t' -v OFS='\t' '
    # print shortens numbers beyond 32 bits.
    function put() { if (user != "") printf "%s\t%d\t%.0f\t%d\n", user, sessions, ms, longest }
    { now = substr($2, 12, 2) * 3600 + substr($2, 15, 2) * 60 + substr($2, 18, 2) }
    $1 != user { put(); user = $1; last = now; sessions = 1; ms = longest = 0 }
    {
      gap = now - last
      if (gap > 1800) sessions++
      if (gap > longest) longest = gap
      ms += $3
      last = now
    }
    END { put() }'
}

case $job in
  wordcount)
    read_shards "$folder"/words-*.txt"$suffix" | tr ' ' '\n' | sorted | uniq -c |
      mawk -v OFS='\t' '{ print $2, $1 }' > "$output"
    ;;
  toplist)
    long_plays '$4, $3' | sorted | uniq -c | count_last '' > "$counts"
    {
      cat "$counts"
      cut -f 2,3 "$counts" | sorted -k1,1 | mawk -F '\t' -v OFS='\t' '
        $1 != track { if (n) print "*", track, n; track = $1; n = 0 }
        { n += $2 }
        END { if (n) print "*", track, n }'
    } | ranked > "$output"
    ;;
  listeners)
    long_plays '$4, $3, $2' | sorted -u > "$distinct"
    {
      cut -f 1,2 "$distinct" | uniq -c | count_last ''
      cut -f 2,3 "$distinct" | sorted -u | cut -f 1 | uniq -c | count_last '*'
    } | ranked > "$output"
    ;;
  sessions)
    read_shards "$folder"/plays-*.tsv"$suffix" | mawk -F '\t' -v OFS='\t' '{ print $2, $1, $5 }' |
      sorted | sessions > "$output"
    ;;
  sort)
    # Files by name where they can be: sort reads them itself.
    if [ "$suffix" = .zst ]; then
      read_shards "$folder"/tera-*.txt.zst | sorted -o "$output"
    else
      sorted -o "$output" "$folder"/tera-*.txt
    fi
    ;;
  *)
    echo "no pipeline for the job $job" >&2
    exit 2
    ;;
esac
