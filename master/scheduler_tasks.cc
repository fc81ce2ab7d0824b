// SPDX-License-Identifier: Apache-2.0
// Which task starts where, and what follows when one fails.
#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "master/scheduler.h"

namespace millrace {
namespace {

std::string TaskName(const JobRun& run, const TaskId& task) {
  std::ostringstream name;
  name << run.spec().name << ": " << run.spec().phases[task.phase.index].name << " task "
       << task.index;
  return std::move(name).str();
}

}  // namespace

void Scheduler::Dispatch() {
  for (const JobRunId id : touched_runs_) {
    JobRun* const run = Find(id);
    if (run == nullptr || run->is_over()) continue;
    const RunSpec& spec = run->spec();
    const bool has_room = spec.parallel_max == 0 || run->active_count() < spec.parallel_max;
    fair_share_.SetCandidate(
        spec.user, spec.priority, id,
        run->is_open() && run->is_prepared() && has_room && run->FirstReadyPhase() != nullptr);
  }
  for (const JobRunId id : touched_runs_) unplaced_runs_.erase(id);
  touched_runs_.clear();
  if (free_version_ != workers_.free_version()) unplaced_runs_.clear();
  free_version_ = workers_.free_version();
  while (workers_.HasFree()) {
    const JobRunId id = fair_share_.First(unplaced_runs_);
    if (id == JobRunId()) break;
    JobRun& run = *Find(id);
    if (!StartNext(run)) unplaced_runs_.insert(id);
    const RunSpec& spec = run.spec();
    const bool has_room = spec.parallel_max == 0 || run.active_count() < spec.parallel_max;
    if (!has_room || run.FirstReadyPhase() == nullptr)
      fair_share_.SetCandidate(spec.user, spec.priority, id, false);
  }
}

bool Scheduler::StartNext(JobRun& run) {
  TaskPhase& phase = *run.FirstReadyPhase();
  const TaskId id{phase.id, JobRun::FirstReady(phase)};
  Task& task = phase.tasks[id.index];
  const auto has_memory = [&](const WorkerEntry& worker) {
    return worker.slot_memory_bytes >= run.spec().memory_bytes_min;
  };
  const auto suits = [&](const WorkerEntry& worker) {
    return has_memory(worker) && !task.HasFailedOn(worker.id);
  };
  WorkerEntry* worker = workers_.PickFree(suits);
  if (worker == nullptr && task.trouble != nullptr && !task.trouble->failed_on.empty()) {
    if (!workers_.HasUsable(now_ms_, suits)) {
      worker = workers_.PickFree(has_memory);  // It has failed on all there are.
    } else {
      JobRun::TakeReady(phase, id.index);  // Others needn't wait for its turn on another worker.
      Retry(run, id);
      return true;
    }
  }
  if (worker == nullptr) return false;
  JobRun::TakeReady(phase, id.index);
  StartAttempt(run, id, *worker, /*is_backup=*/false);
  return true;
}

void Scheduler::StartAttempt(JobRun& run, const TaskId& id, WorkerEntry& worker, bool is_backup) {
  Task& task = *run.FindTask(id);
  task.is_start_pending = true;
  const AttemptId attempt{id, task.attempts_started + 1};
  worker.attempts.insert(attempt);
  workers_.UpdateFree(worker, now_ms_);
  run.AddActive(1);
  fair_share_.AddBusy(run.spec().user, 1);
  Append(AttemptStarted{attempt, worker.id, is_backup});
}

void Scheduler::SendStart(const JobRun& run, Attempt& attempt, const TaskId& id, WorkerId to) {
  const TaskPhase& phase = run.phases()[id.phase.index];
  const Task& task = phase.tasks[id.index];
  if (!run.IsOpen(phase)) {  // Since the start was decided, outputs that it reads have been lost.
    FailAttempt(attempt, id, Blame::kSource, "what it reads was lost before it started");
    return;
  }
  for (const PhaseSource& source : phase.spec->sources) {
    for (const auto& [holder, held] : run.phases()[source.phase].holders) {
      const WorkerEntry* const from = FindWorker(holder);
      // After a restart: nobody knows yet where it is. SendAgain comes back to it.
      if (from == nullptr || !from->is_registered) return;
    }
  }
  StartTask start;
  start.order = ++last_order_;
  start.attempt = {id, attempt.number};
  start.kind = phase.spec->kind;
  if (!phase.spec->sources.empty()) {
    const std::vector<std::string>& borders = *phase.borders;
    // Fewer keys than parts leave parts without any at the end.
    if (id.index > 0) {
      start.borders.begin = id.index <= borders.size() ? borders[id.index - 1]
                            : borders.empty()          ? std::string()
                                                       : borders.back();
    }
    if (id.index < borders.size()) {
      start.borders.end = borders[id.index];
    } else if (id.index > borders.size()) {
      start.borders.end = start.borders.begin;
    }
    for (const PhaseSource& source : phase.spec->sources) {
      for (const auto& [holder, held] : run.phases()[source.phase].holders) {
        const WorkerEntry* const from = FindWorker(holder);
        start.sources.push_back({source, holder, from == nullptr ? std::string() : from->endpoint,
                                 static_cast<std::uint32_t>(held.tasks.size()), held.hash});
      }
    }
  }
  for (std::uint32_t i = 0; i < attempt.set_aside_count; ++i)
    start.set_aside.push_back(task.trouble->set_aside[i]);
  start.goes_one_by_one =
      phase.spec->kind == TaskKind::kReduce && task.trouble != nullptr && task.trouble->HasFailed();
  AddTables(run, phase, start);
  attempt.order = start.order;
  attempt.started_ms = now_ms_;
  SendTo(to, std::move(start));
}

// Where the files lie of the tables that the task looks up in.
void Scheduler::AddTables(const JobRun& run, const TaskPhase& phase, StartTask& start) const {
  for (const std::uint32_t maker : phase.spec->tables) {
    TableFiles& table = start.tables.emplace_back();
    table.phase = maker;
    for (const Task& task : run.phases()[maker].tasks) {
      const bool is_known = task.output != nullptr && task.output->table;
      table.files.push_back({task.committed, is_known ? task.output->table->bytes : 0});
    }
  }
}

// An attempt ends without a word from its worker.
void Scheduler::FailAttempt(Attempt& attempt, const TaskId& task, Blame blame,
                            std::string_view why) {
  attempt.is_ending = true;
  attempt.is_lost = true;
  Append(AttemptFailed{{task, attempt.number},
                       attempt.worker,
                       blame,
                       {StatusCode::kUnavailable, std::string(why), {}, {}, {}},
                       false});
}

void Scheduler::Release(JobRun& run, const AttemptId& attempt, WorkerId id) {
  run.AddActive(-1);
  fair_share_.AddBusy(run.spec().user, -1);
  WorkerEntry* const worker = FindWorker(id);
  if (worker == nullptr || worker->attempts.erase(attempt) == 0) return;
  workers_.UpdateFree(*worker, now_ms_);
}

void Scheduler::Retry(JobRun& run, const TaskId& id) {
  Task& task = *run.FindTask(id);
  if (task.is_backing_off) return;
  const TaskTrouble& trouble = task.Trouble();
  task.is_backing_off = true;
  SetTimer(Backoff(trouble.failures + trouble.source_failures), id);
}

std::uint64_t Scheduler::Backoff(std::uint32_t times) const {
  std::uint64_t delay_ms = options_.backoff_ms;
  for (std::uint32_t i = 1; i < times && delay_ms < options_.backoff_ms_max; ++i) delay_ms *= 2;
  return std::min(delay_ms, options_.backoff_ms_max);
}

// A damaged output is made again at once; what can't be fetched from a worker, after some failures.
void Scheduler::OnSourceFailure(JobRun& run, const AttemptFailed& failed) {
  const auto lose = [&](TaskPhase& phase, std::uint32_t task) {
    phase.tasks[task].given_up = phase.tasks[task].committed;
    Say(TaskName(run, {phase.id, task}), ": its output on worker ", phase.tasks[task].holder.value,
        " is lost");
    run.LoseOutput(phase, task);
  };
  if (failed.failure.damaged) {
    const AttemptId& damaged = *failed.failure.damaged;
    const Task* const task = run.FindTask(damaged.task);
    if (task == nullptr || task->committed != damaged.number || task->holder == WorkerId()) return;
    lose(*run.FindPhase(damaged.task.phase.index), damaged.task.index);
    return;
  }
  if (!failed.failure.source) return;
  const WorkerId source = *failed.failure.source;
  std::set<std::uint32_t> phases;  // Of several channels of one phase it is the same failure.
  for (const PhaseSource& from : run.FindPhase(failed.attempt.task.phase.index)->spec->sources)
    phases.insert(from.phase);
  for (const std::uint32_t index : phases) {
    TaskPhase& phase = run.phases()[index];
    const auto held = phase.holders.find(source);
    if (held == phase.holders.end()) continue;
    if (++fetch_failures_[{phase.id, source}] < options_.fetch_failures_max) continue;
    fetch_failures_.erase({phase.id, source});
    const std::set<std::uint32_t> tasks = held->second.tasks;
    for (const std::uint32_t task : tasks) lose(phase, task);
  }
}

// Evidence that failures were the workers': the same task has succeeded elsewhere.
void Scheduler::BlameWorkers(const Task& task, WorkerId committed_on) {
  if (task.trouble == nullptr) return;
  for (const WorkerId id : task.trouble->failed_on) {
    WorkerEntry* const worker = FindWorker(id);
    if (worker == nullptr || id == committed_on) continue;
    if (workers_.CountFailure(*worker, options_.worker_failures_max, options_.set_aside_ms,
                              now_ms_)) {
      Say("worker ", id.value, " (", worker->host, ") is set aside: tasks that failed there",
          " succeeded elsewhere");
      SetTimer(worker->set_aside_until_ms - now_ms_, id);
      workers_.UpdateFree(*worker, now_ms_);
    }
  }
}

Status Scheduler::TooManyFailures(const JobRun& run, const AttemptFailed& failed,
                                  const Task& task) const {
  if (task.trouble == nullptr) return Status::Ok();
  const TaskTrouble& trouble = *task.trouble;
  const TaskFailure& last = failed.failure;
  const std::string name = TaskName(run, failed.attempt.task);
  switch (last.code) {
    // Another attempt would find the same.
    case StatusCode::kInvalidArgument:
    case StatusCode::kDiverged:
    case StatusCode::kNotFound:
    case StatusCode::kStale:  // An input that changes.
    case StatusCode::kBadData:
    case StatusCode::kCannotCreate:
      return Status::Error(last.code, name, ": ", last.message);
    default:
      break;
  }
  if (trouble.failures >= options_.attempts_max) {
    std::ostringstream records;
    for (const auto& [position, attempts] : trouble.crashes) {
      records << "; " << attempts << " attempts ended " << Describe(position);
    }
    // Each time at one record, on whatever worker: it is the code, also where it stood still.
    const bool is_one_record =
        trouble.crashes.size() == 1 && trouble.crashes.begin()->second >= options_.attempts_max;
    return Status::Error(is_one_record ? StatusCode::kUserCode : last.code, name, " failed ",
                         trouble.failures, " times, the last: ", last.message, records.str());
  }
  if (trouble.losses >= options_.losses_max)
    return Status::Unavailable(name, " lost its worker ", trouble.losses, " times");
  if (trouble.source_failures >= options_.source_failures_max) {
    return Status::Unavailable(name, " could not read its input ", trouble.source_failures,
                               " times, the last: ", last.message);
  }
  return Status::Ok();
}

}  // namespace millrace
