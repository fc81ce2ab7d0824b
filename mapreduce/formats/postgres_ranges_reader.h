// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_RANGES_READER_H_
#define MAPREDUCE_FORMATS_POSTGRES_RANGES_READER_H_

// What the readers of COPY's rows and of INSERT's have in common.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/block_reader.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/postgres_lexer.h"
#include "mapreduce/formats/row_block.h"

namespace millrace {

/// Why a row with `count` fields or values is none.
std::string PostgresCountMismatch(std::size_t count, std::string_view what, std::size_t columns);

/// The ranges of a piece; those that follow each other are one.
std::vector<RowRange> PostgresRangesOf(const ShardLayout& layout, const ShardRange& piece);

/// Sticky errors, and the ranges one after the other.
class PostgresRangesReader : public BlockReader {
 public:
  PostgresRangesReader(const RowsOf& rows, std::vector<int> fields)
      : fields_(std::move(fields)),
        column_count_(rows.shard.layout->columns.size()),
        record_bytes_max_(rows.record_bytes_max),
        layout_(rows.shard.layout),
        ranges_(PostgresRangesOf(*layout_, rows.range)),
        lexer_(rows.reader, rows.shard.file.path, rows.record_bytes_max) {}

  Result<bool> Next(LineBlock* block) final {
    if (!error_.ok()) return error_;
    if (is_done_) return false;
    const Result<bool> more = Read(block);
    if (!more.ok()) {
      error_ = more.error();
      return error_;
    }
    if (!*more) is_done_ = true;
    return *more;
  }

 protected:
  virtual Result<bool> Read(LineBlock* block) = 0;

  const RowRange& range() const { return ranges_[range_]; }
  Status CutOff() const {
    if (!lexer_.status().ok()) return lexer_.status();
    return Status::BadData(lexer_.path(), ": ends at byte ", lexer_.offset(),
                           ", within the rows of a table; dump or copy it again");
  }
  Status TooLong(std::uint64_t offset) const {
    return Status::BadData(lexer_.path(), ": the record at byte ", offset, " has more than ",
                           record_bytes_max_, " bytes");
  }

  const std::vector<int> fields_;
  const std::size_t column_count_;
  const std::size_t record_bytes_max_;
  const std::shared_ptr<const ShardLayout> layout_;
  const std::vector<RowRange> ranges_;
  std::size_t range_ = 0;
  std::size_t planned_ = 0;  // Of the layout's rows: those that the last row is in.
  bool is_in_range_ = false;
  PostgresLexer lexer_;
  RowBlock rows_;
  Status error_;

 private:
  bool is_done_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_RANGES_READER_H_
