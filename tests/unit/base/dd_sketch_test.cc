// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/dd_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "mapreduce/base/random.h"

namespace millrace {
namespace {

using Limits = std::numeric_limits<double>;

std::uint64_t TestSeed() {
  const char* const given = std::getenv("MILLRACE_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

template <class T>
DdSketch SketchOf(const std::vector<T>& values) {
  DdSketch sketch;
  for (const T value : values) sketch.Merge(DdSketch::Of(value));
  return sketch;
}

// What Quantile() is about.
template <class T>
double ExactQuantile(std::vector<T> values, double q) {
  std::sort(values.begin(), values.end());
  return static_cast<double>(
      values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))]);
}

template <class T>
void ExpectNear(const std::vector<T>& values) {
  const DdSketch sketch = SketchOf(values);
  EXPECT_EQ(sketch.count(), values.size());
  for (const double q : {0.0, 0.001, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = ExactQuantile(values, q);
    EXPECT_LE(std::abs(sketch.Quantile(q) - exact), DdSketch::kRelativeError * std::abs(exact))
        << "at " << q << ": " << exact << ", not " << sketch.Quantile(q);
  }
}

TEST(DdSketchTest, HasNoQuantileOfNothing) {
  EXPECT_TRUE(std::isnan(DdSketch().Quantile(0.5)));
  EXPECT_EQ(DdSketch().count(), 0u);
  EXPECT_EQ(DdSketch().Encode(), "");
}

TEST(DdSketchTest, IsExactForZeroAndTheInfinities) {
  const double infinity = Limits::infinity();
  EXPECT_EQ(SketchOf<double>({0.0, -0.0, Limits::denorm_min()}), SketchOf<int>({0, 0, 0}));
  EXPECT_EQ(DdSketch::Of(-0.0).Quantile(0.5), 0);
  const DdSketch ends = SketchOf<double>({infinity, 1.0, -infinity});
  EXPECT_EQ(ends.Quantile(0), -infinity);
  EXPECT_EQ(ends.Quantile(1), infinity);
}

TEST(DdSketchTest, PutsNanLast) {
  const DdSketch sketch = SketchOf<double>({-Limits::quiet_NaN(), Limits::infinity(), 1.0});
  EXPECT_TRUE(std::isnan(sketch.Quantile(1)));
  EXPECT_EQ(sketch.Quantile(0.5), Limits::infinity());
}

TEST(DdSketchTest, IsExactForSmallIntegersAndKeepsIntegers) {
  for (int value = -128; value <= 128; ++value) {
    EXPECT_EQ(DdSketch::Of(value).Quantile(0.5), value);
  }
  EXPECT_EQ(DdSketch::Of(129).Quantile(0.5), 130);
  EXPECT_EQ(DdSketch::Of(1001).Quantile(0.5), 1000);
  EXPECT_EQ(DdSketch::Of(0.1).Quantile(0.5), 0.099609375);
  EXPECT_EQ(DdSketch::Of(std::numeric_limits<std::int64_t>::max()).Quantile(0.5), 0x1p63);
}

// Each bucket's borders, and the values beside them, in every octave there is.
TEST(DdSketchTest, KeepsItsErrorForEveryBucket) {
  const auto estimate = [](double value) { return DdSketch::Of(value).Quantile(0.5); };
  for (int exponent = -1022; exponent <= 1023; ++exponent) {
    for (int m = 64; m < 128; ++m) {
      const double middle = std::ldexp(m, exponent - 6);
      const double border = std::ldexp(m + 0.5, exponent - 6);
      const double below = std::nextafter(border, 0);
      ASSERT_EQ(estimate(middle), middle);
      ASSERT_EQ(estimate(-middle), -middle);
      ASSERT_EQ(estimate(below), middle);
      ASSERT_LE((below - middle) / below, DdSketch::kRelativeError);
      if (exponent == 1023 && m == 127) break;
      ASSERT_EQ(estimate(border), std::ldexp(m + 1, exponent - 6));
      ASSERT_LE((estimate(border) - border) / border, DdSketch::kRelativeError);
    }
  }
  EXPECT_EQ(estimate(Limits::max()), 0x1.FCp1023);
  EXPECT_EQ(estimate(-Limits::max()), -0x1.FCp1023);
}

TEST(DdSketchTest, IsNearTheExactQuantile) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t n = 1 + random.Uniform(round % 10 == 0 ? 20'000 : 200);
    std::vector<double> uniform, wide, any_bits;
    std::vector<std::int64_t> small, large;
    for (std::uint64_t i = 0; i < n; ++i) {
      uniform.push_back(random.Real() - 0.3);
      wide.push_back((random.Uniform(2) == 0 ? 1 : -1) * std::exp2(40 * random.Real() - 20));
      small.push_back(static_cast<std::int64_t>(random.Uniform(20)) - 5);
      large.push_back(static_cast<std::int64_t>(random.Next() >> random.Uniform(64)));
      double any = std::bit_cast<double>(random.Next());
      if (!std::isnormal(any)) any = 0;
      any_bits.push_back(any);
    }
    ExpectNear(uniform);
    ExpectNear(wide);
    ExpectNear(any_bits);
    ExpectNear(small);
    ExpectNear(large);
  }
}

TEST(DdSketchTest, KnowsNoOrder) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    std::vector<double> values;
    for (std::uint64_t n = random.Uniform(100); n > 0; --n) {
      values.push_back(std::bit_cast<double>(random.Next()));  // NaN, too.
      if (random.Uniform(3) == 0) values.push_back(values[random.Uniform(values.size())]);
    }
    const DdSketch all = SketchOf(values);
    std::vector<DdSketch> heaps(1 + random.Uniform(4));
    while (!values.empty()) {
      std::swap(values.back(), values[random.Uniform(values.size())]);
      heaps[random.Uniform(heaps.size())].Add(values.back());
      values.pop_back();
    }
    while (heaps.size() > 1) {
      std::swap(heaps.back(), heaps[random.Uniform(heaps.size())]);
      heaps[random.Uniform(heaps.size() - 1)].Merge(heaps.back());
      heaps.pop_back();
    }
    ASSERT_EQ(heaps[0], all);
    ASSERT_EQ(heaps[0].Encode(), all.Encode());
    ASSERT_EQ(DdSketch::Decode(all.Encode()), all);
  }
}

TEST(DdSketchTest, MergesWithItself) {
  DdSketch sketch = SketchOf<int>({1, 2, 2, -7});
  sketch.Merge(sketch);
  EXPECT_EQ(sketch, SketchOf<int>({1, 2, 2, -7, 1, 2, 2, -7}));
}

TEST(DdSketchTest, HasFewBytes) {
  // Bucket 65,409 as a zigzag varint, one value; then the bucket 64 further on.
  EXPECT_EQ(DdSketch::Of(1).Encode(), "\x82\xFE\x07\x01");
  EXPECT_EQ(SketchOf<int>({2, 1, 2}).Encode(), "\x82\xFE\x07\x01\x80\x01\x02");
  std::vector<int> million;
  for (int i = 1; i <= 1'000'000; ++i) million.push_back(i);
  EXPECT_LE(SketchOf(million).Encode().size(), 1280u * 4);
}

// Bytes that are damaged all the same do no harm.
TEST(DdSketchTest, ReadsCutBytesToTheLastWholeBucket) {
  const std::string bytes = SketchOf<int>({2, 1, 2}).Encode();
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_EQ(DdSketch::Decode(bytes.substr(0, cut)), cut < 4 ? DdSketch() : DdSketch::Of(1));
  }
}

}  // namespace
}  // namespace millrace
