// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/run_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "mapreduce/shuffle/record_sinks.h"
#include "mapreduce/shuffle/retaining_sink.h"
#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

class RunStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<RunStore> MakeStore(std::uint64_t retained_bytes_max) {
    return std::make_unique<RunStore>(LocalFileSystem(), budget_,
                                      RunStoreOptions{.directory = folder_.Path(""),
                                                      .name = "stage-" + std::to_string(++stores_),
                                                      .block_bytes = 500,
                                                      .retained_bytes_max = retained_bytes_max,
                                                      .sample_capacity = 64});
  }

  // A run in memory or in a file, whose values say (task, sequence, index).
  void AddRun(RunStore& store, RunOrder order, bool in_memory, std::size_t record_count,
              std::size_t key_bytes_max = 3) {
    const std::vector<Record> records =
        NastyRecords(random_, record_count, key_bytes_max,
                     std::to_string(order.task) + "." + std::to_string(order.sequence) + ".");
    if (in_memory) {
      MemoryRunSink sink;
      EmitBatch batch(sink);
      for (const Record& record : records) Emit(batch, record.key, record.value);
      batch.Flush();
      const auto run = sink.TakeRun();
      ASSERT_TRUE(store.TryRetain(run->charged_bytes()));
      store.AddMemory(order, run, run->charged_bytes());
    } else {
      const std::unique_ptr<RunWriter> writer = store.NewWriter();
      for (const Record& record : records) writer->Add(MakeRecordView(record.key, record.value));
      ASSERT_TRUE(store.AddFile(order, *writer).ok());
    }
    added_.emplace_back(order, records);
  }

  // What all runs hold by (key, run, position).
  std::vector<Record> Expected() {
    std::sort(added_.begin(), added_.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Record> all;
    for (const auto& [order, records] : added_) {
      all.insert(all.end(), records.begin(), records.end());
    }
    std::stable_sort(all.begin(), all.end(), RecordKeyLess);
    return all;
  }

  TestFolder folder_;
  Random random_{TestSeed()};
  MemoryBudget budget_{64 * kMebibyte, 2};
  std::vector<std::pair<RunOrder, std::vector<Record>>> added_;
  int stores_ = 0;
};

// Only what one table leaves has no key twice; a second one may have the first one's keys.
TEST_F(RunStoreTest, KeysAreDistinctInOneTable) {
  const auto add = [&](RunStore& store, std::uint64_t table, const std::string& key) {
    const std::unique_ptr<RunWriter> writer = store.NewWriter();
    writer->Add(MakeRecordView(key, "1"));
    ASSERT_TRUE(store.AddFile({}, *writer, table).ok());
  };
  const auto store = MakeStore(0);
  EXPECT_TRUE(store->has_distinct_keys());
  const std::uint64_t table = store->NewTable();
  add(*store, table, "a");
  add(*store, table, "b");
  EXPECT_TRUE(store->has_distinct_keys());
  add(*store, store->NewTable(), "a");
  EXPECT_FALSE(store->has_distinct_keys());
  const auto other = MakeStore(0);
  AddRun(*other, {}, /*in_memory=*/false, 10);
  EXPECT_FALSE(other->has_distinct_keys());
}

TEST_F(RunStoreTest, ReadsRunsInTheirOrderWhoeverCameFirst) {
  for (const std::size_t fan_in : {2, 3, 8, 100}) {
    for (const std::uint64_t memory_share : {0, 1, 2, 3}) {  // Of three runs so many in memory.
      added_.clear();
      const auto store = MakeStore(16 * kMebibyte);
      std::vector<RunOrder> orders;
      for (std::uint64_t task = 0; task < 12; ++task) {
        for (std::uint64_t i = random_.Uniform(4); i > 0; --i) orders.push_back({task, i});
      }
      for (std::size_t i = orders.size(); i > 1; --i) {
        std::swap(orders[i - 1], orders[random_.Uniform(i)]);
      }
      for (const RunOrder& order : orders) {
        AddRun(*store, order, random_.Uniform(3) < memory_share, random_.Uniform(100));
      }
      const Status finished = store->Finish({fan_in}, nullptr, nullptr);
      ASSERT_TRUE(finished.ok()) << finished.message();
      EXPECT_LE(store->file_count(), std::max<std::size_t>(fan_in, 2));
      const std::vector<Record> expected = Expected();
      EXPECT_EQ(store->record_count(), expected.size());
      const Result<std::vector<Record>> read = ReadStore(*store);
      ASSERT_TRUE(read.ok()) << read.error().message();
      EXPECT_TRUE(*read == expected) << fan_in;
    }
  }
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(RunStoreTest, RangesTogetherAreTheWhole) {
  const auto store = MakeStore(16 * kMebibyte);
  for (std::uint64_t task = 0; task < 9; ++task) {
    AddRun(*store, {task, 0}, task % 2 == 0, 200, 12);
    KeySampler sample(64);
    for (const Record& record : added_.back().second) sample.Offer(record.key);
    store->AddSample(sample);
  }
  ASSERT_TRUE(store->Finish({4}, nullptr, nullptr).ok());
  const std::vector<std::string> borders = store->Borders(10);
  EXPECT_EQ(borders.size(), 9u);
  std::vector<Record> all;
  KeyRange range;
  for (std::size_t part = 0; part <= borders.size(); ++part) {
    range.end = part < borders.size() ? std::optional(borders[part]) : std::nullopt;
    const Result<std::vector<Record>> read = ReadStore(*store, range);
    ASSERT_TRUE(read.ok());
    all.insert(all.end(), read->begin(), read->end());
    range.begin = range.end;
  }
  EXPECT_TRUE(all == Expected());
}

// A cursor of a run in memory is small, but thousands of them are not.
TEST_F(RunStoreTest, VeryManySmallRunsAreMerged) {
  const auto store = MakeStore(32 * kMebibyte);
  for (std::uint64_t task = 0; task < 1500; ++task) AddRun(*store, {task, 0}, true, 3);
  ASSERT_TRUE(store->Finish({8}, nullptr, nullptr).ok());
  EXPECT_LE(store->run_count(), 8u);
  const Result<std::vector<Record>> read = ReadStore(*store);
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(*read == Expected());
  EXPECT_EQ(budget_.used(), 0u);
}

// Five files for a merge of four: two of them are merged, and only those are written again.
TEST_F(RunStoreTest, CountsWhatWasSpilledOnce) {
  const auto store = MakeStore(0);
  for (std::uint64_t task = 0; task < 5; ++task) AddRun(*store, {task, 0}, false, 1000, 20);
  const std::uint64_t before = store->spilled_bytes();
  ASSERT_TRUE(store->Finish({4}, nullptr, nullptr).ok());
  EXPECT_EQ(store->file_count(), 4u);
  EXPECT_GT(store->spilled_bytes(), before + before / 4);
  EXPECT_LT(store->spilled_bytes(), before + before / 2);
}

TEST_F(RunStoreTest, MergesThroughTheCombiner) {
  std::map<std::string, std::uint64_t> expected;
  const auto store = MakeStore(16 * kMebibyte);
  for (std::uint64_t run = 0; run < 30; ++run) {
    std::map<std::string, std::uint64_t> sums;
    for (int i = 0; i < 50; ++i) sums[NastyKey(random_, 3)] += i;
    const std::unique_ptr<RunWriter> writer = store->NewWriter();
    for (const auto& [key, sum] : sums) {
      writer->Add(MakeRecordView(key, SumValue(sum)));
      expected[key] += sum;
    }
    ASSERT_TRUE(store->AddFile({run, 0}, *writer).ok());
  }
  SumOperator combiner;
  ASSERT_TRUE(store->Finish({4}, &combiner, nullptr).ok());
  EXPECT_LE(store->record_count(), 4 * expected.size());
  std::map<std::string, std::uint64_t> found;
  const Result<std::vector<Record>> read = ReadStore(*store);
  ASSERT_TRUE(read.ok());
  for (const Record& record : *read) found[record.key] += SumOf(record.value);
  EXPECT_EQ(found, expected);
}

// What other processes made is read in the same order, and stays, however many merges it takes.
TEST_F(RunStoreTest, ReadsSlicesInTheirOrderAndLeavesThem) {
  std::vector<RunSlice> slices;
  for (std::uint64_t task = 0; task < 20; ++task) {
    const std::vector<Record> records =
        NastyRecords(random_, 100 + random_.Uniform(100), 3, std::to_string(task) + ".");
    const Result<RunInfo> info = WriteRun(folder_.Path("task-" + std::to_string(task)), records,
                                          {.block_bytes = 500, .file_id = 1000 + task});
    ASSERT_TRUE(info.ok());
    const auto run = RunFile::Open(LocalFileSystem(), *info);
    ASSERT_TRUE(run.ok());
    slices.push_back(SliceOf(*info, (*run)->SliceBytes({})));
    added_.emplace_back(RunOrder{0, task}, records);
  }
  const std::vector<Record> expected = Expected();
  const std::size_t files_before = folder_.FileCount();
  for (const MergeLimits& limits :
       {MergeLimits{2}, MergeLimits{3}, MergeLimits{8}, MergeLimits{19}, MergeLimits{20},
        MergeLimits{20, 3000}, MergeLimits{20, 9600}}) {
    SCOPED_TRACE(std::to_string(limits.fan_in) + " " + std::to_string(limits.block_bytes));
    const auto store = MakeStore(0);
    for (std::size_t task = slices.size(); task-- > 0;) store->AddSlice({0, task}, slices[task]);
    const Status finished = store->Finish(limits, nullptr, nullptr);
    ASSERT_TRUE(finished.ok()) << finished.message();
    // No more are merged than are needed.
    if (limits.block_bytes == UINT64_MAX) {
      EXPECT_EQ(store->file_count(), limits.fan_in);
    } else {
      EXPECT_LT(store->file_count(), limits.fan_in);
      EXPECT_LE(store->block_bytes(), limits.block_bytes);
    }
    const Result<std::vector<Record>> read = ReadStore(*store);
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_TRUE(*read == expected);
    for (const RunSlice& slice : slices) EXPECT_TRUE(CheckRunSlice(LocalFileSystem(), slice).ok());
    for (int i = 0; i < 100; ++i) {
      std::filesystem::remove(
          folder_.Path("stage-" + std::to_string(stores_) + "-" + std::to_string(i) + ".run"));
    }
    ASSERT_EQ(folder_.FileCount(), files_before);
  }
}

// A reduce may have a slice of each of thousands of maps, each in a file of its own.
TEST_F(RunStoreTest, OpensOnlyTheSlicesThatItMerges) {
  const auto store = MakeStore(0);
  for (std::uint64_t task = 0; task < 40; ++task) {
    const std::vector<Record> records = NastyRecords(random_, 10, 3, std::to_string(task) + ".");
    const Result<RunInfo> info = WriteRun(folder_.Path("task-" + std::to_string(task)), records,
                                          {.block_bytes = 500, .file_id = 1000 + task});
    ASSERT_TRUE(info.ok());
    const auto run = RunFile::Open(LocalFileSystem(), *info);
    ASSERT_TRUE(run.ok());
    store->AddSlice({0, task}, SliceOf(*info, (*run)->SliceBytes({})));
    added_.emplace_back(RunOrder{0, task}, records);
  }
  const int next_fd = dup(0);
  close(next_fd);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few = {.rlim_cur = static_cast<rlim_t>(next_fd) + 10, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const Status finished = store->Finish({4}, nullptr, nullptr);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(finished.ok()) << finished.message();
  const Result<std::vector<Record>> read = ReadStore(*store);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_TRUE(*read == Expected());
}

TEST_F(RunStoreTest, KeepsNoMoreThanItMay) {
  const auto store = MakeStore(1000);
  EXPECT_TRUE(store->TryRetain(600));
  EXPECT_FALSE(store->TryRetain(600));
  store->CancelRetain(600);
  EXPECT_TRUE(store->TryRetain(1000));
  EXPECT_EQ(budget_.used(), 1000u);
  MemoryBudget::Lease lease = budget_.Join();
  ASSERT_TRUE(lease.TryGrow(2000));
  store->CancelRetain(500);
  EXPECT_TRUE(store->TryRetain(500, &lease));  // Changes hands.
  EXPECT_EQ(lease.used(), 1500u);
  EXPECT_EQ(budget_.used(), 2500u);
}

TEST_F(RunStoreTest, StopsWhenCancelled) {
  for (const bool in_memory : {false, true}) {
    added_.clear();
    const auto store = MakeStore(16 * kMebibyte);
    for (std::uint64_t task = 0; task < 600; ++task) AddRun(*store, {task, 0}, in_memory, 20);
    CancelToken cancel;
    cancel.Cancel();
    SumOperator combiner;
    EXPECT_EQ(store->Finish({8}, in_memory ? nullptr : &combiner, &cancel).code(),
              StatusCode::kCancelled);
  }
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(RunStoreTest, ALostRunFileIsCorrupt) {
  const auto store = MakeStore(0);
  AddRun(*store, {0, 0}, false, 100);
  std::filesystem::remove(folder_.Path("stage-1-0.run"));
  EXPECT_EQ(store->Finish({8}, nullptr, nullptr).code(), StatusCode::kCorrupt);
}

TEST_F(RunStoreTest, TakesRunsFromManyThreads) {
  const auto store = MakeStore(16 * kMebibyte);
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < 50; ++i) {
          const std::string value = std::to_string(thread) + "." + std::to_string(i);
          RetainingSink sink(*store);
          EmitBatch batch(sink);
          Emit(batch, "key", value);
          batch.Flush();
          EXPECT_TRUE(sink.Close({thread, i}).ok());
        }
      });
    }
  }
  ASSERT_TRUE(store->Finish({8}, nullptr, nullptr).ok());
  const Result<std::vector<Record>> read = ReadStore(*store);
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read->size(), 200u);
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_EQ((*read)[i].value, std::to_string(i / 50) + "." + std::to_string(i % 50));
  }
}

}  // namespace
}  // namespace millrace
