// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_ROW_BLOCK_H_
#define MAPREDUCE_FORMATS_ROW_BLOCK_H_

// A block of TSV lines that a reader makes of another format's rows:
//
//   rows_.Clear();
//   for each record of the input block {
//     rows_.BeginRow();
//     rows_.AddField("SE");
//     rows_.AddNull();
//     rows_.EndRow(offset, raw);       // or rows_.DropRow(), and then block = Rejected(...)
//   }
//   *block = rows_.Block();

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/block_reader.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"

namespace millrace {

/// One thread at a time. What `raw` points to must live as long as the block.
class RowBlock {
 public:
  /// Forgets all rows; keeps the memory, unless a giant row made it large.
  void Clear() {
    text_.Clear();
    if (text_.capacity() > kKeptBytesMax) text_ = RowBuffer();
    lines_.clear();
    records_.clear();
  }

  std::size_t row_count() const { return lines_.size(); }
  /// Bytes of the lines so far.
  std::size_t bytes() const { return text_.size(); }

  void BeginRow() {
    row_ = text_.size();
    is_first_field_ = true;
  }
  /// The field's own bytes.
  void AddField(std::string_view bytes) {
    Separate();
    AppendEscaped(text_, bytes);
  }
  /// A field without bytes.
  void AddEmpty() { Separate(); }
  void AddNull() {
    Separate();
    text_.Append(kTsvNull);
  }
  /// A number, as AppendTsv writes it.
  template <class T>
  void AddValue(T value) {
    Separate();
    AppendTsv(text_, value);
  }
  /// As COPY writes it: nothing is escaped once more. Requires: no TAB and no LF in it.
  void AddEscapedField(std::string_view text) {
    Separate();
    text_.Append(text);
  }
  /// A field of at most so many bytes, to be written there. EndField() says where it ended.
  char* FieldRoom(std::size_t bytes_max) {
    Separate();
    return text_.Room(bytes_max);
  }
  void EndField(const char* end) {
    text_.Commit(static_cast<std::size_t>(end - text_.view().data()) - text_.size());
  }
  void EndRow(std::uint64_t offset, std::string_view raw) {
    text_.Append('\n');
    lines_.push_back(row_);
    records_.push_back({nullptr, offset, raw});
  }
  /// For a record that has no bytes of its own: `number` is its place, raw its line.
  void EndRowWithoutRaw(std::uint64_t number) {
    EndRow(number, {});
    has_raws_ = false;
  }
  /// Bytes of the row that was begun.
  std::size_t row_bytes() const { return text_.size() - row_; }
  /// Takes the row back that was begun.
  void DropRow() { text_.Truncate(row_); }

  /// All rows. Requires: at least one.
  LineBlock Block() {
    std::memset(text_.Room(kLineBlockPadding), 0, kLineBlockPadding);
    const char* const text = text_.view().data();
    for (std::size_t i = 0; i < lines_.size(); ++i) records_[i].line = text + lines_[i];
    if (!has_raws_) LinesAreRaws();
    return {.begin = text,
            .end = text + text_.size(),
            .offset = records_.front().offset,
            .records = &records_,
            .reject = {}};
  }

  /// A block of the one record that is no row. `reason` is not empty.
  LineBlock Rejected(std::uint64_t offset, std::string_view raw, std::string reason) {
    Clear();
    reason_ = std::move(reason);
    records_.push_back({raw.data(), offset, raw});
    return {.begin = raw.data(),
            .end = raw.data(),
            .offset = offset,
            .records = &records_,
            .reject = reason_};
  }

 private:
  static constexpr std::size_t kKeptBytesMax = std::size_t{8} << 20;

  void LinesAreRaws() {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const std::size_t end = i + 1 < lines_.size() ? lines_[i + 1] : text_.size();
      records_[i].raw = text_.view().substr(lines_[i], end - 1 - lines_[i]);
    }
  }

  void Separate() {
    if (!is_first_field_) text_.Append('\t');
    is_first_field_ = false;
  }

  RowBuffer text_;
  std::size_t row_ = 0;
  bool is_first_field_ = true;
  bool has_raws_ = true;
  std::vector<std::size_t> lines_;
  std::vector<SourceRecord> records_;
  std::string reason_;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_ROW_BLOCK_H_
