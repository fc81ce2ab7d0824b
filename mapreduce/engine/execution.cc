// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/execution.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "mapreduce/engine/map_task.h"
#include "mapreduce/engine/reduce_task.h"
#include "mapreduce/engine/task_outputs.h"
#include "mapreduce/engine/task_pool.h"
#include "mapreduce/engine/without_exceptions.h"

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
// One of so many bytes of the budget is for rows that wait for the tasks before them.
constexpr std::uint64_t kWaitingShare = 16;
// A batch of more than one of so many bytes of the budget is not buffered.
constexpr std::uint64_t kGiantShare = 16;
// A reduce holds a giant record as block, key of its group, emission and row; and so much of them
// all may lie beside the budget.
constexpr std::uint64_t kRecordCopies = 4;
constexpr std::uint64_t kBesideBudget = std::uint64_t{32} << 20;
// A range smaller than this is not worth a task.
constexpr std::uint64_t kRangeBytes = std::uint64_t{4} << 20;
constexpr std::size_t kRangesPerSlot = 8;
constexpr std::size_t kRangesMax = 256;
constexpr std::size_t kSamplesPerPart = 16;
constexpr std::size_t kSamplesMin = 4096;
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

std::string PartName(std::size_t part, const std::string& extension, Compression compression) {
  char name[32];
  std::snprintf(name, sizeof(name), "part-%05zu.", part);
  return name + extension +
         (compression == Compression::kZstd   ? ".zst"
          : compression == Compression::kGzip ? ".gz"
                                              : "");
}

/// How many sources of later stages read this one's output.
int FollowerCount(const JobGraph& graph, std::size_t stage) {
  int count = 0;
  for (const StageSpec& later : graph.stages) {
    for (const StageSource& source : later.sources)
      count += source.stage == static_cast<int>(stage);
  }
  return count;
}

/// A map slot fills one collector. A reduce slot may fill one for each stage that follows, beside
/// its cursors: if they shared a lease, the first would take all and leave the others nothing.
int LeasesPerSlot(const JobGraph& graph) {
  int followers_max = 0;
  for (std::size_t stage = 0; stage < graph.stages.size(); ++stage) {
    followers_max = std::max(followers_max, FollowerCount(graph, stage));
  }
  return 1 + followers_max;
}

/// A pack may hold shards of several parts; where splits fall must not be seen in the parts.
std::vector<Split> CutAtParts(const std::vector<Split>& splits,
                              const std::vector<std::size_t>& part_of_shard) {
  std::vector<Split> cut;
  for (const Split& split : splits) {
    const SplitPiece* last = nullptr;
    for (const SplitPiece& piece : split.pieces) {
      const auto part = [&](const SplitPiece& of) {
        return part_of_shard[static_cast<std::size_t>(of.shard)];
      };
      if (last == nullptr || part(*last) != part(piece)) cut.emplace_back();
      cut.back().pieces.push_back(piece);
      cut.back().stored_bytes += piece.range.stored_end - piece.range.stored_begin;
      last = &piece;
    }
  }
  return cut;
}

}  // namespace

Execution::Execution(FileSystem& files, const JobGraph& graph,
                     const std::vector<ExecutionInput>& inputs, const ExecutionOptions& options)
    : files_(files),
      graph_(graph),
      inputs_(inputs),
      options_(options),
      budget_(options.memory_bytes - options.memory_bytes / kWaitingShare,
              options.parallel * LeasesPerSlot(graph)),
      waiting_budget_(options.memory_bytes / kWaitingShare, 1),
      block_bytes_(std::clamp(options.memory_bytes / 1024, kBlockBytesMin, kBlockBytesMax)),
      rejects_(files, options.scratch_directory, options.max_rejects),
      output_files_(graph.outputs.size()) {
  for (const StageSpec& stage : graph.stages) {
    RunStoreOptions store;
    store.directory = options.scratch_directory;
    store.name = stage.name;
    store.block_bytes = block_bytes_;
    store.retained_bytes_max = options.spill_everything ? 0 : RetainedBytesMax(stage);
    store.sample_capacity =
        std::max(kSamplesMin, kSamplesPerPart * static_cast<std::size_t>(options.parts));
    stores_.push_back(std::make_unique<RunStore>(files, budget_, std::move(store)));
  }
  for (const ExecutionInput& input : inputs) {
    auto& digests = digests_.emplace_back();
    for (const Shard& shard : input.shards)
      digests.push_back(std::make_unique<ShardDigest>(shard.file.bytes));
  }
}

// Runs that are combined shrink, so most of the budget may hold them. Else the shuffle may be as
// large as the input: if that is far from fitting, to keep a part of it would only make the slots'
// runs smaller.
std::uint64_t Execution::RetainedBytesMax(const StageSpec& stage) const {
  if (stage.make_combiner == nullptr) {
    std::uint64_t expected = 0;
    for (const StageSource& source : stage.sources) {
      if (source.input < 0) continue;
      for (const Shard& shard : inputs_[static_cast<std::size_t>(source.input)].shards) {
        expected += shard.file.bytes * (shard.compression == Compression::kNone ? 1 : 4);
      }
    }
    if (expected > options_.memory_bytes) return 0;
  }
  return options_.memory_bytes / 4 * 3;
}

std::size_t Execution::record_bytes_max() const {
  return std::max(kRecordBytesMin, options_.memory_bytes / 16);
}

// What the cursors of a reduce's slot may take: its guarantee where collectors of the stages that
// follow fill memory beside it; else most of its share of what kept runs have left, or 10 GB sorted
// with 256 MiB would be merged twice.
std::uint64_t Execution::CursorBytesMax(std::size_t stage) const {
  if (FollowerCount(graph_, stage) > 0) return budget_.guarantee();
  const std::uint64_t share =
      (budget_.total() - budget_.used()) / static_cast<std::uint64_t>(options_.parallel);
  return std::max(budget_.guarantee(), share / 4 * 3);
}

std::uint64_t Execution::CursorBytes(std::size_t stage) const {
  const RunStore& store = *stores_[stage];
  return store.block_bytes() + store.file_count() * kCursorBytes +
         store.memory_run_count() * MemoryRun::kCursorBytes;
}

Status Execution::CheckGoOn(std::uint64_t order) {
  if (options_.cancel != nullptr && options_.cancel->cancelled())
    return Status::Cancelled("cancelled");
  if (rejects_.ShouldStop(order)) return RejectLog::Stopped();
  return Status::Ok();
}

std::unique_ptr<Collector> Execution::MakeCollector(std::size_t stage, MemoryBudget::Lease& lease,
                                                    PhaseTimer& timer,
                                                    std::unique_ptr<CombineOperator>* combiner) {
  const StageSpec& spec = graph_.stages[stage];
  if (spec.make_combiner) *combiner = spec.make_combiner();
  CollectorOptions options;
  options.store = stores_[stage].get();
  options.lease = &lease;
  options.timer = &timer;
  options.reserve_bytes =
      ReserveBytes(options_.memory_bytes, options_.parallel * LeasesPerSlot(graph_));
  options.batch_bytes_max = options_.memory_bytes / kGiantShare;
  options.combiner = combiner->get();
  options.group_bytes = spec.group_bytes;
  options.spill_every_batch = options_.spill_everything;
  return spec.make_collector(options);
}

void Execution::AddTask(const Context& context, std::uint64_t records_read) {
  AddCounters(context);
  MutexLock lock(mutex_);
  ++result_.tasks_run;
  result_.records_in += records_read;
}

void Execution::AddCounters(const Context& context) {
  MutexLock lock(mutex_);
  for (const auto& [name, count] : context.counters()) result_.counters[name] += count;
}

void Execution::AddTimes(const PhaseTimes& times) {
  MutexLock lock(mutex_);
  result_.phases.Merge(times);
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
  phase_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  phase_records_.fetch_add(records, std::memory_order_relaxed);
  phase_tasks_.fetch_add(tasks, std::memory_order_relaxed);
  if (options_.progress != nullptr && (bytes > 0 || tasks > 0)) ReportProgress();
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
  options_.progress->OnProgress(progress);
}

std::vector<Split> Execution::SplitsOf(int input) const {
  std::vector<Split> splits;
  for (Split& split : PlanSplits(inputs_, options_.split_bytes)) {
    if (split.pieces.front().input == input) splits.push_back(std::move(split));
  }
  return splits;
}

std::string Execution::OutputDirectory(int output) const {
  return graph_.outputs.size() == 1 ? ""
                                    : graph_.outputs[static_cast<std::size_t>(output)].name + "/";
}

Status Execution::MakeOutputDirectories() {
  if (graph_.outputs.size() == 1) return Status::Ok();
  for (const OutputSpec& output : graph_.outputs) {
    MR_RETURN_IF_ERROR(files_.MakeDirectory(JoinPath(options_.output_directory, output.name)));
  }
  return Status::Ok();
}

std::unique_ptr<PartFile> Execution::MakePartFile(const StageWrite& write, std::size_t part,
                                                  std::size_t first_task, std::size_t task_count) {
  const std::string& extension = graph_.outputs[static_cast<std::size_t>(write.output)].extension;
  return std::make_unique<PartFile>(
      files_, waiting_budget_, budget_, options_.output_directory,
      OutputDirectory(write.output) + PartName(part, extension, options_.compression),
      options_.compression, first_task, task_count);
}

void Execution::CollectFiles(int output, const std::vector<std::unique_ptr<PartFile>>& parts) {
  for (const auto& part : parts)
    output_files_[static_cast<std::size_t>(output)].push_back(part->record());
}

Status Execution::RunMaps(std::size_t stage, const StageSource& source, std::uint64_t order_base) {
  const std::vector<Split> splits = SplitsOf(source.input);
  std::uint64_t bytes = 0;
  for (const Split& split : splits) bytes += split.stored_bytes;
  BeginPhase(graph_.stages[stage].name + " map", bytes, splits.size());
  MapPhase phase;
  phase.stage = stage;
  phase.source = &source;
  phase.splits = &splits;
  phase.order_base = order_base;
  phase.reject_order = reject_order_;
  reject_order_ += splits.size();
  const Status status = RunTasks(splits.size(), options_.parallel, options_.cancel,
                                 [&] { return MakeMapSlot(*this, phase); });
  return rejects_.Outcome(status);
}

// Without a reduce the order is the input's. Parts are cut between shards, by stored bytes, so
// that they don't depend on splits.
Status Execution::RunMapsAlone(std::size_t stage) {
  const StageSpec& spec = graph_.stages[stage];
  const StageSource& source = spec.sources.front();
  const std::vector<Shard>& shards = inputs_[static_cast<std::size_t>(source.input)].shards;
  const auto parts = static_cast<std::size_t>(options_.parts);
  std::uint64_t total = 0;
  for (const Shard& shard : shards) total += shard.file.bytes;
  std::vector<std::size_t> part_of_shard;
  std::uint64_t begin = 0;  // Of a shard in all of them.
  for (const Shard& shard : shards) {
    // Empty shards at the end begin where the last part ends.
    const auto part =
        total == 0
            ? 0
            : static_cast<std::size_t>(static_cast<unsigned __int128>(begin) * parts / total);
    part_of_shard.push_back(std::min(part, parts - 1));
    begin += shard.file.bytes;
  }
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
      list.push_back(
          MakePartFile(write, part, first_task[part], first_task[part + 1] - first_task[part]));
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
      splits.size(), options_.parallel, options_.cancel, [&] { return MakeMapSlot(*this, phase); },
      [&](std::size_t task) { AbandonBehind(files, task); });
  MR_RETURN_IF_ERROR(rejects_.Outcome(status));
  for (std::size_t w = 0; w < spec.writes.size(); ++w) {
    for (const auto& file : files[w]) {
      if (file->first_task() == file->end_task()) MR_RETURN_IF_ERROR(file->FinishEmpty());
    }
    CollectFiles(spec.writes[w].output, files[w]);
  }
  return Status::Ok();
}

Status Execution::RunReduce(std::size_t stage) {
  const StageSpec& spec = graph_.stages[stage];
  RunStore& store = *stores_[stage];
  BeginPhase(spec.name + " merge", store.data_bytes(), 0);
  const std::unique_ptr<CombineOperator> combiner =
      spec.make_combiner ? spec.make_combiner() : nullptr;
  const std::uint64_t cursors_max = CursorBytesMax(stage);
  MergeLimits limits;
  limits.fan_in =
      std::clamp<std::size_t>(cursors_max / (block_bytes_ + kCursorBytes), kFanInMin, kFanInMax);
  limits.block_bytes = std::max(cursors_max, kFanInMin * block_bytes_);
  MR_RETURN_IF_ERROR(store.Finish(limits, combiner.get(), options_.cancel));
  const auto slots = static_cast<int>(std::clamp<std::uint64_t>(
      (options_.memory_bytes + kBesideBudget) /
          (CursorBytes(stage) + (kRecordCopies - 1) * store.block_bytes_max() + 1),
      1, static_cast<std::uint64_t>(options_.parallel)));

  ReducePhase phase;
  phase.stage = stage;
  const std::size_t wanted =
      std::min({kRangesMax, kRangesPerSlot * static_cast<std::size_t>(slots),
                static_cast<std::size_t>(store.data_bytes() / kRangeBytes) + 1});
  phase.ranges = CutRanges(store, spec.writes.empty() ? 1 : options_.parts, wanted);
  std::vector<std::vector<std::unique_ptr<PartFile>>> files;
  for (const StageWrite& write : spec.writes) {
    auto& list = files.emplace_back();
    for (std::size_t first = 0; first < phase.ranges.size();) {
      std::size_t end = first + 1;
      while (end < phase.ranges.size() && phase.ranges[end].part == phase.ranges[first].part) ++end;
      list.push_back(MakePartFile(write, list.size(), first, end - first));
      first = end;
    }
  }
  phase.parts = &files;
  // First those of the reduce, then those of each map that follows: what is rejected when would
  // else depend on where ranges were cut.
  phase.reject_order = reject_order_;
  reject_order_ += phase.ranges.size() * static_cast<std::size_t>(LeasesPerSlot(graph_));
  BeginPhase(spec.name + " reduce", 0, phase.ranges.size());
  // Only files may be written in any order: the collector of a stage that follows goes by tasks.
  const bool is_last = FollowerCount(graph_, stage) == 0;
  const Status status = RunTasks(
      phase.ranges.size(), slots, options_.cancel, [&] { return MakeReduceSlot(*this, phase); },
      [&](std::size_t task) { AbandonBehind(files, task); },
      is_last ? StartOrder(phase.ranges, slots) : std::vector<std::size_t>());
  MR_RETURN_IF_ERROR(rejects_.Outcome(status));
  for (std::size_t w = 0; w < spec.writes.size(); ++w)
    CollectFiles(spec.writes[w].output, files[w]);
  return Status::Ok();
}

Status Execution::RunStage(std::size_t stage) {
  const StageSpec& spec = graph_.stages[stage];
  if (!spec.has_reduce()) return RunMapsAlone(stage);
  for (std::size_t s = 0; s < spec.sources.size(); ++s) {
    if (spec.sources[s].input >= 0)
      MR_RETURN_IF_ERROR(RunMaps(stage, spec.sources[s], static_cast<std::uint64_t>(s) << 32));
  }
  MR_RETURN_IF_ERROR(RunReduce(stage));
  MutexLock lock(mutex_);
  result_.spilled_bytes += stores_[stage]->spilled_bytes();
  return Status::Ok();
}

Result<ExecutionResult> Execution::Run() {
  MR_RETURN_IF_ERROR(MakeOutputDirectories());
  for (std::size_t stage = 0; stage < graph_.stages.size(); ++stage) {
    MR_RETURN_IF_ERROR(RunStage(stage));
    spilled_before_ += stores_[stage]->spilled_bytes();
    stores_[stage].reset();  // Its memory is the next stage's.
  }
  MutexLock lock(mutex_);
  MR_RETURN_IF_ERROR(rejects_.Check(result_.records_in, /*is_final=*/true));
  MR_ASSIGN_OR_RETURN(result_.rejects_file, rejects_.Write(options_.output_directory));
  result_.rejects = rejects_.count();
  for (std::size_t input = 0; input < inputs_.size(); ++input) {
    auto& roots = result_.input_digests.emplace_back();
    for (std::size_t shard = 0; shard < inputs_[input].shards.size(); ++shard) {
      const ShardDigest& digest = *digests_[input][shard];
      if (!digest.complete()) {
        return Status::Internal("not all of ", inputs_[input].shards[shard].file.path, " was read");
      }
      roots.push_back(digest.Root());
      result_.bytes_in += inputs_[input].shards[shard].file.bytes;
    }
  }
  for (const auto& files : output_files_) {
    for (const OutputFileRecord& file : files) {
      result_.records_out += file.records;
      result_.files.push_back(file);
    }
  }
  return result_;
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
