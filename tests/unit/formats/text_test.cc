// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <class Parser>
std::vector<std::string> Parse(std::string_view text) {
  const TextBlock block(text);
  std::vector<std::string> lines;
  Parser parser;
  parser.Parse(
      block.block(),
      [&](const Line& line, std::string_view raw) {
        EXPECT_EQ(line.text, raw);
        lines.emplace_back(line.text);
      },
      [](std::string_view, std::string_view) { FAIL() << "a line is never rejected"; });
  return lines;
}

TEST(LineParserTest, GivesEachLineWithoutItsNewline) {
  EXPECT_THAT(Parse<LineParser>("a\nb\\\tc\r\n\nd"), ElementsAre("a", "b\\\tc\r", "", "d"));
  EXPECT_THAT(Parse<LineParser>("\n\n"), ElementsAre("", ""));
  EXPECT_THAT(Parse<LineParser>(""), IsEmpty());
}

TEST(LineParserTest, AgreesWithTheReferenceOnRandomBytes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = RandomText(random, 400);
    const std::vector<std::string> lines = ReferenceLines(text);
    ASSERT_EQ(Parse<LineParser>(text), lines);
    ASSERT_EQ(Parse<BasicLineParser<PortableBytes64>>(text), lines);
  }
}

}  // namespace
}  // namespace millrace
