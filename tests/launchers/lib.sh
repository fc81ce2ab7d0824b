# SPDX-License-Identifier: Apache-2.0
# What the launchers' tests share. Sourced by bash.
#
# in_namespaces "$@" starts the script again in namespaces of its own for network and processes:
# its servers are seen by nobody else, take no port of this machine, and end with it.
set -uo pipefail

skip() {
  echo "skipped: $*; with MILLRACE_TEST_ALL=1 a failure" >&2
  if [ -n "${MILLRACE_TEST_ALL:-}" ]; then exit 1; else exit 77; fi
}
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# needs COMMAND...
needs() {
  local tool
  for tool in "$@"; do
    if ! command -v "$tool" > /dev/null; then skip "needs $tool"; fi
  done
}

in_namespaces() {
  PATH=$PATH:/usr/sbin:/sbin
  export PATH
  if [ -z "${MILLRACE_IN_NAMESPACES:-}" ]; then
    needs unshare ip
    local unshare=(unshare --net --pid --mount --mount-proc --fork --kill-child)
    if ! "${unshare[@]}" true 2> /dev/null; then skip "needs root, for namespaces of its own"; fi
    MILLRACE_IN_NAMESPACES=1 exec "${unshare[@]}" bash "$0" "$@"
  fi
  ip link set lo up
  # An address that is not the loopback's.
  ip link add net0 type veth peer name net1 2> /dev/null || skip "needs network devices (veth)"
  ip address add 10.77.0.1/24 dev net0
  ip link set net0 up
  ip link set net1 up
}

# start LOG COMMAND...: in the background; sets started.
start() {
  local log=$1
  shift
  "$@" > "$log" 2>&1 < /dev/null &
  started=$!
}

# await_that WHAT COMMAND...: until the command succeeds, for a minute at most.
await_that() {
  local what=$1 end=$((SECONDS + 60))
  shift
  while [ "$SECONDS" -lt "$end" ]; do
    if "$@" > /dev/null 2>&1; then return 0; fi
    sleep 0.05
  done
  fail "in vain: $what"
}

expect() { # WHAT EXPECTED ACTUAL
  [ "$2" = "$3" ] || fail "$1: expected '$2', is '$3'"
}
expect_same_output() { # WHAT EXPECTED-DIR ACTUAL-DIR: all but how it was made
  diff -r "$2" "$3" || fail "$1: another output"
}
