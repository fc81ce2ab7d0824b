// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/aggregators.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/api/codec_test_types.h"

namespace millrace {
namespace {

using ::testing::Optional;

template <class V>
using Limits = std::numeric_limits<V>;

constexpr std::int64_t kMost = Limits<std::int64_t>::max();
constexpr std::int64_t kLeast = Limits<std::int64_t>::min();

template <class A, class V>
typename AggregatorFor<A, V>::State StateOf(const std::vector<V>& values) {
  typename AggregatorFor<A, V>::State state{};
  for (const V& value : values) AggregatorFor<A, V>::Add(state, value);
  return state;
}

template <class A, class V>
auto ResultOf(const std::vector<V>& values) {
  return AggregatorFor<A, V>::Result(StateOf<A>(values));
}

// The result of the values in a random order, in random heaps that are merged in a random order.
template <class A, class V>
auto ResultOfHeaps(std::vector<V> values, Random& random) {
  using Aggregator = AggregatorFor<A, V>;
  std::vector<typename Aggregator::State> heaps(1 + random.Uniform(4));
  while (!values.empty()) {
    std::swap(values.back(), values[random.Uniform(values.size())]);
    Aggregator::Add(heaps[random.Uniform(heaps.size())], values.back());
    values.pop_back();
  }
  while (heaps.size() > 1) {
    std::swap(heaps.back(), heaps[random.Uniform(heaps.size())]);
    Aggregator::Merge(heaps[random.Uniform(heaps.size() - 1)], heaps.back());
    heaps.pop_back();
  }
  return Aggregator::Result(heaps[0]);
}

template <class T>
bool SameBits(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  } else if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
  } else {
    return a == b;
  }
}

template <class A, class V>
void ExpectNoOrder() {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 500; ++i) {
    std::vector<V> values(1 + random.Uniform(12));
    for (V& value : values) value = AnyOf<V>(random);
    const auto result = ResultOf<A>(values);
    ASSERT_TRUE(SameBits(ResultOfHeaps<A>(values, random), result));
  }
}

TEST(AggregatorTest, KnowsNoOrderOfValuesOrMerges) {
  ExpectNoOrder<Count, std::int64_t>();
  ExpectNoOrder<Sum, std::int64_t>();
  ExpectNoOrder<Sum, std::int8_t>();
  ExpectNoOrder<Sum, std::uint64_t>();
  ExpectNoOrder<Sum, double>();
  ExpectNoOrder<Sum, float>();
  ExpectNoOrder<Min, std::int32_t>();
  ExpectNoOrder<Max, std::uint64_t>();
  ExpectNoOrder<Min, double>();
  ExpectNoOrder<Max, double>();
  ExpectNoOrder<Max, float>();
  ExpectNoOrder<ApproximateDistinct, std::int64_t>();
}

// Tables zero a state and move its bytes.
template <class A, class V>
constexpr bool kIsState = AggregatorOf<AggregatorFor<A, V>, V>;
static_assert(kIsState<Count, Unit> && kIsState<Count, std::string_view>);
static_assert(kIsState<Sum, std::int32_t> && kIsState<Sum, std::uint8_t> && kIsState<Sum, double>);
static_assert(kIsState<Min, double> && kIsState<Max, std::int16_t>);
static_assert(kIsState<Distinct, Unit> && kIsState<ApproximateDistinct, std::string_view>);
static_assert(!kIsState<Sum, std::string_view>);

TEST(CountTest, CountsUpToTheLargestInt64) {
  EXPECT_THAT(ResultOf<Count>(std::vector<Unit>(3)), Optional(std::int64_t{3}));
  EXPECT_THAT(Count::Result({static_cast<std::uint64_t>(kMost)}), Optional(kMost));
  EXPECT_EQ(Count::Result({static_cast<std::uint64_t>(kMost) + 1}), std::nullopt);
}

TEST(SumTest, IsExactWithinInt64WhateverComesBetween) {
  using V = std::int64_t;
  EXPECT_THAT(ResultOf<Sum>(std::vector<V>{kMost, 1, -1}), Optional(kMost));
  EXPECT_THAT(ResultOf<Sum>(std::vector<V>{kLeast, -1, 1}), Optional(kLeast));
  EXPECT_THAT(ResultOf<Sum>(std::vector<V>{kMost, kMost, kLeast, kLeast, 2}), Optional(V{0}));
  EXPECT_THAT(ResultOf<Sum>(std::vector<std::int8_t>{-128, -128, 127}), Optional(V{-129}));
}

TEST(SumTest, HasNoResultBeyondInt64) {
  using V = std::int64_t;
  EXPECT_EQ(ResultOf<Sum>(std::vector<V>{kMost, 1}), std::nullopt);
  EXPECT_EQ(ResultOf<Sum>(std::vector<V>{kLeast, -1}), std::nullopt);
  EXPECT_EQ(ResultOf<Sum>(std::vector<V>(1000, kMost)), std::nullopt);
}

TEST(SumTest, OfUnsignedNeverComesBackFromBeyond) {
  using V = std::uint64_t;
  const V most = Limits<V>::max();
  EXPECT_THAT(ResultOf<Sum>(std::vector<V>{static_cast<V>(kMost)}), Optional(kMost));
  EXPECT_EQ(ResultOf<Sum>(std::vector<V>{static_cast<V>(kMost), 1}), std::nullopt);
  EXPECT_EQ(ResultOf<Sum>(std::vector<V>{most, 1}), std::nullopt);
  EXPECT_EQ(ResultOf<Sum>(std::vector<V>{most, most, 5}), std::nullopt);
}

TEST(SumTest, OfDoublesIsRoundedOnce) {
  EXPECT_EQ(ResultOf<Sum>(std::vector<double>{0.1, 0.2, 0.3}), 0.6);  // + gives 0.6000000000000001.
  EXPECT_EQ(ResultOf<Sum>(std::vector<double>{1e300, 1.0, -1e300}), 1.0);
  EXPECT_EQ(ResultOf<Sum>(std::vector<double>(10, 0.1)), 1.0);
}

TEST(ExtremeTest, IsTheSmallestAndTheLargest) {
  EXPECT_EQ(ResultOf<Min>(std::vector<std::int64_t>{3, kLeast, kMost}), kLeast);
  EXPECT_EQ(ResultOf<Max>(std::vector<std::int64_t>{-3, -1, -2}), -1);  // Not the zero of a state.
  EXPECT_EQ(ResultOf<Min>(std::vector<std::uint8_t>{200, 255}), 200);
}

TEST(ExtremeTest, OrdersZerosAndPutsNanLast) {
  const double nan = Limits<double>::quiet_NaN();
  EXPECT_TRUE(std::signbit(ResultOf<Min>(std::vector<double>{0.0, -0.0})));
  EXPECT_TRUE(std::signbit(ResultOf<Min>(std::vector<double>{-0.0, 0.0})));
  EXPECT_FALSE(std::signbit(ResultOf<Max>(std::vector<double>{0.0, -0.0})));
  EXPECT_EQ(ResultOf<Min>(std::vector<double>{nan, 7.0}), 7.0);
  EXPECT_EQ(ResultOf<Min>(std::vector<double>{7.0, nan}), 7.0);
  EXPECT_TRUE(std::isnan(ResultOf<Max>(std::vector<double>{nan, Limits<double>::infinity()})));
  EXPECT_TRUE(std::isnan(ResultOf<Max>(std::vector<double>{Limits<double>::infinity(), -nan})));
}

TEST(ApproximateDistinctTest, IsNearTheNumberOfDifferentValues) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < 30'000; ++i) values.push_back(i % 10'000);
  EXPECT_NEAR(static_cast<double>(ResultOf<ApproximateDistinct>(values)), 10'000, 1'400);
  EXPECT_EQ(ResultOf<ApproximateDistinct>(std::vector<std::string_view>{"a", "b", "a"}), 2);
}

}  // namespace
}  // namespace millrace
