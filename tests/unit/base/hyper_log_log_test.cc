// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/hyper_log_log.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace millrace {
namespace {

HyperLogLog::State Of(std::uint64_t begin, std::uint64_t end) {
  HyperLogLog::State state{};
  for (std::uint64_t i = begin; i < end; ++i) HyperLogLog::Add(state, HyperLogLog::HashOf(i));
  return state;
}

TEST(HyperLogLogTest, IsExactForVeryFewValues) {
  EXPECT_EQ(HyperLogLog::Estimate({}), 0);
  for (std::uint64_t n = 1; n <= 5; ++n) {
    EXPECT_EQ(HyperLogLog::Estimate(Of(0, n)), static_cast<std::int64_t>(n));
  }
}

// Four standard errors of 4.6 %. The hash is fixed, so this passes always or never.
TEST(HyperLogLogTest, IsNearTheTruthForAnySize) {
  for (std::uint64_t n = 10; n <= 2'000'000; n = n * 7 / 4) {
    const auto estimate = static_cast<double>(HyperLogLog::Estimate(Of(1000, 1000 + n)));
    EXPECT_NEAR(estimate, static_cast<double>(n), 0.184 * static_cast<double>(n)) << n;
  }
}

// One estimate could be near by luck.
TEST(HyperLogLogTest, HasTheStandardErrorItSays) {
  for (const std::uint64_t n : {100u, 1'000u, 1'500u, 20'000u}) {
    double squares = 0, sum = 0;
    constexpr int kTrials = 200;
    for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
      const std::uint64_t begin = trial << 32;
      const double error = static_cast<double>(HyperLogLog::Estimate(Of(begin, begin + n))) /
                               static_cast<double>(n) -
                           1;
      squares += error * error;
      sum += error;
    }
    EXPECT_LT(std::sqrt(squares / kTrials), 1.25 * 0.046) << n;
    EXPECT_LT(std::abs(sum / kTrials), 0.02) << n;
  }
}

TEST(HyperLogLogTest, CountsAValueOnce) {
  HyperLogLog::State state = Of(0, 1000);
  const std::int64_t estimate = HyperLogLog::Estimate(state);
  for (std::uint64_t i = 0; i < 1000; ++i) HyperLogLog::Add(state, HyperLogLog::HashOf(i));
  EXPECT_EQ(HyperLogLog::Estimate(state), estimate);
}

TEST(HyperLogLogTest, MergesToTheUnion) {
  HyperLogLog::State left = Of(0, 3000), right = Of(2000, 5000);
  HyperLogLog::State both = left;
  HyperLogLog::Merge(both, right);
  HyperLogLog::Merge(right, left);
  EXPECT_EQ(both.registers, Of(0, 5000).registers);
  EXPECT_EQ(right.registers, both.registers);
}

TEST(HyperLogLogTest, HashesTextByItsBytes) {
  EXPECT_EQ(HyperLogLog::HashOf(std::string("u1")), HyperLogLog::HashOf(std::string_view("u1")));
  EXPECT_NE(HyperLogLog::HashOf(std::string_view("u1")),
            HyperLogLog::HashOf(std::string_view("u2")));
}

}  // namespace
}  // namespace millrace
