// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/memory_run.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mapreduce/shuffle/record_sinks.h"
#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

std::shared_ptr<const MemoryRun> RunOf(const std::vector<Record>& records) {
  MemoryRunSink sink;
  EmitBatch batch(sink);
  for (const Record& record : records) {
    Emit(batch, record.key, record.value);
    batch.EndRecord();
  }
  batch.Flush();
  EXPECT_TRUE(batch.status().ok());
  return sink.TakeRun();
}

std::vector<Record> Slice(const std::vector<Record>& records, const KeyRange& range) {
  std::vector<Record> slice;
  for (const Record& record : records) {
    if (range.begin && record.key < *range.begin) continue;
    if (range.end && record.key >= *range.end) continue;
    slice.push_back(record);
  }
  return slice;
}

TEST(MemoryRunTest, ReadsBackWhatWasCollected) {
  Random random(TestSeed());
  for (const std::size_t count : {0, 1, 31, 32, 33, 64, 65, 5000}) {
    const std::vector<Record> records = NastyRecords(random, count, 40);
    const auto run = RunOf(records);
    EXPECT_EQ(run->record_count(), count);
    std::vector<Record> read;
    EXPECT_TRUE(ReadCursor(*run->Read({}), &read).ok());
    EXPECT_TRUE(read == records);
  }
}

TEST(MemoryRunTest, RangesAreSlices) {
  Random random(TestSeed());
  const std::vector<Record> records = NastyRecords(random, 500, 6);
  const auto run = RunOf(records);
  for (int i = 0; i < 300; ++i) {
    KeyRange range;
    if (random.Uniform(5) > 0) range.begin = NastyKey(random, 6);
    if (random.Uniform(5) > 0) range.end = NastyKey(random, 6);
    std::vector<Record> read;
    EXPECT_TRUE(ReadCursor(*run->Read(range), &read).ok());
    EXPECT_TRUE(read == Slice(records, range));
  }
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Merges of thousands of runs are charged so much for each.
TEST(MemoryRunTest, CursorTakesWhatIsCharged) {
  Random random(TestSeed());
  const auto run = RunOf(NastyRecords(random, 5000, 40));
  std::vector<std::unique_ptr<RunCursor>> cursors(1000);
  const std::size_t before = mallinfo2().uordblks;
  for (auto& cursor : cursors) {
    cursor = run->Read({});
    std::span<const RecordView> batch;
    while (*cursor->Next(&batch)) {
    }
  }
  EXPECT_LE(mallinfo2().uordblks - before, cursors.size() * MemoryRun::kCursorBytes);
}
#endif

TEST(MemoryRunTest, NeighbouringRangesLoseAndRepeatNothing) {
  Random random(TestSeed());
  const std::vector<Record> records = NastyRecords(random, 500, 4);
  const auto run = RunOf(records);
  std::vector<std::string> borders;
  for (int i = 0; i < 10; ++i) borders.push_back(NastyKey(random, 4));
  std::sort(borders.begin(), borders.end());
  std::vector<Record> read;
  KeyRange range;
  for (const std::string& border : borders) {
    range.end = border;
    EXPECT_TRUE(ReadCursor(*run->Read(range), &read).ok());
    range.begin = border;
  }
  range.end.reset();
  EXPECT_TRUE(ReadCursor(*run->Read(range), &read).ok());
  EXPECT_TRUE(read == records);
}

// Fixed cells: what the key was is in the cell, trailing zeros, too.
TEST(MemoryRunTest, CellsKeepKeysOfEveryLength) {
  for (const std::size_t cell_key_bytes : {16, 32}) {
    for (const std::size_t padding : {0, 8}) {
      std::vector<Record> records;
      for (std::size_t bytes = cell_key_bytes - 16; bytes < cell_key_bytes; ++bytes) {
        records.push_back({std::string(bytes, '\0'), std::string(8, static_cast<char>(bytes))});
      }
      std::string cells;
      for (const Record& record : records) {
        std::string key = record.key;
        key.resize(cell_key_bytes, '\0');
        key.back() = static_cast<char>(record.key.size() + 1);
        cells += key + record.value + std::string(padding, '?');
      }
      const auto run = MemoryRun::OfCells(cells.data(), records.size(),
                                          cell_key_bytes + 8 + padding, cell_key_bytes, 8, {}, 0);
      std::vector<Record> read;
      EXPECT_TRUE(ReadCursor(*run->Read({}), &read).ok());
      EXPECT_EQ(read, records);
      read.clear();
      EXPECT_TRUE(ReadCursor(*run->Read({records[3].key, records[7].key}), &read).ok());
      EXPECT_EQ(read, std::vector<Record>(records.begin() + 3, records.begin() + 7));
    }
  }
}

TEST(MemoryRunTest, ChargesWhatItHolds) {
  std::vector<Record> records(1000, Record{"key", std::string(1000, 'v')});
  // Values that share no head.
  for (std::size_t i = 0; i < records.size(); ++i) records[i].value[0] = i % 2 == 0 ? 'a' : 'b';
  const auto run = RunOf(records);
  EXPECT_GE(run->charged_bytes(), 1000u * (1003 + 8 + 16));
  EXPECT_LE(run->charged_bytes(), 1000u * (1003 + 8 + 16) * 5 / 4);
}

}  // namespace
}  // namespace millrace
