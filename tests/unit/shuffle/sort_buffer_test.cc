// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/sort_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

class SortBufferTest : public ::testing::Test {
 protected:
  // Adds records in batches of up to 64 until one finds no room; returns how many went in.
  static std::size_t Fill(SortBuffer& buffer, const std::vector<Record>& records) {
    for (std::size_t from = 0; from < records.size(); from += 64) {
      const std::size_t count = std::min<std::size_t>(64, records.size() - from);
      HeldBatch batch({records.data() + from, count});
      const Result<bool> added = buffer.Add(*batch);
      EXPECT_TRUE(added.ok());
      if (!*added) return from;
    }
    return records.size();
  }
  static std::vector<Record> RandomRecords(Random& random, std::size_t count,
                                           std::size_t value_bytes) {
    std::vector<Record> records;
    for (std::size_t i = 0; i < count; ++i) {
      records.push_back({NastyKey(random, 20), std::to_string(i)});
      records.back().value.resize(value_bytes + random.Uniform(10), 'v');
    }
    return records;
  }
  static std::vector<Record> Sorted(std::vector<Record> records) {
    std::stable_sort(records.begin(), records.end(), RecordKeyLess);
    return records;
  }
  std::vector<Record> ReadStored() {
    const Status finished = store_.Finish({8}, nullptr, nullptr);
    EXPECT_TRUE(finished.ok()) << finished.message();
    const Result<std::vector<Record>> records = ReadStore(store_);
    EXPECT_TRUE(records.ok()) << records.error().message();
    return *records;
  }

  TestFolder folder_;
  MemoryBudget budget_{32 * kMebibyte, 1};
  RunStore store_{
      LocalFileSystem(),
      budget_,
      {.directory = folder_.Path(""), .name = "s", .retained_bytes_max = 16 * kMebibyte}};
};

TEST_F(SortBufferTest, ReadsSortedWhatWasAddedAgainAndAgain) {
  Random random(TestSeed());
  MemoryBudget::Lease lease = budget_.Join();
  SortBuffer buffer(lease, budget_.total());
  for (int filling = 0; filling < 10; ++filling) {
    const std::vector<Record> records =
        RandomRecords(random, 1 + random.Uniform(3000), random.Uniform(200));
    ASSERT_EQ(Fill(buffer, records), records.size());
    EXPECT_EQ(buffer.record_count(), records.size());
    buffer.Sort();
    std::vector<Record> read;
    EXPECT_TRUE(ReadCursor(*buffer.Read(), &read).ok());
    EXPECT_TRUE(read == Sorted(records));
    buffer.Clear();
    EXPECT_TRUE(buffer.empty());
  }
}

TEST_F(SortBufferTest, TakesNoMoreThanTheBudgetHas) {
  Random random(TestSeed());
  MemoryBudget budget(4 * kMebibyte, 2);
  {
    MemoryBudget::Lease lease = budget.Join();
    SortBuffer buffer(lease, budget.total());
    const std::vector<Record> records = RandomRecords(random, 100'000, 30);
    const std::size_t added = Fill(buffer, records);
    EXPECT_LT(added, records.size());
    EXPECT_GT(added, 20'000u);                // Of some 90 bytes each.
    EXPECT_EQ(buffer.record_count(), added);  // All of a batch, or none.
    EXPECT_LE(lease.used(), budget.total());
    buffer.Sort();
    std::vector<Record> read;
    EXPECT_TRUE(ReadCursor(*buffer.Read(), &read).ok());
    EXPECT_TRUE(read ==
                Sorted({records.begin(), records.begin() + static_cast<std::ptrdiff_t>(added)}));
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST_F(SortBufferTest, UsesTheLastBytesOfItsBudget) {
  MemoryBudget budget(400'000, 4);  // A guarantee of 25,000 bytes: less than a usual step.
  std::vector<MemoryBudget::Lease> others;
  for (int i = 0; i < 3; ++i) others.push_back(budget.Join());
  for (auto& other : others) ASSERT_TRUE(other.TryGrow(other.TryGrow(75'000) ? 20'000 : 95'000));
  MemoryBudget::Lease lease = budget.Join();
  SortBuffer buffer(lease, budget.total());
  HeldBatch batch(std::vector<Record>(64, Record{"key", std::string(100, 'v')}));
  EXPECT_TRUE(*buffer.Add(*batch));
  EXPECT_TRUE(*buffer.Add(*batch));
}

std::uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

// Pages of large records must not stay beside the index of many small ones.
TEST_F(SortBufferTest, PagesStayWithinTheChargeWhenRecordsChange) {
#if MR_EXACT_LOADS
  GTEST_SKIP() << "a sanitizer's own memory is resident, too";
#endif
  MemoryBudget budget(64 * kMebibyte, 1);
  MemoryBudget::Lease lease = budget.Join();
  SortBuffer buffer(lease, budget.total());
  const std::vector<Record> large(60, Record{"key", std::string(kMebibyte, 'v')});
  const std::vector<Record> small(64, Record{"k", "v"});
  const std::uint64_t before = ResidentBytes();
  std::uint64_t most = 0;
  for (int round = 0; round < 2; ++round) {
    for (const Record& record : large) {
      HeldBatch batch({&record, 1});
      if (!*buffer.Add(*batch)) break;
    }
    buffer.Sort();
    buffer.Clear();
    HeldBatch batch(small);
    while (*buffer.Add(*batch)) {
    }
    buffer.Sort();
    most = std::max(most, ResidentBytes() - before);
    buffer.Clear();
  }
  EXPECT_LE(most, budget.total() + 8 * kMebibyte);
}

}  // namespace
}  // namespace millrace
