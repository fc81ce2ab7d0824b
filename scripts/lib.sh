# SPDX-License-Identifier: Apache-2.0
# What the scripts share. Sourced by bash from scripts/*; leaves the shell in the project's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Two compiler processes need about 2 GiB; with more cores than that, memory is the limit.
build_jobs() {
  local cores memory_kib
  cores=$(nproc)
  memory_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  local by_memory=$((memory_kib / 1048576))
  if [ "$by_memory" -lt 1 ]; then by_memory=1; fi
  if [ "$by_memory" -lt "$cores" ]; then echo "$by_memory"; else echo "$cores"; fi
}

# configure_preset PRESET [CMAKE ARGUMENT...]: quiet unless it fails.
configure_preset() {
  local log=build/$1-configure.log
  mkdir -p build
  if ! cmake --preset "$@" > "$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1
  shift
  local targets=()
  if [ $# -gt 0 ]; then targets=(--target "$@"); fi
  cmake --build --preset "$preset" -j "$(build_jobs)" "${targets[@]}" >&2
}

# Paths below the checkout count relative to it, so another checkout finds the same objects.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
# Without this, nothing with precompiled headers is looked for.
export CCACHE_SLOPPINESS=pch_defines,time_macros

# find_sources NAME-PATTERN...: the C++ files outside the build, ended by NUL.
find_sources() {
  local folder folders=() names=(-name "$1")
  for folder in mapreduce master worker cli jobs docs tests; do
    if [ -d "$folder" ]; then folders+=("$folder"); fi
  done
  shift
  while [ $# -gt 0 ]; do
    names+=(-o -name "$1")
    shift
  done
  find "${folders[@]}" \( "${names[@]}" \) -print0
}
