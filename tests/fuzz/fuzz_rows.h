// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_FUZZ_FUZZ_ROWS_H_
#define TESTS_FUZZ_FUZZ_ROWS_H_

// Any bytes as a file of a format whose records are lines, read through its driver.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/any_row.h"
#include "mapreduce/formats/file_format.h"
#include "tests/fuzz/fuzz_file.h"

namespace millrace {

struct FuzzRow {
  std::vector<std::optional<std::string>> fields;
  std::uint64_t offset = 0;
  std::string raw;
  std::string reject;
  friend bool operator==(const FuzzRow&, const FuzzRow&) = default;
};

class FuzzShardReader final : public ShardReader {
 public:
  FuzzShardReader(std::string_view text, std::uint64_t begin, std::size_t piece_bytes)
      : text_(text), at_(begin), piece_bytes_(piece_bytes) {}
  std::size_t NextReadBytes() override { return std::min(piece_bytes_, text_.size() - at_); }
  Result<std::size_t> Read(char* into, std::size_t) override {
    const std::size_t bytes = NextReadBytes();
    text_.copy(into, bytes, at_);
    at_ += bytes;
    return bytes;
  }
  std::uint64_t offset() const override { return at_; }
  Status Finish() override { return Status::Ok(); }

 private:
  const std::string_view text_;
  std::uint64_t at_;
  const std::size_t piece_bytes_;
};

/// The rows of `text`, read as ranges that are cut at `borders` (ascending, above 0), in pieces.
inline std::vector<FuzzRow> ReadFuzzRows(std::string_view format_name, std::string_view text,
                                         const std::vector<std::string>& columns,
                                         std::vector<std::uint64_t> borders,
                                         std::size_t piece_bytes) {
  const FileFormat format{std::string(format_name), {}};
  const Shard shard{.file = {.path = "/file", .bytes = text.size()}};
  RowRequest request;
  for (const std::string& column : columns) request.columns.push_back({column, column, 0});
  std::vector<FuzzRow> rows;
  borders.push_back(UINT64_MAX);
  std::uint64_t begin = 0;
  for (const std::uint64_t end : borders) {
    const ShardRange range{begin, std::min<std::uint64_t>(end, text.size()), begin, end};
    FuzzShardReader reader(text, begin, piece_bytes);
    const auto blocks = OpenRows(
        {reader, shard, range, format, request, /*record_bytes_max=*/std::size_t{1} << 20});
    FUZZ_CHECK(blocks.ok());
    LineBlock block;
    while (true) {
      const Result<bool> has_more = (*blocks)->Next(&block);
      FUZZ_CHECK(has_more.ok());
      if (!*has_more) break;
      FUZZ_CHECK(block.records != nullptr && !block.records->empty());
      std::size_t i = 0;
      const auto add = [&] {
        FUZZ_CHECK(i < block.records->size());
        const SourceRecord& record = (*block.records)[i++];
        rows.push_back({{}, record.offset, std::string(record.raw), std::string(block.reject)});
      };
      if (block.reject.empty()) {
        AnyRowParser().Parse(
            block,
            [&](const AnyRow& row, std::string_view) {
              add();
              for (const auto& field : row.fields) rows.back().fields.emplace_back(field);
              FUZZ_CHECK(row.fields.size() == columns.size());
            },
            [](std::string_view, std::string_view) { FUZZ_CHECK(false); });
      } else {
        add();
      }
      FUZZ_CHECK(i == block.records->size());
    }
    begin = end;
  }
  return rows;
}

/// Checks that the rows don't depend on where the file is cut; each row stands where it says, and
/// what no row has is blank.
inline std::vector<FuzzRow> CheckedFuzzRows(std::string_view format_name, std::string_view text,
                                            const std::vector<std::string>& columns) {
  const std::vector<FuzzRow> rows = ReadFuzzRows(format_name, text, columns, {}, SIZE_MAX / 2);
  std::vector<std::uint64_t> borders;
  const std::uint64_t step = 1 + text.size() / 5;
  for (std::uint64_t at = step; at <= text.size(); at += step) borders.push_back(at);
  FUZZ_CHECK(rows == ReadFuzzRows(format_name, text, columns, borders, 1 + text.size() % 97));
  // A byte order mark may stand on a line without a row.
  const bool has_mark = text.starts_with("\xEF\xBB\xBF");
  std::uint64_t at = has_mark && (rows.empty() || rows.front().offset > 0) ? 3 : 0;
  const auto is_blank = [&](std::uint64_t end) {
    return text.substr(at, end - at).find_first_not_of(" \t\r\n") == std::string_view::npos;
  };
  for (const FuzzRow& row : rows) {
    FUZZ_CHECK(is_blank(row.offset));
    FUZZ_CHECK(text.substr(row.offset, row.raw.size()) == row.raw);
    at = row.offset + row.raw.size();
  }
  FUZZ_CHECK(is_blank(text.size()));
  return rows;
}

}  // namespace millrace

#endif  // TESTS_FUZZ_FUZZ_ROWS_H_
