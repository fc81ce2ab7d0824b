// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using std::string_literals::operator""s;

std::string Sorted(const std::string& text) {
  return TestRun("sort").Input("lines", text).Run().Text();
}

TEST(SortTest, OrdersLinesByTheirBytesAndKeepsDuplicates) {
  EXPECT_EQ(Sorted("b\na\nb\nB\nab\n\xff\n\x01\n"), "\x01\nB\na\nab\nb\nb\n\xff\n");
}

TEST(SortTest, KeepsLinesAsTheyAre) {
  EXPECT_EQ(Sorted("b\\ta\tc\r\n\\N\n\r\na\0b\na\n"s), "\r\n\\N\na\na\0b\nb\\ta\tc\r\n"s);
}

TEST(SortTest, KeepsEmptyLines) { EXPECT_EQ(Sorted("\nb\n\n"), "\n\nb\n"); }

TEST(SortTest, EndsALastLineWithoutLf) {
  EXPECT_EQ(Sorted("b\na"), "a\nb\n");
  EXPECT_EQ(TestRun("sort").Shards("lines", {"b", "a", "", "c\n"}).Run().Text(), "a\nb\nc\n");
}

TEST(SortTest, HasAnEmptyOutputForEmptyInput) {
  EXPECT_EQ(Sorted(""), "");
  EXPECT_EQ(TestRun("sort").Shards("lines", {}).Run().Text(), "");
}

TEST(SortTest, KeepsAllOfOneLineManyTimes) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "the same line\n";
  EXPECT_EQ(Sorted(text), text);
  EXPECT_DETERMINISTIC("sort", {{"lines", {text, text}}});
}

TEST(SortTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  static constexpr char kBytes[] = "\n\n\r\t\\ aaaab\0\1\xff";
  for (int i = 0; i < 40; ++i) {
    std::vector<std::string> shards(random.Uniform(4)), lines;
    for (std::string& shard : shards) {
      // Long lines share long beginnings.
      const std::uint64_t line_bytes = random.Uniform(4) == 0 ? 60 : 6;
      shard.resize(random.Uniform(3000), 'a');
      for (char& c : shard) {
        if (random.Uniform(line_bytes) < 4) c = kBytes[random.Uniform(sizeof(kBytes) - 1)];
      }
      const std::vector<std::string> own = LinesOf(shard);
      lines.insert(lines.end(), own.begin(), own.end());
    }
    std::sort(lines.begin(), lines.end(),
              [](std::string_view a, std::string_view b) { return a < b; });
    const TestResult result = TestRun("sort").Shards("lines", shards).Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Rows(), lines);
    ASSERT_EQ(result.records_out, lines.size());
    if (i % 10 == 0) {
      EXPECT_DETERMINISTIC("sort", {{"lines", shards}});
    }
  }
}

}  // namespace
}  // namespace millrace
