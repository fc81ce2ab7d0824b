// SPDX-License-Identifier: Apache-2.0
#include "master/scheduler.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace millrace {
namespace {

template <class Record>
JobRunId RunOf(const Record& record) {
  if constexpr (requires { record.attempt; }) {
    return record.attempt.task.phase.run;
  } else if constexpr (requires { record.phase; }) {
    return record.phase.run;
  } else if constexpr (requires { record.task; }) {
    return record.task.phase.run;
  } else {
    return record.run;
  }
}

// Whether the run has what the record speaks of.
template <class Record>
bool Fits(JobRun& run, const Record& record) {
  if constexpr (requires { record.attempt; }) {
    return run.FindTask(record.attempt.task) != nullptr && record.attempt.number > 0;
  } else if constexpr (requires { record.phase; }) {
    return run.FindPhase(record.phase.index) != nullptr;
  } else if constexpr (requires { record.task; }) {
    return run.FindTask(record.task) != nullptr;
  } else {
    return true;
  }
}

}  // namespace

// ---- Recovery -----------------------------------------------------------------------------------

Status Scheduler::Recover(const JournalRecord& record) {
  const JobRunId id = std::visit([](const auto& r) { return RunOf(r); }, record);
  if (const auto* submitted = std::get_if<RunSubmitted>(&record)) {
    const bool is_ended = submitted->spec.phases.empty();  // In a snapshot.
    if (id <= last_run_ || (!is_ended && !CheckSpec(submitted->spec).ok()))
      return Status::Corrupt("the journal submits run ", id.value, " twice or with a bad plan");
    Enact(*submitted);
    return Status::Ok();
  }
  JobRun* const run = Find(id);
  if (run == nullptr && id <= last_run_) return Status::Ok();  // It has ended and is forgotten.
  if (run == nullptr) return Status::Corrupt("the journal speaks of run ", id.value, ", unknown");
  if (run->is_over()) return Status::Ok();  // Was under way when the run ended.
  return std::visit(
      [&](const auto& r) {
        if (!Fits(*run, r)) return Status::Corrupt("a record of run ", id.value, " doesn't fit it");
        if constexpr (std::is_same_v<std::decay_t<decltype(r)>, RunEnded>) {
          Enact(r);
        } else if constexpr (!std::is_same_v<std::decay_t<decltype(r)>, RunSubmitted>) {
          run->Apply(r);
        }
        return Status::Ok();
      },
      record);
}

void Scheduler::Start(std::uint64_t now_ms, MasterActions& out) {
  now_ms_ = now_ms;
  out_ = &out;
  const auto expect = [&](WorkerId id) -> WorkerEntry& {
    WorkerEntry* worker = FindWorker(id);
    if (worker != nullptr) return *worker;
    worker = &workers_.Add(id);
    workers_.SetLeaseEnd(*worker, now_ms_ + options_.rejoin_ms);
    return *worker;
  };
  for (const JobRunId id : open_runs_) {
    JobRun& run = *Find(id);
    for (TaskPhase& phase : run.phases()) {
      for (const auto& [worker, held] : phase.holders) expect(worker).held_phases.insert(phase.id);
      for (std::uint32_t index = 0; index < phase.next_fresh; ++index) {
        for (const Attempt& attempt : phase.tasks[index].attempts) {
          expect(attempt.worker).attempts.insert({{phase.id, index}, attempt.number});
          run.AddActive(1);
          fair_share_.AddBusy(run.spec().user, 1);
        }
      }
    }
    run.RequeueAll();
    touched_runs_.insert(id);
    if (run.state() == RunState::kPublishing) {
      out.push_back(PublishRun{id});
    } else {
      out.push_back(PrepareRun{id});
    }
  }
  for (const JobRunId id : ended_runs_) {
    const std::string& output = Find(id)->spec().output;
    if (FindWriter(output) == nullptr) out.push_back(CleanRun{id, output});
  }
  if (!open_runs_.empty()) SetTimer(options_.heartbeat_ms, RegularCheck{});
  Dispatch();
}

std::vector<JournalRecord> Scheduler::Snapshot() const {
  std::vector<JournalRecord> records;
  for (const auto& [id, run] : runs_) run->AppendTo(records);
  for (const JobRunId id : ended_runs_) records.push_back(runs_.at(id)->end());
  return records;
}

// ---- Steps --------------------------------------------------------------------------------------

void Scheduler::Step(const MasterEvent& event, std::uint64_t now_ms, MasterActions& out) {
  if (is_stood_down_) return;
  now_ms_ = now_ms;
  out_ = &out;
  ExcuseLateness();
  OnTimers();
  if (const auto* arrived = std::get_if<MessageArrived>(&event)) {
    OnMessage(*arrived);
  } else if (const auto* durable = std::get_if<JournalDurable>(&event)) {
    for (; durable_count_ < durable->records && !pending_.empty(); ++durable_count_) {
      const JournalRecord record = std::move(pending_.front());
      pending_.pop_front();
      OnDurable(record);
    }
  } else if (const auto* prepared = std::get_if<RunPrepared>(&event)) {
    JobRun* const run = Find(prepared->run);
    if (run != nullptr && run->is_open() && !run->is_prepared())
      OnOutputStep(*run, prepared->status, /*is_final=*/false);
  } else if (const auto* published = std::get_if<PublishEnded>(&event)) {
    JobRun* const run = Find(published->run);
    if (run != nullptr && run->state() == RunState::kPublishing)
      OnOutputStep(*run, published->status, published->is_final);
  }
  Dispatch();
}

void Scheduler::Append(JournalRecord record) {
  pending_.push_back(record);
  out_->push_back(AppendJournal{std::move(record)});
}

void Scheduler::SendTo(const Address& to, MessageBody body) {
  out_->push_back(Send{to, {epoch_, ++last_sequence_, std::move(body)}});
}

JobRun* Scheduler::Find(JobRunId id) {
  const auto found = runs_.find(id);
  return found == runs_.end() ? nullptr : found->second.get();
}

const JobRun* Scheduler::FindRun(JobRunId id) const {
  const auto found = runs_.find(id);
  return found == runs_.end() ? nullptr : found->second.get();
}

// ---- Phases and runs ----------------------------------------------------------------------------

// A phase has been committed, or a run begins: fix borders, publish.
void Scheduler::OnPhaseProgress(JobRun& run) {
  if (!run.is_open() || !run.is_prepared()) return;
  for (TaskPhase& phase : run.phases()) {
    if (phase.spec->sources.empty() || phase.borders || phase.are_borders_pending) continue;
    const auto& sources = phase.spec->sources;
    if (std::all_of(sources.begin(), sources.end(), [&](const PhaseSource& source) {
          return run.phases()[source.phase].IsCommitted();
        })) {
      FixBorders(run, phase);
    }
  }
  if (run.IsReadyToPublish()) {
    run.set_is_ending();
    Append(RunPublishing{run.id()});
  }
}

void Scheduler::FixBorders(JobRun& run, TaskPhase& phase) {
  KeySampler all(phase.spec->sample_capacity);
  for (const PhaseSource& source : phase.spec->sources)
    all.Merge(run.phases()[source.phase].samplers[source.channel]);
  phase.are_borders_pending = true;
  Append(BordersFixed{phase.id, all.Borders(static_cast<int>(phase.spec->task_count))});
}

// What prepared or published a run's output has ended: the next step follows, or the same again.
void Scheduler::OnOutputStep(JobRun& run, const Status& status, bool is_final) {
  const StatusCode code = status.code();  // A disk that can't be read or written now may be later.
  const bool may_pass =
      !is_final && (code == StatusCode::kUnavailable || code == StatusCode::kResourceLimit ||
                    code == StatusCode::kBadData);
  if (may_pass && ++output_attempts_[run.id()] < options_.output_attempts_max) {
    Say(run.spec().name, ": ", status.message(), "; trying again");
    SetTimer(Backoff(output_attempts_[run.id()]), run.id());
  } else if (!status.ok() || run.state() == RunState::kPublishing) {
    EndRunWith(run, status);
  } else {
    output_attempts_.erase(run.id());  // Publishing counts anew.
    run.set_is_prepared();
    touched_runs_.insert(run.id());
    OnPhaseProgress(run);
  }
}

void Scheduler::EndRunWith(JobRun& run, const Status& status) {
  if (run.is_over() || (!run.is_open() && run.state() != RunState::kPublishing)) return;
  run.set_is_ending();
  touched_runs_.insert(run.id());
  Append(RunEnded{run.id(), status.code(), status.ok() ? std::string() : status.message()});
}

// ---- Workers ------------------------------------------------------------------------------------

void Scheduler::LoseWorker(WorkerEntry& worker, std::string_view why) {
  const WorkerId id = worker.id;
  std::ostringstream text;
  text << "worker " << id.value << " (" << worker.host << ") is lost: " << why;
  Say(text.str());
  const std::set<AttemptId> attempts = worker.attempts;
  const std::set<PhaseId> held_phases = worker.held_phases;
  std::set<JobRunId> touched;
  for (const AttemptId& attempt : attempts) touched.insert(attempt.task.phase.run);
  for (const PhaseId& phase : held_phases) touched.insert(phase.run);
  if (!touched.empty())
    out_->push_back(WorkerLeft{id, worker.host, std::string(why), std::move(touched)});
  workers_.Remove(id);
  for (const AttemptId& attempt_id : attempts) {
    JobRun* const run = Find(attempt_id.task.phase.run);
    Task* const task = run == nullptr ? nullptr : run->FindTask(attempt_id.task);
    Attempt* const attempt = task == nullptr ? nullptr : task->FindAttempt(attempt_id.number);
    // Of one whose start or end is on the way to the journal, Enact will see that the worker is
    // gone.
    if (attempt == nullptr || attempt->is_ending) continue;
    FailAttempt(*attempt, attempt_id.task, Blame::kWorker, text.str());
  }
  for (const PhaseId& phase_id : held_phases) {
    JobRun* const run = Find(phase_id.run);
    TaskPhase* const phase = run == nullptr ? nullptr : run->FindPhase(phase_id.index);
    if (phase == nullptr) continue;
    const auto held = phase->holders.find(id);
    if (held == phase->holders.end()) continue;
    const std::set<std::uint32_t> tasks = held->second.tasks;
    for (const std::uint32_t task : tasks) run->LoseOutput(*phase, task);
    touched_runs_.insert(run->id());
  }
}

}  // namespace millrace
