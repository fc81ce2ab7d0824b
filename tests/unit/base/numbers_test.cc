// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/numbers.h"

#include <gtest/gtest.h>

#include <charconv>
#include <iostream>
#include <optional>
#include <string>

#include "mapreduce/base/random.h"

namespace millrace {
namespace {

std::optional<std::int64_t> Parse(std::string_view text) {
  std::int64_t value;
  if (!ParseInt64(text, &value)) return std::nullopt;
  return value;
}

TEST(ParseInt64Test, TakesDigitsWithAnOptionalMinusAlone) {
  EXPECT_EQ(Parse("0"), 0);
  EXPECT_EQ(Parse("-0"), 0);
  EXPECT_EQ(Parse("0000000000000000000000000000042"), 42);
  EXPECT_EQ(Parse("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(Parse("-9223372036854775808"), INT64_MIN);
  for (const std::string_view text : {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "--1",
                                      "1-",
                                      "1.0",
                                      "0x1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "12345678a",
                                      "a2345678",
                                      "1234567a",
                                      ":",
                                      "/",
                                      "12:45678",
                                      "-12345678901234567x"}) {
    EXPECT_EQ(Parse(text), std::nullopt) << text;
  }
}

TEST(ParseInt64Test, RefusesEveryOtherByteAtEveryPlace) {
  for (std::size_t n = 1; n <= 20; ++n) {
    for (std::size_t at = 0; at < n; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(n, '1');
        text[at] = static_cast<char>(byte);
        const bool is_number = (byte >= '0' && byte <= '9') || (byte == '-' && at == 0 && n > 1);
        const bool overflows = n == 20 && byte != '0' && byte != '-';
        EXPECT_EQ(Parse(text).has_value(), is_number && !(overflows || (n == 20 && at != 0)))
            << text;
      }
    }
  }
}

TEST(ParseInt64Test, AgreesWithFromChars) {
  constexpr std::uint64_t kSeed = 5;
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  for (int round = 0; round < 100000; ++round) {
    const auto value = static_cast<std::int64_t>(random.Next()) >> random.Uniform(64);
    EXPECT_EQ(Parse(std::to_string(value)), value);
  }
}

}  // namespace
}  // namespace millrace
