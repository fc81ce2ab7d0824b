// SPDX-License-Identifier: Apache-2.0
// Any bytes as an input shard, under a name that may claim compression: read whole, or an error;
// and cut into small ranges it gives the same bytes as in one.
#include "mapreduce/io/shard_reader.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

namespace {

constexpr std::size_t kBytesMax = std::size_t{16} << 20;  // A small file may hold a huge frame.

/// The bytes of a range up to its end, as far as they are the range's own.
Status ReadRange(const Shard& shard, const ShardRange& range, std::string* bytes) {
  MR_ASSIGN_OR_RETURN(const auto reader,
                      ShardReader::Open(LocalFileSystem(), shard, range, nullptr, nullptr));
  std::string piece;
  while (reader->offset() < range.end && bytes->size() < kBytesMax) {
    piece.resize(reader->NextReadBytes());
    MR_ASSIGN_OR_RETURN(const std::size_t read, reader->Read(piece.data(), piece.size()));
    if (read == 0) break;
    bytes->append(piece, 0, read);
  }
  if (range.end != UINT64_MAX && bytes->size() > range.end - range.begin) {
    bytes->resize(range.end - range.begin);
  }
  return Status::Ok();
}

void ReadShard(FuzzFile& file, const std::uint8_t* data, std::size_t size) {
  const Result<FileInfo> info = LocalFileSystem().Stat(file.Write(data, size));
  FUZZ_CHECK(info.ok());
  const Result<Shard> shard = InspectShard(LocalFileSystem(), *info);
  if (!shard.ok()) return;
  const std::vector<ShardRange> whole = CutShard(*shard, UINT64_MAX);
  FUZZ_CHECK(whole.size() == 1);
  std::string expected;
  const bool is_readable = ReadRange(*shard, whole.front(), &expected).ok();
  if (!is_readable || expected.size() >= kBytesMax) return;
  std::string joined;
  for (const ShardRange& range : CutShard(*shard, 64)) {
    std::string bytes;
    FUZZ_CHECK(ReadRange(*shard, range, &bytes).ok());
    joined += bytes;
  }
  FUZZ_CHECK(joined == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static FuzzFile plain("shard.tsv");
  static FuzzFile zstd("shard.tsv.zst");
  static FuzzFile gzip("shard.tsv.gz");
  if (size == 0) return 0;
  // The first byte chooses the name.
  FuzzFile& file = data[0] % 3 == 0 ? plain : data[0] % 3 == 1 ? zstd : gzip;
  ReadShard(file, data + 1, size - 1);
  return 0;
}
