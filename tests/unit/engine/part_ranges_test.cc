// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/part_ranges.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace {
namespace {

using Border = std::optional<std::string>;

std::vector<std::pair<Border, Border>> Ranges(const std::vector<std::string>& borders, int parts) {
  std::vector<std::pair<Border, Border>> ranges;
  for (const KeyRange& range : PartRanges(borders, parts))
    ranges.emplace_back(range.begin, range.end);
  return ranges;
}

using Pairs = std::vector<std::pair<Border, Border>>;

TEST(PartRangesTest, CoverAllKeysInOrder) {
  EXPECT_EQ(Ranges({}, 1), (Pairs{{std::nullopt, std::nullopt}}));
  EXPECT_EQ(Ranges({"b", "d"}, 3), (Pairs{{std::nullopt, "b"}, {"b", "d"}, {"d", std::nullopt}}));
}

TEST(PartRangesTest, AreEmptyAtTheEndWhereKeysAreFew) {
  EXPECT_EQ(Ranges({"b"}, 4),
            (Pairs{{std::nullopt, "b"}, {"b", std::nullopt}, {"b", "b"}, {"b", "b"}}));
  EXPECT_EQ(Ranges({}, 2), (Pairs{{std::nullopt, std::nullopt}, {"", ""}}));
}

TEST(SampleCapacityTest, GrowsWithTheParts) {
  EXPECT_EQ(SampleCapacity(1), 1024u);
  EXPECT_EQ(SampleCapacity(16), 1024u);
  EXPECT_EQ(SampleCapacity(32), 2048u);
  EXPECT_EQ(SampleCapacity(64), 4096u);
  EXPECT_EQ(SampleCapacity(256), 4096u);
  EXPECT_EQ(SampleCapacity(10'000), 160'000u);
}

}  // namespace
}  // namespace millrace
