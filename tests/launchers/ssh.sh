#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/cluster over ssh: two hosts, each with a network and an sshd of its own, first by tunnels,
# then with keys. Whatever ends an ssh, no process stays behind on the other side.
#
#   ssh.sh MILLRACE CLUSTER_PROBES.so SOURCE_DIR
source "$(dirname "$0")/lib.sh"
needs ssh sshd ssh-keygen nsenter
in_namespaces "$@"
millrace=$(readlink -f "$1") probes=$2 cluster=$3/scripts/cluster
work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-ssh-XXXXXX")
trap 'status=$?; [ $status = 0 ] || tail -n 20 "$work"/*/log/*.log >&2; rm -rf "$work"' EXIT
cd "$work"

has_own_network() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

# host NAME NUMBER: 10.77.NUMBER.2
host() {
  unshare --net sleep infinity &
  local there=$!
  await_that "a network for $1" has_own_network "$there"
  ip link add "to-$1" type veth peer name eth0 netns "$there"
  ip address add "10.77.$2.1/24" dev "to-$1"
  ip link set "to-$1" up
  nsenter -t "$there" -n bash -c "ip link set lo up; ip address add 10.77.$2.2/24 dev eth0
    ip link set eth0 up; ip route add default via 10.77.$2.1"
  start "sshd-$1.log" nsenter -t "$there" -n "$(command -v sshd)" -D -e -f sshd_config
  printf 'Host %s\n  HostName 10.77.%s.2\n' "$1" "$2" >> ssh_config
}
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f host_key
ssh-keygen -q -t ed25519 -N '' -f id
cat > sshd_config << END
Port 2222
HostKey $work/host_key
PidFile none
AuthorizedKeysFile $work/id.pub
StrictModes no
UsePAM no
PasswordAuthentication no
END
cat > ssh_config << END
Host *
  Port 2222
  IdentityFile $work/id
  UserKnownHostsFile $work/known_hosts
  StrictHostKeyChecking accept-new
  LogLevel ERROR
END
echo 1 > /proc/sys/net/ipv4/ip_forward
host node1 1
host node2 2
for name in node1 node2; do await_that "$name" ssh -F ssh_config -o BatchMode=yes "$name" true; done

for i in {1..60}; do echo "line $i"; done > lines.txt
{
  cat lines.txt
  echo "wait $work/gate"
} > gate.txt
obey() { echo --module "$probes" obey --parts 3 --split-size 64; }
"$millrace" run $(obey) --quiet --input lines.txt --output local || fail "local run"
# Neither a worker nor a task nor what watches over them: all are this program.
no_worker_is_left() {
  local process
  for process in /proc/[0-9]*; do
    if [ "$(readlink "$process/exe")" != "$millrace" ]; then continue; fi
    case $(tr '\0' ' ' < "$process/cmdline") in
      "$millrace master "* | "$millrace run "*) ;;
      *) return 1 ;;
    esac
  done
}
start_cluster() { # FLAG...
  "$cluster" start --dir "$work/cluster" --binary "$millrace" --hosts hosts \
    --ssh-config ssh_config "$@" -- --no-direct-reads --allow-write "$work" \
    > start.out 2> start.err || fail "scripts/cluster start: $(cat start.err)"
  master=$(tail -n 1 start.out)
}

try() { # NAME FLAG-OF-CLUSTER...
  local name=$1 proof=()
  shift
  if [ $# -gt 0 ]; then proof=(--keys keys); fi
  printf 'node1 slots=1 spool=%s/spool-1\nnode2 slots=1 spool=%s/spool-2\n' "$work" "$work" > hosts
  start_cluster "$@"
  echo "$name: the result of two hosts is the local one"
  "$millrace" run $(obey) --quiet --input lines.txt --output "$name" --master "$master" \
    "${proof[@]}" || fail "the run"
  expect_same_output "$name" local "$name"

  echo "$name: when the clients are killed, nothing stays behind"
  rm -f gate gate.begun
  start "$name.log" "$millrace" run $(obey) --input gate.txt --output "$name-gate" \
    --master "$master" "${proof[@]}"
  local run=$started
  await_that "a task at work" test -e gate.begun
  kill -KILL $(pgrep -f "^ssh .*millrace.* worker ")
  await_that "nothing is left on the other side" no_worker_is_left
  expect "spools" "" "$(compgen -G "$work/spool-*/worker-*")"

  echo "$name: start brings them back, and the run ends well"
  touch gate
  start_cluster
  wait "$run"
  expect "the run" 0 $?
  "$cluster" status --dir "$work/cluster" > status.out || fail "scripts/cluster status"
  expect "workers in status" 2 "$(grep -c ' tcp://' status.out)"
  "$cluster" stop --dir "$work/cluster" 2> /dev/null || fail "scripts/cluster stop"
  await_that "nothing is left after stop" no_worker_is_left
  rm -r "$work/cluster"
}

try by-tunnels
"$millrace" keygen keys > /dev/null || fail "keygen"
try by-keys --keys keys --address 10.77.0.1
expect "keys on the hosts" "700 600" \
  "$(stat -c %a spool-1/keys) $(stat -c %a spool-1/keys/secret.key)"
expect "what a host gets" "allowed.keys master.key secret.key" "$(ls spool-2/keys | xargs)"
