// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PARQUET_VALUES_H_
#define MAPREDUCE_FORMATS_PARQUET_VALUES_H_

// A column as DuckDB gives it, and its values as fields of lines. docs/formats/parquet.md says what
// each type becomes.

#include <cstddef>
#include <cstdint>
#include <string>

#include "mapreduce/formats/duckdb_library.h"
#include "mapreduce/formats/number_text.h"
#include "mapreduce/formats/row_block.h"

namespace millrace {

/// How a column is asked for, as a letter in the plan.
enum class ParquetAsk : char {
  kPlain = 'p',  ///< As it is; ParquetColumn knows the type.
  kText = 't',   ///< DuckDB writes it as text.
  kJson = 'j',   ///< Nested: DuckDB writes it as JSON.
};

/// Of a type's id.
ParquetAsk AskOf(int type);

/// What stands for the column `name` in a SELECT.
std::string ParquetExpression(ParquetAsk ask, const std::string& name);

/// One thread at a time.
class ParquetColumn {
 public:
  /// For values of a type that DuckDB gave for a ParquetExpression.
  ParquetColumn(const DuckDb& library, duckdb::Handle logical_type);

  /// The values are those of this vector now.
  void Read(const DuckDb& library, duckdb::Handle vector) {
    data_ = library.vector_get_data(vector);
    validity_ = library.vector_get_validity(vector);
  }
  void AddTo(std::size_t row, RowBlock& rows) {
    if (validity_ != nullptr && (validity_[row / 64] >> (row % 64) & 1) == 0) return rows.AddNull();
    if (write_ == nullptr) {
      const auto& text = At<duckdb::String>(row);
      return rows.AddField(
          {text.bytes <= duckdb::String::kInlineBytes ? text.inlined : text.data, text.bytes});
    }
    rows.EndField(write_(*this, row, rows.FieldRoom(kNumberTextRoom)));
  }

 private:
  // All but texts: the end of what it wrote.
  using Write = char* (*)(ParquetColumn& column, std::size_t row, char* to);
  static Write WriteOf(int type);
  static Write WriteOfDecimal(int stored_type);

  template <class T>
  const T& At(std::size_t row) const {
    return static_cast<const T*>(data_)[row];
  }
  template <class T>
  static char* WriteNumber(ParquetColumn& column, std::size_t row, char* to);
  template <class T>
  static char* WriteDecimal(ParquetColumn& column, std::size_t row, char* to);
  template <std::int64_t kPerSecond, bool kIsUtc>
  static char* WriteTimestamp(ParquetColumn& column, std::size_t row, char* to);
  static char* WriteBoolean(ParquetColumn& column, std::size_t row, char* to);
  static char* WriteDate(ParquetColumn& column, std::size_t row, char* to);

  Write write_ = nullptr;         // Null: texts.
  int scale_ = 0;                 // Digits behind a decimal's point.
  std::int64_t day_ = INT64_MIN;  // Of the last time,
  std::size_t day_bytes_ = 0;
  char day_text_[kNumberTextRoom] = {};  // and what it is called.
  const void* data_ = nullptr;
  const std::uint64_t* validity_ = nullptr;  // Null: nothing is NULL.
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PARQUET_VALUES_H_
