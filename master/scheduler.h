// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_SCHEDULER_H_
#define MASTER_SCHEDULER_H_

// The master's brain: a pure state machine. Events come in, actions go out; a shell around it, with
// sockets, journal and clock, carries the actions out in their order. The same events at the same
// times make the same actions. What the shell does:
//
//   StateLock::Acquire(directory); Journal::Open: the epoch, and each record -> scheduler.Recover
//   scheduler.Start(now, actions)
//   loop  scheduler.Step(event, now, actions), at the latest at scheduler.NextTimerMs()
//         AppendJournal -> Journal::Append; when there is time, Journal::Sync for all of them, then
//         Step(JournalDurable); when the journal is long, Journal::Rotate(scheduler.Snapshot())
//         PrepareRun, PublishRun, CleanRun -> Journal::CheckNewest, then run_output.h
//
// A run of two maps and one reduce, on workers A and B:
//
//   SubmitRun      RunSubmitted is durable, the client hears so; PrepareRun makes a folder
//   StartTask      AttemptStarted is durable: map 0 to A, map 1 to B. They leave run files, sorted
//                  by key, and keep them
//   TaskDone       TaskCommitted is durable: A and B hold the outputs of phase 0, and serve them
//   (phase 0 is complete)  BordersFixed: the reduce's part is all keys
//   StartTask      the reduce to B, with its sources: one output at A, one at B. B fetches A's
//   A is silent for a lease: its output is missing, and needed: map 0 starts again, on B. The
//                  reduce can't fetch it any more, fails, and waits until phase 0 is complete again
//   TaskDone       the reduce is committed; RunPublishing is durable; PublishRun moves its part
//                  and the manifest into place; RunEnded is durable, the client hears so
//
// Read job_run.h first (phases, tasks, attempts), then journal_record.h (what is decided), then
// this; worker_table.h, fair_share.h and backup_policy.h each answer one question.
//
// Every decision that must survive a crash is a journal record: the scheduler emits AppendJournal,
// and does what follows from the record (JobRun::Apply, and the messages that tell of it) when
// JournalDurable says that it is on disk, never before. So a recovery, which applies the same
// records, can't disagree with anybody who was told something.
//
//   TaskDone arrives ─▶ AppendJournal(TaskCommitted) ┄ JournalDurable ┄▶ Apply ─▶ TaskAnswer
//
// Trust grows in order: epoch, worker, attempt. What an older epoch, a worker without lease or an
// attempt that is not running says changes nothing, with one exception: a result that differs from
// a committed one shows that the job is not deterministic, whoever brings it. That an attempt is
// lost may be acted on before it is durable: to stop it is harmless, and it can't commit any more.
//
// MR_MUTATION and MR_BUGGIFY are switched on by simulations alone (mapreduce/base/test_hooks.h).

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/proto/state_machine.h"
#include "master/backup_policy.h"
#include "master/fair_share.h"
#include "master/job_run.h"
#include "master/journal_record.h"
#include "master/worker_table.h"

namespace millrace {

/// Limits and times of a scheduler.
struct SchedulerOptions {
  std::string build;          ///< Workers of another build are refused,
  std::uint64_t cluster = 1;  ///< and those that have followed the master of another cluster.
  std::uint64_t heartbeat_ms = 2'000;
  /// A worker that is silent for so long is lost.
  std::uint64_t lease_ms() const { return 2 * heartbeat_ms; }
  /// So long after a restart, workers may come back with what they have.
  std::uint64_t rejoin_ms = 15'000;
  /// So long a run waits for a worker that can execute it.
  std::uint64_t no_worker_ms = 600'000;

  std::uint32_t attempts_max = 4;          ///< Of a task that fails.
  std::uint32_t losses_max = 20;           ///< Of its workers.
  std::uint32_t source_failures_max = 50;  ///< Of what it reads.
  std::uint32_t output_attempts_max = 10;  ///< At preparing and at publishing a run's output.
  std::uint64_t backoff_ms = 500;          ///< Before the second attempt; doubles with each.
  std::uint64_t backoff_ms_max = 60'000;
  std::uint32_t crashes_before_aside = 2;  ///< Attempts that end at one record.
  std::uint32_t fetch_failures_max = 3;    ///< Of a worker's outputs, before they count as lost.

  std::uint32_t worker_failures_max = 3;  ///< Before a worker is set aside,
  std::uint64_t set_aside_ms = 60'000;    ///< for so long the first time.

  BackupLimits backup;

  // Admission.
  std::uint32_t runs_max = 1'000;             ///< Not ended yet.
  std::uint32_t runs_remembered_max = 1'000;  ///< Ended.
  std::uint32_t workers_max = 10'000;
  std::uint32_t phases_max = 1'000;      ///< Of a run.
  std::uint32_t sources_max = 64;        ///< Of a phase.
  std::uint64_t tasks_max = 10'000'000;  ///< Of a run.
};

// ---- Events -------------------------------------------------------------------------------------

/// So many of the records that this scheduler has appended are durable by now: what Journal::Sync
/// returned, less what it would have at Open.
struct JournalDurable {
  std::uint64_t records = 0;
};

/// Answers PrepareRun.
struct RunPrepared {
  JobRunId run;
  Status status;
};

/// Answers PublishRun.
struct PublishEnded {
  JobRunId run;
  Status status;
  bool is_final = false;  ///< Another try would end the same.
};

using MasterEvent =
    std::variant<MessageArrived, TimerFired, JournalDurable, RunPrepared, PublishEnded>;

// ---- Actions ------------------------------------------------------------------------------------

/// Append the record to the journal; say JournalDurable when it is synced.
struct AppendJournal {
  JournalRecord record;
};

/// Make the folder, beside the run's output, into which attempts write parts; say RunPrepared. What
/// is there already stays. Comes again after a restart.
struct PrepareRun {
  JobRunId run;
};

/// Assemble and publish the run's output (all that FindRun() has of it); then say PublishEnded.
/// Comes again after a restart: what is published already is left as it is.
struct PublishRun {
  JobRunId run;
};

/// The run is over: remove that folder. Comes again after a restart.
struct CleanRun {
  JobRunId run;
  std::string output;  ///< RunSpec's.
};

/// A worker is lost or has left, and with it attempts or outputs of these runs: for their event
/// logs.
struct WorkerLeft {
  WorkerId worker;
  std::string host;
  std::string why;
  std::set<JobRunId> runs;
};

/// A newer master is at work: end this process.
struct StandDown {
  Epoch newer;
};

using MasterAction = std::variant<Send, AppendJournal, PrepareRun, PublishRun, CleanRun, Note,
                                  WorkerLeft, StandDown>;
using MasterActions = std::vector<MasterAction>;

/// "at the record at byte 7 of shard-3", "in the group of key "k"", as it is encoded.
std::string Describe(const RecordPosition& position);

// --------------------------------------------------------------------------------------------------

/// See above. One thread at a time. A report or a start costs the logarithm of the number of tasks
/// and workers, for a reduce also the number of workers it reads from, with tables that of the
/// tasks that made them; a heartbeat what the worker is at; the loss of a worker, a Hello and the
/// end of a run what they touch. Twice a lease all attempts at work are looked at.
class Scheduler {
 public:
  Scheduler(const SchedulerOptions& options, Epoch epoch) : options_(options), epoch_(epoch) {}
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Takes a record of an older epoch, in order. kCorrupt: no journal of ours holds it here.
  Status Recover(const JournalRecord& record);
  /// Call once, after the last Recover().
  void Start(std::uint64_t now_ms, MasterActions& out);
  /// Time never goes back. Does nothing after StandDown.
  void Step(const MasterEvent& event, std::uint64_t now_ms, MasterActions& out);
  /// When to call Step with TimerFired at the latest; nullopt: not at all.
  std::optional<std::uint64_t> NextTimerMs() const;

  /// Records that make this state, for a snapshot. They stand for what is durable: call it between
  /// a Step(JournalDurable) and the next Journal::Append.
  std::vector<JournalRecord> Snapshot() const;

  Epoch epoch() const { return epoch_; }
  /// Null for runs that are unknown, or ended long ago. Valid until the next Step.
  const JobRun* FindRun(JobRunId run) const;
  const std::map<WorkerId, WorkerEntry>& workers() const { return workers_.workers(); }
  /// As the answers to AskRunStatus and AskCluster have it.
  RunStatus StatusOf(const std::string& name, std::uint64_t failures_seen = 0) const;
  ClusterStatus StatusOfAll() const;
  std::size_t open_run_count() const { return open_runs_.size(); }

 private:
  // What a timer is for: a task to try again, a run to publish again, a worker that is no longer
  // set aside, and the regular look at stragglers and stuck runs.
  struct RegularCheck {
    friend auto operator<=>(const RegularCheck&, const RegularCheck&) = default;
  };
  using TimerPurpose = std::variant<RegularCheck, TaskId, JobRunId, WorkerId>;

  // Messages.
  void OnMessage(const MessageArrived& arrived);
  void On(ClientId from, const SubmitRun& submit);
  void On(ClientId from, const CancelRun& cancel);
  void On(ClientId from, const AskRunStatus& ask);
  void OnHello(WorkerId from, const Message& message, const Hello& hello);
  void On(WorkerEntry& from, const Message& message, const Heartbeat& heartbeat);
  void On(WorkerEntry& from, const TaskDone& done);
  void On(WorkerEntry& from, const TaskFailed& failed);
  void On(WorkerEntry& from, const PlanWanted& wanted);
  void TakeHeld(WorkerEntry& worker, const Hello& hello, Welcome& welcome);
  void CheckHeld(WorkerEntry& worker, const Heartbeat& heartbeat,
                 const std::set<AttemptId>& present);
  Status CheckOutput(const PhaseSpec& phase, const TaskOutput& output) const;
  void AddTables(const JobRun& run, const TaskPhase& phase, StartTask& start) const;
  bool IsWanted(const WorkerEntry& worker, const AttemptId& attempt);
  void OnPresent(WorkerEntry& worker, const AttemptProgress& present);
  void SendAgain(WorkerEntry& worker, const std::set<AttemptId>& present, std::uint64_t last_order);
  Status CheckSpec(const RunSpec& spec) const;
  void Refuse(ClientId client, const std::string& name, const Status& why);
  const JobRun* FindWriter(const std::string& output) const;
  RunStatus StatusOf(const JobRun& run, std::uint64_t failures_seen) const;

  // Records that have become durable.
  void OnDurable(const JournalRecord& record);
  void Enact(const RunSubmitted& submitted);
  void Enact(const AttemptStarted& started);
  void Enact(const TaskCommitted& committed);
  void Enact(const AttemptFailed& failed);
  void Enact(const BordersFixed& fixed);
  void Enact(const RunPublishing& publishing);
  void Enact(const RunEnded& ended);
  void Enact(const SavedPhase&) {}
  void Enact(const SavedTask&) {}

  // Timers.
  void SetTimer(std::uint64_t delay_ms, TimerPurpose purpose);
  void ExcuseLateness();
  void OnTimers();
  void OnTimer(RegularCheck);
  void OnTimer(TaskId task);
  void OnTimer(JobRunId run);
  void OnTimer(WorkerId worker);
  void CheckStragglers();
  void CheckStuck();

  // Tasks.
  void Dispatch();
  bool StartNext(JobRun& run);
  void StartAttempt(JobRun& run, const TaskId& task, WorkerEntry& worker, bool is_backup);
  void SendStart(const JobRun& run, Attempt& attempt, const TaskId& task, WorkerId to);
  void FailAttempt(Attempt& attempt, const TaskId& task, Blame blame, std::string_view why);
  void Release(JobRun& run, const AttemptId& attempt, WorkerId worker);
  void Retry(JobRun& run, const TaskId& task);
  std::uint64_t Backoff(std::uint32_t times) const;
  void OnSourceFailure(JobRun& run, const AttemptFailed& failed);
  void BlameWorkers(const Task& task, WorkerId committed_on);
  std::string FailureText(const JobRun& run, const AttemptFailed& failed) const;
  Status TooManyFailures(const JobRun& run, const AttemptFailed& failed, const Task& task) const;
  void OnPhaseProgress(JobRun& run);
  void FixBorders(JobRun& run, TaskPhase& phase);
  void OnOutputStep(JobRun& run, const Status& status, bool is_final);
  void EndRunWith(JobRun& run, const Status& status);

  // Workers.
  void LoseWorker(WorkerEntry& worker, std::string_view why);
  WorkerEntry* FindWorker(WorkerId id) { return workers_.Find(id); }

  JobRun* Find(JobRunId run);
  void Append(JournalRecord record);
  void SendTo(const Address& to, MessageBody body);
  template <class... Parts>
  void Say(const Parts&... parts);

  const SchedulerOptions options_;
  const Epoch epoch_;
  bool is_stood_down_ = false;

  std::map<JobRunId, std::unique_ptr<JobRun>> runs_;
  std::map<std::string, JobRunId> runs_by_name_;
  std::set<JobRunId> open_runs_;     // Not ended.
  std::deque<JobRunId> ended_runs_;  // In the order of their ends.
  std::map<JobRunId, std::uint32_t> output_attempts_;
  std::map<JobRunId, std::uint64_t> stuck_since_ms_;
  std::map<std::pair<PhaseId, WorkerId>, std::uint32_t> fetch_failures_;
  struct Submission {  // Whose RunSubmitted is not durable yet.
    ClientId client;
    std::string output;
    bool is_cancelled = false;
  };
  std::map<std::string, Submission> submissions_;  // By name.
  JobRunId last_run_;

  WorkerTable workers_;
  FairShare fair_share_;
  std::set<JobRunId> unplaced_runs_;  // No free worker suited them, as of free_version_.
  std::uint64_t free_version_ = 0;
  std::set<JobRunId>
      touched_runs_;  // Of this step: whether they have ready tasks may have changed.

  std::deque<JournalRecord> pending_;  // Appended, not durable.
  std::uint64_t durable_count_ = 0;
  std::uint64_t last_sequence_ = 0;  // Of messages,
  std::uint64_t last_order_ = 0;     // and of StartTasks among them.
  std::set<std::pair<std::uint64_t, TimerPurpose>> timers_;
  bool has_regular_check_ = false;
  std::uint64_t no_room_said_ms_ = 0;

  // Of the step that is being made.
  std::uint64_t now_ms_ = 0;
  MasterActions* out_ = nullptr;
};

template <class... Parts>
void Scheduler::Say(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  out_->push_back(Note{std::move(text).str()});
}

}  // namespace millrace

#endif  // MASTER_SCHEDULER_H_
