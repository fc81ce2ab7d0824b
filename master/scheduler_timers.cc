// SPDX-License-Identifier: Apache-2.0
// What time does: leases end, tasks are tried again, stragglers are backed up, and runs that nobody
// can execute end.
#include <algorithm>

#include "mapreduce/base/size.h"
#include "mapreduce/base/test_hooks.h"
#include "master/scheduler.h"

namespace millrace {

void Scheduler::SetTimer(std::uint64_t delay_ms, TimerPurpose purpose) {
  if (std::holds_alternative<RegularCheck>(purpose)) has_regular_check_ = true;
  timers_.insert({now_ms_ + delay_ms, std::move(purpose)});
}

std::optional<std::uint64_t> Scheduler::NextTimerMs() const {
  std::optional<std::uint64_t> next;
  if (!timers_.empty()) next = timers_.begin()->first;
  if (const std::uint64_t lease = workers_.FirstLeaseEndMs(); lease != 0)
    next = std::min(next.value_or(lease), lease);
  return next;
}

// Whoever wakes this master has stood still, and with it all that was sent to it: heartbeats wait
// behind this event. Workers count their leases themselves, so a longer one here harms nobody.
void Scheduler::ExcuseLateness() {
  const std::uint64_t due_ms = NextTimerMs().value_or(now_ms_);
  if (now_ms_ < due_ms + options_.heartbeat_ms / 2) return;
  std::vector<WorkerId> ids;
  for (const auto& [id, worker] : workers_.workers()) ids.push_back(id);
  for (const WorkerId id : ids) {
    WorkerEntry& worker = *FindWorker(id);
    workers_.SetLeaseEnd(worker, worker.lease_end_ms + (now_ms_ - due_ms));
  }
}

void Scheduler::OnTimers() {
  while (WorkerEntry* const expired = workers_.FirstExpired(now_ms_)) {
    LoseWorker(*expired, expired->is_registered ? "its lease is over" : "it has not come back");
  }
  while (!timers_.empty() && timers_.begin()->first <= now_ms_) {
    const TimerPurpose purpose = timers_.begin()->second;
    timers_.erase(timers_.begin());
    std::visit([this](const auto& what) { OnTimer(what); }, purpose);
  }
}

void Scheduler::OnTimer(TaskId id) {
  JobRun* const run = Find(id.phase.run);
  Task* const task = run == nullptr ? nullptr : run->FindTask(id);
  if (task == nullptr) return;
  task->is_backing_off = false;
  if (!MR_MUTATION("lost_wakeup")) JobRun::Requeue(*run->FindPhase(id.phase.index), id.index);
  touched_runs_.insert(run->id());
}

void Scheduler::OnTimer(JobRunId id) {
  const JobRun* const run = Find(id);
  if (run == nullptr) return;
  if (run->state() == RunState::kPublishing) {
    out_->push_back(PublishRun{id});
  } else if (run->is_open() && !run->is_prepared()) {
    out_->push_back(PrepareRun{id});
  }
}

void Scheduler::OnTimer(WorkerId id) {
  if (WorkerEntry* const worker = FindWorker(id)) workers_.UpdateFree(*worker, now_ms_);
}

void Scheduler::OnTimer(RegularCheck) {
  has_regular_check_ = false;
  if (open_runs_.empty()) return;
  CheckStragglers();
  CheckStuck();
  SetTimer(options_.heartbeat_ms, RegularCheck{});
}

void Scheduler::CheckStragglers() {
  std::vector<AttemptId> slow;
  for (const auto& [worker_id, worker] : workers_.workers()) {
    for (const AttemptId& id : worker.attempts) {
      JobRun* const run = Find(id.task.phase.run);
      TaskPhase* const phase = run == nullptr ? nullptr : run->FindPhase(id.task.phase.index);
      if (phase == nullptr || !run->is_open() || phase->HasReady() || !run->IsOpen(*phase))
        continue;
      Task& task = phase->tasks[id.task.index];
      Attempt* const attempt = task.FindAttempt(id.number);
      if (attempt == nullptr || attempt->is_ending || task.attempts.size() > 1 ||
          task.is_start_pending || task.is_backing_off || attempt->started_ms == 0) {
        continue;
      }
      if (MR_BUGGIFY("scheduler.backup_early") ||
          IsStraggler(phase->pace, attempt->bytes, now_ms_ - attempt->started_ms,
                      options_.backup)) {
        slow.push_back(id);
      }
    }
  }
  for (const AttemptId& id : slow) {
    JobRun& run = *Find(id.task.phase.run);
    const RunSpec& spec = run.spec();
    if (spec.parallel_max != 0 && run.active_count() >= spec.parallel_max) continue;
    Task& task = *run.FindTask(id.task);
    const WorkerId on = task.FindAttempt(id.number)->worker;
    WorkerEntry* const other = workers_.PickFree([&](const WorkerEntry& worker) {
      return worker.id != on && worker.slot_memory_bytes >= spec.memory_bytes_min &&
             !task.HasFailedOn(worker.id);
    });
    if (other == nullptr) continue;
    Say(spec.name, ": ", spec.phases[id.task.phase.index].name, " task ", id.task.index,
        " is slow on worker ", on.value, ": a backup attempt starts on worker ", other->id.value);
    StartAttempt(run, id.task, *other, /*is_backup=*/true);
  }
}

// A run without any attempt and without a worker that could start one ends in time.
void Scheduler::CheckStuck() {
  const std::set<JobRunId> open = open_runs_;
  for (const JobRunId id : open) {
    JobRun& run = *Find(id);
    const std::uint64_t memory = run.spec().memory_bytes_min;
    const bool is_stuck = run.is_open() && run.active_count() == 0 &&
                          !workers_.HasRegistered([memory](const WorkerEntry& worker) {
                            return worker.slots > 0 && worker.slot_memory_bytes >= memory;
                          });
    if (!is_stuck) {
      stuck_since_ms_.erase(id);
      continue;
    }
    const std::uint64_t since = stuck_since_ms_.try_emplace(id, now_ms_).first->second;
    if (now_ms_ - since < options_.no_worker_ms) continue;
    const std::uint64_t seconds = options_.no_worker_ms / 1000;
    EndRunWith(run, memory == 0 ? Status::Unavailable("no worker came within ", seconds,
                                                      " s: start one (`millrace worker`)")
                                : Status::Unavailable(
                                      "no worker with ", FormatBytes(memory),
                                      " of memory a slot came within ", seconds,
                                      " s: ask for less with --memory, or start one (`millrace ",
                                      "worker --memory`)"));
  }
}

}  // namespace millrace
