// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PARQUET_ROWS_H_
#define MAPREDUCE_FORMATS_PARQUET_ROWS_H_

// Lines of TSV as rows of DuckDB: a table function that a query reads from.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/duckdb_session.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/formats/text_queue.h"

namespace millrace {

/// Used by the thread that runs the query.
class ParquetRows {
 public:
  /// The function's name in SQL.
  static constexpr char kFunction[] = "millrace_rows";

  /// `lines` must outlive it.
  ParquetRows(const DuckDb& library, const std::vector<OutputColumn>& columns, TextQueue& lines)
      : library_(library), columns_(columns), lines_(lines) {}
  ParquetRows(const ParquetRows&) = delete;
  ParquetRows& operator=(const ParquetRows&) = delete;

  /// Makes the function known. This must outlive the session's queries.
  Status Register(DuckDbSession& session);
  /// Why the query was ended: kBadData for a value that its column can't hold. Ok: it was not.
  const Status& status() const { return status_; }

 private:
  static void Bind(duckdb::Handle info);
  static void Init(duckdb::Handle info);
  static void Fill(duckdb::Handle info, duckdb::Handle chunk);

  Status FillChunk(duckdb::Handle chunk);
  bool NextLine(std::string_view* line);
  Status SetRow(std::string_view line, std::uint64_t row);
  void SetNull(std::size_t column, std::uint64_t row);
  Status SetValue(std::size_t column, std::uint64_t row, std::string_view text);
  Status Misfit(std::size_t column, std::string_view text, std::string_view why) const;

  const DuckDb& library_;
  const std::vector<OutputColumn> columns_;
  TextQueue& lines_;
  Status status_;

  std::string text_;       // From the queue.
  std::string_view rest_;  // Of it, what was not looked at.
  std::string line_;       // A line that was in pieces, or its begin.
  std::string field_;      // Without escapes.
  std::uint64_t row_number_ = 0;

  struct Vector {
    duckdb::Handle handle = nullptr;
    void* data = nullptr;
    std::uint64_t* validity = nullptr;  // Null until there is a NULL.
  };
  std::vector<Vector> vectors_;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PARQUET_ROWS_H_
