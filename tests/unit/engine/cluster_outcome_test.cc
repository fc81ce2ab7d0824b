// SPDX-License-Identifier: Apache-2.0
// Whole runs as a cluster makes them, from the plan's bytes to the manifest, against the local
// runner's, byte for byte.

#include "mapreduce/engine/cluster_outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "mapreduce/api/registry.h"
#include "mapreduce/base/random.h"
#include "mapreduce/engine/staged_run.h"
#include "tests/unit/engine/cluster_tools.h"
#include "tests/unit/engine/probe_jobs.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

ShardTexts KeyLines(Random& random, int shards, std::size_t lines_per_shard, bool spoiled = false) {
  ShardTexts texts;
  for (int shard = 0; shard < shards; ++shard) {
    std::string& text = texts["s" + std::to_string(shard) + ".txt"];
    if (shard % 4 == 3) continue;  // Empty.
    const std::size_t lines = 1 + random.Uniform(2 * lines_per_shard);
    for (std::size_t i = 0; i < lines; ++i) {
      text.append(random.Uniform(9), static_cast<char>('a' + random.Uniform(5)));
      text += ' ' + std::to_string(shard) + '.' + std::to_string(i);
      if (spoiled && random.Uniform(9) == 0) text += random.Uniform(2) == 0 ? " bad\t\\" : " throw";
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
              (random.Uniform(30) == 0 ? "never" : std::to_string(random.Uniform(60'000))) + "\n";
    }
  }
  return texts;
}

/// One input that two stages read, one of them of maps alone.
void ReadByTwoJob(Job& job) {
  auto lines = job.ReadLines("lines");
  lines.Map<probe::ByKey>().Reduce<probe::Concatenate>().Write<Tsv>("all");
  lines.Map<probe::Same>().Write<Text>("copy");
}

/// A reduce rejects lines of the input, in no order, and groups; its map rejects some before.
struct WithOrigin {
  void Map(const Line& line, Emitter<std::string_view, Sourced<std::string_view>>& emit,
           Context& context) {
    if (line.text.find("throw") != std::string_view::npos) return context.Reject("early");
    emit(probe::KeyOf(line.text), {probe::ValueOf(line.text), context.origin()});
  }
};
struct RejectLater {
  void Reduce(const std::string_view& key, Values<Sourced<std::string_view>>& values,
              Emitter<std::string_view, std::int64_t>& emit, Context& context) {
    std::int64_t good = 0;
    for (const auto& [value, origin] : values) {
      if (value.find("bad") == std::string_view::npos) {
        ++good;
      } else {
        context.Reject(origin, "late");
      }
    }
    if (good % 3 == 2) return context.Reject("a group");
    emit(key, good);
  }
};
void LateJob(Job& job) {
  job.ReadLines("lines").Map<WithOrigin>().Reduce<RejectLater>().Write<Tsv>("good");
}

using Define = std::function<void(Job&)>;

struct Way {
  int parts = 1;
  std::uint64_t split_bytes = kMebibyte;
  Compression compression = Compression::kNone;
};

class ClusterOutcomeTest : public ::testing::Test {
 protected:
  std::unique_ptr<Job> Make(const Define& define, std::map<std::string, std::string> params) {
    auto job = std::make_unique<Job>(JobSettings{std::move(params), ""});
    define(*job);
    const Status status = job->Finish();
    EXPECT_TRUE(status.ok()) << status.message();
    return job;
  }
  std::vector<ExecutionInput> Store(const Job& job, const std::vector<ShardTexts>& texts,
                                    const Storage& storage) {
    std::vector<ExecutionInput> inputs;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      inputs.push_back(
          {job.graph().inputs[i].name, StoreShards(folder_.NewFolder("in"), texts[i], storage)});
    }
    return inputs;
  }

  std::string Encode(const PlannedJob& planned, const Way& way, RejectLimit max_rejects) {
    ClusterPlanOptions options;
    options.split_bytes = way.split_bytes;
    options.typed_output = "out";
    options.max_rejects = max_rejects;
    const Result<ClusterPlan> plan = MakeClusterPlan(planned, options);
    EXPECT_TRUE(plan.ok()) << plan.error().message();
    const Result<std::string> bytes = EncodeClusterPlan(*plan);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message();
    return *bytes;
  }

  // Both ways of one job over one set of inputs.
  void ExpectAsLocal(const Define& define, const std::vector<ShardTexts>& texts,
                     const std::vector<Way>& ways, const Storage& storage = StoredPlain,
                     const std::map<std::string, std::string>& params = {}) {
    const std::vector<ExecutionInput> inputs = Store(*Make(define, params), texts, storage);
    for (const Way& way : ways) {
      SCOPED_TRACE(std::to_string(way.parts) + " parts, split " + std::to_string(way.split_bytes));
      PlannedJob planned = PlanByHand(Make(define, params), inputs, way.parts, way.compression);
      const std::string bytes = Encode(planned, way, kAnyRejects);
      ClusterRun run(planned.job->graph(), bytes);
      run.reported_bytes_max_ = reported_bytes_max_;
      ASSERT_EQ(run.Run().message(), "");
      const Result<ClusterOutcome> outcome = run.Assemble();
      ASSERT_TRUE(outcome.ok()) << outcome.error().message();
      const Result<StagedRun> local = Stage(planned, kAnyRejects);
      ASSERT_TRUE(local.ok()) << local.error().message();
      ExpectSame(run, *outcome, *local);
    }
  }

  Result<StagedRun> Stage(PlannedJob& planned, RejectLimit max_rejects) {
    ExecutionOptions options;
    options.memory_bytes = 16 * kMebibyte;
    options.parallel = 2;
    options.max_rejects = max_rejects;
    options.output_directory = local_output_ = folder_.NewFolder("out");
    options.scratch_directory = folder_.NewFolder("scratch");
    return StageRun(LocalFileSystem(), planned, options);
  }

  void ExpectSame(ClusterRun& run, const ClusterOutcome& outcome, const StagedRun& local) {
    ASSERT_EQ(outcome.manifest_text, Bytes("_manifest.json"));
    EXPECT_TRUE(run.Rejects() == (local.execution.rejects > 0 ? Bytes("_rejects.tsv") : ""));
    EXPECT_EQ(outcome.execution.rejects_file.has_value(), local.execution.rejects > 0);
    for (const OutputFileRecord& file : outcome.execution.files)
      ASSERT_EQ(run.files_.Content(std::string(run.kOutput) + "/" + file.path), Bytes(file.path));
    const ExecutionResult &there = outcome.execution, &here = local.execution;
    EXPECT_EQ(there.counters, here.counters);
    EXPECT_EQ(there.records_in, here.records_in);
    EXPECT_EQ(there.bytes_in, here.bytes_in);
    EXPECT_EQ(there.records_out, here.records_out);
    EXPECT_EQ(there.rejects, here.rejects);
    EXPECT_EQ(there.input_digests, here.input_digests);
    EXPECT_EQ(outcome.manifest.SerializeAsString(), local.manifest.SerializeAsString());
  }
  std::string Bytes(const std::string& path) {
    std::ifstream in(local_output_ + "/" + path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static constexpr RejectLimit kAnyRejects{.count = 0, .percent = 100};
  const std::vector<Way> ways_ = {
      {.parts = 1},
      {.parts = 3, .split_bytes = 300},
      {.parts = 7, .split_bytes = 3000, .compression = Compression::kZstd},
      {.parts = 40, .split_bytes = 900}};
  std::uint64_t reported_bytes_max_ = kReportedRejectBytesMax;
  ExecuteFolder folder_;
  std::string local_output_;
  Random random_{ExecuteSeed()};
};

Define Shipped(const char* name) { return FindJob(name)->define; }

TEST_F(ClusterOutcomeTest, IsAsLocalForShippedJobs) {
  ExpectAsLocal(Shipped("wordcount"), {KeyLines(random_, 5, 150)}, ways_);
  ExpectAsLocal(Shipped("sort"), {KeyLines(random_, 5, 150)}, ways_);
  ExpectAsLocal(Shipped("toplist"), {Plays(random_)}, ways_, StoredPlain, {{"k", "4"}});
}

TEST_F(ClusterOutcomeTest, IsAsLocalWithSeveralInputs) {
  ExpectAsLocal(probe::JoinJob, {KeyLines(random_, 5, 80), KeyLines(random_, 4, 80)}, ways_);
}

TEST_F(ClusterOutcomeTest, IsAsLocalWithRejectsAndSeveralOutputs) {
  ExpectAsLocal(probe::PickyJob, {KeyLines(random_, 5, 150, /*spoiled=*/true)}, ways_);
}

TEST_F(ClusterOutcomeTest, IsAsLocalWithTables) {
  ExpectAsLocal(probe::LookUpJob, {KeyLines(random_, 5, 150)}, ways_);
  ExpectAsLocal(probe::LookUpJob, {{{"empty.txt", ""}}}, ways_);
}

TEST_F(ClusterOutcomeTest, IsAsLocalWithMapsAlone) {
  ExpectAsLocal(probe::CopyJob, {KeyLines(random_, 9, 50)}, ways_);
  ExpectAsLocal(ReadByTwoJob, {KeyLines(random_, 9, 50)}, ways_);
}

TEST_F(ClusterOutcomeTest, IsAsLocalOverManySmallFiles) {
  ExpectAsLocal(probe::GroupByJob, {KeyLines(random_, 60, 3)}, ways_);
}

TEST_F(ClusterOutcomeTest, IsAsLocalOverStoredFiles) {
  const Storage storage = [](std::size_t index) {
    return std::array{Compression::kZstd, Compression::kGzip, Compression::kNone}[index % 3];
  };
  ExpectAsLocal(probe::ConcatenateJob, {KeyLines(random_, 6, 600)}, ways_, storage);
  ExpectAsLocal(ReadByTwoJob, {KeyLines(random_, 6, 600)}, ways_, storage);
}

// Splits that begin and end inside of blocks, share one, or own none.
TEST_F(ClusterOutcomeTest, DigestsEachBlockOnceWhereverSplitsFall) {
  ShardTexts texts;
  for (const char* name : {"a.txt", "b.txt", "c.txt"}) {
    std::string& text = texts[name];
    while (text.size() < 3 * kMebibyte + kMebibyte / 2)
      text += "k" + std::to_string(random_.Uniform(9)) + ' ' +
              std::to_string(random_.Uniform(UINT64_MAX)) +
              std::to_string(random_.Uniform(UINT64_MAX)) + '\n';
  }
  texts["d.txt"] = std::string(kMebibyte - 1, 'x') + '\n';  // Exactly one block.
  const Storage storage = [](std::size_t index) {
    return std::array{Compression::kNone, Compression::kZstd, Compression::kGzip,
                      Compression::kNone}[index];
  };
  ExpectAsLocal(Shipped("wordcount"), {texts},
                {{.parts = 2, .split_bytes = 300'000},
                 {.parts = 2, .split_bytes = kMebibyte},
                 {.parts = 1, .split_bytes = kMebibyte + 1},
                 {.parts = 1, .split_bytes = 64 * kMebibyte}},
                storage);
}

TEST_F(ClusterOutcomeTest, ComplainsOfRejectsAsTheLocalRunner) {
  const std::vector<ExecutionInput> inputs =
      Store(*Make(probe::PickyJob, {}), {KeyLines(random_, 5, 150, /*spoiled=*/true)}, StoredPlain);
  PlannedJob planned = PlanByHand(Make(probe::PickyJob, {}), inputs, 3);
  ClusterRun run(planned.job->graph(), Encode(planned, {.parts = 3, .split_bytes = 300}, {}));
  ASSERT_EQ(run.Run().message(), "");
  for (const RejectLimit limit : {RejectLimit{0, -1}, RejectLimit{1, -1}, RejectLimit{40, -1},
                                  RejectLimit{0, 0}, RejectLimit{0, 0.5}}) {
    SCOPED_TRACE(std::to_string(limit.count) + ", " + std::to_string(limit.percent));
    run.plan_.max_rejects = limit;
    const Result<StagedRun> local = Stage(planned, limit);
    const Result<ClusterOutcome> outcome = run.Assemble();
    EXPECT_EQ(outcome.error().code(), local.error().code());
    EXPECT_EQ(outcome.error().message(), local.error().message());
  }
}

TEST_F(ClusterOutcomeTest, NoticesBlocksThatMissOrDiffer) {
  const std::vector<ExecutionInput> inputs =
      Store(*Make(ReadByTwoJob, {}), {{{"a.txt", "k v\n"}, {"b.txt", "k w\n"}}}, StoredPlain);
  const PlannedJob planned = PlanByHand(Make(ReadByTwoJob, {}), inputs, 1);
  ClusterRun run(planned.job->graph(), Encode(planned, {}, {}));
  ASSERT_EQ(run.Run().message(), "");
  ASSERT_TRUE(run.Assemble().ok());
  auto& first = run.outputs_.front().front().input_blocks;
  auto& last = run.outputs_.back().front().input_blocks;
  ASSERT_EQ(first.size(), 2u);
  ASSERT_EQ(first, last);
  first[1].digests[0].low ^= 1;
  EXPECT_EQ(run.Assemble().error().code(), StatusCode::kStale);
  EXPECT_THAT(run.Assemble().error().message(), HasSubstr("b.txt changed while it was read"));
  first.pop_back();
  EXPECT_TRUE(run.Assemble().ok());  // The other stage has read it.
  last.pop_back();
  EXPECT_EQ(run.Assemble().error().code(), StatusCode::kInternal);
  EXPECT_THAT(run.Assemble().error().message(), HasSubstr("not all of "));
  EXPECT_THAT(run.Assemble().error().message(), HasSubstr("b.txt was read"));
  first[0].first_block = 1;
  EXPECT_EQ(run.Assemble().error().code(), StatusCode::kInternal);
  first[0] = {.input = 0, .shard = 7, .first_block = 0, .digests = {}};
  EXPECT_EQ(run.Assemble().error().code(), StatusCode::kInternal);
}

TEST_F(ClusterOutcomeTest, RefusesReportsThatDoNotFitThePhases) {
  const std::vector<ExecutionInput> inputs =
      Store(*Make(probe::CopyJob, {}), {{{"a.txt", "k v\n"}}}, StoredPlain);
  const PlannedJob planned = PlanByHand(Make(probe::CopyJob, {}), inputs, 1);
  ClusterRun run(planned.job->graph(), Encode(planned, {}, {}));
  ASSERT_EQ(run.Run().message(), "");
  const TaskOutput good = run.outputs_[0][0];
  const auto code = [&](auto&& spoil) {
    run.outputs_[0][0] = good;
    spoil(run.outputs_[0][0]);
    return run.Assemble().error().code();
  };
  EXPECT_EQ(code([](TaskOutput&) {}), StatusCode::kOk);
  EXPECT_EQ(code([](TaskOutput& o) { o.parts.clear(); }), StatusCode::kInternal);
  EXPECT_EQ(code([](TaskOutput& o) { o.parts[0].path = "sub/part"; }), StatusCode::kInternal);
  EXPECT_EQ(code([](TaskOutput& o) { o.table.emplace(); }), StatusCode::kInternal);
  EXPECT_EQ(code([](TaskOutput& o) { o.rejects.clear(); }), StatusCode::kInternal);
  EXPECT_EQ(code([](TaskOutput& o) { o.rejects[0] = "a\tb\t0\tc\td\n"; }), StatusCode::kInternal);
  EXPECT_EQ(code([](TaskOutput& o) { o.counters["\xff"] = 1; }), StatusCode::kInvalidArgument);
  run.outputs_[0].pop_back();
  EXPECT_EQ(run.Assemble().error().code(), StatusCode::kInternal);
}

// ---- Rejects in files ---------------------------------------------------------------------------

TEST_F(ClusterOutcomeTest, IsAsLocalWithRejectsInFiles) {
  for (const std::uint64_t reported : {0, 300, 3000}) {
    reported_bytes_max_ = reported;
    ExpectAsLocal(probe::PickyJob, {KeyLines(random_, 5, 150, /*spoiled=*/true)}, ways_);
    ExpectAsLocal(LateJob, {KeyLines(random_, 5, 150, /*spoiled=*/true)}, ways_);
  }
}

// More than a report ever held, in maps and in reduces.
TEST_F(ClusterOutcomeTest, IsAsLocalWithMebibytesOfRejects) {
  std::string text;
  for (int i = 0; i < 120'000; ++i)
    text += std::to_string(i * 7919 % 120'000) + (i % 2 == 0 ? " bad " : " throw ") +
            std::string(20, 'x') + "\n";
  for (const Define& define : {Define(probe::PickyJob), Define(LateJob)}) {
    const std::vector<ExecutionInput> inputs =
        Store(*Make(define, {}), {{{"a.txt", text}}}, StoredPlain);
    PlannedJob planned = PlanByHand(Make(define, {}), inputs, 1);
    ClusterRun run(planned.job->graph(), Encode(planned, {}, kAnyRejects));
    ASSERT_EQ(run.Run().message(), "");
    std::uint64_t bytes_max = 0;
    for (const auto& of_phase : run.outputs_) {
      for (const TaskOutput& output : of_phase) {
        if (!output.reject_file) continue;
        for (const RejectFile::Text& each : output.reject_file->texts)
          bytes_max = std::max(bytes_max, each.bytes);
      }
    }
    EXPECT_GT(bytes_max, 2 * kMebibyte);
    const Result<ClusterOutcome> outcome = run.Assemble();
    ASSERT_TRUE(outcome.ok()) << outcome.error().message();
    const Result<StagedRun> local = Stage(planned, kAnyRejects);
    ASSERT_TRUE(local.ok()) << local.error().message();
    ExpectSame(run, *outcome, *local);
  }
}

TEST_F(ClusterOutcomeTest, ComplainsOfRejectsInFilesAsTheLocalRunner) {
  const std::vector<ExecutionInput> inputs = Store(
      *Make(probe::PickyJob, {}), {KeyLines(random_, 20, 150, /*spoiled=*/true)}, StoredPlain);
  PlannedJob planned = PlanByHand(Make(probe::PickyJob, {}), inputs, 3);
  ClusterRun run(planned.job->graph(), Encode(planned, {.parts = 3, .split_bytes = 300}, {}));
  run.reported_bytes_max_ = 0;
  ASSERT_EQ(run.Run().message(), "");
  for (const RejectLimit limit : {RejectLimit{3, -1}, RejectLimit{40, -1}, RejectLimit{0, 0.5}}) {
    run.plan_.max_rejects = limit;
    const Result<StagedRun> local = Stage(planned, limit);
    EXPECT_EQ(local.error().code(), StatusCode::kBadData);
    EXPECT_EQ(run.Assemble().error().message(), local.error().message());
  }
}

TEST_F(ClusterOutcomeTest, NoticesFilesOfRejectsThatAreDamaged) {
  const std::vector<ExecutionInput> inputs =
      Store(*Make(probe::PickyJob, {}), {{{"a.txt", "k bad\nk bad 2\nk good\n"}}}, StoredPlain);
  const PlannedJob planned = PlanByHand(Make(probe::PickyJob, {}), inputs, 1);
  ClusterRun run(planned.job->graph(), Encode(planned, {}, kAnyRejects));
  run.reported_bytes_max_ = 0;
  ASSERT_EQ(run.Run().message(), "");
  ASSERT_TRUE(run.Assemble().ok());
  const std::string path = run.RejectFileOf(0, 0);
  EXPECT_TRUE(run.files_.IsDurable(path, ParentPath(path)));
  const auto good = run.files_.contents().at(path);
  const auto error = [&](std::string contents) {
    run.files_.contents()[path] = std::make_shared<std::string>(std::move(contents));
    const Status status = run.Assemble().error();
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_THAT(status.message(), HasSubstr(path));
    EXPECT_EQ(run.Rejects(), "");  // Nothing that could be taken for them.
    return status.message();
  };
  std::string other = *good;
  other[other.size() / 2] ^= 1;
  EXPECT_THAT(error(other), HasSubstr("hash mismatch"));
  EXPECT_THAT(error(good->substr(0, good->size() - 1)), HasSubstr("bytes long"));
  run.files_.contents().erase(path);
  const Status gone = run.Assemble().error();
  EXPECT_EQ(gone.code(), StatusCode::kCorrupt);
  EXPECT_THAT(gone.message(), HasSubstr(path + ": the rejects of a committed task are missing"));
  run.files_.contents()[path] = good;
  ++run.outputs_[0][0].reject_count;
  EXPECT_EQ(run.Assemble().error().code(), StatusCode::kInternal);
}

TEST_F(ClusterOutcomeTest, RefusesMoreRejectsThanAMasterTakes) {
  const std::vector<ExecutionInput> inputs =
      Store(*Make(probe::PickyJob, {}), {{{"a.txt", "k bad\nk bad 2\n"}}}, StoredPlain);
  const PlannedJob planned = PlanByHand(Make(probe::PickyJob, {}), inputs, 1);
  ClusterRun run(planned.job->graph(), Encode(planned, {}, kAnyRejects));
  run.reported_bytes_max_ = 0;
  ASSERT_EQ(run.Run().message(), "");
  run.reject_bytes_max_ = run.files_.Content(run.RejectFileOf(0, 0)).size();
  EXPECT_TRUE(run.Assemble().ok());
  --run.reject_bytes_max_;
  const Status status = run.Assemble().error();
  EXPECT_EQ(status.code(), StatusCode::kBadData);
  EXPECT_THAT(status.message(), HasSubstr("the run has set aside 2 records"));
}

}  // namespace
}  // namespace millrace
