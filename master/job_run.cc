// SPDX-License-Identifier: Apache-2.0
#include "master/job_run.h"

#include <algorithm>
#include <utility>

#include "mapreduce/proto/limits.h"

namespace millrace {

Attempt* Task::FindAttempt(std::uint32_t number) {
  for (Attempt& attempt : attempts) {  // Linear: at most two.
    if (attempt.number == number) return &attempt;
  }
  return nullptr;
}

bool Task::HasFailedOn(WorkerId worker) const {
  return trouble != nullptr && std::find(trouble->failed_on.begin(), trouble->failed_on.end(),
                                         worker) != trouble->failed_on.end();
}

JobRun::JobRun(const RunSubmitted& submitted) : id_(submitted.run), spec_(submitted.spec) {
  for (std::uint32_t index = 0; index < spec_.phases.size(); ++index) {
    TaskPhase& phase = phases_.emplace_back();
    phase.id = {id_, index};
    phase.spec = &spec_.phases[index];
    phase.tasks.resize(phase.spec->task_count);
    for (std::uint32_t channel = 0; channel < phase.spec->channels; ++channel)
      phase.samplers.emplace_back(phase.spec->sample_capacity);
    for (const PhaseSource& source : phase.spec->sources) {
      std::vector<std::uint32_t>& readers = phases_[source.phase].readers;
      if (readers.empty() || readers.back() != index) readers.push_back(index);
    }
    tasks_total_ += phase.spec->task_count;
  }
}

TaskPhase* JobRun::FindPhase(std::uint32_t index) {
  return index < phases_.size() ? &phases_[index] : nullptr;
}

Task* JobRun::FindTask(const TaskId& id) {
  TaskPhase* const phase = id.phase.run == id_ ? FindPhase(id.phase.index) : nullptr;
  return phase != nullptr && id.index < phase->tasks.size() ? &phase->tasks[id.index] : nullptr;
}

std::uint64_t JobRun::tasks_done() const {
  std::uint64_t done = tasks_done_;
  for (const TaskPhase& phase : phases_) done += phase.committed_count;
  return done;
}

Attempt& JobRun::Apply(const AttemptStarted& started) {
  const TaskId& id = started.attempt.task;
  TaskPhase& phase = phases_[id.phase.index];
  Task& task = phase.tasks[id.index];
  if (task.committed != 0 && !started.is_backup) Uncommit(phase, id.index);
  MarkTaken(phase, id.index);
  task.is_start_pending = false;
  task.attempts_started = std::max(task.attempts_started, started.attempt.number);
  ++totals_.attempts;
  Attempt& attempt = task.attempts.emplace_back();
  attempt.number = started.attempt.number;
  attempt.worker = started.worker;
  attempt.is_backup = started.is_backup;
  if (task.trouble != nullptr)
    attempt.set_aside_count = static_cast<std::uint32_t>(task.trouble->set_aside.size());
  return attempt;
}

void JobRun::Apply(const TaskCommitted& committed) {
  const TaskId& id = committed.attempt.task;
  TaskPhase& phase = phases_[id.phase.index];
  Task& task = phase.tasks[id.index];
  // Records that another attempt crashed at meanwhile are in what this one made.
  const Attempt* const attempt = task.FindAttempt(committed.attempt.number);
  if (attempt != nullptr && task.trouble != nullptr &&
      task.trouble->set_aside.size() > attempt->set_aside_count) {
    set_aside_count_ -= task.trouble->set_aside.size() - attempt->set_aside_count;
    task.trouble->set_aside.resize(attempt->set_aside_count);
  }
  task.attempts.clear();  // A commit ends them all.
  task.is_commit_pending = false;
  if (task.committed == 0) ++phase.committed_count;
  phase.requeued.erase(id.index);
  task.committed = committed.attempt.number;
  if (task.trouble != nullptr) task.trouble->failed_on.clear();  // Blamed for it once.
  if (!task.digest) task.digest = committed.output.digest;
  for (std::size_t channel = 0;
       channel < std::min(phase.samplers.size(), committed.output.samples.size()); ++channel) {
    for (const std::string& key : committed.output.samples[channel])
      phase.samplers[channel].Offer(key);
  }
  SetOutput(phase, task, committed.output);
  if (phase.spec->channels > 0) SetHolder(phase, id.index, committed.worker);
}

void JobRun::SetOutput(TaskPhase& phase, Task& task, const TaskOutput& output) {
  const auto add = [](std::uint64_t& sum, std::uint64_t value) { sum += value; };
  const auto take = [](std::uint64_t& sum, std::uint64_t value) { sum -= value; };
  const bool reads_input = phase.spec->sources.empty();
  const auto change = [&](const TaskOutput& of, auto apply) {
    apply(totals_.records_in, of.records_in);
    apply(totals_.records_out, of.records_out);
    if (reads_input) apply(totals_.bytes_in, of.bytes_in);
    apply(totals_.reject_count, of.reject_count);
    apply(totals_.spilled_bytes, of.spilled_bytes);
    apply(totals_.run_bytes, of.run_bytes);
    totals_.phase_times.resize(std::max(totals_.phase_times.size(), of.phase_times.size()));
    for (std::size_t i = 0; i < of.phase_times.size(); ++i) {
      apply(totals_.phase_times[i].nanoseconds, of.phase_times[i].nanoseconds);
      apply(totals_.phase_times[i].bytes, of.phase_times[i].bytes);
    }
  };
  if (task.output != nullptr) change(*task.output, take);
  if (task.output != nullptr && task.output->reject_file) --phase.reject_files;
  change(output, add);
  if (output.reject_file) ++phase.reject_files;
  task.output = std::make_unique<TaskOutput>(output);
  task.output->samples.clear();
}

void JobRun::AddFailure(std::string text) {
  failures_.push_back(std::move(text));
  if (failures_.size() > kFailuresMax) failures_.pop_front();
}

void JobRun::Apply(const AttemptFailed& failed) {
  const TaskId& id = failed.attempt.task;
  TaskPhase& phase = phases_[id.phase.index];
  Task& task = phase.tasks[id.index];
  RemoveAttempt(task, failed.attempt.number);
  TaskTrouble& trouble = task.Trouble();
  trouble.last = failed.failure;
  trouble.last.log.clear();
  ++totals_.failures;
  switch (failed.blame) {
    case Blame::kWorker:
      ++trouble.losses;
      break;
    case Blame::kSource:
      ++trouble.source_failures;
      // It may be the link between the two.
      if (failed.failure.source && !failed.failure.damaged && !task.HasFailedOn(failed.worker))
        trouble.failed_on.push_back(failed.worker);
      break;
    case Blame::kTask:
      ++trouble.failures;
      if (!task.HasFailedOn(failed.worker)) trouble.failed_on.push_back(failed.worker);
      break;
  }
  if (failed.failure.damaged) {
    Task* const damaged = FindTask(failed.failure.damaged->task);
    if (damaged != nullptr) damaged->given_up = failed.failure.damaged->number;
  }
  if (failed.failure.position) ++trouble.crashes[*failed.failure.position];
  if (failed.sets_record_aside && std::find(trouble.set_aside.begin(), trouble.set_aside.end(),
                                            *failed.failure.position) == trouble.set_aside.end()) {
    trouble.set_aside.push_back(*failed.failure.position);
    ++set_aside_count_;
    trouble.failures = 0;  // Without that record it is another task.
    trouble.failed_on.clear();
  }
}

void JobRun::Apply(const BordersFixed& fixed) {
  TaskPhase& phase = phases_[fixed.phase.index];
  phase.borders = fixed.borders;
  phase.are_borders_pending = false;
}

void JobRun::Apply(const RunEnded& ended) {
  end_ = ended;
  state_ = ended.code == StatusCode::kOk ? RunState::kDone : RunState::kFailed;
  // What is left is asked for by name alone.
  tasks_done_ = tasks_done();
  phases_.clear();
  spec_.phases.clear();
  spec_.plan.clear();
}

void JobRun::Apply(const SavedPhase& saved) {
  TaskPhase& phase = phases_[saved.phase.index];
  for (std::size_t channel = 0; channel < std::min(phase.samplers.size(), saved.samples.size());
       ++channel) {
    for (const std::string& key : saved.samples[channel]) phase.samplers[channel].Offer(key);
  }
  if (saved.has_borders) phase.borders = saved.borders;
}

void JobRun::Apply(const SavedTask& saved) {
  TaskPhase& phase = phases_[saved.task.phase.index];
  Task& task = phase.tasks[saved.task.index];
  MarkTaken(phase, saved.task.index);
  task.attempts_started = saved.attempts_started;
  task.digest = saved.digest;
  task.given_up = saved.given_up;
  if (saved.output) SetOutput(phase, task, *saved.output);
  totals_.attempts += saved.attempts_started;
  totals_.failures += saved.failures + saved.losses + saved.source_failures;
  if (saved.committed != 0) {
    task.committed = saved.committed;
    ++phase.committed_count;
    if (phase.spec->channels > 0) SetHolder(phase, saved.task.index, saved.holder);
  }
  for (const SavedAttempt& attempt : saved.attempts) {
    Attempt& added = task.attempts.emplace_back();
    added.number = attempt.number;
    added.worker = attempt.worker;
    added.is_backup = attempt.is_backup;
    added.set_aside_count = attempt.set_aside_count;
  }
  if (saved.failures + saved.losses + saved.source_failures + saved.set_aside.size() > 0) {
    TaskTrouble& trouble = task.Trouble();
    trouble.failures = saved.failures;
    trouble.losses = saved.losses;
    trouble.source_failures = saved.source_failures;
    trouble.failed_on = saved.failed_on;
    for (const SavedCrash& crash : saved.crashes) trouble.crashes[crash.position] = crash.attempts;
    trouble.set_aside = saved.set_aside;
    trouble.last = saved.last_failure;
    set_aside_count_ += saved.set_aside.size();
  }
  if (task.committed == 0 && task.attempts.empty()) Requeue(phase, saved.task.index);
}

namespace {

SavedTask Save(const TaskId& id, const Task& task) {
  SavedTask saved;
  saved.task = id;
  saved.attempts_started = task.attempts_started;
  saved.committed = task.committed;
  saved.holder = task.holder;
  saved.digest = task.digest;
  saved.given_up = task.given_up;
  if (task.output != nullptr) saved.output = *task.output;
  for (const Attempt& attempt : task.attempts)
    saved.attempts.push_back(
        {attempt.number, attempt.worker, attempt.is_backup, attempt.set_aside_count});
  if (task.trouble != nullptr) {
    const TaskTrouble& trouble = *task.trouble;
    saved.failures = trouble.failures;
    saved.losses = trouble.losses;
    saved.source_failures = trouble.source_failures;
    saved.failed_on = trouble.failed_on;
    for (const auto& [position, attempts] : trouble.crashes)
      saved.crashes.push_back({position, attempts});
    saved.set_aside = trouble.set_aside;
    saved.last_failure = trouble.last;
  }
  return saved;
}

}  // namespace

void JobRun::AppendTo(std::vector<JournalRecord>& records) const {
  records.push_back(RunSubmitted{id_, spec_});
  for (const TaskPhase& phase : phases_) {
    SavedPhase saved{.phase = phase.id,
                     .samples = {},
                     .has_borders = phase.borders.has_value(),
                     .borders = phase.borders.value_or(std::vector<std::string>())};
    for (const KeySampler& sampler : phase.samplers) saved.samples.push_back(sampler.SortedKeys());
    records.push_back(std::move(saved));
    for (std::uint32_t index = 0; index < phase.tasks.size(); ++index) {
      if (phase.tasks[index].attempts_started > 0)
        records.push_back(Save({phase.id, index}, phase.tasks[index]));
    }
  }
  if (state_ == RunState::kPublishing) records.push_back(RunPublishing{id_});
}

bool JobRun::IsOpen(const TaskPhase& phase) const {
  for (const PhaseSource& source : phase.spec->sources) {
    if (!phases_[source.phase].IsComplete()) return false;
  }
  for (const std::uint32_t maker : phase.spec->tables) {
    if (!phases_[maker].IsCommitted()) return false;
  }
  return phase.spec->sources.empty() || phase.borders.has_value();
}

bool JobRun::IsNeeded(const TaskPhase& phase) const { return NeededPhases()[phase.id.index]; }

// Readers come behind what they read, so one pass from the last phase to the first will do.
std::vector<bool> JobRun::NeededPhases() const {
  std::vector<bool> is_needed(phases_.size());
  for (std::size_t index = phases_.size(); index-- > 0;) {
    const std::vector<std::uint32_t>& readers = phases_[index].readers;
    is_needed[index] = std::any_of(readers.begin(), readers.end(), [&](std::uint32_t reader) {
      return !phases_[reader].IsCommitted() ||
             (!phases_[reader].missing.empty() && is_needed[reader]);
    });
  }
  return is_needed;
}

// A task that is about to start again because its run files are lost will be committed anew: the
// parts it wrote change their place, and so do its rejects in a file. A table has to be committed
// although none of it is published: nobody may look up in it, and what its tasks report is part of
// the run.
bool JobRun::IsReadyToPublish() const {
  return std::all_of(phases_.begin(), phases_.end(), [](const TaskPhase& phase) {
    if (!phase.spec->writes_parts && !phase.spec->makes_table && phase.reject_files == 0)
      return true;
    return phase.IsCommitted() &&
           (phase.missing.empty() ||
            std::none_of(phase.missing.begin(), phase.missing.end(),
                         [&](std::uint32_t task) { return phase.tasks[task].is_start_pending; }));
  });
}

TaskPhase* JobRun::FirstReadyPhase() {
  for (TaskPhase& phase : phases_) {  // Linear: a run has some ten phases.
    if (phase.HasReady() && IsOpen(phase)) return &phase;
  }
  return nullptr;
}

std::uint32_t JobRun::FirstReady(const TaskPhase& phase) {
  return phase.requeued.empty() ? phase.next_fresh : *phase.requeued.begin();
}

void JobRun::TakeReady(TaskPhase& phase, std::uint32_t index) {
  if (index == phase.next_fresh) {
    ++phase.next_fresh;
  } else {
    phase.requeued.erase(index);
  }
}

void JobRun::RequeueAll() {
  for (TaskPhase& phase : phases_) {
    for (std::uint32_t index = 0; index < phase.next_fresh; ++index) {
      if (phase.tasks[index].committed == 0) Requeue(phase, index);
    }
    if (!phase.missing.empty() && IsNeeded(phase)) RemakeMissing(phase);
  }
}

void JobRun::Requeue(TaskPhase& phase, std::uint32_t index) {
  const Task& task = phase.tasks[index];
  const bool is_wanted = task.committed == 0 || phase.missing.contains(index);
  if (index < phase.next_fresh && is_wanted && !task.IsActive() && !task.is_backing_off)
    phase.requeued.insert(index);
}

void JobRun::SetHolder(TaskPhase& phase, std::uint32_t index, WorkerId worker) {
  Task& task = phase.tasks[index];
  const std::uint64_t hash = OutputHash({{phase.id, index}, task.committed});
  if (task.holder != WorkerId()) {
    const auto held = phase.holders.find(task.holder);
    held->second.tasks.erase(index);
    held->second.hash -= task.held_hash;
    if (held->second.tasks.empty()) phase.holders.erase(held);
  }
  task.holder = worker;
  task.held_hash = hash;
  if (worker == WorkerId()) {
    phase.missing.insert(index);
    return;
  }
  phase.missing.erase(index);
  phase.requeued.erase(index);
  HeldOutputs& held = phase.holders[worker];
  held.tasks.insert(index);
  held.hash += hash;
}

void JobRun::Uncommit(TaskPhase& phase, std::uint32_t index) {
  if (phase.spec->channels > 0) SetHolder(phase, index, WorkerId());
  Task& task = phase.tasks[index];
  phase.missing.erase(index);
  task.committed = 0;
  --phase.committed_count;
}

void JobRun::RemoveAttempt(Task& task, std::uint32_t number) {
  std::erase_if(task.attempts, [&](const Attempt& attempt) { return attempt.number == number; });
}

void JobRun::MarkTaken(TaskPhase& phase, std::uint32_t index) {
  phase.requeued.erase(index);
  while (phase.next_fresh <= index) {  // Only in a recovery are there any between.
    if (phase.next_fresh != index) phase.requeued.insert(phase.next_fresh);
    ++phase.next_fresh;
  }
}

void JobRun::LoseOutput(TaskPhase& phase, std::uint32_t index) {
  SetHolder(phase, index, WorkerId());
  if (!IsNeeded(phase)) return;
  if (phase.missing.size() == 1) {
    RemakeMissing(phase);
  } else {  // The others, and what this phase reads, became ready with the first.
    Requeue(phase, index);
  }
}

// A missing task stays committed, with its digest, until its next attempt starts: the worker may
// come back before. So it is ready although it is committed.
void JobRun::RemakeMissing(const TaskPhase& last) {
  std::vector<bool> is_wanted(phases_.size());
  is_wanted[last.id.index] = true;
  for (std::size_t index = last.id.index + 1; index-- > 0;) {
    TaskPhase& phase = phases_[index];
    if (!is_wanted[index] || phase.missing.empty()) continue;
    for (const std::uint32_t task : phase.missing) Requeue(phase, task);
    for (const PhaseSource& source : phase.spec->sources) is_wanted[source.phase] = true;
  }
}

}  // namespace millrace
