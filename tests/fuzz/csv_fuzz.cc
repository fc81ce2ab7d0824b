// SPDX-License-Identifier: Apache-2.0
// Any bytes as CSV: read whole it is what the reference says, rows, bad records and damage; however
// it is cut and read, it is the same, or the reader says that it can't tell. A good file no longer
// than a record may be is never refused, and one whose last quote is never closed always is.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/row_block.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/unit/engine/memory_files.h"
#include "tests/unit/formats/csv_reference.h"

using namespace millrace;

namespace {

class PieceReader final : public ShardReader {
 public:
  PieceReader(std::string_view text, std::uint64_t begin, std::size_t piece_bytes)
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

struct Record {
  std::uint64_t offset = 0;
  std::string raw;
  std::string line;    // Of TSV.
  std::string reject;  // Why.
  friend bool operator==(const Record&, const Record&) = default;
};

struct File {
  std::string_view text;
  FileFormat format;
  Shard shard;
  std::size_t record_bytes_max = 0;
};

// `records`: those before the error, if there is one.
Status Read(const File& file, const std::vector<std::uint64_t>& borders, std::size_t piece_bytes,
            std::vector<Record>* records) {
  static const RowRequest all{.all = true, .columns = {}};
  for (std::size_t i = 0; i <= borders.size(); ++i) {
    const std::uint64_t begin = i == 0 ? 0 : borders[i - 1];
    const std::uint64_t end = i == borders.size() ? UINT64_MAX : borders[i];
    const ShardRange range{begin, std::min<std::uint64_t>(end, file.text.size()), begin, end};
    PieceReader reader(file.text, begin, piece_bytes);
    MR_ASSIGN_OR_RETURN(
        const std::unique_ptr<BlockReader> blocks,
        OpenRows({reader, file.shard, range, file.format, all, file.record_bytes_max}));
    LineBlock block;
    for (;;) {
      MR_ASSIGN_OR_RETURN(const bool more, blocks->Next(&block));
      if (!more) break;
      for (std::size_t r = 0; r < block.records->size(); ++r) {
        const SourceRecord& record = (*block.records)[r];
        const bool is_last = r + 1 == block.records->size();
        const char* const line_end = is_last ? block.end : (*block.records)[r + 1].line;
        records->push_back({record.offset, std::string(record.raw), "", std::string(block.reject)});
        FUZZ_CHECK(file.text.substr(record.offset, record.raw.size()) == record.raw);
        if (block.reject.empty()) records->back().line.assign(record.line, line_end);
      }
    }
  }
  return Status::Ok();
}

// `status`: fine, or of a file that is damaged.
void CheckAgainstReference(const File& file, const std::vector<Record>& records,
                           const Status& status, char delimiter) {
  const std::vector<std::string>& columns = file.shard.layout->columns;
  const std::size_t column_count = columns.size();
  const bool has_header = file.format.option("header", "yes") == "yes";
  bool is_damaged = false;
  std::size_t next = 0;
  for (const ReferenceRecord& wanted :
       ReferenceCsv(file.text, file.shard.layout->rows.front().begin, delimiter, '"')) {
    if (wanted.never_closed) {
      is_damaged = true;
      FUZZ_CHECK(!status.ok() && status.code() == StatusCode::kBadData);
      FUZZ_CHECK(
          status.message() ==
          NeverClosedMessage("/f.csv", has_header ? columns : std::vector<std::string>(), wanted));
      break;
    }
    if (wanted.raw.empty() && column_count > 1) continue;
    FUZZ_CHECK(next < records.size());
    const Record& record = records[next++];
    FUZZ_CHECK(record.offset == wanted.offset && record.raw == wanted.raw);
    FUZZ_CHECK(record.reject.empty() == (wanted.fields.size() == column_count));
    if (!record.reject.empty()) continue;
    RowBlock row;
    row.BeginRow();
    for (const auto& field : wanted.fields) field ? row.AddField(*field) : row.AddNull();
    row.EndRow(0, {});
    const LineBlock block = row.Block();
    FUZZ_CHECK(record.line == std::string(block.begin, block.end));
  }
  FUZZ_CHECK(next == records.size());
  FUZZ_CHECK(is_damaged == !status.ok());
}

}  // namespace

// The first bytes: dialect and limit, piece, and the cuts' number and places.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeadBytes = 8;
  if (size < kHeadBytes) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + kHeadBytes, size - kHeadBytes);
  const char delimiter = (data[0] & 1) != 0 ? ';' : ',';
  File file;
  file.text = text;
  file.format = *ParseFileFormat(std::string("csv,delimiter=") + (delimiter == ',' ? "\\," : ";") +
                                 ((data[0] & 2) != 0 ? ",header=no" : ""));
  file.record_bytes_max = (data[0] & 4) != 0 ? 1 + data[1] : std::size_t{1} << 20;
  MemoryFiles files;
  files.contents()["/f.csv"] = std::make_shared<std::string>(text);
  file.shard.file = {.path = "/f.csv", .bytes = text.size()};
  if (!InspectLayout(files, file.format, &file.shard).ok() || file.shard.layout == nullptr) {
    return 0;
  }
  std::vector<Record> whole;
  const Status whole_status = Read(file, {}, SIZE_MAX, &whole);
  const bool is_short = text.size() <= file.record_bytes_max;
  const bool is_damaged = whole_status.message().find("never closed") != std::string::npos;
  if (whole_status.ok() || is_damaged || is_short) {
    CheckAgainstReference(file, whole, whole_status, delimiter);
  }
  bool is_good = whole_status.ok() && is_short;
  for (const Record& record : whole) {
    is_good &= record.reject.empty() || record.reject.starts_with("has ");
  }
  std::vector<std::uint64_t> borders;
  for (std::size_t i = 3; i < kHeadBytes; ++i) {
    const std::uint64_t at = (data[i] | std::uint64_t{data[2]} << 3) % (text.size() + 1);
    if (at > 0) borders.push_back(at);
  }
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
  for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{1} + data[1] % 97}) {
    std::vector<Record> cut;
    const Status status = Read(file, borders, piece_bytes, &cut);
    FUZZ_CHECK(status.ok() || !is_good);
    if (status.ok()) {
      FUZZ_CHECK(whole_status.ok() && cut == whole);
      continue;
    }
    FUZZ_CHECK(status.code() == StatusCode::kBadData);
    const bool is_border = status.message().find("--split-size") != std::string::npos;
    FUZZ_CHECK(is_border || (!whole_status.ok() && status.message() == whole_status.message()));
    const auto same = static_cast<std::ptrdiff_t>(std::min(cut.size(), whole.size()));
    FUZZ_CHECK(std::equal(cut.begin(), cut.begin() + same, whole.begin()));
  }
  return 0;
}
