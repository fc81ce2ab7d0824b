// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/output_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "mapreduce/formats/csv_writer.h"
#include "mapreduce/formats/output_row_ends.h"
#include "mapreduce/formats/tsv_writer.h"
#include "mapreduce/formats/utf8.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

using Field = std::optional<std::string>;
using Row = std::vector<Field>;

void AppendTsvOf(const Row& row, RowBuffer& out) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out.Append('\t');
    AppendTsv(out, row[i]);
  }
  out.Append('\n');
}

std::vector<OutputColumn> TextColumns(std::size_t count) {
  std::vector<OutputColumn> columns;
  for (std::size_t i = 0; i < count; ++i)
    columns.push_back({"c" + std::to_string(i), ColumnKind::kText});
  return columns;
}

// What becomes of the lines; of an error its message. They end where their memory ends.
std::string Converted(OutputFormat format, std::string_view lines,
                      const std::vector<OutputColumn>& columns) {
  const auto exact = std::make_unique<char[]>(lines.size());
  std::copy(lines.begin(), lines.end(), exact.get());
  RowBuffer out;
  const Status status = MakeRowConverter(format, columns)->Append({exact.get(), lines.size()}, out);
  return status.ok() ? std::string(out.view()) : status.message();
}
std::string Csv(std::string_view lines) {
  return Converted(OutputFormat::kCsv, lines, TextColumns(1));
}
std::string Csv(const std::vector<Row>& rows) {
  RowBuffer lines;
  for (const Row& row : rows) AppendTsvOf(row, lines);
  return Csv(lines.view());
}

// The slow reference.
std::string ReferenceCsv(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) text += ',';
      if (!row[i]) continue;
      if (!row[i]->empty() && *row[i] != "\\." &&
          row[i]->find_first_of("\",\r\n") == std::string::npos) {
        text += *row[i];
        continue;
      }
      text += '"';
      for (const char c : *row[i]) text += c == '"' ? std::string("\"\"") : std::string(1, c);
      text += '"';
    }
    text += '\n';
  }
  return text;
}

// Reads as PostgreSQL does: an empty field is NULL, "" is an empty string.
std::vector<Row> ReadCsv(std::string_view text) {
  std::vector<Row> rows;
  for (std::size_t at = 0; at < text.size(); ++at) {
    Row& row = rows.emplace_back();
    for (;; ++at) {
      Field& field = row.emplace_back();
      if (text[at] == '"') {
        field.emplace();
        for (++at; text[at] != '"' || (at + 1 < text.size() && text[at + 1] == '"'); ++at) {
          if (text[at] == '"') ++at;
          *field += text[at];
        }
        ++at;
      } else {
        const std::size_t end = text.find_first_of(",\n", at);
        if (end > at) field = text.substr(at, end - at);
        at = end;
      }
      if (text[at] == '\n') break;
    }
  }
  return rows;
}

// All strings of up to `bytes_max` of these bytes, and NULL.
std::vector<Field> AllFields(std::string_view alphabet, std::size_t bytes_max) {
  std::vector<Field> all = {std::nullopt, ""};
  for (std::size_t begin = 1, bytes = 1; bytes <= bytes_max; ++bytes) {
    const std::size_t end = all.size();
    for (std::size_t i = begin; i < end; ++i) {
      for (const char c : alphabet) all.push_back(*all[i] + c);
    }
    begin = end;
  }
  return all;
}

std::string RandomFieldText(Random& random) {
  static constexpr std::string_view kSpecial{",\"\n\r\t\\N. \b\f\v\0\x1F\x7F\xC3\xB6\xFF", 18};
  std::string text(random.Uniform(random.Uniform(8) == 0 ? 100 : 12), '\0');
  const std::uint64_t special_in_16 = random.Uniform(3) == 0 ? random.Uniform(17) : 0;
  for (char& c : text) {
    c = random.Uniform(16) < special_in_16 ? kSpecial[random.Uniform(kSpecial.size())]
                                           : static_cast<char>('a' + random.Uniform(26));
  }
  return text;
}

std::vector<Row> RandomRows(Random& random, std::size_t columns) {
  std::vector<Row> rows(1 + random.Uniform(6));
  for (Row& row : rows) {
    for (std::size_t i = 0; i < columns; ++i) {
      row.emplace_back();
      if (random.Uniform(10) > 0) row.back() = RandomFieldText(random);
    }
  }
  return rows;
}

TEST(OutputFormatTest, NamesAreReadBack) {
  for (const OutputFormat format :
       {OutputFormat::kTsv, OutputFormat::kCsv, OutputFormat::kJsonLines, OutputFormat::kParquet}) {
    EXPECT_EQ(ParseOutputFormat(OutputFormatName(format)).value(), format);
    EXPECT_LE(static_cast<std::uint32_t>(format), kOutputFormatMax);
  }
  for (const std::string_view name : {"", "CSV", "json", "xlsx"}) {
    const auto format = ParseOutputFormat(name);
    ASSERT_FALSE(format.ok());
    EXPECT_EQ(format.error().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(format.error().message(), HasSubstr("choose tsv, csv, jsonl or parquet"));
  }
}

TEST(CsvRowsTest, QuotesNoMoreThanItMust) {
  EXPECT_EQ(Csv("SE\t1\tsong a\t12\n"), "SE,1,song a,12\n");
  EXPECT_EQ(Csv("a,b\tsay \"hi\"\n"), "\"a,b\",\"say \"\"hi\"\"\"\n");
  EXPECT_EQ(Csv("two\\nlines\ta\\rb\n"), "\"two\nlines\",\"a\rb\"\n");
  EXPECT_EQ(Csv(" a \t;\t'\ta\\tb\t\\\\\t\xC3\xB6\xFF\n"), " a ,;,',a\tb,\\,\xC3\xB6\xFF\n");
}

TEST(CsvRowsTest, TellsNullFromEmpty) {
  EXPECT_EQ(Csv("\\N\t\ta\t\\N\n\t\\N\t\t\n"), ",\"\",a,\n\"\",,\"\",\"\"\n");
  EXPECT_EQ(Csv("\\N\n\n\\\\N\n"), "\n\"\"\n\\N\n");
}

TEST(CsvRowsTest, EndsNoDataOfPostgres) { EXPECT_EQ(Csv("\\\\.\n\\\\.a\n"), "\"\\.\"\n\\.a\n"); }

// Alone, first, last and in the middle of a row.
TEST(CsvRowsTest, AnySmallFieldIsReadBack) {
  for (const Field& field : AllFields(",\"\n\r\t\\N. a", 4)) {
    const std::vector<Row> rows = {{field}, {field, "x", field}, {"y", field, "z"}};
    const std::string csv = Csv(rows);
    ASSERT_EQ(csv, ReferenceCsv(rows));
    ASSERT_EQ(ReadCsv(csv), rows) << csv;
  }
}

// Whatever stands beside a field, and wherever it lies in a block.
TEST(CsvRowsTest, AnyRowsAreReadBack) {
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(TestSeed()));
  Random random(TestSeed());
  for (int round = 0; round < 20000; ++round) {
    const std::vector<Row> rows = RandomRows(random, 1 + random.Uniform(5));
    const std::string csv = Csv(rows);
    ASSERT_EQ(csv, ReferenceCsv(rows));
    ASSERT_EQ(ReadCsv(csv), rows) << csv;
  }
}

TEST(CsvRowsTest, LongFieldsAreWhole) {
  std::string text;
  for (int i = 0; i < 30000; ++i) text += "ab,\"\n\\\t"[i % 7];
  const std::vector<Row> rows = {{text, std::string(100000, 'x')}, {"y", text}};
  EXPECT_EQ(Csv(rows), ReferenceCsv(rows));
}

TEST(CsvRowsTest, HeaderNamesTheColumns) {
  EXPECT_EQ(OutputHeader(OutputFormat::kCsv, {{"country", ColumnKind::kText},
                                              {"a,b", ColumnKind::kInteger},
                                              {"say \"hi\"", ColumnKind::kText}}),
            "country,\"a,b\",\"say \"\"hi\"\"\"\n");
  EXPECT_EQ(OutputHeader(OutputFormat::kTsv, TextColumns(2)), "");
  EXPECT_EQ(OutputHeader(OutputFormat::kJsonLines, TextColumns(2)), "");
}

const std::vector<OutputColumn> kMixed = {{"name", ColumnKind::kText},
                                          {"day", ColumnKind::kDate},
                                          {"n", ColumnKind::kInteger},
                                          {"share", ColumnKind::kNumber}};

std::string Json(std::string_view lines) {
  return Converted(OutputFormat::kJsonLines, lines, kMixed);
}

TEST(JsonRowsTest, WritesAColumnAsItsKind) {
  EXPECT_EQ(Json("12\t2026-11-21\t-7\t0.5\n"),
            "{\"name\":\"12\",\"day\":\"2026-11-21\",\"n\":-7,\"share\":0.5}\n");
  EXPECT_EQ(Json("\\N\t\\N\t\\N\t\\N\n\t\t0\t1e+300\n"),
            "{\"name\":null,\"day\":null,\"n\":null,\"share\":null}\n"
            "{\"name\":\"\",\"day\":\"\",\"n\":0,\"share\":1e+300}\n");
}

TEST(JsonRowsTest, KeepsAllDigits) {
  RowBuffer lines;
  AppendTsvRow(lines, std::tuple("a", "d", std::numeric_limits<std::uint64_t>::max()), 0.1);
  AppendTsvRow(lines, std::tuple("a", "d", std::numeric_limits<std::int64_t>::min()), -5e-324);
  EXPECT_EQ(Json(lines.view()),
            "{\"name\":\"a\",\"day\":\"d\",\"n\":18446744073709551615,\"share\":0.1}\n"
            "{\"name\":\"a\",\"day\":\"d\",\"n\":-9223372036854775808,\"share\":-5e-324}\n");
}

TEST(JsonRowsTest, WhatIsNoNumberOfJsonIsNull) {
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    RowBuffer lines;
    AppendTsvRow(lines, std::tuple("nan", "inf", 1), value);
    EXPECT_EQ(Json(lines.view()), "{\"name\":\"nan\",\"day\":\"inf\",\"n\":1,\"share\":null}\n");
  }
}

TEST(JsonRowsTest, EscapesNoMoreThanItMust) {
  RowBuffer lines;
  AppendTsvRow(lines, std::tuple(std::string_view("\b\t\n\v\f\r\"\\/\0\x01\x1F\x7F", 13), "d"),
               std::tuple(1, 2.5));
  EXPECT_EQ(Json(lines.view()),
            "{\"name\":\"\\b\\t\\n\\u000b\\f\\r\\\"\\\\/\\u0000\\u0001\\u001f\x7F\",\"day\":\"d\","
            "\"n\":1,\"share\":2.5}\n");
  const std::vector<OutputColumn> quoted = {{"say \"hi\"", ColumnKind::kText}};
  EXPECT_EQ(Converted(OutputFormat::kJsonLines, "a\n", quoted), "{\"say \\\"hi\\\"\":\"a\"}\n");
}

void ExpectReadBack(const std::vector<Row>& rows) {
  RowBuffer lines;
  for (const Row& row : rows) AppendTsvOf(row, lines);
  const std::string text =
      Converted(OutputFormat::kJsonLines, lines.view(), TextColumns(rows.front().size()));
  std::size_t begin = 0;
  for (const Row& row : rows) {
    const std::size_t end = text.find('\n', begin);
    ASSERT_NE(end, std::string::npos) << text;
    const auto object = ordered_json::parse(text.substr(begin, end - begin));
    Row read;
    for (const auto& [name, value] : object.items()) {
      ASSERT_EQ(name, "c" + std::to_string(read.size()));
      read.emplace_back();
      if (!value.is_null()) read.back() = value.get<std::string>();
    }
    ASSERT_EQ(read, row) << text;
    begin = end + 1;
  }
  ASSERT_EQ(begin, text.size());
}

TEST(JsonRowsTest, AnySmallFieldIsReadBack) {
  for (const Field& field : AllFields("\"\\\n\t\v\x01N/a", 4)) {
    ExpectReadBack({{field}});
    ExpectReadBack({{field, "x", field}});
  }
}

TEST(JsonRowsTest, AnyRowsAreReadBackOrNamedAsNoUtf8) {
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(TestSeed()));
  Random random(TestSeed());
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::vector<Row> rows = RandomRows(random, 1 + random.Uniform(5));
    std::string bad;  // The first column that can't be written.
    RowBuffer lines;
    for (const Row& row : rows) {
      AppendTsvOf(row, lines);
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (bad.empty() && row[i] && !IsWellFormedUtf8(*row[i])) bad = "c" + std::to_string(i);
      }
    }
    if (bad.empty()) {
      ExpectReadBack(rows);
      continue;
    }
    ++refused;
    const std::string said =
        Converted(OutputFormat::kJsonLines, lines.view(), TextColumns(rows.front().size()));
    ASSERT_THAT(said, HasSubstr("the column " + bad + " of the row '"));
  }
  EXPECT_GT(refused, 1000);
}

TEST(JsonRowsTest, RefusesWhatIsNoUtf8AndSaysWhere) {
  RowBuffer out;
  const Status status = MakeRowConverter(OutputFormat::kJsonLines, kMixed)
                            ->Append("a\td\t1\t2\nb\xFF\td\t3\t4\nc\td\t5\t6\n", out);
  EXPECT_EQ(status.code(), StatusCode::kBadData);
  EXPECT_EQ(status.message(),
            "the column name of the row 'b\xFF d 3 4' is not UTF-8 and can't be written as "
            "JSON; reject it in the job, or write another --output-format");
}

// However the bytes are cut.
TEST(RowEndsTest, AreTheSameInAnyPieces) {
  const std::vector<Row> rows = {{"a", "b"}, {"1\n2", "\""}, {"\"\n\"", std::nullopt}, {"", "\n"}};
  for (const OutputFormat format : {OutputFormat::kTsv, OutputFormat::kCsv}) {
    RowBuffer lines;
    for (const Row& row : rows) AppendTsvOf(row, lines);
    const std::string text = format == OutputFormat::kCsv ? Csv(rows) : std::string(lines.view());
    for (std::size_t piece_bytes = 1; piece_bytes <= text.size(); ++piece_bytes) {
      RowEnds ends(format);
      std::vector<std::string> found(1);
      for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
        std::string_view piece = std::string_view(text).substr(at, piece_bytes);
        for (std::size_t end; (end = ends.Find(piece)) != piece.npos; piece.remove_prefix(end)) {
          found.back() += piece.substr(0, end);
          found.emplace_back();
        }
        found.back() += piece;
      }
      ASSERT_EQ(found.size(), rows.size() + 1);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        RowBuffer line;
        AppendTsvOf(rows[i], line);
        ASSERT_EQ(found[i], format == OutputFormat::kCsv ? Csv({rows[i]}) : line.view());
      }
    }
  }
}

}  // namespace
}  // namespace millrace
