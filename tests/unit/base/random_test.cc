// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/random.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace {
namespace {

// Frozen: results of jobs depend on them.
TEST(RandomTest, IsTheSameForEver) {
  Random random(0);
  EXPECT_EQ(random.Next(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(random.Next(), 0xbf6e1f784956452au);
}

TEST(RandomTest, UniformCoversItsRangeEvenly) {
  Random random(3);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts.at(random.Uniform(7));
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
  // A range where plain scaling would be visibly biased: 3/4 of 2^64 hits the lower half 2:1.
  int low_count = 0;
  constexpr std::uint64_t kLarge = std::uint64_t{3} << 62;
  for (int i = 0; i < 30000; ++i) low_count += random.Uniform(kLarge) < kLarge / 3;
  EXPECT_NEAR(low_count, 10000, 500);
  EXPECT_EQ(random.Uniform(1), 0u);
}

TEST(RandomTest, RealIsBelowOne) {
  Random random(4);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double real = random.Real();
    ASSERT_GE(real, 0);
    ASSERT_LT(real, 1);
    sum += real;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

}  // namespace
}  // namespace millrace
