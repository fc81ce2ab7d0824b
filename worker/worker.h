// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_WORKER_H_
#define WORKER_WORKER_H_

// The worker's brain: a pure state machine, as the master's is (master/scheduler.h). It knows what
// it was told to do, what its children are at, and what it holds; the shell around it has the
// sockets, the children and the spool.
//
//   StartTask ─▶ fetch slices (a reduce) ─▶ StartChild ┄ ChildEnded ┄▶ report until answered
//                                                      committed: hold its run files, serve them
//                                                      else:      drop what it left
//
// It follows the highest epoch it has heard of and ignores lower ones. When its lease is over it
// starts nothing new, but what is at work goes on: the master may take it back.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/proto/state_machine.h"
#include "worker/fetcher.h"
#include "worker/slice_server.h"

namespace millrace {

/// Of one worker process.
struct WorkerOptions {
  std::string host;
  std::string endpoint;
  std::string build;
  /// Workers with the same one can open each other's files by name; empty: nobody can.
  std::string host_id;
  std::uint32_t slots = 1;
  std::uint64_t slot_memory_bytes = 0;
  std::uint64_t spool_bytes_max = UINT64_MAX;  ///< Beyond, it takes no new tasks.
  std::uint64_t hello_ms = 1'000;              ///< Between two tries to reach the master.
  std::uint64_t report_ms = 1'000;             ///< Between two reports of one attempt.
  /// An attempt that reads nothing for so long hangs, be it for a slot, for data or for itself.
  std::uint64_t no_progress_ms = 600'000;
  std::uint64_t drain_ms =
      3'600'000;  ///< So long a draining worker works and serves what it holds.
  FetchLimits fetch;
  ServeLimits serve;
};

// ---- Events (and MessageArrived, TimerFired) ----------------------------------------------------

/// How far a child is: records and bytes that it has read, and the record it is at.
struct ChildProgressed {
  AttemptId attempt;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::optional<RecordPosition> position;
  std::uint64_t moves = 0;  ///< Grows while it gets on, also within what it has read already.
};

/// The child is gone.
struct ChildEnded {
  AttemptId attempt;
  std::variant<TaskOutput, TaskFailure> result;
};

/// Fetched bytes could not be kept.
struct SpoolFailed {
  AttemptId attempt;
  Status status;
};

/// Answers ReadPiece.
struct PieceRead {
  ServeKey key;
  std::uint64_t offset = 0;
  Result<ServedPiece> piece;
  std::optional<AttemptId> damaged;  ///< Where there is no piece: the output that can't be read.
};

/// Answers ListFiles.
struct FilesListed {
  WorkerId reader_worker;
  FetchRequest request;
  Result<std::vector<FetchFile>> files;  ///< In task order.
  std::optional<AttemptId> damaged;      ///< Where there are none: the output that is gone.
};

/// The machine wants to go down: finish what there is, take nothing new.
struct DrainWanted {};

using WorkerEvent = std::variant<MessageArrived, TimerFired, ChildProgressed, ChildEnded,
                                 SpoolFailed, PieceRead, FilesListed, DrainWanted>;

// ---- Actions (and Send, Note) -------------------------------------------------------------------

/// Start a child for the attempt, in an empty folder of its own; say ChildEnded when it is gone.
struct StartChild {
  StartTask task;
  std::string run_name;
  std::string plan;
  std::string output;                    ///< Of the run: where tasks that write parts do it.
  std::vector<FetchedSource> inputs;     ///< Of a reduce: what was fetched.
  std::vector<AttemptId> local_outputs;  ///< Of a reduce: what this worker itself holds.
};

/// Kill the child; ChildEnded comes all the same.
struct KillChild {
  AttemptId attempt;
};

/// Append to what was fetched for the attempt from one source.
struct AppendSpool {
  AttemptId attempt;
  FetchKey key;
  std::string bytes;
};

/// Find the slices of these outputs and read a piece of their stream; say PieceRead.
struct ReadPiece {
  ServeKey key;
  std::vector<AttemptId> outputs;
  KeyBorders borders;
  std::uint64_t offset = 0;
  std::uint64_t bytes_max = 0;
};

/// A reader on this host wants these outputs: say by FilesListed where the run files lie.
struct ListFiles {
  WorkerId reader_worker;
  FetchRequest request;
  std::vector<AttemptId> outputs;
};

/// What the attempt left in the spool is not needed any more; nor are the parts it wrote, unless
/// they were committed.
struct DropAttempt {
  AttemptId attempt;
  bool keeps_parts = false;
};

/// The worker is not wanted, or has drained: end the process.
struct Leave {
  Status status;
};

using WorkerAction = std::variant<Send, StartChild, KillChild, AppendSpool, ReadPiece, ListFiles,
                                  DropAttempt, Leave, Note>;
using WorkerActions = std::vector<WorkerAction>;

// --------------------------------------------------------------------------------------------------

/// See above. One thread at a time.
class Worker {
 public:
  Worker(WorkerId id, const WorkerOptions& options);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start(std::uint64_t now_ms, WorkerActions& out);
  void Step(WorkerEvent event, std::uint64_t now_ms, WorkerActions& out);
  std::uint64_t NextTimerMs() const;

  WorkerId id() const { return id_; }
  Epoch epoch() const { return epoch_; }
  bool has_lease(std::uint64_t now_ms) const { return now_ms < lease_end_ms_; }
  /// Attempts whose children are at work or whose slices are being fetched.
  std::vector<AttemptId> Running() const;
  /// Attempts that wait, are at work, or are reported and not answered yet.
  std::vector<AttemptId> Present() const;
  /// Committed outputs.
  std::vector<AttemptId> Held() const;
  std::size_t report_count() const { return reports_.size(); }

 private:
  enum class Stage { kWaiting, kFetching, kRunning, kKilled };
  struct Activity {
    StartTask task;
    Stage stage = Stage::kWaiting;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
    std::uint64_t moves = 0;
    std::uint64_t fetched_bytes = 0;
    std::uint64_t progress_ms = 0;  ///< When it last got on.
    std::optional<RecordPosition> position;
    std::optional<TaskFailure> killed_for;  ///< Reported when the child is gone; none: forgotten.
  };
  /// Of a run: what its tasks do, once it has come.
  struct Plan {
    std::optional<RunPlan> plan;
    std::uint64_t next_ask_ms = 0;
  };
  struct Report {
    std::variant<TaskOutput, TaskFailure> result;
    std::uint64_t next_ms = 0;
  };

  void OnMessage(MessageArrived& arrived);
  void OnPeerMessage(WorkerId from, MessageBody& body);
  void OnMasterMessage(const Message& message);
  void On(const Welcome& welcome);
  void On(const StartTask& start);
  void On(const RunPlan& plan);
  void On(const KillTask& kill);
  void On(const TaskAnswer& answer);
  void On(const EndRun& end);
  void On(WorkerId from, const FetchRequest& request);
  void OnProgress(const ChildProgressed& progressed);
  void OnChildEnded(const ChildEnded& ended);
  void OnPieceRead(PieceRead& read);
  void OnFilesListed(const FilesListed& listed);
  void OpenStream(WorkerId to, const FetchRequest& request, std::vector<AttemptId> outputs);
  void OnTimers();

  void SayHello();
  void SendHeartbeat();
  void RenewLease(std::uint64_t sequence);
  void StartWaiting();
  bool HasPlan(JobRunId run);
  void ForgetPlans();
  void StartFetching(Activity& activity);
  void StartFetched(Activity& activity);
  void OnFetchesDone();
  bool HoldsSources(const StartTask& task) const;
  void Kill(AttemptId attempt, std::optional<TaskFailure> failure);
  void FinishAttempt(AttemptId attempt, std::variant<TaskOutput, TaskFailure> result);
  void Drop(AttemptId attempt, bool keeps_parts = false);
  void SendReport(AttemptId attempt, Report& report);
  std::vector<AttemptId> HeldOf(PhaseId phase) const;
  static std::uint64_t OutputsHash(const std::vector<AttemptId>& outputs);
  std::uint32_t BusySlots() const;
  bool TakesTasks() const;
  std::uint64_t SpoolBytes() const;
  std::uint64_t SendToMaster(MessageBody body);
  void SendTo(const Address& to, MessageBody body);

  const WorkerId id_;
  const WorkerOptions options_;

  Epoch epoch_;
  std::uint64_t cluster_ = 0;  // Of the first Welcome.
  bool is_registered_ = false;
  bool is_draining_ = false;
  bool has_left_ = false;
  std::uint64_t drain_end_ms_ = 0;
  std::uint64_t heartbeat_ms_ = 0;
  std::uint64_t lease_ms_ = 0;
  std::uint64_t lease_end_ms_ = 0;
  std::uint64_t next_hello_ms_ = 0;
  std::uint64_t next_heartbeat_ms_ = 0;
  std::uint64_t last_order_ = 0;  // Of the StartTasks of this epoch.
  std::uint64_t last_sequence_ = 0;
  std::map<std::uint64_t, std::uint64_t> sent_ms_;  // Of Hellos and heartbeats not answered yet.

  std::map<AttemptId, Activity> activities_;
  std::deque<AttemptId> waiting_;  // For a slot, and for the plan.
  std::map<JobRunId, Plan> plans_;
  std::map<AttemptId, Report> reports_;
  std::map<AttemptId, std::uint64_t> held_;  // Committed outputs, and their bytes.

  Fetcher fetcher_;
  SliceServer server_;

  // Of the step that is being made.
  std::uint64_t now_ms_ = 0;
  WorkerActions* out_ = nullptr;
};

}  // namespace millrace

#endif  // WORKER_WORKER_H_
