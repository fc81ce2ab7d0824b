// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_MESSAGES_H_
#define MAPREDUCE_PROTO_MESSAGES_H_

// What master, workers and clients tell each other, as plain values: the state machines know no
// other form. wire.proto is the same on the wire, wire_codec.h goes from one to the other and
// checks all that comes in. docs/formats/wire.md is the reference.
//
//   client            master                       worker                        worker
//   SubmitRun   ->
//               <-    RunStatus
//                                           <-     Hello
//                     Welcome               ->
//                                           <-     Heartbeat
//                     HeartbeatAck          ->
//                     StartTask             ->
//                                           <-     PlanWanted (a run's first task)
//                     RunPlan               ->
//                                                  FetchRequest, FetchCredit ->
//                                                                            <-  FetchData
//                                           <-     TaskDone, TaskFailed
//                     TaskAnswer            ->
//               <-    RunStatus
//                     EndRun                ->
//
// Any message may be lost, come twice, late, or in another order: whoever needs an answer asks
// again, and whoever answers does so again.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/proto/ids.h"

namespace millrace {

/// Both sides of a connection must speak the same.
inline constexpr std::uint32_t kProtocolVersion = 1;

// ---- What a run consists of ---------------------------------------------------------------------

enum class TaskKind { kMap, kReduce };

/// Runs that a reduce merges: those which the tasks of an earlier phase leave in one channel. A map
/// phase has one channel, a reduce that feeds several later stages has one for each.
struct PhaseSource {
  std::uint32_t phase = 0;
  std::uint32_t channel = 0;
  friend auto operator<=>(const PhaseSource&, const PhaseSource&) = default;
};

/// Of a run's phases, in an order in which each comes behind those it reads.
struct PhaseSpec {
  std::string name;  ///< "stage-1 map"
  TaskKind kind = TaskKind::kMap;
  std::uint32_t task_count = 0;
  std::vector<PhaseSource> sources;  ///< Of a reduce.
  std::uint32_t channels = 0;        ///< Run files of a task, which its worker holds and serves.
  bool writes_parts = false;         ///< Its tasks write part files into the run's output.
  std::uint32_t sample_capacity = 4096;  ///< Of keys, for the borders between a reduce's parts.
  /// Of map tasks: stored bytes to read, by task. Empty: unknown.
  std::vector<std::uint64_t> task_bytes;
  /// Each of its tasks writes a file of a table, for lookups by others, beside the run's output.
  bool makes_table = false;
  std::vector<std::uint32_t> tables;  ///< Phases whose tables its tasks look up in, ascending.
  friend bool operator==(const PhaseSpec&, const PhaseSpec&) = default;
};

/// What a client asks to be run. The master reads the fields below; `plan` is for the workers.
struct RunSpec {
  /// Chosen by the client, so that asking again is not running again: of one name there is one run,
  /// whatever came of it. Whoever wants another try takes another name.
  std::string name;
  std::string user;
  std::int32_t priority = 0;              ///< Larger first, among the runs of one user.
  std::uint32_t parallel_max = 0;         ///< Tasks at once; 0: no limit.
  std::uint64_t memory_bytes_min = 0;     ///< Of a slot.
  std::uint64_t crashed_records_max = 0;  ///< So many records that crash a task are set aside.
  std::string output;                     ///< Where the result goes: a path all sides share.
  std::string plan;                       ///< Opaque here: job, parameters, inputs, splits.
  std::vector<PhaseSpec> phases;
  friend bool operator==(const RunSpec&, const RunSpec&) = default;
};

// ---- What tasks read and leave ------------------------------------------------------------------

/// Keys of one part: [begin, end); absent: without limit.
struct KeyBorders {
  std::optional<std::string> begin;
  std::optional<std::string> end;
  friend bool operator==(const KeyBorders&, const KeyBorders&) = default;
};

/// Committed outputs of one phase that one worker holds. The set is named by how many there are and
/// by the sum of OutputHash() over them, so that a reduce task's assignment need not list them all.
struct SourceSet {
  PhaseSource source;
  WorkerId worker;
  std::string endpoint;
  std::uint32_t output_count = 0;
  std::uint64_t outputs_hash = 0;
  friend bool operator==(const SourceSet&, const SourceSet&) = default;
};

inline std::uint64_t OutputHash(const AttemptId& attempt) {
  const std::uint64_t words[] = {attempt.task.phase.run.value, attempt.task.phase.index,
                                 attempt.task.index, attempt.number};
  return Hash64({reinterpret_cast<const char*>(words), sizeof words});
}

/// Where a task was when it failed: a record of the input, or a group of a reduce.
struct RecordPosition {
  std::string shard;  ///< Empty: a group.
  std::uint64_t offset = 0;
  std::string key;  ///< Of a group: encoded; with GroupBy, the prefix.
  bool is_group() const { return shard.empty(); }
  friend auto operator<=>(const RecordPosition&, const RecordPosition&) = default;
};

/// Bytes of an input that a task has read, by blocks (mapreduce/io/shard_digest.h).
struct InputBlocks {
  std::uint32_t input = 0;
  std::uint32_t shard = 0;  ///< Of the plan's, in that input.
  std::uint64_t first_block = 0;
  std::vector<Hash128> digests;
  friend bool operator==(const InputBlocks&, const InputBlocks&) = default;
};

/// What one of the phases of base/phase_clock.h has cost.
struct PhaseTime {
  std::uint64_t nanoseconds = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const PhaseTime&, const PhaseTime&) = default;
};

/// A file of the output, as an attempt left it in its own folder.
struct PartRecord {
  std::string path;  ///< Below the output.
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  Hash128 xxh128;
  friend bool operator==(const PartRecord&, const PartRecord&) = default;
};

/// A file in an attempt's folder (engine/attempt_directory.h): rejects that are too many for its
/// report.
struct RejectFile {
  struct Text {
    std::uint64_t bytes = 0;
    Hash128 xxh128;
    friend bool operator==(const Text&, const Text&) = default;
  };
  std::vector<Text> texts;  ///< As TaskOutput::rejects, one behind the other.
  friend bool operator==(const RejectFile&, const RejectFile&) = default;
};

/// What an attempt that succeeded left, and what of it the master must know.
struct TaskOutput {
  Hash128 digest;  ///< Over the records it made: equal for all attempts of a deterministic task.
  std::vector<PartRecord> parts;
  std::map<std::string, std::uint64_t> counters;
  std::uint64_t records_in = 0;
  std::uint64_t records_out = 0;
  std::uint64_t bytes_in = 0;   ///< What its speed is measured by.
  std::uint64_t run_bytes = 0;  ///< Of the run files it holds.
  std::uint64_t reject_count = 0;
  /// Rows of `_rejects.tsv`: its own, then, by channel, those of the maps that run inside it.
  std::vector<std::string> rejects;
  std::optional<RejectFile> reject_file;          ///< Instead of them: the texts are empty then.
  std::vector<std::vector<std::string>> samples;  ///< By channel: keys for a reduce's borders.
  /// By channel, for each sampled key: a digest of the records up to it. Where two attempts differ,
  /// they tell from which key on.
  std::vector<std::vector<std::uint32_t>> sample_digests;
  std::vector<InputBlocks> input_blocks;  ///< Of a map.
  std::vector<PhaseTime> phase_times;     ///< By Phase. For people.
  std::uint64_t spilled_bytes = 0;        ///< Written to scratch files. For people.
  std::optional<PartRecord> table;        ///< Its file of a table. Not published.
  friend bool operator==(const TaskOutput&, const TaskOutput&) = default;
};

/// Why an attempt failed.
struct TaskFailure {
  StatusCode code = StatusCode::kInternal;
  std::string message;
  std::optional<RecordPosition> position;  ///< The record or group it was working on.
  std::optional<WorkerId> source;          ///< Whose outputs couldn't be fetched, or were damaged.
  std::optional<AttemptId> damaged;        ///< Which of them.
  std::string log;                         ///< The end of what it wrote to stdout and stderr.
  friend bool operator==(const TaskFailure&, const TaskFailure&) = default;
};

// ---- Client and master --------------------------------------------------------------------------

struct SubmitRun {
  RunSpec spec;
};
struct CancelRun {
  std::string name;
};
struct AskRunStatus {
  std::string name;
  std::uint64_t failures_seen = 0;  ///< Of RunStatus.failures_total.
};
/// What is there: answered by ClusterStatus.
struct AskCluster {};

enum class RunState { kUnknown, kRefused, kQueued, kRunning, kPublishing, kDone, kFailed };

/// Sums over the committed tasks of a run.
struct RunTotals {
  std::uint64_t attempts = 0;  ///< Started, whatever became of them.
  std::uint64_t failures = 0;  ///< Of them.
  std::uint64_t records_in = 0, bytes_in = 0, records_out = 0, reject_count = 0;
  std::uint64_t spilled_bytes = 0, run_bytes = 0;
  std::vector<PhaseTime> phase_times;  ///< By Phase.
  friend bool operator==(const RunTotals&, const RunTotals&) = default;
};

/// An answer to any of the above but AskCluster.
struct RunStatus {
  std::string name;
  RunState state = RunState::kUnknown;
  StatusCode code = StatusCode::kOk;  ///< Of kRefused and kFailed.
  std::string message;
  std::uint64_t tasks_done = 0, tasks_total = 0;
  std::string user;
  std::string output;
  std::string phase;  ///< The first that is not complete; then, of this phase:
  std::uint64_t phase_tasks_done = 0, phase_tasks_total = 0;
  std::uint64_t phase_bytes_done = 0, phase_bytes_total = 0;  ///< Total 0: unknown.
  std::uint64_t tasks_running = 0;                            ///< Attempts at work, of all phases.
  RunTotals totals;
  /// Attempts that failed, in words; those behind AskRunStatus.failures_seen, the last ones if
  /// there are many.
  std::vector<std::string> failures;
};

struct WorkerStatus {
  WorkerId worker;
  std::string host;
  std::string endpoint;
  std::uint32_t slots = 0, slots_busy = 0;
  std::uint64_t slot_memory_bytes = 0;
  bool takes_tasks = false;
  bool is_set_aside = false;  ///< Too many tasks have failed there.
};

struct ClusterStatus {
  std::vector<RunStatus> runs;  ///< The open ones, then the last that ended.
  std::vector<WorkerStatus> workers;
};

// ---- Files by content: modules
// --------------------------------------------------------------------

/// The sender lacks the file with this XXH3-128, or the rest of it. Client, master and worker say
/// it to whoever named the file to them.
struct FileWanted {
  Hash128 hash;
  std::uint64_t offset = 0;
};

/// A piece of it. `total_bytes` 0: the sender does not have it.
struct FileData {
  Hash128 hash;
  std::uint64_t offset = 0;
  std::uint64_t total_bytes = 0;
  std::string bytes;
};

// ---- Worker and master --------------------------------------------------------------------------

/// A worker introduces itself to an epoch it has not spoken to yet.
struct Hello {
  WorkerId worker;
  std::string host;      ///< For people.
  std::string endpoint;  ///< Where it serves its outputs.
  std::uint32_t protocol = kProtocolVersion;
  std::string build;
  std::uint32_t slots = 0;
  std::uint64_t slot_memory_bytes = 0;
  bool takes_tasks = true;         ///< Else it drains, or its spool is full.
  std::vector<AttemptId> present;  ///< At work, or reported and not answered yet.
  std::vector<AttemptId> held;     ///< Committed outputs it still has.
  /// Welcome's, of the master it has followed so far. It serves one cluster in its life: ids of
  /// runs and attempts begin anew in each.
  std::uint64_t cluster = 0;
};

/// `hello` is the sequence number of the message that is answered.
struct Welcome {
  std::uint64_t hello = 0;
  std::uint64_t heartbeat_ms = 0;
  std::uint64_t lease_ms = 0;
  std::uint64_t last_order = 0;  ///< StartTasks up to this one are void.
  std::vector<AttemptId> kill;   ///< Of what it said is present: given to others meanwhile.
  std::vector<AttemptId> drop;   ///< Of what it said it holds: not needed any more.
  std::uint64_t cluster = 0;     ///< Which one the master coordinates, over all epochs.
};

/// The master doesn't know this worker, or not as of this epoch: say Hello.
struct HelloWanted {};

/// The worker is refused for good: another protocol or build.
struct Refused {
  std::string message;
};

struct AttemptProgress {
  AttemptId attempt;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
};

/// The committed outputs of a phase that a worker has: how many, and the sum of their OutputHash().
struct HeldSummary {
  PhaseId phase;
  std::uint32_t output_count = 0;
  std::uint64_t outputs_hash = 0;
  friend bool operator==(const HeldSummary&, const HeldSummary&) = default;
};

/// Renews the worker's leases. Sent every half heartbeat, so that one may be lost.
struct Heartbeat {
  bool takes_tasks = true;
  std::uint64_t last_order = 0;          ///< Of the StartTasks seen.
  std::vector<AttemptProgress> present;  ///< At work, or reported and not answered yet.
  std::vector<HeldSummary> held;         ///< Where the master knows others, it asks for a Hello.
};

/// The worker's leases last until `lease_ms` after it *sent* the message with this sequence number.
struct HeartbeatAck {
  std::uint64_t heartbeat = 0;
};

/// The files of a table: one for each task of the phase that made it, in its order. They lie in the
/// folders of the attempts (engine/attempt_directory.h).
struct TableFiles {
  struct File {
    std::uint32_t number = 0;  ///< Of the task's attempt.
    std::uint64_t bytes = 0;
    friend bool operator==(const File&, const File&) = default;
  };
  std::uint32_t phase = 0;
  std::vector<File> files;
  friend bool operator==(const TableFiles&, const TableFiles&) = default;
};

/// Orders grow from message to message. A worker that has seen a larger one ignores this: so an
/// attempt that it doesn't report as present, though it has seen its order, never starts there.
struct StartTask {
  std::uint64_t order = 0;
  AttemptId attempt;
  TaskKind kind = TaskKind::kMap;
  KeyBorders borders;                     ///< Of a reduce.
  std::vector<SourceSet> sources;         ///< Of a reduce.
  std::vector<RecordPosition> set_aside;  ///< Records and groups that crashed it before.
  std::vector<TableFiles> tables;         ///< As PhaseSpec::tables.
  /// Of a reduce that has failed before: what a group emits goes through the maps behind it before
  /// the next group begins, so that the one to blame for a crash is known.
  bool goes_one_by_one = false;
};

struct KillTask {
  AttemptId attempt;
};

struct TaskDone {
  AttemptId attempt;
  TaskOutput output;
};

struct TaskFailed {
  AttemptId attempt;
  TaskFailure failure;
};

/// What became of a report. Until it comes, the worker reports again.
struct TaskAnswer {
  AttemptId attempt;
  bool is_committed = false;  ///< Else its output can go.
};

/// The worker has a task of a run whose plan it does not have.
struct PlanWanted {
  JobRunId run;
};

/// What the tasks of a run do: large, so each worker asks for it once.
struct RunPlan {
  JobRunId run;
  std::string name;    ///< RunSpec's; so are the next two.
  std::string output;  ///< Beside it tasks write their parts.
  std::string plan;
};

/// Nothing of this run is needed any more.
struct EndRun {
  JobRunId run;
};

/// The worker has drained and leaves.
struct Goodbye {};

// ---- Worker and worker --------------------------------------------------------------------------

/// Blocks of one run file that may hold keys of the range, as they lie there.
struct FetchSlice {
  AttemptId output;
  std::uint64_t file_id = 0;
  std::uint64_t begin = 0, end = 0;   ///< In the run file.
  std::uint64_t block_bytes_max = 0;  ///< No block is larger.
  friend bool operator==(const FetchSlice&, const FetchSlice&) = default;
};

/// Asks for a slice of all outputs of one phase that a worker holds: a stream, the list of slices
/// first, then their bytes one after the other. The stream is the same each time, so it can be
/// resumed anywhere.
struct FetchRequest {
  AttemptId reader;
  /// Who is asked. Another may listen at its endpoint by now, and have outputs of the same ids.
  WorkerId holder;
  PhaseSource source;
  std::uint32_t output_count = 0;
  std::uint64_t outputs_hash = 0;
  KeyBorders borders;
  std::uint64_t resume_at = 0;     ///< Bytes that are there already.
  std::uint64_t credit_bytes = 0;  ///< So many bytes may be under way.
  std::string host;                ///< Whose files the reader can open; empty: nobody's.
};

/// So much of the stream may be sent: up to this place in it.
struct FetchCredit {
  AttemptId reader;
  PhaseSource source;
  std::uint64_t up_to = 0;
};

struct FetchData {
  AttemptId reader;
  PhaseSource source;
  std::vector<FetchSlice> slices;  ///< In each piece at offset 0; in task order.
  std::uint64_t offset = 0;        ///< In the stream of bytes.
  std::uint64_t stream_bytes = 0;  ///< Of the whole stream.
  std::string bytes;
};

/// A run file that the reader can open itself: RunInfo (mapreduce/shuffle/run_writer.h).
struct FetchFile {
  AttemptId output;
  std::string path;
  std::uint64_t file_id = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t record_count = 0;
  std::uint64_t key_bytes = 0;
  std::uint64_t value_bytes = 0;
  std::uint64_t block_bytes_max = 0;
  friend bool operator==(const FetchFile&, const FetchFile&) = default;
};

/// Instead of a stream: both are on one host.
struct FetchFiles {
  AttemptId reader;
  PhaseSource source;
  std::vector<FetchFile> files;  ///< In task order.
};

/// The stream can't be had: the set is not (or no longer) what the reader was told.
struct FetchRefused {
  AttemptId reader;
  PhaseSource source;
  /// kUnavailable: not yet; kResourceLimit: too many others; anything else: it is lost.
  StatusCode code = StatusCode::kUnavailable;
  std::optional<AttemptId> damaged;
  std::string message;
};

using MessageBody =
    std::variant<SubmitRun, CancelRun, AskRunStatus, RunStatus, Hello, Welcome, HelloWanted,
                 Refused, Heartbeat, HeartbeatAck, StartTask, KillTask, TaskDone, TaskFailed,
                 TaskAnswer, EndRun, Goodbye, FetchRequest, FetchCredit, FetchData, FetchRefused,
                 PlanWanted, RunPlan, AskCluster, ClusterStatus, FileWanted, FileData, FetchFiles>;

/// Who sends, and who shall get it.
struct MasterAddress {
  friend auto operator<=>(const MasterAddress&, const MasterAddress&) = default;
};
using Address = std::variant<MasterAddress, WorkerId, ClientId>;

/// `epoch` is the master's, or the one that the worker follows; 0 between workers and from clients.
/// `sequence` grows with each message of a sender: a Hello or a heartbeat that comes behind a later
/// message of its worker is out of date.
struct Message {
  Epoch epoch;
  std::uint64_t sequence = 0;
  MessageBody body;
};

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_MESSAGES_H_
