// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_EXECUTION_H_
#define MAPREDUCE_ENGINE_EXECUTION_H_

// One execution of a graph, and what its map and reduce tasks share. Stages run in order; for each:
//
//   map tasks over the splits of each input   (map_task.cc)   -> the stage's RunStore
//   reduce tasks over ranges of the key space (reduce_task.cc) -> part files, and, fused, the maps
//                                                                of the stages that follow
//
// Ranges are finer than parts, so that one part keeps all slots busy; where they are cut can't be
// seen in the output.

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/mutex.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/part_file.h"
#include "mapreduce/engine/reject_log.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/io/shard_digest.h"
#include "mapreduce/shuffle/run_store.h"

namespace millrace {

/// See above. Its tasks call it from several threads.
class Execution {
 public:
  Execution(FileSystem& files, const JobGraph& graph, const std::vector<ExecutionInput>& inputs,
            const ExecutionOptions& options);

  Result<ExecutionResult> Run();

  // For the tasks.

  FileSystem& files() { return files_; }
  const JobGraph& graph() const { return graph_; }
  const std::vector<ExecutionInput>& inputs() const { return inputs_; }
  const ExecutionOptions& options() const { return options_; }
  MemoryBudget& budget() { return budget_; }
  RunStore& store(std::size_t stage) { return *stores_[stage]; }
  RejectLog& rejects() { return rejects_; }
  ShardDigest& digest(int input, int shard) {
    return *digests_[static_cast<std::size_t>(input)][static_cast<std::size_t>(shard)];
  }
  /// The longest line a job can have; the error beyond it names --memory.
  std::size_t record_bytes_max() const;
  /// What reading all of a stage's run files at once takes of a slot's memory.
  std::uint64_t CursorBytes(std::size_t stage) const;
  /// Cancelled, or so many rejects that task `order` need not go on.
  Status CheckGoOn(std::uint64_t order);

  /// A sink for one slot's emissions into a stage. `combiner` keeps what it needs.
  std::unique_ptr<Collector> MakeCollector(std::size_t stage, MemoryBudget::Lease& lease,
                                           PhaseTimer& timer,
                                           std::unique_ptr<CombineOperator>* combiner);

  void AddTask(const Context& context, std::uint64_t records_read);
  /// Of a map that runs inside another task.
  void AddCounters(const Context& context);
  void AddTimes(const PhaseTimes& times);
  void AddProgress(std::uint64_t bytes, std::uint64_t records, int tasks);

 private:
  Status RunStage(std::size_t stage);
  Status RunMaps(std::size_t stage, const StageSource& source, std::uint64_t order_base);
  Status RunMapsAlone(std::size_t stage);
  Status RunReduce(std::size_t stage);
  void BeginPhase(std::string name, std::uint64_t bytes_total, std::size_t tasks_total);
  void ReportProgress();
  std::vector<Split> SplitsOf(int input) const;
  std::uint64_t CursorBytesMax(std::size_t stage) const;
  std::uint64_t RetainedBytesMax(const StageSpec& stage) const;
  std::string OutputDirectory(int output) const;
  Status MakeOutputDirectories();
  std::unique_ptr<PartFile> MakePartFile(const StageWrite& write, std::size_t part,
                                         std::size_t first_task, std::size_t task_count);
  void CollectFiles(int output, const std::vector<std::unique_ptr<PartFile>>& parts);

  FileSystem& files_;
  const JobGraph& graph_;
  const std::vector<ExecutionInput>& inputs_;
  const ExecutionOptions options_;
  MemoryBudget budget_;
  MemoryBudget waiting_budget_;
  std::size_t block_bytes_;
  RejectLog rejects_;
  std::vector<std::unique_ptr<RunStore>> stores_;
  std::vector<std::vector<std::unique_ptr<ShardDigest>>> digests_;
  std::vector<std::vector<OutputFileRecord>> output_files_;  // By output.
  std::uint64_t reject_order_ = 0;                           // Of the phase's first task.
  std::uint64_t spilled_before_ = 0;                         // By the stages that are done.

  Mutex mutex_;
  ExecutionResult result_ MR_GUARDED_BY(mutex_);

  std::string phase_name_;
  std::uint64_t phase_bytes_total_ = 0;
  int phase_tasks_total_ = 0;
  std::atomic<std::uint64_t> phase_bytes_{0};
  std::atomic<std::uint64_t> phase_records_{0};
  std::atomic<int> phase_tasks_{0};
  Mutex progress_mutex_;
  std::chrono::steady_clock::time_point next_report_ MR_GUARDED_BY(progress_mutex_);
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_EXECUTION_H_
