// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/csv_border.h"
#include "tests/unit/formats/csv_generator.h"
#include "tests/unit/formats/csv_reference.h"
#include "tests/unit/formats/file_rows.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

using Fields = std::vector<std::optional<std::string>>;

std::vector<Fields> FieldsOf(const std::vector<FileRow>& rows) {
  std::vector<Fields> fields;
  for (const FileRow& row : rows) {
    EXPECT_EQ(row.reject, "");
    fields.push_back(row.fields);
  }
  return fields;
}

std::vector<Fields> FieldsOf(const std::string& text, std::string_view spec = "csv",
                             const std::vector<std::string>& columns = {}) {
  const TextFile file("f.csv", text, spec);
  EXPECT_TRUE(file.status().ok()) << file.status().message();
  return FieldsOf(file.Rows(columns));
}

std::string InspectError(const std::string& text, std::string_view spec = "csv") {
  const TextFile file("f.csv", text, spec);
  return file.status().ok() ? "" : std::string(file.status().message());
}

// --- What is read.

TEST(CsvTest, ReadsTheFieldsOfRfc4180) {
  EXPECT_THAT(FieldsOf("a,b\n1,2\r\n\"x,y\",\"p\"\"q\"\n\"l1\r\nl2\",z\n"),
              ElementsAre(Fields{"1", "2"}, Fields{"x,y", "p\"q"}, Fields{"l1\r\nl2", "z"}));
  EXPECT_THAT(FieldsOf("a\n\"\"\"\"\n\"\"\"x\"\"\"\n"), ElementsAre(Fields{"\""}, Fields{"\"x\""}));
}

TEST(CsvTest, ReadsALastRecordWithoutLineEnd) {
  EXPECT_THAT(FieldsOf("a,b\n1,2"), ElementsAre(Fields{"1", "2"}));
  EXPECT_THAT(FieldsOf("a,b\n1,2\r"), ElementsAre(Fields{"1", "2"}));
  EXPECT_THAT(FieldsOf("a,b\n1,\"2\"\r"), ElementsAre(Fields{"1", "2"}));
  EXPECT_THAT(FieldsOf("a,b\n1,"), ElementsAre(Fields{"1", std::nullopt}));
}

TEST(CsvTest, TakesAReturnForDataUnlessALineEndsWithIt) {
  EXPECT_THAT(FieldsOf("a,b\nx\ry,\r\r\n\rz,2\r\n"),
              ElementsAre(Fields{"x\ry", "\r"}, Fields{"\rz", "2"}));
}

TEST(CsvTest, GivesTheColumnsThatAreAskedForInTheirOrder) {
  const std::string text = "id,name,sum\n1,\"a\tb\\\",7\n2,c,8\n";
  EXPECT_THAT(FieldsOf(text, "csv", {"sum", "name"}),
              ElementsAre(Fields{"7", "a\tb\\"}, Fields{"8", "c"}));
  EXPECT_THAT(FieldsOf(text, "csv", {"NAME", "name"}),
              ElementsAre(Fields{"a\tb\\", "a\tb\\"}, Fields{"c", "c"}));
  const TextFile file("f.csv", text, "csv");
  const RowRequest request{.columns = {{"", "", 0}, {"x", "x", 3}, {"", "", 0}}};
  EXPECT_THAT(FieldsOf(*file.TryRows(request, {}, SIZE_MAX)),
              ElementsAre(Fields{"", "7", ""}, Fields{"", "8", ""}));
  EXPECT_FALSE(file.TryRows(TextFile::Request({"price"}), {}, SIZE_MAX).ok());
}

TEST(CsvTest, TellsNullFromTheEmptyString) {
  EXPECT_THAT(FieldsOf("a,b,c\n,\"\",\\N\n"), ElementsAre(Fields{std::nullopt, "", "\\N"}));
  EXPECT_THAT(FieldsOf("a,b,c\nNA,\"NA\",\n", "csv,null=NA"),
              ElementsAre(Fields{std::nullopt, "NA", ""}));
}

TEST(CsvTest, ReadsOtherDialects) {
  EXPECT_THAT(FieldsOf("a;b\n1,5;\"x;y\"\n", "csv,delimiter=;"), ElementsAre(Fields{"1,5", "x;y"}));
  EXPECT_THAT(FieldsOf("a\tb\n1\t2\n", "csv,delimiter=\\t"), ElementsAre(Fields{"1", "2"}));
  EXPECT_THAT(FieldsOf("a|b\n'x|''y'|\"\n", "csv,delimiter=|,quote='"),
              ElementsAre(Fields{"x|'y", "\""}));
  EXPECT_THAT(FieldsOf("a,b\n\"x,\"y\"\n", "csv,quote="), ElementsAre(Fields{"\"x", "\"y\""}));
}

TEST(CsvTest, NumbersColumnsWithoutAHeader) {
  EXPECT_THAT(FieldsOf("x,y\nz,\n", "csv,header=no"),
              ElementsAre(Fields{"x", "y"}, Fields{"z", std::nullopt}));
  EXPECT_THAT(FieldsOf("x,y\nz,\n", "csv,header=no", {"2"}),
              ElementsAre(Fields{"y"}, Fields{std::nullopt}));
}

TEST(CsvTest, PassesOverBlankLinesButInAFileOfOneColumn) {
  EXPECT_THAT(FieldsOf("\n\r\na,b\n\n1,2\n\r\n\n3,4\n\n"),
              ElementsAre(Fields{"1", "2"}, Fields{"3", "4"}));
  EXPECT_THAT(FieldsOf("a\n1\n\n\r\n2\n"),
              ElementsAre(Fields{"1"}, Fields{std::nullopt}, Fields{std::nullopt}, Fields{"2"}));
  EXPECT_THAT(FieldsOf("a\n\nNA\n", "csv,null=NA"), ElementsAre(Fields{""}, Fields{std::nullopt}));
  EXPECT_THAT(FieldsOf("\n1\n", "csv,header=no"), ElementsAre(Fields{std::nullopt}, Fields{"1"}));
  EXPECT_THAT(FieldsOf("\n\n", "csv,header=no"),
              ElementsAre(Fields{std::nullopt}, Fields{std::nullopt}));
}

TEST(CsvTest, PassesOverAByteOrderMark) {
  EXPECT_THAT(FieldsOf("\xEF\xBB\xBF"
                       "a,b\n1,2\n",
                       "csv", {"a"}),
              ElementsAre(Fields{"1"}));
  const TextFile file("f.csv", "\xEF\xBB\xBFx,y\n", "csv,header=no");
  ASSERT_EQ(file.Rows().size(), 1u);
  EXPECT_EQ(file.Rows()[0].offset, 3u);
  EXPECT_EQ(file.Rows()[0].fields, (Fields{"x", "y"}));
}

TEST(CsvTest, ReadsNothingFromAFileWithoutBytes) {
  for (const char* const text : {"", "\xEF\xBB\xBF"}) {
    for (const char* const spec : {"csv", "csv,header=no"}) {
      const TextFile file("f.csv", text, spec);
      EXPECT_TRUE(file.status().ok());
      EXPECT_EQ(file.shard().layout, nullptr);
      EXPECT_THAT(file.Rows({"a"}), IsEmpty());
    }
  }
  EXPECT_THAT(FieldsOf("\n\n"), IsEmpty());
  EXPECT_THAT(FieldsOf("a,b\n"), IsEmpty());
  EXPECT_THAT(FieldsOf("a,b"), IsEmpty());
}

// --- The header.

TEST(CsvTest, ReadsAQuotedHeader) {
  const TextFile file("f.csv", "\"a\n1\",\"b,\"\"c\"\"\",\n1,2,3\n", "csv");
  EXPECT_THAT(file.shard().layout->columns, ElementsAre("a\n1", "b,\"c\"", ""));
  EXPECT_THAT(file.shard().layout->rows, ElementsAre(RowRange{17, UINT64_MAX}));
  EXPECT_THAT(FieldsOf(file.Rows({"a\n1"})), ElementsAre(Fields{"1"}));
}

TEST(CsvTest, ReadsAHeaderLongerThanTheHeadOfAFile) {
  std::string text = "c0";
  for (int i = 1; i < 20000; ++i) text += ",c" + std::to_string(i);
  const TextFile file("f.csv", text, "csv");
  ASSERT_TRUE(file.status().ok());
  EXPECT_EQ(file.shard().layout->columns.size(), 20000u);
  EXPECT_EQ(file.shard().layout->rows.front().begin, text.size());
}

TEST(CsvTest, AllowsEqualNamesUntilOneIsAskedFor) {
  const TextFile file("f.csv", "id,n,,n,\n1,2,3,4,5\n", "csv");
  EXPECT_THAT(FieldsOf(file.Rows({"id"})), ElementsAre(Fields{"1"}));
  EXPECT_THAT(FieldsOf(file.Rows({"n (column 4)"})), ElementsAre(Fields{"4"}));
  EXPECT_EQ(file.Rows()[0].fields.size(), 5u);
  const auto rows = file.TryRows(TextFile::Request({"n"}), {}, SIZE_MAX);
  ASSERT_FALSE(rows.ok());
  EXPECT_THAT(rows.error().message(), AllOf(HasSubstr("f.csv"), HasSubstr("n (column 2)")));
}

TEST(CsvTest, FailsWhereTheFirstLineIsNoCsv) {
  EXPECT_THAT(InspectError("a,b\"c\n1,2\n"),
              AllOf(HasSubstr("/f.csv"), HasSubstr("field 2 has a quote in it")));
  EXPECT_THAT(InspectError("\"a\"b\n"), HasSubstr("field 1 goes on behind its closing quote"));
  EXPECT_EQ(InspectError("\n\"a\n\",\"b\n1,2\n"),
            "/f.csv: the record at byte 1: field 2 opens a quote that is never closed (line ends "
            "behind it: 2); the file is cut off there, or a quote is one too many: restore or mend "
            "it");
  EXPECT_THAT(InspectError(std::string("\xFF\xFE"
                                       "a\0",
                                       4)),
              HasSubstr("UTF-16"));
  EXPECT_THAT(InspectError("n (column 2),n,n\n"), HasSubstr("two columns called"));
  EXPECT_THAT(InspectError(std::string(17 << 20, 'x') + "\n1\n"), HasSubstr("16.0 MiB"));
  EXPECT_THAT(InspectError(std::string(2 << 20, ',')), HasSubstr("1,048,576 fields"));
}

TEST(CsvTest, ChecksItsOptions) {
  for (const char* const spec :
       {"csv,delimiter=ab", "csv,delimiter=", "csv,quote=xy", "csv,delimiter=;,quote=;",
        "csv,header=maybe", "csv,null=a\\,b", "csv,null=\"", "csv,escape=x", "csv,delimiter=\n"}) {
    EXPECT_EQ(ParseFileFormat(spec).error().code(), StatusCode::kInvalidArgument) << spec;
  }
  EXPECT_EQ(FormatSpec(*ParseFileFormat("csv,delimiter=\\,,header=yes,quote=\",null=")), "csv");
  EXPECT_EQ(FormatSpec(*ParseFileFormat("csv,quote=,delimiter=\\t")), "csv,delimiter=\\t,quote=");
}

// --- Rejects.

TEST(CsvTest, RejectsBadRecordsWithTheirOffsetAndBytes) {
  const TextFile file("f.csv",
                      "id,name\n"                  // 0
                      "1\n"                        // 8
                      "2,a,b\r\n"                  // 10
                      "3,ok\n"                     // 17
                      "4,5\" nail\n"               // 22
                      "\"5\"x,\"y\n"               // 32
                      "6,\"he said \"no\"\"\r\n",  // 40
                      "csv");
  const auto reject = [](std::uint64_t offset, std::string raw, std::string reason) {
    return FileRow{{}, offset, std::move(raw), std::move(reason)};
  };
  EXPECT_THAT(
      file.Rows(),
      ElementsAre(
          reject(8, "1", "has 1 field, the header 2"),
          reject(10, "2,a,b", "has 3 fields, the header 2"), FileRow{{"3", "ok"}, 17, "3,ok", ""},
          reject(22, "4,5\" nail", "field 2 (name) has a quote in it but is not in quotes"),
          reject(32, "\"5\"x,\"y", "field 1 (id) goes on behind its closing quote"),
          reject(40, "6,\"he said \"no\"\"", "field 2 (name) goes on behind its closing quote")));
}

TEST(CsvTest, NamesTheFirstRecordWhereThereIsNoHeader) {
  const auto rows = TextFile("f.csv", "1,2\n3\n", "csv,header=no").Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].reject, "has 1 field, the first record 2");
}

/// What the reader of the file's first range says in the end; `handed_out`: rows and rejects
/// before.
Status ReadFirstRange(const TextFile& file, std::uint64_t end, std::size_t piece,
                      std::size_t* handed_out) {
  const FileFormat format = *ParseFileFormat("csv");
  const RowRequest request{.all = true, .columns = {}};
  const ShardRange range{0, std::min<std::uint64_t>(end, file.text().size()), 0, end};
  PiecewiseReader reader(file.text(), 0, piece);
  MR_ASSIGN_OR_RETURN(
      const std::unique_ptr<BlockReader> blocks,
      OpenRows({reader, file.shard(), range, format, request, std::size_t{64} << 20}));
  LineBlock block;
  for (*handed_out = 0;; *handed_out += block.records->size()) {
    MR_ASSIGN_OR_RETURN(const bool more, blocks->Next(&block));
    if (!more) return Status::Ok();
  }
}

// Up to the end of the file nobody can tell what is a record, so that is no reject.
TEST(CsvTest, FailsWhereAQuoteIsNeverClosed) {
  struct {
    const char* rest;  // Behind a reject and a row.
    const char* says;
  } const files[] = {
      {"7,\"open\n8,x\n",
       "field 2 (name) opens a quote that is never closed (line ends behind it: 2)"},
      {"7,\"open", "field 2 (name) opens a quote that is never closed (line ends behind it: 0)"},
      {"7,\"", "field 2 (name) opens a quote that is never closed (line ends behind it: 0)"},
      {"7,\"a\"\"", "field 2 (name) opens a quote that is never closed (line ends behind it: 0)"},
      {"\"7\n\n\",\"x\n",
       "field 2 (name) opens a quote that is never closed (line ends behind it: 1)"},
      {"\"\n\n\n", "field 1 (id) opens a quote that is never closed (line ends behind it: 3)"},
      {"7,8,\"9\r\n", "field 3 opens a quote that is never closed (line ends behind it: 1)"},
  };
  for (const auto& [rest, says] : files) {
    const std::string text = std::string("id,name\n1\n2,ok\n") + rest;
    const TextFile file("f.csv", text, "csv");
    const std::string message =
        std::string("/f.csv: the record at byte 15: ") + says +
        "; the file is cut off there, or a quote is one too many: restore or mend it";
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
      for (std::uint64_t end = 15; end <= text.size(); ++end) {
        std::size_t handed_out = 0;
        const Status status =
            ReadFirstRange(file, end < text.size() ? end : UINT64_MAX, piece, &handed_out);
        EXPECT_EQ(status.code(), StatusCode::kBadData) << text;
        EXPECT_EQ(status.message(), message) << "up to " << end << ", piece " << piece;
        EXPECT_EQ(handed_out, 2u);
      }
    }
  }
}

TEST(CsvTest, FailsForARecordOverTheLimitHoweverItIsRead) {
  const std::string text = "a\n12345\n\"2345678\n0\"\n1\n";
  const TextFile file("f.csv", text, "csv");
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_TRUE(file.TryRows(TextFile::Request({}), {}, piece, 11).ok());
    const auto rows = file.TryRows(TextFile::Request({}), {}, piece, 10);
    ASSERT_FALSE(rows.ok());
    EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
    EXPECT_THAT(rows.error().message(), AllOf(StartsWith("/f.csv: the record at byte 8 "),
                                              HasSubstr("10 bytes"), HasSubstr("--memory")));
  }
}

TEST(CsvTest, ReadsARecordOfMoreFieldsThanItKeeps) {
  const std::string text = "a,b\n1,2\n" + std::string(3 << 20, ',') + "\n3,4\n";
  const auto rows = TextFile("f.csv", text, "csv").RowsOfRanges({}, {}, 1 << 16);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].reject, "has over 1,048,576 fields, the header 2");
  EXPECT_EQ(rows[2].fields, (Fields{"3", "4"}));
}

// --- Ranges.

/// All pairs of cuts, several piece sizes. Where the whole file has no bad record, no reading
/// fails; where the whole file is damaged, each does.
void ExpectCutsChangeNothing(const TextFile& file, const std::vector<std::size_t>& pieces) {
  if (!file.status().ok()) return;
  const auto whole = file.TryRows(TextFile::Request({}), {}, SIZE_MAX);
  bool is_good = whole.ok();
  if (is_good) {
    for (const FileRow& row : *whole) {
      is_good &= row.reject.empty() || row.reject.starts_with("has ");
    }
  }
  const std::uint64_t size = file.text().size();
  for (const std::size_t piece : pieces) {
    for (std::uint64_t first = 1; first < size; ++first) {
      for (std::uint64_t second = first; second < size; ++second) {
        std::vector<std::uint64_t> borders{first};
        if (second > first) borders.push_back(second);
        const auto rows = file.TryRows(TextFile::Request({}), borders, piece);
        if (rows.ok()) {
          ASSERT_TRUE(whole.ok()) << testing::PrintToString(file.text()) << " cut at " << first
                                  << ", " << second << ": " << whole.error().message();
          ASSERT_EQ(*rows, *whole) << testing::PrintToString(file.text()) << " cut at " << first
                                   << ", " << second << ", piece " << piece;
        } else {
          ASSERT_FALSE(is_good) << testing::PrintToString(file.text()) << " cut at " << first
                                << ", " << second << ": " << rows.error().message();
          ASSERT_EQ(rows.error().code(), StatusCode::kBadData);
          if (whole.ok() || rows.error().message() != whole.error().message()) {
            ASSERT_THAT(rows.error().message(), HasSubstr("--split-size"));
          }
        }
      }
    }
  }
}

TEST(CsvRangeTest, AnyCutGivesEachRecordToOneRange) {
  const std::string texts[] = {
      "a,b\n1,2\n3,4\n",
      "a,b\r\n1,2\r\n\"3\",\"4\"\r\n",
      "a,b\n\"x\ny\",\"\"\"\"\n\"\",\"\"\n,\n",
      "a,b\n\"\n\",\"\"\"\n\"\n\"\"\"\",\",\"\n",
      "\"h\n\"\"1\"\"\",b\n1,\"\xC3\xA9,\n\xE6\xBC\xA2\"\n2,\n",
      "\xEF\xBB\xBFone\n\"\"\n\"\"\n\"\"",
      "\xEF\xBB\xBF\"x\",1\n\"y\n\",2\n",
      "a\n\"a,\"\"\n\"\n\",\n,\"\n",
      "a,b\n\"\r\n\",\"\r\"\r\n\n\r\n\r,\r\r\n",
      "a,b\n1,2\n3\n4,5,6\n7,8",
      "a\n\",\n,\"\n\",\n,\"\n\",\n,\"",
  };
  for (const std::string& text : texts) {
    for (const char* const spec : {"csv", "csv,header=no", "csv,header=no,quote="}) {
      ExpectCutsChangeNothing(TextFile("f.csv", text, spec), {1, 2, 3, 7, SIZE_MAX});
    }
  }
}

/// Rows, bad records and damage are what the reference says.
void ExpectReadLikeReference(const TextFile& file) {
  if (!file.status().ok() || file.shard().layout == nullptr) return;
  const std::size_t column_count = file.shard().layout->columns.size();
  const std::vector<ReferenceRecord> records = ReferenceCsv(file.text(), 0, ',', '"');
  if (!records.empty() && records.back().never_closed) {
    const auto rows = file.TryRows(TextFile::Request({}), {}, SIZE_MAX);
    ASSERT_FALSE(rows.ok());
    EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
    EXPECT_EQ(rows.error().message(), NeverClosedMessage("/f.csv", {}, records.back()));
    return;
  }
  const std::vector<FileRow> rows = file.Rows();
  std::size_t next = 0;
  for (const ReferenceRecord& record : records) {
    if (record.raw.empty() && column_count > 1) continue;
    ASSERT_LT(next, rows.size());
    const FileRow& row = rows[next++];
    EXPECT_EQ(row.offset, record.offset);
    EXPECT_EQ(row.raw, record.raw);
    EXPECT_EQ(row.reject.empty(), record.fields.size() == column_count) << row.reject;
    EXPECT_EQ(row.reject.starts_with("field "), record.is_bad) << row.reject;
    if (row.reject.empty()) {
      EXPECT_EQ(row.fields, record.fields);
    }
  }
  EXPECT_EQ(next, rows.size());
}

// Every text of a few bytes: good or bad, no cut changes a row in silence.
TEST(CsvRangeTest, ReadsAnyTextLikeTheReferenceOrSaysThatACutIsBad) {
  constexpr std::string_view kBytes = "a,\"\n\r";
  constexpr std::size_t kBytesMax = 6;
  std::vector<std::size_t> digits;
  while (digits.size() <= kBytesMax) {
    std::string text;
    for (const std::size_t digit : digits) text += kBytes[digit];
    const TextFile file("f.csv", text, "csv,header=no");
    ExpectReadLikeReference(file);
    ExpectCutsChangeNothing(file, {2});
    ASSERT_FALSE(HasFailure()) << testing::PrintToString(text);
    std::size_t i = 0;
    while (i < digits.size() && ++digits[i] == kBytes.size()) digits[i++] = 0;
    if (i == digits.size()) digits.push_back(0);
  }
}

TEST(CsvRangeTest, ReadsGeneratedFilesHoweverTheyAreCut) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 3000; ++round) {
    const GeneratedCsv made = GenerateCsv(random, round % 100 == 0 ? 3000 : 8);
    const TextFile file("f.csv", made.text, made.spec);
    ASSERT_TRUE(file.status().ok()) << file.status().message();
    std::vector<FileRow> expected;
    for (const GeneratedCsv::Row& row : made.rows) {
      expected.push_back({row.fields, row.offset, row.raw, ""});
    }
    if (file.shard().layout != nullptr && !made.rows.empty()) {
      ASSERT_EQ(file.shard().layout->columns, made.columns);
    }
    ASSERT_EQ(file.Rows(), expected) << testing::PrintToString(made.text) << made.spec;
    for (int cut = 0; cut < 4; ++cut) {
      std::vector<std::uint64_t> borders;
      for (std::uint64_t at = 0;
           (at += 1 + random.Uniform(made.text.size() / 3 + 2)) < made.text.size();) {
        borders.push_back(at);
      }
      const std::size_t piece = 1 + random.Uniform(random.Uniform(2) == 0 ? 9 : 5000);
      ASSERT_EQ(file.RowsOfRanges({}, borders, piece), expected)
          << testing::PrintToString(made.text) << made.spec << testing::PrintToString(borders);
    }
  }
}

TEST(CsvRangeTest, FailsWhereABorderIsReadWrong) {
  // The bad record's lone quote turns outside and inside around for all that only see its rest.
  const std::string text = "a,b\n1,x\"y\n2,\"p\n,q\"\n3,z\n";
  const TextFile file("f.csv", text, "csv");
  EXPECT_THAT(file.Rows(), testing::SizeIs(3));
  std::size_t failed = 0;
  for (std::uint64_t cut = 1; cut < text.size(); ++cut) {
    const auto rows = file.TryRows(TextFile::Request({}), {cut}, SIZE_MAX);
    if (rows.ok()) {
      EXPECT_EQ(*rows, file.Rows()) << cut;
      continue;
    }
    ++failed;
    EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
    EXPECT_THAT(rows.error().message(),
                AllOf(HasSubstr("/f.csv"), HasSubstr("byte " + std::to_string(cut) + " "),
                      HasSubstr("--split-size")));
  }
  EXPECT_GT(failed, 0u);
}

// Whoever reads the range in which the record begins finds the damage, if no border before it
// fails.
TEST(CsvRangeTest, FailsWhereAQuoteIsNeverClosedHoweverItIsCut) {
  const std::string texts[] = {
      "a,b\n1,\"x\"\n2,\"open\n3,z\n\n4,z\n",
      "a,b\n1,x\n\"2\n\",\"\"\"\n3,\"\"\n",
      "a,b\n1,x\n2,\"cut of",
  };
  for (const std::string& text : texts) {
    const TextFile file("f.csv", text, "csv");
    ExpectCutsChangeNothing(file, {1, 2, 7, SIZE_MAX});
    const auto whole = file.TryRows(TextFile::Request({}), {}, SIZE_MAX);
    ASSERT_FALSE(whole.ok());
    EXPECT_THAT(whole.error().message(), HasSubstr("never closed"));
    std::size_t same = 0;
    for (std::uint64_t cut = 1; cut < text.size(); ++cut) {
      const auto rows = file.TryRows(TextFile::Request({}), {cut}, SIZE_MAX);
      ASSERT_FALSE(rows.ok()) << cut;
      same += rows.error().message() == whole.error().message() ? 1 : 0;
    }
    EXPECT_GT(same, text.size() / 2) << text;
  }
}

/// Rows of the file whose record begins in (begin, end], and how far it was read.
std::size_t CountRows(const TextFile& file, const ShardRange& range, std::uint64_t* read_to) {
  const FileFormat format = *ParseFileFormat("csv");
  const RowRequest request{.all = true, .columns = {}};
  PiecewiseReader reader(file.text(), range.begin, std::size_t{64} << 10);
  const auto blocks =
      OpenRows({reader, file.shard(), range, format, request, std::size_t{64} << 20});
  std::size_t count = 0;
  LineBlock block;
  for (;;) {
    const Result<bool> more = (*blocks)->Next(&block);
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !*more) break;
    count += block.records->size();
  }
  *read_to = reader.offset();
  return count;
}

TEST(CsvRangeTest, ReadsAFileWithoutQuotesHardlyBeyondItsRanges) {
  std::string text = "a,b\n";
  std::size_t row_count = 0;
  for (; text.size() < (std::size_t{4} << 20); ++row_count) {
    text += std::to_string(row_count) + "," + std::to_string(row_count % 97) + "\n";
  }
  const TextFile file("f.csv", text, "csv");
  std::size_t counted = 0;
  for (std::uint64_t begin = 0; begin < text.size(); begin += std::size_t{1} << 20) {
    const std::uint64_t end = begin + (std::size_t{1} << 20);
    std::uint64_t read_to = 0;
    counted += CountRows(file, {begin, end, begin, end < text.size() ? end : UINT64_MAX}, &read_to);
    EXPECT_LE(read_to, end + (std::size_t{384} << 10));
  }
  EXPECT_EQ(counted, row_count);
}

// What a border's reader can guess wrong, the reader before it finds out.
TEST(CsvRangeTest, GuessesNothingInSilence) {
  const auto file_with = [](const std::string& line) {
    std::string text = "a,b\n1,\"";
    while (text.size() < (std::size_t{600} << 10)) text += line;
    return TextFile("f.csv", text + "end\"\n2,z\n", "csv");
  };
  const TextFile prose = file_with("It was a dark, stormy, windy night;\nthe rain fell.\n");
  EXPECT_EQ(prose.RowsOfRanges({}, {100 << 10, 300 << 10}, 1 << 16), prose.Rows());
  const TextFile records = file_with("17,four\n");
  EXPECT_EQ(records.RowsOfRanges({}, {400 << 10}, 1 << 16), records.Rows());
  const auto rows = records.TryRows(TextFile::Request({}), {100 << 10}, 1 << 16);
  ASSERT_FALSE(rows.ok());
  EXPECT_THAT(rows.error().message(), HasSubstr("byte 102400 lies within quotes"));
}

}  // namespace
}  // namespace millrace
