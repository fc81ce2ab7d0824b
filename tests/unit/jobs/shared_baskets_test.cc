// SPDX-License-Identifier: Apache-2.0
#include "jobs/shared_baskets.h"

#include <cstdint>
#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(SharedBasketsTest, CountsAndWeighsTheBasketsWithATrack) {
  SharedBaskets shared(4, /*has_weights=*/true);
  EXPECT_TRUE(shared.Add(2, {0, 2}, 10));
  EXPECT_TRUE(shared.Add(2, {0, 2, 3}, 7));
  EXPECT_THAT(shared.seen(), UnorderedElementsAre(0, 2, 3));
  EXPECT_EQ(shared.count(0), 2);
  EXPECT_EQ(shared.weight(0), 17u);
  EXPECT_EQ(shared.count(3), 1);
  EXPECT_EQ(shared.weight(3), 7u);
  EXPECT_EQ(shared.count(1), 0);
}

TEST(SharedBasketsTest, WithoutWeightsABasketWeighsOne) {
  SharedBaskets shared(3, /*has_weights=*/false);
  EXPECT_TRUE(shared.Add(1, {0, 1}, 10));
  EXPECT_TRUE(shared.Add(1, {0, 1, 2}, 10));
  EXPECT_EQ(shared.weight(0), 2u);
}

// All tracks at once, so that the list of those seen is full; and after a sum that was too large.
TEST(SharedBasketsTest, BeginsAnewAfterWhateverWasThere) {
  for (const bool has_weights : {false, true}) {
    SharedBaskets shared(3, has_weights);
    for (int repeat = 0; repeat < 3; ++repeat) {
      EXPECT_TRUE(shared.Add(0, {0, 1, 2}, 1));
      EXPECT_TRUE(shared.Add(0, {0, 1, 2}, UINT64_MAX - 1));
      EXPECT_EQ(shared.Add(0, {0, 2}, 1), !has_weights);
      EXPECT_THAT(shared.seen(), UnorderedElementsAre(0, 1, 2));
      shared.Clear();
      EXPECT_THAT(shared.seen(), IsEmpty());
      for (const std::uint32_t track : {0, 1, 2}) {
        EXPECT_EQ(shared.count(track), 0);
        EXPECT_EQ(shared.weight(track), 0u);
      }
    }
  }
}

}  // namespace
}  // namespace millrace
