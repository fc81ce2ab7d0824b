// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_ASSIGNMENT_H_
#define WORKER_TASK_ASSIGNMENT_H_

// What a worker tells the child that executes a task attempt, and what the child answers. On their
// way between the two: task_codec.h.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/single_task.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/shuffle/merge_passes.h"
#include "mapreduce/shuffle/run_cursor.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

/// A piece of a shard.
struct TaskPiece {
  std::uint32_t shard = 0;  ///< Its number in the plan's input.
  Shard file;               ///< Of its frames and rows those that the piece needs.
  ShardRange range;
};

/// A table that the task looks up in.
struct TaskTable {
  std::uint32_t stage = 0;           ///< That made it.
  std::vector<MadeTableFile> files;  ///< In key order.
};

/// What an earlier execution of the task has made: another one has to make the same.
struct TaskReference {
  Hash128 digest;
  std::vector<RunInfo> runs;  ///< By channel.
  std::string output_directory;
  std::vector<PartRecord> parts;
  std::optional<PartRecord> table;
};

/// All that a child is told. Paths are absolute, but for those of shards.
struct TaskAssignment {
  AttemptId attempt;
  TaskKind kind = TaskKind::kMap;
  std::uint32_t stage = 0;
  std::uint32_t source = 0;  ///< Of a map: of the stage's.
  std::uint32_t part = 0;    ///< Of the output: of a reduce, and of a map in a stage without.

  std::string job;
  std::map<std::string, std::string> params;
  std::string date;
  std::uint32_t parts = 1;
  Compression compression = Compression::kNone;
  OutputFormat output_format = OutputFormat::kTsv;
  std::string code;       ///< Plan.code; "" is not looked at.
  std::string directory;  ///< Where relative paths of shards start; "" if there are none.
  /// Names of those to load, in order. Their bytes come as descriptors (task_child.h).
  std::vector<std::string> modules;

  std::uint64_t memory_bytes = std::uint64_t{256} << 20;  ///< The engine's budget.
  std::uint64_t block_bytes = 0;  ///< Of run files; 0: as the memory allows.
  std::string scratch_directory;  ///< Exists, empty.
  std::vector<NewRun> runs;       ///< By channel.
  /// The attempt's own. The child makes it, without parents, and empties it if it is there; "": it
  /// writes no parts, makes no table, and may set nothing aside.
  std::string output_directory;

  std::vector<TaskPiece> pieces;  ///< Of a map.
  FileFormat input_format;        ///< Of a map.
  std::uint64_t stored_bytes = 0;
  KeyRange range;                   ///< Of a reduce.
  std::vector<ReduceInput> inputs;  ///< Of a reduce: in the order of (source, map task).
  std::vector<TaskTable> tables;
  std::vector<RecordPosition> set_aside;
  bool goes_one_by_one = false;  ///< StartTask's.
  std::uint64_t rejects_max = UINT64_MAX;
  std::optional<TaskReference> reference;
  bool is_sandboxed = false;             ///< See sandbox.h.
  std::vector<std::string> also_reads;   ///< Files and folders, for any of the worker's tasks.
  std::vector<std::string> also_writes;  ///< Likewise.
  std::vector<std::string> hidden;       ///< What lies below is no input either.
};

/// The attempt succeeded.
struct TaskSuccess {
  TaskOutput output;
  std::vector<RunInfo> runs;  ///< By channel.
};

/// It did not. As the child says it; the worker knows whose the damaged input is.
struct TaskFault {
  StatusCode code = StatusCode::kInternal;
  std::string message;
  std::optional<std::uint32_t> damaged_input;  ///< Of TaskAssignment::inputs.
};

using ChildAnswer = std::variant<TaskSuccess, TaskFault>;

/// What the worker's shell decides for an attempt.
struct TaskPlaces {
  std::uint64_t memory_bytes = 0;
  std::string scratch_directory;
  std::vector<NewRun> runs;         ///< One for each channel of the phase.
  std::string output_directory;     ///< Where the phase needs folders (ClusterPlan).
  std::vector<ReduceInput> inputs;  ///< Of a reduce.
  std::string output;               ///< Of the run: where files of tables lie.
};

/// The assignment for a task of a plan. kInvalidArgument for a task that the plan doesn't have.
Result<TaskAssignment> AssignmentOf(const ClusterPlan& plan, const StartTask& task,
                                    const TaskPlaces& places);

/// "map-00012", "reduce-00003": what the engine calls it.
std::string TaskNameOf(const TaskAssignment& assignment);

}  // namespace millrace

#endif  // WORKER_TASK_ASSIGNMENT_H_
