// SPDX-License-Identifier: Apache-2.0
// Any bytes as a script (of the table t, or of whichever it has) and as a --tab file: cut anywhere,
// read in pieces of any size, and with row ranges of any size, they have the rows of the whole. The
// first three bytes say where and how.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/mysql_dump.h"
#include "tests/fuzz/fuzz_rows.h"

using namespace millrace;

namespace {

void Check(FileSystem& files, std::string_view text, const FileFormat& format,
           std::uint64_t range_bytes, std::uint64_t cut, std::size_t piece_bytes) {
  static const RowRequest all{.all = true, .columns = {}};
  static FuzzRecords rows, again;
  static std::vector<std::uint64_t> borders;
  Shard whole{.file = {.path = "/t", .bytes = text.size()}};
  if (!InspectLayout(files, format, &whole).ok() || whole.layout == nullptr) return;
  Shard cut_up = whole;
  if (format.name == "mysqldump") {
    FUZZ_CHECK(InspectMysqlDump(files, format, range_bytes, &cut_up).ok());
    FUZZ_CHECK(cut_up.layout->columns == whole.layout->columns);
  }
  const Status error = ReadFuzzRecords({text, format, whole}, all, {}, SIZE_MAX, &rows);
  // What the plan has read through is read again.
  FUZZ_CHECK(error.ok() || format.name == "mysqltab");
  borders.clear();
  for (std::uint64_t at = cut; at < text.size() && borders.size() < 3; at += cut) {
    borders.push_back(at);
  }
  const Status cut_error =
      ReadFuzzRecords({text, format, cut_up}, all, borders, piece_bytes, &again);
  FUZZ_CHECK(error.ok() == cut_error.ok());
  if (error.ok()) FUZZ_CHECK(rows == again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  static const FileFormat formats[] = {*ParseFileFormat("mysqldump"),
                                       *ParseFileFormat("mysqldump,table=t"),
                                       *ParseFileFormat("mysqltab")};
  static FuzzFiles files("/t");
  files.Set(text);
  const std::uint64_t range_bytes = 1 + data[0], cut = 1 + data[1];
  const std::size_t piece_bytes = 1 + data[2];
  Check(files.files(), text, formats[data[0] & 1], range_bytes, cut, piece_bytes);
  Check(files.files(), text, formats[2], range_bytes, cut, piece_bytes);
  return 0;
}
