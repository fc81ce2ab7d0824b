// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reduce_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace millrace {
namespace {

using ::testing::ElementsAre;

std::vector<ReduceRange> RangesOfParts(const std::vector<std::size_t>& parts) {
  std::vector<ReduceRange> ranges;
  for (const std::size_t part : parts) ranges.push_back({{}, part});
  return ranges;
}

TEST(StartOrderTest, GivesEachSlotAPartOfItsOwn) {
  EXPECT_THAT(StartOrder(RangesOfParts({0, 0, 1, 1, 2, 2, 3}), 2),
              ElementsAre(0, 2, 1, 3, 4, 6, 5));
}

TEST(StartOrderTest, IsTheKeysOrderForOneSlotOrOnePart) {
  EXPECT_THAT(StartOrder(RangesOfParts({0, 0, 1, 2}), 1), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(StartOrder(RangesOfParts({0, 0, 0}), 7), ElementsAre(0, 1, 2));
  EXPECT_THAT(StartOrder({}, 2), ElementsAre());
}

}  // namespace
}  // namespace millrace
