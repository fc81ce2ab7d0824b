// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/number_text.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "mapreduce/base/random.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

template <class T>
std::string Ours(T value) {
  char text[kNumberTextRoom];
  if constexpr (std::floating_point<T>) {
    return {text, WriteFloating(text, value)};
  } else {
    return {text, WriteInteger(text, value)};
  }
}

template <class T>
std::string Standards(T value) {
  char text[kNumberTextRoom];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

TEST(NumberTextTest, TwoAndEightDigitsAreAllThere) {
  char text[kNumberTextRoom];
  for (std::uint32_t value = 0; value < 100; ++value) {
    ASSERT_EQ(std::string(text, WriteTwoDigits(text, value)),
              std::to_string(100 + value).substr(1));
  }
  // Each group of four digits, in both places.
  for (std::uint32_t four = 0; four < 10'000; ++four) {
    const std::string digits = std::to_string(10'000 + four).substr(1);
    ASSERT_EQ(std::string(text, WriteEightDigits(text, four)), "0000" + digits);
    ASSERT_EQ(std::string(text, WriteEightDigits(text, four * 10'000)), digits + "0000");
    ASSERT_EQ(std::string(text, WriteEightDigits(text, four * 10'001)), digits + digits);
  }
}

TEST(NumberTextTest, IntegersAreThoseOfTheStandard) {
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(TestSeed()));
  Random random(TestSeed());
  for (std::uint64_t power = 1, i = 0; i < 20; ++i, power *= 10) {
    for (const std::uint64_t value : {power - 1, power, power + 1}) {
      ASSERT_EQ(Ours(value), Standards(value));
      ASSERT_EQ(Ours(static_cast<std::int64_t>(value)),
                Standards(static_cast<std::int64_t>(value)));
    }
  }
  for (const std::int64_t value : {std::numeric_limits<std::int64_t>::min(),
                                   std::numeric_limits<std::int64_t>::max(), std::int64_t{-1}}) {
    ASSERT_EQ(Ours(value), Standards(value));
    ASSERT_EQ(Ours(static_cast<std::uint64_t>(value)),
              Standards(static_cast<std::uint64_t>(value)));
  }
  for (int i = 0; i < 300'000; ++i) {
    const std::uint64_t value = random.Next() >> random.Uniform(64);
    ASSERT_EQ(Ours(value), Standards(value));
    ASSERT_EQ(Ours(static_cast<std::int64_t>(0 - value)),
              Standards(static_cast<std::int64_t>(0 - value)));
  }
}

template <class T>
void ExpectStandard(T value) {
  ASSERT_EQ(Ours(value), std::isnan(value) ? "nan" : Standards(value));
  ASSERT_EQ(Ours(-value), std::isnan(value) ? "nan" : Standards(-value));
}

template <class T>
void TestFloating() {
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(TestSeed()));
  Random random(TestSeed());
  using Limits = std::numeric_limits<T>;
  for (const T value :
       {T(0), Limits::quiet_NaN(), Limits::infinity(), Limits::min(), Limits::max(),
        Limits::denorm_min(), Limits::epsilon(), T(1e-3), T(1e-4), T(0.00012), T(1e4), T(1e9),
        T(100000), T(120000), T(1200000), T(16777217), T(0.1) + T(0.2)}) {
    ExpectStandard(value);
    ExpectStandard(std::nextafter(value, Limits::max()));
    ExpectStandard(std::nextafter(value, Limits::lowest()));
  }
  for (int i = 0; i < 300'000; ++i) {
    // Decimals of few digits, their neighbors, and any bits.
    T value = static_cast<T>(random.Next() >> (20 + random.Uniform(44)));
    for (std::uint64_t digits = random.Uniform(10); digits > 0; --digits) value /= 10;
    const auto decimal = static_cast<T>(random.Uniform(10'000'000)) /
                         static_cast<T>(std::pow(10, random.Uniform(9)));
    for (const T each :
         {value, decimal, std::nextafter(decimal, Limits::max()), std::nextafter(decimal, T(0))}) {
      ExpectStandard(each);
    }
    if constexpr (sizeof(T) == 8) {
      ExpectStandard(std::bit_cast<T>(random.Next()));
    } else {
      ExpectStandard(std::bit_cast<T>(static_cast<std::uint32_t>(random.Next())));
    }
  }
}

TEST(NumberTextTest, DoublesAreThoseOfTheStandard) { TestFloating<double>(); }
TEST(NumberTextTest, FloatsAreThoseOfTheStandard) { TestFloating<float>(); }

}  // namespace
}  // namespace millrace
