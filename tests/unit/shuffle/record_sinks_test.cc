// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/record_sinks.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "mapreduce/base/failpoint.h"
#include "mapreduce/shuffle/retaining_sink.h"
#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

class RecordSinksTest : public ::testing::Test {
 protected:
  static Status EmitAll(EmitSink& sink, const std::vector<Record>& records) {
    EmitBatch batch(sink);
    for (const Record& record : records) {
      Emit(batch, record.key, record.value);
      batch.EndRecord();
    }
    batch.Flush();
    return batch.status();
  }
  RunStore MakeStore(std::uint64_t retained_bytes_max) {
    return RunStore(LocalFileSystem(), budget_,
                    {.directory = folder_.Path(""),
                     .name = "s" + std::to_string(++stores_),
                     .retained_bytes_max = retained_bytes_max});
  }

  TestFolder folder_;
  Random random_{TestSeed()};
  MemoryBudget budget_{64 * kMebibyte, 1};
  int stores_ = 0;
};

TEST_F(RecordSinksTest, ARunFileHoldsWhatWasEmitted) {
  const std::vector<Record> records = NastyRecords(random_, 3000, 40);
  RunWriter writer(LocalFileSystem(), folder_.Path("run"), {.block_bytes = 1000});
  RunFileSink sink(writer);
  ASSERT_TRUE(EmitAll(sink, records).ok());
  const Result<RunInfo> info = writer.Close();
  ASSERT_TRUE(info.ok());
  std::vector<Record> read;
  EXPECT_TRUE(ReadRun(*info, &read).ok());
  EXPECT_TRUE(read == records);
}

TEST_F(RecordSinksTest, AWritersErrorReachesWhoEmits) {
  RunWriter writer(LocalFileSystem(), folder_.Path("no/such/folder"), {});
  RunFileSink sink(writer);
  EXPECT_FALSE(EmitAll(sink, NastyRecords(random_, 10, 5)).ok());
}

TEST_F(RecordSinksTest, AMemoryRunHoldsWhatWasEmittedAndTheSinkIsEmptyAgain) {
  MemoryRunSink sink;
  for (int i = 0; i < 3; ++i) {
    std::vector<Record> records = NastyRecords(random_, 1000, 40);
    records.push_back({std::string(41, '\xFF'), std::string(300'000, 'v')});
    ASSERT_TRUE(EmitAll(sink, records).ok());
    const std::uint64_t bytes = sink.bytes();
    const auto run = sink.TakeRun();
    EXPECT_EQ(run->charged_bytes(), bytes);
    EXPECT_TRUE(sink.empty());
    EXPECT_EQ(sink.bytes(), 0u);
    std::vector<Record> read;
    EXPECT_TRUE(ReadCursor(*run->Read({}), &read).ok());
    EXPECT_TRUE(read == records);
  }
}

TEST_F(RecordSinksTest, CopyRunStopsAtTheCursorsError) {
  RunWriter writer(LocalFileSystem(), folder_.Path("run"), {});
  TestCursor cursor(NastyRecords(random_, 100, 5), 7, Status::Corrupt("damage"));
  EXPECT_EQ(CopyRun(cursor, writer).code(), StatusCode::kCorrupt);
}

// In memory while the store has room, in a file from there on: the same records.
TEST_F(RecordSinksTest, ARetainingSinkGoesToAFileWhenMemoryEnds) {
  for (const std::uint64_t retained_max : {std::uint64_t{0}, kMebibyte / 2, 8 * kMebibyte}) {
    {
      RunStore store = MakeStore(retained_max);
      RetainingSink sink(store);
      const std::vector<Record> records = NastyRecords(random_, 20'000, 40);
      ASSERT_TRUE(EmitAll(sink, records).ok());
      EXPECT_LE(budget_.used(), retained_max);
      ASSERT_TRUE(sink.Close({0, 0}).ok());
      ASSERT_TRUE(store.Finish({8}, nullptr, nullptr).ok());
      EXPECT_EQ(store.file_count(), retained_max == 8 * kMebibyte ? 0u : 1u);
      EXPECT_EQ(budget_.used() > 0, store.file_count() == 0);
      const Result<std::vector<Record>> read = ReadStore(store);
      ASSERT_TRUE(read.ok());
      EXPECT_TRUE(*read == records);
    }
    EXPECT_EQ(budget_.used(), 0u);
  }
}

TEST_F(RecordSinksTest, ARetainingSinkThatIsGivenUpKeepsNothing) {
  {
    RunStore store = MakeStore(8 * kMebibyte);
    RetainingSink sink(store);
    ASSERT_TRUE(EmitAll(sink, NastyRecords(random_, 1000, 40)).ok());
    EXPECT_GT(budget_.used(), 0u);
  }
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_EQ(folder_.FileCount(), 0u);
}

TEST_F(RecordSinksTest, AnEmptyRetainingSinkMakesNoRun) {
  RunStore store = MakeStore(8 * kMebibyte);
  RetainingSink sink(store);
  ASSERT_TRUE(sink.Close({0, 0}).ok());
  ASSERT_TRUE(store.Finish({8}, nullptr, nullptr).ok());
  EXPECT_EQ(store.run_count(), 0u);
}

}  // namespace
}  // namespace millrace
