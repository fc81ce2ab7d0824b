// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/parquet_rows.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include "mapreduce/base/numbers.h"
#include "mapreduce/formats/date.h"
#include "mapreduce/formats/tsv_field.h"
#include "mapreduce/formats/utf8.h"

namespace millrace {
namespace {

// A chunk of wide rows ends behind so many bytes of lines, so that a row group's size is met.
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr std::size_t kShownBytesMax = 80;

int TypeOf(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::kText:
      return duckdb::kVarchar;
    case ColumnKind::kInteger:
      return duckdb::kBigint;
    case ColumnKind::kNumber:
      return duckdb::kDouble;
    case ColumnKind::kDate:
      return duckdb::kDate;
  }
  return duckdb::kVarchar;
}

bool IsUtf8(std::string_view text) {
  // Most is ASCII.
  const bool is_ascii = std::all_of(text.begin(), text.end(),
                                    [](char c) { return static_cast<signed char>(c) >= 0; });
  return is_ascii || IsWellFormedUtf8(text);
}

}  // namespace

Status ParquetRows::Register(DuckDbSession& session) {
  duckdb::Handle function = library_.create_table_function();
  library_.table_function_set_name(function, kFunction);
  library_.table_function_set_extra_info(function, this, nullptr);
  library_.table_function_set_bind(function, Bind);
  library_.table_function_set_init(function, Init);
  library_.table_function_set_function(function, Fill);
  const duckdb::State state = library_.register_table_function(session.connection(), function);
  library_.destroy_table_function(&function);
  return state == 0 ? Status::Ok() : Status::Internal("DuckDB does not take a table function");
}

void ParquetRows::Bind(duckdb::Handle info) {
  // What it gets as extra info has no library to ask with: all libraries are one.
  const DuckDb& library = **DuckDb::Library();
  const auto& rows = *static_cast<const ParquetRows*>(library.bind_get_extra_info(info));
  for (const OutputColumn& column : rows.columns_) {
    duckdb::Handle type = library.create_logical_type(TypeOf(column.kind));
    library.bind_add_result_column(info, column.name.c_str(), type);
    library.destroy_logical_type(&type);
  }
}

void ParquetRows::Init(duckdb::Handle /*info*/) {}

void ParquetRows::Fill(duckdb::Handle info, duckdb::Handle chunk) {
  const DuckDb& library = **DuckDb::Library();
  auto& rows = *static_cast<ParquetRows*>(library.function_get_extra_info(info));
  if (rows.status_.ok()) rows.status_ = rows.FillChunk(chunk);
  if (rows.status_.ok()) return;
  library.data_chunk_set_size(chunk, 0);
  library.function_set_error(info, rows.status_.message().c_str());
}

Status ParquetRows::FillChunk(duckdb::Handle chunk) {
  vectors_.resize(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const duckdb::Handle vector = library_.data_chunk_get_vector(chunk, i);
    vectors_[i] = {vector, library_.vector_get_data(vector), nullptr};
  }
  const std::uint64_t rows_max = library_.vector_size();
  std::uint64_t rows = 0;
  std::size_t bytes = 0;
  std::string_view line;
  while (rows < rows_max && bytes < kChunkBytes && NextLine(&line)) {
    MR_RETURN_IF_ERROR(SetRow(line, rows));
    ++row_number_;
    ++rows;
    bytes += line.size();
  }
  library_.data_chunk_set_size(chunk, rows);
  return {};
}

// The view lives until the next call.
bool ParquetRows::NextLine(std::string_view* line) {
  line_.clear();
  for (;;) {
    const std::size_t end = rest_.find('\n');
    if (end != rest_.npos) {
      *line = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      if (!line_.empty()) {
        line_.append(*line);
        *line = line_;
      }
      return true;
    }
    line_.append(rest_);
    lines_.Take(&text_);
    rest_ = text_;
    if (text_.empty()) return false;
  }
}

Status ParquetRows::SetRow(std::string_view line, std::uint64_t row) {
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    const bool is_last = column + 1 == columns_.size();
    const std::size_t end = is_last ? line.size() : std::min(line.find('\t'), line.size());
    std::string_view text = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (text == kTsvNull) {
      SetNull(column, row);
      continue;
    }
    if (text.find('\\') != text.npos) {
      field_.resize(text.size());
      const std::optional<std::size_t> bytes = DecodeTsvField(text, field_.data());
      if (!bytes) return Status::Internal("a row that was made ends in a lone backslash");
      text = std::string_view(field_).substr(0, *bytes);
    }
    MR_RETURN_IF_ERROR(SetValue(column, row, text));
  }
  return {};
}

void ParquetRows::SetNull(std::size_t column, std::uint64_t row) {
  Vector& vector = vectors_[column];
  if (vector.validity == nullptr) {
    library_.vector_ensure_validity_writable(vector.handle);
    vector.validity = library_.vector_get_validity(vector.handle);
  }
  vector.validity[row / 64] &= ~(std::uint64_t{1} << (row % 64));
}

Status ParquetRows::SetValue(std::size_t column, std::uint64_t row, std::string_view text) {
  const Vector& vector = vectors_[column];
  switch (columns_[column].kind) {
    case ColumnKind::kText:
      if (!IsUtf8(text)) return Misfit(column, text, "is not UTF-8");
      library_.vector_assign_string_element_len(vector.handle, row, text.data(), text.size());
      return {};
    case ColumnKind::kInteger:
      if (!ParseInt64(text, static_cast<std::int64_t*>(vector.data) + row))
        return Misfit(column, text, "is no integer from -2^63 to 2^63 - 1");
      return {};
    case ColumnKind::kNumber: {
      double* const number = static_cast<double*>(vector.data) + row;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *number);
      if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
        return Misfit(column, text, "is no number");
      return {};
    }
    case ColumnKind::kDate: {
      if (text.empty()) {  // A Date that was never set.
        SetNull(column, row);
        return {};
      }
      const std::optional<Date> date = Date::AtStartOf(text);
      if (!date || text.size() != Date::kBytes) return Misfit(column, text, "is no date");
      static_cast<std::int32_t*>(vector.data)[row] = static_cast<std::int32_t>(date->day_number());
      return {};
    }
  }
  return {};
}

Status ParquetRows::Misfit(std::size_t column, std::string_view text, std::string_view why) const {
  return Status::BadData("the column ", columns_[column].name, " of row ", row_number_ + 1, ", '",
                         text.substr(0, kShownBytesMax), text.size() > kShownBytesMax ? "…" : "",
                         "', ", why,
                         " and can't be written as Parquet; reject it in the job, or write another "
                         "--output-format");
}

}  // namespace millrace
