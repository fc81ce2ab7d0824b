// SPDX-License-Identifier: Apache-2.0
// What a map task does beside mapping: records that are set aside, marks in its digest.

#include "mapreduce/engine/map_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "mapreduce/engine/single_task.h"
#include "tests/unit/engine/cluster_tools.h"
#include "tests/unit/engine/probe_jobs.h"

namespace millrace {
namespace {

/// Fails the task where it sees a record that it should not.
struct Fragile {
  void Map(const Line& line, Emitter<std::string_view, std::string_view>& emit, Context& context) {
    if (line.text.find("crash") != std::string_view::npos) throw std::bad_alloc();
    if (line.text.find("bad") != std::string_view::npos) return context.Reject("it is bad");
    emit(probe::KeyOf(line.text), std::to_string(context.random().Uniform(1000)));
  }
};
void FragileJob(Job& job) {
  job.ReadLines("lines").Map<Fragile>().Reduce<probe::Concatenate>().Write<Tsv>("all");
}

class MapTaskTest : public ::testing::Test {
 protected:
  void Store(const ShardTexts& texts, const Storage& storage = StoredPlain) {
    inputs_ = {{"lines", StoreShards(folder_.NewFolder("in"), texts, storage)}};
  }
  Result<MapTaskResult> Map(const JobGraph& graph, std::vector<RecordPosition> set_aside = {},
                            std::uint64_t split_bytes = 1 << 20, std::size_t split = 0) {
    EXPECT_TRUE(files_.MakeDirectories("/scratch").ok());
    SingleTaskOptions options;
    options.scratch_directory = "/scratch";
    options.set_aside = std::move(set_aside);
    MapTaskSpec spec;
    spec.split = PlanSplits(inputs_, split_bytes)[split];
    spec.run = {.path = "/scratch/run-" + std::to_string(++run_count_), .file_id = 1};
    return ExecuteMapTask(files_, graph, inputs_, options, spec);
  }
  std::string Path(std::size_t shard = 0) const { return inputs_[0].shards[shard].file.path; }

  ExecuteFolder folder_;
  MemoryFiles files_;
  std::vector<ExecutionInput> inputs_;
  int run_count_ = 0;
};

TEST_F(MapTaskTest, SetsRecordsAside) {
  const std::unique_ptr<Job> job = MakeJob(FragileJob);
  const std::string lines[] = {"crash first\n", "a 1\n", "b bad\n", "crash twice\n", "crash it\n",
                               "c 3\n",         "\n",    "d bad\n", "e 5\n",         "crash last"};
  std::string text;
  std::vector<std::uint64_t> crashes;
  for (const std::string& line : lines) {
    if (line.starts_with("crash")) crashes.push_back(text.size());
    text += line;
  }
  for (const Compression stored : {Compression::kNone, Compression::kZstd, Compression::kGzip}) {
    Store({{"a.txt", text}, {"b.txt", text}}, [&](std::size_t) { return stored; });
    EXPECT_EQ(Map(job->graph()).error().code(), StatusCode::kResourceLimit);
    std::vector<RecordPosition> set_aside;
    for (const std::size_t shard : {1, 0}) {
      for (const std::uint64_t offset : crashes) set_aside.push_back({Path(shard), offset});
    }
    std::reverse(set_aside.begin(), set_aside.end());
    set_aside.push_back(set_aside.front());
    set_aside.push_back({"/elsewhere", 12});
    const Result<MapTaskResult> result = Map(job->graph(), set_aside);
    ASSERT_TRUE(result.ok()) << result.error().message();
    const auto rows = [&](const std::string& path) {
      const std::string why = "\tcrashed the job's code\t";
      return "lines\t" + path + "\t0" + why + "crash first\n" +   //
             "lines\t" + path + "\t16\tit is bad\tb bad\n" +      //
             "lines\t" + path + "\t22" + why + "crash twice\n" +  //
             "lines\t" + path + "\t34" + why + "crash it\n" +     //
             "lines\t" + path + "\t48\tit is bad\td bad\n" +      //
             "lines\t" + path + "\t58" + why + "crash last\n";
    };
    EXPECT_EQ(result->rejects.rows, rows(Path(0)) + rows(Path(1)));
    EXPECT_EQ(result->rejects.count, 12u);
    EXPECT_EQ(result->records_read, 20u);
    EXPECT_EQ(result->run.info.record_count, 8u);
  }
}

// A position that is in no line's begin, or beyond the file, harms nothing.
TEST_F(MapTaskTest, SetsTheWholeLineAside) {
  const std::unique_ptr<Job> job = MakeJob(FragileJob);
  Store({{"a.txt", "a 1\ncrash it\nb 2\n"}});
  const Result<MapTaskResult> result =
      Map(job->graph(), {{Path(), 9}, {Path(), 100}, {Path(), UINT64_MAX}});
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->rejects.rows, "lines\t" + Path() + "\t4\tcrashed the job's code\tcrash it\n");
  EXPECT_EQ(result->records_read, 3u);
}

// The record is that of one split; the others are as they were.
TEST_F(MapTaskTest, SetsAsideInOneSplitOnly) {
  const std::unique_ptr<Job> job = MakeJob(FragileJob);
  std::string text;
  for (int i = 0; i < 100; ++i) text += "k" + std::to_string(i % 10) + " v\n";
  Store({{"a.txt", text}});
  const std::size_t count = PlanSplits(inputs_, 100).size();
  int differ = 0;
  for (std::size_t split = 0; split < count; ++split) {
    const auto all = Map(job->graph(), {}, 100, split);
    const auto less = Map(job->graph(), {{Path(), 250}}, 100, split);
    ASSERT_TRUE(all.ok() && less.ok());
    EXPECT_EQ(all->records_read, less->records_read);
    if (all->digest == less->digest) continue;
    ++differ;
    EXPECT_EQ(less->rejects.count, 1u);
    EXPECT_EQ(less->run.info.record_count + 1, all->run.info.record_count);
  }
  EXPECT_EQ(differ, 1);
}

// The first mark that differs is that of the first key whose records do.
TEST_F(MapTaskTest, MarksTellWhereRunsDiffer) {
  const std::unique_ptr<Job> job = MakeJob(probe::ConcatenateJob);
  const auto text = [](int changed) {
    std::string lines;
    for (int i = 999; i >= 0; --i)
      lines += "key" + std::to_string(1000 + i) + (i == changed ? " other\n" : " value\n");
    return lines;
  };
  Store({{"a.txt", text(-1)}});
  const Result<MapTaskResult> first = Map(job->graph());
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->run.sample.size(), 1000u);
  ASSERT_EQ(first->run.sample_digests.size(), 1000u);
  EXPECT_EQ(first->run.sample_digests.back(), static_cast<std::uint32_t>(first->digest.low));
  for (const int changed : {0, 1, 500, 999}) {
    Store({{"a.txt", text(changed)}});
    const Result<MapTaskResult> other = Map(job->graph());
    ASSERT_TRUE(other.ok());
    ASSERT_EQ(other->run.sample, first->run.sample);
    const auto at =
        std::mismatch(first->run.sample_digests.begin(), first->run.sample_digests.end(),
                      other->run.sample_digests.begin());
    ASSERT_EQ(at.first - first->run.sample_digests.begin(), changed);
  }
  Store({{"a.txt", ""}});
  const Result<MapTaskResult> none = Map(job->graph());
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->run.sample_digests.empty());
  EXPECT_TRUE(none->blocks.empty());
}

}  // namespace
}  // namespace millrace
