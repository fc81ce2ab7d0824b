// SPDX-License-Identifier: Apache-2.0
// What clients are told of runs and workers.
#include <algorithm>
#include <sstream>
#include <string>
#include <utility>

#include "mapreduce/engine/utf8.h"
#include "mapreduce/proto/limits.h"
#include "master/scheduler.h"

namespace millrace {
namespace {

// The first phase that is not complete, and how far it is.
void DescribePhase(const JobRun& run, RunStatus& status) {
  for (const TaskPhase& phase : run.phases()) {
    for (const Task& task : phase.tasks) status.tasks_running += task.attempts.size();
    if (!status.phase.empty() || phase.IsCommitted()) continue;
    status.phase = phase.spec->name;
    status.phase_tasks_done = phase.committed_count;
    status.phase_tasks_total = phase.tasks.size();
    for (std::size_t index = 0; index < phase.spec->task_bytes.size(); ++index) {
      const std::uint64_t bytes = phase.spec->task_bytes[index];
      const Task& task = phase.tasks[index];
      status.phase_bytes_total += bytes;
      std::uint64_t done = task.committed != 0 ? bytes : 0;
      for (const Attempt& attempt : task.attempts)
        done = std::max(done, std::min(bytes, attempt.bytes));
      status.phase_bytes_done += done;
    }
  }
}

}  // namespace

std::string Describe(const RecordPosition& position) {
  std::ostringstream text;
  if (position.is_group()) {
    text << "in the group of key \"" << Printable(position.key) << "\"";
  } else {
    text << "at the record at byte " << position.offset << " of " << Printable(position.shard);
  }
  return std::move(text).str();
}

RunStatus Scheduler::StatusOf(const std::string& name, std::uint64_t failures_seen) const {
  const auto found = runs_by_name_.find(name);
  if (found != runs_by_name_.end()) return StatusOf(*runs_.at(found->second), failures_seen);
  RunStatus status;
  status.name = name;
  return status;
}

RunStatus Scheduler::StatusOf(const JobRun& run, std::uint64_t failures_seen) const {
  RunStatus status;
  status.name = run.spec().name;
  status.user = run.spec().user;
  status.output = run.spec().output;
  status.state =
      run.state() == RunState::kRunning && run.tasks_done() == 0 && run.active_count() == 0
          ? RunState::kQueued
          : run.state();
  status.code = run.end().code;
  status.message = run.end().message;
  status.tasks_total = run.tasks_total();
  status.tasks_done = run.tasks_done();
  status.totals = run.totals();
  DescribePhase(run, status);
  const std::uint64_t total = run.totals().failures;
  const std::uint64_t wanted = total - std::min(total, failures_seen);
  const std::uint64_t count = std::min<std::uint64_t>(wanted, run.failures().size());
  status.failures.assign(run.failures().end() - static_cast<std::ptrdiff_t>(count),
                         run.failures().end());
  return status;
}

ClusterStatus Scheduler::StatusOfAll() const {
  ClusterStatus status;
  for (const JobRunId id : open_runs_) {
    if (status.runs.size() < kStatusRunsMax)
      status.runs.push_back(StatusOf(*runs_.at(id), UINT64_MAX));
  }
  for (auto id = ended_runs_.rbegin(); id != ended_runs_.rend(); ++id) {
    if (status.runs.size() < kStatusRunsMax)
      status.runs.push_back(StatusOf(*runs_.at(*id), UINT64_MAX));
  }
  for (const auto& [id, worker] : workers_.workers()) {
    if (!worker.is_registered) continue;
    status.workers.push_back({.worker = id,
                              .host = worker.host,
                              .endpoint = worker.endpoint,
                              .slots = worker.slots,
                              .slots_busy = static_cast<std::uint32_t>(worker.attempts.size()),
                              .slot_memory_bytes = worker.slot_memory_bytes,
                              .takes_tasks = worker.takes_tasks,
                              .is_set_aside = worker.set_aside_until_ms > now_ms_});
  }
  return status;
}

// "stage-1 map task 12, attempt 2 on host-7: ...", then what it said, line by line.
std::string Scheduler::FailureText(const JobRun& run, const AttemptFailed& failed) const {
  const TaskFailure& failure = failed.failure;
  std::ostringstream text;
  text << run.spec().phases[failed.attempt.task.phase.index].name << " task "
       << failed.attempt.task.index << ", attempt " << failed.attempt.number;
  const auto worker = workers_.workers().find(failed.worker);
  if (worker != workers_.workers().end()) text << " on " << worker->second.host;
  text << ": " << failure.message;
  const auto says = [&](std::string_view words) {
    return failure.message.find(words) != std::string::npos;
  };
  const bool is_told =
      failure.position &&
      (failure.position->is_group() ? says("in the group of key") : says(failure.position->shard));
  if (failure.position && !is_told) text << ", " << Describe(*failure.position);
  if (failed.sets_record_aside) {
    text << "; the " << (failure.position->is_group() ? "group" : "record")
         << " is set aside from now on";
  }
  std::istringstream log(failure.log);
  for (std::string line; std::getline(log, line);) text << "\n  | " << line;
  return std::move(text).str();
}

}  // namespace millrace
