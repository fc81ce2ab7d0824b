// SPDX-License-Identifier: Apache-2.0
// Any bytes as a dump: no crash and no endless loop, and a dump that is cut anywhere, and read in
// pieces of any size, gives what it gives when it is read at once. The first bytes say where it is
// cut, how large pieces and ranges are, and what is read.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/postgres_archive.h"
#include "mapreduce/formats/postgres_rows.h"
#include "mapreduce/formats/postgres_scan.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

namespace {

constexpr std::size_t kControlBytes = 4;
constexpr std::size_t kRecordBytesMax = 1 << 20;

class Pieces final : public ShardReader {
 public:
  Pieces(std::string_view text, std::uint64_t begin, std::size_t piece)
      : text_(text), at_(begin), piece_(piece) {}
  std::size_t NextReadBytes() override { return std::min(piece_, text_.size() - at_); }
  Result<std::size_t> Read(char* into, std::size_t) override {
    const std::size_t bytes = text_.copy(into, NextReadBytes(), at_);
    at_ += bytes;
    return bytes;
  }
  std::uint64_t offset() const override { return at_; }
  Status Finish() override { return Status::Ok(); }

 private:
  const std::string_view text_;
  std::size_t at_;
  const std::size_t piece_;
};

Result<ShardLayout> Look(std::string_view text, std::uint64_t range_bytes, std::size_t piece,
                         bool has_table) {
  std::optional<PostgresTableRequest> table;
  if (has_table) table = *PostgresTableRequest::Parse("t");
  PostgresScan scan(std::move(table), range_bytes);
  Pieces reader(text, 0, piece);
  MR_RETURN_IF_ERROR(scan.Read(reader, "dump.sql"));
  return scan.Finish("dump.sql");
}

// Rows with their places, and rejects; an error is the last one.
std::string Rows(std::string_view text, const Shard& shard, const RowRequest& request,
                 const std::vector<std::uint64_t>& borders, std::size_t piece) {
  const FileFormat format{"pgdump", {}};
  std::string rows;
  for (std::size_t i = 0; i + 1 < borders.size(); ++i) {
    const ShardRange range{borders[i], borders[i + 1], borders[i], borders[i + 1]};
    Pieces reader(text, range.begin, piece);
    auto blocks = OpenPostgresRows({reader, shard, range, format, request, kRecordBytesMax});
    if (!blocks.ok()) return rows + blocks.error().message();
    LineBlock block;
    for (;;) {
      const Result<bool> more = (*blocks)->Next(&block);
      if (!more.ok()) return rows + more.error().message();
      if (!*more) break;
      const std::string_view lines(block.begin, static_cast<std::size_t>(block.end - block.begin));
      rows += lines;
      rows += block.reject;
      FUZZ_CHECK(!block.reject.empty() || lines.ends_with('\n'));
      if (block.records == nullptr) continue;
      for (const SourceRecord& record : *block.records) {
        FUZZ_CHECK(text.substr(record.offset, record.raw.size()) == record.raw);
      }
    }
  }
  return rows;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kControlBytes) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + kControlBytes,
                              size - kControlBytes);
  static_cast<void>(ParsePostgresArchive(text));
  const std::uint64_t range_bytes = 1 + data[0] % 64;
  const std::size_t piece = 1 + data[1] % 64;
  const bool has_table = data[3] % 2 != 0;
  const Result<ShardLayout> layout = Look(text, range_bytes, SIZE_MAX, has_table);
  const Result<ShardLayout> in_pieces = Look(text, range_bytes, piece, has_table);
  FUZZ_CHECK(layout.ok() == in_pieces.ok());
  if (!layout.ok()) {
    FUZZ_CHECK(layout.error().message() == in_pieces.error().message());
    return 0;
  }
  FUZZ_CHECK(*layout == *in_pieces);
  Shard shard;
  shard.file.path = "dump.sql";
  shard.layout = std::make_shared<const ShardLayout>(*layout);
  const std::uint64_t cut = text.size() * data[2] / 256;
  RowRequest request{.all = data[3] % 4 < 2, .columns = {}};
  if (!request.all && !layout->columns.empty()) {
    request.columns = {{"a", "", static_cast<int>(layout->columns.size())}, {}, {"b", "", 1}};
  }
  const std::string whole = Rows(text, shard, request, {0, UINT64_MAX}, SIZE_MAX);
  FUZZ_CHECK((whole == Rows(text, shard, request, {0, cut, UINT64_MAX}, piece)));
  return 0;
}
