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

#include "mapreduce/formats/row_block.h"
#include "tests/fuzz/fuzz_rows.h"
#include "tests/unit/formats/csv_reference.h"

using namespace millrace;

namespace {

// `status`: fine, or of a file that is damaged.
void CheckAgainstReference(const FuzzShard& file, const FuzzRecords& records, const Status& status,
                           char delimiter) {
  const std::vector<std::string>& columns = file.shard.layout->columns;
  const std::size_t column_count = columns.size();
  const bool has_header = file.format.option("header", "yes") == "yes";
  static RowBlock row;
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
    const std::size_t i = next++;
    FUZZ_CHECK(records.offset(i) == wanted.offset && records.raw(i) == wanted.raw);
    FUZZ_CHECK(records.is_reject(i) == (wanted.fields.size() != column_count));
    if (records.is_reject(i)) continue;
    row.Clear();
    row.BeginRow();
    for (const auto& field : wanted.fields) field ? row.AddField(*field) : row.AddNull();
    row.EndRow(0, {});
    const LineBlock block = row.Block();
    FUZZ_CHECK((records.line(i) ==
                std::string_view(block.begin, static_cast<std::size_t>(block.end - block.begin))));
  }
  FUZZ_CHECK(next == records.size());
  FUZZ_CHECK(is_damaged == !status.ok());
}

}  // namespace

// The first bytes: dialect and the number of cuts, limit and piece, and the cuts' places.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeadBytes = 8;
  if (size < kHeadBytes) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + kHeadBytes, size - kHeadBytes);
  const char delimiter = (data[0] & 1) != 0 ? ';' : ',';
  static const FileFormat formats[] = {*ParseFileFormat("csv"), *ParseFileFormat("csv,delimiter=;"),
                                       *ParseFileFormat("csv,header=no"),
                                       *ParseFileFormat("csv,delimiter=;,header=no")};
  static FuzzFiles files("/f.csv");
  files.Set(text);
  Shard shard{.file = {.path = "/f.csv", .bytes = text.size()}};
  const FuzzShard file{text, formats[data[0] & 3], shard,
                       (data[0] & 4) != 0 ? 1u + data[1] : std::size_t{1} << 20};
  if (!InspectLayout(files.files(), file.format, &shard).ok() || shard.layout == nullptr) return 0;
  static const RowRequest all{.all = true, .columns = {}};
  static FuzzRecords whole, cut;
  const Status whole_status = ReadFuzzRecords(file, all, {}, SIZE_MAX, &whole);
  const bool is_short = text.size() <= file.record_bytes_max;
  const bool is_damaged = whole_status.message().find("never closed") != std::string::npos;
  if (whole_status.ok() || is_damaged || is_short) {
    CheckAgainstReference(file, whole, whole_status, delimiter);
  }
  bool is_good = whole_status.ok() && is_short;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    is_good &= !whole.is_reject(i) || whole.reason(i).starts_with("has ");
  }
  static std::vector<std::uint64_t> borders;
  borders.clear();
  const std::size_t cut_count = 5 - (data[0] >> 3) % 5;
  for (std::size_t i = 3; i < 3 + cut_count; ++i) {
    const std::uint64_t at = (data[i] | std::uint64_t{data[2]} << 3) % (text.size() + 1);
    if (at > 0) borders.push_back(at);
  }
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
  const std::size_t piece_bytes = data[1] % 2 != 0 ? 1 : 1 + data[1] / 2 % 97;
  const Status status = ReadFuzzRecords(file, all, borders, piece_bytes, &cut);
  FUZZ_CHECK(status.ok() || !is_good);
  if (status.ok()) {
    FUZZ_CHECK(whole_status.ok() && cut == whole);
    return 0;
  }
  FUZZ_CHECK(status.code() == StatusCode::kBadData);
  const bool is_border = status.message().find("--split-size") != std::string::npos;
  FUZZ_CHECK(is_border || (!whole_status.ok() && status.message() == whole_status.message()));
  FUZZ_CHECK(FuzzRecords::Agree(cut, whole));
  return 0;
}
