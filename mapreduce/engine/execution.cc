// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/execution.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <utility>

#include "mapreduce/base/size.h"
#include "mapreduce/engine/followers.h"
#include "mapreduce/engine/map_task.h"
#include "mapreduce/engine/reduce_task.h"
#include "mapreduce/engine/reject_order.h"
#include "mapreduce/engine/task_outputs.h"
#include "mapreduce/engine/task_pool.h"
#include "mapreduce/engine/without_exceptions.h"

namespace millrace {
namespace {

// One of so many bytes of the budget is for rows that wait for the tasks before them.
constexpr std::uint64_t kWaitingShare = 16;
// A reduce holds a giant record as block, key of its group, emission and row; and so much of them
// all may lie beside the budget.
constexpr std::uint64_t kRecordCopies = 4;
constexpr std::uint64_t kBesideBudget = std::uint64_t{32} << 20;
// A range smaller than this is not worth a task.
constexpr std::uint64_t kRangeBytes = std::uint64_t{4} << 20;
// So many are worth a file of a table for each slot, and then one for so many more: where records
// are not small, a lookup begins with finding the file.
constexpr std::uint64_t kTableRangeBytes = std::uint64_t{64} << 20;
constexpr std::size_t kRangesPerSlot = 8;
constexpr std::size_t kRangesMax = 256;

/// A map slot fills one collector. A reduce slot may fill one for each stage that follows, beside
/// its cursors: if they shared a lease, the first would take all and leave the others nothing.
int LeasesPerSlot(const JobGraph& graph) {
  int followers_max = 0;
  for (std::size_t stage = 0; stage < graph.stages.size(); ++stage) {
    followers_max = std::max(followers_max, static_cast<int>(Followers(graph, stage).size()));
  }
  return 1 + followers_max;
}

}  // namespace

Execution::Execution(FileSystem& files, const JobGraph& graph,
                     const std::vector<ExecutionInput>& inputs, const ExecutionOptions& options)
    : TaskEnvironment(files, graph, inputs, options,
                      options.memory_bytes - options.memory_bytes / kWaitingShare,
                      options.parallel * LeasesPerSlot(graph)),
      waiting_budget_(options.memory_bytes / kWaitingShare, 1),
      output_files_(graph.outputs.size()) {
  for (const StageSpec& stage : graph.stages)
    stores_.push_back(MakeStore(stage, stage.name, ShuffledInput(stage)));
  for (const ExecutionInput& input : inputs) {
    auto& digests = digests_.emplace_back();
    for (const Shard& shard : input.shards)
      digests.push_back(std::make_unique<ShardDigest>(shard.file.bytes));
  }
}

std::uint64_t Execution::ShuffledInput(const StageSpec& stage) const {
  std::uint64_t bytes = 0;
  for (const StageSource& source : stage.sources) {
    if (source.input < 0) continue;
    for (const Shard& shard : inputs()[static_cast<std::size_t>(source.input)].shards)
      bytes += ShuffledBytes(shard, shard.file.bytes);
  }
  return bytes;
}

void Execution::BeginPhase(std::string name, std::uint64_t bytes_total, std::size_t tasks_total) {
  MutexLock lock(progress_mutex_);
  phase_name_ = std::move(name);
  phase_bytes_total_ = bytes_total;
  phase_tasks_total_ = static_cast<int>(tasks_total);
  phase_bytes_ = 0;
  phase_records_ = 0;
  phase_tasks_ = 0;
}

void Execution::AddProgress(std::uint64_t bytes, std::uint64_t records, int tasks) {
  // Slots wait for each other here: most calls, one for each batch, count records alone.
  if (bytes > 0) phase_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (records > 0) phase_records_.fetch_add(records, std::memory_order_relaxed);
  if (tasks > 0) phase_tasks_.fetch_add(tasks, std::memory_order_relaxed);
  if (options().progress != nullptr && (bytes > 0 || tasks > 0)) ReportProgress();
}

void Execution::ReportProgress() {
  constexpr auto kInterval = std::chrono::milliseconds(100);
  const auto now = std::chrono::steady_clock::now();
  MutexLock lock(progress_mutex_);
  if (now < next_report_) return;
  next_report_ = now + kInterval;
  Progress progress;
  progress.stage = phase_name_;
  progress.bytes_done = phase_bytes_.load();
  progress.bytes_total = phase_bytes_total_;
  progress.records = phase_records_.load();
  progress.tasks_done = phase_tasks_.load();
  progress.tasks_total = phase_tasks_total_;
  progress.spilled_bytes = spilled_before_;
  for (const auto& store : stores_) {
    if (store != nullptr) progress.spilled_bytes += store->spilled_bytes();
  }
  options().progress->OnProgress(progress);
}

std::vector<Split> Execution::SplitsOf(int input) const {
  std::vector<Split> splits;
  for (Split& split : PlanSplits(inputs(), options().split_bytes, options().small_inputs)) {
    if (split.pieces.front().input == input) splits.push_back(std::move(split));
  }
  return splits;
}

Status Execution::MakeOutputDirectories() {
  if (graph().outputs.size() == 1) return Status::Ok();
  for (const OutputSpec& output : graph().outputs) {
    MR_RETURN_IF_ERROR(files().MakeDirectory(JoinPath(options().output_directory, output.name)));
  }
  return Status::Ok();
}

void Execution::CollectFiles(int output, const std::vector<std::unique_ptr<PartFile>>& parts) {
  for (const auto& part : parts)
    output_files_[static_cast<std::size_t>(output)].push_back(part->record());
}

Status Execution::RunMaps(std::size_t stage, const StageSource& source, std::uint64_t order_base) {
  AwaitTables(source.tables);
  const std::vector<Split> splits = SplitsOf(source.input);
  std::uint64_t bytes = 0;
  for (const Split& split : splits) bytes += split.stored_bytes;
  BeginPhase(graph().stages[stage].name + " map", bytes, splits.size());
  MapPhase phase;
  phase.stage = stage;
  phase.source = &source;
  phase.store = stores_[stage].get();
  phase.splits = &splits;
  phase.order_base = order_base;
  phase.reject_order = reject_order_;
  reject_order_ += splits.size();
  const Status status = RunTasks(splits.size(), options().parallel, options().cancel,
                                 [&] { return MakeMapSlot(*this, phase); });
  return rejects().Outcome(status);
}

// Without a reduce the order is the input's.
Status Execution::RunMapsAlone(std::size_t stage) {
  const StageSpec& spec = graph().stages[stage];
  const StageSource& source = spec.sources.front();
  AwaitTables(source.tables);
  const std::vector<Shard>& shards = inputs()[static_cast<std::size_t>(source.input)].shards;
  const auto parts = static_cast<std::size_t>(options().parts);
  std::uint64_t total = 0;
  for (const Shard& shard : shards) total += shard.file.bytes;
  const std::vector<std::size_t> part_of_shard = PartsOfShards(shards, parts);
  const std::vector<Split> splits = CutAtParts(SplitsOf(source.input), part_of_shard);
  MapPhase phase;
  std::vector<std::size_t> first_task(parts + 1, splits.size());
  phase.part_of_task.resize(splits.size());
  for (std::size_t task = splits.size(); task-- > 0;) {
    const std::size_t part =
        part_of_shard[static_cast<std::size_t>(splits[task].pieces.front().shard)];
    phase.part_of_task[task] = part;
    first_task[part] = task;
  }
  for (std::size_t part = parts; part-- > 0;)
    first_task[part] = std::min(first_task[part], first_task[part + 1]);
  std::vector<std::vector<std::unique_ptr<PartFile>>> files;
  for (const StageWrite& write : spec.writes) {
    auto& list = files.emplace_back();
    for (std::size_t part = 0; part < parts; ++part) {
      list.push_back(MakePartFile(write, part, waiting_budget_, first_task[part],
                                  first_task[part + 1] - first_task[part]));
    }
  }
  BeginPhase(spec.name + " map", total, splits.size());
  phase.stage = stage;
  phase.source = &source;
  phase.splits = &splits;
  phase.reject_order = reject_order_;
  phase.parts = &files;
  reject_order_ += splits.size();
  const Status status = RunTasks(
      splits.size(), options().parallel, options().cancel,
      [&] { return MakeMapSlot(*this, phase); },
      [&](std::size_t task) { AbandonBehind(files, task); });
  MR_RETURN_IF_ERROR(rejects().Outcome(status));
  for (std::size_t w = 0; w < spec.writes.size(); ++w) {
    for (const auto& file : files[w]) {
      if (file->first_task() == file->end_task()) MR_RETURN_IF_ERROR(file->FinishEmpty());
    }
    CollectFiles(spec.writes[w].output, files[w]);
  }
  return Status::Ok();
}

Status Execution::RunReduce(std::size_t stage) {
  const StageSpec& spec = graph().stages[stage];
  RunStore& store = *stores_[stage];
  AwaitTables(TablesOfReduce(graph(), stage));
  BeginPhase(spec.name + " merge", store.data_bytes(), 0);
  const std::vector<Follower> followers = Followers(graph(), stage);
  MR_RETURN_IF_ERROR(FinishStore(spec, store, !followers.empty()));
  const auto slots = static_cast<int>(std::clamp<std::uint64_t>(
      (options().memory_bytes + kBesideBudget) /
          (CursorBytes(store) + (kRecordCopies - 1) * store.block_bytes_max() + 1),
      1, static_cast<std::uint64_t>(options().parallel)));

  ReducePhase phase;
  phase.stage = stage;
  phase.store = &store;
  for (const Follower& follower : followers)
    phase.next_stores.push_back(stores_[follower.stage].get());
  std::size_t wanted = std::min({kRangesMax, kRangesPerSlot * static_cast<std::size_t>(slots),
                                 static_cast<std::size_t>(store.data_bytes() / kRangeBytes) + 1});
  if (spec.table >= 0) {
    wanted = std::min(
        wanted, std::max(static_cast<std::size_t>(slots),
                         static_cast<std::size_t>(store.data_bytes() / kTableRangeBytes) + 1));
  }
  phase.ranges = CutRanges(store, spec.writes.empty() ? 1 : options().parts, wanted);
  std::vector<std::vector<std::unique_ptr<PartFile>>> files;
  for (const StageWrite& write : spec.writes) {
    auto& list = files.emplace_back();
    for (std::size_t first = 0; first < phase.ranges.size();) {
      std::size_t end = first + 1;
      while (end < phase.ranges.size() && phase.ranges[end].part == phase.ranges[first].part) ++end;
      list.push_back(MakePartFile(write, list.size(), waiting_budget_, first, end - first));
      first = end;
    }
  }
  phase.parts = &files;
  std::vector<TableInfo> tables_made(phase.ranges.size());
  phase.tables_made = &tables_made;
  if (spec.table >= 0) {
    phase.held_bytes_max = TableSet::SmallBytesMax(options().memory_bytes) / phase.ranges.size();
    for (std::size_t range = 0; range < phase.ranges.size(); ++range) {
      phase.table_paths.push_back(
          JoinPath(options().scratch_directory,
                   "table-" + std::to_string(spec.table) + "-" + std::to_string(range)));
    }
  }
  // First those of the reduce, then those of each map that follows: what is rejected when would
  // else depend on where ranges were cut.
  phase.reject_order = reject_order_;
  reject_order_ += phase.ranges.size() * static_cast<std::size_t>(LeasesPerSlot(graph()));
  BeginPhase(spec.name + " reduce", 0, phase.ranges.size());
  // Only files may be written in any order: the collector of a stage that follows goes by tasks.
  const bool is_last = followers.empty();
  const Status status = RunTasks(
      phase.ranges.size(), slots, options().cancel, [&] { return MakeReduceSlot(*this, phase); },
      [&](std::size_t task) { AbandonBehind(files, task); },
      is_last ? StartOrder(phase.ranges, slots) : std::vector<std::size_t>());
  MR_RETURN_IF_ERROR(rejects().Outcome(status));
  for (std::size_t w = 0; w < spec.writes.size(); ++w)
    CollectFiles(spec.writes[w].output, files[w]);
  return spec.table >= 0 ? OpenTable(spec.table, phase.table_paths) : Status::Ok();
}

Status Execution::OpenTable(int table, const std::vector<std::string>& paths) {
  std::vector<std::shared_ptr<const TableFile>> opened;
  for (const std::string& path : paths) {
    MR_ASSIGN_OR_RETURN(opened.emplace_back(), TableFile::Open(files(), path));
  }
  auto rows = std::make_shared<TableSet>(std::move(opened));
  MR_RETURN_IF_ERROR(rows->status());
  if (rows->bytes() > options().memory_bytes / 2) WarnOfTable(table, rows->bytes());
  const auto hold = [rows, bytes = TableSet::SmallBytesMax(options().memory_bytes)] {
    rows->HoldSmallRecords(bytes);
  };
  const auto when =
      options().parallel > 1 ? std::launch::async | std::launch::deferred : std::launch::deferred;
  tables_to_come_[table] = {rows, std::async(when, hold)};
  return Status::Ok();
}

void Execution::AwaitTables(const std::vector<int>& tables) {
  for (const int table : tables) {
    const auto found = tables_to_come_.find(table);
    if (found == tables_to_come_.end()) continue;
    found->second.is_held.get();
    set_table(table, std::move(found->second.table));
    tables_to_come_.erase(found);
  }
}

// It is right all the same, but its pages must stay in memory for lookups to be fast.
void Execution::WarnOfTable(int table, std::uint64_t bytes) {
  if (options().progress == nullptr) return;
  const int maker = graph().tables[static_cast<std::size_t>(table)].stage;
  const StageSpec& stage = graph().stages[static_cast<std::size_t>(maker)];
  const std::string warning =
      "the table that " + stage.name + " made (reduce " + stage.reduce_name + ") has " +
      FormatBytes(bytes) + ", more than half of --memory (" + FormatBytes(options().memory_bytes) +
      "); lookups in it are slow unless the machine has as much to spare";
  MutexLock lock(progress_mutex_);
  options().progress->OnWarning(warning);
}

Status Execution::RunStage(std::size_t stage) {
  const StageSpec& spec = graph().stages[stage];
  if (!spec.has_reduce()) return RunMapsAlone(stage);
  for (std::size_t s = 0; s < spec.sources.size(); ++s) {
    if (spec.sources[s].input >= 0)
      MR_RETURN_IF_ERROR(RunMaps(stage, spec.sources[s], static_cast<std::uint64_t>(s) << 32));
  }
  return RunReduce(stage);
}

Result<ExecutionResult> Execution::Run() {
  MR_RETURN_IF_ERROR(MakeOutputDirectories());
  for (std::size_t stage = 0; stage < graph().stages.size(); ++stage) {
    MR_RETURN_IF_ERROR(RunStage(stage));
    spilled_before_ += stores_[stage]->spilled_bytes();
    stores_[stage].reset();  // Its memory is the next stage's.
  }
  TaskTotals sums = totals();
  ExecutionResult result;
  MR_RETURN_IF_ERROR(rejects().Check(sums.records_read, /*is_final=*/true));
  MR_ASSIGN_OR_RETURN(result.rejects_file,
                      rejects().Write(options().output_directory, inputs(),
                                      AreInOrder(InputsMapped(graph())), options().memory_bytes));
  result.rejects = rejects().count();
  result.counters = std::move(sums.counters);
  result.records_in = sums.records_read;
  result.tasks_run = sums.tasks_run;
  result.phases = sums.phases;
  result.spilled_bytes = spilled_before_;
  for (std::size_t input = 0; input < inputs().size(); ++input) {
    auto& roots = result.input_digests.emplace_back();
    for (std::size_t shard = 0; shard < inputs()[input].shards.size(); ++shard) {
      const ShardDigest& digest = *digests_[input][shard];
      if (!digest.complete()) {
        return Status::Internal("not all of ", inputs()[input].shards[shard].file.path,
                                " was read");
      }
      if (digest.has_changed()) {
        return Status::Error(StatusCode::kStale, inputs()[input].shards[shard].file.path,
                             " changed while it was read; run again when it is complete");
      }
      roots.push_back(digest.Root());
      result.bytes_in += inputs()[input].shards[shard].file.bytes;
    }
  }
  for (const auto& files : output_files_) {
    for (const OutputFileRecord& file : files) {
      result.records_out += file.records;
      result.files.push_back(file);
    }
  }
  return result;
}

Result<ExecutionResult> Execute(const JobGraph& graph, const std::vector<ExecutionInput>& inputs,
                                const ExecutionOptions& options) {
#if defined(__GLIBC__)
  // Else glibc stops giving large buffers back to the system after the first one was freed, and a
  // 20 MiB record costs the budget many times over.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  return WithoutExceptions([&]() -> Result<ExecutionResult> {
    Execution execution(LocalFileSystem(), graph, inputs, options);
    return execution.Run();
  });
}

}  // namespace millrace
