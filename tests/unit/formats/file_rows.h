// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_FORMATS_FILE_ROWS_H_
#define TESTS_UNIT_FORMATS_FILE_ROWS_H_

// A file in memory, read through its format's driver as the engine does it: for tests of formats.
//
//   const TextFile file("plays.csv", "user,track\nann,t1\n", "csv");
//   EXPECT_EQ(file.Rows({"track"}), ...);                       // The whole file.
//   file.RowsOfRanges({"track"}, {7, 12}, /*piece_bytes=*/3);    // Cut at 7 and 12.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/formats/any_row.h"
#include "mapreduce/formats/file_format.h"
#include "tests/unit/engine/memory_files.h"

namespace millrace {

/// A row as a job sees it, or what was rejected.
struct FileRow {
  std::vector<std::optional<std::string>> fields;
  std::uint64_t offset = 0;
  std::string raw;
  std::string reject;  ///< The reason; empty for a row.
  friend bool operator==(const FileRow&, const FileRow&) = default;
  friend void PrintTo(const FileRow& row, std::ostream* out) {
    *out << "@" << row.offset << " ";
    if (!row.reject.empty()) *out << "REJECT " << row.reject << " ";
    for (const auto& field : row.fields) *out << "[" << (field ? *field : "NULL") << "]";
  }
};

/// The bytes of a file from an offset on, at most `piece_bytes` at once.
class PiecewiseReader final : public ShardReader {
 public:
  PiecewiseReader(std::string_view text, std::uint64_t begin, std::size_t piece_bytes)
      : text_(text), at_(begin), piece_bytes_(piece_bytes) {}
  std::size_t NextReadBytes() override { return std::min(piece_bytes_, text_.size() - at_); }
  Result<std::size_t> Read(char* into, std::size_t room) override {
    const std::size_t bytes = NextReadBytes();
    EXPECT_LE(bytes, room);
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

class TextFile {
 public:
  /// `spec` as for --format; the layout is looked for at once.
  TextFile(const std::string& path, std::string text, std::string_view spec)
      : text_(std::move(text)) {
    files_.contents()["/" + path] = std::make_shared<std::string>(text_);
    const Result<FileFormat> format = ParseFileFormat(spec);
    status_ = format.ok() ? Status::Ok() : format.error();
    if (!status_.ok()) return;
    format_ = *format;
    const Result<Shard> shard = InspectShard(files_, {.path = "/" + path, .bytes = text_.size()});
    status_ = shard.ok() ? Status::Ok() : shard.error();
    if (!status_.ok()) return;
    shard_ = *shard;
    status_ = InspectLayout(files_, format_, &shard_);
  }

  /// What went wrong so far.
  const Status& status() const { return status_; }
  const Shard& shard() const { return shard_; }
  /// Another layout than the one that was found: ranges of a few bytes, for small files.
  void SetLayout(ShardLayout layout) {
    shard_.layout = std::make_shared<const ShardLayout>(std::move(layout));
  }
  const std::string& text() const { return text_; }

  /// `columns` by name; none: all of the file's.
  static RowRequest Request(const std::vector<std::string>& columns) {
    RowRequest request{.all = columns.empty(), .columns = {}};
    for (const std::string& name : columns) request.columns.push_back({name, name, 0});
    return request;
  }

  std::vector<FileRow> Rows(const std::vector<std::string>& columns = {}) const {
    return RowsOfRanges(columns, {}, SIZE_MAX);
  }
  /// Read range by range: the file is cut at `borders`, ascending, and read in small pieces.
  std::vector<FileRow> RowsOfRanges(const std::vector<std::string>& columns,
                                    const std::vector<std::uint64_t>& borders,
                                    std::size_t piece_bytes) const {
    const Result<std::vector<FileRow>> rows = TryRows(Request(columns), borders, piece_bytes);
    EXPECT_TRUE(rows.ok()) << (rows.ok() ? "" : rows.error().message());
    return rows.ok() ? *rows : std::vector<FileRow>();
  }

  Result<std::vector<FileRow>> TryRows(const RowRequest& request,
                                       const std::vector<std::uint64_t>& borders,
                                       std::size_t piece_bytes,
                                       std::size_t record_bytes_max = std::size_t{64} << 20) const {
    MR_RETURN_IF_ERROR(status_);
    std::vector<FileRow> rows;
    std::uint64_t begin = 0;
    for (std::size_t i = 0; i <= borders.size(); ++i) {
      const bool is_last = i == borders.size();
      const std::uint64_t stored_end = is_last ? text_.size() : borders[i];
      const ShardRange range{begin, stored_end, begin, is_last ? UINT64_MAX : stored_end};
      PiecewiseReader reader(text_, begin, piece_bytes);
      MR_ASSIGN_OR_RETURN(const std::unique_ptr<BlockReader> blocks,
                          OpenRows({reader, shard_, range, format_, request, record_bytes_max}));
      LineBlock block;
      for (;;) {
        MR_ASSIGN_OR_RETURN(const bool more, blocks->Next(&block));
        if (!more) break;
        Take(block, &rows);
      }
      begin = stored_end;
    }
    return rows;
  }

  /// Adds a block's rows.
  static void Take(const LineBlock& block, std::vector<FileRow>* rows) {
    if (!block.reject.empty()) {
      ASSERT_NE(block.records, nullptr);
      ASSERT_EQ(block.records->size(), 1u);
      const SourceRecord& record = block.records->front();
      rows->push_back({{}, record.offset, std::string(record.raw), std::string(block.reject)});
      return;
    }
    ASSERT_LT(block.begin, block.end);
    char padding[kLineBlockPadding];
    std::memcpy(padding, block.end, sizeof padding);  // Readable, says the address sanitizer.
    std::size_t i = 0;
    AnyRowParser parser;
    parser.Parse(
        block,
        [&](const AnyRow& row, std::string_view line) {
          // Lines that are handed on as they stand are their own records.
          SourceRecord record{line.data(),
                              block.offset + static_cast<std::uint64_t>(line.data() - block.begin),
                              line};
          if (block.records != nullptr) {
            ASSERT_LT(i, block.records->size());
            record = (*block.records)[i++];
          }
          EXPECT_EQ(record.line, line.data());
          FileRow& added = rows->emplace_back();
          added.offset = record.offset;
          added.raw = record.raw;
          for (const auto& field : row.fields) {
            added.fields.push_back(field ? std::optional(std::string(*field)) : std::nullopt);
          }
        },
        [](std::string_view reason, std::string_view) { FAIL() << reason; });
    if (block.records != nullptr) {
      EXPECT_EQ(i, block.records->size());
    }
  }

 private:
  mutable MemoryFiles files_;
  const std::string text_;
  Status status_;
  FileFormat format_;
  Shard shard_;
};

}  // namespace millrace

#endif  // TESTS_UNIT_FORMATS_FILE_ROWS_H_
