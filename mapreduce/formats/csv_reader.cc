// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/csv_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mapreduce/base/size.h"

namespace millrace {
namespace {

constexpr std::size_t kPartialRecordSlack = std::size_t{64} << 10;
// Blocks stay in the processor's cache from here to the parser.
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kBlockRows = std::size_t{16} << 10;

std::uint64_t RowsBegin(const Shard& shard) {
  const std::vector<RowRange>& rows = shard.layout->rows;
  return rows.empty() ? 0 : rows.front().begin;
}

}  // namespace

Status CsvNeverClosed(const std::string& path, std::uint64_t offset, std::string_view field,
                      std::string_view rest) {
  const auto lines = static_cast<std::uint64_t>(std::count(rest.begin(), rest.end(), '\n'));
  return Status::BadData(
      path, ": the record at byte ", offset, ": ", field,
      " opens a quote that is never closed (line ends behind it: ", FormatCount(lines),
      "); the file is cut off there, or a quote is one too many: restore or mend it");
}

CsvReader::CsvReader(const RowsOf& rows, CsvDialect dialect, std::vector<int> sources)
    : reader_(rows.reader),
      path_(rows.shard.file.path),
      dialect_(std::move(dialect)),
      sources_(std::move(sources)),
      columns_(rows.shard.layout->columns),
      begin_(rows.range.begin),
      end_(rows.range.end),
      rows_begin_(RowsBegin(rows.shard)),
      record_bytes_max_(std::min(rows.record_bytes_max, kCsvRecordBytesMax)),
      base_offset_(rows.range.begin),
      scanner_(dialect_) {}

Result<bool> CsvReader::Next(LineBlock* block) {
  if (!error_.ok()) return error_;
  Result<bool> next = NextBlock(block);
  if (!next.ok()) error_ = next.error();
  return next;
}

Result<bool> CsvReader::NextBlock(LineBlock* block) {
  rows_.Clear();
  while (true) {
    if (!reject_.reason.empty()) {
      *block = rows_.Rejected(reject_.offset, reject_.raw, std::move(reject_.reason));
      reject_.reason.clear();
      return true;
    }
    switch (phase_) {
      case Phase::kFind:
        MR_RETURN_IF_ERROR(FindFirstRecord());
        break;
      case Phase::kRecords:
        MR_RETURN_IF_ERROR(MakeRows());
        if (rows_.row_count() > 0) {
          *block = rows_.Block();
          return true;
        }
        break;
      case Phase::kVerify:
        MR_RETURN_IF_ERROR(VerifyBorder());
        phase_ = Phase::kDone;
        break;
      case Phase::kDone:
        return false;
    }
  }
}

Status CsvReader::FindFirstRecord() {
  std::size_t skipped = 0;
  if (begin_ < rows_begin_) {
    if (end_ < rows_begin_) {
      phase_ = Phase::kDone;
      return Status::Ok();
    }
    skipped = static_cast<std::size_t>(rows_begin_ - begin_);
    while (known_bytes() < skipped && !is_at_end_) MR_RETURN_IF_ERROR(ReadMore());
    skipped = std::min(skipped, known_bytes());
  } else if (begin_ > 0) {
    CsvBorder border(BorderOptions());
    while (!border.Look({base_, known_bytes()}, is_at_end_)) MR_RETURN_IF_ERROR(ReadMore());
    skipped = border.next_record();
    if (skipped == CsvBorder::kNone) {
      return Status::BadData(path_, ": no record begins for ", FormatBytes(record_bytes_max_),
                             " behind byte ", begin_,
                             ", and none may be longer; close its quotes, raise --memory, or "
                             "raise --split-size above the file's size");
    }
  }
  record_begin_ = base_ + skipped;
  if (OffsetOf(record_begin_) > end_) {
    EndRange(record_begin_);
  } else {
    base_ += skipped;
    base_offset_ += skipped;
    phase_ = Phase::kRecords;
  }
  return Status::Ok();
}

// Makes rows until a block is full, a record was set aside, or the range is at its end.
Status CsvReader::MakeRows() {
  while (phase_ == Phase::kRecords && reject_.reason.empty()) {
    if (rows_.bytes() >= kBlockBytes || rows_.row_count() >= kBlockRows) return Status::Ok();
    if (record_ < scanner_.record_count()) {
      MR_RETURN_IF_ERROR(MakeRowsOfWindow());
      continue;
    }
    scanner_.DropRecords(static_cast<std::size_t>(record_begin_ - base_));
    record_ = 0;
    base_offset_ = OffsetOf(record_begin_);
    base_ = record_begin_;
    if (base_offset_ > end_ || (is_at_end_ && base_ >= filled_)) {
      EndRange(base_);
    } else if (scanner_.Scan(base_, known_bytes() + added_bytes_)) {
      continue;
    } else if (rows_.row_count() > 0) {
      return Status::Ok();  // Before anything is read: what the records point to must not move.
    } else if (scanner_.problem() != CsvProblem::kNone) {
      MR_RETURN_IF_ERROR(SetAsideBadRecord());
    } else if (is_at_end_) {
      return NeverClosed();
    } else {
      MR_RETURN_IF_ERROR(ReadMore());
    }
  }
  return Status::Ok();
}

Status CsvReader::MakeRowsOfWindow() {
  const std::uint32_t* const ends = scanner_.field_ends();
  const std::size_t record_count = scanner_.record_count();
  std::size_t first = scanner_.FieldsBefore(record_);
  while (record_ < record_count) {
    const char* const begin = record_begin_;
    if (OffsetOf(begin) > end_) {
      EndRange(begin);
      return Status::Ok();
    }
    const std::size_t behind = scanner_.FieldsBefore(record_ + 1);
    const char* const newline = base_ + ends[behind - 1];
    const char* const end = newline > begin && newline[-1] == '\r' ? newline - 1 : newline;
    const auto bytes = static_cast<std::size_t>(end - begin);
    if (bytes > record_bytes_max_) return CheckLength(OffsetOf(begin), bytes);
    ++record_;
    record_begin_ = newline + 1;
    if (behind - first == columns_.size()) [[likely]] {
      MakeRow(begin, end, first);
    } else if (begin != end) {
      reject_ = {OffsetOf(begin), {begin, bytes}, WrongFieldCount(behind - first)};
      return Status::Ok();
    }
    first = behind;
  }
  return Status::Ok();
}

inline void CsvReader::MakeRow(const char* begin, const char* end, std::size_t first_field) {
  const std::uint32_t* const ends = scanner_.field_ends() + first_field;
  const std::size_t last = columns_.size() - 1;
  rows_.BeginRow();
  for (const int source : sources_) {
    if (source < 0) {
      rows_.AddEmpty();
      continue;
    }
    const auto column = static_cast<std::size_t>(source);
    const char* const from = column == 0 ? begin : base_ + ends[column - 1] + 1;
    const char* const to = column == last ? end : base_ + ends[column];
    const std::string_view field(from, static_cast<std::size_t>(to - from));
    if (!field.empty() && field.front() == dialect_.quote && dialect_.has_quotes) {
      AddQuoted(field.substr(1, field.size() - 2));
    } else if (field == dialect_.null) {
      rows_.AddNull();
    } else {
      rows_.AddField(field);
    }
  }
  rows_.EndRow(OffsetOf(begin), {begin, static_cast<std::size_t>(end - begin)});
}

void CsvReader::AddQuoted(std::string_view content) {
  if (content.find(dialect_.quote) == std::string_view::npos) return rows_.AddField(content);
  UnescapeCsv(content, dialect_.quote, &unescaped_);
  rows_.AddField(unescaped_);
}

// The record at base_ breaks the grammar. It goes on to the next LF, whatever quotes are there.
Status CsvReader::SetAsideBadRecord() {
  std::size_t searched = scanner_.problem_at();
  const char* newline = nullptr;
  while (true) {
    const std::size_t known = known_bytes() + added_bytes_;
    newline = static_cast<const char*>(std::memchr(base_ + searched, '\n', known - searched));
    if (newline != nullptr) break;
    searched = known;
    MR_RETURN_IF_ERROR(ReadMore());
  }
  const char* const end = newline > base_ && newline[-1] == '\r' ? newline - 1 : newline;
  MR_RETURN_IF_ERROR(CheckLength(base_offset_, static_cast<std::size_t>(end - base_)));
  const std::string field = FieldName(scanner_.field_count());
  SetAside(end, newline + 1,
           scanner_.problem() == CsvProblem::kQuoteInUnquoted
               ? field + " has a quote in it but is not in quotes"
               : field + " goes on behind its closing quote");
  return Status::Ok();
}

// The record at base_ goes on within quotes to the end of the file.
Status CsvReader::NeverClosed() const {
  const std::size_t field = scanner_.field_count();
  const bool is_kept = field > 0 && field <= CsvScanner::kFieldsMax;  // Where the last one ended.
  const char* const open = is_kept ? base_ + scanner_.field_ends()[field - 1] + 1 : base_;
  return CsvNeverClosed(path_, base_offset_, FieldName(field),
                        {open, static_cast<std::size_t>(filled_ - open)});
}

void CsvReader::SetAside(const char* end, const char* next, std::string reason) {
  reject_ = {base_offset_, {base_, static_cast<std::size_t>(end - base_)}, std::move(reason)};
  base_offset_ = OffsetOf(next);
  base_ = record_begin_ = next;
  scanner_.Restart();
}

// `next` begins the first record that is not ours.
void CsvReader::EndRange(const char* next) {
  if (is_at_end_ && next > filled_) next = filled_;
  next_record_ = OffsetOf(next);
  phase_ = next_record_ > end_ ? Phase::kVerify : Phase::kDone;
  if (phase_ == Phase::kDone) return;
  // The last record began at or before the border, so all behind it is still in the buffer.
  base_ = next - (next_record_ - end_);
  base_offset_ = end_;
}

Status CsvReader::VerifyBorder() {
  CsvBorder border(BorderOptions());
  while (!border.Look({base_, known_bytes()}, is_at_end_)) MR_RETURN_IF_ERROR(ReadMore());
  if (border.next_record() == next_record_ - end_) return Status::Ok();
  return Status::BadData(path_, ": whether byte ", end_,
                         " lies within quotes can't be told from what follows; mend the quotes "
                         "near it, or raise --split-size above the file's size, so that it is "
                         "read in one piece");
}

// Requires: nothing that was handed out points into the buffer.
Status CsvReader::ReadMore() {
  if (phase_ == Phase::kRecords && known_bytes() > 2) {
    MR_RETURN_IF_ERROR(CheckLength(base_offset_, known_bytes() - 2));  // Without its CR LF.
  }
  MakeRoom(reader_.NextReadBytes());
  const std::size_t room =
      capacity_ - kLineBlockPadding - static_cast<std::size_t>(filled_ - buffer_.get());
  MR_ASSIGN_OR_RETURN(const std::size_t bytes, reader_.Read(filled_, room));
  filled_ += bytes;
  is_at_end_ = bytes == 0;
  if (is_at_end_ && known_bytes() > 0 && filled_[-1] != '\n') {
    *filled_ = '\n';
    added_bytes_ = 1;
  }
  return Status::Ok();
}

void CsvReader::MakeRoom(std::size_t read_bytes) {
  const std::size_t kept = known_bytes();
  const std::size_t needed = kept + read_bytes + kLineBlockPadding;
  if (needed > capacity_) {
    // Half as much again, so that a long record is moved a bounded number of times; but hardly more
    // than the longest record needs.
    const std::size_t wanted =
        kept == 0 ? needed + std::min(needed, kPartialRecordSlack) : capacity_ + capacity_ / 2;
    const std::size_t longest = record_bytes_max_ + read_bytes + kLineBlockPadding;
    const std::size_t grown = std::max(needed, std::min(wanted, longest));
    auto larger = std::make_unique_for_overwrite<char[]>(grown);
    if (kept > 0) std::memcpy(larger.get(), base_, kept);
    buffer_ = std::move(larger);
    capacity_ = grown;
  } else if (kept > 0 && base_ != buffer_.get()) {
    std::memmove(buffer_.get(), base_, kept);
  }
  base_ = record_begin_ = buffer_.get();
  filled_ = buffer_.get() + kept;
  std::memset(filled_ + read_bytes, 0, kLineBlockPadding);
}

Status CsvReader::CheckLength(std::uint64_t offset, std::size_t bytes) const {
  if (bytes <= record_bytes_max_) return Status::Ok();
  return Status::BadData(path_, ": the record at byte ", offset, " is longer than ",
                         FormatBytes(record_bytes_max_), " (", record_bytes_max_,
                         " bytes), the most a record may have; close its quotes, or raise "
                         "--memory");
}

std::string CsvReader::WrongFieldCount(std::size_t count) const {
  const std::string first = dialect_.has_header ? "the header " : "the first record ";
  if (count > CsvScanner::kFieldsMax) {
    return "has over " + FormatCount(CsvScanner::kFieldsMax) + " fields, " + first +
           std::to_string(columns_.size());
  }
  return "has " + std::to_string(count) + (count == 1 ? " field, " : " fields, ") + first +
         std::to_string(columns_.size());
}

std::string CsvReader::FieldName(std::size_t index) const {
  if (index > CsvScanner::kFieldsMax) return "a field";
  std::string name = "field " + std::to_string(index + 1);
  if (dialect_.has_header && index < columns_.size()) name += " (" + columns_[index] + ")";
  return name;
}

CsvBorderOptions CsvReader::BorderOptions() const {
  return {.delimiter = dialect_.delimiter,
          .quote = dialect_.quote,
          .has_quotes = dialect_.has_quotes,
          .column_count = columns_.size(),
          .record_bytes_max = record_bytes_max_};
}

}  // namespace millrace
