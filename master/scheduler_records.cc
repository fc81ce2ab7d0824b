// SPDX-License-Identifier: Apache-2.0
// What follows from records once they are durable: JobRun::Apply, and telling those concerned. A
// recovery does the first alone.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "master/logged_reason.h"
#include "master/scheduler.h"

namespace millrace {

void Scheduler::OnDurable(const JournalRecord& record) {
  std::visit([this](const auto& r) { Enact(r); }, record);
}

void Scheduler::Enact(const RunSubmitted& submitted) {
  const std::string& name = submitted.spec.name;
  runs_.emplace(submitted.run, std::make_unique<JobRun>(submitted));
  runs_by_name_[name] = submitted.run;
  open_runs_.insert(submitted.run);
  last_run_ = std::max(last_run_, submitted.run);
  if (out_ == nullptr) return;  // A recovery.
  touched_runs_.insert(submitted.run);
  if (const auto found = submissions_.find(name); found != submissions_.end()) {
    SendTo(found->second.client, StatusOf(name));
    if (found->second.is_cancelled)
      EndRunWith(*runs_.at(submitted.run), Status::Cancelled("cancelled"));
    submissions_.erase(found);
  }
  out_->push_back(PrepareRun{submitted.run});
  if (!has_regular_check_) SetTimer(options_.heartbeat_ms, RegularCheck{});
}

void Scheduler::Enact(const AttemptStarted& started) {
  JobRun* const run = Find(started.attempt.task.phase.run);
  if (run == nullptr || run->is_over()) return;
  Attempt& attempt = run->Apply(started);
  touched_runs_.insert(run->id());
  WorkerEntry* const worker = FindWorker(started.worker);
  if (worker == nullptr || !worker->attempts.contains(started.attempt)) {
    FailAttempt(attempt, started.attempt.task, Blame::kWorker, "the worker was lost");
    return;
  }
  SendStart(*run, attempt, started.attempt.task, worker->id);
}

void Scheduler::Enact(const TaskCommitted& committed) {
  const AttemptId& id = committed.attempt;
  JobRun* const run = Find(id.task.phase.run);
  if (run == nullptr || run->is_over()) {
    SendTo(committed.worker, TaskAnswer{id, false});
    return;
  }
  TaskPhase& phase = *run->FindPhase(id.task.phase.index);
  Task& task = phase.tasks[id.task.index];
  if (const Attempt* const attempt = task.FindAttempt(id.number);
      attempt != nullptr && attempt->started_ms > 0) {
    phase.pace.Add(committed.output.bytes_in, now_ms_ - std::min(now_ms_, attempt->started_ms));
  }
  const std::vector<Attempt> over = task.attempts;
  for (const Attempt& attempt : over) {
    const AttemptId other{id.task, attempt.number};
    Release(*run, other, attempt.worker);
    if (other != id) SendTo(attempt.worker, KillTask{other});
  }
  BlameWorkers(task, committed.worker);
  run->Apply(committed);
  touched_runs_.insert(run->id());
  SendTo(committed.worker, TaskAnswer{id, true});
  if (phase.spec->channels > 0) {
    if (WorkerEntry* const worker = FindWorker(committed.worker); worker != nullptr) {
      worker->held_phases.insert(phase.id);
    } else {
      run->LoseOutput(phase, id.task.index);
    }
  }
  if (phase.IsCommitted()) OnPhaseProgress(*run);
}

void Scheduler::Enact(const AttemptFailed& failed) {
  const AttemptId& id = failed.attempt;
  JobRun* const run = Find(id.task.phase.run);
  if (run == nullptr || run->is_over()) return;
  Task& task = *run->FindTask(id.task);
  if (failed.sets_record_aside) run->AddPendingSetAside(-1);
  const bool was_active = task.FindAttempt(id.number) != nullptr;
  run->Apply(failed);
  run->AddFailure(FailureText(*run, failed));
  if (was_active) Release(*run, id, failed.worker);
  touched_runs_.insert(run->id());
  if (FindWorker(failed.worker) != nullptr) SendTo(failed.worker, TaskAnswer{id, false});
  if (failed.blame == Blame::kSource) OnSourceFailure(*run, failed);
  if (!was_active || !run->is_open()) return;  // It has committed since, or the run ends anyway.
  // A backup attempt that fails says nothing against the one beside it.
  if (const Status status = TooManyFailures(*run, failed, task);
      !status.ok() && task.attempts.empty()) {
    EndRunWith(*run, status);
    return;
  }
  // Lost work is made good at once; what failed may fail again, so it waits, longer each time.
  if (failed.blame == Blame::kWorker) {
    JobRun::Requeue(*run->FindPhase(id.task.phase.index), id.task.index);
  } else {
    Retry(*run, id.task);
  }
}

void Scheduler::Enact(const BordersFixed& fixed) {
  JobRun* const run = Find(fixed.phase.run);
  if (run == nullptr || run->is_over()) return;
  run->Apply(fixed);
  touched_runs_.insert(run->id());
}

void Scheduler::Enact(const RunPublishing& publishing) {
  JobRun* const run = Find(publishing.run);
  if (run == nullptr || run->is_over()) return;
  run->Apply(publishing);
  out_->push_back(PublishRun{run->id()});
}

void Scheduler::Enact(const RunEnded& ended) {
  JobRun* const run = Find(ended.run);
  if (run == nullptr || run->is_over()) return;
  const bool is_live = out_ != nullptr;
  std::vector<std::pair<WorkerId, AttemptId>> over;
  std::set<WorkerId> involved;
  for (const auto& [id, worker] : workers_.workers()) {
    for (const AttemptId& attempt : worker.attempts) {
      if (attempt.task.phase.run == ended.run) over.push_back({id, attempt});
    }
    for (const PhaseId& phase : worker.held_phases) {
      if (phase.run == ended.run) involved.insert(id);
    }
  }
  for (const auto& [id, attempt] : over) {
    WorkerEntry& worker = *FindWorker(id);
    worker.attempts.erase(attempt);
    workers_.UpdateFree(worker, now_ms_);
    involved.insert(id);
  }
  // Those of workers that are gone, and starts on their way to the journal, included.
  fair_share_.AddBusy(run->spec().user, -std::int64_t{run->active_count()});
  for (const WorkerId id : involved) {
    std::erase_if(FindWorker(id)->held_phases,
                  [&](const PhaseId& phase) { return phase.run == ended.run; });
    SendTo(id, EndRun{ended.run});
  }
  fair_share_.SetCandidate(run->spec().user, run->spec().priority, run->id(), false);
  run->Apply(ended);
  open_runs_.erase(ended.run);
  output_attempts_.erase(ended.run);
  stuck_since_ms_.erase(ended.run);
  std::erase_if(fetch_failures_,
                [&](const auto& entry) { return entry.first.first.run == ended.run; });
  if (is_live) {
    out_->push_back(CleanRun{run->id(), run->spec().output});
    if (ended.code == StatusCode::kOk) {
      Say(run->spec().name, " is done");
    } else {
      Say(run->spec().name, " has failed: ", LoggedReason(ended.code, ended.message));
    }
  }
  ended_runs_.push_back(ended.run);
  // The first to end is forgotten; but the last number that was given out must be known.
  const auto forgotten = std::find_if(ended_runs_.begin(), ended_runs_.end(),
                                      [this](JobRunId id) { return id != last_run_; });
  if (ended_runs_.size() > std::max<std::size_t>(2, options_.runs_remembered_max) &&
      forgotten != ended_runs_.end()) {
    const auto oldest = runs_.find(*forgotten);
    const auto named = runs_by_name_.find(oldest->second->spec().name);
    if (named != runs_by_name_.end() && named->second == oldest->first) runs_by_name_.erase(named);
    runs_.erase(oldest);
    ended_runs_.erase(forgotten);
  }
}

}  // namespace millrace
