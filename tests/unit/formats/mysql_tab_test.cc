// SPDX-License-Identifier: Apache-2.0
// Files of mysqldump --tab: their records, wherever they are cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "mapreduce/formats/mysql_dump.h"
#include "tests/unit/formats/mysql_rows.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::HasSubstr;

std::string Read(std::string_view text, const std::map<std::string, std::string>& beside = {}) {
  const SqlFile file("t.txt", std::string(text), "mysqltab", 0, beside);
  if (!file.status().ok()) return "error: " + std::string(file.status().message());
  return FieldsOf(file.Rows());
}

TEST(MysqlTabTest, DecodesWhatIntoOutfileWrites) {
  EXPECT_EQ(Read("1\ta\\\tb\\\nc\\\\\n2\t\\N\n3\t\\\\N\n4\t\n5\tNULL\n"),
            "[1][a\tb\nc\\]\n[2][NULL]\n[3][\\N]\n[4][]\n[5][NULL]\n");
  EXPECT_EQ(Read("\\0x\\b\\n\\r\\t\\Z\\q\r\n"), std::string("[\0x\b\n\r\t\x1Aq\r]\n", 12));
  EXPECT_EQ(Read(""), "");
  EXPECT_EQ(Read("\n\n"), "[]\n[]\n");
}

TEST(MysqlTabTest, ColumnsAreTheCreateTablesBeside) {
  using Names = std::vector<std::string>;
  const auto columns = [](std::string_view text, const std::string& sql) {
    const SqlFile file("t.txt", std::string(text), "mysqltab", 0, {{"t.sql", sql}});
    EXPECT_TRUE(file.status().ok()) << file.status().message();
    return file.shard().layout == nullptr ? Names() : file.shard().layout->columns;
  };
  const std::string create =
      "-- MariaDB dump 10.19\nCREATE TABLE `t` (`a` int, `b` int GENERATED ALWAYS AS (`a` + 1) "
      "STORED, `c` text, KEY (`a`));\n/*!40101 SET x=1 */;";
  EXPECT_EQ(columns("1\t2\tx\n", create), (Names{"a", "b", "c"}));
  EXPECT_EQ(columns("1\tx\n", create), (Names{"a", "c"}));  // As MySQL writes them.
  EXPECT_EQ(columns("", create), (Names{"a", "b", "c"}));
  EXPECT_EQ(columns("1\tx\n", "SELECT 1;"), (Names{"1", "2"}));
  EXPECT_EQ(columns("1\tx\n", "CREATE TABLE u (z int); CREATE TABLE t (y int, x int);"),
            (Names{"y", "x"}));
  EXPECT_EQ(Read("1\tx\n1\n1\t2\t3\n", {{"t.sql", create}}),
            "[1][x]\nREJECT the record has 1 fields, the table has 2 columns\n"
            "REJECT the record has 3 fields, the table has 2 columns\n");
  EXPECT_THAT(Read("1\n", {{"t.sql", "CREATE TABLE t (a int"}}), HasSubstr("t.sql: ends at byte"));
}

TEST(MysqlTabTest, NoticesARecordWithoutItsEnd) {
  for (const char* text : {"1\t2", "1\n2", "1\n2\\\n", "\\", "\\\n"}) {
    const SqlFile file("t.txt", text, "mysqltab");
    const auto rows = file.TryRows({.all = true, .columns = {}}, {}, 1);
    ASSERT_FALSE(rows.ok()) << text;
    EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
    EXPECT_THAT(rows.error().message(), HasSubstr("t.txt: ends at byte"));
  }
}

TEST(MysqlTabTest, ARecordOverTheLimitIsBadData) {
  const SqlFile file("t.txt", "1\n" + std::string(1000, 'x') + "\n2\n", "mysqltab");
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    EXPECT_EQ(file.TryRows({.all = true, .columns = {}}, {}, piece, 1000)->size(), 3u);
    const auto rows = file.TryRows({.all = true, .columns = {}}, {}, piece, 999);
    ASSERT_FALSE(rows.ok());
    EXPECT_THAT(rows.error().message(), HasSubstr("the record at byte 2"));
  }
}

// All texts of up to seven of the bytes that mean something, cut at any two places: what the whole
// has, including the errors.
TEST(MysqlTabTest, AnyCutOfAnyTextGivesTheSameRecords) {
  constexpr std::string_view kBytes = "\\\nx";
  const RowRequest all{.all = true, .columns = {}};
  for (std::size_t size = 1; size <= 7; ++size) {
    std::size_t texts = 1;
    for (std::size_t i = 0; i < size; ++i) texts *= kBytes.size();
    for (std::size_t number = 0; number < texts; ++number) {
      std::string text = "x\n";  // Ends each text well, and says that there is one column.
      for (std::size_t i = 0, rest = number; i < size; ++i, rest /= kBytes.size()) {
        text.push_back(kBytes[rest % kBytes.size()]);
      }
      text += "x\n";
      const SqlFile file("t.txt", text, "mysqltab");
      ASSERT_TRUE(file.status().ok());
      const auto whole = file.TryRows(all, {}, SIZE_MAX);
      ASSERT_TRUE(whole.ok());
      for (std::uint64_t cut = 1; cut < text.size(); ++cut) {
        for (std::uint64_t next = cut; next < text.size(); ++next) {
          const auto rows = file.TryRows(all, {cut, next}, cut % 2 == 0 ? 2 : SIZE_MAX);
          ASSERT_TRUE(rows.ok());
          ASSERT_EQ(*rows, *whole) << testing::PrintToString(text) << cut << " " << next;
        }
      }
    }
  }
}

TEST(MysqlTabTest, AnyCutAndAnyReadGivesTheSameRecords) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    text += "1\ta\\\tb\\\nc\\\\\n2\t\\N\n3\t\\\\N\n\\\\\\\n\\\\\t\xF0\x9F\x98\x80\\\n\n\n" +
            std::string(70, '\\') + "\t" + std::string(63, 'x') + "\\\n\n";
  }
  const SqlFile file("t.txt", text, "mysqltab");
  const std::vector<FileRow> rows = file.Rows();
  ASSERT_EQ(rows.size(), 24u);
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, SIZE_MAX}) {
    for (std::uint64_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(file.RowsOfRanges({}, {cut}, piece), rows) << cut << " " << piece;
    }
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t cut = 1; cut < text.size(); ++cut) all.push_back(cut);
  ASSERT_EQ(file.RowsOfRanges({}, all, 5), rows);
}

TEST(MysqlTabTest, RandomRecordsComeBack) {
  Random random(TestSeed());
  SCOPED_TRACE(TestSeed());
  for (int round = 0; round < 300; ++round) {
    std::string text, expected;
    const std::uint64_t record_count = 1 + random.Uniform(20);
    for (std::uint64_t record = 0; record < record_count; ++record) {
      for (int i = 0; i < 2; ++i) {
        const std::string field = RandomText(random, random.Uniform(4) == 0 ? 300 : 20);
        for (const char c : field) {
          if (c == '\\' || c == '\t' || c == '\n') text.push_back('\\');
          if (c == '\0') text.push_back('\\');
          text.push_back(c == '\0' ? '0' : c);
        }
        text.push_back(i == 0 ? '\t' : '\n');
        expected += "[" + field + "]";
      }
      expected += "\n";
    }
    const SqlFile file("t.txt", text, "mysqltab");
    std::vector<std::uint64_t> borders;
    for (std::uint64_t at = 1 + random.Uniform(200); at < text.size(); at += random.Uniform(200)) {
      borders.push_back(at);
    }
    ASSERT_EQ(FieldsOf(file.RowsOfRanges({}, borders, 1 + random.Uniform(100))), expected) << text;
  }
}

TEST(MysqlTabTest, FindsATablesFileByItsName) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "mysql_tab_test_tables";
  std::filesystem::create_directories(folder);
  for (const char* name : {"users.txt", "users.sql", "odd@0020@0060name.txt", "plays.txt.zst",
                           "NUL@@@.txt", "com10.txt"}) {
    std::ofstream(folder / name) << "x";
  }
  const auto find = MysqlTabFormat().find_table;
  FileSystem& files = LocalFileSystem();
  EXPECT_EQ(find(files, folder, "users")->path, (folder / "users.txt").string());
  EXPECT_EQ(find(files, folder, "odd `name")->path, (folder / "odd@0020@0060name.txt").string());
  EXPECT_EQ(find(files, folder, "plays")->path, (folder / "plays.txt.zst").string());
  EXPECT_EQ(find(files, folder, "NUL")->path, (folder / "NUL@@@.txt").string());
  EXPECT_EQ(find(files, folder, "com10")->path, (folder / "com10.txt").string());
  const Result<FileInfo> none = find(files, folder, "tracks");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), StatusCode::kNotFound);
  EXPECT_THAT(none.error().message(),
              HasSubstr("it has NUL@@@, com10, odd@0020@0060name, plays, users"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace
