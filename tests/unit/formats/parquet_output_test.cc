// SPDX-License-Identifier: Apache-2.0
// Lines to Parquet, read back by DuckDB itself.
#include "mapreduce/formats/parquet_output.h"

#include <gmock/gmock.h>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/formats/output_rows_file.h"
#include "mapreduce/formats/tsv_writer.h"
#include "tests/unit/formats/parquet_files.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

const std::vector<OutputColumn> kMixed = {{"text", ColumnKind::kText},
                                          {"integer", ColumnKind::kInteger},
                                          {"number", ColumnKind::kNumber},
                                          {"day", ColumnKind::kDate}};

class ParquetOutputTest : public ParquetTest {
 protected:
  /// Writes the lines in pieces of `piece_bytes`.
  Result<OutputFileInfo> TryLines(const std::string& path, const std::vector<OutputColumn>& columns,
                                  std::string_view lines, std::size_t piece_bytes = SIZE_MAX) {
    MR_ASSIGN_OR_RETURN(const auto file, CreateParquetFile(files_, path, columns));
    while (!lines.empty()) {
      file->Append(lines.substr(0, piece_bytes));
      lines.remove_prefix(std::min(piece_bytes, lines.size()));
    }
    return file->Close();
  }
  std::string Lines(const std::vector<OutputColumn>& columns, std::string_view lines,
                    std::size_t piece_bytes = SIZE_MAX) {
    const std::string path = Path("out.parquet");
    std::filesystem::remove(path);
    const auto info = TryLines(path, columns, lines, piece_bytes);
    EXPECT_TRUE(info.ok()) << (info.ok() ? "" : info.error().message());
    if (info.ok()) {
      EXPECT_EQ(info->bytes, std::filesystem::file_size(path));
      EXPECT_EQ(info->xxh128, HashOf128(Contents(path)));
    }
    return path;
  }
  TextRows ReadBack() { return Query("SELECT * FROM " + SqlText(Path("out.parquet"))); }
  TextRows Groups() {
    return Query("SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata(" +
                 SqlText(Path("out.parquet")) + ") ORDER BY row_group_id");
  }
};

TEST_F(ParquetOutputTest, ValuesAndTypesComeBack) {
  Lines(kMixed,
        "a\\tb\\n\\\\ \"x\"\t-9223372036854775808\t0.1\t2026-11-26\n"
        "\t9223372036854775807\t-1e-300\t0001-01-01\n"
        "\\N\t\\N\t\\N\t\\N\n"
        "na\xC3\xAFve\t0\tinf\t\n"  // A date that was never set is NULL.
        "\\\\N\t7\tnan\t9999-12-31\n");
  EXPECT_THAT(Query("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM " +
                    SqlText(Path("out.parquet")) + ")"),
              ElementsAre(ElementsAre("text", "VARCHAR"), ElementsAre("integer", "BIGINT"),
                          ElementsAre("number", "DOUBLE"), ElementsAre("day", "DATE")));
  EXPECT_THAT(
      ReadBack(),
      ElementsAre(ElementsAre("a\tb\n\\ \"x\"", "-9223372036854775808", "0.1", "2026-11-26"),
                  ElementsAre("", "9223372036854775807", "-1e-300", "0001-01-01"),
                  ElementsAre(std::nullopt, std::nullopt, std::nullopt, std::nullopt),
                  ElementsAre("na\xC3\xAFve", "0", "inf", std::nullopt),
                  ElementsAre("\\N", "7", "nan", "9999-12-31")));
}

TEST_F(ParquetOutputTest, NothingIsAFileWithColumns) {
  Lines(kMixed, "");
  EXPECT_THAT(ReadBack(), IsEmpty());
  EXPECT_THAT(Inspect(Path("out.parquet"))->layout->columns,
              ElementsAre("text", "integer", "number", "day"));
}

TEST_F(ParquetOutputTest, NamesOfColumnsAreKept) {
  Lines({{"it's"}, {"a \"b\""}, {"select"}, {"\xC3\xA4"}}, "1\t2\t3\t4\n");
  EXPECT_THAT(Inspect(Path("out.parquet"))->layout->columns,
              ElementsAre("it's", "a \"b\"", "select", "\xC3\xA4"));
}

// The reader gives back the lines, byte for byte: what cat shows, and what rerun compares.
TEST_F(ParquetOutputTest, LinesComeBackAsTheyWere) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  std::vector<std::string> lines;
  std::string all;
  for (int i = 0; i < 20'000; ++i) {
    RowBuffer row;
    std::string text;
    for (std::uint64_t n = random.Uniform(40); n > 0; --n)
      text.push_back(static_cast<char>(random.Uniform(128)));
    double number;
    const std::uint64_t bits = random.Next();
    std::memcpy(&number, &bits, sizeof(number));
    const std::string day = "20" + std::to_string(10 + random.Uniform(90)) + "-02-1" +
                            std::to_string(random.Uniform(10));
    AppendTsvRow(row,
                 std::tuple(random.Uniform(5) == 0 ? std::nullopt : std::optional(text),
                            static_cast<std::int64_t>(random.Next())),
                 std::tuple(number, Date{day}));
    lines.emplace_back(row.view().substr(0, row.size() - 1));
    all += row.view();
  }
  Lines(kMixed, all);
  const std::vector<FileRow> rows = Rows(Path("out.parquet"));
  ASSERT_EQ(rows.size(), lines.size());
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i].raw, lines[i]) << i;
}

// The bytes depend on the rows, not on how they came.
TEST_F(ParquetOutputTest, BytesAreTheSameHoweverRowsCome) {
  std::string lines;
  for (int i = 0; i < 5000; ++i)
    lines += "text " + std::to_string(i % 100) + "\t" + std::to_string(i) + "\t0.5\t2026-11-26\n";
  const std::string expected = Contents(Lines(kMixed, lines));
  for (const std::size_t piece_bytes :
       {std::size_t{1}, std::size_t{7}, std::size_t{1000}, lines.size() - 1, lines.size()}) {
    EXPECT_TRUE(Contents(Lines(kMixed, lines, piece_bytes)) == expected) << piece_bytes;
  }
}

TEST_F(ParquetOutputTest, RowGroupsEndByRowsInOrder) {
  std::string lines;
  constexpr int kRows = 300'000;
  for (int i = 0; i < kRows; ++i) lines += std::to_string(i) + "\n";
  Lines({{"i", ColumnKind::kInteger}}, lines);
  EXPECT_THAT(Groups(), ElementsAre(ElementsAre("0", "122880"), ElementsAre("1", "122880"),
                                    ElementsAre("2", "54240")));
  EXPECT_THAT(Query("SELECT count(*) FROM (SELECT i, file_row_number AS n FROM " +
                    SqlText(Path("out.parquet")) + ") WHERE i = n"),
              ElementsAre(ElementsAre(std::to_string(kRows))));
}

// Wide rows would make a row group of gigabytes; and its end must not depend on pieces, either.
TEST_F(ParquetOutputTest, RowGroupsOfWideRowsEndByBytes) {
  const std::vector<OutputColumn> columns = {{"t"}, {"i", ColumnKind::kInteger}};
  const std::uint64_t seed = 7;
  Random random(seed);
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    std::string text(1'000'000, '\0');
    for (char& c : text) c = static_cast<char>('a' + random.Uniform(16));
    lines += text + "\t" + std::to_string(i) + "\n";
  }
  const std::string expected = Contents(Lines(columns, lines));
  const TextRows groups = Groups();
  EXPECT_GE(groups.size(), 2u);
  EXPECT_LE(groups.size(), 10u);
  EXPECT_TRUE(Contents(Lines(columns, lines, 99'991)) == expected);
  EXPECT_THAT(
      Query("SELECT count(*), min(length(t)), max(length(t)) FROM " + SqlText(Path("out.parquet"))),
      ElementsAre(ElementsAre("50", "1000000", "1000000")));
}

TEST_F(ParquetOutputTest, AValueThatDoesNotFitNamesColumnAndRow) {
  const struct {
    const char* line;
    const char* column;
    const char* why;
  } kCases[] = {
      {"\xF6\t1\t1\t2026-11-26\n", "text", "is not UTF-8"},
      {"a\t18446744073709551615\t1\t2026-11-26\n", "integer", "is no integer"},
      {"a\t1\tx\t2026-11-26\n", "number", "is no number"},
      {"a\t1\t1\t2026-02-30\n", "day", "is no date"},
  };
  for (const auto& [line, column, why] : kCases) {
    const std::string path = Path("bad.parquet");
    const auto info = TryLines(path, kMixed, std::string("good\t1\t1\t2026-11-26\n") + line);
    ASSERT_FALSE(info.ok()) << why;
    EXPECT_EQ(info.error().code(), StatusCode::kBadData);
    EXPECT_THAT(info.error().message(),
                AllOf(HasSubstr(std::string("the column ") + column + " of row 2, '"),
                      HasSubstr(why), HasSubstr("--output-format")));
    EXPECT_FALSE(std::filesystem::exists(path));  // Nothing is left.
  }
}

// Much more than fits between the threads: nobody waits for ever for one that has ended.
TEST_F(ParquetOutputTest, AnEarlyErrorEndsTheWriting) {
  const auto file = CreateParquetFile(files_, Path("bad.parquet"), kMixed);
  ASSERT_TRUE(file.ok());
  (*file)->Append("\xF6\t1\t1\t2026-11-26\n");
  std::string lines;
  for (int i = 0; i < 100'000; ++i) lines += "good\t1\t1\t2026-11-26\n";
  for (int i = 0; i < 20; ++i) (*file)->Append(lines);
  EXPECT_EQ((*file)->status().code(), StatusCode::kBadData);
  EXPECT_FALSE((*file)->Close().ok());
}

TEST_F(ParquetOutputTest, AFileThatIsGivenUpIsNoFile) {
  for (const bool has_rows : {true, false}) {
    const auto file = CreateParquetFile(files_, Path("given-up.parquet"), kMixed);
    ASSERT_TRUE(file.ok());
    if (has_rows) (*file)->Append("good\t1\t1\t2026-11-26\nha");
  }
  EXPECT_FALSE(std::filesystem::exists(Path("given-up.parquet")));
}

TEST_F(ParquetOutputTest, ANameThatIsTakenStays) {
  const std::string path = Write("out.parquet", "mine");
  const auto file = CreateParquetFile(files_, path, kMixed);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code(), StatusCode::kCannotCreate);
  EXPECT_EQ(Contents(path), "mine");
}

// Whichever call to the disk fails: the error is told, and no file is left.
TEST_F(ParquetOutputTest, AFailingDiskIsAnError) {
  std::string lines;
  for (int i = 0; i < 300'000; ++i) lines += std::to_string(i * 2654435761u) + "\n";
  int failures = 0;
  for (int nth = 1; nth < 200; ++nth) {
    failpoint::Arm("io", FailpointAction::kError, static_cast<std::uint64_t>(nth));
    const auto info = TryLines(Path("out.parquet"), {{"i", ColumnKind::kInteger}}, lines);
    failpoint::DisarmAll();
    if (info.ok()) break;
    ++failures;
    EXPECT_FALSE(std::filesystem::exists(Path("out.parquet"))) << nth;
  }
  EXPECT_GE(failures, 3);  // Create, write, sync at least.
  EXPECT_LT(failures, 199);
}

TEST_F(ParquetOutputTest, CompressionAroundItIsRefused) {
  const Status status = CheckRowsFile(OutputFormat::kParquet, Compression::kZstd);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("leave out --compress"));
  EXPECT_TRUE(CheckRowsFile(OutputFormat::kParquet, Compression::kNone).ok());
}

}  // namespace
}  // namespace millrace
