// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TestRun Diff(const std::string& old_dump, const std::string& new_dump) {
  return TestRun("dump_diff").Input("old", old_dump).Input("new", new_dump);
}

TEST(DumpDiffTest, TellsDeletedInsertedAndUpdatedRows) {
  EXPECT_THAT(Diff("1\tann\n2\tbob\n3\tcid\n", "1\tann\n3\tcyd\n4\tdan\n").Run().Rows(),
              ElementsAre("D\t2\tbob", "U\t3\tcyd", "I\t4\tdan"));
}

TEST(DumpDiffTest, IsTheOtherWayRoundForDumpsTheOtherWayRound) {
  EXPECT_THAT(Diff("1\tann\n3\tcyd\n4\tdan\n", "1\tann\n2\tbob\n3\tcid\n").Run().Rows(),
              ElementsAre("I\t2\tbob", "U\t3\tcid", "D\t4\tdan"));
}

TEST(DumpDiffTest, OrdersByTheKeysBytesUnescaped) {
  EXPECT_THAT(
      Diff("", "b\n10\n9\n\\\\\na\\001\na\nB\n\nab\n").Run().Rows(),
      ElementsAre("I\t", "I\t10", "I\t9", "I\tB", "I\t\\\\", "I\ta", "I\ta\x01", "I\tab", "I\tb"));
}

TEST(DumpDiffTest, OrdersByTheKeysColumnsAsNamed) {
  const std::string rows = "1\tb\tx\n2\ta\tx\n1\ta\tx\n";
  EXPECT_THAT(Diff("", rows).Param("key", "1,2").Run().Rows(),
              ElementsAre("I\t1\ta\tx", "I\t1\tb\tx", "I\t2\ta\tx"));
  EXPECT_THAT(Diff("", rows).Param("key", "2,1").Run().Rows(),
              ElementsAre("I\t1\ta\tx", "I\t2\ta\tx", "I\t1\tb\tx"));
}

TEST(DumpDiffTest, WhatIsTheKeyDecidesWhatIsAnUpdate) {
  EXPECT_THAT(Diff("1\ta\n", "1\tb\n").Run().Rows(), ElementsAre("U\t1\tb"));
  EXPECT_THAT(Diff("1\ta\n", "1\tb\n").Param("key", "2").Run().Rows(),
              ElementsAre("D\t1\ta", "I\t1\tb"));
  EXPECT_THAT(Diff("1\ta\n", "1\tb\n").Param("key", "1,2").Run().Rows(),
              ElementsAre("D\t1\ta", "I\t1\tb"));
}

TEST(DumpDiffTest, TellsKeysOfSeveralColumnsApart) {
  EXPECT_THAT(Diff("a\tbc\nx\ty\\000\n", "ab\tc\nx\\000\ty\n").Param("key", "1,2").Run().Rows(),
              SizeIs(4));
}

TEST(DumpDiffTest, ComparesWhatFieldsMean) {
  EXPECT_THAT(Diff("1\tab\tc\\td\n\\062\t\\N\n", "\\x31\ta\\b\n").Run().Rows(),
              ElementsAre("U\t1\ta\\b", "D\t2\t\\N"));
  EXPECT_THAT(
      Diff("1\tab\tc\\td\n\\062\t\\N\n", "\\x31\t\\a\\142\tc\\011\\d\n2\t\\N\n").Run().Rows(),
      IsEmpty());
}

TEST(DumpDiffTest, WritesRowsAsCopyDoes) {
  EXPECT_THAT(Diff("", "\\061\t\\x09\\q\\\\\t\\N\t\\\\N\t\t\\r\n").Run().Rows(),
              ElementsAre("I\t1\t\\tq\\\\\t\\N\t\\\\N\t\t\\r"));
}

TEST(DumpDiffTest, NullEmptyAndMissingFieldsDiffer) {
  EXPECT_THAT(
      Diff("1\t\\N\n2\t\n3\n4\t\\N\n5\t\\\\N\n", "1\t\n2\t\\N\n3\t\n4\n5\t\\N\n").Run().Rows(),
      ElementsAre("U\t1\t", "U\t2\t\\N", "U\t3\t", "U\t4", "U\t5\t\\N"));
}

TEST(DumpDiffTest, RejectsAKeysSecondRowInADumpWithItsPlace) {
  const TestResult result = TestRun("dump_diff")
                                .Shards("old", {"2\tb\n1\ta\n", "1\tx\n1\ty\n"})
                                .Shards("new", {"2\tb\n", "1\tz\n1\ta\n"})
                                .MaxRejects(3)
                                .Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("U\t1\tz"));  // The first of each counts.
  const std::string reason = "its key was there before";
  EXPECT_THAT(result.rejects, ElementsAre(TestReject{"old", 1, 0, reason, "1\tx"},
                                          TestReject{"old", 1, 4, reason, "1\ty"},
                                          TestReject{"new", 1, 4, reason, "1\ta"}));
}

TEST(DumpDiffTest, RejectsTheSameRowTwice) {
  EXPECT_EQ(Diff("1\n1\n", "1\n").Run().status.code(), StatusCode::kBadData);
  EXPECT_THAT(Diff("1\n1\n", "1\n").MaxRejects(1).Run().Rows(), IsEmpty());
}

TEST(DumpDiffTest, RejectsRowsWithoutTheKey) {
  const TestResult result =
      Diff("1\n\n2\t\\N\n3\ta\\\n", "3\ta\n").Param("key", "2").MaxRejects(4).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("I\t3\ta"));
  EXPECT_THAT(result.rejects,
              ElementsAre(TestReject{"old", 0, 0, "the row has no such key column", "1"},
                          TestReject{"old", 0, 2, "the row has no such key column", ""},
                          TestReject{"old", 0, 3, "a key column is NULL", "2\t\\N"},
                          TestReject{"old", 0, 8, "the line ends in a lone backslash", "3\ta\\"}));
}

TEST(DumpDiffTest, RefusesKeysThatAreNone) {
  for (const char* const key : {"", "0", "a", "1,", ",1", "-1", "+1", "1 2", "1,,2", "1, 2", "1,0",
                                "99999999999999999999", "1.0", "1,2,1"}) {
    const TestResult result = Diff("", "").Param("key", key).Run();
    EXPECT_EQ(result.status.code(), StatusCode::kInvalidArgument) << key;
  }
}

TEST(DumpDiffTest, HasAnEmptyOutputForEqualDumps) {
  EXPECT_EQ(Diff("", "").Run().Text(), "");
  const TestRun run = TestRun("dump_diff")
                          .Shards("old", {"1\ta\n2\tb\n", "3\tc\n"})
                          .Shards("new", {"3\tc", "", "2\tb\n1\ta\n"});  // In whatever files.
  EXPECT_EQ(run.Run().Text(), "");
}

TEST(DumpDiffTest, TakesOneRow) {
  EXPECT_EQ(Diff("1\ta", "").Run().Text(), "D\t1\ta\n");
  EXPECT_EQ(Diff("", "1\ta").Run().Text(), "I\t1\ta\n");
  EXPECT_EQ(Diff("1\ta", "1\tb").Run().Text(), "U\t1\tb\n");
}

TEST(DumpDiffTest, TakesRejectsAlone) {
  const TestResult result = Diff("\\N\n", "\\N\ta\n\\N\ta\n").MaxRejects(3).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_EQ(result.Text(), "");
  EXPECT_THAT(result.rejects, SizeIs(3));
}

TEST(DumpDiffTest, TakesOneKeyWithAllRows) {
  std::string rows;
  for (int i = 0; i < 500; ++i) rows += "1\t" + std::to_string(i) + "\n";
  const TestRun run = Diff(rows, "1\tx\n" + rows).MaxRejects(999);
  const TestResult result = run.Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("U\t1\tx"));
  EXPECT_THAT(result.rejects, SizeIs(999));
  EXPECT_DETERMINISTIC(run, {.runs = 4});
}

using Table = std::map<std::pair<std::string, std::string>, std::string>;

std::vector<std::string> DumpOf(const Table& table, Random& random) {
  std::vector<std::string> rows;
  for (const auto& [key, text] : table) {
    rows.push_back(key.first + "\t" + text + "\t" + key.second + "\n");
  }
  std::vector<std::string> shards(1 + random.Uniform(3));
  while (!rows.empty()) {
    std::swap(rows[random.Uniform(rows.size())], rows.back());
    shards[random.Uniform(shards.size())] += rows.back();
    rows.pop_back();
  }
  return shards;
}

// What the output says, done to the old table, gives the new one, and nothing is done in vain.
TEST(DumpDiffTest, MakesTheNewTableOfTheOldOne) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 40; ++i) {
    Table old_table, new_table;
    for (std::uint64_t n = random.Uniform(300); n > 0; --n) {
      const std::pair<std::string, std::string> key = {std::to_string(random.Uniform(20)),
                                                       "k" + std::to_string(random.Uniform(9))};
      if (random.Uniform(4) != 0) old_table[key] = std::to_string(random.Uniform(3));
      if (random.Uniform(4) != 0) new_table[key] = std::to_string(random.Uniform(3));
    }
    const TestRun run = TestRun("dump_diff")
                            .Shards("old", DumpOf(old_table, random))
                            .Shards("new", DumpOf(new_table, random))
                            .Param("key", "3,1");
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    Table table = old_table;
    std::pair<std::string, std::string> last;
    for (const std::string& row : result.Rows()) {
      const std::size_t second = row.find('\t', 2), third = row.find('\t', second + 1);
      const std::string first_column = row.substr(2, second - 2),
                        text = row.substr(second + 1, third - second - 1),
                        third_column = row.substr(third + 1);
      const auto known = table.find({first_column, third_column});
      ASSERT_EQ(known == table.end(), row[0] == 'I') << row;
      ASSERT_LT(last, std::pair(third_column, first_column)) << row;
      last = {third_column, first_column};
      if (row[0] == 'D') {
        ASSERT_EQ(known->second, text) << row;
        table.erase(known);
      } else {
        ASSERT_FALSE(row[0] == 'U' && known->second == text) << row;
        table[{first_column, third_column}] = text;
      }
    }
    ASSERT_EQ(table, new_table);
    if (i % 8 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

}  // namespace
}  // namespace millrace
