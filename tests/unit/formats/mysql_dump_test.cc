// SPDX-License-Identifier: Apache-2.0
// Scripts of mysqldump and mariadb-dump: their rows, whatever the form, and however they are cut.
#include "mapreduce/formats/mysql_dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/formats/mysql_rows.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::HasSubstr;

// What a script says, whole; all columns.
std::string Read(std::string_view script, std::string_view spec = "mysqldump") {
  const SqlFile file("a.sql", std::string(script), spec);
  if (!file.status().ok()) return "error: " + std::string(file.status().message());
  return FieldsOf(file.Rows());
}

constexpr std::string_view kCreateUsers =
    "CREATE TABLE `users` (\n"
    "  `id` int(11) NOT NULL AUTO_INCREMENT,\n"
    "  `name` varchar(20) DEFAULT NULL COMMENT 'a, b) c',\n"
    "  `plan` enum('a','b,)''') DEFAULT NULL,\n"
    "  PRIMARY KEY (`id`),\n"
    "  UNIQUE KEY `name` (`name`(10)),\n"
    "  CONSTRAINT `c` FOREIGN KEY (`plan`) REFERENCES `plans` (`id`)\n"
    ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='x;y';\n";

std::string MariadbDump() {
  return "/*M!999999\\- enable the sandbox mode */ \n"
         "-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)\n"
         "--\n"
         "-- Host: localhost    Database: shop; it's \"a `test\n"
         "/*!40101 SET NAMES utf8mb4 */;\n"
         "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n"
         "DROP TABLE IF EXISTS `users`;\n"
         "/*!40101 SET @saved_cs_client     = @@character_set_client */;\n" +
         std::string(kCreateUsers) +
         "LOCK TABLES `users` WRITE;\n"
         "/*!40000 ALTER TABLE `users` DISABLE KEYS */;\n"
         "INSERT INTO `users` VALUES\n"
         "(1,'it\\'s \\\\','a'),\n"
         "(2,NULL,''),\n"
         "(3,'),(9,\\'x\\',\\'y\\');','\xC3\xA9\xF0\x9F\x98\x80');\n"
         "/*!40000 ALTER TABLE `users` ENABLE KEYS */;\n"
         "UNLOCK TABLES;\n"
         "INSERT INTO `others` VALUES (7);\n"
         "INSERT INTO `users` VALUES\n"
         "(4,'\\\\N','\\0\\t\\n');\n"
         "-- Dump completed on 2026-11-21\n";
}
constexpr std::string_view kMariadbRows =
    "[1][it's \\][a]\n"
    "[2][NULL][]\n"
    "[3][),(9,'x','y');][\xC3\xA9\xF0\x9F\x98\x80]\n";

TEST(MysqlDumpTest, ReadsARowOnEachLine) {
  EXPECT_EQ(Read(MariadbDump(), "mysqldump,table=users"),
            std::string(kMariadbRows) + "[4][\\N][" + std::string("\0\t\n", 3) + "]\n");
}

TEST(MysqlDumpTest, ReadsAllRowsOnOneLineAndOneStatementPerRow) {
  const std::string rows = "[1][a]\n[2][b]\n[3][c]\n";
  EXPECT_EQ(Read("INSERT INTO `t` VALUES (1,'a'),(2,'b'),(3,'c');"), rows);
  EXPECT_EQ(Read("INSERT INTO `t` VALUES(1,'a')\n,(2,'b')\r\n,(3,'c') ;"), rows);
  EXPECT_EQ(Read("insert into t values(1,'a');\nINSERT INTO `t` VALUES (2,'b');\n"
                 "INSERT INTO `t` VALUES (3,'c');\n"),
            rows);
  EXPECT_EQ(Read("INSERT INTO t VALUES (1,'a');INSERT INTO t VALUES  (2,'b');"
                 "INSERT INTO t VALUES -- (\n (3,'c');"),
            rows);
  EXPECT_EQ(Read("REPLACE INTO `t` VALUES (1,'a');INSERT  IGNORE INTO `t` VALUES (2,'b');"
                 "INSERT DELAYED t VALUE (3,'c')"
                 " ON DUPLICATE KEY UPDATE a=VALUES(a),b=(2),c='(4)';;"),
            rows);
}

TEST(MysqlDumpTest, AByteOrderMarkIsNoText) {
  EXPECT_EQ(Read("\xEF\xBB\xBFINSERT INTO t VALUES (1);"), "[1]\n");
  EXPECT_TRUE(MysqlDumpFormat().looks_like("\xEF\xBB\xBF-- MySQL dump 10.13"));
}

TEST(MysqlDumpTest, DecodesEveryKindOfValue) {
  EXPECT_EQ(Read("INSERT INTO t VALUES ( -1.50 , +2, .5e-3,1E10, 'a''b' ,\"c\"\"'d\\\"\");"),
            "[-1.50][+2][.5e-3][1E10][a'b][c\"'d\"]\n");
  EXPECT_EQ(Read("INSERT INTO t VALUES (0x4D79,x'4d',X'',b'01001101',0b1000000001,0xF);"),
            std::string("[My][M][][M][\x02\x01][\x0F]\n"));
  EXPECT_EQ(Read("INSERT INTO t VALUES (_binary 'a\\0',_utf8mb4'b',N'c',n'd',_binary 0x65);"),
            std::string("[a\0][b][c][d][e]\n", 17));
  EXPECT_EQ(Read("INSERT INTO t VALUES (null,Null,TRUE,false,'NULL','');"),
            "[NULL][NULL][1][0][NULL][]\n");
  EXPECT_EQ(Read("INSERT INTO t VALUES ('\\b\\n\\r\\t\\Z\\\\\\'\\\"\\q\\%\\_\t\n');"),
            "[\b\n\r\t\x1A\\'\"q\\%\\_\t\n]\n");
}

TEST(MysqlDumpTest, NullIsNotTheTextNull) {
  const SqlFile file("a.sql", "INSERT INTO t VALUES (NULL,'NULL','\\\\N');", "mysqldump");
  const std::vector<FileRow> rows = file.Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].fields, (std::vector<std::optional<std::string>>{std::nullopt, "NULL", "\\N"}));
}

TEST(MysqlDumpTest, GivesPlaceAndBytesOfEachRow) {
  const SqlFile file("a.sql", "INSERT INTO t VALUES (1,'a'), (2,'b');", "mysqldump");
  const std::vector<FileRow> rows = file.Rows({"2"});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].offset, 21u);
  EXPECT_EQ(rows[0].raw, "(1,'a')");
  EXPECT_EQ(rows[1].offset, 30u);
  EXPECT_EQ(rows[1].raw, "(2,'b')");
  EXPECT_EQ(FieldsOf(rows), "[a]\n[b]\n");
}

TEST(MysqlDumpTest, ARowEndsWhereItsParenthesisDoes) {
  for (const char* row : {"(8-- )\n)", "(8# )\n)", "(8/*)*/)", "((1),')',\")\",`)`)",
                          "(')'')\\')')", "(1--1)", "('--')"}) {
    const std::string script = "INSERT INTO t (a) VALUES (1)," + std::string(row) + ",(2);";
    const std::vector<FileRow> rows = SqlFile("a.sql", script, "mysqldump").Rows();
    ASSERT_EQ(rows.size(), 3u) << row;
    EXPECT_EQ(rows[1].raw, row);
  }
}

TEST(MysqlDumpTest, ColumnsAreTheInsertsOrTheCreateTables) {
  using Names = std::vector<std::string>;
  const auto columns = [](std::string_view script) {
    const SqlFile file("a.sql", std::string(script), "mysqldump,table=users");
    EXPECT_TRUE(file.status().ok()) << file.status().message();
    return file.status().ok() ? file.shard().layout->columns : Names();
  };
  const std::string create(kCreateUsers);
  EXPECT_EQ(columns(create + "INSERT INTO `users` VALUES (1,'a','b');"),
            (Names{"id", "name", "plan"}));
  EXPECT_EQ(columns(create + "INSERT INTO `users` (`plan`, `a``,b)`, id) VALUES (1,'a','b');"),
            (Names{"plan", "a`,b)", "id"}));
  EXPECT_EQ(columns("INSERT INTO `users` VALUES (1,'a','b'),(1);"), (Names{"1", "2", "3"}));
  EXPECT_EQ(columns(create), (Names{"id", "name", "plan"}));
  EXPECT_EQ(columns("CREATE TABLE IF NOT EXISTS users (key_a int, b text /* , c int */, "
                    "-- d\n e decimal(10,2) DEFAULT '\\',(', PRIMARY KEY (b), PERIOD FOR x (b, e), "
                    "`key` int GENERATED ALWAYS AS (b + 1) VIRTUAL)"
                    "/*!50100 PARTITION BY RANGE (x) (PARTITION p VALUES LESS THAN (1)) */;"),
            (Names{"key_a", "b", "e", "key"}));
}

TEST(MysqlDumpTest, ATableWithoutRowsHasNone) {
  EXPECT_EQ(Read(kCreateUsers), "");
  EXPECT_EQ(Read("INSERT INTO a VALUES (1);" + std::string(kCreateUsers), "mysqldump,table=users"),
            "");
}

TEST(MysqlDumpTest, TriggersAndCommentsHaveNoRows) {
  EXPECT_EQ(Read("# INSERT INTO t VALUES ('x\n"
                 "-- INSERT INTO t VALUES (\"x\n"
                 "/* INSERT INTO t VALUES ('x */\n"
                 "INSERT /* ( */ INTO t -- (\n VALUES # (\n (1) /* ,(5) */ , -- (6)\n(2);\n"
                 "DELIMITER ;;\n"
                 "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 trigger tr\n"
                 "before insert on t for each row begin\n"
                 "INSERT INTO t VALUES (3);\nINSERT INTO t VALUES (';;'); end */;;\n"
                 "DELIMITER ;\n"
                 "CREATE VIEW v AS SELECT 'INSERT INTO t VALUES (4)';\n"
                 "INSERT INTO t VALUES (7--1);INSERT INTO t VALUES (8-- )\n);\n"),
            "[1]\n[2]\nREJECT value 1 is none that a dump would have: NULL, a number, '...', "
            "0x..., x'...' or b'...'\nREJECT value 1 is none that a dump would have: NULL, a "
            "number, '...', 0x..., x'...' or b'...'\n");
}

TEST(MysqlDumpTest, ADelimiterIsNeverEmpty) {
  EXPECT_EQ(
      Read("DELIMITER  \r\nINSERT INTO t VALUES (1);DELIMITER ;\r\nINSERT INTO t VALUES (2);"),
      "[1]\n[2]\n");
}

TEST(MysqlDumpTest, BackslashesAreBytesWhereTheScriptSaysSo) {
  const std::string script =
      "/*!40101 SET @OLD=@@SQL_MODE, SQL_MODE='ANSI,NO_BACKSLASH_ESCAPES' */;\n"
      "INSERT INTO t VALUES ('C:\\'),('a''b\\n');\n"
      "SET sql_mode = @OLD;\n"
      "INSERT INTO u VALUES ('\\'');\n";
  EXPECT_EQ(Read(script, "mysqldump,table=t"), "[C:\\]\n[a'b\\n]\n");
  EXPECT_EQ(Read(script, "mysqldump,table=u"), "[']\n");
  EXPECT_THAT(Read(script + "INSERT INTO t VALUES ('');", "mysqldump,table=t"),
              HasSubstr("NO_BACKSLASH_ESCAPES differs"));
  EXPECT_THAT(Read("SET NAMES gbk; INSERT INTO t VALUES ('');"), HasSubstr("utf8mb4"));
}

TEST(MysqlDumpTest, TheTableIsNamedOrTheOnlyOne) {
  const std::string two =
      "USE `shop`;\nINSERT INTO `users` VALUES (1);USE crm\nINSERT INTO `users` VALUES (2);"
      "INSERT INTO shop.users VALUES (3);INSERT INTO users VALUES (4);"
      "INSERT INTO `shop`.`users` VALUES (5);";
  EXPECT_EQ(Read(two, "mysqldump,table=shop.users"), "[1]\n[3]\n[5]\n");
  EXPECT_EQ(Read(two, "mysqldump,table=CRM.users"), "[2]\n[4]\n");
  EXPECT_THAT(Read(two, "mysqldump,table=users"), HasSubstr("crm.users, shop.users"));
  EXPECT_THAT(Read(two), HasSubstr("crm.users, shop.users"));
  EXPECT_THAT(Read(two, "mysqldump,table=plays"),
              HasSubstr("has no table plays; it has crm.users"));
  EXPECT_THAT(Read("SELECT 1;"), HasSubstr("has no table"));
  const SqlFile file("a.sql", two, "mysqldump");
  EXPECT_EQ(file.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(
      Read("INSERT INTO `Users` VALUES (1);INSERT INTO plays VALUES (2);", "mysqldump,table=users"),
      "[1]\n");
}

TEST(MysqlDumpTest, RejectsRowsThatAreNone) {
  EXPECT_EQ(Read("INSERT INTO t (a,b) VALUES (1,2),(1),(1,2,3),(NOW(),2),(1,'a' 'b'),(3,4),"
                 "(),(1,0xZ),(1,x'123'),(DEFAULT,1),(1,),('a)',\"(\");"),
            "[1][2]\n"
            "REJECT the row has 1 values, the table has 2 columns\n"
            "REJECT the row has 3 values, the table has 2 columns\n"
            "REJECT value 1 is none that a dump would have: NULL, a number, '...', 0x..., x'...' "
            "or b'...'\n"
            "REJECT value 2 is none that a dump would have: NULL, a number, '...', 0x..., x'...' "
            "or b'...'\n"
            "[3][4]\n"
            "REJECT the row has 0 values, the table has 2 columns\n"
            "REJECT value 2 (b) has digits that are none: 0x and x'..' take 0 to 9, A to F, b'..' "
            "0 and 1\n"
            "REJECT value 2 is none that a dump would have: NULL, a number, '...', 0x..., x'...' "
            "or b'...'\n"
            "REJECT value 1 is none that a dump would have: NULL, a number, '...', 0x..., x'...' "
            "or b'...'\n"
            "REJECT value 2 is none that a dump would have: NULL, a number, '...', 0x..., x'...' "
            "or b'...'\n"
            "[a)][(]\n");
}

TEST(MysqlDumpTest, RefusesWhatItWouldReadWrongly) {
  EXPECT_THAT(Read("INSERT INTO t (a) VALUES (1);INSERT INTO t (b) VALUES (1);"),
              HasSubstr("has other columns than the ones before"));
  EXPECT_THAT(Read("CREATE TABLE t (a int);INSERT INTO t VALUES (1);CREATE TABLE t (b int);"
                   "INSERT INTO t VALUES (1);"),
              HasSubstr("has other columns than the ones before"));
  EXPECT_THAT(Read("INSERT INTO t VALUES (1);INSERT INTO t SELECT * FROM u;"),
              HasSubstr("has no VALUES"));
  EXPECT_THAT(Read("INSERT INTO t VALUES (1);INSERT INTO t SET a='(';"),
              HasSubstr("has no VALUES"));
  EXPECT_THAT(Read("DELIMITER $$\nINSERT INTO t VALUES (1)$$\n"), HasSubstr("delimiter $$"));
  EXPECT_THAT(Read("INSERT INTO t VALUES (1),ROW(2);"), HasSubstr("no row follows the comma"));
  EXPECT_THAT(Read("INSERT INTO t VALUES (1,(2;"), HasSubstr("isn't closed"));
}

// A cut-off file is never a shorter one. Only between statements nothing shows it, unless mysqldump
// wrote its last line.
TEST(MysqlDumpTest, NoticesFilesThatWereCutOff) {
  const std::string whole = MariadbDump();
  const std::size_t last = whole.find("-- Dump completed");
  for (std::size_t bytes = whole.find("-- MariaDB dump") + 17; bytes < last + 17; ++bytes) {
    const SqlFile file("a.sql", whole.substr(0, bytes), "mysqldump,table=users");
    ASSERT_EQ(file.status().code(), StatusCode::kBadData) << bytes;
  }
  const std::string script = "INSERT INTO t VALUES (1,'a'),\n(2,'b') ;";
  for (std::size_t bytes = 1; bytes < script.size(); ++bytes) {
    const SqlFile file("a.sql", script.substr(0, bytes), "mysqldump");
    ASSERT_EQ(file.status().code(), StatusCode::kBadData) << bytes;
    ASSERT_THAT(file.status().message(), HasSubstr("a.sql"));
  }
}

TEST(MysqlDumpTest, ARowOverTheLimitIsBadData) {
  const SqlFile file("a.sql", "INSERT INTO t VALUES (1),('" + std::string(1000, 'x') + "'),(2);",
                     "mysqldump");
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    EXPECT_EQ(file.TryRows({.all = true, .columns = {}}, {}, piece, 1004)->size(), 3u);
    const auto rows = file.TryRows({.all = true, .columns = {}}, {}, piece, 1003);
    ASSERT_FALSE(rows.ok());
    EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
    EXPECT_THAT(rows.error().message(), HasSubstr("the row at byte 25"));
  }
}

// Every form, every cut, every size of reads and of row ranges: the rows of the whole.
TEST(MysqlDumpTest, AnyCutGivesTheSameRows) {
  const std::vector<std::pair<std::string, std::string>> scripts = {
      {MariadbDump(), "mysqldump,table=users"},
      {"INSERT INTO `t` VALUES "
       "(1,'a\\'b\\\\'),(2,'\\\\\\'),(\xF0\x9F\x98\x80'),(3,NULL),(4),(5,'');",
       "mysqldump"},
      {"INSERT INTO `t` VALUES (1);\nINSERT INTO `t` VALUES (2);\n\nINSERT INTO `u` VALUES (3);\n"
       "INSERT INTO `t` VALUES (4);\n",
       "mysqldump,table=t"},
      {"USE a;INSERT INTO t VALUES (1);USE b;INSERT INTO t VALUES (2);INSERT INTO a.t VALUES "
       "(3),(4)"
       ";INSERT INTO t VALUES (5);INSERT INTO a.t VALUES (6);USE a;INSERT INTO t VALUES (7);",
       "mysqldump,table=a.t"},
      {"SET sql_mode='NO_BACKSLASH_ESCAPES';INSERT INTO t VALUES ('\\'),('a'),('''\\');"
       "SET sql_mode='';INSERT INTO u VALUES ('\\'');SET sql_mode=@old;INSERT INTO t VALUES "
       "('\\');",
       "mysqldump,table=t"},
      {"SET sql_mode='NO_BACKSLASH_ESCAPES';INSERT INTO t VALUES ('\\');SET sql_mode=@old;"
       "INSERT INTO u VALUES ('\\'');SET sql_mode='NO_BACKSLASH_ESCAPES';INSERT INTO t VALUES (1);",
       "mysqldump,table=t"},
      {"INSERT INTO t VALUES (1) /* ,(2) */, (3) -- ,(4)\n,\n(\"5)\"),(6/*)*/) "
       "ON DUPLICATE KEY UPDATE a=(7);\nDELIMITER //\nINSERT INTO u VALUES (8);//\nDELIMITER ;\n"
       "INSERT INTO t VALUES (9);",
       "mysqldump,table=t"},
  };
  for (const auto& [script, spec] : scripts) {
    const SqlFile whole("a.sql", script, spec);
    ASSERT_TRUE(whole.status().ok()) << whole.status().message();
    const std::vector<FileRow> rows = whole.Rows();
    ASSERT_GT(rows.size(), 1u);
    for (const std::uint64_t range_bytes : {1u, 2u, 20u}) {
      const SqlFile file("a.sql", script, spec, range_bytes);
      if (range_bytes == 1) {  // Each row has its own.
        ASSERT_EQ(file.shard().layout->rows.size(), rows.size());
      }
      for (const std::size_t piece :
           {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, SIZE_MAX}) {
        for (std::uint64_t cut = 1; cut < script.size(); ++cut) {
          ASSERT_EQ(file.RowsOfRanges({}, {cut}, piece), rows) << script << cut << " " << piece;
        }
      }
      std::vector<std::uint64_t> all;
      for (std::uint64_t cut = 1; cut < script.size(); ++cut) all.push_back(cut);
      ASSERT_EQ(file.RowsOfRanges({}, all, 5), rows) << script;
    }
  }
}

// Random rows of all kinds, longer than a vector's 64 bytes and than a read.
TEST(MysqlDumpTest, RandomRowsComeBack) {
  Random random(TestSeed());
  SCOPED_TRACE(TestSeed());
  for (int round = 0; round < 300; ++round) {
    std::string script = "CREATE TABLE t (a int, b text, c text);";
    std::string expected;
    const bool is_doubled = random.Uniform(2) == 0;
    const std::uint64_t row_count = 1 + random.Uniform(20);
    for (std::uint64_t row = 0; row < row_count; ++row) {
      script += row == 0                 ? "INSERT INTO t VALUES ("
                : random.Uniform(4) == 0 ? ");\nINSERT INTO t VALUES ("
                                         : "),(";
      script += std::to_string(row);
      expected += "[" + std::to_string(row) + "]";
      for (int field = 0; field < 2; ++field) {
        std::string text = RandomText(random, random.Uniform(4) == 0 ? 300 : 20);
        for (char& c : text) {
          if (random.Uniform(5) == 0) c = "'\"`();,-#/*"[random.Uniform(11)];
        }
        expected += "[" + text + "]";
        script += ",'";
        for (const char c : text) {
          if (c == '\'') {
            script += is_doubled ? "''" : "\\'";
          } else if (c == '\\') {
            script += "\\\\";
          } else if (c == '\n' && random.Uniform(2) == 0) {
            script += "\\n";
          } else {
            script += c;
          }
        }
        script += "'";
      }
      expected += "\n";
    }
    script += ");\n";
    const SqlFile file("a.sql", script, "mysqldump", 1 + random.Uniform(200));
    std::vector<std::uint64_t> borders;
    for (std::uint64_t at = 1 + random.Uniform(400); at < script.size();
         at += random.Uniform(400)) {
      borders.push_back(at);
    }
    ASSERT_TRUE(file.status().ok()) << file.status().message();
    ASSERT_EQ(FieldsOf(file.RowsOfRanges({}, borders, 1 + random.Uniform(100))), expected)
        << script;
  }
}

// What is on one line need not fit into memory: a row range every MiB.
TEST(MysqlDumpTest, CutsALongLineEveryMebibyte) {
  std::string script = "INSERT INTO `t` VALUES ";
  while (script.size() < 5u << 20) script += "(12345,'some text that is not long'),";
  script.back() = ';';
  const SqlFile file("a.sql", script, "mysqldump", 0);
  const std::vector<RowRange>& rows = file.shard().layout->rows;
  ASSERT_GE(rows.size(), 5u);
  ASSERT_LE(rows.size(), 6u);
  for (const RowRange& range : rows) EXPECT_EQ(script[range.begin], '(');
  for (std::size_t i = 1; i < rows.size(); ++i) EXPECT_EQ(rows[i].begin, rows[i - 1].end + 1);
}

TEST(MysqlDumpTest, IsKnownByItsFirstBytes) {
  const auto looks_like = MysqlDumpFormat().looks_like;
  EXPECT_TRUE(looks_like("-- MySQL dump 10.13  Distrib 8.0.36"));
  EXPECT_TRUE(looks_like(MariadbDump()));
  EXPECT_TRUE(looks_like("/* by hand */\nCREATE TABLE `Album`\n("));
  EXPECT_FALSE(looks_like("--\n-- PostgreSQL database dump\n--\nCREATE TABLE public.users (\n"));
  EXPECT_FALSE(looks_like(""));
}

}  // namespace
}  // namespace millrace
