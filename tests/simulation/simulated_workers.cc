// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "mapreduce/engine/task_report.h"

namespace millrace {
namespace {

// Where a worker's own disk is mounted for the others of its host.
std::string DiskOf(int index) { return "/disk-" + std::to_string(index); }

}  // namespace

void Simulation::StartWorker(int index) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  if (node.is_alive) return;
  const int client = kWorkerClient + index;
  out_disk_.Revive(client);
  node.spool_disk->Revive(client);
  ++node.life;
  node.is_alive = true;
  node.paused_until_ms = 0;
  node.wake_ms = UINT64_MAX;
  node.children.clear();
  node.heard = Epoch();
  ArmChain(index, ++node.starts, client, *node.spool_disk);
  node.out_files = std::make_unique<SimFileSystem>(out_disk_, client);
  node.spool_files = std::make_unique<SimFileSystem>(*node.spool_disk, client);
  node.mounts = std::make_unique<SimMounts>(InputsOfSimJobs(), *node.out_files, *node.spool_files);
  ExecutorKnobs knobs;
  knobs.spill_everything = schedule_.spill_everything;
  knobs.block_bytes = schedule_.block_bytes;
  // In every other schedule all rejects are left in files.
  knobs.reported_reject_bytes_max = schedule_.seed % 2 == 0 ? 0 : kReportedRejectBytesMax;
  // In some schedules two workers each share a host.
  const auto host_of = [this](int worker) {
    return schedule_.seed % 3 == 0 ? "host-" + std::to_string(worker / 2) : std::string();
  };
  SimHost::Disks others;
  for (const auto& other : workers_) {
    if (other->index != index && !host_of(index).empty() && host_of(other->index) == host_of(index))
      others[DiskOf(other->index)] = std::make_unique<SimFileSystem>(*other->spool_disk, client);
  }
  node.executor = std::make_unique<SimExecutor>(*node.mounts, knobs, random_.Next() >> 1,
                                                DiskOf(index), std::move(others));
  const Status status = node.executor->Start();
  if (WorkerDied(index)) return;
  if (!status.ok()) {
    StopWorker(index, false, 1'000);
    return;
  }
  node.id = WorkerId{++next_worker_id_};
  worker_of_[node.id] = index;
  WorkerOptions options;
  options.host = "host-" + std::to_string(index);
  options.endpoint = options.host;
  options.host_id = host_of(index);
  options.slots = schedule_.slots;
  options.slot_memory_bytes = 1 << 30;
  options.no_progress_ms = 20'000;
  options.drain_ms = 20'000;
  options.fetch.tries_max = 5;
  options.fetch.streams_max = schedule_.streams_max;
  options.serve.streams_max = schedule_.streams_max;
  options.serve.idle_ms = 5'000;
  node.worker = std::make_unique<Worker>(node.id, options);
  Trace("worker ", index, " starts as ", node.id);
  WorkerActions actions;
  node.worker->Start(now_ms_, actions);
  Carry(index, actions);
  WakeWorker(index);
}

void Simulation::StopWorker(int index, bool is_power_cut, std::uint64_t restart_ms) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  if (!node.is_alive) return;
  const int client = kWorkerClient + index;
  Trace("worker ", index, " (", node.id, ") ends", is_power_cut ? " in a power cut" : "");
  Note(3, static_cast<std::uint64_t>(index), is_power_cut);
  for (SimDisk* disk : {&out_disk_, node.spool_disk.get()}) {
    if (is_power_cut) {
      disk->CrashMachine({client});
    } else if (!disk->IsDead(client)) {
      disk->KillProcess(client);
    }
  }
  node.is_alive = false;
  ++node.life;
  const WorkerId id = node.id;
  worker_of_.erase(id);
  node.worker.reset();
  node.executor.reset();
  node.children.clear();
  After(std::max<std::uint64_t>(1, restart_ms), [this, index] { StartWorker(index); });

  // S3: its loss is noticed.
  const int slot = current_master_;
  const MasterNode& master = masters_[slot];
  if (!master.is_alive || master.paused_until_ms > now_ms_ || id == WorkerId()) return;
  const std::uint64_t life = master.life;
  After(scheduler_options_.lease_ms() + schedule_.delay_ms_max + 2, [this, slot, life, id] {
    const MasterNode& now = masters_[slot];
    if (now.life != life || !now.is_alive || now.paused_until_ms > 0) return;
    const auto found = now.scheduler->workers().find(id);
    const bool is_late_message =
        schedule_.duplicates > 0 || !schedule_.keeps_order;  // May have renewed the lease since.
    if (found != now.scheduler->workers().end() && found->second.is_registered && !is_late_message)
      Violate("S3: ", id, " is gone for two heartbeats, and the master has not noticed");
  });
}

bool Simulation::WorkerDied(int index) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  if (!node.is_alive) return true;
  const int client = kWorkerClient + index;
  if (!node.spool_disk->IsDead(client) && !out_disk_.IsDead(client)) return false;
  StopWorker(index, CrashIsPowerCut(index), Between(1, 3'000));
  return true;
}

void Simulation::StepWorker(int index, const WorkerEvent& event) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  if (!node.is_alive || node.worker == nullptr) return;
  WorkerActions actions;
  node.worker->Step(event, now_ms_, actions);
  Carry(index, actions);
  WakeWorker(index);
}

void Simulation::Carry(int index, WorkerActions& actions) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  const std::uint64_t life = node.life;
  const auto later = [&](std::uint64_t delay_ms, WorkerEvent event) {
    After(delay_ms, [this, index, life, event = std::move(event)] {
      OnNode(*workers_[static_cast<std::size_t>(index)], life,
             [this, index, event] { StepWorker(index, event); });
    });
  };
  for (WorkerAction& action : actions) {
    if (node.life != life) return;
    if (auto* send = std::get_if<Send>(&action)) {
      Transmit(index, NodeOf(send->to), node.id, send->to, send->message);
    } else if (auto* start = std::get_if<StartChild>(&action)) {
      StartSimChild(index, *start);
    } else if (const auto* kill = std::get_if<KillChild>(&action)) {
      const auto child = node.children.find(kill->attempt);
      if (child == node.children.end() || child->second.is_killed) continue;
      child->second.is_killed = true;
      After(5, [this, index, life, attempt = kill->attempt, number = child->second.number] {
        OnNode(*workers_[static_cast<std::size_t>(index)], life,
               [this, index, attempt, number] { EndSimChild(index, attempt, number); });
      });
    } else if (const auto* append = std::get_if<AppendSpool>(&action)) {
      const Status status = node.executor->Append(*append);
      if (WorkerDied(index)) return;
      if (!status.ok()) later(1, SpoolFailed{append->attempt, status});
    } else if (const auto* read = std::get_if<ReadPiece>(&action)) {
      PieceRead piece = node.executor->Read(*read);
      if (WorkerDied(index)) return;
      later(1, std::move(piece));
    } else if (const auto* list = std::get_if<ListFiles>(&action)) {
      later(1, node.executor->List(*list));
    } else if (const auto* drop = std::get_if<DropAttempt>(&action)) {
      Drop(index, *drop);
    } else if (const auto* leave = std::get_if<Leave>(&action)) {
      if (!leave->status.ok()) Violate("a worker is refused: ", leave->status.message());
      StopWorker(index, false, 2'000);
      return;
    }
  }
}

void Simulation::Drop(int index, const DropAttempt& drop) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  const Status status = node.executor->Drop(drop);
  if (WorkerDied(index) || status.ok()) return;
  After(1'000, [this, index, drop, life = node.life] {
    OnNode(*workers_[static_cast<std::size_t>(index)], life,
           [this, index, drop] { Drop(index, drop); });
  });
}

void Simulation::WakeWorker(int index) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  if (!node.is_alive || node.worker == nullptr) return;
  const std::uint64_t next = node.worker->NextTimerMs();
  if (next == UINT64_MAX || (node.wake_ms <= next && node.wake_ms > now_ms_)) return;
  const std::uint64_t at_ms = std::max(next, now_ms_ + 1);
  node.wake_ms = at_ms;
  At(at_ms, [this, index, at_ms, life = node.life] {
    WorkerNode& now = *workers_[static_cast<std::size_t>(index)];
    OnNode(now, life, [this, index, at_ms] {
      WorkerNode& then = *workers_[static_cast<std::size_t>(index)];
      if (then.wake_ms == at_ms) then.wake_ms = UINT64_MAX;
      StepWorker(index, TimerFired{});
    });
  });
}

// S2. A worker that another has been given the task of must not believe that it may work on it.
void Simulation::CheckLeases(int index, const AttemptId& attempt) {
  if (backups_.contains(attempt) || called_off_.contains(attempt)) return;
  for (const auto& other : workers_) {
    if (other->index == index || !other->is_alive || other->worker == nullptr) continue;
    if (!other->worker->has_lease(now_ms_)) continue;
    for (const AttemptId& running : other->worker->Running()) {
      if (running.task == attempt.task && !backups_.contains(running) &&
          !called_off_.contains(running))
        Violate("S2: ", attempt, " starts while ", running, " still has a lease");
    }
  }
}

const Simulation::SimRun& Simulation::RunOf(const std::string& name) const {
  return *std::find_if(runs_.begin(), runs_.end(),
                       [&](const SimRun& run) { return run.name == name; });
}

void Simulation::StartSimChild(int index, const StartChild& start) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  const AttemptId& attempt = start.task.attempt;
  CheckLeases(index, attempt);
  Note(4, static_cast<std::uint64_t>(index), OutputHash(attempt));
  Trace("worker ", index, " starts ", attempt);
  Child& child = node.children[attempt];
  child.start = start;
  child.number = next_child_++;
  child.is_killed = false;
  if (node.hangs_next) {
    node.hangs_next = false;
    return;
  }
  const bool is_slow = node.slow_until_ms > now_ms_ && !is_healed_;
  const std::uint64_t task_ms = Between(schedule_.task_ms, schedule_.task_ms * 2);
  const std::uint64_t run_ms =
      std::min<std::uint64_t>(60'000, task_ms * (is_slow ? node.slow_factor : 1));
  const auto on_node = [&](std::uint64_t delay_ms, std::function<void()> what) {
    After(delay_ms, [this, index, life = node.life, what = std::move(what)] {
      OnNode(*workers_[static_cast<std::size_t>(index)], life, what);
    });
  };
  const std::uint64_t bytes = node.executor->InputBytes(start, *RunOf(start.run_name).job);
  for (std::uint64_t at = 500; at<run_ms; at += run_ms> 10'000 ? 5'000 : 500) {
    on_node(at, [this, index, attempt, number = child.number, done = bytes * at / run_ms] {
      const auto& children = workers_[static_cast<std::size_t>(index)]->children;
      const auto found = children.find(attempt);
      if (found != children.end() && found->second.number == number)
        StepWorker(index, ChildProgressed{attempt, done / 10, done, std::nullopt});
    });
  }
  on_node(run_ms,
          [this, index, attempt, number = child.number] { EndSimChild(index, attempt, number); });
}

void Simulation::EndSimChild(int index, const AttemptId& attempt, std::uint64_t number) {
  WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
  const auto found = node.children.find(attempt);
  if (found == node.children.end() || found->second.number != number) return;
  const Child child = std::move(found->second);
  node.children.erase(found);
  ChildEnded ended{attempt, TaskFailure{}};
  const SimRun& run = RunOf(child.start.run_name);
  const auto& set_aside = child.start.task.set_aside;
  const RecordPosition poison = PoisonOf(*run.job);
  const bool is_poisoned = schedule_.probe == Probe::kPoison && attempt.task.phase.index == 0 &&
                           attempt.task.index == 0 &&
                           std::find(set_aside.begin(), set_aside.end(), poison) == set_aside.end();
  if (child.is_killed) {
    ended.result = TaskFailure{StatusCode::kCancelled, "killed", {}, {}, {}};
  } else if (is_poisoned) {
    ended.result = TaskFailure{StatusCode::kUserCode, "signal 11", poison, {}, {}};
  } else if (node.crashes_next) {
    node.crashes_next = false;
    ended.result = TaskFailure{StatusCode::kUserCode, "signal 6", {}, {}, {}};
  } else {
    ended.result = node.executor->Execute(child.start, *run.job);
    if (WorkerDied(index)) return;
    if (auto* output = std::get_if<TaskOutput>(&ended.result);
        output != nullptr && schedule_.probe == Probe::kNondeterministic) {
      output->digest.low += attempt.number;
    }
  }
  if (trace_lines_ > 0) {
    const auto* failure = std::get_if<TaskFailure>(&ended.result);
    Trace("worker ", index, " ends ", attempt, failure != nullptr ? ": " + failure->message : "");
  }
  StepWorker(index, ended);
}

}  // namespace millrace
