// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_SINGLE_TASK_H_
#define MAPREDUCE_ENGINE_SINGLE_TASK_H_

// Executes one task of a run, by the code that the local runner executes all of them by. Who asks
// knows the job's graph and where things lie; who is asked schedules nothing:
//
//   ExecuteMapTask      a split -> one run file; in a stage without a reduce: a part of its outputs
//   ExecuteReduceTask   slices of all map tasks' run files -> a part of the stage's outputs, and a
//                       run file for each stage that follows (fused: their maps run inside),
//                       and a file of the table that the stage is kept as
//
// What the tasks of a run make together, in order, is what Execute makes, byte for byte, if
//
//   - the map tasks of each source read the splits of PlanSplits, or in a stage without a reduce
//     those of PlanParts (split_plan.h);
//   - the reduce tasks read the ranges that PartRanges makes of the borders of all map tasks'
//     samples (part_ranges.h); where a stage writes nothing, any ranges will do.
//
// Both work in the caller's thread on nothing but `files`, and leave the process as it was. They
// are thread-safe; two tasks share no scratch folder, two attempts at one task no output folder.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/api/table_set.h"
#include "mapreduce/base/cancel.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/phase_clock.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/reject_log.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/shuffle/merge_passes.h"
#include "mapreduce/shuffle/run_cursor.h"
#include "mapreduce/shuffle/run_slice.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

struct SingleTaskOptions {
  std::uint64_t memory_bytes = std::uint64_t{256} << 20;
  int parts = 1;  ///< Of the run: decides how many keys are sampled.
  Compression compression = Compression::kNone;
  std::string date;
  /// More rejects than this fail the task. The run's limit is for the caller to judge: it is over
  /// all tasks.
  std::uint64_t rejects_max = UINT64_MAX;
  std::string scratch_directory;        ///< Exists, empty; files in it are left to its owner.
  const CancelToken* cancel = nullptr;  ///< May be null.
  /// May be null. Hears how much was read so far, once per block or batch.
  std::function<void(std::uint64_t records, std::uint64_t bytes)> on_progress;
  bool spill_everything = false;  ///< Tests: hand on and spill after every record.
  std::size_t block_bytes = 0;    ///< Tests: of run files; 0: as the memory allows.
  /// Records (of a map) and groups (of a reduce) that are not shown to the job's code but rejected:
  /// it crashed of them before.
  std::vector<RecordPosition> set_aside;
  bool goes_one_by_one = false;  ///< StartTask's.
  /// What the task looks up in, by JobGraph::tables; null: a table that it has no use for.
  std::vector<std::shared_ptr<const TableSet>> tables;
};

/// A file of a table, as a reduce task left it.
struct MadeTableFile {
  std::string path;
  std::uint64_t bytes = 0;
};

/// Opens the files of a table, in the order of the tasks that made them. kNotFound, kCorrupt;
/// damage inside of a file shows when it is looked at, and fails the task then. `memory_bytes`: the
/// task's budget.
Result<std::shared_ptr<const TableSet>> OpenTable(FileSystem& files,
                                                  const std::vector<MadeTableFile>& made,
                                                  std::uint64_t memory_bytes = std::uint64_t{256}
                                                                               << 20);

/// A run file that a task made.
struct TaskRun {
  RunInfo info;
  Hash128 digest;                   ///< RecordDigest of its records.
  std::vector<std::string> sample;  ///< KeySampler's of all keys, in key order.
  /// For each of them RecordDigest's mark: tells attempts that differ from which key on.
  std::vector<std::uint32_t> sample_digests;
};

/// Digests of blocks of a shard, those that a map task has read as its own.
struct ReadBlocks {
  int input = 0;
  int shard = 0;
  std::uint64_t first_block = 0;
  std::vector<Hash128> digests;
};

/// What every task gives.
struct TaskResult {
  /// What two attempts of one task must agree on: the digests of its runs and files.
  Hash128 digest;
  std::vector<OutputFileRecord> files;  ///< By write of the stage. Durable, with their names.
  std::map<std::string, std::uint64_t> counters;
  RejectRows rejects;
  PhaseTimes phases;
  std::uint64_t spilled_bytes = 0;  ///< Written to the scratch folder.
};

struct MapTaskSpec {
  std::size_t stage = 0;
  std::size_t source = 0;  ///< Of the stage's; one that reads an input.
  std::size_t task = 0;    ///< Number among the source's map tasks.
  Split split;
  NewRun run;  ///< Where the stage has a reduce. The path doesn't exist.
  // Else:
  std::size_t part = 0;
  std::string output_directory;  ///< Exists; as ReduceTaskSpec's.
};

struct MapTaskResult : TaskResult {
  TaskRun run;  ///< Where the stage has a reduce. `digest` is the run's.
  std::uint64_t records_read = 0;
  std::uint64_t stored_bytes_read = 0;
  /// By piece of the split. The tasks of a source together have each block of each shard once; of a
  /// shard without bytes, or a piece inside of a block, there is nothing.
  std::vector<ReadBlocks> blocks;
};

/// Errors: kBadData for too many rejects and lines no budget holds, kCorrupt, kNotFound and kStale
/// of inputs, kResourceLimit, kUserCode, kCancelled; kInvalidArgument for a spec that doesn't fit
/// the graph. After an error, files that were made may be left.
Result<MapTaskResult> ExecuteMapTask(FileSystem& files, const JobGraph& graph,
                                     const std::vector<ExecutionInput>& inputs,
                                     const SingleTaskOptions& options, const MapTaskSpec& spec);

/// Some of what a map task made: fetched into a spool file, or the whole file where it was made.
using ReduceInput = std::variant<RunSlice, RunInfo>;

struct ReduceTaskSpec {
  std::size_t stage = 0;
  std::size_t part = 0;
  KeyRange range;
  /// In the order of (source, map task). A slice holds what SliceBytes(range) says, or more. They
  /// are only read.
  std::vector<ReduceInput> inputs;
  /// Exists. Where the job has several outputs, each has a subfolder, made if it is missing. None
  /// of the part's files may exist.
  std::string output_directory;   ///< Also of the file of a table (attempt_directory.h).
  std::vector<NewRun> next_runs;  ///< One for each of Followers(graph, stage).
};

struct ReduceTaskResult : TaskResult {
  struct Next {
    TaskRun run;
    RejectRows rejects;  ///< Of that map alone.
  };
  std::vector<Next> next;                 ///< One for each follower.
  std::optional<OutputFileRecord> table;  ///< Where the stage makes one. Durable, with its name.
};

/// Errors: as ExecuteMapTask. kCorrupt is damage to an input; CheckRunSlice tells which.
Result<ReduceTaskResult> ExecuteReduceTask(FileSystem& files, const JobGraph& graph,
                                           const SingleTaskOptions& options,
                                           const ReduceTaskSpec& spec);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_SINGLE_TASK_H_
