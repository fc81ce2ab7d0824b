// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_FUZZ_FUZZ_ROWS_H_
#define TESTS_FUZZ_FUZZ_ROWS_H_

// Any bytes as a shard, read through its format's driver. Targets run millions of times, and each
// input is read several times, so what was read is kept in buffers that are used again.
//
//   static FuzzRecords whole, cut;
//   const FuzzShard file{text, format, shard};
//   const Status status = ReadFuzzRecords(file, request, {}, SIZE_MAX, &whole);
//   ReadFuzzRecords(file, request, {7, 12}, /*piece_bytes=*/3, &cut);   // Cut at 7 and 12.
//   FUZZ_CHECK(cut == whole);

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/tsv_field.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/unit/engine/memory_files.h"

namespace millrace {

/// The bytes of a text from an offset on, at most `piece_bytes` at once.
class FuzzShardReader final : public ShardReader {
 public:
  FuzzShardReader(std::string_view text, std::uint64_t begin, std::size_t piece_bytes)
      : text_(text), at_(begin), piece_bytes_(piece_bytes) {}
  std::size_t NextReadBytes() override { return std::min(piece_bytes_, text_.size() - at_); }
  Result<std::size_t> Read(char* into, std::size_t room) override {
    const std::size_t bytes = NextReadBytes();
    FUZZ_CHECK(bytes <= room);
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

/// One file in memory, for drivers that look at it before it is read.
class FuzzFiles {
 public:
  explicit FuzzFiles(const std::string& path) : content_(std::make_shared<std::string>()) {
    files_.contents()[path] = content_;
  }
  void Set(std::string_view text) { content_->assign(text); }
  FileSystem& files() { return files_; }

 private:
  MemoryFiles files_;
  const std::shared_ptr<std::string> content_;
};

/// Rows and rejects in the order in which a reader gave them.
class FuzzRecords {
 public:
  void Clear() {
    records_.clear();
    bytes_.clear();
  }
  /// `line` is a row's, of TSV with its LF; or why the record is no row.
  void Add(std::uint64_t offset, std::string_view raw, std::string_view line, bool is_reject) {
    records_.push_back({offset, bytes_.size(), raw.size(), line.size(), is_reject});
    bytes_.append(raw).append(line);
  }

  std::size_t size() const { return records_.size(); }
  std::uint64_t offset(std::size_t i) const { return records_[i].offset; }
  std::string_view raw(std::size_t i) const {
    return std::string_view(bytes_).substr(records_[i].begin, records_[i].raw_bytes);
  }
  bool is_reject(std::size_t i) const { return records_[i].is_reject; }
  std::string_view reason(std::size_t i) const { return is_reject(i) ? text(i) : ""; }
  std::string_view line(std::size_t i) const { return is_reject(i) ? "" : text(i); }

  /// What the fields of a row mean. Views live until the next call.
  const std::vector<std::optional<std::string_view>>& Fields(std::size_t i) {
    std::string_view rest = line(i);
    decoded_.resize(rest.size());
    char* to = decoded_.data();
    fields_.clear();
    while (!rest.empty()) {
      const std::size_t end = rest.find_first_of("\t\n");
      FUZZ_CHECK(end != rest.npos && (rest[end] == '\t' || end + 1 == rest.size()));
      const std::string_view field = rest.substr(0, end);
      if (field == kTsvNull) {
        fields_.emplace_back(std::nullopt);
      } else {
        const std::optional<std::size_t> bytes = DecodeTsvField(field, to);
        FUZZ_CHECK(bytes.has_value());
        fields_.emplace_back(std::string_view(to, *bytes));
        to += *bytes;
      }
      rest.remove_prefix(end + 1);
    }
    return fields_;
  }

  friend bool operator==(const FuzzRecords& a, const FuzzRecords& b) {
    return a.records_ == b.records_ && a.bytes_ == b.bytes_;
  }
  /// Whether one is the begin of the other.
  static bool Agree(const FuzzRecords& a, const FuzzRecords& b) {
    const std::size_t count = std::min(a.size(), b.size());
    const std::size_t bytes = std::min(a.bytes_.size(), b.bytes_.size());
    const auto end = static_cast<std::ptrdiff_t>(count);
    return std::equal(a.records_.begin(), a.records_.begin() + end, b.records_.begin()) &&
           std::memcmp(a.bytes_.data(), b.bytes_.data(), bytes) == 0;
  }

 private:
  struct Record {
    std::uint64_t offset;
    std::size_t begin, raw_bytes, line_bytes;  // In bytes_: the raw record, then its line.
    bool is_reject;
    friend bool operator==(const Record&, const Record&) = default;
  };
  std::string_view text(std::size_t i) const {
    const Record& record = records_[i];
    return std::string_view(bytes_).substr(record.begin + record.raw_bytes, record.line_bytes);
  }

  std::vector<Record> records_;
  std::string bytes_;
  std::string decoded_;
  std::vector<std::optional<std::string_view>> fields_;
};

struct FuzzShard {
  std::string_view text;
  const FileFormat& format;
  const Shard& shard;
  std::size_t record_bytes_max = std::size_t{1} << 20;
  std::size_t prefix_bytes_max = 0;  ///< What may stand between a record's offset and its bytes.
};

namespace fuzz_internal {

/// Adds what a block has. Each record stands where it says.
inline void AddBlock(const FuzzShard& file, const LineBlock& block, FuzzRecords* records) {
  const auto add = [&](std::uint64_t offset, std::string_view raw, std::string_view line) {
    bool is_there = false;
    for (std::size_t prefix = 0; prefix <= file.prefix_bytes_max && !is_there; ++prefix) {
      FUZZ_CHECK(offset + prefix <= file.text.size());
      is_there = file.text.substr(offset + prefix, raw.size()) == raw;
    }
    FUZZ_CHECK(is_there);
    FUZZ_CHECK(!block.reject.empty() || line.ends_with('\n'));
    records->Add(offset, raw, line, !block.reject.empty());
  };
  if (!block.reject.empty()) {
    FUZZ_CHECK(block.records != nullptr && block.records->size() == 1);
    return add(block.records->front().offset, block.records->front().raw, block.reject);
  }
  FUZZ_CHECK(block.begin < block.end);
  char padding[kLineBlockPadding];
  std::memcpy(padding, block.end, sizeof padding);  // Readable, says the address sanitizer.
  if (block.records == nullptr) {                   // The lines are the records.
    for (const char* line = block.begin; line < block.end;) {
      const std::string_view rest(line, static_cast<std::size_t>(block.end - line));
      const std::size_t bytes = std::min(rest.find('\n'), rest.size() - 1);
      add(block.offset + static_cast<std::uint64_t>(line - block.begin), rest.substr(0, bytes),
          rest.substr(0, bytes + 1));
      line += bytes + 1;
    }
    return;
  }
  FUZZ_CHECK(!block.records->empty() && block.records->front().line == block.begin);
  for (std::size_t i = 0; i < block.records->size(); ++i) {
    const SourceRecord& record = (*block.records)[i];
    const char* const end =
        i + 1 < block.records->size() ? (*block.records)[i + 1].line : block.end;
    add(record.offset, record.raw, {record.line, static_cast<std::size_t>(end - record.line)});
  }
}

}  // namespace fuzz_internal

/// Reads ranges that are cut at `borders` (ascending, above 0), in pieces. `records`: those before
/// the error, if there is one.
inline Status ReadFuzzRecords(const FuzzShard& file, const RowRequest& request,
                              const std::vector<std::uint64_t>& borders, std::size_t piece_bytes,
                              FuzzRecords* records) {
  records->Clear();
  for (std::size_t i = 0; i <= borders.size(); ++i) {
    const std::uint64_t begin = i == 0 ? 0 : borders[i - 1];
    const std::uint64_t end = i == borders.size() ? UINT64_MAX : borders[i];
    const ShardRange range{begin, std::min<std::uint64_t>(end, file.text.size()), begin, end};
    FuzzShardReader reader(file.text, begin, piece_bytes);
    MR_ASSIGN_OR_RETURN(
        const std::unique_ptr<BlockReader> blocks,
        OpenRows({reader, file.shard, range, file.format, request, file.record_bytes_max}));
    LineBlock block;
    for (;;) {
      MR_ASSIGN_OR_RETURN(const bool more, blocks->Next(&block));
      if (!more) break;
      fuzz_internal::AddBlock(file, block, records);
    }
  }
  return Status::Ok();
}

/// All of `text` in a format whose records are lines and which has no damage. Checks that it does
/// not depend on where the file is cut (its bytes choose the place and how much is read at once),
/// and that what no record has is blank.
inline void ReadFuzzLines(const FileFormat& format, std::string_view text,
                          const RowRequest& request, FuzzRecords* records) {
  static const Shard shard{.file = {.path = "/file"}};
  static FuzzRecords cut;
  const FuzzShard file{text, format, shard};
  FUZZ_CHECK(ReadFuzzRecords(file, request, {}, SIZE_MAX, records).ok());
  const std::uint64_t hash = std::hash<std::string_view>()(text);
  std::vector<std::uint64_t> borders;
  if (!text.empty()) borders.push_back(1 + hash % text.size());
  FUZZ_CHECK(ReadFuzzRecords(file, request, borders, 1 + (hash >> 32) % 97, &cut).ok());
  FUZZ_CHECK(cut == *records);
  // A byte order mark may stand on a line without a row.
  const bool has_mark = text.starts_with("\xEF\xBB\xBF");
  std::uint64_t at = has_mark && (records->size() == 0 || records->offset(0) > 0) ? 3 : 0;
  const auto is_blank = [&](std::uint64_t end) {
    return text.substr(at, end - at).find_first_not_of(" \t\r\n") == std::string_view::npos;
  };
  for (std::size_t i = 0; i < records->size(); ++i) {
    FUZZ_CHECK(is_blank(records->offset(i)));
    at = records->offset(i) + records->raw(i).size();
  }
  FUZZ_CHECK(is_blank(text.size()));
}

/// All of these columns, called as they are in the file.
inline RowRequest FuzzRequest(const std::vector<std::string>& columns) {
  RowRequest request;
  for (const std::string& column : columns) request.columns.push_back({column, column, 0});
  return request;
}

}  // namespace millrace

#endif  // TESTS_FUZZ_FUZZ_ROWS_H_
