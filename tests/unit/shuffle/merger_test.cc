// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/merger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/test_hooks.h"
#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

using Cursors = std::vector<std::unique_ptr<RunCursor>>;

std::vector<Record> ReadMerger(Merger& merger) {
  std::vector<Record> records;
  while (merger.Next()) {
    records.push_back(
        {std::string(merger.record().key_view()), std::string(merger.record().value_view())});
  }
  return records;
}

TEST(RecordTest, OrdersKeysAsMemcmpThenLength) {
  Random random(TestSeed());
  for (int i = 0; i < 200'000; ++i) {
    const std::string a = NastyKey(random, 40);
    const std::string b = NastyKey(random, 40);
    const RecordView x = MakeRecordView(a, "");
    const RecordView y = MakeRecordView(b, "");
    const int order = a.compare(b);  // char_traits<char> compares unsigned bytes.
    ASSERT_EQ(CompareKeys(x, y) < 0, order < 0) << ::testing::PrintToString(a + "|" + b);
    ASSERT_EQ(CompareKeys(x, y) == 0, order == 0) << ::testing::PrintToString(a + "|" + b);
    ASSERT_EQ(KeyLess(x, y), order < 0);
    ASSERT_EQ(KeyEqual(x, y), order == 0);
    ASSERT_TRUE(KeyEqual(x, x));
  }
}

TEST(RecordTest, TellsZeroPaddingFromZeros) {
  const std::string keys[] = {"",
                              std::string(1, '\0'),
                              std::string(7, '\0'),
                              std::string(8, '\0'),
                              std::string(9, '\0'),
                              std::string("\0a", 2)};
  for (std::size_t i = 0; i < std::size(keys); ++i) {
    for (std::size_t j = 0; j < std::size(keys); ++j) {
      const RecordView a = MakeRecordView(keys[i], "");
      const RecordView b = MakeRecordView(keys[j], "");
      EXPECT_EQ(KeyLess(a, b), i < j) << i << " " << j;
      EXPECT_EQ(KeyEqual(a, b), i == j) << i << " " << j;
    }
  }
}

TEST(MergerTest, MergesStablyAsStableSortDoes) {
  Random random(TestSeed());
  for (std::size_t cursor_count = 0; cursor_count <= 40; ++cursor_count) {
    for (const std::size_t key_bytes_max : {1, 3, 9, 40}) {
      std::vector<Record> expected;
      Cursors cursors;
      for (std::size_t i = 0; i < cursor_count; ++i) {
        const std::size_t count = random.Uniform(4) == 0 ? 0 : random.Uniform(120);
        const std::vector<Record> records =
            NastyRecords(random, count, key_bytes_max, std::to_string(i) + ".");
        expected.insert(expected.end(), records.begin(), records.end());
        cursors.push_back(std::make_unique<TestCursor>(records, 1 + random.Uniform(9)));
      }
      std::stable_sort(expected.begin(), expected.end(), RecordKeyLess);
      Merger merger(std::move(cursors));
      ASSERT_TRUE(merger.Start().ok());
      ASSERT_EQ(ReadMerger(merger), expected) << cursor_count << " " << key_bytes_max;
      ASSERT_TRUE(merger.status().ok());
      for (int again = 0; again < 3; ++again) ASSERT_FALSE(merger.Next());
    }
  }
}

TEST(MergerTest, KeepsKeysOfAllOnesApartFromEndedCursors) {
  const std::string ones(8, '\xFF');
  const std::vector<Record> a = {{ones, "a"}, {ones + "\xFF", "a"}};
  const std::vector<Record> b = {{ones, "b"}};
  Cursors cursors;
  cursors.push_back(std::make_unique<TestCursor>(std::vector<Record>{}, 1));
  cursors.push_back(std::make_unique<TestCursor>(a, 1));
  cursors.push_back(std::make_unique<TestCursor>(std::vector<Record>{{"x", "c"}}, 1));
  cursors.push_back(std::make_unique<TestCursor>(b, 1));
  Merger merger(std::move(cursors));
  ASSERT_TRUE(merger.Start().ok());
  EXPECT_EQ(ReadMerger(merger),
            (std::vector<Record>{{"x", "c"}, {ones, "a"}, {ones, "b"}, {ones + "\xFF", "a"}}));
}

TEST(MergerTest, EndsWithTheErrorOfADamagedCursor) {
  Random random(TestSeed());
  for (const std::size_t cursor_count : {1, 2, 3, 8}) {
    for (std::size_t damaged = 0; damaged < cursor_count; ++damaged) {
      std::vector<Record> expected;
      Cursors cursors;
      for (std::size_t i = 0; i < cursor_count; ++i) {
        const std::vector<Record> records = NastyRecords(random, 50, 3, std::to_string(i) + ".");
        expected.insert(expected.end(), records.begin(), records.end());
        cursors.push_back(std::make_unique<TestCursor>(
            records, 5, i == damaged ? Status::Corrupt("run ", i) : Status::Ok()));
      }
      std::stable_sort(expected.begin(), expected.end(), RecordKeyLess);
      Merger merger(std::move(cursors));
      ASSERT_TRUE(merger.Start().ok());
      const std::vector<Record> records = ReadMerger(merger);
      EXPECT_EQ(merger.status().code(), StatusCode::kCorrupt);
      EXPECT_EQ(merger.status().message(), "run " + std::to_string(damaged));
      ASSERT_LE(records.size(), expected.size());
      expected.resize(records.size());
      EXPECT_EQ(records, expected);
      EXPECT_FALSE(merger.Next());
    }
  }
}

TEST(MergerTest, StartReportsACursorThatFailsAtOnce) {
  Cursors cursors;
  cursors.push_back(std::make_unique<TestCursor>(std::vector<Record>{{"a", "1"}}, 1));
  cursors.push_back(
      std::make_unique<TestCursor>(std::vector<Record>{}, 1, Status::Corrupt("damaged")));
  Merger merger(std::move(cursors));
  EXPECT_EQ(merger.Start().code(), StatusCode::kCorrupt);
  EXPECT_FALSE(merger.Next());
  EXPECT_EQ(merger.status().code(), StatusCode::kCorrupt);
}

// Else nobody would notice if the planted bug did nothing.
TEST(MergerTest, ThePlantedBugMixesUpTheCursorsOfEqualKeys) {
#ifndef MILLRACE_TEST_HOOKS
  GTEST_SKIP() << "built without test hooks";
#else
  class Unstable final : public TestHooks {
    bool Buggify(std::string_view) override { return false; }
    bool Mutation(std::string_view name) override { return name == "unstable_merge"; }
  } bug;
  const auto merge = [] {
    Cursors cursors;
    for (const char* const value : {"1", "2", "3"}) {
      cursors.push_back(std::make_unique<TestCursor>(
          std::vector<Record>{{"a", value}, {"b", value}}, /*batch_records_max=*/2));
    }
    Merger merger(std::move(cursors));
    EXPECT_TRUE(merger.Start().ok());
    return ReadMerger(merger);
  };
  const std::vector<Record> stable = merge();
  EXPECT_EQ(stable, (std::vector<Record>{
                        {"a", "1"}, {"a", "2"}, {"a", "3"}, {"b", "1"}, {"b", "2"}, {"b", "3"}}));
  test_hooks = &bug;
  std::vector<Record> unstable = merge();
  test_hooks = nullptr;
  EXPECT_NE(unstable, stable);
  const auto by_key_and_value = [](const Record& a, const Record& b) {
    return a.key != b.key ? a.key < b.key : a.value < b.value;
  };
  EXPECT_TRUE(std::is_sorted(unstable.begin(), unstable.end(), RecordKeyLess));
  std::sort(unstable.begin(), unstable.end(), by_key_and_value);
  EXPECT_EQ(unstable, stable);
#endif
}

}  // namespace
}  // namespace millrace
