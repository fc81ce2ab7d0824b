#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deploy/systemd: what systemd's own tools say of the units, and then a systemd that starts them,
# with its sandbox around ours. That one has namespaces and a control group of its own.
#
#   systemd.sh MILLRACE SOURCE_DIR
source "$(dirname "$0")/lib.sh"
needs systemd-analyze unshare
if [ -z "${MILLRACE_IN_NAMESPACES:-}" ]; then
  if [ "$(id -u)" != 0 ]; then skip "needs root, for namespaces of its own"; fi
fi
in_namespaces "$@"
millrace=$1 source=$2 units=/run/units

# On a machine that systemd runs, control groups are not ours to make.
[ -d /run/systemd/system ] && has_systemd=yes || has_systemd=no

# What systemd sees as the machine's: only here.
mount --make-rprivate /
for folder in /run /srv /var/lib /var/cache /usr/local/bin; do
  mount -t tmpfs none "$folder" || skip "needs tmpfs"
done
mkdir -p /run/etc/upper /run/etc/work "$units" /srv/millrace
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work none /etc ||
  skip "needs overlayfs"
install -m 755 "$millrace" /usr/local/bin/millrace
install -m 644 "$source"/deploy/systemd/*.service "$source"/deploy/systemd/*.timer "$units"
cd "$units"

echo "systemd-analyze"
for unit in millrace-master.service millrace-worker.service millrace-job@top.service \
  millrace-job@top.timer; do
  said=$(systemd-analyze verify "$units/$unit" 2>&1) || fail "$unit: $said"
  expect "systemd-analyze verify $unit" "" "$said" # it reports most things with status 0
done
while read -r calendar; do
  systemd-analyze calendar "$calendar" > /dev/null || fail "OnCalendar=$calendar"
done < <(sed -n 's/^OnCalendar=//p' ./*.timer)
for unit in master worker job@top; do
  score=$(systemd-analyze security --no-pager --offline=true "$units/millrace-$unit.service" 2>&1 |
    sed -n 's/^.* Overall exposure level for .*: \([0-9.]*\) .*$/\1/p')
  grep -q "| \`millrace-${unit%top}.service\` | $score |" \
    "$source/docs/how-to/run-under-systemd.md" || fail "$unit: the page does not say $score"
done

if [ ! -x /lib/systemd/systemd ]; then skip "needs systemd, to start the units"; fi
echo "a systemd of its own"
if [ $has_systemd = yes ]; then exit 0; fi
for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup; do
  group=$hierarchy/millrace-test-$$-$RANDOM
  if [ -e "$hierarchy/cgroup.procs" ] && mkdir "$group" 2> /dev/null; then break; fi
  group=''
done
[ -n "$group" ] || skip "needs a control group (version 2) of its own"
leave() {
  if [ -n "${init:-}" ]; then kill -KILL "$init" 2> /dev/null; fi
  for ((tries = 0; tries < 50; tries++)); do
    find "$group" -depth -type d -exec rmdir {} + 2> /dev/null && break
    sleep 0.1
  done
}
trap 'status=$?; if [ $status != 0 ]; then cat /run/log-* /run/systemd.out; fi; leave' EXIT

mkdir -p /run/systemd /run/dbus
for target in sysinit basic network-online shutdown; do
  printf '[Unit]\nDefaultDependencies=no\n' > "$units/$target.target"
done
for unit in master worker job@; do
  mkdir "$units/millrace-$unit.service.d"
  # No journal here; and no ten minutes until the next try.
  printf '[Service]\nStandardOutput=append:/run/log-%s\nStandardError=append:/run/log-%s\n' \
    "$unit" "$unit" > "$units/millrace-$unit.service.d/test.conf"
done
printf 'RestartSec=1s\n' >> "$units/millrace-job@.service.d/test.conf"
start /run/systemd.out bash -c '
  echo $$ > "$1/cgroup.procs"
  exec unshare --cgroup --mount --pid --fork --kill-child --mount-proc --ipc --uts bash -c "
    umount -R /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup || exit 1
    exec env -i container=test SYSTEMD_UNIT_PATH=$2 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no"' \
  sh "$group" "$units"
await_that "systemd" eval 'init=$(pgrep -f "^/lib/systemd/systemd --system --unit=basic.target")'
inside() { nsenter -t "$init" -m -p env SYSTEMD_UNIT_PATH="$units" "$@"; }
await_that "systemctl" inside systemctl is-system-running
property() { inside systemctl show -P "$2" "millrace-$1"; }
is() { [ "$(property "$1" "$2")" = "$3" ]; }

systemd-sysusers "$source/deploy/systemd/millrace.sysusers" || fail "systemd-sysusers"
chown millrace: /srv/millrace
mkdir -p /etc/millrace/jobs
millrace keygen /run/keys > /dev/null || fail "keygen"
for role in master worker submitter; do
  install -d -m 750 -o root -g millrace "/etc/millrace/keys/$role"
  install -m 640 -o root -g millrace "/run/keys/$role"/* "/etc/millrace/keys/$role"
done
printf 'LISTEN=tcp://10.77.0.1:5801\nFLAGS=--keys /etc/millrace/keys\n' > /etc/millrace/master.conf
printf 'MASTER=tcp://10.77.0.1:5801\nLISTEN=tcp://*:5802\n%s\n' \
  'FLAGS=--keys /etc/millrace/keys --slots 2' > /etc/millrace/worker.conf
yesterday=$(date -d yesterday +%F)
mkdir "/srv/millrace/$yesterday"
seq 1 1000 > "/srv/millrace/$yesterday/numbers.txt"
cat > /etc/millrace/jobs/top.toml << END
job = "wordcount"
output = "counts/{date}"
input = "{date}/*.txt"
master = "tcp://10.77.0.1:5801"
keys = "/etc/millrace/keys"
END
sed 's/^input.*/inputs = "?"/' /etc/millrace/jobs/top.toml > /etc/millrace/jobs/typo.toml
sed 's/^input.*/input = "late.txt"/; s/counts/late/' /etc/millrace/jobs/top.toml \
  > /etc/millrace/jobs/late.toml

echo "a night's run on a cluster, all of it in units"
inside systemctl start millrace-master millrace-worker || fail "systemctl start"
inside systemctl start millrace-job@top || fail "millrace-job@top"
(cd /srv/millrace && millrace run wordcount --input "$yesterday/numbers.txt" --output local --quiet)
diff <(millrace cat /srv/millrace/local) <(millrace cat "/srv/millrace/counts/$yesterday") ||
  fail "another output"
expect "owner of the output" millrace "$(stat -c %U "/srv/millrace/counts/$yesterday/_SUCCESS")"
grep -q 'tasks run with Landlock [0-9]* and seccomp$' /run/log-worker ||
  fail "the unit takes the tasks' sandbox away"
inside systemctl start millrace-job@top || fail "a second time: up to date"

echo "which ends are final"
if inside systemctl start millrace-job@typo; then fail "wrong usage is no failure"; fi
is job@typo ActiveState failed || fail "wrong usage is tried again"
is job@typo ExecMainStatus 64 || fail "another exit code"
is job@typo NRestarts 0 || fail "wrong usage was tried again"
start /run/late.out inside systemctl start millrace-job@late
await_that "a second try" is job@late NRestarts 1
seq 1 10 > /srv/millrace/late.txt
await_that "a late input" test -e "/srv/millrace/late/$yesterday/_SUCCESS"
kill -KILL "$(pgrep -f '^millrace master')"
await_that "the next life of the master" grep -q 'epoch 2' /run/log-master
kill -KILL "$(pgrep -of '^millrace worker')"
await_that "the next worker" eval '[ "$(grep -c "starts as" /run/log-worker)" = 2 ]'
inside systemctl stop millrace-worker
expect "a stopped worker" "inactive success" \
  "$(property worker ActiveState) $(property worker Result)"
grep -q drains /run/log-worker || fail "systemctl stop does not drain"
inside systemctl stop millrace-master
expect "a stopped master" "inactive success" \
  "$(property master ActiveState) $(property master Result)"
expect "the spool" "" "$(compgen -G '/var/cache/millrace/spool/worker-*')"
