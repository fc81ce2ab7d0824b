// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/merge_passes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

class MergePassesTest : public ::testing::Test {
 protected:
  MergePassesTest() : random_(TestSeed()) {
    options_.block_bytes = 300;
    options_.new_run = [this] {
      ++merge_count_;
      return NewRun{folder_.Path("merged" + std::to_string(merge_count_)), 1000 + merge_count_};
    };
  }

  // Adds a run file and its records to `all_`.
  void AddRun(std::size_t record_count, std::size_t key_bytes_max) {
    const std::size_t i = runs_.size();
    const std::vector<Record> records =
        NastyRecords(random_, record_count, key_bytes_max, std::to_string(i) + ".");
    all_.insert(all_.end(), records.begin(), records.end());
    Result<RunInfo> run = WriteRun(folder_.Path("run" + std::to_string(i)), records,
                                   {.block_bytes = 200, .file_id = i});
    ASSERT_TRUE(run.ok()) << run.error().message();
    runs_.push_back(*std::move(run));
  }

  // The records of merging `runs` by (key, index).
  static std::vector<Record> MergeAll(const std::vector<RunInfo>& runs) {
    std::vector<Record> records;
    for (const RunInfo& run : runs) EXPECT_TRUE(ReadRun(run, &records).ok());
    std::stable_sort(records.begin(), records.end(), RecordKeyLess);
    return records;
  }

  TestFolder folder_;
  Random random_;
  std::vector<RunInfo> runs_;
  std::vector<Record> all_;
  std::uint64_t merge_count_ = 0;
  MergePassOptions options_;
};

// Adds up decimal values of equal keys.
class SumCombiner final : public RecordCombiner {
 public:
  Status Combine(Merger& in, RunWriter& out) override {
    std::string key;
    std::uint64_t sum = 0;
    bool has_key = false;
    const auto flush = [&] {
      if (has_key) out.Add(MakeRecordView(key, std::to_string(sum)));
    };
    while (in.Next()) {
      if (!has_key || in.record().key_view() != key) {
        flush();
        has_key = true;
        key = in.record().key_view();
        sum = 0;
      }
      sum += std::stoull(std::string(in.record().value_view()));
    }
    flush();
    return Status::Ok();
  }
};

// Of runs with giant records no more are left, and none more merged at once, than can be open.
TEST_F(MergePassesTest, MergesRunsWhoseBlocksAreTooLargeTogether) {
  constexpr std::size_t kGiantBytes = 100'000;
  for (std::size_t i = 0; i < 9; ++i) {
    AddRun(10, 3);
    if (i % 2 == 0) continue;
    const std::string name = std::to_string(i);
    const std::vector<Record> giant = {{"k" + name, std::string(kGiantBytes, 'v')}, {"z", name}};
    all_.insert(all_.end(), giant.begin(), giant.end());
    const Result<RunInfo> run =
        WriteRun(folder_.Path("giant" + name), giant, {.block_bytes = 200, .file_id = 100 + i});
    ASSERT_TRUE(run.ok());
    runs_.push_back(*run);
  }
  options_.fan_in_max = 20;
  options_.total_block_bytes_max = 2 * kGiantBytes + 20'000;
  const Result<std::vector<RunInfo>> merged = MergePasses(LocalFileSystem(), runs_, options_);
  ASSERT_TRUE(merged.ok()) << merged.error().message();
  std::uint64_t block_bytes = 0;
  for (const RunInfo& run : *merged) block_bytes += run.block_bytes_max;
  EXPECT_LE(block_bytes, options_.total_block_bytes_max);
  EXPECT_GT(block_bytes, kGiantBytes);
  EXPECT_EQ(folder_.FileCount(), merged->size());
  std::stable_sort(all_.begin(), all_.end(), RecordKeyLess);
  EXPECT_EQ(MergeAll(*merged), all_);
  // Where not even two fit, one is left.
  options_.total_block_bytes_max = 1;
  const Result<std::vector<RunInfo>> one = MergePasses(LocalFileSystem(), *merged, options_);
  ASSERT_TRUE(one.ok()) << one.error().message();
  EXPECT_EQ(one->size(), 1u);
  EXPECT_EQ(MergeAll(*one), all_);
}

TEST_F(MergePassesTest, KeepsOrderAndDeletesInputs) {
  for (const std::size_t count : {1, 2, 4, 5, 7, 16, 23}) {
    runs_.clear();
    all_.clear();
    for (std::size_t i = 0; i < count; ++i) AddRun(random_.Uniform(100), 3);
    options_.fan_in_max = 4;
    const Result<std::vector<RunInfo>> merged = MergePasses(LocalFileSystem(), runs_, options_);
    ASSERT_TRUE(merged.ok()) << merged.error().message();
    EXPECT_EQ(merged->size(), std::min<std::size_t>(count, 4));
    EXPECT_EQ(folder_.FileCount(), merged->size());
    std::stable_sort(all_.begin(), all_.end(), RecordKeyLess);
    EXPECT_EQ(MergeAll(*merged), all_);
    for (const RunInfo& run : *merged) std::filesystem::remove(run.path);
  }
}

TEST_F(MergePassesTest, LeavesFewEnoughRunsAlone) {
  for (int i = 0; i < 5; ++i) AddRun(10, 3);
  options_.fan_in_max = 5;
  const Result<std::vector<RunInfo>> merged = MergePasses(LocalFileSystem(), runs_, options_);
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merge_count_, 0u);
  EXPECT_EQ(merged->size(), 5u);
  EXPECT_EQ(merged->front().path, runs_.front().path);
}

TEST_F(MergePassesTest, MergesNoMoreThanNeededAndTheSmallest) {
  for (const int count : {50, 50, 10, 10, 50}) AddRun(static_cast<std::size_t>(count), 3);
  options_.fan_in_max = 4;
  const Result<std::vector<RunInfo>> merged = MergePasses(LocalFileSystem(), runs_, options_);
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merge_count_, 1u);
  ASSERT_EQ(merged->size(), 4u);
  EXPECT_EQ((*merged)[1].path, runs_[1].path);
  EXPECT_EQ((*merged)[2].record_count, 20u);
  EXPECT_EQ((*merged)[3].path, runs_[4].path);
}

TEST_F(MergePassesTest, PassesEqualKeysThroughTheCombiner) {
  std::map<std::string, std::uint64_t> expected;
  std::vector<RunInfo> runs;
  for (std::uint64_t i = 0; i < 20; ++i) {
    std::map<std::string, std::uint64_t> counts;
    for (int n = 0; n < 100; ++n) counts[NastyKey(random_, 3)] += 1 + i;
    std::vector<Record> records;
    for (const auto& [key, sum] : counts) {
      records.push_back({key, std::to_string(sum)});
      expected[key] += sum;
    }
    Result<RunInfo> run =
        WriteRun(folder_.Path("run" + std::to_string(i)), records, {.file_id = i});
    ASSERT_TRUE(run.ok());
    runs.push_back(*std::move(run));
  }
  SumCombiner combiner;
  options_.combiner = &combiner;
  options_.fan_in_max = 2;
  const Result<std::vector<RunInfo>> merged = MergePasses(LocalFileSystem(), runs, options_);
  ASSERT_TRUE(merged.ok()) << merged.error().message();
  ASSERT_EQ(merged->size(), 2u);
  std::map<std::string, std::uint64_t> sums;
  std::uint64_t record_count = 0;
  for (const Record& record : MergeAll(*merged)) {
    sums[record.key] += std::stoull(record.value);
    ++record_count;
  }
  EXPECT_EQ(sums, expected);
  EXPECT_LE(record_count, 2 * expected.size());
}

TEST_F(MergePassesTest, NeverLosesRecordsToACombinerThatStopsEarly) {
  class Lazy final : public RecordCombiner {
    Status Combine(Merger& in, RunWriter&) override {
      in.Next();
      return Status::Ok();
    }
  };
  for (int i = 0; i < 3; ++i) AddRun(10, 3);
  Lazy lazy;
  options_.combiner = &lazy;
  options_.fan_in_max = 2;
  EXPECT_EQ(MergePasses(LocalFileSystem(), runs_, options_).error().code(), StatusCode::kInternal);
  EXPECT_EQ(folder_.FileCount(), 3u);  // The inputs, and no half-written run.
}

TEST_F(MergePassesTest, ADamagedInputEndsItAndRemovesTheHalfWrittenRun) {
  for (int i = 0; i < 3; ++i) AddRun(100, 3);
  std::string bytes = FileBytes(runs_[1].path);
  bytes[bytes.size() / 2] ^= 1;
  SetFileBytes(runs_[1].path, bytes);
  options_.fan_in_max = 2;
  const Result<std::vector<RunInfo>> merged = MergePasses(LocalFileSystem(), runs_, options_);
  EXPECT_EQ(merged.error().code(), StatusCode::kCorrupt);
  EXPECT_EQ(folder_.FileCount(), 3u);
}

TEST_F(MergePassesTest, StopsWhenCancelled) {
  for (int i = 0; i < 3; ++i) AddRun(5000, 3);
  CancelToken cancel;
  cancel.Cancel();
  options_.fan_in_max = 2;
  options_.cancel = &cancel;
  EXPECT_EQ(MergePasses(LocalFileSystem(), runs_, options_).error().code(), StatusCode::kCancelled);
  EXPECT_EQ(folder_.FileCount(), 3u);
}

}  // namespace
}  // namespace millrace
