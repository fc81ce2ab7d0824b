// SPDX-License-Identifier: Apache-2.0
// Whole jobs task by task, as a cluster executes them, against the local runner: each task gets
// what others made by name or as a slice in a spool file, and nothing else. All but the inputs is
// in memory.

#include "mapreduce/engine/single_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/api/registry.h"
#include "mapreduce/base/random.h"
#include "mapreduce/engine/followers.h"
#include "mapreduce/engine/part_ranges.h"
#include "mapreduce/shuffle/key_sampler.h"
#include "tests/unit/engine/execute_tools.h"
#include "tests/unit/engine/memory_files.h"
#include "tests/unit/engine/probe_jobs.h"
#include "tests/unit/engine/table_records.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

// Lines "key value" of repeated keys, one shard empty; `spoiled` ones are rejected by the probes.
ShardTexts KeyLines(Random& random, std::size_t lines_per_shard, bool spoiled = false) {
  ShardTexts texts;
  for (int shard = 0; shard < 5; ++shard) {
    std::string& text = texts["s" + std::to_string(shard) + ".txt"];
    if (shard == 3) continue;
    const std::size_t lines = 1 + random.Uniform(2 * lines_per_shard);
    for (std::size_t i = 0; i < lines; ++i) {
      text.append(random.Uniform(9), static_cast<char>('a' + random.Uniform(5)));
      text += ' ' + std::to_string(shard) + '.' + std::to_string(i);
      if (spoiled && random.Uniform(20) == 0) text += random.Uniform(2) == 0 ? " bad" : " throw";
      text += '\n';
    }
  }
  return texts;
}

ShardTexts Plays(Random& random) {
  ShardTexts texts;
  for (int shard = 0; shard < 4; ++shard) {
    std::string& text = texts["p" + std::to_string(shard) + ".tsv"];
    for (int i = 0; i < 100; ++i) {
      text += "2026-11-21T10:00:00\tu" + std::to_string(random.Uniform(60)) + "\tt" +
              std::to_string(random.Uniform(1 + random.Uniform(90))) + "\t" +
              std::string(1, static_cast<char>('A' + random.Uniform(5))) + "\t" +
              std::to_string(random.Uniform(60'000)) + "\n";
    }
  }
  return texts;
}

/// What must not be seen in the output, but for `parts`.
struct Way {
  std::uint64_t split_bytes = 64 * kMebibyte;
  std::uint64_t memory_bytes = 16 * kMebibyte;
  std::size_t block_bytes = 0;
  bool spill_everything = false;
  bool fetches = true;  ///< Else runs are read where they were made.
  int parts = 1;
};

std::string Describe(const Way& way) {
  return "split " + std::to_string(way.split_bytes) + ", memory " +
         std::to_string(way.memory_bytes) + ", block " + std::to_string(way.block_bytes) +
         (way.spill_everything ? ", spilling all" : "") + (way.fetches ? ", fetching" : "") +
         ", parts " + std::to_string(way.parts);
}

std::vector<Way> Ways() {
  std::vector<Way> ways;
  for (const std::uint64_t split_bytes :
       {64 * kMebibyte, std::uint64_t{3000}, std::uint64_t{300}}) {
    for (const std::size_t block_bytes : {0, 100}) {
      for (const int parts : {1, 3, 40}) {
        ways.push_back({.split_bytes = split_bytes,
                        .block_bytes = block_bytes,
                        .spill_everything = parts == 3,
                        .fetches = parts != 40 || block_bytes == 0,
                        .parts = parts});
      }
    }
  }
  ways.push_back({.split_bytes = 1000, .memory_bytes = 512 << 10, .parts = 3});
  return ways;
}

/// A run, task by task. Stands in for master and workers.
class TaskByTask {
 public:
  TaskByTask(const JobGraph& graph, const std::vector<ExecutionInput>& inputs, const Way& way)
      : graph_(graph), inputs_(inputs), way_(way), runs_(graph.stages.size()) {
    EXPECT_TRUE(files_.MakeDirectories(kOutput).ok());
    for (std::size_t stage = 0; stage < graph.stages.size(); ++stage)
      runs_[stage].resize(graph.stages[stage].sources.size());
  }

  Status Run() {
    for (std::size_t stage = 0; stage < graph_.stages.size(); ++stage) {
      for (std::size_t source = 0; source < graph_.stages[stage].sources.size(); ++source) {
        if (graph_.stages[stage].sources[source].input >= 0)
          MR_RETURN_IF_ERROR(RunMaps(stage, source));
      }
      if (graph_.stages[stage].has_reduce()) MR_RETURN_IF_ERROR(RunReduces(stage));
    }
    return Status::Ok();
  }

  Result<MapTaskResult> RunMap(std::size_t stage, std::size_t source, std::size_t task,
                               const Split& split) {
    MapTaskSpec spec;
    spec.stage = stage;
    spec.source = source;
    spec.task = task;
    spec.split = split;
    spec.run = NextRun();
    spec.part = task;
    spec.output_directory = kOutput;
    return ExecuteMapTask(files_, graph_, inputs_, Options(), spec);
  }

  /// The reduce task of a part, on what all map tasks made.
  ReduceTaskSpec ReduceSpec(std::size_t stage, std::size_t part, const KeyRange& range) {
    ReduceTaskSpec spec;
    spec.stage = stage;
    spec.part = part;
    spec.range = range;
    spec.output_directory = kOutput;
    for (std::size_t i = 0; i < Followers(graph_, stage).size(); ++i)
      spec.next_runs.push_back(NextRun());
    if (!way_.fetches) {
      for (const auto& source : runs_[stage]) {
        for (const TaskRun& run : source) spec.inputs.push_back(run.info);
      }
      return spec;
    }
    const std::string path = NewFolder() + "/spool";
    auto spool = files_.contents()[path] = std::make_shared<std::string>();
    for (const auto& source : runs_[stage]) {
      for (const TaskRun& run : source) {
        const auto file = RunFile::Open(files_, run.info);
        EXPECT_TRUE(file.ok()) << file.error().message();
        RunSlice slice = SliceOf(run.info, (*file)->SliceBytes(range));
        slice.path = path;
        slice.path_offset = spool->size();
        spool->append(files_.Content(run.info.path), slice.bytes.begin,
                      slice.bytes.end - slice.bytes.begin);
        spec.inputs.push_back(std::move(slice));
      }
    }
    return spec;
  }

  SingleTaskOptions Options() {
    SingleTaskOptions options;
    options.memory_bytes = way_.memory_bytes;
    options.parts = way_.parts;
    options.date = "2026-11-25";
    options.scratch_directory = NewFolder();
    options.spill_everything = way_.spill_everything;
    options.block_bytes = way_.block_bytes;
    return options;
  }

  std::vector<KeyRange> Ranges(std::size_t stage) const {
    KeySampler sampler(SampleCapacity(way_.parts));
    for (const auto& source : runs_[stage]) {
      for (const TaskRun& run : source) {
        for (const std::string& key : run.sample) sampler.Offer(key);
      }
    }
    return PartRanges(sampler.Borders(way_.parts), way_.parts);
  }

  void Keep(std::size_t stage, std::size_t source, TaskRun run) {
    runs_[stage][source].push_back(std::move(run));
  }

  static constexpr char kOutput[] = "/out";
  MemoryFiles files_;
  std::map<std::string, OutputFileRecord> outputs_;  // By path.
  std::map<std::string, std::uint64_t> counters_;
  std::string rejects_;
  std::uint64_t reject_count_ = 0;
  std::uint64_t records_read_ = 0;
  std::uint64_t stored_bytes_read_ = 0;

 private:
  Status RunMaps(std::size_t stage, std::size_t source) {
    const int input = graph_.stages[stage].sources[source].input;
    std::vector<Split> splits;
    if (graph_.stages[stage].has_reduce()) {
      for (Split& split : PlanSplits(inputs_, way_.split_bytes)) {
        if (split.pieces.front().input == input) splits.push_back(std::move(split));
      }
    } else {
      splits = PlanParts(inputs_, input, way_.parts);
    }
    for (std::size_t task = 0; task < splits.size(); ++task) {
      MR_ASSIGN_OR_RETURN(MapTaskResult result, RunMap(stage, source, task, splits[task]));
      records_read_ += result.records_read;
      stored_bytes_read_ += result.stored_bytes_read;
      Collect(result);
      if (graph_.stages[stage].has_reduce()) Keep(stage, source, std::move(result.run));
    }
    return Status::Ok();
  }

  Status RunReduces(std::size_t stage) {
    const std::vector<Follower> followers = Followers(graph_, stage);
    const std::vector<KeyRange> ranges = Ranges(stage);
    std::vector<RejectRows> next_rejects;
    for (std::size_t part = 0; part < ranges.size(); ++part) {
      const ReduceTaskSpec spec = ReduceSpec(stage, part, ranges[part]);
      MR_ASSIGN_OR_RETURN(ReduceTaskResult result,
                          ExecuteReduceTask(files_, graph_, Options(), spec));
      Collect(result);
      next_rejects.resize(followers.size());
      for (std::size_t i = 0; i < followers.size(); ++i) {
        Keep(followers[i].stage, followers[i].source, std::move(result.next[i].run));
        next_rejects[i].count += result.next[i].rejects.count;
        next_rejects[i].rows += result.next[i].rejects.rows;
      }
    }
    for (const RejectRows& rejects : next_rejects) CollectRejects(rejects);
    return Status::Ok();
  }

  void Collect(const TaskResult& result) {
    for (const OutputFileRecord& file : result.files) {
      EXPECT_TRUE(outputs_.emplace(file.path, file).second) << file.path;
      EXPECT_TRUE(files_.IsDurable(std::string(kOutput) + "/" + file.path, kOutput)) << file.path;
    }
    for (const auto& [name, count] : result.counters) counters_[name] += count;
    CollectRejects(result.rejects);
  }
  void CollectRejects(const RejectRows& rejects) {
    reject_count_ += rejects.count;
    rejects_ += rejects.path.empty() ? rejects.rows : files_.Content(rejects.path);
  }

  NewRun NextRun() {
    ++run_count_;
    return {.path = NewFolder() + "/made.run", .file_id = 1000 + run_count_};
  }
  std::string NewFolder() {
    const std::string folder = "/task-" + std::to_string(++folder_count_);
    EXPECT_TRUE(files_.MakeDirectories(folder).ok());
    return folder;
  }

  const JobGraph& graph_;
  const std::vector<ExecutionInput>& inputs_;
  const Way way_;
  std::vector<std::vector<std::vector<TaskRun>>> runs_;  // [stage][source][map task]
  std::uint64_t run_count_ = 0;
  int folder_count_ = 0;
};

class SingleTaskTest : public ::testing::Test {
 protected:
  std::vector<ExecutionInput> Store(const Job& job, const std::vector<ShardTexts>& texts,
                                    const Storage& storage = StoredPlain) {
    std::vector<ExecutionInput> inputs;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      inputs.push_back(
          {job.graph().inputs[i].name, StoreShards(folder_.NewFolder("in"), texts[i], storage)});
    }
    return inputs;
  }

  // Task by task in every way, each against the local runner's files, byte for byte.
  void ExpectAsExecute(const Job& job, const std::vector<ShardTexts>& texts,
                       const Storage& storage = StoredPlain) {
    const std::vector<ExecutionInput> inputs = Store(job, texts, storage);
    std::map<int, ExecutionResult> expected;  // By parts.
    std::map<int, std::string> output;
    for (const Way& way : Ways()) {
      SCOPED_TRACE(Describe(way));
      if (!expected.contains(way.parts)) {
        ExecutionOptions options;
        options.parts = way.parts;
        options.memory_bytes = 16 * kMebibyte;
        options.date = "2026-11-25";
        options.max_rejects.percent = 100;
        options.output_directory = output[way.parts] = folder_.NewFolder("out");
        options.scratch_directory = folder_.NewFolder("scratch");
        Result<ExecutionResult> result = Execute(job.graph(), inputs, options);
        ASSERT_TRUE(result.ok()) << result.error().message();
        expected[way.parts] = *std::move(result);
      }
      const ExecutionResult& local = expected[way.parts];
      TaskByTask run(job.graph(), inputs, way);
      const Status status = run.Run();
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(run.outputs_.size(), local.files.size());
      for (const OutputFileRecord& file : local.files) {
        ASSERT_TRUE(run.outputs_.contains(file.path)) << file.path;
        const OutputFileRecord& made = run.outputs_[file.path];
        EXPECT_EQ(made.bytes, file.bytes);
        EXPECT_EQ(made.records, file.records);
        EXPECT_EQ(made.xxh128, file.xxh128);
        ASSERT_EQ(run.files_.Content(TaskByTask::kOutput + ("/" + file.path)),
                  Bytes(output[way.parts] + "/" + file.path));
      }
      EXPECT_EQ(run.counters_, local.counters);
      EXPECT_EQ(run.records_read_, local.records_in);
      EXPECT_EQ(run.stored_bytes_read_, local.bytes_in);
      EXPECT_EQ(run.reject_count_, local.rejects);
      const std::string rejects = output[way.parts] + "/_rejects.tsv";
      EXPECT_EQ(run.rejects_, local.rejects > 0 ? Bytes(rejects) : "");
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }

  static std::string Bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::unique_ptr<Job> Shipped(const char* name,
                                      std::map<std::string, std::string> params = {}) {
    return MakeJob(FindJob(name)->define, std::move(params));
  }

  ExecuteFolder folder_;
  Random random_{ExecuteSeed()};
};

TEST_F(SingleTaskTest, CountsWordsAsTheLocalRunnerDoes) {
  ExpectAsExecute(*Shipped("wordcount"), {KeyLines(random_, 150)});
}

TEST_F(SingleTaskTest, SortsAsTheLocalRunnerDoes) {
  ExpectAsExecute(*Shipped("sort"), {KeyLines(random_, 150)});
}

TEST_F(SingleTaskTest, RanksAsTheLocalRunnerDoes) {
  ExpectAsExecute(*Shipped("toplist", {{"by", "plays"}, {"k", "4"}}), {Plays(random_)});
  ExpectAsExecute(*Shipped("toplist", {{"by", "listeners"}, {"k", "4"}}), {Plays(random_)});
}

TEST_F(SingleTaskTest, KeepsTheOrderOfValues) {
  ExpectAsExecute(*MakeJob(probe::ConcatenateJob), {KeyLines(random_, 150)});
}

TEST_F(SingleTaskTest, CutsNoGroup) {
  ExpectAsExecute(*MakeJob(probe::GroupByJob), {KeyLines(random_, 150)});
}

TEST_F(SingleTaskTest, KeepsTheOrderOfSources) {
  ExpectAsExecute(*MakeJob(probe::JoinJob), {KeyLines(random_, 80), KeyLines(random_, 80)});
}

TEST_F(SingleTaskTest, RejectsAndFusesAsTheLocalRunnerDoes) {
  ExpectAsExecute(*MakeJob(probe::PickyJob), {KeyLines(random_, 150, /*spoiled=*/true)});
}

TEST_F(SingleTaskTest, WritesPartsOfMapsAlone) {
  ExpectAsExecute(*MakeJob(probe::CopyJob), {KeyLines(random_, 150)});
}

TEST_F(SingleTaskTest, ReadsStoredShards) {
  const Storage storage = [](std::size_t index) {
    return std::array{Compression::kZstd, Compression::kGzip}[index % 2];
  };
  ExpectAsExecute(*MakeJob(probe::ConcatenateJob), {KeyLines(random_, 600)}, storage);
}

/// A job whose second stage reads the first one twice, and cares which map a value came through.
/// Both maps reject.
struct TagA {
  void Map(const KeyValue<std::string_view, std::string>& group,
           Emitter<std::int64_t, std::string>& emit, Context& context) {
    if (group.key.size() == 2) return context.Reject("A does not like it");
    emit(static_cast<std::int64_t>(group.key.size()), "A" + std::string(group.key));
  }
};
struct TagB {
  void Map(const KeyValue<std::string_view, std::string>& group,
           Emitter<std::int64_t, std::string>& emit, Context& context) {
    if (group.key.size() < 4) return context.Reject("B does not like it");
    emit(static_cast<std::int64_t>(group.key.size()), "B" + std::string(group.key));
  }
};
struct JoinTagged {
  void Reduce(const std::int64_t& bytes, Values<std::string>& values,
              Emitter<std::int64_t, std::string>& emit) {
    std::string all;
    for (const std::string& value : values) all.append(value).push_back(',');
    emit(bytes, all);
  }
};
void ReadTwiceJob(Job& job) {
  auto all = job.ReadLines("lines").Map<probe::ByKey>().Reduce<probe::Concatenate>();
  auto tagged = all.Map<TagA>();
  tagged.And(all.Map<TagB>()).Reduce<JoinTagged>().Write<Tsv>("tagged");
}

TEST_F(SingleTaskTest, KeepsTheSourcesOfAFusedStageApart) {
  ExpectAsExecute(*MakeJob(ReadTwiceJob), {KeyLines(random_, 150)});
}

// Runs and digests of one map task.
TEST_F(SingleTaskTest, AMapTasksDigestDependsOnItsRecordsAlone) {
  for (const bool has_combiner : {true, false}) {
    const std::unique_ptr<Job> job =
        has_combiner ? Shipped("wordcount") : MakeJob(probe::ConcatenateJob);
    std::string text;
    for (int i = 0; i < 1000; ++i) {
      text += "key" + std::to_string(random_.Uniform(300)) + ' ' + std::to_string(i) + '\n';
    }
    std::optional<MapTaskResult> first;
    const std::vector<ExecutionInput> inputs = Store(*job, {{{"a.txt", text}}});
    const std::vector<Split> splits = PlanSplits(inputs, 64 * kMebibyte);
    for (const std::uint64_t memory_bytes : {std::uint64_t{40} << 10, 64 * kMebibyte}) {
      for (const std::size_t block_bytes : {0, 64}) {
        for (const bool spill_everything : {false, true}) {
          const Way way{.memory_bytes = memory_bytes,
                        .block_bytes = block_bytes,
                        .spill_everything = spill_everything};
          SCOPED_TRACE(Describe(way));
          TaskByTask run(job->graph(), inputs, way);
          const Result<MapTaskResult> result = run.RunMap(0, 0, 7, splits.front());
          ASSERT_TRUE(result.ok()) << result.error().message();
          EXPECT_EQ(result->spilled_bytes > 0, spill_everything || memory_bytes < kMebibyte);
          if (!first.has_value()) first = *result;
          EXPECT_EQ(result->digest, first->digest);
          EXPECT_EQ(result->run.digest, result->digest);
          EXPECT_EQ(result->run.sample, first->run.sample);
          EXPECT_EQ(result->run.info.record_count, first->run.info.record_count);
        }
      }
    }
    EXPECT_GT(first->run.info.record_count, 0u);
    text[text.find(' ') + 1] = 'X';
    const std::vector<ExecutionInput> changed = Store(*job, {{{"a.txt", text}}});
    TaskByTask run(job->graph(), changed, {});
    EXPECT_NE(run.RunMap(0, 0, 7, PlanSplits(changed, 64 * kMebibyte).front())->digest,
              first->digest);
  }
}

class ReduceInputTest : public SingleTaskTest {
 protected:
  // Three map tasks with some records, and the reduce task that reads them.
  void Prepare() {
    job_ = MakeJob(probe::ConcatenateJob);
    inputs_ = Store(
        *job_,
        {{{"a.txt", "k1 v1\nk2 v2\nk3 v3\n"}, {"b.txt", "k1 w1\nk3 w3\n"}, {"c.txt", "k2 x2\n"}}});
    run_ = std::make_unique<TaskByTask>(
        job_->graph(), inputs_, Way{.memory_bytes = kMebibyte, .block_bytes = 45, .fetches = true});
    for (std::size_t task = 0; task < 3; ++task) {
      Split split;
      const Shard& shard = inputs_[0].shards[task];
      split.pieces = {{0, static_cast<int>(task), CutShard(shard, UINT64_MAX).front()}};
      Result<MapTaskResult> result = run_->RunMap(0, 0, task, split);
      ASSERT_TRUE(result.ok()) << result.error().message();
      run_->Keep(0, 0, result->run);
    }
    spec_ = run_->ReduceSpec(0, 0, {});
    spool_ = run_->files_.contents().at(std::get<RunSlice>(spec_.inputs[0]).path);
  }
  Result<ReduceTaskResult> Reduce() {
    run_->files_.contents().erase("/out/part-00000.tsv");
    return ExecuteReduceTask(run_->files_, job_->graph(), run_->Options(), spec_);
  }

  std::unique_ptr<Job> job_;
  std::vector<ExecutionInput> inputs_;
  std::unique_ptr<TaskByTask> run_;
  ReduceTaskSpec spec_;
  std::shared_ptr<std::string> spool_;
};

TEST_F(ReduceInputTest, IsCorruptAtEachFlippedBit) {
  Prepare();
  const Result<ReduceTaskResult> whole = Reduce();
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  ASSERT_EQ(run_->files_.Content("/out/part-00000.tsv"), "k1\tv1,w1,\nk2\tv2,x2,\nk3\tv3,w3,\n");
  for (std::size_t bit = 0; bit < 8 * spool_->size(); ++bit) {
    (*spool_)[bit / 8] ^= static_cast<char>(1 << bit % 8);
    const Result<ReduceTaskResult> result = Reduce();
    ASSERT_EQ(result.error().code(), StatusCode::kCorrupt) << "bit " << bit;
    ASSERT_THAT(result.error().message(), HasSubstr("/spool: run file 10"));
    int damaged = 0;
    for (const ReduceInput& input : spec_.inputs)
      damaged += !CheckRunSlice(run_->files_, std::get<RunSlice>(input)).ok();
    ASSERT_EQ(damaged, 1) << "bit " << bit;
    (*spool_)[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
  const Result<ReduceTaskResult> again = Reduce();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->digest, whole->digest);
}

TEST_F(ReduceInputTest, IsCorruptWhereItIsMissingOrCut) {
  Prepare();
  const std::string all = *spool_;
  for (std::size_t bytes = 0; bytes < all.size(); ++bytes) {
    *spool_ = all.substr(0, bytes);
    ASSERT_EQ(Reduce().error().code(), StatusCode::kCorrupt) << bytes;
  }
  run_->files_.contents().erase(std::get<RunSlice>(spec_.inputs[0]).path);
  EXPECT_EQ(Reduce().error().code(), StatusCode::kCorrupt);
}

TEST_F(ReduceInputTest, ItsOrderDecides) {
  Prepare();
  const Result<ReduceTaskResult> first = Reduce();
  ASSERT_TRUE(first.ok());
  std::swap(spec_.inputs[0], spec_.inputs[1]);
  const Result<ReduceTaskResult> swapped = Reduce();
  ASSERT_TRUE(swapped.ok());
  EXPECT_NE(swapped->digest, first->digest);
  EXPECT_EQ(run_->files_.Content("/out/part-00000.tsv"), "k1\tw1,v1,\nk2\tv2,x2,\nk3\tw3,v3,\n");
}

// A hundred slices and room for eight: merged first, and not removed.
TEST_F(SingleTaskTest, MergesWhatDoesNotFitAtOnce) {
  const std::unique_ptr<Job> job = MakeJob(probe::ConcatenateJob);
  const std::vector<ExecutionInput> inputs = Store(*job, {KeyLines(random_, 400)});
  std::string expected;
  for (const std::uint64_t memory_bytes : {64 * kMebibyte, std::uint64_t{256} << 10}) {
    for (const bool fetches : {true, false}) {
      const Way way{.split_bytes = 100, .memory_bytes = memory_bytes, .fetches = fetches};
      SCOPED_TRACE(Describe(way));
      TaskByTask run(job->graph(), inputs, way);
      std::size_t task = 0;
      for (const Split& split : PlanSplits(inputs, way.split_bytes)) {
        Result<MapTaskResult> result = run.RunMap(0, 0, task++, split);
        ASSERT_TRUE(result.ok()) << result.error().message();
        run.Keep(0, 0, std::move(result->run));
      }
      ASSERT_GT(task, 20u);
      const ReduceTaskSpec spec = run.ReduceSpec(0, 0, {});
      const Result<ReduceTaskResult> result =
          ExecuteReduceTask(run.files_, job->graph(), run.Options(), spec);
      ASSERT_TRUE(result.ok()) << result.error().message();
      EXPECT_EQ(result->spilled_bytes > 0, memory_bytes < kMebibyte);
      const std::string& made = run.files_.Content("/out/part-00000.tsv");
      if (expected.empty()) expected = made;
      EXPECT_EQ(made, expected);
      for (const ReduceInput& input : spec.inputs) {
        EXPECT_TRUE(run.files_.contents().contains(fetches ? std::get<RunSlice>(input).path
                                                           : std::get<RunInfo>(input).path));
      }
    }
  }
}

TEST_F(SingleTaskTest, TellsProgressAndStopsWhenCancelled) {
  const std::unique_ptr<Job> job = Shipped("sort");
  const ShardTexts texts = KeyLines(random_, 150);
  const std::vector<ExecutionInput> inputs = Store(*job, {texts});
  const Split split = PlanSplits(inputs, 64 * kMebibyte).front();
  TaskByTask run(job->graph(), inputs, {});
  CancelToken cancel;
  std::uint64_t records = 0, bytes = 0;
  SingleTaskOptions options = run.Options();
  options.cancel = &cancel;
  options.on_progress = [&](std::uint64_t records_so_far, std::uint64_t bytes_so_far) {
    EXPECT_GE(records_so_far, records);
    records = records_so_far;
    bytes = bytes_so_far;
  };
  MapTaskSpec spec;
  spec.split = split;
  spec.run = {.path = options.scratch_directory + "/made.run", .file_id = 1};
  const auto result = ExecuteMapTask(run.files_, job->graph(), inputs, options, spec);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(records, result->records_read);
  EXPECT_EQ(bytes, split.stored_bytes);
  options.on_progress = [&](std::uint64_t, std::uint64_t) { cancel.Cancel(); };
  spec.run.path += "2";
  EXPECT_EQ(ExecuteMapTask(run.files_, job->graph(), inputs, options, spec).error().code(),
            StatusCode::kCancelled);
  EXPECT_FALSE(run.files_.contents().contains(spec.run.path));
}

TEST_F(SingleTaskTest, FailsBeyondItsOwnLimitOfRejects) {
  const std::unique_ptr<Job> job = MakeJob(probe::PickyJob);
  const std::vector<ExecutionInput> inputs =
      Store(*job, {{{"a.txt", "a 1\nb bad\nc 2\nd bad\ne bad\n"}}});
  TaskByTask run(job->graph(), inputs, {});
  SingleTaskOptions options = run.Options();
  MapTaskSpec spec;
  spec.split = PlanSplits(inputs, kMebibyte).front();
  spec.run = {.path = options.scratch_directory + "/made.run", .file_id = 1};
  options.rejects_max = 2;
  const auto failed = ExecuteMapTask(run.files_, job->graph(), inputs, options, spec);
  EXPECT_EQ(failed.error().code(), StatusCode::kBadData);
  EXPECT_THAT(failed.error().message(), HasSubstr("a.txt at byte 4: it is bad"));
  options.rejects_max = 3;
  const auto passed = ExecuteMapTask(run.files_, job->graph(), inputs, options, spec);
  ASSERT_TRUE(passed.ok()) << passed.error().message();
  EXPECT_EQ(passed->rejects.count, 3u);
}

TEST_F(SingleTaskTest, HandsOnManyRejectsAsAFile) {
  const std::unique_ptr<Job> job = MakeJob(probe::PickyJob);
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "key " + std::to_string(i) + " bad\n";
  ExpectAsExecute(*job, {{{"a.txt", text}}});
  const std::vector<ExecutionInput> inputs = Store(*job, {{{"a.txt", text}}});
  TaskByTask run(job->graph(), inputs, {});
  const auto result = run.RunMap(0, 0, 0, PlanSplits(inputs, kMebibyte).front());
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->rejects.count, 3000u);
  EXPECT_EQ(result->rejects.rows, "");
  const std::string& rows = run.files_.Content(result->rejects.path);
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 3000);
}

// The only reduce task of a job's first stage, over what its map makes of one file.
class OneReduce {
 public:
  OneReduce(const Job& job, const std::vector<ExecutionInput>& inputs)
      : run_(job.graph(), inputs, {.fetches = false}), graph_(job.graph()) {
    Result<MapTaskResult> map = run_.RunMap(0, 0, 0, PlanSplits(inputs, kMebibyte).front());
    EXPECT_TRUE(map.ok()) << map.error().message();
    run_.Keep(0, 0, std::move(map->run));
    options_ = run_.Options();
  }
  Result<ReduceTaskResult> Run() {
    return ExecuteReduceTask(run_.files_, graph_, options_, run_.ReduceSpec(0, 0, {}));
  }
  TaskByTask run_;
  SingleTaskOptions options_;

 private:
  const JobGraph& graph_;
};

struct ByLength {
  Table<std::string_view, std::int64_t> sizes;
  void Map(const Line& line, Emitter<std::int64_t, Unit>& emit) {
    emit(sizes.Find(probe::KeyOf(line.text)).value_or(-1));
  }
};
void LengthsJob(Job& job) {
  auto lines = job.ReadLines("lines");
  auto sizes = lines.Map<probe::ValueSize>().Reduce<Sum>().AsTable();
  lines.Map<ByLength>(sizes).Reduce<Count>().Write<Tsv>("lengths");
}

TEST_F(SingleTaskTest, MakesADurableFileOfATable) {
  const std::unique_ptr<Job> job = MakeJob(LengthsJob);
  const std::string path = std::string(TaskByTask::kOutput) + "/.table";
  std::vector<Hash128> digests;
  for (const char* text : {"a 1\nb 22\na 333\n", "a 1\nb 22\na 4444\n"}) {
    const std::vector<ExecutionInput> inputs = Store(*job, {{{"a.txt", text}}});
    OneReduce reduce(*job, inputs);
    const Result<ReduceTaskResult> result = reduce.Run();
    ASSERT_TRUE(result.ok()) << result.error().message();
    ASSERT_TRUE(result->table);
    EXPECT_TRUE(result->files.empty());
    EXPECT_EQ(result->table->path, ".table");
    EXPECT_EQ(result->table->records, 2u);
    EXPECT_EQ(result->table->bytes, reduce.run_.files_.Content(path).size());
    EXPECT_EQ(result->table->xxh128, HashOf128(TableRecords(reduce.run_.files_.Content(path))));
    EXPECT_TRUE(reduce.run_.files_.IsDurable(path, TaskByTask::kOutput));
    digests.push_back(result->digest);
    const auto table = OpenTable(reduce.run_.files_, {{path, result->table->bytes}});
    ASSERT_TRUE(table.ok()) << table.error().message();
    EXPECT_EQ((*table)->rows(), 2u);
    EXPECT_NE((*table)->ValueOrNull("a").data(), nullptr);
    EXPECT_EQ((*table)->ValueOrNull("c").data(), nullptr);
  }
  EXPECT_NE(digests[0], digests[1]);
}

TEST_F(SingleTaskTest, OpensNoTableThatIsAnother) {
  const std::unique_ptr<Job> job = MakeJob(LengthsJob);
  const std::vector<ExecutionInput> inputs = Store(*job, {{{"a.txt", "a 1\n"}}});
  OneReduce reduce(*job, inputs);
  ASSERT_TRUE(reduce.Run().ok());
  const std::string path = std::string(TaskByTask::kOutput) + "/.table";
  MemoryFiles& files = reduce.run_.files_;
  const std::uint64_t bytes = files.Content(path).size();
  EXPECT_EQ(OpenTable(files, {{path, bytes + 1}}).error().code(), StatusCode::kCorrupt);
  EXPECT_EQ(OpenTable(files, {{path + "2", bytes}}).error().code(), StatusCode::kNotFound);
  files.contents()[path]->pop_back();
  EXPECT_EQ(OpenTable(files, {{path, bytes - 1}}).error().code(), StatusCode::kCorrupt);
}

// A damaged page fails whoever looks at it, and nobody else.
TEST_F(SingleTaskTest, FailsOfADamagedTable) {
  const std::unique_ptr<Job> job = MakeJob(LengthsJob);
  const std::vector<ExecutionInput> inputs = Store(*job, {{{"a.txt", "a 1\n"}}});
  OneReduce reduce(*job, inputs);
  ASSERT_TRUE(reduce.Run().ok());
  const std::string path = std::string(TaskByTask::kOutput) + "/.table";
  MemoryFiles& files = reduce.run_.files_;
  files.contents()[path]->at(16) ^= 1;
  const auto table = OpenTable(files, {{path, files.Content(path).size()}});
  ASSERT_TRUE(table.ok()) << table.error().message();
  SingleTaskOptions options = reduce.run_.Options();
  options.tables = {*table};
  MapTaskSpec spec;
  spec.stage = 1;
  spec.split = PlanSplits(inputs, kMebibyte).front();
  spec.run = {.path = options.scratch_directory + "/made.run", .file_id = 1};
  const auto result = ExecuteMapTask(files, job->graph(), inputs, options, spec);
  EXPECT_EQ(result.error().code(), StatusCode::kCorrupt);
  EXPECT_THAT(result.error().message(), HasSubstr(path));
  for (const auto& none : {std::vector<std::shared_ptr<const TableSet>>(), {nullptr}}) {
    options.tables = none;
    EXPECT_EQ(ExecuteMapTask(files, job->graph(), inputs, options, spec).error().code(),
              StatusCode::kInvalidArgument);
  }
}

/// Fails the test where it sees what it must not.
struct Touchy {
  void Reduce(const std::string_view& key, Values<std::string_view>& values,
              Emitter<std::string_view, std::string>& emit) {
    EXPECT_NE(key, "bad");
    std::string all;
    for (const std::string_view value : values) all.append(value).push_back(',');
    emit(key, all);
  }
};
struct TouchyInOrder {
  void Reduce(const std::string_view& key, Values<KeyValue<probe::KeyAndValue, std::int64_t>>&,
              Emitter<std::string_view, Unit>& emit) {
    EXPECT_NE(key, "bad");
    emit(key);
  }
};

TEST_F(SingleTaskTest, RejectsGroupsThatAreSetAsideUnseen) {
  const std::unique_ptr<Job> jobs[] = {
      MakeJob([](Job& job) {
        job.ReadLines("lines").Map<probe::ByKey>().Reduce<Touchy>().Write<Tsv>("all");
      }),
      MakeJob([](Job& job) {
        job.ReadLines("lines").Map<probe::ValueSize>().Reduce<Sum>().Write<Tsv>("all");
      }),
      MakeJob([](Job& job) {
        job.ReadLines("lines")
            .Map<probe::ByKeyAndValue>()
            .GroupBy<1>()
            .Reduce<TouchyInOrder>()
            .Write<Tsv>("all");
      })};
  for (const std::unique_ptr<Job>& job : jobs) {
    const std::vector<ExecutionInput> inputs =
        Store(*job, {{{"a.txt", "a 1\nbad 2\nbad 3\nz 1\n 0\nbad 4\n"}}});
    const bool has_prefix = job->graph().stages[0].group_bytes != nullptr;
    const std::string bad = has_prefix ? std::string("bad\0", 4) : "bad";
    OneReduce reduce(*job, inputs);
    reduce.options_.set_aside = {{"", 0, "nobody's"}, {"/shard", 7, ""}, {"", 0, bad}};
    const Result<ReduceTaskResult> result = reduce.Run();
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result->rejects.count, 1u);
    EXPECT_THAT(result->rejects.rows, StartsWith("stage-1\t\t0\tcrashed the job's code\tbad"));
    EXPECT_EQ(result->files[0].records, 3u);  // "", a, z.
  }
}

int groups_begun = 0;
std::vector<int> begun_at_map;
struct BeginGroup {
  void Reduce(const std::string_view& key, Values<std::string_view>&,
              Emitter<std::string_view, Unit>& emit) {
    ++groups_begun;
    emit(key);
  }
};
struct NoteBegun {
  void Map(const KeyValue<std::string_view, Unit>& group, Emitter<std::string_view, Unit>& emit) {
    begun_at_map.push_back(groups_begun);
    emit(group.key);
  }
};

TEST_F(SingleTaskTest, GoesGroupByGroupThroughTheMapsBehindWhereThatIsWanted) {
  const std::unique_ptr<Job> job = MakeJob([](Job& j) {
    j.ReadLines("lines")
        .Map<probe::ByKey>()
        .Reduce<BeginGroup>()
        .Map<NoteBegun>()
        .Reduce<Count>()
        .Write<Tsv>("all");
  });
  const std::vector<ExecutionInput> inputs = Store(*job, {{{"a.txt", "a 1\nb 2\nc 3\n"}}});
  for (const bool is_wanted : {false, true}) {
    groups_begun = 0;
    begun_at_map.clear();
    OneReduce reduce(*job, inputs);
    reduce.options_.goes_one_by_one = is_wanted;
    ASSERT_TRUE(reduce.Run().ok());
    EXPECT_EQ(begun_at_map, is_wanted ? (std::vector<int>{1, 2, 3}) : (std::vector<int>{3, 3, 3}));
  }
}

TEST_F(SingleTaskTest, RefusesASpecThatDoesNotFitTheJob) {
  const std::unique_ptr<Job> job = MakeJob(probe::PickyJob);
  const std::vector<ExecutionInput> inputs = Store(*job, {KeyLines(random_, 3)});
  TaskByTask run(job->graph(), inputs, {});
  const auto map = [&](const MapTaskSpec& spec) {
    return ExecuteMapTask(run.files_, job->graph(), inputs, run.Options(), spec).error().code();
  };
  EXPECT_EQ(map({.stage = 3}), StatusCode::kInvalidArgument);
  EXPECT_EQ(map({.source = 1}), StatusCode::kInvalidArgument);
  EXPECT_EQ(map({.stage = 1}), StatusCode::kInvalidArgument);  // Reads a stage.
  MapTaskSpec other_shard;
  other_shard.split.pieces = {{0, 5, {}}};
  EXPECT_EQ(map(other_shard), StatusCode::kInvalidArgument);
  const auto reduce = [&](const ReduceTaskSpec& spec) {
    return ExecuteReduceTask(run.files_, job->graph(), run.Options(), spec).error().code();
  };
  EXPECT_EQ(reduce({.stage = 3}), StatusCode::kInvalidArgument);
  EXPECT_EQ(reduce({.stage = 0}), StatusCode::kInvalidArgument);  // Two stages follow.
  RunSlice backwards;
  backwards.bytes = {.begin = 50, .end = 40};
  EXPECT_EQ(reduce({.stage = 1, .inputs = {backwards}}), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace
