// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_FORMATS_PARQUET_FILES_H_
#define TESTS_UNIT_FORMATS_PARQUET_FILES_H_

// Parquet files for tests: written by DuckDB from SQL, read through the driver as the engine does
// it. They are files on disk: DuckDB reads no others.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/formats/duckdb_session.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/parquet_values.h"
#include "mapreduce/io/file_system.h"
#include "tests/unit/formats/duckdb_for_tests.h"
#include "tests/unit/formats/file_rows.h"
#include "tests/unit/io/io_test_tools.h"

namespace millrace {

/// Rows as DuckDB itself has them, all of it text.
using TextRows = std::vector<std::vector<std::optional<std::string>>>;

/// Another each time, or the one that is said.
inline std::uint64_t TestSeed() {
  const char* const seed = std::getenv("MILLRACE_TEST_SEED");
  return seed == nullptr ? std::random_device()() : std::strtoull(seed, nullptr, 10);
}

class ParquetTest : public IoTest {
 protected:
  void SetUp() override {
    MILLRACE_NEEDS_DUCKDB();
    auto session = DuckDbSession::New(std::uint64_t{1} << 30);
    ASSERT_TRUE(session.ok()) << session.error().message();
    duckdb_ = *std::move(session);
  }

  void Sql(const std::string& sql) {
    const Status status = duckdb_->Run(sql);
    ASSERT_TRUE(status.ok()) << sql << ": " << status.message();
  }
  /// A new file with the rows of `query`.
  std::string WriteRows(const std::string& query, const std::string& options = "",
                        const std::string& name = "rows.parquet") {
    const std::string path = Path(name);
    Sql("COPY (" + query + ") TO " + SqlText(path) + " (FORMAT parquet" + options + ")");
    return path;
  }
  /// What a query gives, each value cast to text by DuckDB.
  TextRows Query(const std::string& query) {
    TextRows all;
    Result<DuckDbRows> rows =
        duckdb_->Query("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (" + query + ")");
    EXPECT_TRUE(rows.ok()) << query << ": " << (rows.ok() ? "" : rows.error().message());
    if (!rows.ok()) return all;
    for (;;) {
      const Result<std::uint64_t> count = rows->Next();
      EXPECT_TRUE(count.ok()) << query << ": " << (count.ok() ? "" : count.error().message());
      if (!count.ok() || *count == 0) return all;
      for (std::uint64_t row = 0; row < *count; ++row) {
        auto& fields = all.emplace_back();
        for (std::uint64_t i = 0; i < rows->column_count(); ++i)
          fields.push_back(Text(*rows, i, row));
      }
    }
  }

  /// A file's shard with its layout.
  static Result<Shard> Inspect(const std::string& path) {
    FileSystem& files = LocalFileSystem();
    MR_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
    MR_ASSIGN_OR_RETURN(Shard shard, InspectShard(files, info));
    MR_RETURN_IF_ERROR(InspectLayout(files, {"parquet", {}}, &shard));
    return shard;
  }
  /// The rows of a shard, range by range of `split_bytes`.
  static Result<std::vector<FileRow>> TryRows(const Shard& shard, const RowRequest& request,
                                              std::uint64_t split_bytes = UINT64_MAX,
                                              std::size_t record_bytes_max = 64 << 20) {
    std::vector<FileRow> rows;
    for (const ShardRange& range : CutShard(shard, split_bytes)) {
      MR_ASSIGN_OR_RETURN(const auto reader,
                          ShardReader::Open(LocalFileSystem(), shard, range, nullptr, nullptr));
      const FileFormat format{"parquet", {}};
      MR_ASSIGN_OR_RETURN(const auto blocks,
                          OpenRows({*reader, shard, range, format, request, record_bytes_max}));
      LineBlock block;
      for (;;) {
        MR_ASSIGN_OR_RETURN(const bool is_there, blocks->Next(&block));
        if (!is_there) break;
        TextFile::Take(block, &rows);
      }
      MR_RETURN_IF_ERROR(reader->Finish());
    }
    return rows;
  }
  /// All rows of a file; columns by name, none: all.
  static std::vector<FileRow> Rows(const std::string& path,
                                   const std::vector<std::string>& columns = {},
                                   std::uint64_t split_bytes = UINT64_MAX) {
    const Result<Shard> shard = Inspect(path);
    EXPECT_TRUE(shard.ok()) << (shard.ok() ? "" : shard.error().message());
    if (!shard.ok()) return {};
    const auto rows = TryRows(*shard, TextFile::Request(columns), split_bytes);
    EXPECT_TRUE(rows.ok()) << (rows.ok() ? "" : rows.error().message());
    return rows.ok() ? *rows : std::vector<FileRow>();
  }
  /// The error of reading all of a file; Ok if there is none.
  static Status ErrorOf(const std::string& path) {
    const Result<Shard> shard = Inspect(path);
    if (!shard.ok()) return shard.error();
    const auto rows = TryRows(*shard, TextFile::Request({}));
    return rows.ok() ? Status::Ok() : rows.error();
  }

  std::unique_ptr<DuckDbSession> duckdb_;

 private:
  std::optional<std::string> Text(DuckDbRows& rows, std::uint64_t column, std::uint64_t row) {
    const DuckDb& library = duckdb_->library();
    const std::uint64_t* const validity = library.vector_get_validity(rows.vector(column));
    if (validity != nullptr && (validity[row / 64] >> (row % 64) & 1) == 0) return std::nullopt;
    const auto& text =
        static_cast<const duckdb::String*>(library.vector_get_data(rows.vector(column)))[row];
    const char* const data = text.bytes <= duckdb::String::kInlineBytes ? text.inlined : text.data;
    return std::string(data, text.bytes);
  }
};

}  // namespace millrace

#endif  // TESTS_UNIT_FORMATS_PARQUET_FILES_H_
