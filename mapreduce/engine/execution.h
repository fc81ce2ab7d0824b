// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_EXECUTION_H_
#define MAPREDUCE_ENGINE_EXECUTION_H_

// One execution of a graph. Stages run in order; for each:
//
//   map tasks over the splits of each input   (map_task.cc)   -> the stage's RunStore
//   reduce tasks over ranges of the key space (reduce_task.cc) -> part files, and, fused, the maps
//                                                                of the stages that follow
//
// Ranges are finer than parts, so that one part keeps all slots busy; where they are cut can't be
// seen in the output. A table is read into memory beside the stages that follow, until the first of
// them looks up in it.

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/mutex.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/engine/task_environment.h"
#include "mapreduce/io/shard_digest.h"

namespace millrace {

/// See above.
class Execution final : public TaskEnvironment {
 public:
  Execution(FileSystem& files, const JobGraph& graph, const std::vector<ExecutionInput>& inputs,
            const ExecutionOptions& options);

  Result<ExecutionResult> Run();

  ShardDigest* digest(int input, int shard) override {
    return digests_[static_cast<std::size_t>(input)][static_cast<std::size_t>(shard)].get();
  }
  void AddProgress(std::uint64_t bytes, std::uint64_t records, int tasks) override;

 private:
  Status RunStage(std::size_t stage);
  Status RunMaps(std::size_t stage, const StageSource& source, std::uint64_t order_base);
  Status RunMapsAlone(std::size_t stage);
  Status RunReduce(std::size_t stage);
  Status OpenTable(int table, const std::vector<std::string>& paths);
  void AwaitTables(const std::vector<int>& tables);
  void WarnOfTable(int table, std::uint64_t bytes);
  void BeginPhase(std::string name, std::uint64_t bytes_total, std::size_t tasks_total);
  void ReportProgress();
  std::vector<Split> SplitsOf(int input) const;
  std::uint64_t ShuffledInput(const StageSpec& stage) const;
  Status MakeOutputDirectories();
  void CollectFiles(int output, const std::vector<std::unique_ptr<PartFile>>& parts);

  MemoryBudget waiting_budget_;
  struct TableToCome {
    std::shared_ptr<TableSet> table;
    std::future<void> is_held;  // Its small records.
  };
  std::map<int, TableToCome> tables_to_come_;
  std::vector<std::unique_ptr<RunStore>> stores_;
  std::vector<std::vector<std::unique_ptr<ShardDigest>>> digests_;
  std::vector<std::vector<OutputFileRecord>> output_files_;  // By output.
  std::uint64_t reject_order_ = 0;                           // Of the phase's first task.
  std::uint64_t spilled_before_ = 0;                         // By the stages that are done.

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
