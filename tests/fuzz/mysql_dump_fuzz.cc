// SPDX-License-Identifier: Apache-2.0
// Any bytes as a script and as a --tab file: cut anywhere, read in pieces of any size, and with row
// ranges of any size, they have the rows of the whole. The first three bytes say where and how.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/mysql_dump.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/unit/engine/memory_files.h"

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

// All that the ranges between `borders` give, as text; `error` is why it ends early.
std::string ReadAll(std::string_view text, const Shard& shard, const FileFormat& format,
                    std::vector<std::uint64_t> borders, std::size_t piece_bytes, Status* error) {
  std::string rows;
  borders.push_back(UINT64_MAX);
  std::uint64_t begin = 0;
  for (const std::uint64_t end : borders) {
    const ShardRange range{begin, std::min<std::uint64_t>(end, text.size()), begin, end};
    PieceReader reader(text, begin, piece_bytes);
    const RowRequest all{.all = true, .columns = {}};
    auto blocks = OpenRows({reader, shard, range, format, all, std::size_t{1} << 20});
    FUZZ_CHECK(blocks.ok());
    LineBlock block;
    for (;;) {
      const Result<bool> more = (*blocks)->Next(&block);
      if (!more.ok()) {
        *error = more.error();
        return rows;
      }
      if (!*more) break;
      FUZZ_CHECK(block.records != nullptr && !block.records->empty());
      rows.append(block.reject);
      for (const SourceRecord& record : *block.records) {
        FUZZ_CHECK(text.substr(record.offset, record.raw.size()) == record.raw);
        if (block.reject.empty()) rows.append(record.line, std::find(record.line, block.end, '\n'));
        rows.append(std::to_string(record.offset)).append(record.raw);
      }
    }
    begin = end;
  }
  return rows;
}

void Check(MemoryFiles& files, std::string_view text, const std::string& spec,
           std::uint64_t range_bytes, std::uint64_t cut, std::size_t piece_bytes) {
  const Result<FileFormat> format = ParseFileFormat(spec);
  FUZZ_CHECK(format.ok());
  Shard whole{.file = {.path = "/t", .bytes = text.size()}};
  if (!InspectLayout(files, *format, &whole).ok() || whole.layout == nullptr) return;
  Shard cut_up = whole;
  if (format->name == "mysqldump") {
    FUZZ_CHECK(InspectMysqlDump(files, *format, range_bytes, &cut_up).ok());
    FUZZ_CHECK(cut_up.layout->columns == whole.layout->columns);
  }
  Status error, cut_error;
  const std::string rows = ReadAll(text, whole, *format, {}, SIZE_MAX, &error);
  // What the plan has read through is read again.
  FUZZ_CHECK(error.ok() || format->name == "mysqltab");
  std::vector<std::uint64_t> borders;
  for (std::uint64_t at = cut; at < text.size() && borders.size() < 8; at += cut) {
    borders.push_back(at);
  }
  const std::string again = ReadAll(text, cut_up, *format, borders, piece_bytes, &cut_error);
  FUZZ_CHECK(error.ok() == cut_error.ok());
  if (error.ok()) FUZZ_CHECK(rows == again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  MemoryFiles files;
  files.contents()["/t"] = std::make_shared<std::string>(text);
  const std::uint64_t range_bytes = 1 + data[0], cut = 1 + data[1];
  const std::size_t piece_bytes = 1 + data[2];
  Check(files, text, "mysqldump", range_bytes, cut, piece_bytes);
  Check(files, text, "mysqldump,table=t", range_bytes, cut, piece_bytes);
  Check(files, text, "mysqltab", range_bytes, cut, piece_bytes);
  return 0;
}
