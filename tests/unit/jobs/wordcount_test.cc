// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using std::string_literals::operator""s;

std::vector<std::string> CountsOf(const std::string& text) {
  return TestRun("wordcount").Input("text", text).Run().Rows();
}

TEST(WordCountTest, CountsWordsAndOrdersByWord) {
  EXPECT_THAT(CountsOf("to be or not\nto be\n"), ElementsAre("be\t2", "not\t1", "or\t1", "to\t2"));
}

TEST(WordCountTest, EndsAWordAtSpaceTabCrAndLfOnly) {
  EXPECT_THAT(CountsOf(" a  b\tc\rd\r\n\n\r\n a\t\n"), ElementsAre("a\t2", "b\t1", "c\t1", "d\t1"));
  EXPECT_THAT(CountsOf("one\0two, \xc2\xa0nbsp\xc2\xa0 x\x85y\n"s),
              ElementsAre("one\0two,\t1"s, "x\x85y\t1", "\xc2\xa0nbsp\xc2\xa0\t1"));
}

TEST(WordCountTest, WritesEscapesButReadsNone) {
  EXPECT_THAT(CountsOf("a\\tb \\N c\vd\fe\bf\n"),
              ElementsAre("\\\\N\t1", "a\\\\tb\t1", "c\\vd\\fe\\bf\t1"));
}

TEST(WordCountTest, OrdersByUnescapedBytes) {
  // Escaped, \b would stand between [ and ].
  EXPECT_THAT(CountsOf("] [ \\ a\x01 a a\b \xff Z z\n"),
              ElementsAre("Z\t1", "[\t1", "\\\\\t1", "]\t1", "a\t1", "a\x01\t1", "a\\b\t1", "z\t1",
                          "\xff\t1"));
}

TEST(WordCountTest, CountsALastLineWithoutLfAndJoinsNoShards) {
  const TestResult result = TestRun("wordcount").Shards("text", {"a b", "c", "", "b\n"}).Run();
  EXPECT_THAT(result.Rows(), ElementsAre("a\t1", "b\t2", "c\t1"));
  EXPECT_EQ(result.records_in, 3u);
}

TEST(WordCountTest, HasAnEmptyOutputWhereThereIsNoWord) {
  EXPECT_THAT(CountsOf(""), IsEmpty());
  EXPECT_THAT(CountsOf("\n \r\n\t\n"), IsEmpty());
}

TEST(WordCountTest, TakesNoParameters) {
  EXPECT_EQ(TestRun("wordcount").Input("text", "").Param("k", "1").Run().status.code(),
            StatusCode::kInvalidArgument);
}

// Byte by byte, into a map.
std::string OracleCounts(const std::vector<std::string>& shards) {
  std::map<std::string, std::int64_t> counts;
  for (const std::string& shard : shards) {
    std::string word;
    for (const char c : shard + "\n") {
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
        word += c;
      } else if (!word.empty()) {
        ++counts[word];
        word.clear();
      }
    }
  }
  RowBuffer rows;
  for (const auto& [word, count] : counts) AppendTsvRow(rows, word, count);
  return std::string(rows.view());
}

TEST(WordCountTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  static constexpr char kBytes[] = " \t\r\n\n  \\N\v\b\0\1abcabcabc\x80\xff";
  for (int i = 0; i < 40; ++i) {
    std::vector<std::string> shards(random.Uniform(4));
    for (std::string& shard : shards) {
      const std::uint64_t letters = random.Uniform(8) == 0 ? 3 : sizeof(kBytes) - 1;
      shard.resize(random.Uniform(3000));
      for (char& c : shard) c = kBytes[sizeof(kBytes) - 2 - random.Uniform(letters)];
    }
    const TestResult result = TestRun("wordcount").Shards("text", shards).Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), OracleCounts(shards));
    if (i % 10 == 0) {
      EXPECT_DETERMINISTIC("wordcount", {{"text", shards}});
    }
  }
}

}  // namespace
}  // namespace millrace
