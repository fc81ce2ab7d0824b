// SPDX-License-Identifier: Apache-2.0
// Parquet files, written by DuckDB and by hand, through their driver.
#include "mapreduce/formats/parquet_input.h"

#include <gmock/gmock.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "mapreduce/base/random.h"
#include "tests/unit/formats/parquet_files.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using Fields = std::vector<std::optional<std::string>>;

class ParquetInputTest : public ParquetTest {};

// Each type that Parquet has, as docs/formats/parquet.md says.
TEST_F(ParquetInputTest, EachTypeHasItsText) {
  const std::pair<const char*, const char*> kValues[] = {
      {"true", "true"},
      {"false", "false"},
      {"(-128)::TINYINT", "-128"},
      {"(-32768)::SMALLINT", "-32768"},
      {"2147483647::INTEGER", "2147483647"},
      {"(-9223372036854775808)::BIGINT", "-9223372036854775808"},
      {"255::UTINYINT", "255"},
      {"65535::USMALLINT", "65535"},
      {"4294967295::UINTEGER", "4294967295"},
      {"18446744073709551615::UBIGINT", "18446744073709551615"},
      {"9223372036854775807::BIGINT", "9223372036854775807"},
      {"0::BIGINT", "0"},
      {"(-1)::INTEGER", "-1"},
      {"100000000::BIGINT", "100000000"},
      {"10000000000000000::UBIGINT", "10000000000000000"},
      {"170141183460469231731687303715884105727::HUGEINT", "1.7014118346046923e+38"},
      {"(-5)::HUGEINT", "-5"},
      {"0.1::DOUBLE", "0.1"},
      {"1e300::DOUBLE", "1e+300"},
      {"'-0'::DOUBLE", "-0"},
      {"'nan'::DOUBLE", "nan"},
      {"'-nan'::DOUBLE", "nan"},
      {"'-inf'::DOUBLE", "-inf"},
      {"'inf'::DOUBLE", "inf"},
      {"100000::DOUBLE", "1e+05"},
      {"123456::DOUBLE", "123456"},
      {"0.0001::DOUBLE", "1e-04"},
      {"(-1234.56)::DOUBLE", "-1234.56"},
      {"'1.7976931348623157e308'::DOUBLE", "1.7976931348623157e+308"},
      {"'5e-324'::DOUBLE", "5e-324"},
      {"0.1::FLOAT", "0.1"},
      {"'-inf'::FLOAT", "-inf"},
      {"'nan'::FLOAT", "nan"},
      {"16777216::FLOAT", "16777216"},
      {"'1e-45'::FLOAT", "1e-45"},
      {"12.50::DECIMAL(4,2)", "12.50"},
      {"0::DECIMAL(4,0)", "0"},
      {"0::DECIMAL(4,4)", "0.0000"},
      {"(-9999)::DECIMAL(4,0)", "-9999"},
      {"(-0.999999999)::DECIMAL(9,9)", "-0.999999999"},
      {"(-999999999999999999)::DECIMAL(18,0)", "-999999999999999999"},
      {"'-9999999999999999999.9999999999999999999'::DECIMAL(38,19)",
       "-9999999999999999999.9999999999999999999"},
      {"'10000000000000000000'::DECIMAL(20,0)", "10000000000000000000"},
      {"'1844674407370955161.6'::DECIMAL(38,1)", "1844674407370955161.6"},
      {"(-0.05)::DECIMAL(9,2)", "-0.05"},
      {"123456789012345.678::DECIMAL(18,3)", "123456789012345.678"},
      {"'-99999999999999999999999999999999999999'::DECIMAL(38,0)",
       "-99999999999999999999999999999999999999"},
      {"'0.00000000000000000000000000000000000001'::DECIMAL(38,38)",
       "0.00000000000000000000000000000000000001"},
      {"DATE '2026-11-26'", "2026-11-26"},
      {"DATE '0001-01-01'", "0001-01-01"},
      {"DATE '1969-12-31'", "1969-12-31"},
      {"DATE '2000-02-29'", "2000-02-29"},
      {"DATE '0044-03-15 (BC)'", "-0043-03-15"},
      {"DATE '0001-12-31 (BC)'", "0000-12-31"},
      {"DATE '12026-01-09'", "12026-01-09"},
      {"DATE '5877642-06-25 (BC)'", "-5877641-06-25"},
      {"DATE '5881580-07-10'", "5881580-07-10"},
      {"DATE 'infinity'", "infinity"},
      {"DATE '-infinity'", "-infinity"},
      {"TIMESTAMP '0044-03-15 (BC) 12:00:00.000001'", "-0043-03-15T12:00:00.000001"},
      {"TIMESTAMP '290309-12-22 (BC) 00:00:00'", "-290308-12-22T00:00:00"},
      {"TIMESTAMP '294247-01-10 04:00:54.775806'", "294247-01-10T04:00:54.775806"},
      {"TIMESTAMP 'infinity'", "infinity"},
      {"TIMESTAMPTZ '-infinity'", "-infinity"},
      {"TIMESTAMP_S '1969-12-31 23:59:59'", "1969-12-31T23:59:59"},
      {"TIMESTAMP_MS '1969-12-31 23:59:59.999'", "1969-12-31T23:59:59.999"},
      {"TIMESTAMP_NS '1969-12-31 23:59:59.999999999'", "1969-12-31T23:59:59.999999999"},
      {"TIMESTAMP_NS '2026-11-26 10:00:00.000001'", "2026-11-26T10:00:00.000001"},
      {"TIMESTAMPTZ '1969-12-31 23:59:59.25+00'", "1969-12-31T23:59:59.250Z"},
      {"TIMESTAMP '2026-11-26 10:00:00'", "2026-11-26T10:00:00"},
      {"TIMESTAMP '2026-11-26 23:59:59.999999'", "2026-11-26T23:59:59.999999"},
      {"TIMESTAMP '1969-12-31 23:59:59.5'", "1969-12-31T23:59:59.500"},
      {"TIMESTAMP_MS '2026-11-26 10:00:00.007'", "2026-11-26T10:00:00.007"},
      {"TIMESTAMP_NS '2026-11-26 10:00:00.000000001'", "2026-11-26T10:00:00.000000001"},
      {"TIMESTAMPTZ '2026-11-26 10:00:00+02'", "2026-11-26T08:00:00Z"},
      {"TIME '10:00:01'", "10:00:01"},
      {"'naïve — 日本'", "naïve — 日本"},
      {"''", ""},
      {"'\\N'", "\\N"},  // Text, and no NULL.
      {"'\\x00\\xFF\\x09'::BLOB", std::string_view("\0\xFF\t", 3).data()},
      {"'5f3a1b9e-0000-4000-8000-0123456789ab'::UUID", "5f3a1b9e-0000-4000-8000-0123456789ab"},
      {"'b'::ENUM('a', 'b')", "b"},
      {"[1, NULL, 3]", "[1,null,3]"},
      {"{'a': 1, 'b': 'x\"y'}", "{\"a\":1,\"b\":\"x\\\"y\"}"},
      {"MAP {'k': [1.5]}", "{\"k\":[1.5]}"},
  };
  std::string query = "SELECT ";
  for (std::size_t i = 0; i < std::size(kValues); ++i)
    query += std::string(i > 0 ? ", " : "") + kValues[i].first + " AS c" + std::to_string(i);
  const std::string path = WriteRows(query);
  const std::vector<FileRow> rows = Rows(path);
  ASSERT_THAT(rows, SizeIs(1));
  ASSERT_THAT(rows[0].fields, SizeIs(std::size(kValues)));
  for (std::size_t i = 0; i < std::size(kValues); ++i) {
    const bool is_blob = std::string_view(kValues[i].first).ends_with("BLOB");
    EXPECT_EQ(rows[0].fields[i], is_blob ? std::string("\0\xFF\t", 3) : kValues[i].second)
        << kValues[i].first;
  }
}

// All values of all widths against DuckDB's own text.
TEST_F(ParquetInputTest, NumbersAndDatesAreDuckDbs) {
  WriteRows(
      "SELECT (hash(i) % 2000000000)::BIGINT - 1000000000 AS a, "
      "((hash(i + 1) % 99999) / 10000 - 5)::DECIMAL(9,4) AS b, "
      "DATE '1582-10-15' + (hash(i + 2) % 300000)::INTEGER AS c, "
      "CASE WHEN i % 7 = 0 THEN NULL ELSE i END AS d, "
      "hash(i + 3) AS e, "
      "(hash(i + 4) >> (hash(i + 5) % 64)::INTEGER)::UBIGINT AS f, "
      "-((hash(i + 6) >> (1 + hash(i + 7) % 63)::INTEGER)::BIGINT) AS g, "
      "((hash(i + 8) % 19999)::INTEGER - 9999)::DECIMAL(4,0) AS m, "
      "((hash(i + 9) % 1999) - 999.0)::DECIMAL(4,1) AS h, "
      "((hash(i + 10) >> (20 + hash(i + 11) % 44)::INTEGER) / 10000.0)::DECIMAL(18,4) AS j, "
      "-(hash(i + 12)::HUGEINT * (hash(i + 13) % 1000000))::DECIMAL(38,11) AS k, "
      "DATE '0001-01-01' - (hash(i + 14) % 2000000)::INTEGER + 1000000 AS l "
      "FROM range(20000) t(i)");
  const std::vector<FileRow> rows = Rows(Path("rows.parquet"));
  // Dates before our era are told differently.
  const TextRows expected = Query(
      "SELECT * REPLACE (CASE WHEN year(l) < 0 THEN '-' ELSE '' END || lpad(abs(year(l))::VARCHAR, "
      "4, '0') || '-' || lpad(month(l)::VARCHAR, 2, '0') || '-' || lpad(day(l)::VARCHAR, 2, '0') "
      "AS l) FROM " +
      SqlText(Path("rows.parquet")));
  ASSERT_EQ(rows.size(), expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i].fields, expected[i]) << i;
}

TEST_F(ParquetInputTest, NullIsNullOfEveryType) {
  WriteRows(
      "SELECT NULL::BOOLEAN a, NULL::BIGINT b, NULL::DOUBLE c, NULL::DECIMAL(30,2) d, NULL::DATE "
      "e, "
      "NULL::TIMESTAMP f, NULL::VARCHAR g, NULL::BLOB h, NULL::INTEGER[] i, NULL::STRUCT(x "
      "INTEGER) j, "
      "NULL::UUID k");
  const std::vector<FileRow> rows = Rows(Path("rows.parquet"));
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].fields, Fields(11, std::nullopt));
}

TEST_F(ParquetInputTest, ColumnsAreFoundByNameAndNumber) {
  WriteRows("SELECT 1 AS \"Land\", 2 AS \"a \"\"quoted\"\" one\", 3 AS \"select\", 4 AS \"ä\"");
  const Result<Shard> shard = Inspect(Path("rows.parquet"));
  ASSERT_TRUE(shard.ok());
  EXPECT_THAT(shard->layout->columns, ElementsAre("Land", "a \"quoted\" one", "select", "ä"));
  RowRequest request;
  request.columns = {{"country", "land", 0},  // In whatever case.
                     {},                      // Not looked at.
                     {"n", "", 2},
                     {"again", "LAND", 0},
                     {"s", "select", 0},
                     {"u", "ä", 0}};
  ASSERT_TRUE(CheckColumns(request, {"parquet", {}}, *shard).ok());
  const auto rows = TryRows(*shard, request);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  ASSERT_THAT(*rows, SizeIs(1));
  EXPECT_THAT((*rows)[0].fields, ElementsAre("1", "", "2", "1", "3", "4"));
  request.columns = {{"country", "country", 0}};
  EXPECT_THAT(CheckColumns(request, {"parquet", {}}, *shard).message(),
              AllOf(StartsWith(Path("rows.parquet")), HasSubstr("has no column country"),
                    HasSubstr("Land, a \"quoted\" one")));
}

// A job that looks at no column still counts rows.
TEST_F(ParquetInputTest, RowsWithoutColumnsAreRows) {
  WriteRows("SELECT i FROM range(5000) t(i)");
  const Result<Shard> shard = Inspect(Path("rows.parquet"));
  RowRequest request;
  request.columns = {{}, {}};
  const auto rows = TryRows(*shard, request);
  ASSERT_TRUE(rows.ok());
  EXPECT_THAT(*rows, SizeIs(5000));
  EXPECT_THAT(rows->back().fields, ElementsAre("", ""));
}

// What is set aside is told by the row's number, and its line.
TEST_F(ParquetInputTest, ARecordIsItsNumberAndLine) {
  WriteRows("SELECT i, 'a' || chr(9) || 'b' AS t, NULL AS n FROM range(3) t(i)");
  const std::vector<FileRow> rows = Rows(Path("rows.parquet"));
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_EQ(rows[2].offset, 2u);
  EXPECT_EQ(rows[2].raw, "2\ta\\tb\t\\N");
}

// Wherever the file is cut, each row comes once, in its order, with its number.
TEST_F(ParquetInputTest, EachRowComesOnceWhereverItIsCut) {
  WriteRows("SELECT i, 'text ' || i AS t FROM range(50000) t(i)", ", ROW_GROUP_SIZE 4096");
  const std::string path = Path("rows.parquet");
  const Result<Shard> shard = Inspect(path);
  ASSERT_TRUE(shard.ok());
  EXPECT_EQ(FindFormat("parquet")->why_whole(*shard), "");
  const std::vector<FileRow> whole = Rows(path);
  ASSERT_THAT(whole, SizeIs(50000));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    ASSERT_EQ(whole[i].fields[0], std::to_string(i));
    ASSERT_EQ(whole[i].offset, i);
  }
  // Also right where a row group begins.
  const std::string& dialect = shard->layout->dialect;
  const std::size_t second_at = dialect.find('@', dialect.find('@') + 1);
  ASSERT_NE(second_at, dialect.npos);
  const std::uint64_t second = std::stoull(dialect.substr(second_at + 1));
  for (const std::uint64_t split_bytes : {std::uint64_t{1000}, std::uint64_t{7777}, second - 1,
                                          second, second + 1, shard->file.bytes - 1}) {
    EXPECT_EQ(Rows(path, {}, split_bytes), whole) << split_bytes;
  }
  // All parts have their share: no reader reads what is another's.
  std::size_t parts_with_rows = 0;
  for (const ShardRange& range : CutShard(*shard, shard->file.bytes / 4)) {
    const auto reader = ShardReader::Open(files_, *shard, range, nullptr, nullptr);
    ASSERT_TRUE(reader.ok());
    const FileFormat format{"parquet", {}};
    const RowRequest request = TextFile::Request({});
    const auto blocks = OpenRows({**reader, *shard, range, format, request, 64 << 20});
    ASSERT_TRUE(blocks.ok());
    LineBlock block;
    const auto is_there = (*blocks)->Next(&block);
    ASSERT_TRUE(is_there.ok());
    parts_with_rows += *is_there ? 1 : 0;
  }
  EXPECT_GE(parts_with_rows, 4u);
}

TEST_F(ParquetInputTest, SaysWhyAFileIsReadWhole) {
  WriteRows("SELECT 1 AS i");
  WriteRows("SELECT i, i AS File_Row_Number FROM range(10000) t(i)", ", ROW_GROUP_SIZE 2048",
            "named.parquet");
  EXPECT_EQ(FindFormat("parquet")->why_whole(*Inspect(Path("rows.parquet"))),
            "it is one row group");
  // Rows can't be asked for by number where a column has that name: all of them, once.
  EXPECT_EQ(FindFormat("parquet")->why_whole(*Inspect(Path("named.parquet"))),
            "its row groups can't be read one by one");
  EXPECT_THAT(Rows(Path("named.parquet"), {"i"}, 1000), SizeIs(10000));
}

TEST_F(ParquetInputTest, AFileWithoutRowsHasColumns) {
  WriteRows("SELECT 1 AS a, 'x' AS b WHERE false");
  const Result<Shard> shard = Inspect(Path("rows.parquet"));
  ASSERT_TRUE(shard.ok()) << shard.error().message();
  EXPECT_THAT(shard->layout->columns, ElementsAre("a", "b"));
  EXPECT_THAT(Rows(Path("rows.parquet")), IsEmpty());
}

// DuckDB takes such names for patterns, other protocols, or columns where it may.
TEST_F(ParquetInputTest, AnyNameOfAFileIsAName) {
  for (const std::string name :
       {"it's.parquet", "a\"b.parquet", "*.parquet", "[a-z]?.parquet", "**.parquet", "a;--.parquet",
        "$1 {x}.parquet", "country=SE.parquet", "line\nbreak.parquet", "back\\slash.parquet",
        "ä\xFF.parquet", "s3:x.parquet", "a,b.parquet"}) {
    WriteRows("SELECT 'in " + std::to_string(name.size()) + "' AS t", "", "plain.parquet");
    WriteRows("SELECT 'another' AS t", "", "b.parquet");  // What a pattern would find.
    std::filesystem::rename(Path("plain.parquet"), Path(name));
    const std::vector<FileRow> rows = Rows(Path(name));
    ASSERT_THAT(rows, SizeIs(1)) << name;
    EXPECT_THAT(rows[0].fields, ElementsAre("in " + std::to_string(name.size()))) << name;
    std::filesystem::remove(Path(name));
  }
  std::filesystem::create_directories(Path("country=SE/day=7"));
  WriteRows("SELECT 1 AS i", "", "country=SE/day=7/x.parquet");
  EXPECT_THAT(Inspect(Path("country=SE/day=7/x.parquet"))->layout->columns, ElementsAre("i"));
}

TEST_F(ParquetInputTest, WideTextsComeInBlocksOfTheirOwn) {
  WriteRows("SELECT i, repeat(chr(97 + i::INTEGER), 1000000) AS t FROM range(20) t(i)");
  const std::vector<FileRow> rows = Rows(Path("rows.parquet"));
  ASSERT_THAT(rows, SizeIs(20));
  for (std::size_t i = 0; i < rows.size(); ++i)
    ASSERT_EQ(rows[i].fields[1], std::string(1000000, static_cast<char>('a' + i)));
  // One over the limit is bad data that names the row.
  const Result<Shard> shard = Inspect(Path("rows.parquet"));
  const auto limited = TryRows(*shard, TextFile::Request({}), UINT64_MAX, 999'999);
  ASSERT_FALSE(limited.ok());
  EXPECT_EQ(limited.error().code(), StatusCode::kBadData);
  EXPECT_THAT(limited.error().message(),
              AllOf(StartsWith(Path("rows.parquet")), HasSubstr("row 0 "), HasSubstr("--memory")));
}

// --- What is no Parquet, or no longer.

TEST_F(ParquetInputTest, WhatIsNoParquetSaysSo) {
  const std::string good = Contents(WriteRows("SELECT i FROM range(1000) t(i)"));
  const std::pair<std::string, const char*> kCases[] = {
      {"", "is empty"},
      {"a\tb\n", "does not begin with PAR1"},
      {"PAR1", "is cut off: it has only 4 bytes"},
      {"PARE" + good.substr(4), "is encrypted"},
      {good.substr(0, good.size() - 1), "is cut off, or still being written"},
      {good.substr(0, good.size() / 2), "is cut off, or still being written"},
      {std::string("PAR1\xFF\xFF\xFF\x7FPAR1", 12), "its footer is larger than the file"},
      {std::string("PAR1\0\0\0\0PAR1", 12), "can't be read as Parquet"},
      {"PAR1" + good.substr(good.size() / 2), "can't be read as Parquet"},
      {GzipMember(good), "is compressed with gzip"},
      {ZstdFrame(good), "is compressed with zstd"},
  };
  for (const auto& [bytes, expected] : kCases) {
    const std::string path = Write("bad.parquet", bytes);
    const Status status = ErrorOf(path);
    EXPECT_EQ(status.code(), StatusCode::kBadData) << expected;
    EXPECT_THAT(status.message(), AllOf(StartsWith(path + ": "), HasSubstr(expected),
                                        Not(HasSubstr("/proc")), Not(HasSubstr("\n"))));
  }
}

// A damaged file is an error that names it, or other values; never a crash. Afterwards all goes on.
// Not of nested columns: docs/formats/parquet.md says why.
TEST_F(ParquetInputTest, DamageIsAnErrorOrAnotherValue) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  const std::string good =
      Contents(WriteRows("SELECT i, 'text ' || (i % 100) AS t, i * 0.5 AS d, DATE '2026-01-01' AS "
                         "day, NULLIF(i % 3, 0) AS n FROM range(5000) t(i)",
                         ", ROW_GROUP_SIZE 2048, COMPRESSION zstd"));
  int errors = 0;
  for (int round = 0; round < 100; ++round) {
    std::string bad = good;
    const int flips = 1 + static_cast<int>(random.Uniform(4));
    for (int i = 0; i < flips; ++i) {
      // Half of them in the footer, where lies are.
      const std::size_t from = random.Uniform(2) == 0 ? bad.size() * 9 / 10 : 4;
      const std::size_t at = from + random.Uniform(bad.size() - from);
      bad[at] = static_cast<char>(random.Next());
    }
    const std::string path = Write("bad.parquet", bad);
    const Status status = ErrorOf(path);
    if (status.ok()) continue;
    ++errors;
    EXPECT_THAT(status.message(), StartsWith(path)) << round;
    EXPECT_TRUE(status.code() == StatusCode::kBadData ||
                status.code() == StatusCode::kResourceLimit)
        << round << ": " << status.message();
  }
  EXPECT_GT(errors, 10);
  EXPECT_THAT(Rows(Write("good.parquet", good)), SizeIs(5000));
}

TEST_F(ParquetInputTest, AFileThatChangedIsNotRead) {
  const std::string path = WriteRows("SELECT i FROM range(100) t(i)");
  const Result<Shard> shard = Inspect(path);
  ASSERT_TRUE(shard.ok());
  WriteRows("SELECT i + 1 AS i FROM range(100) t(i)", "", "new.parquet");
  std::filesystem::rename(Path("new.parquet"), path);
  const auto rows = TryRows(*shard, TextFile::Request({}));
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code(), StatusCode::kStale);
}

// DuckDB knows files by name, size and time, and ours have names that come again.
TEST_F(ParquetInputTest, FilesOfOneSizeAndTimeAreTwo) {
  const auto write = [&](const char* text) {
    const std::string path = WriteRows("SELECT '" + std::string(text) + "' AS t", "", text);
    std::filesystem::last_write_time(path, std::filesystem::file_time_type());
    return path;
  };
  const std::string a = write("aaaa"), b = write("bbbb");
  ASSERT_EQ(std::filesystem::file_size(a), std::filesystem::file_size(b));
  for (int round = 0; round < 3; ++round) {
    EXPECT_THAT(Rows(a).front().fields, ElementsAre("aaaa"));
    EXPECT_THAT(Rows(b).front().fields, ElementsAre("bbbb"));
  }
}

// A plan comes over a wire: whatever stands in it is checked.
TEST_F(ParquetInputTest, ADialectIsChecked) {
  WriteRows("SELECT i, i + 1 AS j FROM range(10) t(i)");
  Result<Shard> shard = Inspect(Path("rows.parquet"));
  ASSERT_TRUE(shard.ok());
  for (const char* const dialect :
       {"", "p", "ppp", "px", "pp,", "pp,10", "pp,10@", "pp,@4", "pp,x@4", "pp,10@4;", "pp,-1@4",
        "pp,10@4,", "pp,9223372036854775807@4,9@5", "pp,99999999999999999999@4"}) {
    auto layout = std::make_shared<ShardLayout>(*shard->layout);
    layout->dialect = dialect;
    shard->layout = layout;
    const auto rows = TryRows(*shard, TextFile::Request({}));
    ASSERT_FALSE(rows.ok()) << dialect;
    EXPECT_EQ(rows.error().code(), StatusCode::kCorrupt) << dialect;
  }
  // More rows than there are is the file's fault: it was cut and has grown a footer.
  auto layout = std::make_shared<ShardLayout>(*shard->layout);
  layout->dialect = "pp,12@4";
  shard->layout = layout;
  EXPECT_THAT(TryRows(*shard, TextFile::Request({})).error().message(),
              HasSubstr("has 10 rows where its footer says 12"));
}

TEST_F(ParquetInputTest, IsFoundByItsEnds) {
  const std::string good = Contents(WriteRows("SELECT 1 AS i"));
  const auto format_of = [&](const std::string& name, const std::string& bytes) {
    const std::string path = Write(name, bytes);
    const Result<FileFormat> format =
        DetectFormat(files_, *InspectShard(files_, *files_.Stat(path)));
    return format.ok() ? format->name : std::string(format.error().message());
  };
  EXPECT_EQ(format_of("part-0.parquet", good), "parquet");
  EXPECT_EQ(format_of("000000_0", good), "parquet");  // As Hive calls them.
  EXPECT_EQ(format_of("data.snappy", good), "parquet");
  EXPECT_EQ(format_of("play.log", good), "parquet");
  EXPECT_EQ(format_of("text", "PAR1\tand so on\n"), "tsv");
  EXPECT_EQ(format_of("text", "PAR1"), "tsv");
  EXPECT_EQ(format_of("bad.parquet", "x"), "parquet");  // Then the driver says what is wrong.
}

// Each reader has a DuckDB of its own.
TEST_F(ParquetInputTest, ManyThreadsReadAtOnce) {
  const std::string path = WriteRows("SELECT i, 'text ' || i AS t FROM range(30000) t(i)");
  const std::vector<FileRow> expected = Rows(path);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 3; ++round) EXPECT_EQ(Rows(path).size(), expected.size());
    });
  }
}

// --- The library.

TEST(DuckDbLibraryTest, SaysWhatIsMissingAndHowToGetIt) {
  const auto absent = DuckDb::Load("/nowhere/libduckdb.so");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(absent.error().message(),
              AllOf(HasSubstr("Parquet needs DuckDB's library"), HasSubstr("/nowhere/libduckdb.so"),
                    HasSubstr("npm install"), HasSubstr("MILLRACE_DUCKDB=")));
  const auto other = DuckDb::Load("libz.so.1");  // A library, and not this one.
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(other.error().message(),
              AllOf(HasSubstr("needs DuckDB 1.2 or later"), HasSubstr("libz.so.1 has no duckdb_"),
                    HasSubstr("npm install")));
  EXPECT_FALSE(DuckDb::Load("/dev/null").ok());
}

}  // namespace
}  // namespace millrace
