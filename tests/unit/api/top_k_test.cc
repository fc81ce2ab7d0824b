// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/top_k.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/call_operators.h"
#include "tests/unit/api/codec_test_types.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(TopKTest, EqualsTheFirstOfAllSorted) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 2'000; ++i) {
    const std::size_t k = random.Uniform(8);
    TopK<int, std::less<>> top(k, {});
    std::vector<int> all;
    for (std::uint64_t n = random.Uniform(60); n > 0; --n) {
      all.push_back(static_cast<int>(random.Uniform(30)));
      top.Offer(all.back());
      if (random.Uniform(20) == 0) {  // Asking in between changes nothing.
        const std::vector<int> now = top.Sorted();
        ASSERT_LE(now.size(), k == 0 ? all.size() : k);
      }
    }
    std::sort(all.begin(), all.end());
    if (k > 0 && all.size() > k) all.resize(k);
    ASSERT_EQ(top.Sorted(), all) << k;
  }
}

TEST(TopKTest, ForgetsWhenCleared) {
  TopK<int, std::less<>> top(2, {});
  for (const int value : {1, 2, 3, 4, 5}) top.Offer(value);
  top.Clear();
  EXPECT_THAT(top.Sorted(), IsEmpty());
  for (const int value : {9, 8, 7}) top.Offer(value);
  EXPECT_THAT(top.Sorted(), ElementsAre(7, 8));
}

struct Score {
  std::string name;
  std::int64_t points = 0;
  MR_FIELDS(Score, name, points)
  friend bool operator==(const Score&, const Score&) = default;
};
bool Better(const Score& a, const Score& b) {
  return a.points != b.points ? a.points > b.points : a.name < b.name;
}

const std::vector<std::pair<std::string, Score>> kScores = {
    {"b", {"x", 1}}, {"a", {"y", 5}}, {"a", {"z", 7}}, {"a", {"x", 5}}, {"a", {"w", 1}}};

TEST(KeepTopTest, KeepsTheFirstOfEachKey) {
  const auto kept = ReduceRecords(KeepTop<std::string, Score, &Better>(2), kScores);
  EXPECT_THAT(kept.records, ElementsAre(Pair("a", Score{"z", 7}), Pair("a", Score{"x", 5}),
                                        Pair("b", Score{"x", 1})));
  EXPECT_EQ(ReduceRecords(KeepTop<std::string, Score, &Better>(0), kScores).records.size(), 5u);
}

TEST(RankTopTest, CountsFromOneForEachKey) {
  const auto ranked = ReduceRecords(RankTop<std::string, Score, &Better>(2), kScores);
  EXPECT_THAT(ranked.records, ElementsAre(Pair(std::tuple("a", 1), Score{"z", 7}),
                                          Pair(std::tuple("a", 2), Score{"x", 5}),
                                          Pair(std::tuple("b", 1), Score{"x", 1})));
  EXPECT_EQ(ReduceRecords(RankTop<std::string, Score, &Better>(0), kScores).records.size(), 5u);
}

}  // namespace
}  // namespace millrace
