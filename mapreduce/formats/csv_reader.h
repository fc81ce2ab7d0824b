// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_CSV_READER_H_
#define MAPREDUCE_FORMATS_CSV_READER_H_

// Reads one range of a CSV file. Which records a range has: those that begin in (begin, end], as
// for lines (line_blocks.h); of a file without header and BOM also the one at 0.
//
//   find     at `begin`: keeps what it reads until CsvBorder knows where the first record is
//   records  rows and bad records, as the scanner finds them
//   verify   at `end`: what CsvBorder tells the next range's reader must be where the next record
//            truly begins; if not, the error says so, and no row was read wrongly in silence
//
// Bytes are read straight into one buffer, behind what is still needed of the last read: the record
// that did not end yet, or what lies behind the border that is being looked at.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/block_reader.h"
#include "mapreduce/formats/csv_border.h"
#include "mapreduce/formats/csv_dialect.h"
#include "mapreduce/formats/csv_scanner.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/row_block.h"

namespace millrace {

/// kBadData: in the record at `offset` the field called `field` opens a quote that is not closed up
/// to the end of the file; `rest` is the file from that quote on. Damage, never a reject: who can
/// do without a few records must not lose all that stands behind a quote.
Status CsvNeverClosed(const std::string& path, std::uint64_t offset, std::string_view field,
                      std::string_view rest);

/// See block_reader.h. kBadData: a record over the limit; a border that can't be told; a quote that
/// is never closed.
class CsvReader final : public BlockReader {
 public:
  /// `sources`: by field of the line, the column it is, or -1.
  CsvReader(const RowsOf& rows, CsvDialect dialect, std::vector<int> sources);
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  Result<bool> Next(LineBlock* block) override;

 private:
  enum class Phase { kFind, kRecords, kVerify, kDone };

  Result<bool> NextBlock(LineBlock* block);
  Status FindFirstRecord();
  Status VerifyBorder();
  Status MakeRows();
  Status MakeRowsOfWindow();
  void MakeRow(const char* begin, const char* end, std::size_t first_field);
  void AddQuoted(std::string_view content);
  Status SetAsideBadRecord();
  Status NeverClosed() const;
  void SetAside(const char* end, const char* next, std::string reason);
  void EndRange(const char* next);

  Status ReadMore();  // Sets is_at_end_ at the file's end.
  void MakeRoom(std::size_t read_bytes);
  Status CheckLength(std::uint64_t offset, std::size_t bytes) const;
  std::string WrongFieldCount(std::size_t count) const;
  std::string FieldName(std::size_t index) const;
  std::size_t known_bytes() const { return static_cast<std::size_t>(filled_ - base_); }
  std::uint64_t OffsetOf(const char* at) const {
    return base_offset_ + static_cast<std::uint64_t>(at - base_);
  }
  CsvBorderOptions BorderOptions() const;

  ShardReader& reader_;
  const std::string path_;
  const CsvDialect dialect_;
  const std::vector<int> sources_;
  const std::vector<std::string>& columns_;
  const std::uint64_t begin_, end_;  // The range.
  const std::uint64_t rows_begin_;   // Where the file's first record is, behind BOM and header.
  const std::size_t record_bytes_max_;

  Phase phase_ = Phase::kFind;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  const char* base_ = nullptr;  // First byte that is kept: of a record, or behind a border.
  char* filled_ = nullptr;      // End of the bytes read.
  std::uint64_t base_offset_;   // Of base_ in the shard.
  bool is_at_end_ = false;
  std::size_t added_bytes_ = 0;  // 1: an LF stands at filled_, which the file's end lacks.

  CsvScanner scanner_;
  std::size_t record_ = 0;  // The scanner's records before it are done.
  const char* record_begin_ = nullptr;
  RowBlock rows_;
  std::string unescaped_;
  struct Reject {
    std::uint64_t offset;
    std::string_view raw;
    std::string reason;  // Empty: there is none to hand out.
  } reject_;
  std::uint64_t next_record_ = 0;  // Where the first record of the next range truly begins.
  Status error_;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_CSV_READER_H_
