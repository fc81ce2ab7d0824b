#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deploy/kubernetes: decoded strictly into the API's own types (kubernetes/main.go); then the
# containers' commands are executed, with a pod's user, volumes, secrets and read-only root. There
# is no cluster here: what the API server or a kubelet would say is not known.
#
#   kubernetes.sh MILLRACE SOURCE_DIR WORK_DIR
source "$(dirname "$0")/lib.sh"
needs go zstd
millrace=$1 source=$2 work=$3
manifests=$source/deploy/kubernetes
if [ -z "${MILLRACE_IN_NAMESPACES:-}" ]; then
  mkdir -p "$work"
  cd "$source/tests/launchers/kubernetes" || fail "no program"
  export GOTOOLCHAIN=local
  go mod download > "$work/go.log" 2>&1 ||
    skip "needs Go 1.22, and the modules of go.mod: $(tail -n 1 "$work/go.log")"
  go build -mod=readonly -o "$work/manifests" . || fail "go build"

  echo "strict decoding"
  "$work/manifests" "$manifests" || fail "the manifests"
  expect_refusal() { # FILE SED-SCRIPT: the check sees what is wrong
    rm -rf "$work/wrong"
    cp -r "$manifests" "$work/wrong"
    sed -i "$2" "$work/wrong/$1"
    if cmp -s "$manifests/$1" "$work/wrong/$1"; then fail "$2 changes nothing in $1"; fi
    if "$work/manifests" "$work/wrong" > "$work/wrong.log" 2>&1; then fail "$1 with $2 is taken"; fi
  }
  expect_refusal workers.yaml 's/completionMode/completionmode/'
  expect_refusal workers.yaml 's/backoffLimitPerIndex: 20/backoffLimitPerIndex: twenty/'
  expect_refusal workers.yaml 's/containerName: worker/containerName: work/'
  expect_refusal workers.yaml 's/^  completions: 8/&\n&/'
  expect_refusal master.yaml 's/runAsNonRoot: true/runAsNonRoot: false/'
  expect_refusal nightly.yaml 's/secretName: millrace-submitter-keys/secretName: keys/'
  expect_refusal network.yaml 's/component: worker/component: workers/'
  expect_refusal kustomization.yaml 's/^resources:/resource:/'
  if command -v kubectl > /dev/null && kubectl kustomize --help > /dev/null 2>&1; then
    rm -rf "$work/built"
    cp -r "$manifests" "$work/built"
    "$millrace" keygen "$work/built/keys" > /dev/null || fail "keygen"
    kubectl kustomize "$work/built" > "$work/built.log" || fail "kubectl kustomize"
    rm -r "$work/built"
  fi
  if [ "$(id -u)" != 0 ]; then skip "needs root, for a pod's user and volumes"; fi
fi
in_namespaces "$@"

echo "the containers' commands"
user=10001 pods=/run/pods
mount --make-rprivate /
mount -t tmpfs none /run || skip "needs tmpfs"
mkdir "$pods"
data=/run/data
mkdir -p "$data/logs"
chown "$user:$user" "$data" "$data/logs"
chmod 2775 "$data"
"$millrace" keygen /run/keys > /dev/null || fail "keygen"
trap 'status=$?; if [ $status != 0 ]; then tail -n 20 /run/*.log; fi' EXIT

# pod NAME ROLE: a root that is read-only, with the volumes that the manifests mount.
pod() {
  local root=$pods/$1 role=$2 folder version=..2026_01_01_00_00_00.1
  mkdir "$root"
  mount -t tmpfs none "$root"
  for folder in usr bin lib lib64 etc proc dev; do
    if [ -L "/$folder" ]; then
      cp -P "/$folder" "$root/$folder"
    elif [ -e "/$folder" ]; then
      mkdir "$root/$folder"
      mount --rbind "/$folder" "$root/$folder"
    fi
  done
  printf '127.0.0.1 localhost\n10.77.0.1 millrace-master\n' > "/run/hosts-$1"
  mount --bind "/run/hosts-$1" "$root/etc/hosts"
  mkdir -p "$root/opt" "$root/data" "$root/jobs"
  install -m 755 "$millrace" "$root/opt/millrace"
  for folder in state spool tmp keys; do
    mkdir "$root/$folder"
    mount -t tmpfs none "$root/$folder"
    chgrp "$user" "$root/$folder"
    chmod 3777 "$root/$folder"
  done
  mount --bind "$data" "$root/data"
  cp "$manifests/nightly.toml" "$root/jobs"
  # As a kubelet writes a secret: a folder of a version, links to it; root's, for a group.
  mkdir "$root/keys/$version"
  for file in "/run/keys/$role"/*; do
    install -m 440 -g "$user" "$file" "$root/keys/$version"
    ln -s "..data/${file##*/}" "$root/keys/${file##*/}"
  done
  ln -s "$version" "$root/keys/..data"
  mount -o remount,ro,bind "$root"
}
# command_of FILE CONTAINER: sets command
command_of() {
  local line
  line=$("$work/manifests" "$manifests" "$1" "$2") || fail "no command for $2"
  eval "command=($line)"
}
# inside NAME COMMAND...
inside() {
  env -i PATH=/opt:/usr/bin:/bin /usr/sbin/chroot --userspec="$user:$user" --groups="$user" \
    "$pods/$1" "${@:2}"
}

pod master master
pod worker worker
pod run submitter
command_of master.yaml master
start /run/master.log inside master "${command[@]}"
command_of workers-deployment.yaml worker
expect "the two kinds of workers" "$(printf '%s\n' "${command[@]}")" \
  "$(command_of workers.yaml worker && printf '%s\n' millrace worker "${command[@]:4}")"
command_of workers.yaml worker
start /run/worker.log inside worker "${command[@]}"
worker=$started
await_that "the worker" grep -q 'tasks run with' /run/worker.log

yesterday=$(date -d yesterday +%F)
mkdir "$data/logs/$yesterday"
for user_id in 1 2 3; do printf '2026\tu%s\tsong\tSE\t40000\n' "$user_id"; done |
  zstd -q -o "$data/logs/$yesterday/plays.tsv.zst"
command_of nightly.yaml run
inside run "${command[@]}" > /run/run.log 2>&1 || fail "the nightly run"
(cd / && "$millrace" run toplist --input "$data/logs/$yesterday" --output /run/local --quiet) ||
  fail "local run"
diff <("$millrace" cat /run/local) <("$millrace" cat "$data/toplist/$yesterday") ||
  fail "another output"
inside run "${command[@]}" > /run/again.log 2>&1 || fail "the nightly run, again"
grep -q 'up to date' /run/again.log || fail "the nightly run is done twice"

echo "exit codes"
kill -TERM "$(pgrep -f '^/bin/sh -c millrace worker' | head -n 1)"
wait "$worker"
expect "of a worker that was told to leave" 143 $?
grep -q drains /run/worker.log || fail "SIGTERM does not drain"
command_of workers.yaml worker
inside worker "${command[@]}" --no-such-flag > /run/wrong.log 2>&1
expect "of wrong usage" 64 $?
command_of nightly.yaml run
inside run "${command[@]:0:4}" /jobs/missing.toml > /run/missing.log 2>&1
expect "of a run that can't be" 66 $?
