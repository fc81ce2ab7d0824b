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
#include "mapreduce/formats/postgres_scan.h"
#include "tests/fuzz/fuzz_rows.h"

using namespace millrace;

namespace {

constexpr std::size_t kControlBytes = 4;

Result<ShardLayout> Look(std::string_view text, std::uint64_t range_bytes, std::size_t piece,
                         bool has_table) {
  std::optional<PostgresTableRequest> table;
  if (has_table) table = *PostgresTableRequest::Parse("t");
  PostgresScan scan(std::move(table), range_bytes);
  FuzzShardReader reader(text, 0, piece);
  MR_RETURN_IF_ERROR(scan.Read(reader, "dump.sql"));
  return scan.Finish("dump.sql");
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
  static const FileFormat format{"pgdump", {}};
  static FuzzRecords whole, in_two;
  const FuzzShard file{text, format, shard};
  const Status status = ReadFuzzRecords(file, request, {}, SIZE_MAX, &whole);
  const Status status_in_two = ReadFuzzRecords(
      file, request, cut == 0 ? std::vector<std::uint64_t>() : std::vector{cut}, piece, &in_two);
  FUZZ_CHECK(status.ok() == status_in_two.ok());
  if (!status.ok()) FUZZ_CHECK(status.message() == status_in_two.message());
  FUZZ_CHECK(whole == in_two);
  return 0;
}
