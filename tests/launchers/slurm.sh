#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deploy/slurm under a real Slurm: a controller and four nodes on this machine.
#
#   slurm.sh MILLRACE CLUSTER_PROBES.so DEPLOY_DIR CASE     a case is a function below
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/slurm_site.sh"
needs munged slurmctld slurmd sbatch srun
in_namespaces "$@"

export MILLRACE=$1
probes=$2 deploy=$3/slurm
work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-slurm-XXXXXX")
trap 'status=$?; [ $status = 0 ] || tail -n 40 "$work"/job-*.log >&2; rm -rf "$work"' EXIT
cd "$work"
export MILLRACE_SPOOL=$work/spool MILLRACE_KEYS=$work/keys
export MILLRACE_WORKER="--allow-write $work" # where the probes' gates are
mkdir spool
"$MILLRACE" keygen keys > keygen.log || fail "keygen"
start_slurm "$work/slurm"

# submit NAME [--mem=MIB] ARGUMENTS-OF-RUN...: sets job. Its log is job-NAME.log.
submit() {
  local name=$1 memory=--mem=1200
  shift
  case $1 in --mem=*) memory=$1 && shift ;; esac
  job=$(sbatch --parsable --cpus-per-task=1 "$memory" --output="$work/job-$name.log" \
    "$deploy/millrace.sbatch" "$@") || fail "sbatch"
}
expect_exit() { # WHAT CODE
  await_that "$1: the end of job $job" job_is_over "$job"
  expect "$1: exit code of the job" "$2:0" "$(job_field "$job" ExitCode)"
}
expect_tidy() { # WHAT: no process, no folder of a worker is left
  await_that "$1: no process is left" eval '! pgrep -f "^$MILLRACE "'
  expect "$1: spools" "" "$(compgen -G "$work/spool/*/worker-*")"
}
# Slurm waits for two minutes before it starts a requeued job, unless it is told. Asked too often,
# it does not come to starting jobs.
goes_on() { # NAME
  local start
  if grep -q 'going on with obey-' "$work/job-$1.log"; then return 0; fi
  sleep 1
  start=$(date -d "$(job_field "$job" StartTime)" +%s) || return 1
  if [ "$start" -gt "$(($(date +%s) + 5))" ]; then scontrol update JobId="$job" StartTime=now; fi
  return 1
}
obey() { echo --module "$probes" obey --parts 3 --split-size 64; }
# lines FILE: of which one map task and one reduce task stand still until FILE is there.
lines() {
  local i
  echo "wait $1"
  echo "reduce wait $1"
  for ((i = 0; i < 60; i++)); do echo "line $i"; done
}
run_locally() { "$MILLRACE" run $(obey) --quiet --input "$1" --output "$2" || fail "local run"; }

# A job's output is a local run's, and its exit code the run's.
exit_code() {
  lines "$work/open" > plain.txt
  touch "$work/open"
  run_locally plain.txt local-plain
  submit plain $(obey) --input plain.txt --output plain
  expect_exit plain 0
  expect_same_output plain local-plain plain
  expect_tidy plain
  submit missing $(obey) --input no-such-file.txt --output missing
  expect_exit missing 66
  submit narrow --mem=600 $(obey) --input plain.txt --output narrow
  expect_exit narrow 64
  echo 'throw' > throw.txt
  submit throw $(obey) --input throw.txt --output throw
  expect_exit throw 65
  sbatch --wait --quiet --nodes=1 --cpus-per-task=1 --mem=1200 --output=job-wait.log \
    "$deploy/millrace.sbatch" wordcount --input plain.txt --output wait --no-such-flag
  expect "sbatch --wait" 64 $?
}

# The death of a node costs the run nothing but time.
node_death() {
  lines "$work/gate-death" > death.txt
  submit death $(obey) --input death.txt --output death
  await_that "a task that stands still" test -e gate-death.begun
  kill_node n3
  # The master sees it soon, Slurm later: it must not end the others then.
  await_that "a node that is down" nodes_are 1 down
  touch "$work/gate-death"
  run_locally death.txt local-death
  expect_exit death 0
  expect_same_output death local-death death
  rm -r "$MILLRACE_SPOOL"/*/worker-* # of the dead node
  expect_tidy death
  start_node "$work/slurm" n3
  await_that "four nodes again" nodes_are 4 idle
}

# A requeued job goes on with the run it had.
requeue() {
  lines "$work/gate-requeue" > requeue.txt
  submit requeue $(obey) --input requeue.txt --output requeue
  await_that "a task that stands still" test -e gate-requeue.begun
  scontrol requeue "$job" || fail "scontrol requeue"
  touch "$work/gate-requeue"
  run_locally requeue.txt local-requeue
  await_that "the second life" goes_on requeue
  expect_exit requeue 0
  expect_same_output requeue local-requeue requeue
  expect "lives" 1 "$(job_field "$job" Restarts)"
  expect_tidy requeue
}

# A job whose time is up ends in order, and goes on when requeued.
time_limit() {
  lines "$work/gate-time" > time.txt
  submit time $(obey) --input time.txt --output time
  await_that "a task that stands still" test -e gate-time.begun
  scancel --batch --signal=TERM "$job"
  expect_exit time 143
  expect_tidy time
  touch "$work/gate-time"
  scontrol requeue "$job" || fail "scontrol requeue"
  await_that "the second life" goes_on time
  expect_exit time 0
  run_locally time.txt local-time
  expect_same_output time local-time time
}

# An array of workers serves a master elsewhere, comes and goes.
array() {
  local master=tcp://10.77.0.1:5801
  start master.log "$MILLRACE" master --listen "$master" --state "$work/state" --keys keys
  job=$(sbatch --parsable --array=0-5%3 --cpus-per-task=1 --mem=1000 --requeue \
    --output="$work/job-workers-%a.log" "$deploy/workers.sbatch" "$master" $MILLRACE_WORKER) ||
    fail "sbatch"
  workers_are() {
    [ "$("$MILLRACE" status --master "$master" --keys keys | grep -c ' tcp://')" = "$1" ]
  }
  await_that "three of six workers" workers_are 3
  lines "$work/gate-array" > array.txt
  start run.log "$MILLRACE" run $(obey) --input array.txt --output array --master "$master" \
    --keys keys
  local run=$started
  await_that "a task that stands still" test -e gate-array.begun
  # One drains, and another comes in its place; what it has done is not lost.
  start scancel.log scancel --batch --signal=TERM "${job}_1"
  await_that "worker 1 drains" grep -q drains job-workers-1.log
  kill "$started" # after five seconds it signals again
  touch "$work/gate-array"
  wait "$run"
  expect "the run on the array" 0 $?
  run_locally array.txt local-array
  expect_same_output array local-array array
  await_that "worker 1 is done" job_is "${job}_1" COMPLETED
  await_that "worker 3 takes its place" test -s job-workers-3.log
  await_that "three workers again" workers_are 3
  scancel "$job"
  await_that "no worker is left" workers_are 0
}

case $4 in
  exit_code | node_death | requeue | time_limit | array) "$4" ;;
  *) fail "no case $4" ;;
esac
