// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_TASK_ENVIRONMENT_H_
#define MAPREDUCE_ENGINE_TASK_ENVIRONMENT_H_

// What map tasks and reduce tasks know of the process they run in: where files are, what memory
// there is, who takes counters, rejects and times. The local runner has one for all tasks of a run
// (execution.h), a worker's child one for its only task (single_task.h).

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/api/graph.h"
#include "mapreduce/api/table_set.h"
#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/mutex.h"
#include "mapreduce/base/phase_clock.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/part_file.h"
#include "mapreduce/engine/reject_log.h"
#include "mapreduce/io/shard_digest.h"
#include "mapreduce/shuffle/run_store.h"
#include "mapreduce/shuffle/table_file.h"

namespace millrace {

/// Sums over tasks.
struct TaskTotals {
  std::map<std::string, std::uint64_t> counters;
  std::uint64_t records_read = 0;
  std::uint64_t tasks_run = 0;
  PhaseTimes phases;
};

/// See above. Tasks call it from several threads.
class TaskEnvironment {
 public:
  /// The tasks share `budget_bytes` by up to `lease_count` leases. All references outlive it.
  TaskEnvironment(FileSystem& files, const JobGraph& graph,
                  const std::vector<ExecutionInput>& inputs, const ExecutionOptions& options,
                  std::uint64_t budget_bytes, int lease_count);
  TaskEnvironment(const TaskEnvironment&) = delete;
  TaskEnvironment& operator=(const TaskEnvironment&) = delete;
  virtual ~TaskEnvironment() = default;

  FileSystem& files() { return files_; }
  const JobGraph& graph() const { return graph_; }
  const std::vector<ExecutionInput>& inputs() const { return inputs_; }
  const ExecutionOptions& options() const { return options_; }
  MemoryBudget& budget() { return budget_; }
  RejectLog& rejects() { return rejects_; }
  std::size_t block_bytes() const { return block_bytes_; }
  /// The longest line a job can have; the error beyond it names --memory.
  std::size_t record_bytes_max() const;
  /// Cancelled, or so many rejects that task `order` need not go on.
  Status CheckGoOn(std::uint64_t order);

  /// Of shards that are digested as they are read; else null.
  virtual ShardDigest* digest(int /*input*/, int /*shard*/) { return nullptr; }
  virtual void AddProgress(std::uint64_t bytes, std::uint64_t records, int tasks) = 0;

  /// Where a stage's emissions go. `input_bytes`: ShuffledBytes of all that its maps read, where
  /// that is known. `name` begins the names of its files.
  std::unique_ptr<RunStore> MakeStore(const StageSpec& stage, std::string name,
                                      std::uint64_t input_bytes);
  /// What may become of so many stored bytes of a shard.
  static std::uint64_t ShuffledBytes(const Shard& shard, std::uint64_t stored_bytes);
  /// A sink for one slot's emissions into a stage. `combiner` keeps what it needs.
  std::unique_ptr<Collector> MakeCollector(const StageSpec& stage, RunStore& store,
                                           MemoryBudget::Lease& lease, PhaseTimer& timer,
                                           std::unique_ptr<CombineOperator>* combiner);
  /// Merges the runs of a finished phase until one merge can read the rest. `has_followers`: what
  /// the merge gives is collected beside it.
  Status FinishStore(const StageSpec& stage, RunStore& store, bool has_followers);
  /// What reading all of a store's runs at once takes of a slot's memory.
  static std::uint64_t CursorBytes(const RunStore& store);

  /// A part of an output, to be written by so many tasks.
  std::unique_ptr<PartFile> MakePartFile(const StageWrite& write, std::size_t part,
                                         MemoryBudget& waiting_budget, std::size_t first_task,
                                         std::size_t task_count);
  /// Tables that are there, by index; null before they are made. Set between tasks.
  const std::vector<std::shared_ptr<const TableSet>>& tables() const { return tables_; }
  void set_table(int index, std::shared_ptr<const TableSet> table) {
    tables_[static_cast<std::size_t>(index)] = std::move(table);
  }
  /// kCorrupt if a task has met damage in one.
  Status TableStatus() const;
  /// A file of a table, as large in memory as the budget allows; `held_bytes_max` is
  /// TableWriterOptions'.
  Result<std::unique_ptr<TableWriter>> MakeTable(const std::string& path,
                                                 std::uint64_t held_bytes_max);

  /// The folder of an output, in the output directory: "" or "name/".
  std::string OutputFolder(int output) const;

  void AddTask(const Context& context, std::uint64_t records_read);
  /// Of a map that runs inside another task.
  void AddCounters(const Context& context);
  void AddTimes(const PhaseTimes& times);
  TaskTotals totals();

 private:
  std::uint64_t CursorBytesMax(bool has_followers) const;

  FileSystem& files_;
  const JobGraph& graph_;
  const std::vector<ExecutionInput>& inputs_;
  const ExecutionOptions options_;
  MemoryBudget budget_;
  const std::uint64_t reserve_bytes_;
  const std::size_t block_bytes_;
  std::vector<std::shared_ptr<const TableSet>> tables_;
  RejectLog rejects_;
  Mutex mutex_;
  TaskTotals totals_ MR_GUARDED_BY(mutex_);
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_TASK_ENVIRONMENT_H_
