// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/bucket_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/shuffle/sort_buffer.h"
#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

class BucketBufferTest : public ::testing::Test {
 protected:
  // The first `first` records go by a SortBuffer, as a collector has them.
  void Open(BucketBuffer& buckets, std::span<const Record> records) {
    SortBuffer first(sort_lease_, 64 * kMebibyte);
    HeldBatch batch(records);
    ASSERT_TRUE(*first.Add(*batch));
    const Result<bool> opened = buckets.Open(first.entries(), first.bytes());
    ASSERT_TRUE(opened.ok() && *opened);
  }
  static bool Add(BucketBuffer& buckets, std::span<const Record> records) {
    HeldBatch batch(records);
    return buckets.Add(*batch);
  }
  static std::vector<Record> Read(const MemoryRun& run, const KeyRange& range) {
    std::vector<Record> records;
    const std::unique_ptr<RunCursor> cursor = run.Read(range);
    std::span<const RecordView> batch;
    while (*cursor->Next(&batch)) {
      EXPECT_FALSE(batch.empty());
      for (const RecordView& view : batch) {
        EXPECT_EQ(view.prefix, KeyPrefix(view.key, view.key_bytes));
        records.push_back({std::string(view.key_view()), std::string(view.value_view())});
      }
    }
    return records;
  }

  Random random_{TestSeed()};
  MemoryBudget budget_{256 * kMebibyte, 2};
  MemoryBudget::Lease sort_lease_ = budget_.Join();
  MemoryBudget::Lease lease_ = budget_.Join();
};

// In any range, whatever the keys, and as often as one asks.
TEST_F(BucketBufferTest, ReadsSortedWhatWasAdded) {
  const std::string common(random_.Uniform(20), 'c');
  std::vector<Record> records;
  for (std::size_t i = 0; i < 20'000; ++i) {
    const std::string key = random_.Uniform(2) == 0 ? NastyKey(random_, 24)
                                                    : common + std::to_string(random_.Uniform(999));
    records.push_back({key, std::to_string(i)});
    if (i % 1000 == 7) records.back().value.append(random_.Uniform(20'000), 'v');
    if (i % 50 == 9) {  // Around the lengths that a byte holds.
      records.back().key.resize(252 + random_.Uniform(6), 'k');
      records.back().value.resize(252 + random_.Uniform(6), 'v');
    }
  }
  BucketBuffer buckets(lease_, 64 * kMebibyte);
  const std::size_t first = 1 + random_.Uniform(5000);
  Open(buckets, {records.data(), first});
  for (std::size_t from = first; from < records.size();) {
    const std::size_t count =
        std::min<std::size_t>(1 + random_.Uniform(200), records.size() - from);
    ASSERT_TRUE(Add(buckets, {records.data() + from, count}));
    from += count;
  }
  const std::uint64_t bytes = buckets.bytes();
  const std::shared_ptr<const MemoryRun> run = buckets.TakeRun();
  EXPECT_EQ(run->record_count(), records.size());
  EXPECT_EQ(run->charged_bytes(), bytes);
  EXPECT_EQ(lease_.used(), bytes);
  lease_.Shrink(bytes);

  std::stable_sort(records.begin(), records.end(), RecordKeyLess);
  EXPECT_TRUE(Read(*run, {}) == records);
  for (int i = 0; i < 100; ++i) {
    KeyRange range;
    if (random_.Uniform(4) > 0) range.begin = records[random_.Uniform(records.size())].key;
    if (random_.Uniform(4) > 0) range.end = records[random_.Uniform(records.size())].key + "\1";
    std::vector<Record> expected;
    for (const Record& record : records) {
      if ((!range.begin || record.key >= *range.begin) && (!range.end || record.key < *range.end))
        expected.push_back(record);
    }
    EXPECT_TRUE(Read(*run, range) == expected);
  }
}

// All or nothing, and what came before stays.
TEST_F(BucketBufferTest, RefusesWhatTheBudgetHasNoRoomFor) {
  MemoryBudget budget(12 * kMebibyte, 1);
  MemoryBudget::Lease lease = budget.Join();
  BucketBuffer buckets(lease, 64 * kMebibyte);
  std::vector<Record> records;
  for (int i = 0; i < 64; ++i) records.push_back({"key" + std::to_string(i), "value"});
  Open(buckets, records);
  std::size_t added = records.size();
  while (Add(buckets, records)) added += records.size();
  EXPECT_LE(lease.used(), 12 * kMebibyte);
  EXPECT_GT(buckets.bytes(), 8 * kMebibyte);
  const std::shared_ptr<const MemoryRun> run = buckets.TakeRun();
  EXPECT_EQ(Read(*run, {}).size(), added);
  EXPECT_FALSE(buckets.is_open());
  lease.Shrink(run->charged_bytes());
}

TEST_F(BucketBufferTest, StaysClosedWhereTheBudgetIsTooSmall) {
  MemoryBudget budget(10'000, 1);
  MemoryBudget::Lease lease = budget.Join();
  BucketBuffer buckets(lease, 64 * kMebibyte);
  const Result<bool> opened = buckets.Open({}, 0);
  ASSERT_TRUE(opened.ok());
  EXPECT_FALSE(*opened);
  EXPECT_FALSE(buckets.is_open());
  EXPECT_EQ(lease.used(), 0u);
}

// To sort a bucket that holds nearly all takes memory that a cursor must not need.
TEST_F(BucketBufferTest, TellsWhenOneBucketHasMuchOfAll) {
  std::vector<Record> records;
  for (int i = 0; i < 100'000; ++i) records.push_back({"key" + std::to_string(i), "v"});
  BucketBuffer buckets(lease_, 128 * kMebibyte);
  Open(buckets, records);
  EXPECT_TRUE(buckets.is_even());
  const std::vector<Record> equal(10'000, {"key5", "v"});
  ASSERT_TRUE(Add(buckets, equal));
  EXPECT_FALSE(buckets.is_even());
  const std::shared_ptr<const MemoryRun> run = buckets.TakeRun();
  EXPECT_GE(run->cursor_bytes(), 10'000 * 2 * sizeof(SortEntry));
  lease_.Shrink(run->charged_bytes());
}

}  // namespace
}  // namespace millrace
