// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/combining_table.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <string>
#include <vector>

#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

class CombiningTableTest : public ::testing::Test {
 protected:
  // Counts keys in the table and in a map; the states' first 8 bytes count.
  static void Count(CombiningTable& table, const std::vector<std::string>& keys,
                    std::size_t state_bytes, std::map<std::string, std::uint64_t>* counts) {
    for (std::size_t from = 0; from < keys.size(); from += CombiningTable::kChunkMax) {
      std::vector<Record> records;
      for (std::size_t i = from; i < std::min(keys.size(), from + CombiningTable::kChunkMax); ++i) {
        records.push_back({keys[i], "value"});
      }
      HeldBatch batch(records);
      CombiningTable::Chunk chunk;
      const Result<bool> resolved = table.Resolve(*batch, 0, records.size(), &chunk);
      ASSERT_TRUE(resolved.ok() && *resolved);
      std::size_t new_count = 0;
      for (std::size_t i = 0; i < records.size(); ++i) {
        const std::uint64_t before = (*counts)[records[i].key]++;
        new_count += before == 0;
        EXPECT_EQ((chunk.is_new >> i & 1) != 0, before == 0);
        if (state_bytes == 0) continue;
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(chunk.states[i]) % 8, 0u);
        auto* const count = reinterpret_cast<std::uint64_t*>(chunk.states[i]);
        EXPECT_EQ(*count, before);
        ++*count;
      }
      EXPECT_EQ(static_cast<std::size_t>(std::popcount(chunk.is_new)), new_count);
    }
    EXPECT_EQ(table.key_count(), counts->size());
  }

  static std::map<std::string, std::uint64_t> Taken(CombiningTable& table, std::size_t state_bytes,
                                                    std::uint64_t* charged) {
    std::map<std::string, std::uint64_t> counts;
    auto runs = table.TakeRuns();
    EXPECT_TRUE(runs.ok());
    *charged = 0;
    for (const auto& run : *runs) {
      std::vector<Record> records;
      EXPECT_TRUE(ReadCursor(*run->Read({}), &records).ok());
      *charged += run->charged_bytes();
      for (std::size_t i = 0; i < records.size(); ++i) {
        if (i > 0) {
          EXPECT_LT(records[i - 1].key, records[i].key);
        }
        EXPECT_EQ(records[i].value.size(), state_bytes);
        const bool is_new =
            counts.emplace(records[i].key, state_bytes == 0 ? 1 : SumOf(records[i].value)).second;
        EXPECT_TRUE(is_new);
      }
    }
    return counts;
  }

  MemoryBudget budget_{256 * kMebibyte, 1};
};

TEST_F(CombiningTableTest, CountsLikeAMap) {
  Random random(TestSeed());
  for (const std::size_t state_bytes : {8, 24, 40, 0, 1024}) {
    for (const std::size_t key_bytes_max : {15, 31, 40}) {
      MemoryBudget::Lease lease = budget_.Join();
      CombiningTable table(state_bytes, lease, budget_.total());
      for (int filling = 0; filling < 3; ++filling) {  // Empty again after each.
        std::map<std::string, std::uint64_t> counts;
        std::vector<std::string> keys;
        for (int i = 0; i < 3000; ++i) keys.push_back(NastyKey(random, key_bytes_max));
        for (int i = 0; i < 3000; ++i) keys.push_back(keys[random.Uniform(keys.size())]);
        ASSERT_NO_FATAL_FAILURE(Count(table, keys, state_bytes, &counts));
        std::uint64_t charged = 0;
        const auto taken = Taken(table, state_bytes, &charged);
        if (state_bytes > 0) {
          EXPECT_EQ(taken, counts);
        } else {
          EXPECT_EQ(taken.size(), counts.size());
        }
        EXPECT_TRUE(table.empty());
        EXPECT_EQ(lease.used(), charged);  // What the runs hold, and nothing else.
        lease.Shrink(charged);
      }
    }
  }
  EXPECT_EQ(budget_.used(), 0u);
}

// The borders of the tiers, and keys that differ in zeros at the end alone.
TEST_F(CombiningTableTest, TellsKeysOfEveryLengthApart) {
  MemoryBudget::Lease lease = budget_.Join();
  CombiningTable table(8, lease, budget_.total());
  std::vector<std::string> keys;
  for (int repeat = 0; repeat < 3; ++repeat) {
    for (std::size_t bytes = 0; bytes <= 40; ++bytes) {
      for (const char fill : {'\0', 'a', '\xFF'}) keys.emplace_back(bytes, fill);
    }
  }
  std::map<std::string, std::uint64_t> counts;
  ASSERT_NO_FATAL_FAILURE(Count(table, keys, 8, &counts));
  EXPECT_EQ(counts.size(), 41u + 40 + 40);
  std::uint64_t charged = 0;
  EXPECT_EQ(Taken(table, 8, &charged), counts);
}

TEST_F(CombiningTableTest, GrowsThroughManySizes) {
  MemoryBudget::Lease lease = budget_.Join();
  CombiningTable table(16, lease, budget_.total());
  std::vector<std::string> keys;
  for (int i = 0; i < 300'000; ++i) {
    keys.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i % 3) * 14, 'x'));
  }
  std::map<std::string, std::uint64_t> counts;
  ASSERT_NO_FATAL_FAILURE(Count(table, keys, 16, &counts));
  std::uint64_t charged = 0;
  EXPECT_EQ(Taken(table, 16, &charged), counts);
}

// Beyond 32 MiB the capacity goes up by halves and thirds, which no shift of the hash could follow.
TEST_F(CombiningTableTest, GrowsInSmallerStepsWhenLarge) {
  constexpr std::size_t kStateBytes = 504;
  MemoryBudget::Lease lease = budget_.Join();
  CombiningTable table(kStateBytes, lease, budget_.total());
  std::vector<std::string> keys;
  for (int i = 0; i < 100'000; ++i) keys.push_back(std::to_string(i));
  keys.insert(keys.end(), keys.begin(), keys.begin() + 70'000);
  std::map<std::string, std::uint64_t> counts;
  ASSERT_NO_FATAL_FAILURE(Count(table, keys, kStateBytes, &counts));
  const std::uint64_t cells = 196'608;  // Three quarters of the next power of two.
  EXPECT_LT(lease.used(), (cells + 10'000) * (16 + kStateBytes));
  EXPECT_GT(lease.used(), cells * (16 + kStateBytes));
  std::uint64_t charged = 0;
  EXPECT_EQ(Taken(table, kStateBytes, &charged), counts);
}

// A chunk finds room as a whole or adds nothing; after a seal there is room again.
TEST_F(CombiningTableTest, SaysWhenTheBudgetIsShort) {
  Random random(TestSeed());
  MemoryBudget budget(2 * kMebibyte, 1);
  MemoryBudget::Lease lease = budget.Join();
  CombiningTable table(8, lease, budget.total());
  std::map<std::string, std::uint64_t> expected, found;
  int seals = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<Record> records;
    for (std::size_t k = 1 + random.Uniform(64); k > 0; --k) {
      records.push_back(
          {std::to_string(random.Uniform(100'000)) + std::string(random.Uniform(3) * 15, 'x'), ""});
    }
    HeldBatch batch(records);
    CombiningTable::Chunk chunk;
    Result<bool> resolved = table.Resolve(*batch, 0, records.size(), &chunk);
    ASSERT_TRUE(resolved.ok());
    if (!*resolved) {
      ++seals;
      std::uint64_t charged = 0;
      for (const auto& [key, count] : Taken(table, 8, &charged)) found[key] += count;
      lease.Shrink(charged);
      resolved = table.Resolve(*batch, 0, records.size(), &chunk);
      ASSERT_TRUE(resolved.ok() && *resolved);
    }
    EXPECT_LE(lease.used(), budget.total());
    for (std::size_t r = 0; r < records.size(); ++r) {
      ++*reinterpret_cast<std::uint64_t*>(chunk.states[r]);
      ++expected[records[r].key];
    }
  }
  std::uint64_t charged = 0;
  for (const auto& [key, count] : Taken(table, 8, &charged)) found[key] += count;
  EXPECT_EQ(found, expected);
  EXPECT_GT(seals, 3);
}

TEST_F(CombiningTableTest, NoTableFitsATinyBudget) {
  MemoryBudget budget(4096, 1);
  MemoryBudget::Lease lease = budget.Join();
  CombiningTable table(8, lease, budget.total());
  for (const std::size_t bytes : {3, 20, 50}) {
    const std::vector<Record> records = {{std::string(bytes, 'k'), ""}};
    HeldBatch batch(records);
    CombiningTable::Chunk chunk;
    const Result<bool> resolved = table.Resolve(*batch, 0, 1, &chunk);
    ASSERT_TRUE(resolved.ok());
    EXPECT_FALSE(*resolved);
    EXPECT_TRUE(table.empty());
  }
}

}  // namespace
}  // namespace millrace
