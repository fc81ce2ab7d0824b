// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/single_task.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/followers.h"
#include "mapreduce/engine/map_task.h"
#include "mapreduce/engine/reduce_task.h"
#include "mapreduce/engine/task_environment.h"
#include "mapreduce/engine/without_exceptions.h"
#include "mapreduce/shuffle/record_digest.h"
#include "mapreduce/shuffle/record_sinks.h"

namespace millrace {
namespace {

using PartFiles = std::vector<std::vector<std::unique_ptr<PartFile>>>;  // By write; one of each.

ExecutionOptions OptionsOf(const SingleTaskOptions& options, const std::string& output_directory) {
  ExecutionOptions all;
  all.parallel = 1;
  all.memory_bytes = options.memory_bytes;
  all.parts = options.parts;
  all.compression = options.compression;
  all.max_rejects.count = options.rejects_max;
  all.date = options.date;
  all.output_directory = output_directory;
  all.scratch_directory = options.scratch_directory;
  all.cancel = options.cancel;
  all.spill_everything = options.spill_everything;
  all.block_bytes = options.block_bytes;
  return all;
}

/// The digest of digests.
class DigestSum {
 public:
  void Add(const Hash128& digest) {
    char bytes[16];
    StoreLittle64(bytes, digest.low);
    StoreLittle64(bytes + 8, digest.high);
    hasher_.Update({bytes, sizeof bytes});
  }
  Hash128 Digest() const { return hasher_.Digest(); }

 private:
  Hasher128 hasher_;
};

/// What one task runs in. It has one slot, whose tasks and ranges are one each.
class SingleTask final : public TaskEnvironment {
 public:
  SingleTask(FileSystem& files, const JobGraph& graph, const std::vector<ExecutionInput>& inputs,
             const SingleTaskOptions& options, const std::string& output_directory, int lease_count)
      : TaskEnvironment(files, graph, inputs, OptionsOf(options, output_directory),
                        options.memory_bytes, lease_count),
        on_progress_(options.on_progress),
        set_aside_(options.set_aside),
        goes_one_by_one_(options.goes_one_by_one) {
    for (std::size_t i = 0; i < options.tables.size() && i < graph.tables.size(); ++i)
      set_table(static_cast<int>(i), options.tables[i]);
    for (const RecordPosition& position : set_aside_) {
      if (position.is_group()) groups_aside_.push_back(position.key);
    }
    std::sort(groups_aside_.begin(), groups_aside_.end());
  }

  void AddProgress(std::uint64_t bytes, std::uint64_t records, int /*tasks*/) override {
    bytes_ += bytes;
    records_ += records;
    if (on_progress_ != nullptr && (bytes > 0 || records > 0)) on_progress_(records_, bytes_);
  }
  ShardDigest* digest(int input, int shard) override {
    const auto found = digests_.find({input, shard});
    return found != digests_.end() ? &found->second : nullptr;
  }

  Result<MapTaskResult> RunMap(const MapTaskSpec& spec);
  Result<ReduceTaskResult> RunReduce(const ReduceTaskSpec& spec);

 private:
  Status RunOnly(Result<std::unique_ptr<Slot>> slot);
  Status AddInputs(const ReduceTaskSpec& spec, RunStore& store);
  Result<TaskRun> WriteRun(const StageSpec& stage, RunStore& store, const NewRun& target);
  Result<PartFiles> MakeFiles(const StageSpec& stage, std::size_t part);
  Status CollectFiles(const StageSpec& stage, const PartFiles& parts, TaskResult* result);
  Status CollectTable(const std::vector<TableInfo>& made, ReduceTaskResult* result);
  void CollectTotals(const TaskTotals& sums, TaskResult* result);
  void PrepareDigests(const Split& split);
  Result<std::vector<ReadBlocks>> CollectDigests(const Split& split) const;

  const std::function<void(std::uint64_t, std::uint64_t)>& on_progress_;
  const std::vector<RecordPosition>& set_aside_;
  std::vector<std::string> groups_aside_;  // Of them.
  const bool goes_one_by_one_;
  std::map<std::pair<int, int>, ShardDigest> digests_;  // (input, shard) -> what is read of it.
  std::uint64_t bytes_ = 0;
  std::uint64_t records_ = 0;
};

// The slot is gone afterwards, and its memory free.
Status SingleTask::RunOnly(Result<std::unique_ptr<Slot>> made) {
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<Slot> slot, std::move(made));
  MR_RETURN_IF_ERROR(rejects().Outcome(slot->Run(0)));
  return slot->Close();
}

// One file of all that the task has emitted into a stage. What was combined run by run is combined
// once more, so that spills can't be seen in it; where there is one state of each key, it is what
// it would be after that, too.
Result<TaskRun> SingleTask::WriteRun(const StageSpec& stage, RunStore& store,
                                     const NewRun& target) {
  PhaseTimes times;
  PhaseTimer timer(times, Phase::kSpill);
  MR_RETURN_IF_ERROR(FinishStore(stage, store, /*has_followers=*/false));
  MR_ASSIGN_OR_RETURN(std::vector<std::unique_ptr<RunCursor>> cursors, store.Read({}));
  const std::unique_ptr<CombineOperator> combiner =
      stage.make_combiner && !store.has_distinct_keys() ? stage.make_combiner() : nullptr;
  OperatorCombiner record_combiner(combiner.get());
  TaskRun run;
  run.sample = store.SampleKeys();
  RecordDigest digest(run.sample);
  RunWriter writer(files(), target.path,
                   {.block_bytes = block_bytes(), .file_id = target.file_id, .digest = &digest});
  MR_RETURN_IF_ERROR(MergeInto(writer, std::move(cursors),
                               combiner != nullptr ? &record_combiner : nullptr, options().cancel));
  MR_ASSIGN_OR_RETURN(run.info, writer.Close());
  run.digest = digest.Digest();
  run.sample_digests = digest.Marks();
  timer.AddBytes(Phase::kSpill, run.info.file_bytes);
  timer.Flush();
  AddTimes(times);
  return run;
}

Result<PartFiles> SingleTask::MakeFiles(const StageSpec& stage, std::size_t part) {
  PartFiles parts;
  for (const StageWrite& write : stage.writes) {
    const std::string folder = OutputFolder(write.output);
    if (!folder.empty()) {
      MR_RETURN_IF_ERROR(
          files().MakeDirectories(ParentPath(JoinPath(options().output_directory, folder + "x"))));
    }
    parts.emplace_back().push_back(
        MakePartFile(write, part, budget(), /*first_task=*/0, /*task_count=*/1));
  }
  return parts;
}

// A file was synced when it was closed; its name is durable with its folder, and that with the one
// above it.
Status SingleTask::CollectFiles(const StageSpec& stage, const PartFiles& parts,
                                TaskResult* result) {
  for (std::size_t w = 0; w < parts.size(); ++w) {
    const OutputFileRecord& file = result->files.emplace_back(parts[w].front()->record());
    if (OutputFolder(stage.writes[w].output).empty()) continue;
    MR_RETURN_IF_ERROR(
        files().SyncDirectory(ParentPath(JoinPath(options().output_directory, file.path))));
  }
  return parts.empty() ? Status::Ok() : files().SyncDirectory(options().output_directory);
}

// As a part: its contents are synced, its name is.
Status SingleTask::CollectTable(const std::vector<TableInfo>& made, ReduceTaskResult* result) {
  if (made.empty()) return Status::Ok();
  const TableInfo& table = made.front();
  result->table = {kTableFileName, table.bytes, table.rows, table.xxh128};
  return files().SyncDirectory(options().output_directory);
}

void SingleTask::CollectTotals(const TaskTotals& sums, TaskResult* result) {
  result->counters = sums.counters;
  result->phases = sums.phases;
  result->rejects = rejects().Take(0);
}

// A split has one piece of a shard.
void SingleTask::PrepareDigests(const Split& split) {
  for (const SplitPiece& piece : split.pieces) {
    digests_.try_emplace({piece.input, piece.shard},
                         DigestBlocksOf(piece.range.stored_begin, piece.range.stored_end));
  }
}

Result<std::vector<ReadBlocks>> SingleTask::CollectDigests(const Split& split) const {
  std::vector<ReadBlocks> blocks;
  for (const SplitPiece& piece : split.pieces) {
    const ShardDigest& digest = digests_.at({piece.input, piece.shard});
    if (!digest.complete()) {
      return Status::Internal("not all of the task's part of input ", piece.input, ", shard ",
                              piece.shard, " was digested");
    }
    if (digest.block_count() == 0) continue;
    blocks.push_back({piece.input, piece.shard, digest.first_block(), digest.blocks()});
  }
  return blocks;
}

Result<MapTaskResult> SingleTask::RunMap(const MapTaskSpec& spec) {
  const StageSpec& stage = graph().stages[spec.stage];
  const std::vector<Split> splits = {spec.split};
  MapPhase phase;
  phase.stage = spec.stage;
  phase.source = &stage.sources[spec.source];
  phase.splits = &splits;
  phase.first_number = spec.task;
  phase.set_aside = &set_aside_;
  PrepareDigests(spec.split);
  MapTaskResult result;
  if (stage.has_reduce()) {
    std::uint64_t shuffled_bytes = 0;
    for (const SplitPiece& piece : spec.split.pieces) {
      const Shard& shard = inputs()[static_cast<std::size_t>(piece.input)]
                               .shards[static_cast<std::size_t>(piece.shard)];
      shuffled_bytes += ShuffledBytes(shard, piece.range.stored_end - piece.range.stored_begin);
    }
    const std::unique_ptr<RunStore> store = MakeStore(stage, stage.name, shuffled_bytes);
    phase.store = store.get();
    MR_RETURN_IF_ERROR(RunOnly(MakeMapSlot(*this, phase)));
    MR_ASSIGN_OR_RETURN(result.run, WriteRun(stage, *store, spec.run));
    result.spilled_bytes = store->spilled_bytes();
    result.digest = result.run.digest;
  } else {
    MR_ASSIGN_OR_RETURN(PartFiles parts, MakeFiles(stage, spec.part));
    phase.parts = &parts;
    phase.part_of_task = {0};
    if (!spec.split.pieces.empty()) {
      MR_RETURN_IF_ERROR(RunOnly(MakeMapSlot(*this, phase)));
    } else {
      for (const auto& part : parts) MR_RETURN_IF_ERROR(part.front()->FinishEmpty());
    }
    MR_RETURN_IF_ERROR(CollectFiles(stage, parts, &result));
    DigestSum digest;
    for (const OutputFileRecord& file : result.files) digest.Add(file.xxh128);
    result.digest = digest.Digest();
  }
  const TaskTotals sums = totals();
  CollectTotals(sums, &result);
  result.records_read = sums.records_read;
  result.stored_bytes_read = spec.split.stored_bytes;
  MR_ASSIGN_OR_RETURN(result.blocks, CollectDigests(spec.split));
  return result;
}

// Of a whole file only the blocks of the range are read, as if they had been fetched.
Status SingleTask::AddInputs(const ReduceTaskSpec& spec, RunStore& store) {
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    RunSlice slice;
    if (const auto* const info = std::get_if<RunInfo>(&spec.inputs[i])) {
      MR_ASSIGN_OR_RETURN(const std::shared_ptr<const RunFile> file, RunFile::Open(files(), *info));
      slice = SliceOf(*info, file->SliceBytes(spec.range));
    } else {
      slice = std::get<RunSlice>(spec.inputs[i]);
    }
    if (slice.bytes.begin > slice.bytes.end)
      return Status::InvalidArgument("input ", i, " ends before it begins");
    if (slice.bytes.begin < slice.bytes.end) store.AddSlice({0, i}, std::move(slice));
  }
  return Status::Ok();
}

Result<ReduceTaskResult> SingleTask::RunReduce(const ReduceTaskSpec& spec) {
  const StageSpec& stage = graph().stages[spec.stage];
  const std::vector<Follower> followers = Followers(graph(), spec.stage);
  const std::unique_ptr<RunStore> store = MakeStore(stage, stage.name, 0);
  MR_RETURN_IF_ERROR(AddInputs(spec, *store));
  MR_RETURN_IF_ERROR(FinishStore(stage, *store, !followers.empty()));
  MR_ASSIGN_OR_RETURN(PartFiles parts, MakeFiles(stage, spec.part));
  std::vector<std::unique_ptr<RunStore>> next_stores;
  ReducePhase phase;
  phase.stage = spec.stage;
  phase.store = store.get();
  for (const Follower& follower : followers) {
    const StageSpec& next = graph().stages[follower.stage];
    next_stores.push_back(MakeStore(next, next.name + "-" + std::to_string(follower.source), 0));
    phase.next_stores.push_back(next_stores.back().get());
  }
  phase.ranges = {{spec.range, /*part=*/0}};
  phase.first_number = spec.part;
  phase.parts = &parts;
  phase.groups_aside = &groups_aside_;
  phase.goes_one_by_one = goes_one_by_one_;
  std::vector<TableInfo> tables_made;
  if (stage.table >= 0) {
    tables_made.resize(1);
    phase.tables_made = &tables_made;
    phase.table_paths = {JoinPath(spec.output_directory, kTableFileName)};
    phase.has_durable_tables = true;
  }
  MR_RETURN_IF_ERROR(RunOnly(MakeReduceSlot(*this, phase)));

  ReduceTaskResult result;
  result.spilled_bytes = store->spilled_bytes();
  MR_RETURN_IF_ERROR(CollectFiles(stage, parts, &result));
  MR_RETURN_IF_ERROR(CollectTable(tables_made, &result));
  DigestSum digest;
  for (const OutputFileRecord& file : result.files) digest.Add(file.xxh128);
  if (result.table) digest.Add(result.table->xxh128);
  for (std::size_t i = 0; i < followers.size(); ++i) {
    ReduceTaskResult::Next& next = result.next.emplace_back();
    MR_ASSIGN_OR_RETURN(
        next.run, WriteRun(graph().stages[followers[i].stage], *next_stores[i], spec.next_runs[i]));
    next.rejects = rejects().Take(1 + i);  // As the slot numbers them.
    result.spilled_bytes += next_stores[i]->spilled_bytes();
    digest.Add(next.run.digest);
  }
  result.digest = digest.Digest();
  CollectTotals(totals(), &result);
  return result;
}

// A lookup in a table that isn't there finds nothing: nobody would notice.
Status CheckTables(const std::vector<int>& wanted, const SingleTaskOptions& options) {
  for (const int table : wanted) {
    const auto index = static_cast<std::size_t>(table);
    if (index >= options.tables.size() || options.tables[index] == nullptr)
      return Status::InvalidArgument("the task looks up in table ", table, ", which is missing");
  }
  return Status::Ok();
}

Status CheckSpec(const JobGraph& graph, const std::vector<ExecutionInput>& inputs,
                 const SingleTaskOptions& options, const MapTaskSpec& spec) {
  if (spec.stage >= graph.stages.size() || spec.source >= graph.stages[spec.stage].sources.size()) {
    return Status::InvalidArgument("the job has no source ", spec.source, " of stage ", spec.stage);
  }
  const int input = graph.stages[spec.stage].sources[spec.source].input;
  if (input < 0) return Status::InvalidArgument("source ", spec.source, " reads no input");
  for (const SplitPiece& piece : spec.split.pieces) {
    if (piece.input != input || piece.shard < 0 ||
        static_cast<std::size_t>(piece.shard) >=
            inputs[static_cast<std::size_t>(input)].shards.size()) {
      return Status::InvalidArgument("source ", spec.source, " of stage ", spec.stage,
                                     " has no shard ", piece.shard, " of input ", piece.input);
    }
  }
  return CheckTables(graph.stages[spec.stage].sources[spec.source].tables, options);
}

Status CheckSpec(const JobGraph& graph, const SingleTaskOptions& options,
                 const ReduceTaskSpec& spec) {
  if (spec.stage >= graph.stages.size() || !graph.stages[spec.stage].has_reduce())
    return Status::InvalidArgument("the job has no stage ", spec.stage, " with a reduce");
  const std::size_t followers = Followers(graph, spec.stage).size();
  if (spec.next_runs.size() != followers) {
    return Status::InvalidArgument(followers, " stages follow stage ", spec.stage, ", not ",
                                   spec.next_runs.size());
  }
  return CheckTables(TablesOfReduce(graph, spec.stage), options);
}

}  // namespace

Result<std::shared_ptr<const TableSet>> OpenTable(FileSystem& files,
                                                  const std::vector<MadeTableFile>& made,
                                                  std::uint64_t memory_bytes) {
  std::vector<std::shared_ptr<const TableFile>> opened;
  opened.reserve(made.size());
  for (const MadeTableFile& file : made) {
    MR_ASSIGN_OR_RETURN(opened.emplace_back(), TableFile::Open(files, file.path));
    if (opened.back()->bytes() != file.bytes) {
      return Status::Corrupt("table ", file.path, ": ", opened.back()->bytes(), " bytes long, not ",
                             file.bytes, " as it was made");
    }
  }
  auto table = std::make_shared<TableSet>(std::move(opened));
  table->HoldSmallRecords(TableSet::SmallBytesMax(memory_bytes));
  return std::shared_ptr<const TableSet>(std::move(table));
}

Result<MapTaskResult> ExecuteMapTask(FileSystem& files, const JobGraph& graph,
                                     const std::vector<ExecutionInput>& inputs,
                                     const SingleTaskOptions& options, const MapTaskSpec& spec) {
  MR_RETURN_IF_ERROR(CheckSpec(graph, inputs, options, spec));
  return WithoutExceptions([&]() -> Result<MapTaskResult> {
    SingleTask task(files, graph, inputs, options, spec.output_directory, /*lease_count=*/1);
    return task.RunMap(spec);
  });
}

Result<ReduceTaskResult> ExecuteReduceTask(FileSystem& files, const JobGraph& graph,
                                           const SingleTaskOptions& options,
                                           const ReduceTaskSpec& spec) {
  MR_RETURN_IF_ERROR(CheckSpec(graph, options, spec));
  return WithoutExceptions([&]() -> Result<ReduceTaskResult> {
    const std::vector<ExecutionInput> no_inputs;
    SingleTask task(files, graph, no_inputs, options, spec.output_directory,
                    /*lease_count=*/1 + static_cast<int>(spec.next_runs.size()));
    return task.RunReduce(spec);
  });
}

}  // namespace millrace
