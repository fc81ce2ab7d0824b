// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/task_environment.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "mapreduce/base/test_hooks.h"
#include "mapreduce/engine/part_ranges.h"

namespace millrace {
namespace {

// Blocks of run files: large reads, but many cursors must fit a small budget.
constexpr std::uint64_t kBlockBytesMin = std::uint64_t{32} << 10;
constexpr std::uint64_t kBlockBytesMax = std::uint64_t{256} << 10;
// Per cursor beside its block.
constexpr std::uint64_t kCursorBytes = std::uint64_t{32} << 10;
// Each run file of the last merge is an open file; the usual limit is 1,024 of them.
constexpr std::size_t kFanInMin = 8;
constexpr std::size_t kFanInMax = 500;
// A batch of more than one of so many bytes of the budget is not buffered.
constexpr std::uint64_t kGiantShare = 16;
// All slots together keep one of so many bytes of the budget unsorted: packed, what they sort and
// keep beyond takes less.
constexpr std::uint64_t kBucketShare = 2;
// One of so many bytes of the budget is for the index of a table while it is made, and as many for
// a chunk of it: 16 bytes a row.
constexpr std::uint64_t kTableShare = 16;
// However small the budget, lines of this size can be read.
constexpr std::uint64_t kRecordBytesMin = std::uint64_t{32} << 20;

// A slot reserves its tables and buffers at the most they can ever be, up to six of them. Where
// address space is limited (ulimit -v), all slots together reserve half of what there may be.
constexpr std::uint64_t kReservationsPerSlot = 6;

std::uint64_t ReserveBytes(std::uint64_t memory_bytes, int leases) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return memory_bytes;
  return std::min<std::uint64_t>(
      memory_bytes,
      limit.rlim_cur / (2 * kReservationsPerSlot * static_cast<std::uint64_t>(leases)));
}

std::size_t BlockBytes(const ExecutionOptions& options) {
  if (options.block_bytes > 0) return options.block_bytes;
  return std::clamp(options.memory_bytes / 1024, kBlockBytesMin, kBlockBytesMax);
}

std::string PartName(std::size_t part, const std::string& extension, Compression compression) {
  char name[32];
  std::snprintf(name, sizeof(name), "part-%05zu.", part);
  return name + extension +
         (compression == Compression::kZstd   ? ".zst"
          : compression == Compression::kGzip ? ".gz"
                                              : "");
}

}  // namespace

TaskEnvironment::TaskEnvironment(FileSystem& files, const JobGraph& graph,
                                 const std::vector<ExecutionInput>& inputs,
                                 const ExecutionOptions& options, std::uint64_t budget_bytes,
                                 int lease_count)
    : files_(files),
      graph_(graph),
      inputs_(inputs),
      options_(options),
      budget_(budget_bytes, lease_count),
      reserve_bytes_(ReserveBytes(options.memory_bytes, lease_count)),
      block_bytes_(BlockBytes(options)),
      tables_(graph.tables.size()),
      rejects_(files, options.scratch_directory, options.max_rejects) {}

std::size_t TaskEnvironment::record_bytes_max() const {
  return std::max(kRecordBytesMin, options_.memory_bytes / 16);
}

Status TaskEnvironment::CheckGoOn(std::uint64_t order) {
  if (options_.cancel != nullptr && options_.cancel->cancelled())
    return Status::Cancelled("cancelled");
  if (rejects_.ShouldStop(order)) return RejectLog::Stopped();
  return Status::Ok();
}

Status TaskEnvironment::TableStatus() const {
  for (const auto& table : tables_) {
    if (table != nullptr) MR_RETURN_IF_ERROR(table->status());
  }
  return Status::Ok();
}

Result<std::unique_ptr<TableWriter>> TaskEnvironment::MakeTable(const std::string& path,
                                                                std::uint64_t held_bytes_max) {
  const std::uint64_t share = options_.memory_bytes / kTableShare;
  TableWriterOptions table;
  table.entries_in_memory = std::clamp<std::uint64_t>(share / 16, 1024, table.entries_in_memory);
  table.chunk_rows = std::clamp<std::uint64_t>(share / 16, 1024, table.chunk_rows);
  table.held_bytes_max = held_bytes_max;
  return TableWriter::Create(files_, path, table);
}

std::uint64_t TaskEnvironment::ShuffledBytes(const Shard& shard, std::uint64_t stored_bytes) {
  return stored_bytes * (shard.compression == Compression::kNone ? 1 : 4);
}

// Runs that are combined shrink, so most of the budget may hold them. Else the shuffle may be as
// large as the input: if that is far from fitting, to keep a part of it would only make the slots'
// runs smaller.
std::unique_ptr<RunStore> TaskEnvironment::MakeStore(const StageSpec& stage, std::string name,
                                                     std::uint64_t input_bytes) {
  const bool keeps_runs = !options_.spill_everything &&
                          (stage.make_combiner != nullptr || input_bytes <= options_.memory_bytes);
  RunStoreOptions store;
  store.directory = options_.scratch_directory;
  store.name = std::move(name);
  store.block_bytes = block_bytes_;
  store.retained_bytes_max = keeps_runs ? options_.memory_bytes / 4 * 3 : 0;
  store.sample_capacity = SampleCapacity(options_.parts);
  return std::make_unique<RunStore>(files_, budget_, std::move(store));
}

std::unique_ptr<Collector> TaskEnvironment::MakeCollector(
    const StageSpec& stage, RunStore& store, MemoryBudget::Lease& lease, PhaseTimer& timer,
    std::unique_ptr<CombineOperator>* combiner) {
  if (stage.make_combiner) *combiner = stage.make_combiner();
  CollectorOptions options;
  options.store = &store;
  options.lease = &lease;
  options.timer = &timer;
  options.reserve_bytes = reserve_bytes_;
  options.batch_bytes_max = options_.memory_bytes / kGiantShare;
  options.bucket_bytes_max =
      options_.memory_bytes / kBucketShare / static_cast<std::uint64_t>(options_.parallel);
  options.combiner = combiner->get();
  options.group_bytes = stage.group_bytes;
  options.spill_every_batch = options_.spill_everything;
  return stage.make_collector(options);
}

// What the cursors of a reduce's slot may take: its guarantee where collectors of the stages that
// follow fill memory beside it; else most of its share of what kept runs have left, or 10 GB sorted
// with 256 MiB would be merged twice.
std::uint64_t TaskEnvironment::CursorBytesMax(bool has_followers) const {
  if (has_followers) return budget_.guarantee();
  const std::uint64_t share =
      (budget_.total() - budget_.used()) / static_cast<std::uint64_t>(options_.parallel);
  return std::max(budget_.guarantee(), share / 4 * 3);
}

Status TaskEnvironment::FinishStore(const StageSpec& stage, RunStore& store, bool has_followers) {
  const std::unique_ptr<CombineOperator> combiner =
      stage.make_combiner ? stage.make_combiner() : nullptr;
  const std::uint64_t cursors_max = CursorBytesMax(has_followers);
  MergeLimits limits;
  limits.fan_in = MR_BUGGIFY("merge.fan_in_two")
                      ? 2
                      : std::clamp<std::size_t>(cursors_max / (block_bytes_ + kCursorBytes),
                                                kFanInMin, kFanInMax);
  limits.block_bytes = std::max(cursors_max, kFanInMin * block_bytes_);
  return store.Finish(limits, combiner.get(), options_.cancel);
}

std::uint64_t TaskEnvironment::CursorBytes(const RunStore& store) {
  return store.block_bytes() + store.file_count() * kCursorBytes + store.memory_cursor_bytes();
}

std::unique_ptr<PartFile> TaskEnvironment::MakePartFile(const StageWrite& write, std::size_t part,
                                                        MemoryBudget& waiting_budget,
                                                        std::size_t first_task,
                                                        std::size_t task_count) {
  const OutputSpec& output = graph_.outputs[static_cast<std::size_t>(write.output)];
  return std::make_unique<PartFile>(
      files_, waiting_budget, budget_, options_.output_directory,
      OutputFolder(write.output) + PartName(part, output.extension, options_.compression),
      options_.compression, first_task, task_count, output.format, output.columns);
}

std::string TaskEnvironment::OutputFolder(int output) const {
  return graph_.outputs.size() == 1 ? ""
                                    : graph_.outputs[static_cast<std::size_t>(output)].name + "/";
}

void TaskEnvironment::AddTask(const Context& context, std::uint64_t records_read) {
  AddCounters(context);
  MutexLock lock(mutex_);
  ++totals_.tasks_run;
  totals_.records_read += records_read;
}

void TaskEnvironment::AddCounters(const Context& context) {
  MutexLock lock(mutex_);
  for (const auto& [name, count] : context.counters()) totals_.counters[name] += count;
}

void TaskEnvironment::AddTimes(const PhaseTimes& times) {
  MutexLock lock(mutex_);
  totals_.phases.Merge(times);
}

TaskTotals TaskEnvironment::totals() {
  MutexLock lock(mutex_);
  return totals_;
}

}  // namespace millrace
