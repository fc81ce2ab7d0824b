# SPDX-License-Identifier: Apache-2.0
# Slurm for tests: a controller and four nodes, n1 to n4, each with its slurmd. To be called in
# namespaces, after lib.sh; `needs munged slurmctld slurmd sbatch` first.

# start_slurm DIR: sets SLURM_CONF.
start_slurm() {
  local dir=$1 node
  mkdir -p "$dir/state" "$dir/log" "$dir/spool"
  head -c 1024 /dev/urandom > "$dir/munge.key"
  chmod 600 "$dir/munge.key"
  cat > "$dir/slurm.conf" << END
ClusterName=test
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,defer_batch=0
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=5
InactiveLimit=0
KillWait=2
MinJobAge=300
NodeName=n[1-4] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[7001-7004] CPUs=2 RealMemory=4000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
  export SLURM_CONF=$dir/slurm.conf
  start "$dir/log/munged.out" munged --foreground --force --socket="$dir/munge.socket" \
    --key-file="$dir/munge.key" --pid-file="$dir/munged.pid" --log-file="$dir/log/munged.log" \
    --seed-file="$dir/munge.seed"
  await_that "munged" test -S "$dir/munge.socket"
  start "$dir/log/slurmctld.out" slurmctld -D -c
  for node in n1 n2 n3 n4; do start_node "$dir" "$node"; done
  await_that "four idle nodes" nodes_are 4 idle
}

# start_node DIR NODE
start_node() { start "$1/log/$2.out" slurmd -D -N "$2"; }

# nodes_are COUNT STATE
nodes_are() { [ "$(sinfo -h -N -o %T 2> /dev/null | grep -c "^$2")" = "$1" ]; }

# job_field JOB NAME
job_field() { scontrol -o show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1; }
job_is() { [ "$(job_field "$1" JobState)" = "$2" ]; }
job_is_over() {
  case $(job_field "$1" JobState) in
    PENDING | RUNNING | COMPLETING | CONFIGURING | '') return 1 ;;
  esac
}

# kill_node NODE: slurmd, what runs there, and the slurmstepd above it, as a machine without power.
kill_node() {
  local file pid pids
  pids=$(pgrep -fx "slurmd -D -N $1")
  for file in /proc/[0-9]*/environ; do
    if tr '\0' '\n' 2> /dev/null < "$file" | grep -qx "SLURMD_NODENAME=$1"; then
      pid=${file#/proc/}
      pid=${pid%/environ}
      pids+=" $pid $(ps -o ppid= -p "$pid")"
    fi
  done
  kill -KILL $pids 2> /dev/null
}
