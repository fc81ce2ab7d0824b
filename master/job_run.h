// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_JOB_RUN_H_
#define MASTER_JOB_RUN_H_

// One run of a job, as the master sees it: phases of tasks.
//
//   a task    ready -> started (one attempt, sometimes a backup beside it) -> committed
//             an attempt that fails or is lost brings it back to ready
//             the output of a committed one is `missing` when nobody holds its run files any more:
//             its worker is lost, or they are damaged or out of reach. If a later phase still needs
//             them the task is ready again
//   a phase   open once its borders are fixed, its sources are complete (all their tasks are
//             committed, and no output is missing), and the tables it looks up in are committed:
//             their files lie beside the run's output, so no worker can take them away
//
// What survives a restart changes only in the Apply functions, which are told each journal record
// once, in order, when it is durable. The rest (who holds what, what is started but not yet
// durable) the scheduler keeps up to date.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mapreduce/proto/messages.h"
#include "mapreduce/shuffle/key_sampler.h"
#include "master/backup_policy.h"
#include "master/journal_record.h"

namespace millrace {

/// An attempt whose start is durable and whose end is not.
struct Attempt {
  std::uint32_t number = 0;
  WorkerId worker;
  bool is_backup = false;
  std::uint32_t set_aside_count = 0;  ///< Records it skips: the first so many of the task's.
  bool is_ending = false;             ///< Its end is on the way to the journal,
  bool is_lost = false;               ///< though its worker has not reported it.
  std::uint64_t order = 0;            ///< Of the last StartTask sent for it; 0: none by this epoch.
  std::uint64_t started_ms = 0;       ///< When that was sent.
  std::uint64_t bytes = 0;            ///< Done, as of the last heartbeat.
};

/// What only tasks have that something went wrong with.
struct TaskTrouble {
  std::uint32_t failures = 0;                       ///< That count against the task,
  std::uint32_t losses = 0;                         ///< against its workers,
  std::uint32_t source_failures = 0;                ///< against its sources.
  std::vector<WorkerId> failed_on;                  ///< It is tried elsewhere first.
  std::map<RecordPosition, std::uint32_t> crashes;  ///< Attempts that ended at a record or group.
  std::vector<RecordPosition> set_aside;
  TaskFailure last;

  /// Attempts have ended by themselves, be it that one is to blame for that or not.
  bool HasFailed() const { return failures > 0 || !crashes.empty(); }
};

/// One task of a phase: what is decided about it, and what is on the way.
struct Task {
  std::uint32_t attempts_started = 0;
  bool is_start_pending = false;   ///< Its start is on the way to the journal.
  bool is_commit_pending = false;  ///< Its commit is.
  bool is_backing_off = false;
  std::uint32_t committed = 0;  ///< Number of the attempt; 0: none.
  WorkerId holder;              ///< Of the committed run files; none: missing, or has no runs.
  std::uint32_t given_up = 0;   ///< Number of an attempt whose output is damaged, or out of reach.
  std::uint64_t held_hash = 0;  ///< OutputHash() of what it holds.
  std::vector<Attempt> attempts;
  std::optional<Hash128> digest;  ///< Of the first commit: all later ones must have it, too.
  /// Of the last commit, without samples. Stays when the task must run again: the run may be
  /// complete before it has, and its counters are the same.
  std::unique_ptr<TaskOutput> output;
  std::unique_ptr<TaskTrouble> trouble;

  Attempt* FindAttempt(std::uint32_t number);
  bool HasFailedOn(WorkerId worker) const;
  bool IsActive() const { return is_start_pending || !attempts.empty(); }
  TaskTrouble& Trouble() {
    if (trouble == nullptr) trouble = std::make_unique<TaskTrouble>();
    return *trouble;
  }
};

/// The committed outputs of a phase that one worker holds.
struct HeldOutputs {
  std::set<std::uint32_t> tasks;
  std::uint64_t hash = 0;  ///< Sum of their OutputHash().
};

/// One phase of a run.
struct TaskPhase {
  PhaseId id;
  const PhaseSpec* spec = nullptr;
  std::vector<Task> tasks;
  std::vector<std::uint32_t> readers;  ///< Phases whose source this is.
  std::uint32_t committed_count = 0;
  std::set<std::uint32_t> missing;  ///< Committed tasks whose run files nobody holds.
  std::uint32_t reject_files = 0;   ///< Tasks whose last committed attempt has left one.
  std::map<WorkerId, HeldOutputs> holders;

  std::uint32_t next_fresh = 0;      ///< Tasks from here on have never been started.
  std::set<std::uint32_t> requeued;  ///< Those before it that are ready again.

  std::vector<KeySampler> samplers;  ///< By channel.
  std::optional<std::vector<std::string>> borders;
  bool are_borders_pending = false;
  PhasePace pace;  ///< Of its committed attempts.

  bool IsCommitted() const { return committed_count == tasks.size(); }
  bool IsComplete() const { return IsCommitted() && missing.empty(); }
  bool HasReady() const { return next_fresh < tasks.size() || !requeued.empty(); }
};

/// See above. One thread.
class JobRun {
 public:
  explicit JobRun(const RunSubmitted& submitted);
  JobRun(const JobRun&) = delete;
  JobRun& operator=(const JobRun&) = delete;

  JobRunId id() const { return id_; }
  const RunSpec& spec() const { return spec_; }
  RunState state() const { return state_; }
  const RunEnded& end() const { return end_; }
  bool is_over() const { return state_ == RunState::kDone || state_ == RunState::kFailed; }
  /// It runs, and its end is not on the way.
  bool is_open() const { return state_ == RunState::kRunning && !is_ending_; }
  /// There is a folder for its parts, so tasks may be started.
  bool is_prepared() const { return is_prepared_; }
  void set_is_prepared() { is_prepared_ = true; }
  void set_is_ending() { is_ending_ = true; }
  std::deque<TaskPhase>& phases() { return phases_; }
  const std::deque<TaskPhase>& phases() const { return phases_; }
  /// Null for ids that this run doesn't have.
  TaskPhase* FindPhase(std::uint32_t index);
  Task* FindTask(const TaskId& id);
  /// Attempts started or about to be.
  std::uint32_t active_count() const { return active_count_; }
  void AddActive(std::int32_t change) { active_count_ += static_cast<std::uint32_t>(change); }
  /// Records set aside, those on the way to the journal included.
  std::uint64_t set_aside_count() const { return set_aside_count_ + pending_set_aside_; }
  void AddPendingSetAside(std::int64_t change) {
    pending_set_aside_ += static_cast<std::uint64_t>(change);
  }
  std::uint64_t tasks_done() const;
  std::uint64_t tasks_total() const { return tasks_total_; }
  const RunTotals& totals() const { return totals_; }
  /// The last failures, in words; totals().failures counts them all.
  const std::deque<std::string>& failures() const { return failures_; }
  void AddFailure(std::string text);

  // Journal records, once durable.

  /// Returns the new attempt.
  Attempt& Apply(const AttemptStarted& started);
  /// All attempts of the task are over.
  void Apply(const TaskCommitted& committed);
  void Apply(const AttemptFailed& failed);
  void Apply(const BordersFixed& fixed);
  void Apply(const RunPublishing&) { state_ = RunState::kPublishing; }
  void Apply(const RunEnded& ended);
  void Apply(const SavedPhase& saved);
  void Apply(const SavedTask& saved);
  /// Appends the records that make this state.
  void AppendTo(std::vector<JournalRecord>& records) const;

  // Scheduling.

  /// Whether tasks of this phase may start: its sources are complete, its borders fixed, and its
  /// tables made.
  bool IsOpen(const TaskPhase& phase) const;
  /// Whether the run files of this phase's tasks are still to be read by somebody.
  bool IsNeeded(const TaskPhase& phase) const;
  /// All tasks that write parts, or files of a table, are committed, and those of phases of which
  /// files of rejects are to be read.
  bool IsReadyToPublish() const;
  /// The earliest open phase with a ready task; null: none.
  TaskPhase* FirstReadyPhase();
  /// The ready task that comes first. Requires: there is one.
  static std::uint32_t FirstReady(const TaskPhase& phase);
  /// It is ready no longer.
  static void TakeReady(TaskPhase& phase, std::uint32_t task);
  /// Makes the task ready if it has to run (again) and nothing of it is at work or backing off.
  static void Requeue(TaskPhase& phase, std::uint32_t task);
  /// After a recovery: makes ready what is neither committed nor at work, or missing and needed.
  void RequeueAll();

  // Who holds what.

  void SetHolder(TaskPhase& phase, std::uint32_t task, WorkerId worker);
  /// The held output is gone; it is missing, and if needed the task becomes ready, and so do those
  /// of earlier phases that are missing and thereby needed again.
  void LoseOutput(TaskPhase& phase, std::uint32_t task);

 private:
  void SetOutput(TaskPhase& phase, Task& task, const TaskOutput& output);
  void Uncommit(TaskPhase& phase, std::uint32_t task);
  std::vector<bool> NeededPhases() const;
  void RemakeMissing(const TaskPhase& phase);
  void RemoveAttempt(Task& task, std::uint32_t number);
  static void MarkTaken(TaskPhase& phase, std::uint32_t task);

  JobRunId id_;
  RunSpec spec_;
  std::deque<TaskPhase> phases_;
  RunState state_ = RunState::kRunning;
  RunEnded end_;
  bool is_prepared_ = false;
  bool is_ending_ = false;
  std::uint32_t active_count_ = 0;
  std::uint64_t set_aside_count_ = 0;
  std::uint64_t pending_set_aside_ = 0;
  RunTotals totals_;
  std::deque<std::string> failures_;
  std::uint64_t tasks_done_ = 0;  // When it ended.
  std::uint64_t tasks_total_ = 0;
};

}  // namespace millrace

#endif  // MASTER_JOB_RUN_H_
