// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/exact_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "mapreduce/base/random.h"

namespace millrace {
namespace {

using Limits = std::numeric_limits<double>;

constexpr double kLeast = Limits::denorm_min();
constexpr double kMost = Limits::max();

std::uint64_t TestSeed() {
  const char* const given = std::getenv("MILLRACE_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

double SumOf(const std::vector<double>& values) {
  ExactSum::State state{};
  for (const double value : values) ExactSum::Add(state, value);
  return ExactSum::Rounded(state);
}

// Any bits that are a finite number.
double AnyDouble(Random& random) {
  double value;
  do {
    value = std::bit_cast<double>(random.Next());
  } while (!std::isfinite(value));
  return value;
}

TEST(ExactSumTest, IsZeroOfNothing) {
  EXPECT_EQ(SumOf({}), 0.0);
  EXPECT_FALSE(std::signbit(SumOf({})));
  EXPECT_FALSE(std::signbit(SumOf({-0.0, -0.0})));
  EXPECT_FALSE(std::signbit(SumOf({1.5, -1.5})));
}

TEST(ExactSumTest, GivesASingleValueBack) {
  for (const double value : {1.0, -1.0, 0.1, -0.1, kLeast, -kLeast, kMost, -kMost, Limits::min(),
                             -Limits::min(), Limits::min() - kLeast, 2 * Limits::min(), 0x1p63}) {
    EXPECT_EQ(SumOf({value}), value);
  }
  Random random(TestSeed());
  for (int i = 0; i < 10'000; ++i) {
    const double value = AnyDouble(random);
    EXPECT_EQ(SumOf({value}), value) << "MILLRACE_TEST_SEED=" << TestSeed();
  }
}

TEST(ExactSumTest, LosesNothingToCancellation) {
  EXPECT_EQ(SumOf({1e308, 1.0, -1e308}), 1.0);
  EXPECT_EQ(SumOf({kMost, kLeast, -kMost}), kLeast);
  EXPECT_EQ(SumOf({1e16, 1.0, 1.0, -1e16}), 2.0);
  EXPECT_EQ(SumOf({-1e16, -1.0, 1e16}), -1.0);
}

TEST(ExactSumTest, PassesBeyondTheLargestDoubleAndBack) {
  EXPECT_EQ(SumOf({kMost, kMost, kMost, -kMost, -kMost}), kMost);
  EXPECT_EQ(SumOf({-kMost, -kMost, -kMost, kMost, kMost}), -kMost);
}

TEST(ExactSumTest, OverflowsToInfinityOnlyAtTheEnd) {
  EXPECT_EQ(SumOf({kMost, kMost}), Limits::infinity());
  EXPECT_EQ(SumOf({-kMost, -kMost}), -Limits::infinity());
  // Half a unit in the last place beyond the largest double is the tie that rounds away from it.
  EXPECT_EQ(SumOf({kMost, 0x1p970}), Limits::infinity());
  EXPECT_EQ(SumOf({kMost, 0x1p970, -kLeast}), kMost);
}

TEST(ExactSumTest, RoundsOnceToTheNearestAndTiesToEven) {
  const double ulp = 0x1p-52;  // Of 1.
  EXPECT_EQ(SumOf({1.0, ulp / 2}), 1.0);
  EXPECT_EQ(SumOf({1.0, ulp / 2, kLeast}), 1.0 + ulp);
  EXPECT_EQ(SumOf({1.0, ulp / 2, -kLeast}), 1.0);
  EXPECT_EQ(SumOf({1.0 + ulp, ulp / 2}), 1.0 + 2 * ulp);
  EXPECT_EQ(SumOf({-1.0, -ulp / 2, -kLeast}), -1.0 - ulp);
  EXPECT_EQ(SumOf({2.0 - ulp, ulp / 2}), 2.0);  // Carries into the exponent.
}

TEST(ExactSumTest, AddsSubnormals) {
  EXPECT_EQ(SumOf({kLeast, kLeast}), 2 * kLeast);
  EXPECT_EQ(SumOf({Limits::min() - kLeast, kLeast}), Limits::min());
  EXPECT_EQ(SumOf({Limits::min(), -kLeast}), Limits::min() - kLeast);
}

TEST(ExactSumTest, RemembersInfinitiesAndNan) {
  const double infinity = Limits::infinity();
  EXPECT_EQ(SumOf({infinity, 1.0}), infinity);
  EXPECT_EQ(SumOf({1.0, -infinity, -infinity}), -infinity);
  EXPECT_TRUE(std::isnan(SumOf({infinity, -infinity})));
  EXPECT_TRUE(std::isnan(SumOf({1.0, Limits::quiet_NaN(), 1.0})));
}

TEST(ExactSumTest, EqualsASumOfIntegers) {
  Random random(TestSeed());
  for (int i = 0; i < 2'000; ++i) {
    std::vector<double> values;
    __int128 sum = 0;  // In units of 2^-40.
    for (std::uint64_t n = random.Uniform(50); n > 0; --n) {
      const auto units = static_cast<std::int64_t>(random.Next() >> 11) - (std::int64_t{1} << 52);
      const int shift = static_cast<int>(random.Uniform(60));
      values.push_back(std::ldexp(static_cast<double>(units), shift - 40));
      sum += static_cast<__int128>(units) << shift;
    }
    EXPECT_EQ(SumOf(values), std::ldexp(static_cast<double>(sum), -40))
        << "MILLRACE_TEST_SEED=" << TestSeed();
  }
}

TEST(ExactSumTest, KnowsNoOrder) {
  Random random(TestSeed());
  for (int i = 0; i < 300; ++i) {
    std::vector<double> values;
    for (int n = 0; n < 20; ++n) values.push_back(AnyDouble(random));
    for (int n = 0; n < 5; ++n) values.push_back(-values[random.Uniform(values.size())]);
    const double sum = SumOf(values);
    for (std::size_t n = values.size() - 1; n > 0; --n) {
      std::swap(values[n], values[random.Uniform(n + 1)]);
    }
    EXPECT_EQ(SumOf(values), sum) << "MILLRACE_TEST_SEED=" << TestSeed();
    ExactSum::State left{}, right{};
    for (const double value : values) {
      ExactSum::Add(random.Uniform(2) == 0 ? left : right, value);
    }
    ExactSum::Merge(right, left);
    EXPECT_EQ(ExactSum::Rounded(right), sum) << "MILLRACE_TEST_SEED=" << TestSeed();
  }
}

}  // namespace
}  // namespace millrace
